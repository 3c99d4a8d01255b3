package fallback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"wsvsio/lessons/exercise"
	"wsvsio/lessons/fallback/solution"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type mailbox interface {
	Put(message string)
	Poll(ctx context.Context, got int) ([]string, error)
}

func TestExercise(t *testing.T) {
	exercise.Judge(t, "fa3957745bab", func() mailbox { return new(Mailbox) }, inBubble(t))
}

func TestSolution(t *testing.T) {
	exercise.Solved(t, func() mailbox { return new(solution.Mailbox) }, inBubble(t))
}

// TestWrong has mailboxes with one fault.
func TestWrong(t *testing.T) {
	for fault, why := range map[string]string{
		"none":                 "", // it is the fault that makes them wrong
		"forgets at once":      "the answer got lost",
		"gives all again":      "a client that has the first of two",
		"answers with nothing": "with nothing to say the answer came after",
		"wakes one of two":     "two polls wait for the same message",
	} {
		t.Run(fault, func(t *testing.T) {
			newMailbox := func() mailbox { return &faulty{fault: fault, changed: make(chan struct{})} }
			if why == "" {
				exercise.Solved(t, newMailbox, inBubble(t))
				return
			}
			exercise.Refused(t, why, newMailbox, inBubble(t))
		})
	}
}

// faulty is a solution, which keeps all, but for its fault.
type faulty struct {
	fault string

	mu      sync.Mutex
	all     []string
	handed  int           // of these, how many have been given to somebody
	changed chan struct{} // closed when there is a message more
}

func (m *faulty) Put(message string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = append(m.all, message)
	if m.fault == "wakes one of two" {
		select {
		case m.changed <- struct{}{}:
		default:
		}
		return
	}
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *faulty) Poll(ctx context.Context, got int) ([]string, error) {
	for {
		m.mu.Lock()
		from, changed := got, m.changed
		if m.fault == "forgets at once" {
			from = max(got, m.handed)
		}
		if len(m.all) > from || m.fault == "answers with nothing" {
			defer m.mu.Unlock()
			if m.fault == "gives all again" {
				from = 0
			}
			m.handed = len(m.all)
			return slices.Clone(m.all[from:]), nil
		}
		m.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// inBubble is the check where time passes when all wait, and so the minutes of a
// quiet chat take none.
func inBubble(t *testing.T) func(context.Context, func() mailbox) error {
	return func(_ context.Context, newMailbox func() mailbox) (err error) {
		synctest.Test(t, func(t *testing.T) { err = check(t.Context(), newMailbox()) })
		return err
	}
}

// check is a client that polls.
func check(ctx context.Context, m mailbox) error {
	poll := func(got int, patience time.Duration) ([]string, error) {
		ctx, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		return m.Poll(ctx, got)
	}
	m.Put("one")
	m.Put("two")
	first, err := poll(0, time.Minute)
	if err != nil || !slices.Equal(first, []string{"one", "two"}) {
		return fmt.Errorf("two messages are there, and a poll gets %q, %v: one answer can carry both", first, err)
	}
	again, err := poll(0, time.Minute)
	if err != nil || !slices.Equal(again, first) {
		return fmt.Errorf("the answer got lost, the client asks for the same again and gets %q, %v", again, err)
	}
	again, err = poll(1, time.Minute)
	if err != nil || !slices.Equal(again, []string{"two"}) {
		return fmt.Errorf("a client that has the first of two gets %q, %v", again, err)
	}

	// Nothing is there: the poll waits.
	began := time.Now()
	none, err := poll(2, 25*time.Second)
	if waited := time.Since(began); waited != 25*time.Second || !errors.Is(err, context.DeadlineExceeded) || len(none) > 0 {
		return fmt.Errorf("with nothing to say the answer came after %v, not when the time was up after 25s: %q, %v", waited, none, err)
	}

	// And is answered as soon as there is something.
	time.AfterFunc(10*time.Second, func() { m.Put("three") })
	began = time.Now()
	got, err := poll(2, time.Minute)
	if waited := time.Since(began); err != nil || waited != 10*time.Second || !slices.Equal(got, []string{"three"}) {
		return fmt.Errorf("a message after 10s: the poll was answered after %v with %q, %v", waited, got, err)
	}

	// Two polls that wait, as after a retry, get the same.
	answers := make(chan string, 2)
	for range 2 {
		go func() {
			got, err := poll(3, time.Minute)
			answers <- fmt.Sprint(got, err)
		}()
	}
	time.AfterFunc(time.Second, func() { m.Put("four") })
	for range 2 {
		if got := <-answers; got != "[four] <nil>" {
			return fmt.Errorf("two polls wait for the same message, and one gets %s", got)
		}
	}
	return nil
}
