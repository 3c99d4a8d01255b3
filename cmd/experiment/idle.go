package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"time"

	"wsvsio/bench"
	"wsvsio/scenarios"
)

// idle opens connections that say nothing.
var idle = experiment{
	name:    "idle",
	about:   "10,000 idle connections: how many are lost, and what one costs at either end",
	example: "experiment idle -clients 10000",
	set: func(f *flag.FlagSet, s *settings) func() error {
		checkStacks := stackFlag(f, &s.Stacks, "floor", "rawws", "sio")
		f.IntVar(&s.Rounds, "rounds", 3, "rounds")
		f.IntVar(&s.Case.Clients, "clients", idleClients, "connections")
		f.DurationVar(&s.Case.Window, "hold", idleHold, "how long they are kept")
		return func() error {
			s.Case.Name = "idle"
			return errors.Join(checkStacks(), within("rounds", s.Rounds, 1, maxRounds),
				within("clients", s.Case.Clients, 1, maxClients),
				within("hold", s.Case.Window, 0, time.Hour))
		}
	},
	measure: func(s *session) error {
		plan := bench.Plan{
			Parts:  []bench.Part{{Scenario: idling{}, Cases: []scenarios.Case{s.Case}}},
			Stacks: stacksOf(s.Stacks),
			Rounds: s.Rounds,
		}
		s.tell.expect(plan.Cells())
		_, err := s.run("", 0, plan)
		return err
	},
	summarise: summariseIdle,
}

// What must be reached.
const (
	idleClients = 10_000
	idleHold    = 30 * time.Second // a heartbeat and a little more
	maxHarness  = 8000             // bytes per connection
)

// idling is a scenario in which nothing is said.
type idling struct{}

// Name implements scenarios.Scenario.
func (idling) Name() string { return "idle" }

// Cases implements scenarios.Scenario.
func (idling) Cases(scenarios.Profile) []scenarios.Case { return nil }

// Run implements scenarios.Scenario.
func (idling) Run(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	node, err := env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		return err
	}
	r, err := env.Load(ctx, s, node, scenarios.LoadSpec{Clients: c.Clients, Hold: c.Window, Transport: s.Mode.Transports[0]})
	if err != nil {
		return err
	}
	if r.Died == 0 && r.Why != "" {
		return errors.New(r.Why)
	}
	rec.Value("died", float64(r.Died))
	n := float64(c.Clients)
	if before, after := r.ServerMemory[0], r.ServerMemory[1]; before > 0 && after > 0 {
		rec.Value("server-B/conn", (after-before)/n)
	}
	if before, after := r.ClientMemory[0], r.ClientMemory[1]; before > 0 && after > 0 {
		rec.Value("client-B/conn", (after-before)/n)
	}
	if r.Why != "" {
		rec.Doubt("first connection that ended: " + r.Why)
	}
	return node.Stop(ctx)
}

func summariseIdle(d *data) summary {
	clients := d.Settings.Case.Clients
	sum := summary{title: fmt.Sprintf("%d idle connections", clients)}
	rows := [][]string{{"stack", "round", "lost", "server, bytes per connection", "load generator, bytes per connection"}}
	for _, stack := range d.Settings.Stacks {
		lost, complete := 0.0, 0
		var harness []float64
		for _, c := range byStack(d) {
			if c.Stack != stack {
				continue
			}
			row := []string{stack, fmt.Sprint(c.Round), "-", "-", "-"}
			if c.measured() {
				complete++
				lost += c.Values["died"]
				row[2] = fmt.Sprint(c.Values["died"])
				if v, ok := c.Values["server-B/conn"]; ok {
					row[3] = fmt.Sprintf("%.0f", v)
				}
				if v, ok := c.Values["client-B/conn"]; ok {
					row[4] = fmt.Sprintf("%.0f", v)
					harness = append(harness, v)
				}
			}
			rows = append(rows, row)
		}
		enough := clients >= idleClients && d.Settings.Case.Window >= idleHold && complete == d.Settings.Rounds
		sum.bars = append(sum.bars, bar{
			what:     "lost on " + stack,
			limit:    fmt.Sprintf("none of %d in %v", idleClients, idleHold),
			measured: fmt.Sprintf("%.0f of %d in %v, in %d of %s", lost, clients, d.Settings.Case.Window, complete, count(d.Settings.Rounds, "round")),
			reached:  enough && lost == 0,
		})
		b := bar{
			what:     "load generator on " + stack + ", bytes per connection",
			limit:    fmt.Sprintf("at most %d", maxHarness),
			measured: "not told",
		}
		if len(harness) > 0 {
			b.measured = fmt.Sprintf("%.0f, median of %s", median(harness), count(len(harness), "round"))
			b.reached = enough && len(harness) == complete && median(harness) <= maxHarness
		}
		sum.bars = append(sum.bars, b)
	}
	sum.text = joined(
		fmt.Sprintf("Clients connect and join a room, and then say nothing but what the heartbeat needs for %v. ", d.Settings.Case.Window)+
			"The memory is resident memory of the process, after minus before, for each connection; that of the kernel is not in it.",
		table(rows),
	)
	return sum
}
