package reconnect

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"wsvsio/scenarios"
)

const ms = time.Millisecond

// fast are timers with which a fake client takes no time.
var fast = scenarios.Timers{
	PingInterval: 40 * ms, PingTimeout: 50 * ms, Delay: 10 * ms, MaxDelay: 50 * ms,
	Timeout: time.Second, AckTimeout: 50 * ms, Down: 20 * ms, Stall: 20 * ms, Hold: 20 * ms, Limit: 2 * time.Second,
}

var stack = scenarios.Stack{
	Name: "fake", Server: scenarios.Program{Go: "fake"}, Client: scenarios.Program{Go: "fake"},
	Mode: scenarios.Mode{Transports: []string{scenarios.WebSocket}, Reconnect: true},
}

// TestAccount runs the scenario with clients that notice, lose, double and swap
// on a schedule, and compares what it reports with what was really done.
func TestAccount(t *testing.T) {
	for name, tt := range map[string]struct {
		behave faulty
		never  bool // it does not come back
		want   string
	}{
		"as it should be": {behave: faulty{notice: 30 * ms, back: 80 * ms}},
		"notices late":    {behave: faulty{notice: 200 * ms, back: 230 * ms}},
		"sends again":     {behave: faulty{notice: 60 * ms, back: 120 * ms, resend: true}},
		"forgets":         {behave: faulty{notice: 30 * ms, back: 80 * ms, forget: 5}},
		"repeats":         {behave: faulty{notice: 30 * ms, back: 80 * ms, repeat: 4}},
		"swaps":           {behave: faulty{notice: 30 * ms, back: 80 * ms, swap: 6}},
		"all of it":       {behave: faulty{notice: 50 * ms, back: 100 * ms, forget: 7, repeat: 5, swap: 11}},
		"drops by itself": {behave: faulty{notice: 30 * ms, back: 80 * ms, drop: true}},
		"stays away":      {behave: faulty{notice: 30 * ms}, never: true},
		"never notices":   {behave: faulty{}, never: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, rec := newFakeEnv(tt.behave), newFakeRecorder()
			timers := fast
			if tt.never {
				timers.Limit = 300 * ms
			}
			c := scenarios.Case{Name: "silent", Clients: 4, Rate: 100, Samples: 2, Timers: timers}
			if err := (Scenario{}).Run(t.Context(), env, stack, c, rec); err != nil {
				t.Fatal(err)
			}
			env.mu.Lock()
			defer env.mu.Unlock()
			want := env.truth
			if want.sent < 40 {
				t.Fatalf("only %d messages", want.sent)
			}
			for _, p := range env.peers {
				if p.held != nil {
					want.undelivered++ // it waits for a next one that never came
				}
				want.unwritten += len(p.kept)
			}
			for what, pair := range map[string][2]int{
				"lost":                 {rec.sum("lost-down", "lost-up"), want.unwritten + want.cut + want.undelivered},
				"never written":        {rec.sum("lost-unwritten"), want.unwritten},
				"cut or not passed on": {rec.sum("lost-cut", "lost-undelivered"), want.cut + want.undelivered},
				"twice":                {rec.sum("dup"), want.dup},
				"reordered":            {rec.sum("reordered"), want.swapped},
				"refused":              {rec.sum("refused"), want.refused},
			} {
				if pair[0] != pair[1] {
					t.Errorf("%s: reported %d, was %d (%+v)\n%v", what, pair[0], pair[1], want, rec)
				}
			}
			faults := 8
			if tt.never {
				faults = 4
			}
			died := 0
			if tt.behave.drop {
				died = 4
			}
			if got := rec.sum("died"); got != died {
				t.Errorf("%d connections ended by themselves, want %d", got, died)
			}
			noticed, back := rec.values["detect-sec"], rec.values["recover-sec"]
			if n := len(noticed); tt.behave.notice > 0 && n != faults || tt.behave.notice == 0 && n != 0 {
				t.Errorf("noticed %d of %d faults", n, faults)
			}
			for _, v := range noticed {
				if v < tt.behave.notice.Seconds() {
					t.Errorf("noticed after %v s, which is before %v", v, tt.behave.notice)
				}
			}
			if n := len(back); !tt.never && n != faults || tt.never && n != 0 {
				t.Errorf("back after %d of %d faults", n, faults)
			}
			for _, v := range back {
				if v < tt.behave.back.Seconds() {
					t.Errorf("back after %v s, which is before %v", v, tt.behave.back)
				}
			}
			if !tt.never {
				for _, v := range rec.values["reconnect-B"] {
					if v != handshake {
						t.Errorf("%v B to come back, want %d", v, handshake)
					}
				}
				if rec.sum("attempts") != faults {
					t.Errorf("%d attempts", rec.sum("attempts"))
				}
			}
			if _, ok := rec.labels["never back"]; ok != tt.never {
				t.Errorf("labels %v", rec.labels)
			}
		})
	}
}

