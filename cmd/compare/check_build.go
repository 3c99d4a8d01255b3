package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"wsvsio/bench"
	"wsvsio/internal/checkout"
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
	changes, err := repo.Changes(ctx)
	if err != nil {
		return fail(err)
	}
	k.report.Base, k.report.Head = commit.Short(), now.Short()
	k.note("base: %s %s", commit.Short(), commit.Subject)
	k.note("head: %s %s", now.Short(), now.Subject)
	if len(changes) > 0 {
		k.report.Head += "+dirty"
		const most = 5
		list := strings.Join(changes[:min(most, len(changes))], ", ")
		if more := len(changes) - most; more > 0 {
			list += fmt.Sprintf(" and %d more", more)
		}
		k.note("the tree is dirty: what is checked is the tree as it is, with the changes to %s", list)
		k.tellStep("the tree is dirty: what is checked is the tree as it is, with the changes to %s", list)
	}
	if commit.ID == now.ID && len(changes) == 0 {
		k.note("base and head are the same commit: whatever is found is a false alarm")
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
			k.tellStep("packages of the base: %v", p)
		}
	}
	return base, head, tree, nil
}

// buildWith builds the tree that is checked out as it is, and with other
// libraries.
func (k *checker) buildWith(ctx context.Context, dir string, libraries []string) (base, head bench.Build, err error) {
	root := k.machine.Root
	base = bench.Build{Binary: filepath.Join(dir, "base"), Root: root}
	head = bench.Build{Binary: filepath.Join(dir, "head"), Root: root}
	k.report.Base, k.report.Head = "the present libraries", strings.Join(libraries, " and ")
	k.tellStep("building with %s", k.report.Base)
	if err := checkout.Binary(ctx, root, base.Binary); err != nil {
		return base, head, fmt.Errorf("the tree does not build: %w", err)
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
	return base, head, nil
}

// try starts the programs of all stacks, so that what the base cannot do is
// found before anything is measured. A stack that it does not have is left out,
// unless it was asked for.
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
		case errors.Is(err, worker.ErrVersion):
			return fmt.Errorf("the base %s cannot be measured with the harness of the head: %w; check against a commit that speaks control protocol %d",
				k.report.Base, err, worker.Version)
		default:
			missing = append(missing, fmt.Errorf("the base %s has no such cell, or it does not start: %w", k.report.Base, err))
			k.note("not compared: %s: %v", s.Name, err)
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
