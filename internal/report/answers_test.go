package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// recordedRun reads a run that is kept in the repository.
func recordedRun(t *testing.T, name string) *record.Run {
	t.Helper()
	run, problems, err := record.Read(filepath.Join("../../results", name))
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	return run
}

// decision are the runs that the README decides on.
var decision = []string{"2026-11-27-full", "2026-11-28-proxy", "2026-11-27-fallback", "2026-11-27-size", "2026-11-25-quick", "2026-11-28-reconnect-defaults", "2026-11-25-reconnect-faults"}

// What recorded runs make of the claims. A rule that is changed shows here.
func TestRecordedVerdicts(t *testing.T) {
	ids := []string{"overhead", "single-connection", "broadcast", "proxies", "fallback", "reconnect", "api"}
	const (
		yes, part, none = scenarios.Holds, scenarios.HoldsInPart, scenarios.NotMeasured
	)
	read := make(map[string]*record.Run)
	for _, tt := range []struct {
		runs []string
		want []scenarios.Answer
	}{
		{[]string{"2026-11-27-full"}, []scenarios.Answer{part, yes, none, none, none, none, none}},
		{[]string{"2026-11-25-quick"}, []scenarios.Answer{part, yes, none, none, none, yes, none}},
		{[]string{"2026-11-25-go-alone"}, []scenarios.Answer{part, yes, none, none, none, none, none}},
		{[]string{"2026-11-25-envelope"}, []scenarios.Answer{none, none, none, none, none, none, none}},
		{[]string{"2026-11-28-reconnect-defaults"}, []scenarios.Answer{none, none, none, none, none, yes, none}},
		{[]string{"2026-11-25-reconnect-faults"}, []scenarios.Answer{none, none, none, none, none, yes, none}},
		{[]string{"2026-11-25-reconnect-crowds"}, []scenarios.Answer{none, none, none, none, none, none, none}},
		{[]string{"2026-11-28-proxy"}, []scenarios.Answer{none, none, none, part, none, none, none}},
		{[]string{"2026-11-27-fallback"}, []scenarios.Answer{none, none, none, none, part, none, none}},
		{[]string{"2026-11-27-size"}, []scenarios.Answer{none, none, none, none, none, none, part}},
		{decision, []scenarios.Answer{part, yes, yes, part, part, yes, part}},
	} {
		var runs []*record.Run
		for _, name := range tt.runs {
			if read[name] == nil {
				read[name] = recordedRun(t, name)
			}
			runs = append(runs, read[name])
		}
		var evidence []scenarios.Evidence
		verdicts := Verdicts(runs...)
		for i, v := range verdicts {
			if v.Claim.ID != ids[i] || v.Answer != tt.want[i] {
				t.Errorf("%v: %s %s (%s), want %s", tt.runs, v.Claim.ID, v.Answer, v.Reason, tt.want[i])
			}
			evidence = append(evidence, v.Evidence...)
		}
		for _, a := range Advise(runs...) {
			evidence = append(evidence, a.Evidence...)
		}
		for _, e := range BreakEvens(runs...) {
			evidence = append(evidence, e.Evidence...)
		}
		cited(t, runs, evidence)
	}
}

// cited checks that the evidence stands in the run that it names.
func cited(t *testing.T, runs []*record.Run, list []scenarios.Evidence) {
	t.Helper()
	there := make([]map[string]bool, len(runs))
	for i, run := range runs {
		there[i] = make(map[string]bool)
		for _, c := range run.Cells {
			cell := c.Scenario + "|" + c.Case.String() + "|" + c.Stack + "|"
			for _, unit := range c.Units() {
				there[i][cell+unit] = true
			}
			for key := range c.Labels {
				there[i][cell+key] = true
			}
		}
	}
	for _, e := range list {
		if !there[e.Run][e.Scenario+"|"+e.Case+"|"+e.Stack+"|"+e.Unit] {
			t.Errorf("no cell for %+v", e)
		}
	}
}

