package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wsvsio/internal/broken"
	"wsvsio/internal/record"
	"wsvsio/internal/worker"
	"wsvsio/rawws"
	"wsvsio/scenarios"
	"wsvsio/scenarios/broadcast"
)

// testPrograms are those of the command and some that go wrong on purpose.
func testPrograms() worker.Programs {
	p := Programs()
	for name, f := range map[string]broken.Faults{
		"sound":   {},
		"loses":   {Lose: 10},
		"doubles": {Double: 10},
		"swaps":   {Swap: 10},
	} {
		p[name] = worker.Program{Path: scenarios.PathRaw, NewServer: broken.NewServer(f), Dial: rawws.Dial}
	}
	p["erring-client"] = worker.Program{Path: scenarios.PathRaw, NewServer: rawws.NewFallbackServer, Dial: dialErring}
	// One goes wrong when the third of the load's clients connects.
	for name, third := range map[string]http.HandlerFunc{
		"crashes": func(http.ResponseWriter, *http.Request) {
			fmt.Fprintln(os.Stderr, "the chat has crashed")
			os.Exit(3)
		},
		"hangs": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
	} {
		p[name] = worker.Program{Path: scenarios.PathRaw, NewServer: thirdTime(third), Dial: rawws.Dial}
	}
	return p
}

// thirdTime is a server that answers its third request in another way.
func thirdTime(other http.Handler) scenarios.NewServer {
	return func(cfg scenarios.ServerConfig) (scenarios.Server, error) {
		s, err := rawws.NewServer(cfg)
		return &third{Server: s, other: other}, err
	}
}

type third struct {
	scenarios.Server
	other    http.Handler
	requests atomic.Int64
}

func (s *third) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.requests.Add(1) == 3 {
		s.other.ServeHTTP(w, r)
		return
	}
	s.Server.ServeHTTP(w, r)
}

// named returns the stacks of those names, in the order of the tables.
func named(names ...string) []scenarios.Stack {
	return slices.DeleteFunc(Stacks(), func(s scenarios.Stack) bool { return !slices.Contains(names, s.Name) })
}

// goStack is a raw stack with that program as its server.
func goStack(program string) scenarios.Stack {
	s := named("rawws")[0]
	s.Name, s.Server.Go = program, program
	return s
}

// quickly is a load that takes a moment.
var quickly = scenarios.Case{
	Name: "steady", Clients: 5, Size: 32, Rate: 500, Window: 40 * time.Millisecond,
}

// runPlan runs a plan and returns its cells.
func runPlan(t *testing.T, p Plan, stop <-chan struct{}) ([]record.Cell, error) {
	t.Helper()
	var cells []record.Cell
	err := Run(t.Context(), Machine{}, p, stop, func(record.Cell) {}, func(c record.Cell) error {
		cells = append(cells, c)
		return nil
	})
	return cells, err
}

// TestBroken measures servers that err on purpose. None may get a figure, and
// the error counts what was wrong: 20 messages to 5 clients, every tenth.
func TestBroken(t *testing.T) {
	var p Plan
	want := map[string]string{
		"sound":   "",
		"loses":   "of 100 deliveries: 10 lost by the server;",
		"doubles": "of 100 deliveries: 10 doubled",
		// The twentieth is held back for a next one that does not come.
		"swaps":   "of 100 deliveries: 5 lost by the server, 5 out of order;",
		"crashes": "exit status 3; its stderr ends with:\n\tthe chat has crashed",
		"hangs":   "the cell took longer than",
	}
	for name := range want {
		p.Stacks = append(p.Stacks, goStack(name))
	}
	p.Rounds, p.Limit = 1, 20*time.Second
	p.Parts = []Part{{broadcast.Scenario{}, []scenarios.Case{quickly}}}
	cells, err := runPlan(t, p, nil)
	if err != nil || len(cells) != len(want) {
		t.Fatalf("%d cells, %v", len(cells), err)
	}
	for _, c := range cells {
		if want := want[c.Stack]; want == "" && c.Error != "" || !strings.Contains(c.Error, want) {
			t.Errorf("%s: error %q, want %q", c.Stack, c.Error, want)
		}
		if (c.Error == "") != (len(c.Values) > 0) {
			t.Errorf("%s: error %q and %d figures", c.Stack, c.Error, len(c.Values))
		}
	}
}

