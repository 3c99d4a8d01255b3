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
	decide func(*hearing) (choice string)
}

// situations are those that advice is given for, in the order of the reports.
func situations() []situation {
	const broadcast = "compare -scenario broadcast"
	return []situation{
		{"browser clients behind unknown proxies", "compare -scenario proxy -case strip-upgrade,forbid-upgrade,forward-denied,balance-robin", behindProxies},
		{"a Go backend with Go or mobile clients", broadcast, goBackend},
		{"a Node backend", broadcast + ",reconnect", nodeBackend},
		{"high fan-out", broadcast, highFanOut},
		{"many idle clients", broadcast + " -case idle", manyIdle},
		{"must not lose messages", "compare -scenario reconnect", noLoss},
		{"several nodes behind a balancer", "compare -scenario proxy -case balance-robin,balance-cookie,rooms", severalNodes},
	}
}

// Advise returns what to choose in each situation.
func Advise(m Measured) []Advice {
	var list []Advice
	for _, s := range situations() {
		h := hearing{m: m}
		a := Advice{Situation: s.text, Choice: s.decide(&h)}
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
		h.need("proxy", name, nodePlain, unitWorks)
		h.need("proxy", name, nodeDefault, unitWorks)
	}
	if !h.ok() {
		return ""
	}
	c := h.cross(nodePlain, nodeDefault)
	h.reason = fmt.Sprintf("of %s a plain WebSocket fails on %d, and Socket.IO gets through %d of these over polling",
		count(float64(c.paths), "path"), c.shut, len(c.rescued))
	if len(c.rescued) <= len(c.lost) {
		return choosePlain
	}
	if n, all, _, _ := h.ways(plainFallback); all > 0 {
		h.reason += fmt.Sprintf("; a fallback by hand works in %d of %d ways to lose the WebSocket", n, all)
		if m, all, _, _ := h.ways(nodeDefault); all > 0 {
			h.reason += fmt.Sprintf(", Socket.IO in %d", m)
		}
		if f, ok := h.try("size", "fallback", goPlain, unitByHand); ok {
			h.cite(f, count(f.Median, "statement")+" by hand")
			h.reason += fmt.Sprintf(", and takes %s", count(f.Median, "statement"))
		}
	}
	return chooseSocketIO + " on Node, in its default order (several nodes then need sticky sessions)"
}

// goBackend chooses by what go-socket.io costs.
func goBackend(h *hearing) string {
	cost := h.needRatio("broadcast", "steady", unitCPU, goSocketIO, goPlain)
	if !h.ok() {
		return ""
	}
	h.citeRatio(cost, "server CPU per delivery")
	h.reason = "go-socket.io takes " + plainTimes(cost) + " the CPU per delivery"
	against := 0
	if memory, other, ok := h.tryBoth("broadcast", "idle", unitMemory, goSocketIO, goPlain); ok {
		h.reason += fmt.Sprintf(", %s of memory for each client against %s", memory.Text, other.Text)
	}
	if f, ok := h.try("reconnect", "reset", goSocketIO, unitBack); ok && f.Median == 0 {
		h.cite(f, share(f.Median)+" come back")
		h.reason += ", has no client in Go that comes back"
		against++
	}
	if own, other, ok := h.tryBoth("broadcast", "slow-reader", unitStall, goSocketIO, goPlain); ok {
		h.reason += fmt.Sprintf("; one slow reader makes the others wait %s, with a plain WebSocket %s", own.Text, other.Text)
	}
	if costsMore(cost) || against > 0 {
		return choosePlain
	}
	return chooseEither
}

// tryBoth returns the figures of two stacks and cites them.
func (h *hearing) tryBoth(scenario, name, unit, one, other string) (a, b Figure, ok bool) {
	a, there := h.try(scenario, name, one, unit)
	b, ok = h.try(scenario, name, other, unit)
	if ok = ok && there; ok {
		h.cite(a, a.Text)
		h.cite(b, b.Text)
	}
	return a, b, ok
}

