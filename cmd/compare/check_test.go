package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/perf/benchfmt"

	"wsvsio/internal/record"
	"wsvsio/internal/regress"
)

// The commits of the repository that the checks are tried in.
const (
	goodTag  = "good"     // this tree
	wasteTag = "waste"    // one more allocation and one more byte for each message of rawws
	bustTag  = "bust"     // does not build
	oldTag   = "old"      // speaks an older control protocol
	lessTag  = "less"     // has no rawws
	nodeTag  = "nodeless" // has no worker for Node
)

// git runs git in a folder, for a user of its own.
func git(dir string, args ...string) (string, error) {
	cmd := exec.Command("git", append([]string{"-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"}, args...)...)
	cmd.Dir = dir
	cmd.Env = slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "GIT_") })
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", errors.Join(err, errors.New(string(out)))
	}
	return strings.TrimSpace(string(out)), nil
}

// edit replaces a text that a file of the repository has once.
func edit(dir, file, old, text string) error {
	name := filepath.Join(dir, file)
	data, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if bytes.Count(data, []byte(old)) != 1 {
		return errors.New(file + " has not once: " + old)
	}
	return os.WriteFile(name, bytes.Replace(data, []byte(old), []byte(text), 1), 0o666)
}

// repository returns a copy of this tree as a repository with some commits, of
// which the good one is checked out.
var repository = func() func(t *testing.T) string {
	var once sync.Once
	var dir string
	var err error
	return func(t *testing.T) string {
		t.Helper()
		if _, err := exec.LookPath("git"); err != nil {
			t.Skip("git is not installed")
		}
		once.Do(func() { dir, err = makeRepository() })
		if err != nil {
			t.Fatal(err)
		}
		return dir
	}
}()

func makeRepository() (string, error) {
	dir, err := os.MkdirTemp("", "compare-repository")
	if err != nil {
		return "", err
	}
	cleanups = append(cleanups, func() { os.RemoveAll(dir) })
	// What of this tree is code, whether or not git knows it.
	err = filepath.WalkDir("../..", func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel("../..", name)
		if err != nil {
			return err
		}
		// In a worktree .git is a file, and would make the copy one of ours.
		if e.Name() == ".git" && !e.IsDir() {
			return nil
		}
		if e.IsDir() {
			if slices.Contains([]string{".git", "results", "bin", "node_modules"}, e.Name()) {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(dir, rel), 0o777)
		}
		data, err := os.ReadFile(name)
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(dir, rel), data, info.Mode())
	})
	if err != nil {
		return "", err
	}
	do := func(args ...string) {
		if err == nil {
			_, err = git(dir, args...)
		}
	}
	do("init", "--quiet", "--initial-branch=main")
	if err == nil {
		// What follows commits and resets: in this copy, and nowhere else.
		var own string
		if own, err = git(dir, "rev-parse", "--absolute-git-dir"); err == nil && filepath.Base(filepath.Dir(own)) != filepath.Base(dir) {
			err = errors.New(own + " is not the copy's")
		}
	}
	if err == nil {
		// Links to packages are no change.
		err = os.WriteFile(filepath.Join(dir, ".git/info/exclude"), []byte("node_modules\n"), 0o666)
	}
	do("add", "--all")
	do("commit", "--quiet", "--message=good")
	do("tag", goodTag)
	for _, c := range []struct {
		tag   string
		edits [][3]string
	}{
		{wasteTag, [][3]string{
			{"rawws/server.go", "return frame(websocket.TextMessage, text)", "return frame(websocket.TextMessage, append(text, ' '))"},
			{"rawws/server.go", "func (s *Server) chat(m scenarios.Message) {", "var wasted *scenarios.Message\n\nfunc (s *Server) chat(m scenarios.Message) {\n\twasted = &scenarios.Message{Room: m.Room}"},
		}},
		{bustTag, [][3]string{{"rawws/server.go", "func textFrame(v any)", "var _ = nothing\n\nfunc textFrame(v any)"}}},
		{oldTag, [][3]string{{"internal/worker/wire.go", "const Version = 1", "const Version = 0"}}},
		{lessTag, [][3]string{{"bench/stacks.go", `"rawws": {Path`, `"morse": {Path`}}},
		{nodeTag, [][3]string{{"internal/worker/node/control.mjs", "const version = 1;", "const version = 0;"}}},
	} {
		for _, e := range c.edits {
			err = errors.Join(err, edit(dir, e[0], e[1], e[2]))
		}
		do("commit", "--quiet", "--all", "--message="+c.tag)
		do("tag", c.tag)
		do("reset", "--quiet", "--hard", goodTag)
	}
	return dir, err
}

