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
		{"browser clients behind unknown proxies", "compare -scenario proxy -case tls,strip-upgrade,forbid-upgrade,forward-denied,forward-denied-tls,balance-robin",
			"By the paths that let only one of the two through, those over https and those over plain http by themselves. More for Socket.IO on Node in its default order: Socket.IO. " +
				"More for a plain WebSocket: that. Else: either.", behindProxies},
		{"a Go backend (Socket.IO is go-socket.io 1.7 here)", broadcast + ",reconnect",
			"If go-socket.io takes more CPU per delivery in steady: a plain WebSocket. Else: either.", goBackend},
		{"a Node backend", broadcast + ",reconnect",
			"If Socket.IO takes more CPU per delivery in steady and may take 2 times as much, by the upper end of the interval, or its clients do not come back after every silence: a plain WebSocket. If a " +
				"plain WebSocket with a heartbeat by hand comes back as well: either. Else: Socket.IO.", nodeBackend},
		{"high fan-out", broadcast,
			"On each runtime by the CPU per delivery in fan-out. If Socket.IO takes more, and may take 2 times as much by the upper end of the interval: a plain WebSocket. If it takes " +
				"less: Socket.IO. Else: either.", highFanOut},
		{"many idle clients", broadcast + " -case idle",
			"The lesser memory of the server for an idle client, with as many of them as both were measured with; on each runtime that was measured.", manyIdle},
		{"must not lose messages", "compare -scenario reconnect",
			"What lost no message in any reset or silence, neither way: a plain WebSocket with sessions that go on, or socket.io with recovery and retries.", noLoss},
		{"several nodes behind a balancer", "compare -scenario proxy -case balance-robin,balance-cookie,rooms",
			"What works for all clients where nodes are taken in turn. If Socket.IO in its default order does so, too: either. Whose nodes do not hear each other after Redis has been away " +
				"is named as an exception.", severalNodes},
	}
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
	rescued, lost := len(secured(c.rescued)), len(secured(c.lost))
	choice := "over plain http: " + by(len(c.rescued)-rescued, len(c.lost)-lost)
	if c.https > 0 {
		choice = "over https: " + by(rescued, lost) + "; " + choice
	}
	h.reason = fmt.Sprintf("only Socket.IO gets through %d of %s", len(c.rescued), count(float64(c.paths), "path"))
	if len(c.rescued) > 0 {
		h.reason += ", by polling: " + c.scheme()
	}
	h.reason += ". A page on https can use https alone: " + c.tls() + "; no proxy that looks into TLS was measured"
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
	h.reason = "go-socket.io is archived (2024-09-29) and refuses clients of Socket.IO 3 and 4, and takes " + plainTimes(cost) + " the CPU per delivery"
	if memory, other, ok := h.tryBoth("broadcast", "idle", unitMemory, goSocketIO, goPlain); ok {
		h.reason += fmt.Sprintf(" and %s of memory for an idle client against %s", memory.Text, other.Text)
	}
	byHand := ""
	if own, other, ok := h.tryBoth("reconnect", "reset", unitBack, goSocketIO, goPlain); ok && own.Max == 0 && other.Max == 0 {
		h.reason += "; neither has a client in Go that comes back by itself"
		byHand = ", with reconnection and heartbeat by hand"
	}
	if own, other, ok := h.tryBoth("broadcast", "slow-reader", unitStall, goSocketIO, goPlain); ok {
		h.reason += fmt.Sprintf("; one slow reader makes the others wait %s, with a plain WebSocket %s", own.Text, other.Text)
	}
	h.reason += "; no mobile client and no other server for Socket.IO in Go was measured"
	if costsMore(cost) {
		return choosePlain + byHand
	}
	return chooseEither
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

// muchCPU reports whether a ratio of CPU decides against Socket.IO.
func muchCPU(r Ratio) bool { return costsMore(r) && r.High >= MuchCPU }

