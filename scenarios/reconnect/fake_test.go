package reconnect

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"wsvsio/scenarios"
)

// faulty is what a fake client does, on a schedule: by the numbers of the
// messages, and by the time since its connection was harmed.
type faulty struct {
	notice, back time.Duration // since the fault; zero is never

	forget int // every so-many-th message arrives and is not passed on
	repeat int // is passed on twice
	swap   int // is passed on after the next one
	hole   int // is never written, though the connection is up
	resend bool
	drop   bool // the connection ends once by itself, after the second fault
}

func nth(n int, seq int64) bool { return n > 0 && seq%int64(n) == 0 }

// truth is what really became of the messages.
type truth struct {
	sent, delivered, unwritten, cut, undelivered, holes, dup, swapped, refused int
}

// fakeEnv is an environment without processes and sockets: a hub that passes
// messages on, and clients that are faulty.
type fakeEnv struct {
	behave faulty
	began  time.Time

	mu    sync.Mutex
	truth truth
	peers []*fakePeer
	paths map[string]*fakePath
}

func newFakeEnv(f faulty) *fakeEnv {
	return &fakeEnv{behave: f, began: time.Now(), paths: make(map[string]*fakePath)}
}

func (e *fakeEnv) Now() int64 { return int64(time.Since(e.began)) + 1e9 }

func (e *fakeEnv) Serve(context.Context, scenarios.Stack, scenarios.ServerConfig) (scenarios.Node, error) {
	return fakeNode{env: e}, nil
}

func (e *fakeEnv) Clients(context.Context, scenarios.Stack) (scenarios.Crew, error) {
	return fakeCrew{env: e}, nil
}

func (e *fakeEnv) Path(context.Context, scenarios.PathSpec, ...scenarios.Node) (scenarios.Path, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p := &fakePath{env: e, url: "http://path" + strconv.Itoa(len(e.paths))}
	e.paths[p.url] = p
	return p, nil
}

func (e *fakeEnv) Load(context.Context, scenarios.Stack, scenarios.Node, scenarios.LoadSpec) (scenarios.LoadReport, error) {
	return scenarios.LoadReport{}, errors.ErrUnsupported
}

type fakeNode struct {
	scenarios.Node
	env *fakeEnv
}

func (fakeNode) URL() string                 { return "http://node" }
func (fakeNode) Stop(context.Context) error  { return nil }
func (fakeNode) CPU() (time.Duration, error) { return 0, nil }

type fakeCrew struct {
	scenarios.Crew
	env *fakeEnv
}

func (fakeCrew) Stop(context.Context) error { return nil }

func (c fakeCrew) Dial(_ context.Context, url string, cfg scenarios.DialConfig) (scenarios.Peer, error) {
	c.env.mu.Lock()
	defer c.env.mu.Unlock()
	p := &fakePeer{env: c.env, name: cfg.Name, path: c.env.paths[url], state: connected, rooms: make(map[string]bool)}
	c.env.peers = append(c.env.peers, p)
	if p.path != nil {
		p.path.peer = p
		p.path.connect()
	}
	p.add(scenarios.Event{Kind: scenarios.EventUp, Transport: scenarios.WebSocket})
	return p, nil
}

// state is that of a fake client's connection.
type state int

const (
	connected state = iota
	dead            // and nobody has noticed
	down
)

// fakePeer is a client; one without a path is the partner.
type fakePeer struct {
	scenarios.EventLog
	env     *fakeEnv
	name    string
	path    *fakePath
	state   state
	rooms   map[string]bool
	kept    []scenarios.Message // to be sent again
	held    *scenarios.Message  // to be passed on after the next one
	dropped bool
}

func (p *fakePeer) add(e scenarios.Event) {
	e.At = p.env.Now()
	p.Add(e)
}

func (p *fakePeer) Join(_ context.Context, room string) error {
	p.env.mu.Lock()
	defer p.env.mu.Unlock()
	p.rooms[room] = true
	return nil
}

func (p *fakePeer) Leave(context.Context, string) error               { return nil }
func (p *fakePeer) Close() error                                      { return nil }
func (p *fakePeer) Announce(context.Context, scenarios.Message) error { return nil }

func (p *fakePeer) Send(_ context.Context, m scenarios.Message) error {
	e := p.env
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.path == nil {
		p.deliver(m) // the partner hears itself
		for _, to := range e.peers {
			if to.path != nil && to.rooms[m.Room] {
				to.receive(m)
			}
		}
		return nil
	}
	if e.behave.drop && !p.dropped && p.state == connected && len(p.path.record.Harm) == 2 {
		p.dropped = true
		p.lose()
		time.AfterFunc(20*time.Millisecond, p.comeBack)
	}
	switch {
	case p.state == down && e.behave.resend:
		p.kept = append(p.kept, m)
		e.truth.sent++
	case p.state == down:
		e.truth.refused++
		return errors.New("not connected")
	case p.state == dead:
		e.truth.sent++
		p.path.cross(scenarios.PathUp, m, false)
		if e.behave.resend {
			p.kept = append(p.kept, m)
		} else {
			e.truth.cut++
		}
	case nth(e.behave.hole, m.Seq):
		e.truth.sent++
		e.truth.holes++
	default:
		e.truth.sent++
		p.path.cross(scenarios.PathUp, m, true)
		e.toPartner(m)
	}
	return nil
}

// toPartner passes a client's message on.
func (e *fakeEnv) toPartner(m scenarios.Message) {
	for _, to := range e.peers {
		if to.path == nil && to.rooms[m.Room] {
			e.truth.delivered++
			to.deliver(m)
		}
	}
}

