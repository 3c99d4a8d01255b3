package bench

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wsvsio/internal/netlab"
	"wsvsio/internal/record"
	"wsvsio/scenarios"
	"wsvsio/scenarios/proxy"
)

// passage is what becomes of the stacks on a route: the transport on which a
// client ends, or the class of what it sees. That is the same for all stacks of
// a column, but for those in except.
type passage struct {
	raw     string // a plain WebSocket
	only    string // Socket.IO over websocket only
	order   string // in its default order
	polling string // over polling only
	origin  string // with a browser's Origin, where it works without

	// In a real browser: a plain WebSocket, and Socket.IO in its default order.
	// "" is a route that it is not asked on.
	rawPage, page string
}

const (
	ws, poll = scenarios.WebSocket, scenarios.Polling
	in, no   = "let in", "403"
	fails    = "fails" // as it happens
)

// passages is the matrix. It agrees with the one in FACTS.md, but for what
// follows.
//
//   - forward-denied is squid's default. There, a client on websocket alone got 400,
//     because it sent an ordinary request to the proxy, which strips Upgrade.
//     Ours uses CONNECT, as RFC 6455 asks for (section 4.1) and browsers do, and
//     so gets 403. forward-denied-tls is squid with CONNECT denied, where all went
//     through CONNECT; what is https always does.
//   - The server of rawws-node answers an ordinary request with 426, "Upgrade
//     Required", that of rawws with 400.
//   - With an idle cut clients that reconnect come back: those here do not, so
//     the connection is what is seen to end.
//   - A browser's Origin is refused where Host is not kept, and that on both sides;
//     but a real browser has none in a GET to where its page is from. socket.io
//     asks allowRequest of the first request alone, which is one: it polls on. Our
//     server on go-socket.io looks at each request.
//   - A page is not told the status of a CONNECT that is denied.
var passages = map[string]passage{
	"direct":             {ws, ws, ws, poll, in, ws, ws},
	"reverse":            {ws, ws, ws, poll, no, "403", "403"},
	"reverse-host":       {ws, ws, ws, poll, in, ws, ws},
	"reverse-forwarded":  {ws, ws, ws, poll, in, ws, ws},
	"tls":                {ws, ws, ws, poll, in, ws, ws},
	"buffer":             {ws, ws, ws, poll, in, "", ""},
	"http10":             {ws, ws, ws, poll, in, "", ""},
	"strip-upgrade":      {"400", "400", poll, poll, in, "400", poll},
	"strip-upgrade-tls":  {"400", "400", poll, poll, in, "400", poll},
	"forbid-upgrade":     {"403", "403", poll, poll, in, "403", poll},
	"swallow-down":       {"silence", "silence", poll, poll, in, "silence", poll},
	"idle-cut":           {ws, ws, ws, poll, in, ws, ws},
	"forward":            {ws, ws, ws, poll, in, ws, ws},
	"forward-denied":     {"403", "403", poll, poll, in, "no tunnel", poll},
	"forward-denied-tls": {"403", "403", "403", "403", "", "no tunnel", "closed"},
	"delay":              {ws, ws, ws, poll, in, "", ""},
}

// except are cells that differ, by route and stack.
var except = map[[2]string]string{
	{"strip-upgrade", "rawws-node"}:             "426",
	{"strip-upgrade", "rawws-node-browser"}:     "426",
	{"strip-upgrade-tls", "rawws-node"}:         "426",
	{"strip-upgrade-tls", "rawws-node-browser"}: "426",
	{"reverse", "sio-node-browser"}:             poll,
	// go-socket.io gives up polling as soon as it has answered the probe, whether
	// that has arrived or not; Node goes on.
	{"swallow-down", "sio-js-default"}: fails,
	{"swallow-down", "sio-browser"}:    fails,
}

// want returns what is to become of a stack on a route.
func (p passage) want(route string, s scenarios.Stack) string {
	if w, ok := except[[2]string{route, s.Name}]; ok {
		return w
	}
	switch {
	case s.InBrowser() && s.Protocol == scenarios.ProtocolRaw:
		return p.rawPage
	case s.InBrowser():
		return p.page
	case s.Protocol == scenarios.ProtocolRaw:
		return p.raw
	case len(s.Mode.Transports) > 1:
		return p.order
	case s.Mode.Transports[0] == scenarios.Polling:
		return p.polling
	}
	return p.only
}

// tries is how often a cell of a flaky stack may go wrong by the library's
// defect.
const tries = 6

// newTestBrowser is a browser that the cells of a test share.
func newTestBrowser(t *testing.T) *sharedBrowser {
	ctx, cancel := context.WithCancel(context.Background())
	b := &sharedBrowser{ctx: ctx}
	t.Cleanup(func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
		cancel()
	})
	return b
}

// TestProxyMatrix pins the outcome of every embedded path on every stack.
func TestProxyMatrix(t *testing.T) {
	m, can := look(t)
	routes := make(map[string]bool) // that are embedded
	for _, r := range proxy.Routes() {
		kind := r.Spec.Kind
		routes[r.Name] = netlab.IsProxy(kind) || kind == scenarios.PathRelay || kind == scenarios.PathFaulty
	}
	turn := make(chan struct{}, 6) // processes take a core to start
	browser := newTestBrowser(t)
	for _, c := range (proxy.Scenario{}).Cases(scenarios.Quick) {
		if !c.Outcome || !routes[c.Name] {
			continue
		}
		p, ok := passages[c.Name]
		if !ok {
			t.Errorf("route %s is not in the matrix", c.Name)
		}
		for _, s := range can {
			if !s.IsChat() || !s.IsFor("proxy") || s.InBrowser() && p.page == "" {
				continue
			}
			c := unhurried(c)
			c.Browser = true
			t.Run(c.Name+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				turn <- struct{}{}
				defer func() { <-turn }()
				passes(t, s, func() error { return p.check(t.Context(), m, browser, c, s) })
			})
		}
	}
	for name := range passages {
		if !routes[name] {
			t.Errorf("there is no route %s", name)
		}
	}
}

