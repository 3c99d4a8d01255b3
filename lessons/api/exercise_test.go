package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"wsvsio/lessons/api/solution"
	"wsvsio/lessons/exercise"
)

// socket is what both sides of the check are.
type socket interface {
	On(event string, f func(data json.RawMessage) (answer any))
	Emit(event string, data any, ack func(answer json.RawMessage)) error
	Receive(text []byte) error
}

func TestExercise(t *testing.T) {
	exercise.Judge(t, "c9df1807ec85", func(write func([]byte) error) socket { return &Socket{Write: write} }, check)
}

func TestSolution(t *testing.T) {
	exercise.Solved(t, func(write func([]byte) error) socket { return &solution.Socket{Write: write} }, check)
}

// TestWrong has solutions with one fault.
func TestWrong(t *testing.T) {
	of := func(fault string) func(func([]byte) error) socket {
		return func(write func([]byte) error) socket {
			return &faulty{fault: fault, write: write, handlers: make(map[string]func(json.RawMessage) any), waiting: make(map[int]func(json.RawMessage))}
		}
	}
	exercise.Solved(t, of("none"), check) // it is the fault that makes them wrong
	for fault, why := range map[string]string{
		"one question":            "the same id",
		"answers in order":        "the second question is answered first",
		"remembers after writing": "two joins are answered",
		"answers for ever":        "the same answer again",
		"handlers are locked":     exercise.Endless,
		"answers are locked":      exercise.Endless,
	} {
		t.Run(fault, func(t *testing.T) { exercise.Refused(t, why, of(fault), check) })
	}
}

// faulty is a solution but for its fault.
type faulty struct {
	fault string
	write func(text []byte) error

	mu       sync.Mutex
	handlers map[string]func(json.RawMessage) any
	waiting  map[int]func(json.RawMessage)
	open     []int // ids of questions, in their order
	last     int
}

