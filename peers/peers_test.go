package peers

import (
	"context"
	"fmt"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/bench"
	"wsvsio/scenarios"
)

// limit bounds what a test waits for; nothing takes near as long.
const limit = 30 * time.Second

// each runs a test on every chat.
func each(t *testing.T, test func(t *testing.T, newServer scenarios.NewServer)) {
	for _, s := range Stacks() {
		t.Run(s.Name, func(t *testing.T) { test(t, Programs()[s.Server.Go].NewServer) })
	}
}

// serve starts a server in this process and returns its URL.
func serve(t *testing.T, newServer scenarios.NewServer, cfg scenarios.ServerConfig) (scenarios.Server, string) {
	t.Helper()
	s, err := newServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		web.Close()
	})
	return s, "ws" + strings.TrimPrefix(web.URL, "http")
}

// peer is one client.
type peer struct {
	t    *testing.T
	conn *websocket.Conn
}

func dial(t *testing.T, url string) *peer {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(limit))
	return &peer{t, conn}
}

func (p *peer) send(e envelope) {
	p.t.Helper()
	if err := p.conn.WriteMessage(websocket.TextMessage, e.text()); err != nil {
		p.t.Fatal(err)
	}
}

// sees reads one message, which must be that one.
func (p *peer) sees(want envelope) error {
	_, text, err := p.conn.ReadMessage()
	if err != nil {
		return fmt.Errorf("instead of %s: %w", want.text(), err)
	}
	if string(text) != string(want.text()) {
		return fmt.Errorf("got %s, want %s", text, want.text())
	}
	return nil
}

// ask sends a request and reads the answer.
func (p *peer) ask(kind, room, problem string) {
	p.t.Helper()
	p.send(envelope{Type: kind, ID: 7, Data: scenarios.Message{Room: room, From: "ann"}})
	if err := p.sees(envelope{Type: "ack", ID: 7, Error: problem}); err != nil {
		p.t.Fatalf("%s %q: %v", kind, room, err)
	}
}

// chat is message i of a sender.
func chat(room, from string, i int) envelope {
	return envelope{Type: "chat", Data: scenarios.Message{
		Room: room, From: from, Seq: scenarios.FirstSeq + int64(i), Body: `"data":{ü}` + strings.Repeat("x", i),
	}}
}

// TestDelivery has twenty members of a room get two hundred messages of one of
// them, all and in order, the sender included. The lengths pass all sizes of
// header but the longest.
func TestDelivery(t *testing.T) {
	each(t, func(t *testing.T, newServer scenarios.NewServer) {
		const messages = 200
		_, url := serve(t, newServer, scenarios.ServerConfig{})
		var members []*peer
		for range 20 {
			p := dial(t, url)
			p.ask("join", `r"data":`, "")
			members = append(members, p)
		}
		var readers sync.WaitGroup
		for i, p := range members {
			readers.Go(func() {
				for k := range messages {
					if err := p.sees(chat(`r"data":`, "ann", k)); err != nil {
						t.Errorf("member %d: %v", i, err)
						return
					}
				}
			})
		}
		for k := range messages {
			members[0].send(chat(`r"data":`, "ann", k))
		}
		readers.Wait()
	})
}

// TestLong takes a message with the longest header through.
func TestLong(t *testing.T) {
	each(t, func(t *testing.T, newServer scenarios.NewServer) {
		_, url := serve(t, newServer, scenarios.ServerConfig{})
		p := dial(t, url)
		p.ask("join", "r", "")
		long := chat("r", "ann", 70_000)
		p.send(long)
		if err := p.sees(long); err != nil {
			t.Fatalf("%.200s", err.Error())
		}
	})
}

// TestRooms has a message reach the members of its room, and an announcement
// all. What must not come is proved by what comes next.
func TestRooms(t *testing.T) {
	each(t, func(t *testing.T, newServer scenarios.NewServer) {
		_, url := serve(t, newServer, scenarios.ServerConfig{})
		ann, bob, eve := dial(t, url), dial(t, url), dial(t, url)
		for _, p := range []*peer{ann, bob} {
			p.ask("join", "", "room name is empty")
			p.ask("join", "red", "")
			p.ask("join", "red", "") // once more changes nothing
		}
		bob.ask("join", "blue", "")
		eve.ask("join", "blue", "")
		must := func(p *peer, want envelope) {
			t.Helper()
			if err := p.sees(want); err != nil {
				t.Fatal(err)
			}
		}
		ann.send(chat("red", "ann", 1))
		must(ann, chat("red", "ann", 1))
		must(bob, chat("red", "ann", 1))
		bob.ask("leave", "red", "")
		ann.send(chat("red", "ann", 2))
		must(ann, chat("red", "ann", 2))
		ann.send(chat("blue", "ann", 3)) // from outside
		must(bob, chat("blue", "ann", 3))
		must(eve, chat("blue", "ann", 3))
		ann.send(envelope{Type: "announce", Data: scenarios.Message{Room: "red", From: "ann", Seq: 4, Body: "all"}})
		for _, p := range []*peer{ann, bob, eve} {
			must(p, envelope{Type: "announce", Data: scenarios.Message{From: "ann", Seq: 4, Body: "all"}})
		}
	})
}