// All of the advice is said by the runs that the README decides on.
func TestRecordedAdvice(t *testing.T) {
	var runs []*record.Run
	for _, name := range decision {
		runs = append(runs, recordedRun(t, name))
	}
	var got []string
	for _, a := range Advise(runs...) {
		got = append(got, a.Situation+": "+a.Choice)
	}
	want := []string{
		"browser clients behind unknown proxies: over https: either; over plain http: Socket.IO on Node in its default order (sticky sessions with several nodes)",
		"a Go backend (Socket.IO is go-socket.io 1.7 here): a plain WebSocket, with reconnection and heartbeat by hand",
		"a Node backend: either; a plain WebSocket then needs reconnection with a heartbeat by hand",
		"high fan-out: in Go a plain WebSocket, in Node either",
		"many idle clients: a plain WebSocket",
		"must not lose messages: store them outside of the chat server; for a short break a plain WebSocket with sessions that go on, by hand, or socket.io 4 with recovery and retries, which may deliver twice",
		"several nodes behind a balancer: a plain WebSocket, or Socket.IO on websocket only, which gives up the fallback, or with sticky sessions (not go-socket.io)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	for _, e := range BreakEvens(runs...) {
		if e.SocketIO == "" {
			t.Errorf("%s, %s: %s", e.Runtime, e.What, e.Reason)
		}
	}
}

// Ratios in the answers are those of the tables.
func TestAnswersHoldTable(t *testing.T) {
	run := recordedRun(t, "2026-11-25-quick")
	for _, g := range run.Group() {
		if g.Scenario != "broadcast" || g.Case.Once {
			continue
		}
		for _, r := range g.Rows {
			for _, unit := range []string{"server-cpu-sec/msg", "p50-sec/msg", "wire-B/msg"} {
				want, ok := g.Ratio(r, unit)
				got, there := newHeld([]*record.Run{run}).Ratio(scenarios.Place{Scenario: "broadcast", Case: g.Case.Name, Stack: r.Stack.Name, Unit: unit}, r.Stack.Twin)
				if ok != there || ok && got.Estimate != want.Estimate {
					t.Errorf("%s, %s, %s: %v %t, the table has %v %t", g.Case.Name, r.Stack.Name, unit, got.Estimate, there, want.Estimate, ok)
				}
			}
		}
	}
}

// Of what several runs have measured the first counts, and the case with the
// usual parameters before others of its name.
func TestFirstCounts(t *testing.T) {
	one, two := newRun(), newRun()
	large := steady
	large.Size = 4096
	one.Cells = []record.Cell{measured(large, "rawws", 1, "server-cpu-sec/msg", 9e-6), measured(steady, "rawws", 1, "server-cpu-sec/msg", 5e-6)}
	two.Cells = []record.Cell{measured(steady, "rawws", 1, "server-cpu-sec/msg", 7e-6), measured(echo, "rawws", 1, "server-cpu-sec/msg", 1e-6)}
	m := newHeld([]*record.Run{one, two})
	for name, want := range map[string]struct {
		v   float64
		run int
	}{"steady": {5e-6, 0}, "echo": {1e-6, 1}} {
		f, ok := m.Figure(scenarios.Place{Scenario: "broadcast", Case: name, Stack: "rawws", Unit: "server-cpu-sec/msg"})
		if !ok || f.Median != want.v || f.Run != want.run {
			t.Errorf("%s: %+v, %t", name, f, ok)
		}
	}
}

