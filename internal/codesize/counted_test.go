package codesize

import (
	"bytes"
	"fmt"
	"go/scanner"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/tdewolff/parse/v2/js"
)

const countedDir = "testdata/counted"

// expected is what was counted by hand.
type expected struct {
	name                                             string
	part                                             Part
	statements, tokens, lines, cyclomatic, cognitive int
	errorPaths, goroutines, locks, waits             int
	names                                            []string
}

// The two fixtures, counted by hand declaration by declaration; the last row is
// the whole file.
var (
	countedGo = []expected{
		{"imports", Chat, 5, 8, 7, 0, 0, 0, 0, 0, 0, nil},
		{"limit", Chat, 1, 4, 1, 0, 0, 0, 0, 0, 0, nil},
		{"hub", Chat, 1, 23, 5, 0, 0, 0, 0, 0, 0, []string{"Conn"}},
		{"errFull", Chat, 1, 9, 1, 0, 0, 1, 0, 0, 0, nil},
		// if, else if, && and || decide; the else if is no deeper, and && and
		// || are two sequences.
		{"hub.add", ByHand, 10, 90, 11, 5, 4, 1, 0, 1, 0, []string{"Conn"}},
		// for 1, select in it 2, range 1, switch in it 2, the label 1, and it
		// calls itself 1.
		{"hub.watch", MadeUp, 19, 153, 27, 7, 8, 1, 2, 0, 4, []string{"Conn.ReadMessage", "ErrReadLimit"}},
		// With the package clause: two tokens, one line.
		{"", "", 37, 289, 53, 12, 12, 3, 2, 1, 4, []string{"Conn", "Conn.ReadMessage", "ErrReadLimit"}},
	}
	countedJS = []expected{
		{"imports", Chat, 2, 12, 2, 0, 0, 0, 0, 0, 0, []string{"WebSocketServer"}},
		{"limit", Chat, 1, 4, 1, 0, 0, 0, 0, 0, 0, nil},
		// if, ||, &&, else if, ?. and ?? decide; if 1, two sequences 2, else
		// if 1, else 1.
		{"Hub", Chat, 8, 66, 10, 7, 5, 1, 0, 0, 0, nil},
		// It calls itself 1, catch in a function 2, for 1, for in it 2, switch
		// in that 3, the label 1, the conditional operator 1.
		{"serve", ByHand, 21, 204, 26, 6, 11, 2, 1, 0, 2, []string{
			"'connection'", "'error'", "clients", "maxPayload", "on", "server", "size", "terminate"}},
		{"", "", 32, 286, 39, 13, 16, 3, 1, 0, 2, []string{
			"'connection'", "'error'", "WebSocketServer", "clients", "maxPayload", "on", "server", "size", "terminate"}},
	}
)

// counts returns what was expected as it is measured.
func (e expected) counts(library string) Counts {
	names := []string{}
	for _, name := range e.names {
		names = append(names, library+"."+name)
	}
	return Counts{e.statements, e.tokens, e.lines, e.cyclomatic, e.cognitive,
		&Meaning{e.errorPaths, e.goroutines, e.locks, e.waits, names}}
}

// checkCounted compares a file with what was counted by hand.
func checkCounted(t *testing.T, s *Source, want []expected, library string) {
	t.Helper()
	if len(s.Decls) != len(want)-1 {
		t.Fatalf("%d declarations, want %d", len(s.Decls), len(want)-1)
	}
	show := func(c Counts) string { return fmt.Sprintf("%+v %+v", c, *c.Meaning) }
	for i, w := range want[:len(want)-1] {
		d := s.Decls[i]
		if d.Name != w.name || d.Part != w.part || !reflect.DeepEqual(d.Counts, w.counts(library)) {
			t.Errorf("%s (%s): %s\nwant %s (%s): %s", d.Name, d.Part, show(d.Counts), w.name, w.part, show(w.counts(library)))
		}
	}
	if w := want[len(want)-1].counts(library); !reflect.DeepEqual(s.Counts, w) {
		t.Errorf("the file: %s\nwant %s", show(s.Counts), show(w))
	}
}

