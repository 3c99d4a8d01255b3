// Package trend shows how the ratios between stacks have moved over the runs in
// a folder: as a table, as SVG and as a page of HTML. Ratios inside rounds are
// what runs of different days and machines have in common; the times themselves
// are not. A line joins only what was measured in the same way, and what else has
// changed between two runs, such as the machine or a version, is told.
//
// SVG and HTML are made by html/template, which escapes what comes from the
// runs, and fetch nothing: no script, no font, no style.
package trend

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// Point is a ratio in one run.
type Point struct {
	Run       int // index in the history's runs
	Estimate  float64
	Low, High float64 // its interval; both the estimate where there are too few rounds for one
	Rounds    int
}

// Line is the ratio of a stack to its twin in a unit of a case, over the runs that
// have measured it in the same way.
type Line struct {
	Series, Stack, Twin, Unit string
	Way                       Way
	Points                    []Point
}

// Way is how a run measures a case, beyond what the name of its series says. What is
// measured for another time, or another number of times, is another figure.
type Way struct {
	Profile scenarios.Profile
	Window  time.Duration // of a round, or what it is given; 0 where it takes what it takes
	Repeats int
	Timers  scenarios.Timers
}

// String says it in a title.
func (w Way) String() string {
	s := string(cmp.Or(w.Profile, "unknown profile"))
	switch {
	case w.Timers != scenarios.Timers{}:
		s += fmt.Sprintf(", ping interval %v, ping timeout %v", w.Timers.PingInterval, w.Timers.PingTimeout)
	case w.Window > 0 && w.Repeats > 1:
		s += fmt.Sprintf(", %d windows of %v", w.Repeats, w.Window)
	case w.Window > 0:
		s += fmt.Sprintf(", a window of %v", w.Window)
	}
	return s
}

// Run is one that the history has.
type Run struct {
	Name     string // of its folder
	Started  time.Time
	Commit   string // with "+dirty" if there were changes on top; "-" if it is not known
	Profile  string
	Go, Node string // versions; "-" if there was none
	Machine  string // processor, cores and id
	Partial  bool   // not all was measured that was asked for

	// Changed is what is not as in the runs before, beside the commit: the machine,
	// and versions, "ws 8.22.0 to 8.23.0".
	Changed []string

	machine   machine
	libraries map[string]string // by name
}

// machine is what a run says of its machine. What it does not say is empty.
type machine struct {
	cpu, processor, id string
	cores              int
}

// machineOf is the machine of an environment.
func machineOf(e record.Environment) machine {
	return machine{cpu: e.CPU, processor: e.Processor, id: e.Machine, cores: e.Cores}
}

// String says it in a table.
func (m machine) String() string {
	s := fmt.Sprintf("%s, %d cores", cmp.Or(m.cpu, "unknown processor"), m.cores)
	if m.id != "" {
		s += ", " + m.id
	}
	return s
}

// is reports whether two can be the same. An id alone does not say it: images of
// virtual machines are started on any processor.
func (m machine) is(other machine) bool {
	alike := func(a, b string) bool { return a == "" || b == "" || a == b }
	return m.cores == other.cores && m.cpu == other.cpu && alike(m.processor, other.processor) && alike(m.id, other.id)
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
	h.compare()
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

// compare finds what has changed from run to run. A version is held against that of
// the last run that had one.
func (h *History) compare() {
	known := make(map[string]string)
	for i := range h.Runs {
		r := &h.Runs[i]
		if i > 0 && !r.machine.is(h.Runs[i-1].machine) {
			r.Changed = append(r.Changed, "another machine")
		}
		changed := func(name, version string) {
			if before := known[name]; before != "" && before != version {
				r.Changed = append(r.Changed, fmt.Sprintf("%s %s to %s", name, before, version))
			}
			known[name] = version
		}
		if r.Go != unknown {
			changed("Go", r.Go)
		}
		if r.Node != unknown {
			changed("Node", r.Node)
		}
		for _, name := range slices.Sorted(maps.Keys(r.libraries)) {
			changed(name, r.libraries[name])
		}
	}
}

// unknown stands for what a run does not say.
const unknown = "-"

// with reports whether two lines are in one chart.
func (l Line) with(other Line) bool {
	return l.Series == other.Series && l.Unit == other.Unit && l.Way == other.Way
}

// first is where the first line of the same chart stands, so that those of one are
// together.
func (h *History) first(l Line) int {
	return slices.IndexFunc(h.Lines, l.with)
}

// add adds the ratios of a run.
func (h *History) add(name string, run *record.Run, units, cases []string) {
	e := run.Environment
	m := machineOf(e)
	r := Run{
		Name: name, Started: run.Started, Commit: cmp.Or(e.Commit, unknown), Partial: run.Partial,
		Profile: cmp.Or(string(run.Profile), unknown), Go: cmp.Or(strings.TrimPrefix(e.Go, "go"), unknown), Node: cmp.Or(strings.TrimPrefix(e.Node, "v"), unknown),
		Machine: m.String(), machine: m, libraries: e.Libraries,
	}
	if e.Commit != "" && e.Dirty {
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
				h.point(Line{Series: record.SeriesName(g.Scenario, g.Case), Stack: row.Stack.Name, Twin: row.Stack.Twin, Unit: unit.Name, Way: Way{run.Profile, g.Case.Window, g.Case.Repeats, g.Case.Timers}}, p)
			}
		}
	}
}

// point adds a point to its line. A run that measures a case twice, by another
// number of warm-ups for instance, has it twice.
func (h *History) point(l Line, p Point) {
	i := slices.IndexFunc(h.Lines, func(have Line) bool {
		return have.with(l) && have.Stack == l.Stack && have.Twin == l.Twin
	})
	if i < 0 {
		i = len(h.Lines)
		h.Lines = append(h.Lines, l)
	}
	h.Lines[i].Points = append(h.Lines[i].Points, p)
}

// Machines returns how many machines the runs are of at least, and how many of the
// runs have no id of theirs: of these only the processor tells one from another.
func (h *History) Machines() (least, unnamed int) {
	var list []machine
	for _, named := range []bool{true, false} {
		for _, r := range h.Runs {
			if named != (r.machine.id != "") {
				continue
			}
			if !named {
				unnamed++
			}
			if !slices.ContainsFunc(list, r.machine.is) {
				list = append(list, r.machine)
			}
		}
	}
	return len(list), unnamed
}
