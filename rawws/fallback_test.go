package rawws

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// serveFallback starts a server whose clients need no WebSocket.
func serveFallback(t *testing.T, cfg scenarios.ServerConfig) (*fallbackServer, string) {
	t.Helper()
	chat, err := NewFallbackServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(scenarios.PathRaw, chat)
	ts := httptest.NewServer(mux)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := chat.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		ts.Close()
	})
	return chat.(*fallbackServer), ts.URL
}

// switching connects a client that tries at once to be back on a WebSocket, and
// has it join a room.
func switching(t *testing.T, url, room string) (*fallbackClient, *scenarios.EventLog) {
	t.Helper()
	log := new(scenarios.EventLog)
	cfg := scenarios.DialConfig{Name: "x", Reconnect: &scenarios.Reconnect{Delay: time.Millisecond}}
	c, err := DialFallback(t.Context(), url, cfg, log.Add)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Join(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	return c.(*fallbackClient), log
}

// cutWebSocket cuts the WebSocket of a session, once it has another one than
// before.
func (s *fallbackServer) cutWebSocket(id string, before *websocket.Conn) *websocket.Conn {
	s.table.Lock()
	d := s.duplexs[id]
	s.table.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	for d.conn == nil || d.conn == before {
		changed := d.next()
		d.mu.Unlock()
		<-changed
		d.mu.Lock()
	}
	d.conn.NetConn().Close()
	return d.conn
}

// TestFallbackSwitches has a client that talks without a pause change from one
// transport to the other a hundred times: of all that it says and hears nothing
// is lost, and nothing comes twice or out of order.
func TestFallbackSwitches(t *testing.T) {
	const switches = 100
	s, url := serveFallback(t, scenarios.ServerConfig{})
	c, log := switching(t, url, "room")
	talking, stop := context.WithCancel(t.Context())
	sent := make(chan int64)
	go func() {
		n := int64(0)
		for talking.Err() == nil {
			m := scenarios.Message{Room: "room", From: "x", Seq: scenarios.FirstSeq + n, Body: "hello"}
			if err := c.Send(talking, m); err != nil {
				break
			}
			n++
			time.Sleep(200 * time.Microsecond) // a rate, not a wait for something
		}
		sent <- n
	}()
	late := 0 // on a slow machine it polls at first
	if await(t, log, scenarios.EventUp, 1).Transport == scenarios.Polling {
		late = 1
	}
	var cut *websocket.Conn
	for n := 1; n <= switches; n++ {
		if n%2 == 1 {
			cut = s.cutWebSocket(c.opening.Session, cut)
		}
		e := await(t, log, scenarios.EventTransport, n+late)
		if want := []string{scenarios.WebSocket, scenarios.Polling}[n%2]; e.Transport != want {
			t.Fatalf("switch %d: to %s, want %s", n, e.Transport, want)
		}
	}
	stop()
	n := <-sent
	await(t, log, scenarios.EventMessage, int(n))
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	next := int64(scenarios.FirstSeq)
	for _, e := range log.Events() {
		if e.Kind != scenarios.EventMessage {
			continue
		}
		if e.Message.Seq != next {
			t.Fatalf("message %d, want %d", e.Message.Seq, next)
		}
		next++
	}
	if got := next - scenarios.FirstSeq; got != n {
		t.Errorf("%d messages, want %d", got, n)
	}
	t.Logf("%d messages over %d switches", n, switches)
}

// poller speaks the protocol by hand.
type poller struct {
	*testing.T
	url string
	opening
}

// newPoller begins a session.
func newPoller(t *testing.T, url string) *poller {
	t.Helper()
	p := &poller{T: t, url: url}
	status, text := p.ask(http.MethodPost, "", "")
	if err := json.Unmarshal([]byte(text), &p.opening); status != http.StatusOK || err != nil {
		t.Fatalf("status %d, %q, %v", status, text, err)
	}
	return p
}

// ask makes a request and returns its answer.
func (p *poller) ask(method, who, body string) (int, string) {
	p.Helper()
	r, err := http.NewRequestWithContext(p.Context(), method, p.url+scenarios.PathRaw, strings.NewReader(body))
	if err != nil {
		p.Fatal(err)
	}
	if who != "" {
		r.Header.Set(chatHeader, who)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		p.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		p.Fatal(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(text))
}

// TestFallbackRefuses sends what must not be taken. Each is refused with a
// status and a reason, and neither the session that it names nor another one is
// touched.
func TestFallbackRefuses(t *testing.T) {
	_, url := serveFallback(t, scenarios.ServerConfig{ReadLimit: 1000})
	bystander := newPoller(t, url)
	if status, text := bystander.ask(http.MethodPost, "1 0 "+bystander.Session, "1 0\n"+`{"type":"join","id":1,"data":{"room":"room"}}`); status != http.StatusNoContent {
		t.Fatal(status, text)
	}
	if _, text := bystander.ask(http.MethodGet, "1 0 "+bystander.Session, ""); text != "1 1\n"+`{"type":"ack","id":1}` {
		t.Fatalf("%q", text)
	}
	for _, tt := range []struct {
		name, method, who, body string
		status                  int
		reason                  string
	}{
		{"unknown session", "GET", "1 0 NOBODY", "", 404, "no such session"},
		{"unknown session, post", "POST", "1 0 NOBODY", "1 0", 404, "no such session"},
		{"the start of another's id", "GET", "1 0 " + bystander.Session[:20], "", 404, "no such session"},
		{"no caller", "GET", "", "", 400, "want two numbers and a session id"},
		{"caller malformed", "GET", "1 SID", "", 400, "want two numbers"},
		{"caller negative", "GET", "1 -1 SID", "", 400, "want two numbers"},
		{"no batch", "POST", "1 0 SID", "", 400, "want two numbers in its first line"},
		{"batch malformed", "POST", "1 0 SID", "chat{}", 400, "want two numbers in its first line"},
		{"batch at zero", "POST", "1 0 SID", "0 0\nchat{}", 400, "want two numbers"},
		{"number too large", "POST", "1 0 SID", "99999999999999999999 0", 400, "want two numbers"},
		{"message malformed", "POST", "1 0 SID", "1 0\nchat{\"room\":\"room\"}\nchat{", 400, "message 2"},
		{"message empty", "POST", "1 0 SID", "1 0\n", 400, "message 1"},
		{"message no object", "POST", "1 0 SID", "1 0\n[]", 400, "message 1"},
		{"out of order", "POST", "1 0 SID", "3 0\nchat{\"room\":\"room\"}", 409, "message 3 comes before 1 has"},
		{"acknowledges what was not sent", "POST", "1 0 SID", "1 7", 400, "message 7 was never sent"},
		{"acknowledges what was not sent, poll", "GET", "1 7 SID", "", 400, "message 7 was never sent"},
		{"oversized", "POST", "1 0 SID", "1 0\nchat{\"room\":\"room\",\"body\":\"" + strings.Repeat("x", 1000) + "\"}", 413, "more than 1000 bytes"},
		{"method", "PUT", "1 0 SID", "", 405, "want GET or POST"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newPoller(t, url)
			status, text := p.ask(tt.method, strings.ReplaceAll(tt.who, "SID", p.Session), tt.body)
			if status != tt.status || !strings.Contains(text, tt.reason) {
				t.Errorf("status %d, %q, want %d, %q", status, text, tt.status, tt.reason)
			}
			// The session goes on, and what was refused has not been said.
			status, text = p.ask(http.MethodPost, "1 0 "+p.Session, "1 0\nchat{\"room\":\"room\",\"body\":\"after\"}")
			if status != http.StatusNoContent {
				t.Errorf("afterwards: status %d, %q", status, text)
			}
		})
	}
	// The bystander has heard what was said afterwards, and nothing else.
	var got []string
	for n := 1; len(got) < 18; {
		status, text := bystander.ask(http.MethodGet, fmt.Sprint("1 ", n, " ", bystander.Session), "")
		b, err := parseBatch([]byte(text))
		if status != http.StatusOK || err != nil {
			t.Fatalf("status %d, %q, %v", status, text, err)
		}
		for _, e := range b.messages {
			got = append(got, e.Data.Body)
		}
		n += len(b.messages)
	}
	if slices.ContainsFunc(got, func(body string) bool { return body != "after" }) || len(got) != 18 {
		t.Errorf("heard %q", got)
	}
}

// TestFallbackRepeats posts one batch twice, as a client has to that did not
// hear the answer: it is taken once. A poll that was answered can be repeated
// until its answer was acknowledged, and not after that.
func TestFallbackRepeats(t *testing.T) {
	_, url := serveFallback(t, scenarios.ServerConfig{})
	p := newPoller(t, url)
	join := "1 0\n" + `{"type":"join","id":1,"data":{"room":"room"}}`
	for range 2 {
		if status, text := p.ask(http.MethodPost, "1 0 "+p.Session, join); status != http.StatusNoContent {
			t.Fatal(status, text)
		}
	}
	both := join + "\nchat{\"room\":\"room\",\"body\":\"new\"}"
	if status, text := p.ask(http.MethodPost, "1 0 "+p.Session, both); status != http.StatusNoContent {
		t.Fatal(status, text)
	}
	want := "1 2\n" + `{"type":"ack","id":1}` + "\n" + `chat{"room":"room","from":"","seq":0,"body":"new"}`
	for range 2 {
		if status, text := p.ask(http.MethodGet, "1 0 "+p.Session, ""); text != want {
			t.Fatalf("status %d, %q, want %q", status, text, want)
		}
	}
	if status, text := p.ask(http.MethodPost, "1 2 "+p.Session, "3 2"); status != http.StatusNoContent {
		t.Fatal(status, text)
	}
	if status, text := p.ask(http.MethodGet, "1 0 "+p.Session, ""); status != http.StatusConflict || !strings.Contains(text, "acknowledged before") {
		t.Errorf("status %d, %q", status, text)
	}
}

// TestFallbackPollsAtOnce has two polls of a session come at once: the later
// one stays.
func TestFallbackPollsAtOnce(t *testing.T) {
	_, url := serveFallback(t, scenarios.ServerConfig{})
	p := newPoller(t, url)
	type answer struct {
		status int
		text   string
	}
	answers := make(chan answer, 2)
	for range 2 {
		go func() {
			status, text := p.ask(http.MethodGet, "1 0 "+p.Session, "")
			answers <- answer{status, text}
		}()
	}
	if a := <-answers; a.status != http.StatusConflict || a.text != "another poll has come" {
		t.Errorf("the first: %+v", a)
	}
	p.ask(http.MethodPost, "1 0 "+p.Session, "1 0\n"+`{"type":"join","id":1,"data":{"room":"room"}}`)
	if a := <-answers; a.status != http.StatusOK || a.text != "1 1\n"+`{"type":"ack","id":1}` {
		t.Errorf("the second: %+v", a)
	}
}

// TestFallbackTurns has a WebSocket take over, and a poll of a later turn take
// over from that. A poll of an earlier one is refused.
func TestFallbackTurns(t *testing.T) {
	_, url := serveFallback(t, scenarios.ServerConfig{})
	p := newPoller(t, url)
	dialer := websocket.Dialer{Subprotocols: []string{fallbackProtocol}}
	header := http.Header{upgradeHeader: {"2 0 " + p.Session}}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(url, "http")+scenarios.PathRaw, header)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	say := func(text string) {
		t.Helper()
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	hears := func(want string) {
		t.Helper()
		if _, text, err := conn.ReadMessage(); err != nil || string(text) != want {
			t.Fatalf("%q, %v, want %q", text, err, want)
		}
	}
	say("1 0")
	hears("1 0")
	say("1 0\n" + `{"type":"join","id":1,"data":{"room":"room"}}`)
	hears("1 1\n" + `{"type":"ack","id":1}`)
	if status, text := p.ask(http.MethodGet, "1 0 "+p.Session, ""); status != http.StatusConflict || text != "turn 1 is over" {
		t.Errorf("status %d, %q", status, text)
	}
	if status, text := p.ask(http.MethodGet, "3 0 "+p.Session, ""); status != http.StatusOK || text != "1 1\n"+`{"type":"ack","id":1}` {
		t.Errorf("status %d, %q", status, text)
	}
	if _, _, err := conn.ReadMessage(); err == nil {
		t.Error("the WebSocket that was given up lives")
	}
}

// TestFallbackStripped tries again and again to get a WebSocket through a proxy that
// takes the upgrade off: what is left of an attempt is refused, and the polls of the
// session go on.
func TestFallbackStripped(t *testing.T) {
	chat, _ := serveFallback(t, scenarios.ServerConfig{})
	statuses := make(chan int, 100)
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Connection")
		r.Header.Del("Upgrade")
		if r.Header.Get("Sec-WebSocket-Key") == "" {
			chat.ServeHTTP(w, r)
			return
		}
		answer := httptest.NewRecorder()
		chat.ServeHTTP(answer, r)
		w.WriteHeader(answer.Code)
		select {
		case statuses <- answer.Code:
		default:
		}
	}))
	defer proxy.Close()
	c, log := switching(t, proxy.URL, "room")
	defer c.Close() // before the proxy
	for n := range 5 {
		select {
		case status := <-statuses:
			if status != http.StatusBadRequest {
				t.Errorf("attempt %d: status %d", n, status)
			}
		case <-c.done:
			t.Fatalf("the session has ended: %+v", log.Events())
		}
		m := scenarios.Message{Room: "room", From: "x", Seq: scenarios.FirstSeq + int64(n), Body: "hello"}
		if err := c.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		await(t, log, scenarios.EventMessage, n+1)
	}
}

