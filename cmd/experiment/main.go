package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"wsvsio/bench"
	"wsvsio/internal/reference"
	"wsvsio/internal/worker"
)

// The exit statuses.
const (
	exitOK    = 0
	exitError = 1 // or a bar that was missed
	exitUsage = 2
)

func main() {
	reference.RunIfChild()
	worker.RunIfChild(programs())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// programs are the chats in this binary.
func programs() worker.Programs {
	p := bench.Programs()
	addSlow(p)
	return p
}

// experiment is a sub-command that measures.
type experiment struct {
	name    string
	about   string
	example string

	// set declares the flags, the defaults being in the settings, and returns
	// what checks them.
	set func(*flag.FlagSet, *settings) func() error

	measure   func(*session) error
	continues bool // measure leaves out what the session has before
	summarise func(*data) summary
}

func experiments() []experiment {
	return []experiment{aa, ab, stall, delay, receive, warmup, idle, lateness, check}
}

// usageError is a wrong use of the command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return usageError{fmt.Sprintf(format, args...)}
}

// errMissed says that a bar was missed; which one is in the summary.
var errMissed = errors.New("not every bar was reached")

// run is main without the process: it returns the exit status.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	name, rest := args[0], args[1:]
	var err error
	i := slices.IndexFunc(experiments(), func(e experiment) bool { return e.name == name })
	switch {
	case name == "help" || name == "-h" || name == "-help" || name == "--help":
		usage(stdout)
		return exitOK
	case name == "summary":
		err = summaryCommand(rest, stdout, stderr)
	case i >= 0:
		err = experiments()[i].run(ctx, rest, stdout, stderr)
	default:
		fmt.Fprintf(stderr, "experiment: unknown experiment %q\n\n", name)
		usage(stderr)
		return exitUsage
	}
	var wrong usageError
	switch {
	case err == nil || errors.Is(err, flag.ErrHelp):
		return exitOK
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "experiment %s: %v\nAll flags: experiment %s -h\n", name, err, name)
		return exitUsage
	default:
		fmt.Fprintf(stderr, "experiment %s: %v\n", name, err)
		return exitError
	}
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "Experiment measures what is known beforehand, to prove the harness.")
	fmt.Fprintln(w, "\nUsage: experiment NAME [FLAGS]")
	fmt.Fprintln(w)
	for _, e := range experiments() {
		fmt.Fprintf(w, "  %-12s %s\n", e.name, e.about)
	}
	fmt.Fprintf(w, "  %-12s %s\n", "summary DIR", "make a summary again from what was recorded")
	fmt.Fprintln(w, "\nThe flags of an experiment: experiment NAME -h")
}

// summaryCommand makes the summary of a recorded experiment again.
func summaryCommand(args []string, stdout, stderr io.Writer) error {
	const example = "experiment summary results/local/aa-20261123-101500"
	if len(args) == 1 && (args[0] == "-h" || args[0] == "-help" || args[0] == "--help") {
		fmt.Fprintf(stdout, "experiment summary DIR: make a summary again from what was recorded\n\nExample:\n  %s\n", example)
		return nil
	}
	if len(args) != 1 || strings.HasPrefix(args[0], "-") {
		return usagef("want a folder and nothing else; for example: %s", example)
	}
	return conclude(args[0], stdout, stderr)
}

// parse takes the arguments of an experiment apart.
func (e experiment) parse(args []string, stdout io.Writer) (opts options, err error) {
	f := flag.NewFlagSet("experiment "+e.name, flag.ContinueOnError)
	f.SetOutput(io.Discard) // errors and help are printed here
	f.StringVar(&opts.out, "out", "", "folder for the data, which must not hold any (default results/local/"+e.name+"-TIME)")
	f.Uint64Var(&opts.seed, "seed", 0, "seed of the order in which things are measured (default random)")
	if e.continues {
		f.StringVar(&opts.again, "continue", "", "folder of an experiment that was interrupted, to measure what is missing there; its settings count")
	}
	check := e.set(f, &opts.settings)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			fmt.Fprintf(stdout, "experiment %s: %s\n\nExample:\n  %s\n\nFlags:\n", e.name, e.about, e.example)
			f.SetOutput(stdout)
			f.PrintDefaults()
			return opts, err
		}
		return opts, usagef("%v", err)
	}
	if f.NArg() > 0 {
		return opts, usagef("unexpected argument %q", f.Arg(0))
	}
	if opts.again != "" {
		var other error
		f.Visit(func(f *flag.Flag) {
			if f.Name != "continue" && f.Name != "seed" {
				other = usagef("-%s does not go with -continue: the settings are those of %s", f.Name, opts.again)
			}
		})
		if other != nil {
			return opts, other
		}
	}
	f.Visit(func(f *flag.Flag) {
		opts.seeded = opts.seeded || f.Name == "seed"
		if f.Name != "out" && f.Name != "continue" { // that is nobody's business
			opts.args = append(opts.args, "-"+f.Name, f.Value.String())
		}
	})
	return opts, check()
}
