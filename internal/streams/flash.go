package streams

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// What Flash Socket was on the wire. A Flash player that was to open a socket
// first asked the server, on port 843 or on that of the socket itself, for its
// policy file, with PolicyRequest and nothing else. If what came back allowed the
// page and the port, it closed the connection and opened another: the socket.
// What went over that was up to the page. Socket.IO put a WebSocket over it, by
// web-socket-js.
//
// No browser has a Flash player any more: Adobe has blocked it since 12 January
// 2021. So there is nothing to measure.

// PolicyRequest is what a Flash player asked first, and PolicyFile the answer
// that lets every page connect to every port. Both end with a zero byte.
const (
	PolicyRequest = "<policy-file-request/>\x00"
	PolicyFile    = `<?xml version="1.0"?>` +
		`<!DOCTYPE cross-domain-policy SYSTEM "http://www.adobe.com/xml/dtds/cross-domain-policy.dtd">` +
		`<cross-domain-policy><allow-access-from domain="*" to-ports="*"/></cross-domain-policy>` + "\x00"
)

// policyLimit is how long a client may take for its first bytes.
const policyLimit = 10 * time.Second

// FlashServer answers Flash players. It gives out the policy file, and sends
// back what comes over a socket.
type FlashServer struct {
	listener net.Listener
	cancel   context.CancelFunc
	running  sync.WaitGroup
}

// NewFlashServer listens on a loopback port that the system chooses. It ends
// with the context or Close.
func NewFlashServer(ctx context.Context) (*FlashServer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("flash: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &FlashServer{listener: l, cancel: cancel}
	context.AfterFunc(ctx, func() { l.Close() })
	s.running.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // closed
			}
			s.running.Go(func() {
				defer conn.Close()
				defer context.AfterFunc(ctx, func() { conn.Close() })()
				serveFlash(conn)
			})
		}
	})
	return s, nil
}

// Addr returns the server's host and port.
func (s *FlashServer) Addr() string { return s.listener.Addr().String() }

// Close cuts what is connected and stops listening.
func (s *FlashServer) Close() error {
	s.cancel()
	s.running.Wait()
	return nil
}

// serveFlash serves one connection. One that does not ask for the policy is the
// socket.
func serveFlash(conn net.Conn) {
	conn.SetReadDeadline(time.Now().Add(policyLimit))
	in := bufio.NewReader(conn)
	for n := 1; n <= len(PolicyRequest); n++ {
		head, err := in.Peek(n)
		if err != nil || head[n-1] != PolicyRequest[n-1] {
			break
		}
		if n == len(PolicyRequest) {
			io.WriteString(conn, PolicyFile)
			return
		}
	}
	conn.SetReadDeadline(time.Time{})
	io.Copy(conn, in)
}
