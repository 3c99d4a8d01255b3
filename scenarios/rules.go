package scenarios

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The thresholds of the rules. Recorded runs were at hand when they were chosen:
// each has a reason that does not rest on what a run came to, and is the same for
// both sides and both runtimes.
const (
	// NearFloor is how many times the floor a plain WebSocket may cost: below it,
	// what it adds is less than what it costs to send at all.
	NearFloor = 2.0

	// MuchCPU is how many times the server CPU of the other decides: who has
	// filled a machine then needs a second one. Below it other things count for
	// more.
	MuchCPU = 2.0

	// LessMemory is how much less memory, as a share, an idle client must take to
	// decide: one more client in five on the same machine.
	LessMemory = 0.2

	// SameBytes is how far the bytes of the two may lie apart, as a share: the
	// frames are the same, and the envelope inside is the application's.
	SameBytes = 0.1

	// LessCode is how much less code, as a share, is called less, and MuchLessCode
	// what is called easier: two people who write the same lie further apart than
	// a tenth.
	LessCode     = 0.1
	MuchLessCode = 0.2

	// MostWays is the share of the ways to lose a WebSocket in which a fallback
	// has to work to be called one.
	MostWays = 0.5
)

// The stacks that the rules read.
const (
	floorStack    = "floor"
	goPlain       = "rawws"
	goSocketIO    = "sio"
	nodePlain     = "rawws-node"
	nodeSocketIO  = "sio-node"
	jsPlain       = "rawws-js"
	jsDefault     = "sio-js-default"
	nodeDefault   = "sio-node-default"
	nodeFirst     = "sio-node-first"
	nodeAll       = "sio-node-all"
	plainFallback = "rawws-fallback"
	plainBack     = "rawws-reconnect"
	plainResume   = "rawws-resume"
	jsBack        = "sio-js-reconnect"
	nodeBack      = "sio-node-reconnect"
	nodeRetries   = "sio-node-retries"

	// Those of the default order that come back by themselves, as they do by
	// default: in the others reconnection is switched off.
	nodeDefaultBack = "sio-node-default-reconnect"
	jsDefaultBack   = "sio-js-default-reconnect"

	// Pages in a browser.
	nodePlainPage = "rawws-node-browser"
	nodePage      = "sio-node-browser"
)

// The units that the rules read; those of package record.
const (
	unitCPU      = "server-cpu-sec/msg"
	unitP50      = "p50-sec/msg"
	unitBytes    = "wire-B/msg"
	unitAllocs   = "server-allocs/msg"
	unitMemory   = "server-B/conn"
	unitRate     = "deliveries/s"
	unitConns    = "connect-conns"
	unitRequests = "connect-reqs"
	unitConnect  = "connect-sec"
	unitNewConns = "phase-window-conns"
	unitWorks    = "works"
	unitStable   = "stable-ratio"
	unitBack     = "back-ratio"
	unitNoticed  = "noticed-ratio"
	unitLostDown = "lost-down"
	unitLostUp   = "lost-up"
	unitTwice    = "dup"
	unitStall    = "stall-sec"
	unitFar      = "far-ratio"
	unitLines    = "statements"
	unitByHand   = "by-hand-statements"
	unitMadeUp   = "made-up-statements"
	unitHard     = "cognitive"
	unitNames    = "api-names"
	unitSegments = "wire-segs/msg"

	labelNever = "never back" // "after 8 of 8 faults, within 3s"
)

// claim is a Claim with the command that measures what its rule reads, and the
// rule as code.
type claim struct {
	Claim
	run    string
	decide func(*hearing)
}

// Claims returns the claims, in the order of the reports.
func Claims() []Claim {
	var list []Claim
	for _, c := range claims() {
		list = append(list, c.Claim)
	}
	return list
}

// Decide returns how each claim ends, in the same order.
func Decide(m Measured) []Verdict {
	var list []Verdict
	for _, c := range claims() {
		h := hearing{m: m}
		c.decide(&h)
		v := Verdict{Claim: c.Claim, Answer: h.answer, Reason: h.reason, Whose: h.whose, Evidence: h.evidence, Doubts: h.inDoubt()}
		if v.Answer == "" {
			v.Answer, v.Reason, v.Whose, v.Doubts = NotMeasured, h.lacks()+"; to measure it: "+c.run, "", nil
		}
		list = append(list, v)
	}
	return list
}

