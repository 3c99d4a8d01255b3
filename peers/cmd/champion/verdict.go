package main

import (
	"errors"
	"fmt"
	"io"

	"wsvsio/internal/record"
	"wsvsio/internal/stats"
	"wsvsio/peers"
	"wsvsio/scenarios"
)

// The stacks that the bars name.
const (
	champion = "rawws"
	floor    = "floor"
)

// cpu is the unit that both bars are about: CPU seconds of the server per
// delivered message.
const cpu = "server-cpu-sec/msg"

// bar is what the champion has to reach in a case, as a ratio to the best of
// the others.
type bar struct {
	name  string // of the case
	title string
	limit float64

	// invert has the ratios turned over: deliveries per CPU second instead of
	// CPU seconds per delivery. More is better then, and the limit is the least.
	invert bool
}

var bars = []bar{
	{name: "fan-out", limit: 1.05,
		title: "at 20 messages a second: CPU of the server per delivery, lower is better"},
	{name: "saturation", limit: 1.5, invert: true,
		title: "saturated: deliveries per CPU second of the server, higher is better"},
}

// text says what a bar asks for.
func (b bar) text() string {
	if b.invert {
		return fmt.Sprintf("at least %.2fx the best of them", b.limit)
	}
	return fmt.Sprintf("at most %.2fx the best of them", b.limit)
}

// met reports whether a ratio to the best of the others reaches the bar.
func (b bar) met(ratio float64) bool {
	if b.invert {
		return ratio >= b.limit
	}
	return ratio <= b.limit
}

// closer reports whether one ratio is harder for the champion than another:
// the peer to which it is the hardest is the best of them.
func (b bar) closer(one, other float64) bool {
	if b.invert {
		return one < other
	}
	return one > other
}

// pairs are the ratios of the champion to one other stack, one a round.
type pairs struct {
	stack  string
	median float64
	stats.Ratio
}

// verdict writes how the champion compares. It returns the bars as a Markdown
// table, and whether every one was met. What was not measured is an error.
func verdict(w io.Writer, run *record.Run) (table string, met bool, err error) {
	table, met = "| bar | limit | measured |  |\n|---|---|---|---|\n", true
	for _, b := range bars {
		row, ok, barErr := b.verdict(w, run)
		table += row
		met = met && ok
		err = errors.Join(err, barErr)
	}
	return table, met, err
}

// verdict writes one bar.
func (b bar) verdict(w io.Writer, run *record.Run) (row string, met bool, err error) {
	fmt.Fprintf(w, "%s\n", b.title)
	var best pairs
	var errs []error
	for _, s := range append(peers.Stacks(), scenarios.Stack{Name: floor}) {
		p, err := b.compare(run, s.Name)
		if err != nil {
			fmt.Fprintf(w, "  %s / %-10s  not measured: %v\n", champion, s.Name, err)
			errs = append(errs, fmt.Errorf("%s, %s: %w", b.name, s.Name, err))
			continue
		}
		fmt.Fprintf(w, "  %s / %-10s  %s\n", champion, s.Name, p)
		if s.Name != floor && (best.stack == "" || b.closer(p.median, best.median)) {
			best = p
		}
	}
	if len(errs) > 0 {
		return "", false, errors.Join(errs...)
	}
	met = b.met(best.median)
	word, mark := "met", "reached"
	if !met {
		word, mark = "NOT MET", "**missed**"
	}
	fmt.Fprintf(w, "  the bar: %s, which is %s: %s with %.2fx\n\n", b.text(), best.stack, word, best.median)
	row = fmt.Sprintf("| %s | %s | %.2fx %s, median of %d pairs | %s |\n", b.title, b.text(), best.median, best.stack, best.Pairs, mark)
	return row, met, nil
}

// String returns the median and the estimate with its interval.
func (p pairs) String() string {
	s := fmt.Sprintf("median %.3fx of %d pairs (%.3f-%.3f)  estimate %.3fx", p.median, p.Pairs, p.Min, p.Max, p.Estimate)
	if p.Confidence == 0 {
		return s + fmt.Sprintf(", no interval below %d pairs", stats.MinPairs)
	}
	return s + fmt.Sprintf(", %.3f-%.3f at %.0f %%", p.Low, p.High, 100*p.Confidence)
}

// compare pairs the champion with another stack. A round in which one of the
// two failed leaves no pair, and that is an error: the bar is on all rounds.
func (b bar) compare(run *record.Run, other string) (pairs, error) {
	p := pairs{stack: other}
	figures := make(map[string]map[int]float64)
	for _, c := range run.Cells {
		if v, ok := c.Value(cpu); ok && c.Case.Name == b.name && c.Measured() {
			if figures[c.Stack] == nil {
				figures[c.Stack] = make(map[int]float64)
			}
			figures[c.Stack][c.Round] = v
		}
	}
	var own, others, ratios []float64
	for round := 1; round <= run.Rounds; round++ {
		a, ok := figures[champion][round]
		z, paired := figures[other][round]
		if !ok || !paired {
			continue
		}
		if b.invert {
			a, z = z, a
		}
		own, others, ratios = append(own, a), append(others, z), append(ratios, a/z)
	}
	if len(own) < run.Rounds {
		return p, fmt.Errorf("%d of %d rounds have both figures", len(own), run.Rounds)
	}
	p.median = record.Median(ratios)
	var err error
	p.Ratio, err = stats.Compare(own, others)
	return p, err
}
