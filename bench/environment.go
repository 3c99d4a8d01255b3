package bench

import (
	"bufio"
	"context"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"wsvsio/internal/record"
	"wsvsio/internal/worker"
)

// libraries are the modules whose version belongs to a result.
var libraries = []string{
	"github.com/gorilla/websocket",
	"github.com/googollee/go-socket.io",
}

// LookAround describes the machine and the versions. What the system does not
// tell stays empty.
func LookAround(ctx context.Context, m Machine) record.Environment {
	e := record.Environment{
		OS:        runtime.GOOS,
		Arch:      runtime.GOARCH,
		CPU:       cpuModel(),
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
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, d := range info.Deps {
			if slices.Contains(libraries, d.Path) {
				e.Libraries[d.Path] = d.Version
			}
		}
	}
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		for i, f := range strings.Fields(string(load))[:len(e.LoadAverage)] {
			e.LoadAverage[i], _ = strconv.ParseFloat(f, 64)
		}
	}
	e.Commit, e.Dirty = commit(ctx, m.Root)
	return e
}

// commit asks git for the commit of the repository and whether there are
// changes on top of it.
func commit(ctx context.Context, root string) (string, bool) {
	if root == "" {
		return "", false
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	id, err := exec.CommandContext(ctx, "git", "-C", root, "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "", false
	}
	changes, err := exec.CommandContext(ctx, "git", "-C", root, "status", "--porcelain", "--untracked-files=no").Output()
	return strings.TrimSpace(string(id)), err == nil && len(changes) > 0
}

// cpuModel is the processor's name.
func cpuModel() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
