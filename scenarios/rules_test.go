package scenarios

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// built are measured values made for a test, by "scenario case stack unit".
type built struct {
	figures map[string][3]float64 // least, median, most
	ratios  map[string][3]float64 // low, estimate, high; the stack that it is over is "sio:rawws"
	labels  map[string]string
	few     bool // there are too few rounds to judge by
	doubts  []Doubt
	late    []Doubt // of latencies
}

func newBuilt() *built {
	return &built{figures: make(map[string][3]float64), ratios: make(map[string][3]float64), labels: make(map[string]string)}
}

// set sets figures that are the same in every round.
func (b *built) set(v float64, places ...string) *built {
	for _, p := range places {
		b.figures[p] = [3]float64{v, v, v}
	}
	return b
}

// ratio sets a ratio, and figures for both of its sides.
func (b *built) ratio(place string, low, estimate, high float64) *built {
	b.ratios[place] = [3]float64{low, estimate, high}
	fields := strings.Fields(place)
	over, under, _ := strings.Cut(fields[2], ":")
	for stack, v := range map[string]float64{over: 10e-6 * estimate, under: 10e-6} {
		b.set(v, strings.Join([]string{fields[0], fields[1], stack, fields[3]}, " "))
	}
	return b
}

func (b *built) without(prefixes ...string) *built {
	for _, prefix := range prefixes {
		drop := func(key string) bool { return strings.HasPrefix(key, prefix) }
		maps.DeleteFunc(b.figures, func(k string, _ [3]float64) bool { return drop(k) })
		maps.DeleteFunc(b.ratios, func(k string, _ [3]float64) bool { return drop(k) })
		maps.DeleteFunc(b.labels, func(k string, _ string) bool { return drop(k) })
	}
	return b
}

func keyOf(p Place) string {
	return strings.Join([]string{p.Scenario, p.Case, p.Stack, p.Unit}, " ")
}

func (b *built) Figure(p Place) (Figure, bool) {
	v, ok := b.figures[keyOf(p)]
	return Figure{Place: p, Full: "case=" + p.Case + "/clients=1000", Min: v[0], Median: v[1], Max: v[2], N: 8, Text: fmt.Sprint(v[1]), Doubts: b.doubtsOf(p)}, ok
}

func (b *built) All(p Place) []Figure {
	if f, ok := b.Figure(p); ok {
		return []Figure{f}
	}
	return nil
}

func (b *built) doubtsOf(p Place) []Doubt {
	if p.Unit == unitP50 {
		return append(slices.Clone(b.doubts), b.late...)
	}
	return b.doubts
}

func (b *built) Both(p Place, other string) (one, two Figure, ok bool) {
	one, ok = b.Figure(p)
	p.Stack = other
	two, there := b.Figure(p)
	return one, two, ok && there
}

func (b *built) Label(p Place) (Figure, bool) {
	text, ok := b.labels[keyOf(p)]
	return Figure{Place: p, Full: "case=" + p.Case, Text: text}, ok
}

func (b *built) Ratio(p Place, under string) (Ratio, bool) {
	q := p
	q.Stack += ":" + under
	v, ok := b.ratios[keyOf(q)]
	if !ok {
		return Ratio{}, false
	}
	r := Ratio{Low: v[0], Estimate: v[1], High: v[2], Enough: !b.few, Text: fmt.Sprintf("%.3gx (%.3g-%.3gx)", v[1], v[0], v[2])}
	r.Differs = r.Enough && (v[0] > 1 || v[2] < 1)
	r.Over, _ = b.Figure(p)
	p.Stack = under
	r.Under, _ = b.Figure(p)
	return r, true
}

func (b *built) Difference(p Place, under string) (Difference, bool) {
	r, ok := b.Ratio(p, under)
	d := r.Over.Median - r.Under.Median
	return Difference{Over: r.Over, Under: r.Under, Estimate: d, Low: d / 2, High: 2 * d, Enough: r.Enough}, ok
}

func (b *built) Cases(scenario string) []string {
	var names []string
	for key := range b.figures {
		if f := strings.Fields(key); f[0] == scenario && !slices.Contains(names, f[1]) {
			names = append(names, f[1])
		}
	}
	slices.Sort(names)
	return names
}

func (b *built) Labels(scenario, name, stack string) []string {
	var keys []string
	for key := range b.labels {
		if rest, ok := strings.CutPrefix(key, scenario+" "+name+" "+stack+" "); ok {
			keys = append(keys, rest)
		}
	}
	slices.Sort(keys)
	return keys
}

func (b *built) Why(p Place) string { return keyOf(p) + " is missing" }

