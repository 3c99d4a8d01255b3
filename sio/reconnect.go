package sio

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"wsvsio/scenarios"
)

// Reconnecting is a chat client that comes back by itself.
type Reconnecting struct {
	rawURL string
	cfg    scenarios.DialConfig
	timing scenarios.Reconnect
	on     func(scenarios.Event)
	life   context.Context // ends with Close
	end    context.CancelFunc
	done   chan struct{} // closed when it has ended

	telling sync.Mutex // held while on runs
	reason  string     // why the last connection has ended

	mu      sync.Mutex    // held while writing, too
	client  *Client       // nil while down
	conn    *watched      // under the client
	changed chan struct{} // closed when there is something to wait for
	rooms   []string
	queue   []emission // what is sent once it is back
}

// emission is what a client emits.
type emission struct {
	kind string
	data scenarios.Message
}

// DialReconnect implements scenarios.Dial. The first connection is tried once.
func DialReconnect(
	ctx context.Context, rawURL string,
	cfg scenarios.DialConfig, on func(scenarios.Event),
) (scenarios.Client, error) {
	var timing scenarios.Reconnect
	if cfg.Reconnect != nil {
		timing = *cfg.Reconnect
	}
	if timing.Resume {
		return nil, errNoRecovery
	}
	if timing.Retries > 0 {
		return nil, scenarios.Unsupported(
			"no message is acknowledged that could be sent again")
	}
	c := &Reconnecting{
		rawURL:  rawURL,
		cfg:     cfg,
		timing:  timing.WithDefaults(),
		on:      on,
		done:    make(chan struct{}),
		changed: make(chan struct{}),
	}
	c.life, c.end = context.WithCancel(context.Background())
	client, err := c.connect(ctx)
	if err != nil {
		c.end()
		return nil, err
	}
	go c.run(client)
	return c, nil
}

// Join implements scenarios.Client. While the client is down it waits.
func (c *Reconnecting) Join(ctx context.Context, room string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.request(ctx, func(client *Client) error {
		return client.Join(ctx, room)
	})
	if err == nil && !slices.Contains(c.rooms, room) {
		c.rooms = append(c.rooms, room)
	}
	return err
}

// Leave implements scenarios.Client. While the client is down it waits.
func (c *Reconnecting) Leave(ctx context.Context, room string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rooms = slices.DeleteFunc(c.rooms, func(r string) bool {
		return r == room
	})
	return c.request(ctx, func(client *Client) error {
		return client.Leave(ctx, room)
	})
}

// Send implements scenarios.Client.
func (c *Reconnecting) Send(ctx context.Context, m scenarios.Message) error {
	return c.send(ctx, emission{"chat", m})
}

// Announce implements scenarios.Client.
func (c *Reconnecting) Announce(
	ctx context.Context, m scenarios.Message,
) error {
	return c.send(ctx, emission{"announce", m})
}

// Close implements scenarios.Client.
func (c *Reconnecting) Close() error {
	c.end()
	<-c.done
	return nil
}

// What follows makes up for the client that go-socket.io does not have: that of
// Socket.IO comes back.

// run brings the client back whenever its connection ends, until Close.
func (c *Reconnecting) run(client *Client) {
	defer close(c.done)
	for client != nil {
		select {
		case <-client.done:
		case <-c.life.Done():
			client.Close()
		}
		c.mu.Lock()
		c.lose(client)
		c.mu.Unlock()
		c.tell(scenarios.Event{
			Kind: scenarios.EventDown, Reason: c.reason,
		})
		client = c.comeBack()
	}
}

// comeBack tries to connect until it succeeds, or returns nil after Close.
func (c *Reconnecting) comeBack() *Client {
	for attempt := 1; ; attempt++ {
		select {
		case <-time.After(c.timing.Pause(attempt, rand.Float64())):
		case <-c.life.Done():
		}
		if c.life.Err() != nil {
			return nil
		}
		c.tell(scenarios.Event{
			Kind:   scenarios.EventAttempt,
			Reason: fmt.Sprint("attempt ", attempt),
		})
		if client, err := c.connect(c.life); err == nil {
			return client
		}
	}
}

// connect connects, enters the rooms, tells that the client is up, and sends
// what has waited.
func (c *Reconnecting) connect(ctx context.Context) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timing.Timeout)
	defer cancel()
	watch := new(watched)
	client, err := open(ctx, c.rawURL, watch.dial, c.cfg, c.event)
	if err != nil {
		return nil, err
	}
	watch.start(c.timing.PingInterval + c.timing.PingTimeout)
	go client.read()
	if err := c.rejoin(ctx, client); err != nil {
		client.conn.Close()
		<-client.done
		return nil, err
	}
	c.mu.Lock()
	c.client, c.conn = client, watch
	c.mu.Unlock()
	c.tell(scenarios.Event{
		Kind: scenarios.EventUp, Transport: scenarios.WebSocket,
	})
	c.flush(ctx)
	return client, nil
}