// claims are the claims with their rules.
func claims() []claim {
	return []claim{
		{Claim{"overhead", "a WebSocket interacts with minimum overhead",
			"In steady, and in fan-out where it was measured, a plain WebSocket in Go takes less than 2 times the server CPU per delivery and the " +
				"median latency of the floor, by the upper end of the interval: it adds less than it costs to send at all. A latency that is in doubt does not count, and then it " +
				"holds in part at best. Socket.IO on websocket " +
				"takes more CPU than it in steady on each runtime that was measured, and its bytes lie within 10 %. All of that: holds. At 2 times the " +
				"floor or more by the lower end, or where Socket.IO takes less CPU on each runtime: does not hold. Else: in part."},
			"compare -scenario broadcast -case steady,fan-out", overhead},
		{Claim{"single-connection", "full duplex over a single TCP connection",
			"In connect every plain WebSocket takes 1 TCP connection and 1 HTTP request until it can send, at every attempt, and in both-ways, where " +
				"clients send and receive at once, no connection is added and every message arrives. All of that: holds. If the median is more " +
				"than 1, or connections are added: does not hold. Else: in part."},
			"compare -scenario broadcast -case connect,both-ways", singleConnection},
		{Claim{"broadcast", "Socket.IO broadcasts to everyone in one call; a plain WebSocket keeps a list and sends one by one",
			"It is about the call, so by the code: a plain WebSocket has more statements by hand than Socket.IO, whose statements that only make up for something missing in its library count as " +
				"by hand. On each runtime: holds. On none: does not hold. Else: in part. What crosses the wire in fan-out, and what it costs in CPU, is told beside it and does not decide."},
			"compare -scenario broadcast,size -case fan-out,chat", oneCall},
		{Claim{"proxies", "proxies and load balancers make WebSockets hard to implement and scale; Socket.IO supports them out of the box",
			"Read on Node, where the server is Socket.IO's own; go-socket.io is told apart. A path through nginx, HAProxy or squid that comes to the same as the embedded one that does what it does is one path with that. Else paths count alike, whoever runs them and however clients dial; the reason says which they are. There are paths on which no plain WebSocket works and Socket.IO in its default order " +
				"always does: else does not hold. If there is no path and no balancer, as it comes, on which a plain WebSocket works and Socket.IO does not " +
				"always: holds. Else: in part."},
			"compare -scenario proxy -case direct,strip-upgrade,forbid-upgrade,forward-denied,balance-robin,balance-cookie", proxies},
		{Claim{"fallback", "Socket.IO falls back to other technologies when WebSocket is not there (it names Flash Socket, AJAX long polling, AJAX multipart streaming)",
			"Socket.IO in its default order, on Node, works in every way to lose the WebSocket, and on each of the three technologies in one of them: holds. In " +
				"more than half of the ways: in part. Else: does not hold. The client that counts is the one that reconnects, as by default, where that was measured. A way counts " +
				"if the rounds agree on it."},
			"compare -scenario fallback -case ways", fallback},
		{Claim{"reconnect", "a dropped WebSocket does not come back by itself; Socket.IO handles that",
			"After a reset and a silence no plain WebSocket comes back while it is waited for, and Socket.IO's own client on Node always does: else does not hold. If it does " +
				"after a restart of the server, too, or that was not measured: holds. Else: in part. What is lost meanwhile and what go-socket.io does are told beside it and do not decide."},
			"compare -scenario reconnect -case reset,silent,restart", reconnect},
		{Claim{"api", "Socket.IO's API is easier to work with",
			"As far as code can be counted: for the same chat, both ends, Socket.IO takes at least 20 % fewer statements and 20 % less cognitive complexity on each " +
				"runtime: holds. Not even 10 % less of both on any: does not hold. Else: in part. The names of the library are told beside it and do not decide: what a plain side names itself is not counted."},
			"compare -scenario size -case chat", api},
	}
}

// hearing is a claim that is being decided.
type hearing struct {
	m        Measured
	answer   Answer
	reason   string
	whose    string
	evidence []Evidence
	doubts   []doubted
	missing  []string
}

// doubted is a doubt and the cells that it is about.
type doubted struct {
	text  string
	cells []string
}

// lacks says what is missing, in short.
func (h *hearing) lacks() string {
	if len(h.missing) == 0 {
		return "the run does not hold what the rule reads"
	}
	text := h.missing[0]
	if more := len(h.missing) - 1; more > 0 {
		text += " (and " + strconv.Itoa(more) + " more)"
	}
	return text
}

// ok reports whether all that was needed is there.
func (h *hearing) ok() bool { return len(h.missing) == 0 }

func (h *hearing) lack(text string) {
	if !slices.Contains(h.missing, text) {
		h.missing = append(h.missing, text)
	}
}

// need returns a figure without which there is no answer.
func (h *hearing) need(scenario, name, stack, unit string) Figure {
	p := Place{scenario, name, stack, unit}
	f, ok := h.m.Figure(p)
	if !ok {
		h.lack(h.m.Why(p))
	}
	return f
}

// needBoth returns the figures of two stacks in one case of one run, without
// which there is no answer.
func (h *hearing) needBoth(scenario, name, unit, one, other string) (a, b Figure) {
	a, b, ok := h.m.Both(Place{scenario, name, one, unit}, other)
	if !ok {
		stack := one
		if _, there := h.try(scenario, name, one, unit); there {
			stack = other
		}
		h.lack(h.m.Why(Place{scenario, name, stack, unit}))
	}
	return a, b
}

// try returns a figure that adds to the answer.
func (h *hearing) try(scenario, name, stack, unit string) (Figure, bool) {
	return h.m.Figure(Place{scenario, name, stack, unit})
}

// needRatio returns a ratio without which there is no answer, of rounds enough
// to judge by.
func (h *hearing) needRatio(scenario, name, unit, over, under string) Ratio {
	r, ok := h.m.Ratio(Place{scenario, name, over, unit}, under)
	switch {
	case !ok:
		text := h.m.Why(Place{scenario, name, over, unit})
		if _, there := h.try(scenario, name, over, unit); there {
			text = h.m.Why(Place{scenario, name, under, unit})
		}
		h.lack(text)
	case !r.Enough:
		h.lack(fmt.Sprintf("%s / %s has too few rounds to judge by", scenario, name))
	}
	return r
}

// tryRatio returns a ratio that adds to the answer, of rounds enough.
func (h *hearing) tryRatio(scenario, name, unit, over, under string) (Ratio, bool) {
	r, ok := h.m.Ratio(Place{scenario, name, over, unit}, under)
	return r, ok && r.Enough
}

