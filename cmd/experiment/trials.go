package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"wsvsio/bench"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
	"wsvsio/scenarios/broadcast"
)

// trialsPhase is what the cells of the trials are marked with.
const trialsPhase = "trials"

// measureTrials measures trials of pairs of two stacks. Each trial is a plan of
// its own, so that a stack that failed twice in one is tried again in the next.
func (s *session) measureTrials(a, b scenarios.Stack) error {
	for trial := 1; trial <= s.Trials; trial++ {
		if _, err := s.run(trialsPhase, trial, s.pairsOf(a, b, s.Pairs)); err != nil {
			return err
		}
	}
	return nil
}

// pairsOf is a plan of so many pairs of two stacks in the case.
func (s *session) pairsOf(a, b scenarios.Stack, pairs int) bench.Plan {
	return bench.Plan{
		Parts:  []bench.Part{{Scenario: broadcast.Scenario{}, Cases: []scenarios.Case{s.Case}}},
		Stacks: []scenarios.Stack{a, b},
		Rounds: pairs,
	}
}

// inTrials returns the pairs trial by trial, as they were measured.
func inTrials(all []pair) [][]pair {
	var groups [][]pair
	for _, p := range all {
		if last := len(groups) - 1; last >= 0 && groups[last][0].trial == p.trial {
			groups[last] = append(groups[last], p)
		} else {
			groups = append(groups, []pair{p})
		}
	}
	return groups
}

// regrouped returns the same pairs in trials of another length. Those at the
// end that make no whole trial are left out.
func regrouped(all []pair, n int) [][]pair {
	var groups [][]pair
	for group := range slices.Chunk(all, n) {
		if len(group) == n {
			groups = append(groups, group)
		}
	}
	return groups
}

// found is how many trials the rule calls different in a unit, of those that it
// can judge, and how many of these have b the larger.
func found(trials [][]pair, unit string, rule stats.Rule) (different, larger proportion) {
	for _, trial := range trials {
		r, ok := compare(trial, unit)
		if !ok {
			continue
		}
		verdict := rule.Judge(r)
		if verdict == stats.TooFew {
			continue
		}
		different.n++
		if verdict == stats.Different {
			different.k++
			if r.Estimate > 1 {
				larger.k++
			}
		}
	}
	larger.n = different.n
	return different, larger
}

// shifts are the smallest shifts by which the same trials are judged.
var shifts = []float64{0, 0.02, 0.03, 0.05}

// rules are the rule of the reports, with each of the shifts and its own.
func rules() []stats.Rule {
	fixed := stats.Fixed()
	all := append(slices.Clone(shifts), fixed.MinShift)
	slices.Sort(all)
	var rules []stats.Rule
	for _, shift := range slices.Compact(all) {
		rule := fixed
		rule.MinShift = shift
		rules = append(rules, rule)
	}
	return rules
}

// judged is a table of what each rule finds in each unit, in the trials as they
// were measured and in those of other lengths. The larger ones are counted if
// those alone are right.
func judged(all []pair, pairs int, lengths []int, largerOnly bool) string {
	what := "different"
	if largerOnly {
		what = "found"
	}
	rows := [][]string{{"figure", "pairs of a trial", "least shift", "trials", what, "share", "95 % interval"}}
	add := func(unit, length string, trials [][]pair, own bool) {
		for _, rule := range rules() {
			p, larger := found(trials, unit, rule)
			if largerOnly {
				p = larger
			}
			row := []string{titles[unit], length, fmt.Sprintf("%.0f %%", 100*rule.MinShift), fmt.Sprint(p.n), "-", "-", "-"}
			if p.n > 0 {
				low, high := p.interval()
				row[4], row[5], row[6] = fmt.Sprint(p.k), percent(p.share()), percents(low, high)
			}
			if own && rule == stats.Fixed() {
				for i := range row {
					row[i] = "**" + row[i] + "**"
				}
			}
			rows = append(rows, row)
		}
	}
	for _, unit := range []string{cpuUnit, p50Unit} {
		add(unit, fmt.Sprint(pairs), inTrials(all), true)
		for _, n := range lengths {
			if n != pairs {
				add(unit, fmt.Sprintf("%d, regrouped", n), regrouped(all, n), false)
			}
		}
	}
	return table(rows)
}

