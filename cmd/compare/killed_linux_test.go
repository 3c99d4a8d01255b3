package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/record"
	"wsvsio/rawws"
	"wsvsio/scenarios"
	"wsvsio/sio"
)

// tokenEnv marks a command and everything that it starts, so that what it
// leaves behind can be found.
const tokenEnv = "WSVSIO_TEST_TOKEN"

// descendants returns the processes that carry the token, by their role:
// "server", "clients", "load", or "" for the command itself.
func descendants(t *testing.T, token string) map[int]string {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[int]string)
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile(filepath.Join("/proc", e.Name(), "environ"))
		if err != nil || !bytes.Contains(env, []byte(tokenEnv+"="+token+"\x00")) {
			continue // it has ended, or is not ours
		}
		_, role, _ := bytes.Cut(env, []byte("WSVSIO_WORKER="))
		role, _, _ = bytes.Cut(role, []byte{0})
		found[pid] = string(role)
	}
	return found
}

// eventually asks again and again until the answer is yes.
func eventually(t *testing.T, what string, ask func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(time.Minute)
	for !ask() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("not within a minute: %s", what)
		}
	}
}

// build returns the command as users have it: without the race detector, which
// would make four hundred runs last ten minutes.
var build = func() func(t *testing.T) string {
	var once sync.Once
	var dir string
	var err error
	return func(t *testing.T) string {
		t.Helper()
		once.Do(func() {
			if dir, err = os.MkdirTemp("", "compare"); err != nil {
				return
			}
			var out []byte
			if out, err = exec.Command("go", "build", "-o", dir, ".").CombinedOutput(); err != nil {
				err = fmt.Errorf("go build: %w: %s", err, out)
			}
			cleanups = append(cleanups, func() { os.RemoveAll(dir) })
		})
		if err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, "compare")
	}
}()

// harness is a running command.
type harness struct {
	*exec.Cmd
	token, dir string
	stderr     bytes.Buffer
}

// stacks are those that can be run here, of Go and of Node.
func stacks(t *testing.T) []string {
	t.Helper()
	m, _, err := bench.Look(t.Context(), bench.Stacks())
	if err != nil {
		t.Fatal(err)
	}
	if len(m.LeftOut) > 0 {
		return []string{"rawws", "sio"}
	}
	return []string{"rawws", "sio", "rawws-node", "sio-node"}
}

// newHarness starts a run of two cells in each round.
func newHarness(t *testing.T, token, stack string, rounds int) *harness {
	t.Helper()
	h := &harness{token: token, dir: filepath.Join(t.TempDir(), "run")}
	h.Cmd = exec.Command(build(t), "-case", "connect,steady", "-clients", "200", "-rate", "100",
		"-stack", stack, "-rounds", strconv.Itoa(rounds), "-out", h.dir)
	h.Env = append(os.Environ(), tokenEnv+"="+token)
	h.Stderr = &h.stderr
	if err := h.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Process.Kill() })
	return h
}

// measured waits until so many cells are in the run's folder.
func (h *harness) measured(t *testing.T, cells int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d cells are in the run's folder", cells), func() bool {
		run, _, err := record.Read(h.dir)
		return err == nil && len(run.Cells) >= cells
	})
}

// has waits for a process of that role, or for the command's end: 0.
func (h *harness) has(t *testing.T, role string) (pid int) {
	t.Helper()
	eventually(t, "a process with the role "+role, func() bool {
		all := descendants(t, h.token) // the command's own process, too
		for p, r := range all {
			if r == role {
				pid = p
				return true
			}
		}
		return len(all) == 0
	})
	return pid
}

