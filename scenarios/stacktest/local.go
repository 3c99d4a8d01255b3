package stacktest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"wsvsio/scenarios"
)

// Local returns an environment inside this process, so that both ends of a
// chat run under the race detector. Every stack gets the same server and
// clients. It has no load generator, no path but "direct", and cannot pause a
// server or tell apart what the two ends use.
func Local(newServer scenarios.NewServer, dial scenarios.Dial) scenarios.Env {
	return localEnv{newServer, dial}
}

type localEnv struct {
	newServer scenarios.NewServer
	dial      scenarios.Dial
}

// Serve implements scenarios.Env.
func (e localEnv) Serve(
	ctx context.Context, s scenarios.Stack, cfg scenarios.ServerConfig,
) (scenarios.Node, error) {
	n := &localNode{
		life: ctx, newServer: e.newServer, path: s.Path(), cfg: cfg,
	}
	if err := n.start("127.0.0.1:0"); err != nil {
		return nil, err
	}
	context.AfterFunc(ctx, func() { n.Kill() })
	return n, nil
}

// Clients implements scenarios.Env.
func (e localEnv) Clients(
	ctx context.Context, s scenarios.Stack,
) (scenarios.Crew, error) {
	c := &localCrew{dial: e.dial, relays: make(map[string]*relay)}
	context.AfterFunc(ctx, func() { c.Kill() })
	return c, nil
}

// Path implements scenarios.Env.
func (e localEnv) Path(
	ctx context.Context, spec scenarios.PathSpec, nodes ...scenarios.Node,
) (scenarios.Path, error) {
	if spec.Kind != scenarios.PathDirect || len(nodes) != 1 {
		return nil, scenarios.Unsupported(
			"in one process there is only the direct path to one server")
	}
	return directPath{node: nodes[0]}, nil
}

// Load implements scenarios.Env.
func (e localEnv) Load(
	context.Context, scenarios.Stack, scenarios.Node, scenarios.LoadSpec,
) (scenarios.LoadReport, error) {
	return scenarios.LoadReport{}, scenarios.Unsupported(
		"the load generator needs a process of its own")
}

// Now implements scenarios.Env. Nothing here is compared with another process.
func (e localEnv) Now() int64 { return time.Now().UnixNano() }

// directPath is the node's own address.
type directPath struct {
	scenarios.Harmless
	scenarios.Plain
	node scenarios.Node
}

func (p directPath) URL() string                 { return p.node.URL() }
func (p directPath) Observed() scenarios.Traffic { return scenarios.Traffic{} }
func (p directPath) Close() error                { return nil }

// errOneProcess is why an in-process environment cannot tell who used what.
var errOneProcess = scenarios.Unsupported("server and clients share a process")

// localNode is a server in this process.
type localNode struct {
	life      context.Context // the server does not outlive it
	newServer scenarios.NewServer
	path      string
	cfg       scenarios.ServerConfig

	mu   sync.Mutex
	addr string
	run  *localRun // nil while stopped
}

// localRun is what a node has running between start and stop.
type localRun struct {
	chat   scenarios.Server
	http   http.Server
	conns  connSet
	served chan struct{} // closed when the listener is
}

func (n *localNode) start(addr string) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.run != nil {
		return errors.New("the server is running: stop it first")
	}
	if err := n.life.Err(); err != nil {
		return fmt.Errorf("the environment has ended: %w", err)
	}
	chat, err := n.newServer(n.cfg)
	if err != nil {
		return fmt.Errorf("make the server: %w", err)
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return errors.Join(err, chat.Shutdown(n.life))
	}
	mux := http.NewServeMux()
	mux.Handle(n.path, chat)
	r := &localRun{chat: chat, served: make(chan struct{})}
	r.http.Handler = mux
	r.http.ConnState = func(c net.Conn, state http.ConnState) {
		if state == http.StateNew {
			r.conns.add(c)
		}
	}
	go func() {
		defer close(r.served)
		r.http.Serve(l)
	}()
	n.addr, n.run = l.Addr().String(), r
	return nil
}

// take returns what is running and marks it as stopped.
func (n *localNode) take() *localRun {
	n.mu.Lock()
	defer n.mu.Unlock()
	r := n.run
	n.run = nil
	return r
}

// end shuts the chat down, then closes the rest.
func (r *localRun) end(ctx context.Context) error {
	err := r.chat.Shutdown(ctx)
	r.http.Close()
	<-r.served
	return err
}

