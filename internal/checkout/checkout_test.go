package checkout

import (
	"context"
	"debug/buildinfo"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// git runs git in a folder.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	out, err := run(t.Context(), dir, "git", append([]string{"-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(out)
}

// put writes a file.
func put(t *testing.T, text string, name ...string) {
	t.Helper()
	file := filepath.Join(name...)
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o777); err != nil {
		t.Fatal(err)
	}
}

// newRepository has two commits. The module is in the folder prefix of it.
func newRepository(t *testing.T, prefix string) (*Repository, string) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	top := t.TempDir()
	root := filepath.Join(top, prefix)
	git(t, top, "init", "--quiet")
	for _, text := range []string{"one", "two"} {
		put(t, text, root, "file")
		put(t, "{}", root, "rawws/node/package-lock.json")
		put(t, "node_modules\n", root, ".gitignore")
		git(t, top, "add", "--all")
		git(t, top, "commit", "--quiet", "--message", "commit "+text)
	}
	r, err := Open(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return r, root
}

func TestResolve(t *testing.T) {
	r, root := newRepository(t, "")
	git(t, root, "tag", "-m", "annotated", "v1", "HEAD~1")
	head := git(t, root, "rev-parse", "HEAD")
	for ref, subject := range map[string]string{"HEAD": "commit two", "HEAD~1": "commit one", "v1": "commit one", head[:8]: "commit two"} {
		c, err := r.Resolve(t.Context(), ref)
		if err != nil || c.Subject != subject || len(c.ID) != 40 || len(c.Short()) != 12 {
			t.Errorf("%s: %+v, %v", ref, c, err)
		}
	}
	for _, ref := range []string{"", "nowhere", "HEAD~5", "--all", "-h", "HEAD:file", "a b", "@{u}", "^HEAD", "HEAD^@", "HEAD~1..HEAD"} {
		if c, err := r.Resolve(t.Context(), ref); !errors.Is(err, ErrUnknown) {
			t.Errorf("%q: %+v, %v", ref, c, err)
		}
	}
	// A user has signatures shown, and the commit has one that says nothing.
	git(t, root, "config", "log.showSignature", "true")
	lines, message, _ := strings.Cut(git(t, root, "cat-file", "commit", "HEAD"), "\n\n")
	file := filepath.Join(t.TempDir(), "signed")
	put(t, lines+"\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n none\n -----END PGP SIGNATURE-----\n\n"+message+"\n", file)
	if c, err := r.Resolve(t.Context(), git(t, root, "hash-object", "-t", "commit", "-w", file)); err != nil || c.Subject != "commit two" {
		t.Errorf("a signed commit: %+v, %v", c, err)
	}
	shallow := filepath.Join(t.TempDir(), "shallow")
	git(t, root, "clone", "--quiet", "--depth=1", "file://"+root, shallow)
	s, err := Open(t.Context(), shallow)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Resolve(t.Context(), "HEAD~1"); !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), "--unshallow") {
		t.Errorf("in a shallow clone: %v", err)
	}
}

