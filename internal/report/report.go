// Package report turns a run into something to read, a table for a terminal or
// Markdown, and into CSV and JSON for programs; and it compares two runs.
//
// The tables are made from the same page, so they say the same. Text that comes from
// a run is data: it is cleaned of control characters, and Markdown escapes it.
package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// page is what a report says, before it is laid out. All text in it is clean.
type page struct {
	partial string // why not everything was measured; "" if it was
	tables  []table
	reasons []string // of what is n/a; [1] is the first
	leftOut []record.LeftOut
	stacks  []entry
	defects []entry // of libraries, with the stacks that have them
	effects []entry // how to read the attribution
	columns []entry
	verdict string   // why there are ratios without one; "" if there are none
	also    []string // recorded units that no table shows
	facts   []string
}

// entry explains a name.
type entry struct{ name, text string }

// table is what was measured of one case.
type table struct {
	title   string
	grid    grid
	caption string
	notes   []note

	// attribution says where the differences come from. It has no rows where
	// that cannot be told.
	attribution grid

	// group is what it is of, and units those of its columns. A matrix, which is of
	// outcomes, and an overview are of none.
	group    record.Group
	units    []record.Unit
	outcomes bool
}

// grid is rows and columns.
type grid struct {
	corner string   // over the rows' names: "stack"
	head   []string // of the columns after that
	rows   []row
	narrow bool // there are so many columns that a terminal breaks long names of them
}

// row is a stack in a table, or an effect in its attribution.
type row struct {
	name   string
	pair   string   // what an effect is the ratio of; "" for a stack
	status []string // in words, what must not be overlooked
	cells  []cell
}

// cell is a figure: "61 µs", "2.4x", "2.1-2.8x".
type cell struct {
	value, ratio, spread string
	verdict              stats.Verdict // on the ratio; "" if there is none
	tested               bool          // by a test, not by value
}

// note is a remark under a table: what, on which stacks, and its lines.
type note struct {
	label, who string
	lines      []string
	verbatim   bool // the lines are to be copied: they are indented, and not wrapped
}

// columnsTitle stands over what the columns mean.
const columnsTitle = "columns (lower is better unless it says otherwise)"

// ratioEntry explains what stands beside the figures.
var ratioEntry = entry{"2.4x", "the figure divided by that of the twin in the " +
	"same round, Hodges-Lehmann estimate over the rounds; the twin of each " +
	"stack is named above"}

// asides say of a stack how far its figures go.
var asides = map[string]string{"floor": "no limit where frames are batched"}

// markEntry explains the mark.
func markEntry() entry {
	rule := stats.Fixed()
	alpha := strconv.FormatFloat(rule.Alpha, 'f', -1, 64)
	return entry{mark + "1.08x", fmt.Sprintf("not different: a difference is "+
		"what has p < %s in Wilcoxon's signed-rank test and is shifted by at "+
		"least %.3g %%, in pairs inside rounds in coin-flip order; bytes and "+
		"counts that are the same in every round are compared by value",
		strings.TrimPrefix(alpha, "0"), 100*rule.MinShift)}
}

// chanceEntry says how many of so many tests would find a difference where there
// is none. The rule asks for a shift as well, so it is an upper bound.
func chanceEntry(tests int) entry {
	alpha := stats.Fixed().Alpha
	return entry{"by chance", fmt.Sprintf("up to about %s would call different what is not, at p < %s each, those of the attribution included",
		expected(alpha*float64(tests), tests), strings.TrimPrefix(strconv.FormatFloat(alpha, 'f', -1, 64), "0"))}
}

// tooFew is said once where there are ratios that cannot be judged.
var tooFew = fmt.Sprintf("too few rounds for a verdict: a ratio of fewer than "+
	"%d is neither marked nor called a difference", stats.MinPairs)

