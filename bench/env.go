package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"wsvsio/internal/daemon"
	"wsvsio/internal/netlab"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// Env is an environment for one cell: it starts processes and ends them. It
// implements scenarios.Env.
type Env struct {
	machine Machine

	// The cores for the server under test and for all others; none means
	// that they share.
	serverCPUs, otherCPUs []int

	// crews has processes with clients from other cells, and takes them back;
	// nil has every cell start its own.
	crews *crews

	browser *sharedBrowser // its own, or that of the run
	own     *sharedBrowser

	ctx    context.Context
	cancel context.CancelFunc

	mu        sync.Mutex
	processes []*worker.Process
	paths     []scenarios.Path
	nodes     []*Node
	brokers   []scenarios.Broker
	daemons   []*daemon.Daemon
}

// NewEnv returns an environment that lasts as long as the context, or until
// Close.
func NewEnv(ctx context.Context, m Machine) *Env {
	e := &Env{machine: m}
	e.ctx, e.cancel = context.WithCancel(ctx)
	e.own = &sharedBrowser{ctx: e.ctx}
	e.browser = e.own
	return e
}

// Pin gives the server under test a core of its own, and all others the other
// ones. With fewer than two cores it does nothing.
func (e *Env) Pin(cpus []int) {
	if last := len(cpus) - 1; last > 0 {
		e.serverCPUs, e.otherCPUs = cpus[last:], cpus[:last]
	}
}

// Close ends whatever is still there and returns once it is gone.
func (e *Env) Close() {
	e.cancel()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.processes {
		p.Kill()
	}
	for _, p := range e.paths {
		p.Close()
	}
	for _, n := range e.nodes {
		n.kept.Release()
		n.kept = netlab.NoReservation
	}
	for _, b := range e.brokers {
		b.Close()
	}
	e.own.close()
}

// roots are the folders of the repository, its other builds' included.
func (e *Env) roots() []string {
	roots := []string{e.machine.Root}
	for _, b := range e.machine.Builds {
		roots = append(roots, b.Root)
	}
	return slices.DeleteFunc(roots, func(root string) bool { return root == "" })
}

// mourning is how long a process that has broken a connection may take to be
// found dead, and looks how often it is looked for meanwhile. They are counted, for
// a machine that stops for so long leaves no time to look.
const (
	mourning = 250 * time.Millisecond
	looks    = 25
)

// casualties tells of processes that ended though nobody had asked them to. It
// waits a moment for them: their end is seen on the network before.
func (e *Env) casualties() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	tick := time.NewTicker(mourning / looks)
	defer tick.Stop()
	var errs []error
	for range looks {
		for _, p := range e.processes {
			if err := p.Died(); err != nil {
				errs = append(errs, err)
			}
		}
		for _, d := range e.daemons {
			if err := d.Died(); err != nil {
				errs = append(errs, err)
			}
		}
		if len(errs) > 0 {
			break
		}
		<-tick.C
	}
	return errors.Join(errs...)
}

// start starts a worker that ends with the environment. It is that of a build,
// or of this program where there is none.
func (e *Env) start(spec worker.Spec, p scenarios.Program, b Build) (*worker.Process, error) {
	return e.startUntil(e.ctx, spec, p, b)
}

// startUntil starts a worker that ends with a context, or with the environment
// if it still belongs to that.
func (e *Env) startUntil(ctx context.Context, spec worker.Spec, p scenarios.Program, b Build) (*worker.Process, error) {
	spec.Start.Program = p.Go
	root := cmp.Or(b.Root, e.machine.Root)
	switch {
	case p.Node != "" && (e.machine.Node == "" || root == ""):
		return nil, fmt.Errorf("%s: needs Node, which was not found", spec.Name)
	case p.Node != "":
		spec.Argv = []string{e.machine.Node, filepath.Join(root, workerScript)}
		spec.Start.Program = filepath.Join(root, p.Node)
	case p.Browser != "":
		address, err := e.browser.address()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.Name, err)
		}
		spec.Start.Program, spec.Start.Browser = browserProgram, address
		spec.Start.Packages = filepath.Join(root, p.Packages)
	case b.Binary != "":
		spec.Argv = []string{b.Binary}
	}
	proc, err := worker.New(ctx, spec)
	if err != nil {
		return nil, err
	}
	e.adopt(proc)
	return proc, nil
}

// adopt has a worker end with the environment.
func (e *Env) adopt(p *worker.Process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.processes = append(e.processes, p)
}

// part lets go of a worker.
func (e *Env) part(p *worker.Process) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.processes = slices.DeleteFunc(e.processes, func(other *worker.Process) bool { return other == p })
}

// Serve implements scenarios.Env.
func (e *Env) Serve(ctx context.Context, s scenarios.Stack, cfg scenarios.ServerConfig) (scenarios.Node, error) {
	return e.ServeAt(ctx, s, cfg, "127.0.0.1:0")
}

