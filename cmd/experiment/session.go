package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// session is an experiment that is being measured.
type session struct {
	settings
	ctx     context.Context
	machine bench.Machine
	order   *rand.Rand // of the seeds of the single plans
	data    *writer
	before  *data // what was measured at other times; nil if this is the first
	tell    *progress

	keepHistograms bool                     // the distributions, which are most of the data
	adapt          func(*cell, record.Cell) // where bench's cell means something else
}

// run measures and prints the summary.
func (e experiment) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	opts, err := e.parse(args, stdout)
	if err != nil {
		return err
	}
	var before *data
	if opts.again != "" {
		if before, err = read(opts.again); err != nil {
			return err
		}
		if before.Experiment != e.name {
			return usagef("%s holds the experiment %s", opts.again, before.Experiment)
		}
		opts.out, opts.settings = opts.again, before.Settings
	}
	machine, _, err := bench.Look(ctx, stacksOf(opts.settings.Stacks))
	if err != nil {
		return err
	}
	var missing []error
	for _, l := range machine.LeftOut {
		missing = append(missing, fmt.Errorf("%s: %s; %s", l.Stack, l.Reason, l.Mend))
	}
	if err := errors.Join(missing...); err != nil {
		return err
	}
	started := time.Now()
	if !opts.seeded {
		opts.seed = rand.Uint64()
	}
	if opts.out == "" {
		opts.out = filepath.Join(machine.Root, "results", "local", e.name+"-"+started.UTC().Format("20060102-150405"))
	}
	h := head{
		Format:      format,
		Experiment:  e.name,
		Started:     started.Round(0),
		Args:        append([]string{e.name}, opts.args...),
		Seed:        opts.seed,
		Settings:    opts.settings,
		Environment: bench.LookAround(ctx, machine),
	}
	begin := create
	if before != nil {
		if other := differs(before.Environment, h.Environment); other != "" {
			return fmt.Errorf("%s cannot be gone on with, for its parts would not be of the same thing: %s; go on where that is as it was, or begin anew without -continue", opts.again, other)
		}
		begin = reopen
	}
	w, err := begin(opts.out, h)
	if err != nil {
		return err
	}
	s := &session{
		settings: opts.settings,
		ctx:      ctx,
		machine:  machine,
		order:    rand.New(rand.NewPCG(opts.seed, 0)),
		data:     w,
		before:   before,
		tell:     newProgress(stderr),
	}
	err = e.measure(s)
	why := ""
	if err != nil {
		why = err.Error()
	}
	if errors.Is(err, bench.ErrStopped) {
		why = "it was interrupted"
		err = errors.New(why)
	}
	err = errors.Join(err, w.close(why))
	fmt.Fprintf(stderr, "The data is in %s; make the summary again: experiment summary %s\n", opts.out, opts.out)
	return errors.Join(err, conclude(opts.out, stdout, stderr))
}

// differs says in what two environments are not those of one experiment: another
// program, or another machine. It is "" if they are.
func differs(before, now record.Environment) string {
	for _, v := range [][3]string{
		{"commit", before.Commit, now.Commit},
		{"machine", before.Machine, now.Machine},
		{"CPU", before.CPU, now.CPU},
		{"number of cores", fmt.Sprint(before.Cores), fmt.Sprint(now.Cores)},
		{"version of Go", before.Go, now.Go},
		{"version of Node", before.Node, now.Node},
	} {
		if v[1] != v[2] {
			return fmt.Sprintf("the %s was %q and is %q", v[0], v[1], v[2])
		}
	}
	if before.Dirty != now.Dirty {
		return "there were changes on top of the commit before or now, and not both times"
	}
	return ""
}

// run measures a plan, whose cells become those of a phase and trial, and
// returns them.
func (s *session) run(phase string, trial int, plan bench.Plan) ([]cell, error) {
	plan.Seed = s.order.Uint64()
	if err := plan.Check(); err != nil {
		return nil, err
	}
	var cells []cell
	err := bench.Run(s.ctx, s.machine, plan, nil, func(record.Cell) {}, func(r record.Cell) error {
		c := s.cell(phase, trial, r)
		s.tell.cell(c)
		cells = append(cells, c)
		return s.data.write(line{Cell: &c})
	})
	return cells, err
}

// cell turns what bench has measured into what is kept of it.
func (s *session) cell(phase string, trial int, r record.Cell) cell {
	c := cell{
		Phase:       phase,
		Trial:       trial,
		Round:       r.Round,
		Order:       r.Order,
		Case:        r.Case.Name,
		Stack:       r.Stack,
		Doubts:      r.Doubts,
		Unsupported: r.Unsupported,
		Error:       r.Error,
	}
	for _, unit := range r.Units() {
		if c.Values == nil {
			c.Values = make(map[string]float64)
		}
		c.Values[unit], _ = r.Value(unit)
	}
	if s.keepHistograms {
		c.Histograms = r.Histograms
	}
	if s.adapt != nil {
		s.adapt(&c, r)
	}
	return c
}

// conclude makes the summary of a folder, prints it, and says whether a bar was
// missed.
func conclude(dir string, stdout, stderr io.Writer) error {
	d, err := read(dir)
	if err != nil {
		return err
	}
	for _, problem := range d.damaged {
		fmt.Fprintln(stderr, problem)
	}
	text, reached, err := summarise(d)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Join(dir, dataName), err)
	}
	if _, err := io.WriteString(stdout, text); err != nil {
		return fmt.Errorf("print the summary: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, summaryName), []byte(text), 0o666); err != nil {
		return fmt.Errorf("keep the summary: %w", err)
	}
	if !reached {
		return errMissed
	}
	return nil
}

// quietly is how often progress is told.
const quietly = 10 * time.Second

// progress tells how far an experiment is, in a line every ten seconds, and of
// what fails at once.
type progress struct {
	mu      sync.Mutex
	w       io.Writer
	started time.Time
	told    time.Time
	done    int
	total   int // cells; 0 if that is not known yet
}

func newProgress(w io.Writer) *progress {
	now := time.Now()
	return &progress{w: w, started: now, told: now}
}

// expect says how many cells there will be, beginning with the next one.
func (p *progress) expect(cells int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total, p.started = 0, cells, time.Now()
}

// cell is told of each cell.
func (p *progress) cell(c cell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	where := strings.TrimSpace(c.Phase + " " + c.Case)
	if c.Trial > 0 {
		where += fmt.Sprintf(", trial %d", c.Trial)
	}
	if c.Error != "" {
		fmt.Fprintf(p.w, "failed: %s, round %d, %s: %s\n", where, c.Round, c.Stack, c.Error)
	}
	if time.Since(p.told) < quietly {
		return
	}
	p.told = time.Now()
	each := time.Since(p.started) / time.Duration(p.done)
	fmt.Fprintf(p.w, "%s: %d of %d cells, about %v left\n", where, p.done, p.total,
		(each * time.Duration(max(0, p.total-p.done))).Round(time.Second))
}

// copyOf is a stack under another name.
func copyOf(s scenarios.Stack, name string) scenarios.Stack {
	s.Name, s.Twin = name, ""
	return s
}
