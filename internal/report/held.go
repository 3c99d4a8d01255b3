package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// held is what runs hold, as the rules of the claims read it. A ratio is
// always of one run: it is of pairs that were measured back to back.
type held struct {
	groups  [][]record.Group // by run
	leftOut []record.LeftOut // of all runs
}

func newHeld(runs []*record.Run) held {
	var m held
	for _, run := range runs {
		m.groups = append(m.groups, run.Group())
		m.leftOut = append(m.leftOut, run.LeftOut...)
	}
	return m
}

// located is a group and the run that it is of.
type located struct {
	record.Group
	run int
}

// find looks for the first group of a case for which ok holds: in the first run
// that has one.
func (m held) find(scenario, name string, ok func(g record.Group, run int) bool) bool {
	return slices.ContainsFunc(m.named(scenario, name), func(l located) bool { return ok(l.Group, l.run) })
}

// named returns the groups of a case in the order in which they count.
func (m held) named(scenario, name string) (list []located) {
	for run, groups := range m.groups {
		// The full profile has a case in several sizes. That of quick is asked for,
		// which is the same in both: so that the answer does not hang on the profile.
		for _, g := range preferred(groups, scenario, name) {
			list = append(list, located{g, run})
		}
	}
	// What a process takes once is shared by its clients: the more there are, the
	// nearer is their memory to what one more takes, in whichever run that is.
	if name == "idle" {
		slices.SortStableFunc(list, func(a, b located) int { return cmp.Compare(b.Case.Clients, a.Case.Clients) })
	}
	return list
}

// usual are the parameters of quick, where full has a case several times.
var usual = map[string]scenarios.Case{
	"steady":     {Clients: 100, Size: 128, Rate: 200},
	"fan-out":    {Clients: 1000, Size: 128, Rate: 20},
	"saturation": {Clients: 100, Size: 128},
}

// preferred returns the groups of a case, that with the usual parameters first.
func preferred(groups []record.Group, scenario, name string) []record.Group {
	var list []record.Group
	for _, g := range groups {
		if g.Scenario == scenario && g.Case.Name == name {
			list = append(list, g)
		}
	}
	want, ok := usual[name]
	slices.SortStableFunc(list, func(a, b record.Group) int {
		is := func(c scenarios.Case) int {
			if ok && c.Clients == want.Clients && c.Size == want.Size && c.Rate == want.Rate {
				return 0
			}
			return 1
		}
		return cmp.Compare(is(a.Case), is(b.Case))
	})
	return list
}

// rowOf returns the row of a stack.
func rowOf(g record.Group, stack string) (record.Row, bool) {
	i := slices.IndexFunc(g.Rows, func(r record.Row) bool { return r.Stack.Name == stack })
	if i < 0 {
		return record.Row{}, false
	}
	return g.Rows[i], true
}

// Figure implements scenarios.Measured.
func (m held) Figure(p scenarios.Place) (f scenarios.Figure, ok bool) {
	m.find(p.Scenario, p.Case, func(g record.Group, run int) bool {
		f, ok = newFigure(g, p, run)
		return ok
	})
	return f, ok
}

// All implements scenarios.Measured.
func (m held) All(p scenarios.Place) (list []scenarios.Figure) {
	m.find(p.Scenario, p.Case, func(g record.Group, run int) bool {
		if f, ok := newFigure(g, p, run); ok {
			list = append(list, f)
		}
		return false
	})
	return list
}

// Both implements scenarios.Measured.
func (m held) Both(p scenarios.Place, other string) (a, b scenarios.Figure, ok bool) {
	m.find(p.Scenario, p.Case, func(g record.Group, run int) bool {
		q, there := p, false
		q.Stack = other
		if a, ok = newFigure(g, p, run); ok {
			b, there = newFigure(g, q, run)
		}
		ok = ok && there
		return ok
	})
	return a, b, ok
}

