// Package fallback is the exercise of the lesson on life without a WebSocket.
package fallback

import (
	"context"
	"sync"
)

// Mailbox keeps the messages for a client that polls.
//
// It loses messages: what it has handed out it forgets, even if the answer gets
// lost on its way. And it answers at once that there is nothing, so that the
// client asks again and again. Repair both.
type Mailbox struct {
	mu       sync.Mutex
	messages []string
}

// Put adds a message.
func (m *Mailbox) Put(message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages = append(m.messages, message)
}

// Poll returns all messages after the first got of all that were ever put. The
// client says by that which have arrived: these may be forgotten, and the
// others may be asked for again.
//
// As long as there is none, it waits, until the context ends, and returns its
// error then.
func (m *Mailbox) Poll(ctx context.Context, got int) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	messages := m.messages
	m.messages = nil
	return messages, nil
}
