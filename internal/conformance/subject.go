package conformance

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	socketio "github.com/googollee/go-socket.io"
	"github.com/googollee/go-socket.io/engineio"
	"github.com/googollee/go-socket.io/parser"

	"wsvsio/scenarios"
)

// subject is go-socket.io with nothing around it but the handlers that answer
// the checks. It implements scenarios.Server.
type subject struct{ *socketio.Server }

// NewServer returns the server that the checks talk to in Go; mount it at
// scenarios.PathSIO. Of the configuration it takes the timers.
func NewServer(cfg scenarios.ServerConfig) (scenarios.Server, error) {
	cfg = cfg.WithDefaults()
	io := socketio.NewServer(&engineio.Options{
		PingInterval: cfg.PingInterval,
		// The library waits for the next ping only this long.
		PingTimeout: cfg.PingInterval + cfg.PingTimeout,
	})
	for _, namespace := range []string{"/", "/custom"} {
		answerChecks(io, namespace)
	}
	io.OnConnect("/forbidden", func(socketio.Conn) error {
		return errors.New("not authorized")
	})
	go io.Serve()
	return subject{io}, nil
}

// Shutdown implements scenarios.Server. The checks have closed their
// connections by then.
func (s subject) Shutdown(context.Context) error { return s.Close() }

// answerChecks has a namespace answer what the checks emit; node/server.mjs does
// the same.
func answerChecks(io *socketio.Server, namespace string) {
	io.OnConnect(namespace, func(socketio.Conn) error { return nil })
	io.OnEvent(namespace, "echo", func(c socketio.Conn, text string) { c.Emit("echo", text) })
	io.OnEvent(namespace, "twice", func(c socketio.Conn, text string) {
		c.Emit("echo", text)
		c.Emit("echo", text)
	})
	io.OnEvent(namespace, "several", func(c socketio.Conn, text string, number float64, yes bool, object map[string]any) {
		c.Emit("several", text, number, yes, object)
	})
	io.OnEvent(namespace, "ack", func(_ socketio.Conn, text string) string { return text })
	io.OnEvent(namespace, "silent", func(socketio.Conn, string) {})
	io.OnEvent(namespace, "ask", func(c socketio.Conn) {
		c.Emit("question", func(text string) { c.Emit("answered", text) })
	})
	io.OnEvent(namespace, "token", func(c socketio.Conn) string { return token(c.URL()) })
	io.OnEvent(namespace, "binary", func(c socketio.Conn, data *parser.Buffer) { c.Emit("binary", data) })
	io.OnEvent(namespace, "binary-two", func(c socketio.Conn, a, b *parser.Buffer) { c.Emit("binary-two", a, b) })
	io.OnEvent(namespace, "binary-ack", func(_ socketio.Conn, data *parser.Buffer) *parser.Buffer { return data })
}

// token returns what a client has said when it asked for a namespace.
func token(u url.URL) string { return u.Query().Get("token") }

var _ http.Handler = subject{}
