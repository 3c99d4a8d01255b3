package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/record"
	"wsvsio/internal/regress"
	"wsvsio/scenarios"
)

// repeats is how often a pair measures each side of a case with a rate, or at
// saturation: a neighbour's burst is as long as one of these windows, and the
// median of two in turn halves what is left of it.
const repeats = 2

// leastShare is how many of the pairs there must be in the end. A machine that
// is busy enough lets a cell fail now and then.
const leastShare = 0.75

// figures are those of both sides, pair by pair.
type figures struct{ base, head []float64 }

// measure screens all cells, and confirms those that fire.
func (k *checker) measure() error {
	begin := time.Now()
	k.tellStep("measuring")
	for _, part := range k.parts {
		for _, c := range part.Cases {
			for _, s := range k.stacks {
				if !s.IsFor(part.Scenario.Name()) || k.spare && s.NeedsNode() && slices.Contains(goCases, c.Name) {
					continue
				}
				if err := k.check(part.Scenario, c, s); err != nil {
					return err
				}
			}
		}
	}
	k.tellStep("measured in %v", time.Since(begin).Round(time.Second))
	if len(k.report.Findings)+len(k.report.Failures) == 0 {
		return errors.New("nothing could be compared: none of the cases applies to the stacks")
	}
	return nil
}

// check measures a case on a stack.
func (k *checker) check(sc scenarios.Scenario, c scenarios.Case, s scenarios.Stack) error {
	c, n := k.adapted(c, s)
	found, err := k.batch(sc, c, s, n)
	if err != nil {
		return err
	}
	var findings []regress.Finding
	fired := false
	for _, unit := range regress.Units {
		f, ok := found[unit.Name]
		if !ok || !judged(unit, c, s) {
			continue
		}
		place := regress.Place{Series: record.SeriesName(sc.Name(), c), Stack: s.Name, Unit: unit.Name}
		finding, err := regress.Judge(place, f.base, f.head)
		if err != nil {
			return err
		}
		fired = fired || finding.Fired()
		findings = append(findings, finding)
	}
	if fired {
		k.tellStep("%s on %s: something fired; measuring it again", c.Name, s.Name)
		again, err := k.batch(sc, c, s, confirms*n)
		if err != nil {
			return err
		}
		for i := range findings {
			if f, ok := again[findings[i].Unit]; ok && findings[i].Fired() {
				if err := findings[i].Confirmed(f.base, f.head); err != nil {
					return err
				}
			}
		}
	}
	k.report.Findings = append(k.report.Findings, findings...)
	return nil
}

// adapted is a case as a check measures it on a stack, and in how many pairs.
func (k *checker) adapted(c scenarios.Case, s scenarios.Stack) (scenarios.Case, int) {
	n := k.pairs
	if s.NeedsNode() {
		n = max(minPairs, n/2)
	} else if c.Rate > 0 || c.Name == "saturation" {
		c.Repeats = repeats
	}
	if c.Samples > 1 {
		n = min(n, minPairs) // a round of it is many already
	}
	return c, n
}

// judged reports whether a unit says something in a case. Bytes and requests
// are exact on a websocket alone. At saturation, and where many send at once, a
// server allocates as messages happen to meet in its queues, which is not twice
// the same.
func judged(u regress.Unit, c scenarios.Case, s scenarios.Stack) bool {
	switch {
	case u.Kind == regress.Exact:
		return len(s.Mode.Transports) == 1 && s.Mode.Transports[0] == scenarios.WebSocket && s.Flaky == "" && !c.Outcome
	case u.Kind == regress.Limited:
		return c.Rate > 0 && c.Rooms == 0
	}
	return true
}

// batch measures so many pairs of a case on a stack. It returns what both sides
// have of each unit.
func (k *checker) batch(sc scenarios.Scenario, c scenarios.Case, s scenarios.Stack, pairs int) (map[string]figures, error) {
	plan := bench.Plan{
		Parts:  []bench.Part{{Scenario: sc, Cases: []scenarios.Case{c}}},
		Stacks: []scenarios.Stack{onSide(s, baseSide), onSide(s, headSide)},
		Rounds: pairs,
		Seed:   k.order.Uint64(),
	}
	if err := plan.Check(); err != nil {
		return nil, err
	}
	var sides [2][]record.Cell
	show := newProgress(k.stderr, plan)
	err := bench.Run(k.ctx, k.machine, plan, k.stop, show.begin, func(cell record.Cell) error {
		show.end(cell)
		i := 0
		if strings.HasSuffix(cell.Stack, headSide) {
			i = 1
		}
		cell.Stack = s.Name
		sides[i] = append(sides[i], cell)
		return nil
	})
	show.close()
	if errors.Is(err, bench.ErrStopped) {
		return nil, errInterrupted
	}
	if err != nil {
		return nil, err
	}
	for i := range sides {
		k.cells[i] = append(k.cells[i], sides[i]...)
	}
	return k.pairUp(c, s, sides, pairs), nil
}

