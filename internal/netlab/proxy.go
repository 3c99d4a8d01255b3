package netlab

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wsvsio/scenarios"
)

// manner is what a kind of proxy does.
type manner struct {
	forward bool // clients are set to use it
	connect bool // and it lets CONNECT through

	status int  // its answer to a request to upgrade; 0 passes that on
	strip  bool // without the headers that ask for the upgrade
	ignore bool // it never answers one
	later  bool // it forbids them once it is told to

	whole bool // an answer waits until it is complete
	old   bool // it speaks HTTP/1.0 to the server

	cut     bool    // the connection ends after the 101
	swallow [2]bool // what does not pass after it, by Direction
}

// manners are all kinds of proxy.
var manners = map[string]manner{
	scenarios.PathReverse:       {},
	scenarios.PathBuffer:        {whole: true},
	scenarios.PathHTTP10:        {old: true},
	scenarios.PathStripUpgrade:  {strip: true},
	scenarios.PathForbidUpgrade: {status: http.StatusForbidden},
	scenarios.PathRefuseUpgrade: {status: http.StatusBadRequest},
	scenarios.PathIgnoreUpgrade: {ignore: true},
	scenarios.PathCutUpgrade:    {cut: true},
	scenarios.PathSwallow:       {swallow: [2]bool{Up: true, Down: true}},
	scenarios.PathSwallowUp:     {swallow: [2]bool{Up: true}},
	scenarios.PathSwallowDown:   {swallow: [2]bool{Down: true}},
	scenarios.PathForbidLater:   {later: true},
	scenarios.PathConnect:       {forward: true, connect: true, strip: true},
	scenarios.PathNoConnect:     {forward: true, strip: true},
}

// IsProxy reports whether paths of a kind are made by NewProxy.
func IsProxy(kind string) bool {
	_, ok := manners[kind]
	return ok
}

// Proxy is an HTTP proxy before one server, and reaches nothing else. It
// implements scenarios.Path, and counts what passes between it and the clients:
// of an encrypted connection the bytes of the stream, and as requests those
// that it understands. A CONNECT is a request, and those in the tunnel are too
// if they are plain.
//
// It does to headers what nginx does that is told nothing else: Host is that
// of the server, X-Forwarded ones are passed on as the client sent them, and
// each request goes to the server on a connection of its own.
type Proxy struct {
	kind   string
	spec   scenarios.PathSpec
	manner manner
	target string // of the server, or of inner
	inner  *Proxy // ends TLS before the server, for a forward proxy
	ca     string
	pass   httputil.ReverseProxy

	listener net.Listener
	server   http.Server
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup // serving, connections, requests

	requests, up, down atomic.Int64

	mu        sync.Mutex
	closed    bool
	accepted  []int64
	conns     map[int]*proxied // by number, from 1
	forbidden bool
	harm      []scenarios.Harm
}

// NewProxy listens on a loopback port that the system chooses and stands before
// target, a host and port. It ends with the context or Close.
func NewProxy(ctx context.Context, target string, spec scenarios.PathSpec) (*Proxy, error) {
	how, ok := manners[spec.Kind]
	switch {
	case !ok:
		return nil, fmt.Errorf("no proxy of kind %q; there are %s", spec.Kind, strings.Join(slices.Sorted(maps.Keys(manners)), ", "))
	case spec.Idle < 0:
		return nil, fmt.Errorf("proxy %s: idle for %v", spec.Kind, spec.Idle)
	case spec.Delay != 0 || spec.Bandwidth != 0:
		return nil, fmt.Errorf("proxy %s: has no delay and no bandwidth, a path of kind %q has", spec.Kind, scenarios.PathFaulty)
	}
	p := &Proxy{kind: spec.Kind, spec: spec, manner: how, target: target, conns: make(map[int]*proxied)}
	if err := p.listen(ctx); err != nil {
		return nil, fmt.Errorf("proxy %s: %w", spec.Kind, err)
	}
	return p, nil
}

