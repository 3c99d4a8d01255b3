package codesize

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// TestPairs holds the code of both sides to what it takes to be read in pairs.
func TestPairs(t *testing.T) {
	wrong, err := Check(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range wrong {
		t.Error(w)
	}
	found, err := pairs(root)
	if err != nil {
		t.Fatal(err)
	}
	have := func(want Pair) bool {
		return slices.ContainsFunc(found, func(p Pair) bool { return p == want })
	}
	for _, want := range []Pair{
		{"broadcast", Go, "server.go", [2]string{"rawws/server.go", "sio/server.go"}},
		{"broadcast", JavaScript, "client.mjs", [2]string{"rawws/node/client.mjs", "sio/node/client.mjs"}},
	} {
		if !have(want) {
			t.Errorf("no pair %+v", want)
		}
	}
}

// TestPairsFail breaks each rule of the pairs.
func TestPairsFail(t *testing.T) {
	wide := strings.Repeat("x", Width-2)
	for name, tt := range map[string]struct {
		change func(files)
		want   []string
	}{
		"sound": {func(files) {}, nil},
		"a Go file without a twin": {func(f files) { f["sio/proxy.go"] = "package sio\n" },
			[]string{"sio/proxy.go has no twin: write rawws/proxy.go"}},
		"a module without a twin": {func(f files) { f["rawws/node/fallback.mjs"] = "" },
			[]string{"rawws/node/fallback.mjs has no twin: write sio/node/fallback.mjs"}},
		"another order": {func(f files) { f["sio/server.go"] = "package sio\n\nfunc B() {}\n\nfunc A() {}\n" },
			[]string{"B comes after A in rawws/server.go and before it in sio/server.go"}},
		"another order in JavaScript": {func(f files) { f["sio/node/server.mjs"] = "const b = 1;\nfunction a() {}\n" },
			[]string{"b comes after a in rawws/node/server.mjs"}},
		"another order inside": {func(f files) {
			f["sio/node/server.mjs"] = "function a() {\n  async function g() {}\n  function f() {}\n}\nconst b = 1;\n"
		}, []string{"a: g comes after f"}},
		"another order in the marked parts": {func(f files) {
			f["rawws/server.go"] = "package rawws\n\n// What follows is by hand because of it.\n\nfunc c() {}\n\nfunc d() {}\n"
			f["sio/server.go"] = "package sio\n\n// What follows makes up for it.\n\nfunc d() {}\n\nfunc c() {}\n"
		}, []string{"comes after", "comes after"}},
		"one name in different parts": {func(f files) {
			f["sio/server.go"] = "package sio\n\nfunc A() {}\n\nfunc c() {}\n\nfunc B() {}\n"
		}, nil},
		"as wide as may be": {func(f files) { f["sio/server.go"] += "//" + wide + "\n" }, nil},
		"too wide": {func(f files) { f["sio/server.go"] += "// " + wide + "\n" },
			[]string{"sio/server.go:8 has 81 columns (a tab has 4)"}},
		"too wide in JavaScript": {func(f files) { f["rawws/node/server.mjs"] += "// " + wide + "\n" },
			[]string{"rawws/node/server.mjs:6 has 81 columns"}},
		"a marker misspelt": {func(f files) { f["sio/server.go"] += "\n// What follows make up for it.\n" },
			[]string{`sio/server.go: line 9: a comment begins with "What follows"`}},
		"a marker misspelt in JavaScript": {func(f files) { f["sio/node/server.mjs"] += "\n// What follows\n// is not by hand.\n" },
			[]string{`sio/node/server.mjs: line 7: a comment begins with "What follows"`}},
		"Go that does not parse": {func(f files) { f["sio/server.go"] = "package sio\n\nfunc {\n" },
			[]string{"sio/server.go: ", "3:6: expected"}},
		"JavaScript that does not parse": {func(f files) { f["sio/node/server.mjs"] = "\nfunction {\n" },
			[]string{"sio/node/server.mjs: line 2: "}},
	} {
		t.Run(name, func(t *testing.T) {
			tree := sound()
			tt.change(tree)
			wrong, err := Check(tree.write(t))
			if err != nil {
				t.Fatal(err)
			}
			text := ""
			if err := errors.Join(wrong...); err != nil {
				text = err.Error()
			}
			if len(tt.want) == 0 && len(wrong) > 0 {
				t.Error(text)
			}
			for _, want := range tt.want {
				if !strings.Contains(text, want) {
					t.Errorf("%q lacks %q", text, want)
				}
			}
		})
	}
	if _, err := Check(t.TempDir()); err == nil {
		t.Error("a folder without code is no error")
	}
}

// TestNew has new files be picked up by themselves.
func TestNew(t *testing.T) {
	tree := sound()
	tree["rawws/proxy.go"] = "package rawws\n"
	tree["sio/proxy.go"] = "package sio\n"
	tree["rawws/node/aside.mjs"] = ""
	tree["rawws/resume.go"] = "package rawws\n"
	tree["sio/resume.go"] = "package sio\n"
	found, err := pairs(tree.write(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range found {
		got = append(got, p.Scenario+": "+p.Paths[0]+" "+p.Paths[1])
	}
	want := []string{
		"broadcast: rawws/server.go sio/server.go",
		"broadcast: rawws/node/server.mjs sio/node/server.mjs",
		"reconnect: rawws/resume.go sio/resume.go",
		"proxy: rawws/proxy.go sio/proxy.go",
		"aside: rawws/node/aside.mjs ",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
}

func TestColumns(t *testing.T) {
	for line, want := range map[string]int{"": 0, "é": 1, "\t": 4, "a\t": 4, "abcd\tx": 9, "\t\tx": 9} {
		if got := columns(line); got != want {
			t.Errorf("%q: %d columns, want %d", line, got, want)
		}
	}
}

func TestAlign(t *testing.T) {
	source := func(names string) *Source {
		s := new(Source)
		for _, name := range strings.Fields(names) {
			part := Chat
			if marked, ok := strings.CutPrefix(name, "!"); ok {
				part, name = ByHand, marked
			}
			s.Decls = append(s.Decls, Decl{Name: name, Part: part})
		}
		return s
	}
	for _, tt := range []struct{ a, b, want string }{
		{"a b c", "a b c", "aa bb cc"},
		{"a b c", "b", "a- bb c-"},
		{"a c", "x b c", "a- -x -b cc"},
		{"a b", "b a", "a- bb -a"},
		{"a", "!a", "a- -a"},
		{"!a", "!a", "aa"},
		{"", "a", "-a"},
		{"", "", ""},
	} {
		var got []string
		for _, row := range align(source(tt.a), source(tt.b)) {
			text := ""
			for _, d := range row {
				if d == nil {
					text += "-"
				} else {
					text += d.Name
				}
			}
			got = append(got, text)
		}
		if text := strings.Join(got, " "); text != tt.want {
			t.Errorf("%q and %q: %q, want %q", tt.a, tt.b, text, tt.want)
		}
	}
}
