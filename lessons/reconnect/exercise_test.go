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
	exercise.Judge(t, "a9184c50f81c", reconnect.Reconnect, inBubble(t))
}

func TestSolution(t *testing.T) { exercise.Solved(t, solution.Reconnect, inBubble(t)) }

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
	return nil
}
