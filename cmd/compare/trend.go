package main

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"wsvsio/internal/record"
	"wsvsio/internal/trend"
)

// trendViews are the formats of a history.
var trendViews = map[string]func(*trend.History, io.Writer) error{
	"table":    (*trend.History).Table,
	"markdown": (*trend.History).Markdown,
	"svg":      (*trend.History).SVG,
	"html":     (*trend.History).HTML,
}

// defaultTrend are the units whose history is shown.
const defaultTrend = "server-cpu-sec/msg,p50-sec/msg,wire-B/msg,server-allocs/msg"

func trendCommand(c *call) error {
	format := c.flags.String("format", "table", "table, markdown, svg or html (a page with the charts, which fetches nothing)")
	unitList := c.flags.String("unit", defaultTrend, "units whose ratios are shown, separated by commas")
	caseList := c.flags.String("case", "", "cases to show, separated by commas (default all)")
	if err := c.parse("DIR"); err != nil {
		return err
	}
	view, err := chooseFormat(*format, trendViews)
	if err != nil {
		return err
	}
	units := split(*unitList)
	if len(units) == 0 {
		return usagef("-unit names nothing")
	}
	for _, u := range units {
		if !slices.ContainsFunc(record.Units, func(known record.Unit) bool { return known.Name == u }) {
			return usagef("unknown unit %q; they are as in run.txt, such as %s", u, defaultTrend)
		}
	}
	h, err := trend.Read(c.flags.Arg(0), units, split(*caseList))
	if err != nil {
		if h != nil {
			for _, p := range h.Problems {
				fmt.Fprintf(c.stderr, "damaged: %s\n", p)
			}
		}
		return err
	}
	if len(h.Lines) == 0 {
		return errors.New("none of the runs has a ratio of these units and cases: a stack is compared with its twin in the same round")
	}
	err = view(h, c.stdout)
	for _, p := range h.Problems {
		fmt.Fprintf(c.stderr, "damaged: %s\n", p)
	}
	if len(h.Problems) > 0 {
		err = errors.Join(err, errDamaged)
	}
	return err
}
