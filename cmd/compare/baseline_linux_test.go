package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestBaselineInterrupted ends a baseline early, at each of its steps: what it has
// built is gone, and there is no file.
func TestBaselineInterrupted(t *testing.T) {
	dir := repository(t)
	for _, step := range []string{"building the tree", "counting bytes"} {
		t.Run(step, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "baseline.txt")
			unchanged(t, dir, func() {
				token := fmt.Sprintf("baseline-%d-%d", os.Getpid(), rand.Uint64())
				cmd := process(t.Context(), "baseline", file)
				cmd.Env = append(cmd.Env, tokenEnv+"="+token)
				var once sync.Once
				stderr := &lines{on: func(line string) {
					if strings.Contains(line, step) {
						once.Do(func() { cmd.Process.Signal(syscall.SIGINT) })
					}
				}}
				cmd.Stderr = stderr
				cmd.Run()
				if status := cmd.ProcessState.ExitCode(); status != exitInterrupted {
					t.Errorf("exit status %d: %s", status, stderr.text.String())
				}
				eventually(t, "all that it has started has ended", func() bool { return len(descendants(t, token)) == 0 })
			})
			if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("there is a file: %v", err)
			}
		})
	}
}