// passes runs what returns how an outcome is wrong, and again on a flaky stack.
func passes(t *testing.T, s scenarios.Stack, check func() error) {
	t.Helper()
	for try := 1; ; try++ {
		wrong := check()
		if wrong == nil {
			return
		}
		if s.Flaky == "" || try == tries {
			t.Fatal(wrong)
		}
		t.Logf("%v: %s", wrong, s.Flaky)
	}
}

// unhurried has a case wait for longer than a busy machine takes to answer, because
// silence is an outcome, and a proxy that cuts what is idle for longer than it takes to beat.
func unhurried(c scenarios.Case) scenarios.Case {
	c.Timers.Limit = 8 * time.Second
	if slices.ContainsFunc(proxy.Routes(), func(r proxy.Route) bool { return r.Name == c.Name && r.Idle }) {
		c.Timers.Idle = 4 * time.Second
	}
	return c
}

// check runs a cell and returns how its outcome differs from the matrix.
func (p passage) check(ctx context.Context, m Machine, b *sharedBrowser, c scenarios.Case, s scenarios.Stack) error {
	env := NewEnv(ctx, m)
	defer env.Close()
	env.browser = b
	cell := record.Cell{Scenario: "proxy", Case: c, Stack: s.Name}
	measure(ctx, env, proxy.Scenario{}, s, CellLimit, &cell)
	if cell.Error != "" || cell.Unsupported != "" {
		return fmt.Errorf("error %s%s", cell.Error, cell.Unsupported)
	}
	share, _ := cell.Value("works")
	var got string
	switch {
	case share == 1:
		got = cell.Labels["transport"]
	case share > 0:
		got = fmt.Sprintf("works in part: %v", cell.Labels)
	default:
		got = cell.Labels["error"]
	}
	want := p.want(c.Name, s)
	switch {
	case want == fails && share == 0:
	case got != want:
		return fmt.Errorf("ends with %q, want %q: %v", got, want, cell.Labels)
	case share == 1 && !s.InBrowser() && cell.Labels["origin"] != p.origin:
		return fmt.Errorf("with an Origin: %q, want %q", cell.Labels["origin"], p.origin)
	}
	silent, ok := cell.Value("idle-survived")
	if c.Name != "idle-cut" {
		if share > 0 && silent != 1 {
			return fmt.Errorf("idle where nothing cuts it %v survive, want all: %v", silent, cell.Labels)
		}
		return nil
	}
	beating, also := cell.Value("idle-survived-beat")
	ends := map[string]string{ws: "closed", poll: "504"}[want]
	if !ok || !also || silent != 0 || beating != 1 || cell.Labels["idle"] != ends {
		return fmt.Errorf("idle without a heartbeat %v survive, want 0, and with one %v, want 1: %v", silent, beating, cell.Labels)
	}
	return nil
}

// TestProxyTimes has the times of a route be no shorter than its way: a first
// message takes the handshake of TCP, that of a WebSocket, and its own way.
func TestProxyTimes(t *testing.T) {
	cases := (proxy.Scenario{}).Cases(scenarios.Quick)
	c := unhurried(cases[slices.IndexFunc(cases, func(c scenarios.Case) bool { return c.Name == "delay-time" })])
	var all sync.WaitGroup
	defer all.Wait()
	for _, s := range Stacks() {
		if s.Name != "rawws" && s.Name != "sio" {
			continue
		}
		all.Go(func() {
			env := NewEnv(t.Context(), Machine{})
			defer env.Close()
			cell := record.Cell{Scenario: "proxy", Case: c, Stack: s.Name}
			measure(t.Context(), env, proxy.Scenario{}, s, CellLimit, &cell)
			for unit, least := range map[string]float64{"first-msg-sec": 0.06, "rtt-p50-sec": 0.02, "rtt-p99-sec": 0.02} {
				if v, ok := cell.Value(unit); !ok || v < least {
					t.Errorf("%s: %s is %v, %t; the way alone takes %v: %s", s.Name, unit, v, ok, least, cell.Error)
				}
			}
		})
	}
}

// TestProxySpec says what a path cannot be.
func TestProxySpec(t *testing.T) {
	env := NewEnv(t.Context(), Machine{})
	defer env.Close()
	i := slices.IndexFunc(Stacks(), func(s scenarios.Stack) bool { return s.Name == "rawws" })
	node, err := env.Serve(t.Context(), Stacks()[i], scenarios.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	for want, spec := range map[string]scenarios.PathSpec{
		"relay: it is no proxy":    {Kind: scenarios.PathRelay, TLS: true},
		"faulty: it is no proxy":   {Kind: scenarios.PathFaulty, Idle: time.Second},
		"reverse: idle for -1s":    {Kind: scenarios.PathReverse, Idle: -time.Second},
		"reverse: has no delay":    {Kind: scenarios.PathReverse, Delay: time.Second},
		`no path of kind "pigeon"`: {Kind: "pigeon"},
	} {
		if _, err := env.Path(t.Context(), spec, node); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", spec, err, want)
		}
	}
	if _, err := env.Path(t.Context(), scenarios.PathSpec{Kind: scenarios.PathReverse}, node, node); err == nil {
		t.Error("a reverse proxy before two nodes")
	}
}
