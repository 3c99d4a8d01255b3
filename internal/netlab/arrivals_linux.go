package netlab

import (
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arrivals reads from a connection and asks the system when what it reads had
// come (SO_TIMESTAMPNS, socket(7)).
type arrivals struct {
	conn *net.TCPConn
	size int
	raw  syscall.RawConn
	oob  []byte
}

// newArrivals returns one that reads at most size bytes at once.
func newArrivals(conn *net.TCPConn, size int) *arrivals {
	a := &arrivals{conn: conn, size: size, oob: make([]byte, unix.CmsgSpace(int(unsafe.Sizeof(unix.Timespec{}))))}
	raw, err := conn.SyscallConn()
	if err != nil {
		return a // it is closed, which read says
	}
	a.raw = raw
	raw.Control(func(fd uintptr) {
		unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) // without, the time of the reading has to do
	})
	return a
}

// read reads once. It returns when the last byte had come, or when it was read
// if the system does not tell: CLOCK_MONOTONIC in nanoseconds.
func (a *arrivals) read() (data []byte, at int64, err error) {
	if a.raw == nil {
		return nil, monotonic(), net.ErrClosed
	}
	var told int
	var failed error
	err = a.raw.Read(func(fd uintptr) (done bool) {
		data, done, failed = readOnce(a.size, func(b []byte) (n int, err error) {
			n, told, _, _, err = unix.Recvmsg(int(fd), b, a.oob, 0)
			return n, err
		})
		return done
	})
	at = monotonic()
	if err == nil && failed != nil {
		err = failed
	}
	if err != nil {
		return nil, at, err
	}
	return data, stamped(a.oob[:told], at), nil
}

// vanished reports whether the connection is gone, rather than ended by the
// other side: after a reset that was told to a write already, read reports no
// more than an end.
func (a *arrivals) vanished() bool {
	gone := false
	a.raw.Control(func(fd uintptr) {
		i, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		gone = err == nil && i.State == unix.BPF_TCP_CLOSE
	})
	return gone
}

// stamped returns the time in a control message, on the clock of now, which is
// just over; without one it is now.
func stamped(oob []byte, now int64) int64 {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return now
	}
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_TIMESTAMPNS || len(m.Data) < int(unsafe.Sizeof(unix.Timespec{})) {
			continue
		}
		came := (*unix.Timespec)(unsafe.Pointer(&m.Data[0])).Nano()
		// The stamp is of the clock that can be set; how long ago that was is
		// the same on both. Read in this order, the answer is never too early.
		ago := time.Now().UnixNano() - came
		return min(now, monotonic()-ago)
	}
	return now
}

// timer waits for instants with the system's timer, which knows no slack: the
// runtime's own are late by half a millisecond and more. The zero value is
// ready; it takes a file once something has to wait.
type timer struct {
	mu     sync.Mutex
	file   *os.File
	closed bool
}

// open returns the system's timer.
func (t *timer) open() (*os.File, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, os.ErrClosed
	}
	if t.file == nil {
		fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
		if err != nil {
			return nil, fmt.Errorf("make a timer: %w", err)
		}
		t.file = os.NewFile(uintptr(fd), "timer")
	}
	return t.file, nil
}

// until returns at the instant t of CLOCK_MONOTONIC, in nanoseconds, or with
// an error when the timer is closed. One goroutine at a time may wait.
func (t *timer) until(at int64) error {
	if at <= monotonic() {
		return nil
	}
	file, err := t.open()
	if err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	raw, err := file.SyscallConn()
	if err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(at)}
	var set error
	if err := raw.Control(func(fd uintptr) {
		set = unix.TimerfdSettime(int(fd), unix.TFD_TIMER_ABSTIME, &spec, nil)
	}); err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	if set != nil {
		return fmt.Errorf("set a timer: %w", set)
	}
	var expirations [8]byte
	if _, err := file.Read(expirations[:]); err != nil {
		return fmt.Errorf("wait: %w", err)
	}
	return nil
}

// close ends a wait, and all further ones. It may be called twice.
func (t *timer) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	if t.file != nil {
		t.file.Close()
		t.file = nil
	}
}
