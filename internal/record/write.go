package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"
)

// Writer fills the folder of a run. Its methods may be called from several
// goroutines.
type Writer struct {
	mu    sync.Mutex
	dir   string
	run   Run
	cells [][]byte // each as JSON, so that a cell is encoded only once

	file   *os.File // run.txt; nil once closed
	text   *benchfmt.Writer
	config []benchfmt.Config
	units  map[string]bool // whose metadata is in run.txt
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
	for _, name := range []string{jsonName, textName} {
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
		dir:    dir,
		run:    run,
		config: config(run),
		units:  make(map[string]bool),
	}
	head, err := w.encode()
	if err != nil {
		return nil, err
	}
	if err := w.replace(head); err != nil {
		return fail(err)
	}
	w.file, err = os.OpenFile(filepath.Join(dir, textName),
		os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o666)
	if err != nil {
		return fail(err)
	}
	w.text = benchfmt.NewWriter(w.file)
	return w, nil
}

// Add appends the cell to run.txt, unless it failed or is not applicable, and
// to run.json. A cell that cannot be recorded, because a value is not a finite
// number, is refused and changes nothing.
func (w *Writer) Add(c Cell) error {
	if err := check(c); err != nil {
		return fmt.Errorf("record %s: %w", describe(c), err)
	}
	data, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("record %s: %w", describe(c), err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return fmt.Errorf("record %s: the run is closed", describe(c))
	}
	if err := w.appendText(c); err != nil {
		return fmt.Errorf("record %s: %w", describe(c), err)
	}
	w.cells = append(w.cells, data)
	return w.save()
}

// Close writes the run for the last time. Partial says that not everything
// that was asked for was measured; why gives the reason.
func (w *Writer) Close(partial bool, why string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.file == nil {
		return fmt.Errorf("close the run in %s: %w", w.dir, os.ErrClosed)
	}
	w.run.Partial, w.run.Why = partial, why
	w.run.Finished = time.Now().Round(0)
	closed := w.file.Close()
	w.file = nil
	if err := w.save(); err != nil {
		return err
	}
	if closed != nil {
		return fmt.Errorf("close the run: %w", closed)
	}
	return nil
}

// save writes run.json as it stands.
func (w *Writer) save() error {
	data, err := w.encode()
	if err == nil {
		err = w.replace(data)
	}
	if err != nil {
		return fmt.Errorf("save the run: %w", err)
	}
	return nil
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

// replace puts data in the place of run.json. A rename is atomic: a reader
// sees the old file or the new one, whenever the harness dies.
func (w *Writer) replace(data []byte) error {
	name := filepath.Join(w.dir, jsonName)
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

// appendText adds the line of the cell to run.txt.
func (w *Writer) appendText(c Cell) error {
	if !c.Measured() || len(c.Values) == 0 {
		return nil
	}
	result := benchfmt.Result{
		Config: w.config,
		Name:   benchfmt.Name(benchName(c, w.run.Environment.Cores)),
		Iters:  int(c.N),
	}
	for _, unit := range c.Units() {
		v, _ := c.Value(unit)
		result.Values = append(result.Values,
			benchfmt.Value{Value: v, Unit: unit})
		if err := w.describeUnit(unit); err != nil {
			return err
		}
	}
	return w.text.Write(&result)
}

// describeUnit writes what benchstat must know about a unit, once.
func (w *Writer) describeUnit(name string) error {
	if w.units[name] {
		return nil
	}
	w.units[name] = true
	unit := UnitOf(name)
	meta := map[string]string{"better": string(unit.Better)}
	if unit.Exact {
		meta["assume"] = "exact"
	}
	for _, key := range []string{"better", "assume"} {
		if meta[key] == "" {
			continue
		}
		err := w.text.Write(&benchfmt.UnitMetadata{
			UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: name, Key: key},
			OrigUnit:        name,
			Value:           meta[key],
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// config returns the lines at the top of run.txt. What differs from run to run
// is left to run.json, except for the commit and the seed, without which the
// figures cannot be measured again.
func config(run Run) []benchfmt.Config {
	env := run.Environment
	commit := env.Commit
	if env.Dirty {
		commit += "+dirty"
	}
	var list []benchfmt.Config
	add := func(key, value string) {
		value = strings.Join(strings.Fields(value), " ")
		if value != "" {
			list = append(list,
				benchfmt.Config{Key: key, Value: []byte(value), File: true})
		}
	}
	add("goos", env.OS)
	add("goarch", env.Arch)
	add("pkg", "wsvsio")
	add("cpu", env.CPU)
	add("kernel", env.Kernel)
	add("go", env.Go)
	add("node", env.Node)
	add("pinned", strconv.FormatBool(env.Pinned))
	add("profile", string(run.Profile))
	add("rounds", strconv.Itoa(run.Rounds))
	add("commit", commit)
	add("seed", strconv.FormatUint(run.Seed, 10))
	return list
}

// benchName returns the name of the cell's benchmark, without "Benchmark".
func benchName(c Cell, cores int) string {
	first, n := utf8.DecodeRuneInString(c.Scenario)
	name := fmt.Sprintf("%c%s/%s/stack=%s-%d", unicode.ToUpper(first),
		c.Scenario[n:], c.Case, c.Stack, cores)
	// As package testing does: a name ends at a space.
	return strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return '_'
		}
		return r
	}, name)
}

// check returns an error for a cell that JSON or the benchmark format cannot
// hold.
func check(c Cell) error {
	if c.Scenario == "" || c.Stack == "" {
		return errors.New("the cell has no scenario or no stack")
	}
	for _, v := range c.Values {
		if v.Unit == "" || strings.ContainsFunc(v.Unit, notInUnit) {
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

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func notInUnit(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

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
