package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsvsio/scenarios"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// need skips a test where a program is not there, with the reason.
func need(t testing.TB, p Program) {
	t.Helper()
	if _, _, err := p.Find(t.Context()); errors.Is(err, scenarios.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// start starts a daemon that is closed with the test.
func start(t *testing.T, k Kind, nodes ...string) *Daemon {
	t.Helper()
	need(t, k.Program)
	d, err := Start(t.Context(), k, nodes...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

// nodes are servers that answer with their number, and their addresses.
func nodes(t *testing.T, n int) (addrs []string) {
	for i := range n {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprint(w, i)
		}))
		t.Cleanup(s.Close)
		addrs = append(addrs, s.Listener.Addr().String())
	}
	return addrs
}

// TestKinds starts each kind, has it pass on a request, and stops it in good
// order. Then nobody answers there, and nothing is left of it.
func TestKinds(t *testing.T) {
	for _, k := range Kinds() {
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			addrs := nodes(t, max(1, k.Nodes))
			d := start(t, k, addrs[:k.Nodes]...)
			if k.Program.Name == redis.Name {
				ping(t, d.Addr())
			} else {
				get(t, d, addrs[0])
			}
			if err := d.Died(); err != nil {
				t.Error(err)
			}
			if err := d.Stop(t.Context()); err != nil {
				t.Errorf("stop: %v", err)
			}
			if conn, err := net.Dial("tcp", d.Addr()); err == nil {
				conn.Close()
				t.Error("somebody answers after Stop")
			}
			if err := d.Restart(t.Context()); err != nil {
				t.Errorf("restart: %v", err)
			}
			if err := d.Restart(t.Context()); err == nil {
				t.Error("started twice")
			}
			if err := d.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
			if _, err := os.Stat(d.folder); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("its folder: %v, want it gone", err)
			}
			if err := d.Restart(t.Context()); err == nil {
				t.Error("started after Close")
			}
		})
	}
}

// get sends a request through a proxy.
func get(t *testing.T, d *Daemon, node string) {
	t.Helper()
	target := "http://" + d.Addr()
	transport := &http.Transport{DisableKeepAlives: true}
	if d.Kind().Forward {
		proxy := &url.URL{Scheme: "http", Host: d.Addr()}
		transport.Proxy = http.ProxyURL(proxy)
		target = "http://" + node
	}
	r, err := (&http.Client{Transport: transport}).Get(target + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK || len(body) != 1 {
		t.Errorf("%s: %s", r.Status, body)
	}
}

// ping asks a Redis whether it is there.
func ping(t *testing.T, addr string) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "PING\r\n")
	answer := make([]byte, 7)
	if _, err := io.ReadFull(conn, answer); err != nil || string(answer) != "+PONG\r\n" {
		t.Errorf("answer %q, %v", answer, err)
	}
}

// TestConfig shows every configuration: with placeholders, none of the harness,
// and none of another kind's.
func TestConfig(t *testing.T) {
	seen := make(map[string]string)
	for _, k := range Kinds() {
		text := k.Config()
		if other := seen[text]; other != "" {
			t.Errorf("%s and %s have the same configuration", k.Name, other)
		}
		seen[text] = k.Name
		if k.Name == "" || k.About == "" || k.Program.Name == "" {
			t.Errorf("%+v is not complete", k)
		}
		for _, bad := range []string{"{{", "wsvsio", "127.0.0.1:"} {
			if strings.Contains(text, bad) {
				t.Errorf("%s: its configuration has %q in it:\n%s", k.Name, bad, text)
			}
		}
		for _, node := range []string{"NODE-A", "NODE-B"}[:k.Nodes] {
			if !strings.Contains(text, node) {
				t.Errorf("%s: its configuration does not name %s:\n%s", k.Name, node, text)
			}
		}
		if found, ok := KindOf(k.Name); !ok || found.Name != k.Name {
			t.Errorf("no kind %q, or another", k.Name)
		}
	}
	if _, ok := KindOf("nothing"); ok {
		t.Error("there is a kind of that name")
	}
}

// TestIdle has a limit put in, where there is one.
func TestIdle(t *testing.T) {
	k, _ := KindOf(scenarios.PathNginxIdle)
	if text := k.WithIdle(250 * time.Millisecond).Config(); !strings.Contains(text, "proxy_read_timeout 250ms;") {
		t.Errorf("the limit is not in:\n%s", text)
	}
	k, _ = KindOf(scenarios.PathNginx)
	if k.WithIdle(time.Hour).Idle != 0 {
		t.Error("a kind without a limit got one")
	}
}

// fake puts an executable in the place of a program.
func fake(t *testing.T, script string) Program {
	t.Helper()
	p := Program{Name: "nosuchprogram", Package: "nosuch", oldest: version{2, 0, 0}, why: "does it", versionFlag: "-v", args: []string{"{{.File}}"}}
	if script == "" {
		return p
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, p.Name), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	return p
}

