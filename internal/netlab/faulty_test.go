package netlab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// rig is a faulty path with a server behind it that the test plays.
type rig struct {
	t *testing.T
	*Faulty
	l *net.TCPListener
}

func newRig(t *testing.T, o FaultyOptions) *rig {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return &rig{t, newFaulty(t, l.Addr().String(), o), l.(*net.TCPListener)}
}

func newFaulty(t *testing.T, target string, o FaultyOptions) *Faulty {
	t.Helper()
	f, err := NewFaulty(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// pair connects a client and returns the two ends.
func (r *rig) pair() (client, server *net.TCPConn) {
	r.t.Helper()
	client = connect(r.t, r.URL())
	return client, r.accept()
}

func (r *rig) accept() *net.TCPConn {
	r.t.Helper()
	r.l.SetDeadline(time.Now().Add(patience))
	server, err := r.l.AcceptTCP()
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { server.Close() })
	return server
}

func (r *rig) fault(f scenarios.Fault) scenarios.Harm {
	r.t.Helper()
	h, err := r.Fault(f)
	if err != nil {
		r.t.Fatal(err)
	}
	return h
}

// patience is how long something may take that is to happen; quiet is how long
// nothing has to, where nothing is to.
const (
	patience = 20 * time.Second
	quiet    = 50 * time.Millisecond
)

func write(t *testing.T, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
}

// expect reads a text.
func expect(t *testing.T, conn net.Conn, want string) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	got := make([]byte, len(want))
	if n, err := io.ReadFull(conn, got); err != nil || string(got) != want {
		t.Fatalf("read %d bytes, %.80q, %v; want %d, %.80q", n, got[:n], err, len(want), want)
	}
}

// expectError reads an error, and nothing before it.
func expectError(t *testing.T, who string, conn net.Conn, want error) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(patience))
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, want) {
		t.Errorf("the %s reads %d bytes, %v; want %v", who, n, err, want)
	}
}

// expectSilence reads nothing for a while.
func expectSilence(t *testing.T, who string, conn net.Conn) {
	t.Helper()
	conn.SetReadDeadline(time.Now().Add(quiet))
	if n, err := conn.Read(make([]byte, 1)); n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the %s reads %d bytes, %v; want nothing", who, n, err)
	}
}

// until waits for something to be so.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !so(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("%s: not so after %v", what, patience)
		}
	}
}

// passed returns how many bytes of a direction of a connection have come, and
// how many of them went.
func (r *rig) passed(conn int, direction string) (came, went int64) {
	for _, p := range r.Record().Passages {
		if p.Conn == conn && p.Direction == direction {
			came += p.To - p.From
			if p.Went != 0 {
				went += p.To - p.From
			}
		}
	}
	return came, went
}

// ends returns the ends of the record as text: "1 up reset".
func (r *rig) ends() []string {
	var all []string
	for _, e := range r.Record().Ends {
		all = append(all, fmt.Sprintf("%d %s %s", e.Conn, e.Direction, e.How))
	}
	return all
}

func TestReset(t *testing.T) {
	r := newRig(t, FaultyOptions{})
	client, server := r.pair()
	write(t, client, "hello")
	expect(t, server, "hello")
	before := monotonic()
	h := r.fault(scenarios.Fault{Kind: scenarios.FaultReset})
	if h.At < before || h.At > monotonic() || !slices.Equal(h.Conns, []int{1}) {
		t.Errorf("harm %+v", h)
	}
	expectError(t, "client", client, syscall.ECONNRESET)
	expectError(t, "server", server, syscall.ECONNRESET)
	if got, want := r.ends(), []string{"1 up reset", "1 down reset"}; !slices.Equal(got, want) {
		t.Errorf("ends %q, want %q", got, want)
	}
	// Whoever comes later is not harmed, and what is over cannot be.
	client, server = r.pair()
	write(t, server, "welcome")
	expect(t, client, "welcome")
	if h := r.fault(scenarios.Fault{Kind: scenarios.FaultReset}); !slices.Equal(h.Conns, []int{2}) {
		t.Errorf("the second time it is done to %v", h.Conns)
	}
	if got := r.Record().Harm; len(got) != 2 || got[0].At != h.At {
		t.Errorf("record of the harm: %+v", got)
	}
}