// TestWithin asks what a commit is built on, also where the clone does not know.
func TestWithin(t *testing.T) {
	r, root := newRepository(t, "")
	git(t, root, "checkout", "--quiet", "-b", "other", "HEAD~1")
	git(t, root, "commit", "--quiet", "--allow-empty", "--message", "beside")
	git(t, root, "checkout", "--quiet", "-")
	resolve := func(r *Repository, ref string) Commit {
		t.Helper()
		c, err := r.Resolve(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	now := resolve(r, "HEAD")
	for ref, want := range map[string]bool{"HEAD": true, "HEAD~1": true, "other": false, "other~1": true} {
		if got, err := r.Within(t.Context(), resolve(r, ref), now); err != nil || got != want {
			t.Errorf("%s: %t, %v", ref, got, err)
		}
	}
	if got, err := r.Within(t.Context(), now, resolve(r, "HEAD~1")); err != nil || got {
		t.Errorf("HEAD is in what it is built on: %t, %v", got, err)
	}
	if _, err := r.Within(t.Context(), Commit{ID: strings.Repeat("1", 40)}, now); err == nil {
		t.Error("a commit that there is not is no error")
	}
	shallow := filepath.Join(t.TempDir(), "shallow")
	git(t, root, "clone", "--quiet", "--depth=1", "--no-single-branch", "file://"+root, shallow)
	s, err := Open(t.Context(), shallow)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Within(t.Context(), resolve(s, "origin/other"), resolve(s, "HEAD")); err != nil || !got {
		t.Errorf("in a shallow clone: %t, %v", got, err)
	}
}

// TestForeign takes what git itself calls foreign out of the environment.
func TestForeign(t *testing.T) {
	_, root := newRepository(t, "")
	names := strings.Fields(git(t, root, "rev-parse", "--local-env-vars"))
	if len(names) == 0 {
		t.Fatal("git names none")
	}
	for _, name := range names {
		t.Setenv(name, "x")
	}
	for _, v := range Environment() {
		if name, _, _ := strings.Cut(v, "="); slices.Contains(names, name) {
			t.Errorf("%s is left", v)
		}
	}
}

// TestSafe reads a repository of another user where a variable of git lets it, and takes
// no other setting from there.
func TestSafe(t *testing.T) {
	_, root := newRepository(t, "")
	t.Setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
	if _, err := Open(t.Context(), root); err == nil || !strings.Contains(err.Error(), "safe.directory") {
		t.Skipf("git reads it, or does not say what to do: %v", err)
	}
	for name, env := range map[string]map[string]string{
		"by number": {
			"GIT_CONFIG_COUNT": "2", "GIT_CONFIG_KEY_0": "core.bare", "GIT_CONFIG_VALUE_0": "true",
			"GIT_CONFIG_KEY_1": "Safe.Directory", "GIT_CONFIG_VALUE_1": root,
		},
		"as git -c has it":       {"GIT_CONFIG_PARAMETERS": "'core.bare'='true' 'safe.directory'='" + root + "'"},
		"as an older git has it": {"GIT_CONFIG_PARAMETERS": "'safe.directory=*'"},
	} {
		t.Run(name, func(t *testing.T) {
			for key, value := range env {
				t.Setenv(key, value)
			}
			r, err := Open(t.Context(), root)
			if err != nil {
				t.Fatal(err)
			}
			// In a bare one there are no changes to look for.
			if files, err := r.Changes(t.Context()); err != nil || len(files) > 0 {
				t.Errorf("%q, %v", files, err)
			}
		})
	}
}

func TestChanges(t *testing.T) {
	r, root := newRepository(t, "")
	// That is for status as a user reads it.
	git(t, root, "config", "status.showUntrackedFiles", "no")
	if files, err := r.Changes(t.Context()); err != nil || len(files) > 0 {
		t.Fatalf("%q, %v", files, err)
	}
	put(t, "three", root, "file")
	put(t, "", root, "new name")
	put(t, "", root, "node_modules/ignored")
	files, err := r.Changes(t.Context())
	if want := []string{"file", "new name"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("%q, %v, want %q", files, err, want)
	}
	// A folder that is new with what does not count, and one with more.
	for _, name := range []string{"made/a", "mixed/a", "mixed/b"} {
		put(t, "", root, name)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	files, err = r.Changes(t.Context(), filepath.Join(root, "made/a"), filepath.Join(link, "mixed/a"), filepath.Join(root, "new name"), filepath.Join(t.TempDir(), "outside"))
	if want := []string{"file", "mixed/"}; err != nil || !slices.Equal(files, want) {
		t.Errorf("but for some: %q, %v, want %q", files, err, want)
	}
}

// TestCheckout puts a commit beside the tree and takes it away again.
func TestCheckout(t *testing.T) {
	for _, tt := range []struct {
		name, prefix string
		linked       bool // the tree is a worktree itself, and on no branch
	}{
		{name: "a repository"},
		{name: "a folder of one", prefix: "a/b"},
		{name: "a linked worktree", linked: true},
		{name: "a folder of one that is linked", prefix: "a/b", linked: true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, root := newRepository(t, tt.prefix)
			gitDir := git(t, root, "rev-parse", "--absolute-git-dir")
			trees := 0
			if tt.linked {
				dir := filepath.Join(t.TempDir(), "linked")
				git(t, root, "worktree", "add", "--quiet", "--detach", dir, "HEAD")
				root, trees = filepath.Join(dir, tt.prefix), 1
				var err error
				if r, err = Open(t.Context(), root); err != nil {
					t.Fatal(err)
				}
			}
			// A hook of the user's that would be run by git as the user does it.
			ran := filepath.Join(t.TempDir(), "ran")
			put(t, "#!/bin/sh\ntouch '"+ran+"'\n", gitDir, "hooks", "post-checkout")
			// As in a hook, where git is tied to a repository, and to the index of a
			// commit under way.
			for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} {
				t.Setenv(name, filepath.Join(t.TempDir(), "elsewhere"))
			}
			before := git(t, root, "status", "--porcelain") + git(t, root, "worktree", "list")
			c, err := r.Resolve(t.Context(), "HEAD~1")
			if err != nil {
				t.Fatal(err)
			}
			w, err := r.Checkout(t.Context(), c, filepath.Join(t.TempDir(), "tree"))
			if err != nil {
				t.Fatal(err)
			}
			if text, err := os.ReadFile(filepath.Join(w.Root, "file")); err != nil || string(text) != "one" {
				t.Errorf("%q, %v", text, err)
			}
			put(t, "", w.Root, "what a build leaves")
			if err := w.Remove(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(w.dir); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the folder is still there: %v", err)
			}
			if after := git(t, root, "status", "--porcelain") + git(t, root, "worktree", "list"); after != before {
				t.Errorf("%q, before %q", after, before)
			}
			if known, err := os.ReadDir(filepath.Join(gitDir, "worktrees")); len(known) != trees || err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Errorf("git still knows it: %v, %v", known, err)
			}
			if _, err := os.Stat(ran); !errors.Is(err, os.ErrNotExist) {
				t.Error("the hook was run")
			}
		})
	}
}