// nodeBackend chooses by what Socket.IO gives, where it costs less than twice.
func nodeBackend(h *hearing) string {
	cost := h.needRatio("broadcast", "steady", unitCPU, nodeSocketIO, nodePlain)
	back := h.need("reconnect", "silent", nodeBack, unitBack)
	if !h.ok() {
		return ""
	}
	h.citeRatio(cost, "server CPU per delivery")
	h.cite(back, share(back.Median)+" come back")
	h.reason = fmt.Sprintf("it takes %s the CPU per delivery, and its clients come back after %s of silences", plainTimes(cost), share(back.Median))
	if f, ok := h.try("reconnect", "silent", "rawws-node-reconnect", unitBack); ok {
		h.cite(f, share(f.Median)+" come back")
		h.reason += fmt.Sprintf(", those of a reconnecting WebSocket from a package after %s", share(f.Median))
	}
	if memory, other, ok := h.tryBoth("broadcast", "idle", unitMemory, nodeSocketIO, nodePlain); ok {
		h.reason += fmt.Sprintf("; %s of memory for each client against %s", memory.Text, other.Text)
	}
	if d, ok := h.difference(nodeSocketIO, nodePlain); ok {
		h.reason += "; below " + about(tenth/d) + " deliveries a second that is less than a tenth of a core"
	}
	switch {
	case back.Min == 1 && cost.High < NearFloor:
		return chooseSocketIO
	case back.Min == 1:
		return chooseEither
	}
	return choosePlain
}

// highFanOut chooses the lesser CPU per delivery.
func highFanOut(h *hearing) string {
	cost := h.needRatio("broadcast", "fan-out", unitCPU, goSocketIO, goPlain)
	if !h.ok() {
		return ""
	}
	h.citeRatio(cost, "server CPU per delivery")
	more, less := costsMore(cost), costsLess(cost)
	h.reason = fmt.Sprintf("to %s clients Socket.IO takes %s the CPU per delivery in Go", clientsOf(cost.Over.Full), plainTimes(cost))
	if node, ok := h.tryRatio("broadcast", "fan-out", unitCPU, nodeSocketIO, nodePlain); ok {
		h.citeRatio(node, "server CPU per delivery")
		more, less = more && costsMore(node), less && costsLess(node)
		h.reason += " and " + plainTimes(node) + " in Node"
	}
	if own, other, ok := h.tryBoth("broadcast", "saturation", unitRate, goPlain, goSocketIO); ok {
		h.reason += fmt.Sprintf("; a server in Go delivers %s at most against %s, most of it because what has queued up is written at once", own.Text, other.Text)
	}
	switch {
	case more:
		return choosePlain
	case less:
		return chooseSocketIO
	}
	return chooseEither
}

// clientsOf returns the number of clients in a case, as its name has it.
func clientsOf(full string) string {
	_, rest, _ := strings.Cut(full, "clients=")
	n, _, _ := strings.Cut(rest, "/")
	return n
}

// manyIdle chooses the lesser memory of an idle client, and the runtime that has
// it.
func manyIdle(h *hearing) string {
	plain, sio := h.need("broadcast", "idle", goPlain, unitMemory), h.need("broadcast", "idle", goSocketIO, unitMemory)
	if !h.ok() {
		return ""
	}
	h.cite(plain, plain.Text)
	h.cite(sio, sio.Text)
	least, most := plain, sio
	h.reason = fmt.Sprintf("an idle client takes %s with a plain WebSocket and %s with Socket.IO in Go", plain.Text, sio.Text)
	fewer := plain.Median < sio.Median
	if p, s, ok := h.tryBoth("broadcast", "idle", unitMemory, nodePlain, nodeSocketIO); ok {
		fewer = fewer && p.Median < s.Median
		h.reason += fmt.Sprintf(", %s and %s in Node", p.Text, s.Text)
		if p.Median < least.Median {
			least = p
		}
		if s.Median > most.Median {
			most = s
		}
	}
	if !fewer || least.Median <= 0 {
		return chooseEither
	}
	h.reason += fmt.Sprintf(": from %s to %s of them in a GB", about(gigabyte/most.Median), about(gigabyte/least.Median))
	if least.Stack == nodePlain {
		return choosePlain + ", in Node the least"
	}
	return choosePlain
}

