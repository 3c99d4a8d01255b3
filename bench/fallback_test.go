package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wsvsio/internal/record"
	"wsvsio/rawws"
	"wsvsio/scenarios"
	"wsvsio/scenarios/class"
	"wsvsio/scenarios/fallback"
)

// What becomes of a stack in each way to lose its WebSocket, as the scenario
// labels it. Where FACTS.md says something else, the reason stands here.
var (
	// onWebSocket is a client with nothing but a WebSocket, and no word of the
	// protocol to wait for: it is connected once the 101 is there.
	onWebSocket = map[string]string{
		"direct": "websocket", "refused-400": "fails: 400", "refused-403": "fails: 403", "stripped": "fails: 400",
		"unanswered": "fails: silence", "cut": "ends: closed",
		"swallowed": "hangs", "swallowed-up": "hangs", "swallowed-down": "hangs",
		"lacking": "fails: no WebSocket", "blocked-later": "ends: closed",
	}

	// onSIOWebSocket is the same of Socket.IO, which waits for the handshake of
	// Engine.IO: it never thinks that it is connected. The client in
	// JavaScript waits for ever where it is cut off before that.
	onSIOWebSocket = with(onWebSocket, map[string]string{
		"cut": "fails: silence", "swallowed": "fails: silence", "swallowed-up": "fails: silence", "swallowed-down": "fails: silence",
	})

	// In Engine.IO 3 it is the server that speaks first, and in Socket.IO of
	// that version, too: what the client says does not matter until it joins.
	onSIO3WebSocket = with(onSIOWebSocket, map[string]string{"swallowed-up": "hangs"})

	// onPolling is a client that asks for no WebSocket.
	onPolling = all("polling")

	// byDefault is a client of socket.io on Node that polls first. When the
	// WebSocket that it has gone over to is lost, the connection is: it does
	// not go back, and without reconnection that is the end.
	byDefault = with(onPolling, map[string]string{
		"direct": "polling, then websocket", "blocked-later": "ends: closed",
	})

	// asItComesOnNode is the same with reconnection, which is on by default: a new
	// session begins, and stays on polling. What is said until then is lost. On a
	// slow machine the upgrade is through before the chat is connected.
	asItComesOnNode = with(byDefault, map[string]string{
		"direct":        "polling, then websocket|websocket",
		"blocked-later": "polling, then websocket; anew on polling|websocket; anew on polling",
	})

	// byHand is the fallback of rawws. On a machine that is slow to answer it
	// polls first, even where nothing is in the way.
	byHand = with(onPolling, map[string]string{
		"direct": "websocket|polling, then websocket", "blocked-later": "websocket, then polling|polling, then websocket, then polling",
	})
)

// all has one outcome for all ways.
func all(outcome string) map[string]string {
	outcomes := make(map[string]string)
	for _, w := range fallback.Ways() {
		outcomes[w.Name] = outcome
	}
	return outcomes
}

// with returns outcomes with some of them replaced.
func with(outcomes, other map[string]string) map[string]string {
	merged := make(map[string]string)
	for name, text := range outcomes {
		merged[name] = text
	}
	for name, text := range other {
		merged[name] = text
	}
	return merged
}

// fallbackOutcomes are those of each stack. "|" parts several that may be, and
// "*" is any.
var fallbackOutcomes = map[string]map[string]string{
	"rawws":    onWebSocket,
	"rawws-js": onWebSocket,
	// ws answers a request without Upgrade as its HTTP server does.
	"rawws-node":        with(onWebSocket, map[string]string{"stripped": "fails: 426"}),
	"rawws-fallback":    byHand,
	"rawws-js-fallback": byHand,
	"rawws-polling":     onPolling,

	"sio":    with(onSIO3WebSocket, map[string]string{"cut": "fails: closed"}),
	"sio-js": onSIO3WebSocket,
	// Who tries a WebSocket first never gets to polling, as FACTS.md has it.
	"sio-js-first":   onSIO3WebSocket,
	"sio-node":       onSIOWebSocket,
	"sio-node-first": onSIOWebSocket,
	// A client with tryAllTransports goes on after what it is told is an error;
	// it waits in silence as the others do.
	"sio-node-all": with(onSIOWebSocket, map[string]string{
		"refused-400": "polling", "refused-403": "polling", "stripped": "polling", "lacking": "polling",
	}),
	// These are requests like any other.
	"events":    all("eventsource"),
	"multipart": all("xhr-multipart"),

	"sio-js-polling":    onPolling,
	"sio-node-polling":  onPolling,
	"sio-node-default":  byDefault,
	"sio-node2-default": byDefault,

	"sio-node-default-reconnect": asItComesOnNode,
	// The client says something while it upgrades, and of go-socket.io that
	// may be the end, whether the upgrade then goes through or not. With the
	// server's frames swallowed it hears of nothing any more (0 of 79 in
	// FACTS.md), or is told 400, or of a session that has ended.
	"sio-js-default": with(onPolling, map[string]string{
		"direct": "*", "blocked-later": "*", "cut": "*", "swallowed-down": "ends: 400|ends: closed|hangs|fails: 400|fails: silence|fails: closed",
	}),
	// Coming back is no way out of an upgrade that is the end each time.
	"sio-js-default-reconnect": with(onPolling, map[string]string{
		"direct": "*", "blocked-later": "*", "cut": "*", "swallowed-down": "ends: 400|ends: closed|hangs|fails: 400|fails: silence|fails: closed",
	}),
}