// TestFallbackForgets has a session end that nobody asks for any more, and one
// that falls behind.
func TestFallbackForgets(t *testing.T) {
	s, url := serveFallback(t, scenarios.ServerConfig{PingInterval: 20 * time.Millisecond, PingTimeout: 30 * time.Millisecond})
	p := newPoller(t, url)
	s.sessions.Wait()
	if status, text := p.ask(http.MethodGet, "1 0 "+p.Session, ""); status != http.StatusNotFound {
		t.Errorf("silent: status %d, %q", status, text)
	}
	s, url = serveFallback(t, scenarios.ServerConfig{Queue: 4})
	p = newPoller(t, url)
	body := "1 0\n" + `{"type":"join","id":1,"data":{"room":"room"}}` + strings.Repeat("\nchat{\"room\":\"room\"}", 16*4)
	if status, text := p.ask(http.MethodPost, "1 0 "+p.Session, body); status != http.StatusNoContent {
		t.Errorf("status %d, %q", status, text)
	}
	s.sessions.Wait()
	if status, text := p.ask(http.MethodGet, "1 0 "+p.Session, ""); status != http.StatusNotFound {
		t.Errorf("behind: status %d, %q", status, text)
	}
}

// TestFallbackIDs looks whether session ids begin with the node and have 128
// bits at least that nobody can guess, in the alphabet of crypto/rand.Text.
func TestFallbackIDs(t *testing.T) {
	_, url := serveFallback(t, scenarios.ServerConfig{Node: "a-"})
	seen := make(map[string]bool)
	for range 100 {
		id := newPoller(t, url).Session
		if random, ok := strings.CutPrefix(id, "a-"); !ok || len(random) < 26 || seen[id] {
			t.Fatalf("id %q", id)
		}
		seen[id] = true
	}
}