// cite adds a figure to the evidence.
func (h *hearing) cite(f Figure, text string) {
	if f.Scenario == "" {
		return
	}
	e := Evidence{Text: text, Scenario: f.Scenario, Case: f.Full, Stack: f.Stack, Unit: f.Unit, Run: f.Run}
	if !slices.Contains(h.evidence, e) {
		h.evidence = append(h.evidence, e)
	}
	h.doubt(f)
}

// citeRatio adds a ratio to the evidence: "2.4x the server CPU of rawws".
func (h *hearing) citeRatio(r Ratio, what string) {
	h.cite(r.Over, r.Text+" the "+what+" of "+r.Under.Stack)
	h.doubt(r.Under)
}

// doubt adds the doubts of a figure. What is said of several cells is said once.
func (h *hearing) doubt(f Figure) {
	for _, d := range f.Doubts {
		i := slices.IndexFunc(h.doubts, func(have doubted) bool { return have.text == d.Text })
		if i < 0 {
			i = len(h.doubts)
			h.doubts = append(h.doubts, doubted{text: d.Text})
		}
		cell := f.Case + " " + f.Stack
		if d.When != "" {
			cell += " (" + d.When + ")"
		}
		if !slices.Contains(h.doubts[i].cells, cell) {
			h.doubts[i].cells = append(h.doubts[i].cells, cell)
		}
	}
}

// inDoubt returns the doubts in sentences.
func (h *hearing) inDoubt() (list []string) {
	for _, d := range h.doubts {
		list = append(list, strings.Join(d.cells, ", ")+": "+d.text)
	}
	return list
}

// is ends the hearing.
func (h *hearing) is(a Answer, reason string) { h.answer, h.reason = a, reason }

// among returns the first answer whose condition is true.
func among(holds, doesNot bool) Answer {
	switch {
	case doesNot:
		return DoesNotHold
	case holds:
		return Holds
	}
	return HoldsInPart
}

// overhead decides on how near the floor a plain WebSocket is, and whether
// Socket.IO costs more.
func overhead(h *hearing) {
	near, far := true, false
	var costs, late, doubtful []string // by case: CPU, latencies and which of these are in doubt
	for _, name := range []string{"steady", "fan-out"} {
		if _, there := h.try("broadcast", name, goPlain, unitCPU); !there && name != "steady" {
			continue
		}
		cpu := h.needRatio("broadcast", name, unitCPU, goPlain, floorStack)
		p50 := h.needRatio("broadcast", name, unitP50, goPlain, floorStack)
		decide := []Ratio{cpu}
		late = append(late, plainTimes(p50)+" in "+name)
		if len(p50.Over.Doubts)+len(p50.Under.Doubts) > 0 {
			doubtful = append(doubtful, name)
		} else {
			decide = append(decide, p50)
		}
		for _, r := range decide {
			near = near && r.High < NearFloor
			far = far || r.Low >= NearFloor
		}
		costs = append(costs, fullTimes(cpu)+" in "+name)
		h.citeRatio(cpu, "server CPU per delivery")
		h.citeRatio(p50, "median latency")
	}
	bytes := h.needRatio("broadcast", "steady", unitBytes, goSocketIO, goPlain)
	cost := h.needRatio("broadcast", "steady", unitCPU, goSocketIO, goPlain)
	if !h.ok() {
		return
	}
	h.citeRatio(cost, "server CPU per delivery")
	h.citeRatio(bytes, "bytes per delivery")
	if allocs, ok := h.tryRatio("broadcast", "steady", unitAllocs, goSocketIO, goPlain); ok {
		h.citeRatio(allocs, "allocations per delivery")
	}
	if late, ok := h.tryRatio("broadcast", "steady", unitP50, goSocketIO, goPlain); ok {
		h.citeRatio(late, "median latency")
	}
	// At a low rate a core mostly wakes up, which is the same for all.
	for _, pair := range [][2]string{{goSocketIO, goPlain}, {nodeSocketIO, nodePlain}} {
		if r, ok := h.tryRatio("broadcast", "echo", unitCPU, pair[0], pair[1]); ok {
			h.citeRatio(r, "server CPU per delivery, with one client")
		}
	}
	more, less := costsMore(cost), costsLess(cost)
	same := within(bytes, SameBytes)
	beside := "takes " + costTimes(cost) + " the CPU of a plain WebSocket in Go"
	if node, ok := h.tryRatio("broadcast", "steady", unitCPU, nodeSocketIO, nodePlain); ok {
		more, less = more && costsMore(node), less && costsLess(node)
		h.citeRatio(node, "server CPU per delivery")
		beside += ", " + costTimes(node) + " in Node"
		if b, ok := h.tryRatio("broadcast", "steady", unitBytes, nodeSocketIO, nodePlain); ok {
			same = same && within(b, SameBytes)
			h.citeRatio(b, "bytes per delivery")
		}
	}
	if len(doubtful) > 0 {
		beside += fmt.Sprintf(". The latency in %s was largely the load generator's own and does not count, and without it no more can be said", strings.Join(doubtful, " and "))
	}
	h.whose = h.attribute("steady", unitCPU) + " That the bytes differ at all is the chat's envelope, not the frames, which are the same."
	h.is(among(near && more && same && len(doubtful) == 0, far || less), fmt.Sprintf("in Go a plain WebSocket takes %s the CPU of bare TCP writes of the same bytes (waking up is in both), and Socket.IO on websocket %s; "+
		"the median latency is %s; Socket.IO takes %s the bytes",
		strings.Join(costs, " and "), beside, strings.Join(late, ", "), plainTimes(bytes)))
}

