package conformance

import "wsvsio/scenarios"

// Program is the name of NewServer among the programs of a worker.
const Program = "conformance"

// GoSocketIO is go-socket.io 1.7, with what it is known not to do.
var GoSocketIO = Target{
	Name:    "go-socket.io 1.7",
	Version: EIO3,
	Server:  scenarios.Program{Go: Program},
	Flaky:   "go-socket.io tells a client its session id before it knows the id itself: the poll that follows may be refused",
	Known: map[string]string{
		"version-unknown":    "the version of the protocol is not looked at: a client of any other is let in, and hears Engine.IO 3",
		"handshake-method":   "a POST without a session opens one, and is never answered",
		"post-alone":         "what the server has to say holds up the POST that follows until a GET comes for it",
		"payload-down":       "a payload holds one packet: each of those that wait takes a request of its own",
		"text-polling":       "the length of a packet in a payload is counted in bytes, not in characters: text beyond ASCII is refused",
		"damage-websocket":   "a frame that holds no packet is passed over",
		"upgrade-meanwhile":  "a POST that comes while a client upgrades is refused, and what it held is lost",
		"upgraded-polling":   "a GET of a session that was upgraded is never answered",
		"upgraded-websocket": "a second WebSocket of a session is left without an answer",
		"namespace-payload":  "what a client says of itself when it asks for a namespace is thrown away",
		"namespace-unknown":  "who asks for a namespace that does not exist is disconnected without a word",
		"namespace-refused":  "who is refused a namespace is disconnected without a word",
		"ack-empty":          "a handler that returns nothing acknowledges nothing, and the client waits for ever",
	},
}

// SocketIO is socket.io 4.8 on Node.
var SocketIO = Target{
	Name:    "socket.io 4.8",
	Version: EIO4,
	Server:  scenarios.Program{Node: "internal/conformance/node/server.mjs", Packages: "sio/node"},
	Known: map[string]string{
		"close-websocket": "a close packet over a WebSocket is passed over: the client is expected to close the connection itself, and if not the heartbeat ends it",
	},
}

// Targets are the servers that are checked.
func Targets() []Target { return []Target{GoSocketIO, SocketIO} }
