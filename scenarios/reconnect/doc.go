// Package reconnect asks what a dropped connection costs: how soon the client
// notices, how soon it is back, and what was lost meanwhile.
//
// # Steps
//
// Each client has a room of its own and a path of its own to the server, which
// does harm on command and keeps a record. In the room is one partner, with a
// connection to the server that nothing happens to. Both send at a steady rate
// all through the case, the client also when it is down, if it takes messages
// then. Clients are harmed one after the other, spread over a heartbeat's
// interval; each is waited for up to a limit.
//
//	reset       the connection is reset, at both ends
//	close       it is closed at both ends, without a goodbye of the protocol
//	silent      nothing passes any more, in either direction
//	silent-up   nothing from the client passes any more
//	silent-down nothing from the server passes any more
//	stall       nothing passes for a while shorter than the heartbeat allows: nothing should drop
//	restart     the server is killed, and back on the same port after a while
//	deploy      the server is told to stop, and a new one starts at once: many clients return
//	jitter      every client is cut again and again while the partner sends to all
//	storm       many clients are cut at one instant
//
// While the server is away so is the partner: it connects again as soon as the
// server is back. What a client sends to a server at which the partner is not
// yet is not counted.
//
// In deploy and storm nobody sends: what is asked for is when they are back. In
// jitter delivery is compared, so the offline window is the same for all by
// construction: who comes back within it is let in at its end. In the other
// cases it is as the client makes it.
//
// The timers are the same on all stacks: heartbeat and backoff are those of
// Socket.IO by default in full, and scaled down in quick. They stand under the
// tables.
//
// # Metrics
//
//	detect-sec        from the instant at which the fault reached the client (its FIN or RST, or the
//	                  start of the silence) until the client reported that it was down
//	recover-sec       from the same until it was connected and in its rooms again
//	attempts          to connect, for each fault
//	lost-down         messages to the client that never arrived, for each fault
//	lost-up           messages of the client that it took and that never arrived, for each fault
//	refused           messages that the client did not take: whoever gave them knows, so they are not lost
//	delivered-ratio   of the messages taken, the share that arrived, each client its own
//	lost-unwritten, lost-cut, lost-undelivered   what was lost, by what crossed the wire: never
//	                  written to the connection, written and thrown away with it, or arrived and
//	                  not delivered
//	dup, reordered    messages that arrived twice, or after a later one
//	reconnect-B       bytes on the connections that came after the fault, until the client was back
//	noticed-ratio, back-ratio   of the faults, those that were noticed and after which the client was back
//	recovered-ratio   of the returns, those after which the server still knew the client
//	back50-sec, back95-sec, back100-sec   until that share of the clients was back, in percent
//	attempts-peak/s   connections a second that came to the paths, at most, in windows of 100 ms
//	server-cpu-peak   share of a core that the server used, at most, in windows of 100 ms
//	died              connections that ended though nothing was done to them, or in a stall
//	server-away-sec   from when the server was killed until it was back and the partner with it
//
// Each fault is a sample of its own, so the figures are distributions.
//
// # Failure
//
// A message is unexplained if it was never written although its client was
// connected all the time, or if it arrived without having crossed the wire.
// One fails the case. So does a client that is meant to come back and does not
// in deploy and storm; elsewhere that is the outcome.
package reconnect