// plainTimes is a ratio without its interval and without the mark that says that
// it is no difference.
func plainTimes(r Ratio) string {
	text, _, _ := strings.Cut(r.Text, " (")
	return strings.TrimPrefix(text, "~")
}

// costTimes is the same and says in words if it is no difference.
func costTimes(r Ratio) string {
	if r.Differs {
		return plainTimes(r)
	}
	return plainTimes(r) + " (no difference that can be told)"
}

func costsMore(r Ratio) bool { return r.Differs && r.Estimate > 1 }
func costsLess(r Ratio) bool { return r.Differs && r.Estimate < 1 }

// within reports whether two sides lie no further apart than that share.
func within(r Ratio, share float64) bool { return r.Low >= 1-share && r.High <= 1+share }

// attribute says whose the difference is in a case, with the Node pair as the
// control: what both runtimes have is the protocol's.
func (h *hearing) attribute(name, unit string) string {
	inGo, ok := h.tryRatio("broadcast", name, unit, goSocketIO, goPlain)
	node, there := h.tryRatio("broadcast", name, unit, nodeSocketIO, nodePlain)
	switch {
	case !ok || !there:
		return "Not told apart: the Node pair, where the server is Socket.IO's own, was not measured."
	case inGo.Low <= node.High && inGo.High >= node.Low:
		return fmt.Sprintf("Not told apart: Go %s, Node %s.", inGo.Text, node.Text)
	}
	text := fmt.Sprintf("Socket.IO's own server, on Node: %s; go-socket.io, in Go: %s.", node.Text, inGo.Text)
	library, ok := h.tryRatio("broadcast", name, unit, goSocketIO, nodeSocketIO)
	raw, there := h.tryRatio("broadcast", name, unit, goPlain, nodePlain)
	if ok && there {
		h.citeRatio(library, "server CPU per delivery")
		h.citeRatio(raw, "server CPU per delivery")
		text += fmt.Sprintf(" The two differ in their runtimes, too: go-socket.io takes %s of socket.io's CPU, and rawws %s of ws's.", library.Text, raw.Text)
	}
	return text
}

// singleConnection decides on what is opened until a message can be sent, and
// whether both directions share it.
func singleConnection(h *hearing) {
	one, many := true, false
	check := func(f Figure, want float64) {
		one = one && f.Max == want && f.Min == want
		many = many || f.Median > want
	}
	for _, stack := range []string{goPlain, jsPlain, nodePlain} {
		if _, there := h.try("broadcast", "connect", stack, unitConns); !there && stack != goPlain {
			continue
		}
		conns, reqs := h.need("broadcast", "connect", stack, unitConns), h.need("broadcast", "connect", stack, unitRequests)
		check(conns, 1)
		check(reqs, 1)
		h.cite(conns, count(conns.Median, "connection"))
		h.cite(reqs, count(reqs.Median, "HTTP request"))
	}
	for _, stack := range []string{goPlain, nodePlain} {
		if _, there := h.try("broadcast", "both-ways", stack, unitNewConns); !there && stack != goPlain {
			continue
		}
		added := h.need("broadcast", "both-ways", stack, unitNewConns)
		check(added, 0)
		h.cite(added, count(added.Median, "new connection")+" while clients send and receive at once, and every message arrived")
	}
	if !h.ok() {
		return
	}
	text := "1 connection and 1 request until it can send, and no more while both sides send at once"
	if !one {
		text = "not at every attempt, or more are opened while both sides send"
	}
	if f, ok := h.try("broadcast", "connect", goSocketIO, unitConns); ok {
		h.cite(f, count(f.Median, "connection"))
		text += fmt.Sprintf("; Socket.IO on websocket only takes %s as well", digits(f.Median))
	}
	var orders []string
	for _, stack := range []string{jsDefault, nodeDefault} {
		conns, ok := h.try("broadcast", "connect", stack, unitConns)
		reqs, there := h.try("broadcast", "connect", stack, unitRequests)
		if !ok || !there {
			continue
		}
		h.cite(conns, count(conns.Median, "connection"))
		h.cite(reqs, count(reqs.Median, "HTTP request"))
		orders = append(orders, fmt.Sprintf("%s and %s (%s)", count(conns.Median, "connection"), count(reqs.Median, "request"), stack))
	}
	h.whose = "The WebSocket's: Socket.IO has it, too, where it is told to use a websocket only."
	if len(orders) > 0 {
		text += ", in its default order " + strings.Join(orders, " or ")
		h.whose += " That its default order takes more is Socket.IO's, on both servers: it begins with polling. How many connections that are is the client's: in Node it opens one for each poll, a browser keeps them."
	}
	h.is(among(one, many), text)
}

