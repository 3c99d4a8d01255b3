package proxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"wsvsio/scenarios"
	"wsvsio/scenarios/class"
)

// The cases with several nodes. A balancer's is named after its kind.
const (
	roomsCase      = "rooms"
	roomsRedisCase = "rooms-redis"
)

// balancers are the kinds of path to two nodes, in the order of the cases.
func balancers() (kinds []string) {
	for _, program := range []string{scenarios.PathBalance, scenarios.PathNginx, scenarios.PathHAProxy} {
		for _, how := range []string{scenarios.BalanceRobin, scenarios.BalanceCookie, scenarios.BalanceSource, scenarios.BalanceSession} {
			kinds = append(kinds, program+how)
		}
	}
	return kinds
}

// Nodes is a case with several nodes, as a list shows it.
type Nodes struct {
	Name  string // of the case, and of the program's configuration if it has one
	About string
}

// AllNodes are all cases with several nodes, in their order.
func AllNodes() (list []Nodes) {
	programs := map[string]string{
		scenarios.PathBalance: "a balancer of this suite",
		scenarios.PathNginx:   "nginx",
		scenarios.PathHAProxy: "HAProxy",
	}
	ways := map[string]string{
		scenarios.BalanceRobin:   "in turn, with nothing that keeps a client on a node",
		scenarios.BalanceCookie:  "by a cookie that it sets",
		scenarios.BalanceSource:  "by a hash of the client's address",
		scenarios.BalanceSession: "by the node's name in front of the session id",
	}
	for _, kind := range balancers() {
		program, how := cutBalancer(kind)
		list = append(list, Nodes{kind, "two nodes behind " + programs[program] + ": " + ways[how]})
	}
	return append(list,
		Nodes{roomsCase, "two nodes with a room in common, joined by a Redis in this process (miniredis)"},
		Nodes{roomsRedisCase, "the same, joined by a redis-server"})
}

// cutBalancer takes the kind of a balancer apart.
func cutBalancer(kind string) (program, how string) {
	i := strings.LastIndexByte(kind, '-')
	return kind[:i], kind[i:]
}

// nodeCases are the cases with several nodes.
func nodeCases(p scenarios.Profile, timers scenarios.Timers) []scenarios.Case {
	messages := 20 // of each client at once
	if p == scenarios.Full {
		messages = 200
	}
	var cases []scenarios.Case
	for _, kind := range balancers() {
		// The two that show what is to be shown; the others agree with the second.
		shown := kind == scenarios.PathBalance+scenarios.BalanceRobin || kind == scenarios.PathBalance+scenarios.BalanceSession
		cases = append(cases, scenarios.Case{
			Name: kind, Clients: 10, Once: true, Outcome: true, Abreast: abreast, Shared: true, Polling: true,
			Timers: timers, Window: 4 * timers.Limit,
			OnRequest: !shown && p != scenarios.Full,
		})
	}
	for _, name := range []string{roomsCase, roomsRedisCase} {
		cases = append(cases, scenarios.Case{
			Name: name, Clients: 10, Samples: messages, Once: true, Outcome: true, Abreast: 1,
			Timers: timers, Window: backLimit + time.Second,
			OnRequest: name == roomsRedisCase && p != scenarios.Full,
		})
	}
	return cases
}

// ofNodes runs a case with several nodes, and reports whether it is one.
func ofNodes(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) (is bool, err error) {
	switch {
	case !isOfNodes(c):
		return false, nil
	case c.Name == roomsCase || c.Name == roomsRedisCase:
		if (s.Client.Node == "") != (s.Server.Node == "") || len(s.Mode.Transports) > 1 || s.Mode.Transports[0] != scenarios.WebSocket {
			return true, scenarios.Unsupported("what joins nodes is their servers: it is asked on websocket only, with clients of the same runtime")
		}
	}
	switch c.Name {
	case roomsCase:
		return true, rooms(ctx, env, s, c, scenarios.BrokerEmbedded, rec)
	case roomsRedisCase:
		return true, rooms(ctx, env, s, c, scenarios.BrokerRedis, rec)
	}
	return true, balance(ctx, env, s, c, rec)
}

// isOfNodes reports whether a case has several nodes.
func isOfNodes(c scenarios.Case) bool {
	if c.Name == roomsCase || c.Name == roomsRedisCase {
		return true
	}
	for _, kind := range balancers() {
		if c.Name == kind {
			return true
		}
	}
	return false
}

