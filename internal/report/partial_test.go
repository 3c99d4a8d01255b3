package report

import (
	"bytes"
	"strings"
	"testing"

	"wsvsio/internal/record"
)

// A run that ended early names the cases of which there is nothing.
func TestMissingCases(t *testing.T) {
	run := newRun()
	run.Partial, run.Why = true, "interrupted."
	run.Planned = []record.Planned{{Scenario: "broadcast", Case: echo},
		{Scenario: "broadcast", Case: steady}, {Scenario: "broadcast", Case: join}}
	run.Cells = steadyCells(steady)[:1]
	const want = "interrupted. Nothing is recorded of " +
		"broadcast / echo: 1 client, 128 B body, 200 messages/s; of " +
		"broadcast / connect: 1 client, 20 times in a round"
	if got := partial(run); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, view := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return Table(b, run) },
		func(b *bytes.Buffer) error { return Markdown(b, run) },
		func(b *bytes.Buffer) error { return JSON(b, run) },
	} {
		var b bytes.Buffer
		if err := view(&b); err != nil {
			t.Fatal(err)
		}
		if text := b.String(); !strings.Contains(text, "broadcast / connect: 1 client") && !strings.Contains(text, `"missing"`) {
			t.Errorf("does not say what is missing:\n%s", text)
		}
	}
	run.Cells = append(steadyCells(echo), append(steadyCells(steady), steadyCells(join)...)...)
	if got := partial(run); got != "interrupted" {
		t.Errorf("all cases begun: %s", got)
	}
	run.Why = ""
	if got := partial(run); got != "no reason was recorded" {
		t.Errorf("no reason: %s", got)
	}
	run.Partial = false
	if got := partial(run); got != "" {
		t.Errorf("a whole run: %s", got)
	}
}
