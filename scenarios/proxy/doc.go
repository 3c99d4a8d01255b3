// Package proxy asks what gets through proxies: whether the chat works, on
// which transport, and what that costs.
//
// # Steps
//
// A case is a path; Routes lists them. What is asked for is the outcome, so the
// stacks of a case run side by side. Each has a server behind the path, and
// clients before it that are set as the path demands:
//
//  1. Some clients connect at once. Each waits until it is on its last
//     transport, or for as long as the case grants, and says something to all,
//     itself included. It works if that comes back to it.
//  2. The first of them that works says more, one message at a time. What
//     passes meanwhile on the clients' side of the path is counted.
//  3. Another client connects as a browser would that has its page from where
//     the client dials: with that in the header Origin.
//  4. Those that work say nothing for a while, and then something more. There is
//     no heartbeat meanwhile: the server's is slower than that. Where the path
//     cuts what is idle, the while is half as long again as it waits, and the same
//     is done at the same time with clients of another server, which knows how
//     long it may be silent and so has a heartbeat.
//
// The cases whose names end in -time take the same path with the machine to
// themselves: clients connect one after the other, each says something as soon
// as it is connected, and one more says more once it is on its last transport,
// one message at a time.
//
// That a connection survives step 4 on a path that is not said to cut what is idle
// means that nothing cuts it within 1.5 s in quick and 15 s in full, and no more:
// to be silent for as long as somebody might wait takes as long. With a heartbeat
// it is not asked there, because a path that carries silence carries more.
//
// Where a path of this suite is not about Host, it keeps it, so that a browser
// gets to what the path is about.
//
// # Browsers
//
// A stack whose clients are pages in a real browser has one of them, whatever the
// case says: a browser is one user's. The page is at where it dials, and its
// Origin says so in all steps, so that there is no step 3. What a page is told of a
// WebSocket that does not open is the number 1006; what is shown is what the
// browser says in its console. Pages take part on the paths that are about what a
// browser does by itself, all of them in full, some in quick.
//
// The polling clients of Node open a connection for each request, where a
// browser keeps one: over TLS each request of theirs is a handshake, too.
//
// The clients do not come back by themselves: whether a connection lives is
// what is asked. Reconnect is a scenario of its own.
//
// # Metrics
//
//	works              of the clients, the share that works
//	origin-works       whether the one with an Origin works
//	idle-survived      of the clients that worked, the share that works after having been idle, without a heartbeat
//	idle-survived-beat the same where the server knows how long it may be silent
//	reqs/msg           HTTP requests per message and its return
//	wire-B/msg         bytes per message and its return, both directions
//	first-msg-sec      from the first packet until the first message is back; the TCP handshake included
//	rtt-p50-sec, rtt-p99-sec   from when the client's process is told to say something until it is back:
//	                   the way through the control pipe is in it, the same on all stacks
//
// # Labels
//
//	transport          on which the clients are that work, in the end
//	error              what a client sees that does not work, as a class; see Class
//	client sees        the same in the words of its library
//	origin             what the one with an Origin sees, "let in" or a class
//	idle, idle with heartbeat   how those ended that did not survive, as a class
//	configuration      of the path, if it is a program with one
//
// # Failure
//
// That a client does not work is an outcome, not a failure. A case fails if the
// server or the path cannot be started, or one of them ends.
package proxy
