package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"wsvsio/bench"
	"wsvsio/internal/page/pagetest"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
	"wsvsio/scenarios"
)

// most is how long a page may be, in bytes.
const most = 1_000_000

// recordings are one run for each scenario, as they are kept in the repository.
var recordings = []string{"2026-11-27-full", "2026-11-28-proxy", "2026-11-27-fallback", "2026-11-27-size", "2026-11-25-quick"}

// page returns the page of runs that are kept in the repository.
func page(t *testing.T, names ...string) string {
	t.Helper()
	args := []string{"report", "-format", "html"}
	for _, n := range names {
		args = append(args, filepath.Join("../../results", n))
	}
	status, stdout, stderr := compare(t, args...)
	if status != exitOK || stderr != "" {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	return stdout
}

// TestPage opens the page of all scenarios. It says what it has to and is not
// too long.
func TestPage(t *testing.T) {
	html := page(t, recordings...)
	if len(html) > most {
		t.Errorf("%d bytes, at most %d are allowed", len(html), most)
	}
	t.Logf("%d bytes", len(html))
	for _, want := range []string{
		"What to choose", "What holds", "holds in part", "How long messages take", "Times the twin", "Over the number of clients",
		"What became of a client", "What gets through", "rawws/server.go beside sio/server.go", "<b>func</b>",
		"compare -seed 20261125", "compare report -format html ",
	} {
		if !strings.Contains(html, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	for _, name := range []string{"broadcast", "reconnect", "proxy", "fallback", "size"} {
		if about, ok := scenarios.AboutOf(name); !ok || !strings.Contains(html, about.Question) {
			t.Errorf("it does not ask what %s asks", name)
		}
	}
	pagetest.Opens(t, "report", []byte(html))
}

// TestPageForAll holds a page with every kind of chart and table to what
// axe-core knows of those who use no mouse, or see little, or nothing.
func TestPageForAll(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	pagetest.Check(t, "small", []byte(page(t, "2026-11-25-go-alone", "2026-11-28-reconnect-defaults", "2026-11-27-fallback")))
}

// TestPageOfFull has everything that the full profile measures, on every stack. It
// would take a minute to write such a run.
func TestPageOfFull(t *testing.T) {
	run := record.Run{Format: record.Format, Tool: "test", Profile: scenarios.Full, Rounds: 20, Seed: 1, Stacks: bench.Stacks()}
	in := report.Whole{Runs: []report.Recorded{{Name: "full", Run: &run}}, Command: "compare report"}
	model := models(t)
	for _, sc := range allScenarios() {
		for _, c := range sc.Cases(scenarios.Full) {
			for _, s := range bench.Stacks() {
				like, ok := model[sc.Name()+"/"+s.Name]
				if !ok || !s.IsFor(sc.Name()) || c.OnRequest {
					continue
				}
				if same, ok := model[sc.Name()+"/"+c.Name+"/"+s.Name]; ok {
					like = same
				}
				for round := 1; round <= 20 && (round == 1 || !c.Once); round++ {
					one := like
					one.Case, one.Round = c, round
					one.Values = slices.Clone(like.Values)
					for i := range one.Values {
						one.Values[i].V *= 1 + 0.1*float64(round%5)
					}
					run.Cells = append(run.Cells, one)
					if round == 1 && c.Rate > 0 && sc.Name() == "broadcast" {
						h := hdr.New(1, 1e10, 3)
						for i := range int64(200_000) {
							h.RecordValue(100_000 + i*i%7_777_777)
						}
						h.SetTag(record.SeriesName(sc.Name(), c) + "/stack=" + s.Name + "/latency/others")
						in.Runs[0].Histograms = append(in.Runs[0].Histograms, h)
					}
				}
			}
		}
	}
	var html bytes.Buffer
	c := &call{ctx: t.Context(), stop: make(chan struct{}), stdout: &html}
	if err := c.writePage(in); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d cells, %d bytes", len(run.Cells), html.Len())
	if len(run.Cells) < 5000 || html.Len() > most {
		t.Errorf("the page of %d cells has %d bytes, at most %d are allowed", len(run.Cells), html.Len(), most)
	}
	// So large a page has the beginnings of files, and another has all of them.
	const cut = "lines more in the repository"
	if !strings.Contains(html.String(), cut) || !strings.Contains(html.String(), "rawws/server.go") {
		t.Error("the page has all code, or none")
	}
	html.Reset()
	run.Cells, in.Runs[0].Histograms = run.Cells[:1], nil
	if err := c.writePage(in); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(html.String(), cut) || !strings.Contains(html.String(), "rawws/server.go") {
		t.Error("the page of a cell has not all of the code")
	}
	if file := os.Getenv("FULL"); file != "" {
		os.WriteFile(file, html.Bytes(), 0o666)
	}
}

// models returns cells that were recorded, by scenario and stack, and by
// scenario, case and stack. Their distributions are those of steady.
func models(t *testing.T) map[string]record.Cell {
	t.Helper()
	list := make(map[string]record.Cell)
	for _, name := range recordings {
		run, _, err := record.Read(filepath.Join("../../results", name))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range run.Cells {
			if !c.Measured() || c.Round != 1 {
				continue
			}
			for _, key := range []string{c.Scenario + "/" + c.Stack, fmt.Sprintf("%s/%s/%s", c.Scenario, c.Case.Name, c.Stack)} {
				if _, ok := list[key]; !ok {
					list[key] = c
				}
			}
		}
	}
	return list
}

// TestPageDamaged shows what is left of damaged runs, and says what is not.
func TestPageDamaged(t *testing.T) {
	n := lastCell(t)
	whole := filepath.Join("../../results", "2026-11-27-fallback")
	for name, tt := range map[string]struct {
		dir  string
		want []string
	}{
		"a cell":   {copied(t, "run.json", garbleLine(n)), []string{"Not all of it could be read", "this cell is left out", "broadcast / steady"}},
		"the end":  {copied(t, "run.json", half), []string{"the file is cut off here", "Partial run", "broadcast / fan-out"}},
		"hlog":     {copied(t, "latency.hlog", garbleLine(9)), []string{"latency.hlog:9: not a line of an HdrHistogram log", "How long messages take"}},
		"no hlog":  {copied(t, "latency.hlog", func([]byte) []byte { return []byte("x\n") }), []string{"The distributions of the latencies are not there", "Times the twin"}},
		"no run":   {copied(t, "run.json", func([]byte) []byte { return []byte("garbage") }), []string{"A run is missing", "run.json:1: damaged at byte 1", "fallback / wire"}},
		"no files": {filepath.Join(t.TempDir(), "none"), []string{"A run is missing", "fallback / wire"}},
	} {
		t.Run(name, func(t *testing.T) {
			status, html, stderr := compare(t, "report", "-format", "html", tt.dir, whole)
			if status != exitError || stderr == "" {
				t.Errorf("exit status %d, stderr %q", status, stderr)
			}
			for _, want := range tt.want {
				if !strings.Contains(html, want) {
					t.Errorf("the page lacks %q", want)
				}
			}
			if strings.Contains(html, "\x1b") || strings.Contains(strings.Split(html, "This page was made by")[0], filepath.Dir(tt.dir)) {
				t.Error("the page has control characters, or the name of a folder of this machine")
			}
		})
	}
	if status, html, stderr := compare(t, "report", "-format", "html", filepath.Join(t.TempDir(), "none")); status != exitError || html != "" || stderr == "" {
		t.Errorf("exit status %d, stdout %q, stderr %q", status, html, stderr)
	}
}

// TestPageAway is made outside of the repository, where the code is not.
func TestPageAway(t *testing.T) {
	dir, err := filepath.Abs(recorded)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	status, html, stderr := compare(t, "report", "-format", "html", dir)
	if status != exitOK || !strings.Contains(html, "The code is not shown: the folder of the repository was not found") {
		t.Errorf("exit status %d, %s", status, stderr)
	}
}

// TestChartFiles writes the charts, and each is a drawing of its own.
func TestChartFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "charts")
	status, stdout, stderr := compare(t, "report", "-charts", dir, recorded)
	if status != exitOK || stdout != "" || stderr != "" {
		t.Fatalf("exit status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	for _, name := range []string{"broadcast-steady-latency", "broadcast-steady-ratios", "broadcast-idle-server-b-conn"} {
		text, err := os.ReadFile(filepath.Join(dir, name+".svg"))
		if err != nil || !strings.HasPrefix(string(text), "<svg xmlns=") || !strings.Contains(string(text), "prefers-color-scheme") {
			t.Errorf("%v: %.100s", err, text)
		}
	}
	for _, args := range [][]string{{"-charts", dir}, {"-charts", dir, "-format", "csv", recorded}, {"-format", "html"}} {
		if status, _, stderr := compare(t, append([]string{"report"}, args...)...); status != exitUsage {
			t.Errorf("%v: exit status %d, %s", args, status, stderr)
		}
	}
}

// TestAbout finds in short what every scenario is.
func TestAbout(t *testing.T) {
	for _, s := range allScenarios() {
		about, ok := scenarios.AboutOf(s.Name())
		if !ok || !strings.HasSuffix(about.Question, "?") {
			t.Errorf("%s asks %q", s.Name(), about.Question)
		}
		if n := strings.Count(about.Method, ". ") + 1; n != 3 || !strings.HasSuffix(about.Method, ".") {
			t.Errorf("the method of %s has %d sentences, want 3", s.Name(), n)
		}
	}
}
