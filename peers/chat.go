// Package peers has the same chat on the WebSocket libraries that people take
// for broadcasts, so that rawws can be measured beside them: whoever claims a
// champion has to name the field.
//
// It is a module of its own: none of the libraries is needed by anything else.
// Each chat is written as the library's authors show it, and speaks the wire
// protocol of rawws as far as the load generator does: join, leave, chat and
// announce. Nobody is told who has joined.
package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"wsvsio/scenarios"
)

// envelope is the text frame in both directions.
type envelope struct {
	Type  string            `json:"type"`
	ID    int64             `json:"id,omitempty"` // of a request and its ack
	Error string            `json:"error,omitempty"`
	Data  scenarios.Message `json:"data,omitzero"`
}

// text encodes an envelope. What goes to a thousand clients is encoded once,
// as in rawws.
func (e envelope) text() []byte {
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // strings and integers always encode
	}
	return b
}

// client is one connection, seen from the chat.
type client interface {
	join(room string) error
	leave(room string) error
	chat(room string, text []byte) error // to the members of the room
	announce(text []byte) error          // to all
	answer(text []byte) error
}

// handle acts on one text frame of a client. After an error the client is to be
// disconnected.
func handle(c client, text []byte) error {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("not valid JSON: %w", err)
	}
	switch e.Type {
	case "join", "leave":
		enter := c.join
		if e.Type == "leave" {
			enter = c.leave
		}
		ack := envelope{Type: "ack", ID: e.ID}
		if e.Data.Room == "" {
			ack.Error = "room name is empty"
		} else if err := enter(e.Data.Room); err != nil {
			ack.Error = err.Error()
		}
		return c.answer(ack.text())
	case "chat":
		if e.Data.Room == "" {
			return nil
		}
		return c.chat(e.Data.Room, envelope{Type: "chat", Data: e.Data}.text())
	case "announce":
		e.Data.Room = ""
		return c.announce(envelope{Type: "announce", Data: e.Data}.text())
	default:
		return fmt.Errorf("unknown type %q", e.Type)
	}
}

// door lets clients in until it is shut, and knows when the last has gone.
type door struct {
	mu     sync.Mutex
	shut   bool
	inside sync.WaitGroup
}

// enter reports whether a client may come in; it then has to leave, too.
func (d *door) enter() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.shut {
		return false
	}
	d.inside.Add(1)
	return true
}

func (d *door) leave() { d.inside.Done() }

// close lets nobody in any more.
func (d *door) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.shut = true
}

func (d *door) closed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.shut
}

// wait returns when all have left. When the context ends it has them cut off.
func (d *door) wait(ctx context.Context, cut func()) error {
	done := make(chan struct{})
	go func() {
		d.inside.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	cut()
	<-done
	return ctx.Err()
}
