package netlab

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"wsvsio/scenarios"
)

// balanced puts an embedded balancer before two nodes, which answer with their
// name and the address that they are told the client has.
func balanced(t *testing.T, kind string) *Balanced {
	t.Helper()
	var addrs []string
	for _, name := range scenarios.NodeNames {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, name, " ", r.Header.Get("X-Forwarded-For"))
		}))
		t.Cleanup(s.Close)
		addrs = append(addrs, s.Listener.Addr().String())
	}
	b, err := NewBalanced(t.Context(), addrs, kind == scenarios.PathBalance+scenarios.BalanceCookie, func(ctx context.Context, nodes []string) (Balancing, error) {
		return NewBalancer(ctx, kind, nodes)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// ask sends a request, each on a connection of its own, and returns the name of
// the node that answers and the address that it saw.
func ask(t *testing.T, url string) (node, address string) {
	t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	text, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Sscan(string(text), &node, &address)
	return node, address
}

// TestBalance has ten clients ask three times each, at home and at the address
// of all.
func TestBalance(t *testing.T) {
	for how, want := range map[string]struct {
		stays, staysAtOne bool // a client with a home of its own, and one without
		query             string
	}{
		scenarios.BalanceRobin:   {},
		scenarios.BalanceCookie:  {stays: true},
		scenarios.BalanceSource:  {stays: true, staysAtOne: true},
		scenarios.BalanceSession: {stays: true, staysAtOne: true, query: "/?sid=b123"},
	} {
		t.Run(how, func(t *testing.T) {
			b := balanced(t, scenarios.PathBalance+how)
			spread := make(map[string]int)
			for client := range 10 {
				home, err := b.Home(client)
				if err != nil {
					t.Fatal(err)
				}
				nodes := make(map[string]int)
				for range 3 {
					node, address := ask(t, home+want.query)
					if want := fmt.Sprintf("127.0.0.%d", 2+client); address != want {
						t.Errorf("client %d comes from %s, want %s", client, address, want)
					}
					nodes[node]++
					spread[node]++
				}
				if stays := len(nodes) == 1; stays != want.stays {
					t.Errorf("client %d was at %v, stays: want %t", client, nodes, want.stays)
				}
			}
			if want.query == "" && len(spread) != 2 {
				t.Errorf("all were at %v", spread)
			}
			var seen int64
			for i, got := range b.Spread() {
				if n := spread[scenarios.NodeNames[i]]; got.Requests != int64(n) {
					t.Errorf("node %d has got %d requests, and answered %d", i, got.Requests, n)
				}
				seen += got.Requests
			}
			nodes := make(map[string]int)
			for range 4 {
				node, _ := ask(t, b.URL()+want.query)
				nodes[node]++
			}
			if stays := len(nodes) == 1; stays != want.staysAtOne {
				t.Errorf("without a home a client was at %v, stays: want %t", nodes, want.staysAtOne)
			}
			if n := b.Observed().Requests; n != 4 {
				t.Errorf("%d requests counted, want 4", n)
			}
		})
	}
}

// TestBalanceWrong has what cannot be.
func TestBalanceWrong(t *testing.T) {
	if IsBalancer("balance-luck") || IsBalancer(scenarios.BalanceRobin) || !IsBalancer(scenarios.PathBalance+scenarios.BalanceRobin) {
		t.Error("kinds are mixed up")
	}
	if b, err := NewBalancer(t.Context(), "balance-luck", []string{"127.0.0.1:1"}); err == nil {
		b.Close()
		t.Error("made a balancer of an unknown kind")
	}
	if b, err := NewBalancer(t.Context(), scenarios.PathBalance+scenarios.BalanceRobin, nil); err == nil {
		b.Close()
		t.Error("made a balancer without nodes")
	}
	b := balanced(t, scenarios.PathBalance+scenarios.BalanceRobin)
	for _, client := range []int{-1, maxHomes} {
		if _, err := b.Home(client); err == nil {
			t.Errorf("client %d has a home", client)
		}
	}
	failed := fmt.Errorf("no balancer")
	if _, err := NewBalanced(t.Context(), []string{"127.0.0.1:1"}, false, func(context.Context, []string) (Balancing, error) { return nil, failed }); err == nil {
		t.Error("a balancer that does not start is no error")
	}
}
