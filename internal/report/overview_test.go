package report

import (
	"strings"
	"testing"

	"wsvsio/scenarios"
)

// An overview has the cases of a scenario that is measured with several
// parameters, in Go and in Node, and leaves out what has no figure anywhere.
func TestOverview(t *testing.T) {
	run := newRun()
	const cpu, bytes = "server-cpu-sec/msg", "wire-B/msg"
	for round := 1; round <= 6; round++ {
		noise := 1 + 0.01*float64(round)
		for _, size := range []int{128, 4096} {
			c := steady
			c.Size = size
			for stack, v := range map[string]float64{"rawws": 10e-6, "sio": 25e-6} {
				run.Cells = append(run.Cells, measured(c, stack, round, cpu, v*noise))
			}
		}
		once := scenarios.Case{Name: "slow-reader", Clients: 100, Once: true}
		run.Cells = append(run.Cells, measured(once, "rawws", round, bytes, 1.0), measured(once, "sio", round, bytes, 2.0))
	}
	g := overview(run.Group())
	if len(g.rows) != 2 || strings.Join(g.head, "; ") != "server CPU, Go" {
		t.Fatalf("%d rows, %q", len(g.rows), g.head)
	}
	for i, size := range []string{"128 B", "4096 B"} {
		r := g.rows[i]
		if !strings.HasPrefix(r.name, "steady: ") || !strings.Contains(r.name, size) || r.cells[0].ratio != "2.5x" || r.cells[0].tested {
			t.Errorf("%+v", r)
		}
	}
	var text strings.Builder
	if err := Markdown(&text, run); err != nil || !strings.Contains(text.String(), "## broadcast / overview: Socket.IO, times a plain WebSocket") {
		t.Errorf("%v: %s", err, text.String())
	}
	// Cases that are there once say it in their own tables.
	run.Cells = append(run.Cells[:0], measured(steady, "rawws", 1, cpu, 1.0), measured(steady, "sio", 1, cpu, 2.0))
	if g := overview(run.Group()); len(g.rows) != 0 {
		t.Errorf("%+v", g)
	}
}
