package report

import (
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"wsvsio/internal/chart"
	web "wsvsio/internal/page"
	"wsvsio/internal/record"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// Whole is what a page shows: runs, and what belongs beside them.
type Whole struct {
	Runs    []Recorded
	Unread  []string              // runs that could not be read at all, and why
	Code    map[string][]CodePair // by scenario
	NoCode  string                // why there is none; "" if there is
	Command string                // that makes this page
}

// CodePair is a file of the plain WebSocket's side and its twin.
type CodePair struct {
	Language string // "go", "js"
	Sides    [2]CodeFile
}

// CodeFile is a file of a pair; without a path where there is none.
type CodeFile struct{ Path, Text string }

//go:embed html.html.tmpl
var htmlText string

//go:embed html.css
var htmlStyle string

var htmlTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report").Funcs(template.FuncMap{"sentence": asSentence}).Parse(htmlText))
})

// asSentence gives a text a capital and a full stop. A name stays as it is.
func asSentence(text string) string {
	if text == "" {
		return ""
	}
	word, _, _ := strings.Cut(text, " ")
	if first, n := utf8.DecodeRuneInString(text); !strings.ContainsAny(word, "-.") {
		text = string(unicode.ToUpper(first)) + text[n:]
	}
	if !strings.HasSuffix(text, ".") {
		text += "."
	}
	return text
}

// HTML writes the runs as one page, see package page: the decision and the
// verdicts, then each scenario with its charts and its code, then every figure.
func HTML(w io.Writer, in Whole) error {
	h := newHTML(in)
	var main bytes.Buffer
	if err := htmlTemplate().ExecuteTemplate(&main, "main", h); err != nil {
		return fmt.Errorf("lay out the report: %w", err)
	}
	var lead bytes.Buffer
	if err := htmlTemplate().ExecuteTemplate(&lead, "lead", h); err != nil {
		return fmt.Errorf("lay out the report: %w", err)
	}
	d := web.Document{
		Title: "WebSocket or Socket.IO?",
		About: "The same chat over a plain WebSocket and over Socket.IO, measured: what to choose, what of the claims holds, and every figure.",
		Lead:  template.HTML(lead.String()), Main: template.HTML(main.String()),
		Style: chart.Style + htmlStyle,
	}
	add := func(id, text string) { d.Contents = append(d.Contents, web.Link{Href: "#" + id, Text: text}) }
	if len(h.Advice) > 0 {
		add("decision", "What to choose")
	}
	if len(h.Verdicts) > 0 {
		add("verdicts", "What holds")
	}
	for _, s := range h.Scenarios {
		add(s.ID, s.Name)
	}
	add("figures", "Every figure")
	add("runs", "Runs and machines")
	add("reading", "How to read it")
	return d.Write(w)
}

// The types below are what the template shows. All text in them is clean; the
// template escapes it.

type htmlReport struct {
	Unread    []string
	Runs      []htmlRun
	Advice    []htmlAdvice
	Breaks    []htmlBreak
	Verdicts  []htmlVerdict
	Scenarios []htmlScenario
	Tables    []htmlTable
	Stacks    []htmlEntry
	Defects   []htmlEntry // of libraries
	Columns   []htmlEntry
	Effects   []htmlEntry
	Notes     []string // that hold for all tables
	Also      []string
	NoCode    string
	Command   string
}

type htmlEntry struct{ Name, Text string }

type htmlRun struct {
	ID, Name string
	Started  string
	Machine  string
	Partial  string
	Facts    []htmlEntry
	Reasons  []string
	LeftOut  []record.LeftOut
	Problems []string
	Command  string
}

// htmlLink is a figure that a sentence rests on, and where it stands.
type htmlLink struct{ Href, Text, Where string }

type htmlAdvice struct {
	scenarios.Advice
	Links []htmlLink
}

type htmlBreak struct {
	scenarios.BreakEven
	Links []htmlLink
}

type htmlVerdict struct {
	scenarios.Verdict
	ID, Class string
	Links     []htmlLink
}

