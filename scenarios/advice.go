package scenarios

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// What is chosen. Where it stands on the runtime the text says so.
const (
	choosePlain    = "a plain WebSocket"
	chooseSocketIO = "Socket.IO"
	chooseEither   = "either"
	undecided      = "not decided"
)

// situation is one in which somebody has to choose.
type situation struct {
	text   string
	run    string // the command that measures what is read
	rule   string // in words, with its thresholds
	decide func(*hearing) (choice string)
}

// situations are those that advice is given for, in the order of the reports.
func situations() []situation {
	const broadcast = "compare -scenario broadcast"
	return []situation{
		{"browser clients behind unknown proxies", "compare -scenario proxy -case tls,strip-upgrade,strip-upgrade-tls,forbid-upgrade,forward-denied,forward-denied-tls,balance-robin",
			"By the paths that let only one of the two through and whose proxy is not the site's own, which can be set up otherwise; those over https and those over plain http by themselves. " +
				"More for Socket.IO on Node in its default order: Socket.IO. More for a plain WebSocket: that. Else: either.", behindProxies},
		{"a Go backend (Socket.IO is go-socket.io 1.7 here)", broadcast + ",reconnect",
			byCPURule("steady") + " That go-socket.io is archived is told beside it and does not decide.", goBackend},
		{"a Node backend", broadcast + ",reconnect",
			byCPURule("steady") + " Where that leaves either, by who comes back after a silence: if all of Socket.IO's clients do and those of a plain WebSocket with a heartbeat by hand do not, or " +
				"were not measured: Socket.IO. If it is the other way round: a plain WebSocket. Else: either.", nodeBackend},
		{"high fan-out", broadcast, byCPURule("fan-out, on each runtime"), highFanOut},
		{"many idle clients", broadcast + " -case idle",
			"By the memory of the server for an idle client, with as many of them as both were measured with, on each runtime. Who takes at least 20 % less: that. Else: either.", manyIdle},
		{"must not lose messages", "compare -scenario reconnect",
			"What lost no message in any reset or silence of any run, neither way, bridges a short break. If a restart of the server took messages even so, or was not measured, what must not be lost has to be stored outside of the chat server.", noLoss},
		{"several nodes behind a balancer", "compare -scenario proxy -case balance-robin,balance-cookie,rooms",
			"What works for all clients where nodes are taken in turn: both: either; one of the two: that; none: either with sticky sessions. Whose nodes do not hear each other after Redis has been away " +
				"is named as an exception.", severalNodes},
	}
}

// byCPURule is the rule of byCPU in words.
func byCPURule(where string) string {
	return "By the server CPU per delivery in " + where + ": whoever takes 2 times as much as the other or more, by the whole of the interval, is not chosen. If neither does, by the whole of it: either. " +
		"If 2 times lies within it: not decided."
}

// byCPU chooses by what Socket.IO takes, times a plain WebSocket.
func byCPU(r Ratio) string {
	switch {
	case r.Low >= MuchCPU:
		return choosePlain
	case r.High <= 1/MuchCPU:
		return chooseSocketIO
	case r.High < MuchCPU && r.Low > 1/MuchCPU:
		return chooseEither
	}
	return undecided
}

// onEach puts together what is chosen in Go and in Node.
func onEach(inGo, node string) string {
	if inGo == node {
		return inGo
	}
	return "in Go " + inGo + ", in Node " + node
}

// Advise returns what to choose in each situation.
func Advise(m Measured) []Advice {
	var list []Advice
	for _, s := range situations() {
		h := hearing{m: m}
		a := Advice{Situation: s.text, Rule: s.rule, Choice: s.decide(&h)}
		a.Reason, a.Evidence, a.Doubts = h.reason, h.evidence, h.inDoubt()
		if !h.ok() || a.Choice == "" {
			a.Choice, a.Reason, a.Doubts = "", h.lacks()+"; to measure it: "+s.run, nil
		}
		list = append(list, a)
	}
	return list
}

