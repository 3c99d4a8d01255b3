package report

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/perf/benchmath"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// sideOf returns a run as a side of a diff.
func sideOf(t testing.TB, name string, run *record.Run) Side {
	t.Helper()
	var text bytes.Buffer
	if err := record.WriteText(&text, run); err != nil {
		t.Fatal(err)
	}
	return Side{Name: name, Run: run, Text: text.Bytes()}
}

// diffRuns returns two runs that differ in all that a diff tells of.
func diffRuns() (older, newer *record.Run) {
	older, newer = newRun(), newRun()
	older.Rounds, newer.Rounds = 6, 8
	newer.Started = older.Started.Add(50 * time.Hour)
	newer.Environment.Go, newer.Environment.Node = "go1.27.0", ""
	newer.Environment.Commit, newer.Environment.Dirty = "57def26", false
	newer.Environment.Libraries = map[string]string{"gorilla/websocket": "1.5.3", "ws": "8.23.0"}
	newer.Partial, newer.Why = true, "interrupted"
	longer := steady
	longer.Window = 2 * time.Second
	newer.Planned = []record.Planned{{Scenario: "broadcast", Case: echo}, {Scenario: "broadcast", Case: longer},
		{Scenario: "broadcast", Case: join}, {Scenario: "broadcast", Case: scenarios.Case{Name: "idle", Clients: 1000}}}
	code := scenarios.Case{Name: "code", Clients: 1}
	for round := 1; round <= 8; round++ {
		k := 1 + 0.01*float64(round)
		add := func(run *record.Run, rounds int, c record.Cell) {
			if round <= rounds {
				run.Cells = append(run.Cells, c)
			}
		}
		// A change that is far beyond the noise, and one that is not.
		add(older, 6, measured(steady, "raw", round, "p50-sec/msg", 400e-6*k, "wire-B/msg", 214.0,
			"server-cpu-sec/msg", 8e-6*k, "p90-sec/msg", 900e-6*k, "lost", 0.0))
		add(newer, 8, measured(longer, "raw", round, "p50-sec/msg", 404e-6*(2.1-k), "wire-B/msg", 214.0,
			"server-cpu-sec/msg", 6e-6*k, "p90-sec/msg", 800e-6*k, "lost", 0.0))
		add(older, 6, measured(steady, "sio", round, "p50-sec/msg", 900e-6*k, "wire-B/msg", 202.0,
			"server-allocs/msg", 0.0, "lost", 0.0))
		sio := measured(longer, "sio", round, "p50-sec/msg", 1100e-6*k, "wire-B/msg", 203.0,
			"server-allocs/msg", 16.0, "server-cpu-sec/msg", 9e-6, "lost", 0.0)
		if round == 3 {
			sio.Doubts = []string{"sender late", "client CPU share above one half"}
		}
		if round == 4 {
			sio.Error, sio.Values = "12 deliveries lost", []record.Value{{Unit: "lost", V: 12}}
		}
		add(newer, 8, sio)
		// Too few rounds, and exact values, one of which is not.
		add(older, 3, measured(join, "raw", round, "connect-sec", 1e-3*k, "connect-B", 352.0))
		add(newer, 2, measured(join, "raw", round, "connect-sec", 2e-3*k, "connect-B", 352.0))
		add(older, 3, measured(code, "raw", round, "statements", 120.0, "tokens", 900.0))
		add(newer, 3, measured(code, "raw", round, "statements", 126.0, "tokens", 900.0+float64(round/3)))
		// On one side alone.
		add(older, 2, measured(echo, "raw", round, "p50-sec/msg", 70e-6*k))
		add(newer, 2, measured(echo, "sio", round, "p50-sec/msg", 70e-6*k))
		add(newer, 2, measured(join, "sio", round, "connect-sec", 2e-3*k))
	}
	return older, newer
}