// TestResetDrops what waits, which is a minute here: longer than the test takes on any machine.
func TestResetDrops(t *testing.T) {
	r := newRig(t, FaultyOptions{Delay: time.Minute})
	client, server := r.pair()
	write(t, client, "hello")
	until(t, "the relay has read", func() bool { came, _ := r.passed(1, "up"); return came == 5 })
	r.fault(scenarios.Fault{Kind: scenarios.FaultReset})
	expectError(t, "server", server, syscall.ECONNRESET)
	if _, went := r.passed(1, "up"); went != 0 || r.Observed() != (scenarios.Traffic{Conns: 1}) {
		t.Errorf("%d bytes went, observed %+v", went, r.Observed())
	}
}

// TestClose sends the end to both after what came before it, and drains.
func TestClose(t *testing.T) {
	const delay = 30 * time.Millisecond
	r := newRig(t, FaultyOptions{Delay: delay})
	client, server := r.pair()
	write(t, client, "up")
	write(t, server, "down")
	until(t, "the relay has read", func() bool {
		up, _ := r.passed(1, "up")
		down, _ := r.passed(1, "down")
		return up == 2 && down == 4
	})
	h := r.fault(scenarios.Fault{Kind: scenarios.FaultClose})
	expect(t, client, "down")
	expectError(t, "client", client, io.EOF)
	expect(t, server, "up")
	expectError(t, "server", server, io.EOF)
	// What is said now goes nowhere, and is no error.
	write(t, client, "too late")
	until(t, "the relay has read on", func() bool { came, went := r.passed(1, "up"); return came == 10 && went == 2 })
	client.Close()
	write(t, server, "too late")
	until(t, "the relay has read on", func() bool { came, went := r.passed(1, "down"); return came == 12 && went == 4 })
	server.Close()
	until(t, "the connection is over", func() bool {
		return len(r.fault(scenarios.Fault{Kind: scenarios.FaultClose}).Conns) == 0
	})
	if got, want := r.ends(), []string{"1 up close", "1 down close"}; !slices.Equal(got, want) {
		t.Errorf("ends %q, want %q", got, want)
	}
	if end := r.Record().Ends[0]; end.At != h.At {
		t.Errorf("end %+v of harm %+v", end, h)
	}
}

func TestSilence(t *testing.T) {
	for _, direction := range []string{"", scenarios.PathUp, scenarios.PathDown} {
		for _, how := range []string{"fin", "reset"} {
			t.Run(direction+" "+how, func(t *testing.T) {
				r := newRig(t, FaultyOptions{})
				client, server := r.pair()
				write(t, client, "a")
				expect(t, server, "a")
				h := r.fault(scenarios.Fault{Kind: scenarios.FaultSilence, Direction: direction})
				write(t, client, "up")
				write(t, server, "down")
				if direction == scenarios.PathUp {
					expect(t, client, "down")
				} else {
					expectSilence(t, "client", client)
				}
				if direction == scenarios.PathDown {
					expect(t, server, "up")
				} else {
					expectSilence(t, "server", server)
				}
				// An end is thrown away where bytes are. The other side has
				// not seen one either, and still can be written to.
				side, other, dir := client, server, scenarios.PathUp
				if direction == scenarios.PathDown {
					side, other, dir = server, client, scenarios.PathDown
				}
				if how == "reset" {
					side.SetLinger(0)
				}
				side.Close()
				until(t, "the end is in the record", func() bool { return len(r.ends()) > 0 })
				if got, want := r.ends(), []string{"1 " + dir + " " + how}; !slices.Equal(got, want) {
					t.Errorf("ends %q, want %q", got, want)
				}
				expectSilence(t, "other", other)
				write(t, other, "anybody there?")
				expectSilence(t, "other", other)
				other.Close()
				until(t, "the connection is over", func() bool {
					return len(r.fault(scenarios.Fault{Kind: scenarios.FaultReset}).Conns) == 0
				})
				for _, p := range r.Record().Passages {
					silent := direction == "" || p.Direction == direction
					if went := p.Went != 0; silent && p.Came > h.At && went {
						t.Errorf("went although it is silent: %+v", p)
					}
				}
			})
		}
	}
}

