package stacktest

import (
	"io"
	"net"
	"sync"
)

// relay passes TCP connections on to an address until it is cut.
type relay struct {
	listener net.Listener
	to       string
	conns    connSet
	running  sync.WaitGroup
}

func newRelay(to string) (*relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: l, to: to}
	r.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // cut
			}
			r.running.Go(func() { r.pass(conn) })
		}
	})
	return r, nil
}

// cut resets every connection, at both ends, and stops listening.
func (r *relay) cut() {
	r.listener.Close()
	r.conns.cut()
	r.running.Wait()
}

// pass joins a client to the server until both have ended. A client whose
// server cannot be reached is reset.
func (r *relay) pass(client net.Conn) {
	r.conns.add(client)
	server, err := net.Dial("tcp", r.to)
	if err != nil {
		reset(client)
		return
	}
	r.conns.add(server)
	var both sync.WaitGroup
	both.Go(func() { copyHalf(server, client) })
	both.Go(func() { copyHalf(client, server) })
	both.Wait()
	client.Close()
	server.Close()
}

// copyHalf passes on what src sends, and its end.
func copyHalf(dst, src net.Conn) {
	io.Copy(dst, src)
	dst.(*net.TCPConn).CloseWrite()
}

// reset closes a connection so that its peer gets a reset, as when a process
// dies with bytes unread.
func reset(c net.Conn) {
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// connSet is a set of TCP connections that can be cut all at once. Those that
// were closed in the meantime stay in it; to close them again does nothing.
type connSet struct {
	mu    sync.Mutex
	off   bool
	conns []net.Conn
}

// add takes up a connection, or resets it if the set has been cut.
func (s *connSet) add(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.off {
		reset(c)
		return
	}
	s.conns = append(s.conns, c)
}

func (s *connSet) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.off = true
	for _, c := range s.conns {
		reset(c)
	}
	s.conns = nil
}
