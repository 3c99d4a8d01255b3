package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/checkout"
	"wsvsio/internal/regress"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// buildCommit builds a commit, which becomes the base, and the tree that is
// checked out. The worktree is returned as soon as there is one, with an error,
// too: it has to be removed.
func (k *checker) buildCommit(ctx context.Context, dir, ref string) (base, head bench.Build, tree *checkout.Worktree, err error) {
	root := k.machine.Root
	fail := func(err error) (bench.Build, bench.Build, *checkout.Worktree, error) {
		return bench.Build{}, bench.Build{}, tree, err
	}
	repo, err := checkout.Open(ctx, root)
	if err != nil {
		return fail(err)
	}
	commit, err := repo.Resolve(ctx, ref)
	if errors.Is(err, checkout.ErrUnknown) {
		return fail(usagef("-against: %v", err))
	}
	if err != nil {
		return fail(err)
	}
	now, err := repo.Resolve(ctx, "HEAD")
	if err != nil {
		return fail(err)
	}
	changes, err := repo.Changes(ctx, k.kept()...)
	if err != nil {
		return fail(err)
	}
	k.report.Base, k.report.Head = commit.Short(), now.Short()
	k.note("base: %s %s", commit.Short(), commit.Subject)
	k.note("head: %s %s", now.Short(), now.Subject)
	if len(changes) > 0 {
		k.report.Head += "+dirty"
		k.warn("the tree is dirty: what is checked is the tree as it is, with the changes to %s", firstFew(changes))
	}
	if commit.ID == now.ID && len(changes) == 0 {
		k.note("base and head are the same commit: whatever is found is a false alarm")
	}
	within, err := repo.Within(ctx, commit, now)
	if err != nil {
		return fail(err)
	}
	if !within {
		k.warn("the head is not built on the base: what was changed in the base since they parted is told as if the head had taken it back. "+
			"To leave that out, compare with the merge base instead: compare check -against $(git merge-base %s HEAD)", ref)
	}

	if err := k.tellInstrument(ctx); err != nil {
		return fail(err)
	}
	for _, folder := range foldersOf(k.stacks) {
		if err := checkout.Installed(root, folder); err != nil {
			return fail(fmt.Errorf("the packages of the head are not those that it asks for: %w", err))
		}
	}
	k.tellStep("building the head, %s", k.report.Head)
	head = bench.Build{Binary: filepath.Join(dir, "head"), Root: root}
	if err := checkout.Binary(ctx, root, head.Binary); err != nil {
		return fail(fmt.Errorf("the head does not build: %w", err))
	}
	k.tellStep("building the base, %s", k.report.Base)
	if tree, err = repo.Checkout(ctx, commit, filepath.Join(dir, "base-tree")); err != nil {
		return fail(err)
	}
	base = bench.Build{Binary: filepath.Join(dir, "base"), Root: tree.Root}
	if err := checkout.Binary(ctx, tree.Root, base.Binary); err != nil {
		// Where it was checked out is gone by the time that this is read.
		return fail(fmt.Errorf("the base %s does not build: %s", commit.Short(), below(tree.Root, err.Error())))
	}
	if slices.ContainsFunc(k.stacks, scenarios.Stack.NeedsNode) {
		problems, err := tree.Packages(ctx)
		if err != nil {
			return fail(err)
		}
		// What they are needed for is found out below.
		for _, p := range problems {
			k.warn("packages of the base: %s", below(tree.Root, p.Error()))
		}
	}
	if err := k.describeSides(base, head); err != nil {
		return fail(err)
	}
	k.compareLibraries()
	return base, head, tree, nil
}

// instrument is what go build has noted of a program that measures both sides, and
// when it did. It does not become that of the tree by itself: who looks for the commit
// that made something worse measures all of them with one.
type instrument struct {
	commit string // "" if there is no note, as under go run, and in a worktree that is linked
	dirty  bool   // there were changes on top of it
	built  time.Time
}

// thisInstrument is that of this program.
func thisInstrument() (i instrument, err error) {
	if i.commit, i.dirty = bench.BuiltFrom(); i.commit == "" {
		return i, nil
	}
	self, err := os.Executable()
	if err != nil {
		return i, err
	}
	info, err := os.Stat(self)
	if err != nil {
		return i, fmt.Errorf("find out when this program was built: %w", err)
	}
	i.built = info.ModTime()
	return i, nil
}

