package report

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"
	"golang.org/x/perf/benchmath"
	"golang.org/x/perf/benchproc"
	"golang.org/x/perf/benchunit"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// Side is one of the two runs of a diff.
type Side struct {
	Name string      // as it was given: a folder or a file
	Run  *record.Run // nil where there is a file of benchmarks alone
	Text []byte      // the figures in the Go benchmark format, without damage
}

// ErrUnit is wrapped by the error for a unit that neither side has.
var ErrUnit = errors.New("unknown unit")

// AllUnits selects all units of a diff.
const AllUnits = "all"

// Diff compares two runs that were measured apart, case by case, as benchstat
// does: medians and the Mann-Whitney U test, or the values themselves where a
// unit is exact.
type Diff struct {
	sides  [2]Side // old and new
	series []*series
	meta   benchfmt.UnitMetadataMap

	// vary are the settings that differ inside a side: its figures are of more
	// than one run.
	vary [2][]string

	conflicts []string // what the sides say differently of a unit
	seen      []string // units, as they came
}

// The sides, as they are called.
var sideNames = [2]string{"old", "new"}

// series is what was measured of one case, on either side.
type series struct {
	key    string // "Broadcast/case=steady/clients=100"
	title  string
	fields []string // of CSV: scenario, and the columns from case to rate
	stacks []string
	values map[place][]float64
}

// place is where figures of a series belong.
type place struct {
	stack, unit string
	side        int
}

// NewDiff compares two sides.
func NewDiff(older, newer Side) (*Diff, error) {
	d := &Diff{sides: [2]Side{older, newer}}
	var parser benchproc.ProjectionParser
	project := func(projection string) *benchproc.Projection {
		p, err := parser.Parse(projection, nil)
		if err != nil {
			panic(err) // they are constant
		}
		return p
	}
	// The number of cores is a fact about the run, not a case.
	byCase, byStack := project(".fullname"), project("/stack")
	project("/gomaxprocs")
	residue := parser.Residue()

	at := make(map[benchproc.Key]*series)
	var r benchfmt.Reader
	for i, side := range d.sides {
		// Reset keeps what is known about units: it holds for both.
		r.Reset(bytes.NewReader(side.Text), side.Name)
		var settings []benchproc.Key
		n := 0
		for r.Scan() {
			result, ok := r.Result().(*benchfmt.Result)
			if wrong, bad := r.Result().(*benchfmt.SyntaxError); bad {
				d.conflicts = append(d.conflicts, clean(wrong.Error()))
			}
			if !ok {
				continue
			}
			n++
			if k := residue.Project(result); !slices.Contains(settings, k) {
				settings = append(settings, k)
			}
			k := byCase.Project(result)
			s := at[k]
			if s == nil {
				s = newSeries(k.Get(byCase.Fields()[0]))
				at[k] = s
				d.series = append(d.series, s)
			}
			stack := byStack.Project(result).Get(byStack.Fields()[0])
			if !slices.Contains(s.stacks, stack) {
				s.stacks = append(s.stacks, stack)
			}
			for _, v := range result.Values {
				p := place{stack, v.Unit, i}
				s.values[p] = append(s.values[p], v.Value)
				if !slices.Contains(d.seen, v.Unit) {
					d.seen = append(d.seen, v.Unit)
				}
			}
		}
		if err := r.Err(); err != nil {
			return nil, fmt.Errorf("read the figures: %w", err)
		}
		if n == 0 {
			return nil, fmt.Errorf("%s holds no figures: give the folder of a "+
				"run, or the output of go test -bench", side.Name)
		}
		for _, f := range benchproc.NonSingularFields(settings) {
			d.vary[i] = append(d.vary[i], f.Name)
		}
	}
	d.meta = r.Units()
	d.sortStacks()
	// A run knows more of a case than its benchmarks' names say.
	for _, side := range d.sides {
		if side.Run == nil {
			continue
		}
		titles := make(map[string]string)
		for _, c := range side.Run.Cells {
			titles[record.SeriesName(c.Scenario, c.Case)] = title(record.Group{Scenario: c.Scenario, Case: c.Case})
		}
		for _, s := range d.series {
			s.title = cmp.Or(titles[s.key], s.title)
		}
	}
	return d, nil
}

