package report

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"
	"github.com/olekukonko/tablewriter/tw"

	"wsvsio/internal/record"
)

// Sheet is a table of texts that is no table of a run.
type Sheet struct {
	Title string
	Head  []string   // of the columns
	Rows  [][]string // as long as Head
	Texts int        // columns on the left that hold text, at least 1; the others hold figures
	Notes []string   // under the table
}

// WriteSheets writes sheets, all of them or none, as one of the views shows them:
// Sheet.Terminal or Sheet.Markdown.
func WriteSheets(w io.Writer, sheets []Sheet, view func(Sheet, io.Writer) error) error {
	var b bytes.Buffer
	for _, s := range sheets {
		if err := view(s, &b); err != nil {
			return fmt.Errorf("lay out %s: %w", s.Title, err)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Terminal writes the sheet for a terminal.
func (s Sheet) Terminal(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\n", s.Title)
	if len(s.Rows) > 0 {
		var text bytes.Buffer
		tab := tablewriter.NewTable(&text, append(s.options(), tablewriter.WithRendition(tw.Rendition{Borders: tw.BorderNone}))...)
		if err := s.fill(tab, func(text string) string { return text }); err != nil {
			return err
		}
		for line := range strings.Lines(text.String()) {
			b.WriteString(strings.TrimRight(line, " \n") + "\n")
		}
	}
	for _, n := range s.Notes {
		hang(&b, " ", n)
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// Markdown writes the sheet as GitHub-flavoured Markdown.
func (s Sheet) Markdown(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "## %s\n\n", escape(s.Title))
	if len(s.Rows) > 0 {
		tab := tablewriter.NewTable(&b, append(s.options(), tablewriter.WithRenderer(renderer.NewMarkdown()))...)
		if err := s.fill(tab, escape); err != nil {
			return err
		}
		b.WriteByte('\n')
	}
	for _, n := range s.Notes {
		fmt.Fprintf(&b, "- %s\n", escape(n))
	}
	if len(s.Notes) > 0 {
		b.WriteByte('\n')
	}
	_, err := w.Write(b.Bytes())
	return err
}

// options are the settings of both views.
func (s Sheet) options() []tablewriter.Option {
	texts := max(1, s.Texts)
	return options(texts, len(s.Head)-texts)
}

// fill writes the head and the rows into a table, each cell as show returns it.
func (s Sheet) fill(tab *tablewriter.Table, show func(string) string) error {
	line := func(cells []string) []string {
		shown := make([]string, len(cells))
		for i, c := range cells {
			shown[i] = show(clean(c))
		}
		return shown
	}
	tab.Header(line(s.Head))
	for _, r := range s.Rows {
		if err := tab.Append(line(r)); err != nil {
			return err
		}
	}
	return tab.Render()
}

// Figure returns a value in base units as the tables show it: "61.8 kB".
func Figure(q record.Quantity, v float64) string { return format(q, v) }
