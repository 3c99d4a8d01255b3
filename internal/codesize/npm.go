package codesize

import (
	"encoding/json"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Installed is what a package of npm brings along.
type Installed struct {
	Side    Side   `json:"side"`
	Package string `json:"package"` // as package.json calls it
	Version string `json:"version"`

	// Packages are those that are installed for it, itself among them, with
	// their versions.
	Packages []string `json:"packages"`
}

// lockFile is the part of a package-lock.json of version 3 that matters here
// (https://docs.npmjs.com/cli/configuring-npm/package-lock-json).
type lockFile struct {
	Version  int                    `json:"lockfileVersion"`
	Packages map[string]lockPackage `json:"packages"` // by folder; "" is the root
}

type lockPackage struct {
	Name         string            `json:"name"` // if it is not what the folder says
	Version      string            `json:"version"`
	Dependencies map[string]string `json:"dependencies"`
	Optional     map[string]string `json:"optionalDependencies"`
}

// readLock reads the lock file of a side.
func readLock(root string, side Side) (*lockFile, error) {
	name := path.Join(side.folder(JavaScript), "package-lock.json")
	data, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		return nil, err
	}
	var l lockFile
	if err := json.Unmarshal(data, &l); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if l.Version != 3 {
		return nil, fmt.Errorf("%s has version %d, not 3: write it anew with npm 9 or newer", name, l.Version)
	}
	return &l, nil
}

// installed returns what each dependency of a side brings along.
func (l *lockFile) installed(side Side) ([]Installed, error) {
	var list []Installed
	var names []string
	for name := range l.Packages[""].Dependencies {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		found := make(map[string]bool)
		if err := l.collect("", name, found); err != nil {
			return nil, err
		}
		i := Installed{Side: side, Package: name, Version: l.Packages["node_modules/"+name].Version}
		for folder := range found {
			p := l.Packages[folder]
			called := p.Name
			if called == "" {
				called = folder[strings.LastIndex(folder, "node_modules/")+len("node_modules/"):]
			}
			i.Packages = append(i.Packages, called+" "+p.Version)
		}
		slices.Sort(i.Packages)
		list = append(list, i)
	}
	return list, nil
}

// collect adds the folder of a dependency of the package in a folder, and those
// of what it depends on.
func (l *lockFile) collect(folder, name string, found map[string]bool) error {
	at, ok := l.find(folder, name)
	if !ok {
		return fmt.Errorf("package-lock.json lacks %s, on which %q depends: write it anew with npm install", name, folder)
	}
	if found[at] {
		return nil
	}
	found[at] = true
	for name := range l.Packages[at].Dependencies {
		if _, optional := l.Packages[at].Optional[name]; optional {
			continue
		}
		if err := l.collect(at, name, found); err != nil {
			return err
		}
	}
	return nil
}

// find returns the folder of a package as Node finds it from another: in its
// node_modules, or in those of a folder above.
func (l *lockFile) find(folder, name string) (string, bool) {
	for {
		at := path.Join(folder, "node_modules", name)
		if _, ok := l.Packages[at]; ok {
			return at, true
		}
		if folder == "" {
			return "", false
		}
		up := strings.LastIndex(folder, "node_modules/")
		folder = strings.TrimSuffix(folder[:max(up, 0)], "/")
	}
}
