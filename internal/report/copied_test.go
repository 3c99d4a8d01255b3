package report

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"testing"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// TestCopied shows a text of several lines as it was, in whole, and one of a
// single line as any other.
func TestCopied(t *testing.T) {
	config := "# proxy 1.2\nserver {\n\tlocation / {\n\n\t\tpass \x1b[31m``` `x`;\n\t}\n" + strings.Repeat("\tmore;\n", 20) + "}\n"
	run := &record.Run{
		Stacks: []scenarios.Stack{{Name: "a"}, {Name: "b"}},
		Cells: []record.Cell{
			{Scenario: "s", Case: scenarios.Case{Name: "x", Clients: 1}, Stack: "a", Round: 1, Values: []record.Value{{Unit: "works", V: 1}},
				Labels: map[string]string{"configuration": config, "said": "\tone line"}},
			{Scenario: "s", Case: scenarios.Case{Name: "x", Clients: 1}, Stack: "b", Round: 1, Values: []record.Value{{Unit: "works", V: 1}},
				Labels: map[string]string{"configuration": config}},
		},
	}
	more := strings.Repeat("        more;\n", 20)
	for name, tt := range map[string]struct {
		write func(io.Writer, *record.Run) error
		want  []string
	}{
		"terminal": {Table, []string{
			"\n configuration: a, b:\n    # proxy 1.2\n    server {\n        location / {\n            pass [31m``` `x`;\n        }\n" + more + "    }\n",
			"\n said: a: one line\n",
		}},
		"Markdown": {Markdown, []string{
			"\n- **configuration**: a, b\n\n  ````\n  # proxy 1.2\n  server {\n      location / {\n          pass [31m``` `x`;\n      }\n" +
				strings.ReplaceAll(more, "        ", "      ") + "  }\n  ````\n",
			"\n- **said**: a: one line\n",
		}},
	} {
		var b bytes.Buffer
		if err := tt.write(&b, run); err != nil {
			t.Fatal(err)
		}
		for _, want := range tt.want {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%s:\n%s\nlacks\n%s", name, b.String(), want)
			}
		}
	}
}

// TestDefects names those of the stacks and scenarios that were measured, each
// once.
func TestDefects(t *testing.T) {
	cell := func(scenario, stack string) record.Cell {
		return record.Cell{Scenario: scenario, Case: scenarios.Case{Name: "x", Clients: 1}, Stack: stack, Round: 1}
	}
	run := &record.Run{
		Stacks: []scenarios.Stack{
			{Name: "a", Defects: map[string][]string{"s": {"it | leaks", "it\x1b lies"}, "other": {"not asked"}}},
			{Name: "b", Defects: map[string][]string{"s": {"it | leaks"}}},
			{Name: "c", Defects: map[string][]string{"s": {"not run"}}},
		},
		Cells: []record.Cell{cell("s", "a"), cell("s", "b"), cell("other", "c")},
	}
	if got, want := defects(run), []entry{{"a, b", "it | leaks"}, {"a", "it lies"}}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	var text, markdown bytes.Buffer
	if err := Table(&text, run); err != nil {
		t.Fatal(err)
	}
	if err := Markdown(&markdown, run); err != nil {
		t.Fatal(err)
	}
	for view, want := range map[*bytes.Buffer]string{
		&text:     "\n" + defectsTitle + "\n  a, b: it | leaks\n  a: it lies\n\n",
		&markdown: "\n### D" + defectsTitle[1:] + "\n\n- **a, b**: it \\| leaks\n- **a**: it lies\n\n",
	} {
		if !strings.Contains(view.String(), want) {
			t.Errorf("%s\nlacks\n%s", view, want)
		}
	}
}
