// Package capture has a client of a stack connect, say two messages and go, keeps
// every byte of that with a relay in between, and says what each is for.
package capture

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"wsvsio/internal/dissect"
	"wsvsio/internal/netlab"
	"wsvsio/scenarios"
)

// DefaultSize is that of the bodies in most cases of broadcast, in bytes.
const DefaultSize = 128

// Phase is what bytes are for.
type Phase string

// The phases, in order.
const (
	Handshake Phase = "handshake" // until the client is on the transport on which it stays
	Join      Phase = "join"      // it enters a room, and is told so
	First     Phase = "message 1" // there and back: who says it is in the room
	Second    Phase = "message 2"
	Beat      Phase = "heartbeat"
	Goodbye   Phase = "goodbye" // and the poll that waits at the end
)

// Phases are all phases, in order.
var Phases = []Phase{Handshake, Join, First, Second, Beat, Goodbye}

// Step is a request, a response or a frame, in the order of their coming.
type Step struct {
	dissect.Unit
	Conn  int // of the connections, from 1
	Phase Phase
	After time.Duration // since the first byte of all
}

// Capture is what was seen.
type Capture struct {
	Stack scenarios.Stack
	Size  int // of the messages' bodies, in bytes
	Conns int // TCP connections
	Steps []Step

	// Counted are the bytes that another relay counted on the same
	// connections, and those that its system did.
	Counted scenarios.Count
}

// Bytes returns how many bytes went up and down in these phases; without any, in
// all.
func (c *Capture) Bytes(phases ...Phase) (up, down int) {
	for _, s := range c.Steps {
		switch {
		case len(phases) > 0 && !slices.Contains(phases, s.Phase):
		case s.Down:
			down += s.Size
		default:
			up += s.Size
		}
	}
	return up, down
}

// Layer returns how many bytes of a phase are of a layer, both ways.
func (c *Capture) Layer(l dissect.Layer, p Phase) (n int) {
	for _, s := range c.Steps {
		if s.Phase != p {
			continue
		}
		for _, f := range s.Fields {
			if f.Layer == l {
				n += len(f.Raw)
			}
		}
	}
	return n
}

// Requests returns how many HTTP requests there were in a phase.
func (c *Capture) Requests(p Phase) (n int) {
	for _, s := range c.Steps {
		if s.Phase == p && s.Kind == dissect.Request {
			n++
		}
	}
	return n
}

// Limits of an attempt, and how many there are on a stack whose library breaks
// connections now and then.
const (
	limit    = 30 * time.Second
	soon     = 3 * time.Second
	attempts = 20
	grace    = time.Second
)

// Run captures a stack whose both ends this machine can run.
func Run(ctx context.Context, env scenarios.Env, s scenarios.Stack, size int) (*Capture, error) {
	ctx, cancel := context.WithTimeout(ctx, limit+attempts*soon)
	defer cancel()
	node, err := env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		return nil, err
	}
	defer node.Kill()
	for try := 1; ; try++ {
		c, err := once(ctx, env, s, node, size)
		if err != nil && s.Flaky != "" && try < attempts && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.Name, err)
		}
		return c, errors.Join(node.Stop(ctx))
	}
}

// once captures one client. Between it and the server is a relay that keeps the
// bytes, and behind that one that counts them and never has them in its hands.
func once(ctx context.Context, env scenarios.Env, s scenarios.Stack, node scenarios.Node, size int) (*Capture, error) {
	u, err := url.Parse(node.URL())
	if err != nil {
		return nil, err
	}
	tap, err := netlab.NewTap(ctx, u.Host)
	if err != nil {
		return nil, err
	}
	defer tap.Close()
	keeper, err := netlab.NewDelay(ctx, strings.TrimPrefix(tap.URL(), "http://"), netlab.DelayOptions{Keep: true})
	if err != nil {
		return nil, err
	}
	defer keeper.Close()
	if err := talk(ctx, env, s, keeper, size); err != nil {
		return nil, err
	}
	if err := keeper.Wait(ctx); err != nil {
		return nil, err
	}
	counted, ended := tap.Wait(ctx)
	c, err := read(s, size, keeper, counted)
	if err != nil {
		// A connection that is reset may take bytes with it.
		return nil, errors.Join(err, ended)
	}
	return c, nil
}

