package peers

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/lxzan/gws"

	"wsvsio/scenarios"
)

// everyone is the room that all clients are in; no client can name it.
const everyone = ""

// gwsServer is the chat on lxzan/gws.
type gwsServer struct {
	gws.BuiltinEventHandler
	cfg      scenarios.ServerConfig
	upgrader *gws.Upgrader
	door     door
	done     chan struct{} // closed when the heart stops
	stop     sync.Once

	mu    sync.RWMutex
	rooms map[string]map[*gws.Conn]struct{}
}

// NewGWS returns a chat server on lxzan/gws, which has a queue of tasks per
// connection and a goroutine for it while there are any.
//
// What is set, and where the library documents it:
//
//   - Broadcasts take a Broadcaster, in a loop over the members, as its README
//     shows under "Broadcast": the frame is built once.
//   - ReadLoop runs in a goroutine of its own, as its README has it under
//     "Best Practice"; so does the deadline that each heartbeat renews.
//   - ParallelEnabled stays off, unlike there: it gives up the order of messages.
//   - PermessageDeflate is off, as it is by default and in all chats here.
//   - The queue of tasks has no limit that could be set.
func NewGWS(cfg scenarios.ServerConfig) (scenarios.Server, error) {
	cfg = cfg.WithDefaults()
	s := &gwsServer{
		cfg:   cfg,
		done:  make(chan struct{}),
		rooms: map[string]map[*gws.Conn]struct{}{everyone: {}},
	}
	s.upgrader = gws.NewUpgrader(s, &gws.ServerOption{
		ReadMaxPayloadSize: int(cfg.ReadLimit),
		Authorize: func(r *http.Request, _ gws.SessionStorage) bool {
			return cfg.OriginAllowed(r)
		},
	})
	s.door.inside.Go(s.beat)
	return s, nil
}

// ServeHTTP implements scenarios.Server.
func (s *gwsServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.door.enter() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	conn, err := s.upgrader.Upgrade(w, r)
	if err != nil { // it has answered
		s.door.leave()
		return
	}
	go func() {
		defer s.door.leave()
		conn.ReadLoop()
	}()
}

// Shutdown implements scenarios.Server.
func (s *gwsServer) Shutdown(ctx context.Context) error {
	s.door.close()
	s.stop.Do(func() { close(s.done) })
	s.end(func(c *gws.Conn) {
		c.WriteClose(1001, []byte("server is shutting down"))
	})
	return s.door.wait(ctx, func() {
		s.end(func(c *gws.Conn) { c.NetConn().Close() })
	})
}

// end does something to all who are there. It may block on a slow reader, so
// each is seen to by itself.
func (s *gwsServer) end(one func(*gws.Conn)) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := range s.rooms[everyone] {
		go one(c)
	}
}

// beat pings all clients now and then, until the server is shut down.
func (s *gwsServer) beat() {
	tick := time.NewTicker(s.cfg.PingInterval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.done:
			return
		}
		s.mu.RLock()
		for c := range s.rooms[everyone] {
			c.WriteAsync(gws.OpcodePing, nil, nil)
		}
		s.mu.RUnlock()
	}
}

// OnOpen implements gws.Event.
func (s *gwsServer) OnOpen(c *gws.Conn) {
	s.alive(c)
	s.mu.Lock()
	s.rooms[everyone][c] = struct{}{}
	s.mu.Unlock()
	if s.door.closed() { // too late for the farewell
		c.NetConn().Close()
	}
}

// OnClose implements gws.Event.
func (s *gwsServer) OnClose(c *gws.Conn, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for room := range s.rooms {
		s.remove(c, room)
	}
}

// OnPong implements gws.Event.
func (s *gwsServer) OnPong(c *gws.Conn, _ []byte) { s.alive(c) }

// alive gives the client time until the next heartbeat is overdue.
func (s *gwsServer) alive(c *gws.Conn) {
	c.SetDeadline(time.Now().Add(s.cfg.PingInterval + s.cfg.PingTimeout))
}

// OnMessage implements gws.Event.
func (s *gwsServer) OnMessage(c *gws.Conn, message *gws.Message) {
	defer message.Close()
	if err := handle(gwsClient{s, c}, message.Bytes()); err != nil {
		c.WriteClose(1008, nil)
	}
}

// remove takes a client out of a room; s.mu is held.
func (s *gwsServer) remove(c *gws.Conn, room string) {
	delete(s.rooms[room], c)
	if len(s.rooms[room]) == 0 && room != everyone {
		delete(s.rooms, room)
	}
}

// broadcast sends a text frame to the members of a room.
func (s *gwsServer) broadcast(room string, text []byte) error {
	b := gws.NewBroadcaster(gws.OpcodeText, text)
	defer b.Close()
	s.mu.RLock()
	defer s.mu.RUnlock()
	for c := range s.rooms[room] {
		b.Broadcast(c) // its errors end in OnClose
	}
	return nil
}

// gwsClient is a connection and the server it is on.
type gwsClient struct {
	s *gwsServer
	c *gws.Conn
}

func (g gwsClient) join(room string) error {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	if g.s.rooms[room] == nil {
		g.s.rooms[room] = make(map[*gws.Conn]struct{})
	}
	g.s.rooms[room][g.c] = struct{}{}
	return nil
}

func (g gwsClient) leave(room string) error {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	g.s.remove(g.c, room)
	return nil
}

func (g gwsClient) chat(room string, text []byte) error { return g.s.broadcast(room, text) }

func (g gwsClient) announce(text []byte) error { return g.s.broadcast(everyone, text) }

// answer takes the same queue as the broadcasts, so that it keeps its place.
func (g gwsClient) answer(text []byte) error {
	g.c.WriteAsync(gws.OpcodeText, text, nil)
	return nil
}