func diffOf(t testing.TB, older, newer Side) *Diff {
	t.Helper()
	d, err := NewDiff(older, newer)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDiffGolden(t *testing.T) {
	older, newer := diffRuns()
	bare := sideOf(t, "bench.txt", older)
	bare.Run = nil
	bare.Text = append([]byte("PASS\n"), append(bare.Text, "BenchmarkOther-2 10 5 ns/op 3 B/op\n"...)...)
	strange := sideOf(t, "x|y\x1b[31m", runs()["markup"])
	for name, d := range map[string]*Diff{
		"diff":      diffOf(t, sideOf(t, "results/old", older), sideOf(t, "results/new", newer)),
		"same":      diffOf(t, sideOf(t, "results/old", older), sideOf(t, "results/old", older)),
		"bare-diff": diffOf(t, bare, sideOf(t, "results/new", newer)),
		"markup":    diffOf(t, strange, strange),
		"nothing":   diffOf(t, sideOf(t, "results/old", older), strange),
	} {
		for ext, view := range map[string]func(*bytes.Buffer) error{
			".diff.txt": func(b *bytes.Buffer) error { return d.Table(b, nil) },
			".diff.md":  func(b *bytes.Buffer) error { return d.Markdown(b, nil) },
			".diff.csv": func(b *bytes.Buffer) error { return d.CSV(b, []string{AllUnits}) },
			".remarks.txt": func(b *bytes.Buffer) error {
				for _, line := range d.Remarks(nil) {
					fmt.Fprintln(b, line)
				}
				return nil
			},
		} {
			t.Run(name+ext, func(t *testing.T) {
				var b bytes.Buffer
				if err := view(&b); err != nil {
					t.Fatal(err)
				}
				golden(t, name+ext, b.Bytes())
				if i := bytes.IndexFunc(b.Bytes(), unseen); i >= 0 {
					t.Errorf("a terminal would obey %q", b.Bytes()[i:])
				}
				for line := range strings.Lines(b.String()) {
					if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width && ext == ".diff.txt" && name != "markup" {
						t.Errorf("%d characters: %s", n, line)
					}
				}
			})
		}
	}
}

// What the verdicts, the changes and their p are.
func TestChange(t *testing.T) {
	const unit = "p50-sec/msg"
	side := func(name, unit string, values ...float64) Side {
		run := newRun()
		for i, v := range values {
			run.Cells = append(run.Cells, measured(steady, "raw", i+1, unit, v))
		}
		return sideOf(t, name, run)
	}
	for _, test := range []struct {
		unit         string
		older, newer []float64
		known        verdict
		detail       string
		figures      string
	}{
		// Two of the 924 orders are as extreme as this.
		{unit, []float64{1, 2, 3, 4, 5, 6}, []float64{7, 8, 9, 10, 11, 12}, differs, "+171 % p=0.002", "3.50 → 9.50 s"},
		{unit, []float64{7, 8, 9, 10, 11, 12}, []float64{1, 2, 3, 4, 5, 6}, differs, "-63 % p=0.002", "9.50 → 3.50 s"},
		{unit, []float64{1, 3, 5, 7}, []float64{2, 4, 6, 8}, notFound, "~ p=0.686", "4.00 → 5.00 s"},
		// The smallest p of three and three is 0.1.
		{unit, []float64{1, 2, 3}, []float64{4, 5, 6}, tooShort, "too few", "2.00 → 5.00 s"},
		// Of one and eight it is 2/9, of two and seven 2/36, of two and eight 2/45.
		{unit, []float64{9}, []float64{1, 2, 3, 4, 5, 6, 7, 8}, tooShort, "too few", "9.00 → 4.50 s"},
		{unit, []float64{8, 9}, []float64{1, 2, 3, 4, 5, 6, 7}, tooShort, "too few", "8.50 → 4.00 s"},
		{unit, []float64{9, 10}, []float64{1, 2, 3, 4, 5, 6, 7, 8}, differs, "-53 % p=0.044", "9.50 → 4.50 s"},
		{unit, []float64{1, 2, 3, 4, 5, 6, 7, 8}, []float64{9}, tooShort, "too few", "4.50 → 9.00 s"},
		// Ties do not make up for what is missing.
		{unit, []float64{1}, []float64{2, 2, 2, 2, 2, 2, 2, 2}, tooShort, "too few", "1.00 → 2.00 s"},
		{unit, []float64{2, 2}, []float64{2, 2, 2}, notFound, "=", "2.00 → 2.00 s"},
		{unit, []float64{0, 0, 0, 0}, []float64{1, 1, 1, 1}, differs, "from 0 p=0.029", "0.00 → 1.00 s"},
		// Exact units need no test and no rounds.
		{"statements", []float64{100}, []float64{101}, differs, "+1 %", "100 → 101"},
		{"statements", []float64{100}, []float64{100}, notFound, "=", "100 → 100"},
		{"statements", []float64{100, 100, 101}, []float64{100}, notFound, "~", "100 → 100"},
	} {
		d := diffOf(t, side("old", test.unit, test.older...), side("new", test.unit, test.newer...))
		got := d.change(d.series[0], "raw", test.unit)
		figures := got.figures(record.UnitOf(test.unit))
		if got.known != test.known || got.detail() != test.detail || figures != test.figures {
			t.Errorf("%v, %v: %s, %q, %q", test.older, test.newer, got.known, got.detail(), figures)
		}
		if got.n != [2]int{len(test.older), len(test.newer)} {
			t.Errorf("%v, %v: n %v", test.older, test.newer, got.n)
		}
	}
	// The samples that are compared are sorted, those that are kept are not.
	d := diffOf(t, side("old", unit, 3, 1, 2), side("new", unit, 1))
	d.change(d.series[0], "raw", unit)
	if got := d.series[0].values[place{"raw", unit, 0}]; !slices.Equal(got, []float64{3, 1, 2}) {
		t.Errorf("the figures have become %v", got)
	}
}

// TestMannWhitney compares p with a count of all the ways in which the values
// can be dealt out, for all ties that there can be: twice the ways in which the
// first sample is as far as this or further on the same side.
func TestMannWhitney(t *testing.T) {
	twice := func(a, b []float64) (u int) {
		for _, x := range a {
			for _, y := range b {
				switch {
				case x > y:
					u += 2
				case x == y:
					u++
				}
			}
		}
		return u
	}
	sample := func(values []float64) *benchmath.Sample {
		return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
	}
	const all = 9
	for n := 1; n < all; n++ {
		// A bit of ties says that a value is the same as the one before.
		for ties := range 1<<(all-1) - 1 {
			values := make([]float64, all)
			for i := 1; i < all; i++ {
				values[i] = values[i-1] + float64(1-ties>>(i-1)&1)
			}
			deal := func(first int) (a, b []float64) {
				for i, v := range values {
					if first>>i&1 == 1 {
						a = append(a, v)
					} else {
						b = append(b, v)
					}
				}
				return a, b
			}
			ways, total := map[int]int{}, 0
			deals := map[int]int{} // one for each U
			for first := range 1 << all {
				if bits.OnesCount(uint(first)) == n {
					a, b := deal(first)
					u := twice(a, b)
					ways[u]++
					deals[u] = first
					total++
				}
			}
			for u, first := range deals {
				below, above := 0, 0
				for v, k := range ways {
					if v <= u {
						below += k
					}
					if v >= u {
						above += k
					}
				}
				tail := below
				if u > n*(all-n) {
					tail = above
				}
				want := min(1, 2*float64(tail)/float64(total))
				if u == n*(all-n) {
					want = 1
				}
				a, b := deal(first)
				got := mannWhitney(sample(a), sample(b))
				if back := mannWhitney(sample(b), sample(a)); math.Abs(got-want) > 1e-12 || math.Abs(back-want) > 1e-12 {
					t.Fatalf("%v and %v: p %v, the other way round %v, want %v", a, b, got, back, want)
				}
				if least := leastP(n, all-n); got < least-1e-12 {
					t.Fatalf("%v and %v: p %v, less than the least, %v", a, b, got, least)
				}
			}
		}
	}
}

func TestDiffUnits(t *testing.T) {
	older, newer := diffRuns()
	d := diffOf(t, sideOf(t, "old", older), sideOf(t, "new", newer))
	for _, test := range []struct {
		units []string
		want  string // of the table of steady
	}{
		{nil, "p50, server CPU, wire bytes, allocations"},
		{[]string{AllUnits}, "p50, p90, server CPU, wire bytes, allocations, lost"},
		{[]string{"p90-sec/msg", "lost"}, "p90, lost"},
		{[]string{"connect-sec"}, ""},
	} {
		if err := d.Check(test.units); err != nil {
			t.Error(err)
		}
		got := ""
		for _, tab := range d.page(test.units).tables {
			if strings.Contains(tab.title, "steady") {
				got = strings.Join(tab.grid.head, ", ")
			}
		}
		if got != test.want {
			t.Errorf("%v: %s, want %s", test.units, got, test.want)
		}
	}
	if err := d.Check([]string{"lost", "p51"}); !errors.Is(err, ErrUnit) || !strings.Contains(err.Error(), `"p51"; there are all, connect-B`) {
		t.Errorf("got %v", err)
	}
}

// What a diff tells of, besides the figures.
func TestDiffTells(t *testing.T) {
	older, newer := diffRuns()
	mixed := sideOf(t, "mixed", older)
	mixed.Text = append(mixed.Text, bytes.ReplaceAll(mixed.Text, []byte("commit: 9f044c5"), []byte("commit: 1234567"))...)
	mixed.Text = append(mixed.Text, "Unit p50-sec/msg better=higher\n"...)
	other := newRun()
	other.Cells = older.Cells
	other.Environment.CPU = "Another CPU"
	outside := newRun()
	outside.Cells = older.Cells
	outside.Environment.Commit, outside.Environment.Dirty = "", false
	// Two machines whose processors have the same name, and one of which nothing
	// more is told, as of all in older records.
	told := func(processor string, memory int, machine string) *record.Run {
		run := newRun()
		run.Cells = older.Cells
		run.Environment.Processor, run.Environment.MemoryGB, run.Environment.Machine = processor, memory, machine
		return run
	}
	here, there := told("family 26, model 2, stepping 1", 25, "0123456789ab"), told("family 25, model 17, stepping 1", 16, "ba9876543210")
	moved := told("family 26, model 2, stepping 1", 25, "ba9876543210")
	for name, test := range map[string]struct {
		d    *Diff
		want []string
	}{
		"masked": {diffOf(t, sideOf(t, "old", here), sideOf(t, "new", there)), []string{
			"differs: processor: family 26, model 2, stepping 1 → family 25, model 17, stepping 1",
			"differs: memory: 25 GB → 16 GB", "differs: machine: 0123456789ab → ba9876543210", "measured on different machines"}},
		"moved": {diffOf(t, sideOf(t, "old", here), sideOf(t, "new", moved)), []string{
			"differs: machine: 0123456789ab → ba9876543210", "measured on different machines"}},
		"untold": {diffOf(t, sideOf(t, "old", older), sideOf(t, "new", here)), []string{
			"differs: not told: old does not tell its processor, memory, machine", "measured at different times"}},
		"outside": {diffOf(t, sideOf(t, "old", older), sideOf(t, "new", outside)), []string{"differs: commit: 9f044c5 with changes → not told"}},
		"inside":  {diffOf(t, sideOf(t, "old", outside), sideOf(t, "new", older)), []string{"differs: commit: not told → 9f044c5 with changes"}},
		"runs": {diffOf(t, sideOf(t, "old", older), sideOf(t, "new", newer)), []string{
			"PARTIAL RUN: new: interrupted. Nothing is recorded of broadcast / idle: 1000 clients",
			"NOTE: new: of 25 cells: 1 failed cell, LOST 12, 2 doubts on 1 cell; see compare report new",
			"differs: commit: 9f044c5 with changes → 57def26",
			"differs: go: go1.26.8 → go1.27.0",
			"differs: node: v20.20.0 → not used",
			"differs: rounds: 6 → 8",
			"differs: socket.io: 4.8.4 → not used",
			"differs: ws: not used → 8.23.0",
			"differs: case: broadcast / steady: 100 clients, 128 B body, 200 messages/s: window 0s → 2s",
			"only old: broadcast / echo: 1 client, 128 B body, 200 messages/s: raw",
			"only new: broadcast / echo: 1 client, 128 B body, 200 messages/s: sio",
			"only new: broadcast / connect: 1 client, 20 times in a round: sio",
			"3 old and 2 new rounds are too few: no change could have p <= 0.05; with 4 of each it could",
			"tokens: exact distribution expected, but values range from 900 to 901",
			"measured on different days and are compared unpaired",
			"counts and allocations are firm",
		}},
		"machines": {diffOf(t, sideOf(t, "old", older), sideOf(t, "new", other)), []string{
			"differs: cpu: Example CPU @ 2.00GHz → Another CPU", "measured on different machines"}},
		"bare": {diffOf(t, Side{Name: "bench.txt", Text: sideOf(t, "old", older).Text}, sideOf(t, "new", newer)), []string{
			"differs: go: go1.26.8 → go1.27.0", "differs: not told: old does not tell its cores, gorilla/websocket, ws",
			"old: bench.txt, benchmarks alone"}},
		"mixed": {diffOf(t, mixed, sideOf(t, "new", older)), []string{
			"MIXED: old: its figures are of several runs, that differ in commit",
			"CONFLICT: mixed:", "metadata better of unit p50-sec/msg already set to lower"}},
		"same": {diffOf(t, sideOf(t, "old", older), sideOf(t, "new", older)), []string{"measured at different times"}},
	} {
		got := strings.Join(test.d.Remarks(nil), "\n")
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q is not in\n%s", name, want, got)
			}
		}
		if name == "same" && strings.Contains(got, "differs") {
			t.Errorf("the same run differs from itself:\n%s", got)
		}
	}
}

