package codesize

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Linked is what a side in Go pulls in.
type Linked struct {
	Side Side `json:"side"`

	// Modules are those of the libraries that are linked, with their versions.
	Modules []string `json:"modules"`

	// Packages are how many packages of these modules are linked, Standard how
	// many of the standard library beyond those of net/http.
	Packages int `json:"packages"`
	Standard int `json:"standardPackages"`

	// Binary is the size of a stripped program with a server and a client, in
	// bytes; Over is by how much it is larger than one with a server and a
	// client of net/http alone. Both are 0 if it could not be built.
	Binary int64 `json:"binaryB,omitempty"`
	Over   int64 `json:"overB,omitempty"`
}

// linked finds what a side pulls in.
func linked(packages map[string]*goPackage, side Side) (Linked, error) {
	l := Linked{Side: side, Modules: []string{}}
	p := packages[importPath(side)]
	if p == nil {
		return l, fmt.Errorf("go list knows no package %s", importPath(side))
	}
	if p.Error != nil {
		return l, fmt.Errorf("%s", lastLines(p.Error.Err, 2))
	}
	base := make(map[string]bool)
	if http := packages["net/http"]; http != nil {
		for _, d := range http.Deps {
			base[d] = true
		}
		base["net/http"] = true
	}
	modules := make(map[string]bool)
	for _, d := range p.Deps {
		q := packages[d]
		switch {
		case q == nil:
			return l, fmt.Errorf("go list says nothing of %s", d)
		case q.library():
			l.Packages++
			modules[strings.TrimSpace(q.Module.Path+" "+q.Module.Version)] = true
		case q.Standard && !base[d]:
			l.Standard++
		}
	}
	l.Modules = append(l.Modules, slices.Sorted(maps.Keys(modules))...)
	return l, nil
}

// importPath returns the path of the package of a side.
func importPath(s Side) string { return "wsvsio/" + string(s) }

// The programs whose size is compared. Both serve and dial, so that the linker
// keeps what that takes.
const (
	baseProgram = `package main

import "net/http"

func main() {
	http.Get("")
	http.ListenAndServe("", nil)
}
`
	sideProgram = `package main

import (
	"context"
	"net/http"

	chat %q
	"wsvsio/scenarios"
)

func main() {
	server, _ := chat.NewServer(scenarios.ServerConfig{})
	chat.Dial(context.Background(), "", scenarios.DialConfig{}, nil)
	http.Get("")
	http.ListenAndServe("", server)
}
`
)

// binarySize builds a program, stripped, and returns its size in bytes. The
// program is one for targetOS and targetArch, whatever this machine is.
func binarySize(ctx context.Context, root, program string) (int64, error) {
	dir, err := os.MkdirTemp("", "wsvsio-size-")
	if err != nil {
		return 0, fmt.Errorf("build a program to see its size: %w", err)
	}
	defer os.RemoveAll(dir)
	main, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(main, []byte(program), 0o600); err != nil {
		return 0, fmt.Errorf("build a program to see its size: %w", err)
	}
	if _, err := runGo(ctx, root, "build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, main); err != nil {
		return 0, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return 0, fmt.Errorf("build a program to see its size: %w", err)
	}
	return info.Size(), nil
}
