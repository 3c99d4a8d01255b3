package bench

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wsvsio/internal/record"
	"wsvsio/rawws"
	"wsvsio/scenarios"
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
	// The client says something while it upgrades, and of go-socket.io that
	// may be the end, whether the upgrade then goes through or not. With the
	// server's frames swallowed it hears of nothing any more (0 of 79 in
	// FACTS.md) or is told 400.
	"sio-js-default": with(onPolling, map[string]string{
		"direct": "*", "blocked-later": "*", "cut": "*", "swallowed-down": "ends: 400|ends: closed|hangs",
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
			// A machine may be slow, and silence is silence.
			cell := fallbackCell(t, m, s, "ways", func(c *scenarios.Case) { c.Timers.Limit = 8 * time.Second })
			if cell.Error != "" || cell.Unsupported != "" {
				t.Fatal(cell.Error, cell.Unsupported)
			}
			for _, w := range fallback.Ways() {
				got, may := cell.Labels[scenarios.OutcomeOf+w.Name], strings.Split(want[w.Name], "|")
				if !slices.Contains(may, got) && want[w.Name] != "*" {
					t.Errorf("%s: %q, want %q", w.Name, got, want[w.Name])
				}
			}
		})
	}
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
		if modes := s.Mode.Transports; s.Name != "erring" && (!s.IsFor("fallback") || len(modes) < 2 || modes[0] == scenarios.WebSocket && !s.Mode.GoesBack) {
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
