package main

import (
	"errors"
	"io"
	"path/filepath"

	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

// claimViews are the formats of what runs say.
var claimViews = map[string]func(w io.Writer, names []string, runs ...*record.Run) error{
	"table":    report.Claims,
	"markdown": func(w io.Writer, _ []string, runs ...*record.Run) error { return report.AnswersMarkdown(w, runs...) },
}

// claimsCommand tells what runs say of the claims. There may be several, because a
// scenario is often recorded by itself; a ratio is of one run all the same.
func claimsCommand(c *call) error {
	format := c.flags.String("format", "table", "table (with the rules and every cell that they read) or markdown; report -format json has all of it for programs")
	if err := c.parseFlags(); err != nil {
		return err
	}
	if c.flags.NArg() == 0 {
		return usagef("want RUN [RUN …], got no arguments; of what several have measured the first counts")
	}
	view, err := chooseFormat(*format, claimViews)
	if err != nil {
		return err
	}
	var names []string
	var runs []*record.Run
	var problems []record.Problem
	var unread []error
	for _, name := range c.flags.Args() {
		run, wrong, err := record.Read(name)
		if err != nil {
			unread = append(unread, err) // the others may say enough
			continue
		}
		names, runs, problems = append(names, filepath.Base(filepath.Clean(name))), append(runs, run), append(problems, wrong...)
	}
	if len(runs) == 0 {
		return errors.Join(unread...)
	}
	return errors.Join(append([]error{view(c.stdout, names, runs...), c.tell(problems)}, unread...)...)
}
