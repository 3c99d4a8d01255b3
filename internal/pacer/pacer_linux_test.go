package pacer

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	timerID = -1
	otherID = 7
)

// newTest returns a pacer, and what writes an event to its descriptor.
func newTest(t *testing.T) (p *Pacer, happen func()) {
	t.Helper()
	runtime.LockOSThread() // as whoever uses a pacer does: Spun is of this thread
	t.Cleanup(runtime.UnlockOSThread)
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(epoll) })
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(event) })
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, event, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: otherID}); err != nil {
		t.Fatal(err)
	}
	if p, err = New(time.Now(), epoll, timerID); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, func() {
		one := [8]byte{1}
		if _, err := unix.Write(event, one[:]); err != nil {
			t.Fatal(err)
		}
	}
}

// TestInstant waits for instants far and near, one after the other: a wait
// without events has come to the instant, however often it took a sleep to get
// there.
func TestInstant(t *testing.T) {
	p, _ := newTest(t)
	events := make([]unix.EpollEvent, 4)
	for _, ahead := range []time.Duration{20 * time.Millisecond, early, 10 * time.Microsecond, 0, -time.Second, 2 * early} {
		until := time.Since(p.start) + ahead
		for {
			n, err := p.Wait(until, events)
			if err != nil {
				t.Fatal(err)
			}
			now := time.Since(p.start)
			if n == 0 {
				// A signal may end a sleep, but not the last part.
				if now >= until {
					break
				}
				continue
			}
			if n != 1 || events[0].Fd != timerID {
				t.Fatalf("%d events, the first with id %d", n, events[0].Fd)
			}
			p.Expired()
		}
	}
	if p.Spun() < 0 {
		t.Errorf("awake for %v", p.Spun())
	}
}

// TestEvents finds what is there at once, whether it would sleep or not.
func TestEvents(t *testing.T) {
	p, happen := newTest(t)
	happen()
	events := make([]unix.EpollEvent, 4)
	for _, until := range []time.Duration{Never, time.Since(p.start) + time.Hour, 0} {
		n, err := p.Wait(until, events)
		if err != nil || n != 1 || events[0].Fd != otherID {
			t.Errorf("until %v: %d events, the first with id %d, %v", until, n, events[0].Fd, err)
		}
	}
}

func TestClosed(t *testing.T) {
	p, _ := newTest(t)
	p.epoll = -1
	for _, until := range []time.Duration{Never, 0} {
		if _, err := p.Wait(until, make([]unix.EpollEvent, 1)); err == nil {
			t.Errorf("until %v: no error", until)
		}
	}
	if _, err := New(time.Now(), -1, timerID); err == nil {
		t.Error("a pacer without epoll is no error")
	}
}
