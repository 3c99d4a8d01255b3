package reference

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// source is the server that both sides of a comparison are fed by: whatever
// message comes is written to all connections, one write each, by a single
// thread. It does for any protocol of the chat what it takes to join, and no
// more: nothing of it is measured, but it has to keep up.
type source struct {
	epoll int
	event int // eventfd, ends the loop
	done  chan struct{}

	mu    sync.Mutex
	conns map[int32]*sourceConn // by descriptor
	order []*sourceConn         // in which they are written to: that of connecting
}

type sourceConn struct {
	fd   int
	eio  bool
	rest []byte // the start of a frame whose end has not come yet
}

func newSource() (*source, error) {
	s := &source{epoll: -1, event: -1, done: make(chan struct{}), conns: make(map[int32]*sourceConn)}
	var err error
	if s.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	if s.event, err = unix.Eventfd(0, unix.EFD_CLOEXEC); err == nil {
		err = s.add(s.event)
	}
	if err != nil {
		s.free()
		return nil, os.NewSyscallError("eventfd", err)
	}
	go s.loop()
	return s, nil
}

func (s *source) add(fd int) error {
	return unix.EpollCtl(s.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)})
}

func (s *source) free() {
	for _, fd := range []int{s.event, s.epoll} {
		if fd >= 0 {
			unix.Close(fd)
		}
	}
}

// close ends the connections and returns when the loop has ended.
func (s *source) close() {
	one := [8]byte{1}
	unix.Write(s.event, one[:])
	<-s.done
	s.free()
}

// ServeHTTP shakes hands (RFC 6455, section 4.2.2) and leaves the connection to
// the loop.
func (s *source) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Sec-WebSocket-Key")
	if key == "" {
		http.Error(w, "this server speaks websocket only", http.StatusBadRequest)
		return
	}
	conn, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer conn.Close() // the loop has a descriptor of its own
	if buffered.Reader.Buffered() > 0 {
		return // no client of the chat speaks before it is answered
	}
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	answer := fmt.Appendf(nil, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Accept: %s\r\n\r\n", base64.StdEncoding.EncodeToString(sum[:]))
	version := r.URL.Query().Get("EIO")
	if version != "" {
		answer = append(answer, frame([]byte(`0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}`))...)
	}
	if version == "3" {
		answer = append(answer, frame([]byte("40"))...)
	}
	if _, err := conn.Write(answer); err != nil {
		return
	}
	s.adopt(conn.(*net.TCPConn), version != "")
}

// adopt takes a descriptor of a connection into the loop.
func (s *source) adopt(conn *net.TCPConn, eio bool) {
	fd, err := duplicate(conn)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &sourceConn{fd: fd, eio: eio}
	s.conns[int32(fd)] = c
	s.order = append(s.order, c)
	if s.add(fd) != nil {
		s.drop(c)
	}
}

// duplicate returns a descriptor of a connection that Go's own poller does not
// know.
func duplicate(conn *net.TCPConn) (fd int, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return -1, err
	}
	failed := raw.Control(func(own uintptr) {
		fd, err = unix.FcntlInt(own, unix.F_DUPFD_CLOEXEC, 0)
	})
	return fd, errors.Join(failed, os.NewSyscallError("fcntl", err))
}

// drop closes a connection; s.mu is held.
func (s *source) drop(c *sourceConn) {
	unix.Close(c.fd)
	delete(s.conns, int32(c.fd))
	for i := range s.order {
		if s.order[i] == c {
			s.order = append(s.order[:i], s.order[i+1:]...)
			return
		}
	}
}

func (s *source) loop() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer close(s.done)
	events := make([]unix.EpollEvent, 128)
	buffer := make([]byte, 64<<10)
	for {
		n, err := unix.EpollWait(s.epoll, events, -1)
		if err != nil && err != unix.EINTR {
			panic(os.NewSyscallError("epoll_wait", err)) // the arguments are right
		}
		s.mu.Lock()
		for _, e := range events[:max(n, 0)] {
			if int(e.Fd) == s.event {
				for len(s.order) > 0 {
					s.drop(s.order[0])
				}
				s.mu.Unlock()
				return
			}
			if c := s.conns[e.Fd]; c != nil && !s.read(c, buffer) {
				s.drop(c)
			}
		}
		s.mu.Unlock()
	}
}

// read reads once and acts on the frames. It reports whether the connection
// lives on.
func (s *source) read(c *sourceConn, buffer []byte) bool {
	n, err := unix.Read(c.fd, buffer)
	if err == unix.EAGAIN || err == unix.EINTR {
		return true
	}
	if err != nil || n == 0 {
		return false
	}
	c.rest = append(c.rest, buffer[:n]...)
	for {
		payload, size := unmask(c.rest)
		if size == 0 {
			return true
		}
		if !s.act(c, payload) {
			return false
		}
		c.rest = c.rest[:copy(c.rest, c.rest[size:])]
	}
}

// act does what one message of a client asks for.
func (s *source) act(c *sourceConn, m []byte) bool {
	chat, join := []byte(`{"type":"chat"`), []byte(`{"type":"join","id":`)
	if c.eio {
		chat, join = []byte(`42["chat"`), []byte("42")
	}
	switch {
	case bytes.HasPrefix(m, chat):
		f := frame(m)
		for _, to := range s.order {
			if !send(to.fd, f) {
				// It is cut off, and its reader will find out.
				unix.Shutdown(to.fd, unix.SHUT_RDWR)
			}
		}
		return true
	case bytes.HasPrefix(m, join):
		id := digits(m[len(join):])
		if c.eio {
			return send(c.fd, frame(fmt.Appendf(nil, `43%s[""]`, id)))
		}
		return send(c.fd, frame(fmt.Appendf(nil, `{"type":"ack","id":%s}`, id)))
	case c.eio && string(m) == "40":
		return send(c.fd, frame([]byte(`40{"sid":"x"}`)))
	case c.eio && string(m) == "2":
		return send(c.fd, frame([]byte("3")))
	}
	return false
}

// send writes a frame at once; a receiver that has no room for it is too slow
// to be measured.
func send(fd int, f []byte) bool {
	n, err := unix.Write(fd, f)
	return err == nil && n == len(f)
}

// digits returns the digits that b begins with.
func digits(b []byte) []byte {
	n := 0
	for n < len(b) && b[n] >= '0' && b[n] <= '9' {
		n++
	}
	return b[:n]
}

// maxLength is the longest message that the source takes, in bytes.
const maxLength = 1 << 20

// unmask takes the first frame of a client off a buffer (RFC 6455, section
// 5.2) and unmasks its payload in place; size is 0 where it is not complete.
func unmask(in []byte) (payload []byte, size int) {
	if len(in) < 6 {
		return nil, 0
	}
	header, length := 2, uint64(in[1]&0x7F)
	switch length {
	case 126:
		header, length = 4, uint64(binary.BigEndian.Uint16(in[2:]))
	case 127:
		if len(in) < 10 {
			return nil, 0
		}
		header, length = 10, min(binary.BigEndian.Uint64(in[2:]), maxLength)
	}
	start := header + 4
	if uint64(len(in)) < uint64(start)+length {
		return nil, 0
	}
	size = start + int(length)
	key := [4]byte(in[header:start])
	payload = in[start:size]
	for i := range payload {
		payload[i] ^= key[i%4]
	}
	return payload, size
}