// gone checks that nothing is left of the command, and reads its run.
func (h *harness) gone(t *testing.T) *record.Run {
	t.Helper()
	eventually(t, "all its processes have ended", func() bool { return len(descendants(t, h.token)) == 0 })
	run, problems, err := record.Read(h.dir)
	if err != nil {
		t.Fatalf("%v\n%s", err, &h.stderr)
	}
	for _, p := range problems {
		// The system may end a write between two pages of a line.
		if !strings.Contains(p.Text, "cut off") {
			t.Errorf("%v\n%s", p, &h.stderr)
		}
	}
	for _, c := range run.Cells {
		if c.Error == "" && len(c.Values) == 0 {
			t.Errorf("round %d %s has neither figures nor an error", c.Round, c.Stack)
		}
	}
	return run
}

// repeat runs a test many times on one stack after the other, some of them at
// once: a hundred times in CI, less often at a desk.
func repeat(t *testing.T, body func(t *testing.T, token, stack string)) {
	times := 20
	switch {
	case os.Getenv("CI") != "":
		times = 100
	case testing.Short():
		times = 4
	}
	const atOnce = 4
	stacks := stacks(t)
	turn := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range times {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			t.Run(strconv.Itoa(i), func(t *testing.T) {
				body(t, fmt.Sprintf("%d-%d-%d", os.Getpid(), i, rand.Uint64()), stacks[i%len(stacks)])
			})
		})
	}
	all.Wait()
}

// someTime passes, so that what is next comes at a random moment of a cell.
func someTime() {
	<-time.After(rand.N(500 * time.Millisecond))
}

// TestWorkerKilled kills a worker during a run: its cell fails and says why,
// the other is measured.
func TestWorkerKilled(t *testing.T) {
	for name, roles := range map[string][]string{"server": {"server"}, "client": {"clients", "load"}} {
		t.Run(name, func(t *testing.T) {
			repeat(t, func(t *testing.T, token, stack string) {
				h := newHarness(t, token, stack, 1)
				role := roles[rand.N(len(roles))]
				h.has(t, role)
				<-time.After(rand.N(100 * time.Millisecond))
				// It can have done its work by now.
				for pid, r := range descendants(t, token) {
					if r == role {
						syscall.Kill(pid, syscall.SIGKILL)
					}
				}
				err := h.Wait()
				run := h.gone(t)
				failed := 0
				for _, c := range run.Cells {
					if c.Error != "" {
						failed++
						if !strings.Contains(c.Error, "signal: killed") {
							t.Errorf("the error does not say what happened: %s", c.Error)
						}
					}
				}
				if run.Partial || len(run.Cells) != 2 || failed > 1 {
					t.Errorf("partial %t, %d cells, %d failed", run.Partial, len(run.Cells), failed)
				}
				// The kill can come just after the cell's last figure.
				var exit *exec.ExitError
				if status := errors.As(err, &exit) && exit.ExitCode() == exitError; status != (failed == 1) {
					t.Errorf("%d cells failed, and the command ended with %v\n%s", failed, err, &h.stderr)
				}
			})
		})
	}
}

func TestHarnessKilled(t *testing.T) {
	repeat(t, func(t *testing.T, token, stack string) {
		const rounds = 3
		h := newHarness(t, token, stack, rounds)
		least := rand.N(3)
		h.measured(t, least)
		someTime()
		h.Process.Kill()
		h.Wait()
		run := h.gone(t)
		if len(run.Cells) < least || run.Partial && run.Why != "not finished" || !run.Partial && len(run.Cells) < 2*rounds {
			t.Errorf("partial %t (%s) with %d cells, at least %d", run.Partial, run.Why, len(run.Cells), least)
		}
	})
}

