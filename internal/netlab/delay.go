package netlab

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"wsvsio/scenarios"
)

// DelayOptions say what a Delay does to what passes.
type DelayOptions struct {
	Up, Down time.Duration // from clients to the target, and back

	// Keep keeps the bytes themselves, for Stream.
	Keep bool
}

// Delay is a relay that delays TCP streams and keeps a record of when each
// piece came and went, on the clock that all processes share. When it came is
// the system's word where that gives it: how soon the relay got to run is not in
// it. The relay keeps the order and does not limit the throughput: each piece
// is due at an instant of its own, so that delays do not add up. To connect is
// not delayed: the system shakes hands before a program knows.
type Delay struct {
	scenarios.Harmless
	carrier
}

// NewDelay listens on a loopback port that the system chooses and forwards to
// target, a host and port. It ends with the context or Close.
func NewDelay(ctx context.Context, target string, o DelayOptions) (*Delay, error) {
	d := &Delay{carrier: carrier{
		name: "delay", target: target, keep: o.Keep,
		ways: [2]way{Up: {delay: o.Up}, Down: {delay: o.Down}},
	}}
	if err := d.listen(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// Log returns the record: connection by connection, first what went up, each
// direction in order.
func (d *Delay) Log() []Passage {
	var all []Passage
	for _, k := range d.all() {
		k.mu.Lock()
		for _, l := range k.lanes {
			all = append(all, l.log...)
		}
		k.mu.Unlock()
	}
	return all
}

// Wait waits until every connection that there has been is over at both ends:
// the record of it is complete then.
func (d *Delay) Wait(ctx context.Context) error {
	for _, k := range d.all() {
		select {
		case <-k.carried:
		case <-ctx.Done():
			return fmt.Errorf("delay: connection %d has not ended: %w", k.number, context.Cause(ctx))
		}
	}
	return nil
}

// Stream returns what has been read of one direction of a connection, if the
// options said Keep.
func (d *Delay) Stream(conn int, dir Direction) []byte {
	links := d.all()
	if conn < 1 || conn > len(links) {
		return nil
	}
	k := links[conn-1]
	k.mu.Lock()
	defer k.mu.Unlock()
	return bytes.Join(k.lanes[dir].kept, nil)
}
