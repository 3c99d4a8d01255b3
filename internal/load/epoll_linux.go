package load

import (
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"wsvsio/internal/pacer"
	"wsvsio/scenarios"
)

// epoll is the event loop of Linux: one thread, one buffer. A goroutine for
// each connection costs up to twice as much where messages are few, and memory
// for stack and buffer.
type epoll struct {
	start   time.Time
	fd      int
	pacer   *pacer.Pacer
	event   int // eventfd, for wake
	streams []*epollStream
	free    []int
	events  []unix.EpollEvent
	buffer  []byte
	scrap   []byte

	mu    sync.Mutex // of wake and end
	ended bool
}

type epollStream struct {
	*stream
	fd   int
	mask uint32
}

// The ids of what is not a stream.
const (
	timerID = -1
	eventID = -2
)

func newPoller(start time.Time) (poller, error) {
	p := &epoll{
		start: start, fd: -1, event: -1,
		events: make([]unix.EpollEvent, 256),
		buffer: make([]byte, readBuffer),
		scrap:  make([]byte, readBuffer),
	}
	var err error
	if p.fd, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	if p.pacer, err = pacer.New(start, p.fd, timerID); err != nil {
		p.end()
		return nil, err
	}
	if p.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		p.end()
		return nil, os.NewSyscallError("eventfd", err)
	}
	e := unix.EpollEvent{Events: unix.EPOLLIN, Fd: eventID}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, p.event, &e); err != nil {
		p.end()
		return nil, os.NewSyscallError("epoll_ctl", err)
	}
	return p, nil
}

