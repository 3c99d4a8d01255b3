// Package solution solves the exercise.
package solution

import (
	"encoding/json"
	"fmt"
	"sync"
)

// Socket gives a plain WebSocket the interface of Socket.IO.
type Socket struct {
	// Write sends a text message.
	Write func(text []byte) error

	mu       sync.Mutex
	handlers map[string]func(json.RawMessage) any
	acks     map[int64]func(json.RawMessage)
	lastID   int64
}

// frame is what goes over the wire.
type frame struct {
	Type string          `json:"type"`
	ID   int64           `json:"id,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

// On has a function called for each event of that name.
func (s *Socket) On(event string, f func(data json.RawMessage) (answer any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.handlers == nil {
		s.handlers = make(map[string]func(json.RawMessage) any)
	}
	s.handlers[event] = f
}

// Emit sends an event.
func (s *Socket) Emit(event string, data any, ack func(answer json.RawMessage)) error {
	f := frame{Type: event}
	if ack != nil {
		s.mu.Lock()
		s.lastID++
		f.ID = s.lastID
		if s.acks == nil {
			s.acks = make(map[int64]func(json.RawMessage))
		}
		s.acks[f.ID] = ack
		s.mu.Unlock()
	}
	return s.send(f, data)
}

// Receive takes a text message that has come.
func (s *Socket) Receive(text []byte) error {
	var f frame
	if err := json.Unmarshal(text, &f); err != nil {
		return fmt.Errorf("message: %w", err)
	}
	// What is called may use the socket itself, so nothing is locked then.
	s.mu.Lock()
	handler := s.handlers[f.Type]
	ack := s.acks[f.ID]
	if f.Type == "ack" {
		delete(s.acks, f.ID)
	}
	s.mu.Unlock()
	switch {
	case f.Type == "ack":
		if ack != nil {
			ack(f.Data)
		}
		return nil
	case handler == nil:
		return fmt.Errorf("nobody hears the event %q", f.Type)
	}
	answer := handler(f.Data)
	if f.ID == 0 {
		return nil
	}
	return s.send(frame{Type: "ack", ID: f.ID}, answer)
}

// send encodes a frame with its data.
func (s *Socket) send(f frame, data any) (err error) {
	if f.Data, err = json.Marshal(data); err != nil {
		return fmt.Errorf("event %s: %w", f.Type, err)
	}
	text, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("event %s: %w", f.Type, err)
	}
	return s.Write(text)
}
