package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"wsvsio/internal/record"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// jsonFormat is the version of the document that JSON writes. A field may be
// added without a new one.
const jsonFormat = 1

// The types below are the document, and their comments, with those of the types
// that they use, the descriptions in schema.json.

// document is a run as compare report -format json writes it: all that its
// tables show, as numbers.
type document struct {
	Format   int               `json:"format"`            // version of this document
	Tool     string            `json:"tool"`              // what measured
	Started  time.Time         `json:"started"`           // of the run
	Finished time.Time         `json:"finished,omitzero"` // absent if it did not come to its end
	Profile  scenarios.Profile `json:"profile,omitempty"` // how much time there was to spend

	// Rounds that were asked for.
	Rounds int `json:"rounds"`

	// Seed of the order of the stacks in a round, in decimal: it can be larger
	// than the integers that a reader of JSON keeps exactly.
	Seed string `json:"seed"`

	// Partial says that not everything that was asked for is here, Why gives
	// the reason.
	Partial bool   `json:"partial"`
	Why     string `json:"why,omitempty"`

	// Missing are the planned cases of which nothing is recorded.
	Missing []record.Planned `json:"missing,omitempty"`

	Environment record.Environment `json:"environment"`
	Stacks      []stackDoc         `json:"stacks"`            // in the order of the rows
	LeftOut     []record.LeftOut   `json:"leftOut,omitempty"` // that this machine cannot run
	Units       []unitDoc          `json:"units"`             // of the figures, in the order of the columns
	Rule        ruleDoc            `json:"rule"`
	Groups      []groupDoc         `json:"groups"` // in the order in which they were first measured

	Advice     []adviceDoc    `json:"advice"`     // what to choose, by situation
	BreakEvens []breakEvenDoc `json:"breakEvens"` // where the difference begins to matter
	Verdicts   []verdictDoc   `json:"verdicts"`   // how each claim ends
}

// evidenceDoc is what was measured and which cell it stands in: the group of
// that scenario and case, the row of that stack.
type evidenceDoc struct {
	Text     string `json:"text"`
	Scenario string `json:"scenario"`
	Case     string `json:"case"` // "case=steady/clients=100/size=128/rate=200"
	Stack    string `json:"stack"`
	Unit     string `json:"unit"` // of the figure, or the label's key where it is an outcome
}

// adviceDoc is what to choose in a situation.
type adviceDoc struct {
	Situation string        `json:"situation"`
	Rule      string        `json:"rule"`             // in words, with its thresholds
	Choice    string        `json:"choice,omitempty"` // absent if the run does not say
	Reason    string        `json:"reason"`           // with the figures, or what is missing in the run
	Evidence  []evidenceDoc `json:"evidence,omitempty"`
	Doubts    []string      `json:"doubts,omitempty"` // of the cells that decided
}

// breakEvenDoc is a figure to plan by on one runtime, worked out of measured
// ones, to two significant digits.
type breakEvenDoc struct {
	Runtime  string        `json:"runtime"` // "Go" or "Node"
	What     string        `json:"what"`
	Plain    string        `json:"plain,omitempty"`    // of a plain WebSocket; absent where it is one of the difference
	SocketIO string        `json:"socketIO,omitempty"` // of Socket.IO, or of the difference; absent if cells are missing
	Reason   string        `json:"reason"`             // how it was worked out, or what is missing
	Evidence []evidenceDoc `json:"evidence,omitempty"`
	Doubts   []string      `json:"doubts,omitempty"` // of the cells that it is of
}

// verdictDoc is how a claim ends.
type verdictDoc struct {
	ID       string           `json:"id"`
	Claim    string           `json:"claim"` // as the article has it
	Rule     string           `json:"rule"`  // in words, with its thresholds
	Answer   scenarios.Answer `json:"answer"`
	Reason   string           `json:"reason"`             // with the figures that decided, or what is missing
	Whose    string           `json:"whose,omitempty"`    // what of it is go-socket.io's and what is Socket.IO's
	Evidence []evidenceDoc    `json:"evidence,omitempty"` // what the rule read
	Doubts   []string         `json:"doubts,omitempty"`   // of the cells that decided
}

// stackDoc is a pair of programs that was measured.
type stackDoc struct {
	Name  string `json:"name"`
	About string `json:"about,omitempty"`
	Twin  string `json:"twin,omitempty"` // name of the stack that its ratios are taken to
}

// unitDoc says what a unit is.
type unitDoc struct {
	Name     string          `json:"name"`            // "p50-sec/msg"
	Title    string          `json:"title"`           // of its column in the tables
	Means    string          `json:"means,omitempty"` // in a sentence
	Better   record.Better   `json:"better,omitempty"`
	Quantity record.Quantity `json:"quantity"`
	Leading  bool            `json:"leading"` // it has a column in the tables

	// Exact units have the same value whenever they are measured.
	Exact bool `json:"exact"`

	// Fault units must be zero.
	Fault bool `json:"fault"`
}

