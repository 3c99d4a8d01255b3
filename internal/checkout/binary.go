package checkout

import (
	"cmp"
	"context"
	"encoding/json"
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

// subject takes apart what is asked for of a library: "module@version", or
// "module=folder" for the code in a folder.
func subject(l string) (name, version, folder string) {
	i := strings.IndexAny(l, "@=")
	switch {
	case i < 0 || strings.HasPrefix(l, "-"):
		return "", "", ""
	case l[i] == '=':
		return l[:i], "", l[i+1:]
	}
	return l[:i], l[i+1:], ""
}

// InUse returns an error if one of some libraries, each "module@version" or
// "module=folder", is not used by one of some packages of a module's folder, such as
// "./rawws", or if a folder does not hold the module.
func InUse(ctx context.Context, root string, libraries, packages []string) error {
	for _, l := range libraries {
		name, version, folder := subject(l)
		if name == "" || version == "" && folder == "" {
			return fmt.Errorf("%q: %w: want MODULE@VERSION, or MODULE=FOLDER", l, ErrModule)
		}
		if folder == "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err != nil {
			return fmt.Errorf("%q: %w: the folder holds no go.mod: %w", l, ErrModule, err)
		}
		text, err := run(ctx, folder, "go", "mod", "edit", "-json")
		if err != nil {
			return fmt.Errorf("%q: %w", l, err)
		}
		var mod struct{ Module struct{ Path string } }
		if err := json.Unmarshal([]byte(text), &mod); err != nil {
			return fmt.Errorf("%q: read its go.mod: %w", l, err)
		}
		if mod.Module.Path != name {
			return fmt.Errorf("%q: %w: the folder holds the module %s", l, ErrModule, mod.Module.Path)
		}
	}
	used, err := modules(ctx, root, packages)
	if err != nil {
		return err
	}
	for _, l := range libraries {
		if name, _, _ := subject(l); used[name] == "" {
			return fmt.Errorf("%q: %w: the servers and clients that are measured use no module %s; they use %s",
				l, ErrModule, name, strings.Join(slices.Sorted(maps.Keys(used)), ", "))
		}
	}
	return nil
}

// With builds the program of a module's folder with other versions of
// libraries, each "module@version" or "module=folder", and in use. Its go.mod stays
// as it is: a copy in the folder dir is changed. It returns what is different, such as
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
	mod := filepath.Join(dir, "with.mod")
	modfile := "-modfile=" + mod
	edit, get := []string{"mod", "edit"}, []string{"get", modfile}
	for _, l := range libraries {
		name, _, folder := subject(l)
		if folder == "" {
			// Whatever it is replaced by is not that version.
			edit, get = append(edit, "-dropreplace="+name), append(get, l)
			continue
		}
		if folder, err = filepath.Abs(folder); err != nil {
			return nil, fmt.Errorf("%q: %w", l, err)
		}
		edit = append(edit, "-replace="+name+"="+folder)
	}
	if _, err := run(ctx, root, "go", append(edit, mod)...); err != nil {
		return nil, err
	}
	if len(get) > 2 {
		if _, err := run(ctx, root, "go", get...); err != nil {
			switch {
			case ctx.Err() != nil:
				return nil, err
			case missing(err.Error()):
				return nil, fmt.Errorf("%w: %w", ErrModule, err)
			}
			return nil, fmt.Errorf("%w: %w", ErrFetch, err)
		}
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

// modules are those that packages are built from, with their versions, and what they
// are replaced by.
func modules(ctx context.Context, root string, packages []string, flags ...string) (map[string]string, error) {
	args := append([]string{"list", "-mod=mod", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{with .Replace}} replaced by {{.Path}}{{with .Version}} {{.}}{{end}}{{end}}{{end}}{{end}}"}, flags...)
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