// behindProxies chooses by the paths that let only one of the two through.
func behindProxies(h *hearing) string {
	for _, name := range []string{"strip-upgrade", "forward-denied"} {
		h.needBoth("proxy", name, unitWorks, nodePlain, nodeDefault)
	}
	if !h.ok() {
		return ""
	}
	c := h.cross(nodePlain, nodeDefault)
	by := func(rescued, lost int) string {
		switch {
		case rescued > lost:
			return chooseSocketIO + " on Node in its default order (sticky sessions with several nodes)"
		case rescued < lost:
			return choosePlain
		}
		return chooseEither
	}
	rescued, lost := others(c.rescued), others(c.lost)
	choice := "over plain http: " + by(len(rescued)-len(secured(rescued)), len(lost)-len(secured(lost)))
	if c.https > 0 {
		choice = "over https: " + by(len(secured(rescued)), len(secured(lost))) + "; " + choice
	}
	h.reason = fmt.Sprintf("with clients in Node on %d of %s only Socket.IO works", len(c.rescued), count(float64(c.paths), "path"))
	if len(c.rescued) > 0 {
		h.reason += ", by polling: " + c.scheme()
	}
	h.reason += ". A page on https can use https alone: " + c.tls() + ", and no proxy that looks into TLS was measured"
	if len(others(c.rescued)) < len(c.rescued) {
		h.reason += ". Where the proxy is yours, pass the upgrade on instead"
	}
	if b := h.cross(nodePlainPage, nodePage); b.paths > 0 {
		h.reason += fmt.Sprintf("; with pages in Chromium only Socket.IO works on %d of %s", len(b.rescued), count(float64(b.paths), "path"))
	}
	if n, all, _ := h.ways(plainFallback); all > 0 {
		h.reason += fmt.Sprintf("; a fallback by hand works in %d of %d ways to lose the WebSocket", n, all)
		stack, reconnects := h.stock(nodeDefaultBack, nodeDefault)
		if m, all, _ := h.ways(stack); all > 0 {
			h.reason += fmt.Sprintf(", Socket.IO in %d", m)
			if !reconnects {
				h.reason += " with its reconnection switched off"
			}
		}
		if f, ok := h.try("size", "fallback", goPlain, unitByHand); ok {
			h.cite(f, count(f.Median, "statement")+" by hand")
			h.reason += fmt.Sprintf(", and takes %s in Go", count(f.Median, "statement"))
		}
	}
	return choice
}

// goBackend chooses by what go-socket.io costs.
func goBackend(h *hearing) string {
	cost := h.needRatio("broadcast", "steady", unitCPU, goSocketIO, goPlain)
	if !h.ok() {
		return ""
	}
	h.citeRatio(cost, "server CPU per delivery")
	h.reason = "go-socket.io takes " + fullTimes(cost) + " the CPU per delivery"
	if memory, other, ok := h.tryBoth("broadcast", "idle", unitMemory, goSocketIO, goPlain); ok {
		h.reason += fmt.Sprintf(" and %s of memory for an idle client against %s", memory.Text, other.Text)
	}
	h.reason += ", is archived (2024-09-29) and refuses clients of Socket.IO 3 and 4; no mobile client and no other server for Socket.IO in Go was measured"
	byHand := ""
	if own, other, ok := h.tryBoth("reconnect", "reset", unitBack, goSocketIO, goPlain); ok && own.Max == 0 && other.Max == 0 {
		h.reason += "; neither has a client in Go that comes back by itself"
		byHand = ", with reconnection and heartbeat by hand"
	}
	if own, other, ok := h.tryBoth("broadcast", "slow-reader", unitStall, goSocketIO, goPlain); ok {
		h.reason += fmt.Sprintf("; one slow reader makes the others wait %s, with a plain WebSocket %s", own.Text, other.Text)
	}
	if choice := byCPU(cost); choice != choosePlain {
		return choice
	}
	return choosePlain + byHand
}

// tryBoth returns the figures of two stacks in one case of one run and cites
// them.
func (h *hearing) tryBoth(scenario, name, unit, one, other string) (a, b Figure, ok bool) {
	a, b, ok = h.m.Both(Place{scenario, name, one, unit}, other)
	if ok {
		h.cite(a, a.Text)
		h.cite(b, b.Text)
	}
	return a, b, ok
}

