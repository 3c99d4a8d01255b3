package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"wsvsio/internal/browser"
	"wsvsio/internal/inpage"
	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// workerScript hosts the Node programs; see package worker.
const workerScript = "internal/worker/node/worker.mjs"

// Machine is what this machine can run.
type Machine struct {
	Root     string            // of the repository; "" if there is none
	Node     string            // path of the program node; "" if there is none
	Version  string            // of Node
	Packages map[string]string // npm packages of the stacks, by name
	LeftOut  []record.LeftOut

	// Builds stand at the ends of some stacks, by their names, instead of this
	// program and the Node programs of this repository.
	Builds map[string]Build
}

// probeLimit is how long Node may take to load the packages of a stack.
const probeLimit = 30 * time.Second

// lookForBrowser says what is missing for pages that are the clients of a stack, nil
// if nothing is. The version of the browser goes to that of the packages.
func (m *Machine) lookForBrowser(ctx context.Context, s scenarios.Stack) (*record.LeftOut, error) {
	name := strings.ToLower(s.Client.Browser)
	if m.Packages[name] == "" {
		limited, cancel := context.WithTimeout(ctx, probeLimit)
		defer cancel()
		version, err := browser.Version(limited)
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, browser.ErrMissing):
			return &record.LeftOut{Reason: name + " is not installed", Mend: browser.Mend}, nil
		case err != nil:
			return &record.LeftOut{Reason: err.Error(), Mend: browser.Mend}, nil
		}
		m.Packages[name] = version
	}
	folder := s.Client.Packages
	file := inpage.Bundle(filepath.Join(m.Root, folder), s.Protocol)
	if _, err := os.Stat(file); file != "" && err != nil {
		return &record.LeftOut{
			Reason: "the bundle of socket.io-client for browsers is not there",
			Mend:   "npm ci --prefix " + folder,
		}, nil
	}
	return nil, nil
}

// Look finds out which of the stacks this machine can run. The others are in
// the machine's LeftOut, each with what is wrong and what mends it.
func Look(ctx context.Context, stacks []scenarios.Stack) (Machine, []scenarios.Stack, error) {
	m := Machine{Root: repository(), Packages: make(map[string]string)}
	node, err := exec.LookPath("node")
	if err == nil {
		m.Node = node
	}
	var can []scenarios.Stack
	checked := make(map[string]*record.LeftOut) // by modules; nil is well
	for _, s := range stacks {
		if s.InBrowser() {
			problem, err := m.lookForBrowser(ctx, s)
			if err != nil {
				return m, nil, err
			}
			if problem != nil {
				m.LeftOut = append(m.LeftOut, record.LeftOut{Stack: s.Name, Reason: problem.Reason, Mend: problem.Mend})
				continue
			}
		}
		if !s.NeedsNode() {
			can = append(can, s)
			continue
		}
		modules := modules(s, stacks)
		key := strings.Join(modules, " ")
		problem, ok := checked[key]
		if !ok {
			if problem, err = m.probe(ctx, filepath.Dir(modules[0]), modules); err != nil {
				return m, nil, err
			}
			checked[key] = problem
		}
		if problem != nil {
			m.LeftOut = append(m.LeftOut, record.LeftOut{Stack: s.Name, Reason: problem.Reason, Mend: problem.Mend})
			continue
		}
		can = append(can, s)
	}
	return m, can, nil
}

// probe tries to load Node modules whose packages are in a folder. It returns
// what is wrong with them or with Node, nil if nothing is.
func (m *Machine) probe(ctx context.Context, folder string, modules []string) (*record.LeftOut, error) {
	install := fmt.Sprintf("npm ci --prefix %s", folder)
	another := "install Node 18 or newer, then: " + install
	switch {
	case m.Root == "":
		return &record.LeftOut{
			Reason: "the folder of the repository was not found, and the Node programs are in it",
			Mend:   "run compare from inside the repository",
		}, nil
	case m.Node == "":
		return &record.LeftOut{Reason: "node is not installed", Mend: another}, nil
	}
	limited, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	args := []string{filepath.Join(m.Root, workerScript), "--check"}
	for _, module := range modules {
		args = append(args, filepath.Join(m.Root, module))
	}
	cmd := exec.CommandContext(limited, m.Node, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second
	err := cmd.Run()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	said := strings.TrimSpace(stderr.String())
	switch {
	case limited.Err() != nil:
		return &record.LeftOut{Reason: fmt.Sprintf("%s did not answer within %v", m.Node, probeLimit), Mend: another}, nil
	case err != nil && said == "":
		return &record.LeftOut{Reason: fmt.Sprintf("%s does not work: %v", m.Node, err), Mend: another}, nil
	case err != nil && strings.Contains(said, "too old"):
		return &record.LeftOut{Reason: said, Mend: another}, nil
	case err != nil:
		return &record.LeftOut{Reason: said, Mend: install}, nil
	}
	var found struct {
		Node     string
		Packages map[string]string
	}
	if err := json.Unmarshal(stdout.Bytes(), &found); err != nil {
		return &record.LeftOut{Reason: fmt.Sprintf("%s does not work: %v", m.Node, err), Mend: another}, nil
	}
	m.Version = found.Node
	maps.Copy(m.Packages, found.Packages)
	return nil, nil
}

// modules are the Node modules that have to load for a stack, those first that
// stand beside its packages. What other stacks run there is among them: it has
// the same packages, and one look does for all. A program that takes its
// packages from elsewhere comes after what is there.
func modules(s scenarios.Stack, stacks []scenarios.Stack) []string {
	var paths, guests []string
	for _, p := range []scenarios.Program{s.Server, s.Client} {
		switch {
		case p.Node == "":
		case p.Packages != "":
			paths = append(paths, filepath.Join(p.Packages, "server.mjs"))
			guests = append(guests, p.Node)
		default:
			paths = append(paths, p.Node)
		}
	}
	folders := make(map[string]bool)
	for _, path := range paths {
		folders[filepath.Dir(path)] = true
	}
	for _, other := range stacks {
		for _, p := range []scenarios.Program{other.Server, other.Client} {
			if p.Node != "" && p.Packages == "" && folders[filepath.Dir(p.Node)] {
				paths = append(paths, p.Node)
			}
		}
	}
	slices.Sort(paths)
	return append(slices.Compact(paths), guests...)
}

// repository finds the folder of this repository: the one above the working
// directory, or above the program, whose go.mod is ours. It returns "" if
// there is none.
func repository() string {
	var starts []string
	if dir, err := os.Getwd(); err == nil {
		starts = append(starts, dir)
	}
	if exe, err := os.Executable(); err == nil {
		starts = append(starts, filepath.Dir(exe))
	}
	for _, dir := range starts {
		for {
			mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
			if err == nil && bytes.HasPrefix(mod, []byte("module wsvsio\n")) {
				return dir
			}
			up := filepath.Dir(dir)
			if up == dir {
				break
			}
			dir = up
		}
	}
	return ""
}
