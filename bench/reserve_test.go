package bench

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
	if r, err := reserve(addr); err == nil {
		r.release()
		t.Error("reserved a port at which a server listens")
	}
	l.Close()

	r, err := reserve(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer r.release()
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
		if _, err := reserve(addr); err == nil {
			t.Errorf("reserved %q", addr)
		}
	}
}
