package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/checkout"
	"wsvsio/internal/codesize"
	"wsvsio/internal/record"
	"wsvsio/internal/regress"
	"wsvsio/internal/report"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// What a baseline holds: bytes, requests and allocations of these cases on
// these stacks, each looked at once, and what the code counts. The plain
// clients in Node come in where clients connect.
const (
	exactCases  = "echo,both-ways,connect"
	exactStacks = "rawws,sio,rawws-js,sio-js,rawws-node,sio-node"
)

// countRounds is how often a server is counted that tells its allocations: the
// least leaves out what its runtime does once in a while.
const countRounds = 3

// ratioStacks are those whose ratios to the twin a baseline holds, and the twins.
const ratioStacks = "floor,rawws,sio,rawws-node,sio-node"

// The cases of these ratios, and in how many rounds they are measured. Tests
// measure less.
var (
	ratioCases  = "echo,steady"
	ratioRounds = 20
)

// baselineName is where the baseline of this repository is.
const baselineName = "results/baseline.txt"

func baselineCommand(c *call) error {
	times := c.flags.Bool("times", false, "measure the ratios of CPU and latency to the twin anew, too, which takes minutes (default keeps those in the file)")
	seed := c.flags.Uint64("seed", 0, "seed of the order in which the ratios are measured (default random)")
	if err := c.parseFlags(); err != nil {
		return err
	}
	if n := c.flags.NArg(); n > 1 {
		return usagef("want FILE, got %d arguments", n)
	}
	if !c.given()["seed"] {
		*seed = rand.Uint64()
	}
	k := &checker{call: c, order: rand.New(rand.NewPCG(*seed, 0)), report: &regress.Report{}}
	name, err := k.inRepository(c.flags.Arg(0))
	if err != nil {
		return err
	}
	older, err := regress.ReadBaseline(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		older = &regress.Baseline{}
		fmt.Fprintf(c.stderr, "%s is new\n", name)
	case err != nil:
		return err // not ours to write over
	}
	err = k.onTree(func() error { return k.renew(name, older, *times) })
	return errors.Join(err, k.untidy)
}

// renew measures what a baseline holds, and writes it.
func (k *checker) renew(name string, older *regress.Baseline, times bool) error {
	now, err := k.exact(older)
	if err != nil {
		return err
	}
	if times {
		if k.report.Environment.Machine == "" {
			k.note("this machine has no id by which it would be known again: check -times will not compare these ratios")
		}
		if err := k.ratios(now, bench.Stacks(), 1); err != nil {
			return err
		}
	}
	if len(k.report.Failures) > 0 {
		return fmt.Errorf("%w, and %s is as it was: %s", errFailed, name, strings.Join(k.report.Failures, "; "))
	}
	k.carryOver(older, now, times)
	for _, text := range k.report.Notes {
		fmt.Fprintln(k.stderr, text)
	}
	if err := now.Save(name); err != nil {
		return err
	}
	return changed(older, now).Terminal(k.stdout)
}

// carryOver takes over from an older baseline what is the same within its limits,
// so that the file changes only where the code does, and what this machine cannot
// measure. The file has one set of settings for all ratios: beside fresh ones none
// is kept that has others.
func (k *checker) carryOver(older, now *regress.Baseline, times bool) {
	dropped := 0
	for _, f := range older.Figures {
		if i := slices.IndexFunc(now.Figures, func(n regress.Figure) bool { return n.Place == f.Place }); i >= 0 {
			if why := older.Comparable(f.Unit, false, now.Settings); f.Limited() && why == "" {
				finding, err := regress.Judge(f.Place, f.Values, now.Figures[i].Values)
				if err == nil && finding.Outcome == regress.Same {
					now.Figures[i] = f
				}
			}
			continue
		}
		switch {
		case f.Ratio() && !times:
			now.Figures = append(now.Figures, f)
			now.Ratios = older.Ratios
		case f.Ratio() && k.leftOut[f.Stack] && !maps.Equal(older.Ratios, now.Ratios):
			dropped++
		case k.leftOut[f.Stack] || k.lost(f.Place):
			now.Figures = append(now.Figures, f)
		}
	}
	if dropped > 0 {
		k.note("dropped: %d ratios of stacks that cannot be run here: they are of another machine or commit than the fresh ones", dropped)
	}
}

