package reconnect_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"wsvsio/lessons/exercise"
	"wsvsio/lessons/reconnect"
	"wsvsio/lessons/reconnect/solution"
	"wsvsio/scenarios"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type loop = func(context.Context, reconnect.Backoff, func(context.Context) error) error

func TestExercise(t *testing.T) {
	exercise.Judge(t, "4be48905a491", reconnect.Reconnect, inBubble(t))
}

func TestSolution(t *testing.T) { exercise.Solved(t, solution.Reconnect, inBubble(t)) }

// TestWrong has solutions with one fault.
func TestWrong(t *testing.T) {
	for fault, why := range map[string]string{
		"none":                "", // it is the fault that makes them wrong
		"dials for ever":      "is dial given the context",
		"sleeps":              "in the second pause",
		"doubles for ever":    "comes after a pause of",
		"no bound":            "comes after a pause of",
		"bound before jitter": "comes after a pause of",
		"no jitter":           "comes after a pause of",
	} {
		t.Run(fault, func(t *testing.T) {
			if why == "" {
				exercise.Solved(t, faulty(fault), inBubble(t))
				return
			}
			exercise.Refused(t, why, faulty(fault), inBubble(t))
		})
	}
}

// faulty is a solution but for its fault.
func faulty(fault string) loop {
	return func(ctx context.Context, b reconnect.Backoff, dial func(context.Context) error) error {
		for delay := b.Delay; ; delay *= 2 {
			if fault != "doubles for ever" {
				delay = min(delay, 2*b.MaxDelay) // or it would overflow
			}
			jitter := time.Duration((2*b.Random() - 1) * b.Jitter * float64(delay))
			pause := min(delay+jitter, b.MaxDelay)
			switch fault {
			case "no bound":
				pause = delay + jitter
			case "bound before jitter":
				pause = min(delay, b.MaxDelay) + jitter
			case "no jitter":
				pause = min(delay, b.MaxDelay)
			}
			waited := ctx
			if fault == "sleeps" {
				waited = context.WithoutCancel(ctx)
			}
			select {
			case <-time.After(pause):
			case <-waited.Done():
				return ctx.Err()
			}
			given := ctx
			if fault == "dials for ever" {
				given = context.WithoutCancel(ctx)
			}
			if dial(given) == nil {
				return nil
			}
		}
	}
}

// inBubble is the check where time passes when all wait, and so the hour of an
// outage takes none.
func inBubble(t *testing.T) func(context.Context, loop) error {
	return func(_ context.Context, r loop) (err error) {
		synctest.Test(t, func(t *testing.T) { err = check(t.Context(), r) })
		return err
	}
}

var errDown = errors.New("connection refused")

// check times each attempt while a server is away.
func check(ctx context.Context, r loop) error {
	for _, random := range []float64{0.5, 0, 0.9} {
		// The pauses of socket.io-client, by which all stacks here go.
		want := scenarios.Reconnect{Delay: time.Second, MaxDelay: 5 * time.Second, Jitter: 0.5}
		b := reconnect.Backoff{Delay: want.Delay, MaxDelay: want.MaxDelay, Jitter: want.Jitter, Random: func() float64 { return random }}
		const attempts = 200
		last, n := time.Now(), 0
		var wrong error
		limited, cancel := context.WithTimeout(ctx, time.Hour)
		err := r(limited, b, func(context.Context) error {
			n++
			pause := time.Since(last)
			last = time.Now()
			if due := want.Pause(n, random); pause != due && wrong == nil {
				wrong = fmt.Errorf("with Random %v, attempt %d comes after a pause of %v, not %v", random, n, pause, due)
			}
			if n == attempts || wrong != nil {
				return nil
			}
			return errDown
		})
		cancel()
		if wrong != nil {
			return wrong
		}
		if err != nil || n != attempts {
			return fmt.Errorf("the server was back at attempt %d, and the loop ended after %d: %v", attempts, n, err)
		}
	}

	// Who gives up while the loop waits does not wait for it.
	b := reconnect.Backoff{Delay: 10 * time.Second, MaxDelay: time.Minute, Random: func() float64 { return 0.5 }}
	limited, cancel := context.WithTimeout(ctx, 12*time.Second)
	defer cancel()
	began, n := time.Now(), 0
	err := r(limited, b, func(context.Context) error {
		if n++; n > 3 {
			return nil // it would go on for ever
		}
		return errDown
	})
	if waited := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || waited != 12*time.Second || n != 1 {
		return fmt.Errorf("the context ended after 12s, in the second pause; the loop ended after %v and %d attempts with %v", waited, n, err)
	}

	// Nor does who gives up while it dials.
	limited, cancelDial := context.WithTimeout(ctx, 12*time.Second)
	defer cancelDial()
	began, n = time.Now(), 0
	err = r(limited, b, func(ctx context.Context) error {
		n++
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Hour): // for ever, but for this check
			return nil
		}
	})
	if waited := time.Since(began); !errors.Is(err, context.DeadlineExceeded) || waited != 12*time.Second || n != 1 {
		return fmt.Errorf("the context ended after 12s, in the first attempt; the loop ended after %v and %d attempts with %v: is dial given the context?", waited, n, err)
	}
	return nil
}
