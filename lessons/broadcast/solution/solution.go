// Package solution solves the exercise.
package solution

import "sync"

// Hub tells its members what any of them says, each in the same order. Who has
// fallen behind by a full queue is disconnected: to wait would hold up all the
// others, and to leave messages out would hide the loss.
type Hub struct {
	mu      sync.Mutex
	queue   int // how many messages may wait for a member
	members map[chan string]bool
}

// NewHub returns a hub without members.
func NewHub(queue int) *Hub {
	return &Hub{queue: queue, members: make(map[chan string]bool)}
}

// Join adds a member. It gets its messages from the channel, which is closed
// when it has left or has fallen behind. To leave twice is to leave once.
func (h *Hub) Join() (messages <-chan string, leave func()) {
	member := make(chan string, h.queue)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.members[member] = true
	return member, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		if h.members[member] {
			delete(h.members, member)
			close(member)
		}
	}
}

// Broadcast tells all members.
func (h *Hub) Broadcast(message string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for member := range h.members {
		select {
		case member <- message:
		default:
			delete(h.members, member)
			close(member)
		}
	}
}
