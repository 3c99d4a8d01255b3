// Package browser starts a real browser, headless Chromium, with a folder of its
// own that is gone when it is closed.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"
)

// names are what Chromium is installed as, in the order in which they are tried.
var names = []string{"chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome"}

// Mend is what installs it.
const Mend = "apt-get install chromium"

// ErrMissing says that there is no Chromium on this machine.
var ErrMissing = errors.New("chromium is not installed (" + Mend + ")")

// startLimit is how long it may take until it answers: 0.3 to 1 s on an idle
// machine, ten times that on a busy one.
const startLimit = 30 * time.Second

// closeLimit is how long its folder may be in use once it has ended.
const closeLimit = 5 * time.Second

// Find returns the path of Chromium, or ErrMissing.
func Find() (string, error) {
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return path, nil
		}
	}
	return "", ErrMissing
}

// Version returns what the Chromium of this machine calls its version, or
// ErrMissing.
func Version(ctx context.Context) (string, error) {
	path, err := Find()
	if err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, path, "--version")
	cmd.WaitDelay = time.Second // it may be a script that starts another
	text, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s --version: %w", path, err)
	}
	for field := range strings.FieldsSeq(string(text)) {
		if field[0] >= '0' && field[0] <= '9' {
			return field, nil // of "Chromium 156.0.8078.108 built on …"
		}
	}
	return "", fmt.Errorf("no version in %q", text)
}

// Open has a browser listen for other processes of this machine; see Address. They
// may give it pages that do not come from the network. It would take these for
// pages of the public internet, which may not reach this machine.
func Open(a *chromedp.ExecAllocator) {
	remote.WebSocket(a)
	chromedp.Flag("disable-features", "Translate,LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets")(a)
}

// Browser is a running Chromium.
type Browser struct {
	ctx    context.Context // of its first tab
	cancel []context.CancelFunc
	folder string
	cmd    *exec.Cmd
}

// Start starts Chromium with these flags on top of what keeps it from asking for
// anything by itself. What ctx carries ends it, too.
func Start(ctx context.Context, flags ...chromedp.ExecAllocatorOption) (*Browser, error) {
	path, err := Find()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "browser-")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the browser: %w", err)
	}
	b := &Browser{folder: folder}
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(folder),
		chromedp.Env("TMPDIR="+folder), // it leaves a folder there
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(startLimit),
		chromedp.ModifyCmdFunc(func(cmd *exec.Cmd) {
			apart(cmd)
			b.cmd = cmd
		}),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // its sandbox refuses root
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(ctx, append(options, flags...)...)
	tab, stopTab := chromedp.NewContext(alloc)
	b.ctx, b.cancel = tab, []context.CancelFunc{stopTab, stopAlloc}
	if err := chromedp.Do(tab); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), b.Close())
	}
	return b, nil
}

// Tab returns a context for chromedp.Run with a page of its own, and what closes
// it.
func (b *Browser) Tab() (context.Context, context.CancelFunc) { return chromedp.NewContext(b.ctx) }

// Ended reports whether the browser is gone, closed or not.
func (b *Browser) Ended() bool { return b.ctx.Err() != nil }

// Address is the URL at which another process finds a browser that was started
// with Open.
func (b *Browser) Address() (string, error) {
	// Chromium writes its port there, and on the next line a path.
	text, err := os.ReadFile(filepath.Join(b.folder, "DevToolsActivePort"))
	if err != nil {
		return "", fmt.Errorf("where the browser listens: %w", err)
	}
	port, path, ok := strings.Cut(strings.TrimSpace(string(text)), "\n")
	if !ok {
		return "", fmt.Errorf("where the browser listens: %q", text)
	}
	return "ws://127.0.0.1:" + port + path, nil
}

// Close ends the browser, with what it has started, and removes its folder.
func (b *Browser) Close() error {
	for _, cancel := range b.cancel {
		cancel() // each waits for what it cancels
	}
	// What it has started may outlive it, and write. Whether it is gone cannot be
	// seen where nobody reaps it.
	wait := end(b.cmd)
	limit := time.After(closeLimit)
	tick := time.NewTicker(closeLimit / 100)
	defer tick.Stop()
	for {
		var err error
		if !wait {
			if err = os.RemoveAll(b.folder); err == nil {
				return nil
			}
		}
		wait = false
		select {
		case <-tick.C:
		case <-limit:
			return fmt.Errorf("remove the folder of the browser: %w", err)
		}
	}
}