// newPage reads the run.
func newPage(run *record.Run) *page {
	p := &page{partial: partial(run)}
	var shown, hidden []record.Unit
	groups := run.Group()
	for i, group := range groups {
		if i == 0 || groups[i-1].Scenario != group.Scenario {
			own := groupsOf(group.Scenario, groups)
			p.addMatrix(group.Scenario, own)
			p.addOverview(group.Scenario, own)
		}
		columns, rest := columnsOf(group)
		p.tables = append(p.tables, p.newTable(group, columns))
		shown = append(shown, columns...)
		hidden = append(hidden, rest...)
	}
	for _, u := range inOrder(shown) {
		text := u.Means
		if u.Better == record.Higher {
			text += "; higher is better"
		}
		text = strings.TrimSpace(text + " (" + u.Name + ")")
		p.columns = append(p.columns, entry{clean(u.Title), clean(text)})
	}
	if p.any(hasRatio) {
		p.columns = append(p.columns, ratioEntry)
	}
	if p.any(judged) {
		p.columns = append(p.columns, markEntry())
	}
	if n := p.tests(run.Stacks); n > 0 {
		p.columns = append(p.columns, chanceEntry(n))
	}
	if p.any(func(c cell) bool { return c.verdict == stats.TooFew }) {
		p.verdict = tooFew
	}
	p.effects = effectEntries(p.tables)
	for _, u := range inOrder(hidden) {
		if !slices.Contains(shown, u) {
			p.also = append(p.also, clean(u.Name))
		}
	}
	for _, s := range run.Stacks {
		text := s.About
		if aside := asides[s.Name]; aside != "" {
			text += "; " + aside
		}
		if s.Twin != "" {
			text += "; its twin is " + s.Twin
		}
		p.stacks = append(p.stacks, entry{clean(s.Name),
			clean(strings.TrimPrefix(text, "; "))})
	}
	p.defects = defects(run)
	p.leftOut = leftOut(run)
	p.facts = facts(run)
	return p
}

// addMatrix adds a table of what gets through in a scenario, where that was
// asked of several cases.
func (p *page) addMatrix(scenario string, groups []record.Group) {
	if g := matrix(groups); len(g.rows) > 0 {
		p.tables = append(p.tables, table{title: clean(scenario + " / matrix: what gets through"), grid: g, caption: matrixKey, outcomes: true})
	}
}

// addOverview adds a table of what Socket.IO takes in the cases of a scenario,
// where they are many.
func (p *page) addOverview(scenario string, groups []record.Group) {
	if g := overview(groups); len(g.rows) > 0 {
		p.tables = append(p.tables, table{title: clean(scenario + " / overview: Socket.IO, times a plain WebSocket"), grid: g, caption: overviewKey})
	}
}

// groupsOf are the groups of a scenario.
func groupsOf(scenario string, groups []record.Group) (own []record.Group) {
	for _, g := range groups {
		if g.Scenario == scenario {
			own = append(own, g)
		}
	}
	return own
}

// columnsOf returns the units of a group that have a column, and the others.
func columnsOf(group record.Group) (columns, rest []record.Unit) {
	var all []record.Unit
	for _, r := range group.Rows {
		for _, c := range r.Cells {
			if !c.Measured() {
				continue
			}
			for _, name := range c.Units() {
				if u := record.UnitOf(name); u.Fault == "" {
					all = append(all, u)
				}
			}
		}
	}
	for _, u := range inOrder(all) {
		if u.Leading {
			columns = append(columns, u)
		} else {
			rest = append(rest, u)
		}
	}
	if len(columns) == 0 {
		return rest, nil
	}
	return columns, rest
}

// inOrder returns the units once each: those of record.Units in their order,
// then the others by name.
func inOrder(units []record.Unit) []record.Unit {
	var list []record.Unit
	for _, u := range record.Units {
		if slices.Contains(units, u) {
			list = append(list, u)
		}
	}
	known := len(list)
	for _, u := range units {
		if !slices.Contains(list, u) {
			list = append(list, u)
		}
	}
	slices.SortFunc(list[known:], func(a, b record.Unit) int {
		return strings.Compare(a.Name, b.Name)
	})
	return list
}