// noLoss chooses the stacks of which no fault took a message, either way.
func noLoss(h *hearing) string {
	for _, unit := range []string{unitLostDown, unitLostUp} {
		h.need("reconnect", "silent", plainResume, unit)
		h.need("reconnect", "silent", nodeRetries, unit)
	}
	if !h.ok() {
		return ""
	}
	kept := func(stack string) (lossless bool, twice float64) {
		lossless = true
		for _, name := range []string{"reset", "silent"} {
			for _, unit := range []string{unitLostDown, unitLostUp} {
				if f, ok := h.try("reconnect", name, stack, unit); ok {
					h.cite(f, digits(f.Max)+" lost in a fault at most")
					lossless = lossless && f.Max == 0
				}
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
		text := "a plain WebSocket with sessions that go on, by hand"
		if f, ok := h.try("size", "reconnect", goPlain, unitLines); ok {
			h.cite(f, count(f.Median, "statement"))
			notes = append(notes, fmt.Sprintf("by hand it takes %s in Go", count(f.Median, "statement")))
		}
		choices = append(choices, text)
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
		notes = append(notes, fmt.Sprintf("as it comes Socket.IO loses %s for each silence", count(f.Median, "message")))
	}
	restart := 0.0
	for _, stack := range []string{plainResume, nodeRetries} {
		if f, ok := h.try("reconnect", "restart", stack, unitLostDown); ok {
			restart = max(restart, f.Max)
			h.cite(f, digits(f.Max)+" lost at most when the server restarts")
		}
	}
	lead := "of messages that were cut off by a reset or a silence none is lost, either way"
	if restart > 0 {
		lead += fmt.Sprintf(", but a restart of the server loses up to %s: for that keep messages outside of it", digits(restart))
	}
	if len(choices) == 0 {
		choices = []string{chooseEither + ", with messages kept outside of the server"}
		lead = "each of them loses messages when a connection is cut"
	}
	h.reason = strings.Join(append([]string{lead}, notes...), "; ")
	return strings.Join(choices, ", or ")
}

// severalNodes chooses what works without sticky sessions.
func severalNodes(h *hearing) string {
	plain, sio := h.need("proxy", "balance-robin", nodePlain, unitWorks), h.need("proxy", "balance-robin", nodeDefault, unitWorks)
	if !h.ok() {
		return ""
	}
	h.cite(plain, share(plain.Median)+" work")
	h.cite(sio, share(sio.Median)+" work")
	h.reason = fmt.Sprintf("in turn over two nodes %s of the clients of a plain WebSocket work, and %s of Socket.IO's in its default order", share(plain.Median), share(sio.Median))
	if f, ok := h.try("proxy", "balance-robin", nodeSocketIO, unitWorks); ok {
		h.cite(f, share(f.Median)+" work")
		h.reason += fmt.Sprintf(", on websocket only %s", share(f.Median))
	}
	if f, ok := h.try("proxy", "balance-cookie", nodeDefault, unitWorks); ok {
		h.cite(f, share(f.Median)+" work")
		h.reason += fmt.Sprintf("; with a cookie that keeps a client on its node %s", share(f.Median))
	}
	var alone []string
	for _, stack := range []string{goPlain, goSocketIO, nodePlain, nodeSocketIO} {
		if f, ok := h.try("proxy", "rooms", stack, unitBack); ok {
			h.cite(f, share(f.Median)+" heard the other node again after Redis had been away")
			if f.Median < 1 {
				alone = append(alone, stack)
			}
		}
	}
	if len(alone) > 0 {
		h.reason += fmt.Sprintf("; once Redis has been away the nodes of %s do not hear each other again", strings.Join(alone, ", "))
	}
	if plain.Median == 1 && sio.Median < 1 {
		choice := choosePlain + ", or Socket.IO on websocket only"
		if slices.Contains(alone, goSocketIO) {
			choice += " (not go-socket.io)"
		}
		return choice
	}
	return chooseEither
}

// What the break-even figures are for.
const (
	tenth    = 0.1 // of a core
	gigabyte = 1e9
)

// difference returns by how many seconds of CPU a delivery of Socket.IO is the
// costlier in steady, if that can be told.
func (h *hearing) difference(sio, plain string) (float64, bool) {
	r, ok := h.tryRatio("broadcast", "steady", unitCPU, sio, plain)
	d, there := h.m.Difference(Place{"broadcast", "steady", sio, unitCPU}, plain)
	return d.Estimate, ok && there && costsMore(r) && d.Estimate > 0
}

// BreakEvens returns where the difference begins to matter, and how many users
// a core and a gigabyte serve.
func BreakEvens(m Measured) []BreakEven {
	var list []BreakEven
	for _, pair := range [][3]string{{"Go", goPlain, goSocketIO}, {"Node", nodePlain, nodeSocketIO}} {
		runtime, plain, sio := pair[0], pair[1], pair[2]
		list = append(list, tenthOfACore(m, runtime, plain, sio), perCore(m, runtime, plain, sio), perGB(m, runtime, plain, sio))
	}
	return list
}

// tenthOfACore is the rate at which Socket.IO takes a tenth of a core more.
func tenthOfACore(m Measured, runtime, plain, sio string) BreakEven {
	h := hearing{m: m}
	b := BreakEven{Runtime: runtime, What: "messages a second to a room of 100 until the difference is a tenth of a core"}
	r := h.needRatio("broadcast", "steady", unitCPU, sio, plain)
	d, ok := m.Difference(Place{"broadcast", "steady", sio, unitCPU}, plain)
	switch {
	case !h.ok() || !ok:
		b.Reason = h.lacks()
		return b
	case !costsMore(r) || d.Estimate <= 0:
		b.SocketIO = "none"
		b.Reason = "Socket.IO was not found to take more CPU: " + r.Text
	default:
		deliveries := tenth / d.Estimate
		b.SocketIO = about(deliveries / 100)
		b.Reason = fmt.Sprintf("a tenth of a core for %s µs more for each delivery%s, measured in steady, and a hundred deliveries for a message: %s deliveries a second",
			digits(d.Estimate*1e6), interval(d), about(deliveries))
	}
	h.citeRatio(r, "server CPU per delivery")
	b.Evidence = h.evidence
	return b
}

// interval returns that of a difference of seconds, in µs.
func interval(d Difference) string {
	if !d.Enough || math.IsInf(d.Low, 0) || math.IsInf(d.High, 0) {
		return ""
	}
	return fmt.Sprintf(" (%s to %s)", digits(d.Low*1e6), digits(d.High*1e6))
}

// perCore is how many users a core serves, at a delivery a second each.
func perCore(m Measured, runtime, plain, sio string) BreakEven {
	h := hearing{m: m}
	b := BreakEven{Runtime: runtime, What: "users per core, at a delivery a second each"}
	one, other := h.need("broadcast", "fan-out", plain, unitCPU), h.need("broadcast", "fan-out", sio, unitCPU)
	if !h.ok() || one.Median <= 0 || other.Median <= 0 {
		b.Reason = h.lacks()
		return b
	}
	b.Plain, b.SocketIO = about(1/one.Median), about(1/other.Median)
	b.Reason = fmt.Sprintf("1 s over the server CPU per delivery in fan-out, %s and %s", one.Text, other.Text)
	h.cite(one, one.Text)
	h.cite(other, other.Text)
	b.Evidence = h.evidence
	return b
}

// perGB is how many idle users a gigabyte holds.
func perGB(m Measured, runtime, plain, sio string) BreakEven {
	h := hearing{m: m}
	b := BreakEven{Runtime: runtime, What: "users per GB, idle"}
	one, other := h.need("broadcast", "idle", plain, unitMemory), h.need("broadcast", "idle", sio, unitMemory)
	if !h.ok() || one.Median <= 0 || other.Median <= 0 {
		b.Reason = h.lacks()
		return b
	}
	b.Plain, b.SocketIO = about(gigabyte/one.Median), about(gigabyte/other.Median)
	b.Reason = fmt.Sprintf("1 GB over the resident memory per idle connection, %s and %s", one.Text, other.Text)
	h.cite(one, one.Text)
	h.cite(other, other.Text)
	b.Evidence = h.evidence
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
