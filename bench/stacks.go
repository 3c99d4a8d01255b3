package bench

import (
	"wsvsio/internal/bare"
	"wsvsio/internal/floor"
	"wsvsio/internal/streams"
	"wsvsio/internal/worker"
	"wsvsio/rawws"
	"wsvsio/scenarios"
	"wsvsio/scenarios/broadcast"
	"wsvsio/scenarios/fallback"
	"wsvsio/scenarios/proxy"
	"wsvsio/scenarios/reconnect"
	"wsvsio/sio"
)

// Programs are the chats in this binary.
func Programs() worker.Programs {
	return worker.Programs{
		"floor": {Path: scenarios.PathRaw, NewServer: floor.NewServer},
		"bare":  {Path: scenarios.PathRaw, NewServer: bare.NewServer},
		"rawws": {Path: scenarios.PathRaw, NewServer: rawws.NewServer, Dial: rawws.Dial},
		"sio":   {Path: scenarios.PathSIO, NewServer: sio.NewServer, Dial: sio.Dial},

		"rawws-reconnect": {Path: scenarios.PathRaw, NewServer: rawws.NewServer, Dial: rawws.DialReconnect},
		"sio-reconnect":   {Path: scenarios.PathSIO, NewServer: sio.NewServer, Dial: sio.DialReconnect},

		"rawws-fallback": {Path: scenarios.PathRaw, NewServer: rawws.NewFallbackServer, Dial: rawws.DialFallback},

		"events": {Path: scenarios.PathRaw, NewServer: streams.NewServer, Dial: streams.DialEvents},
		"parts":  {Path: scenarios.PathRaw, NewServer: streams.NewServer, Dial: streams.DialParts},

		browserProgram: {Pages: pages},
	}
}

// Scenarios are all scenarios, in the order in which they are run.
func Scenarios() []scenarios.Scenario {
	return []scenarios.Scenario{
		broadcast.Scenario{},
		reconnect.Scenario{},
		proxy.Scenario{},
		fallback.Scenario{},
	}
}

// The ends of the stacks, and the ways to set the client.
var (
	goRaw            = scenarios.Program{Go: "rawws"}
	goSIO            = scenarios.Program{Go: "sio"}
	goRawBack        = scenarios.Program{Go: "rawws-reconnect"}
	goSIOBack        = scenarios.Program{Go: "sio-reconnect"}
	goRawFallback    = scenarios.Program{Go: "rawws-fallback"}
	nodeRawServer    = scenarios.Program{Node: "rawws/node/server.mjs"}
	nodeRawClient    = scenarios.Program{Node: "rawws/node/client.mjs"}
	nodeRawReconnect = scenarios.Program{Node: "rawws/node/reconnect.mjs"}
	nodeBare         = scenarios.Program{Node: "internal/bare/node/server.mjs", Packages: "rawws/node"}
	nodeRawFallback  = scenarios.Program{Node: "rawws/node/fallback.mjs"}
	nodeSIOServer    = scenarios.Program{Node: "sio/node/server.mjs"}
	nodeSIOClient    = scenarios.Program{Node: "sio/node/client.mjs"}
	nodeSIOReconnect = scenarios.Program{Node: "sio/node/reconnect.mjs"}
	rawPage          = scenarios.Program{Browser: "Chromium"}
	sioPage          = scenarios.Program{Browser: "Chromium", Packages: "sio/node"}

	websocketOnly = scenarios.Mode{Transports: []string{scenarios.WebSocket}}
	pollingOnly   = scenarios.Mode{Transports: []string{scenarios.Polling}}
	defaultOrder  = scenarios.Mode{Transports: []string{scenarios.Polling, scenarios.WebSocket}}

	websocketFirst = scenarios.Mode{Transports: []string{scenarios.WebSocket, scenarios.Polling}}
	eitherWay      = scenarios.Mode{Transports: []string{scenarios.WebSocket, scenarios.Polling}, GoesBack: true}
	tryAll         = scenarios.Mode{Transports: []string{scenarios.WebSocket, scenarios.Polling}, TryAll: true}
	asItComes      = scenarios.Mode{Transports: []string{scenarios.Polling, scenarios.WebSocket}, Reconnect: true}

	comesBack  = scenarios.Mode{Transports: []string{scenarios.WebSocket}, Reconnect: true}
	goesOn     = scenarios.Mode{Transports: []string{scenarios.WebSocket}, Reconnect: true, Resume: true}
	sendsAgain = scenarios.Mode{Transports: []string{scenarios.WebSocket}, Reconnect: true, Resume: true, Retries: 10}

	reconnectOnly = []string{"reconnect"}
	fallbackOnly  = []string{"fallback"}
	proxyOnly     = []string{"proxy"}
)

