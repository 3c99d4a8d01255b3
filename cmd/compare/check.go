package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/checkout"
	"wsvsio/internal/record"
	"wsvsio/internal/regress"
	"wsvsio/scenarios"
)

// checkViews are the formats of a check.
var checkViews = map[string]func(*regress.Report, io.Writer) error{
	"table":    (*regress.Report).Table,
	"markdown": (*regress.Report).Markdown,
	"json":     (*regress.Report).JSON,
}

// errRegression says that something is worse; what is in the report.
var errRegression = errors.New("regression, see above")

// Limits and defaults of a check.
const (
	defaultPairs = 20
	minPairs     = 6 // with fewer no test has a result
	maxPairs     = 1000
	confirms     = 2 // times the pairs of the first batch
)

// What is checked if nothing else is asked for: cases and stacks of which the
// broadcast scenario takes less than five minutes. The others add little but
// time: a change in the code of a server shows in these.
const (
	defaultScenario = "broadcast"
	defaultCases    = "echo,steady,saturation,connect"
	defaultStacks   = "rawws,sio,rawws-node,sio-node"
)

// goCases are those of the default ones that stacks with Node do not run unless
// they are named: Node takes five times as long to warm up.
var goCases = []string{"echo", "saturation"}

func checkCommand(c *call) error {
	f := c.flags
	against := f.String("against", "", "commit to hold the present code against, measured in pairs with it: a branch, a tag, HEAD~1")
	baseline := f.String("baseline", "", "file to hold the present code against, as compare baseline writes it: what is exact, and allocations")
	times := f.Bool("times", false, "with -baseline: measure the ratios of CPU and latency between stacks, too, which takes minutes")
	strict := f.Bool("strict", false, "with -baseline: fail, too, if the file is out of date: figures are better, or not in it, or not compared because it is of another version of Go")
	var libraries []string
	f.Func("with", "`MODULE@VERSION` of a library to hold the present one against, in pairs; may be given several times", func(v string) error {
		libraries = append(libraries, v)
		return nil
	})
	scenario := f.String("scenario", defaultScenario, "scenarios to check, separated by commas")
	caseList := f.String("case", "", "cases to check, separated by commas (default "+defaultCases+" of broadcast, steady and connect with Node; all that vary of another scenario)")
	stack := f.String("stack", "", "stacks to check, separated by commas (default "+defaultStacks+" of broadcast, as far as this machine can run them; with -with the Go ones)")
	pairs := f.Int("pairs", defaultPairs, "pairs of the first batch; stacks with a Node server, which take longer, have half as many, and what fired has twice as many in the second")
	seed := f.Uint64("seed", 0, "seed of the order inside the pairs (default random)")
	format := f.String("format", "table", "table, markdown or json (all pairs included)")
	out := f.String("out", "", "folder for check.json, summary.md, base.txt and head.txt (for benchstat) and benchmark.json (for github-action-benchmark)")
	if err := c.parse(); err != nil {
		return err
	}
	given := c.given()
	modes := 0
	for _, name := range []string{"against", "baseline", "with"} {
		if given[name] {
			modes++
		}
	}
	if modes != 1 {
		return usagef("want one of -against GITREF, -baseline FILE and -with MODULE@VERSION")
	}
	view, err := chooseFormat(*format, checkViews)
	if err != nil {
		return err
	}
	if err := within("pairs", *pairs, minPairs, maxPairs); err != nil {
		return err
	}
	if given["times"] && !given["baseline"] {
		return usagef("-times is for -baseline; pairs measure times always")
	}
	if given["strict"] && !given["baseline"] {
		return usagef("-strict is for -baseline")
	}
	if given["baseline"] {
		for _, name := range []string{"scenario", "case", "stack"} {
			if given[name] {
				return usagef("-%s is not for -baseline: the file says what is checked", name)
			}
		}
	}
	if !given["seed"] {
		*seed = rand.Uint64()
	}
	k := &checker{call: c, pairs: *pairs, strict: *strict, order: rand.New(rand.NewPCG(*seed, 0))}
	k.report = &regress.Report{Format: regress.Format, Started: time.Now().Round(0), Pairs: *pairs, Seed: *seed}
	if given["baseline"] {
		err = k.baseline(*baseline, *times)
	} else {
		if k.parts, err = k.chooseCases(*scenario, *caseList); err != nil {
			return err
		}
		if k.stacks, err = k.chooseStacks(*scenario, *stack, len(libraries) > 0); err != nil {
			return err
		}
		k.asked, k.spare = given["stack"], *scenario == defaultScenario && *caseList == ""
		err = k.paired(*against, libraries)
	}
	if err != nil {
		return err
	}
	return errors.Join(k.conclude(view, *out), k.outdated)
}

