package scenarios_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"wsvsio/scenarios"
)

func TestEventLog(t *testing.T) {
	var log scenarios.EventLog
	log.Add(scenarios.Event{Kind: scenarios.EventUp})
	before := log.Events()
	log.Add(scenarios.Event{Kind: scenarios.EventDown, Reason: "gone"})
	if len(before) != 1 || len(log.Events()) != 2 {
		t.Errorf("got %d, then %d events", len(before), len(log.Events()))
	}

	// What was handed out does not change when its receiver appends to it.
	_ = append(before, scenarios.Event{Kind: scenarios.EventAttempt})
	if got := log.Events()[1].Kind; got != scenarios.EventDown {
		t.Errorf("the second event became %q", got)
	}
}

func TestEventLogAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log scenarios.EventLog
		const waiters, events = 3, 100
		var all sync.WaitGroup
		for range waiters {
			all.Go(func() {
				got, err := log.Await(t.Context(),
					func(e []scenarios.Event) bool { return len(e) >= events })
				if err != nil || len(got) < events {
					t.Errorf("got %d events, %v", len(got), err)
				}
			})
		}
		synctest.Wait()
		for range events {
			all.Go(func() {
				log.Add(scenarios.Event{Kind: scenarios.EventMessage})
			})
		}
		all.Wait()
	})
}

func TestEventLogAwaitInVain(t *testing.T) {
	var log scenarios.EventLog
	never := func([]scenarios.Event) bool { return false }
	why := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)

	_, err := log.Await(ctx, never)
	if !errors.Is(err, why) || !strings.Contains(err.Error(), "seen nothing") {
		t.Errorf("of an empty log: %v", err)
	}
	log.Add(scenarios.Event{Kind: scenarios.EventMessage})
	log.Add(scenarios.Event{Kind: scenarios.EventMessage})
	log.Add(scenarios.Event{Kind: scenarios.EventDown, Reason: "reset"})
	events, err := log.Await(ctx, never)
	const want = "seen 2 message, 1 down (reset)"
	if len(events) != 3 || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q", err, want)
	}
	_, err = log.Await(ctx, func(e []scenarios.Event) bool { return len(e) == 3 })
	if err != nil {
		t.Errorf("of what was there already: %v", err)
	}
}