// sortStacks puts the stacks of each series in the order of the runs.
func (d *Diff) sortStacks() {
	var order []string
	for _, side := range []Side{d.sides[1], d.sides[0]} {
		if side.Run == nil {
			continue
		}
		for _, s := range side.Run.Stacks {
			if !slices.Contains(order, s.Name) {
				order = append(order, s.Name)
			}
		}
	}
	for _, s := range d.series {
		slices.SortStableFunc(s.stacks, func(a, b string) int {
			i, j := slices.Index(order, a), slices.Index(order, b)
			if i < 0 {
				i = len(order)
			}
			if j < 0 {
				j = len(order)
			}
			return cmp.Compare(i, j)
		})
	}
}

// newSeries makes the series of a benchmark's name without its stack.
func newSeries(key string) *series {
	s := &series{key: key, title: clean(key), values: make(map[place][]float64)}
	s.fields = []string{s.title, "", "", "", "", ""}
	if scenario, c, ok := parseName(key); ok {
		s.title = title(record.Group{Scenario: scenario, Case: c})
		s.fields = append([]string{clean(scenario)}, caseFields(c)...)
	}
	return s
}

// parseName returns the scenario and the case in the name of a benchmark. It is
// false for one that is not ours.
func parseName(name string) (scenario string, c scenarios.Case, ok bool) {
	first, rest, _ := strings.Cut(name, "/")
	r, n := utf8.DecodeRuneInString(first)
	scenario = string(unicode.ToLower(r)) + first[n:]
	for part := range strings.SplitSeq(rest, "/") {
		key, value, _ := strings.Cut(part, "=")
		number, _ := strconv.Atoi(value)
		switch key {
		case "case":
			c.Name = value
		case "clients":
			c.Clients = number
		case "rooms":
			c.Rooms = number
		case "size":
			c.Size = number
		case "rate":
			c.Rate, _ = strconv.ParseFloat(value, 64)
		}
	}
	return scenario, c, c.Name != "" && record.SeriesName(scenario, c) == name
}

// has reports whether the series was measured on a stack on a side.
func (s *series) has(stack string, side int) bool {
	for p := range s.values {
		if p.stack == stack && p.side == side {
			return true
		}
	}
	return false
}

// both returns the stacks that both sides have.
func (s *series) both() []string {
	return slices.DeleteFunc(slices.Clone(s.stacks), func(stack string) bool {
		return !s.has(stack, 0) || !s.has(stack, 1)
	})
}

// change is how a unit differs on a stack.
type change struct {
	n      [2]int     // values
	center [2]float64 // median; the value of a unit that is exact
	p      float64    // 0 where there was no test
	tested bool
	same   bool // all values are the same
	known  verdict
	remark string
}

// verdict is what is known about a change, as CSV has it.
type verdict string

const (
	differs  verdict = "different"
	notFound verdict = "not different" // so far as such a test can tell
	tooShort verdict = "too few"       // values for the test to tell anything
	oneSided verdict = "one side"      // alone has the unit
)

// confidence is that of the summaries, of which the centre alone is used.
const confidence = 0.95

// change compares the sides in a unit on a stack.
func (d *Diff) change(s *series, stack, unit string) change {
	var c change
	var samples [2]*benchmath.Sample
	assume := d.meta.GetAssumption(unit)
	for i := range samples {
		// NewSample sorts what it is given.
		values := slices.Clone(s.values[place{stack, unit, i}])
		c.n[i] = len(values)
		if len(values) == 0 {
			continue
		}
		samples[i] = benchmath.NewSample(values, &benchmath.DefaultThresholds)
		summary := assume.Summary(samples[i], confidence)
		c.center[i] = summary.Center
		if assume == benchmath.AssumeExact && len(summary.Warnings) > 0 {
			c.remark = summary.Warnings[0].Error()
		}
	}
	if c.n[0] == 0 || c.n[1] == 0 {
		c.known = oneSided
		return c
	}
	all := slices.Concat(samples[0].Values, samples[1].Values)
	c.same = slices.Min(all) == slices.Max(all)
	c.tested = assume != benchmath.AssumeExact && !c.same
	if c.tested {
		c.p = mannWhitney(samples[0], samples[1])
	}
	alpha := benchmath.DefaultThresholds.CompareAlpha
	switch {
	case c.same || !c.tested && c.center[0] == c.center[1]:
		c.known = notFound
	case !c.tested:
		c.known = differs
	case leastP(c.n[0], c.n[1]) > alpha:
		c.known, c.remark = tooShort, cannotTell(c.n, alpha)
	case c.p <= alpha:
		c.known = differs
	default:
		c.known = notFound
	}
	return c
}

