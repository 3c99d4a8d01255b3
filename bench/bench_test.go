package bench

import (
	"bytes"
	"context"
	"flag"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"wsvsio/internal/record"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

var profile = flag.String("profile", "quick", "cases of the benchmarks: quick or full")

// BenchmarkBroadcast runs every case on every stack that this machine can run.
// One iteration is one round: the same code as in the command, on a server that
// lives as long as its sub-benchmark, but for the cases that need a fresh one.
func BenchmarkBroadcast(b *testing.B) { benchmark(b, "broadcast") }

// BenchmarkReconnect does likewise; each round has a server of its own, for it
// is killed in some.
func BenchmarkReconnect(b *testing.B) { benchmark(b, "reconnect") }

// BenchmarkProxy does likewise; what counts there is in its metrics, works and
// the like.
func BenchmarkProxy(b *testing.B) { benchmark(b, "proxy") }

// BenchmarkFallback does likewise.
func BenchmarkFallback(b *testing.B) { benchmark(b, "fallback") }

func benchmark(b *testing.B, name string) {
	m, stacks, err := Look(b.Context(), Stacks())
	if err != nil {
		b.Fatal(err)
	}
	cpus := worker.CPUs()
	if len(cpus) > 1 {
		if err := worker.PinSelf(cpus[:len(cpus)-1]); err != nil {
			b.Fatal(err)
		}
		defer worker.PinSelf(cpus)
	}
	i := slices.IndexFunc(Scenarios(), func(s scenarios.Scenario) bool { return s.Name() == name })
	sc := Scenarios()[i]
	for _, c := range sc.Cases(scenarios.Profile(*profile)) {
		for _, s := range stacks {
			if !s.IsFor(name) {
				continue
			}
			b.Run(c.String()+"/stack="+s.Name, func(b *testing.B) { benchmarkCell(b, m, cpus, sc, c, s) })
		}
	}
}

// benchmarkCell runs rounds of one case on one stack.
func benchmarkCell(b *testing.B, m Machine, cpus []int, sc scenarios.Scenario, c scenarios.Case, s scenarios.Stack) {
	// Polling clients that are gone stay in their rooms for a while, memory is
	// what a server grows by, and what happens to one may be its end.
	fresh := c.Fresh || c.Outcome || c.Clients >= 1000 || s.Mode.Transports[0] == scenarios.Polling
	env := newBenchEnv(b.Context(), m, cpus, fresh)
	defer func() { env.Close() }()
	var rounds []record.Cell
	for b.Loop() {
		if fresh && len(rounds) > 0 {
			env.Close()
			env = newBenchEnv(b.Context(), m, cpus, fresh)
		}
		cell := record.Cell{Scenario: sc.Name(), Case: c, Stack: s.Name, Round: len(rounds) + 1}
		measure(b.Context(), env, sc, s, CellLimit, &cell)
		switch {
		case cell.Unsupported != "":
			b.Skip(cell.Unsupported)
		case cell.Error != "":
			b.Fatal(cell.Error)
		}
		rounds = append(rounds, cell)
	}
	// How long a round takes is not what is measured.
	b.ReportMetric(0, "ns/op")
	for _, unit := range rounds[0].Units() {
		var values []float64
		for _, cell := range rounds {
			if v, ok := cell.Value(unit); ok {
				values = append(values, v)
			}
		}
		b.ReportMetric(record.Median(values), unit)
	}
	for _, cell := range rounds {
		for _, doubt := range cell.Doubts {
			b.Logf("doubt: round %d: %s", cell.Round, doubt)
		}
	}
}

// benchEnv is the environment of a sub-benchmark, or of a round of it.
type benchEnv interface {
	environment
	Close()
}

// newBenchEnv returns an environment for one round, or for all of them.
func newBenchEnv(ctx context.Context, m Machine, cpus []int, fresh bool) benchEnv {
	e := NewEnv(ctx, m)
	e.Pin(cpus)
	if fresh {
		return e
	}
	return &sharedEnv{Env: e}
}

// sharedEnv serves all rounds of a stack with one server.
type sharedEnv struct {
	*Env
	node *sharedNode
}

// Serve implements scenarios.Env.
func (e *sharedEnv) Serve(ctx context.Context, s scenarios.Stack, cfg scenarios.ServerConfig) (scenarios.Node, error) {
	if e.node == nil {
		n, err := e.Env.Serve(ctx, s, cfg)
		if err != nil {
			return nil, err
		}
		e.node = &sharedNode{n}
	}
	return e.node, nil
}

// sharedNode goes on when a round is over.
type sharedNode struct{ scenarios.Node }

// Stop implements scenarios.Node.
func (sharedNode) Stop(context.Context) error { return nil }

// TestBenchmark runs two of the benchmarks as a user would, and reads what they
// print: the names and units of a run, and a server for each.
func TestBenchmark(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, "-test.run=^$", "-test.benchtime=2x",
		"-test.bench=Broadcast/case=echo/clients=1/size=128/rate=2000/stack=(floor|rawws)$")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	reader := benchfmt.NewReader(bytes.NewReader(out), "out")
	var names []string
	for reader.Scan() {
		r, ok := reader.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		names = append(names, string(r.Name.Full()))
		for _, unit := range []string{"p50-sec/msg", "server-cpu-sec/msg", "wire-B/msg", "deliveries"} {
			if v, ok := r.Value(unit); !ok || v <= 0 {
				t.Errorf("%s: %v %s, %t", r.Name.Full(), v, unit, ok)
			}
		}
		if _, ok := r.Value("sec/op"); ok {
			t.Errorf("%s reports how long a round takes", r.Name.Full())
		}
		if r.Iters != 2 {
			t.Errorf("%s: %d rounds", r.Name.Full(), r.Iters)
		}
	}
	if len(names) != 2 ||
		!strings.HasPrefix(names[0], "Broadcast/case=echo/clients=1/size=128/rate=2000/stack=floor") ||
		!strings.HasPrefix(names[1], "Broadcast/case=echo/clients=1/size=128/rate=2000/stack=rawws") {
		t.Errorf("names %q\n%s", names, out)
	}
}
