// Package broadcast is the exercise of the lesson on a list and a loop.
package broadcast

import "sync"

// Hub tells its members what any of them says, each in the same order.
//
// One member that does not read holds up all the others, and whoever wants to
// join or to speak. Repair it: if a member's queue is full when a message comes,
// it gets neither that message nor any later one. Take it out of the list and
// close its channel, so that it knows. When Broadcast returns, every other member
// has the message in its queue.
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
		member <- message
	}
}
