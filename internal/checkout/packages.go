package checkout

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// NodeFolders are those that have npm packages of their own.
var NodeFolders = []string{"rawws/node", "sio/node"}

// Installed returns an error if the npm packages in a folder of a tree are not those
// that its lock file names, as after a change of branch.
func Installed(root, folder string) error {
	dir := filepath.Join(root, filepath.FromSlash(folder))
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("%s: "+format+"; run make node", append([]any{folder}, args...)...)
	}
	wanted, err := readLock(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	there, err := readLock(filepath.Join(dir, "node_modules", ".package-lock.json"))
	if err != nil {
		return wrong("find out which packages are installed: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(wanted)) {
		p, ok := there[name]
		switch {
		case !ok && !wanted[name].spare():
			return wrong("%s is not installed", named(name))
		case ok && p.Version != wanted[name].Version:
			return wrong("%s is installed in %s, and package-lock.json asks for %s", named(name), p.Version, wanted[name].Version)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(there)) {
		if _, ok := wanted[name]; !ok {
			return wrong("%s is installed, and not in package-lock.json", named(name))
		}
	}
	return nil
}

// locked is a package in a lock file of npm.
type locked struct {
	Version                    string
	Optional, Dev, DevOptional bool
}

// spare reports whether npm may leave a package out, as one for another system.
func (p locked) spare() bool { return p.Optional || p.Dev || p.DevOptional }

// readLock returns the packages in a lock file by where they are:
// "node_modules/ws".
func readLock(file string) (map[string]locked, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var lock struct{ Packages map[string]locked }
	if err := json.Unmarshal(data, &lock); err != nil {
		return nil, fmt.Errorf("read %s: %w", filepath.Base(file), err)
	}
	delete(lock.Packages, "") // the folder itself
	return lock.Packages, nil
}

// named is what a package is called that is somewhere.
func named(place string) string { return strings.TrimPrefix(place, "node_modules/") }

// Packages gives a worktree the npm packages that it asks for: those of the
// tree that is checked out where the two lock files are equal and these are
// installed there, or else installed. It returns what could not be done, folder by folder, with the
// error of the context.
func (w *Worktree) Packages(ctx context.Context) (problems []error, err error) {
	for _, folder := range NodeFolders {
		there := filepath.Join(w.Root, filepath.FromSlash(folder))
		lock, err := os.ReadFile(filepath.Join(there, "package-lock.json"))
		if err != nil {
			continue // nothing to install: the programs may do without, or are not there
		}
		here := filepath.Join(w.repo.root, filepath.FromSlash(folder))
		own, err := os.ReadFile(filepath.Join(here, "package-lock.json"))
		if err == nil && bytes.Equal(lock, own) && Installed(w.repo.root, folder) == nil {
			if err := os.Symlink(filepath.Join(here, "node_modules"), filepath.Join(there, "node_modules")); err != nil {
				problems = append(problems, fmt.Errorf("%s: %w", folder, err))
			}
			continue
		}
		_, err = run(ctx, there, "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error")
		if ctx.Err() != nil {
			return problems, ctx.Err()
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", folder, err))
		}
	}
	return problems, nil
}
