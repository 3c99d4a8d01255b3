// Package load is the load generator: one sender and many receivers that speak
// a chat's wire protocol at the same cost whichever it is.
//
// The sender is open loop: messages are due at instants fixed beforehand, and
// latency runs from the due time to each receiver's receipt, so that a stalled
// server shows in every message it delayed (no coordinated omission). What
// arrives is compared with what was sent, byte for byte, and every delivery is
// accounted for.
package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"wsvsio/scenarios"
)

const (
	room = "bench"
	from = "load"

	// dialing is how many connections are opened at once; more of them only
	// overflow the server's accept queue.
	dialing = 64

	// inFlight and inFlightBytes bound the messages on their way during the
	// warm-up, well below the queue that a server keeps for a slow reader.
	inFlight      = 16
	inFlightBytes = 1 << 20

	// inFlightSaturated is the same at saturation, where a server that lets
	// frames queue up and writes them at once should be able to show it.
	inFlightSaturated = 64

	// warmMessages is the least that a warm-up sends: with a thousand clients
	// 15,000 deliveries are the sender's path taken 15 times. warmBytes is the
	// most that it has delivered, so that it ends with long bodies, too.
	warmMessages = 40
	warmBytes    = 256 << 20

	// readBuffer holds some thirty messages of 128 B, or a part of a long one.
	readBuffer = 8 << 10

	// maxSaturated is how many deliveries a window at saturation has at most;
	// of each a byte is kept.
	maxSaturated = 20_000_000

	// drain is how long nothing may arrive before what is missing counts as
	// lost.
	drain = 2 * time.Second
)

// Generator holds the connections of one load.
type Generator struct {
	spec   scenarios.LoadSpec
	conns  []*conn
	ended  sync.WaitGroup
	start  time.Time
	dead   chan struct{} // closed when the first connection ends
	fatal  sync.Once
	phase  atomic.Pointer[phase]
	next   int64   // sequence number of the next message
	pace   float64 // messages a second in the warm-up
	object object
	window *window // once it is over
}

// conn is one connection. Its reader owns all fields but the atomic ones.
type conn struct {
	g     *Generator
	net   net.Conn
	codec *Codec

	up, down atomic.Int64 // bytes written and read
	requests chan Delivery
	died     atomic.Pointer[error]
	closing  atomic.Bool

	phase   *phase
	got     []uint8 // per message of the phase: how often it arrived
	missing int
	last    []int // the latest message that arrived, of each sender
	tally   tally
}

// tally is what one connection has counted in one phase.
type tally struct {
	latency   []int64 // ns, due time to receipt
	fromWrite []int64 // ns, write to receipt
	dup       int64
	reordered int64
	corrupt   int64
}

// phase is a run of messages: the warm-up or the window.
type phase struct {
	first    int64 // sequence number
	n        int
	due      []time.Duration // since the generator's start; empty in a warm-up
	wrote    []atomic.Int64  // ns since the generator's start
	pending  atomic.Int64    // connections that have not got everything yet
	complete chan struct{}
	arrived  atomic.Int64  // grows whenever something arrives
	echoes   chan struct{} // the sender's own messages, for the warm-up
	lastAt   atomic.Int64  // ns since the generator's start
}

// object is the JSON object of a message, all but its sequence number.
type object struct{ head, tail []byte }

const seqDigits = 10

func newObject(size int) object {
	return object{
		head: fmt.Appendf(nil, `{"room":%q,"from":%q,"seq":`, room, from),
		tail: fmt.Appendf(nil, `,"body":%q}`, bytes.Repeat([]byte("x"), size)),
	}
}

func (o object) with(seq int64) []byte {
	b := append([]byte(nil), o.head...)
	b = strconv.AppendInt(b, seq, 10)
	return append(b, o.tail...)
}

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

