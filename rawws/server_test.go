package rawws

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// serve starts a server and returns it with the URL of its chat.
func serve(t *testing.T, cfg scenarios.ServerConfig) (*Server, string) {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		web.Close()
	})
	return s.(*Server), web.URL
}

func dialRaw(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	return conn
}

// present is how many clients the server knows.
func (s *Server) present() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.rooms[everyone])
}

// TestSlowReader has one of two clients stop reading. The other must get
// everything, and the slow one is disconnected.
func TestSlowReader(t *testing.T) {
	s, url := serve(t, scenarios.ServerConfig{Queue: 16})
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	slow := dialRaw(t, url)
	if err := slow.WriteJSON(envelope{Type: "join", Data: scenarios.Message{Room: "r"}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := slow.ReadMessage(); err != nil { // the answer, and then no more
		t.Fatal(err)
	}
	var log scenarios.EventLog
	fast, err := Dial(ctx, url, scenarios.DialConfig{Name: "fast"}, log.Add)
	if err != nil {
		t.Fatal(err)
	}
	defer fast.Close()
	if err := fast.Join(ctx, "r"); err != nil {
		t.Fatal(err)
	}
	// 32 MiB is more than the system buffers between the two.
	const messages = 512
	body := strings.Repeat("x", 64<<10)
	for i := range messages {
		if err := fast.Send(ctx, scenarios.Message{Room: "r", Seq: int64(i), Body: body}); err != nil {
			t.Fatal(err)
		}
		// One at a time: the fast one must not be slow, either.
		if _, err := log.Await(ctx, func(events []scenarios.Event) bool {
			return events[len(events)-1].Kind == scenarios.EventMessage && events[len(events)-1].Message.Seq == int64(i)
		}); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.present(); n != 1 {
		t.Errorf("%d clients are connected, want the fast one alone", n)
	}
	for err = nil; err == nil; {
		_, _, err = slow.ReadMessage()
	}
}

// TestRefused sends what no client of ours would send.
func TestRefused(t *testing.T) {
	_, url := serve(t, scenarios.ServerConfig{ReadLimit: 1000})
	for text, want := range map[string]int{
		"{":                             websocket.CloseInvalidFramePayloadData,
		`{"type":"chat","data":"text"}`: websocket.CloseInvalidFramePayloadData,
		`{"type":"dance"}`:              websocket.ClosePolicyViolation,
		strings.Repeat("x", 1001):       websocket.CloseMessageTooBig,
		strings.Repeat("x", 4<<20):      websocket.CloseMessageTooBig,
	} {
		conn := dialRaw(t, url)
		go conn.WriteMessage(websocket.TextMessage, []byte(text))
		if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, want) {
			t.Errorf("%.20q: %v, want close code %d", text, err, want)
		}
	}
}

// TestToldToGo checks what comes after a close frame: nothing, and no second
// one. Nor is the client obeyed any more.
func TestToldToGo(t *testing.T) {
	for name, text := range map[string]string{
		"unknown type": `{"type":"dance"}`,
		"too big":      strings.Repeat("x", 2000),
	} {
		t.Run(name, func(t *testing.T) {
			_, url := serve(t, scenarios.ServerConfig{ReadLimit: 1000})
			bad, other := dialRaw(t, url), dialRaw(t, url)
			for _, conn := range []*websocket.Conn{bad, other} {
				if err := conn.WriteJSON(envelope{Type: "join", ID: 1, Data: scenarios.Message{Room: "r"}}); err != nil {
					t.Fatal(err)
				}
				if _, _, err := conn.ReadMessage(); err != nil {
					t.Fatal(err)
				}
			}
			bad.WriteMessage(websocket.TextMessage, []byte(text))
			bad.WriteJSON(envelope{Type: "chat", Data: scenarios.Message{Room: "r", Body: "from the bad one"}})
			// All that the server sends from here on, as it is on the wire.
			done := make(chan []byte)
			go func() {
				all, _ := io.ReadAll(bad.NetConn())
				done <- all
			}()
			if err := other.WriteJSON(envelope{Type: "chat", Data: scenarios.Message{Room: "r", Body: "hello"}}); err != nil {
				t.Fatal(err)
			}
			var e envelope
			if err := other.ReadJSON(&e); err != nil || e.Data.Body != "hello" {
				t.Errorf("the other one reads %+v, %v", e, err)
			}
			wire := <-done
			at := bytes.IndexByte(wire, 0x80|websocket.CloseMessage)
			if at < 0 || len(wire) != at+2+int(wire[at+1]) {
				t.Errorf("the server sends % x: want one close frame, as the last thing", wire)
			}
		})
	}
}

// TestHeartbeat has a client that does not answer, and one that does.
func TestHeartbeat(t *testing.T) {
	t.Parallel() // it waits
	s, url := serve(t, scenarios.ServerConfig{
		PingInterval: 10 * time.Millisecond, PingTimeout: 3 * time.Second,
	})
	dead, live := dialRaw(t, url), dialRaw(t, url)
	dead.SetPingHandler(func(string) error { return nil })
	go func() {
		for {
			if _, _, err := live.ReadMessage(); err != nil {
				return
			}
		}
	}()
	if _, _, err := dead.ReadMessage(); err == nil || websocket.IsCloseError(err, websocket.CloseNormalClosure) {
		t.Errorf("the silent client reads %v, want the end of its connection", err)
	}
	if n := s.present(); n != 1 {
		t.Errorf("%d clients are connected, want the one that answers alone", n)
	}
}

// TestPing answers a client's ping among its messages.
func TestPing(t *testing.T) {
	_, url := serve(t, scenarios.ServerConfig{})
	conn := dialRaw(t, url)
	got := make(chan string, 1)
	conn.SetPongHandler(func(data string) error {
		got <- data
		return nil
	})
	if err := conn.WriteControl(websocket.PingMessage, []byte("hello"), time.Now().Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if err := conn.WriteJSON(envelope{Type: "leave", Data: scenarios.Message{Room: "r"}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); err != nil {
		t.Fatal(err)
	}
	if data := <-got; data != "hello" {
		t.Errorf("the pong holds %q", data)
	}
}

// TestShuttingDown refuses whoever comes while the others are told.
func TestShuttingDown(t *testing.T) {
	s, url := serve(t, scenarios.ServerConfig{})
	conn := dialRaw(t, url)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(ctx) }()
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the client reads %v, want close code 1001", err)
	}
	if err := <-done; err != nil {
		t.Errorf("shutdown: %v", err)
	}
	late := dialRaw(t, url)
	if _, _, err := late.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("who comes late reads %v, want close code 1001", err)
	}
}

// TestStuckShutdown gives up on a client that does not answer.
func TestStuckShutdown(t *testing.T) {
	s, url := serve(t, scenarios.ServerConfig{})
	conn := dialRaw(t, url)
	if err := conn.WriteJSON(envelope{Type: "leave", Data: scenarios.Message{Room: "r"}}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := conn.ReadMessage(); err != nil { // the server knows it now
		t.Fatal(err)
	}
	// It reads no more, and so never answers the close frame.
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("shutdown waited for nobody")
	}
	if n := s.present(); n != 0 {
		t.Errorf("%d clients are connected after the shutdown", n)
	}
}

func TestNotAWebSocket(t *testing.T) {
	_, url := serve(t, scenarios.ServerConfig{})
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a plain request is answered with %s", resp.Status)
	}
}
