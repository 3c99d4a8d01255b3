package checkout

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// foreign are variables that tie git to another repository than that of the
// working directory, or to settings of it, as they are set in a hook: those that
// git rev-parse --local-env-vars names, in its order.
var foreign = []string{
	"GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CONFIG", "GIT_CONFIG_PARAMETERS", "GIT_CONFIG_COUNT",
	"GIT_OBJECT_DIRECTORY", "GIT_DIR", "GIT_WORK_TREE", "GIT_IMPLICIT_WORK_TREE",
	"GIT_GRAFT_FILE", "GIT_INDEX_FILE", "GIT_NO_REPLACE_OBJECTS", "GIT_REPLACE_REF_BASE",
	"GIT_PREFIX", "GIT_INTERNAL_SUPER_PREFIX", "GIT_SHALLOW_FILE", "GIT_COMMON_DIR",
}

// Environment is that of a command that is to find the repository of its working
// directory, whatever repository the variables of this process name. Of the settings in
// these it has which repositories of other users may be read: a container of a CI says
// so there. No workspace is in it: one around the repository would hold for one side of
// a comparison alone.
func Environment() []string {
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(foreign, name) || strings.HasPrefix(name, "GIT_CONFIG_KEY_") || strings.HasPrefix(name, "GIT_CONFIG_VALUE_")
	})
	env = append(env, "GOWORK=off", "GIT_TERMINAL_PROMPT=0")
	safe := safeDirectories()
	for i, dir := range safe {
		env = append(env, fmt.Sprintf("GIT_CONFIG_KEY_%d=%s", i, safeDirectory), fmt.Sprintf("GIT_CONFIG_VALUE_%d=%s", i, dir))
	}
	if len(safe) > 0 {
		env = append(env, fmt.Sprintf("GIT_CONFIG_COUNT=%d", len(safe)))
	}
	return env
}

// safeDirectory is the setting of git that says which repositories of other users may
// be read.
const safeDirectory = "safe.directory"

// parameter finds that setting in GIT_CONFIG_PARAMETERS, as git -c writes it there, or
// an older git.
var parameter = regexp.MustCompile(`(?i)'safe\.directory(?:'='|=)([^']*)'`)

// safeDirectories are the values that the variables of this process have for it.
func safeDirectories() []string {
	var found []string
	n, _ := strconv.Atoi(os.Getenv("GIT_CONFIG_COUNT")) // none if it is not set
	for i := range n {
		if strings.EqualFold(os.Getenv(fmt.Sprintf("GIT_CONFIG_KEY_%d", i)), safeDirectory) {
			found = append(found, os.Getenv(fmt.Sprintf("GIT_CONFIG_VALUE_%d", i)))
		}
	}
	for _, m := range parameter.FindAllStringSubmatch(os.Getenv("GIT_CONFIG_PARAMETERS"), -1) {
		found = append(found, m[1])
	}
	return found
}

// mostOutput is how much of what a command says is quoted, in bytes.
const mostOutput = 4 << 10

// grace is how long a command may take to end once it is asked to: go and git
// take their temporary files along.
const grace = 5 * time.Second

// Run runs a command in a folder and returns what it prints. It has a process
// group of its own: a Ctrl-C at the terminal does not reach it, so that what
// tidies up is not cut short, and the end of the context ends all of it; then the
// error is the context's. The go command is killed where it has not begun to heed
// signals, but has a folder for what it builds, so it gets one that is removed here.
func Run(ctx context.Context, dir string, env []string, name string, args ...string) (stdout, stderr []byte, err error) {
	if name == "go" {
		work, err := os.MkdirTemp(os.Getenv("GOTMPDIR"), "go-")
		if err != nil {
			return nil, nil, fmt.Errorf("make a folder for what go builds: %w", err)
		}
		defer os.RemoveAll(work)
		if work, err = filepath.Abs(work); err != nil {
			return nil, nil, fmt.Errorf("make a folder for what go builds: %w", err)
		}
		env = append(slices.Clip(env), "GOTMPDIR="+work, "TMPDIR="+work) // the linker has its own
	}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }
	cmd.WaitDelay = grace
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	err = cmd.Run()
	if ctx.Err() != nil {
		if cmd.Process != nil {
			// Whatever of the group did not take the hint.
			syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		}
		err = ctx.Err()
	}
	return out.Bytes(), said.Bytes(), err
}

// run runs a command on the repository of its folder, and returns what it prints. An
// error has the end of what it says.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	stdout, stderr, err := Run(ctx, dir, Environment(), name, args...)
	switch {
	case ctx.Err() != nil:
		return "", ctx.Err()
	case err != nil:
		said := strings.TrimSpace(string(stderr))
		if over := len(said) - mostOutput; over > 0 {
			said = "…" + said[over:]
		}
		if said != "" {
			said = ":\n\t" + strings.ReplaceAll(said, "\n", "\n\t")
		}
		return "", fmt.Errorf("%s %s: %w%s", name, args[0], err, said)
	}
	return string(stdout), nil
}
