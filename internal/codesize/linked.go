package codesize

import (
	"context"
	"encoding/json"
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

	// OneNode is Over of a program for a chat on one node alone, without the
	// file that joins several and the Redis client that it takes.
	OneNode int64 `json:"oneNodeOverB,omitempty"`
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

// oneNode is what stands in place of the file cluster.go of a side in a program
// for one node: what the rest of the package calls, doing nothing.
var oneNode = map[Side]string{
	Raw: `package rawws

import "wsvsio/scenarios"

type cluster struct{}

func (s *Server) joinNodes() error { return nil }

func (s *Server) leaveNodes() {}

func (c *cluster) publish(string, scenarios.Message) {}
`,
	SocketIO: `package sio

import (
	socketio "github.com/googollee/go-socket.io"

	"wsvsio/scenarios"
)

func (s *Server) joinNodes() error { return nil }

func (s *Server) greetNodes(socketio.Conn, scenarios.Message) {}
`,
}

// binarySize builds a program, stripped, and returns its size in bytes. The
// program is one for targetOS and targetArch, whatever this machine is. In
// place of the files named in instead, by their paths below root, it is built
// from these texts.
func binarySize(ctx context.Context, root, program string, instead map[string]string) (int64, error) {
	dir, err := os.MkdirTemp("", "wsvsio-size-")
	if err != nil {
		return 0, fmt.Errorf("build a program to see its size: %w", err)
	}
	defer os.RemoveAll(dir)
	main, out := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(main, []byte(program), 0o600); err != nil {
		return 0, fmt.Errorf("build a program to see its size: %w", err)
	}
	overlay, err := writeOverlay(dir, root, instead)
	if err != nil {
		return 0, fmt.Errorf("build a program to see its size: %w", err)
	}
	if _, err := runGo(ctx, root, "build", "-overlay", overlay, "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", out, main); err != nil {
		return 0, err
	}
	info, err := os.Stat(out)
	if err != nil {
		return 0, fmt.Errorf("build a program to see its size: %w", err)
	}
	return info.Size(), nil
}

// writeOverlay writes what go build takes as -overlay into a folder.
func writeOverlay(dir, root string, instead map[string]string) (string, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return "", err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = make(map[string]string)
	for i, name := range slices.Sorted(maps.Keys(instead)) {
		file := filepath.Join(dir, fmt.Sprintf("instead%d.go", i))
		if err := os.WriteFile(file, []byte(instead[name]), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[filepath.Join(root, filepath.FromSlash(name))] = file
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "overlay.json")
	return file, os.WriteFile(file, text, 0o600)
}
