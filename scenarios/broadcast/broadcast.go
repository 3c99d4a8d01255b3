package broadcast

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"wsvsio/scenarios"
)

// Scenario is the broadcast scenario.
type Scenario struct{}

// Name implements scenarios.Scenario.
func (Scenario) Name() string { return "broadcast" }

// warmup is how many deliveries are discarded, and goWarmup how many where the
// server is Go, whose compiler is done before. Node's never quite is: from
// 30,000 on, twice as many change its figures by some percent either way, which
// is said with each of them. See results/2026-11-23-warmup-node and
// results/2026-11-23-warmup-go.
const (
	warmup   = 30_000
	goWarmup = 4_000
)

// Cases implements scenarios.Scenario.
func (Scenario) Cases(p scenarios.Profile) []scenarios.Case {
	cases := quick()
	if p == scenarios.Full {
		cases = full()
	}
	for i := range cases {
		if c := &cases[i]; c.Warmup == 0 && (c.Rate > 0 || c.Name == "saturation") {
			c.Warmup, c.GoWarmup = warmup, goWarmup
		}
	}
	return cases
}

// quick returns the cases of the first minute. A window is as short as leaves
// enough messages: what differs from one process to the next is more than what
// differs within one, so that time is better spent on rounds.
func quick() []scenarios.Case {
	const window = 80 * time.Millisecond
	return []scenarios.Case{
		{Name: "echo", Clients: 1, Size: 128, Rate: 2000, Window: window},
		{Name: "steady", Clients: 100, Size: 128, Rate: 200, Window: window, Polling: true},
		{Name: "fan-out", Clients: 1000, Size: 128, Rate: 20, Window: 250 * time.Millisecond},
		{Name: "both-ways", Clients: 100, Rooms: 10, Size: 128, Rate: 2000, Window: window},
		{Name: "saturation", Clients: 100, Size: 128, Window: window},
		{Name: "connect", Clients: 1, Samples: 20},
		{Name: "idle", Clients: 1000, Fresh: true, Once: true, Outcome: true},
		slowReader,
	}
}

// slowReader is outcome only. It sends more than the systems at both ends keep
// for a connection, and lasts longer than the heartbeat's limit for a client
// that does not answer; so little that the stacks can run side by side.
var slowReader = scenarios.Case{
	Name: "slow-reader", Clients: 100, Size: 32 << 10, Rate: 50, Warmup: 100, Window: 2500 * time.Millisecond,
	Once: true, Fresh: true, Outcome: true,
}

