package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

// diffViews are the formats of a diff.
var diffViews = map[string]func(*report.Diff, io.Writer, []string) error{
	"table":    (*report.Diff).Table,
	"markdown": (*report.Diff).Markdown,
	"csv":      (*report.Diff).CSV,
}

func diffCommand(c *call) error {
	format := c.flags.String("format", "table", "table, markdown or csv (a line for each unit of each stack; all else goes to standard error)")
	list := c.flags.String("unit", "", "units to compare, as in run.txt, separated by commas, or all (default those that have a column in the report)")
	if err := c.parse("OLD", "NEW"); err != nil {
		return err
	}
	view, err := chooseFormat(*format, diffViews)
	if err != nil {
		return err
	}
	units := split(*list)
	if *list != "" && len(units) == 0 {
		return usagef("-unit names nothing")
	}
	var sides [2]report.Side
	var problems []record.Problem
	for i := range sides {
		side, wrong, err := open(c.flags.Arg(i))
		if err != nil {
			return err
		}
		sides[i] = side
		problems = append(problems, wrong...)
	}
	diff, err := report.NewDiff(sides[0], sides[1])
	if err != nil {
		return errors.Join(c.tell(problems), err)
	}
	if err := diff.Check(units); err != nil {
		return usagef("%v", err)
	}
	if *format == "csv" {
		for _, text := range diff.Remarks(units) {
			fmt.Fprintln(c.stderr, text)
		}
	}
	return errors.Join(view(diff, c.stdout, units), c.tell(problems))
}

// open reads what is to be compared: the folder of a run, or a file of Go
// benchmarks.
func open(name string) (report.Side, []record.Problem, error) {
	side := report.Side{Name: name}
	info, err := os.Stat(name)
	if err != nil {
		return side, nil, fmt.Errorf("read what is to be compared: %w", err)
	}
	if !info.IsDir() {
		var problems []record.Problem
		side.Text, problems, err = record.ReadText(name, false)
		return side, problems, err
	}
	file := filepath.Join(name, "run.txt")
	run, problems, err := record.Read(name)
	side.Run = run
	if err != nil {
		// The figures are in run.txt, too.
		var wrong []record.Problem
		text, wrong, textErr := record.ReadText(file, true)
		if textErr != nil {
			return side, nil, err
		}
		side.Text = text
		return side, append([]record.Problem{{File: name, Text: err.Error()}}, wrong...), nil
	}
	// What is wrong in it is among the problems already.
	side.Text, _, err = record.ReadText(file, true)
	if errors.Is(err, fs.ErrNotExist) {
		var text bytes.Buffer
		err = record.WriteText(&text, run)
		side.Text = text.Bytes()
	}
	return side, problems, err
}
