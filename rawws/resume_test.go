package rawws

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

// quickly is a client that comes back at once and resumes.
var quickly = scenarios.Reconnect{
	Delay: time.Millisecond, MaxDelay: 5 * time.Millisecond, Resume: true,
}

// relayed starts a server that keeps sessions, and a relay before it.
func relayed(t *testing.T, cfg scenarios.ServerConfig) (s *Server, url string, r *stacktest.Relay) {
	t.Helper()
	if cfg.Recovery == 0 {
		cfg.Recovery = time.Minute
	}
	s, url = serve(t, cfg)
	r, err := stacktest.NewRelay(strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return s, url, r
}

// member connects a client that resumes and has it join a room.
func member(t *testing.T, url, room string) (*Reconnecting, *scenarios.EventLog) {
	t.Helper()
	log := new(scenarios.EventLog)
	cfg := scenarios.DialConfig{Name: "x", Greeting: scenarios.JoinedBody, Reconnect: &quickly}
	c, err := DialReconnect(t.Context(), url, cfg, log.Add)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if err := c.Join(t.Context(), room); err != nil {
		t.Fatal(err)
	}
	return c.(*Reconnecting), log
}

// await waits for the n-th event of a kind and returns it.
func await(t *testing.T, log *scenarios.EventLog, kind scenarios.EventKind, n int) scenarios.Event {
	t.Helper()
	var e scenarios.Event
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := log.Await(ctx, func(events []scenarios.Event) bool {
		left := n
		for _, e = range events {
			if e.Kind == kind {
				left--
			}
			if left == 0 {
				return true
			}
		}
		return false
	})
	if err != nil {
		t.Fatalf("event %d of kind %s: %v", n, kind, err)
	}
	return e
}

func say(t *testing.T, c scenarios.Client, room string, seq int) {
	t.Helper()
	m := scenarios.Message{Room: room, From: "x", Seq: int64(seq)}
	if err := c.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
}

// numbers returns the sequence numbers of the messages in a log.
func numbers(log *scenarios.EventLog) (seqs []int64) {
	for _, e := range log.Events() {
		if e.Kind == scenarios.EventMessage {
			seqs = append(seqs, e.Message.Seq)
		}
	}
	return seqs
}

// seats returns how many sessions the server keeps, and for whom nobody is there.
func (s *Server) seated() (all, away int) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, st := range s.recovery.seats {
		all++
		if st.owner == nil {
			away++
		}
	}
	return all, away
}

// eventually waits for something that is no event.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// ear is a client's on. It counts the messages, and notes what is wrong: each
// sender's must come one after the other.
type ear struct {
	mu    sync.Mutex
	more  sync.Cond // there was a message
	next  map[string]int64
	count int
	ups   int
	wrong []string
}

func newEar() *ear {
	e := &ear{next: make(map[string]int64)}
	e.more.L = &e.mu
	return e
}

func (e *ear) on(event scenarios.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch m := event.Message; event.Kind {
	case scenarios.EventUp:
		if e.ups++; event.Recovered != (e.ups > 1) {
			e.wrong = append(e.wrong, fmt.Sprintf("up %d, recovered is %v", e.ups, event.Recovered))
		}
	case scenarios.EventMessage:
		if m.Seq != e.next[m.From] {
			e.wrong = append(e.wrong, fmt.Sprintf("%d of %s instead of %d", m.Seq, m.From, e.next[m.From]))
		}
		e.next[m.From] = m.Seq + 1
		e.count++
		e.more.Broadcast()
	}
}

// await waits until so much has been heard, or something wrong.
func (e *ear) await(ctx context.Context, enough func() bool) {
	defer context.AfterFunc(ctx, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.wrong = append(e.wrong, "it takes too long")
		e.more.Broadcast()
	})()
	e.mu.Lock()
	defer e.mu.Unlock()
	for !enough() && len(e.wrong) == 0 {
		e.more.Wait()
	}
}

