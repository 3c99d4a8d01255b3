package main

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"wsvsio/internal/record"
	"wsvsio/internal/worker"
	"wsvsio/peers"
	"wsvsio/scenarios"
)

func TestMain(m *testing.M) {
	// Under the race detector every process sleeps for a second as it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	worker.RunIfChild(programs())
	os.Exit(m.Run())
}

// quickly are the same cases, in a moment.
var quickly = []scenarios.Case{
	{Name: "fan-out", Clients: 10, Size: size, Rate: 500, Warmup: 100, Window: 40 * time.Millisecond},
	{Name: "saturation", Clients: 10, Size: size, Warmup: 100, Window: 20 * time.Millisecond},
}

func TestWrongUse(t *testing.T) {
	for args, want := range map[string]string{
		"-bogus":        "-bogus",
		"extra":         `unexpected argument "extra"`,
		"-rounds 0":     "-rounds is 0",
		"-rounds 10001": "from 1 to 10000",
		"-rounds x":     `"x"`,
	} {
		var stdout, stderr bytes.Buffer
		status := run(t.Context(), nil, strings.Fields(args), quickly, &stdout, &stderr)
		if status != exitUsage || stdout.Len() > 0 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q", args, status, &stdout, &stderr)
		}
	}
}

// TestRun measures every stack once, and reads the run back. What the figures
// are is not its matter.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	args := []string{"-rounds", "1", "-seed", "0", "-out", dir}
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), nil, args, quickly, &stdout, &stderr)
	if status != exitOK && status != exitMissed {
		t.Fatalf("exit status %d\n%s%s", status, &stdout, &stderr)
	}
	for _, want := range []string{
		"rawws / melody", "rawws / gws", "rawws / centrifuge", "rawws / floor",
		"at most 1.05x the best of them", "at least 1.50x the best of them",
	} {
		if !strings.Contains(stdout.String(), want) {
			t.Errorf("the output lacks %q:\n%s", want, &stdout)
		}
	}
	r, problems, err := record.Read(dir)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	if want := 2 * len(stacks()); r.Partial || len(r.Cells) != want || r.Seed != 0 || len(stacks()) != 5 {
		t.Errorf("partial %t, %d cells, want %d, seed %d, %d stacks", r.Partial, len(r.Cells), want, r.Seed, len(stacks()))
	}
	for _, c := range r.Cells {
		if v, ok := c.Value(cpu); c.Error != "" || !ok || v <= 0 {
			t.Errorf("%s on %s: %v, error %q", c.Case.Name, c.Stack, v, c.Error)
		}
	}
	for _, module := range peers.Modules {
		if r.Environment.Libraries[module] == "" {
			t.Errorf("the version of %s is not recorded", module)
		}
	}
	var again bytes.Buffer
	if run(t.Context(), nil, []string{"-again", dir}, quickly, &again, &stderr); again.String() != stdout.String() {
		t.Errorf("once more it says:\n%s", &again)
	}
	summary, err := os.ReadFile(filepath.Join(dir, "summary.md"))
	if err != nil || strings.Count(string(summary), "x the best of them |") != 2 {
		t.Errorf("summary %s, %v", summary, err)
	}
	stderr.Reset()
	if status := run(t.Context(), nil, args, quickly, &stdout, &stderr); status != exitError || !strings.Contains(stderr.String(), "already holds a run") {
		t.Errorf("into the same folder: exit status %d, %q", status, &stderr)
	}
}

