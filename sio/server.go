// Package sio is the chat over Socket.IO, on googollee/go-socket.io.
package sio

import (
	"context"
	"io"
	"net/http"
	"sync"
	"time"

	socketio "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/engineio"
	"github.com/googollee/go-socket.io/engineio/frame"
	"github.com/googollee/go-socket.io/engineio/packet"
	"github.com/googollee/go-socket.io/engineio/transport"
	"github.com/googollee/go-socket.io/engineio/transport/polling"
	"github.com/googollee/go-socket.io/engineio/transport/websocket"

	"wsvsio/scenarios"
)

// namespace is the one that clients connect to if they name none.
const namespace = "/"

// everyone is the room that all clients are in; no client may name it.
// BroadcastToNamespace would send once for every room that a client is in, and
// so would another node if the room had no name.
const everyone = "\x00everyone"

// Server is the chat server.
type Server struct {
	cfg      scenarios.ServerConfig
	io       *socketio.Server
	requests sync.WaitGroup
	publish  sync.Mutex // see broadcast

	mu      sync.RWMutex
	closing bool
}

// NewServer returns a chat server; mount it at scenarios.PathSIO.
func NewServer(cfg scenarios.ServerConfig) (scenarios.Server, error) {
	cfg = behind(cfg.WithDefaults())
	s := &Server{cfg: cfg}
	ws := &websocket.Transport{CheckOrigin: cfg.OriginAllowed}
	s.io = socketio.NewServer(&engineio.Options{
		Transports: []transport.Transport{
			&polling.Transport{CheckOrigin: cfg.OriginAllowed},
			limited{ws, cfg.ReadLimit},
		},
		SessionIDGenerator: sessionIDs(cfg.Node),
		PingInterval:       cfg.PingInterval,
		// The library waits for the next ping only this long, so it has to
		// include the interval.
		PingTimeout: cfg.PingInterval + cfg.PingTimeout,
	})
	if cfg.Redis != "" {
		if err := s.joinNodes(); err != nil {
			return nil, err
		}
	}
	s.io.OnConnect(namespace, func(c socketio.Conn) error {
		c.Join(everyone)
		return nil
	})
	s.io.OnDisconnect(namespace, func(c socketio.Conn, _ string) {
		// Who says goodbye over polling would stay connected until the
		// heartbeat fails. Close calls this handler, hence the goroutine.
		go c.Close()
	})
	s.io.OnEvent(namespace, "join", s.join)
	s.io.OnEvent(namespace, "leave", s.leave)
	s.io.OnEvent(namespace, "chat", s.chat)
	s.io.OnEvent(namespace, "announce", s.announce)
	go s.io.Serve()
	return s, nil
}

// ServeHTTP serves a request of either transport.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r = forwarded(s.cfg, r)
	if !s.cfg.OriginAllowed(r) { // polling would only leave out a header
		http.Error(w, "origin not allowed", http.StatusForbidden)
		return
	}
	if !s.enter() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	defer s.requests.Done()
	if r.ContentLength > s.cfg.ReadLimit {
		http.Error(w, "message too big", http.StatusRequestEntityTooLarge)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.cfg.ReadLimit)
	s.io.ServeHTTP(w, r)
}

// Shutdown implements scenarios.Server.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.requests.Wait()
		close(done)
	}()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		s.disconnect()
		select {
		case <-done:
			return s.io.Close()
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C: // somebody was about to connect
		}
	}
}

// join puts a client into a room and tells the others, unless it has nothing
// to say.
func (s *Server) join(c socketio.Conn, m scenarios.Message) string {
	if !named(m.Room) {
		return "room name is empty"
	}
	if m.Body != "" && s.cfg.Redis != "" {
		s.greetNodes(c, m)
	} else if m.Body != "" {
		s.io.ForEach(namespace, m.Room, func(other socketio.Conn) {
			if other.ID() != c.ID() {
				other.Emit("joined", m)
			}
		})
	}
	c.Join(m.Room)
	return ""
}

// leave takes a client out of a room.
func (s *Server) leave(c socketio.Conn, m scenarios.Message) string {
	if !named(m.Room) {
		return "room name is empty"
	}
	c.Leave(m.Room)
	return ""
}

// chat sends a message to the members of its room.
func (s *Server) chat(_ socketio.Conn, m scenarios.Message) {
	if named(m.Room) {
		s.broadcast(m.Room, "chat", m)
	}
}

// announce sends a message to every client.
func (s *Server) announce(_ socketio.Conn, m scenarios.Message) {
	m.Room = ""
	s.broadcast(everyone, "announce", m)
}

// named reports whether a room is one that clients may enter.
func named(room string) bool { return room != "" && room != everyone }

// broadcast tells all clients of a room, here and on the other nodes.
func (s *Server) broadcast(room, kind string, m scenarios.Message) {
	if s.cfg.Redis != "" {
		s.publish.Lock()
		defer s.publish.Unlock()
	}
	s.io.BroadcastToRoom(namespace, room, kind, m)
}

// What follows makes up for what go-socket.io does not do: a shutdown and a
// limit to what a client may send.

// enter counts a request, unless the server is shutting down.
func (s *Server) enter() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closing {
		return false
	}
	s.requests.Add(1)
	return true
}

// disconnect closes all clients. They leave their rooms in Close, so it must
// not be called while ForEach holds the rooms' lock.
func (s *Server) disconnect() {
	var clients []socketio.Conn
	s.io.ForEach(namespace, everyone, func(c socketio.Conn) {
		clients = append(clients, c)
	})
	for _, c := range clients {
		c.Close()
	}
}

// limited is the websocket transport with a read limit.
type limited struct {
	*websocket.Transport
	limit int64
}

// Accept implements transport.Transport.
func (t limited) Accept(
	w http.ResponseWriter, r *http.Request,
) (transport.Conn, error) {
	conn, err := t.Transport.Accept(w, r)
	if err != nil {
		return nil, err
	}
	return &limitedConn{conn, conn.(http.Handler), t.limit}, nil
}

// limitedConn is a connection of the limited transport.
type limitedConn struct {
	transport.Conn
	http.Handler
	limit int64
}

// NextReader implements transport.FrameReader.
func (c *limitedConn) NextReader() (
	frame.Type, packet.Type, io.ReadCloser, error,
) {
	ft, pt, r, err := c.Conn.NextReader()
	if err != nil {
		return ft, pt, r, err
	}
	return ft, pt, http.MaxBytesReader(nil, r, c.limit), nil
}
