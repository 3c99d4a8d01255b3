package sio

import (
	"errors"

	"wsvsio/scenarios"
)

// What the library gives stands in NewServer: a server takes both transports,
// and one session may go from polling to a WebSocket. It never goes back.
// Which of them a client uses, and in what order, is one option of
// socket.io-client; see node/client.mjs.

// errLacking says that the platform of a client has no WebSocket.
var errLacking = errors.New("this client has no WebSocket")

// errNoPolling says that the client in Go has nothing to fall back on. The part
// of go-socket.io that polls tells the server nothing when it closes: what is
// left of it blocks every broadcast until the ping timeout. The part that
// upgrades fails.
var errNoPolling = scenarios.Unsupported(
	"go-socket.io has no client, and its parts neither end polling nor upgrade")