// newFigure returns the figure at a place in a group.
func newFigure(g record.Group, p scenarios.Place, run int) (scenarios.Figure, bool) {
	r, ok := rowOf(g, p.Stack)
	if !ok {
		return scenarios.Figure{}, false
	}
	u := record.UnitOf(p.Unit)
	values := r.Samples(p.Unit)
	if len(values) == 0 || slices.ContainsFunc(values, func(v float64) bool { return !finite(v) }) {
		return scenarios.Figure{}, false
	}
	f := newPlaced(g, r, p, run)
	f.Median = record.Median(values)
	f.Text = format(u.Quantity, f.Median)
	f.Range = cmp.Or(spread(format(u.Quantity, slices.Min(values)), format(u.Quantity, slices.Max(values))), f.Text)
	f.Min, f.Max = math.Inf(1), math.Inf(-1)
	for _, c := range r.Cells {
		for _, v := range c.Values {
			if v.Unit == p.Unit && c.Measured() {
				f.Min, f.Max, f.N = min(f.Min, v.V), max(f.Max, v.V), f.N+1
			}
		}
	}
	return f, true
}

// newPlaced returns a figure that says where it stands, and what is in doubt
// there.
func newPlaced(g record.Group, r record.Row, p scenarios.Place, run int) scenarios.Figure {
	f := scenarios.Figure{Place: p, Full: clean(g.Case.String()), Run: run}
	doubts := newRemarks()
	for _, c := range r.Cells {
		for _, text := range c.Doubts {
			doubts.add(text, c.Round)
		}
	}
	u := record.UnitOf(p.Unit)
	for _, text := range doubts.texts {
		if !touches(text, u) {
			continue
		}
		d := scenarios.Doubt{Text: clean(text)}
		if n := len(doubts.rounds[text]); n < len(r.Cells) {
			d.When = fmt.Sprintf("%d of %s", n, plural(len(r.Cells), "round"))
		}
		f.Doubts = append(f.Doubts, d)
	}
	if text := unsteady(r, []record.Unit{u}); text != "" {
		f.Doubts = append(f.Doubts, scenarios.Doubt{Text: clean(text)})
	}
	varies := !u.Exact && (u.Quantity == record.Duration || u.Quantity == record.CPU || u.Quantity == record.Rate || u.Name == "server-B/conn")
	if varies && len(r.Samples(p.Unit)) == 1 {
		f.Doubts = append(f.Doubts, scenarios.Doubt{Text: "measured once, so that nobody knows how far it varies"})
	}
	return f
}

// latencyDoubts are how those doubts begin that are of the clock alone: neither
// what a server costs nor what is on the wire depends on them.
var latencyDoubts = []string{"the p99", "the sender was more than", "the load generator took longer"}

// touches reports whether a doubt of a cell is one of a figure in that unit.
func touches(text string, u record.Unit) bool {
	latency := u.Quantity == record.Duration
	if strings.HasPrefix(text, "the p99") {
		return latency && strings.Contains(u.Name, "p99")
	}
	for _, start := range latencyDoubts {
		if strings.HasPrefix(text, start) {
			return latency
		}
	}
	switch {
	case strings.HasPrefix(text, "the load generator used"):
		return latency || u.Quantity == record.Rate
	case strings.HasPrefix(text, "Node compiles"):
		return latency || u.Quantity == record.Rate || u.Quantity == record.CPU
	case strings.HasPrefix(text, "the memory is"):
		return u.Name == "server-B/conn"
	}
	return true
}

// Label implements scenarios.Measured.
func (m held) Label(p scenarios.Place) (f scenarios.Figure, ok bool) {
	m.find(p.Scenario, p.Case, func(g record.Group, run int) bool {
		r, there := rowOf(g, p.Stack)
		if !there {
			return false
		}
		var texts []string
		for _, c := range r.Cells {
			text := clean(c.Labels[p.Unit])
			if text == "" || !c.Measured() {
				continue
			}
			f.N++
			if !slices.Contains(texts, text) {
				texts = append(texts, text)
			}
		}
		if len(texts) == 0 {
			return false
		}
		n := f.N
		f, ok = newPlaced(g, r, p, run), true
		if f.N, f.Text = n, texts[0]; len(texts) > 1 {
			f.Text = scenarios.DiffersBetween + strings.Join(texts, "; ") + ")"
		}
		return true
	})
	return f, ok
}

// both returns the figures of the place's stack and another in the rounds that
// have both.
func both(g record.Group, p scenarios.Place, under string) (a, b []float64) {
	over, ok := rowOf(g, p.Stack)
	other, there := rowOf(g, under)
	if !ok || !there || g.Case.Once {
		return nil, nil
	}
	base := make(map[int]float64)
	for _, c := range other.Cells {
		if v, ok := c.Value(p.Unit); ok && c.Measured() && v > 0 && finite(v) {
			base[c.Round] = v
		}
	}
	for _, c := range over.Cells {
		v, ok := c.Value(p.Unit)
		if w, paired := base[c.Round]; ok && paired && c.Measured() && v > 0 && finite(v) {
			a, b = append(a, v), append(b, w)
		}
	}
	return a, b
}

