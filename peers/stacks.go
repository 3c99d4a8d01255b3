package peers

import (
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// Programs are the chats of this package.
func Programs() worker.Programs {
	return worker.Programs{
		"melody":     {Path: scenarios.PathRaw, NewServer: NewMelody},
		"gws":        {Path: scenarios.PathRaw, NewServer: NewGWS},
		"centrifuge": {Path: scenarios.PathRaw, NewServer: NewCentrifuge},
	}
}

// Stacks are the chats of this package, for package bench. The load generator
// is their client.
func Stacks() []scenarios.Stack {
	stack := func(name, about string) scenarios.Stack {
		return scenarios.Stack{
			Name:     name,
			About:    about,
			Protocol: scenarios.ProtocolRaw,
			Server:   scenarios.Program{Go: name},
			Mode:     scenarios.Mode{Transports: []string{scenarios.WebSocket}},
			Twin:     "rawws",
		}
	}
	return []scenarios.Stack{
		stack("melody", "plain WebSocket, olahol/melody: gorilla/websocket, a channel of messages per client"),
		stack("gws", "plain WebSocket, lxzan/gws: its Broadcaster, a queue of tasks per client"),
		stack("centrifuge", "plain WebSocket, centrifugal/centrifuge: its node and writers, a transport that speaks the chat"),
	}
}

// Modules are the modules whose version belongs to a result.
var Modules = []string{
	"github.com/olahol/melody",
	"github.com/lxzan/gws",
	"github.com/centrifugal/centrifuge",
}
