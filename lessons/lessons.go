// Package lessons holds the lessons: one for each claim, and the illustrated
// connection. Their text is Markdown, lesson.md in a folder each, that reads
// well where it is. What could go stale in it stands between markers and is
// taken from where it comes from:
//
//	<!--n RUN SCENARIO CASE STACK UNIT-->203 B<!--/-->            a figure of a run in results/
//	<!--n RUN SCENARIO CASE STACK over STACK UNIT-->2.5x<!--/-->  a ratio inside its rounds
//	<!--range RUN SCENARIO CASE STACK UNIT-->24-31 µs<!--/-->     of its rounds
//	<!--label RUN SCENARIO CASE STACK KEY-->polling<!--/-->       an outcome
//	<!--took RUN-->7 minutes<!--/-->                              how long a run took, rounded
//	<!--table NAME CELL;CELL COLUMN-->57.6 %<!--/-->              the summary of an experiment: a row by its first cells
//	<!--exact NAME STACK UNIT-->186<!--/-->                       a figure of results/baseline.txt
//	<!--wire STACK PHASE up|down|both-->216 B<!--/-->             what compare wire shows
//	<!--claim ID-->a WebSocket …<!--/-->                          a claim, word for word
//	<!--verdict ID RUN …-->**holds**: …<!--/-->                   what runs say of it
//	<!--code FILE#NAME,NAME-->…<!--/-->                           declarations of the sources
//
// A "~" in a marker stands for a space. A declaration in Go is named as in
// Server.chat; in JavaScript it is the statement that begins with the words.
//
// The sentences of the README have them, too, and a test of cmd/compare. A test
// fails where one differs from its source; go test ./lessons -update writes them
// anew. Two pieces of code between <!--pair--> and <!--/pair--> stand
// side by side on the pages, which compare lessons builds.
package lessons

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/perf/benchfmt"

	"wsvsio/internal/capture"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
	"wsvsio/scenarios"
)

// Lesson is one of them.
type Lesson struct {
	ID    string // of its claim, and its folder
	Title string
	About string // in a sentence
}

// All are the lessons, in the order of the claims.
func All() []Lesson {
	return []Lesson{
		{"overhead", "What a message costs", "From the two bytes before a message to the CPU that it takes: what each layer adds."},
		{"single-connection", "One connection, both ways", "How one HTTP request becomes a connection for both directions, and what a default order makes of that."},
		{"broadcast", "A list, and a loop over it", "What one call to everyone does inside, and what becomes of the others when one does not read."},
		{"proxies", "What stands in between", "How a proxy breaks an upgrade, how a balancer breaks a session, and what mends either."},
		{"fallback", "Without a WebSocket", "How long polling carries a chat, what it costs, and when it comes to help."},
		{"reconnect", "Coming back", "Who notices that a connection is gone, who comes back, and what was lost meanwhile."},
		{"api", "What it takes to write", "What an API gives you, what you write without it, and how to count that."},
	}
}

// File is the Markdown of a lesson, in the repository.
func (l Lesson) File() string { return "lessons/" + l.ID + "/lesson.md" }

// Figure is a number of a lesson, and where it comes from.
type Figure struct {
	Text   string
	Source string // "results/RUN: broadcast / steady, sio, wire-B/msg"
}

// Source is where the contents of markers come from.
type Source struct {
	root string // of the repository

	// wire captures a stack; nil is nobody to ask.
	wire func(stack string) (*capture.Capture, error)

	mu       sync.Mutex
	runs     map[string]*record.Run
	captures map[string]*capture.Capture
	exact    map[string]string // name, stack and unit to figure
}

// NewSource returns a source for the repository at root. Captures are asked for
// once for each stack.
func NewSource(root string, wire func(stack string) (*capture.Capture, error)) *Source {
	return &Source{root: root, wire: wire, runs: make(map[string]*record.Run), captures: make(map[string]*capture.Capture)}
}

// ErrNoWire says that a stack cannot be captured here.
var ErrNoWire = errors.New("it cannot be captured here")

// marker is a piece of text that comes from elsewhere. A code marker holds
// lines, the others hold a part of one.
var marker = regexp.MustCompile(`(?s)<!--(n|range|label|took|table|exact|wire|claim|verdict|code) ([^>]*?)-->(.*?)<!--/-->`)

