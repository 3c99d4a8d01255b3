package main

import (
	"errors"
	"flag"
	"slices"
	"strconv"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/scenarios"
)

// options are what the command line says.
type options struct {
	settings settings
	seed     uint64
	seeded   bool // the seed was given
	out      string
	again    string   // folder of an experiment to go on with
	args     []string // what was given, as it is recorded
}

// settings of an experiment; each uses some of them.
type settings struct {
	Stacks []string       `json:"stacks,omitempty"`
	Case   scenarios.Case `json:"case,omitzero"`
	Rounds int            `json:"rounds,omitempty"`

	Trials int `json:"trials,omitempty"`
	Pairs  int `json:"pairs,omitempty"` // of a trial

	Factor      float64 `json:"factor,omitempty"`      // by which one side is slower
	Calibration int     `json:"calibration,omitempty"` // pairs of a step
	Iterations  int     `json:"iterations,omitempty"`  // that were given; 0 calibrates

	BesideTrials int `json:"besideTrials,omitempty"` // of check, with a change of what no server runs
	SlowTrials   int `json:"slowTrials,omitempty"`   // of check, with each of the slowdowns
	ExactTrials  int `json:"exactTrials,omitempty"`  // of check, with each of the exact changes

	Bases []int `json:"bases,omitempty"` // deliveries of a warm-up

	Pause time.Duration `json:"pauseNs,omitempty"`

	Up   time.Duration `json:"upNs,omitempty"` // that a relay adds
	Down time.Duration `json:"downNs,omitempty"`
}

// Limits of what can be asked for.
const (
	maxTrials     = 10_000
	maxPairs      = 1000
	maxRounds     = 1000
	maxClients    = 20_000 // ports of one address, with a margin
	maxWarmup     = 10_000_000
	maxIterations = 100_000_000
)

// steadyCase is the case in which servers are compared with themselves: the one
// of broadcast in quick, each side twice in turn, as full does it five times.
var steadyCase = scenarios.Case{
	Name: "steady", Clients: 100, Size: 128, Rate: 200, Warmup: 4000, Window: 80 * time.Millisecond, Repeats: 2,
}

// caseFlags declares the flags of an open-loop case.
func caseFlags(f *flag.FlagSet, c *scenarios.Case, def scenarios.Case) (check func() error) {
	*c = def
	f.IntVar(&c.Clients, "clients", def.Clients, "connected clients")
	f.IntVar(&c.Size, "size", def.Size, "bytes of a message's body")
	f.Float64Var(&c.Rate, "rate", def.Rate, "messages a second")
	f.IntVar(&c.Warmup, "warmup", def.Warmup, "deliveries before the window")
	f.IntVar(&c.Repeats, "repeats", def.Repeats, "how often a pair measures each side, in turn; its figure is their median")
	f.DurationVar(&c.Window, "window", def.Window, "how long to measure")
	return func() error {
		return errors.Join(
			within("clients", c.Clients, 1, maxClients),
			within("size", c.Size, 1, 900_000),
			within("rate", c.Rate, 0.1, 100_000),
			within("warmup", c.Warmup, 0, maxWarmup),
			within("repeats", c.Repeats, 0, 100),
			within("window", c.Window, time.Millisecond, time.Hour),
		)
	}
}

// stackFlag declares the list of stacks.
func stackFlag(f *flag.FlagSet, stacks *[]string, def ...string) (check func() error) {
	list := f.String("stack", strings.Join(def, ","), "stacks to measure, separated by commas")
	return func() error {
		*stacks = split(*list)
		if len(*stacks) == 0 {
			return usagef("-stack names nothing")
		}
		for i, name := range *stacks {
			if _, ok := stackOf(name); !ok {
				var names []string
				for _, s := range bench.Stacks() {
					names = append(names, s.Name)
				}
				return usagef("unknown stack %q; there are %s", name, strings.Join(names, ", "))
			}
			if slices.Contains((*stacks)[:i], name) {
				return usagef("-stack names %s twice", name)
			}
		}
		return nil
	}
}

// baseFlag declares the list of warm-ups.
func baseFlag(f *flag.FlagSet, bases *[]int, def string) (check func() error) {
	list := f.String("base", def, "deliveries of a warm-up, separated by commas; each is doubled twice")
	return func() error {
		for _, item := range split(*list) {
			n, err := strconv.Atoi(item)
			if err != nil {
				return usagef("-base: %q is not a number", item)
			}
			if err := within("base", n, 1, maxWarmup/4); err != nil {
				return err
			}
			*bases = append(*bases, n)
		}
		if len(*bases) == 0 {
			return usagef("-base names nothing")
		}
		slices.Sort(*bases)
		*bases = slices.Compact(*bases)
		return nil
	}
}

// stackOf returns a stack by its name.
func stackOf(name string) (scenarios.Stack, bool) {
	for _, s := range bench.Stacks() {
		if s.Name == name {
			return s, true
		}
	}
	return scenarios.Stack{}, false
}

// stacksOf returns stacks whose names have been checked.
func stacksOf(names []string) []scenarios.Stack {
	var stacks []scenarios.Stack
	for _, name := range names {
		s, _ := stackOf(name)
		stacks = append(stacks, s)
	}
	return stacks
}

// split takes apart a comma-separated list.
func split(list string) []string {
	var items []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// within checks a number that was given on the command line.
func within[T int | float64 | time.Duration](name string, v, low, high T) error {
	if !(v >= low && v <= high) { // which NaN is not, either
		return usagef("-%s is %v; it must be from %v to %v", name, v, low, high)
	}
	return nil
}
