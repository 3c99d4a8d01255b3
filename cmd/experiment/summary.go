package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"wsvsio/internal/stats"
)

// The units that are compared.
const (
	cpuUnit = "server-cpu-sec/msg"
	p50Unit = "p50-sec/msg"
)

// titles are what the summary calls them.
var titles = map[string]string{
	cpuUnit: "server CPU per delivery",
	p50Unit: "p50 latency",
}

// summary is what an experiment has shown, without what all have in common.
type summary struct {
	title string
	bars  []bar
	text  string // Markdown
}

// bar is something that must be reached, or stands beside what must.
type bar struct {
	what, limit, measured string
	reached               bool
	beside                bool
}

// summarise makes the text of summary.md, and says whether all bars were
// reached and all was measured.
func summarise(d *data) (text string, reached bool, err error) {
	i := slices.IndexFunc(experiments(), func(e experiment) bool { return e.name == d.Experiment })
	if i < 0 {
		return "", false, fmt.Errorf("this program knows no experiment %q", d.Experiment)
	}
	if len(d.Settings.Stacks) == 0 && d.Experiment != receive.name {
		return "", false, errors.New("the settings name no stack")
	}
	sum := experiments()[i].summarise(d)
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", sum.title)
	reached = true
	if why := d.partial(); why != "" {
		reached = false
		fmt.Fprintf(&b, "**Not all of it was measured: %s.**\n\n", cleaned(why))
	}
	if len(d.damaged) > 0 {
		fmt.Fprintf(&b, "**%s of the data could not be read.**\n\n", count(len(d.damaged), "line"))
	}
	if len(sum.bars) > 0 {
		rows := [][]string{{"bar", "limit", "measured", ""}}
		for _, r := range sum.bars {
			verdict := "reached"
			switch {
			case r.beside:
				verdict = "no bar"
			case !r.reached:
				verdict, reached = "**missed**", false
			}
			rows = append(rows, []string{r.what, r.limit, r.measured, verdict})
		}
		b.WriteString(table(rows))
		b.WriteString("\n")
	}
	b.WriteString(sum.text)
	b.WriteString(failures(d))
	b.WriteString(circumstances(d))
	return b.String(), reached, nil
}

// shown is how many failures, and how many doubts, are listed.
const shown = 10

// failures lists cells that failed, and counts the doubts.
func failures(d *data) string {
	var b strings.Builder
	var failed []cell
	doubts := make(map[string]int)
	for _, c := range d.cells {
		if c.Error != "" {
			failed = append(failed, c)
		}
		for _, doubt := range c.Doubts {
			doubts[doubt]++
		}
	}
	if len(failed) > 0 {
		fmt.Fprintf(&b, "## Failed\n\n%d of %s have no figures:\n\n", len(failed), count(len(d.cells), "cell"))
		for i, c := range failed {
			if i == shown {
				fmt.Fprintf(&b, "- and %d more\n", len(failed)-shown)
				break
			}
			where := c.Case + " on " + c.Stack
			if c.Phase != "" {
				where = c.Phase + ": " + where
			}
			if c.Trial > 0 {
				where += fmt.Sprintf(", trial %d", c.Trial)
			}
			fmt.Fprintf(&b, "- %s, round %d: %s\n", where, c.Round, cleaned(c.Error))
		}
		b.WriteString("\n")
	}
	if len(doubts) > 0 {
		b.WriteString("## Doubts\n\n")
		var texts []string
		for text := range doubts {
			texts = append(texts, text)
		}
		slices.SortFunc(texts, func(a, b string) int {
			if doubts[a] != doubts[b] {
				return doubts[b] - doubts[a]
			}
			return strings.Compare(a, b)
		})
		for _, text := range texts[:min(shown, len(texts))] {
			fmt.Fprintf(&b, "- in %d of %s: %s\n", doubts[text], count(len(d.cells), "cell"), cleaned(text))
		}
		b.WriteString("\n")
	}
	return b.String()
}