// clear is a world in which every claim holds.
func clear() *built {
	b := newBuilt()
	for _, name := range []string{"steady", "fan-out"} {
		b.ratio("broadcast "+name+" rawws:floor server-cpu-sec/msg", 1.1, 1.2, 1.3)
		b.ratio("broadcast "+name+" rawws:floor p50-sec/msg", 1.1, 1.2, 1.3)
	}
	for _, pair := range []string{"sio:rawws", "sio-node:rawws-node"} {
		b.ratio("broadcast steady "+pair+" server-cpu-sec/msg", 1.9, 2, 2.1)
		b.ratio("broadcast steady "+pair+" wire-B/msg", 0.95, 0.95, 0.95)
		b.ratio("broadcast fan-out "+pair+" server-cpu-sec/msg", 0.5, 0.6, 0.7)
		sio, plain, _ := strings.Cut(pair, ":")
		b.set(1, "broadcast fan-out "+sio+" wire-segs/msg").set(2, "broadcast fan-out "+plain+" wire-segs/msg")
	}
	for _, stack := range []string{"rawws", "rawws-node"} {
		b.set(1, "broadcast connect "+stack+" connect-conns", "broadcast connect "+stack+" connect-reqs")
		b.set(0, "broadcast both-ways "+stack+" phase-window-conns")
		b.set(50, "size chat "+stack+" by-hand-statements")
		b.set(100, "size chat "+stack+" statements", "size chat "+stack+" cognitive", "size chat "+stack+" api-names")
	}
	for _, stack := range []string{"sio", "sio-node"} {
		b.set(0, "size chat "+stack+" by-hand-statements")
		b.set(80, "size chat "+stack+" statements", "size chat "+stack+" cognitive")
		b.set(100, "size chat "+stack+" api-names")
	}
	for _, name := range []string{"direct", "tls", "strip-upgrade", "forward-denied", "balance-robin"} {
		works := 1.0
		if name == "strip-upgrade" || name == "forward-denied" {
			works = 0
		}
		b.set(works, "proxy "+name+" rawws-node works")
		b.set(1, "proxy "+name+" sio-node-default works")
	}
	b.set(1, "proxy balance-robin rawws-node stable-ratio", "proxy balance-robin sio-node-default stable-ratio")
	for way, text := range map[string]string{"direct": WebSocket, "refused": Polling, "cut": XHRMultipart, "lacking": "flashsocket"} {
		b.labels["fallback ways sio-node-default "+OutcomeOf+way] = text
	}
	for _, name := range []string{"reset", "silent"} {
		b.set(0, "reconnect "+name+" rawws back-ratio")
		for _, stack := range []string{"sio", "sio-js-reconnect", "sio-node-reconnect"} {
			b.set(1, "reconnect "+name+" "+stack+" back-ratio")
			b.set(0, "reconnect "+name+" "+stack+" lost-down", "reconnect "+name+" "+stack+" lost-up")
		}
	}
	return b
}

// verdict returns how a claim ends.
func verdict(t *testing.T, m Measured, id string) Verdict {
	t.Helper()
	list := Decide(m)
	i := slices.IndexFunc(list, func(v Verdict) bool { return v.Claim.ID == id })
	if i < 0 {
		t.Fatalf("there is no claim %s", id)
	}
	return list[i]
}

