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
	stacks := []scenarios.Stack{{Name: "floor"}, {Name: "rawws", Twin: "floor"}}
	w, err := record.Create(filepath.Join(dir, name), record.Run{
		Tool: "test", Started: time.Date(2026, 11, day, 12, 0, 0, 0, time.UTC), Rounds: 8, Stacks: stacks,
		Environment: record.Environment{Commit: commit, CPU: cpu, Cores: 2},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := scenarios.Case{Name: "steady", Clients: 100}
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
	if err := w.Close(false, ""); err != nil {
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
	if len(h.Runs) != 3 || h.Runs[0].Name != "a" || h.Runs[2].Name != "c" || len(h.Machines()) != 2 {
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
		for _, want := range []string{"rawws / floor", "aaaaaaaaaaaa", "1.200x", "1.500x", "2 machines", "2026-11-01 12:00"} {
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