// TestResumeExactly cuts connections 200 times while both directions are busy,
// now and then so that the server does not notice. Each message must arrive
// once, and in order.
func TestResumeExactly(t *testing.T) {
	const cuts, parties, ahead = 200, 3, 40
	const seed = 1
	random := rand.New(rand.NewPCG(seed, seed))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	s, url, relay := relayed(t, scenarios.ServerConfig{Queue: 1 << 14, QueueBytes: 1 << 30})
	dial := func(url string) (*Reconnecting, *ear) {
		e := newEar()
		c, err := DialReconnect(t.Context(), url, scenarios.DialConfig{Reconnect: &quickly}, e.on)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if err := c.Join(t.Context(), "r"); err != nil {
			t.Fatal(err)
		}
		return c.(*Reconnecting), e
	}
	_, watch := dial(url)
	ears := []*ear{watch}
	var clients []*Reconnecting
	var senders sync.WaitGroup
	sent := make([]int64, parties)
	stop := make(chan struct{})
	for range parties {
		c, e := dial(relay.URL())
		clients, ears = append(clients, c), append(ears, e)
	}
	for i, c := range clients {
		name, e := fmt.Sprint("p", i), ears[i+1]
		senders.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				body := strings.Repeat("x", int(sent[i])%300)
				m := scenarios.Message{Room: "r", From: name, Seq: sent[i], Body: body}
				if err := c.Send(ctx, m); err != nil {
					t.Error(err)
					return
				}
				sent[i]++
				e.await(ctx, func() bool { return sent[i]-e.next[name] < ahead })
			}
		})
	}
	for range cuts {
		watch.mu.Lock()
		until := watch.count + 1 + random.IntN(40)
		watch.mu.Unlock()
		watch.await(ctx, func() bool { return watch.count >= until })
		if random.IntN(4) > 0 {
			relay.Cut()
			continue
		}
		relay.Orphan() // the server does not notice
	}
	close(stop)
	senders.Wait()
	var total int64
	for _, n := range sent {
		total += n
	}
	returns := -parties
	for i, e := range ears {
		e.await(ctx, func() bool { return e.count >= int(total) })
		e.mu.Lock()
		if len(e.wrong) > 0 || e.count != int(total) {
			t.Errorf("seed %d: client %d got %d messages of %d: %.10q", seed, i, e.count, total, e.wrong)
		}
		returns += e.ups
		e.mu.Unlock()
	}
	t.Logf("%d messages, %d returns", total, returns-1)
	if all, _ := s.seated(); all != parties+1 {
		t.Errorf("the server keeps %d sessions for %d clients", all, parties+1)
	}
}

// TestResumeRooms has a client miss what is said in its rooms, and nothing else.
func TestResumeRooms(t *testing.T) {
	s, url, relay := relayed(t, scenarios.ServerConfig{})
	ann, log := member(t, relay.URL(), "a")
	if err := ann.Join(t.Context(), "left"); err != nil {
		t.Fatal(err)
	}
	if err := ann.Leave(t.Context(), "left"); err != nil {
		t.Fatal(err)
	}
	bob, told := member(t, url, "b")
	hear := relay.Deafen()
	relay.Cut()
	await(t, log, scenarios.EventDown, 1)
	eventually(t, "the server notices", func() bool { _, away := s.seated(); return away == 1 })
	if n := s.present(); n != 1 {
		t.Errorf("%d clients are connected, want bob alone", n)
	}
	say(t, bob, "a", 1)
	say(t, bob, "left", 2)
	say(t, bob, "b", 3)
	if err := bob.Announce(t.Context(), scenarios.Message{Body: "to all"}); err != nil {
		t.Fatal(err)
	}
	if err := bob.Join(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	say(t, bob, "a", 4)
	await(t, told, scenarios.EventMessage, 2)
	hear()
	if e := await(t, log, scenarios.EventUp, 2); !e.Recovered {
		t.Error("the session is not resumed")
	}
	say(t, bob, "a", 5)
	await(t, log, scenarios.EventMessage, 3)
	if got, want := fmt.Sprint(numbers(log)), "[1 4 5]"; got != want {
		t.Errorf("ann gets %s, want %s", got, want)
	}
	var kinds []string
	for _, e := range log.Events() {
		if e.Kind != scenarios.EventAttempt {
			kinds = append(kinds, string(e.Kind))
		}
	}
	want := "up down up message announce joined message message"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("ann sees %s, want %s", got, want)
	}
}

// TestResumeGreeting has the answer to a request get lost. The client asks
// again, and the others hear of it once.
func TestResumeGreeting(t *testing.T) {
	_, url, relay := relayed(t, scenarios.ServerConfig{})
	bob, told := member(t, url, "r")
	ann, log := member(t, relay.URL(), "other")
	const rooms = 40
	for i := range rooms {
		room := fmt.Sprint(i)
		if err := bob.Join(t.Context(), room); err != nil {
			t.Fatal(err)
		}
		go relay.Cut() // somewhere on the way
		if err := ann.Join(t.Context(), room); err != nil {
			t.Fatal(err)
		}
	}
	say(t, ann, "r", 1)
	await(t, told, scenarios.EventMessage, 1)
	if n := len(ofKind(told, scenarios.EventJoined)); n != rooms {
		t.Errorf("bob is told %d times that ann has joined, want %d", n, rooms)
	}
	t.Logf("ann was cut off %d times", strings.Count(fmt.Sprint(log.Events()), "{down"))
}