// Of idle clients the case with most of them counts, of whichever run, and of a
// pair of stacks the one in which both were measured.
func TestMostIdleCount(t *testing.T) {
	small, large := scenarios.Case{Name: "idle", Clients: 1000}, scenarios.Case{Name: "idle", Clients: 10_000}
	one, two, three := newRun(), newRun(), newRun()
	const unit = "server-B/conn"
	one.Cells = []record.Cell{measured(small, "rawws", 1, unit, 24e3), measured(small, "sio", 1, unit, 54e3), measured(small, "floor", 1, unit, 21e3)}
	two.Cells = []record.Cell{measured(small, "rawws", 1, unit, 1.0), measured(large, "rawws", 1, unit, 22e3), measured(large, "sio", 1, unit, 50e3)}
	three.Cells = []record.Cell{measured(large, "floor", 1, unit, 20e3)}
	m := newHeld([]*record.Run{one, two, three})
	for other, want := range map[string][3]float64{"sio": {22e3, 50e3, 1}, "floor": {24e3, 21e3, 0}} {
		a, b, ok := m.Both(scenarios.Place{Scenario: "broadcast", Case: "idle", Stack: "rawws", Unit: unit}, other)
		if !ok || a.Median != want[0] || b.Median != want[1] || a.Run != int(want[2]) || b.Run != a.Run || a.Full != b.Full {
			t.Errorf("%s: %+v and %+v, %t", other, a, b, ok)
		}
	}
	if _, _, ok := m.Both(scenarios.Place{Scenario: "broadcast", Case: "idle", Stack: "rawws", Unit: unit}, "sio-node"); ok {
		t.Error("a stack that was not measured has a figure")
	}
	for _, runs := range [][]*record.Run{{one, two}, {two, one}} {
		for _, e := range BreakEvens(runs...) {
			if e.Runtime == "Go" && strings.HasPrefix(e.What, "memory") && (e.Plain != "22 kB" || e.SocketIO != "50 kB" || !strings.Contains(e.Reason, "10000 connections")) {
				t.Errorf("%+v", e)
			}
		}
	}
}

// A label counts if all rounds agree on it.
func TestLabelsOfAllRounds(t *testing.T) {
	run := newRun()
	for round, text := range []string{"polling", "hangs", "polling"} {
		c := measured(steady, "rawws", round+1)
		c.Labels = map[string]string{"same": "polling", "differs": text}
		run.Cells = append(run.Cells, c)
	}
	for key, want := range map[string]string{"same": "polling", "differs": "differs between rounds (polling; hangs)"} {
		f, ok := newHeld([]*record.Run{run}).Label(scenarios.Place{Scenario: "broadcast", Case: "steady", Stack: "rawws", Unit: key})
		if !ok || f.Text != want || f.N != 3 {
			t.Errorf("%s: %+v, %t", key, f, ok)
		}
	}
}

// What is in doubt about advice and figures stands in every full view, and the
// rules of the advice beside those of the claims.
func TestDoubtsAreShown(t *testing.T) {
	run := recordedRun(t, "2026-11-25-quick")
	const doubt = "measured once, so that nobody knows how far it varies"
	for view, write := range map[string]func(*bytes.Buffer) error{
		"answers":  func(b *bytes.Buffer) error { return Answers(b, run) },
		"markdown": func(b *bytes.Buffer) error { return AnswersMarkdown(b, run) },
		"claims":   func(b *bytes.Buffer) error { return Claims(b, []string{"x"}, run) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			t.Fatal(err)
		}
		text := strings.Join(strings.Fields(b.String()), " ")
		if strings.Count(text, doubt) < 2 || view == "claims" && !strings.Contains(text, Advise(run)[0].Rule) {
			t.Errorf("%s lacks a doubt or a rule: %s", view, text)
		}
	}
}

