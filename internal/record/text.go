package record

import (
	"bufio"
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/perf/benchfmt"

	"wsvsio/scenarios"
)

// texter turns cells into the Go benchmark format.
type texter struct {
	out    *benchfmt.Writer
	config []benchfmt.Config
	cores  int
	units  map[string]bool // whose metadata has been written
}

func newTexter(w io.Writer, run *Run) *texter {
	return &texter{
		out:    benchfmt.NewWriter(w),
		config: config(run),
		cores:  run.Environment.Cores,
		units:  make(map[string]bool),
	}
}

// WriteText writes the figures of a run in the Go benchmark format, as they
// stand in its run.txt once it is closed.
func WriteText(w io.Writer, run *Run) error {
	t := newTexter(w, run)
	for _, i := range run.byStack() {
		c := run.Cells[i]
		if err := t.add(c); err != nil {
			return fmt.Errorf("write %s: %w", describe(c), err)
		}
	}
	return nil
}

// byStack returns the indices of the cells in the order of run.txt: as they were
// measured, but within each round of a case in the order of the stacks. benchstat
// takes the first stack that it finds for the base, and the order of measuring is
// random.
func (r *Run) byStack() []int {
	type key struct {
		scenario string
		c        scenarios.Case
		round    int
	}
	type place struct{ group, stack int }
	groups := make(map[key]int)
	places := make([]place, len(r.Cells))
	order := make([]int, len(r.Cells))
	for i, c := range r.Cells {
		k := key{c.Scenario, c.Case, c.Round}
		if _, ok := groups[k]; !ok {
			groups[k] = len(groups)
		}
		stack := slices.IndexFunc(r.Stacks, func(s scenarios.Stack) bool { return s.Name == c.Stack })
		if stack < 0 {
			stack = len(r.Stacks)
		}
		places[i], order[i] = place{groups[k], stack}, i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(places[a].group, places[b].group), cmp.Compare(places[a].stack, places[b].stack))
	})
	return order
}

// inText reports whether the cell has a line in run.txt.
func inText(c Cell) bool { return c.Measured() && len(c.Values) > 0 }

// add writes the line of the cell, unless it failed or is not applicable.
func (t *texter) add(c Cell) error {
	if !inText(c) {
		return nil
	}
	result := benchfmt.Result{
		Config: t.config,
		Name:   benchfmt.Name(benchName(c) + "-" + strconv.Itoa(t.cores)),
		Iters:  int(c.N),
	}
	for _, unit := range c.Units() {
		v, _ := c.Value(unit)
		result.Values = append(result.Values,
			benchfmt.Value{Value: v, Unit: unit})
		if err := t.describeUnit(unit); err != nil {
			return err
		}
	}
	return t.out.Write(&result)
}

// describeUnit writes what benchstat must know about a unit, once.
func (t *texter) describeUnit(name string) error {
	if t.units[name] {
		return nil
	}
	t.units[name] = true
	unit := UnitOf(name)
	meta := map[string]string{"better": string(unit.Better)}
	if unit.Exact {
		meta["assume"] = "exact"
	}
	for _, key := range []string{"better", "assume"} {
		if meta[key] == "" {
			continue
		}
		err := t.out.Write(&benchfmt.UnitMetadata{
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
func config(run *Run) []benchfmt.Config {
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

// SeriesName returns the name of a case's benchmarks without "Benchmark", the
// stack and the number of cores: "Broadcast/case=steady/clients=100".
func SeriesName(scenario string, c scenarios.Case) string {
	first, n := utf8.DecodeRuneInString(scenario)
	name := fmt.Sprintf("%c%s/%s", unicode.ToUpper(first), scenario[n:], c)
	// As package testing does: a name ends at a space.
	return strings.Map(oneWord, name)
}

// benchName returns the name of the cell's benchmark, with its stack.
func benchName(c Cell) string {
	return SeriesName(c.Scenario, c.Case) + "/stack=" + strings.Map(oneWord, c.Stack)
}

// oneWord puts an underscore in the place of what a word cannot have.
func oneWord(r rune) rune {
	if notInWord(r) {
		return '_'
	}
	return r
}

func notInWord(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }

// configLine is a line of the benchmark format that sets a key.
var configLine = regexp.MustCompile(`^\p{Ll}[^\s\p{Lu}:]*:([ \t]|$)`)

// maxLine is how long a line package benchfmt reads.
const maxLine = bufio.MaxScanTokenSize - 1

// ReadText returns a file in the Go benchmark format, with lines that cannot
// be read made empty, and what is wrong with them. Strict takes a line that
// says nothing in that format for damage, as it is in run.txt; in the output
// of go test such lines are common.
func ReadText(name string, strict bool) ([]byte, []Problem, error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, nil, fmt.Errorf("read the figures: %w", err)
	}
	text, problems := repair(name, data, strict)
	return text, problems, nil
}

// repair empties the lines that cannot be read.
func repair(name string, data []byte, strict bool) ([]byte, []Problem) {
	var b bytes.Buffer
	var problems []Problem
	n := 0
	for line := range bytes.Lines(data) {
		n++
		text, ended := bytes.CutSuffix(line, []byte("\n"))
		wrong := "cut off: the line has no end"
		if ended || !strict {
			wrong = damage(string(bytes.TrimSuffix(text, []byte("\r"))), strict)
		}
		if wrong != "" {
			problems = append(problems, Problem{name, n, wrong})
			text = nil
		}
		b.Write(text)
		b.WriteByte('\n')
	}
	return b.Bytes(), problems
}

// damage returns what is wrong with a line of the benchmark format, or "".
func damage(line string, strict bool) string {
	if len(line) > maxLine {
		return fmt.Sprintf("longer than %d bytes", maxLine)
	}
	r := benchfmt.NewReader(strings.NewReader(line), "")
	found := false
	for r.Scan() {
		found = true
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			return rec.Msg
		case *benchfmt.Result:
			for _, v := range rec.Values {
				if !finite(v.Value) {
					return fmt.Sprintf("the value of %s is %v", v.Unit, v.Value)
				}
			}
		}
	}
	switch {
	case r.Err() != nil:
		return r.Err().Error()
	case found || !strict || line == "" || configLine.MatchString(line):
		return ""
	}
	return "neither a benchmark nor a unit nor a setting"
}

// absent returns a problem if a cell of run.json is not in the text.
func (r *Run) absent(name string, text []byte) []Problem {
	lines := make(map[string]int)
	for line := range bytes.Lines(text) {
		full, ok := bytes.CutPrefix(line, []byte("Benchmark"))
		if !ok {
			continue
		}
		full, _, _ = bytes.Cut(full, []byte(" "))
		lines[string(full)]++
	}
	missing, first := 0, ""
	for _, c := range r.Cells {
		full := fmt.Sprintf("%s-%d", benchName(c), r.Environment.Cores)
		if !inText(c) {
			continue
		}
		if lines[full]--; lines[full] < 0 {
			missing++
			if first == "" {
				first = describe(c)
			}
		}
	}
	if missing == 0 {
		return nil
	}
	return []Problem{{File: name, Text: fmt.Sprintf("%d of the cells in %s "+
		"are not in it, such as %s", missing, jsonName, first)}}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