// nodeBackend chooses by what a delivery costs, and where that leaves either, by
// who comes back.
func nodeBackend(h *hearing) string {
	cost := h.needRatio("broadcast", "steady", unitCPU, nodeSocketIO, nodePlain)
	h.need("reconnect", "silent", nodeBack, unitBack)
	if !h.ok() {
		return ""
	}
	h.citeRatio(cost, "server CPU per delivery")
	h.reason = "Socket.IO takes " + fullTimes(cost) + " the CPU per delivery"
	if memory, other, ok := h.tryBoth("broadcast", "idle", unitMemory, nodeSocketIO, nodePlain); ok {
		h.reason += fmt.Sprintf(" and %s of memory for an idle client against %s", memory.Text, other.Text)
	}
	text, always := h.cameBack(nodeBack)
	h.reason += fmt.Sprintf(". After silences %s came back with Socket.IO", text)
	text, byHand := h.cameBack(plainBack)
	if text != "" {
		h.reason += fmt.Sprintf(", %s with a plain WebSocket and a heartbeat by hand (measured with server and client in Go: in Node none was written, and a page cannot send pings, so that there it has to be messages)", text)
	}
	if text, _ := h.cameBack("rawws-node-reconnect"); text != "" {
		h.reason += fmt.Sprintf(", %s with reconnecting-websocket, which has no heartbeat", text)
	}
	if d, ok := h.difference(nodeSocketIO, nodePlain); ok {
		h.reason += fmt.Sprintf("; at %s deliveries%s a second the difference is a tenth of a core", span(d, 1), sizeOf(d.Over.Full))
	}
	const needs = "; a plain WebSocket then needs reconnection with a heartbeat by hand"
	choice := byCPU(cost)
	switch {
	case choice != chooseEither:
		return choice
	case always && byHand:
		return chooseEither + needs
	case always:
		return chooseSocketIO
	case byHand:
		return choosePlain + ", with reconnection and a heartbeat by hand"
	}
	return chooseEither
}

// cameBack says after how many silences the clients of a stack came back in all runs,
// "8 of 8", and whether they always did; "" if none was measured. What they lost is
// told of each silence, and so how many there were.
func (h *hearing) cameBack(stack string) (text string, always bool) {
	faults := make(map[int]int) // by run
	for _, f := range h.m.All(Place{"reconnect", "silent", stack, unitLostDown}) {
		faults[f.Run] = f.N
	}
	back, all := 0.0, 0
	for i, f := range h.m.All(Place{"reconnect", "silent", stack, unitBack}) {
		h.cite(f, share(f.Median)+" come back")
		always = (always || i == 0) && f.Min == 1
		if n := faults[f.Run]; n > 0 {
			back += math.Round(f.Median * float64(n))
			all += n
		} else {
			text = share(f.Median)
		}
	}
	if all > 0 {
		text = fmt.Sprintf("%s of %d", digits(back), all)
	}
	return text, always
}

// highFanOut chooses by the CPU per delivery, on each runtime.
func highFanOut(h *hearing) string {
	cost := h.needRatio("broadcast", "fan-out", unitCPU, goSocketIO, goPlain)
	if !h.ok() {
		return ""
	}
	h.citeRatio(cost, "server CPU per delivery")
	choice := byCPU(cost)
	h.reason = fmt.Sprintf("to %s clients Socket.IO takes %s the CPU per delivery in Go", clientsOf(cost.Over.Full), fullTimes(cost))
	if node, ok := h.tryRatio("broadcast", "fan-out", unitCPU, nodeSocketIO, nodePlain); ok {
		h.citeRatio(node, "server CPU per delivery")
		choice = onEach(choice, byCPU(node))
		h.reason += " and " + fullTimes(node) + " in Node"
	}
	h.reason += fmt.Sprintf(" (what takes %s times or more, by the whole interval, is not chosen)", digits(MuchCPU))
	if own, other, ok := h.tryBoth("broadcast", "saturation", unitRate, goPlain, goSocketIO); ok {
		h.reason += fmt.Sprintf("; saturated, a server in Go delivers %s with a plain WebSocket, which writes at once what has queued up, and %s with Socket.IO", own.Text, other.Text)
	}
	return choice
}

// fullTimes is a ratio with its interval.
func fullTimes(r Ratio) string { return strings.TrimPrefix(r.Text, "~") }

// clientsOf returns the number of clients in a case, as its name has it.
func clientsOf(full string) string {
	_, rest, _ := strings.Cut(full, "clients=")
	n, _, _ := strings.Cut(rest, "/")
	return n
}

// sizeOf returns the size of a message in a case, as its name has it: " of 128 B".
func sizeOf(full string) string {
	_, rest, ok := strings.Cut(full, "/size=")
	if !ok {
		return ""
	}
	n, _, _ := strings.Cut(rest, "/")
	return " of " + n + " B"
}

