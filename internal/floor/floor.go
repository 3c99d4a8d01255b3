// Package floor is the physical limit beside which the chats are shown: a TCP
// connection each, one write per receiver, no queue, no JSON, no masking.
//
// It is no chat and no WebSocket: after the handshake, which makes it reachable
// like the others, it reads frames only as far as their length.
package floor

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"sync"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// Server sends whatever a client sends to all clients.
type Server struct {
	upgrader websocket.Upgrader
	running  sync.WaitGroup

	mu      sync.Mutex // held while writing, too
	closing bool
	clients map[net.Conn]struct{}
}

// NewServer returns a server; mount it at scenarios.PathRaw.
func NewServer(scenarios.ServerConfig) (scenarios.Server, error) {
	return &Server{clients: make(map[net.Conn]struct{})}, nil
}

// ServeHTTP shakes hands and serves the client until it is gone.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ws, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	conn := ws.NetConn()
	defer conn.Close()
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		return
	}
	s.clients[conn] = struct{}{}
	s.running.Add(1)
	s.mu.Unlock()
	defer s.running.Done()
	s.read(conn)
	s.mu.Lock()
	delete(s.clients, conn)
	s.mu.Unlock()
}

// Shutdown implements scenarios.Server.
func (s *Server) Shutdown(context.Context) error {
	s.mu.Lock()
	s.closing = true
	for c := range s.clients {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
	return nil
}

// ack answers a join, which is the one thing that is not passed on.
var ack = frame([]byte(`{"type":"ack","id":1}`))

// read passes on frames until the connection ends. The load generator masks
// with zeros here, so that the payload can be passed on as it is.
func (s *Server) read(conn net.Conn) {
	in := make([]byte, 0, 4<<10)
	for {
		if len(in) == cap(in) {
			in = append(in, 0)[:len(in)]
		}
		n, err := conn.Read(in[len(in):cap(in)])
		if err != nil {
			return
		}
		in = in[:len(in)+n]
		for {
			payload, size, ok := split(in)
			if !ok {
				break
			}
			if bytes.HasPrefix(payload, []byte(`{"type":"join"`)) {
				s.mu.Lock()
				conn.Write(ack)
				s.mu.Unlock()
			} else {
				s.send(frame(payload))
			}
			in = in[:copy(in, in[size:])]
		}
	}
}

// send writes a frame to all clients. One that cannot be written to is closed,
// and its reader takes it off the list.
func (s *Server) send(f []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.clients {
		if _, err := c.Write(f); err != nil {
			c.Close()
		}
	}
}

// maxLength is beyond what a read buffer will ever hold, and below what
// overflows.
const maxLength = 1<<40 - 1

// split takes the first frame of a client off a buffer (RFC 6455, section 5.2).
func split(in []byte) (payload []byte, size int, ok bool) {
	const mask = 4
	if len(in) < 2 {
		return nil, 0, false
	}
	header, length := 2, int(in[1]&0x7F)
	switch length {
	case 126:
		header = 4
		if len(in) < header {
			return nil, 0, false
		}
		length = int(binary.BigEndian.Uint16(in[2:]))
	case 127:
		header = 10
		if len(in) < header {
			return nil, 0, false
		}
		length = int(binary.BigEndian.Uint64(in[2:]) & maxLength)
	}
	size = header + mask + length
	if len(in) < size {
		return nil, 0, false
	}
	return in[header+mask : size], size, true
}

// frame puts a server's header before a payload.
func frame(payload []byte) []byte {
	f := []byte{0x81}
	switch n := len(payload); {
	case n < 126:
		f = append(f, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(n))
	}
	return append(f, payload...)
}
