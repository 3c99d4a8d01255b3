package sio

import (
	"errors"
	"fmt"

	socketio "github.com/googollee/go-socket.io"

	"wsvsio/scenarios"
)

// joinNodes has the library connect to the other nodes. It has to come before
// the first handler: later it does nothing, without an error. What connects
// there cannot be closed, nor does it connect again.
func (s *Server) joinNodes() error {
	if s.cfg.Recovery > 0 {
		return errors.New("redis: the nodes share no recovery")
	}
	_, err := s.io.Adapter(&socketio.RedisAdapterOptions{Addr: s.cfg.Redis})
	if err != nil {
		return fmt.Errorf("redis at %s: %w", s.cfg.Redis, err)
	}
	return nil
}

// What follows makes up for what the library's adapter does not do.

// greetNodes tells the others in a room, on all nodes, who enters it. The
// library knows no broadcast to others, so the client is out of the room
// meanwhile.
func (s *Server) greetNodes(c socketio.Conn, m scenarios.Message) {
	c.Leave(m.Room)
	s.broadcast(m.Room, "joined", m)
}
