package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsvsio/bench"
	"wsvsio/internal/daemon"
	"wsvsio/internal/record"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
	"wsvsio/scenarios/proxy"
)

// compareEnv has the test binary be the command.
const compareEnv = "WSVSIO_TEST_COMPARE"

func TestMain(m *testing.M) {
	// Under the race detector every process sleeps for a second as it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	worker.RunIfChild(programs())
	if os.Getenv(compareEnv) != "" {
		main()
	}
	status := m.Run()
	for _, clean := range cleanups {
		clean()
	}
	os.Exit(status)
}

// cleanups run after all tests.
var cleanups []func()

// compare runs the command in this process.
func compare(t *testing.T, args ...string) (status int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	status = run(t.Context(), make(chan struct{}), args, &out, &err)
	return status, out.String(), err.String()
}

// process is the command in a process of its own.
func process(ctx context.Context, args ...string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	cmd := exec.CommandContext(ctx, self, args...)
	cmd.Env = append(os.Environ(), compareEnv+"=1")
	return cmd
}

func TestWrongUse(t *testing.T) {
	for _, tt := range []struct {
		args string
		want []string
	}{
		{"dance", []string{`unknown command "dance"`, "run", "report", "claims", "diff", "check", "baseline", "trend", "serve", "size", "conformance", "wire", "lessons", "list"}},
		{"run -bogus", []string{"-bogus", "-scenario", "-stack", "-rounds", "Example: compare run"}},
		{"run extra", []string{`unexpected argument "extra"`}},
		{"run -stack morse", []string{`unknown stack "morse"`, "events, flash, floor, multipart, rawws, rawws-browser, rawws-fallback, rawws-js, rawws-js-fallback, rawws-js-reconnect, rawws-node, rawws-node-browser, rawws-node-reconnect, rawws-polling, rawws-reconnect, rawws-resume, sio"}},
		{"run -stack ,", []string{"-stack names nothing"}},
		{"run -scenario x", []string{`unknown scenario "x"`, "broadcast"}},
		{"run -case x", []string{`unknown case "x"`, "announce, balance-cookie, balance-robin,", "blocked-later, both-ways,", "churn, close, cluster, connect,", "steady, storm,", "unanswered, ways, wire"}},
		{"run -profile full -case x", []string{"announce, balance-cookie, balance-robin,", "blocked-later, both-ways,", "churn, close, cluster, connect,", "steady, storm,", "unanswered, wire"}},
		{"run -profile x", []string{`unknown profile "x"`, "full, quick"}},
		{"run -rounds 0", []string{"-rounds is 0", "from 1 to"}},
		{"run -rounds x", []string{`"x"`, "-rounds"}},
		{"run -clients 0", []string{"-clients is 0", "from 1 to 20000"}},
		{"run -clients 20001", []string{"-clients is 20001"}},
		{"run -size -1", []string{"-size is -1"}},
		{"run -size 900001", []string{"-size is 900001"}},
		{"run -rate 0", []string{"-rate is 0"}},
		{"run -rate -5", []string{"-rate is -5"}},
		{"run -rate NaN", []string{"-rate is NaN"}},
		{"run -case fan-out -clients 20000 -rate 100000", []string{"too many", "fewer clients"}},
		{"run -rounds 0 -size 0", []string{"-rounds is 0", "-size is 0"}},
		{"report", []string{"want RUN"}},
		{"claims", []string{"want RUN [RUN …]"}},
		{"claims -format json y", []string{`unknown format "json"`, "markdown, table"}},
		{"report -format x y", []string{`unknown format "x"`, "csv, json, markdown, table"}},
		{"check", []string{"want one of -against GITREF, -baseline FILE and -with MODULE@VERSION"}},
		{"check -against HEAD -baseline x", []string{"want one of"}},
		{"check -against HEAD -with a@v1", []string{"want one of"}},
		{"check -against HEAD x", []string{`unexpected argument "x"`}},
		{"check -against HEAD -pairs 5", []string{"-pairs is 5; it must be from 6 to 1000"}},
		{"check -against HEAD -format csv", []string{`unknown format "csv"`, "json, markdown, table"}},
		{"check -against HEAD -case slow-reader", []string{"-scenario broadcast -case slow-reader", "nothing to compare in pairs", "echo, steady,"}},
		{"check -against HEAD -scenario proxy -case direct,balance-robin", []string{"-scenario proxy -case direct,balance-robin", "can be checked: rooms, rooms-redis"}},
		{"check -against HEAD -scenario fallback -case stripped", []string{"-scenario fallback -case stripped", "can be checked: wire, echo, crowd"}},
		{"check -against HEAD -scenario reconnect -case stall", []string{"-scenario reconnect -case stall", "can be checked: reset, silent,"}},
		{"check -against HEAD -stack rawws-resume", []string{"nothing is left to compare: rawws-resume: it is for reconnect"}},
		{"check -against HEAD -stack morse", []string{`unknown stack "morse"`}},
		{"check -against HEAD -times", []string{"-times is for -baseline"}},
		{"check -baseline x -stack rawws", []string{"-stack is not for -baseline"}},
		{"check -baseline x -pairs 60", []string{"-pairs is not for -baseline"}},
		{"check -with a@v1 -stack sio-node", []string{"-with is for Go modules"}},
		{"baseline x y", []string{"want FILE, got 2 arguments"}},
		{"trend", []string{"want DIR"}},
		{"trend -format csv x", []string{`unknown format "csv"`, "html, markdown, svg, table"}},
		{"trend -unit x y", []string{`unknown unit "x"`}},
		{"trend -unit , y", []string{"-unit names nothing"}},
		{"serve", []string{"-stack is missing", "sio-node"}},
		{"serve -stack rawws,sio", []string{"one stack, not 2"}},
		{"serve -stack rawws -addr here", []string{`"here" is not a host and a port`}},
		{"list x", []string{`unexpected argument "x"`}},
		{"size x", []string{`unexpected argument "x"`}},
		{"size -format csv", []string{`unknown format "csv"`, "benchmark, json, markdown, table"}},
		{"size -side-by-side broadcast -format json", []string{"no -format"}},
		{"size -side-by-side broadcast -run x", []string{"no -run"}},
		{"size -side-by-side broadcast -language c", []string{`unknown language "c"`, "all, go, js"}},
		{"size -language go", []string{"-language is for -side-by-side"}},
		{"conformance -format csv", []string{`unknown format "csv"`, "json, markdown, table"}},
		{"lessons", []string{"-out is missing"}},
		{"lessons -out x y", []string{`unexpected argument "y"`}},
		{"wire x", []string{`unexpected argument "x"`}},
		{"wire -stack morse", []string{`unknown stack "morse"`}},
		{"wire -stack floor", []string{"-stack floor: it is no chat"}},
		{"wire -stack flash", []string{"-stack flash: no browser runs Flash"}},
		{"wire -stack sio-js4-reconnect", []string{"Engine.IO 3 alone"}},
		{"wire -size -1", []string{"-size is -1; it must be from 0 to 900000"}},
		{"wire -format html", []string{`unknown format "html"`, "json, markdown, table"}},
		{"run -scenario broadcast -stack rawws-resume", []string{"none of the stacks is for the scenarios", "rawws-resume is for reconnect"}},
		{"run -scenario reconnect -ping-timeout 5ms", []string{"-ping-timeout is 5ms; it must be from 10ms to 5m0s"}},
		{"run -case direct-time,x", []string{`unknown case "x"`}},
		{"run -case stall -ping-timeout 100ms", []string{"a stall of 250ms is not shorter than the ping timeout of 100ms"}},
	} {
		status, stdout, stderr := compare(t, strings.Fields(tt.args)...)
		if status != exitUsage || stdout != "" {
			t.Errorf("%s: exit status %d, stdout %q", tt.args, status, stdout)
		}
		for _, want := range tt.want {
			if !strings.Contains(stderr, want) {
				t.Errorf("%s: stderr %q\nlacks %q", tt.args, stderr, want)
			}
		}
	}
}

