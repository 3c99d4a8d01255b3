package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"wsvsio/scenarios"
)

// room is the one that all clients of a case are in.
const room = "lobby"

// The parts of the case rooms.
const (
	calm      = 50               // messages one after another, whose latency is taken
	calmLimit = 10 * time.Second // of each

	// patience is how long nothing may arrive before what is missing counts as
	// lost.
	patience = 2 * time.Second

	// backLimit is how long after Redis has come back a message between the
	// nodes is waited for. After the short time that it is away, go-redis and
	// node-redis try again within 0.1 s.
	backLimit = 3 * time.Second

	// probeStep is the pause between two messages that ask whether the nodes
	// hear each other again.
	probeStep = 50 * time.Millisecond
)

// twoNodes are two nodes of a stack, joined by a Redis, with half of the
// clients at each.
type twoNodes struct {
	env    scenarios.Env
	broker scenarios.Broker
	rec    scenarios.Recorder
	crew   scenarios.Crew
	peers  []scenarios.Peer // those at the first node, then those at the second

	mu   sync.Mutex
	last map[string]int64 // the number of each sender's last message
}

// rooms runs a case with several nodes and one room: clients of two nodes talk
// to each other through a Redis of that kind.
func rooms(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, kind string, rec scenarios.Recorder) (err error) {
	brokers, ok := env.(scenarios.Brokers)
	if !ok {
		return errors.New("this environment has no Redis")
	}
	broker, err := brokers.Broker(ctx, kind)
	if err != nil {
		return err
	}
	x := &twoNodes{env: env, broker: broker, rec: rec, last: make(map[string]int64)}
	rec.Label("redis", broker.Version())
	defer func() { err = errors.Join(err, broker.Close()) }()
	var nodes []scenarios.Node
	defer func() {
		for _, n := range nodes {
			err = errors.Join(err, n.Stop(ctx))
		}
	}()
	for _, name := range scenarios.NodeNames {
		n, err := env.Serve(ctx, s, s.Serving(scenarios.ServerConfig{Node: name, Redis: broker.Addr()}))
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	if x.crew, err = env.Clients(ctx, s); err != nil {
		return err
	}
	defer func() { err = errors.Join(x.crew.Stop(ctx), err) }()
	for i := range c.Clients {
		n := nodes[i*len(nodes)/c.Clients]
		p, err := x.crew.Dial(ctx, n.URL(), s.Dial(name(i)))
		if err != nil {
			return err
		}
		if err := p.Join(ctx, room); err != nil {
			return err
		}
		x.peers = append(x.peers, p)
	}
	for _, part := range []func(context.Context) error{x.calm, func(ctx context.Context) error { return x.crowd(ctx, c.Samples) }, x.restart} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return nil
}

// name is that of a client.
func name(i int) string { return fmt.Sprintf("client%d", i) }

// half is the first client of the second node.
func (x *twoNodes) half() int { return len(x.peers) / 2 }

// send has a client say something and returns its number.
func (x *twoNodes) send(ctx context.Context, client int) (seq int64, err error) {
	from := name(client)
	x.mu.Lock()
	if x.last[from] == 0 {
		x.last[from] = scenarios.FirstSeq - 1
	}
	x.last[from]++
	seq = x.last[from]
	x.mu.Unlock()
	return seq, x.peers[client].Send(ctx, scenarios.Message{Room: room, From: from, Seq: seq, Body: "x"})
}

// arrived returns when a message came to a client, 0 if it has not.
func arrived(events []scenarios.Event, from string, seq int64) int64 {
	for _, e := range slices.Backward(events) {
		if e.Kind == scenarios.EventMessage && e.Message.From == from && e.Message.Seq == seq {
			return e.At
		}
	}
	return 0
}

// await waits until a client has got a message, and returns when it did; 0 if
// it has not within a limit.
func (x *twoNodes) await(ctx context.Context, client int, from string, seq int64, limit time.Duration) (int64, error) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	events, err := x.peers[client].Await(limited, func(events []scenarios.Event) bool {
		return arrived(events, from, seq) > 0
	})
	if err != nil && (ctx.Err() != nil || limited.Err() == nil) {
		return 0, err
	}
	return arrived(events, from, seq), nil
}

// calm sends one message at a time, and takes how long each takes to the other
// node, and how much of it is the way there: the same message has come to
// another client of the sender's node meanwhile.
func (x *twoNodes) calm(ctx context.Context) error {
	var all, hop []float64
	for range calm {
		due := x.env.Now()
		seq, err := x.send(ctx, 0)
		if err != nil {
			return err
		}
		near, err := x.await(ctx, x.half()-1, name(0), seq, calmLimit)
		if err != nil {
			return err
		}
		far, err := x.await(ctx, x.half(), name(0), seq, calmLimit)
		if err != nil {
			return err
		}
		if near == 0 || far == 0 {
			return fmt.Errorf("message %d of a client that sends alone did not arrive within %v: on its node %t, on the other %t", seq, calmLimit, near > 0, far > 0)
		}
		all = append(all, seconds(far-due))
		hop = append(hop, seconds(max(0, far-near)))
	}
	slices.Sort(all)
	slices.Sort(hop)
	x.rec.Value("p50-sec/msg", quantile(all, 0.5))
	x.rec.Value("p99-sec/msg", quantile(all, 0.99))
	x.rec.Value("hop-sec/msg", quantile(hop, 0.5))
	return nil
}