// TestNotResumed has the server unable to send what was missed. The client
// comes back like any other, and says again nothing that may have been heard.
func TestNotResumed(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  scenarios.ServerConfig
		away func(t *testing.T, s *Server, bob scenarios.Client)
	}{
		"expired": {
			scenarios.ServerConfig{Recovery: 20 * time.Millisecond},
			func(t *testing.T, s *Server, _ scenarios.Client) {
				eventually(t, "the session expires", func() bool { all, _ := s.seated(); return all == 1 })
			},
		},
		"too many": {
			scenarios.ServerConfig{QueueBytes: 100_000},
			func(t *testing.T, _ *Server, bob scenarios.Client) {
				for i := range 2_000 { // of 50 B and more
					say(t, bob, "elsewhere", i)
				}
			},
		},
		"too long": {
			scenarios.ServerConfig{QueueBytes: 100_000},
			func(t *testing.T, _ *Server, bob scenarios.Client) {
				m := scenarios.Message{Room: "elsewhere", Body: strings.Repeat("x", 30_000)}
				for range 2 {
					if err := bob.Send(t.Context(), m); err != nil {
						t.Fatal(err)
					}
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s, url, relay := relayed(t, c.cfg)
			ann, log := member(t, relay.URL(), "r")
			bob, told := member(t, url, "r")
			say(t, ann, "r", 1) // is never acknowledged, so few are they
			await(t, told, scenarios.EventMessage, 1)
			await(t, log, scenarios.EventMessage, 1)
			hear := relay.Deafen()
			relay.Cut()
			await(t, log, scenarios.EventDown, 1)
			say(t, ann, "r", 2) // waits
			say(t, bob, "r", 3)
			await(t, told, scenarios.EventMessage, 2)
			c.away(t, s, bob)
			if err := bob.Join(t.Context(), "done"); err != nil { // comes after what was sent
				t.Fatal(err)
			}
			hear()
			if e := await(t, log, scenarios.EventUp, 2); e.Recovered {
				t.Error("the session is resumed")
			}
			// It is in its room again, has missed message 3, and bob gets
			// neither the first message twice nor a greeting.
			say(t, bob, "r", 4)
			await(t, told, scenarios.EventMessage, 4)
			await(t, log, scenarios.EventMessage, 3)
			if got := numbers(told); !slices.Contains(got, 2) || len(got) != 4 {
				t.Errorf("bob gets %v", got)
			}
			if got := numbers(log); slices.Contains(got, 3) || len(got) != 3 {
				t.Errorf("ann gets %v", got)
			}
			if name == "expired" {
				return // the new session may expire as fast, before it is resumed
			}
			// The next cut finds the new session.
			relay.Cut()
			if e := await(t, log, scenarios.EventUp, 3); !e.Recovered {
				t.Error("the new session is not resumed")
			}
		})
	}
}