// state is all that a check must not change: what is checked out, the index,
// the stash and what git keeps of them.
func state(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, args := range [][]string{
		{"rev-parse", "HEAD"}, {"symbolic-ref", "HEAD"}, {"--no-optional-locks", "status", "--porcelain", "--ignored"},
		{"stash", "list"}, {"worktree", "list"}, {"for-each-ref"}, {"diff"}, {"diff", "--cached"},
	} {
		out, err := git(dir, args...)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(out + "\n")
	}
	for _, name := range []string{"index", "config"} {
		data, err := os.ReadFile(filepath.Join(dir, ".git", name))
		if err != nil {
			t.Fatal(err)
		}
		b.Write(data)
	}
	entries, err := os.ReadDir(filepath.Join(dir, ".git"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b.WriteString(e.Name() + "\n")
	}
	return b.String()
}

// unchanged runs a check and holds that it leaves the repository as it was, and
// no folder behind.
func unchanged(t *testing.T, dir string, do func()) {
	t.Helper()
	t.Chdir(dir)
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	before := state(t, dir)
	do()
	if after := state(t, dir); after != before {
		// The index is long, and what differs is seldom in it.
		for i, part := range strings.Split(after, "\n") {
			if was := strings.Split(before, "\n"); i >= len(was) || was[i] != part {
				t.Errorf("the repository has changed, first: %.200q", part)
				break
			}
		}
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// TestCheckAgainst checks a commit whose server sends one more byte, and
// allocates once more, for each message.
func TestCheckAgainst(t *testing.T) {
	dir := repository(t)
	out := filepath.Join(t.TempDir(), "check")
	summary := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	if _, err := git(dir, "checkout", "--quiet", wasteTag); err != nil {
		t.Fatal(err)
	}
	defer git(dir, "checkout", "--quiet", "main")
	// What is asked of HEAD here must be a branch: see state.
	if _, err := git(dir, "checkout", "--quiet", "-B", "wasteful"); err != nil {
		t.Fatal(err)
	}
	unchanged(t, dir, func() {
		status, stdout, stderr := compare(t, "check", "-against", goodTag, "-stack", "rawws", "-case", "echo", "-pairs", "6", "-seed", "7", "-out", out)
		if status != exitRegression {
			t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
		}
		for _, want := range []string{"regression: ", "what is different", "bytes down", "allocations", "base: ", "head: "} {
			if !strings.Contains(stdout, want) {
				t.Errorf("stdout lacks %q:\n%s", want, stdout)
			}
		}
		if !strings.Contains(stderr, "::error title=Regression::broadcast echo, 1 client on rawws: bytes down is worse: 213 instead of 212") {
			t.Errorf("no annotation: %s", stderr)
		}
	})
	data, err := os.ReadFile(filepath.Join(out, "check.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r regress.Report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	worse := make(map[string]float64)
	for _, f := range r.Findings {
		if f.Outcome == regress.Worse && f.Kind != regress.Paired {
			worse[f.Unit] = f.Head - f.Base
		}
	}
	// What a message is allocated as is two objects or one, as the compiler
	// has it.
	if r.Answer != regress.Regression || worse["wire-down-B/msg"] != 1 || worse["server-allocs/msg"] < 0.9 || worse["wire-up-B/msg"] != 0 {
		t.Errorf("%s: worse are %v", r.Answer, worse)
	}
	for _, name := range []string{"base.txt", "head.txt"} {
		text, problems, err := record.ReadText(filepath.Join(out, name), true)
		if err != nil || len(problems) > 0 {
			t.Fatal(err, problems)
		}
		n := 0
		for reader := benchfmt.NewReader(bytes.NewReader(text), name); reader.Scan(); {
			if result, ok := reader.Result().(*benchfmt.Result); ok {
				if n++; !strings.Contains(string(result.Name), "/stack=rawws-") {
					t.Errorf("%s: %s", name, result.Name)
				}
			}
		}
		if n < 6 {
			t.Errorf("%s has %d benchmarks", name, n)
		}
	}
	benchstat := exec.Command("go", "run", "golang.org/x/perf/cmd/benchstat", "base.txt="+filepath.Join(out, "base.txt"), "head.txt="+filepath.Join(out, "head.txt"))
	if text, err := benchstat.CombinedOutput(); err != nil || !strings.Contains(string(text), "wire-down-B/msg") || !strings.Contains(string(text), "vs base") {
		t.Errorf("benchstat: %v: %s", err, text)
	}
	if text, err := os.ReadFile(summary); err != nil || !strings.Contains(string(text), "## regression: ") {
		t.Errorf("the step's summary: %v, %s", err, text)
	}
}

// TestCheckGain is the same the other way round: it is told, and fails nothing.
func TestCheckGain(t *testing.T) {
	dir := repository(t)
	t.Setenv("GITHUB_ACTIONS", "true")
	unchanged(t, dir, func() {
		status, stdout, stderr := compare(t, "check", "-against", wasteTag, "-stack", "rawws", "-case", "echo", "-pairs", "6")
		if status != exitOK || !strings.Contains(stdout, "better") || strings.Contains(stdout, "worse  ") {
			t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
		}
		if !strings.Contains(stderr, "::notice title=Gain::broadcast echo, 1 client on rawws: bytes down is better: 212 instead of 213") {
			t.Errorf("no annotation: %s", stderr)
		}
	})
}

// TestCheckWith measures the tree against itself with the present version of a
// library, which is in the cache of modules.
func TestCheckWith(t *testing.T) {
	dir := repository(t)
	mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`github.com/gorilla/websocket (v\S+)`).FindSubmatch(mod)
	if m == nil {
		t.Fatal("go.mod does not name the library")
	}
	unchanged(t, dir, func() {
		status, stdout, stderr := compare(t, "check", "-with", "github.com/gorilla/websocket@"+string(m[1]), "-stack", "rawws", "-case", "connect", "-pairs", "6")
		if status != exitOK || !strings.Contains(stdout, "these are the present versions") || !strings.Contains(stdout, "no regression: github.com/gorilla/websocket@") {
			t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
		}
	})
}

func TestCheckBadInput(t *testing.T) {
	dir := repository(t)
	for _, tt := range []struct {
		name, args string
		status     int
		want       []string
	}{
		{"unknown ref", "-against nowhere", exitUsage, []string{`"nowhere" names no commit`}},
		{"an option for a ref", "-against --all", exitUsage, []string{`"--all" names no commit`}},
		{"a base that does not build", "-against " + bustTag, exitError, []string{"does not build", "undefined: nothing"}},
		{"a base with an older protocol", "-against " + oldTag, exitError, []string{"cannot be measured with the harness of the head", "speaks control protocol 0, not 1"}},
		{"a base without the cell", "-against " + lessTag, exitError, []string{"has no such cell", `no program "rawws"`}},
		{"no version", "-with github.com/gorilla/websocket", exitUsage, []string{"want MODULE@VERSION"}},
		{"no module of ours", "-with example.com/nothing@v1.0.0", exitUsage, []string{"uses no module example.com/nothing"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			unchanged(t, dir, func() {
				status, stdout, stderr := compare(t, append([]string{"check", "-stack", "rawws", "-case", "echo", "-pairs", "6"}, strings.Fields(tt.args)...)...)
				if status != tt.status || stdout != "" {
					t.Errorf("exit status %d, stdout %q", status, stdout)
				}
				for _, want := range tt.want {
					if !strings.Contains(stderr, want) {
						t.Errorf("stderr lacks %q:\n%s", want, stderr)
					}
				}
			})
		})
	}
}

// TestCheckNodeBase is a base whose worker for Node speaks an older protocol.
func TestCheckNodeBase(t *testing.T) {
	needNode(t)
	dir := repository(t)
	for _, folder := range []string{"rawws/node", "sio/node"} {
		installed, err := filepath.Abs(filepath.Join("../..", folder, "node_modules"))
		if err != nil {
			t.Fatal(err)
		}
		link := filepath.Join(dir, folder, "node_modules")
		if err := os.Symlink(installed, link); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(link)
	}
	unchanged(t, dir, func() {
		status, _, stderr := compare(t, "check", "-against", nodeTag, "-stack", "rawws-node", "-case", "connect", "-pairs", "6")
		if status != exitError || !strings.Contains(stderr, "this worker speaks version 0") {
			t.Errorf("exit status %d, %s", status, stderr)
		}
	})
	unchanged(t, dir, func() {
		status, stdout, stderr := compare(t, "check", "-against", "HEAD", "-stack", "rawws-node", "-case", "connect", "-pairs", "6")
		if status != exitOK || !strings.Contains(stdout, "the same commit") || !strings.Contains(stdout, "exact figures that are the same: 3") {
			t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
		}
	})
}

// TestCheckDirty checks a tree with changes, staged ones and others.
func TestCheckDirty(t *testing.T) {
	dir := repository(t)
	defer git(dir, "reset", "--quiet", "--hard", goodTag)
	err := errors.Join(
		edit(dir, "rawws/server.go", "return frame(websocket.TextMessage, text)", "return frame(websocket.TextMessage, append(text, ' '))"),
		os.WriteFile(filepath.Join(dir, "note.txt"), nil, 0o666))
	if err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filepath.Join(dir, "note.txt"))
	if _, err := git(dir, "add", "rawws/server.go"); err != nil {
		t.Fatal(err)
	}
	unchanged(t, dir, func() {
		status, stdout, stderr := compare(t, "check", "-against", "HEAD", "-stack", "rawws", "-case", "echo", "-pairs", "6")
		for _, out := range []string{stdout, stderr} {
			if status != exitRegression || !strings.Contains(out, "the tree is dirty") || !strings.Contains(out, "rawws/server.go") || !strings.Contains(out, "note.txt") {
				t.Errorf("exit status %d: %s", status, out)
			}
		}
	})
}

// TestCheckOutside is a folder that is no repository.
func TestCheckOutside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module wsvsio\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("GIT_CEILING_DIRECTORIES", filepath.Dir(dir))
	if status, _, stderr := compare(t, "check", "-against", "HEAD"); status != exitError || !strings.Contains(stderr, "find the repository") {
		t.Errorf("exit status %d, %s", status, stderr)
	}
}
