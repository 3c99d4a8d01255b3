package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsvsio/bench"
	"wsvsio/internal/record"
	"wsvsio/internal/regress"
	"wsvsio/scenarios"
)

const cpuUnit = "server-cpu-sec/msg"

// scripted is a scenario that does as it is told, without a process.
type scripted func(side string, rec scenarios.Recorder) error

func (scripted) Name() string                             { return "scripted" }
func (scripted) Cases(scenarios.Profile) []scenarios.Case { return nil }
func (f scripted) Run(_ context.Context, _ scenarios.Env, s scenarios.Stack, _ scenarios.Case, rec scenarios.Recorder) error {
	return f(strings.TrimPrefix(s.Name, "x"), rec)
}

// trial is a check of a scripted scenario, with what it prints.
type trial struct {
	*checker
	stdout, stderr bytes.Buffer
	stop           chan struct{}
}

func newTrial(t *testing.T, pairs int) *trial {
	t.Helper()
	c := &trial{stop: make(chan struct{})}
	c.checker = newChecker(&call{ctx: t.Context(), stop: c.stop, stdout: &c.stdout, stderr: &c.stderr})
	c.plan(pairs, 7)
	c.report.Base, c.report.Head = "a", "b"
	return c
}

// run checks the scenario, and concludes.
func (c *trial) run(f scripted, out string) error {
	err := c.check(f, scenarios.Case{Name: "case", Clients: 1}, scenarios.Stack{Name: "x"})
	return c.conclude((*regress.Report).Table, out, err)
}

// TestUnrepeated has something fire, and then a head that fails: what fired is
// neither confirmed nor taken back.
func TestUnrepeated(t *testing.T) {
	const pairs = 6
	c, heads := newTrial(t, pairs), 0
	err := c.run(func(side string, rec scenarios.Recorder) error {
		if side == baseSide {
			rec.Value(cpuUnit, 1)
			return nil
		}
		if heads++; heads > pairs {
			return errors.New("it broke")
		}
		rec.Value(cpuUnit, 1.5)
		return nil
	}, "")
	if !errors.Is(err, errFailed) || errors.Is(err, errRegression) || c.report.Answer != regress.Inconclusive {
		t.Errorf("%v, %s", err, c.report.Answer)
	}
	if f := c.report.Findings; len(f) != 1 || f[0].Outcome != regress.Unrepeated {
		t.Errorf("%+v", f)
	}
	// It is given up as soon as there cannot be enough of the pairs.
	if want := pairs + patience(confirms*pairs); heads != want {
		t.Errorf("the head was tried %d times, want %d", heads, want)
	}
	if f := c.report.Failures; len(f) != 1 || !strings.Contains(f[0], "case on x: the head has no figures in 12 of 12 pairs: it broke") {
		t.Errorf("%q", f)
	}
}

// TestNotBack has a head after whose faults half of the clients come back no more,
// and sooner those that do: that is worse, and no time of theirs is told as a gain.
func TestNotBack(t *testing.T) {
	script := func(broken, times string) scripted {
		return func(side string, rec scenarios.Recorder) error {
			for client := range 8 {
				if side == broken && client%2 > 0 {
					continue
				}
				rec.Value("detect-sec", 0.01)
				rec.Value("recover-sec", map[bool]float64{false: 0.2, true: 0.1}[side == times])
			}
			rec.Value("noticed-ratio", 1)
			rec.Value("back-ratio", map[bool]float64{false: 1, true: 0.5}[side == broken])
			return nil
		}
	}
	outcomes := func(c *trial) map[string]regress.Outcome {
		found := make(map[string]regress.Outcome)
		for _, f := range c.report.Findings {
			found[f.Unit] = f.Outcome
		}
		return found
	}
	const doubt = `case on x, back: not compared: in too many pairs "came back" is not the same on both sides`
	c := newTrial(t, 6)
	err := c.run(script(headSide, headSide), "")
	found := outcomes(c)
	if _, told := found["recover-sec"]; !errors.Is(err, errRegression) || found["back-ratio"] != regress.Worse || found["detect-sec"] != regress.Same || found["noticed-ratio"] != regress.Same || told {
		t.Errorf("%v, %v", err, found)
	}
	if d := c.report.Doubts; len(d) != 1 || !strings.HasPrefix(d[0], doubt) || len(c.report.Failures) > 0 {
		t.Errorf("doubts %q, failures %q", d, c.report.Failures)
	}
	// The other way round it is a gain, and of the times nothing is known.
	c = newTrial(t, 6)
	err = c.run(script(baseSide, headSide), "")
	found = outcomes(c)
	if _, told := found["recover-sec"]; err != nil || c.report.Answer != regress.Inconclusive || found["back-ratio"] != regress.Better || told {
		t.Errorf("%v, %s, %v", err, c.report.Answer, found)
	}
	// Where as many are back on both sides the times are compared.
	c = newTrial(t, 6)
	if err := c.run(script("", headSide), ""); err != nil || outcomes(c)["recover-sec"] != regress.Better || len(c.report.Doubts) > 0 {
		t.Errorf("%v, %v, %q", err, outcomes(c), c.report.Doubts)
	}
}

