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
const matrixKey = "ws, polling: it works, over that transport in the end. A status or a word: what the clients saw instead. " +
	"A share in front: so many of the clients work"

// matrix says at one look what gets through in the cases of a scenario, or in
// what a case tries at once: what was tried by stack, the longer list of the two
// from top to bottom. It has no rows if there are fewer than two such things,
// whose own tables say it all.
func matrix(groups []record.Group) grid {
	var tried, stacks []string
	outcomes := make(map[[2]string]string) // by what was tried and stack
	add := func(what, stack, text string) {
		if !slices.Contains(tried, what) {
			tried = append(tried, what)
		}
		if !slices.Contains(stacks, stack) {
			stacks = append(stacks, stack)
		}
		outcomes[[2]string{what, stack}] = text
	}
	for _, g := range groups {
		for _, r := range g.Rows {
			stack := clean(r.Stack.Name)
			if several := triedIn(r); len(several) > 0 {
				for _, key := range several {
					add(clean(strings.TrimPrefix(key, scenarios.OutcomeOf)), stack, labels(r, key))
				}
			} else if text := outcome(r); text != "" {
				add(clean(g.Case.Name), stack, text)
			}
		}
	}
	for _, g := range groups {
		for _, r := range g.Rows {
			key := [2]string{clean(g.Case.Name), clean(r.Stack.Name)}
			if _, ok := outcomes[key]; !ok && slices.Contains(tried, key[0]) && slices.Contains(stacks, key[1]) {
				outcomes[key] = noOutcome(r)
			}
		}
	}
	if len(tried) < 2 {
		return grid{}
	}
	g := grid{corner: "case", head: stacks, narrow: true}
	rows, turned := tried, len(stacks) > len(tried)
	if turned {
		g.corner, g.head, rows = "stack", tried, stacks
	}
	for _, name := range rows {
		line := row{name: name}
		for _, column := range g.head {
			key := [2]string{name, column}
			if turned {
				key = [2]string{column, name}
			}
			line.cells = append(line.cells, cell{value: cmp.Or(outcomes[key], "-")})
		}
		g.rows = append(g.rows, line)
	}
	return g
}

// triedIn returns the labels of what a row tries at once, by name.
func triedIn(r record.Row) (keys []string) {
	for _, c := range r.Cells {
		for key := range c.Labels {
			if strings.HasPrefix(key, scenarios.OutcomeOf) && !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	slices.Sort(keys)
	return keys
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
		text = strings.ReplaceAll(strings.TrimPrefix(text, "fails: "), scenarios.WebSocket, "ws")
		if text != "" && c.Measured() && !slices.Contains(list, text) {
			list = append(list, text)
		}
	}
	slices.Sort(list)
	return strings.Join(list, "/")
}
