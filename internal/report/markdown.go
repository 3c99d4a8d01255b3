package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/renderer"

	"wsvsio/internal/record"
)

// Markdown writes the run as GitHub-flavoured Markdown.
func Markdown(w io.Writer, run *record.Run) error {
	p := newPage(run)
	var b bytes.Buffer
	if p.partial != "" {
		fmt.Fprintf(&b, "**PARTIAL RUN: %s.** What follows is what there "+
			"is.\n\n", escape(p.partial))
	}
	if len(p.tables) == 0 {
		b.WriteString("Nothing was measured.\n\n")
	}
	for _, t := range p.tables {
		if err := markdownTable(&b, t); err != nil {
			return fmt.Errorf("lay out %s: %w", t.title, err)
		}
	}
	markdownKey(&b, p)
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// markdownTable writes one table with its title, caption and notes.
func markdownTable(b *bytes.Buffer, t table) error {
	fmt.Fprintf(b, "## %s\n\n", escape(t.title))
	if err := markdownGrid(b, t.grid); err != nil {
		return err
	}
	if t.caption != "" {
		fmt.Fprintf(b, "%s\n\n", escape(t.caption))
	}
	for _, n := range t.notes {
		if n.verbatim {
			markdownBlock(b, n)
			continue
		}
		text := escape(n.who)
		if len(n.lines) > 0 {
			text += ": " + escape(strings.Join(n.lines, "\n"))
		}
		fmt.Fprintf(b, "- **%s**: %s\n", escape(n.label),
			strings.ReplaceAll(text, "\n", "<br>"))
	}
	if len(t.notes) > 0 {
		b.WriteByte('\n')
	}
	if len(t.attribution.rows) > 0 {
		return markdownGrid(b, t.attribution)
	}
	return nil
}

// markdownBlock writes a remark whose lines are to be copied as an item of a list
// with a block of code.
func markdownBlock(b *bytes.Buffer, n note) {
	fence := "```"
	for slices.ContainsFunc(n.lines, func(line string) bool { return strings.Contains(line, fence) }) {
		fence += "`"
	}
	fmt.Fprintf(b, "- **%s**: %s\n\n", escape(n.label), escape(n.who))
	for _, line := range slices.Concat([]string{fence}, n.lines, []string{fence}) {
		b.WriteString("  " + line + "\n")
	}
	b.WriteByte('\n')
}

// markdownGrid writes the rows and columns of a table and an empty line.
func markdownGrid(b *bytes.Buffer, g grid) error {
	tab := tablewriter.NewTable(b, append(options(1, len(g.head)),
		tablewriter.WithRenderer(renderer.NewMarkdown()))...)
	head := []string{escape(g.corner)}
	for _, name := range g.head {
		head = append(head, escape(name))
	}
	tab.Header(head)
	for _, r := range g.rows {
		if err := tab.Append(markdownRow(r)); err != nil {
			return err
		}
	}
	if len(g.rows) > 0 {
		if err := tab.Render(); err != nil {
			return err
		}
	}
	b.WriteByte('\n')
	return nil
}

// markdownRow returns a row with the status under its name and the spread
// behind its figure: there is room for it.
func markdownRow(r row) []string {
	name := escape(r.name)
	if r.pair != "" {
		name += ": " + escape(r.pair)
	}
	for _, text := range r.status {
		name += "<br>**" + escape(text) + "**"
	}
	line := []string{name}
	for _, c := range r.cells {
		text := escape(c.value)
		if c.ratio != "" {
			text += " " + escape(c.ratio)
		}
		if c.spread != "" {
			text += " (" + escape(c.spread) + ")"
		}
		line = append(line, strings.TrimSpace(text))
	}
	return line
}

// markdownKey writes what follows the tables.
func markdownKey(b *bytes.Buffer, p *page) {
	if len(p.reasons) > 0 {
		b.WriteString("### Not applicable (n/a)\n\n")
		for i, reason := range p.reasons {
			fmt.Fprintf(b, "- [%d] %s\n", i+1, escape(reason))
		}
		b.WriteByte('\n')
	}
	if len(p.leftOut) > 0 {
		b.WriteString("### Left out on this machine\n\n")
		for _, l := range p.leftOut {
			fmt.Fprintf(b, "- %s: %s", escape(l.Stack), escape(l.Reason))
			if l.Mend != "" {
				fmt.Fprintf(b, "<br>to add: %s", escape(l.Mend))
			}
			b.WriteByte('\n')
		}
		b.WriteByte('\n')
	}
	if p.verdict != "" {
		fmt.Fprintf(b, "T%s\n\n", escape(p.verdict[1:]))
	}
	markdownEntries(b, "Stacks", p.stacks)
	markdownEntries(b, "D"+defectsTitle[1:], p.defects)
	markdownEntries(b, "A"+effectsTitle[1:], p.effects)
	markdownEntries(b, "C"+columnsTitle[1:], p.columns)
	if len(p.also) > 0 {
		fmt.Fprintf(b, "Also in run.txt: %s\n\n",
			escape(strings.Join(p.also, ", ")))
	}
	fmt.Fprintf(b, "This run: %s\n", escape(strings.Join(p.facts, ", ")))
}

// markdownEntries writes a list of names and what they mean.
func markdownEntries(b *bytes.Buffer, title string, list []entry) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintf(b, "### %s\n\n", title)
	for _, e := range list {
		fmt.Fprintf(b, "- **%s**: %s\n", escape(e.name), escape(e.text))
	}
	b.WriteByte('\n')
}
