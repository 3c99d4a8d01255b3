package bench

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"wsvsio/scenarios"
	"wsvsio/scenarios/proxy"
)

// notes is a recorder that keeps what a scenario says.
type notes struct {
	mu     sync.Mutex
	values map[string][]float64
	labels map[string]string
	doubts []string
}

func newNotes() *notes {
	return &notes{values: make(map[string][]float64), labels: make(map[string]string)}
}

func (n *notes) Value(unit string, v float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.values[unit] = append(n.values[unit], v)
}

func (n *notes) Label(key, value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.labels[key] = value
}

func (n *notes) Event(scenarios.Event)         {}
func (n *notes) Histogram(scenarios.Histogram) {}

func (n *notes) Doubt(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doubts = append(n.doubts, text)
}

// value is the one of a unit, -1 if there is none.
func (n *notes) value(unit string) float64 {
	if len(n.values[unit]) == 0 {
		return -1
	}
	return n.values[unit][0]
}

// String leaves out what is long.
func (n *notes) String() string {
	labels := maps.Clone(n.labels)
	delete(labels, "configuration")
	return fmt.Sprint(n.values, labels, n.doubts)
}

// proxyCell runs a cell of the scenario proxy. Where a program is missing the
// test is skipped, with the reason.
func proxyCell(t *testing.T, m Machine, s scenarios.Stack, name string) *notes {
	t.Helper()
	cases := proxy.Scenario{}.Cases(scenarios.Quick)
	i := slices.IndexFunc(cases, func(c scenarios.Case) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("proxy has no case %q", name)
	}
	env := NewEnv(t.Context(), m)
	defer env.Close()
	rec := newNotes()
	err := proxy.Scenario{}.Run(t.Context(), env, s, cases[i], rec)
	if errors.Is(err, scenarios.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatalf("%v; recorded: %v", err, rec)
	}
	return rec
}

// eachCell runs a test on the cells of some cases and stacks, side by side.
func eachCell(t *testing.T, cases, stacks []string, test func(t *testing.T, m Machine, s scenarios.Stack, name string)) {
	m, can := look(t)
	for _, s := range can {
		if !slices.Contains(stacks, s.Name) {
			continue
		}
		for _, name := range cases {
			t.Run(name+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				test(t, m, s, name)
			})
		}
	}
}

// proxied are the stacks whose outcomes are pinned: those on go-socket.io that
// poll are flaky on every path.
var proxied = []string{"rawws", "sio", "rawws-js", "sio-js", "rawws-node", "sio-node", "sio-node-polling", "sio-node-default"}

// TestOutsideTwins has each program do what its embedded twin does, in every
// cell that they share: works, transport, error and what becomes of the idle;
// what a browser sees where both say the same of Host.
func TestOutsideTwins(t *testing.T) {
	all := proxy.Routes()
	for _, r := range all {
		if r.Twin == "" {
			continue
		}
		i := slices.IndexFunc(all, func(other proxy.Route) bool { return other.Name == r.Twin })
		if i < 0 || all[i].Twin != "" || all[i].Idle != r.Idle {
			t.Fatalf("route %s has the twin %q", r.Name, r.Twin)
		}
		sameHost := all[i].Spec.KeepHost == r.Spec.KeepHost || r.Twin == "direct"
		eachCell(t, []string{r.Name}, proxied, func(t *testing.T, m Machine, s scenarios.Stack, name string) {
			got := outcome(proxyCell(t, m, s, name), sameHost)
			want := outcome(proxyCell(t, m, s, r.Twin), sameHost)
			if got != want {
				t.Errorf("%s: %s\nits twin %s: %s", name, got, r.Twin, want)
			}
		})
	}
}

