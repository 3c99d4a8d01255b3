package bench

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

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

// cellOf names a cell of the scenario proxy.
type cellOf struct{ name, stack string }

// cells runs cells of the scenario proxy, some of them side by side: much of it
// is waiting. Where a program is missing there are no notes but the reason, and
// so where the machine cannot run a stack.
func cells(t *testing.T, names, stacks []string) (found map[cellOf]*notes, missing map[cellOf]error) {
	t.Helper()
	const abreast = 6
	m, can := look(t)
	cases := proxy.Scenario{}.Cases(scenarios.Quick)
	found, missing = make(map[cellOf]*notes), make(map[cellOf]error)
	var mu sync.Mutex
	var all sync.WaitGroup
	turn := make(chan struct{}, abreast)
	for _, name := range names {
		i := slices.IndexFunc(cases, func(c scenarios.Case) bool { return c.Name == name })
		if i < 0 {
			t.Fatalf("proxy has no case %q", name)
		}
		for _, stack := range stacks {
			cell := cellOf{name, stack}
			at := slices.IndexFunc(can, func(s scenarios.Stack) bool { return s.Name == stack })
			if at < 0 {
				missing[cell] = errors.New("this machine cannot run the stack")
				continue
			}
			turn <- struct{}{}
			all.Go(func() {
				defer func() { <-turn }()
				env := NewEnv(t.Context(), m)
				defer env.Close()
				rec := newNotes()
				err := proxy.Scenario{}.Run(t.Context(), env, can[at], unhurried(cases[i]), rec)
				if err != nil && !errors.Is(err, scenarios.ErrUnsupported) {
					err = errors.Join(err, env.casualties())
				}
				mu.Lock()
				defer mu.Unlock()
				switch {
				case errors.Is(err, scenarios.ErrUnsupported):
					missing[cell] = err
				case err != nil:
					t.Errorf("%s, %s: %v; recorded: %v", name, stack, err, rec)
					missing[cell] = errors.New("it failed")
				default:
					found[cell] = rec
				}
			})
		}
	}
	all.Wait()
	return found, missing
}

// proxied are the stacks whose outcomes are pinned: those on go-socket.io that
// poll are flaky on every path.
var proxied = []string{"rawws", "sio", "rawws-node", "sio-node", "sio-node-polling", "sio-node-default"}

// on is an outcome that works, on a transport.
func on(transport string) string { return "on " + transport }

// outsideOutcomes are what FACTS tell of the programs, by stacks in the order of
// proxied.
var outsideOutcomes = map[string][]string{
	"nginx":           {"400", "400", "426", "400", on("polling"), on("polling")},
	"nginx-upgrade":   {on("websocket"), on("websocket"), on("websocket"), on("websocket"), on("polling"), on("websocket")},
	"nginx-buffering": {on("websocket"), on("websocket"), on("websocket"), on("websocket"), on("polling"), on("websocket")},
	"nginx-idle":      {on("websocket"), on("websocket"), on("websocket"), on("websocket"), on("polling"), on("websocket")},
	"haproxy-http":    {on("websocket"), on("websocket"), on("websocket"), on("websocket"), on("polling"), on("websocket")},
	"haproxy-tcp":     {on("websocket"), on("websocket"), on("websocket"), on("websocket"), on("polling"), on("websocket")},
	"haproxy-idle":    {on("websocket"), on("websocket"), on("websocket"), on("websocket"), on("polling"), on("websocket")},
	"squid":           {"403", "403", "403", "403", on("polling"), on("polling")},
	"squid-connect":   {on("websocket"), on("websocket"), on("websocket"), on("websocket"), on("polling"), on("websocket")},
	"squid-upgrade":   {"403", "403", "403", "403", on("polling"), on("polling")},
}

// TestOutside pins what each program lets through, and what becomes of the idle.
// In every cell that it shares with its embedded twin both do the same; what a
// browser sees is compared where both say the same of Host.
func TestOutside(t *testing.T) {
	all := proxy.Routes()
	var names []string
	for _, r := range all {
		if _, pinned := outsideOutcomes[r.Name]; pinned {
			names = append(names, r.Name)
			if r.Twin != "" && !slices.Contains(names, r.Twin) {
				names = append(names, r.Twin)
			}
		}
	}
	found, missing := cells(t, names, proxied)
	for _, r := range all {
		want, pinned := outsideOutcomes[r.Name]
		if !pinned {
			continue
		}
		i := slices.IndexFunc(all, func(other proxy.Route) bool { return other.Name == r.Twin })
		if r.Twin != "" && (i < 0 || all[i].Twin != "" || all[i].Idle != r.Idle) {
			t.Fatalf("route %s has the twin %q", r.Name, r.Twin)
		}
		for k, stack := range proxied {
			t.Run(r.Name+"/"+stack, func(t *testing.T) {
				cell := cellOf{r.Name, stack}
				n := found[cell]
				if n == nil {
					t.Skip(missing[cell])
				}
				t.Log(n)
				if n.labels["configuration"] == "" {
					t.Error("no configuration is told")
				}
				got := n.labels["error"]
				if n.value("works") == 1 {
					got = on(n.labels["transport"])
				}
				if got != want[k] {
					t.Errorf("%s, want %s", got, want[k])
				}
				if r.Idle {
					checkIdle(t, n, r.Name, stack)
				}
				twin := found[cellOf{r.Twin, stack}]
				if twin == nil {
					return
				}
				origin := all[i].Spec.KeepHost == r.Spec.KeepHost || r.Twin == "direct"
				if got, want := outcome(n, origin), outcome(twin, origin); got != want {
					t.Errorf("%s\nits twin %s: %s", got, r.Twin, want)
				}
			})
		}
	}
}

