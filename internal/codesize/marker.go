package codesize

import (
	"fmt"
	"strings"
)

// The beginnings of the comments that mark a part of a file.
const (
	markAny    = "What follows"
	markByHand = "What follows is by hand because "
	markMadeUp = "What follows makes up for "
)

// comment is a comment between the declarations of a file. Several lines that
// begin with // and stand under one another are one.
type comment struct {
	line int    // of its beginning
	end  int    // of its end
	text string // without what makes it a comment, in one line
}

// mark turns the comments of a file into its sections.
func mark(comments []comment) ([]Section, error) {
	var sections []Section
	for _, c := range comments {
		s := Section{Line: c.line, Why: c.text}
		switch {
		case strings.HasPrefix(c.text, markByHand):
			s.Part = ByHand
		case strings.HasPrefix(c.text, markMadeUp):
			s.Part = MadeUp
		case strings.HasPrefix(c.text, markAny):
			return nil, fmt.Errorf("line %d: a comment begins with %q, but goes on neither like %q nor like %q: write it like one of them, or in other words",
				c.line, markAny, markByHand+"…", markMadeUp+"…")
		default:
			continue
		}
		sections = append(sections, s)
	}
	return sections, nil
}

// partAt returns the part that a line belongs to.
func partAt(sections []Section, line int) Part {
	part := Chat
	for _, s := range sections {
		if s.Line < line {
			part = s.Part
		}
	}
	return part
}
