package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// crews keeps processes with clients for the cells that do not mind who was in
// them before. To start one in Node takes a quarter of a second of CPU, which is
// most of what a short cell takes. A nil one keeps none.
type crews struct {
	ctx context.Context // with which the processes end

	mu   sync.Mutex
	idle map[string][]*hands // by stack
}

func newCrews(ctx context.Context) *crews {
	return &crews{ctx: ctx, idle: make(map[string][]*hands)}
}

// lasting returns the context with which a process ends that is started now, in
// an environment with that context.
func (c *crews) lasting(ctx context.Context) context.Context {
	if c == nil {
		return ctx
	}
	return c.ctx
}

// take returns a process for clients of a stack that nobody uses, nil if there
// is none.
func (c *crews) take(stack string) *hands {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for list := c.idle[stack]; len(list) > 0; list = c.idle[stack] {
		h := list[len(list)-1]
		c.idle[stack] = list[:len(list)-1]
		if !h.ended() { // or else it died where nobody was in it
			return h
		}
	}
	return nil
}

// keep takes back a process without clients.
func (c *crews) keep(stack string, h *hands) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle[stack] = append(c.idle[stack], h)
}

// close ends the processes.
func (c *crews) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all sync.WaitGroup
	for _, list := range c.idle {
		for _, h := range list {
			all.Go(func() { h.Kill() })
		}
	}
	all.Wait()
	clear(c.idle)
}

// hands is a process for clients.
type hands struct {
	*worker.Process
	last  atomic.Int64
	peers sync.Map // number -> *peer
}

// ended reports whether the process is gone.
func (h *hands) ended() bool {
	select {
	case <-h.Exited():
		return true
	default:
		return false
	}
}

func (h *hands) event(client int, e scenarios.Event) {
	if p, ok := h.peers.Load(client); ok {
		p.(*peer).Add(e)
	}
}

// crew are the clients of a cell in a process. It implements scenarios.Crew.
type crew struct {
	*hands
	env   *Env
	stack string

	mu     sync.Mutex
	dialed []*peer
	doubt  bool // there may be more clients in the process than have been told
	gone   bool
}

// Dial implements scenarios.Crew.
func (c *crew) Dial(ctx context.Context, url string, cfg scenarios.DialConfig) (scenarios.Peer, error) {
	p := &peer{crew: c.hands, number: int(c.last.Add(1))}
	c.peers.Store(p.number, p)
	err := c.Call(ctx, "dial", worker.ClientArgs{Client: p.number, URL: url, Config: cfg}, nil)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.peers.Delete(p.number)
		// Who was not waited for may be connected yet.
		c.doubt = c.doubt || ctx.Err() != nil
		return nil, err
	}
	c.dialed = append(c.dialed, p)
	return p, nil
}

// Stop implements scenarios.Crew. A process that is kept does not end.
func (c *crew) Stop(ctx context.Context) error {
	if c.release(ctx) {
		return nil
	}
	return c.Process.Stop(ctx)
}

// Kill implements scenarios.Crew, likewise. That the process has ended by itself
// is an error: its clients have seen an end that nobody else has part in.
func (c *crew) Kill() error {
	if c.release(c.Context()) {
		return nil
	}
	died := c.Died()
	return errors.Join(died, c.Process.Kill())
}

// releaseLimit is how long the clients of a process may take to close before
// that is ended instead.
const releaseLimit = 2 * time.Second

// release gives the process back, if it is one to be kept and all of its clients
// could be closed.
func (c *crew) release(ctx context.Context) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return true
	}
	if c.env.crews == nil || c.doubt || c.ended() {
		return false
	}
	limited, cancel := context.WithTimeout(ctx, releaseLimit)
	defer cancel()
	errs := make([]error, len(c.dialed))
	var all sync.WaitGroup
	for i, p := range c.dialed {
		all.Go(func() {
			errs[i] = c.Call(limited, "close", worker.ClientArgs{Client: p.number}, nil)
			c.peers.Delete(p.number)
		})
	}
	all.Wait()
	if errors.Join(errs...) != nil {
		return false
	}
	c.gone = true
	c.env.part(c.Process)
	c.env.crews.keep(c.stack, c.hands)
	return true
}

// peer is one client of a crew.
type peer struct {
	scenarios.EventLog
	crew   *hands
	number int
}

// Join implements scenarios.Client.
func (p *peer) Join(ctx context.Context, room string) error {
	return p.crew.Call(ctx, "join", worker.ClientArgs{Client: p.number, Room: room}, nil)
}

// Leave implements scenarios.Client.
func (p *peer) Leave(ctx context.Context, room string) error {
	return p.crew.Call(ctx, "leave", worker.ClientArgs{Client: p.number, Room: room}, nil)
}

// Send implements scenarios.Client.
func (p *peer) Send(ctx context.Context, m scenarios.Message) error {
	return p.crew.Call(ctx, "send", worker.ClientArgs{Client: p.number, Message: m}, nil)
}

// Announce implements scenarios.Client.
func (p *peer) Announce(ctx context.Context, m scenarios.Message) error {
	return p.crew.Call(ctx, "announce", worker.ClientArgs{Client: p.number, Message: m}, nil)
}

// Close implements scenarios.Client.
func (p *peer) Close() error {
	return p.crew.Call(p.crew.Context(), "close", worker.ClientArgs{Client: p.number}, nil)
}
