package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"strconv"

	"wsvsio/internal/slow"
	"wsvsio/internal/stats"
	"wsvsio/internal/worker"
	"wsvsio/rawws"
	"wsvsio/scenarios"
)

// The two sides. Both are wrapped; the even one does nothing in addition.
const (
	evenName = "rawws-even"
	slowName = "rawws-slow"
)

// iterationsEnv tells the slow server, which is a child of this process, how
// many iterations to run per message.
const iterationsEnv = "WSVSIO_SLOW_ITERATIONS"

// addSlow adds the two sides to the programs of this binary.
func addSlow(p worker.Programs) {
	// Without the variable nobody asks for the slow one.
	iterations, _ := strconv.Atoi(os.Getenv(iterationsEnv))
	p[evenName] = worker.Program{Path: scenarios.PathRaw, NewServer: slow.NewServer(rawws.NewServer, 0), Dial: rawws.Dial}
	p[slowName] = worker.Program{Path: scenarios.PathRaw, NewServer: slow.NewServer(rawws.NewServer, iterations), Dial: rawws.Dial}
}

// ab measures a stack against itself, slowed by a known amount.
var ab = experiment{
	name:    "ab",
	about:   "a server against itself with 10 % more CPU: how often the rule sees it",
	example: "experiment ab -trials 50 -pairs 20",
	set: func(f *flag.FlagSet, s *settings) func() error {
		s.Stacks = []string{"rawws"}
		checkCase := caseFlags(f, &s.Case, steadyCase)
		f.IntVar(&s.Trials, "trials", abTrials, "trials")
		f.IntVar(&s.Pairs, "pairs", abPairs, "pairs of a trial")
		f.Float64Var(&s.Factor, "factor", 1.10, "what the server CPU per message is to grow by")
		f.IntVar(&s.Calibration, "calibration", 60, "pairs of each step of the calibration")
		f.IntVar(&s.Iterations, "iterations", 0, "iterations of work per message, instead of calibrating")
		return func() error {
			wrong := []error{checkCase(),
				within("trials", s.Trials, 1, maxTrials), within("pairs", s.Pairs, 1, maxPairs),
				within("factor", s.Factor, 1.001, 10),
				within("calibration", s.Calibration, 1, maxPairs),
				within("iterations", s.Iterations, 0, maxIterations)}
			return errors.Join(wrong...)
		}
	},
	measure:   measureAB,
	summarise: summariseAB,
}

// What the rule must reach, and by how many trials that is shown.
const (
	abTrials   = 50
	abPairs    = 20
	abMinFound = 0.80
	abNear     = 0.01 // that the real factor may be off
)

// The calibration goes by a slowdown that is larger than what is asked for,
// because that is measured with a smaller error; its first step only finds the
// iterations for it.
const (
	firstIterations = 1000
	clearFactor     = 1.30
)

func measureAB(s *session) error {
	steps := 0
	if s.Iterations == 0 {
		steps = 2
	}
	s.tell.expect(2 * (s.Pairs*s.Trials + steps*s.Calibration))
	defer os.Unsetenv(iterationsEnv)
	iterations, err := s.calibrate()
	if err != nil {
		return err
	}
	if err := s.slowBy(trialsPhase, iterations); err != nil {
		return err
	}
	even, slowed := slowStacks()
	return s.measureTrials(even, slowed)
}

// slowStacks are the two sides.
func slowStacks() (even, slowed scenarios.Stack) {
	rawStack, _ := stackOf("rawws")
	even, slowed = copyOf(rawStack, evenName), copyOf(rawStack, slowName)
	even.Server.Go, slowed.Server.Go = evenName, slowName
	return even, slowed
}

// slowBy sets the iterations of the slow server for a phase, and records them.
func (s *session) slowBy(phase string, iterations int) error {
	if err := os.Setenv(iterationsEnv, strconv.Itoa(iterations)); err != nil {
		return fmt.Errorf("tell the slow server its iterations: %w", err)
	}
	return s.data.write(line{Step: &step{Phase: phase, Iterations: iterations}})
}

