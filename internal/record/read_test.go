package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"
)

// content returns a file of a run that is whole.
func content(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// lay writes a file of a run.
func lay(t testing.TB, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// garble returns data with the line n, from 1, replaced.
func garble(data []byte, n int, by string) []byte {
	lines := strings.Split(string(data), "\n")
	lines[n-1] = by
	return []byte(strings.Join(lines, "\n"))
}

// Of a run.json in which any one line is damaged the others are read, and the
// line is named.
func TestDamagedLine(t *testing.T) {
	want := newRun()
	want.Cells = newCells()
	whole := content(t, write(t, want, want.Cells...), jsonName)
	dir := t.TempDir()
	last := bytes.Count(whole, []byte("\n"))
	if last < 30 {
		t.Fatalf("run.json has %d lines", last)
	}
	cells := 0
	for n := 1; n <= last; n++ {
		line := strings.Split(string(whole), "\n")[n-1]
		for _, by := range []string{"\x00\xff", "garbage", line + "\x00", strings.TrimSpace(line)[:1] + "\x00"} {
			lay(t, dir, jsonName, garble(whole, n, by))
			run, problems, err := Read(dir)
			if err != nil {
				t.Errorf("line %d, %s, as %q: %v", n, line, by, err)
				continue
			}
			file := filepath.Join(dir, jsonName)
			if len(problems) == 0 || problems[0].Line != n || problems[0].File != file {
				t.Errorf("line %d, %s, as %q: %v", n, line, by, problems)
			}
			if len(problems) > 2 {
				t.Errorf("line %d, %s, as %q, damages more: %v", n, line, by, problems)
			}
			left := len(want.Cells)
			if strings.HasPrefix(line, cellStart) {
				left--
				cells++
			}
			if len(run.Cells) != left || !run.Partial || !strings.Contains(run.Why, "run.json:") {
				t.Errorf("line %d, %s, as %q: %d cells of %d, partial %t, %s", n, line, by, len(run.Cells), left, run.Partial, run.Why)
			}
			// One field of the run is lost, or none.
			lost := 0
			got, all := reflect.ValueOf(*run), reflect.ValueOf(want)
			for i := range got.NumField() {
				switch got.Type().Field(i).Name {
				case "Partial", "Why", "Finished", "Cells":
				default:
					if !reflect.DeepEqual(got.Field(i).Interface(), all.Field(i).Interface()) {
						lost++
					}
				}
			}
			if lost > 1 {
				t.Errorf("line %d, %s, as %q: %d fields differ", n, line, by, lost)
			}
		}
	}
	if cells != 4*len(want.Cells) {
		t.Errorf("%d cells were damaged", cells)
	}
}

// Of a run.json that is cut off anywhere the whole lines are read.
func TestCutOff(t *testing.T) {
	whole := content(t, write(t, newRun(), newCells()...), jsonName)
	begins := bytes.Index(whole, []byte(fieldStart+"tool")) // after the format
	for n := range len(whole) - 1 {                         // the last newline does not matter
		run, problems, err := parse(jsonName, whole[:n])
		if n < begins {
			if err == nil && len(problems) == 0 {
				t.Errorf("cut at %d: no error", n)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		cells := 0
		for line := range bytes.Lines(whole[:n]) {
			line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte(","))
			if bytes.HasPrefix(line, []byte(cellStart)) && json.Valid(line) {
				cells++
			}
		}
		at := bytes.Count(whole[:n], []byte("\n"))
		last := problems[len(problems)-1]
		if len(run.Cells) != cells || !strings.Contains(last.Text, "cut off") || last.Line < at || last.Line > at+1 {
			t.Errorf("cut at %d, line %d: %d cells of %d, %v", n, at+1, len(run.Cells), cells, problems)
		}
	}
}

func TestReadDamaged(t *testing.T) {
	var indented bytes.Buffer
	run := newRun()
	run.Cells = newCells()
	run.Cells[1].Stack = ""
	compact, err := json.Marshal(run)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Indent(&indented, compact, "", "    "); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct{ content, err, problem string }{
		"empty":         {"", "run.json:1: damaged at byte 0: unexpected end", ""},
		"garbage":       {"{\n \"format\": 1,\n oops\n}", "", "run.json:3: cannot be read"},
		"wrong type":    {"{\n \"format\": 1,\n \"rounds\": \"two\"\n}", "", `run.json:3: "rounds" is left out`},
		"one line":      {`{"format": 1, "cells": [{"seconds": 1e999}]}`, "1e999", ""},
		"newer":         {`{"format": 2, "rounds": "two"}`, "has format 2, this program reads up to format 1", ""},
		"newer, broken": {"{\n \"format\": 2,\n oops\n}", "has format 2", ""},
		"no format":     {`{}`, "it has no format", ""},
		"null":          {`null`, "it has no format", ""},
		"zero format":   {`{"format": 0}`, "it has no format", ""},
		"array":         {`[]`, "run.json:1: damaged", ""},
		"two values":    {`{"format": 1}{}`, "after top-level value", ""},
		"not a cell":    {`{"format": 1, "cells": [null]}`, "", "cell 1 is left out: the cell has no scenario"},
		"indented":      {indented.String(), "", "cell 2 is left out: the cell has no scenario"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			lay(t, dir, jsonName, []byte(test.content))
			run, problems, err := Read(dir)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) ||
					!strings.Contains(err.Error(), filepath.Join(dir, jsonName)) {
					t.Errorf("got %+v, %v, want %s", run, err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) == 0 || !strings.Contains(problems[0].String(), test.problem) || !run.Partial {
				t.Errorf("got %v, want %s", problems, test.problem)
			}
		})
	}
	if _, _, err := Read(t.TempDir()); !errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), "does not hold a run") {
		t.Errorf("an empty folder: %v", err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, jsonName), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(dir); err == nil || !strings.Contains(err.Error(), dir) {
		t.Errorf("a folder in the place of run.json: %v", err)
	}
}

// What is wrong with the other files does not keep run.json from being read.
func TestReadOthersDamaged(t *testing.T) {
	cells := newCells()
	cells[0] = withHistogram(cells[0], "latency", encoded(t, 1000, 2000))
	for name, test := range map[string]struct {
		file   string
		damage func([]byte) []byte
		want   string
	}{
		"a benchmark": {textName, func(b []byte) []byte {
			return bytes.Replace(b, []byte(" 40000 "), []byte(" 4o000 "), 1)
		}, "run.txt:16: parsing iteration count: invalid syntax"},
		"no word": {textName, func(b []byte) []byte {
			return bytes.Replace(b, []byte("goos:"), []byte("g\x00\x00s"), 1)
		}, "run.txt:4: neither a benchmark nor a unit nor a setting"},
		"cut off": {textName, func(b []byte) []byte { return b[:len(b)-3] },
			"run.txt:20: cut off: the line has no end"},
		"a line gone": {textName, func(b []byte) []byte {
			return b[:bytes.LastIndex(b, []byte("Benchmark"))]
		}, "run.txt: 1 of the cells in run.json are not in it, such as broadcast/steady on sio, round 2"},
		"a histogram": {hlogName, func(b []byte) []byte {
			return bytes.Replace(b, []byte("HIST"), []byte("XIST"), 1)
		}, "latency.hlog:6: this histogram cannot be read"},
		"a log": {hlogName, func([]byte) []byte { return []byte("hello\n") },
			"latency.hlog:1: not a line of an HdrHistogram log"},
		"no tag": {hlogName, func(b []byte) []byte {
			return bytes.Replace(b, []byte("Tag="), nil, 1)
		}, "latency.hlog:6: this histogram"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := write(t, newRun(), cells...)
			read(t, dir)
			lay(t, dir, test.file, test.damage(content(t, dir, test.file)))
			run, problems, err := Read(dir)
			if err != nil {
				t.Fatal(err)
			}
			if len(problems) != 1 || !strings.HasPrefix(problems[0].String(), filepath.Join(dir, test.want)) {
				t.Errorf("got %v, want %s", problems, test.want)
			}
			if len(run.Cells) != len(cells) || !run.Partial || !strings.Contains(run.Why, test.want) {
				t.Errorf("%d cells, partial %t, %s", len(run.Cells), run.Partial, run.Why)
			}
		})
	}
	dir := write(t, newRun(), cells...)
	for _, name := range []string{textName, hlogName} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		read(t, dir) // run.json is enough
		if err := os.Mkdir(filepath.Join(dir, name), 0o777); err != nil {
			t.Fatal(err)
		}
		_, problems, err := Read(dir)
		if err != nil || len(problems) != 1 || problems[0].File != filepath.Join(dir, name) {
			t.Errorf("a folder in the place of %s: %v, %v", name, problems, err)
		}
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhy(t *testing.T) {
	four := []Problem{{"a/run.json", 3, "boom"}, {"a/run.json", 0, "x"}, {"a/run.txt", 1, "y"}, {"a/b", 1, "z"}}
	for _, test := range []struct {
		run      Run
		problems []Problem
		want     string
	}{
		{Run{}, nil, ""},
		{Run{Partial: true, Why: "interrupted"}, nil, "interrupted"},
		{Run{}, four[:1], "not all of its files can be read: run.json:3: boom"},
		{Run{Partial: true, Why: "interrupted"}, four[:1], "interrupted; not all of its files can be read: run.json:3: boom"},
		{Run{}, four, "not all of its files can be read: run.json:3: boom; run.json: x; run.txt:1: y; and 1 more"},
	} {
		run := test.run
		run.mark(test.problems)
		if run.Why != test.want || run.Partial != (test.want != "") {
			t.Errorf("partial %t, %q, want %q", run.Partial, run.Why, test.want)
		}
	}
}

func TestMissing(t *testing.T) {
	run := newRun()
	if got := run.Missing(); !reflect.DeepEqual(got, run.Planned) {
		t.Errorf("before the first cell: %v", got)
	}
	run.Cells = newCells()
	if got := run.Missing(); !reflect.DeepEqual(got, run.Planned[1:]) {
		t.Errorf("got %v", got)
	}
}

// The runs that are kept in the repository can be read.
func TestRecorded(t *testing.T) {
	names, err := filepath.Glob("../../results/*/" + jsonName)
	if err != nil || len(names) == 0 {
		t.Fatalf("found %v, %v", names, err)
	}
	for _, name := range names {
		run := read(t, filepath.Dir(name))
		if len(run.Cells) == 0 || len(run.Stacks) == 0 || run.Environment.Go == "" {
			t.Errorf("%s: %d cells, %d stacks", name, len(run.Cells), len(run.Stacks))
		}
		var text bytes.Buffer
		if err := WriteText(&text, run); err != nil {
			t.Error(err)
		}
		if want := content(t, filepath.Dir(name), textName); !bytes.Equal(text.Bytes(), want) {
			t.Errorf("%s: its run.txt would be another now", name)
		}
	}
}

func TestReadText(t *testing.T) {
	const name = "some.txt"
	good := "goos: linux\nUnit sec/op better=lower\nBenchmarkA/b=c-2 5 1.5 sec/op\n"
	for _, test := range []struct {
		text        string
		loose, tidy string // what is wrong, not strict and strict
	}{
		{good, "", ""},
		{"PASS\nok  \twsvsio\t1.2s\n" + good, "", "some.txt:1: neither"},
		{"BenchmarkA\n" + good, "", "some.txt:1: neither"},
		{good + "BenchmarkA 5 1 sec/op", "", "some.txt:4: cut off"},
		{good + "BenchmarkA x 1 sec/op\n", "some.txt:4: parsing iteration", "some.txt:4: parsing iteration"},
		{good + "BenchmarkA 5 NaN sec/op\n", "some.txt:4: the value of sec/op is NaN", "some.txt:4: the value"},
		{good + "Unit\n", "some.txt:4: missing unit", "some.txt:4: missing unit"},
		{strings.ReplaceAll(good, "\n", "\r\n"), "", ""},
		{strings.Repeat("x", maxLine+1) + "\n" + good, "some.txt:1: longer than", "some.txt:1: longer than"},
	} {
		for strict, want := range map[bool]string{false: test.loose, true: test.tidy} {
			dir := t.TempDir()
			lay(t, dir, name, []byte(test.text))
			text, problems, err := ReadText(filepath.Join(dir, name), strict)
			if err != nil {
				t.Fatal(err)
			}
			if want == "" && len(problems) > 0 || want != "" && (len(problems) == 0 ||
				!strings.HasPrefix(problems[0].String(), filepath.Join(dir, want))) {
				t.Errorf("%.40q, strict %t: %v, want %s", test.text, strict, problems, want)
			}
			for _, err := range syntax(t, text) {
				t.Errorf("%.40q, strict %t, still holds %v", test.text, strict, err)
			}
			if !bytes.Contains(text, []byte("BenchmarkA/b=c-2 5 1.5 sec/op")) {
				t.Errorf("%.40q, strict %t, has lost what was whole: %q", test.text, strict, text)
			}
		}
	}
	if _, _, err := ReadText(filepath.Join(t.TempDir(), name), true); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// syntax returns what package benchfmt finds wrong in a text.
func syntax(t *testing.T, text []byte) []error {
	t.Helper()
	var list []error
	r := benchfmt.NewReader(bytes.NewReader(text), textName)
	for r.Scan() {
		if wrong, ok := r.Result().(*benchfmt.SyntaxError); ok {
			list = append(list, wrong)
		}
	}
	if err := r.Err(); err != nil {
		list = append(list, err)
	}
	return list
}

// Whatever run.json holds, Read returns an error or a run that can be grouped,
// and recorded again unless it holds what Add refuses; what was recorded again
// reads without a problem. Fuzz it with -fuzzminimizetime 10x: every attempt
// writes files, so the default of a minute is spent on the first input that is
// worth keeping.
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
	golden, err := os.ReadFile(filepath.Join("testdata", jsonName))
	if err != nil {
		f.Fatal(err)
	}
	golden = finished.ReplaceAll(golden, nil)
	f.Add(golden)
	f.Add(golden[:len(golden)-5])
	f.Add(bytes.Replace(golden, []byte(`"rounds": 2`), []byte(`"rounds": "x"`), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		lay(t, dir, jsonName, data)
		run, _, err := Read(dir)
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
			if err := w.Add(c); err != nil {
				t.Error(err)
			}
		}
		if err := w.Close(run.Partial, run.Why); err != nil {
			t.Error(err)
		}
		read(t, again)
		for _, err := range syntax(t, content(t, again, textName)) {
			t.Error(err)
		}
	})
}

// Whatever is in a file of benchmarks, what ReadText returns has no syntax
// error, and every line of the file is in it or reported.
func FuzzReadText(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", textName))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text, true)
	f.Add([]byte("PASS\nBenchmarkA-2 5 1e400 sec/op NaN B\nUnit\nunit: x"), false)
	f.Fuzz(func(t *testing.T, data []byte, strict bool) {
		got, problems := repair(textName, data, strict)
		for _, err := range syntax(t, got) {
			// That two lines contradict each other is for whoever compares.
			if !strings.Contains(err.Error(), "already set to") {
				t.Error(err)
			}
		}
		bad := make(map[int]bool)
		for _, p := range problems {
			bad[p.Line] = true
		}
		after := strings.Split(string(got), "\n")
		for i, line := range strings.Split(string(data), "\n") {
			if i < len(after) && (after[i] == line) == bad[i+1] && line != "" {
				t.Errorf("line %d, %q, has become %q, reported %t", i+1, line, after[i], bad[i+1])
			}
		}
	})
}
