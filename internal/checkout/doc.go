// Package checkout makes the programs of another commit, or those of this tree
// with other versions of its libraries, in a folder of their own.
//
// Nothing that belongs to the user changes: not the tree that is checked out,
// nor the index, the stash, the branches or go.mod. A commit is checked out as
// a worktree of its own, without hooks, and what git notes of it is gone once
// it has been removed.
package checkout
