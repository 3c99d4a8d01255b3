package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsvsio/internal/codesize"
	"wsvsio/internal/conformance"
	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

func TestSize(t *testing.T) {
	status, stdout, stderr := compare(t, "size", "-format", "json")
	if status != exitOK {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	var r codesize.Report
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(r.Scenarios(), "broadcast") {
		t.Errorf("scenarios %v", r.Scenarios())
	}
	for _, b := range r.Behaviour {
		if len(b.Rows) == 0 {
			t.Errorf("%s: nobody gets anything for it", b.Scenario)
		}
		// Whichever run they are from, it is named, and no column is empty.
		if notes := strings.Join(b.Notes, "\n"); !strings.Contains(notes, "medians of results/") {
			t.Errorf("%s: of which run are its figures? %s", b.Scenario, notes)
		}
		for i := range b.Columns {
			if !slices.ContainsFunc(b.Rows, func(row codesize.Gained) bool { return row.Cells[i] != "-" }) {
				t.Errorf("%s: nobody has %q", b.Scenario, b.Columns[i])
			}
		}
		for _, row := range b.Rows {
			if len(row.Cells) != len(b.Columns) || row.Cells[0] == "0" {
				t.Errorf("%s: %+v in %q", b.Scenario, row, b.Columns)
			}
		}
	}
	text := strings.Join(strings.Fields(stdout), " ")
	for _, want := range []string{
		"oversized-reason", `"25"`, "flaky", // what one gets for it
		"stacktest utf8", "compare conformance: ack-empty", // open defects
	} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %q", want)
		}
	}
	for _, l := range r.Libraries {
		if (len(l.Defects) > 0) != (l.Name == goSocketIO) {
			t.Errorf("%s has %d defects", l.Name, len(l.Defects))
		}
	}
}

// TestWidest prefers a run of two stacks to newer ones of one, of none that the
// suite has, and of another scenario.
func TestWidest(t *testing.T) {
	of := func(scenario string, stacks ...string) pastRun {
		r := &record.Run{}
		for _, name := range stacks {
			r.Stacks = append(r.Stacks, scenarios.Stack{Name: name})
			r.Cells = append(r.Cells, record.Cell{
				Scenario: scenario, Stack: name, Round: 1, Values: []record.Value{{Unit: "lost", V: 1}},
			})
		}
		return pastRun{"results/" + strings.Join(stacks, "+"), r}
	}
	runs := []pastRun{
		of("reconnect", "rawws", "sio", "sio-node"), of("broadcast", "melody", "gws", "centrifuge"),
		of("broadcast", "rawws"), of("broadcast", "rawws", "sio"), of("broadcast", "rawws", "sio-node"),
	}
	groups, measured := widest(runs, "broadcast")
	if !strings.Contains(measured, "medians of results/rawws+sio ") || len(groups) != 1 || len(groups[0].Rows) != 2 {
		t.Errorf("took %q, %+v", measured, groups)
	}
	if groups, _ := widest(runs, "proxy"); groups != nil {
		t.Errorf("of proxy: %+v", groups)
	}
}

func TestSideBySide(t *testing.T) {
	t.Setenv("COLUMNS", "163")
	status, stdout, stderr := compare(t, "size", "-side-by-side", "broadcast", "-language", "go")
	if status != exitOK || stderr != "" && !strings.Contains(stderr, "left out") {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	for _, want := range []string{"rawws/server.go", "│ sio/server.go", "[Server.join, line ", "statements", "func (s *Server) join("} {
		if !strings.Contains(stdout, want) {
			t.Errorf("lacks %q", want)
		}
	}
	if strings.Contains(stdout, ".mjs") {
		t.Error("has modules, too")
	}
	status, stdout, stderr = compare(t, "size", "-side-by-side", "dance")
	if status != exitUsage || stdout != "" || !strings.Contains(stderr, `no code of its own for "dance"; there is for broadcast`) {
		t.Errorf("exit status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

// TestSizeBad is a repository with a file that does not parse, on a machine
// without Go.
func TestSizeBad(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	copied := t.TempDir()
	for _, name := range []string{"go.mod", "rawws", "sio"} {
		copyTree(t, filepath.Join(root, name), filepath.Join(copied, name))
	}
	if err := os.WriteFile(filepath.Join(copied, "sio/client.go"), []byte("package sio\n\nfunc (\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Chdir(copied)
	t.Setenv("PATH", t.TempDir())
	for _, args := range [][]string{{"size"}, {"size", "-side-by-side", "broadcast"}} {
		status, stdout, stderr := compare(t, args...)
		if status != exitError || !strings.Contains(stdout, "rawws/server.go") {
			t.Errorf("%q: exit status %d, stdout %s", args, status, stdout)
		}
		for _, want := range []string{
			"failed: sio/client.go: ", "left out: its figures",
			"failed: go: the Go toolchain is not installed", "not everything could be measured",
			"the bundle of socket.io-client", "npm ci --prefix sio/node",
		} {
			if !strings.Contains(stderr, want) {
				t.Errorf("%q: stderr lacks %q:\n%s", args, want, stderr)
			}
		}
	}
	if status, _, stderr := compare(t, "size", "-run", t.TempDir()); status != exitError || !strings.Contains(stderr, "does not hold a run") {
		t.Errorf("exit status %d, %s", status, stderr)
	}
}

func TestSizeElsewhere(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(exe), "go.mod")); !errors.Is(err, os.ErrNotExist) {
		t.Skip("the test runs inside a repository")
	}
	t.Chdir(t.TempDir())
	if status, stdout, stderr := compare(t, "size"); status != exitError || stdout != "" || !strings.Contains(stderr, "inside the repository") {
		t.Errorf("exit status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

func TestConformance(t *testing.T) {
	status, stdout, stderr := compare(t, "conformance", "-format", "json")
	if status != exitOK {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	var doc conformanceDoc
	if err := json.Unmarshal([]byte(stdout), &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Targets)+len(doc.LeftOut) != len(conformance.Targets()) || len(doc.Targets) == 0 {
		t.Fatalf("%d targets, %v left out", len(doc.Targets), doc.LeftOut)
	}
	for _, target := range doc.Targets {
		if len(target.Results) != len(conformance.Checks()) || len(target.Meetings) != 2 {
			t.Errorf("%s: %d results, %d meetings", target.Name, len(target.Results), len(target.Meetings))
		}
		if len(target.Misuse) != len(conformance.BadInputs()) {
			t.Errorf("%s: %d of %d bad inputs", target.Name, len(target.Misuse), len(conformance.BadInputs()))
		}
		if len(doc.LeftOut) == 0 && !strings.Contains(target.Client, "cannot connect") {
			t.Errorf("%s: a client of the other version says %q", target.Name, target.Client)
		}
	}
	for name, view := range conformanceViews {
		var b strings.Builder
		if err := view(doc, &b); err != nil || !strings.Contains(b.String(), "ack-empty") ||
			!strings.Contains(b.String(), "polls-at-once") || !strings.Contains(b.String(), "the session has ended") && name != "json" {
			t.Errorf("%s: %v\n%s", name, err, b.String())
		}
	}
}
