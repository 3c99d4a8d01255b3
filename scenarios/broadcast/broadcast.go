package broadcast

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"wsvsio/scenarios"
)

// Scenario is the broadcast scenario.
type Scenario struct{}

// Name implements scenarios.Scenario.
func (Scenario) Name() string { return "broadcast" }

// warmup is how many deliveries are discarded: Node's compiler halves its cost
// in the first second.
const warmup = 15_000

// Cases implements scenarios.Scenario.
func (Scenario) Cases(p scenarios.Profile) []scenarios.Case {
	const window = 500 * time.Millisecond
	cases := []scenarios.Case{
		{Name: "echo", Clients: 1, Size: 128, Rate: 2000, Warmup: warmup, Window: window},
		{Name: "steady", Clients: 100, Size: 128, Rate: 200, Warmup: warmup, Window: window},
		{Name: "fan-out", Clients: 1000, Size: 128, Rate: 20, Warmup: warmup, Window: 2 * window},
		{Name: "connect", Clients: 1, Samples: 20},
	}
	if p == scenarios.Full {
		for i := range cases {
			cases[i].Window *= 10
			cases[i].Samples *= 5
		}
		cases = append(cases,
			scenarios.Case{Name: "both-ways", Clients: 100, Size: 128, Rate: 200, Warmup: warmup, Window: 10 * window},
			scenarios.Case{Name: "saturation", Clients: 100, Size: 128, Warmup: warmup, Window: 2 * window},
			scenarios.Case{Name: "idle", Clients: 1000},
		)
		for _, size := range []int{32, 4096} {
			cases = append(cases, scenarios.Case{
				Name: "steady", Clients: 100, Size: size, Rate: 200,
				Warmup: warmup, Window: 10 * window,
			})
		}
	}
	return cases
}

// Run implements scenarios.Scenario.
func (Scenario) Run(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	if c.Name == "connect" {
		if s.Client == (scenarios.Program{}) {
			return scenarios.Unsupported("%s has no client", s.Name)
		}
		return connect(ctx, env, s, c, rec)
	}
	return broadcast(ctx, env, s, c, rec)
}

// broadcast runs the cases in which the load generator stands at the client's
// end.
func broadcast(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	if !slices.Equal(s.Mode.Transports, []string{scenarios.WebSocket}) {
		return scenarios.Unsupported("the load generator speaks websocket only; the case connect measures this mode")
	}
	if s.Server.Go != "" && s.Client.Node != "" {
		return scenarios.Unsupported("the load generator stands in for the client, and the server %s is measured with its Go client", s.Server)
	}
	node, err := env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		return err
	}
	spec := scenarios.LoadSpec{Clients: c.Clients, Size: c.Size, Warmup: c.Warmup}
	switch c.Name {
	case "idle":
	case "saturation":
		spec.Saturate = c.Window
	case "both-ways":
		spec.Senders = c.Clients
		fallthrough
	default:
		spec.Rate, spec.Messages = c.Rate, c.Messages()
	}
	r, err := env.Load(ctx, s, node, spec)
	if err != nil {
		return err
	}
	stopped := node.Stop(ctx)
	if err := verdict(r); err != nil {
		return err
	}
	switch {
	case stopped != nil:
		return stopped
	case c.Name == "idle":
		if r.After.RSS == scenarios.NotTold {
			return scenarios.Unsupported("this system does not tell what memory a process uses")
		}
		rec.Value("server-B/conn", (r.After.RSS-r.Before.RSS)/float64(c.Clients))
	default:
		report(r, rec)
	}
	return nil
}

// verdict says whether the delivery allows a figure.
func verdict(r scenarios.LoadReport) error {
	if r.Lost == 0 && r.Dup == 0 && r.Reordered == 0 && r.Corrupt == 0 && r.Died == 0 && r.Why == "" {
		return nil
	}
	err := fmt.Errorf("of %d deliveries %d lost, %d doubled, %d out of order, %d damaged; %d connections ended",
		r.Expected, r.Lost, r.Dup, r.Reordered, r.Corrupt, r.Died)
	if r.Why != "" {
		err = fmt.Errorf("%w; first: %s", err, r.Why)
	}
	return err
}

// Limits beyond which a cell carries a doubt.
const (
	maxClientShare = 0.5    // of a core; beyond it, it may be what limits
	maxLateness    = 1.5e-3 // seconds at p99
	minMessages    = 20     // a p99 of fewer is about one or two of them
)

