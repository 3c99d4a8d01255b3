package rawws

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
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
	ticket  *ticket       // nil unless it is to go on where it was
	changed chan struct{} // closed when there is something to wait for
	rooms   []string
	queue   []envelope // what is sent once it is back
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
	if timing.Resume {
		c.ticket = new(ticket)
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
	return c.send(ctx, envelope{Type: "chat", Data: m})
}

// Announce implements scenarios.Client.
func (c *Reconnecting) Announce(
	ctx context.Context, m scenarios.Message,
) error {
	return c.send(ctx, envelope{Type: "announce", Data: m})
}

// Close implements scenarios.Client.
func (c *Reconnecting) Close() error {
	c.end()
	<-c.done
	return nil
}

// What follows is by hand because a plain WebSocket stays down, and does not
// notice when its peer falls silent.

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
	client, err := open(ctx, c.rawURL, c.ticket.header(), c.cfg, c.event)
	if err != nil {
		return nil, err
	}
	client.watch(c.timing.PingInterval + c.timing.PingTimeout)
	recovered, err := c.settle(ctx, client)
	if err != nil {
		client.conn.Close()
		return nil, err
	}
	up := scenarios.Event{
		Kind:      scenarios.EventUp,
		Transport: scenarios.WebSocket,
		Recovered: recovered,
	}
	if !recovered {
		go client.read()
		if err := c.rejoin(ctx, client); err != nil {
			client.conn.Close()
			<-client.done
			c.ticket.void() // it has not all the rooms
			return nil, err
		}
	}
	c.mu.Lock()
	c.client = client
	c.resend(ctx)
	c.mu.Unlock()
	c.tell(up)
	if recovered {
		go client.read() // what it has missed comes first
	}
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
func (c *Reconnecting) send(ctx context.Context, e envelope) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return fmt.Errorf("%s: connection is closed", e.Type)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", e.Type, err)
	}
	for c.client != nil && c.ticket.full() {
		if err := c.wait(ctx); err != nil {
			return fmt.Errorf("%s: %w", e.Type, err)
		}
	}
	// The end of the caller's context must not cut a write, and with it the
	// connection.
	if len(c.queue) == 0 && c.write(context.WithoutCancel(ctx), e) {
		return nil
	}
	if c.client == nil && len(c.queue) >= scenarios.Defaults.Queue {
		return fmt.Errorf("%s: connection is down, and %d messages wait",
			e.Type, len(c.queue))
	}
	c.queue = append(c.queue, e)
	return nil
}

// write writes a message and reports whether that went well. If not, the
// server has not got all of it, so that it can be sent again. c.mu is held.
func (c *Reconnecting) write(ctx context.Context, e envelope) bool {
	if c.client == nil {
		return false
	}
	e.ID = c.ticket.next()
	if err := c.client.emit(ctx, e); err != nil {
		c.lose(c.client)
		return false
	}
	c.ticket.keep(e)
	return true
}

// lose gives a connection up; c.mu is held.
func (c *Reconnecting) lose(client *Client) {
	client.conn.Close()
	if c.client == client {
		c.client = nil
		c.change()
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

// watch ends the connection once there was no heartbeat of the server for that
// long. It is for a client that does not read yet.
func (c *Client) watch(silence time.Duration) {
	pong := c.conn.PingHandler()
	c.conn.SetPingHandler(func(data string) error {
		c.conn.SetReadDeadline(time.Now().Add(silence))
		return pong(data)
	})
	c.conn.SetReadDeadline(time.Now().Add(silence))
}
