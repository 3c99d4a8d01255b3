package record

import (
	"cmp"
	"math"
	"slices"

	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// Group is what was measured of one case of a scenario.
type Group struct {
	Scenario string
	Case     scenarios.Case
	Rows     []Row // a stack each, in the order of the run
}

// Row is what was measured of one case on one stack.
type Row struct {
	Stack scenarios.Stack
	Cells []Cell // in the order of the rounds; none if it was not reached
}

// Group returns the run by scenario and case, in the order in which they were
// first measured. Every group has a row for every stack of the run that is for
// its scenario.
func (r *Run) Group() []Group {
	type key struct {
		scenario string
		c        scenarios.Case
	}
	var groups []Group
	at := make(map[key]int)
	for _, c := range r.Cells {
		k := key{c.Scenario, c.Case}
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			group := Group{Scenario: c.Scenario, Case: c.Case}
			for _, s := range r.Stacks {
				if s.IsFor(c.Scenario) {
					group.Rows = append(group.Rows, Row{Stack: s})
				}
			}
			groups = append(groups, group)
		}
		groups[i].add(c)
	}
	for _, group := range groups {
		for _, row := range group.Rows {
			slices.SortStableFunc(row.Cells, func(a, b Cell) int {
				return cmp.Compare(a.Round, b.Round)
			})
		}
	}
	return groups
}

// add puts the cell into the row of its stack. A stack that the run does not
// list gets a row of its own: nothing measured is left out.
func (g *Group) add(c Cell) {
	i := slices.IndexFunc(g.Rows, func(r Row) bool {
		return r.Stack.Name == c.Stack
	})
	if i < 0 {
		i = len(g.Rows)
		g.Rows = append(g.Rows, Row{Stack: scenarios.Stack{Name: c.Stack}})
	}
	g.Rows[i].Cells = append(g.Rows[i].Cells, c)
}

// Values returns the row's value of a unit in each round that has one.
func (r Row) Values(unit string) []float64 {
	var values []float64
	for _, c := range r.Cells {
		if v, ok := c.Value(unit); ok && c.Measured() {
			values = append(values, v)
		}
	}
	return values
}

// Samples returns the row's values of a unit: one for each round, or all that
// were taken in the round if there is but one.
func (r Row) Samples(unit string) []float64 {
	if len(r.Cells) != 1 || !r.Cells[0].Measured() {
		return r.Values(unit)
	}
	var samples []float64
	for _, v := range r.Cells[0].Values {
		if v.Unit == unit {
			samples = append(samples, v.V)
		}
	}
	return samples
}

// Ratio returns how the stack of a row compares with its twin in a unit. It
// pairs the cells of a round, which were measured back to back. It is false if
// there is no twin or no round in which both were measured; a round in which
// one of the two is not positive has no ratio.
func (g Group) Ratio(row Row, unit string) (stats.Ratio, bool) {
	if g.Case.Once {
		return stats.Ratio{}, false // an outcome, not a figure to compare
	}
	i := slices.IndexFunc(g.Rows, func(r Row) bool {
		return row.Stack.Twin != "" && r.Stack.Name == row.Stack.Twin
	})
	if i < 0 {
		return stats.Ratio{}, false
	}
	twin := make(map[int]float64)
	for _, c := range g.Rows[i].Cells {
		if v, ok := c.Value(unit); ok && c.Measured() && v > 0 {
			twin[c.Round] = v
		}
	}
	var own, others []float64
	for _, c := range row.Cells {
		v, ok := c.Value(unit)
		if base, paired := twin[c.Round]; ok && paired && c.Measured() && v > 0 {
			own, others = append(own, v), append(others, base)
		}
	}
	if len(own) == 0 {
		return stats.Ratio{}, false
	}
	r, err := stats.Compare(own, others)
	return r, err == nil
}

// Median returns the median of the values, which it leaves in their order, or
// NaN if there are none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(values))
	middle := len(s) / 2
	if len(s)%2 == 1 {
		return s[middle]
	}
	// Halved first: the sum of two large values may not be finite.
	return s[middle-1]/2 + s[middle]/2
}
