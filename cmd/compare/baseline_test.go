package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wsvsio/bench"
	"wsvsio/internal/codesize"
	"wsvsio/internal/record"
	"wsvsio/internal/regress"
	"wsvsio/scenarios"
)

// checkedOut has a commit of the repository that checks are tried in checked out,
// until the test ends.
func checkedOut(t *testing.T, dir, tag string) {
	t.Helper()
	if _, err := git(dir, "checkout", "--quiet", "--detach", tag); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := git(dir, "checkout", "--quiet", "main"); err != nil {
			t.Error(err)
		}
	})
}

// program builds the command of what is checked out.
func program(t *testing.T, dir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "compare")
	cmd := exec.Command("go", "build", "-o", out, "./cmd/compare")
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// in runs a command in a folder.
func in(t *testing.T, dir, name string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, err strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &err
	cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

// TestBaseline writes a baseline, holds the same code against it, and then, with
// the program of before, code whose server sends one more byte and allocates once
// more. Nothing is left in the folder for temporary files.
func TestBaseline(t *testing.T) {
	dir := repository(t)
	file := filepath.Join(t.TempDir(), "of", "baseline.txt")
	good := program(t, dir)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	status, stdout, stderr := in(t, dir, good, "baseline", file)
	if status != exitOK || !strings.Contains(stdout, "new: ") || !strings.Contains(stderr, "is new") {
		t.Fatalf("write it: exit status %d\n%s%s", status, stdout, stderr)
	}
	b, err := regress.ReadBaseline(file)
	if err != nil {
		t.Fatal(err)
	}
	place := regress.Place{Series: "Broadcast/case=echo/clients=1/size=128/rate=2000", Stack: "rawws", Unit: "wire-down-B/msg"}
	if f, ok := b.Of(place); !ok || f.Values[0] != 212 {
		t.Errorf("%v: %v, %t", place, f.Values, ok)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "cpu:") {
		t.Error("what is exact is tied to a machine")
	}

	status, stdout, stderr = in(t, dir, good, "check", "-strict", "-baseline", file)
	if status != exitOK || !strings.Contains(stdout, "no regression: ") || !strings.Contains(stdout, "exact figures that are the same: ") || strings.Contains(stdout, "what is different") {
		t.Errorf("the same code: exit status %d\n%s%s", status, stdout, stderr)
	}
	// Written again it is the same file.
	if status, stdout, stderr := in(t, dir, good, "baseline", file); status != exitOK {
		t.Errorf("write it again: exit status %d\n%s%s", status, stdout, stderr)
	}
	if again, err := os.ReadFile(file); err != nil || string(again) != string(text) {
		t.Errorf("%v: it has changed:\n%s\n%s", err, text, again)
	}

	// One that is out of date in each way, of another toolchain among them.
	late := filepath.Join(t.TempDir(), "late.txt")
	if err := os.WriteFile(late, []byte(outdated(t, string(text))), 0o666); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr = in(t, dir, good, "check", "-strict", "-baseline", late)
	if status != exitError || !strings.Contains(stdout, "no regression: ") || !strings.Contains(stdout, "better") || !strings.Contains(stdout, "figures that depend on the toolchain: go is") {
		t.Errorf("out of date: exit status %d\n%s%s", status, stdout, stderr)
	}
	if said := `the baseline is out of date: figures not compared: \d+ \(go is .*\); figures not in it: 3; figures that are better: 1; compare baseline writes it anew`; !regexp.MustCompile(said).MatchString(stderr) {
		t.Errorf("out of date:\n%s", stderr)
	}

	checkedOut(t, dir, wasteTag)
	status, stdout, stderr = in(t, dir, good, "check", "-baseline", file)
	if !strings.Contains(stderr, "counting them again") {
		t.Errorf("one more byte is counted once:\n%s", stderr)
	}
	for _, want := range []string{"regression: ", `bytes down +│ +212 │ +213 `, `allocations +│ +15\.[0-9]+ │ +1[67]\.`, "statements", "compare baseline writes it down"} {
		if status != exitRegression || !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("one more byte: exit status %d, lacks %q\n%s%s", status, want, stdout, stderr)
		}
	}
	status, stdout, stderr = in(t, dir, good, "baseline", file)
	if status != exitOK || !strings.Contains(stdout, "wire-down-B/msg") || !strings.Contains(stdout, "213") || strings.Contains(stdout, "stack=sio ") {
		t.Errorf("write what has changed: exit status %d\n%s%s", status, stdout, stderr)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// outdated is the text of a baseline as it was before a byte was saved and a cell of
// three figures came, of another version of Go.
func outdated(t *testing.T, text string) string {
	t.Helper()
	text = strings.Replace(text, "\ngo: ", "\ngo: another ", 1)
	for _, r := range [][2]string{
		{` 212 wire-down-B/msg`, " 213 wire-down-B/msg"},
		{`(?m)^BenchmarkBroadcast/case=connect/clients=1/stack=sio .*\n`, ""},
	} {
		re := regexp.MustCompile(r[0])
		if n := len(re.FindAllString(text, -1)); n != 1 {
			t.Fatalf("the baseline has %q %d times:\n%s", r[0], n, text)
		}
		text = re.ReplaceAllString(text, r[1])
	}
	return text
}

// TestBaselineBad is a file that cannot be held against.
func TestBaselineBad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	foreign := write("foreign.txt", "goos: linux\nBenchmarkX 1 2 ns/op\n")
	newer := write("newer.txt", "baseline: 2\nBenchmarkX/stack=rawws 1 2 statements\n")
	exact := write("exact.txt", "baseline: 1\nBenchmarkSize/scenario=broadcast/file=server/stack=rawws 1 2 statements\n")
	elsewhere := write("elsewhere.txt", "baseline: 1\ngoos: linux\ncpu: an abacus\nBenchmarkBroadcast/case=echo/clients=1/stack=rawws 1 1.2 "+regress.CPURatio+"\n")
	unknown := write("unknown.txt", "baseline: 1\nBenchmarkX/stack=rawws 1 2 furlongs\n")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"check", "-baseline", unknown}, "unknown.txt:2: nothing is known of the unit furlongs: "},
		{[]string{"check", "-baseline", filepath.Join(dir, "none.txt")}, "write one: compare baseline"},
		{[]string{"check", "-baseline", foreign}, "not a baseline"},
		{[]string{"check", "-baseline", newer}, "has format 2"},
		{[]string{"check", "-times", "-baseline", elsewhere}, "are not known to be of this machine: "},
		{[]string{"check", "-times", "-baseline", exact}, "holds no ratios: leave out -times, or measure them here: compare baseline -times"},
		{[]string{"baseline", foreign}, "not a baseline"},
		{[]string{"baseline", newer}, "has format 2"},
	} {
		before, _ := os.ReadFile(tt.args[len(tt.args)-1])
		status, stdout, stderr := compare(t, tt.args...)
		if status != exitError || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit status %d, stdout %q, stderr %q", tt.args, status, stdout, stderr)
		}
		if after, _ := os.ReadFile(tt.args[len(tt.args)-1]); string(after) != string(before) {
			t.Errorf("%v: the file has changed", tt.args)
		}
	}
	// What is there and cannot be read is not taken for new.
	if status, _, stderr := compare(t, "baseline", dir); status != exitError || strings.Contains(stderr, "is new") {
		t.Errorf("a folder: exit status %d, stderr %q", status, stderr)
	}
	if status, _, stderr := compare(t, "check", "-strict", "-against", "HEAD"); status != exitUsage || !strings.Contains(stderr, "-strict is for -baseline") {
		t.Errorf("-strict without a file: exit status %d, stderr %q", status, stderr)
	}
}

