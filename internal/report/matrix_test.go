package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// TestMatrix holds each kind of outcome against what stands for it.
func TestMatrix(t *testing.T) {
	run := &record.Run{Stacks: []scenarios.Stack{{Name: "a"}, {Name: "stack-b-default"}, {Name: "c"}}}
	add := func(name, stack string, round int, works float64, labels map[string]string) {
		run.Cells = append(run.Cells, record.Cell{
			Scenario: "s", Case: scenarios.Case{Name: name, Clients: 1}, Stack: stack, Round: round, N: 1,
			Values: []record.Value{{Unit: "works", V: works}}, Labels: labels,
		})
	}
	fails := func(name, stack string, c record.Cell) {
		c.Scenario, c.Case, c.Stack, c.Round = "s", scenarios.Case{Name: name, Clients: 1}, stack, 1
		run.Cells = append(run.Cells, c)
	}
	over := func(transport string) map[string]string { return map[string]string{"transport": transport} }
	add("open", "a", 1, 1, over("websocket"))
	add("open", "stack-b-default", 1, 1, over("websocket"))
	add("open", "stack-b-default", 2, 0.5, over("polling"))
	add("open", "c", 1, 1, nil)
	add("shut", "a", 1, 0, map[string]string{"error": "403"})
	add("shut", "stack-b-default", 1, 0, nil)
	fails("shut", "c", record.Cell{Unsupported: "not applicable: no"})
	add("torn", "a", 1, 1, over("p|q\x1b"))
	fails("torn", "stack-b-default", record.Cell{Error: "broken"})
	// Of a case that does not ask there is no row.
	fails("other", "a", record.Cell{N: 1, Values: []record.Value{{Unit: "lost", V: 1}}})

	var b bytes.Buffer
	if err := Markdown(&b, run); err != nil {
		t.Fatal(err)
	}
	part, _, _ := strings.Cut(b.String(), "\n## s / open")
	got := regexp.MustCompile(`[ :-]*\|[ :-]*`).ReplaceAllString(part, "|")
	want := "## s / matrix: what gets through\n\n" +
		"|case|a|stack-b-default|c|\n" +
		"|open|ws|75 % polling/ws|works|\n" +
		"|shut|403|fails|n/a|\n" +
		"|torn|p\\|q|failed|not run|\n"
	got = strings.ReplaceAll(got, "|\n|\n", "|\n")
	if !strings.HasPrefix(strings.ReplaceAll(got, "|||||\n", ""), want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	b.Reset()
	if err := Table(&b, run); err != nil {
		t.Fatal(err)
	}
	if head := strings.Split(b.String(), "\n")[1:3]; !strings.Contains(head[0], "stack-b- │") || !strings.Contains(head[1], "default") {
		t.Errorf("a long name is not broken: %q", head)
	}

	// One case has no matrix: its own table says it all.
	run.Cells = run.Cells[:4]
	b.Reset()
	if err := Markdown(&b, run); err != nil || strings.Contains(b.String(), "matrix") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

// TestMatrixOfOne has a case that tries several things at once, on more stacks
// than there are things: the stacks go from top to bottom.
func TestMatrixOfOne(t *testing.T) {
	run := &record.Run{}
	for _, name := range []string{"a", "b", "c"} {
		run.Stacks = append(run.Stacks, scenarios.Stack{Name: name})
		run.Cells = append(run.Cells, record.Cell{
			Scenario: "s", Case: scenarios.Case{Name: "all", Clients: 1}, Stack: name, Round: 1, N: 1,
			Values: []record.Value{{Unit: "works", V: 1}, {Unit: "works", V: 0}},
			Labels: map[string]string{scenarios.OutcomeOf + "open": "websocket, then polling", scenarios.OutcomeOf + "shut": "fails: " + name},
		})
	}
	var b bytes.Buffer
	if err := Markdown(&b, run); err != nil {
		t.Fatal(err)
	}
	text := regexp.MustCompile(`[ :-]*\|[ :-]*`).ReplaceAllString(b.String(), "|")
	for _, want := range []string{"|stack|open|shut|", "|a|ws, then polling|a|", "|c|ws, then polling|c|"} {
		if !strings.Contains(text, want) {
			t.Errorf("lacks %s:\n%s", want, text)
		}
	}
	if strings.Contains(text, scenarios.OutcomeOf) {
		t.Errorf("what is in the matrix is under the table again:\n%s", text)
	}
}
