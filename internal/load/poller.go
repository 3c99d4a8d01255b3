package load

import (
	"net/netip"
	"time"

	"wsvsio/scenarios"
)

// stream is one TCP connection of a client. It belongs to the event loop.
type stream struct {
	client *client
	index  int // of the streams of its client

	id      int    // of the poller
	pending []byte // accepted but not written, because the socket was full
	opened  bool
	dead    bool
	paused  bool

	last     time.Duration    // when it was read last
	up, down int64            // bytes written and read
	kernel   scenarios.Kernel // of a stream that is closed
}

// poller is the event loop's half that talks to the system. Everything happens
// in the calls, on the caller's goroutine; only wake may come from another.
type poller interface {
	// open begins to connect. What is written before it has connected waits. A
	// slow stream has small buffers, where the system allows it.
	open(s *stream, addr netip.AddrPort, slow bool) error

	// write writes what fits, and keeps the rest in s.pending until it does.
	write(s *stream, b []byte) error

	// wait hands over what arrives until the instant until, or one round of
	// what is there, whichever ends first. A stream that ends is handed over
	// with its error and then closed.
	wait(until time.Duration, arrived arrived) error

	pause(s *stream, on bool) // whether the stream is left unread
	close(s *stream)
	count(s *stream) scenarios.Kernel // what the system has counted
	wake()                            // ends a wait early, or the next
	end()

	// waited is the CPU time that went into waiting for due times.
	waited() time.Duration
}

// arrived takes what a stream has read, and its end. The data are valid during
// the call.
type arrived func(s *stream, data []byte, now time.Duration, err error)

// readBuffer holds some three hundred messages of 128 B, or one of 64 KiB.
const readBuffer = 64 << 10

// never is an instant that does not come.
const never = time.Duration(1<<63 - 1)
