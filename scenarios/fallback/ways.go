package fallback

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"wsvsio/scenarios"
	"wsvsio/scenarios/class"
)

// experiment is one cell.
type experiment struct {
	env   scenarios.Env
	stack scenarios.Stack
	c     scenarios.Case
	rec   scenarios.Recorder

	node    scenarios.Node
	crew    scenarios.Crew
	partner scenarios.Peer
}

const partnerName = "partner"

// begin starts the server and a process for clients, both at once: Node takes a
// while.
func (x *experiment) begin(ctx context.Context) error {
	var errs [2]error
	var both sync.WaitGroup
	both.Go(func() {
		node, err := x.env.Serve(ctx, x.stack, scenarios.ServerConfig{})
		if errs[0] = err; err == nil {
			x.node = node
		}
	})
	both.Go(func() {
		crew, err := x.env.Clients(ctx, x.stack)
		if errs[1] = err; err == nil {
			x.crew = crew
		}
	})
	both.Wait()
	return errors.Join(errs[:]...)
}

// end ends what begin has started, at once: all that is asked for has been seen,
// and go-socket.io knows sessions of which it cannot get rid.
func (x *experiment) end(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil // all of it has ended with the context
	}
	var errs []error
	if x.crew != nil {
		errs = append(errs, x.crew.Kill())
	}
	if x.node != nil {
		errs = append(errs, x.node.Kill())
	}
	return errors.Join(errs...)
}

// config is that of a client.
func (x *experiment) config(name string) scenarios.DialConfig {
	cfg := x.stack.Dial(name)
	cfg.Greeting = ""
	if r, t := cfg.Reconnect, x.c.Timers; r != nil {
		r.Delay, r.MaxDelay, r.Timeout = t.Delay, t.MaxDelay, t.Timeout
	}
	return cfg
}

// outcome is what became of a client.
type outcome struct {
	name      string
	err       error      // why it did not connect, or what it says did not come back
	up        bool       // it was connected
	down      string     // why it is no more
	works     bool       // in the end
	sessions  [][]string // the transports of each, in the order of time
	firstSec  float64
	lostUp    int
	lostDown  int
	dup       int
	reordered int
}

// switches is how often the client has changed its transport within a session.
func (o *outcome) switches() (n int) {
	for _, s := range o.sessions {
		n += len(s) - 1
	}
	return n
}

// String returns the outcome as a label has it.
func (o *outcome) String() string {
	switch {
	case !o.up:
		return "fails: " + class.Of(o.err)
	case o.down != "":
		return "ends: " + class.Of(errors.New(o.down))
	case !o.works:
		return "hangs"
	}
	text := carriers(o.sessions[0])
	if n := len(o.sessions) - 1; n > 0 {
		text += "; anew "
		if n > 1 {
			text += fmt.Sprintf("%d times ", n)
		}
		text += "on " + carriers(o.sessions[n])
	}
	if lost := o.lostUp + o.lostDown; lost > 0 {
		text += fmt.Sprintf("; lost %d", lost)
	}
	if o.dup > 0 {
		text += fmt.Sprintf("; twice %d", o.dup)
	}
	if o.reordered > 0 {
		text += fmt.Sprintf("; out of order %d", o.reordered)
	}
	return text
}

// carriers says over what a session went.
func carriers(session []string) string { return strings.Join(session, ", then ") }

// meetPartner connects the partner, on a WebSocket if the stack has one.
func (x *experiment) meetPartner(ctx context.Context) (err error) {
	cfg := x.config(partnerName)
	cfg.Reconnect = nil // nothing happens to it
	if slices.Contains(cfg.Transports, scenarios.WebSocket) {
		cfg.Transports = []string{scenarios.WebSocket}
	}
	limited, cancel := x.limit(ctx, 4)
	defer cancel()
	if x.partner, err = x.crew.Dial(limited, x.node.URL(), cfg); err != nil {
		return fmt.Errorf("partner: %w", err)
	}
	return nil
}

