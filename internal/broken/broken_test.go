package broken

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// serve starts a server and connects clients that have joined the room "r".
func serve(
	t *testing.T, f Faults, clients int,
) (scenarios.Server, []*websocket.Conn) {
	t.Helper()
	chat, err := NewServer(f)(scenarios.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(chat)
	t.Cleanup(srv.Close)
	conns := make([]*websocket.Conn, clients)
	for i := range conns {
		url := "ws" + strings.TrimPrefix(srv.URL, "http") + scenarios.PathRaw
		conn, _, err := websocket.DefaultDialer.Dial(url, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetReadDeadline(time.Now().Add(10 * time.Second))
		conns[i] = conn
		send(t, conn, `{"type":"join","id":1,"data":{"room":"r"}}`)
		if got := read(t, conn); got.Type != "ack" || got.Error != "" {
			t.Fatalf("join: got %+v", got)
		}
	}
	return chat, conns
}

func send(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	err := conn.WriteMessage(websocket.TextMessage, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, conn *websocket.Conn) frame {
	t.Helper()
	var f frame
	if err := conn.ReadJSON(&f); err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFaults sends messages 1 to 10 and looks in which order they arrive, up
// to an answer that comes after them.
func TestFaults(t *testing.T) {
	tests := []struct {
		faults Faults
		want   []int64
	}{
		{Faults{}, []int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{Faults{Lose: 4}, []int64{1, 2, 3, 5, 6, 7, 9, 10}},
		{Faults{Lose: 1}, nil},
		{Faults{Double: 4}, []int64{1, 2, 3, 4, 4, 5, 6, 7, 8, 8, 9, 10}},
		{Faults{Swap: 4}, []int64{1, 2, 3, 5, 4, 6, 7, 9, 8, 10}},
		{Faults{Swap: 1}, []int64{2, 1, 4, 3, 6, 5, 8, 7, 10, 9}},
		{Faults{Delay: 4}, []int64{1, 2, 3, 5, 6, 7, 9, 10}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%+v", tt.faults), func(t *testing.T) {
			chat, conns := serve(t, tt.faults, 1)
			for seq := range 10 {
				send(t, conns[0], fmt.Sprintf(
					`{"type":"chat","data":{"room":"r","seq":%d}}`, seq+1))
			}
			send(t, conns[0], `{"type":"leave","id":2,"data":{"room":"r"}}`)
			var got []int64
			for {
				f := read(t, conns[0])
				if f.Type == "ack" {
					break
				}
				got = append(got, f.Data.Seq)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if tt.faults.Delay == 0 {
				return
			}
			go chat.Shutdown(t.Context())
			for _, want := range []int64{4, 8} {
				if f := read(t, conns[0]); f.Data.Seq != want {
					t.Errorf("at shutdown: got %+v, want %d", f, want)
				}
			}
		})
	}
}

func TestCloseCodes(t *testing.T) {
	tests := []struct {
		send string
		code int
	}{
		{`{"type":`, websocket.CloseInvalidFramePayloadData},
		{`{"type":"dance"}`, websocket.ClosePolicyViolation},
		{`"` + strings.Repeat("x", 1_000_000) + `"`, websocket.CloseMessageTooBig},
	}
	for _, tt := range tests {
		_, conns := serve(t, Faults{}, 1)
		send(t, conns[0], tt.send)
		_, _, err := conns[0].ReadMessage()
		if !websocket.IsCloseError(err, tt.code) {
			t.Errorf("got %v, want code %d", err, tt.code)
		}
	}
}

func TestShutdown(t *testing.T) {
	chat, conns := serve(t, Faults{}, 2)

	// One client answers the close frame, the other is cut off.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- chat.Shutdown(ctx) }()
	_, _, err := conns[0].ReadMessage()
	if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("got %v, want code %d", err, websocket.CloseGoingAway)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
