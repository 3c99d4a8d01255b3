package rawws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// errRefused is in the error of a request that the server has refused.
var errRefused = errors.New("refused")

// Client is a chat client. It does not come back by itself.
type Client struct {
	conn *websocket.Conn
	cfg  scenarios.DialConfig
	on   func(scenarios.Event)
	hear func(envelope) // is passed each frame, too, unless nil
	done chan struct{}  // closed when the reader has ended

	// say writes a frame instead, unless nil.
	say func(context.Context, envelope) error

	mu     sync.Mutex // held while writing, too
	closed bool
	lastID int64
	acks   map[int64]chan string
}

// Dial implements scenarios.Dial.
func Dial(
	ctx context.Context, rawURL string,
	cfg scenarios.DialConfig, on func(scenarios.Event),
) (scenarios.Client, error) {
	c, err := open(ctx, rawURL, http.Header{}, cfg, on)
	if err != nil {
		return nil, err
	}
	on(scenarios.Event{
		Kind: scenarios.EventUp, Transport: scenarios.WebSocket,
	})
	go c.read()
	return c, nil
}

// Join implements scenarios.Client.
func (c *Client) Join(ctx context.Context, room string) error {
	return c.request(ctx, "join", scenarios.Message{
		Room: room, From: c.cfg.Name, Body: c.cfg.Greeting,
	})
}

// Leave implements scenarios.Client.
func (c *Client) Leave(ctx context.Context, room string) error {
	return c.request(ctx, "leave", scenarios.Message{
		Room: room, From: c.cfg.Name,
	})
}

// Send implements scenarios.Client.
func (c *Client) Send(ctx context.Context, m scenarios.Message) error {
	return c.emit(ctx, envelope{Type: "chat", Data: m})
}

// Announce implements scenarios.Client.
func (c *Client) Announce(ctx context.Context, m scenarios.Message) error {
	return c.emit(ctx, envelope{Type: "announce", Data: m})
}

// Close implements scenarios.Client.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	deadline := time.Now().Add(closeGrace)
	c.conn.WriteControl(websocket.CloseMessage,
		websocket.FormatCloseMessage(websocket.CloseNormalClosure, ""),
		deadline)
	defer time.AfterFunc(closeGrace, func() { c.conn.Close() }).Stop()
	<-c.done
	return nil
}

// open connects, and leaves it to the caller to read.
func open(
	ctx context.Context, rawURL string, header http.Header,
	cfg scenarios.DialConfig, on func(scenarios.Event),
) (*Client, error) {
	if cfg.Origin != "" {
		header.Set("Origin", cfg.Origin)
	}
	dialer, err := dialer(cfg)
	if err != nil {
		return nil, err
	}
	url := "ws" + strings.TrimPrefix(rawURL, "http") + scenarios.PathRaw
	conn, answer, err := dial(ctx, dialer, url, header)
	if err != nil && answer != nil {
		return nil, fmt.Errorf("dial %s: %w: %s", url, err, answer.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", url, err)
	}
	return &Client{
		conn: conn,
		cfg:  cfg,
		on:   on,
		done: make(chan struct{}),
		acks: make(map[int64]chan string),
	}, nil
}

// dial opens the connection. Once it has one, gorilla's dialer heeds only the
// deadline of a context, so the end of the context cuts it.
func dial(
	ctx context.Context, dialer *websocket.Dialer,
	url string, header http.Header,
) (*websocket.Conn, *http.Response, error) {
	var stop func() bool
	dialer.NetDialContext = func(
		limited context.Context, network, addr string,
	) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(limited, network, addr)
		if err != nil {
			return nil, err
		}
		stop = context.AfterFunc(ctx, func() { conn.Close() })
		return conn, nil
	}
	conn, answer, err := dialer.DialContext(ctx, url, header)
	if stop != nil && !stop() && err == nil {
		conn.Close()
	}
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	return conn, answer, err
}

// request sends a request and waits until the server has answered it.
func (c *Client) request(
	ctx context.Context, kind string, m scenarios.Message,
) error {
	answer := make(chan string, 1)
	c.mu.Lock()
	c.lastID++
	id := c.lastID
	c.acks[id] = answer
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.acks, id)
		c.mu.Unlock()
	}()
	err := c.emit(ctx, envelope{Type: kind, ID: id, Data: m})
	if err != nil {
		return err
	}
	select {
	case problem := <-answer:
		if problem != "" {
			return fmt.Errorf("%s %q: %w: %s",
				kind, m.Room, errRefused, problem)
		}
		return nil
	case <-c.done:
		return fmt.Errorf("%s %q: connection lost", kind, m.Room)
	case <-ctx.Done():
		return fmt.Errorf("%s %q: %w", kind, m.Room, ctx.Err())
	}
}

// emit writes one frame.
func (c *Client) emit(ctx context.Context, e envelope) error {
	if c.say != nil {
		return c.say(ctx, e)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fmt.Errorf("%s: connection is closed", e.Type)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", e.Type, err)
	}
	deadline, ok := ctx.Deadline()
	if !ok {
		deadline = time.Now().Add(scenarios.Defaults.WriteTimeout)
	}
	c.conn.SetWriteDeadline(deadline)
	if err := c.conn.WriteJSON(e); err != nil {
		return fmt.Errorf("%s: %w", e.Type, err)
	}
	return nil
}

// read passes on what the server sends until the connection ends.
func (c *Client) read() {
	defer close(c.done)
	for {
		_, text, err := c.conn.ReadMessage()
		if err == nil {
			err = c.handle(text)
		}
		if err != nil {
			c.down(err)
			return
		}
	}
}

// handle acts on one frame of the server.
func (c *Client) handle(text []byte) error {
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		return fmt.Errorf("frame of the server: %w", err)
	}
	c.act(e)
	return nil
}

// act does what the server's frame asks for.
func (c *Client) act(e envelope) {
	if c.hear != nil {
		c.hear(e)
	}
	switch e.Type {
	case "ack":
		c.acked(e.ID, e.Error)
	case "chat":
		c.on(scenarios.Event{Kind: scenarios.EventMessage, Message: e.Data})
	case "announce":
		c.on(scenarios.Event{Kind: scenarios.EventAnnounce, Message: e.Data})
	case "joined":
		c.on(scenarios.Event{Kind: scenarios.EventJoined, Message: e.Data})
	}
}

// acked passes the answer to whoever waits for it.
func (c *Client) acked(id int64, problem string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if answer := c.acks[id]; answer != nil {
		answer <- problem
		delete(c.acks, id)
	}
}

// down ends the connection and tells why.
func (c *Client) down(why error) {
	c.conn.Close() // whoever writes has to stop
	c.mu.Lock()
	if c.closed {
		why = errors.New("closed by the client")
	}
	c.closed = true
	c.mu.Unlock()
	c.on(scenarios.Event{Kind: scenarios.EventDown, Reason: why.Error()})
}
