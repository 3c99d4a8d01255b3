package rawws

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"wsvsio/scenarios"
)

// node serves a node that is joined to others, and returns where.
func node(t *testing.T, redis string) string {
	t.Helper()
	s, err := NewServer(scenarios.ServerConfig{Redis: redis})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(scenarios.PathRaw, s)
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return web.URL
}

// guest is a client in two rooms, and what it hears.
type guest struct {
	scenarios.Client
	scenarios.EventLog
}

// enterNode connects a client to a node.
func enterNode(t *testing.T, url, name string) *guest {
	t.Helper()
	g := &guest{}
	c, err := Dial(t.Context(), url, scenarios.DialConfig{Name: name, Greeting: "hello"}, g.Add)
	if err != nil {
		t.Fatal(err)
	}
	g.Client = c
	t.Cleanup(func() { c.Close() })
	for _, room := range []string{"one", "two"} {
		if err := c.Join(t.Context(), room); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// heard waits until a client has heard so many things of a kind, and returns
// them.
func (g *guest) heard(t *testing.T, kind scenarios.EventKind, n int) (bodies []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	events, err := g.Await(ctx, func(events []scenarios.Event) bool { return len(of(events, kind)) >= n })
	if err != nil {
		t.Fatalf("%v; heard %v", err, events)
	}
	for _, e := range of(events, kind) {
		bodies = append(bodies, e.Message.From+" "+e.Message.Room+" "+e.Message.Body)
	}
	return bodies
}

// of returns the events of a kind.
func of(events []scenarios.Event, kind scenarios.EventKind) (some []scenarios.Event) {
	for _, e := range events {
		if e.Kind == kind {
			some = append(some, e)
		}
	}
	return some
}

// TestTwoNodes has a client at each of two nodes: each hears, once, who enters,
// what is said in its rooms and what is announced.
func TestTwoNodes(t *testing.T) {
	m := miniredis.RunT(t)
	ann := enterNode(t, node(t, m.Addr()), "ann")
	bob := enterNode(t, node(t, m.Addr()), "bob")
	if got := ann.heard(t, scenarios.EventJoined, 2); !slices.Equal(got, []string{"bob one hello", "bob two hello"}) {
		t.Errorf("ann heard %v enter", got)
	}
	say := func(send func(context.Context, scenarios.Message) error, room, body string) {
		t.Helper()
		m := scenarios.Message{Room: room, From: "bob", Seq: scenarios.FirstSeq, Body: body}
		if err := send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	say(bob.Announce, "", "first")
	say(bob.Send, "one", "second")
	say(bob.Send, "two", "third")
	for name, g := range map[string]*guest{"ann": ann, "bob": bob} {
		if got := g.heard(t, scenarios.EventMessage, 2); !slices.Equal(got, []string{"bob one second", "bob two third"}) {
			t.Errorf("%s heard %v", name, got)
		}
		// It came before what was said in the rooms, so all of it is there.
		if got := g.heard(t, scenarios.EventAnnounce, 1); !slices.Equal(got, []string{"bob  first"}) {
			t.Errorf("%s heard %v announced", name, got)
		}
	}
	if got := of(bob.Events(), scenarios.EventJoined); len(got) != 0 {
		t.Errorf("bob heard %v enter", got)
	}
}

// TestNodesWrong has no Redis where there should be one, and what does not go
// together.
func TestNodesWrong(t *testing.T) {
	if s, err := NewServer(scenarios.ServerConfig{Redis: "127.0.0.1:1"}); err == nil || s != nil || !strings.Contains(err.Error(), "redis at 127.0.0.1:1") {
		t.Errorf("without a Redis: %v", err)
	}
	m := miniredis.RunT(t)
	if _, err := NewServer(scenarios.ServerConfig{Redis: m.Addr(), Recovery: time.Second}); err == nil {
		t.Error("with recovery, which is of one node, it started")
	}
}
