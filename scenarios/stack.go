package scenarios

import (
	"errors"
	"fmt"
	"slices"
	"time"
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

// The transports, by the names that Engine.IO and what came before it give them.
const (
	WebSocket = "websocket"
	Polling   = "polling"

	EventSource  = "eventsource"   // server-sent events
	XHRMultipart = "xhr-multipart" // of Socket.IO 0.6: multipart/x-mixed-replace
)

// Program is one end of a stack: a chat of this binary, a Node module, or a page
// in a browser. One of the three fields is set; none is for the client of a stack
// that has none.
type Program struct {
	Go      string `json:"go,omitempty"`      // name under which bench lists it: "rawws"
	Node    string `json:"node,omitempty"`    // path in the repository: "rawws/node/server.mjs"
	Browser string `json:"browser,omitempty"` // what the browser is called: "Chromium"

	// Packages is the folder whose npm packages a page uses, or a Node program
	// where that is not its own: "rawws/node".
	Packages string `json:"packages,omitempty"`
}

// String returns what a table shows: "Go rawws", "Node rawws/node/server.mjs" or
// "Chromium".
func (p Program) String() string {
	switch {
	case p.Node != "":
		return "Node " + p.Node
	case p.Go != "":
		return "Go " + p.Go
	case p.Browser != "":
		return p.Browser
	}
	return "none"
}

// Mode says how the client of a stack is set.
type Mode struct {
	// Transports are the client's transports, in order.
	Transports []string `json:"transports"`

	// TryAll has it go on to the next one when it cannot open the first.
	TryAll bool `json:"tryAll,omitempty"`

	// GoesBack has it go on over another transport, in the same session, when
	// it loses the WebSocket that it is on.
	GoesBack bool `json:"goesBack,omitempty"`

	Reconnect bool `json:"reconnect,omitempty"` // it comes back by itself
	Resume    bool `json:"resume,omitempty"`    // and goes on where it was; the server keeps what it missed
	Retries   int  `json:"retries,omitempty"`   // how often it sends a message again that is not acknowledged
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

	// Extra marks a stack that is there to tell where a difference comes from.
	// It is measured in the full profile, in others if it is asked for.
	Extra bool `json:"extra,omitempty"`

	// Only names the scenarios that the stack is for; nil is all of them.
	Only []string `json:"only,omitempty"`

	// Known maps a case of stacktest to the library's defect that makes it
	// fail. The suite fails once such a case passes.
	Known map[string]string `json:"known,omitempty"`

	// Defects are those of its libraries that a scenario shows, or that the chat
	// makes up for, by scenario: what is not the protocol's. Each has a test.
	Defects map[string][]string `json:"defects,omitempty"`

	// Refused is why the server lets no client of the stack in, "" if it does:
	// two versions that do not go together. All cases of such a stack are n/a for
	// this reason. The suite fails once a client gets in.
	Refused string `json:"refused,omitempty"`

	// Absent is why there is nothing at the two ends, "" if there is: a
	// technology that has a row all the same. All cases are n/a for this reason.
	Absent string `json:"absent,omitempty"`

	// Flaky is a library's defect that makes any case fail now and then, ""
	// if there is none. Each case is then tried several times.
	Flaky string `json:"flaky,omitempty"`
}

// NeedsNode reports whether one end of the stack is a Node program.
func (s Stack) NeedsNode() bool {
	return s.Server.Node != "" || s.Client.Node != ""
}

// InBrowser reports whether the clients are pages in a browser.
func (s Stack) InBrowser() bool { return s.Client.Browser != "" }

// IsFor reports whether the stack is for the scenario of that name.
func (s Stack) IsFor(scenario string) bool {
	return s.Only == nil || slices.Contains(s.Only, scenario)
}

// IsChat reports whether the stack is a chat. One without a client is not: it
// has no rooms, and passes on to everybody what anybody sends.
func (s Stack) IsChat() bool { return s.Client != Program{} }

// Path returns the URL path at which the stack's server is mounted.
func (s Stack) Path() string {
	if s.Protocol == ProtocolRaw || s.Protocol == ProtocolFloor {
		return PathRaw
	}
	return PathSIO
}

// Dial returns the configuration of a client of this stack with that name.
func (s Stack) Dial(name string) DialConfig {
	cfg := DialConfig{
		Name:       name,
		Greeting:   JoinedBody,
		Protocol:   s.Protocol,
		Transports: s.Mode.Transports,
		TryAll:     s.Mode.TryAll,
	}
	if s.Mode.Reconnect {
		cfg.Reconnect = &Reconnect{Resume: s.Mode.Resume, Retries: s.Mode.Retries}
	}
	return cfg
}

// DefaultRecovery is that of Socket.IO 4 (maxDisconnectionDuration).
const DefaultRecovery = 2 * time.Minute

// Serving returns the configuration of a server of this stack: the one given,
// which keeps sessions for DefaultRecovery if the clients ask for that and it
// says nothing else.
func (s Stack) Serving(cfg ServerConfig) ServerConfig {
	if s.Mode.Resume && cfg.Recovery == 0 {
		cfg.Recovery = DefaultRecovery
	}
	return cfg
}

// Settled reports whether a client of this stack that saw these events has
// connected and is on the transport on which it stays where nothing is in the
// way: a WebSocket if it uses one. Socket.IO may start on another and go over.
func (s Stack) Settled(events []Event) bool {
	stays := s.Mode.Transports[0]
	if slices.Contains(s.Mode.Transports, WebSocket) {
		stays = WebSocket
	}
	return slices.ContainsFunc(events, func(e Event) bool {
		return (e.Kind == EventUp || e.Kind == EventTransport) &&
			e.Transport == stays
	})
}

// ErrUnsupported is wrapped by the error of a scenario for a case that a stack
// cannot do. The case is shown as n/a with the reason, never left out.
var ErrUnsupported = errors.New("not applicable")

// Unsupported returns an error that wraps ErrUnsupported and says why.
func Unsupported(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrUnsupported, fmt.Sprintf(format, args...))
}