// The rules, each at its thresholds: a world in which the claim holds, and what
// is changed in it.
func TestRules(t *testing.T) {
	const cpu, p50, bytes = " server-cpu-sec/msg", " p50-sec/msg", " wire-B/msg"
	for _, tt := range []struct {
		id, what string
		change   func(*built)
		want     Answer
	}{
		{"overhead", "all of it", func(*built) {}, Holds},
		{"overhead", "just below twice the floor", func(b *built) { b.ratio("broadcast steady rawws:floor"+cpu, 1.8, 1.9, 1.99) }, Holds},
		{"overhead", "twice the floor by the upper end", func(b *built) { b.ratio("broadcast steady rawws:floor"+cpu, 1.8, 1.9, 2) }, HoldsInPart},
		{"overhead", "twice the floor by the lower end", func(b *built) { b.ratio("broadcast steady rawws:floor"+cpu, 2, 2.1, 2.2) }, DoesNotHold},
		{"overhead", "twice the latency in the crowd", func(b *built) { b.ratio("broadcast fan-out rawws:floor"+p50, 2, 2.1, 2.2) }, DoesNotHold},
		{"overhead", "twice the latency, in doubt", func(b *built) {
			b.ratio("broadcast fan-out rawws:floor"+p50, 2, 2.1, 2.2)
			b.late = []Doubt{{"largely the receiver's", ""}}
		}, HoldsInPart},
		{"overhead", "twice the CPU beside a latency in doubt", func(b *built) {
			b.ratio("broadcast fan-out rawws:floor"+cpu, 2, 2.1, 2.2)
			b.late = []Doubt{{"largely the receiver's", ""}}
		}, DoesNotHold},
		{"overhead", "no crowd", func(b *built) { b.without("broadcast fan-out") }, Holds},
		{"overhead", "no difference in Node", func(b *built) { b.ratio("broadcast steady sio-node:rawws-node"+cpu, 0.9, 1.1, 1.2) }, HoldsInPart},
		{"overhead", "Socket.IO takes less in Node", func(b *built) { b.ratio("broadcast steady sio-node:rawws-node"+cpu, 0.7, 0.8, 0.9) }, HoldsInPart},
		{"overhead", "Socket.IO takes less on both", func(b *built) {
			b.ratio("broadcast steady sio-node:rawws-node"+cpu, 0.7, 0.8, 0.9)
			b.ratio("broadcast steady sio:rawws"+cpu, 0.7, 0.8, 0.9)
		}, DoesNotHold},
		{"overhead", "bytes just within a tenth", func(b *built) { b.ratio("broadcast steady sio:rawws"+bytes, 0.9, 0.9, 0.9) }, Holds},
		{"overhead", "more than a tenth fewer bytes", func(b *built) { b.ratio("broadcast steady sio:rawws"+bytes, 0.89, 0.89, 0.89) }, HoldsInPart},
		{"overhead", "Go alone", func(b *built) { b.without("broadcast steady sio-node", "broadcast fan-out sio-node") }, Holds},
		{"overhead", "no floor", func(b *built) { b.without("broadcast steady rawws:floor") }, NotMeasured},
		{"overhead", "too few rounds", func(b *built) { b.few = true }, NotMeasured},

		{"single-connection", "all of it", func(*built) {}, Holds},
		{"single-connection", "once a second connection", func(b *built) { b.figures["broadcast connect rawws connect-conns"] = [3]float64{1, 1, 2} }, HoldsInPart},
		{"single-connection", "two connections", func(b *built) { b.set(2, "broadcast connect rawws-node connect-conns") }, DoesNotHold},
		{"single-connection", "a second request", func(b *built) { b.set(2, "broadcast connect rawws connect-reqs") }, DoesNotHold},
		{"single-connection", "a connection for the other way", func(b *built) { b.set(1, "broadcast both-ways rawws phase-window-conns") }, DoesNotHold},
		{"single-connection", "one way alone", func(b *built) { b.without("broadcast both-ways") }, NotMeasured},

		{"broadcast", "all of it", func(*built) {}, Holds},
		{"broadcast", "what crosses the wire does not decide", func(b *built) { b.set(2, "broadcast fan-out sio wire-segs/msg") }, Holds},
		{"broadcast", "the CPU does not decide", func(b *built) { b.ratio("broadcast fan-out sio:rawws"+cpu, 3, 4, 5) }, Holds},
		{"broadcast", "no segments", func(b *built) { b.without("broadcast fan-out sio wire-segs") }, NotMeasured},
		{"broadcast", "just fewer statements by hand", func(b *built) { b.set(49, "size chat sio by-hand-statements") }, Holds},
		{"broadcast", "as many, in Go", func(b *built) { b.set(50, "size chat sio by-hand-statements") }, HoldsInPart},
		{"broadcast", "as many with what makes up for the library", func(b *built) {
			b.set(20, "size chat sio by-hand-statements").set(30, "size chat sio made-up-statements")
		}, HoldsInPart},
		{"broadcast", "as many on both", func(b *built) {
			b.set(50, "size chat sio by-hand-statements", "size chat sio-node made-up-statements")
		}, DoesNotHold},
		{"broadcast", "nothing by hand, in Node", func(b *built) { b.set(0, "size chat rawws-node by-hand-statements") }, HoldsInPart},
		{"broadcast", "no code", func(b *built) { b.without("size") }, NotMeasured},

		{"proxies", "all of it", func(*built) {}, Holds},
		{"proxies", "a balancer in turn", func(b *built) { b.set(0.9, "proxy balance-robin sio-node-default works") }, HoldsInPart},
		{"proxies", "a path that it loses", func(b *built) {
			b.figures["proxy direct sio-node-default works"] = [3]float64{0.67, 1, 1}
		}, HoldsInPart},
		{"proxies", "a path that one attempt gets through", func(b *built) {
			b.figures["proxy strip-upgrade rawws-node works"] = [3]float64{0, 0, 0.33}
		}, Holds},
		{"proxies", "no path that it gets through", func(b *built) {
			b.set(0, "proxy strip-upgrade sio-node-default works", "proxy forward-denied sio-node-default works")
		}, DoesNotHold},
		{"proxies", "no balancer", func(b *built) { b.without("proxy balance-robin") }, NotMeasured},
		{"proxies", "no Node", func(b *built) { b.without("proxy strip-upgrade sio-node-default") }, NotMeasured},

		{"fallback", "all of it", func(*built) {}, Holds},
		{"fallback", "one begins anew and loses", func(b *built) {
			b.labels["fallback ways sio-node-default "+OutcomeOf+"late"] = Polling + "; anew on polling; lost 7"
		}, HoldsInPart},
		{"fallback", "polling alone", func(b *built) {
			b.labels["fallback ways sio-node-default "+OutcomeOf+"cut"] = Polling
		}, HoldsInPart},
		{"fallback", "more than half", func(b *built) { b.labels["fallback ways sio-node-default "+OutcomeOf+"cut"] = "ends: closed" }, HoldsInPart},
		{"fallback", "half of the ways", func(b *built) {
			b.labels["fallback ways sio-node-default "+OutcomeOf+"cut"] = "hangs"
			b.labels["fallback ways sio-node-default "+OutcomeOf+"refused"] = "fails: 400"
			b.labels["fallback ways sio-node-default "+OutcomeOf+"late"] = Polling
		}, DoesNotHold},
		{"fallback", "the rounds differ", func(b *built) {
			b.labels["fallback ways sio-node-default "+OutcomeOf+"cut"] = DiffersBetween + "polling; hangs)"
		}, HoldsInPart},
		{"fallback", "the client that reconnects counts", func(b *built) {
			for _, way := range []string{"refused", "cut", "lacking"} {
				b.labels["fallback ways sio-node-default-reconnect "+OutcomeOf+way] = "hangs"
			}
		}, DoesNotHold},
		{"fallback", "and where it comes back", func(b *built) {
			for way, text := range map[string]string{"refused": "websocket, then polling", "cut": XHRMultipart, "lacking": "flashsocket"} {
				b.labels["fallback ways sio-node-default "+OutcomeOf+way] = "ends: closed"
				b.labels["fallback ways sio-node-default-reconnect "+OutcomeOf+way] = text
			}
		}, Holds},
		{"fallback", "the WebSocket alone", func(b *built) {
			b.without("fallback")
			b.labels["fallback ways sio-node-default "+OutcomeOf+"direct"] = WebSocket
		}, NotMeasured},

		{"reconnect", "all of it", func(*built) {}, Holds},
		{"reconnect", "a message lost", func(b *built) { b.set(1, "reconnect silent sio-node-reconnect lost-up") }, Holds},
		{"reconnect", "go-socket.io stays down", func(b *built) { b.set(0, "reconnect reset sio back-ratio") }, Holds},
		{"reconnect", "what is lost is not known", func(b *built) { b.without("reconnect silent sio-node-reconnect lost-up") }, NotMeasured},
		{"reconnect", "once not back", func(b *built) { b.figures["reconnect reset sio-node-reconnect back-ratio"] = [3]float64{0.9, 1, 1} }, DoesNotHold},
		{"reconnect", "not after a restart", func(b *built) {
			b.set(0.5, "reconnect restart sio-node-reconnect back-ratio").set(0, "reconnect restart sio-node-reconnect lost-down", "reconnect restart sio-node-reconnect lost-up")
		}, HoldsInPart},
		{"reconnect", "a plain WebSocket comes back once", func(b *built) { b.figures["reconnect reset rawws back-ratio"] = [3]float64{0, 0, 0.1} }, DoesNotHold},
		{"reconnect", "no silence", func(b *built) { b.without("reconnect silent") }, NotMeasured},

		{"api", "a fifth less", func(*built) {}, Holds},
		{"api", "not quite a fifth less, in Go", func(b *built) { b.set(81, "size chat sio statements") }, HoldsInPart},
		{"api", "as hard, in Node", func(b *built) { b.set(81, "size chat sio-node cognitive") }, HoldsInPart},
		{"api", "names do not decide", func(b *built) { b.set(200, "size chat sio api-names") }, Holds},
		{"api", "on neither", func(b *built) {
			b.set(91, "size chat sio statements", "size chat sio-node statements")
		}, DoesNotHold},
		{"api", "no code", func(b *built) { b.without("size") }, NotMeasured},
	} {
		b := clear()
		tt.change(b)
		v := verdict(t, b, tt.id)
		if v.Answer != tt.want {
			t.Errorf("%s, %s: %s (%s), want %s", tt.id, tt.what, v.Answer, v.Reason, tt.want)
		}
		switch {
		case v.Reason == "":
			t.Errorf("%s, %s: no reason", tt.id, tt.what)
		case v.Answer == NotMeasured && !strings.Contains(v.Reason, "; to measure it: compare -scenario"):
			t.Errorf("%s, %s: the reason does not say what to run: %s", tt.id, tt.what, v.Reason)
		case v.Answer != NotMeasured && (len(v.Evidence) == 0 || v.Whose == ""):
			t.Errorf("%s, %s: %d pieces of evidence, whose: %q", tt.id, tt.what, len(v.Evidence), v.Whose)
		}
		for _, e := range v.Evidence {
			if e.Text == "" || e.Scenario == "" || e.Case == "" || e.Stack == "" || e.Unit == "" {
				t.Errorf("%s, %s: evidence without a cell: %+v", tt.id, tt.what, e)
			}
		}
	}
}