type htmlScenario struct {
	ID, Name         string
	Question, Method string
	Claims           []htmlLink // that are decided here
	Kinds            []htmlKind
	Matrices         []htmlTable // and overviews
	Pairs            []htmlPair
	Tables           []htmlLink
	Missing          []string // what cannot be shown, and why
}

type htmlKind struct {
	Name   string
	Charts []htmlChart
}

type htmlChart struct {
	SVG   template.HTML
	Links []htmlLink // to the tables
}

type htmlPair struct {
	Summary string
	Note    string
	Sides   []htmlSource
}

type htmlSource struct {
	Path string
	Code template.HTML
}

type htmlTable struct {
	ID, Title   string
	Run         string // where there are several
	Grid        htmlGrid
	Caption     string
	Attribution htmlGrid
	Notes       []htmlNote
	Also        []htmlAlso // figures without a column that something rests on
}

type htmlGrid struct {
	Label, Corner string
	Head          []string
	Rows          []htmlRow
	Matrix        bool
}

type htmlRow struct {
	Name, Pair string
	Status     []string
	Cells      []htmlCell
}

type htmlCell struct {
	ID, Value, Ratio, Spread, Class string
	Differs                         bool
}

type htmlNote struct {
	Label, Who string
	Lines      []string
	Verbatim   bool // the lines are to be copied
	Bad        bool // not merely something to know
}

type htmlAlso struct{ ID, Name, Text string }

// spot is where a figure stands, which is what links lead to.
type spot struct {
	run                         int
	scenario, c, stack, element string
}

func spotOf(e scenarios.Evidence) spot {
	return spot{e.Run, clean(e.Scenario), clean(e.Case), clean(e.Stack), clean(e.Unit)}
}

// htmlMaker makes the report.
type htmlMaker struct {
	wanted  map[spot]bool   // that something rests on
	anchors map[spot]string // ids
	several bool            // runs
}

func newHTML(in Whole) htmlReport {
	runs := make([]*record.Run, len(in.Runs))
	for i, r := range in.Runs {
		runs[i] = r.Run
	}
	verdicts, advice, breaks := Verdicts(runs...), Advise(runs...), BreakEvens(runs...)
	m := &htmlMaker{wanted: make(map[spot]bool), anchors: make(map[spot]string), several: len(in.Runs) > 1}
	want := func(list []scenarios.Evidence) {
		for _, e := range list {
			m.wanted[spotOf(e)] = true
		}
	}
	for _, v := range verdicts {
		want(v.Evidence)
	}
	for _, a := range advice {
		want(a.Evidence)
	}
	for _, b := range breaks {
		want(b.Evidence)
	}

	h := htmlReport{NoCode: clean(in.NoCode), Command: in.Command}
	for _, why := range in.Unread {
		h.Unread = append(h.Unread, clean(why))
	}
	matrices := make(map[string][]htmlTable)
	tables := make(map[string][]htmlLink)
	var titles []htmlLink // of the tables that are of a group, in the order of Charts
	for i, r := range in.Runs {
		p := newPage(r.Run)
		h.Runs = append(h.Runs, m.run(i, r, p))
		for _, t := range p.tables {
			shown := m.table(i, r, t, len(titles))
			if t.group.Scenario == "" {
				scenario, _, _ := strings.Cut(t.title, " / ")
				matrices[scenario] = append(matrices[scenario], shown)
				continue
			}
			h.Tables = append(h.Tables, shown)
			link := htmlLink{Href: "#" + shown.ID, Text: shown.Title}
			titles = append(titles, htmlLink{Href: link.Href, Text: clean(t.group.Scenario + " / " + t.group.Case.Name)})
			tables[clean(t.group.Scenario)] = append(tables[clean(t.group.Scenario)], link)
		}
		h.Stacks = addEntries(h.Stacks, p.stacks)
		h.Defects = addEntries(h.Defects, p.defects)
		h.Columns = addEntries(h.Columns, p.columns)
		h.Effects = addEntries(h.Effects, p.effects)
		if p.verdict != "" && !slices.Contains(h.Notes, p.verdict) {
			h.Notes = append(h.Notes, p.verdict)
		}
		for _, u := range p.also {
			if !slices.Contains(h.Also, u) {
				h.Also = append(h.Also, u)
			}
		}
	}
	for _, a := range advice {
		h.Advice = append(h.Advice, htmlAdvice{a, m.links(a.Evidence)})
	}
	for _, b := range breaks {
		h.Breaks = append(h.Breaks, htmlBreak{b, m.links(b.Evidence)})
	}
	for _, v := range verdicts {
		h.Verdicts = append(h.Verdicts, htmlVerdict{v, web.ID("claim", v.Claim.ID), answerClass[v.Answer], m.links(v.Evidence)})
	}
	h.Scenarios = m.scenarios(in, h, matrices, tables, titles)
	return h
}

