// Package solution solves the exercise.
package solution

import (
	"context"
	"slices"
	"sync"
)

// Mailbox keeps the messages for a client that polls.
type Mailbox struct {
	mu       sync.Mutex
	messages []string
	known    int           // so many have arrived, and are forgotten
	changed  chan struct{} // closed when there is a message more; nil if nobody waits
}

// Put adds a message.
func (m *Mailbox) Put(message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, message)
	if m.changed != nil {
		close(m.changed)
		m.changed = nil
	}
}

// Poll returns all messages after the first got.
func (m *Mailbox) Poll(ctx context.Context, got int) ([]string, error) {
	for {
		m.mu.Lock()
		if n := min(got-m.known, len(m.messages)); n > 0 {
			m.messages = slices.Clone(m.messages[n:])
			m.known += n
		}
		if len(m.messages) > 0 {
			defer m.mu.Unlock()
			return slices.Clone(m.messages), nil
		}
		if m.changed == nil {
			m.changed = make(chan struct{})
		}
		changed := m.changed
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
