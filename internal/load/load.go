// Package load is the load generator: one sender and many receivers that speak
// a chat's wire protocol at the same cost whichever it is.
//
// The sender is open loop: messages are due at instants fixed beforehand, and
// latency runs from the due time to each receiver's receipt, so that a stalled
// server shows in every message it delayed (no coordinated omission). What
// arrives is compared with what was sent, byte for byte, and every delivery is
// accounted for.
//
// It is one event loop on one thread, which sends, receives and keeps the time.
// Between the calls of a Generator nothing runs.
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"sync"
	"time"

	"wsvsio/scenarios"
)

const (
	// dialing is how many clients connect at once; more of them only overflow
	// the server's accept queue.
	dialing = 64

	// inFlight and inFlightBytes bound the messages on their way during the
	// warm-up, well below the queue that a server keeps for a slow reader.
	inFlight      = 16
	inFlightBytes = 1 << 20

	// inFlightSaturated is the same at saturation, where a server that lets
	// frames queue up and writes them at once should be able to show it.
	inFlightSaturated = 64

	// warmMessages is the least that a warm-up sends, and warmBytes the most
	// that it has delivered, so that it ends with long bodies, too.
	warmMessages = calm
	warmBytes    = 256 << 20

	// calm is how many messages of a warm-up, the last, are sent one at a time.
	// A connection costs more as long as it is young: the first segments that
	// come are acknowledged at once, each in the server's time, where later the
	// system waits. Measured with 1000 clients: 9.3 µs of CPU per delivery on
	// the floor after 16 segments, 7.4 µs from 24 on. A server that writes at
	// once what has queued up sends few segments while messages come thick and
	// fast, and its connections would be the youngest in the window.
	calm = 24

	// maxSaturated is how many deliveries a window at saturation has at most;
	// of each a byte is kept.
	maxSaturated = 50_000_000

	// patience is how long nothing may arrive before what is missing counts as
	// lost.
	patience = 5 * time.Second

	// lastLook is how long the loop looks for what has arrived before it gives up:
	// if the machine had stopped it, the time is over before it has looked at all.
	lastLook = 50 * time.Millisecond

	// slowBuffer is the receive buffer of a client that will stop reading, in
	// bytes, and slowSegment the largest segment that it takes: that of
	// Ethernet. With those of the loopback the systems at both ends would keep
	// megabytes for it before the server noticed.
	slowBuffer  = 4 << 10
	slowSegment = 1460

	// settle is how long a phase waits for what is under way to arrive.
	settle = 50 * time.Microsecond

	// postLimit is how long a phase waits for the answers to posts.
	postLimit = time.Second

	// maxEarly is how often a client asks again that was refused too early.
	maxEarly = 10

	// lead is when the first message is due: whoever asked and the server are
	// at rest again then.
	lead = 2 * time.Millisecond
)

// Generator holds the clients of one load. Its methods may be called from
// several goroutines, one after the other.
type Generator struct {
	spec  scenarios.LoadSpec
	start time.Time
	ctx   context.Context // ends with Close
	quit  context.CancelFunc

	mu         sync.Mutex // the event loop belongs to whoever holds it
	poll       poller
	on         arrived // g.arrived, made once
	addr       netip.AddrPort
	retired    []*stream // that were closed and opened again
	clients    []*client // the churners come last
	ready      int       // that have joined
	unanswered int       // requests of living clients
	deaths     int
	died       *client // the first
	ping       time.Duration
	out        []byte

	rooms  []object // what is sent, of each room
	next   int64    // sequence number of the next message
	phase  *phase
	cycles int64

	mark   scenarios.Count // what was counted until the phase began
	window *window         // once it is over
}

