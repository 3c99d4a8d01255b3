package worker

import (
	"time"

	"golang.org/x/sys/unix"
)

// The clock that processes share is read once; from there on Go's own, which
// is the same clock without the system call, tells how long ago that was.
var clockStart, clockBase = readClocks()

// readClocks reads both at once. Whatever comes between the two would be in
// every stamp, so they are read some times and the closest pair is taken.
func readClocks() (start time.Time, base int64) {
	closest := time.Duration(1<<63 - 1)
	for range 10 {
		before := time.Now()
		now := monotonic()
		if between := time.Since(before); between < closest {
			closest, start, base = between, before, now
		}
	}
	return start, base
}

// Now returns CLOCK_MONOTONIC in nanoseconds. Every process of a run shares
// it, Node's process.hrtime included.
func Now() int64 {
	return clockBase + int64(time.Since(clockStart))
}

func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // POSIX has it
	}
	return t.Nano()
}
