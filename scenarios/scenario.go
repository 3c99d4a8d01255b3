package scenarios

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// Scenario runs one case on one stack in an environment and records what it
// saw. It has no knowledge of a library.
type Scenario interface {
	Name() string         // one word, lower case: "broadcast"
	Cases(Profile) []Case // in the order in which they are run
	Run(ctx context.Context, env Env, s Stack, c Case, rec Recorder) error
}

// Checker is a Scenario that knows which cases cannot be.
type Checker interface {
	Check(Case) error
}

// Profile says how much time to spend.
type Profile string

// The profiles.
const (
	Quick Profile = "quick" // the default: answers in a minute or two
	Full  Profile = "full"  // takes its time
)

// Case is one row of a scenario's plan.
type Case struct {
	Name    string  `json:"name"`
	Clients int     `json:"clients"`          // connected clients
	Size    int     `json:"size,omitempty"`   // bytes of a message's body
	Rate    float64 `json:"rate,omitempty"`   // messages a second that are sent, open loop
	Warmup  int     `json:"warmup,omitempty"` // deliveries before the window, discarded

	// GoWarmup is the same where the server is Go, whose compiler is done
	// before; 0 is Warmup.
	GoWarmup int           `json:"goWarmup,omitempty"`
	Window   time.Duration `json:"windowNs,omitempty"`
	Samples  int           `json:"samples,omitempty"` // repetitions inside a round, where that is what is counted
	Rooms    int           `json:"rooms,omitempty"`   // over which the clients are spread; 0 is one
	Once     bool          `json:"once,omitempty"`    // run in the first round alone

	// OnRequest cases are run if they are named, and left out otherwise.
	OnRequest bool `json:"onRequest,omitempty"`

	// Repeats is how often a round measures each stack, each time in fresh
	// processes and all stacks in turn, so that what the neighbours do for a
	// second does not fall on one of them; 0 is once.
	Repeats int `json:"repeats,omitempty"`

	// Polling says that the case is for stacks over long polling, too.
	Polling bool `json:"polling,omitempty"`

	// Browser says that the case is for stacks in a real browser, too.
	Browser bool `json:"browser,omitempty"`

	// Fresh says that the case needs a server that has served nobody yet: what
	// is asked for is what it grows by.
	Fresh bool `json:"fresh,omitempty"`

	// Outcome says that what counts is what happens, or when it does on a
	// scale beside which the neighbours do not matter: the stacks of a round
	// may run side by side, Abreast of them at most; see SideBySide.
	Outcome bool `json:"outcome,omitempty"`
	Abreast int  `json:"abreast,omitempty"`

	// Shared says that the process with the clients may have had those of
	// another cell of the stack before.
	Shared bool `json:"shared,omitempty"`

	// Timers are the same on all stacks; zero where nothing depends on them.
	Timers Timers `json:"timers,omitzero"`
}

// Timers are what a case is timed by that takes connections apart.
type Timers struct {
	PingInterval time.Duration `json:"pingIntervalNs"` // see ServerConfig
	PingTimeout  time.Duration `json:"pingTimeoutNs"`
	Delay        time.Duration `json:"delayNs"` // see Reconnect
	MaxDelay     time.Duration `json:"maxDelayNs"`
	Timeout      time.Duration `json:"timeoutNs"`
	AckTimeout   time.Duration `json:"ackTimeoutNs"`

	Down  time.Duration `json:"downNs"`  // how long a server is away
	Stall time.Duration `json:"stallNs"` // shorter than the heartbeat's limit
	Hold  time.Duration `json:"holdNs"`  // the offline window, where it is to be the same for all
	Limit time.Duration `json:"limitNs"` // after which a client counts as gone for good

	Idle time.Duration `json:"idleNs,omitempty"` // after which a proxy cuts what is idle
}

// String returns the timers as a table says them.
func (t Timers) String() string {
	return fmt.Sprintf("ping interval %v, ping timeout %v; backoff %v doubling up to %v, give or take half; connect timeout %v; waited for %v",
		t.PingInterval, t.PingTimeout, t.Delay, t.MaxDelay, t.Timeout, t.Limit)
}

// SideBySide is how many stacks run side by side at most: one, where it is a
// figure that counts. With hundreds of clients they are fewer than Abreast, so
// that their connections do not add up to more than the machine carries. Where
// Abreast is not given there are four, which wait for most of the time.
func (c Case) SideBySide() int {
	switch {
	case !c.Outcome:
		return 1
	case c.Abreast == 0:
		return 4
	}
	return max(1, c.Abreast*100/max(100, c.Clients))
}

