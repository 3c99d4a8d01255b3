package daemon

import (
	"slices"
	"strings"
	"time"

	"wsvsio/scenarios"
)

// Kind is a program with a configuration.
type Kind struct {
	Name    string // as in scenarios.PathSpec: "nginx-upgrade"
	About   string // one line for a list
	Program Program
	Nodes   int  // how many there are behind it
	Forward bool // it is a proxy that clients are told of, and knows no nodes

	// Idle is after how long without traffic a kind with a limit for that cuts
	// a connection.
	Idle time.Duration

	config string // a template of values
}

// DefaultIdle is the limit of the kinds that cut what is idle: short enough to
// wait for.
const DefaultIdle = time.Second

// WithIdle returns the kind with another limit; 0 leaves it as it is.
func (k Kind) WithIdle(limit time.Duration) Kind {
	if k.Idle > 0 && limit > 0 {
		k.Idle = limit
	}
	return k
}

// Config is the configuration as a reader would write it, with placeholders for
// addresses.
func (k Kind) Config() string {
	v := values{Addr: "PROXY:80", Nodes: []string{"NODE-A:3000", "NODE-B:3000"}[:k.Nodes], Idle: k.Idle}
	text, err := v.fill(k.config)
	if err != nil {
		panic(err) // a test fills all of them
	}
	return text
}

// KindOf returns the kind of that name.
func KindOf(name string) (Kind, bool) {
	i := slices.IndexFunc(Kinds(), func(k Kind) bool { return k.Name == name })
	if i < 0 {
		return Kind{}, false
	}
	return Kinds()[i], true
}

// upgrade is what nginx needs to let WebSocket through (its documentation,
// "WebSocket proxying"), and the Host that a check of the Origin compares with.
const upgrade = `		proxy_http_version 1.1;
		proxy_set_header Upgrade $http_upgrade;
		proxy_set_header Connection $connection_upgrade;
		proxy_set_header Host $http_host;
		proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
		proxy_set_header X-Forwarded-Proto $scheme;
`

// upgradeMap closes the connection to a node after a request that is no upgrade.
const upgradeMap = `map $http_upgrade $connection_upgrade {
	default upgrade;
	'' close;
}
`

// nginxServer is a server of nginx with these lines in its one location.
func nginxServer(before, location string) string {
	return before + "server {\n\tlisten {{.Addr}};\n\tlocation / {\n" + location + "\t}\n}\n"
}

// pass is where nginx sends what one node is to get.
const pass = "\t\tproxy_pass http://{{index .Nodes 0}};\n"

// haproxyTimeouts are those of its documentation's examples. The limit for
// clients and servers is above the heartbeat of all stacks.
const haproxyTimeouts = `	timeout connect 5s
	timeout client 1m
	timeout server 1m
`

// squidRules are those that squid comes with: CONNECT goes to port 443 alone.
const squidRules = `http_port {{.Addr}}
acl SSL_ports port 443
acl Safe_ports port 80 443 1025-65535
http_access deny !Safe_ports
http_access deny CONNECT !SSL_ports
http_access allow localhost
http_access deny all
`

// Kinds are all that can be started, in the order of the tables.
func Kinds() []Kind {
	return slices.Concat(proxies(), balancers(), []Kind{{
		Name:    scenarios.BrokerRedis,
		About:   "a Redis that keeps nothing",
		Program: redis,
		config:  "bind 127.0.0.1\nport {{.Port}}\n",
	}})
}

// proxies are the kinds in front of one node.
func proxies() []Kind {
	return []Kind{
		{
			Name:    scenarios.PathNginx,
			About:   "nginx with proxy_pass alone, which speaks HTTP/1.0 to the node",
			Program: nginx, Nodes: 1,
			config: nginxServer("", pass),
		},
		{
			Name:    scenarios.PathNginxUpgrade,
			About:   "nginx that passes Upgrade on, and the Host",
			Program: nginx, Nodes: 1,
			config: nginxServer(upgradeMap, pass+upgrade),
		},
		{
			Name:    scenarios.PathNginxIdle,
			About:   "the same with a short proxy_read_timeout",
			Program: nginx, Nodes: 1, Idle: DefaultIdle,
			config: nginxServer(upgradeMap, pass+upgrade+"\t\tproxy_read_timeout {{.Limit}};\n"),
		},
		{
			Name:    scenarios.PathNginxBuffer,
			About:   "the same with buffering of responses, in large buffers",
			Program: nginx, Nodes: 1,
			config: nginxServer(upgradeMap, pass+upgrade+"\t\tproxy_buffering on;\n\t\tproxy_buffers 8 64k;\n"),
		},
		{
			Name:    scenarios.PathHAProxyHTTP,
			About:   "HAProxy in mode http",
			Program: haproxy, Nodes: 1,
			config: `defaults
	mode http
` + haproxyTimeouts + `	timeout tunnel 1h

listen chat
	bind {{.Addr}}
	option forwardfor
	server a {{index .Nodes 0}}
`,
		},
		{
			Name:    scenarios.PathHAProxyTCP,
			About:   "HAProxy in mode tcp, which looks at nothing",
			Program: haproxy, Nodes: 1,
			config: `defaults
	mode tcp
` + haproxyTimeouts + `
listen chat
	bind {{.Addr}}
	server a {{index .Nodes 0}}
`,
		},
		{
			Name:    scenarios.PathHAProxyIdle,
			About:   "HAProxy in mode http with a short timeout tunnel",
			Program: haproxy, Nodes: 1, Idle: DefaultIdle,
			config: `defaults
	mode http
` + haproxyTimeouts + `	timeout tunnel {{.Limit}}

listen chat
	bind {{.Addr}}
	option forwardfor
	server a {{index .Nodes 0}}
`,
		},
		{
			Name:    scenarios.PathSquid,
			About:   "squid as a forward proxy, with the rules that it comes with",
			Program: squid, Forward: true,
			config: squidRules,
		},
		{
			Name:    scenarios.PathSquidConnect,
			About:   "the same that lets CONNECT go to any port",
			Program: squid, Forward: true,
			config: strings.Replace(squidRules, "http_access deny CONNECT !SSL_ports\n", "", 1),
		},
		{
			Name:    scenarios.PathSquidUpgrade,
			About:   "squid with its own rules that passes Upgrade on",
			Program: squid, Forward: true,
			config: squidRules + "http_upgrade_request_protocols WebSocket allow all\n",
		},
	}
}

