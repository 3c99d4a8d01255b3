package bench

import (
	"context"
	"errors"
	"strings"
	"testing"

	"wsvsio/internal/codesize"
	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// The code of a stack is counted, and whose stack has none of its own says so.
func TestSizes(t *testing.T) {
	counted := 0
	counts := codesize.Counts{Statements: 7}
	z := &sizes{measure: func(_ context.Context, root string) (*codesize.Report, error) {
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
	env := NewEnv(t.Context(), Machine{Root: "/repository"})
	defer env.Close()
	run := func(env *Env, stack, name string) (record.Cell, error) {
		var cell record.Cell
		err := z.Run(t.Context(), env, scenarios.Stack{Name: stack}, scenarios.Case{Name: name}, recorder{&cell})
		return cell, err
	}
	for _, tt := range []struct {
		stack, name, unit string
		want              float64
	}{{"rawws", "chat", "statements", 7}, {"rawws", "libraries", "modules", 1}} {
		cell, err := run(env, tt.stack, tt.name)
		if v, ok := cell.Value(tt.unit); err != nil || !ok || v != tt.want {
			t.Errorf("%s, %s: %v, %v", tt.stack, tt.name, v, err)
		}
		if len(cell.Doubts) != 1 || strings.Contains(cell.Doubts[0], "/repository") {
			t.Errorf("doubts %q", cell.Doubts)
		}
	}
	nowhere := NewEnv(t.Context(), Machine{})
	defer nowhere.Close()
	for _, tt := range []struct {
		env         *Env
		stack, name string
		want        string
	}{
		{env, "sio", "chat", "there is no code for it"},
		{env, "rawws", "fallback", "there is no code for it"},
		{env, "sio-js", "chat", "it has no code of its own"},
		{nowhere, "rawws", "chat", "run compare from inside the repository"},
	} {
		if _, err := run(tt.env, tt.stack, tt.name); !errors.Is(err, scenarios.ErrUnsupported) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s, %s: %v, want %q", tt.stack, tt.name, err, tt.want)
		}
	}
	if counted != 4 {
		t.Errorf("counted %d times", counted)
	}
}

// However many cells there are, the code is counted once.
func TestSizesOnce(t *testing.T) {
	z := newSizes()
	first, err := z.measure(t.Context(), t.TempDir())
	again, other := z.measure(t.Context(), t.TempDir())
	if first != again || err == nil || !errors.Is(other, err) {
		t.Errorf("%p, %v; then %p, %v", first, err, again, other)
	}
}
