package netlab

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"wsvsio/scenarios"
)

// origin is a server as a proxy sees it: it tells what it was asked, and echoes
// whatever comes after an upgrade.
type origin struct {
	*httptest.Server
	requests atomic.Int64
}

func newOrigin(t *testing.T) *origin {
	t.Helper()
	o := &origin{}
	o.Server = httptest.NewServer(o)
	t.Cleanup(o.Close)
	return o
}

func (o *origin) addr() string { return o.Listener.Addr().String() }

func (o *origin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.requests.Add(1)
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.Header.Get("Upgrade") == "websocket":
		conn, buffered, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		io.Copy(conn, buffered)
	case r.URL.Path == "/upgrade":
		http.Error(w, "upgrade required", http.StatusBadRequest)
	case r.URL.Path == "/hang":
		<-r.Context().Done()
	case r.URL.Path == "/half":
		io.WriteString(w, "first,")
		w.(http.Flusher).Flush()
		if r.Header.Get("Wait") != "" {
			<-r.Context().Done()
		}
		io.WriteString(w, "second")
	default:
		fmt.Fprintf(w, "%s host=%s for=%s fhost=%s fproto=%s body=%s", r.Proto, r.Host,
			r.Header.Get("X-Forwarded-For"), r.Header.Get("X-Forwarded-Host"), r.Header.Get("X-Forwarded-Proto"), body)
	}
}