// changed is a table of what is different in a new baseline.
func changed(older, now *regress.Baseline) report.Sheet {
	s := report.Sheet{Title: "what has changed in the baseline", Head: []string{"benchmark", "unit", "before", "now"}, Texts: 2}
	row := func(p regress.Place, before, after string) {
		name := p.Series
		if p.Stack != "" {
			name += "/stack=" + p.Stack
		}
		s.Rows = append(s.Rows, []string{name, p.Unit, before, after})
	}
	show := func(f regress.Figure) string {
		if len(f.Values) == 1 {
			return fmt.Sprintf("%.10g", f.Values[0])
		}
		return fmt.Sprintf("%.4g, median of %d", record.Median(f.Values), len(f.Values))
	}
	if len(older.Figures) == 0 {
		s.Notes = []string{fmt.Sprintf("new: %d", len(now.Figures))}
		return s
	}
	same := 0
	for _, f := range now.Figures {
		old, there := older.Of(f.Place)
		switch {
		case !there:
			row(f.Place, "-", show(f))
		case slices.Equal(old.Values, f.Values):
			same++
		default:
			row(f.Place, show(old), show(f))
		}
	}
	for _, f := range older.Figures {
		if _, there := now.Of(f.Place); !there {
			row(f.Place, show(f), "-")
		}
	}
	s.Notes = []string{fmt.Sprintf("as before: %d", same)}
	for _, key := range regress.ToolchainSettings {
		if was, is := older.Settings[key], now.Settings[key]; was != is {
			s.Notes = append(s.Notes, fmt.Sprintf("%s is %s now, and was %s: allocations and the sizes of programs are compared with no other", key, is, was))
		}
	}
	return s
}

// inRepository looks for the repository, and returns the name of the baseline
// in it if there is no other.
func (k *checker) inRepository(name string) (string, error) {
	stacks, err := choose("stack", exactStacks+","+ratioStacks, bench.Stacks(), func(s scenarios.Stack) string { return s.Name })
	if err != nil {
		return "", err
	}
	machine, can, err := k.look(stacks)
	if err != nil {
		return "", err
	}
	if machine.Root == "" {
		return "", errors.New("the folder of the repository was not found, and the code is in it: run compare from inside the repository")
	}
	k.leftOut, k.otherNode, k.failed, k.absent = make(map[string]bool), make(map[string]bool), make(map[regress.Place]bool), make(map[string]int)
	for _, l := range machine.LeftOut {
		k.leftOut[l.Stack] = true
		k.note("not compared: %s: %s; to add it: %s", l.Stack, l.Reason, l.Mend)
	}
	k.machine, k.stacks = machine, can
	k.report.Environment = bench.LookAround(k.ctx, machine)
	if name == "" {
		name = filepath.Join(machine.Root, filepath.FromSlash(baselineName))
	}
	return name, nil
}

// onTree builds the tree as it is, and has it stand at the ends of all stacks while
// something is done: what a baseline holds is the tree, and not the program that
// happens to run, which may be of yesterday or have the race detector in it. The
// build is gone afterwards; that it is not takes nothing back, as in pairs.
func (k *checker) onTree(do func() error) error {
	ctx, cancel := k.untilStopped()
	defer cancel()
	dir, err := os.MkdirTemp("", "compare-baseline-")
	if err != nil {
		return fmt.Errorf("make a folder for the build: %w", err)
	}
	defer tidy(&k.untidy, func() error { return os.RemoveAll(dir) })
	if err := k.tellInstrument(ctx); err != nil {
		return k.interrupted(ctx, err)
	}
	k.tellStep("building the tree")
	build := bench.Build{Binary: filepath.Join(dir, "compare")}
	if err := checkout.Binary(ctx, k.machine.Root, build.Binary); err != nil {
		return k.interrupted(ctx, fmt.Errorf("the tree does not build: %w", err))
	}
	if err := build.Describe(&k.report.Environment); err != nil {
		return err
	}
	k.machine.Builds = make(map[string]bench.Build)
	for _, s := range k.stacks {
		k.machine.Builds[s.Name] = build
	}
	for _, s := range named("rawws", k.stacks) {
		err := bench.Try(ctx, k.machine, s)
		if errors.Is(err, worker.ErrVersion) {
			err = fmt.Errorf("%w; this program is of another time than the tree: build it anew", err)
		}
		if err != nil {
			return k.interrupted(ctx, fmt.Errorf("the tree cannot be measured: %w", err))
		}
	}
	return do()
}