// ways has clients take ways, all side by side.
func (x *experiment) ways(ctx context.Context, ways []Way) error {
	if err := x.meetPartner(ctx); err != nil {
		return err
	}
	type try struct {
		Way
		outcome
	}
	var tries []*try
	for _, w := range ways {
		for n := range x.c.Clients {
			name := w.Name
			if x.c.Clients > 1 {
				name = fmt.Sprint(w.Name, "-", n)
			}
			tries = append(tries, &try{w, outcome{name: name}})
		}
	}
	errs := make([]error, len(tries))
	var all sync.WaitGroup
	for i, t := range tries {
		all.Go(func() { errs[i] = x.take(ctx, t.Way, &t.outcome) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	said := make(map[string]bool)
	for _, t := range tries {
		key := scenarios.OutcomeOf + t.Way.Name
		if len(ways) == 1 {
			key = "outcome"
		}
		text := t.outcome.String()
		if len(tries) == len(ways) || !said[text] {
			x.rec.Label(key, joined(said, text, len(ways) == 1))
		}
		x.report(&t.outcome)
	}
	return nil
}

// joined notes a text, and returns it with those noted before if they are of one
// way.
func joined(said map[string]bool, text string, one bool) string {
	if !one {
		return text
	}
	said[text] = true
	var all []string
	for text := range said {
		all = append(all, text)
	}
	slices.Sort(all)
	return strings.Join(all, " | ")
}

// report records what became of a client.
func (x *experiment) report(o *outcome) {
	works := 0.0
	if o.works {
		works = 1
	}
	x.rec.Value("works", works)
	if o.works {
		x.rec.Value("first-msg-sec", o.firstSec)
	}
	if o.up {
		x.rec.Value("switches", float64(o.switches()))
		x.rec.Value("lost-up", float64(o.lostUp))
		x.rec.Value("lost-down", float64(o.lostDown))
		x.rec.Value("dup", float64(o.dup))
		x.rec.Value("reordered", float64(o.reordered))
	}
}

// limit is a context for what may take as long as the case grants, or some times
// that.
func (x *experiment) limit(ctx context.Context, times int) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, time.Duration(times)*x.c.Timers.Limit)
}

// take has a client take a way. The error is that of the machinery.
func (x *experiment) take(ctx context.Context, w Way, o *outcome) error {
	path, err := x.env.Path(ctx, scenarios.PathSpec{Kind: w.Path}, x.node)
	if err != nil {
		return err
	}
	defer path.Close()
	if err := x.partner.Join(ctx, o.name); err != nil {
		return fmt.Errorf("partner: %w", err)
	}
	cfg := x.config(o.name)
	if w.Lacks {
		cfg.Lacks = scenarios.WebSocket
	}
	limited, cancel := x.limit(ctx, 1)
	defer cancel()
	peer, err := x.crew.Dial(limited, path.URL(), path.Through(cfg))
	if err != nil {
		o.err = err
		return ctx.Err()
	}
	o.up = true
	var up, down talker
	up = talker{x: x, peer: peer, from: o.name, room: o.name}
	down = talker{x: x, peer: x.partner, from: partnerName, room: o.name}
	var back scenarios.Event
	joined := false
	o.err = x.whileUp(limited, peer, func(from int) (err error) {
		if !joined {
			if err := peer.Join(limited, o.name); err != nil {
				return err
			}
			joined = true
		}
		back, err = up.exchange(limited, from)
		return err
	})
	if o.err == nil {
		o.firstSec = float64(back.At-attempted(peer.Events())) / 1e9
		if err := x.converse(ctx, w, path, &up, &down); err != nil {
			return err
		}
		last, cancel := x.limit(ctx, 1)
		o.err = x.whileUp(last, peer, func(from int) error {
			_, err := up.exchange(last, from)
			return err
		})
		cancel()
		o.works = o.err == nil
	}
	if o.err != nil && limited.Err() == nil && !x.stack.Mode.Reconnect {
		// It is told that it is not connected a moment before it hears of its end.
		soon, cancel := x.limit(ctx, 1)
		peer.Await(soon, func(events []scenarios.Event) bool { return ended(events) != "" })
		cancel()
	}
	x.drain(ctx, o.works, &up, &down)
	o.see(peer.Events())
	o.lostUp = up.account(x.partner.Events(), o)
	o.lostDown = down.account(peer.Events(), o)
	return ctx.Err()
}

// whileUp tries something, and tells it how many of the client's events were
// there before. Over it the session of a client that comes back may end: what was
// said is lost then, and it is tried again in the next one.
func (x *experiment) whileUp(ctx context.Context, peer scenarios.Peer, try func(from int) error) error {
	if !x.stack.Mode.Reconnect {
		return try(0)
	}
	for {
		events, err := peer.Await(ctx, func(events []scenarios.Event) bool { return ended(events) == "" })
		if err != nil {
			return err
		}
		from := len(events)
		if err = try(from); err == nil {
			return nil
		}
		isDown := func(e scenarios.Event) bool { return e.Kind == scenarios.EventDown }
		if !slices.ContainsFunc(peer.Events()[from:], isDown) {
			return err
		}
	}
}

// converse has both talk for a while, from when a WebSocket that is not lost is there.
// If it is to be lost, that is in the middle of it.
func (x *experiment) converse(ctx context.Context, w Way, path scenarios.Path, up, down *talker) error {
	talking, stop := context.WithCancel(ctx)
	defer stop()
	var both sync.WaitGroup
	both.Go(func() { up.talk(talking, ctx) })
	both.Go(func() { down.talk(talking, ctx) })
	defer both.Wait()
	defer stop()
	nothingLost := w.Path == scenarios.PathRelay && !w.Lacks
	if (w.Later || nothingLost) && slices.Contains(x.stack.Mode.Transports, scenarios.WebSocket) {
		limited, cancel := context.WithTimeout(ctx, min(x.c.Timers.Limit, settleLimit))
		up.peer.Await(limited, func(events []scenarios.Event) bool {
			return x.stack.Settled(events) || !x.stack.Mode.Reconnect && ended(events) != ""
		})
		cancel()
	}
	if err := scenarios.Wait(ctx, x.c.Window/2); err != nil {
		return err
	}
	if w.Later {
		if _, err := path.Fault(scenarios.Fault{Kind: scenarios.FaultForbid}); err != nil {
			return err
		}
	}
	return scenarios.Wait(ctx, x.c.Window/2)
}

// settleLimit is how long a client may take to its WebSocket, once the chat works.
const settleLimit = 8 * time.Second

// drainLimit is how long what was said last may take to arrive where the chat does not
// work.
const drainLimit = time.Second

// drain waits until the last message of each direction has arrived, or no more
// can.
func (x *experiment) drain(ctx context.Context, works bool, up, down *talker) {
	wait := drainLimit
	if works {
		wait = x.c.Timers.Limit
	}
	limited, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	await := func(t *talker, at scenarios.Peer) {
		if len(t.said) == 0 {
			return
		}
		last := t.said[len(t.said)-1]
		at.Await(limited, func(events []scenarios.Event) bool {
			return t.has(events, last) || ended(up.peer.Events()) != ""
		})
	}
	await(up, x.partner)
	await(down, up.peer)
}

// see takes from a client's events what it has been on, and why it is no more.
func (o *outcome) see(events []scenarios.Event) {
	for _, e := range events {
		switch n := len(o.sessions); {
		case e.Kind == scenarios.EventUp && !e.Recovered:
			o.sessions = append(o.sessions, []string{e.Transport})
		case e.Transport != "" && n > 0:
			o.sessions[n-1] = append(o.sessions[n-1], e.Transport)
		}
	}
	o.down = ended(events)
	if o.down != "" {
		o.works = false
	}
}

// ended is why a client is down, "" if it is not: where it comes back by itself,
// if it is back.
func ended(events []scenarios.Event) (why string) {
	for _, e := range events {
		switch e.Kind {
		case scenarios.EventDown:
			why = cmp.Or(e.Reason, "no reason")
		case scenarios.EventUp:
			why = ""
		}
	}
	return why
}

// attempted is when a client was told to connect.
func attempted(events []scenarios.Event) int64 {
	for _, e := range events {
		if e.Kind == scenarios.EventAttempt {
			return e.At
		}
	}
	return 0
}

// talker says something in a room.
type talker struct {
	x          *experiment
	peer       scenarios.Peer
	from, room string
	body       string
	next       int64
	said       []int64 // that was taken
	at         []int64 // when each of these was given, CLOCK_MONOTONIC in ns
	refused    int     // that was not
}

// say says the next thing.
func (t *talker) say(ctx context.Context) (int64, error) {
	seq := scenarios.FirstSeq + t.next
	t.next++
	at := t.x.env.Now()
	err := t.peer.Send(ctx, scenarios.Message{Room: t.room, From: t.from, Seq: seq, Body: cmp.Or(t.body, "is anybody there?")})
	if err != nil {
		t.refused++
		return seq, err
	}
	t.said, t.at = append(t.said, seq), append(t.at, at)
	return seq, nil
}

// exchange says something and waits until it is back. The first events, so many,
// do not matter to that.
func (t *talker) exchange(ctx context.Context, from int) (back scenarios.Event, err error) {
	seq, err := t.say(ctx)
	if err != nil {
		return back, err
	}
	looked := from
	_, err = t.peer.Await(ctx, func(events []scenarios.Event) bool {
		for ; looked < len(events); looked++ {
			back = events[looked]
			if back.Kind == scenarios.EventDown || t.is(back, seq) {
				return true
			}
		}
		return false
	})
	if err == nil && back.Kind == scenarios.EventDown {
		err = errors.New(back.Reason)
	}
	return back, err
}

// talk says things at the case's rate until the first context ends.
func (t *talker) talk(ctx, cell context.Context) {
	tick := time.NewTicker(time.Duration(float64(time.Second) / t.x.c.Rate))
	defer tick.Stop()
	for ctx.Err() == nil {
		t.say(cell)
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// is reports whether an event is a message of the talker.
func (t *talker) is(e scenarios.Event, seq int64) bool {
	return e.Kind == scenarios.EventMessage && e.Message.From == t.from && e.Message.Room == t.room && e.Message.Seq == seq
}

// has reports whether a message is among events.
func (t *talker) has(events []scenarios.Event, seq int64) bool {
	return slices.ContainsFunc(events, func(e scenarios.Event) bool { return t.is(e, seq) })
}

// received finds the talker's messages among the events of the other end: when each
// arrived first, how many came again, and how many after a later one.
func (t *talker) received(events []scenarios.Event) (first map[int64]int64, dup, reordered int) {
	first = make(map[int64]int64)
	latest := int64(0)
	for _, e := range events {
		seq := e.Message.Seq
		if !t.is(e, seq) {
			continue
		}
		if _, again := first[seq]; again {
			dup++
		} else {
			first[seq] = e.At
			if seq < latest {
				reordered++
			}
		}
		latest = max(latest, seq)
	}
	return first, dup, reordered
}

// missing is how many of the talker's messages are not among those that arrived.
func (t *talker) missing(arrived map[int64]int64) (n int) {
	for _, seq := range t.said {
		if _, came := arrived[seq]; !came {
			n++
		}
	}
	return n
}

// account compares what was taken with what has arrived at the other end, and
// returns how much has not.
func (t *talker) account(events []scenarios.Event, o *outcome) (lost int) {
	first, dup, reordered := t.received(events)
	o.dup += dup
	o.reordered += reordered
	return t.missing(first)
}
