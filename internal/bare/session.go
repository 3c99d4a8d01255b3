package bare

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
)

// What is here is rawws/server.go, word for word.

// closeGrace is how long a peer may take to answer a close frame.
const closeGrace = time.Second

// ServeHTTP upgrades the request and serves the client until it is gone.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	c := &session{server: s, conn: conn, timeout: s.cfg.WriteTimeout}
	c.run = c.write
	if !s.enter(c) {
		conn.WriteControl(websocket.CloseMessage,
			websocket.FormatCloseMessage(websocket.CloseGoingAway, ""),
			time.Now().Add(closeGrace))
		conn.Close()
		return
	}
	defer s.sessions.Done()
	c.start()
	c.read()
	s.forget(c)
	c.finish()
	conn.Close()
}

// start begins the heartbeat.
func (c *session) start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ping = time.AfterFunc(c.server.cfg.PingInterval, c.beat)
}

// beat sends a ping, and the next one in a while.
func (c *session) beat() {
	c.send(frame(websocket.PingMessage, nil))
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		c.ping.Reset(c.server.cfg.PingInterval)
	}
}

// finish ends the heartbeat and waits until what is queued has been sent.
func (c *session) finish() {
	c.mu.Lock()
	c.ended = true
	c.ping.Stop()
	c.timeout = closeGrace
	c.conn.NetConn().SetWriteDeadline(time.Now().Add(closeGrace))
	c.mu.Unlock()
	c.writer.Wait()
}

// read handles what the client sends until the connection ends.
func (c *session) read() {
	c.alive("")
	c.conn.SetPongHandler(c.alive)
	c.conn.SetPingHandler(func(data string) error {
		c.send(frame(websocket.PongMessage, []byte(data)))
		return nil
	})
	c.conn.SetCloseHandler(func(code int, _ string) error {
		c.bye(code, "")
		return nil
	})
	c.conn.SetReadLimit(c.server.cfg.ReadLimit)
	for {
		_, text, err := c.conn.ReadMessage()
		if errors.Is(err, websocket.ErrReadLimit) {
			// gorilla has said why, and nothing may follow that. To close
			// with bytes unread would reset the connection, and the reset
			// would overtake the reason.
			c.end()
			io.Copy(io.Discard, c.conn.NetConn())
		}
		if err != nil {
			return
		}
		c.handle(text)
	}
}

// alive gives the client time until the next heartbeat is overdue.
func (c *session) alive(string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return nil
	}
	cfg := c.server.cfg
	silence := cfg.PingInterval + cfg.PingTimeout
	return c.conn.SetReadDeadline(time.Now().Add(silence))
}

// send queues a frame. A client that has fallen behind by a full queue is
// disconnected: waiting for it would hold up all the others, and leaving
// messages out would hide the loss from it.
func (c *session) send(f []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cfg := c.server.cfg
	full := c.waiting == cfg.Queue ||
		c.waiting > 0 && len(c.queue)+len(f) > cfg.QueueBytes
	switch {
	case c.ended:
	case full:
		c.ended = true
		c.conn.Close()
	default:
		c.push(f)
	}
}

// push adds a frame to the queue; c.mu is held. A writer runs only while there
// is something to write: one that waits would take memory for each client, and
// longer to wake up than to start.
func (c *session) push(f []byte) {
	c.queue = append(c.queue, f...)
	c.waiting++
	if !c.writing {
		c.writing = true
		c.writer.Add(1)
		go c.run()
	}
}

// bye queues a close frame as the last one, unless there was one before; the
// client has closeGrace to answer it.
func (c *session) bye(code int, reason string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.ended {
		text := websocket.FormatCloseMessage(code, reason)
		c.push(frame(websocket.CloseMessage, text))
	}
	c.ended = true
	c.conn.SetReadDeadline(time.Now().Add(closeGrace))
}

// end lets nothing more be sent; the client has closeGrace to go.
func (c *session) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.queue, c.waiting = nil, 0
	c.conn.SetReadDeadline(time.Now().Add(closeGrace))
}

// hasEnded reports whether the client has been told to go.
func (c *session) hasEnded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// write sends what is queued until nothing is. Whatever has queued up meanwhile
// leaves in one write: a system call costs more than the frames in it.
func (c *session) write() {
	defer c.writer.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	conn := c.conn.NetConn()
	for len(c.queue) > 0 {
		batch := c.queue
		c.queue, c.waiting = c.spare[:0], 0
		c.renew(conn)
		c.mu.Unlock()
		if _, err := conn.Write(batch); err != nil {
			conn.Close()
		}
		c.mu.Lock()
		c.spare = batch
	}
	c.writing = false
}

// renew puts the write deadline off, once half of it is gone, so that a write
// has at least the other half: to do so each time costs as much as the queue.
// c.mu is held.
func (c *session) renew(conn net.Conn) {
	now := time.Now()
	if c.deadline.Sub(now) < c.timeout/2 {
		c.deadline = now.Add(c.timeout)
		conn.SetWriteDeadline(c.deadline)
	}
}

// frame builds an unmasked, unfragmented frame (RFC 6455, section 5.2), once
// for all receivers. gorilla's PreparedMessage does that too, but writes each
// frame with a system call of its own.
func frame(opcode int, payload []byte) []byte {
	const fin = 0x80
	f := make([]byte, 0, 10+len(payload))
	f = append(f, fin|byte(opcode))
	switch n := len(payload); {
	case n < 126:
		f = append(f, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(n))
	}
	return append(f, payload...)
}