// newTable makes the table of a group.
func (p *page) newTable(g record.Group, columns []record.Unit) table {
	t := table{title: title(g), grid: grid{corner: "stack"}, group: g, units: columns}
	for _, u := range columns {
		t.grid.head = append(t.grid.head, clean(u.Title))
	}
	if len(columns) == 0 {
		t.grid.head = []string{"result"}
	}
	var notes notes
	var rounds []int // measured, of each row
	var na []string  // stacks that cannot do the case, with the reason's mark
	for _, r := range g.Rows {
		// A row without a figure would only be in the way of the others.
		if reason, ok := unsupported(r); ok {
			na = append(na, clean(r.Stack.Name)+" "+p.footnote(reason))
			continue
		}
		line, measured := p.newRow(g, r, columns)
		t.grid.rows = append(t.grid.rows, line)
		if measured > 0 {
			rounds = append(rounds, measured)
		}
		notes.add(r, columns)
	}
	t.caption = caption(t.grid, rounds)
	t.attribution = attribution(g, columns)
	t.notes = notes.list()
	if len(na) > 0 {
		t.notes = append([]note{{label: "n/a", who: strings.Join(na, ", ")}}, t.notes...)
	}
	return t
}

// unsupported returns why a stack cannot do a case, and false if it can.
func unsupported(r record.Row) (reason string, ok bool) {
	for _, c := range r.Cells {
		if c.Unsupported == "" {
			return "", false
		}
		reason = c.Unsupported
	}
	return reason, len(r.Cells) > 0
}

// newRow makes the row of a stack and returns in how many rounds it was
// measured.
func (p *page) newRow(
	g record.Group, r record.Row, columns []record.Unit,
) (line row, measured int) {
	line = row{name: clean(r.Stack.Name)}
	var failed, unsupported int
	var reason string
	for _, c := range r.Cells {
		switch {
		case c.Error != "":
			failed++
		case c.Unsupported != "":
			unsupported++
			reason = p.footnote(c.Unsupported)
		default:
			measured++
		}
	}
	total := len(r.Cells)
	blank := "-" // what stands in a cell without a figure
	switch {
	case total == 0:
		blank = "not run"
	case measured == 0:
		blank = "failed"
	case len(columns) == 0:
		blank = "no figures"
	}
	if failed > 0 {
		line.status = append(line.status, ofRounds("failed", failed, total))
	}
	if unsupported > 0 {
		line.status = append(line.status,
			ofRounds("n/a", unsupported, total)+" "+reason)
	}
	line.status = append(line.status, faults(r)...)
	pairs := measured // that a ratio rests on, of the fewest
	for _, u := range columns {
		ratio, ok := g.Ratio(r, u.Name)
		if ok {
			pairs = min(pairs, ratio.Pairs)
		}
		line.cells = append(line.cells, newCell(r, u, ratio, blank))
	}
	if pairs < measured {
		line.status = append(line.status, ofRounds("paired", pairs, measured))
	}
	if len(columns) == 0 {
		line.cells = []cell{{value: blank}}
	}
	return line, measured
}

// newCell formats the median of a row in a unit. The spread is that of the
// ratio, where there is one: on a noisy machine it is the stable figure.
func newCell(
	r record.Row, u record.Unit, ratio stats.Ratio, blank string,
) cell {
	values := r.Samples(u.Name)
	if len(values) == 0 {
		return cell{value: blank}
	}
	c := cell{value: format(u.Quantity, record.Median(values))}
	if ratio.Pairs > 0 {
		c.setRatio(u, ratio, len(r.Cells))
		return c
	}
	c.spread = spread(format(u.Quantity, slices.Min(values)),
		format(u.Quantity, slices.Max(values)))
	return c
}

// mark stands before a ratio that is not called different.
const mark = "~"