// The defects of go-socket.io 1.7 that make a case of stacktest fail.
var (
	noReason = map[string]string{
		"oversized-reason": "go-socket.io has no read limit, and where one is added it cannot send the close code that says why",
	}
	pollingDefects = map[string]string{
		"utf8":        "go-socket.io counts bytes where Engine.IO 3 counts characters: text beyond ASCII ends a polling connection",
		"client-gone": "go-socket.io does not notice that a polling client has closed: until the ping timeout it stays in its rooms and blocks every broadcast",
	}
	upgradeDefects = map[string]string{
		"oversized-reason": noReason["oversized-reason"],
		"upgrade":          "go-socket.io refuses the request that is under way while a client upgrades, and the client gives the connection up",
	}
)

// The defects that scenarios show, or that the chat makes up for; the tests are in
// sio/proxy_test.go, sio/cluster_test.go and bench/outside_test.go.
var (
	sessionDefect = "go-socket.io numbers sessions 1, 2, 3 on every node: a node answers to a client of another, and to anybody who counts; sio/proxy.go makes ids that are random and begin with the node's name"
	upgradeDefect = "go-socket.io refuses the request that is under way while a client upgrades: what is said in it is lost, and the client gives the connection up"

	sioDefects = map[string][]string{"proxy": {
		sessionDefect,
		"go-socket.io's Redis adapter shares one connection without a lock: of what is broadcast at the same time only some arrives; sio/cluster.go has a lock",
		"go-socket.io's Redis adapter is dead once Redis has been away, and no error tells",
	}}
	sessionDefects = map[string][]string{"proxy": {sessionDefect}}
	defaultDefects = map[string][]string{"proxy": {sessionDefect, upgradeDefect}}
	nodeDefects    = map[string][]string{"proxy": {
		"@socket.io/redis-adapter looks at no answer of Redis: one that is on its way when Redis goes ends the process; sio/node/cluster.mjs makes up for it",
	}}
)

