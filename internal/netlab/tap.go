package netlab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"wsvsio/scenarios"
)

// Tap is a relay that exists to check the other counts, and shares nothing with
// them: it never has the bytes in its hands. io.Copy moves them inside the
// system (splice, on Linux) and tells how many there were; beside that stands
// what the system's TCP counted on the clients' sockets by itself.
//
// A client that has closed gets nothing any more: what a server answers later,
// to a poll say, has not passed. None of the clients closes one half only.
type Tap struct {
	target   string
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	running  sync.WaitGroup

	mu    sync.Mutex
	ended sync.Cond
	open  int
	total scenarios.Count // of the connections that have ended
	err   error
}

// NewTap listens on a loopback port that the system chooses and forwards to
// target, a host and port. It ends with the context or Close.
func NewTap(ctx context.Context, target string) (*Tap, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("tap: %w", err)
	}
	t := &Tap{target: target, listener: l}
	t.ended.L = &t.mu
	t.total.Kernel.Told = true
	t.ctx, t.cancel = context.WithCancel(ctx)
	context.AfterFunc(t.ctx, func() { l.Close() })
	t.running.Go(t.accept)
	return t, nil
}

// URL is where clients dial.
func (t *Tap) URL() string { return "http://" + t.listener.Addr().String() }

// Wait waits until every connection has ended and returns what they carried,
// as io.Copy and as the system counted it; it does not know requests. The
// error tells of connections that did not end in good order, and their bytes
// may be short.
func (t *Tap) Wait(ctx context.Context) (scenarios.Count, error) {
	defer context.AfterFunc(ctx, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.ended.Broadcast()
	})()
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.open > 0 {
		if ctx.Err() != nil {
			return t.total, fmt.Errorf("tap: %d of %d connections have not ended: %w", t.open, t.total.Conns, ctx.Err())
		}
		t.ended.Wait()
	}
	return t.total, t.err
}

// Close cuts what is connected and stops listening.
func (t *Tap) Close() error {
	t.cancel()
	t.running.Wait()
	return nil
}

func (t *Tap) accept() {
	for {
		conn, err := t.listener.Accept()
		if err != nil {
			return // closed
		}
		t.mu.Lock()
		t.open++
		t.total.Conns++
		t.mu.Unlock()
		t.running.Go(func() {
			c, err := t.carry(conn.(*net.TCPConn))
			t.mu.Lock()
			defer t.mu.Unlock()
			t.open--
			t.total.Up += c.Up
			t.total.Down += c.Down
			t.total.Kernel.Told = t.total.Kernel.Told && c.Kernel.Told
			t.total.Kernel.Up += c.Kernel.Up
			t.total.Kernel.Down += c.Kernel.Down
			t.total.Kernel.SegsUp += c.Kernel.SegsUp
			t.total.Kernel.SegsDown += c.Kernel.SegsDown
			t.err = errors.Join(t.err, err)
			t.ended.Broadcast()
		})
	}
}

// carry carries one connection until both directions have ended, and counts.
func (t *Tap) carry(client *net.TCPConn) (c scenarios.Count, err error) {
	defer client.Close()
	conn, err := new(net.Dialer).DialContext(t.ctx, "tcp", t.target)
	if err != nil {
		return c, fmt.Errorf("tap: %w", err)
	}
	defer conn.Close()
	server := conn.(*net.TCPConn)
	defer context.AfterFunc(t.ctx, func() {
		client.Close()
		server.Close()
	})()
	var both sync.WaitGroup
	var upErr, downErr error
	both.Go(func() {
		c.Up, upErr = move(server, client)
		server.SetReadDeadline(time.Now())
	})
	both.Go(func() { c.Down, downErr = move(client, server) })
	both.Wait()
	if errors.Is(downErr, os.ErrDeadlineExceeded) && upErr == nil {
		downErr = nil
	}
	if upErr != nil {
		err = fmt.Errorf("tap: up, after %d bytes: %w", c.Up, upErr)
	}
	if downErr != nil {
		err = errors.Join(err, fmt.Errorf("tap: down, after %d bytes: %w", c.Down, downErr))
	}
	if c.Kernel = kernelCount(client); c.Kernel.Told && upErr == nil {
		c.Kernel.Up-- // the end of the stream has a number in the sequence, too
	}
	return c, err
}

// move copies one direction, and its end.
func move(dst, src *net.TCPConn) (int64, error) {
	n, err := io.Copy(dst, src)
	switch {
	case err == nil:
		dst.CloseWrite() // fails where the other end has gone, which its own direction tells
	case errors.Is(err, os.ErrDeadlineExceeded):
	default:
		// The other direction must not wait for an end that will not come.
		dst.SetLinger(0)
		dst.Close()
		src.Close()
	}
	return n, err
}
