package reference

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"wsvsio/internal/pacer"
	"wsvsio/scenarios"
)

// receiver is the least that it takes to receive and record over a plain
// WebSocket, in Go: one thread, epoll, one buffer, and a parser that looks for
// the number where it must be. It sends the same messages as the load generator
// at the same due times, stamps what it reads and records the latency from the
// due time. It checks nothing and has no other protocol. It waits for its due
// times just as the load generator does, with the same pacer, and takes them as
// seriously: to be punctual is not what is compared.
type receiver struct {
	start  time.Time
	epoll  int
	pacer  *pacer.Pacer
	conns  []receiverConn
	events []unix.EpollEvent
	buffer []byte

	message []byte // the next message as a frame, with its number
	digits  []byte // the number in it
	offset  int    // of the number in a payload
	next    int64  // sequence number

	due       []time.Duration // since start
	first     int64           // sequence number of due[0]
	latency   *hdrhistogram.Histogram
	delivered int64
	up, down  int64 // bytes
	strange   int64 // frames without a number that is expected
}

type receiverConn struct {
	fd   int
	rest []byte // the start of a frame whose end has not come yet
}

// timerID stands in an event for the timer; all others are connections.
const timerID = -1

// patience is how long nothing may arrive.
const patience = 10 * time.Second

// maxSize is the longest body that it takes, in bytes: a frame and the start of
// another have room in its buffer.
const maxSize = 16 << 10

func newReceiver(size int) (*receiver, error) {
	if size > maxSize {
		return nil, fmt.Errorf("a body of %d bytes; the reference takes at most %d", size, maxSize)
	}
	r := &receiver{
		start: time.Now(), epoll: -1,
		events: make([]unix.EpollEvent, 256),
		buffer: make([]byte, 64<<10),
		next:   scenarios.FirstSeq,
	}
	head := `{"type":"chat","data":{"room":"bench","from":"load","seq":`
	payload := fmt.Appendf(nil, `%s%d,"body":%q}}`, head, r.next, bytes.Repeat([]byte("x"), size))
	r.offset = len(head)
	// Masked with zeros it can be sent as it stands.
	begin := append(header(len(payload), 0x80), 0, 0, 0, 0)
	r.message = append(begin, payload...)
	r.digits = r.message[len(begin)+len(head):][:seqDigits]
	var err error
	if r.epoll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return nil, os.NewSyscallError("epoll_create", err)
	}
	if r.pacer, err = pacer.New(r.start, r.epoll, timerID); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *receiver) add(fd int, id int32) error {
	return os.NewSyscallError("epoll_ctl",
		unix.EpollCtl(r.epoll, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN, Fd: id}))
}

func (r *receiver) close() {
	for _, c := range r.conns {
		unix.Close(c.fd)
	}
	r.conns = nil
	if r.pacer != nil {
		r.pacer.Close()
	}
	if r.epoll >= 0 {
		unix.Close(r.epoll)
	}
	r.pacer, r.epoll = nil, -1
}

// connect opens one connection after the other and joins. This is not measured,
// so it is Go's.
func (r *receiver) connect(rawURL, path string, clients int) error {
	u, err := url.Parse(rawURL)
	if err != nil {
		return err
	}
	for i := range clients {
		if err := r.join(u.Host, path); err != nil {
			return fmt.Errorf("connection %d of %d: %w", i+1, clients, err)
		}
	}
	return nil
}

func (r *receiver) join(host, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return err
	}
	defer conn.Close() // the loop has a descriptor of its own
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n", path, host)
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("handshake: the server answered %s", resp.Status)
	}
	ask := []byte(`{"type":"join","id":1,"data":{"room":"bench","from":"load"}}`)
	if _, err := conn.Write(append(append(header(len(ask), 0x80), 0, 0, 0, 0), ask...)); err != nil {
		return fmt.Errorf("join: %w", err)
	}
	if answer, err := in.ReadBytes('}'); err != nil {
		return fmt.Errorf("join: answer %q: %w", answer, err)
	}
	if in.Buffered() > 0 {
		return errors.New("join: there is more than the answer")
	}
	fd, err := duplicate(conn.(*net.TCPConn))
	if err != nil {
		return err
	}
	id := int32(len(r.conns))
	r.conns = append(r.conns, receiverConn{fd: fd})
	return r.add(fd, id)
}

