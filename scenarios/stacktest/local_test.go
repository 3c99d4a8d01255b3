package stacktest_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"wsvsio/internal/broken"
	"wsvsio/rawws"
	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

func local() scenarios.Env {
	return stacktest.Local(broken.NewServer(broken.Faults{}), rawws.Dial)
}

// must returns a value that a test cannot go on without.
func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// reason waits until a peer is down and returns why.
func reason(t *testing.T, p scenarios.Peer) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), stacktest.DefaultPatience)
	defer cancel()
	last := func(events []scenarios.Event) scenarios.Event {
		return events[len(events)-1]
	}
	events := must(p.Await(ctx, func(events []scenarios.Event) bool {
		return last(events).Kind == scenarios.EventDown
	}))(t)
	return last(events).Reason
}

func TestLocalServer(t *testing.T) {
	ctx := t.Context()
	env := local()
	node := must(env.Serve(ctx, stack, scenarios.ServerConfig{}))(t)
	crew := must(env.Clients(ctx, stack))(t)
	url := node.URL()

	ends := []struct {
		name string
		end  func() error
		says string
	}{
		{"stop", func() error { return node.Stop(ctx) }, "1001"},
		{"kill", node.Kill, "1006"},
	}
	for _, e := range ends {
		ann := must(crew.Dial(ctx, url, stack.Dial("ann")))(t)
		if err := e.end(); err != nil {
			t.Fatalf("%s: %v", e.name, err)
		}
		if why := reason(t, ann); !strings.Contains(why, e.says) {
			t.Errorf("%s: the client is told %q, want %q", e.name, why, e.says)
		}
		if _, err := crew.Dial(ctx, url, stack.Dial("bob")); err == nil {
			t.Errorf("%s: the server still takes clients", e.name)
		}
		if err := node.Restart(ctx); err != nil {
			t.Fatalf("restart after %s: %v", e.name, err)
		}
		if node.URL() != url {
			t.Errorf("restarted on %s, not on %s", node.URL(), url)
		}
	}
	if err := node.Restart(ctx); err == nil {
		t.Error("a running server restarts")
	}
	must(crew.Dial(ctx, url, stack.Dial("ann")))(t)
	if err := errors.Join(crew.Stop(ctx), node.Stop(ctx)); err != nil {
		t.Error(err)
	}
}

func TestLocalCrewKill(t *testing.T) {
	ctx := t.Context()
	env := local()
	node := must(env.Serve(ctx, stack, scenarios.ServerConfig{}))(t)
	defer node.Stop(ctx)
	crew := must(env.Clients(ctx, stack))(t)
	ann := must(crew.Dial(ctx, node.URL(), stack.Dial("ann")))(t)
	if err := crew.Kill(); err != nil {
		t.Fatal(err)
	}
	if n := len(ann.Events()); n != 2 {
		t.Errorf("the client saw %d events, want up and down", n)
	}
	if _, err := crew.Dial(ctx, node.URL(), stack.Dial("bob")); err == nil {
		t.Error("a crew that was killed still dials")
	}
	if err := crew.Stop(ctx); err != nil {
		t.Errorf("stop after kill: %v", err)
	}
}

// TestLocalEndsWithContext relies on the goroutine check in TestMain, too.
func TestLocalEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	env := local()
	node := must(env.Serve(ctx, stack, scenarios.ServerConfig{}))(t)
	crew := must(env.Clients(ctx, stack))(t)
	ann := must(crew.Dial(ctx, node.URL(), stack.Dial("ann")))(t)
	cancel()
	reason(t, ann)
	if err := node.Restart(t.Context()); err == nil {
		t.Error("a server restarts after its context has ended")
	}
}

func TestLocalUnsupported(t *testing.T) {
	ctx := t.Context()
	env := local()
	node := must(env.Serve(ctx, stack, scenarios.ServerConfig{}))(t)
	defer node.Stop(ctx)
	crew := must(env.Clients(ctx, stack))(t)
	defer crew.Stop(ctx)

	path := must(env.Path(ctx,
		scenarios.PathSpec{Kind: scenarios.PathDirect}, node))(t)
	if path.URL() != node.URL() {
		t.Errorf("the direct path is %s, not %s", path.URL(), node.URL())
	}
	_, load := env.Load(ctx, stack, node, scenarios.LoadSpec{})
	_, relay := env.Path(ctx,
		scenarios.PathSpec{Kind: scenarios.PathRelay}, node)
	_, nodeUsage := node.Usage(ctx)
	_, crewUsage := crew.Usage(ctx)
	for what, err := range map[string]error{
		"load":             load,
		"relay":            relay,
		"usage of a node":  nodeUsage,
		"usage of a crew":  crewUsage,
		"pause of a node":  node.Pause(),
		"resume of a node": node.Resume(),
	} {
		if !errors.Is(err, scenarios.ErrUnsupported) {
			t.Errorf("%s: got %v, want ErrUnsupported", what, err)
		}
	}
}

// TestNotSetUp looks that a stack that does not start is told from one that
// breaks a rule.
func TestNotSetUp(t *testing.T) {
	env := stacktest.Local(
		func(scenarios.ServerConfig) (scenarios.Server, error) {
			return nil, errors.New("no port left")
		}, rawws.Dial)
	b := &stacktest.Bench{Env: env, Stack: stack, Patience: time.Second}
	err := find(t, "join").Run(t.Context(), b)
	if !errors.Is(err, stacktest.ErrSetUp) ||
		!strings.Contains(err.Error(), "no port left") {
		t.Errorf("got %v, want ErrSetUp and its cause", err)
	}
}
