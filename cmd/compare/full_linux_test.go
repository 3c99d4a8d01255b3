package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"wsvsio/internal/record"
)

// TestFullDisk runs the command where its files may not grow beyond some
// kilobytes, which ends a write as a full disk does.
func TestFullDisk(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	cmd := process(t.Context(), "-case", "connect", "-stack", "rawws", "-rounds", "60", "-out", dir)
	// A block is 512 or 1024 bytes, and a cell some thousand.
	cmd.Args = append([]string{"sh", "-c", `ulimit -f 24 && exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitError {
		t.Errorf("ended with %v\n%s", err, &stderr)
	}
	for _, want := range []string{"record broadcast/connect on rawws, round ", "file too large", "what was measured before is in " + dir} {
		if !strings.Contains(stderr.String(), want) {
			t.Errorf("stderr lacks %q:\n%s", want, &stderr)
		}
	}
	if !strings.Contains(stdout.String(), "PARTIAL RUN") || !strings.Contains(stdout.String(), "connect bytes") {
		t.Errorf("what was measured is not printed:\n%s", &stdout)
	}
	run, problems, err := record.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
	if !run.Partial || len(run.Cells) == 0 || len(run.Cells) >= 60 {
		t.Errorf("partial %t, %d cells", run.Partial, len(run.Cells))
	}
	files, err := os.ReadDir(dir)
	if err != nil || len(files) != 2 {
		t.Errorf("the folder holds %v, %v", files, err)
	}
}