// checkIdle checks what a short limit does without a heartbeat, and with one
// that is below it. HAProxy's limit is for tunnels: polls live.
func checkIdle(t *testing.T, n *notes, name, stack string) {
	t.Helper()
	want := 0.0
	if name == "haproxy-idle" && stack == "sio-node-polling" {
		want = 1
	}
	if n.value("idle-survived") != want || n.value("idle-survived-beat") != 1 {
		t.Errorf("idle survived: want %v without a heartbeat and 1 with one", want)
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
	found, missing := cells(t, cases, stacks)
	for _, name := range cases {
		for _, stack := range stacks {
			t.Run(name+"/"+stack, func(t *testing.T) {
				n := found[cellOf{name, stack}]
				if n == nil {
					t.Skip(missing[cellOf{name, stack}])
				}
				t.Log(n)
				polls := stack == "sio-node-default" || stack == "sio-node-polling"
				if strings.HasSuffix(name, scenarios.BalanceRobin) && polls {
					if n.value("works") > 0.6 || n.value("disconnects") <= 0 {
						t.Error("most get through though nothing keeps them on a node")
					}
					return
				}
				if n.value("works") != 1 || n.value("stable-ratio") != 1 || n.value("disconnects") != 0 {
					t.Error("not all work")
				}
				if busiest := n.value("busiest-ratio"); busiest < 0.5 || busiest >= 1 {
					t.Error("the clients are not spread over the nodes")
				}
			})
		}
	}
}

// TestRooms has two nodes of each server talk to each other through Redis, with
// all clients sending at once, and Redis going and coming back.
func TestRooms(t *testing.T) {
	// go-socket.io connects once, and never again.
	comesBack := map[string]float64{"rawws": 1, "sio": 0, "rawws-node": 1, "sio-node": 1}
	names := []string{"rooms", "rooms-redis"}
	stacks := slices.Sorted(maps.Keys(comesBack))
	found, missing := cells(t, names, stacks)
	for _, name := range names {
		for _, stack := range stacks {
			t.Run(name+"/"+stack, func(t *testing.T) {
				n := found[cellOf{name, stack}]
				if n == nil {
					t.Skip(missing[cellOf{name, stack}])
				}
				t.Log(n)
				for unit, want := range map[string]float64{"near-ratio": 1, "far-ratio": 1, "lost": 0, "dup": 0, "reordered": 0, "back-ratio": comesBack[stack]} {
					if got := n.value(unit); got != want {
						t.Errorf("%s is %v, want %v", unit, got, want)
					}
				}
			})
		}
	}
}

// TestOutsideBrowser has pages of a real browser before each program that is for
// them. What they see is what they do on the embedded twin, but where that keeps
// Host and the program does not.
func TestOutsideBrowser(t *testing.T) {
	m, can := look(t)
	other := map[cellOf]string{
		{"nginx", "sio-browser"}:        "403",
		{"nginx", "rawws-node-browser"}: "426",
	}
	browser := newTestBrowser(t)
	cases := proxy.Scenario{}.Cases(scenarios.Full)
	turn := make(chan struct{}, 4)
	for _, r := range proxy.Routes() {
		if !r.Browser || r.Program == "" {
			continue
		}
		want, ok := passages[r.Twin]
		if !ok {
			want = passages["idle-cut"] // haproxy-idle, which has none, cuts WebSockets as that does
		}
		c := unhurried(cases[slices.IndexFunc(cases, func(c scenarios.Case) bool { return c.Name == r.Name })])
		if !r.Idle {
			c.Timers.Idle = time.Second // as in TestProxyMatrix
		}
		for _, s := range can {
			if !s.InBrowser() {
				continue
			}
			t.Run(r.Name+"/"+s.Name, func(t *testing.T) {
				t.Parallel()
				turn <- struct{}{}
				defer func() { <-turn }()
				passes(t, s, func() error {
					env := NewEnv(t.Context(), m)
					env.browser = browser
					rec := newNotes()
					err := proxy.Scenario{}.Run(t.Context(), env, s, c, rec)
					env.Close()
					if errors.Is(err, scenarios.ErrUnsupported) {
						t.Skip(err)
					}
					if err != nil {
						t.Fatal(err)
					}
					got, want := rec.labels["error"], cmp.Or(other[cellOf{r.Name, s.Name}], want.want(r.Twin, s))
					if rec.value("works") == 1 {
						got = rec.labels["transport"]
					}
					survived := !r.Idle || rec.value("idle-survived") == 0 && rec.value("idle-survived-beat") == 1
					if got == want && survived {
						return nil
					}
					return fmt.Errorf("%s, want %s: %v", got, want, rec)
				})
			})
		}
	}
}
