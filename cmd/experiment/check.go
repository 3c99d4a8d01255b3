package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"wsvsio/internal/checkout"
	"wsvsio/internal/regress"
)

// check runs compare check against changes that are known.
var check = experiment{
	name:    "check",
	about:   "compare check against changes that are known: how often it is wrong, and how often it finds them",
	example: "experiment check -trials 50 -slow-trials 20 -exact-trials 20",
	set: func(f *flag.FlagSet, s *settings) func() error {
		s.Case, s.Factor = steadyCase, 1.10
		checkStacks := stackFlag(f, &s.Stacks, checkStackNames...)
		f.IntVar(&s.Trials, "trials", checkTrials, "trials against HEAD; 0 leaves them out")
		f.IntVar(&s.BesideTrials, "beside-trials", checkBesideTrials, "trials with a change of what no server runs; 0 leaves them out")
		f.IntVar(&s.SlowTrials, "slow-trials", checkSlowTrials, "trials with each slowdown; 0 leaves them out")
		f.IntVar(&s.ExactTrials, "exact-trials", checkExactTrials, "trials with each exact change; 0 leaves them out")
		f.IntVar(&s.Pairs, "pairs", 0, "pairs of the first batch of a check, instead of those that it takes by itself")
		f.IntVar(&s.Calibration, "calibration", 60, "pairs of each step of the calibration")
		f.IntVar(&s.Iterations, "iterations", 0, "iterations of work per message that make 10 %, instead of calibrating")
		return func() error {
			return errors.Join(checkStacks(),
				within("trials", s.Trials, 0, maxTrials), within("beside-trials", s.BesideTrials, 0, maxTrials), within("slow-trials", s.SlowTrials, 0, maxTrials), within("exact-trials", s.ExactTrials, 0, maxTrials),
				within("pairs", s.Pairs, 0, maxPairs), within("calibration", s.Calibration, 1, maxPairs),
				within("iterations", s.Iterations, 0, maxIterations))
		}
	},
	measure:   measureCheck,
	continues: true,
	summarise: summariseCheck,
}

// What the check must reach, and by how many trials that is shown.
const (
	checkTrials       = 50
	checkMaxFalse     = 1    // of so many
	checkMaxSilent    = 0.20 // share of these that may be inconclusive: who never answers is never wrong
	checkBesideTrials = 20   // of which at most checkMaxFalse may be a false alarm, too
	checkSlowTrials   = 20
	checkExactTrials  = 20
	checkSeconds      = 300
	checkNear         = 0.02 // that a slowdown may be off, median of the trials
)

// checkStackNames are what compare check measures of the broadcast scenario if
// nothing else is asked for.
var checkStackNames = []string{"rawws", "sio", "rawws-node", "sio-node"}

// The changes with which there is nothing to find: of none both sides are the same
// program, of the other one the linker puts all that follows somewhere else.
const (
	nothing = "nothing"
	beside  = "beside"
)

// change is what a head has that its base has not.
type change struct {
	name, about string
	leastFound  float64 // share of the trials; 0 if there is nothing to find
	factor      float64 // of the CPU in the cell where it shows; 0 if that is not what changes
	finds       []place // any of which must be worse
	leastTrials int     // by how many it is shown; 0 if it is found every time
}

// place is a cell in which a change shows.
type place struct{ caseName, stack, unit string }

var (
	slowPlace = []place{{"steady", "rawws", cpuUnit}}
	changes   = []change{
		{name: nothing, about: "HEAD against itself", leastTrials: checkTrials},
		{name: beside, about: "a change of what no server runs", leastTrials: checkBesideTrials},
		{"slow-10", "10 % more CPU per message", 0.70, 1.10, slowPlace, checkSlowTrials},
		{"slow-20", "20 % more CPU per message", 0.95, 1.20, slowPlace, checkSlowTrials},
		{"allocation", "one more allocation for each message", 1, 0, []place{{"echo", "rawws", "server-allocs/msg"}}, 0},
		{"byte", "one more byte in each envelope", 1, 0, []place{{"echo", "rawws", "wire-down-B/msg"}}, 0},
	}
)

// checkTrial is one use of compare check.
type checkTrial struct {
	Change   string        `json:"change"`
	Trial    int           `json:"trial"`  // from 1
	Status   int           `json:"status"` // exit status
	Answer   string        `json:"answer,omitempty"`
	Seconds  float64       `json:"seconds"`
	Error    string        `json:"error,omitempty"` // the end of its standard error, where it failed
	Findings []checkedCell `json:"findings,omitempty"`
}