// TestRefused ends the connection of a client that does not speak the chat, or
// comes from elsewhere.
func TestRefused(t *testing.T) {
	each(t, func(t *testing.T, newServer scenarios.NewServer) {
		_, url := serve(t, newServer, scenarios.ServerConfig{ReadLimit: 1000})
		for _, text := range []string{"{", `{"type":"dance"}`, `{"type":"chat","data":{"body":"` + strings.Repeat("x", 2000) + `"}}`} {
			p := dial(t, url)
			if err := p.conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
				t.Fatal(err)
			}
			if _, answer, err := p.conn.ReadMessage(); err == nil {
				t.Errorf("%.40s: answered with %s", text, answer)
			} else if strings.Contains(err.Error(), "timeout") {
				t.Errorf("%.40s: the connection stays", text)
			}
		}
		_, resp, err := websocket.DefaultDialer.Dial(url, map[string][]string{"Origin": {"http://elsewhere.example"}})
		if err == nil || resp == nil {
			t.Errorf("another origin is let in: %v", err)
		}
	})
}

// TestPing has a client that answers heartbeats stay, and one that does not is
// cut off.
func TestPing(t *testing.T) {
	each(t, func(t *testing.T, newServer scenarios.NewServer) {
		_, url := serve(t, newServer, scenarios.ServerConfig{
			PingInterval: 10 * time.Millisecond, PingTimeout: limit,
		})
		p := dial(t, url)
		p.ask("join", "r", "")
		answer, pings := p.conn.PingHandler(), 0
		p.conn.SetPingHandler(func(data string) error {
			if pings++; pings == 3 {
				p.send(chat("r", "ann", 1))
			}
			return answer(data)
		})
		if err := p.sees(chat("r", "ann", 1)); err != nil {
			t.Errorf("after %d heartbeats: %v", pings, err)
		}

		_, url = serve(t, newServer, scenarios.ServerConfig{
			PingInterval: 20 * time.Millisecond, PingTimeout: 20 * time.Millisecond,
		})
		deaf := dial(t, url)
		deaf.conn.SetPingHandler(func(string) error { return nil })
		if _, text, err := deaf.conn.ReadMessage(); err == nil || strings.Contains(err.Error(), "timeout") {
			t.Errorf("a client that does not answer: %s, %v", text, err)
		}
	})
}

// TestShutdown has all clients gone and no goroutine left.
func TestShutdown(t *testing.T) {
	each(t, func(t *testing.T, newServer scenarios.NewServer) {
		before := runtime.NumGoroutine()
		s, err := newServer(scenarios.ServerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(s)
		url := "ws" + strings.TrimPrefix(web.URL, "http")
		var members []*peer
		for range 10 {
			p := dial(t, url)
			p.ask("join", "r", "")
			members = append(members, p)
		}
		ctx, cancel := context.WithTimeout(t.Context(), limit)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		for _, p := range members {
			if _, _, err := p.conn.ReadMessage(); err == nil || strings.Contains(err.Error(), "timeout") {
				t.Errorf("after the shutdown: %v", err)
			}
			p.conn.Close()
		}
		if _, _, err := websocket.DefaultDialer.Dial(url, nil); err == nil {
			t.Error("a newcomer is let in")
		}
		web.Close()
		for after := 0; ; {
			if after = runtime.NumGoroutine(); after <= before {
				break
			}
			if ctx.Err() != nil {
				stacks := make([]byte, 64<<10)
				t.Fatalf("%d goroutines before, %d after:\n%s", before, after, stacks[:runtime.Stack(stacks, true)])
			}
			runtime.Gosched()
		}
	})
}

// TestLoad has the load generator account for every delivery, at a rate and
// saturated, each chat in a process of its own.
func TestLoad(t *testing.T) {
	machine, stacks, err := bench.Look(t.Context(), Stacks())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range stacks {
		for name, spec := range map[string]scenarios.LoadSpec{
			"rate":      {Clients: 50, Size: 128, Warmup: 500, Rate: 200, Messages: 40},
			"saturated": {Clients: 50, Size: 128, Warmup: 500, Saturate: 50 * time.Millisecond},
		} {
			t.Run(s.Name+"/"+name, func(t *testing.T) {
				env := bench.NewEnv(t.Context(), machine)
				defer env.Close()
				node, err := env.Serve(t.Context(), s, scenarios.ServerConfig{})
				if err != nil {
					t.Fatal(err)
				}
				r, err := env.Load(t.Context(), s, node, spec)
				if err != nil {
					t.Fatal(err)
				}
				if r.Delivered < 50*40 || r.Delivered != r.Expected || r.Lost+r.Dup+r.Reordered+r.Corrupt+r.Died != 0 {
					t.Errorf("report %+v", r)
				}
				if err := node.Stop(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
