// Package bench is the shared harness: the list of stacks and scenarios, the
// environment in which a cell is measured, and the rounds.
package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"wsvsio/internal/record"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// Plan says what to measure.
type Plan struct {
	Parts  []Part
	Stacks []scenarios.Stack
	Rounds int
	Seed   uint64 // of the order inside the rounds

	// Limit is how long a cell may take beyond its window; 0 is CellLimit.
	Limit time.Duration

	// Patience is after how many failures a stack is given up in a case; 0 is
	// two.
	Patience int
}

// Part is a scenario and those of its cases that are to be run.
type Part struct {
	Scenario scenarios.Scenario
	Cases    []scenarios.Case
}

// Clients returns the largest number of clients in the plan.
func (p Plan) Clients() int {
	most := 0
	for _, part := range p.Parts {
		for _, c := range part.Cases {
			most = max(most, c.Clients)
		}
	}
	return most
}

// Cells returns how many cells the plan has, those that do not apply included.
func (p Plan) Cells() int {
	n := 0
	for _, part := range p.Parts {
		for _, c := range part.Cases {
			rounds := p.Rounds
			if c.Once {
				rounds = 1
			}
			for _, s := range p.Stacks {
				if s.IsFor(part.Scenario.Name()) {
					n += rounds
				}
			}
		}
	}
	return n
}

// ErrCase is wrapped by the error of Check where a case cannot be, as it was
// asked for.
var ErrCase = errors.New("impossible case")

// Check says before anything is measured what would make the plan fail.
func (p Plan) Check() error {
	if p.Cells() == 0 {
		var why []string
		for _, s := range p.Stacks {
			why = append(why, s.Name+" is for "+strings.Join(s.Only, ", "))
		}
		return fmt.Errorf("%w: none of the stacks is for the scenarios: %s", ErrCase, strings.Join(why, "; "))
	}
	for _, part := range p.Parts {
		for _, c := range part.Cases {
			if n := c.Messages() * c.Clients; c.Rate > 0 && n > maxDeliveries {
				return fmt.Errorf("%w: %s: %d deliveries in a window of %v are too many, %d are possible: ask for fewer clients or a lower rate",
					ErrCase, c.Name, n, c.Window, maxDeliveries)
			}
			if checker, ok := part.Scenario.(scenarios.Checker); ok {
				if err := checker.Check(c); err != nil {
					return fmt.Errorf("%w: %w", ErrCase, err)
				}
			}
		}
	}
	return needFiles(p.Clients())
}

const (
	// CellLimit is how long a cell may take beyond its window. The slowest
	// that works, a thousand Socket.IO clients on Node, takes five seconds.
	CellLimit = 60 * time.Second

	// maxDeliveries is how many deliveries a window may have. The load
	// generator keeps a byte of each.
	maxDeliveries = 50_000_000

	// patience is that of a plan that says nothing else.
	patience = 2
)

// ErrStopped is returned by Run when it was told to stop early.
var ErrStopped = errors.New("stopped")

