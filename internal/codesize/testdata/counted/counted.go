// Package counted is counted by hand; see counted_test.go.
package counted

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// limit is how many there may be.
const limit = 3

type hub struct {
	mu    sync.Mutex
	conns map[string]*websocket.Conn
	ready chan struct{}
}

var errFull = errors.New("full")

// What follows is by hand because this is a fixture.

// add adds a connection.
func (h *hub) add(name string, c *websocket.Conn) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.conns) >= limit && name != "" || c == nil {
		return errFull
	} else if _, ok := h.conns[name]; ok {
		return fmt.Errorf("add %q: twice", name)
	}
	h.conns[name] = c
	return nil
}

// What follows makes up for what a fixture lacks.

func (h *hub) watch(done chan bool) {
	var once sync.Once
	timer := time.AfterFunc(time.Second, func() {
		once.Do(func() { close(h.ready) })
	})
	defer timer.Stop()
	for i := 0; i < limit; i++ {
		select {
		case <-done:
			return
		case h.ready <- struct{}{}:
		default:
		}
	}
outer:
	for name, c := range h.conns {
		switch _, data, err := c.ReadMessage(); {
		case errors.Is(err, websocket.ErrReadLimit):
			continue outer
		case len(data) == 0:
			delete(h.conns, name)
		}
	}
	go h.watch(done)
}