// listen makes the proxy and begins to serve.
func (p *Proxy) listen(ctx context.Context) error {
	front := p.spec.TLS && !p.manner.forward
	if p.spec.TLS && p.manner.forward {
		inner, err := NewProxy(ctx, p.target, scenarios.PathSpec{
			Kind: scenarios.PathReverse, TLS: true, KeepHost: p.spec.KeepHost, Forwarded: p.spec.Forwarded,
		})
		if err != nil {
			return err
		}
		p.inner, p.ca = inner, inner.ca
		p.target = inner.listener.Addr().String()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		if p.inner != nil {
			p.inner.Close()
		}
		return err
	}
	p.listener = l
	var serve net.Listener = counting{l, p}
	if front {
		var cert tls.Certificate
		if p.ca, cert, err = newAuthority(); err != nil {
			l.Close()
			return err
		}
		serve = tls.NewListener(serve, &tls.Config{Certificates: []tls.Certificate{cert}})
	}
	silent := log.New(io.Discard, "", 0)
	p.pass = httputil.ReverseProxy{
		Rewrite:        p.rewrite,
		ModifyResponse: p.answered,
		ErrorHandler:   p.failed,
		ErrorLog:       silent,
		FlushInterval:  -1,
		Transport: &http.Transport{
			DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx) },
			DisableKeepAlives:  true,
			DisableCompression: true,
		},
	}
	if p.manner.old {
		p.pass.Transport = roundTrip(p.roundTripOld)
	}
	p.ctx, p.cancel = context.WithCancel(ctx)
	p.server = http.Server{
		Handler:           p,
		ErrorLog:          silent, // what a client does wrong, it is told
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return p.ctx },
		ConnContext:       withConn,
	}
	context.AfterFunc(p.ctx, p.end)
	p.running.Go(func() { p.server.Serve(serve) })
	return nil
}

// end ends the listening and all connections.
func (p *Proxy) end() {
	p.mu.Lock()
	p.closed = true
	open := slices.Collect(maps.Values(p.conns))
	p.mu.Unlock()
	p.server.Close()
	for _, c := range open {
		c.Close()
	}
}

// Close implements scenarios.Path.
func (p *Proxy) Close() error {
	p.cancel()
	p.end()
	p.running.Wait()
	if p.inner != nil {
		return p.inner.Close()
	}
	return nil
}

// URL implements scenarios.Path. Of a forward proxy it is that of the server.
func (p *Proxy) URL() string {
	scheme := "http://"
	if p.spec.TLS {
		scheme = "https://"
	}
	if p.manner.forward {
		return scheme + p.target
	}
	return scheme + p.listener.Addr().String()
}

// Through implements scenarios.Path.
func (p *Proxy) Through(cfg scenarios.DialConfig) scenarios.DialConfig {
	if p.manner.forward {
		cfg.Proxy = "http://" + p.listener.Addr().String()
	}
	if p.spec.TLS {
		cfg.CA = p.ca
	}
	return cfg
}

// Config implements scenarios.Path: this proxy is set by its kind.
func (p *Proxy) Config() string { return "" }

// Observed implements scenarios.Path.
func (p *Proxy) Observed() scenarios.Traffic {
	p.mu.Lock()
	conns := int64(len(p.accepted))
	p.mu.Unlock()
	return scenarios.Traffic{
		Conns: conns, Requests: p.requests.Load(), Up: p.up.Load(), Down: p.down.Load(),
	}
}

// Fault implements scenarios.Path. The one fault of a proxy is FaultForbid, of
// the kind PathForbidLater.
func (p *Proxy) Fault(f scenarios.Fault) (scenarios.Harm, error) {
	if !p.manner.later {
		return scenarios.Harmless{}.Fault(f)
	}
	if f != (scenarios.Fault{Kind: scenarios.FaultForbid}) {
		return scenarios.Harm{}, fmt.Errorf("proxy %s: the one fault it has is %q, with nothing else set", p.kind, scenarios.FaultForbid)
	}
	p.mu.Lock()
	p.forbidden = true
	harm := scenarios.Harm{Fault: f, At: monotonic(), Conns: []int{}}
	var cut []*proxied
	for _, n := range slices.Sorted(maps.Keys(p.conns)) {
		if p.conns[n].upgraded {
			cut = append(cut, p.conns[n])
			harm.Conns = append(harm.Conns, n)
		}
	}
	p.harm = append(p.harm, harm)
	p.mu.Unlock()
	for _, c := range cut {
		c.Close()
	}
	return harm, nil
}