// pairUp takes the figures of both sides from their cells. A pair of which one
// side failed is left out; if they are too many, so is the case, which is told.
func (k *checker) pairUp(c scenarios.Case, s scenarios.Stack, sides [2][]record.Cell, pairs int) map[string]figures {
	bases := make(map[int]record.Cell)
	for _, cell := range sides[0] {
		bases[cell.Round] = cell
	}
	found := make(map[string]figures)
	whole, applies := 0, false
	wrong := [2]string{}
	for i, cells := range sides {
		for _, cell := range cells {
			applies = applies || cell.Unsupported == ""
			wrong[i] = cmp.Or(wrong[i], cell.Error)
		}
	}
	for _, head := range sides[1] {
		base, ok := bases[head.Round]
		if !ok || !base.Measured() || !head.Measured() {
			continue
		}
		whole++
		for _, unit := range head.Units() {
			b, both := base.Value(unit)
			h, _ := head.Value(unit)
			u, known := regress.UnitOf(unit)
			if !both || !known || u.Kind == regress.Paired && (b <= 0 || h <= 0) {
				continue
			}
			f := found[unit]
			found[unit] = figures{append(f.base, b), append(f.head, h)}
		}
	}
	if !applies {
		return nil
	}
	for i, side := range []string{"base", "head"} {
		switch text := wrong[i]; {
		case text == "":
		case float64(whole) >= leastShare*float64(pairs):
			k.note("%s on %s: not in all pairs: the %s failed: %s", c.Name, s.Name, side, text)
		default:
			k.report.Failures = append(k.report.Failures, fmt.Sprintf("%s on %s: the %s: %s", c.Name, s.Name, side, text))
			found = nil
		}
	}
	return found
}

// conclude prints the report, keeps it, and tells GitHub Actions where it runs
// there.
func (k *checker) conclude(view func(*regress.Report, io.Writer) error, out string) error {
	r := k.report
	r.Finished = time.Now().Round(0)
	regress.Sort(r.Findings)
	r.Answer = regress.AnswerOf(r.Findings)
	if len(r.Failures) > 0 && r.Answer == regress.NoRegression {
		r.Answer = regress.Inconclusive
	}
	err := view(r, k.stdout)
	if out != "" {
		err = errors.Join(err, k.keep(out))
	}
	err = errors.Join(err, k.tellActions())
	switch {
	case err != nil:
		return err
	case r.Answer == regress.Regression:
		return errRegression
	case len(r.Failures) > 0:
		return fmt.Errorf("%w; cells that failed, see above: %d", errFailed, len(r.Failures))
	}
	return nil
}

// keep writes the files of a check into a folder.
func (k *checker) keep(dir string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("keep the check: %w: choose another folder with -out", err)
	}
	files := map[string]func(io.Writer) error{
		"check.json":     k.report.JSON,
		"summary.md":     k.report.Markdown,
		"benchmark.json": k.report.Points,
	}
	for i, name := range []string{"base.txt", "head.txt"} {
		if cells := k.cells[i]; len(cells) > 0 {
			files[name] = func(w io.Writer) error {
				env := k.report.Environment
				// The two sides are told apart by their files, and the commit
				// of the environment is that of the head.
				env.Commit, env.Dirty = "", false
				return record.WriteText(w, &record.Run{
					Environment: env, Profile: scenarios.Quick, Rounds: k.pairs, Seed: k.report.Seed, Stacks: k.stacks, Cells: cells,
				})
			}
		}
	}
	for name, write := range files {
		var b bytes.Buffer
		err := write(&b)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o666)
		}
		if err != nil {
			return fmt.Errorf("keep the check: %w", err)
		}
	}
	fmt.Fprintf(k.stderr, "The check is in %s; benchstat reads it: benchstat %s %s\n", dir, filepath.Join(dir, "base.txt"), filepath.Join(dir, "head.txt"))
	return nil
}

// tellActions adds the report to the summary of a step of GitHub Actions, and
// annotates the change, where it runs there. The annotations go to standard
// error, which is read for them, too.
func (k *checker) tellActions() error {
	if name := os.Getenv("GITHUB_STEP_SUMMARY"); name != "" {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		if err != nil {
			return fmt.Errorf("write the step's summary: %w", err)
		}
		if err := errors.Join(k.report.Markdown(file), file.Close()); err != nil {
			return fmt.Errorf("write the step's summary: %w", err)
		}
	}
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		return k.report.Annotations(k.stderr)
	}
	return nil
}
