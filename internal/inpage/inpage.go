// Package inpage is the client of the chat as a page in a real browser: over its
// own WebSocket, or with the bundle of socket.io-client for browsers, as npm has
// it.
//
// A client is a page of its own, in a profile of its own, whose address is where
// it dials: the browser says so in the header Origin, and nothing else can be
// asked of it. The page itself does not come from there, the browser is given it.
// Proxies are those of the profile, for loopback addresses too.
package inpage

import (
	"context"
	_ "embed" // the pages
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/fetch"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/security"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/remote"

	"wsvsio/scenarios"
)

//go:embed page.js
var pageScript string

//go:embed raw.js
var rawScript string

//go:embed sio.js
var sioScript string

// bundles are the files of socket.io-client for browsers, by the protocol that
// they speak, in the folder of the npm packages.
var bundles = map[scenarios.Protocol]string{
	scenarios.ProtocolEIO3: "node_modules/socket.io-client-v2/dist/socket.io.js",
	scenarios.ProtocolEIO4: "node_modules/socket.io-client/dist/socket.io.min.js",
}

// Bundle returns the file that pages need for a protocol, in a folder with npm
// packages; "" if they need none.
func Bundle(packages string, p scenarios.Protocol) string {
	if bundles[p] == "" {
		return ""
	}
	return filepath.Join(packages, filepath.FromSlash(bundles[p]))
}

// ErrPage is wrapped by the error of Dial where there is no page, whatever is with
// the chat: the browser is gone, or does not do what it is asked.
var ErrPage = errors.New("open a page")

// Pages are clients in a browser.
type Pages struct {
	alloc    context.Context
	stop     context.CancelFunc
	packages string
}

// New returns clients in the browser at an address, with npm packages from a
// folder. Whatever they have opened there is closed with them, or with this
// process.
func New(ctx context.Context, address, packages string) *Pages {
	p := &Pages{packages: packages}
	p.alloc, p.stop = remote.NewAllocator(ctx, address, remote.NoModifyURL)
	return p
}

// Close closes all pages.
func (p *Pages) Close() error {
	p.stop()
	return nil
}

