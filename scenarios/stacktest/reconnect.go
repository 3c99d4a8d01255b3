package stacktest

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wsvsio/scenarios"
)

// Reconnect checks the rules of a client that comes back by itself, in this
// process. It asks for no resumption: what is lost with a connection may stay
// lost, and what the server has read of it already may be overtaken by what
// comes on the next one, but nothing may come twice.
func Reconnect(
	t *testing.T, newServer scenarios.NewServer, dial scenarios.Dial,
	p scenarios.Protocol,
) {
	for _, c := range []struct {
		name string
		run  func(*path)
	}{
		{"reset", comesBackAfterReset},
		{"many-rooms", comesBackIntoRooms},
		{"restart", comesBackAfterRestart},
		{"silence", noticesSilence},
		{"stall", survivesStall},
		{"idle", survivesIdleness},
		{"stuck", noticesSilenceWhileItWrites},
		{"queue", keepsWhatWaits},
		{"queue-first", sendsWhatWaitsFirst},
		{"requests", answersRequestsLater},
		{"request-gives-up", givesUpRequest},
		{"timeout", boundsAttempts},
		{"first", triesOnceAtFirst},
		{"close-up", closesWhileUp},
		{"close-pause", closesInPause},
		{"close-attempt", closesInAttempt},
		{"close-silent", closesInSilence},
		{"cuts", saysNothingTwice},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.run(&path{
				T: t, protocol: p,
				env:  Local(newServer, dial),
				dial: dial,
			})
		})
	}
	t.Run("backoff", func(t *testing.T) { backsOff(t, newServer, dial, p) })
}

// quickly is a client that comes back at once, for tests that are not about
// when it does.
var quickly = scenarios.Reconnect{
	Delay: 5 * time.Millisecond, MaxDelay: 20 * time.Millisecond,
}

// path is a server with a relay before it, and clients that connect through
// the relay or around it.
type path struct {
	*testing.T
	protocol scenarios.Protocol
	env      scenarios.Env
	dial     scenarios.Dial

	node  scenarios.Node
	relay *Relay
}

// open starts the server and the relay.
func (p *path) open(cfg scenarios.ServerConfig) {
	p.Helper()
	var err error
	ctx, cancel := context.WithCancel(context.Background())
	p.Cleanup(cancel)
	p.node, err = p.env.Serve(ctx, scenarios.Stack{Protocol: p.protocol}, cfg)
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { p.node.Kill() })
	p.relay, err = NewRelay(strings.TrimPrefix(p.node.URL(), "http://"))
	if err != nil {
		p.Fatal(err)
	}
	p.Cleanup(func() { p.relay.Close() })
}

// returning is a client that comes back, and what it saw.
type returning struct {
	scenarios.Client
	scenarios.EventLog
	p    *path
	sent int64
}

// client connects a client that comes back.
func (p *path) client(url, name string, r scenarios.Reconnect) *returning {
	p.Helper()
	c := &returning{p: p}
	ctx, cancel := p.patience()
	defer cancel()
	client, err := p.dial(ctx, url, scenarios.DialConfig{
		Name: name, Greeting: scenarios.JoinedBody, Reconnect: &r,
	}, c.Add)
	if err != nil {
		p.Fatal(err)
	}
	c.Client = client
	p.Cleanup(func() { client.Close() })
	return c
}

// patience is how long to wait for what must happen.
func (p *path) patience() (context.Context, context.CancelFunc) {
	return context.WithTimeout(p.Context(), 3*DefaultPatience)
}

// must fails the test if a request fails.
func (p *path) must(f func(context.Context) error) {
	p.Helper()
	ctx, cancel := p.patience()
	defer cancel()
	if err := f(ctx); err != nil {
		p.Fatal(err)
	}
}

func (c *returning) join(room string) {
	c.p.Helper()
	c.p.must(func(ctx context.Context) error { return c.Join(ctx, room) })
}