// crowd has all clients send at the same time, so many messages each, and counts
// what arrives at the sender's node and at the other.
func (x *twoNodes) crowd(ctx context.Context, each int) error {
	first := make([]int64, len(x.peers))
	for i := range first {
		first[i] = max(x.last[name(i)]+1, scenarios.FirstSeq)
	}
	var all sync.WaitGroup
	errs := make([]error, len(x.peers))
	for i := range x.peers {
		all.Go(func() {
			for range each {
				if _, errs[i] = x.send(ctx, i); errs[i] != nil {
					return
				}
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	want := len(x.peers) * each
	if err := x.settle(ctx, first, want); err != nil {
		return err
	}
	var near, far, dup, late int
	for i, p := range x.peers {
		got := count(p.Events(), first)
		for from := range x.peers {
			if n := got.seen[name(from)]; (i < x.half()) == (from < x.half()) {
				near += n
			} else {
				far += n
			}
		}
		dup += got.dup
		late += got.reordered
	}
	due := float64(want * x.half())
	x.rec.Value("near-ratio", float64(near)/due)
	x.rec.Value("far-ratio", float64(far)/due)
	x.rec.Value("lost", 2*due-float64(near+far))
	x.rec.Value("dup", float64(dup))
	x.rec.Value("reordered", float64(late))
	return nil
}

// heard is what a client has got of a crowd's messages.
type heard struct {
	seen           map[string]int // by sender
	all            int
	dup, reordered int
}

// count counts messages from the given numbers on.
func count(events []scenarios.Event, first []int64) heard {
	c := heard{seen: make(map[string]int)}
	from := make(map[string]int64)
	for i, seq := range first {
		from[name(i)] = seq
	}
	got := make(map[string]map[int64]bool)
	last := make(map[string]int64)
	for _, e := range events {
		m := e.Message
		if e.Kind != scenarios.EventMessage || m.Seq < from[m.From] || from[m.From] == 0 {
			continue
		}
		switch {
		case got[m.From][m.Seq]:
			c.dup++
			continue
		case m.Seq < last[m.From]:
			c.reordered++
		}
		if got[m.From] == nil {
			got[m.From] = make(map[int64]bool)
		}
		got[m.From][m.Seq] = true
		last[m.From] = max(last[m.From], m.Seq)
		c.seen[m.From]++
		c.all++
	}
	return c
}

// settle waits until every client has got so many messages, or nothing arrives
// any more.
func (x *twoNodes) settle(ctx context.Context, first []int64, want int) error {
	for _, p := range x.peers {
		for before := -1; ; {
			limited, cancel := context.WithTimeout(ctx, patience)
			// More than before is enough to go on waiting.
			events, err := p.Await(limited, func(events []scenarios.Event) bool {
				n := count(events, first).all
				return n >= want || before >= 0 && n > before+want/10
			})
			cancel()
			if ctx.Err() != nil {
				return ctx.Err()
			}
			n := count(events, first).all
			if n >= want || err != nil && n <= before {
				break
			}
			before = n
		}
	}
	return nil
}

// restart has Redis go away, the first client talk meanwhile, and Redis come
// back. Nothing but the nodes' own code joins them again.
func (x *twoNodes) restart(ctx context.Context) error {
	const meanwhile = 10 // messages
	if err := x.broker.Stop(ctx); err != nil {
		return err
	}
	var seqs []int64
	for range meanwhile {
		seq, err := x.send(ctx, 0)
		if err != nil {
			return err
		}
		near, err := x.await(ctx, x.half()-1, name(0), seq, patience)
		if err != nil {
			return err
		}
		if near == 0 {
			x.rec.Label("without-redis", "a message does not even reach the clients of its own node")
		}
		seqs = append(seqs, seq)
	}
	if err := x.broker.Resume(ctx); err != nil {
		return err
	}
	back, err := x.probe(ctx)
	if err != nil {
		return err
	}
	if back > 0 {
		x.rec.Value("recover-sec", back.Seconds())
	} else {
		x.rec.Label("after-restart", fmt.Sprintf("the nodes did not hear each other again within %v", backLimit))
	}
	x.rec.Value("back-ratio", float64(min(1, back)))
	late := 0
	events := x.peers[x.half()].Events()
	for _, seq := range seqs {
		if arrived(events, name(0), seq) > 0 {
			late++
		}
	}
	x.rec.Value("caught-up-ratio", float64(late)/meanwhile)
	return nil
}

// probe sends from both nodes until both hear the other, and returns how long
// that took; 0 if it did not come about.
func (x *twoNodes) probe(ctx context.Context) (time.Duration, error) {
	limited, cancel := context.WithTimeout(ctx, backLimit)
	defer cancel()
	began := x.env.Now()
	ends := []int{0, x.half()}
	first := make([]int64, 2)
	came := make([]int64, 2)
	tick := time.NewTicker(probeStep)
	defer tick.Stop()
	for {
		for i, from := range ends {
			seq, err := x.send(ctx, from)
			if err != nil {
				return 0, err
			}
			if first[i] == 0 {
				first[i] = seq
			}
		}
		select {
		case <-tick.C:
		case <-limited.Done():
			return 0, ctx.Err()
		}
		for i, from := range ends {
			for _, e := range x.peers[ends[1-i]].Events() {
				if e.Kind == scenarios.EventMessage && e.Message.From == name(from) && e.Message.Seq >= first[i] && came[i] == 0 {
					came[i] = e.At
				}
			}
		}
		if came[0] > 0 && came[1] > 0 {
			return time.Duration(max(came[0], came[1]) - began), nil
		}
	}
}
