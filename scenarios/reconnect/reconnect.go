package reconnect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"wsvsio/scenarios"
)

// Scenario is the reconnect scenario.
type Scenario struct{}

// Name implements scenarios.Scenario.
func (Scenario) Name() string { return "reconnect" }

// scaled are timers with which a case takes seconds; full ones are the defaults
// of Socket.IO. The backoff is a tenth of it in both, so that attempts do not
// crowd; the heartbeat leaves a busy machine a few hundred milliseconds.
var (
	scaled = scenarios.Timers{
		PingInterval: 400 * time.Millisecond,
		PingTimeout:  500 * time.Millisecond,
		Delay:        scenarios.ReconnectDefaults.Delay / 10,
		MaxDelay:     scenarios.ReconnectDefaults.MaxDelay / 10,
		Timeout:      scenarios.ReconnectDefaults.Timeout / 10,
		AckTimeout:   500 * time.Millisecond,
		Down:         500 * time.Millisecond,
		Stall:        250 * time.Millisecond,
		Hold:         250 * time.Millisecond,
		Limit:        3 * time.Second,
	}
	defaults = scenarios.Timers{
		PingInterval: scenarios.Defaults.PingInterval,
		PingTimeout:  scenarios.Defaults.PingTimeout,
		Delay:        scenarios.ReconnectDefaults.Delay,
		MaxDelay:     scenarios.ReconnectDefaults.MaxDelay,
		Timeout:      scenarios.ReconnectDefaults.Timeout,
		AckTimeout:   scenarios.ReconnectDefaults.AckTimeout,
		Down:         2 * time.Second,
		Stall:        10 * time.Second,
		Hold:         3 * time.Second,
		Limit:        120 * time.Second,
	}
)

// abreast is how many stacks run side by side: what they do is wait. But to
// start a process takes a core for a while, and Node more of it than Go.
const abreast = 6

// Cases implements scenarios.Scenario.
func (Scenario) Cases(p scenarios.Profile) []scenarios.Case {
	if p == scenarios.Full {
		return full()
	}
	cases := []scenarios.Case{
		{Name: "reset", Clients: 8, Rate: 10},
		{Name: "silent", Clients: 8, Rate: 10},
		{Name: "restart", Clients: 8, Rate: 10},
		{Name: "jitter", Clients: 8, Rate: 20, Samples: 3},
		{Name: "deploy", Clients: 50},
		{Name: "close", Clients: 8, Rate: 10, OnRequest: true},
		{Name: "silent-up", Clients: 8, Rate: 10, OnRequest: true},
		{Name: "silent-down", Clients: 8, Rate: 10, OnRequest: true},
		{Name: "stall", Clients: 8, Rate: 10, OnRequest: true},
		{Name: "storm", Clients: 50, OnRequest: true},
	}
	for i := range cases {
		cases[i].Timers = scaled
	}
	return finished(cases)
}

// full has a hundred faults of each kind that drops a connection.
func full() []scenarios.Case {
	cases := []scenarios.Case{
		{Name: "reset", Clients: 20, Rate: 10, Samples: 5},
		{Name: "close", Clients: 20, Rate: 10, Samples: 5},
		{Name: "silent", Clients: 50, Rate: 10, Samples: 2},
		{Name: "silent-up", Clients: 50, Rate: 10, Samples: 2},
		{Name: "silent-down", Clients: 50, Rate: 10, Samples: 2},
		{Name: "stall", Clients: 20, Rate: 10, Samples: 5},
		{Name: "restart", Clients: 20, Rate: 10, Samples: 5},
		{Name: "jitter", Clients: 20, Rate: 20, Samples: 5},
		{Name: "deploy", Clients: 1000},
		{Name: "storm", Clients: 1000},
	}
	for i := range cases {
		cases[i].Timers = defaults
	}
	return finished(cases)
}

// finished fills in what all cases have in common.
func finished(cases []scenarios.Case) []scenarios.Case {
	for i := range cases {
		c := &cases[i]
		c.Once, c.Outcome, c.Abreast = true, true, abreast
		// It is the time that a cell may take; what it takes depends on when
		// the clients are back.
		t := c.Timers
		c.Window = time.Duration(max(1, c.Samples)) * (t.PingInterval + t.Limit + t.Down)
	}
	return cases
}

// Check implements scenarios.Checker.
func (Scenario) Check(c scenarios.Case) error {
	t := c.Timers
	least := 10 * time.Millisecond
	switch {
	case t.PingInterval < least || t.PingTimeout < least:
		return fmt.Errorf("%s: ping interval %v and ping timeout %v: both must be at least %v. "+
			"go-socket.io waits for the next ping only as long as its timeout, which is set to interval and timeout together here and must not be below the interval",
			c.Name, t.PingInterval, t.PingTimeout, least)
	case c.Name == "stall" && t.Stall >= t.PingTimeout:
		return fmt.Errorf("%s: a stall of %v is not shorter than the ping timeout of %v: that would be a silence",
			c.Name, t.Stall, t.PingTimeout)
	case t.Limit <= 2*(t.PingInterval+t.PingTimeout)+t.MaxDelay:
		return fmt.Errorf("%s: ping interval %v and ping timeout %v: a client that notices a silence at its end and comes back would not be waited for, which is done for %v",
			c.Name, t.PingInterval, t.PingTimeout, t.Limit)
	}
	return nil
}

// plainCases are the cases that a client without a way back is measured in.
var plainCases = []string{"reset", "close", "silent"}

// Run implements scenarios.Scenario.
func (Scenario) Run(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) (err error) {
	switch {
	case !s.IsChat():
		return scenarios.Unsupported("%s has no client", s.Name)
	case !slices.Equal(s.Mode.Transports, []string{scenarios.WebSocket}):
		return scenarios.Unsupported("whether a client comes back is asked on websocket only: polling and the upgrade have cases of their own")
	case !s.Mode.Reconnect && s.Client.Node != "":
		return scenarios.Unsupported("its client does not come back by itself, as that of rawws")
	case !s.Mode.Reconnect && !slices.Contains(plainCases, c.Name):
		return scenarios.Unsupported("the client does not come back by itself, as %s show", strings.Join(plainCases, ", "))
	}
	x := &experiment{env: env, stack: s, c: c, rec: rec}
	defer func() { err = errors.Join(err, x.end(ctx)) }()
	if err := x.begin(ctx); err != nil {
		return err
	}
	rec.Label("timers", c.Timers.String())
	switch c.Name {
	case "deploy":
		return x.crowd(ctx, x.deploy)
	case "storm":
		return x.crowd(ctx, x.storm)
	case "jitter":
		return x.jitter(ctx)
	case "restart":
		return x.restarts(ctx)
	}
	return x.faults(ctx)
}

// fault returns the fault of a case that harms the path of a client.
func fault(c scenarios.Case) (scenarios.Fault, error) {
	switch c.Name {
	case "reset":
		return scenarios.Fault{Kind: scenarios.FaultReset}, nil
	case "close":
		return scenarios.Fault{Kind: scenarios.FaultClose}, nil
	case "silent":
		return scenarios.Fault{Kind: scenarios.FaultSilence}, nil
	case "silent-up":
		return scenarios.Fault{Kind: scenarios.FaultSilence, Direction: scenarios.PathUp}, nil
	case "silent-down":
		return scenarios.Fault{Kind: scenarios.FaultSilence, Direction: scenarios.PathDown}, nil
	case "stall":
		return scenarios.Fault{Kind: scenarios.FaultStall, For: c.Timers.Stall}, nil
	}
	return scenarios.Fault{}, fmt.Errorf("reconnect has no case %q", c.Name)
}