// say sends the next message.
func (c *returning) say(room string) scenarios.Message {
	c.p.Helper()
	m := scenarios.Message{Room: room, From: "x", Seq: c.sent}
	c.sent++
	c.p.must(func(ctx context.Context) error { return c.Send(ctx, m) })
	return m
}

// sees waits for the n-th event of a kind and returns it.
func (c *returning) sees(kind scenarios.EventKind, n int) scenarios.Event {
	c.p.Helper()
	ctx, cancel := c.p.patience()
	defer cancel()
	events, err := c.Await(ctx, func(events []scenarios.Event) bool {
		return len(ofKind(events, kind)) >= n
	})
	if err != nil {
		c.p.Fatalf("event %d of kind %s: %v", n, kind, err)
	}
	return ofKind(events, kind)[n-1]
}

// hears waits for a message.
func (c *returning) hears(m scenarios.Message) {
	c.p.Helper()
	ctx, cancel := c.p.patience()
	defer cancel()
	_, err := c.Await(ctx, func(events []scenarios.Event) bool {
		return slices.Contains(messages(events, scenarios.EventMessage), m)
	})
	if err != nil {
		c.p.Fatalf("message %s: %v", show(m), err)
	}
}

// story returns the kinds of event that tell of the connection, in order.
func (c *returning) story() string {
	var kinds []string
	for _, e := range c.Events() {
		switch e.Kind {
		case scenarios.EventUp, scenarios.EventDown, scenarios.EventAttempt:
			kinds = append(kinds, string(e.Kind))
		}
	}
	return strings.Join(kinds, " ")
}

func comesBackAfterReset(p *path) {
	p.open(scenarios.ServerConfig{})
	ann := p.client(p.relay.URL(), "ann", quickly)
	bob := p.client(p.node.URL(), "bob", quickly)
	ann.join("r")
	bob.join("r")
	bob.hears(bob.say("r"))
	p.relay.Cut()
	if e := ann.sees(scenarios.EventDown, 1); e.Reason == "" {
		p.Error("the client is down without a reason")
	}
	if e := ann.sees(scenarios.EventAttempt, 1); !strings.Contains(e.Reason, "1") {
		p.Errorf("the first attempt has the reason %q", e.Reason)
	}
	if e := ann.sees(scenarios.EventUp, 2); e.Recovered || e.Transport != scenarios.WebSocket {
		p.Errorf("the client comes back as %+v", e)
	}
	// It is in its room again, and bob has not been told.
	ann.hears(bob.say("r"))
	bob.hears(ann.say("r"))
	if n := len(ofKind(bob.Events(), scenarios.EventJoined)); n != 0 {
		p.Errorf("bob is told %d times that ann has joined, who was there before", n)
	}
	if got := ann.story(); got != "up down attempt up" {
		p.Errorf("ann sees: %s", got)
	}
}

func comesBackIntoRooms(p *path) {
	p.open(scenarios.ServerConfig{})
	ann := p.client(p.relay.URL(), "ann", quickly)
	bob := p.client(p.node.URL(), "bob", quickly)
	for _, room := range []string{"a", "b", "c"} {
		ann.join(room)
	}
	p.must(func(ctx context.Context) error { return ann.Leave(ctx, "b") })
	for round := range 3 {
		p.relay.Cut()
		ann.sees(scenarios.EventUp, 2+round)
		for _, room := range []string{"a", "b", "c"} {
			m := bob.say(room)
			if room != "b" {
				ann.hears(m)
			}
		}
	}
	for _, m := range messages(ann.Events(), scenarios.EventMessage) {
		if m.Room == "b" {
			p.Error("ann is in a room again that she has left")
		}
	}
}

