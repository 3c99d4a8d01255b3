package fallback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"wsvsio/scenarios"
	"wsvsio/scenarios/class"
)

// away is how far from the server the clients of the case switches are, one way:
// so that something is said before a change is over that takes a few requests.
const away = 5 * time.Millisecond

// dwell is how long both talk on a WebSocket before it is lost.
const dwell = 100 * time.Millisecond

// ledger is what became of the messages of one direction.
type ledger struct {
	taken   int // by the one that was to send them
	refused int // not taken, so that whoever gave them knows
	arrived int // each counted once

	// The others, by what crossed the wire.
	unwritten   int // never written to a connection of the client
	cut         int // written, and its connection ended
	undelivered int // arrived, and not passed on

	dup, reordered int

	// underWay were given before a change of the transport, and arrived after
	// it: what could have been lost.
	underWay int
}

// lost is how many did not arrive.
func (l ledger) lost() int { return l.unwritten + l.cut + l.undelivered }

// add adds those of another client.
func (l *ledger) add(m ledger) {
	l.taken += m.taken
	l.refused += m.refused
	l.arrived += m.arrived
	l.unwritten += m.unwritten
	l.cut += m.cut
	l.undelivered += m.undelivered
	l.dup += m.dup
	l.reordered += m.reordered
	l.underWay += m.underWay
}

// String returns the ledger as a label has it.
func (l ledger) String() string {
	return fmt.Sprintf("%d taken, %d refused, %d arrived; %d lost: %d never written, %d cut off, %d not passed on; %d twice, %d out of order; %d under way during a change",
		l.taken, l.refused, l.arrived, l.lost(), l.unwritten, l.cut, l.undelivered, l.dup, l.reordered, l.underWay)
}

// passage is what became of one client that changes its transport.
type passage struct {
	changes  int
	end      string // why it is no more, "" if it is there
	up, down ledger
}

// switches has clients change their transport, some side by side and then the
// next ones, until there were as many changes as the case asks for or its window is
// over; a client that ends over one counts as one. A client that goes back has its connections cut as
// often as that takes; of the others each changes once.
func (x *experiment) switches(ctx context.Context) error {
	var total passage
	ends := make(map[string]int)
	clients, died, fresh := 0, 0, true
	for began := time.Now(); total.changes+died < x.c.Samples; {
		if time.Since(began) > x.c.Window {
			x.rec.Doubt(fmt.Sprintf("%d of %d changes were tried within %v", total.changes+died, x.c.Samples, x.c.Window))
			break
		}
		if err := x.welcome(ctx, fresh, clients > 0); err != nil {
			return err
		}
		left := x.c.Samples - total.changes - died
		abreast := min(x.c.Clients, left)
		wave := make([]passage, abreast)
		errs := make([]error, abreast)
		var all sync.WaitGroup
		for i := range wave {
			name := fmt.Sprint("client-", clients+i)
			share := (left + abreast - 1) / abreast
			all.Go(func() { errs[i] = x.change(ctx, name, share, &wave[i]) })
		}
		all.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		clients += abreast
		fresh = false
		for _, p := range wave {
			total.changes += p.changes
			total.up.add(p.up)
			total.down.add(p.down)
			if p.end != "" {
				ends[p.end]++
				died++
				fresh = true
			}
		}
	}
	x.balance(total, clients, ends)
	return nil
}

// welcome has a partner there for the next clients. Where some before them have
// ended all is begun anew: go-socket.io goes on to send to those, and while it
// waits for one it sends nothing to anybody.
func (x *experiment) welcome(ctx context.Context, fresh, anew bool) error {
	if !fresh {
		return nil
	}
	if anew {
		if err := x.end(ctx); err != nil {
			return err
		}
		if err := x.begin(ctx); err != nil {
			return err
		}
	}
	return x.meetPartner(ctx)
}

// balance records what became of all clients.
func (x *experiment) balance(p passage, clients int, ends map[string]int) {
	x.rec.Value("switches", float64(p.changes))
	x.rec.Value("sent-up", float64(p.up.taken))
	x.rec.Value("sent-down", float64(p.down.taken))
	x.rec.Value("lost-up", float64(p.up.lost()))
	x.rec.Value("lost-down", float64(p.down.lost()))
	x.rec.Value("lost-unwritten", float64(p.up.unwritten+p.down.unwritten))
	x.rec.Value("lost-cut", float64(p.up.cut+p.down.cut))
	x.rec.Value("lost-undelivered", float64(p.up.undelivered+p.down.undelivered))
	x.rec.Value("refused", float64(p.up.refused+p.down.refused))
	x.rec.Value("dup", float64(p.up.dup+p.down.dup))
	x.rec.Value("reordered", float64(p.up.reordered+p.down.reordered))
	x.rec.Label("up", p.up.String())
	x.rec.Label("down", p.down.String())
	died := 0
	var texts []string
	for text, n := range ends {
		died += n
		texts = append(texts, fmt.Sprintf("%d %s", n, text))
	}
	x.rec.Value("died", float64(died))
	slices.Sort(texts)
	if died > 0 {
		x.rec.Label("clients that ended", fmt.Sprintf("of %d: %s", clients, strings.Join(texts, ", ")))
	}
}