// Stacks are all stacks, in the order of the tables. A name says the protocol,
// then what is not Go at both ends, then the mode if it is not websocket only.
//
// Websocket only is the mode of the plain rows because the upgrade of
// go-socket.io loses connections; the mode that Socket.IO starts in by default
// has rows of its own.
func Stacks() []scenarios.Stack {
	return []scenarios.Stack{
		{
			Name:     "floor",
			About:    "no chat but the limit beside it: TCP, one write per receiver, in Go",
			Protocol: scenarios.ProtocolFloor,
			Server:   scenarios.Program{Go: "floor"}, Mode: websocketOnly,
		},
		{
			Name:     "bare",
			About:    "no chat but rawws without its JSON: what comes in goes out to all, as it came",
			Protocol: scenarios.ProtocolRaw,
			Server:   scenarios.Program{Go: "bare"}, Mode: websocketOnly,
			Twin: "floor", Extra: true,
		},
		{
			Name:     "rawws",
			About:    "plain WebSocket, gorilla/websocket at both ends",
			Protocol: scenarios.ProtocolRaw,
			Server:   goRaw, Client: goRaw, Mode: websocketOnly,
			Twin: "floor",
		},
		{
			Name:     "sio",
			About:    "Socket.IO, go-socket.io 1.7 at both ends",
			Protocol: scenarios.ProtocolEIO3,
			Server:   goSIO, Client: goSIO, Mode: websocketOnly,
			Twin: "rawws", Known: noReason,
			Defects: sioDefects,
		},
		{
			Name:     "rawws-js",
			About:    "plain WebSocket, gorilla/websocket server, ws client",
			Protocol: scenarios.ProtocolRaw,
			Server:   goRaw, Client: nodeRawClient, Mode: websocketOnly,
		},
		{
			Name:     "sio-js",
			About:    "Socket.IO, go-socket.io 1.7 server, socket.io-client 2.5",
			Protocol: scenarios.ProtocolEIO3,
			Server:   goSIO, Client: nodeSIOClient, Mode: websocketOnly,
			Twin: "rawws-js", Known: noReason,
			Defects: sessionDefects,
		},
		{
			Name:     "sio-js-polling",
			About:    "the same over long polling",
			Protocol: scenarios.ProtocolEIO3,
			Server:   goSIO, Client: nodeSIOClient, Mode: pollingOnly,
			Twin: "rawws-js", Known: pollingDefects,
			Flaky:   "go-socket.io tells a client its session id before it knows the id itself: the poll that follows may be refused",
			Defects: sessionDefects,
		},
		{
			Name:     "sio-js-default",
			About:    "the same in its default order: polling, then upgrade",
			Protocol: scenarios.ProtocolEIO3,
			Server:   goSIO, Client: nodeSIOClient, Mode: defaultOrder,
			Twin: "rawws-js", Known: upgradeDefects,
			Flaky:   "a connection to go-socket.io can break even when its client is idle while it upgrades",
			Defects: defaultDefects,
		},
		{
			Name:     "bare-node",
			About:    "no chat but rawws-node without its JSON: what comes in goes out to all, as it came",
			Protocol: scenarios.ProtocolRaw,
			Server:   nodeBare, Mode: websocketOnly,
			Extra: true,
		},
		{
			Name:     "rawws-node",
			About:    "plain WebSocket, ws at both ends",
			Protocol: scenarios.ProtocolRaw,
			Server:   nodeRawServer, Client: nodeRawClient, Mode: websocketOnly,
		},
		{
			Name:     "sio-node",
			About:    "Socket.IO, socket.io 4.8 at both ends",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: nodeSIOClient, Mode: websocketOnly,
			Twin:    "rawws-node",
			Defects: nodeDefects,
		},
		{
			Name:     "sio-node-polling",
			About:    "the same over long polling",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: nodeSIOClient, Mode: pollingOnly,
			Twin: "rawws-node",
		},
		{
			Name:     "sio-node-default",
			About:    "the same in its default order: polling, then upgrade",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: nodeSIOClient, Mode: defaultOrder,
			Twin: "rawws-node",
		},
		{
			Name:     "rawws-reconnect",
			About:    "plain WebSocket, the client comes back by itself",
			Protocol: scenarios.ProtocolRaw,
			Server:   goRaw, Client: goRawBack, Mode: comesBack,
			Only: reconnectOnly,
		},
		{
			Name:     "rawws-resume",
			About:    "the same, and it goes on where it was cut off",
			Protocol: scenarios.ProtocolRaw,
			Server:   goRaw, Client: goRawBack, Mode: goesOn,
			Twin: "rawws-reconnect", Only: reconnectOnly,
		},
		{
			Name:     "sio-reconnect",
			About:    "Socket.IO, go-socket.io 1.7 at both ends, the client comes back by itself",
			Protocol: scenarios.ProtocolEIO3,
			Server:   goSIO, Client: goSIOBack, Mode: comesBack,
			Twin: "rawws-reconnect", Only: reconnectOnly, Known: noReason,
		},
		{
			Name:     "rawws-js-reconnect",
			About:    "plain WebSocket, gorilla/websocket server, reconnecting-websocket 4.4 on ws",
			Protocol: scenarios.ProtocolRaw,
			Server:   goRaw, Client: nodeRawReconnect, Mode: comesBack,
			Only: reconnectOnly,
		},
		{
			Name:     "sio-js-reconnect",
			About:    "Socket.IO, go-socket.io 1.7 server, socket.io-client 2.5 that reconnects",
			Protocol: scenarios.ProtocolEIO3,
			Server:   goSIO, Client: nodeSIOReconnect, Mode: comesBack,
			Twin: "rawws-js-reconnect", Only: reconnectOnly, Known: noReason,
		},
		{
			Name:     "sio-js4-reconnect",
			About:    "the same with socket.io-client 4.8, which the server does not let in",
			Protocol: scenarios.ProtocolEIO4,
			Server:   goSIO, Client: nodeSIOReconnect, Mode: comesBack,
			Twin: "rawws-js-reconnect", Only: reconnectOnly,
			Refused: "go-socket.io 1.7 speaks Engine.IO 3 alone: socket.io-client 3 and 4 do not get in, and try again for ever",
		},
		{
			Name:     "rawws-node-reconnect",
			About:    "plain WebSocket, ws server, reconnecting-websocket 4.4 on ws",
			Protocol: scenarios.ProtocolRaw,
			Server:   nodeRawServer, Client: nodeRawReconnect, Mode: comesBack,
			Only: reconnectOnly,
		},
		{
			Name:     "sio-node-reconnect",
			About:    "Socket.IO, socket.io 4.8 at both ends, with reconnection",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: nodeSIOReconnect, Mode: comesBack,
			Twin: "rawws-node-reconnect", Only: reconnectOnly,
		},
		{
			Name:     "sio-node2-reconnect",
			About:    "the same with socket.io-client 2.5, which the server lets in by allowEIO3",
			Protocol: scenarios.ProtocolEIO3,
			Server:   nodeSIOServer, Client: nodeSIOReconnect, Mode: comesBack,
			Twin: "rawws-node-reconnect", Only: reconnectOnly,
		},
		{
			Name:     "sio-node-recovery",
			About:    "socket.io 4.8 at both ends, with connection state recovery",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: nodeSIOReconnect, Mode: goesOn,
			Twin: "rawws-node-reconnect", Only: reconnectOnly,
		},
		{
			Name:     "sio-node-retries",
			About:    "the same, and messages without an acknowledgement are sent again",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: nodeSIOReconnect, Mode: sendsAgain,
			Twin: "rawws-node-reconnect", Only: reconnectOnly,
		},
		{
			Name:     "rawws-fallback",
			About:    "plain WebSocket with a fallback to long polling by hand, at both ends",
			Protocol: scenarios.ProtocolRaw,
			Server:   goRawFallback, Client: goRawFallback, Mode: eitherWay,
			Only: fallbackOnly,
		},
		{
			Name:     "rawws-polling",
			About:    "the same over long polling alone",
			Protocol: scenarios.ProtocolRaw,
			Server:   goRawFallback, Client: goRawFallback, Mode: pollingOnly,
			Only: fallbackOnly,
		},
		{
			Name:     "rawws-js-fallback",
			About:    "the same with both transports, and a client of ws",
			Protocol: scenarios.ProtocolRaw,
			Server:   goRawFallback, Client: nodeRawFallback, Mode: eitherWay,
			Only: fallbackOnly,
		},
		{
			Name:     "sio-js-first",
			About:    "go-socket.io 1.7 server, socket.io-client 2.5 that tries a WebSocket first",
			Protocol: scenarios.ProtocolEIO3,
			Server:   goSIO, Client: nodeSIOClient, Mode: websocketFirst,
			Twin: "rawws-js", Only: fallbackOnly, Known: noReason,
		},
		{
			Name:     "sio-js-default-reconnect",
			About:    "go-socket.io 1.7 server, socket.io-client 2.5 as it comes: in its default order, with reconnection",
			Protocol: scenarios.ProtocolEIO3,
			Server:   goSIO, Client: nodeSIOReconnect, Mode: asItComes,
			Twin: "rawws-js", Only: fallbackOnly, Known: upgradeDefects,
			Flaky: "a connection to go-socket.io can break even when its client is idle while it upgrades",
		},
		{
			Name:     "sio-node2-default",
			About:    "socket.io 4.8 server, socket.io-client 2.5 in its default order",
			Protocol: scenarios.ProtocolEIO3,
			Server:   nodeSIOServer, Client: nodeSIOClient, Mode: defaultOrder,
			Twin: "rawws-node", Only: fallbackOnly,
		},
		{
			Name:     "sio-node-default-reconnect",
			About:    "socket.io 4.8 at both ends as it comes: in its default order, with reconnection",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: nodeSIOReconnect, Mode: asItComes,
			Twin: "rawws-node", Only: fallbackOnly,
		},
		{
			Name:     "sio-node-first",
			About:    "socket.io 4.8 at both ends, a WebSocket tried first",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: nodeSIOClient, Mode: websocketFirst,
			Twin: "rawws-node", Only: fallbackOnly,
		},
		{
			Name:     "sio-node-all",
			About:    "the same with tryAllTransports",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: nodeSIOClient, Mode: tryAll,
			Twin: "rawws-node", Only: fallbackOnly,
		},
		{
			Name:     "events",
			About:    "no WebSocket: server-sent events, and a request for each message of the client; on net/http",
			Protocol: scenarios.ProtocolRaw,
			Server:   scenarios.Program{Go: "events"}, Client: scenarios.Program{Go: "events"},
			Mode: scenarios.Mode{Transports: []string{scenarios.EventSource}},
			Only: fallbackOnly,
		},
		{
			Name:     "multipart",
			About:    "the same with AJAX multipart streaming (multipart/x-mixed-replace)",
			Protocol: scenarios.ProtocolRaw,
			Server:   scenarios.Program{Go: "parts"}, Client: scenarios.Program{Go: "parts"},
			Mode: scenarios.Mode{Transports: []string{scenarios.XHRMultipart}},
			Only: fallbackOnly,
		},
		{
			Name:     "rawws-browser",
			About:    "plain WebSocket, gorilla/websocket server, the WebSocket of a page in Chromium",
			Protocol: scenarios.ProtocolRaw,
			Server:   goRaw, Client: rawPage, Mode: websocketOnly,
			Only: proxyOnly,
		},
		{
			Name:     "sio-browser",
			About:    "Socket.IO, go-socket.io 1.7 server, socket.io-client 2.5 in its default order in Chromium",
			Protocol: scenarios.ProtocolEIO3,
			Server:   goSIO, Client: sioPage, Mode: defaultOrder,
			Twin: "rawws-browser", Only: proxyOnly,
			Flaky:   "a connection to go-socket.io can break even when its client is idle while it upgrades",
			Defects: defaultDefects,
		},
		{
			Name:     "rawws-node-browser",
			About:    "plain WebSocket, ws server, the WebSocket of a page in Chromium",
			Protocol: scenarios.ProtocolRaw,
			Server:   nodeRawServer, Client: rawPage, Mode: websocketOnly,
			Only: proxyOnly,
		},
		{
			Name:     "sio-node-browser",
			About:    "Socket.IO, socket.io 4.8 server, socket.io-client 4.8 in its default order in Chromium",
			Protocol: scenarios.ProtocolEIO4,
			Server:   nodeSIOServer, Client: sioPage, Mode: defaultOrder,
			Twin: "rawws-node-browser", Only: proxyOnly,
		},
		{
			Name:     "flash",
			About:    "Flash Socket: a policy file asked for over TCP, then a plain TCP socket; see internal/streams",
			Protocol: scenarios.ProtocolRaw,
			Mode:     scenarios.Mode{Transports: []string{"flashsocket"}},
			Only:     fallbackOnly,
			Absent:   "no browser runs Flash any more, since 12 January 2021. On the wire it was a request for the policy file, <policy-file-request/> and a zero byte, the file in answer, and on another connection a plain TCP socket",
		},
		{
			Name:     "webtransport",
			About:    "WebTransport: streams and datagrams over HTTP/3",
			Protocol: scenarios.ProtocolRaw,
			Mode:     scenarios.Mode{Transports: []string{"webtransport"}},
			Only:     fallbackOnly,
			Absent:   "it needs HTTP/3, which neither net/http nor Node has: a QUIC stack on each side, and none of the two libraries in Go speaks it. Socket.IO 4.7 takes it where the application brings the server",
		},
	}
}
