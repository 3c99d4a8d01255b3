package reconnect

import (
	"fmt"
	"math"

	"wsvsio/scenarios"
)

// said is a message that an end was given to send and has taken.
type said struct {
	from string
	seq  int64
	at   int64 // before it was given, CLOCK_MONOTONIC in ns

	// until is when it was on its way at the latest: when it had been taken,
	// or when its sender, who is in the room, heard it from the server.
	until int64
}

// outage is one fault of one client. Instants are CLOCK_MONOTONIC in ns; zero
// is never.
type outage struct {
	from    int64 // when the fault reached the client
	noticed int64
	back    int64

	recovered bool // the server still knew the client
	attempts  int
	bytes     int64 // on later connections, until it was back
}

// trial is all that is known of one client when the case is over.
type trial struct {
	down, up []said            // what was said to it, and by it
	seen     []scenarios.Event // by the client
	heard    []scenarios.Event // by its partner
	record   scenarios.PathRecord
	outages  []outage
	deaf     []span // when the partner was in no room
}

// span is a time from an instant up to another, in ns.
type span struct{ from, to int64 }

func (s span) contains(at int64) bool { return at >= s.from && at < s.to }

// fate is what became of a message.
type fate uint8

// The fates. All but the first are losses.
const (
	delivered   fate = iota
	unwritten        // it was never written to a connection of the client
	cut              // it was written, and its connection ended
	undelivered      // it arrived, and was not passed on
	unexplained      // it was never written, and nothing was in its way
	fates
)

// tally counts the fates of the messages of one direction. Those that came to
// the server while the partner was not there are not in it.
type tally struct {
	n              [fates]int
	dup, reordered int
	lost           []int // by outage
	why            string
}

// sent is how many messages there were.
func (t tally) sent() (n int) {
	for _, k := range t.n {
		n += k
	}
	return n
}

// lag is how long a message may stay in a queue of the server or the client
// after that, on a machine that has other things to do.
const lag = 250e6 // ns

// account finds out what became of the messages of one direction.
func (t trial) account(direction string) tally {
	messages, events := t.down, t.seen
	if direction == scenarios.PathUp {
		messages, events = t.up, t.heard
	}
	result := tally{lost: make([]int, len(t.outages))}
	copies := arrivals(messages, events, &result)
	wire := t.wire(direction, copies)
	for _, m := range messages {
		k := key{m.from, m.seq}
		crossed, onWire := wire[k]
		f := delivered
		switch {
		case copies[k] > 0 && !onWire:
			f = unexplained
			result.explain("%s %d arrived without having crossed the wire", m.from, m.seq)
		case copies[k] > 0:
			result.dup += copies[k] - 1
		case onWire && direction == scenarios.PathUp && t.unheard(crossed.went):
			continue
		case onWire:
			f = crossed.fate
		case t.away(m):
			f = unwritten
		default:
			f = unexplained
			result.explain("%s %d was never written, and its connection was up", m.from, m.seq)
		}
		result.n[f]++
		if k := t.outageOf(m); f != delivered && k >= 0 {
			result.lost[k]++
		}
	}
	return result
}

// unheard reports whether a message that passed at that instant came to a
// server at which there was no partner.
func (t trial) unheard(went int64) bool {
	for _, s := range t.deaf {
		if went > 0 && s.contains(went) {
			return true
		}
	}
	return false
}

// explain keeps the first thing that is not explained.
func (t *tally) explain(format string, args ...any) {
	if t.why == "" {
		t.why = fmt.Sprintf(format, args...)
	}
}

// key names a message.
type key struct {
	from string
	seq  int64
}

// arrivals counts how often each message arrived, and those that came after a
// later one of the same sender.
func arrivals(messages []said, events []scenarios.Event, t *tally) map[key]int {
	wanted := make(map[key]bool)
	for _, m := range messages {
		wanted[key{m.from, m.seq}] = true
	}
	copies := make(map[key]int)
	latest := make(map[string]int64)
	for _, e := range events {
		k := key{e.Message.From, e.Message.Seq}
		if e.Kind != scenarios.EventMessage || !wanted[k] {
			continue
		}
		copies[k]++
		if copies[k] == 1 && k.seq < latest[k.from] {
			t.reordered++
		}
		latest[k.from] = max(latest[k.from], k.seq)
	}
	return copies
}