// TestFewLost has three of eight clients of the head lose half of their messages,
// which no median shows.
func TestFewLost(t *testing.T) {
	c := newTrial(t, 6)
	err := c.run(func(side string, rec scenarios.Recorder) error {
		rec.Value(cpuUnit, 1)
		for client := range 8 {
			rec.Value("delivered-ratio", map[bool]float64{false: 1, true: 0.5}[side == headSide && client < 3])
		}
		return nil
	}, "")
	i := slices.IndexFunc(c.report.Findings, func(f regress.Finding) bool { return f.Unit == "delivered-ratio" })
	if !errors.Is(err, errRegression) || i < 0 || c.report.Findings[i].Outcome != regress.Worse || c.report.Findings[i].Head != 1-3*0.5/8 {
		t.Errorf("%v, %+v", err, c.report.Findings)
	}
}

// TestNone has a stack that does not do the case: that is told with its reason, and
// if both were asked for it takes back that there is no regression.
func TestNone(t *testing.T) {
	const want = "not measured: case on x: not applicable: it has no rooms"
	none := func(string, scenarios.Recorder) error { return scenarios.Unsupported("it has no rooms") }
	for _, tt := range []struct {
		asked, picked bool
		want          regress.Answer
	}{{false, false, regress.NoRegression}, {true, false, regress.NoRegression}, {false, true, regress.NoRegression}, {true, true, regress.Inconclusive}} {
		c := newTrial(t, 6)
		c.asked, c.picked = tt.asked, tt.picked
		if err := c.check(scripted(none), scenarios.Case{Name: "case", Clients: 1}, scenarios.Stack{Name: "x"}); err != nil {
			t.Fatal(err)
		}
		err := c.run(func(_ string, rec scenarios.Recorder) error {
			rec.Value(cpuUnit, 1)
			return nil
		}, "")
		if err != nil || c.report.Answer != tt.want || strings.Count(strings.Join(strings.Fields(c.stdout.String()), " "), want) != 1 {
			t.Errorf("asked %t, picked %t: %v\n%s", tt.asked, tt.picked, err, &c.stdout)
		}
	}
	// With nothing else there is no report, and the error has the reason.
	c := newTrial(t, 6)
	c.parts, c.stacks = []bench.Part{{Scenario: scripted(none), Cases: []scenarios.Case{{Name: "case", Clients: 1}}}}, []scenarios.Stack{{Name: "x"}}
	if err := c.measure(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v", err)
	}
}

// TestSpared tells the cases that are not measured with Node because nobody has
// named them.
func TestSpared(t *testing.T) {
	for _, tt := range []struct{ list, stack, want string }{
		{"", "", "not measured: echo, saturation on rawws-node, sio-node: "},
		{"", "rawws,sio-js", "not measured: echo, saturation on sio-js: "},
		{"", "rawws", ""},
		{"echo", "sio-js", ""},
	} {
		k := newChecker(&call{})
		var err error
		if k.parts, err = k.chooseCases(defaultScenario, tt.list); err == nil {
			k.stacks, err = k.chooseStacks(defaultScenario, tt.stack, false)
		}
		if err != nil {
			t.Fatal(err)
		}
		k.spare = tt.list == ""
		k.tellSpared()
		if said := strings.Join(k.report.Notes, " "); (said == "") != (tt.want == "") || !strings.HasPrefix(said, tt.want) {
			t.Errorf("-case %q -stack %q: %q, want %q", tt.list, tt.stack, said, tt.want)
		}
	}
}