// mannWhitney returns the p of the two-sided test. Package benchmath doubles
// what the distribution of the first sample's U has up to the smaller U of the
// two. That is right if the smaller one is the first sample's: with ties, and
// samples of two sizes, the distribution is not symmetric, and one figure below
// eight that are all the same would have p = 0. What is doubled holds the
// figure that was seen, so it can be more than a half.
func mannWhitney(a, b *benchmath.Sample) float64 {
	if twoU(a.Values, b.Values) > len(a.Values)*len(b.Values) {
		a, b = b, a
	}
	return min(1, benchmath.AssumeNothing.Compare(a, b).P)
}

// twoU counts the pairs in which a has the larger figure twice, and those in
// which both are the same once. Both are sorted.
func twoU(a, b []float64) (n int) {
	less, upTo := 0, 0 // of b
	for _, x := range a {
		for less < len(b) && b[less] < x {
			less++
		}
		for upTo < len(b) && b[upTo] <= x {
			upTo++
		}
		n += less + upTo
	}
	return n
}

// leastP returns the smallest p that samples of those sizes can have: all
// figures of one are above all of the other, in one of two ways.
func leastP(n, m int) float64 {
	few, many := min(n, m), max(n, m)
	p := 2.0
	for i := 1; i <= few; i++ {
		p *= float64(i) / float64(many+i)
	}
	return min(1, p)
}

// cannotTell says that so many values are too few, and how many are not.
func cannotTell(n [2]int, alpha float64) string {
	enough := 1
	for leastP(enough, enough) > alpha {
		enough++
	}
	return fmt.Sprintf("%d old and %d new rounds are too few: no change could have p <= %v; with %d of each it could",
		n[0], n[1], alpha, enough)
}

// The marks of what is not called a change.
const (
	sameMark  = "="
	noneMark  = "~"
	shortMark = string(tooShort)
)

// delta returns the change in percent of the old figure, or a mark.
func (c change) delta() string {
	switch {
	case c.known == oneSided:
		return ""
	case c.same:
		return sameMark
	case c.known == tooShort:
		return shortMark
	case c.known != differs || c.center[0] == c.center[1]:
		return noneMark
	case c.center[0] == 0:
		return "from 0"
	}
	pct := 100 * (c.center[1] - c.center[0]) / c.center[0]
	sign := "+"
	if pct < 0 {
		sign, pct = "-", -pct
	}
	return sign + digits(pct, 2) + " %"
}

// detail returns the change and its p, if that could have told something.
func (c change) detail() string {
	text := c.delta()
	if c.tested && c.known != tooShort {
		text += fmt.Sprintf(" p=%.3f", c.p)
	}
	return text
}

// figures returns both figures, "488 → 512 µs".
func (c change) figures(u record.Unit) string {
	var have []float64
	for i := range c.n {
		if c.n[i] > 0 {
			have = append(have, c.center[i])
		}
	}
	scale, suffix := scaleOf(u.Quantity, have)
	text := [2]string{"-", "-"}
	for i := range c.n {
		if c.n[i] > 0 {
			text[i] = scale(c.center[i])
		}
	}
	return strings.TrimSpace(text[0] + " → " + text[1] + " " + suffix)
}

// scaleOf returns how values of a quantity are written with a common unit, and
// that unit.
func scaleOf(q record.Quantity, values []float64) (func(float64) string, string) {
	plain := func(v float64) string { return format(record.Count, v) }
	switch q {
	case record.Share:
		return func(v float64) string { return format(record.Count, 100*v) }, "%"
	case record.Count:
		return plain, ""
	}
	base := map[record.Quantity]string{record.Bytes: "B", record.Rate: "/s"}[q]
	if base == "" {
		base = "s"
	}
	least, most := 0.0, 0.0
	for _, v := range values {
		v = math.Abs(v)
		if v != 0 && (least == 0 || v < least) {
			least = v
		}
		most = max(most, v)
	}
	if most > 1e15 || most > 1e4*least {
		// One unit does not fit both.
		return func(v float64) string { return format(q, v) }, ""
	}
	s := benchunit.CommonScale(values, benchunit.Decimal)
	if base != "s" && s.Factor < 1 {
		return plain, base // nobody counts in thousandths of a byte
	}
	// Scale shows four digits, and the fourth is noise.
	s.Prec = max(0, s.Prec-1)
	suffix := s.Prefix + base
	s.Prefix = ""
	return s.Format, suffix
}

