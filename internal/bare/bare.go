// Package bare is the plain WebSocket server without the chat: it passes each
// text message on to all clients as it came. What rawws costs beyond it is the
// JSON envelope, taken apart and built anew, and the rooms.
//
// All else is as in rawws: what is in session.go word for word, and a test
// holds it to that. It is a copy because the size of rawws is a result: no seam
// is cut into it for this.
package bare

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// Server sends whatever a client sends to all clients.
type Server struct {
	cfg      scenarios.ServerConfig
	upgrader websocket.Upgrader
	sessions sync.WaitGroup

	mu      sync.RWMutex
	closing bool
	clients map[*session]struct{}
}

// NewServer returns a server; mount it at scenarios.PathRaw.
func NewServer(cfg scenarios.ServerConfig) (scenarios.Server, error) {
	cfg = cfg.WithDefaults()
	return &Server{
		cfg:      cfg,
		upgrader: websocket.Upgrader{CheckOrigin: cfg.OriginAllowed},
		clients:  make(map[*session]struct{}),
	}, nil
}

// Shutdown implements scenarios.Server.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for c := range s.clients {
		c.bye(websocket.CloseGoingAway, "server is shutting down")
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.sessions.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.clients {
		c.conn.Close()
	}
	s.mu.Unlock()
	<-done
	return ctx.Err()
}

// broadcast queues a text for all clients.
func (s *Server) broadcast(text []byte) {
	f := frame(websocket.TextMessage, text)
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := range s.clients {
		c.send(f)
	}
}

// enter registers a client, unless the server is shutting down.
func (s *Server) enter(c *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.sessions.Add(1)
	s.clients[c] = struct{}{}
	return true
}

// forget takes a client off the list.
func (s *Server) forget(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

// answer returns the answer to a request to join or to leave, which is all that
// is not passed on: the load generator waits for it. Like any client of the
// suite it writes such a request in one way.
func answer(text []byte) (ack []byte, ok bool) {
	id, ok := bytes.CutPrefix(text, []byte(`{"type":"join","id":`))
	if !ok {
		id, ok = bytes.CutPrefix(text, []byte(`{"type":"leave","id":`))
	}
	if !ok {
		return nil, false
	}
	digits := 0
	for digits < len(id) && id[digits] >= '0' && id[digits] <= '9' {
		digits++
	}
	n, err := strconv.ParseInt(string(id[:digits]), 10, 64)
	if err != nil {
		return nil, false
	}
	ack = strconv.AppendInt([]byte(`{"type":"ack","id":`), n, 10)
	return append(ack, '}'), true
}

// session is one connected client. Its reader runs in ServeHTTP; its writer
// owns the connection's other direction.
type session struct {
	server *Server
	conn   *websocket.Conn
	run    func() // write, as a value made once
	writer sync.WaitGroup

	mu       sync.Mutex
	queue    []byte // frames that wait, back to back
	waiting  int    // how many
	spare    []byte // the buffer of the frames before
	writing  bool   // a writer runs
	ended    bool   // nothing may be queued any more
	timeout  time.Duration
	deadline time.Time // of the connection, for writing
	ping     *time.Timer
}

// handle passes on one frame of the client, unless it has been told to go.
func (c *session) handle(text []byte) {
	if c.hasEnded() {
		return
	}
	if ack, ok := answer(text); ok {
		c.send(frame(websocket.TextMessage, ack))
		return
	}
	c.server.broadcast(text)
}
