package main

import (
	"errors"
	"flag"
	"fmt"

	"wsvsio/internal/stats"
)

// aa measures a stack against itself.
var aa = experiment{
	name:    "aa",
	about:   "a server against itself: how often the rule sees a difference that is not there",
	example: "experiment aa -trials 200 -pairs 8",
	set: func(f *flag.FlagSet, s *settings) func() error {
		checkCase := caseFlags(f, &s.Case, steadyCase)
		f.IntVar(&s.Trials, "trials", aaTrials, "trials")
		f.IntVar(&s.Pairs, "pairs", 8, "pairs of a trial")
		stack := f.String("stack", "rawws", "stack to measure against itself")
		return func() error {
			s.Stacks = []string{*stack}
			_, known := stackOf(*stack)
			var unknown error
			if !known {
				unknown = usagef("unknown stack %q", *stack)
			}
			return errors.Join(unknown, checkCase(),
				within("trials", s.Trials, 1, maxTrials), within("pairs", s.Pairs, 1, maxPairs))
		}
	},
	measure: func(s *session) error {
		s.tell.expect(2 * s.Pairs * s.Trials)
		stack := stacksOf(s.Stacks)[0]
		return s.measureTrials(copyOf(stack, stack.Name+"-a"), copyOf(stack, stack.Name+"-b"))
	},
	summarise: summariseAA,
}

// What the rule must reach, and by how many trials that is shown.
const (
	aaTrials    = 200
	aaMaxFalse  = 0.05
	otherLength = 20 // pairs of the trials that the pairs are regrouped into
)

func summariseAA(d *data) summary {
	all, failed := pairsOfAA(d)
	stack, length := d.Settings.Stacks[0], d.Settings.Pairs
	return summary{
		title: "A/A: " + stack + " against itself",
		bars:  barsAA(all, length),
		text: joined(
			fmt.Sprintf("Two copies of %s in one case: %s. Each pair is measured back to back in fresh processes, in an order left to a coin; "+
				"%s are a trial. There is no difference, so each one that is found is false.",
				stack, caseText(d.Settings.Case), count(length, "pair")),
			ruleText(),
			missingText(failed),
			"## False differences",
			judged(all, length, []int{otherLength}, false),
			judgedText,
			"## How the ratios vary",
			variation(all),
		),
	}
}

func pairsOfAA(d *data) (all []pair, failed int) {
	stack := d.Settings.Stacks[0]
	return pairs(d.cells, stack+"-a", stack+"-b")
}

func barsAA(all []pair, length int) []bar {
	different, _ := found(inTrials(all), cpuUnit, stats.Fixed())
	wrong := bar{
		what:     fmt.Sprintf("false differences in %s, trials of %s", titles[cpuUnit], count(length, "pair")),
		limit:    "at most " + percent(aaMaxFalse),
		measured: shareText(different),
		reached:  different.n > 0 && different.share() <= aaMaxFalse,
	}
	return []bar{trialsBar(different, length, aaTrials, fmt.Sprintf("at least %d pairs", stats.MinPairs), length >= stats.MinPairs), wrong}
}