// checker is a check that is being made.
type checker struct {
	*call
	parts  []bench.Part
	stacks []scenarios.Stack
	asked  bool // for these stacks, by name
	spare  bool // nobody has named the cases: those that take long may be left out
	pairs  int
	order  *rand.Rand // of the seeds of the single plans

	leftOut  map[string]bool // stacks that cannot be run here
	lostCode bool            // not all code can be measured here
	strict   bool            // a baseline that is out of date is an error
	outdated error           // that it is

	failed map[regress.Place]bool // cells whose failure has been told; they have no unit

	machine bench.Machine
	report  *regress.Report
	cells   [2][]record.Cell // all that was measured of base and head
}

// The two sides, as their stacks are called while they are measured.
const (
	baseSide = "@base"
	headSide = "@head"
)

// chooseCases picks the cases that are measured in pairs.
func (k *checker) chooseCases(scenario, list string) ([]bench.Part, error) {
	named := list
	if list == "" && scenario == defaultScenario {
		list = defaultCases
	}
	parts, err := chooseParts(scenario, list, scenarios.Quick, override{})
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range parts {
		// An outcome that is looked at once has no pairs.
		parts[i].Cases = slices.DeleteFunc(parts[i].Cases, func(c scenarios.Case) bool { return c.Once })
		n += len(parts[i].Cases)
	}
	if n == 0 {
		return nil, usagef("-case %s: these cases are outcomes that are looked at once; there is nothing to compare in pairs", named)
	}
	return parts, nil
}

// chooseStacks picks the stacks that are measured in pairs.
func (k *checker) chooseStacks(scenario, list string, goOnly bool) ([]scenarios.Stack, error) {
	if list == "" && scenario == defaultScenario {
		list = defaultStacks
	}
	stacks, err := chooseStacks(list, scenarios.Quick)
	if err != nil {
		return nil, err
	}
	stacks = slices.DeleteFunc(stacks, func(s scenarios.Stack) bool { return goOnly && s.NeedsNode() })
	if len(stacks) == 0 {
		return nil, usagef("-stack names none with Go at both ends, and -with is for Go modules")
	}
	return stacks, nil
}

// paired measures the present code against another build of it, in pairs.
func (k *checker) paired(ref string, libraries []string) (err error) {
	ctx, cancel := k.untilStopped()
	defer cancel()
	machine, can, err := k.look(k.stacks)
	if err != nil {
		return err
	}
	if machine.Root == "" {
		return errors.New("the folder of the repository was not found, and the code is in it: run compare from inside the repository")
	}
	if len(can) == 0 {
		return errors.New("none of the stacks can be run on this machine")
	}
	for _, l := range machine.LeftOut {
		k.note("not compared: %s: %s; to add it: %s", l.Stack, l.Reason, l.Mend)
	}
	k.machine, k.stacks = machine, can
	k.report.Environment = bench.LookAround(ctx, machine)

	dir, err := os.MkdirTemp("", "compare-check-")
	if err != nil {
		return fmt.Errorf("make a folder for the builds: %w", err)
	}
	defer tidy(&err, func() error { return os.RemoveAll(dir) })
	var base, head bench.Build
	var tree *checkout.Worktree
	if ref != "" {
		base, head, tree, err = k.buildCommit(ctx, dir, ref)
	} else {
		base, head, err = k.buildWith(ctx, dir, libraries)
	}
	if tree != nil {
		defer tidy(&err, tree.Remove)
	}
	if err != nil {
		return k.interrupted(ctx, err)
	}
	k.machine.Builds = make(map[string]bench.Build)
	for _, s := range k.stacks {
		k.machine.Builds[s.Name+baseSide], k.machine.Builds[s.Name+headSide] = base, head
	}
	if err := k.try(ctx); err != nil {
		return k.interrupted(ctx, err)
	}
	return k.measure()
}

// tidy does what has to be done in the end, and adds its error.
func tidy(err *error, do func() error) {
	if wrong := do(); wrong != nil {
		*err = errors.Join(*err, wrong)
	}
}

// interrupted returns the error, or that the user ended it.
func (k *checker) interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

// note adds to what is said of both sides.
func (k *checker) note(format string, args ...any) {
	k.report.Notes = append(k.report.Notes, fmt.Sprintf(format, args...))
}

// tellStep says on standard error what takes its time.
func (k *checker) tellStep(format string, args ...any) {
	fmt.Fprintf(k.stderr, format+"\n", args...)
}