// TestStall has nothing pass for a while and all of it after that, with the
// ends of the streams.
func TestStall(t *testing.T) {
	const long = 150 * time.Millisecond
	for _, direction := range []string{"", scenarios.PathUp, scenarios.PathDown} {
		t.Run(direction, func(t *testing.T) {
			r := newRig(t, FaultyOptions{})
			client, server := r.pair()
			write(t, client, "a")
			expect(t, server, "a")
			h := r.fault(scenarios.Fault{Kind: scenarios.FaultStall, Direction: direction, For: long})
			const size = 2 << 20
			text := strings.Repeat("0123456789abcdef", size/16)
			var all sync.WaitGroup
			defer all.Wait()
			for _, side := range []*net.TCPConn{client, server} {
				all.Go(func() {
					io.WriteString(side, text)
					side.CloseWrite()
				})
				all.Go(func() {
					side.SetReadDeadline(time.Now().Add(patience))
					if got, err := io.ReadAll(side); err != nil || string(got) != text {
						t.Errorf("%d bytes arrived in order: %t, %v", len(got), string(got) == text, err)
					}
				})
			}
			all.Wait()
			for _, p := range r.Record().Passages {
				if p.Came < h.At {
					continue
				}
				if stalled := direction == "" || p.Direction == direction; stalled && p.Went < h.At+int64(long) {
					t.Fatalf("went before the end of the stall at %d: %+v", h.At+int64(long), p)
				}
			}
		})
	}
}

// TestStallBounds what waits: the sender has to, too.
func TestStallBounds(t *testing.T) {
	r := newRig(t, FaultyOptions{})
	client, _ := r.pair()
	r.fault(scenarios.Fault{Kind: scenarios.FaultStall, For: time.Hour})
	var sending sync.WaitGroup
	sending.Go(func() { io.WriteString(client, strings.Repeat("x", 32<<20)) })
	l := r.all()[0].lanes[Up]
	until(t, "it waits", func() bool {
		l.link.mu.Lock()
		defer l.link.mu.Unlock()
		return l.bytes > maxOverdue
	})
	client.SetWriteDeadline(time.Now().Add(quiet))
	sending.Wait()
	l.link.mu.Lock()
	defer l.link.mu.Unlock()
	if l.bytes > maxOverdue+maxPiece || l.log[len(l.log)-1].To > maxOverdue+maxPiece {
		t.Errorf("%d bytes wait, %d were read", l.bytes, l.log[len(l.log)-1].To)
	}
}

