// Package worker puts a chat server, the clients of a chat or the load
// generator into a process of its own behind a control pipe.
//
// The process is this binary again (see Main) or Node with node/worker.mjs.
// Both speak the same control protocol, version 2: one JSON object a line,
// requests on standard input, answers and events on standard output. Standard
// error is free for the program; its tail is quoted when something fails.
//
// A request has an id, a command and its arguments; it is answered once, with
// a result or with an error, in any order:
//
//	→ {"id":1,"cmd":"start","args":{…}}
//	← {"id":1,"result":{…}}
//	← {"id":1,"error":"what went wrong"}
//
// The first request is start. A worker that does not speak the version asked
// for answers with an error that names its own, and one that is given a field that
// it does not know, in any request, with one that names the field: it is of another
// commit, and would do something else than it was asked for. A ServerConfig has
// what differs from Defaults; the worker fills in the others.
//
//	start {"protocol":2,"role":"server","program":"rawws","addr":"127.0.0.1:0","config":ServerConfig}
//	      {"protocol":2,"role":"clients","program":"rawws"}
//	      {"protocol":2,"role":"clients","program":"browser","browser":"ws://127.0.0.1:9222/devtools/browser/…","packages":"/…/sio/node"}
//	      {"protocol":2,"role":"load","program":"engine.io4"}
//	   →  {"protocol":2,"pid":17,"runtime":"go1.26.8","addr":"127.0.0.1:41234"}
//	usage {}  →  Usage of package scenarios
//	stop  {}  →  {}, after a graceful shutdown; the process then exits with 0
//
// In Node, program is the path of the module. A worker with clients also
// takes, each for the client that the number names:
//
//	dial     {"client":0,"url":"http://127.0.0.1:41234","config":DialConfig}  →  {}
//	join     {"client":0,"room":"lobby"}     →  {}, once the server has confirmed it
//	leave    {"client":0,"room":"lobby"}     →  {}, once the server has confirmed it
//	send     {"client":0,"message":Message}  →  {}
//	announce {"client":0,"message":Message}  →  {}
//	close    {"client":0}                    →  {}, after its last event
//
// It tells what they see, an Event of package scenarios stamped with
// CLOCK_MONOTONIC in nanoseconds:
//
//	← {"client":0,"event":{"kind":"up","at":123456789,"transport":"websocket"}}
//
// The first is "attempt", told by the worker itself before it dials.
//
// The load generator, which is always this binary, takes
//
//	connect {"url":"http://127.0.0.1:41234","path":"/ws","spec":LoadSpec}  →  {}, once all have joined
//	warm    {}  →  {}
//	window  {}  →  {}, when everything has arrived or nothing does any more
//	report  {}  →  LoadReport of package scenarios; the connections are closed
//
// Durations are integers in nanoseconds. A worker exits at once when its
// standard input ends, so that it does not outlive the harness.
package worker
