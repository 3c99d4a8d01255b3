package bench

import (
	"context"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wsvsio/scenarios"
)

// breaker is a relay that breaks its connections, and does to new ones what it
// is told to.
type breaker struct {
	net.Listener
	to string

	mu       sync.Mutex
	manner   manner
	deaf     bool // to what clients send on the connections there are
	accepted int
	conns    []*net.TCPConn
}

// manner is what a breaker does to a new connection.
type manner int

const (
	pass  manner = iota // carries it
	hold                // accepts it, no more
	spurn               // resets it
)

// newBreaker returns a breaker in front of a node.
func newBreaker(t *testing.T, n scenarios.Node) *breaker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &breaker{Listener: l, to: strings.TrimPrefix(n.URL(), "http://")}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() { b.serve(conn.(*net.TCPConn)) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		b.cut(spurn)
		running.Wait()
	})
	return b
}

// url is where clients dial.
func (b *breaker) url() string { return "http://" + b.Addr().String() }

// add takes up a connection.
func (b *breaker) add(c *net.TCPConn) manner {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conns = append(b.conns, c)
	return b.manner
}

func (b *breaker) serve(client *net.TCPConn) {
	b.mu.Lock()
	b.accepted++
	b.mu.Unlock()
	switch b.add(client) {
	case spurn:
		client.SetLinger(0)
		client.Close()
		return
	case hold:
		return
	}
	conn, err := net.Dial("tcp", b.to)
	if err != nil {
		client.Close()
		return
	}
	server := conn.(*net.TCPConn)
	b.add(server)
	var both sync.WaitGroup
	both.Go(func() {
		io.Copy(ear{b, server}, client)
		server.CloseWrite()
	})
	both.Go(func() {
		io.Copy(client, server)
		client.CloseWrite()
	})
	both.Wait()
	server.Close()
	client.Close()
}

// ear is how a breaker hears a client.
type ear struct {
	b      *breaker
	server *net.TCPConn
}

func (e ear) Write(p []byte) (int, error) {
	e.b.mu.Lock()
	deaf := e.b.deaf
	e.b.mu.Unlock()
	if deaf {
		return len(p), nil
	}
	return e.server.Write(p)
}

// deafen throws away what clients send until the next cut.
func (b *breaker) deafen() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deaf = true
}

// cut resets all connections and says what is done to those to come.
func (b *breaker) cut(next manner) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.manner, b.deaf = next, false
	for _, c := range b.conns {
		c.SetLinger(0)
		c.Close()
	}
	b.conns = nil
}

// count is how many connections were accepted.
func (b *breaker) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.accepted
}

// eachReconnect runs a test on every stack whose client comes back.
func eachReconnect(t *testing.T, test func(r *reunion)) {
	eachReconnectThat(t, func(scenarios.Stack) bool { return true }, test)
}