// URL implements scenarios.Node.
func (n *localNode) URL() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return "http://" + n.addr
}

// CPU implements scenarios.Node.
func (n *localNode) CPU() (time.Duration, error) { return 0, errOneProcess }

// Usage implements scenarios.Node.
func (n *localNode) Usage(context.Context) (scenarios.Usage, error) {
	return scenarios.Usage{}, errOneProcess
}

// Stop implements scenarios.Node.
func (n *localNode) Stop(ctx context.Context) error {
	if r := n.take(); r != nil {
		return r.end(ctx)
	}
	return nil
}

// Kill implements scenarios.Node: the connections are reset before the server
// can say anything on them.
func (n *localNode) Kill() error {
	r := n.take()
	if r == nil {
		return nil
	}
	r.conns.cut()
	ctx, cancel := context.WithTimeout(context.Background(), DefaultPatience)
	defer cancel()
	return r.end(ctx)
}

// Pause implements scenarios.Node.
func (n *localNode) Pause() error { return errOneProcess }

// Resume implements scenarios.Node.
func (n *localNode) Resume() error { return errOneProcess }

// Restart implements scenarios.Node.
func (n *localNode) Restart(context.Context) error {
	return n.start(strings.TrimPrefix(n.URL(), "http://"))
}

// localCrew holds clients in this process. They connect through relays of
// their own, so that Kill can cut them off without a word, as the end of a
// process does.
type localCrew struct {
	dial scenarios.Dial

	mu     sync.Mutex
	ended  bool
	relays map[string]*relay // by the address behind it
	peers  []*localPeer
}

var errCrewEnded = errors.New("the clients' process has ended")

// localPeer is a client with its log.
type localPeer struct {
	scenarios.Client
	*scenarios.EventLog
}

// Dial implements scenarios.Crew.
func (c *localCrew) Dial(
	ctx context.Context, rawURL string, cfg scenarios.DialConfig,
) (scenarios.Peer, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, err
	}
	r, err := c.relay(u.Host)
	if err != nil {
		return nil, err
	}
	via := "http://" + r.listener.Addr().String()
	if cfg.Origin == rawURL {
		cfg.Origin = via // the page comes from where the client dials
	}
	log := new(scenarios.EventLog)
	client, err := c.dial(ctx, via, cfg, log.Add)
	if err != nil {
		return nil, err
	}
	p := &localPeer{client, log}
	if !c.add(p) {
		return nil, errors.Join(errCrewEnded, client.Close())
	}
	return p, nil
}

// add takes up a client, unless the crew has ended.
func (c *localCrew) add(p *localPeer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.peers = append(c.peers, p)
	return true
}

// relay returns the crew's relay to an address.
func (c *localCrew) relay(to string) (*relay, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil, errCrewEnded
	}
	if r := c.relays[to]; r != nil {
		return r, nil
	}
	r, err := newRelay(to)
	if err != nil {
		return nil, err
	}
	c.relays[to] = r
	return r, nil
}

// Usage implements scenarios.Crew.
func (c *localCrew) Usage(context.Context) (scenarios.Usage, error) {
	return scenarios.Usage{}, errOneProcess
}

// Stop implements scenarios.Crew.
func (c *localCrew) Stop(ctx context.Context) error {
	relays, peers := c.end()
	err := closeAll(ctx, peers)
	for _, r := range relays {
		r.cut()
	}
	return err
}

// Kill implements scenarios.Crew. Once they are cut off the clients are
// closed: in one process nothing else ends their goroutines.
func (c *localCrew) Kill() error {
	relays, peers := c.end()
	for _, r := range relays {
		r.cut()
	}
	ctx, cancel := context.WithTimeout(context.Background(), DefaultPatience)
	defer cancel()
	return closeAll(ctx, peers)
}

// end marks the crew as ended and returns what is left to close.
func (c *localCrew) end() (map[string]*relay, []*localPeer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	relays, peers := c.relays, c.peers
	c.relays, c.peers = nil, nil
	return relays, peers
}

// closeAll closes clients side by side, within the context.
func closeAll(ctx context.Context, peers []*localPeer) error {
	closed := make(chan error, len(peers))
	for _, p := range peers {
		go func() { closed <- p.Close() }()
	}
	var errs []error
	for range peers {
		select {
		case err := <-closed:
			errs = append(errs, err)
		case <-ctx.Done():
			return fmt.Errorf("a client does not close: %w",
				context.Cause(ctx))
		}
	}
	return errors.Join(errs...)
}
