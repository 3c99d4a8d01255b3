// Package broken is a chat server over a plain WebSocket that makes mistakes
// on purpose. It proves that the stack suite and the load generator notice.
//
// It is as simple as a correct server can be: one lock, held while it writes.
// A client that does not read holds up all others, and there is no heartbeat.
package broken

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// Faults says which mistakes a server makes. With none set it is correct.
//
// A number n breaks every nth delivery of a message or announcement to each
// client, so that it does not depend on what the other clients do; 0 breaks
// none. The other messages to that client are unharmed.
type Faults struct {
	Lose   int // it is never written
	Double int // it is written twice
	Swap   int // it is written after the next one, if there is one
	Delay  int // it is held back until Shutdown

	// Leak has every nth message of a room go to all clients, whatever rooms
	// they are in.
	Leak int

	TellJoiner bool // the joiner, too, is told that it has joined
	KeepLeft   bool // who leaves a room stays in it
	KeepGone   bool // who is gone stays listed, and a broadcast ends there
	NoChecks   bool // takes any origin, size and room name
	KeepOpen   bool // Shutdown leaves the clients connected
}

// closeGrace is how long a client may take to answer a close frame.
const closeGrace = time.Second

// NewServer returns a function that makes chat servers with these faults;
// mount them at scenarios.PathRaw.
func NewServer(f Faults) scenarios.NewServer {
	return func(cfg scenarios.ServerConfig) (scenarios.Server, error) {
		cfg = cfg.WithDefaults()
		s := &server{
			cfg:      cfg,
			faults:   f,
			upgrader: websocket.Upgrader{CheckOrigin: cfg.OriginAllowed},
			clients:  make(map[*client]struct{}),
		}
		if f.NoChecks {
			s.cfg.ReadLimit = 0
			s.upgrader.CheckOrigin = func(*http.Request) bool { return true }
		}
		return s, nil
	}
}

// frame is a text frame in both directions.
type frame struct {
	Type  string            `json:"type"`
	ID    int64             `json:"id,omitempty"`
	Error string            `json:"error,omitempty"`
	Data  scenarios.Message `json:"data,omitzero"`
}

// server is the chat server.
type server struct {
	cfg      scenarios.ServerConfig
	faults   Faults
	upgrader websocket.Upgrader
	running  sync.WaitGroup // one for each client

	mu       sync.Mutex // of all that follows, and held while writing
	closing  bool
	clients  map[*client]struct{}
	messages int // to rooms, so far
}

// client is one connected client.
type client struct {
	conn       *websocket.Conn
	rooms      map[string]bool
	deliveries int     // due so far
	swapped    *frame  // waits for the next delivery
	delayed    []frame // wait for Shutdown
}

// ServeHTTP upgrades the request and serves the client until it is gone.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	defer conn.Close()
	c := &client{conn: conn, rooms: make(map[string]bool)}
	if !s.enter(c) {
		bye(conn, websocket.CloseGoingAway, "server is shutting down")
		return
	}
	defer s.running.Done()
	s.read(c)
	s.forget(c)
}

// Shutdown implements scenarios.Server.
func (s *server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for c := range s.clients {
		for _, f := range c.delayed {
			s.write(c, f)
		}
		if !s.faults.KeepOpen {
			bye(c.conn, websocket.CloseGoingAway, "server is shutting down")
		}
	}
	s.mu.Unlock()
	if s.faults.KeepOpen {
		return nil
	}

	done := make(chan struct{})
	go func() {
		s.running.Wait()
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

// enter puts a client on the list, unless the server is shutting down.
func (s *server) enter(c *client) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.running.Add(1)
	s.clients[c] = struct{}{}
	return true
}

// forget takes a client off the list.
func (s *server) forget(c *client) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.faults.KeepGone {
		delete(s.clients, c)
	}
}