// eachReconnectThat is the same on some of them.
func eachReconnectThat(t *testing.T, is func(scenarios.Stack) bool, test func(r *reunion)) {
	m, can := look(t)
	for _, s := range can {
		if !s.Mode.Reconnect || !s.IsFor("reconnect") || s.Refused != "" || !is(s) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			env := NewEnv(ctx, m)
			defer env.Close()
			node, err := env.Serve(ctx, s, s.Serving(scenarios.ServerConfig{}))
			if err != nil {
				t.Fatal(err)
			}
			crew, err := env.Clients(ctx, s)
			if err != nil {
				t.Fatal(err)
			}
			test(&reunion{T: t, ctx: ctx, stack: s, node: node, crew: crew, between: newBreaker(t, node)})
			if err := crew.Stop(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// reunion is a test of clients that come back.
type reunion struct {
	*testing.T
	ctx     context.Context
	stack   scenarios.Stack
	node    scenarios.Node
	crew    scenarios.Crew
	between *breaker
	sent    int64
}

// config is that of a client with short pauses, all of the same length.
func (r *reunion) config(name string) scenarios.DialConfig {
	cfg := r.stack.Dial(name)
	cfg.Reconnect.Delay = 50 * time.Millisecond
	cfg.Reconnect.MaxDelay = 100 * time.Millisecond
	cfg.Reconnect.Jitter = -1
	return cfg
}

// dial connects a client that is in those rooms.
func (r *reunion) dial(url, name string, rooms ...string) scenarios.Peer {
	r.Helper()
	p, err := r.crew.Dial(r.ctx, url, r.config(name))
	if err != nil {
		r.Fatal(err)
	}
	for _, room := range rooms {
		if err := p.Join(r.ctx, room); err != nil {
			r.Fatal(err)
		}
	}
	return p
}

// say sends a message and returns it.
func (r *reunion) say(p scenarios.Peer, room, body string) scenarios.Message {
	r.Helper()
	r.sent++
	m := scenarios.Message{Room: room, From: "x", Seq: scenarios.FirstSeq + r.sent, Body: body}
	if err := p.Send(r.ctx, m); err != nil {
		r.Fatal(err)
	}
	return m
}

// sees waits until a client has seen n events of a kind.
func (r *reunion) sees(p scenarios.Peer, kind scenarios.EventKind, n int) []scenarios.Event {
	r.Helper()
	events, err := p.Await(r.ctx, func(events []scenarios.Event) bool { return kinds(events, kind) >= n })
	if err != nil {
		r.Fatalf("%d events of kind %s: %v", n, kind, err)
	}
	return events
}

// gets waits until a client has got a message.
func (r *reunion) gets(p scenarios.Peer, m scenarios.Message) {
	r.Helper()
	if _, err := p.Await(r.ctx, func(events []scenarios.Event) bool { return copies(events, m) > 0 }); err != nil {
		r.Fatalf("%q: %v", m.Body, err)
	}
}

// kinds counts events of a kind.
func kinds(events []scenarios.Event, kind scenarios.EventKind) (n int) {
	for _, e := range events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// copies counts how often a message has arrived.
func copies(events []scenarios.Event, m scenarios.Message) (n int) {
	for _, e := range events {
		if e.Kind == scenarios.EventMessage && e.Message == m {
			n++
		}
	}
	return n
}

// once fails unless a message has arrived once. One that is sent again may
// arrive again.
func (r *reunion) once(p scenarios.Peer, m scenarios.Message) {
	r.Helper()
	if n := copies(p.Events(), m); n != 1 && !(n > 1 && r.stack.Mode.Retries > 0) {
		r.Errorf("%q came %d times", m.Body, n)
	}
}

// TestComesBack resets a client's connection and keeps it away for a while.
func TestComesBack(t *testing.T) {
	eachReconnect(t, func(r *reunion) {
		ann := r.dial(r.between.url(), "ann", "red", "green", "blue")
		bob := r.dial(r.node.URL(), "bob", "red")
		if err := ann.Leave(r.ctx, "blue"); err != nil {
			r.Fatal(err)
		}
		r.gets(ann, r.say(bob, "red", "before"))

		r.between.cut(spurn)
		events := r.sees(ann, scenarios.EventDown, 1)
		if why := events[len(events)-1].Reason; why == "" {
			r.Error("down without a reason")
		}
		missed := r.say(bob, "red", "while it is down")
		r.gets(bob, missed)
		kept := []scenarios.Message{r.say(ann, "red", "kept"), r.say(ann, "red", "kept, too")}
		r.sees(ann, scenarios.EventAttempt, 4) // the worker's, and three in vain

		r.between.cut(pass)
		events = r.sees(ann, scenarios.EventUp, 2)
		up := slices.IndexFunc(events, func(e scenarios.Event) bool { return e.Kind == scenarios.EventDown })
		for up++; events[up].Kind != scenarios.EventUp; up++ {
		}
		if e := events[up]; e.Recovered != r.stack.Mode.Resume || e.Transport != scenarios.WebSocket {
			r.Errorf("it is back as %+v", e)
		}
		left := r.say(bob, "blue", "to a room that it has left")
		here := []scenarios.Message{r.say(bob, "green", "it is back"), r.say(bob, "red", "it is back, too")}
		for _, m := range here {
			r.gets(ann, m)
			r.once(ann, m)
		}
		for _, m := range kept {
			r.gets(bob, m)
			r.once(bob, m)
		}
		want := 0
		if r.stack.Mode.Resume {
			want = 1
		}
		if n := copies(ann.Events(), missed); n != want {
			r.Errorf("what it missed came %d times, want %d", n, want)
		}
		if n := copies(ann.Events(), left); n > 0 {
			r.Error("it is in a room again that it has left")
		}
		if n := kinds(bob.Events(), scenarios.EventJoined); n > 0 {
			r.Errorf("bob is told %d times that somebody has joined", n)
		}
		if err := ann.Close(); err != nil {
			r.Error(err)
		}
		if n := kinds(ann.Events(), scenarios.EventDown); n != 2 {
			r.Errorf("it is told %d times that it is down, want 2", n)
		}
	})
}

// TestRecoveryNeedsAMessage shows a limit of connection state recovery: who has
// not received a message cannot say which was the last, and is not recovered.
func TestRecoveryNeedsAMessage(t *testing.T) {
	recovers := func(s scenarios.Stack) bool { return s.Mode.Resume && s.Protocol == scenarios.ProtocolEIO4 }
	eachReconnectThat(t, recovers, func(r *reunion) {
		ann := r.dial(r.between.url(), "ann", "red")
		r.between.cut(pass)
		events := r.sees(ann, scenarios.EventUp, 2)
		if events[len(events)-1].Recovered {
			r.Error("a client that has received nothing is recovered now: reconnect.mjs says that it is not")
		}
	})
}

// TestRestart ends the server in both ways, and starts it again on the same
// address: it knows nobody any more.
func TestRestart(t *testing.T) {
	eachReconnect(t, func(r *reunion) {
		ann := r.dial(r.node.URL(), "ann", "red", "green")
		bob := r.dial(r.node.URL(), "bob", "red")
		r.gets(ann, r.say(bob, "red", "before"))
		for i, end := range []func() error{
			r.node.Kill,
			func() error { return r.node.Stop(r.ctx) },
		} {
			if err := end(); err != nil {
				r.Fatal(err)
			}
			r.sees(ann, scenarios.EventDown, i+1)
			r.sees(ann, scenarios.EventAttempt, kinds(ann.Events(), scenarios.EventAttempt)+2)
			if err := r.node.Restart(r.ctx); err != nil {
				r.Fatal(err)
			}
			for _, p := range []scenarios.Peer{ann, bob} {
				events := r.sees(p, scenarios.EventUp, i+2)
				for _, e := range events {
					if e.Kind == scenarios.EventUp && e.Recovered {
						r.Error("a server that is new has recovered a client")
					}
				}
			}
			for _, room := range []string{"red", "green"} {
				m := r.say(bob, room, "back")
				r.gets(ann, m)
				r.once(ann, m)
			}
		}
		if n := kinds(ann.Events(), scenarios.EventDown); n != 2 {
			r.Errorf("it is told %d times that it is down, want 2", n)
		}
	})
}

// TestRetries has a message written on a connection that carries nothing any
// more. It is lost, unless the client sends again what is not acknowledged, as
// that of rawws does with a session that goes on.
func TestRetries(t *testing.T) {
	eachReconnect(t, func(r *reunion) {
		ann := r.dial(r.between.url(), "ann", "red")
		bob := r.dial(r.node.URL(), "bob", "red")
		first := r.say(ann, "red", "heard")
		r.gets(bob, first)
		r.gets(ann, first)

		r.between.deafen()
		unheard := r.say(ann, "red", "not heard")
		r.between.cut(pass)
		r.sees(ann, scenarios.EventUp, 2)
		end := r.say(ann, "red", "end")
		r.gets(bob, end)
		switch n := copies(bob.Events(), unheard); {
		case r.stack.Mode.Retries > 0, r.stack.Mode.Resume && r.stack.Protocol == scenarios.ProtocolRaw:
			r.gets(bob, unheard)
		case n > 0:
			r.Errorf("a message that was lost came %d times", n)
		}
		r.once(bob, end)
	})
}

// TestNoAnswer has the server accept connections and say nothing. No attempt
// lasts longer than its timeout, whether it is the first or not.
func TestNoAnswer(t *testing.T) {
	eachReconnect(t, func(r *reunion) {
		cfg := r.config("ann")
		cfg.Reconnect.Timeout = 200 * time.Millisecond
		r.between.cut(hold)
		// No other limit is as short: a handshake may take 45 s by default.
		soon, cancel := context.WithTimeout(r.ctx, 20*time.Second)
		defer cancel()
		if _, err := r.crew.Dial(soon, r.between.url(), cfg); err == nil || soon.Err() != nil {
			r.Errorf("to dial without an answer: %v", err)
		}
		r.between.cut(pass)
		ann, err := r.crew.Dial(r.ctx, r.between.url(), cfg)
		for err != nil && r.ctx.Err() == nil { // a busy machine may need longer, too
			ann, err = r.crew.Dial(r.ctx, r.between.url(), cfg)
		}
		if err != nil {
			r.Fatal(err)
		}
		r.between.cut(hold)
		r.sees(ann, scenarios.EventAttempt, 4)
		r.between.cut(pass)
		r.sees(ann, scenarios.EventUp, 2)
	})
}

// TestGivesUp closes clients that are down, and has others that never were up:
// nothing of them stays.
func TestGivesUp(t *testing.T) {
	// What is counted are the handles of Node.
	inNode := func(s scenarios.Stack) bool { return s.Client.Node != "" }
	eachReconnectThat(t, inNode, func(r *reunion) {
		before, err := r.crew.Usage(r.ctx)
		if err != nil {
			r.Fatal(err)
		}
		r.between.cut(spurn)
		for range 3 {
			if _, err := r.crew.Dial(r.ctx, r.between.url(), r.config("nobody")); err == nil {
				r.Fatal("a client got in")
			}
		}
		for _, m := range []manner{spurn, hold} {
			r.between.cut(pass)
			ann := r.dial(r.between.url(), "ann", "red")
			r.between.cut(m)
			events := r.sees(ann, scenarios.EventAttempt, 2)
			if err := ann.Close(); err != nil {
				r.Fatal(err)
			}
			if n := kinds(ann.Events(), scenarios.EventDown); n != 1 {
				r.Errorf("it is told %d times that it is down, want 1", n)
			}
			if m == hold && len(ann.Events()) != len(events) {
				r.Errorf("it goes on after its end: %v", ann.Events()[len(events):])
			}
			if err := ann.Send(r.ctx, scenarios.Message{Room: "red"}); err == nil {
				r.Error("a closed client takes a message")
			}
		}
		// What waits for its time to come is still there for a moment.
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for now := before; ; <-tick.C {
			if now, err = r.crew.Usage(r.ctx); err != nil {
				r.Fatalf("%v handles stay, there were %v: %v", now.Goroutines, before.Goroutines, err)
			}
			if now.Goroutines <= before.Goroutines {
				break
			}
		}
		r.between.cut(pass)
		tried := r.between.count()
		r.dial(r.node.URL(), "bob", "red") // a while
		if n := r.between.count(); n != tried {
			r.Errorf("%d clients still try", n-tried)
		}
	})
}