// Connect opens the connections of a load, one after the other in groups, and
// has them all join one room. rawURL has no path.
func Connect(ctx context.Context, p scenarios.Protocol, rawURL, path string, spec scenarios.LoadSpec) (*Generator, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	g := &Generator{
		spec:   spec,
		start:  time.Now(),
		dead:   make(chan struct{}),
		next:   scenarios.FirstSeq,
		object: newObject(spec.Size),
		conns:  make([]*conn, spec.Clients),
	}
	errs := make([]error, spec.Clients)
	var group sync.WaitGroup
	turn := make(chan struct{}, dialing)
	for i := range g.conns {
		group.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			g.conns[i], errs[i] = g.dial(ctx, p, u.Host, path)
		})
	}
	group.Wait()
	for i, err := range errs {
		if err != nil {
			g.Close()
			return nil, fmt.Errorf("load: client %d of %d: %w", i+1, spec.Clients, err)
		}
	}
	return g, nil
}

// dial opens one connection, joins the room and starts the reader.
func (g *Generator) dial(ctx context.Context, p scenarios.Protocol, host, path string) (*conn, error) {
	codec, err := NewCodec(p)
	if err != nil {
		return nil, err
	}
	nc, err := new(net.Dialer).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	c := &conn{g: g, net: nc, codec: codec, requests: make(chan Delivery, 4)}
	if err := c.write(codec.Hello(host, path)); err != nil {
		nc.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	g.ended.Add(1)
	go c.read()
	if _, err := c.await(ctx, Open); err != nil {
		nc.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	if err := c.write(codec.Join(nil, 1, room, from)); err != nil {
		nc.Close()
		return nil, fmt.Errorf("join: %w", err)
	}
	answer, err := c.await(ctx, Ack)
	if err == nil && len(answer.Data) > 0 {
		err = errors.New(string(answer.Data))
	}
	if err != nil {
		nc.Close()
		return nil, fmt.Errorf("join: %w", err)
	}
	if ping, every := codec.Ping(); every > 0 {
		time.AfterFunc(every, func() { c.heartbeat(ping, every) })
	}
	return c, nil
}

// heartbeat pings for as long as the connection lives.
func (c *conn) heartbeat(ping []byte, every time.Duration) {
	if c.closing.Load() || c.write(ping) != nil {
		return
	}
	time.AfterFunc(every, func() { c.heartbeat(ping, every) })
}

// await waits for an answer of the server.
func (c *conn) await(ctx context.Context, k Kind) (Delivery, error) {
	for {
		select {
		case d, ok := <-c.requests:
			if !ok {
				return d, *c.died.Load()
			}
			if d.Kind == k {
				return d, nil
			}
		case <-ctx.Done():
			return Delivery{}, fmt.Errorf("no answer: %w", ctx.Err())
		}
	}
}

// write counts before it writes: counting after it races with the peer.
func (c *conn) write(b []byte) error {
	c.up.Add(int64(len(b)))
	_, err := c.net.Write(b)
	return err
}

// read feeds the codec until the connection ends.
func (c *conn) read() {
	buffer := make([]byte, readBuffer)
	var why error
	for why == nil {
		n, err := c.net.Read(buffer)
		now := time.Since(c.g.start)
		c.down.Add(int64(n))
		why = err
		if n == 0 {
			continue
		}
		out, deliveries, err := c.codec.Feed(buffer[:n])
		if err != nil {
			why = err
		}
		c.take(deliveries, now)
		if len(out) > 0 {
			if err := c.write(out); err != nil {
				why = err
			}
		}
	}
	if errors.Is(why, io.EOF) {
		why = errors.New("connection closed by the server without a reason")
	}
	c.died.Store(&why)
	c.g.fatal.Do(func() { close(c.g.dead) })
	close(c.requests)
	c.net.Close()
	c.g.ended.Done()
}

// take records what arrived at the instant now.
func (c *conn) take(deliveries []Delivery, now time.Duration) {
	if len(deliveries) == 0 {
		return
	}
	p := c.g.phase.Load()
	if p != c.phase {
		c.enter(p)
	}
	for _, d := range deliveries {
		if d.Kind == Chat && p != nil {
			c.message(p, d.Data, now)
		} else if d.Kind == Open || d.Kind == Ack {
			d.Data = bytes.Clone(d.Data)
			select {
			case c.requests <- d:
			default: // an answer that nobody asked for
			}
		}
	}
	if p != nil {
		p.arrived.Add(1)
		p.lastAt.Store(int64(now))
	}
}

// enter begins a new phase.
func (c *conn) enter(p *phase) {
	c.phase = p
	c.got = make([]uint8, p.n)
	c.missing = p.n
	c.last = make([]int, c.g.senders())
	for i := range c.last {
		c.last[i] = -1
	}
	c.tally = tally{}
	if len(p.due) > 0 {
		c.tally.latency = make([]int64, 0, p.n)
		c.tally.fromWrite = make([]int64, 0, p.n)
	}
}

// message records one chat message.
func (c *conn) message(p *phase, data []byte, now time.Duration) {
	seq, ok := c.g.object.seq(data)
	i := int(seq - p.first)
	switch {
	case !ok || seq >= p.first+int64(p.n):
		c.tally.corrupt++
		return
	case seq < p.first || c.got[i] > 0:
		// One of an earlier phase was complete, so this is a second copy.
		c.tally.dup++
		return
	}
	c.got[i]++
	if last := &c.last[i%len(c.last)]; i < *last {
		c.tally.reordered++
	} else {
		*last = i
	}
	if len(p.due) > 0 {
		c.tally.latency = append(c.tally.latency, int64(now-p.due[i]))
		c.tally.fromWrite = append(c.tally.fromWrite, int64(now)-p.wrote[i].Load())
	}
	c.missing--
	if c == c.g.conns[0] {
		select {
		case p.echoes <- struct{}{}:
		default:
		}
	}
	if c.missing == 0 && p.pending.Add(-1) == 0 {
		close(p.complete)
	}
}

// begin makes a phase of n messages the current one.
func (g *Generator) begin(n int, due []time.Duration) *phase {
	p := &phase{
		first:    g.next,
		n:        n,
		due:      due,
		wrote:    make([]atomic.Int64, n),
		complete: make(chan struct{}),
		echoes:   make(chan struct{}, n),
	}
	p.pending.Store(int64(len(g.conns)))
	g.next += int64(n)
	g.phase.Store(p)
	return p
}

// senders is how many connections send, in turn, from the first on.
func (g *Generator) senders() int { return max(1, g.spec.Senders) }

// send writes message i of a phase.
func (g *Generator) send(p *phase, i int) error {
	c := g.conns[i%g.senders()]
	b := c.codec.Chat(nil, g.object.with(p.first+int64(i)))
	p.wrote[i].Store(int64(time.Since(g.start)))
	return c.write(b)
}

// warmUp returns how many messages the warm-up sends and how many of them may
// be on their way.
func (g *Generator) warmUp() (n, window int) {
	size := len(g.object.with(g.next))
	clients := len(g.conns)
	n = max((g.spec.Warmup+clients-1)/clients, warmMessages)
	n = max(1, min(n, warmBytes/(size*clients)))
	return n, g.atOnce(inFlight)
}

// atOnce bounds the messages on their way by their bytes, too.
func (g *Generator) atOnce(most int) int {
	return max(1, min(most, inFlightBytes/len(g.object.with(g.next))))
}

// Warm sends messages as fast as they come back until the number of
// deliveries in the spec has been reached. It fails if not all arrive.
func (g *Generator) Warm(ctx context.Context) error {
	if g.spec.Warmup == 0 {
		return nil
	}
	n, window := g.warmUp()
	p := g.begin(n, nil)
	begin := time.Now()
	if _, err := g.flood(ctx, p, window); err != nil {
		return fmt.Errorf("load: warm-up: %w%s", err, g.deaths())
	}
	g.pace = float64(n) / time.Since(begin).Seconds()
	return nil
}

// flood sends the messages of a phase as fast as they come back to the first
// connection, so many of them being on their way, and waits for all. It returns
// how many it has sent.
func (g *Generator) flood(ctx context.Context, p *phase, window int) (sent int, err error) {
	for ; sent < p.n; sent++ {
		if sent >= window {
			if err := g.quiet(ctx, p, p.echoes); err != nil {
				return sent, fmt.Errorf("message %d of %d did not come back: %w", sent-window+1, p.n, err)
			}
		}
		if err := g.send(p, sent); err != nil {
			return sent, err
		}
	}
	return sent, g.quiet(ctx, p, p.complete)
}

// quiet waits for something to happen, until nothing has arrived for a while
// or a connection has ended.
func (g *Generator) quiet(ctx context.Context, p *phase, done <-chan struct{}) error {
	select {
	case <-done: // the timer is not needed a million times
		return nil
	default:
	}
	before := int64(-1)
	tick := time.NewTicker(drain)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-g.dead:
			return errors.New("a connection has ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			now := p.arrived.Load()
			if now == before {
				return fmt.Errorf("%d of %d connections did not get everything within %v of silence", p.pending.Load(), len(g.conns), drain)
			}
			before = now
		}
	}
}

// deaths tells of connections that have ended, or nothing.
func (g *Generator) deaths() string {
	n, why := g.died()
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d of %d connections ended, the first with: %s", n, len(g.conns), why)
}

func (g *Generator) died() (n int64, why string) {
	for _, c := range g.conns {
		if err := c.died.Load(); err != nil {
			if n == 0 {
				why = (*err).Error()
			}
			n++
		}
	}
	return n, why
}

// Window sends the messages of the spec and waits for what they cause; Report
// tells what that was. An error means that there is nothing to tell.
func (g *Generator) Window(ctx context.Context) error {
	wire, cpu := g.wire(), cpuTime()
	// The first message is due a little later, when whoever asked and the
	// server are at rest again.
	begin := time.Since(g.start) + 5*time.Millisecond
	w := &window{}
	if g.spec.Saturate > 0 {
		g.saturate(ctx, w)
	} else if err := g.openLoop(ctx, w, begin); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return fmt.Errorf("load: %w%s", ctx.Err(), g.deaths())
	}
	w.report.Expected = w.report.Sent * int64(len(g.conns))
	// The pacer's spinning is the price of being on time, not of the load.
	w.report.ClientCPU = cpuTime() - cpu - w.spun
	w.report.Wire = g.wire().Sub(wire)
	w.report.Elapsed = time.Duration(w.phase.lastAt.Load()) - begin
	g.window = w
	return nil
}

