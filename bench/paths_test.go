package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"wsvsio/internal/reference"
	"wsvsio/scenarios"
)

// TestFaultyPath has a faulty path between the clients and the server of every
// stack: what it recognises is what was sent and what arrived, and a reset
// reaches the clients.
func TestFaultyPath(t *testing.T) {
	const messages = 20
	eachStack(t, func(t *testing.T, env *Env, s scenarios.Stack) {
		if !s.IsFor("reconnect") {
			t.Skip("the path is that of the scenario reconnect, and does not know what this stack speaks")
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		node, err := env.Serve(ctx, s, s.Serving(scenarios.ServerConfig{}))
		if err != nil {
			t.Fatal(err)
		}
		path, err := env.Path(ctx, scenarios.PathSpec{Kind: scenarios.PathFaulty, Delay: time.Millisecond}, node)
		if err != nil {
			t.Fatal(err)
		}
		crew, err := env.Clients(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		peers := make([]scenarios.Peer, 2)
		for i := range peers {
			if peers[i], err = enter(ctx, crew, path.URL(), s, fmt.Sprint("peer ", i)); err != nil {
				t.Fatal(err)
			}
		}
		body := `42["chat",{"seq":1}] "` + "\x1e"
		if s.Known["utf8"] == "" {
			body += "é😀"
		}
		for i := range int64(messages) {
			m := scenarios.Message{Room: "room", From: "peer 0", Seq: scenarios.FirstSeq + i, Body: body}
			if err := peers[0].Send(ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		broke := false
		for _, p := range peers {
			events, err := p.Await(ctx, func(events []scenarios.Event) bool {
				return count(events) >= messages || isDown(events)
			})
			if err != nil {
				t.Fatal(err)
			}
			broke = broke || isDown(events)
		}
		if broke && s.Flaky != "" {
			t.Skip(s.Flaky)
		}
		found := make(map[string][]int64)
		for _, c := range path.Record().Crossings {
			if c.From != "peer 0" || c.Room != "room" || c.Went < c.Came+int64(time.Millisecond) {
				t.Errorf("crossing %+v", c)
			}
			found[c.Direction] = append(found[c.Direction], c.Seq-scenarios.FirstSeq)
		}
		for direction, times := range map[string]int{scenarios.PathUp: 1, scenarios.PathDown: len(peers)} {
			var want []int64
			for i := range int64(messages) {
				want = append(want, slices.Repeat([]int64{i}, times)...)
			}
			slices.Sort(found[direction])
			if !slices.Equal(found[direction], want) {
				t.Errorf("%s: found %v, want each of %d %d times", direction, found[direction], messages, times)
			}
		}
		h, err := path.Fault(scenarios.Fault{Kind: scenarios.FaultReset})
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(s.Mode.Transports, scenarios.WebSocket) {
			if len(h.Conns) < len(peers) {
				t.Errorf("harm %+v", h)
			}
			for _, p := range peers {
				if _, err := p.Await(ctx, isDown); err != nil {
					t.Error(err)
				}
			}
		} // over polling there may be no connection at that moment
	})
}

// TestThousandPaths has a thousand clients with a faulty path of their own each.
func TestThousandPaths(t *testing.T) {
	const paths = 1000
	if err := needFiles(paths * (relayFiles + 2)); err != nil {
		t.Skip(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	defer all.Wait()
	defer l.Close()
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				b := make([]byte, 1)
				for {
					if _, err := conn.Read(b); err != nil {
						return
					}
					conn.Write(b)
				}
			})
		}
	})
	env := NewEnv(t.Context(), Machine{})
	defer env.Close()
	began := time.Now()
	var made []scenarios.Path
	for range paths {
		p, err := env.Path(t.Context(), scenarios.PathSpec{Kind: scenarios.PathFaulty}, reference.Behind(nil, "http://"+l.Addr().String()))
		if err != nil {
			t.Fatal(err)
		}
		made = append(made, p)
	}
	t.Logf("%d paths were made in %v", paths, time.Since(began))
	var conns []net.Conn
	for _, p := range made {
		u, err := url.Parse(p.URL())
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", u.Host)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
		if _, err := conn.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	began = time.Now()
	for _, p := range made {
		h, err := p.Fault(scenarios.Fault{Kind: scenarios.FaultReset, Hold: time.Minute})
		// A stranger may have come to a port that was another's before.
		if err != nil || len(h.Conns) == 0 {
			t.Fatalf("harm %+v: %v; record %+v", h, err, p.Record())
		}
	}
	t.Logf("%d connections were reset in %v", paths, time.Since(began))
	for i, conn := range conns {
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("client %d reads %v, want a reset", i, err)
		}
	}
}

// TestBadPaths says what cannot be.
func TestBadPaths(t *testing.T) {
	env := NewEnv(t.Context(), Machine{})
	defer env.Close()
	n := reference.Behind(nil, "http://127.0.0.1:1")
	for want, spec := range map[string]scenarios.PathSpec{
		`no path of kind "scenic"`: {Kind: "scenic"},
		"delay of -1ns":            {Kind: scenarios.PathFaulty, Delay: -1},
		"bandwidth of -1 B/s":      {Kind: scenarios.PathFaulty, Bandwidth: -1},
	} {
		if _, err := env.Path(t.Context(), spec, n); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", spec, err, want)
		}
	}
	if _, err := env.Path(t.Context(), scenarios.PathSpec{Kind: scenarios.PathFaulty}, n, n); err == nil {
		t.Error("a path leads to two nodes")
	}
	p, err := env.Path(t.Context(), scenarios.PathSpec{Kind: scenarios.PathRelay}, n)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Fault(scenarios.Fault{Kind: scenarios.FaultReset}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("a relay does harm: %v", err)
	}
}
