package bench

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"wsvsio/internal/checkout"
	"wsvsio/internal/record"
	"wsvsio/internal/worker"
)

// libraries are the modules whose version belongs to a result.
var libraries = []string{
	"github.com/gorilla/websocket",
	"github.com/googollee/go-socket.io",
	"github.com/redis/go-redis/v9",
	"github.com/alicebob/miniredis/v2",
}

// LookAround describes the machine and the versions. What the system does not
// tell stays empty.
func LookAround(ctx context.Context, m Machine) record.Environment {
	e := record.Environment{
		OS:        runtime.GOOS,
		Arch:      runtime.GOARCH,
		MemoryGB:  memory("/proc/meminfo"),
		Machine:   machine("/etc/machine-id"),
		Cores:     runtime.NumCPU(),
		Go:        runtime.Version(),
		Node:      m.Version,
		Libraries: maps.Clone(m.Packages),
		Pinned:    len(worker.CPUs()) >= 2,
	}
	if e.Libraries == nil {
		e.Libraries = make(map[string]string)
	}
	var name unix.Utsname
	if unix.Uname(&name) == nil {
		e.Kernel = unix.ByteSliceToString(name.Release[:])
	}
	e.CPU, e.Processor = processor("/proc/cpuinfo")
	info, ok := debug.ReadBuildInfo()
	if ok {
		tellLibraries(&e, info)
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		for i, f := range strings.Fields(string(load))[:len(e.LoadAverage)] {
			e.LoadAverage[i], _ = strconv.ParseFloat(f, 64)
		}
	}
	e.Commit, e.Dirty = commit(ctx, m.Root)
	if e.Commit == "" {
		e.Commit, e.Dirty = BuiltFrom()
	}
	return e
}

// Describe has an environment tell of a build what it tells of this program: the
// version of Go that has built it, and those of the libraries in it and of the npm
// packages beside it.
func (b Build) Describe(e *record.Environment) error {
	info, err := buildinfo.ReadFile(b.Binary)
	if err != nil {
		return fmt.Errorf("find out what has built the programs: %w", err)
	}
	e.Go = info.GoVersion
	others := e.Libraries // they may be those of another environment, too
	e.Libraries = make(map[string]string)
	for name, version := range others {
		if !slices.Contains(libraries, name) {
			e.Libraries[name] = version
		}
	}
	tellLibraries(e, info)
	if b.Root == "" {
		return nil
	}
	for name := range e.Libraries {
		for _, folder := range checkout.NodeFolders {
			version, err := installed(filepath.Join(b.Root, filepath.FromSlash(folder)), name)
			if err == nil {
				e.Libraries[name] = version
			}
		}
	}
	return nil
}

// installed returns the version of an npm package that is installed in a folder.
func installed(folder, name string) (string, error) {
	data, err := os.ReadFile(filepath.Join(folder, "node_modules", filepath.FromSlash(name), "package.json"))
	if err != nil {
		return "", err
	}
	var p struct{ Version string }
	err = json.Unmarshal(data, &p)
	return p.Version, err
}

func tellLibraries(e *record.Environment, info *debug.BuildInfo) {
	for _, d := range info.Deps {
		if slices.Contains(libraries, d.Path) {
			e.Libraries[d.Path] = d.Version
		}
	}
}

// commit asks git for the commit of the repository and whether there are
// changes on top of it.
func commit(ctx context.Context, root string) (string, bool) {
	if root == "" {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	git := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(ctx, "git", args...)
		cmd.Dir, cmd.Env = root, checkout.Environment()
		return cmd.Output()
	}
	id, err := git("rev-parse", "--short=12", "HEAD")
	if err != nil {
		return "", false
	}
	changes, err := git("--no-optional-locks", "status", "--porcelain", "--untracked-files=no")
	return strings.TrimSpace(string(id)), err == nil && len(changes) > 0
}

// BuiltFrom returns the commit that this program was built from, and whether there
// were changes on top of it, as go build has noted. Under go run and go test there
// is none.
func BuiltFrom() (id string, dirty bool) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "", false
	}
	return builtFrom(info.Settings)
}

// builtFrom finds both among the settings of a build.
func builtFrom(settings []debug.BuildSetting) (id string, dirty bool) {
	for _, s := range settings {
		switch s.Key {
		case "vcs.revision":
			id = s.Value[:min(len(s.Value), 12)]
		case "vcs.modified":
			dirty = s.Value == "true"
		}
	}
	return id, dirty && id != ""
}

// processor returns the processor's name, which can be a general one on a
// virtual machine, and its family, model and stepping.
func processor(name string) (model, numbers string) {
	told := described(name)
	var parts []string
	for _, key := range []struct{ in, out string }{
		{"cpu family", "family"}, {"model", "model"}, {"stepping", "stepping"},
	} {
		if v := told[key.in]; v != "" {
			parts = append(parts, key.out+" "+v)
		}
	}
	return told["model name"], strings.Join(parts, ", ")
}

// memory is the memory of the machine in 1e9 B, rounded; 0 if it is not told.
func memory(name string) int {
	kib, _, _ := strings.Cut(described(name)["MemTotal"], " ")
	n, err := strconv.ParseFloat(kib, 64)
	if err != nil {
		return 0
	}
	return int(math.Round(n * 1024 / 1e9))
}

// machine returns what is the same for all runs on an installed system, and of
// no use for anything else: machine-id(5) asks that the id itself be kept, and
// that it be the key of a hash of one's own.
func machine(name string) string {
	id, err := os.ReadFile(name)
	id = bytes.TrimSpace(id)
	if err != nil || len(id) == 0 || string(id) == "uninitialized" {
		return ""
	}
	hash := hmac.New(sha256.New, id)
	hash.Write([]byte("wsvsio: which machine a run was measured on"))
	return hex.EncodeToString(hash.Sum(nil))[:12]
}

// described reads the lines "name: value" of a file in /proc, the first of each
// name.
func described(name string) map[string]string {
	told := make(map[string]string)
	text, err := os.ReadFile(name)
	if err != nil {
		return told
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(line, ":")
		if key = strings.TrimSpace(key); ok && told[key] == "" {
			told[key] = strings.TrimSpace(value)
		}
	}
	return told
}
