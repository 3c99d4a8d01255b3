// Champion measures rawws beside other WebSocket libraries in one run, and says
// whether it holds its own: with a thousand clients and messages of 128 bytes,
// at 20 messages a second and saturated.
//
//	champion [-rounds N] [-seed N] [-out DIR]
//	champion -again DIR
//
// The report and the bars go to standard output, the bars to summary.md in the
// folder of the run, too, and progress to standard error. The second form makes
// both again from what was recorded.
// The exit status is 0 if both bars are met, 3 if one is not, 1 after an error,
// 2 after a wrong use and 130 after an interrupt.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
	"wsvsio/internal/worker"
	"wsvsio/peers"
	"wsvsio/scenarios"
	"wsvsio/scenarios/broadcast"
)

// The exit statuses, as those of compare.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitMissed      = 3
	exitInterrupted = 130
)

// What is measured. Twenty messages a second leave the server idle most of the
// time; saturated it has all it can do.
const (
	clients = 1000
	size    = 128
	rate    = 20
	warmup  = 15_000
	window  = time.Second
)

var cases = []scenarios.Case{
	{Name: "fan-out", Clients: clients, Size: size, Rate: rate, Warmup: warmup, Window: window},
	{Name: "saturation", Clients: clients, Size: size, Warmup: warmup, Window: window},
}

// programs are the chats in this binary.
func programs() worker.Programs {
	all := bench.Programs()
	for name, p := range peers.Programs() {
		all[name] = p
	}
	return all
}

// stacks are the floor, rawws and those that it is measured against.
func stacks() []scenarios.Stack {
	own := slices.DeleteFunc(bench.Stacks(), func(s scenarios.Stack) bool {
		return s.Name != floor && s.Name != champion
	})
	return append(own, peers.Stacks()...)
}

func main() {
	worker.RunIfChild(programs())
	ctx, cancel := context.WithCancel(context.Background())
	stop := make(chan struct{})
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "stopping when this is finished; once more ends it at once")
		close(stop)
		<-signals
		cancel()
	}()
	os.Exit(run(ctx, stop, os.Args[1:], cases, os.Stdout, os.Stderr))
}

// The ways to end that are no failure of the program.
var (
	errInterrupted = errors.New("interrupted")
	errMissed      = errors.New("a bar is not met")
	errUsage       = errors.New("wrong use")
)

// run is main without the process: it returns the exit status.
func run(ctx context.Context, stop <-chan struct{}, args []string, cases []scenarios.Case, stdout, stderr io.Writer) int {
	err := measure(ctx, stop, args, cases, stdout, stderr)
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	fmt.Fprintf(stderr, "champion: %v\n", err)
	switch {
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errInterrupted) || ctx.Err() != nil:
		return exitInterrupted
	case errors.Is(err, errMissed):
		return exitMissed
	}
	return exitError
}

