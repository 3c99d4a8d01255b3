package reconnect

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"wsvsio/scenarios"
)

// experiment is one cell.
type experiment struct {
	env   scenarios.Env
	stack scenarios.Stack
	c     scenarios.Case
	rec   scenarios.Recorder

	node    scenarios.Node
	crew    scenarios.Crew
	clients []*client
	partner partner
}

// client is one that is harmed.
type client struct {
	name, room string
	path       scenarios.Path
	peer       scenarios.Peer
	down, up   *ledger // what is said to it, and by it; in jitter all hear the same
	outages    []outage
}

// ledger keeps what was given to a sender.
type ledger struct {
	mu      sync.Mutex
	said    []said
	refused int
}

func (l *ledger) all() []said {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.said
}

// partner is the client in all the rooms that nothing happens to. After a
// restart of the server it is a new one under the same name.
type partner struct {
	mu     sync.Mutex
	peers  []scenarios.Peer
	gone   bool   // there is none at the moment
	absent []span // when there was none
}

const partnerName = "partner"

// present returns the partner's client, nil while there is none.
func (p *partner) present() scenarios.Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return nil
	}
	return p.peers[len(p.peers)-1]
}

// leave ends the partner's client.
func (p *partner) leave() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gone = true
	return p.peers[len(p.peers)-1].Close()
}

// heard is what all of the partner's clients have seen.
func (p *partner) heard() (events []scenarios.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, peer := range p.peers {
		events = append(events, peer.Events()...)
	}
	return events
}

// begin starts the server and has everybody connected and in their rooms.
func (x *experiment) begin(ctx context.Context) (err error) {
	t := x.c.Timers
	x.node, err = x.env.Serve(ctx, x.stack, x.stack.Serving(scenarios.ServerConfig{
		PingInterval: t.PingInterval, PingTimeout: t.PingTimeout,
	}))
	if err != nil {
		return err
	}
	if x.crew, err = x.env.Clients(ctx, x.stack); err != nil {
		return err
	}
	cfg := x.stack.Dial("")
	cfg.Greeting = ""
	if cfg.Reconnect != nil {
		cfg.Reconnect.Delay, cfg.Reconnect.MaxDelay = t.Delay, t.MaxDelay
		cfg.Reconnect.PingInterval, cfg.Reconnect.PingTimeout = t.PingInterval, t.PingTimeout
		cfg.Reconnect.Timeout, cfg.Reconnect.AckTimeout = t.Timeout, t.AckTimeout
	}
	var everybody ledger
	for i := range x.c.Clients {
		c := &client{
			name: fmt.Sprintf("client%04d", i), room: fmt.Sprintf("room%04d", i),
			down: &ledger{}, up: &ledger{},
		}
		if x.c.Name == "jitter" {
			c.room, c.down = "everybody", &everybody
		}
		x.clients = append(x.clients, c)
	}
	err = each(x.clients, func(i int) error {
		c := x.clients[i]
		cfg := cfg
		cfg.Name = c.name
		var err error
		if c.path, err = x.env.Path(ctx, scenarios.PathSpec{Kind: scenarios.PathFaulty}, x.node); err != nil {
			return err
		}
		if c.peer, err = x.crew.Dial(ctx, c.path.URL(), cfg); err != nil {
			return err
		}
		return c.peer.Join(ctx, c.room)
	})
	if err != nil || !x.talks() {
		return err
	}
	return x.meet(ctx)
}

// talks reports whether messages are sent in the case.
func (x *experiment) talks() bool { return x.c.Rate > 0 }

// meet connects the partner.
func (x *experiment) meet(ctx context.Context) error {
	cfg := x.stack.Dial(partnerName)
	cfg.Greeting, cfg.Reconnect = "", nil
	peer, err := x.crew.Dial(ctx, x.node.URL(), cfg)
	if err != nil {
		return fmt.Errorf("partner: %w", err)
	}
	rooms := make(map[string]bool)
	for _, c := range x.clients {
		if !rooms[c.room] {
			rooms[c.room] = true
			if err := peer.Join(ctx, c.room); err != nil {
				return fmt.Errorf("partner: %w", err)
			}
		}
	}
	x.partner.mu.Lock()
	defer x.partner.mu.Unlock()
	x.partner.peers = append(x.partner.peers, peer)
	x.partner.gone = false
	return nil
}

// end stops what begin has started.
func (x *experiment) end(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil // all of it has ended with the context
	}
	var errs []error
	if x.crew != nil {
		errs = append(errs, x.crew.Stop(ctx))
	}
	for _, c := range x.clients {
		if c.path != nil {
			errs = append(errs, c.path.Close())
		}
	}
	if x.node != nil {
		errs = append(errs, x.node.Stop(ctx))
	}
	return errors.Join(errs...)
}

