// Package fallback asks what becomes of the chat where there is no WebSocket:
// whether it works, over what, how soon, what is lost on the way, and what life
// without one costs.
//
// # Steps
//
// Ways lists the ways to lose a WebSocket. In each a client has a path of its
// own to the server, and a room of its own in which there is a partner whose
// WebSocket nothing happens to.
//
//  1. The client connects, joins its room and says something. Its own words have
//     to come back to it within the time that the case grants.
//  2. At once both begin to talk at a steady rate, while a client that can is
//     still about to change its transport. In the way in which the WebSocket
//     works at first, it is cut and blocked in the middle of that.
//  3. The client says a last word. It works if that comes back, too.
//
// The ways are these:
//
//	direct          nothing is lost
//	refused-400, refused-403   the upgrade is refused with that status
//	stripped        the headers of the upgrade are taken off
//	unanswered      the upgrade gets no answer
//	cut             the connection is closed instead of an answer
//	swallowed       101 passes, and after it nothing
//	swallowed-up, swallowed-down   101 passes, and after it nothing of the client's, or of the server's
//	lacking         the client has no WebSocket
//	blocked-later   a WebSocket works at first; then it is cut, and upgrades are refused
//
// Clients do not come back by themselves, but for those of the stacks whose names
// end in -reconnect: where the session of one of these ends, that is no end. It has
// the time that the case grants to begin another, and says its first or last word
// in that again. What was said in between is lost, and is counted: both what was
// on the way, and what the partner said to a room in which it was not. These
// stacks have no part in the cases that are no ways.
//
// The case ways takes all of them side by side, on one server; each is also a
// case of its own. The case switches has clients change their transport a hundred
// times: a client that polls first goes over to a WebSocket, and of one that goes
// back all connections are reset whenever it is on a WebSocket. Both talk all the
// while, through a path that keeps a record of what crossed it, so that of each
// message it is known what became of it. A client that ends over a change counts
// as one; the next ones have a server of their own then. The others ask what it
// costs, on each transport alone:
//
//	wire      one message at a time, then a hundred at once: what the stack's own client and its server
//	          put on the wire
//	echo      the load generator stands for one client, at a steady rate
//	crowd     the same with a message to a hundred clients
//	idle      the memory of clients that say nothing
//
// # Metrics
//
//	works           of the ways, the share in which the chat works in the end
//	first-msg-sec   from the call to connect until the client's first message is back, where it works
//	switches        changes of the transport once the client was up, in each way; a new session is none
//	lost-up, lost-down   messages that the client took, or that the partner said to it, and that never
//	                arrived, in each way in which the client was up
//	dup, reordered  messages that arrived twice, or after a later one
//	sent-up, sent-down   in switches: messages that were taken
//	lost-unwritten, lost-cut, lost-undelivered   there, those lost: never written to a connection of
//	                the client; written, and cut off with it; arrived, and not passed on
//	refused, died   there, messages that were not taken, and clients that ended
//	reqs/msg, wire-B/msg    HTTP requests and bytes, both directions, for each message and its return
//	burst-reqs/msg, burst-wire-B/msg   the same where a hundred are said at once
//	rtt-p50-sec, rtt-p99-sec   in wire: from when the client's process is told to say something until
//	                it is back; the way through the control pipe is in it
//	p50-sec/msg, p99-sec/msg   in echo and crowd: from when a message was due until it arrived
//	server-cpu-sec/msg      CPU time of the server for each delivery; in wire of one message at a time
//	server-B/conn   resident memory of the server for each client
//
// # Labels
//
// For each way, by its name after "outcome of", what happened; in its own case by
// the name outcome:
//
//	websocket, polling          it works on that; "polling, then websocket" after a change
//	fails: 403                  it does not connect: an HTTP status, "closed", or "silence"
//	hangs                       it is connected, and what it says does not come back
//	ends: closed                it was connected, and is no more; of one that comes back: not when its
//	                            time was up
//
// Behind one that works stands what is not as it should be: "; lost 2" messages,
// "; twice 1", "; out of order 1". "polling, then websocket; anew on polling" has
// been on the first two, that session ended, and the next one went on polling alone;
// "anew 3 times on polling" is the last of three new ones.
//
// In wire the name burst says what ended the client, where many large messages at
// once did; what one message takes has its figures all the same.
//
// In switches the account of each direction, by the names up and down, and how
// many clients ended, and why.
//
// # Failure
//
// That a client does not work is an outcome, not a failure. A case fails if a
// program cannot be started, or where deliveries are missing in echo and crowd.
package fallback
