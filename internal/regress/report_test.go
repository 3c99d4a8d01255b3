package regress

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"
)

// whole is a report with a finding of each outcome.
func whole(t *testing.T) *Report {
	t.Helper()
	const echo = "Broadcast/case=echo/clients=1/size=128"
	r := &Report{Format: Format, Base: "aaaaaaaaaaaa", Head: "bbbbbbbbbbbb", Notes: []string{"base: aaaaaaaaaaaa first", "head: bbbbbbbbbbbb a|b <i>"}, Pairs: 8}
	add := func(stack, unit string, ratio float64, again float64) {
		t.Helper()
		base, head := made(8, ratio)
		if u, _ := UnitOf(unit); u.Kind == Exact {
			base, head = []float64{212, 212}, []float64{212 * ratio, 212 * ratio}
		}
		f, err := Judge(Place{echo, stack, unit}, base, head)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case f.Fired() && again == 0:
			f.Unmeasured()
		case f.Fired():
			base, head := made(16, again)
			if err := f.Confirmed(base, head); err != nil {
				t.Fatal(err)
			}
		}
		r.Findings = append(r.Findings, f)
	}
	add("sio", wire, 1, 0)
	add("rawws", wire, 1.25, 0)
	add("rawws", cpu, 1.2, 1.2)
	add("sio", cpu, 0.8, 0.8)
	add("rawws", "p50-sec/msg", 1.2, 1.001)
	add("rawws", "deliveries/s", 1, 0)
	add("sio", "p50-sec/msg", 1.2, 0)
	varies, err := Judge(Place{echo, "sio", "wire-up-B/msg"}, []float64{212, 212, 212}, []float64{212, 219, 212})
	if err != nil {
		t.Fatal(err)
	}
	r.Findings = append(r.Findings, varies)
	for _, shares := range []struct {
		stack      string
		base, head []float64
	}{
		{"rawws", of(20, 1), of(20, 0.5)},
		{"sio", of(20, 1), of(20, 1, 0.5)},
		{"sio-node", of(20, 1), of(20, 1)},
	} {
		f, err := Judge(Place{"Reconnect/case=reset/clients=8/rate=10", shares.stack, "back-ratio"}, shares.base, shares.head)
		if err == nil && f.Fired() {
			err = f.Confirmed(shares.base, shares.head)
		}
		if err != nil {
			t.Fatal(err)
		}
		r.Findings = append(r.Findings, f)
	}
	r.Doubts = []string{"not compared: sio-node: it does not start"}
	Sort(r.Findings)
	r.Decide()
	return r
}

func TestTables(t *testing.T) {
	r := whole(t)
	for name, view := range map[string]func(io.Writer) error{"table": r.Table, "markdown": r.Markdown} {
		var b bytes.Buffer
		if err := view(&b); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			"regression: bbbbbbbbbbbb against aaaaaaaaaaaa", "what is different", "worse", "better", "not confirmed", "265",
			"broadcast echo, 1 client", "1.2", "95 % interval", "least, quartiles, most of 16 pairs", "exact figures that are the same: 1", "would find",
			"no longer exact", "212 to 219", "could not be confirmed", "fired once and could not be measured again", "not compared: sio-node",
			"-50.0 points", "lower, not confirmed", "not in enough pairs to be called worse: reconnect reset, 8 clients on sio, came back", "5 points or more of a whole batch",
			"shares that are the same in every pair: 1",
		} {
			// However the lines are broken.
			if !strings.Contains(strings.Join(strings.Fields(b.String()), " "), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, &b)
			}
		}
		for _, not := range []string{"partial", "stored ratios"} {
			if strings.Contains(b.String(), not) {
				t.Errorf("%s has %q:\n%s", name, not, &b)
			}
		}
		if name == "markdown" && (strings.Contains(b.String(), " a|b") || strings.Contains(b.String(), "<i>")) {
			t.Errorf("not escaped:\n%s", &b)
		}
	}
}

// TestPartial is a check that ended early: it says so first, and is not taken for
// a whole one.
func TestPartial(t *testing.T) {
	r := &Report{Head: "b", Base: "a", Partial: "interrupted", Findings: []Finding{{Place: Place{"X", "rawws", cpu}, Kind: Paired, Outcome: Same, Screen: &Batch{Finds: 0.1, Ratio: 1, Base: []float64{1}, Head: []float64{1}}}}}
	r.Decide()
	var table, data, annotations bytes.Buffer
	if err := errors.Join(r.Table(&table), r.JSON(&data), r.Annotations(&annotations)); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(table.String(), "partial: interrupted: inconclusive: b against a\n") || !strings.Contains(data.String(), `"partial": "interrupted"`) {
		t.Errorf("%s%s", &table, &data)
	}
	if annotations.String() != "::error title=Partial::not everything was measured: interrupted\n" {
		t.Errorf("%s", &annotations)
	}
}

