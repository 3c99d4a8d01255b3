package scenarios

import (
	"context"
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

// Profile says how much time to spend.
type Profile string

// The profiles.
const (
	Quick Profile = "quick" // the default: answers in a minute or two
	Full  Profile = "full"  // takes its time
)

// Case is one row of a scenario's plan.
type Case struct {
	Name    string        `json:"name"`
	Clients int           `json:"clients"`          // connected clients
	Size    int           `json:"size,omitempty"`   // bytes of a message's body
	Rate    float64       `json:"rate,omitempty"`   // messages a second that are sent, open loop
	Warmup  int           `json:"warmup,omitempty"` // deliveries before the window, discarded
	Window  time.Duration `json:"windowNs,omitempty"`
	Samples int           `json:"samples,omitempty"` // repetitions inside a round, where that is what is counted
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

// PathSpec says what lies between clients and a node.
type PathSpec struct {
	Kind string `json:"kind"` // "direct" or "relay"
}

// The kinds of path.
const (
	PathDirect = "direct" // nothing: the node's own address
	PathRelay  = "relay"  // a TCP relay that counts what passes
)

// Path is what lies between clients and a node.
type Path interface {
	URL() string       // where clients dial
	Observed() Traffic // what has passed so far
	Close() error      // cuts what is connected and stops listening
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
	Warmup  int     `json:"warmup"`            // deliveries before the window, as fast as they go, discarded
	Rate    float64 `json:"rate,omitempty"`    // messages a second, due at equal intervals

	// Messages is how many there are in the window; 0 connects and sends none.
	Messages int `json:"messages,omitempty"`

	// Saturate sends as fast as messages come back, for about this long,
	// instead of a number of messages at a rate.
	Saturate time.Duration `json:"saturateNs,omitempty"`
}

// LoadReport is what the load generator saw in the window. Durations are in
// seconds.
type LoadReport struct {
	Sent      int64  `json:"sent"`      // messages written
	Expected  int64  `json:"expected"`  // deliveries due: Sent x Clients
	Delivered int64  `json:"delivered"` // deliveries that arrived, each counted once
	Lost      int64  `json:"lost"`
	Dup       int64  `json:"dup"`
	Reordered int64  `json:"reordered"`     // arrived after a later one of the same connection
	Corrupt   int64  `json:"corrupt"`       // not the message that was sent
	Died      int64  `json:"died"`          // connections that ended before the end
	Why       string `json:"why,omitempty"` // what went wrong first, if anything did

	Latency   Quantiles `json:"latency"`   // due time to receipt
	FromWrite Quantiles `json:"fromWrite"` // write to receipt
	Lateness  Quantiles `json:"lateness"`  // due time to write

	Wire      Traffic       `json:"wire"`        // bytes on the TCP streams in the window
	ClientCPU time.Duration `json:"clientCpuNs"` // of the load generator in the window
	Elapsed   time.Duration `json:"elapsedNs"`   // first due time to last receipt

	Before Usage `json:"before"` // the server before the window
	After  Usage `json:"after"`  // the server after the window
}

// Quantiles of a distribution of N samples, in seconds; all zero if N is.
type Quantiles struct {
	N    int64   `json:"n"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Recorder takes what a scenario saw in one cell.
type Recorder interface {
	Value(unit string, v float64) // a figure in base units; several of one unit are several samples
	Label(key, value string)      // a fact that is not a figure
	Event(Event)
	Doubt(text string) // a reason to trust the cell less
}
