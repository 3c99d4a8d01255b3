package codesize

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"wsvsio/internal/checkout"
)

// goPackage is a package as go list knows it.
type goPackage struct {
	ImportPath string
	Dir        string
	Export     string // file with what it exports, compiled
	Standard   bool
	GoFiles    []string
	Deps       []string
	Module     *struct {
		Path, Version string
		Main          bool
	}
	Error *struct{ Err string }
}

// library reports whether the package is a library's: neither of the standard
// library nor of this module.
func (p *goPackage) library() bool {
	return !p.Standard && p.Module != nil && !p.Module.Main
}

// listGo asks go list for packages and all that they import.
func listGo(ctx context.Context, root string, patterns ...string) (map[string]*goPackage, error) {
	args := append([]string{"list", "-e", "-deps", "-export",
		"-json=ImportPath,Dir,Export,Standard,GoFiles,Deps,Module,Error"}, patterns...)
	out, err := runGo(ctx, root, args...)
	if err != nil {
		return nil, err
	}
	found := make(map[string]*goPackage)
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("read what go list says: %w", err)
		}
		found[p.ImportPath] = &p
	}
}

// runGo runs the Go toolchain in a folder for the one platform whose figures
// are the same on every machine.
func runGo(ctx context.Context, dir string, args ...string) ([]byte, error) {
	env := append(os.Environ(), "GOFLAGS=", "GOWORK=off", "GOOS="+targetOS, "GOARCH="+targetArch,
		"GOAMD64=v1", "GOEXPERIMENT=", "CGO_ENABLED=0")
	stdout, stderr, err := checkout.Run(ctx, dir, env, "go", args...)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%w: install Go 1.26 or newer", errNoToolchain)
	case err != nil:
		return nil, fmt.Errorf("go %s: %w: %s", args[0], err, lastLines(string(stderr), 3))
	}
	return stdout, nil
}

// errNoToolchain says that there is no program go.
var errNoToolchain = errors.New("the Go toolchain is not installed")

// The platform for which packages are listed and programs are built.
const (
	targetOS   = "linux"
	targetArch = "amd64"
)

// lastLines returns the last lines of what a program says, as one.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

// typeCheck checks a package that was parsed, with what its imports export.
func typeCheck(fset *token.FileSet, packages map[string]*goPackage, path string, files []*ast.File) (*types.Info, error) {
	lookup := func(path string) (io.ReadCloser, error) {
		p := packages[path]
		if p == nil || p.Export == "" {
			why := "go list has not compiled it"
			if p != nil && p.Error != nil {
				why = lastLines(p.Error.Err, 1)
			}
			return nil, fmt.Errorf("package %s: %s", path, why)
		}
		return os.Open(p.Export)
	}
	info := &types.Info{
		Types:      make(map[ast.Expr]types.TypeAndValue),
		Uses:       make(map[*ast.Ident]types.Object),
		Selections: make(map[*ast.SelectorExpr]*types.Selection),
	}
	config := types.Config{
		Importer: importer.ForCompiler(fset, "gc", lookup),
		Sizes:    types.SizesFor("gc", targetArch),
	}
	if _, err := config.Check(path, fset, files, info); err != nil {
		return nil, err
	}
	return info, nil
}

// addMeaning looks into the files of a folder with their types. It returns an
// error, and leaves the files as they are, if they cannot be had.
func addMeaning(fset *token.FileSet, packages map[string]*goPackage, path string, files []*goFile) error {
	p := packages[path]
	if p == nil {
		return fmt.Errorf("go list knows no package %s", path)
	}
	var syntax []*ast.File
	var have []string
	for _, f := range files {
		name := filepath.Base(f.source.Path)
		if slices.Contains(p.GoFiles, name) {
			syntax = append(syntax, f.syntax)
			have = append(have, name)
		}
	}
	for _, name := range p.GoFiles {
		if !slices.Contains(have, name) {
			return fmt.Errorf("%s is a part of the package and could not be parsed", name)
		}
	}
	info, err := typeCheck(fset, packages, path, syntax)
	if err != nil {
		return err
	}
	library := func(o types.Object) bool {
		if o == nil || o.Pkg() == nil {
			return false
		}
		q := packages[o.Pkg().Path()]
		return q != nil && q.library()
	}
	for _, f := range files {
		if !slices.Contains(p.GoFiles, filepath.Base(f.source.Path)) {
			continue
		}
		total := &Meaning{Names: []string{}}
		for i, unit := range f.units {
			m := &Meaning{Names: []string{}}
			for _, d := range unit {
				goMeaning(m, info, library, d)
			}
			f.source.Decls[i].Meaning = m
			total = total.with(m)
		}
		f.source.Meaning = total
	}
	return nil
}

