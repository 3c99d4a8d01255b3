package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"wsvsio/bench"
	"wsvsio/internal/codesize"
	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// The code of a stack is counted, and whose stack has none of its own says so.
func TestSizes(t *testing.T) {
	counted := 0
	counts := codesize.Counts{Statements: 7}
	z := &sizes{root: "/repository", measure: func(_ context.Context, root string) (*codesize.Report, error) {
		counted++
		if root != "/repository" {
			t.Errorf("counted in %s", root)
		}
		return &codesize.Report{
			Files:    []codesize.File{{Scenario: "broadcast", Language: codesize.Go, Side: codesize.Raw, Source: &codesize.Source{Counts: counts}}},
			Linked:   []codesize.Linked{{Side: codesize.Raw, Modules: []string{"m"}}},
			Problems: []codesize.Problem{{At: "/repository/x.go", Lost: "it", Why: "it is bad"}},
		}, nil
	}}
	run := func(stack, name string) (cell record.Cell, err error) {
		err = z.Run(t.Context(), nil, scenarios.Stack{Name: stack}, scenarios.Case{Name: name}, cellRecorder{&cell})
		return cell, err
	}
	for _, tt := range []struct {
		stack, name, unit string
		want              float64
	}{{"rawws", "chat", "statements", 7}, {"rawws", "libraries", "modules", 1}} {
		cell, err := run(tt.stack, tt.name)
		if v, ok := cell.Value(tt.unit); err != nil || !ok || v != tt.want {
			t.Errorf("%s, %s: %v, %v", tt.stack, tt.name, v, err)
		}
		if len(cell.Doubts) != 1 || strings.Contains(cell.Doubts[0], "/repository") {
			t.Errorf("doubts %q", cell.Doubts)
		}
	}
	for _, tt := range []struct{ stack, name, want string }{
		{"sio", "chat", "there is no code for it"},
		{"rawws", "fallback", "there is no code for it"},
		{"sio-js", "chat", "it has no code of its own"},
	} {
		if _, err := run(tt.stack, tt.name); !errors.Is(err, scenarios.ErrUnsupported) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: %v, want %q", tt.stack, tt.name, err, tt.want)
		}
	}
	at("", []bench.Part{{Scenario: z}})
	if _, err := run("rawws", "chat"); !errors.Is(err, scenarios.ErrUnsupported) || !strings.Contains(err.Error(), "run compare from inside the repository") {
		t.Errorf("outside of the repository: %v", err)
	}
	if counted != 4 {
		t.Errorf("counted %d times", counted)
	}
}

// cellRecorder writes into a cell.
type cellRecorder struct{ *record.Cell }

func (r cellRecorder) Value(unit string, v float64) {
	r.Values = append(r.Values, record.Value{Unit: unit, V: v})
}
func (cellRecorder) Label(string, string)          {}
func (cellRecorder) Event(scenarios.Event)         {}
func (cellRecorder) Histogram(scenarios.Histogram) {}
func (r cellRecorder) Doubt(text string)           { r.Doubts = append(r.Doubts, text) }

// However many cells there are, the code is counted once.
func TestSizesOnce(t *testing.T) {
	z := newSizes()
	first, err := z.measure(t.Context(), t.TempDir())
	again, other := z.measure(t.Context(), t.TempDir())
	if first != again || err == nil || !errors.Is(other, err) {
		t.Errorf("%p, %v; then %p, %v", first, err, again, other)
	}
}