// The Node pair is the control: what it does not show is go-socket.io's.
func TestWhose(t *testing.T) {
	const cpu = " server-cpu-sec/msg"
	for _, tt := range []struct {
		change func(*built)
		want   string
	}{
		{func(*built) {}, "Not told apart: Go 2x (1.9-2.1x), Node 2x (1.9-2.1x)."},
		{func(b *built) { b.ratio("broadcast steady sio:rawws"+cpu, 2.1, 3, 4) }, "Not told apart"},
		{func(b *built) { b.ratio("broadcast steady sio:rawws"+cpu, 2.2, 3, 4) }, "Socket.IO's own server, on Node: 2x (1.9-2.1x); go-socket.io, in Go: 3x (2.2-4x). That"},
		{func(b *built) {
			b.ratio("broadcast steady sio:rawws"+cpu, 1.2, 1.5, 1.8)
			b.ratio("broadcast steady sio:sio-node"+cpu, 1.1, 1.2, 1.3)
			b.ratio("broadcast steady rawws:rawws-node"+cpu, 0.7, 0.8, 0.9)
		}, "go-socket.io takes 1.2x (1.1-1.3x) of socket.io's CPU, and rawws 0.8x (0.7-0.9x) of ws's"},
		{func(b *built) { b.without("broadcast steady sio-node") }, "Not told apart"},
	} {
		b := clear()
		tt.change(b)
		if v := verdict(t, b, "overhead"); !strings.Contains(v.Whose, tt.want) {
			t.Errorf("%q lacks %q", v.Whose, tt.want)
		}
	}
	// A defect that only go-socket.io has is told apart from what both have.
	b := clear().set(1, "proxy direct rawws-js works", "proxy balance-robin rawws-js works", "proxy balance-robin rawws-js stable-ratio").
		set(0.67, "proxy direct sio-js-default works").set(0, "proxy balance-robin sio-js-default works").set(0, "proxy balance-robin sio-node-default works")
	if v := verdict(t, b, "proxies"); !strings.Contains(v.Whose, "direct") || strings.Contains(v.Whose, "balance-robin") {
		t.Errorf("%q", v.Whose)
	}
}