// rejoin enters the rooms again. Nobody is greeted: nobody new has come.
func (c *Reconnecting) rejoin(ctx context.Context, client *Client) error {
	c.mu.Lock()
	rooms := slices.Clone(c.rooms)
	c.mu.Unlock()
	for _, room := range rooms {
		m := scenarios.Message{Room: room, From: c.cfg.Name}
		if err := client.request(ctx, "join", m); err != nil {
			return err
		}
	}
	return nil
}

// flush sends what has waited. Until then, what is sent queues behind it.
func (c *Reconnecting) flush(ctx context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.queue) > 0 && c.write(ctx, c.queue[0]) {
		c.queue = c.queue[1:]
	}
	c.change()
}

// request makes a request, on one connection after the other until one has
// answered it. A request may so be made twice, which changes nothing. c.mu is
// held, but for the request itself.
func (c *Reconnecting) request(
	ctx context.Context, ask func(*Client) error,
) error {
	for {
		client := c.client
		if client == nil {
			if err := c.wait(ctx); err != nil {
				return err
			}
			continue
		}
		c.mu.Unlock()
		err := ask(client)
		c.mu.Lock()
		switch {
		case err == nil && c.client == client:
			return nil
		case errors.Is(err, errRefused) || ctx.Err() != nil:
			return err
		case err != nil:
			c.lose(client)
		}
	}
}

// send writes a message, or keeps it until the client is back.
func (c *Reconnecting) send(ctx context.Context, e emission) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return fmt.Errorf("%s: connection is closed", e.kind)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", e.kind, err)
	}
	// The end of the caller's context must not cut a write, and with it the
	// connection.
	if len(c.queue) == 0 && c.write(context.WithoutCancel(ctx), e) {
		return nil
	}
	if c.client == nil && len(c.queue) >= scenarios.Defaults.Queue {
		return fmt.Errorf("%s: connection is down, and %d messages wait",
			e.kind, len(c.queue))
	}
	c.queue = append(c.queue, e)
	return nil
}

// write writes a message and reports whether that went well. If not, the
// server has not got all of it, so that it can be sent again. c.mu is held.
func (c *Reconnecting) write(ctx context.Context, e emission) bool {
	if c.client == nil {
		return false
	}
	err := c.client.emit(ctx, e.kind, e.data, 0)
	if err != nil || c.conn.failed.Load() {
		c.lose(c.client)
		return false
	}
	return true
}

// lose gives a connection up; c.mu is held.
func (c *Reconnecting) lose(client *Client) {
	client.conn.Close()
	if c.client == client {
		c.client = nil
	}
}

// wait waits until something has changed; c.mu is held, but for the wait.
func (c *Reconnecting) wait(ctx context.Context) error {
	changed := c.changed
	c.mu.Unlock()
	defer c.mu.Lock()
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("no answer of the server: %w", ctx.Err())
	case <-c.life.Done():
		return errors.New("connection is closed")
	}
}

// change wakes up those that wait; c.mu is held.
func (c *Reconnecting) change() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// event passes on what a connection sees, but for its end: it may come before
// the client was up.
func (c *Reconnecting) event(e scenarios.Event) {
	if e.Kind == scenarios.EventDown {
		c.reason = e.Reason
		return
	}
	c.tell(e)
}

// tell passes on an event, one at a time.
func (c *Reconnecting) tell(e scenarios.Event) {
	c.telling.Lock()
	defer c.telling.Unlock()
	c.on(e)
}

// watched is a connection that ends once there was no heartbeat for a while.
// The library waits for the interval twice, because its server has to tell a
// timeout that includes it, and for the first heartbeat without end.
type watched struct {
	net.Conn
	silence time.Duration
	failed  atomic.Bool // a write has, which the library may not tell
}

// dial implements netDial.
func (w *watched) dial(
	ctx context.Context, network, addr string,
) (conn net.Conn, err error) {
	w.Conn, err = new(net.Dialer).DialContext(ctx, network, addr)
	return w, err
}

// start begins to wait for heartbeats.
func (w *watched) start(silence time.Duration) {
	w.silence = silence
	w.SetReadDeadline(time.Time{})
}

// SetReadDeadline implements net.Conn. The library calls it at each heartbeat.
// Were it told of an error, it would not let go of the frame.
func (w *watched) SetReadDeadline(time.Time) error {
	w.Conn.SetReadDeadline(time.Now().Add(w.silence))
	return nil
}

// SetWriteDeadline implements net.Conn. It is called before each write.
func (w *watched) SetWriteDeadline(time.Time) error {
	timeout := scenarios.Defaults.WriteTimeout
	return w.Conn.SetWriteDeadline(time.Now().Add(timeout))
}

// Write implements net.Conn.
func (w *watched) Write(b []byte) (int, error) {
	n, err := w.Conn.Write(b)
	if err != nil {
		w.failed.Store(true)
	}
	return n, err
}