func comesBackAfterRestart(p *path) {
	p.open(scenarios.ServerConfig{})
	ann := p.client(p.node.URL(), "ann", quickly)
	ann.join("r")
	if err := p.node.Kill(); err != nil {
		p.Fatal(err)
	}
	ann.sees(scenarios.EventDown, 1)
	ann.sees(scenarios.EventAttempt, 3) // the server is not there
	var waiting []scenarios.Message
	for range 10 {
		waiting = append(waiting, ann.say("r"))
	}
	p.must(p.node.Restart)
	ann.sees(scenarios.EventUp, 2)
	ann.hears(ann.say("r"))
	got := messages(ann.Events(), scenarios.EventMessage)
	if !slices.Equal(got[:10], waiting) {
		p.Errorf("what waited arrives as %v", got)
	}
	if n := len(ofKind(ann.Events(), scenarios.EventDown)); n != 1 {
		p.Errorf("ann is told %d times that she is down", n)
	}
}

// Heartbeats for the tests of silence.
const (
	interval = 100 * time.Millisecond
	timeout  = 400 * time.Millisecond
)

func noticesSilence(p *path) {
	p.open(scenarios.ServerConfig{PingInterval: interval, PingTimeout: timeout})
	r := quickly
	r.PingInterval, r.PingTimeout = interval, timeout
	ann := p.client(p.relay.URL(), "ann", r)
	ann.join("r")
	for round := range 2 {
		// At once the first time, before there was a heartbeat.
		if round == 1 {
			pass(p, 3*interval)
		}
		// A machine that stops for a while is a silence, too, and she is back from it.
		downs := len(ofKind(ann.Events(), scenarios.EventDown))
		ann.sees(scenarios.EventUp, downs+1)
		p.relay.Silence()
		from := time.Now()
		ann.sees(scenarios.EventDown, downs+1)
		if d := time.Since(from); d > interval+timeout+5*time.Second {
			p.Errorf("round %d: silence is noticed after %v", round, d)
		}
		ann.sees(scenarios.EventUp, downs+2)
	}
	ann.hears(ann.say("r"))
}

// noticesSilenceWhileItWrites has a write get stuck. That must not keep the
// client from noticing, long before the write has failed.
func noticesSilenceWhileItWrites(p *path) {
	p.open(scenarios.ServerConfig{PingInterval: interval, PingTimeout: timeout})
	r := quickly
	r.PingInterval, r.PingTimeout = interval, timeout
	ann := p.client(p.relay.URL(), "ann", r)
	release := p.relay.Stall()
	defer release()
	from := time.Now()
	m := scenarios.Message{Room: "r", Body: strings.Repeat("x", 64<<10)}
	for ann.story() == "up" && ann.Send(p.Context(), m) == nil {
	}
	ann.sees(scenarios.EventDown, 1)
	if d := time.Since(from); d > scenarios.Defaults.WriteTimeout*3/4 {
		p.Errorf("silence is noticed after %v", d)
	}
}

func survivesStall(p *path) {
	const timeout = 20 * time.Second
	p.open(scenarios.ServerConfig{PingInterval: interval, PingTimeout: timeout})
	r := quickly
	r.PingInterval, r.PingTimeout = interval, timeout
	ann := p.client(p.relay.URL(), "ann", r)
	ann.join("r")
	release := p.relay.Stall()
	m := ann.say("r")
	pass(p, 5*interval)
	release()
	ann.hears(m)
	if got := ann.story(); got != "up" {
		p.Errorf("ann sees: %s", got)
	}
}

func survivesIdleness(p *path) {
	const timeout = 2 * time.Second
	p.open(scenarios.ServerConfig{PingInterval: interval, PingTimeout: timeout})
	r := quickly
	r.PingInterval, r.PingTimeout = interval, timeout
	ann := p.client(p.relay.URL(), "ann", r)
	ann.join("r")
	pass(p, 3*(interval+timeout))
	ann.hears(ann.say("r"))
	if got := ann.story(); got != "up" {
		p.Errorf("ann sees: %s", got)
	}
}

// pass lets time pass, because that is what the test is about.
func pass(p *path, d time.Duration) {
	select {
	case <-time.After(d):
	case <-p.Context().Done():
	}
}

