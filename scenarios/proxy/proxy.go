package proxy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"wsvsio/scenarios"
	"wsvsio/scenarios/class"
)

// Scenario is the proxy scenario.
type Scenario struct{}

// Name implements scenarios.Scenario.
func (Scenario) Name() string { return "proxy" }

// timeSuffix ends the name of a case for the times of a route.
const timeSuffix = "-time"

// The timers of the cases. An upgrade takes milliseconds, and a client that is
// up and does not finish one stays as it is: Limit is how long that is watched,
// and how long an answer is waited for. In full the proxy is as patient as nginx
// (proxy_read_timeout, 60 s).
var (
	scaled = scenarios.Timers{
		PingInterval: scenarios.Defaults.PingInterval, PingTimeout: scenarios.Defaults.PingTimeout,
		Idle: time.Second, Limit: 2 * time.Second,
	}
	defaults = scenarios.Timers{
		PingInterval: scenarios.Defaults.PingInterval, PingTimeout: scenarios.Defaults.PingTimeout,
		Idle: time.Minute, Limit: 10 * time.Second,
	}
)

// abreast is how many cells run side by side, of those with Node half as many:
// most of each is waiting.
const abreast = 14

// attention is how long clients are idle at most, but for half as long again,
// where nothing is known to cut them. It is shorter than the heartbeat of all
// stacks.
const attention = 10 * time.Second

// Cases implements scenarios.Scenario.
func (Scenario) Cases(p scenarios.Profile) []scenarios.Case {
	timers, clients, connects, window := scaled, 3, 5, 300*time.Millisecond
	if p == scenarios.Full {
		timers, clients, connects, window = defaults, 10, 50, 5*time.Second
	}
	var outcomes, times []scenarios.Case
	for _, r := range Routes() {
		c := scenarios.Case{
			Name: r.Name, Clients: clients, Once: true, Outcome: true, Abreast: abreast, Shared: true, Polling: true,
			Timers: timers, Window: 4 * timers.Limit,
			OnRequest: r.OnRequest && p != scenarios.Full,
			Browser:   r.Shown || r.Browser && p == scenarios.Full,
		}
		c.Window += 4 * timers.Idle
		outcomes = append(outcomes, c)
		if r.Timed || p == scenarios.Full {
			times = append(times, scenarios.Case{
				Name: r.Name + timeSuffix, Clients: 1, Once: true, Polling: true,
				Samples: connects, Timers: timers, Window: window,
			})
		}
	}
	outcomes = append(outcomes, nodeCases(p, timers)...)
	return append(outcomes, times...)
}

// Check implements scenarios.Checker.
func (Scenario) Check(c scenarios.Case) error {
	if isOfNodes(c) {
		return checkNodes(c)
	}
	r, timed, err := routeOf(c)
	switch {
	case err != nil:
		return err
	case timed && c.Clients != 1:
		return fmt.Errorf("%s: its clients connect one after the other; they cannot be %d", c.Name, c.Clients)
	case r.Idle && c.Timers.Idle < 100*time.Millisecond:
		return fmt.Errorf("%s: a proxy that takes a connection for idle after %v cuts those that a busy machine delays", c.Name, c.Timers.Idle)
	}
	return nil
}

// routeOf returns the route of a case, and whether the case is for its times.
func routeOf(c scenarios.Case) (r Route, timed bool, err error) {
	name, timed := strings.CutSuffix(c.Name, timeSuffix)
	all := Routes()
	i := slices.IndexFunc(all, func(r Route) bool { return r.Name == name })
	if i < 0 {
		return r, timed, fmt.Errorf("proxy has no case %q", c.Name)
	}
	r = all[i]
	if r.Idle {
		r.Spec.Idle = c.Timers.Idle
	}
	return r, timed, nil
}

