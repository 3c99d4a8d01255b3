package main

import (
	"encoding/csv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// faster has the server of rawws use half the CPU, and another version of Go.
func faster(data []byte) []byte {
	var out []string
	for line := range strings.Lines(string(data)) {
		fields := strings.Fields(line)
		for i, f := range fields {
			if i > 0 && f == "server-cpu-sec/msg" && strings.Contains(fields[0], "stack=rawws-2") {
				v, err := strconv.ParseFloat(fields[i-1], 64)
				if err != nil {
					panic(err)
				}
				fields[i-1] = strconv.FormatFloat(v/2, 'g', -1, 64)
			}
		}
		out = append(out, strings.Join(fields, " ")+"\n")
	}
	return []byte(strings.Join(out, ""))
}

// casesWith counts the cases in which the recorded run has a figure of rawws.
func casesWith(t *testing.T, unit string) int {
	t.Helper()
	cases := map[string]bool{}
	for line := range strings.Lines(recordedText(t)) {
		if name, _, _ := strings.Cut(line, " "); strings.Contains(name, "stack=rawws-2") && strings.Contains(line, " "+unit) {
			cases[name] = true
		}
	}
	if len(cases) < 3 {
		t.Fatalf("only %d cases with %s", len(cases), unit)
	}
	return len(cases)
}

func TestDiff(t *testing.T) {
	newer := copied(t, "run.txt", faster)
	bare := filepath.Join(newer, "run.txt")
	whole := copied(t, "run.txt", faster)
	if err := os.Remove(filepath.Join(whole, "run.txt")); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args []string
		want []string
	}{
		{[]string{recorded, newer}, []string{"broadcast / echo: 1 client", "-50 % p=0.0", "only bytes", "tests would be called a change"}},
		{[]string{recorded, bare}, []string{"-50 % p=0.0", "benchmarks alone", "new does not tell its cores"}},
		{[]string{bare, bare}, []string{"nothing that was recorded"}},
		{[]string{"-format", "markdown", recorded, newer}, []string{"## broadcast / steady", "-50 % p=0.0"}},
		{[]string{"-unit", "wire-B/msg,lost", recorded, newer}, []string{"wire bytes", "lost", "="}},
		{[]string{"-unit", "all", recorded, newer}, []string{"load's memory", "late p99"}},
		// Without run.txt the figures are those of run.json.
		{[]string{recorded, whole}, []string{"~ p=1.000", "nothing that was recorded"}},
	} {
		status, stdout, stderr := compare(t, append([]string{"diff"}, tt.args...)...)
		if status != exitOK || stderr != "" {
			t.Errorf("%v: exit status %d, stderr %q", tt.args, status, stderr)
		}
		for _, want := range tt.want {
			if !strings.Contains(strings.ToLower(stdout), strings.ToLower(want)) {
				t.Errorf("%v: %q is not in\n%s", tt.args, want, stdout)
			}
		}
	}
	status, stdout, stderr := compare(t, "diff", "-format", "csv", recorded, newer)
	lines, err := csv.NewReader(strings.NewReader(stdout)).ReadAll()
	if status != exitOK || err != nil || len(lines) < 50 || !strings.Contains(stderr, "compared unpaired") {
		t.Errorf("as csv: exit status %d, %d lines, %v, stderr %q", status, len(lines), err, stderr)
	}
	changed := 0
	for _, line := range lines[1:] {
		if line[len(line)-1] == "different" {
			changed++
			if line[6] != "rawws" || line[7] != "server-cpu-sec/msg" {
				t.Errorf("called different: %q", line)
			}
		}
	}
	if want := casesWith(t, "server-cpu-sec/msg"); changed != want {
		t.Errorf("%d changes, want one for each of the %d cases in which it uses half the CPU", changed, want)
	}
}

func TestDiffWrong(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("PASS\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		args   []string
		status int
		want   string
	}{
		{nil, exitUsage, "want OLD NEW"},
		{[]string{recorded}, exitUsage, "got 1 arguments"},
		{[]string{"-format", "json", recorded, recorded}, exitUsage, `unknown format "json"; there are csv, markdown, table`},
		{[]string{"-unit", "p51", recorded, recorded}, exitUsage, `unknown unit "p51"; there are all, client-B/conn, `},
		{[]string{"-unit", ",", recorded, recorded}, exitUsage, "-unit names nothing"},
		{[]string{recorded, "nowhere"}, exitError, "no such file"},
		{[]string{recorded, t.TempDir()}, exitError, "does not hold a run"},
		{[]string{recorded, empty}, exitError, "empty holds no figures: give the folder of a run, or the output of go test -bench"},
	} {
		status, stdout, stderr := compare(t, append([]string{"diff"}, tt.args...)...)
		if status != tt.status || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit status %d, stdout %q, stderr %q", tt.args, status, stdout, stderr)
		}
	}
}

// What is whole of damaged runs is compared.
func TestDiffDamaged(t *testing.T) {
	for name, dir := range map[string]string{
		"run.json:" + strconv.Itoa(lastCell(t)) + ": this cell is left out": copied(t, "run.json", garbleLine(lastCell(t))),
		"run.txt:30: neither a benchmark":                                   copied(t, "run.txt", garbleLine(30)),
		"run.json:1: damaged at byte 1":                                     copied(t, "run.json", func([]byte) []byte { return []byte("garbage") }),
	} {
		status, stdout, stderr := compare(t, "diff", recorded, dir)
		if status != exitError || !strings.Contains(stderr, name) || !strings.Contains(stderr, "not everything could be read") {
			t.Errorf("%s: exit status %d, stderr %q", name, status, stderr)
		}
		if !strings.Contains(stdout, "broadcast / connect") || !strings.Contains(stdout, "~ p=") {
			t.Errorf("%s: nothing is compared:\n%s", name, stdout)
		}
	}
}
