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

// lateness looks at when messages leave.
var lateness = experiment{
	name:    "lateness",
	about:   "how late the sender is on an idle system",
	example: "experiment lateness -rounds 5",
	set: func(f *flag.FlagSet, s *settings) func() error {
		checkCase := caseFlags(f, &s.Case, scenarios.Case{
			Name: "lateness", Clients: 1, Size: 128, Rate: 200, Warmup: 15_000, Window: 5 * time.Second,
		})
		checkStacks := stackFlag(f, &s.Stacks, "rawws")
		f.IntVar(&s.Rounds, "rounds", 5, "rounds")
		return func() error {
			return errors.Join(checkCase(), checkStacks(), within("rounds", s.Rounds, 1, maxRounds))
		}
	},
	measure: func(s *session) error {
		plan := bench.Plan{
			Parts:  []bench.Part{{Scenario: beingLate{}, Cases: []scenarios.Case{s.Case}}},
			Stacks: stacksOf(s.Stacks),
			Rounds: s.Rounds,
		}
		s.tell.expect(plan.Cells())
		_, err := s.run("", 0, plan)
		return err
	},
	summarise: summariseLateness,
}

// What must be reached, in seconds.
const (
	maxLateP50 = 0.1e-3
	maxLateP99 = 1.5e-3
)

// beingLate is a scenario that looks at the sender alone.
type beingLate struct{}

// Name implements scenarios.Scenario.
func (beingLate) Name() string { return "lateness" }

// Cases implements scenarios.Scenario.
func (beingLate) Cases(scenarios.Profile) []scenarios.Case { return nil }

// Run implements scenarios.Scenario.
func (beingLate) Run(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	node, err := env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		return err
	}
	r, err := env.Load(ctx, s, node, scenarios.LoadSpec{
		Clients: c.Clients, Size: c.Size, Warmup: c.Warmup, Rate: c.Rate, Messages: c.Messages(),
	})
	if err != nil {
		return err
	}
	if err := delivered(r); err != nil {
		return err
	}
	rec.Value("sent", float64(r.Sent))
	rec.Value("late-p50-sec", r.Lateness.P50)
	rec.Value("late-p90-sec", r.Lateness.P90)
	rec.Value("late-p99-sec", r.Lateness.P99)
	rec.Value("late-max-sec", r.Lateness.Max)
	return node.Stop(ctx)
}

func summariseLateness(d *data) summary {
	sum := summary{title: "How late the sender is"}
	rows := [][]string{{"stack", "round", "messages", "p50", "p90", "p99", "max"}}
	for _, stack := range d.Settings.Stacks {
		var p50, p99 []float64
		for _, c := range byStack(d) {
			if c.Stack != stack || !c.measured() {
				continue
			}
			v := c.Values
			p50, p99 = append(p50, v["late-p50-sec"]), append(p99, v["late-p99-sec"])
			rows = append(rows, []string{stack, fmt.Sprint(c.Round), fmt.Sprint(v["sent"]),
				seconds(v["late-p50-sec"]), seconds(v["late-p90-sec"]), seconds(v["late-p99-sec"]), seconds(v["late-max-sec"])})
		}
		for _, q := range []struct {
			name   string
			limit  float64
			values []float64
		}{{"p50", maxLateP50, p50}, {"p99", maxLateP99, p99}} {
			b := bar{
				what:     fmt.Sprintf("%s of the lateness on %s", q.name, stack),
				limit:    "at most " + seconds(q.limit),
				measured: "-",
			}
			if len(q.values) > 0 {
				b.measured = fmt.Sprintf("%s, median of %s", seconds(median(q.values)), count(len(q.values), "round"))
				b.reached = median(q.values) <= q.limit && len(q.values) == d.Settings.Rounds
			}
			sum.bars = append(sum.bars, b)
		}
	}
	sum.text = joined(
		fmt.Sprintf("%s. The lateness of a message is the time from when it is due until it is written.", caseText(d.Settings.Case)),
		table(rows),
	)
	return sum
}