// TestInterrupted stops before the first cell.
func TestInterrupted(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	stop := make(chan struct{})
	close(stop)
	var stdout, stderr bytes.Buffer
	if status := run(t.Context(), stop, []string{"-out", dir}, quickly, &stdout, &stderr); status != exitInterrupted {
		t.Errorf("exit status %d, %q", status, &stderr)
	}
	if r, _, err := record.Read(dir); err != nil || !r.Partial {
		t.Errorf("the run: %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if status := run(ctx, nil, []string{"-out", dir + "2"}, quickly, &stdout, &stderr); status != exitInterrupted {
		t.Errorf("exit status %d, %q", status, &stderr)
	}
}

// measured builds a run of n rounds from the CPU per message of each stack in a
// case. Rounds differ by a factor that all stacks have in common, and a little.
func measured(n int, fanOut, saturation map[string]float64) *record.Run {
	r := &record.Run{Rounds: n}
	for i, figures := range []map[string]float64{fanOut, saturation} {
		for stack, v := range figures {
			for round := 1; round <= n; round++ {
				weather := 1 + 0.3*math.Sin(float64(round))
				if stack == champion {
					weather *= 1 + 0.01*float64(round-(n+1)/2)
				}
				r.Cells = append(r.Cells, record.Cell{
					Scenario: "broadcast", Case: cases[i], Stack: stack, Round: round,
					Values: []record.Value{{Unit: cpu, V: v * weather}},
				})
			}
		}
	}
	return r
}

// figures are CPU seconds per message by stack.
func figures(rawws, melody, gws, centrifuge float64) map[string]float64 {
	return map[string]float64{champion: rawws, "melody": melody, "gws": gws, "centrifuge": centrifuge, floor: 8e-6}
}

func TestVerdict(t *testing.T) {
	for _, tt := range []struct {
		name               string
		fanOut, saturation map[string]float64
		met                bool
		want               []string
	}{
		{"both met", figures(10e-6, 14e-6, 10e-6, 16e-6), figures(1e-6, 8e-6, 7e-6, 2e-6), true, []string{
			"rawws / gws         median 1.000x of 7 pairs (0.970-1.030)  estimate 1.000x, 0.980-1.020 at 95 %",
			"rawws / floor       median 1.250x",
			"at most 1.05x the best of them, which is gws: met with 1.00x",
			"rawws / centrifuge  median 2.000x of 7 pairs",
			"at least 1.50x the best of them, which is centrifuge: met with 2.00x",
		}},
		{"costs too much", figures(10.6e-6, 14e-6, 10e-6, 16e-6), figures(1e-6, 8e-6, 7e-6, 2e-6), false, []string{
			"which is gws: NOT MET with 1.06x", "which is centrifuge: met with 2.00x",
		}},
		{"delivers too little", figures(10e-6, 9.9e-6, 10e-6, 16e-6), figures(1e-6, 8e-6, 1.4e-6, 2e-6), false, []string{
			"which is melody: met with 1.01x", "which is gws: NOT MET with 1.40x",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			_, met, err := verdict(&out, measured(7, tt.fanOut, tt.saturation))
			if err != nil || met != tt.met {
				t.Errorf("met %t, %v", met, err)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("lacks %q:\n%s", want, &out)
				}
			}
		})
	}
}

// TestTooFew has no interval, and a round without a figure is no verdict.
func TestTooFew(t *testing.T) {
	run := measured(5, figures(10e-6, 14e-6, 10e-6, 16e-6), figures(1e-6, 8e-6, 7e-6, 2e-6))
	var out bytes.Buffer
	if _, met, err := verdict(&out, run); err != nil || !met || strings.Count(out.String(), "no interval below 6 pairs") != 8 {
		t.Errorf("met %t, %v:\n%s", met, err, &out)
	}
	for i, c := range run.Cells {
		if c.Stack == "gws" && c.Round == 3 {
			run.Cells[i].Error, run.Cells[i].Values = "the server died", nil
		}
	}
	out.Reset()
	_, met, err := verdict(&out, run)
	want := "not measured: 4 of 5 rounds have both figures"
	if met || err == nil || strings.Count(out.String(), want) != 2 || strings.Contains(out.String(), "the bar:") {
		t.Errorf("met %t, %v:\n%s", met, fmt.Sprint(err), &out)
	}
}