// saturate sends as fast as messages come back. How many that are is decided
// beforehand by what the warm-up managed.
func (g *Generator) saturate(ctx context.Context, w *window) {
	n := int(g.pace * g.spec.Saturate.Seconds())
	n = max(2*inFlightSaturated, min(n, maxSaturated/len(g.conns)))
	w.phase = g.begin(n, nil)
	sent, err := g.flood(ctx, w.phase, g.atOnce(inFlightSaturated))
	w.report.Sent, w.broken = int64(sent), err
}

// openLoop sends messages at their due times.
func (g *Generator) openLoop(ctx context.Context, w *window, begin time.Duration) error {
	n := g.spec.Messages
	pace := newPacer()
	defer pace.close()
	due := make([]time.Duration, n)
	for i := range due {
		due[i] = begin + time.Duration(float64(i)/g.spec.Rate*float64(time.Second))
	}
	p := g.begin(n, due)
	lateness := make([]int64, 0, n)
	sent := 0
	for ; sent < n && w.broken == nil; sent++ {
		if err := pace.until(ctx, g.start.Add(due[sent])); err != nil {
			return fmt.Errorf("load: %w", err)
		}
		w.broken = g.send(p, sent)
		lateness = append(lateness, p.wrote[sent].Load()-int64(due[sent]))
	}
	if w.broken == nil {
		w.broken = g.quiet(ctx, p, p.complete)
	}
	w.phase, w.spun = p, pace.spun
	w.report.Sent, w.report.Lateness = int64(sent), quantiles(lateness)
	return nil
}