// fallbackCell runs a case of the scenario on a stack.
func fallbackCell(t *testing.T, m Machine, s scenarios.Stack, name string, change func(*scenarios.Case)) *record.Cell {
	t.Helper()
	cases := slices.Concat(fallback.Scenario{}.Cases(scenarios.Quick), fallback.Scenario{}.Cases(scenarios.Full))
	c := cases[slices.IndexFunc(cases, func(c scenarios.Case) bool { return c.Name == name })]
	if change != nil {
		change(&c)
	}
	env := NewEnv(t.Context(), m)
	defer env.Close()
	cell := &record.Cell{Scenario: "fallback", Case: c, Stack: s.Name, Round: 1}
	measure(t.Context(), env, fallback.Scenario{}, s, time.Minute, cell)
	return cell
}

// TestFallbackOutcomes pins what becomes of each stack in each way, and that
// where the chat goes on nothing is lost and nothing comes twice.
func TestFallbackOutcomes(t *testing.T) {
	m, can := look(t)
	turn := make(chan struct{}, 4)
	for _, s := range can {
		if !s.IsFor("fallback") || !s.IsChat() {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			turn <- struct{}{}
			defer func() { <-turn }()
			want := fallbackOutcomes[s.Name]
			if want == nil {
				t.Fatal("no outcomes are said of this stack")
			}
			passes(t, s, func() error {
				cell := fallbackCell(t, m, s, "ways", func(c *scenarios.Case) {
					// A machine may be slow, and silence is silence.
					c.Timers.Limit, c.Timers.Timeout = 8*time.Second, 8*time.Second
					if strings.HasSuffix(s.Name, "-fallback") {
						// While it polls it tries again to get a WebSocket, after a second
						// and a half at most; that changes nothing.
						c.Window, c.Rate = 4*time.Second, 10
					}
				})
				return otherwise(s, cell, want)
			})
		})
	}
}

// otherwise returns how what became of a stack differs from what was to become of it.
func otherwise(s scenarios.Stack, cell *record.Cell, want map[string]string) error {
	if cell.Error != "" || cell.Unsupported != "" {
		return errors.New(cell.Error + cell.Unsupported)
	}
	var errs []error
	for _, w := range fallback.Ways() {
		got, may := cell.Labels[scenarios.OutcomeOf+w.Name], strings.Split(want[w.Name], "|")
		if s.Mode.Reconnect || strings.HasPrefix(s.Name, "sio-js-") {
			var err error
			got, err = betweenSessions(s, got)
			errs = append(errs, err)
		}
		if !slices.Contains(may, got) && want[w.Name] != "*" {
			errs = append(errs, fmt.Errorf("%s: %q, want %q", w.Name, got, want[w.Name]))
		}
	}
	return errors.Join(errs...)
}

// betweenSessions takes from an outcome how much was lost, which depends on how long
// it took until the next session began. Within one nothing may be, but on
// go-socket.io: its upgrade loses messages, and a broadcast that waits for a client
// that is gone holds up the rooms of all others once somebody joins one.
func betweenSessions(s scenarios.Stack, outcome string) (string, error) {
	how, lost, some := strings.Cut(outcome, "; lost ")
	if some && s.Server.Go == "" && !strings.Contains(how, "; anew ") {
		return how, fmt.Errorf("%s lost without a new session: %s", lost, outcome)
	}
	return how, nil
}