// ruleText says what the rule of the reports is.
func ruleText() string {
	rule := stats.Fixed()
	return fmt.Sprintf("The rule of the reports calls two sides different if p < %v (Wilcoxon's signed-rank test) and the estimate of the ratio "+
		"(Hodges–Lehmann) is off one by %.0f %% or more; it needs %d pairs.", rule.Alpha, 100*rule.MinShift, rule.MinPairs)
}

// variation is a table of how the ratios of b to a vary from pair to pair, and of
// what it makes which side was measured first.
func variation(all []pair) string {
	rows := [][]string{{"figure", "pairs", "median of side a", "b / a", "95 % interval", "coefficient of variation", "second / first", "95 % interval"}}
	for _, unit := range []string{cpuUnit, p50Unit} {
		row := []string{titles[unit], "0", "-", "-", "-", "-", "-", "-"}
		var values, ratios []float64
		inOrder := make([]pair, 0, len(all))
		for _, p := range all {
			if a, b := p.a[unit], p.b[unit]; a > 0 && b > 0 {
				values, ratios = append(values, a), append(ratios, b/a)
			}
			if !p.aFirst {
				p.a, p.b = p.b, p.a
			}
			inOrder = append(inOrder, p)
		}
		if r, ok := compare(all, unit); ok {
			second, _ := compare(inOrder, unit)
			row = []string{
				titles[unit], fmt.Sprint(r.Pairs), seconds(median(values)), times(r.Estimate), interval(r),
				percent(deviation(ratios) / mean(ratios)), times(second.Estimate), interval(second),
			}
		}
		rows = append(rows, row)
	}
	return table(rows)
}

// missingText says how many pairs could not be used.
func missingText(failed int) string {
	if failed == 0 {
		return ""
	}
	return fmt.Sprintf("%s could not be used: one side or both have no figures.\n\n", count(failed, "pair"))
}

// judgedText explains the table of judged.
const judgedText = "The interval is that of Clopper and Pearson. Bold is the rule of the reports. Regrouped trials are made of the same pairs, in the order in which they were measured."

// trialsBar says whether so many trials were judged, and whether they have as
// many pairs as they must.
func trialsBar(p proportion, pairs, trials int, length string, right bool) bar {
	return bar{
		what:     "trials of " + count(pairs, "pair"),
		limit:    fmt.Sprintf("at least %d, of %s", trials, length),
		measured: fmt.Sprintf("%d judged", p.n),
		reached:  p.n >= trials && right,
	}
}

func median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	middle := len(s) / 2
	if len(s)%2 == 1 {
		return s[middle]
	}
	return (s[middle-1] + s[middle]) / 2
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// deviation is the standard deviation of a sample; 0 of a single value.
func deviation(values []float64) float64 {
	if len(values) < 2 {
		return 0
	}
	m, sum := mean(values), 0.0
	for _, v := range values {
		sum += (v - m) * (v - m)
	}
	return math.Sqrt(sum / float64(len(values)-1))
}

// caseText describes an open-loop case.
func caseText(c scenarios.Case) string {
	text := fmt.Sprintf("%s, %d B bodies, %v messages a second for %v, after a warm-up of %d deliveries",
		count(c.Clients, "client"), c.Size, c.Rate, c.Window, c.Warmup)
	if c.Repeats > 1 {
		text += fmt.Sprintf(", each side %d times in turn, of which the median counts", c.Repeats)
	}
	return text
}

// joined puts paragraphs together; empty ones are left out.
func joined(parts ...string) string {
	var b strings.Builder
	for _, p := range parts {
		if p != "" {
			b.WriteString(strings.TrimRight(p, "\n") + "\n\n")
		}
	}
	return b.String()
}

// byStack sorts cells by their stack, as the settings name them, then by round.
func byStack(d *data) []cell {
	sorted := slices.Clone(d.cells)
	slices.SortStableFunc(sorted, func(a, b cell) int {
		return cmp.Or(
			cmp.Compare(slices.Index(d.Settings.Stacks, a.Stack), slices.Index(d.Settings.Stacks, b.Stack)),
			cmp.Compare(a.Round, b.Round))
	})
	return sorted
}
