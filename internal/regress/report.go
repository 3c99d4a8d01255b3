package regress

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

// Format is the version of the JSON of a report.
const Format = 1

// Report is what a check has found.
type Report struct {
	Format   int       `json:"format"`
	Started  time.Time `json:"started,omitzero"`
	Finished time.Time `json:"finished,omitzero"`

	Answer Answer   `json:"answer"`
	Base   string   `json:"base"`            // what the head is held against
	Head   string   `json:"head"`            // what was checked
	Notes  []string `json:"notes,omitempty"` // what both are made of, and what is not compared

	Pairs       int                `json:"pairs,omitempty"` // of a screening
	Seed        uint64             `json:"seed,omitempty"`
	Environment record.Environment `json:"environment,omitzero"`
	Sides       []Side             `json:"sides,omitempty"` // base and head, where they are two builds

	Findings []Finding `json:"findings"`

	// Failures are cells that could not be measured.
	Failures []string `json:"failures,omitempty"`

	// Doubts say what is not compared though it should be: with them silence
	// does not mean that there is no regression.
	Doubts []string `json:"doubts,omitempty"`

	// Partial is why the check ended before everything was measured, "" if it
	// was: "interrupted".
	Partial string `json:"partial,omitempty"`
}

// Side is what a side is made of. The environment is that of what measures both.
type Side struct {
	Go        string            `json:"go"`
	Libraries map[string]string `json:"libraries,omitempty"` // name to version
}

// Decide sets the answer: what the findings give, but not that there is no
// regression where something is missing.
func (r *Report) Decide() {
	r.Answer = AnswerOf(r.Findings)
	if r.Answer == NoRegression && (len(r.Failures)+len(r.Doubts) > 0 || r.Partial != "") {
		r.Answer = Inconclusive
	}
}

// doubts say what makes an answer inconclusive that would be no regression, but
// for what failed.
func (r *Report) doubts() []string { return append(doubtful(r.Findings), r.Doubts...) }

// JSON writes the report as JSON, all pairs included.
func (r *Report) JSON(w io.Writer) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// Table writes the report for a terminal.
func (r *Report) Table(w io.Writer) error {
	return report.WriteSheets(w, r.sheets(), report.Sheet.Terminal)
}

// Markdown writes the report as GitHub-flavoured Markdown.
func (r *Report) Markdown(w io.Writer) error {
	return report.WriteSheets(w, r.sheets(), report.Sheet.Markdown)
}

// told are the outcomes that have a row of their own whatever the kind, in the
// order in which they are told.
var told = []Outcome{Worse, Better, Unrepeated, NowInexact, Lowered, Unconfirmed, Inexact}

// sheets are the tables of the report.
func (r *Report) sheets() []report.Sheet {
	first := report.Sheet{Title: string(r.Answer) + ": " + r.Head + " against " + r.Base, Notes: slices.Clone(r.Notes)}
	if r.Partial != "" {
		first.Title = "partial: " + r.Partial + ": " + first.Title
		first.Notes = append(first.Notes, "not everything was measured: of what is not in these tables nothing is known")
	}
	first.Notes = append(first.Notes, r.doubts()...)
	for _, f := range r.Failures {
		first.Notes = append(first.Notes, "failed: "+f)
	}
	for i, n := range first.Notes {
		first.Notes[i] = inLine(n)
	}
	list := []report.Sheet{first}

	found := report.Sheet{
		Title: "what is different",
		Head:  []string{"outcome", "case", "stack", "figure", "base", "head", "head / base", "95 % interval", "p, both batches"},
		Texts: 4,
	}
	for _, o := range told {
		for _, f := range r.Findings {
			if f.Outcome != o {
				continue
			}
			row := append([]string{string(o)}, f.cells()...)
			found.Rows = append(found.Rows, append(row, f.odds()))
			if base, head := f.measured(); len(base) > 0 {
				found.Notes = append(found.Notes, fmt.Sprintf("%s: base %s; head %s (least, quartiles, most of %d pairs)",
					f.name(), f.spread(base), f.spread(head), len(base)))
			}
		}
	}
	if len(found.Rows) > 0 {
		list = append(list, found)
	}

	paired := report.Sheet{
		Title: "measured in pairs",
		Head:  []string{"case", "stack", "figure", "base", "head", "head / base", "95 % interval", "pairs", "would find", "outcome"},
		Texts: 3,
	}
	same, measured := make(map[Kind]int), make(map[Kind]bool)
	for _, f := range r.Findings {
		if f.Screen != nil {
			measured[f.Kind] = true
			b, finds, pairs := f.Decides(), "-", "-"
			if b.Finds > 0 {
				finds = fmt.Sprintf("%.0f %%", 100*b.Finds)
			}
			if f.Kind != Stored {
				pairs = fmt.Sprint(len(b.Base))
			}
			paired.Rows = append(paired.Rows, append(f.cells(), pairs, finds, string(f.Outcome)))
		} else if f.Outcome == Same {
			same[f.Kind]++
		}
	}
	if len(paired.Rows) > 0 {
		if measured[Paired] {
			paired.Notes = append(paired.Notes, fmt.Sprintf("worse or better: p < %v (Wilcoxon) and %.0f %% or more (Hodges–Lehmann) in a first batch, and again in a fresh one of twice the pairs", Alpha, 100*MinShift),
				"would find: the shift that is found four times in five where batches are as noisy as this one, the fresh one included")
		}
		if measured[Shares] {
			paired.Notes = append(paired.Notes, fmt.Sprintf("shares: likewise, by their differences: p < %v and %.0f points or more of a whole batch; one that is lower by as much, or no longer whole, and not called worse makes the answer inconclusive", Alpha, 100*MinShare))
		}
		if measured[Stored] {
			paired.Notes = append(paired.Notes, fmt.Sprintf("against stored ratios: p < %v (Mann and Whitney), %.0f %% or more and all of the interval beyond %.0f %%, and again with a fresh sample; would find: the shift that one sample of this noise finds four times in five",
				Alpha, 100*StoredShift, 100*MinShift))
		}
		list = append(list, paired)
	}
	exact := report.Sheet{Title: "measured by value"}
	if n := same[Exact]; n > 0 {
		exact.Notes = append(exact.Notes, fmt.Sprintf("exact figures that are the same: %d", n))
	}
	if n := same[Shares]; n > 0 {
		exact.Notes = append(exact.Notes, fmt.Sprintf("shares that are the same in every pair: %d", n))
	}
	if n := same[Limited]; n > 0 {
		exact.Notes = append(exact.Notes, fmt.Sprintf("allocations that are the same, within %v objects or %v B per delivery or %.0f %%: %d; in a room that is what is allocated for each receiver, and not what is for each message", absoluteAllocs, absoluteBytes, 100*relativeAllocs, n))
	}
	if len(exact.Notes) > 0 {
		list = append(list, exact)
	}
	return list
}