// change has one client change its transport while both talk. The error is that
// of the machinery.
func (x *experiment) change(ctx context.Context, name string, share int, p *passage) error {
	path, err := x.env.Path(ctx, scenarios.PathSpec{Kind: scenarios.PathFaulty, Delay: away}, x.node)
	if err != nil {
		return err
	}
	defer path.Close()
	limited, cancel := x.limit(ctx, 1)
	defer cancel()
	if err := x.partner.Join(limited, name); err != nil {
		p.end = "without a partner: " + class.Of(err) // somebody before has taken it along
		return ctx.Err()
	}
	peer, err := x.crew.Dial(limited, path.URL(), x.config(name))
	if err != nil {
		p.end = (&outcome{err: err}).String()
		return ctx.Err()
	}
	up := talker{x: x, peer: peer, from: name, room: name}
	down := talker{x: x, peer: x.partner, from: partnerName, room: name}
	if err := x.cross(ctx, share, path, &up, &down); err != nil {
		return err
	}
	x.settle(ctx, &up, &down)
	o := &outcome{up: true, works: true}
	o.see(peer.Events())
	p.changes = o.switches()
	switch {
	case o.down != "":
		p.end = o.String()
	case p.changes < share && (x.stack.Mode.GoesBack || p.changes == 0):
		p.end = "hangs"
	}
	record := path.Record()
	p.up = up.balance(scenarios.PathUp, x.partner.Events(), peer.Events(), record)
	p.down = down.balance(scenarios.PathDown, peer.Events(), peer.Events(), record)
	return ctx.Err()
}

// cross has both talk until the client has made its share of changes, or ended.
// The client speaks at once, for an upgrade begins with the connection.
func (x *experiment) cross(ctx context.Context, share int, path scenarios.Path, up, down *talker) error {
	talking, stop := context.WithCancel(ctx)
	defer stop()
	var both sync.WaitGroup
	defer both.Wait()
	defer stop()
	both.Go(func() { up.talk(talking, ctx) })
	limited, cancel := x.limit(ctx, 1)
	defer cancel()
	if up.peer.Join(limited, up.room) != nil {
		return ctx.Err() // the events say why
	}
	both.Go(func() { down.talk(talking, ctx) })
	changes := 0
	for {
		// The next time that it is on a WebSocket, after what there was.
		limited, cancel := x.limit(ctx, 1)
		events, err := up.peer.Await(limited, func(events []scenarios.Event) bool {
			n, on := changed(events)
			return ended(events) != "" || n >= changes && on == scenarios.WebSocket
		})
		cancel()
		if err != nil || ended(events) != "" {
			return ctx.Err()
		}
		if err := scenarios.Wait(ctx, dwell); err != nil {
			return err
		}
		if changes, _ = changed(events); changes >= share || !x.stack.Mode.GoesBack {
			return nil
		}
		if _, err := path.Fault(scenarios.Fault{Kind: scenarios.FaultReset}); err != nil {
			return err
		}
		changes += 2 // to another one, and back
	}
}

// changed returns how often a client has changed its transport, and what it is
// on.
func changed(events []scenarios.Event) (n int, on string) {
	n = -1
	for _, e := range events {
		if e.Transport != "" {
			n, on = n+1, e.Transport
		}
	}
	return n, on
}

// settle waits until all that was said has arrived, or nothing can any more.
func (x *experiment) settle(ctx context.Context, up, down *talker) {
	limited, cancel := x.limit(ctx, 1)
	defer cancel()
	gone := func() bool { return ended(up.peer.Events()) != "" }
	if gone() {
		// The server may still pass on what the client has said before.
		limited, cancel = context.WithTimeout(ctx, drainLimit)
		defer cancel()
	}
	whole := func(t *talker, events []scenarios.Event) bool {
		first, _, _ := t.received(events)
		return t.missing(first) == 0
	}
	x.partner.Await(limited, func(events []scenarios.Event) bool { return whole(up, events) })
	up.peer.Await(limited, func(events []scenarios.Event) bool { return whole(down, events) || gone() })
}

// balance finds out what became of the talker's messages: heard is what the other
// end has seen, seen what the client has, and record what crossed its wire.
func (t *talker) balance(direction string, heard, seen []scenarios.Event, record scenarios.PathRecord) ledger {
	l := ledger{taken: len(t.said), refused: t.refused}
	var first map[int64]int64
	first, l.dup, l.reordered = t.received(heard)
	onWire := t.crossings(direction, first, record)
	for i, seq := range t.said {
		at, came := first[seq]
		if came {
			l.arrived++
			l.underWay += during(t.at[i], at, seen)
			continue
		}
		switch cut, written := onWire[seq]; {
		case !written:
			l.unwritten++
		case cut:
			l.cut++
		default:
			l.undelivered++
		}
	}
	return l
}

// during is 1 if the transport changed between two instants, otherwise 0. Those
// at which a client is up are no changes.
func during(from, to int64, seen []scenarios.Event) int {
	for _, e := range seen {
		if e.Kind == scenarios.EventTransport && e.At > from && e.At < to {
			return 1
		}
	}
	return 0
}

// crossings returns of each message that was written to a connection of the
// client whether it was cut off there: it did not get through, or its connection
// has ended and nothing that came after it on that connection has arrived. What
// is written again counts as it was the last time.
func (t *talker) crossings(direction string, arrived map[int64]int64, record scenarios.PathRecord) map[int64]bool {
	over := make(map[int]bool)
	for _, e := range record.Ends {
		over[e.Conn] = true
	}
	for _, h := range record.Harm {
		for _, c := range h.Conns {
			over[c] = true
		}
	}
	mine := func(c scenarios.Crossing) bool {
		return c.Direction == direction && c.From == t.from && c.Room == t.room
	}
	last := make(map[int]int) // that has arrived, of each connection
	for i, c := range record.Crossings {
		if _, came := arrived[c.Seq]; came && mine(c) {
			last[c.Conn] = i
		}
	}
	cut := make(map[int64]bool)
	for i, c := range record.Crossings {
		if !mine(c) {
			continue
		}
		n, some := last[c.Conn]
		cut[c.Seq] = c.Went == 0 || over[c.Conn] && (!some || i > n)
	}
	return cut
}