// A path through somebody else's program counts with its embedded twin where both come
// to the same.
func TestTwinsCountOnce(t *testing.T) {
	b := clear().set(0, "proxy nginx rawws-node works").set(1, "proxy nginx sio-node-default works",
		"proxy haproxy-tcp rawws-node works", "proxy haproxy-tcp sio-node-default works", "proxy squid-connect rawws-node works", "proxy squid-connect sio-node-default works")
	for _, tt := range []struct {
		works float64 // of a plain WebSocket through nginx
		want  string
	}{
		// There is no embedded path beside squid-connect.
		{0, "of 5 paths a plain WebSocket fails on 2, and Socket.IO on Node in its default order gets through 2 of these over polling: all over plain http, " +
			"1 of them a reverse proxy that you set up yourself, 1 a forward proxy that denies CONNECT. Of 1 path over https both work on 1 and neither on 0; behind 1 other balancer both work; " +
			"2 more paths through nginx, HAProxy or squid came to the same as these, and none counts again"},
		{1, "of 6 paths a plain WebSocket fails on 2,"},
	} {
		b.set(tt.works, "proxy nginx rawws-node works")
		if v := verdict(t, b, "proxies"); !strings.HasPrefix(v.Reason, tt.want) {
			t.Errorf("%q, want %q", v.Reason, tt.want)
		}
	}
}

// The doubts of the cells that decided travel with the verdict, each said once.
func TestDoubtsTravel(t *testing.T) {
	b := clear()
	b.doubts = []Doubt{{"it was late", "2 of 8 rounds"}}
	for _, v := range Decide(b) {
		if v.Claim.ID == "fallback" {
			continue // labels have none here
		}
		if len(v.Doubts) != 1 || !strings.HasSuffix(v.Doubts[0], ": it was late") || !strings.Contains(v.Doubts[0], "(2 of 8 rounds)") {
			t.Errorf("%s: %q", v.Claim.ID, v.Doubts)
		}
	}
}