// TestFigures checks the counted figures of a sound cell against arithmetic.
func TestFigures(t *testing.T) {
	c := quickly
	c.Size = 1000
	p := Plan{Rounds: 1, Stacks: named("bare", "rawws", "sio"), Parts: []Part{{broadcast.Scenario{}, []scenarios.Case{c}}}}
	cells, err := runPlan(t, p, nil)
	if err != nil || len(cells) != 3 {
		t.Fatalf("%d cells, %v", len(cells), err)
	}
	object := float64(len(`{"room":"bench","from":"load","seq":1000000000,"body":""}`) + c.Size)
	wrap := map[string][2]float64{ // bytes around the object, up and down
		"bare":  {float64(len(`{"type":"chat","data":}`)), float64(len(`{"type":"chat","data":}`))},
		"rawws": {float64(len(`{"type":"chat","data":}`)), float64(len(`{"type":"chat","data":}`))},
		"sio":   {float64(len(`42["chat",]`)), float64(len(`42["chat",]`) + 1)}, // its encoder ends with a line feed
	}
	const upHeader, downHeader = 8, 4 // RFC 6455: 126 to 65535 bytes, masked upwards
	for _, cell := range cells {
		if cell.Error != "" {
			t.Fatalf("%s: %s", cell.Stack, cell.Error)
		}
		w := wrap[cell.Stack]
		want := (object+w[0]+upHeader)/float64(c.Clients) + object + w[1] + downHeader
		if got, _ := cell.Value("wire-B/msg"); math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v bytes per message, want %v", cell.Stack, got, want)
		}
		if cell.N != int64(c.Messages()*c.Clients) {
			t.Errorf("%s: N is %d", cell.Stack, cell.N)
		}
		for _, unit := range []string{"p50-sec/msg", "p99-sec/msg", "max-sec/msg", "server-cpu-sec/msg", "client-cpu-sec/msg"} {
			if v, ok := cell.Value(unit); !ok || v <= 0 || v > 10 {
				t.Errorf("%s: %s is %v, %t", cell.Stack, unit, v, ok)
			}
		}
	}
}

// TestBareNode measures the plain WebSocket in Node with and without the JSON:
// the same bytes go to the same clients.
func TestBareNode(t *testing.T) {
	m, can, err := Look(t.Context(), named("bare-node", "rawws-node"))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range m.LeftOut {
		t.Skipf("%s: %s; to add it: %s", l.Stack, l.Reason, l.Mend)
	}
	if m.Packages["ws"] == "" {
		t.Error("the version of ws is not known")
	}
	var cells []record.Cell
	p := Plan{Rounds: 1, Stacks: can, Parts: []Part{{broadcast.Scenario{}, []scenarios.Case{quickly}}}}
	if err := Run(t.Context(), m, p, nil, func(record.Cell) {}, func(c record.Cell) error {
		cells = append(cells, c)
		return nil
	}); err != nil || len(cells) != 2 {
		t.Fatalf("%d cells, %v", len(cells), err)
	}
	var bytes []float64
	for _, c := range cells {
		v, ok := c.Value("wire-B/msg")
		if bytes = append(bytes, v); c.Error != "" || !ok || c.N != int64(quickly.Messages()*quickly.Clients) {
			t.Errorf("%s: N %d, %v bytes, error %q", c.Stack, c.N, v, c.Error)
		}
	}
	if bytes[0] != bytes[1] {
		t.Errorf("%v bytes per message", bytes)
	}
}

// TestModules finds the Node modules of a stack, and the packages of one that
// has none of its own.
func TestModules(t *testing.T) {
	for name, want := range map[string][]string{
		"rawws-node":           {"rawws/node/client.mjs", "rawws/node/server.mjs"},
		"rawws-js-reconnect":   {"rawws/node/reconnect.mjs"},
		"rawws-node-reconnect": {"rawws/node/reconnect.mjs", "rawws/node/server.mjs"},
		"sio-js":               {"sio/node/client.mjs"},
		"bare-node":            {"rawws/node/server.mjs", "internal/bare/node/server.mjs"},
		"sio":                  nil,
	} {
		if got := modules(named(name)[0], nil); !slices.Equal(got, want) {
			t.Errorf("%s alone: %q, want %q", name, got, want)
		}
	}
	all := []string{"rawws/node/client.mjs", "rawws/node/fallback.mjs", "rawws/node/reconnect.mjs", "rawws/node/server.mjs"}
	for name, want := range map[string][]string{
		"rawws-js":           all,
		"rawws-js-reconnect": all,
		"bare-node":          append(all, "internal/bare/node/server.mjs"),
		"sio":                nil,
	} {
		if got := modules(named(name)[0], Stacks()); !slices.Equal(got, want) {
			t.Errorf("%s among all: %q, want %q", name, got, want)
		}
	}
}