// report records what the load generator saw.
func report(r scenarios.LoadReport, rec scenarios.Recorder) {
	n := float64(r.Delivered)
	if r.Latency.N > 0 {
		rec.Value("p50-sec/msg", r.Latency.P50)
		rec.Value("p90-sec/msg", r.Latency.P90)
		rec.Value("p99-sec/msg", r.Latency.P99)
		if r.Sent >= 1000 {
			rec.Value("p99.9-sec/msg", r.Latency.P999)
		}
		rec.Value("max-sec/msg", r.Latency.Max)
		rec.Value("write-p50-sec/msg", r.FromWrite.P50)
		rec.Value("write-p99-sec/msg", r.FromWrite.P99)
		rec.Value("late-p99-sec", r.Lateness.P99)
	} else {
		rec.Value("deliveries/s", n/r.Elapsed.Seconds())
	}
	rec.Value("server-cpu-sec/msg", (r.After.CPU-r.Before.CPU).Seconds()/n)
	rec.Value("client-cpu-sec/msg", r.ClientCPU.Seconds()/n)
	rec.Value("wire-B/msg", float64(r.Wire.Up+r.Wire.Down)/n)
	if r.Before.Mallocs != scenarios.NotTold {
		// What it takes to ask has been taken off; of nothing, a little less
		// than nothing may be left.
		rec.Value("server-allocs/msg", max(0, r.After.Mallocs-r.Before.Mallocs)/n)
		rec.Value("server-alloc-B/msg", max(0, r.After.AllocBytes-r.Before.AllocBytes)/n)
	}
	rec.Value("deliveries", n)
	rec.Value("lost", float64(r.Lost))
	rec.Value("dup", float64(r.Dup))
	rec.Value("reordered", float64(r.Reordered))

	if share := r.ClientCPU.Seconds() / r.Elapsed.Seconds(); share > maxClientShare {
		rec.Doubt(fmt.Sprintf("the load generator used more than %.0f %% of a core", 100*maxClientShare))
	}
	if r.Lateness.P99 > maxLateness {
		rec.Doubt(fmt.Sprintf("the sender was more than %.1f ms late at p99", 1e3*maxLateness))
	}
	if r.Sent < minMessages {
		rec.Doubt(fmt.Sprintf("fewer than %d messages in the window", minMessages))
	}
}

// settle is how many connects are discarded while both ends warm up.
const settle = 50

// connect runs the case in which the stack's own client connects.
func connect(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	node, err := env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		return err
	}
	crew, err := env.Clients(ctx, s)
	if err != nil {
		return err
	}
	broke := 0
	for i := range settle + c.Samples {
		r, err := connectOnce(ctx, env, s, node, crew)
		switch {
		case errors.Is(err, errBroke):
			broke++
			if broke > c.Samples {
				return fmt.Errorf("%d of %d %w", broke, i+1, err)
			}
		case err != nil:
			return err
		case i >= settle:
			rec.Value("connect-sec", r.up.Seconds())
			rec.Value("settle-sec", r.settled.Seconds())
			rec.Value("connect-B", float64(r.passed.Up+r.passed.Down))
			rec.Value("connect-reqs", float64(r.passed.Requests))
			rec.Value("connect-conns", float64(r.passed.Conns))
		}
	}
	rec.Value("died", float64(broke))
	return errors.Join(crew.Stop(ctx), node.Stop(ctx))
}

// flakyLimit is after how long a connect on a flaky stack counts as broken.
const flakyLimit = 2 * time.Second

// errBroke says that a connection came up and broke by itself.
var errBroke = errors.New("connections broke")

// connected is what one connect took.
type connected struct {
	up, settled time.Duration // from the call
	passed      scenarios.Traffic
}

// connectOnce connects one client through a relay of its own: what an earlier
// client left on its way is not counted.
func connectOnce(ctx context.Context, env scenarios.Env, s scenarios.Stack, node scenarios.Node, crew scenarios.Crew) (connected, error) {
	path, err := env.Path(ctx, scenarios.PathSpec{Kind: scenarios.PathRelay}, node)
	if err != nil {
		return connected{}, err
	}
	defer path.Close()
	limited := ctx
	if s.Flaky != "" {
		// A client whose server does not answer would wait for ever.
		var cancel context.CancelFunc
		limited, cancel = context.WithTimeout(ctx, flakyLimit)
		defer cancel()
	}
	peer, err := crew.Dial(limited, path.URL(), s.Dial("ann"))
	if err != nil && s.Flaky != "" && ctx.Err() == nil {
		return connected{}, fmt.Errorf("%w: %w", errBroke, err)
	}
	if err != nil {
		return connected{}, err
	}
	down := func(events []scenarios.Event) bool {
		return events[len(events)-1].Kind == scenarios.EventDown
	}
	events, err := peer.Await(limited, func(events []scenarios.Event) bool {
		return s.Settled(events) || down(events)
	})
	if err != nil && s.Flaky != "" && ctx.Err() == nil {
		return connected{}, fmt.Errorf("%w: %w", errBroke, err)
	}
	if err != nil {
		return connected{}, err
	}
	if down(events) {
		return connected{}, fmt.Errorf("%w: %s", errBroke, events[len(events)-1].Reason)
	}
	r := times(events)
	r.passed = path.Observed()
	return r, peer.Close()
}

// times takes the durations from what a client saw.
func times(events []scenarios.Event) (r connected) {
	var from int64
	for _, e := range events {
		switch e.Kind {
		case scenarios.EventAttempt:
			from = e.At
		case scenarios.EventUp:
			r.up = time.Duration(e.At - from)
			r.settled = r.up
		case scenarios.EventTransport:
			r.settled = time.Duration(e.At - from)
		}
	}
	return r
}
