package fallback

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"wsvsio/scenarios"
	"wsvsio/scenarios/class"
)

// TestClass puts what the libraries say into classes.
func TestClass(t *testing.T) {
	for text, want := range map[string]string{
		"dial ws://127.0.0.1:40300/ws: websocket: bad handshake: 400 Bad Request":  "400",
		"dial ws://127.0.0.1:40300/ws: Forbidden":                                  "403",
		"cannot connect: close code 1006: Unexpected server response: 426":         "426",
		"websocket: close 1006 (abnormal closure): unexpected EOF":                 "closed",
		"cannot connect: timeout":                                                  "silence",
		"clients of rawws: no answer to join: context deadline exceeded":           "silence",
		"dial http://127.0.0.1:40300/socket.io/: the client has no WebSocket here": "no WebSocket",
	} {
		if got := class.Of(errors.New(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := class.Of(fmt.Errorf("say: %w", context.DeadlineExceeded)); got != "silence" {
		t.Errorf("the end of the time is %q", got)
	}
}

// TestCases holds the plan together: every way has a case, every case is known,
// and none is there twice.
func TestCases(t *testing.T) {
	for _, p := range []scenarios.Profile{scenarios.Quick, scenarios.Full} {
		names := make(map[string]bool)
		for _, c := range (Scenario{}).Cases(p) {
			if err := (Scenario{}).Check(c); err != nil {
				t.Errorf("%s: %v", p, err)
			}
			if key := fmt.Sprint(c); names[key] {
				t.Errorf("%s: %s is there twice", p, key)
			} else {
				names[key] = true
			}
			names[c.Name] = true
		}
		for _, w := range Ways() {
			if !names[w.Name] {
				t.Errorf("%s: no case for %+v", p, w)
			}
		}
	}
	if err := (Scenario{}).Check(scenarios.Case{Name: "x"}); err == nil || !strings.Contains(err.Error(), `no case "x"`) {
		t.Errorf("%v", err)
	}
	plain := scenarios.Stack{Name: "floor"}
	back := scenarios.Stack{Name: "back", Client: scenarios.Program{Go: "x"}, Mode: scenarios.Mode{Reconnect: true}}
	for _, tt := range []struct {
		name, want string
		stack      scenarios.Stack
	}{
		{"direct", "has no client", plain},
		{wire, "comes back by itself", back}, {switches, "comes back by itself", back}, {echo, "comes back by itself", back},
	} {
		err := (Scenario{}).Run(t.Context(), nil, tt.stack, scenarios.Case{Name: tt.name}, nil)
		if !errors.Is(err, scenarios.ErrUnsupported) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s of %s: %v", tt.name, tt.stack.Name, err)
		}
	}
}

// harm is what a fake chat does to the second message of one direction, which
// is the first that is said while both talk.
type harm struct {
	from string // "way" or "partner": who says it
	what string // "lose", "double", "delay" behind the next one
}

// fake is an environment with one chat in memory. Its client connects, hangs or
// breaks as it is told, and what it says is harmed on purpose.
type fake struct {
	scenarios.Env
	dial   error
	deaf   bool   // what anybody says to the client is lost
	breaks bool   // the client goes down with its second message
	moves  string // transport that the client goes over to when it is forbidden the other
	back   bool   // and it is back on the other at once
	harm   harm
	ends   int  // sessions that end once it is forbidden a transport; the next one begins when the partner says something, which is lost
	gone   bool // after the last of them there is none
	trips  bool // the client's first message ends its session, and the next one begins at once

	mu      sync.Mutex
	rooms   map[string][]*peer
	count   map[string]int // messages said, by sender
	held    map[string][]func()
	paths   int
	lacking int // clients without WebSocket
	forbade int
	away    int // sessions that are still to begin anew
	ended   int
}

func (f *fake) Now() int64 { return time.Now().UnixNano() }

func (f *fake) Serve(context.Context, scenarios.Stack, scenarios.ServerConfig) (scenarios.Node, error) {
	return fakeNode{f: f}, nil
}

func (f *fake) Clients(context.Context, scenarios.Stack) (scenarios.Crew, error) {
	return fakeCrew{f: f}, nil
}

func (f *fake) Path(_ context.Context, spec scenarios.PathSpec, _ ...scenarios.Node) (scenarios.Path, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.paths++
	return &fakePath{f: f, url: fmt.Sprint("http://path-", f.paths)}, nil
}

type fakeNode struct {
	scenarios.Node
	f *fake
}

func (n fakeNode) URL() string { return "http://node" }
func (n fakeNode) Kill() error { n.f.end(); return nil }

type fakePath struct {
	scenarios.Plain
	f   *fake
	url string
}

func (p *fakePath) URL() string                  { return p.url }
func (p *fakePath) Observed() scenarios.Traffic  { return scenarios.Traffic{} }
func (p *fakePath) Record() scenarios.PathRecord { return scenarios.PathRecord{} }
func (p *fakePath) Close() error                 { p.f.end(); return nil }
func (p *fakePath) Fault(f scenarios.Fault) (scenarios.Harm, error) {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	p.f.forbade++
	p.f.away = p.f.ends
	for _, members := range p.f.rooms {
		for _, m := range members {
			if m.url == p.url && p.f.ends > 0 {
				m.Add(scenarios.Event{Kind: scenarios.EventDown, Reason: "transport close"})
			}
			if m.url == p.url && p.f.moves != "" && ended(m.Events()) == "" {
				m.Add(scenarios.Event{Kind: scenarios.EventTransport, At: p.f.Now(), Transport: p.f.moves})
				if p.f.back {
					m.Add(scenarios.Event{Kind: scenarios.EventTransport, At: p.f.Now(), Transport: scenarios.WebSocket})
				}
			}
		}
	}
	return scenarios.Harm{Fault: f}, nil
}

// begin has a client begin its next session, which ends at once unless it is the
// last.
func (f *fake) begin(p *peer) {
	if f.gone && f.away == 1 {
		return
	}
	f.away--
	p.Add(scenarios.Event{Kind: scenarios.EventAttempt, At: f.Now()})
	p.Add(scenarios.Event{Kind: scenarios.EventUp, Transport: scenarios.Polling})
	if f.away > 0 {
		p.Add(scenarios.Event{Kind: scenarios.EventDown, Reason: "transport close"})
	}
}

func (f *fake) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ended++
}

type fakeCrew struct {
	scenarios.Crew
	f *fake
}

func (c fakeCrew) Kill() error { c.f.end(); return nil }

func (c fakeCrew) Dial(_ context.Context, url string, cfg scenarios.DialConfig) (scenarios.Peer, error) {
	p := &peer{f: c.f, url: url, client: strings.HasPrefix(url, "http://path")}
	if p.client && c.f.dial != nil {
		return nil, c.f.dial
	}
	if cfg.Lacks != "" {
		c.f.mu.Lock()
		c.f.lacking++
		c.f.mu.Unlock()
	}
	p.Add(scenarios.Event{Kind: scenarios.EventAttempt, At: c.f.Now()})
	p.Add(scenarios.Event{Kind: scenarios.EventUp, Transport: scenarios.WebSocket})
	return p, nil
}

// peer is a client of the fake chat.
type peer struct {
	scenarios.EventLog
	f      *fake
	url    string
	client bool
}

func (p *peer) Join(_ context.Context, room string) error {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	p.f.rooms[room] = append(p.f.rooms[room], p)
	return nil
}

func (p *peer) Leave(context.Context, string) error               { return nil }
func (p *peer) Announce(context.Context, scenarios.Message) error { return nil }
func (p *peer) Close() error                                      { return nil }

func (p *peer) Send(_ context.Context, m scenarios.Message) error {
	f := p.f
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count[m.From]++
	second := f.count[m.From] == 2
	if f.breaks && p.client && second {
		p.Add(scenarios.Event{Kind: scenarios.EventDown, Reason: "close 1006"})
	}
	if f.trips && p.client && f.count[m.From] == 1 {
		p.Add(scenarios.Event{Kind: scenarios.EventDown, Reason: "transport close"})
		f.away = 1
		f.begin(p)
		return nil
	}
	who := "way"
	if m.From == partnerName {
		who = partnerName
	}
	deliver := func() {
		for _, to := range f.rooms[m.Room] {
			// Harm is for the other end; who says it hears it.
			if to != p && second && f.harm.from == who && f.harm.what == "lose" || f.deaf && to.client {
				continue
			}
			if to.client && f.away > 0 {
				if m.From == partnerName {
					f.begin(to)
				}
				continue
			}
			to.Add(scenarios.Event{Kind: scenarios.EventMessage, At: f.Now(), Message: m})
			if to != p && second && f.harm.from == who && f.harm.what == "double" {
				to.Add(scenarios.Event{Kind: scenarios.EventMessage, At: f.Now(), Message: m})
			}
		}
	}
	if second && f.harm.from == who && f.harm.what == "delay" {
		if f.held == nil {
			f.held = make(map[string][]func())
		}
		f.held[m.From] = append(f.held[m.From], deliver)
		return nil
	}
	deliver()
	if !second && f.harm.from == who {
		for _, held := range f.held[m.From] {
			held()
		}
		delete(f.held, m.From)
	}
	return nil
}

type fakeRecorder struct {
	values map[string][]float64
	labels map[string]string
}

func (r *fakeRecorder) Value(unit string, v float64)  { r.values[unit] = append(r.values[unit], v) }
func (r *fakeRecorder) Label(key, value string)       { r.labels[key] = value }
func (r *fakeRecorder) Event(scenarios.Event)         {}
func (r *fakeRecorder) Histogram(scenarios.Histogram) {}
func (r *fakeRecorder) Doubt(string)                  {}

// TestOutcomes has a chat that loses, doubles and delays one message on purpose,
// and clients that do not get in, hang, break, come back and change their
// transport; what is reported is exactly that.
func TestOutcomes(t *testing.T) {
	fine := map[string]float64{"works": 1, "lost-up": 0, "lost-down": 0, "dup": 0, "reordered": 0, "switches": 0}
	with := func(unit string, v float64) map[string]float64 {
		values := make(map[string]float64)
		for u, w := range fine {
			values[u] = w
		}
		values[unit] = v
		return values
	}
	for name, tt := range map[string]struct {
		way     string
		fake    *fake
		outcome string
		values  map[string]float64
		forbade int
		lacking int
	}{
		"works":           {"direct", &fake{}, "websocket", fine, 0, 0},
		"lost up":         {"direct", &fake{harm: harm{"way", "lose"}}, "websocket; lost 1", with("lost-up", 1), 0, 0},
		"lost down":       {"direct", &fake{harm: harm{partnerName, "lose"}}, "websocket; lost 1", with("lost-down", 1), 0, 0},
		"doubled":         {"direct", &fake{harm: harm{partnerName, "double"}}, "websocket; twice 1", with("dup", 1), 0, 0},
		"out of order":    {"direct", &fake{harm: harm{"way", "delay"}}, "websocket; out of order 1", with("reordered", 1), 0, 0},
		"does not get in": {"refused-403", &fake{dial: errors.New("403 Forbidden")}, "fails: 403", map[string]float64{"works": 0}, 0, 0},
		"hears nothing":   {"swallowed-down", &fake{deaf: true}, "hangs", map[string]float64{"works": 0}, 0, 0},
		"breaks":          {"cut", &fake{breaks: true}, "ends: closed", map[string]float64{"works": 0}, 0, 0},
		"lacks it":        {"lacking", &fake{}, "websocket", fine, 0, 1},
		"goes over":       {"blocked-later", &fake{moves: scenarios.Polling}, "websocket, then polling", with("switches", 1), 1, 0},
		"comes back":      {"blocked-later", &fake{ends: 1}, "websocket; anew on polling; lost 1", with("lost-down", 1), 1, 0},
		"comes back over and over": {
			"blocked-later", &fake{ends: 3}, "websocket; anew 3 times on polling; lost 3", with("lost-down", 3), 1, 0,
		},
		"stays away": {"blocked-later", &fake{ends: 1, gone: true}, "ends: closed", map[string]float64{"works": 0, "switches": 0}, 1, 0},
		"its first word ends a session": {
			"direct", &fake{trips: true}, "websocket; anew on polling; lost 1", with("lost-up", 1), 0, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, rec := tt.fake, &fakeRecorder{make(map[string][]float64), make(map[string]string)}
			env.rooms, env.count = make(map[string][]*peer), make(map[string]int)
			c := scenarios.Case{
				Name: tt.way, Clients: 1, Rate: 200, Window: 50 * time.Millisecond,
				Timers: scenarios.Timers{Limit: 500 * time.Millisecond},
			}
			stack := fakeStack
			if env.ends > 0 || env.trips {
				// Each of its sessions begins with a word of the partner's.
				stack.Mode.Reconnect, c.Window = true, 400*time.Millisecond
			}
			if err := (Scenario{}).Run(t.Context(), env, stack, c, rec); err != nil {
				t.Fatal(err)
			}
			if got := rec.labels["outcome"]; got != tt.outcome {
				t.Errorf("outcome %q, want %q", got, tt.outcome)
			}
			for unit, want := range tt.values {
				if v := rec.values[unit]; len(v) != 1 || v[0] != want {
					t.Errorf("%s: %v, want %v", unit, v, want)
				}
			}
			if env.forbade != tt.forbade || env.lacking != tt.lacking || env.ended != 3 {
				t.Errorf("%d times forbidden, %d without WebSocket, %d of path, clients and server ended", env.forbade, env.lacking, env.ended)
			}
		})
	}
}

// TestAllWays takes all ways at once, and says of each what came of it.
func TestAllWays(t *testing.T) {
	env, rec := &fake{rooms: make(map[string][]*peer), count: make(map[string]int)}, &fakeRecorder{make(map[string][]float64), make(map[string]string)}
	c := scenarios.Case{
		Name: allWays, Clients: 1, Rate: 200, Window: 50 * time.Millisecond,
		Timers: scenarios.Timers{Limit: 5 * time.Second},
	}
	if err := (Scenario{}).Run(t.Context(), env, fakeStack, c, rec); err != nil {
		t.Fatal(err)
	}
	for _, w := range Ways() {
		if got := rec.labels[scenarios.OutcomeOf+w.Name]; got != scenarios.WebSocket {
			t.Errorf("%s: %q", w.Name, got)
		}
	}
	if n := len(rec.values["works"]); n != len(Ways()) || env.ended != 2+len(Ways()) {
		t.Errorf("%d outcomes, %d ended", n, env.ended)
	}
}

var fakeStack = scenarios.Stack{
	Name: "fake", Client: scenarios.Program{Go: "fake"}, Mode: scenarios.Mode{Transports: []string{scenarios.WebSocket}},
}
