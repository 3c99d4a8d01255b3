// Package api is the exercise of the lesson on what it takes to write.
package api

import "encoding/json"

// Socket gives a plain WebSocket the interface of Socket.IO: events by their
// names, and answers to them.
//
// What goes over the wire is that of the chat: {"type":"chat","data":…} is an
// event. With an "id" it asks for an answer, which is
// {"type":"ack","id":1,"data":…} with the same id. Each question has another one.
//
// An answer may come before Emit returns. Answers may come in another order than
// the questions. A handler may use the socket, and so may what an answer is given
// to. All are called by Receive, which returns when they have.
//
// Complete it. When it passes, count what you have written, and what you would
// not have had to.
type Socket struct {
	// Write sends a text message.
	Write func(text []byte) error
}

// On has a function called for each event of that name; what it returns is the
// answer, if one was asked for. A later function takes the place of an earlier
// one.
func (s *Socket) On(event string, f func(data json.RawMessage) (answer any)) {}

// Emit sends an event. If ack is not nil it asks for an answer, and calls ack
// with that when it comes, once.
func (s *Socket) Emit(event string, data any, ack func(answer json.RawMessage)) error { return nil }

// Receive takes a text message that has come. What is no JSON object is an error,
// and so is an event that nobody has asked to hear: silence would hide the
// mistake. An answer that nobody waits for is left alone.
func (s *Socket) Receive(text []byte) error { return nil }
