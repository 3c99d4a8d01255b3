package peers

import (
	"context"
	"errors"
	"net/http"

	"github.com/olahol/melody"

	"wsvsio/scenarios"
)

// melodyServer is the chat on olahol/melody.
type melodyServer struct {
	cfg  scenarios.ServerConfig
	hub  *melody.Melody
	door door
}

// NewMelody returns a chat server on olahol/melody, which is gorilla/websocket
// with a goroutine and a channel of messages per session.
//
// What is set, and where the library documents it:
//
//   - MessageBufferSize, "the max amount of messages that can be in a sessions
//     buffer before it starts dropping them" (config.go), is the queue that all
//     chats have; by default it is as long. A session that overflows is
//     disconnected rather than left with a hole.
//   - MaxMessageSize is the read limit, as its 512 bytes are too few.
//   - WriteWait, PongWait and PingPeriod are the time-outs that all chats have.
//   - ConcurrentMessageHandling stays off: it gives up the order of messages.
//   - A room is a key of the session and a filter on it, as in the project's
//     example multichat.
func NewMelody(cfg scenarios.ServerConfig) (scenarios.Server, error) {
	cfg = cfg.WithDefaults()
	s := &melodyServer{cfg: cfg, hub: melody.New()}
	s.hub.Upgrader.CheckOrigin = cfg.OriginAllowed
	s.hub.Config.MessageBufferSize = cfg.Queue
	s.hub.Config.MaxMessageSize = cfg.ReadLimit
	s.hub.Config.WriteWait = cfg.WriteTimeout
	s.hub.Config.PingPeriod = cfg.PingInterval
	s.hub.Config.PongWait = cfg.PingInterval + cfg.PingTimeout
	s.hub.HandleConnect(func(c *melody.Session) {
		if s.door.closed() { // too late for the farewell
			c.WebsocketConnection().Close()
		}
	})
	s.hub.HandleMessage(func(c *melody.Session, text []byte) {
		if err := handle(melodyClient{s, c}, text); err != nil {
			c.CloseWithMsg(melody.FormatCloseMessage(melody.ClosePolicyViolation, ""))
		}
	})
	s.hub.HandleError(func(c *melody.Session, err error) {
		if errors.Is(err, melody.ErrMessageBufferFull) {
			c.WebsocketConnection().Close()
		}
	})
	return s, nil
}

// ServeHTTP implements scenarios.Server.
func (s *melodyServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.door.enter() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	defer s.door.leave()
	s.hub.HandleRequest(w, r) // it has answered, whatever the error
}

// Shutdown implements scenarios.Server.
func (s *melodyServer) Shutdown(ctx context.Context) error {
	s.door.close()
	sessions, err := s.hub.Sessions()
	if err != nil {
		return err
	}
	s.hub.CloseWithMsg(melody.FormatCloseMessage(melody.CloseGoingAway, "server is shutting down"))
	return s.door.wait(ctx, func() {
		for _, c := range sessions {
			c.WebsocketConnection().Close()
		}
	})
}

// melodyClient is a session and the server it is on.
type melodyClient struct {
	s *melodyServer
	c *melody.Session
}

func (m melodyClient) join(room string) error {
	m.c.Set(room, true)
	return nil
}

func (m melodyClient) leave(room string) error {
	m.c.UnSet(room)
	return nil
}

func (m melodyClient) chat(room string, text []byte) error {
	return m.s.hub.BroadcastFilter(text, func(c *melody.Session) bool {
		_, member := c.Get(room)
		return member
	})
}

func (m melodyClient) announce(text []byte) error { return m.s.hub.Broadcast(text) }

func (m melodyClient) answer(text []byte) error { return m.c.Write(text) }
