package netlab

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"wsvsio/scenarios"
)

// Balanced is a path to several nodes. It has a relay before each node, to see
// what it gets, and one before the balancer, to count what passes. It implements
// scenarios.Balanced.
type Balanced struct {
	*Relay
	ctx      context.Context
	balancer Balancing
	keeps    bool // homes keep cookies
	nodes    []*Relay

	mu    sync.Mutex
	homes map[int]home
}

// Balancing is what chooses a node: a balancer of this package or a program.
type Balancing interface {
	Addr() string   // where it listens, a host and port
	Config() string // as a reader can copy it, "" if there is none
	Close() error
}

// home is where a client dials that has an address of its own.
type home interface {
	URL() string
	Close() error
}

// NewBalanced puts a balancer, started with the addresses of the nodes, before
// nodes. With cookies a home keeps cookies, as a browser does; the clients in Go
// and in Node keep none unless told to.
func NewBalanced(ctx context.Context, nodes []string, cookies bool, start func(context.Context, []string) (Balancing, error)) (b *Balanced, err error) {
	b = &Balanced{ctx: ctx, keeps: cookies, homes: make(map[int]home)}
	defer func() {
		if err != nil {
			err = errors.Join(err, b.Close())
			b = nil
		}
	}()
	var addrs []string
	for _, target := range nodes {
		r, err := NewRelay(ctx, target)
		if err != nil {
			return b, err
		}
		b.nodes = append(b.nodes, r)
		addrs = append(addrs, r.listener.Addr().String())
	}
	if b.balancer, err = start(ctx, addrs); err != nil {
		return b, err
	}
	b.Relay, err = NewRelay(ctx, b.balancer.Addr())
	return b, err
}

// Config implements scenarios.Path.
func (b *Balanced) Config() string { return b.balancer.Config() }

// Spread implements scenarios.Balanced.
func (b *Balanced) Spread() []scenarios.Traffic {
	var all []scenarios.Traffic
	for _, r := range b.nodes {
		all = append(all, r.Observed())
	}
	return all
}

// maxHomes is how many addresses there are for clients, from 127.0.0.2 on.
const maxHomes = 250

