package codesize

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// measured is the code of this repository, measured now.
func measured(t *testing.T) *Report {
	t.Helper()
	r, err := Measure(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// before is the same, measured once for all tests that do not change anything.
var before = sync.OnceValues(func() (*Report, error) { return Measure(context.Background(), root) })

// TestMeasure measures this repository.
func TestMeasure(t *testing.T) {
	r, err := before()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		t.Error(p)
	}
	if r.Go == "" || r.Base == 0 || len(r.Linked) != 2 || len(r.Installed) < 3 {
		t.Errorf("go %q, base %d, linked %v, installed %v", r.Go, r.Base, r.Linked, r.Installed)
	}
	for _, f := range r.Files {
		if f.Meaning == nil || f.Statements == 0 || f.Tokens == 0 || f.Lines == 0 {
			t.Errorf("%s: %+v", f.Path, f.Counts)
		}
		sum := Counts{Meaning: &Meaning{Names: []string{}}}
		for _, d := range f.Decls {
			sum.add(d.Counts)
		}
		if f.Language == Go { // the package clause
			sum.Tokens, sum.Lines = sum.Tokens+2, sum.Lines+1
		}
		if !reflect.DeepEqual(sum, f.Counts) {
			t.Errorf("%s: its declarations sum up to %+v %+v, not %+v %+v", f.Path, sum, *sum.Meaning, f.Counts, *f.Meaning)
		}
	}
	// A Redis client is in both: go-redis, which is the larger one, and redigo,
	// which go-socket.io brings along even for one node.
	if raw, sio := r.Linked[0], r.Linked[1]; raw.Over <= raw.OneNode || raw.OneNode <= 0 || sio.OneNode <= raw.OneNode || sio.Over < sio.OneNode || len(raw.Modules) <= 1 || len(sio.Modules) <= 1 {
		t.Errorf("linked %+v", r.Linked)
	}
	// What must not move between two runs, or two machines.
	again := measured(t)
	var a, b bytes.Buffer
	if err := errors.Join(r.JSON(&a), again.JSON(&b)); err != nil || a.String() != b.String() {
		t.Errorf("measured again it is not the same: %v", err)
	}
	for _, l := range r.LeftOut {
		t.Skipf("%s: %s; to add it: %s", l.What, l.Reason, l.Mend)
	}
	// As measured on 2026-11-25 with esbuild 0.28: the libraries are pinned.
	for i, want := range []int{0, 61_800, 42_100} {
		if got := r.Bundles[i].Min; want > 0 && (got < want*99/100 || got > want*101/100) {
			t.Errorf("the bundle of %s has %d bytes, not about %d", r.Bundles[i].Library, got, want)
		}
	}
}

// copyRepository copies what is measured into a folder, with the packages of
// npm behind a link.
func copyRepository(t *testing.T) string {
	t.Helper()
	to := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum", "rawws", "sio", "scenarios"} {
		err := filepath.WalkDir(filepath.Join(root, name), func(path string, d os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			rel, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			at := filepath.Join(to, rel)
			switch {
			case d.Name() == "node_modules":
				full, err := filepath.Abs(path)
				if err == nil {
					err = os.Symlink(full, at)
				}
				if err != nil {
					return err
				}
				return filepath.SkipDir
			case d.IsDir():
				return os.MkdirAll(at, 0o755)
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			return os.WriteFile(at, data, 0o644)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// problem returns the problem at a place.
func (r *Report) problem(at string) Problem {
	i := slices.IndexFunc(r.Problems, func(p Problem) bool { return p.At == at })
	if i < 0 {
		return Problem{}
	}
	return r.Problems[i]
}

// find returns the file of a path, and whether it was measured.
func (r *Report) find(path string) (File, bool) {
	i := slices.IndexFunc(r.Files, func(f File) bool { return f.Path == path })
	if i < 0 {
		return File{}, false
	}
	return r.Files[i], true
}

// TestBadInput breaks a file of each kind: each is named with what it costs, and
// all else is there.
func TestBadInput(t *testing.T) {
	dir := copyRepository(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("sio/server.go", "package sio\n\nfunc {\n")
	write("rawws/node/client.mjs", "const a = ;\n")
	write("rawws/node/package-lock.json", "{")
	r, err := Measure(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string][]string{
		"sio/server.go":                {"its figures", "3:6"},
		"sio/*.go":                     {"the error paths", "server.go"},
		"sio":                          {"links"},
		"rawws/node/client.mjs":        {"its figures", "line 1"},
		"rawws/node/package-lock.json": {"npm", "JSON"},
	} {
		text := ""
		for _, p := range r.Problems {
			if p.At == at {
				text += p.String()
			}
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %q lacks %q", at, text, w)
			}
		}
	}
	for _, path := range []string{"sio/server.go", "rawws/node/client.mjs"} {
		if _, ok := r.find(path); ok {
			t.Errorf("%s was measured", path)
		}
	}
	if f, ok := r.find("sio/client.go"); !ok || f.Statements == 0 || f.Meaning != nil {
		t.Errorf("sio/client.go: %t, %+v", ok, f)
	}
	if f, ok := r.find("rawws/server.go"); !ok || f.Meaning == nil {
		t.Errorf("rawws/server.go: %t", ok)
	}
	if r.Base == 0 || len(r.Linked) != 1 || r.Linked[0].Side != Raw || r.Linked[0].Over <= 0 || len(r.Installed) < 2 {
		t.Errorf("base %d, linked %v, installed %v", r.Base, r.Linked, r.Installed)
	}
	var b bytes.Buffer
	if err := r.Table(&b); err != nil || !strings.Contains(b.String(), "sio/server.go: ") {
		t.Errorf("%v, the table does not say what is left out:\n%s", err, b.String())
	}
}

// TestNoToolchain is a machine without Go.
func TestNoToolchain(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	r := measured(t)
	if p := r.problem("go"); !strings.Contains(p.Why, "install Go") || !strings.Contains(p.Lost, "names of all Go files") {
		t.Errorf("problems %v", r.Problems)
	}
	f, ok := r.find("rawws/server.go")
	if !ok || f.Statements == 0 || f.Meaning != nil || f.ByHand.Statements == 0 {
		t.Errorf("rawws/server.go: %t, %+v", ok, f)
	}
	if f, ok := r.find("sio/node/server.mjs"); !ok || f.Meaning == nil {
		t.Errorf("sio/node/server.mjs: %t, %+v", ok, f)
	}
	if len(r.Linked) != 0 || r.Base != 0 || len(r.Installed) == 0 {
		t.Errorf("linked %v, base %d, installed %v", r.Linked, r.Base, r.Installed)
	}
	for _, view := range []func(*bytes.Buffer) error{
		func(b *bytes.Buffer) error { return r.Table(b) },
		func(b *bytes.Buffer) error { return r.Markdown(b) },
		func(b *bytes.Buffer) error { return r.Benchmark(b) },
		func(b *bytes.Buffer) error { return r.JSON(b) },
	} {
		var b bytes.Buffer
		if err := view(&b); err != nil || !strings.Contains(b.String(), "rawws") {
			t.Errorf("%v\n%s", err, b.String())
		}
	}
}

// TestToolchainFails is one that does not work.
func TestToolchainFails(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\necho 'no space left' >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	t.Setenv("PATH", bin+":"+filepath.Dir(sh))
	if p := measured(t).problem("go"); !strings.Contains(p.Why, "no space left") {
		t.Errorf("%+v", p)
	}
}

// TestBundles has esbuild fail, and npm packages that are not there.
func TestBundles(t *testing.T) {
	lock := &lockFile{Version: 3, Packages: map[string]lockPackage{
		"node_modules/lib": {Version: "1.0.0"},
	}}
	tree := files{"sio/node/x": ""}
	dir := tree.write(t)
	p := page{SocketIO, "import io from 'socket.io-client';\nio();\n", "lib"}
	if _, err := p.bundle(dir, lock); !errors.Is(err, errNotInstalled) {
		t.Errorf("not installed: %v", err)
	}
	tree["sio/node/node_modules/lib/package.json"] = `{"version": "0.9.0", "main": "index.js"}`
	tree["sio/node/node_modules/lib/index.js"] = "export default () => console.log('a library');\n"
	if _, err := p.bundle(tree.write(t), lock); !errors.Is(err, errNotInstalled) || !strings.Contains(err.Error(), "0.9.0") {
		t.Errorf("another version: %v", err)
	}
	tree["sio/node/node_modules/lib/package.json"] = `{"version": "1.0.0", "main": "index.js"}`
	b, err := p.bundle(tree.write(t), lock)
	if err != nil || b.Library != "lib 1.0.0" || b.Min < 20 || b.Min > 60 || b.Gzip < 20 {
		t.Errorf("%+v, %v", b, err)
	}
	tree["sio/node/node_modules/lib/index.js"] = "export default ((;\n"
	if _, err := p.bundle(tree.write(t), lock); err == nil || !strings.Contains(err.Error(), "esbuild: node_modules/lib/index.js:1: ") {
		t.Errorf("esbuild fails: %v", err)
	}
	if b, err := pages[0].bundle(t.TempDir(), nil); err != nil || b.Min < 100 || b.Min > 300 {
		t.Errorf("without a library: %+v, %v", b, err)
	}
}

func TestInstalled(t *testing.T) {
	var lock lockFile
	err := json.Unmarshal([]byte(`{"lockfileVersion": 3, "packages": {
		"": {"dependencies": {"a": "1", "@s/b": "2"}},
		"node_modules/a": {"version": "1.0.0", "dependencies": {"c": "1", "a": "1"}},
		"node_modules/a/node_modules/c": {"version": "1.5.0", "dependencies": {"d": "1"}},
		"node_modules/c": {"version": "2.0.0"},
		"node_modules/d": {"version": "3.0.0", "name": "really-d", "dependencies": {"c": "2"}},
		"node_modules/@s/b": {"version": "4.0.0", "dependencies": {"d": "1"}}
	}}`), &lock)
	if err != nil {
		t.Fatal(err)
	}
	got, err := lock.installed(SocketIO)
	want := []Installed{
		{SocketIO, "@s/b", "4.0.0", []string{"@s/b 4.0.0", "c 2.0.0", "really-d 3.0.0"}},
		{SocketIO, "a", "1.0.0", []string{"a 1.0.0", "c 1.5.0", "c 2.0.0", "really-d 3.0.0"}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	delete(lock.Packages, "node_modules/d")
	if _, err := lock.installed(SocketIO); err == nil || !strings.Contains(err.Error(), "lacks d") {
		t.Errorf("a package is missing: %v", err)
	}
	for text, want := range map[string]string{"{": "JSON", `{"lockfileVersion": 1}`: "version 1"} {
		dir := files{"sio/node/package-lock.json": text}.write(t)
		if _, err := readLock(dir, SocketIO); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// TestLibraries looks that what is said of the libraries is whole, and about
// the versions that are used.
func TestLibraries(t *testing.T) {
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	uses := map[Side]*lockFile{}
	for _, side := range Sides {
		if uses[side], err = readLock(root, side); err != nil {
			t.Fatal(err)
		}
	}
	named := make(map[string]bool)
	for _, l := range Libraries() {
		named[l.Name+" "+l.Used] = true
		for _, day := range []string{l.Released, l.LatestReleased, l.LastCommit, l.LookedUp, l.Archived} {
			if _, err := time.Parse(time.DateOnly, day); err != nil && (day != "" || l.LastCommit == "") {
				t.Errorf("%s: %v", l.Name, err)
			}
		}
		if l.Used == "" || l.Latest == "" || l.Protocol == "" || len(l.Sources) == 0 || l.LookedUp == "" {
			t.Errorf("%+v is not complete", l)
		}
		if l.Language == Go && !strings.Contains(string(mod), l.Name+" "+l.Used+"\n") {
			t.Errorf("go.mod does not use %s %s: look it up again", l.Name, l.Used)
		}
	}
	for side, lock := range uses {
		for name := range lock.Packages[""].Dependencies {
			p := lock.Packages["node_modules/"+name]
			if p.Name != "" {
				name = p.Name
			}
			if !named[name+" "+p.Version] {
				t.Errorf("libraries.json says nothing of %s %s, which %s uses: look it up", name, p.Version, side)
			}
		}
	}
}

func TestMeasureNothing(t *testing.T) {
	if _, err := Measure(t.Context(), t.TempDir()); err == nil || !strings.Contains(err.Error(), "inside the repository") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Measure(ctx, root); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// TestNames follows names of libraries through JavaScript.
func TestNames(t *testing.T) {
	beside := func(name string) map[string]exported {
		if name != "./other.mjs" {
			return nil
		}
		return map[string]exported{
			"open":   {returns: "lib", passes: []string{"", "lib"}},
			"shared": {value: "lib"},
			"plain":  {},
		}
	}
	for text, want := range map[string]string{
		"import a from 'lib'; a.b();":                                         "b default",
		"import { a as c } from 'lib'; c.b.d;":                                "a b d",
		"import * as a from 'lib'; a.b();":                                    "b",
		"import a from 'node:http'; a.b(); import c from 'fs'; c.d;":          "",
		"import { a } from './own.mjs'; a.b();":                               "",
		"import { a } from 'lib'; const c = new a(); c.d = 1;":                "a d",
		"import { a } from 'lib'; const { b: [c], ...d } = a(); c.e; d.f;":    "a b e f",
		"import { a } from 'lib'; for (const b of a.all) b.c();":              "a all c",
		"import { a } from 'lib'; let b; b = await a(); b?.c;":                "a c",
		"import { a } from 'lib'; const b = x ? a : y; (b ?? z).c;":           "a c",
		"import { a } from 'lib'; a({ b: 1, ['x']: 2, c: { d: 3 } });":        "a b c d",
		"import { a } from 'lib'; a.emit('x', { b: 1 });":                     "a emit",
		"import { a } from 'lib'; a.on('connect', (c, r) => { c.d; r.e; });":  "'connect' a d on",
		"import { a } from 'lib'; a.on('message', (m) => m.x);":               "'message' a on",
		"import { a } from 'lib'; a.on('chat', (m) => m.x);":                  "a on",
		"import { a } from 'lib'; a.each((c) => c.d());":                      "a d each",
		"import { a } from 'lib'; f(a()); function f({ b }, c) { b.d; c.e; }": "a b d",
		"import { a } from 'lib'; function f() { return a(); } f().b;":        "a b",
		"import { a } from 'lib'; const s = { x: a() }; s.x.b;":               "a b",
		"import { a } from 'lib'; const t = a.toString(); a.then();":          "a",
		"import { a } from 'lib'; { const a = {}; a.b; }":                     "a",
		"import { open } from './other.mjs'; open(1, { b: 2 }).c;":            "b c",
		"import { shared as s, plain } from './other.mjs'; s.b; plain.c;":     "b",
		"import { a } from 'lib'; const o = (x) => a({ ...x }); o({ b: 1 });": "a b",
	} {
		tree, err := parseModule([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		flow := followNames(tree, beside)
		got := []string{}
		for i := range tree.List {
			got = union(got, flow.namesIn(i))
		}
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "lib.")
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
