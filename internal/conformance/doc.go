// Package conformance looks whether a Socket.IO server keeps to its protocol.
//
// The checks are our own, made from the public documents of the protocols:
// Engine.IO 3 and 4 (github.com/socketio/engine.io-protocol, branches v3 and
// main) and Socket.IO protocol 4 and 5 (github.com/socketio/socket.io-protocol,
// branches v4 and main). Where a document leaves a rule open that the public
// test suites beside it hold, the check says so.
//
// A check is a client of a few lines that talks to a server over real HTTP and
// WebSocket connections and returns an error when a rule is broken. The servers
// are those of the two libraries with nothing around them: NewServer in Go, on
// go-socket.io, and node/server.mjs, on socket.io. They answer the events that
// the checks emit.
//
// What a library is known not to do stands with its target. The tests fail once
// it does, and a relay that breaks one rule at a time proves that each check can
// fail.
package conformance