// answerClass is how an answer looks. It is said in words, too.
var answerClass = map[scenarios.Answer]string{
	scenarios.Holds: "good", scenarios.HoldsInPart: "part", scenarios.DoesNotHold: "bad", scenarios.NotMeasured: "none",
}

// addEntries adds what is not there yet.
func addEntries(list []htmlEntry, more []entry) []htmlEntry {
	for _, e := range more {
		if n := (htmlEntry{e.name, e.text}); !slices.Contains(list, n) {
			list = append(list, n)
		}
	}
	return list
}

// run says what a run is.
func (m *htmlMaker) run(i int, r Recorded, p *page) htmlRun {
	env := r.Run.Environment
	out := htmlRun{
		ID: "run-" + strconv.Itoa(i+1), Name: cmp.Or(clean(r.Name), "run "+strconv.Itoa(i+1)),
		Partial: p.partial, Reasons: p.reasons, LeftOut: p.leftOut, Command: again(r.Run),
		Machine: clean(strings.Join(slices.DeleteFunc([]string{env.CPU, plural(env.Cores, "core"), env.OS + "/" + env.Arch}, func(s string) bool { return s == "" || s == "/" }), ", ")),
	}
	if !r.Run.Started.IsZero() {
		out.Started = r.Run.Started.UTC().Format("2006-01-02 15:04 UTC")
	}
	for _, problem := range r.Problems {
		out.Problems = append(out.Problems, clean(problem.String()))
	}
	add := func(name, text string) {
		if text = clean(text); text != "" {
			out.Facts = append(out.Facts, htmlEntry{clean(name), text})
		}
	}
	add("measured", out.Started)
	if !r.Run.Finished.IsZero() && r.Run.Finished.After(r.Run.Started) {
		add("took", r.Run.Finished.Sub(r.Run.Started).Round(1e9).String())
	}
	add("by", r.Run.Tool)
	commit := env.Commit
	if env.Dirty {
		commit += " with changes"
	}
	add("commit", commit)
	add("profile", string(r.Run.Profile))
	add("rounds", strconv.Itoa(r.Run.Rounds))
	add("seed", strconv.FormatUint(r.Run.Seed, 10))
	add("machine", out.Machine)
	if env.MemoryGB > 0 {
		add("memory", strconv.Itoa(env.MemoryGB)+" GB")
	}
	if env.Pinned {
		add("pinned", "server and load generator to a core each")
	}
	add("load average", fmt.Sprintf("%.2f, %.2f and %.2f over 1, 5 and 15 minutes, at the start", env.LoadAverage[0], env.LoadAverage[1], env.LoadAverage[2]))
	add("kernel", env.Kernel)
	add("Go", env.Go)
	add("Node", env.Node)
	for _, name := range sortedKeys(env.Libraries) {
		add(name, env.Libraries[name])
	}
	return out
}

// again returns the command that measures the same again.
func again(run *record.Run) string {
	words := []string{"compare"}
	args := run.Args
	if len(args) == 0 && run.Profile != "" && run.Profile != scenarios.Quick {
		args = []string{"-profile", string(run.Profile)}
	}
	for _, a := range args {
		words = append(words, shellWord(clean(a)))
	}
	if !slices.Contains(args, "-seed") && !slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, "-seed=") || strings.HasPrefix(a, "--seed") }) {
		words = append(words, "-seed", strconv.FormatUint(run.Seed, 10))
	}
	return strings.Join(words, " ")
}