// units returns the units of a series that are selected: those that are asked
// for, all of them, or those that have a column in a report.
func (d *Diff) units(s *series, selected []string) []record.Unit {
	var all []record.Unit
	for _, stack := range s.both() {
		for _, name := range d.seen {
			p := place{stack, name, 0}
			q := place{stack, name, 1}
			if len(s.values[p])+len(s.values[q]) > 0 {
				all = append(all, record.UnitOf(name))
			}
		}
	}
	all = inOrder(all)
	switch {
	case len(selected) == 0:
		all = slices.DeleteFunc(all, func(u record.Unit) bool { return u.Fault != "" })
		leading := slices.DeleteFunc(slices.Clone(all), func(u record.Unit) bool { return !u.Leading })
		if len(leading) > 0 {
			return leading
		}
		return all
	case slices.Contains(selected, AllUnits):
		return all
	}
	return slices.DeleteFunc(all, func(u record.Unit) bool { return !slices.Contains(selected, u.Name) })
}

// Check returns an error if neither side has one of the units.
func (d *Diff) Check(units []string) error {
	for _, name := range units {
		if name != AllUnits && !slices.Contains(d.seen, name) {
			known := slices.Sorted(slices.Values(d.seen))
			return fmt.Errorf("%w %q; there are %s, %s", ErrUnit, name, AllUnits, strings.Join(known, ", "))
		}
	}
	return nil
}

// diffPage is what a diff says, before it is laid out. All text in it is clean.
type diffPage struct {
	sides   []entry // what was measured when
	first   []entry // what must not be overlooked
	tables  []table
	differs []entry // in what else than the figures
	only    []entry // what was measured on one side alone
	columns []entry
	read    []string // how to read it
}

// page makes the page of the selected units.
func (d *Diff) page(selected []string) *diffPage {
	p := new(diffPage)
	for i, side := range d.sides {
		p.sides = append(p.sides, entry{sideNames[i], side.about()})
	}
	p.first = d.first()
	var shown []record.Unit
	tests, short := 0, 0
	for _, s := range d.series {
		units := d.units(s, selected)
		if len(units) == 0 {
			continue
		}
		t, tested, few := d.table(s, units)
		tests, short = tests+tested, short+few
		shown = append(shown, units...)
		p.tables = append(p.tables, t)
	}
	for _, u := range inOrder(shown) {
		text := u.Means
		if u.Better == record.Higher {
			text += "; higher is better"
		}
		p.columns = append(p.columns, entry{clean(u.Title), clean(strings.TrimSpace(text + " (" + u.Name + ")"))})
	}
	p.differs = d.differences()
	p.only = d.only()
	p.read = d.reading(len(p.tables) > 0, tests, short)
	return p
}

// table makes the table of a series, and counts the tests in it and those that
// had too few values.
func (d *Diff) table(s *series, units []record.Unit) (t table, tests, short int) {
	t = table{title: s.title, grid: grid{corner: "stack"}}
	for _, u := range units {
		t.grid.head = append(t.grid.head, clean(u.Title))
	}
	var counts [][2]int
	remarks := newRemarks()
	who := make(map[string][]string)
	for _, stack := range s.both() {
		line := row{name: clean(cmp.Or(stack, "-"))}
		for _, u := range units {
			c := d.change(s, stack, u.Name)
			if c.n == [2]int{} {
				line.cells = append(line.cells, cell{value: "-"})
				continue
			}
			line.cells = append(line.cells, cell{value: c.figures(u), spread: c.detail()})
			if c.known != oneSided && !slices.Contains(counts, c.n) {
				counts = append(counts, c.n)
			}
			if c.tested {
				tests++
			}
			if c.known == tooShort {
				short++
			}
			if c.remark != "" {
				text := clean(u.Title) + ": " + clean(c.remark)
				if c.known == tooShort {
					text = clean(c.remark) // of all units alike
				}
				remarks.add(text, 1)
				if !slices.Contains(who[text], line.name) {
					who[text] = append(who[text], line.name)
				}
			}
		}
		t.grid.rows = append(t.grid.rows, line)
	}
	t.caption = rounds(counts)
	for _, text := range remarks.texts {
		t.notes = append(t.notes, note{label: "note", who: strings.Join(who[text], ", "), lines: []string{text}})
	}
	return t, tests, short
}

