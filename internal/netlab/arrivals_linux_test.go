package netlab

import (
	"io"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// TestArrivals has bytes wait before they are read: their time is not that of
// the reading.
func TestArrivals(t *testing.T) {
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
	defer server.Close()
	raw, err := server.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	// wait returns when there is something to be read.
	wait := func() {
		raw.Control(func(fd uintptr) {
			for err = unix.EINTR; err == unix.EINTR; {
				_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	source := newArrivals(server.(*net.TCPConn), 10)
	// The system begins to stamp a moment after it was asked to.
	for try := 1; ; try++ {
		before := monotonic()
		if _, err := io.WriteString(client, "hello"); err != nil {
			t.Fatal(err)
		}
		wait()
		after := monotonic()
		data, at, err := source.read()
		if string(data) != "hello" || err != nil {
			t.Fatalf("read %q: %v", data, err)
		}
		if at < before || at > monotonic() {
			t.Fatalf("came at %d, sent after %d", at, before)
		}
		if at <= after {
			break
		}
		if try == 10_000 {
			t.Fatal("the system does not tell when bytes have come")
		}
	}
	client.Close()
	if data, _, err := source.read(); len(data) != 0 || err != io.EOF {
		t.Errorf("after the end: %q, %v", data, err)
	}
	server.Close()
	if _, _, err := source.read(); err == nil {
		t.Error("a closed connection can be read")
	}
	if _, _, err := newArrivals(server.(*net.TCPConn), 10).read(); err == nil {
		t.Error("a closed connection can be read")
	}
}

func TestStamped(t *testing.T) {
	now := monotonic()
	for _, oob := range [][]byte{nil, {1, 2, 3}, unix.UnixRights(0)} {
		if at := stamped(oob, now); at != now {
			t.Errorf("%v is taken for a time: %d, now is %d", oob, at, now)
		}
	}
}