// circumstances says where and how it was measured.
func circumstances(d *data) string {
	e := d.Environment
	commit := e.Commit
	switch {
	case commit == "":
		commit = "not known"
	case e.Dirty:
		commit += ", with changes on top"
	}
	var libraries []string
	for name, version := range e.Libraries {
		libraries = append(libraries, name+" "+version)
	}
	slices.Sort(libraries)
	pinned := "server and clients share all cores"
	if e.Pinned {
		pinned = "the server has one to itself"
	}
	rows := [][]string{
		{"measured with", "`experiment " + strings.Join(d.Args, " ") + "`"},
		{"seed", fmt.Sprint(d.Seed)},
		{"started", d.Started.UTC().Format("2006-01-02 15:04:05 UTC")},
		{"commit", commit},
		{"machine", fmt.Sprintf("%s, %s; %s", e.CPU, count(e.Cores, "core"), pinned)},
		{"system", fmt.Sprintf("%s/%s %s", e.OS, e.Arch, e.Kernel)},
		{"load average before", fmt.Sprintf("%.2f, %.2f, %.2f over 1, 5 and 15 minutes", e.LoadAverage[0], e.LoadAverage[1], e.LoadAverage[2])},
		{"Go", e.Go},
	}
	if d.end != nil {
		rows = slices.Insert(rows, 3, []string{"finished", d.end.Finished.UTC().Format("2006-01-02 15:04:05 UTC")})
	}
	for _, a := range d.again {
		on := a.Environment.Commit
		if on == commit {
			on = "the same commit"
		}
		rows = append(rows, []string{"gone on with", fmt.Sprintf("%s, on %s, load average before %.2f, %.2f, %.2f",
			a.Started.UTC().Format("2006-01-02 15:04:05 UTC"), cleaned(on), a.Environment.LoadAverage[0], a.Environment.LoadAverage[1], a.Environment.LoadAverage[2])})
	}
	if e.Node != "" {
		rows = append(rows, []string{"Node", e.Node})
	}
	rows = append(rows, []string{"libraries", strings.Join(libraries, ", ")})
	return "## How it was measured\n\n" + table(append([][]string{{"", ""}}, rows...)) +
		"\nEvery figure is in `" + dataName + "`; `experiment summary` makes this page from it.\n"
}

// cleaned puts a text on one line, at which Markdown finds nothing.
func cleaned(text string) string {
	return strings.NewReplacer("\n", " ", "\t", "", "|", "\\|", "<", "&lt;").Replace(text)
}

// table is a Markdown table; the first row is its head.
func table(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// compare takes the ratios of b to a. It is false if there is no pair in which
// both have the unit.
func compare(pairs []pair, unit string) (stats.Ratio, bool) {
	var own, base []float64
	for _, p := range pairs {
		if a, b := p.a[unit], p.b[unit]; a > 0 && b > 0 {
			own, base = append(own, b), append(base, a)
		}
	}
	if len(own) == 0 {
		return stats.Ratio{}, false
	}
	r, err := stats.Compare(own, base)
	return r, err == nil
}

// The forms of figures in a table.

func percent(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

func percents(low, high float64) string {
	return fmt.Sprintf("%.1f to %.1f %%", 100*low, 100*high)
}

func times(ratio float64) string { return fmt.Sprintf("%.3fx", ratio) }

// interval is the one of a ratio, if there is one.
func interval(r stats.Ratio) string {
	if r.Confidence == 0 {
		return fmt.Sprintf("none from %s", count(r.Pairs, "pair"))
	}
	return fmt.Sprintf("%.3f to %.3fx", r.Low, r.High)
}

// seconds are three digits of a time.
func seconds(v float64) string {
	switch {
	case math.Abs(v) < 1e-6:
		return fmt.Sprintf("%.3g ns", v*1e9)
	case math.Abs(v) < 1e-3:
		return fmt.Sprintf("%.3g µs", v*1e6)
	case math.Abs(v) < 1:
		return fmt.Sprintf("%.3g ms", v*1e3)
	}
	return fmt.Sprintf("%.3g s", v)
}
