// Package netlab is the network between clients and servers: relays that count
// what passes, and that delay it or do it harm.
package netlab

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"wsvsio/scenarios"
)

// Relay forwards TCP connections to one address and counts what passes. It
// counts before it forwards, so that whoever has seen a byte finds it counted.
type Relay struct {
	scenarios.Harmless
	scenarios.Plain
	target   string
	source   net.Addr // from which it dials; nil leaves that to the system
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup

	conns, requests, up, down atomic.Int64
}

// NewRelay listens on a loopback port that the system chooses and forwards to
// target, a host and port. It ends with the context or Close.
func NewRelay(ctx context.Context, target string) (*Relay, error) {
	return newRelayFrom(ctx, target, nil)
}

// newRelayFrom is NewRelay with a source.
func newRelayFrom(ctx context.Context, target string, source net.Addr) (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	r := &Relay{target: target, source: source, listener: l}
	r.ctx, r.cancel = context.WithCancel(ctx)
	context.AfterFunc(r.ctx, func() { l.Close() })
	r.running.Go(r.accept)
	return r, nil
}

// URL implements scenarios.Path.
func (r *Relay) URL() string { return "http://" + r.listener.Addr().String() }

// Observed implements scenarios.Path.
func (r *Relay) Observed() scenarios.Traffic {
	return scenarios.Traffic{
		Conns:    r.conns.Load(),
		Requests: r.requests.Load(),
		Up:       r.up.Load(),
		Down:     r.down.Load(),
	}
}

// Close implements scenarios.Path.
func (r *Relay) Close() error {
	r.cancel()
	r.running.Wait()
	return nil
}

func (r *Relay) accept() {
	for {
		conn, err := r.listener.Accept()
		if err != nil {
			return // closed
		}
		r.conns.Add(1)
		r.running.Go(func() { r.forward(conn) })
	}
}

// forward carries one connection until both directions have ended.
func (r *Relay) forward(client net.Conn) {
	defer client.Close()
	server, err := (&net.Dialer{LocalAddr: r.source}).DialContext(r.ctx, "tcp", r.target)
	if err != nil {
		return // the client sees its connection close, as with any proxy
	}
	defer server.Close()
	stop := context.AfterFunc(r.ctx, func() {
		client.Close()
		server.Close()
	})
	defer stop()
	var requests requestCounter
	var both sync.WaitGroup
	both.Go(func() {
		pipe(server, client, func(b []byte) {
			r.up.Add(int64(len(b)))
			r.requests.Add(requests.feed(b))
		})
	})
	both.Go(func() {
		pipe(client, server, func(b []byte) { r.down.Add(int64(len(b))) })
	})
	both.Wait()
}

// pipe copies one direction, and its end.
func pipe(dst, src net.Conn, count func([]byte)) {
	buffer := make([]byte, 32<<10)
	for {
		n, err := src.Read(buffer)
		if n > 0 {
			count(buffer[:n])
			if _, err := dst.Write(buffer[:n]); err != nil {
				src.Close()
				return
			}
		}
		if err == io.EOF {
			dst.(*net.TCPConn).CloseWrite()
			return
		}
		if err != nil {
			// A reset is passed on as one.
			dst.(*net.TCPConn).SetLinger(0)
			dst.Close()
			return
		}
	}
}

// requestCounter counts the HTTP/1.1 requests in the client's half of a
// connection. After a WebSocket handshake it counts no more.
type requestCounter struct {
	head []byte // of a request that is not complete
	body int64  // bytes of the body that are still to come
	deaf bool
}

// maxHead is the longest request head that is counted, in bytes.
const maxHead = 64 << 10

// feed takes the next bytes and returns how many requests began in them, by
// the ends of their heads.
func (c *requestCounter) feed(b []byte) (requests int64) {
	for len(b) > 0 && !c.deaf {
		if c.body > 0 {
			n := min(c.body, int64(len(b)))
			c.body -= n
			b = b[n:]
			continue
		}
		before := len(c.head)
		c.head = append(c.head, b...)
		end := bytes.Index(c.head, []byte("\r\n\r\n"))
		if end < 0 || end > maxHead {
			c.deaf = len(c.head) > maxHead
			return requests
		}
		b = b[end+4-before:]
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(c.head[:end+4])))
		c.head = c.head[:0]
		if err != nil {
			c.deaf = true
			return requests
		}
		requests++
		// None of the clients sends a body of unknown length.
		c.deaf = r.ContentLength < 0 || strings.EqualFold(r.Header.Get("Upgrade"), "websocket")
		c.body = max(0, r.ContentLength)
	}
	return requests
}
