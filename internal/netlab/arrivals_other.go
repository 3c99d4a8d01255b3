//go:build !linux

package netlab

import (
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// arrivals reads from a connection.
type arrivals struct {
	size int
	raw  syscall.RawConn
}

// newArrivals returns one that reads at most size bytes at once.
func newArrivals(conn *net.TCPConn, size int) *arrivals {
	raw, err := conn.SyscallConn()
	if err != nil {
		return &arrivals{} // it is closed, which read says
	}
	return &arrivals{size, raw}
}

// read reads once and returns when, as CLOCK_MONOTONIC in nanoseconds.
func (a *arrivals) read() (data []byte, at int64, err error) {
	if a.raw == nil {
		return nil, monotonic(), net.ErrClosed
	}
	var failed error
	err = a.raw.Read(func(fd uintptr) (done bool) {
		data, done, failed = readOnce(a.size, func(b []byte) (int, error) { return unix.Read(int(fd), b) })
		return done
	})
	if err == nil {
		err = failed
	}
	return data, monotonic(), err
}

// vanished is not known here: a reset that was told to a write may be taken
// for an end.
func (a *arrivals) vanished() bool { return false }

// timer waits for instants with the runtime's timers; they may be late by half
// a millisecond, which the record shows. The zero value is ready.
type timer struct {
	mu     sync.Mutex
	stop   chan struct{} // of the wait that there is
	closed bool
}

// until returns at the instant t of CLOCK_MONOTONIC, in nanoseconds, or with
// an error when the timer is closed. One goroutine at a time may wait.
func (t *timer) until(at int64) error {
	for {
		left := at - monotonic()
		if left <= 0 {
			return nil
		}
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			return os.ErrClosed
		}
		if t.stop == nil {
			t.stop = make(chan struct{})
		}
		stop := t.stop
		t.mu.Unlock()
		wait := time.NewTimer(time.Duration(left))
		select {
		case <-wait.C:
		case <-stop:
			wait.Stop()
			return os.ErrClosed
		}
	}
}

// close ends a wait, and all further ones. It may be called twice.
func (t *timer) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed && t.stop != nil {
		close(t.stop)
	}
	t.closed = true
}
