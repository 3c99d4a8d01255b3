package fallback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"wsvsio/scenarios"
)

// meet connects a client of the case through a path that counts.
func (x *experiment) meet(ctx context.Context) (*talker, scenarios.Path, error) {
	path, err := x.env.Path(ctx, scenarios.PathSpec{Kind: scenarios.PathRelay}, x.node)
	if err != nil {
		return nil, nil, err
	}
	peer, err := x.crew.Dial(ctx, path.URL(), x.config("ann"))
	if err == nil {
		err = peer.Join(ctx, "ann")
	}
	if err != nil {
		return nil, path, errors.Join(err, path.Close())
	}
	t := &talker{x: x, peer: peer, from: "ann", room: "ann", body: strings.Repeat("x", x.c.Size)}
	return t, path, nil
}

// settling is how many messages are said before any is counted: the first polls
// carry what belongs to the beginning.
const settling = 5

// wire says one message at a time, and then many at once, and records what
// passes meanwhile.
func (x *experiment) wire(ctx context.Context) error {
	limited, cancel := x.limit(ctx, 10)
	defer cancel()
	t, path, err := x.meet(limited)
	if err != nil {
		return err
	}
	defer path.Close()
	for range settling {
		if _, err := t.exchange(limited, 0); err != nil {
			return err
		}
	}
	before := path.Observed()
	cpu, err := x.node.CPU()
	if err != nil {
		return err
	}
	var trips []float64
	for range x.c.Samples {
		from := x.env.Now()
		back, err := t.exchange(limited, 0)
		if err != nil {
			return err
		}
		trips = append(trips, float64(back.At-from)/1e9)
	}
	x.passed("", path.Observed().Sub(before), x.c.Samples)
	used, err := x.node.CPU()
	if err != nil {
		return err
	}
	x.rec.Value("server-cpu-sec/msg", (used-cpu).Seconds()/float64(x.c.Samples))
	slices.Sort(trips)
	x.rec.Value("rtt-p50-sec", trips[len(trips)/2])
	x.rec.Value("rtt-p99-sec", trips[min(len(trips)-1, len(trips)*99/100)])
	if len(trips) < 100 {
		x.rec.Doubt(fmt.Sprintf("the p99 of the round trip is of %d messages, so of the slowest of them", len(trips)))
	}
	for range max(3, x.c.Samples/10) {
		before := path.Observed()
		if err := t.burst(limited); err != nil {
			if ended(t.peer.Events()) == "" {
				return err
			}
			// What one message costs is known, and the burst has no figure.
			x.rec.Label(burst, "ends: "+err.Error())
			return nil
		}
		x.passed("burst-", path.Observed().Sub(before), inBurst)
	}
	return nil
}

// burst is the label of a cell whose client a burst ends.
const burst = "burst"

// burst says many messages at once and waits until they are back.
func (t *talker) burst(ctx context.Context) error {
	first := scenarios.FirstSeq + t.next
	t.next += inBurst
	errs := make([]error, inBurst)
	var all sync.WaitGroup
	for i := range inBurst {
		m := scenarios.Message{Room: t.room, From: t.from, Seq: first + int64(i), Body: t.body}
		all.Go(func() { errs[i] = t.peer.Send(ctx, m) })
	}
	all.Wait()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		return fmt.Errorf("message %d of %d was not taken: %w", i+1, inBurst, errs[i])
	}
	came := 0
	events, err := t.peer.Await(ctx, func(events []scenarios.Event) bool {
		came = 0
		for _, e := range events {
			if e.Kind == scenarios.EventMessage && e.Message.Seq >= first {
				came++
			}
		}
		return came >= inBurst || ended(events) != ""
	})
	if err == nil && came < inBurst {
		err = errors.New(ended(events))
	}
	if err != nil {
		return fmt.Errorf("%d of %d messages are back: %w", came, inBurst, err)
	}
	return nil
}

// passed records what has passed for some messages, under names that begin with
// a prefix.
func (x *experiment) passed(prefix string, t scenarios.Traffic, messages int) {
	n := float64(messages)
	x.rec.Value(prefix+"reqs/msg", float64(t.Requests)/n)
	x.rec.Value(prefix+"wire-B/msg", float64(t.Up+t.Down)/n)
}

// load has the load generator stand for the clients.
func (x *experiment) load(ctx context.Context) error {
	s, c := x.stack, x.c
	switch {
	case len(s.Mode.Transports) > 1:
		return scenarios.Unsupported("what a transport costs is asked of the stacks with that one alone")
	case s.Server.Go != "" && s.Client.Node != "" && s.Mode.Transports[0] == scenarios.WebSocket:
		return scenarios.Unsupported("the load generator stands in for the client, and the server %s is measured with its Go client", s.Server)
	case s.Mode.Transports[0] != scenarios.WebSocket && s.Mode.Transports[0] != scenarios.Polling:
		return scenarios.Unsupported("the load generator does not speak it; the case wire has the stack's own client")
	}
	spec := scenarios.LoadSpec{
		Clients: c.Clients, Size: c.Size, Warmup: c.Warmup, Rate: c.Rate,
		Transport: s.Mode.Transports[0],
	}
	if s.Server.Go != "" && c.GoWarmup > 0 {
		spec.Warmup = c.GoWarmup
	}
	if c.Name == idle {
		spec.Hold = c.Window
	} else {
		spec.Messages = c.Messages()
	}
	node, err := x.env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		return err
	}
	r, err := x.env.Load(ctx, s, node, spec)
	if err != nil {
		return err
	}
	if err := node.Kill(); err != nil {
		return err
	}
	if err := verdict(r); err != nil {
		return err
	}
	if r.ServerMemory[0] != scenarios.NotTold && c.Clients > 1 {
		x.rec.Value("server-B/conn", (r.ServerMemory[1]-r.ServerMemory[0])/float64(c.Clients))
		if c.Clients < 1000 {
			x.rec.Doubt(fmt.Sprintf("the memory is of %d clients, and largely the program's own", c.Clients))
		}
	}
	if c.Name == idle {
		return nil
	}
	n := float64(r.Delivered)
	w := r.Phases.Window
	x.rec.Value("p50-sec/msg", r.Latency.P50)
	x.rec.Value("p99-sec/msg", r.Latency.P99)
	x.rec.Value("server-cpu-sec/msg", (r.After.CPU-r.Before.CPU).Seconds()/n)
	x.rec.Value("wire-B/msg", float64(w.Up+w.Down)/n)
	x.rec.Value("reqs/msg", float64(w.Requests)/n)
	x.rec.Value("deliveries", n)
	if r.Sent < 100 {
		x.rec.Doubt(fmt.Sprintf("the p99 is of %d messages a round, so of the slowest of them", r.Sent))
	}
	if r.Early > 0 {
		x.rec.Doubt(fmt.Sprintf("the server refused %d polls for a session that it had just announced; they were asked again", r.Early))
	}
	for _, h := range r.Histograms {
		x.rec.Histogram(h)
	}
	return nil
}

// verdict says whether the delivery allows a figure.
func verdict(r scenarios.LoadReport) error {
	if r.Lost == 0 && r.Unsent == 0 && r.Dup == 0 && r.Reordered == 0 && r.Corrupt == 0 && r.Died == 0 && r.Why == "" {
		return nil
	}
	return fmt.Errorf("of %d deliveries %d were lost, %d came twice, %d out of order, %d were not as sent; %d messages were not sent, %d connections ended; first: %s",
		r.Expected, r.Lost, r.Dup, r.Reordered, r.Corrupt, r.Unsent, r.Died, r.Why)
}