// Messages returns how many messages a window of the case holds: at least one.
func (c Case) Messages() int {
	return max(1, int(math.Round(c.Rate*c.Window.Seconds())))
}

// String returns the case as it stands in a benchmark's name:
// "case=steady/clients=100/size=128/rate=200".
func (c Case) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "case=%s/clients=%d", c.Name, c.Clients)
	if c.Rooms > 0 {
		fmt.Fprintf(&b, "/rooms=%d", c.Rooms)
	}
	if c.Size > 0 {
		fmt.Fprintf(&b, "/size=%d", c.Size)
	}
	if c.Rate > 0 {
		fmt.Fprintf(&b, "/rate=%v", c.Rate)
	}
	return b.String()
}

// Env is what a scenario builds its experiment from. Whatever it starts ends
// with the context that was given to it, or earlier by the methods here.
type Env interface {
	// Serve starts the stack's server in a process of its own.
	Serve(context.Context, Stack, ServerConfig) (Node, error)

	// Clients starts a process for clients of the stack, none of them
	// connected yet.
	Clients(context.Context, Stack) (Crew, error)

	// Path builds what lies between clients and nodes.
	Path(context.Context, PathSpec, ...Node) (Path, error)

	// Load runs the load generator, in a process of its own, against a node of
	// the stack.
	Load(context.Context, Stack, Node, LoadSpec) (LoadReport, error)

	// Now is the clock of all events and records: CLOCK_MONOTONIC in ns.
	Now() int64
}

// Node is a running server.
type Node interface {
	URL() string                          // http://host:port
	Usage(context.Context) (Usage, error) // what its process has used since it started
	CPU() (time.Duration, error)          // the CPU time alone, without asking the process where that can be
	Stop(context.Context) error           // shuts the chat down, then ends the process
	Kill() error                          // ends the process at once
	Pause() error                         // stops the process until Resume
	Resume() error
	Restart(context.Context) error // starts again on the same address, after Stop or Kill
}

// Usage is what a process has used since it started. What its runtime does not
// tell is NotTold.
type Usage struct {
	CPU        time.Duration `json:"cpuNs"`      // user and system, all threads
	RSS        float64       `json:"rssB"`       // resident memory, bytes
	Mallocs    float64       `json:"mallocs"`    // heap objects allocated
	AllocBytes float64       `json:"allocB"`     // heap bytes allocated
	HeapBytes  float64       `json:"heapB"`      // heap bytes in use
	GCs        float64       `json:"gcs"`        // finished garbage collections
	Goroutines float64       `json:"goroutines"` // goroutines; in Node, active handles and requests
}

// NotTold stands in a Usage where a runtime has no such figure: Node does not
// count allocations.
const NotTold = -1

// Crew is a process that holds clients of one stack.
type Crew interface {
	Dial(ctx context.Context, url string, cfg DialConfig) (Peer, error)
	Usage(context.Context) (Usage, error)
	Stop(context.Context) error // closes all clients, then ends the process
	Kill() error                // ends the process at once
}

// Peer is one client of a crew, with a log of what it saw.
type Peer interface {
	Client

	// Events returns what the client has seen so far.
	Events() []Event

	// Await returns as soon as done is true of the client's events, or an
	// error that says what was missing when the context ended.
	Await(ctx context.Context, done func([]Event) bool) ([]Event, error)
}

// PathSpec says what lies between clients and nodes.
type PathSpec struct {
	Kind string `json:"kind"` // one of the constants below, or one of a real program

	// Delay is what a faulty path adds each way. To connect takes a round trip
	// more, which is charged to the first bytes: the system shakes hands before
	// a program knows.
	Delay time.Duration `json:"delayNs,omitempty"`

	// Bandwidth is what a faulty path carries each way, in bytes a second; 0
	// is no limit.
	Bandwidth float64 `json:"bandwidth,omitempty"`

	// Idle is after how long a proxy gives up a request without an answer, and
	// a connection on which nothing passes in either direction; 0 is never.
	Idle time.Duration `json:"idleNs,omitempty"`

	// KeepHost has a proxy pass on the header Host as the client sent it,
	// instead of the address of the server.
	KeepHost bool `json:"keepHost,omitempty"`

	// Forwarded has a proxy tell the server whom it stands for, by the headers
	// X-Forwarded-For, -Host and -Proto.
	Forwarded bool `json:"forwarded,omitempty"`

	// TLS has the connection of the clients end at a proxy before the nodes:
	// they dial https, with a certificate of an authority made for the path.
	TLS bool `json:"tls,omitempty"`
}