// Every situation has a choice with a reason, or says what is missing.
func TestAdvise(t *testing.T) {
	choices := func(m Measured) map[string]string {
		found := make(map[string]string)
		for _, a := range Advise(m) {
			found[a.Situation] = a.Choice
			if a.Reason == "" || a.Choice != "" && len(a.Evidence) == 0 {
				t.Errorf("%s: %q because %q, %d pieces of evidence", a.Situation, a.Choice, a.Reason, len(a.Evidence))
			}
			if a.Choice == "" && !strings.Contains(a.Reason, "; to measure it: compare ") {
				t.Errorf("%s: %q does not say what to run", a.Situation, a.Reason)
			}
		}
		return found
	}
	for situation, choice := range choices(newBuilt()) {
		if choice != "" {
			t.Errorf("%s: %s, of nothing", situation, choice)
		}
	}
	b := clear()
	for stack, bytes := range map[string]float64{"rawws": 20e3, "sio": 50e3, "rawws-node": 10e3, "sio-node": 30e3} {
		b.set(bytes, "broadcast idle "+stack+" server-B/conn")
	}
	for _, stack := range []string{"rawws-resume", "sio-node-retries"} {
		for _, name := range []string{"reset", "silent"} {
			b.set(0, "reconnect "+name+" "+stack+" lost-down", "reconnect "+name+" "+stack+" lost-up")
		}
	}
	const (
		browsers, goSide, node, fan, idle, lossless, nodes = "browser clients behind unknown proxies", "a Go backend (Socket.IO is go-socket.io 1.7 here)", "a Node backend",
			"high fan-out", "many idle clients", "must not lose messages", "several nodes behind a balancer"
		cpu = " server-cpu-sec/msg"
	)
	is := func(what, situation, want string) {
		t.Helper()
		if got := choices(b)[situation]; got != want {
			t.Errorf("%s, %s: %q, want %q", situation, what, got, want)
		}
	}
	is("rescued over plain http", browsers, "over https: either; over plain http: Socket.IO on Node in its default order (sticky sessions with several nodes)")
	is("2 times within the interval", goSide, "not decided")
	is("2 times within the interval", node, "not decided")
	is("0.5 times within the interval", fan, "not decided")
	is("less on both", idle, "a plain WebSocket")
	const byHand, retries = "a plain WebSocket with sessions that go on, by hand", "socket.io 4 with recovery and retries"
	is("nothing lost in a break", lossless, "store them outside of the chat server; for a short break "+byHand+", or "+retries)
	is("all work", nodes, "either")

	b.set(0, "proxy tls rawws-node works")
	is("rescued over https, behind a proxy of one's own", browsers, "over https: either; over plain http: Socket.IO on Node in its default order (sticky sessions with several nodes)")
	b.set(0, "proxy forward-denied-tls rawws-node works")
	b.set(1, "proxy forward-denied-tls sio-node-default works")
	is("rescued over https", browsers, "over https: Socket.IO on Node in its default order (sticky sessions with several nodes); over plain http: Socket.IO on Node in its default order (sticky sessions with several nodes)")
	b.without("proxy tls")
	b.without("proxy forward-denied-tls")
	is("no https", browsers, "over plain http: Socket.IO on Node in its default order (sticky sessions with several nodes)")
	b.set(0, "proxy strip-upgrade sio-node-default works", "proxy forward-denied sio-node-default works")
	is("none rescued", browsers, "over plain http: either")
	b.set(0, "proxy direct sio-node-default works")
	is("one lost", browsers, "over plain http: a plain WebSocket")

	b.ratio("broadcast steady sio:rawws"+cpu, 2, 2.5, 3)
	is("2 times by the lower end", goSide, "a plain WebSocket")
	b.set(0, "reconnect reset sio back-ratio")
	is("nobody comes back", goSide, "a plain WebSocket, with reconnection and heartbeat by hand")
	b.ratio("broadcast steady sio:rawws"+cpu, 1.1, 1.5, 1.99)
	is("just below 2 times", goSide, "either")
	b.ratio("broadcast steady sio:rawws"+cpu, 0.51, 0.6, 0.7)
	is("just above half", goSide, "either")
	b.ratio("broadcast steady sio:rawws"+cpu, 0.3, 0.4, 0.5)
	is("half", goSide, "Socket.IO")

	b.ratio("broadcast steady sio-node:rawws-node"+cpu, 1.1, 1.5, 1.99)
	is("just below 2 times", node, "Socket.IO")
	b.set(1, "reconnect silent rawws-reconnect back-ratio")
	is("by hand as well", node, "either; a plain WebSocket then needs reconnection with a heartbeat by hand")
	b.set(0.9, "reconnect silent sio-node-reconnect back-ratio")
	is("by hand alone", node, "a plain WebSocket, with reconnection and a heartbeat by hand")
	b.set(0.9, "reconnect silent rawws-reconnect back-ratio")
	is("neither always", node, "either")
	b.ratio("broadcast steady sio-node:rawws-node"+cpu, 2, 2.5, 3)
	is("2 times by the lower end", node, "a plain WebSocket")

	b.ratio("broadcast fan-out sio:rawws"+cpu, 2, 2.1, 2.2)
	b.ratio("broadcast fan-out sio-node:rawws-node"+cpu, 1.1, 1.5, 1.99)
	is("2 times in Go alone", fan, "in Go a plain WebSocket, in Node either")
	b.ratio("broadcast fan-out sio-node:rawws-node"+cpu, 0.9, 1.5, 2.1)
	is("2 times within the interval, in Node", fan, "in Go a plain WebSocket, in Node not decided")
	b.ratio("broadcast fan-out sio-node:rawws-node"+cpu, 2, 2.5, 3)
	is("2 times on both", fan, "a plain WebSocket")
	b.ratio("broadcast fan-out sio-node:rawws-node"+cpu, 0.3, 0.4, 0.5)
	is("half in Node", fan, "in Go a plain WebSocket, in Node Socket.IO")

	b.set(12.4e3, "broadcast idle sio-node server-B/conn")
	is("not a fifth less in Node", idle, "in Go a plain WebSocket, in Node either")
	b.set(12.5e3, "broadcast idle sio-node server-B/conn")
	is("a fifth less in Node", idle, "a plain WebSocket")
	b.set(8e3, "broadcast idle sio-node server-B/conn")
	is("a fifth less with Socket.IO", idle, "in Go a plain WebSocket, in Node Socket.IO")

	b.set(1, "reconnect reset sio-node-retries dup")
	is("delivered twice", lossless, "store them outside of the chat server; for a short break "+byHand+", or "+retries+", which may deliver twice")
	b.set(0, "reconnect restart sio-node-retries lost-down", "reconnect restart sio-node-retries lost-up")
	is("nor by a restart", lossless, retries+", which may deliver twice")
	b.set(1, "reconnect restart sio-node-retries lost-down")
	is("one by a restart", lossless, "store them outside of the chat server; for a short break "+byHand+", or "+retries+", which may deliver twice")
	b.figures["reconnect silent rawws-resume lost-up"] = [3]float64{0, 0, 1}
	is("one lost by hand", lossless, "store them outside of the chat server; for a short break "+retries+", which may deliver twice")
	b.figures["reconnect reset sio-node-retries lost-up"] = [3]float64{0, 0, 1}
	is("one lost by each", lossless, "store them outside of the chat server")
	b.without("reconnect reset rawws-resume")
	is("no reset", lossless, "")

	b.set(0.9, "proxy balance-robin rawws-node works")
	is("Socket.IO alone in turn", nodes, "Socket.IO")
	b.set(0.5, "proxy balance-robin sio-node-default works")
	is("neither in turn", nodes, "either with sticky sessions")
	b.set(1, "proxy balance-robin rawws-node works")
	b.set(0.5, "proxy balance-robin sio-node-default works")
	is("not in turn", nodes, "a plain WebSocket")
	b.figures["proxy balance-robin sio-node works"] = [3]float64{0.9, 1, 1}
	is("once not on websocket only", nodes, "a plain WebSocket")
	b.set(1, "proxy balance-robin sio-node works", "proxy balance-cookie sio-node-default works")
	is("on websocket only, or with a cookie", nodes, "a plain WebSocket, or Socket.IO on websocket only, which gives up the fallback, or with sticky sessions")
	b.set(0, "proxy rooms sio back-ratio", "proxy rooms rawws-node back-ratio").set(1, "proxy rooms rawws back-ratio", "proxy rooms sio-node back-ratio")
	is("two lose each other", nodes, "a plain WebSocket (not rawws in Node), or Socket.IO on websocket only, which gives up the fallback, or with sticky sessions (not go-socket.io)")
}

