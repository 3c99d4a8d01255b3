package slow

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsvsio/rawws"
	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
	"wsvsio/sio"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestStacks has the wrapped chats pass the suite of the chats: they are as
// they were, but slower.
func TestStacks(t *testing.T) {
	t.Run("rawws", func(t *testing.T) {
		stacktest.Run(t, stacktest.Local(NewServer(rawws.NewServer, 100), rawws.Dial), scenarios.Stack{
			Name:     "rawws-slow",
			Protocol: scenarios.ProtocolRaw,
			Mode:     scenarios.Mode{Transports: []string{scenarios.WebSocket}},
		})
	})
	t.Run("sio", func(t *testing.T) {
		stacktest.Run(t, stacktest.Local(NewServer(sio.NewServer, 100), sio.Dial), scenarios.Stack{
			Name:     "sio-slow",
			Protocol: scenarios.ProtocolEIO3,
			Mode:     scenarios.Mode{Transports: []string{scenarios.WebSocket}},
			Known: map[string]string{
				"oversized-reason": "go-socket.io cannot send the close code that says why",
			},
		})
	})
}

// TestWork counts the messages for which a server works: one for each answer
// to a join and one for each delivery, in however few writes they leave.
func TestWork(t *testing.T) {
	const clients, messages = 5, 40
	for name, chat := range map[string]struct {
		server scenarios.NewServer
		dial   scenarios.Dial
		extra  int // frames of a connection before its first room
	}{
		"rawws": {rawws.NewServer, rawws.Dial, 0},
		"sio":   {sio.NewServer, sio.Dial, 2}, // open, connect
	} {
		t.Run(name, func(t *testing.T) {
			var worked atomic.Int64
			s, err := newServer(chat.server, func(n int) { worked.Add(int64(n)) })(scenarios.ServerConfig{})
			if err != nil {
				t.Fatal(err)
			}
			srv := httptest.NewServer(s)
			defer srv.Close()
			logs := make([]scenarios.EventLog, clients)
			conns := make([]scenarios.Client, clients)
			for i := range conns {
				cfg := scenarios.DialConfig{Name: fmt.Sprint("client", i)}
				if conns[i], err = chat.dial(t.Context(), srv.URL, cfg, logs[i].Add); err != nil {
					t.Fatal(err)
				}
				defer conns[i].Close()
				if err := conns[i].Join(t.Context(), "r"); err != nil {
					t.Fatal(err)
				}
			}
			for i := range messages {
				m := scenarios.Message{Room: "r", From: "client0", Seq: int64(i), Body: strings.Repeat("x", 20*i)}
				if err := conns[0].Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			for i := range logs {
				if _, err := logs[i].Await(ctx, func(events []scenarios.Event) bool {
					n := 0
					for _, e := range events {
						if e.Kind == scenarios.EventMessage {
							n++
						}
					}
					return n == messages
				}); err != nil {
					t.Fatal(err)
				}
			}
			if got, want := worked.Load(), int64(clients*(chat.extra+1+messages)); got != want {
				t.Errorf("the server worked for %d messages, and has sent %d", got, want)
			}
			for _, c := range conns {
				c.Close()
			}
			if err := s.Shutdown(ctx); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestSpin compares the end of the loop with the closed form of as many
// iterations: none is left out.
func TestSpin(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 1000, 123_456} {
		for _, x := range []uint64{0, 1, 1 << 63} {
			if got, want := spin(x, n), jump(x, uint64(n)); got != want {
				t.Errorf("spin(%d, %d) = %d, want %d", x, n, got, want)
			}
		}
	}
	sink.Store(7)
	burn(0)
	burn(-1)
	if got := sink.Load(); got != 7 {
		t.Errorf("no iterations have changed 7 into %d", got)
	}
	burn(1000)
	if got, want := sink.Load(), jump(7, 1000); got != want {
		t.Errorf("burn leaves %d, want %d", got, want)
	}
}

// jump is n iterations at once: x·aⁿ + c·(1+a+…+aⁿ⁻¹), by repeated doubling
// (Brown, Random number generation with arbitrary strides, 1994).
func jump(x, n uint64) uint64 {
	a, c := uint64(factor), uint64(offset)
	power, sum := uint64(1), uint64(0)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			power, sum = power*a, sum*a+c
		}
		a, c = a*a, c*(a+1)
	}
	return power*x + sum
}

// frame builds one as a server does.
func frame(opcode byte, fin bool, size int) []byte {
	if fin {
		opcode |= 0x80
	}
	f := []byte{opcode}
	switch {
	case size < 126:
		f = append(f, byte(size))
	case size < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(size))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(size))
	}
	// What looks like a header, and like the end of a head.
	return append(f, bytes.Repeat([]byte("\x81\x05\r\n\r\n"), size/6+1)[:size]...)
}

const answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\r\n\r\n"

// conversation is an answer and frames, seven of which begin a message.
func conversation() []byte {
	all := []byte(answer)
	for _, size := range []int{0, 1, 125, 126, 65_535, 65_536} {
		all = append(all, frame(1, true, size)...)
	}
	all = append(all, frame(9, true, 3)...)  // ping
	all = append(all, frame(2, false, 9)...) // binary, in fragments
	all = append(all, frame(0, false, 9)...)
	all = append(all, frame(10, true, 0)...) // pong between them
	all = append(all, frame(0, true, 200)...)
	return append(all, frame(8, true, 2)...) // close
}

const conversationMessages = 7

func TestMessages(t *testing.T) {
	all := conversation()
	for _, size := range []int{1, 2, 3, 5, 64, 1000, len(all)} {
		var s stream
		n := 0
		for rest := all; len(rest) > 0; {
			piece := rest[:min(size, len(rest))]
			rest = rest[len(piece):]
			n += s.messages(piece)
		}
		if n != conversationMessages {
			t.Errorf("in pieces of %d bytes: %d messages, want %d", size, n, conversationMessages)
		}
	}
	var s stream
	if n := s.messages([]byte(strings.TrimSuffix(answer, "\n"))); n != 0 || s.matched != 3 {
		t.Errorf("an answer that is not complete: %d messages, state %+v", n, s)
	}
}

// TestBytes sends through a wrapped connection and compares what comes out.
func TestBytes(t *testing.T) {
	for _, buffered := range []bool{false, true} {
		var worked int
		handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, rw, err := (&response{w, func(n int) { worked += n }}).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			var out io.Writer = conn
			if buffered {
				defer rw.Flush()
				out = rw
			}
			for rest := conversation(); len(rest) > 0; {
				n := 1 + rand.N(min(5000, len(rest)))
				if wrote, err := out.Write(rest[:n]); wrote != n || err != nil {
					t.Errorf("wrote %d of %d bytes: %v", wrote, n, err)
					return
				}
				rest = rest[n:]
			}
		})
		srv := httptest.NewServer(handler)
		conn, err := net.Dial("tcp", srv.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: here\r\n\r\n")
		got, err := io.ReadAll(conn)
		conn.Close()
		srv.Close()
		if err != nil || !bytes.Equal(got, conversation()) {
			t.Errorf("buffered %t: %d bytes arrived, not the %d that were sent; %v", buffered, len(got), len(conversation()), err)
		}
		if worked != conversationMessages {
			t.Errorf("buffered %t: worked for %d messages, want %d", buffered, worked, conversationMessages)
		}
	}
}

// TestNoHijack is a server whose connections cannot be taken over.
func TestNoHijack(t *testing.T) {
	w := &response{httptest.NewRecorder(), func(int) { t.Error("worked") }}
	if _, _, err := w.Hijack(); err == nil {
		t.Error("no error")
	}
	if err := http.NewResponseController(w).Flush(); err != nil {
		t.Errorf("flush does not reach the server's own writer: %v", err)
	}
}

// FuzzMessages cuts bytes anywhere: the count must not depend on it.
func FuzzMessages(f *testing.F) {
	f.Add(conversation(), uint16(7))
	f.Add([]byte(answer+"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), uint16(1))
	f.Add([]byte("\r\n\r\n\x82\x7e\x00"), uint16(3))
	f.Fuzz(func(t *testing.T, all []byte, size uint16) {
		var whole, cut stream
		want, got := whole.messages(all), 0
		in := bufio.NewReader(bytes.NewReader(all))
		piece := make([]byte, int(size)+1)
		for {
			n, err := io.ReadFull(in, piece)
			got += cut.messages(piece[:n])
			if err != nil {
				break
			}
		}
		if got != want {
			t.Errorf("%d messages in one piece, %d in pieces of %d bytes", want, got, len(piece))
		}
	})
}

func BenchmarkSpin(b *testing.B) {
	for b.Loop() {
		burn(1000)
	}
}
