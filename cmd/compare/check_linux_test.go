package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// lines tells of each line that is written to it.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	on   func(string)
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(b)
	l.on(string(b))
	return len(b), nil
}

// TestCheckInterrupted ends a check early, at each of its steps.
func TestCheckInterrupted(t *testing.T) {
	dir := repository(t)
	for _, step := range []string{"building the head", "building the base", "measuring"} {
		for _, times := range []int{1, 2} {
			t.Run(step, func(t *testing.T) {
				unchanged(t, dir, func() {
					token := fmt.Sprintf("check-%d-%d", os.Getpid(), rand.Uint64())
					cmd := process(t.Context(), "check", "-against", goodTag+"~0", "-stack", "rawws,sio", "-case", "echo,steady", "-pairs", "1000")
					cmd.Env = append(cmd.Env, tokenEnv+"="+token)
					var once sync.Once
					stderr := &lines{on: func(line string) {
						if strings.Contains(line, step) {
							once.Do(func() {
								for range times {
									cmd.Process.Signal(syscall.SIGINT)
								}
							})
						}
					}}
					cmd.Stderr = stderr
					cmd.Run()
					if status := cmd.ProcessState.ExitCode(); status != exitInterrupted {
						t.Errorf("exit status %d: %s", status, stderr.text.String())
					}
					eventually(t, "all that it has started has ended", func() bool { return len(descendants(t, token)) == 0 })
				})
			})
		}
	}
}