func (p *epoll) open(s *stream, addr netip.AddrPort, slow bool) error {
	family, to := unix.AF_INET, unix.Sockaddr(&unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().Unmap().As4()})
	if !addr.Addr().Unmap().Is4() {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: int(addr.Port()), Addr: addr.Addr().As16()}
	}
	s.dead = true // until it is registered
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	if slow {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, slowBuffer)
		unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_MAXSEG, slowSegment)
	}
	if err := unix.Connect(fd, to); err != nil && err != unix.EINPROGRESS {
		unix.Close(fd)
		return os.NewSyscallError("connect", err)
	}
	s.dead = false
	e := &epollStream{stream: s, fd: fd, mask: unix.EPOLLIN | unix.EPOLLOUT}
	if n := len(p.free); n > 0 {
		s.id, p.free = p.free[n-1], p.free[:n-1]
		p.streams[s.id] = e
	} else {
		s.id = len(p.streams)
		p.streams = append(p.streams, e)
	}
	if err := unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: e.mask, Fd: int32(s.id)}); err != nil {
		p.streams[s.id] = nil
		p.free = append(p.free, s.id)
		s.dead = true
		unix.Close(fd)
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

// interest sets what a stream waits for.
func (p *epoll) interest(e *epollStream) error {
	mask := uint32(0)
	if !e.paused {
		mask |= unix.EPOLLIN
	}
	if len(e.pending) > 0 || !e.opened {
		mask |= unix.EPOLLOUT
	}
	if mask == e.mask {
		return nil
	}
	e.mask = mask
	return os.NewSyscallError("epoll_ctl",
		unix.EpollCtl(p.fd, unix.EPOLL_CTL_MOD, e.fd, &unix.EpollEvent{Events: mask, Fd: int32(e.id)}))
}

func (p *epoll) write(s *stream, b []byte) error {
	e := p.streams[s.id]
	if len(e.pending) > 0 || !e.opened {
		e.pending = append(e.pending, b...)
		return nil
	}
	n, err := writeNow(e.fd, b)
	if err != nil {
		return err
	}
	s.up += int64(n)
	if n < len(b) {
		e.pending = append(e.pending, b[n:]...)
		return p.interest(e)
	}
	return nil
}

// writeNow writes what the socket takes.
func writeNow(fd int, b []byte) (written int, err error) {
	for written < len(b) {
		n, err := unix.Write(fd, b[written:])
		switch err {
		case nil:
			written += n
		case unix.EAGAIN:
			return written, nil
		case unix.EINTR:
		default:
			return written, os.NewSyscallError("write", err)
		}
	}
	return written, nil
}

// writable goes on with a stream whose socket has room or has connected.
func (p *epoll) writable(e *epollStream) error {
	if !e.opened {
		code, err := unix.GetsockoptInt(e.fd, unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && code != 0 {
			err = unix.Errno(code)
		}
		if err != nil {
			return os.NewSyscallError("connect", err)
		}
		e.opened = true
	}
	n, err := writeNow(e.fd, e.pending)
	if err != nil {
		return err
	}
	e.up += int64(n)
	if e.pending = e.pending[n:]; len(e.pending) == 0 {
		e.pending = nil
	}
	return p.interest(e)
}

func (p *epoll) wait(until time.Duration, arrived arrived) error {
	n, err := p.pacer.Wait(until, p.events)
	if err != nil {
		return err
	}
	p.take(p.events[:n], until, arrived)
	return nil
}

// take handles events until the instant: what is left of them comes again.
func (p *epoll) take(events []unix.EpollEvent, until time.Duration, arrived arrived) {
	for _, event := range events {
		switch event.Fd {
		case timerID:
			p.pacer.Expired()
			continue
		case eventID:
			var n [8]byte
			unix.Read(p.event, n[:])
			continue
		}
		e := p.streams[event.Fd]
		if e == nil || e.dead {
			continue
		}
		if event.Events&unix.EPOLLOUT != 0 {
			if err := p.writable(e); err != nil {
				arrived(e.stream, nil, time.Since(p.start), err)
				p.close(e.stream)
				continue
			}
		}
		// A stream that has failed is read even when it is paused, to its end.
		if event.Events&^unix.EPOLLOUT != 0 && p.read(e, arrived) >= until {
			return
		}
	}
}

// read reads once from a stream.
func (p *epoll) read(e *epollStream, arrived arrived) (now time.Duration) {
	n, err := unix.Read(e.fd, p.buffer)
	now = time.Since(p.start)
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
	case err != nil:
		arrived(e.stream, nil, now, os.NewSyscallError("read", err))
		p.close(e.stream)
	case n == 0:
		arrived(e.stream, nil, now, io.EOF)
		p.close(e.stream)
	default:
		e.down += int64(n)
		arrived(e.stream, p.buffer[:n], now, nil)
	}
	return now
}

func (p *epoll) pause(s *stream, on bool) {
	s.paused = on
	if e := p.streams[s.id]; !s.dead {
		p.interest(e)
	}
}

func (p *epoll) close(s *stream) {
	e := p.streams[s.id]
	if s.dead {
		return
	}
	// What has arrived is counted, read or not. The buffer may be in use.
	for {
		n, err := unix.Read(e.fd, p.scrap)
		if n <= 0 || err != nil {
			break
		}
		s.down += int64(n)
	}
	s.kernel = p.count(s)
	s.dead = true
	unix.Close(e.fd)
	p.streams[s.id] = nil
	p.free = append(p.free, s.id)
}

// count reads TCP_INFO. Bytes that were sent again are sent once for the
// stream, and those that the socket has taken are on it. What has come and was
// not read yet does not count, and the end of a stream, which the system counts
// as a byte, is none.
func (p *epoll) count(s *stream) scenarios.Kernel {
	if s.dead {
		return s.kernel
	}
	fd := p.streams[s.id].fd
	unread, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return scenarios.Kernel{}
	}
	i, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return scenarios.Kernel{}
	}
	down := int64(i.Bytes_received) - int64(unread)
	if slices.Contains(afterEnd, i.State) {
		down--
	}
	return scenarios.Kernel{
		Told: true,
		Up:   int64(i.Bytes_sent-i.Bytes_retrans) + int64(i.Notsent_bytes), Down: down,
		SegsUp: int64(i.Segs_out), SegsDown: int64(i.Segs_in),
	}
}

// afterEnd are the states of a connection whose other end has closed it, of the
// kernel's net/tcp_states.h: TIME_WAIT, CLOSE_WAIT, LAST_ACK and CLOSING.
var afterEnd = []uint8{6, 8, 9, 11}

func (p *epoll) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.ended {
		one := [8]byte{1}
		unix.Write(p.event, one[:]) // a full counter wakes as well
	}
}

func (p *epoll) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	p.ended = true
	for _, e := range p.streams {
		if e != nil {
			p.close(e.stream)
		}
	}
	if p.pacer != nil {
		p.pacer.Close()
	}
	for _, fd := range []int{p.event, p.fd} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

func (p *epoll) waited() time.Duration { return p.pacer.Spun() }
