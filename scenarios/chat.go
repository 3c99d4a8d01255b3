package scenarios

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Paths at which the two protocols are served. "/socket.io/" is the default
// path of every Socket.IO client; "/ws" is the usual one of a plain WebSocket.
const (
	PathRaw = "/ws"
	PathSIO = "/socket.io/"
)

// Message is the object that both sides carry, in this order of fields:
//
//	{"room":"lobby","from":"ann","seq":1000000000,"body":"hello"}
//
// A plain WebSocket sends it as the text frame {"type":"chat","data":{…}},
// Socket.IO emits it as the event "chat".
type Message struct {
	Room string `json:"room"` // "" in an announcement, which goes to every client
	From string `json:"from"` // the sender's name
	Seq  int64  `json:"seq"`  // counts per sender, from FirstSeq
	Body string `json:"body"` // UTF-8 text
}

// FirstSeq is where senders start to count: ten digits, so that every message
// of a run has the same length on the wire.
const FirstSeq = 1_000_000_000

// JoinedBody is what a client that joins commonly has the others in the room
// told. The load generator joins without a word: a thousand joins would be half
// a million messages.
const JoinedBody = "a new user has joined"

// Server is a chat server. It routes each message that arrives to the members
// of its room, the sender included if it is a member.
type Server interface {
	http.Handler

	// Shutdown refuses new clients, disconnects those that are there and
	// returns when their goroutines have ended or the context has.
	Shutdown(context.Context) error
}

// NewServer makes a chat server. Zero fields of the configuration take the
// values of Defaults.
type NewServer func(ServerConfig) (Server, error)

// Client is one connection to a chat server. Its methods may be called from
// several goroutines.
type Client interface {
	// Join enters a room and returns when the server has confirmed it; the
	// others in the room are told the client's greeting.
	Join(ctx context.Context, room string) error

	// Leave leaves a room and returns when the server has confirmed it.
	Leave(ctx context.Context, room string) error

	// Send hands a message for the members of m.Room to the connection. An
	// error means refused; nil means accepted, not delivered.
	Send(ctx context.Context, m Message) error

	// Announce hands a message for every connected client to the connection.
	// The room of the message is not looked at.
	Announce(ctx context.Context, m Message) error

	// Close ends the connection and returns when its goroutines have ended.
	// The client then reports one EventDown, unless it was down before.
	Close() error
}

// Dial connects to a server at rawURL, which has the scheme http or https and
// no path; each protocol adds its own. Events are passed to on one at a time,
// in the order in which the client saw them; on must not block.
type Dial func(ctx context.Context, rawURL string, cfg DialConfig, on func(Event)) (Client, error)

// ServerConfig is the part of a server's set-up that is the same for every
// stack. Zero fields take the values of Defaults.
type ServerConfig struct {
	// Node is put in front of every session id, so that two nodes never mix
	// up their users.
	Node string `json:"node,omitempty"`

	// Origins are the values of the Origin header that are let in beside the
	// server's own host. Requests without the header, which do not come from
	// a browser, always are.
	Origins []string `json:"origins,omitempty"`

	// ReadLimit is the largest message a client may send, in bytes of the
	// WebSocket frame or HTTP body.
	ReadLimit int64 `json:"readLimit,omitempty"`

	// Queue and QueueBytes are how many messages and how many bytes may wait
	// for one slow client before it is disconnected, where the library lets
	// the server say so. One message may be longer.
	Queue      int `json:"queue,omitempty"`
	QueueBytes int `json:"queueBytes,omitempty"`

	// PingInterval is the pause between two heartbeats, PingTimeout how long
	// to wait for the answer.
	PingInterval time.Duration `json:"pingIntervalNs,omitempty"`
	PingTimeout  time.Duration `json:"pingTimeoutNs,omitempty"`

	// WriteTimeout bounds one write to one client, where the library lets
	// the server say so.
	WriteTimeout time.Duration `json:"writeTimeoutNs,omitempty"`
}

// Defaults is the tuning that all stacks share. The heartbeat and the limit
// are those of the Node Socket.IO server (pingInterval 25 s, pingTimeout 20 s,
// maxHttpBufferSize 1 MB); queue and write timeout are what its documentation
// leaves open and raw servers commonly choose.
var Defaults = ServerConfig{
	ReadLimit:    1_000_000,
	Queue:        256,
	QueueBytes:   4_000_000,
	PingInterval: 25 * time.Second,
	PingTimeout:  20 * time.Second,
	WriteTimeout: 10 * time.Second,
}

// WithDefaults returns the configuration with its zero fields filled in.
func (c ServerConfig) WithDefaults() ServerConfig {
	if c.ReadLimit == 0 {
		c.ReadLimit = Defaults.ReadLimit
	}
	if c.Queue == 0 {
		c.Queue = Defaults.Queue
	}
	if c.QueueBytes == 0 {
		c.QueueBytes = Defaults.QueueBytes
	}
	if c.PingInterval == 0 {
		c.PingInterval = Defaults.PingInterval
	}
	if c.PingTimeout == 0 {
		c.PingTimeout = Defaults.PingTimeout
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = Defaults.WriteTimeout
	}
	return c
}

// OriginAllowed reports whether a request may connect: it has no Origin
// header, or one that names the host it was sent to or is in Origins.
func (c ServerConfig) OriginAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" || slices.Contains(c.Origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && strings.EqualFold(u.Host, r.Host)
}

// DialConfig is the part of a client's set-up that is the same for every
// stack.
type DialConfig struct {
	// Name is what the client calls itself when it joins a room.
	Name string `json:"name"`

	// Greeting is what the others in a room are told when the client joins;
	// "" tells them nothing.
	Greeting string `json:"greeting,omitempty"`

	// Origin is the Origin header to send, as a browser would; "" sends none.
	Origin string `json:"origin,omitempty"`

	// Protocol is the protocol to speak, for a client that speaks several.
	Protocol Protocol `json:"protocol,omitempty"`

	// Transports are the transports to use, in order. A client that has no
	// choice ignores it.
	Transports []string `json:"transports,omitempty"`
}

// EventKind says what a client saw.
type EventKind string

// The kinds of event. Each comment names the fields that are set.
const (
	EventUp        EventKind = "up"        // connected: Transport
	EventDown      EventKind = "down"      // disconnected: Reason, never empty
	EventAttempt   EventKind = "attempt"   // about to connect; told by the worker, or by a client that does so by itself: Reason
	EventJoined    EventKind = "joined"    // somebody entered a room: Message
	EventMessage   EventKind = "message"   // a message for a room: Message
	EventAnnounce  EventKind = "announce"  // a message for everyone: Message
	EventTransport EventKind = "transport" // the transport changed: Transport
)

// Event is what a client saw.
type Event struct {
	Kind      EventKind `json:"kind"`
	At        int64     `json:"at,omitempty"` // CLOCK_MONOTONIC, ns; stamped by the worker as it passes, zero in the chat itself
	Message   Message   `json:"message,omitzero"`
	Transport string    `json:"transport,omitempty"` // "websocket", "polling", … as negotiated
	Reason    string    `json:"reason,omitempty"`
	Recovered bool      `json:"recovered,omitempty"`
}
