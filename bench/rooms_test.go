package bench

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"wsvsio/scenarios"
	"wsvsio/scenarios/proxy"
)

// notes is a recorder that keeps what a scenario says.
type notes struct {
	mu     sync.Mutex
	values map[string][]float64
	labels map[string]string
	doubts []string
}

func newNotes() *notes {
	return &notes{values: make(map[string][]float64), labels: make(map[string]string)}
}

func (n *notes) Value(unit string, v float64) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.values[unit] = append(n.values[unit], v)
}

func (n *notes) Label(key, value string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.labels[key] = value
}

func (n *notes) Event(scenarios.Event)         {}
func (n *notes) Histogram(scenarios.Histogram) {}
func (n *notes) Doubt(text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.doubts = append(n.doubts, text)
}

func (n *notes) String() string { return fmt.Sprint(n.values, n.labels, n.doubts) }

// TestRooms has two nodes of each server talk to each other through Redis.
func TestRooms(t *testing.T) {
	m, can := look(t)
	for _, name := range []string{"rawws", "sio", "rawws-node", "sio-node"} {
		for _, s := range can {
			if s.Name != name {
				continue
			}
			for _, kind := range []string{scenarios.BrokerEmbedded, scenarios.BrokerRedis} {
				t.Run(s.Name+"/"+kind, func(t *testing.T) {
					env := NewEnv(t.Context(), m)
					defer env.Close()
					rec := newNotes()
					err := proxy.Rooms(t.Context(), env, s, scenarios.Case{Name: "rooms", Clients: 10, Samples: 50}, kind, rec)
					if errors.Is(err, scenarios.ErrUnsupported) {
						t.Skip(err)
					}
					t.Log(rec)
					if err != nil {
						t.Fatal(err)
					}
				})
			}
		}
	}
}
