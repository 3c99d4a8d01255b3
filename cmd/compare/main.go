// Compare runs the same chat over a plain WebSocket and over Socket.IO and
// prints how they behave, side by side.
//
//	compare [run] [-scenario LIST] [-case LIST] [-stack LIST] [-profile quick|full]
//	        [-rounds N] [-seed N] [-clients N] [-size BYTES] [-rate N] [-out DIR]
//	compare report [-format table|markdown|csv|json] RUN
//	compare report [-format html] [-charts DIR] RUN …
//	compare claims [-format table|markdown] RUN [RUN …]
//	compare diff [-unit LIST] [-format table|markdown|csv] OLD NEW
//	compare check (-against GITREF | -with MODULE@VERSION … | -baseline FILE) [-stack LIST] [-pairs N]
//	        [-format table|markdown|json] [-out DIR]
//	compare baseline [-times] [FILE]
//	compare trend [-format table|markdown|svg|html] [-case LIST] [-unit LIST] DIR
//	compare serve -stack NAME [-addr HOST:PORT] [-origin LIST]
//	compare size [-run RUN] [-format table|markdown|json|benchmark]
//	compare size -side-by-side SCENARIO [-language go|js|all]
//	compare conformance [-format table|markdown|json]
//	compare wire [-stack LIST] [-size BYTES] [-format table|markdown|json] [-all]
//	compare lessons -out DIR
//	compare list
//
// Results go to standard output, progress and warnings to standard error. The
// exit status is 0 if all went well, 1 after an error, 2 after a wrong use, 3
// if compare check found a regression and 130 after an interrupt, or the end of the
// terminal or of who reads what is printed; what was measured until then is in the
// run's folder, or in the report of a check.
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
	"sync"
	"syscall"

	"wsvsio/bench"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// The exit statuses.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2
	exitRegression  = 3
	exitInterrupted = 130 // 128 and SIGINT, as shells have it
)

func main() {
	worker.RunIfChild(programs())
	ctx, cancel := context.WithCancel(context.Background())
	stop := make(chan struct{})
	end := sync.OnceFunc(func() { close(stop) })
	// To write to nobody must not end this before it has tidied up. The signal
	// itself says nothing: it comes of connections, too.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signal.Notify(signals, syscall.SIGHUP)
	}
	go func() {
		<-signals
		fmt.Fprintln(os.Stderr, "\nstopping when this is finished; once more ends it at once")
		end()
		<-signals
		cancel()
	}()
	os.Exit(run(ctx, stop, os.Args[1:], reader{os.Stdout, end}, reader{os.Stderr, end}))
}

// errUnread says that nobody reads any more what is printed.
var errUnread = errors.New("nobody reads what is printed")

// reader is who reads what is printed: a terminal, a file, or a program that may
// end before this one, as head does and less.
type reader struct {
	file *os.File
	gone func() // is called when there is nobody
}

// Write implements io.Writer.
func (r reader) Write(b []byte) (int, error) {
	n, err := r.file.Write(b)
	if errors.Is(err, syscall.EPIPE) {
		r.gone()
		err = errUnread
	}
	return n, err
}

// fileOf returns the file that is written to, if it is one.
func fileOf(w io.Writer) (*os.File, bool) {
	if r, ok := w.(reader); ok {
		return r.file, true
	}
	f, ok := w.(*os.File)
	return f, ok
}

// command is a sub-command.
type command struct {
	name    string
	about   string
	example string
	run     func(*call) error
}

func commands() []command {
	return []command{
		{"run", "measure and print a table (the default)",
			"compare run -scenario broadcast -stack rawws,sio -rounds 8", runCommand},
		{"report", "print a recorded run again",
			"compare report -format markdown results/local/20261123-101500", reportCommand},
		{"claims", "say what recorded runs make of the claims, and what to choose",
			"compare claims results/2026-11-25-quick results/2026-11-28-proxy", claimsCommand},
		{"diff", "compare two recorded runs",
			"compare diff -unit server-cpu-sec/msg results/2026-11-25-quick results/local/20261123-101500", diffCommand},
		{"check", "say whether a change made something worse, or a library did",
			"compare check -against origin/main", checkCommand},
		{"baseline", "write the file that compare check -baseline goes by, and say what changed",
			"compare baseline", baselineCommand},
		{"trend", "show the ratios of the runs in a folder, commit by commit",
			"compare trend -format html results > trend.html", trendCommand},
		{"serve", "serve a chat that any client of the protocol can join",
			"compare serve -stack sio -addr 127.0.0.1:8080", serveCommand},
		{"size", "measure the code of both sides and what it brings along",
			"compare size -side-by-side broadcast -language go", sizeCommand},
		{"conformance", "check both Socket.IO servers against the documents of their protocols",
			"compare conformance -format markdown", conformanceCommand},
		{"wire", "show every byte from connect to the second message, each with what it is for",
			"compare wire -stack rawws,sio", wireCommand},
		{"lessons", "build the lessons as pages, which work offline",
			"compare lessons -out lessons-html", lessonsCommand},
		{"list", "list the stacks, the scenarios and their cases",
			"compare list", listCommand},
	}
}