func TestDiffErrors(t *testing.T) {
	good := sideOf(t, "good", runs()["usual"])
	for _, sides := range [][2]Side{{good, {Name: "empty"}}, {{Name: "empty", Text: []byte("PASS\n")}, good}} {
		if _, err := NewDiff(sides[0], sides[1]); err == nil || !strings.Contains(err.Error(), "empty holds no figures") {
			t.Errorf("got %v", err)
		}
	}
	d := diffOf(t, good, good)
	for _, err := range []error{d.Table(brokenPipe{}, nil), d.Markdown(brokenPipe{}, nil), d.CSV(brokenPipe{}, nil)} {
		if !errors.Is(err, errPipe) {
			t.Errorf("got %v, want the writer's error", err)
		}
	}
}

// A name and its case are the same both ways.
func TestParseName(t *testing.T) {
	for _, c := range []scenarios.Case{echo, steady, join, {Name: "rooms", Clients: 1000, Rooms: 100, Size: 32, Rate: 0.5}} {
		scenario, got, ok := parseName(record.SeriesName("broadcast", c))
		c.Samples = 0 // is not in the name
		if scenario != "broadcast" || got != c || !ok {
			t.Errorf("%+v has become %s, %+v, %t", c, scenario, got, ok)
		}
	}
	for _, name := range []string{"", "Sort", "Sort/n=5", "Broadcast/case=a", "Broadcast/clients=1/case=a", "broadcast/case=a/clients=1"} {
		if _, c, ok := parseName(name); ok {
			t.Errorf("%s is %+v", name, c)
		}
	}
}