// talk has a client of the stack connect, enter a room, say two messages, hear
// both and go.
func talk(ctx context.Context, env scenarios.Env, s scenarios.Stack, keeper *netlab.Delay, size int) (err error) {
	crew, err := env.Clients(ctx, s)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			crew.Kill()
			return
		}
		err = crew.Stop(ctx)
	}()
	// The process is there: what counts is the chat.
	patience := limit
	if s.Flaky != "" {
		patience = soon
	}
	talking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	peer, err := crew.Dial(talking, keeper.URL(), s.Dial("ann"))
	if err != nil {
		return err
	}
	if _, err := peer.Await(talking, s.Settled); err != nil {
		return err
	}
	if err := peer.Join(talking, "lobby"); err != nil {
		return err
	}
	for i, word := range []string{"one ", "two "} {
		seq := int64(scenarios.FirstSeq + i)
		m := scenarios.Message{Room: "lobby", From: "ann", Seq: seq, Body: strings.Repeat(word, size/len(word)+1)[:size]}
		if err := peer.Send(talking, m); err != nil {
			return err
		}
		_, err := peer.Await(talking, func(events []scenarios.Event) bool {
			return slices.ContainsFunc(events, func(e scenarios.Event) bool {
				return e.Kind == scenarios.EventMessage && e.Message.Seq == seq
			})
		})
		if err != nil {
			return err
		}
	}
	if err := peer.Close(); err != nil {
		return err
	}
	// What is under way is to come to its end; who keeps connections for later
	// gives them up when its process ends.
	parting, stop := context.WithTimeout(ctx, grace)
	defer stop()
	if err := keeper.Wait(parting); err != nil && ctx.Err() != nil {
		return err
	}
	return nil
}

// errCount says that the instrument is broken.
var errCount = errors.New("the bytes that were kept are not those that were counted")

// read takes apart what a relay has kept.
func read(s scenarios.Stack, size int, keeper *netlab.Delay, counted scenarios.Count) (*Capture, error) {
	c := &Capture{Stack: s, Size: size, Conns: int(keeper.Observed().Conns), Counted: counted}
	log := keeper.Log()
	var began int64
	for _, p := range log {
		if began == 0 || p.Received < began {
			began = p.Received
		}
	}
	for conn := 1; conn <= c.Conns; conn++ {
		for _, u := range dissect.Connection(s.Protocol, keeper.Stream(conn, netlab.Up), keeper.Stream(conn, netlab.Down)) {
			c.Steps = append(c.Steps, Step{Unit: u, Conn: conn, After: time.Duration(came(log, conn, u) - began)})
		}
	}
	slices.SortStableFunc(c.Steps, func(a, b Step) int {
		return cmp.Or(cmp.Compare(a.After, b.After), cmp.Compare(a.Conn, b.Conn))
	})
	c.phases()
	return c, c.agree()
}

// agree holds the sizes of the fields against what was counted.
func (c *Capture) agree() error {
	var up, down int64
	for _, s := range c.Steps {
		for _, f := range s.Fields {
			if s.Down {
				down += int64(len(f.Raw))
			} else {
				up += int64(len(f.Raw))
			}
		}
	}
	k := c.Counted.Kernel
	if up != c.Counted.Up || down != c.Counted.Down || k.Told && (k.Up != up || k.Down != down) {
		return fmt.Errorf("%w: %d and %d B, %d and %d by the relay behind, %d and %d by its system",
			errCount, up, down, c.Counted.Up, c.Counted.Down, k.Up, k.Down)
	}
	return nil
}

// came is when the first byte of a unit had come.
func came(log []netlab.Passage, conn int, u dissect.Unit) int64 {
	for _, p := range log {
		if p.Conn == conn && (p.Direction == netlab.Down) == u.Down && int64(u.Offset) < p.To {
			return p.Received
		}
	}
	return 0
}

// phases says what each step is for, by what it says. A request and its answer
// are for the same; what says nothing of the chat belongs to the handshake if
// it came before the join, and to the goodbye after it.
func (c *Capture) phases() {
	joined := slices.IndexFunc(c.Steps, func(s Step) bool { return own(s) == Join })
	type pair struct{ conn, number int }
	of := make(map[pair]Phase)
	for i := range c.Steps {
		s := &c.Steps[i]
		s.Phase = own(*s)
		if s.Pair > 0 && s.Phase != "" && of[pair{s.Conn, s.Pair}] == "" {
			of[pair{s.Conn, s.Pair}] = s.Phase
		}
	}
	for i := range c.Steps {
		s := &c.Steps[i]
		if s.Phase == "" && s.Pair > 0 {
			s.Phase = of[pair{s.Conn, s.Pair}]
		}
		switch {
		case s.Phase != "":
		case joined < 0 || i < joined:
			s.Phase = Handshake
		default:
			s.Phase = Goodbye
		}
		if s.Pair > 0 {
			of[pair{s.Conn, s.Pair}] = s.Phase // the answer goes with its request
		}
	}
}

// own is the phase that a step says by itself, "" if it does not.
func own(s Step) Phase {
	for _, w := range s.Says {
		switch w.Type {
		case "join", "joined", "ack":
			return Join
		case "chat":
			if w.Seq > scenarios.FirstSeq {
				return Second
			}
			return First
		case "open", "connect", "upgrade", "ping probe", "pong probe":
			return Handshake
		case "ping", "pong":
			return Beat
		case "close", "disconnect":
			return Goodbye
		}
	}
	return ""
}
