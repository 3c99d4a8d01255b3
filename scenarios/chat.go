package scenarios

import (
	"cmp"
	"context"
	"math"
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

	// Redis is the address, host:port, of the Redis that joins this node with
	// the others: who is in a room on one hears what is said on another. ""
	// is a node by itself. It does not go together with Recovery.
	Redis string `json:"redis,omitempty"`

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

	// Recovery is how long the server keeps the state of a client that is
	// gone without a goodbye, and what the others say meanwhile, so that it
	// can go on where it was; 0 keeps nothing.
	Recovery time.Duration `json:"recoveryNs,omitempty"`

	// Protocol is the protocol of the clients, for a server that speaks an
	// older one only when told to.
	Protocol Protocol `json:"protocol,omitempty"`

	// Behind says what there is to know of the proxies before the server.
	Behind Behind `json:"behind,omitzero"`
}

// Behind is what a server has to be told of the proxies that it stands behind.
type Behind struct {
	// Trusted is how many proxies there are, each of which is trusted to tell
	// in X-Forwarded-For and X-Forwarded-Host whom it stands for. With 0 the
	// headers are not looked at: anybody can send them.
	Trusted int `json:"trusted,omitempty"`

	// Idle is the shortest time after which one of them cuts a connection on
	// which nothing passes; 0 is none. The heartbeat has to be quicker.
	Idle time.Duration `json:"idleNs,omitempty"`
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

// WithoutDefaults returns the configuration with the fields zero that WithDefaults
// would fill in alike: what is left is what was asked for.
func (c ServerConfig) WithoutDefaults() ServerConfig {
	if c.ReadLimit == Defaults.ReadLimit {
		c.ReadLimit = 0
	}
	if c.Queue == Defaults.Queue {
		c.Queue = 0
	}
	if c.QueueBytes == Defaults.QueueBytes {
		c.QueueBytes = 0
	}
	if c.PingInterval == Defaults.PingInterval {
		c.PingInterval = 0
	}
	if c.PingTimeout == Defaults.PingTimeout {
		c.PingTimeout = 0
	}
	if c.WriteTimeout == Defaults.WriteTimeout {
		c.WriteTimeout = 0
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

	// Proxy is the forward proxy to go through, http://host:port; "" is none.
	// As in a browser, a WebSocket and what is encrypted go through CONNECT,
	// and plain HTTP as a request to the proxy (RFC 6455, section 4.1).
	Proxy string `json:"proxy,omitempty"`

	// CA is the certificate of the authority to trust instead of those of the
	// system, in PEM; "" trusts these.
	CA string `json:"ca,omitempty"`

	// Protocol is the protocol to speak, for a client that speaks several.
	Protocol Protocol `json:"protocol,omitempty"`

	// Transports are the transports to use, in order. A client that has no
	// choice ignores it.
	Transports []string `json:"transports,omitempty"`

	// TryAll has a client go on to the next of its transports when it cannot
	// open the first, where it would give up or try that again.
	TryAll bool `json:"tryAll,omitempty"`

	// Lacks is a transport that the client's platform does not have, as an old
	// browser has no WebSocket; "" is none.
	Lacks string `json:"lacks,omitempty"`

	// Reconnect says how the client comes back after its connection has
	// ended, if it is one that does; nil takes all the defaults.
	Reconnect *Reconnect `json:"reconnect,omitempty"`
}

// Reconnect says how a client comes back by itself. Zero fields take the
// values of ReconnectDefaults, but for those that switch something on.
//
// Such a client enters its rooms again before it reports EventUp, unless the
// server still has it in them. What it is given to send while it is down it
// keeps, and sends once it is back. It tells of each try by EventAttempt.
type Reconnect struct {
	// Delay is the pause before the first attempt; it doubles with each one,
	// up to MaxDelay. Each pause is made longer or shorter at random by up to
	// Jitter times itself; a negative Jitter is none.
	Delay    time.Duration `json:"delayNs,omitempty"`
	MaxDelay time.Duration `json:"maxDelayNs,omitempty"`
	Jitter   float64       `json:"jitter,omitempty"`

	// Timeout bounds one attempt.
	Timeout time.Duration `json:"timeoutNs,omitempty"`

	// PingInterval and PingTimeout are those of the server, for a client that
	// is not told them by the protocol: without a heartbeat for both together
	// it takes its connection for dead.
	PingInterval time.Duration `json:"pingIntervalNs,omitempty"`
	PingTimeout  time.Duration `json:"pingTimeoutNs,omitempty"`

	// Resume asks the server to go on where the connection was cut; see
	// ServerConfig.Recovery.
	Resume bool `json:"resume,omitempty"`

	// Retries is how often a message is sent again that the server has not
	// acknowledged within AckTimeout; 0 asks for no acknowledgement.
	Retries    int           `json:"retries,omitempty"`
	AckTimeout time.Duration `json:"ackTimeoutNs,omitempty"`
}

// ReconnectDefaults are those of socket.io-client 2 and 4 (reconnectionDelay,
// reconnectionDelayMax, randomizationFactor, timeout), with the heartbeat of
// Defaults. It has none for ackTimeout; this one is of its documentation's
// example.
var ReconnectDefaults = Reconnect{
	Delay:        1 * time.Second,
	MaxDelay:     5 * time.Second,
	Jitter:       0.5,
	Timeout:      20 * time.Second,
	PingInterval: Defaults.PingInterval,
	PingTimeout:  Defaults.PingTimeout,
	AckTimeout:   10 * time.Second,
}

// WithDefaults returns the settings with their zero fields filled in.
func (r Reconnect) WithDefaults() Reconnect {
	d := ReconnectDefaults
	r.Delay = cmp.Or(r.Delay, d.Delay)
	r.MaxDelay = cmp.Or(r.MaxDelay, d.MaxDelay)
	r.Jitter = cmp.Or(r.Jitter, d.Jitter)
	r.Timeout = cmp.Or(r.Timeout, d.Timeout)
	r.PingInterval = cmp.Or(r.PingInterval, d.PingInterval)
	r.PingTimeout = cmp.Or(r.PingTimeout, d.PingTimeout)
	r.AckTimeout = cmp.Or(r.AckTimeout, d.AckTimeout)
	return r
}

// Pause returns how long to wait before an attempt, counted from 1, given a
// random number from 0 up to 1. Like socket.io-client it first makes the pause
// longer or shorter, then bounds it.
func (r Reconnect) Pause(attempt int, random float64) time.Duration {
	pause := float64(r.Delay) * math.Exp2(float64(min(attempt-1, 62)))
	if r.Jitter > 0 {
		pause += (2*random - 1) * r.Jitter * pause
	}
	return time.Duration(min(pause, float64(r.MaxDelay)))
}

// EventKind says what a client saw.
type EventKind string

// The kinds of event. Each comment names the fields that are set.
const (
	EventUp        EventKind = "up"        // connected, and in its rooms: Transport, Recovered
	EventDown      EventKind = "down"      // disconnected: Reason, never empty
	EventAttempt   EventKind = "attempt"   // about to connect; told by the worker, or by a client that does so by itself: Reason
	EventJoined    EventKind = "joined"    // somebody entered a room: Message
	EventMessage   EventKind = "message"   // a message for a room: Message
	EventAnnounce  EventKind = "announce"  // a message for everyone: Message
	EventTransport EventKind = "transport" // the transport changed: Transport
	EventFault     EventKind = "fault"     // something was done to the connection; told by a scenario, not by a client: Reason
)

// Event is what a client saw.
type Event struct {
	Kind      EventKind `json:"kind"`
	At        int64     `json:"at,omitempty"` // CLOCK_MONOTONIC, ns; stamped by the worker as it passes, zero in the chat itself
	Message   Message   `json:"message,omitzero"`
	Transport string    `json:"transport,omitempty"` // "websocket", "polling", … as negotiated
	Reason    string    `json:"reason,omitempty"`
	Recovered bool      `json:"recovered,omitempty"` // the server still knew the client, and sends what it has missed
}