// nginxNodes are the nodes together, by a rule that may be empty, and each by
// itself.
func nginxNodes(rule string, each bool) string {
	s := "upstream nodes {\n" + rule + "\tserver {{index .Nodes 0}};\n\tserver {{index .Nodes 1}};\n}\n"
	if each {
		s += "upstream a { server {{index .Nodes 0}}; }\nupstream b { server {{index .Nodes 1}}; }\n"
	}
	return upgradeMap + s
}

// haproxyNodes is a frontend with further rules and a backend of both nodes.
func haproxyNodes(front, back string) string {
	return `defaults
	mode http
` + haproxyTimeouts + `	timeout tunnel 1h

frontend chat
	bind {{.Addr}}
	option forwardfor
` + front + `	default_backend nodes

backend nodes
` + back
}

// balancers are the kinds in front of two nodes, whose names are a and b.
func balancers() []Kind {
	const (
		passNodes = "\t\tproxy_pass http://nodes;\n"
		passMap   = "\t\tproxy_pass http://$node;\n"
		two       = "\tserver a {{index .Nodes 0}}\n\tserver b {{index .Nodes 1}}\n"
	)
	return []Kind{
		{
			Name:    scenarios.PathNginx + scenarios.BalanceRobin,
			About:   "nginx in turn, with nothing that makes a client stay",
			Program: nginx, Nodes: 2,
			config: nginxServer(nginxNodes("", false), passNodes+upgrade),
		},
		{
			Name:    scenarios.PathNginx + scenarios.BalanceCookie,
			About:   "nginx by a cookie that it sets itself, which takes two maps",
			Program: nginx, Nodes: 2,
			config: nginxServer(nginxNodes("", true)+`map $cookie_node $node {
	default nodes;
	a a;
	b b;
}
map $upstream_addr $cookie {
	{{index .Nodes 0}} "node=a; Path=/; HttpOnly";
	{{index .Nodes 1}} "node=b; Path=/; HttpOnly";
}
`, passMap+upgrade+"\t\tadd_header Set-Cookie $cookie always;\n"),
		},
		{
			Name: scenarios.PathNginx + scenarios.BalanceSource,
			// ip_hash would use three octets of four.
			About:   "nginx by a hash of the client's whole address",
			Program: nginx, Nodes: 2,
			config: nginxServer(nginxNodes("\thash $remote_addr consistent;\n", false), passNodes+upgrade),
		},
		{
			Name:    scenarios.PathNginx + scenarios.BalanceSession,
			About:   "nginx by the node's name in front of the session id",
			Program: nginx, Nodes: 2,
			config: nginxServer(nginxNodes("", true)+`map $arg_sid $node {
	default nodes;
	~^a a;
	~^b b;
}
`, passMap+upgrade),
		},
		{
			Name:    scenarios.PathHAProxy + scenarios.BalanceRobin,
			About:   "HAProxy in turn, with nothing that makes a client stay",
			Program: haproxy, Nodes: 2,
			config: haproxyNodes("", "\tbalance roundrobin\n"+two),
		},
		{
			Name:    scenarios.PathHAProxy + scenarios.BalanceCookie,
			About:   "HAProxy by a cookie that it sets",
			Program: haproxy, Nodes: 2,
			config: haproxyNodes("", `	balance roundrobin
	cookie node insert indirect nocache
	server a {{index .Nodes 0}} cookie a
	server b {{index .Nodes 1}} cookie b
`),
		},
		{
			Name:    scenarios.PathHAProxy + scenarios.BalanceSource,
			About:   "HAProxy by a hash of the client's address",
			Program: haproxy, Nodes: 2,
			config: haproxyNodes("", "\tbalance source\n\thash-type consistent\n"+two),
		},
		{
			Name:    scenarios.PathHAProxy + scenarios.BalanceSession,
			About:   "HAProxy by the node's name in front of the session id",
			Program: haproxy, Nodes: 2,
			config: haproxyNodes(`	use_backend a if { url_param(sid) -m beg a }
	use_backend b if { url_param(sid) -m beg b }
`, "\tbalance roundrobin\n"+two+`
backend a
	server a {{index .Nodes 0}}

backend b
	server b {{index .Nodes 1}}
`),
		},
	}
}