// manyIdle chooses the lesser memory of an idle client, on each runtime.
func manyIdle(h *hearing) string {
	plain, sio := h.needBoth("broadcast", "idle", unitMemory, goPlain, goSocketIO)
	if !h.ok() {
		return ""
	}
	choose := func(plain, sio Figure) string {
		switch {
		case plain.Median <= (1-LessMemory)*sio.Median:
			return choosePlain
		case sio.Median <= (1-LessMemory)*plain.Median:
			return chooseSocketIO
		}
		return chooseEither
	}
	h.cite(plain, plain.Text)
	h.cite(sio, sio.Text)
	choice := choose(plain, sio)
	h.reason = fmt.Sprintf("with %s clients an idle one takes %s of the server process with a plain WebSocket and %s with Socket.IO in Go", clientsOf(plain.Full), plain.Text, sio.Text)
	once := plain.N == 1
	if p, s, ok := h.tryBoth("broadcast", "idle", unitMemory, nodePlain, nodeSocketIO); ok {
		choice = onEach(choice, choose(p, s))
		once = once || p.N == 1
		h.reason += fmt.Sprintf(", %s and %s in Node", p.Text, s.Text)
		// Figures of two cases are not of the same number of clients.
		if p.Full != plain.Full || p.Run != plain.Run {
			h.reason += fmt.Sprintf(" with %s", clientsOf(p.Full))
		}
	}
	if once {
		h.reason += ", measured once"
	}
	h.reason += " (the kernel's sockets come on top)"
	return choice
}

// noLoss chooses the stacks of which no fault of any run took a message, either
// way, for as long as a server lives.
func noLoss(h *hearing) string {
	for _, name := range []string{"reset", "silent"} {
		for _, unit := range []string{unitLostDown, unitLostUp} {
			h.needBoth("reconnect", name, unit, plainResume, nodeRetries)
		}
	}
	if !h.ok() {
		return ""
	}
	// most returns what a fault took at most, in all runs, and of how many faults
	// that is.
	most := func(stack, name string) (lost float64, faults int) {
		for _, unit := range []string{unitLostDown, unitLostUp} {
			n := 0
			for _, f := range h.m.All(Place{"reconnect", name, stack, unit}) {
				h.cite(f, digits(f.Max)+" lost in a fault at most")
				lost = max(lost, f.Max)
				n += f.N
			}
			faults = max(faults, n)
		}
		return lost, faults
	}
	keepers := []struct{ stack, choice, what string }{
		{plainResume, "a plain WebSocket with sessions that go on, by hand", "by hand"},
		{nodeRetries, "socket.io 4 with recovery and retries", "with retries"},
	}
	var choices, lasting []string // what bridges a break, and what a restart of the server as well
	var kept, took, restarts, notes []string
	for _, k := range keepers {
		resets, n := most(k.stack, "reset")
		silences, m := most(k.stack, "silent")
		tried := fmt.Sprintf("%s and %s", count(float64(n), "reset"), count(float64(m), "silence"))
		lost := max(resets, silences)
		choice := k.choice
		if lost > 0 {
			took = append(took, fmt.Sprintf("%s up to %s (in %s)", k.what, count(lost, "message"), tried))
		} else {
			kept = append(kept, fmt.Sprintf("%s in %s", k.what, tried))
			twice := 0.0
			for _, name := range []string{"reset", "silent"} {
				for _, f := range h.m.All(Place{"reconnect", name, k.stack, unitTwice}) {
					h.cite(f, digits(f.Max)+" delivered twice")
					twice = max(twice, f.Max)
				}
			}
			if twice > 0 {
				choice += ", which may deliver twice"
				notes = append(notes, fmt.Sprintf("%s up to %s came twice", k.what, count(twice, "message")))
			}
			choices = append(choices, choice)
		}
		switch restart, n := most(k.stack, "restart"); {
		case restart > 0:
			restarts = append(restarts, fmt.Sprintf("%s %s", count(restart, "message"), k.what))
		case n > 0 && lost == 0:
			lasting = append(lasting, choice)
		}
	}
	if f, ok := h.try("size", "reconnect", goPlain, unitLines); ok {
		h.cite(f, count(f.Median, "statement"))
		notes = append(notes, fmt.Sprintf("by hand it takes %s in Go", count(f.Median, "statement")))
	}
	if f, ok := h.try("reconnect", "silent", nodeBack, unitLostDown); ok {
		h.cite(f, digits(f.Median)+" lost for each fault")
		notes = append(notes, fmt.Sprintf("as it comes Socket.IO loses %s to a client for each silence, at that case's rate and timers", count(f.Median, "message")))
	}
	var parts []string
	if len(kept) > 0 {
		parts = append(parts, "nothing was lost "+strings.Join(kept, ", nor "))
	}
	if len(took) > 0 {
		parts = append(parts, "a single fault took "+strings.Join(took, " and "))
	}
	if len(restarts) > 0 {
		parts = append(parts, "a restart of the server lost up to "+strings.Join(restarts, " and ")+" (it was away for different times, so that these cannot be compared)")
	}
	for i := range parts[1:] {
		parts[i+1] = upper(parts[i+1])
	}
	notes = append([]string{"messages are kept in the memory of one server, so many and so long as it is told (Socket.IO: 2 minutes by default), and several nodes were not tried"}, notes...)
	h.reason = strings.Join(append([]string{strings.Join(parts, ". ")}, notes...), "; ")
	const outside = "store them outside of the chat server"
	switch {
	case len(lasting) > 0:
		return strings.Join(lasting, ", or ")
	case len(choices) == 0:
		return outside
	}
	return outside + "; for a short break " + strings.Join(choices, ", or ")
}