// Run implements scenarios.Scenario.
func (Scenario) Run(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) (err error) {
	switch {
	case !s.IsChat():
		return scenarios.Unsupported("%s has no client", s.Name)
	case s.InBrowser() && !c.Browser:
		return scenarios.Unsupported("a real browser is asked where what it does by itself counts")
	case s.Mode.Reconnect:
		return scenarios.Unsupported("whether a connection lives is asked of clients that do not come back")
	}
	if is, err := ofNodes(ctx, env, s, c, rec); is {
		return err
	}
	r, timed, err := routeOf(c)
	if err != nil {
		return err
	}
	x := &experiment{env: env, stack: s, c: c, route: r, rec: rec}
	cfg := scenarios.ServerConfig{
		PingInterval: c.Timers.PingInterval, PingTimeout: c.Timers.PingTimeout,
		Behind: scenarios.Behind{Trusted: r.Trusted},
	}
	if timed {
		return x.times(ctx, cfg)
	}
	return x.outcomes(ctx, cfg)
}

// experiment is one cell.
type experiment struct {
	env   scenarios.Env
	stack scenarios.Stack
	c     scenarios.Case
	route Route
	rec   scenarios.Recorder
}

// scene is a server, the path to it and a process for clients.
type scene struct {
	node scenarios.Node
	path scenarios.Path
	crew scenarios.Crew
}

// set sets a scene.
func (x *experiment) set(ctx context.Context, cfg scenarios.ServerConfig) (sc scene, err error) {
	if sc.node, err = x.env.Serve(ctx, x.stack, cfg); err != nil {
		return sc, err
	}
	if sc.path, err = x.env.Path(ctx, x.route.Spec, sc.node); err != nil {
		return sc, err
	}
	sc.crew, err = x.env.Clients(ctx, x.stack)
	return sc, err
}

// clear ends it all.
func (sc scene) clear(ctx context.Context) error {
	return errors.Join(sc.crew.Stop(ctx), sc.path.Close(), sc.node.Stop(ctx))
}

// drop ends it all at once. go-socket.io does not let go of what has broken
// while it upgraded, and how a server stops is not what is asked here.
func (sc scene) drop() error {
	return errors.Join(sc.crew.Kill(), sc.path.Close(), sc.node.Kill())
}

// outcomes sees what gets through.
func (x *experiment) outcomes(ctx context.Context, cfg scenarios.ServerConfig) (err error) {
	silent := cfg
	if x.route.Idle {
		silent.PingInterval = 20 * x.c.Timers.Idle // no heartbeat
	}
	sc, err := x.set(ctx, silent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sc.drop()) }()
	if text := sc.path.Config(); text != "" {
		x.rec.Label("configuration", text)
	}
	tries := x.connect(ctx, sc)
	x.rec.Value("works", share(tries))
	for _, t := range tries {
		if works(t) {
			x.rec.Label("transport", t.transport())
		} else {
			x.sees(t)
		}
	}
	through := working(tries)
	if len(through) > 0 {
		x.wire(ctx, sc, through[0])
		if !x.stack.InBrowser() { // whose clients all have one
			x.origin(ctx, sc)
		}
		through = working(through)
	}
	if !x.route.Idle {
		x.idle(ctx, through)
		x.idled(through, "", "idle")
		return nil
	}
	cfg.Behind.Idle = x.c.Timers.Idle
	with, err := x.set(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, with.drop()) }()
	beating := working(x.connect(ctx, with))
	x.idle(ctx, slices.Concat(through, beating))
	x.idled(through, "", "idle")
	x.idled(beating, "-beat", "idle with heartbeat")
	return nil
}

// try is an attempt of one client. It has a room of its own, so that nobody
// else hears what it says.
type try struct {
	stack  scenarios.Stack
	name   string
	peer   scenarios.Peer
	inside bool // it is in its room
	said   int64
	err    error // why it does not work; nil if it does
}

// transport returns the one that the client is on.
func (t *try) transport() (name string) {
	for _, e := range t.peer.Events() {
		name = cmp.Or(e.Transport, name)
	}
	return name
}

// connect has the clients of a case connect, all at once.
func (x *experiment) connect(ctx context.Context, sc scene) []*try {
	tries := make([]*try, x.c.Clients)
	if x.stack.InBrowser() {
		tries = tries[:1] // a browser is one user's
	}
	var all sync.WaitGroup
	for i := range tries {
		tries[i] = x.newTry(fmt.Sprint("client", i))
		all.Go(func() { tries[i].run(ctx, sc, "", x.c.Timers.Limit) })
	}
	all.Wait()
	return tries
}