// together is how many things are done at once that the control pipe takes one
// after the other anyway.
const together = 64

// each calls f for all at once, or nearly so, and returns the first error.
func each[T any](all []T, f func(i int) error) error {
	var running sync.WaitGroup
	room := make(chan struct{}, together)
	errs := make([]error, len(all))
	for i := range all {
		room <- struct{}{}
		running.Go(func() {
			errs[i] = f(i)
			<-room
		})
	}
	running.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// talk sends at the case's rate, from an offset on, until the context ends. The
// messages themselves are given to be sent with the context of the cell: one
// that is under way is not torn.
func (x *experiment) talk(ctx, cell context.Context, from, room string, l *ledger, offset time.Duration, sender func() scenarios.Peer) {
	every := time.Duration(float64(time.Second) / x.c.Rate)
	if scenarios.Wait(ctx, offset) != nil {
		return
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for seq := int64(scenarios.FirstSeq); ; {
		if peer := sender(); peer != nil {
			m := scenarios.Message{Room: room, From: from, Seq: seq, Body: "are you there?"}
			at := x.env.Now()
			err := peer.Send(cell, m)
			l.mu.Lock()
			if err == nil {
				l.said = append(l.said, said{from, seq, at, x.env.Now()})
			} else {
				l.refused++
			}
			l.mu.Unlock()
			seq++
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// conversation is the sending that goes on while things happen.
type conversation struct {
	stop    context.CancelFunc
	running sync.WaitGroup
}

// converse begins to send: the partner to each client, and each client to the
// partner; in jitter the partner to all.
func (x *experiment) converse(ctx context.Context) *conversation {
	talking, stop := context.WithCancel(ctx)
	v := &conversation{stop: stop}
	every := time.Duration(float64(time.Second) / x.c.Rate)
	for i, c := range x.clients {
		offset := every * time.Duration(i) / time.Duration(len(x.clients))
		if x.c.Name == "jitter" {
			if i == 0 {
				v.running.Go(func() { x.talk(talking, ctx, partnerName, c.room, c.down, 0, x.partner.present) })
			}
			continue
		}
		v.running.Go(func() {
			x.talk(talking, ctx, partnerName, c.room, c.down, offset, x.partner.present)
		})
		v.running.Go(func() {
			x.talk(talking, ctx, c.name, c.room, c.up, offset+every/2, func() scenarios.Peer { return c.peer })
		})
	}
	return v
}

// done stops the sending and waits until what can arrive has.
func (v *conversation) done() {
	v.stop()
	v.running.Wait()
}

// faults harms each client's path, as often as the case says.
func (x *experiment) faults(ctx context.Context) error {
	f, err := fault(x.c)
	if err != nil {
		return err
	}
	v := x.converse(ctx)
	defer v.done()
	err = each(x.clients, func(i int) error {
		c := x.clients[i]
		for range max(1, x.c.Samples) {
			// Spread over a heartbeat, so that a silence begins anywhere in it.
			phase := x.c.Timers.PingInterval * time.Duration(i) / time.Duration(len(x.clients))
			if err := x.flows(ctx, c); err != nil {
				return err
			}
			if err := scenarios.Wait(ctx, phase); err != nil {
				return err
			}
			harm, err := c.path.Fault(f)
			if err != nil {
				return err
			}
			if f.Kind == scenarios.FaultStall {
				if err := scenarios.Wait(ctx, f.For); err != nil {
					return err
				}
				continue
			}
			c.outages = append(c.outages, outage{from: harm.At})
			if back, err := x.back(ctx, c, harm.At); err != nil || !back {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return x.finish(ctx, v)
}

// flows waits until the client sees what its partner says from now on.
func (x *experiment) flows(ctx context.Context, c *client) error {
	since := x.env.Now()
	limited, cancel := x.limit(ctx)
	defer cancel()
	_, err := c.peer.Await(limited, latest(func(e scenarios.Event) bool {
		return e.Kind == scenarios.EventMessage && e.Message.From == partnerName && e.At > since
	}))
	if err != nil {
		return fmt.Errorf("%s sees nothing of what is said: %w", c.name, err)
	}
	return nil
}

// limit is a context for what may take as long as the case waits.
func (x *experiment) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, x.c.Timers.Limit, fmt.Errorf("waited for %v", x.c.Timers.Limit))
}

// back waits until a client is back after an instant, and reports whether it
// is.
func (x *experiment) back(ctx context.Context, c *client, since int64) (bool, error) {
	limited, cancel := x.limit(ctx)
	defer cancel()
	_, err := c.peer.Await(limited, latest(func(e scenarios.Event) bool {
		return e.Kind == scenarios.EventUp && e.At >= since
	}))
	if ctx.Err() != nil {
		return false, context.Cause(ctx)
	}
	return err == nil, nil
}

// latest makes a condition on events out of one on an event: it looks at each
// event once, however often it is asked.
func latest(is func(scenarios.Event) bool) func([]scenarios.Event) bool {
	looked := 0
	return func(events []scenarios.Event) bool {
		for looked < len(events) {
			looked++
			if is(events[looked-1]) {
				return true
			}
		}
		return false
	}
}

// restarts kills the server and starts it again, as often as the case says.
func (x *experiment) restarts(ctx context.Context) error {
	v := x.converse(ctx)
	defer v.done()
	for range max(1, x.c.Samples) {
		if err := each(x.clients, func(i int) error { return x.flows(ctx, x.clients[i]) }); err != nil {
			return err
		}
		// The next one has the same name: this one must not come back.
		if err := x.partner.leave(); err != nil {
			return err
		}
		killed := x.env.Now()
		if err := x.node.Kill(); err != nil {
			return err
		}
		for _, c := range x.clients {
			c.outages = append(c.outages, outage{from: killed})
		}
		if err := scenarios.Wait(ctx, x.c.Timers.Down); err != nil {
			return err
		}
		if err := x.node.Restart(ctx); err != nil {
			return err
		}
		if err := x.meet(ctx); err != nil {
			return err
		}
		x.partner.absent = append(x.partner.absent, span{killed, x.env.Now()})
		var away sync.Map
		err := each(x.clients, func(i int) error {
			back, err := x.back(ctx, x.clients[i], killed)
			if !back {
				away.Store(i, true)
			}
			return err
		})
		if err != nil {
			return err
		}
		for range away.Range {
			return x.finish(ctx, v) // who is gone for good is not killed again
		}
	}
	return x.finish(ctx, v)
}

// jitter cuts every client again and again while the partner sends to all.
func (x *experiment) jitter(ctx context.Context) error {
	v := x.converse(ctx)
	defer v.done()
	if err := each(x.clients, func(i int) error { return x.flows(ctx, x.clients[i]) }); err != nil {
		return err
	}
	// A client is connected twice as long as it is cut off.
	hold := x.c.Timers.Hold
	f := scenarios.Fault{Kind: scenarios.FaultReset, Hold: hold}
	err := each(x.clients, func(i int) error {
		c := x.clients[i]
		if err := scenarios.Wait(ctx, 3*hold*time.Duration(i)/time.Duration(len(x.clients))); err != nil {
			return err
		}
		for range x.c.Samples {
			harm, err := c.path.Fault(f)
			if err != nil {
				return err
			}
			c.outages = append(c.outages, outage{from: harm.At})
			if back, err := x.back(ctx, c, harm.At); err != nil || !back {
				return err
			}
			if err := scenarios.Wait(ctx, 2*hold); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return x.finish(ctx, v)
}

// after is how many more messages are sent when all are back: what is lost at
// the seam shows as a gap.
const after = 3

// finish ends the conversation, waits until what can arrive has, and reports.
func (x *experiment) finish(ctx context.Context, v *conversation) error {
	if err := scenarios.Wait(ctx, time.Duration(after*float64(time.Second)/x.c.Rate)); err != nil {
		return err
	}
	v.done()
	if err := x.drain(ctx); err != nil {
		return err
	}
	return x.report()
}

// drain waits until the last message of each direction has arrived at those who
// are connected, and at least until no more comes.
func (x *experiment) drain(ctx context.Context) error {
	patience := max(time.Second, 2*x.c.Timers.PingTimeout)
	if x.stack.Mode.Retries > 0 {
		patience = max(patience, 4*x.c.Timers.AckTimeout)
	}
	limited, cancel := context.WithTimeoutCause(ctx, patience, errors.New("no more came"))
	defer cancel()
	last := func(l *ledger) (said, bool) {
		all := l.all()
		if len(all) == 0 {
			return said{}, false
		}
		return all[len(all)-1], true
	}
	each(x.clients, func(i int) error {
		c := x.clients[i]
		if n := len(c.outages); n > 0 && c.away() {
			return nil
		}
		if m, some := last(c.down); some {
			c.peer.Await(limited, latest(m.isIn))
		}
		if m, some := last(c.up); some {
			x.partner.present().Await(limited, latest(m.isIn))
		}
		return nil
	})
	return context.Cause(ctx)
}

// isIn reports whether an event is the message.
func (m said) isIn(e scenarios.Event) bool {
	return e.Kind == scenarios.EventMessage && e.Message.From == m.from && e.Message.Seq == m.seq
}

// away reports whether the client has not come back after its last outage.
func (c *client) away() bool {
	from := c.outages[len(c.outages)-1].from
	for _, e := range c.peer.Events() {
		if e.Kind == scenarios.EventUp && e.At >= from {
			return false
		}
	}
	return true
}