// measureGo measures a text as the file of the fixture.
func measureGo(t *testing.T, packages map[string]*goPackage, text []byte) *Source {
	t.Helper()
	fset := token.NewFileSet()
	f, err := parseGo(fset, "counted.go", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if err := addMeaning(fset, packages, countedPackage, []*goFile{f}); err != nil {
		t.Fatal(err)
	}
	return f.source
}

const countedPackage = "wsvsio/internal/codesize/testdata/counted"

func TestCountedGo(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(countedDir, "counted.go"))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := listGo(t.Context(), ".", "./"+countedDir)
	if err != nil {
		t.Fatal(err)
	}
	library := "github.com/gorilla/websocket"
	checkCounted(t, measureGo(t, packages, text), countedGo, library)
	for name, change := range map[string]func([]byte) []byte{
		"all in a line":        func(text []byte) []byte { return relayGo(text, " ", "") },
		"with comments":        func(text []byte) []byte { return relayGo(text, " /* if x { return err } */ ", "") },
		"broken where it goes": func(text []byte) []byte { return relayGo(text, "  ", "\n\n// x := 1\n\n") },
		"broken arguments": func(text []byte) []byte {
			return bytes.Replace(text, []byte(`("add %q: twice", name)`), []byte("(\n\"add %q: twice\",\nname,\n)"), 1)
		},
	} {
		t.Run(name, func(t *testing.T) {
			changed := betweenMarks(text, change)
			if bytes.Equal(changed, text) {
				t.Fatal("nothing was changed")
			}
			checkCounted(t, measureGo(t, packages, changed), countedGo, library)
		})
	}
}

// marker is a comment that marks a part of a file.
var marker = regexp.MustCompile(`(?m)^// What follows .*$`)

// betweenMarks changes what stands between the comments that mark the parts of a
// file.
func betweenMarks(text []byte, change func([]byte) []byte) []byte {
	var b bytes.Buffer
	last := 0
	for _, at := range marker.FindAllIndex(text, -1) {
		b.Write(change(text[last:at[0]]))
		fmt.Fprintf(&b, "\n\n%s\n\n", text[at[0]:at[1]])
		last = at[1]
	}
	b.Write(change(text[last:]))
	return b.Bytes()
}

// relayGo lays a file out anew: with a text between two tokens, and another
// after those that do not end a line.
func relayGo(text []byte, between, after string) []byte {
	file := token.NewFileSet().AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0)
	var b strings.Builder
	for {
		_, tok, lit := s.Scan()
		switch {
		case tok == token.EOF:
			return []byte(b.String())
		case tok == token.SEMICOLON:
			b.WriteString(";")
			if after != "" {
				b.WriteString(after)
			}
		case lit != "":
			b.WriteString(lit)
		default:
			b.WriteString(tok.String())
			switch tok {
			case token.LPAREN, token.LBRACE, token.COMMA, token.LAND, token.PERIOD, token.ASSIGN:
				b.WriteString(after)
			}
		}
		b.WriteString(between)
	}
}

func TestCountedJS(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(countedDir, "counted.mjs"))
	if err != nil {
		t.Fatal(err)
	}
	measure := func(t *testing.T, text []byte) *Source {
		t.Helper()
		s, err := parseJS("counted.mjs", text, alone)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return s
	}
	checkCounted(t, measure(t, text), countedJS, "ws")
	for name, change := range map[string]func([]byte) []byte{
		"all in a line":        func(text []byte) []byte { return relayJS(t, text, " ", "") },
		"with comments":        func(text []byte) []byte { return relayJS(t, text, " /* if (x) throw new Error() */ ", "") },
		"broken where it goes": func(text []byte) []byte { return relayJS(t, text, "  ", "\n\n// const x = 1;\n\n") },
		"without semicolons":   func(text []byte) []byte { return regexp.MustCompile(`(?m);$`).ReplaceAll(text, nil) },
		"with more commas": func(text []byte) []byte {
			return bytes.ReplaceAll(text, []byte("(port, resolve)"), []byte("(\nport,\nresolve,\n)"))
		},
		"with other quotes": func(text []byte) []byte { return bytes.ReplaceAll(text, []byte("'"), []byte(`"`)) },
	} {
		t.Run(name, func(t *testing.T) {
			changed := betweenMarks(text, change)
			if bytes.Equal(changed, text) {
				t.Fatal("nothing was changed")
			}
			checkCounted(t, measure(t, changed), countedJS, "ws")
		})
	}
}

