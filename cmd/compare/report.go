package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

// views are the formats of a report. Those that are read begin with what the run
// says: what to choose, and which claims hold.
var views = map[string]func(io.Writer, *record.Run) error{
	"table":    first(report.Answers, report.Table),
	"markdown": first(report.AnswersMarkdown, report.Markdown),
	"csv":      report.CSV,
	"json":     report.JSON,
}

// first puts the answers before the tables.
func first(answers func(io.Writer, ...*record.Run) error, tables func(io.Writer, *record.Run) error) func(io.Writer, *record.Run) error {
	return func(w io.Writer, run *record.Run) error {
		if err := answers(w, run); err != nil {
			return err
		}
		return tables(w, run)
	}
}

// errDamaged says that not all of a run could be read; what and why has been
// told.
var errDamaged = errors.New("not everything could be read, see above")

func reportCommand(c *call) error {
	format := c.flags.String("format", "table", "table, markdown, csv (a line for each value of each round), json (internal/report/schema.json describes it), hlog (the latencies of all rounds together, an HdrHistogram log) or html (one page of several runs, with charts, which works offline)")
	charts := c.flags.String("charts", "", "write the charts of the page into this folder, too, an SVG file each, which Markdown can refer to; with no -format nothing else is printed")
	if err := c.parseFlags(); err != nil {
		return err
	}
	if *format == "html" || *charts != "" {
		return c.reportPage(*format == "html", c.given()["format"], *charts)
	}
	if err := c.parse("RUN"); err != nil {
		return err
	}
	if *format == "hlog" {
		return c.reportHistograms(c.flags.Arg(0))
	}
	view, err := chooseFormat(*format, views)
	if err != nil {
		return usagef("%v, hlog, html", err)
	}
	run, problems, err := record.Read(c.flags.Arg(0))
	if err != nil {
		return err
	}
	return errors.Join(view(c.stdout, run), c.tell(problems))
}

// reportHistograms prints the latencies of a run, all rounds together.
func (c *call) reportHistograms(dir string) error {
	run, problems, err := record.Read(dir)
	if err != nil {
		return err
	}
	list, more, err := record.ReadHistograms(dir, true)
	if err != nil {
		return err
	}
	return errors.Join(record.WriteHistograms(c.stdout, run.Started, list), c.tell(append(problems, more...)))
}

// tell writes what is wrong with the files of a run, and returns an error if
// there is something.
func (c *call) tell(problems []record.Problem) error {
	const most = 20
	for _, p := range problems[:min(len(problems), most)] {
		fmt.Fprintf(c.stderr, "damaged: %v\n", p)
	}
	if more := len(problems) - most; more > 0 {
		fmt.Fprintf(c.stderr, "damaged: %d more\n", more)
	}
	if len(problems) > 0 {
		return errDamaged
	}
	return nil
}

// chooseFormat picks a view by its name.
func chooseFormat[V any](name string, views map[string]V) (V, error) {
	view, ok := views[name]
	if !ok {
		names := slices.Sorted(maps.Keys(views))
		return view, usagef("unknown format %q; there are %s", name, strings.Join(names, ", "))
	}
	return view, nil
}
