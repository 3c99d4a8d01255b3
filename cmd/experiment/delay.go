package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/netlab"
	"wsvsio/internal/reference"
	"wsvsio/scenarios"
)

// delay puts a relay before the server that delays by a known amount.
var delay = experiment{
	name:    "delay",
	about:   "a relay that delays and stamps: whether the reported latencies agree with its record",
	example: "experiment delay -stack rawws,sio,floor -up 2ms -down 3ms",
	set: func(f *flag.FlagSet, s *settings) func() error {
		checkCase := caseFlags(f, &s.Case, scenarios.Case{
			Name: "delay", Clients: 4, Size: 128, Rate: 100, Warmup: 400, Window: 10 * time.Second,
		})
		checkStacks := stackFlag(f, &s.Stacks, "rawws", "sio", "floor")
		f.IntVar(&s.Rounds, "rounds", 5, "rounds")
		f.DurationVar(&s.Up, "up", 2*time.Millisecond, "delay from the client to the server")
		f.DurationVar(&s.Down, "down", 3*time.Millisecond, "delay from the server to the client")
		return func() error {
			return errors.Join(checkCase(), checkStacks(), within("rounds", s.Rounds, 1, maxRounds),
				within("up", s.Up, 0, time.Second), within("down", s.Down, 0, time.Second))
		}
	},
	measure: func(s *session) error {
		plan := bench.Plan{
			Parts:  []bench.Part{{Scenario: delaying{s.Up, s.Down}, Cases: []scenarios.Case{s.Case}}},
			Stacks: stacksOf(s.Stacks),
			Rounds: s.Rounds,
		}
		s.tell.expect(plan.Cells())
		_, err := s.run("", 0, plan)
		return err
	},
	summarise: summariseDelay,
}

// maxDisagreement is by how much a quantile may differ, in seconds.
const maxDisagreement = 0.3e-3

// delaying is a scenario behind a relay that delays.
type delaying struct{ up, down time.Duration }

// Name implements scenarios.Scenario.
func (delaying) Name() string { return "delay" }

// Cases implements scenarios.Scenario.
func (delaying) Cases(scenarios.Profile) []scenarios.Case { return nil }

// Run implements scenarios.Scenario.
func (d delaying) Run(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	r, err := reference.Delay(ctx, env, s, netlab.DelayOptions{Up: d.up, Down: d.down}, scenarios.LoadSpec{
		Clients: c.Clients, Size: c.Size, Warmup: c.Warmup, Rate: c.Rate, Messages: c.Messages(),
	})
	if err != nil {
		return err
	}
	for name, a := range map[string]reference.Agreement{"write": r.FromWrite, "due": r.FromDue} {
		rec.Value(name+"-reported-p50-sec", a.Reported.P50)
		rec.Value(name+"-reported-p99-sec", a.Reported.P99)
		rec.Value(name+"-recorded-p50-sec", a.Recorded.P50)
		rec.Value(name+"-recorded-p99-sec", a.Recorded.P99)
	}
	rec.Value("kept-late-p99-sec", r.Late.P99)
	return nil
}

func summariseDelay(d *data) summary {
	sum := summary{title: "A relay that delays"}
	rows := [][]string{{"stack", "round", "from", "p50 reported", "p50 recorded", "difference", "p99 reported", "p99 recorded", "difference"}}
	for _, stack := range d.Settings.Stacks {
		for _, from := range []string{"write", "due"} {
			var p50, p99 []float64
			for _, c := range byStack(d) {
				if c.Stack != stack || !c.measured() {
					continue
				}
				v := func(what, quantile string) float64 { return c.Values[from+"-"+what+"-"+quantile+"-sec"] }
				d50, d99 := v("reported", "p50")-v("recorded", "p50"), v("reported", "p99")-v("recorded", "p99")
				p50, p99 = append(p50, math.Abs(d50)), append(p99, math.Abs(d99))
				rows = append(rows, []string{stack, fmt.Sprint(c.Round), from,
					seconds(v("reported", "p50")), seconds(v("recorded", "p50")), seconds(d50),
					seconds(v("reported", "p99")), seconds(v("recorded", "p99")), seconds(d99)})
			}
			for _, q := range []struct {
				name   string
				values []float64
			}{{"p50", p50}, {"p99", p99}} {
				b := bar{
					what:     fmt.Sprintf("%s from %s on %s, reported less recorded", q.name, from, stack),
					limit:    "within " + seconds(maxDisagreement),
					measured: "-",
				}
				if len(q.values) > 0 {
					b.measured = fmt.Sprintf("%s, median of %s", seconds(median(q.values)), count(len(q.values), "round"))
					b.reached = median(q.values) <= maxDisagreement && len(q.values) == d.Settings.Rounds
				}
				sum.bars = append(sum.bars, b)
			}
		}
	}
	sum.text = joined(
		fmt.Sprintf("%s, through a relay that keeps what goes up for %v and what goes down for %v. "+
			"The relay stamps each message as it comes and each delivery as it goes on; what the load generator reports has the two hops to the relay and back in it, too. "+
			"The due times are not known to the relay: the schedule is laid through the most punctual message.",
			caseText(d.Settings.Case), d.Settings.Up, d.Settings.Down),
		table(rows),
	)
	return sum
}