// Ratio implements scenarios.Measured.
func (m held) Ratio(p scenarios.Place, under string) (out scenarios.Ratio, ok bool) {
	m.find(p.Scenario, p.Case, func(g record.Group, run int) bool {
		a, b := both(g, p, under)
		if len(a) == 0 {
			return false
		}
		r, err := stats.Compare(a, b)
		if err != nil || !finite(r.Estimate) || !finite(r.Max) {
			return false
		}
		u := record.UnitOf(p.Unit)
		var c cell
		c.setRatio(u, r, len(a))
		out = scenarios.Ratio{Estimate: r.Estimate, Low: r.Min, High: r.Max,
			Enough: c.verdict != stats.TooFew, Differs: c.verdict == stats.Different, Text: c.ratio}
		if r.Confidence > 0 {
			out.Low, out.High = r.Low, r.High
		}
		if c.spread != "" {
			out.Text += " (" + c.spread + ")"
		}
		out.Over, ok = newFigure(g, p, run)
		other := p
		other.Stack = under
		out.Under, _ = newFigure(g, other, run)
		return ok
	})
	return out, ok
}

// Difference implements scenarios.Measured.
func (m held) Difference(p scenarios.Place, under string) (out scenarios.Difference, ok bool) {
	m.find(p.Scenario, p.Case, func(g record.Group, run int) bool {
		a, b := both(g, p, under)
		if len(a) == 0 {
			return false
		}
		d := make([]float64, len(a))
		for i := range a {
			d[i] = a[i] - b[i]
		}
		s := stats.HodgesLehmann(d)
		out = scenarios.Difference{Estimate: s.Estimate, Low: s.Low, High: s.High, Enough: s.Confidence > 0}
		if !out.Enough {
			out.Low, out.High = slices.Min(d), slices.Max(d)
		}
		out.Over, ok = newFigure(g, p, run)
		other := p
		other.Stack = under
		out.Under, _ = newFigure(g, other, run)
		return ok && finite(s.Estimate)
	})
	return out, ok
}

// Cases implements scenarios.Measured.
func (m held) Cases(scenario string) []string {
	var names []string
	for _, groups := range m.groups {
		for _, g := range groups {
			if g.Scenario != scenario || slices.Contains(names, g.Case.Name) {
				continue
			}
			if slices.ContainsFunc(g.Rows, func(r record.Row) bool {
				return slices.ContainsFunc(r.Cells, record.Cell.Measured)
			}) {
				names = append(names, g.Case.Name)
			}
		}
	}
	return names
}

// Labels implements scenarios.Measured.
func (m held) Labels(scenario, name, stack string) (keys []string) {
	m.find(scenario, name, func(g record.Group, _ int) bool {
		r, ok := rowOf(g, stack)
		if !ok {
			return false
		}
		for _, c := range r.Cells {
			for _, key := range sortedKeys(c.Labels) {
				if c.Measured() && !slices.Contains(keys, key) {
					keys = append(keys, key)
				}
			}
		}
		return len(keys) > 0
	})
	slices.Sort(keys)
	return keys
}

// Why implements scenarios.Measured.
func (m held) Why(p scenarios.Place) string {
	where := fmt.Sprintf("%s / %s of %s", p.Scenario, p.Case, p.Stack)
	why := where + " is not in the run"
	for _, l := range m.leftOut {
		if l.Stack == p.Stack {
			why = where + " was left out: " + clean(l.Reason)
			if l.Mend != "" {
				why += ", to add it: " + clean(l.Mend)
			}
		}
	}
	m.find(p.Scenario, p.Case, func(g record.Group, _ int) bool {
		r, ok := rowOf(g, p.Stack)
		if !ok || len(r.Cells) == 0 {
			return false
		}
		if reason, na := unsupported(r); na {
			why = where + " is n/a: " + clean(strings.TrimPrefix(reason, scenarios.ErrUnsupported.Error()+": "))
			return true
		}
		for _, c := range r.Cells {
			if c.Error != "" {
				why = where + " failed"
				return true
			}
		}
		why = where + " has no " + p.Unit
		return true
	})
	return why
}
