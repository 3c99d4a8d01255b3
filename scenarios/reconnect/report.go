package reconnect

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"wsvsio/scenarios"
)

// trials puts together what is known of each client.
func (x *experiment) trials() []trial {
	heard := make(map[string][]scenarios.Event)
	type spoken struct {
		room string
		seq  int64
	}
	echoes := make(map[spoken]int64) // when the partner heard itself
	for _, e := range x.partner.heard() {
		m := e.Message
		heard[m.From] = append(heard[m.From], e)
		if m.From == partnerName {
			echoes[spoken{m.Room, m.Seq}] = e.At
		}
	}
	all := make([]trial, len(x.clients))
	for i, c := range x.clients {
		t := trial{
			down: slices.Clone(c.down.all()), up: c.up.all(), seen: c.peer.Events(), heard: heard[c.name],
			record: c.path.Record(), outages: c.outages, deaf: x.partner.absent,
		}
		for k := range t.down {
			m := &t.down[k]
			m.until = cmp.Or(echoes[spoken{c.room, m.seq}], math.MaxInt64/2)
		}
		for k := range t.outages {
			next := int64(0)
			if k+1 < len(t.outages) {
				next = t.outages[k+1].from
			}
			// Where the server did it the fault reaches the client through
			// the path, which knows when.
			if x.c.Name == "restart" {
				t.outages[k].from = endedBy(t.record, t.outages[k].from)
			}
			t.outages[k].observe(t.seen, t.record, next)
		}
		all[i] = t
	}
	return all
}

// endedBy returns when the server's end of a connection, which came at an
// instant or after it, was passed on to the client.
func endedBy(r scenarios.PathRecord, since int64) int64 {
	for _, e := range r.Ends {
		if e.Direction == scenarios.PathDown && e.At >= since {
			return e.At
		}
	}
	return since
}

// broke says why a path could not go on; "" if it could. It names an end after
// the error then, and not after what ended it.
func broke(r scenarios.PathRecord) string {
	known := []string{"fin", "reset", string(scenarios.FaultReset), string(scenarios.FaultClose), string(scenarios.FaultSilence), string(scenarios.FaultStall)}
	for _, e := range r.Ends {
		if !slices.Contains(known, e.How) {
			return e.How
		}
	}
	return ""
}

// report accounts for all messages and records what was seen.
func (x *experiment) report() error {
	trials := x.trials()
	for i, t := range trials {
		if why := broke(t.record); why != "" {
			return fmt.Errorf("the path of %s broke, so its record is worth nothing: %s", x.clients[i].name, why)
		}
	}
	var total tally
	refused, unasked := 0, 0
	for i, t := range trials {
		down, up := t.account(scenarios.PathDown), t.account(scenarios.PathUp)
		x.outages(t.outages)
		if n := len(t.outages); n == 0 {
			down.lost, up.lost = []int{down.sent() - down.n[delivered]}, []int{up.sent() - up.n[delivered]}
		}
		for _, lost := range down.lost {
			x.rec.Value("lost-down", float64(lost))
		}
		if up.sent() > 0 {
			for _, lost := range up.lost {
				x.rec.Value("lost-up", float64(lost))
			}
		}
		if sent := down.sent() + up.sent(); sent > 0 {
			x.rec.Value("delivered-ratio", float64(down.n[delivered]+up.n[delivered])/float64(sent))
		}
		for _, part := range []tally{down, up} {
			for f, n := range part.n {
				total.n[f] += n
			}
			total.dup += part.dup
			total.reordered += part.reordered
			total.why = cmp.Or(total.why, part.why)
		}
		refused += x.clients[i].up.refused
		unasked += t.unasked()
	}
	x.rec.Value("died", float64(unasked))
	for _, s := range x.partner.absent {
		x.rec.Value("server-away-sec", seconds(s.to-s.from))
	}
	x.rec.Value("lost-unwritten", float64(total.n[unwritten]))
	x.rec.Value("lost-cut", float64(total.n[cut]))
	x.rec.Value("lost-undelivered", float64(total.n[undelivered]))
	x.rec.Value("refused", float64(refused))
	x.rec.Value("dup", float64(total.dup))
	x.rec.Value("reordered", float64(total.reordered))
	x.shares(trials)
	x.timeline(trials[0])
	if n := total.n[unexplained]; n > 0 {
		return fmt.Errorf("%d messages of %d are unexplained, first: %s", n, total.sent(), total.why)
	}
	return nil
}

// outages records the samples of a client's outages.
func (x *experiment) outages(all []outage) {
	for _, o := range all {
		if o.noticed > 0 {
			x.rec.Value("detect-sec", seconds(o.noticed-o.from))
		}
		if x.stack.Mode.Reconnect {
			x.rec.Value("attempts", float64(o.attempts))
		}
		if o.back > 0 {
			x.rec.Value("recover-sec", seconds(o.back-o.from))
			x.rec.Value("reconnect-B", float64(o.bytes))
		}
	}
}