// setRatio formats a ratio of figures in a unit, of that many rounds. Its
// spread is the interval, or the range where there are too few rounds for one.
func (c *cell) setRatio(u record.Unit, r stats.Ratio, rounds int) {
	c.ratio, c.verdict = times(r.Estimate), judge(u, r)
	c.tested = c.verdict != stats.TooFew && !byValue(u, r)
	switch c.verdict {
	case stats.Different:
		c.ratio = timesOff(r.Estimate)
	case stats.NotDifferent:
		c.ratio = mark + c.ratio
	}
	switch {
	case r.Confidence > 0:
		c.spread = timesSpread(r.Low, r.High)
	case rounds < stats.MinPairs:
		c.spread = timesSpread(r.Min, r.Max)
	}
}

// judge says whether the two sides of a ratio differ in a unit. Bytes and
// counts that come out the same in every round have no noise to be tested
// against, and one round cannot show that they do.
func judge(u record.Unit, r stats.Ratio) stats.Verdict {
	if byValue(u, r) {
		return stats.ByValue(r)
	}
	return stats.Fixed().Judge(r)
}

// byValue reports whether a ratio is judged without a test.
func byValue(u record.Unit, r stats.Ratio) bool {
	counted := u.Quantity == record.Bytes || u.Quantity == record.Count
	return r.Constant && (u.Exact || counted && r.Pairs > 1)
}

// footnote returns the mark of a reason for n/a, the same for the same reason.
func (p *page) footnote(reason string) string {
	reason = clean(strings.TrimPrefix(reason,
		scenarios.ErrUnsupported.Error()+": "))
	i := slices.Index(p.reasons, reason)
	if i < 0 {
		i = len(p.reasons)
		p.reasons = append(p.reasons, reason)
	}
	return "[" + strconv.Itoa(i+1) + "]"
}

// title says in words what a case is.
func title(g record.Group) string {
	c := g.Case
	var words []string
	if c.Clients > 0 {
		words = append(words, plural(c.Clients, "client"))
	}
	if c.Rooms > 1 {
		words = append(words, plural(c.Rooms, "room"))
	}
	if c.Size > 0 {
		words = append(words, strconv.Itoa(c.Size)+" B body")
	}
	if c.Rate > 0 {
		words = append(words,
			strconv.FormatFloat(c.Rate, 'g', -1, 64)+" messages/s")
	}
	if c.Samples > 1 {
		words = append(words, strconv.Itoa(c.Samples)+" times in a round")
	}
	text := g.Scenario + " / " + c.Name
	if len(words) > 0 {
		text += ": " + strings.Join(words, ", ")
	}
	return clean(text)
}

// any reports whether f is true of a cell of the grid.
func (g grid) any(f func(cell) bool) bool {
	return slices.ContainsFunc(g.rows, func(r row) bool {
		return slices.ContainsFunc(r.cells, f)
	})
}

// any reports whether f is true of a cell of any table.
func (p *page) any(f func(cell) bool) bool {
	return slices.ContainsFunc(p.tables, func(t table) bool {
		return t.grid.any(f) || t.attribution.any(f)
	})
}

// tests counts the ratios that were tested. Those of an attribution that are
// beside their figures too, because one stack is the other's twin, are there once.
func (p *page) tests(stacks []scenarios.Stack) (n int) {
	twins := make(map[string]bool)
	for _, s := range stacks {
		twins[s.Name+" / "+s.Twin] = true
	}
	for _, t := range p.tables {
		for _, r := range slices.Concat(t.grid.rows, t.attribution.rows) {
			for _, c := range r.cells {
				if c.tested && !twins[r.pair] {
					n++
				}
			}
		}
	}
	return n
}

func hasRatio(c cell) bool { return c.ratio != "" }

func judged(c cell) bool {
	return c.verdict == stats.Different || c.verdict == stats.NotDifferent
}

// caption says what the figures of a table are.
func caption(t grid, rounds []int) string {
	if len(rounds) == 0 {
		return ""
	}
	least, most := slices.Min(rounds), slices.Max(rounds)
	text := "median of " + plural(most, "round")
	if least < most {
		text = fmt.Sprintf("median of %d to %d rounds", least, most)
	}
	switch {
	case t.any(func(c cell) bool { return c.spread != "" }) && most == 1:
		text = "median of what was measured in one round, with its range"
	case t.any(func(c cell) bool { return c.spread != "" }):
		text += ", with their range"
	case most == 1:
		text += ", so there is no range"
	}
	switch {
	case !t.any(hasRatio):
	case most >= stats.MinPairs:
		text += "; x: times the twin, with the 95 % interval of that"
	default:
		text += "; x: times the twin, round by round"
	}
	return text
}

