//go:build !linux

package load

import "time"

func newPoller(start time.Time) (poller, error) { return newGoroutines(start), nil }
