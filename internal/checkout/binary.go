package checkout

import (
	"cmp"
	"context"
	"errors"
	"fmt"
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

// ErrModule is wrapped by the error for a module that cannot be had as it was
// asked for.
var ErrModule = errors.New("not a version of a library in use")

// With builds the program of a module's folder with other versions of
// libraries, each "module@version". Its go.mod stays as it is: a copy in the
// folder dir is changed. It returns what is different, such as
// "github.com/gorilla/websocket v1.5.3 => v1.5.1".
func With(ctx context.Context, root, dir, out string, libraries []string) (changes []string, err error) {
	before, err := modules(ctx, root)
	if err != nil {
		return nil, err
	}
	for _, l := range libraries {
		name, version, ok := strings.Cut(l, "@")
		if !ok || name == "" || version == "" || strings.HasPrefix(l, "-") {
			return nil, fmt.Errorf("%q: %w: want MODULE@VERSION", l, ErrModule)
		}
		if before[name] == "" {
			return nil, fmt.Errorf("%q: %w: the program uses no module %s", l, ErrModule, name)
		}
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
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", ErrModule, err)
		}
		return nil, err
	}
	after, err := modules(ctx, root, modfile)
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

// modules are those that the program is built from, with their versions.
func modules(ctx context.Context, root string, flags ...string) (map[string]string, error) {
	args := append([]string{"list", "-mod=mod", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}"}, flags...)
	if len(flags) == 0 {
		args[1] = "-mod=readonly"
	}
	text, err := run(ctx, root, "go", append(args, worker)...)
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