// full returns the cases that take their time.
func full() []scenarios.Case {
	const window = time.Second
	cases := []scenarios.Case{
		{Name: "echo", Clients: 1, Size: 128, Rate: 2000, Window: window},
	}
	// Two thousand deliveries a second are a quiet chat, twenty thousand half a
	// core of the costliest stack.
	for _, clients := range []int{10, 100, 1000} {
		for _, size := range []int{32, 128, 4096} {
			for _, deliveries := range []int{2_000, 20_000} {
				c := scenarios.Case{
					Name: "steady", Clients: clients, Size: size, Rate: float64(deliveries / clients), Window: window,
				}
				if clients == 1000 && size == 128 && deliveries == 20_000 {
					c.Name = "fan-out"
				}
				cases = append(cases, c)
			}
		}
	}
	cases = append(cases,
		scenarios.Case{Name: "both-ways", Clients: 100, Rooms: 10, Size: 128, Rate: 2000, Window: window},
		scenarios.Case{Name: "rooms", Clients: 1000, Rooms: 100, Size: 128, Rate: 1000, Window: window},
		scenarios.Case{Name: "announce", Clients: 1000, Rooms: 100, Size: 128, Rate: 20, Window: window},
		scenarios.Case{Name: "churn", Clients: 100, Size: 128, Rate: 200, Window: window},
		scenarios.Case{Name: "saturation", Clients: 100, Size: 128, Window: time.Second},
		scenarios.Case{Name: "saturation", Clients: 1000, Size: 128, Window: time.Second},
		scenarios.Case{Name: "connect", Clients: 1, Samples: 100},
		scenarios.Case{Name: "idle", Clients: 1000, Fresh: true},
		scenarios.Case{Name: "idle", Clients: 10_000, Window: 10 * time.Second, Fresh: true},
		slowReader,
	)
	for i := range cases {
		cases[i].Polling = true
		if cases[i].Rate > 0 && !cases[i].Outcome {
			cases[i].Repeats = 5
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

// Check says what is wrong with a case that was changed on the command line.
func (Scenario) Check(c scenarios.Case) error {
	switch {
	case c.Rooms > 1 && c.Clients%c.Rooms != 0:
		return fmt.Errorf("%s: %d clients cannot be spread evenly over %d rooms", c.Name, c.Clients, c.Rooms)
	case c.Name == "slow-reader" && c.Clients < 2:
		return fmt.Errorf("%s: one client that does not read needs others that do: ask for 2 clients or more", c.Name)
	}
	return nil
}

// spec is what the load generator does in a case.
func spec(s scenarios.Stack, c scenarios.Case) (scenarios.LoadSpec, error) {
	l := scenarios.LoadSpec{
		Clients: c.Clients, Size: c.Size, Warmup: c.Warmup, Rooms: c.Rooms,
		Transport: s.Mode.Transports[0],
	}
	switch {
	case l.Transport == scenarios.Polling && !c.Polling:
		return l, scenarios.Unsupported("over polling this case runs in -profile full only")
	case len(s.Mode.Transports) > 1:
		return l, scenarios.Unsupported("the load generator stays on its first transport; the case connect measures this mode")
	case s.Server.Go != "" && s.Client.Node != "" && l.Transport == scenarios.WebSocket:
		return l, scenarios.Unsupported("the load generator stands in for the client, and the server %s is measured with its Go client", s.Server)
	case !s.IsChat() && (c.Rooms > 1 && c.Name != "announce" || c.Name == "churn"):
		return l, scenarios.Unsupported("%s is no chat: it has no rooms", s.Name)
	case s.Protocol == scenarios.ProtocolFloor && c.Name == "slow-reader":
		return l, scenarios.Unsupported("%s has no queue and no heartbeat: it waits for its slowest reader", s.Name)
	}
	if s.Server.Go != "" && c.GoWarmup > 0 {
		l.Warmup = c.GoWarmup
	}
	switch c.Name {
	case "idle":
		l.Hold = c.Window
		return l, nil
	case "saturation":
		l.Saturate = c.Window
		return l, nil
	case "both-ways":
		l.Senders = c.Clients / max(1, c.Rooms)
	case "announce":
		l.Announce = true
	case "churn":
		l.Churners, l.ChurnRate = c.Clients, churnRate
	case "slow-reader":
		l.Slow = 1
		l.Patience = slowTimers.PingInterval + slowTimers.PingTimeout + 2*time.Second
	}
	l.Rate, l.Messages = c.Rate, c.Messages()
	return l, nil
}

// churnRate is how many clients a second leave the room and come back.
const churnRate = 50

// slowTimers are the heartbeat and the queue where a client stops reading,
// scaled down on all stacks alike: with the usual ones some of them wait for
// most of a minute.
var slowTimers = scenarios.ServerConfig{
	PingInterval: 500 * time.Millisecond,
	PingTimeout:  1500 * time.Millisecond,
	WriteTimeout: 1 * time.Second,
	Queue:        32,
}

// broadcast runs the cases in which the load generator stands at the client's
// end.
func broadcast(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	spec, err := spec(s, c)
	if err != nil {
		return err
	}
	var cfg scenarios.ServerConfig
	if c.Name == "slow-reader" {
		cfg = slowTimers
	}
	node, err := env.Serve(ctx, s, cfg)
	if err != nil {
		return err
	}
	r, err := env.Load(ctx, s, node, spec)
	if err != nil {
		return err
	}
	stopped := node.Stop(ctx)
	if c.Name == "slow-reader" {
		if err := counted(r.Phases); err != nil {
			return err
		}
		outcome(r, c, rec)
		return stopped
	}
	if err := verdict(r); err != nil {
		return err
	}
	if stopped != nil {
		return stopped
	}
	switch c.Name {
	case "idle":
		if !memory(r, c, rec) {
			return scenarios.Unsupported("this system does not tell what memory a process uses")
		}
		rec.Value("died", float64(r.Died))
	default:
		report(r, c, rec)
		if s.Server.Node != "" {
			rec.Doubt("Node compiles as it goes: twice the warm-up changes its CPU by some percent")
		}
		if c.Clients >= 1000 { // with fewer it is lost in that of the program
			memory(r, c, rec)
		}
	}
	phases(r.Phases, rec)
	for _, h := range r.Histograms {
		rec.Histogram(h)
	}
	return nil
}

// memory records what the connections take, if the system tells.
func memory(r scenarios.LoadReport, c scenarios.Case, rec scenarios.Recorder) bool {
	if r.ServerMemory[0] == scenarios.NotTold {
		return false
	}
	rec.Value("server-B/conn", (r.ServerMemory[1]-r.ServerMemory[0])/float64(c.Clients))
	rec.Value("client-B/conn", (r.ClientMemory[1]-r.ClientMemory[0])/float64(c.Clients))
	return true
}

// outcome records what became of the others while one client did not read. What
// they lost is what is asked for here.
func outcome(r scenarios.LoadReport, c scenarios.Case, rec scenarios.Recorder) {
	due := float64(c.Messages() * (c.Clients - 1))
	rec.Value("delivered-ratio", float64(r.Delivered)/due)
	rec.Label("settings", fmt.Sprintf("ping interval %v, ping timeout %v, write timeout %v, queue of %d messages",
		slowTimers.PingInterval, slowTimers.PingTimeout, slowTimers.WriteTimeout, slowTimers.Queue))
	rec.Value("stall-sec", r.Latency.Max)
	rec.Value("slow-closed", float64(r.Slow.Closed))
	if r.After.RSS != scenarios.NotTold {
		rec.Value("server-grown-B", max(0, r.After.RSS-r.Before.RSS))
	}
	rec.Value("deliveries", float64(r.Delivered))
	rec.Value("lost", float64(r.Lost))
	rec.Value("dup", float64(r.Dup))
	rec.Value("reordered", float64(r.Reordered))
	rec.Value("corrupt", float64(r.Corrupt))
	rec.Value("died", float64(r.Died))
	if r.Why != "" {
		rec.Label("why", r.Why)
	}
}

// verdict says whether the delivery allows a figure.
func verdict(r scenarios.LoadReport) error {
	if r.Lost == 0 && r.Unsent == 0 && r.Dup == 0 && r.Reordered == 0 && r.Corrupt == 0 && r.Died == 0 && r.Why == "" {
		return counted(r.Phases)
	}
	var faults []string
	for _, f := range []struct {
		n    int64
		what string
	}{
		{r.Unsent, "messages not sent"},
		{r.Cut, "lost when a connection ended"},
		{r.Dropped, "lost by the server"},
		{r.Unexplained, "lost by a server that did not answer in the end"},
		{r.Dup, "doubled"},
		{r.Reordered, "out of order"},
		{r.Corrupt, "that were not sent like that"},
		{r.Died, "connections ended"},
	} {
		if f.n > 0 {
			faults = append(faults, fmt.Sprintf("%d %s", f.n, f.what))
		}
	}
	if len(faults) == 0 {
		return errors.New(r.Why)
	}
	err := fmt.Errorf("of %d deliveries: %s", r.Expected, strings.Join(faults, ", "))
	if r.Why != "" {
		err = fmt.Errorf("%w; first: %s", err, r.Why)
	}
	return err
}

// counted compares the bytes that the load generator has counted with those of
// the system, where it tells, phase by phase: if they differ the instrument is
// broken.
func counted(p scenarios.Phases) (err error) {
	p.Each(func(name string, c scenarios.Count) {
		if k := c.Kernel; err == nil && k.Told && (c.Up != k.Up || c.Down != k.Down) {
			err = fmt.Errorf("%s: the load generator counted %d B up and %d B down, the system %d and %d: no figure of this cell can be trusted",
				name, c.Up, c.Down, k.Up, k.Down)
		}
	})
	return err
}

// phases records what the streams carried, phase by phase.
func phases(p scenarios.Phases, rec scenarios.Recorder) {
	p.Each(func(name string, c scenarios.Count) {
		rec.Value("phase-"+name+"-up-B", float64(c.Up))
		rec.Value("phase-"+name+"-down-B", float64(c.Down))
		rec.Value("phase-"+name+"-reqs", float64(c.Requests))
		rec.Value("phase-"+name+"-conns", float64(c.Conns))
	})
}

// Limits beyond which a cell carries a doubt.
const (
	maxClientShare = 0.5    // of a core; beyond it, it may be what limits
	maxLateP50     = 0.1e-3 // seconds
	maxLateP99     = 1.5e-3 // seconds
	minMessages    = 100    // of which one is beyond p99
)

// latencies records what the receivers saw.
func latencies(r scenarios.LoadReport, rec scenarios.Recorder) {
	rec.Value("p50-sec/msg", r.Latency.P50)
	rec.Value("p90-sec/msg", r.Latency.P90)
	rec.Value("p99-sec/msg", r.Latency.P99)
	// A percentile needs some messages, not only receivers, beyond it. The p99
	// is given nevertheless, with a doubt.
	if r.Sent >= 1_000 {
		rec.Value("p99.9-sec/msg", r.Latency.P999)
	}
	if r.Sent >= 10_000 {
		rec.Value("p99.99-sec/msg", r.Latency.P9999)
	}
	rec.Value("max-sec/msg", r.Latency.Max)
	rec.Value("write-p50-sec/msg", r.FromWrite.P50)
	rec.Value("write-p99-sec/msg", r.FromWrite.P99)
	rec.Value("late-p50-sec", r.Lateness.P50)
	rec.Value("late-p99-sec", r.Lateness.P99)
	if r.Lateness.P50 > maxLateP50 {
		rec.Doubt(fmt.Sprintf("the sender was more than %.1f ms late at p50", 1e3*maxLateP50))
	}
	if r.Lateness.P99 > maxLateP99 {
		rec.Doubt(fmt.Sprintf("the sender was more than %.1f ms late at p99", 1e3*maxLateP99))
	}
	if r.Sent < minMessages {
		rec.Doubt(fmt.Sprintf("the p99 is of %d messages a round, so of the slowest of them", r.Sent))
	}
}

// report records what the load generator saw.
func report(r scenarios.LoadReport, c scenarios.Case, rec scenarios.Recorder) {
	n := float64(r.Delivered)
	if r.Latency.N > 0 {
		latencies(r, rec)
	} else {
		rec.Value("deliveries/s", n/r.Elapsed.Seconds())
	}
	rec.Value("server-cpu-sec/msg", (r.After.CPU-r.Before.CPU).Seconds()/n)
	rec.Value("client-cpu-sec/msg", r.ClientCPU.Seconds()/n)
	w := r.Phases.Window
	rec.Value("wire-B/msg", float64(w.Up+w.Down)/n)
	rec.Value("wire-up-B/msg", float64(w.Up)/n)
	rec.Value("wire-down-B/msg", float64(w.Down)/n)
	rec.Value("wire-reqs/msg", float64(w.Requests)/n)
	if w.Kernel.Told {
		rec.Value("wire-segs/msg", float64(w.Kernel.SegsUp+w.Kernel.SegsDown)/n)
	}
	if r.Before.Mallocs != scenarios.NotTold {
		// What it takes to ask has been taken off; of nothing, a little less
		// than nothing may be left.
		rec.Value("server-allocs/msg", max(0, r.After.Mallocs-r.Before.Mallocs)/n)
		rec.Value("server-alloc-B/msg", max(0, r.After.AllocBytes-r.Before.AllocBytes)/n)
	}
	if r.Early > 0 {
		rec.Doubt(fmt.Sprintf("the server refused %d polls for a session that it had just announced; they were asked again", r.Early))
	}
	if r.Cycles > 0 {
		rec.Value("cycles", float64(r.Cycles))
	}
	rec.Value("deliveries", n)
	rec.Value("lost", float64(r.Lost))
	rec.Value("dup", float64(r.Dup))
	rec.Value("reordered", float64(r.Reordered))

	server, client := r.After.CPU-r.Before.CPU, r.ClientCPU
	if c.Name == "both-ways" && r.Sent < int64(c.Clients) {
		rec.Doubt(fmt.Sprintf("%d clients sent %d messages, so not all of them did", c.Clients, r.Sent))
	}
	if c.Clients > 1 && c.Rate > 0 && client > server {
		rec.Doubt("the load generator took longer for a delivery than the server: the latencies are largely the receiver's")
	}
	if share := r.ClientCPU.Seconds() / r.Elapsed.Seconds(); share > maxClientShare {
		rec.Doubt(fmt.Sprintf("the load generator used more than %.0f %% of a core", 100*maxClientShare))
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
