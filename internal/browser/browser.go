// Package browser starts a real browser, headless Chromium, with a folder of its
// own that is gone when it is closed.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/chromedp/chromedp"
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

// Find returns the path of Chromium, or ErrMissing.
func Find() (string, error) {
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return path, nil
		}
	}
	return "", ErrMissing
}

// Browser is a running Chromium.
type Browser struct {
	ctx    context.Context // of its first tab
	cancel []context.CancelFunc
	folder string
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
	options := append(chromedp.DefaultExecAllocatorOptions[:len(chromedp.DefaultExecAllocatorOptions):len(chromedp.DefaultExecAllocatorOptions)],
		chromedp.ExecPath(path),
		chromedp.UserDataDir(folder),
		chromedp.Env("TMPDIR="+folder), // it leaves a folder there
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		chromedp.WSURLReadTimeout(startLimit),
	)
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // its sandbox refuses root
	}
	b := &Browser{folder: folder}
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

// Close ends the browser and waits until its processes are gone.
func (b *Browser) Close() error {
	for _, cancel := range b.cancel {
		cancel() // each waits for what it cancels
	}
	return os.RemoveAll(b.folder)
}
