package streams

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"wsvsio/scenarios"
)

// client is a chat client with a stream.
type client struct {
	rawURL  string
	cfg     scenarios.DialConfig
	on      func(scenarios.Event)
	http    *http.Client
	session string
	life    context.Context
	end     context.CancelCauseFunc
	done    chan struct{}

	posting sync.Mutex // one request is under way at a time: they must not overtake each other
}

// errClosed is why the session ends that the client closes.
var errClosed = errors.New("closed by the client")

// DialEvents implements scenarios.Dial, with server-sent events.
func DialEvents(ctx context.Context, rawURL string, cfg scenarios.DialConfig, on func(scenarios.Event)) (scenarios.Client, error) {
	return dial(ctx, rawURL, cfg, on, eventStream)
}

// DialParts implements scenarios.Dial, with a stream in parts.
func DialParts(ctx context.Context, rawURL string, cfg scenarios.DialConfig, on func(scenarios.Event)) (scenarios.Client, error) {
	return dial(ctx, rawURL, cfg, on, inParts)
}

// transports are the names of the forms.
var transports = map[string]string{eventStream: scenarios.EventSource, inParts: scenarios.XHRMultipart}

func dial(ctx context.Context, rawURL string, cfg scenarios.DialConfig, on func(scenarios.Event), form string) (scenarios.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	if cfg.Proxy != "" {
		u, err := url.Parse(cfg.Proxy)
		if err != nil {
			return nil, fmt.Errorf("proxy %q: %w", cfg.Proxy, err)
		}
		transport.Proxy = http.ProxyURL(u)
	}
	c := &client{
		rawURL: rawURL, cfg: cfg, on: on, done: make(chan struct{}),
		http: &http.Client{Transport: transport},
	}
	c.life, c.end = context.WithCancelCause(context.Background())
	stop := context.AfterFunc(ctx, func() { c.end(context.Cause(ctx)) })
	next, body, err := c.open(form)
	if err == nil {
		var first envelope
		if first, err = next(); err == nil && (first.Type != "open" || first.Session == "") {
			err = errors.New("the stream does not begin with a session")
		}
		c.session = first.Session
	}
	if !stop() {
		err = errors.Join(err, context.Cause(ctx))
	}
	if err != nil {
		c.end(err)
		if body != nil {
			body.Close()
		}
		transport.CloseIdleConnections()
		return nil, fmt.Errorf("dial %s: %w", rawURL, err)
	}
	on(scenarios.Event{Kind: scenarios.EventUp, Transport: transports[form]})
	go c.read(next, body)
	return c, nil
}

// request makes a request of the client.
func (c *client) request(ctx context.Context, method string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.rawURL+scenarios.PathRaw, bytes.NewReader(body))
	if err == nil && c.cfg.Origin != "" {
		r.Header.Set("Origin", c.cfg.Origin)
	}
	return r, err
}

// open opens the stream, and returns what reads the next message.
func (c *client) open(form string) (next func() (envelope, error), body io.Closer, err error) {
	r, err := c.request(c.life, http.MethodGet, nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Accept", form)
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	if answer.StatusCode != http.StatusOK {
		answer.Body.Close()
		return nil, nil, errors.New(answer.Status)
	}
	if form == eventStream {
		return events(bufio.NewReader(answer.Body)), answer.Body, nil
	}
	_, params, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	if err != nil {
		answer.Body.Close()
		return nil, nil, err
	}
	return parts(multipart.NewReader(answer.Body, params["boundary"])), answer.Body, nil
}

// events reads server-sent events, of which the server sends the field data
// alone, in one line each.
func events(in *bufio.Reader) func() (envelope, error) {
	return func() (e envelope, err error) {
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return e, err
			}
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				return e, json.Unmarshal([]byte(data), &e)
			}
		}
	}
}

// parts reads a stream in parts.
func parts(in *multipart.Reader) func() (envelope, error) {
	return func() (e envelope, err error) {
		part, err := in.NextRawPart()
		if err != nil {
			return e, err
		}
		text, err := io.ReadAll(part)
		if err != nil {
			return e, err
		}
		return e, json.Unmarshal(text, &e)
	}
}

// read passes on what the server sends until the stream ends.
func (c *client) read(next func() (envelope, error), body io.Closer) {
	defer close(c.done)
	defer c.http.CloseIdleConnections()
	defer body.Close()
	kinds := map[string]scenarios.EventKind{
		"chat": scenarios.EventMessage, "announce": scenarios.EventAnnounce, "joined": scenarios.EventJoined,
	}
	for c.life.Err() == nil {
		e, err := next()
		switch {
		case err != nil:
			c.end(fmt.Errorf("the stream has ended: %w", err))
		case e.Type == "bye":
			c.end(fmt.Errorf("closed by the server: %s", e.Error))
		case kinds[e.Type] != "":
			c.on(scenarios.Event{Kind: kinds[e.Type], Message: e.Data})
		}
	}
	c.on(scenarios.Event{Kind: scenarios.EventDown, Reason: context.Cause(c.life).Error()})
}

// say makes a request and returns why it was refused, if it was.
func (c *client) say(ctx context.Context, kind string, m scenarios.Message) error {
	c.posting.Lock()
	defer c.posting.Unlock()
	if c.life.Err() != nil {
		return fmt.Errorf("%s: connection is closed", kind)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.life, cancel)()
	r, err := c.request(ctx, http.MethodPost, encode(envelope{Type: kind, Data: m}))
	if err != nil {
		return err
	}
	r.Header.Set(sessionHeader, c.session)
	answer, err := c.http.Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	switch answer.StatusCode {
	case http.StatusNoContent:
		return nil
	case http.StatusOK:
		var e envelope
		if err := json.Unmarshal(text, &e); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
		return fmt.Errorf("%s %q: refused: %s", kind, m.Room, e.Error)
	}
	return fmt.Errorf("%s: %s: %s", kind, answer.Status, bytes.TrimSpace(text))
}

// Join implements scenarios.Client.
func (c *client) Join(ctx context.Context, room string) error {
	return c.say(ctx, "join", scenarios.Message{Room: room, From: c.cfg.Name, Body: c.cfg.Greeting})
}

// Leave implements scenarios.Client.
func (c *client) Leave(ctx context.Context, room string) error {
	return c.say(ctx, "leave", scenarios.Message{Room: room, From: c.cfg.Name})
}

// Send implements scenarios.Client.
func (c *client) Send(ctx context.Context, m scenarios.Message) error { return c.say(ctx, "chat", m) }

// Announce implements scenarios.Client.
func (c *client) Announce(ctx context.Context, m scenarios.Message) error {
	return c.say(ctx, "announce", m)
}

// Close implements scenarios.Client.
func (c *client) Close() error {
	c.end(errClosed)
	<-c.done
	return nil
}
