package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/olekukonko/tablewriter"
	"github.com/olekukonko/tablewriter/tw"

	"wsvsio/internal/record"
	"wsvsio/internal/wrap"
)

// width is how many characters a terminal is taken to have. The usual table
// fits; text is wrapped to it.
const width = 100

// breakFrom is how many characters of a name stay in one line where columns are
// narrow.
const breakFrom = 10

// Table writes the run for a terminal.
func Table(w io.Writer, run *record.Run) error {
	p := newPage(run)
	var b bytes.Buffer
	if p.partial != "" {
		hang(&b, "PARTIAL RUN: ", p.partial+
			". What follows is what there is.")
		b.WriteByte('\n')
	}
	if len(p.tables) == 0 {
		b.WriteString("nothing was measured\n\n")
	}
	for _, t := range p.tables {
		if err := terminalTable(&b, t); err != nil {
			return fmt.Errorf("lay out %s: %w", t.title, err)
		}
	}
	terminalKey(&b, p)
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// terminalTable writes one table with its title, caption and notes.
func terminalTable(b *bytes.Buffer, t table) error {
	fmt.Fprintf(b, "%s\n", t.title)
	if err := terminalGrid(b, t.grid); err != nil {
		return err
	}
	if t.caption != "" {
		hang(b, " ", t.caption)
	}
	for _, n := range t.notes {
		if n.verbatim {
			hang(b, " "+n.label+": ", n.who+":")
			for _, line := range n.lines {
				b.WriteString(indent + line + "\n")
			}
			continue
		}
		text := n.who
		if len(n.lines) > 0 {
			text += ": " + n.lines[0]
		}
		hang(b, " "+n.label+": ", text)
		for _, line := range n.lines[min(1, len(n.lines)):] {
			hang(b, "    ", line)
		}
	}
	if len(t.attribution.rows) > 0 {
		b.WriteByte('\n')
		if err := terminalGrid(b, t.attribution); err != nil {
			return err
		}
	}
	b.WriteByte('\n')
	return nil
}

// terminalGrid writes the rows and columns of a table, nothing if it has no
// rows.
func terminalGrid(b *bytes.Buffer, g grid) error {
	if len(g.rows) == 0 {
		return nil
	}
	var text bytes.Buffer
	tab := tablewriter.NewTable(&text, append(options(1, len(g.head)),
		tablewriter.WithRendition(tw.Rendition{Borders: tw.BorderNone}))...)
	head := []string{g.corner}
	for _, name := range g.head {
		if i := strings.LastIndexByte(name, '-'); g.narrow && i > 0 && len(name) > breakFrom {
			name = name[:i+1] + "\n" + name[i+1:]
		}
		head = append(head, name)
	}
	tab.Header(head)
	for _, line := range terminalRows(g) {
		if err := tab.Append(line); err != nil {
			return err
		}
	}
	if err := tab.Render(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		b.WriteString(strings.TrimRight(line, " \n") + "\n")
	}
	return nil
}

// options are the settings that both views share: cells are taken as they are,
// those of the first columns hold text, the others figures.
func options(texts, figures int) []tablewriter.Option {
	align := slices.Concat(slices.Repeat([]tw.Align{tw.AlignLeft}, texts), slices.Repeat([]tw.Align{tw.AlignRight}, figures))
	perColumn := tw.CellAlignment{PerColumn: align}
	return []tablewriter.Option{
		tablewriter.WithHeaderAutoFormat(tw.Off),
		tablewriter.WithHeaderAutoWrap(tw.WrapNone),
		tablewriter.WithRowAutoWrap(tw.WrapNone),
		tablewriter.WithTrimSpace(tw.Off),
		tablewriter.WithHeaderAlignmentConfig(perColumn),
		tablewriter.WithRowAlignmentConfig(perColumn),
	}
}

// terminalRows returns the lines of a grid: for each row its figures, then the
// spread under them, and under its name what it is a ratio of and the status.
func terminalRows(g grid) [][]string {
	values, ratios := make([]int, len(g.head)), make([]int, len(g.head))
	for _, r := range g.rows {
		for i, c := range r.cells {
			values[i] = max(values[i], utf8.RuneCountInString(c.value))
			ratios[i] = max(ratios[i], utf8.RuneCountInString(c.ratio))
		}
	}
	var lines [][]string
	for _, r := range g.rows {
		first, second := []string{r.name}, []string{""}
		more := false
		for i, c := range r.cells {
			text := pad(c.value, values[i])
			if ratios[i] > 0 {
				text += gap(values[i]) + pad(c.ratio, ratios[i])
			}
			first = append(first, text)
			second = append(second, c.spread)
			more = more || c.spread != ""
		}
		lines = append(lines, first)
		status := r.status
		if r.pair != "" {
			status = append([]string{r.pair}, status...)
		}
		if more {
			if len(status) > 0 {
				second[0], status = "  "+status[0], status[1:]
			}
			lines = append(lines, second)
		}
		for _, text := range status {
			lines = append(lines,
				append([]string{"  " + text}, make([]string, len(g.head))...))
		}
	}
	return lines
}

// gap stands between a value and its ratio.
func gap(width int) string {
	if width == 0 {
		return ""
	}
	return "  "
}

// terminalKey writes what follows the tables.
func terminalKey(b *bytes.Buffer, p *page) {
	if len(p.reasons) > 0 {
		b.WriteString("not applicable (n/a)\n")
		for i, reason := range p.reasons {
			hang(b, fmt.Sprintf("  [%d] ", i+1), reason)
		}
		b.WriteByte('\n')
	}
	if len(p.leftOut) > 0 {
		b.WriteString("left out on this machine\n")
		for _, l := range p.leftOut {
			hang(b, "  ", l.Stack+": "+l.Reason)
			if l.Mend != "" {
				// Not wrapped: it is there to be copied.
				fmt.Fprintf(b, "    to add: %s\n", l.Mend)
			}
		}
		b.WriteByte('\n')
	}
	if p.verdict != "" {
		hang(b, "", p.verdict)
		b.WriteByte('\n')
	}
	terminalEntries(b, "stacks", p.stacks)
	if len(p.defects) > 0 {
		fmt.Fprintf(b, "%s\n", defectsTitle)
		for _, d := range p.defects {
			hang(b, "  ", d.name+": "+d.text)
		}
		b.WriteByte('\n')
	}
	terminalEntries(b, effectsTitle, p.effects)
	terminalEntries(b, columnsTitle, p.columns)
	if len(p.also) > 0 {
		hang(b, "also in run.txt: ", strings.Join(p.also, ", "))
	}
	hang(b, "this run: ", strings.Join(p.facts, ", "))
}

// terminalEntries writes a list of names and what they mean.
func terminalEntries(b *bytes.Buffer, title string, list []entry) {
	if len(list) == 0 {
		return
	}
	widest := 0
	for _, e := range list {
		widest = max(widest, utf8.RuneCountInString(e.name))
	}
	fmt.Fprintf(b, "%s\n", title)
	for _, e := range list {
		blanks := strings.Repeat(" ", widest-utf8.RuneCountInString(e.name))
		hang(b, "  "+e.name+blanks+"  ", e.text)
	}
	b.WriteByte('\n')
}

// hang writes a text after a label, wrapped, with its further lines under the
// first.
func hang(b *bytes.Buffer, label, text string) {
	indent := utf8.RuneCountInString(label)
	if indent > width/3 {
		indent = 4
	}
	room := max(width-utf8.RuneCountInString(label), width/3)
	for i, part := range wrap.Words(text, room) {
		if i > 0 {
			label = strings.Repeat(" ", indent)
		}
		b.WriteString(strings.TrimRight(label+part, " ") + "\n")
	}
}