// TestFallbackBytes holds polling by hand to the bytes and the requests of
// Socket.IO on Node, for messages one by one and in bursts. The first and the
// last request of a count may fall on either side of its edge, and how many
// posts a burst makes depends on when the answers come: on a busy machine by
// two or three.
func TestFallbackBytes(t *testing.T) {
	m, can := look(t)
	const samples = 100
	figures := make(map[string]map[string]float64)
	for _, s := range can {
		if s.Name != "rawws-polling" && s.Name != "sio-node-polling" {
			continue
		}
		cell := fallbackCell(t, m, s, "wire", func(c *scenarios.Case) { c.Samples, c.Timers.Limit = samples, 8*time.Second })
		if cell.Error != "" {
			t.Fatal(s.Name, cell.Error)
		}
		figures[s.Name] = make(map[string]float64)
		for _, unit := range cell.Units() {
			var values []float64
			for _, v := range cell.Values {
				if v.Unit == unit {
					values = append(values, v.V)
				}
			}
			figures[s.Name][unit] = record.Median(values)
		}
	}
	hand, node := figures["rawws-polling"], figures["sio-node-polling"]
	if node == nil {
		t.Skip("needs Node")
	}
	for unit, edge := range map[string]float64{
		"wire-B/msg": 0, "burst-wire-B/msg": 0, "reqs/msg": 2.0 / samples, "burst-reqs/msg": 3.0 / 100,
	} {
		t.Logf("%s: by hand %.4g, Socket.IO on Node %.4g", unit, hand[unit], node[unit])
		if hand[unit] > node[unit]+edge {
			t.Errorf("%s: by hand %v, Socket.IO on Node %v", unit, hand[unit], node[unit])
		}
	}
}

// TestFallbackLarge says what becomes of messages of 64 KiB over polling, one by
// one and a hundred at once. socket.io-client 2 posts all that it has in one
// piece, which go-socket.io's server does not take: the limit is that of a
// message, and the client of that version is told of none. Version 4 and the one
// by hand split it.
func TestFallbackLarge(t *testing.T) {
	m, can := look(t)
	for _, s := range can {
		ends, ok := map[string]bool{"rawws-polling": false, "sio-node-polling": false, "sio-js-polling": true}[s.Name]
		if !ok {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			cell := fallbackCell(t, m, s, "wire", func(c *scenarios.Case) {
				c.Size, c.Samples, c.Timers.Limit = 64<<10, 5, 8*time.Second
			})
			if cell.Error != "" {
				t.Fatal(cell.Error)
			}
			if got := cell.Labels["burst"]; strings.HasPrefix(got, "ends: ") != ends {
				t.Errorf("the burst: %q", got)
			}
			for unit, has := range map[string]bool{"wire-B/msg": true, "reqs/msg": true, "burst-wire-B/msg": !ends} {
				if v, ok := cell.Value(unit); ok != has || ok && unit != "reqs/msg" && (v < 2*64<<10 || v > 2.2*64*1024) {
					t.Errorf("%s: %v, %t", unit, v, ok)
				}
			}
		})
	}
}

// TestFallbackReads has clients that say nothing hear large messages, more of
// them than a queue holds, on a WebSocket that may change its transport: who reads
// has not fallen behind.
func TestFallbackReads(t *testing.T) {
	m, can := look(t)
	const messages = 100
	for _, s := range can {
		if !s.Mode.GoesBack {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			env := NewEnv(t.Context(), m)
			defer env.Close()
			node, err := env.Serve(t.Context(), s, scenarios.ServerConfig{})
			if err != nil {
				t.Fatal(err)
			}
			crew, err := env.Clients(t.Context(), s)
			if err != nil {
				t.Fatal(err)
			}
			meet := func(name string) scenarios.Peer {
				p, err := crew.Dial(t.Context(), node.URL(), s.Dial(name))
				if err == nil {
					err = p.Join(t.Context(), "room")
				}
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			ann, bob := meet("ann"), meet("bob")
			body := strings.Repeat("x", 64<<10)
			limited, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
			defer cancel()
			for n := range messages {
				seq := scenarios.FirstSeq + int64(n)
				if err := ann.Send(limited, scenarios.Message{Room: "room", From: "ann", Seq: seq, Body: body}); err != nil {
					t.Fatal(err)
				}
				events, err := bob.Await(limited, func(events []scenarios.Event) bool {
					return slices.ContainsFunc(events, func(e scenarios.Event) bool {
						return e.Kind == scenarios.EventDown || e.Kind == scenarios.EventMessage && e.Message.Seq == seq
					})
				})
				i := slices.IndexFunc(events, func(e scenarios.Event) bool { return e.Kind == scenarios.EventDown })
				if err != nil || i >= 0 {
					t.Fatalf("message %d: %v, %v", n, err, events[max(i, 0)])
				}
			}
		})
	}
}

