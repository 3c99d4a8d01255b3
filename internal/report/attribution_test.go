package report

import (
	"math"
	"slices"
	"strings"
	"testing"

	"wsvsio/internal/record"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// side is the figures of a stack: what it makes of the machine's time, by
// round, and what is the same in every round.
type side struct {
	stack         string
	p50, p99, cpu func(round int) float64
	wire, mallocs float64
}

// noise returns a factor by round around scale, that of no other seed.
func noise(scale float64, seed int) func(int) float64 {
	return func(round int) float64 {
		return scale * (1 + 0.01*float64((round*seed*7)%5-2))
	}
}

// attributedRun is a run of eight rounds of the stacks that the effects name.
// The rounds are of unequal speed, and so is the p99 of bare.
func attributedRun() *record.Run {
	const rounds = 8
	run := newRun()
	run.Rounds = rounds
	run.Stacks = []scenarios.Stack{
		{Name: "bare", About: "WebSocket without JSON, Go"},
		{Name: "rawws", About: "plain WebSocket, Go"},
		{Name: "sio", About: "Socket.IO, Go", Twin: "rawws"},
		{Name: "bare-node", About: "WebSocket without JSON, Node"},
		{Name: "rawws-node", About: "plain WebSocket, Node"},
		{Name: "sio-node", About: "Socket.IO, Node", Twin: "rawws-node"},
	}
	sides := []side{
		{"bare", noise(20e-6, 1), noise(100e-6, 2), noise(7e-6, 3), 214, 0.1},
		{"rawws", noise(25e-6, 2), noise(110e-6, 3), noise(8e-6, 4), 214, 0.16},
		{"sio", noise(60e-6, 3), noise(300e-6, 4), noise(20e-6, 6), 203, 16.4},
		{"bare-node", noise(29e-6, 4), noise(150e-6, 6), noise(9e-6, 7), 214, 0},
		{"rawws-node", noise(30e-6, 6), noise(155e-6, 7), noise(10e-6, 8), 214, 0},
		{"sio-node", noise(39e-6, 7), noise(156e-6, 8), noise(14e-6, 9), 202, 0},
	}
	for _, c := range []scenarios.Case{echo, steady} {
		for round := 1; round <= rounds; round++ {
			slow := 1 + float64(round)/4
			for _, s := range sides {
				one := measured(c, s.stack, round,
					"p50-sec/msg", slow*s.p50(round), "p99-sec/msg", slow*s.p99(round),
					"server-cpu-sec/msg", slow*s.cpu(round), "wire-B/msg", s.wire)
				if s.mallocs > 0 {
					one.Values = append(one.Values,
						record.Value{Unit: "server-allocs/msg", V: s.mallocs})
				}
				if s.stack == "bare" && round == 5 {
					one.Values[1].V *= 30
				}
				if s.stack == "bare-node" && c == steady {
					continue
				}
				run.Cells = append(run.Cells, one)
			}
		}
	}
	for _, round := range []int{2, 6} {
		for i, c := range run.Cells {
			if c.Stack == "sio-node" && c.Case == steady && c.Round == round {
				fail("boom")(&run.Cells[i])
			}
		}
	}
	return run
}

// fixedRun measures stacks in one unit, in as many rounds as there are figures.
// NaN is a round that was not reached.
func fixedRun(unit string, figures map[string][]float64) record.Group {
	run := newRun()
	run.Stacks = nil
	for stack, values := range figures {
		for i, v := range values {
			if !math.IsNaN(v) {
				run.Cells = append(run.Cells, measured(echo, stack, i+1, unit, v))
			}
		}
	}
	return run.Group()[0]
}

// TestChance counts the tests of a run: two stacks with a twin each, in three
// units that vary, and the attribution without what it has in common with them.
func TestChance(t *testing.T) {
	run := newRun()
	run.Stacks = []scenarios.Stack{{Name: "rawws"}, {Name: "sio", Twin: "rawws"}, {Name: "rawws-node"}, {Name: "sio-node", Twin: "rawws-node"}}
	for i, s := range run.Stacks {
		for round := 1; round <= 8; round++ {
			run.Cells = append(run.Cells, measured(echo, s.Name, round, "p50-sec/msg", noise(1, 7*i+1)(round),
				"p99-sec/msg", noise(2, 7*i+2)(round), "server-cpu-sec/msg", noise(3, 7*i+3)(round), "wire-B/msg", 200.0+float64(i)))
		}
	}
	// Beside the figures two stacks; then the quotient and the two rows of the
	// implementation. The bytes are the same in every round.
	const tests = 3 * (2 + 3)
	chance := func() string {
		for _, e := range newPage(run).columns {
			if e.name == "by chance" {
				return e.text
			}
		}
		return ""
	}
	want := "up to about 0.8 of 15 tests would call different what is not"
	if n := newPage(run).tests(run.Stacks); n != tests || !strings.HasPrefix(chance(), want) {
		t.Errorf("%d tests, want %d: %q, want %q", n, tests, chance(), want)
	}
	// In five rounds nothing is tested.
	run.Cells = slices.DeleteFunc(run.Cells, func(c record.Cell) bool { return c.Round > 5 })
	if got := chance(); got != "" {
		t.Errorf("with five rounds: %q", got)
	}
}

// TestKeySays that no program is blamed for what is another's.
func TestKeySays(t *testing.T) {
	run := attributedRun()
	run.Stacks = append(run.Stacks, scenarios.Stack{Name: "floor", About: "TCP"})
	p := newPage(run)
	if got, want := p.stacks[len(p.stacks)-1], (entry{"floor", "TCP; no limit where frames are batched"}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	for _, want := range []entry{
		{"protocol", "two programs on one runtime"},
		{"protocol", "only rawws, and bare after it, writes what has queued up in one write"},
		{"protocol, Go / Node", "does not say whose it is"},
		{"implementation", "what go-socket.io makes of it"},
	} {
		if !slices.ContainsFunc(p.effects, func(e entry) bool { return e.name == want.name && strings.Contains(e.text, want.text) }) {
			t.Errorf("%s: %q is not in %+v", want.name, want.text, p.effects)
		}
	}
}

func scaledBy(values []float64, k ...float64) []float64 {
	out := slices.Clone(values)
	for i := range out {
		out[i] *= k[i%len(k)]
	}
	return out
}

// TestEffects compares the effects with ratios worked out by hand. A round is
// slow for all, so only the ratios inside the rounds are steady.
func TestEffects(t *testing.T) {
	const unit = "p50-sec/msg"
	machine := []float64{1, 5, 2, 9, 3, 7, 4, 8}
	g := fixedRun(unit, map[string][]float64{
		"bare":       machine,
		"rawws":      scaledBy(machine, 1.25),
		"sio":        scaledBy(machine, 2.5),
		"rawws-node": scaledBy(machine, 2),
		// Half of the rounds 1.4, half 1.6 times rawws-node: by Hodges and
		// Lehmann it is their geometric mean.
		"sio-node": scaledBy(machine, 2.8, 3.2),
	})
	mean := math.Sqrt(1.4 * 1.6)
	want := map[string]float64{
		"protocol, Go":              2,
		"protocol, Node":            mean,
		"protocol, Go / Node":       2 / mean,
		"implementation, raw":       1.25 / 2,
		"implementation, Socket.IO": 2.5 / 2 / mean,
		"envelope, Go":              1.25,
		"envelope, Node":            0,
	}
	if len(want) != len(effects) {
		t.Fatalf("%d effects, %d are tested", len(effects), len(want))
	}
	for _, e := range effects {
		got := e.in(g, unit)
		pairs := len(machine)
		if want[e.name] == 0 {
			pairs = 0
		}
		if math.Abs(got.Estimate-want[e.name]) > 1e-9 || got.Pairs != pairs {
			t.Errorf("%s: %v of %d pairs, want %v of %d",
				e.name, got.Estimate, got.Pairs, want[e.name], pairs)
		}
	}
	// The quotient's interval is that of quotients taken round by round.
	got := effects[2].in(g, unit)
	if math.Abs(got.Low-2/1.6) > 1e-9 || math.Abs(got.High-2/1.4) > 1e-9 || got.P != 2./256 {
		t.Errorf("quotient %+v", got)
	}
}

// Only rounds count in which all stacks of an effect have a figure.
func TestEffectPairs(t *testing.T) {
	const unit = "p50-sec/msg"
	gone := math.NaN()
	g := fixedRun(unit, map[string][]float64{
		"rawws":      {1, 1, gone, 1, 0, 1},
		"sio":        {2, gone, 2, 2, 2, 2},
		"rawws-node": {1, 1, 1, gone, 1, 1},
		"sio-node":   {4, 4, 4, 4, 4, 4},
	})
	for _, r := range g.Rows {
		if r.Stack.Name == "sio-node" {
			r.Cells[5].Error = "boom" // what it measured until then is no figure
		}
	}
	for i, pairs := range []int{3, 4, 1, 3, 4, 0, 0} {
		if got := effects[i].in(g, unit); got.Pairs != pairs {
			t.Errorf("%s: %d pairs, want %d", effects[i].name, got.Pairs, pairs)
		}
	}
	if got := effects[2].in(g, unit); got.Estimate != .5 {
		t.Errorf("quotient %v, want (2/1)/(4/1)", got.Estimate)
	}
}

// TestAttributionRows shows no more than was measured.
func TestAttributionRows(t *testing.T) {
	const unit = "p50-sec/msg"
	columns := []record.Unit{record.UnitOf(unit), record.UnitOf("p99-sec/msg")}
	one := []float64{1, 2}
	for _, tt := range []struct {
		stacks, want string
	}{
		{"rawws", ""},
		{"rawws sio-node", ""},
		{"sio rawws-js sio-js", ""},
		{"rawws sio", "protocol, Go"},
		{"bare rawws", "envelope, Go"},
		{"rawws rawws-node", "implementation, raw"},
		{"rawws sio rawws-node sio-node", "protocol, Go; protocol, Node; " +
			"protocol, Go / Node; implementation, raw; implementation, Socket.IO"},
	} {
		figures := make(map[string][]float64)
		for _, name := range strings.Fields(tt.stacks) {
			figures[name] = one
		}
		got := attribution(fixedRun(unit, figures), columns)
		var names []string
		for _, r := range got.rows {
			names = append(names, r.name)
			if len(r.cells) != len(got.head) {
				t.Errorf("%s: %d cells under %d titles", r.name, len(r.cells), len(got.head))
			}
		}
		if text := strings.Join(names, "; "); text != tt.want {
			t.Errorf("%s: got %q, want %q", tt.stacks, text, tt.want)
		}
		// p99 was not measured.
		if len(got.rows) > 0 && !slices.Equal(got.head, []string{"p50"}) {
			t.Errorf("%s: columns %q", tt.stacks, got.head)
		}
	}
}

// TestJudge has what the rule in package stats does not decide alone.
func TestJudge(t *testing.T) {
	const many = stats.MinPairs
	for _, tt := range []struct {
		unit     string
		pairs    int
		constant bool
		p, ratio float64
		want     stats.Verdict
	}{
		{"p50-sec/msg", many, false, .01, 1.2, stats.Different},
		{"p50-sec/msg", many, false, .01, 1.02, stats.NotDifferent},
		{"p50-sec/msg", many, false, .2, 1.2, stats.NotDifferent},
		{"p50-sec/msg", many - 1, false, .01, 1.2, stats.TooFew},
		// A clock that ticks too slowly makes no time exact.
		{"p50-sec/msg", many, true, .01, 1.02, stats.NotDifferent},
		{"server-cpu-sec/msg", 2, true, .5, 2, stats.TooFew},
		{"wire-B/msg", 2, true, .5, 1.001, stats.Different},
		{"wire-B/msg", 2, true, 1, 1, stats.NotDifferent},
		{"wire-B/msg", 1, true, 1, 1.5, stats.TooFew},
		{"wire-B/msg", 3, false, .25, 1.5, stats.TooFew},
		{"wire-B/msg", many, false, .01, 1.001, stats.NotDifferent},
		{"server-allocs/msg", 3, true, .25, 1.5, stats.Different},
		{"connect-reqs", 3, true, .25, 2, stats.Different},
		{"tokens", 1, true, 1, 1.001, stats.Different},
		{"tokens", 1, true, 1, 1, stats.NotDifferent},
	} {
		r := stats.Ratio{Pairs: tt.pairs, Constant: tt.constant, P: tt.p, Estimate: tt.ratio}
		if got := judge(record.UnitOf(tt.unit), r); got != tt.want {
			t.Errorf("%s, %+v: %s, want %s", tt.unit, r, got, tt.want)
		}
	}
}

// TestUnsteady tells of rounds that lie far apart once for each row, and only
// where it is the machine's doing.
func TestUnsteady(t *testing.T) {
	const text = "the rounds differ 10 times or more in "
	for _, tt := range []struct {
		figures []any // of round 1, then of round 2
		want    string
	}{
		{[]any{"p50-sec/msg", 1.0, "p50-sec/msg", 9.9}, ""},
		{[]any{"p50-sec/msg", 1.0, "p50-sec/msg", 10.0}, "p50"},
		{[]any{"p50-sec/msg", 0.0, "p50-sec/msg", 10.0}, ""},
		{[]any{"server-cpu-sec/msg", 30.0, "server-cpu-sec/msg", 3.0}, "server CPU"},
		{[]any{"deliveries/s", 1.0, "deliveries/s", 11.0}, "deliveries"},
		{[]any{"wire-B/msg", 1.0, "wire-B/msg", 100.0}, ""},
		{[]any{"server-allocs/msg", 1.0, "server-allocs/msg", 100.0}, ""},
		// Not a column: the slowest message is always another.
		{[]any{"max-sec/msg", 1.0, "max-sec/msg", 100.0}, ""},
		{[]any{"p50-sec/msg", 1.0, "p99-sec/msg", 1.0, "p50-sec/msg", 20.0, "p99-sec/msg", 20.0}, "p50, p99"},
	} {
		run := newRun()
		half := len(tt.figures) / 2
		run.Cells = []record.Cell{
			measured(echo, "raw", 1, append(tt.figures[:half:half], "connect-reqs", 1.0)...),
			measured(echo, "raw", 2, append(tt.figures[half:], "connect-reqs", 1.0)...),
		}
		var got []string
		for _, n := range newPage(run).tables[0].notes {
			if n.label != "doubt" || n.who != "raw" {
				t.Errorf("%v: note %+v", tt.figures, n)
			}
			got = append(got, n.lines...)
		}
		want := []string{text + tt.want + ": the median says little"}
		if tt.want == "" {
			want = nil
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: got %q, want %q", tt.figures, got, want)
		}
	}
}

// TestVerdicts looks for what is said of them once in a report.
func TestVerdicts(t *testing.T) {
	few, many := runs()["usual"], runs()["attributed"]
	for name, tt := range map[string]struct {
		run             *record.Run
		tooFew, verdict bool
	}{
		"few":  {few, true, true}, // of times, and of bytes
		"many": {many, false, true},
		"none": {runs()["partial"], false, false},
	} {
		p := newPage(tt.run)
		if got := p.verdict != ""; got != tt.tooFew {
			t.Errorf("%s: %q", name, p.verdict)
		}
		explained := slices.ContainsFunc(p.columns, func(e entry) bool {
			return strings.HasPrefix(e.name, mark) &&
				strings.Contains(e.text, "p < .05") && strings.Contains(e.text, "3 %")
		})
		if explained != tt.verdict {
			t.Errorf("%s: the mark is explained: %t", name, explained)
		}
	}
	// What is marked is what is not different.
	marked, unmarked := 0, 0
	for _, tab := range newPage(many).tables {
		for _, r := range slices.Concat(tab.grid.rows, tab.attribution.rows) {
			for _, c := range r.cells {
				if strings.HasPrefix(c.ratio, mark) != (c.verdict == stats.NotDifferent) {
					t.Errorf("%s: %+v", r.name, c)
				}
				switch c.verdict {
				case stats.NotDifferent:
					marked++
				case stats.Different:
					unmarked++
				}
			}
		}
	}
	if marked == 0 || unmarked == 0 {
		t.Errorf("%d marked, %d not", marked, unmarked)
	}
}

func TestTitle(t *testing.T) {
	for want, c := range map[string]scenarios.Case{
		"s / echo: 1 client, 128 B body, 200 messages/s": echo,
		"s / rooms: 1000 clients, 100 rooms, 32 B body":  {Name: "rooms", Clients: 1000, Rooms: 100, Size: 32},
		"s / connect: 1 client, 20 times in a round":     join,
	} {
		if got := title(record.Group{Scenario: "s", Case: c}); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