// outcome is what a cell comes to, without what it measures.
func outcome(n *notes, origin bool) string {
	units := []string{"works", "idle-survived", "idle-survived-beat"}
	labels := []string{"transport", "error", "idle", "idle with heartbeat"}
	if origin {
		units, labels = append(units, "origin-works"), append(labels, "origin")
	}
	var b strings.Builder
	for _, u := range units {
		fmt.Fprintf(&b, "%s %v, ", u, n.value(u))
	}
	for _, l := range labels {
		fmt.Fprintf(&b, "%s %q, ", l, n.labels[l])
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// TestOutside pins what programs do that FACTS tell: what works, on which
// transport, and what a client sees otherwise.
func TestOutside(t *testing.T) {
	const works = "" // on websocket
	for name, want := range map[string]map[string]string{
		"nginx":         {"rawws": "400", "sio": "400", "rawws-node": "426", "sio-node": "400", "sio-node-default": "polling", "sio-node-polling": "polling"},
		"nginx-upgrade": {"rawws": works, "sio": works, "rawws-node": works, "sio-node": works, "sio-node-default": works, "sio-node-polling": "polling"},
		"haproxy-http":  {"rawws": works, "sio": works, "rawws-node": works, "sio-node": works, "sio-node-default": works, "sio-node-polling": "polling"},
		"haproxy-tcp":   {"rawws": works, "sio": works, "rawws-node": works, "sio-node": works, "sio-node-default": works, "sio-node-polling": "polling"},
		"squid":         {"rawws": "403", "sio": "403", "rawws-node": "403", "sio-node": "403", "sio-node-default": "polling", "sio-node-polling": "polling"},
		"squid-connect": {"rawws": works, "sio": works, "rawws-node": works, "sio-node": works, "sio-node-default": works, "sio-node-polling": "polling"},
	} {
		eachCell(t, []string{name}, slices.Collect(maps.Keys(want)), func(t *testing.T, m Machine, s scenarios.Stack, name string) {
			n := proxyCell(t, m, s, name)
			if n.labels["configuration"] == "" {
				t.Error("no configuration is told")
			}
			switch want := want[s.Name]; want {
			case works:
				if n.value("works") != 1 || n.labels["transport"] != scenarios.WebSocket {
					t.Errorf("%v", n)
				}
			case scenarios.Polling:
				if n.value("works") != 1 || n.labels["transport"] != scenarios.Polling {
					t.Errorf("%v", n)
				}
			default:
				if n.value("works") != 0 || n.labels["error"] != want {
					t.Errorf("want %s: %v", want, n)
				}
			}
		})
	}
}

// TestOutsideIdle pins what short limits do without and with a heartbeat that is
// below them. HAProxy's limit is for tunnels: polls live.
func TestOutsideIdle(t *testing.T) {
	eachCell(t, []string{"nginx-idle", "haproxy-idle"}, []string{"rawws", "sio", "rawws-node", "sio-node", "sio-node-polling"}, func(t *testing.T, m Machine, s scenarios.Stack, name string) {
		n := proxyCell(t, m, s, name)
		want := 0.0
		if name == "haproxy-idle" && s.Name == "sio-node-polling" {
			want = 1
		}
		if n.value("works") != 1 || n.value("idle-survived") != want || n.value("idle-survived-beat") != 1 {
			t.Errorf("idle survived: want %v without a heartbeat and 1 with one: %v", want, n)
		}
	})
}

// TestBalance has ten clients of each stack before two nodes, with each program
// and each way to choose a node.
func TestBalance(t *testing.T) {
	var cases []string
	for _, program := range []string{scenarios.PathBalance, scenarios.PathNginx, scenarios.PathHAProxy} {
		for _, how := range []string{scenarios.BalanceRobin, scenarios.BalanceCookie, scenarios.BalanceSource, scenarios.BalanceSession} {
			cases = append(cases, program+how)
		}
	}
	stacks := []string{"rawws", "sio", "sio-node", "sio-node-default", "sio-node-polling"}
	eachCell(t, cases, stacks, func(t *testing.T, m Machine, s scenarios.Stack, name string) {
		n := proxyCell(t, m, s, name)
		polls := slices.Contains(s.Mode.Transports, scenarios.Polling)
		switch robin := strings.HasSuffix(name, scenarios.BalanceRobin); {
		case robin && polls:
			if n.value("works") > 0.6 || n.value("disconnects") <= 0 {
				t.Errorf("most get through though nothing keeps them on a node: %v", n)
			}
		case n.value("works") != 1 || n.value("stable-ratio") != 1 || n.value("disconnects") != 0:
			t.Errorf("not all work: %v", n)
		}
		busiest := n.value("busiest-ratio")
		if !(busiest >= 0.5 && busiest < 1) && n.value("stable-ratio") > 0.5 {
			t.Errorf("the clients are not spread over the nodes: %v", n)
		}
	})
}

// TestRooms has two nodes of each server talk to each other through Redis, with
// all clients sending at once, and Redis going and coming back.
func TestRooms(t *testing.T) {
	m, can := look(t)
	for _, name := range []string{"rooms", "rooms-redis"} {
		for _, s := range can {
			// go-socket.io connects once, and never again.
			comesBack, ok := map[string]float64{"rawws": 1, "sio": 0, "rawws-node": 1, "sio-node": 1}[s.Name]
			if !ok {
				continue
			}
			t.Run(name+"/"+s.Name, func(t *testing.T) {
				n := proxyCell(t, m, s, name)
				t.Log(n)
				for unit, want := range map[string]float64{"near-ratio": 1, "far-ratio": 1, "lost": 0, "dup": 0, "reordered": 0, "back-ratio": comesBack} {
					if got := n.value(unit); got != want {
						t.Errorf("%s is %v, want %v", unit, got, want)
					}
				}
			})
		}
	}
}
