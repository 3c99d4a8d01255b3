package checkout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// worker is the program that holds the servers and clients.
const worker = "./cmd/compare"

// Binary builds the program of a module's folder. Equal code makes equal
// programs, wherever it lies: where the linker puts a function can be worth
// some percent.
func Binary(ctx context.Context, root, out string) error {
	return binary(ctx, root, out)
}

func binary(ctx context.Context, root, out string, flags ...string) error {
	args := slices.Concat([]string{"build", "-trimpath", "-buildvcs=false"}, flags, []string{"-o", out, worker})
	_, err := run(ctx, root, "go", args...)
	return err
}

// ErrModule is wrapped by the error for a module that was asked for wrongly:
// there is none, or no such version, or nothing uses it.
var ErrModule = errors.New("not a version of a library in use")

// ErrFetch is wrapped by the error for a version of a module that could not be
// asked for or fetched, though it may exist.
var ErrFetch = errors.New("it has to be in the module cache, or to be had from GOPROXY")

// InUse returns an error if one of some libraries, each "module@version", is not
// used by one of some packages of a module's folder, such as "./rawws".
func InUse(ctx context.Context, root string, libraries, packages []string) error {
	for _, l := range libraries {
		name, version, ok := strings.Cut(l, "@")
		if !ok || name == "" || version == "" || strings.HasPrefix(l, "-") {
			return fmt.Errorf("%q: %w: want MODULE@VERSION", l, ErrModule)
		}
	}
	used, err := modules(ctx, root, packages)
	if err != nil {
		return err
	}
	for _, l := range libraries {
		if name, _, _ := strings.Cut(l, "@"); used[name] == "" {
			return fmt.Errorf("%q: %w: the servers and clients that are measured use no module %s; they use %s",
				l, ErrModule, name, strings.Join(slices.Sorted(maps.Keys(used)), ", "))
		}
	}
	return nil
}

// With builds the program of a module's folder with other versions of
// libraries, each "module@version" and in use. Its go.mod stays as it is: a copy
// in the folder dir is changed. It returns what is different, such as
// "github.com/gorilla/websocket v1.5.3 => v1.5.1".
func With(ctx context.Context, root, dir, out string, libraries []string) (changes []string, err error) {
	before, err := modules(ctx, root, []string{worker})
	if err != nil {
		return nil, err
	}
	for _, ext := range []string{"mod", "sum"} {
		data, err := os.ReadFile(filepath.Join(root, "go."+ext))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, "with."+ext), data, 0o666)
		}
		if err != nil {
			return nil, fmt.Errorf("copy the list of modules: %w", err)
		}
	}
	modfile := "-modfile=" + filepath.Join(dir, "with.mod")
	if _, err := run(ctx, root, "go", append([]string{"get", modfile}, libraries...)...); err != nil {
		switch {
		case ctx.Err() != nil:
			return nil, err
		case missing(err.Error()):
			return nil, fmt.Errorf("%w: %w", ErrModule, err)
		}
		return nil, fmt.Errorf("%w: %w", ErrFetch, err)
	}
	after, err := modules(ctx, root, []string{worker}, modfile)
	if err != nil {
		return nil, err
	}
	for name, version := range after {
		if old := before[name]; old != version {
			changes = append(changes, fmt.Sprintf("%s %s => %s", name, cmp.Or(old, "none"), version))
		}
	}
	for name, version := range before {
		if after[name] == "" {
			changes = append(changes, fmt.Sprintf("%s %s => none", name, version))
		}
	}
	slices.Sort(changes)
	return changes, binary(ctx, root, out, "-mod=mod", modfile)
}

// absent is what the go command says of a module or version that does not exist,
// and not where it could not find out.
var absent = []string{
	"unknown revision", "no matching versions for query", "404 Not Found", "410 Gone", "disallowed version string",
	"invalid version: should be", "invalid version: must be", "malformed module path",
}

// missing reports whether the go command says that a module or a version of it
// does not exist.
func missing(said string) bool {
	return slices.ContainsFunc(absent, func(text string) bool { return strings.Contains(said, text) })
}

// modules are those that packages are built from, with their versions.
func modules(ctx context.Context, root string, packages []string, flags ...string) (map[string]string, error) {
	args := append([]string{"list", "-mod=mod", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}"}, flags...)
	if len(flags) == 0 {
		args[1] = "-mod=readonly"
	}
	text, err := run(ctx, root, "go", append(args, packages...)...)
	if err != nil {
		return nil, fmt.Errorf("list the modules: %w", err)
	}
	found := make(map[string]string)
	for line := range strings.Lines(text) {
		if name, version, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			found[name] = version
		}
	}
	return found, nil
}
