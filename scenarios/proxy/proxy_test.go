package proxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
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
		"dial ws://127.0.0.1:40300/ws: websocket: bad handshake: 400 Bad Request":          "400",
		"dial ws://127.0.0.1:40300/ws: Forbidden":                                          "403",
		"cannot connect: close code 1006: Unexpected server response: 426":                 "426",
		"cannot connect: xhr poll error: HTTP status 403":                                  "403",
		"transport error: HTTP status 504":                                                 "504",
		"dial http://127.0.0.1:504/socket.io/: connect: connection refused":                "504", // no port of a test has three digits
		"websocket: close 1006 (abnormal closure): unexpected EOF":                         "closed",
		"transport close: close code 1006":                                                 "closed",
		"read tcp 127.0.0.1:40000->127.0.0.1:50400: read: connection reset by peer":        "closed",
		"tls: failed to verify certificate: x509: certificate signed by unknown authority": "untrusted",
		"cannot connect: close code 1006: unable to verify the first certificate":          "untrusted",
		"failed: Error during WebSocket handshake: Unexpected response code: 403":          "403",
		"failed: Establishing a tunnel via proxy server failed.":                           "no tunnel",
		"failed: Error in connection establishment: net::ERR_CERT_AUTHORITY_INVALID":       "untrusted",
		"cannot connect: timeout":                                                          "silence",
		"clients of rawws: no answer to join: context deadline exceeded":                   "silence",
		"cannot connect: close code 1006: Opening handshake has timed out":                 "silence",
	} {
		if got := class.Of(errors.New(text)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	if got := class.Of(nil); got != "" {
		t.Errorf("no error is %q", got)
	}
	if got := class.Of(fmt.Errorf("say: %w", context.DeadlineExceeded)); got != "silence" {
		t.Errorf("the end of the time is %q", got)
	}
	if got := plain(errors.New("dial ws://127.0.0.1:40300/ws: no")); got != "dial ws://HOST/ws: no" {
		t.Errorf("without what is of the run: %q", got)
	}
}

func TestCases(t *testing.T) {
	for _, p := range []scenarios.Profile{scenarios.Quick, scenarios.Full} {
		names := make(map[string]bool)
		for _, c := range (Scenario{}).Cases(p) {
			if err := (Scenario{}).Check(c); err != nil {
				t.Errorf("%s: %v", p, err)
			}
			if names[c.Name] || !c.Once || c.Window <= 0 || c.Outcome == strings.HasSuffix(c.Name, timeSuffix) {
				t.Errorf("%s: %+v", p, c)
			}
			names[c.Name] = true
		}
		for _, r := range Routes() {
			if !names[r.Name] || (p == scenarios.Full || r.Timed) && !names[r.Name+timeSuffix] || r.About == "" {
				t.Errorf("%s: no case for all of %+v", p, r)
			}
		}
	}
	for _, r := range Routes() {
		if f, ok := scenarios.FactsOf(r.Name); !ok || f.Secure != r.Spec.TLS || f.Yours && r.Spec.Kind == scenarios.PathConnect ||
			f.Denies != (strings.HasPrefix(r.Name, "forward-denied") || r.Twin == "forward-denied") || f.Twin != r.Twin {
			t.Errorf("%s: %+v, %t: the rules would not know it", r.Name, f, ok)
		}
	}
	var listed, cases []string
	for _, n := range AllNodes() {
		if listed = append(listed, n.Name); strings.HasSuffix(n.About, ": ") || strings.Contains(n.About, "behind :") {
			t.Errorf("%+v says too little", n)
		}
	}
	for _, c := range nodeCases(scenarios.Full, defaults) {
		cases = append(cases, c.Name)
	}
	if !slices.Equal(listed, cases) {
		t.Errorf("cases with several nodes: listed %q, there are %q", listed, cases)
	}
	for want, c := range map[string]scenarios.Case{
		`no case "x"`:       {Name: "x"},
		`no case "x-time"`:  {Name: "x-time"},
		"one after the":     {Name: "direct-time", Clients: 2},
		"that a busy machi": {Name: "idle-cut", Timers: scenarios.Timers{Idle: time.Millisecond}},
	} {
		if err := (Scenario{}).Check(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
	for want, s := range map[string]scenarios.Stack{
		"has no client":     {Name: "floor"},
		"a real browser is": {Name: "page", Client: scenarios.Program{Browser: "x"}},
		"do not come back":  {Name: "back", Client: scenarios.Program{Go: "x"}, Mode: scenarios.Mode{Reconnect: true}},
	} {
		err := (Scenario{}).Run(t.Context(), nil, s, scenarios.Case{Name: "direct"}, nil)
		if !errors.Is(err, scenarios.ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", s.Name, err)
		}
	}
}

func TestQuantile(t *testing.T) {
	values := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
	for q, want := range map[float64]float64{0: 1, 0.1: 1, 0.5: 5, 0.51: 6, 0.99: 10, 1: 10} {
		if got := quantile(values, q); got != want {
			t.Errorf("%v: %v, want %v", q, got, want)
		}
	}
	if got := quantile(values[:1], 0.5); got != 1 {
		t.Errorf("of one: %v", got)
	}
}

// script is what a fake client does, message by message; beyond its end it
// works.
type script struct {
	dial error
	say  []string // "", "silence" or why the client goes down
}

// fake is an environment whose clients follow scripts, in the order in which
// they dial. It counts a request and ten bytes for each message.
type fake struct {
	scenarios.Env
	scripts []script
	dialed  []scenarios.DialConfig
	served  []scenarios.ServerConfig
	ended   int

	mu      sync.Mutex // several clients talk at a time
	traffic scenarios.Traffic
}

func (f *fake) Now() int64 { return time.Now().UnixNano() }

func (f *fake) Serve(_ context.Context, _ scenarios.Stack, cfg scenarios.ServerConfig) (scenarios.Node, error) {
	f.served = append(f.served, cfg)
	return fakeNode{f: f}, nil
}

func (f *fake) Clients(context.Context, scenarios.Stack) (scenarios.Crew, error) {
	return fakeCrew{f: f}, nil
}

func (f *fake) Path(context.Context, scenarios.PathSpec, ...scenarios.Node) (scenarios.Path, error) {
	return fakePath{f: f}, nil
}

type fakeNode struct {
	scenarios.Node
	f *fake
}

func (n fakeNode) Stop(context.Context) error { return n.Kill() }
func (n fakeNode) Kill() error                { n.f.ended++; return nil }

type fakePath struct {
	scenarios.Harmless
	f *fake
}

func (p fakePath) URL() string    { return "http://path" }
func (p fakePath) Config() string { return "listen here;" }
func (p fakePath) Observed() scenarios.Traffic {
	p.f.mu.Lock()
	defer p.f.mu.Unlock()
	return p.f.traffic
}
func (p fakePath) Close() error { p.f.ended++; return nil }
func (p fakePath) Through(cfg scenarios.DialConfig) scenarios.DialConfig {
	cfg.Proxy = "http://proxy"
	return cfg
}

type fakeCrew struct {
	scenarios.Crew
	f *fake
}

func (c fakeCrew) Stop(context.Context) error { return c.Kill() }
func (c fakeCrew) Kill() error                { c.f.ended++; return nil }

func (c fakeCrew) Dial(_ context.Context, _ string, cfg scenarios.DialConfig) (scenarios.Peer, error) {
	s := script{}
	if n := len(c.f.dialed); n < len(c.f.scripts) {
		s = c.f.scripts[n]
	}
	c.f.dialed = append(c.f.dialed, cfg)
	p := &fakePeer{f: c.f, say: s.say}
	p.Add(scenarios.Event{Kind: scenarios.EventAttempt, At: c.f.Now()})
	p.Add(scenarios.Event{Kind: scenarios.EventUp, Transport: scenarios.WebSocket})
	return p, s.dial
}

type fakePeer struct {
	scenarios.EventLog
	f   *fake
	say []string
}

func (p *fakePeer) Join(context.Context, string) error  { return nil }
func (p *fakePeer) Leave(context.Context, string) error { return nil }
func (p *fakePeer) Close() error                        { return nil }

func (p *fakePeer) Send(_ context.Context, m scenarios.Message) error {
	return p.back(scenarios.EventMessage, m)
}

func (p *fakePeer) Announce(_ context.Context, m scenarios.Message) error {
	return p.back(scenarios.EventAnnounce, m)
}

func (p *fakePeer) back(kind scenarios.EventKind, m scenarios.Message) error {
	p.f.mu.Lock()
	p.f.traffic.Requests++
	p.f.traffic.Up += 10
	p.f.mu.Unlock()
	what := ""
	if len(p.say) > 0 {
		what, p.say = p.say[0], p.say[1:]
	}
	switch what {
	case "":
		p.Add(scenarios.Event{Kind: kind, At: p.f.Now(), Message: m})
	case "silence":
	default:
		p.Add(scenarios.Event{Kind: scenarios.EventDown, Reason: what})
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

// TestOutcomes has clients that do as they are told, and compares what is
// reported with that. A case has one client, so that the order is known.
func TestOutcomes(t *testing.T) {
	const none = -1
	twenty := make([]string, 1+counted)
	for name, tt := range map[string]struct {
		route   string
		scripts []script
		values  map[string]float64
		labels  map[string]string
		dials   int
		scenes  int
	}{
		"works": {
			"direct", nil,
			map[string]float64{"works": 1, "origin-works": 1, "reqs/msg": 1, "wire-B/msg": 10, "idle-survived": 1},
			map[string]string{"transport": "websocket", "origin": "let in", "configuration": "listen here;"}, 2, 1,
		},
		"is not let in": {
			"direct", []script{{dial: errors.New("answer: 400 Bad Request")}},
			map[string]float64{"works": 0}, map[string]string{"error": "400", "client sees": "answer: 400 Bad Request"}, 1, 1,
		},
		"opens and hears nothing": {
			"direct", []script{{say: []string{"silence"}}},
			map[string]float64{"works": 0}, map[string]string{"error": "silence"}, 1, 1,
		},
		"breaks": {
			"direct", []script{{say: []string{"close 1006"}}},
			map[string]float64{"works": 0}, map[string]string{"error": "closed", "client sees": "close 1006"}, 1, 1,
		},
		"breaks while it is counted": {
			"direct", []script{{say: []string{"", "", "close 1006"}}},
			map[string]float64{"works": 1, "origin-works": 1, "idle-survived": none}, map[string]string{"error": "closed", "transport": "websocket"}, 2, 1,
		},
		"not from a browser": {
			"direct", []script{{}, {dial: errors.New("403")}},
			map[string]float64{"works": 1, "origin-works": 0}, map[string]string{"origin": "403"}, 2, 1,
		},
		"ends for no reason while it is idle": {
			"direct", []script{{say: append(twenty, "close 1006")}},
			map[string]float64{"works": 1, "idle-survived": 0, "idle-survived-beat": none}, map[string]string{"idle": "closed"}, 2, 1,
		},
		"idle": {
			"idle-cut", []script{{say: append(twenty, "status 504")}, {}, {}},
			map[string]float64{"works": 1, "idle-survived": 0, "idle-survived-beat": 1}, map[string]string{"idle": "504"}, 3, 2,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, rec := &fake{scripts: tt.scripts}, &fakeRecorder{make(map[string][]float64), make(map[string]string)}
			c := scenarios.Case{
				Name: tt.route, Clients: 1, Outcome: true,
				Timers: scenarios.Timers{PingInterval: time.Minute, Idle: 20 * time.Millisecond, Limit: 200 * time.Millisecond},
			}
			if err := (Scenario{}).Run(t.Context(), env, fakeStack, c, rec); err != nil {
				t.Fatal(err)
			}
			for unit, want := range tt.values {
				if v := rec.values[unit]; want != none && (len(v) != 1 || v[0] != want) || want == none && len(v) > 0 {
					t.Errorf("%s: %v, want %v", unit, v, want)
				}
			}
			for key, want := range tt.labels {
				if rec.labels[key] != want {
					t.Errorf("%s: %q, want %q", key, rec.labels[key], want)
				}
			}
			if len(env.dialed) != tt.dials || env.ended != 3*tt.scenes || len(env.served) != tt.scenes {
				t.Errorf("%d dialed, %d served, %d ended", len(env.dialed), len(env.served), env.ended)
			}
			for _, cfg := range env.dialed {
				if cfg.Proxy != "http://proxy" || cfg.Origin != "" && cfg.Origin != "http://path" {
					t.Errorf("dialed %+v", cfg)
				}
			}
			if tt.route == "idle-cut" && (env.served[0].PingInterval <= 10*c.Timers.Idle || env.served[0].Behind.Idle != 0 || env.served[1].Behind.Idle != c.Timers.Idle) {
				t.Errorf("served %+v", env.served)
			}
		})
	}
}

// TestPage has one client in a browser, whatever the case says, and does not give
// it another Origin.
func TestPage(t *testing.T) {
	env, rec := &fake{}, &fakeRecorder{make(map[string][]float64), make(map[string]string)}
	s := fakeStack
	s.Client = scenarios.Program{Browser: "fake"}
	c := scenarios.Case{
		Name: "idle-cut", Clients: 10, Outcome: true, Browser: true,
		Timers: scenarios.Timers{PingInterval: time.Minute, Idle: 20 * time.Millisecond, Limit: 200 * time.Millisecond},
	}
	if err := (Scenario{}).Run(t.Context(), env, s, c, rec); err != nil {
		t.Fatal(err)
	}
	if len(env.dialed) != 2 || env.dialed[0].Origin+env.dialed[1].Origin != "" || len(rec.values["origin-works"]) != 0 {
		t.Errorf("dialed %+v, recorded %v", env.dialed, rec.values)
	}
}

// TestBrowserRoutes are in full all that are for a browser, and in quick some.
func TestBrowserRoutes(t *testing.T) {
	for _, p := range []scenarios.Profile{scenarios.Quick, scenarios.Full} {
		for _, c := range (Scenario{}).Cases(p) {
			i := slices.IndexFunc(Routes(), func(r Route) bool { return r.Name == c.Name })
			want := i >= 0 && (Routes()[i].Shown || Routes()[i].Browser && p == scenarios.Full)
			if c.Browser != want {
				t.Errorf("%s: case %s for a browser: %t, want %t", p, c.Name, c.Browser, want)
			}
		}
	}
	for _, r := range Routes() {
		if r.Shown && !r.Browser {
			t.Errorf("%s is shown in a browser, and not for it", r.Name)
		}
	}
}

var fakeStack = scenarios.Stack{
	Name: "fake", Client: scenarios.Program{Go: "fake"}, Mode: scenarios.Mode{Transports: []string{scenarios.WebSocket}},
}

// TestTimes takes a fresh server for what follows a client that broke, and
// records no round trip of one that does not work.
func TestTimes(t *testing.T) {
	for name, tt := range map[string]struct {
		scripts     []script
		firsts, rtt int
		scenes      int
	}{
		"all work":            {nil, 3, 1, 1},
		"the second breaks":   {[]script{{}, {say: []string{"close 1006"}}}, 1, 1, 2},
		"none gets in":        {[]script{{dial: errors.New("400")}, {dial: errors.New("400")}}, 0, 0, 2},
		"the last one breaks": {[]script{{}, {}, {}, {say: []string{"", "", "x"}}}, 3, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			env, rec := &fake{scripts: tt.scripts}, &fakeRecorder{make(map[string][]float64), make(map[string]string)}
			c := scenarios.Case{
				Name: "direct-time", Clients: 1, Samples: 3, Window: 5 * time.Millisecond,
				Timers: scenarios.Timers{Limit: 200 * time.Millisecond},
			}
			if err := (Scenario{}).Run(t.Context(), env, fakeStack, c, rec); err != nil {
				t.Fatal(err)
			}
			v := rec.values
			if len(v["first-msg-sec"]) != tt.firsts || len(v["rtt-p50-sec"]) != tt.rtt || len(v["rtt-p99-sec"]) != tt.rtt {
				t.Errorf("values %v", v)
			}
			if len(env.served) != tt.scenes || env.ended != 3*tt.scenes {
				t.Errorf("%d served, %d ended", len(env.served), env.ended)
			}
			if (rec.labels["first message"] != "") != (tt.firsts < c.Samples) || (rec.labels["error"] != "") != (tt.rtt == 0) {
				t.Errorf("labels %v", rec.labels)
			}
		})
	}
}