// call is one use of a sub-command.
type call struct {
	ctx            context.Context
	stop           <-chan struct{} // closed when the user wants to stop
	args           []string        // as given, with the sub-command
	stdout, stderr io.Writer
	flags          *flag.FlagSet
}

// look finds out which stacks this machine can run, unless the user stops it.
func (c *call) look(stacks []scenarios.Stack) (bench.Machine, []scenarios.Stack, error) {
	ctx, cancel := c.untilStopped()
	defer cancel()
	m, can, err := bench.Look(ctx, stacks)
	if ctx.Err() != nil {
		err = errInterrupted
	}
	return m, can, err
}

// untilStopped returns a context that ends when the user wants to stop, too.
func (c *call) untilStopped() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.ctx)
	go func() {
		select {
		case <-c.stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// usageError is a wrong use of the command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error {
	return usageError{fmt.Sprintf(format, args...)}
}

// errFailed says that cells have failed; what and why is in the report.
var errFailed = errors.New("not everything could be measured")

// errInterrupted says that the user ended the run early.
var errInterrupted = errors.New("interrupted")

// run is main without the process: it returns the exit status.
func run(ctx context.Context, stop <-chan struct{}, args []string, stdout, stderr io.Writer) int {
	cmds := commands()
	cmd, rest := cmds[0], args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		i := slices.IndexFunc(cmds, func(c command) bool { return c.name == args[0] })
		if args[0] == "help" {
			usage(stdout, cmds)
			return exitOK
		}
		if i < 0 {
			fmt.Fprintf(stderr, "compare: unknown command %q\n\n", args[0])
			usage(stderr, cmds)
			return exitUsage
		}
		cmd, rest = cmds[i], args[1:]
	}
	c := &call{ctx: ctx, stop: stop, args: args, stdout: stdout, stderr: stderr}
	c.flags = flag.NewFlagSet("compare "+cmd.name, flag.ContinueOnError)
	c.flags.SetOutput(io.Discard) // errors and help are printed below
	err := func() error {
		c.args = rest
		return cmd.run(c)
	}()
	var wrong usageError
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, flag.ErrHelp):
		help(stdout, cmd, c.flags, cmds)
		return exitOK
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "compare %s: %v\n", cmd.name, err)
		fmt.Fprintf(stderr, "Example: %s\nAll flags: compare %s -h\n", cmd.example, cmd.name)
		return exitUsage
	case errors.Is(err, errRegression):
		fmt.Fprintf(stderr, "compare %s: %v\n", cmd.name, err)
		return exitRegression
	case errors.Is(err, errInterrupted) || ctx.Err() != nil:
		fmt.Fprintf(stderr, "compare %s: %v\n", cmd.name, err)
		return exitInterrupted
	case errors.Is(err, errUnread):
		return exitError // whoever has read enough need not be told
	default:
		fmt.Fprintf(stderr, "compare %s: %v\n", cmd.name, err)
		return exitError
	}
}

// parse parses the flags of a call. What is left over must be as many
// arguments as there are names in want.
func (c *call) parse(want ...string) error {
	if err := c.parseFlags(); err != nil {
		return err
	}
	if c.flags.NArg() != len(want) {
		if len(want) == 0 {
			return usagef("unexpected argument %q", c.flags.Arg(0))
		}
		return usagef("want %s, got %d arguments", strings.Join(want, " "), c.flags.NArg())
	}
	return nil
}

// parseFlags parses the flags of a call.
func (c *call) parseFlags() error {
	err := c.flags.Parse(c.args)
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		return usagef("%v; the flags are %s", err, c.flagNames())
	}
	return err
}

func (c *call) flagNames() string {
	var names []string
	c.flags.VisitAll(func(f *flag.Flag) { names = append(names, "-"+f.Name) })
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func usage(w io.Writer, cmds []command) {
	fmt.Fprintln(w, "Compare runs the same chat over a plain WebSocket and over Socket.IO.")
	fmt.Fprintln(w, "\nUsage: compare [COMMAND] [FLAGS]")
	fmt.Fprintln(w)
	for _, c := range cmds {
		fmt.Fprintf(w, "  %-11s %s\n", c.name, c.about)
	}
	fmt.Fprintln(w, "\nThe flags of a command: compare COMMAND -h")
}

func help(w io.Writer, cmd command, flags *flag.FlagSet, cmds []command) {
	if cmd.name == "run" {
		usage(w, cmds)
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "compare %s: %s\n\nExample:\n  %s\n", cmd.name, cmd.about, cmd.example)
	any := false
	flags.VisitAll(func(*flag.Flag) { any = true })
	if any {
		fmt.Fprintln(w, "\nFlags:")
		flags.SetOutput(w)
		flags.PrintDefaults()
	}
}