// oneCall decides on what a broadcast takes in code.
func oneCall(h *hearing) {
	all, none := true, true
	var hand, costs, sends []string
	for _, pair := range [][3]string{{goPlain, goSocketIO, "Go"}, {nodePlain, nodeSocketIO, "Node"}} {
		plain, sio, where := pair[0], pair[1], pair[2]
		own, library := h.needBoth("size", "chat", unitByHand, plain, sio)
		needs := library.Median
		h.cite(own, count(own.Median, "statement")+" under the mark that says by hand")
		h.cite(library, count(library.Median, "statement")+" by hand")
		if made, ok := h.try("size", "chat", sio, unitMadeUp); ok {
			needs += made.Median
			h.cite(made, count(made.Median, "statement")+" that make up for something missing")
		}
		fewer := needs < own.Median
		all, none = all && fewer, none && !fewer
		hand = append(hand, fmt.Sprintf("%s with Socket.IO, %s with a plain WebSocket in %s", digits(needs), digits(own.Median), where))
		if _, there := h.try("broadcast", "fan-out", sio, unitCPU); !there && where != "Go" {
			continue
		}
		segments, other := h.needBoth("broadcast", "fan-out", unitSegments, sio, plain)
		h.cite(segments, digits(segments.Median)+" segments for each delivery, both ways")
		h.cite(other, digits(other.Median)+" segments for each delivery, both ways")
		if len(sends) == 0 {
			sends = append(sends, fmt.Sprintf("%s TCP segments, both directions counted, with Socket.IO and %s with a plain WebSocket in Go", digits(segments.Median), digits(other.Median)))
		} else {
			sends = append(sends, fmt.Sprintf("%s and %s in %s", digits(segments.Median), digits(other.Median), where))
		}
		if cost, ok := h.tryRatio("broadcast", "fan-out", unitCPU, sio, plain); ok {
			h.citeRatio(cost, "server CPU per delivery")
			costs = append(costs, costTimes(cost)+" in "+where)
		}
		if late, ok := h.tryRatio("broadcast", "fan-out", unitP50, sio, plain); ok {
			h.citeRatio(late, "median latency")
		}
	}
	if !h.ok() {
		return
	}
	h.whose = "That there is one call, and that it sends to each receiver by itself, is Socket.IO's. What that costs: " + lower(h.attribute("fan-out", unitCPU))
	wire := "a delivery takes " + strings.Join(sends, ", ")
	if len(costs) > 0 {
		wire += fmt.Sprintf("; it takes %s of a plain WebSocket's CPU per delivery", strings.Join(costs, " and "))
	}
	h.is(among(all, none), fmt.Sprintf("one call in the code, with fewer statements by hand (%s), and still a send to each receiver: %s; with a plain WebSocket the list, the queues and the heartbeat are by hand; "+
		"counted is what stands under the marks: in Go that is also reading, dispatch, acknowledgement and framing, which in Node stand above it, and with Socket.IO what only makes up for something that its library lacks",
		strings.Join(hand, ", "), wire))
	if !all {
		h.reason = fmt.Sprintf("Socket.IO does not take fewer statements by hand everywhere: %s; %s", strings.Join(hand, ", "), wire)
	}
}

// crossing is what became of a plain WebSocket and of Socket.IO on the paths.
type crossing struct {
	paths, balancers        int
	programs                int      // paths that came to the same as their twin, and are not counted again
	shut                    int      // paths on which no plain WebSocket works
	rescued, lost, unsticky []string // names of cases
	https, both, neither    int      // of the paths that are dialled by https
}

// cross reads the paths that both stacks were measured on.
func (h *hearing) cross(plain, sio string) (c crossing) {
	for _, name := range h.m.Cases("proxy") {
		// A balancer is asked for the first attempt, too: who needs ten has
		// not been served out of the box.
		w, s, ok := h.m.Both(Place{"proxy", name, plain, unitWorks}, sio)
		if !ok {
			continue
		}
		if _, end, balancer := h.m.Both(Place{"proxy", name, plain, unitStable}, sio); balancer {
			c.balancers++
			if w.Min == 1 && s.Min < 1 {
				c.unsticky = append(c.unsticky, name)
				h.cite(w, share(w.Median)+" work")
				h.cite(s, share(s.Median)+" work")
				h.cite(end, share(end.Median)+" in the end")
			}
			continue
		}
		facts := factsOf(name)
		if facts.Twin != "" {
			a, b, ok := h.m.Both(Place{"proxy", facts.Twin, plain, unitWorks}, sio)
			if ok && a.comesTo(w) && b.comesTo(s) {
				c.programs++
				continue
			}
		}
		secure := facts.Secure
		switch {
		case w.Max == 0 && s.Min == 1:
			c.rescued = append(c.rescued, name)
		case w.Min == 1 && s.Min < 1:
			c.lost = append(c.lost, name)
		case secure && w.Min == 1:
			c.both++
		case secure && w.Max == 0 && s.Max == 0:
			c.neither++
		}
		c.paths++
		if secure {
			c.https++
		}
		if w.Max == 0 {
			c.shut++
		}
		if w.Max == 0 || w.Median != s.Median || secure {
			h.cite(w, share(w.Median)+" work")
			h.cite(s, share(s.Median)+" work")
		}
	}
	return c
}

// comesTo reports whether two shares are the same in all rounds.
func (f Figure) comesTo(other Figure) bool { return f.Min == other.Min && f.Max == other.Max }

// pathsThat returns those of some paths of which that is so.
func pathsThat(names []string, is func(PathFacts) bool) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !is(factsOf(name)) })
}

// secured returns those of some paths that are dialled by https.
func secured(names []string) []string {
	return pathsThat(names, func(f PathFacts) bool { return f.Secure })
}

// others returns those of some paths whose proxy is not the site's own.
func others(names []string) []string {
	return pathsThat(names, func(f PathFacts) bool { return !f.Yours })
}

// scheme says by what the rescued paths are dialled, and whose they are.
func (c crossing) scheme() string {
	yours := len(c.rescued) - len(others(c.rescued))
	denied := len(pathsThat(c.rescued, func(f PathFacts) bool { return f.Denies }))
	text := "all over plain http"
	if n := len(secured(c.rescued)); n > 0 {
		text = fmt.Sprintf("%d over plain http and %d over https", len(c.rescued)-n, n)
	}
	if yours > 0 {
		text += fmt.Sprintf(", %d of them a reverse proxy that you set up yourself", yours)
	}
	if denied > 0 {
		text += fmt.Sprintf(", %d a forward proxy that denies CONNECT", denied)
	}
	return text
}