// ServeAt is Serve at a stated address, a host and port. The worker is told only what
// differs from Defaults, and fills in the rest: one of another commit is measured with
// the defaults of that commit, as its users have it, and need not know the fields of
// this one.
func (e *Env) ServeAt(_ context.Context, s scenarios.Stack, cfg scenarios.ServerConfig, addr string) (*Node, error) {
	cfg.Protocol = s.Protocol
	n := &Node{env: e, stack: s, cfg: cfg.WithoutDefaults(), addr: addr, kept: netlab.NoReservation}
	if err := n.start(); err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.nodes = append(e.nodes, n)
	return n, nil
}

// Node is a running server. It implements scenarios.Node.
type Node struct {
	env   *Env
	stack scenarios.Stack
	cfg   scenarios.ServerConfig
	addr  string
	kept  netlab.Reservation // of the address, while it is down
	*worker.Process
}

func (n *Node) start() error {
	p, err := n.env.start(worker.Spec{
		Name:  "server of " + n.stack.Name,
		CPUs:  n.env.serverCPUs,
		Start: worker.Start{Role: worker.Server, Addr: n.addr, Config: n.cfg},
	}, n.stack.Server, n.env.machine.Builds[n.stack.Name])
	if err != nil {
		return err
	}
	n.Process, n.addr = p, p.Started.Addr
	return nil
}

// URL implements scenarios.Node.
func (n *Node) URL() string { return "http://" + n.addr }

// Stop implements scenarios.Node. The address is kept for Restart.
func (n *Node) Stop(ctx context.Context) error {
	defer n.keep()
	return n.Process.Stop(ctx)
}

// Kill implements scenarios.Node. The address is kept for Restart.
func (n *Node) Kill() error {
	defer n.keep()
	return n.Process.Kill()
}

// keep keeps the address until the server is back or the environment closed.
// Where that cannot be, Restart says that somebody else has it.
func (n *Node) keep() {
	n.env.mu.Lock()
	defer n.env.mu.Unlock()
	n.kept.Release()
	n.kept, _ = netlab.Reserve(n.addr) // none if not
}

// Restart implements scenarios.Node.
func (n *Node) Restart(context.Context) error {
	err := n.start()
	n.release()
	return err
}

// release gives up the address, if it is kept.
func (n *Node) release() {
	n.env.mu.Lock()
	defer n.env.mu.Unlock()
	n.kept.Release()
	n.kept = netlab.NoReservation
}

// Usage implements scenarios.Node. The CPU time is that of the process's own
// clock, read before the question, where the system has one: to answer takes
// CPU, too.
func (n *Node) Usage(ctx context.Context) (scenarios.Usage, error) {
	cpu, err := n.CPU()
	if err != nil {
		return scenarios.Usage{}, err
	}
	u, err := n.Process.Usage(ctx)
	u.CPU = cpu
	return u, err
}

// Clients implements scenarios.Env.
func (e *Env) Clients(_ context.Context, s scenarios.Stack) (scenarios.Crew, error) {
	if h := e.crews.take(s.Name); h != nil {
		e.adopt(h.Process)
		return &crew{hands: h, env: e, stack: s.Name}, nil
	}
	h := &hands{}
	p, err := e.startUntil(e.crews.lasting(e.ctx), worker.Spec{
		Name:    "clients of " + s.Name,
		CPUs:    e.otherCPUs,
		Start:   worker.Start{Role: worker.Clients},
		OnEvent: h.event,
	}, s.Client, e.machine.Builds[s.Name])
	h.Process = p
	return &crew{hands: h, env: e, stack: s.Name}, err
}

// Path implements scenarios.Env.
func (e *Env) Path(ctx context.Context, spec scenarios.PathSpec, nodes ...scenarios.Node) (scenarios.Path, error) {
	if isOutside(spec.Kind) {
		return e.outside(ctx, spec, nodes)
	}
	if len(nodes) != 1 {
		return nil, fmt.Errorf("path %s: takes one node, not %d", spec.Kind, len(nodes))
	}
	switch kind := spec.Kind; {
	case kind == scenarios.PathDirect:
		return direct{Node: nodes[0]}, nil
	case kind == scenarios.PathRelay, kind == scenarios.PathFaulty, netlab.IsProxy(kind):
		if asked := (spec.Idle != 0 || spec.KeepHost || spec.Forwarded || spec.TLS); asked && !netlab.IsProxy(kind) {
			return nil, fmt.Errorf("path %s: it is no proxy, and cannot cut what is idle, change headers or end TLS", kind)
		}
		u, err := url.Parse(nodes[0].URL())
		if err != nil {
			return nil, fmt.Errorf("path %s: %w", spec.Kind, err)
		}
		return e.relay(spec, u.Host)
	}
	return nil, fmt.Errorf("no path of kind %q", spec.Kind)
}

