package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/perf/benchfmt"

	"wsvsio/bench"
	"wsvsio/internal/checkout"
	"wsvsio/internal/record"
	"wsvsio/internal/regress"
	"wsvsio/scenarios"
)

// The commits of the repository that the checks are tried in.
const (
	goodTag  = "good"     // this tree
	wasteTag = "waste"    // one more allocation and one more byte for each message of rawws
	bustTag  = "bust"     // does not build
	oldTag   = "old"      // speaks an older control protocol
	lackTag  = "lacking"  // does not know a field of this one
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
		{oldTag, [][3]string{{"internal/worker/wire.go", "const Version = 2", "const Version = 1"}}},
		{lackTag, [][3]string{{"internal/worker/wire.go", "`json:\"addr,omitempty\"` // where", "`json:\"address,omitempty\"` // where"}}},
		{lessTag, [][3]string{{"bench/stacks.go", `"rawws": {Path`, `"morse": {Path`}}},
		{nodeTag, [][3]string{{"internal/worker/node/control.mjs", "const version = 2;", "const version = 1;"}}},
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

// held runs a check that is kept in a folder, and returns its report. A machine that is
// busy enough lets cells fail, and of six pairs two are too many: it is tried again,
// twice. The exit status must be that of the report.
func held(t *testing.T, out string, args ...string) (r regress.Report, stdout, stderr string) {
	t.Helper()
	for range 3 {
		var status int
		status, stdout, stderr = compare(t, append(append([]string{"check"}, args...), "-out", out)...)
		data, err := os.ReadFile(filepath.Join(out, checkFile))
		if err != nil {
			t.Fatalf("exit status %d, %v\n%s%s", status, err, stdout, stderr)
		}
		r = regress.Report{}
		if err := json.Unmarshal(data, &r); err != nil {
			t.Fatal(err)
		}
		want := exitOK
		switch {
		case r.Answer == regress.Regression:
			want = exitRegression
		case len(r.Failures) > 0:
			want = exitError
		}
		if status != want || !strings.HasPrefix(stdout, string(r.Answer)+": ") {
			t.Fatalf("exit status %d, want %d\n%s%s", status, want, stdout, stderr)
		}
		if len(r.Failures) == 0 {
			return r, stdout, stderr
		}
		t.Logf("cells failed: %q", r.Failures)
	}
	t.Fatalf("cells fail each time\n%s%s", stdout, stderr)
	return r, stdout, stderr
}

// byValue are the findings of what does not vary, by unit, with how much the head
// has more. Figures in pairs may be called different by chance in a test, and are
// left out.
func byValue(r regress.Report, o regress.Outcome) map[string]float64 {
	found := make(map[string]float64)
	for _, f := range r.Findings {
		if (f.Kind == regress.Exact || f.Kind == regress.Limited) && f.Outcome == o {
			found[f.Unit] = f.Head - f.Base
		}
	}
	return found
}

// sameConnect holds that what a connection takes is the same on both sides.
func sameConnect(t *testing.T, r regress.Report) {
	t.Helper()
	same := byValue(r, regress.Same)
	for _, unit := range []string{"connect-B", "connect-reqs", "connect-conns"} {
		if _, ok := same[unit]; !ok {
			t.Errorf("%s is not the same: %+v", unit, r.Findings)
		}
	}
}

// TestCheckAgainst checks a commit whose server sends one more byte, and
// allocates once more, for each message.
func TestCheckAgainst(t *testing.T) {
	dir := repository(t)
	out := filepath.Join(t.TempDir(), "check")
	var r regress.Report
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
		var stdout, stderr string
		r, stdout, stderr = held(t, out, "-against", goodTag, "-stack", "rawws", "-case", "echo", "-pairs", "6", "-seed", "7")
		for _, want := range []string{"regression: ", "what is different", "bytes down", "allocations", "base: ", "head: "} {
			if !strings.Contains(stdout, want) {
				t.Errorf("stdout lacks %q:\n%s", want, stdout)
			}
		}
		if !strings.Contains(stderr, "::error title=Regression::broadcast echo, 1 client on rawws: bytes down is worse: 213 instead of 212") {
			t.Errorf("no annotation: %s", stderr)
		}
		if strings.Contains(stdout, "merge-base") {
			t.Errorf("the head is built on the base:\n%s", stdout)
		}
	})
	worse := byValue(r, regress.Worse)
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
		if n < 5 { // of six, of which one may fail
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

// TestCheckLinked checks a folder of a worktree that is on no branch, as git is used
// by one who has several, and where the variables of git name another repository, as
// they do in a hook.
func TestCheckLinked(t *testing.T) {
	dir := repository(t)
	linked := filepath.Join(t.TempDir(), "linked")
	if _, err := git(dir, "worktree", "add", "--quiet", "--detach", linked, wasteTag); err != nil {
		t.Fatal(err)
	}
	defer git(dir, "worktree", "remove", "--force", linked)
	unchanged(t, dir, func() {
		t.Chdir(filepath.Join(linked, "rawws"))
		for _, name := range []string{"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"} {
			t.Setenv(name, filepath.Join(linked, "elsewhere"))
		}
		r, stdout, stderr := held(t, t.TempDir(), "-against", goodTag, "-stack", "rawws", "-case", "echo", "-pairs", "6")
		if byValue(r, regress.Worse)["wire-down-B/msg"] != 1 || !regexp.MustCompile(`head: [0-9a-f]{12} waste\b`).MatchString(stdout) || strings.Contains(stdout, "dirty") {
			t.Errorf("%s%s", stdout, stderr)
		}
		if changes, err := git(linked, "status", "--porcelain", "--ignored"); err != nil || changes != "" {
			t.Errorf("the worktree has changed: %s, %v", changes, err)
		}
	})
}

// TestCheckGain is the same the other way round: it is told, and fails nothing. The
// base has a commit that the head has not, which is told, too.
func TestCheckGain(t *testing.T) {
	dir := repository(t)
	t.Setenv("GITHUB_ACTIONS", "true")
	unchanged(t, dir, func() {
		r, stdout, stderr := held(t, t.TempDir(), "-against", wasteTag, "-stack", "rawws", "-case", "echo", "-pairs", "6")
		if better := byValue(r, regress.Better); better["wire-down-B/msg"] != -1 || better["server-allocs/msg"] > -0.9 || len(byValue(r, regress.Worse)) > 0 {
			t.Errorf("%s%s", stdout, stderr)
		}
		if !strings.Contains(stderr, "::notice title=Gain::broadcast echo, 1 client on rawws: bytes down is better: 212 instead of 213") {
			t.Errorf("no annotation: %s", stderr)
		}
		for _, out := range []string{stdout, stderr} {
			if words := strings.Join(strings.Fields(out), " "); !strings.Contains(words, "the head is not built on the base") || !strings.Contains(words, "compare check -against $(git merge-base waste HEAD)") {
				t.Errorf("not told: %s", out)
			}
		}
	})
}

// TestCheckWith measures the tree against itself with the present version of a
// library, which is in the cache of modules. Nothing that decides is measured:
// if all else is too noisy it does not say that there is no regression.
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
		r, stdout, _ := held(t, t.TempDir(), "-with", "github.com/gorilla/websocket@"+string(m[1]), "-stack", "rawws", "-case", "connect", "-pairs", "6")
		if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "these are the present versions") }) {
			t.Errorf("notes %q", r.Notes)
		}
		sameConnect(t, r)
		silent := true
		for _, f := range r.Findings {
			if f.Kind == regress.Paired && f.Outcome != regress.Noisy && f.Outcome != regress.TooFew {
				silent = false
			}
		}
		if silent && r.Answer != regress.Inconclusive || len(r.Findings) < 4 {
			t.Errorf("%s:\n%s", r.Answer, stdout)
		}
	})
}