// Dial implements scenarios.Dial.
func (p *Pages) Dial(ctx context.Context, rawURL string, cfg scenarios.DialConfig, on func(scenarios.Event)) (scenarios.Client, error) {
	switch {
	case cfg.Origin != "" && cfg.Origin != rawURL:
		return nil, fmt.Errorf("a page at %s cannot say that it is of %s", rawURL, cfg.Origin)
	case cfg.Lacks != "" || cfg.Reconnect != nil:
		return nil, errors.New("a page has the transports of its browser, and does not come back")
	}
	script, err := p.script(cfg.Protocol)
	if err != nil {
		return nil, err
	}
	profile := chromedp.WithNewBrowserContext(func(c *target.CreateBrowserContextParams) {
		if cfg.Proxy != "" {
			c.ProxyServer, c.ProxyBypassList = cfg.Proxy, "<-loopback>"
		}
	})
	t := &tab{raw: cfg.Protocol == scenarios.ProtocolRaw, on: on, waiting: make(map[int]chan error)}
	t.ctx, t.close = chromedp.NewContext(p.alloc, profile)
	if err := t.open(ctx, rawURL, script, cfg.CA != ""); err != nil {
		t.close()
		return nil, fmt.Errorf("%w: %w", ErrPage, err)
	}
	if err := t.call(ctx, "dial", rawURL, cfg); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// script is what a page runs.
func (p *Pages) script(protocol scenarios.Protocol) (string, error) {
	if protocol == scenarios.ProtocolRaw {
		return pageScript + rawScript, nil
	}
	file := Bundle(p.packages, protocol)
	if file == "" {
		return "", fmt.Errorf("no page speaks %s", protocol)
	}
	bundle, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	return string(bundle) + "\n" + pageScript + sioScript, nil
}

// tab is a client.
type tab struct {
	ctx   context.Context // of its page
	close context.CancelFunc
	raw   bool

	mu      sync.Mutex
	on      func(scenarios.Event)
	last    int
	waiting map[int]chan error // for the answers to calls
	console string             // what the browser said last of the network
}

// binding is what a page calls to tell something.
const binding = "tellHarness"

// open opens the page at an address.
func (t *tab) open(ctx context.Context, url, script string, trust bool) error {
	limited, cancel := t.until(ctx)
	defer cancel()
	if err := chromedp.Listen(t.ctx, t.event); err != nil {
		return err
	}
	if _, err := chromedp.Call(limited, runtime.AddBinding, runtime.AddBindingParams{Name: binding}); err != nil {
		return err
	}
	if trust {
		// The authority of a path is one of many that a profile would have to be
		// told of; whether it checks certificates is not what is asked.
		if _, err := chromedp.Call(limited, security.SetIgnoreCertificateErrors, security.SetIgnoreCertificateErrorsParams{Ignore: true}); err != nil {
			return err
		}
	}
	if _, err := chromedp.Call(limited, fetch.Enable, fetch.EnableParams{Patterns: []*fetch.RequestPattern{{URLPattern: url + "/"}}}); err != nil {
		return err
	}
	if err := chromedp.Do(limited, chromedp.Navigate(url+"/")); err != nil {
		return err
	}
	if _, err := chromedp.Call(limited, fetch.Disable, cdp.Empty{}); err != nil {
		return err
	}
	return chromedp.Do(limited, chromedp.Evaluate[chromedp.Void](script))
}

// until returns the context of the page that ends with another one, too.
func (t *tab) until(ctx context.Context) (context.Context, context.CancelFunc) {
	limited, cancel := context.WithCancelCause(t.ctx)
	stop := context.AfterFunc(ctx, func() { cancel(context.Cause(ctx)) })
	return limited, func() {
		stop()
		cancel(nil)
	}
}

// blank is the page that the browser is given: it asks for nothing more.
const blank = `<!doctype html><title>chat</title><link rel="icon" href="data:,">`

// event takes what the browser tells of the page, in order. It must not wait.
func (t *tab) event(ev any) {
	switch ev := ev.(type) {
	case *fetch.EventRequestPaused:
		go chromedp.Call(t.ctx, fetch.FulfillRequest, fetch.FulfillRequestParams{
			RequestID: ev.RequestID, ResponseCode: 200, Body: []byte(blank),
			ResponseHeaders: []*fetch.HeaderEntry{{Name: "Content-Type", Value: "text/html"}},
		})
	case *log.EventEntryAdded:
		t.mu.Lock()
		defer t.mu.Unlock()
		if strings.Contains(ev.Entry.Text, "WebSocket") {
			t.console = ev.Entry.Text
		}
	case *runtime.EventBindingCalled:
		if ev.Name == binding {
			t.told(ev.Payload)
		}
	}
}

// told takes what the page tells.
func (t *tab) told(text string) {
	var what struct {
		ID    int
		Error string
		Event *scenarios.Event
	}
	if err := json.Unmarshal([]byte(text), &what); err != nil {
		what.Event = &scenarios.Event{Kind: scenarios.EventDown, Reason: fmt.Sprintf("the page says %q: %v", text, err)}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e := what.Event; e != nil {
		if e.Kind == scenarios.EventUp {
			t.console = "" // that was an attempt before
		}
		e.Reason = t.explain(e.Reason)
		t.on(*e)
		return
	}
	answer := t.waiting[what.ID]
	delete(t.waiting, what.ID)
	switch {
	case answer == nil:
	case what.Error != "":
		answer <- errors.New(t.explain(what.Error))
	default:
		answer <- nil
	}
}

// explain adds what the browser says in its console to what a page is told of the
// end of a WebSocket, which is a number that stands for all that can go wrong.
func (t *tab) explain(reason string) string {
	if !t.raw || t.console == "" || !strings.Contains(reason, "close code 1006") {
		return reason
	}
	return reason + ": " + t.console
}

// call has the page run a command of the chat, and returns how that ended.
func (t *tab) call(ctx context.Context, command string, args ...any) error {
	answer := make(chan error, 1)
	t.mu.Lock()
	t.last++
	id := t.last
	t.waiting[id] = answer
	t.mu.Unlock()
	defer func() {
		t.mu.Lock()
		delete(t.waiting, id)
		t.mu.Unlock()
	}()
	list, err := json.Marshal(append([]any{id, command}, args...))
	if err != nil {
		return err
	}
	limited, cancel := t.until(ctx)
	defer cancel()
	if err := chromedp.Do(limited, chromedp.Evaluate[chromedp.Void]("run(..."+string(list)+")")); err != nil {
		return fmt.Errorf("%s: %w", command, err)
	}
	select {
	case err := <-answer:
		return err
	case <-limited.Done():
		return fmt.Errorf("%s: %w", command, context.Cause(limited))
	}
}

// Join implements scenarios.Client.
func (t *tab) Join(ctx context.Context, room string) error { return t.call(ctx, "join", room) }

// Leave implements scenarios.Client.
func (t *tab) Leave(ctx context.Context, room string) error { return t.call(ctx, "leave", room) }

// Send implements scenarios.Client.
func (t *tab) Send(ctx context.Context, m scenarios.Message) error { return t.call(ctx, "send", m) }

// Announce implements scenarios.Client.
func (t *tab) Announce(ctx context.Context, m scenarios.Message) error {
	return t.call(ctx, "announce", m)
}

// closeLimit is how long a page may take to close its connection.
const closeLimit = time.Second

// Close implements scenarios.Client.
func (t *tab) Close() error {
	limited, cancel := context.WithTimeout(t.ctx, closeLimit)
	defer cancel()
	err := t.call(limited, "close")
	t.close()
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // it is closed with its page
	}
	return err
}