func TestHarnessInterrupted(t *testing.T) {
	repeat(t, func(t *testing.T, token, stack string) {
		h := newHarness(t, token, stack, 3)
		least := rand.N(3)
		h.measured(t, least)
		someTime()
		h.Process.Signal(os.Interrupt)
		if rand.IntN(2) == 0 { // somebody who is in a hurry
			h.Process.Signal(os.Interrupt)
		}
		err := h.Wait()
		run := h.gone(t)
		var exit *exec.ExitError
		interrupted := errors.As(err, &exit) && exit.ExitCode() == exitInterrupted
		if !interrupted && err != nil {
			t.Errorf("the command ended with %v\n%s", err, &h.stderr)
		}
		if run.Partial != interrupted || interrupted && run.Why != "interrupted" || len(run.Cells) < least {
			t.Errorf("partial %t (%s), %d cells of at least %d, and the command ended with %v",
				run.Partial, run.Why, len(run.Cells), least, err)
		}
	})
}

// TestPaused has a server that hangs: the second Ctrl-C still ends all.
func TestPaused(t *testing.T) {
	h := newHarness(t, "paused-"+strconv.Itoa(os.Getpid()), "rawws", 100)
	pid := h.has(t, "server")
	if pid == 0 {
		t.Fatalf("the command has ended\n%s", &h.stderr)
	}
	syscall.Kill(pid, syscall.SIGSTOP)
	ended := make(chan error, 1)
	go func() { ended <- h.Wait() }()
	var err error
	eventually(t, "the command has ended", func() bool {
		h.Process.Signal(os.Interrupt) // two at once count as one
		select {
		case err = <-ended:
			return true
		default:
			return false
		}
	})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
		t.Errorf("the command ended with %v\n%s", err, &h.stderr)
	}
	h.gone(t)
}

// TestFewFiles allows the command fewer open files than it needs.
func TestFewFiles(t *testing.T) {
	cmd := process(t.Context(), "-case", "fan-out", "-stack", "rawws", "-out", filepath.Join(t.TempDir(), "run"))
	cmd.Args = append([]string{"sh", "-c", `ulimit -n 200 && exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	out, err := cmd.CombinedOutput()
	want := "1000 connections need 1064 open files, and this system allows 200; raise it with: ulimit -Hn 1064"
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitError || !strings.Contains(string(out), want) {
		t.Errorf("ended with %v, output %q, want %q", err, out, want)
	}
}

// TestServe joins the chat that the command serves.
func TestServe(t *testing.T) {
	for stack, dial := range map[string]scenarios.Dial{"rawws": rawws.Dial, "sio": sio.Dial} {
		t.Run(stack, func(t *testing.T) {
			token := "serve-" + stack + strconv.Itoa(os.Getpid())
			cmd := process(t.Context(), "serve", "-stack", stack, "-origin", "http://example.com")
			cmd.Env = append(cmd.Env, tokenEnv+"="+token)
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill()
			url := ""
			lines := bufio.NewScanner(out)
			for lines.Scan() && lines.Text() != "Ctrl-C ends it." {
				if _, addr, ok := strings.Cut(lines.Text(), "://"); ok && url == "" {
					addr, _, _ = strings.Cut(addr, "/")
					url = "http://" + addr
				}
			}
			go io.Copy(io.Discard, out)
			var log scenarios.EventLog
			cfg := scenarios.DialConfig{Name: "ann", Origin: "http://example.com"}
			client, err := dial(t.Context(), url, cfg, log.Add)
			if err != nil {
				t.Fatal(err)
			}
			if err := client.Join(t.Context(), "lobby"); err != nil {
				t.Error(err)
			}
			want := scenarios.Message{Room: "lobby", From: "ann", Seq: 1, Body: "hi"}
			if err := client.Send(t.Context(), want); err != nil {
				t.Error(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if _, err := log.Await(ctx, func(events []scenarios.Event) bool {
				last := events[len(events)-1]
				return last.Kind == scenarios.EventMessage && last.Message == want
			}); err != nil {
				t.Error(err)
			}
			cmd.Process.Signal(os.Interrupt)
			if err := cmd.Wait(); err != nil {
				t.Errorf("after Ctrl-C: %v", err)
			}
			client.Close()
			eventually(t, "all its processes have ended", func() bool { return len(descendants(t, token)) == 0 })
		})
	}
}
