package sio

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	socketio "github.com/googollee/go-socket.io"
	gorilla "github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// TestForwarded believes proxies as far as they are trusted, and no further.
func TestForwarded(t *testing.T) {
	for name, tt := range map[string]struct {
		trusted      int
		hosts, chain []string
		host, addr   string
	}{
		"nobody is trusted":          {0, []string{"evil"}, []string{"6.6.6.6"}, "own", "192.0.2.1:1234"},
		"one proxy":                  {1, []string{"chat.example"}, []string{"9.9.9.9"}, "chat.example", "9.9.9.9:0"},
		"a client that makes up one": {1, []string{"chat.example"}, []string{"6.6.6.6, 9.9.9.9"}, "chat.example", "9.9.9.9:0"},
		"in a header of its own":     {1, []string{"evil", "chat.example"}, []string{"6.6.6.6", "9.9.9.9"}, "chat.example", "9.9.9.9:0"},
		"two proxies":                {2, []string{"chat.example"}, []string{"6.6.6.6, 9.9.9.9, 10.0.0.1"}, "chat.example", "9.9.9.9:0"},
		"IPv6":                       {1, nil, []string{"2001:db8::1"}, "own", "[2001:db8::1]:0"},
		"one that says nothing":      {1, nil, nil, "own", "192.0.2.1:1234"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = "own"
			r.Header["X-Forwarded-Host"], r.Header["X-Forwarded-For"] = tt.hosts, tt.chain
			cfg := scenarios.ServerConfig{Behind: scenarios.Behind{Trusted: tt.trusted}}
			got := forwarded(cfg, r)
			if got.Host != tt.host || got.RemoteAddr != tt.addr {
				t.Errorf("host %s, address %s; want %s, %s", got.Host, got.RemoteAddr, tt.host, tt.addr)
			}
			if r.Host != "own" {
				t.Error("the request itself was changed")
			}
		})
	}
}

// TestBehind has two heartbeats fit into what a proxy waits, and leaves
// alone what is quicker.
func TestBehind(t *testing.T) {
	for idle, want := range map[time.Duration]time.Duration{
		0: scenarios.Defaults.PingInterval, time.Second: 500 * time.Millisecond, time.Hour: scenarios.Defaults.PingInterval,
	} {
		cfg := scenarios.ServerConfig{Behind: scenarios.Behind{Idle: idle}}.WithDefaults()
		if got := behind(cfg).PingInterval; got != want {
			t.Errorf("idle %v: a ping every %v, want %v", idle, got, want)
		}
	}
}