// Fill returns a text with what is between its markers as the sources have it,
// and the figures among that. What cannot be had stays as it is: the error names
// it all, and it is ErrNoWire if that is all that is missing.
func (s *Source) Fill(text string) (string, []Figure, error) {
	var errs []error
	var unwired error
	var figures []Figure
	filled := marker.ReplaceAllStringFunc(text, func(all string) string {
		m := marker.FindStringSubmatch(all)
		what, from, err := s.resolve(m[1], strings.Fields(m[2]))
		if errors.Is(err, ErrNoWire) {
			unwired = ErrNoWire
			return all
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("<!--%s %s-->: %w", m[1], m[2], err))
			return all
		}
		if from != "" {
			figures = append(figures, Figure{what, from})
		}
		return "<!--" + m[1] + " " + m[2] + "-->" + what + "<!--/-->"
	})
	if len(errs) > 0 {
		return filled, figures, errors.Join(errs...)
	}
	return filled, figures, unwired
}

// resolve returns what stands at a marker, and where a figure comes from.
func (s *Source) resolve(kind string, words []string) (what, from string, err error) {
	wrong := fmt.Errorf("a marker %q does not have %d words", kind, len(words))
	switch {
	case kind == "code" && len(words) == 1:
		what, err = s.code(words[0])
		return what, "", err
	case kind == "claim" && len(words) == 1:
		for _, c := range scenarios.Claims() {
			if c.ID == words[0] {
				return c.Text, "", nil
			}
		}
		return "", "", fmt.Errorf("there is no claim %q", words[0])
	case kind == "verdict" && len(words) >= 2:
		return s.verdict(words[0], words[1:])
	case kind == "exact" && len(words) == 3:
		return s.baseline(words[0], words[1], words[2])
	case kind == "wire" && len(words) == 3:
		return s.captured(words[0], spaced(words[1]), words[2])
	case kind == "took" && len(words) == 1:
		run, err := s.run(words[0])
		if err != nil {
			return "", "", err
		}
		return about(run.Finished.Sub(run.Started)), fmt.Sprintf("results/%s: started and finished", words[0]), nil
	case kind == "table" && len(words) == 3:
		return s.table(words[0], spaced(words[1]), spaced(words[2]))
	case kind == "n" && (len(words) == 5 || len(words) == 7 && words[4] == "over"), (kind == "label" || kind == "range") && len(words) == 5:
		run, err := s.run(words[0])
		if err != nil {
			return "", "", err
		}
		m := report.Measured(run)
		p := scenarios.Place{Scenario: words[1], Case: words[2], Stack: words[3], Unit: spaced(words[len(words)-1])}
		from = fmt.Sprintf("results/%s: %s / %s, %s, %s", words[0], p.Scenario, p.Case, p.Stack, p.Unit)
		switch {
		case len(words) == 7:
			if r, ok := m.Ratio(p, words[5]); ok {
				return r.Text, strings.Replace(from, p.Stack, p.Stack+" over "+words[5], 1), nil
			}
		case kind == "label":
			if f, ok := m.Label(p); ok {
				return f.Text, from, nil
			}
		case kind == "range":
			if f, ok := m.Figure(p); ok {
				return f.Range, from, nil
			}
		default:
			if f, ok := m.Figure(p); ok {
				return f.Text, from, nil
			}
		}
		return "", "", errors.New(m.Why(p))
	}
	return "", "", wrong
}

// spaced is a word of a marker with its spaces: "client~sees".
func spaced(word string) string { return strings.ReplaceAll(word, "~", " ") }

// run reads a run, once.
func (s *Source) run(name string) (*record.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := s.runs[name]; r != nil {
		return r, nil
	}
	r, problems, err := record.Read(filepath.Join(s.root, "results", name))
	if err != nil {
		return nil, err
	}
	if len(problems) > 0 {
		return nil, errors.New(problems[0].String())
	}
	s.runs[name] = r
	return r, nil
}

// about is a duration to plan by: "9 seconds", "7 minutes".
func about(d time.Duration) string {
	n, unit := math.Round(d.Seconds()), "second"
	if n >= 90 {
		n, unit = math.Round(d.Minutes()), "minute"
	}
	if n != 1 {
		unit += "s"
	}
	return fmt.Sprintf("%.0f %s", n, unit)
}