// A run with little in it says what is missing, and why.
func TestMissing(t *testing.T) {
	run := newRun()
	run.LeftOut = []record.LeftOut{{Stack: "sio-node-reconnect", Reason: "needs Node,\x1b[2J which was not found", Mend: "apt install nodejs"}}
	failed := measured(steady, "rawws", 1)
	failed.Error = "boom"
	barred := measured(steady, "floor", 1)
	barred.Unsupported = scenarios.Unsupported("it is not here").Error()
	run.Cells = []record.Cell{failed, barred}
	m := newHeld([]*record.Run{run})
	for _, tt := range []struct{ scenario, name, stack, want string }{
		{"broadcast", "steady", "rawws", "broadcast / steady of rawws failed"},
		{"broadcast", "steady", "floor", "broadcast / steady of floor is n/a: it is not here"},
		{"broadcast", "echo", "rawws", "broadcast / echo of rawws is not in the run"},
		{"reconnect", "reset", "sio-node-reconnect", "reconnect / reset of sio-node-reconnect was left out: needs Node,[2J which was not found, to add it: apt install nodejs"},
	} {
		if got := m.Why(scenarios.Place{Scenario: tt.scenario, Case: tt.name, Stack: tt.stack, Unit: "p50-sec/msg"}); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
	var b bytes.Buffer
	if err := Summary(&b, run); err != nil || !strings.Contains(b.String(), "No claim is decided") {
		t.Errorf("%v, %s", err, b.String())
	}
}

// The answers of a run that is partial, empty, or full of markup and control
// characters can be read in every view.
func TestAnswersOfBadRuns(t *testing.T) {
	const text = "<b>|x|\x1b[2J\u202e`*"
	hostile := recordedRun(t, "2026-11-25-quick")
	for i := range hostile.Cells {
		c := &hostile.Cells[i]
		c.Doubts = append(c.Doubts, text)
		for key := range c.Labels {
			c.Labels[key] = text
		}
	}
	hostile.Partial, hostile.Why = true, text
	ways := recordedRun(t, "2026-11-27-fallback")
	for i := range ways.Cells {
		for key := range ways.Cells[i].Labels {
			ways.Cells[i].Labels[key] = text
		}
	}
	all := runs()
	all["hostile"], all["ways"] = hostile, ways
	for name, run := range all {
		for view, write := range map[string]func(*bytes.Buffer) error{
			"answers":  func(b *bytes.Buffer) error { return Answers(b, run) },
			"summary":  func(b *bytes.Buffer) error { return Summary(b, run) },
			"markdown": func(b *bytes.Buffer) error { return AnswersMarkdown(b, run) },
			"claims":   func(b *bytes.Buffer) error { return Claims(b, []string{text, "y"}, run, run) },
		} {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				t.Fatal(name, view, err)
			}
			if i := bytes.IndexFunc(b.Bytes(), unseen); i >= 0 {
				t.Errorf("%s, %s: a terminal would obey %q", name, view, b.Bytes()[i:])
			}
			if view == "markdown" && strings.Contains(b.String(), "<b>") {
				t.Errorf("%s: Markdown has markup of the run", name)
			}
			if run.Partial && view != "summary" && !strings.Contains(b.String(), "PARTIAL RUN") {
				t.Errorf("%s, %s does not say that the run is partial", name, view)
			}
		}
	}
}

// JSON has all of the answers.
func TestJSONAnswers(t *testing.T) {
	run := recordedRun(t, "2026-11-25-quick")
	var b bytes.Buffer
	if err := JSON(&b, run); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Advice     []struct{ Situation, Choice, Reason string }
		BreakEvens []struct{ Runtime, What, SocketIO string }
		Verdicts   []struct {
			ID, Answer, Reason, Whose string
			Evidence                  []struct{ Case, Stack, Unit string }
			Doubts                    []string
		}
	}
	if err := json.Unmarshal(b.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for i, v := range Verdicts(run) {
		d := doc.Verdicts[i]
		if d.ID != v.Claim.ID || d.Answer != string(v.Answer) || d.Reason != v.Reason || d.Whose != v.Whose || len(d.Evidence) != len(v.Evidence) || !slices.Equal(d.Doubts, v.Doubts) {
			t.Errorf("%+v\nis not %+v", d, v)
		}
	}
	if len(doc.Advice) != len(Advise(run)) || len(doc.BreakEvens) != len(BreakEvens(run)) {
		t.Errorf("%d pieces of advice, %d figures", len(doc.Advice), len(doc.BreakEvens))
	}
}

// Doubts that are of the clock alone are not held against bytes and CPU.
func TestDoubtsThatTouch(t *testing.T) {
	const late, busy, node, other = "the sender was more than 1.5 ms late at p99", "the load generator used more than 50 % of a core",
		"Node compiles as it goes: twice the warm-up changes its CPU by some percent", "something else"
	for unit, want := range map[string]string{
		"p50-sec/msg": "late busy node other", "server-cpu-sec/msg": "node other", "wire-B/msg": "other", "connect-conns": "other", "deliveries/s": "busy node other",
	} {
		var got []string
		for _, d := range [][2]string{{"late", late}, {"busy", busy}, {"node", node}, {"other", other}, {"p99", "the p99 is of 5 messages a round"}} {
			if touches(d[1], record.UnitOf(unit)) {
				got = append(got, d[0])
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(strings.Fields(want)) {
			t.Errorf("%s: %v, want %s", unit, got, want)
		}
	}
}