// TestFallbackOrigin has pages of other hosts ask.
func TestFallbackOrigin(t *testing.T) {
	_, url := serveFallback(t, scenarios.ServerConfig{Origins: []string{"https://friend.example"}})
	for origin, want := range map[string]int{"https://friend.example": 200, "https://other.example": 403} {
		for _, method := range []string{http.MethodPost, http.MethodOptions} {
			r, err := http.NewRequestWithContext(t.Context(), method, url+scenarios.PathRaw, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Origin", origin)
			answer, err := http.DefaultClient.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			allowed := answer.Header.Get("Access-Control-Allow-Origin") == origin
			if answer.StatusCode != want || allowed != (want == 200) {
				t.Errorf("%s of %s: status %d, allowed %t", method, origin, answer.StatusCode, allowed)
			}
		}
	}
}

// TestFallbackGivesUp has a client whose server is gone say so.
func TestFallbackGivesUp(t *testing.T) {
	chat, err := NewFallbackServer(scenarios.ServerConfig{PingInterval: 50 * time.Millisecond, PingTimeout: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ts := httptest.NewServer(chat)
	log := new(scenarios.EventLog)
	c, err := DialFallback(t.Context(), ts.URL, scenarios.DialConfig{
		Name: "x", Transports: []string{scenarios.Polling}, Reconnect: &scenarios.Reconnect{Delay: time.Millisecond, MaxDelay: time.Millisecond},
	}, log.Add)
	if err != nil {
		t.Fatal(err)
	}
	ts.Listener.Close()
	ts.CloseClientConnections()
	if e := await(t, log, scenarios.EventDown, 1); e.Reason == "" {
		t.Error("no reason")
	}
	if err := c.Send(t.Context(), scenarios.Message{Room: "room"}); err == nil {
		t.Error("a message was taken after the end")
	}
	c.Close()
	chat.Shutdown(t.Context())
	ts.Close()
}

// TestFallbackLacks has a client that has no WebSocket.
func TestFallbackLacks(t *testing.T) {
	_, url := serveFallback(t, scenarios.ServerConfig{})
	cfg := scenarios.DialConfig{Name: "x", Lacks: scenarios.WebSocket}
	if _, err := Dial(t.Context(), url, cfg, func(scenarios.Event) {}); err == nil {
		t.Error("Dial does without a WebSocket")
	}
	log := new(scenarios.EventLog)
	c, err := DialFallback(t.Context(), url, cfg, log.Add)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if e := await(t, log, scenarios.EventUp, 1); e.Transport != scenarios.Polling {
		t.Errorf("up on %s", e.Transport)
	}
}

func FuzzParseBatch(f *testing.F) {
	for _, seed := range []string{
		"1 0", "1 0\nchat{}", "1 0\n" + `{"type":"ack","id":1}`, "", "\n", "1", "-1 0", "1 0\n", "1 0\nchat{\"body\":\"\\n\"}\nx",
		"9223372036854775807 0\nchat{}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := parseBatch(text)
		if err != nil {
			var r *refusal
			if !errors.As(err, &r) || r.reason == "" || r.status < 400 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		// What is written again reads the same.
		h := half{known: b.first - 1, got: b.got}
		for _, e := range b.messages {
			_, text := unframe(textFrame(e))
			h.keep(text)
		}
		again, _ := h.after(h.known, 1<<30)
		c, err := parseBatch(again)
		if err != nil || c.first != b.first || c.got != b.got || !slices.Equal(c.messages, b.messages) {
			t.Fatalf("%q: %+v, written %q, read %+v, %v", text, b, again, c, err)
		}
		// A half takes what goes on where it is, and nothing else.
		h = half{got: 5}
		messages, err := h.receive(b)
		switch {
		case b.got > 0 || b.first > 6:
			if err == nil || h.got != 5 {
				t.Fatalf("%q was taken", text)
			}
		case err != nil || int64(len(messages)) != h.got-5:
			t.Fatalf("%q: %d messages, got %d, %v", text, len(messages), h.got, err)
		}
	})
}

func FuzzParseCaller(f *testing.F) {
	for _, seed := range []string{"1 0 ID", "", "1 0 ", "a b c", "1 0 a b", "-1 0 x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCaller(text)
		if err != nil {
			return
		}
		if again, err := parseCaller(c.String()); err != nil || again != c {
			t.Fatalf("%q: %+v, then %+v, %v", text, c, again, err)
		}
	})
}

// TestFallbackLarge has a client that says nothing hear large messages, over
// either transport, more of them than a queue holds: it reads all, so it has not
// fallen behind.
func TestFallbackLarge(t *testing.T) {
	const messages = 200
	body := strings.Repeat("x", 64<<10)
	for _, transport := range []string{scenarios.WebSocket, scenarios.Polling} {
		t.Run(transport, func(t *testing.T) {
			t.Parallel()
			_, url := serveFallback(t, scenarios.ServerConfig{})
			dial := func(name string) (scenarios.Client, *scenarios.EventLog) {
				log := new(scenarios.EventLog)
				c, err := DialFallback(t.Context(), url, scenarios.DialConfig{Name: name, Transports: []string{transport}}, log.Add)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				return c, log
			}
			ann, _ := dial("ann")
			bob, heard := dial("bob")
			if err := bob.Join(t.Context(), "room"); err != nil {
				t.Fatal(err)
			}
			for n := range messages {
				m := scenarios.Message{Room: "room", From: "ann", Seq: scenarios.FirstSeq + int64(n), Body: body}
				if err := ann.Send(t.Context(), m); err != nil {
					t.Fatal(err)
				}
				// One at a time: who reads is not behind.
				e := await(t, heard, scenarios.EventMessage, n+1)
				if e.Message.Seq != m.Seq || len(e.Message.Body) != len(body) {
					t.Fatalf("message %d: %d with %d bytes", n, e.Message.Seq, len(e.Message.Body))
				}
			}
		})
	}
}

// FuzzFallbackEndpoint has one client post what goes on, what was posted before,
// what comes too early and what is too long, several times at once, and poll
// several times at once, while another one sends anything at all. A third hears
// each message of the first once and in order; a fourth notices nothing.
func FuzzFallbackEndpoint(f *testing.F) {
	f.Add([]byte{0, 1, 1, 1, 2, 3, 0, 2, 3, 1, 4, 0, 5, 2, 6, 1, 7, 4}, "1 0", "1 0 SID")
	f.Add([]byte{0, 3, 1, 0, 1, 2, 5, 3, 7, 0, 7, 3, 0, 1}, "1 0\nchat{\"room\":\"room\"}", "9 9 SID")
	f.Add([]byte{7, 1, 7, 2, 7, 3, 4, 1, 3, 3, 2, 2}, "1 0\n"+`{"type":"bye"}`, "1 0 BYSTANDER")
	f.Fuzz(func(t *testing.T, script []byte, raw, who string) {
		chat, err := NewFallbackServer(scenarios.ServerConfig{ReadLimit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var polls sync.WaitGroup
		defer func() {
			cancel()
			polls.Wait()
			over, cancel := context.WithCancel(context.Background())
			cancel() // nobody is to be waited for
			chat.Shutdown(over)
		}()
		ask := func(method, caller, body string) (int, string) {
			r := httptest.NewRequestWithContext(ctx, method, scenarios.PathRaw, strings.NewReader(body))
			if caller != "" {
				r.Header.Set(chatHeader, caller)
			}
			w := httptest.NewRecorder()
			chat.ServeHTTP(w, r)
			text := strings.TrimSpace(w.Body.String())
			if w.Code >= 400 && text == "" || w.Code >= 500 {
				t.Errorf("%s %q %q: status %d, %q", method, caller, body, w.Code, text)
			}
			return w.Code, text
		}
		begin := func() string {
			var o opening
			if status, text := ask(http.MethodPost, "", ""); status != http.StatusOK || json.Unmarshal([]byte(text), &o) != nil {
				t.Fatalf("status %d, %q", status, text)
			}
			return o.Session
		}
		talker, listener, bystander, stranger := begin(), begin(), begin(), begin()
		// Only who has been told of a room can say something in it.
		join := func(id, room string) {
			line := fmt.Sprintf("1 0\n"+`{"type":"join","id":1,"data":{"room":%q}}`, room)
			if status, text := ask(http.MethodPost, "1 0 "+id, line); status != http.StatusNoContent {
				t.Fatalf("status %d, %q", status, text)
			}
			if _, text := ask(http.MethodGet, "1 0 "+id, ""); text != "1 1\n"+`{"type":"ack","id":1}` {
				t.Fatalf("%q", text)
			}
		}
		room, own := talker+listener, bystander+listener
		join(listener, room)
		join(bystander, own)

		said := int64(0) // by the talker, and taken
		batch := func(first int64, n int) string {
			text := fmt.Sprint(first, " 0")
			for i := range int64(n) {
				text += fmt.Sprintf("\nchat{\"room\":%q,\"seq\":%d}", room, first+i)
			}
			return text
		}
		want := func(status int, text string, wanted int) {
			t.Helper()
			if status != wanted {
				t.Errorf("status %d, %q, want %d", status, text, wanted)
			}
		}
		for ; len(script) >= 2 && said < 500; script = script[2:] {
			n := int(script[1]%4) + 1
			switch script[0] % 8 {
			case 0: // what goes on
				status, text := ask(http.MethodPost, "1 0 "+talker, batch(said+1, n))
				want(status, text, http.StatusNoContent)
				said += int64(n)
			case 1: // the same several times at once, with what was taken before
				first := max(1, said-1)
				var all sync.WaitGroup
				for range n {
					all.Go(func() { ask(http.MethodPost, "1 0 "+talker, batch(first, n+2)) })
				}
				all.Wait()
				said = max(said, first+int64(n)+1)
			case 2: // what was taken before
				first := max(1, said-int64(n)+1)
				status, text := ask(http.MethodPost, "1 0 "+talker, batch(first, int(said-first+1)))
				want(status, text, http.StatusNoContent)
			case 3: // what comes too early
				status, text := ask(http.MethodPost, "1 0 "+talker, batch(said+1+int64(n), n))
				want(status, text, http.StatusConflict)
			case 4: // what is too long
				status, text := ask(http.MethodPost, "1 0 "+talker, batch(said+1, n)+strings.Repeat(" ", 1000))
				want(status, text, http.StatusRequestEntityTooLarge)
			case 5: // what is half right: none of it is taken
				status, text := ask(http.MethodPost, "1 0 "+talker, batch(said+1, n)+"\nchat{")
				want(status, text, http.StatusBadRequest)
			case 6: // several polls at once, of which the last one waits
				for range n {
					polls.Go(func() { ask(http.MethodGet, "1 0 "+talker, "") })
				}
			case 7: // anything at all
				ids := strings.NewReplacer("SID", stranger, "BYSTANDER", bystander[:len(bystander)-1], "TALKER", strings.ToLower(talker))
				method := []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPost}[n-1]
				ask(method, ids.Replace(who), raw)
			}
		}

		heard, next := int64(0), int64(1)
		for heard < said {
			status, text := ask(http.MethodGet, fmt.Sprint("1 ", next, " ", listener), "")
			b, err := parseBatch([]byte(text))
			if status != http.StatusOK || err != nil || b.first != next+1 {
				t.Fatalf("status %d, %q, %v after %d", status, text, err, next)
			}
			for _, e := range b.messages {
				if heard++; e.Data.Seq != heard {
					t.Fatalf("message %d, want %d", e.Data.Seq, heard)
				}
			}
			next += int64(len(b.messages))
		}
		if heard != said {
			t.Errorf("%d messages were heard, %d said", heard, said)
		}
		status, text := ask(http.MethodPost, "1 1 "+bystander, fmt.Sprintf("2 1\nchat{\"room\":%q,\"body\":\"there\"}", own))
		want(status, text, http.StatusNoContent)
		if _, text := ask(http.MethodGet, "1 1 "+bystander, ""); text != fmt.Sprintf("2 2\nchat{\"room\":%q,\"from\":\"\",\"seq\":0,\"body\":\"there\"}", own) {
			t.Errorf("the bystander hears %q", text)
		}
	})
}
