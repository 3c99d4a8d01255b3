package exercise

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestRun has checks that end, and some that do not.
func TestRun(t *testing.T) {
	wrong := errors.New("it is wrong")
	for name, tt := range map[string]struct {
		check func(ctx context.Context, open chan int) error
		why   string // "" is nothing
		after time.Duration
	}{
		"passes":             {func(context.Context, chan int) error { return nil }, "", 0},
		"fails":              {func(context.Context, chan int) error { return wrong }, wrong.Error(), 0},
		"heeds its context":  {func(ctx context.Context, _ chan int) error { <-ctx.Done(); return ctx.Err() }, context.DeadlineExceeded.Error(), limit},
		"waits for ever":     {func(_ context.Context, open chan int) error { <-open; return nil }, Endless, limit + limit/4},
		"ends its goroutine": {func(context.Context, chan int) error { runtime.Goexit(); return nil }, "broke off", 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				open := make(chan int)
				defer close(open) // let go of who waits
				began := time.Now()
				err := run(t.Context(), limit, open, tt.check)
				if tt.why == "" && err != nil || tt.why != "" && (err == nil || !strings.Contains(err.Error(), tt.why)) {
					t.Errorf("%v, want %q", err, tt.why)
				}
				if waited := time.Since(began); waited != tt.after {
					t.Errorf("it was given up after %v, want %v", waited, tt.after)
				}
			})
		})
	}
}
