package netlab

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"wsvsio/scenarios"
)

// The relays under test, by what they have in common.
var _ = []scenarios.Path{(*Relay)(nil), (*Delay)(nil), (*Faulty)(nil)}

func newDelay(t *testing.T, target string, o DelayOptions) *Delay {
	t.Helper()
	d, err := NewDelay(t.Context(), target, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func connect(t *testing.T, url string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

// TestDelay sends through the relay and back, and reads its record: nothing is
// missing in it, and nothing came early.
func TestDelay(t *testing.T) {
	const conns, rounds = 3, 20
	o := DelayOptions{Up: 2 * time.Millisecond, Down: 3 * time.Millisecond, Keep: true}
	d := newDelay(t, newEcho(t), o)
	random := rand.New(rand.NewPCG(1, 2))
	sent := make([][]byte, conns+1)
	for i := 1; i <= conns; i++ {
		conn := connect(t, d.URL())
		for range rounds {
			message := []byte(strings.Repeat(string(rune('a'+random.IntN(26))), 1+random.IntN(100_000)))
			sent[i] = append(sent[i], message...)
			before := monotonic()
			if _, err := conn.Write(message); err != nil {
				t.Fatal(err)
			}
			got := make([]byte, len(message))
			if _, err := io.ReadFull(conn, got); err != nil {
				t.Fatal(err)
			}
			if took := time.Duration(monotonic() - before); took < o.Up+o.Down {
				t.Errorf("there and back took %v, less than %v and %v", took, o.Up, o.Down)
			}
			if !bytes.Equal(got, message) {
				t.Fatal("what came back is not what was sent")
			}
		}
		conn.CloseWrite()
		if rest, err := io.ReadAll(conn); err != nil || len(rest) > 0 {
			t.Errorf("after the end: %d bytes, %v", len(rest), err)
		}
	}
	d.Close()

	var at [conns + 1][2]int64
	for _, p := range d.Log() {
		if p.Conn < 1 || p.Conn > conns {
			t.Fatalf("record of connection %d", p.Conn)
		}
		end := &at[p.Conn][p.Direction]
		if p.From != *end || p.To <= p.From {
			t.Errorf("%+v follows on offset %d", p, *end)
		}
		*end = p.To
		if wait := time.Duration(p.Forwarded - p.Received); wait < [...]time.Duration{o.Up, o.Down}[p.Direction] {
			t.Errorf("%+v was on its way for %v", p, wait)
		}
	}
	var total int64
	for i := 1; i <= conns; i++ {
		for _, dir := range []Direction{Up, Down} {
			if n := int64(len(sent[i])); at[i][dir] != n {
				t.Errorf("the record of connection %d, direction %d, ends at %d of %d", i, dir, at[i][dir], n)
			}
			if !bytes.Equal(d.Stream(i, dir), sent[i]) {
				t.Errorf("the stream of connection %d, direction %d, is not what was sent", i, dir)
			}
		}
		total += int64(len(sent[i]))
	}
	if want := (scenarios.Traffic{Conns: conns, Up: total, Down: total}); d.Observed() != want {
		t.Errorf("observed %+v, want %+v", d.Observed(), want)
	}
	if d.Stream(0, Up) != nil || d.Stream(conns+1, Down) != nil {
		t.Error("there are streams of connections that never were")
	}
}

// TestDelayRequests has requests counted as in the other relay.
func TestDelayRequests(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) }))
	defer s.Close()
	d := newDelay(t, s.Listener.Addr().String(), DelayOptions{Up: time.Millisecond})
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for range 5 {
		resp, err := client.Post(d.URL(), "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || string(got) != "hello" {
			t.Fatalf("answer %q, %v", got, err)
		}
	}
	if got := d.Observed(); got.Requests != 5 || got.Conns != 1 {
		t.Errorf("observed %+v", got)
	}
}

// TestDelayEnds passes on the end of a connection and a reset.
func TestDelayEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := newDelay(t, l.Addr().String(), DelayOptions{Up: time.Millisecond, Down: time.Millisecond})
	accept := func() (client, server *net.TCPConn) {
		client = connect(t, d.URL())
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return client, conn.(*net.TCPConn)
	}
	client, server := accept()
	server.Close()
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after the server's end the client reads %v, want EOF", err)
	}
	client, server = accept()
	client.SetLinger(0)
	client.Close()
	if _, err := server.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Errorf("after the client's reset the server reads %v, want a reset", err)
	}
	client, _ = accept()
	d.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("a closed relay keeps its connections")
	}
	// Nobody listens there any more.
	l.Close()
	d = newDelay(t, l.Addr().String(), DelayOptions{})
	if err := refused(d.URL()); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("without a target: %v, want a reset", err)
	}
}

// refused dials and reads, and returns the error of whichever fails: a reset
// may come before the system's word that there is a connection.
func refused(url string) error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Read(make([]byte, 1))
	return err
}

// TestDelayCloses while a piece waits for its time, which would be an hour.
func TestDelayCloses(t *testing.T) {
	d := newDelay(t, newEcho(t), DelayOptions{Up: time.Hour})
	conn := connect(t, d.URL())
	if _, err := io.WriteString(conn, "hello"); err != nil {
		t.Fatal(err)
	}
	for len(d.Log()) == 0 {
		runtime.Gosched()
	}
	d.Close()
	log := d.Log()
	if len(log) != 1 || log[0].Forwarded != 0 || log[0].To != 5 || log[0].Direction != Up || log[0].Conn != 1 {
		t.Errorf("record %+v", log)
	}
	if d.Observed() != (scenarios.Traffic{Conns: 1}) {
		t.Errorf("observed %+v", d.Observed())
	}
}
