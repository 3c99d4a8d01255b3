package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
	"wsvsio/scenarios"
)

// Limits of what can be asked for.
const (
	maxRounds  = 10_000
	maxClients = 20_000  // ports of one address, with a margin
	maxSize    = 900_000 // bytes; with its envelope it stays below the read limit of 1 MB
	maxRate    = 100_000 // messages a second

	leastTimer = 10 * time.Millisecond // Node's timers count in milliseconds
	mostTimer  = 5 * time.Minute
)

// rounds is how many rounds a profile has. It is fixed beforehand: to stop
// when it looks good raises false alarms.
var rounds = map[scenarios.Profile]int{scenarios.Quick: 8, scenarios.Full: 20}

func runCommand(c *call) error {
	f := c.flags
	scenario := f.String("scenario", "", "scenarios to run, separated by commas (default all)")
	caseList := f.String("case", "", "cases to run, separated by commas (default all)")
	stack := f.String("stack", "", "stacks to measure, separated by commas (default those that this machine can run; bare and bare-node only in full)")
	profileName := f.String("profile", string(scenarios.Quick), "how much time to spend: quick or full")
	n := f.Int("rounds", 0, "rounds (default 8 in quick, 20 in full)")
	seed := f.Uint64("seed", 0, "seed of the order of the stacks in a round (default random)")
	clients := f.Int("clients", 0, "connected clients, instead of the cases' own, where there is more than one")
	size := f.Int("size", 0, "bytes of a message's body, instead of the cases' own")
	rate := f.Float64("rate", 0, "messages a second, instead of the cases' own")
	pingInterval := f.Duration("ping-interval", 0, "pause between two heartbeats, instead of the cases' own, where they have timers (reconnect)")
	pingTimeout := f.Duration("ping-timeout", 0, "how long to wait for the answer to a heartbeat, likewise")
	out := f.String("out", "", "folder for the run, which must not hold one (default results/local/TIME)")
	if err := c.parse(); err != nil {
		return err
	}
	given := c.given()
	profile, err := chooseProfile(*profileName)
	if err != nil {
		return err
	}
	if !given["rounds"] {
		*n = rounds[profile]
	}
	if !given["seed"] {
		*seed = rand.Uint64()
	}
	var wrong []error
	wrong = append(wrong, within("rounds", *n, 1, maxRounds))
	if given["clients"] {
		wrong = append(wrong, within("clients", *clients, 1, maxClients))
	}
	if given["size"] {
		wrong = append(wrong, within("size", *size, 1, maxSize))
	}
	if given["rate"] {
		wrong = append(wrong, within("rate", *rate, 0.1, maxRate))
	}
	if given["ping-interval"] {
		wrong = append(wrong, within("ping-interval", *pingInterval, leastTimer, mostTimer))
	}
	if given["ping-timeout"] {
		wrong = append(wrong, within("ping-timeout", *pingTimeout, leastTimer, mostTimer))
	}
	if err := errors.Join(wrong...); err != nil {
		return err
	}
	stacks, err := chooseStacks(*stack, profile)
	if err != nil {
		return err
	}
	parts, err := chooseParts(*scenario, *caseList, profile, override{*clients, *size, *rate, *pingInterval, *pingTimeout})
	if err != nil {
		return err
	}

	started := time.Now()
	machine, can, err := c.look(stacks)
	if err != nil {
		return err
	}
	for _, l := range machine.LeftOut {
		fmt.Fprintf(c.stderr, "left out: %s: %s\n  to add it: %s\n", l.Stack, l.Reason, l.Mend)
	}
	if len(can) == 0 {
		return errors.New("none of the stacks can be run on this machine")
	}
	at(machine.Root, parts)
	plan := bench.Plan{Parts: parts, Stacks: can, Rounds: *n, Seed: *seed}
	if err := plan.Check(); errors.Is(err, bench.ErrCase) {
		return usagef("%v", err)
	} else if err != nil {
		return err
	}
	if *out == "" {
		*out = filepath.Join(machine.Root, "results", "local", started.UTC().Format("20060102-150405.000"))
	}
	w, err := record.Create(*out, record.Run{
		Tool:        "wsvsio compare",
		Started:     started.Round(0),
		Args:        withoutOut(c.args),
		Profile:     profile,
		Rounds:      *n,
		Seed:        *seed,
		Environment: bench.LookAround(c.ctx, machine),
		Stacks:      can,
		LeftOut:     machine.LeftOut,
		Planned:     planned(plan),
	})
	if err != nil {
		return err
	}
	return c.measure(machine, plan, w, *out)
}

// planned returns the cases of a plan, so that a run that ends early can name
// those that were not begun.
func planned(p bench.Plan) []record.Planned {
	var list []record.Planned
	for _, part := range p.Parts {
		for _, c := range part.Cases {
			list = append(list, record.Planned{Scenario: part.Scenario.Name(), Case: c})
		}
	}
	return list
}

// measure runs the plan into the folder dir and prints the report.
func (c *call) measure(m bench.Machine, plan bench.Plan, w *record.Writer, dir string) error {
	show := newProgress(c.stderr, plan)
	failed := 0
	err := bench.Run(c.ctx, m, plan, c.stop, show.begin, func(cell record.Cell) error {
		show.end(cell)
		if cell.Error != "" {
			failed++
		}
		return w.Add(cell)
	})
	show.close()
	stopped := errors.Is(err, bench.ErrStopped)
	switch {
	case stopped:
		err = errors.Join(w.Close(true, "interrupted"))
	case err != nil:
		err = errors.Join(err, w.Close(true, err.Error()))
	default:
		err = w.Close(false, "")
	}
	run, problems, readErr := record.Read(dir)
	if readErr == nil {
		readErr = errors.Join(report.Table(c.stdout, run), report.Summary(c.stdout, run), c.tell(problems))
	}
	fmt.Fprintf(c.stderr, "The run is in %s; print it again: compare report %s\n", dir, dir)
	switch err := errors.Join(err, readErr); {
	case stopped:
		return errors.Join(errInterrupted, err)
	case err != nil:
		return err
	case failed > 0:
		return fmt.Errorf("%w; cells that failed, see above: %d", errFailed, failed)
	}
	return nil
}

// withoutOut leaves out where a run is kept: that is nobody's business, and the
// run can be moved.
func withoutOut(args []string) []string {
	var kept []string
	for i := 0; i < len(args); i++ {
		name, _, both := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		if strings.HasPrefix(args[i], "-") && name == "out" {
			if !both {
				i++
			}
			continue
		}
		kept = append(kept, args[i])
	}
	return kept
}
