package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Writer fills the folder of a run. Its methods may be called from several
// goroutines.
type Writer struct {
	mu     sync.Mutex
	dir    string
	run    Run
	cells  [][]byte // each as JSON, so that a cell is encoded only once
	text   *appender
	hlog   *appender
	figs   *texter // to text
	log    *logger // to hlog
	now    func() time.Time
	closed bool
}

// Create makes the folder dir, and its parents, and writes the first files
// into it, so that a folder that cannot be written is found before anything is
// measured. The cells of run are not looked at: they come with Add. A folder
// that already holds a run is refused.
func Create(dir string, run Run) (*Writer, error) {
	fail := func(err error) (*Writer, error) {
		return nil, fmt.Errorf("create the run's folder: %w: "+
			"choose another with -out", err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fail(err)
	}
	for _, name := range []string{jsonName, textName, hlogName} {
		switch _, err := os.Lstat(filepath.Join(dir, name)); {
		case err == nil:
			return fail(fmt.Errorf("%s already holds a run, see its %s", dir, name))
		case !errors.Is(err, fs.ErrNotExist):
			return fail(err)
		}
	}
	run.Format = Format
	run.Partial, run.Why = true, "not finished"
	run.Finished = time.Time{}
	run.Cells = nil
	w := &Writer{
		dir:  dir,
		run:  run,
		text: &appender{name: filepath.Join(dir, textName)},
		hlog: &appender{name: filepath.Join(dir, hlogName)},
		now:  time.Now,
	}
	w.figs = newTexter(&w.text.waiting, &run)
	w.log = newLogger(&w.hlog.waiting, run.Started)
	head, err := w.encode()
	if err != nil {
		return nil, err
	}
	if err := w.replace(jsonName, head); err != nil {
		return fail(err)
	}
	if err := w.text.open(); err != nil {
		return fail(err)
	}
	return w, nil
}

// Add appends the cell to run.txt, unless it failed or is not applicable, its
// histograms to latency.hlog, and all but those to run.json. A cell that cannot
// be recorded, because a value is not a finite number or a histogram not one,
// is refused and changes nothing.
//
// If the files cannot be written, as on a full disk, they stay as they were
// before, to the last whole line, and the cell is tried again with the next one
// and with Close.
func (w *Writer) Add(c Cell) error {
	fail := func(err error) error {
		return fmt.Errorf("record %s: %w", describe(c), err)
	}
	if err := check(c); err != nil {
		return fail(err)
	}
	list, err := histograms(c)
	if err != nil {
		return fail(err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return fail(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fail(errors.New("the run is closed"))
	}
	w.cells = append(w.cells, data)
	// Into memory: these can fail only for what check has refused.
	if err := errors.Join(w.log.add(c, list, w.now()), w.figs.add(c)); err != nil {
		return fail(err)
	}
	if err := w.save(); err != nil {
		return fail(err)
	}
	return nil
}

// Close writes the run for the last time, run.txt in the order of the stacks.
// Partial says that not everything that was asked for was measured; why gives
// the reason.
func (w *Writer) Close(partial bool, why string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return fmt.Errorf("close the run in %s: %w", w.dir, os.ErrClosed)
	}
	w.closed = true
	w.run.Partial, w.run.Why = partial, why
	w.run.Finished = w.now().Round(0)
	err := errors.Join(w.save(), w.text.close(), w.hlog.close())
	if err == nil {
		// If that fails, all is there in another order.
		err = w.order()
	}
	if err != nil {
		return fmt.Errorf("close the run: %w", err)
	}
	return nil
}

// save writes what has been added, run.json last: what is in it is in the
// others, too, whenever the harness dies. One that cannot be written does not
// keep back the rest.
func (w *Writer) save() error {
	err := errors.Join(w.hlog.flush(), w.text.flush(), w.saveJSON())
	if err != nil {
		return fmt.Errorf("%w; what was measured before is in %s", err, w.dir)
	}
	return nil
}

// saveJSON writes run.json as it stands.
func (w *Writer) saveJSON() error {
	data, err := w.encode()
	if err != nil {
		return err
	}
	return w.replace(jsonName, data)
}

// order writes run.txt anew if its lines are not in the order of the stacks. As
// long as the run lasts they come as they are measured, so that a harness that
// is killed has lost none.
func (w *Writer) order() error {
	run := w.run
	run.Cells = make([]Cell, len(w.cells))
	for i, data := range w.cells {
		if err := json.Unmarshal(data, &run.Cells[i]); err != nil {
			return fmt.Errorf("put the figures in order: %w", err)
		}
	}
	if slices.IsSorted(run.byStack()) {
		return nil
	}
	var text bytes.Buffer
	if err := WriteText(&text, &run); err != nil {
		return fmt.Errorf("put the figures in order: %w", err)
	}
	return w.replace(textName, text.Bytes())
}

// appender is a file that grows by whole lines.
type appender struct {
	name    string
	file    *os.File // nil before there is something to write
	size    int64    // of what is whole
	waiting bytes.Buffer
}

// open creates the file.
func (a *appender) open() (err error) {
	a.file, err = os.OpenFile(a.name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
	return err
}

// flush writes what waits. If that fails, the file is cut to what is whole, so
// that it never ends within a line, and all of it goes on waiting.
func (a *appender) flush() error {
	if a.waiting.Len() == 0 {
		return nil
	}
	if a.file == nil {
		if err := a.open(); err != nil {
			return err
		}
	}
	n, err := a.file.Write(a.waiting.Bytes())
	if err != nil {
		if n > 0 {
			err = errors.Join(err, a.file.Truncate(a.size))
		}
		return err
	}
	a.size += int64(n)
	a.waiting.Reset()
	return nil
}

// close closes the file, if there is one.
func (a *appender) close() error {
	if a.file == nil {
		return nil
	}
	return a.file.Close()
}

// encode returns run.json, one cell a line: a run of many cells is compared
// line by line, and written without encoding all of it again.
func (w *Writer) encode() ([]byte, error) {
	head, err := json.MarshalIndent(w.run, "", " ")
	if err != nil {
		return nil, fmt.Errorf("encode the run: %w", err)
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(head, []byte("\n}")))
	b.WriteString(",\n \"cells\": [\n")
	b.Write(bytes.Join(w.cells, []byte(",\n")))
	b.WriteString("\n ]\n}\n")
	return b.Bytes(), nil
}

// replace puts data in the place of a file of the run. A rename is atomic: a
// reader sees the old file or the new one, whenever the harness dies.
func (w *Writer) replace(file string, data []byte) error {
	name := filepath.Join(w.dir, file)
	temp := name + ".tmp"
	err := os.WriteFile(temp, data, 0o666)
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		os.Remove(temp)
	}
	return err
}

// check returns an error for a cell that JSON or the benchmark format cannot
// hold.
func check(c Cell) error {
	if c.Scenario == "" || c.Case.Name == "" || c.Stack == "" {
		return errors.New("the cell has no scenario, no case or no stack")
	}
	for _, v := range c.Values {
		if v.Unit == "" || strings.ContainsFunc(v.Unit, notInWord) {
			return fmt.Errorf("the unit %q is empty or not one word", v.Unit)
		}
		if !finite(v.V) {
			return fmt.Errorf("the value of %s is %v, not a number that "+
				"can be recorded", v.Unit, v.V)
		}
	}
	if !finite(c.Seconds) {
		return fmt.Errorf("the cell took %v seconds", c.Seconds)
	}
	return nil
}

func describe(c Cell) string {
	return fmt.Sprintf("%s/%s on %s, round %d",
		c.Scenario, c.Case.Name, c.Stack, c.Round)
}

// Measured reports whether the cell holds a measurement: it neither failed nor
// is not applicable.
func (c Cell) Measured() bool { return c.Error == "" && c.Unsupported == "" }

// Units returns the units of the cell's values, in the order in which they
// were first recorded.
func (c Cell) Units() []string {
	var units []string
	for _, v := range c.Values {
		if !slices.Contains(units, v.Unit) {
			units = append(units, v.Unit)
		}
	}
	return units
}

// Value returns the median of the cell's values of a unit, and whether there
// are any.
func (c Cell) Value(unit string) (float64, bool) {
	var samples []float64
	for _, v := range c.Values {
		if v.Unit == unit {
			samples = append(samples, v.V)
		}
	}
	return Median(samples), len(samples) > 0
}
