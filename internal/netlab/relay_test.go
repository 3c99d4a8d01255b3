package netlab

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"wsvsio/scenarios"
)

// echo starts a server that sends back what it gets, and a relay before it.
func echo(t *testing.T) *Relay {
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
	return newRelay(t, l.Addr().String())
}

func newRelay(t *testing.T, target string) *Relay {
	t.Helper()
	r, err := NewRelay(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func dial(t *testing.T, r *Relay) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(r.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn.(*net.TCPConn)
}

func TestCounts(t *testing.T) {
	r := echo(t)
	const size, conns = 100_000, 3
	for i := range conns {
		conn := dial(t, r)
		go func() {
			io.WriteString(conn, strings.Repeat("x", size))
			conn.CloseWrite()
		}()
		got, err := io.ReadAll(conn)
		if err != nil || len(got) != size {
			t.Fatalf("connection %d: %d bytes came back: %v", i, len(got), err)
		}
	}
	got := r.Observed()
	want := scenarios.Traffic{Conns: conns, Up: conns * size, Down: conns * size}
	if got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
}

// TestRequests has a real client and server count against the relay.
func TestRequests(t *testing.T) {
	served := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		served++
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, n)
	}))
	defer s.Close()
	r := newRelay(t, s.Listener.Addr().String())
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for i := range 10 {
		// A body that looks like a request must not count as one.
		body := strings.Repeat("GET / HTTP/1.1\r\n\r\n", i*1000)
		resp, err := client.Post(r.URL(), "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != fmt.Sprint(len(body)) {
			t.Fatalf("the server got %s of %d bytes", got, len(body))
		}
	}
	if got := r.Observed(); got.Requests != int64(served) || served != 10 || got.Conns != 1 {
		t.Errorf("counted %+v, the server %d requests", got, served)
	}
}

func TestRequestCounter(t *testing.T) {
	const get, upgrade = "GET / HTTP/1.1\r\nHost: h\r\n\r\n", "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: WebSocket\r\n\r\n"
	const post = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n1:2\n"
	for stream, want := range map[string]int64{
		"":                                 0,
		get[:10]:                           0,
		get:                                1,
		get + get + get:                    3,
		post + get:                         2,
		upgrade + get + get:                1,
		"\x00\x01\x02\r\n\r\n" + get:       0,
		strings.Repeat("x", maxHead) + get: 0,
	} {
		for _, n := range []int{len(stream), 1, 7} {
			var c requestCounter
			got := int64(0)
			for rest := []byte(stream); len(rest) > 0; {
				k := min(n, len(rest))
				got += c.feed(rest[:k])
				rest = rest[k:]
			}
			if got != want {
				t.Errorf("%.30q in pieces of %d: %d requests, want %d", stream, n, got, want)
			}
		}
	}
}

// TestEnds passes on the end of a connection and a reset.
func TestEnds(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := newRelay(t, l.Addr().String())
	accept := func() (client, server *net.TCPConn) {
		client = dial(t, r)
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
	r.Close()
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("a closed relay keeps its connections")
	}
}

func FuzzRequestCounter(f *testing.F) {
	f.Add([]byte("GET / HTTP/1.1\r\nHost: h\r\n\r\nPOST / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab"), byte(3))
	f.Fuzz(func(t *testing.T, stream []byte, n byte) {
		var whole, parts requestCounter
		want := whole.feed(stream)
		got := int64(0)
		for rest := stream; len(rest) > 0; {
			k := min(int(n)+1, len(rest))
			got += parts.feed(rest[:k])
			rest = rest[k:]
		}
		if got != want {
			t.Errorf("%d requests in pieces of %d, %d at once", got, n+1, want)
		}
	})
}
