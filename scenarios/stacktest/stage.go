package stacktest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"wsvsio/scenarios"
)

// errSetUp marks the error of a case that did not come to ask its question.
var errSetUp = errors.New("the stack did not start")

// stage is one run of a case: what it has started, and the clients on it. Its
// methods and those of its clients end the case when something fails, like
// those of *testing.T; only together may start goroutines.
type stage struct {
	*Bench
	ctx   context.Context
	stops []func(context.Context) error // in the order of starting
}

// failure is what a stage panics with; play turns it into an error again.
type failure struct{ err error }

// play makes a case's Run of a function on a stage.
func play(f func(*stage)) func(context.Context, *Bench) error {
	return func(ctx context.Context, b *Bench) (err error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		s := &stage{Bench: b, ctx: ctx}
		defer func() { err = errors.Join(err, s.close()) }()
		defer func() {
			switch p := recover().(type) {
			case nil:
			case failure:
				err = p.err
			default:
				panic(p)
			}
		}()
		f(s)
		return nil
	}
}

// close ends what was started, the last first: clients before their server.
func (s *stage) close() error {
	ctx, cancel := context.WithTimeout(
		context.WithoutCancel(s.ctx), DefaultPatience)
	defer cancel()
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop(ctx))
	}
	return errors.Join(errs...)
}

func (s *stage) failf(format string, args ...any) {
	panic(failure{fmt.Errorf(format, args...)})
}

// try makes a request that should be answered in good time.
func (s *stage) try(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(s.ctx, max(s.Patience, DefaultPatience))
	defer cancel()
	return f(ctx)
}

// refused fails the case unless f returns an error, and in good time: one that
// only gave up waiting was not refused.
func (s *stage) refused(what string, f func(context.Context) error) error {
	var late bool
	err := s.try(func(ctx context.Context) error {
		err := f(ctx)
		late = ctx.Err() != nil
		return err
	})
	switch {
	case err == nil:
		s.failf("%s: was not refused", what)
	case late:
		s.failf("%s: no answer: %w", what, err)
	}
	return err
}

// together calls functions at the same time and waits for all of them.
func (s *stage) together(fs ...func() error) {
	errs := make(chan error, len(fs))
	for _, f := range fs {
		go func() { errs <- f() }()
	}
	var all []error
	for range fs {
		all = append(all, <-errs)
	}
	if err := errors.Join(all...); err != nil {
		s.failf("%w", err)
	}
}

// server is a node that is stopped once.
type server struct {
	scenarios.Node
	ended bool
}

// Stop ends the server unless it has ended.
func (n *server) Stop(ctx context.Context) error {
	if n.ended {
		return nil
	}
	n.ended = true
	if err := n.Node.Stop(ctx); err != nil {
		return fmt.Errorf("stop the server: %w", err)
	}
	return nil
}

// serve starts the stack's server. Unless the configuration says otherwise a
// queue holds every message of a case: slow readers are not the subject here.
func (s *stage) serve(cfg scenarios.ServerConfig) *server {
	if cfg.Queue == 0 {
		cfg.Queue, cfg.QueueBytes = 1<<14, 1<<30
	}
	if s.Stack.Flaky != "" && len(s.Stack.Mode.Transports) > 1 {
		// What is left of broken connections blocks others until then.
		cfg.PingInterval, cfg.PingTimeout = time.Second, time.Second
	}
	n, err := s.Env.Serve(s.ctx, s.Stack, s.Stack.Serving(cfg))
	if err != nil {
		s.failf("%w: server: %w", errSetUp, err)
	}
	srv := &server{Node: n}
	s.stops = append(s.stops, srv.Stop)
	return srv
}

// crew is a process of clients that ends once.
type crew struct {
	scenarios.Crew
	stage *stage
	ended bool
}

// Stop closes the clients and ends their process unless it has ended.
func (c *crew) Stop(ctx context.Context) error {
	if c.ended {
		return nil
	}
	c.ended = true
	if err := c.Crew.Stop(ctx); err != nil {
		return fmt.Errorf("stop the clients: %w", err)
	}
	return nil
}

// Kill ends the process of the clients at once.
func (c *crew) Kill() error {
	c.ended = true
	if err := c.Crew.Kill(); err != nil {
		return fmt.Errorf("kill the clients: %w", err)
	}
	return nil
}