// window is what is known at the end of the window.
type window struct {
	phase  *phase
	report scenarios.LoadReport
	broken error         // why not everything was sent or arrived
	spun   time.Duration // CPU time of the pacer's waiting
}

// Report makes sure that nothing is on its way any more, closes the
// connections and tells what arrived in the window.
func (g *Generator) Report(ctx context.Context) (scenarios.LoadReport, error) {
	if g.window == nil {
		return scenarios.LoadReport{}, errors.New("load: there was no window")
	}
	// A second copy of the last message comes after it. The answer to one
	// more request comes after both.
	for _, c := range g.conns {
		if c.died.Load() == nil {
			c.write(c.codec.Join(nil, 2, room, from)) // read sees if it fails
		}
	}
	limited, cancel := context.WithTimeout(ctx, drain)
	defer cancel()
	for _, c := range g.conns {
		if _, err := c.await(limited, Ack); err != nil {
			if g.window.broken == nil {
				g.window.broken = fmt.Errorf("a connection is silent at the end: %w", err)
			}
			if ctx.Err() != nil {
				return scenarios.LoadReport{}, fmt.Errorf("load: %w", ctx.Err())
			}
		}
	}
	r := g.window.report
	r.Died, r.Why = g.died()
	if r.Why == "" && g.window.broken != nil {
		r.Why = g.window.broken.Error()
	}
	g.collect(g.window.phase, &r)
	return r, nil
}

