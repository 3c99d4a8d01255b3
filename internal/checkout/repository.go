package checkout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Repository is the one that holds the code to be built.
type Repository struct {
	root   string // folder of the module
	prefix string // of it in the tree that is checked out, "" or "a/b/"
}

// Commit of a repository.
type Commit struct {
	ID      string // in full
	Subject string // first line of its message
}

// Short is how a commit is called.
func (c Commit) Short() string { return c.ID[:min(len(c.ID), 12)] }

// ErrUnknown is wrapped by the error for what names no commit.
var ErrUnknown = errors.New("names no commit")

// Open finds the repository of a module's folder.
func Open(ctx context.Context, root string) (*Repository, error) {
	prefix, err := run(ctx, root, "git", "rev-parse", "--show-prefix")
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	return &Repository{root: root, prefix: strings.TrimSpace(prefix)}, nil
}

// Resolve returns the commit that something names.
func (r *Repository) Resolve(ctx context.Context, ref string) (Commit, error) {
	// What looks like an option would be taken for one, and ^HEAD for all that is
	// not HEAD.
	if ref == "" || strings.HasPrefix(ref, "-") || strings.HasPrefix(ref, "^") {
		return Commit{}, fmt.Errorf("%q %w", ref, ErrUnknown)
	}
	id, err := run(ctx, r.root, "git", "rev-parse", "--verify", "--quiet", ref+"^{commit}")
	if err != nil {
		if ctx.Err() != nil {
			return Commit{}, err
		}
		hint := ""
		if r.shallow(ctx) {
			hint = "; this clone is shallow: git fetch --unshallow"
		}
		return Commit{}, fmt.Errorf("%q %w%s", ref, ErrUnknown, hint)
	}
	c := Commit{ID: strings.TrimSpace(id)}
	// Of a user who has signatures shown the subject would begin with one.
	subject, err := run(ctx, r.root, "git", "-c", "log.showSignature=false", "show", "--no-patch", "--format=%s", c.ID)
	c.Subject = strings.TrimSpace(subject)
	return c, err
}

// Within reports whether a commit is among those that another one is built on, or
// is that one. Of a shallow clone it is not known, and told as if it were.
func (r *Repository) Within(ctx context.Context, c, of Commit) (bool, error) {
	_, err := run(ctx, r.root, "git", "merge-base", "--is-ancestor", c.ID, of.ID)
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 1 {
		return r.shallow(ctx), nil
	}
	if err != nil {
		return false, fmt.Errorf("look for %s among what %s is built on: %w", c.Short(), of.Short(), err)
	}
	return true, nil
}

// shallow reports whether the clone lacks older commits.
func (r *Repository) shallow(ctx context.Context) bool {
	said, _ := run(ctx, r.root, "git", "rev-parse", "--is-shallow-repository")
	return strings.TrimSpace(said) == "true"
}

// Changes returns the files that are not as in HEAD, those that git does not
// know among them, but for some that do not count.
func (r *Repository) Changes(ctx context.Context, except ...string) ([]string, error) {
	args := []string{"--no-optional-locks", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=normal", "--", "."}
	for _, name := range except {
		// Git refuses what is outside.
		if name, ok := within(r.root, name); ok {
			args = append(args, ":(exclude,literal)"+filepath.ToSlash(name))
		}
	}
	// Without the first option git would write the index anew, and without
	// --untracked-files a user's settings would say which files are told.
	text, err := run(ctx, r.root, "git", args...)
	if err != nil {
		return nil, fmt.Errorf("look for changes: %w", err)
	}
	var files []string
	for entry := range strings.SplitSeq(text, "\x00") {
		if len(entry) > 3 {
			files = append(files, entry[3:])
		}
	}
	return files, nil
}

// within returns what a file is called in a folder, if it is in there.
func within(folder, name string) (string, bool) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", false
	}
	if name, err = filepath.Abs(name); err != nil {
		return "", false
	}
	if real, err := filepath.EvalSymlinks(folder); err == nil {
		folder = real
	}
	// The file need not be there yet.
	if real, err := filepath.EvalSymlinks(filepath.Dir(name)); err == nil {
		name = filepath.Join(real, filepath.Base(name))
	}
	rel, err := filepath.Rel(folder, name)
	return rel, err == nil && filepath.IsLocal(rel)
}

