package proxies

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"wsvsio/lessons/exercise"
	"wsvsio/lessons/proxies/solution"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestExercise(t *testing.T) { exercise.Judge(t, "92e39bfc372d", NewBalancer, check) }

func TestSolution(t *testing.T) { exercise.Solved(t, solution.NewBalancer, check) }

// TestWrong has solutions that find the node of a session by another rule.
func TestWrong(t *testing.T) {
	byName := func(_ []string, sid string) string {
		name, _, _ := strings.Cut(sid, "~")
		return name
	}
	beginning := func(names []string, sid string) string {
		for _, name := range names {
			if strings.HasPrefix(sid, name) {
				return name
			}
		}
		return ""
	}
	exercise.Solved(t, by(byName), check) // it is the rule that makes them wrong
	for name, wrong := range map[string]struct {
		rule func(names []string, sid string) string
		why  string
	}{
		"the first letter": {func(_ []string, sid string) string { return sid[:min(1, len(sid))] }, "Session ID unknown"},
		"the first name that it begins with": {func(names []string, sid string) string {
			slices.Sort(names)
			return beginning(names, sid)
		}, "Session ID unknown"},
		"the longest name that it begins with": {func(names []string, sid string) string {
			slices.SortFunc(names, func(a, b string) int { return len(b) - len(a) })
			return beginning(names, sid)
		}, "a node that is not there"},
		"always the same": {func(names []string, _ string) string { return slices.Max(names) }, "that is no balance"},
	} {
		t.Run(name, func(t *testing.T) { exercise.Refused(t, wrong.why, by(wrong.rule), check) })
	}
}

// by returns what makes a balancer that goes by a rule: it gives the name of the
// node of a session, and a name that there is not for the next in turn.
func by(rule func(names []string, sid string) string) func(map[string]*url.URL) http.Handler {
	return func(nodes map[string]*url.URL) http.Handler {
		all := slices.Collect(maps.Values(nodes))
		var next atomic.Uint64
		return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			node, ok := nodes[rule(slices.Collect(maps.Keys(nodes)), r.In.URL.Query().Get("sid"))]
			if !ok {
				node = all[next.Add(1)%uint64(len(all))]
			}
			r.SetURL(node)
		}}
	}
}

// node is a server that knows its own sessions alone, as Socket.IO's do.
type node struct {
	name string

	mu       sync.Mutex
	sessions map[string]bool
	opened   int
	refused  int
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
		n.refused++
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
	for _, name := range []string{"node1", "node10", "node2"} {
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
		n.mu.Lock()
		opened := n.opened
		n.mu.Unlock()
		if opened < clients/5 {
			return fmt.Errorf("node %s got %d of %d sessions: that is no balance", n.name, opened, clients)
		}
	}
	// A session of a node that is gone is refused by another, which tells the
	// client to begin anew.
	for range clients {
		if _, err := ask(http.MethodGet, "&sid=node100~1", ""); err == nil || !strings.Contains(err.Error(), "400") {
			return fmt.Errorf("a session of a node that is gone: %v, want 400 from another", err)
		}
	}
	for _, n := range all {
		n.mu.Lock()
		refused := n.refused
		n.mu.Unlock()
		if refused < clients/5 {
			return fmt.Errorf("node %s got %d of %d requests with a session of node100, a node that is not there: they were to come to all in turn", n.name, refused, clients)
		}
	}
	return nil
}
