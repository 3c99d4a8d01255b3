package codesize

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

// figure is a unit of a file and how to get it. It is not known where ok is
// false.
type figure struct {
	unit string
	of   func(File) (v int, ok bool)
}

// meant returns a figure that is known only with the file's meaning.
func meant(of func(*Meaning) int) func(File) (int, bool) {
	return func(f File) (int, bool) {
		if f.Meaning == nil {
			return 0, false
		}
		return of(f.Meaning), true
	}
}

// always returns a figure that is known of every file.
func always(of func(File) int) func(File) (int, bool) {
	return func(f File) (int, bool) { return of(f), true }
}

// The figures of a file: how much code there is, and what whoever writes it has
// to think of.
var (
	amounts = []figure{
		{"statements", always(func(f File) int { return f.Statements })},
		{"by-hand-statements", always(func(f File) int { return f.ByHand.Statements })},
		{"made-up-statements", always(func(f File) int { return f.MadeUp.Statements })},
		{"tokens", always(func(f File) int { return f.Tokens })},
		{"lines", always(func(f File) int { return f.Lines })},
		{"cyclomatic", always(func(f File) int { return f.Cyclomatic })},
		{"cognitive", always(func(f File) int { return f.Cognitive })},
	}
	concerns = []figure{
		{"error-paths", meant(func(m *Meaning) int { return m.ErrorPaths })},
		{"goroutines", meant(func(m *Meaning) int { return m.Goroutines })},
		{"locks", meant(func(m *Meaning) int { return m.Locks })},
		{"waits", meant(func(m *Meaning) int { return m.Waits })},
		{"api-names", meant(func(m *Meaning) int { return len(m.Names) })},
	}
)

// notKnown stands where a figure is not known.
const notKnown = "-"

// title returns what a column of a unit is called.
func title(unit string) string { return record.UnitOf(unit).Title }

// Table writes the report for a terminal.
func (r *Report) Table(w io.Writer) error {
	return report.WriteSheets(w, r.sheets(), report.Sheet.Terminal)
}

// Markdown writes the report as GitHub-flavoured Markdown.
func (r *Report) Markdown(w io.Writer) error {
	return report.WriteSheets(w, r.sheets(), report.Sheet.Markdown)
}

// JSON writes the report as JSON, with every declaration and every name.
func (r *Report) JSON(w io.Writer) error {
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}

// sheets are the tables of the report.
func (r *Report) sheets() []report.Sheet {
	var list []report.Sheet
	for _, scenario := range r.Scenarios() {
		list = append(list,
			r.fileSheet("code of "+scenario, scenario, amounts),
			r.fileSheet("to think of in "+scenario, scenario, concerns))
		if s, ok := r.markedSheet(scenario); ok {
			list = append(list, s)
		}
	}
	for _, b := range r.Behaviour {
		list = append(list, b.sheet())
	}
	list = append(list, r.linkedSheet(), r.installedSheet(), r.bundleSheet(), r.librarySheet())
	list = append(list, r.defectSheets()...)
	list = append(list, r.keySheet())
	if len(r.LeftOut)+len(r.Problems) > 0 {
		s := report.Sheet{Title: "left out"}
		for _, l := range r.LeftOut {
			s.Notes = append(s.Notes, fmt.Sprintf("%s: %s; to add it: %s", l.What, l.Reason, l.Mend))
		}
		for _, p := range r.Problems {
			s.Notes = append(s.Notes, p.String())
		}
		list = append(list, s)
	}
	return list
}

// fileSheet is a table of the files of a scenario. Where a side has several,
// their sum follows.
func (r *Report) fileSheet(name, scenario string, figures []figure) report.Sheet {
	s := report.Sheet{Title: name, Head: []string{"file"}}
	for _, f := range figures {
		s.Head = append(s.Head, title(f.unit))
	}
	row := func(name string, f File) {
		cells := []string{name}
		for _, g := range figures {
			text := notKnown
			if v, ok := g.of(f); ok {
				text = strconv.Itoa(v)
			}
			cells = append(cells, text)
		}
		s.Rows = append(s.Rows, cells)
	}
	for _, l := range Languages {
		n := 0
		for _, f := range r.Files {
			if f.Scenario == scenario && f.Language == l {
				row(f.Path, f)
				n++
			}
		}
		for _, side := range Sides {
			if total, ok := r.Total(scenario, side, l); ok && n > len(Sides) {
				row(total.Stack+": all", total)
			}
		}
	}
	return s
}

// markedSheet lists what stands in the marked parts of the files of a scenario.
func (r *Report) markedSheet(scenario string) (report.Sheet, bool) {
	s := report.Sheet{Title: "written by hand, or to make up for something, in " + scenario}
	for _, f := range r.Files {
		if f.Scenario != scenario {
			continue
		}
		for i, section := range f.Sections {
			var items []string
			for _, d := range f.Decls {
				if d.Line > section.Line && (i+1 == len(f.Sections) || d.Line < f.Sections[i+1].Line) {
					items = append(items, fmt.Sprintf(":%d %s (%d)", d.Line, d.Name, d.Statements))
				}
			}
			s.Notes = append(s.Notes, fmt.Sprintf("%s:%d %s By line, with their statements: %s",
				f.Path, section.Line, section.Why, strings.Join(items, ", ")))
		}
	}
	return s, len(s.Notes) > 0
}

