// Package broadcast asks what it costs to send a chat message to everyone in a
// room.
//
// # Steps
//
// In all cases but one the load generator stands at the client's end: it
// connects some clients, which join a room; messages of a fixed size are sent,
// each due at a fixed instant, and every member receives each. A warm-up is
// discarded.
//
//	echo        1 client: a message comes back to its sender
//	steady      10, 100, 1000 clients at a steady rate, one of them sends
//	fan-out     steady with 1000 clients of 128 B
//	both-ways   10 rooms of 10 clients, all of which send: each connection carries both directions
//	saturation  messages as fast as they come back, 64 of them on their way
//	rooms       100 rooms of 10 clients, the messages in turn to each
//	announce    to all connected clients, who are in 100 rooms
//	churn       100 clients listen, and 100 more leave the room and join it again, 50 times a second
//	slow-reader one of 100 clients stops reading: what becomes of the others
//	connect     from the call to the first instant at which a message can be sent
//	idle        clients that say nothing: the memory of each
//
// In connect the stack's own client connects again and again, each time through
// a relay of its own that counts; the first fifty times are discarded.
//
// A message to many clients is a burst that one receiver takes one after the
// other, so that with fast servers the latencies are largely the receiver's: a
// doubt says so where it took longer for a delivery than the server.
//
// In slow-reader heartbeat and queue are scaled down on all stacks alike, and the slow
// client's socket is that of a client on Ethernet: on the loopback the system
// would keep megabytes for it before a server noticed. It is run once, and asks
// for what happens, not when.
//
// The memory of an idle connection is also looked at in fan-out, in every round,
// before anything is sent.
//
// In saturation the sender writes at once what may be on its way, as the server
// is free to do with what it sends.
//
// # Metrics
//
//	p50-sec/msg … max-sec/msg   due time to receipt, every receiver
//	write-p50-sec/msg, write-p99-sec/msg   write to receipt
//	late-p50-sec, late-p99-sec  due time to when the sender had the message ready
//	server-cpu-sec/msg          CPU of the server process per delivered message
//	client-cpu-sec/msg          CPU of the load generator per delivered message, without its waiting
//	wire-B/msg                  bytes on the TCP streams, both directions, per delivered message
//	wire-up-B/msg, wire-down-B/msg   the same by direction
//	wire-reqs/msg               HTTP requests of the same
//	wire-segs/msg               segments of the same
//	phase-PHASE-up-B, -down-B, -reqs, -conns   what the streams carried in each phase (connect,
//	                            warmup, window, drain), not divided by anything
//	server-allocs/msg           heap allocations of the server per delivered message
//	server-alloc-B/msg          heap bytes allocated by the server per delivered message
//	deliveries/s                received per second at saturation
//	cycles                      times that a client left and was back
//	connect-sec                 from the call until the chat may be spoken
//	settle-sec                  from the call until the client is on its last transport, too
//	connect-B, connect-reqs, connect-conns   bytes, HTTP requests and TCP connections until it is settled
//	server-B/conn, client-B/conn   resident memory of the server and of the load generator per idle connection
//	delivered-ratio             what the clients got that do read, of what was due to them
//	stall-sec                   the longest that one of them waited for a message
//	slow-closed                 whether the server has disconnected the client that does not read
//	server-grown-B              what the server's resident memory has grown by meanwhile
//	died                        connections that broke by themselves
//
// # Failure
//
// A message that is lost, doubled, out of order or not the one that was sent,
// or a connection that ends, fails the cell: it has no latency. In slow-reader
// it is the outcome. So does a count of bytes that is not the system's own.
package broadcast
