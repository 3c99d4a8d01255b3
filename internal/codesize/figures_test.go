package codesize

import (
	"fmt"
	"testing"
)

// What a run holds of the code is the sum of its files, and of what comes along
// each package once.
func TestFigures(t *testing.T) {
	counts := func(n int) Counts { return Counts{Statements: n, Meaning: &Meaning{Names: []string{"x"}}} }
	file := func(side Side, n int) File {
		return File{Scenario: "broadcast", Language: Go, Side: side, Source: &Source{Counts: counts(n)}, ByHand: counts(n - 1), MadeUp: counts(0)}
	}
	r := &Report{
		Files:     []File{file(Raw, 3), file(Raw, 4), file(SocketIO, 5)},
		Linked:    []Linked{{Side: Raw, Modules: []string{"a", "b"}, Over: 9}},
		Installed: []Installed{{Side: SocketIO, Packages: []string{"p", "q"}}, {Side: SocketIO, Packages: []string{"q", "r"}}},
		Bundles:   []Bundle{{Side: SocketIO, Gzip: 20}, {Side: SocketIO, Gzip: 13}},
	}
	find := func(list []Figure, unit string) string {
		for _, f := range list {
			if f.Unit == unit {
				return fmt.Sprint(f.Value)
			}
		}
		return ""
	}
	for _, tt := range []struct {
		list       []Figure
		unit, want string
	}{
		{r.Figures("broadcast", "rawws"), "statements", "7"},
		{r.Figures("broadcast", "rawws"), "by-hand-statements", "5"},
		{r.Figures("broadcast", "rawws"), "api-names", "1"},
		{r.Figures("broadcast", "sio"), "statements", "5"},
		{r.Figures("broadcast", "sio-node"), "statements", ""},
		{r.Figures("proxy", "rawws"), "statements", ""},
		{r.Figures("broadcast", "rawws-js"), "statements", ""},
		{r.Brought("rawws"), "modules", "2"},
		{r.Brought("rawws"), "binary-over-B", "9"},
		{r.Brought("sio-node"), "npm-packages", "3"},
		{r.Brought("sio-node"), "bundle-gzip-B", "13"},
		{r.Brought("rawws-node"), "npm-packages", ""},
	} {
		if got := find(tt.list, tt.unit); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.unit, got, tt.want)
		}
	}
}