// ruleDoc says when two stacks are called different: with p below Alpha and a
// ratio that is off one by MinShift at least. Figures that are the same in every
// round are compared by value.
type ruleDoc struct {
	Test     string  `json:"test"`
	Alpha    float64 `json:"alpha"`
	MinShift float64 `json:"minShift"` // as a share of the smaller side
	MinPairs int     `json:"minPairs"` // fewer rounds have no verdict
}

// groupDoc is what was measured of one case.
type groupDoc struct {
	Scenario    string         `json:"scenario"`
	Case        scenarios.Case `json:"case"`
	Title       string         `json:"title"` // the case in words
	Rows        []rowDoc       `json:"rows"`  // a stack each
	Attribution []effectDoc    `json:"attribution,omitempty"`
}

// rowDoc is what was measured of one case on one stack.
type rowDoc struct {
	Stack       string      `json:"stack"`
	Cells       int         `json:"cells"`    // recorded, one a round; 0 if the stack was not reached
	Measured    int         `json:"measured"` // of these, those with figures to be compared
	Failed      []remarkDoc `json:"failed,omitempty"`
	Unsupported []remarkDoc `json:"unsupported,omitempty"` // why the stack cannot do the case: n/a
	Doubts      []remarkDoc `json:"doubts,omitempty"`      // reasons to trust the row less
	Faults      []faultDoc  `json:"faults,omitempty"`      // what must be zero and is not
	Figures     []figureDoc `json:"figures,omitempty"`
}

// remarkDoc is a text and the rounds that it is about.
type remarkDoc struct {
	Text   string `json:"text"`
	Rounds []int  `json:"rounds"`
}

// faultDoc is how many deliveries went wrong, in failed cells, too.
type faultDoc struct {
	Unit   string  `json:"unit"`
	Sum    float64 `json:"sum"` // over the rounds
	Rounds []int   `json:"rounds"`
}

// figureDoc is a unit of a row, over the rounds in which it was measured.
type figureDoc struct {
	Unit   string    `json:"unit"`
	N      int       `json:"n"` // rounds
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	Ratio  *ratioDoc `json:"ratio,omitempty"` // to the twin; absent if there is none, or no round has both
}

// ratioDoc compares two sides round by round.
type ratioDoc struct {
	Pairs    int           `json:"pairs"`              // rounds in which both sides have a positive figure
	Estimate float64       `json:"estimate"`           // of Hodges and Lehmann
	Min      float64       `json:"min"`                // of the single ratios
	Max      float64       `json:"max"`                // of the single ratios
	Interval *intervalDoc  `json:"interval,omitempty"` // absent with too few pairs
	P        float64       `json:"p"`                  // of Wilcoxon's signed-rank test, two-sided
	Verdict  stats.Verdict `json:"verdict"`
}

// intervalDoc is an interval of the estimate.
type intervalDoc struct {
	Low        float64 `json:"low"`
	High       float64 `json:"high"`
	Confidence float64 `json:"confidence"` // at least 0.95
}

// effectDoc is a part of the differences: what changes between stacks that are
// alike in all else. Its ratios are those of the product of the stacks in Over
// to the product of those in Under, in each round.
type effectDoc struct {
	Name   string          `json:"name"`
	Over   []string        `json:"over"`
	Under  []string        `json:"under"`
	Ratios []unitsRatioDoc `json:"ratios"`
}

// unitsRatioDoc is the ratio in a unit.
type unitsRatioDoc struct {
	Unit  string   `json:"unit"`
	Ratio ratioDoc `json:"ratio"`
}

