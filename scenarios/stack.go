package scenarios

import (
	"errors"
	"fmt"
	"slices"
)

// Protocol says what is spoken on the wire; it picks the codec of the load
// generator.
type Protocol string

// The protocols.
const (
	ProtocolRaw   Protocol = "raw"        // WebSocket text frames, {"type":…,"data":…}
	ProtocolFloor Protocol = "floor"      // frames of the same size, unmasked in effect, read by nobody
	ProtocolEIO3  Protocol = "engine.io3" // Socket.IO of socket.io-client 2 and go-socket.io 1.7
	ProtocolEIO4  Protocol = "engine.io4" // Socket.IO of socket.io 3 and 4
)

// The transports, by the names that Engine.IO gives them.
const (
	WebSocket = "websocket"
	Polling   = "polling"
)

// Program is one end of a stack: a chat of this binary or a Node module. One of
// the two fields is set; neither is for the client of a stack that has none.
type Program struct {
	Go   string `json:"go,omitempty"`   // name under which bench lists it: "rawws"
	Node string `json:"node,omitempty"` // path in the repository: "rawws/node/server.mjs"
}

// String returns what a table shows: "Go rawws" or "Node rawws/node/server.mjs".
func (p Program) String() string {
	if p.Node != "" {
		return "Node " + p.Node
	}
	return "Go " + p.Go
}

// Mode says how the client of a stack is set.
type Mode struct {
	// Transports are the client's transports, in order.
	Transports []string `json:"transports"`
}

// Stack says which programs stand at the two ends and how they are set. It is
// data.
type Stack struct {
	Name     string   `json:"name"`  // the value of /stack=
	About    string   `json:"about"` // one line for compare list
	Protocol Protocol `json:"protocol"`
	Server   Program  `json:"server"`
	Client   Program  `json:"client"`
	Mode     Mode     `json:"mode"`

	// Twin is the stack to which the paired ratios are taken: for Socket.IO
	// the plain WebSocket with the same server runtime, for rawws the floor.
	Twin string `json:"twin,omitempty"`

	// Known maps a case of stacktest to the library's defect that makes it
	// fail. The suite fails once such a case passes.
	Known map[string]string `json:"known,omitempty"`

	// Flaky is a library's defect that makes any case fail now and then, ""
	// if there is none. Each case is then tried several times.
	Flaky string `json:"flaky,omitempty"`
}

// NeedsNode reports whether one end of the stack is a Node program.
func (s Stack) NeedsNode() bool {
	return s.Server.Node != "" || s.Client.Node != ""
}

// Path returns the URL path at which the stack's server is mounted.
func (s Stack) Path() string {
	if s.Protocol == ProtocolRaw || s.Protocol == ProtocolFloor {
		return PathRaw
	}
	return PathSIO
}

// Dial returns the configuration of a client of this stack with that name.
func (s Stack) Dial(name string) DialConfig {
	return DialConfig{
		Name:       name,
		Greeting:   JoinedBody,
		Protocol:   s.Protocol,
		Transports: s.Mode.Transports,
	}
}

// Settled reports whether a client of this stack that saw these events has
// connected and is on the last of its transports: Socket.IO may start on one
// and go over to another.
func (s Stack) Settled(events []Event) bool {
	last := s.Mode.Transports[len(s.Mode.Transports)-1]
	return slices.ContainsFunc(events, func(e Event) bool {
		return (e.Kind == EventUp || e.Kind == EventTransport) &&
			e.Transport == last
	})
}

// ErrUnsupported is wrapped by the error of a scenario for a case that a stack
// cannot do. The case is shown as n/a with the reason, never left out.
var ErrUnsupported = errors.New("not applicable")

// Unsupported returns an error that wraps ErrUnsupported and says why.
func Unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}