// TestInterrupted has a fault come while a piece is being written that the
// receiver does not take: a stall goes on with it, a silence does not.
func TestInterrupted(t *testing.T) {
	for _, kind := range []scenarios.FaultKind{scenarios.FaultStall, scenarios.FaultSilence, scenarios.FaultReset} {
		t.Run(string(kind), func(t *testing.T) {
			r := newRig(t, FaultyOptions{})
			client, server := r.pair()
			l := r.all()[0].lanes[Up]
			until(t, "it is carried", func() bool {
				l.link.mu.Lock()
				defer l.link.mu.Unlock()
				return l.link.server != nil
			})
			l.link.server.SetWriteBuffer(64 << 10)
			text := strings.Repeat("0123456789abcdef", 1<<19)
			go io.WriteString(client, text)
			stuck := func() bool {
				l.link.mu.Lock()
				defer l.link.mu.Unlock()
				return l.writing && l.bytes > maxOverdue
			}
			until(t, "a write waits for the receiver", stuck)
			f := scenarios.Fault{Kind: kind}
			if kind == scenarios.FaultStall {
				f.For = 100 * time.Millisecond
			}
			r.fault(f)
			switch kind {
			case scenarios.FaultStall:
				expect(t, server, text)
			case scenarios.FaultSilence:
				// All that it is said to have written arrives, and no more.
				until(t, "the client is rid of all", func() bool { came, _ := r.passed(1, "up"); return came == int64(len(text)) })
				_, went := r.passed(1, "up")
				expect(t, server, text[:went])
				expectSilence(t, "server", server)
			default:
				server.SetReadDeadline(time.Now().Add(patience))
				got, err := io.ReadAll(server)
				if _, went := r.passed(1, "up"); !errors.Is(err, syscall.ECONNRESET) || int64(len(got)) > went {
					t.Errorf("%d bytes arrive of %d: %v", len(got), went, err)
				}
			}
			if _, went := r.passed(1, "up"); went != r.Observed().Up {
				t.Errorf("%d bytes went, %d were counted", went, r.Observed().Up)
			}
		})
	}
}

// TestHold accepts and does not carry, until the end of the hold.
func TestHold(t *testing.T) {
	t.Parallel()                 // it waits
	const hold = 3 * time.Second // for a busy machine to see the one that gives up
	r := newRig(t, FaultyOptions{})
	r.pair()
	h := r.fault(scenarios.Fault{Kind: scenarios.FaultReset, Hold: hold})
	client := connect(t, r.URL())
	write(t, client, "hello")
	gaveUp := connect(t, r.URL())
	write(t, gaveUp, "never mind")
	gaveUp.Close()
	until(t, "the hello is in the record", func() bool { came, _ := r.passed(2, "up"); return came == 5 })
	server := r.accept()
	if early := h.At + int64(hold) - monotonic(); early > 0 {
		t.Errorf("carried %v before the end of the hold", time.Duration(early))
	}
	expect(t, server, "hello")
	for _, p := range r.Record().Passages {
		if p.Conn == 2 && (p.Came > h.At+int64(hold) || p.Went < h.At+int64(hold)) {
			t.Errorf("passage %+v, held from %d to %d", p, h.At, h.At+int64(hold))
		}
	}
	until(t, "the one that gave up is over", func() bool {
		k := r.all()[2]
		k.mu.Lock()
		defer k.mu.Unlock()
		return k.over
	})
	if came, went := r.passed(3, "up"); came != 10 || went != 0 {
		t.Errorf("of who gave up %d bytes came, %d went", came, went)
	}
	r.l.SetDeadline(time.Now().Add(quiet))
	if conn, err := r.l.Accept(); err == nil {
		t.Errorf("who gave up was carried: %v", conn.RemoteAddr())
	}
}

// TestHeldFaults does harm to a connection that is held.
func TestHeldFaults(t *testing.T) {
	for kind, want := range map[scenarios.FaultKind]error{
		scenarios.FaultReset: syscall.ECONNRESET,
		scenarios.FaultClose: io.EOF,
	} {
		r := newRig(t, FaultyOptions{})
		r.fault(scenarios.Fault{Kind: kind, Hold: time.Hour})
		client := connect(t, r.URL())
		until(t, "it is accepted", func() bool { return r.Observed().Conns == 1 })
		r.fault(scenarios.Fault{Kind: kind})
		expectError(t, string(kind)+" client", client, want)
		client.Close()
	}
}

// TestDelayBothWays charges the handshake to the client's first bytes.
func TestDelayBothWays(t *testing.T) {
	const delay = 20 * time.Millisecond
	r := newRig(t, FaultyOptions{Delay: delay})
	client, server := r.pair()
	for range 2 {
		write(t, client, "ping")
		expect(t, server, "ping")
		write(t, server, "pong")
		expect(t, client, "pong")
	}
	record := r.Record()
	if len(record.Passages) != 4 || len(record.Accepted) != 1 {
		t.Fatalf("record %+v", record)
	}
	for i, p := range record.Passages {
		if took := time.Duration(p.Went - p.Came); took < delay {
			t.Errorf("%+v took %v", p, took)
		}
		if took := time.Duration(p.Went - record.Accepted[0]); i == 0 && took < 3*delay {
			t.Errorf("the first bytes reach the server %v after the connection began", took)
		}
	}
}

