// Package trend shows how the ratios between stacks have moved over the runs in
// a folder: as a table, as SVG and as a page of HTML. Ratios inside rounds are
// what runs of different days and machines have in common; the times themselves
// are not.
//
// SVG and HTML are made by html/template, which escapes what comes from the
// runs, and fetch nothing: no script, no font, no style.
package trend

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"wsvsio/internal/record"
)

// Point is a ratio in one run.
type Point struct {
	Run       int // index in the history's runs
	Estimate  float64
	Low, High float64 // its interval; both the estimate where there are too few rounds for one
	Rounds    int
}

// Line is the ratio of a stack to its twin in a unit of a case, over the runs.
type Line struct {
	Series, Stack, Twin, Unit string
	Points                    []Point
}

// Run is one that the history has.
type Run struct {
	Name    string // of its folder
	Started time.Time
	Commit  string // with "+dirty" if there were changes on top; "-" if it is not known
	Machine string // processor and cores
}

// History is what the runs in a folder say, the oldest first.
type History struct {
	Runs  []Run
	Lines []Line

	// Problems are files that could not be read, or not wholly.
	Problems []string
}

// ErrNoRuns is wrapped by the error for a folder without runs.
var ErrNoRuns = errors.New("no runs")

// Read reads the runs in a folder, each in a folder of its own. Folders that
// hold something else, such as an experiment, are passed over. Units and cases
// select; none is all.
func Read(dir string, units, cases []string) (*History, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the runs: %w", err)
	}
	type dated struct {
		name string
		run  *record.Run
	}
	h := &History{}
	var runs []dated
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if _, err := os.Stat(filepath.Join(name, "run.json")); errors.Is(err, fs.ErrNotExist) || !e.IsDir() {
			continue
		}
		run, problems, err := record.Read(name)
		if err != nil {
			h.Problems = append(h.Problems, err.Error())
			continue
		}
		for _, p := range problems {
			h.Problems = append(h.Problems, p.String())
		}
		runs = append(runs, dated{e.Name(), run})
	}
	if len(runs) == 0 {
		return h, fmt.Errorf("%w in %s: give the folder that the folders of runs are in", ErrNoRuns, dir)
	}
	slices.SortStableFunc(runs, func(a, b dated) int { return a.run.Started.Compare(b.run.Started) })
	for _, r := range runs {
		h.add(r.name, r.run, units, cases)
	}
	h.drop()
	slices.SortStableFunc(h.Lines, func(a, b Line) int {
		return h.first(a) - h.first(b)
	})
	return h, nil
}

// drop leaves out runs that no line has a point of.
func (h *History) drop() {
	var kept []Run
	at := make(map[int]int)
	for i, r := range h.Runs {
		if slices.ContainsFunc(h.Lines, func(l Line) bool {
			return slices.ContainsFunc(l.Points, func(p Point) bool { return p.Run == i })
		}) {
			at[i] = len(kept)
			kept = append(kept, r)
		}
	}
	h.Runs = kept
	for _, l := range h.Lines {
		for i := range l.Points {
			l.Points[i].Run = at[l.Points[i].Run]
		}
	}
}

// first is where the first line of the same series and unit stands, so that
// those of one chart are together.
func (h *History) first(l Line) int {
	return slices.IndexFunc(h.Lines, func(other Line) bool { return other.Series == l.Series && other.Unit == l.Unit })
}

// add adds the ratios of a run.
func (h *History) add(name string, run *record.Run, units, cases []string) {
	e := run.Environment
	r := Run{Name: name, Started: run.Started, Commit: e.Commit, Machine: fmt.Sprintf("%s, %d cores", e.CPU, e.Cores)}
	switch {
	case r.Commit == "":
		r.Commit = "-"
	case e.Dirty:
		r.Commit += "+dirty"
	}
	at := len(h.Runs)
	h.Runs = append(h.Runs, r)
	for _, g := range run.Group() {
		if len(cases) > 0 && !slices.Contains(cases, g.Case.Name) {
			continue
		}
		for _, unit := range record.Units {
			if len(units) > 0 && !slices.Contains(units, unit.Name) || len(units) == 0 && !unit.Leading {
				continue
			}
			for _, row := range g.Rows {
				ratio, ok := g.Ratio(row, unit.Name)
				if !ok {
					continue
				}
				p := Point{Run: at, Estimate: ratio.Estimate, Low: ratio.Estimate, High: ratio.Estimate, Rounds: ratio.Pairs}
				if ratio.Confidence > 0 {
					p.Low, p.High = ratio.Low, ratio.High
				}
				h.point(Line{Series: record.SeriesName(g.Scenario, g.Case), Stack: row.Stack.Name, Twin: row.Stack.Twin, Unit: unit.Name}, p)
			}
		}
	}
}

// point adds a point to its line. A run that measures a case twice, by another
// number of warm-ups for instance, has it twice.
func (h *History) point(l Line, p Point) {
	i := slices.IndexFunc(h.Lines, func(have Line) bool {
		return have.Series == l.Series && have.Stack == l.Stack && have.Twin == l.Twin && have.Unit == l.Unit
	})
	if i < 0 {
		i = len(h.Lines)
		h.Lines = append(h.Lines, l)
	}
	h.Lines[i].Points = append(h.Lines[i].Points, p)
}

// Machines returns the machines of the runs, each once.
func (h *History) Machines() []string {
	var list []string
	for _, r := range h.Runs {
		if !slices.Contains(list, r.Machine) {
			list = append(list, r.Machine)
		}
	}
	return list
}