// crossed is what became on the wire of a message, and when it had passed.
type crossed struct {
	fate fate
	went int64
}

// wire returns what became on the wire of each message that was seen there:
// cut or, if it got through, undelivered. What came last of it counts. A message
// that the path has passed on was cut as well if its connection has ended and
// nothing that came after it on that connection was delivered: what an end has
// not read when it learns of the end, it never does.
func (t trial) wire(direction string, copies map[key]int) map[key]crossed {
	ended := make(map[int]bool)
	for _, e := range t.record.Ends {
		ended[e.Conn] = true
	}
	for _, h := range t.record.Harm {
		if h.Kind != scenarios.FaultStall {
			for _, c := range h.Conns {
				ended[c] = true
			}
		}
	}
	last := make(map[int]int) // the last that was delivered, of each connection
	for i, c := range t.record.Crossings {
		if c.Direction == direction && copies[key{c.From, c.Seq}] > 0 {
			last[c.Conn] = i
		}
	}
	found := make(map[key]crossed)
	for i, c := range t.record.Crossings {
		if c.Direction != direction {
			continue
		}
		f := undelivered
		if l, some := last[c.Conn]; c.Went == 0 || ended[c.Conn] && (!some || i > l) {
			f = cut
		}
		found[key{c.From, c.Seq}] = crossed{f, c.Went}
	}
	return found
}

// away reports whether the client was not connected at some time while the
// message was on its way: after a fault, or because the connection had ended by
// itself.
func (t trial) away(m said) bool {
	for _, o := range t.outages {
		if m.until+lag > o.from && (o.back == 0 || m.at < o.back) {
			return true
		}
	}
	for _, s := range t.gaps() {
		if m.until+lag > s.from && m.at < s.to {
			return true
		}
	}
	return false
}

// gaps are the times in which the client knew that it was down.
func (t trial) gaps() (gaps []span) {
	for _, e := range t.seen {
		last := len(gaps) - 1
		switch open := last >= 0 && gaps[last].to == math.MaxInt64; {
		case e.Kind == scenarios.EventDown && !open:
			gaps = append(gaps, span{e.At, math.MaxInt64})
		case e.Kind == scenarios.EventUp && open:
			gaps[last].to = e.At
		}
	}
	return gaps
}

// unasked counts the times that the connection ended though nothing was done to
// it: those that do not follow an outage's beginning as the first.
func (t trial) unasked() int {
	n := 0
	for _, g := range t.gaps() {
		asked := false
		for _, o := range t.outages {
			asked = asked || o.noticed == g.from
		}
		if !asked {
			n++
		}
	}
	return n
}

// outageOf returns the outage to which a loss belongs: the last that had begun
// when the message was on its way; -1 if there is none.
func (t trial) outageOf(m said) int {
	for i := len(t.outages) - 1; i > 0; i-- {
		if m.until+lag > t.outages[i].from {
			return i
		}
	}
	return len(t.outages[:min(1, len(t.outages))]) - 1
}

// observe fills in what the client saw of an outage that began at o.from and
// what it took to come back; next is when the following one began, or zero.
func (o *outage) observe(seen []scenarios.Event, record scenarios.PathRecord, next int64) {
	if next == 0 {
		next = math.MaxInt64
	}
	for _, e := range seen {
		if e.At < o.from || e.At >= next || o.back > 0 {
			continue
		}
		switch e.Kind {
		case scenarios.EventDown:
			if o.noticed == 0 {
				o.noticed = e.At
			}
		case scenarios.EventAttempt:
			o.attempts++
		case scenarios.EventUp:
			o.back, o.recovered = e.At, e.Recovered
		}
	}
	if o.back == 0 {
		return
	}
	for _, p := range record.Passages {
		if record.Accepted[p.Conn-1] >= o.from && p.Came <= o.back {
			o.bytes += p.To - p.From
		}
	}
}