// receive has the client get a message, or not.
func (p *fakePeer) receive(m scenarios.Message) {
	e := p.env
	e.truth.sent++
	switch {
	case p.state == down:
		e.truth.unwritten++
		return
	case p.state == dead:
		p.path.cross(scenarios.PathDown, m, false)
		e.truth.cut++
		return
	case nth(e.behave.hole, m.Seq):
		e.truth.holes++
		return
	}
	p.path.cross(scenarios.PathDown, m, true)
	switch held := p.held; {
	case nth(e.behave.forget, m.Seq):
		e.truth.undelivered++
	case nth(e.behave.swap, m.Seq) && held == nil:
		p.held = &m
		return
	default:
		e.truth.delivered++
		p.deliver(m)
		if nth(e.behave.repeat, m.Seq) {
			e.truth.dup++
			p.deliver(m)
		}
		if held != nil {
			e.truth.delivered++
			e.truth.swapped++
			p.held = nil
			p.deliver(*held)
		}
	}
}

func (p *fakePeer) deliver(m scenarios.Message) {
	p.add(scenarios.Event{Kind: scenarios.EventMessage, Message: m})
}

// lose is told that the connection is down.
func (p *fakePeer) lose() {
	p.state = down
	p.add(scenarios.Event{Kind: scenarios.EventDown, Reason: "fake"})
	if p.held != nil {
		// It had arrived, and ends with the client.
		p.env.truth.undelivered++
		p.held = nil
	}
}

func (p *fakePeer) comeBack() {
	e := p.env
	e.mu.Lock()
	defer e.mu.Unlock()
	if p.state != down {
		return
	}
	p.add(scenarios.Event{Kind: scenarios.EventAttempt, Reason: "attempt 1"})
	p.state = connected
	p.path.connect()
	p.add(scenarios.Event{Kind: scenarios.EventUp, Transport: scenarios.WebSocket})
	for _, m := range p.kept {
		p.path.cross(scenarios.PathUp, m, true)
		e.toPartner(m)
	}
	p.kept = nil
}

// fakePath keeps the record.
type fakePath struct {
	scenarios.Harmless
	scenarios.Plain
	env    *fakeEnv
	url    string
	peer   *fakePeer
	record scenarios.PathRecord
}

func (p *fakePath) URL() string                 { return p.url }
func (p *fakePath) Observed() scenarios.Traffic { return scenarios.Traffic{} }
func (p *fakePath) Close() error                { return nil }

func (p *fakePath) Record() scenarios.PathRecord {
	p.env.mu.Lock()
	defer p.env.mu.Unlock()
	return p.record
}

// handshake is what a connection carries before anything is said.
const handshake = 100

func (p *fakePath) connect() {
	p.record.Accepted = append(p.record.Accepted, p.env.Now())
	p.record.Passages = append(p.record.Passages, scenarios.Passage{
		Conn: len(p.record.Accepted), Direction: scenarios.PathUp, To: handshake, Came: p.env.Now(), Went: p.env.Now(),
	})
}

func (p *fakePath) cross(direction string, m scenarios.Message, through bool) {
	now := p.env.Now()
	c := scenarios.Crossing{Conn: len(p.record.Accepted), Direction: direction, From: m.From, Room: m.Room, Seq: m.Seq, Came: now}
	if through {
		c.Went = now
	}
	p.record.Crossings = append(p.record.Crossings, c)
}

// Fault takes the connection for dead; its client notices, and comes back, when
// its schedule says.
func (p *fakePath) Fault(f scenarios.Fault) (scenarios.Harm, error) {
	e := p.env
	e.mu.Lock()
	defer e.mu.Unlock()
	h := scenarios.Harm{Fault: f, At: e.Now(), Conns: []int{len(p.record.Accepted)}}
	p.record.Harm = append(p.record.Harm, h)
	p.peer.state = dead
	if e.behave.notice == 0 {
		return h, nil
	}
	time.AfterFunc(e.behave.notice, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		p.peer.lose()
		if e.behave.back > 0 {
			time.AfterFunc(e.behave.back-e.behave.notice, p.peer.comeBack)
		}
	})
	return h, nil
}

// fakeRecorder keeps what a scenario records.
type fakeRecorder struct {
	values map[string][]float64
	labels map[string]string
	events []scenarios.Event
}

func newFakeRecorder() *fakeRecorder {
	return &fakeRecorder{values: make(map[string][]float64), labels: make(map[string]string)}
}

func (r *fakeRecorder) Value(unit string, v float64)  { r.values[unit] = append(r.values[unit], v) }
func (r *fakeRecorder) Label(key, value string)       { r.labels[key] = value }
func (r *fakeRecorder) Event(e scenarios.Event)       { r.events = append(r.events, e) }
func (r *fakeRecorder) Histogram(scenarios.Histogram) {}
func (r *fakeRecorder) Doubt(string)                  {}

func (r *fakeRecorder) sum(units ...string) (sum int) {
	for _, u := range units {
		for _, v := range r.values[u] {
			sum += int(v)
		}
	}
	return sum
}

func (r *fakeRecorder) String() string {
	var b strings.Builder
	for u, v := range r.values {
		b.WriteString(u + " " + strings.TrimSpace(strings.Join(strings.Fields(formatAll(v)), " ")) + "\n")
	}
	return b.String()
}

func formatAll(values []float64) (text string) {
	for _, v := range values {
		text += strconv.FormatFloat(v, 'g', 4, 64) + " "
	}
	return text
}
