package netlab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wsvsio/internal/wire"
	"wsvsio/scenarios"
)

// carrier is a relay that decides when each piece goes on and keeps a record of
// it: what Delay and Faulty have in common.
type carrier struct {
	scenarios.Plain
	name     string // in errors
	target   string
	ways     [2]way
	greets   bool // the system's handshake takes a round trip, too
	keep     bool // the bytes, for Stream
	finds    bool // messages
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup

	conns, requests atomic.Int64
	bytes           [2]atomic.Int64 // that were forwarded

	// Held while something is done to all connections, too: each connection
	// is there before or comes after.
	mu     sync.Mutex
	closed bool
	links  []*link
	hold   int64 // who comes before is not carried before; CLOCK_MONOTONIC, ns
}

// way is what a direction does to what passes.
type way struct {
	delay     time.Duration
	bandwidth float64 // bytes a second; 0 is no limit
}

// listen listens on a loopback port that the system chooses.
func (c *carrier) listen(ctx context.Context) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("%s: %w", c.name, err)
	}
	c.listener = l
	c.ctx, c.cancel = context.WithCancel(ctx)
	context.AfterFunc(c.ctx, c.end)
	c.running.Go(c.accept)
	return nil
}

// end ends the listening and all connections.
func (c *carrier) end() {
	c.listener.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, k := range c.links {
		k.mu.Lock()
		k.cut(false)
		k.mu.Unlock()
	}
}

// URL implements scenarios.Path.
func (c *carrier) URL() string { return "http://" + c.listener.Addr().String() }

// Observed implements scenarios.Path. Bytes count when they are forwarded.
func (c *carrier) Observed() scenarios.Traffic {
	return scenarios.Traffic{
		Conns:    c.conns.Load(),
		Requests: c.requests.Load(),
		Up:       c.bytes[Up].Load(),
		Down:     c.bytes[Down].Load(),
	}
}

// Close implements scenarios.Path. What waits to be forwarded is dropped; the
// record stays.
func (c *carrier) Close() error {
	c.cancel()
	c.running.Wait()
	return nil
}

// all returns the connections that there have been.
func (c *carrier) all() []*link {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.links[:len(c.links):len(c.links)]
}

func (c *carrier) accept() {
	for {
		conn, err := c.listener.Accept()
		if c.ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return
		}
		if err != nil {
			// There are too many files: whoever waits is accepted once there
			// are fewer.
			select {
			case <-time.After(10 * time.Millisecond):
			case <-c.ctx.Done():
			}
			continue
		}
		now := monotonic()
		c.conns.Add(1)
		c.mu.Lock()
		if c.closed {
			c.mu.Unlock()
			conn.Close()
			return
		}
		// The record exists before anything can pass.
		k := newLink(c, len(c.links)+1, conn.(*net.TCPConn), now)
		c.links = append(c.links, k)
		c.mu.Unlock()
		c.running.Go(k.carry)
	}
}

// link is one connection of a client, and the one to the target that goes with
// it.
type link struct {
	carrier  *carrier
	number   int
	accepted int64 // CLOCK_MONOTONIC, ns, as all instants here
	hold     int64 // it is not carried before; 0 if it is at once
	client   *net.TCPConn
	ctx      context.Context // of the time before it is carried
	giveUp   context.CancelFunc

	mu      sync.Mutex // of all that follows, the lanes too
	server  *net.TCPConn
	lanes   [2]*lane
	over    bool // both connections are closed
	refused bool // there is none to the target, and never will be
	ends    []scenarios.PathEnd

	carried chan struct{} // closed when nothing works for it any more
}