// goMeaning counts what a declaration does, and which names it uses.
func goMeaning(m *Meaning, info *types.Info, library func(types.Object) bool, d ast.Decl) {
	names := make(map[string]bool)
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.Ident:
			// The name after a point is one, too, and so is the key of a
			// field in a composite literal.
			if o := info.Uses[n]; library(o) {
				names[libraryName(o)] = true
			}
		case *ast.GoStmt:
			m.Goroutines++
		case *ast.SendStmt:
			m.Waits++
		case *ast.UnaryExpr:
			if n.Op == token.ARROW {
				m.Waits++
			}
		case *ast.RangeStmt:
			if _, ok := info.TypeOf(n.X).Underlying().(*types.Chan); ok {
				m.Waits++
			}
		case *ast.IfStmt:
			if looksAtError(info, n.Cond) {
				m.ErrorPaths++
			}
		case *ast.CaseClause:
			if slices.ContainsFunc(n.List, func(e ast.Expr) bool { return looksAtError(info, e) }) {
				m.ErrorPaths++
			}
		case *ast.CallExpr:
			switch calledName(info, n) {
			case "errors.New", "errors.Join", "fmt.Errorf", "panic", "recover":
				m.ErrorPaths++
			case "time.AfterFunc", "context.AfterFunc", "(*sync.WaitGroup).Go":
				m.Goroutines++
			case "(*sync.Mutex).Lock", "(*sync.Mutex).TryLock", "(*sync.RWMutex).Lock", "(*sync.RWMutex).TryLock",
				"(*sync.RWMutex).RLock", "(*sync.RWMutex).TryRLock", "(sync.Locker).Lock":
				m.Locks++
			case "close", "(*sync.WaitGroup).Add", "(*sync.WaitGroup).Done", "(*sync.WaitGroup).Wait", "(*sync.Once).Do",
				"(*sync.Cond).Wait", "(*sync.Cond).Signal", "(*sync.Cond).Broadcast":
				m.Waits++
			}
		}
		return true
	})
	for name := range names {
		m.Names = append(m.Names, name)
	}
	slices.Sort(m.Names)
}

// looksAtError reports whether a condition looks at a value of the type error.
// What a function in it does is not the condition.
func looksAtError(info *types.Info, cond ast.Expr) (found bool) {
	failure := types.Universe.Lookup("error").Type()
	ast.Inspect(cond, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		if e, ok := n.(ast.Expr); ok {
			if tv := info.Types[e]; tv.IsValue() && types.Identical(tv.Type, failure) {
				found = true
			}
			if id, ok := e.(*ast.Ident); ok {
				if v, ok := info.Uses[id].(*types.Var); ok && types.Identical(v.Type(), failure) {
					found = true
				}
			}
		}
		return !found
	})
	return found
}

// calledName returns the name of what a call calls: "errors.New",
// "(*sync.Mutex).Lock", "close"; "" if it is a value.
func calledName(info *types.Info, call *ast.CallExpr) string {
	fun := ast.Unparen(call.Fun)
	if s, ok := fun.(*ast.SelectorExpr); ok {
		fun = s.Sel
	}
	id, ok := fun.(*ast.Ident)
	if !ok {
		return ""
	}
	switch o := info.Uses[id].(type) {
	case *types.Func:
		return o.FullName()
	case *types.Builtin:
		return o.Name()
	}
	return ""
}

// libraryName returns the name of a library's object with its package and, for
// a method or field, its type: "websocket.Conn.ReadMessage".
func libraryName(o types.Object) string {
	name := o.Name()
	switch o := o.(type) {
	case *types.Func:
		if recv := o.Signature().Recv(); recv != nil {
			t := types.Unalias(recv.Type())
			if p, ok := t.(*types.Pointer); ok {
				t = types.Unalias(p.Elem())
			}
			if n, ok := t.(*types.Named); ok {
				name = n.Obj().Name() + "." + name
			}
		}
	case *types.Var:
		if o.IsField() {
			name = ownerOf(o) + name
		}
	}
	// The whole path: libraries have several packages of a name.
	return o.Pkg().Path() + "." + name
}

// ownerOf returns the name of the type that a field belongs to and a point, ""
// if that has no name.
func ownerOf(field *types.Var) string {
	scope := field.Pkg().Scope()
	for _, name := range scope.Names() {
		if s, ok := scope.Lookup(name).Type().Underlying().(*types.Struct); ok {
			for f := range s.Fields() {
				if f == field.Origin() {
					return name + "."
				}
			}
		}
	}
	return ""
}
