package main

import (
	"bytes"
	"strings"
	"testing"

	"wsvsio/bench"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
	"wsvsio/scenarios"
)

// TestAttribution finds every effect that the report can tell of in a run of
// all stacks: it knows them by their names.
func TestAttribution(t *testing.T) {
	run := record.Run{Rounds: 1, Stacks: bench.Stacks()}
	for _, s := range run.Stacks {
		run.Cells = append(run.Cells, record.Cell{
			Scenario: "s", Case: scenarios.Case{Name: "c"}, Stack: s.Name, Round: 1,
			Values: []record.Value{{Unit: "p50-sec/msg", V: 1}},
		})
	}
	var text bytes.Buffer
	if err := report.Markdown(&text, &run); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"protocol, Go: sio / rawws", "protocol, Node: sio-node / rawws-node", "protocol, Go / Node: ",
		"implementation, raw: rawws / rawws-node", "implementation, Socket.IO: sio / sio-node",
		"envelope, Go: rawws / bare", "envelope, Node: rawws-node / bare-node",
	} {
		if !strings.Contains(text.String(), "\n| "+want) {
			t.Errorf("the report lacks %q:\n%s", want, &text)
		}
	}
}
