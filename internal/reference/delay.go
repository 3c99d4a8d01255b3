package reference

import (
	"context"
	"fmt"
	"math"
	"net/url"
	"slices"
	"sort"
	"time"

	"wsvsio/internal/netlab"
	"wsvsio/scenarios"
)

// Agreement is a latency as the load generator reported it, and as a relay's
// record has it. Durations are in seconds.
//
// The record begins when a message has come to the relay and ends before the
// relay writes the frame, so what was reported has two hops more in it, from
// the generator to the relay and back. It can only be larger.
type Agreement struct {
	Reported scenarios.Quantiles `json:"reported"`
	Recorded scenarios.Quantiles `json:"recorded"`
	P50      float64             `json:"p50"` // reported less recorded
	P99      float64             `json:"p99"` // the same
}

// Delayed is the result of Delay.
type Delayed struct {
	Up   time.Duration `json:"upNs"` // that the relay was to add
	Down time.Duration `json:"downNs"`

	FromWrite Agreement `json:"fromWrite"`

	// FromDue runs from the due time. The relay does not know when messages
	// were due, only that it was at the stated rate: the schedule is laid
	// through the message that came earliest after its time.
	FromDue Agreement `json:"fromDue"`

	// Late is how much longer the relay kept a delivery than it was to.
	Late scenarios.Quantiles `json:"late"`
}

// Delay loads a stack's server through a relay that delays, and compares what
// the load generator reports of the window with what the relay recorded: of
// each message when it came, of each delivery when it went on. The load must
// be over websocket, at a rate, in one room.
func Delay(ctx context.Context, env scenarios.Env, s scenarios.Stack, o netlab.DelayOptions, spec scenarios.LoadSpec) (Delayed, error) {
	r := Delayed{Up: o.Up, Down: o.Down}
	fail := func(err error) (Delayed, error) { return r, fmt.Errorf("delay: %s: %w", s.Name, err) }
	node, err := env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		return fail(err)
	}
	u, err := url.Parse(node.URL())
	if err != nil {
		return fail(err)
	}
	o.Keep = true
	relay, err := netlab.NewDelay(ctx, u.Host, o)
	if err != nil {
		return fail(err)
	}
	defer relay.Close()
	report, err := env.Load(ctx, s, Behind(node, relay.URL()), spec)
	if err != nil {
		return fail(err)
	}
	if err := node.Stop(ctx); err != nil {
		return fail(err)
	}
	relay.Close()
	if want := report.Sent * int64(spec.Clients); report.Delivered != want || report.Dup != 0 || report.Sent != int64(spec.Messages) {
		return fail(fmt.Errorf("%d messages of %d sent, %d deliveries of %d, %d doubled: %s",
			report.Sent, spec.Messages, report.Delivered, want, report.Dup, report.Why))
	}
	passed, err := follow(relay, int(report.Delivered), spec)
	if err != nil {
		return fail(err)
	}
	var fromWrite, fromDue, late []float64
	start := schedule(passed, spec.Rate)
	for _, p := range passed {
		took := p.went - p.came
		if took < int64(o.Up+o.Down) {
			return fail(fmt.Errorf("message %d was in the relay and the server for %v, less than the delays", p.message, time.Duration(took)))
		}
		fromWrite = append(fromWrite, float64(took)/1e9)
		fromDue = append(fromDue, float64(p.went-start)/1e9-float64(p.message)/spec.Rate)
		late = append(late, float64(p.kept-int64(o.Down))/1e9)
	}
	r.FromWrite = agreement(report.FromWrite, fromWrite)
	r.FromDue = agreement(report.Latency, fromDue)
	r.Late = quantiles(late)
	return r, nil
}

// Behind returns a node whose clients dial another address: that of a relay
// before it.
func Behind(n scenarios.Node, url string) scenarios.Node { return behind{n, url} }

type behind struct {
	scenarios.Node
	url string
}

// URL implements scenarios.Node.
func (b behind) URL() string { return b.url }

// passage is a delivery as the relay has seen it, in ns.
type passage struct {
	message int   // counted from 0, in the window
	came    int64 // the message, from the sender
	went    int64 // the delivery, to the receiver
	kept    int64 // how long the relay had the delivery
}

// follow finds the deliveries of the window in the relay's record. The window's
// messages are the last of all; the warm-up's come before.
func follow(relay *netlab.Delay, deliveries int, spec scenarios.LoadSpec) ([]passage, error) {
	type key struct {
		conn int
		dir  netlab.Direction
	}
	pieces := make(map[key][]netlab.Passage)
	for _, p := range relay.Log() {
		k := key{p.Conn, p.Direction}
		pieces[k] = append(pieces[k], p)
	}
	came := make(map[int64]int64)
	last := int64(math.MinInt64)
	type delivery struct{ seq, went, kept int64 }
	var down []delivery
	for k, record := range pieces {
		found, err := sightings(relay.Stream(k.conn, k.dir))
		if err != nil {
			return nil, fmt.Errorf("connection %d: %w", k.conn, err)
		}
		for _, f := range found {
			if k.dir == netlab.Up {
				if _, ok := came[f.seq]; ok {
					return nil, fmt.Errorf("message %d was sent twice", f.seq)
				}
				came[f.seq] = at(record, f.from).Received
				last = max(last, f.seq)
				continue
			}
			end := at(record, f.to-1)
			if end.Forwarded == 0 {
				return nil, fmt.Errorf("message %d to connection %d was never forwarded", f.seq, k.conn)
			}
			down = append(down, delivery{f.seq, end.Forwarded, end.Forwarded - end.Received})
		}
	}
	first := last - int64(spec.Messages) + 1
	passed := make([]passage, 0, deliveries)
	for _, d := range down {
		if d.seq < first {
			continue
		}
		sent, ok := came[d.seq]
		if !ok {
			return nil, fmt.Errorf("message %d was delivered, but never sent", d.seq)
		}
		passed = append(passed, passage{int(d.seq - first), sent, d.went, d.kept})
	}
	if len(passed) != deliveries {
		return nil, fmt.Errorf("the relay saw %d deliveries, the load generator reports %d", len(passed), deliveries)
	}
	return passed, nil
}

// at returns the piece of a stream that holds the byte at an offset.
func at(record []netlab.Passage, offset int64) netlab.Passage {
	return record[sort.Search(len(record), func(i int) bool { return record[i].To > offset })]
}

// schedule returns when message 0 was due, for all that the relay can know:
// no message came before it was due, and the most punctual one was on time.
func schedule(passed []passage, rate float64) int64 {
	start := int64(math.MaxInt64)
	for _, p := range passed {
		start = min(start, p.came-int64(float64(p.message)/rate*1e9))
	}
	return start
}

func agreement(reported scenarios.Quantiles, recorded []float64) Agreement {
	a := Agreement{Reported: reported, Recorded: quantiles(recorded)}
	a.P50, a.P99 = a.Reported.P50-a.Recorded.P50, a.Reported.P99-a.Recorded.P99
	return a
}

// quantiles takes apart samples in seconds; it sorts them in place.
func quantiles(samples []float64) scenarios.Quantiles {
	if len(samples) == 0 {
		return scenarios.Quantiles{}
	}
	slices.Sort(samples)
	// The smallest sample that at least the share q does not exceed.
	at := func(q float64) float64 {
		return samples[min(max(int(math.Ceil(q*float64(len(samples))-1e-9))-1, 0), len(samples)-1)]
	}
	return scenarios.Quantiles{
		N: int64(len(samples)), P50: at(.5), P90: at(.9), P99: at(.99), P999: at(.999), Max: at(1),
	}
}
