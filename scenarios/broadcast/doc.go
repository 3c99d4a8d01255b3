// Package broadcast asks what it costs to send a chat message to everyone in a
// room.
//
// # Steps
//
// In echo, steady, fan-out and both-ways the load generator connects some clients, which
// join one room; one of them sends messages of a fixed size, each due at a
// fixed instant, and all of them receive each. A warm-up is discarded. In
// connect the stack's own client connects again and again, each time through a
// relay of its own that counts; the first fifty times are discarded.
//
//	echo     1 client: a message comes back to its sender
//	steady   100 clients at a steady rate
//	fan-out  1000 clients at a steady rate
//	both-ways   100 clients, all of which send in turn: each connection carries both directions
//	saturation  100 clients, the messages as fast as they come back, 64 of them on their way
//	idle     1000 clients that say nothing
//	connect  from the call to the first instant at which a message can be sent
//
// # Metrics
//
//	p50-sec/msg … max-sec/msg   due time to receipt, every receiver
//	server-cpu-sec/msg          CPU of the server process per delivered message
//	client-cpu-sec/msg          CPU of the load generator per delivered message
//	wire-B/msg                  bytes on the TCP streams, both directions, per delivered message
//	server-allocs/msg           heap allocations of the server per delivered message
//	server-alloc-B/msg          heap bytes allocated by the server per delivered message
//	late-p99-sec                due time to write, at the sender
//	write-p50-sec/msg, write-p99-sec/msg   write to receipt
//	connect-sec                 from the call until the chat may be spoken
//	settle-sec                  from the call until the client is on its last transport, too
//	connect-B, connect-reqs, connect-conns   bytes, HTTP requests and TCP connections until it is settled
//	deliveries/s                received per second at saturation
//	server-B/conn               resident memory of the server per idle connection
//	died                        connections that broke by themselves before they were settled
//
// # Failure
//
// A message that is lost, doubled, out of order or not the one that was sent,
// or a connection that ends, fails the cell: it has no latency.
package broadcast