// exact measures what a baseline holds but for the ratios.
func (k *checker) exact(older *regress.Baseline) (*regress.Baseline, error) {
	parts, err := exactParts()
	if err != nil {
		return nil, err
	}
	settings := regress.SettingsOf(k.report.Environment)
	b := &regress.Baseline{Settings: settings, Ratios: settings}
	k.tellStep("counting bytes, requests and allocations")
	var failed []failure
	if b.Figures, failed, err = k.count(parts, named(exactStacks, k.stacks)); err != nil {
		return nil, err
	}
	if err := k.recount(parts, older, b, failed); err != nil {
		return nil, err
	}
	return b, k.code(b)
}

// exactParts are the cases in which something is counted.
func exactParts() ([]bench.Part, error) {
	parts, err := chooseParts(defaultScenario, exactCases, scenarios.Quick, override{})
	for i := range parts {
		for j, c := range parts[i].Cases {
			// What is counted does not depend on how warm a server is.
			parts[i].Cases[j].Warmup = min(c.Warmup, c.GoWarmup)
		}
	}
	return parts, err
}

// count measures what is counted of a server while it runs: bytes and requests,
// the median of the rounds, and allocations, the least of them: what is done over
// adds to these, such as when the collector empties the pools. It returns the cells,
// too, of which no round has a figure.
func (k *checker) count(parts []bench.Part, stacks []scenarios.Stack) (figures []regress.Figure, failed []failure, err error) {
	ofGo := slices.DeleteFunc(slices.Clone(stacks), func(s scenarios.Stack) bool { return s.NeedsNode() })
	ofNode := slices.DeleteFunc(slices.Clone(stacks), func(s scenarios.Stack) bool { return !s.NeedsNode() })
	counted := &regress.Baseline{}
	for _, plan := range []bench.Plan{
		{Parts: parts, Stacks: ofGo, Rounds: countRounds, Seed: k.order.Uint64()},
		{Parts: parts, Stacks: ofNode, Rounds: 1, Seed: k.order.Uint64()},
	} {
		if len(plan.Stacks) == 0 {
			continue
		}
		failures, err := k.cellsOf(plan, func(cell record.Cell) {
			i := slices.IndexFunc(plan.Stacks, func(s scenarios.Stack) bool { return s.Name == cell.Stack })
			for _, u := range regress.Units {
				v, ok := cell.Value(u.Name)
				if ok && (u.Kind == regress.Exact || u.Kind == regress.Limited) && judged(u, cell.Case, plan.Stacks[i]) {
					counted.Add(regress.Place{Series: record.SeriesName(cell.Scenario, cell.Case), Stack: cell.Stack, Unit: u.Name}, v)
				}
			}
		})
		if err != nil {
			return nil, nil, err
		}
		for _, f := range failures {
			if f.failed == f.rounds {
				failed = append(failed, f)
			} else {
				k.note("%s", f)
			}
		}
	}
	for i, f := range counted.Figures {
		value := record.Median(f.Values)
		if f.Limited() {
			value = slices.Min(f.Values)
		}
		counted.Figures[i].Values = []float64{value}
	}
	return counted.Figures, failed, nil
}

