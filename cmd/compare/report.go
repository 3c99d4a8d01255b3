package main

import (
	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

func reportCommand(c *call) error {
	format := c.flags.String("format", "table", "table or markdown")
	if err := c.parse("RUN"); err != nil {
		return err
	}
	view := report.Table
	switch *format {
	case "table":
	case "markdown":
		view = report.Markdown
	default:
		return usagef("unknown format %q; there are markdown, table", *format)
	}
	run, err := record.Read(c.flags.Arg(0))
	if err != nil {
		return err
	}
	return view(c.stdout, run)
}
