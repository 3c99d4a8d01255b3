package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/record"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
	"wsvsio/scenarios/broadcast"
)

// warmup doubles the warm-up.
var warmup = experiment{
	name:    "warmup",
	about:   "whether twice the warm-up changes a figure",
	example: "experiment warmup -stack rawws,sio,floor -rounds 10",
	set: func(f *flag.FlagSet, s *settings) func() error {
		checkStacks := stackFlag(f, &s.Stacks, "rawws", "sio", "floor")
		checkBases := baseFlag(f, &s.Bases, "1000,4000,15000,30000")
		f.IntVar(&s.Rounds, "rounds", 10, "rounds")
		f.DurationVar(&s.Case.Window, "window", 500*time.Millisecond, "how long to measure")
		return func() error {
			return errors.Join(checkStacks(), checkBases(), within("rounds", s.Rounds, 1, maxRounds),
				within("window", s.Case.Window, time.Millisecond, time.Hour))
		}
	},
	measure: func(s *session) error {
		// A part for each stack: its levels are measured back to back.
		plan := bench.Plan{Rounds: s.Rounds}
		for _, stack := range stacksOf(s.Stacks) {
			plan.Parts = append(plan.Parts, bench.Part{Scenario: levels{stack}, Cases: warmupCases(s.Case.Window)})
		}
		for _, level := range levelsOf(s.Bases) {
			plan.Stacks = append(plan.Stacks, scenarios.Stack{Name: strconv.Itoa(level)})
		}
		s.adapt = func(c *cell, r record.Cell) {
			c.Stack = r.Scenario
			c.Warmup, _ = strconv.Atoi(r.Stack) // made from a number above
		}
		s.tell.expect(plan.Cells())
		_, err := s.run("", 0, plan)
		return err
	},
	summarise: summariseWarmup,
}

// usedBy is the warm-up that a stack has in the measurements.
func usedBy(stack string) int {
	c := broadcast.Scenario{}.Cases(scenarios.Quick)[0]
	if s, ok := stackOf(stack); ok && s.Server.Go != "" {
		return c.GoWarmup
	}
	return c.Warmup
}

func warmupCases(window time.Duration) []scenarios.Case {
	echo := scenarios.Case{Name: "echo", Clients: 1, Size: 128, Rate: 2000, Window: window}
	steady := steadyCase
	steady.Window, steady.Repeats = window, 0
	return []scenarios.Case{steady, echo}
}

// levelsOf returns each base, twice that and four times that, in order.
func levelsOf(bases []int) []int {
	var all []int
	for _, b := range bases {
		all = append(all, b, 2*b, 4*b)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// levels is a scenario that runs the broadcast of one stack; what stands in for
// the stack names the deliveries of the warm-up.
type levels struct{ stack scenarios.Stack }

// Name implements scenarios.Scenario.
func (l levels) Name() string { return l.stack.Name }

// Cases implements scenarios.Scenario.
func (levels) Cases(scenarios.Profile) []scenarios.Case { return nil }

// Run implements scenarios.Scenario.
func (l levels) Run(ctx context.Context, env scenarios.Env, level scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) (err error) {
	if c.Warmup, err = strconv.Atoi(level.Name); err != nil {
		return err
	}
	return broadcast.Scenario{}.Run(ctx, env, l.stack, c, rec)
}

// doubled compares the cells of a stack and case with one warm-up to those with
// twice that, round by round.
func doubled(d *data, stack, cs string, level int) []pair {
	var cells []cell
	for _, c := range d.cells {
		if c.Stack == stack && c.Case == cs && (c.Warmup == level || c.Warmup == 2*level) {
			c.Stack = strconv.Itoa(c.Warmup)
			cells = append(cells, c)
		}
	}
	found, _ := pairs(cells, strconv.Itoa(level), strconv.Itoa(2*level))
	return found
}

func summariseWarmup(d *data) summary {
	sum := summary{title: "Twice the warm-up"}
	all := levelsOf(d.Settings.Bases)
	head := []string{"stack", "case", "figure"}
	var compared []int
	for _, level := range all {
		if slices.Contains(all, 2*level) {
			compared = append(compared, level)
			head = append(head, fmt.Sprintf("%d to %d", level, 2*level))
		}
	}
	rows := [][]string{append(head, "settled from")}
	rule := stats.Fixed()
	changed, judgedUsed, wanted := 0, 0, 0
	var which, inUse []string
	for _, stack := range d.Settings.Stacks {
		used := usedBy(stack)
		if slices.Contains(compared, used) {
			inUse = append(inUse, fmt.Sprintf("%d on %s", used, stack))
		}
		for _, c := range warmupCases(d.Settings.Case.Window) {
			for _, unit := range []string{cpuUnit, p50Unit} {
				row := []string{stack, c.Name, titles[unit]}
				if slices.Contains(compared, used) {
					wanted++
				}
				settled := "-"
				for _, level := range compared {
					r, ok := compare(doubled(d, stack, c.Name, level), unit)
					verdict := rule.Judge(r)
					switch {
					case !ok:
						row = append(row, "-")
						settled = "-"
						continue
					case verdict == stats.TooFew:
						row = append(row, fmt.Sprintf("%s, too few pairs", times(r.Estimate)))
						settled = "-"
						continue
					case verdict == stats.Different:
						row = append(row, fmt.Sprintf("**%s** (%s)", times(r.Estimate), interval(r)))
						settled = "-"
					default:
						row = append(row, fmt.Sprintf("%s (%s)", times(r.Estimate), interval(r)))
						if settled == "-" {
							settled = fmt.Sprint(level)
						}
					}
					if level == used {
						judgedUsed++
						if verdict == stats.Different {
							changed++
							which = append(which, fmt.Sprintf("%s of %s on %s", titles[unit], c.Name, stack))
						}
					}
				}
				rows = append(rows, append(row, settled))
			}
		}
	}
	// Without it among the levels nothing is said of it.
	if wanted > 0 {
		b := bar{
			what:     "figures that change where the warm-up in use is doubled: " + strings.Join(inUse, ", "),
			limit:    "none",
			measured: fmt.Sprintf("%d of %d", changed, judgedUsed),
			reached:  changed == 0 && judgedUsed == wanted,
		}
		if judgedUsed < wanted {
			b.measured += fmt.Sprintf(" that could be judged; there are %d", wanted)
		}
		if len(which) > 0 {
			b.measured += ": " + strings.Join(which, ", ")
		}
		sum.bars = []bar{b}
	}
	sum.text = joined(
		fmt.Sprintf("Each case is measured with several numbers of deliveries in its warm-up, all of a stack back to back in an order left to chance, in %s. "+
			"A column compares a number with its double: the ratio of the second to the first, with its 95 %% interval.", count(d.Settings.Rounds, "round")),
		ruleText()+" Bold ratios are different by it. A figure is settled from the number on from which no doubling is.",
		table(rows),
		fmt.Sprintf("The window is %v. steady: %s, %v messages a second; echo: %s, %v messages a second. The load generator has a least number of messages, too: "+
			"with many clients a small number of deliveries is exceeded.", d.Settings.Case.Window,
			count(steadyCase.Clients, "client"), steadyCase.Rate, count(1, "client"), warmupCases(0)[1].Rate),
	)
	return sum
}
