package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/checkout"
	"wsvsio/internal/codesize"
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
	confirms     = regress.Confirms // times the pairs of the first batch
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

// repeatable are the cases, by scenario, that a run looks at once, and that have
// figures which are judged in pairs: a check measures them in every round. The
// other cases that are looked at once are outcomes without such a figure.
var repeatable = map[string][]string{
	"broadcast": {"idle"},
	"reconnect": {"reset", "close", "silent", "silent-up", "silent-down", "restart", "jitter", "deploy", "storm"},
	"proxy":     {"rooms", "rooms-redis"},
	"fallback":  {"wire", "echo", "crowd"},
}

func checkCommand(c *call) error {
	k := newChecker(c)
	err := k.command()
	if err == nil || k.concluded || errors.Is(err, flag.ErrHelp) || errors.Is(err, errInterrupted) {
		return err
	}
	// Where the report would be stands why there is none.
	return errors.Join(err, k.tellActions(regress.NotChecked{Why: err}))
}

// command does what the command line asks for.
func (k *checker) command() error {
	f := k.flags
	against := f.String("against", "", "commit to hold the present code against, measured in pairs with it: a branch, a tag, HEAD~1")
	baseline := f.String("baseline", "", "file to hold the present code against, as compare baseline writes it: what is exact, and allocations")
	times := f.Bool("times", false, "with -baseline: measure the ratios of CPU and latency between stacks, too, which takes minutes")
	strict := f.Bool("strict", false, "with -baseline: fail, too, if the file is out of date: figures are better, or not in it, or not compared because it is of another version of Go, or because something is not installed")
	var libraries []string
	f.Func("with", "`MODULE@VERSION` of a library to hold the present one against, in pairs, or MODULE=FOLDER with its code; may be given several times", func(v string) error {
		libraries = append(libraries, v)
		return nil
	})
	scenario := f.String("scenario", defaultScenario, "scenarios to check, separated by commas")
	caseList := f.String("case", "", "cases to check, separated by commas (default "+defaultCases+" of broadcast, steady and connect with Node; all that can be measured in pairs of another scenario)")
	stack := f.String("stack", "", "stacks to check, separated by commas (default "+defaultStacks+" of broadcast, as far as this machine can run them; with -with the Go ones)")
	pairs := f.Int("pairs", defaultPairs, fmt.Sprintf("pairs of the first batch; stacks with Node, which take longer, have half as many, and what fired has twice as many in the second; where nothing is given a case of many samples, such as connect, has %d, and one that is too noisy up to %d times as many", minPairs, regress.Extends))
	seed := f.Uint64("seed", 0, "seed of the order inside the pairs (default random)")
	format := f.String("format", "table", "table, markdown or json (all pairs included)")
	out := f.String("out", "", "folder for check.json, summary.md, base.txt and head.txt (for benchstat; confirm-base.txt and confirm-head.txt of what fired) and benchmark.json (for github-action-benchmark)")
	if err := k.parse(); err != nil {
		return err
	}
	given := k.given()
	modes := 0
	for _, name := range []string{"against", "baseline", "with"} {
		if given[name] {
			modes++
		}
	}
	if modes != 1 {
		return usagef("want one of -against GITREF, -baseline FILE and -with MODULE@VERSION")
	}
	for name, empty := range map[string]bool{
		"against": *against == "", "baseline": *baseline == "", "with": slices.Contains(libraries, ""),
	} {
		if given[name] && empty {
			return usagef("-%s is empty", name)
		}
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
		if given["pairs"] {
			return usagef("-pairs is not for -baseline: nothing is measured in pairs with a file")
		}
	}
	if !given["seed"] {
		*seed = rand.Uint64()
	}
	k.plan(*pairs, *seed)
	k.exactly, k.asked, k.picked, k.strict, k.out = given["pairs"], given["stack"], given["case"], *strict, *out
	if !given["baseline"] {
		if k.parts, err = k.chooseCases(*scenario, *caseList); err != nil {
			return err
		}
		if k.stacks, err = k.chooseStacks(*scenario, *stack, given["with"]); err != nil {
			return err
		}
		k.spare = *scenario == defaultScenario && *caseList == ""
	}
	if *out != "" {
		// Here, and not once minutes have gone by.
		if err := os.MkdirAll(*out, 0o777); err != nil {
			return fmt.Errorf("keep the check: %w: choose another folder with -out", err)
		}
	}
	if given["baseline"] {
		err = k.baseline(*baseline, *times)
	} else {
		err = k.paired(*against, libraries)
	}
	return errors.Join(k.conclude(view, *out, err), k.outdated)
}