// rounds says how many values the medians of a table are of.
func rounds(counts [][2]int) string {
	if len(counts) == 0 {
		return ""
	}
	least, most := counts[0], counts[0]
	for _, n := range counts {
		for i := range n {
			least[i], most[i] = min(least[i], n[i]), max(most[i], n[i])
		}
	}
	var text [2]string
	for i := range text {
		text[i] = strconv.Itoa(most[i])
		if least[i] < most[i] {
			text[i] = fmt.Sprintf("%d to %d", least[i], most[i])
		}
	}
	return fmt.Sprintf("medians of %s old and %s new rounds", text[0], text[1])
}

// about says what a side is and when it was measured.
func (s Side) about() string {
	text := clean(s.Name)
	if s.Run == nil {
		return text + ", benchmarks alone"
	}
	if !s.Run.Started.IsZero() {
		text += ", measured " + s.Run.Started.UTC().Format("2006-01-02 15:04 UTC")
	}
	return text
}

// first returns what must be known of a side before its figures are.
func (d *Diff) first() []entry {
	var list []entry
	for i, side := range d.sides {
		add := func(label, text string) {
			list = append(list, entry{label, sideNames[i] + ": " + text})
		}
		if vary := d.vary[i]; len(vary) > 0 {
			add("MIXED", "its figures are of several runs, that differ in "+clean(strings.Join(vary, ", ")))
		}
		if side.Run == nil {
			continue
		}
		if why := partial(side.Run); why != "" {
			add("PARTIAL RUN", why)
		}
		if text := troubles(side.Run); text != "" {
			add("NOTE", text+"; see compare report "+clean(side.Name))
		}
	}
	for _, text := range d.conflicts {
		list = append(list, entry{"CONFLICT", text})
	}
	return list
}

// troubles counts what went wrong in a run, and the doubts on it.
func troubles(run *record.Run) string {
	failed, doubted, doubts := 0, 0, 0
	for _, c := range run.Cells {
		if c.Error != "" {
			failed++
		}
		if len(c.Doubts) > 0 {
			doubted++
			doubts += len(c.Doubts)
		}
	}
	var list []string
	if failed > 0 {
		list = append(list, plural(failed, "failed cell"))
	}
	whole := record.Row{Cells: run.Cells}
	list = append(list, faults(whole)...)
	if doubts > 0 {
		list = append(list, fmt.Sprintf("%s on %s", plural(doubts, "doubt"), plural(doubted, "cell")))
	}
	if len(list) == 0 {
		return ""
	}
	return fmt.Sprintf("of %s: %s", plural(len(run.Cells), "cell"), strings.Join(list, ", "))
}

// fact is something about a run that can explain a difference.
type fact struct {
	name, value string
	optional    bool // without a value it was not used; else it is not told
	late        bool // older records do not tell it
}

// facts returns the facts about a side that are comparable with another's.
func (d *Diff) facts(i int) []fact {
	if run := d.sides[i].Run; run != nil {
		return runFacts(run)
	}
	return d.textFacts(i)
}

func runFacts(run *record.Run) []fact {
	env := run.Environment
	commit := env.Commit
	if commit != "" && env.Dirty {
		commit += " with changes"
	}
	list := []fact{
		{name: "commit", value: commit}, {name: "go", value: env.Go},
		{name: "node", value: env.Node, optional: true},
		{name: "cpu", value: env.CPU}, {name: "cores", value: strconv.Itoa(env.Cores)},
	}
	list = append(list, machineFacts(env)...)
	list = append(list, []fact{
		{name: "kernel", value: env.Kernel}, {name: "system", value: env.OS + "/" + env.Arch},
		{name: "pinned", value: strconv.FormatBool(env.Pinned)},
		{name: "profile", value: string(run.Profile)}, {name: "rounds", value: strconv.Itoa(run.Rounds)},
	}...)
	for _, name := range sortedKeys(env.Libraries) {
		list = append(list, fact{name: name, value: env.Libraries[name], optional: true})
	}
	return list
}

