package netlab

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

// TestReserve keeps a port while nobody listens there, refuses who connects,
// and lets a server have it.
func TestReserve(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	if r, err := Reserve(addr); err == nil {
		r.Release()
		t.Error("reserved a port at which a server listens")
	}
	l.Close()

	r, err := Reserve(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Release()
	if conn, err := net.Dial("tcp", addr); !errors.Is(err, syscall.ECONNREFUSED) {
		if err == nil {
			conn.Close()
		}
		t.Errorf("dial: %v, want connection refused", err)
	}
	l, err = net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("the server cannot have it back: %v", err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("who connects does not reach the server: %v", err)
	}
	conn.Close()
}

func TestReserveWrong(t *testing.T) {
	for _, addr := range []string{"nowhere", "[::1]:80", ""} {
		if _, err := Reserve(addr); err == nil {
			t.Errorf("reserved %q", addr)
		}
	}
}

// TestReserveAny has the system choose: two reservations never share a port.
func TestReserveAny(t *testing.T) {
	seen := make(map[string]bool)
	for range 50 {
		r, err := Reserve("127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer r.Release()
		if addr := r.Addr(); addr == "" || seen[addr] {
			t.Fatalf("reserved %q, after %d others", addr, len(seen))
		}
		seen[r.Addr()] = true
	}
	if addr := NoReservation.Addr(); addr != "" {
		t.Errorf("no reservation keeps %s", addr)
	}
}