// old says why an instrument is not that of the tree that is checked out, "" if
// nothing says so.
func (i instrument) old(ctx context.Context, repo *checkout.Repository) (string, error) {
	if i.commit == "" {
		return "", nil
	}
	now, err := repo.Resolve(ctx, "HEAD")
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(now.ID, i.commit) {
		same, err := repo.SameCode(ctx, i.commit, now.ID)
		if err != nil {
			return "", err
		}
		if !same {
			return fmt.Sprintf("this program was built from %s and the head is %s", i.commit, now.Short()), nil
		}
	}
	edited, last, at, err := repo.Edited(ctx)
	switch {
	case err != nil:
		return "", err
	case len(edited) > 0 && !i.dirty:
		return fmt.Sprintf("this program was built from %s, without the changes to %s", i.commit, firstFew(edited)), nil
	case (len(edited) > 0 || i.dirty) && i.built.Before(at):
		return fmt.Sprintf("%s was changed after this program was built", last), nil
	}
	return "", nil
}

// tellInstrument says so if this program is not that of the tree.
func (k *checker) tellInstrument(ctx context.Context) error {
	i, err := thisInstrument()
	if err != nil {
		return err
	}
	repo, err := checkout.Open(ctx, k.machine.Root)
	if err != nil {
		return nil // where there is no repository there is no other commit
	}
	why, err := i.old(ctx, repo)
	if err != nil {
		return fmt.Errorf("find out whether this program is that of the tree: %w", err)
	}
	if why != "" {
		k.warn("%s: the cases, the stacks and what measures and loads them are those of that time; build it anew: go build -o bin/compare ./cmd/compare", why)
	}
	return nil
}

// kept are the files that a check writes if it is kept: what one has written before
// does not make the tree another one.
func (k *checker) kept() []string {
	if k.out == "" {
		return nil
	}
	var files []string
	for _, name := range slices.Concat([]string{checkFile, summaryFile, pointsFile}, sideFiles[0][:], sideFiles[1][:]) {
		files = append(files, filepath.Join(k.out, name))
	}
	return files
}