// checkedCell is what it said of a figure, without its pairs.
type checkedCell struct {
	regress.Place
	Outcome regress.Outcome `json:"outcome"`
	Pairs   int             `json:"pairs,omitempty"` // of the first batch
	Ratio   float64         `json:"ratio,omitempty"` // of it, head to base
	P       float64         `json:"p,omitempty"`
	Finds   float64         `json:"finds,omitempty"`
	Again   float64         `json:"again,omitempty"` // ratio of the second batch, if there was one
}

// edit is a text of a file that a commit replaces, or a file that it adds if the text
// is "".
type edit struct{ file, old, new string }

// The edits that make the changes. The server is wrapped on both sides where one
// is slow, as in ab.
func slowEdits(iterations int) []edit {
	return []edit{
		{"bench/stacks.go", `"rawws": {Path: scenarios.PathRaw, NewServer: rawws.NewServer,`,
			fmt.Sprintf(`"rawws": {Path: scenarios.PathRaw, NewServer: slow.NewServer(rawws.NewServer, %d),`, iterations)},
		{"bench/stacks.go", `	"wsvsio/internal/floor"`, "\t\"wsvsio/internal/floor\"\n\t\"wsvsio/internal/slow\""},
	}
}

var (
	allocationEdits = []edit{{"rawws/server.go", "func (s *Server) chat(m scenarios.Message) {",
		"// wasted keeps what is allocated for nothing.\nvar wasted *[64]byte\n\nfunc (s *Server) chat(m scenarios.Message) {\n\twasted = new([64]byte)"}}
	byteEdits = []edit{{"rawws/server.go", "text, err := json.Marshal(v)\n", "text, err := json.Marshal(v)\n\ttext = append(text, ' ')\n"}}
)

// besideEdits add a function that nobody calls to a package that the servers are
// linked after, of another length in each trial.
func besideEdits(trial int) []edit {
	return []edit{{"scenarios/beside.go", "", `package scenarios

import "os"

func init() {
	if len(os.Args) > 1<<20 { // never, which the linker cannot know
		os.Exit(beside(len(os.Args)))
	}
}

//go:noinline
func beside(x int) int {
` + strings.Repeat("\tx = x*31 ^ x>>3\n", 3*trial) + `	return x
}
`}}
}

// site is the clone in which checks are tried.
type site struct {
	ctx          context.Context
	dir          string // temporary, of all of it
	clone        string
	at           string            // commit of the tree
	base, head   map[string]string // commits, by change
	compare      string            // the program
	stacks       string
	pairs        int
	orderOfSeeds func() uint64
}