// TestAskedFor doubts where something that was named has no pairs.
func TestAskedFor(t *testing.T) {
	for _, tt := range []struct{ list, stack, want string }{
		{"echo,slow-reader", "rawws", "not compared: slow-reader: "},
		{"echo", "rawws,rawws-resume", "not compared: rawws-resume: it is for reconnect"},
		{"echo", "rawws", ""},
	} {
		k := newChecker(&call{})
		k.asked, k.picked = true, true
		var err error
		if k.parts, err = k.chooseCases(defaultScenario, tt.list); err == nil {
			_, err = k.chooseStacks(defaultScenario, tt.stack, false)
		}
		if said := strings.Join(k.report.Doubts, " "); err != nil || (said == "") != (tt.want == "") || !strings.HasPrefix(said, tt.want) {
			t.Errorf("-case %s -stack %s: %q, %v, want %q", tt.list, tt.stack, said, err, tt.want)
		}
	}
	missing := []record.LeftOut{{Stack: "sio-node", Reason: "node is not installed", Mend: "npm ci"}}
	for _, asked := range []bool{false, true} {
		k := newChecker(&call{})
		k.asked = asked
		if err := k.passOver(missing); (err != nil) != asked || asked && err.Error() != "sio-node cannot be measured here: node is not installed; to add it: npm ci" {
			t.Errorf("asked for %t: %v", asked, err)
		}
	}
}

// TestStopped ends a check while what fired is measured again, and one in which
// nothing was measured yet.
func TestStopped(t *testing.T) {
	const pairs = 6
	out := t.TempDir()
	c, cells := newTrial(t, pairs), 0
	err := c.run(func(side string, rec scenarios.Recorder) error {
		if cells++; cells == 2*pairs+3 {
			close(c.stop)
		}
		rec.Value(cpuUnit, map[string]float64{baseSide: 1, headSide: 1.5}[side])
		return nil
	}, out)
	if !errors.Is(err, errInterrupted) || errors.Is(err, errRegression) {
		t.Errorf("%v", err)
	}
	if !strings.HasPrefix(c.stdout.String(), "partial: interrupted: inconclusive: b against a\n") || !strings.Contains(c.stdout.String(), "could not be confirmed") {
		t.Errorf("stdout %s", &c.stdout)
	}
	data, err := os.ReadFile(filepath.Join(out, checkFile))
	if err != nil {
		t.Fatal(err)
	}
	var r regress.Report
	if err := json.Unmarshal(data, &r); err != nil || r.Partial != "interrupted" || len(r.Findings) != 1 {
		t.Errorf("%v: %s", err, data)
	}

	c = newTrial(t, pairs)
	close(c.stop)
	if err := c.run(func(string, scenarios.Recorder) error { return nil }, out); !errors.Is(err, errInterrupted) || c.stdout.Len() > 0 || c.concluded {
		t.Errorf("before anything was measured: %v, stdout %q", err, &c.stdout)
	}
}

// TestMorePairs has figures that are too far apart: there are more pairs of them, not
// without end, and none where the user says how many there are.
func TestMorePairs(t *testing.T) {
	const pairs = 10
	wide := func(noise float64) scripted {
		n := make(map[string]int)
		return func(side string, rec scenarios.Recorder) error {
			n[side]++
			v := 1.0
			if side == headSide {
				v = 1 + noise*float64(n[side]%5-2)
			}
			rec.Value(cpuUnit, v)
			return nil
		}
	}
	for _, tt := range []struct {
		name    string
		noise   float64
		exactly bool
		timers  scenarios.Timers
		want    int
		outcome regress.Outcome
	}{
		{"quiet", 0.01, false, scenarios.Timers{}, pairs, regress.Same},
		{"noisy", 0.13, false, scenarios.Timers{}, 2 * pairs, regress.Same},
		{"hopeless", 0.3, false, scenarios.Timers{}, regress.Extends * pairs, regress.Noisy},
		{"noisy, and so many were asked for", 0.13, true, scenarios.Timers{}, pairs, regress.Noisy},
		{"noisy, and timers say how long it takes", 0.13, false, scenarios.Timers{Limit: 1}, pairs, regress.Noisy},
	} {
		c := newTrial(t, pairs)
		c.exactly = tt.exactly
		if err := c.check(wide(tt.noise), scenarios.Case{Name: "case", Clients: 1, Timers: tt.timers}, scenarios.Stack{Name: "x"}); err != nil {
			t.Fatal(err)
		}
		f := c.report.Findings[0]
		rounds := make(map[int]bool)
		for _, cell := range c.cells[0][1] {
			rounds[cell.Round] = true
		}
		if n := len(f.Screen.Head); n != tt.want || len(rounds) != tt.want || f.Outcome != tt.outcome {
			t.Errorf("%s: %d pairs, %d rounds, %s (would find %.2f)", tt.name, n, len(rounds), f.Outcome, f.Screen.Finds)
		}
	}
}

