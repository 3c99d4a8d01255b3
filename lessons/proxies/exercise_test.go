package proxies

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"wsvsio/lessons/exercise"
	"wsvsio/lessons/proxies/solution"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExercise(t *testing.T) { exercise.Judge(t, "e0fde9c8346e", NewBalancer, check) }

func TestSolution(t *testing.T) { exercise.Solved(t, solution.NewBalancer, check) }

// node is a server that knows its own sessions alone, as Socket.IO's do.
type node struct {
	name string

	mu       sync.Mutex
	sessions map[string]bool
	opened   int
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.mu.Lock()
	defer n.mu.Unlock()
	sid := r.URL.Query().Get("sid")
	switch {
	case sid == "":
		n.opened++
		sid = fmt.Sprintf("%s~%d", n.name, n.opened)
		n.sessions[sid] = true
		fmt.Fprintf(w, `0{"sid":%q}`, sid)
	case !n.sessions[sid]:
		http.Error(w, "Session ID unknown", http.StatusBadRequest)
	default:
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s", r.Method, body)
	}
}

// check has twenty clients before three nodes, each of which polls and posts.
func check(ctx context.Context, newBalancer func(map[string]*url.URL) http.Handler) error {
	nodes := make(map[string]*url.URL)
	var all []*node
	for _, name := range []string{"a", "b", "c"} {
		n := &node{name: name, sessions: make(map[string]bool)}
		s := httptest.NewServer(n)
		defer s.Close()
		u, err := url.Parse(s.URL)
		if err != nil {
			return err
		}
		nodes[name] = u
		all = append(all, n)
	}
	balancer := httptest.NewServer(newBalancer(nodes))
	defer balancer.Close()
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections() // of the balancer
	client := &http.Client{Transport: transport}
	ask := func(method, query, body string) (string, error) {
		r, err := http.NewRequestWithContext(ctx, method, balancer.URL+"/socket.io/?EIO=4&transport=polling"+query, strings.NewReader(body))
		if err != nil {
			return "", err
		}
		answer, err := client.Do(r)
		if err != nil {
			return "", err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		if err == nil && answer.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s %s", answer.Status, strings.TrimSpace(string(text)))
		}
		return string(text), err
	}
	const clients, requests = 20, 6
	for c := range clients {
		opened, err := ask(http.MethodGet, "", "")
		if err != nil {
			return fmt.Errorf("client %d: handshake: %w", c+1, err)
		}
		sid := strings.Split(opened, `"`)[3]
		for i := range requests {
			method, body := http.MethodGet, ""
			if i%2 == 1 {
				method, body = http.MethodPost, fmt.Sprint("message ", i)
			}
			got, err := ask(method, "&sid="+url.QueryEscape(sid), body)
			if err != nil {
				return fmt.Errorf("client %d with session %s: request %d: %w", c+1, sid, i+1, err)
			}
			if want := method + " " + body; got != want {
				return fmt.Errorf("client %d: request %d was answered %q, want %q", c+1, i+1, got, want)
			}
		}
	}
	for _, n := range all {
		if n.opened < clients/5 {
			return fmt.Errorf("node %s got %d of %d sessions: that is no balance", n.name, n.opened, clients)
		}
	}
	// A session of a node that is gone is refused by another, which tells the
	// client to begin anew.
	if _, err := ask(http.MethodGet, "&sid=gone~1", ""); err == nil || !strings.Contains(err.Error(), "400") {
		return fmt.Errorf("a session of a node that is gone: %v, want 400 from another", err)
	}
	return nil
}