// measureCheck makes the clone and tries the checks in it.
func measureCheck(s *session) (err error) {
	defer os.Unsetenv(iterationsEnv)
	repo, err := checkout.Open(s.ctx, s.machine.Root)
	if err != nil {
		return err
	}
	changed, err := repo.Changes(s.ctx)
	if err != nil {
		return err
	}
	if len(changed) > 0 {
		return fmt.Errorf("the checks are tried on HEAD, and the tree has changes to %s: commit them first", strings.Join(changed[:min(5, len(changed))], ", "))
	}
	iterations, done := s.Iterations, make(map[string]int)
	if s.before != nil {
		for _, st := range s.before.steps {
			if st.Phase == trialsPhase {
				iterations = st.Iterations
			}
		}
		for _, t := range s.before.checks {
			done[t.Change]++
		}
	}
	// Those of another time are not measured again: they are a property of the
	// program, and the trials tell how large the slowdown was.
	if s.SlowTrials > 0 && (s.before == nil || iterations == 0) {
		s.tell.expect(4 * s.Calibration)
		if iterations, err = s.calibrate(); err != nil {
			return err
		}
		if err := s.data.write(line{Step: &step{Phase: trialsPhase, Iterations: iterations}}); err != nil {
			return err
		}
	}
	dir, err := os.MkdirTemp("", "experiment-check-")
	if err != nil {
		return fmt.Errorf("make a folder for the clone: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	site := &site{
		ctx: s.ctx, dir: dir, clone: filepath.Join(dir, "clone"), compare: filepath.Join(dir, "compare"),
		base: make(map[string]string), head: make(map[string]string),
		stacks: strings.Join(s.Stacks, ","), pairs: s.Pairs, orderOfSeeds: s.order.Uint64,
	}
	if err := site.make(s.machine.Root, iterations); err != nil {
		return err
	}
	// The kinds take turns, so that what the machine does for an hour is in all
	// of them.
	for trial := 1; trial <= max(s.Trials, s.BesideTrials, s.SlowTrials, s.ExactTrials); trial++ {
		for _, c := range changes {
			if trial > s.trialsOf(c) || trial <= done[c.name] {
				continue
			}
			if c.name == beside {
				if site.head[beside], err = site.commit(site.at, fmt.Sprint(beside, " ", trial), besideEdits(trial)); err != nil {
					return err
				}
			}
			result, err := site.try(c)
			if err != nil {
				return err
			}
			result.Trial = trial
			fmt.Fprintf(s.tell.w, "%s, trial %d of %d: exit status %d, %s, %.0f s\n", c.name, trial, s.trialsOf(c), result.Status, cmp.Or(result.Answer, "no answer"), result.Seconds)
			if err := s.data.write(line{Check: &result}); err != nil {
				return err
			}
		}
	}
	return nil
}

// trialsOf is how often a change is tried.
func (s settings) trialsOf(c change) int {
	switch {
	case c.name == nothing:
		return s.Trials
	case c.name == beside:
		return s.BesideTrials
	case slices.Equal(c.finds, slowPlace):
		return s.SlowTrials
	}
	return s.ExactTrials
}

// make clones the repository, and commits the changes in the clone.
func (s *site) make(root string, iterations int) error {
	if _, err := s.command(s.dir, "git", "clone", "--quiet", "--no-local", root, s.clone); err != nil {
		return err
	}
	// The packages of Node are those that are installed.
	if err := os.WriteFile(filepath.Join(s.clone, ".git", "info", "exclude"), []byte("node_modules\n"), 0o666); err != nil {
		return fmt.Errorf("make the clone: %w", err)
	}
	for _, folder := range []string{"rawws/node", "sio/node"} {
		installed := filepath.Join(root, filepath.FromSlash(folder), "node_modules")
		if _, err := os.Stat(installed); err == nil {
			if err := os.Symlink(installed, filepath.Join(s.clone, filepath.FromSlash(folder), "node_modules")); err != nil {
				return fmt.Errorf("make the clone: %w", err)
			}
		}
	}
	head, err := s.command(s.clone, "git", "rev-parse", "HEAD")
	if err != nil {
		return err
	}
	s.at = head
	even, err := s.commit(head, "even", slowEdits(0))
	if err != nil {
		return err
	}
	for _, c := range changes {
		s.base[c.name] = head
		switch c.name {
		case nothing:
			s.head[c.name] = head
			continue
		case beside: // another one for each trial
			continue
		case "slow-10":
			s.base[c.name] = even
			s.head[c.name], err = s.commit(head, c.name, slowEdits(iterations))
		case "slow-20":
			s.base[c.name] = even
			s.head[c.name], err = s.commit(head, c.name, slowEdits(2*iterations))
		case "allocation":
			s.head[c.name], err = s.commit(head, c.name, allocationEdits)
		case "byte":
			s.head[c.name], err = s.commit(head, c.name, byteEdits)
		}
		if err != nil {
			return err
		}
	}
	if _, err := s.command(s.clone, "git", "checkout", "--quiet", head); err != nil {
		return err
	}
	_, err = s.command(s.clone, "go", "build", "-o", s.compare, "./cmd/compare")
	return err
}

// commit commits edits on top of a commit, and returns what that makes.
func (s *site) commit(on, message string, edits []edit) (string, error) {
	if _, err := s.command(s.clone, "git", "checkout", "--quiet", "--detach", on); err != nil {
		return "", err
	}
	for _, e := range edits {
		name := filepath.Join(s.clone, filepath.FromSlash(e.file))
		var text []byte
		var err error
		if e.old != "" {
			if text, err = os.ReadFile(name); err == nil && strings.Count(string(text), e.old) != 1 {
				err = fmt.Errorf("%s has not once: %s", e.file, e.old)
			}
		}
		if err == nil {
			err = os.WriteFile(name, []byte(strings.Replace(string(text), e.old, e.new, 1)), 0o666)
		}
		if err != nil {
			return "", fmt.Errorf("make the change %s: %w", message, err)
		}
	}
	if _, err := s.command(s.clone, "git", "add", "--all"); err != nil {
		return "", err
	}
	if _, err := s.command(s.clone, "git", "-c", "user.name=experiment", "-c", "user.email=experiment@example.com", "-c", "commit.gpgsign=false",
		"commit", "--quiet", "--message", message); err != nil {
		return "", err
	}
	return s.command(s.clone, "git", "rev-parse", "HEAD")
}

// environment is that of this process without what ties git to another
// repository or tells GitHub of what is found: it is meant.
func environment() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GIT_") || strings.HasPrefix(v, "GITHUB_") || strings.HasPrefix(v, iterationsEnv+"=")
	})
}

