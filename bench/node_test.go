package bench

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"wsvsio/internal/browser"
	"wsvsio/scenarios"
)

// copyRepository makes what Look takes for the repository: the modules that the
// stacks name, without a package.
func copyRepository(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	put := func(path string, text []byte) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("go.mod", []byte("module wsvsio\n"))
	for _, folder := range []string{"internal/worker/node", "internal/bare/node", "rawws/node", "sio/node"} {
		for _, pattern := range []string{"*.mjs", "package.json"} {
			found, err := filepath.Glob(filepath.Join("..", folder, pattern))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range found {
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				put(filepath.Join(folder, filepath.Base(path)), text)
			}
		}
	}
	return root
}

// TestLook has stacks left out where Node is missing, where all packages are,
// and where there are those of a time before reconnecting-websocket.
func TestLook(t *testing.T) {
	node := slices.DeleteFunc(Stacks(), func(s scenarios.Stack) bool { return !s.NeedsNode() || s.InBrowser() })
	leftOut := func(t *testing.T, why string, stacks []scenarios.Stack) {
		t.Helper()
		all := slices.DeleteFunc(Stacks(), scenarios.Stack.InBrowser)
		m, can, err := Look(t.Context(), all)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range stacks {
			if slices.ContainsFunc(can, func(c scenarios.Stack) bool { return c.Name == s.Name }) {
				t.Errorf("%s is not left out", s.Name)
			}
		}
		for _, l := range m.LeftOut {
			folder := "rawws/node"
			if strings.HasPrefix(l.Stack, "sio") {
				folder = "sio/node"
			}
			if !strings.Contains(l.Reason, why) || !strings.Contains(l.Mend, "npm ci --prefix "+folder) {
				t.Errorf("%s is left out: %s; to add it: %s", l.Stack, l.Reason, l.Mend)
			}
		}
		if len(can)+len(m.LeftOut) != len(all) {
			t.Errorf("of %d stacks, %d can run and %d are left out", len(all), len(can), len(m.LeftOut))
		}
	}
	t.Run("no node", func(t *testing.T) {
		t.Setenv("PATH", "")
		leftOut(t, "node is not installed", node)
	})
	if m, _, err := Look(t.Context(), node); err != nil || len(m.LeftOut) > 0 {
		t.Skipf("the rest needs Node and its packages: %v", err)
	}
	t.Run("no packages", func(t *testing.T) {
		t.Chdir(copyRepository(t))
		leftOut(t, "Cannot find package", node)
	})
	t.Run("old packages", func(t *testing.T) {
		root := copyRepository(t)
		for _, installed := range []string{"rawws/node/node_modules/ws", "rawws/node/node_modules/https-proxy-agent", "sio/node/node_modules"} {
			from, err := filepath.Abs(filepath.Join("..", installed))
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(root, installed)
			if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(from, to); err != nil {
				t.Skip(err)
			}
		}
		t.Chdir(root)
		leftOut(t, "Cannot find package 'reconnecting-websocket'",
			slices.DeleteFunc(slices.Clone(node), func(s scenarios.Stack) bool { return strings.HasPrefix(s.Name, "sio") }))
	})
}

// TestLookForBrowser has stacks left out where there is no browser, or no bundle
// for its pages, and says which version is there.
func TestLookForBrowser(t *testing.T) {
	check := func(t *testing.T, stack, reason, mend string) {
		t.Helper()
		m, can, err := Look(t.Context(), named(stack))
		if err != nil {
			t.Fatal(err)
		}
		if reason == "" {
			if len(can) != 1 || m.Packages["chromium"] == "" {
				t.Errorf("%s: %+v, version %q", stack, m.LeftOut, m.Packages["chromium"])
			}
			return
		}
		if len(can) != 0 || len(m.LeftOut) != 1 || !strings.Contains(m.LeftOut[0].Reason, reason) || m.LeftOut[0].Mend != mend {
			t.Errorf("%s: %d can run, left out: %+v; want %q, to add: %q", stack, len(can), m.LeftOut, reason, mend)
		}
	}
	t.Run("no browser", func(t *testing.T) {
		t.Setenv("PATH", "")
		check(t, "rawws-browser", "chromium is not installed", "apt-get install chromium")
		check(t, "sio-node-browser", "chromium is not installed", "apt-get install chromium")
	})
	if _, err := browser.Find(); err != nil {
		t.Skip(err)
	}
	t.Run("no packages", func(t *testing.T) {
		t.Chdir(copyRepository(t))
		check(t, "rawws-browser", "", "")
		check(t, "sio-browser", "the bundle of socket.io-client for browsers is not there", "npm ci --prefix sio/node")
	})
}
