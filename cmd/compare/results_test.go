package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"wsvsio/internal/record"
)

const results = "../../results"

// indexHead is what stands over the list of what was recorded.
const indexHead = `# What was recorded

Each folder is a run or an experiment, as it was written down while it was measured: nothing is changed afterwards. A run has ` + "`run.json`" + ` (all of it), ` + "`run.txt`" + ` (the Go
benchmark format, which benchstat reads) and ` + "`latency.hlog`" + ` (HdrHistogram); ` + "`compare report DIR`" + ` prints it. The ` + "`latency.hlog`" + ` of the full run has the rounds of a
series in one histogram (` + "`compare report -format hlog`" + `), because they were 20 MB. An experiment has ` + "`data.jsonl`" + ` and ` + "`summary.md`" + `, which ` + "`go run ./cmd/experiment summary DIR`" + `
makes from it. ` + "`experiment`" + ` is ` + "`go run ./cmd/experiment`" + `, and ` + "`champion`" + ` is ` + "`make champion`" + `. Figures of two folders may be of two processors: bytes and allocations can be compared between them, ratios somewhat
less, for they move with the processor, too, and times never. The commit is that of the day: the history was put together anew after some of them, which are no longer in it. What was run is kept in each folder.

| folder | measured with | processor | commit |
|:--|:--|:--|:--|
`

// TestIndex holds the list of what was recorded against the folders.
func TestIndex(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(results, "2*"))
	if err != nil || len(dirs) == 0 {
		t.Fatal(dirs, err)
	}
	slices.Sort(dirs)
	want := bytes.NewBufferString(indexHead)
	for _, dir := range dirs {
		name := filepath.Base(dir)
		command, processor, commit := ofExperiment(t, dir)
		if _, err := os.Stat(filepath.Join(dir, "run.json")); err == nil {
			run, problems, err := record.Read(dir)
			if err != nil || len(problems) > 0 {
				t.Fatal(err, problems)
			}
			command = strings.Join(append([]string{strings.TrimPrefix(run.Tool, "wsvsio ")}, run.Args...), " ")
			processor, commit = run.Environment.CPU, run.Environment.Commit
			if run.Environment.Dirty {
				commit += ", with changes on top"
			}
		}
		if command == "" || processor == "" || commit == "" {
			t.Errorf("%s does not say how it was measured: %q, %q, %q", name, command, processor, commit)
		}
		fmt.Fprintf(want, "| [%s](%s) | `%s` | %s | %s |\n", name, name, command, processor, commit)
	}
	kept(t, filepath.Join(results, "README.md"), want.Bytes())
}

// ofExperiment returns how an experiment was measured, from its summary.
func ofExperiment(t *testing.T, dir string) (command, processor, commit string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "summary.md"))
	if err != nil {
		return "", "", ""
	}
	row := func(name string) string {
		m := regexp.MustCompile(`(?m)^\| ` + name + ` \| (.*) \|$`).FindStringSubmatch(string(text))
		if m == nil {
			return ""
		}
		return strings.Trim(m[1], "`")
	}
	processor, _, _ = strings.Cut(row("machine"), ",")
	return row("measured with"), processor, row("commit")
}

// kept holds a file that is made from runs against what they make of it now.
func kept(t *testing.T, file string, want []byte) {
	t.Helper()
	have, err := os.ReadFile(file)
	if err == nil && bytes.Equal(have, want) {
		return
	}
	if !*update {
		t.Errorf("%s differs from its runs (%v); write it anew: go test ./cmd/compare -run '%s' -update", file, err, t.Name())
		return
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, want, 0o666); err != nil {
		t.Fatal(err)
	}
}

// published is the run of the full profile, and publishedCharts are those of its
// charts that the README shows.
const published = "2026-11-27-full"

var publishedCharts = []string{"broadcast-steady-latency", "broadcast-steady-ratios"}

// TestPublished holds the report of the full run, and the charts in the README,
// against the run.
func TestPublished(t *testing.T) {
	dir := filepath.Join(results, published)
	status, stdout, stderr := compare(t, "report", "-format", "markdown", dir)
	if status != exitOK || stderr != "" {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	kept(t, filepath.Join(dir, "report.md"), []byte(stdout))

	temp := t.TempDir()
	if status, _, stderr := compare(t, "report", "-charts", temp, dir); status != exitOK {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range publishedCharts {
		svg, err := os.ReadFile(filepath.Join(temp, name+".svg"))
		if err != nil {
			t.Error(err)
			continue
		}
		kept(t, filepath.Join(dir, name+".svg"), svg)
		if !strings.Contains(string(text), "(results/"+published+"/"+name+".svg)") {
			t.Errorf("the README does not show %s.svg", name)
		}
	}
}