// tls says what became of the paths that are dialled by https.
func (c crossing) tls() string {
	if c.https == 0 {
		return "no path over https was measured"
	}
	text := fmt.Sprintf("of %s over https both work on %d", count(float64(c.https), "path"), c.both)
	if n := len(secured(c.rescued)); n > 0 {
		return text + fmt.Sprintf(", neither on %d and only Socket.IO on %d", c.neither, n)
	}
	return text + fmt.Sprintf(" and neither on %d", c.neither)
}

// proxies decides on the paths that let only one of the two through.
func proxies(h *hearing) {
	for _, name := range []string{"strip-upgrade", "forward-denied", "balance-robin"} {
		h.needBoth("proxy", name, unitWorks, nodePlain, nodeDefault)
	}
	if !h.ok() {
		return
	}
	node := h.cross(nodePlain, nodeDefault)
	text := fmt.Sprintf("of %s a plain WebSocket fails on %d, and Socket.IO on Node in its default order gets through %d of these over polling",
		count(float64(node.paths), "path"), node.shut, len(node.rescued))
	if len(node.rescued) > 0 {
		text += ": " + node.scheme()
	}
	if node.https > 0 {
		text += ". " + upper(node.tls())
	}
	if len(node.lost) > 0 {
		text += fmt.Sprintf(". It fails itself on %d where a plain WebSocket works", len(node.lost))
	}
	if len(node.unsticky) > 0 {
		text += fmt.Sprintf(". Where %s take nodes in turn a plain WebSocket works and it does not, until they are told to keep a client on its node", count(float64(len(node.unsticky)), "balancer"))
	}
	if list := slices.Concat(node.lost, node.unsticky); len(list) > 0 {
		text += "; these are " + strings.Join(list, ", ")
	}
	if kept := node.balancers - len(node.unsticky); kept > 0 {
		text += fmt.Sprintf("; behind %s both work", count(float64(kept), "other balancer"))
	}
	if node.programs > 0 {
		text += fmt.Sprintf("; %s through nginx, HAProxy or squid came to the same as these, and none counts again", count(float64(node.programs), "more path"))
	}
	text += "; no proxy that looks into TLS is among them"
	h.whose = "Socket.IO's: that it begins with polling, which gets through, and which needs all requests of a client on one node. A websocket only has neither, with Socket.IO as without."
	if len(node.rescued) == 0 {
		h.whose = "Neither's: no path lets only Socket.IO through."
	}
	if goes := h.cross(jsPlain, jsDefault); goes.paths > 0 {
		var extra []string
		for _, name := range slices.Concat(goes.lost, goes.unsticky) {
			if !slices.Contains(node.lost, name) && !slices.Contains(node.unsticky, name) {
				extra = append(extra, name)
			}
		}
		for _, name := range node.rescued {
			if !slices.Contains(goes.rescued, name) {
				extra = append(extra, name)
			}
		}
		if len(extra) > 0 {
			h.whose += fmt.Sprintf(" go-socket.io's: in this run %s where socket.io on Node does not fail (%s).", count(float64(len(extra)), "more case"), strings.Join(extra, ", "))
			swallow := slices.Contains(extra, PathSwallowDown)
			if len(extra) > 1 || !swallow {
				h.whose += " It loses connections while they upgrade: a race, which another run may lose elsewhere."
			}
			if swallow {
				h.whose += " On " + PathSwallowDown + " it gives polling up as soon as it has answered the probe."
			}
		}
	}
	h.is(among(len(node.lost)+len(node.unsticky) == 0, len(node.rescued) == 0), text)
}

// works reports whether the label of a way says that the chat works, without a
// loss.
func works(label string) bool {
	for _, prefix := range []string{"fails", "hangs", "ends", DiffersBetween} {
		if strings.HasPrefix(label, prefix) {
			return false
		}
	}
	return !strings.Contains(label, "; lost ")
}

// ways returns in how many ways to lose the WebSocket a stack works, of how
// many, and what becomes of it in them.
func (h *hearing) ways(stack string) (n, all int, seen []Figure) {
	for _, key := range h.m.Labels("fallback", "ways", stack) {
		way, ok := strings.CutPrefix(key, OutcomeOf)
		if !ok || way == "direct" {
			continue // there the WebSocket is not lost
		}
		f, ok := h.m.Label(Place{"fallback", "ways", stack, key})
		if !ok {
			continue
		}
		all++
		seen = append(seen, f)
		if works(f.Text) {
			n++
		}
	}
	return n, all, seen
}

// failing returns the ways in which a stack does not work, with what becomes of
// it: "cut (ends: closed)".
func failing(seen []Figure) (list []string) {
	for _, f := range seen {
		if !works(f.Text) {
			list = append(list, strings.TrimPrefix(f.Unit, OutcomeOf)+" ("+f.Text+")")
		}
	}
	return list
}

// stock returns which of two stacks stands for a client as it comes: the one that
// reconnects, where it was measured.
func (h *hearing) stock(back, without string) (stack string, reconnects bool) {
	if _, all, _ := h.ways(back); all > 0 {
		return back, true
	}
	return without, false
}

// named are the technologies that the claim names, and what Socket.IO calls
// them.
var named = []struct{ name, transport string }{
	{"Flash Socket", "flashsocket"},
	{"AJAX long polling", Polling},
	{"AJAX multipart streaming", XHRMultipart},
}

