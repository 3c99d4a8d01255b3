package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
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
		if err := c.writePage(in); err != nil {
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

// mostBytes is how large a page becomes if it can be helped: it is to be sent.
const mostBytes = 1_000_000

// writePage writes a page with the code in pairs. Where it would be too large it
// has the beginnings of long files only: the figures are what it is for, and what
// is told in pairs comes first in its file.
func (c *call) writePage(in report.Whole) error {
	in.Code, in.NoCode = c.code()
	var html bytes.Buffer
	for _, lines := range []int{math.MaxInt, 240, 120, 60, 30} {
		html.Reset()
		shown := in
		shown.Code = beginnings(in.Code, lines)
		if err := report.HTML(&html, shown); err != nil {
			return err
		}
		if html.Len() <= mostBytes {
			break
		}
	}
	if _, err := c.stdout.Write(html.Bytes()); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}

// beginnings returns code whose files have so many lines at most.
func beginnings(code map[string][]report.CodePair, lines int) map[string][]report.CodePair {
	short := make(map[string][]report.CodePair)
	for scenario, pairs := range code {
		for _, p := range pairs {
			for i := range p.Sides {
				p.Sides[i].Text = beginning(p.Sides[i].Text, lines)
			}
			short[scenario] = append(short[scenario], p)
		}
	}
	return short
}

// beginning returns the first lines of a file, and says how many there are more.
func beginning(text string, most int) string {
	lines := strings.SplitAfter(text, "\n")
	if more := len(lines) - most; more > most/10 {
		return strings.Join(lines[:most], "") + fmt.Sprintf("\n// … and %d lines more in the repository\n", more)
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
			shown.Sides[i] = report.CodeFile{Path: path, Text: string(text)}
		}
		code[scenario] = append(code[scenario], shown)
	}
	return code, ""
}
