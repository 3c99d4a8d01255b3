package load

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wsvsio/scenarios"
)

// object is the JSON object of a message, all but its sequence number.
type object struct{ head, tail []byte }

const (
	from      = "load"
	seqDigits = 10
)

func newObject(room string, size int) object {
	return object{
		head: fmt.Appendf(nil, `{"room":%q,"from":%q,"seq":`, room, from),
		tail: fmt.Appendf(nil, `,"body":%q}`, bytes.Repeat([]byte("x"), size)),
	}
}

// append appends the object with its number, which has seqDigits digits.
func (o object) append(dst []byte, seq int64) []byte {
	dst = append(dst, o.head...)
	dst = strconv.AppendInt(dst, seq, 10)
	return append(dst, o.tail...)
}

func (o object) with(seq int64) []byte { return o.append(nil, seq) }

// seq returns the sequence number of an object, and false if it is not the
// object that was sent.
func (o object) seq(got []byte) (int64, bool) {
	if len(got) != len(o.head)+seqDigits+len(o.tail) ||
		!bytes.Equal(got[:len(o.head)], o.head) ||
		!bytes.Equal(got[len(o.head)+seqDigits:], o.tail) {
		return 0, false
	}
	var n int64
	for _, d := range got[len(o.head) : len(o.head)+seqDigits] {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, true
}

// roomName is the name of a room, of a fixed width.
func (g *Generator) roomName(i int) string {
	if g.spec.Rooms <= 1 {
		return "bench"
	}
	return fmt.Sprintf("bench-%04d", i)
}

func (g *Generator) makeRooms() {
	if g.spec.Announce {
		// An announcement is in no room.
		g.rooms = []object{newObject("", g.spec.Size)}
		return
	}
	for i := range max(1, g.spec.Rooms) {
		g.rooms = append(g.rooms, newObject(g.roomName(i), g.spec.Size))
	}
}

// phase is a run of messages: the warm-up or the window.
type phase struct {
	first    int64 // sequence number
	n        int
	due      []time.Duration // since the generator's start; empty where there is no schedule
	wrote    []time.Duration // the same; 0 if it was not
	back     []bool          // whether the sender has its own copy
	sent     int
	returned int // to their senders
	pending  int // living clients that have not got everything yet
	lastAt   time.Duration

	delivered int // to all clients

	latency, fromWrite [receivers]*hdrhistogram.Histogram
	lateness           *hdrhistogram.Histogram // of the sender
	outOfRange         int64
}

// The groups of receivers.
const (
	theSender = iota
	theOthers
	receivers
)

var groupNames = [receivers]string{"sender", "others"}

// longest is the longest latency that is kept apart, in nanoseconds: ten
// minutes. One beyond it is counted.
const longest = int64(10 * time.Minute)

// precision is how many decimal digits of a latency are kept: an error of at most
// 0.1 %.
const precision = 3

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(1, longest, precision) }

// account is what one client has counted in one phase.
type account struct {
	got       []uint8 // per message: how often it arrived
	missing   int
	delivered int64
	last      []int // the latest message that arrived, of each sender
	dup       int64
	reordered int64
	corrupt   int64

	since int   // a churner's first message that must arrive since it has joined
	owed  []int // what must arrive before the answer to its request to leave
	lost  int64 // what did not, though the answer came
}

// due is how many of the first n messages are for a client.
func (c *client) due(n int) int {
	rooms := c.g.spread()
	due := n / rooms
	if c.index%rooms < n%rooms {
		due++
	}
	return due
}

// waits reports whether the phase waits for what is missing at a client. In
// the warm-up all read and stay.
func (c *client) waits() bool {
	return c.missing > 0 && c.died == nil && !c.stopped && (!c.churns || len(c.g.phase.due) == 0)
}

// begin makes a phase of n messages the current one.
func (g *Generator) begin(n int, due []time.Duration) *phase {
	p := &phase{
		first: g.next,
		n:     n,
		due:   due,
		wrote: make([]time.Duration, n),
		back:  make([]bool, n),
	}
	if len(due) > 0 {
		for i := range receivers {
			p.latency[i], p.fromWrite[i] = newHistogram(), newHistogram()
		}
		p.lateness = newHistogram()
	}
	g.next += int64(n)
	g.phase = p
	for _, c := range g.clients {
		c.account = account{got: make([]uint8, n), missing: c.due(n), last: make([]int, g.senders())}
		for i := range c.last {
			c.last[i] = -1
		}
		if c.waits() {
			p.pending++
		}
	}
	return p
}

// shorten ends a phase with what has been sent.
func (g *Generator) shorten(p *phase) {
	p.n, p.pending = p.sent, 0
	for _, c := range g.clients {
		c.missing = c.due(p.n) - int(c.delivered)
		if c.waits() {
			p.pending++
		}
	}
}

// message records one chat message.
func (c *client) message(data []byte, now time.Duration) {
	g, p := c.g, c.g.phase
	if p == nil {
		return // somebody else's, before the warm-up
	}
	rooms := g.spread()
	seq, ok := g.rooms[c.index%rooms].seq(data)
	i := int(seq - p.first)
	switch {
	case !ok || i >= p.n || c.stage == away:
		c.corrupt++
		return
	case i < 0 || c.got[i] > 0:
		// One of an earlier phase was complete, so this is a second copy.
		c.dup++
		return
	}
	c.got[i]++
	c.delivered++
	index, number := g.sender(i)
	if last := &c.last[number]; i < *last {
		c.reordered++
	} else {
		*last = i
	}
	group := theOthers
	if index == c.index {
		group = theSender
		p.back[i] = true
		p.returned++
	}
	if len(p.due) > 0 && !c.stopped && !c.churns {
		p.record(p.latency[group], now-p.due[i])
		p.record(p.fromWrite[group], now-p.wrote[i])
	}
	waited := c.waits()
	c.missing--
	p.delivered++
	if waited && c.missing == 0 {
		p.pending--
	}
}