// collect adds up what the connections counted. Their readers are stopped
// first, so that nothing changes meanwhile.
func (g *Generator) collect(p *phase, r *scenarios.LoadReport) {
	g.Close()
	var latency, fromWrite []int64
	for _, c := range g.conns {
		if c.phase != p {
			continue // nothing arrived at all
		}
		latency = append(latency, c.tally.latency...)
		fromWrite = append(fromWrite, c.tally.fromWrite...)
		r.Delivered += int64(p.n - c.missing)
		r.Dup += c.tally.dup
		r.Reordered += c.tally.reordered
		r.Corrupt += c.tally.corrupt
	}
	r.Lost = r.Expected - r.Delivered
	r.Latency, r.FromWrite = quantiles(latency), quantiles(fromWrite)
}

// wire is what the connections have carried so far.
func (g *Generator) wire() scenarios.Traffic {
	var t scenarios.Traffic
	for _, c := range g.conns {
		t.Up += c.up.Load()
		t.Down += c.down.Load()
	}
	return t
}

// Close cuts the connections and returns when their readers have ended.
func (g *Generator) Close() {
	for _, c := range g.conns {
		if c != nil {
			c.closing.Store(true)
			c.net.Close()
		}
	}
	g.ended.Wait()
}

// quantiles takes apart samples in nanoseconds; it sorts them in place.
func quantiles(samples []int64) scenarios.Quantiles {
	if len(samples) == 0 {
		return scenarios.Quantiles{}
	}
	slices.Sort(samples)
	at := func(q float64) float64 {
		// The smallest sample that at least the share q does not exceed.
		i := int(q*float64(len(samples))+0.999999999) - 1
		return float64(samples[min(max(i, 0), len(samples)-1)]) / 1e9
	}
	return scenarios.Quantiles{
		N: int64(len(samples)), P50: at(.5), P90: at(.9),
		P99: at(.99), P999: at(.999), Max: at(1),
	}
}
