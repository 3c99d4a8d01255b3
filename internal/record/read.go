package record

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// Problem is something in a file of a run that cannot be read. What is whole
// is read all the same.
type Problem struct {
	File string
	Line int // from 1; 0 where it is not about a line
	Text string
}

// String returns the problem as "results/RUN/run.json:57: …".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ": " + p.Text
}

// Read returns the run in the folder dir, and what of its files cannot be
// read: all of them are looked at. With a problem the run counts as partial,
// and its Why names the first of them. The error is for a folder of which
// nothing can be read.
func Read(dir string) (*Run, []Problem, error) {
	name := filepath.Join(dir, jsonName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("%s does not hold a run: %w", dir, err)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read a run: %w", err)
	}
	run, problems, err := parse(name, data)
	if err != nil {
		return nil, nil, err
	}
	text, wrong, err := ReadText(filepath.Join(dir, textName), true)
	switch {
	case errors.Is(err, fs.ErrNotExist): // its figures are in run.json
	case err != nil:
		problems = append(problems, Problem{File: filepath.Join(dir, textName), Text: err.Error()})
	default:
		if len(problems)+len(wrong) == 0 {
			wrong = run.absent(filepath.Join(dir, textName), text)
		}
		problems = append(problems, wrong...)
	}
	wrong, err = eachHistogram(dir, func(*hdr.Histogram) {})
	if err != nil {
		problems = append(problems, Problem{File: filepath.Join(dir, hlogName), Text: err.Error()})
	}
	problems = append(problems, wrong...)
	run.mark(problems)
	return run, problems, nil
}

// mark has the run say that it is not all there.
func (r *Run) mark(problems []Problem) {
	const most = 3
	var first []string
	for _, p := range problems[:min(len(problems), most)] {
		p.File = filepath.Base(p.File)
		first = append(first, p.String())
	}
	if more := len(problems) - most; more > 0 {
		first = append(first, fmt.Sprintf("and %d more", more))
	}
	if len(first) == 0 {
		return
	}
	why := "not all of its files can be read: " + strings.Join(first, "; ")
	if r.Partial && r.Why != "" {
		why = r.Why + "; " + why
	}
	r.Partial, r.Why = true, why
}

// parse reads run.json.
func parse(name string, data []byte) (*Run, []Problem, error) {
	// The format comes first: a newer one may give a field another type.
	var head struct {
		Format *int `json:"format"`
	}
	run := new(Run)
	err := json.Unmarshal(data, &head)
	if err == nil {
		if head.Format == nil {
			return nil, nil, notARun(name)
		}
		if err := readable(name, *head.Format); err != nil {
			return nil, nil, err
		}
		err = json.Unmarshal(data, run)
	}
	bad := func(c Cell) bool { return check(c) != nil }
	if err == nil && run.Cells != nil && !slices.ContainsFunc(run.Cells, bad) {
		return run, nil, nil
	}
	if isLaidOut(data) {
		return salvage(name, data)
	}
	if err != nil {
		return nil, nil, position(name, data, err)
	}
	// Valid, but not as Writer lays it out: there are no lines to name.
	var problems []Problem
	whole := run.Cells[:0]
	for i, c := range run.Cells {
		if err := check(c); err != nil {
			problems = append(problems, Problem{File: name,
				Text: fmt.Sprintf("cell %d is left out: %v", i+1, err)})
			continue
		}
		whole = append(whole, c)
	}
	run.Cells = whole
	return run, problems, nil
}

func notARun(name string) error {
	return fmt.Errorf("%s is not a run: it has no format", name)
}

// readable returns an error for a format that this version cannot read.
func readable(name string, format int) error {
	switch {
	case format < 1:
		return notARun(name)
	case format > Format:
		return fmt.Errorf("%s has format %d, this program reads up to "+
			"format %d: read it with the version that wrote it",
			name, format, Format)
	}
	return nil
}

// How Writer lays out run.json: a field of the run begins with a blank and a
// quote, what belongs to it is indented further, and each cell is a line.
const (
	fieldStart = ` "`
	cellStart  = `{"`
	cellsOpen  = ` "cells": [`
	cellsClose = ` ]`
)

// isLaidOut reports whether data looks like what Writer has written: there is
// a line that begins a field or is a cell.
func isLaidOut(data []byte) bool {
	for line := range bytes.Lines(data) {
		if bytes.HasPrefix(line, []byte(fieldStart)) ||
			bytes.HasPrefix(line, []byte(cellStart+"scenario")) {
			return true
		}
	}
	return false
}

