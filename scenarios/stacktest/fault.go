package stacktest

import (
	"net"
	"sync"
	"sync/atomic"
)

// Relay passes TCP connections on to a server and does harm to them on command.
type Relay struct {
	listener net.Listener
	to       string
	running  sync.WaitGroup

	mu     sync.Mutex
	closed bool
	deaf   bool
	pairs  map[*pair]struct{}
}

// NewRelay starts a relay to an address, host:port.
func NewRelay(to string) (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &Relay{listener: l, to: to, pairs: make(map[*pair]struct{})}
	r.running.Go(r.accept)
	return r, nil
}

// URL returns where clients connect: http://host:port.
func (r *Relay) URL() string { return "http://" + r.listener.Addr().String() }

// Cut resets the connections that there are, at both ends. What is under way
// is lost. It returns how many there were.
func (r *Relay) Cut() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		p.cut()
	}
	n := len(r.pairs)
	clear(r.pairs)
	return n
}

// Silence has the connections that there are stay, but pass nothing more, not
// even their end. Those that come later are not harmed.
func (r *Relay) Silence() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		p.silent.Store(true)
	}
}

// Orphan resets the connections that there are at the client's end alone. The
// server hears nothing of it.
func (r *Relay) Orphan() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.pairs {
		p.silent.Store(true)
		reset(p.client)
	}
}

// Stall holds up what the connections that there are carry, until the function
// that it returns is called.
func (r *Relay) Stall() (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var held []*pair
	for p := range r.pairs {
		p.gate.Lock()
		held = append(held, p)
	}
	return sync.OnceFunc(func() {
		for _, p := range held {
			p.gate.Unlock()
		}
	})
}

// Deafen accepts connections from now on, but ignores them, until the function
// that it returns is called, which resets those.
func (r *Relay) Deafen() (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.deaf = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.deaf = false
		for p := range r.pairs {
			if p.ignored {
				p.cut()
				delete(r.pairs, p)
			}
		}
	}
}

// Close cuts all connections and stops listening.
func (r *Relay) Close() error {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.listener.Close()
	r.Cut()
	r.running.Wait()
	return nil
}

func (r *Relay) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		p := &pair{client: conn}
		if r.take(p) {
			r.running.Go(func() { r.pass(p) })
		}
	}
}

// take takes up a connection, and reports whether to pass it on.
func (r *Relay) take(p *pair) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		reset(p.client)
		return false
	}
	r.pairs[p] = struct{}{}
	p.ignored = r.deaf
	return !r.deaf
}

// pass joins a client to the server until both have ended. A client whose
// server cannot be reached is reset.
func (r *Relay) pass(p *pair) {
	server, err := net.Dial("tcp", r.to)
	if err != nil || !p.join(server) {
		p.cut()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.carry(server, p.client) })
	both.Go(func() { p.carry(p.client, server) })
	both.Wait()
	if p.silent.Load() {
		return // until it is cut
	}
	r.mu.Lock()
	delete(r.pairs, p)
	r.mu.Unlock()
	p.client.Close()
	server.Close()
}

// pair is a connection through a relay.
type pair struct {
	client  net.Conn
	ignored bool // Relay.mu is held
	silent  atomic.Bool
	gate    sync.RWMutex // held while nothing may pass

	mu     sync.Mutex
	server net.Conn // nil at first
	off    bool
}

// join notes the server's end, unless the pair was cut before.
func (p *pair) join(server net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		reset(server)
		return false
	}
	p.server = server
	return true
}

// cut resets both ends.
func (p *pair) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
	reset(p.client)
	if p.server != nil {
		reset(p.server)
	}
}

// carry passes on what src sends, and its end. It does so in small pieces, so
// that a cut often goes through the middle of a frame.
func (p *pair) carry(dst, src net.Conn) {
	piece := make([]byte, 100)
	for {
		n, err := src.Read(piece)
		p.gate.RLock()
		if !p.silent.Load() {
			dst.Write(piece[:n])
			if err != nil {
				dst.(*net.TCPConn).CloseWrite()
			}
		}
		p.gate.RUnlock()
		if err != nil {
			return
		}
	}
}