// TestHalfMade removes worktrees that git does not recognise any more, or has
// never finished.
func TestHalfMade(t *testing.T) {
	r, root := newRepository(t, "")
	c, err := r.Resolve(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	for name, harm := range map[string]func(dir string) error{
		"without its .git": func(dir string) error { return os.Remove(filepath.Join(dir, ".git")) },
		"without a folder": os.RemoveAll,
		"locked": func(dir string) error {
			git(t, root, "worktree", "lock", dir)
			return nil
		},
	} {
		w, err := r.Checkout(t.Context(), c, filepath.Join(t.TempDir(), "tree"))
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(harm(w.dir), w.Remove()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if list := git(t, root, "worktree", "list"); strings.Count(list, "\n") != 0 {
			t.Errorf("%s: still there: %s", name, list)
		}
		if _, err := os.Stat(w.dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the folder is still there: %v", name, err)
		}
	}
}

// TestInterrupted ends the context before, and while git makes the worktree, and leaves
// nothing.
func TestInterrupted(t *testing.T) {
	r, root := newRepository(t, "")
	c, err := r.Resolve(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	try := func(when string, ctx context.Context) {
		t.Helper()
		dir := filepath.Join(t.TempDir(), "tree")
		if w, err := r.Checkout(ctx, c, dir); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %+v, %v", when, w, err)
		}
		if list := git(t, root, "worktree", "list"); strings.Count(list, "\n") != 0 {
			t.Errorf("%s: left behind: %s", when, list)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the folder is still there: %v", when, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	try("before", ctx)

	// A git that has made it, and does not end before the context has.
	own, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	made, ended := filepath.Join(bin, "made"), filepath.Join(bin, "ended")
	for _, name := range []string{made, ended} {
		if err := syscall.Mkfifo(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(t, "#!/bin/sh\n'"+own+"' \"$@\" || exit\ncase \" $* \" in *' worktree add '*) echo > '"+made+"'; cat '"+ended+"' ;; esac\n", bin, "git")
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	go func() {
		os.ReadFile(made) // until it is there
		cancel()
		os.WriteFile(ended, nil, 0)
	}()
	try("while it is made", ctx)
}

// TestRemoveFails says what is left to do where a worktree cannot be removed.
func TestRemoveFails(t *testing.T) {
	r, root := newRepository(t, "")
	c, err := r.Resolve(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	w, err := r.Checkout(t.Context(), c, filepath.Join(t.TempDir(), "tree"))
	if err != nil {
		t.Fatal(err)
	}
	gone := root + ".gone"
	if err := os.Rename(root, gone); err != nil {
		t.Fatal(err)
	}
	if err := w.Remove(); err == nil || !strings.Contains(err.Error(), w.dir) || !strings.Contains(err.Error(), "git worktree prune") {
		t.Error(err)
	}
	if err := errors.Join(os.Rename(gone, root), w.Remove()); err != nil {
		t.Error(err)
	}
}

// TestPackages takes packages over where the lock files are equal, and else has
// npm install them.
func TestPackages(t *testing.T) {
	r, root := newRepository(t, "")
	const hidden = "rawws/node/node_modules/.package-lock.json"
	put(t, "1", root, "rawws/node/node_modules/ws/index.js")
	put(t, "{}", root, hidden)
	bin := t.TempDir()
	put(t, "#!/bin/sh\nmkdir node_modules && echo \"$@\" > node_modules/installed\n", bin, "npm")
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	try := func() (*Worktree, []error) {
		t.Helper()
		c, err := r.Resolve(t.Context(), "HEAD~1")
		if err != nil {
			t.Fatal(err)
		}
		w, err := r.Checkout(t.Context(), c, filepath.Join(t.TempDir(), "tree"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := w.Remove(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(filepath.Join(root, "rawws/node/node_modules/ws/index.js")); err != nil {
				t.Errorf("the packages of the tree are gone: %v", err)
			}
		})
		problems, err := w.Packages(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return w, problems
	}
	w, problems := try()
	if text, err := os.ReadFile(filepath.Join(w.Root, "rawws/node/node_modules/ws/index.js")); err != nil || string(text) != "1" || len(problems) > 0 {
		t.Errorf("equal lock files: %q, %v, %v", text, err, problems)
	}
	put(t, `{"packages": {"node_modules/ws": {"version": "8.0.0"}}}`, root, hidden)
	w, problems = try()
	if text, err := os.ReadFile(filepath.Join(w.Root, "rawws/node/node_modules/installed")); err != nil || !strings.HasPrefix(string(text), "ci ") || len(problems) > 0 {
		t.Errorf("equal lock files, and others installed: %q, %v, %v", text, err, problems)
	}
	put(t, "{}", root, hidden)
	put(t, "{\"other\": 1}", root, "rawws/node/package-lock.json")
	w, problems = try()
	if text, err := os.ReadFile(filepath.Join(w.Root, "rawws/node/node_modules/installed")); err != nil || !strings.HasPrefix(string(text), "ci ") || len(problems) > 0 {
		t.Errorf("other lock files: %q, %v, %v", text, err, problems)
	}
	put(t, "#!/bin/sh\necho no such package >&2\nexit 1\n", bin, "npm")
	if _, problems = try(); len(problems) != 1 || !strings.Contains(problems[0].Error(), "no such package") {
		t.Errorf("npm fails: %v", problems)
	}
}

// TestInstalled holds what is installed against the lock file.
func TestInstalled(t *testing.T) {
	lock := func(packages string) string { return `{"lockfileVersion": 3, "packages": {` + packages + `}}` }
	const ws, redis = `"node_modules/ws": {"version": "8.1.0"}`, `"node_modules/redis/node_modules/x": {"version": "1.0.0"}`
	for _, tt := range []struct{ name, lock, installed, want string }{
		{"the same", lock(`"": {"name": "chat"}, ` + ws + "," + redis), lock(redis + "," + ws), ""},
		{"an older one", lock(ws), lock(`"node_modules/ws": {"version": "8.0.0"}`), "ws is installed in 8.0.0, and package-lock.json asks for 8.1.0"},
		{"none", lock(ws + "," + redis), lock(ws), "redis/node_modules/x is not installed"},
		{"one too many", lock(ws), lock(ws + "," + redis), "redis/node_modules/x is installed, and not in package-lock.json"},
		{"one for another system", lock(ws + `,"node_modules/bufferutil": {"version": "4.0.0", "optional": true}`), lock(ws), ""},
		{"not by npm", lock(ws), "", "find out which packages are installed"},
		{"no lock file", "{", lock(ws), "package-lock.json"},
	} {
		root := t.TempDir()
		put(t, tt.lock, root, "a/node/package-lock.json")
		if tt.installed != "" {
			put(t, tt.installed, root, "a/node/node_modules/.package-lock.json")
		}
		err := Installed(root, "a/node")
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) || err != nil && tt.lock != "{" && !strings.Contains(err.Error(), "run make node") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

// measured are packages of this module with servers and clients.
var measured = []string{"./rawws", "./sio"}

// library is one that they use.
const library = "github.com/gorilla/websocket"

// TestInUse looks at what is asked for before anything is fetched.
func TestInUse(t *testing.T) {
	for _, bad := range []string{"", "x", "@v1", library, library + "@", library + "=", "=x", "-x@v1", "example.com/none@v1.0.0",
		"github.com/alicebob/miniredis/v2@v2.40.0", // the harness does
	} {
		if err := InUse(t.Context(), "../..", []string{library + "@v1.5.3", bad}, measured); !errors.Is(err, ErrModule) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	if err := InUse(t.Context(), "../..", []string{library + "@v1.5.3"}, measured); err != nil {
		t.Error(err)
	}
	folder := t.TempDir()
	if err := InUse(t.Context(), "../..", []string{library + "=" + folder}, measured); !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), "holds no go.mod") {
		t.Errorf("an empty folder: %v", err)
	}
	for module, want := range map[string]string{"example.com/other": "the folder holds the module example.com/other", library: ""} {
		if err := os.WriteFile(filepath.Join(folder, "go.mod"), []byte("module "+module+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
		err := InUse(t.Context(), "../..", []string{library + "=" + folder}, measured)
		if (err == nil) != (want == "") || err != nil && (!errors.Is(err, ErrModule) || !strings.Contains(err.Error(), want)) {
			t.Errorf("a folder with %s: %v", module, err)
		}
	}
	const other = "github.com/googollee/go-socket.io@v1.7.0"
	if err := InUse(t.Context(), "../..", []string{other}, measured[:1]); !errors.Is(err, ErrModule) || !strings.Contains(err.Error(), "use no module github.com/googollee/go-socket.io; they use ") || !strings.Contains(err.Error(), library) {
		t.Errorf("of another package: %v", err)
	}
}

// TestWith builds with the present version of a library, which is in the cache of
// modules.
func TestWith(t *testing.T) {
	before, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	versions, err := modules(t.Context(), "../..", measured)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	changes, err := With(t.Context(), "../..", t.TempDir(), out, []string{library + "@" + versions[library]})
	if err != nil || len(changes) > 0 {
		t.Errorf("the present version: %v, %v", changes, err)
	}
	if info, err := buildinfo.ReadFile(out); err != nil || info.Path != "wsvsio/cmd/compare" {
		t.Errorf("built: %v, %v", info, err)
	}
	if after, err := os.ReadFile("../../go.mod"); err != nil || string(after) != string(before) {
		t.Errorf("go.mod has changed: %v", err)
	}
}

// TestOther builds with another version of a library, where it can be had.
func TestOther(t *testing.T) {
	const other = "v1.5.1"
	versions, err := modules(t.Context(), "../..", measured)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	changes, err := With(t.Context(), "../..", t.TempDir(), out, []string{library + "@" + other})
	if errors.Is(err, ErrFetch) {
		t.Skipf("it cannot be had here: %v", err)
	}
	if err != nil || !slices.Contains(changes, library+" "+versions[library]+" => "+other) {
		t.Fatalf("%q, %v", changes, err)
	}
	info, err := buildinfo.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(info.Deps, func(m *debug.Module) bool { return m.Path == library && m.Version == other }) {
		t.Errorf("the program is not built with it: %v", info.Deps)
	}
}

// TestFetch tells a version that does not exist from one that could not be asked
// for.
func TestFetch(t *testing.T) {
	for name, tt := range map[string]struct {
		status int // of a proxy that answers all questions alike; 0 has it gone
		want   error
	}{
		"does not exist":        {http.StatusNotFound, ErrModule},
		"taken back":            {http.StatusGone, ErrModule},
		"the proxy fails":       {http.StatusInternalServerError, ErrFetch},
		"there is no proxy":     {0, ErrFetch},
		"nobody may ask for it": {http.StatusForbidden, ErrFetch},
	} {
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(tt.status) }))
		if tt.status == 0 {
			proxy.Close()
		}
		for _, v := range [][2]string{{"GOPROXY", proxy.URL}, {"GOSUMDB", "off"}, {"GOPRIVATE", ""}, {"GONOPROXY", ""}, {"NO_PROXY", "127.0.0.1"}} {
			t.Setenv(v[0], v[1])
		}
		for _, version := range []string{"v1.5.999", "v1.99"} {
			changes, err := With(t.Context(), "../..", t.TempDir(), filepath.Join(t.TempDir(), "out"), []string{library + "@" + version})
			if !errors.Is(err, tt.want) || errors.Is(err, ErrModule) && errors.Is(err, ErrFetch) {
				t.Errorf("%s, %s: %v, %v", name, version, changes, err)
			}
		}
		proxy.Close()
	}
}

// TestRun quotes the end of what a command says, and ends with the context.
func TestRun(t *testing.T) {
	_, err := run(t.Context(), t.TempDir(), "sh", "-c", "yes word | head -c 20000 >&2; echo the end >&2; exit 3")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.HasSuffix(err.Error(), "the end") || len(err.Error()) > 2*mostOutput {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started := filepath.Join(t.TempDir(), "started")
	if err := syscall.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer cancel()
		os.ReadFile(started) // until it has started, and its child with it
	}()
	if _, err := run(ctx, t.TempDir(), "sh", "-c", "cat /dev/zero > /dev/null & echo > '"+started+"'; wait"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// TestRunGo ends a go command that does not heed signals yet, but has made a folder for
// what it builds.
func TestRunGo(t *testing.T) {
	bin, temp := t.TempDir(), t.TempDir()
	started := filepath.Join(bin, "started")
	if err := syscall.Mkfifo(started, 0o600); err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nmkdir \"${GOTMPDIR:-$TMPDIR}/go-build1\"\necho > '" + started + "'\nexec cat /dev/zero > /dev/null\n"
	put(t, script, bin, "go")
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("TMPDIR", temp)
	t.Setenv("GOTMPDIR", "")
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		defer cancel()
		os.ReadFile(started)
	}()
	if _, err := run(ctx, bin, "go", "build"); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