// salvage reads a run.json that is damaged, line by line. What cannot be read
// is left out and told.
func salvage(name string, data []byte) (*Run, []Problem, error) {
	s := salvager{name: name, run: new(Run)}
	lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
	inCells, closed, ended := false, false, false
	for i, line := range lines {
		n := i + 1
		switch {
		case closed && !ended && line == "}":
			ended = true
		case closed:
			if line != "" {
				s.problem(n, "does not belong there")
			}
		case strings.HasPrefix(line, cellStart):
			inCells = true
			s.cell(n, line)
		case inCells && line == cellsClose:
			closed = true
		case inCells && line == "}":
			closed, ended = true, true
			s.problem(n, "the end of the cells is missing before it")
		case inCells && line != "":
			s.cell(n, line)
		case inCells || line == "":
		case line == cellsOpen:
			inCells = true
		case line == "}":
			closed, ended = true, true
			s.problem(n, "the cells are missing")
		case strings.HasPrefix(line, fieldStart):
			s.endField()
			s.field, s.line = []string{line}, n
		case s.field != nil:
			s.field = append(s.field, line)
		case line != "{":
			s.problem(n, "cannot be read")
		}
		if inCells {
			s.endField()
		}
	}
	s.endField()
	if !ended {
		s.problem(len(lines), "the file is cut off here: what followed is missing")
	}
	slices.SortStableFunc(s.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	if s.run.Format == 0 && len(s.run.Cells) > 0 {
		s.problem(0, fmt.Sprintf("its format cannot be read: taken as %d", Format))
		s.run.Format = Format
	}
	if err := readable(name, s.run.Format); err != nil {
		return nil, nil, err
	}
	return s.run, s.problems, nil
}

// salvager is a run.json that is being read line by line.
type salvager struct {
	name     string
	run      *Run
	problems []Problem

	field []string // lines of the field of the run that is being read
	line  int      // of its first
}

func (s *salvager) problem(line int, text string) {
	s.problems = append(s.problems, Problem{s.name, line, text})
}

// cell reads the line of a cell.
func (s *salvager) cell(line int, text string) {
	var c Cell
	text = strings.TrimSuffix(text, ",")
	err := json.Unmarshal([]byte(text), &c)
	if err == nil {
		err = check(c)
	}
	if err != nil {
		s.problem(line, "this cell is left out: "+reason(err))
		return
	}
	s.run.Cells = append(s.run.Cells, c)
}

// endField reads the field whose lines have been collected. If that fails,
// the field may still be whole, and what follows it damaged.
func (s *salvager) endField() {
	lines, line := s.field, s.line
	s.field = nil
	if len(lines) == 0 {
		return
	}
	err := s.decode(lines)
	if err == nil {
		return
	}
	whole := 1
	if strings.HasSuffix(lines[0], "[") || strings.HasSuffix(lines[0], "{") {
		whole += slices.IndexFunc(lines, func(l string) bool {
			return strings.HasPrefix(l, " ]") || strings.HasPrefix(l, " }")
		})
	}
	if whole > 0 && whole < len(lines) && s.decode(lines[:whole]) == nil {
		s.problem(line+whole, "cannot be read")
		return
	}
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		before := fieldOf(lines)
		before = before[:min(len(before), max(0, int(syntax.Offset)-1))]
		line += strings.Count(before, "\n")
	}
	key, _, _ := strings.Cut(strings.TrimPrefix(lines[0], fieldStart), `"`)
	s.problem(line, fmt.Sprintf("%q is left out: %s", key, reason(err)))
}

// decode reads a field of the run into it, all of the field or nothing.
func (s *salvager) decode(lines []string) error {
	field := []byte(fieldOf(lines))
	// The other fields must stay as they are, even if this one is damaged.
	if err := json.Unmarshal(field, new(Run)); err != nil {
		return err
	}
	return json.Unmarshal(field, s.run)
}

// fieldOf returns the lines of a field as an object of its own.
func fieldOf(lines []string) string {
	field := strings.TrimRight(strings.Join(lines, "\n"), " \n")
	return "{" + strings.TrimSuffix(field, ",") + "}"
}

// reason returns what package json says, with the column.
func reason(err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("%v (byte %d)", err, syntax.Offset)
	}
	return err.Error()
}

// position adds the file and line to an error of package json.
func position(name string, data []byte, err error) error {
	var offset int64
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return fmt.Errorf("%s: %w", name, err)
	}
	offset = min(offset, int64(len(data)))
	line := 1 + bytes.Count(data[:offset], []byte("\n"))
	return fmt.Errorf("%s:%d: damaged at byte %d: %w", name, line, offset, err)
}