// JSON writes the run as the document that schema.json describes.
func JSON(w io.Writer, run *record.Run) error {
	data, err := json.MarshalIndent(newDocument(run), "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if _, err := w.Write(append(visible(data), '\n')); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}

// newDocument reads the run.
func newDocument(run *record.Run) document {
	rule := stats.Fixed()
	d := document{
		Format: jsonFormat, Tool: run.Tool,
		Started: run.Started, Finished: run.Finished,
		Profile: run.Profile, Rounds: run.Rounds, Seed: fmt.Sprint(run.Seed),
		Partial: run.Partial, Why: run.Why,
		Environment: run.Environment, LeftOut: run.LeftOut,
		Stacks: []stackDoc{}, Units: []unitDoc{}, Groups: []groupDoc{},
		Rule: ruleDoc{"Wilcoxon signed-rank, two-sided",
			rule.Alpha, rule.MinShift, rule.MinPairs},
	}
	if run.Partial {
		d.Missing = run.Missing()
	}
	for _, s := range run.Stacks {
		d.Stacks = append(d.Stacks, stackDoc{s.Name, s.About, s.Twin})
	}
	var units []record.Unit
	for _, g := range run.Group() {
		own := unitsOf(g)
		units = append(units, own...)
		d.Groups = append(d.Groups, newGroupDoc(g, own))
	}
	d.addAnswers(newAnswers([]*record.Run{run}))
	for _, u := range inOrder(units) {
		d.Units = append(d.Units, unitDoc{u.Name, u.Title, u.Means, u.Better,
			u.Quantity, u.Leading, u.Exact, u.Fault != ""})
	}
	return d
}

// addAnswers adds what the run says.
func (d *document) addAnswers(a answers) {
	docs := func(list []scenarios.Evidence) []evidenceDoc {
		var out []evidenceDoc
		for _, e := range list {
			out = append(out, evidenceDoc{e.Text, e.Scenario, e.Case, e.Stack, e.Unit})
		}
		return out
	}
	for _, v := range a.advice {
		d.Advice = append(d.Advice, adviceDoc{v.Situation, v.Rule, v.Choice, v.Reason, docs(v.Evidence), v.Doubts})
	}
	for _, e := range a.evens {
		d.BreakEvens = append(d.BreakEvens, breakEvenDoc{e.Runtime, e.What, e.Plain, e.SocketIO, e.Reason, docs(e.Evidence), e.Doubts})
	}
	for _, v := range a.verdicts {
		d.Verdicts = append(d.Verdicts, verdictDoc{v.Claim.ID, v.Claim.Text, v.Claim.Rule, v.Answer, v.Reason, v.Whose, docs(v.Evidence), v.Doubts})
	}
}

// unitsOf returns all units that were measured in a group, in their order.
func unitsOf(g record.Group) []record.Unit {
	var all []record.Unit
	for _, r := range g.Rows {
		for _, c := range r.Cells {
			for _, name := range c.Units() {
				all = append(all, record.UnitOf(name))
			}
		}
	}
	return inOrder(all)
}

func newGroupDoc(g record.Group, units []record.Unit) groupDoc {
	d := groupDoc{Scenario: g.Scenario, Case: g.Case, Title: title(g), Rows: []rowDoc{}}
	columns, _ := columnsOf(g)
	for _, r := range g.Rows {
		d.Rows = append(d.Rows, newRowDoc(g, r, units, columns))
	}
	for _, e := range effects {
		doc := effectDoc{Name: e.name, Over: e.over, Under: e.under}
		for _, u := range columns {
			if ratio := newRatioDoc(u, e.in(g, u.Name)); ratio != nil {
				doc.Ratios = append(doc.Ratios, unitsRatioDoc{u.Name, *ratio})
			}
		}
		if len(doc.Ratios) > 0 {
			d.Attribution = append(d.Attribution, doc)
		}
	}
	return d
}

func newRowDoc(g record.Group, r record.Row, units, columns []record.Unit) rowDoc {
	d := rowDoc{Stack: r.Stack.Name, Cells: len(r.Cells)}
	failed, unsupported, doubts := newRemarks(), newRemarks(), newRemarks()
	noise := unsteady(r, columns)
	for _, c := range r.Cells {
		switch {
		case c.Error != "":
			failed.add(c.Error, c.Round)
		case c.Unsupported != "":
			reason := strings.TrimPrefix(c.Unsupported, scenarios.ErrUnsupported.Error()+": ")
			unsupported.add(reason, c.Round)
		default:
			d.Measured++
		}
		for _, text := range c.Doubts {
			doubts.add(text, c.Round)
		}
		if noise != "" {
			doubts.add(noise, c.Round)
		}
	}
	d.Failed, d.Unsupported, d.Doubts = failed.docs(), unsupported.docs(), doubts.docs()
	for _, u := range units {
		if sum, rounds := faultsIn(r, u); sum != 0 && finite(sum) {
			d.Faults = append(d.Faults, faultDoc{u.Name, sum, rounds})
		}
		values := r.Values(u.Name)
		if len(values) == 0 {
			continue
		}
		figure := figureDoc{Unit: u.Name, N: len(values), Median: record.Median(values),
			Min: slices.Min(values), Max: slices.Max(values)}
		if ratio, ok := g.Ratio(r, u.Name); ok {
			figure.Ratio = newRatioDoc(u, ratio)
		}
		d.Figures = append(d.Figures, figure)
	}
	return d
}

// docs returns the remarks in the order in which they first came.
func (r *remarks) docs() []remarkDoc {
	var list []remarkDoc
	for _, text := range r.texts {
		list = append(list, remarkDoc{text, r.rounds[text]})
	}
	return list
}

// newRatioDoc returns a ratio, or nil if it has no pairs or is larger than a
// number can be.
func newRatioDoc(u record.Unit, r stats.Ratio) *ratioDoc {
	if r.Pairs == 0 || !finite(r.Estimate) || !finite(r.Min) || !finite(r.Max) {
		return nil
	}
	d := &ratioDoc{Pairs: r.Pairs, Estimate: r.Estimate, Min: r.Min, Max: r.Max,
		P: r.P, Verdict: judge(u, r)}
	if r.Confidence > 0 && finite(r.High) {
		d.Interval = &intervalDoc{r.Low, r.High, r.Confidence}
	}
	return d
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// visible escapes what a terminal would obey or not show. Such characters are
// nowhere in JSON but in its strings.
func visible(data []byte) []byte {
	var b bytes.Buffer
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		switch {
		case r == '\n' || unicode.IsPrint(r):
			b.Write(data[:n])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
		data = data[n:]
	}
	return b.Bytes()
}