// fallback decides on the ways to lose a WebSocket.
func fallback(h *hearing) {
	stack, reconnects := h.stock(nodeDefaultBack, nodeDefault)
	n, all, seen := h.ways(stack)
	if all == 0 {
		h.lack(h.m.Why(Place{"fallback", "ways", nodeDefault, unitWorks}))
		return
	}
	over := make(map[string]bool)
	for _, f := range seen {
		h.cite(f, strings.TrimPrefix(f.Unit, OutcomeOf)+": "+f.Text)
		if works(f.Text) {
			for t := range strings.SplitSeq(f.Text, ", then ") {
				carrier, _, _ := strings.Cut(t, ",")
				over[carrier] = true
			}
		}
	}
	var present, absent []string
	for _, t := range named {
		if over[t.transport] {
			present = append(present, t.name)
		} else {
			absent = append(absent, t.name)
		}
	}
	text := fmt.Sprintf("on Node, in its default order, it works in %d of %d ways to lose the WebSocket", n, all)
	if !reconnects {
		text += " (with reconnection, which is on by default, switched off)"
	}
	if len(present) > 0 {
		text += ", over " + strings.Join(present, ", ")
	}
	if len(absent) > 0 {
		text += ", never over " + strings.Join(absent, " or ")
	}
	if list := failing(seen); len(list) > 0 {
		text += "; it does not in " + strings.Join(list, ", ")
		if !reconnects {
			text += ": a client that reconnects may come back"
		}
	}
	if reconnects {
		if m, of, without := h.ways(nodeDefault); of > 0 && m < n {
			for _, f := range without {
				h.cite(f, strings.TrimPrefix(f.Unit, OutcomeOf)+": "+f.Text)
			}
			text += fmt.Sprintf("; with reconnection switched off it works in %d, not in %s: what comes back is a new session", m, strings.Join(failing(without), ", "))
		}
	}
	var lines []string
	for _, s := range []struct{ stack, what string }{
		{nodeFirst, "a WebSocket first"}, {nodeAll, "the same with tryAllTransports"},
		{goPlain, "a plain WebSocket"}, {plainFallback, "a plain WebSocket with a fallback by hand"},
	} {
		if n, all, seen := h.ways(s.stack); all > 0 {
			for _, f := range seen {
				h.cite(f, strings.TrimPrefix(f.Unit, OutcomeOf)+": "+f.Text)
			}
			lines = append(lines, fmt.Sprintf("%s works in %d", s.what, n))
		}
	}
	if len(lines) > 0 {
		text += "; beside it " + strings.Join(lines, ", ")
	}
	h.whose = "Socket.IO's: that it starts on polling, and that an open session that has gone over to the WebSocket does not go back: a new one, by reconnection, begins on polling again. Set to a WebSocket first it does not fall back, or only after an error."
	js := jsDefault
	if reconnects {
		js, _ = h.stock(jsDefaultBack, jsDefault)
	}
	if m, all, other := h.ways(js); all > 0 {
		var own []Figure // in which Node works
		for _, f := range other {
			h.cite(f, strings.TrimPrefix(f.Unit, OutcomeOf)+": "+f.Text)
			if slices.ContainsFunc(seen, func(g Figure) bool { return g.Unit == f.Unit && works(g.Text) }) {
				own = append(own, f)
			}
		}
		h.whose += fmt.Sprintf(" go-socket.io works in %d of %d", m, all)
		if list := failing(own); len(list) > 0 && (js == jsDefaultBack) == reconnects {
			h.whose += ", and where socket.io on Node works not in " + strings.Join(list, ", ") + ": that is its own"
		}
		h.whose += "."
	}
	h.is(among(n == all && len(absent) == 0, float64(n) <= MostWays*float64(all)), text)
}

