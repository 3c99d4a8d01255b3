package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
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

func TestRoundTrip(t *testing.T) {
	for name, cells := range map[string][]Cell{
		"cells": newCells(), "no cells": nil,
	} {
		t.Run(name, func(t *testing.T) {
			want := newRun()
			want.Partial, want.Why = true, "interrupted"
			got, err := Read(write(t, want, cells...))
			if err != nil {
				t.Fatal(err)
			}
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
		got, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
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
	got, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
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
	run, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
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
	if run, err := Read(dir); err != nil || len(run.Cells) != 20 {
		t.Errorf("read %v, %v", run, err)
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
	tests := map[string]struct{ dir, want string }{
		"a file":        {file, "not a directory"},
		"below a file":  {filepath.Join(file, "run"), "not a directory"},
		"a run":         {taken, "already holds a run"},
		"half a run":    {halfTaken, "already holds a run"},
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

func TestReadDamaged(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join(write(t, newRun(), newCells()...), jsonName))
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.Count(whole, []byte("\n")) + 1
	if last < 30 {
		t.Fatalf("run.json has %d lines", last)
	}
	for name, test := range map[string]struct{ content, want string }{
		"empty":       {"", "run.json:1: damaged at byte 0: unexpected end"},
		"cut":         {string(whole[:len(whole)-3]), "unexpected end"},
		"garbage":     {"{\n \"format\": 1,\n oops\n}", "run.json:3: damaged at byte 18: invalid character 'o'"},
		"wrong type":  {"{\n \"format\": 1,\n \"rounds\": \"two\"\n}", "run.json:3: damaged at byte 3"},
		"no number":   {`{"format": 1, "cells": [{"seconds": 1e999}]}`, "1e999"},
		"newer":       {`{"format": 2, "rounds": "two"}`, "has format 2, this program reads up to format 1"},
		"no format":   {`{}`, "it has no format"},
		"null":        {`null`, "it has no format"},
		"zero format": {`{"format": 0}`, "it has no format"},
		"array":       {`[]`, "run.json:1: damaged"},
		"two values":  {`{"format": 1}{}`, "after top-level value"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, jsonName)
			if err := os.WriteFile(file, []byte(test.content), 0o666); err != nil {
				t.Fatal(err)
			}
			run, err := Read(dir)
			if err == nil {
				t.Fatalf("read %+v", run)
			}
			if !strings.Contains(err.Error(), test.want) ||
				!strings.Contains(err.Error(), file) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	if _, err := Read(t.TempDir()); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), "does not hold a run") {
		t.Errorf("an empty folder: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, jsonName), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder in the place of run.json: %v", err)
	}
}

// Whatever run.json holds, Read returns an error or a run that can be grouped,
// and recorded again unless it holds what Add refuses. Fuzz it with
// -fuzzminimizetime 10x: every attempt writes files, so the default of a minute
// is spent on the first input that is worth keeping.
func FuzzRead(f *testing.F) {
	for _, cells := range [][]Cell{nil, newCells()} {
		run := newRun()
		run.Cells = cells
		data, err := json.Marshal(run)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add([]byte(`{"format":1,"stacks":[{"name":"a","twin":"a"},{"name":"a"}],` +
		`"cells":[{"stack":"a","round":-1,"values":[{"unit":"u","v":1e308},{"unit":"u","v":-0}]},null]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, jsonName), data, 0o666); err != nil {
			t.Fatal(err)
		}
		run, err := Read(dir)
		if err != nil {
			return
		}
		cells := 0
		for _, group := range run.Group() {
			for _, row := range group.Rows {
				cells += len(row.Cells)
				for _, c := range row.Cells {
					for _, unit := range c.Units() {
						row.Values(unit)
						group.Ratio(row, unit)
					}
				}
			}
		}
		if cells != len(run.Cells) {
			t.Errorf("%d of %d cells are in a group", cells, len(run.Cells))
		}
		again := filepath.Join(dir, "again")
		w, err := Create(again, *run)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range run.Cells {
			if check(c) == nil {
				if err := w.Add(c); err != nil {
					t.Error(err)
				}
			}
		}
		if err := w.Close(run.Partial, run.Why); err != nil {
			t.Error(err)
		}
		if _, err := Read(again); err != nil {
			t.Error(err)
		}
		text, err := os.Open(filepath.Join(again, textName))
		if err != nil {
			t.Fatal(err)
		}
		defer text.Close()
		for r := benchfmt.NewReader(text, textName); r.Scan(); {
			if wrong, ok := r.Result().(*benchfmt.SyntaxError); ok {
				t.Error(wrong)
			}
		}
	})
}