// TestListPaths tells what each path is.
func TestListPaths(t *testing.T) {
	status, stdout, stderr := compare(t, "list", "-paths")
	if status != exitOK {
		t.Fatalf("exit status %d, %s", status, stderr)
	}
	for _, r := range proxy.Routes() {
		if !strings.Contains(stdout, r.Name+" ") || !strings.Contains(stdout, r.About) {
			t.Errorf("lacks %s:\n%s", r.Name, stdout)
		}
	}
	for _, n := range proxy.AllNodes() {
		if !strings.Contains(stdout, n.Name+" ") || !strings.Contains(stdout, n.About) {
			t.Errorf("lacks %s:\n%s", n.Name, stdout)
		}
	}
	for _, k := range daemon.Kinds() {
		if !strings.Contains(stdout, "\n"+k.Name+": ") {
			t.Errorf("lacks the configuration of %s", k.Name)
		}
	}
}

// TestReconnect runs the cases that are about the way back, as a user would.
func TestReconnect(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	status, stdout, stderr := compare(t, "-scenario", "reconnect", "-stack", "rawws,rawws-reconnect,sio-reconnect",
		"-case", "reset,restart,stall,jitter,deploy", "-clients", "5", "-ping-interval", "400ms", "-ping-timeout", "3s", "-out", dir)
	if status != exitOK {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	for _, want := range []string{
		"noticed", "back", "lost down", "lost up", "all back", "peak of attempts", "server away",
		"never back: rawws: after 5 of 5 faults", "ping interval", "does not come back by itself",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	run, problems, err := record.Read(dir)
	if err != nil || len(problems) > 0 || len(run.Cells) != 5*3 {
		t.Fatal(err, problems, len(run.Cells))
	}
	for _, c := range run.Cells {
		if back, ok := c.Value("back-ratio"); ok && (back == 0) != (c.Stack == "rawws") {
			t.Errorf("%s %s: %v came back", c.Case.Name, c.Stack, back)
		}
		if !slices.ContainsFunc(c.Events, func(e scenarios.Event) bool { return e.Kind == scenarios.EventFault }) && c.Measured() && c.Case.Name != "stall" {
			t.Errorf("%s %s has no timeline", c.Case.Name, c.Stack)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"-h", "help", "run -h", "report -h", "claims -h", "diff -h", "serve -h", "list -h", "size -h", "conformance -h", "check -h", "baseline -h", "trend -h"} {
		status, stdout, stderr := compare(t, strings.Fields(args)...)
		if status != exitOK || stderr != "" || !strings.Contains(stdout, "compare") {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
		if args != "help" && !strings.Contains(stdout, "Example:") {
			t.Errorf("%s shows no example: %q", args, stdout)
		}
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for args, want := range map[string]string{
		"report " + dir:                              "does not hold a run",
		"claims " + dir:                              "does not hold a run",
		"trend " + dir:                               "no runs in",
		"check -baseline " + file:                    "holds no figures",
		"run -stack rawws -out " + file + "/x":       "choose another with -out",
		"serve -stack rawws -addr 127.0.0.1:9999999": "invalid port",
	} {
		status, stdout, stderr := compare(t, strings.Fields(args)...)
		if status != exitError || stdout != "" || !strings.Contains(stderr, want) {
			t.Errorf("%s: exit status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
	}
}

// TestRun measures every case once on both sides and reads the run back.
func TestRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	args := []string{"-scenario", "broadcast", "-stack", "sio,rawws", "-rounds", "1", "-seed", "7", "-clients", "10", "-out", dir}
	status, stdout, stderr := compare(t, args...)
	if status != exitOK {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	for _, want := range []string{
		"rawws", "sio", "echo", "steady", "fan-out", "both-ways", "saturation", "connect", "idle", "slow-reader",
		"server CPU", "wire bytes", "memory", "longest wait", "protocol, Go",
	} {
		if !strings.Contains(stdout, want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	if !strings.Contains(stderr, dir) {
		t.Errorf("stderr does not say where the run is: %q", stderr)
	}
	run, problems, err := record.Read(dir)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	if run.Partial || len(run.Cells) != 2*8 || run.Seed != 7 {
		t.Errorf("partial %t, %d cells, seed %d", run.Partial, len(run.Cells), run.Seed)
	}
	for _, c := range run.Cells {
		if c.N <= 0 || c.Error != "" {
			t.Errorf("%s %s %s: N %d, error %q", c.Scenario, c.Case.Name, c.Stack, c.N, c.Error)
		}
		// What is lost in slow-reader is its outcome.
		if lost, ok := c.Value("lost"); c.Case.Rate > 0 && !c.Case.Outcome && (!ok || lost != 0) {
			t.Errorf("%s %s: lost %v, %t", c.Case.Name, c.Stack, lost, ok)
		}
	}
	for _, format := range []string{"table", "markdown"} {
		status, again, stderr := compare(t, "report", "-format", format, dir)
		// The answers are first in a report and last in a run.
		_, tables, _ := strings.Cut(again, "broadcast / echo")
		same := strings.Contains(stdout, tables) && tables != ""
		if status != exitOK || format == "table" && !same {
			t.Errorf("report as %s: exit status %d, stderr %q; the same table: %t", format, status, stderr, same)
		}
	}
	// A second run must not overwrite the first.
	if status, _, stderr := compare(t, args...); status != exitError || !strings.Contains(stderr, "already holds a run") {
		t.Errorf("into the same folder: exit status %d, %q", status, stderr)
	}
}

// TestGoAlone is a machine on which there is no Node.
func TestGoAlone(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	dir := filepath.Join(t.TempDir(), "run")
	status, stdout, stderr := compare(t, "-case", "connect", "-rounds", "1", "-out", dir)
	if status != exitOK {
		t.Fatalf("exit status %d\n%s%s", status, stdout, stderr)
	}
	for _, out := range []string{stdout, stderr} {
		words := strings.Join(strings.Fields(out), " ") // however the lines are broken
		for _, want := range []string{"sio-node", "rawws-js", "node is not installed", "npm ci --prefix"} {
			if !strings.Contains(words, want) {
				t.Errorf("output lacks %q:\n%s", want, out)
			}
		}
	}
	if status, stdout, _ := compare(t, "list"); status != exitOK || !strings.Contains(stdout, "cannot run here: node is not installed") {
		t.Errorf("list: exit status %d\n%s", status, stdout)
	}
	status, _, stderr = compare(t, "-stack", "sio-node", "-out", filepath.Join(t.TempDir(), "run"))
	if status != exitError || !strings.Contains(stderr, "none of the stacks can be run") {
		t.Errorf("with a stack that needs Node: exit status %d, %q", status, stderr)
	}
	// What was asked for is measured, or there is no answer.
	status, stdout, stderr = compare(t, "check", "-against", "HEAD", "-stack", "rawws,sio-node", "-case", "steady")
	if status != exitError || stdout != "" || !strings.Contains(stderr, "sio-node cannot be measured here: node is not installed") || !strings.Contains(stderr, "to add it: ") {
		t.Errorf("check: exit status %d, %q, %q", status, stdout, stderr)
	}
	status, _, stderr = compare(t, "serve", "-stack", "sio-node")
	if status != exitError || !strings.Contains(stderr, "npm ci --prefix") {
		t.Errorf("serve: exit status %d, %q", status, stderr)
	}
}

// TestNodeBroken is a machine whose Node is too old, or lacks the packages.
func TestNodeBroken(t *testing.T) {
	needNode(t, "rawws-node", "sio-node")
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	root = filepath.Join(root, "../..")
	bin := t.TempDir()
	script := func(text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, "node"), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	real, err := exec.LookPath("node")
	if err != nil {
		t.Fatal(err)
	}
	t.Run("packages missing", func(t *testing.T) {
		copied := t.TempDir()
		for _, name := range []string{"go.mod", "rawws/node", "sio/node", "internal/worker/node"} {
			copyTree(t, filepath.Join(root, name), filepath.Join(copied, name))
		}
		t.Chdir(copied)
		status, stdout, _ := compare(t, "list")
		for _, want := range []string{"rawws-node cannot run here: ", "npm ci --prefix rawws/node", "npm ci --prefix sio/node"} {
			if status != exitOK || !strings.Contains(stdout, want) {
				t.Errorf("exit status %d, lacks %q:\n%s", status, want, stdout)
			}
		}
	})
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	for name, tt := range map[string]struct{ script, want string }{
		"crashes": {"echo 'illegal instruction' >&2; exit 132", "illegal instruction"},
		"silent":  {"exit 1", "does not work: exit status 1"},
		"garbled": {"echo hello", "does not work"},
		"too old": {"exec " + real + ` --import 'data:text/javascript,Object.defineProperty(process,"version",{value:"v12.0.0"});Object.defineProperty(process.versions,"node",{value:"12.0.0"})' "$@"`, "install Node 18 or newer"},
	} {
		t.Run(name, func(t *testing.T) {
			script(tt.script)
			status, stdout, _ := compare(t, "list")
			if status != exitOK || !strings.Contains(stdout, "sio-node cannot run here") || !strings.Contains(stdout, tt.want) {
				t.Errorf("exit status %d, lacks %q:\n%s", status, tt.want, stdout)
			}
		})
	}
}

// needNode skips a test where there is no Node or one of these stacks cannot run.
func needNode(t *testing.T, names ...string) {
	t.Helper()
	stacks := slices.DeleteFunc(bench.Stacks(), func(s scenarios.Stack) bool { return !slices.Contains(names, s.Name) })
	if len(stacks) != len(names) {
		t.Fatalf("of %q only %d are stacks", names, len(stacks))
	}
	m, _, err := bench.Look(t.Context(), stacks)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range m.LeftOut {
		t.Skipf("%s: %s; to add it: %s", l.Stack, l.Reason, l.Mend)
	}
}

// copyTree copies a file or folder, but for node_modules.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if err != nil {
		t.Fatal(err)
	}
	if !info.IsDir() {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, info.Mode()); err != nil {
			t.Fatal(err)
		}
		return
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != "node_modules" {
			copyTree(t, filepath.Join(from, e.Name()), filepath.Join(to, e.Name()))
		}
	}
}
