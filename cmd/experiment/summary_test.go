package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wsvsio/internal/record"
	"wsvsio/internal/reference"
	"wsvsio/internal/regress"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// newHead is the first line of an experiment on a machine that is not this one.
func newHead(name string, s settings) head {
	return head{
		Format:     format,
		Experiment: name,
		Started:    time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC),
		Args:       []string{name, "-seed", "9"},
		Seed:       9,
		Settings:   s,
		Environment: record.Environment{
			OS: "linux", Arch: "amd64", CPU: "Example CPU @ 2.00GHz", Kernel: "6.1.0", Cores: 2, Go: "go1.26.8",
			Libraries: map[string]string{"gorilla/websocket": "v1.5.3", "googollee/go-socket.io": "v1.7.0"},
			Commit:    "0123456789ab", Dirty: true, LoadAverage: [3]float64{0.5, 1, 2}, Pinned: true,
		},
	}
}

// sides makes the cells of pairs with some noise, b being so many times a in
// server CPU, and the same in latency.
func sides(random *rand.Rand, phase string, trials, pairs int, a, b string, ratio, noise float64) []cell {
	var cells []cell
	for trial := 1; trial <= trials; trial++ {
		for round := 1; round <= pairs; round++ {
			for order, side := range random.Perm(2) {
				cpu, p50 := 8e-6, 500e-6
				name := a
				if side == 1 {
					name, cpu = b, cpu*ratio
				}
				c := cell{
					Phase: phase, Round: round, Order: order + 1, Case: "steady", Stack: name,
					Values: map[string]float64{
						cpuUnit: cpu * math.Exp(noise*random.NormFloat64()),
						p50Unit: p50 * math.Exp(2*noise*random.NormFloat64()),
					},
				}
				if trials > 1 {
					c.Trial = trial
				}
				cells = append(cells, c)
			}
		}
	}
	return cells
}

// distribution is a histogram of so many samples at each time.
func distribution(t *testing.T, name string, samples map[time.Duration]int64) scenarios.Histogram {
	t.Helper()
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	for d, n := range samples {
		if err := h.RecordValues(int64(d), n); err != nil {
			t.Fatal(err)
		}
	}
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	return scenarios.Histogram{Name: name, Data: string(encoded)}
}

// recording is what stands in a data.jsonl.
type recording struct {
	head  head
	steps []step
	cells []cell
	check []checkTrial
	again []head
	why   string
	torn  bool // it ends in the middle of a line
}

