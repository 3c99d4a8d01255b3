package codesize

import (
	"context"
	"errors"
	"fmt"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// File is a file of one side, measured.
type File struct {
	Scenario string   `json:"scenario"`
	Language Language `json:"language"`
	Side     Side     `json:"side"`
	Stack    string   `json:"stack"` // whose two ends it belongs to
	Name     string   `json:"name"`  // "server.go", as its twin is called
	ByHand   Counts   `json:"byHand"`
	MadeUp   Counts   `json:"madeUp"`
	*Source
}

// Report is all that is measured of the code of both sides.
type Report struct {
	Format   int    `json:"format"`             // version of the JSON document
	Go       string `json:"go,omitempty"`       // version of the toolchain; "" if there is none
	Platform string `json:"platform,omitempty"` // for which the programs were built

	Files     []File      `json:"files"`
	Linked    []Linked    `json:"linked"`
	Base      int64       `json:"baseB,omitempty"` // size of the program with net/http alone, in bytes
	Installed []Installed `json:"installed"`
	Bundles   []Bundle    `json:"bundles"`

	Libraries []Library `json:"libraries"`

	// Behaviour is what one gets for the code. It is not measured here.
	Behaviour []Behaviour `json:"behaviour,omitempty"`

	// LeftOut is what this machine lacks something for, Problems what went
	// wrong. The rest of the report is as good as without them.
	LeftOut  []LeftOut `json:"leftOut,omitempty"`
	Problems []Problem `json:"problems,omitempty"`
}

// LeftOut is a part of the report that this machine cannot do.
type LeftOut struct {
	What   string `json:"what"`
	Reason string `json:"reason"`
	Mend   string `json:"mend,omitempty"` // the command that adds it
}

// Problem is something that went wrong: at what, which part of the report it
// cost, and why.
type Problem struct {
	At   string `json:"at"`   // "rawws/server.go"
	Lost string `json:"lost"` // what is left out
	Why  string `json:"why"`
}

// String returns the problem in a sentence.
func (p Problem) String() string {
	return fmt.Sprintf("%s: %s; left out: %s", p.At, p.Why, p.Lost)
}

// Total returns the sum over the files of a scenario on one side in one
// language, and false if there are none.
func (r *Report) Total(scenario string, side Side, l Language) (File, bool) {
	empty := func() Counts { return Counts{Meaning: &Meaning{Names: []string{}}} }
	sum := File{Scenario: scenario, Language: l, Side: side, Stack: side.Stack(l), Name: "total",
		ByHand: empty(), MadeUp: empty(), Source: &Source{Counts: empty()}}
	found := false
	for _, f := range r.Files {
		if f.Scenario == scenario && f.Side == side && f.Language == l {
			found = true
			sum.Source.add(f.Counts)
			sum.ByHand.add(f.ByHand)
			sum.MadeUp.add(f.MadeUp)
		}
	}
	return sum, found
}

// Scenarios returns the scenarios that there is code for, in the order of the
// tables.
func (r *Report) Scenarios() (names []string) {
	for _, f := range r.Files {
		if !slices.Contains(names, f.Scenario) {
			names = append(names, f.Scenario)
		}
	}
	return names
}

// alone is a file with none beside it.
func alone(string) map[string]exported { return nil }

// parseOne measures a file alone, without what takes the types or exports of
// others.
func parseOne(l Language, path string, text []byte) (*Source, error) {
	if l == JavaScript {
		return parseJS(path, text, alone)
	}
	f, err := parseGo(token.NewFileSet(), path, text)
	if err != nil {
		return nil, err
	}
	return f.source, nil
}

// Measure measures the code under root, the folder of the repository. What
// cannot be measured is in the report's LeftOut and Problems; the error is that
// of the context, or of a root that holds no code.
func Measure(ctx context.Context, root string) (*Report, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the code that is compared: %w", err)
	}
	found, err := pairs(root)
	if err != nil {
		return nil, fmt.Errorf("find the code that is compared: %w; run it inside the repository", err)
	}
	r := &Report{Format: 1, Files: []File{}, Linked: []Linked{}, Installed: []Installed{}, Bundles: []Bundle{}, Libraries: Libraries()}
	// Each part has its own list of what went wrong, so that they come in the
	// same order whichever ends first.
	var parts [2]lost
	var all sync.WaitGroup
	all.Go(func() { r.measureFiles(ctx, root, found, &parts[0]) })
	all.Go(func() { r.measurePackages(root, &parts[1]) })
	all.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	for _, p := range parts {
		r.LeftOut = append(r.LeftOut, p.leftOut...)
		r.Problems = append(r.Problems, p.problems...)
	}
	return r, nil
}

// lost is what a part of the report lacks.
type lost struct {
	leftOut  []LeftOut
	problems []Problem
}

func (l *lost) add(at, what string, err error) {
	l.problems = append(l.problems, Problem{At: at, Lost: what, Why: strings.Join(strings.Fields(err.Error()), " ")})
}