// record keeps a latency.
func (p *phase) record(h *hdrhistogram.Histogram, d time.Duration) {
	if h.RecordValue(int64(d)) != nil {
		p.outOfRange++
	}
}

// unsend takes back the messages that the end of a client's connection has cut
// off before they were written.
func (c *client) unsend() {
	p := c.g.phase
	s := c.streams[len(c.streams)-1]
	for _, o := range c.blocked {
		if o.end > s.up {
			p.wrote[o.message] = 0
		}
	}
	c.queued, c.blocked = nil, nil
}

// leave notes what a churner must have got before it has left: what was sent
// since it joined, and has been dealt with because it is back at its sender.
func (c *client) leave() {
	p := c.g.phase
	c.owed = c.owed[:0]
	for i := c.since; i < p.sent; i++ {
		if p.back[i] && c.got[i] == 0 {
			c.owed = append(c.owed, i)
		}
	}
}

// left counts what did not arrive before the answer to the request to leave.
func (c *client) left() {
	for _, i := range c.owed {
		if c.got[i] == 0 {
			c.lost++
		}
	}
	c.owed = c.owed[:0]
}

// back notes what will have to arrive from now on.
func (c *client) back() { c.since = c.g.phase.sent }

// collect adds up what the clients counted.
func (g *Generator) collect(w *window, r *scenarios.LoadReport) error {
	p := w.phase
	rooms := g.spread()
	for i := range p.n {
		if p.wrote[i] != 0 {
			r.Sent++
		}
	}
	r.Unsent = int64(p.n) - r.Sent
	if len(p.due) == 0 {
		r.Unsent = 0 // as fast as they came back: none was due
	}
	for _, c := range g.clients {
		r.Dup += c.dup
		r.Reordered += c.reordered
		r.Corrupt += c.corrupt
		r.Early += int64(c.early)
		switch {
		case c.stopped:
			r.Slow.Clients++
			continue
		case c.churns:
			if c.stage == joined {
				c.leave()
			}
			r.Delivered += c.delivered
			r.Dropped += c.lost
			r.Expected += c.delivered + c.lost
			// What was still owed at the end, or to one that never had the answer
			// to its leaving.
			for _, i := range c.owed {
				if c.got[i] == 0 {
					r.Expected++
					w.missed(r, c, i)
				}
			}
			continue
		}
		r.Delivered += c.delivered
		for i := c.index % rooms; i < p.n; i += rooms {
			if p.wrote[i] == 0 {
				continue
			}
			r.Expected++
			if c.got[i] == 0 {
				w.missed(r, c, i)
			}
		}
	}
	r.Lost = r.Cut + r.Dropped + r.Unexplained
	if len(p.due) == 0 {
		return nil
	}
	r.Lateness = quantiles(p.lateness)
	var err error
	if r.Latency, err = g.distribution("latency", p.latency, r); err != nil {
		return err
	}
	if r.FromWrite, err = g.distribution("from-write", p.fromWrite, r); err != nil {
		return err
	}
	if p.outOfRange > 0 {
		return fmt.Errorf("%d latencies were below zero or beyond %v", p.outOfRange, time.Duration(longest))
	}
	return nil
}

// missed counts message i, which a client has not got, by what is known of it.
func (w *window) missed(r *scenarios.LoadReport, c *client, i int) {
	sender, _ := c.g.sender(i)
	switch {
	case c.died != nil || c.g.clients[sender].died != nil:
		r.Cut++
	case w.drained:
		r.Dropped++
	default:
		r.Unexplained++
	}
}

// distribution keeps the histograms of a quantity and sums them up.
func (g *Generator) distribution(name string, groups [receivers]*hdrhistogram.Histogram, r *scenarios.LoadReport) (scenarios.Quantiles, error) {
	all := newHistogram()
	for i, h := range groups {
		if h.TotalCount() == 0 {
			continue
		}
		if dropped := all.Merge(h); dropped > 0 {
			return scenarios.Quantiles{}, fmt.Errorf("%d samples of %s did not fit into the sum", dropped, name)
		}
		data, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
		if err != nil {
			return scenarios.Quantiles{}, fmt.Errorf("encode the histogram of %s: %w", name, err)
		}
		if _, err := base64.StdEncoding.DecodeString(string(data)); err != nil {
			return scenarios.Quantiles{}, errors.New("the histogram is not in base 64")
		}
		r.Histograms = append(r.Histograms, scenarios.Histogram{Name: name + "/" + groupNames[i], Data: string(data)})
	}
	return quantiles(all), nil
}

// quantiles takes them from a histogram of nanoseconds.
func quantiles(h *hdrhistogram.Histogram) scenarios.Quantiles {
	if h.TotalCount() == 0 {
		return scenarios.Quantiles{}
	}
	at := func(percent float64) float64 { return float64(h.ValueAtQuantile(percent)) / 1e9 }
	return scenarios.Quantiles{
		N:   h.TotalCount(),
		P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), P9999: at(99.99),
		Max: float64(h.Max()) / 1e9,
	}
}
