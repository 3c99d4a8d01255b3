package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/regress"
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

// TestCheckInterrupted ends a check early, at each of its steps, by Ctrl-C or with
// its terminal.
func TestCheckInterrupted(t *testing.T) {
	dir := repository(t)
	for _, step := range []string{"building the head", "building the base", "measuring"} {
		for _, signals := range [][]syscall.Signal{{syscall.SIGINT}, {syscall.SIGINT, syscall.SIGINT}, {syscall.SIGHUP}} {
			t.Run(step, func(t *testing.T) {
				if signals[0] == syscall.SIGHUP && signal.Ignored(syscall.SIGHUP) {
					t.Skip("the tests do not end with their terminal, and nothing that they start does")
				}
				unchanged(t, dir, func() {
					token := fmt.Sprintf("check-%d-%d", os.Getpid(), rand.Uint64())
					cmd := process(t.Context(), "check", "-against", goodTag+"~0", "-stack", "rawws,sio", "-case", "echo,steady", "-pairs", "1000")
					cmd.Env = append(cmd.Env, tokenEnv+"="+token)
					var once sync.Once
					stderr := &lines{on: func(line string) {
						if strings.Contains(line, step) {
							once.Do(func() {
								for _, s := range signals {
									cmd.Process.Signal(s)
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

// TestCheckPartial ends a check when one of three cases has been measured, which is
// told, and kept.
func TestCheckPartial(t *testing.T) {
	dir := repository(t)
	out := filepath.Join(t.TempDir(), "check")
	unchanged(t, dir, func() {
		cmd := process(t.Context(), "check", "-against", goodTag, "-stack", "rawws", "-case", "echo,steady,connect", "-pairs", "6", "-out", out)
		var once sync.Once
		stderr := &lines{on: func(line string) {
			if strings.Contains(line, "steady on rawws, 6 pairs") {
				once.Do(func() { cmd.Process.Signal(syscall.SIGINT) })
			}
		}}
		var stdout strings.Builder
		cmd.Stdout, cmd.Stderr = &stdout, stderr
		cmd.Run()
		if status := cmd.ProcessState.ExitCode(); status != exitInterrupted || !strings.HasPrefix(stdout.String(), "partial: interrupted: ") {
			t.Errorf("exit status %d\n%s%s", status, stdout.String(), stderr.text.String())
		}
	})
	data, err := os.ReadFile(filepath.Join(out, checkFile))
	if err != nil {
		t.Fatal(err)
	}
	var r regress.Report
	if err := json.Unmarshal(data, &r); err != nil || r.Partial != "interrupted" || r.Answer == regress.NoRegression || len(r.Findings)+len(r.Failures) == 0 {
		t.Errorf("%v: %s", err, data)
	}
	told := len(r.Failures) > 0
	for _, f := range r.Findings {
		if told = told || strings.Contains(f.Series, "/case=echo/"); strings.Contains(f.Series, "/case=connect/") {
			t.Errorf("%v was not measured", f.Place)
		}
	}
	if !told {
		t.Errorf("echo was measured, and is not told: %s", data)
	}
}

// TestCheckUnread ends a check whose reader ends, with it, as in a pipe to tee, or
// alone, as less does: it tidies up, and keeps what it has measured.
func TestCheckUnread(t *testing.T) {
	dir := repository(t)
	for _, together := range []bool{true, false} {
		out := filepath.Join(t.TempDir(), "check")
		unchanged(t, dir, func() {
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			cmd := process(t.Context(), "check", "-against", goodTag, "-stack", "rawws,sio", "-case", "echo,connect", "-pairs", "6", "-out", out)
			cmd.Stdout, cmd.Stderr = w, w
			err = cmd.Start()
			w.Close()
			if err != nil {
				t.Fatal(err)
			}
			said := bufio.NewScanner(r)
			for said.Scan() && !strings.Contains(said.Text(), "echo on sio, 6 pairs") {
			}
			if together {
				cmd.Process.Signal(syscall.SIGINT)
			}
			r.Close()
			cmd.Wait()
			if status := cmd.ProcessState.ExitCode(); status != exitInterrupted {
				t.Errorf("ended with %v", cmd.ProcessState)
			}
		})
		data, err := os.ReadFile(filepath.Join(out, checkFile))
		if err != nil {
			t.Fatal(err)
		}
		var r regress.Report
		if err := json.Unmarshal(data, &r); err != nil || r.Partial != "interrupted" || len(r.Findings)+len(r.Failures) == 0 {
			t.Errorf("%v: %s", err, data)
		}
	}
}

// TestReportUnread prints a run to who has read enough of it, as head does: it ends,
// and says nothing.
func TestReportUnread(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	var stderr strings.Builder
	cmd := process(t.Context(), "report", recorded)
	cmd.Stdout, cmd.Stderr = w, &stderr
	cmd.Run()
	if status := cmd.ProcessState.ExitCode(); status != exitError || stderr.Len() > 0 {
		t.Errorf("ended with %v: %s", cmd.ProcessState, stderr.String())
	}
}

// TestCheckNohup goes on without its terminal where that was asked for.
func TestCheckNohup(t *testing.T) {
	dir := repository(t)
	unchanged(t, dir, func() {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		cmd := process(ctx, "check", "-against", goodTag, "-stack", "rawws", "-case", "echo", "-pairs", "1000")
		cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
		measuring := false
		stderr := &lines{on: func(line string) {
			// It may be several lines.
			if strings.Contains(line, "building the head") {
				cmd.Process.Signal(syscall.SIGHUP)
			}
			if strings.Contains(line, "echo on rawws, 1000 pairs") {
				measuring = true
				cmd.Process.Signal(syscall.SIGINT)
			}
		}}
		cmd.Stderr = stderr
		cmd.Run()
		if status := cmd.ProcessState.ExitCode(); status != exitInterrupted || !measuring {
			t.Errorf("exit status %d: %s", status, stderr.text.String())
		}
	})
}

// TestReader finds the terminal behind who reads, and tells once there is nobody.
func TestReader(t *testing.T) {
	device, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer device.Close()
	gone := 0
	if !newProgress(reader{device, func() { gone++ }}, bench.Plan{}).terminal {
		t.Error("a device is not taken for a terminal")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for i, want := range []error{nil, errUnread} {
		_, err := reader{w, func() { gone++ }}.Write([]byte("x"))
		if !errors.Is(err, want) || gone != i {
			t.Errorf("%v, want %v; told %d times", err, want, gone)
		}
		r.Close()
	}
}