// command runs a command and returns what it prints.
func (s *site) command(dir, name string, args ...string) (string, error) {
	stdout, stderr, err := checkout.Run(s.ctx, dir, environment(), name, args...)
	if err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, bytes.TrimSpace(stderr))
	}
	return string(bytes.TrimSpace(stdout)), nil
}

// endAtOnce asks a check twice to end, which it then does without finishing what it
// is at, and tidies up. Two signals of the same kind may arrive as one.
func endAtOnce(p *os.Process) error {
	return errors.Join(p.Signal(syscall.SIGINT), p.Signal(syscall.SIGTERM))
}

// tidyLimit is how long a check that is interrupted may take to tidy up.
const tidyLimit = time.Minute

// try runs a check. The error is for what ends the experiment; what a check says
// is in the result.
func (s *site) try(c change) (checkTrial, error) {
	result := checkTrial{Change: c.name}
	if _, err := s.command(s.clone, "git", "checkout", "--quiet", s.head[c.name]); err != nil {
		return result, err
	}
	out := filepath.Join(s.dir, "out")
	if err := os.RemoveAll(out); err != nil {
		return result, fmt.Errorf("tidy up after a trial: %w", err)
	}
	args := []string{"check", "-against", s.base[c.name], "-seed", strconv.FormatUint(s.orderOfSeeds(), 10), "-out", out}
	switch {
	case c.leastFound == 0:
		if s.stacks != strings.Join(checkStackNames, ",") {
			args = append(args, "-stack", s.stacks)
		}
	case slices.Equal(c.finds, slowPlace):
		args = append(args, "-stack", "rawws", "-case", "steady")
	default:
		args = append(args, "-stack", "rawws", "-case", "echo", "-pairs", fmt.Sprint(exactPairs))
	}
	if s.pairs > 0 && !slices.Contains(args, "-pairs") {
		args = append(args, "-pairs", strconv.Itoa(s.pairs))
	}
	cmd := exec.CommandContext(s.ctx, s.compare, args...)
	cmd.Dir, cmd.Env = s.clone, environment()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return endAtOnce(cmd.Process) }
	cmd.WaitDelay = tidyLimit
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begin := time.Now()
	err := cmd.Run()
	result.Seconds = time.Since(begin).Seconds()
	if s.ctx.Err() != nil {
		return result, errInterrupted
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result, fmt.Errorf("run a check: %w", err)
	}
	result.Status = cmd.ProcessState.ExitCode()
	data, err := os.ReadFile(filepath.Join(out, "check.json"))
	var r regress.Report
	if err == nil {
		err = json.Unmarshal(data, &r)
	}
	if err != nil {
		// The folders are nobody's business.
		said := strings.ReplaceAll(strings.TrimSpace(stderr.String()), s.dir+"/", "")
		result.Error = said[max(0, len(said)-500):]
		return result, nil
	}
	result.Answer = string(r.Answer)
	for _, f := range r.Findings {
		cell := checkedCell{Place: f.Place, Outcome: f.Outcome}
		if f.Screen != nil {
			cell.Pairs, cell.Ratio, cell.P, cell.Finds = len(f.Screen.Base), f.Screen.Ratio, f.Screen.P, f.Screen.Finds
		}
		if f.Confirm != nil {
			cell.Again = f.Confirm.Ratio
		} else if f.Again != nil && f.Base > 0 {
			cell.Again = f.Head / f.Base
		}
		// What is exact and the same says nothing.
		if f.Screen != nil || f.Outcome != regress.Same {
			result.Findings = append(result.Findings, cell)
		}
	}
	return result, nil
}

// exactPairs are those in which an exact change is looked for: it is in each.
const exactPairs = 6

// errInterrupted says that the user ended it.
var errInterrupted = errors.New("it was interrupted")

