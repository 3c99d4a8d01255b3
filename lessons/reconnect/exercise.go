// Package reconnect is the exercise of the lesson on coming back.
package reconnect

import (
	"context"
	"time"
)

// Backoff says how long to wait before each attempt.
type Backoff struct {
	Delay    time.Duration  // before the first attempt; it doubles with each one
	MaxDelay time.Duration  // but is never more than this
	Jitter   float64        // each is made longer or shorter by up to Jitter times itself
	Random   func() float64 // from 0 up to 1
}

// Reconnect tries until dial succeeds. Before each attempt it waits. It returns
// the error of the context as soon as that ends, while it waits and while it
// dials: dial returns when the context that it is given ends, and may take for
// ever otherwise.
//
// When a server comes back, all its clients find out at once. This loop has them
// come at the same instant, again and again, without a pause for the server.
// Repair it. As in Socket.IO, the delay is doubled first, then moved by the
// jitter, (2*Random-1)*Jitter times itself, and bounded last.
func Reconnect(ctx context.Context, b Backoff, dial func(context.Context) error) error {
	for {
		time.Sleep(b.Delay)
		if err := dial(ctx); err == nil {
			return nil
		}
	}
}
