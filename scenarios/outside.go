package scenarios

import "context"

// The kinds of path that are programs of other people. They are there where the
// program is installed.
const (
	PathNginx        = "nginx"           // proxy_pass alone
	PathNginxUpgrade = "nginx-upgrade"   // passes Upgrade and Host on
	PathNginxIdle    = "nginx-idle"      // the same, cuts what is idle
	PathNginxBuffer  = "nginx-buffering" // the same, collects responses
	PathHAProxy      = "haproxy"         // begins the names of HAProxy's kinds
	PathHAProxyHTTP  = "haproxy-http"
	PathHAProxyTCP   = "haproxy-tcp"
	PathHAProxyIdle  = "haproxy-idle"  // cuts tunnels that are idle
	PathSquid        = "squid"         // a forward proxy: CONNECT goes to port 443 alone
	PathSquidConnect = "squid-connect" // CONNECT goes anywhere
	PathSquidUpgrade = "squid-upgrade" // the rules of squid, and Upgrade is passed on
)

// The kinds of path to two nodes, whose names are a and b, end with how a
// client's node is chosen; the embedded ones are "balance" with that.
const (
	PathBalance = "balance"

	BalanceRobin   = "-robin"   // in turn, request by request
	BalanceCookie  = "-cookie"  // by a cookie that the balancer sets
	BalanceSource  = "-source"  // by the client's address
	BalanceSession = "-session" // by the node's name in front of the session id
)

// NodeNames are what two balanced nodes are called, in order; see
// ServerConfig.Node.
var NodeNames = []string{"a", "b"}

// Balanced is a Path to several nodes.
type Balanced interface {
	Path

	// Home is where a client dials that is to come from an address of its own,
	// as from another house; clients count from 0. Path.URL is the same for
	// all, and so is the address from which they come.
	Home(client int) (string, error)

	// Spread is what each node has got so far, in their order.
	Spread() []Traffic
}

// Broker passes on messages between the nodes of a chat: a Redis.
type Broker interface {
	Addr() string                  // host:port, for ServerConfig.Redis
	Version() string               // what it is, with its version
	Restart(context.Context) error // ends it and starts it again on the same address
	Stop(context.Context) error    // ends it until Resume; the address is kept
	Resume(context.Context) error
	Close() error
}

// The kinds of Broker.
const (
	BrokerEmbedded = "miniredis" // in this process
	BrokerRedis    = "redis"     // redis-server, where it is installed
)

// Brokers is an Env that has brokers.
type Brokers interface {
	Broker(ctx context.Context, kind string) (Broker, error)
}