// Home implements scenarios.Balanced.
func (b *Balanced) Home(client int) (string, error) {
	if client < 0 || client >= maxHomes {
		return "", fmt.Errorf("home of client %d: there are %d, from 0", client, maxHomes)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.homes[client]
	if h == nil {
		var err error
		source := net.IPv4(127, 0, 0, byte(2+client))
		if b.keeps {
			h, err = newKeeper(b.ctx, b.balancer.Addr(), source)
		} else {
			h, err = newRelayFrom(b.ctx, b.balancer.Addr(), &net.TCPAddr{IP: source})
		}
		if err != nil {
			return "", err
		}
		b.homes[client] = h
	}
	return h.URL(), nil
}

// Close implements scenarios.Path.
func (b *Balanced) Close() error {
	var err error
	b.mu.Lock()
	for _, h := range b.homes {
		err = errors.Join(err, h.Close())
	}
	b.mu.Unlock()
	if b.Relay != nil {
		err = errors.Join(err, b.Relay.Close())
	}
	if b.balancer != nil {
		err = errors.Join(err, b.balancer.Close())
	}
	for _, r := range b.nodes {
		err = errors.Join(err, r.Close())
	}
	return err
}

// choices are the ways to choose a node, by how the kind of path ends. They
// return its number, or less than 0 for the next in turn.
var choices = map[string]func(b *balancer, r *http.Request) int{
	scenarios.BalanceRobin: func(*balancer, *http.Request) int { return -1 },
	scenarios.BalanceCookie: func(b *balancer, r *http.Request) int {
		c, err := r.Cookie(nodeCookie)
		if err != nil {
			return -1
		}
		return b.named(c.Value, func(name, value string) bool { return name == value })
	},
	scenarios.BalanceSource: func(b *balancer, r *http.Request) int {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		h := fnv.New32a()
		io.WriteString(h, host)
		return int(h.Sum32() % uint32(len(b.nodes)))
	},
	scenarios.BalanceSession: func(b *balancer, r *http.Request) int {
		sid := r.URL.Query().Get("sid")
		return b.named(sid, func(name, value string) bool { return strings.HasPrefix(value, name) })
	},
}

// nodeCookie is the name of the cookie that keeps a client on its node.
const nodeCookie = "node"

// IsBalancer reports whether paths of a kind have a balancer of this package.
func IsBalancer(kind string) bool {
	how, ok := strings.CutPrefix(kind, scenarios.PathBalance)
	return ok && choices[how] != nil
}

// balancer is a reverse proxy before several nodes. It passes on Upgrade and
// Host, and chooses a node for each request.
type balancer struct {
	*handlerServer
	choose func(*balancer, *http.Request) int
	cookie bool
	nodes  []string
	next   atomic.Uint64
}

// NewBalancer starts the balancer of a kind before nodes, each a host and port,
// whose names are those of scenarios.NodeNames.
func NewBalancer(ctx context.Context, kind string, nodes []string) (Balancing, error) {
	how, _ := strings.CutPrefix(kind, scenarios.PathBalance)
	if !IsBalancer(kind) {
		return nil, fmt.Errorf("no balancer of kind %q", kind)
	}
	if len(nodes) == 0 || len(nodes) > len(scenarios.NodeNames) {
		return nil, fmt.Errorf("%s: takes 1 to %d nodes, not %d", kind, len(scenarios.NodeNames), len(nodes))
	}
	b := &balancer{choose: choices[how], cookie: how == scenarios.BalanceCookie, nodes: nodes}
	pass := passing(nil)
	pass.Rewrite = b.rewrite
	pass.ModifyResponse = b.mark
	s, err := serveHandler(ctx, pass)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	b.handlerServer = s
	return b, nil
}

// Config implements Balancing: it is set by its kind.
func (b *balancer) Config() string { return "" }

// named returns the first node whose name fits a value.
func (b *balancer) named(value string, fits func(name, value string) bool) int {
	for i := range b.nodes {
		if fits(scenarios.NodeNames[i], value) {
			return i
		}
	}
	return -1
}

// chosen is the key of a request's node in its context.
type chosen struct{}

// rewrite sends a request to its node.
func (b *balancer) rewrite(r *httputil.ProxyRequest) {
	n := b.choose(b, r.In)
	if n < 0 {
		n = int((b.next.Add(1) - 1) % uint64(len(b.nodes)))
	}
	r.SetURL(&url.URL{Scheme: "http", Host: b.nodes[n]})
	r.Out.Host = r.In.Host
	r.SetXForwarded()
	r.Out = r.Out.WithContext(context.WithValue(r.Out.Context(), chosen{}, n))
}

// mark has the client stay with its node.
func (b *balancer) mark(r *http.Response) error {
	n, ok := r.Request.Context().Value(chosen{}).(int)
	if !ok || !b.cookie {
		return nil
	}
	c := http.Cookie{Name: nodeCookie, Value: scenarios.NodeNames[n], Path: "/", HttpOnly: true}
	r.Header.Add("Set-Cookie", c.String())
	return nil
}

// keeper stands in for the browser of one client: it keeps its cookies, and
// comes from its address.
type keeper struct{ *handlerServer }

// newKeeper starts one before target.
func newKeeper(ctx context.Context, target string, source net.IP) (*keeper, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	to := &url.URL{Scheme: "http", Host: target}
	pass := passing(&net.TCPAddr{IP: source})
	pass.Rewrite = func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
		for _, c := range jar.Cookies(to) {
			r.Out.AddCookie(c)
		}
	}
	pass.ModifyResponse = func(r *http.Response) error {
		jar.SetCookies(to, r.Cookies())
		return nil
	}
	s, err := serveHandler(ctx, pass)
	if err != nil {
		return nil, err
	}
	return &keeper{s}, nil
}

// passing is a reverse proxy that answers 502 without a word where it cannot
// reach its server, which it does from a source if there is one.
func passing(source net.Addr) *httputil.ReverseProxy {
	silent := log.New(io.Discard, "", 0)
	dialer := net.Dialer{LocalAddr: source}
	return &httputil.ReverseProxy{
		ErrorLog:      silent,
		ErrorHandler:  func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
		FlushInterval: -1,
		Transport: &http.Transport{
			DialContext:        dialer.DialContext,
			DisableKeepAlives:  true,
			DisableCompression: true,
		},
	}
}

// handlerServer serves a handler on a loopback port that the system chooses.
type handlerServer struct {
	listener net.Listener
	server   http.Server
	cancel   context.CancelFunc
	running  sync.WaitGroup // serving, and requests

	mu     sync.Mutex
	closed bool
}

// serveHandler starts to. It ends with the context or Close, which ends what
// was upgraded, too.
func serveHandler(ctx context.Context, h http.Handler) (*handlerServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &handlerServer{listener: l}
	ctx, s.cancel = context.WithCancel(ctx)
	s.server = http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !s.enter() {
				panic(http.ErrAbortHandler)
			}
			defer s.running.Done()
			h.ServeHTTP(w, r)
		}),
		ErrorLog:          log.New(io.Discard, "", 0),
		ReadHeaderTimeout: 10 * time.Second,
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	context.AfterFunc(ctx, func() { s.server.Close() })
	s.running.Go(func() { s.server.Serve(l) })
	return s, nil
}

// enter counts a request, unless the server is closed.
func (s *handlerServer) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.running.Add(1)
	return true
}

// URL is where it is asked.
func (s *handlerServer) URL() string { return "http://" + s.Addr() }

// Addr is where it listens, a host and port.
func (s *handlerServer) Addr() string { return s.listener.Addr().String() }

// Close ends all connections and stops listening.
func (s *handlerServer) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	s.server.Close()
	s.running.Wait()
	return nil
}