type line struct {
	Type string          `json:"type"`
	ID   int             `json:"id,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

func (s *faulty) On(event string, f func(data json.RawMessage) (answer any)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handlers[event] = f
}

func (s *faulty) Emit(event string, data any, ack func(answer json.RawMessage)) error {
	id := 0
	if ack != nil {
		s.mu.Lock()
		if s.last++; s.fault == "one question" {
			s.last = 1
		}
		id = s.last
		s.mu.Unlock()
	}
	remember := func() {
		if ack != nil {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.waiting[id] = ack
			s.open = append(s.open, id)
		}
	}
	if s.fault == "remembers after writing" {
		defer remember()
	} else {
		remember()
	}
	return s.send(event, id, data)
}

func (s *faulty) Receive(text []byte) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return err
	}
	s.mu.Lock()
	unlock := sync.OnceFunc(s.mu.Unlock)
	defer unlock()
	if l.Type != "ack" {
		f := s.handlers[l.Type]
		if f == nil {
			return fmt.Errorf("nobody hears %q", l.Type)
		}
		if s.fault != "handlers are locked" {
			unlock()
		}
		answer := f(l.Data)
		unlock()
		if l.ID == 0 {
			return nil
		}
		return s.send("ack", l.ID, answer)
	}
	id := l.ID
	if s.fault == "answers in order" && len(s.open) > 0 {
		id, s.open = s.open[0], s.open[1:]
	}
	ack := s.waiting[id]
	if s.fault != "answers for ever" {
		delete(s.waiting, id)
	}
	if s.fault != "answers are locked" {
		unlock()
	}
	if ack != nil {
		ack(l.Data)
	}
	return nil
}

func (s *faulty) send(event string, id int, data any) error {
	encoded, err := json.Marshal(data)
	if err != nil {
		return err
	}
	text, err := json.Marshal(line{event, id, encoded})
	if err != nil {
		return err
	}
	return s.write(text)
}

// check is a client and a server with a wire between them, and then a client
// whose questions wait.
func check(_ context.Context, newSocket func(write func([]byte) error) socket) error {
	if err := together(newSocket); err != nil {
		return err
	}
	return outOfOrder(newSocket)
}

// together has each side hear what the other writes, at once.
func together(newSocket func(write func([]byte) error) socket) error {
	type passed struct{ way, text string }
	var wire []passed
	var client, server socket
	var trouble error
	client = newSocket(func(text []byte) error {
		wire = append(wire, passed{"up", string(text)})
		trouble = errors.Join(trouble, server.Receive(text))
		return nil
	})
	server = newSocket(func(text []byte) error {
		wire = append(wire, passed{"down", string(text)})
		trouble = errors.Join(trouble, client.Receive(text))
		return nil
	})
	type message struct{ Room, Body string }
	var heard []string
	server.On("join", func(data json.RawMessage) any {
		var m message
		if err := json.Unmarshal(data, &m); err != nil {
			return err.Error()
		}
		// A handler may use the socket that it is called by.
		server.On("leave", func(json.RawMessage) any { return nil })
		trouble = errors.Join(trouble, server.Emit("joined", m, nil))
		return "welcome to " + m.Room
	})
	client.On("joined", func(data json.RawMessage) any { heard = append(heard, "joined "+string(data)); return nil })
	server.On("chat", func(json.RawMessage) any { heard = append(heard, "an earlier handler"); return nil })
	server.On("chat", func(data json.RawMessage) any { heard = append(heard, "chat "+string(data)); return nil })

	var answers []string
	for _, room := range []string{"lobby", "attic"} {
		if err := client.Emit("join", message{Room: room}, func(a json.RawMessage) { answers = append(answers, string(a)) }); err != nil {
			return fmt.Errorf("emit join: %w", err)
		}
	}
	if err := client.Emit("chat", message{"lobby", "hi"}, nil); err != nil {
		return fmt.Errorf("emit chat: %w", err)
	}
	if trouble != nil {
		return fmt.Errorf("on the way: %w", trouble)
	}
	if want := []string{`"welcome to lobby"`, `"welcome to attic"`}; !slices.Equal(answers, want) {
		return fmt.Errorf("two joins are answered %q, want %q", answers, want)
	}
	want := []string{`joined {"Room":"lobby","Body":""}`, `joined {"Room":"attic","Body":""}`, `chat {"Room":"lobby","Body":"hi"}`}
	if !slices.Equal(heard, want) {
		return fmt.Errorf("heard %q, want %q", heard, want)
	}
	// Who asks for no answer sends no id, and gets none.
	last := wire[len(wire)-1]
	var f map[string]json.RawMessage
	if err := json.Unmarshal([]byte(last.text), &f); err != nil || last.way != "up" || string(f["type"]) != `"chat"` || f["id"] != nil {
		return fmt.Errorf("the last on the wire is %s %s, want the chat, without an id", last.way, last.text)
	}
	var acks []string
	for _, p := range wire {
		if strings.Contains(p.text, `"ack"`) {
			acks = append(acks, p.text)
		}
	}
	if len(acks) != 2 {
		return fmt.Errorf("%d acks on the wire, want 2", len(acks))
	}
	// An answer comes once, and one that nobody waits for is left alone.
	for _, ack := range append(acks, `{"type":"ack","id":1234567,"data":"what?"}`) {
		if err := client.Receive([]byte(ack)); err != nil || len(answers) != 2 {
			return fmt.Errorf("the same answer again, or to nothing that was asked: %v, %d calls for two questions", err, len(answers))
		}
	}
	for _, text := range []string{`hello`, `{"type":"dance"}`} {
		if server.Receive([]byte(text)) == nil {
			return fmt.Errorf("%s is no error", text)
		}
	}
	return nil
}

// outOfOrder asks two questions before either is answered, and answers the second
// first.
func outOfOrder(newSocket func(write func([]byte) error) socket) error {
	var asked []string
	s := newSocket(func(text []byte) error {
		asked = append(asked, string(text))
		return nil
	})
	var answers []string
	for _, room := range []string{"lobby", "attic"} {
		err := s.Emit("join", room, func(a json.RawMessage) {
			answers = append(answers, room+": "+string(a))
			// Who gets an answer may ask on.
			if err := s.Emit("thanks", nil, func(json.RawMessage) {}); err != nil {
				answers = append(answers, err.Error())
			}
		})
		if err != nil {
			return fmt.Errorf("emit join: %w", err)
		}
	}
	if len(asked) != 2 || len(answers) != 0 {
		return fmt.Errorf("two questions, and no answer has come: %q on the wire, answered %q", asked, answers)
	}
	ids := make([]json.RawMessage, len(asked))
	for i, text := range asked {
		var f struct {
			ID json.RawMessage `json:"id"`
		}
		if err := json.Unmarshal([]byte(text), &f); err != nil || f.ID == nil {
			return fmt.Errorf("%s asks for no answer: it has no id", text)
		}
		ids[i] = f.ID
	}
	if string(ids[0]) == string(ids[1]) {
		return fmt.Errorf("two questions wait for their answers with the same id: %q", asked)
	}
	for i, answer := range []string{"first", "second"} {
		of := len(ids) - 1 - i
		if err := s.Receive(fmt.Appendf(nil, `{"type":"ack","id":%s,"data":%q}`, ids[of], answer)); err != nil {
			return fmt.Errorf("the answer to %s: %w", asked[of], err)
		}
	}
	if want := []string{`attic: "first"`, `lobby: "second"`}; !slices.Equal(answers, want) {
		return fmt.Errorf("the second question is answered first: %q, want %q", answers, want)
	}
	return nil
}
