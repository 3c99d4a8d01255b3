package sio

import "wsvsio/scenarios"

// errNoRecovery says that a session cannot go on where its connection was cut.
// What Socket.IO 4 has for it, connection state recovery, came after
// go-socket.io, and to add it by hand would take the same as rawws/resume.go
// and a client of one's own besides. In Node it is one option of the server;
// see node/server.mjs.
var errNoRecovery = scenarios.Unsupported(
	"go-socket.io has no connection state recovery")
