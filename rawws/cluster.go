package rawws

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"wsvsio/scenarios"
)

// joinLimit is how long Redis may take to let a node in.
const joinLimit = 5 * time.Second

// joinNodes connects to the other nodes.
func (s *Server) joinNodes() error {
	if s.recovery != nil {
		return errors.New("redis: the nodes share no recovery")
	}
	ctx, cancel := context.WithTimeout(context.Background(), joinLimit)
	defer cancel()
	client := redis.NewClient(&redis.Options{
		Addr: s.cfg.Redis,
		// While Redis is away, whoever says something must not wait for it.
		MaxRetries:    -1,
		DialerRetries: 1,
	})
	c := &cluster{
		redis: client,
		sub:   client.Subscribe(ctx, channel),
		name:  rand.Text(),
		done:  make(chan struct{}),
	}
	if _, err := c.sub.Receive(ctx); err != nil {
		c.sub.Close()
		client.Close()
		return fmt.Errorf("redis at %s: %w", s.cfg.Redis, err)
	}
	s.cluster = c
	go s.listen(c)
	return nil
}

// What follows is by hand because a plain WebSocket knows of one node only.

// channel is where the nodes of a chat meet.
const channel = "chat"

// cluster joins a node with the others. What one broadcasts its own clients
// get at once, and those of the others through Redis, which keeps nothing: a
// node that is cut off from it hears no others until it is back.
type cluster struct {
	redis *redis.Client
	sub   *redis.PubSub
	name  string        // of this node, which does not listen to itself
	done  chan struct{} // closed when nothing is heard any more
}

// posting is what a node tells the others.
type posting struct {
	Node string            `json:"node"`
	Type string            `json:"type"`
	Data scenarios.Message `json:"data"`
}

// leaveNodes ends the connection to the other nodes.
func (s *Server) leaveNodes() {
	if c := s.cluster; c != nil {
		c.sub.Close()
		<-c.done
		c.redis.Close()
	}
}

// listen passes on what the other nodes broadcast. The library connects again
// by itself.
func (s *Server) listen(c *cluster) {
	defer close(c.done)
	for m := range c.sub.Channel() {
		var p posting
		err := json.Unmarshal([]byte(m.Payload), &p)
		if err == nil && p.Node != c.name {
			s.deliver(p.Type, p.Data, p.Data.Room, nil)
		}
	}
}

// publish tells the other nodes. It waits for Redis, so that what one client
// sends stays in order. Without Redis the others do not hear of it.
func (c *cluster) publish(kind string, m scenarios.Message) {
	text, err := json.Marshal(posting{Node: c.name, Type: kind, Data: m})
	if err != nil {
		panic(err) // strings and integers always encode
	}
	c.redis.Publish(context.Background(), channel, text)
}