// measure does all of it.
func measure(ctx context.Context, stop <-chan struct{}, args []string, cases []scenarios.Case, stdout, stderr io.Writer) error {
	f := flag.NewFlagSet("champion", flag.ContinueOnError)
	f.SetOutput(stderr)
	rounds := f.Int("rounds", 20, "rounds, each with every stack once; fixed beforehand")
	seed := f.Uint64("seed", 0, "seed of the order of the stacks in a round (default random)")
	out := f.String("out", "", "folder for the run, which must not hold one (default results/local/TIME)")
	again := f.String("again", "", "folder of a run to report once more, instead of measuring")
	if err := f.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	switch {
	case f.NArg() > 0:
		return fmt.Errorf("%w: unexpected argument %q", errUsage, f.Arg(0))
	case *rounds < 1 || *rounds > 10_000:
		return fmt.Errorf("%w: -rounds is %d; it must be from 1 to 10000", errUsage, *rounds)
	}
	if *again != "" {
		return conclude(*again, stdout, stderr)
	}
	given := false // 0 is a seed, too
	f.Visit(func(f *flag.Flag) { given = given || f.Name == "seed" })
	if !given {
		*seed = rand.Uint64()
	}

	started := time.Now()
	machine, can, err := bench.Look(ctx, stacks())
	if err != nil {
		return err
	}
	plan := bench.Plan{
		Parts:  []bench.Part{{Scenario: broadcast.Scenario{}, Cases: cases}},
		Stacks: can, Rounds: *rounds, Seed: *seed,
	}
	if err := plan.Check(); err != nil {
		return err
	}
	if *out == "" {
		*out = filepath.Join(machine.Root, "results", "local", started.UTC().Format("20060102-150405.000"))
	}
	var planned []record.Planned
	for _, c := range cases {
		planned = append(planned, record.Planned{Scenario: broadcast.Scenario{}.Name(), Case: c})
	}
	w, err := record.Create(*out, record.Run{
		Tool:        "wsvsio champion",
		Started:     started.Round(0),
		Args:        []string{"-rounds", fmt.Sprint(*rounds), "-seed", fmt.Sprint(*seed)},
		Profile:     scenarios.Full,
		Rounds:      *rounds,
		Seed:        *seed,
		Environment: environment(ctx, machine),
		Stacks:      can,
		Planned:     planned,
	})
	if err != nil {
		return err
	}
	show := progress{w: stderr, total: plan.Cells(), started: started, told: started}
	ran := bench.Run(ctx, machine, plan, stop, show.begin, func(c record.Cell) error {
		show.end(c)
		return w.Add(c)
	})
	switch {
	case errors.Is(ran, bench.ErrStopped):
		err = w.Close(true, "interrupted")
	case ran != nil:
		err = w.Close(true, ran.Error())
	default:
		err = w.Close(false, "")
	}
	fmt.Fprintf(stderr, "The run is in %s; print it again: compare report %s\n", *out, *out)
	err = errors.Join(err, conclude(*out, stdout, stderr))
	switch {
	case errors.Is(ran, bench.ErrStopped):
		return errInterrupted
	case ran != nil:
		return errors.Join(ran, err)
	}
	return err
}

// conclude prints a run and its bars, which also go into the folder.
func conclude(dir string, stdout, stderr io.Writer) error {
	result, problems, err := record.Read(dir)
	if err != nil {
		return err
	}
	for _, p := range problems {
		fmt.Fprintf(stderr, "damaged: %v\n", p)
	}
	if err := report.Table(stdout, result); err != nil {
		return err
	}
	fmt.Fprintln(stdout)
	var text strings.Builder
	reached, met, err := verdict(&text, result)
	if _, err := io.WriteString(stdout, text.String()); err != nil {
		return err
	}
	if err != nil {
		return err
	}
	summary := "# rawws beside other libraries\n\n" + reached + "\n```\n" + text.String() + "```\n"
	switch err := os.WriteFile(filepath.Join(dir, "summary.md"), []byte(summary), 0o666); {
	case err != nil:
		return fmt.Errorf("keep the summary: %w", err)
	case len(problems) > 0:
		return errors.New("the run cannot be read as it was written, see above")
	case !met:
		return errMissed
	}
	return nil
}

// environment adds the versions of the libraries that package bench does not
// know.
func environment(ctx context.Context, m bench.Machine) record.Environment {
	e := bench.LookAround(ctx, m)
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if slices.Contains(peers.Modules, d.Path) {
				e.Libraries[d.Path] = d.Version
			}
		}
	}
	return e
}

// progress tells how far the run is, in a line every ten seconds.
type progress struct {
	w             io.Writer
	total, done   int
	started, told time.Time
}

// quietly is the pause between two lines.
const quietly = 10 * time.Second

func (p *progress) begin(c record.Cell) {
	if time.Since(p.told) < quietly {
		return
	}
	p.told = time.Now()
	line := fmt.Sprintf("round %d  cell %d/%d  %s %s", c.Round, p.done+1, p.total, c.Case.Name, c.Stack)
	if p.done > 0 {
		each := time.Since(p.started) / time.Duration(p.done)
		line += fmt.Sprintf("  about %v left", (each * time.Duration(p.total-p.done)).Round(time.Second))
	}
	fmt.Fprintln(p.w, line)
}

func (p *progress) end(c record.Cell) {
	p.done++
	if c.Error != "" {
		fmt.Fprintf(p.w, "failed: %s %s, round %d: %s\n", c.Case.Name, c.Stack, c.Round, strings.TrimSpace(c.Error))
	}
}
