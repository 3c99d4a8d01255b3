package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
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

// ownFailures is in how many pairs the head has to fail, and the base in none, to
// be what fails it and not the machine.
const ownFailures = 3

// In which share of its pairs, and in how many, a cell of the head has to have a
// doubt that the base has in none, to be a doubt of the check. By chance alone fewer
// than five are all on one side too often: the one-sided sign test has p < .05 from five on.
const (
	doubtShare  = 0.25
	leastDoubts = 5
)

// patience is after how many failures a side is given up: with so many there
// cannot be enough of the pairs any more.
func patience(pairs int) int { return pairs - int(math.Ceil(leastShare*float64(pairs))) + 1 }

// figures are those of both sides, pair by pair.
type figures struct{ base, head []float64 }

// measure screens all cells, and confirms those that fire.
func (k *checker) measure() error {
	begin := time.Now()
	k.tellStep("measuring")
	k.tellSpared()
	for _, part := range k.parts {
		for _, c := range part.Cases {
			for _, s := range k.stacks {
				if !s.IsFor(part.Scenario.Name()) || k.spares(c, s) {
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
		return errors.New(strings.Join(append([]string{"nothing could be compared: none of the cases applies to the stacks"}, k.none...), "; "))
	}
	return nil
}

// spares reports whether a case is left out on a stack because it takes long there
// and nobody has named it.
func (k *checker) spares(c scenarios.Case, s scenarios.Stack) bool {
	return k.spare && s.NeedsNode() && slices.Contains(goCases, c.Name)
}

// tellSpared says what is left out like that.
func (k *checker) tellSpared() {
	var cases, stacks []string
	for _, part := range k.parts {
		for _, c := range part.Cases {
			for _, s := range k.stacks {
				if !k.spares(c, s) {
					continue
				}
				if !slices.Contains(cases, c.Name) {
					cases = append(cases, c.Name)
				}
				if !slices.Contains(stacks, s.Name) {
					stacks = append(stacks, s.Name)
				}
			}
		}
	}
	if len(cases) > 0 {
		k.note("not measured: %s on %s: with Node they take long, and are left out unless -case names them", strings.Join(cases, ", "), strings.Join(stacks, ", "))
	}
}

// check measures a case on a stack.
func (k *checker) check(sc scenarios.Scenario, c scenarios.Case, s scenarios.Stack) error {
	c, n := k.adapted(c, s)
	k.tellStep("%s on %s, %d pairs", c.Name, s.Name, n)
	found, n, ended := k.batch(sc, c, s, n, 0)
	if ended != nil && !errors.Is(ended, errInterrupted) {
		return ended
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
		var again map[string]figures
		if ended == nil {
			k.tellStep("%s on %s: something fired; measuring it again", c.Name, s.Name)
			again, _, ended = k.batch(sc, c, s, confirms*n, 1)
		}
		for i := range findings {
			if !findings[i].Fired() {
				continue
			}
			f, ok := again[findings[i].Unit]
			if !ok {
				findings[i].Unmeasured()
			} else if err := findings[i].Confirmed(f.base, f.head); err != nil {
				return err
			}
		}
	}
	k.report.Findings = append(k.report.Findings, findings...)
	return ended
}

// adapted is a case as a check measures it on a stack, and in how many pairs.
func (k *checker) adapted(c scenarios.Case, s scenarios.Stack) (scenarios.Case, int) {
	n := k.pairs
	if s.NeedsNode() {
		n = max(minPairs, n/2)
	} else if (c.Rate > 0 || c.Name == "saturation") && c.Timers == (scenarios.Timers{}) {
		c.Repeats = repeats // what has timers lasts as long as these say
	}
	if c.Samples > 1 && !k.exactly {
		n = min(n, minPairs) // a round of it is many already
	}
	return c, n
}

// judged reports whether a unit says something in a case. Bytes and requests
// are exact on a websocket alone, and only there a server allocates the same for
// the same messages. At saturation, and where many send at once, it allocates as
// messages happen to meet in its queues, which is not twice the same.
func judged(u regress.Unit, c scenarios.Case, s scenarios.Stack) bool {
	alone := len(s.Mode.Transports) == 1 && s.Mode.Transports[0] == scenarios.WebSocket && s.Flaky == ""
	switch {
	case u.Kind == regress.Exact:
		return alone && !c.Outcome
	case u.Kind == regress.Limited:
		return alone && c.Rate > 0 && c.Rooms == 0
	}
	return true
}

// batch measures so many pairs of a case on a stack, for the first time or the
// second (which is 1), and more in the first where these are too noisy. It returns
// what both sides have of each unit, and in how many pairs they were measured. If
// it is interrupted in the first that is what there is by then, if it is enough for a test.
func (k *checker) batch(sc scenarios.Scenario, c scenarios.Case, s scenarios.Stack, pairs, which int) (map[string]figures, int, error) {
	var sides [2][]record.Cell
	n, most := 0, pairs
	if which == 0 && k.extends(c) {
		most = regress.Extends * pairs
	}
	var err error
	for {
		err = k.rounds(sc, c, s, pairs, n, &sides)
		if err != nil && !errors.Is(err, errInterrupted) {
			return nil, n, err
		}
		if n += pairs; err != nil {
			n = min(n, len(sides[0]), len(sides[1]))
		}
		if err != nil || n >= most || !noisy(c, s, sides) {
			break
		}
		k.tellStep("%s on %s: too noisy; %d more pairs", c.Name, s.Name, pairs)
	}
	for i := range sides {
		k.cells[which][i] = append(k.cells[which][i], sides[i]...)
	}
	if err != nil && (which > 0 || n < minPairs) {
		return nil, n, err // half a batch confirms nothing
	}
	return k.pairUp(c, s, sides, n), n, err
}

// extends reports whether a first batch of a case may get more pairs than it was
// meant to have: not where the user says how many there are, and not where a pair
// lasts as long as timers say.
func (k *checker) extends(c scenarios.Case) bool {
	return !k.exactly && c.Timers == (scenarios.Timers{})
}

// noisy reports whether a figure that decides would not show what it should. It
// looks at how far the pairs are apart, and not at which side is ahead: which way
// the answer goes must not say whether more is measured.
func noisy(c scenarios.Case, s scenarios.Stack, sides [2][]record.Cell) bool {
	found := pair(sides).found
	return slices.ContainsFunc(regress.Units, func(u regress.Unit) bool {
		f, ok := found[u.Name]
		return ok && u.Deciding && judged(u, c, s) && regress.TooNoisy(u, f.base, f.head)
	})
}

// rounds measures so many pairs after those there are already, and adds their cells
// to both sides.
func (k *checker) rounds(sc scenarios.Scenario, c scenarios.Case, s scenarios.Stack, pairs, after int, sides *[2][]record.Cell) error {
	plan := bench.Plan{
		Parts:    []bench.Part{{Scenario: sc, Cases: []scenarios.Case{c}}},
		Stacks:   []scenarios.Stack{onSide(s, baseSide), onSide(s, headSide)},
		Rounds:   pairs,
		Seed:     k.order.Uint64(),
		Patience: patience(pairs),
	}
	if err := plan.Check(); err != nil {
		return err
	}
	show := newProgress(k.stderr, plan)
	err := bench.Run(k.ctx, k.machine, plan, k.stop, show.begin, func(cell record.Cell) error {
		show.end(cell)
		i := 0
		if strings.HasSuffix(cell.Stack, headSide) {
			i = 1
		}
		cell.Stack = s.Name
		cell.Round += after
		sides[i] = append(sides[i], cell)
		return nil
	})
	show.close()
	if errors.Is(err, bench.ErrStopped) {
		return errInterrupted
	}
	return err
}

// pairUp takes the figures of both sides from their cells. A pair of which one
// side failed is left out; if they are too many, so is the case, which is told. So
// is a head that fails, or has no figure of a unit, where the base does well. Times
// of those who came back are no pair where these are not as many on both sides.
func (k *checker) pairUp(c scenarios.Case, s scenarios.Stack, sides [2][]record.Cell, pairs int) map[string]figures {
	applies, unsupported := false, ""
	failed, wrong := [2]int{}, [2]string{}
	for i, cells := range sides {
		for _, cell := range cells {
			applies = applies || cell.Unsupported == ""
			unsupported = cmp.Or(unsupported, cell.Unsupported)
			if cell.Error != "" {
				failed[i]++
				wrong[i] = cmp.Or(wrong[i], cell.Error)
			}
		}
	}
	if !applies {
		k.tellNone(c, s, unsupported)
		return nil
	}
	k.tellDoubts(c, s, sides, pairs)
	both := pair(sides)
	found := both.found
	fail := func(format string, args ...any) {
		k.report.Failures = append(k.report.Failures, fmt.Sprintf("%s on %s: ", c.Name, s.Name)+fmt.Sprintf(format, args...))
	}
	enough := float64(both.whole) >= leastShare*float64(pairs)
	for i, side := range []string{"base", "head"} {
		switch {
		case failed[i] == 0:
		case !enough:
			fail("the %s has no figures in %d of %d pairs: %s", side, failed[i], pairs, wrong[i])
		case i == 1 && failed[0] == 0 && failed[1] >= ownFailures:
			fail("the head fails in %d of %d pairs, and the base in none: %s", failed[1], pairs, wrong[1])
		default:
			k.note("%s on %s: the %s failed in %d of %d pairs: %s", c.Name, s.Name, side, failed[i], pairs, wrong[i])
		}
	}
	if !enough {
		if failed[0]+failed[1] == 0 {
			fail("only %d of %d pairs have figures on both sides", both.whole, pairs)
		}
		return nil
	}
	for _, u := range regress.Units {
		if !judged(u, c, s) {
			continue
		}
		title := record.UnitOf(u.Name).Title
		if n := both.lacks[u.Name]; n >= ownFailures {
			fail("%s: the base has it in %d pairs in which the head does not", title, n)
		}
		if n := both.apart[u.Name]; n > 0 {
			why := fmt.Sprintf("%q is not the same on both sides, so that it would be of different clients", record.UnitOf(u.Among).Title)
			if float64(len(found[u.Name].base)) >= leastShare*float64(pairs) {
				k.note("%s on %s, %s: not compared in %d of %d pairs: %s", c.Name, s.Name, title, n, pairs, why)
			} else {
				delete(found, u.Name)
				k.doubt("%s on %s, %s: not compared: in too many pairs %s", c.Name, s.Name, title, why)
			}
		}
	}
	return found
}

// paired are the figures of the pairs in which both sides were measured.
type paired struct {
	found map[string]figures
	lacks map[string]int // pairs in which the base has a figure and the head has not
	apart map[string]int // pairs in which both sides differ in the share that the figure is of
	whole int            // pairs
}

// pair takes the figures of each unit from the cells of both sides.
func pair(sides [2][]record.Cell) paired {
	p := paired{make(map[string]figures), make(map[string]int), make(map[string]int), 0}
	bases := make(map[int]record.Cell)
	for _, cell := range sides[0] {
		bases[cell.Round] = cell
	}
	for _, head := range sides[1] {
		base, ok := bases[head.Round]
		if !ok || !base.Measured() || !head.Measured() {
			continue
		}
		p.whole++
		for _, u := range regress.Units {
			b, inBase := figure(base, u)
			h, inHead := figure(head, u)
			if (inBase || inHead) && otherShare(base, head, u) {
				p.apart[u.Name]++
				continue
			}
			if inBase && !inHead {
				p.lacks[u.Name]++
			}
			if !inBase || !inHead || u.Kind == regress.Paired && (b <= 0 || h <= 0) {
				continue
			}
			f := p.found[u.Name]
			p.found[u.Name] = figures{append(f.base, b), append(f.head, h)}
		}
	}
	return p
}

// tellNone says that a stack does not do a case. If both were asked for, what was
// asked for is not compared.
func (k *checker) tellNone(c scenarios.Case, s scenarios.Stack, why string) {
	text := fmt.Sprintf("not measured: %s on %s: %s", c.Name, s.Name, why)
	k.none = append(k.none, text)
	if k.asked && k.picked {
		k.doubt("%s", text)
	} else {
		k.note("%s", text)
	}
}

// counts are what may differ in a doubt from pair to pair. The number in p99 is none.
var counts = regexp.MustCompile(`\b[0-9]+`)

// tellDoubts says what the cells of both sides make trust them less, and in how
// many pairs. What only those of the head say may be the change.
func (k *checker) tellDoubts(c scenarios.Case, s scenarios.Stack, sides [2][]record.Cell, pairs int) {
	type told struct {
		text  string // as it was first
		n     [2]int
		round [2]int // that was counted last
	}
	var all []*told
	about := make(map[string]*told)
	for i, cells := range sides {
		for _, cell := range cells {
			if !cell.Measured() {
				continue // its error is told
			}
			for _, text := range cell.Doubts {
				key := counts.ReplaceAllString(text, "0")
				d := about[key]
				if d == nil {
					d = &told{text: text}
					about[key] = d
					all = append(all, d)
				}
				if d.round[i] != cell.Round {
					d.round[i] = cell.Round
					d.n[i]++
				}
			}
		}
	}
	for _, d := range all {
		say := k.note
		if d.n[0] == 0 && d.n[1] >= leastDoubts && float64(d.n[1]) >= doubtShare*float64(pairs) {
			say = k.doubt
		}
		say("%s on %s: %s: in %d of %d pairs of the base, %d of the head", c.Name, s.Name, d.text, d.n[0], pairs, d.n[1])
	}
}

// figure is that of a cell, and whether it has one: the median of its samples, and
// of shares, of which each client has one, the mean. A median would not show what
// less than half of the clients have lost.
func figure(cell record.Cell, u regress.Unit) (float64, bool) {
	if u.Kind != regress.Shares {
		return cell.Value(u.Name)
	}
	sum, n := 0.0, 0
	for _, v := range cell.Values {
		if v.Unit == u.Name {
			sum += v.V
			n++
		}
	}
	return sum / float64(n), n > 0
}

// otherShare reports whether a unit is of those who came back, or the like, and
// the share of these is not the same on both sides.
func otherShare(base, head record.Cell, u regress.Unit) bool {
	if u.Among == "" {
		return false
	}
	b, inBase := base.Value(u.Among)
	h, inHead := head.Value(u.Among)
	return inBase != inHead || inBase && b != h
}

// conclude prints the report, keeps it, and tells GitHub Actions where it runs
// there. Why the check ended, if it did before its end, is an error: what was found
// until then is told all the same.
func (k *checker) conclude(view func(*regress.Report, io.Writer) error, out string, ended error) error {
	r := k.report
	if len(r.Findings)+len(r.Failures) == 0 && ended != nil {
		return errors.Join(ended, k.untidy)
	}
	k.concluded = true
	r.Finished = time.Now().Round(0)
	if ended != nil {
		r.Partial = ended.Error()
	}
	regress.Sort(r.Findings)
	r.Decide()
	var result error
	switch {
	case errors.Is(ended, errInterrupted):
		// Whatever was found, whoever ended it knows that it is not all.
	case r.Answer == regress.Regression:
		result = errRegression
	case ended == nil && len(r.Failures) > 0:
		result = fmt.Errorf("%w; cells that failed, see above: %d", errFailed, len(r.Failures))
	}
	// What goes wrong from here on does not change the answer.
	wrong := view(r, k.stdout)
	if out != "" {
		wrong = errors.Join(wrong, k.keep(out))
	}
	return errors.Join(result, ended, wrong, k.tellActions(r), k.untidy)
}

// sideFiles are the names of the files for benchstat: those of the first batches,
// and those of the second ones, which hold only what fired. Together they would not
// be a sample: what fired by chance would be in it.
var sideFiles = [2][2]string{{"base.txt", "head.txt"}, {"confirm-base.txt", "confirm-head.txt"}}

// checkFile is the one by which a folder is known that holds a check. The others are
// for readers, and for github-action-benchmark.
const (
	checkFile   = "check.json"
	summaryFile = "summary.md"
	pointsFile  = "benchmark.json"
)

// keep writes the files of a check into a folder. Those of an older check that this
// one does not have are removed.
func (k *checker) keep(dir string) error {
	files := map[string]func(io.Writer) error{
		checkFile:   k.report.JSON,
		summaryFile: k.report.Markdown,
		pointsFile:  k.report.Points,
	}
	for which, names := range sideFiles {
		for i, name := range names {
			cells := k.cells[which][i]
			files[name] = func(w io.Writer) error {
				if len(cells) == 0 {
					return regress.ErrNothing
				}
				return k.text(w, i, cells)
			}
		}
	}
	_, older := os.Stat(filepath.Join(dir, checkFile))
	written := make(map[string]bool)
	var wrong []error
	for name, write := range files {
		var b bytes.Buffer
		err := write(&b)
		written[name] = err == nil
		switch {
		case err == nil:
			err = os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o666)
		case errors.Is(err, regress.ErrNothing):
			err = nil
			if older == nil {
				err = removeIfThere(filepath.Join(dir, name))
			}
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("keep the check: %w", err))
		}
	}
	if len(wrong) > 0 {
		return errors.Join(wrong...)
	}
	hint := ""
	if base, head := sideFiles[0][0], sideFiles[0][1]; written[base] && written[head] {
		ignore := ""
		if s := k.report.Sides; len(s) > 0 && s[0].Go != s[1].Go {
			ignore = "-ignore go " // it would not compare what is not alike
		}
		hint = fmt.Sprintf("; benchstat reads it: benchstat %s%s %s", ignore, filepath.Join(dir, base), filepath.Join(dir, head))
	}
	fmt.Fprintf(k.stderr, "The check is in %s%s\n", dir, hint)
	return nil
}

// removeIfThere removes a file that an older check may have left.
func removeIfThere(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// text writes the cells of a side in the Go benchmark format.
func (k *checker) text(w io.Writer, side int, cells []record.Cell) error {
	env := k.report.Environment
	if s := k.report.Sides; len(s) > 0 {
		env.Go, env.Libraries = s[side].Go, s[side].Libraries
	}
	// The two sides are told apart by their files, and the commit of the
	// environment is that of the head.
	env.Commit, env.Dirty = "", false
	return record.WriteText(w, &record.Run{
		Environment: env, Profile: scenarios.Quick, Rounds: k.pairs, Seed: k.report.Seed, Stacks: k.stacks, Cells: cells,
	})
}

// told is what GitHub Actions is told of: a report, or why there is none.
type told interface {
	Markdown(io.Writer) error
	Annotations(io.Writer) error
}

// tellActions adds the report to the summary of a step of GitHub Actions, and
// annotates the change, where it runs there. The annotations go to standard
// error, which is read for them, too.
func (k *checker) tellActions(what told) error {
	var wrong []error
	if name := os.Getenv("GITHUB_STEP_SUMMARY"); name != "" {
		file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		if err == nil {
			err = errors.Join(what.Markdown(file), file.Close())
		}
		if err != nil {
			wrong = append(wrong, fmt.Errorf("write the step's summary: %w", err))
		}
	}
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		wrong = append(wrong, what.Annotations(k.stderr))
	}
	return errors.Join(wrong...)
}
