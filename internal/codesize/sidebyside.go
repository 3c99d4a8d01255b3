package codesize

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// What parts two columns, how wide a column must be to be one, and what stands
// where a line goes on that was too long.
const (
	between   = " │ "
	leastWide = 40
	goesOn    = "↪ "
)

// SideBySideWidth is how many columns a terminal needs to show the pairs
// without a line that goes on.
var SideBySideWidth = 2*Width + utf8.RuneCountInString(between)

// SideBySide writes the files of a scenario in pairs, for a terminal of that
// many columns: the declarations that both have next to each other, each with
// its measures above it. A line that is too long goes on in the next. Where two
// columns would be too narrow to read, the declarations of a pair stand under
// one another.
//
// Typed figures need Measure, so that the report is passed on; a file that is
// not in it could not be parsed.
func (r *Report) SideBySide(w io.Writer, root, scenario string, languages []Language, width int) error {
	found, err := pairs(root)
	if err != nil {
		return fmt.Errorf("find the code that is compared: %w", err)
	}
	var b bytes.Buffer
	shown := 0
	for _, p := range found {
		if p.Scenario != scenario || !slices.Contains(languages, p.Language) {
			continue
		}
		shown++
		var sides [2]*Source
		for i, path := range p.Paths {
			if path == "" {
				continue
			}
			for _, f := range r.Files {
				if f.Path == path {
					sides[i] = f.Source
				}
			}
		}
		newLayout(&b, width).pair(p, sides)
	}
	if shown == 0 {
		return fmt.Errorf("there is no code for %q", scenario)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// layout writes pairs into columns.
type layout struct {
	b       *bytes.Buffer
	width   int // of the terminal
	column  int // of each of two
	stacked bool
	done    [2]int // lines of the declaration that have been written
}

func newLayout(b *bytes.Buffer, width int) *layout {
	l := &layout{b: b, width: width, column: (width - utf8.RuneCountInString(between)) / 2}
	l.column = min(l.column, Width)
	if l.column < leastWide {
		l.stacked, l.column = true, max(width, leastWide)
	}
	return l
}

// pair writes the two files of a pair.
func (l *layout) pair(p Pair, sides [2]*Source) {
	var head [2][]string
	var lists [2]*Source
	for i, s := range sides {
		switch {
		case s != nil:
			head[i] = []string{s.Path, measures(s.Counts)}
			lists[i] = s
		case p.Paths[i] == "":
			head[i] = []string{"(no twin)"}
			lists[i] = &Source{}
		default:
			head[i] = []string{p.Paths[i], "(could not be measured)"}
			lists[i] = &Source{}
		}
	}
	l.rule("═")
	l.block(head, [2]bool{true, true})
	var shown [2]int // the line up to which a file has been shown
	for _, row := range align(lists[0], lists[1]) {
		l.rule("─")
		var text [2][]string
		var anchors [2]map[string]int // where in it an inner function begins
		for i, d := range row {
			if d == nil {
				continue
			}
			text[i] = []string{fmt.Sprintf("[%s, line %d: %s]", d.Name, d.Line, measures(d.Counts))}
			// With the comments above it.
			lines, from := trimBlank(lists[i].lines[shown[i]:d.End], shown[i])
			anchors[i] = make(map[string]int)
			for _, f := range d.Inner {
				anchors[i][f.Name] = len(text[i]) + f.Line - 1 - from
			}
			text[i] = append(text[i], lines...)
			shown[i] = d.End
		}
		if row[0] == nil || row[1] == nil {
			l.block(text, [2]bool{row[0] != nil, row[1] != nil})
			continue
		}
		// Functions that both declare in it begin next to each other.
		for _, f := range row[0].Inner {
			at, there := anchors[1][f.Name]
			if own := anchors[0][f.Name]; there && !l.stacked && own >= l.done[0] && at >= l.done[1] {
				l.upTo(text, [2]int{own, at})
			}
		}
		l.upTo(text, [2]int{len(text[0]), len(text[1])})
		l.done = [2]int{}
	}
	var rest [2][]string
	for i, s := range lists {
		rest[i], _ = trimBlank(s.lines[shown[i]:], 0)
	}
	if len(rest[0])+len(rest[1]) > 0 {
		l.rule("─")
		l.block(rest, [2]bool{len(rest[0]) > 0, len(rest[1]) > 0})
	}
	l.b.WriteByte('\n')
}

// upTo writes what has not been written of two texts, up to those lines.
func (l *layout) upTo(text [2][]string, to [2]int) {
	l.block([2][]string{text[0][l.done[0]:to[0]], text[1][l.done[1]:to[1]]}, [2]bool{true, true})
	l.done = to
}

// trimBlank returns lines without the blank ones at the beginning and the end,
// and which line the first of them is, if the first of all is from.
func trimBlank(lines []string, from int) ([]string, int) {
	blank := func(line string) bool { return strings.TrimSpace(line) == "" }
	for len(lines) > 0 && blank(lines[0]) {
		lines = lines[1:]
		from++
	}
	for len(lines) > 0 && blank(lines[len(lines)-1]) {
		lines = lines[:len(lines)-1]
	}
	return lines, from
}

// measures returns the measures of a piece of code in one line. What there is
// none of is left out.
func measures(c Counts) string {
	parts := []string{count(c.Statements, "statement"), count(c.Tokens, "token"), count(c.Lines, "line")}
	add := func(n int, text string) {
		if n > 0 {
			parts = append(parts, text)
		}
	}
	add(c.Cyclomatic, fmt.Sprintf("cyclomatic %d", c.Cyclomatic))
	add(c.Cognitive, fmt.Sprintf("cognitive %d", c.Cognitive))
	if m := c.Meaning; m != nil {
		add(m.ErrorPaths, count(m.ErrorPaths, "error path"))
		add(m.Goroutines, count(m.Goroutines, "goroutine"))
		add(m.Locks, count(m.Locks, "lock"))
		add(m.Waits, count(m.Waits, "wait"))
		add(len(m.Names), count(len(m.Names), "API name"))
	}
	return strings.Join(parts, ", ")
}

// count returns "1 token" or "2 tokens".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// rule writes a line across.
func (l *layout) rule(of string) {
	n := l.column
	if !l.stacked {
		n = 2*l.column + utf8.RuneCountInString(between)
	}
	l.b.WriteString(strings.Repeat(of, n) + "\n")
}

// block writes the lines of two sides next to each other or under one another.
func (l *layout) block(text [2][]string, there [2]bool) {
	var folded [2][]string
	for i, lines := range text {
		for _, line := range lines {
			folded[i] = append(folded[i], fold(expand(line), l.column)...)
		}
	}
	if l.stacked {
		for i, lines := range folded {
			if !there[i] {
				continue
			}
			if there[0] && there[1] && i == 1 {
				l.b.WriteString(strings.Repeat("┄", l.column) + "\n")
			}
			for _, line := range lines {
				l.b.WriteString(strings.TrimRight(line, " ") + "\n")
			}
		}
		return
	}
	for n := range max(len(folded[0]), len(folded[1])) {
		var cells [2]string
		for i := range cells {
			if n < len(folded[i]) {
				cells[i] = folded[i][n]
			}
		}
		pad := strings.Repeat(" ", l.column-utf8.RuneCountInString(cells[0]))
		l.b.WriteString(strings.TrimRight(cells[0]+pad+between+cells[1], " ") + "\n")
	}
}

// fold breaks a line that is wider than a column, after a blank where there is
// one. Its further parts begin with goesOn under its indentation.
func fold(line string, width int) []string {
	runes := []rune(line)
	if len(runes) <= width {
		return []string{line}
	}
	indent := 0
	for indent < len(runes) && runes[indent] == ' ' {
		indent++
	}
	indent = min(indent, width/2)
	lead := []rune(strings.Repeat(" ", indent) + goesOn)
	var parts []string
	for len(runes) > width {
		at := width
		for i := width; i > len(lead); i-- {
			if runes[i] == ' ' {
				at = i
				break
			}
		}
		parts = append(parts, strings.TrimRight(string(runes[:at]), " "))
		rest := []rune(strings.TrimLeft(string(runes[at:]), " "))
		runes = append(slices.Clone(lead), rest...)
	}
	return append(parts, string(runes))
}