// TestRefused has a server that is down: the client is reset once it would have
// been refused.
func TestRefused(t *testing.T) {
	const delay = 20 * time.Millisecond
	r := newRig(t, FaultyOptions{Delay: delay})
	r.l.Close()
	began := monotonic()
	if err := refused(r.URL()); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("without a server: %v, want a reset", err)
	}
	if took := time.Duration(monotonic() - began); took < 2*delay {
		t.Errorf("refused after %v, less than a round trip", took)
	}
	if got, want := r.ends(), []string{"1 down reset"}; !slices.Equal(got, want) {
		t.Errorf("ends %q, want %q", got, want)
	}
}

// TestBandwidth counts what has passed at each instant of the record.
func TestBandwidth(t *testing.T) {
	const bandwidth, size = 1e6, 100_000
	r := newRig(t, FaultyOptions{Bandwidth: bandwidth})
	client, server := r.pair()
	text := strings.Repeat("x", size)
	go io.WriteString(client, text)
	go io.WriteString(server, text)
	expect(t, server, text)
	expect(t, client, text)
	var start [2]int64
	for _, p := range r.Record().Passages {
		dir := Up
		if p.Direction == scenarios.PathDown {
			dir = Down
		}
		if p.From == 0 {
			start[dir] = p.Came
		}
		if due := start[dir] + int64(float64(p.To)/bandwidth*1e9); p.Went < due {
			t.Errorf("%d bytes went at %d, which takes until %d", p.To, p.Went, due)
		}
		if n := p.To - p.From; n > minPiece {
			t.Errorf("%d bytes went at once", n)
		}
	}
}

// TestWhoEnded records what the two sides do to each other.
func TestWhoEnded(t *testing.T) {
	r := newRig(t, FaultyOptions{})
	first := func(conn int) string {
		for _, e := range r.ends() {
			if strings.HasPrefix(e, fmt.Sprint(conn, " ")) {
				return e
			}
		}
		return ""
	}
	client, server := r.pair()
	client.Close()
	expectError(t, "server", server, io.EOF)
	server.Close()
	until(t, "both ends", func() bool { return len(r.ends()) == 2 })
	if got, want := r.ends(), []string{"1 up fin", "1 down fin"}; !slices.Equal(got, want) {
		t.Errorf("ends %q, want %q", got, want)
	}
	client, server = r.pair()
	server.SetLinger(0)
	server.Close()
	expectError(t, "client", client, syscall.ECONNRESET)
	if got := first(2); got != "2 down reset" {
		t.Errorf("the server reset it: %q", got)
	}
	// A reset that comes while the client sends is one, whether it is told to
	// a read or to a write.
	for conn := 3; conn < 40; conn++ {
		client, server = r.pair()
		var sending sync.WaitGroup
		sending.Go(func() {
			for {
				if _, err := io.WriteString(client, "still here"); err != nil {
					return
				}
			}
		})
		expect(t, server, "still here")
		server.SetLinger(0)
		server.Close()
		sending.Wait()
		until(t, "its end", func() bool { return first(conn) != "" })
		if got, want := first(conn), fmt.Sprint(conn, " down reset"); got != want && runtime.GOOS == "linux" {
			t.Errorf("end %q, want %q", got, want)
		}
	}
}