// cells are what all tables say of a finding: where, both sides, the ratio and
// its interval.
func (f Finding) cells() []string {
	row := []string{shorter(f.Series), f.Stack, title(f.Unit), f.side(f.Base, f.BaseRange), f.side(f.Head, f.HeadRange), "-", "-"}
	if b := f.Decides(); b != nil && f.Kind == Shares {
		row[5] = fmt.Sprintf("%+.1f points", 100*b.Shift)
	} else if b != nil {
		row[5] = times(b.Ratio)
		if b.Finds > 0 {
			row[6] = times(b.Low) + " to " + times(b.High)
		}
	} else if f.Base != 0 {
		row[5] = times(f.Head / f.Base)
	}
	return row
}

// name says what the finding is of.
func (f Finding) name() string {
	return fmt.Sprintf("%s on %s, %s", shorter(f.Series), f.Stack, title(f.Unit))
}

// side is the figure of a side as it is shown, with its range if it is judged by
// its value and varies.
func (f Finding) side(median float64, span [2]float64) string {
	if span[0] < span[1] {
		return f.show(span[0]) + " to " + f.show(span[1])
	}
	return f.show(median)
}

// show is a figure as it is shown. One that is judged by its value, or by limits,
// has all its digits.
func (f Finding) show(v float64) string {
	if f.Kind == Exact || f.Kind == Limited {
		return fmt.Sprintf("%.10g", v)
	}
	return report.Figure(record.UnitOf(f.Unit).Quantity, v)
}

// odds are the p of both batches.
func (f Finding) odds() string {
	switch {
	case f.Screen == nil:
		return "-"
	case f.Confirm == nil:
		return fmt.Sprintf("%.2g", f.Screen.P)
	}
	return fmt.Sprintf("%.2g, %.2g", f.Screen.P, f.Confirm.P)
}

// spread is a distribution in five figures.
func (f Finding) spread(values []float64) string {
	s := slices.Sorted(slices.Values(values))
	var parts []string
	for _, q := range []float64{0, 0.25, 0.5, 0.75, 1} {
		parts = append(parts, f.show(s[int(math.Round(q*float64(len(s)-1)))]))
	}
	return strings.Join(parts, ", ")
}

// inLine is a text in one line, as a list has it.
func inLine(text string) string { return strings.Join(strings.Fields(text), " ") }

func times(ratio float64) string { return fmt.Sprintf("%.3fx", ratio) }

func title(unit string) string { return record.UnitOf(unit).Title }

// shorter is a series without what all have in common: "broadcast steady,
// 100 clients".
func shorter(series string) string {
	scenario, rest, ok := strings.Cut(series, "/case=")
	name, rest, _ := strings.Cut(rest, "/clients=")
	if !ok {
		return series
	}
	clients, _, _ := strings.Cut(rest, "/")
	if clients == "1" {
		return strings.ToLower(scenario) + " " + name + ", 1 client"
	}
	return strings.ToLower(scenario) + " " + name + ", " + clients + " clients"
}

// Sort puts the findings in the order of the tables: by series and stack as
// they came, then by unit.
func Sort(findings []Finding) {
	at := make(map[string]int)
	for _, f := range findings {
		for _, key := range []string{f.Series, f.Series + " " + f.Stack} {
			if _, ok := at[key]; !ok {
				at[key] = len(at)
			}
		}
	}
	slices.SortStableFunc(findings, func(a, b Finding) int {
		unit := func(f Finding) int {
			return slices.IndexFunc(Units, func(u Unit) bool { return u.Name == f.Unit })
		}
		return cmp.Or(
			cmp.Compare(at[a.Series], at[b.Series]),
			cmp.Compare(at[a.Series+" "+a.Stack], at[b.Series+" "+b.Stack]),
			cmp.Compare(unit(a), unit(b)))
	})
}