// shellWord returns a text as a shell takes it for one word.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-_=,./:@+%", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// ShellCommand returns words as a command that a shell runs.
func ShellCommand(words ...string) string {
	for i, w := range words {
		words[i] = shellWord(clean(w))
	}
	return strings.Join(words, " ")
}

// table lays out a table. n is how many there were of its kind before it.
func (m *htmlMaker) table(run int, r Recorded, t table, n int) htmlTable {
	out := htmlTable{ID: "t" + strconv.Itoa(n+1), Title: t.title, Caption: t.caption}
	if m.several {
		out.Run = cmp.Or(clean(r.Name), "run "+strconv.Itoa(run+1))
	}
	g := t.group
	if g.Scenario == "" {
		out.ID = web.ID("matrix", strconv.Itoa(run+1), t.title)
	}
	ids := 0
	id := func(p spot) string {
		if !m.wanted[p] || m.anchors[p] != "" {
			return ""
		}
		ids++
		m.anchors[p] = out.ID + "." + strconv.Itoa(ids)
		return m.anchors[p]
	}
	scenario, c := clean(g.Scenario), clean(g.Case.String())
	out.Grid = newHTMLGrid(t.title, t.grid, t.outcomes, func(stack string, column int) string {
		if column >= len(t.units) {
			return ""
		}
		return id(spot{run, scenario, c, stack, clean(t.units[column].Name)})
	})
	if len(t.attribution.rows) > 0 {
		out.Attribution = newHTMLGrid("attribution, "+t.title, t.attribution, false, func(string, int) string { return "" })
	}
	for _, n := range t.notes {
		out.Notes = append(out.Notes, htmlNote{n.label, n.who, n.lines, n.verbatim, n.label == "failed" || n.label != strings.ToLower(n.label)})
	}
	// What is decided by a figure without a column, or by an outcome.
	for _, row := range g.Rows {
		stack := clean(row.Stack.Name)
		var more []htmlAlso
		for p := range m.wanted {
			if p.run != run || p.scenario != scenario || p.c != c || p.stack != stack || m.anchors[p] != "" {
				continue
			}
			text := labels(row, p.element)
			if values := row.Samples(p.element); len(values) > 0 {
				text = format(record.UnitOf(p.element).Quantity, record.Median(values))
			}
			if text != "" {
				more = append(more, htmlAlso{Name: stack + ", " + p.element, Text: text})
			}
		}
		slices.SortFunc(more, func(a, b htmlAlso) int { return cmp.Compare(a.Name, b.Name) })
		for _, a := range more {
			a.ID = id(spot{run, scenario, c, stack, strings.TrimPrefix(a.Name, stack+", ")})
			out.Also = append(out.Also, a)
		}
	}
	return out
}

// newHTMLGrid lays out rows and columns.
func newHTMLGrid(label string, g grid, matrix bool, id func(row string, column int) string) htmlGrid {
	out := htmlGrid{Label: label, Corner: g.corner, Head: g.head, Matrix: matrix}
	for _, r := range g.rows {
		row := htmlRow{Name: r.name, Pair: r.pair, Status: r.status}
		for i, c := range r.cells {
			cell := htmlCell{ID: id(r.name, i), Value: c.value, Ratio: c.ratio, Spread: c.spread}
			cell.Differs = c.verdict == stats.Different
			if matrix {
				cell.Class = outcomeClass(c.value)
			}
			row.Cells = append(row.Cells, cell)
		}
		out.Rows = append(out.Rows, row)
	}
	return out
}

// outcomeClass is how an outcome looks: it works, it works in another way or in
// part, it does not, or there is none.
func outcomeClass(text string) string {
	switch {
	case text == "-" || text == "n/a" || text == "not run":
		return "none"
	case text == "ws" || text == "works" || text == "eventsource" || text == "xhr-multipart" || text == "polling, then ws":
		return "good"
	case text == "polling" || text == "ws, then polling" || strings.Contains(text, " % "):
		return "part"
	case strings.Contains(text, "/") && !strings.ContainsAny(text, "0123456789:"):
		return "part" // over several transports
	}
	return "bad"
}