// Record implements scenarios.Path: connections and harm, and nothing of what
// has passed.
func (p *Proxy) Record() scenarios.PathRecord {
	p.mu.Lock()
	defer p.mu.Unlock()
	return scenarios.PathRecord{Accepted: slices.Clone(p.accepted), Harm: slices.Clone(p.harm)}
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.requests.Add(1)
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		panic(http.ErrAbortHandler)
	}
	p.running.Add(1)
	forbidden := p.forbidden
	p.mu.Unlock()
	defer p.running.Done()

	upgrade := r.Header.Get("Upgrade") != ""
	switch how := p.manner; {
	case r.Method == http.MethodConnect && (!how.connect || r.Host != p.target):
		http.Error(w, "CONNECT to "+r.Host+" is denied", http.StatusForbidden)
	case r.Method == http.MethodConnect:
		p.tunnel(w, r)
	case how.forward && (!r.URL.IsAbs() || r.URL.Host != p.target):
		http.Error(w, r.Host+" is none of the servers behind this proxy", http.StatusForbidden)
	case upgrade && forbidden:
		http.Error(w, "no upgrade any more", http.StatusForbidden)
	case upgrade && how.status != 0:
		http.Error(w, "no upgrade", how.status)
	case upgrade && how.ignore:
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // or the server would answer 200
	default:
		p.pass.ServeHTTP(w, r)
	}
}

// rewrite makes the request to the server of one to the proxy.
func (p *Proxy) rewrite(r *httputil.ProxyRequest) {
	r.SetURL(&url.URL{Scheme: "http", Host: p.target})
	if p.spec.KeepHost || p.manner.forward {
		r.Out.Host = r.In.Host
	}
	for _, name := range []string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"} {
		if told := r.In.Header[name]; told != nil {
			r.Out.Header[name] = told
		}
	}
	if p.spec.Forwarded {
		r.SetXForwarded()
	}
	if p.manner.strip {
		r.Out.Header.Del("Upgrade")
		r.Out.Header.Del("Connection")
	}
}

// maxAnswer is how many bytes may wait to be complete.
const maxAnswer = 64 << 20

// errForbidden says that an upgrade came through as they were forbidden.
var errForbidden = errors.New("upgrades are forbidden by now")

// answered acts on an answer of the server before it is passed on.
func (p *Proxy) answered(r *http.Response) error {
	if r.StatusCode != http.StatusSwitchingProtocols {
		if p.manner.whole {
			return complete(r)
		}
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.forbidden {
		return errForbidden
	}
	if c, ok := r.Request.Context().Value(connKey{}).(*proxied); ok {
		c.upgraded = true
	}
	body, ok := r.Body.(io.ReadWriteCloser)
	if ok && (p.manner.cut || p.manner.swallow != [2]bool{}) {
		r.Body = &harmed{body, p.manner}
	}
	return nil
}

// complete waits for all of an answer.
func complete(r *http.Response) error {
	all, err := io.ReadAll(io.LimitReader(r.Body, maxAnswer+1))
	if err == nil && len(all) > maxAnswer {
		err = fmt.Errorf("answer of more than %d bytes", maxAnswer)
	}
	if err != nil {
		return err
	}
	r.Body.Close()
	r.Body = io.NopCloser(bytes.NewReader(all))
	r.ContentLength = int64(len(all))
	r.TransferEncoding = nil
	r.Header.Set("Content-Length", fmt.Sprint(len(all)))
	return nil
}

// failed answers where the server does not.
func (p *Proxy) failed(w http.ResponseWriter, r *http.Request, err error) {
	var network net.Error
	status := http.StatusBadGateway
	switch {
	case errors.Is(err, errForbidden):
		status = http.StatusForbidden
	case errors.As(err, &network) && network.Timeout():
		status = http.StatusGatewayTimeout
	}
	http.Error(w, http.StatusText(status), status)
}

// dial connects to the server.
func (p *Proxy) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", p.target)
	if err != nil || p.spec.Idle == 0 {
		return conn, err
	}
	return &idle{conn, p.spec.Idle}, nil
}

// tunnel carries a connection to the server until one side has ended it.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	server, err := p.dial(r.Context())
	if err != nil {
		p.failed(w, r, err)
		return
	}
	defer server.Close()
	client, early, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return // it is gone
	}
	defer client.Close()
	if _, err := io.WriteString(client, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	ended := make(chan struct{}, 2)
	var requests requestCounter
	p.running.Go(func() {
		io.Copy(server, counted{early, func(b []byte) { p.requests.Add(requests.feed(b)) }})
		ended <- struct{}{}
	})
	p.running.Go(func() {
		io.Copy(client, server)
		ended <- struct{}{}
	})
	<-ended
}

// counted shows what is read.
type counted struct {
	io.Reader
	see func([]byte)
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.see(b[:n])
	return n, err
}

