//go:build !linux

package load

import (
	"context"
	"time"
)

// pacer waits for due times with the runtime's timers; they are late by half
// a millisecond, which the lateness in the report shows.
type pacer struct {
	spun time.Duration // none: it sleeps
}

func newPacer() *pacer { return &pacer{} }

func (*pacer) close() {}

// until returns at the instant t, or with the context's error.
func (*pacer) until(ctx context.Context, t time.Time) error {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