// TestDialErrors says what is wrong with a proxy or an authority.
func TestDialErrors(t *testing.T) {
	for want, cfg := range map[string]scenarios.DialConfig{
		`proxy "nonsense": not http://host:port`: {Proxy: "nonsense"},
		`proxy "socks5://h:1": not http://`:      {Proxy: "socks5://h:1"},
		"no certificate in the CA":               {CA: "nonsense"},
	} {
		_, err := Dial(t.Context(), "http://127.0.0.1:1", cfg, func(scenarios.Event) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

// poll is a client of Engine.IO 3 over polling, by hand.
type poll struct {
	t   *testing.T
	url string
}

func (p poll) ask(method, sid, body string) (int, string) {
	p.t.Helper()
	url := p.url + scenarios.PathSIO + "?EIO=3&transport=polling"
	if sid != "" {
		url += "&sid=" + sid
	}
	r, err := http.NewRequestWithContext(p.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

// open returns the id of a new session.
func (p poll) open() string {
	p.t.Helper()
	_, text := p.ask(http.MethodGet, "", "")
	_, rest, _ := strings.Cut(text, `"sid":"`)
	sid, _, found := strings.Cut(rest, `"`)
	if !found {
		p.t.Fatalf("no session in %q", text)
	}
	return sid
}

// await reads on until a packet has come. At first the library may refuse its
// own session, which it does not know yet.
func (p poll) await(sid, packet string) {
	p.t.Helper()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); {
		status, text := p.ask(http.MethodGet, sid, "")
		if status == http.StatusOK && strings.Contains(text, packet) {
			return
		}
	}
	p.t.Fatalf("no packet %q", packet)
}

// post sends a packet.
func (p poll) post(sid, packet string) (int, string) {
	p.t.Helper()
	return p.ask(http.MethodPost, sid, fmt.Sprintf("%d:%s", len(packet), packet))
}

// enter returns the id of a session of our chat that is in a room, and so is
// disconnected by a shutdown.
func (p poll) enter() string {
	p.t.Helper()
	sid := p.open()
	p.await(sid, "40")
	p.post(sid, `420["join",{"room":"r","from":"a","seq":1,"body":""}]`)
	p.await(sid, "430")
	return sid
}

// TestGuessedSession shows a defect of the library: with its own session ids,
// which are the same on all nodes, a node takes the request of another's client
// for that of its own. With ours it refuses.
func TestGuessedSession(t *testing.T) {
	type node struct {
		poll
		sid  string // of a client
		said chan string
	}
	library := func() node {
		io := socketio.NewServer(nil)
		said := make(chan string, 10)
		clients := make(chan socketio.Conn, 1)
		io.OnConnect(namespace, func(c socketio.Conn) error {
			clients <- c
			return nil
		})
		io.OnEvent(namespace, "chat", func(_ socketio.Conn, m string) { said <- m })
		go io.Serve()
		web := httptest.NewServer(io)
		t.Cleanup(func() {
			(<-clients).Close()
			io.Close()
			web.Close()
		})
		p := poll{t, web.URL}
		sid := p.open()
		p.await(sid, "40")
		return node{p, sid, said}
	}
	a, b := library(), library()
	if a.sid != "1" || b.sid != "1" {
		t.Fatalf("the library's session ids are %q and %q by now: its defect is gone", a.sid, b.sid)
	}
	status, text := b.post(a.sid, `42["chat","forged"]`)
	if status != http.StatusOK {
		t.Fatalf("a forged message is refused with %d %s: the library's defect is gone", status, text)
	}
	select {
	case m := <-b.said:
		if m != "forged" {
			t.Errorf("the other node got %q", m)
		}
	case <-time.After(5 * time.Second):
		t.Error("a forged message was answered and not taken: the library's defect is gone")
	}

	chat := func(name string) poll {
		s, err := NewServer(scenarios.ServerConfig{Node: name})
		if err != nil {
			t.Fatal(err)
		}
		web := httptest.NewServer(s)
		t.Cleanup(func() {
			s.Shutdown(context.WithoutCancel(t.Context()))
			web.Close()
		})
		return poll{t, web.URL}
	}
	c, d := chat("n1."), chat("n2.")
	sid, other := c.enter(), d.enter()
	if !strings.HasPrefix(sid, "n1.") || !strings.HasPrefix(other, "n2.") {
		t.Errorf("session ids %q and %q do not name their nodes", sid, other)
	}
	for _, guess := range []string{sid, "1", "n2.1"} {
		if status, text := d.ask(http.MethodPost, guess, "1:2"); status != http.StatusBadRequest {
			t.Errorf("another node answers to session %s: %d %s", guess, status, text)
		}
	}
}

// TestUpgradeLoses shows a defect of the library: once it has answered the
// probe of an upgrade it refuses what the client posts, as one has to be able
// to until its own half has moved. The clients of Socket.IO then give up.
func TestUpgradeLoses(t *testing.T) {
	s, err := NewServer(scenarios.ServerConfig{PingInterval: time.Second, PingTimeout: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	defer web.Close()
	defer s.Shutdown(t.Context())
	p := poll{t, web.URL}
	sid := p.enter()
	url := "ws" + strings.TrimPrefix(web.URL, "http") + scenarios.PathSIO + "?EIO=3&transport=websocket&sid=" + sid
	conn, _, err := gorilla.DefaultDialer.DialContext(t.Context(), url, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.WriteMessage(gorilla.TextMessage, []byte("2probe")); err != nil {
		t.Fatal(err)
	}
	if _, text, err := conn.ReadMessage(); err != nil || string(text) != "3probe" {
		t.Fatalf("answer to the probe: %q, %v", text, err)
	}
	packet := `42["announce",{"room":"","from":"a","seq":1,"body":"b"}]`
	// It pauses the polling a moment after its answer.
	for range 1000 {
		status, text := p.post(sid, packet)
		if status == http.StatusOK {
			continue
		}
		if status != http.StatusBadRequest || !strings.Contains(text, "paused") && !strings.Contains(text, "timeout") {
			t.Errorf("refused with %d %q", status, text)
		}
		return
	}
	t.Error("messages in the window of the upgrade are taken: the library's defect is gone")
}
