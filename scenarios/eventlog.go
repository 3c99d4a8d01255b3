package scenarios

import (
	"context"
	"fmt"
	"strings"
	"sync"
)

// EventLog keeps what one client saw, in order, and lets others wait for it.
// The zero value is an empty log. Its methods may be called from several
// goroutines.
type EventLog struct {
	mu      sync.Mutex
	events  []Event
	changed chan struct{} // closed by the next Add; nil while nobody waits
}

// Add appends an event and wakes those who wait. It never blocks for long, so
// it can be handed to Dial.
func (l *EventLog) Add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.events = append(l.events, e)
	if l.changed != nil {
		close(l.changed)
		l.changed = nil
	}
}

// Events returns what has been added so far. The caller must not change it.
func (l *EventLog) Events() []Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen()
}

// Await returns as soon as done is true of the events. It calls done at once
// and whenever events were added, each time with a longer log. When the context
// ends first, the error wraps its cause and says what was seen until then.
func (l *EventLog) Await(
	ctx context.Context, done func([]Event) bool,
) ([]Event, error) {
	for {
		l.mu.Lock()
		events := l.seen()
		if l.changed == nil {
			l.changed = make(chan struct{})
		}
		changed := l.changed
		l.mu.Unlock()

		if done(events) {
			return events, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return events, fmt.Errorf("waited in vain, having seen %s: %w",
				summary(events), context.Cause(ctx))
		}
	}
}

// seen returns the log without room to append, so that later events never
// change it.
func (l *EventLog) seen() []Event {
	return l.events[:len(l.events):len(l.events)]
}

// summary counts events by kind, in the order of their first appearance:
// "1 up, 12 message, 1 down (close 1001)".
func summary(events []Event) string {
	if len(events) == 0 {
		return "nothing"
	}
	counts := make(map[EventKind]int)
	reasons := make(map[EventKind]string)
	var kinds []EventKind
	for _, e := range events {
		if counts[e.Kind] == 0 {
			kinds = append(kinds, e.Kind)
		}
		counts[e.Kind]++
		if e.Reason != "" {
			reasons[e.Kind] = " (" + e.Reason + ")"
		}
	}
	parts := make([]string, len(kinds))
	for i, k := range kinds {
		parts[i] = fmt.Sprintf("%d %s%s", counts[k], k, reasons[k])
	}
	return strings.Join(parts, ", ")
}