// TestWrong has programs that are missing, too old, broken or do not start. The
// error says which, what it printed and how to install it.
func TestWrong(t *testing.T) {
	for name, test := range map[string]struct {
		script      string
		unsupported bool
		want        []string
	}{
		"missing":      {"", true, []string{"nosuchprogram is not installed", "apt-get install nosuch"}},
		"too old":      {`echo 'nosuch version 1.9.9'`, true, []string{"1.9.9 is too old, 2.0.0 is the first that does it", "apt-get install nosuch"}},
		"no version":   {`echo hello`, false, []string{`no version in "hello"`}},
		"broken":       {`echo 'no library' >&2; exit 127`, false, []string{"exit status 127", "no library", "apt-get install nosuch"}},
		"does not run": {`[ "$1" = -v ] && echo version 2.1 && exit; echo bad config; exit 1`, false, []string{"nosuchprogram 2.1.0 does not answer", "exit status 1", "bad config", "apt-get install nosuch"}},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := Start(t.Context(), Kind{Name: "kind", Program: fake(t, test.script)})
			if err == nil || d != nil {
				t.Fatal("it started")
			}
			if errors.Is(err, scenarios.ErrUnsupported) != test.unsupported {
				t.Errorf("unsupported: %v, want %v", !test.unsupported, test.unsupported)
			}
			for _, want := range append(test.want, "kind: ") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error does not say %q:\n%v", want, err)
				}
			}
		})
	}
}

// TestBadConfig gives each program what it does not understand, and quotes what
// it says to that.
func TestBadConfig(t *testing.T) {
	for _, p := range Programs() {
		t.Run(p.Name, func(t *testing.T) {
			t.Parallel()
			need(t, p)
			_, err := Start(t.Context(), Kind{Name: "bad", Program: p, config: "nonsense is here;\n"})
			if err == nil || !strings.Contains(err.Error(), "nonsense") || !strings.Contains(err.Error(), p.Name) {
				t.Errorf("error does not quote what is wrong: %v", err)
			}
		})
	}
}

// TestEnds ends daemons in other ways: with their context, at once, and by
// themselves.
func TestEnds(t *testing.T) {
	k, _ := KindOf(scenarios.PathHAProxyTCP)
	addr := nodes(t, 1)[0]
	t.Run("context", func(t *testing.T) {
		need(t, k.Program)
		ctx, cancel := context.WithCancel(t.Context())
		d, err := Start(ctx, k, addr)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		<-d.running.exited
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := Start(ctx, k, addr); !errors.Is(err, context.Canceled) {
			t.Errorf("start after the end of the context: %v", err)
		}
	})
	t.Run("kill", func(t *testing.T) {
		d := start(t, k, addr)
		if err := d.Kill(); err != nil {
			t.Error(err)
		}
		if err := d.Kill(); err != nil {
			t.Errorf("again: %v", err)
		}
	})
	t.Run("by itself", func(t *testing.T) {
		need(t, k.Program)
		d, err := Start(t.Context(), k, addr)
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(d.running.cmd.Process.Pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-d.running.exited
		if err := d.Died(); err == nil || !strings.Contains(err.Error(), "ended by itself") {
			t.Errorf("died: %v", err)
		}
		if err := d.Close(); err == nil {
			t.Error("close does not tell")
		}
	})
	t.Run("nodes", func(t *testing.T) {
		if _, err := Start(t.Context(), k, addr, addr); err == nil || !strings.Contains(err.Error(), "takes 1 nodes, not 2") {
			t.Errorf("two nodes: %v", err)
		}
	})
}

// TestVersion parses what the programs print.
func TestVersion(t *testing.T) {
	for text, want := range map[string]string{
		"nginx version: nginx/1.22.1\n":                                "1.22.1",
		"HAProxy version 2.6.12-1+deb12u3 2025/10/03\n":                "2.6.12",
		"HA-Proxy version 1.8.4-1deb90d 2018/02/08\n":                  "1.8.4",
		"Squid Cache: Version 5.7\nService Name: squid\n":              "5.7.0",
		"Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0\n": "7.0.15",
	} {
		if v, err := parseVersion(text); err != nil || v.String() != want {
			t.Errorf("%q: %v, %v, want %s", text, v, err, want)
		}
	}
	for _, text := range []string{"", "version", "version 1", "version 99999999999999999999.1"} {
		if v, err := parseVersion(text); err == nil {
			t.Errorf("%q: %v", text, v)
		}
	}
	for _, pair := range [][2]version{{{1, 2, 3}, {1, 2, 4}}, {{1, 9, 9}, {2, 0, 0}}, {{1, 2, 3}, {1, 10, 0}}} {
		if !pair[0].less(pair[1]) || pair[1].less(pair[0]) || pair[0].less(pair[0]) {
			t.Errorf("order of %v", pair)
		}
	}
}

// TestSideBySide has several of each program begin and end at once, as the
// stacks of a round that run side by side do.
func TestSideBySide(t *testing.T) {
	for _, k := range Kinds() {
		if k.Nodes > 1 {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			need(t, k.Program)
			upstream := nodes(t, k.Nodes)
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					d, err := Start(t.Context(), k, upstream...)
					if err != nil {
						t.Error(err)
						return
					}
					if err := d.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
		})
	}
}
