package sio

import (
	"testing"

	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

// TestStack runs the suite in this process, under the race detector's eyes.
func TestStack(t *testing.T) {
	stacktest.Run(t, stacktest.Local(NewServer, Dial), scenarios.Stack{
		Name:     "sio",
		Protocol: scenarios.ProtocolEIO3,
		Mode:     scenarios.Mode{Transports: []string{scenarios.WebSocket}},
		Known: map[string]string{
			"oversized-reason": "go-socket.io cannot send the close code that says why",
		},
	})
}

// TestStackReconnect runs it with the client that comes back.
func TestStackReconnect(t *testing.T) {
	stacktest.Run(t, stacktest.Local(NewServer, DialReconnect), scenarios.Stack{
		Name:     "sio-reconnect",
		Protocol: scenarios.ProtocolEIO3,
		Mode:     scenarios.Mode{Transports: []string{scenarios.WebSocket}, Reconnect: true},
		Known: map[string]string{
			"oversized-reason": "go-socket.io cannot send the close code that says why",
		},
	})
}