// shares records how many outages were noticed, and ended.
func (x *experiment) shares(trials []trial) {
	var all, noticed, back, recovered float64
	for _, t := range trials {
		for _, o := range t.outages {
			all++
			if o.noticed > 0 {
				noticed++
			}
			if o.back > 0 {
				back++
			}
			if o.recovered {
				recovered++
			}
		}
	}
	if all == 0 {
		return
	}
	x.rec.Value("noticed-ratio", noticed/all)
	x.rec.Value("back-ratio", back/all)
	if x.stack.Mode.Resume && back > 0 {
		x.rec.Value("recovered-ratio", recovered/back)
	}
	limit := x.c.Timers.Limit
	if noticed < all {
		x.rec.Label("never noticed", fmt.Sprintf("%.0f of %.0f faults, within %v", all-noticed, all, limit))
	}
	if back < all {
		x.rec.Label("never back", fmt.Sprintf("after %.0f of %.0f faults, within %v", all-back, all, limit))
	}
}

// timeline records what the first client saw around its first fault.
func (x *experiment) timeline(t trial) {
	const margin, most = int64(500 * time.Millisecond), 200
	if len(t.outages) == 0 {
		return
	}
	o := t.outages[0]
	until := cmp.Or(o.back, o.noticed, o.from) + margin
	x.rec.Event(scenarios.Event{Kind: scenarios.EventFault, At: o.from, Reason: x.c.Name})
	n := 0
	for _, e := range t.seen {
		if e.At >= o.from-margin && e.At <= until && n < most {
			x.rec.Event(e)
			n++
		}
	}
}

func seconds(ns int64) float64 { return float64(ns) / 1e9 }

// crowd runs a case in which many clients lose their connections at once and
// records when they are back. What the server does meanwhile is looked at all
// along.
func (x *experiment) crowd(ctx context.Context, harm func(context.Context) (since int64, err error)) error {
	since, err := harm(ctx)
	if err != nil {
		return err
	}
	looking, stop := context.WithCancel(ctx)
	var peak float64
	var looker sync.WaitGroup
	looker.Go(func() { peak = busiest(looking, x.node) })
	err = each(x.clients, func(i int) error {
		// Those that are not back within it are found below.
		_, err := x.back(ctx, x.clients[i], since)
		return err
	})
	stop()
	looker.Wait()
	if err != nil {
		return err
	}
	for _, c := range x.clients {
		c.outages = []outage{{from: since}}
	}
	trials := x.trials()
	var back []float64
	var behind []string
	var accepted []int64
	for i, t := range trials {
		x.outages(t.outages)
		accepted = append(accepted, t.record.Accepted...)
		if o := t.outages[0]; o.back > 0 {
			back = append(back, seconds(o.back-since))
		} else {
			behind = append(behind, x.clients[i].name+": "+lastOf(t.seen))
		}
	}
	x.shares(trials)
	x.timeline(trials[0])
	if len(behind) > 0 {
		return fmt.Errorf("%d of %d clients did not come back within %v: %s",
			len(behind), len(trials), x.c.Timers.Limit, strings.Join(behind[:min(3, len(behind))], "; "))
	}
	slices.Sort(back)
	for _, percent := range []int{50, 95, 100} {
		x.rec.Value(fmt.Sprintf("back%d-sec", percent), back[(len(back)*percent+99)/100-1])
	}
	x.rec.Value("attempts-peak/s", peakRate(accepted, since))
	if !math.IsNaN(peak) {
		x.rec.Value("server-cpu-peak", peak)
	}
	return nil
}

// lastOf says what a client saw last.
func lastOf(events []scenarios.Event) string {
	if len(events) == 0 {
		return "saw nothing"
	}
	e := events[len(events)-1]
	return strings.TrimSpace(fmt.Sprintf("%s %s", e.Kind, e.Reason))
}

// bin is the window in which a peak is looked for.
const bin = 100 * time.Millisecond

// peakRate returns how many connections a second came at most after an instant.
func peakRate(accepted []int64, since int64) float64 {
	bins := make(map[int64]int)
	most := 0
	for _, at := range accepted {
		if at >= since {
			k := (at - since) / int64(bin)
			bins[k]++
			most = max(most, bins[k])
		}
	}
	return float64(most) / bin.Seconds()
}

// busiest returns the largest share of a core that a server has used in a
// window, until the context ends; NaN if that cannot be told.
func busiest(ctx context.Context, n scenarios.Node) float64 {
	tick := time.NewTicker(bin)
	defer tick.Stop()
	last, err := n.CPU()
	at := time.Now()
	peak := math.NaN()
	for err == nil {
		select {
		case <-ctx.Done():
			return peak
		case <-tick.C:
		}
		// A tick that came late is followed by one that is too early: what was
		// used between the two is not that of a window.
		now := time.Now()
		if now.Sub(at) < bin/2 {
			continue
		}
		var cpu time.Duration
		cpu, err = n.CPU()
		if share := (cpu - last).Seconds() / now.Sub(at).Seconds(); err == nil && !(share <= peak) {
			peak = share
		}
		last, at = cpu, now
	}
	return peak
}

// deploy tells the server to stop and starts a new one.
func (x *experiment) deploy(ctx context.Context) (int64, error) {
	since := x.env.Now()
	if err := x.node.Stop(ctx); err != nil {
		return since, err
	}
	return since, x.node.Restart(ctx)
}

// storm cuts all clients at one instant.
func (x *experiment) storm(context.Context) (int64, error) {
	since := x.env.Now()
	for _, c := range x.clients {
		if _, err := c.path.Fault(scenarios.Fault{Kind: scenarios.FaultReset}); err != nil {
			return since, err
		}
	}
	return since, nil
}