// relayFiles is how many files a path with one client has open: it listens, and
// has two connections of the client while an old one is not given up yet, each
// of two sockets and two timers. A forward proxy before one that ends TLS has
// no more.
const relayFiles = 1 + 2*4

// relay starts a relay or a proxy before a target, a host and port.
func (e *Env) relay(spec scenarios.PathSpec, target string) (p scenarios.Path, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := needFiles((len(e.paths) + 1) * relayFiles); err != nil {
		return nil, fmt.Errorf("path %s, with %d before it: %w", spec.Kind, len(e.paths), err)
	}
	switch spec.Kind {
	case scenarios.PathRelay:
		p, err = netlab.NewRelay(e.ctx, target)
	case scenarios.PathFaulty:
		p, err = netlab.NewFaulty(e.ctx, target, netlab.FaultyOptions{Delay: spec.Delay, Bandwidth: spec.Bandwidth})
	default:
		p, err = netlab.NewProxy(e.ctx, target, spec)
	}
	if err != nil {
		return nil, fmt.Errorf("path %s: %w", spec.Kind, err)
	}
	e.paths = append(e.paths, p)
	return p, nil
}

// direct is no path at all: it counts nothing.
type direct struct {
	scenarios.Harmless
	scenarios.Plain
	scenarios.Node
}

// Observed implements scenarios.Path.
func (direct) Observed() scenarios.Traffic { return scenarios.Traffic{} }

// Close implements scenarios.Path.
func (direct) Close() error { return nil }

// Now implements scenarios.Env.
func (e *Env) Now() int64 { return worker.Now() }

// Load implements scenarios.Env.
func (e *Env) Load(ctx context.Context, s scenarios.Stack, n scenarios.Node, spec scenarios.LoadSpec) (scenarios.LoadReport, error) {
	var r scenarios.LoadReport
	connections := spec.Clients + spec.Churners
	if spec.Transport == scenarios.Polling {
		connections *= 2
	}
	if err := needFiles(connections); err != nil {
		return r, err
	}
	p, err := e.start(worker.Spec{
		Name:  "load on " + s.Name,
		CPUs:  e.otherCPUs,
		Start: worker.Start{Role: worker.Load},
	}, scenarios.Program{Go: string(s.Protocol)}, Build{}) // one instrument for all builds
	if err != nil {
		return r, err
	}
	connect := worker.ConnectArgs{URL: n.URL(), Path: s.Path(), Spec: spec}
	var idle [2]scenarios.Usage
	if idle[0], err = n.Usage(ctx); err != nil {
		return r, err
	}
	if err := p.Call(ctx, "connect", connect, nil); err != nil {
		return r, err
	}
	if idle[1], err = n.Usage(ctx); err != nil {
		return r, err
	}
	if err := p.Call(ctx, "warm", struct{}{}, nil); err != nil {
		return r, err
	}
	before, err := atRest(ctx, n)
	if err != nil {
		return r, err
	}
	if err := p.Call(ctx, "window", struct{}{}, nil); err != nil {
		return r, err
	}
	after, err := n.Usage(ctx)
	if err != nil {
		// That the server has died says more than what was lost by it.
		return r, errors.Join(err, p.Stop(ctx))
	}
	if err := p.Call(ctx, "report", struct{}{}, &r); err != nil {
		return r, err
	}
	r.Before, r.After = before, after
	r.ServerMemory = [2]float64{idle[0].RSS, idle[1].RSS}
	return r, p.Stop(ctx)
}

// How long a server may take to come to rest after the warm-up, and what it may
// use meanwhile to count as resting: Node compiles and collects for a while.
const (
	restLimit = 200 * time.Millisecond
	restStep  = 5 * time.Millisecond
	restCPU   = 100 * time.Microsecond
)

// atRest waits until a server is at rest and returns what it has used until
// now, ready to be subtracted from what it has used later: the allocations
// that it takes to ask once more are already in it.
func atRest(ctx context.Context, n scenarios.Node) (scenarios.Usage, error) {
	first, err := n.Usage(ctx)
	if err != nil {
		return first, err
	}
	u, err := n.Usage(ctx)
	if err != nil {
		return u, err
	}
	tick := time.NewTicker(restStep)
	defer tick.Stop()
	for range restLimit / restStep {
		before, err := n.CPU()
		if err != nil {
			return u, err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return u, ctx.Err()
		}
		if u.CPU, err = n.CPU(); err != nil {
			return u, err
		}
		if u.CPU-before < restCPU {
			break
		}
	}
	if u.Mallocs != scenarios.NotTold {
		u.Mallocs += u.Mallocs - first.Mallocs
		u.AllocBytes += u.AllocBytes - first.AllocBytes
	}
	return u, nil
}
