// Package pagetest opens a page in Chromium as a reader would, wide and on a
// phone, in light and dark, and holds it to what every page has to keep: it
// asks for nothing but itself, reports no error, is no wider than the screen, and
// axe-core finds nothing in it that keeps somebody out.
//
// With SHOTS=FOLDER in the environment it leaves pictures of what it saw there.
package pagetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"wsvsio/internal/browser"
)

// views are how a page is looked at.
var views = []struct {
	name          string
	width, height int64
	dark          bool
}{
	{"desktop-light", 1280, 900, false},
	{"desktop-dark", 1280, 900, true},
	{"phone-light", 390, 844, false},
	{"phone-dark", 390, 844, true},
}

// finding is what axe-core has against a page.
type finding struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

func (f finding) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s (%d times)", f.ID, f.Help, len(f.Nodes))
	for _, n := range f.Nodes[:min(3, len(f.Nodes))] {
		fmt.Fprintf(&b, "\n\t%s\n\t%s", n.HTML, strings.ReplaceAll(n.Summary, "\n", " "))
	}
	return b.String()
}

// Check holds a page to all of it. Where Chromium or axe-core is missing it
// skips the test, and fails it under CI.
func Check(t *testing.T, name string, html []byte) {
	t.Helper()
	check(t, name, html, Axe(t))
}

// Opens holds a page to all but axe-core, which takes a minute for a long one.
func Opens(t *testing.T, name string, html []byte) {
	t.Helper()
	check(t, name, html, "")
}

func check(t *testing.T, name string, html []byte, axe string) {
	t.Helper()
	b, err := browser.Start(t.Context())
	if errors.Is(err, browser.ErrMissing) {
		missing(t, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Path)
		mu.Unlock()
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write(html)
	}))
	defer server.Close()

	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			tab, done := b.Tab()
			defer done()
			scheme := "light"
			if v.dark {
				scheme = "dark"
			}
			// It takes a first step to have a tab at all.
			if err := chromedp.Do(tab, chromedp.EmulateViewport(v.width, v.height)); err != nil {
				t.Fatal(err)
			}
			if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}},
			}); err != nil {
				t.Fatal(err)
			}
			var wrong []string
			err := chromedp.Listen(tab, func(ev any) {
				mu.Lock()
				defer mu.Unlock()
				switch ev := ev.(type) {
				case *network.EventRequestWillBeSent:
					if u := ev.Request.URL; u != server.URL+"/" && !strings.HasPrefix(u, "data:") {
						wrong = append(wrong, "asks for "+u)
					}
				case *log.EventEntryAdded:
					wrong = append(wrong, fmt.Sprintf("%s: %s", ev.Entry.Level, ev.Entry.Text))
				case *runtime.EventExceptionThrown:
					wrong = append(wrong, "throws "+ev.ExceptionDetails.Text)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(tab, chromedp.Navigate(server.URL+"/")); err != nil {
				t.Fatal(err)
			}
			wide, err := chromedp.Run(tab, chromedp.Evaluate[float64]("document.documentElement.scrollWidth"))
			if err != nil {
				t.Fatal(err)
			}
			if wide > float64(v.width) {
				t.Errorf("the page is %g pixels wide, the screen %d", wide, v.width)
			}
			shoot(t, tab, name+"-"+v.name, v.width)
			mu.Lock()
			for _, w := range wrong {
				t.Error(w)
			}
			wrong = nil
			mu.Unlock()
			if axe == "" {
				return
			}
			for _, f := range findings(t, tab, axe) {
				t.Error(f)
			}
		})
	}
	mu.Lock()
	defer mu.Unlock()
	for _, path := range asked {
		if path != "/" {
			t.Errorf("asks for %s", path)
		}
	}
}

// Axe returns the text of axe-core.
func Axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "internal", "page", "node", "node_modules", "axe-core", "axe.min.js"))
	if errors.Is(err, fs.ErrNotExist) {
		missing(t, errors.New("axe-core is not installed (npm ci --prefix internal/page/node)"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// missing ends a test for want of a program.
func missing(t *testing.T, err error) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatal(err)
	}
	t.Skip(err)
}

// root returns the folder of the module that is tested.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("there is no go.mod above this test")
		}
	}
}

// findings returns what axe-core has against the page, by all rules that it
// applies by itself, the best practices included.
func findings(t *testing.T, tab context.Context, axe string) (list []finding) {
	t.Helper()
	if _, err := chromedp.Run(tab, chromedp.Evaluate[bool](axe+"; true")); err != nil {
		t.Fatal(err)
	}
	text, err := chromedp.Run(tab, chromedp.Evaluate[string](
		"axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))", chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		t.Fatal(err)
	}
	return list
}

// shoot leaves pictures of the page, each as high as can be looked at.
func shoot(t *testing.T, tab context.Context, name string, width int64) {
	t.Helper()
	folder := os.Getenv("SHOTS")
	if folder == "" {
		return
	}
	high, err := chromedp.Run(tab, chromedp.Evaluate[float64]("document.documentElement.scrollHeight"))
	if err != nil {
		t.Fatal(err)
	}
	const piece = 1800
	beyond := true
	for i, y := 0, 0.0; y < high; i, y = i+1, y+piece {
		shot, err := chromedp.Call(tab, page.CaptureScreenshot, page.CaptureScreenshotParams{
			Clip:                  &page.Viewport{Y: y, Width: float64(width), Height: min(piece, high-y), Scale: 1},
			CaptureBeyondViewport: &beyond,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, fmt.Sprintf("%s-%02d.png", name, i)), shot.Data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
}