// sheet is the table of what one gets for the code of a scenario.
func (b Behaviour) sheet() report.Sheet {
	s := report.Sheet{Title: "what one gets for it in " + b.Scenario, Head: append([]string{"stack"}, b.Columns...), Notes: b.Notes}
	for _, g := range b.Rows {
		s.Rows = append(s.Rows, append([]string{g.Stack}, g.Cells...))
	}
	return s
}

// amount returns a size in bytes as the tables show it.
func amount(bytes int64) string { return report.Figure(record.Bytes, float64(bytes)) }

func (r *Report) linkedSheet() report.Sheet {
	s := report.Sheet{
		Title: "what a Go program links for it",
		Head:  []string{"side", title("modules"), title("packages"), title("std-packages"), title("binary-B"), title("binary-over-B"), title("one-node-over-B")},
	}
	size := func(n int64) string {
		if n == 0 {
			return notKnown
		}
		return amount(n)
	}
	for _, l := range r.Linked {
		s.Rows = append(s.Rows, []string{
			string(l.Side), strconv.Itoa(len(l.Modules)), strconv.Itoa(l.Packages), strconv.Itoa(l.Standard),
			size(l.Binary), size(l.Over), size(l.OneNode),
		})
		s.Notes = append(s.Notes, fmt.Sprintf("modules of %s: %s", l.Side, strings.Join(l.Modules, ", ")))
	}
	if r.Base > 0 {
		s.Notes = append(s.Notes, fmt.Sprintf("a stripped program with a server and a client of net/http alone has %s, by %s for %s", amount(r.Base), r.Go, r.Platform))
	}
	return s
}

func (r *Report) installedSheet() report.Sheet {
	s := report.Sheet{
		Title: "what npm installs for it",
		Head:  []string{"side", "package", title("npm-packages")}, Texts: 2,
	}
	for _, i := range r.Installed {
		s.Rows = append(s.Rows, []string{string(i.Side), i.Package + " " + i.Version, strconv.Itoa(len(i.Packages))})
	}
	return s
}

func (r *Report) bundleSheet() report.Sheet {
	s := report.Sheet{
		Title: "what a browser loads for a chat of a few lines",
		Head:  []string{"side", "library", title("bundle-B"), "and gzipped"}, Texts: 2,
	}
	for _, b := range r.Bundles {
		s.Rows = append(s.Rows, []string{string(b.Side), b.Library, amount(int64(b.Min)), amount(int64(b.Gzip))})
	}
	return s
}

func (r *Report) librarySheet() report.Sheet {
	s := report.Sheet{
		Title: "state of the libraries",
		Head:  []string{"library", "used", "released", "latest", "released", "last commit", "archived"}, Texts: 7,
	}
	for _, l := range r.Libraries {
		archived := l.Archived
		if archived == "" {
			archived = "no"
		}
		s.Rows = append(s.Rows, []string{l.Name, l.Used, l.Released, l.Latest, l.LatestReleased, l.LastCommit, archived})
		text := fmt.Sprintf("%s %s speaks %s", l.Name, l.Used, l.Protocol)
		if len(l.Later) > 0 {
			text += "; not stable: " + strings.Join(l.Later, ", ")
		}
		s.Notes = append(s.Notes, fmt.Sprintf("%s; looked up on %s: %s", text, l.LookedUp, strings.Join(l.Sources, ", ")))
	}
	return s
}

// defectSheets list the open defects of the libraries.
func (r *Report) defectSheets() (list []report.Sheet) {
	for _, l := range r.Libraries {
		if len(l.Defects) == 0 {
			continue
		}
		s := report.Sheet{Title: fmt.Sprintf("open defects of %s %s that this suite shows", l.Name, l.Used)}
		for _, d := range l.Defects {
			s.Notes = append(s.Notes, fmt.Sprintf("%s (%s)", d.Text, strings.Join(d.Shown, ", ")))
		}
		list = append(list, s)
	}
	return list
}

// keySheet says what the columns mean.
func (r *Report) keySheet() report.Sheet {
	s := report.Sheet{Title: "columns"}
	for _, u := range r.units() {
		unit := record.UnitOf(u)
		s.Notes = append(s.Notes, fmt.Sprintf("%s: %s (%s)", unit.Title, unit.Means, u))
	}
	return s
}

// units are those of all figures, in the order of the tables.
func (r *Report) units() (list []string) {
	for _, f := range slices.Concat(amounts, concerns) {
		list = append(list, f.unit)
	}
	return append(list, "modules", "packages", "std-packages", "binary-B", "binary-over-B", "one-node-over-B", "npm-packages", "bundle-B", "bundle-gzip-B")
}