func newProxy(t *testing.T, target string, spec scenarios.PathSpec) *Proxy {
	t.Helper()
	p, err := NewProxy(t.Context(), target, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// browser is a client that is set as the path says.
func browser(t *testing.T, p scenarios.Path) *http.Client {
	t.Helper()
	cfg := p.Through(scenarios.DialConfig{})
	transport := &http.Transport{}
	if cfg.Proxy != "" {
		u, err := url.Parse(cfg.Proxy)
		if err != nil {
			t.Fatal(err)
		}
		transport.Proxy = http.ProxyURL(u)
	}
	if cfg.CA != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(cfg.CA)) {
			t.Fatalf("no certificate in %q", cfg.CA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// get returns the status and the body that a client sees.
func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	r, err := c.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(body)
}

// upgraded is a connection after a request to upgrade.
type upgraded struct {
	net.Conn
	in     *bufio.Reader
	status int
}

// upgrade asks for an upgrade, through CONNECT if there is a forward proxy. The
// status is that of whoever says no first.
func upgrade(t *testing.T, p *Proxy) *upgraded {
	t.Helper()
	u, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	cfg, to := p.Through(scenarios.DialConfig{}), u.Host
	if cfg.Proxy != "" {
		to = strings.TrimPrefix(cfg.Proxy, "http://")
	}
	conn, err := net.Dial("tcp", to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	c := &upgraded{Conn: conn, in: bufio.NewReader(conn)}
	if cfg.Proxy != "" {
		fmt.Fprintf(c, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", u.Host, u.Host)
		if c.answer(t, http.MethodConnect); c.status != http.StatusOK {
			return c
		}
	}
	if cfg.CA != "" {
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM([]byte(cfg.CA))
		c.Conn = tls.Client(conn, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
		c.in = bufio.NewReader(c.Conn)
	}
	fmt.Fprintf(c, "GET /upgrade HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", u.Host)
	if p.manner.ignore {
		return c
	}
	c.answer(t, http.MethodGet)
	return c
}

func (c *upgraded) answer(t *testing.T, method string) {
	t.Helper()
	r, err := http.ReadResponse(c.in, &http.Request{Method: method})
	if err != nil {
		t.Fatal(err)
	}
	if c.status = r.StatusCode; c.status != http.StatusOK {
		io.Copy(io.Discard, r.Body)
	}
}

// echoes reports whether what is sent comes back. To say that it does not, it
// asks for nothing that would come later.
func (c *upgraded) echoes(t *testing.T, text string) bool {
	t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		return false
	}
	back := make([]byte, len(text))
	_, err := io.ReadFull(c.in, back)
	return err == nil && string(back) == text
}

// TestProxyUpgrade shows each proxy as a client sees it that asks for an
// upgrade, and then for an ordinary page.
func TestProxyUpgrade(t *testing.T) {
	for _, tt := range []struct {
		spec   scenarios.PathSpec
		status int
		page   int
	}{
		{scenarios.PathSpec{Kind: scenarios.PathReverse}, 101, 200},
		{scenarios.PathSpec{Kind: scenarios.PathReverse, TLS: true}, 101, 200},
		{scenarios.PathSpec{Kind: scenarios.PathReverse, Idle: time.Minute}, 101, 200},
		{scenarios.PathSpec{Kind: scenarios.PathBuffer}, 101, 200},
		{scenarios.PathSpec{Kind: scenarios.PathHTTP10}, 101, 200},
		{scenarios.PathSpec{Kind: scenarios.PathStripUpgrade}, 400, 200},
		{scenarios.PathSpec{Kind: scenarios.PathForbidUpgrade}, 403, 200},
		{scenarios.PathSpec{Kind: scenarios.PathRefuseUpgrade}, 400, 200},
		{scenarios.PathSpec{Kind: scenarios.PathConnect}, 101, 200},
		{scenarios.PathSpec{Kind: scenarios.PathConnect, TLS: true}, 101, 200},
		{scenarios.PathSpec{Kind: scenarios.PathConnect, Idle: time.Minute}, 101, 200},
		{scenarios.PathSpec{Kind: scenarios.PathNoConnect}, 403, 200},
		{scenarios.PathSpec{Kind: scenarios.PathForbidLater}, 101, 200},
	} {
		t.Run(fmt.Sprintf("%s tls=%t idle=%v", tt.spec.Kind, tt.spec.TLS, tt.spec.Idle), func(t *testing.T) {
			o := newOrigin(t)
			p := newProxy(t, o.addr(), tt.spec)
			c := upgrade(t, p)
			if c.status != tt.status {
				t.Errorf("status %d, want %d", c.status, tt.status)
			}
			if c.status == 101 && !(c.echoes(t, "hello") && c.echoes(t, strings.Repeat("x", 1<<20))) {
				t.Error("nothing passes after the upgrade")
			}
			if got, _ := get(t, browser(t, p), p.URL()+"/"); got != tt.page {
				t.Errorf("a page: %d, want %d", got, tt.page)
			}
		})
	}
}

// TestProxyHarm shows what becomes of an upgrade that the server has agreed to.
func TestProxyHarm(t *testing.T) {
	o := newOrigin(t)
	t.Run("ends after the 101", func(t *testing.T) {
		c := upgrade(t, newProxy(t, o.addr(), scenarios.PathSpec{Kind: scenarios.PathCutUpgrade}))
		if _, err := c.in.ReadByte(); c.status != 101 || err == nil {
			t.Errorf("status %d, then %v", c.status, err)
		}
	})
	for kind, up := range map[string]bool{
		scenarios.PathSwallow: false, scenarios.PathSwallowUp: false, scenarios.PathSwallowDown: true,
	} {
		t.Run(kind, func(t *testing.T) {
			arrived := make(chan string, 1)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				in := bufio.NewReader(conn)
				if _, err := http.ReadRequest(in); err != nil {
					return
				}
				io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\ndown")
				all, _ := io.ReadAll(in)
				arrived <- string(all)
			}()
			p := newProxy(t, l.Addr().String(), scenarios.PathSpec{Kind: kind})
			c := upgrade(t, p)
			if c.status != 101 {
				t.Fatalf("status %d", c.status)
			}
			if kind == scenarios.PathSwallowUp {
				got := make([]byte, 4)
				if _, err := io.ReadFull(c.in, got); err != nil || string(got) != "down" {
					t.Errorf("read %q, %v", got, err)
				}
			}
			io.WriteString(c, "up")
			c.Conn.(*net.TCPConn).CloseWrite()
			rest, _ := io.ReadAll(c.in)
			if len(rest) > 0 {
				t.Errorf("the client got %q", rest)
			}
			if got := <-arrived; (got == "up") != up || got != "" && !up {
				t.Errorf("the server got %q", got)
			}
		})
	}
	t.Run("no answer", func(t *testing.T) {
		p := newProxy(t, o.addr(), scenarios.PathSpec{Kind: scenarios.PathIgnoreUpgrade})
		c := upgrade(t, p)
		if got, _ := get(t, browser(t, p), p.URL()+"/"); got != 200 {
			t.Errorf("a page: %d", got)
		}
		before := o.requests.Load()
		p.Close()
		if _, err := c.in.ReadByte(); err == nil || o.requests.Load() != before {
			t.Errorf("an answer came: %v", err)
		}
	})
	t.Run("forbidden later", func(t *testing.T) {
		p := newProxy(t, o.addr(), scenarios.PathSpec{Kind: scenarios.PathForbidLater})
		c := upgrade(t, p)
		if !c.echoes(t, "hello") {
			t.Fatal("nothing passes at first")
		}
		get(t, browser(t, p), p.URL()+"/")
		for _, f := range []scenarios.Fault{{Kind: scenarios.FaultReset}, {Kind: scenarios.FaultForbid, For: 1}} {
			if _, err := p.Fault(f); err == nil {
				t.Errorf("%+v was done", f)
			}
		}
		h, err := p.Fault(scenarios.Fault{Kind: scenarios.FaultForbid})
		if err != nil || !slices.Equal(h.Conns, []int{1}) || h.At == 0 {
			t.Errorf("harm %+v, %v", h, err)
		}
		if _, err := c.in.ReadByte(); err == nil {
			t.Error("what was upgraded lives on")
		}
		if again := upgrade(t, p); again.status != 403 {
			t.Errorf("another upgrade: %d", again.status)
		}
		if got, _ := get(t, browser(t, p), p.URL()+"/"); got != 200 {
			t.Errorf("a page: %d", got)
		}
		if r := p.Record(); len(r.Accepted) != 4 || len(r.Harm) != 1 {
			t.Errorf("record %+v", r)
		}
	})
}

// TestProxyHeaders shows what a server is told of the client.
func TestProxyHeaders(t *testing.T) {
	o := newOrigin(t)
	for _, tt := range []struct {
		spec scenarios.PathSpec
		want string
	}{
		{scenarios.PathSpec{Kind: scenarios.PathReverse}, "HTTP/1.1 host=$server for=9.9.9.9 fhost= fproto= body=hi"},
		{scenarios.PathSpec{Kind: scenarios.PathReverse, KeepHost: true}, "HTTP/1.1 host=$proxy for=9.9.9.9 fhost= fproto= body=hi"},
		{scenarios.PathSpec{Kind: scenarios.PathReverse, Forwarded: true}, "HTTP/1.1 host=$server for=9.9.9.9, 127.0.0.1 fhost=$proxy fproto=http body=hi"},
		{scenarios.PathSpec{Kind: scenarios.PathReverse, Forwarded: true, TLS: true}, "HTTP/1.1 host=$server for=9.9.9.9, 127.0.0.1 fhost=$proxy fproto=https body=hi"},
		{scenarios.PathSpec{Kind: scenarios.PathHTTP10, KeepHost: true}, "HTTP/1.0 host=$proxy for=9.9.9.9 fhost= fproto= body=hi"},
		{scenarios.PathSpec{Kind: scenarios.PathBuffer}, "HTTP/1.1 host=$server for=9.9.9.9 fhost= fproto= body=hi"},
		{scenarios.PathSpec{Kind: scenarios.PathNoConnect}, "HTTP/1.1 host=$server for=9.9.9.9 fhost= fproto= body=hi"},
	} {
		p := newProxy(t, o.addr(), tt.spec)
		r, err := http.NewRequest(http.MethodPost, p.URL()+"/", strings.NewReader("hi"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Forwarded-For", "9.9.9.9")
		answer, err := browser(t, p).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		want := strings.NewReplacer("$proxy", p.listener.Addr().String(), "$server", o.addr()).Replace(tt.want)
		if string(got) != want {
			t.Errorf("%+v:\n got %s\nwant %s", tt.spec, got, want)
		}
	}
}

// TestProxyBuffer holds an answer until it is complete; without it the first
// part comes at once.
func TestProxyBuffer(t *testing.T) {
	o := newOrigin(t)
	plain, whole := newProxy(t, o.addr(), scenarios.PathSpec{Kind: scenarios.PathReverse}), newProxy(t, o.addr(), scenarios.PathSpec{Kind: scenarios.PathBuffer})
	ask := func(ctx context.Context, p *Proxy) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.URL()+"/half", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Wait", "yes")
		return browser(t, p).Do(r)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	answer, err := ask(ctx, plain)
	if err != nil {
		t.Fatal(err)
	}
	first := make([]byte, 6)
	if _, err := io.ReadFull(answer.Body, first); err != nil || string(first) != "first," {
		t.Errorf("the first part: %q, %v", first, err)
	}
	answer.Body.Close()
	limited, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if answer, err := ask(limited, whole); err == nil {
		answer.Body.Close()
		t.Error("part of an answer came")
	}
	if got, body := get(t, browser(t, whole), whole.URL()+"/half"); got != 200 || body != "first,second" {
		t.Errorf("all of it: %d %q", got, body)
	}
}

// TestProxyIdle cuts what is idle, and leaves what is not.
func TestProxyIdle(t *testing.T) {
	o := newOrigin(t)
	const limit = 3 * time.Second // a busy machine may stop for a while
	for _, kind := range []string{scenarios.PathReverse, scenarios.PathConnect, scenarios.PathHTTP10} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			p := newProxy(t, o.addr(), scenarios.PathSpec{Kind: kind, Idle: limit})
			busy, quiet := upgrade(t, p), upgrade(t, p)
			// The other's end is the clock: the busy one talks all the while.
			ended := make(chan error, 1)
			go func() {
				_, err := quiet.in.ReadByte()
				ended <- err
			}()
			tick := time.NewTicker(limit / 20)
			defer tick.Stop()
			for done := false; !done; {
				if !busy.echoes(t, "beat") {
					t.Fatal("a connection that is not idle ended")
				}
				select {
				case err := <-ended:
					if done = true; err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("the idle one: %v", err)
					}
				case <-tick.C:
				}
			}
			if kind == scenarios.PathConnect {
				return
			}
			if got, _ := get(t, browser(t, p), p.URL()+"/hang"); got != http.StatusGatewayTimeout {
				t.Errorf("a request without an answer: %d", got)
			}
		})
	}
}

// TestProxyCounts counts what a client has seen and sent.
func TestProxyCounts(t *testing.T) {
	o := newOrigin(t)
	for kind, requests := range map[string]int64{scenarios.PathReverse: 2, scenarios.PathConnect: 3} {
		p := newProxy(t, o.addr(), scenarios.PathSpec{Kind: kind})
		get(t, browser(t, p), p.URL()+"/")
		c := upgrade(t, p)
		before := p.Observed()
		if before.Conns != 2 || before.Requests != requests || o.requests.Load() == 0 {
			t.Errorf("%s: %+v, want %d requests", kind, before, requests)
		}
		const size = 100_000
		if !c.echoes(t, strings.Repeat("x", size)) {
			t.Fatal("no echo")
		}
		if got, want := p.Observed().Sub(before), (scenarios.Traffic{Up: size, Down: size}); got != want {
			t.Errorf("%s: the echo is %+v, want %+v", kind, got, want)
		}
	}
}

// TestForwardProxy reaches its server and nothing else.
func TestForwardProxy(t *testing.T) {
	o, other := newOrigin(t), newOrigin(t)
	p := newProxy(t, o.addr(), scenarios.PathSpec{Kind: scenarios.PathConnect})
	if p.URL() != "http://"+o.addr() {
		t.Errorf("clients dial %s", p.URL())
	}
	if got, _ := get(t, browser(t, p), other.URL+"/"); got != 403 {
		t.Errorf("another server: %d", got)
	}
	if got, _ := get(t, http.DefaultClient, "http://"+p.listener.Addr().String()+"/"); got != 403 {
		t.Errorf("a request that names no server: %d", got)
	}
	http.DefaultClient.CloseIdleConnections()
	conn, err := net.Dial("tcp", p.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n", other.addr(), other.addr())
	r, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: http.MethodConnect})
	if err != nil || r.StatusCode != 403 {
		t.Errorf("CONNECT to another server: %v, %v", r, err)
	}
	if other.requests.Load() != 0 {
		t.Error("another server was reached")
	}
	denied := newProxy(t, o.addr(), scenarios.PathSpec{Kind: scenarios.PathNoConnect, TLS: true})
	if _, err := browser(t, denied).Get(denied.URL() + "/"); err == nil || !strings.Contains(err.Error(), "Forbidden") {
		t.Errorf("https where CONNECT is denied: %v", err)
	}
}

// TestProxyTLS is not trusted by who was not told to.
func TestProxyTLS(t *testing.T) {
	o := newOrigin(t)
	p := newProxy(t, o.addr(), scenarios.PathSpec{Kind: scenarios.PathReverse, TLS: true})
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	_, err := (&http.Client{Transport: transport}).Get(p.URL())
	var unknown x509.UnknownAuthorityError
	if !errors.As(err, &unknown) {
		t.Errorf("without the authority: %v", err)
	}
	if got, body := get(t, browser(t, p), p.URL()); got != 200 || !strings.Contains(body, o.addr()) {
		t.Errorf("with it: %d %s", got, body)
	}
}

// TestProxyEnds leaves nothing behind, whatever was under way.
func TestProxyEnds(t *testing.T) {
	o := newOrigin(t)
	for _, spec := range []scenarios.PathSpec{
		{Kind: scenarios.PathReverse}, {Kind: scenarios.PathHTTP10}, {Kind: scenarios.PathConnect},
		{Kind: scenarios.PathReverse, TLS: true}, {Kind: scenarios.PathConnect, TLS: true}, {Kind: scenarios.PathSwallow},
	} {
		ctx, cancel := context.WithCancel(t.Context())
		p, err := NewProxy(ctx, o.addr(), spec)
		if err != nil {
			t.Fatal(err)
		}
		c := upgrade(t, p)
		client := browser(t, p)
		hanging := make(chan error, 1)
		go func() {
			r, err := client.Get(p.URL() + "/hang")
			if err == nil {
				r.Body.Close()
			}
			hanging <- err
		}()
		cancel()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if _, err := c.in.ReadByte(); err == nil {
			t.Errorf("%s: the connection lives on", spec.Kind)
		}
		<-hanging
		if err := p.Close(); err != nil {
			t.Error("closed twice:", err)
		}
	}
	// A server that is not there.
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	for _, kind := range []string{scenarios.PathReverse, scenarios.PathHTTP10} {
		p := newProxy(t, l.Addr().String(), scenarios.PathSpec{Kind: kind})
		if got, _ := get(t, browser(t, p), p.URL()); got != 502 {
			t.Errorf("%s without a server: %d", kind, got)
		}
	}
	if c := upgrade(t, newProxy(t, l.Addr().String(), scenarios.PathSpec{Kind: scenarios.PathConnect})); c.status != 502 {
		t.Errorf("CONNECT without a server: %d", c.status)
	}
}

func TestProxyErrors(t *testing.T) {
	for want, spec := range map[string]scenarios.PathSpec{
		`no proxy of kind "wat"`:   {Kind: "wat"},
		"reverse: idle for -1s":    {Kind: scenarios.PathReverse, Idle: -time.Second},
		"buffer: has no delay":     {Kind: scenarios.PathBuffer, Delay: 1},
		"connect: has no delay":    {Kind: scenarios.PathConnect, Bandwidth: 1},
		"there are buffer, connec": {},
	} {
		if _, err := NewProxy(t.Context(), "127.0.0.1:1", spec); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", spec, err, want)
		}
	}
	p := newProxy(t, "127.0.0.1:1", scenarios.PathSpec{Kind: scenarios.PathReverse})
	if _, err := p.Fault(scenarios.Fault{Kind: scenarios.FaultForbid}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("fault: %v", err)
	}
}
