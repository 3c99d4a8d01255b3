// Package bench is the shared harness: the list of stacks and scenarios, the
// environment in which a cell is measured, and the rounds.
package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
		n += len(part.Cases)
	}
	return n * len(p.Stacks) * p.Rounds
}

// ErrTooLarge is wrapped by the error of Check where a case is too large to be
// accounted for.
var ErrTooLarge = errors.New("too many deliveries")

// Check says before anything is measured what would make the plan fail.
func (p Plan) Check() error {
	for _, part := range p.Parts {
		for _, c := range part.Cases {
			if n := c.Messages() * c.Clients; c.Rate > 0 && n > maxDeliveries {
				return fmt.Errorf("%s: %w: %d in a window of %v, and every one is kept; %d are possible: ask for fewer clients or a lower rate",
					c.Name, ErrTooLarge, n, c.Window, maxDeliveries)
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
	// generator keeps 17 bytes of each: 0.85 GB.
	maxDeliveries = 50_000_000

	// patience is after how many failures a stack is given up in a case.
	patience = 2
)

// ErrStopped is returned by Run when it was told to stop early.
var ErrStopped = errors.New("stopped")

// Run measures a plan, cell after cell: in every round it takes every case,
// and measures every stack of it back to back in random order, each in fresh
// processes. It passes every finished cell to sink, and begin is told of each
// before it starts. A cell that fails does not end the run; it is passed on
// with its error. After a value on stop Run finishes the cell and returns
// ErrStopped; when the context ends it drops the cell.
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
	order := rand.New(rand.NewPCG(p.Seed, 0))
	type key struct {
		part, cs int
		stack    string
	}
	failures := make(map[key]int)
	inapplicable := make(map[key]bool)
	for round := 1; round <= p.Rounds; round++ {
		for i, part := range p.Parts {
			for j, c := range part.Cases {
				for at, k := range order.Perm(len(p.Stacks)) {
					s := p.Stacks[k]
					id := key{i, j, s.Name}
					if inapplicable[id] {
						continue
					}
					select {
					case <-stop:
						return ErrStopped
					default:
					}
					cell := record.Cell{Scenario: part.Scenario.Name(), Case: c, Stack: s.Name, Round: round, Order: at + 1}
					if failures[id] >= patience {
						cell.Error = fmt.Sprintf("not tried again after %d failures", patience)
					} else {
						begin(cell)
						env := NewEnv(ctx, m)
						env.Pin(cpus)
						measure(ctx, env, part.Scenario, s, p.Limit, &cell)
						env.Close()
					}
					if ctx.Err() != nil {
						return fmt.Errorf("%w: %w", ErrStopped, context.Cause(ctx))
					}
					if cell.Error != "" {
						failures[id]++
					}
					inapplicable[id] = cell.Unsupported != ""
					if err := sink(cell); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

// measure runs one cell.
func measure(ctx context.Context, env *Env, sc scenarios.Scenario, s scenarios.Stack, limit time.Duration, cell *record.Cell) {
	limit += cell.Case.Window
	limited, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the cell took longer than %v", limit))
	defer cancel()
	begin := time.Now()
	err := sc.Run(limited, env, s, cell.Case, recorder{cell})
	cell.Seconds = time.Since(begin).Seconds()
	if err != nil {
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
		cell.Error = err.Error()
		cell.Values = nil // no figure without delivery
	}
}

// recorder writes into a cell.
type recorder struct{ cell *record.Cell }

// Value implements scenarios.Recorder.
func (r recorder) Value(unit string, v float64) {
	r.cell.Values = append(r.cell.Values, record.Value{Unit: unit, V: v})
	switch unit {
	case "deliveries":
		r.cell.N = int64(v)
	case r.cell.Values[0].Unit: // else it is what was repeated
		r.cell.N++
	}
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
func (r recorder) Doubt(text string) { r.cell.Doubts = append(r.cell.Doubts, text) }