// TestForgetful tells what arrived and was not passed on from what was cut:
// no later message of the same connection got through.
func TestForgetful(t *testing.T) {
	env, rec := newFakeEnv(faulty{notice: 60 * ms, back: 100 * ms, forget: 3}), newFakeRecorder()
	c := scenarios.Case{Name: "silent", Clients: 2, Rate: 100, Timers: fast}
	if err := (Scenario{}).Run(t.Context(), env, stack, c, rec); err != nil {
		t.Fatal(err)
	}
	// What was forgotten last before a fault cannot be told from what was cut:
	// at most one of each connection with two of three passed on.
	if cut := rec.sum("lost-cut"); cut < env.truth.cut || cut > env.truth.cut+2 {
		t.Errorf("%d cut, were %d", cut, env.truth.cut)
	}
	if n := rec.sum("lost-undelivered"); n == 0 {
		t.Error("nothing was forgotten")
	}
}

// TestUnexplained fails a case whose clients are up and lose messages that were
// never written.
func TestUnexplained(t *testing.T) {
	env, rec := newFakeEnv(faulty{notice: 30 * ms, back: 80 * ms, hole: 3}), newFakeRecorder()
	c := scenarios.Case{Name: "silent", Clients: 2, Rate: 50, Timers: fast}
	c.Timers.PingInterval = time.Second // the second client's fault comes late
	c.Timers.Limit = 5 * time.Second
	err := (Scenario{}).Run(t.Context(), env, stack, c, rec)
	if err == nil || !strings.Contains(err.Error(), "unexplained") || !strings.Contains(err.Error(), "was never written, and its connection was up") {
		t.Errorf("error %v", err)
	}
}

// TestArrivedFromNowhere fails an instrument that says of a message that it
// arrived and never crossed the wire.
func TestArrivedFromNowhere(t *testing.T) {
	m := said{from: "ann", seq: 1, at: 10, until: 20}
	trial := trial{
		down: []said{m},
		seen: []scenarios.Event{{Kind: scenarios.EventMessage, At: 30, Message: scenarios.Message{From: "ann", Seq: 1}}},
	}
	if got := trial.account(scenarios.PathDown); got.n[unexplained] != 1 || !strings.Contains(got.why, "without having crossed") {
		t.Errorf("%+v", got)
	}
}

