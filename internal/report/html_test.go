package report

import (
	"bytes"
	"errors"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// evilMarkup is what a browser would run, were it not escaped.
const evilMarkup = `<script>alert(1)</script><img src=x onerror=alert(2)>"'` + "`" + `&<style>*{}</style>`

// pageOf returns the runs as a page.
func pageOf(t testing.TB, runs ...Recorded) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, Whole{Runs: runs, NoCode: "a test has none", Command: "compare report"}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// foreign finds markup that no page of ours has: elements, attributes and what
// the templates put where they refuse something. Texts are escaped, so a tag ends
// at the next ">", and no quote stands outside of one.
func foreign(text string) string {
	text = regexp.MustCompile(`"[^"]*"`).ReplaceAllString(text, `""`)
	return regexp.MustCompile(`(?i)<(script|img|iframe|object|embed|style>\*|b>alert)|<[^<>]*\s(on[a-z]+|src|style)=|ZgotmplZ`).FindString(text)
}

// TestHTML shows every run of the golden files.
func TestHTML(t *testing.T) {
	for name, run := range runs() {
		text := pageOf(t, Recorded{Name: name, Run: run})
		if bad := foreign(text); bad != "" {
			t.Errorf("%s has %q", name, bad)
		}
		holdLinks(t, name, text)
		if failed := slices.ContainsFunc(run.Cells, func(c record.Cell) bool { return c.Error != "" }); failed && !strings.Contains(text, "<strong>failed</strong>") {
			t.Errorf("%s does not say that cells failed", name)
		}
		if len(run.Cells) > 0 && !strings.Contains(text, `<section id="t1">`) {
			t.Errorf("%s does not show its tables", name)
		}
	}
}

// holdLinks finds the end of every link in the page, and every id once.
func holdLinks(t *testing.T, name, text string) {
	t.Helper()
	ids := make(map[string]int)
	for _, m := range regexp.MustCompile(`\sid="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("%s: %d elements have the id %s", name, n, id)
		}
	}
	for _, m := range regexp.MustCompile(`\shref="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if id, ok := strings.CutPrefix(m[1], "#"); m[1] != "data:," && (!ok || ids[id] == 0) {
			t.Errorf("%s: a link leads to %s", name, m[1])
		}
	}
}

// TestHTMLEscapes has markup in everything that a run can name.
func TestHTMLEscapes(t *testing.T) {
	run := runs()["markup"]
	run.Tool, run.Args, run.Why = evilMarkup, []string{evilMarkup}, evilMarkup
	run.Environment.CPU, run.Environment.Commit, run.Environment.Kernel = evilMarkup, evilMarkup, evilMarkup
	run.Planned = []record.Planned{{Scenario: evilMarkup, Case: scenarios.Case{Name: evilMarkup}}}
	for _, scenario := range []string{evilMarkup, "broadcast", "reconnect"} {
		for _, stack := range []string{evilMarkup, "rawws", "sio"} {
			for i, kind := range []string{"silent", evilMarkup, "idle"} {
				c := measured(scenarios.Case{Name: kind, Clients: 2}, stack, 1, "works", 0.0, evilMarkup, 2.0, "lost-down", 3.0, "server-B/conn", 5.0)
				c.Scenario, c.Doubts = scenario, []string{evilMarkup}
				c.Labels = map[string]string{evilMarkup: evilMarkup, "error": evilMarkup, "outcome of " + evilMarkup: evilMarkup}
				c.Events = []scenarios.Event{{Kind: scenarios.EventFault, At: 1, Reason: evilMarkup}, {Kind: scenarios.EventDown, At: 5, Reason: evilMarkup}}
				if i == 1 {
					c.Error = evilMarkup
				}
				run.Cells = append(run.Cells, c)
			}
		}
	}
	run.Stacks = append(run.Stacks, scenarios.Stack{Name: "rawws", About: evilMarkup}, scenarios.Stack{Name: "sio", Twin: "rawws"})
	text := pageOf(t, Recorded{Name: evilMarkup, Run: run, Problems: []record.Problem{{File: evilMarkup, Text: evilMarkup}}})
	if bad := foreign(text); bad != "" {
		t.Errorf("the page has %q", bad)
	}
	if n := strings.Count(text, "&lt;script&gt;alert(1)"); n < 20 {
		t.Errorf("the markup is shown as text %d times", n)
	}
	holdLinks(t, "markup", text)
}