// The kinds of path that are always there. A real program has kinds of its
// own, such as "nginx-upgrade"; where it is missing, Env.Path says so by an
// error that wraps ErrUnsupported.
const (
	PathDirect = "direct" // nothing: the node's own address
	PathRelay  = "relay"  // a TCP relay that counts what passes
	PathFaulty = "faulty" // a TCP relay that does harm on command, and keeps a record

	// Reverse proxies, by what they do to a request to upgrade.
	PathReverse       = "reverse"        // passes it on
	PathBuffer        = "buffer"         // passes it on; any other answer waits until it is complete
	PathHTTP10        = "http10"         // passes it on, in HTTP/1.0
	PathStripUpgrade  = "strip-upgrade"  // passes it on as an ordinary request
	PathForbidUpgrade = "forbid-upgrade" // answers 403
	PathRefuseUpgrade = "refuse-upgrade" // answers 400
	PathIgnoreUpgrade = "ignore-upgrade" // never answers
	PathCutUpgrade    = "cut-upgrade"    // passes it on, and ends the connection after the 101
	PathSwallow       = "swallow"        // passes it on, and nothing after the 101
	PathSwallowUp     = "swallow-up"     // passes it on, and nothing of the client's after the 101
	PathSwallowDown   = "swallow-down"   // passes it on, and nothing of the server's after the 101
	PathForbidLater   = "forbid-later"   // passes it on until a fault of kind FaultForbid, which also ends what was upgraded

	// Forward proxies, that a client is set to use.
	PathConnect   = "connect"    // lets CONNECT through to the nodes
	PathNoConnect = "no-connect" // answers CONNECT with 403; ordinary requests pass, without Upgrade
)

// Path is what lies between clients and nodes. Those that cannot do harm
// return an error that wraps errors.ErrUnsupported from Fault, and an empty
// record.
type Path interface {
	URL() string                   // where clients dial
	Through(DialConfig) DialConfig // what a client has to be set to, to get through
	Config() string                // of the program that it is, as a reader can copy it; "" if there is none
	Observed() Traffic             // what has passed so far, on the clients' side
	Fault(Fault) (Harm, error)     // does it now, to the connections that there are
	Record() PathRecord            // what has passed so far, and what was done
	Close() error                  // cuts what is connected and stops listening
}

// Harmless is embedded by a Path that cannot do harm and keeps no record.
type Harmless struct{}

// Fault implements Path.
func (Harmless) Fault(f Fault) (Harm, error) {
	return Harm{}, fmt.Errorf("%s: this path does no harm, one of kind %q does: %w", f.Kind, PathFaulty, errors.ErrUnsupported)
}

// Record implements Path.
func (Harmless) Record() PathRecord { return PathRecord{} }

// Plain is embedded by a Path that clients need not know of, and that is not a
// program with a configuration.
type Plain struct{}

// Through implements Path.
func (Plain) Through(cfg DialConfig) DialConfig { return cfg }

// Config implements Path.
func (Plain) Config() string { return "" }

// FaultKind says what a Fault does.
type FaultKind string

// The kinds of fault. A silence lasts for the rest of the connection: what is
// sent is taken and thrown away, an end of the stream too, as behind a router
// that has forgotten the connection.
const (
	FaultReset   FaultKind = "reset"   // RST to both ends
	FaultClose   FaultKind = "close"   // FIN to both ends, after what came before it
	FaultSilence FaultKind = "silence" // nothing passes any more
	FaultStall   FaultKind = "stall"   // nothing passes for a while, and all of it after that

	// FaultForbid is for a proxy: what was upgraded is cut, and from now on a
	// request to upgrade is answered with 403.
	FaultForbid FaultKind = "forbid"
)

// Fault is harm to the connections of a path.
type Fault struct {
	Kind FaultKind `json:"kind"`

	// Direction is "up" or "down" for a silence or a stall of one direction,
	// "" for both.
	Direction string `json:"direction,omitempty"`

	For time.Duration `json:"forNs,omitempty"` // of a stall

	// Hold is how long connections that come after the fault are accepted but
	// not carried: whoever comes back within it is back at its end, however
	// soon it came.
	Hold time.Duration `json:"holdNs,omitempty"`
}

// The directions of a path.
const (
	PathUp   = "up"   // from clients to the node
	PathDown = "down" // from the node to clients
)

// Harm is a fault that was done.
type Harm struct {
	Fault
	At    int64 `json:"at"`    // CLOCK_MONOTONIC in ns, when it reached the first client
	Conns []int `json:"conns"` // that it was done to
}