// TestCases runs the cases that are no open loop, on a small scale.
func TestCases(t *testing.T) {
	cases := map[string]scenarios.Case{
		"deliveries/s":  {Name: "saturation", Clients: 5, Size: 32, Warmup: 200, Window: 50 * time.Millisecond},
		"p50-sec/msg":   {Name: "both-ways", Clients: 5, Size: 32, Rate: 500, Warmup: 200, Window: 50 * time.Millisecond},
		"server-B/conn": {Name: "idle", Clients: 50},
	}
	p := Plan{Rounds: 1, Stacks: named("floor", "bare", "rawws", "sio")}
	want := make(map[string]string)
	part := Part{Scenario: broadcast.Scenario{}}
	for unit, c := range cases {
		part.Cases = append(part.Cases, c)
		want[c.Name] = unit
	}
	p.Parts = []Part{part}
	cells, err := runPlan(t, p, nil)
	if err != nil || len(cells) != 12 {
		t.Fatalf("%d cells, %v", len(cells), err)
	}
	for _, c := range cells {
		if v, ok := c.Value(want[c.Case.Name]); !ok || v <= 0 || c.Error != "" {
			t.Errorf("%s on %s: %s is %v, %t; error %q", c.Case.Name, c.Stack, want[c.Case.Name], v, ok, c.Error)
		}
		if lost, ok := c.Value("lost"); c.Case.Name != "idle" && (!ok || lost != 0 || c.N%5 != 0) {
			t.Errorf("%s on %s: %v lost, %d delivered", c.Case.Name, c.Stack, lost, c.N)
		}
	}
}

// TestLossAtSaturation must be found as in the open loop. There is no
// warm-up, which would fail first.
func TestLossAtSaturation(t *testing.T) {
	c := scenarios.Case{Name: "saturation", Clients: 5, Size: 32, Window: 50 * time.Millisecond}
	cells, err := runPlan(t, Plan{Rounds: 1, Stacks: []scenarios.Stack{goStack("loses")}, Parts: []Part{{broadcast.Scenario{}, []scenarios.Case{c}}}}, nil)
	if err != nil || len(cells) != 1 || !strings.Contains(cells[0].Error, "lost") || len(cells[0].Values) > 0 {
		t.Errorf("%+v, %v", cells, err)
	}
}

// fake is a scenario that does as it is told, without a process.
type fake func(s scenarios.Stack, round int) error

func (fake) Name() string                             { return "fake" }
func (fake) Cases(scenarios.Profile) []scenarios.Case { return nil }
func (f fake) Run(_ context.Context, _ scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	rec.Value("x", 1)
	return f(s, 0)
}

func fakePlan(rounds int, f fake) Plan {
	p := Plan{Rounds: rounds, Seed: 5, Parts: []Part{{f, []scenarios.Case{{Name: "a"}, {Name: "b"}}}}}
	for _, name := range []string{"s1", "s2", "s3"} {
		p.Stacks = append(p.Stacks, scenarios.Stack{Name: name})
	}
	return p
}

// TestRepeats measures each stack several times in a round, in turn, and makes
// one cell of it; the first that fails ends it.
func TestRepeats(t *testing.T) {
	var ran []string
	p := fakePlan(2, func(s scenarios.Stack, n int) error {
		ran = append(ran, s.Name)
		if s.Name == "s2" && len(ran) > 9 {
			return errors.New("broken")
		}
		return nil
	})
	p.Parts[0].Cases = []scenarios.Case{{Name: "a", Repeats: 3}}
	cells, err := runPlan(t, p, nil)
	if err != nil || len(cells) != 6 {
		t.Fatalf("%d cells, %v", len(cells), err)
	}
	for i := 0; i < 9; i += 3 {
		three := slices.Sorted(slices.Values(ran[i : i+3]))
		if !slices.Equal(three, []string{"s1", "s2", "s3"}) {
			t.Errorf("not in turn: %q", ran)
		}
	}
	for _, c := range cells {
		switch {
		case c.Round == 2 && c.Stack == "s2":
			if c.Error != "broken" || len(c.Values) > 0 {
				t.Errorf("%+v", c)
			}
		case c.Error != "" || len(c.Values) != 3 || c.N != 3:
			t.Errorf("%+v", c)
		}
	}
	if len(ran) != 9+3+2+2 {
		t.Errorf("%d runs: %q", len(ran), ran)
	}
}

