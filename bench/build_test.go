package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"wsvsio/internal/record"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
	"wsvsio/scenarios/broadcast"
)

// script writes a program.
func script(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

func stackNamed(t *testing.T, name string) scenarios.Stack {
	t.Helper()
	for _, s := range Stacks() {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no stack %s", name)
	return scenarios.Stack{}
}

func TestTry(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	old := script(t, `read line; echo '{"id":1,"error":"this worker speaks control protocol 0, not 1"}'; cat > /dev/null`)
	dies := script(t, "echo it is broken >&2; exit 7")
	other := stackNamed(t, "rawws")
	other.Server.Go = "morse"
	for _, tt := range []struct {
		name    string
		stack   scenarios.Stack
		binary  string
		want    string // in the error; "" is none
		version bool
	}{
		{"this program", stackNamed(t, "rawws"), "", "", false},
		{"a build", stackNamed(t, "rawws"), self, "", false},
		{"no chat", stackNamed(t, "floor"), self, "", false},
		{"an older protocol", stackNamed(t, "rawws"), old, "speaks control protocol 0", true},
		{"one that dies", stackNamed(t, "rawws"), dies, "it is broken", false},
		{"no such program", other, self, `no program "morse"`, false},
	} {
		m := Machine{Builds: map[string]Build{tt.stack.Name: {Binary: tt.binary}}}
		err := Try(t.Context(), m, tt.stack)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || errors.Is(err, worker.ErrVersion) != tt.version {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestBuilds measures a stack of a build beside one of this program: the build
// has its server and its clients, and not the load generator.
func TestBuilds(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	roles := filepath.Join(t.TempDir(), "roles")
	build := script(t, fmt.Sprintf("echo \"$WSVSIO_WORKER\" >> '%s'\nexec '%s'\n", roles, self))
	here := stackNamed(t, "rawws")
	there := here
	there.Name = "rawws@base"
	plan := Plan{
		Parts: []Part{{Scenario: broadcast.Scenario{}, Cases: []scenarios.Case{
			{Name: "echo", Clients: 1, Size: 16, Rate: 100, Window: 20_000_000},
			{Name: "connect", Clients: 1, Samples: 1},
		}}},
		Stacks: []scenarios.Stack{here, there}, Rounds: 1,
	}
	m := Machine{Builds: map[string]Build{there.Name: {Binary: build}}}
	n := 0
	err = Run(t.Context(), m, plan, nil, func(record.Cell) {}, func(c record.Cell) error {
		n++
		if c.Error != "" {
			t.Errorf("%s on %s: %s", c.Case.Name, c.Stack, c.Error)
		}
		return nil
	})
	if err != nil || n != 4 {
		t.Fatalf("%d cells, %v", n, err)
	}
	text, err := os.ReadFile(roles)
	if want := "server\nserver\nclients\n"; err != nil || string(text) != want {
		t.Errorf("the build was started as %q, %v; want %q", text, err, want)
	}
}