// code are the files that programs are built from.
var code = []string{"*.go", ":(exclude)*_test.go", "go.mod", "go.sum"}

// SameCode reports whether two commits make the same programs. Of one that is not
// in the clone it is not known, and told as if they did not.
func (r *Repository) SameCode(ctx context.Context, a, b string) (bool, error) {
	args := append([]string{"diff", "--quiet", "--no-ext-diff", a, b, "--"}, code...)
	_, err := run(ctx, r.root, "git", args...)
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return false, nil
	}
	return err == nil, err
}

// Edited returns the files with code that are not as in HEAD, and which file with
// code was written last, and when.
func (r *Repository) Edited(ctx context.Context) (files []string, last string, at time.Time, err error) {
	list := func(args ...string) ([]string, error) {
		text, err := run(ctx, r.root, "git", slices.Concat([]string{"--no-optional-locks"}, args, []string{"--"}, code)...)
		if err != nil {
			return nil, fmt.Errorf("look for code: %w", err)
		}
		return strings.FieldsFunc(text, func(c rune) bool { return c == 0 }), nil
	}
	entries, err := list("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all")
	if err != nil {
		return nil, "", at, err
	}
	for _, e := range entries {
		files = append(files, e[min(len(e), 3):])
	}
	all, err := list("ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return nil, "", at, err
	}
	for _, name := range all {
		// What is deleted was not written.
		if info, err := os.Stat(filepath.Join(r.root, name)); err == nil && info.ModTime().After(at) {
			last, at = name, info.ModTime()
		}
	}
	return files, last, at, nil
}

// Worktree is a commit that is checked out in a folder of its own.
type Worktree struct {
	Root string // folder of the module in it
	dir  string
	repo *Repository
}

// How long it may take to make a worktree, and to remove it.
const (
	makeLimit = 2 * time.Minute
	tidyLimit = 30 * time.Second
)

// Checkout puts a commit into the folder dir, which must not be there yet. The
// worktree must be removed in the end, however that comes about.
func (r *Repository) Checkout(ctx context.Context, c Commit, dir string) (*Worktree, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	w := &Worktree{Root: filepath.Join(dir, filepath.FromSlash(r.prefix)), dir: dir, repo: r}
	// It is not cut short: half a worktree is one that git does not remove.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), makeLimit)
	defer cancel()
	_, err := run(whole, r.root, "git", "-c", "core.hooksPath="+os.DevNull, "worktree", "add", "--quiet", "--detach", dir, c.ID)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("check out %s: %w", c.Short(), err), w.Remove())
	}
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, w.Remove())
	}
	return w, nil
}

// Remove removes the worktree, half made or whole. It does not end with the
// context of what made it: after an interrupt is when it is needed.
func (w *Worktree) Remove() error {
	if err := w.remove(); err != nil {
		return fmt.Errorf("remove the worktree in %s: %w; once that folder is gone, git worktree prune has git forget it", w.dir, err)
	}
	return nil
}

func (w *Worktree) remove() error {
	ctx, cancel := context.WithTimeout(context.Background(), tidyLimit)
	defer cancel()
	list, err := run(ctx, w.repo.root, "git", "worktree", "list", "--porcelain")
	if err != nil {
		return err
	}
	if known(list, w.dir) {
		// Twice: one that was being made is locked, too.
		if _, err := run(ctx, w.repo.root, "git", "worktree", "remove", "--force", "--force", w.dir); err == nil {
			return nil
		}
	}
	// Git does not take what it has only begun for a worktree: its folder goes,
	// and then git forgets it.
	if err := os.RemoveAll(w.dir); err != nil {
		return err
	}
	if _, err := run(ctx, w.repo.root, "git", "worktree", "remove", "--force", "--force", w.dir); err != nil && known(list, w.dir) {
		return err
	}
	return nil
}

// known reports whether a list of worktrees has one in the folder.
func known(list, dir string) bool {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	for line := range strings.Lines(list) {
		if strings.TrimSpace(line) == "worktree "+dir {
			return true
		}
	}
	return false
}
