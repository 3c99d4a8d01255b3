package netlab

import (
	"errors"
	"io"
	"math"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"wsvsio/scenarios"
)

// Direction says which way bytes go.
type Direction uint8

// The directions.
const (
	Up   Direction = iota // from a client to the target
	Down                  // from the target to a client
)

// String returns the direction as scenarios has it.
func (d Direction) String() string {
	if d == Up {
		return scenarios.PathUp
	}
	return scenarios.PathDown
}

// Passage is a piece of a stream that a relay has read at once.
type Passage struct {
	Direction Direction
	Conn      int   // counted from 1, in the order of accepting
	From, To  int64 // offsets in the stream of that direction; To is the first that is not in it
	Received  int64 // CLOCK_MONOTONIC in ns, when the last of it had come
	Forwarded int64 // the same, when it was about to be written; 0 if it has not been yet
}

// maxOverdue is how many bytes may wait when they could go, for a receiver that
// does not take them, for bandwidth or for the end of a stall, before no more
// are read. What waits for its delay has no bound: it would be one of the
// throughput.
const maxOverdue = 1 << 20

// lane is one direction of a connection. Two goroutines work for it: one
// receives, the other forwards what is due. A fault changes what is due.
//
// Its fields are under the lock of the link, but for those that do not change
// while both work.
type lane struct {
	link     *link
	dir      Direction
	delay    time.Duration
	earliest int64 // what comes is taken to have come no earlier
	src, dst *net.TCPConn
	timer    timer
	requests requestCounter

	changed sync.Cond
	queue   []piece
	bytes   int // in the queue, and being written
	line    line
	gate    int64 // nothing goes before

	silent  bool // what comes is thrown away, its end too
	closed  bool // the last that is to go has been queued
	dead    bool // the receiver has gone
	eof     bool // the sender has gone
	reset   bool // its connection was reset, which writing to it has told
	finSent bool
	ended   bool // and that is in the record

	writing     bool
	interrupted bool

	log      []Passage
	kept     [][]byte
	size     int // bytes in kept
	messages messages
}

// piece is what waits to be forwarded: bytes, or the end of the stream.
type piece struct {
	data    []byte
	ready   int64  // it could go then
	at      int    // in the log
	end     string // "fin", or "reset" and what is passed on as one
	counted bool   // the requests in it are
}

func newLane(k *link, dir Direction, w way) *lane {
	l := &lane{link: k, dir: dir, delay: w.delay, line: line{bandwidth: w.bandwidth}}
	l.changed.L = &k.mu
	return l
}

// opposite is the other direction of the connection.
func (l *lane) opposite() *lane { return l.link.lanes[1-l.dir] }

// spent reports whether nothing more will be written.
func (l *lane) spent() bool { return l.finSent || l.silent || l.dead }

// receive reads until the stream ends or the connection is over.
func (l *lane) receive() {
	source := newArrivals(l.src, l.line.piece())
	for {
		data, at, err := source.read()
		if len(data) > 0 && !l.put(data, at) {
			return
		}
		if err == nil {
			continue
		}
		l.link.mu.Lock()
		defer l.link.mu.Unlock()
		how := "reset"
		if errors.Is(err, io.EOF) && !l.reset && (l.opposite().finSent || !source.vanished()) {
			how = "fin"
		}
		l.end(how, at)
		return
	}
}

// put logs and queues bytes that came at an instant. It waits while too much is
// overdue, and reports whether to go on.
func (l *lane) put(data []byte, now int64) bool {
	c := l.link.carrier
	l.link.mu.Lock()
	defer l.link.mu.Unlock()
	if l.link.over {
		return false
	}
	passage := Passage{Direction: l.dir, Conn: l.link.number, Received: now}
	if last := len(l.log) - 1; last >= 0 {
		passage.From = l.log[last].To
	}
	passage.To = passage.From + int64(len(data))
	l.log = append(l.log, passage)
	if c.keep || c.finds {
		l.kept = append(l.kept, data)
		l.size += len(data)
	}
	if !l.silent && !l.closed && !l.dead {
		l.push(piece{data: data, ready: l.ready(now), at: len(l.log) - 1})
	}
	for !l.link.over && l.bytes > maxOverdue && len(l.queue) > 0 && l.queue[0].ready < monotonic() {
		l.changed.Wait()
	}
	if c.finds && l.size > maxKept {
		l.link.mu.Unlock()
		l.find()
		l.link.mu.Lock()
	}
	return !l.link.over
}