// read handles what a client sends until the connection ends.
func (s *server) read(c *client) {
	c.conn.SetReadLimit(s.cfg.ReadLimit)
	for {
		_, text, err := c.conn.ReadMessage()
		if errors.Is(err, websocket.ErrReadLimit) {
			drain(c.conn) // gorilla has sent the close frame
		}
		if err != nil {
			return
		}
		var f frame
		if err := json.Unmarshal(text, &f); err != nil {
			bye(c.conn, websocket.CloseInvalidFramePayloadData,
				"not valid JSON")
			drain(c.conn)
			return
		}
		if !s.handle(c, f) {
			bye(c.conn, websocket.ClosePolicyViolation, "unknown type")
			drain(c.conn)
			return
		}
	}
}

// handle acts on a frame and reports whether it knows its type.
func (s *server) handle(c *client, f frame) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch f.Type {
	case "join", "leave":
		answer := frame{Type: "ack", ID: f.ID}
		if f.Data.Room == "" && !s.faults.NoChecks {
			answer.Error = "room name is empty"
		} else if f.Type == "join" {
			s.join(c, f.Data)
		} else if !s.faults.KeepLeft {
			delete(c.rooms, f.Data.Room)
		}
		s.write(c, answer)
	case "chat":
		if f.Data.Room != "" || s.faults.NoChecks {
			s.chat(f.Data)
		}
	case "announce":
		f.Data.Room = ""
		s.broadcast(frame{Type: "announce", Data: f.Data},
			func(*client) bool { return true })
	default:
		return false
	}
	return true
}

// join puts a client into a room and tells the others, unless it has nothing
// to say.
func (s *server) join(c *client, m scenarios.Message) {
	c.rooms[m.Room] = true
	if m.Body == "" {
		return
	}
	for other := range s.clients {
		if other.rooms[m.Room] && (other != c || s.faults.TellJoiner) {
			s.write(other, frame{Type: "joined", Data: m})
		}
	}
}

// chat sends a message to the members of its room.
func (s *server) chat(m scenarios.Message) {
	s.messages++
	leak := nth(s.messages, s.faults.Leak)
	s.broadcast(frame{Type: "chat", Data: m},
		func(c *client) bool { return leak || c.rooms[m.Room] })
}

// broadcast delivers a frame to those clients that it is for.
func (s *server) broadcast(f frame, isFor func(*client) bool) {
	for c := range s.clients {
		if !isFor(c) {
			continue
		}
		if err := s.deliver(c, f); err != nil && s.faults.KeepGone {
			return
		}
	}
}

// deliver writes a message to one client, or does what is wrong instead.
func (s *server) deliver(c *client, f frame) error {
	c.deliveries++
	due := func(n int) bool { return nth(c.deliveries, n) }
	switch {
	case due(s.faults.Lose):
		return nil
	case due(s.faults.Delay):
		c.delayed = append(c.delayed, f)
		return nil
	case due(s.faults.Swap) && c.swapped == nil:
		c.swapped = &f
		return nil
	case due(s.faults.Double):
		s.write(c, f)
	}
	err := s.write(c, f)
	if c.swapped != nil {
		err = s.write(c, *c.swapped)
		c.swapped = nil
	}
	return err
}

// nth reports whether i is a multiple of n; of 0 none is.
func nth(i, n int) bool { return n > 0 && i%n == 0 }

// write writes a frame. A client that cannot be written to is cut off; its
// reader then takes it off the list.
func (s *server) write(c *client, f frame) error {
	c.conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
	err := c.conn.WriteJSON(f)
	if err != nil {
		c.conn.Close()
	}
	return err
}

// bye sends a close frame and gives the client closeGrace to answer it.
func bye(conn *websocket.Conn, code int, reason string) {
	deadline := time.Now().Add(closeGrace)
	conn.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(code, reason), deadline)
	conn.SetReadDeadline(deadline)
}

// drain reads on for a while. To close with bytes unread would reset the
// connection, and the reset could overtake the close frame.
func drain(conn *websocket.Conn) {
	conn.SetReadDeadline(time.Now().Add(closeGrace))
	io.Copy(io.Discard, conn.NetConn())
}
