// Package slow makes a chat server cost more CPU by a known amount. It proves
// that a comparison finds a difference that is there.
//
// The work is a number of loop iterations per message delivered, not a time:
// as with any other work, the machine decides how long it takes.
package slow

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"wsvsio/scenarios"
)

// NewServer returns a function that makes the servers of another one, with that
// many iterations of work before every message that is written to a WebSocket.
// With 0 of them only the messages are counted, so that both sides of a
// comparison can be wrapped alike. Long polling is as fast as before.
func NewServer(next scenarios.NewServer, iterations int) scenarios.NewServer {
	return newServer(next, func(messages int) { burn(messages * iterations) })
}

// newServer has work called before every write, with the number of messages
// that begin in it.
func newServer(next scenarios.NewServer, work func(messages int)) scenarios.NewServer {
	return func(cfg scenarios.ServerConfig) (scenarios.Server, error) {
		s, err := next(cfg)
		if err != nil {
			return nil, err
		}
		return &server{s, work}, nil
	}
}

// server is a chat whose connections are wrapped.
type server struct {
	scenarios.Server
	work func(messages int)
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.Server.ServeHTTP(&response{w, s.work}, r)
}

// response wraps the connection that is taken out of it.
type response struct {
	http.ResponseWriter
	work func(messages int)
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker.
func (w *response) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	c, rw, err := http.NewResponseController(w.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	wrapped := &conn{Conn: c, work: w.work}
	rw.Writer.Reset(wrapped) // nothing has been written to it yet
	return wrapped, rw, nil
}

// conn works before it writes.
type conn struct {
	net.Conn
	work func(messages int)

	mu   sync.Mutex // held while writing, so that counted is what is written
	sent stream
}

// Write implements net.Conn.
func (c *conn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.work(c.sent.messages(b))
	return c.Conn.Write(b)
}

// endOfHead ends the answer to the handshake, after which frames follow.
const endOfHead = "\r\n\r\n"

// stream finds the messages in what a server writes to a connection: the
// answer to the handshake and then frames (RFC 6455, section 5.2), cut into
// pieces anywhere.
type stream struct {
	matched int    // bytes of endOfHead seen in a row
	header  []byte // of a frame that is not complete yet
	payload uint64 // bytes of the current frame that are still to come
}

// messages returns how many text and binary messages begin in the next piece:
// it counts headers that are complete.
func (s *stream) messages(piece []byte) (n int) {
	for len(piece) > 0 {
		switch {
		case s.matched < len(endOfHead):
			if piece[0] != endOfHead[s.matched] {
				s.matched = 0
			}
			if piece[0] == endOfHead[s.matched] {
				s.matched++
			}
			piece = piece[1:]
		case s.payload > 0:
			skip := min(s.payload, uint64(len(piece)))
			s.payload -= skip
			piece = piece[skip:]
		default:
			s.header = append(s.header, piece[0])
			piece = piece[1:]
			length, ok := payload(s.header)
			if !ok {
				continue
			}
			if opcode := s.header[0] & 0xF; opcode == 1 || opcode == 2 {
				n++
			}
			s.header, s.payload = s.header[:0], length
		}
	}
	return n
}

// payload returns how many bytes follow a frame's header, and false if the
// header is not complete.
func payload(header []byte) (n uint64, ok bool) {
	if len(header) < 2 {
		return 0, false
	}
	n = uint64(header[1] & 0x7F)
	more := 0
	switch n {
	case 126:
		more = 2
	case 127:
		more = 8
	}
	if len(header) < 2+more {
		return 0, false
	}
	if more > 0 {
		n = 0
		for _, b := range header[2:] {
			n = n<<8 | uint64(b)
		}
	}
	return n, true // a server does not mask
}

// sink keeps the compiler from leaving the work out.
var sink atomic.Uint64

// burn runs that many iterations, each of which needs the result of the last.
func burn(iterations int) {
	if iterations > 0 {
		sink.Store(spin(sink.Load(), iterations))
	}
}

// The generator of Knuth's MMIX: a multiplication and an addition.
const (
	factor = 6364136223846793005
	offset = 1442695040888963407
)

func spin(x uint64, iterations int) uint64 {
	for range iterations {
		x = x*factor + offset
	}
	return x
}
