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

	Findings []Finding `json:"findings"`

	// Failures are cells that could not be measured.
	Failures []string `json:"failures,omitempty"`
}

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
var told = []Outcome{Worse, Better, Unconfirmed, Inexact}

// sheets are the tables of the report.
func (r *Report) sheets() []report.Sheet {
	first := report.Sheet{Title: string(r.Answer) + ": " + r.Head + " against " + r.Base, Notes: r.Notes}
	if text := r.noise(); text != "" {
		first.Notes = append(first.Notes, text)
	}
	for _, f := range r.Failures {
		first.Notes = append(first.Notes, "failed: "+f)
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
			if b := f.Decides(); b != nil {
				found.Notes = append(found.Notes, fmt.Sprintf("%s on %s, %s: base %s; head %s (least, quartiles, most of %d pairs)",
					shorter(f.Series), f.Stack, title(f.Unit), spread(f.Unit, b.Base), spread(f.Unit, b.Head), len(b.Base)))
			}
		}
	}
	if len(found.Rows) > 0 {
		list = append(list, found)
	}

	paired := report.Sheet{
		Title: "measured in pairs",
		Head:  []string{"case", "stack", "figure", "base", "head", "head / base", "95 % interval", "would find", "outcome"},
		Texts: 3,
	}
	same := make(map[Kind]int)
	for _, f := range r.Findings {
		if f.Screen != nil {
			finds := "-"
			if b := f.Decides(); b.Finds > 0 {
				finds = fmt.Sprintf("%.0f %%", 100*b.Finds)
			}
			paired.Rows = append(paired.Rows, append(f.cells(), finds, string(f.Outcome)))
		} else if f.Outcome == Same {
			same[f.Kind]++
		}
	}
	if len(paired.Rows) > 0 {
		paired.Notes = []string{fmt.Sprintf("worse or better: p < %v (Wilcoxon) and %.0f %% or more (Hodges–Lehmann) in a first batch, and again in a fresh one of twice the pairs", Alpha, 100*MinShift),
			"would find: the shift that batches of this noise find four times in five"}
		list = append(list, paired)
	}
	exact := report.Sheet{Title: "measured by value"}
	if n := same[Exact]; n > 0 {
		exact.Notes = append(exact.Notes, fmt.Sprintf("exact figures that are the same: %d", n))
	}
	if n := same[Limited]; n > 0 {
		exact.Notes = append(exact.Notes, fmt.Sprintf("allocations that are the same, within %v objects or %v B per message or %.0f %%: %d", absoluteAllocs, absoluteBytes, 100*relativeAllocs, n))
	}
	if len(exact.Notes) > 0 {
		list = append(list, exact)
	}
	return list
}

// noise says what makes the answer inconclusive, or "".
func (r *Report) noise() string {
	var worst *Finding
	n := 0
	for i, f := range r.Findings {
		unit, _ := UnitOf(f.Unit)
		if !unit.Deciding || f.Outcome != Noisy && f.Outcome != TooFew {
			continue
		}
		n++
		if worst == nil || f.Decides().Finds > worst.Decides().Finds {
			worst = &r.Findings[i]
		}
	}
	switch {
	case n == 0:
		return ""
	case worst.Decides().Finds == 0:
		return fmt.Sprintf("%d deciding figures have too few pairs to say anything", n)
	}
	return fmt.Sprintf("%d deciding figures are too noisy on this machine: %s on %s would have shown a shift of %.0f %%, and %.0f %% or less is asked for; take more pairs or a quieter machine",
		n, shorter(worst.Series), worst.Stack, 100*worst.Decides().Finds, 100*MostFinds)
}

// cells are what all tables say of a finding: where, both sides, the ratio and
// its interval.
func (f Finding) cells() []string {
	q := record.UnitOf(f.Unit).Quantity
	row := []string{shorter(f.Series), f.Stack, title(f.Unit), figure(q, f.Kind, f.Base), figure(q, f.Kind, f.Head), "-", "-"}
	if b := f.Decides(); b != nil {
		row[5] = times(b.Ratio)
		if b.Finds > 0 {
			row[6] = times(b.Low) + " to " + times(b.High)
		}
	} else if f.Base != 0 {
		row[5] = times(f.Head / f.Base)
	}
	return row
}

// figure is a figure as it is shown. One that is judged by its value has all
// its digits.
func figure(q record.Quantity, kind Kind, v float64) string {
	if kind == Exact || kind == Limited {
		return fmt.Sprintf("%.10g", v)
	}
	return report.Figure(q, v)
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
func spread(unit string, values []float64) string {
	s := slices.Sorted(slices.Values(values))
	var parts []string
	for _, q := range []float64{0, 0.25, 0.5, 0.75, 1} {
		parts = append(parts, report.Figure(record.UnitOf(unit).Quantity, s[int(math.Round(q*float64(len(s)-1)))]))
	}
	return strings.Join(parts, ", ")
}

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