// TestRecord compares the record with what a client and a server of gorilla
// have counted and timed by themselves.
func TestRecord(t *testing.T) {
	const messages, silent = 40, 5
	var mu sync.Mutex
	got := make(map[int64]int64) // by the server: number -> when
	var upgrader websocket.Upgrader
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			var e envelope
			kind, text, err := conn.ReadMessage()
			now := monotonic()
			if err != nil || json.Unmarshal(text, &e) != nil {
				return
			}
			mu.Lock()
			got[e.Data.Seq] = now
			mu.Unlock()
			conn.WriteMessage(kind, text)
		}
	}))
	defer s.Close()
	f := newFaulty(t, s.Listener.Addr().String(), FaultyOptions{})
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(f.URL(), "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sent, back := make(map[int64]int64), make(map[int64]int64)
	send := func(seq int64) {
		sent[seq] = monotonic()
		m := scenarios.Message{Room: "room", From: "ann", Seq: seq, Body: strings.Repeat(`"é`, int(seq))}
		if err := conn.WriteJSON(envelope{"chat", m}); err != nil {
			t.Fatal(err)
		}
	}
	for seq := range int64(messages) {
		if seq == messages/2 {
			if _, err := f.Fault(scenarios.Fault{Kind: scenarios.FaultStall, For: 20 * time.Millisecond}); err != nil {
				t.Fatal(err)
			}
		}
		send(seq)
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, _, err := conn.ReadMessage(); err != nil {
			t.Fatal(err)
		}
		back[seq] = monotonic()
	}
	before := f.Record() // a record that is asked for more than once
	if _, err := f.Fault(scenarios.Fault{Kind: scenarios.FaultSilence, Direction: scenarios.PathUp}); err != nil {
		t.Fatal(err)
	}
	for seq := range int64(silent) {
		send(messages + seq)
	}
	var record scenarios.PathRecord
	until(t, "all has come", func() bool {
		record = f.Record()
		return len(record.Crossings) == 2*messages+silent
	})
	if !slices.Equal(slices.DeleteFunc(slices.Clone(record.Crossings), func(c scenarios.Crossing) bool { return c.Seq >= messages }), before.Crossings) {
		t.Error("a later record has other crossings than an earlier one")
	}
	mu.Lock()
	defer mu.Unlock()
	if len(got) != messages {
		t.Errorf("the server got %d messages, want %d", len(got), messages)
	}
	next := map[string]int64{}
	for _, c := range record.Crossings {
		if c.Conn != 1 || c.Room != "room" || c.From != "ann" || c.Seq != next[c.Direction] {
			t.Fatalf("crossing %+v, want number %d", c, next[c.Direction])
		}
		next[c.Direction]++
		if c.Seq >= messages {
			if c.Direction != scenarios.PathUp || c.Came < sent[c.Seq] || c.Went != 0 {
				t.Errorf("crossing %+v of a message that was thrown away", c)
			}
			continue
		}
		from, to := sent[c.Seq], got[c.Seq]
		if c.Direction == scenarios.PathDown {
			from, to = to, back[c.Seq]
		}
		if c.Came < from || c.Went < c.Came || c.Went > to {
			t.Errorf("%+v; sent after %d, received before %d", c, from, to)
		}
	}
	// Each stream is there from its first byte to its last, once.
	at := map[string]int64{}
	for _, p := range record.Passages {
		if p.From != at[p.Direction] || p.To <= p.From {
			t.Errorf("%+v follows on offset %d", p, at[p.Direction])
		}
		at[p.Direction] = p.To
	}
}

type envelope struct {
	Type string            `json:"type"`
	Data scenarios.Message `json:"data"`
}

// TestRecordKeepsLittle looks for messages before too much is kept for that.
func TestRecordKeepsLittle(t *testing.T) {
	r := newRig(t, FaultyOptions{})
	client, server := r.pair()
	text := strings.Repeat("x", 10*maxKept)
	go io.WriteString(client, text)
	expect(t, server, text)
	l := r.all()[0].lanes[Up]
	until(t, "little is kept", func() bool {
		l.link.mu.Lock()
		defer l.link.mu.Unlock()
		return l.size <= maxKept
	})
}