// links returns where what is said can be looked up.
func (m *htmlMaker) links(list []scenarios.Evidence) (out []htmlLink) {
	for _, e := range list {
		p := spotOf(e)
		name, _, _ := strings.Cut(strings.TrimPrefix(p.c, "case="), "/")
		l := htmlLink{Text: clean(e.Text), Where: p.scenario + " / " + name + ", " + p.stack}
		if id := m.anchors[p]; id != "" {
			l.Href = "#" + id
		}
		out = append(out, l)
	}
	return out
}

// scenarios puts together what is shown of each.
func (m *htmlMaker) scenarios(in Whole, h htmlReport, matrices map[string][]htmlTable, tables map[string][]htmlLink, titles []htmlLink) (list []htmlScenario) {
	charts, n := Charts(in.Runs), 0
	at := make(map[string]int)
	add := func(name string) {
		if _, ok := at[name]; ok {
			return
		}
		at[name] = len(list)
		s := htmlScenario{ID: web.ID("scenario", clean(name)), Name: clean(name), Matrices: matrices[clean(name)], Tables: tables[clean(name)]}
		if about, ok := scenarios.AboutOf(name); ok {
			s.Question, s.Method = about.Question, about.Method
		}
		list = append(list, s)
	}
	for _, r := range in.Runs {
		for _, c := range r.Run.Cells {
			add(c.Scenario)
		}
		for _, p := range r.Run.Planned {
			add(p.Scenario)
		}
	}
	for i := range list {
		s := &list[i]
		for _, v := range h.Verdicts {
			if slices.ContainsFunc(v.Evidence, func(e scenarios.Evidence) bool { return clean(e.Scenario) == s.Name }) {
				s.Claims = append(s.Claims, htmlLink{Href: "#" + v.ID, Text: v.Claim.Text, Where: string(v.Answer)})
			}
		}
		drawn := 0
		for _, kind := range kinds {
			k := htmlKind{Name: kind}
			for _, c := range charts {
				if clean(c.Scenario) != s.Name || c.Kind != kind {
					continue
				}
				n++
				svg, err := c.Inline("c" + strconv.Itoa(n))
				if err != nil {
					s.Missing = append(s.Missing, err.Error())
					continue
				}
				shown := htmlChart{SVG: svg}
				for _, t := range c.tables {
					shown.Links = append(shown.Links, titles[t])
				}
				k.Charts = append(k.Charts, shown)
			}
			if len(k.Charts) > 0 {
				drawn++
				s.Kinds = append(s.Kinds, k)
			}
		}
		if s.Name == "broadcast" && !slices.ContainsFunc(s.Kinds, func(k htmlKind) bool { return k.Name == kindCurves }) {
			s.Missing = append(s.Missing, "The distributions of the latencies are not there: latency.hlog is missing, or nothing in it could be read.")
		}
		if drawn == 0 && len(s.Matrices) == 0 {
			s.Missing = append(s.Missing, "There is nothing to draw: what was measured is in the tables.")
		}
		if len(s.Tables) == 0 {
			s.Missing = append(s.Missing, "Nothing of this scenario was measured.")
		}
		for _, pair := range in.Code[s.Name] {
			s.Pairs = append(s.Pairs, newHTMLPair(pair))
		}
	}
	return list
}

// newHTMLPair lays out a pair of files.
func newHTMLPair(pair CodePair) htmlPair {
	var out htmlPair
	var paths []string
	for _, f := range pair.Sides {
		if f.Path == "" {
			out.Note = "There is no such file on the other side."
			continue
		}
		paths = append(paths, f.Path)
		out.Sides = append(out.Sides, htmlSource{f.Path, web.Code(pair.Language, f.Text)})
	}
	out.Summary = strings.Join(paths, " beside ")
	return out
}