// recount counts a second time where something differs or has failed. Where it does
// not then, that is what counts: a change of the code shows twice. So what the second
// count is the first one of is counted once more if it differs.
func (k *checker) recount(parts []bench.Part, older, now *regress.Baseline, failed []failure) error {
	differ, err := differing(older, now, 0)
	for err == nil && len(differ)+len(failed) > 0 {
		var stacks []string
		for _, i := range differ {
			stacks = append(stacks, now.Figures[i].Stack)
		}
		for _, f := range failed {
			stacks = append(stacks, f.place.Stack)
		}
		k.tellStep("figures differ or are missing; counting them again")
		figures, still, err := k.count(parts, named(strings.Join(stacks, ","), k.stacks))
		if err != nil {
			return err
		}
		again := &regress.Baseline{Figures: figures}
		if err := k.settle(older, now, again, differ); err != nil {
			return err
		}
		known := len(now.Figures)
		k.fillIn(now, again, failed, still)
		failed = nil
		if differ, err = differing(older, now, known); err != nil {
			return err
		}
	}
	return err
}

// fillIn adds what a second count has of cells that failed in the first, and tells
// of those that failed in both.
func (k *checker) fillIn(now, again *regress.Baseline, failed, still []failure) {
	for _, f := range failed {
		if slices.ContainsFunc(still, func(s failure) bool { return s.place == f.place }) {
			k.giveUp(f)
			continue
		}
		k.note("%s; in the second count it has not failed", f)
		for _, figure := range again.Figures {
			if figure.Series == f.place.Series && figure.Stack == f.place.Stack {
				now.Figures = append(now.Figures, figure)
			}
		}
	}
}

// differing are the figures from one on that are not as in an older baseline, where
// both can be compared.
func differing(older, now *regress.Baseline, from int) ([]int, error) {
	var differ []int
	for i, f := range now.Figures {
		if i < from || older.Comparable(f.Unit, false, now.Settings) != "" {
			continue
		}
		same, err := sameAsIn(older, f)
		if err != nil {
			return nil, err
		}
		if !same {
			differ = append(differ, i)
		}
	}
	return differ, nil
}

// settle takes the second count where that is as in the older baseline.
func (k *checker) settle(older, now, again *regress.Baseline, differ []int) error {
	for _, i := range differ {
		f := &now.Figures[i]
		second, there := again.Of(f.Place)
		if !there {
			continue
		}
		same, err := sameAsIn(older, second)
		if err != nil {
			return err
		}
		if same {
			stored, _ := older.Of(f.Place)
			k.note("%v differed in the first count (%.6g for %.6g), and not in the second", f.Place, f.Values[0], stored.Values[0])
			f.Values = second.Values
		}
	}
	return nil
}

// sameAsIn reports whether a figure is called the same as that of a baseline. One
// that is not in there is no other.
func sameAsIn(b *regress.Baseline, f regress.Figure) (bool, error) {
	stored, there := b.Of(f.Place)
	if !there {
		return true, nil
	}
	finding, err := regress.Judge(f.Place, stored.Values, f.Values)
	return finding.Outcome == regress.Same, err
}

// code adds what the code counts.
func (k *checker) code(b *regress.Baseline) error {
	k.tellStep("measuring the code")
	ctx, cancel := k.untilStopped()
	defer cancel()
	r, err := codesize.Measure(ctx, k.machine.Root)
	if err != nil {
		return k.interrupted(ctx, err)
	}
	k.lostCode = r.LeftOut
	for _, l := range r.LeftOut {
		k.note("not compared: %s: %s; to add it: %s", l.What, l.Reason, l.Mend)
	}
	for _, p := range r.Problems {
		k.addFailure("%s", p.String())
	}
	var text bytes.Buffer
	if err := r.Benchmark(&text); err != nil {
		return err
	}
	// It is read as the file is, which has a setting more.
	sizes, err := regress.ParseBaseline("the size of the code", append(fmt.Appendf(nil, "baseline: %d\n", regress.BaselineFormat), text.Bytes()...))
	if err != nil {
		return err
	}
	b.Figures = append(b.Figures, sizes.Figures...)
	return nil
}