// PathRecord is what a path has seen and done. Instants are CLOCK_MONOTONIC in
// nanoseconds, and connections are counted from 1 in the order of accepting.
type PathRecord struct {
	Accepted  []int64    `json:"accepted"` // when each connection was accepted
	Passages  []Passage  `json:"passages"`
	Crossings []Crossing `json:"crossings"`
	Ends      []PathEnd  `json:"ends"`
	Harm      []Harm     `json:"harm"`
}

// Passage is a piece of a stream that was read at once. From and To are offsets
// in the stream of that direction; To is the first that is not in it.
type Passage struct {
	Conn      int    `json:"conn"`
	Direction string `json:"direction"`
	From      int64  `json:"from"`
	To        int64  `json:"to"`
	Came      int64  `json:"came"` // when the last of it had come
	Went      int64  `json:"went"` // when it was written; 0 if it was not
}

// Crossing is a message of the chat that was recognised in a stream.
type Crossing struct {
	Conn      int    `json:"conn"`
	Direction string `json:"direction"`
	From      string `json:"from"` // the sender
	Room      string `json:"room"`
	Seq       int64  `json:"seq"`
	Came      int64  `json:"came"` // when the last of it had come
	Went      int64  `json:"went"` // when all of it had been written; 0 if it was not
}

// PathEnd is the end of a direction of a connection, as it came to the path.
type PathEnd struct {
	Conn      int    `json:"conn"`
	Direction string `json:"direction"` // "up": the client ended it
	How       string `json:"how"`       // "fin", "reset" or the name of the fault
	At        int64  `json:"at"`
}

// Traffic is what a path has carried.
type Traffic struct {
	Conns    int64 `json:"conns"`    // TCP connections accepted
	Requests int64 `json:"requests"` // HTTP requests, the WebSocket handshake included
	Up       int64 `json:"upB"`      // bytes from clients to the node
	Down     int64 `json:"downB"`    // bytes from the node to clients
}

// Sub returns what has passed since before.
func (t Traffic) Sub(before Traffic) Traffic {
	return Traffic{
		Conns:    t.Conns - before.Conns,
		Requests: t.Requests - before.Requests,
		Up:       t.Up - before.Up,
		Down:     t.Down - before.Down,
	}
}

// LoadSpec says what the load generator does: it connects Clients receivers to
// one room, and some of them send.
type LoadSpec struct {
	Clients int     `json:"clients"`
	Senders int     `json:"senders,omitempty"` // that send in turn; 0 is one
	Size    int     `json:"size"`              // bytes of a message's body
	Warmup  int     `json:"warmup"`            // deliveries before the window, discarded: as fast as they go, the last messages one by one
	Rate    float64 `json:"rate,omitempty"`    // messages a second, due at equal intervals

	// Messages is how many there are in the window; 0 connects and sends none.
	Messages int `json:"messages,omitempty"`

	// Saturate sends as fast as messages come back, for about this long,
	// instead of a number of messages at a rate.
	Saturate time.Duration `json:"saturateNs,omitempty"`

	Rooms    int  `json:"rooms,omitempty"`    // over which the clients are spread, and the messages; 0 is one
	Announce bool `json:"announce,omitempty"` // the messages go to all connected clients, whatever their room
	Slow     int  `json:"slow,omitempty"`     // of the clients, the last so many stop reading when the window begins

	// Churners are further clients, that leave the room and join it again all
	// through the window, ChurnRate times a second altogether.
	Churners  int     `json:"churners,omitempty"`
	ChurnRate float64 `json:"churnRate,omitempty"`

	// Hold keeps the connections open for so long instead of sending anything.
	Hold time.Duration `json:"holdNs,omitempty"`

	// Patience is how long nothing may arrive before what is missing counts as
	// lost; 0 is five seconds.
	Patience time.Duration `json:"patienceNs,omitempty"`

	// Transport is "websocket" or "polling"; "" is websocket.
	Transport string `json:"transport,omitempty"`
}

