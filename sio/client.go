package sio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"sync"

	"github.com/googollee/go-socket.io/engineio"
	"github.com/googollee/go-socket.io/engineio/transport"
	"github.com/googollee/go-socket.io/engineio/transport/websocket"
	"github.com/googollee/go-socket.io/parser"

	"wsvsio/scenarios"
)

// errRefused is in the error of a request that the server has refused.
var errRefused = errors.New("refused")

// Client is a chat client. It does not come back by itself, and speaks
// websocket only: go-socket.io has no client, so this one is built on its
// parts, and the part that upgrades fails.
type Client struct {
	conn engineio.Conn
	in   *parser.Decoder
	out  *parser.Encoder
	cfg  scenarios.DialConfig
	on   func(scenarios.Event)
	done chan struct{} // closed when the reader has ended

	mu     sync.Mutex // held while writing, too
	closed bool
	lastID uint64
	acks   map[uint64]chan string
}

// Dial implements scenarios.Dial.
func Dial(
	ctx context.Context, rawURL string,
	cfg scenarios.DialConfig, on func(scenarios.Event),
) (scenarios.Client, error) {
	c, err := open(ctx, rawURL, new(net.Dialer).DialContext, cfg, on)
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
	return c.emit(ctx, "chat", m, 0)
}

// Announce implements scenarios.Client.
func (c *Client) Announce(ctx context.Context, m scenarios.Message) error {
	return c.emit(ctx, "announce", m, 0)
}

// Close implements scenarios.Client.
func (c *Client) Close() error {
	c.mu.Lock()
	if !c.closed {
		c.closed = true
		c.out.Encode(parser.Header{Type: parser.Disconnect})
	}
	c.mu.Unlock()
	c.conn.Close()
	<-c.done
	return nil
}

// open connects, and leaves it to the caller to read.
func open(
	ctx context.Context, rawURL string, netDial netDial,
	cfg scenarios.DialConfig, on func(scenarios.Event),
) (*Client, error) {
	header := http.Header{}
	if cfg.Origin != "" {
		header.Set("Origin", cfg.Origin)
	}
	dialer, err := dialer(cfg)
	if err != nil {
		return nil, err
	}
	url := rawURL + scenarios.PathSIO
	conn, err := dial(ctx, dialer, url, header, netDial)
	var refused websocket.DialError
	if errors.As(err, &refused) && refused.Response != nil {
		err = fmt.Errorf("%w: %s", err, refused.Response.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", url, err)
	}
	c := &Client{
		conn: conn,
		in:   parser.NewDecoder(conn),
		out:  parser.NewEncoder(conn),
		cfg:  cfg,
		on:   on,
		done: make(chan struct{}),
		acks: make(map[uint64]chan string),
	}
	if err := c.welcome(ctx); err != nil {
		conn.Close()
		return nil, fmt.Errorf("dial %s: %w", url, err)
	}
	return c, nil
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
	if err := c.emit(ctx, kind, m, id); err != nil {
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

// emit writes one event; an id that is not zero asks for an answer.
func (c *Client) emit(
	ctx context.Context, kind string, m scenarios.Message, id uint64,
) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fmt.Errorf("%s: connection is closed", kind)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	header := parser.Header{Type: parser.Event, ID: id, NeedAck: id > 0}
	if err := c.out.Encode(header, []any{kind, m}); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	return nil
}

// read passes on what the server sends until the connection ends.
func (c *Client) read() {
	defer close(c.done)
	for {
		var header parser.Header
		var event string
		err := c.in.DecodeHeader(&header, &event)
		if err == nil {
			err = c.handle(header, event)
		}
		if err != nil {
			c.down(err)
			return
		}
	}
}

// handle acts on one packet of the server.
func (c *Client) handle(header parser.Header, event string) error {
	kind := map[string]scenarios.EventKind{
		"chat":     scenarios.EventMessage,
		"announce": scenarios.EventAnnounce,
		"joined":   scenarios.EventJoined,
	}[event]
	switch {
	case header.Type == parser.Ack:
		problem, err := decode[string](c.in)
		if err != nil {
			return fmt.Errorf("answer of the server: %w", err)
		}
		c.acked(header.ID, problem)
		return nil
	case header.Type == parser.Event && kind != "":
		m, err := decode[scenarios.Message](c.in)
		if err != nil {
			return fmt.Errorf("event of the server: %w", err)
		}
		c.on(scenarios.Event{Kind: kind, Message: m})
		return nil
	case header.Type == parser.Disconnect:
		return errors.New("disconnected by the server")
	default:
		return c.in.DiscardLast()
	}
}

// acked passes the answer to whoever waits for it.
func (c *Client) acked(id uint64, problem string) {
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
	c.in.Close()   // or the library waits for that, half a minute
	c.mu.Lock()
	if c.closed {
		why = errors.New("closed by the client")
	}
	c.closed = true
	c.mu.Unlock()
	c.on(scenarios.Event{Kind: scenarios.EventDown, Reason: why.Error()})
}

// What follows makes up for the client that go-socket.io does not have.

// netDial is how the connection under Engine.IO is opened.
type netDial func(ctx context.Context, network, addr string) (net.Conn, error)

// dial opens the Engine.IO connection. The library's dialer knows no context,
// so the end of the context cuts the connection under it.
func dial(
	ctx context.Context, ws *websocket.Transport,
	url string, header http.Header, netDial netDial,
) (engineio.Conn, error) {
	var stop func() bool
	ws.NetDial = func(network, addr string) (net.Conn, error) {
		conn, err := netDial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		stop = context.AfterFunc(ctx, func() { conn.Close() })
		return conn, nil
	}
	dialer := engineio.Dialer{Transports: []transport.Transport{ws}}
	conn, err := dialer.Dial(url, header)
	if stop != nil && !stop() && err == nil {
		conn.Close()
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return conn, err
}

// welcome waits for the packet that says the namespace is connected.
func (c *Client) welcome(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { c.conn.Close() })()
	for {
		var header parser.Header
		if err := c.in.DecodeHeader(&header, new(string)); err != nil {
			return errors.Join(err, ctx.Err())
		}
		if err := c.in.DiscardLast(); err != nil {
			return err
		}
		if header.Type == parser.Connect {
			return nil
		}
	}
}

// decode reads the one argument of a packet.
func decode[T any](in *parser.Decoder) (T, error) {
	var zero T
	args, err := in.DecodeArgs([]reflect.Type{reflect.TypeFor[T]()})
	if err != nil || len(args) == 0 {
		return zero, errors.Join(errors.New("argument missing"), err)
	}
	return args[0].Interface().(T), nil
}