// Exit status of compare check: for a regression, and where cells failed that leave
// no other answer.
const (
	regression = 3
	exitFailed = 1
)

// found reports whether the check found what it had to.
func (t checkTrial) found(c change) bool {
	return t.Status == regression && slices.ContainsFunc(t.Findings, func(f checkedCell) bool {
		return f.Outcome == regress.Worse && slices.ContainsFunc(c.finds, func(p place) bool { return p.is(f.Place) })
	})
}

func summariseCheck(d *data) summary {
	rows := [][]string{{"change", "trials", "regression", "no regression", "inconclusive", "no answer", "cells failed", "something fired once", "something called better", "seconds, median", "most"}}
	for _, c := range changes {
		var seconds []float64
		n := make(map[string]int)
		once, gains, failed := 0, 0, 0
		for _, t := range d.checks {
			if t.Change != c.name {
				continue
			}
			seconds = append(seconds, t.Seconds)
			n[t.Answer]++
			if slices.ContainsFunc(t.Findings, func(f checkedCell) bool { return f.Again > 0 }) {
				once++
			}
			if slices.ContainsFunc(t.Findings, func(f checkedCell) bool { return f.Outcome == regress.Better }) {
				gains++
			}
			if t.Status == exitFailed && t.Answer != "" {
				failed++
			}
		}
		if len(seconds) == 0 {
			continue
		}
		rows = append(rows, []string{c.about, fmt.Sprint(len(seconds)), fmt.Sprint(n[string(regress.Regression)]), fmt.Sprint(n[string(regress.NoRegression)]),
			fmt.Sprint(n[string(regress.Inconclusive)]), fmt.Sprint(n[""]), fmt.Sprint(failed), fmt.Sprint(once), fmt.Sprint(gains), fmt.Sprintf("%.0f", median(seconds)), fmt.Sprintf("%.0f", slices.Max(seconds))})
	}
	pairs := "those that a check takes by itself"
	if d.Settings.Pairs > 0 {
		pairs = fmt.Sprint(d.Settings.Pairs)
	}
	iterations := "not needed"
	for _, st := range d.steps {
		if st.Phase == trialsPhase {
			iterations = fmt.Sprint(st.Iterations)
		}
	}
	return summary{
		title: "compare check against changes that are known",
		bars:  barsCheck(d),
		text: joined(
			fmt.Sprintf("Each trial is compare check -against as a user runs it, in a clone of the repository. The changes are to rawws; those that cost CPU run a loop of %s iterations "+
				"before each message that is delivered for 10 %%, and twice as many for 20 %%, in the case steady, where they are that large; the base is wrapped likewise with a loop of none. "+
				"The others are looked for in the case echo, in %d pairs. Against itself HEAD is checked on %s, in all that a check of the broadcast scenario measures; so is a function that nobody calls, "+
				"of another length in each trial, after which the servers lie elsewhere in the program.", iterations, exactPairs, strings.Join(d.Settings.Stacks, ", ")),
			fmt.Sprintf("A figure fires if p < %v (Wilcoxon's signed-rank test) and the estimate of the ratio (Hodges–Lehmann) differs from one by %.0f %% or more, and counts if it fires again in a fresh batch of twice the pairs. The pairs are %s.",
				regress.Alpha, 100*regress.MinShift, pairs),
			"## Answers",
			table(rows),
			"## What fired, and how large the slowdowns were",
			firedTable(d),
		),
	}
}

// firedTable lists, for each change and cell, how the ratio of the first batch
// came out, and what was called worse.
func firedTable(d *data) string {
	rows := [][]string{{"change", "cell", "trials", "head / base, median", "least", "most", "would find, median", "pairs, most", "worse", "better", "not confirmed"}}
	for _, c := range changes {
		type figures struct {
			ratios, finds      []float64
			worse, better      int
			unconfirmed, pairs int
		}
		cells := make(map[string]*figures)
		var order []string
		for _, t := range d.checks {
			if t.Change != c.name {
				continue
			}
			for _, f := range t.Findings {
				name := f.Place.String()
				if cells[name] == nil {
					cells[name] = &figures{}
					order = append(order, name)
				}
				g := cells[name]
				if f.Ratio > 0 {
					g.ratios, g.finds = append(g.ratios, f.Ratio), append(g.finds, f.Finds)
				}
				g.pairs = max(g.pairs, f.Pairs)
				switch f.Outcome {
				case regress.Worse:
					g.worse++
				case regress.Better:
					g.better++
				case regress.Unconfirmed:
					g.unconfirmed++
				}
			}
		}
		for _, name := range order {
			g := cells[name]
			row := []string{c.about, "`" + name + "`", fmt.Sprint(max(len(g.ratios), g.worse)), "-", "-", "-", "-", "-", fmt.Sprint(g.worse), fmt.Sprint(g.better), fmt.Sprint(g.unconfirmed)}
			if len(g.ratios) > 0 {
				row[3], row[4], row[5], row[6] = times(median(g.ratios)), times(slices.Min(g.ratios)), times(slices.Max(g.ratios)), percent(median(g.finds))
			}
			if g.pairs > 0 {
				row[7] = fmt.Sprint(g.pairs)
			}
			rows = append(rows, row)
		}
	}
	return table(rows)
}