// checker is a check that is being made.
type checker struct {
	*call
	parts  []bench.Part
	stacks []scenarios.Stack
	asked  bool // for these stacks, by name
	picked bool // these cases, by name
	spare  bool // nobody has named the cases: those that take long may be left out
	pairs  int
	order  *rand.Rand // of the seeds of the single plans

	exactly bool   // so many pairs were asked for
	out     string // the folder to keep it in, "" if none

	none []string // cells that there are none of, and why

	leftOut   map[string]bool // stacks that cannot be run here
	otherNode map[string]bool // those whose stored ratios are of another version of Node
	lostCode  []codesize.LeftOut
	absent    map[string]int // figures of the file that were not compared, by the stack, or lostPages, that is lacking here
	strict    bool           // a baseline that is out of date is an error
	outdated  error          // that it is

	failed map[regress.Place]bool // cells whose failure has been told; they have no unit

	machine bench.Machine
	report  *regress.Report
	cells   [2][2][]record.Cell // all that was measured in first batches and in second ones, of base and head

	untidy    error // what could not be tidied up
	concluded bool  // the report is told
}

func newChecker(c *call) *checker {
	return &checker{call: c, report: &regress.Report{Format: regress.Format, Started: time.Now().Round(0)}}
}

// plan sets how many pairs a first batch has, and the seed of all orders.
func (k *checker) plan(pairs int, seed uint64) {
	k.pairs, k.order = pairs, rand.New(rand.NewPCG(seed, 0))
	k.report.Pairs, k.report.Seed = pairs, seed
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
	var chosen []bench.Part
	var left []string
	for _, part := range parts {
		p := bench.Part{Scenario: part.Scenario}
		for _, c := range part.Cases {
			if c, can := inPairs(part.Scenario.Name(), c); can {
				p.Cases = append(p.Cases, c)
			} else {
				left = append(left, c.Name)
			}
		}
		if len(p.Cases) > 0 {
			chosen = append(chosen, p)
		}
	}
	if len(chosen) == 0 {
		return nil, usagef("-scenario %s -case %s: these cases are outcomes that are looked at once; there is nothing to compare in pairs; of these scenarios can be checked: %s",
			scenario, strings.Join(left, ","), strings.Join(checkable(parts), ", "))
	}
	if named != "" && len(left) > 0 {
		k.doubt("not compared: %s: outcomes that are looked at once, without pairs", strings.Join(left, ", "))
	}
	return chosen, nil
}

// inPairs is a case as it is measured in pairs, in every round and alone, and
// whether it can be: an outcome that is looked at once has no pairs.
func inPairs(scenario string, c scenarios.Case) (scenarios.Case, bool) {
	if !c.Once {
		return c, true
	}
	c.Once, c.Outcome, c.Abreast, c.Shared = false, false, 0, false
	return c, slices.Contains(repeatable[scenario], c.Name)
}

// checkable names all cases of scenarios that can be measured in pairs.
func checkable(parts []bench.Part) []string {
	var names []string
	for _, part := range parts {
		for _, profile := range []scenarios.Profile{scenarios.Quick, scenarios.Full} {
			for _, c := range part.Scenario.Cases(profile) {
				if _, can := inPairs(part.Scenario.Name(), c); can && !slices.Contains(names, c.Name) {
					names = append(names, c.Name)
				}
			}
		}
	}
	return names
}

