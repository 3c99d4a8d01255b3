package netlab

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"wsvsio/scenarios"
)

// newEcho starts a server that sends back what it gets and returns its address.
func newEcho(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	return l.Addr().String()
}

func newTap(t *testing.T, target string) *Tap {
	t.Helper()
	tap, err := NewTap(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tap.Close() })
	return tap
}

// TestTap counts what is known, by both of its means, whichever side ends the
// connection first.
func TestTap(t *testing.T) {
	const up, down = 300_001, 200_003
	for name, clientFirst := range map[string]bool{"the client ends": true, "the server ends": false} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				io.CopyN(io.Discard, conn, up)
				io.WriteString(conn, strings.Repeat("d", down))
				if clientFirst {
					conn.Read(make([]byte, 1))
				}
			}()
			tap := newTap(t, l.Addr().String())
			client := connect(t, tap.URL())
			if _, err := io.WriteString(client, strings.Repeat("u", up)); err != nil {
				t.Fatal(err)
			}
			if n, err := io.CopyN(io.Discard, client, down); err != nil {
				t.Fatalf("%d bytes came down: %v", n, err)
			}
			if !clientFirst {
				if _, err := client.Read(make([]byte, 1)); err != io.EOF {
					t.Fatalf("after the server's end: %v", err)
				}
			}
			client.Close()
			got, err := tap.Wait(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if want := (scenarios.Traffic{Conns: 1, Up: up, Down: down}); got.Traffic != want {
				t.Errorf("copied %+v, want %+v", got.Traffic, want)
			}
			if k := got.Kernel; k.Told != (runtime.GOOS == "linux") || k.Told && (k.Up != up || k.Down != down || k.SegsUp < 2 || k.SegsDown < 2) {
				t.Errorf("the system counted %+v", k)
			}
		})
	}
}

// TestTapAdds adds up connections, and agrees with the relay behind it.
func TestTapAdds(t *testing.T) {
	const conns, size = 5, 70_000
	r := newRelay(t, newEcho(t))
	tap := newTap(t, strings.TrimPrefix(r.URL(), "http://"))
	for range conns {
		client := connect(t, tap.URL())
		go io.WriteString(client, strings.Repeat("x", size))
		if n, err := io.CopyN(io.Discard, client, size); err != nil {
			t.Fatalf("%d bytes came back: %v", n, err)
		}
		client.Close()
	}
	got, err := tap.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := scenarios.Traffic{Conns: conns, Up: conns * size, Down: conns * size}
	if got.Traffic != want || got.Traffic != r.Observed() {
		t.Errorf("copied %+v, the relay counted %+v, want %+v", got.Traffic, r.Observed(), want)
	}
	if k := got.Kernel; k.Told && (k.Up != want.Up || k.Down != want.Down) {
		t.Errorf("the system counted %+v, want %+v", k, want)
	}
}

// TestTapLate has a server answer when the client has gone, as one does that
// holds its poll: that has not passed, and nobody waits for it.
func TestTapLate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	tap := newTap(t, l.Addr().String())
	client := connect(t, tap.URL())
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	io.WriteString(client, "poll")
	if _, err := io.ReadFull(server, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	client.Close()
	if _, err := server.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("after the client's end the server reads %v", err)
	}
	got, err := tap.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(server, "answer")
	if want := (scenarios.Traffic{Conns: 1, Up: 4}); got.Traffic != want || got.Kernel.Told && (got.Kernel.Up != 4 || got.Kernel.Down != 0) {
		t.Errorf("counted %+v", got)
	}
}

// TestTapErrors says what did not end well.
func TestTapErrors(t *testing.T) {
	tap := newTap(t, newEcho(t))
	client := connect(t, tap.URL())
	if _, err := io.WriteString(client, "x"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := tap.Wait(ended); !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "1 of 1 connections") {
		t.Errorf("while a connection is open: %v", err)
	}
	client.SetLinger(0)
	client.Close()
	if _, err := tap.Wait(t.Context()); err == nil || !strings.Contains(err.Error(), "after 1 bytes") {
		t.Errorf("after a reset: %v", err)
	}
	tap.Close()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	tap = newTap(t, l.Addr().String())
	if _, err := connect(t, tap.URL()).Read(make([]byte, 1)); err == nil {
		t.Error("without a target there is an answer")
	}
	if _, err := tap.Wait(t.Context()); err == nil {
		t.Error("a connection to nowhere is no error")
	}
}
