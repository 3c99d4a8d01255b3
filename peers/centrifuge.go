package peers

import (
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// centrifugeServer is the chat on centrifugal/centrifuge.
type centrifugeServer struct {
	cfg      scenarios.ServerConfig
	node     *centrifuge.Node
	upgrader websocket.Upgrader
	door     door
}

// The channels: one for all, and one for each room.
const (
	channelAll  = "all"
	channelRoom = "room:"
)

// NewCentrifuge returns a chat server on centrifugal/centrifuge, which has a
// queue and a goroutine per client and writes what has queued up at once.
//
// Its own WebSocket handler wraps messages in a protocol of its own. Here the
// node, the channels, the queues and the writers are the library's, and a
// Transport, which is its documented way to other protocols, puts the frames on
// the wire: the same bytes as those of the others, read by the same codec.
//
// What is set, and where the library documents it:
//
//   - ClientQueueMaxSize ("maximum size of client's message queue in bytes",
//     config.go) is the limit that all chats have, by default a quarter of it.
//   - MaxMessagesInFrame ("use -1 to disable the limit", events.go) is off, so
//     that it may write at once whatever has queued up, as rawws does; by
//     default it stops at 16.
//   - WriteDelay stays off, as it is by default: it makes every message wait.
//   - History, presence and positioning stay off, as they are by default.
//   - Pings are WebSocket frames rather than messages of its own protocol, as
//     in the project's example unidirectional_ws.
func NewCentrifuge(cfg scenarios.ServerConfig) (scenarios.Server, error) {
	cfg = cfg.WithDefaults()
	node, err := centrifuge.New(centrifuge.Config{ClientQueueMaxSize: cfg.QueueBytes})
	if err != nil {
		return nil, err
	}
	node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		return centrifuge.ConnectReply{
			Credentials:        &centrifuge.Credentials{},
			Subscriptions:      map[string]centrifuge.SubscribeOptions{channelAll: {}},
			MaxMessagesInFrame: -1,
		}, nil
	})
	if err := node.Run(); err != nil {
		return nil, err
	}
	return &centrifugeServer{
		cfg:      cfg,
		node:     node,
		upgrader: websocket.Upgrader{CheckOrigin: cfg.OriginAllowed},
	}, nil
}

// ServeHTTP implements scenarios.Server.
func (s *centrifugeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.door.enter() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	defer s.door.leave()
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // the upgrader has answered
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	t := newTransport(conn, s.cfg)
	c, end, err := centrifuge.NewClient(ctx, s.node, t)
	if err != nil {
		t.Close(centrifuge.DisconnectServerError)
		return
	}
	defer end()
	c.Connect(centrifuge.ConnectRequest{})
	select {
	case <-s.node.NotifyShutdown(): // too late for the farewell
		return
	default:
	}
	for {
		_, text, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := handle(centrifugeClient{s, c}, text); err != nil {
			c.Disconnect(centrifuge.DisconnectBadRequest)
			return
		}
	}
}

// Shutdown implements scenarios.Server.
func (s *centrifugeServer) Shutdown(ctx context.Context) error {
	s.door.close()
	if err := s.node.Shutdown(ctx); err != nil {
		return err
	}
	return s.door.wait(ctx, func() {})
}

// centrifugeClient is a client of the node and the server it is on.
type centrifugeClient struct {
	s *centrifugeServer
	c *centrifuge.Client
}

func (c centrifugeClient) join(room string) error {
	if c.c.IsSubscribed(channelRoom + room) {
		return nil
	}
	return c.c.Subscribe(channelRoom + room)
}

func (c centrifugeClient) leave(room string) error {
	c.c.Unsubscribe(channelRoom + room)
	return nil
}

func (c centrifugeClient) chat(room string, text []byte) error {
	_, err := c.s.node.Publish(channelRoom+room, text)
	return err
}

func (c centrifugeClient) announce(text []byte) error {
	_, err := c.s.node.Publish(channelAll, text)
	return err
}

func (c centrifugeClient) answer(text []byte) error { return c.c.Send(text) }