// keep writes a recording into a folder.
func (r recording) keep(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	w, err := create(dir, r.head)
	if err != nil {
		t.Fatal(err)
	}
	lines := []line{}
	for _, s := range r.steps {
		lines = append(lines, line{Step: &s})
	}
	for _, c := range r.cells {
		lines = append(lines, line{Cell: &c})
	}
	for _, h := range r.again {
		lines = append(lines, line{Again: &h})
	}
	for _, c := range r.check {
		lines = append(lines, line{Check: &c})
	}
	if !r.torn {
		lines = append(lines, line{End: &end{r.head.Started.Add(time.Hour), r.why}})
	}
	for _, l := range lines {
		if err := w.write(l); err != nil {
			t.Fatal(err)
		}
	}
	if r.torn {
		if _, err := w.file.WriteString(`{"cell":{"phase":`); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.file.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// recordings are one or two of each experiment, and whether the bars are
// reached.
func recordings(t *testing.T) map[string]struct {
	recording
	status int
} {
	random := rand.New(rand.NewPCG(9, 0))
	steady := steadyCase

	few := sides(random, trialsPhase, 12, 8, "rawws-a", "rawws-b", 1, 0.07)
	few[3].Values, few[3].Error = nil, "of 5000 deliveries 3 lost | first: <closed>\nby the server"
	few[9].Doubts = []string{"the sender was more than 1.5 ms late at p99"}
	few[10].Doubts = []string{"the sender was more than 1.5 ms late at p99"}

	slowed := sides(random, "calibration 1", 1, 20, evenName, slowName, 1.2, 0.03)
	slowed = append(slowed, sides(random, "calibration 2", 1, 20, evenName, slowName, 1.3, 0.03)...)
	slowed = append(slowed, sides(random, trialsPhase, 6, 20, evenName, slowName, 1.1, 0.03)...)

	stalled := func(stack string, late int64) []cell {
		values := map[string]float64{"pause-sec": 1.0003}
		return []cell{{
			Round: 1, Order: 1, Case: openName, Stack: stack, Values: values,
			Histograms: []scenarios.Histogram{
				distribution(t, "latency/sender", map[time.Duration]int64{time.Millisecond: 1000 - late, 500 * time.Millisecond: late}),
				distribution(t, "latency/others", map[time.Duration]int64{time.Millisecond: 9000 - 9*late, 99 * time.Millisecond: 0, 101 * time.Millisecond: 9 * late}),
				distribution(t, "from-write/others", map[time.Duration]int64{time.Millisecond: 9999, time.Second: 1}),
			},
		}, {
			Round: 1, Order: 2, Case: closedName, Stack: stack, Values: values,
			Histograms: []scenarios.Histogram{distribution(t, "closed/own", map[time.Duration]int64{time.Millisecond: 899, time.Second: 10})},
		}}
	}
	stallSettings := settings{
		Stacks: []string{"rawws", "sio"}, Rounds: 1, Pause: time.Second,
		Case: scenarios.Case{Name: openName, Clients: 10, Size: 128, Rate: 100, Warmup: 15_000, Window: 10 * time.Second},
	}
	noClient := cell{Round: 1, Order: 1, Case: closedName, Stack: "sio", Unsupported: "not applicable: sio has no client"}

	var warmed []cell
	warmupSettings := settings{Stacks: []string{"rawws"}, Rounds: 8, Bases: []int{2_000}, Case: scenarios.Case{Window: time.Second}}
	for round := 1; round <= 8; round++ {
		for _, c := range []string{"steady", "echo"} {
			for order, level := range []int{2_000, 4_000, 8_000} {
				v := 10e-6 * math.Exp(0.01*random.NormFloat64())
				if level == 2_000 && c == "echo" {
					v *= 1.2
				}
				warmed = append(warmed, cell{Round: round, Order: order + 1, Case: c, Warmup: level, Stack: "rawws",
					Values: map[string]float64{cpuUnit: v, p50Unit: 50 * v}})
			}
		}
	}

	idleSettings := settings{Stacks: []string{"rawws", "sio"}, Rounds: 2, Case: scenarios.Case{Name: "idle", Clients: 10_000, Window: idleHold}}
	var idled []cell
	for round := 1; round <= 2; round++ {
		for order, stack := range idleSettings.Stacks {
			idled = append(idled, cell{Round: round, Order: order + 1, Case: "idle", Stack: stack, Values: map[string]float64{
				"died": 0, "server-B/conn": 28_000.5, "client-B/conn": 1500 + float64(round),
			}})
		}
	}
	lost := append([]cell(nil), idled...)
	lost[1].Values = map[string]float64{"died": 2, "server-B/conn": 1, "client-B/conn": 8001}
	lost[3] = cell{Round: 2, Order: 2, Case: "idle", Stack: "sio", Error: "load: client 7 of 10000: connection refused"}

	lateSettings := settings{Stacks: []string{"rawws"}, Rounds: 3,
		Case: scenarios.Case{Name: "lateness", Clients: 1, Size: 128, Rate: 200, Warmup: 15_000, Window: 5 * time.Second}}
	var lates []cell
	for round, p99 := range []float64{0.3e-3, 1.5e-3, 4e-3} {
		lates = append(lates, cell{Round: round + 1, Order: 1, Case: "lateness", Stack: "rawws", Values: map[string]float64{
			"sent": 1000, "late-p50-sec": 70e-9, "late-p90-sec": 1e-6, "late-p99-sec": p99, "late-max-sec": 2 * p99,
		}})
	}

	// The generator costs 1.2 times the reference, 1.1 times with the waiting;
	// reads is how often it reads for a frame at the higher rate, or 0 for a record
	// that does not tell. The codecs cost the same.
	receiveSettings := settings{Rounds: 20, Case: scenarios.Case{Name: "receive", Clients: 100, Size: 128, Warmup: 15_000, Window: time.Second}}
	received := func(reads float64) (cells []cell) {
		for _, rate := range receiveRates {
			for round := 1; round <= receiveSettings.Rounds; round++ {
				for stack, k := range map[string]float64{
					reference.Generator: 1.2, reference.Reference: 1,
					string(scenarios.ProtocolRaw): 1.2, string(scenarios.ProtocolEIO3): 1.2, string(scenarios.ProtocolEIO4): 1.2,
				} {
					values := map[string]float64{"busy-sec/frame": 4e-6 * k, "cpu-sec/frame": 4e-6 * (1 + k)}
					if reads > 0 {
						values["reads/frame"], values["segs/frame"] = 1, 0.5
						if stack == reference.Generator && rate == receiveRates[1] {
							values["reads/frame"] = reads
						}
					}
					cells = append(cells, cell{Phase: phaseOf(rate), Round: round, Case: "receive", Stack: stack, Values: values})
				}
			}
		}
		return cells
	}

	checkSettings := settings{Stacks: []string{"rawws", "sio"}, Case: steady, Trials: 50, SlowTrials: 20, ExactTrials: 20, Factor: 1.1, Calibration: 60}
	besideSettings := settings{Stacks: []string{"rawws", "sio"}, Case: steady, BesideTrials: 20, Pairs: 20, Factor: 1.1, Calibration: 60}

	type test = struct {
		recording
		status int
	}
	return map[string]test{
		"aa": {recording{
			head:  newHead("aa", settings{Stacks: []string{"rawws"}, Case: steady, Trials: 200, Pairs: 8}),
			cells: few, torn: true,
		}, exitError},
		"ab": {recording{
			head:  newHead("ab", settings{Stacks: []string{"rawws"}, Case: steady, Trials: 6, Pairs: 20, Factor: 1.1, Calibration: 20}),
			steps: []step{{"calibration 1", 1000}, {"calibration 2", 1500}, {trialsPhase, 500}},
			cells: slowed,
		}, exitError},
		"stall": {recording{
			head:  newHead("stall", stallSettings),
			cells: append(stalled("rawws", 91), stalled("sio", 100)...),
		}, exitOK},
		"stall-missed": {recording{
			head:  newHead("stall", stallSettings),
			cells: append(stalled("rawws", 11), noClient),
			why:   "it was interrupted",
		}, exitError},
		"warmup":        {recording{head: newHead("warmup", warmupSettings), cells: warmed}, exitOK},
		"idle":          {recording{head: newHead("idle", idleSettings), cells: idled}, exitOK},
		"idle-lost":     {recording{head: newHead("idle", idleSettings), cells: lost}, exitError},
		"receive":       {recording{head: newHead("receive", receiveSettings), cells: received(1.04)}, exitOK},
		"receive-few":   {recording{head: newHead("receive", receiveSettings), cells: received(0)[:19*5]}, exitError},
		"receive-other": {recording{head: newHead("receive", receiveSettings), cells: received(0.7)}, exitError},
		"lateness":      {recording{head: newHead("lateness", lateSettings), cells: lates}, exitOK},
		"check":         {recording{head: newHead("check", checkSettings), steps: []step{{trialsPhase, 578}}, check: checked(50, 1, 15)}, exitOK},
		"check-missed":  {recording{head: newHead("check", checkSettings), steps: []step{{trialsPhase, 578}}, check: checked(50, 2, 13)}, exitError},
		"check-silent":  {recording{head: newHead("check", checkSettings), steps: []step{{trialsPhase, 578}}, check: silent(checked(50, 0, 19), 11)}, exitError},
		"check-few":     {recording{head: newHead("check", checkSettings), check: checked(20, 0, 0)[:20], why: "it was interrupted"}, exitError},
		"check-beside":  {recording{head: newHead("check", besideSettings), check: instead(checked(20, 1, 0), beside)}, exitOK},
		"check-again":   {recording{head: newHead("check", checkSettings), steps: []step{{trialsPhase, 578}}, check: checked(50, 0, 19), again: []head{laterHead(newHead("check", checkSettings))}}, exitOK},
		"lateness-late": {recording{head: newHead("lateness", lateSettings), cells: lates[1:]}, exitError},
	}
}

// laterHead is of the next day, on another commit.
func laterHead(h head) head {
	h.Started = h.Started.Add(24 * time.Hour)
	h.Environment.Commit = "fedcba987654"
	return h
}

// checked are trials of checks: so many of HEAD against itself, of which some
// are false alarms, and twenty of each change, of which 10 % is found so many
// times.
func checked(trials, wrong, found int) []checkTrial {
	cell := func(name, unit string, outcome regress.Outcome, ratio, again float64) checkedCell {
		return checkedCell{Place: regress.Place{Series: "Broadcast/case=" + name + "/clients=1", Stack: "rawws", Unit: unit}, Outcome: outcome, Ratio: ratio, P: 0.01, Finds: 0.07, Again: again}
	}
	var all []checkTrial
	for trial := 1; trial <= trials; trial++ {
		t := checkTrial{Change: nothing, Trial: trial, Answer: string(regress.NoRegression), Seconds: 200 + float64(trial)}
		t.Findings = []checkedCell{cell("steady", cpuUnit, regress.Same, 1.001, 0)}
		if trial <= wrong {
			t.Status, t.Answer = regression, string(regress.Regression)
			t.Findings = []checkedCell{cell("steady", cpuUnit, regress.Worse, 1.06, 1.06)}
		}
		all = append(all, t)
	}
	for _, c := range changes {
		if c.leastFound == 0 {
			continue
		}
		for trial := 1; trial <= 20; trial++ {
			t := checkTrial{Change: c.name, Trial: trial, Status: regression, Answer: string(regress.Regression), Seconds: 30}
			p := c.finds[0]
			t.Findings = []checkedCell{cell(p.caseName, p.unit, regress.Worse, max(1, c.factor), 1.1)}
			if c.name == "slow-10" && trial > found {
				t.Status, t.Answer = 0, string(regress.NoRegression)
				t.Findings = []checkedCell{cell(p.caseName, p.unit, regress.Unconfirmed, 1.05, 1.02)}
			}
			all = append(all, t)
		}
	}
	return all
}

// instead has the trials of HEAD against itself be of another change.
func instead(trials []checkTrial, change string) []checkTrial {
	trials = slices.DeleteFunc(trials, func(t checkTrial) bool { return t.Change != nothing })
	for i := range trials {
		trials[i].Change = change
	}
	return trials
}

// silent has so many of the trials of HEAD against itself, which come first, say
// that they are inconclusive.
func silent(trials []checkTrial, n int) []checkTrial {
	for i := range trials[:n] {
		trials[i].Answer = string(regress.Inconclusive)
		trials[i].Findings[0].Outcome, trials[i].Findings[0].Finds = regress.Noisy, 0.4
	}
	return trials
}

// TestFoundChange is what counts as found: in the cell in which the change
// shows, and as a regression.
func TestFoundChange(t *testing.T) {
	worse := checkedCell{Place: regress.Place{Series: "Broadcast/case=steady/clients=100", Stack: "rawws", Unit: cpuUnit}, Outcome: regress.Worse}
	elsewhere, once := worse, worse
	elsewhere.Stack, once.Outcome = "sio", regress.Unconfirmed
	for _, tt := range []struct {
		trial checkTrial
		want  bool
	}{
		{checkTrial{Status: regression, Findings: []checkedCell{worse}}, true},
		{checkTrial{Status: 1, Findings: []checkedCell{worse}}, false},
		{checkTrial{Status: regression, Findings: []checkedCell{elsewhere}}, false},
		{checkTrial{Status: regression, Findings: []checkedCell{once}}, false},
		{checkTrial{Status: regression}, false},
	} {
		if got := tt.trial.found(change{finds: slowPlace}); got != tt.want {
			t.Errorf("%+v: %t", tt.trial, got)
		}
	}
}

// TestSummaries makes the summaries of recordings and compares them with those
// in testdata.
func TestSummaries(t *testing.T) {
	for name, tt := range recordings(t) {
		t.Run(name, func(t *testing.T) {
			dir := tt.keep(t)
			status, stdout, stderr := runHere(t.Context(), "summary", dir)
			if status != tt.status {
				t.Errorf("exit status %d, want %d\n%s", status, tt.status, stderr)
			}
			if torn := strings.Contains(stderr, "data.jsonl:"+strconv.Itoa(2+len(tt.cells))+": damaged"); torn != tt.torn {
				t.Errorf("stderr %q", stderr)
			}
			golden := filepath.Join("testdata", name+".md")
			if *update {
				if err := os.WriteFile(golden, []byte(stdout), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if stdout != string(want) {
				t.Errorf("differs from %s; write it anew: go test ./cmd/experiment -run Summaries -update\n%s", golden, stdout)
			}
		})
	}
}

// trial is a trial whose pairs have these ratios of b to a in server CPU.
func trial(number int, ratios ...float64) []pair {
	var pairs []pair
	for _, r := range ratios {
		pairs = append(pairs, pair{trial: number, a: map[string]float64{cpuUnit: 1}, b: map[string]float64{cpuUnit: r}})
	}
	return pairs
}

// The trials of which the verdict is clear.
var (
	same    = []float64{0.9, 1.11, 0.95, 1.04, 0.99, 1.02, 0.97, 1.03}
	larger  = []float64{1.08, 1.12, 1.1, 1.05, 1.11, 1.09, 1.07, 1.13}
	smaller = []float64{0.91, 0.92, 0.9, 0.95, 0.93, 0.94, 0.89, 0.88}
	slight  = []float64{1.011, 1.012, 1.01, 1.015, 1.013, 1.014, 1.009, 1.008}
	tooFew  = []float64{2, 2.1, 2.2, 2.3, 2.4}
)

func TestFound(t *testing.T) {
	var all []pair
	for i, ratios := range [][]float64{same, larger, smaller, slight, tooFew, larger} {
		all = append(all, trial(i+1, ratios...)...)
	}
	trials := inTrials(all)
	if len(trials) != 6 {
		t.Fatalf("%d trials", len(trials))
	}
	rule := stats.Fixed()
	rule.MinShift = 0.03
	different, up := found(trials, cpuUnit, rule)
	if want := (proportion{3, 5}); different != want || up != (proportion{2, 5}) {
		t.Errorf("different %v, larger %v", different, up)
	}
	rule.MinShift = 0
	if different, _ := found(trials, cpuUnit, rule); different != (proportion{4, 5}) {
		t.Errorf("without a least shift different %v", different)
	}
	if different, _ := found(trials, p50Unit, rule); different.n != 0 {
		t.Errorf("of a figure that was not measured %v", different)
	}
	for n, want := range map[int]int{1: 45, 8: 5, 20: 2, 45: 1, 46: 0} {
		groups := regrouped(all, n)
		if len(groups) != want {
			t.Errorf("45 pairs make %d trials of %d, not %d", want, n, len(groups))
		}
		for i, group := range groups {
			if len(group) != n || group[0].b[cpuUnit] != all[i*n].b[cpuUnit] {
				t.Errorf("trial %d of %d pairs is %v", i, n, group)
			}
		}
	}
}

// TestBars holds the bars of both kinds of trials against records that reach
// them, and that just do not.
func TestBars(t *testing.T) {
	build := func(n, k int, usual, other []float64) (all []pair) {
		for i := range n {
			if i < k {
				all = append(all, trial(i, other...)...)
			} else {
				all = append(all, trial(i, usual...)...)
			}
		}
		return all
	}
	verdicts := func(bars []bar) (s string) {
		for _, b := range bars {
			s += fmt.Sprintf("%t ", b.reached)
		}
		return s
	}
	for _, tt := range []struct {
		trials, wrong int
		want          string
	}{{200, 10, "true true "}, {200, 11, "true false "}, {199, 0, "false true "}, {0, 0, "false false "}} {
		bars := barsAA(build(tt.trials, tt.wrong, same, larger), 8)
		if got := verdicts(bars); got != tt.want {
			t.Errorf("%d false of %d: %s: %+v", tt.wrong, tt.trials, got, bars)
		}
	}
	if bars := barsAA(build(200, 0, same[:5], nil), 5); verdicts(bars) != "false false " {
		t.Errorf("trials that are too short: %+v", bars)
	}
	twenty := func(ratios []float64) []float64 {
		return append(append(append([]float64(nil), ratios...), ratios...), ratios[:4]...)
	}
	for _, tt := range []struct {
		trials, missed, length int
		usual                  []float64
		want                   string
	}{
		{50, 10, 20, larger, "true true true "},
		{50, 11, 20, larger, "true true false "},
		{5, 0, 20, larger, "false true true "},
		{5, 0, 20, slight, "false false false "},
		{5, 0, 20, smaller, "false false false "}, // different, but in the wrong direction
		{0, 0, 20, larger, "false false false "},
	} {
		// Those that are missed have the same centre, in more noise.
		noisy := build(1, 0, []float64{0.7, 1.7, 0.8, 1.5, 0.6, 2, 1.09, 1.1}, nil)
		var other []float64
		for _, p := range noisy {
			other = append(other, p.b[cpuUnit])
		}
		bars := barsAB(build(tt.trials, tt.missed, twenty(tt.usual), twenty(other)), tt.length, 1.09)
		if got := verdicts(bars); got != tt.want {
			t.Errorf("%d missed of %d: %s: %+v", tt.missed, tt.trials, got, bars)
		}
	}
}

func TestScaled(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	for _, tt := range []struct {
		iterations    int
		ratio, target float64
		want          int
		problem       string
	}{
		{1000, 1.2, 1.3, 1500, ""},
		{1500, 1.3, 1.1, 500, ""},
		{1, 3, 1.1, 1, ""},
		{1000, 1, 1.3, 0, "lost in the noise"},
		{1000, 0.9, 1.3, 0, "lost in the noise"},
		{1000, 1.000001, 1.3, 0, "lost in the noise"},
	} {
		cells := sides(random, "calibration 1", 1, 6, evenName, slowName, tt.ratio, 0)
		got, err := scaled(tt.iterations, cells, tt.target)
		if got != tt.want || (err != nil) != (tt.problem != "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%d iterations, ratio %v, for %v: %d, %v", tt.iterations, tt.ratio, tt.target, got, err)
		}
	}
	if _, err := scaled(1000, nil, 1.1); err == nil {
		t.Error("nothing that was measured makes a calibration")
	}
}

func TestPairs(t *testing.T) {
	v := func(x float64) map[string]float64 { return map[string]float64{cpuUnit: x} }
	cells := []cell{
		{Trial: 1, Round: 1, Order: 1, Stack: "b", Values: v(2)},
		{Trial: 1, Round: 1, Order: 2, Stack: "a", Values: v(1)},
		{Trial: 1, Round: 2, Order: 1, Stack: "a", Values: v(3)},
		{Trial: 1, Round: 2, Order: 2, Stack: "b", Error: "boom"},
		{Trial: 2, Round: 1, Order: 1, Stack: "a", Values: v(4)},
		{Trial: 2, Round: 1, Order: 2, Stack: "b", Values: v(5)},
		{Trial: 2, Round: 2, Order: 1, Stack: "b", Values: v(6)},
	}
	got, failed := pairs(cells, "a", "b")
	if failed != 2 || len(got) != 2 {
		t.Fatalf("%d pairs, %d failed", len(got), failed)
	}
	for i, want := range []pair{{1, v(1), v(2), false}, {2, v(4), v(5), true}} {
		if fmt.Sprint(got[i]) != fmt.Sprint(want) {
			t.Errorf("pair %d is %+v, want %+v", i, got[i], want)
		}
	}
}

func TestLevels(t *testing.T) {
	if got := fmt.Sprint(levelsOf([]int{15, 30, 1})); got != "[1 2 4 15 30 60 120]" {
		t.Errorf("levels %s", got)
	}
}

func TestDamaged(t *testing.T) {
	start := `{"head":{"format":1,"experiment":"aa","settings":{}}}` + "\n"
	for _, tt := range []struct {
		text, problem string // an error
		cells         int
		damaged       string
		partial       string
	}{
		{text: "", problem: "data.jsonl is empty"},
		{text: "{\n", problem: "data.jsonl:1: damaged"},
		{text: "{}\n", problem: "it has no format"},
		{text: `{"cell":{}}` + "\n", problem: "it has no format"},
		{text: `{"head":{"format":2}}`, problem: "has format 2, this program reads up to format 1"},
		{text: start, partial: "it was not finished"},
		{text: start + `{"cell":{"stack":"a"}}` + "\n" + `{"end":{}}`, cells: 1},
		{text: start + `{"cell":{"stack":"a"}}` + "\n" + `{"end":{"why":"it was interrupted"}}`, cells: 1, partial: "it was interrupted"},
		{text: start + `{"cell":{"round":"x"}}` + "\n" + `{"cell":{}}`, cells: 1, damaged: "data.jsonl:2: damaged", partial: "it was not finished"},
		{text: start + "null\n" + `{"cell":{}}` + "\n" + `{"cell`, cells: 1, damaged: "data.jsonl:2: neither", partial: "it was not finished"},
	} {
		d, err := parse("data.jsonl", []byte(tt.text))
		if tt.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tt.problem) {
				t.Errorf("%q: %v, want %q", tt.text, err, tt.problem)
			}
			continue
		}
		if err != nil || len(d.cells) != tt.cells || d.partial() != tt.partial ||
			!strings.Contains(strings.Join(d.damaged, "\n"), tt.damaged) || tt.damaged == "" && len(d.damaged) > 0 {
			t.Errorf("%q: %+v, %v", tt.text, d, err)
		}
	}
}

// FuzzParse reads data of any kind, and makes a summary of what it holds.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"aa", "ab", "stall", "delay", "receive", "warmup", "idle", "lateness", "check"} {
		f.Add([]byte(`{"head":{"format":1,"experiment":"` + name + `","settings":{"stacks":["rawws"],"bases":[1],"rounds":1,"pairs":8}}}
{"step":{"phase":"trials","iterations":5}}
{"cell":{"phase":"trials","trial":1,"round":1,"order":1,"case":"open","stack":"rawws-a","values":{"server-cpu-sec/msg":1}}}
{"check":{"change":"slow-10","trial":1,"status":3,"answer":"regression","seconds":9,"findings":[{"series":"X/case=steady/a","stack":"rawws","unit":"server-cpu-sec/msg","outcome":"worse","ratio":1.1,"again":1.1}]}}
{"cell":{"round":1,"order":1,"case":"open","stack":"rawws","histograms":[{"name":"latency/x","data":"!"}]}}
{"end":{}}`))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 10_000 {
			t.Skip("its summary takes long")
		}
		d, err := parse("data.jsonl", text)
		if err != nil {
			return
		}
		if sum, _, err := summarise(d); err == nil && !strings.HasPrefix(sum, "# ") {
			t.Errorf("the summary is %q", sum)
		}
	})
}
