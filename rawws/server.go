// Package rawws is the chat over a plain WebSocket, on gorilla/websocket.
package rawws

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// everyone is the room that all clients are in; no client can name it.
const everyone = ""

// closeGrace is how long a peer may take to answer a close frame.
const closeGrace = time.Second

// envelope is the text frame in both directions.
type envelope struct {
	Type  string            `json:"type"`
	ID    int64             `json:"id,omitempty"` // of a request and its ack
	Error string            `json:"error,omitempty"`
	Data  scenarios.Message `json:"data,omitzero"`
}

// Server is the chat server.
type Server struct {
	cfg      scenarios.ServerConfig
	upgrader websocket.Upgrader
	sessions sync.WaitGroup
	recovery *recovery // nil keeps nothing
	cluster  *cluster  // nil is a node by itself

	mu      sync.RWMutex
	closing bool
	rooms   map[string]map[*session]struct{}
}

// NewServer returns a chat server; mount it at scenarios.PathRaw.
func NewServer(cfg scenarios.ServerConfig) (scenarios.Server, error) {
	cfg = behind(cfg.WithDefaults())
	s := &Server{
		cfg:      cfg,
		upgrader: websocket.Upgrader{CheckOrigin: cfg.OriginAllowed},
		rooms:    map[string]map[*session]struct{}{everyone: {}},
	}
	if cfg.Recovery > 0 {
		s.recovery = &recovery{seats: make(map[string]*seat)}
		s.upgrader.Subprotocols = []string{resumable}
	}
	if cfg.Redis != "" {
		if err := s.joinNodes(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// ServeHTTP upgrades the request and serves the client until it is gone.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	conn, err := s.upgrader.Upgrade(w, forwarded(s.cfg, r), nil)
	if err != nil {
		return // the upgrader has answered
	}
	c := &session{
		server: s, conn: conn, link: conn, timeout: s.cfg.WriteTimeout,
	}
	c.run = c.write
	if !s.enter(c, r.Header.Get(claimHeader)) {
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

// Shutdown implements scenarios.Server.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true
	for c := range s.rooms[everyone] {
		c.bye(websocket.CloseGoingAway, "server is shutting down")
	}
	s.forgetAway()
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.sessions.Wait()
		close(done)
	}()
	defer s.leaveNodes()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	for c := range s.rooms[everyone] {
		c.link.Close()
	}
	s.mu.Unlock()
	<-done
	return ctx.Err()
}

// join puts a client into a room and tells the others, unless it has nothing
// to say.
func (s *Server) join(c *session, m scenarios.Message) string {
	if m.Room == everyone {
		return "room name is empty"
	}
	s.mu.Lock()
	s.add(c, m.Room)
	s.mu.Unlock()
	if m.Body != "" {
		s.broadcast("joined", m, m.Room, c)
	}
	return ""
}

// leave takes a client out of a room.
func (s *Server) leave(c *session, m scenarios.Message) string {
	if m.Room == everyone {
		return "room name is empty"
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c, m.Room)
	c.rooms = slices.DeleteFunc(c.rooms, func(room string) bool {
		return room == m.Room
	})
	return ""
}

// chat sends a message to the members of its room.
func (s *Server) chat(m scenarios.Message) {
	if m.Room != everyone {
		s.broadcast("chat", m, m.Room, nil)
	}
}

// announce sends a message to every client.
func (s *Server) announce(m scenarios.Message) {
	m.Room = everyone
	s.broadcast("announce", m, everyone, nil)
}

// What follows is by hand because a plain WebSocket has no rooms, no queue
// and no heartbeat.

// broadcast tells all but one client, here and on the other nodes.
func (s *Server) broadcast(
	kind string, m scenarios.Message, room string, except *session,
) {
	if s.recovery != nil {
		s.record(kind, m, room, except)
		return
	}
	s.deliver(kind, m, room, except)
	if s.cluster != nil {
		s.cluster.publish(kind, m)
	}
}

// deliver encodes a message once and queues it for all but one client.
func (s *Server) deliver(
	kind string, m scenarios.Message, room string, except *session,
) {
	f := textFrame(envelope{Type: kind, Data: m})
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := range s.rooms[room] {
		if c != except {
			c.send(f)
		}
	}
}

// enter registers a client, unless the server is shutting down.
func (s *Server) enter(c *session, claim string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	s.sessions.Add(1)
	s.rooms[everyone][c] = struct{}{}
	if c.link.Subprotocol() == resumable {
		s.attach(c, claim)
	}
	return true
}

// forget takes a client out of all its rooms.
func (s *Server) forget(c *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remove(c, everyone)
	for _, room := range c.rooms {
		s.remove(c, room)
	}
	if c.seat != nil {
		s.detach(c)
	}
}

// add puts a client into a room; s.mu is held.
func (s *Server) add(c *session, room string) {
	if s.rooms[room] == nil {
		s.rooms[room] = make(map[*session]struct{})
	}
	s.rooms[room][c] = struct{}{}
	if !slices.Contains(c.rooms, room) {
		c.rooms = append(c.rooms, room)
	}
}

// remove takes a client out of a room; s.mu is held.
func (s *Server) remove(c *session, room string) {
	delete(s.rooms[room], c)
	if len(s.rooms[room]) == 0 && room != everyone {
		delete(s.rooms, room)
	}
}

// link is what a session is to the chat: a connection, or what stands for one.
type link interface {
	Subprotocol() string
	SetReadDeadline(time.Time) error
	Close() error
}

// session is one connected client. Its reader runs in ServeHTTP; its writer
// owns the connection's other direction.
type session struct {
	server *Server
	conn   *websocket.Conn
	link   link           // the same, unless take is set
	take   func(f []byte) // is passed each frame instead, unless nil
	rooms  []string       // server.mu is held
	seat   *seat          // nil if it is not to be resumed
	run    func()         // write, as a value made once
	writer sync.WaitGroup

	mu       sync.Mutex
	queue    []byte // frames that wait, back to back
	waiting  int    // how many
	spare    []byte // the buffer of the frames before
	writing  bool   // a writer runs
	ended    bool   // nothing may be queued any more
	parted   bool   // one of the two has said goodbye
	timeout  time.Duration
	deadline time.Time // of the connection, for writing
	ping     *time.Timer
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
	if c.seat != nil {
		c.server.acknowledge(c)
	}
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

// handle acts on one frame of the client, unless it has been told to go.
func (c *session) handle(text []byte) {
	if c.hasEnded() {
		return
	}
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		c.bye(websocket.CloseInvalidFramePayloadData, "not valid JSON")
		return
	}
	c.act(e)
}

// act does what a client asks for.
func (c *session) act(e envelope) {
	if c.seat != nil {
		c.seat.busy.Lock()
		defer c.seat.busy.Unlock()
		if !c.server.accept(c, &e) {
			return
		}
	}
	switch e.Type {
	case "join":
		c.ack(e.ID, c.server.join(c, e.Data))
	case "leave":
		c.ack(e.ID, c.server.leave(c, e.Data))
	case "chat":
		c.server.chat(e.Data)
	case "announce":
		c.server.announce(e.Data)
	default:
		c.bye(websocket.ClosePolicyViolation, "unknown type")
	}
}

// ack answers a request; problem is empty if it went well.
func (c *session) ack(id int64, problem string) {
	c.send(textFrame(envelope{Type: "ack", ID: id, Error: problem}))
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
		c.link.Close()
	default:
		c.push(f)
	}
}

// push adds a frame to the queue; c.mu is held. A writer runs only while there
// is something to write: one that waits would take memory for each client, and
// longer to wake up than to start.
func (c *session) push(f []byte) {
	if c.take != nil {
		c.take(f)
		return
	}
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
	c.ended, c.parted = true, true
	c.link.SetReadDeadline(time.Now().Add(closeGrace))
}

// end lets nothing more be sent; the client has closeGrace to go.
func (c *session) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended, c.parted = true, true
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

// textFrame encodes an envelope, or a welcome, as a frame.
func textFrame(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and integers always encode
	}
	return frame(websocket.TextMessage, text)
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