// TestBadFaults says what is wrong.
func TestBadFaults(t *testing.T) {
	r := newRig(t, FaultyOptions{})
	for want, f := range map[string]scenarios.Fault{
		`no fault of kind "flood"`: {Kind: "flood"},
		`no fault of kind ""`:      {},
		`no direction "left"`:      {Kind: scenarios.FaultStall, Direction: "left", For: 1},
		"reset: has no direction":  {Kind: scenarios.FaultReset, Direction: scenarios.PathUp},
		"close: has no direction":  {Kind: scenarios.FaultClose, Direction: scenarios.PathDown},
		"stall: for 0s":            {Kind: scenarios.FaultStall},
		"stall: for -1ns":          {Kind: scenarios.FaultStall, For: -1},
		"silence: has no end":      {Kind: scenarios.FaultSilence, For: time.Second},
		"hold of -1s":              {Kind: scenarios.FaultReset, Hold: -time.Second},
	} {
		if _, err := r.Fault(f); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", f, err, want)
		}
	}
	if len(r.Record().Harm) > 0 {
		t.Errorf("harm was done: %+v", r.Record().Harm)
	}
	for _, o := range []FaultyOptions{{Delay: -1}, {Bandwidth: -1}, {Bandwidth: math.NaN()}, {Bandwidth: math.Inf(1)}} {
		if f, err := NewFaulty(t.Context(), "127.0.0.1:1", o); err == nil {
			f.Close()
			t.Errorf("%+v: no error", o)
		}
	}
}

// TestMany does harm to many connections at once.
func TestMany(t *testing.T) {
	const conns = 300
	r := newRig(t, FaultyOptions{})
	var clients, servers []*net.TCPConn
	for range conns {
		client, server := r.pair()
		clients, servers = append(clients, client), append(servers, server)
	}
	h := r.fault(scenarios.Fault{Kind: scenarios.FaultReset})
	last := r.Record().Ends[2*conns-1].At
	t.Logf("%d connections were reset within %v", len(h.Conns), time.Duration(last-h.At))
	if len(h.Conns) != conns {
		t.Errorf("%d connections of %d", len(h.Conns), conns)
	}
	for i := range conns {
		expectError(t, "client", clients[i], syscall.ECONNRESET)
		expectError(t, "server", servers[i], syscall.ECONNRESET)
	}
}

// noted is a path that takes note of what it is to do, and when.
type noted struct {
	scenarios.Path
	start time.Time
	did   []string
}

func (n *noted) Fault(f scenarios.Fault) (scenarios.Harm, error) {
	n.did = append(n.did, fmt.Sprint(f.Kind, " ", time.Since(n.start)))
	if f.Kind == "" {
		return scenarios.Harm{}, errors.New("no kind")
	}
	return scenarios.Harm{Fault: f}, nil
}

func TestSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reset, stall := scenarios.Fault{Kind: scenarios.FaultReset}, scenarios.Fault{Kind: scenarios.FaultStall}
		n := &noted{start: time.Now()}
		harm, err := Schedule(t.Context(), n, Timed{0, reset}, Timed{3 * time.Second, stall}, Timed{time.Second, reset}, Timed{time.Minute, reset})
		if want := []string{"reset 0s", "stall 3s", "reset 3s", "reset 1m0s"}; err != nil || !slices.Equal(n.did, want) || len(harm) != 4 {
			t.Errorf("did %q, want %q: %v, %v", n.did, want, harm, err)
		}
		n = &noted{start: time.Now()}
		harm, err = Schedule(t.Context(), n, Timed{0, reset}, Timed{}, Timed{0, reset})
		if err == nil || !strings.Contains(err.Error(), "fault 2 of 3: no kind") || len(harm) != 1 || len(n.did) != 2 {
			t.Errorf("did %q: %v, %v", n.did, harm, err)
		}
		n = &noted{start: time.Now()}
		ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
		defer cancel()
		harm, err = Schedule(ctx, n, Timed{time.Minute, reset}, Timed{time.Hour, reset})
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "1 of 2") || len(harm) != 1 {
			t.Errorf("stopped: %v, %v", harm, err)
		}
	})
}
