package netlab

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"time"

	"wsvsio/scenarios"
)

// FaultyOptions say how what passes a Faulty passes while no harm is done.
type FaultyOptions struct {
	// Delay is what is added each way. To connect takes a round trip more,
	// which is charged to the first bytes.
	Delay time.Duration

	// Bandwidth is what passes each way on each connection, in bytes a second;
	// 0 is no limit. What is too fast waits, up to a megabyte, and then the
	// sender has to.
	Bandwidth float64
}

// Faulty is a relay that does harm on command and keeps a record of what has
// passed and of what it did. It implements scenarios.Path.
//
// A client whose target is down is told so as well as a relay can: its
// connection is accepted, since the system does that, and reset when the
// server's refusal would have come.
//
// Forwarded is what the system has taken to send. On a loopback connection that
// is at the receiver's, unless so much waits there that there is no room: a
// reset throws that away.
type Faulty struct {
	carrier
	harm []scenarios.Harm // under the lock of the carrier
}

// NewFaulty listens on a loopback port that the system chooses and forwards to
// target, a host and port. It ends with the context or Close.
func NewFaulty(ctx context.Context, target string, o FaultyOptions) (*Faulty, error) {
	if o.Delay < 0 {
		return nil, fmt.Errorf("faulty path: delay of %v", o.Delay)
	}
	if !(o.Bandwidth >= 0) || math.IsInf(o.Bandwidth, 0) {
		return nil, fmt.Errorf("faulty path: bandwidth of %v B/s", o.Bandwidth)
	}
	w := way{o.Delay, o.Bandwidth}
	f := &Faulty{carrier: carrier{
		name: "faulty path", target: target, ways: [2]way{w, w}, greets: true, finds: true,
	}}
	if err := f.listen(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// Fault implements scenarios.Path. It is done to the connections of which one
// end at least is still open, held ones too, and has been done when Fault
// returns; only what a close sends follows what came before it.
//
// What waits is dropped by a reset and by a silence. An end of which nothing
// more can be heard, because of a silence or after a close, stays open to the
// path until it closes by itself or the path does; what it sends is read and
// recorded. A client that gives up while it is held is not carried at all.
func (f *Faulty) Fault(fault scenarios.Fault) (scenarios.Harm, error) {
	lanes, err := check(fault)
	if err != nil {
		return scenarios.Harm{}, fmt.Errorf("faulty path: %w", err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	harm := scenarios.Harm{Fault: fault, Conns: []int{}}
	now := monotonic()
	if fault.Hold > 0 {
		f.hold = max(f.hold, now+int64(fault.Hold))
	}
	var harmed []*link
	for _, k := range f.links {
		k.mu.Lock()
		if !k.over {
			now = monotonic()
			k.harm(fault, lanes, now)
			if len(harmed) == 0 {
				harm.At = now
			}
			harmed = append(harmed, k)
			harm.Conns = append(harm.Conns, k.number)
		}
		k.mu.Unlock()
	}
	if len(harmed) == 0 {
		harm.At = now
	}
	if fault.Kind == scenarios.FaultReset {
		// The clients first: they are to be cut at one instant.
		for _, k := range harmed {
			k.mu.Lock()
			shut(k.server, true)
			k.mu.Unlock()
		}
	}
	f.harm = append(f.harm, harm)
	return harm, nil
}

// check returns the directions that a fault is done to, or what is wrong with
// it.
func check(f scenarios.Fault) ([]Direction, error) {
	directed := f.Kind == scenarios.FaultSilence || f.Kind == scenarios.FaultStall
	lanes := []Direction{Up, Down}
	switch f.Direction {
	case "":
	case scenarios.PathUp:
		lanes = lanes[:1]
	case scenarios.PathDown:
		lanes = lanes[1:]
	default:
		return nil, fmt.Errorf("%s: no direction %q", f.Kind, f.Direction)
	}
	switch {
	case !directed && f.Kind != scenarios.FaultReset && f.Kind != scenarios.FaultClose:
		return nil, fmt.Errorf("no fault of kind %q", f.Kind)
	case !directed && f.Direction != "":
		return nil, fmt.Errorf("%s: has no direction", f.Kind)
	case f.Kind == scenarios.FaultStall && f.For <= 0:
		return nil, fmt.Errorf("%s: for %v", f.Kind, f.For)
	case f.Kind != scenarios.FaultStall && f.For != 0:
		return nil, fmt.Errorf("%s: has no end, and cannot be for %v", f.Kind, f.For)
	case f.Hold < 0:
		return nil, fmt.Errorf("%s: hold of %v", f.Kind, f.Hold)
	}
	return lanes, nil
}

// harm does harm at the instant now. Of a reset it does what the client sees,
// the server's end is the caller's.
func (k *link) harm(fault scenarios.Fault, lanes []Direction, now int64) {
	for _, dir := range lanes {
		l := k.lanes[dir]
		switch fault.Kind {
		case scenarios.FaultReset:
			l.note(string(fault.Kind), now)
		case scenarios.FaultClose:
			l.note(string(fault.Kind), now)
			if !l.closed && !l.eof && !l.silent && !l.dead {
				l.push(piece{end: "fin", ready: now})
			}
			l.closed = true
		case scenarios.FaultSilence:
			l.silent = true
			l.drop()
		case scenarios.FaultStall:
			l.gate = max(l.gate, now+int64(fault.For))
			l.interrupt()
		}
	}
	switch fault.Kind {
	case scenarios.FaultReset:
		k.abandon()
		shut(k.client, true)
	case scenarios.FaultSilence:
		k.settle()
	}
}

// Record implements scenarios.Path. Passages and crossings are in order of
// connections, up before down, and in the order of each stream; ends are in
// the order of time. An end without a fault is of the client if its direction
// is up, of the server if it is down; that the server refused the connection
// is a reset by it. After a fault that ended both directions, what the client
// and the server do about it is no further end. How is an error's text where
// the path itself could not go on, for want of files say: such a record is of
// no use.
func (f *Faulty) Record() scenarios.PathRecord {
	var r scenarios.PathRecord
	f.mu.Lock()
	links := f.links[:len(f.links):len(f.links)]
	r.Harm = slices.Clone(f.harm)
	f.mu.Unlock()
	for _, k := range links {
		r.Accepted = append(r.Accepted, k.accepted)
		for _, l := range k.lanes {
			l.find()
			l.messages.Lock()
			k.mu.Lock()
			log := slices.Clone(l.log)
			k.mu.Unlock()
			for _, p := range log {
				r.Passages = append(r.Passages, scenarios.Passage{
					Conn: k.number, Direction: l.dir.String(),
					From: p.From, To: p.To, Came: p.Received, Went: p.Forwarded,
				})
			}
			rest := log
			for _, m := range l.messages.found {
				at := sort.Search(len(rest), func(i int) bool { return rest[i].To >= m.End })
				rest = rest[at:]
				r.Crossings = append(r.Crossings, scenarios.Crossing{
					Conn: k.number, Direction: l.dir.String(),
					From: m.From, Room: m.Room, Seq: m.Seq,
					Came: rest[0].Received, Went: rest[0].Forwarded,
				})
			}
			l.messages.Unlock()
		}
		k.mu.Lock()
		r.Ends = append(r.Ends, k.ends...)
		k.mu.Unlock()
	}
	slices.SortStableFunc(r.Ends, func(a, b scenarios.PathEnd) int { return cmp.Compare(a.At, b.At) })
	return r
}

// Timed is a fault at its time.
type Timed struct {
	After time.Duration // since the start of the schedule
	scenarios.Fault
}

// Schedule does faults to a path, each at its time, in order, and returns when
// the last has been done, one could not be done, or the context has ended. It
// returns what was done. Where it is late, because of a fault that took long,
// it does not wait, and the harm tells.
func Schedule(ctx context.Context, p scenarios.Path, faults ...Timed) ([]scenarios.Harm, error) {
	var done []scenarios.Harm
	start := time.Now()
	for i, f := range faults {
		wait := time.NewTimer(time.Until(start.Add(f.After)))
		select {
		case <-wait.C:
		case <-ctx.Done():
			wait.Stop()
			return done, fmt.Errorf("schedule: %d of %d faults done: %w", i, len(faults), ctx.Err())
		}
		h, err := p.Fault(f.Fault)
		if err != nil {
			return done, fmt.Errorf("schedule: fault %d of %d: %w", i+1, len(faults), err)
		}
		done = append(done, h)
	}
	return done, nil
}