// client is one client of the chat.
type client struct {
	g       *Generator
	index   int
	room    int
	codec   *Codec
	streams []*stream
	stage   stage
	asked   bool // something, and has no answer yet
	slow    bool // will stop reading
	stopped bool // has done so
	churns  bool
	died    error
	pingAt  time.Duration
	early   int // polls that the server refused because it was not ready

	queued  []int    // messages that were handed to the codec and not written
	blocked []offset // messages that wait for room in the socket

	account
}

// stage is how far a client has come.
type stage uint8

const (
	opening stage = iota
	joining
	joined
	leaving // a churner that goes
	away
	returning // and comes back
)

// offset is where a message ends in the bytes of its stream.
type offset struct {
	message int
	end     int64
}

// The ids of the requests. The floor answers every one with 1.
const (
	joinID = 1 + iota
	markID
	leaveID
	backID
)

// Connect opens the clients of a load and has them join their rooms. rawURL has
// no path.
func Connect(ctx context.Context, p scenarios.Protocol, rawURL, path string, spec scenarios.LoadSpec) (*Generator, error) {
	return connect(ctx, newPoller, p, rawURL, path, spec)
}

func connect(ctx context.Context, newPoller func(time.Time) (poller, error), p scenarios.Protocol, rawURL, path string, spec scenarios.LoadSpec) (*Generator, error) {
	g := &Generator{
		spec:  spec,
		start: time.Now(),
		next:  scenarios.FirstSeq,
		ping:  never,
	}
	g.on = g.arrived
	if err := g.check(); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	addr, err := net.ResolveTCPAddr("tcp", u.Host)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	g.addr = addr.AddrPort()
	g.makeRooms()
	if g.poll, err = newPoller(g.start); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	g.ctx, g.quit = context.WithCancel(context.Background())
	dial := func(i int) error {
		c := &client{g: g, index: i, room: i % len(g.rooms)}
		c.slow = i < spec.Clients && i >= spec.Clients-spec.Slow
		c.churns = i >= spec.Clients
		var err error
		if c.codec, err = NewCodec(p); err != nil {
			return err
		}
		if err := c.codec.Open(spec.Transport, u.Host, path); err != nil {
			return err
		}
		g.clients = append(g.clients, c)
		for n := range c.codec.Streams() {
			s := &stream{client: c, index: n}
			if err := g.poll.open(s, g.addr, c.slow); err != nil {
				return err
			}
			c.streams = append(c.streams, s)
		}
		g.flush(c)
		return nil
	}
	err = g.run(ctx, func(ctx context.Context) error {
		total := spec.Clients + spec.Churners
		for g.ready < total {
			for len(g.clients) < total && len(g.clients)-g.ready < dialing {
				if err := dial(len(g.clients)); err != nil {
					return fmt.Errorf("client %d of %d: %w", len(g.clients)+1, total, err)
				}
			}
			err := g.turn(ctx, never)
			if g.died != nil {
				return fmt.Errorf("client %d of %d: %w", g.died.index+1, total, g.died.died)
			}
			if err != nil {
				return fmt.Errorf("%d of %d clients have joined: %w", g.ready, total, err)
			}
		}
		return nil
	})
	if err != nil {
		g.Close()
		return nil, fmt.Errorf("load: %w", err)
	}
	return g, nil
}

// check refuses a load that cannot be.
func (g *Generator) check() error {
	s := g.spec
	rooms := max(1, s.Rooms)
	switch {
	case s.Clients < 1:
		return errors.New("a load needs a client")
	case s.Clients%rooms != 0:
		return fmt.Errorf("%d clients cannot be spread evenly over %d rooms", s.Clients, rooms)
	case g.senders()*g.spread() > s.Clients-s.Slow:
		return fmt.Errorf("%d senders in each of %d rooms are more than the %d clients that read", g.senders(), rooms, s.Clients-s.Slow)
	case s.Slow > 0 && rooms > 1, s.Churners > 0 && rooms > 1:
		return errors.New("slow clients and churners need a single room")
	}
	return nil
}

