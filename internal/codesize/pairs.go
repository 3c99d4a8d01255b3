package codesize

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// Width is how many columns a line of the pairs may have: two such lines and
// what parts them are what a wide terminal shows. A tab has TabWidth.
const (
	Width    = 80
	TabWidth = 4
)

// Check returns what keeps the two sides under root from being read in pairs,
// nil if nothing does: a file without a twin, declarations that both files of a
// pair have and that come in another order, a line that is too wide, a comment
// that marks nothing.
//
// Declarations that only one side has may stand anywhere: that a side needs
// more of them is what is compared. What is in a marked part of one file and
// not of the other has no twin there, whatever its name.
func Check(root string) ([]error, error) {
	found, err := pairs(root)
	if err != nil {
		return nil, fmt.Errorf("find the files of the pairs: %w", err)
	}
	var wrong []error
	for _, p := range found {
		var sources [2]*Source
		for i, path := range p.Paths {
			if path == "" {
				other := p.Paths[1-i]
				wrong = append(wrong, fmt.Errorf("%s has no twin: write %s/%s, or move what is in it to where it has one", other, Sides[i].folder(p.Language), p.Name))
				continue
			}
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
			if err != nil {
				return nil, fmt.Errorf("read a file of the pairs: %w", err)
			}
			wrong = append(wrong, tooWide(path, textLines(text))...)
			if sources[i], err = parseOne(p.Language, path, text); err != nil {
				wrong = append(wrong, fmt.Errorf("%s: %w", path, err))
			}
		}
		if sources[0] != nil && sources[1] != nil {
			wrong = append(wrong, outOfOrder(sources[0], sources[1])...)
		}
	}
	return wrong, nil
}

// tooWide returns an error for each line that is wider than Width.
func tooWide(path string, lines []string) (wrong []error) {
	for i, line := range lines {
		if n := columns(line); n > Width {
			wrong = append(wrong, fmt.Errorf("%s:%d has %d columns (a tab has %d); at most %d fit side by side: break it", path, i+1, n, TabWidth, Width))
		}
	}
	return wrong
}

// columns returns how many columns a line takes.
func columns(line string) int { return utf8.RuneCountInString(expand(line)) }

// expand puts blanks in the place of tabs.
func expand(line string) string {
	if !strings.Contains(line, "\t") {
		return line
	}
	var b strings.Builder
	n := 0
	for _, r := range line {
		if r != '\t' {
			b.WriteRune(r)
			n++
			continue
		}
		for more := TabWidth - n%TabWidth; more > 0; more-- {
			b.WriteByte(' ')
			n++
		}
	}
	return b.String()
}

// outOfOrder returns an error for each declaration that both files have and
// that comes, in the second, before one that it follows in the first. Functions
// that are declared in a function that both have are held to the same.
func outOfOrder(a, b *Source) (wrong []error) {
	compare := func(where string, first, second []string) {
		last, lastAt := "", -1
		for _, name := range first {
			at := slices.Index(second, name)
			if at < 0 {
				continue
			}
			if at < lastAt {
				wrong = append(wrong, fmt.Errorf("%s%s comes after %s in %s and before it in %s: bring them into the same order", where, name, last, a.Path, b.Path))
				continue
			}
			last, lastAt = name, at
		}
	}
	compare("", a.declared(false), b.declared(false))
	compare("", a.declared(true), b.declared(true))
	for i := range a.Decls {
		for j := range b.Decls {
			if twins(&a.Decls[i], &b.Decls[j]) {
				compare(a.Decls[i].Name+": ", names(a.Decls[i].Inner), names(b.Decls[j].Inner))
			}
		}
	}
	return wrong
}

// names returns the names of functions.
func names(inner []Inner) (list []string) {
	for _, f := range inner {
		list = append(list, f.Name)
	}
	return list
}

// twins reports whether two declarations stand for the same: they have one
// name, and both are in a marked part of their file or neither is.
func twins(a, b *Decl) bool {
	return a.Name == b.Name && (a.Part == Chat) == (b.Part == Chat)
}

// declared returns the names of the declarations of a file that are in its
// marked parts, or of those that are not, in order. What declares nothing has
// none.
func (s *Source) declared(marked bool) (names []string) {
	for _, d := range s.Decls {
		if d.Name != nameless && (d.Part != Chat) == marked {
			names = append(names, d.Name)
		}
	}
	return names
}

// Row is a declaration of one file and its twin in the other, nil if it has
// none.
type Row [2]*Decl

// align puts the declarations of two files next to each other: those that both
// have, in the longest order that they have in common, in one row.
func align(a, b *Source) []Row {
	// common[i][j] is how many rows with both the rest of the files, from the
	// i-th and the j-th declaration, can have.
	common := make([][]int, len(a.Decls)+1)
	for i := range common {
		common[i] = make([]int, len(b.Decls)+1)
	}
	same := func(i, j int) bool { return twins(&a.Decls[i], &b.Decls[j]) }
	for i := len(a.Decls) - 1; i >= 0; i-- {
		for j := len(b.Decls) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if same(i, j) {
				common[i][j] = max(common[i][j], 1+common[i+1][j+1])
			}
		}
	}
	var rows []Row
	i, j := 0, 0
	for i < len(a.Decls) || j < len(b.Decls) {
		switch {
		case i < len(a.Decls) && j < len(b.Decls) && same(i, j) && common[i][j] == 1+common[i+1][j+1]:
			rows = append(rows, Row{&a.Decls[i], &b.Decls[j]})
			i, j = i+1, j+1
		case j == len(b.Decls) || i < len(a.Decls) && common[i+1][j] >= common[i][j+1]:
			rows = append(rows, Row{&a.Decls[i], nil})
			i++
		default:
			rows = append(rows, Row{nil, &b.Decls[j]})
			j++
		}
	}
	return rows
}