func newLink(c *carrier, number int, client *net.TCPConn, now int64) *link {
	k := &link{carrier: c, number: number, client: client, accepted: now, carried: make(chan struct{})}
	if c.hold > now {
		k.hold = c.hold
	}
	k.ctx, k.giveUp = context.WithCancel(c.ctx)
	for dir := range k.lanes {
		k.lanes[dir] = newLane(k, Direction(dir), c.ways[dir])
	}
	up, down := k.lanes[Up], k.lanes[Down]
	up.src, down.dst = client, client
	if c.greets {
		// The SYN reaches the server after one way, and its answer the client
		// after two: nobody has said anything before.
		down.earliest = now + int64(up.delay)
		up.earliest = down.earliest + int64(down.delay)
	}
	return k
}

// carry carries the connection until both ends of it have gone.
func (k *link) carry() {
	defer close(k.carried)
	defer k.giveUp()
	up, down := k.lanes[Up], k.lanes[Down]
	var all sync.WaitGroup
	// The client is heard from the beginning, to know when it gives up.
	all.Go(up.receive)
	all.Go(down.forward)
	if k.dial() {
		all.Go(down.receive)
		up.forward()
	}
	all.Wait()
}

// dial connects to the target once that is due. It reports whether there is a
// connection now.
func (k *link) dial() bool {
	up, down := k.lanes[Up], k.lanes[Down]
	if k.hold > 0 {
		if err := up.timer.until(k.hold); err != nil {
			k.mu.Lock()
			defer k.mu.Unlock()
			k.cut(true)
			return false
		}
		k.mu.Lock()
		gone := k.over || up.eof || up.closed
		switch {
		case up.eof:
			k.cut(false) // the client has given up
		case up.closed:
			k.refuse() // it has been told to, and may take its time
		}
		k.mu.Unlock()
		if gone {
			return false
		}
	}
	conn, err := new(net.Dialer).DialContext(k.ctx, "tcp", k.carrier.target)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		// A server that is down answers with RST to the SYN of a client. Here
		// that has its connection already, and so the next best: the RST when
		// the answer would have come.
		k.refuse()
		how := "reset"
		if !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, syscall.ECONNRESET) {
			how = err.Error() // the fault is ours
		}
		down.end(how, max(monotonic(), down.earliest))
		return false
	}
	if k.over {
		conn.Close()
		return false
	}
	k.server = conn.(*net.TCPConn)
	up.dst, down.src = k.server, k.server
	return true
}

// refuse takes it that there will be no connection to the target.
func (k *link) refuse() {
	k.refused = true
	k.lanes[Up].dead = true
	k.lanes[Up].drop()
	k.settle()
}

// abandon drops what waits and ends all waiting. The connections are the
// caller's to close.
func (k *link) abandon() {
	k.over = true
	k.giveUp()
	for _, l := range k.lanes {
		l.drop()
		l.timer.close()
	}
}

// cut closes both connections at once, with RST if the ends are to be told.
func (k *link) cut(reset bool) {
	if k.over {
		return
	}
	k.abandon()
	shut(k.client, reset)
	shut(k.server, reset)
}

func shut(conn *net.TCPConn, reset bool) {
	if conn == nil {
		return
	}
	if reset {
		conn.SetLinger(0)
	}
	conn.Close()
}

// settle closes the connection to whichever end has said its last word and is
// to hear no more.
func (k *link) settle() {
	up, down := k.lanes[Up], k.lanes[Down]
	client := up.eof && down.spent()
	server := k.refused || k.server != nil && down.eof && up.spent()
	if client {
		k.client.Close()
	}
	if server && k.server != nil {
		k.server.Close()
	}
	if client && server {
		k.abandon()
	}
}

// maxKept is how many bytes of a stream are kept before the messages in them
// are looked for. To wait for that costs nothing while something is measured.
const maxKept = 64 << 10

// messages are those that were found in a direction of a connection. Its lock
// is taken before that of the link.
type messages struct {
	sync.Mutex
	reader wire.Reader
	found  []wire.Message
}

// feed takes the next bytes of the stream.
func (m *messages) feed(data []byte) {
	m.reader.Feed(data, func(found wire.Message) { m.found = append(m.found, found) })
}