// TestHalfBack cuts a client off while it enters its rooms again. What it then
// has at the server is no session to resume: it lacks rooms.
func TestHalfBack(t *testing.T) {
	const rooms = 30
	s, url, relay := relayed(t, scenarios.ServerConfig{Recovery: time.Microsecond})
	log := new(scenarios.EventLog)
	slowly := quickly
	slowly.Delay = 10 * time.Millisecond // after the session has expired
	slowly.MaxDelay = slowly.Delay
	ann, err := DialReconnect(t.Context(), relay.URL(), scenarios.DialConfig{Reconnect: &slowly}, log.Add)
	if err != nil {
		t.Fatal(err)
	}
	defer ann.Close()
	bob, _ := member(t, url, "bob")
	for i := range rooms {
		if err := ann.Join(t.Context(), fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	halfway := func() bool {
		s.mu.RLock()
		defer s.mu.RUnlock()
		for _, st := range s.recovery.seats {
			if len(st.rooms) > 1 && len(st.rooms) < rooms {
				return true
			}
		}
		return false
	}
	hits := 0
	for range 10 {
		ups := len(ofKind(log, scenarios.EventUp))
		relay.Cut()
		for len(ofKind(log, scenarios.EventUp)) == ups {
			if halfway() {
				relay.Orphan()
				hits++
				break
			}
			runtime.Gosched()
		}
		// Whatever connection it has now, that one answers.
		if err := ann.Join(t.Context(), "0"); err != nil {
			t.Fatal(err)
		}
		before := len(numbers(log))
		for i := range rooms {
			say(t, bob, fmt.Sprint(i), i)
		}
		await(t, log, scenarios.EventMessage, before+rooms)
	}
	t.Logf("cut off halfway %d times", hits)
}

// ofKind returns the events of a kind in a log.
func ofKind(log *scenarios.EventLog, kind scenarios.EventKind) (events []scenarios.Event) {
	for _, e := range log.Events() {
		if e.Kind == kind {
			events = append(events, e)
		}
	}
	return events
}

// TestQuietRoom has other rooms fill the log. Whoever missed nothing there must
// be able to resume all the same, for the heartbeat tells how far it has come.
func TestQuietRoom(t *testing.T) {
	s, url, relay := relayed(t, scenarios.ServerConfig{
		Queue: 16, PingInterval: 10 * time.Millisecond, PingTimeout: time.Minute,
	})
	ann, log := member(t, relay.URL(), "quiet")
	bob, _ := member(t, url, "r")
	const messages = 16*16 + 50
	for i := range messages {
		say(t, bob, "loud", i)
	}
	if err := bob.Join(t.Context(), "done"); err != nil {
		t.Fatal(err)
	}
	s.mu.RLock()
	last := s.recovery.last
	s.mu.RUnlock()
	if last < messages {
		t.Fatalf("%d broadcasts, want more", last)
	}
	// The next receipt drops the message from what ann keeps.
	say(t, ann, "nobody", 1)
	eventually(t, "the heartbeat", func() bool {
		ann.mu.Lock()
		defer ann.mu.Unlock()
		return len(ann.ticket.kept) == 0
	})
	relay.Cut()
	if e := await(t, log, scenarios.EventUp, 2); !e.Recovered {
		t.Error("the session is not resumed")
	}
}

// TestGoodbye drops the session of who says so, and all at the end.
func TestGoodbye(t *testing.T) {
	s, url, relay := relayed(t, scenarios.ServerConfig{ReadLimit: 1000})
	ann, _ := member(t, url, "r")
	ann.Close()
	eventually(t, "the goodbye", func() bool { all, _ := s.seated(); return all == 0 })

	// The session of a client that is told to go must not come back: the
	// message that was too big would be in it.
	big, log := member(t, relay.URL(), "r")
	m := scenarios.Message{Room: "r", Body: strings.Repeat("x", 2000)}
	if err := big.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if e := await(t, log, scenarios.EventDown, 1); !strings.Contains(e.Reason, "1009") {
		t.Errorf("the client is told: %s", e.Reason)
	}
	if e := await(t, log, scenarios.EventUp, 2); e.Recovered {
		t.Error("the session of a client that was told to go is resumed")
	}
	say(t, big, "r", 1)
	await(t, log, scenarios.EventMessage, 1)

	relay.Deafen()
	relay.Cut()
	eventually(t, "the server notices", func() bool { _, away := s.seated(); return away == 1 })
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if all, _ := s.seated(); all != 0 {
		t.Errorf("after its end the server keeps %d sessions", all)
	}
}

// claim connects with a claim and returns the connection with the server's
// first frame.
func claim(t *testing.T, url, text string) (*websocket.Conn, welcome) {
	t.Helper()
	header := http.Header{"Sec-Websocket-Protocol": {resumable}}
	if text != "" {
		header.Set(claimHeader, text)
	}
	conn, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(url, "http"), header)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(2 * time.Minute))
	var w welcome
	if err := conn.ReadJSON(&w); err != nil {
		t.Fatal(err)
	}
	if conn.Subprotocol() != resumable || w.Type != "welcome" {
		t.Errorf("subprotocol %q, first frame %+v", conn.Subprotocol(), w)
	}
	return conn, w
}