// TestNotChecked tells an error instead of a report.
func TestNotChecked(t *testing.T) {
	n := NotChecked{errors.New("the base does not build:\n\t100 % <broken>")}
	var markdown, annotations bytes.Buffer
	if err := errors.Join(n.Markdown(&markdown), n.Annotations(&annotations)); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(markdown.String(), "## not checked\n\n- the base does not build: 100 % ") || strings.Contains(markdown.String(), "<broken>") {
		t.Errorf("%s", &markdown)
	}
	if want := "::error title=Not checked::the base does not build:%0A\t100 %25 <broken>\n"; annotations.String() != want {
		t.Errorf("%q, want %q", &annotations, want)
	}
}

// TestStoredNote says of stored ratios what they are judged by.
func TestStoredNote(t *testing.T) {
	base, head := made(20, 1)
	f, err := Judge(Place{"X", "sio", CPURatio}, base, head)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := (&Report{Findings: []Finding{f}}).Table(&b); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(b.String()), " ")
	if !strings.Contains(words, "against stored ratios") || strings.Contains(words, "Wilcoxon") {
		t.Errorf("%s", words)
	}
}

// TestJSON reads a report back.
func TestJSON(t *testing.T) {
	r := whole(t)
	var b bytes.Buffer
	if err := r.JSON(&b); err != nil {
		t.Fatal(err)
	}
	var got Report
	d := json.NewDecoder(&b)
	d.DisallowUnknownFields()
	if err := d.Decode(&got); err != nil || got.Answer != Regression || len(got.Findings) != len(r.Findings) {
		t.Errorf("%v: %+v", err, got)
	}
}

// TestAnnotations holds the lines against the grammar of workflow commands:
// ::level name=value,…::text, with what ends a line or a value escaped.
func TestAnnotations(t *testing.T) {
	r := whole(t)
	r.Failures = []string{"two\nlines: 100 %"}
	var b bytes.Buffer
	if err := r.Annotations(&b); err != nil {
		t.Fatal(err)
	}
	grammar := regexp.MustCompile(`^::(error|warning|notice) title=[^:,%]+::([^%\r\n]|%25|%0A|%0D)+$`)
	levels := make(map[string]int)
	for line := range strings.Lines(b.String()) {
		m := grammar.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			t.Errorf("not a command: %q", line)
			continue
		}
		levels[m[1]]++
	}
	// Three are worse and one failed; one is better; one is no longer exact, and
	// four things make it doubtful.
	if levels["error"] != 4 || levels["notice"] != 1 || levels["warning"] != 5 {
		t.Errorf("%v:\n%s", levels, &b)
	}
	if want := "came back is worse: 50 % instead of 100 %, -50.0 points\n"; !strings.Contains(strings.ReplaceAll(b.String(), "%25", "%"), want) {
		t.Errorf("lacks %q:\n%s", want, &b)
	}
	if want := "bytes up is no longer exact: 212 to 219 instead of 212, "; !strings.Contains(b.String(), want) {
		t.Errorf("lacks %q:\n%s", want, &b)
	}
	if !strings.Contains(b.String(), "two%0Alines: 100 %25") {
		t.Errorf("not escaped: %s", &b)
	}
	quiet := &Report{Findings: []Finding{{Place: Place{"X", "rawws", cpu}, Kind: Paired, Outcome: Noisy, Screen: &Batch{Finds: 0.5, Ratio: 1}}}}
	b.Reset()
	if err := quiet.Annotations(&b); err != nil || !strings.HasPrefix(b.String(), "::warning title=Inconclusive::") {
		t.Errorf("%v: %s", err, &b)
	}
}

// TestPoints holds the file against what github-action-benchmark documents for
// customSmallerIsBetter: an array of objects with name, unit and value, and
// perhaps range and extra.
func TestPoints(t *testing.T) {
	var b bytes.Buffer
	if err := whole(t).Points(&b); err != nil {
		t.Fatal(err)
	}
	var points []map[string]any
	if err := json.Unmarshal(b.Bytes(), &points); err != nil {
		t.Fatal(err)
	}
	names := make(map[string]bool)
	for _, p := range points {
		name, isName := p["name"].(string)
		_, isUnit := p["unit"].(string)
		value, isValue := p["value"].(float64)
		if !isName || !isUnit || !isValue || value <= 0 || names[name] {
			t.Errorf("%v", p)
		}
		names[name] = true
		for key, v := range p {
			switch key {
			case "name", "unit", "value":
			case "range", "extra":
				if _, ok := v.(string); !ok {
					t.Errorf("%s is %v", key, v)
				}
			default:
				t.Errorf("%s is not in the format", key)
			}
		}
	}
	// Of a rate more is better.
	if len(points) != 7 || names["Broadcast/case=echo/clients=1/size=128/stack=rawws deliveries/s"] {
		t.Errorf("%v", names)
	}
	b.Reset()
	if err := (&Report{}).Points(&b); !errors.Is(err, ErrNothing) || b.Len() > 0 {
		t.Errorf("%v: nothing is %s", err, &b)
	}
}

// full is a disk.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("full")

func TestWriteFails(t *testing.T) {
	r := whole(t)
	for name, view := range map[string]func(io.Writer) error{
		"table": r.Table, "markdown": r.Markdown, "json": r.JSON, "annotations": r.Annotations, "points": r.Points, "baseline": small().Write,
	} {
		if err := view(full{}); !errors.Is(err, errFull) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