// LoadReport is what the load generator saw in the window. Durations are in
// seconds.
type LoadReport struct {
	Sent      int64  `json:"sent"`      // messages written
	Expected  int64  `json:"expected"`  // deliveries due, of the messages written
	Delivered int64  `json:"delivered"` // deliveries that arrived, each counted once
	Lost      int64  `json:"lost"`      // Cut, Dropped and Unexplained
	Dup       int64  `json:"dup"`
	Reordered int64  `json:"reordered"`     // arrived after a later one of the same connection
	Corrupt   int64  `json:"corrupt"`       // not the message that was sent
	Died      int64  `json:"died"`          // connections that ended before the end
	Why       string `json:"why,omitempty"` // what went wrong first, if anything did

	// What became of the messages that did not arrive, by what crossed the
	// wire. Unsent ones were due and never written, so they are not in Lost.
	Unsent  int64 `json:"unsent"`  // messages
	Cut     int64 `json:"cut"`     // deliveries: written, then a connection on their way ended
	Dropped int64 `json:"dropped"` // deliveries: written to a server that answered afterwards, and every connection lived

	// Unexplained are deliveries by a server that did not answer at the end.
	Unexplained int64 `json:"unexplained"`

	Latency   Quantiles `json:"latency"`   // due time to receipt
	FromWrite Quantiles `json:"fromWrite"` // write to receipt
	Lateness  Quantiles `json:"lateness"`  // due time to when the sender had the message ready to write

	// Histograms of the latencies by group of receivers.
	Histograms []Histogram `json:"histograms,omitempty"`

	Phases    Phases        `json:"phases"`
	ClientCPU time.Duration `json:"clientCpuNs"` // of the load generator in the window, its waiting excluded
	Elapsed   time.Duration `json:"elapsedNs"`   // first due time to last receipt

	// ClientMemory is the resident memory of the load generator before the
	// clients were connected, and after, in bytes; NotTold where the system
	// does not tell.
	ClientMemory [2]float64 `json:"clientB"`

	// ServerMemory is the same of the server, before anything is sent.
	ServerMemory [2]float64 `json:"serverB"`

	Slow SlowReport `json:"slow"`

	Cycles int64 `json:"cycles,omitempty"` // times that a churner left and was back

	// Early is how many polls a server refused because it did not know the
	// session yet that it had just announced; they were asked again.
	Early int64 `json:"early,omitempty"`

	Before Usage `json:"before"` // the server before the window
	After  Usage `json:"after"`  // the server after the window
}

// SlowReport is what became of the clients that stopped reading.
type SlowReport struct {
	Clients int `json:"clients,omitempty"`
	Closed  int `json:"closed,omitempty"` // that the server had disconnected when they read again
}

// Phases are what the streams carried, phase by phase.
type Phases struct {
	Connect Count `json:"connect"` // until all have joined
	Warmup  Count `json:"warmup"`
	Window  Count `json:"window"` // until the last delivery
	Drain   Count `json:"drain"`  // after it
}

// Each calls f for every phase in order, with its name.
func (p Phases) Each(f func(name string, c Count)) {
	f("connect", p.Connect)
	f("warmup", p.Warmup)
	f("window", p.Window)
	f("drain", p.Drain)
}

// Count is what the connections of the load generator have carried, as it
// counted itself and as the system did.
type Count struct {
	Traffic
	Kernel Kernel `json:"kernel"`
}

// Sub returns what has been counted since before.
func (c Count) Sub(before Count) Count {
	k, b := c.Kernel, before.Kernel
	return Count{
		Traffic: c.Traffic.Sub(before.Traffic),
		Kernel: Kernel{
			Told:     k.Told,
			Up:       k.Up - b.Up,
			Down:     k.Down - b.Down,
			SegsUp:   k.SegsUp - b.SegsUp,
			SegsDown: k.SegsDown - b.SegsDown,
		},
	}
}

// Kernel is what the operating system counted on the same connections
// (TCP_INFO of Linux): the bytes of the streams and their segments. Told is
// false where it does not tell.
type Kernel struct {
	Told     bool  `json:"told"`
	Up       int64 `json:"upB"`
	Down     int64 `json:"downB"`
	SegsUp   int64 `json:"segsUp"`
	SegsDown int64 `json:"segsDown"`
}

// Histogram is a distribution in a form of its own: an HdrHistogram of
// nanoseconds in its compressed encoding V2, in base 64.
type Histogram struct {
	Name string `json:"name"` // "latency/others": what, and of whom
	Data string `json:"data"`
}

// Quantiles of a distribution of N samples, in seconds; all zero if N is.
type Quantiles struct {
	N     int64   `json:"n"`
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p999"`
	P9999 float64 `json:"p9999"`
	Max   float64 `json:"max"`
}

// OutcomeOf begins the label of a cell that tries several things at once: what
// follows is the name of one, and the label what became of it.
const OutcomeOf = "outcome of "

// Wait waits for a time that is part of a case. It returns why the context ended
// if that comes first.
func Wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Recorder takes what a scenario saw in one cell.
type Recorder interface {
	Value(unit string, v float64) // a figure in base units; several of one unit are several samples
	Label(key, value string)      // a fact that is not a figure
	Event(Event)
	Histogram(Histogram)
	Doubt(text string) // a reason to trust the cell less
}