// Each line of the CSV is one change.
func TestDiffCSV(t *testing.T) {
	older, newer := diffRuns()
	d := diffOf(t, sideOf(t, "old", older), sideOf(t, "new", newer))
	var b bytes.Buffer
	if err := d.CSV(&b, []string{AllUnits}); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	verdicts := make(map[string]int)
	for _, line := range lines[1:] {
		if line[0] != "broadcast" {
			t.Errorf("scenario %q", line[0])
		}
		verdicts[line[len(line)-1]]++
	}
	for _, v := range []verdict{differs, notFound, tooShort, oneSided} {
		if verdicts[string(v)] == 0 {
			t.Errorf("nothing is %s: %v", v, verdicts)
		}
	}
}

// Whatever stands in two files of benchmarks, they are compared, and no view
// prints what a terminal would obey. Fuzz it with -fuzzminimizetime 10x: the
// seeds are long, and the default of a minute goes into making one shorter.
func FuzzDiff(f *testing.F) {
	older, newer := diffRuns()
	f.Add(sideOf(f, "old", older).Text, sideOf(f, "new", newer).Text)
	f.Add([]byte("BenchmarkX/stack=\x1b[2J-1 1 1e308 B 0 B\nUnit B assume=exact\n"), []byte("Unit B assume=no\nBenchmarkX/stack=\x1b[2J 1 -1e308 B 1e-308 B/s\nx: \u202e\n"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		// As ReadText leaves it, but for contradictions.
		for _, text := range [][]byte{a, b} {
			for _, word := range []string{"nan", "inf"} {
				if bytes.Contains(bytes.ToLower(text), []byte(word)) {
					return
				}
			}
		}
		d, err := NewDiff(Side{Name: "a", Text: a}, Side{Name: "b", Text: b})
		if err != nil {
			return
		}
		var out bytes.Buffer
		units := []string{AllUnits}
		if err := errors.Join(d.Table(&out, units), d.Markdown(&out, units), d.CSV(&out, units)); err != nil {
			t.Fatal(err)
		}
		if i := bytes.IndexFunc(out.Bytes(), unseen); i >= 0 {
			t.Errorf("%q", out.Bytes()[i:])
		}
	})
}

