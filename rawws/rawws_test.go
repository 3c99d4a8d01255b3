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
