package fallback

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"wsvsio/scenarios"
)

// TestSwitches has a chat in memory lose, double and delay one message of each
// client on purpose while those change their transport, and a client break: what
// is reported is exactly that.
func TestSwitches(t *testing.T) {
	goesBack := fakeStack
	goesBack.Mode = scenarios.Mode{Transports: []string{scenarios.WebSocket, scenarios.Polling}, GoesBack: true}
	fine := map[string]float64{
		"switches": 8, "lost-up": 0, "lost-down": 0, "lost-unwritten": 0, "lost-cut": 0, "lost-undelivered": 0,
		"refused": 0, "dup": 0, "reordered": 0, "died": 0,
	}
	for name, tt := range map[string]struct {
		fake   *fake
		values map[string]float64
		ends   string
		killed int // servers and clients
	}{
		"fine":         {&fake{}, nil, "", 2},
		"lost up":      {&fake{harm: harm{"way", "lose"}}, map[string]float64{"lost-up": 2, "lost-unwritten": 2}, "", 2},
		"lost down":    {&fake{harm: harm{partnerName, "lose"}}, map[string]float64{"lost-down": 1, "lost-unwritten": 1}, "", 2},
		"doubled":      {&fake{harm: harm{"way", "double"}}, map[string]float64{"dup": 2}, "", 2},
		"out of order": {&fake{harm: harm{"way", "delay"}}, map[string]float64{"reordered": 2}, "", 2},
		"breaks":       {&fake{breaks: true}, map[string]float64{"switches": 0, "died": 8}, "of 8: 8 ends: closed", 8},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env, rec := tt.fake, &fakeRecorder{make(map[string][]float64), make(map[string]string)}
			env.rooms, env.count = make(map[string][]*peer), make(map[string]int)
			env.moves, env.back = scenarios.Polling, true
			c := scenarios.Case{
				Name: switches, Clients: 2, Samples: 8, Rate: 500, Window: time.Minute,
				Timers: scenarios.Timers{Limit: 500 * time.Millisecond},
			}
			if err := (Scenario{}).Run(t.Context(), env, goesBack, c, rec); err != nil {
				t.Fatal(err)
			}
			for unit, want := range fine {
				if other, ok := tt.values[unit]; ok {
					want = other
				}
				if v := rec.values[unit]; len(v) != 1 || v[0] != want {
					t.Errorf("%s: %v, want %v", unit, v, want)
				}
			}
			for _, direction := range []string{"up", "down"} {
				var taken, refused, arrived, lost int
				if _, err := fmt.Sscanf(rec.labels[direction], "%d taken, %d refused, %d arrived; %d lost", &taken, &refused, &arrived, &lost); err != nil {
					t.Fatalf("%s: %q: %v", direction, rec.labels[direction], err)
				}
				if taken != arrived+lost || float64(taken) != rec.values["sent-"+direction][0] {
					t.Errorf("%s: %s, with %v taken", direction, rec.labels[direction], rec.values["sent-"+direction])
				}
			}
			if got := rec.labels["clients that ended"]; got != tt.ends {
				t.Errorf("clients that ended: %q, want %q", got, tt.ends)
			}
			paths := 2
			if tt.ends != "" {
				paths = 8
			}
			if env.ended != tt.killed+paths {
				t.Errorf("%d of path, clients and server ended, want %d", env.ended, tt.killed+paths)
			}
		})
	}
}

// TestSwitching says which stacks change their transport at all.
func TestSwitching(t *testing.T) {
	for want, transports := range map[string][]string{
		"one transport alone": {scenarios.Polling},
		"stays on":            {scenarios.WebSocket, scenarios.Polling},
	} {
		s := fakeStack
		s.Mode.Transports = transports
		err := (Scenario{}).Run(t.Context(), &fake{}, s, scenarios.Case{Name: switches}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v", transports, err)
		}
	}
}

// TestLedger gives each message of one direction a fate, and finds it.
func TestLedger(t *testing.T) {
	const first = scenarios.FirstSeq
	msg := func(from string, seq int64) scenarios.Message {
		return scenarios.Message{Room: "room", From: from, Seq: first + seq}
	}
	heard := func(at, seq int64) scenarios.Event {
		return scenarios.Event{Kind: scenarios.EventMessage, At: at, Message: msg("ann", seq)}
	}
	crossed := func(conn int, direction, from string, seq, went int64) scenarios.Crossing {
		return scenarios.Crossing{Conn: conn, Direction: direction, From: from, Room: "room", Seq: first + seq, Came: 1, Went: went}
	}
	up, down := scenarios.PathUp, scenarios.PathDown
	talker := talker{from: "ann", room: "room", refused: 3}
	for seq := range int64(9) {
		talker.said, talker.at = append(talker.said, first+seq), append(talker.at, 10*seq)
	}
	events := []scenarios.Event{
		heard(5, 0), heard(25, 2), heard(26, 1), // 1 after 2
		{Kind: scenarios.EventMessage, Message: msg("bob", 3)}, // of somebody else
		heard(95, 8), heard(96, 8), heard(97, 99), // twice; and what was not taken
	}
	seen := []scenarios.Event{
		{Kind: scenarios.EventUp, At: 1, Transport: scenarios.WebSocket},
		{Kind: scenarios.EventTransport, At: 22, Transport: scenarios.Polling},
		{Kind: scenarios.EventTransport, At: 90, Transport: scenarios.WebSocket},
	}
	record := scenarios.PathRecord{
		Crossings: []scenarios.Crossing{
			crossed(1, up, "ann", 0, 2), crossed(1, up, "ann", 3, 2), // before one that arrived
			crossed(1, up, "ann", 1, 2), crossed(1, up, "ann", 2, 2),
			crossed(1, up, "ann", 4, 2),   // after all that arrived, on a connection that was cut
			crossed(1, up, "ann", 5, 0),   // it did not get through
			crossed(1, down, "ann", 6, 2), // its echo, which is not up
			crossed(1, up, "bob", 6, 2),
			crossed(2, up, "ann", 4, 0), crossed(2, up, "ann", 7, 2), // the connection lives
			crossed(3, up, "ann", 8, 2),
		},
		Ends: []scenarios.PathEnd{{Conn: 3, Direction: up, How: "fin"}},
		Harm: []scenarios.Harm{{Conns: []int{1}}},
	}
	got := talker.balance(up, events, seen, record)
	want := ledger{
		taken: 9, refused: 3, arrived: 4,
		unwritten:   1, // 6
		cut:         2, // 4, 5
		undelivered: 2, // 3, 7
		dup:         1, reordered: 1,
		underWay: 3, // 1, 2, 8
	}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	if sum := got.arrived + got.lost(); sum != got.taken {
		t.Errorf("%d of %d are accounted for", sum, got.taken)
	}
	var both ledger
	both.add(got)
	both.add(got)
	if both.String() != "18 taken, 6 refused, 8 arrived; 10 lost: 2 never written, 4 cut off, 4 not passed on; 2 twice, 2 out of order; 6 under way during a change" {
		t.Errorf("%v", both)
	}
}