// crew starts a process for clients of the stack.
func (s *stage) crew() *crew {
	c, err := s.Env.Clients(s.ctx, s.Stack)
	if err != nil {
		s.failf("%w: clients: %w", errSetUp, err)
	}
	cr := &crew{Crew: c, stage: s}
	s.stops = append(s.stops, cr.Stop)
	return cr
}

// dial connects a client of that name.
func (c *crew) dial(url, name string) *client {
	return c.dialConfig(url, c.stage.Stack.Dial(name))
}

// dialConfig connects a client and waits until it is on its last transport. On
// a flaky stack it tries again until it has a connection that works.
func (c *crew) dialConfig(url string, cfg scenarios.DialConfig) *client {
	if c.stage.Stack.Flaky == "" {
		client := c.dialAtOnce(url, cfg)
		client.settle()
		return client
	}
	var err error
	for range attempts {
		var peer scenarios.Peer
		err = c.stage.try(func(ctx context.Context) error {
			peer, err = c.Crew.Dial(ctx, url, cfg)
			if err != nil {
				return err
			}
			return works(ctx, c.stage.Stack, peer)
		})
		if err == nil {
			return &client{Peer: peer, stage: c.stage, name: cfg.Name}
		}
	}
	c.stage.failf("%s cannot connect in %d attempts: %w", cfg.Name, attempts, err)
	return nil
}

// works waits until a client is on its last transport and the server answers
// it there.
func works(ctx context.Context, s scenarios.Stack, p scenarios.Peer) error {
	_, err := p.Await(ctx, func(events []scenarios.Event) bool {
		return s.Settled(events) ||
			events[len(events)-1].Kind == scenarios.EventDown
	})
	if err != nil {
		return err
	}
	// A room of its own: nobody else is told.
	alone := rand.Text()
	if err := p.Join(ctx, alone); err != nil {
		return err
	}
	return p.Leave(ctx, alone)
}

// dialAtOnce connects a client, which may then still change its transport.
func (c *crew) dialAtOnce(url string, cfg scenarios.DialConfig) *client {
	var peer scenarios.Peer
	err := c.stage.try(func(ctx context.Context) (err error) {
		peer, err = c.Crew.Dial(ctx, url, cfg)
		return err
	})
	if err != nil {
		c.stage.failf("%s cannot connect: %w", cfg.Name, err)
	}
	return &client{Peer: peer, stage: c.stage, name: cfg.Name}
}

// members connects a client of each name and has it join the room.
func (c *crew) members(url, room string, names ...string) []*client {
	clients := make([]*client, len(names))
	for i, name := range names {
		clients[i] = c.dial(url, name)
		clients[i].join(room)
	}
	return clients
}

// room starts a server and connects clients that join one room.
func (s *stage) room(room string, names ...string) []*client {
	srv := s.serve(scenarios.ServerConfig{})
	return s.crew().members(srv.URL(), room, names...)
}

// client is a peer with a name, which counts what it sends.
type client struct {
	scenarios.Peer
	stage *stage
	name  string
	sent  int64
}

// settle waits until the client is on its last transport.
func (c *client) settle() {
	err := c.stage.try(func(ctx context.Context) error {
		_, err := c.Peer.Await(ctx, c.stage.Stack.Settled)
		return err
	})
	if err != nil {
		c.stage.failf("%s does not come to its last transport: %w", c.name, err)
	}
}

// Events returns what the client saw of the chat.
func (c *client) Events() []scenarios.Event { return chat(c.Peer.Events()) }

// chat leaves out the events that tell of the connection's making.
func chat(events []scenarios.Event) []scenarios.Event {
	return slices.DeleteFunc(slices.Clone(events), func(e scenarios.Event) bool {
		return e.Kind == scenarios.EventAttempt || e.Kind == scenarios.EventTransport
	})
}

func (c *client) join(room string) {
	err := c.stage.try(func(ctx context.Context) error {
		return c.Join(ctx, room)
	})
	if err != nil {
		c.stage.failf("%s cannot join %q: %w", c.name, room, err)
	}
}

func (c *client) leave(room string) {
	err := c.stage.try(func(ctx context.Context) error {
		return c.Leave(ctx, room)
	})
	if err != nil {
		c.stage.failf("%s cannot leave %q: %w", c.name, room, err)
	}
}