// TestHTMLMissing says in its place what is not there.
func TestHTMLMissing(t *testing.T) {
	partial := runs()["partial"]
	partial.Planned = []record.Planned{{Scenario: "broadcast", Case: echo}, {Scenario: "reconnect", Case: scenarios.Case{Name: "reset", Clients: 8}}}
	text := pageOf(t, Recorded{Name: "partial", Run: partial, Problems: []record.Problem{{File: "run.json", Line: 7, Text: "cut off"}}})
	for _, want := range []string{
		"Partial run: interrupted.", "Nothing is recorded of broadcast / echo", "Nothing of this scenario was measured.",
		"The distributions of the latencies are not there", "run.json:7: cut off", "The code is not shown: a test has none.",
		"npm ci --prefix sio/node", `<span class="answer none">not measured</span>`,
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	// A run of a version that had neither arguments nor stacks nor an environment.
	old := &record.Run{Format: 1, Cells: steadyCells(steady)}
	old.Cells[0].Labels = map[string]string{"outcome of x": "hangs"}
	if text := pageOf(t, Recorded{Run: old}); !strings.Contains(text, "run 1") || !strings.Contains(text, "25 µs") {
		t.Error("an old run is not shown")
	}
	if text := pageOf(t); !strings.Contains(text, "Nothing was measured.") {
		t.Error("no run at all is not told")
	}
}

// TestHTMLTraces follows what the verdicts rest on to the cell.
func TestHTMLTraces(t *testing.T) {
	run, problems, err := record.Read("../../results/2026-11-25-quick")
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	text := pageOf(t, Recorded{Name: "quick", Run: run})
	holdLinks(t, "quick", text)
	links := 0
	for _, v := range Verdicts(run) {
		for range v.Evidence {
			links++
		}
	}
	for _, a := range Advise(run) {
		links += len(a.Evidence)
	}
	for _, b := range BreakEvens(run) {
		links += len(b.Evidence)
	}
	if links < 20 {
		t.Errorf("the verdicts rest on %d figures", links)
	}
	if n := len(regexp.MustCompile(`<li><a href="#t\d+\.\d+">`).FindAllString(text, -1)); n != links {
		t.Errorf("%d of %d figures lead to a cell", n, links)
	}
	// One of them, all the way: the cell says what the verdict says.
	m := regexp.MustCompile(`<a href="#(t\d+\.\d+)">2\.5x \(2\.1-3\.0x\) the server CPU per delivery of rawws</a>`).FindStringSubmatch(text)
	if m == nil {
		t.Fatal("the ratio of the CPU is no link")
	}
	cell := regexp.MustCompile(`<td id="` + regexp.QuoteMeta(m[1]) + `"[^>]*>(.*?)<t[dr]`).FindStringSubmatch(text)
	if cell == nil || !strings.Contains(cell[1], "2.5x") || !strings.Contains(cell[1], "27 µs") {
		t.Errorf("it leads to %q", cell)
	}
}

// TestCharts draws every kind from recorded runs.
func TestCharts(t *testing.T) {
	var list []Recorded
	for _, name := range []string{"2026-11-25-quick", "2026-11-27-fallback"} {
		run, _, err := record.Read("../../results/" + name)
		if err != nil {
			t.Fatal(err)
		}
		histograms, problems, err := record.ReadHistograms("../../results/"+name, true)
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		list = append(list, Recorded{Name: name, Run: run, Histograms: histograms})
	}
	names, seen := make(map[string]bool), make(map[string]bool)
	for _, c := range Charts(list) {
		if names[c.Name] || !regexp.MustCompile(`^[a-z0-9._-]+$`).MatchString(c.Name) {
			t.Errorf("a chart is called %q, or two are", c.Name)
		}
		names[c.Name], seen[c.Kind] = true, true
	}
	for _, kind := range kinds {
		if !seen[kind] {
			t.Errorf("there is none of %q", kind)
		}
	}
	for name, want := range map[string]string{
		"broadcast-steady-ratios":      "server CPU, sio / rawws: 2.5x (2.1-3.0x)",
		"broadcast-idle-server-b-conn": "sio 54.5 kB",
		"reconnect-silent-recovery":    "rawws never noticed, never back",
	} {
		found := false
		for _, c := range Charts(list) {
			found = found || c.Name == name && strings.Contains(c.Text, want)
		}
		if !found {
			t.Errorf("%s does not say %q", name, want)
		}
	}
}

func TestOutcomeClass(t *testing.T) {
	for text, want := range map[string]string{
		"ws": "good", "works": "good", "polling, then ws": "good", "polling": "part", "67 % ws": "part", "polling/ws": "part",
		"403": "bad", "ends: closed": "bad", "hangs": "bad", "403/silence": "bad", "n/a": "none", "-": "none",
	} {
		if got := outcomeClass(text); got != want {
			t.Errorf("%q is %s, want %s", text, got, want)
		}
	}
}

func TestAgain(t *testing.T) {
	for want, run := range map[string]*record.Run{
		"compare -seed 7":                      {Seed: 7, Profile: scenarios.Quick},
		"compare -profile full -seed 7":        {Seed: 7, Profile: scenarios.Full},
		"compare -stack rawws,sio -seed 5":     {Seed: 5, Args: []string{"-stack", "rawws,sio", "-seed", "5"}},
		`compare -case 'a b; rm'\''s' -seed 7`: {Seed: 7, Args: []string{"-case", "a b; rm's"}},
	} {
		if got := again(run); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestHTMLWriteError(t *testing.T) {
	if err := HTML(brokenPipe{}, Whole{}); !errors.Is(err, errPipe) {
		t.Errorf("got %v, want the writer's error", err)
	}
}

// Whatever text a run holds, the page has no markup but its own.
func FuzzHTML(f *testing.F) {
	f.Add("raw", "steady", "boom", "p50-sec/msg", 25e-6)
	f.Add("a|b", evilMarkup, "\x1b]0;title\a\u2028\xff", "</svg><B>", -1.0)
	for _, v := range []float64{5e-324, math.MaxFloat64, math.Inf(1), math.NaN(), 0} {
		f.Add("sio", "silent", "x", "lost-down", v)
		f.Add("sio", "idle", "x", "server-B/conn", v)
	}
	f.Fuzz(func(t *testing.T, stack, name, text, unit string, v float64) {
		run := newRun()
		run.Partial, run.Why = true, text
		run.Stacks = append(run.Stacks, scenarios.Stack{Name: stack, About: text, Twin: "raw"})
		c := scenarios.Case{Name: name, Clients: 2}
		for round := 1; round <= 2; round++ {
			one := measured(c, stack, round, unit, v, "works", v)
			one.Scenario, one.Doubts, one.Labels = "reconnect", []string{text}, map[string]string{name: text, "error": text}
			one.Events = []scenarios.Event{{Kind: scenarios.EventFault, At: int64(round)}, {Kind: scenarios.EventUp, At: 1 << 40}}
			other := measured(c, "raw", round, unit, v)
			other.Scenario = "reconnect"
			run.Cells = append(run.Cells, one, other, measured(c, stack, round, unit, v))
		}
		page := pageOf(t, Recorded{Name: text, Run: run})
		if bad := foreign(page); bad != "" && bad != "ZgotmplZ" {
			t.Errorf("the page has %q", bad)
		}
		holdLinks(t, "fuzz", page)
	})
}