// delay has the system acknowledge every second segment, not each. It does so
// by itself on the connections of the load generator; on one that had to wait for
// its first message it would not, and receiving costs more then.
func (r *receiver) delay() error {
	for _, c := range r.conns {
		if err := unix.SetsockoptInt(c.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, 0); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// segs is how many segments the system has sent on all connections.
func (r *receiver) segs() (n int64, err error) {
	for _, c := range r.conns {
		i, err := unix.GetsockoptTCPInfo(c.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return 0, os.NewSyscallError("getsockopt", err)
		}
		n += int64(i.Segs_out)
	}
	return n, nil
}

// run sends n messages and returns when all have come back on all connections.
// They are due at a rate a second, or at 0 each when the one before is back.
func (r *receiver) run(n int, rate float64) error {
	r.first = r.next
	r.due = make([]time.Duration, n)
	r.latency = hdrhistogram.New(1, int64(10*time.Minute), 3)
	r.delivered, r.up, r.down, r.strange = 0, 0, 0, 0
	begin := r.now()
	if rate > 0 {
		for i := range r.due {
			r.due[i] = begin + time.Duration(float64(i)/rate*float64(time.Second))
		}
	}
	conns := int64(len(r.conns))
	want := int64(n) * conns
	limit := begin + patience // of the silence once all are sent
	for sent := 0; r.delivered < want; {
		now := r.now()
		until, more := limit, false
		switch {
		case sent == n:
		case rate > 0:
			until, more = r.due[sent], true
		case r.delivered == int64(sent)*conns:
			r.due[sent] = now
			until, more = now, true
		}
		if more && now >= until {
			if err := r.send(); err != nil {
				return err
			}
			sent++
			limit = now + patience
			continue
		}
		if now >= limit && !more {
			return fmt.Errorf("nothing arrived for %v; %d of %d messages sent, %d of %d deliveries", patience, sent, n, r.delivered, want)
		}
		k, err := r.pacer.Wait(until, r.events)
		if err != nil {
			return err
		}
		for _, e := range r.events[:k] {
			if e.Fd == timerID {
				r.pacer.Expired()
				continue
			}
			now, err := r.read(&r.conns[e.Fd])
			if err != nil {
				return err
			}
			limit = now + patience
			if now >= until {
				break // the next message is due; what is left comes again
			}
		}
	}
	if r.strange > 0 {
		return fmt.Errorf("%d frames held no number that was expected", r.strange)
	}
	return nil
}

func (r *receiver) now() time.Duration { return time.Since(r.start) }

// send writes the next message.
func (r *receiver) send() error {
	for at, rest := seqDigits-1, r.next; at >= 0; at-- {
		r.digits[at] = '0' + byte(rest%10)
		rest /= 10
	}
	if !send(r.conns[0].fd, r.message) {
		return errors.New("a message could not be written at once")
	}
	r.next++
	r.up += int64(len(r.message))
	return nil
}

// read reads once, stamps, and records every frame that is complete.
func (r *receiver) read(c *receiverConn) (now time.Duration, err error) {
	kept := copy(r.buffer, c.rest)
	n, err := unix.Read(c.fd, r.buffer[kept:])
	now = r.now()
	switch {
	case err == unix.EAGAIN || err == unix.EINTR:
		return now, nil
	case err != nil:
		return now, os.NewSyscallError("read", err)
	case n == 0:
		return now, errors.New("the server has closed a connection")
	}
	r.down += int64(n)
	in := r.buffer[:kept+n]
	for len(in) >= 4 {
		header, length := 2, int(in[1])
		if length == 126 {
			header, length = 4, int(in[2])<<8|int(in[3])
		}
		if len(in) < header+length {
			break
		}
		var seq int64
		if length >= r.offset+seqDigits {
			for _, d := range in[header+r.offset:][:seqDigits] {
				seq = seq*10 + int64(d-'0')
			}
		}
		if i := seq - r.first; uint64(i) < uint64(len(r.due)) {
			r.latency.RecordValue(int64(now - r.due[i]))
			r.delivered++
		} else {
			r.strange++
		}
		in = in[header+length:]
	}
	c.rest = append(c.rest[:0], in...)
	return now, nil
}
