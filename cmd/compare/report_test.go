package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"wsvsio/internal/record"
)

// recorded is a run that is kept in the repository.
const recorded = "../../results/2026-11-25-go-alone"

// copied returns a copy of the recorded run, with a file of it changed.
func copied(t *testing.T, name string, change func([]byte) []byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(recorded)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		data, err := os.ReadFile(filepath.Join(recorded, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if f.Name() == name {
			data = change(data)
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name()), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// garbleLine replaces a line, from 1.
func garbleLine(n int) func([]byte) []byte {
	return func(data []byte) []byte {
		lines := bytes.Split(data, []byte("\n"))
		lines[n-1] = []byte("\x00\x1b[2J garbage")
		return bytes.Join(lines, []byte("\n"))
	}
}

// half cuts a file off in the middle.
func half(data []byte) []byte { return data[:len(data)/2] }

// The last line of run.json that is a cell.
func lastCell(t *testing.T) int {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(recorded, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	return 1 + bytes.Count(data[:bytes.LastIndex(data, []byte("\n{\"scenario\""))], []byte("\n")) + 1
}

func recordedText(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(recorded, "run.txt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Every format of a recorded run is printed.
func TestReportFormats(t *testing.T) {
	// The cells of a case differ in their stack alone.
	cells := map[string]bool{}
	for line := range strings.Lines(recordedText(t)) {
		if name, _, ok := strings.Cut(line, "/stack="); ok {
			cells[name] = true
		}
	}
	cases := len(cells)
	for format, check := range map[string]func(string) bool{
		"table":    func(s string) bool { return strings.Contains(s, "this run: wsvsio compare") },
		"markdown": func(s string) bool { return strings.Contains(s, "## broadcast / echo") },
		"json": func(s string) bool {
			var doc struct{ Groups []any }
			return json.Unmarshal([]byte(s), &doc) == nil && len(doc.Groups) == cases
		},
		"csv": func(s string) bool {
			lines, err := csv.NewReader(strings.NewReader(s)).ReadAll()
			return err == nil && len(lines) > 1000
		},
	} {
		status, stdout, stderr := compare(t, "report", "-format", format, recorded)
		if status != exitOK || stderr != "" || !check(stdout) {
			t.Errorf("%s: exit status %d, stderr %q, stdout %.200q", format, status, stderr, stdout)
		}
	}
}

// A damaged run is printed as far as it can be read, and what is wrong is told
// with its file and line.
func TestReportDamaged(t *testing.T) {
	n := lastCell(t)
	for name, tt := range map[string]struct {
		file   string
		change func([]byte) []byte
		want   string
	}{
		"a cell":   {"run.json", garbleLine(n), "run.json:" + strconv.Itoa(n) + ": this cell is left out"},
		"the end":  {"run.json", half, ": the file is cut off here"},
		"run.txt":  {"run.txt", garbleLine(30), "run.txt:30: neither a benchmark"},
		"half txt": {"run.txt", half, "cut off: the line has no end"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copied(t, tt.file, tt.change)
			for _, format := range []string{"table", "markdown", "json"} {
				status, stdout, stderr := compare(t, "report", "-format", format, dir)
				if status != exitError || !strings.Contains(stderr, "damaged: "+filepath.Join(dir, "run.")) ||
					!strings.Contains(stderr, tt.want) || !strings.Contains(stderr, "not everything could be read") {
					t.Errorf("%s: exit status %d, stderr %q", format, status, stderr)
				}
				if !strings.Contains(stdout, "fan-out") || !strings.Contains(stdout, "can be read") {
					t.Errorf("%s: the report does not show what is left, or does not say so:\n%s", format, stdout)
				}
				if strings.Contains(stdout+stderr, "\x1b") {
					t.Errorf("%s: a terminal would obey it", format)
				}
			}
		})
	}
	// Of this one nothing can be read.
	dir := copied(t, "run.json", func([]byte) []byte { return []byte("garbage") })
	status, stdout, stderr := compare(t, "report", dir)
	if status != exitError || stdout != "" || !strings.Contains(stderr, "run.json:1: damaged at byte 1") {
		t.Errorf("exit status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	// A log of problems has an end.
	dir = copied(t, "run.txt", func([]byte) []byte { return bytes.Repeat([]byte("x\n"), 100) })
	_, _, stderr = compare(t, "report", dir)
	if !strings.Contains(stderr, "damaged: 80 more") || strings.Count(stderr, "\n") > 30 {
		t.Errorf("stderr %s", stderr)
	}
}

// TestReportHistograms has the latencies of all rounds together say what those of
// each round say, and be as short as that.
func TestReportHistograms(t *testing.T) {
	status, stdout, stderr := compare(t, "report", "-format", "hlog", recorded)
	if status != exitOK || stderr != "" {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "latency.hlog"), []byte(stdout), 0o666); err != nil {
		t.Fatal(err)
	}
	want, _, err := record.ReadHistograms(recorded, true)
	if err != nil {
		t.Fatal(err)
	}
	got, problems, err := record.ReadHistograms(dir, false)
	if err != nil || len(problems) > 0 || len(got) != len(want) || len(want) == 0 {
		t.Fatal(len(got), len(want), problems, err)
	}
	for i, h := range got {
		if h.Tag() != want[i].Tag() || h.TotalCount() != want[i].TotalCount() || h.ValueAtQuantile(99) != want[i].ValueAtQuantile(99) {
			t.Errorf("%s: %d values, want %s with %d", h.Tag(), h.TotalCount(), want[i].Tag(), want[i].TotalCount())
		}
	}
}