// nodeBackend chooses by what Socket.IO gives and a plain WebSocket does not,
// where it does not cost too much.
func nodeBackend(h *hearing) string {
	cost := h.needRatio("broadcast", "steady", unitCPU, nodeSocketIO, nodePlain)
	back := h.need("reconnect", "silent", nodeBack, unitBack)
	if !h.ok() {
		return ""
	}
	h.citeRatio(cost, "server CPU per delivery")
	h.cite(back, share(back.Median)+" come back")
	h.reason = "Socket.IO takes " + costTimes(cost) + " the CPU per delivery"
	if memory, other, ok := h.tryBoth("broadcast", "idle", unitMemory, nodeSocketIO, nodePlain); ok {
		h.reason += fmt.Sprintf(" and %s of memory for an idle client against %s", memory.Text, other.Text)
	}
	h.reason += fmt.Sprintf(". After a silence %s of the clients come back with Socket.IO", share(back.Median))
	byHand := false
	if f, ok := h.try("reconnect", "silent", plainBack, unitBack); ok {
		h.cite(f, share(f.Median)+" come back, by hand in Go")
		byHand = f.Min == 1
		h.reason += fmt.Sprintf(", %s with a plain WebSocket and a heartbeat by hand (measured in Go)", share(f.Median))
	}
	if f, ok := h.try("reconnect", "silent", "rawws-node-reconnect", unitBack); ok {
		h.cite(f, share(f.Median)+" come back")
		h.reason += fmt.Sprintf(", %s with reconnecting-websocket, which has no heartbeat", share(f.Median))
	}
	if d, ok := h.difference(nodeSocketIO, nodePlain); ok {
		h.reason += fmt.Sprintf("; at %s deliveries%s a second the difference is a tenth of a core", span(d, 1), sizeOf(d.Over.Full))
	}
	switch {
	case muchCPU(cost) || back.Min < 1:
		return choosePlain
	case byHand:
		return chooseEither + "; a plain WebSocket then needs reconnection with a heartbeat by hand"
	}
	return chooseSocketIO
}

