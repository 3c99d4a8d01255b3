package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// format is the version of the data that this program writes, and the newest
// that it reads.
const format = 1

// The files of an experiment.
const (
	dataName    = "data.jsonl"
	summaryName = "summary.md"
)

// line is one of data.jsonl: one of its fields is set.
type line struct {
	Head *head `json:"head,omitempty"`
	Step *step `json:"step,omitempty"`
	Cell *cell `json:"cell,omitempty"`
	End  *end  `json:"end,omitempty"`

	Check *checkTrial `json:"check,omitempty"`

	// Again says that what follows was measured at another time, maybe of
	// another commit.
	Again *head `json:"again,omitempty"`
}

// head is the first line.
type head struct {
	Format      int                `json:"format"`
	Experiment  string             `json:"experiment"`
	Started     time.Time          `json:"started"`
	Args        []string           `json:"args"` // of the command line
	Seed        uint64             `json:"seed"` // of every order
	Settings    settings           `json:"settings"`
	Environment record.Environment `json:"environment"`
}

// step says under which conditions the cells that follow were measured.
type step struct {
	Phase      string `json:"phase"`
	Iterations int    `json:"iterations"` // of the slow side, per message
}

// cell is what was measured on one stack at one time.
type cell struct {
	Phase  string `json:"phase,omitempty"`
	Trial  int    `json:"trial,omitempty"`  // from 1
	Round  int    `json:"round"`            // from 1; in a trial, the pair
	Order  int    `json:"order"`            // place in the round, from 1
	Case   string `json:"case"`             // its name
	Warmup int    `json:"warmup,omitempty"` // deliveries, where they are the subject
	Stack  string `json:"stack"`

	Values     map[string]float64    `json:"values,omitempty"` // by unit
	Histograms []scenarios.Histogram `json:"histograms,omitempty"`
	Doubts     []string              `json:"doubts,omitempty"`

	Unsupported string `json:"unsupported,omitempty"`
	Error       string `json:"error,omitempty"`
}

// end is the last line.
type end struct {
	Finished time.Time `json:"finished"`
	Why      string    `json:"why,omitempty"` // not everything was measured
}

// writer appends to data.jsonl, a line in one write.
type writer struct{ file *os.File }

// create makes the folder and the first line. A folder that already holds data
// is refused.
func create(dir string, h head) (*writer, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("create the folder: %w: choose another with -out", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, dataName), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s already holds an experiment: choose another folder with -out", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("create the data: %w: choose another folder with -out", err)
	}
	w := &writer{file}
	return w, w.write(line{Head: &h})
}

// reopen goes on with the data of a folder. Its settings are those of h.
func reopen(dir string, h head) (*writer, error) {
	file, err := os.OpenFile(filepath.Join(dir, dataName), os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, fmt.Errorf("go on with an experiment: %w", err)
	}
	w := &writer{file}
	return w, w.write(line{Again: &h})
}

func (w *writer) write(l line) error {
	text, err := json.Marshal(l)
	if err != nil {
		return fmt.Errorf("%s: %w", w.file.Name(), err)
	}
	if _, err := w.file.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("keep what was measured: %w", err)
	}
	return nil
}

// close writes the last line; why says what is missing.
func (w *writer) close(why string) error {
	err := w.write(line{End: &end{time.Now().Round(0), why}})
	if failed := w.file.Close(); err == nil && failed != nil {
		err = fmt.Errorf("keep what was measured: %w", failed)
	}
	return err
}

// data is what data.jsonl holds.
type data struct {
	head
	steps   []step
	cells   []cell
	checks  []checkTrial
	again   []head // of the times at which it was gone on with
	end     *end
	damaged []string // lines that could not be read
}

// partial says why not everything was measured, "" if it was.
func (d *data) partial() string {
	if d.end == nil {
		return "it was not finished"
	}
	return d.end.Why
}

// read returns what a folder holds. Lines that are damaged are left out and
// told; there must be a first one.
func read(dir string) (*data, error) {
	name := filepath.Join(dir, dataName)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not hold an experiment: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read an experiment: %w", err)
	}
	return parse(name, text)
}

// parse takes the text of data.jsonl apart; errors call it by the name.
func parse(name string, text []byte) (*data, error) {
	d := new(data)
	number := 0
	for row := range bytes.Lines(text) {
		number++
		var l line
		err := json.Unmarshal(row, &l)
		if number == 1 {
			switch {
			case err != nil:
				return nil, fmt.Errorf("%s:1: damaged: %w", name, err)
			case l.Head == nil || l.Head.Format < 1:
				return nil, fmt.Errorf("%s:1: not an experiment: it has no format", name)
			case l.Head.Format > format:
				return nil, fmt.Errorf("%s:1: has format %d, this program reads up to format %d: read it with the version that wrote it",
					name, l.Head.Format, format)
			}
			d.head = *l.Head
			continue
		}
		switch {
		case err != nil:
			d.damaged = append(d.damaged, fmt.Sprintf("%s:%d: damaged: %v", name, number, err))
		case l.Step != nil:
			d.steps = append(d.steps, *l.Step)
		case l.Cell != nil:
			d.cells = append(d.cells, *l.Cell)
		case l.Check != nil:
			d.checks = append(d.checks, *l.Check)
		case l.End != nil:
			d.end = l.End
		case l.Again != nil:
			d.again, d.end = append(d.again, *l.Again), nil
		default:
			d.damaged = append(d.damaged, fmt.Sprintf("%s:%d: neither step nor cell nor end", name, number))
		}
	}
	if number == 0 {
		return nil, fmt.Errorf("%s is empty", name)
	}
	return d, nil
}

// measured reports whether the cell has figures.
func (c cell) measured() bool { return c.Error == "" && c.Unsupported == "" }

// pair is two sides that were measured back to back.
type pair struct {
	trial  int
	a, b   map[string]float64
	aFirst bool
}

// pairs finds those of two stacks among the cells, in the order in which they
// were measured, and how many are missing one side or both.
func pairs(cells []cell, a, b string) (found []pair, failed int) {
	type key struct{ trial, round int }
	at := make(map[key]int)
	var all []pair
	for _, c := range cells {
		k := key{c.Trial, c.Round}
		i, ok := at[k]
		if !ok {
			i = len(all)
			at[k] = i
			all = append(all, pair{trial: c.Trial})
		}
		if !c.measured() {
			continue
		}
		switch c.Stack {
		case a:
			all[i].a, all[i].aFirst = c.Values, c.Order == 1
		case b:
			all[i].b = c.Values
		}
	}
	for _, p := range all {
		if p.a == nil || p.b == nil {
			failed++
			continue
		}
		found = append(found, p)
	}
	return found, failed
}