// chooseStacks picks the stacks that are measured in pairs: those that are for
// one of the scenarios.
func (k *checker) chooseStacks(scenario, list string, goOnly bool) ([]scenarios.Stack, error) {
	if list == "" && scenario == defaultScenario {
		list = defaultStacks
	}
	stacks, err := chooseStacks(list, scenarios.Quick)
	if err != nil {
		return nil, err
	}
	var chosen []scenarios.Stack
	var reasons []string
	for _, s := range stacks {
		why := ""
		switch {
		case goOnly && s.NeedsNode():
			why = "-with is for Go modules, and one of its ends is in Node"
		case s.Refused+s.Absent != "":
			why = s.Refused + s.Absent
		case s.InBrowser():
			why = "pages in a browser are not measured in pairs"
		case !slices.ContainsFunc(k.parts, func(p bench.Part) bool { return s.IsFor(p.Scenario.Name()) }):
			why = "it is for " + strings.Join(s.Only, ", ")
		default:
			chosen = append(chosen, s)
			continue
		}
		reasons = append(reasons, s.Name+": "+why)
		if k.asked {
			k.doubt("not compared: %s: %s", s.Name, why)
		}
	}
	if len(chosen) == 0 {
		return nil, usagef("-stack: nothing is left to compare: %s", strings.Join(reasons, "; "))
	}
	return chosen, nil
}

// paired measures the present code against another build of it, in pairs. What
// was found until an error is in the report, and what cannot be tidied up is not
// among the errors: that takes nothing back.
func (k *checker) paired(ref string, libraries []string) error {
	ctx, cancel := k.untilStopped()
	defer cancel()
	machine, can, err := k.look(k.stacks)
	if err != nil {
		return err
	}
	if machine.Root == "" {
		return errors.New("the folder of the repository was not found, and the code is in it: run compare from inside the repository")
	}
	if err := k.passOver(machine.LeftOut); err != nil {
		return err
	}
	if len(can) == 0 {
		return errors.New("none of the stacks can be run on this machine")
	}
	k.machine, k.stacks = machine, can
	k.report.Environment = bench.LookAround(ctx, machine)

	dir, err := os.MkdirTemp("", "compare-check-")
	if err != nil {
		return fmt.Errorf("make a folder for the builds: %w", err)
	}
	defer tidy(&k.untidy, func() error { return os.RemoveAll(dir) })
	var base, head bench.Build
	var tree *checkout.Worktree
	if ref != "" {
		base, head, tree, err = k.buildCommit(ctx, dir, ref)
	} else {
		base, head, err = k.buildWith(ctx, dir, libraries)
	}
	if tree != nil {
		defer tidy(&k.untidy, tree.Remove)
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

// passOver tells which stacks this machine cannot run. Those that were asked for
// are an error, as they are where the base lacks them.
func (k *checker) passOver(stacks []record.LeftOut) error {
	var wrong []error
	for _, l := range stacks {
		if k.asked {
			wrong = append(wrong, fmt.Errorf("%s cannot be measured here: %s; to add it: %s", l.Stack, l.Reason, l.Mend))
		}
		k.note("not compared: %s: %s; to add it: %s", l.Stack, l.Reason, l.Mend)
	}
	return errors.Join(wrong...)
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

// doubt adds to what takes it back that there is no regression, once.
func (k *checker) doubt(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(k.report.Doubts, text) {
		k.report.Doubts = append(k.report.Doubts, text)
	}
}

// warn is note for what somebody may want to end the check for.
func (k *checker) warn(format string, args ...any) {
	k.note(format, args...)
	k.tellStep(format, args...)
}

// tellStep says on standard error what takes its time.
func (k *checker) tellStep(format string, args ...any) {
	fmt.Fprintf(k.stderr, format+"\n", args...)
}