// firstFew names the first of some files.
func firstFew(files []string) string {
	const most = 5
	text := strings.Join(files[:min(most, len(files))], ", ")
	if more := len(files) - most; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// describeSides tells what both sides are made of, and says so if they are not
// built with the same Go.
func (k *checker) describeSides(base, head bench.Build) error {
	for _, b := range []bench.Build{base, head} {
		env := k.report.Environment
		if err := b.Describe(&env); err != nil {
			return err
		}
		k.report.Sides = append(k.report.Sides, regress.Side{Go: env.Go, Libraries: env.Libraries})
	}
	if was, is := k.report.Sides[0].Go, k.report.Sides[1].Go; was != is {
		k.warn("the base is built with %s and the head with %s: what these make different is in the figures, too", was, is)
	}
	return nil
}

// compareLibraries says which libraries are of another version in the base.
func (k *checker) compareLibraries() {
	was, is := k.report.Sides[0].Libraries, k.report.Sides[1].Libraries
	for _, name := range slices.Sorted(maps.Keys(is)) {
		if old, there := was[name]; there && old != is[name] {
			k.note("%s is %s in the base and %s in the head", name, old, is[name])
		}
	}
}

// buildWith builds the tree that is checked out as it is, and with other
// libraries.
func (k *checker) buildWith(ctx context.Context, dir string, libraries []string) (base, head bench.Build, err error) {
	root := k.machine.Root
	base = bench.Build{Binary: filepath.Join(dir, "base"), Root: root}
	head = bench.Build{Binary: filepath.Join(dir, "head"), Root: root}
	k.report.Base, k.report.Head = "the present libraries", strings.Join(libraries, " and ")
	err = checkout.InUse(ctx, root, libraries, packagesOf(k.stacks))
	switch {
	case errors.Is(err, checkout.ErrModule):
		return base, head, usagef("-with: %v", err)
	case err != nil:
		return base, head, err
	}
	if err := k.tellInstrument(ctx); err != nil {
		return base, head, err
	}
	k.tellStep("building with %s", k.report.Base)
	if err := checkout.Binary(ctx, root, base.Binary); err != nil {
		return base, head, fmt.Errorf("the tree does not build: %w", err)
	}
	// Where there is no repository nobody asks for changes.
	if repo, err := checkout.Open(ctx, root); err == nil {
		changes, err := repo.Changes(ctx, k.kept()...)
		if err != nil {
			return base, head, err
		}
		if len(changes) > 0 {
			k.warn("the tree is dirty: both sides are the tree as it is, with the changes to %s", firstFew(changes))
		}
	}
	k.tellStep("building with %s", k.report.Head)
	changes, err := checkout.With(ctx, root, dir, head.Binary, libraries)
	switch {
	case errors.Is(err, checkout.ErrModule):
		return base, head, usagef("-with: %v", err)
	case err != nil:
		return base, head, fmt.Errorf("the tree does not build with %s: %w", k.report.Head, err)
	case len(changes) == 0:
		k.note("these are the present versions: whatever is found is a false alarm")
	}
	for _, c := range changes {
		k.note("head: %s", c)
	}
	return base, head, k.describeSides(base, head)
}

// foldersOf are the folders with the npm packages that the servers and clients of
// stacks need: "sio/node".
func foldersOf(stacks []scenarios.Stack) []string {
	var folders []string
	for _, s := range stacks {
		for _, end := range []scenarios.Program{s.Server, s.Client} {
			if folder := cmp.Or(end.Packages, path.Dir(end.Node)); slices.Contains(checkout.NodeFolders, folder) {
				folders = append(folders, folder)
			}
		}
	}
	slices.Sort(folders)
	return slices.Compact(folders)
}

// packagesOf are the packages with the servers and clients of stacks that are in
// Go: "wsvsio/rawws".
func packagesOf(stacks []scenarios.Stack) []string {
	all := bench.Programs()
	var packages []string
	for _, s := range stacks {
		for _, end := range []scenarios.Program{s.Server, s.Client} {
			p := all[end.Go]
			if p.NewServer != nil {
				packages = append(packages, packageOf(p.NewServer))
			}
			if p.Dial != nil {
				packages = append(packages, packageOf(p.Dial))
			}
		}
	}
	slices.Sort(packages)
	return slices.Compact(packages)
}

// packageOf is the package that a function is in: that of "wsvsio/rawws.Dial" is
// "wsvsio/rawws".
func packageOf(function any) string {
	folder, name := path.Split(runtime.FuncForPC(reflect.ValueOf(function).Pointer()).Name())
	name, _, _ = strings.Cut(name, ".")
	return folder + name
}

// try starts the programs of all stacks, so that what the base cannot do is
// found before anything is measured. A stack that it does not have is left out,
// which leaves a doubt, unless it was asked for.
func (k *checker) try(ctx context.Context) error {
	var can []scenarios.Stack
	var missing []error
	for _, s := range k.stacks {
		if err := bench.Try(ctx, k.machine, onSide(s, headSide)); err != nil {
			return fmt.Errorf("the head cannot be measured: %w", err)
		}
		err := bench.Try(ctx, k.machine, onSide(s, baseSide))
		switch {
		case err == nil:
			can = append(can, s)
		case errors.Is(err, worker.ErrField):
			return fmt.Errorf("the base %s cannot be measured with the harness of the head: it does not know a field that it would be sent: %w; check against a commit that does",
				k.report.Base, err)
		case errors.Is(err, worker.ErrVersion):
			return fmt.Errorf("the base %s cannot be measured with the harness of the head: %w; check against a commit that speaks control protocol %d",
				k.report.Base, err, worker.Version)
		default:
			missing = append(missing, fmt.Errorf("the base %s has no such cell, or it does not start: %w", k.report.Base, err))
			k.report.Doubts = append(k.report.Doubts, fmt.Sprintf("not compared: %s: the base has no such cell, or it does not start: %v", s.Name, err))
		}
	}
	if len(can) == 0 || k.asked && len(missing) > 0 {
		return errors.Join(missing...)
	}
	k.stacks = can
	return nil
}

// onSide is a stack as it is called on a side.
func onSide(s scenarios.Stack, side string) scenarios.Stack {
	s.Name, s.Twin = s.Name+side, ""
	return s
}