// TestToolchain holds the version of Go in the workflow of this repository against
// that of its baseline: with another one allocations are not compared, which -strict
// says.
func TestToolchain(t *testing.T) {
	b, err := regress.ReadBaseline(filepath.Join("../..", baselineName))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../.github/workflows/check.yml")
	if err != nil {
		t.Fatal(err)
	}
	exact, _, _ := strings.Cut(string(text), "\n  pairs:\n")
	m := regexp.MustCompile(`(?m)^ *go-version: ([^ \n]+)`).FindStringSubmatch(exact)
	if m == nil || "go"+m[1] != b.Settings["go"] {
		t.Errorf("the workflow has Go %q, and the baseline is of %s", m, b.Settings["go"])
	}
	if !strings.Contains(exact, "compare check -strict -baseline "+baselineName) {
		t.Errorf("the workflow lets a baseline pass that is out of date:\n%s", exact)
	}
}

// TestChanged says, too, that a baseline is now of another version of Go.
func TestChanged(t *testing.T) {
	of := func(version string, v float64) *regress.Baseline {
		b := &regress.Baseline{Settings: regress.Settings{"go": version}}
		b.Add(regress.Place{Series: "X", Stack: "rawws", Unit: "wire-down-B/msg"}, v)
		return b
	}
	for _, tt := range []struct {
		now  *regress.Baseline
		want []string
	}{
		{of("go1.26.8", 212), []string{"as before: 1"}},
		{of("go1.26.8", 213), []string{"as before: 0"}},
		{of("go1.27.1", 212), []string{"as before: 1", "go is go1.27.1 now, and was go1.26.8: allocations and the sizes of programs are compared with no other"}},
	} {
		if got := changed(of("go1.26.8", 212), tt.now).Notes; !slices.Equal(got, tt.want) {
			t.Errorf("notes %q, want %q", got, tt.want)
		}
	}
}

