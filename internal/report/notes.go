package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// maxLines is how much of a long error is shown: its first line and the end,
// which is where a program says why it died.
const maxLines = 10

// notes collects the remarks on the rows of a table. Those that say the same
// are folded, first over the rounds of a stack, then over the stacks.
type notes struct{ failed, wrong, doubts, labels folded }

// folded is remarks in the order in which they first came, with their stacks.
type folded struct {
	notes  []note
	stacks [][]string
	rounds []string // as in "rounds 2, 5"; "" for all of them
}

// add collects the remarks on a row of a table with those columns.
func (n *notes) add(r record.Row, columns []record.Unit) {
	failed, doubts := newRemarks(), newRemarks()
	for _, c := range r.Cells {
		if c.Error != "" {
			failed.add(c.Error, c.Round)
		}
		for _, text := range c.Doubts {
			doubts.add(text, c.Round)
		}
	}
	if text := unsteady(r, columns); text != "" {
		for _, c := range r.Cells {
			doubts.add(text, c.Round)
		}
	}
	for _, text := range failed.texts {
		n.failed.add(r, "failed", lines(text), failed.rounds[text])
	}
	for _, u := range record.Units {
		if sum, rounds := faultsIn(r, u); sum != 0 {
			text := u.Means + ": " + format(u.Quantity, sum)
			n.wrong.add(r, u.Fault, []string{text}, rounds)
		}
	}
	for _, text := range doubts.texts {
		n.doubts.add(r, "doubt", []string{clean(text)}, doubts.rounds[text])
	}
	for _, key := range labelsIn(r) {
		said := newRemarks()
		for _, c := range r.Cells {
			if text, ok := c.Labels[key]; ok {
				said.add(text, c.Round)
			}
		}
		for _, text := range said.texts {
			n.labels.add(r, clean(key), copied(text), said.rounds[text])
		}
	}
}

// labelsIn returns the keys of what the cells of a row are labelled with, but
// for those that stand in the matrix.
func labelsIn(r record.Row) []string {
	keys := make(map[string]bool)
	for _, c := range r.Cells {
		for key := range c.Labels {
			keys[key] = !strings.HasPrefix(key, scenarios.OutcomeOf)
		}
	}
	maps.DeleteFunc(keys, func(_ string, shown bool) bool { return !shown })
	return slices.Sorted(maps.Keys(keys))
}

// apart is how far the rounds of a row may lie apart in a time. A chat that has
// the machine to itself stays well below.
const apart = 10

// unsteady says in which timed units the rounds of a row lie further apart than
// that; "" if in none.
func unsteady(r record.Row, columns []record.Unit) string {
	var titles []string
	for _, u := range columns {
		switch u.Quantity {
		case record.Duration, record.CPU, record.Rate:
		default:
			continue
		}
		values := r.Values(u.Name)
		if len(values) == 0 {
			continue
		}
		least, most := slices.Min(values), slices.Max(values)
		if least > 0 && most >= apart*least {
			titles = append(titles, u.Title)
		}
	}
	if len(titles) == 0 {
		return ""
	}
	return fmt.Sprintf("the rounds differ %d times or more in %s: "+
		"the median says little", apart, strings.Join(titles, ", "))
}

// list returns the remarks, the worst first.
func (n *notes) list() []note {
	told := n.labels.list()
	for i := range told {
		told[i].verbatim = len(told[i].lines) > 1
	}
	return slices.Concat(n.failed.list(), n.wrong.list(), n.doubts.list(), told)
}

// remarks are texts in the order in which they first came, with the rounds in
// which they did.
type remarks struct {
	texts  []string
	rounds map[string][]int
}

func newRemarks() *remarks { return &remarks{rounds: make(map[string][]int)} }

func (r *remarks) add(text string, round int) {
	if _, ok := r.rounds[text]; !ok {
		r.texts = append(r.texts, text)
	}
	if !slices.Contains(r.rounds[text], round) {
		r.rounds[text] = append(r.rounds[text], round)
	}
}

// add adds a remark on a row that arose in those rounds.
func (f *folded) add(r record.Row, label string, lines []string, rounds []int) {
	when := ""
	if len(rounds) < len(r.Cells) {
		when = roundList(rounds)
	}
	stack := clean(r.Stack.Name)
	for i, have := range f.notes {
		if have.label == label && f.rounds[i] == when &&
			slices.Equal(have.lines, lines) {
			f.stacks[i] = append(f.stacks[i], stack)
			return
		}
	}
	f.notes = append(f.notes, note{label: label, lines: lines})
	f.stacks = append(f.stacks, []string{stack})
	f.rounds = append(f.rounds, when)
}

func (f *folded) list() []note {
	for i := range f.notes {
		f.notes[i].who = strings.Join(f.stacks[i], ", ")
		if f.rounds[i] != "" {
			f.notes[i].who += " (" + f.rounds[i] + ")"
		}
	}
	return f.notes
}

// lines returns the lines of a text, clean, without empty ones; of a long text
// the first and the last.
func lines(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		if line = clean(line); line != "" {
			list = append(list, line)
		}
	}
	if more := len(list) - maxLines; more > 0 {
		left := fmt.Sprintf("(%s more in run.json)", plural(more, "line"))
		list = slices.Concat(list[:1], []string{left}, list[1+more:])
	}
	return list
}

// indent is a step of what is indented with tabs.
const indent = "    "

// copied returns the lines of a text that a reader may want to copy, such as a
// configuration: all of them, each clean, as far indented as it was.
func copied(text string) []string {
	var list []string
	for line := range strings.Lines(text) {
		rest := strings.TrimLeft(line, " \t")
		if said := clean(rest); said != "" {
			list = append(list, strings.ReplaceAll(line[:len(line)-len(rest)], "\t", indent)+said)
		}
	}
	if len(list) == 1 {
		list[0] = strings.TrimSpace(list[0])
	}
	return list
}

// roundList returns "round 3" or "rounds 1, 3-5".
func roundList(rounds []int) string {
	sorted := slices.Sorted(slices.Values(rounds))
	var parts []string
	for i := 0; i < len(sorted); {
		j := i
		for j+1 < len(sorted) && sorted[j+1] == sorted[j]+1 {
			j++
		}
		part := strconv.Itoa(sorted[i])
		if j > i {
			part += "-" + strconv.Itoa(sorted[j])
		}
		parts = append(parts, part)
		i = j + 1
	}
	if len(rounds) == 1 {
		return "round " + parts[0]
	}
	return "rounds " + strings.Join(parts, ", ")
}

// ofRounds returns "failed (2 of 8 rounds)".
func ofRounds(what string, n, total int) string {
	return fmt.Sprintf("%s (%d of %s)", what, n, plural(total, "round"))
}

// plural returns "1 round" or "8 rounds".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

func sortedKeys(m map[string]string) []string {
	return slices.Sorted(maps.Keys(m))
}