// TestClaims presents what is no session, or not that of another.
func TestClaims(t *testing.T) {
	s, url, _ := relayed(t, scenarios.ServerConfig{Node: "node7-"})
	conn, mine := claim(t, url, "")
	if mine.Resumed || !strings.HasPrefix(mine.Session, "node7-") || len(mine.Session) < len("node7-")+26 {
		t.Errorf("a new session is %+v", mine)
	}
	ids := map[string]bool{mine.Session: true}
	for _, text := range []string{
		" ", "0", "0 ", "0 node7-", "x " + mine.Session, "-1 " + mine.Session,
		mine.Session, "0 " + mine.Session + "x", "0 " + mine.Session[1:],
		"0  " + mine.Session, "9999999999999999999 " + mine.Session,
		"0 " + strings.ToLower(mine.Session) + "'--",
		strings.Repeat("9", 4000),
	} {
		_, w := claim(t, url, text)
		if w.Resumed || ids[w.Session] {
			t.Errorf("claim %q is answered with %+v", text, w)
		}
		ids[w.Session] = true
	}
	// The owner has noticed nothing.
	if err := conn.WriteJSON(envelope{Type: "join", ID: 1, Data: scenarios.Message{Room: "r"}}); err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := conn.ReadJSON(&e); err != nil || e.Type != "ack" {
		t.Errorf("the owner gets %+v, %v", e, err)
	}
	// A number that was not given out yet is of another server, with the same
	// id by a miracle.
	if _, w := claim(t, url, "1 "+mine.Session); w.Resumed {
		t.Error("what the server has not sent yet was seen, and believed")
	}
	// That one has spent the session: nobody holds it twice.
	if _, w := claim(t, url, "0 "+mine.Session); w.Resumed {
		t.Error("a session that was given up is resumed")
	}
	if _, err := conn.NetConn().Read(make([]byte, 1)); err == nil {
		t.Error("the connection of a session that was claimed lives on")
	}
	if all, _ := s.seated(); all < 3 {
		t.Errorf("%d sessions", all)
	}
}

// TestTakeOver has a client come back while its old connection still looks
// alive. The old one ends, what was on it counts once.
func TestTakeOver(t *testing.T) {
	s, url, _ := relayed(t, scenarios.ServerConfig{})
	old, w := claim(t, url, "")
	write := func(conn *websocket.Conn, e envelope) {
		t.Helper()
		if err := conn.WriteJSON(e); err != nil {
			t.Fatal(err)
		}
	}
	read := func(conn *websocket.Conn) envelope {
		t.Helper()
		var e envelope
		if err := conn.ReadJSON(&e); err != nil {
			t.Fatal(err)
		}
		return e
	}
	chat := func(n int64) envelope {
		return envelope{Type: "chat", ID: n, Data: scenarios.Message{Room: "r", Seq: n}}
	}
	write(old, envelope{Type: "join", ID: 1, Data: scenarios.Message{Room: "r"}})
	read(old)
	for n := range int64(3) {
		write(old, chat(n+1))
	}
	for n := range int64(3) {
		if e := read(old); e.ID != n+1 || e.Data.Seq != n+1 {
			t.Errorf("message %d is %+v", n+1, e)
		}
	}
	s.mu.RLock()
	st := s.recovery.seats[w.Session]
	before := st.owner
	s.mu.RUnlock()
	// It has seen the first, and is back.
	conn, again := claim(t, url, "1 "+w.Session)
	if !again.Resumed || again.Got != 3 || again.N != 1 || again.Session != w.Session {
		t.Errorf("the server says %+v", again)
	}
	if _, _, err := old.ReadMessage(); err == nil {
		t.Error("the old connection lives on")
	}
	// What the old connection had read already counts no more.
	for _, e := range []envelope{chat(4), {Type: "leave", Data: scenarios.Message{Room: "r"}}} {
		if s.accept(before, &e) {
			t.Errorf("%s on the old connection is accepted", e.Type)
		}
	}
	write(conn, chat(4))
	for _, want := range []int64{2, 3, 4} {
		if e := read(conn); e.ID != want || e.Data.Seq != want {
			t.Errorf("message %d is %+v", want, e)
		}
	}
	eventually(t, "the old one is forgotten", func() bool { return s.present() == 1 })
	// Who leaves a number out, or says one twice, is told to go.
	for _, n := range []int64{4, 6, 0} {
		conn, w := claim(t, url, "")
		for i := range int64(4) {
			write(conn, envelope{Type: "chat", ID: i + 1})
		}
		write(conn, envelope{Type: "chat", ID: n})
		if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.ClosePolicyViolation) {
			t.Errorf("number %d after 4: %v", n, err)
		}
		if _, again := claim(t, url, "0 "+w.Session); again.Resumed {
			t.Error("a client that was told to go comes back")
		}
	}
}

