package chart

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

const hostile = `<script>alert(1)</script>&"'`

func show(v float64) string { return "about " + px(v) }

// charts are one of each kind, with every text from outside in them.
func charts(text string) map[string]Chart {
	s := Series{text, SocketIO, 1}
	return map[string]Chart{
		"percentiles": Percentiles(text, text, []Curve{{s, [][2]float64{{0.5, 1e-3}, {0.99, 2e-3}, {0.999, 9e-3}}}, {Series{"other", Raw, 0}, [][2]float64{{0.5, 1.1e-3}, {0.9, 2e-3}}}}, show),
		"growth":      Scaling(text, text, text, []Curve{{s, [][2]float64{{1, 1e-3}, {100, 2e-3}}}}, show),
		"ratios": Forest(text, text, []Part{{text, []Ratio{
			{s, text, 2.4, 2.1, 2.8, true, text}, {Series{"b", Raw, 0}, "a", 0.95, 0.95, 0.95, false, "~0.95x"}}}}),
		"bars": Bars(text, text, []Bar{{s, 204, text}, {Series{"none", Floor, 0}, 0, "0 B"}}),
		"timelines": Timelines(text, text, []float64{0, 0.2}, 0.5, []Timeline{{
			s, []Stretch{{Up, math.Inf(-1), 0}, {Broken, 0, 0.1}, {Down, 0.1, 0.2}, {Up, 0.2, math.Inf(1)}}, []float64{0.15}, []float64{0.3, 0.3, 9}, text}}, show),
	}
}

// read parses a drawing and returns how many of which element it has.
func read(t *testing.T, svg string) map[string]int {
	t.Helper()
	count := make(map[string]int)
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return count
		}
		if err != nil {
			t.Fatalf("%v:\n%s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok {
			count[e.Name.Local]++
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || a.Name.Local == "style" || strings.HasPrefix(a.Name.Local, "on") {
					t.Errorf("%s has %s=%q", e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

// TestCharts reads each kind as a file and as a part of a page. Whatever it is
// called, it is text.
func TestCharts(t *testing.T) {
	for _, text := range []string{"steady", hostile} {
		for name, c := range charts(text) {
			if c.Empty() {
				t.Fatalf("%s is empty", name)
			}
			var file bytes.Buffer
			if err := c.File(&file); err != nil {
				t.Fatal(err)
			}
			inline, err := c.Inline("one")
			if err != nil {
				t.Fatal(err)
			}
			for where, svg := range map[string]string{"file": file.String(), "page": string(inline)} {
				n := read(t, svg)
				if n["svg"] != 1 || n["title"] != 1 || n["desc"] != 1 || n["script"] != 0 || strings.Contains(svg, "ZgotmplZ") {
					t.Errorf("%s, %s: %v\n%s", name, where, n, svg)
				}
				if (n["style"] == 1) != (where == "file") {
					t.Errorf("%s, %s: %d styles", name, where, n["style"])
				}
			}
			if len(c.Text) < len(text) {
				t.Errorf("%s is described as %q", name, c.Text)
			}
		}
	}
}

// TestNothing has nothing that could be drawn, or what is no figure.
func TestNothing(t *testing.T) {
	s := Series{"a", Raw, 0}
	none := [][2]float64{{math.NaN(), 1}, {0.5, math.NaN()}, {0.5, -1}, {0.5, math.Inf(1)}, {1, 1}}
	for name, c := range map[string]Chart{
		"no curve":     Percentiles("", "", nil, show),
		"no point":     Percentiles("", "", []Curve{{s, none}}, show),
		"one point":    Percentiles("", "", []Curve{{s, [][2]float64{{0.5, 1}}}}, show),
		"no growth":    Scaling("", "", "", []Curve{{s, [][2]float64{{0, 1}, {1, 0}, {-1, 1}}}}, show),
		"no ratio":     Forest("", "", []Part{{"a", []Ratio{{s, "b", 1, 0, math.Inf(1), false, ""}, {s, "b", math.NaN(), 1, 1, false, ""}}}}),
		"no bar":       Bars("", "", []Bar{{s, math.NaN(), ""}, {s, -1, ""}, {s, math.Inf(1), ""}}),
		"no time":      Timelines("", "", nil, math.NaN(), []Timeline{{Series: s}}, show),
		"endless time": Timelines("", "", nil, math.Inf(1), []Timeline{{Series: s}}, show),
	} {
		if !c.Empty() {
			t.Errorf("%s: %v", name, c.shapes)
		}
	}
}

// TestLabels puts many names beside lines that end at one place.
func TestLabels(t *testing.T) {
	var c Chart
	series, at := make([]Series, 9), make([]float64, 9)
	for i := range at {
		at[i] = 100
	}
	c.labels(0, 10, 200, series, at)
	var last string
	for _, s := range c.shapes {
		if s.Tag == "text" {
			if s.Y == last {
				t.Errorf("two names at %s", s.Y)
			}
			last = s.Y
		}
	}
}

func TestTicks(t *testing.T) {
	for _, tt := range []struct{ low, high float64 }{{0.9, 1.1}, {0.5, 3}, {0.9, 1200}, {1e-6, 10}, {3, 3}, {math.NaN(), 1}, {0, 1}, {1, math.Inf(1)}, {1e-300, 1e300}} {
		s := newScale(tt.low, tt.high, 0, 100)
		n := len(s.ticks(6))
		if n < 1 || n > 6 {
			t.Errorf("%v: %d ticks", tt, n)
		}
	}
}