// measureFiles measures the files of both sides, and in Go what they pull in.
func (r *Report) measureFiles(ctx context.Context, root string, found []Pair, lost *lost) {
	type program struct {
		size int64
		err  error
	}
	// The programs take the longest, and are built meanwhile.
	var build sync.WaitGroup
	built := make([]program, 1+2*len(Sides))
	build.Go(func() {
		for i, p := range programs() {
			built[i].size, built[i].err = binarySize(ctx, root, p.code, p.instead)
			if errors.Is(built[i].err, errNoToolchain) {
				return
			}
		}
	})
	var packages map[string]*goPackage
	var version []byte
	var noGo error
	all := new(sync.WaitGroup)
	all.Go(func() {
		if version, noGo = runGo(ctx, root, "env", "GOVERSION"); noGo == nil {
			packages, noGo = listGo(ctx, root, "net/http", importPath(Raw), importPath(SocketIO))
		}
	})
	fset := token.NewFileSet()
	parsed := make(map[Side][]*goFile)
	for _, p := range found {
		for i, path := range p.Paths {
			if path == "" {
				continue
			}
			f := File{Scenario: p.Scenario, Language: p.Language, Side: Sides[i], Stack: Sides[i].Stack(p.Language), Name: p.Name}
			text, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
			if err == nil && p.Language == Go {
				var g *goFile
				if g, err = parseGo(fset, path, text); err == nil {
					f.Source = g.source
					parsed[f.Side] = append(parsed[f.Side], g)
				}
			} else if err == nil {
				f.Source, err = parseJS(path, text, filesBeside(filepath.Join(root, filepath.Dir(path))))
			}
			if err != nil {
				lost.add(path, "its figures", err)
				continue
			}
			r.Files = append(r.Files, f)
		}
	}
	all.Wait()
	if noGo != nil {
		lost.add("go", "the error paths, goroutines, locks, waits and names of all Go files, and what both sides link", noGo)
	} else {
		r.Go = strings.TrimSpace(string(version))
		r.Platform = targetOS + "/" + targetArch
	}
	for _, side := range Sides {
		if noGo != nil {
			break
		}
		if err := addMeaning(fset, packages, importPath(side), parsed[side]); err != nil {
			lost.add(side.folder(Go)+"/*.go", "the error paths, goroutines, locks, waits and names of all of them", err)
		}
		l, err := linked(packages, side)
		if err != nil {
			lost.add(side.folder(Go), "what it links", err)
			continue
		}
		r.Linked = append(r.Linked, l)
	}
	for i, f := range r.Files {
		r.Files[i].ByHand, r.Files[i].MadeUp = f.In(ByHand), f.In(MadeUp)
	}
	build.Wait()
	if noGo != nil {
		return
	}
	if err := built[0].err; err != nil {
		lost.add("a program with net/http alone", "the sizes of the programs", err)
		return
	}
	r.Base = built[0].size
	for i, side := range Sides {
		if err := built[1+i].err; err != nil {
			lost.add(side.folder(Go), "the size of its program", err)
			continue
		}
		one := built[1+len(Sides)+i]
		if one.err != nil {
			lost.add(side.folder(Go), "the size of its program for one node", one.err)
		}
		for j := range r.Linked {
			if r.Linked[j].Side == side {
				r.Linked[j].Binary = built[1+i].size
				r.Linked[j].Over = built[1+i].size - r.Base
				if one.err == nil {
					r.Linked[j].OneNode = one.size - r.Base
				}
			}
		}
	}
}

// source is the code of a program whose size is compared.
type source struct {
	code    string
	instead map[string]string // see binarySize
}

// programs are those whose size is compared: with net/http alone, then a side
// each, then a side each for one node.
func programs() []source {
	list := []source{{code: baseProgram}}
	for _, side := range Sides {
		list = append(list, source{code: fmt.Sprintf(sideProgram, importPath(side))})
	}
	for _, side := range Sides {
		list = append(list, source{
			code:    fmt.Sprintf(sideProgram, importPath(side)),
			instead: map[string]string{side.folder(Go) + "/cluster.go": oneNode[side]},
		})
	}
	return list
}

// measurePackages measures what npm installs and a browser loads.
func (r *Report) measurePackages(root string, lost *lost) {
	locks := make(map[Side]*lockFile)
	for _, side := range Sides {
		lock, err := readLock(root, side)
		var list []Installed
		if err == nil {
			list, err = lock.installed(side)
		}
		if err != nil {
			lost.add(side.folder(JavaScript)+"/package-lock.json", "what npm installs for it", err)
			continue
		}
		locks[side] = lock
		r.Installed = append(r.Installed, list...)
	}
	for _, p := range pages {
		lock := locks[p.side]
		if lock == nil && p.library != "" {
			continue // it has been told why
		}
		b, err := p.bundle(root, lock)
		switch {
		case errors.Is(err, errNotInstalled):
			lost.leftOut = append(lost.leftOut, LeftOut{
				What:   "the bundle of " + b.Library,
				Reason: err.Error(),
				Mend:   "npm ci --prefix " + p.side.folder(JavaScript),
			})
		case err != nil:
			lost.add("the page with "+b.Library, "its bundle", err)
		default:
			r.Bundles = append(r.Bundles, b)
		}
	}
}