func keepsWhatWaits(p *path) {
	p.open(scenarios.ServerConfig{Queue: 1 << 14, QueueBytes: 1 << 30})
	ann := p.client(p.relay.URL(), "ann", quickly)
	bob := p.client(p.node.URL(), "bob", quickly)
	bob.join("r")
	hear := p.relay.Deafen()
	p.relay.Cut()
	ann.sees(scenarios.EventDown, 1)
	var want []scenarios.Message
	for range scenarios.Defaults.Queue {
		want = append(want, ann.say("r"))
	}
	if err := ann.Send(p.Context(), scenarios.Message{Room: "r"}); err == nil {
		p.Error("more is kept than the limit")
	}
	if err := ann.Announce(p.Context(), scenarios.Message{}); err == nil {
		p.Error("more announcements are kept than the limit")
	}
	hear()
	ann.sees(scenarios.EventUp, 2)
	last := ann.say("r")
	bob.hears(last)
	got := messages(bob.Events(), scenarios.EventMessage)
	if !slices.Equal(got, append(want, last)) {
		p.Errorf("%d messages waited, %d arrive: %v", len(want)+1, len(got), got)
	}
}

// sendsWhatWaitsFirst sends a message the instant that the client is up.
func sendsWhatWaitsFirst(p *path) {
	p.open(scenarios.ServerConfig{})
	bob := p.client(p.node.URL(), "bob", quickly)
	bob.join("r")
	var log scenarios.EventLog
	last := scenarios.Message{Room: "r", Seq: 10}
	clients := make(chan scenarios.Client, 1)
	ups := 0
	client, err := p.dial(p.Context(), p.relay.URL(),
		scenarios.DialConfig{Reconnect: &quickly},
		func(e scenarios.Event) {
			log.Add(e)
			if e.Kind != scenarios.EventUp {
				return
			}
			if ups++; ups == 2 {
				if err := (<-clients).Send(p.Context(), last); err != nil {
					p.Error(err)
				}
			}
		})
	if err != nil {
		p.Fatal(err)
	}
	defer client.Close()
	clients <- client
	ann := &returning{Client: client, p: p}
	hear := p.relay.Deafen()
	p.relay.Cut()
	p.must(func(ctx context.Context) error {
		_, err := log.Await(ctx, func(events []scenarios.Event) bool {
			return len(ofKind(events, scenarios.EventDown)) > 0
		})
		return err
	})
	for range 10 {
		ann.say("r")
	}
	hear()
	bob.hears(last)
	for i, m := range messages(bob.Events(), scenarios.EventMessage) {
		if m.Seq != int64(i) {
			p.Errorf("message %d comes instead of %d", m.Seq, i)
		}
	}
}

func answersRequestsLater(p *path) {
	p.open(scenarios.ServerConfig{})
	ann := p.client(p.relay.URL(), "ann", quickly)
	bob := p.client(p.node.URL(), "bob", quickly)
	ann.join("old")
	bob.join("new")
	hear := p.relay.Deafen()
	p.relay.Cut()
	ann.sees(scenarios.EventDown, 1)
	ctx, cancel := p.patience()
	defer cancel()
	answers := make(chan error, 2)
	go func() { answers <- ann.Join(ctx, "new") }()
	go func() { answers <- ann.Leave(ctx, "old") }()
	hear()
	for range 2 {
		if err := <-answers; err != nil {
			p.Error(err)
		}
	}
	if e := bob.sees(scenarios.EventJoined, 1); e.Message.From != "ann" {
		p.Errorf("bob is told of %+v", e)
	}
	bob.say("old")
	ann.hears(bob.say("new"))
	if n := len(ofKind(ann.Events(), scenarios.EventMessage)); n != 1 {
		p.Errorf("ann gets %d messages, want that of the new room alone", n)
	}
	p.relay.Cut()
	ann.sees(scenarios.EventUp, 3)
	ann.hears(bob.say("new"))
}