// machineFacts tell machines apart whose processors have the same name.
func machineFacts(env record.Environment) []fact {
	memory := ""
	if env.MemoryGB > 0 {
		memory = strconv.Itoa(env.MemoryGB) + " GB"
	}
	return []fact{
		{name: "processor", value: env.Processor, late: true},
		{name: "memory", value: memory, late: true},
		{name: "machine", value: env.Machine, late: true},
	}
}

// otherMachine reports whether two runs were measured on two machines, so far as
// both tell.
func otherMachine(a, b record.Environment) bool {
	name := func(env record.Environment) []fact {
		return append(machineFacts(env), fact{value: env.CPU}, fact{value: strconv.Itoa(env.Cores)})
	}
	was, is := name(a), name(b)
	for i := range was {
		if was[i].value != "" && is[i].value != "" && was[i].value != is[i].value {
			return true
		}
	}
	return false
}

// textFacts returns what the settings in a file of benchmarks tell.
func (d *Diff) textFacts(i int) []fact {
	settings := make(map[string]string)
	r := benchfmt.NewReader(bytes.NewReader(d.sides[i].Text), d.sides[i].Name)
	for r.Scan() {
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		for _, c := range result.Config {
			settings[c.Key] = string(c.Value)
		}
		break
	}
	var list []fact
	commit, dirty := strings.CutSuffix(settings["commit"], "+dirty")
	if dirty {
		commit += " with changes"
	}
	add := func(name, value string) {
		if value != "" {
			list = append(list, fact{name: name, value: value})
		}
	}
	add("commit", commit)
	for _, name := range []string{"go", "node", "cpu", "kernel"} {
		add(name, settings[name])
	}
	if settings["goos"] != "" && settings["goarch"] != "" {
		add("system", settings["goos"]+"/"+settings["goarch"])
	}
	for _, name := range []string{"pinned", "profile", "rounds"} {
		add(name, settings[name])
	}
	return list
}

// differences returns everything besides the figures in which the sides differ.
func (d *Diff) differences() []entry {
	facts := [2][]fact{d.facts(0), d.facts(1)}
	values := [2]map[string]string{{}, {}}
	var names []string
	kind := make(map[string]fact)
	for i := range facts {
		for _, f := range facts[i] {
			if !slices.Contains(names, f.name) {
				names = append(names, f.name)
			}
			if i == 0 || d.sides[i].Run != nil {
				kind[f.name] = f // a run knows more of it than benchmarks do
			}
			values[i][f.name] = clean(f.value)
		}
	}
	var list []entry
	var untold [2][]string
	for _, name := range names {
		was, is := values[0][name], values[1][name]
		switch {
		case was == is:
		case was == "" && (d.sides[0].Run == nil || kind[name].late):
			untold[0] = append(untold[0], clean(name))
		case is == "" && (d.sides[1].Run == nil || kind[name].late):
			untold[1] = append(untold[1], clean(name))
		default:
			absent := "not told"
			if kind[name].optional {
				absent = "not used"
			}
			list = append(list, entry{clean(name), cmp.Or(was, absent) + " → " + cmp.Or(is, absent)})
		}
	}
	list = append(list, d.caseDifferences()...)
	for i, names := range untold {
		if len(names) > 0 {
			list = append(list, entry{"not told", sideNames[i] + " does not tell its " + strings.Join(names, ", ")})
		}
	}
	return list
}

// caseDifferences returns what a case of the same name does otherwise.
func (d *Diff) caseDifferences() []entry {
	cases := [2]map[string]scenarios.Case{{}, {}}
	for i, side := range d.sides {
		if side.Run == nil {
			continue
		}
		for _, c := range side.Run.Cells {
			cases[i][record.SeriesName(c.Scenario, c.Case)] = c.Case
		}
	}
	var list []entry
	for _, s := range d.series {
		was, ok := cases[0][s.key]
		is, too := cases[1][s.key]
		if !ok || !too {
			continue
		}
		var parts []string
		add := func(name string, was, is any) {
			if was != is {
				parts = append(parts, fmt.Sprintf("%s %v → %v", name, was, is))
			}
		}
		add("window", was.Window, is.Window)
		add("warm-up", was.Warmup, is.Warmup)
		add("warm-up in Go", was.GoWarmup, is.GoWarmup)
		add("repetitions", was.Samples, is.Samples)
		add("repeats", was.Repeats, is.Repeats)
		add("only once", was.Once, is.Once)
		add("side by side", was.Outcome, is.Outcome)
		if len(parts) > 0 {
			list = append(list, entry{"case", s.title + ": " + strings.Join(parts, ", ")})
		}
	}
	return list
}

