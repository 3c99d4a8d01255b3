package stacktest

import (
	"fmt"
	"slices"

	"wsvsio/scenarios"
)

// compare returns an error that names the first difference between what a
// client got and what it should have got. Messages of different senders, or to
// different rooms, may arrive in any order.
func compare(got, want []scenarios.Message) error {
	type origin struct {
		from string
		seq  int64
	}
	type stream struct{ from, room string }

	due := make(map[scenarios.Message]int)
	sent := make(map[origin]scenarios.Message)
	place := make(map[scenarios.Message]int)
	for i, m := range want {
		due[m]++
		sent[origin{m.From, m.Seq}] = m
		place[m] = i
	}
	last := make(map[stream]int)
	for _, m := range got {
		left, known := due[m]
		if !known {
			if was, ok := sent[origin{m.From, m.Seq}]; ok {
				return fmt.Errorf("got %s, which was sent as %s",
					show(m), show(was))
			}
			return fmt.Errorf("got %s, which it should not", show(m))
		}
		if left == 0 {
			return fmt.Errorf("got %s twice", show(m))
		}
		due[m]--
		of := stream{m.From, m.Room}
		if at, ok := last[of]; ok && place[m] < at {
			return fmt.Errorf("got %s after %s", show(m), show(want[at]))
		}
		last[of] = place[m]
	}
	lost, first := 0, scenarios.Message{}
	for _, m := range slices.Backward(want) {
		if due[m] > 0 {
			due[m]--
			lost++
			first = m
		}
	}
	if lost > 0 {
		return fmt.Errorf("%d of %d are missing, the first is %s",
			lost, len(want), show(first))
	}
	return nil
}

// messages returns the messages of the events of one kind.
func messages(
	events []scenarios.Event, kind scenarios.EventKind,
) []scenarios.Message {
	var ms []scenarios.Message
	for _, e := range ofKind(events, kind) {
		ms = append(ms, e.Message)
	}
	return ms
}

// ofKind returns the events of one kind.
func ofKind(
	events []scenarios.Event, kind scenarios.EventKind,
) []scenarios.Event {
	var of []scenarios.Event
	for _, e := range events {
		if e.Kind == kind {
			of = append(of, e)
		}
	}
	return of
}

// show returns a message in one short line.
func show(m scenarios.Message) string {
	const most = 60
	body := fmt.Sprintf("%+q", m.Body)
	if len(body) > most {
		body = fmt.Sprintf("%s… (%d bytes)", body[:most], len(m.Body))
	}
	return fmt.Sprintf("%q %s#%d %s", m.Room, m.From, m.Seq, body)
}
