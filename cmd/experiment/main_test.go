package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/record"
	"wsvsio/internal/reference"
	"wsvsio/internal/worker"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	// Under the race detector every process sleeps for a second as it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	reference.RunIfChild()
	worker.RunIfChild(programs())
	if os.Getenv(askedEnv) != "" {
		tellAsked()
	}
	os.Exit(m.Run())
}

// runHere runs the command in this process.
func runHere(ctx context.Context, args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(ctx, args, &out, &err)
	return status, out.String(), err.String()
}

func TestWrongUse(t *testing.T) {
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"", []string{"Usage: experiment", "aa", "ab", "stall", "warmup", "idle", "lateness", "summary DIR"}},
		{"dance", []string{`unknown experiment "dance"`, "stall"}},
		{"aa -bogus", []string{"-bogus", "experiment aa -h"}},
		{"aa extra", []string{`unexpected argument "extra"`}},
		{"aa -trials x", []string{`"x"`, "-trials"}},
		{"aa -trials 0", []string{"-trials is 0", "from 1 to"}},
		{"aa -pairs 0", []string{"-pairs is 0"}},
		{"aa -trials 0 -pairs 0", []string{"-trials is 0", "-pairs is 0"}},
		{"aa -stack morse", []string{`unknown stack "morse"`}},
		{"aa -stack rawws,sio", []string{`unknown stack "rawws,sio"`}},
		{"aa -window 0s", []string{"-window is 0s"}},
		{"aa -rate NaN", []string{"-rate is NaN"}},
		{"aa -clients 0", []string{"-clients is 0"}},
		{"aa -size -1", []string{"-size is -1"}},
		{"aa -warmup -1", []string{"-warmup is -1"}},
		{"ab -factor 1", []string{"-factor is 1"}},
		{"ab -iterations -1", []string{"-iterations is -1"}},
		{"ab -calibration 0", []string{"-calibration is 0"}},
		{"ab -stack sio", []string{"-stack"}},
		{"stall -pause 1ms", []string{"-pause is 1ms"}},
		{"stall -pause 1s -window 1500ms", []string{"-window is 1.5s", "at least 2s"}},
		{"stall -stack ,", []string{"-stack names nothing"}},
		{"stall -stack rawws,rawws", []string{"rawws twice"}},
		{"stall -stack morse", []string{`unknown stack "morse"`, "rawws, "}},
		{"warmup -base x", []string{`-base: "x"`}},
		{"warmup -base ,", []string{"-base names nothing"}},
		{"warmup -base 0", []string{"-base is 0"}},
		{"warmup -rounds 0", []string{"-rounds is 0"}},
		{"idle -clients 20001", []string{"-clients is 20001"}},
		{"idle -hold -1s", []string{"-hold is -1s"}},
		{"lateness -rounds 0", []string{"-rounds is 0"}},
		{"delay -up -1ms", []string{"-up is -1ms"}},
		{"delay -down 2s", []string{"-down is 2s"}},
		{"check -continue x -trials 3", []string{"-trials does not go with -continue", "those of x"}},
		{"aa -continue x", []string{"-continue"}},
		{"receive -clients 0", []string{"-clients is 0"}},
		{"summary", []string{"want a folder", "for example: experiment summary"}},
		{"summary a b", []string{"want a folder"}},
		{"summary -x", []string{"want a folder"}},
	} {
		status, stdout, stderr := runHere(t.Context(), strings.Fields(tt.args)...)
		if status != exitUsage || stdout != "" {
			t.Errorf("%q: exit status %d, stdout %q", tt.args, status, stdout)
		}
		for _, want := range tt.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: stderr %q\nlacks %q", tt.args, stderr, want)
			}
		}
	}
}

