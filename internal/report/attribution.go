package report

import (
	"maps"
	"slices"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/internal/stats"
)

// effect is a part of a difference: what changes between two stacks that are
// alike in all else.
type effect struct {
	name string
	pair string

	// The effect is the product of the figures of the stacks in over, divided
	// by that of the stacks in under, in each round.
	over, under []string
}

// effects are the two-by-two of protocol and runtime, by row and by column,
// and what of a plain WebSocket is its envelope.
var effects = []effect{
	ratioOf("protocol, Go", "sio", "rawws"),
	ratioOf("protocol, Node", "sio-node", "rawws-node"),
	{"protocol, Go / Node", "of the two above",
		[]string{"sio", "rawws-node"}, []string{"rawws", "sio-node"}},
	ratioOf("implementation, raw", "rawws", "rawws-node"),
	ratioOf("implementation, Socket.IO", "sio", "sio-node"),
	ratioOf("envelope, Go", "rawws", "bare"),
	ratioOf("envelope, Node", "rawws-node", "bare-node"),
}

func ratioOf(name, over, under string) effect {
	return effect{name, over + " / " + under, []string{over}, []string{under}}
}

// effectsTitle stands over what the effects mean.
const effectsTitle = "attribution (ratios of stacks inside a round, read like those to the twin)"

// effectKey explains the effects whose names begin so.
var effectKey = []entry{
	{"protocol", "Socket.IO over a plain WebSocket: two programs on one runtime, " +
		"with all that sets them apart. rawws encodes a message once for all " +
		"receivers, go-socket.io for each of them; and of the plain WebSocket " +
		"servers only rawws, and bare after it, writes what has queued up in one " +
		"write, which is most of the difference at saturation"},
	{"protocol, Go / Node", "how alike they are: the quotient of the two, taken " +
		"in each round; 1x if they are the same. Where they are, the difference " +
		"is the protocol's; where they are not, the quotient does not say whose " +
		"it is: see the two rows of the implementation"},
	{"implementation", "Go over Node with the same protocol: for raw what the " +
		"runtimes make of it, and rawws with its one write for what has queued " +
		"up; for Socket.IO what go-socket.io makes of it"},
	{"envelope", "a plain WebSocket over the same server that passes messages " +
		"on as they came: what it takes to read the JSON and to build it anew"},
}

// effectEntries returns what explains the effects in the tables.
func effectEntries(tables []table) []entry {
	var list []entry
	for _, e := range effectKey {
		if slices.ContainsFunc(tables, func(t table) bool {
			return slices.ContainsFunc(t.attribution.rows, func(r row) bool {
				return strings.HasPrefix(r.name, e.name)
			})
		}) {
			list = append(list, e)
		}
	}
	return list
}

// attribution makes the effects that the group tells of, in those of the units
// in which it does.
func attribution(g record.Group, columns []record.Unit) grid {
	out := grid{corner: "attribution"}
	if g.Case.Once {
		return out // an outcome, not a figure to compare
	}
	rounds := 0
	for _, r := range g.Rows {
		rounds = max(rounds, len(r.Cells))
	}
	told := make(map[record.Unit][]stats.Ratio) // by effect
	for _, u := range columns {
		ratios := make([]stats.Ratio, len(effects))
		for i, e := range effects {
			ratios[i] = e.in(g, u.Name)
		}
		if slices.ContainsFunc(ratios, func(r stats.Ratio) bool { return r.Pairs > 0 }) {
			told[u] = ratios
			out.head = append(out.head, clean(u.Title))
		}
	}
	for i, e := range effects {
		line := row{name: e.name, pair: e.pair}
		pairs := 0 // of the unit with the fewest
		for _, u := range columns {
			if told[u] == nil {
				continue
			}
			r, c := told[u][i], cell{}
			if r.Pairs == 0 {
				c.ratio = "-"
			} else {
				c.setRatio(u, r, rounds)
				if pairs == 0 || r.Pairs < pairs {
					pairs = r.Pairs
				}
			}
			line.cells = append(line.cells, c)
		}
		if pairs == 0 {
			continue
		}
		if pairs < rounds {
			line.status = append(line.status, ofRounds("paired", pairs, rounds))
		}
		out.rows = append(out.rows, line)
	}
	return out
}

// in returns the effect in a unit, over the rounds in which all of its stacks
// have a positive figure; without pairs if there are none.
func (e effect) in(g record.Group, unit string) stats.Ratio {
	over, under := products(g, e.over, unit), products(g, e.under, unit)
	var a, b []float64
	for _, round := range slices.Sorted(maps.Keys(over)) {
		if w, ok := under[round]; ok {
			a, b = append(a, over[round]), append(b, w)
		}
	}
	if len(a) == 0 {
		return stats.Ratio{}
	}
	r, err := stats.Compare(a, b)
	if err != nil {
		return stats.Ratio{} // too large or too small to be multiplied
	}
	return r
}

// products returns the product of the stacks' figures in the rounds in which
// all of them have a positive one.
func products(g record.Group, stacks []string, unit string) map[int]float64 {
	product := make(map[int]float64)
	for i, name := range stacks {
		figures := make(map[int]float64)
		for _, r := range g.Rows {
			if r.Stack.Name != name {
				continue
			}
			for _, c := range r.Cells {
				if v, ok := c.Value(unit); ok && c.Measured() && v > 0 {
					figures[c.Round] = v
				}
			}
		}
		if i == 0 {
			product = figures
			continue
		}
		for round, v := range product {
			if w, ok := figures[round]; ok {
				product[round] = v * w
			} else {
				delete(product, round)
			}
		}
	}
	return product
}
