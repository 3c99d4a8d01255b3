package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// fakeNode notes when it is paused and let go on.
type fakeNode struct {
	scenarios.Node
	refuse error

	paused, resumed time.Time
}

func (n *fakeNode) Usage(context.Context) (scenarios.Usage, error) { return scenarios.Usage{}, nil }
func (n *fakeNode) CPU() (time.Duration, error)                    { return 0, nil }

func (n *fakeNode) Pause() error {
	n.paused = time.Now()
	return n.refuse
}

func (n *fakeNode) Resume() error {
	n.resumed = time.Now()
	return nil
}

// load asks the node as the environment does: some time after the start, until
// it is at rest, and when the window is over.
func load(n scenarios.Node, connect, rest, window time.Duration) (begin time.Time) {
	time.Sleep(connect)
	n.Usage(context.Background())
	for range rest / (5 * time.Millisecond) {
		time.Sleep(5 * time.Millisecond)
		n.CPU()
	}
	begin = time.Now()
	time.Sleep(window)
	n.Usage(context.Background())
	return begin
}

// TestWithin pauses a server three tenths into a window of which nobody tells
// when it begins.
func TestWithin(t *testing.T) {
	const window = 10 * time.Second
	for _, connect := range []time.Duration{0, 50 * time.Millisecond, 8 * time.Second} {
		for _, rest := range []time.Duration{0, 200 * time.Millisecond} {
			synctest.Test(t, func(t *testing.T) {
				node := new(fakeNode)
				watched := &watchedNode{Node: node, asked: make(chan struct{})}
				st := stalling{time.Second}
				paused := make(chan stopped, 1)
				go func() { paused <- st.within(t.Context(), watched, window) }()
				begin := load(watched, connect, rest, window)
				p := <-paused
				if p.err != nil || !node.paused.Equal(begin.Add(3*time.Second)) || !node.resumed.Equal(begin.Add(4*time.Second)) {
					t.Errorf("paused %v after the window began, until %v: %v", node.paused.Sub(begin), node.resumed.Sub(begin), p.err)
				}
				if !p.quiet.Equal(begin) || !p.paused.Equal(node.paused) || !p.resumed.Equal(node.resumed) {
					t.Errorf("told as %+v, but it was %+v", p, node)
				}
			})
		}
	}
}

// TestNotPaused ends before there is a pause, or in it.
func TestNotPaused(t *testing.T) {
	st := stalling{time.Second}
	for name, after := range map[string]time.Duration{"never asked": 0, "before": 2 * time.Second, "within": 3500 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			node := new(fakeNode)
			watched := &watchedNode{Node: node, asked: make(chan struct{})}
			paused := make(chan stopped, 1)
			go func() { paused <- st.within(ctx, watched, 10*time.Second) }()
			if after > 0 {
				watched.CPU()
			}
			time.Sleep(after)
			cancel()
			p := <-paused
			if !p.resumed.IsZero() || p.err != nil {
				t.Errorf("%s: %+v", name, p)
			}
			if node.paused.IsZero() != node.resumed.IsZero() || node.paused.IsZero() != (name != "within") {
				t.Errorf("%s: paused %v, let go on %v", name, node.paused, node.resumed)
			}
		})
	}
	synctest.Test(t, func(t *testing.T) {
		node := &fakeNode{refuse: errors.New("process has ended")}
		if p := st.now(t.Context(), node, stopped{}); p.err != node.refuse || !p.resumed.IsZero() {
			t.Errorf("a node that cannot be paused: %+v", p)
		}
	})
}

// fakePeer gets back what it sends after a while, which is longer while the
// server is paused.
type fakePeer struct {
	scenarios.EventLog
	from, to time.Time // the pause
	gone     bool
	sent     int
}

func (p *fakePeer) Send(_ context.Context, m scenarios.Message) error {
	if p.gone {
		return errors.New("the client is closed")
	}
	p.sent++
	took := time.Millisecond
	if now := time.Now(); now.After(p.from) && now.Before(p.to) {
		took += p.to.Sub(now)
	}
	time.AfterFunc(took, func() {
		p.Add(scenarios.Event{Kind: scenarios.EventMessage, At: worker.Now(), Message: m})
	})
	return nil
}

func (p *fakePeer) Join(context.Context, string) error                { return nil }
func (p *fakePeer) Leave(context.Context, string) error               { return nil }
func (p *fakePeer) Announce(context.Context, scenarios.Message) error { return nil }
func (p *fakePeer) Close() error                                      { return nil }

// TestConverse has one message of a client be late, and the others of that
// second not be sent.
func TestConverse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		p := &fakePeer{from: begin.Add(3 * time.Second), to: begin.Add(4 * time.Second)}
		var took []time.Duration
		err := converse(t.Context(), p, "r", 10, begin.Add(50*time.Millisecond), begin.Add(10*time.Second), 100*time.Millisecond,
			func(d time.Duration) error { took = append(took, d); return nil })
		if err != nil {
			t.Fatal(err)
		}
		// Due at 0.05, 0.15 … 9.95 s; that of 3.05 s is back at 4.001 s.
		var late []time.Duration
		for _, d := range took {
			switch {
			case d > slowLimit:
				late = append(late, d)
			case d != time.Millisecond:
				t.Errorf("one took %v", d)
			}
		}
		if len(took) != 91 || p.sent != 91 || len(late) != 1 || late[0] != 951*time.Millisecond {
			t.Errorf("%d came back, %d were sent, late were %v", len(took), p.sent, late)
		}
	})
}

func TestConverseFails(t *testing.T) {
	ignore := func(time.Duration) error { return nil }
	full := errors.New("out of range")
	synctest.Test(t, func(t *testing.T) {
		now, gone := time.Now(), errors.New("somebody else failed")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(gone)
		for want, try := range map[string]func() error{
			"the client is closed": func() error {
				return converse(t.Context(), &fakePeer{gone: true}, "r", 1, now, now.Add(time.Second), time.Second, ignore)
			},
			"somebody else failed": func() error {
				return converse(ctx, new(fakePeer), "r", 1, now.Add(time.Second), now.Add(2*time.Second), time.Second, ignore)
			},
			"out of range": func() error {
				return converse(t.Context(), new(fakePeer), "r", 1, now, now.Add(time.Second), time.Second, func(time.Duration) error { return full })
			},
		} {
			if err := try(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	})
}

// TestLate counts samples on either side of the limit.
func TestLate(t *testing.T) {
	c := cell{Histograms: []scenarios.Histogram{
		distribution(t, "latency/sender", map[time.Duration]int64{time.Millisecond: 10, 99 * time.Millisecond: 20, 101 * time.Millisecond: 5}),
		distribution(t, "latency/others", map[time.Duration]int64{time.Second: 15}),
		distribution(t, "from-write/others", map[time.Duration]int64{time.Second: 100}),
	}}
	if share, n, err := late(c, fromDue); share != 0.4 || n != 50 || err != nil {
		t.Errorf("late %v of %d, %v", share, n, err)
	}
	if share, n, err := late(c, fromTurn); share != 0 || n != 0 || err != nil {
		t.Errorf("of none late %v of %d, %v", share, n, err)
	}
	c.Histograms[0].Data = "damaged"
	if _, _, err := late(c, fromDue); err == nil || !strings.Contains(err.Error(), "latency/sender") {
		t.Errorf("a damaged histogram: %v", err)
	}
}
