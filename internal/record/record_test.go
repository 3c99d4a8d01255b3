package record

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"

	"wsvsio/scenarios"
)

var update = flag.Bool("update", false, "write the golden files")

var steady = scenarios.Case{Name: "steady", Clients: 100, Size: 128, Rate: 200,
	Warmup: 15000, Window: 2 * time.Second}

var idle = scenarios.Case{Name: "idle", Clients: 1000}

func newRun() Run {
	return Run{
		Format:  Format,
		Tool:    "wsvsio compare",
		Started: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC),
		Args:    []string{"run", "-rounds", "2"},
		Profile: scenarios.Quick,
		Rounds:  2,
		Seed:    math.MaxUint64,
		Environment: Environment{
			OS: "linux", Arch: "amd64", CPU: "Example CPU\n@ 2.00GHz",
			Kernel: "6.1.0", Cores: 2, Go: "go1.26.8",
			Libraries: map[string]string{"gorilla/websocket": "1.5.3"},
			Commit:    "9f044c5", Dirty: true, LoadAverage: [3]float64{0.5, 1, 2},
		},
		Stacks: []scenarios.Stack{{Name: "raw"}, {Name: "sio", Twin: "raw"}},
		LeftOut: []LeftOut{{Stack: "raw-node", Reason: "no Node",
			Mend: "apt-get install nodejs"}},
		Planned: []Planned{{"broadcast", steady}, {"broadcast", idle}},
	}
}

func newCell(stack string, round int, values ...Value) Cell {
	return Cell{Scenario: "broadcast", Case: steady, Stack: stack, Round: round,
		Order: 1, Seconds: 2.5, N: 40000, Values: values}
}

// newCells returns cells of every kind.
func newCells() []Cell {
	full := newCell("raw", 1, Value{"p50-sec/msg", 25e-6},
		Value{"wire-B/msg", 268}, Value{"lost", 0})
	full.Labels = map[string]string{"transport": "websocket"}
	full.Doubts = []string{"sender late"}
	full.Events = []scenarios.Event{{Kind: scenarios.EventDown, At: 17,
		Reason: "closed <by> the server"}}
	failed := newCell("sio", 1, Value{"lost", 3})
	failed.Error = "3 deliveries lost\nserver: panic: boom"
	absent := newCell("raw", 2)
	absent.Unsupported = "not applicable: needs polling"
	samples := newCell("sio", 2, Value{"connect-sec", 3}, Value{"statements", 7},
		Value{"connect-sec", 1}, Value{"connect-sec", 1e-9})
	return []Cell{full, failed, absent, samples}
}

// write records a run with the cells and returns its folder.
func write(t *testing.T, run Run, cells ...Cell) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "a", "run")
	w, err := Create(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		if err := w.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(run.Partial, run.Why); err != nil {
		t.Fatal(err)
	}
	return dir
}

// read reads a run that must be whole.
func read(t *testing.T, dir string) *Run {
	t.Helper()
	run, problems, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	return run
}

func TestRoundTrip(t *testing.T) {
	for name, cells := range map[string][]Cell{
		"cells": newCells(), "no cells": nil,
	} {
		t.Run(name, func(t *testing.T) {
			want := newRun()
			want.Partial, want.Why = true, "interrupted"
			got := read(t, write(t, want, cells...))
			if got.Finished.IsZero() {
				t.Error("a closed run has no time at which it finished")
			}
			got.Finished = time.Time{}
			want.Cells = cells
			if len(got.Cells) == 0 {
				got.Cells = nil
			}
			if !reflect.DeepEqual(*got, want) {
				t.Errorf("got  %+v\nwant %+v", *got, want)
			}
		})
	}
}

