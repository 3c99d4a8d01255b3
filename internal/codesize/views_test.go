package codesize

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"wsvsio/internal/record"
)

// small is a report with something in every part.
func small() *Report {
	file := func(l Language, s Side, path string, c Counts) File {
		return File{
			Scenario: "broadcast", Language: l, Side: s, Stack: s.Stack(l), Name: "server" + l.extension(),
			Source: &Source{Path: path, Counts: c},
		}
	}
	raw := file(Go, Raw, "rawws/server.go", Counts{30, 400, 50, 10, 4, &Meaning{3, 2, 1, 4, []string{"lib.A", "lib.B"}}})
	raw.Sections = []Section{{ByHand, 9, "What follows is by hand because of that."}}
	raw.Decls = []Decl{
		{Name: "A", Part: Chat, Line: 5, End: 7, Counts: Counts{Statements: 20}},
		{Name: "b", Part: ByHand, Line: 11, End: 20, Counts: Counts{Statements: 10}},
	}
	raw.ByHand.Statements = 10
	sio := file(Go, SocketIO, "sio/server.go", Counts{20, 300, 40, 8, 3, nil})
	js := file(JavaScript, Raw, "rawws/node/server.mjs", Counts{15, 200, 20, 5, 2, &Meaning{1, 0, 0, 1, []string{"ws.a"}}})
	return &Report{
		Format: 1, Go: "go1.26.8", Platform: "linux/amd64",
		Files: []File{raw, sio, js},
		Linked: []Linked{
			{Raw, []string{"example.org/ws v1.0.0"}, 1, 3, 6_700_000, 470_000, 210_000},
			{SocketIO, []string{"example.org/a v1.0.0", "example.org/b v2.0.0"}, 14, 10, 0, 0, 0},
		},
		Base:      6_230_000,
		Installed: []Installed{{Raw, "ws", "8.0.0", []string{"ws 8.0.0"}}},
		Bundles:   []Bundle{{Raw, "none", 230, 197}, {SocketIO, "socket.io-client 4.8.4", 42_100, 13_200}},
		Libraries: []Library{{
			Name: "example.org/a", Language: Go, Side: SocketIO, Used: "v1.0.0", Released: "2020-01-02", Latest: "v1.2.0",
			LatestReleased: "2021-02-03", Later: []string{"v2.0.0-rc.1"}, LastCommit: "2021-03-04", Archived: "2022-05-06",
			Protocol: "a | protocol", Sources: []string{"go list", "the repository"}, LookedUp: "2026-11-25",
			Defects: []Defect{{"it does not *work*", []string{"a test", "another"}}},
		}},
		Behaviour: []Behaviour{{
			Scenario: "broadcast", Columns: []string{"statements", "kept of 26", "p50"},
			Rows:  []Gained{{"rawws", []string{"30", "26", "340 µs"}}, {"sio", []string{"20", "25, flaky", "-"}}},
			Notes: []string{"not kept by sio: a rule"},
		}},
		LeftOut:  []LeftOut{{"the bundle of x", "not installed", "npm ci --prefix sio/node"}},
		Problems: []Problem{{"rawws/node/client.mjs", "its figures", "line 1: unexpected ;"}},
	}
}

func TestViews(t *testing.T) {
	for name, view := range map[string]func(*Report, io.Writer) error{
		"small.txt": (*Report).Table, "small.md": (*Report).Markdown,
		"small.json": (*Report).JSON, "small.bench": (*Report).Benchmark,
	} {
		var b bytes.Buffer
		if err := view(small(), &b); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
	}
}

// TestBenchmark reads what is written for benchstat as that does.
func TestBenchmark(t *testing.T) {
	var b bytes.Buffer
	if err := small().Benchmark(&b); err != nil {
		t.Fatal(err)
	}
	r := benchfmt.NewReader(&b, "sizes")
	stacks := make(map[string]bool)
	units := make(map[string]bool)
	for r.Scan() {
		switch rec := r.Result().(type) {
		case *benchfmt.SyntaxError:
			t.Error(rec)
		case *benchfmt.Result:
			base, parts := rec.Name.Parts()
			if string(base) != "Size" {
				t.Errorf("name %s", rec.Name)
			}
			stacks[strings.TrimPrefix(string(parts[len(parts)-1]), "/stack=")] = true
			for _, v := range rec.Values {
				units[v.Unit] = true
			}
		}
	}
	if r.Err() != nil {
		t.Fatal(r.Err())
	}
	for unit := range units {
		if got := r.Units().Get(unit, "assume"); got == nil || got.Value != "exact" {
			t.Errorf("%s is assumed to be %v", unit, got)
		}
		if u := record.UnitOf(unit); !u.Exact || u.Means == "" || u.Title == unit && strings.Contains(unit, "-") {
			t.Errorf("the unit %s is not described as exact: %+v", unit, u)
		}
	}
	for _, stack := range []string{"rawws", "sio", "rawws-node", "sio-node"} {
		if !stacks[stack] {
			t.Errorf("no figures of %s", stack)
		}
	}
	// Those that the design names.
	for _, unit := range []string{"statements", "tokens", "cognitive", "api-names", "modules", "binary-B", "bundle-gzip-B"} {
		if !units[unit] {
			t.Errorf("no figures in %s", unit)
		}
	}
}