// lost reports whether a figure is of code that this machine cannot measure: a
// page takes the packages of npm.
func (k *checker) lost(p regress.Place) bool {
	return len(k.lostCode) > 0 && strings.HasPrefix(p.Series, "Size/page=")
}

// lostPages stands for what is lost among the stacks whose figures are absent.
const lostPages = "pages"

// incomplete says which figures of a baseline were not compared because something is
// not installed, and what to install; nil if there are none.
func (k *checker) incomplete() error {
	lacking := slices.Clone(k.machine.LeftOut)
	if len(k.lostCode) > 0 {
		var mends []string
		for _, l := range k.lostCode {
			if !slices.Contains(mends, l.Mend) {
				mends = append(mends, l.Mend)
			}
		}
		lacking = append(lacking, record.LeftOut{Stack: lostPages, Reason: k.lostCode[0].Reason, Mend: strings.Join(mends, " && ")})
	}
	var texts []string
	for len(lacking) > 0 {
		first := lacking[0]
		n := 0
		var of []string
		lacking = slices.DeleteFunc(lacking, func(l record.LeftOut) bool {
			if l.Reason != first.Reason || l.Mend != first.Mend {
				return false
			}
			if k.absent[l.Stack] > 0 {
				n += k.absent[l.Stack]
				of = append(of, l.Stack)
			}
			return true
		})
		if n > 0 {
			texts = append(texts, fmt.Sprintf("%d of %s: %s; to add them: %s", n, strings.Join(of, ", "), first.Reason, first.Mend))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return fmt.Errorf("figures of the baseline were not compared: %s", strings.Join(texts, "; "))
}

// addFailure adds to what could not be measured.
func (k *checker) addFailure(format string, args ...any) {
	k.report.Failures = append(k.report.Failures, fmt.Sprintf(format, args...))
}

// failure is of a cell that failed in some of its rounds, or in all.
type failure struct {
	place          regress.Place // without a unit
	cell           string        // "echo on rawws"
	failed, rounds int           // in how many of how many
	why            string        // in the first of these
}

// String says it in a sentence.
func (f failure) String() string {
	return fmt.Sprintf("%s failed in %d of %d rounds: %s", f.cell, f.failed, f.rounds, f.why)
}

// giveUp tells of a cell that could not be measured: once, whatever was to be had
// of it.
func (k *checker) giveUp(f failure) {
	if !k.failed[f.place] {
		k.failed[f.place] = true
		k.addFailure("%s", f)
	}
}

// cellsOf runs a plan and passes on what was measured. It returns what failed, each
// cell once for all its rounds: a machine that is busy enough lets one fail now and
// then.
func (k *checker) cellsOf(plan bench.Plan, use func(record.Cell)) ([]failure, error) {
	if err := plan.Check(); err != nil {
		return nil, err
	}
	var failures []failure
	measured := make(map[regress.Place]int)
	show := newProgress(k.stderr, plan)
	err := bench.Run(k.ctx, k.machine, plan, k.stop, show.begin, func(cell record.Cell) error {
		show.end(cell)
		place := regress.Place{Series: record.SeriesName(cell.Scenario, cell.Case), Stack: cell.Stack}
		switch {
		case cell.Error != "":
			i := slices.IndexFunc(failures, func(f failure) bool { return f.place == place })
			if i < 0 {
				i = len(failures)
				failures = append(failures, failure{place: place, cell: cell.Case.Name + " on " + cell.Stack, why: cell.Error})
			}
			failures[i].failed++
		case cell.Measured():
			measured[place]++
			use(cell)
		}
		return nil
	})
	show.close()
	for i, f := range failures {
		failures[i].rounds = f.failed + measured[f.place]
	}
	if errors.Is(err, bench.ErrStopped) {
		return nil, errInterrupted
	}
	return failures, err
}

// ratios measures the ratios of some stacks to their twins, in so many times
// the rounds, and adds them.
func (k *checker) ratios(b *regress.Baseline, of []scenarios.Stack, times int) error {
	parts, err := chooseParts(defaultScenario, ratioCases, scenarios.Quick, override{})
	if err != nil {
		return err
	}
	list := named(ratioStacks, k.stacks)
	for i := range parts {
		for j := range parts[i].Cases {
			parts[i].Cases[j].Repeats = repeats
		}
	}
	for _, s := range list {
		i := slices.IndexFunc(list, func(t scenarios.Stack) bool { return t.Name == s.Twin })
		if i < 0 || !slices.ContainsFunc(of, func(o scenarios.Stack) bool { return o.Name == s.Name }) {
			continue
		}
		k.tellStep("measuring %s beside %s", s.Name, s.Twin)
		rounds := times * ratioRounds
		if s.NeedsNode() {
			rounds /= 2
		}
		run := &record.Run{Stacks: []scenarios.Stack{list[i], s}}
		plan := bench.Plan{Parts: parts, Stacks: run.Stacks, Rounds: rounds, Seed: k.order.Uint64(), Patience: patience(rounds)}
		failures, err := k.cellsOf(plan, func(cell record.Cell) { run.Cells = append(run.Cells, cell) })
		if err != nil {
			return err
		}
		k.leaveOut(run, rounds, failures)
		addRatios(b, run)
	}
	return nil
}

// leaveOut takes the cases out of a run of two stacks of which too few of the rounds
// have both, and tells of what failed there.
func (k *checker) leaveOut(run *record.Run, rounds int, failures []failure) {
	for _, f := range failures {
		sides := make(map[int]int) // by round
		whole := 0
		for _, c := range run.Cells {
			if record.SeriesName(c.Scenario, c.Case) != f.place.Series {
				continue
			}
			if sides[c.Round]++; sides[c.Round] == len(run.Stacks) {
				whole++
			}
		}
		if float64(whole) >= leastShare*float64(rounds) {
			k.note("%s", f)
			continue
		}
		k.giveUp(f)
		run.Cells = slices.DeleteFunc(run.Cells, func(c record.Cell) bool {
			return record.SeriesName(c.Scenario, c.Case) == f.place.Series
		})
	}
}

// timed are the figures of which a baseline holds ratios, and how these are called.
var timed = []struct{ unit, ratio string }{
	{"server-cpu-sec/msg", regress.CPURatio},
	{"p50-sec/msg", regress.P50Ratio},
}

// addRatios adds the ratios of a run of two stacks, the second to the first. What
// was measured in the same round makes one.
func addRatios(b *regress.Baseline, run *record.Run) {
	for _, g := range run.Group() {
		twin, own := g.Rows[0], g.Rows[1]
		for _, u := range timed {
			base := make(map[int]float64)
			for _, c := range twin.Cells {
				if v, ok := c.Value(u.unit); ok && c.Measured() {
					base[c.Round] = v
				}
			}
			place := regress.Place{Series: record.SeriesName(g.Scenario, g.Case), Stack: own.Stack.Name, Unit: u.ratio}
			for _, c := range own.Cells {
				if v, ok := c.Value(u.unit); ok && c.Measured() && v > 0 && base[c.Round] > 0 {
					b.Add(place, v/base[c.Round])
				}
			}
		}
	}
}

// named picks from stacks those of a list, in the order of the stacks.
func named(list string, stacks []scenarios.Stack) []scenarios.Stack {
	names := split(list)
	return slices.DeleteFunc(slices.Clone(stacks), func(s scenarios.Stack) bool { return !slices.Contains(names, s.Name) })
}

// baseline holds the present code against a file.
func (k *checker) baseline(file string, times bool) error {
	older, err := regress.ReadBaseline(file)
	if err != nil {
		return err
	}
	if times && !slices.ContainsFunc(older.Figures, regress.Figure.Ratio) {
		return fmt.Errorf("%s holds no ratios: leave out -times, or measure them here: compare baseline -times", file)
	}
	if _, err := k.inRepository(file); err != nil {
		return err
	}
	return k.onTree(func() error { return k.hold(file, older, times) })
}

// hold holds the tree against a baseline.
func (k *checker) hold(file string, older *regress.Baseline, times bool) error {
	here := regress.SettingsOf(k.report.Environment)
	stored := slices.DeleteFunc(slices.Clone(k.stacks), func(s scenarios.Stack) bool {
		return !slices.ContainsFunc(older.Figures, func(f regress.Figure) bool { return f.Ratio() && f.Stack == s.Name })
	})
	if times {
		if why := older.Comparable(regress.CPURatio, false, here); why != "" {
			return fmt.Errorf("the ratios in %s are not known to be of this machine: %s; leave out -times, or %s", file, why, k.ratiosHere())
		}
		if stored = k.ofThisNode(older, stored, here); len(stored) == 0 {
			return fmt.Errorf("%s holds no ratios of a stack that can be run here, with this version of Node where it has one: leave out -times, or add them: compare baseline -times", file)
		}
	}
	k.report.Base, k.report.Head = filepath.Base(file), headOf(k.report.Environment)
	now, err := k.exact(older)
	if err != nil {
		return err
	}
	if err := k.against(older, now, here); err != nil {
		return err
	}
	if times {
		err = k.storedRatios(older, stored)
	}
	if k.strict {
		k.outdated = errors.Join(k.outdated, k.incomplete())
	}
	return err
}

// ratiosHere says how ratios can be had that are of this machine: one without an id
// has none that could be known again.
func (k *checker) ratiosHere() string {
	if k.report.Environment.Machine == "" {
		return "compare with a commit: check -against"
	}
	return "measure them here: compare baseline -times"
}

// ofThisNode leaves out stacks with Node whose stored ratios are of another version of
// it, and tells of them.
func (k *checker) ofThisNode(older *regress.Baseline, stacks []scenarios.Stack, here regress.Settings) []scenarios.Stack {
	var kept []scenarios.Stack
	for _, s := range stacks {
		twins := named(s.Twin, k.stacks)
		node := s.NeedsNode() || len(twins) > 0 && twins[0].NeedsNode()
		why := older.Comparable(regress.CPURatio, node, here)
		if why == "" {
			kept = append(kept, s)
			continue
		}
		k.otherNode[s.Name] = true
		if k.strict {
			k.outdated = errors.Join(k.outdated, fmt.Errorf("the ratios of %s in the baseline were not compared: %s; compare baseline -times measures them anew", s.Name, why))
		}
		k.note("not compared: the ratios of %s: %s; to add them: measure them here: compare baseline -times", s.Name, why)
	}
	return kept
}

func headOf(e record.Environment) string {
	switch {
	case e.Commit == "":
		return "this tree"
	case e.Dirty:
		return e.Commit + "+dirty"
	}
	return e.Commit
}

// against judges what is exact, and allocations.
func (k *checker) against(older, now *regress.Baseline, here regress.Settings) error {
	reasons := make(map[string]int)
	var outdated []string
	compared, better, differ := 0, 0, false
	for _, f := range older.Figures {
		if f.Ratio() {
			continue
		}
		if why := older.Comparable(f.Unit, false, here); why != "" {
			reasons[why]++
			continue
		}
		measured, there := now.Of(f.Place)
		if !there {
			switch {
			case k.leftOut[f.Stack]:
				k.absent[f.Stack]++
			case k.lost(f.Place):
				k.absent[lostPages]++
			case !k.hasFailed(f.Place, f.Stack):
				k.addFailure("there is no such cell any more: %v", f.Place)
			}
			continue
		}
		finding, err := regress.Judge(f.Place, f.Values, measured.Values)
		if err != nil {
			return err
		}
		compared++
		switch finding.Outcome {
		case regress.Better:
			better++
			differ = true
		case regress.Worse:
			differ = true
		}
		k.report.Findings = append(k.report.Findings, finding)
	}
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		k.note("not compared: %d figures that depend on the toolchain: %s", reasons[why], why)
		outdated = append(outdated, fmt.Sprintf("figures not compared: %d (%s)", reasons[why], why))
	}
	added := 0
	for _, f := range now.Figures {
		if _, there := older.Of(f.Place); !there {
			added++
		}
	}
	if added > 0 {
		k.note("not in the baseline yet: %d figures; compare baseline adds them", added)
		outdated = append(outdated, fmt.Sprintf("figures not in it: %d", added))
	}
	if better > 0 {
		outdated = append(outdated, fmt.Sprintf("figures that are better: %d", better))
	}
	if differ {
		k.note("if that is meant, compare baseline writes it down, and what has changed is part of the change")
	}
	if k.strict && len(outdated) > 0 {
		k.outdated = errors.Join(k.outdated, fmt.Errorf("the baseline is out of date: %s; compare baseline writes it anew", strings.Join(outdated, "; ")))
	}
	if compared == 0 {
		return errors.New("nothing in the baseline can be compared here")
	}
	return nil
}

// hasFailed reports whether a failure has been told of one of these stacks, in the
// case of a place.
func (k *checker) hasFailed(p regress.Place, stacks ...string) bool {
	return slices.ContainsFunc(stacks, func(stack string) bool {
		return k.failed[regress.Place{Series: p.Series, Stack: stack}]
	})
}

// storedRatios screens the ratios of some stacks, and measures again what fires.
// What was found is in the report even if the rest cannot be measured.
func (k *checker) storedRatios(older *regress.Baseline, stacks []scenarios.Stack) error {
	begin := time.Now()
	fresh := &regress.Baseline{}
	if err := k.ratios(fresh, stacks, 1); err != nil {
		return err
	}
	again, err := k.screenStored(older, fresh, stacks)
	if err != nil {
		return err
	}
	if len(again) > 0 {
		k.tellStep("something fired; measuring it again")
		second := &regress.Baseline{}
		err := k.ratios(second, again, confirms)
		k.confirmStored(older, second)
		if err != nil {
			return err
		}
	}
	k.note("ratios differ if they are %.0f %% or more from the stored ones, and all of the interval %.0f %% or more: what the machine did when those were measured is in them",
		100*regress.StoredShift, 100*regress.MinShift)
	k.tellStep("measured in %v", time.Since(begin).Round(time.Second))
	return nil
}

// screenStored judges stored ratios by fresh ones of some stacks, and returns the
// stacks of which something fired. One that should be there, and is not, is told.
func (k *checker) screenStored(older, fresh *regress.Baseline, stacks []scenarios.Stack) (again []scenarios.Stack, err error) {
	for _, f := range older.Figures {
		if !f.Ratio() || k.otherNode[f.Stack] {
			continue
		}
		if k.leftOut[f.Stack] {
			k.absent[f.Stack]++
			continue
		}
		of, twin := named(f.Stack, stacks), ""
		if len(of) > 0 {
			twin = of[0].Twin
		}
		measured, there := fresh.Of(f.Place)
		if !there {
			switch {
			case k.leftOut[twin]:
				k.absent[twin]++
			case !k.hasFailed(f.Place, f.Stack, twin):
				k.addFailure("there is no such ratio any more: %v", f.Place)
			}
			continue
		}
		finding, err := regress.Judge(f.Place, f.Values, measured.Values)
		if err != nil {
			return nil, err
		}
		k.report.Findings = append(k.report.Findings, finding)
		if finding.Fired() && !slices.ContainsFunc(again, func(s scenarios.Stack) bool { return s.Name == f.Stack }) {
			again = append(again, of...)
		}
	}
	return again, nil
}

// confirmStored judges the stored ratios that fired by a second sample. One that is not
// in it stays as it is, and is told.
func (k *checker) confirmStored(older, second *regress.Baseline) {
	for i := range k.report.Findings {
		f := &k.report.Findings[i]
		if !f.Fired() {
			continue
		}
		err := errors.New("it was not measured again")
		if measured, there := second.Of(f.Place); there {
			stored, _ := older.Of(f.Place)
			err = f.Confirmed(stored.Values, measured.Values)
		}
		if err != nil {
			k.addFailure("%v fired and could not be confirmed: %v", f.Place, err)
		}
	}
}