// TestStoppedFirst is ended in a first batch: what is enough for a test is told.
func TestStoppedFirst(t *testing.T) {
	const pairs = 20
	for _, tt := range []struct{ after, want int }{{2*minPairs - 2, 0}, {2*minPairs + 3, minPairs + 1}} {
		c, cells := newTrial(t, pairs), 0
		err := c.run(func(side string, rec scenarios.Recorder) error {
			if cells++; cells == tt.after {
				close(c.stop)
			}
			rec.Value(cpuUnit, map[string]float64{baseSide: 1, headSide: 1.5}[side])
			return nil
		}, t.TempDir())
		if !errors.Is(err, errInterrupted) || errors.Is(err, errRegression) || len(c.report.Failures) > 0 {
			t.Errorf("after %d cells: %v, failures %q", tt.after, err, c.report.Failures)
		}
		n := 0
		for _, f := range c.report.Findings {
			n = len(f.Screen.Head)
			if f.Outcome != regress.Unrepeated {
				t.Errorf("after %d cells: %s", tt.after, f.Outcome)
			}
		}
		if n != tt.want {
			t.Errorf("after %d cells: %d pairs, want %d", tt.after, n, tt.want)
		}
	}
}

// TestRegressionStays has nothing that can be written, and nothing that can be
// tidied up: the answer stays, and all of it is told.
func TestRegressionStays(t *testing.T) {
	out, summary := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(out, checkFile), 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GITHUB_STEP_SUMMARY", summary) // which is no file
	t.Setenv("GITHUB_ACTIONS", "true")
	slower := func(by float64) scripted {
		return func(side string, rec scenarios.Recorder) error {
			rec.Value(cpuUnit, map[string]float64{baseSide: 1, headSide: by}[side])
			return nil
		}
	}
	c := newTrial(t, 6)
	c.untidy = errors.New("a worktree is left")
	err := c.run(slower(1.5), out)
	if !errors.Is(err, errRegression) {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"regression", "keep the check: ", "write the step's summary: ", "a worktree is left"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v lacks %q", err, want)
		}
	}
	if !strings.Contains(c.stderr.String(), "::error title=Regression::") || !strings.HasPrefix(c.stdout.String(), "regression: ") {
		t.Errorf("%s%s", &c.stdout, &c.stderr)
	}
	if _, err := os.Stat(filepath.Join(out, "summary.md")); err != nil {
		t.Errorf("what can be written is not: %v", err)
	}
	// Without a regression it is an error like others.
	c = newTrial(t, 6)
	if err := c.run(slower(1), out); err == nil || errors.Is(err, errRegression) || c.report.Answer != regress.NoRegression {
		t.Errorf("%v, %s", err, c.report.Answer)
	}
}