// Warm sends messages as fast as they come back until the number of
// deliveries in the spec has been reached. It fails if not all arrive.
func (g *Generator) Warm(ctx context.Context) error {
	g.mu.Lock()
	g.mark = scenarios.Count{}
	g.mu.Unlock()
	err := g.run(ctx, func(ctx context.Context) error {
		connected := g.count()
		g.window = &window{}
		g.window.report.Phases.Connect = connected
		g.mark = connected
		if g.spec.Warmup == 0 {
			return nil
		}
		n, most := g.warmUp()
		p := g.begin(n, nil)
		apart := calm
		if g.spec.Saturate > 0 {
			apart = 0 // it goes on as it began
		}
		if err := g.flood(ctx, p, max(0, n-apart), most, never); err != nil {
			return fmt.Errorf("warm-up: %w%s", err, g.mourn())
		}
		if err := g.oneByOne(ctx, p); err != nil {
			return fmt.Errorf("warm-up: %w%s", err, g.mourn())
		}
		for _, c := range g.clients {
			if c.dup > 0 || c.reordered > 0 || c.corrupt > 0 {
				return fmt.Errorf("warm-up: client %d of %d: of %d messages %d came twice, %d out of order, and %d were not sent like that",
					c.index+1, len(g.clients), p.n, c.dup, c.reordered, c.corrupt)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// Window sends the messages of the spec and waits for what they cause; Report
// tells what that was. An error means that there is nothing to tell.
func (g *Generator) Window(ctx context.Context) error {
	err := g.run(ctx, func(ctx context.Context) error {
		w := g.window
		if w == nil {
			w = &window{}
			w.report.Phases.Connect = g.count()
			g.window, g.mark = w, w.report.Phases.Connect
		}
		w.report.Phases.Warmup = g.since()
		for _, c := range g.clients {
			if c.slow && c.died == nil {
				c.stopped = true
				for _, s := range c.streams {
					g.poll.pause(s, true)
				}
			}
		}
		spun := g.poll.waited()
		cpu := cpuTime()
		begin := g.now() + lead
		switch {
		case g.spec.Saturate > 0:
			begin = g.saturate(ctx, w)
		case g.spec.Messages > 0:
			w.broken = g.openLoop(ctx, w, begin)
		default:
			w.phase = g.begin(0, nil)
			w.broken = g.hold(ctx, begin+g.spec.Hold)
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%w%s", ctx.Err(), g.mourn())
		}
		// The loop's spinning is the price of being on time, not of the load.
		w.report.ClientCPU = cpuTime() - cpu - (g.poll.waited() - spun)
		w.report.Elapsed = w.phase.lastAt - begin
		w.report.Cycles = g.cycles
		w.report.Phases.Window = g.since()
		w.over = true
		return nil
	})
	if err != nil {
		return fmt.Errorf("load: %w", err)
	}
	return nil
}

// Report makes sure that nothing is on its way any more, closes the
// connections and tells what arrived in the window.
func (g *Generator) Report(ctx context.Context) (scenarios.LoadReport, error) {
	var r scenarios.LoadReport
	err := g.run(ctx, func(ctx context.Context) error {
		w := g.window
		if w == nil || !w.over {
			return errors.New("there was no window")
		}
		if err := g.drain(ctx); err != nil && w.broken == nil {
			w.broken = err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		w.report.Phases.Drain = g.since()
		r = w.report
		if g.died != nil {
			r.Died, r.Why = int64(g.deaths), g.died.died.Error()
		}
		if r.Why == "" && w.broken != nil {
			r.Why = w.broken.Error()
		}
		return g.collect(w, &r)
	})
	g.Close()
	if err != nil {
		return scenarios.LoadReport{}, fmt.Errorf("load: %w", err)
	}
	return r, nil
}

// Close cuts the connections. What still runs ends with an error.
func (g *Generator) Close() {
	g.quit()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.poll.end()
}

// run runs a part of the event loop.
func (g *Generator) run(ctx context.Context, part func(context.Context) error) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.ctx.Err() != nil {
		return errors.New("the connections are closed")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()
	defer context.AfterFunc(ctx, g.poll.wake)()
	// The thread's own clock tells what waiting has cost.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	return part(ctx)
}

// now is the time since the generator's start.
func (g *Generator) now() time.Duration { return time.Since(g.start) }

// turn lets the event loop run until the instant at most.
func (g *Generator) turn(ctx context.Context, until time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if g.ping != never && g.now() >= g.ping {
		g.heartbeat()
	}
	return g.poll.wait(min(until, g.ping), g.on)
}

// heartbeat pings where the client has to.
func (g *Generator) heartbeat() {
	now := g.now()
	g.ping = never
	for _, c := range g.clients {
		every := c.codec.PingEvery()
		if every == 0 || c.died != nil || c.stopped {
			continue
		}
		if c.pingAt <= now {
			c.codec.Ping()
			c.pingAt = now + every
			g.flush(c)
		}
		g.ping = min(g.ping, c.pingAt)
	}
}

// arrived takes what a stream has read.
func (g *Generator) arrived(s *stream, data []byte, now time.Duration, err error) {
	c := s.client
	s.last = now
	if c.died != nil {
		return
	}
	if err != nil {
		err = c.codec.Closed(s.index, err)
	}
	if len(data) > 0 {
		deliveries, problem := c.codec.Feed(s.index, data)
		for _, d := range deliveries {
			c.take(d, now)
			if c.died != nil {
				return
			}
		}
		if errors.Is(problem, errEarly) && c.early < maxEarly {
			c.early++
		} else if problem != nil {
			err = problem
		}
		if g.phase != nil && len(deliveries) > 0 && !c.stopped {
			g.phase.lastAt = now
		}
		g.flush(c)
	}
	if err != nil {
		c.end(err)
	}
}

// take acts on what the server said.
func (c *client) take(d Delivery, now time.Duration) {
	g := c.g
	switch d.Kind {
	case Chat:
		c.message(d.Data, now)
	case Open:
		if c.stage != opening {
			return
		}
		c.stage = joining
		if every := c.codec.PingEvery(); every > 0 {
			c.pingAt = now + every
			g.ping = min(g.ping, c.pingAt)
		}
		c.ask("join", joinID)
	case Ack:
		if !c.asked {
			return // an answer that nobody asked for
		}
		c.asked = false
		g.unanswered--
		if len(d.Data) > 0 {
			c.end(errors.New(string(d.Data)))
			return
		}
		switch c.stage {
		case joining:
			c.stage = joined
			g.ready++
		case leaving:
			c.left()
			c.stage = away
		case returning:
			c.stage = joined
			c.back()
			g.cycles++
		}
	}
}

// ask sends a request of the client's room.
func (c *client) ask(kind string, id int64) {
	c.asked = true
	c.g.unanswered++
	c.codec.Request(kind, id, c.g.roomName(c.room), from)
	c.g.flush(c)
}

// flush writes what a client has to say.
func (g *Generator) flush(c *client) {
	for i, s := range c.streams {
		if c.died != nil {
			return
		}
		kept := c.codec.KeptFor(i)
		g.out = c.codec.Take(g.out[:0], i)
		if len(g.out) == 0 {
			continue
		}
		if kept > 0 && g.now()-s.last > kept {
			g.poll.close(s)
		}
		if s.dead {
			// It was closed while nothing was under way.
			g.retired = append(g.retired, s)
			s = &stream{client: c, index: i}
			c.streams[i] = s
			if err := g.poll.open(s, g.addr, false); err != nil {
				c.end(err)
				return
			}
		}
		// Messages go over the last stream: the only one, or that of the posts.
		if i == len(c.streams)-1 {
			c.written(s, len(g.out))
		}
		if err := g.poll.write(s, g.out); err != nil {
			c.end(err)
			return
		}
	}
}

// written notes that the messages that have queued up are written now.
func (c *client) written(s *stream, n int) {
	if len(s.pending) == 0 {
		c.blocked = c.blocked[:0]
	}
	if len(c.queued) == 0 {
		return
	}
	now := c.g.now()
	written := max(0, len(c.queued)-c.codec.Unwritten())
	for _, i := range c.queued[:written] {
		c.g.phase.wrote[i] = now
		c.blocked = append(c.blocked, offset{i, s.up + int64(len(s.pending)+n)})
	}
	c.queued = c.queued[:copy(c.queued, c.queued[written:])]
}

// end takes a client out that has lost a connection.
func (c *client) end(why error) {
	if c.died != nil {
		return
	}
	if errors.Is(why, io.EOF) {
		why = errors.New("connection closed by the server without a reason")
	}
	switch c.stage {
	case opening:
		why = fmt.Errorf("handshake: %w", why)
	case joining:
		why = fmt.Errorf("join: %w", why)
	}
	g := c.g
	if g.phase != nil && c.waits() {
		g.phase.pending--
	}
	c.died = why
	if c.asked {
		g.unanswered--
	}
	if c.stopped {
		// That is what a server may do with it.
		g.window.report.Slow.Closed++
	} else {
		g.deaths++
		if g.died == nil {
			g.died = c
		}
	}
	for _, s := range c.streams {
		g.poll.close(s)
	}
	if g.phase != nil {
		c.unsend()
	}
}

// mourn tells of connections that have ended, or nothing.
func (g *Generator) mourn() string {
	if g.died == nil {
		return ""
	}
	return fmt.Sprintf("; %d of %d connections ended, the first with: %s", g.deaths, len(g.clients), g.died.died)
}

// warmUp returns how many messages the warm-up sends and how many of them may
// be on their way.
func (g *Generator) warmUp() (n, most int) {
	size := len(g.rooms[0].with(g.next))
	receivers := g.spec.Clients / g.spread()
	n = max((g.spec.Warmup+receivers-1)/receivers, warmMessages)
	n = max(1, min(n, warmBytes/(size*receivers)))
	return n, g.atOnce(inFlight)
}

// atOnce bounds the messages on their way by their bytes, too.
func (g *Generator) atOnce(most int) int {
	return max(1, min(most, inFlightBytes/len(g.rooms[0].with(g.next))))
}

// flood sends the messages of a phase up to the nth as fast as they come back
// to those who sent them, so many of them being on their way, and waits for
// all. The phase ends at the instant with what was sent until then.
func (g *Generator) flood(ctx context.Context, p *phase, n, most int, until time.Duration) error {
	for p.sent < n {
		for p.sent < n && p.sent-p.returned < most {
			g.queue(p)
		}
		for _, c := range g.clients[:g.senders()*g.spread()] {
			if len(c.queued) > 0 {
				g.flush(c)
			}
		}
		returned := p.returned
		err := g.quiet(ctx, p, func() bool { return p.returned > returned || p.sent >= n })
		if err != nil {
			return fmt.Errorf("message %d of %d did not come back: %w", p.returned+1, p.n, err)
		}
		if until != never && g.now() >= until {
			g.shorten(p)
			n = p.n
		}
	}
	if p.sent < p.n {
		return nil
	}
	return g.quiet(ctx, p, func() bool { return p.pending == 0 })
}

// oneByOne sends the rest of a warm-up, each message when all have the one
// before.
func (g *Generator) oneByOne(ctx context.Context, p *phase) error {
	for {
		due := 0
		for _, c := range g.clients {
			due += c.due(p.sent)
		}
		if err := g.quiet(ctx, p, func() bool { return p.delivered == due }); err != nil || p.sent == p.n {
			return err
		}
		g.flush(g.queue(p))
	}
}

// patience is how long nothing may arrive.
func (g *Generator) patience() time.Duration {
	if g.spec.Patience > 0 {
		return g.spec.Patience
	}
	return patience
}

// quiet lets the loop run until it is done, until nothing has arrived for a
// while, or until a client has died whose answers are missing.
func (g *Generator) quiet(ctx context.Context, p *phase, done func() bool) error {
	wait := g.patience()
	deaths := g.deaths
	for w := g.newWait(wait); !done(); {
		if g.deaths > deaths {
			return errors.New("a connection has ended")
		}
		limit, over := w.limit(g.now(), p.lastAt)
		if over {
			return fmt.Errorf("%d of %d connections did not get everything within %v of silence", p.pending, g.spec.Clients, wait)
		}
		if err := g.turn(ctx, limit); err != nil {
			return err
		}
	}
	return nil
}

// silence is a wait that is over once nothing has arrived for a while.
type silence struct {
	wait, began time.Duration
	looked      time.Duration // when the last thing had arrived before the last look
	end         time.Duration // of that look
}

// newWait begins one.
func (g *Generator) newWait(wait time.Duration) silence {
	return silence{wait: wait, began: g.now(), looked: -1}
}

// limit returns until when to wait, and whether it is over, given when the last
// thing has arrived.
func (s *silence) limit(now, last time.Duration) (until time.Duration, over bool) {
	last = max(s.began, last)
	if until = last + s.wait; now < until {
		return until, false
	}
	if s.looked != last {
		s.looked, s.end = last, now+lastLook
	}
	return s.end, now >= s.end
}

// saturate sends as fast as messages come back, for the time of the spec.
// It returns when it began.
func (g *Generator) saturate(ctx context.Context, w *window) (begin time.Duration) {
	w.phase = g.begin(maxSaturated/g.spec.Clients, nil)
	begin = g.now()
	w.broken = g.flood(ctx, w.phase, w.phase.n, g.atOnce(inFlightSaturated), begin+g.spec.Saturate)
	return begin
}

// openLoop sends messages at their due times.
func (g *Generator) openLoop(ctx context.Context, w *window, begin time.Duration) error {
	due := make([]time.Duration, g.spec.Messages)
	for i := range due {
		due[i] = begin + time.Duration(float64(i)/g.spec.Rate*float64(time.Second))
	}
	p := g.begin(len(due), due)
	w.phase = p
	churn := g.newChurn(begin)
	for p.sent < p.n {
		next := min(due[p.sent], churn.due)
		if g.now() < next {
			if err := g.turn(ctx, next); err != nil {
				return err
			}
			continue
		}
		if churn.due <= due[p.sent] {
			churn.start(g)
			continue
		}
		c := g.queue(p)
		g.flush(c)
		if c.died != nil {
			return errors.New("a connection that sends has ended")
		}
	}
	if err := g.quiet(ctx, p, func() bool { return p.pending == 0 }); err != nil {
		return err
	}
	return g.quiet(ctx, p, func() bool { return g.unanswered == 0 })
}

// hold keeps the connections open until the instant.
func (g *Generator) hold(ctx context.Context, until time.Duration) error {
	for g.now() < until {
		if g.died != nil {
			return errors.New("a connection has ended")
		}
		if err := g.turn(ctx, until); err != nil {
			return err
		}
	}
	return nil
}

// drain has every client ask once more. The answer comes after all that the
// server had to say before it: a second copy of the last message, too.
func (g *Generator) drain(ctx context.Context) error {
	for _, c := range g.clients {
		if c.stopped && c.died == nil {
			for _, s := range c.streams {
				g.poll.pause(s, false)
			}
		}
	}
	for _, c := range g.clients {
		if c.died == nil && !c.asked {
			c.ask("join", markID)
		}
	}
	for w := g.newWait(g.patience()); g.unanswered > 0; {
		limit, over := w.limit(g.now(), g.window.phase.lastAt)
		if over {
			return fmt.Errorf("%d of %d connections have no answer at the end", g.unanswered, len(g.clients))
		}
		if err := g.turn(ctx, limit); err != nil {
			return err
		}
	}
	g.window.drained = true
	return nil
}

// posting reports whether an answer to the client's post is under way.
func (c *client) posting() bool { return c.died == nil && !c.stopped && c.codec.Posting() }

// count is what the connections have carried so far.
func (g *Generator) count() scenarios.Count {
	// What is under way belongs to the phase that ends.
	limit := g.now() + postLimit
	for g.now() < limit && slices.ContainsFunc(g.clients, (*client).posting) {
		g.poll.wait(limit, g.on)
	}
	g.poll.wait(g.now()+settle, g.on)
	t := scenarios.Count{Kernel: scenarios.Kernel{Told: true}}
	add := func(s *stream) {
		k := g.poll.count(s)
		t.Conns++
		t.Up += s.up
		t.Down += s.down
		t.Kernel.Told = t.Kernel.Told && k.Told
		t.Kernel.Up += k.Up
		t.Kernel.Down += k.Down
		t.Kernel.SegsUp += k.SegsUp
		t.Kernel.SegsDown += k.SegsDown
	}
	for _, c := range g.clients {
		t.Requests += c.codec.Requests()
		for _, s := range c.streams {
			add(s)
		}
	}
	for _, s := range g.retired {
		add(s)
	}
	return t
}

// since is what has been carried since the mark, which moves to now.
func (g *Generator) since() scenarios.Count {
	now := g.count()
	last := g.mark
	g.mark = now
	return now.Sub(last)
}

// spread is how many rooms the messages are spread over.
func (g *Generator) spread() int {
	if g.spec.Announce {
		return 1
	}
	return max(1, g.spec.Rooms)
}

// senders is how many clients of a room send, in turn, from the first on.
func (g *Generator) senders() int { return max(1, g.spec.Senders) }

// sender is the client that sends message i, and its number in its room.
func (g *Generator) sender(i int) (index, number int) {
	rooms := g.spread()
	number = i / rooms % g.senders()
	return i%rooms + rooms*number, number
}

// queue hands the next message of a phase to the codec of its sender.
func (g *Generator) queue(p *phase) *client {
	i := p.sent
	p.sent++
	index, _ := g.sender(i)
	c := g.clients[index]
	if c.died != nil {
		return c
	}
	kind := "chat"
	if g.spec.Announce {
		kind = "announce"
	}
	g.out = g.rooms[i%g.spread()].append(g.out[:0], p.first+int64(i))
	c.codec.Event(kind, g.out)
	c.queued = append(c.queued, i)
	if len(p.due) > 0 {
		p.record(p.lateness, g.now()-p.due[i])
	}
	return c
}

// window is what happened in the window.
type window struct {
	phase  *phase
	report scenarios.LoadReport
	broken error
	over   bool

	drained bool // every living client had an answer after all
}

// churn has clients leave and come back, each time at its due instant.
type churn struct {
	due   time.Duration
	every time.Duration
	next  int
}

func (g *Generator) newChurn(begin time.Duration) *churn {
	if g.spec.Churners == 0 || g.spec.ChurnRate <= 0 {
		return &churn{due: never}
	}
	// A client that comes back has left before.
	return &churn{due: begin, every: time.Duration(float64(time.Second) / (2 * g.spec.ChurnRate))}
}

// start has the next client leave, or come back if it is away. One that has no
// answer yet is left alone.
func (ch *churn) start(g *Generator) {
	ch.due += ch.every
	churners := g.clients[g.spec.Clients:]
	c := churners[ch.next%len(churners)]
	ch.next++
	switch {
	case c.died != nil || c.asked:
	case c.stage == joined:
		c.leave()
		c.stage = leaving
		c.ask("leave", leaveID)
	case c.stage == away:
		c.stage = returning
		c.ask("join", backID)
	}
}