// faults tells how many deliveries of a row went wrong, in all rounds, those
// that failed for it included.
func faults(r record.Row) []string {
	var list []string
	for _, u := range record.Units {
		if n, _ := faultsIn(r, u); n != 0 {
			list = append(list, u.Fault+" "+format(u.Quantity, n))
		}
	}
	return list
}

// faultsIn returns the sum of a unit that marks a fault over the rounds of a
// row, and the rounds in which it was not zero.
func faultsIn(r record.Row, u record.Unit) (sum float64, rounds []int) {
	if u.Fault == "" {
		return 0, nil
	}
	for _, c := range r.Cells {
		var n float64
		for _, v := range c.Values {
			if v.Unit == u.Name {
				n += v.V
			}
		}
		if n != 0 {
			sum += n
			rounds = append(rounds, c.Round)
		}
	}
	return sum, rounds
}

// defectsTitle stands over the defects of libraries.
const defectsTitle = "defects of the libraries, which are not the protocol's"

// defects returns the defects that the scenarios of a run show, or that the chat
// makes up for, each once, with the stacks that have it.
func defects(run *record.Run) (list []entry) {
	stacks := make(map[string][]string) // by text
	var texts []string
	for _, s := range run.Stacks {
		for _, scenario := range slices.Sorted(maps.Keys(s.Defects)) {
			if !slices.ContainsFunc(run.Cells, func(c record.Cell) bool { return c.Scenario == scenario && c.Stack == s.Name }) {
				continue
			}
			for _, text := range s.Defects[scenario] {
				if text = clean(text); stacks[text] == nil {
					texts = append(texts, text)
				}
				if name := clean(s.Name); !slices.Contains(stacks[text], name) {
					stacks[text] = append(stacks[text], name)
				}
			}
		}
	}
	for _, text := range texts {
		list = append(list, entry{strings.Join(stacks[text], ", "), text})
	}
	return list
}

// leftOut folds the stacks that were left out for the same reason into one.
func leftOut(run *record.Run) []record.LeftOut {
	var list []record.LeftOut
	for _, l := range run.LeftOut {
		l.Stack, l.Reason, l.Mend = clean(l.Stack), clean(l.Reason), clean(l.Mend)
		i := slices.IndexFunc(list, func(have record.LeftOut) bool {
			return have.Reason == l.Reason && have.Mend == l.Mend
		})
		if i < 0 {
			list = append(list, l)
		} else {
			list[i].Stack += ", " + l.Stack
		}
	}
	return list
}

// facts returns what a reader must know to measure the same again.
func facts(run *record.Run) []string {
	env := run.Environment
	var list []string
	add := func(name, text string) {
		if text = clean(text); text != "" {
			list = append(list, strings.TrimSpace(name+" "+text))
		}
	}
	add("", run.Tool)
	add("", plural(run.Rounds, "round"))
	add("seed", strconv.FormatUint(run.Seed, 10))
	add("profile", string(run.Profile))
	add("", env.OS+"/"+env.Arch)
	add("", env.CPU)
	add("", plural(env.Cores, "core"))
	if env.Pinned {
		add("", "server and load pinned to a core each")
	}
	add("load average", strconv.FormatFloat(env.LoadAverage[0], 'f', 2, 64))
	add("kernel", env.Kernel)
	add("", env.Go)
	add("node", env.Node)
	for _, name := range sortedKeys(env.Libraries) {
		add(clean(name), env.Libraries[name])
	}
	commit := env.Commit
	if env.Dirty {
		commit += " with changes"
	}
	add("commit", commit)
	if !run.Started.IsZero() {
		add("measured", run.Started.UTC().Format("2006-01-02 15:04 UTC"))
	}
	return list
}
