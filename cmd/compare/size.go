package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"wsvsio/bench"
	"wsvsio/internal/codesize"
	"wsvsio/internal/conformance"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

// sizeViews are the formats of the sizes.
var sizeViews = map[string]func(*codesize.Report, io.Writer) error{
	"table":     (*codesize.Report).Table,
	"markdown":  (*codesize.Report).Markdown,
	"json":      (*codesize.Report).JSON,
	"benchmark": (*codesize.Report).Benchmark,
}

// errIncomplete says that not all code could be measured; what and why has been
// told.
var errIncomplete = errors.New("not everything could be measured, see above")

func sizeCommand(c *call) error {
	format := c.flags.String("format", "table", "table, markdown, json (every declaration and every name) or benchmark (for benchstat, which compares exact figures by value)")
	scenario := c.flags.String("side-by-side", "", "print the two files of each pair of that scenario next to each other instead")
	language := c.flags.String("language", "all", "go, js or all: the pairs to print side by side")
	runDir := c.flags.String("run", "", "recorded run with what is shown beside the code (default that under results/ which has measured the most of the scenario)")
	if err := c.parse(); err != nil {
		return err
	}
	view, err := chooseFormat(*format, sizeViews)
	if err != nil {
		return err
	}
	languages := codesize.Languages
	if *language != "all" {
		languages = []codesize.Language{codesize.Language(*language)}
		if !slices.Contains(codesize.Languages, languages[0]) {
			return usagef("unknown language %q; there are all, go, js", *language)
		}
	}
	given := c.given()
	switch {
	case *scenario != "" && (given["format"] || given["run"]):
		return usagef("-side-by-side prints files, which have no -format and no -run")
	case *scenario == "" && given["language"]:
		return usagef("-language is for -side-by-side; the tables have both")
	}
	machine, _, err := c.look(nil)
	if err != nil {
		return err
	}
	if machine.Root == "" {
		return errors.New("the folder of the repository was not found, and the code is in it: run compare from inside the repository")
	}
	r, err := codesize.Measure(c.ctx, machine.Root)
	if err != nil {
		return err
	}
	if *scenario != "" {
		if there := r.Scenarios(); !slices.Contains(there, *scenario) {
			return usagef("there is no code of its own for %q; there is for %s", *scenario, strings.Join(there, ", "))
		}
		err = r.SideBySide(c.stdout, machine.Root, *scenario, languages, terminalWidth(c.stdout))
	} else {
		err = c.enrich(r, machine.Root, *runDir)
		if err == nil {
			err = view(r, c.stdout)
		}
	}
	for _, l := range r.LeftOut {
		fmt.Fprintf(c.stderr, "left out: %s: %s; to add it: %s\n", l.What, l.Reason, l.Mend)
	}
	for _, p := range r.Problems {
		fmt.Fprintf(c.stderr, "failed: %v\n", p)
	}
	if len(r.Problems) > 0 {
		err = errors.Join(err, errIncomplete)
	}
	return err
}

// given returns the flags that the command line sets.
func (c *call) given() map[string]bool {
	given := make(map[string]bool)
	c.flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	return given
}

// terminalWidth returns how many columns there are to write to: those of the
// terminal, those that COLUMNS says, or what the pairs take.
func terminalWidth(w io.Writer) int {
	if f, ok := fileOf(w); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return int(size.Col)
		}
	}
	if n, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && n > 0 {
		return n
	}
	return codesize.SideBySideWidth
}

// enrich adds what the suite knows beyond the code: the defects that it shows,
// and what one gets for the code of each scenario.
func (c *call) enrich(r *codesize.Report, root, runDir string) error {
	for i := range r.Libraries {
		r.Libraries[i].Defects = defectsOf(r.Libraries[i])
	}
	runs, err := recordedRuns(root, runDir)
	if err != nil {
		return err
	}
	for _, scenario := range r.Scenarios() {
		r.Behaviour = append(r.Behaviour, behaviour(r, scenario, runs))
	}
	return nil
}

// goSocketIO is the library whose defects the suite names.
const goSocketIO = "github.com/googollee/go-socket.io"

