package codesize

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// golden compares a text with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	name = filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as %s has it; if that is right: go test ./internal/codesize -update\n%s", name, got)
	}
}

// files are the texts of a tree, by path.
type files map[string]string

// sound is a tree with a pair in each language.
func sound() files {
	return files{
		"rawws/server.go":             "package rawws\n\nfunc A() {}\n\nfunc B() {}\n\n// What follows is by hand because of that.\n\nfunc c() {}\n",
		"sio/server.go":               "package sio\n\nfunc A() {}\n\nfunc x() {}\n\nfunc B() {}\n",
		"rawws/server_test.go":        "package rawws\n",
		"rawws/node/server.mjs":       "function a() {\n  function f() {}\n  function g() {}\n}\nconst b = 1;\n",
		"sio/node/server.mjs":         "function a() {\n  function f() {}\n  async function g() {}\n}\nconst b = 1;\n",
		"sio/node/node_modules/x.mjs": "not read",
	}
}

// write writes the tree into a folder and returns that.
func (f files) write(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	for path, text := range f {
		name := filepath.Join(root, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