// onSomeRatios has ratios measured of one case, in as few rounds as a test of
// them takes.
func onSomeRatios(t *testing.T, rounds int) {
	t.Helper()
	cases, all := ratioCases, ratioRounds
	ratioCases, ratioRounds = "echo", rounds
	t.Cleanup(func() { ratioCases, ratioRounds = cases, all })
}

// TestBaselineTimes writes ratios, and holds them against a file in which one is a
// tenth of what it is, and one is of no case. A quarter of the rounds may fail, as
// always.
func TestBaselineTimes(t *testing.T) {
	const rounds = 8
	enough := func(values []float64, rounds int) bool {
		return len(values) <= rounds && float64(len(values)) >= leastShare*float64(rounds)
	}
	if bench.LookAround(t.Context(), bench.Machine{}).Machine == "" {
		t.Skip("this machine has no id, without which no ratio is compared")
	}
	onSomeRatios(t, rounds)
	t.Chdir(repository(t))
	file := filepath.Join(t.TempDir(), "baseline.txt")
	status, stdout, stderr := compare(t, "baseline", "-times", file)
	if status != exitOK {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	b, err := regress.ReadBaseline(file)
	if err != nil {
		t.Fatal(err)
	}
	const echo = "Broadcast/case=echo/clients=1/size=128/rate=2000"
	for _, stack := range []string{"rawws", "sio"} {
		for _, unit := range []string{regress.CPURatio, regress.P50Ratio} {
			if f, ok := b.Of(regress.Place{Series: echo, Stack: stack, Unit: unit}); !ok || !enough(f.Values, rounds) {
				t.Errorf("%s of %s: %v", unit, stack, f.Values)
			}
		}
	}
	if b.Ratios["cores"] == "" || b.Settings["cores"] != "" {
		t.Errorf("the ratios are of %v, the rest of %v", b.Ratios, b.Settings)
	}

	place := regress.Place{Series: echo, Stack: "rawws", Unit: regress.CPURatio}
	for i := range b.Figures {
		if b.Figures[i].Place == place {
			for j := range b.Figures[i].Values {
				b.Figures[i].Values[j] /= 10
			}
		}
	}
	gone := regress.Place{Series: "Broadcast/case=yodel/clients=1", Stack: "rawws", Unit: regress.CPURatio}
	b.Add(gone, 1.2)
	if err := b.Save(file); err != nil {
		t.Fatal(err)
	}
	status, stdout, stderr = compare(t, "check", "-baseline", file, "-times", "-format", "json")
	var r regress.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || status != exitRegression {
		t.Fatalf("exit status %d, %v\n%s%s", status, err, stdout, stderr)
	}
	ratios := 0
	for _, f := range r.Findings {
		if f.Kind != regress.Stored {
			continue
		}
		ratios++
		if f.Screen == nil || !enough(f.Screen.Base, rounds) || !enough(f.Screen.Head, rounds) {
			t.Errorf("%v: %+v", f.Place, f.Screen)
		}
		if f.Place == place && (f.Outcome != regress.Worse || f.Confirm == nil || !enough(f.Confirm.Head, confirms*rounds)) {
			t.Errorf("%v is %s: %+v", f.Place, f.Outcome, f.Confirm)
		}
	}
	if ratios != 4 {
		t.Errorf("%d ratios are judged", ratios)
	}
	if len(r.Failures) != 1 || !strings.Contains(r.Failures[0], "no such ratio any more: "+gone.String()) {
		t.Errorf("failures: %q", r.Failures)
	}
}

// TestRatiosByRound has rounds in which one side failed, or has no figure.
func TestRatiosByRound(t *testing.T) {
	c := scenarios.Case{Name: "echo", Clients: 1}
	run := &record.Run{Stacks: []scenarios.Stack{{Name: "floor"}, {Name: "rawws", Twin: "floor"}}}
	add := func(stack string, round int, cpu float64, failed string) {
		run.Cells = append(run.Cells, record.Cell{Scenario: "broadcast", Case: c, Stack: stack, Round: round, Error: failed,
			Values: []record.Value{{Unit: "server-cpu-sec/msg", V: cpu}}})
	}
	for round := 1; round <= 5; round++ {
		floor, rawws := "", ""
		if round == 2 {
			floor = "it died"
		}
		if round == 4 {
			rawws = "it died"
		}
		add("rawws", round, float64(3*round), rawws)
		if round != 3 {
			add("floor", round, float64(round), floor)
		}
	}
	add("rawws", 6, 18, "")
	add("floor", 6, 0, "")
	b := &regress.Baseline{}
	addRatios(b, run)
	want := []regress.Figure{{Place: regress.Place{Series: record.SeriesName("broadcast", c), Stack: "rawws", Unit: regress.CPURatio}, Values: []float64{3, 3}}}
	if !reflect.DeepEqual(b.Figures, want) {
		t.Errorf("%+v, want %+v", b.Figures, want)
	}
}

// emptyChecker is a check that nothing has been found of.
func emptyChecker() *checker {
	return &checker{call: &call{}, report: &regress.Report{}, leftOut: make(map[string]bool), otherNode: make(map[string]bool), failed: make(map[regress.Place]bool), absent: make(map[string]int)}
}

// TestCarryOver keeps of an older baseline what cannot be measured here, and of its
// ratios only those that go under the same settings.
func TestCarryOver(t *testing.T) {
	const series = "Broadcast/case=echo/clients=1"
	figure := func(stack, unit string, values ...float64) regress.Figure {
		return regress.Figure{Place: regress.Place{Series: series, Stack: stack, Unit: unit}, Values: values}
	}
	here := regress.Settings{"goos": "linux", "go": "go1.26.8", "cpu": "A CPU", "commit": "0123456789ab"}
	there := regress.Settings{"goos": "linux", "go": "go1.26.8", "cpu": "An abacus", "commit": "0123456789ab"}
	down, ratio := figure("sio-node", "wire-down-B/msg", 200), figure("sio-node", regress.CPURatio, 1.2, 1.3)
	nearly, fresh := figure("rawws", "server-allocs/msg", 15.9), figure("rawws", regress.CPURatio, 1.1, 1.2)
	for _, tt := range []struct {
		name    string
		of      regress.Settings // the older ratios
		times   bool
		want    []regress.Figure
		ratios  regress.Settings
		dropped bool
	}{
		{"without -times", there, false, []regress.Figure{nearly, down, ratio}, there, false},
		{"with -times, of another machine", there, true, []regress.Figure{nearly, fresh, down}, here, true},
		{"with -times, of this one", here, true, []regress.Figure{nearly, fresh, down, ratio}, here, false},
	} {
		k := emptyChecker()
		k.leftOut["sio-node"] = true
		older := &regress.Baseline{Settings: here, Ratios: tt.of, Figures: []regress.Figure{down, nearly, ratio}}
		now := &regress.Baseline{Settings: here, Ratios: here, Figures: []regress.Figure{figure("rawws", "server-allocs/msg", 15.95)}}
		if tt.times {
			now.Figures = append(now.Figures, fresh)
		}
		k.carryOver(older, now, tt.times)
		if !reflect.DeepEqual(now.Figures, tt.want) || !reflect.DeepEqual(now.Ratios, tt.ratios) {
			t.Errorf("%s: %+v of %v", tt.name, now.Figures, now.Ratios)
		}
		if got := strings.Contains(strings.Join(k.report.Notes, "\n"), "dropped: 1 ratios"); got != tt.dropped {
			t.Errorf("%s: notes %q", tt.name, k.report.Notes)
		}
	}
}

// TestUnconfirmed has ratios fire that cannot be measured again: they are told, and
// the report keeps what it has.
func TestUnconfirmed(t *testing.T) {
	place := regress.Place{Series: "Broadcast/case=echo/clients=1", Stack: "rawws", Unit: regress.CPURatio}
	ratios := func(of float64) *regress.Baseline {
		b := &regress.Baseline{}
		for i := range 20 {
			b.Add(place, of*(1+float64(i)/200))
		}
		return b
	}
	for _, tt := range []struct {
		name   string
		second *regress.Baseline
		want   regress.Outcome
		told   string
	}{
		{"nothing", &regress.Baseline{}, regress.Unconfirmed, "could not be confirmed: it was not measured again"},
		{"no number", &regress.Baseline{Figures: []regress.Figure{{Place: place, Values: []float64{0}}}}, regress.Unconfirmed, "is not a positive number"},
		{"again", ratios(1.5), regress.Worse, ""},
	} {
		k := emptyChecker()
		older := ratios(1.2)
		again, err := k.screenStored(older, ratios(1.5), []scenarios.Stack{{Name: "sio"}, {Name: "rawws"}})
		if err != nil || len(again) != 1 || again[0].Name != "rawws" {
			t.Fatalf("%v, %v", again, err)
		}
		k.confirmStored(older, tt.second)
		if len(k.report.Findings) != 1 || k.report.Findings[0].Outcome != tt.want {
			t.Errorf("%s: %+v", tt.name, k.report.Findings)
		}
		if told := strings.Join(k.report.Failures, "\n"); (told == "") != (tt.told == "") || !strings.Contains(told, tt.told) {
			t.Errorf("%s: failures %q", tt.name, told)
		}
	}
}

// TestFailedCell has a cell that failed told once, and not for each figure that
// it would have.
func TestFailedCell(t *testing.T) {
	c := scenarios.Case{Name: "echo", Clients: 1}
	series := record.SeriesName("broadcast", c)
	older := &regress.Baseline{}
	for _, unit := range []string{"wire-up-B/msg", "wire-down-B/msg", "wire-reqs/msg"} {
		older.Add(regress.Place{Series: series, Stack: "rawws", Unit: unit}, 1)
		older.Add(regress.Place{Series: series, Stack: "sio", Unit: unit}, 1)
	}
	older.Add(regress.Place{Series: "X", Stack: "sio", Unit: "wire-up-B/msg"}, 1)
	now := &regress.Baseline{Figures: older.Figures[len(older.Figures)-1:]}
	k := counting(t, "rawws")
	parts := []bench.Part{{Scenario: &fickle{fails: func(int) bool { return true }}, Cases: []scenarios.Case{c}}}
	figures, failed, err := k.count(parts, k.stacks)
	if err != nil || len(figures) > 0 || len(failed) != 1 {
		t.Fatalf("%v, %v, %v", figures, failed, err)
	}
	if err := k.recount(parts, older, now, failed); err != nil {
		t.Fatal(err)
	}
	if len(k.report.Failures) != 1 || k.report.Failures[0] != "echo on rawws failed in 3 of 3 rounds: it is fickle" {
		t.Errorf("after two counts: %q", k.report.Failures)
	}
	if err := k.against(older, now, nil); err != nil {
		t.Fatal(err)
	}
	// What is missing of sio has not failed, and is told of each figure.
	if len(k.report.Failures) != 4 {
		t.Errorf("%q", k.report.Failures)
	}
	for _, text := range k.report.Failures[1:] {
		if !strings.Contains(text, "there is no such cell any more: "+series+"/stack=sio") {
			t.Errorf("%q", text)
		}
	}
	// Nor is a ratio missing whose twin has failed.
	stored := &regress.Baseline{}
	for _, s := range []string{series, "X"} {
		stored.Add(regress.Place{Series: s, Stack: "sio", Unit: regress.CPURatio}, 1)
		stored.Add(regress.Place{Series: s, Stack: "sio-node", Unit: regress.CPURatio}, 1)
	}
	stored.Add(regress.Place{Series: series, Stack: "morse", Unit: regress.CPURatio}, 1)
	k.report.Failures = nil
	k.leftOut["sio-node"] = true
	if _, err := k.screenStored(stored, &regress.Baseline{}, []scenarios.Stack{{Name: "sio", Twin: "rawws"}}); err != nil {
		t.Fatal(err)
	}
	want := []string{"there is no such ratio any more: X/stack=sio " + regress.CPURatio, "there is no such ratio any more: " + series + "/stack=morse " + regress.CPURatio}
	if !slices.Equal(k.report.Failures, want) {
		t.Errorf("of ratios: %q", k.report.Failures)
	}
}

// fickle is a scenario that fails at times. It counts as many bytes as it is told.
type fickle struct {
	scenarios.Scenario
	fails func(time int) bool // the how manieth cell, from 1
	bytes func(time int) float64
	times int
}

func (*fickle) Name() string { return "broadcast" }

func (f *fickle) Run(_ context.Context, _ scenarios.Env, _ scenarios.Stack, _ scenarios.Case, r scenarios.Recorder) error {
	f.times++
	if f.fails(f.times) {
		return errors.New("it is fickle")
	}
	r.Value("wire-up-B/msg", f.bytes(f.times))
	return nil
}

// counting is a check that counts on stacks.
func counting(t *testing.T, stacks ...string) *checker {
	t.Helper()
	k := emptyChecker()
	k.call = &call{ctx: t.Context(), stderr: &bytes.Buffer{}}
	k.order = rand.New(rand.NewPCG(1, 0))
	k.stacks = named(strings.Join(stacks, ","), bench.Stacks())
	if len(k.stacks) != len(stacks) {
		t.Fatalf("of %q there are %d", stacks, len(k.stacks))
	}
	return k
}

// TestBaselineUntidy has a build that cannot be removed: that is told, and what was
// found stays whole.
func TestBaselineUntidy(t *testing.T) {
	k := emptyChecker()
	k.machine.Root = repository(t)
	k.report.Environment = bench.LookAround(t.Context(), k.machine)
	var stdout bytes.Buffer
	k.call = &call{ctx: t.Context(), stdout: &stdout, stderr: &bytes.Buffer{}}
	temp := filepath.Join(t.TempDir(), "temp")
	if err := os.Mkdir(temp, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", temp)
	older := &regress.Baseline{}
	older.Add(regress.Place{Series: "X", Stack: "rawws", Unit: "wire-up-B/msg"}, 1)
	err := k.onTree(func() error {
		// Where its folder was is a file.
		if err := errors.Join(os.Rename(temp, temp+".away"), os.WriteFile(temp, nil, 0o666)); err != nil {
			return err
		}
		return k.against(older, older, nil)
	})
	if err != nil || k.untidy == nil {
		t.Fatalf("ended by %v, untidy %v", err, k.untidy)
	}
	wrong := k.untidy
	if err := k.conclude((*regress.Report).Table, "", err); !errors.Is(err, wrong) || k.report.Partial != "" || k.report.Answer != regress.NoRegression {
		t.Errorf("%v; partial %q, %s\n%s", err, k.report.Partial, k.report.Answer, &stdout)
	}
}

// TestOutdated has a baseline that lacks a figure, and one that is worse than now:
// that is told, and an error only where somebody is strict.
func TestOutdated(t *testing.T) {
	figures := func(stack string, down, up float64) *regress.Baseline {
		b := &regress.Baseline{}
		b.Add(regress.Place{Series: "X", Stack: stack, Unit: "wire-down-B/msg"}, down)
		if up > 0 {
			b.Add(regress.Place{Series: "X", Stack: stack, Unit: "wire-up-B/msg"}, up)
		}
		return b
	}
	for _, tt := range []struct {
		name       string
		older, now *regress.Baseline
		want       string
	}{
		{"the same", figures("rawws", 212, 220), figures("rawws", 212, 220), ""},
		{"better", figures("rawws", 212, 220), figures("rawws", 211, 220), "figures that are better: 1"},
		{"worse", figures("rawws", 212, 220), figures("rawws", 213, 220), ""},
		{"new", figures("rawws", 212, 0), figures("rawws", 212, 220), "figures not in it: 1"},
	} {
		for _, strict := range []bool{false, true} {
			k := emptyChecker()
			k.strict = strict
			if err := k.against(tt.older, tt.now, nil); err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(k.outdated); (k.outdated != nil) != (strict && tt.want != "") || k.outdated != nil && !strings.Contains(got, tt.want) {
				t.Errorf("%s, strict %t: %s", tt.name, strict, got)
			}
			if noted := strings.Contains(strings.Join(k.report.Notes, "\n"), "not in the baseline yet: 1"); noted != (tt.name == "new") {
				t.Errorf("%s, strict %t: notes %q", tt.name, strict, k.report.Notes)
			}
		}
	}
}

// TestOtherNode leaves out the stored ratios of stacks with Node, and those of their
// kin, that are of another version of it.
func TestOtherNode(t *testing.T) {
	older := &regress.Baseline{Ratios: regress.Settings{"go": "go1.26.8", "node": "v20.20.2", "machine": "0a1b2c3d4e5f"}}
	for _, stack := range []string{"rawws", "sio-node"} {
		older.Add(regress.Place{Series: "X", Stack: stack, Unit: regress.CPURatio}, 1.2)
	}
	for version, want := range map[string][]string{"v20.20.2": {"rawws", "sio-node", "beside"}, "v22.1.0": {"rawws"}} {
		k := emptyChecker()
		k.stacks = append(named("floor,rawws,rawws-node,sio-node", bench.Stacks()), scenarios.Stack{Name: "beside", Twin: "rawws-node"})
		stacks := named("rawws,sio-node,beside", k.stacks)
		kept := k.ofThisNode(older, stacks, regress.Settings{"go": "go1.26.8", "node": version, "machine": "0a1b2c3d4e5f"})
		var names []string
		for _, s := range kept {
			names = append(names, s.Name)
		}
		if !slices.Equal(names, want) || len(k.report.Notes) != len(stacks)-len(want) {
			t.Errorf("with %s: %q, notes %q", version, names, k.report.Notes)
		}
		for _, note := range k.report.Notes {
			if !strings.Contains(note, `node is "v20.20.2" in the baseline and "v22.1.0" here`) || !strings.Contains(note, "compare baseline -times") {
				t.Errorf("%q", note)
			}
		}
		// What is left out is not missing.
		fresh := &regress.Baseline{}
		fresh.Add(regress.Place{Series: "X", Stack: "rawws", Unit: regress.CPURatio}, 1.2)
		if _, err := k.screenStored(older, fresh, kept); err != nil {
			t.Fatal(err)
		}
		if missing := len(k.report.Failures) > 0; missing != (version == "v20.20.2") {
			t.Errorf("with %s: failures %q", version, k.report.Failures)
		}
	}
}

// TestIncomplete has a baseline of which a part cannot be measured here: that is said
// with what to install, once for all stacks that lack the same.
func TestIncomplete(t *testing.T) {
	older, now := &regress.Baseline{}, &regress.Baseline{}
	for _, stack := range []string{"rawws", "rawws-node", "sio-node", "sio-js"} {
		older.Add(regress.Place{Series: "X", Stack: stack, Unit: "wire-up-B/msg"}, 1)
		older.Add(regress.Place{Series: "X", Stack: stack, Unit: "wire-down-B/msg"}, 1)
	}
	now.Figures = older.Figures[:2]
	node := record.LeftOut{Reason: "node is not installed", Mend: "install Node"}
	page := regress.Place{Series: "Size/page=none", Stack: "rawws", Unit: "bundle-B"}
	for _, tt := range []struct {
		name string
		set  func(k *checker)
		want string // "" is complete
	}{
		{"all is here", func(k *checker) {
			now := *now
			now.Figures = older.Figures
			if err := k.against(older, &now, nil); err != nil {
				t.Fatal(err)
			}
		}, ""},
		{"no Node", func(k *checker) {
			for _, stack := range []string{"rawws-js", "rawws-node", "sio-node"} {
				k.leftOut[stack] = true
				k.machine.LeftOut = append(k.machine.LeftOut, record.LeftOut{Stack: stack, Reason: node.Reason, Mend: node.Mend})
			}
			k.leftOut["sio-js"] = true
			k.machine.LeftOut = append(k.machine.LeftOut, record.LeftOut{Stack: "sio-js", Reason: "no packages", Mend: "npm ci"})
			if err := k.against(older, now, nil); err != nil {
				t.Fatal(err)
			}
		}, "4 of rawws-node, sio-node: node is not installed; to add them: install Node; 2 of sio-js: no packages; to add them: npm ci"},
		{"no packages for a page", func(k *checker) {
			k.lostCode = []codesize.LeftOut{{Reason: "no packages", Mend: "npm ci --prefix a"}, {Reason: "no packages", Mend: "npm ci --prefix b"}}
			with := &regress.Baseline{Figures: slices.Clone(now.Figures)}
			with.Add(page, 230)
			if err := k.against(with, now, nil); err != nil {
				t.Fatal(err)
			}
		}, "1 of pages: no packages; to add them: npm ci --prefix a && npm ci --prefix b"},
		{"ratios of no Node", func(k *checker) {
			k.leftOut["sio-node"] = true
			k.machine.LeftOut = []record.LeftOut{{Stack: "sio-node", Reason: node.Reason, Mend: node.Mend}}
			stored := &regress.Baseline{}
			stored.Add(regress.Place{Series: "X", Stack: "sio-node", Unit: regress.P50Ratio}, 1.2)
			if _, err := k.screenStored(stored, &regress.Baseline{}, nil); err != nil {
				t.Fatal(err)
			}
		}, "1 of sio-node: node is not installed; to add them: install Node"},
	} {
		k := emptyChecker()
		tt.set(k)
		err := k.incomplete()
		if (err == nil) != (tt.want == "") || err != nil && err.Error() != "figures of the baseline were not compared: "+tt.want {
			t.Errorf("%s: %v", tt.name, err)
		}
		if len(k.report.Failures) > 0 {
			t.Errorf("%s: failures %q", tt.name, k.report.Failures)
		}
	}
}

// TestTransient has cells fail now and then: what another round or the second count
// has is as good, and is held against the baseline as often as all else.
func TestTransient(t *testing.T) {
	c := scenarios.Case{Name: "echo", Clients: 1}
	place := regress.Place{Series: record.SeriesName("broadcast", c), Stack: "rawws", Unit: "wire-up-B/msg"}
	for _, tt := range []struct {
		name   string
		fails  []int // cells, from 1; the first count is of three, or of two if both fail
		others []int // cells that count another byte
		want   float64
		cells  int // in all
		notes  []string
	}{
		{"nothing", nil, nil, 212, 3, nil},
		{"one round", []int{2}, nil, 212, 3, []string{"failed in 1 of 3 rounds"}},
		{"two rounds", []int{1, 2}, nil, 212, 2 + 3, []string{"failed in 3 of 3 rounds: it is fickle; in the second count it has not failed"}},
		{"both counts, in part", []int{1, 2, 4}, nil, 212, 2 + 3, []string{"failed in 1 of 3 rounds", "in the second count it has not failed"}},
		{"a byte more, once", nil, []int{1, 2, 3}, 212, 3 + 3, []string{"differed in the first count"}},
		{"a byte more", nil, []int{1, 2, 3, 4, 5, 6}, 213, 3 + 3, nil},
		{"a byte more, once, after failures", []int{1, 2}, []int{3, 4, 5}, 212, 2 + 3 + 3, []string{"in the second count", "differed in the first count"}},
		{"a byte more, after failures", []int{1, 2}, []int{3, 4, 5, 6, 7, 8}, 213, 2 + 3 + 3, []string{"in the second count"}},
	} {
		sc := &fickle{
			fails: func(time int) bool { return slices.Contains(tt.fails, time) },
			bytes: func(time int) float64 {
				if slices.Contains(tt.others, time) {
					return 213
				}
				return 212
			},
		}
		k := counting(t, "rawws")
		older, now := &regress.Baseline{}, &regress.Baseline{}
		older.Add(place, 212)
		parts := []bench.Part{{Scenario: sc, Cases: []scenarios.Case{c}}}
		var failed []failure
		var err error
		if now.Figures, failed, err = k.count(parts, k.stacks); err == nil {
			err = k.recount(parts, older, now, failed)
		}
		if f, ok := now.Of(place); err != nil || !ok || !slices.Equal(f.Values, []float64{tt.want}) || len(now.Figures) != 1 {
			t.Errorf("%s: %+v, %v", tt.name, now.Figures, err)
		}
		if sc.times != tt.cells || len(k.report.Failures) > 0 {
			t.Errorf("%s: %d cells, failures %q", tt.name, sc.times, k.report.Failures)
		}
		told := len(k.report.Notes) == len(tt.notes)
		for i := range k.report.Notes {
			told = told && strings.Contains(k.report.Notes[i], tt.notes[i])
		}
		if !told {
			t.Errorf("%s: %q", tt.name, k.report.Notes)
		}
	}
}

// TestRatiosLeftOut has cells fail while ratios are measured: a case that has three
// quarters of its rounds is as good, and of another the cells that failed are told.
func TestRatiosLeftOut(t *testing.T) {
	stacks := []scenarios.Stack{{Name: "floor"}, {Name: "rawws", Twin: "floor"}}
	for _, tt := range []struct {
		name         string
		floor, rawws []int // rounds that failed, of eight
		left         int   // cells
		failures     []string
	}{
		{"none", nil, nil, 16, nil},
		{"two", []int{3}, []int{5}, 14, nil},
		{"the same two", []int{3, 5}, []int{3, 5}, 12, nil},
		{"three", []int{3}, []int{5, 6}, 0, []string{"echo on floor failed in 1 of 8", "echo on rawws failed in 2 of 8"}},
		{"all of one", nil, []int{1, 2, 3, 4, 5, 6, 7, 8}, 0, []string{"echo on rawws failed in 8 of 8"}},
	} {
		c := scenarios.Case{Name: "echo", Clients: 1}
		run := &record.Run{Stacks: stacks}
		var failures []failure
		for _, s := range stacks {
			rounds := tt.floor
			if s.Name == "rawws" {
				rounds = tt.rawws
			}
			for round := 1; round <= 8; round++ {
				if !slices.Contains(rounds, round) {
					run.Cells = append(run.Cells, record.Cell{Scenario: "broadcast", Case: c, Stack: s.Name, Round: round})
				}
			}
			if len(rounds) > 0 {
				failures = append(failures, failure{
					place: regress.Place{Series: record.SeriesName("broadcast", c), Stack: s.Name},
					cell:  "echo on " + s.Name, failed: len(rounds), rounds: 8, why: "it died",
				})
			}
		}
		k := emptyChecker()
		k.leaveOut(run, 8, failures)
		told := len(k.report.Failures) == len(tt.failures)
		for i := range k.report.Failures {
			told = told && strings.Contains(k.report.Failures[i], tt.failures[i])
		}
		if len(run.Cells) != tt.left || !told || len(k.report.Failures)+len(k.report.Notes) != len(failures) {
			t.Errorf("%s: %d cells, failures %q, notes %q", tt.name, len(run.Cells), k.report.Failures, k.report.Notes)
		}
	}
}

// TestSettle takes the second count where that is as it was, of what is exact, too.
func TestSettle(t *testing.T) {
	place := func(unit string) regress.Place {
		return regress.Place{Series: "Broadcast/case=echo/clients=1", Stack: "sio-node", Unit: unit}
	}
	figures := func(down, up, allocs float64) *regress.Baseline {
		b := &regress.Baseline{}
		b.Add(place("wire-down-B/msg"), down)
		b.Add(place("wire-up-B/msg"), up)
		b.Add(place("server-allocs/msg"), allocs)
		return b
	}
	older, now := figures(200, 204, 54), figures(201, 205, 55)
	differ, err := differing(older, now, 0)
	if err != nil || !slices.Equal(differ, []int{0, 1, 2}) {
		t.Fatalf("%v, %v", differ, err)
	}
	k := emptyChecker()
	if err := k.settle(older, now, figures(200, 205, 54.1), differ); err != nil {
		t.Fatal(err)
	}
	if want := figures(200, 205, 54.1); !reflect.DeepEqual(now.Figures, want.Figures) {
		t.Errorf("%+v, want %+v", now.Figures, want.Figures)
	}
	if len(k.report.Notes) != 2 {
		t.Errorf("%q", k.report.Notes)
	}
	if differ, err = differing(older, now, 0); err != nil || !slices.Equal(differ, []int{1}) {
		t.Errorf("afterwards: %v, %v", differ, err)
	}
}
