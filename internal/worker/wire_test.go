package worker

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"wsvsio/scenarios"
)

var update = flag.Bool("update", false, "write the fields of the control protocol anew")

// wire is all that passes through the pipe of a worker that may be of another
// commit. The load generator is always this program: what it is told and tells is
// not in it.
var wire = []any{request{}, reply{}, Start{}, Started{}, ClientArgs{}, scenarios.Usage{}}

// inside is the struct that a type is, points to or is a list of, if it is one.
func inside(t reflect.Type) (reflect.Type, bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t, t.Kind() == reflect.Struct
}

// jsonName is what a field is called in JSON.
func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// describe lists the fields of a struct, a line each, and those of what is in it.
func describe(b *strings.Builder, path string, t reflect.Type) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := path + "." + jsonName(f)
		// How a number is called in Go is not on the wire.
		kind := f.Type.Kind().String()
		if f.Type.Kind() == reflect.Slice || f.Type.Kind() == reflect.Pointer {
			kind += " of " + f.Type.Elem().Kind().String()
		}
		fmt.Fprintf(b, "%s %s `%s`\n", name, kind, f.Tag.Get("json"))
		if inner, ok := inside(f.Type); ok {
			describe(b, name, inner)
		}
	}
}

// TestWire holds the fields of the control protocol against those of its version.
func TestWire(t *testing.T) {
	var b strings.Builder
	fmt.Fprintf(&b, "control protocol %d\n", Version)
	for _, v := range wire {
		describe(&b, reflect.TypeOf(v).Name(), reflect.TypeOf(v))
	}
	golden := filepath.Join("testdata", "wire.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("the control protocol is not that of %s: raise Version when a field has another meaning or is gone, and when there is a new one in "+
			"reply, Started or Usage, which would be read as zero of a worker without it (a new one in a request is refused by a worker that does not know it), and write the file anew: go test ./internal/worker -run TestWire -update\n%s", golden, b.String())
	}
}

// TestUnknownField gives a worker what one of its commit does not know.
func TestUnknownField(t *testing.T) {
	p := mustStart(t, Spec{Name: "clients", Start: Start{Role: Clients, Program: "test"}})
	type object = map[string]any
	for _, tt := range []struct {
		cmd  string
		args object
	}{
		{"start", object{"protocol": Version, "role": Clients, "hue": "blue"}},
		{"start", object{"protocol": Version, "role": Server, "config": object{"hue": "blue"}}},
		{"dial", object{"client": 1, "url": "http://x", "config": object{"name": "ann", "reconnect": object{"hue": 1}}}},
		{"send", object{"client": 1, "message": object{"hue": 1}}},
	} {
		err := p.Call(t.Context(), tt.cmd, tt.args, nil)
		if !errors.Is(err, ErrField) || !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), `"hue"`) {
			t.Errorf("%s %v: %v", tt.cmd, tt.args, err)
		}
	}
	// It goes on, and what it knows is no such error.
	err := p.Call(t.Context(), "dial", object{"client": 1, "config": object{"name": "ann"}}, nil)
	if err == nil || errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "nobody there") {
		t.Error(err)
	}
}

// fields are those of a struct as node/fields.mjs has them.
func fields(t reflect.Type) map[string]any {
	all := make(map[string]any)
	for i := range t.NumField() {
		f := t.Field(i)
		all[jsonName(f)] = nil
		if inner, ok := inside(f.Type); ok {
			all[jsonName(f)] = fields(inner)
		}
	}
	return all
}

// TestNodeFields holds the fields that the worker in Node knows against those of
// the requests, and gives it one that it does not know.
func TestNodeFields(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	const script = "import { start, client } from './node/fields.mjs'; console.log(JSON.stringify({ start, client }));"
	out, err := exec.CommandContext(t.Context(), node, "--input-type=module", "--eval", script).Output()
	if err != nil {
		t.Fatal(err)
	}
	var known map[string]map[string]any
	if err := json.Unmarshal(out, &known); err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]any{"start": Start{}, "client": ClientArgs{}} {
		if want := fields(reflect.TypeOf(v)); !reflect.DeepEqual(known[name], want) {
			t.Errorf("node/fields.mjs has %s with\n%v\nwant\n%v", name, known[name], want)
		}
	}

	program := filepath.Join(t.TempDir(), "client.mjs")
	if err := os.WriteFile(program, []byte("export async function dial() { return { join() {}, close() {} }; }\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	p := mustStart(t, Spec{Name: "clients", Argv: []string{node, "node/worker.mjs"}, Start: Start{Role: Clients, Program: program}})
	type object = map[string]any
	if err := p.Call(t.Context(), "dial", object{"client": 1, "config": object{"name": "ann", "reconnect": object{"hue": 1}}}, nil); !errors.Is(err, ErrField) || !strings.Contains(err.Error(), `"hue"`) {
		t.Errorf("a field that it does not know: %v", err)
	}
	err = p.Call(t.Context(), "dial", ClientArgs{Client: 1, Config: scenarios.DialConfig{Name: "ann", Reconnect: &scenarios.Reconnect{Retries: 1}}}, nil)
	if err != nil {
		t.Errorf("fields that it knows: %v", err)
	}
	if err := p.Call(t.Context(), "join", ClientArgs{Client: 1, Room: "lobby", Message: scenarios.Message{Room: "lobby"}}, nil); err != nil {
		t.Error(err)
	}
}