func (x *experiment) newTry(name string) *try { return &try{stack: x.stack, name: name} }

// run has a client connect, settle and say something.
func (t *try) run(ctx context.Context, sc scene, origin string, limit time.Duration) {
	if t.dial(ctx, sc, origin, limit); t.err == nil {
		t.settle(ctx, limit)
		t.say(ctx, limit)
	}
}

// pageLimit is how long a browser may take to open a page: a tenth of it, on a
// machine that does nothing else.
const pageLimit = 5 * time.Second

// dial connects. It takes some libraries several requests.
func (t *try) dial(ctx context.Context, sc scene, origin string, limit time.Duration) {
	cfg := t.stack.Dial(t.name)
	cfg.Origin = origin
	limit *= 2
	if t.stack.InBrowser() {
		limit += pageLimit
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t.peer, t.err = sc.crew.Dial(limited, sc.path.URL(), sc.path.Through(cfg))
}

// settle waits until the client is on its last transport, or for as long as
// that may take.
func (t *try) settle(ctx context.Context, limit time.Duration) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	t.peer.Await(limited, func(events []scenarios.Event) bool {
		return t.stack.Settled(events) || down(events) != nil
	})
}

// say says something in the client's room and waits until it is back.
func (t *try) say(ctx context.Context, limit time.Duration) (back scenarios.Event) {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if !t.inside {
		if t.err = t.peer.Join(limited, t.name); t.err != nil {
			t.blame()
			return back
		}
		t.inside = true
	}
	return t.exchange(limited, t.peer.Send, scenarios.EventMessage, t.name)
}

// announce says something to all and waits until it is back.
func (t *try) announce(ctx context.Context, limit time.Duration) scenarios.Event {
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	return t.exchange(limited, t.peer.Announce, scenarios.EventAnnounce, "")
}

// exchange sends a message and waits until it is back, as an event of a kind.
func (t *try) exchange(
	ctx context.Context, send func(context.Context, scenarios.Message) error, kind scenarios.EventKind, room string,
) (back scenarios.Event) {
	m := scenarios.Message{Room: room, From: t.name, Seq: scenarios.FirstSeq + t.said, Body: body}
	t.said++
	if t.err = send(ctx, m); t.err != nil {
		t.blame()
		return back
	}
	events, err := t.peer.Await(ctx, func(events []scenarios.Event) bool {
		for _, e := range slices.Backward(events) {
			if e.Kind == kind && e.Message == m {
				back = e
				return true
			}
		}
		return down(events) != nil
	})
	if t.err = err; back.Kind == "" && err == nil {
		t.err = down(events)
	}
	return back
}

// blame says why the client is down instead, if it is: that says more than
// that it does not take anything.
func (t *try) blame() {
	if why := down(t.peer.Events()); why != nil {
		t.err = why
	}
}

// body is what is said.
var body = strings.Repeat("x", 128)

// down returns why a client is down, nil if it is not.
func down(events []scenarios.Event) error {
	for _, e := range slices.Backward(events) {
		if e.Kind == scenarios.EventDown {
			return errors.New(e.Reason)
		}
	}
	return nil
}

// works reports whether a client does.
func works(t *try) bool { return t.err == nil }

// share returns the share of clients that work.
func share(tries []*try) float64 {
	n := 0
	for _, t := range tries {
		if works(t) {
			n++
		}
	}
	return float64(n) / float64(len(tries))
}

// working returns the clients that do.
func working(tries []*try) []*try {
	return slices.DeleteFunc(slices.Clone(tries), func(t *try) bool { return !works(t) })
}

// sees records what a client sees that does not work.
func (x *experiment) sees(t *try) {
	x.rec.Label("error", class.Of(t.err))
	x.rec.Label("client sees", plain(t.err))
}

// counted is how many messages are said to count what each takes.
const counted = 20