func barsCheck(d *data) []bar {
	var bars []bar
	for _, c := range changes {
		if d.Settings.trialsOf(c) == 0 {
			continue // it was left out
		}
		trials, hits, silent := proportion{}, proportion{}, proportion{}
		longest := 0.0
		for _, t := range d.checks {
			if t.Change != c.name {
				continue
			}
			trials.n++
			hits.n++
			if c.leastFound == 0 && t.Status == regression || c.leastFound > 0 && t.found(c) {
				hits.k++
			}
			if !slices.ContainsFunc(t.Findings, func(f checkedCell) bool { return f.Again > 0 }) {
				longest = max(longest, t.Seconds)
			}
			if t.Answer != "" {
				trials.k++
				silent.n++
			}
			if t.Answer == string(regress.Inconclusive) {
				silent.k++
			}
		}
		if c.leastFound == 0 {
			bars = append(bars,
				bar{what: c.about + ": checks with an answer", limit: fmt.Sprintf("at least %d", c.leastTrials),
					measured: trials.String(), reached: trials.k >= c.leastTrials},
				bar{what: c.about + ": false alarms", limit: fmt.Sprintf("at most %d of %d", checkMaxFalse, c.leastTrials), measured: shareText(hits),
					reached: hits.n > 0 && hits.k*c.leastTrials <= checkMaxFalse*max(hits.n, c.leastTrials)},
				bar{what: c.about + ": inconclusive", limit: "at most " + percent(checkMaxSilent), measured: shareText(silent),
					reached: silent.n > 0 && silent.share() <= checkMaxSilent},
				bar{what: c.about + ": the longest check in which nothing fired", limit: fmt.Sprintf("at most %d s", checkSeconds),
					measured: secondsText(longest), reached: longest > 0 && longest <= checkSeconds})
			continue
		}
		least := max(1, c.leastTrials)
		limit := fmt.Sprintf("at least %s of %d or more", percent(c.leastFound), least)
		if c.leastFound == 1 {
			limit = "every time"
		}
		if c.factor > 0 {
			bars = append(bars, barRealised(d, c))
		}
		bars = append(bars, bar{what: c.about + ": found", limit: limit, measured: shareText(hits), reached: hits.n >= least && hits.share() >= c.leastFound})
	}
	return bars
}

// barRealised says how large a slowdown really was: what finds one that is
// larger than it says proves nothing.
func barRealised(d *data, c change) bar {
	b := bar{what: c.about + ": what it was, median", limit: fmt.Sprintf("%s, give or take %.2f", times(c.factor), checkNear), measured: "-"}
	var ratios []float64
	for _, t := range d.checks {
		for _, f := range t.Findings {
			if t.Change == c.name && f.Ratio > 0 && slices.ContainsFunc(c.finds, func(p place) bool { return p.is(f.Place) }) {
				ratios = append(ratios, f.Ratio)
			}
		}
	}
	if len(ratios) > 0 {
		m := median(ratios)
		b.measured = fmt.Sprintf("%s, median of %s", times(m), count(len(ratios), "trial"))
		b.reached = m >= c.factor-checkNear && m <= c.factor+checkNear
	}
	return b
}

// is reports whether that is the place.
func (p place) is(at regress.Place) bool {
	return at.Unit == p.unit && at.Stack == p.stack && strings.Contains(at.Series, "/case="+p.caseName+"/")
}

// secondsText is a time in whole seconds, "-" if there is none.
func secondsText(v float64) string {
	if v == 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f s", v)
}