// TestFallbackForward has the clients by hand go through a forward proxy. One that
// lets CONNECT through carries the WebSocket; where it denies that the rest is
// requests like any other, and the chat goes on over polling. Where the server
// speaks TLS all of it takes CONNECT.
func TestFallbackForward(t *testing.T) {
	m, can := look(t)
	for _, s := range can {
		if !s.Mode.GoesBack {
			continue
		}
		for _, tt := range []struct {
			kind, want string
			tls        bool
		}{
			{scenarios.PathConnect, scenarios.WebSocket, false},
			{scenarios.PathNoConnect, scenarios.Polling, false},
			{scenarios.PathConnect, scenarios.WebSocket, true},
			{scenarios.PathNoConnect, "", true},
			// Without a proxy to go through, and polling alone.
			{scenarios.PathStripUpgrade, scenarios.Polling, true},
		} {
			t.Run(fmt.Sprintf("%s/%s/tls=%t", s.Name, tt.kind, tt.tls), func(t *testing.T) {
				t.Parallel()
				env := NewEnv(t.Context(), m)
				defer env.Close()
				limited, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				node, err := env.Serve(limited, s, scenarios.ServerConfig{})
				if err != nil {
					t.Fatal(err)
				}
				path, err := env.Path(limited, scenarios.PathSpec{Kind: tt.kind, TLS: tt.tls}, node)
				if err != nil {
					t.Fatal(err)
				}
				crew, err := env.Clients(limited, s)
				if err != nil {
					t.Fatal(err)
				}
				peer, err := crew.Dial(limited, path.URL(), path.Through(s.Dial("ann")))
				if tt.want == "" {
					if err == nil || class.Of(err) != "403" {
						t.Errorf("%v, want 403", err)
					}
					return
				}
				if err == nil {
					err = peer.Join(limited, "room")
				}
				if err == nil {
					err = peer.Send(limited, scenarios.Message{Room: "room", From: "ann", Seq: scenarios.FirstSeq, Body: "hello"})
				}
				if err != nil {
					t.Fatal(err)
				}
				events, err := peer.Await(limited, func(events []scenarios.Event) bool {
					back, on := false, ""
					for _, e := range events {
						back = back || e.Kind == scenarios.EventMessage
						if e.Transport != "" {
							on = e.Transport
						}
					}
					// On a slow machine it may poll before it has a WebSocket.
					return back && on == tt.want
				})
				if err != nil {
					t.Fatalf("%v, having seen %v", err, events)
				}
				if got := path.Observed(); got.Requests == 0 || got.Down == 0 {
					t.Errorf("the proxy has carried %+v", got)
				}
			})
		}
	}
}

