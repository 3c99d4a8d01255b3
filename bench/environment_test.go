package bench

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"wsvsio/internal/checkout"
	"wsvsio/internal/record"
)

// fileOf returns the name of a file with that text.
func fileOf(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestProcessor(t *testing.T) {
	for text, want := range map[string][2]string{
		"processor\t: 0\ncpu family\t: 26\nmodel\t\t: 2\nmodel name\t: AMD EPYC\nstepping\t: 1\n\nprocessor\t: 1\nmodel\t\t: 3\n": {
			"AMD EPYC", "family 26, model 2, stepping 1"},
		"processor\t: 0\nBogoMIPS\t: 50.00\n": {"", ""}, // as on ARM
		"cpu family: 6\nmodel name : a: b\n":  {"a: b", "family 6"},
	} {
		if model, numbers := processor(fileOf(t, text)); model != want[0] || numbers != want[1] {
			t.Errorf("%q: %q, %q", text, model, numbers)
		}
	}
	if model, numbers := processor("nowhere"); model != "" || numbers != "" {
		t.Errorf("without the file: %q, %q", model, numbers)
	}
}

func TestMemory(t *testing.T) {
	for text, want := range map[string]int{
		"MemTotal:       24683620 kB\nMemFree: 1 kB\n": 25,
		"MemTotal:        4000000 kB\n":                4,
		"MemFree: 1 kB\n":                              0,
		"":                                             0,
	} {
		if got := memory(fileOf(t, text)); got != want {
			t.Errorf("%q: %d GB, want %d", text, got, want)
		}
	}
}

// TestMachine has ids of machines: the same for the same, and nothing of the id
// itself.
func TestMachine(t *testing.T) {
	const id = "3d1219c7c4c5404aaa1f6d2a48adfda4"
	got := machine(fileOf(t, id+"\n"))
	if !regexp.MustCompile("^[0-9a-f]{12}$").MatchString(got) || strings.Contains(id, got) {
		t.Errorf("%q", got)
	}
	if again := machine(fileOf(t, id)); again != got {
		t.Errorf("%q and %q", got, again)
	}
	if other := machine(fileOf(t, "4"+id[1:])); other == got {
		t.Errorf("%q for another", other)
	}
	for _, text := range []string{"", "\n", "uninitialized\n"} {
		if got := machine(fileOf(t, text)); got != "" {
			t.Errorf("%q: %q", text, got)
		}
	}
	if got := machine("nowhere"); got != "" {
		t.Errorf("without the file: %q", got)
	}
}

// TestCommit asks for the commit of a folder, also where the variables of git name
// another repository, as they do in a hook.
func TestCommit(t *testing.T) {
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=ann", "-c", "user.email=ann@example.com", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir, cmd.Env = dir, checkout.Environment()
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	file := filepath.Join(dir, "file")
	git("init", "--quiet")
	if err := os.WriteFile(file, []byte("one"), 0o666); err != nil {
		t.Fatal(err)
	}
	git("add", "file")
	git("commit", "--quiet", "--message", "one")
	want := git("rev-parse", "--short=12", "HEAD")
	t.Setenv("GIT_DIR", filepath.Join(t.TempDir(), "elsewhere"))
	if id, dirty := commit(t.Context(), dir); id != want || dirty {
		t.Errorf("%q, %t, want %q", id, dirty, want)
	}
	if err := os.WriteFile(file, []byte("two"), 0o666); err != nil {
		t.Fatal(err)
	}
	if id, dirty := commit(t.Context(), dir); id != want || !dirty {
		t.Errorf("changed: %q, %t, want %q", id, dirty, want)
	}
	for _, none := range []string{"", t.TempDir()} {
		if id, dirty := commit(t.Context(), none); id != "" || dirty {
			t.Errorf("no repository: %q, %t", id, dirty)
		}
	}
}

func TestBuiltFrom(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	modified := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	for _, tt := range []struct {
		settings []debug.BuildSetting
		id       string
		dirty    bool
	}{
		{nil, "", false},
		{[]debug.BuildSetting{revision, {Key: "vcs.modified", Value: "false"}}, "0123456789ab", false},
		{[]debug.BuildSetting{{Key: "vcs", Value: "git"}, modified, revision}, "0123456789ab", true},
		{[]debug.BuildSetting{{Key: "vcs.revision", Value: "9f044c5"}}, "9f044c5", false},
		{[]debug.BuildSetting{modified}, "", false},
	} {
		if id, dirty := builtFrom(tt.settings); id != tt.id || dirty != tt.dirty {
			t.Errorf("%v: %q, %t", tt.settings, id, dirty)
		}
	}
}

// TestDescribe tells of this program as a build what LookAround tells of it, and
// nothing of a file that is no program.
func TestDescribe(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	here := LookAround(t.Context(), Machine{})
	shared := map[string]string{"ws": "8.0.0", libraries[0]: "v0.1.0"}
	e := record.Environment{Go: "go1.0", Libraries: shared}
	if err := (Build{Binary: self}).Describe(&e); err != nil {
		t.Fatal(err)
	}
	if e.Go != runtime.Version() || e.Libraries["ws"] != "8.0.0" || shared[libraries[0]] != "v0.1.0" {
		t.Errorf("%+v", e)
	}
	for name, version := range here.Libraries {
		if e.Libraries[name] != version {
			t.Errorf("%s is %s, want %s", name, e.Libraries[name], version)
		}
	}
	if err := (Build{Binary: fileOf(t, "no program")}).Describe(&e); err == nil {
		t.Error("a file that is no program is described")
	}
}