// only returns what was measured on one side alone.
func (d *Diff) only() []entry {
	var list []entry
	for i := range d.sides {
		for _, s := range d.series {
			var stacks []string
			for _, stack := range s.stacks {
				if s.has(stack, i) && !s.has(stack, 1-i) {
					stacks = append(stacks, clean(cmp.Or(stack, "-")))
				}
			}
			if len(stacks) > 0 {
				list = append(list, entry{"only " + sideNames[i], s.title + ": " + strings.Join(stacks, ", ")})
			}
		}
	}
	return list
}

// reading says how far the figures can be trusted.
func (d *Diff) reading(any bool, tests, short int) []string {
	if !any {
		return []string{"No case was measured on the same stack in both: there is nothing to compare."}
	}
	alpha := benchmath.DefaultThresholds.CompareAlpha
	list := []string{fmt.Sprintf("A change, in percent of the old figure, has p <= %v in the "+
		"Mann-Whitney U test; %s: no change was found; %s: the same in every round. "+
		"Units that are exact are compared without a test.", alpha, noneMark, sameMark)}
	if short > 0 && short < tests {
		list = append(list, shortMark+": no change could be told in so few rounds, however large.")
	}
	if short == tests && tests > 0 {
		list = append(list, "There are too few rounds to tell a change in anything that varies.")
	} else if tests > 0 {
		list = append(list, fmt.Sprintf("By chance alone about %s would be called a change; by what drifts "+
			"between two runs, many more.",
			expected(alpha*float64(tests-short), tests-short)))
	}
	when := "at different times"
	if a, b := d.sides[0].Run, d.sides[1].Run; a != nil && b != nil {
		switch apart := b.Started.Sub(a.Started).Abs(); {
		case otherMachine(a.Environment, b.Environment):
			when = "on different machines"
		case !a.Started.IsZero() && !b.Started.IsZero() && apart >= 24*time.Hour:
			when = "on different days"
		}
	}
	return append(list, "The two runs were measured "+when+" and are compared unpaired: times, CPU "+
		"and rates may differ for what else the machine did, its neighbours included. Only bytes, "+
		"counts and allocations are firm. What was measured side by side is inside one run: compare report.")
}

// expected returns "1 of 24 tests".
func expected(n float64, of int) string {
	return fmt.Sprintf("%s of %s", digits(n, 1), plural(of, "test"))
}

// Table writes the diff in the selected units for a terminal.
func (d *Diff) Table(w io.Writer, units []string) error {
	p := d.page(units)
	var b bytes.Buffer
	for _, e := range slices.Concat(p.sides, p.first) {
		hang(&b, e.name+": ", e.text)
	}
	b.WriteByte('\n')
	for _, t := range p.tables {
		fmt.Fprintf(&b, "%s\n", t.title)
		for _, part := range fold(t.grid) {
			if err := terminalGrid(&b, part); err != nil {
				return fmt.Errorf("lay out %s: %w", t.title, err)
			}
		}
		if t.caption != "" {
			hang(&b, " ", t.caption)
		}
		for _, n := range t.notes {
			hang(&b, " "+n.label+": ", n.who+": "+strings.Join(n.lines, " "))
		}
		b.WriteByte('\n')
	}
	terminalEntries(&b, differsTitle, orNothing(p.differs))
	terminalEntries(&b, onlyTitle, p.only)
	terminalEntries(&b, columnsTitle, p.columns)
	for _, text := range p.read {
		hang(&b, "", text)
	}
	return write(w, b.Bytes())
}

// The titles over the lists under the tables.
const (
	differsTitle = "in what else they differ (old → new)"
	onlyTitle    = "measured on one side alone"
)

// orNothing says so where a list is empty.
func orNothing(list []entry) []entry {
	if len(list) == 0 {
		return []entry{{"-", "nothing that was recorded"}}
	}
	return list
}

