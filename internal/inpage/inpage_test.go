package inpage

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsvsio/internal/browser"
	"wsvsio/internal/netlab"
	"wsvsio/rawws"
	"wsvsio/scenarios"
	"wsvsio/sio"
)

// packages is where npm has put socket.io-client.
const packages = "../../sio/node"

// chromium starts the browser that all tests share; end is what closes it after
// them.
var (
	end      = func() error { return nil }
	chromium = sync.OnceValues(func() (*browser.Browser, error) {
		b, err := browser.Start(context.Background(), browser.Open)
		if err == nil {
			end = b.Close
		}
		return b, err
	})
)

func TestMain(m *testing.M) {
	status := m.Run()
	if err := end(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	if err := goleak.Find(); err != nil && status == 0 {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// address is where the browser listens.
func address(t *testing.T) string {
	t.Helper()
	b, err := chromium()
	if errors.Is(err, browser.ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	addr, err := b.Address()
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// newPages opens pages that are closed after the test.
func newPages(t *testing.T) *Pages {
	t.Helper()
	p := New(t.Context(), address(t), packages)
	t.Cleanup(func() { p.Close() })
	return p
}

// serve serves a chat and returns where.
func serve(t *testing.T, newServer scenarios.NewServer, path string) string {
	t.Helper()
	s, err := newServer(scenarios.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(path, s)
	web := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return web.URL
}

// guest is a client with what it saw.
type guest struct {
	scenarios.Client
	scenarios.EventLog
}

// enter dials.
func enter(t *testing.T, p *Pages, url string, cfg scenarios.DialConfig) (*guest, error) {
	t.Helper()
	g := &guest{}
	c, err := p.Dial(t.Context(), url, cfg, g.Add)
	g.Client = c
	return g, err
}

// await waits for an event of a kind and returns what was said.
func (g *guest) await(t *testing.T, kind scenarios.EventKind) scenarios.Message {
	t.Helper()
	is := func(e scenarios.Event) bool { return e.Kind == kind }
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	events, err := g.Await(ctx, func(events []scenarios.Event) bool { return slices.ContainsFunc(events, is) })
	if err != nil {
		t.Fatalf("no event %s: %v", kind, err)
	}
	return events[slices.IndexFunc(events, is)].Message
}

// TestChat has two pages talk to each other over each of the protocols that a
// server in Go speaks. The one of Socket.IO 4 is tested with the stacks.
func TestChat(t *testing.T) {
	p := newPages(t)
	for protocol, s := range map[scenarios.Protocol]struct {
		server scenarios.NewServer
		path   string
	}{
		scenarios.ProtocolRaw:  {rawws.NewServer, scenarios.PathRaw},
		scenarios.ProtocolEIO3: {sio.NewServer, scenarios.PathSIO},
	} {
		t.Run(string(protocol), func(t *testing.T) {
			if _, err := os.Stat(Bundle(packages, protocol)); bundles[protocol] != "" && err != nil {
				t.Skip(err)
			}
			url := serve(t, s.server, s.path)
			var guests []*guest
			for _, name := range []string{"ann", "bob"} {
				g, err := enter(t, p, url, scenarios.DialConfig{
					Name: name, Greeting: "hello", Protocol: protocol, Transports: []string{scenarios.WebSocket},
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := g.Join(t.Context(), "lobby"); err != nil {
					t.Fatal(err)
				}
				guests = append(guests, g)
			}
			ann, bob := guests[0], guests[1]
			said := scenarios.Message{Room: "lobby", From: "bob", Seq: scenarios.FirstSeq, Body: "héllo </script> \U0001F600"}
			told := scenarios.Message{From: "bob", Seq: scenarios.FirstSeq + 1, Body: "to all"}
			if err := errors.Join(bob.Send(t.Context(), said), bob.Announce(t.Context(), told)); err != nil {
				t.Fatal(err)
			}
			if got, want := ann.await(t, scenarios.EventJoined), (scenarios.Message{Room: "lobby", From: "bob", Body: "hello"}); got != want {
				t.Errorf("joined %+v, want %+v", got, want)
			}
			for _, g := range guests {
				if got := g.await(t, scenarios.EventMessage); got != said {
					t.Errorf("message %+v, want %+v", got, said)
				}
				if got := g.await(t, scenarios.EventAnnounce); got != told {
					t.Errorf("announcement %+v, want %+v", got, told)
				}
				if up := g.Events()[0]; up.Kind != scenarios.EventUp || up.Transport != scenarios.WebSocket {
					t.Errorf("the first event is %+v", up)
				}
			}
			if err := ann.Join(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "room name is empty") {
				t.Errorf("a room without a name: %v", err)
			}
			if err := errors.Join(ann.Leave(t.Context(), "lobby"), ann.Close()); err != nil {
				t.Error(err)
			}
			if last := ann.Events()[len(ann.Events())-1]; last.Kind != scenarios.EventDown || last.Reason == "" {
				t.Errorf("the last event is %+v", last)
			}
			if err := ann.Send(t.Context(), said); err == nil {
				t.Error("a page that is closed sends")
			}
			if err := bob.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestWays has a page dial through proxies: its Origin is where it dials, and its
// console says why it does not get through.
func TestWays(t *testing.T) {
	p := newPages(t)
	target := strings.TrimPrefix(serve(t, rawws.NewServer, scenarios.PathRaw), "http://")
	for name, tt := range map[string]struct {
		spec scenarios.PathSpec
		want string // of the error; "" is none
	}{
		"Host is kept":           {scenarios.PathSpec{Kind: scenarios.PathReverse, KeepHost: true}, ""},
		"Host is not":            {scenarios.PathSpec{Kind: scenarios.PathReverse}, "response code: 403"},
		"stripped":               {scenarios.PathSpec{Kind: scenarios.PathStripUpgrade, KeepHost: true}, "response code: 400"},
		"TLS":                    {scenarios.PathSpec{Kind: scenarios.PathReverse, KeepHost: true, TLS: true}, ""},
		"forward":                {scenarios.PathSpec{Kind: scenarios.PathConnect}, ""},
		"forward, denied":        {scenarios.PathSpec{Kind: scenarios.PathNoConnect}, "Establishing a tunnel via proxy server failed"},
		"forward, TLS behind it": {scenarios.PathSpec{Kind: scenarios.PathConnect, KeepHost: true, TLS: true}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			path, err := netlab.NewProxy(t.Context(), target, tt.spec)
			if err != nil {
				t.Fatal(err)
			}
			defer path.Close()
			g, err := enter(t, p, path.URL(), path.Through(scenarios.DialConfig{Protocol: scenarios.ProtocolRaw}))
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), "close code 1006: ") || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("error %v, want one with %q", err, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if path.Observed().Requests == 0 {
				t.Error("nothing went through the proxy")
			}
			if err := g.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUntrusted does not name the authority of a path: its certificate is refused.
func TestUntrusted(t *testing.T) {
	p := newPages(t)
	target := strings.TrimPrefix(serve(t, rawws.NewServer, scenarios.PathRaw), "http://")
	path, err := netlab.NewProxy(t.Context(), target, scenarios.PathSpec{Kind: scenarios.PathReverse, TLS: true})
	if err != nil {
		t.Fatal(err)
	}
	defer path.Close()
	if _, err := enter(t, p, path.URL(), scenarios.DialConfig{Protocol: scenarios.ProtocolRaw}); err == nil || !strings.Contains(err.Error(), "ERR_CERT_AUTHORITY_INVALID") {
		t.Errorf("error %v", err)
	}
}

// TestCut has the connection end under a page.
func TestCut(t *testing.T) {
	p := newPages(t)
	target := strings.TrimPrefix(serve(t, rawws.NewServer, scenarios.PathRaw), "http://")
	path, err := netlab.NewRelay(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	g, err := enter(t, p, path.URL(), scenarios.DialConfig{Protocol: scenarios.ProtocolRaw})
	if err != nil {
		t.Fatal(err)
	}
	if err := path.Close(); err != nil {
		t.Fatal(err)
	}
	g.await(t, scenarios.EventDown)
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}

// TestCannot asks for what no page can do.
func TestCannot(t *testing.T) {
	p := New(t.Context(), "ws://127.0.0.1:1/devtools/browser/none", t.TempDir())
	defer p.Close()
	for want, cfg := range map[string]scenarios.DialConfig{
		"cannot say that it is of http://other": {Origin: "http://other", Protocol: scenarios.ProtocolRaw},
		"the transports of its browser":         {Lacks: scenarios.WebSocket, Protocol: scenarios.ProtocolRaw},
		"does not come back":                    {Reconnect: &scenarios.Reconnect{}, Protocol: scenarios.ProtocolRaw},
		"no page speaks floor":                  {Protocol: scenarios.ProtocolFloor},
		"no such file":                          {Protocol: scenarios.ProtocolEIO4},
		ErrPage.Error():                         {Protocol: scenarios.ProtocolRaw},
	} {
		_, err := p.Dial(t.Context(), "http://127.0.0.1:1", cfg, func(scenarios.Event) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
		if errors.Is(err, ErrPage) != (want == ErrPage.Error()) {
			t.Errorf("%v: is it %q?", err, ErrPage)
		}
	}
}
