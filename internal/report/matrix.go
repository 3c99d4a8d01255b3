package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// worksUnit is the unit of what gets through, as a share.
const worksUnit = "works"

// matrixKey explains what stands in a matrix.
var matrixKey = "ws, polling: it works, over that transport in the end. A status or a word: what the clients saw instead. " +
	"A share in front: so many of the clients work"

// matrix says at one look what gets through in the cases of a scenario: a row
// for each case that asks, a column for each stack. It has no rows if there are
// fewer than two such cases, whose own tables say it all.
func matrix(groups []record.Group) grid {
	g := grid{corner: "case", narrow: true}
	for _, group := range groups {
		for _, r := range group.Rows {
			if outcome(r) != "" && !slices.Contains(g.head, clean(r.Stack.Name)) {
				g.head = append(g.head, clean(r.Stack.Name))
			}
		}
	}
	for _, group := range groups {
		line := row{name: clean(group.Case.Name), cells: make([]cell, len(g.head))}
		asked := false
		for _, r := range group.Rows {
			i := slices.Index(g.head, clean(r.Stack.Name))
			if i < 0 {
				continue
			}
			text := outcome(r)
			asked = asked || text != ""
			if text == "" {
				text = noOutcome(r)
			}
			line.cells[i].value = text
		}
		if asked {
			g.rows = append(g.rows, line)
		}
	}
	if len(g.rows) < 2 {
		return grid{}
	}
	return g
}

// outcome says what became of the clients of a stack, or nothing where that was
// not asked.
func outcome(r record.Row) string {
	values := r.Values(worksUnit)
	if len(values) == 0 {
		return ""
	}
	share := record.Median(values)
	transports, errors := labels(r, "transport"), labels(r, "error")
	if share <= 0 {
		return cmp.Or(errors, "fails")
	}
	text := cmp.Or(transports, "works")
	if share < 1 {
		text = strconv.FormatFloat(100*share, 'f', 0, 64) + " % " + text
	}
	return text
}

// noOutcome says why a stack has no outcome in a case.
func noOutcome(r record.Row) string {
	switch _, na := unsupported(r); {
	case na:
		return "n/a"
	case len(r.Cells) == 0:
		return "not run"
	case slices.ContainsFunc(r.Cells, func(c record.Cell) bool { return c.Error != "" }):
		return "failed"
	}
	return "-"
}

// labels returns what a row has under a key, each value once.
func labels(r record.Row, key string) string {
	var list []string
	for _, c := range r.Cells {
		text := clean(c.Labels[key])
		if text == scenarios.WebSocket {
			text = "ws"
		}
		if text != "" && c.Measured() && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	slices.Sort(list)
	return strings.Join(list, "/")
}