// severalNodes chooses what works without sticky sessions.
func severalNodes(h *hearing) string {
	plain, sio := h.needBoth("proxy", "balance-robin", unitWorks, nodePlain, nodeDefault)
	if !h.ok() {
		return ""
	}
	h.cite(plain, share(plain.Median)+" work")
	h.cite(sio, share(sio.Median)+" work")
	least, most := sio.Median, sio.Median
	for _, name := range []string{"nginx-robin", "haproxy-robin"} {
		if f, ok := h.try("proxy", name, nodeDefault, unitWorks); ok {
			h.cite(f, share(f.Median)+" work")
			least, most = min(least, f.Median), max(most, f.Median)
		}
	}
	works := share(least)
	if most > least {
		works += " to " + share(most) + ", by the balancer,"
	}
	h.reason = fmt.Sprintf("in turn over two nodes %s of the clients of a plain WebSocket work, of Socket.IO's %s in its default order", share(plain.Median), works)
	only, sticky := false, false
	if f, ok := h.try("proxy", "balance-robin", nodeSocketIO, unitWorks); ok {
		h.cite(f, share(f.Median)+" work")
		h.reason += fmt.Sprintf(", on websocket only %s", share(f.Median))
		only = f.Min == 1
	}
	if f, ok := h.try("proxy", "balance-cookie", nodeDefault, unitWorks); ok {
		h.cite(f, share(f.Median)+" work")
		h.reason += fmt.Sprintf(", with a cookie that keeps a client on its node %s", share(f.Median))
		sticky = f.Min == 1
	}
	names := map[string]string{goPlain: "rawws in Go", nodePlain: "rawws in Node", goSocketIO: "go-socket.io", nodeSocketIO: "socket.io on Node"}
	alone := func(stacks ...string) (list []string) {
		for _, stack := range stacks {
			if f, ok := h.try("proxy", "rooms", stack, unitBack); ok {
				h.cite(f, share(f.Median)+" heard the other node again after Redis had been away")
				if f.Min < 1 {
					list = append(list, names[stack])
				}
			}
		}
		return list
	}
	but := func(list []string) string {
		if len(list) == 0 {
			return ""
		}
		return " (not " + strings.Join(list, ", ") + ")"
	}
	plainAlone, sioAlone := alone(goPlain, nodePlain), alone(goSocketIO, nodeSocketIO)
	if all := slices.Concat(plainAlone, sioAlone); len(all) > 0 {
		h.reason += fmt.Sprintf(". Once Redis has been away the nodes of %s do not hear each other again", strings.Join(all, ", "))
	}
	switch {
	case plain.Min == 1 && sio.Min == 1:
		return chooseEither + but(slices.Concat(plainAlone, sioAlone))
	case sio.Min == 1:
		return chooseSocketIO + but(sioAlone)
	case plain.Min < 1:
		return chooseEither + " with sticky sessions" + but(slices.Concat(plainAlone, sioAlone))
	}
	choice := choosePlain + but(plainAlone)
	var ways []string
	if only {
		ways = append(ways, "on websocket only, which gives up the fallback")
	}
	if sticky {
		ways = append(ways, "with sticky sessions")
	}
	if len(ways) > 0 {
		choice += ", or " + chooseSocketIO + " " + strings.Join(ways, ", or ") + but(sioAlone)
	}
	return choice
}