// The break-even figures are what they say.
func TestBreakEvens(t *testing.T) {
	b := newBuilt()
	b.ratio("broadcast steady sio:rawws server-cpu-sec/msg", 1.9, 2, 2.1) // 10 µs more a delivery
	b.ratio("broadcast fan-out sio:rawws server-cpu-sec/msg", 1.9, 2, 2.1)
	b.set(200e3, "broadcast idle rawws server-B/conn").set(500e3, "broadcast idle sio server-B/conn")
	b.set(9e4, "broadcast saturation rawws deliveries/s").set(3e4, "broadcast saturation sio deliveries/s")
	want := [][3]string{
		{"Go", "", "50-200"},        // 5 to 20 µs more are 20,000 to 5,000 deliveries a tenth of a core, 100 to a message
		{"Go", "100,000", "50,000"}, // 10 µs, and twice that
		{"Go", "60,000", "30,000"},  // who each hear 100 messages a minute
		{"Go", "90,000", "30,000"},
		{"Go", "200000", "500000"},
		{"Go", "5,000", "2,000"},
		{"Node", "", ""}, {"Node", "", ""}, {"Node", "", ""}, {"Node", "", ""}, {"Node", "", ""}, {"Node", "", ""},
	}
	got := BreakEvens(b)
	if len(got) != len(want) {
		t.Fatalf("%d figures", len(got))
	}
	for i, e := range got {
		if e.Runtime != want[i][0] || e.Plain != want[i][1] || e.SocketIO != want[i][2] || e.Reason == "" {
			t.Errorf("%+v, want %q", e, want[i])
		}
		if (e.SocketIO == "") != (len(e.Evidence) == 0) {
			t.Errorf("%s: %d pieces of evidence", e.What, len(e.Evidence))
		}
	}
	// The other side is by the ratio inside rounds, not by the medians.
	b.figures["broadcast fan-out sio server-cpu-sec/msg"] = [3]float64{30e-6, 30e-6, 30e-6}
	if e := BreakEvens(b)[1]; e.SocketIO != "50,000" {
		t.Errorf("%+v", e)
	}
	// A GB is told of where it is not far from what was connected.
	b.set(50e3, "broadcast idle rawws server-B/conn")
	if e := BreakEvens(b)[5]; e.Plain != "20,000" {
		t.Errorf("%+v", e)
	}
	b.set(49e3, "broadcast idle rawws server-B/conn")
	if e := BreakEvens(b)[5]; e.SocketIO != "" || !strings.Contains(e.Reason, "more than 20 times the 1000") {
		t.Errorf("%+v", e)
	}
	b.set(50e3, "broadcast idle rawws server-B/conn")
	// What is in doubt is told with the figure.
	b.doubts = []Doubt{{"measured once", ""}}
	for _, e := range BreakEvens(b)[:6] {
		if len(e.Doubts) != 1 || !strings.HasSuffix(e.Doubts[0], ": measured once") {
			t.Errorf("%s: %q", e.What, e.Doubts)
		}
	}
	// Where no difference was found there is no rate.
	b.ratio("broadcast steady sio:rawws server-cpu-sec/msg", 0.9, 1.1, 1.2)
	if e := BreakEvens(b)[0]; e.SocketIO != "none" {
		t.Errorf("%+v", e)
	}
	b.few = true
	if e := BreakEvens(b)[0]; e.SocketIO != "" || !strings.Contains(e.Reason, "too few rounds") {
		t.Errorf("%+v", e)
	}
}

