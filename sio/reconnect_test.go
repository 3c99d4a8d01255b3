package sio

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestReconnect(t *testing.T) {
	stacktest.Reconnect(t, NewServer, DialReconnect, scenarios.ProtocolEIO3)
}

// TestFailedWrite has a write fail, which go-socket.io does not tell. The
// message is kept, and sent once the client is back.
func TestFailedWrite(t *testing.T) {
	_, url := serve(t, scenarios.ServerConfig{})
	var log scenarios.EventLog
	r := scenarios.Reconnect{Delay: time.Millisecond}
	client, err := DialReconnect(t.Context(), url, scenarios.DialConfig{Reconnect: &r}, log.Add)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.Join(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	c := client.(*Reconnecting)
	c.mu.Lock()
	c.conn.Conn.(*net.TCPConn).CloseWrite()
	c.mu.Unlock()
	m := scenarios.Message{Room: "r", Body: "hello"}
	if err := client.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := log.Await(ctx, func(events []scenarios.Event) bool {
		return len(events) > 0 && events[len(events)-1].Message == m
	}); err != nil {
		t.Error(err)
	}
}

// TestUnsupported asks for what go-socket.io does not have.
func TestUnsupported(t *testing.T) {
	for _, r := range []scenarios.Reconnect{{Resume: true}, {Retries: 1}} {
		_, err := DialReconnect(t.Context(), "http://127.0.0.1:1", scenarios.DialConfig{Reconnect: &r}, nil)
		if !errors.Is(err, scenarios.ErrUnsupported) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}
