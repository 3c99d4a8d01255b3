package sio

import (
	"context"

	"wsvsio/scenarios"
)

// What the library gives is all in NewServer: a server takes both transports,
// and a client of Socket.IO polls first and upgrades, which is set by its
// transports. See node/client.mjs.
//
// DialFallback implements scenarios.Dial. What it would take in Go is a client
// that polls: go-socket.io has none.
func DialFallback(
	ctx context.Context, rawURL string,
	cfg scenarios.DialConfig, on func(scenarios.Event),
) (scenarios.Client, error) {
	return Dial(ctx, rawURL, cfg, on)
}