func givesUpRequest(p *path) {
	p.open(scenarios.ServerConfig{})
	ann := p.client(p.relay.URL(), "ann", quickly)
	p.relay.Deafen()
	p.relay.Cut()
	ann.sees(scenarios.EventDown, 1)
	ctx, cancel := context.WithTimeout(p.Context(), 10*time.Millisecond)
	defer cancel()
	if err := ann.Join(ctx, "r"); err == nil {
		p.Error("a client that is down has joined")
	}
	if err := ann.Send(ctx, scenarios.Message{Room: "r"}); err == nil {
		p.Error("a message whose context has ended is accepted")
	}
}

func boundsAttempts(p *path) {
	p.open(scenarios.ServerConfig{})
	r := quickly
	r.Timeout = 5 * time.Second // the first attempt has no more, and a busy machine may take some
	ann := p.client(p.relay.URL(), "ann", r)
	hear := p.relay.Deafen()
	p.relay.Cut()
	ann.sees(scenarios.EventAttempt, 3)
	hear()
	ann.sees(scenarios.EventUp, 2)
}

func triesOnceAtFirst(p *path) {
	p.open(scenarios.ServerConfig{})
	var log scenarios.EventLog
	cfg := scenarios.DialConfig{Name: "ann", Reconnect: &quickly}
	cfg.Origin = "https://evil.example"
	c, err := p.dial(p.Context(), p.node.URL(), cfg, log.Add)
	if err == nil {
		c.Close()
		p.Error("a client from elsewhere is let in")
	}
	p.relay.Deafen()
	ctx, cancel := context.WithTimeout(p.Context(), 50*time.Millisecond)
	defer cancel()
	cfg.Origin = ""
	if c, err = p.dial(ctx, p.relay.URL(), cfg, log.Add); err == nil {
		c.Close()
		p.Error("a server that does not answer has a client")
	}
	if err := p.node.Kill(); err != nil {
		p.Fatal(err)
	}
	if c, err = p.dial(p.Context(), p.node.URL(), cfg, log.Add); err == nil {
		c.Close()
		p.Error("a server that is not there has a client")
	}
	if events := log.Events(); len(events) != 0 {
		p.Errorf("a client that did not connect sees %+v", events)
	}
}

// closes closes a client and checks that this ends it.
func (c *returning) closes(downs int) {
	c.p.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Close() }()
	select {
	case err := <-done:
		if err != nil {
			c.p.Error(err)
		}
	case <-time.After(3 * DefaultPatience):
		c.p.Fatal("the client does not close")
	}
	before := len(c.Events())
	if n := len(ofKind(c.Events(), scenarios.EventDown)); n != downs {
		c.p.Errorf("the client is told %d times that it is down, want %d", n, downs)
	}
	for what, err := range map[string]error{
		"send":     c.Send(c.p.Context(), scenarios.Message{Room: "r"}),
		"announce": c.Announce(c.p.Context(), scenarios.Message{}),
		"join":     c.Join(c.p.Context(), "r"),
		"leave":    c.Leave(c.p.Context(), "r"),
		"close":    nil,
	} {
		if err == nil && what != "close" {
			c.p.Errorf("%s: a closed client does not refuse", what)
		}
	}
	if err := c.Close(); err != nil {
		c.p.Errorf("close again: %v", err)
	}
	if after := c.Events(); len(after) != before {
		c.p.Errorf("after its end the client sees %+v", after[before:])
	}
}

func closesWhileUp(p *path) {
	p.open(scenarios.ServerConfig{})
	ann := p.client(p.relay.URL(), "ann", quickly)
	ann.join("r")
	ann.closes(1)
}

func closesInPause(p *path) {
	p.open(scenarios.ServerConfig{})
	ann := p.client(p.relay.URL(), "ann", scenarios.Reconnect{
		Delay: time.Hour, MaxDelay: time.Hour,
	})
	p.relay.Cut()
	ann.sees(scenarios.EventDown, 1)
	ann.closes(1)
}

