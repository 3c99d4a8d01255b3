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
		base, head := made(8, ratio)
		if u, _ := UnitOf(unit); u.Kind == Exact {
			base, head = []float64{212, 212}, []float64{212 * ratio, 212 * ratio}
		}
		f, err := Judge(Place{echo, stack, unit}, base, head)
		if err != nil {
			t.Fatal(err)
		}
		if f.Fired() {
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
	Sort(r.Findings)
	r.Answer = AnswerOf(r.Findings)
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
		} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s lacks %q:\n%s", name, want, &b)
			}
		}
		if name == "markdown" && (strings.Contains(b.String(), " a|b") || strings.Contains(b.String(), "<i>")) {
			t.Errorf("not escaped:\n%s", &b)
		}
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
	if levels["error"] != 3 || levels["notice"] != 1 || levels["warning"] != 0 {
		t.Errorf("%v:\n%s", levels, &b)
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
	if len(points) != 5 || names["Broadcast/case=echo/clients=1/size=128/stack=rawws deliveries/s"] {
		t.Errorf("%v", names)
	}
	b.Reset()
	if err := (&Report{}).Points(&b); err != nil || strings.TrimSpace(b.String()) != "[]" {
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