// relayJS lays a text out anew, as relayGo does.
func relayJS(t *testing.T, text []byte, between, after string) []byte {
	toks, _, err := scanJS(text)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, tok := range toks {
		b.Write(text[tok.start:tok.end])
		switch tok.kind {
		case js.OpenParenToken, js.OpenBraceToken, js.OpenBracketToken, js.CommaToken, js.SemicolonToken,
			js.AndToken, js.OrToken, js.EqToken, js.ColonToken, js.ArrowToken, js.DotToken:
			b.WriteString(after)
		}
		b.WriteString(between)
	}
	return []byte(b.String())
}

// TestSyntax has more of both languages than the fixtures.
func TestSyntax(t *testing.T) {
	for text, want := range map[string]Counts{
		// Each has a function more, or a statement of the module, so that all
		// of Counts are told.
		"a;\nb":                                                              {Statements: 2, Tokens: 2, Lines: 2},
		"export { a };\nexport * from 'b';":                                  {Statements: 2, Tokens: 8, Lines: 2},
		"const re = a / b / c;":                                              {Statements: 1, Tokens: 8, Lines: 1},
		"const re = [/[/]/g, 1 / 2];":                                        {Statements: 1, Tokens: 10, Lines: 1},
		"const t = `a${`b${1 + 1}c`}d`;":                                     {Statements: 1, Tokens: 10, Lines: 1},
		"for await (const a of b) c(a?.b?.[0]?.(1) ?? c);":                   {Statements: 2, Tokens: 24, Lines: 1, Cyclomatic: 5, Cognitive: 1},
		"x ||= 1; y &&= 2; z ??= 3;":                                         {Statements: 3, Tokens: 9, Lines: 3, Cyclomatic: 3},
		"do a(); while (b || c && d && e);":                                  {Statements: 2, Tokens: 14, Lines: 3, Cyclomatic: 4, Cognitive: 3},
		"for (const k in o) {}":                                              {Statements: 1, Tokens: 9, Lines: 2, Cyclomatic: 1, Cognitive: 1},
		"export default function f() { return f(); }":                        {Statements: 2, Tokens: 12, Lines: 3, Cyclomatic: 1, Cognitive: 1},
		"const f = async (a) => { await a; try { b(); } finally { c(); } };": {Statements: 5, Tokens: 24, Lines: 8, Cyclomatic: 1},
		"class A extends B { #p = 1; static { if (a) b(); } get x() { return this.#p; } async *g() { yield* 1; } }": {
			Statements: 7, Tokens: 39, Lines: 12, Cyclomatic: 3, Cognitive: 1},
		"let a = 1_000n, { b = 2, ...c } = { ...d, [e]: 1, async f() {} };": {Statements: 1, Tokens: 31, Lines: 2},
		"switch (a) { case 1: case 2: { b(); } default: }":                  {Statements: 2, Tokens: 19, Lines: 7, Cyclomatic: 2, Cognitive: 1},
		"const u = import.meta.url; const m = await import('m');":           {Statements: 2, Tokens: 16, Lines: 2},
		"'use strict';\n;;\nfunction f() {}":                                {Statements: 2, Tokens: 7, Lines: 3, Cyclomatic: 1},
	} {
		s, err := parseJS("x.mjs", []byte(text), alone)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := s.Counts
		got.Meaning = nil
		if got != want {
			t.Errorf("%s: %+v\nwant %+v", text, got, want)
		}
	}
}