// write makes the client's next messages without sending them.
func (c *client) write(room string, bodies ...string) []scenarios.Message {
	ms := make([]scenarios.Message, len(bodies))
	for i, body := range bodies {
		ms[i] = scenarios.Message{
			Room: room,
			From: c.name,
			Seq:  scenarios.FirstSeq + c.sent,
			Body: body,
		}
		c.sent++
	}
	return ms
}

// send sends messages in order. It is for several goroutines and so returns
// an error.
func (c *client) send(ms []scenarios.Message) error {
	for _, m := range ms {
		err := c.stage.try(func(ctx context.Context) error {
			return c.Send(ctx, m)
		})
		if err != nil {
			return fmt.Errorf("%s cannot send %s: %w", c.name, show(m), err)
		}
	}
	return nil
}

// say writes messages to a room, sends them and returns them.
func (c *client) say(room string, bodies ...string) []scenarios.Message {
	ms := c.write(room, bodies...)
	if err := c.send(ms); err != nil {
		c.stage.failf("%w", err)
	}
	return ms
}

// announce sends messages to every client and returns them.
func (c *client) announce(bodies ...string) []scenarios.Message {
	ms := c.write("", bodies...)
	for _, m := range ms {
		err := c.stage.try(func(ctx context.Context) error {
			return c.Announce(ctx, m)
		})
		if err != nil {
			c.stage.failf("%s cannot announce %s: %w", c.name, show(m), err)
		}
	}
	return ms
}

// close closes the client.
func (c *client) close() {
	if err := c.Close(); err != nil {
		c.stage.failf("%s cannot close: %w", c.name, err)
	}
}

// sees waits until the client has seen all of want as events of that kind,
// then checks that it has seen nothing else of the kind, nothing twice, and
// what one sender sent to one room in the order of want. The whole life of the
// client counts, so want grows in the course of a case.
func (c *client) sees(kind scenarios.EventKind, want ...scenarios.Message) {
	missing := make(map[scenarios.Message]int)
	for _, m := range want {
		missing[m]++
	}
	next, down := 0, ""
	events, err := c.await(func(events []scenarios.Event) bool {
		for ; next < len(events); next++ {
			e := events[next]
			if e.Kind == scenarios.EventDown {
				down = e.Reason // nothing will come any more
			}
			if e.Kind != kind {
				continue
			}
			if missing[e.Message]--; missing[e.Message] <= 0 {
				delete(missing, e.Message)
			}
		}
		return len(missing) == 0 || down != ""
	})
	if wrong := compare(messages(events, kind), want); wrong != nil {
		switch {
		case err != nil:
			wrong = fmt.Errorf("%w; %w", wrong, err)
		case down != "":
			wrong = fmt.Errorf("%w; it was disconnected: %s", wrong, down)
		}
		c.stage.failf("%s, of kind %s: %w", c.name, kind, wrong)
	}
}

// down waits until the client is disconnected and returns the reason.
func (c *client) down() string {
	first := func(events []scenarios.Event) int {
		return slices.IndexFunc(events, func(e scenarios.Event) bool {
			return e.Kind == scenarios.EventDown
		})
	}
	events, err := c.await(func(events []scenarios.Event) bool {
		return first(events) >= 0
	})
	if err != nil {
		c.stage.failf("%s is not told that it is disconnected: %w", c.name, err)
	}
	reason := events[first(events)].Reason
	if reason == "" {
		c.stage.failf("%s is disconnected without a reason", c.name)
	}
	return reason
}

// downOnce checks that a client that is down and closed was told so once.
func (c *client) downOnce() {
	n := len(ofKind(c.Events(), scenarios.EventDown))
	if n != 1 {
		c.stage.failf("%s is told %d times that it is disconnected", c.name, n)
	}
}

// await waits, as long as patience lasts, for something that must happen.
func (c *client) await(
	done func([]scenarios.Event) bool,
) ([]scenarios.Event, error) {
	ctx, cancel := context.WithTimeout(c.stage.ctx, c.stage.Patience)
	defer cancel()
	events, err := c.Await(ctx, func(events []scenarios.Event) bool {
		return done(chat(events))
	})
	return chat(events), err
}
