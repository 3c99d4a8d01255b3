// Package solution solves the exercise.
package solution

import (
	"context"
	"time"

	"wsvsio/lessons/reconnect"
)

// Reconnect tries until dial succeeds.
func Reconnect(ctx context.Context, b reconnect.Backoff, dial func(context.Context) error) error {
	delay := b.Delay
	for {
		pause := delay + time.Duration((2*b.Random()-1)*b.Jitter*float64(delay))
		timer := time.NewTimer(min(pause, b.MaxDelay))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
		if dial(ctx) == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// Beyond this the jitter cannot bring it below the bound, and doubled
		// for long enough it would overflow.
		if float64(delay)*(1-b.Jitter) < float64(b.MaxDelay) {
			delay *= 2
		}
	}
}