// wire counts what a message takes that only its sender hears.
func (x *experiment) wire(ctx context.Context, sc scene, t *try) {
	before := sc.path.Observed()
	for range counted {
		if t.say(ctx, x.c.Timers.Limit); !works(t) {
			x.sees(t)
			return
		}
	}
	passed := sc.path.Observed().Sub(before)
	x.rec.Value("reqs/msg", float64(passed.Requests)/counted)
	x.rec.Value("wire-B/msg", float64(passed.Up+passed.Down)/counted)
}

// origin has one more client connect, as a browser would.
func (x *experiment) origin(ctx context.Context, sc scene) {
	t := x.newTry("browser")
	t.run(ctx, sc, sc.path.URL(), x.c.Timers.Limit)
	x.rec.Value("origin-works", share([]*try{t}))
	x.rec.Label("origin", cmp.Or(class.Of(t.err), "let in"))
}

// idle has clients say nothing until a proxy that cuts what is idle would have
// done so, and then something.
func (x *experiment) idle(ctx context.Context, tries []*try) {
	if len(tries) == 0 {
		return
	}
	limit := x.c.Timers.Idle
	if !x.route.Idle {
		limit = min(limit, attention)
	}
	silent, cancel := context.WithTimeout(ctx, limit*3/2)
	defer cancel()
	var all sync.WaitGroup
	for _, t := range tries {
		all.Go(func() {
			t.peer.Await(silent, func(events []scenarios.Event) bool { return down(events) != nil })
			<-silent.Done()
			t.say(ctx, x.c.Timers.Limit)
		})
	}
	all.Wait()
}

// idled records what became of clients that were idle.
func (x *experiment) idled(tries []*try, suffix, label string) {
	if len(tries) == 0 {
		return
	}
	x.rec.Value("idle-survived"+suffix, share(tries))
	for _, t := range tries {
		if !works(t) {
			x.rec.Label(label, class.Of(t.err))
		}
	}
}

// The least and the most messages that tell a round trip, whatever the window.
const leastMessages, mostMessages = 20, 10_000

// times measures with the machine to itself.
func (x *experiment) times(ctx context.Context, cfg scenarios.ServerConfig) error {
	sc, err := x.set(ctx, cfg)
	if err != nil {
		return err
	}
	limit := x.c.Timers.Limit
	for i := range x.c.Samples {
		t := x.newTry(fmt.Sprint("client", i))
		if t.dial(ctx, sc, "", limit); works(t) {
			if back := t.announce(ctx, limit); works(t) {
				x.rec.Value("first-msg-sec", seconds(back.At-t.peer.Events()[0].At))
			}
		}
		if !works(t) {
			// What it leaves behind may block the others.
			x.rec.Label("first message", fmt.Sprintf("not of client %d of %d: %s", i+1, x.c.Samples, class.Of(t.err)))
			if err := sc.drop(); err != nil {
				return err
			}
			if sc, err = x.set(ctx, cfg); err != nil {
				return err
			}
			break
		}
	}
	t := x.newTry("last")
	if t.run(ctx, sc, "", limit); works(t) {
		x.roundTrips(ctx, t)
	}
	if works(t) {
		return sc.clear(ctx)
	}
	x.sees(t)
	return sc.drop()
}

// roundTrips records how long it takes until what a client says is back. The
// first messages warm up.
func (x *experiment) roundTrips(ctx context.Context, t *try) {
	for range leastMessages {
		if t.say(ctx, x.c.Timers.Limit); !works(t) {
			return
		}
	}
	var all []float64
	for end := x.env.Now() + int64(x.c.Window); works(t) && len(all) < mostMessages; {
		began := x.env.Now()
		if began > end && len(all) >= leastMessages {
			break
		}
		if back := t.say(ctx, x.c.Timers.Limit); works(t) {
			all = append(all, seconds(back.At-began))
		}
	}
	if !works(t) {
		return
	}
	slices.Sort(all)
	x.rec.Value("rtt-p50-sec", quantile(all, 0.5))
	x.rec.Value("rtt-p99-sec", quantile(all, 0.99))
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// quantile returns the smallest of sorted values that a share of them does not
// exceed.
func quantile(values []float64, q float64) float64 {
	return values[max(0, int(math.Ceil(q*float64(len(values))))-1)]
}
