package record

import (
	"math"
	"slices"
	"testing"

	"wsvsio/scenarios"
)

const unit = "p50-sec/msg"

func TestGroup(t *testing.T) {
	echo := scenarios.Case{Name: "echo", Clients: 1}
	at := func(scenario string, c scenarios.Case, stack string, round int) Cell {
		return Cell{Scenario: scenario, Case: c, Stack: stack, Round: round}
	}
	run := newRun()
	run.Cells = []Cell{
		at("broadcast", steady, "sio", 2),
		at("broadcast", echo, "raw", 1),
		at("broadcast", steady, "raw", 1),
		at("broadcast", steady, "sio", 1),
		at("fallback", echo, "raw", 1),
		at("broadcast", echo, "guest", 1),
	}
	var got []string
	for _, g := range run.Group() {
		line := g.Scenario + "/" + g.Case.Name
		for _, r := range g.Rows {
			line += " " + r.Stack.Name + ":"
			for _, c := range r.Cells {
				line += string(rune('0' + c.Round))
			}
		}
		got = append(got, line)
	}
	want := []string{
		"broadcast/steady raw:1 sio:12",
		"broadcast/echo raw:1 sio: guest:1",
		"fallback/echo raw:1 sio:",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// The ratio is taken inside a round: rounds in which one of the two was not
// measured do not count, and a slow round slows both.
func TestRatio(t *testing.T) {
	failed := newCell("raw", 5, Value{unit, 1})
	failed.Error = "boom"
	run := newRun()
	run.Cells = []Cell{
		newCell("raw", 1, Value{unit, 1}), newCell("sio", 1, Value{unit, 2}),
		newCell("raw", 2, Value{unit, 10}), newCell("sio", 2, Value{unit, 30}),
		newCell("sio", 3, Value{unit, 1000}),
		newCell("raw", 4, Value{unit, 0}), newCell("sio", 4, Value{unit, 4}),
		failed, newCell("sio", 5, Value{unit, 5}),
		newCell("raw", 6, Value{unit, 9}, Value{unit, 1}, Value{unit, 2}),
		newCell("sio", 6, Value{unit, 20}),
	}
	g := run.Group()[0]
	raw, sio := g.Rows[0], g.Rows[1]
	got, ok := g.Ratio(sio, unit)
	near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }
	if !ok || got.Pairs != 3 || !near(got.Min, 2) || !near(got.Max, 10) || got.Confidence != 0 {
		t.Errorf("got %+v, %v", got, ok)
	}
	// Of the geometric means 2, √6, 3, √20, √30 and 10 those in the middle.
	if want := math.Sqrt(3 * math.Sqrt(20)); !near(got.Estimate, want) {
		t.Errorf("estimate %v, want %v", got.Estimate, want)
	}
	if got, ok := g.Ratio(raw, unit); ok {
		t.Errorf("a stack without a twin has the ratio %+v", got)
	}
	if got, ok := g.Ratio(sio, "lost"); ok {
		t.Errorf("a unit that was not recorded has the ratio %+v", got)
	}
	sio.Stack.Twin = "gone"
	if got, ok := g.Ratio(sio, unit); ok {
		t.Errorf("a twin that was not measured gives the ratio %+v", got)
	}
	if got := raw.Values(unit); !slices.Equal(got, []float64{1, 10, 0, 2}) {
		t.Errorf("values %v", got)
	}
}

func TestMedian(t *testing.T) {
	for _, test := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{3, 1, 2}, 2},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{math.MaxFloat64, math.MaxFloat64}, math.MaxFloat64},
	} {
		before := slices.Clone(test.values)
		if got := Median(test.values); got != test.want {
			t.Errorf("Median(%v) = %v, want %v", before, got, test.want)
		}
		if !slices.Equal(test.values, before) {
			t.Errorf("Median has sorted %v", before)
		}
	}
	if got := Median(nil); !math.IsNaN(got) {
		t.Errorf("the median of nothing is %v", got)
	}
}

func TestUnits(t *testing.T) {
	seen := make(map[string]bool)
	for _, u := range Units {
		if seen[u.Name] {
			t.Errorf("%s is there twice", u.Name)
		}
		seen[u.Name] = true
		if u.Title == "" || u.Means == "" || u.Better == "" || u.Quantity == "" {
			t.Errorf("%s is not described: %+v", u.Name, u)
		}
		if check(newCell("raw", 1, Value{u.Name, 1})) != nil {
			t.Errorf("%s cannot be recorded", u.Name)
		}
		if UnitOf(u.Name) != u {
			t.Errorf("UnitOf does not find %s", u.Name)
		}
	}
	for name, want := range map[string]Quantity{
		"settle-p99-sec":    Duration,
		"sec":               Duration,
		"late-sec/msg":      Duration,
		"load-cpu-sec/conn": CPU,
		"heap-B":            Bytes,
		"retries":           Count,
		"msgs/sec":          Count,
	} {
		if u := UnitOf(name); u.Quantity != want || u.Title != name {
			t.Errorf("UnitOf(%s) = %+v, want a %s", name, u, want)
		}
	}
}