// What the break-even figures are for.
const (
	tenth    = 0.1 // of a core
	gigabyte = 1e9

	// farther is how many times what was connected is too far to say how many
	// clients a gigabyte holds.
	farther = 20
)

// difference returns by how many seconds of CPU a delivery of Socket.IO is the
// costlier in steady, if that can be told.
func (h *hearing) difference(sio, plain string) (Difference, bool) {
	r, ok := h.tryRatio("broadcast", "steady", unitCPU, sio, plain)
	d, there := h.m.Difference(Place{"broadcast", "steady", sio, unitCPU}, plain)
	return d, ok && there && costsMore(r) && d.Estimate > 0
}

// span returns at how many times a second a difference is a tenth of a core, by
// its interval where there is one, for that many deliveries at a time.
func span(d Difference, deliveries float64) string {
	if !d.Enough || !(d.Low > 0) || math.IsInf(d.High, 0) {
		return about(tenth / d.Estimate / deliveries)
	}
	low, high := about(tenth/d.High/deliveries), about(tenth/d.Low/deliveries)
	if low == high {
		return low
	}
	return low + "-" + high
}

// BreakEvens returns where the difference begins to matter, and what a delivery
// and an idle user take of a server.
func BreakEvens(m Measured) []BreakEven {
	var list []BreakEven
	for _, pair := range [][3]string{{"Go", goPlain, goSocketIO}, {"Node", nodePlain, nodeSocketIO}} {
		for _, figure := range []func(*hearing, string, string) BreakEven{tenthOfACore, perCore, usersPerCore, saturated, idleMemory, idlePerGigabyte} {
			h := hearing{m: m}
			b := figure(&h, pair[1], pair[2])
			b.Runtime, b.Evidence, b.Doubts = pair[0], h.evidence, h.inDoubt()
			list = append(list, b)
		}
	}
	return list
}

// tenthOfACore is the rate at which Socket.IO takes a tenth of a core more.
func tenthOfACore(h *hearing, plain, sio string) BreakEven {
	r := h.needRatio("broadcast", "steady", unitCPU, sio, plain)
	b := BreakEven{What: "messages" + sizeOf(r.Over.Full) + " a second to a room of 100 until the difference is a tenth of a core"}
	d, ok := h.m.Difference(Place{"broadcast", "steady", sio, unitCPU}, plain)
	switch {
	case !h.ok() || !ok:
		b.Reason = h.lacks()
		return b
	case !costsMore(r) || d.Estimate <= 0:
		b.SocketIO = "none"
		b.Reason = "Socket.IO was not found to take more CPU: " + r.Text
	default:
		b.SocketIO = span(d, 100)
		b.Reason = fmt.Sprintf("a tenth of a core for %s µs more for each delivery%s, measured in steady, and a hundred deliveries for a message",
			digits(d.Estimate*1e6), interval(d))
	}
	h.citeRatio(r, "server CPU per delivery")
	return b
}

// interval returns that of a difference of seconds, in µs.
func interval(d Difference) string {
	if !d.Enough || math.IsInf(d.Low, 0) || math.IsInf(d.High, 0) {
		return ""
	}
	return fmt.Sprintf(" (%s to %s)", digits(d.Low*1e6), digits(d.High*1e6))
}

// perCore is how many deliveries cost a second of CPU.
func perCore(h *hearing, plain, sio string) BreakEven {
	b, r := h.ofACore("fan-out", plain, sio, 1)
	b.What = "deliveries" + sizeOf(r.Over.Full) + " for a second of CPU, at the low rate of fan-out (a price, not a capacity)"
	if b.Plain != "" {
		b.Reason = workedOut("", r)
	}
	return b
}

// workedOut says how ofACore makes both sides of a ratio.
func workedOut(where string, r Ratio) string {
	return fmt.Sprintf("1 s over the server CPU per delivery%s to %s clients, %s with a plain WebSocket, and that times %s with Socket.IO", where, clientsOf(r.Under.Full), r.Under.Text, fullTimes(r))
}

// The chat that users are counted for: rooms of so many, each of whom says
// something so often.
const (
	roomSize  = 100
	everySecs = 60
)

