package trend

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"wsvsio/internal/page/pagetest"
	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// write records a run whose rawws is so many times the floor, with noise of one
// percent either way.
func write(t *testing.T, dir, name, commit, cpu string, day int, ratio float64) {
	t.Helper()
	writeAs(t, dir, name, day, ratio, Way{}, false, record.Environment{Commit: commit, CPU: cpu, Cores: 2})
}

// writeAs is write for a run of some profile, and of some environment.
func writeAs(t *testing.T, dir, name string, day int, ratio float64, way Way, partial bool, e record.Environment) {
	t.Helper()
	stacks := []scenarios.Stack{{Name: "floor"}, {Name: "rawws", Twin: "floor"}}
	w, err := record.Create(filepath.Join(dir, name), record.Run{
		Tool: "test", Started: time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC), Rounds: 8, Stacks: stacks,
		Profile: way.Profile, Environment: e,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := scenarios.Case{Name: "steady", Clients: 100, Window: way.Window, Repeats: way.Repeats, Timers: way.Timers}
	for round := 1; round <= 8; round++ {
		noise := 1 + 0.01*float64(round%3-1)
		for stack, v := range map[string]float64{"floor": 1e-6, "rawws": 1e-6 * ratio * noise} {
			err := w.Add(record.Cell{Scenario: "broadcast", Case: c, Stack: stack, Round: round, N: 1,
				Values: []record.Value{{Unit: "server-cpu-sec/msg", V: v}}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(partial, ""); err != nil {
		t.Fatal(err)
	}
}

const hostile = `<script>alert(1)</script>&"'`

// history has three runs of two machines, written out of order, beside what is
// no run.
func history(t *testing.T) (*History, string) {
	t.Helper()
	dir := t.TempDir()
	write(t, dir, "b", "bbbbbbbbbbbb", "A CPU", 2, 1.5)
	write(t, dir, "a", "aaaaaaaaaaaa", "A CPU", 1, 1.2)
	write(t, dir, "c", hostile, hostile, 3, 0.9)
	if err := os.Mkdir(filepath.Join(dir, "experiment"), 0o777); err != nil {
		t.Fatal(err)
	}
	h, err := Read(dir, nil, nil)
	if err != nil || len(h.Problems) > 0 {
		t.Fatal(err, h.Problems)
	}
	return h, dir
}

func TestRead(t *testing.T) {
	h, dir := history(t)
	if len(h.Runs) != 3 || h.Runs[0].Name != "a" || h.Runs[2].Name != "c" {
		t.Errorf("%+v", h.Runs)
	}
	if len(h.Lines) != 1 || h.Lines[0].Twin != "floor" || len(h.Lines[0].Points) != 3 {
		t.Fatalf("%+v", h.Lines)
	}
	for i, want := range []float64{1.2, 1.5, 0.9} {
		p := h.Lines[0].Points[i]
		if p.Run != i || p.Rounds != 8 || p.Low > want || p.High < want || p.Low >= p.High || p.Estimate/want < 0.98 || p.Estimate/want > 1.02 {
			t.Errorf("point %d: %+v, want about %v", i, p, want)
		}
	}
	for _, none := range [][2][]string{{{"p50-sec/msg"}, nil}, {nil, {"echo"}}} {
		if h, err := Read(dir, none[0], none[1]); err != nil || len(h.Lines) > 0 || len(h.Runs) > 0 {
			t.Errorf("%v: %+v, %v", none, h, err)
		}
	}
	if _, err := Read(t.TempDir(), nil, nil); !errors.Is(err, ErrNoRuns) {
		t.Error(err)
	}
	if _, err := Read(filepath.Join(dir, "none"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	// One that is damaged is told, and the others are shown.
	if err := os.WriteFile(filepath.Join(dir, "b", "run.json"), []byte("{"), 0o666); err != nil {
		t.Fatal(err)
	}
	if h, err := Read(dir, nil, nil); err != nil || len(h.Problems) == 0 || len(h.Runs) != 2 {
		t.Errorf("%+v, %v", h, err)
	}
}

// TestWays has runs that measure a case in other ways: no line joins them, and each has
// a chart of its own.
func TestWays(t *testing.T) {
	dir := t.TempDir()
	e := record.Environment{CPU: "A CPU", Cores: 2}
	quick := Way{Profile: scenarios.Quick, Window: 80 * time.Millisecond}
	for i, way := range []Way{
		quick,
		{Profile: scenarios.Full, Window: time.Second, Repeats: 5},
		quick,
		{Profile: scenarios.Quick, Window: 100 * time.Millisecond},
		{Profile: scenarios.Quick, Window: 80 * time.Millisecond, Repeats: 2},
		{Profile: scenarios.Quick, Window: 80 * time.Millisecond, Timers: scenarios.Timers{PingInterval: time.Second, PingTimeout: 2 * time.Second}},
		{},
	} {
		writeAs(t, dir, fmt.Sprint(i), i+1, 1.2, way, false, e)
	}
	h, err := Read(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range h.charts() {
		var runs []string
		for _, p := range c.Lines[0].Points {
			runs = append(runs, p.Run.Name)
		}
		got = append(got, c.Way+": "+strings.Join(runs, " "))
		if len(c.Lines) != 1 || !strings.Contains(c.Title, "("+c.Way+")") {
			t.Errorf("%s: %+v", c.Title, c.Lines)
		}
	}
	want := []string{
		"quick, a window of 80ms: 0 2", "full, 5 windows of 1s: 1", "quick, a window of 100ms: 3", "quick, 2 windows of 80ms: 4",
		"quick, ping interval 1s, ping timeout 2s: 5", "unknown profile: 6",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestChanged has runs between which more has changed than the code, one of them
// partial: each view tells it.
func TestChanged(t *testing.T) {
	dir := t.TempDir()
	way := Way{Profile: scenarios.Quick}
	for i, e := range []record.Environment{
		{CPU: "A CPU", Machine: "a0", Go: "go1.26.8", Node: "v20.20.2", Libraries: map[string]string{"ws": "8.22.0", "gorilla": "v1.5.3"}},
		{CPU: "A CPU", Machine: "a0", Go: "go1.26.8", Libraries: map[string]string{"gorilla": "v1.5.3"}},
		{CPU: "A CPU", Machine: "a0", Go: "go1.27.0", Node: "v20.20.2", Libraries: map[string]string{"ws": "8.23.0", "gorilla": "v1.5.3", "new": "1.0.0"}},
		{CPU: "A CPU", Machine: "b1", Go: "go1.27.0", Node: "v22.1.0"},
		{CPU: "A CPU", Machine: "b1", Go: "go1.27.0", Node: "v22.1.0"},
	} {
		writeAs(t, dir, fmt.Sprint(i), i+1, 1.2, way, i == 4, e)
	}
	h, err := Read(dir, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "", "Go 1.26.8 to 1.27.0, ws 8.22.0 to 8.23.0", "another machine, Node 20.20.2 to 22.1.0", "partial"}
	for i, r := range h.Runs {
		if r.Remarks() != want[i] {
			t.Errorf("run %d: %q, want %q", i, r.Remarks(), want[i])
		}
	}
	tables := []string{want[2], want[3], "4 (partial)", "quick", "1.27.0", "22.1.0", "A CPU, 0 cores, b1", "2 machines"}
	drawing := []string{`class="partial"`, "3: another machine, Node 20.20.2 to 22.1.0", "2: Go 1.26.8 to 1.27.0", "4 (partial)",
		"dashed: the machine or a version has changed; hollow: a partial run", "Go 1.27.0, Node 22.1.0", ">quick<"}
	for _, tt := range []struct {
		name string
		view func(io.Writer) error
		want []string
	}{
		{"table", h.Table, tables}, {"markdown", h.Markdown, tables}, {"svg", h.SVG, drawing}, {"html", h.HTML, slices.Concat(tables, drawing)},
	} {
		var b bytes.Buffer
		if err := tt.view(&b); err != nil {
			t.Fatal(err)
		}
		for _, text := range tt.want {
			if !strings.Contains(b.String(), text) {
				t.Errorf("%s lacks %q:\n%s", tt.name, text, &b)
			}
		}
		if tt.name == "svg" && (strings.Count(b.String(), `class="change"`) != 2 || strings.Count(b.String(), `class="partial"`) != 1) {
			t.Errorf("%s marks other runs:\n%s", tt.name, &b)
		}
	}
}

// TestMachines counts machines by their ids, and where there are none by what is known.
func TestMachines(t *testing.T) {
	for _, tt := range []struct {
		name           string
		machines       []machine
		least, unnamed int
	}{
		{"one", []machine{{cpu: "A", id: "a0"}, {cpu: "A", id: "a0"}}, 1, 0},
		{"two of the same make", []machine{{cpu: "A", id: "a0"}, {cpu: "A", id: "b1"}}, 2, 0},
		{"one image on two", []machine{{cpu: "A", id: "a0"}, {cpu: "B", id: "a0"}}, 2, 0},
		{"a core more", []machine{{cpu: "A", id: "a0", cores: 2}, {cpu: "A", id: "a0", cores: 4}}, 2, 0},
		{"without an id", []machine{{cpu: "A"}, {cpu: "A", id: "a0"}, {cpu: "A"}}, 1, 2},
		{"without ids", []machine{{cpu: "A"}, {cpu: "B"}, {cpu: "A"}}, 2, 3},
		{"of another stepping", []machine{{cpu: "A", processor: "stepping 1"}, {cpu: "A", processor: "stepping 2"}}, 2, 2},
	} {
		h := &History{}
		for _, m := range tt.machines {
			h.Runs = append(h.Runs, Run{machine: m})
		}
		if least, unnamed := h.Machines(); least != tt.least || unnamed != tt.unnamed {
			t.Errorf("%s: %d, %d unnamed", tt.name, least, unnamed)
		}
	}
}

// TestSVG reads the drawing as XML and counts what is in it.
func TestSVG(t *testing.T) {
	h, _ := history(t)
	var b bytes.Buffer
	if err := h.SVG(&b); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	count := make(map[string]int)
	d := xml.NewDecoder(&b)
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, text)
		}
		if e, ok := token.(xml.StartElement); ok {
			count[e.Name.Local]++
		}
	}
	if count["svg"] != 1 || count["polyline"] != 1 || count["circle"] != 3 || count["script"] != 0 || count["image"] != 0 {
		t.Errorf("%v", count)
	}
	if strings.Contains(text, "<script") || strings.Contains(text, "NaN") || strings.Contains(text, "ZgotmplZ") {
		t.Errorf("not escaped, or not a number:\n%s", text)
	}
}

// TestLabels has runs of every number: the labels below a chart do not overlap, and
// the newest run has one.
func TestLabels(t *testing.T) {
	for _, commit := range []string{"-", "0123456789ab", "0123456789ab+dirty"} {
		for n := 1; n <= 60; n++ {
			h := &History{Lines: []Line{{Series: "X", Stack: "rawws", Twin: "floor", Unit: "server-cpu-sec/msg"}}}
			for i := range n {
				h.Runs = append(h.Runs, Run{Name: fmt.Sprint(i), Commit: commit})
				h.Lines[0].Points = append(h.Lines[0].Points, Point{Run: i, Estimate: 1, Low: 1, High: 1})
			}
			c := h.charts()[0]
			labels, points := c.Labels, c.Lines[0].Points
			if len(labels) == 0 || labels[len(labels)-1].X != points[n-1].X {
				t.Fatalf("%d runs: %v", n, labels)
			}
			for i, l := range labels[1:] {
				// A digit of ten pixels is 6.4 wide in the widest font.
				if apart := l.X - labels[i].X; apart < 6.4*float64(len(commit)) {
					t.Errorf("%d runs of %s: labels %.1f px apart", n, commit, apart)
				}
			}
			if n <= 4 && len(labels) != n {
				t.Errorf("%d runs of %s have %d labels", n, commit, len(labels))
			}
		}
	}
}

func TestViews(t *testing.T) {
	h, _ := history(t)
	for name, view := range map[string]func(io.Writer) error{"html": h.HTML, "table": h.Table, "markdown": h.Markdown} {
		var b bytes.Buffer
		if err := view(&b); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		for _, want := range []string{"rawws / floor", "aaaaaaaaaaaa", "1.200x", "1.500x", "2 or more machines (runs that do not say of which: 3)", "2026-11-01 12:00"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", name, want)
			}
		}
		if name == "html" && (strings.Contains(text, "<script") || strings.Contains(text, "ZgotmplZ") || strings.Contains(text, "src=") || regexp.MustCompile(`href="[^#d]`).MatchString(text)) {
			t.Errorf("%s is not escaped, or fetches something:\n%s", name, text)
		}
	}
}

// TestPage opens the page as a reader does.
func TestPage(t *testing.T) {
	h, _ := history(t)
	var b bytes.Buffer
	if err := h.HTML(&b); err != nil {
		t.Fatal(err)
	}
	pagetest.Check(t, "trend", b.Bytes())
}

func TestScale(t *testing.T) {
	for _, tt := range []struct{ low, high float64 }{{0.9, 1.1}, {0.5, 3}, {0.9, 1200}, {0.1, 1.2}} {
		marks := scale(tt.low, tt.high)
		one := false
		for _, m := range marks {
			one = one || m == 1
			if m < tt.low || m > tt.high {
				t.Errorf("%v: %v", tt, m)
			}
		}
		if len(marks) < 2 || len(marks) > 12 || !one {
			t.Errorf("%v: %v", tt, marks)
		}
	}
}