// A harness that is killed leaves what it has measured, marked as partial.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, newRun())
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range newCells() {
		got := read(t, dir)
		if !got.Partial || got.Why != "not finished" || len(got.Cells) != i {
			t.Errorf("before cell %d: partial %v, %q, %d cells",
				i, got.Partial, got.Why, len(got.Cells))
		}
		if err := w.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(false, ""); err != nil {
		t.Fatal(err)
	}
	got := read(t, dir)
	if got.Partial || got.Why != "" {
		t.Errorf("closed: partial %v, %q", got.Partial, got.Why)
	}
	if files, _ := os.ReadDir(dir); len(files) != 2 {
		t.Errorf("the folder holds %v", files)
	}
	if err := w.Add(newCells()[0]); err == nil {
		t.Error("a closed run takes a cell")
	}
	if err := w.Close(false, ""); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

var finished = regexp.MustCompile(`"finished": "[^"]*"`)

func TestGoldenFiles(t *testing.T) {
	dir := write(t, newRun(), newCells()...)
	for _, name := range []string{jsonName, textName} {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		// The only line that depends on when the test runs.
		got = finished.ReplaceAll(got, []byte(`"finished": "…"`))
		file := filepath.Join("testdata", name)
		if *update {
			if err := os.WriteFile(file, got, 0o666); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatalf("%v: write it with -update", err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("differs from %s, -update accepts it:\n%s", file, got)
		}
	}
}

// TestOrder measures in random order: run.txt has the order of the stacks in the
// end, run.json and a run that is not closed that of measuring.
func TestOrder(t *testing.T) {
	run := newRun()
	run.Stacks = []scenarios.Stack{{Name: "floor"}, {Name: "raw"}, {Name: "sio"}}
	var cells []Cell
	for i, name := range []string{"sio 1", "raw 1", "gone 1", "floor 1", "raw 2", "floor 2", "idle raw 1", "sio 2", "idle floor 1"} {
		rest, isIdle := strings.CutPrefix(name, "idle ")
		stack, round, _ := strings.Cut(rest, " ")
		c := newCell(stack, int(round[0]-'0'), Value{"connect-sec", float64(i)})
		if isIdle {
			c.Case = idle
		}
		cells = append(cells, c)
	}
	order := func(dir string) (list []string) {
		for line := range strings.Lines(string(content(t, dir, textName))) {
			if name, ok := strings.CutPrefix(line, "Benchmark"); ok {
				_, stack, _ := strings.Cut(name, "stack=")
				stack, rest, _ := strings.Cut(stack, "-2 ")
				list = append(list, stack+" "+strings.Fields(rest)[1])
			}
		}
		return list
	}
	measured := []string{"sio 0", "raw 1", "gone 2", "floor 3", "raw 4", "floor 5", "raw 6", "sio 7", "floor 8"}
	sorted := []string{"floor 3", "raw 1", "sio 0", "gone 2", "floor 5", "raw 4", "sio 7", "floor 8", "raw 6"}
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cells {
		if err := w.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	if got := order(dir); !slices.Equal(got, measured) {
		t.Errorf("while it lasts: %q", got)
	}
	if err := w.Close(true, "interrupted"); err != nil {
		t.Fatal(err)
	}
	if got := order(dir); !slices.Equal(got, sorted) {
		t.Errorf("closed: %q, want %q", got, sorted)
	}
	got := read(t, dir)
	if !reflect.DeepEqual(got.Cells, cells) {
		t.Errorf("run.json has another order: %+v", got.Cells)
	}
	// What is made from run.json is the same.
	var text bytes.Buffer
	if err := WriteText(&text, got); err != nil || !bytes.Equal(text.Bytes(), content(t, dir, textName)) {
		t.Errorf("written anew, %v:\n%s", err, &text)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
		t.Errorf("left behind %v", left)
	}
}

// TestOrderFails has no room for run.txt in another order: it stays as it is.
func TestOrderFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, newRun())
	if err != nil {
		t.Fatal(err)
	}
	for _, stack := range []string{"sio", "raw"} {
		if err := w.Add(newCell(stack, 1, Value{"lost", 0})); err != nil {
			t.Fatal(err)
		}
	}
	before := content(t, dir, textName)
	if err := os.MkdirAll(filepath.Join(dir, textName+".tmp", "in the way"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(false, ""); err == nil {
		t.Error("no error")
	}
	if run := read(t, dir); run.Partial || len(run.Cells) != 2 || !bytes.Equal(content(t, dir, textName), before) {
		t.Errorf("%+v", run)
	}
}

// Package benchfmt reads back every line of run.txt.
func TestBenchmarkFormat(t *testing.T) {
	cells := newCells()
	odd := newCell("x y|\x00`/z", 1, Value{"deliveries/s", 1.25e6}, Value{"odd", -1e-300})
	odd.Scenario, odd.Case.Name = "écho", "two words"
	dir := write(t, newRun(), append(cells, odd)...)
	data, err := os.ReadFile(filepath.Join(dir, textName))
	if err != nil {
		t.Fatal(err)
	}
	type line struct {
		name   string
		iters  int
		values []Value
	}
	var got []line
	r := benchfmt.NewReader(bytes.NewReader(data), textName)
	config := map[string]string{}
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(rec)
		case *benchfmt.Result:
			l := line{name: rec.Name.String(), iters: rec.Iters}
			for _, v := range rec.Values {
				l.values = append(l.values, Value{v.Unit, v.Value})
			}
			got = append(got, l)
			for _, c := range rec.Config {
				config[c.Key] = string(c.Value)
			}
		}
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	name := "Broadcast/case=steady/clients=100/size=128/rate=200/stack="
	want := []line{
		{name + "raw-2", 40000, cells[0].Values},
		{name + "sio-2", 40000, []Value{{"connect-sec", 1}, {"statements", 7}}},
		{"Écho/case=two_words/clients=100/size=128/rate=200/stack=x_y|_`/z-2", 40000, odd.Values},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	for key, want := range map[string]string{
		"goos": "linux", "goarch": "amd64", "cpu": "Example CPU @ 2.00GHz",
		"commit": "9f044c5+dirty", "seed": "18446744073709551615",
		"profile": "quick", "rounds": "2",
	} {
		if config[key] != want {
			t.Errorf("%s: %q, want %q", key, config[key], want)
		}
	}
	if n := bytes.Count(data, []byte("goos:")); n != 1 {
		t.Errorf("the configuration stands there %d times", n)
	}
	if r.Units().GetBetter("deliveries/s") != 1 || r.Units().GetBetter("lost") != -1 {
		t.Error("the direction of a unit is lost")
	}
	for unit, want := range map[string]string{"statements": "exact", "wire-B/msg": ""} {
		value := ""
		if meta := r.Units().Get(unit, "assume"); meta != nil {
			value = meta.Value
		}
		if value != want {
			t.Errorf("%s: assume=%q, want %q", unit, value, want)
		}
	}
}

// A cell that cannot be recorded is refused and leaves no trace.
func TestAddRefuses(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, newRun())
	if err != nil {
		t.Fatal(err)
	}
	slow := newCell("raw", 1)
	slow.Seconds = math.Inf(1)
	strange := newCell("raw", 1)
	strange.Case.Rate = math.NaN()
	for _, test := range []struct {
		cell Cell
		want string
	}{
		{newCell("raw", 1, Value{"p50-sec/msg", math.NaN()}), "the value of p50-sec/msg is NaN"},
		{newCell("raw", 1, Value{"lost", math.Inf(-1)}), "the value of lost is -Inf"},
		{newCell("raw", 1, Value{"two words", 1}), `the unit "two words"`},
		{newCell("raw", 1, Value{"", 1}), `the unit ""`},
		{newCell("", 1), "no stack"},
		{withHistogram(newCell("raw", 1), "latency", "HISTgarbage"), `the histogram "latency" cannot be decoded`},
		{slow, "+Inf seconds"},
		{strange, "NaN"},
	} {
		err := w.Add(test.cell)
		if err == nil || !strings.Contains(err.Error(), test.want) ||
			!strings.Contains(err.Error(), "record broadcast/steady on") {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
	if err := w.Close(false, ""); err != nil {
		t.Fatal(err)
	}
	run := read(t, dir)
	text, err := os.ReadFile(filepath.Join(dir, textName))
	if len(run.Cells) != 0 || len(text) != 0 || err != nil {
		t.Errorf("recorded %v and %q, %v", run.Cells, text, err)
	}
}

func TestAddAtOnce(t *testing.T) {
	dir := t.TempDir()
	w, err := Create(dir, newRun())
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for round := range 20 {
		group.Go(func() {
			if err := w.Add(newCell("raw", round, Value{"lost", 0})); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if err := w.Close(false, ""); err != nil {
		t.Fatal(err)
	}
	if run := read(t, dir); len(run.Cells) != 20 {
		t.Errorf("read %v", run)
	}
}

func TestCreateRefuses(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	taken := write(t, newRun())
	before, err := os.ReadFile(filepath.Join(taken, jsonName))
	if err != nil {
		t.Fatal(err)
	}
	halfTaken := t.TempDir()
	if err := os.WriteFile(filepath.Join(halfTaken, textName), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	logTaken := t.TempDir()
	if err := os.WriteFile(filepath.Join(logTaken, hlogName), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct{ dir, want string }{
		"a file":        {file, "not a directory"},
		"below a file":  {filepath.Join(file, "run"), "not a directory"},
		"a run":         {taken, "already holds a run"},
		"half a run":    {halfTaken, "already holds a run"},
		"a log":         {logTaken, "already holds a run"},
		"an empty name": {"", "no such file or directory"},
	}
	if os.Getuid() != 0 { // root may write anywhere
		locked := filepath.Join(dir, "locked")
		if err := os.Mkdir(locked, 0o555); err != nil {
			t.Fatal(err)
		}
		tests["locked"] = struct{ dir, want string }{locked, "permission denied"}
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := Create(test.dir, newRun())
			if err == nil || !strings.Contains(err.Error(), test.want) ||
				!strings.Contains(err.Error(), "choose another with -out") {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	after, err := os.ReadFile(filepath.Join(taken, jsonName))
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the run that was there has changed, %v", err)
	}
}

// A folder that vanishes is an error at the next cell, not a lost run.
func TestAddToVanishedFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, err := Create(dir, newRun())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := w.Add(newCells()[0]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("add: %v", err)
	}
	if err := w.Close(false, ""); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("close: %v", err)
	}
}
