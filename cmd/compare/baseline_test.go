package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wsvsio/internal/regress"
)

// program builds the command of a commit of the repository that checks are
// tried in: what a baseline holds is counted on the program itself.
func program(t *testing.T, dir, tag string) string {
	t.Helper()
	if _, err := git(dir, "checkout", "--quiet", "--detach", tag); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := git(dir, "checkout", "--quiet", "main"); err != nil {
			t.Error(err)
		}
	})
	out := filepath.Join(t.TempDir(), "compare")
	cmd := exec.Command("go", "build", "-o", out, "./cmd/compare")
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return out
}

// in runs a command in a folder.
func in(t *testing.T, dir, name string, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, err strings.Builder
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &err
	cmd.Run()
	return cmd.ProcessState.ExitCode(), out.String(), err.String()
}

// TestBaseline writes a baseline, holds the same code against it, and then code
// whose server sends one more byte and allocates once more.
func TestBaseline(t *testing.T) {
	dir := repository(t)
	file := filepath.Join(t.TempDir(), "of", "baseline.txt")
	good := program(t, dir, goodTag)
	status, stdout, stderr := in(t, dir, good, "baseline", file)
	if status != exitOK || !strings.Contains(stdout, "new: ") || !strings.Contains(stderr, "is new") {
		t.Fatalf("write it: exit status %d\n%s%s", status, stdout, stderr)
	}
	b, err := regress.ReadBaseline(file)
	if err != nil {
		t.Fatal(err)
	}
	place := regress.Place{Series: "Broadcast/case=echo/clients=1/size=128/rate=2000", Stack: "rawws", Unit: "wire-down-B/msg"}
	if f, ok := b.Of(place); !ok || f.Values[0] != 212 {
		t.Errorf("%v: %v, %t", place, f.Values, ok)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "cpu:") {
		t.Error("what is exact is tied to a machine")
	}

	status, stdout, stderr = in(t, dir, good, "check", "-baseline", file)
	if status != exitOK || !strings.Contains(stdout, "no regression: ") || !strings.Contains(stdout, "exact figures that are the same: ") || strings.Contains(stdout, "what is different") {
		t.Errorf("the same code: exit status %d\n%s%s", status, stdout, stderr)
	}
	// Written again it is the same file.
	if status, stdout, stderr := in(t, dir, good, "baseline", file); status != exitOK {
		t.Errorf("write it again: exit status %d\n%s%s", status, stdout, stderr)
	}
	if again, err := os.ReadFile(file); err != nil || string(again) != string(text) {
		t.Errorf("%v: it has changed:\n%s\n%s", err, text, again)
	}

	// A cell that is not there any more.
	gone := filepath.Join(t.TempDir(), "gone.txt")
	if err := os.WriteFile(gone, []byte(strings.ReplaceAll(string(text), "case=echo", "case=yodel")), 0o666); err != nil {
		t.Fatal(err)
	}
	status, stdout, _ = in(t, dir, good, "check", "-baseline", gone)
	if status != exitError || !strings.Contains(stdout, "there is no such cell any more: Broadcast/case=yodel") {
		t.Errorf("a cell that is gone: exit status %d\n%s", status, stdout)
	}
	// Another toolchain.
	other := filepath.Join(t.TempDir(), "other.txt")
	if err := os.WriteFile(other, []byte(strings.ReplaceAll(string(text), "\ngo: ", "\ngo: another ")), 0o666); err != nil {
		t.Fatal(err)
	}
	status, stdout, _ = in(t, dir, good, "check", "-baseline", other)
	if status != exitOK || !strings.Contains(stdout, "figures that depend on the toolchain: go is") {
		t.Errorf("another toolchain: exit status %d\n%s", status, stdout)
	}

	waste := program(t, dir, wasteTag)
	status, stdout, stderr = in(t, dir, waste, "check", "-baseline", file)
	for _, want := range []string{"regression: ", `bytes down +│ +212 │ +213 `, `allocations +│ +15\.[0-9]+ │ +1[67]\.`, "statements", "compare baseline writes it down"} {
		if status != exitRegression || !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("one more byte: exit status %d, lacks %q\n%s%s", status, want, stdout, stderr)
		}
	}
	status, stdout, stderr = in(t, dir, waste, "baseline", file)
	if status != exitOK || !strings.Contains(stdout, "wire-down-B/msg") || !strings.Contains(stdout, "213") || strings.Contains(stdout, "stack=sio ") {
		t.Errorf("write what has changed: exit status %d\n%s%s", status, stdout, stderr)
	}
}

// TestBaselineBad is a file that cannot be held against.
func TestBaselineBad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		t.Helper()
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	foreign := write("foreign.txt", "goos: linux\nBenchmarkX 1 2 ns/op\n")
	newer := write("newer.txt", "baseline: 2\nBenchmarkX/stack=rawws 1 2 statements\n")
	elsewhere := write("elsewhere.txt", "baseline: 1\ngoos: linux\ncpu: an abacus\nBenchmarkBroadcast/case=echo/clients=1/stack=rawws 1 1.2 "+regress.CPURatio+"\n")
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"check", "-baseline", filepath.Join(dir, "none.txt")}, "write one: compare baseline"},
		{[]string{"check", "-baseline", foreign}, "not a baseline"},
		{[]string{"check", "-baseline", newer}, "has format 2"},
		{[]string{"check", "-times", "-baseline", elsewhere}, "are not of this machine"},
		{[]string{"baseline", foreign}, "not a baseline"},
		{[]string{"baseline", newer}, "has format 2"},
	} {
		before, _ := os.ReadFile(tt.args[len(tt.args)-1])
		status, stdout, stderr := compare(t, tt.args...)
		if status != exitError || stdout != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%v: exit status %d, stdout %q, stderr %q", tt.args, status, stdout, stderr)
		}
		if after, _ := os.ReadFile(tt.args[len(tt.args)-1]); string(after) != string(before) {
			t.Errorf("%v: the file has changed", tt.args)
		}
	}
}
