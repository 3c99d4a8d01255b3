package bench

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"wsvsio/internal/broker"
	"wsvsio/internal/daemon"
	"wsvsio/internal/netlab"
	"wsvsio/scenarios"
)

// Broker implements scenarios.Brokers. The broker ends with the environment.
func (e *Env) Broker(_ context.Context, kind string) (scenarios.Broker, error) {
	b, err := broker.Start(e.ctx, kind)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.brokers = append(e.brokers, b)
	return b, nil
}

// isOutside reports whether paths of a kind are a program of other people, or
// have several nodes.
func isOutside(kind string) bool {
	_, ok := daemon.KindOf(kind)
	return ok || netlab.IsBalancer(kind)
}

// outside builds such a path. It ends with the environment.
func (e *Env) outside(_ context.Context, spec scenarios.PathSpec, nodes []scenarios.Node) (p scenarios.Path, err error) {
	if spec.TLS || spec.Delay != 0 || spec.Bandwidth != 0 {
		return nil, fmt.Errorf("path %s: has no TLS, no delay and no bandwidth", spec.Kind)
	}
	var targets []string
	for _, n := range nodes {
		u, err := url.Parse(n.URL())
		if err != nil {
			return nil, fmt.Errorf("path %s: %w", spec.Kind, err)
		}
		targets = append(targets, u.Host)
	}
	kind, program := daemon.KindOf(spec.Kind)
	kind = kind.WithIdle(spec.Idle)
	want := kind.Nodes
	switch {
	case !program:
		want = len(scenarios.NodeNames)
	case kind.Forward:
		want = 1 // it need not be told of it
	}
	if len(targets) != want {
		return nil, fmt.Errorf("path %s: takes %d nodes, not %d", spec.Kind, want, len(targets))
	}
	switch {
	case !program, kind.Nodes > 1:
		cookies := strings.HasSuffix(spec.Kind, scenarios.BalanceCookie)
		p, err = netlab.NewBalanced(e.ctx, targets, cookies, func(ctx context.Context, nodes []string) (netlab.Balancing, error) {
			if program {
				return e.daemon(ctx, kind, nodes)
			}
			return netlab.NewBalancer(ctx, spec.Kind, nodes)
		})
	default:
		p, err = e.behind(kind, targets[0])
	}
	if err != nil {
		return nil, fmt.Errorf("path %s: %w", spec.Kind, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.paths = append(e.paths, p)
	return p, nil
}

// daemon starts a program and keeps an eye on it.
func (e *Env) daemon(ctx context.Context, kind daemon.Kind, nodes []string) (netlab.Balancing, error) {
	d, err := daemon.Start(ctx, kind, nodes...)
	if err != nil {
		return nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.daemons = append(e.daemons, d)
	return d, nil
}

// behind builds a path through a program before one node, a host and port.
func (e *Env) behind(kind daemon.Kind, node string) (scenarios.Path, error) {
	var nodes []string
	if !kind.Forward {
		nodes = append(nodes, node)
	}
	d, err := e.daemon(e.ctx, kind, nodes)
	if err != nil {
		return nil, err
	}
	r, err := netlab.NewRelay(e.ctx, d.Addr())
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	p := &outsidePath{Relay: r, program: d}
	if kind.Forward {
		p.node = "http://" + node
	}
	return p, nil
}

// outsidePath is a program of other people before one node, and before it a
// relay that counts.
type outsidePath struct {
	*netlab.Relay
	program netlab.Balancing
	node    string // of a forward proxy, where clients dial
}

// URL implements scenarios.Path. Of a forward proxy it is that of the node.
func (p *outsidePath) URL() string {
	if p.node != "" {
		return p.node
	}
	return p.Relay.URL()
}

// Through implements scenarios.Path.
func (p *outsidePath) Through(cfg scenarios.DialConfig) scenarios.DialConfig {
	if p.node != "" {
		cfg.Proxy = p.Relay.URL()
	}
	return cfg
}

// Config implements scenarios.Path.
func (p *outsidePath) Config() string { return p.program.Config() }

// Close implements scenarios.Path.
func (p *outsidePath) Close() error {
	return errors.Join(p.Relay.Close(), p.program.Close())
}