// TestSideBySide prints a pair for terminals of several widths.
func TestSideBySide(t *testing.T) {
	tree := files{
		"rawws/server.go": "// Package rawws is one.\npackage rawws\n\nimport \"fmt\"\n\n// A is on both sides.\nfunc A() error {\n\treturn fmt.Errorf(\"a text that is so long that the line has seventy columns %d\", 1)\n}\n\n" +
			"// What follows is by hand because the other has it.\n\n// c is here alone.\nfunc c() {}\n\n// The end.\n",
		"sio/server.go":         "package sio\n\nconst b = 1\n\nfunc A() error { return nil }\n",
		"rawws/node/server.mjs": "export function a() {\n  let x = 1;\n  x++;\n\n  // f is on both sides.\n  function f() {}\n\n  function g() {}\n}\n",
		"sio/node/server.mjs":   "// a has less to do.\nexport function a() {\n  async function f() {\n    await 1;\n  }\n  function g() {}\n}\n",
		"sio/extra.go":          "package sio\n",
	}
	dir := tree.write(t)
	r := &Report{}
	found, err := pairs(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range found {
		for i, path := range p.Paths {
			if path == "" {
				continue
			}
			s, err := parseOne(p.Language, path, []byte(tree[path]))
			if err != nil {
				t.Fatal(err)
			}
			r.Files = append(r.Files, File{Scenario: p.Scenario, Language: p.Language, Side: Sides[i], Name: p.Name, Source: s})
		}
	}
	for name, width := range map[string]int{"wide.txt": 200, "fits.txt": SideBySideWidth, "narrow.txt": 90, "stacked.txt": 60, "tiny.txt": 1} {
		var b bytes.Buffer
		if err := r.SideBySide(&b, dir, "broadcast", Languages, width); err != nil {
			t.Fatal(err)
		}
		golden(t, name, b.String())
		limit := min(max(width, leastWide), SideBySideWidth)
		for line := range strings.Lines(b.String()) {
			if n := columns(strings.TrimSuffix(line, "\n")); n > limit {
				t.Errorf("%s: %d columns of %d: %s", name, n, limit, line)
			}
		}
	}
	var b bytes.Buffer
	if err := r.SideBySide(&b, dir, "extra", []Language{Go}, 200); err != nil || !strings.Contains(b.String(), "(no twin)") {
		t.Errorf("%v\n%s", err, b.String())
	}
	r.Files = nil
	b.Reset()
	if err := r.SideBySide(&b, dir, "broadcast", []Language{Go}, 200); err != nil || !strings.Contains(b.String(), "(could not be measured)") {
		t.Errorf("%v\n%s", err, b.String())
	}
	if err := r.SideBySide(&b, dir, "dance", Languages, 200); err == nil {
		t.Error("there is code for dance")
	}
}

// TestWhole holds that nothing of a file is missing side by side.
func TestWhole(t *testing.T) {
	r, err := before()
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.SideBySide(&b, root, "broadcast", Languages, SideBySideWidth); err != nil {
		t.Fatal(err)
	}
	shown := b.String()
	for _, f := range r.Files {
		if f.Scenario != "broadcast" {
			continue
		}
		for i, line := range f.lines {
			if text := strings.TrimRight(expand(line), " "); !strings.Contains(shown, text) {
				t.Errorf("%s:%d is missing: %s", f.Path, i+1, line)
			}
		}
	}
}

func TestFold(t *testing.T) {
	for _, tt := range []struct {
		line  string
		width int
		want  string
	}{
		{"", 5, ""},
		{"abcde", 5, "abcde"},
		{"abc def", 5, "abc|↪ def"},
		{"  abcdef gh", 8, "  abcdef|  ↪ gh"},
		{"abcdefghij", 5, "abcde|↪ fgh|↪ ij"},
		{"ab cd ef gh", 6, "ab cd|↪ ef|↪ gh"},
	} {
		if got := strings.Join(fold(tt.line, tt.width), "|"); got != tt.want {
			t.Errorf("%q in %d: %q, want %q", tt.line, tt.width, got, tt.want)
		}
	}
}
