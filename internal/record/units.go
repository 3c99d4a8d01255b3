package record

import "strings"

// Unit says how a figure is named, shown and judged.
type Unit struct {
	Name     string // as recorded: "p50-sec/msg"
	Title    string // of its column
	Means    string // one line for the key under the tables
	Better   Better
	Quantity Quantity

	// Leading units are columns of the tables; the others are in the files.
	Leading bool

	// Exact units have the same value whenever they are measured.
	Exact bool

	// Fault marks a count that must be zero and says in words what happened
	// otherwise. It has no column: it is told where it is not zero.
	Fault string
}

// Better says in which direction a figure improves.
type Better string

// The directions.
const (
	Lower  Better = "lower"
	Higher Better = "higher"
)

// Quantity says how a figure is formatted.
type Quantity string

// The quantities.
const (
	Duration Quantity = "duration" // seconds, shown in ns, µs, ms or s
	CPU      Quantity = "cpu"      // seconds of CPU, shown in µs
	Bytes    Quantity = "bytes"    // shown in B, kB, MB, GB (powers of 1000)
	Count    Quantity = "count"    // a number, fractions included
	Rate     Quantity = "rate"     // a number per second
	Share    Quantity = "share"    // 0 to 1, shown in percent
)

// Units are the units that are known, in the order of the tables' columns.
//
// Bytes on the wire are the same in every round on a websocket alone, but not
// where a stack polls or upgrades, and a unit is exact for all stacks or for
// none.
var Units = []Unit{
	{Name: "p50-sec/msg", Title: "p50", Better: Lower, Quantity: Duration, Leading: true,
		Means: "latency: half of the messages arrived this soon after they were due"},
	{Name: "p90-sec/msg", Title: "p90", Better: Lower, Quantity: Duration,
		Means: "latency: 90 % of the messages arrived this soon after they were due"},
	{Name: "p99-sec/msg", Title: "p99", Better: Lower, Quantity: Duration, Leading: true,
		Means: "latency: 99 % of the messages arrived this soon after they were due"},
	{Name: "p99.9-sec/msg", Title: "p99.9", Better: Lower, Quantity: Duration,
		Means: "latency: 99.9 % of the messages arrived this soon after they were due"},
	{Name: "max-sec/msg", Title: "max", Better: Lower, Quantity: Duration,
		Means: "latency of the slowest message"},
	{Name: "p99.99-sec/msg", Title: "p99.99", Better: Lower, Quantity: Duration,
		Means: "latency: 99.99 % of the messages arrived this soon after they were due"},
	{Name: "stall-sec", Title: "longest wait", Better: Lower, Quantity: Duration, Leading: true,
		Means: "the longest that one of the clients that do read waited for a message after it was due"},
	{Name: "slow-closed", Title: "slow one closed", Better: Higher, Quantity: Count, Leading: true,
		Means: "whether the server has disconnected the client that does not read"},
	{Name: "server-grown-B", Title: "server grown", Better: Lower, Quantity: Bytes, Leading: true,
		Means: "what the resident memory of the server has grown by"},
	{Name: "write-p50-sec/msg", Title: "p50 from write", Better: Lower, Quantity: Duration,
		Means: "latency: half of the messages arrived this soon after they were written"},
	{Name: "write-p99-sec/msg", Title: "p99 from write", Better: Lower, Quantity: Duration,
		Means: "latency: 99 % of the messages arrived this soon after they were written"},
	{Name: "late-p50-sec", Title: "late p50", Better: Lower, Quantity: Duration,
		Means: "half of the messages were ready to be written this soon after they were due"},
	{Name: "late-p99-sec", Title: "late p99", Better: Lower, Quantity: Duration,
		Means: "99 % of the messages were ready to be written this soon after they were due"},
	{Name: "deliveries", Title: "counted", Better: Higher, Quantity: Count,
		Means: "deliveries in the window"},
	{Name: "deliveries/s", Title: "deliveries", Better: Higher, Quantity: Rate, Leading: true,
		Means: "messages received per second, by all clients together, as fast as they go"},
	{Name: "connect-sec", Title: "connect", Better: Lower, Quantity: Duration, Leading: true,
		Means: "from the call until the first message can be sent"},
	{Name: "settle-sec", Title: "settled", Better: Lower, Quantity: Duration, Leading: true,
		Means: "from the call until the client is on its last transport, too"},
	{Name: "connect-B", Title: "connect bytes", Better: Lower, Quantity: Bytes, Leading: true,
		Means: "bytes on the TCP streams, both directions, until the client is settled"},
	{Name: "connect-reqs", Title: "requests", Better: Lower, Quantity: Count, Leading: true,
		Means: "HTTP requests until the client is settled"},
	{Name: "connect-conns", Title: "connections", Better: Lower, Quantity: Count, Leading: true,
		Means: "TCP connections until the client is settled"},
	{Name: "server-cpu-sec/msg", Title: "server CPU", Better: Lower, Quantity: CPU, Leading: true,
		Means: "CPU time of the server per delivered message"},
	{Name: "client-cpu-sec/msg", Title: "client CPU", Better: Lower, Quantity: CPU,
		Means: "CPU time of the load generator per delivered message, without its waiting"},
	{Name: "wire-B/msg", Title: "wire bytes", Better: Lower, Quantity: Bytes, Leading: true,
		Means: "bytes on the TCP streams, both directions, per delivered message"},
	{Name: "wire-up-B/msg", Title: "bytes up", Better: Lower, Quantity: Bytes,
		Means: "bytes from the clients per delivered message"},
	{Name: "wire-down-B/msg", Title: "bytes down", Better: Lower, Quantity: Bytes,
		Means: "bytes to the clients per delivered message"},
	{Name: "wire-reqs/msg", Title: "requests", Better: Lower, Quantity: Count,
		Means: "HTTP requests per delivered message"},
	{Name: "wire-segs/msg", Title: "segments", Better: Lower, Quantity: Count,
		Means: "TCP segments, both directions, per delivered message"},
	{Name: "server-allocs/msg", Title: "allocations", Better: Lower, Quantity: Count, Leading: true,
		Means: "heap objects that the server allocated per delivered message"},
	{Name: "server-alloc-B/msg", Title: "allocated", Better: Lower, Quantity: Bytes,
		Means: "heap bytes that the server allocated per delivered message"},
	{Name: "server-B/conn", Title: "memory", Better: Lower, Quantity: Bytes, Leading: true,
		Means: "resident memory of the server per idle connection"},

	{Name: "client-B/conn", Title: "load's memory", Better: Lower, Quantity: Bytes,
		Means: "resident memory of the load generator per idle connection"},
	{Name: "cycles", Title: "cycles", Better: Higher, Quantity: Count,
		Means: "times that a client left the room and was back"},

	{Name: "works", Title: "works", Better: Higher, Quantity: Share, Leading: true,
		Means: "attempts in which the chat worked"},
	{Name: "first-msg-sec", Title: "first message", Better: Lower, Quantity: Duration, Leading: true,
		Means: "from the first packet until the first message arrived"},
	{Name: "reqs/msg", Title: "requests/message", Better: Lower, Quantity: Count, Leading: true,
		Means: "HTTP requests that a message and its return take"},
	{Name: "stable-ratio", Title: "stable", Better: Higher, Quantity: Share, Leading: true,
		Means: "clients of a balancer that were stable in the end, after as many attempts as it took, up to ten"},
	{Name: "disconnects", Title: "disconnects", Better: Lower, Quantity: Count, Leading: true,
		Means: "attempts of a client that failed or broke until one was stable"},
	{Name: "busiest-ratio", Title: "on the busiest node", Better: Lower, Quantity: Share, Leading: true,
		Means: "share of the stable clients' bytes that the busier of two nodes has got"},
	{Name: "hop-sec/msg", Title: "to the other node", Better: Lower, Quantity: Duration, Leading: true,
		Means: "half of the messages came to a client of the other node so much later than to one of the sender's"},
	{Name: "near-ratio", Title: "delivered, same node", Better: Higher, Quantity: Share, Leading: true,
		Means: "messages that arrived at clients of the sender's node, with all clients sending at once"},
	{Name: "far-ratio", Title: "delivered, other node", Better: Higher, Quantity: Share, Leading: true,
		Means: "the same at clients of the other node, through Redis"},
	{Name: "caught-up-ratio", Title: "caught up", Better: Higher, Quantity: Share,
		Means: "messages of a client that spoke while Redis was away that came to the other node afterwards"},
	{Name: "origin-works", Title: "from a browser", Better: Higher, Quantity: Share, Leading: true,
		Means: "attempts in which the chat worked with the header Origin of a page from where the client dials"},
	{Name: "idle-survived", Title: "idle survived", Better: Higher, Quantity: Share, Leading: true,
		Means: "idle connections that were still there afterwards"},
	{Name: "idle-survived-beat", Title: "with heartbeat", Better: Higher, Quantity: Share, Leading: true,
		Means: "the same where the server knows how long it may be silent"},
	{Name: "burst-reqs/msg", Title: "requests in a burst", Better: Lower, Quantity: Count, Leading: true,
		Means: "HTTP requests for each of a hundred messages that are said at once"},
	{Name: "burst-wire-B/msg", Title: "bytes in a burst", Better: Lower, Quantity: Bytes, Leading: true,
		Means: "bytes on the TCP streams, both directions, for each of a hundred messages that are said at once"},
	{Name: "rtt-p50-sec", Title: "round trip p50", Better: Lower, Quantity: Duration, Leading: true,
		Means: "half of the messages were back this soon after the client's process was told to say them"},
	{Name: "rtt-p99-sec", Title: "round trip p99", Better: Lower, Quantity: Duration, Leading: true,
		Means: "99 % of the messages were back this soon"},
	{Name: "detect-sec", Title: "noticed", Better: Lower, Quantity: Duration, Leading: true,
		Means: "from when the fault reached the client until it noticed"},
	{Name: "recover-sec", Title: "back", Better: Lower, Quantity: Duration, Leading: true,
		Means: "from the same until it was connected and in its rooms again"},
	{Name: "noticed-ratio", Title: "noticed, share", Better: Higher, Quantity: Share,
		Means: "faults that the client noticed within the time it was waited for"},
	{Name: "back-ratio", Title: "came back", Better: Higher, Quantity: Share, Leading: true,
		Means: "faults after which the client came back within the time it was waited for"},
	{Name: "recovered-ratio", Title: "recovered", Better: Higher, Quantity: Share, Leading: true,
		Means: "returns after which the server still knew the client, and sent what it had missed"},
	{Name: "back50-sec", Title: "half back", Better: Lower, Quantity: Duration, Leading: true,
		Means: "until half of the clients were back"},
	{Name: "back95-sec", Title: "95 % back", Better: Lower, Quantity: Duration, Leading: true,
		Means: "until 95 % of the clients were back"},
	{Name: "back100-sec", Title: "all back", Better: Lower, Quantity: Duration, Leading: true,
		Means: "until all of the clients were back"},
	{Name: "attempts", Title: "attempts", Better: Lower, Quantity: Count, Leading: true,
		Means: "attempts to connect, for each fault"},
	{Name: "attempts-peak/s", Title: "peak of attempts", Better: Lower, Quantity: Rate, Leading: true,
		Means: "connections a second that came to the server's address, at most, over 100 ms"},
	{Name: "server-cpu-peak", Title: "peak of server CPU", Better: Lower, Quantity: Share, Leading: true,
		Means: "share of a core that the server used, at most, over 100 ms"},
	{Name: "server-away-sec", Title: "server away", Better: Lower, Quantity: Duration, Leading: true,
		Means: "from when the server was killed until it was back; to start takes Node longer than Go"},
	{Name: "switches", Title: "switches", Better: Lower, Quantity: Count, Leading: true,
		Means: "changes of the transport once the client was up"},
	{Name: "sent-up", Title: "sent up", Better: Higher, Quantity: Count, Leading: true,
		Means: "messages that the clients took"},
	{Name: "sent-down", Title: "sent down", Better: Higher, Quantity: Count, Leading: true,
		Means: "messages to the clients that their partner took"},
	{Name: "lost-down", Title: "lost down", Better: Lower, Quantity: Count, Leading: true,
		Means: "messages to the client that never arrived, for each fault"},
	{Name: "lost-up", Title: "lost up", Better: Lower, Quantity: Count, Leading: true,
		Means: "messages that the client took and that never arrived, for each fault"},
	{Name: "refused", Title: "refused", Better: Lower, Quantity: Count,
		Means: "messages that the client did not take while it was down, so that whoever gave them knows"},
	{Name: "lost-unwritten", Title: "never written", Better: Lower, Quantity: Count,
		Means: "lost messages that were never written to a connection of the client"},
	{Name: "lost-cut", Title: "cut off", Better: Lower, Quantity: Count,
		Means: "lost messages that were written, and thrown away with their connection"},
	{Name: "lost-undelivered", Title: "not passed on", Better: Lower, Quantity: Count,
		Means: "lost messages that arrived and were not passed on"},
	{Name: "reconnect-B", Title: "bytes to return", Better: Lower, Quantity: Bytes, Leading: true,
		Means: "bytes on the connections after the fault, both directions, until the client was back"},
	{Name: "delivered-ratio", Title: "delivered", Better: Higher, Quantity: Share, Leading: true,
		Means: "messages that arrived, of those that were sent"},

	{Name: "statements", Title: "statements", Better: Lower, Quantity: Count, Leading: true, Exact: true,
		Means: "statements of the source"},
	{Name: "by-hand-statements", Title: "by hand", Better: Lower, Quantity: Count, Leading: true, Exact: true,
		Means: "of these, those for what the other side gets from its library"},
	{Name: "made-up-statements", Title: "made up", Better: Lower, Quantity: Count, Leading: true, Exact: true,
		Means: "of these, those that only make up for something missing in go-socket.io"},
	{Name: "tokens", Title: "tokens", Better: Lower, Quantity: Count, Leading: true, Exact: true,
		Means: "tokens of the source"},
	{Name: "lines", Title: "lines", Better: Lower, Quantity: Count, Exact: true,
		Means: "lines of code, without comments and blanks, none of them broken"},
	{Name: "cyclomatic", Title: "cyclomatic", Better: Lower, Quantity: Count, Exact: true,
		Means: "cyclomatic complexity, summed over the functions"},
	{Name: "cognitive", Title: "cognitive", Better: Lower, Quantity: Count, Leading: true, Exact: true,
		Means: "cognitive complexity of the source"},
	{Name: "error-paths", Title: "error paths", Better: Lower, Quantity: Count, Exact: true,
		Means: "places that make an error, or take a branch for one"},
	{Name: "goroutines", Title: "goroutines", Better: Lower, Quantity: Count, Exact: true,
		Means: "places that start a goroutine, or a timer that calls"},
	{Name: "locks", Title: "locks", Better: Lower, Quantity: Count, Exact: true,
		Means: "places that lock"},
	{Name: "waits", Title: "waits", Better: Lower, Quantity: Count, Exact: true,
		Means: "places that wait for, or tell, something that runs beside them: channels, await"},
	{Name: "api-names", Title: "API names", Better: Lower, Quantity: Count, Leading: true, Exact: true,
		Means: "names of the library that the source uses"},
	{Name: "modules", Title: "modules", Better: Lower, Quantity: Count, Leading: true, Exact: true,
		Means: "modules that the library brings along"},
	{Name: "packages", Title: "packages", Better: Lower, Quantity: Count, Exact: true,
		Means: "packages of these modules"},
	{Name: "std-packages", Title: "of Go", Better: Lower, Quantity: Count, Exact: true,
		Means: "packages of the standard library that net/http does not bring along"},
	{Name: "binary-B", Title: "binary", Better: Lower, Quantity: Bytes, Exact: true,
		Means: "size of the program"},
	{Name: "binary-over-B", Title: "over net/http", Better: Lower, Quantity: Bytes, Leading: true, Exact: true,
		Means: "by how much the program is larger than one with net/http alone"},
	{Name: "one-node-over-B", Title: "for one node", Better: Lower, Quantity: Bytes, Exact: true,
		Means: "the same of a program that joins no other nodes and so needs no Redis client"},
	{Name: "npm-packages", Title: "npm packages", Better: Lower, Quantity: Count, Leading: true, Exact: true,
		Means: "packages that npm installs, the one asked for among them"},
	{Name: "bundle-B", Title: "minified", Better: Lower, Quantity: Bytes, Exact: true,
		Means: "what a browser loads, minified"},
	{Name: "bundle-gzip-B", Title: "bundle", Better: Lower, Quantity: Bytes, Leading: true, Exact: true,
		Means: "what a browser loads, minified and gzipped"},

	{Name: "lost", Title: "lost", Better: Lower, Quantity: Count,
		Means: "deliveries that never arrived", Fault: "LOST"},
	{Name: "dup", Title: "twice", Better: Lower, Quantity: Count,
		Means: "deliveries that arrived more than once", Fault: "DELIVERED TWICE"},
	{Name: "reordered", Title: "reordered", Better: Lower, Quantity: Count,
		Means: "deliveries that arrived after a later one", Fault: "OUT OF ORDER"},
	{Name: "corrupt", Title: "corrupt", Better: Lower, Quantity: Count,
		Means: "deliveries that were not the message sent", Fault: "CORRUPT"},
	{Name: "died", Title: "died", Better: Lower, Quantity: Count,
		Means: "connections that ended early", Fault: "CONNECTIONS DIED"},
}

// UnitOf returns what is known about a unit. One that is not in Units is named
// after itself, and its name says whether it is a time or a size.
func UnitOf(name string) Unit {
	for _, u := range Units {
		if u.Name == name {
			return u
		}
	}
	u := Unit{Name: name, Title: name, Quantity: Count}
	measured, _, _ := strings.Cut(name, "/")
	switch {
	case strings.HasSuffix("-"+measured, "-cpu-sec"):
		u.Quantity = CPU
	case strings.HasSuffix("-"+measured, "-sec"):
		u.Quantity = Duration
	case strings.HasSuffix("-"+measured, "-B"):
		u.Quantity = Bytes
	}
	return u
}