// TestWire tells what an end had not read when its connection ended from what
// it had read and not passed on.
func TestWire(t *testing.T) {
	crossing := func(conn int, seq, went int64) scenarios.Crossing {
		return scenarios.Crossing{Conn: conn, Direction: scenarios.PathDown, From: "ann", Seq: seq, Came: 1, Went: went}
	}
	trial := trial{record: scenarios.PathRecord{
		Crossings: []scenarios.Crossing{
			crossing(1, 1, 5), crossing(1, 2, 6), crossing(1, 3, 7), // 2 is delivered
			crossing(1, 4, 0),                    // thrown away
			crossing(2, 5, 8), crossing(2, 6, 9), // the connection lives
			crossing(3, 7, 9), // nothing of it was delivered
		},
		Harm: []scenarios.Harm{{Fault: scenarios.Fault{Kind: scenarios.FaultReset}, Conns: []int{1}},
			{Fault: scenarios.Fault{Kind: scenarios.FaultStall}, Conns: []int{2}}},
		Ends: []scenarios.PathEnd{{Conn: 3, Direction: scenarios.PathUp, How: "fin"}},
	}}
	found := trial.wire(scenarios.PathDown, map[key]int{{"ann", 2}: 1})
	for seq, want := range map[int64]fate{1: undelivered, 3: cut, 4: cut, 5: undelivered, 6: undelivered, 7: cut} {
		if got := found[key{"ann", seq}].fate; got != want {
			t.Errorf("message %d: fate %d, want %d", seq, got, want)
		}
	}
	if up := trial.wire(scenarios.PathUp, nil); len(up) != 0 {
		t.Errorf("of the other direction: %v", up)
	}
}

func TestCheck(t *testing.T) {
	for _, p := range []scenarios.Profile{scenarios.Quick, scenarios.Full} {
		for _, c := range (Scenario{}).Cases(p) {
			if err := (Scenario{}).Check(c); err != nil {
				t.Errorf("%s: %v", p, err)
			}
			if c.Timers == (scenarios.Timers{}) || !c.Once || !c.Outcome || c.Window <= 0 {
				t.Errorf("%s: %+v", p, c)
			}
			if _, err := fault(c); (err != nil) != (c.Name == "restart" || c.Name == "deploy" || c.Name == "jitter" || c.Name == "storm") {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
	for want, change := range map[string]func(*scenarios.Case){
		"must be at least":    func(c *scenarios.Case) { c.Timers.PingTimeout = ms },
		"is not shorter than": func(c *scenarios.Case) { c.Name, c.Timers.Stall = "stall", time.Hour },
		"not be waited for":   func(c *scenarios.Case) { c.Timers.PingInterval = time.Hour },
	} {
		c := (Scenario{}).Cases(scenarios.Quick)[0]
		change(&c)
		if err := (Scenario{}).Check(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// TestBroke tells a path that could not go on from one whose connections ended.
func TestBroke(t *testing.T) {
	for _, how := range []string{"fin", "reset", "close", "silence"} {
		if why := broke(scenarios.PathRecord{Ends: []scenarios.PathEnd{{Conn: 1, How: how}}}); why != "" {
			t.Errorf("%s: %q", how, why)
		}
	}
	if why := broke(scenarios.PathRecord{Ends: []scenarios.PathEnd{{Conn: 1, How: "too many open files"}}}); why != "too many open files" {
		t.Errorf("%q", why)
	}
}

// spinning is a node that uses a core, and is slow to say so.
type spinning struct {
	scenarios.Node
	began time.Time
	asked *int
}

func (n spinning) CPU() (time.Duration, error) {
	if *n.asked++; *n.asked%3 == 0 {
		<-time.After(2*bin - bin/10) // the next tick is already due then
	}
	return time.Since(n.began), nil
}

// TestBusiest takes no more than a core for the peak of a program that uses
// one, whatever the ticks of the clock.
func TestBusiest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if peak := busiest(ctx, spinning{began: time.Now(), asked: new(int)}); peak < 0.9 || peak > 3 {
			t.Errorf("peak %v", peak)
		}
	})
}

func TestPeakRate(t *testing.T) {
	at := func(ms ...int64) (ns []int64) {
		for _, v := range ms {
			ns = append(ns, v*1e6)
		}
		return ns
	}
	for _, tt := range []struct {
		accepted []int64
		want     float64
	}{
		{nil, 0},
		{at(50, 99, 100), 0},             // before
		{at(1000, 1001, 1099, 1100), 30}, // three in a tenth of a second
		{at(1000, 1150, 1199, 1250), 20},
	} {
		if got := peakRate(tt.accepted, 1000e6); got != tt.want {
			t.Errorf("%v: %v, want %v", tt.accepted, got, tt.want)
		}
	}
}
