package codesize

import (
	"maps"
	"slices"
)

// Counts are the figures of a piece of code. The package comment says what
// each counts.
type Counts struct {
	Statements int `json:"statements"`
	Tokens     int `json:"tokens"`
	Lines      int `json:"lines"`
	Cyclomatic int `json:"cyclomatic"`
	Cognitive  int `json:"cognitive"`

	// Meaning is nil if the code could not be looked into that deeply.
	Meaning *Meaning `json:"meaning,omitempty"`
}

// Meaning are the figures that need to know what the names in the code stand
// for: in Go they need its types, and so the Go toolchain.
type Meaning struct {
	ErrorPaths int `json:"errorPaths"`
	Goroutines int `json:"goroutines"`
	Locks      int `json:"locks"`
	Waits      int `json:"waits"`

	// Names of libraries, sorted, each once: "websocket.Conn.ReadMessage".
	Names []string `json:"names"`
}

// add adds what another piece of code counts. Names that both use count once.
func (c *Counts) add(other Counts) {
	c.Statements += other.Statements
	c.Tokens += other.Tokens
	c.Lines += other.Lines
	c.Cyclomatic += other.Cyclomatic
	c.Cognitive += other.Cognitive
	if c.Meaning != nil {
		c.Meaning = c.Meaning.with(other.Meaning)
	}
}

// with returns the sum, nil if a part of it is not known.
func (m *Meaning) with(other *Meaning) *Meaning {
	if other == nil {
		return nil
	}
	return &Meaning{
		ErrorPaths: m.ErrorPaths + other.ErrorPaths,
		Goroutines: m.Goroutines + other.Goroutines,
		Locks:      m.Locks + other.Locks,
		Waits:      m.Waits + other.Waits,
		Names:      union(m.Names, other.Names),
	}
}

// union returns the elements of both lists, sorted, each once; never nil.
func union(a, b []string) []string {
	set := make(map[string]bool)
	for _, name := range slices.Concat(a, b) {
		set[name] = true
	}
	return append([]string{}, slices.Sorted(maps.Keys(set))...)
}

// Part says to what a declaration belongs.
type Part string

// The parts of a file.
const (
	Chat   Part = "chat"    // what there is to do
	ByHand Part = "by hand" // what the other side gets from its library
	MadeUp Part = "made up" // what only makes up for something missing in go-socket.io
)

// Decl is a top-level declaration, or all imports of a file.
type Decl struct {
	Name string `json:"name"` // "Server.join"; "imports"
	Part Part   `json:"part"`
	Line int    `json:"line"` // on which it begins, without its comment
	End  int    `json:"end"`  // its last line
	Counts

	// Inner are the functions declared directly in it, in order.
	Inner []Inner `json:"inner,omitempty"`
}

// Inner is a function that is declared in another.
type Inner struct {
	Name string `json:"name"`
	Line int    `json:"line"` // on which it begins, without its comment
}

// Section is a stretch of a file that a comment marks.
type Section struct {
	Part Part   `json:"part"`
	Line int    `json:"line"`
	Why  string `json:"why"` // the comment, in one line
}

// Source is a file that was measured.
type Source struct {
	Path     string    `json:"path"` // in the repository, with slashes
	Sections []Section `json:"sections,omitempty"`
	Decls    []Decl    `json:"decls"`
	Counts             // of all of it

	lines []string // of the text
}

// In returns the sum over the declarations of a part.
func (s *Source) In(p Part) Counts {
	sum := Counts{Meaning: &Meaning{Names: []string{}}}
	for _, d := range s.Decls {
		if d.Part == p {
			sum.add(d.Counts)
		}
	}
	return sum
}