// ready is when something that came at an instant could go on.
func (l *lane) ready(came int64) int64 { return max(came, l.earliest) + int64(l.delay) }

// push queues a piece.
func (l *lane) push(p piece) {
	l.queue = append(l.queue, p)
	l.bytes += len(p.data)
	l.changed.Broadcast()
}

// drop throws away what waits, and what has not been written yet of a piece
// that is.
func (l *lane) drop() {
	for _, p := range l.queue {
		l.bytes -= len(p.data)
	}
	l.queue = nil
	l.interrupt()
	l.changed.Broadcast()
}

// interrupt ends a write where it is.
func (l *lane) interrupt() {
	if l.writing && !l.interrupted {
		l.interrupted = true
		l.dst.SetWriteDeadline(time.Unix(1, 0))
	}
}

// end takes the end of the stream.
func (l *lane) end(how string, at int64) {
	if l.link.over || l.eof {
		return
	}
	l.eof = true
	l.note(how, at)
	if !l.silent && !l.closed && !l.dead {
		l.push(piece{end: how, ready: l.ready(at)})
	}
	l.link.settle()
}

// note records the end of the direction, if it is the first.
func (l *lane) note(how string, at int64) {
	if l.ended {
		return
	}
	l.ended = true
	l.link.ends = append(l.link.ends, scenarios.PathEnd{
		Conn: l.link.number, Direction: l.dir.String(), How: how, At: at,
	})
}

// lost takes it that the receiver has gone, which only writing has told. Its
// own direction is the one to bring that to the sender.
func (l *lane) lost() {
	l.dead = true
	l.drop()
	o := l.opposite()
	switch {
	case !o.eof:
		o.reset = true // as soon as all that came before it has been read
	case !o.silent && !o.closed && !o.dead:
		o.push(piece{end: "reset", ready: o.ready(monotonic())})
	}
	l.link.settle()
}

// forward writes the pieces when they are due, until the connection is over.
func (l *lane) forward() {
	k := l.link
	k.mu.Lock()
	defer k.mu.Unlock()
	for {
		for len(l.queue) == 0 && !k.over {
			l.changed.Wait()
		}
		if k.over {
			return
		}
		p := l.queue[0]
		line, due := l.line.pass(len(p.data), max(p.ready, l.gate))
		if due > monotonic() {
			k.mu.Unlock()
			err := l.timer.until(due)
			k.mu.Lock()
			if err != nil && !k.over {
				// Without a timer nothing can be delayed, and undelayed nothing
				// may pass.
				l.note(err.Error(), monotonic())
				k.cut(true)
			}
			continue // what is due may have changed
		}
		l.line = line
		l.queue[0] = piece{} // or it would keep the bytes
		l.queue = l.queue[1:]
		switch p.end {
		case "":
			l.write(p)
		case "fin":
			l.dst.CloseWrite()
			l.finSent = true
			k.settle()
		default:
			k.cut(true) // a reset is passed on as one
		}
	}
}

