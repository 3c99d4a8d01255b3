package fallback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"wsvsio/scenarios"
)

// Scenario is the fallback scenario.
type Scenario struct{}

// Name implements scenarios.Scenario.
func (Scenario) Name() string { return "fallback" }

// Way is a way to lose WebSocket.
type Way struct {
	Name  string
	Path  string // the kind of path
	Lacks bool   // it is the client that has no WebSocket
	Later bool   // it is lost only after a while
}

// Ways are all of them. The first loses nothing: it is what the others are
// compared with.
func Ways() []Way {
	return []Way{
		{Name: "direct", Path: scenarios.PathRelay},
		{Name: "refused-400", Path: scenarios.PathRefuseUpgrade},
		{Name: "refused-403", Path: scenarios.PathForbidUpgrade},
		{Name: "stripped", Path: scenarios.PathStripUpgrade},
		{Name: "unanswered", Path: scenarios.PathIgnoreUpgrade},
		{Name: "cut", Path: scenarios.PathCutUpgrade},
		{Name: "swallowed", Path: scenarios.PathSwallow},
		{Name: "swallowed-up", Path: scenarios.PathSwallowUp},
		{Name: "swallowed-down", Path: scenarios.PathSwallowDown},
		{Name: "lacking", Path: scenarios.PathRelay, Lacks: true},
		{Name: "blocked-later", Path: scenarios.PathForbidLater, Later: true},
	}
}

// The cases that are no ways.
const (
	allWays  = "ways"
	switches = "switches"
	wire     = "wire"
	echo     = "echo"
	crowd    = "crowd"
	idle     = "idle"
)

var noWays = []string{switches, wire, echo, crowd, idle}

// The time that a client has. An upgrade takes milliseconds, and socket.io-client
// gives up an attempt after 20 s: whoever has not come by then tries for ever.
var (
	scaled   = scenarios.Timers{Limit: 2500 * time.Millisecond}
	defaults = scenarios.Timers{Limit: 30 * time.Second}
)

// comingBack adds to timers those of a client that comes back by itself: the
// defaults of Socket.IO, or a part of them.
func comingBack(t scenarios.Timers, part time.Duration) scenarios.Timers {
	d := scenarios.ReconnectDefaults
	t.Delay, t.MaxDelay, t.Timeout = d.Delay/part, d.MaxDelay/part, d.Timeout/part
	return t
}

// abreast is how many stacks run side by side. To start a process takes a core
// for a while, and what is counted does not depend on when.
const abreast = 8

// inBurst is how many messages are said at once. There is a burst for each ten
// messages that are said one by one, and three at least.
const inBurst = 100

// The deliveries of a warm-up. What is compared is the cost over polling with
// that over a WebSocket, which are apart by more than Node gains in a longer
// one.
const (
	warmup   = 3000
	goWarmup = 1000
)

// Cases implements scenarios.Scenario.
func (Scenario) Cases(p scenarios.Profile) []scenarios.Case {
	outcome := func(name string) scenarios.Case {
		return scenarios.Case{
			Name: name, Clients: 1, Rate: 50, Window: 400 * time.Millisecond,
			Once: true, Outcome: true, Abreast: abreast, Polling: true,
			Timers: comingBack(scaled, 10), // as in the scenario reconnect
		}
	}
	counted := func(name string, size, samples int) scenarios.Case {
		return scenarios.Case{
			Name: name, Clients: 1, Size: size, Samples: samples,
			Once: true, Outcome: true, Abreast: abreast, Polling: true, Timers: scaled,
		}
	}
	timed := func(name string, clients, size int, rate float64, window time.Duration) scenarios.Case {
		return scenarios.Case{
			Name: name, Clients: clients, Size: size, Rate: rate, Window: window,
			Warmup: warmup, GoWarmup: goWarmup, Once: p == scenarios.Quick, Polling: true,
		}
	}
	var cases []scenarios.Case
	if p == scenarios.Full {
		for _, w := range Ways() {
			c := outcome(w.Name)
			c.Clients, c.Window, c.Timers = 10, 2*time.Second, comingBack(defaults, 1)
			cases = append(cases, c)
		}
		cases = append(cases, scenarios.Case{
			Name: switches, Clients: 10, Rate: 50, Window: time.Minute, Samples: 100,
			Once: true, Outcome: true, Abreast: 2, Polling: true, Timers: scenarios.Timers{Limit: 5 * time.Second},
		})
		for _, size := range []int{32, 1 << 10, 64 << 10} {
			c := counted(wire, size, 100)
			if c.Timers = defaults; size > 1<<10 {
				// A burst is megabytes, and others would have to wait for it.
				c.Samples, c.Abreast = 30, 2
			}
			cases = append(cases, c)
		}
		for _, size := range []int{32, 1 << 10, 64 << 10} {
			for _, rate := range []float64{10, 1000} {
				if size*int(rate) <= 16<<20 {
					cases = append(cases, timed(echo, 1, size, rate, time.Second))
				}
			}
		}
		cases = append(cases, timed(crowd, 100, 32, 10, 2*time.Second), timed(crowd, 100, 32, 200, time.Second),
			timed(crowd, 100, 4<<10, 10, 2*time.Second))
		return append(cases, scenarios.Case{Name: idle, Clients: 1000, Fresh: true, Polling: true, Window: time.Second})
	}
	cases = append(cases, outcome(allWays))
	for _, w := range Ways() {
		c := outcome(w.Name)
		c.OnRequest = true
		cases = append(cases, c)
	}
	return append(cases,
		counted(wire, 32, 20),
		timed(echo, 1, 32, 500, 150*time.Millisecond), timed(crowd, 100, 32, 50, 150*time.Millisecond))
}

// Check implements scenarios.Checker.
func (Scenario) Check(c scenarios.Case) error {
	if slices.Contains(noWays, c.Name) {
		return nil
	}
	_, err := waysOf(c)
	return err
}

// waysOf returns the ways that a case takes.
func waysOf(c scenarios.Case) ([]Way, error) {
	all := Ways()
	if c.Name == allWays {
		return all, nil
	}
	i := slices.IndexFunc(all, func(w Way) bool { return w.Name == c.Name })
	if i < 0 {
		return nil, fmt.Errorf("fallback has no case %q", c.Name)
	}
	return all[i : i+1], nil
}

// Run implements scenarios.Scenario.
func (Scenario) Run(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) (err error) {
	switch {
	case !s.IsChat():
		return scenarios.Unsupported("%s has no client", s.Name)
	case s.Mode.Reconnect && slices.Contains(noWays, c.Name):
		return scenarios.Unsupported("a client that comes back by itself is asked only whether it works once its WebSocket is lost")
	}
	x := &experiment{env: env, stack: s, c: c, rec: rec}
	switch c.Name {
	case echo, crowd, idle:
		return x.load(ctx)
	case wire:
		if len(s.Mode.Transports) > 1 {
			return scenarios.Unsupported("what a transport costs is asked of the stacks with that one alone")
		}
	case switches:
		if t := s.Mode.Transports; len(t) < 2 {
			return scenarios.Unsupported("it has one transport alone")
		} else if t[0] == scenarios.WebSocket && !s.Mode.GoesBack {
			return scenarios.Unsupported("once it is connected it stays on the transport that it is on")
		}
	}
	defer func() { err = errors.Join(err, x.end(ctx)) }()
	if err := x.begin(ctx); err != nil {
		return err
	}
	switch c.Name {
	case wire:
		return x.wire(ctx)
	case switches:
		return x.switches(ctx)
	}
	ways, err := waysOf(c)
	if err != nil {
		return err
	}
	return x.ways(ctx, ways)
}