// TestCheckOther measures another version of a library, where it can be had, in a
// tree with a change.
func TestCheckOther(t *testing.T) {
	dir := repository(t)
	if err := os.WriteFile(filepath.Join(dir, "note.txt"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(filepath.Join(dir, "note.txt"))
	unchanged(t, dir, func() {
		status, stdout, stderr := compare(t, "check", "-with", "github.com/gorilla/websocket@v1.5.1", "-stack", "rawws,rawws-node", "-case", "connect", "-pairs", "6")
		if strings.Contains(stderr, checkout.ErrFetch.Error()) {
			if status != exitError {
				t.Errorf("exit status %d", status)
			}
			t.Skipf("it cannot be had here: %s", stderr)
		}
		if stdout == "" { // whatever has changed, or failed
			t.Errorf("exit status %d: %s", status, stderr)
		}
		words := strings.Join(strings.Fields(stdout), " ")
		for _, want := range []string{"=> v1.5.1", "not compared: rawws-node: -with is for Go modules", "the tree is dirty: both sides are the tree as it is, with the changes to note.txt"} {
			if !strings.Contains(words, want) {
				t.Errorf("stdout lacks %q:\n%s", want, stdout)
			}
		}
	})
}

// TestCheckFolder measures a library's own code, of which one copy allocates once more
// for each message, beside another: what its maintainer asks of a change.
func TestCheckFolder(t *testing.T) {
	const library = "github.com/gorilla/websocket"
	dir := repository(t)
	cache, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", library).Output()
	if err != nil {
		t.Fatal(err)
	}
	folders := t.TempDir()
	for _, name := range []string{"before", "after"} {
		if err := os.CopyFS(filepath.Join(folders, name), os.DirFS(strings.TrimSpace(string(cache)))); err != nil {
			t.Fatal(err)
		}
	}
	const reads = "func (c *Conn) NextReader() (messageType int, r io.Reader, err error) {"
	file := filepath.Join(folders, "after", "conn.go")
	if err := os.Chmod(file, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := edit(filepath.Dir(file), "conn.go", reads, "var wasted *[64]byte\n\n"+reads+"\n\twasted = new([64]byte)"); err != nil {
		t.Fatal(err)
	}
	replace := exec.Command("go", "mod", "edit", "-replace="+library+"="+filepath.Join(folders, "before"))
	replace.Dir = dir
	if text, err := replace.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	defer git(dir, "checkout", "--quiet", "go.mod")
	unchanged(t, dir, func() {
		r, stdout, _ := held(t, t.TempDir(), "-with", library+"="+filepath.Join(folders, "after"), "-stack", "rawws", "-case", "echo", "-pairs", "6")
		if worse := byValue(r, regress.Worse); r.Answer != regress.Regression || worse["server-allocs/msg"] < 0.9 {
			t.Errorf("%s: worse are %v\n%s", r.Answer, worse, stdout)
		}
		words := strings.Join(strings.Fields(stdout), " ")
		for _, want := range []string{"replaced by " + filepath.Join(folders, "before") + " => ", "with the changes to go.mod"} {
			if !strings.Contains(words, want) {
				t.Errorf("stdout lacks %q:\n%s", want, stdout)
			}
		}
	})
	unchanged(t, dir, func() {
		status, _, stderr := compare(t, "check", "-with", library+"="+folders, "-stack", "rawws", "-case", "echo")
		if status != exitUsage || !strings.Contains(stderr, "the folder holds no go.mod") {
			t.Errorf("exit status %d: %s", status, stderr)
		}
	})
}

// TestCheckLess has a base that lacks one of the stacks that nobody has named: the
// others are compared, and the answer is not that there is no regression.
func TestCheckLess(t *testing.T) {
	dir := repository(t)
	t.Setenv("GITHUB_ACTIONS", "true")
	unchanged(t, dir, func() {
		r, stdout, stderr := held(t, t.TempDir(), "-against", lessTag, "-case", "connect", "-pairs", "6")
		const want = "not compared: rawws: the base has no such cell, or it does not start: "
		if r.Answer == regress.NoRegression || !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) {
			t.Errorf("%s%s", stdout, stderr)
		}
		sameConnect(t, r)
		if !strings.Contains(stderr, "::warning title=Inconclusive::"+want) {
			t.Errorf("no annotation: %s", stderr)
		}
	})
}

// TestCheckReconnect measures a case in pairs that a run looks at once.
func TestCheckReconnect(t *testing.T) {
	dir := repository(t)
	unchanged(t, dir, func() {
		r, stdout, stderr := held(t, t.TempDir(), "-against", "HEAD", "-scenario", "reconnect", "-case", "reset", "-stack", "rawws-reconnect", "-pairs", "6")
		pairs, kinds := make(map[string]int), make(map[string]regress.Kind)
		for _, f := range r.Findings {
			if kinds[f.Unit] = f.Kind; f.Screen != nil {
				pairs[f.Unit] = len(f.Screen.Base)
			}
			if f.Series != "Reconnect/case=reset/clients=8/rate=10" {
				t.Errorf("%v", f.Place)
			}
		}
		for unit, share := range map[string]string{"detect-sec": "noticed-ratio", "recover-sec": "back-ratio"} {
			if kinds[share] != regress.Shares {
				t.Errorf("%s is not judged:\n%s%s", share, stdout, stderr)
			}
			// If not as many came back on both sides that is told instead.
			if pairs[unit] < 5 && len(r.Doubts) == 0 {
				t.Errorf("%s has %d pairs:\n%s%s", unit, pairs[unit], stdout, stderr)
			}
		}
		if kinds["delivered-ratio"] != regress.Shares {
			t.Errorf("what was lost is not judged:\n%s%s", stdout, stderr)
		}
	})
}

// chosen is what a check measures, by scenario, and on which stacks.
func chosen(scenario, list, stack string, goOnly bool) (cases map[string][]scenarios.Case, stacks []string, err error) {
	k := newChecker(&call{})
	k.asked = stack != ""
	if k.parts, err = k.chooseCases(scenario, list); err != nil {
		return nil, nil, err
	}
	of, err := k.chooseStacks(scenario, stack, goOnly)
	if err != nil {
		return nil, nil, err
	}
	cases = make(map[string][]scenarios.Case)
	for _, p := range k.parts {
		cases[p.Scenario.Name()] = p.Cases
	}
	for _, s := range of {
		stacks = append(stacks, s.Name)
	}
	return cases, stacks, nil
}

// TestCheckChoice chooses what is documented, and measures it in every round, each
// cell alone.
func TestCheckChoice(t *testing.T) {
	text, err := os.ReadFile("../../docs/check.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := 0
	for _, span := range regexp.MustCompile("`(?:compare check )?(-[^`]*)`").FindAllStringSubmatch(string(text), -1) {
		values := map[string]string{"-scenario": defaultScenario}
		fields := strings.Fields(span[1])
		for i, f := range fields[:len(fields)-1] {
			if slices.Contains([]string{"-scenario", "-case", "-stack"}, f) {
				values[f] = fields[i+1]
				documented++
			}
		}
		cases, stacks, err := chosen(values["-scenario"], values["-case"], values["-stack"], strings.Contains(span[1], "-with"))
		if err != nil || len(cases) == 0 || len(stacks) == 0 {
			t.Errorf("%s: %v, %v, %v", span[0], cases, stacks, err)
		}
		for name, list := range cases {
			for _, c := range list {
				if c.Once || c.SideBySide() > 1 || c.Shared {
					t.Errorf("%s: %s of %s is not measured like others: %+v", span[0], c.Name, name, c)
				}
			}
		}
	}
	if documented < 5 {
		t.Errorf("the guide names scenarios, cases and stacks %d times", documented)
	}
	for _, tt := range []struct{ scenario, list, stack, want, stacks string }{
		{defaultScenario, "", "", "echo steady saturation connect", "rawws sio rawws-node sio-node"},
		{defaultScenario, "idle", "rawws", "idle", "rawws"},
		{defaultScenario, "echo,slow-reader", "rawws,rawws-resume,sio-js4-reconnect", "echo", "rawws"},
		{"reconnect", "", "rawws,sio-reconnect,sio-js4-reconnect,rawws-polling", "reset silent restart jitter deploy", "rawws sio-reconnect"},
		{"reconnect", "storm,stall", "rawws-reconnect", "storm", "rawws-reconnect"},
		{"fallback", "", "sio-node,flash,rawws-browser", "wire echo crowd", "sio-node"},
		{"proxy", "rooms", "sio", "rooms", "sio"},
	} {
		cases, stacks, err := chosen(tt.scenario, tt.list, tt.stack, false)
		var names []string
		for _, c := range cases[tt.scenario] {
			names = append(names, c.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != tt.want || strings.Join(stacks, " ") != tt.stacks {
			t.Errorf("%s %s %s: %s on %s, %v", tt.scenario, tt.list, tt.stack, got, stacks, err)
		}
	}
}

// TestRepeatable holds which cases that are looked at once can be checked against
// what is recorded of them: those with a figure that is judged in pairs.
func TestRepeatable(t *testing.T) {
	files, err := filepath.Glob("../../results/*/run.txt")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	once := make(map[string]map[string]bool) // by scenario and case
	for _, sc := range bench.Scenarios() {
		once[sc.Name()] = make(map[string]bool)
		for _, p := range []scenarios.Profile{scenarios.Quick, scenarios.Full} {
			for _, c := range sc.Cases(p) {
				once[sc.Name()][c.Name] = once[sc.Name()][c.Name] || c.Once
			}
		}
	}
	line := regexp.MustCompile(`^Benchmark([A-Za-z]+)/case=([^/]+)/`)
	paired := make(map[[2]string]bool) // whether a case has such a figure
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for l := range strings.Lines(string(text)) {
			m := line.FindStringSubmatch(l)
			if m == nil || !once[strings.ToLower(m[1])][m[2]] {
				continue
			}
			key := [2]string{strings.ToLower(m[1]), m[2]}
			paired[key] = paired[key] || slices.ContainsFunc(strings.Fields(l), func(f string) bool {
				u, known := regress.UnitOf(f)
				return known && u.Kind == regress.Paired
			})
		}
	}
	if len(paired) < 10 {
		t.Errorf("cases that are looked at once and recorded: %v", paired)
	}
	for key, has := range paired {
		if _, can := inPairs(key[0], scenarios.Case{Name: key[1], Once: true}); can != has {
			t.Errorf("%s of %s: can be checked %t, and has a figure that is judged %t", key[1], key[0], can, has)
		}
	}
}

// TestAllocationsRepeat holds the limits of allocations, and where they are judged,
// against all windows that are recorded: none may differ from the others like it.
func TestAllocationsRepeat(t *testing.T) {
	folders, err := filepath.Glob("../../results/*/run.json")
	if err != nil || len(folders) == 0 {
		t.Fatal(folders, err)
	}
	windows := 0
	for _, name := range folders {
		run, _, err := record.Read(filepath.Dir(name))
		if err != nil {
			t.Fatal(err)
		}
		for _, g := range run.Group() {
			for _, row := range g.Rows {
				for _, u := range regress.Units {
					if u.Kind != regress.Limited || !judged(u, g.Case, row.Stack) {
						continue
					}
					values := row.Values(u.Name)
					for _, v := range values {
						windows++
						f, err := regress.Judge(regress.Place{Unit: u.Name}, []float64{record.Median(values)}, []float64{v})
						if err != nil || f.Outcome != regress.Same {
							t.Errorf("%s: %v on %s, %s: %v is %s than %v, %v", name, g.Case, row.Stack.Name, u.Name, v, f.Outcome, f.Base, err)
						}
					}
				}
			}
		}
	}
	if windows < 500 {
		t.Errorf("%d windows are recorded", windows)
	}
}

// TestAdapted takes as many pairs as were asked for, and fewer of what has many
// samples only where nothing was.
func TestAdapted(t *testing.T) {
	goStack, nodeStack := scenarios.Stack{Server: scenarios.Program{Go: "x"}}, scenarios.Stack{Server: scenarios.Program{Node: "x"}}
	for _, tt := range []struct {
		c             scenarios.Case
		s             scenarios.Stack
		exactly       bool
		pairs, repeat int
	}{
		{scenarios.Case{Rate: 1}, goStack, false, 20, repeats},
		{scenarios.Case{Rate: 1}, nodeStack, false, 10, 0},
		{scenarios.Case{Samples: 20}, goStack, false, minPairs, 0},
		{scenarios.Case{Samples: 20}, goStack, true, 20, 0},
		{scenarios.Case{Samples: 20}, nodeStack, true, 10, 0},
		{scenarios.Case{Rate: 10, Timers: scenarios.Timers{Limit: 1}}, goStack, false, 20, 0},
	} {
		k := newChecker(&call{})
		k.plan(20, 1)
		k.exactly = tt.exactly
		if c, n := k.adapted(tt.c, tt.s); n != tt.pairs || c.Repeats != tt.repeat {
			t.Errorf("%+v on %+v, exactly %t: %d pairs, %d times", tt.c, tt.s.Server, tt.exactly, n, c.Repeats)
		}
	}
}

// TestPackagesOf finds the packages of all stacks with an end in Go.
func TestPackagesOf(t *testing.T) {
	for _, s := range bench.Stacks() {
		got := packagesOf([]scenarios.Stack{s})
		if want := s.Server.Go != "" || s.Client.Go != ""; (len(got) > 0) != want {
			t.Errorf("%s: %q", s.Name, got)
		}
		for _, name := range got {
			folder, ours := strings.CutPrefix(name, "wsvsio/")
			if info, err := os.Stat(filepath.Join("../..", folder)); !ours || err != nil || !info.IsDir() {
				t.Errorf("%s: %s: %v", s.Name, name, err)
			}
		}
	}
	if got := packagesOf(bench.Stacks()); !slices.Contains(got, "wsvsio/rawws") || !slices.Contains(got, "wsvsio/sio") || !slices.Contains(got, "wsvsio/internal/floor") {
		t.Errorf("%q", got)
	}
}

// TestToolchains tells that both sides are not built with the same Go, here of this
// program and a copy that says something else of itself.
func TestToolchains(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	// See debug/buildinfo: a magic, more up to 32 bytes, the length of the version
	// and the version.
	const before = 33
	magic, version := []byte("\xff Go buildinf:"), runtime.Version()
	other := version[:len(version)-1] + "x"
	for i := 0; i < len(data); i++ {
		next := bytes.Index(data[i:], magic)
		if next < 0 {
			break
		}
		i += next
		if at := data[min(len(data), i+before):]; bytes.HasPrefix(at, []byte(version)) {
			copy(at, other)
		}
	}
	copied := filepath.Join(t.TempDir(), "copied")
	if err := os.WriteFile(copied, data, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ head, want string }{
		{self, ""},
		{copied, "the base is built with " + version + " and the head with " + other},
	} {
		k := newChecker(&call{stderr: io.Discard})
		if err := k.describeSides(bench.Build{Binary: self}, bench.Build{Binary: tt.head}); err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(k.report.Notes, " "); (said == "") != (tt.want == "") || !strings.Contains(said, tt.want) {
			t.Errorf("notes %q, want %q", said, tt.want)
		}
	}
	if err := newChecker(&call{stderr: io.Discard}).describeSides(bench.Build{Binary: "check_test.go"}, bench.Build{Binary: self}); err == nil {
		t.Error("a file that is no program is no error")
	}
}

// cloned returns a clone of the repository, and git in it.
func cloned(t *testing.T) (dir string, do func(args ...string) string) {
	t.Helper()
	of := repository(t)
	dir = filepath.Join(t.TempDir(), "clone")
	if _, err := git(of, "clone", "--quiet", of, dir); err != nil {
		t.Fatal(err)
	}
	return dir, func(args ...string) string {
		t.Helper()
		out, err := git(dir, args...)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
}

// TestInstrument says which programs are not that of the tree, as far as what go build
// has noted tells it.
func TestInstrument(t *testing.T) {
	dir, do := cloned(t)
	repo, err := checkout.Open(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	good, waste := do("rev-parse", goodTag)[:12], do("rev-parse", wasteTag)[:12]
	later, earlier := time.Now().Add(time.Hour), time.Now().Add(-time.Hour)
	try := func(what string, i instrument, want string) {
		t.Helper()
		if why, err := i.old(t.Context(), repo); err != nil || (why == "") != (want == "") || !strings.Contains(why, want) {
			t.Errorf("%s: %q, %v, want %q", what, why, err, want)
		}
	}
	change := func(file, old, text string) {
		t.Helper()
		if err := edit(dir, file, old, text); err != nil {
			t.Fatal(err)
		}
	}
	try("no note", instrument{}, "")
	try("the same commit", instrument{commit: good, built: earlier}, "")
	try("another commit", instrument{commit: waste, built: later}, "this program was built from "+waste+" and the head is "+good)
	try("a commit that is not here", instrument{commit: "0123456789ab", built: later}, "this program was built from 0123456789ab")
	try("changes that are gone", instrument{commit: good, dirty: true, built: earlier}, "was changed after this program was built")

	change("docs/check.md", "# Did a change", "# Has a change")
	change("rawws/server_test.go", "package rawws", "// Of today.\npackage rawws")
	try("changes that are no code", instrument{commit: good, built: earlier}, "")
	do("commit", "--quiet", "--all", "--message", "no code")
	try("a commit with the same code", instrument{commit: good, built: earlier}, "")

	change("rawws/server.go", "func textFrame(v any)", "// Changed.\nfunc textFrame(v any)")
	try("changes since", instrument{commit: good, built: later}, "without the changes to rawws/server.go")
	try("older changes", instrument{commit: good, dirty: true, built: earlier}, "rawws/server.go was changed after this program was built")
	try("the changes", instrument{commit: good, dirty: true, built: later}, "")
	do("checkout", "--quiet", "rawws")
	if err := os.WriteFile(filepath.Join(dir, "rawws/new.go"), []byte("package rawws\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	try("a new file", instrument{commit: good, built: later}, "without the changes to rawws/new.go")
}

// TestInstrumentTold has a check made by the program of an older commit. It ends
// there: Go is given a flag that it does not know.
func TestInstrumentTold(t *testing.T) {
	dir, do := cloned(t)
	program := filepath.Join(t.TempDir(), "compare")
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=true", "-o", program, "./cmd/compare")
	cmd.Dir, cmd.Env = dir, checkout.Environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	check := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program, append([]string{"check"}, args...)...)
		cmd.Dir, cmd.Env = dir, append(checkout.Environment(), "GOFLAGS=-nonsense")
		out, _ := cmd.CombinedOutput()
		if status := cmd.ProcessState.ExitCode(); status != exitError || !strings.Contains(string(out), "does not build") {
			t.Errorf("exit status %d: %s", status, out)
		}
		return string(out)
	}
	baseline, err := filepath.Abs("../../" + baselineName)
	if err != nil {
		t.Fatal(err)
	}
	was := do("rev-parse", "HEAD")[:12]
	modes := [][]string{{"-against", "HEAD"}, {"-baseline", baseline}}
	for _, args := range modes {
		if out := check(args...); strings.Contains(out, "this program was built") {
			t.Errorf("%q: its own commit: %s", args, out)
		}
	}
	do("checkout", "--quiet", wasteTag)
	want := "this program was built from " + was + " and the head is " + do("rev-parse", "HEAD")[:12]
	for _, args := range modes {
		if out := check(args...); !strings.Contains(out, want) || !strings.Contains(out, "go build -o bin/compare ./cmd/compare") {
			t.Errorf("%q: lacks %q: %s", args, want, out)
		}
	}
}

// TestSides tells of both sides what they are made of, and not of this program.
func TestSides(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	k := newChecker(&call{stderr: io.Discard})
	k.report.Environment = record.Environment{Go: "go1.0", Libraries: map[string]string{"ws": "8.0.0", "github.com/gorilla/websocket": "v0.1.0"}}
	roots := [2]string{t.TempDir(), t.TempDir()}
	for i, version := range []string{"8.1.0", "8.2.0"} {
		folder := filepath.Join(roots[i], "rawws/node/node_modules/ws")
		err := errors.Join(os.MkdirAll(folder, 0o777), os.WriteFile(filepath.Join(folder, "package.json"), []byte(`{"version": "`+version+`"}`), 0o666))
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := k.describeSides(bench.Build{Binary: self, Root: roots[0]}, bench.Build{Binary: self, Root: roots[1]}); err != nil {
		t.Fatal(err)
	}
	k.compareLibraries()
	if want := []string{"ws is 8.1.0 in the base and 8.2.0 in the head"}; !slices.Equal(k.report.Notes, want) {
		t.Errorf("notes %q, want %q", k.report.Notes, want)
	}
	for i, s := range k.report.Sides {
		if s.Go != runtime.Version() || s.Libraries["ws"] != []string{"8.1.0", "8.2.0"}[i] || s.Libraries["github.com/gorilla/websocket"] == "v0.1.0" {
			t.Errorf("%+v", s)
		}
	}
	// The files of both sides say it.
	k.report.Sides[0].Go = "go1.25.0"
	for i, want := range []string{"go: go1.25.0\n", "go: " + runtime.Version() + "\n"} {
		var b strings.Builder
		cell := record.Cell{Scenario: defaultScenario, Case: scenarios.Case{Name: "echo", Clients: 1}, Stack: "rawws", Round: 1,
			Values: []record.Value{{Unit: "p50-sec", V: 1}}}
		if err := k.text(&b, i, []record.Cell{cell}); err != nil || !strings.Contains(b.String(), want) {
			t.Errorf("%v, lacks %q: %s", err, want, b.String())
		}
	}
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
		{"what is not HEAD", "-against ^HEAD", exitUsage, []string{`"^HEAD" names no commit`}},
		{"a base that does not build", "-against " + bustTag, exitError, []string{"does not build", "undefined: nothing"}},
		{"a base with an older protocol", "-against " + oldTag, exitError, []string{"cannot be measured with the harness of the head", "speaks control protocol 1, not 2", "a commit that speaks control protocol 2"}},
		{"a base without a field", "-against " + lackTag, exitError, []string{"cannot be measured with the harness of the head", `knows no field "addr"`, "check against a commit that does"}},
		{"a base without the cell", "-against " + lessTag, exitError, []string{"has no such cell", `no program "rawws"`}},
		{"no version", "-with github.com/gorilla/websocket", exitUsage, []string{"want MODULE@VERSION"}},
		{"no module of ours", "-with example.com/nothing@v1.0.0", exitUsage, []string{"use no module example.com/nothing"}},
		{"a module of the harness", "-with github.com/alicebob/miniredis/v2@v2.40.0", exitUsage, []string{"the servers and clients that are measured use no module github.com/alicebob/miniredis/v2; they use ", "github.com/gorilla/websocket"}},
		{"a module of the other side", "-with github.com/googollee/go-socket.io@v1.7.0", exitUsage, []string{"use no module github.com/googollee/go-socket.io"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			summary := filepath.Join(t.TempDir(), "summary.md")
			t.Setenv("GITHUB_ACTIONS", "true")
			t.Setenv("GITHUB_STEP_SUMMARY", summary)
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
				text, err := os.ReadFile(summary)
				if strings.Count(stderr, "::error title=Not checked::") != 1 || err != nil || strings.Count(string(text), "## not checked\n\n- ") != 1 {
					t.Errorf("GitHub Actions is not told: %v, %s\n%s", err, text, stderr)
				}
			})
		})
	}
}

// TestCheckEmpty has nothing where a value belongs, as an unset variable leaves it.
func TestCheckEmpty(t *testing.T) {
	for _, flag := range []string{"-against", "-baseline", "-with"} {
		for _, args := range [][]string{{"check", flag, ""}, {"check", flag + "="}} {
			if status, stdout, stderr := compare(t, args...); status != exitUsage || stdout != "" || !strings.Contains(stderr, flag+" is empty") {
				t.Errorf("%q: exit status %d, %q, %q", args, status, stdout, stderr)
			}
		}
	}
}

// TestCheckNodeBase is a base whose worker for Node speaks an older protocol.
func TestCheckNodeBase(t *testing.T) {
	needNode(t, "rawws-node")
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
		if status != exitError || !strings.Contains(stderr, "this worker speaks control protocol 1, not 2") {
			t.Errorf("exit status %d, %s", status, stderr)
		}
	})
	unchanged(t, dir, func() {
		r, stdout, stderr := held(t, t.TempDir(), "-against", "HEAD", "-stack", "rawws-node", "-case", "connect", "-pairs", "6")
		if !strings.Contains(stdout, "the same commit") {
			t.Errorf("%s%s", stdout, stderr)
		}
		sameConnect(t, r)
	})
}

// TestCheckPackages is a head whose lock file asks for other packages than those that
// are installed.
func TestCheckPackages(t *testing.T) {
	needNode(t)
	dir, _ := cloned(t)
	for _, folder := range []string{"rawws/node", "sio/node"} {
		installed, err := filepath.Abs(filepath.Join("../..", folder, "node_modules"))
		if err != nil {
			t.Fatal(err)
		}
		there := filepath.Join(dir, folder, "node_modules")
		entries, err := os.ReadDir(installed)
		if err = errors.Join(err, os.Mkdir(there, 0o777)); err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if err := os.Symlink(filepath.Join(installed, e.Name()), filepath.Join(there, e.Name())); err != nil {
				t.Fatal(err)
			}
		}
	}
	const hidden = "rawws/node/node_modules/.package-lock.json"
	data, err := os.ReadFile(filepath.Join("../..", hidden))
	if err = errors.Join(err, os.Remove(filepath.Join(dir, hidden))); err != nil {
		t.Fatal(err)
	}
	older := regexp.MustCompile(`("node_modules/ws": \{\s*"version": ")[^"]*`).ReplaceAll(data, []byte("${1}8.0.0"))
	if err := os.WriteFile(filepath.Join(dir, hidden), older, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	status, stdout, stderr := compare(t, "check", "-against", "HEAD", "-stack", "rawws-node", "-case", "connect", "-pairs", "6")
	if status != exitError || stdout != "" || !strings.Contains(stderr, "rawws/node: ws is installed in 8.0.0, and package-lock.json asks for ") || !strings.Contains(stderr, "run make node") {
		t.Errorf("exit status %d\n%s%s", status, stdout, stderr)
	}
}

// TestFoldersOf finds the npm packages of all stacks that need some.
func TestFoldersOf(t *testing.T) {
	for names, want := range map[string]string{
		"rawws,sio": "", "rawws-node": "rawws/node", "sio-js": "sio/node", "rawws-node,sio-node": "rawws/node sio/node",
	} {
		if got := strings.Join(foldersOf(named(names, bench.Stacks())), " "); got != want {
			t.Errorf("%s: %q, want %q", names, got, want)
		}
	}
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
		r, stdout, stderr := held(t, t.TempDir(), "-against", "HEAD", "-stack", "rawws", "-case", "echo", "-pairs", "6")
		for _, out := range []string{stdout, stderr} {
			if byValue(r, regress.Worse)["wire-down-B/msg"] != 1 || !strings.Contains(out, "the tree is dirty") || !strings.Contains(out, "rawws/server.go") || !strings.Contains(out, "note.txt") {
				t.Errorf("%s", out)
			}
		}
	})
}

// TestCheckKept keeps a check inside the repository, which does not make the next one
// that of a tree with changes.
func TestCheckKept(t *testing.T) {
	dir, _ := cloned(t)
	t.Chdir(dir)
	args := []string{"-against", "HEAD", "-stack", "rawws", "-case", "connect", "-pairs", "6"}
	if r, stdout, stderr := held(t, "kept/here", args...); r.Answer == regress.Regression || strings.Contains(stderr, "dirty") {
		t.Fatalf("%s%s", stdout, stderr)
	}
	args = slices.Concat([]string{"check"}, args, []string{"-out", "kept/here"})
	if files, err := os.ReadDir("kept/here"); err != nil || len(files) < 4 {
		t.Errorf("kept: %v, %v", files, err)
	}
	t.Setenv("GOFLAGS", "-nonsense") // it ends where it would build
	if _, _, stderr := compare(t, args...); strings.Contains(stderr, "dirty") || !strings.Contains(stderr, "does not build") {
		t.Errorf("the next one: %s", stderr)
	}
	if err := os.WriteFile("kept/here/other.txt", nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, stderr := compare(t, args...); !strings.Contains(stderr, "with the changes to kept/") {
		t.Errorf("beside a file of another kind: %s", stderr)
	}
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