// TestFallbackIdle holds polling by hand to the bytes and the requests of
// Socket.IO on Node where nobody says anything, with the same heartbeat and at
// the same time.
func TestFallbackIdle(t *testing.T) {
	m, can := look(t)
	const interval, beats = 200 * time.Millisecond, 10
	passed := make(map[string]scenarios.Traffic)
	paths := make(map[string]scenarios.Path)
	env := NewEnv(t.Context(), m)
	defer env.Close()
	for _, s := range can {
		if s.Name != "rawws-polling" && s.Name != "sio-node-polling" {
			continue
		}
		node, err := env.Serve(t.Context(), s, scenarios.ServerConfig{PingInterval: interval})
		if err != nil {
			t.Fatal(err)
		}
		path, err := env.Path(t.Context(), scenarios.PathSpec{Kind: scenarios.PathRelay}, node)
		if err != nil {
			t.Fatal(err)
		}
		crew, err := env.Clients(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		peer, err := crew.Dial(t.Context(), path.URL(), s.Dial("ann"))
		if err == nil {
			err = peer.Join(t.Context(), "ann")
		}
		if err != nil {
			t.Fatal(err)
		}
		paths[s.Name] = path
	}
	if len(paths) < 2 {
		t.Skip("needs Node")
	}
	for name, path := range paths {
		passed[name] = path.Observed()
	}
	if err := scenarios.Wait(t.Context(), beats*interval); err != nil {
		t.Fatal(err)
	}
	for name, path := range paths {
		passed[name] = path.Observed().Sub(passed[name])
	}
	hand, node := passed["rawws-polling"], passed["sio-node-polling"]
	t.Logf("by hand %+v, Socket.IO on Node %+v", hand, node)
	if hand.Requests == 0 || hand.Requests > node.Requests || hand.Up+hand.Down > node.Up+node.Down {
		t.Errorf("by hand %+v, Socket.IO on Node %+v", hand, node)
	}
}

// TestFallbackSwitches has the clients of each stack that changes its transport
// do so while both ends talk: whatever is said is accounted for, and but for
// go-socket.io, whose upgrade ends connections, nothing is lost, nothing comes
// twice and nothing out of order. The chat "erring" is the one by hand with a
// client that errs on purpose; each of its mistakes is found.
func TestFallbackSwitches(t *testing.T) {
	m, can := look(t)
	can = append(can, scenarios.Stack{
		Name: "erring", Protocol: scenarios.ProtocolRaw, Mode: eitherWay,
		Server: goRawFallback, Client: scenarios.Program{Go: "erring-client"},
	})
	turn := make(chan struct{}, 2)
	for _, s := range can {
		if modes := s.Mode.Transports; s.Name != "erring" && (!s.IsFor("fallback") || s.Mode.Reconnect || len(modes) < 2 || modes[0] == scenarios.WebSocket && !s.Mode.GoesBack) {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			turn <- struct{}{}
			defer func() { <-turn }()
			cell := fallbackCell(t, m, s, "switches", func(c *scenarios.Case) { c.Clients, c.Samples, c.Timers.Limit = 4, 8, 8*time.Second })
			if cell.Error != "" || cell.Unsupported != "" {
				t.Fatal(cell.Error, cell.Unsupported)
			}
			got := make(map[string]float64)
			for _, v := range cell.Values {
				got[v.Unit] += v.V
			}
			t.Log(got, cell.Labels)
			lost := got["lost-up"] + got["lost-down"]
			if lost != got["lost-unwritten"]+got["lost-cut"]+got["lost-undelivered"] || got["sent-up"] == 0 {
				t.Errorf("not all losses have a class, or nothing was said: %v", got)
			}
			if s.Name == "sio-js-default" {
				return
			}
			want := map[string]float64{"lost-unwritten": 0, "lost-cut": 0, "lost-undelivered": 0, "dup": 0, "reordered": 0, "refused": 0, "died": 0}
			if s.Name == "erring" {
				want["lost-unwritten"], want["lost-undelivered"], want["dup"] = 4, 4, 4 // one of each client
			}
			for unit, n := range want {
				if got[unit] != n {
					t.Errorf("%s: %v, want %v", unit, got[unit], n)
				}
			}
			if got["switches"] < 8 {
				t.Errorf("%v changes", got["switches"])
			}
		})
	}
}

// erringClient is a client of the chat by hand that errs once in each direction
// and kind: its third message is never sent, and of what others say in its room
// it loses the third and passes on the fifth twice.
type erringClient struct {
	scenarios.Client
	said atomic.Int64
}

func (c *erringClient) Send(ctx context.Context, m scenarios.Message) error {
	if c.said.Add(1) == 3 && m.From != "partner" {
		return nil
	}
	return c.Client.Send(ctx, m)
}

func dialErring(ctx context.Context, rawURL string, cfg scenarios.DialConfig, on func(scenarios.Event)) (scenarios.Client, error) {
	heard := 0
	c, err := rawws.DialFallback(ctx, rawURL, cfg, func(e scenarios.Event) {
		if e.Kind == scenarios.EventMessage && cfg.Name != "partner" && e.Message.From == "partner" {
			switch heard++; heard {
			case 3:
				return
			case 5:
				on(e)
			}
		}
		on(e)
	})
	if err != nil {
		return nil, err
	}
	return &erringClient{Client: c}, nil
}