// TestKeep writes both batches apart, and removes what an older check has left,
// and nothing else.
func TestKeep(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"base.txt", "confirm-base.txt", "other.txt"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("older"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	names := func() string {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		var list []string
		for _, e := range entries {
			list = append(list, e.Name())
		}
		return strings.Join(list, " ")
	}
	c := newTrial(t, 6)
	if err := c.keep(dir); err != nil {
		t.Fatal(err)
	}
	if got, want := names(), "base.txt check.json confirm-base.txt other.txt summary.md"; got != want {
		t.Errorf("nobody's: %s, want %s", got, want)
	}
	c = newTrial(t, 6)
	cell := record.Cell{Scenario: "broadcast", Case: scenarios.Case{Name: "echo", Clients: 1}, Stack: "rawws", Round: 1, N: 1, Values: []record.Value{{Unit: cpuUnit, V: 1}}}
	c.stacks = []scenarios.Stack{{Name: "rawws"}}
	c.cells = [2][2][]record.Cell{{{cell, cell}, {cell, cell}}, {{cell}, {cell}}}
	c.report.Findings = []regress.Finding{{Place: regress.Place{Series: "Broadcast/case=echo", Stack: "rawws", Unit: "wire-up-B/msg"}, Kind: regress.Exact, Head: 212}}
	if err := c.keep(dir); err != nil {
		t.Fatal(err)
	}
	if got, want := names(), "base.txt benchmark.json check.json confirm-base.txt confirm-head.txt head.txt other.txt summary.md"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for name, want := range map[string]int{"base.txt": 2, "head.txt": 2, "confirm-base.txt": 1, "confirm-head.txt": 1} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Count(string(text), "\nBenchmarkBroadcast"); got != want {
			t.Errorf("%s has %d cells, want %d:\n%s", name, got, want, text)
		}
	}
	if !strings.Contains(c.stderr.String(), "benchstat "+filepath.Join(dir, "base.txt")) {
		t.Errorf("stderr %s", &c.stderr)
	}
	c = newTrial(t, 6)
	if err := c.keep(dir); err != nil {
		t.Fatal(err)
	}
	if got, want := names(), "check.json other.txt summary.md"; got != want {
		t.Errorf("with no figures: %s, want %s", got, want)
	}
	if strings.Contains(c.stderr.String(), "benchstat") {
		t.Errorf("stderr %s", &c.stderr)
	}
}

// TestPairUp has sides fail, or lack a figure, in some of the pairs.
func TestPairUp(t *testing.T) {
	const pairs = 20
	first := func(n int) func(int) bool { return func(pair int) bool { return pair <= n } }
	none := first(0)
	for _, tt := range []struct {
		name          string
		base, head    func(pair int) bool // whether it fails
		lacks         func(pair int) bool // whether the head has no figure
		want          int                 // pairs with figures on both sides
		failure, note string
	}{
		{"all well", none, none, none, pairs, "", ""},
		{"the head fails twice", none, first(2), none, 18, "", "the head failed in 2 of 20 pairs"},
		{"the head fails more often", none, first(3), none, 17, "the head fails in 3 of 20 pairs, and the base in none: broken", ""},
		{"both fail", first(1), first(3), none, 17, "", "the head failed in 3 of 20 pairs"},
		{"the base fails", first(4), none, none, 16, "", "the base failed in 4 of 20 pairs"},
		{"too few are left", first(6), none, none, 0, "the base has no figures in 6 of 20 pairs", ""},
		{"the head lacks a figure twice", none, none, first(2), 18, "", ""},
		{"the head lacks a figure", none, none, first(3), 17, "server CPU: the base has it in 3 pairs in which the head does not", ""},
	} {
		var sides [2][]record.Cell
		for pair := 1; pair <= pairs; pair++ {
			for i, fails := range []bool{tt.base(pair), tt.head(pair)} {
				cell := record.Cell{Round: pair}
				if fails {
					cell.Error = "broken"
				} else if i == 0 || !tt.lacks(pair) {
					cell.Values = []record.Value{{Unit: cpuUnit, V: 1}}
				}
				sides[i] = append(sides[i], cell)
			}
		}
		c := newTrial(t, pairs)
		found := c.pairUp(scenarios.Case{Name: "case"}, scenarios.Stack{Name: "x"}, sides, pairs)
		if got := len(found[cpuUnit].head); got != tt.want {
			t.Errorf("%s: %d pairs, want %d", tt.name, got, tt.want)
		}
		for what, list := range map[string][]string{tt.failure: c.report.Failures, tt.note: c.report.Notes} {
			if what == "" {
				continue
			}
			if !slices.ContainsFunc(list, func(text string) bool { return strings.Contains(text, what) }) {
				t.Errorf("%s: %q lacks %q", tt.name, list, what)
			}
		}
		if tt.failure == "" && len(c.report.Failures) > 0 || tt.note == "" && len(c.report.Notes) > 0 {
			t.Errorf("%s: failures %q, notes %q", tt.name, c.report.Failures, c.report.Notes)
		}
	}
	// Of times to come back pairs are left out in which not as many did.
	for apart := range 7 {
		var sides [2][]record.Cell
		for pair := 1; pair <= pairs; pair++ {
			for i := range sides {
				back := map[bool]float64{false: 1, true: 0.5}[i == 1 && pair <= apart]
				sides[i] = append(sides[i], record.Cell{Round: pair, Values: []record.Value{{Unit: "recover-sec", V: 1}, {Unit: "back-ratio", V: back}}})
			}
		}
		c := newTrial(t, pairs)
		found := c.pairUp(scenarios.Case{Name: "case"}, scenarios.Stack{Name: "x"}, sides, pairs)
		want, notes, doubts := pairs-apart, min(1, apart), 0
		if apart == 6 {
			want, notes, doubts = 0, 0, 1
		}
		if n := len(found["recover-sec"].head); n != want || len(found["back-ratio"].head) != pairs || len(c.report.Notes) != notes || len(c.report.Doubts) != doubts {
			t.Errorf("%d pairs apart: %d are left, notes %q, doubts %q", apart, n, c.report.Notes, c.report.Doubts)
		}
	}
	// A case that does not apply to the stack is no failure.
	c := newTrial(t, pairs)
	no := []record.Cell{{Round: 1, Unsupported: "no"}}
	if found := c.pairUp(scenarios.Case{}, scenarios.Stack{}, [2][]record.Cell{no, no}, pairs); found != nil || len(c.report.Failures) > 0 {
		t.Errorf("%v, %q", found, c.report.Failures)
	}
}