// transport puts what a client is sent on a WebSocket.
type transport struct {
	conn *websocket.Conn
	raw  net.Conn
	cfg  scenarios.ServerConfig

	mu     sync.Mutex
	closed bool
	ping   *time.Timer
}

func newTransport(conn *websocket.Conn, cfg scenarios.ServerConfig) *transport {
	t := &transport{conn: conn, raw: conn.NetConn(), cfg: cfg}
	conn.SetReadLimit(cfg.ReadLimit)
	alive := func(string) error {
		return conn.SetReadDeadline(time.Now().Add(cfg.PingInterval + cfg.PingTimeout))
	}
	alive("")
	conn.SetPongHandler(alive)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ping = time.AfterFunc(cfg.PingInterval, t.beat)
	return t
}

// beat pings, again and again until the transport is closed.
func (t *transport) beat() {
	t.conn.WriteControl(websocket.PingMessage, nil, time.Now().Add(t.cfg.WriteTimeout))
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.ping.Reset(t.cfg.PingInterval)
	}
}

// The library asks this of every transport. In the unidirectional form, it
// sends what is published and nothing else: all other pushes are disabled.

func (t *transport) Name() string                                { return "websocket" }
func (t *transport) AcceptProtocol() string                      { return "" }
func (t *transport) Protocol() centrifuge.ProtocolType           { return centrifuge.ProtocolTypeJSON }
func (t *transport) ProtocolVersion() centrifuge.ProtocolVersion { return centrifuge.ProtocolVersion2 }
func (t *transport) Unidirectional() bool                        { return true }
func (t *transport) Emulation() bool                             { return false }
func (t *transport) PingPongConfig() centrifuge.PingPongConfig {
	return centrifuge.PingPongConfig{PingInterval: -1, PongTimeout: -1}
}
func (t *transport) DisabledPushFlags() uint64 {
	return centrifuge.PushFlagConnect | centrifuge.PushFlagDisconnect |
		centrifuge.PushFlagSubscribe | centrifuge.PushFlagUnsubscribe |
		centrifuge.PushFlagJoin | centrifuge.PushFlagLeave
}

// buffers are those of writes that are under way.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// Write implements centrifuge.Transport.
func (t *transport) Write(push []byte) error {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	*b = appendFrame((*b)[:0], unwrap(push))
	return t.write(*b)
}

// WriteMany implements centrifuge.Transport: what has queued up goes out in
// one write, as it does in the library's own WebSocket transport.
func (t *transport) WriteMany(pushes ...[]byte) error {
	b := buffers.Get().(*[]byte)
	defer buffers.Put(b)
	*b = (*b)[:0]
	for _, push := range pushes {
		*b = appendFrame(*b, unwrap(push))
	}
	return t.write(*b)
}

func (t *transport) write(frames []byte) error {
	t.raw.SetWriteDeadline(time.Now().Add(t.cfg.WriteTimeout))
	_, err := t.raw.Write(frames)
	return err
}

// Close implements centrifuge.Transport.
func (t *transport) Close(d centrifuge.Disconnect) error {
	t.mu.Lock()
	t.closed = true
	t.ping.Stop()
	t.mu.Unlock()
	if d.Code != centrifuge.DisconnectConnectionClosed.Code {
		t.conn.WriteControl(websocket.CloseMessage,
			websocket.FormatCloseMessage(int(d.Code), d.Reason),
			time.Now().Add(time.Second))
	}
	return t.conn.Close()
}

// dataKey stands before the payload in both of the pushes that there are:
//
//	{"channel":"room:lobby","pub":{"data":…}}
//	{"message":{"data":…}}
//
// A channel's name cannot hold it, as its quotes would be escaped.
var dataKey = []byte(`"data":`)

// unwrap returns the payload of a push.
func unwrap(push []byte) []byte {
	return push[bytes.Index(push, dataKey)+len(dataKey) : len(push)-len(`}}`)]
}

// appendFrame appends a text frame (RFC 6455, section 5.2).
func appendFrame(b, payload []byte) []byte {
	b = append(b, 0x80|websocket.TextMessage)
	switch n := len(payload); {
	case n < 126:
		b = append(b, byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 127), uint64(n))
	}
	return append(b, payload...)
}