// roundTrip is an http.RoundTripper.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// roundTripOld makes a request in HTTP/1.0, and passes on what asks for an
// upgrade all the same, as nginx does that was told about the headers but not
// about the version.
func (p *Proxy) roundTripOld(r *http.Request) (*http.Response, error) {
	var head bytes.Buffer
	fmt.Fprintf(&head, "%s %s HTTP/1.0\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), r.Host)
	var body []byte
	if r.Body != nil {
		// HTTP/1.0 has no bodies of unknown length.
		var err error
		if body, err = io.ReadAll(http.MaxBytesReader(nil, r.Body, maxAnswer)); err != nil {
			return nil, err
		}
	}
	header := r.Header.Clone()
	header.Del("Transfer-Encoding")
	if len(body) > 0 || r.Method == http.MethodPost {
		header.Set("Content-Length", fmt.Sprint(len(body)))
	}
	if header.Get("Upgrade") == "" {
		header.Set("Connection", "close")
	}
	header.Write(&head)
	head.WriteString("\r\n")
	head.Write(body)

	conn, err := p.dial(r.Context())
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(r.Context(), func() { conn.Close() })
	if _, err := conn.Write(head.Bytes()); err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	answer, err := readAnswer(conn, r)
	if err != nil {
		stop()
		conn.Close()
		return nil, err
	}
	return answer, nil
}

// readAnswer reads an answer whose body ends with the connection, and closes
// that.
func readAnswer(conn net.Conn, r *http.Request) (*http.Response, error) {
	in := bufio.NewReader(conn)
	answer, err := http.ReadResponse(in, r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode == http.StatusSwitchingProtocols {
		answer.Body = struct {
			io.Reader
			io.WriteCloser
		}{in, conn}
		return answer, nil
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{answer.Body, conn}
	return answer, nil
}

// proxied is a connection of a client. It counts before bytes go on.
type proxied struct {
	net.Conn
	proxy    *Proxy
	number   int
	upgraded bool // under the lock of the proxy
	once     sync.Once
}

// counting is a listener whose connections count.
type counting struct {
	net.Listener
	proxy *Proxy
}

// Accept implements net.Listener.
func (l counting) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	p := l.proxy
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		conn.Close()
		return nil, net.ErrClosed
	}
	p.accepted = append(p.accepted, monotonic())
	c := &proxied{Conn: conn, proxy: p, number: len(p.accepted)}
	p.conns[c.number] = c
	p.running.Add(1)
	return c, nil
}

// Read implements net.Conn.
func (c *proxied) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.proxy.up.Add(int64(n))
	return n, err
}

// Write implements net.Conn.
func (c *proxied) Write(b []byte) (int, error) {
	c.proxy.down.Add(int64(len(b)))
	return c.Conn.Write(b)
}

// CloseWrite passes on the end of one direction.
func (c *proxied) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

// Close implements net.Conn.
func (c *proxied) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.proxy.mu.Lock()
		delete(c.proxy.conns, c.number)
		c.proxy.mu.Unlock()
		c.proxy.running.Done()
	})
	return err
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// withConn puts a connection into the context of its requests.
func withConn(ctx context.Context, conn net.Conn) context.Context {
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, conn)
}

// idle is a connection that ends when nothing has passed for a while, in
// either direction.
type idle struct {
	net.Conn
	limit time.Duration
}

// Read implements net.Conn.
func (c *idle) Read(b []byte) (int, error) {
	c.SetReadDeadline(time.Now().Add(c.limit))
	return c.Conn.Read(b)
}

// Write implements net.Conn.
func (c *idle) Write(b []byte) (int, error) {
	c.SetReadDeadline(time.Now().Add(c.limit))
	return c.Conn.Write(b)
}

// harmed is the server's end of an upgraded connection that does not carry all.
type harmed struct {
	io.ReadWriteCloser
	manner manner
}

// Read implements io.Reader: what the server says.
func (h *harmed) Read(b []byte) (int, error) {
	if h.manner.cut {
		return 0, io.ErrUnexpectedEOF
	}
	for {
		n, err := h.ReadWriteCloser.Read(b)
		if err != nil {
			return 0, err
		}
		if !h.manner.swallow[Down] {
			return n, nil
		}
	}
}

// Write implements io.Writer: what the client says.
func (h *harmed) Write(b []byte) (int, error) {
	if h.manner.swallow[Up] {
		return len(b), nil
	}
	return h.ReadWriteCloser.Write(b)
}
