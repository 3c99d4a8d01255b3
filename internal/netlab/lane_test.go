package netlab

import (
	"bytes"
	"context"
	"io"
	"math"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// newTestLink returns a link without connections or goroutines.
func newTestLink(t *testing.T, w way) *link {
	c := &carrier{ways: [2]way{w, w}}
	c.ctx, c.cancel = context.WithCancel(t.Context())
	t.Cleanup(c.cancel)
	return newLink(c, 1, nil, monotonic())
}

// TestDue has every piece due at its own time, however many wait.
func TestDue(t *testing.T) {
	l := newTestLink(t, way{delay: time.Hour}).lanes[Up]
	big := make([]byte, maxOverdue)
	now := monotonic()
	for i := range int64(10) {
		if !l.put(big, now+i) { // it would wait for ever if this were too much
			t.Fatal("the lane is closed")
		}
	}
	for i, p := range l.queue {
		if want := now + int64(i) + int64(time.Hour); p.ready != want {
			t.Errorf("piece %d is due at %d, want %d", i, p.ready, want)
		}
	}
	if len(l.queue) != 10 || len(l.log) != 10 || l.log[9].To != 10*maxOverdue {
		t.Errorf("%d pieces, record %+v", len(l.queue), l.log)
	}
}

// TestOverdue stops reading for a receiver that does not take what is due.
func TestOverdue(t *testing.T) {
	for name, release := range map[string]func(*lane){
		"taken":       func(l *lane) { l.bytes -= len(l.queue[0].data); l.queue = l.queue[1:]; l.changed.Broadcast() },
		"thrown away": func(l *lane) { l.silent = true; l.drop() },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k := newTestLink(t, way{})
				l := k.lanes[Up]
				goes := make(chan bool)
				past := monotonic() - int64(time.Second)
				l.put(make([]byte, maxOverdue), past) // is not too much yet
				go func() { goes <- l.put([]byte("x"), past) }()
				synctest.Wait()
				select {
				case <-goes:
					t.Fatal("too much is overdue, and it reads on")
				default:
				}
				k.mu.Lock()
				release(l)
				k.mu.Unlock()
				if !<-goes {
					t.Error("the lane is closed")
				}
			})
		})
	}
}

// TestLine passes pieces at the stated bandwidth, exactly in the long run, and
// saves up nothing while nothing passes.
func TestLine(t *testing.T) {
	const bandwidth = 1e9 / 7 // 7 ns a byte
	l := line{bandwidth: bandwidth}
	now, start := int64(0), int64(1000)
	total := int64(0)
	for i := range 100_000 {
		n := 1 + i%3
		l, now = l.pass(n, start)
		total += int64(n)
		if want := start + 7*total; math.Abs(float64(now-want)) > 1 {
			t.Fatalf("%d bytes have passed at %d, want %d", total, now, want)
		}
	}
	later := now + 1_000_000
	if _, at := l.pass(10, later); at != later+70 {
		t.Errorf("after a pause a piece that takes 70 ns takes %d", at-later)
	}
	if _, at := l.pass(0, start); at != now {
		t.Errorf("the end of the stream overtakes it by %d", now-at)
	}
	if _, at := (line{}).pass(1<<30, start); at != start {
		t.Errorf("without a limit it takes %d", at-start)
	}
	for bandwidth, want := range map[float64]int{0: maxPiece, 1: minPiece, 10e6: 10_000, 1e12: maxPiece} {
		if got := (line{bandwidth: bandwidth}).piece(); got != want {
			t.Errorf("at %v B/s a piece is %d bytes, want %d", bandwidth, got, want)
		}
	}
}

// TestSplit divides a passage of which a part was written.
func TestSplit(t *testing.T) {
	l := newTestLink(t, way{}).lanes[Down]
	for range 3 {
		l.put(bytes.Repeat([]byte("x"), 10), 7)
	}
	for i := range l.log {
		l.log[i].Forwarded = 9
	}
	if at := l.split(1, 0); at != 1 || l.log[1].Forwarded != 0 || len(l.log) != 3 {
		t.Errorf("of nothing: at %d, %+v", at, l.log)
	}
	if at := l.split(0, 4); at != 1 {
		t.Errorf("the rest is at %d", at)
	}
	want := []Passage{{Down, 1, 0, 4, 7, 9}, {Down, 1, 4, 10, 7, 0}, {Down, 1, 10, 20, 7, 0}, {Down, 1, 20, 30, 7, 9}}
	for i, p := range want {
		if l.log[i] != p {
			t.Errorf("passage %d is %+v, want %+v", i, l.log[i], p)
		}
	}
	for i, p := range l.queue {
		if p.at != i+1 {
			t.Errorf("piece %d is at %d of the record", i, p.at)
		}
	}
}

// TestReadOnce reads no more at once than it is to, and the end after it.
func TestReadOnce(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client := connect(t, "http://"+l.Addr().String())
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(server, "0123456789")
	server.Close()
	source := newArrivals(client, 4)
	got := ""
	for {
		data, _, err := source.read()
		if err == io.EOF {
			break
		}
		if err != nil || len(data) > 4 {
			t.Fatalf("%d bytes: %v", len(data), err)
		}
		got += string(data)
	}
	if got != "0123456789" {
		t.Errorf("read %q", got)
	}
}