// checkNodes says why a case with several nodes cannot be.
func checkNodes(c scenarios.Case) error {
	if c.Clients < 2*len(scenarios.NodeNames) {
		return fmt.Errorf("%s: %d clients are too few for %d nodes", c.Name, c.Clients, len(scenarios.NodeNames))
	}
	return nil
}

// The measure of a client that is balanced.
const (
	// mostTries is how often a client tries: one that has to be lucky has had
	// its chance.
	mostTries = 5

	// steady is how many messages a client says, each of which has to come
	// back, before it counts as stable.
	steady = 3
)

// balance has clients connect through a balancer to two nodes that know nothing
// of each other.
func balance(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) (err error) {
	var nodes []scenarios.Node
	defer func() {
		for _, n := range nodes {
			if stopped := n.Stop(ctx); stopped != nil {
				rec.Doubt("a server did not shut down: " + plain(stopped))
			}
		}
	}()
	for _, name := range scenarios.NodeNames {
		n, err := env.Serve(ctx, s, scenarios.ServerConfig{
			Node: name, PingInterval: c.Timers.PingInterval, PingTimeout: c.Timers.PingTimeout,
		})
		if err != nil {
			return err
		}
		nodes = append(nodes, n)
	}
	p, err := env.Path(ctx, scenarios.PathSpec{Kind: c.Name}, nodes...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	path, ok := p.(scenarios.Balanced)
	if !ok {
		return fmt.Errorf("path %s has one node", c.Name)
	}
	if text := path.Config(); text != "" {
		rec.Label("configuration", text)
	}
	if strings.HasSuffix(c.Name, scenarios.BalanceCookie) {
		rec.Label("cookies", "kept by a stand-in for a browser: in Node, socket.io-client 4 keeps them if withCredentials is set, and 2 does not")
	}
	crew, err := env.Clients(ctx, s)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(crew.Stop(ctx), err) }()

	all := make([]*balancedClient, c.Clients)
	var running sync.WaitGroup
	for i := range all {
		home, err := path.Home(i)
		if err != nil {
			return err
		}
		all[i] = &balancedClient{stack: s, number: i, home: home, crew: crew, path: path, limit: c.Timers.Limit}
		running.Go(func() { all[i].run(ctx) })
	}
	running.Wait()
	first, stable, breaks := 0, 0, 0
	for _, b := range all {
		breaks += len(b.broke)
		if b.stable != nil {
			stable++
		}
		if len(b.broke) == 0 {
			first++
			continue
		}
		rec.Label("error", class.Of(b.broke[0]))
		rec.Label("client sees", plain(b.broke[0]))
	}
	rec.Value("works", float64(first)/float64(len(all)))
	rec.Value("stable-ratio", float64(stable)/float64(len(all)))
	rec.Value("disconnects", float64(breaks)/float64(len(all)))
	if stable == 0 {
		return nil
	}
	before := path.Spread()
	for _, b := range all {
		if b.stable != nil {
			b.stable.say(ctx, c.Timers.Limit)
		}
	}
	var most, sum int64
	for i, now := range path.Spread() {
		up := now.Sub(before[i]).Up
		most, sum = max(most, up), sum+up
	}
	if sum > 0 {
		rec.Value("busiest-ratio", float64(most)/float64(sum))
	}
	return nil
}

// balancedClient is a client that tries until it is stable.
type balancedClient struct {
	stack  scenarios.Stack
	number int
	home   string
	crew   scenarios.Crew
	path   scenarios.Path
	limit  time.Duration

	broke  []error // each try that was not
	stable *try    // nil if none was
}

// run tries.
func (b *balancedClient) run(ctx context.Context) {
	for i := range mostTries {
		t := &try{stack: b.stack, name: fmt.Sprintf("client%d-%d", b.number, i)}
		b.once(ctx, t)
		if works(t) {
			b.stable = t
			return
		}
		b.broke = append(b.broke, t.err)
		if t.peer != nil {
			t.peer.Close()
		}
		if ctx.Err() != nil {
			return
		}
	}
}

// once has a client connect and say something.
func (b *balancedClient) once(ctx context.Context, t *try) {
	limited, cancel := context.WithTimeout(ctx, 2*b.limit)
	defer cancel()
	if t.peer, t.err = b.crew.Dial(limited, b.home, b.path.Through(t.stack.Dial(t.name))); t.err != nil {
		return
	}
	t.settle(ctx, b.limit)
	for range steady {
		if t.say(ctx, b.limit); t.err != nil {
			return
		}
	}
}
