package scenarios

import (
	"testing"
	"time"
)

// TestPause has the pauses of socket.io-client: doubled, then spread, then
// bounded.
func TestPause(t *testing.T) {
	d := ReconnectDefaults
	even := d
	even.Jitter = -1
	for _, tt := range []struct {
		r       Reconnect
		attempt int
		random  float64
		want    time.Duration
	}{
		{d, 1, 0, 500 * time.Millisecond},
		{d, 1, 0.5, time.Second},
		{d, 2, 0.75, 2500 * time.Millisecond},
		{d, 3, 0.5, 4 * time.Second},
		{d, 4, 0, 4 * time.Second}, // half of eight
		{d, 4, 0.9, 5 * time.Second},
		{d, 5, 0, 5 * time.Second},
		{d, 5000, 0, 5 * time.Second},
		{even, 1, 0, time.Second},
		{even, 2, 0.9, 2 * time.Second},
	} {
		if got := tt.r.Pause(tt.attempt, tt.random); got != tt.want {
			t.Errorf("attempt %d, random %v: %v, want %v", tt.attempt, tt.random, got, tt.want)
		}
	}
}