// Run measures a plan: in every round it takes every case, and measures every
// stack of it back to back in random order, each in fresh processes, as often as
// the case says; where only the outcome counts, some of them side by side, those of the next case
// too if both are run once. It passes every finished cell
// to sink, and begin is told of each before it starts. A cell that fails does
// not end the run; it is passed on with its error. After a value on stop Run
// finishes the cell and returns ErrStopped; when the context ends it drops the
// cell.
func Run(ctx context.Context, m Machine, p Plan, stop <-chan struct{}, begin func(record.Cell), sink func(record.Cell) error) error {
	cpus := worker.CPUs()
	if len(cpus) > 1 {
		// The relay is in this process: it must not be on the server's core.
		if err := worker.PinSelf(cpus[:len(cpus)-1]); err != nil {
			return err
		}
		defer worker.PinSelf(cpus)
	}
	if p.Limit == 0 {
		p.Limit = CellLimit
	}
	r := runner{
		machine: m, limit: p.Limit, patience: cmp.Or(p.Patience, patience), cpus: cpus, stop: stop, begin: begin, sink: sink,
		failures: make(map[key]int), inapplicable: make(map[key]bool),
		crews: newCrews(ctx), browser: &sharedBrowser{ctx: ctx},
	}
	defer r.browser.close()
	defer r.crews.close()
	order := rand.New(rand.NewPCG(p.Seed, 0))
	for round := 1; round <= p.Rounds; round++ {
		for i, part := range p.Parts {
			var outcomes []*task // of cases that do not wait for each other
			for j, c := range part.Cases {
				// The order of a case does not depend on what the others are.
				perm := order.Perm(len(p.Stacks))
				if c.Once && round > 1 {
					continue
				}
				var cells []*task
				for _, k := range perm {
					s := p.Stacks[k]
					if !s.IsFor(part.Scenario.Name()) {
						continue
					}
					cells = append(cells, &task{
						key: key{i, j, s.Name}, scenario: part.Scenario, stack: s,
						cpus: cpus,
						cell: record.Cell{Scenario: part.Scenario.Name(), Case: c, Stack: s.Name, Round: round, Order: len(cells) + 1},
					})
				}
				size := c.SideBySide()
				repeats := max(1, c.Repeats)
				if c.Once && size > 1 && repeats == 1 {
					outcomes = append(outcomes, cells...)
					if next := j + 1; next < len(part.Cases) && part.Cases[next].Once && part.Cases[next].SideBySide() == size && part.Cases[next].Repeats <= 1 {
						continue
					}
					if err := r.pool(ctx, outcomes, size); err != nil {
						return err
					}
					outcomes = nil
					continue
				}
				for repeat := range repeats {
					if repeat > 0 {
						order.Shuffle(len(cells), func(a, b int) { cells[a], cells[b] = cells[b], cells[a] })
					}
					last := repeat == repeats-1
					err := r.run(ctx, cells, size, func(t *task) error {
						if last {
							return r.finish(t)
						}
						return nil
					})
					if errors.Is(err, ErrStopped) && ctx.Err() == nil {
						// What there is of the round is kept.
						return errors.Join(err, r.finish(cells...))
					}
					if err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// runner is what a run keeps from cell to cell.
type runner struct {
	machine  Machine
	limit    time.Duration
	patience int
	cpus     []int
	stop     <-chan struct{}
	begin    func(record.Cell)
	sink     func(record.Cell) error

	crews   *crews
	browser *sharedBrowser

	failures     map[key]int
	inapplicable map[key]bool
}

// pool measures cells of cases that are run once, so many at a time, whatever
// their case. Where nothing but what happens counts, everybody has all cores.
func (r *runner) pool(ctx context.Context, tasks []*task, size int) (err error) {
	free := !slices.ContainsFunc(tasks, func(t *task) bool { return !t.cell.Case.Shared })
	if free && len(r.cpus) > 1 {
		if err := worker.PinSelf(r.cpus); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, worker.PinSelf(r.cpus[:len(r.cpus)-1])) }()
	}
	if free {
		for _, t := range tasks {
			t.cpus = nil
		}
	}
	err = r.run(ctx, tasks, size, func(t *task) error { return r.finish(t) })
	if errors.Is(err, ErrStopped) && ctx.Err() == nil {
		return errors.Join(err, r.finish(tasks...)) // what there is of the others is kept
	}
	return err
}

// key is a case on a stack.
type key struct {
	part, cs int
	stack    string
}

// task is a cell that is to be measured.
type task struct {
	key
	scenario scenarios.Scenario
	stack    scenarios.Stack
	cpus     []int // for its processes; none is all of them for all
	cell     record.Cell
	passed   bool // to the sink
}

// slots is how many of so many places a cell takes that share the machine with
// others: Node and a browser keep it busy, where Go waits.
func (t *task) slots(of int) int {
	if t.stack.NeedsNode() || t.stack.InBrowser() {
		return min(2, of)
	}
	return 1
}

// over reports whether there is nothing more to measure for the cell.
func (t *task) over() bool { return t.cell.Error != "" || t.cell.Unsupported != "" }

// run measures cells, a number of them side by side, once more if they have been
// before, and calls ended with each that is over. One begins as soon as another is
// over, for most of the time they wait. When it is told to stop it finishes those
// that have begun, and calls for none of them.
func (r *runner) run(ctx context.Context, tasks []*task, abreast int, ended func(*task) error) error {
	over := make(chan *task)
	running, taken := 0, 0
	var err error
	for {
		for len(tasks) > 0 && taken+tasks[0].slots(abreast) <= abreast && err == nil {
			select {
			case <-r.stop:
				err = ErrStopped
				continue
			default:
			}
			t := tasks[0]
			tasks = tasks[1:]
			if !r.begins(t) {
				err = ended(t)
				continue
			}
			running++
			taken += t.slots(abreast)
			go func() {
				env := NewEnv(ctx, r.machine)
				env.Pin(t.cpus)
				env.browser = r.browser
				if t.cell.Case.Shared {
					env.crews = r.crews
				}
				measure(ctx, env, t.scenario, t.stack, r.limit, &t.cell)
				env.Close()
				over <- t
			}()
		}
		if running == 0 {
			return err
		}
		t := <-over
		running--
		taken -= t.slots(abreast)
		switch {
		case ctx.Err() != nil:
			err = fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
		case err == nil:
			err = ended(t)
		}
	}
}

// begins reports whether a cell is to be measured, and tells of it.
func (r *runner) begins(t *task) bool {
	if r.failures[t.key] >= r.patience {
		t.cell.Error = fmt.Sprintf("not tried again after %d failures", r.patience)
	}
	if r.inapplicable[t.key] || t.over() {
		return false
	}
	if t.cell.Seconds == 0 {
		r.begin(t.cell)
	}
	return true
}

// finish passes on cells that have been measured, each once.
func (r *runner) finish(tasks ...*task) error {
	for _, t := range tasks {
		if t.passed || r.inapplicable[t.key] || t.cell.Seconds == 0 && t.cell.Error == "" {
			continue
		}
		t.passed = true
		if t.cell.Error != "" {
			r.failures[t.key]++
		}
		r.inapplicable[t.key] = t.cell.Unsupported != ""
		if err := r.sink(t.cell); err != nil {
			return err
		}
	}
	return nil
}

// environment is what a cell is measured in.
type environment interface {
	scenarios.Env
	casualties() error
	roots() []string // of the repository
}

// measure runs one cell.
func measure(ctx context.Context, env environment, sc scenarios.Scenario, s scenarios.Stack, limit time.Duration, cell *record.Cell) {
	limit += cell.Case.Window
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the cell took longer than %v", limit))
	defer cancel()
	begin := time.Now()
	err := scenarios.Unsupported("%s", s.Refused+s.Absent)
	if s.Refused+s.Absent == "" {
		err = sc.Run(limited, env, s, cell.Case, recorder{cell})
	}
	cell.Seconds += time.Since(begin).Seconds()
	if err != nil && !errors.Is(err, scenarios.ErrUnsupported) {
		if died := env.casualties(); died != nil && !strings.Contains(err.Error(), died.Error()) {
			err = fmt.Errorf("%w; seen as: %w", died, err)
		}
	}
	switch {
	case errors.Is(err, scenarios.ErrUnsupported):
		cell.Unsupported = err.Error()
	case err != nil:
		if cause := context.Cause(limited); cause != nil {
			err = fmt.Errorf("%w (%w)", err, cause)
		}
		// Where the repository lies is nobody's business.
		cell.Error = err.Error()
		for _, root := range env.roots() {
			cell.Error = strings.ReplaceAll(cell.Error, root+"/", "")
		}
		cell.Values = nil // no figure without delivery
	}
	cell.N = iterations(cell)
}

// recorder writes into a cell.
type recorder struct{ cell *record.Cell }

// Value implements scenarios.Recorder.
func (r recorder) Value(unit string, v float64) {
	r.cell.Values = append(r.cell.Values, record.Value{Unit: unit, V: v})
}

// iterations is how many deliveries there were, or else what was repeated.
func iterations(c *record.Cell) (n int64) {
	deliveries, first := int64(0), int64(0)
	for _, v := range c.Values {
		if v.Unit == "deliveries" {
			deliveries += int64(v.V)
		}
		if v.Unit == c.Values[0].Unit {
			first++
		}
	}
	if deliveries > 0 {
		return deliveries
	}
	return first
}

// Label implements scenarios.Recorder.
func (r recorder) Label(key, value string) {
	if r.cell.Labels == nil {
		r.cell.Labels = make(map[string]string)
	}
	r.cell.Labels[key] = value
}

// Event implements scenarios.Recorder.
func (r recorder) Event(e scenarios.Event) { r.cell.Events = append(r.cell.Events, e) }

// Doubt implements scenarios.Recorder.
func (r recorder) Doubt(text string) {
	if !slices.Contains(r.cell.Doubts, text) {
		r.cell.Doubts = append(r.cell.Doubts, text)
	}
}

// Histogram implements scenarios.Recorder.
func (r recorder) Histogram(h scenarios.Histogram) {
	r.cell.Histograms = append(r.cell.Histograms, h)
}