func TestHelp(t *testing.T) {
	help := []string{"-h", "-help", "--help", "help", "summary -h"}
	for _, e := range experiments() {
		help = append(help, e.name+" -h")
	}
	for _, args := range help {
		status, stdout, stderr := runHere(t.Context(), strings.Fields(args)...)
		if status != exitOK || stderr != "" || !strings.Contains(stdout, "experiment") {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
		if name, _, ok := strings.Cut(args, " "); ok && !strings.Contains(stdout, "Example:\n  experiment "+name) {
			t.Errorf("%s shows no example: %q", args, stdout)
		}
	}
}

// TestDocumented parses every command line of the documentation, and those of
// the help.
func TestDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(experiment .*)$`).FindAllStringSubmatch(string(doc), -1) {
		command, _, _ := strings.Cut(m[1], "  ") // what follows is a remark
		lines = append(lines, command)
	}
	if len(lines) < 2*len(experiments()) {
		t.Errorf("doc.go shows %d commands", len(lines))
	}
	for _, e := range experiments() {
		lines = append(lines, e.example)
		if !strings.Contains(string(doc), "\texperiment "+e.name+" ") {
			t.Errorf("doc.go does not name %s", e.name)
		}
	}
	for _, l := range lines {
		args := strings.Fields(l)[1:]
		if args[0] == "summary" {
			continue
		}
		i := slices.IndexFunc(experiments(), func(e experiment) bool { return e.name == args[0] })
		if i < 0 {
			t.Errorf("%s: no such experiment", l)
			continue
		}
		if _, err := experiments()[i].parse(args[1:], io.Discard); err != nil {
			t.Errorf("%s: %v", l, err)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"summary " + dir:            "does not hold an experiment",
		"aa -out " + file + "/x":    "choose another with -out",
		"stall -out " + file + "/x": "choose another with -out",
	} {
		status, stdout, stderr := runHere(t.Context(), strings.Fields(args)...)
		if status != exitError || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
}

// tiny are the experiments in their smallest form, and how many cells that is.
var tiny = map[string]struct {
	args  string
	cells int
	bars  string // what the summary must say, to show that it was measured
}{
	"aa": {"-trials 2 -pairs 6 -clients 3 -rate 500 -warmup 30 -window 20ms", 24, "| 2 judged |"},
	"ab": {"-trials 2 -pairs 6 -clients 3 -rate 100 -warmup 30 -window 50ms -iterations 1000000", 24, "| trials | 1000000 | 12 |"},
	"stall": {"-stack rawws,floor -clients 3 -rate 200 -warmup 30 -window 3s -pause 250ms", 4,
		"| rawws | 1 | the time a message is due | 1800 |"},
	"delay":    {"-stack rawws,floor -clients 2 -rate 100 -warmup 30 -window 50ms -rounds 1 -up 1ms -down 1ms", 2, "| floor | 1 | due |"},
	"receive":  {"-rounds 1 -clients 10 -window 20ms", 10, "| 100000 | generator | reference |"},
	"warmup":   {"-stack rawws,sio -base 30 -rounds 1 -window 20ms", 12, "| 30 to 60 | 60 to 120 |"},
	"idle":     {"-stack rawws,sio -clients 20 -rounds 1 -hold 10ms", 2, "0 of 20 in 10ms, in 1 of 1 round"},
	"lateness": {"-rounds 2 -warmup 30 -window 50ms", 2, "median of 2 rounds"},
	"check":    {"-trials 0 -beside-trials 1 -slow-trials 0 -exact-trials 1 -pairs 6 -stack rawws", 0, "| one more byte in each envelope: found | every time | 100.0 % (1 of 1;"},
}

// cleanTree is a copy of this tree as a repository without changes, in which
// checks can be tried.
func cleanTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, code{os.DirFS("../..")}); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"init --quiet", "add --all", "-c user.name=ann -c user.email=ann@example.com commit --quiet --message=all"} {
		cmd := exec.Command("git", strings.Fields(args)...)
		cmd.Dir, cmd.Env = dir, environment()
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v: %s", args, err, out)
		}
	}
	return dir
}

// code is a tree without what is not code. In a worktree .git is a file that
// would make the copy one of ours.
type code struct{ fs.FS }

// ReadDir implements fs.ReadDirFS.
func (c code) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(c.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return slices.Contains([]string{".git", "results", "bin", "node_modules"}, e.Name())
	}), err
}

// TestCheckDirty refuses to try checks on a tree with changes.
func TestCheckDirty(t *testing.T) {
	tree := cleanTree(t)
	t.Chdir(tree)
	if err := os.WriteFile("note.txt", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	status, stdout, stderr := runHere(t.Context(), "check", "-stack", "rawws", "-out", dir)
	if status != exitError || !strings.Contains(stderr, "note.txt: commit them first") || !strings.Contains(stdout, "Not all of it was measured") {
		t.Errorf("exit status %d, %s%s", status, stdout, stderr)
	}
}

// TestRun runs every experiment in its smallest form, on this binary.
func TestRun(t *testing.T) {
	for _, e := range experiments() {
		t.Run(e.name, func(t *testing.T) {
			if e.name == check.name {
				t.Chdir(cleanTree(t))
			}
			dir := filepath.Join(t.TempDir(), "data")
			args := append([]string{e.name, "-seed", "5", "-out", dir}, strings.Fields(tiny[e.name].args)...)
			status, stdout, stderr := runHere(t.Context(), args...)
			d, err := read(dir)
			if err != nil {
				t.Fatalf("exit status %d: %v\n%s", status, err, stderr)
			}
			if len(d.cells) != tiny[e.name].cells || d.partial() != "" || len(d.damaged) > 0 {
				t.Errorf("%d cells of %d, partial %q, damaged %q", len(d.cells), tiny[e.name].cells, d.partial(), d.damaged)
			}
			for _, c := range d.cells {
				if c.Error != "" || c.measured() != (len(c.Values) > 0) {
					t.Errorf("%+v", c)
				}
			}
			if d.Seed != 5 || d.Environment.Go == "" || d.Environment.Cores == 0 || d.Args[0] != e.name || d.Started.IsZero() {
				t.Errorf("the first line is %+v", d.head)
			}
			if strings.Contains(strings.Join(d.Args, " "), dir) {
				t.Errorf("the folder is recorded: %q", d.Args)
			}
			if !strings.Contains(stdout, tiny[e.name].bars) {
				t.Errorf("the summary lacks %q:\n%s", tiny[e.name].bars, stdout)
			}
			if missed := strings.Contains(stdout, "**missed**"); missed != (status == exitError) || !missed && status != exitOK {
				t.Errorf("exit status %d, and a bar was missed: %t\n%s", status, missed, stderr)
			}
			// The summary follows from the data.
			name := filepath.Join(dir, summaryName)
			if text, err := os.ReadFile(name); err != nil || string(text) != stdout {
				t.Errorf("%s is not what was printed: %v", summaryName, err)
			}
			if err := os.Remove(name); err != nil {
				t.Fatal(err)
			}
			again, text, _ := runHere(t.Context(), "summary", dir)
			if written, err := os.ReadFile(name); again != status || text != stdout || err != nil || string(written) != stdout {
				t.Errorf("made again, exit status %d, %v:\n%s", again, err, text)
			}
			// The data is not overwritten.
			if status, _, stderr := runHere(t.Context(), args...); status != exitError || !strings.Contains(stderr, "already holds an experiment") {
				t.Errorf("into the same folder: exit status %d, %q", status, stderr)
			}
		})
	}
}

// TestSlower has the number of iterations reach the slow server: a million of
// them are a hundred times what a delivery costs.
func TestSlower(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	_, _, stderr := runHere(t.Context(), "ab", "-trials", "1", "-pairs", "2", "-calibration", "2", "-factor", "3",
		"-clients", "3", "-rate", "100", "-warmup", "30", "-window", "50ms", "-iterations", "1000000", "-out", dir)
	d, err := read(dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	all, failed := pairs(d.cells, evenName, slowName)
	if len(all) != 2 || failed > 0 {
		t.Fatalf("%d pairs, %d failed\n%s", len(all), failed, stderr)
	}
	for _, p := range all {
		if even, slow := p.a[cpuUnit], p.b[cpuUnit]; slow < 3*even {
			t.Errorf("the even side used %v s per delivery, the slow one %v", even, slow)
		}
	}
	if os.Getenv(iterationsEnv) != "" {
		t.Error("the number of iterations is still set")
	}
}

// TestCalibration has each step follow from the one before.
func TestCalibration(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	_, _, stderr := runHere(t.Context(), "ab", "-trials", "1", "-pairs", "1", "-calibration", "3", "-factor", "10",
		"-clients", "3", "-rate", "100", "-warmup", "30", "-window", "50ms", "-out", dir)
	d, err := read(dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	// In so few pairs the first thousand iterations can be lost in the noise,
	// and then there is no second step.
	for i, st := range d.steps {
		want := firstIterations
		if i > 0 {
			before := d.steps[i-1]
			if want, err = scaled(before.Iterations, ofPhase(d.cells, before.Phase), 10); err != nil {
				t.Fatal(err)
			}
		}
		if phase := []string{"calibration 1", "calibration 2", trialsPhase}[i]; st.Phase != phase || st.Iterations != want {
			t.Errorf("step %d is %+v, want %s with %d iterations", i+1, st, phase, want)
		}
	}
	if len(d.steps) != 3 && !strings.Contains(d.partial(), "lost in the noise") {
		t.Errorf("%d steps, and then: %q", len(d.steps), d.partial())
	}
}

// TestOrder has the seed decide the order, which has both sides first at times.
func TestOrder(t *testing.T) {
	order := func(seed string) string {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "data")
		runHere(t.Context(), "aa", "-seed", seed, "-out", dir, "-trials", "5", "-pairs", "2",
			"-clients", "1", "-rate", "1000", "-warmup", "0", "-window", "1ms", "-repeats", "0")
		d, err := read(dir)
		if err != nil || len(d.cells) != 20 {
			t.Fatalf("%d cells, %v", len(d.cells), err)
		}
		var first strings.Builder
		for i, c := range d.cells {
			if c.Order != i%2+1 || c.Trial != i/4+1 || c.Round != i/2%2+1 {
				t.Fatalf("cell %d is trial %d, pair %d, order %d", i, c.Trial, c.Round, c.Order)
			}
			if c.Order == 1 {
				first.WriteString(strings.TrimPrefix(c.Stack, "rawws-"))
			}
		}
		return first.String()
	}
	one := order("1")
	if !strings.Contains(one, "a") || !strings.Contains(one, "b") {
		t.Errorf("one side is always first: %s", one)
	}
	if again := order("1"); again != one {
		t.Errorf("the same seed gives the orders %s and %s", one, again)
	}
	if other := order("2"); other == one {
		t.Errorf("two seeds give the same order %s", one)
	}
}

// TestInterrupted ends an experiment early: what was measured is kept.
func TestInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	ctx, cancel := context.WithCancelCause(t.Context())
	watching := make(chan struct{})
	go func() {
		defer close(watching)
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for limit := time.After(time.Minute); ; {
			select {
			case <-tick.C:
				if d, err := read(dir); err == nil && len(d.cells) >= 3 {
					cancel(context.Canceled)
					return
				}
			case <-limit:
				cancel(errors.New("no cells within a minute"))
				return
			}
		}
	}()
	status, stdout, stderr := runHere(ctx, "aa", "-out", dir, "-trials", "10000", "-pairs", "6",
		"-clients", "3", "-rate", "500", "-warmup", "30", "-window", "20ms")
	<-watching
	d, err := read(dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if status != exitError || d.partial() != "it was interrupted" || len(d.cells) < 3 || len(d.cells) > 1000 {
		t.Errorf("exit status %d, partial %q, %d cells: %v", status, d.partial(), len(d.cells), context.Cause(ctx))
	}
	if !strings.Contains(stdout, "Not all of it was measured: it was interrupted.") {
		t.Errorf("the summary does not say it:\n%s", stdout)
	}
	if text, err := os.ReadFile(filepath.Join(dir, summaryName)); err != nil || string(text) != stdout {
		t.Errorf("%s is not what was printed: %v", summaryName, err)
	}
	if !strings.Contains(stderr, "it was interrupted") || !strings.Contains(stderr, dir) {
		t.Errorf("stderr %q", stderr)
	}
}

// TestContinue goes on with an experiment of which nothing is missing, once it
// was interrupted before the first trial, and with what cannot be gone on with.
func TestContinue(t *testing.T) {
	settings := settings{Stacks: []string{"rawws"}, Trials: 1, Pairs: 6}
	if status, _, stderr := runHere(t.Context(), "check", "-continue", t.TempDir()); status != exitError || !strings.Contains(stderr, "does not hold an experiment") {
		t.Errorf("an empty folder: exit status %d, stderr %s", status, stderr)
	}
	other := recording{head: newHead("aa", settings)}.keep(t)
	if status, _, stderr := runHere(t.Context(), "check", "-continue", other); status != exitUsage || !strings.Contains(stderr, "holds the experiment aa") {
		t.Errorf("another experiment: exit status %d, stderr %s", status, stderr)
	}
	done := recording{head: newHead("check", settings), check: []checkTrial{{Change: nothing, Trial: 1, Answer: "no regression", Seconds: 9}}, why: "it was interrupted"}
	elsewhere := done.keep(t)
	status, stdout, stderr := runHere(t.Context(), "check", "-continue", elsewhere)
	if status != exitError || stdout != "" || !strings.Contains(stderr, `the commit was "0123456789ab" and is `) {
		t.Errorf("of another commit: exit status %d, stdout %s\nstderr %s", status, stdout, stderr)
	}
	if d, err := read(elsewhere); err != nil || len(d.again) > 0 || d.partial() != done.why {
		t.Errorf("of another commit: %v, %+v", err, d)
	}
	machine, _, err := bench.Look(t.Context(), stacksOf(settings.Stacks))
	if err != nil {
		t.Fatal(err)
	}
	done.head.Environment = bench.LookAround(t.Context(), machine)
	dir := done.keep(t)
	status, stdout, stderr = runHere(t.Context(), "check", "-continue", dir)
	if strings.Contains(stderr, "commit them first") {
		t.Skip("the tree has changes, which check refuses to measure")
	}
	// One trial is too few for the bars.
	if status != exitError || strings.Contains(stdout, "Not all of it was measured") || !strings.Contains(stdout, "gone on with") {
		t.Errorf("exit status %d, stdout %s\nstderr %s", status, stdout, stderr)
	}
	d, err := read(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.checks) != 1 || len(d.again) != 1 || d.partial() != "" {
		t.Errorf("%d trials, gone on with %d times, partial %q", len(d.checks), len(d.again), d.partial())
	}
}

// TestDiffers has environments that are not those of one experiment.
func TestDiffers(t *testing.T) {
	before := newHead("check", settings{}).Environment
	for want, change := range map[string]func(e *record.Environment){
		"":                func(e *record.Environment) { e.LoadAverage[0], e.Kernel = 9, "6.2.0" },
		"commit":          func(e *record.Environment) { e.Commit = "fedcba987654" },
		"machine":         func(e *record.Environment) { e.Machine = "fedcba987654" },
		"CPU":             func(e *record.Environment) { e.CPU = "An abacus" },
		"number of cores": func(e *record.Environment) { e.Cores++ },
		"version of Go":   func(e *record.Environment) { e.Go = "go1.27.0" },
		"version of Node": func(e *record.Environment) { e.Node = "v24.0.0" },
		"changes on top":  func(e *record.Environment) { e.Dirty = !e.Dirty },
	} {
		now := before
		change(&now)
		if got := differs(before, now); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q", want, got)
		}
	}
}

// askedEnv has the test binary tell how it is asked to end.
const askedEnv = "WSVSIO_TEST_ASKED"

// tellAsked prints the two signals that it is sent, and ends.
func tellAsked() {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	fmt.Println("ready")
	one, other := <-signals, <-signals
	both := []string{one.String(), other.String()}
	slices.Sort(both)
	fmt.Println(strings.Join(both, " "))
	os.Exit(0)
}

// TestEndAtOnce has both signals arrive, as two.
func TestEndAtOnce(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, self)
	cmd.Env = append(os.Environ(), askedEnv+"=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	if !lines.Scan() || lines.Text() != "ready" {
		t.Errorf("it says %q, %v", lines.Text(), lines.Err())
	}
	if err := endAtOnce(cmd.Process); err != nil {
		t.Error(err)
	}
	if !lines.Scan() || lines.Text() != "interrupt terminated" {
		t.Errorf("it was sent %q, %v", lines.Text(), lines.Err())
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