func TestFigures(t *testing.T) {
	for _, test := range []struct {
		q        record.Quantity
		old, new float64
		want     string
	}{
		{record.Duration, 488e-6, 512.4e-6, "488 → 512 µs"},
		{record.Duration, 998e-6, 1.02e-3, "998 → 1020 µs"},
		{record.CPU, 8.1e-6, 9e-6, "8.10 → 9.00 µs"},
		{record.Bytes, 268, 270, "268 → 270 B"},
		{record.Bytes, 0.5, 0.25, "0.500 → 0.250 B"},
		{record.Bytes, 17_500, 18_000, "17.5 → 18.0 kB"},
		{record.Rate, 121_400, 90_000, "121.4 → 90.0 k/s"},
		{record.Share, 1, 0.985, "100 → 98.5 %"},
		{record.Count, 16.04, 0, "16.0 → 0"},
		{record.Duration, 1e-9, 100, "1 ns → 100 s"},
		{record.Bytes, 0, 300, "0 → 300 B"},
		{record.Bytes, math.MaxFloat64, 1, "1.80e+299 GB → 1 B"},
	} {
		c := change{n: [2]int{1, 1}, center: [2]float64{test.old, test.new}}
		if got := c.figures(record.Unit{Quantity: test.q}); got != test.want {
			t.Errorf("%s: %v, %v: %q, want %q", test.q, test.old, test.new, got, test.want)
		}
	}
}