// TestRounds checks that every round has every case and stack once, in an
// order that the seed decides.
func TestRounds(t *testing.T) {
	p := fakePlan(50, func(scenarios.Stack, int) error { return nil })
	cells, err := runPlan(t, p, nil)
	if err != nil || len(cells) != p.Cells() {
		t.Fatalf("%d cells of %d, %v", len(cells), p.Cells(), err)
	}
	orders := make(map[string]int)
	for i := 0; i < len(cells); i += 3 {
		var names []string
		for at, c := range cells[i : i+3] {
			if c.Round != i/6+1 || c.Order != at+1 || c.Case.Name != []string{"a", "b"}[i/3%2] {
				t.Fatalf("cell %d is round %d, order %d, case %s", i+at, c.Round, c.Order, c.Case.Name)
			}
			names = append(names, c.Stack)
		}
		orders[strings.Join(names, " ")]++
		slices.Sort(names)
		if !slices.Equal(names, []string{"s1", "s2", "s3"}) {
			t.Fatalf("round %d has %q", i/6+1, names)
		}
	}
	if len(orders) != 6 {
		t.Errorf("of the six orders %d came: %v", len(orders), orders)
	}
	again, err := runPlan(t, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range cells {
		if cells[i].Stack != again[i].Stack {
			t.Fatalf("the same seed gives another order at cell %d", i)
		}
	}
}

// TestUnreachable has no case run on a stack whose server lets nobody in: they
// are n/a, and say why.
func TestUnreachable(t *testing.T) {
	p := fakePlan(2, func(s scenarios.Stack, _ int) error {
		if s.Name == "s2" {
			t.Error("it is run")
		}
		return nil
	})
	p.Stacks[1].Refused = "versions"
	cells, err := runPlan(t, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, c := range cells {
		if c.Stack == "s2" {
			told++
		}
		if c.Error != "" || strings.Contains(c.Unsupported, "versions") != (c.Stack == "s2") {
			t.Errorf("%+v", c)
		}
	}
	if told != len(p.Parts[0].Cases) {
		t.Errorf("told %d times, want once for each case", told)
	}
}

// TestFailures gives up a stack that fails, after as many failures as the plan
// says.
func TestFailures(t *testing.T) {
	for given, tries := range map[int]int{0: patience, 1: 1, 4: 4, 9: 5} {
		failures(t, given, tries)
	}
}

// failures holds how often a stack that always fails is tried in five rounds.
func failures(t *testing.T, given, tries int) {
	t.Helper()
	runs := make(map[string]int)
	p := fakePlan(5, func(s scenarios.Stack, _ int) error {
		runs[s.Name]++
		switch s.Name {
		case "s2":
			return errors.New("no luck")
		case "s3":
			return scenarios.Unsupported("it is a %s", "fake")
		}
		return nil
	})
	p.Patience = given
	cells, err := runPlan(t, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Two cases: s1 five times each, s2 until it is given up, s3 asked once.
	if want := map[string]int{"s1": 10, "s2": 2 * tries, "s3": 2}; fmt.Sprint(runs) != fmt.Sprint(want) {
		t.Errorf("patience %d: ran %v, want %v", given, runs, want)
	}
	count := make(map[string]int)
	for _, c := range cells {
		count[fmt.Sprintf("%s %t %t", c.Stack, c.Error != "", c.Unsupported != "")]++
		if !c.Measured() && len(c.Values) > 0 && c.Error != "" {
			t.Errorf("a failed cell has figures: %+v", c)
		}
	}
	if want := map[string]int{"s1 false false": 10, "s2 true false": 10, "s3 false true": 2}; fmt.Sprint(count) != fmt.Sprint(want) {
		t.Errorf("cells %v, want %v", count, want)
	}
}

func TestStop(t *testing.T) {
	stop := make(chan struct{})
	n := 0
	cells, err := runPlan(t, fakePlan(5, func(scenarios.Stack, int) error {
		if n++; n == 4 {
			close(stop)
		}
		return nil
	}), stop)
	if !errors.Is(err, ErrStopped) || len(cells) != 4 {
		t.Errorf("%d cells and %v, want the four that had begun", len(cells), err)
	}
}

// TestNoDisk ends the run when a cell cannot be kept.
func TestNoDisk(t *testing.T) {
	full := errors.New("disk full")
	err := Run(t.Context(), Machine{}, fakePlan(5, func(scenarios.Stack, int) error { return nil }), nil,
		func(record.Cell) {}, func(record.Cell) error { return full })
	if !errors.Is(err, full) {
		t.Errorf("error %v", err)
	}
}