// usersPerCore is how many users a core serves, by what a delivery costs in a room of
// as many.
func usersPerCore(h *hearing, plain, sio string) BreakEven {
	const deliveries = float64(roomSize) / everySecs // to a user, a second
	b, r := h.ofACore("steady", plain, sio, deliveries)
	b.What = fmt.Sprintf("users for a core, worked out and not tried, in rooms of %d in which each says something every %d s", roomSize, everySecs)
	if b.Plain != "" {
		b.Reason = workedOut(" in steady,", r) + fmt.Sprintf(", over %s deliveries a second to each", digits(deliveries))
	}
	return b
}

// ofACore is how many of so many deliveries each cost a second of CPU in a case; without
// figures it says what is missing. The other side is worked out by the ratio inside
// rounds, which is the one that the tables have.
func (h *hearing) ofACore(name, plain, sio string, deliveries float64) (BreakEven, Ratio) {
	r := h.needRatio("broadcast", name, unitCPU, sio, plain)
	if !h.ok() || r.Under.Median <= 0 || r.Estimate <= 0 {
		return BreakEven{Reason: h.lacks()}, r
	}
	h.citeRatio(r, "server CPU per delivery")
	h.cite(r.Under, r.Under.Text)
	return BreakEven{Plain: about(1 / r.Under.Median / deliveries), SocketIO: about(1 / (r.Under.Median * r.Estimate) / deliveries)}, r
}

// saturated is how many deliveries a second were made when a server got as much
// as it could take.
func saturated(h *hearing, plain, sio string) BreakEven {
	one, other := h.needBoth("broadcast", "saturation", unitRate, plain, sio)
	b := BreakEven{What: "deliveries" + sizeOf(one.Full) + " a second, saturated"}
	if !h.ok() {
		b.Reason = h.lacks()
		return b
	}
	h.cite(one, one.Text)
	h.cite(other, other.Text)
	b.Plain, b.SocketIO = about(one.Median), about(other.Median)
	b.Reason = fmt.Sprintf("%s and %s, to %s clients", one.Text, other.Text, clientsOf(one.Full))
	if plain == goPlain {
		b.Reason += "; rawws writes at once what has queued up"
	}
	return b
}

// idleMemory is what an idle user takes of the server process.
func idleMemory(h *hearing, plain, sio string) BreakEven {
	b := BreakEven{What: "memory of the server process for an idle user (the kernel's sockets come on top)"}
	one, other, ok := h.ofAnIdle(plain, sio)
	if !ok {
		b.Reason = h.lacks()
		return b
	}
	h.cite(one, one.Text)
	h.cite(other, other.Text)
	b.Plain, b.SocketIO = one.Text, other.Text
	b.Reason = fmt.Sprintf("the growth of the process over %s connections", clientsOf(one.Full))
	return b
}

// idlePerGigabyte is the same in users, if that is not too far from what was
// connected.
func idlePerGigabyte(h *hearing, plain, sio string) BreakEven {
	b := BreakEven{What: "idle users in a GB of the server process"}
	one, other, ok := h.ofAnIdle(plain, sio)
	if !ok {
		b.Reason = h.lacks()
		return b
	}
	clients, err := strconv.ParseFloat(clientsOf(one.Full), 64)
	if most := gigabyte / min(one.Median, other.Median); err != nil || most > farther*clients {
		b.Reason = fmt.Sprintf("that is more than %d times the %s that were connected", farther, clientsOf(one.Full))
		return b
	}
	h.cite(one, one.Text)
	h.cite(other, other.Text)
	b.Plain, b.SocketIO = about(gigabyte/one.Median), about(gigabyte/other.Median)
	b.Reason = fmt.Sprintf("a GB over the row above, where %s were connected", clientsOf(one.Full))
	return b
}

// ofAnIdle returns the memory of an idle client on both sides, if it is known.
func (h *hearing) ofAnIdle(plain, sio string) (one, other Figure, ok bool) {
	one, other = h.needBoth("broadcast", "idle", unitMemory, plain, sio)
	return one, other, h.ok() && one.Median > 0 && other.Median > 0
}

// about returns a number that was worked out, with two significant digits.
func about(v float64) string {
	if !(v > 0) || math.IsInf(v, 0) {
		return "0"
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	v = math.Round(v/unit) * unit
	if v < 10 {
		return strconv.FormatFloat(v, 'f', 1, 64)
	}
	text := strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