// highFanOut chooses by the CPU per delivery, on each runtime.
func highFanOut(h *hearing) string {
	cost := h.needRatio("broadcast", "fan-out", unitCPU, goSocketIO, goPlain)
	if !h.ok() {
		return ""
	}
	choose := func(r Ratio) string {
		h.citeRatio(r, "server CPU per delivery")
		switch {
		case muchCPU(r):
			return choosePlain
		case costsLess(r):
			return chooseSocketIO
		}
		return chooseEither
	}
	choice := choose(cost)
	h.reason = fmt.Sprintf("to %s clients Socket.IO takes %s the CPU per delivery in Go", clientsOf(cost.Over.Full), fullTimes(cost))
	if node, ok := h.tryRatio("broadcast", "fan-out", unitCPU, nodeSocketIO, nodePlain); ok {
		if other := choose(node); other != choice {
			choice = "in Go " + choice + ", in Node " + other
		}
		h.reason += " and " + fullTimes(node) + " in Node"
	}
	h.reason += fmt.Sprintf(" (from %s times on it decides)", digits(MuchCPU))
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

// manyIdle chooses the lesser memory of an idle client, and the runtime that has
// it.
func manyIdle(h *hearing) string {
	plain, sio := h.needBoth("broadcast", "idle", unitMemory, goPlain, goSocketIO)
	if !h.ok() {
		return ""
	}
	h.cite(plain, plain.Text)
	h.cite(sio, sio.Text)
	h.reason = fmt.Sprintf("with %s clients an idle one takes %s of the server process with a plain WebSocket and %s with Socket.IO in Go", clientsOf(plain.Full), plain.Text, sio.Text)
	fewer, least := plain.Median < sio.Median, ""
	if p, s, ok := h.tryBoth("broadcast", "idle", unitMemory, nodePlain, nodeSocketIO); ok {
		fewer = fewer && p.Median < s.Median
		h.reason += fmt.Sprintf(", %s and %s in Node", p.Text, s.Text)
		// Figures of two cases are not of the same number of clients.
		if p.Full != plain.Full || p.Run != plain.Run {
			h.reason += fmt.Sprintf(" with %s", clientsOf(p.Full))
		} else if p.Median < plain.Median {
			least = ", in Node the least"
		}
	}
	h.reason += " (the kernel's sockets come on top)"
	if !fewer {
		return chooseEither
	}
	return choosePlain + least
}

// noLoss chooses the stacks of which no fault took a message, either way.
func noLoss(h *hearing) string {
	var faults []string
	for _, name := range []string{"reset", "silent"} {
		for _, unit := range []string{unitLostDown, unitLostUp} {
			f, _ := h.needBoth("reconnect", name, unit, plainResume, nodeRetries)
			if unit == unitLostDown {
				faults = append(faults, count(float64(f.N), map[string]string{"reset": "reset", "silent": "silence"}[name]))
			}
		}
	}
	if !h.ok() {
		return ""
	}
	kept := func(stack string) (lossless bool, twice float64) {
		lossless = true
		for _, name := range []string{"reset", "silent"} {
			for _, unit := range []string{unitLostDown, unitLostUp} {
				f := h.need("reconnect", name, stack, unit)
				h.cite(f, digits(f.Max)+" lost in a fault at most")
				lossless = lossless && f.Max == 0
			}
			if f, ok := h.try("reconnect", name, stack, unitTwice); ok {
				twice += f.Max
				h.cite(f, digits(f.Max)+" delivered twice")
			}
		}
		return lossless, twice
	}
	byHand, _ := kept(plainResume)
	retries, again := kept(nodeRetries)
	var choices, notes []string
	if byHand {
		if f, ok := h.try("size", "reconnect", goPlain, unitLines); ok {
			h.cite(f, count(f.Median, "statement"))
			notes = append(notes, fmt.Sprintf("by hand it takes %s in Go", count(f.Median, "statement")))
		}
		choices = append(choices, "a plain WebSocket with sessions that go on, by hand")
	}
	if retries {
		text := "socket.io 4 with recovery and retries"
		if again > 0 {
			text += ", which may deliver twice"
			notes = append(notes, fmt.Sprintf("with retries %s came twice", count(again, "message")))
		}
		choices = append(choices, text)
	}
	if f, ok := h.try("reconnect", "silent", nodeBack, unitLostDown); ok {
		h.cite(f, digits(f.Median)+" lost for each fault")
		notes = append(notes, fmt.Sprintf("as it comes Socket.IO loses %s to a client for each silence, at that case's rate and timers", count(f.Median, "message")))
	}
	var restarts []string
	for _, s := range []struct{ stack, what string }{{plainResume, "by hand"}, {nodeRetries, "with retries"}} {
		if f, ok := h.try("reconnect", "restart", s.stack, unitLostDown); ok {
			if f.Max > 0 {
				restarts = append(restarts, digits(f.Max)+" "+s.what)
			}
			h.cite(f, digits(f.Max)+" lost at most when the server restarts")
		}
	}
	lead := "in " + strings.Join(faults, " and ") + " of seconds none was lost"
	if !byHand || !retries {
		lead += " that way"
	}
	if len(restarts) > 0 {
		lead += ", but a restart of the server lost up to " + strings.Join(restarts, " and ") + " on the way to a client"
	}
	limits := "Messages are kept in one server's memory, for a limited time (Socket.IO: 2 minutes by default), and neither way goes together with several nodes here"
	if len(choices) == 0 {
		choices = []string{chooseEither + ", with messages kept outside of the server"}
		lead = "each of them loses messages when a connection is cut"
	} else {
		choices[0] = "on one server: " + choices[0]
	}
	h.reason = strings.Join(append([]string{lead + ". " + limits}, notes...), "; ")
	return strings.Join(choices, ", or ")
}

// severalNodes chooses what works without sticky sessions.
func severalNodes(h *hearing) string {
	plain, sio := h.needBoth("proxy", "balance-robin", unitWorks, nodePlain, nodeDefault)
	if !h.ok() {
		return ""
	}
	h.cite(plain, share(plain.Median)+" work")
	h.cite(sio, share(sio.Median)+" work")
	h.reason = fmt.Sprintf("in turn over two nodes %s of the clients of a plain WebSocket work, of Socket.IO's %s in its default order", share(plain.Median), share(sio.Median))
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
	if plain.Min < 1 || sio.Min == 1 {
		return chooseEither + but(slices.Concat(plainAlone, sioAlone))
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
	farther = 10
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
		for _, figure := range []func(*hearing, string, string) BreakEven{tenthOfACore, perCore, saturated, idleMemory} {
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

// perCore is how many deliveries cost a second of CPU. The other side is worked
// out by the ratio inside rounds, which is the one that the tables have.
func perCore(h *hearing, plain, sio string) BreakEven {
	r := h.needRatio("broadcast", "fan-out", unitCPU, sio, plain)
	b := BreakEven{What: "deliveries" + sizeOf(r.Over.Full) + " for a second of one core's CPU, at what fan-out takes (not a capacity)"}
	if !h.ok() || r.Under.Median <= 0 || r.Estimate <= 0 {
		b.Reason = h.lacks()
		return b
	}
	b.Plain, b.SocketIO = about(1/r.Under.Median), about(1/(r.Under.Median*r.Estimate))
	b.Reason = fmt.Sprintf("1 s over the server CPU per delivery to %s clients, %s with a plain WebSocket, and that times %s with Socket.IO", clientsOf(r.Under.Full), r.Under.Text, fullTimes(r))
	h.citeRatio(r, "server CPU per delivery")
	h.cite(r.Under, r.Under.Text)
	return b
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
	one, other := h.needBoth("broadcast", "idle", unitMemory, plain, sio)
	if !h.ok() || one.Median <= 0 || other.Median <= 0 {
		b.Reason = h.lacks()
		return b
	}
	h.cite(one, one.Text)
	h.cite(other, other.Text)
	b.Plain, b.SocketIO = one.Text, other.Text
	b.Reason = fmt.Sprintf("the growth of the process over %s connections", clientsOf(one.Full))
	clients, err := strconv.ParseFloat(clientsOf(one.Full), 64)
	if most := gigabyte / min(one.Median, other.Median); err == nil && most <= farther*clients {
		b.Reason += fmt.Sprintf(": %s and %s of them in a GB", about(gigabyte/one.Median), about(gigabyte/other.Median))
	} else {
		b.Reason += "; how many a GB holds it does not say, that is more than 10 times as many"
	}
	return b
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
