package reference

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"

	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// Receive compares what the load generator costs with the reference: both send
// the same messages at the same due times to a source that writes each of them
// to all connections, and receive what it writes. In every round each side
// runs once, in fresh processes and in random order; the source has a core of
// its own where this process has two. It returns the generator and the
// reference.
//
// The calling program starts itself again, as this package's child and as the
// load generator of package worker: see RunIfChild.
func Receive(ctx context.Context, s Spec) (generator, reference Side, err error) {
	raw := contestant{protocol: scenarios.ProtocolRaw, path: scenarios.PathRaw, size: s.Size}
	sides, err := compete(ctx, s, map[string]contestant{
		Generator: raw,
		Reference: {path: scenarios.PathRaw, size: s.Size},
	})
	return sides[Generator], sides[Reference], err
}

// Codecs compares what the load generator costs with each of its codecs, the
// bodies padded so that all get the same bytes. It returns the sides by their
// protocol.
func Codecs(ctx context.Context, s Spec) (map[scenarios.Protocol]Side, error) {
	sides, err := compete(ctx, s, map[string]contestant{
		string(scenarios.ProtocolRaw):  {scenarios.ProtocolRaw, scenarios.PathRaw, s.Size},
		string(scenarios.ProtocolEIO3): {scenarios.ProtocolEIO3, scenarios.PathSIO, s.Size + padding},
		string(scenarios.ProtocolEIO4): {scenarios.ProtocolEIO4, scenarios.PathSIO, s.Size + padding},
	})
	byProtocol := make(map[scenarios.Protocol]Side)
	for name, side := range sides {
		byProtocol[scenarios.Protocol(name)] = side
	}
	return byProtocol, err
}

// padding is by how much the envelope of a plain WebSocket is longer than that
// of Socket.IO.
const padding = len(`{"type":"chat","data":}`) - len(`42["chat",]`)

// contestant is a side that is to run; without a protocol it is the reference.
type contestant struct {
	protocol scenarios.Protocol
	path     string
	size     int
}

// compete runs the rounds.
func compete(ctx context.Context, s Spec, contestants map[string]contestant) (map[string]Side, error) {
	if s.Clients < 1 || s.Frames <= 0 || s.Rounds < 1 {
		return nil, fmt.Errorf("reference: %v frames a second over %d connections in %d rounds: none may be zero", s.Frames, s.Clients, s.Rounds)
	}
	names := slices.Sorted(maps.Keys(contestants)) // the seed decides the order, not the map
	sides := make(map[string]Side)
	order := rand.New(rand.NewPCG(s.Seed, 0))
	for round := range s.Rounds {
		var first *Cost
		for _, i := range order.Perm(len(names)) {
			name := names[i]
			cost, err := measure(ctx, s, contestants[name])
			if err != nil {
				return nil, fmt.Errorf("reference: round %d: %s: %w", round+1, name, err)
			}
			if first == nil {
				first = &cost
			}
			if cost.Up != first.Up || cost.Down != first.Down || cost.Frames != first.Frames {
				return nil, fmt.Errorf("reference: round %d: %s: %d frames, %d bytes up and %d down; another side had %d, %d and %d: they do not compare",
					round+1, name, cost.Frames, cost.Up, cost.Down, first.Frames, first.Up, first.Down)
			}
			side := sides[name]
			side.Name, side.Costs = name, append(side.Costs, cost)
			sides[name] = side
		}
	}
	return sides, nil
}

// measure runs one side in fresh processes.
func measure(ctx context.Context, s Spec, c contestant) (cost Cost, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		return cost, err
	}
	own := func(role worker.Role, cpus []int) worker.Spec {
		return worker.Spec{
			Name: string(role), CPUs: cpus,
			Argv:  []string{self, childArg, string(role)},
			Start: worker.Start{Role: role},
		}
	}
	var theirs, ours []int
	cpus := worker.CPUs()
	if last := len(cpus) - 1; last > 0 {
		theirs, ours = cpus[last:], cpus[:last]
	}
	source, err := worker.New(ctx, own(roleSource, theirs))
	if err != nil {
		return cost, err
	}
	defer source.Kill()
	spec := own(roleReceiver, ours)
	if c.protocol != "" {
		spec = worker.Spec{
			Name: "load generator", CPUs: ours,
			Start: worker.Start{Role: worker.Load, Program: string(c.protocol)},
		}
	}
	p, err := worker.New(ctx, spec)
	if err != nil {
		return cost, err
	}
	defer p.Kill()
	if err := p.Call(ctx, "connect", worker.ConnectArgs{
		URL: "http://" + source.Started.Addr, Path: c.path,
		Spec: scenarios.LoadSpec{
			Clients: s.Clients, Size: c.size, Warmup: s.Warmup,
			Rate: s.Frames / float64(s.Clients), Messages: s.messages(),
			Patience: patience,
		},
	}, nil); err != nil {
		return cost, err
	}
	if err := p.Call(ctx, "warm", struct{}{}, nil); err != nil {
		return cost, err
	}
	before, err := p.Usage(ctx)
	if err != nil {
		return cost, err
	}
	readsBefore, err := reads(p.Started.PID)
	if err != nil {
		return cost, err
	}
	begin, err := p.CPU()
	if err != nil {
		return cost, err
	}
	if err := p.Call(ctx, "window", struct{}{}, nil); err != nil {
		return cost, err
	}
	end, err := p.CPU()
	if err != nil {
		return cost, err
	}
	readsAfter, err := reads(p.Started.PID)
	if err != nil {
		return cost, err
	}
	after, err := p.Usage(ctx)
	if err != nil {
		return cost, err
	}
	var r scenarios.LoadReport
	if err := p.Call(ctx, "report", struct{}{}, &r); err != nil {
		return cost, err
	}
	if r.Delivered != int64(s.messages()*s.Clients) || r.Dup != 0 || r.Died != 0 {
		return cost, fmt.Errorf("%d frames of %d arrived, %d twice, %d connections ended: %s",
			r.Delivered, s.messages()*s.Clients, r.Dup, r.Died, r.Why)
	}
	n := float64(r.Delivered)
	cost = Cost{
		Busy:    r.ClientCPU.Seconds() / n,
		CPU:     (end - begin).Seconds() / n,
		Reads:   float64(readsAfter-readsBefore) / n,
		Segs:    float64(r.Phases.Window.Kernel.SegsUp) / n,
		Mallocs: (after.Mallocs - before.Mallocs) / n,
		Frames:  r.Delivered,
		Up:      r.Phases.Window.Up,
		Down:    r.Phases.Window.Down,
		Latency: r.Latency,
	}
	return cost, errors.Join(p.Stop(ctx), source.Stop(ctx))
}

// reads is how often a process has read, as the system counts it (proc(5)).
func reads(pid int) (n int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, "syscr: "); ok {
			return strconv.ParseInt(strings.TrimSpace(value), 10, 64)
		}
	}
	return 0, fmt.Errorf("/proc/%d/io does not tell the reads", pid)
}
