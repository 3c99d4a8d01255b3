package codesize

import (
	"cmp"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Language is one of the two that the chat is written in.
type Language string

// The languages.
const (
	Go         Language = "go"
	JavaScript Language = "js"
)

// Side is one of the two that are compared.
type Side string

// The sides.
const (
	Raw      Side = "rawws" // a plain WebSocket
	SocketIO Side = "sio"
)

// Sides are both, in the order in which they are shown.
var Sides = []Side{Raw, SocketIO}

// Languages are both, in the order in which they are shown.
var Languages = []Language{Go, JavaScript}

// Stack returns the name of the stack whose two ends are this side in this
// language, as package bench has it.
func (s Side) Stack(l Language) string {
	if l == JavaScript {
		return string(s) + "-node"
	}
	return string(s)
}

// folder returns where the code of a side stands, in the repository.
func (s Side) folder(l Language) string {
	if l == JavaScript {
		return path.Join(string(s), "node")
	}
	return string(s)
}

// extension returns how the names of a language's files end.
func (l Language) extension() string {
	if l == JavaScript {
		return ".mjs"
	}
	return ".go"
}

// Pair is a file of one side and its twin. The two have the same name.
type Pair struct {
	Scenario string    `json:"scenario"`
	Language Language  `json:"language"`
	Name     string    `json:"name"`  // "server.go"
	Paths    [2]string `json:"paths"` // in the repository, by Sides; "" if there is none
}

// scenarioOrder is that of the tables; others follow by name.
var scenarioOrder = []string{"broadcast", "reconnect", "proxy", "fallback"}

// scenarioOf returns the scenario that a file is for. The chat itself is what
// broadcast is measured with; what another scenario needs beyond it stands in a
// file of its name, and what a session takes that goes on beside reconnect.
func scenarioOf(name string) string {
	base := strings.TrimSuffix(name, path.Ext(name))
	switch base {
	case "server", "client":
		return "broadcast"
	case "resume":
		return "reconnect"
	}
	return base
}

// Pairs returns the files of both sides under root, in the order of the tables. A
// file that only one side has is in a pair with an empty path.
func Pairs(root string) ([]Pair, error) { return pairs(root) }

// pairs finds the files of both sides, in the order of the tables. A file that
// only one side has is in a pair with an empty path.
func pairs(root string) ([]Pair, error) {
	var found []Pair
	for _, l := range Languages {
		for i, side := range Sides {
			entries, err := os.ReadDir(filepath.Join(root, filepath.FromSlash(side.folder(l))))
			if err != nil {
				return nil, err
			}
			for _, e := range entries {
				name := e.Name()
				if !e.Type().IsRegular() || path.Ext(name) != l.extension() || strings.HasSuffix(name, "_test.go") {
					continue
				}
				at := slices.IndexFunc(found, func(p Pair) bool { return p.Language == l && p.Name == name })
				if at < 0 {
					at = len(found)
					found = append(found, Pair{Scenario: scenarioOf(name), Language: l, Name: name})
				}
				found[at].Paths[i] = path.Join(side.folder(l), name)
			}
		}
	}
	slices.SortStableFunc(found, func(a, b Pair) int {
		return cmp.Or(
			cmp.Compare(rank(scenarioOrder, a.Scenario), rank(scenarioOrder, b.Scenario)),
			cmp.Compare(a.Scenario, b.Scenario),
			cmp.Compare(slices.Index(Languages, a.Language), slices.Index(Languages, b.Language)),
			// The server is read first.
			cmp.Compare(b.Name, a.Name),
		)
	})
	return found, nil
}

// rank returns the place of a name in a list, that after its end if it is not
// in it.
func rank(list []string, name string) int {
	if i := slices.Index(list, name); i >= 0 {
		return i
	}
	return len(list)
}
