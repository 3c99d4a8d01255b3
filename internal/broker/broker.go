// Package broker is the Redis through which the nodes of a chat meet: one in
// this process, or the program where it is installed.
package broker

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/alicebob/miniredis/v2"

	"wsvsio/internal/daemon"
	"wsvsio/internal/netlab"
	"wsvsio/scenarios"
)

// Start starts a broker of one of the kinds of scenarios. It ends with the
// context or Close. Where the program is not installed, the error wraps
// scenarios.ErrUnsupported.
func Start(ctx context.Context, kind string) (scenarios.Broker, error) {
	switch kind {
	case scenarios.BrokerEmbedded:
		return newEmbedded(ctx)
	case scenarios.BrokerRedis:
		k, _ := daemon.KindOf(kind)
		d, err := daemon.Start(ctx, k)
		if err != nil {
			return nil, err
		}
		return program{d}, nil
	}
	return nil, fmt.Errorf("no broker of kind %q: there are %s and %s", kind, scenarios.BrokerEmbedded, scenarios.BrokerRedis)
}

// program is a redis-server.
type program struct{ *daemon.Daemon }

// Version implements scenarios.Broker.
func (p program) Version() string { return p.Kind().Program.Name + " " + p.Daemon.Version() }

// Resume implements scenarios.Broker.
func (p program) Resume(ctx context.Context) error { return p.Daemon.Restart(ctx) }

// Restart implements scenarios.Broker.
func (p program) Restart(ctx context.Context) error {
	if err := p.Stop(ctx); err != nil {
		return err
	}
	return p.Resume(ctx)
}

// embedded is a Redis in this process.
type embedded struct {
	addr string
	port netlab.Reservation // while it is away
	end  func() bool        // undoes the tie to the context

	mu      sync.Mutex
	closed  bool
	running *miniredis.Miniredis // nil while it is away
}

func newEmbedded(ctx context.Context) (*embedded, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("miniredis: %w", err)
	}
	port, err := netlab.Reserve("127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("miniredis: %w", err)
	}
	e := &embedded{addr: port.Addr(), port: port}
	if err := e.Resume(ctx); err != nil {
		port.Release()
		return nil, err
	}
	end := context.AfterFunc(ctx, func() { e.Close() })
	e.mu.Lock()
	defer e.mu.Unlock()
	e.end = end
	return e, nil
}

// Addr implements scenarios.Broker.
func (e *embedded) Addr() string { return e.addr }

// Version implements scenarios.Broker.
func (e *embedded) Version() string {
	const module = "github.com/alicebob/miniredis/v2"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			if m.Path == module {
				return "miniredis " + m.Version
			}
		}
	}
	return "miniredis"
}

// Resume implements scenarios.Broker.
func (e *embedded) Resume(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("miniredis: %w", ctx.Err())
	case e.closed:
		return errors.New("miniredis: closed")
	case e.running != nil:
		return errors.New("miniredis: it runs already")
	}
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr(e.addr); err != nil {
		return fmt.Errorf("miniredis: %w", err)
	}
	e.running = m
	return nil
}

// Stop implements scenarios.Broker.
func (e *embedded) Stop(context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running != nil {
		e.running.Close()
		e.running = nil
	}
	return nil
}

// Restart implements scenarios.Broker.
func (e *embedded) Restart(ctx context.Context) error {
	if err := e.Stop(ctx); err != nil {
		return err
	}
	return e.Resume(ctx)
}

// Close implements scenarios.Broker.
func (e *embedded) Close() error {
	err := e.Stop(context.Background())
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.closed {
		e.closed = true
		e.port.Release()
	}
	if e.end != nil {
		e.end()
	}
	return err
}