// write counts, stamps and writes a piece. The write comes last, so that
// whoever has seen a byte finds it counted.
func (l *lane) write(p piece) {
	k := l.link
	n := len(p.data)
	k.carrier.bytes[l.dir].Add(int64(n))
	if l.dir == Up && !p.counted {
		k.carrier.requests.Add(l.requests.feed(p.data))
	}
	l.log[p.at].Forwarded = monotonic()
	l.writing = true
	k.mu.Unlock()
	written, err := l.dst.Write(p.data)
	k.mu.Lock()
	l.writing = false
	l.bytes -= n
	l.changed.Broadcast()
	interrupted := l.interrupted
	if interrupted {
		l.interrupted = false
		l.dst.SetWriteDeadline(time.Time{})
	}
	if err == nil {
		return
	}
	k.carrier.bytes[l.dir].Add(int64(written - n))
	at := l.split(p.at, written)
	switch {
	case k.over:
	case interrupted && errors.Is(err, os.ErrDeadlineExceeded):
		if l.silent || l.dead {
			return
		}
		// It goes on where it was.
		rest := piece{data: p.data[written:], ready: p.ready, at: at, counted: true}
		l.line.bytes -= int64(len(rest.data))
		l.queue = slices.Insert(l.queue, 0, rest)
		l.bytes += len(rest.data)
	default:
		l.lost()
	}
}

// split takes it into the log that of a passage only so many bytes have been
// written. It returns where the others are in the log.
func (l *lane) split(at, written int) int {
	if written == 0 {
		l.log[at].Forwarded = 0
		return at
	}
	rest := l.log[at]
	l.log[at].To = rest.From + int64(written)
	rest.From, rest.Forwarded = l.log[at].To, 0
	l.log = slices.Insert(l.log, at+1, rest)
	for i := range l.queue {
		l.queue[i].at++
	}
	return at + 1
}

// find looks for messages in what has come since it did.
func (l *lane) find() {
	l.messages.Lock()
	defer l.messages.Unlock()
	l.link.mu.Lock()
	kept := l.kept
	l.kept, l.size = nil, 0
	l.link.mu.Unlock()
	for _, data := range kept {
		l.messages.feed(data)
	}
}

// line is what paces a direction: a piece takes its length by the bandwidth to
// pass. The bytes of a busy period are counted and not their times added up, so
// that it is exact in the long run.
type line struct {
	bandwidth float64 // bytes a second; 0 is no limit
	from      int64   // when it last began to be busy
	bytes     int64   // that have passed since, or are about to
}

// pass returns when n bytes have passed that could go from an instant on, and
// how the line is then.
func (l line) pass(n int, from int64) (line, int64) {
	if l.bandwidth == 0 {
		return l, from
	}
	if from > l.free() {
		l.from, l.bytes = from, 0
	}
	l.bytes += int64(n)
	return l, l.free()
}

// free is when the line is.
func (l line) free() int64 {
	return l.from + int64(math.Round(float64(l.bytes)/l.bandwidth*float64(time.Second)))
}

// The pieces of a paced stream, in bytes: what passes in a millisecond, but no
// less than a segment of Ethernet holds.
const (
	maxPiece = 64 << 10
	minPiece = 1460
)

// piece is how many bytes are read at once, so that what passes is a stream.
func (l line) piece() int {
	if l.bandwidth == 0 {
		return maxPiece
	}
	return int(min(max(l.bandwidth/1000, minPiece), maxPiece))
}

// buffers are to read into. A connection that is idle has none.
var buffers = sync.Pool{New: func() any { return new([maxPiece]byte) }}

// readOnce reads with a system call from a connection that can be read, and
// returns a copy of what there is. It is not done where nothing was there.
func readOnce(size int, read func([]byte) (int, error)) (data []byte, done bool, err error) {
	buffer := buffers.Get().(*[maxPiece]byte)
	defer buffers.Put(buffer)
	for {
		n, err := read(buffer[:size])
		switch {
		case err == syscall.EINTR:
			continue
		case err == syscall.EAGAIN:
			return nil, false, nil
		case err != nil:
			return nil, true, err
		case n == 0:
			return nil, true, io.EOF
		}
		return append([]byte(nil), buffer[:n]...), true, nil
	}
}

// monotonic returns CLOCK_MONOTONIC in nanoseconds. It asks the system each
// time: Go's own reading of it has an origin of its own in every process.
func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // POSIX has it
	}
	return t.Nano()
}