// TestJoinUnderWay has a client cut off before it hears that it has joined. What
// was said in the room before is not for it, and neither is its own greeting.
func TestJoinUnderWay(t *testing.T) {
	s, url, _ := relayed(t, scenarios.ServerConfig{})
	conn, w := claim(t, url, "")
	s.chat(scenarios.Message{Room: "r", Body: "before"})
	join := envelope{Type: "join", ID: 1, Data: scenarios.Message{Room: "r", Body: scenarios.JoinedBody}}
	if err := conn.WriteJSON(join); err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := conn.ReadJSON(&e); err != nil {
		t.Fatal(err)
	}
	s.chat(scenarios.Message{Room: "r", Body: "after"})
	conn, w = claim(t, url, "0 "+w.Session)
	if err := conn.ReadJSON(&e); err != nil || !w.Resumed || e.Data.Body != "after" {
		t.Errorf("welcome %+v, then %+v, %v", w, e, err)
	}
}

// TestUnsupported asks a server for a session that keeps none.
func TestUnsupported(t *testing.T) {
	_, url := serve(t, scenarios.ServerConfig{})
	for _, r := range []scenarios.Reconnect{{Resume: true}, {Retries: 1}} {
		c, err := DialReconnect(t.Context(), url, scenarios.DialConfig{Reconnect: &r}, func(e scenarios.Event) {
			t.Errorf("event %+v", e)
		})
		if err == nil {
			c.Close()
		}
		if !errors.Is(err, scenarios.ErrUnsupported) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

// TestPlainClient has a client without a session at a server that keeps them.
func TestPlainClient(t *testing.T) {
	s, url, _ := relayed(t, scenarios.ServerConfig{})
	var log scenarios.EventLog
	c, err := Dial(t.Context(), url, scenarios.DialConfig{Name: "x"}, log.Add)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Join(t.Context(), "r"); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		say(t, c, "r", i)
	}
	await(t, &log, scenarios.EventMessage, 3)
	if all, _ := s.seated(); all != 0 {
		t.Errorf("the server keeps %d sessions that nobody asked for", all)
	}
}

// TestNumbers has many broadcasts at once: each client sees rising numbers.
func TestNumbers(t *testing.T) {
	s, url, _ := relayed(t, scenarios.ServerConfig{Queue: 1 << 14, QueueBytes: 1 << 30})
	conn, _ := claim(t, url, "")
	if err := conn.WriteJSON(envelope{Type: "join", ID: 1, Data: scenarios.Message{Room: "r"}}); err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := conn.ReadJSON(&e); err != nil {
		t.Fatal(err)
	}
	const senders, messages = 8, 200
	var all sync.WaitGroup
	for range senders {
		all.Go(func() {
			for range messages {
				s.chat(scenarios.Message{Room: "r"})
			}
		})
	}
	for n := int64(1); n <= senders*messages; n++ {
		e = envelope{}
		if err := conn.ReadJSON(&e); err != nil || e.ID != n {
			t.Fatalf("broadcast %d is %+v, %v", n, e, err)
		}
	}
	all.Wait()
}

func FuzzParseClaim(f *testing.F) {
	for _, text := range []string{"", " ", "0 a", "12 node-ABC", "-1 a", "+1 a", "1  a", "9223372036854775808 a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		seen, id, err := parseClaim(text)
		if err != nil {
			if seen != 0 || id != "" {
				t.Errorf("%q: an error, and %d %q", text, seen, id)
			}
			return
		}
		if seen < 0 || id == "" {
			t.Errorf("%q: %d %q", text, seen, id)
		}
		again, same, err := parseClaim(fmt.Sprint(seen, " ", id))
		if err != nil || again != seen || same != id {
			t.Errorf("%q: %d %q is read as %d %q, %v", text, seen, id, again, same, err)
		}
	})
}

// BenchmarkBroadcast is what a broadcast to a hundred clients costs the server,
// without sessions and with them. Nobody reads: the queues are emptied.
func BenchmarkBroadcast(b *testing.B) {
	for name, keep := range map[string]time.Duration{"plain": 0, "recovery": time.Minute} {
		b.Run(name, func(b *testing.B) {
			srv, err := NewServer(scenarios.ServerConfig{Recovery: keep})
			if err != nil {
				b.Fatal(err)
			}
			s := srv.(*Server)
			s.rooms["r"] = make(map[*session]struct{})
			for range 100 {
				s.rooms["r"][&session{server: s, ended: true}] = struct{}{}
			}
			m := scenarios.Message{Room: "r", From: "ann", Seq: scenarios.FirstSeq, Body: strings.Repeat("x", 128)}
			b.ReportAllocs()
			for b.Loop() {
				s.chat(m)
			}
		})
	}
}
