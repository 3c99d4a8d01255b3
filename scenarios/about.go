package scenarios

// About says in short what a scenario is. Its specification is the comment of
// its package.
type About struct {
	Question string
	Method   string // in three sentences
}

// AboutOf returns what there is to say of a scenario, and false if that is not
// known.
func AboutOf(scenario string) (About, bool) {
	switch scenario {
	case "broadcast":
		return About{
			"What does it cost to send a chat message to everyone in a room, and what does a connection cost?",
			"A load generator that costs the same per message on both sides connects some clients, which join a room, and messages are sent, each due at an instant fixed beforehand. " +
				"Latency runs from the due time to each receiver's receipt, and beside it the server's CPU, its allocations and the bytes on the wire are counted for each delivery, after a warm-up that is discarded. " +
				"A round measures every stack back to back in random order, ratios are taken inside a round, and a message that is lost, doubled, out of order or not the one sent fails the cell.",
		}, true
	case "reconnect":
		return About{
			"What does a dropped connection cost: how soon does the client notice, how soon is it back, and what was lost meanwhile?",
			"Each client has a room of its own with one partner, to whom nothing happens, and a path of its own to the server, which does harm on command and keeps a record. " +
				"Both talk all the while, and the clients are cut, silenced or lose their server one after the other, each waited for up to a limit; the timers are the same on all stacks. " +
				"Every message that a side took is looked up in the record: it was delivered, never written, cut off on the way, or arrived and was not passed on.",
		}, true
	case "proxy":
		return About{
			"What gets through proxies and load balancers: does the chat work, over which transport, and at what price?",
			"Each stack has a server behind a path, which is built in or a real program, and clients before it that are set as the path demands. " +
				"They connect at once, and each says something to all, itself included: it works if that comes back to it. " +
				"What the others see instead, what passes for each message, what becomes of a browser's page with its Origin, and whether an idle connection lives, is recorded.",
		}, true
	case "fallback":
		return About{
			"What becomes of the chat where there is no WebSocket: does it work, over what, how soon, and what does life without one cost?",
			"A client has a room in which there is a partner to whom nothing happens, and a path that takes its WebSocket away in each of the ways that the specification lists. " +
				"Both talk all the while, and in the end the client says a last word: it works if that comes back. " +
				"What it costs is measured on each transport alone, one message at a time, a hundred at once, and under load.",
		}, true
	case "size":
		return About{
			"What does it take to write, and what does it bring along?",
			"The code of both sides has the same files with the same declarations, in Go and in Node, and is counted: statements, tokens, complexity, the names of the library that one has to know. " +
				"What a side writes by hand because the other gets it from its library, and what only makes up for something missing in go-socket.io, is counted apart. " +
				"The modules, packages and bytes that a library brings along are those of the program that is built.",
		}, true
	}
	return About{}, false
}