// Without an interval above nothing there is one rate, not a range.
func TestSpan(t *testing.T) {
	for want, d := range map[string]Difference{
		"240-590": {Estimate: 2.84e-6, Low: 1.7e-6, High: 4.1e-6, Enough: true},
		"350":     {Estimate: 2.84e-6, Low: 0, High: 4.1e-6, Enough: true},
		"360":     {Estimate: 2.8e-6, Low: 1.7e-6, High: 4.1e-6},
		"100":     {Estimate: 10e-6, Low: 9.99e-6, High: 10.01e-6, Enough: true},
	} {
		if got := span(d, 100); got != want {
			t.Errorf("%+v: %s, want %s", d, got, want)
		}
	}
}

func TestAbout(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", -1: "0", math.NaN(): "0", math.Inf(1): "0", 0.5: "0.5", 6.13: "6.1", 61.4: "61", 345: "350", 6135: "6,100", 61538: "62,000", 1234567: "1,200,000",
	} {
		if got := about(v); got != want {
			t.Errorf("%v: %s, want %s", v, got, want)
		}
	}
}

// Every claim has its sentence and its rule.
func TestClaims(t *testing.T) {
	var ids []string
	for _, c := range Claims() {
		ids = append(ids, c.ID)
		if c.Text == "" || !strings.Contains(strings.ToLower(c.Rule), "holds") || !strings.Contains(c.Rule, "does not hold") && !strings.Contains(c.Rule, "Not the code") {
			t.Errorf("%s: %q, %q", c.ID, c.Text, c.Rule)
		}
	}
	if want := "overhead single-connection broadcast proxies fallback reconnect api"; strings.Join(ids, " ") != want {
		t.Errorf("the claims are %q", ids)
	}
}