// fold breaks a grid that is too wide for a terminal into several of the same
// rows, each with as many columns as fit.
func fold(g grid) []grid {
	const between = 3 // " │ "
	names := utf8.RuneCountInString(g.corner)
	for _, r := range g.rows {
		names = max(names, utf8.RuneCountInString(r.name))
	}
	var parts []grid
	used := 0
	for i, head := range g.head {
		wide := utf8.RuneCountInString(head)
		for _, r := range g.rows {
			wide = max(wide, utf8.RuneCountInString(r.cells[i].value), utf8.RuneCountInString(r.cells[i].spread))
		}
		wide += between
		if len(parts) == 0 || used+wide > width {
			parts = append(parts, grid{corner: g.corner, rows: make([]row, len(g.rows))})
			for j, r := range g.rows {
				parts[len(parts)-1].rows[j].name = r.name
			}
			used = names + between
		}
		last := &parts[len(parts)-1]
		last.head = append(last.head, head)
		for j, r := range g.rows {
			last.rows[j].cells = append(last.rows[j].cells, r.cells[i])
		}
		used += wide
	}
	return parts
}

// Markdown writes the diff in the selected units as GitHub-flavoured Markdown.
func (d *Diff) Markdown(w io.Writer, units []string) error {
	p := d.page(units)
	var b bytes.Buffer
	for _, e := range slices.Concat(p.sides, p.first) {
		fmt.Fprintf(&b, "- **%s**: %s\n", escape(e.name), escape(e.text))
	}
	b.WriteByte('\n')
	for _, t := range p.tables {
		if err := markdownTable(&b, t); err != nil {
			return fmt.Errorf("lay out %s: %w", t.title, err)
		}
	}
	markdownEntries(&b, "I"+differsTitle[1:], orNothing(p.differs))
	markdownEntries(&b, "M"+onlyTitle[1:], p.only)
	markdownEntries(&b, "C"+columnsTitle[1:], p.columns)
	for i, text := range p.read {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "%s\n", escape(text))
	}
	return write(w, b.Bytes())
}

// diffHead are the columns of a diff as CSV.
var diffHead = []string{
	"scenario", "case", "clients", "rooms", "size", "rate", "stack", "unit",
	"old", "new", "ratio", "p", "n_old", "n_new", "verdict",
}

// CSV writes the diff in the selected units as comma-separated values, a line
// for each unit of each stack that both sides have. The columns up to unit are
// those of the CSV of a run; old and new are medians in base units, ratio is
// new by old, p is that of the test, empty where there is none, and n_old and
// n_new count the values. What else there is to say is in Remarks.
func (d *Diff) CSV(w io.Writer, units []string) error {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	out.Write(diffHead) // into memory, it cannot fail
	for _, s := range d.series {
		for _, stack := range s.both() {
			for _, u := range d.units(s, units) {
				c := d.change(s, stack, u.Name)
				if c.n == [2]int{} {
					continue
				}
				var text [2]string
				for i := range text {
					if c.n[i] > 0 {
						text[i] = exact(c.center[i])
					}
				}
				ratio, p := "", ""
				if r := c.center[1] / c.center[0]; c.known != oneSided && finite(r) {
					ratio = exact(r)
				}
				if c.tested {
					p = exact(c.p)
				}
				out.Write(concat(s.fields, []string{clean(stack), clean(u.Name), text[0], text[1],
					ratio, p, strconv.Itoa(c.n[0]), strconv.Itoa(c.n[1]), string(c.known)}))
			}
		}
	}
	out.Flush()
	return write(w, b.Bytes())
}

// Remarks returns what stands around the tables, line by line.
func (d *Diff) Remarks(units []string) []string {
	p := d.page(units)
	var list []string
	for _, e := range slices.Concat(p.sides, p.first) {
		list = append(list, e.name+": "+e.text)
	}
	for _, e := range p.differs {
		list = append(list, "differs: "+e.name+": "+e.text)
	}
	for _, e := range p.only {
		list = append(list, e.name+": "+e.text)
	}
	for _, t := range p.tables {
		for _, n := range t.notes {
			list = append(list, t.title+": "+n.who+": "+strings.Join(n.lines, " "))
		}
	}
	return append(list, p.read...)
}

func write(w io.Writer, data []byte) error {
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("write the comparison: %w", err)
	}
	return nil
}
