package browser

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPage opens a page and leaves nothing behind.
func TestPage(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Write([]byte(`<!doctype html><title>one</title><script>document.title += " two"</script>`))
	}))
	defer page.Close()
	b, err := Start(t.Context())
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	tab, done := b.Tab()
	err = chromedp.Do(tab, chromedp.Navigate(page.URL))
	title, again := chromedp.Run(tab, chromedp.Title())
	if err := errors.Join(err, again); err != nil {
		t.Error(err)
	}
	if want := "one two"; title != want {
		t.Errorf("title %q, want %q", title, want)
	}
	done()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	left, err := os.ReadDir(temp)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		t.Errorf("left behind: %s", e.Name())
	}
}

// TestOpen has a browser tell where it listens, and its version.
func TestOpen(t *testing.T) {
	b, err := Start(t.Context(), Open)
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	addr, err := b.Address()
	if err != nil || !strings.HasPrefix(addr, "ws://127.0.0.1:") {
		t.Errorf("address %q: %v", addr, err)
	}
	version, err := Version(t.Context())
	if err != nil {
		t.Error(err)
	}
	// It says the same over the address.
	alloc, stop := remote.NewAllocator(t.Context(), addr, remote.NoModifyURL)
	tab, done := chromedp.NewContext(alloc)
	agent, err := chromedp.Run(tab, chromedp.Evaluate[string]("navigator.userAgent"))
	if major, _, _ := strings.Cut(version, "."); err != nil || !strings.Contains(agent, "Chrome/"+major+".") {
		t.Errorf("version %q, agent %q: %v", version, agent, err)
	}
	done()
	stop()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestMissing has no Chromium.
func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Start(t.Context()); !errors.Is(err, ErrMissing) {
		t.Errorf("err = %v, want %v", err, ErrMissing)
	}
	if _, err := Version(t.Context()); !errors.Is(err, ErrMissing) {
		t.Errorf("version: err = %v, want %v", err, ErrMissing)
	}
}

// TestEnded has the browser die by itself.
func TestEnded(t *testing.T) {
	b, err := Start(t.Context())
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if b.Ended() {
		t.Error("ended at once")
	}
	if err := b.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-b.ctx.Done()
	if !b.Ended() {
		t.Error("not ended")
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
