package rawws

import (
	"testing"

	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

// TestStack runs the suite in this process, under the race detector's eyes.
func TestStack(t *testing.T) {
	stacktest.Run(t, stacktest.Local(NewServer, Dial), scenarios.Stack{
		Name:     "rawws",
		Protocol: scenarios.ProtocolRaw,
		Mode:     scenarios.Mode{Transports: []string{scenarios.WebSocket}},
	})
}

// TestStackResume runs it with the client that goes on where it was.
func TestStackResume(t *testing.T) {
	stacktest.Run(t, stacktest.Local(NewServer, DialReconnect), scenarios.Stack{
		Name:     "rawws-resume",
		Protocol: scenarios.ProtocolRaw,
		Mode:     scenarios.Mode{Transports: []string{scenarios.WebSocket}, Reconnect: true, Resume: true},
	})
}

// TestStackFallback runs it with the client that needs no WebSocket, over each
// of the two.
func TestStackFallback(t *testing.T) {
	for _, transport := range []string{scenarios.WebSocket, scenarios.Polling} {
		t.Run(transport, func(t *testing.T) {
			stacktest.Run(t, stacktest.Local(NewFallbackServer, DialFallback), scenarios.Stack{
				Name:     "rawws-fallback",
				Protocol: scenarios.ProtocolRaw,
				Mode:     scenarios.Mode{Transports: []string{transport}},
			})
		})
	}
}
