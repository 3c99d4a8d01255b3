package broadcast

import (
	"context"
	"fmt"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsvsio/lessons/broadcast/solution"
	"wsvsio/lessons/exercise"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type hub interface {
	Join() (messages <-chan string, leave func())
	Broadcast(message string)
}

func TestExercise(t *testing.T) {
	exercise.Judge(t, "083f8825f695", func(queue int) hub { return NewHub(queue) }, check)
}

func TestSolution(t *testing.T) {
	exercise.Solved(t, func(queue int) hub { return solution.NewHub(queue) }, check)
}

// TestWrong has hubs that tell each member what it has room for, and no member
// that it has missed some.
func TestWrong(t *testing.T) {
	for fault, why := range map[string]string{
		"leaves new ones out": "was not disconnected",
		"leaves old ones out": "in place of message 1",
		"tells them later":    "has not got message 1, though it was told",
	} {
		t.Run(fault, func(t *testing.T) {
			exercise.Refused(t, why, func(queue int) hub { return &faulty{fault: fault, queue: queue} }, check)
		})
	}
}

type faulty struct {
	fault   string
	queue   int
	members []chan string
	later   []string
}

func (h *faulty) Join() (messages <-chan string, leave func()) {
	member := make(chan string, h.queue)
	h.members = append(h.members, member)
	return member, func() {}
}

func (h *faulty) Broadcast(message string) {
	if h.later = append(h.later, message); h.fault == "tells them later" && len(h.later) == 1 {
		return
	}
	message, h.later = h.later[0], h.later[1:]
	for _, member := range h.members {
		if len(member) == h.queue && h.fault == "leaves old ones out" {
			<-member
		}
		select {
		case member <- message:
		default:
		}
	}
}

// patience is how long nothing may happen: what does not wait takes microseconds.
const patience = 2 * time.Second

// check has five members that read and one that does not.
func check(ctx context.Context, newHub func(queue int) hub) error {
	const queue, messages = 4, 20
	h := newHub(queue)
	var readers []<-chan string
	for range 5 {
		m, leave := h.Join()
		defer leave()
		readers = append(readers, m)
	}
	slow, leaveSlow := h.Join()
	stuck := false
	defer func() {
		for stuck { // let go of whoever waits for the slow one
			if _, ok := <-slow; !ok {
				return
			}
		}
	}()
	for i := range messages {
		said := make(chan struct{})
		go func() {
			defer close(said)
			h.Broadcast(fmt.Sprint(i))
		}()
		select {
		case <-said:
		case <-time.After(patience):
			stuck = true
			go func() { <-said; leaveSlow() }()
			return fmt.Errorf("message %d of %d has not been told for %v: one member does not read, and has a queue of %d", i+1, messages, patience, queue)
		}
		for r, m := range readers {
			select {
			case got, ok := <-m:
				if !ok {
					return fmt.Errorf("member %d has read all, and was disconnected at message %d", r+1, i+1)
				}
				if got != fmt.Sprint(i) {
					return fmt.Errorf("member %d got %q in place of message %d", r+1, got, i+1)
				}
			default:
				return fmt.Errorf("member %d has not got message %d, though it was told", r+1, i+1)
			}
		}
	}
	// The slow one got what it had room for, in order, and then its channel
	// was closed.
	for i := range queue {
		if got, ok := <-slow; !ok || got != fmt.Sprint(i) {
			return fmt.Errorf("the slow member finds %q (%t) in its queue in place of message %d", got, ok, i+1)
		}
	}
	select {
	case got, ok := <-slow:
		if ok {
			return fmt.Errorf("the slow member had a queue of %d and got %q after that: it has missed some and does not know", queue, got)
		}
	case <-ctx.Done():
		return fmt.Errorf("the slow member was not disconnected: it waits for ever")
	case <-time.After(patience):
		return fmt.Errorf("the slow member was not disconnected: it would wait for ever")
	}
	leaveSlow() // again, and nothing happens
	return nil
}