// table is a cell of a table in the summary of an experiment: in the first row
// that begins with the cells, which a semicolon separates, under a heading.
func (s *Source) table(name, cells, heading string) (what, from string, err error) {
	text, err := os.ReadFile(filepath.Join(s.root, "results", name, "summary.md"))
	if err != nil {
		return "", "", err
	}
	want := strings.Split(cells, ";")
	column := -1 // of the table at hand; there is none before its head
	inside := false
	for line := range strings.Lines(string(text)) {
		row, is := strings.CutPrefix(strings.TrimSpace(line), "|")
		if !is {
			inside = false
			continue
		}
		var have []string
		for c := range strings.SplitSeq(strings.TrimSuffix(row, "|"), "|") {
			have = append(have, strings.Trim(c, " *"))
		}
		switch {
		case !inside:
			inside, column = true, slices.Index(have, heading)
		case column >= 0 && column < len(have) && len(have) >= len(want) && slices.Equal(have[:len(want)], want):
			return have[column], fmt.Sprintf("results/%s/summary.md: %s, %s", name, strings.Join(want, ", "), heading), nil
		}
	}
	return "", "", fmt.Errorf("results/%s/summary.md has no row %q under %q", name, cells, heading)
}

// verdict is how a claim ends by some runs.
func (s *Source) verdict(id string, names []string) (what, from string, err error) {
	var runs []*record.Run
	for _, n := range names {
		r, err := s.run(n)
		if err != nil {
			return "", "", err
		}
		runs = append(runs, r)
	}
	for _, v := range report.Verdicts(runs...) {
		if v.Claim.ID == id {
			return "**" + string(v.Answer) + "**: " + v.Reason + ".", "results/" + strings.Join(names, ", results/") + ": compare claims, " + id, nil
		}
	}
	return "", "", fmt.Errorf("there is no claim %q", id)
}

// baseline is a figure that is exact.
func (s *Source) baseline(name, stack, unit string) (what, from string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.exact == nil {
		f, err := os.Open(filepath.Join(s.root, "results", "baseline.txt"))
		if err != nil {
			return "", "", err
		}
		defer f.Close()
		exact := make(map[string]string)
		r := benchfmt.NewReader(f, "baseline.txt")
		for r.Scan() {
			if wrong, bad := r.Result().(*benchfmt.SyntaxError); bad {
				return "", "", wrong
			}
			b, ok := r.Result().(*benchfmt.Result)
			if !ok {
				continue
			}
			bench, of, ok := strings.Cut(string(b.Name), "/stack=")
			if !ok {
				continue
			}
			for _, v := range b.Values {
				exact[bench+" "+of+" "+v.Unit] = strconv.FormatFloat(v.Value, 'f', -1, 64)
			}
		}
		if err := r.Err(); err != nil {
			return "", "", err
		}
		s.exact = exact
	}
	what, ok := s.exact[name+" "+stack+" "+unit]
	if !ok {
		return "", "", fmt.Errorf("results/baseline.txt has no %s of %s in %s", unit, stack, name)
	}
	return what, fmt.Sprintf("results/baseline.txt: %s, %s, %s", name, stack, unit), nil
}

// captured is how many bytes a phase took on the wire.
func (s *Source) captured(stack, phase, direction string) (what, from string, err error) {
	c, err := s.capture(stack)
	if err != nil {
		return "", "", err
	}
	if !slices.Contains(capture.Phases, capture.Phase(phase)) {
		return "", "", fmt.Errorf("there is no phase %q", phase)
	}
	up, down := c.Bytes(capture.Phase(phase))
	n, ok := map[string]int{"up": up, "down": down, "both": up + down}[direction]
	if !ok {
		return "", "", fmt.Errorf("%q is none of up, down and both", direction)
	}
	return fmt.Sprintf("%d B", n), fmt.Sprintf("compare wire: %s, %s, %s", stack, phase, direction), nil
}

// capture captures a stack, once.
func (s *Source) capture(stack string) (*capture.Capture, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.captures[stack]; c != nil {
		return c, nil
	}
	if s.wire == nil {
		return nil, ErrNoWire
	}
	c, err := s.wire(stack)
	if err == nil {
		s.captures[stack] = c
	}
	return c, err
}