// defectsOf returns the defects of a library that tests of this suite show: the
// suite that every stack passes, and the protocol's checks.
func defectsOf(l codesize.Library) []codesize.Defect {
	if l.Name != goSocketIO {
		return nil // no stack and no check names one of another
	}
	var list []codesize.Defect
	add := func(text, shown string) {
		i := slices.IndexFunc(list, func(d codesize.Defect) bool { return d.Text == text })
		if i < 0 {
			i = len(list)
			list = append(list, codesize.Defect{Text: text})
		}
		if !slices.Contains(list[i].Shown, shown) {
			list[i].Shown = append(list[i].Shown, shown)
		}
	}
	for _, s := range bench.Stacks() {
		for _, rule := range stacktest.Cases() {
			if text := s.Known[rule.Name]; text != "" {
				add(text, "stacktest "+rule.Name)
			}
		}
		if s.Flaky != "" && !s.InBrowser() {
			add(s.Flaky, "stacktest on "+s.Name)
		}
		if s.Refused != "" {
			add(s.Refused, "stacktest on "+s.Name)
		}
	}
	add(conformance.GoSocketIO.Flaky, "compare conformance, now and then")
	for _, check := range conformance.Checks() {
		if text := conformance.GoSocketIO.Known[check.Name]; text != "" {
			add(text, "compare conformance: "+check.Name)
		}
	}
	return list
}

// fact is a figure of recorded runs of a scenario that says what one gets for
// the code of that name.
type fact struct{ code, scenario, name, unit string }

// facts are those that are shown; "" is the mean over the cases of the scenario.
var facts = []fact{
	{"broadcast", "broadcast", "steady", "p50-sec/msg"},
	{"broadcast", "broadcast", "fan-out", "server-cpu-sec/msg"},
	{"broadcast", "broadcast", "connect", "connect-B"},
	{"broadcast", "broadcast", "slow-reader", "stall-sec"},
	{"reconnect", "reconnect", "reset", "recover-sec"},
	{"reconnect", "reconnect", "reset", "lost-down"},
	{"reconnect", "reconnect", "silent", "detect-sec"},
	{"reconnect", "reconnect", "restart", "lost-up"},
	{"proxy", "proxy", "", "works"},
	{"proxy", "proxy", "", "first-msg-sec"},
	{"fallback", "fallback", "", "works"},
	{"fallback", "fallback", "", "first-msg-sec"},
	{"cluster", "proxy", "rooms", "far-ratio"},
	{"cluster", "proxy", "rooms", "hop-sec/msg"},
}

// pastRun is a run and the folder that it is in.
type pastRun struct {
	dir string
	run *record.Run
}

// recordedRuns reads the run that was asked for, or else all under results/,
// the newest first.
func recordedRuns(root, dir string) ([]pastRun, error) {
	if dir != "" {
		run, problems, err := record.Read(dir)
		if err == nil && len(problems) > 0 {
			err = fmt.Errorf("read the run: %v", problems[0])
		}
		return []pastRun{{dir, run}}, err
	}
	found, err := filepath.Glob(filepath.Join(root, "results", "*", "run.json"))
	if err != nil {
		return nil, err
	}
	var runs []pastRun
	for _, name := range found {
		dir := filepath.Dir(name)
		run, problems, err := record.Read(dir)
		if err != nil || len(problems) > 0 {
			return nil, fmt.Errorf("read a recorded run: %s: %w", dir, errors.Join(err, fmt.Errorf("%v", problems)))
		}
		runs = append(runs, pastRun{path.Join("results", filepath.Base(dir)), run})
	}
	slices.SortFunc(runs, func(a, b pastRun) int { return b.run.Started.Compare(a.run.Started) })
	return runs, nil
}

// widest returns what the runs have measured of a scenario: that run which has
// the most of its cells, case by stack, and of equals the first. A run of a few
// stacks, however new, says nothing of the others. The text tells which it is.
func widest(runs []pastRun, scenario string) (groups []record.Group, measured string) {
	ours := make(map[string]bool)
	for _, s := range bench.Stacks() {
		ours[s.Name] = true
	}
	most := 0
	for _, have := range runs {
		cells := 0
		all := slices.DeleteFunc(have.run.Group(), func(g record.Group) bool { return g.Scenario != scenario })
		for _, g := range all {
			for _, row := range g.Rows {
				if ours[row.Stack.Name] && slices.ContainsFunc(row.Cells, record.Cell.Measured) {
					cells++
				}
			}
		}
		if cells <= most {
			continue
		}
		most, groups = cells, all
		measured = fmt.Sprintf("the others: medians of %s (profile %s, %s); times move with the machine", have.dir, have.run.Profile, have.run.Started.Format("2006-01-02"))
	}
	return groups, measured
}