func closesInAttempt(p *path) {
	p.open(scenarios.ServerConfig{})
	r := quickly
	r.Timeout = time.Hour
	ann := p.client(p.relay.URL(), "ann", r)
	ctx, cancel := p.patience()
	defer cancel()
	p.relay.Deafen()
	p.relay.Cut()
	ann.sees(scenarios.EventAttempt, 1)
	// It waits for the client to come back, and so until its end.
	joined := make(chan error, 1)
	go func() { joined <- ann.Join(ctx, "r") }()
	ann.closes(1)
	if err := <-joined; err == nil || ctx.Err() != nil {
		p.Errorf("a request outlives its client: %v", err)
	}
}

func closesInSilence(p *path) {
	p.open(scenarios.ServerConfig{})
	ann := p.client(p.relay.URL(), "ann", quickly)
	p.relay.Silence()
	ann.closes(1)
}

// saysNothingTwice cuts the connection often while both directions are busy.
func saysNothingTwice(p *path) {
	p.open(scenarios.ServerConfig{Queue: 1 << 14, QueueBytes: 1 << 30})
	ann := p.client(p.relay.URL(), "ann", quickly)
	bob := p.client(p.node.URL(), "bob", quickly)
	ann.join("r")
	bob.join("r")
	for i := range 20 {
		for range 10 {
			ann.say("r")
		}
		bob.say("side")
		if i%2 == 1 {
			p.relay.Cut()
			ann.sees(scenarios.EventUp, 2+i/2)
		}
	}
	last := ann.say("r")
	ann.hears(last)
	bob.hears(last)
	for who, c := range map[string]*returning{"ann": ann, "bob": bob} {
		seen := make(map[int64]bool)
		for _, m := range messages(c.Events(), scenarios.EventMessage) {
			if seen[m.Seq] {
				p.Errorf("%s gets message %d twice", who, m.Seq)
			}
			seen[m.Seq] = true
		}
	}
}

// backsOff looks at the pauses on a clock of its own. Nobody listens, so that an
// attempt takes no time.
func backsOff(
	t *testing.T, newServer scenarios.NewServer, dial scenarios.Dial,
	protocol scenarios.Protocol,
) {
	// What waits for the network holds that clock up, and what was started
	// under it cannot be awaited from elsewhere: the server stays outside.
	p := &path{
		T: t, protocol: protocol, env: Local(newServer, dial), dial: dial,
	}
	p.open(scenarios.ServerConfig{})
	url := p.node.URL()
	gone, killed := make(chan struct{}), make(chan error)
	go func() {
		<-gone
		killed <- p.node.Kill()
	}()
	synctest.Test(t, func(t *testing.T) {
		r := scenarios.Reconnect{
			Delay: time.Second, MaxDelay: 10 * time.Second, Jitter: 0.25,
		}
		var at []time.Time
		var attempts []string
		enough := make(chan struct{})
		c, err := dial(t.Context(), url, scenarios.DialConfig{Reconnect: &r},
			func(e scenarios.Event) {
				switch e.Kind {
				case scenarios.EventDown:
					at = append(at, time.Now())
				case scenarios.EventAttempt:
					at = append(at, time.Now())
					attempts = append(attempts, e.Reason)
					if len(attempts) == 8 {
						close(enough)
					}
				}
			})
		if err != nil {
			t.Fatal(err)
		}
		close(gone)
		if err := <-killed; err != nil {
			t.Fatal(err)
		}
		<-enough
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for i, want := range []time.Duration{1, 2, 4, 8, 10, 10, 10, 10} {
			want *= time.Second
			shortest := want * 3 / 4
			longest := min(want*5/4, r.MaxDelay)
			if d := at[i+1].Sub(at[i]); d < shortest || d > longest {
				t.Errorf("the pause before attempt %d is %v, want %v to %v",
					i+1, d, shortest, longest)
			}
			if want := fmt.Sprint("attempt ", i+1); attempts[i] != want {
				t.Errorf("an attempt's reason is %q, want %q", attempts[i], want)
			}
		}
	})
	if _, err := net.Dial("tcp", strings.TrimPrefix(url, "http://")); err == nil {
		t.Error("the server was there")
	}
}