// TestCellDoubts tells the doubts of cells, and doubts where only the head has them.
func TestCellDoubts(t *testing.T) {
	for _, tt := range []struct {
		pairs        int
		base, head   int // in how many of them
		note, doubts string
	}{
		{20, 0, 0, "", ""},
		{10, 0, 4, "case on x: the server refused 1 polls: in 0 of 10 pairs of the base, 4 of the head", ""},
		{24, 0, 5, "case on x: the server refused 1 polls: in 0 of 24 pairs of the base, 5 of the head", ""},
		{20, 0, 4, "case on x: the server refused 1 polls: in 0 of 20 pairs of the base, 4 of the head", ""},
		{20, 0, 5, "", "case on x: the server refused 1 polls: in 0 of 20 pairs of the base, 5 of the head"},
		{20, 1, 20, "case on x: the server refused 1 polls: in 1 of 20 pairs of the base, 20 of the head", ""},
		{20, 20, 0, "case on x: the server refused 1 polls: in 20 of 20 pairs of the base, 0 of the head", ""},
	} {
		var sides [2][]record.Cell
		for pair := 1; pair <= tt.pairs; pair++ {
			for i, n := range []int{tt.base, tt.head} {
				cell := record.Cell{Round: pair, Values: []record.Value{{Unit: cpuUnit, V: 1}}}
				if pair <= n {
					// As the same doubt is when it is measured twice.
					cell.Doubts = []string{fmt.Sprintf("the server refused %d polls", pair), fmt.Sprintf("the server refused %d polls", pair+10)}
				}
				sides[i] = append(sides[i], cell)
			}
		}
		c := newTrial(t, tt.pairs)
		c.pairUp(scenarios.Case{Name: "case"}, scenarios.Stack{Name: "x"}, sides, tt.pairs)
		if notes, doubts := strings.Join(c.report.Notes, "; "), strings.Join(c.report.Doubts, "; "); notes != tt.note || doubts != tt.doubts {
			t.Errorf("%d and %d: notes %q, doubts %q", tt.base, tt.head, notes, doubts)
		}
	}
	const pairs = 20
	c := newTrial(t, pairs)
	late := []record.Cell{{Round: 1, Doubts: []string{"late at p50", "late at p99"}}}
	if c.tellDoubts(scenarios.Case{Name: "case"}, scenarios.Stack{Name: "x"}, [2][]record.Cell{late, late}, pairs); len(c.report.Notes) != 2 {
		t.Errorf("two doubts are %q", c.report.Notes)
	}
}

// TestPatience lets a side fail as often as leaves enough of the pairs.
func TestPatience(t *testing.T) {
	for pairs := minPairs; pairs <= 100; pairs++ {
		n := patience(pairs)
		if left := float64(pairs - (n - 1)); left < leastShare*float64(pairs) {
			t.Errorf("%d pairs: after %d failures %v are left, and it goes on", pairs, n-1, left)
		}
		if left := float64(pairs - n); left >= leastShare*float64(pairs) {
			t.Errorf("%d pairs: after %d failures %v are left, and it is given up", pairs, n, left)
		}
	}
}