// reconnect decides on who comes back.
func reconnect(h *hearing) {
	never, always, restarted := true, true, true
	faults := []string{"reset", "silent"}
	tried := make(map[string]int) // how often, with Socket.IO
	lost := 0.0
	var losses []string
	misses := func(name string) {
		down, up := h.need("reconnect", name, nodeBack, unitLostDown), h.need("reconnect", name, nodeBack, unitLostUp)
		lost += down.Median + up.Median
		h.cite(down, digits(down.Median)+" lost on the way to a client, for each fault")
		h.cite(up, digits(up.Median)+" lost on the way from it")
		losses = append(losses, fmt.Sprintf("%s (%s)", digits(down.Median+up.Median), name))
		tried[name] = down.N
	}
	for _, name := range faults {
		plain, sio := h.needBoth("reconnect", name, unitBack, goPlain, nodeBack)
		never = never && plain.Max == 0
		always = always && sio.Min == 1
		h.cite(plain, share(plain.Median)+" come back")
		h.cite(sio, share(sio.Median)+" come back")
		misses(name)
	}
	if f, ok := h.try("reconnect", "restart", nodeBack, unitBack); ok {
		restarted = f.Min == 1
		faults = append(faults, "restart")
		h.cite(f, share(f.Median)+" come back")
		misses("restart")
	}
	if !h.ok() {
		return
	}
	within := ""
	if f, ok := h.m.Label(Place{"reconnect", "silent", goPlain, labelNever}); ok {
		if _, limit, ok := strings.Cut(f.Text, "within "); ok {
			if d, err := time.ParseDuration(limit); err == nil {
				within = fmt.Sprintf(" (it was waited for %s s)", digits(d.Seconds()))
			}
		}
	}
	text := "a plain WebSocket does not come back"
	if !never {
		text = "a plain WebSocket comes back"
	}
	text += within + ", and socket.io-client"
	switch {
	case !always:
		text += " did not always"
	case !restarted:
		text += fmt.Sprintf(" did after each of %s, but not after each restart of the server", count(float64(tried["reset"]+tried["silent"]), "fault"))
	default:
		text += fmt.Sprintf(" did after each of %s", count(float64(tried["reset"]+tried["silent"]+tried["restart"]), "fault"))
	}
	if lost > 0 {
		text += ", without what was said meanwhile"
	}
	text += "; after " + strings.Join(faults, ", ")
	if f, ok := h.try("reconnect", "silent", nodeBack, unitBack); ok && clientsOf(f.Full) != "" {
		text += fmt.Sprintf(", %s clients each", clientsOf(f.Full))
	}
	if lost > 0 {
		text += "; lost, the medians of both ways added, are " + strings.Join(losses, ", ") + " messages a fault, at that case's rate and timers"
	}
	if f, ok := h.try("reconnect", "silent", plainBack, unitBack); ok && f.Min == 1 {
		h.cite(f, share(f.Median)+" come back, by hand")
		text += "; with a reconnect by hand a plain WebSocket comes back as well"
	}
	h.whose = "Socket.IO's: its clients in JavaScript come back by themselves."
	for _, s := range []struct{ stack, not string }{
		{jsBack, " To go-socket.io they do not always."},
		{goSocketIO, " go-socket.io has no client in Go: between programs in Go the return is by hand, as with a plain WebSocket."},
	} {
		for _, name := range faults {
			f, ok := h.try("reconnect", name, s.stack, unitBack)
			if !ok {
				continue
			}
			h.cite(f, share(f.Median)+" come back")
			if f.Min < 1 && !strings.Contains(h.whose, s.not) {
				h.whose += s.not
			}
		}
	}
	h.is(among(restarted, !never || !always), text)
}

// api decides on how much code the same chat takes.
func api(h *hearing) {
	easier, none := true, true
	var texts [3][]string // by unit
	for _, pair := range [][3]string{{goPlain, goSocketIO, "Go"}, {nodePlain, nodeSocketIO, "Node"}} {
		raw, sio, where := pair[0], pair[1], pair[2]
		if _, there := h.try("size", "chat", sio, unitLines); !there && where != "Go" {
			continue
		}
		var pairs [3][2]Figure
		for i, unit := range []string{unitLines, unitHard, unitNames} {
			pairs[i][0], pairs[i][1] = h.needBoth("size", "chat", unit, raw, sio)
			for _, f := range pairs[i] {
				h.cite(f, digits(f.Median)+" "+[]string{"statements", "of cognitive complexity", "names of the library"}[i])
			}
		}
		less := func(by float64) bool {
			return pairs[0][1].Median <= (1-by)*pairs[0][0].Median && pairs[1][1].Median <= (1-by)*pairs[1][0].Median
		}
		easier, none = easier && less(MuchLessCode), none && !less(LessCode)
		for i, p := range pairs {
			texts[i] = append(texts[i], fmt.Sprintf("%s for %s in %s", digits(p[1].Median), digits(p[0].Median), where))
		}
	}
	if !h.ok() {
		return
	}
	list := func(of []string) string { return strings.Join(of, ", ") }
	text := fmt.Sprintf("by count Socket.IO takes fewer statements than a plain WebSocket (%s) and has less complexity (%s), but more names of the library to know (%s)",
		list(texts[0]), list(texts[1]), list(texts[2]))
	if none {
		text = fmt.Sprintf("by count, Socket.IO for a plain WebSocket: statements %s, complexity %s, names of the library %s", list(texts[0]), list(texts[1]), list(texts[2]))
	}
	h.whose = "Socket.IO's: what its library has and a plain WebSocket leaves to you, rooms, queues and heartbeat, and the names one has to know for it. The functions and message types that a plain side makes up for itself are not counted."
	if f, ok := h.try("size", "chat", goSocketIO, unitMadeUp); ok {
		h.cite(f, count(f.Median, "statement")+" that make up for something missing")
		h.whose += fmt.Sprintf(" go-socket.io's: %s of the %s only make up for something that it lacks.", count(f.Median, "statement"), "Go side")
	}
	// That of reconnect is left out: only one side of it has sessions that go on.
	plain, ok := h.try("size", "fallback", goPlain, unitByHand)
	if sio, there := h.try("size", "fallback", goSocketIO, unitLines); ok && there {
		h.cite(plain, count(plain.Median, "statement")+" by hand")
		h.cite(sio, count(sio.Median, "statement"))
		text += fmt.Sprintf("; a fallback to polling is %s by hand in Go, and %s with Socket.IO", digits(plain.Median), digits(sio.Median))
	}
	h.is(among(easier, none), text)
}

// digits returns a figure as it is read: whole, or with a digit after the point.
func digits(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// count returns "1 connection" or "4 connections".
func count(v float64, noun string) string {
	if v == 1 {
		return "1 " + noun
	}
	return digits(v) + " " + noun + "s"
}

// share returns a share in percent.
func share(v float64) string { return digits(100*v) + " %" }

// upper returns a clause as a sentence.
func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }

// lower returns a sentence as the continuation of another.
func lower(text string) string {
	if text == "" || strings.HasPrefix(text, "Socket.IO") {
		return text
	}
	return strings.ToLower(text[:1]) + text[1:]
}
