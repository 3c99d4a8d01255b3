package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
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
	exercise.Judge(t, "af2ce1f3b037", func(write func([]byte) error) socket { return &Socket{Write: write} }, check)
}

func TestSolution(t *testing.T) {
	exercise.Solved(t, func(write func([]byte) error) socket { return &solution.Socket{Write: write} }, check)
}

// check is a client and a server with a wire between them.
func check(_ context.Context, newSocket func(write func([]byte) error) socket) error {
	type line struct{ up, text string }
	var wire []line
	var client, server socket
	var trouble error
	client = newSocket(func(text []byte) error {
		wire = append(wire, line{"up", string(text)})
		trouble = errors.Join(trouble, server.Receive(text))
		return nil
	})
	server = newSocket(func(text []byte) error {
		wire = append(wire, line{"down", string(text)})
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
	if err := json.Unmarshal([]byte(last.text), &f); err != nil || last.up != "up" || string(f["type"]) != `"chat"` || f["id"] != nil {
		return fmt.Errorf("the last on the wire is %s %s, want the chat, without an id", last.up, last.text)
	}
	if n := strings.Count(fmt.Sprint(wire), `"ack"`); n != 2 {
		return fmt.Errorf("%d acks on the wire, want 2", n)
	}
	// An answer comes once, and one that nobody waits for is left alone.
	if err := client.Receive([]byte(`{"type":"ack","id":1,"data":"again"}`)); err != nil || len(answers) != 2 {
		return fmt.Errorf("the same answer again: %v, %d calls", err, len(answers))
	}
	for _, text := range []string{`hello`, `{"type":"dance"}`} {
		if server.Receive([]byte(text)) == nil {
			return fmt.Errorf("%s is no error", text)
		}
	}
	return nil
}
