package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

var update = flag.Bool("update", false, "write the samples in README.md anew")

const readme = "../../README.md"

// TestDocumented runs every "$ compare …" line of the README.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	lines := regexp.MustCompile(`(?m)^\$ compare(.*)$`).FindAllStringSubmatch(string(text), -1)
	if len(lines) == 0 {
		t.Error("README.md shows no command")
	}
	for _, l := range lines {
		args := strings.Fields(l[1])
		if slices.Contains(args, "-rounds") {
			args = append(args, "-out", filepath.Join(t.TempDir(), "run"))
		}
		if status, stdout, stderr := compare(t, args...); status != exitOK || stdout == "" {
			t.Errorf("compare%s: exit status %d\n%s%s", l[1], status, stdout, stderr)
		}
	}
}

// TestGuide parses every command in the guide for maintainers, in the README's
// section about it and in the workflow: all flags must be there.
func TestGuide(t *testing.T) {
	for _, name := range []string{"docs/check.md", "README.md", ".github/workflows/check.yml", "Makefile"} {
		text, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil {
			t.Fatal(err)
		}
		found := 0
		for _, m := range regexp.MustCompile("(?m)(?:^ *|^\t@|`|/)compare ((?:check|baseline|trend) -[^`>#\n]*)").FindAllStringSubmatch(string(text), -1) {
			args := strings.Fields(m[1])
			if args[0] == "trend" {
				args = args[:len(args)-1] // the folder ends the flags
			}
			found++
			if status, stdout, stderr := compare(t, append(args, "-h")...); status != exitOK || !strings.Contains(stdout, "Example:") {
				t.Errorf("%s: compare %s: exit status %d, %s", name, m[1], status, stderr)
			}
		}
		if found == 0 {
			t.Errorf("%s shows no command", name)
		}
	}
}

// TestSamples holds the tables in the README, the decision among them, against
// the runs they name.
func TestSamples(t *testing.T) {
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	sample := regexp.MustCompile(`(?s)(<!-- sample (\S+): ([^>]*) -->\n)(.*?)(<!-- end of sample -->)`)
	found := false
	updated := sample.ReplaceAllStringFunc(string(text), func(block string) string {
		found = true
		m := sample.FindStringSubmatch(block)
		run, problems, err := record.Read(filepath.Join("../..", m[2]))
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		var markdown bytes.Buffer
		if err := report.Markdown(&markdown, run); err != nil {
			t.Fatal(err)
		}
		want := "\n"
		for name := range strings.SplitSeq(m[3], ", ") {
			want += section(t, markdown.String(), " / "+name+":")
		}
		if want != m[4] && !*update {
			t.Errorf("the sample of %s differs from its run; write it anew: go test ./cmd/compare -run Samples -update", m[2])
		}
		return m[1] + want + m[5]
	})
	bars := regexp.MustCompile(`(?s)(<!-- bars ([^>]*) -->\n)(.*?)(<!-- end of bars -->)`)
	updated = bars.ReplaceAllStringFunc(updated, func(block string) string {
		m := bars.FindStringSubmatch(block)
		want := "\n| | must be | was | record |\n|:--|:--|:--|:--|\n"
		for item := range strings.SplitSeq(m[2], "; ") {
			dir, words, _ := strings.Cut(item, ": ")
			want += bar(t, strings.TrimSpace(dir), strings.TrimSpace(words))
		}
		want += "\n"
		if want != m[3] && !*update {
			t.Errorf("the bars differ from their records; write them anew: go test ./cmd/compare -run Samples -update\n%s", want)
		}
		return m[1] + want + m[4]
	})
	decisions := regexp.MustCompile(`(?s)(<!-- decision ([^>]*) -->\n)(.*?)(<!-- end of decision -->)`)
	updated = decisions.ReplaceAllStringFunc(updated, func(block string) string {
		m := decisions.FindStringSubmatch(block)
		var runs []*record.Run
		for dir := range strings.SplitSeq(m[2], ", ") {
			run, problems, err := record.Read(filepath.Join("../..", dir))
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			runs = append(runs, run)
		}
		var markdown bytes.Buffer
		if err := report.Decision(&markdown, runs...); err != nil {
			t.Fatal(err)
		}
		want := "\n" + regexp.MustCompile(`(?m)^## (.*)$`).ReplaceAllString(markdown.String(), "**$1**")
		if want != m[3] && !*update {
			t.Errorf("the decision differs from its runs; write it anew: go test ./cmd/compare -run Samples -update\n%s", want)
		}
		return m[1] + want + m[4]
	})
	if !found || !bars.MatchString(updated) || !decisions.MatchString(updated) {
		t.Error("README.md has no sample, no bars or no decision")
	}
	if *update {
		if err := os.WriteFile(readme, []byte(updated), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// notApplicable are the remarks whose reasons stand at the end of a report.
var notApplicable = regexp.MustCompile(`(?m)^- \*\*n/a\*\*: .*\n`)

// section returns the part of a report under the title that contains the
// words, with the title as a paragraph and without what is not applicable.
func section(t *testing.T, markdown, words string) string {
	t.Helper()
	for _, part := range strings.Split(markdown, "\n## ") {
		title, rest, _ := strings.Cut(strings.TrimPrefix(part, "## "), "\n")
		if strings.Contains(title, words) {
			rest = notApplicable.ReplaceAllString(rest, "")
			return "**" + title + "**\n\n" + strings.TrimSpace(rest) + "\n\n"
		}
	}
	t.Fatalf("the report has no section with %q in its title", words)
	return ""
}

// bar returns the row of an experiment's summary whose first cell contains the
// words.
func bar(t *testing.T, dir, words string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../results", dir, "summary.md"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if len(cells) == 4 && strings.HasPrefix(line, "| ") && strings.Contains(cells[0], words) {
			mark := ""
			if strings.TrimSpace(cells[3]) != "reached" {
				mark = " (" + strings.TrimSpace(cells[3]) + ")"
			}
			return fmt.Sprintf("| %s | %s | %s%s | [%s](results/%s) |\n",
				strings.TrimSpace(cells[0]), cells[1], cells[2], mark, dir, dir)
		}
	}
	t.Fatalf("results/%s has no bar with %q", dir, words)
	return ""
}