// behaviour is what one gets for the code of a scenario: the rules of the chat
// that each stack keeps, and what recorded runs have measured.
func behaviour(r *codesize.Report, scenario string, runs []pastRun) codesize.Behaviour {
	rules := stacktest.Cases()
	b := codesize.Behaviour{
		Scenario: scenario,
		Columns:  []string{"statements", fmt.Sprintf("kept of %d", len(rules))},
		Notes: []string{
			"statements: of the code of " + scenario + " at the two ends of the stack",
			fmt.Sprintf("kept of %d: rules of scenarios/stacktest, which the tests hold against every stack", len(rules)),
		},
	}
	var columns []fact
	from := scenario
	if i := slices.IndexFunc(facts, func(f fact) bool { return f.code == scenario }); i >= 0 {
		from = facts[i].scenario
	}
	groups, measured := widest(runs, from)
	for _, f := range facts {
		if f.code != scenario || len(groups) == 0 {
			continue
		}
		columns = append(columns, f)
		unit := record.UnitOf(f.unit)
		b.Columns = append(b.Columns, unit.Title)
		where := "mean of the cases"
		if f.name != "" {
			where = "case " + f.name
		}
		measured += fmt.Sprintf("; %s (%s): %s", unit.Title, where, unit.Means)
	}
	if len(columns) > 0 {
		b.Notes = append(b.Notes, measured)
	}
	broken := make(map[string][]string) // rule and why -> stacks
	var order []string
	for _, s := range bench.Stacks() {
		if !s.IsChat() || s.InBrowser() || !s.IsFor(scenario) || s.Extra || (scenario == "reconnect") != s.Mode.Reconnect {
			continue
		}
		code := codeOf(r, scenario, s)
		if code == 0 {
			continue // it is of neither side
		}
		row := codesize.Gained{Stack: s.Name, Cells: []string{strconv.Itoa(code)}}
		kept := 0
		for _, rule := range rules {
			why, known := s.Known[rule.Name]
			if !known {
				kept++
				continue
			}
			text := rule.Name + ": " + why
			if broken[text] == nil {
				order = append(order, text)
			}
			broken[text] = append(broken[text], s.Name)
		}
		text := strconv.Itoa(kept)
		switch {
		case s.Refused != "":
			text = "refused"
			b.Notes = append(b.Notes, s.Name+" is refused: "+s.Refused)
		case s.Flaky != "":
			text += ", flaky"
			b.Notes = append(b.Notes, s.Name+" is flaky: "+s.Flaky)
		}
		row.Cells = append(row.Cells, text)
		for _, f := range columns {
			row.Cells = append(row.Cells, f.of(groups, s.Name))
		}
		b.Rows = append(b.Rows, row)
	}
	for _, text := range order {
		b.Notes = append(b.Notes, fmt.Sprintf("not kept by %s: %s", strings.Join(broken[text], ", "), text))
	}
	return b
}

// of returns the fact of a stack as it is shown, "-" if it was not measured.
func (f fact) of(groups []record.Group, stack string) string {
	var values []float64
	for _, g := range groups {
		if f.name != "" && g.Case.Name != f.name {
			continue
		}
		for _, row := range g.Rows {
			if row.Stack.Name == stack {
				if m := record.Median(row.Samples(f.unit)); !math.IsNaN(m) {
					values = append(values, m)
				}
			}
		}
	}
	if len(values) == 0 {
		return "-"
	}
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return report.Figure(record.UnitOf(f.unit).Quantity, sum/float64(len(values)))
}

// codeOf returns how many statements the files of a scenario have at the two
// ends of a stack. A file that is not the server's is the client's, and that of
// sessions which go on is for stacks that have them.
func codeOf(r *codesize.Report, scenario string, s scenarios.Stack) (n int) {
	for _, f := range r.Files {
		end := s.Client
		switch strings.TrimSuffix(f.Name, path.Ext(f.Name)) {
		case "server":
			end = s.Server
		case "resume":
			if !s.Mode.Resume {
				continue
			}
		}
		if f.Scenario == scenario && path.Dir(f.Path) == folderOf(end) {
			n += f.Statements
		}
	}
	return n
}

// folderOf returns where the code of a program stands: "sio" or "sio/node".
func folderOf(p scenarios.Program) string {
	if p.Node != "" {
		return path.Dir(p.Node)
	}
	side, _, _ := strings.Cut(p.Go, "-")
	return side
}