// calibrate returns how many iterations make the server slower by the factor,
// or those that were given. Whoever calls it unsets what slowBy sets.
func (s *session) calibrate() (int, error) {
	if s.Iterations > 0 {
		return s.Iterations, nil
	}
	even, slowed := slowStacks()
	iterations := firstIterations
	for i, target := range []float64{max(clearFactor, s.Factor), s.Factor} {
		phase := fmt.Sprintf("calibration %d", i+1)
		if err := s.slowBy(phase, iterations); err != nil {
			return 0, err
		}
		cells, err := s.run(phase, 0, s.pairsOf(even, slowed, s.Calibration))
		if err != nil {
			return 0, err
		}
		if iterations, err = scaled(iterations, cells, target); err != nil {
			return 0, fmt.Errorf("%s: %w", phase, err)
		}
	}
	return iterations, nil
}

// scaled returns how many iterations make a server slower by the target, after
// what a number of them did.
func scaled(iterations int, cells []cell, target float64) (int, error) {
	all, _ := pairs(cells, evenName, slowName)
	r, ok := compare(all, cpuUnit)
	if !ok {
		return 0, errors.New("no pair has figures")
	}
	n := math.Round(float64(iterations) * (target - 1) / (r.Estimate - 1))
	if r.Estimate <= 1 || n > maxIterations {
		return 0, fmt.Errorf("%d iterations per message made the server %.3f times as expensive: that is lost in the noise; take more pairs (-calibration)",
			iterations, r.Estimate)
	}
	return max(1, int(n)), nil
}

func summariseAB(d *data) summary {
	all, failed := pairs(ofPhase(d.cells, trialsPhase), evenName, slowName)
	factor, length := d.Settings.Factor, d.Settings.Pairs

	rows := [][]string{{"step", "iterations per message", "pairs", titles[cpuUnit], "95 % interval"}}
	for _, st := range d.steps {
		row := []string{st.Phase, fmt.Sprint(st.Iterations), "0", "-", "-"}
		measured, _ := pairs(ofPhase(d.cells, st.Phase), evenName, slowName)
		if r, ok := compare(measured, cpuUnit); ok {
			row[2], row[3], row[4] = fmt.Sprint(r.Pairs), times(r.Estimate), interval(r)
		}
		rows = append(rows, row)
	}
	how := "The iterations were given on the command line."
	if d.Settings.Iterations == 0 {
		how = fmt.Sprintf("The first step finds how many iterations make about %s, the second how many make %s.",
			times(max(clearFactor, factor)), times(factor))
	}
	return summary{
		title: fmt.Sprintf("A/B: rawws against itself, slowed by %.0f %%", 100*(factor-1)),
		bars:  barsAB(all, length, factor),
		text: joined(
			fmt.Sprintf("rawws twice in one case: %s. One side runs a loop before each message that it delivers, so that it uses %.0f %% more CPU; the other is "+
				"wrapped likewise with a loop of no iterations. Each pair is measured back to back in fresh processes, in an order left to a coin; %s are a trial. "+
				"The slowdown is found if the slow side is called different, and is the larger.",
				caseText(d.Settings.Case), 100*(factor-1), count(length, "pair")),
			ruleText(),
			missingText(failed),
			"## The slowdown",
			how,
			table(rows),
			"## How often it is found",
			judged(all, length, []int{8, abPairs}, true),
			judgedText,
			"## How the ratios vary",
			variation(all),
		),
	}
}

func barsAB(all []pair, length int, factor float64) []bar {
	_, larger := found(inTrials(all), cpuUnit, stats.Fixed())
	realised := bar{
		what:     titles[cpuUnit] + " of the slow side, all trials together",
		limit:    fmt.Sprintf("%s, give or take %.2f", times(factor), abNear),
		measured: "-",
	}
	if r, ok := compare(all, cpuUnit); ok {
		realised.measured = fmt.Sprintf("%s (95 %% interval %s)", times(r.Estimate), interval(r))
		realised.reached = math.Abs(r.Estimate-factor) <= abNear
	}
	return []bar{
		trialsBar(larger, length, abTrials, count(abPairs, "pair"), length == abPairs),
		realised,
		{
			what:     fmt.Sprintf("trials of %s in which the slowdown is found", count(length, "pair")),
			limit:    "at least " + percent(abMinFound),
			measured: shareText(larger),
			reached:  larger.n > 0 && larger.share() >= abMinFound,
		},
	}
}

// ofPhase returns the cells of a phase.
func ofPhase(cells []cell, phase string) []cell {
	var found []cell
	for _, c := range cells {
		if c.Phase == phase {
			found = append(found, c)
		}
	}
	return found
}
