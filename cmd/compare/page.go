package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"wsvsio/internal/codesize"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

// reportPage writes one page of several runs, or the charts that are in it, or
// both. With charts alone it prints a table only if one was asked for, of which
// there can be one.
func (c *call) reportPage(page, format bool, charts string) error {
	dirs := c.flags.Args()
	if len(dirs) == 0 {
		return usagef("want RUN …, got 0 arguments")
	}
	if !page && format {
		return usagef("-charts goes with -format html, or alone")
	}
	var in report.Whole
	var problems []record.Problem
	var unread error
	for _, dir := range dirs {
		name := filepath.Base(filepath.Clean(dir))
		run, wrong, err := record.Read(dir)
		if err != nil { // the others are shown
			unread = errors.Join(unread, err)
			in.Unread = append(in.Unread, name+": "+strings.ReplaceAll(err.Error(), dir, name))
			continue
		}
		histograms, more, err := record.ReadHistograms(dir, true)
		if err != nil {
			more = append(more, record.Problem{File: filepath.Join(dir, "latency.hlog"), Text: strings.ReplaceAll(err.Error(), dir, name)})
		}
		wrong = append(wrong, more...)
		in.Runs = append(in.Runs, report.Recorded{Name: name, Run: run, Histograms: histograms, Problems: relative(dir, wrong)})
		problems = append(problems, wrong...)
	}
	if len(in.Runs) == 0 {
		return unread
	}
	if charts != "" {
		if err := writeCharts(charts, in.Runs); err != nil {
			return err
		}
	}
	if page {
		in.Command = report.ShellCommand(append([]string{"compare", "report", "-format", "html"}, c.asKept(dirs)...)...)
		in.Code, in.NoCode = c.code()
		if err := report.HTML(c.stdout, in); err != nil {
			return err
		}
	}
	return errors.Join(unread, c.tell(problems))
}

// relative names files within the folder of their run: where that is on this
// machine is nobody's business.
func relative(dir string, problems []record.Problem) []record.Problem {
	list := slices.Clone(problems)
	for i, p := range list {
		if name, err := filepath.Rel(dir, p.File); err == nil {
			list[i].File = name
		}
	}
	return list
}

// below names files in a text as they are called below a folder: where that is on
// this machine is nobody's business.
func below(folder, text string) string {
	return strings.ReplaceAll(text, folder+string(filepath.Separator), "")
}

// asKept names folders as they are called in the repository; of others the last
// element is enough.
func (c *call) asKept(dirs []string) []string {
	machine, _, err := c.look(nil)
	kept := make([]string, len(dirs))
	for i, dir := range dirs {
		kept[i] = filepath.Base(filepath.Clean(dir))
		if whole, wrong := filepath.Abs(dir); err == nil && wrong == nil && machine.Root != "" {
			if name, wrong := filepath.Rel(machine.Root, whole); wrong == nil && filepath.IsLocal(name) {
				kept[i] = filepath.ToSlash(name)
			}
		}
	}
	return kept
}

// writeCharts writes a file for each chart.
func writeCharts(dir string, runs []report.Recorded) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("make the folder for the charts: %w", err)
	}
	for _, chart := range report.Charts(runs) {
		f, err := os.Create(filepath.Join(dir, chart.Name+".svg"))
		if err != nil {
			return fmt.Errorf("write a chart: %w", err)
		}
		if err := errors.Join(chart.File(f), f.Close()); err != nil {
			return fmt.Errorf("write the chart %s: %w", chart.Name, err)
		}
	}
	return nil
}

// mostLines is how much of a file a page shows: a page of all runs is to stay
// below a megabyte, and what is told in pairs comes first in its file.
const mostLines = 120

// beginning returns the first lines of a file, and says how many there are more.
func beginning(text string) string {
	lines := strings.SplitAfter(text, "\n")
	if more := len(lines) - mostLines; more > mostLines/10 {
		return strings.Join(lines[:mostLines], "") + fmt.Sprintf("\n// … and %d lines more in the repository\n", more)
	}
	return text
}

// code returns the pairs of the repository that this program is run in, or why
// there are none.
func (c *call) code() (code map[string][]report.CodePair, why string) {
	machine, _, err := c.look(nil)
	if err != nil {
		return nil, err.Error()
	}
	if machine.Root == "" {
		return nil, "the folder of the repository was not found; run compare from inside the repository to add it"
	}
	pairs, err := codesize.Pairs(machine.Root)
	if err != nil {
		return nil, below(machine.Root, err.Error())
	}
	code = make(map[string][]report.CodePair)
	for _, p := range pairs {
		scenario := p.Scenario
		if scenario == "cluster" { // several nodes are asked about there
			scenario = "proxy"
		}
		shown := report.CodePair{Language: string(p.Language)}
		for i, path := range p.Paths {
			if path == "" {
				continue
			}
			text, err := os.ReadFile(filepath.Join(machine.Root, filepath.FromSlash(path)))
			if err != nil {
				return nil, below(machine.Root, err.Error())
			}
			shown.Sides[i] = report.CodeFile{Path: path, Text: beginning(string(text))}
		}
		code[scenario] = append(code[scenario], shown)
	}
	return code, ""
}
