package rawws

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// What follows is by hand because a plain WebSocket knows nothing of the
// connection before it. A session that is resumed goes on where the connection
// was cut: each message comes once and in order, in both directions.
//
// Every broadcast has a number, its id, the same for all receivers. A client
// that comes back presents the last one that it has seen, and the server sends
// what it has missed since. Each client numbers its messages, too; the server
// tells how far it has got, and the client sends the rest again.
//
// A session that the server no longer has, or of which it can no longer send
// everything, is replaced by a new one. What the client has sent in the old one
// without having it acknowledged is then not sent again: the server may have
// passed it on, and to say a thing twice is worse than to lose it, as any
// connection that is cut may do.

// resumable is the subprotocol by which both sides agree on sessions.
const resumable = "chat.resume"

// claimHeader is the header of a request to resume a session: the number of the
// last broadcast that the client has seen, a space, the session's id. A query
// would end up in access logs, and whoever reads the id can take the session.
const claimHeader = "Chat-Session"

// ackEvery is after how many messages of a client the server acknowledges them,
// beside each heartbeat: often enough that a client does not wait.
var ackEvery = int64(scenarios.Defaults.Queue / 4)

// welcome is the first frame that the server sends on a connection with a
// session.
type welcome struct {
	Type    string `json:"type"` // "welcome"
	Session string `json:"session"`
	Resumed bool   `json:"resumed"`
	N       int64  `json:"n"`   // of the last broadcast before what follows
	Got     int64  `json:"got"` // of the client's last message
}

// recovery is what the server keeps for those who come back. The broadcasts in
// its log have at most half the bytes that may wait for a client, so that what
// is said meanwhile finds room beside them. One message may be longer.
// Server.mu guards it, and the seats.
type recovery struct {
	seats map[string]*seat // by the id of the session
	last  int64            // number of the last broadcast
	log   []logged         // the last ones, without a gap
	bytes int              // of their frames
}

// logged is a broadcast that the server keeps.
type logged struct {
	frame  []byte
	room   string
	except *seat
}

// seat is what the server keeps of a client.
type seat struct {
	// busy is held while a message is acted on: the next one, which may come
	// on another connection, must not overtake it.
	busy sync.Mutex

	id    string
	owner *session         // nil while the client is away
	got   int64            // number of the client's last message
	rooms map[string]int64 // and the last broadcast before it came in
	away  *time.Timer      // nil while the client is there
}

// attach gives a client that has come in the seat that it claims, if the server
// can send all that was missed there, or else a new one; s.mu is held, so that
// no broadcast comes in between.
func (s *Server) attach(c *session, claim string) {
	r := s.recovery
	seen, id, _ := parseClaim(claim)
	old := r.seats[id]
	resumed := old != nil && s.vacate(old) &&
		seen <= r.last && seen >= r.last-int64(len(r.log))
	if resumed {
		c.seat = old
	} else {
		delete(r.seats, id)
		seen = r.last
		c.seat = &seat{
			id:    s.cfg.Node + rand.Text(),
			rooms: make(map[string]int64),
		}
		r.seats[c.seat.id] = c.seat
	}
	c.seat.owner = c
	c.send(textFrame(welcome{
		Type: "welcome", Session: c.seat.id, Resumed: resumed,
		N: seen, Got: c.seat.got,
	}))
	for room := range c.seat.rooms {
		s.add(c, room)
	}
	c.replay(r.missed(c.seat, seen))
}

// vacate takes a seat from whoever has it, and reports whether that was without
// a goodbye. A client that claims it has given up the connection before, even
// if the server has not noticed yet; s.mu is held.
func (s *Server) vacate(st *seat) bool {
	if st.away != nil {
		st.away.Stop()
		st.away = nil
		return true
	}
	last := st.owner
	st.owner = nil
	last.cut()
	return !last.hasParted()
}

// detach keeps the seat of a client that is gone without a goodbye, for as long
// as it may take to come back; s.mu is held.
func (s *Server) detach(c *session) {
	st := c.seat
	if st.owner != c {
		return // somebody has come back already
	}
	st.owner = nil
	if c.hasParted() {
		delete(s.recovery.seats, st.id)
		return
	}
	var timer *time.Timer
	timer = time.AfterFunc(s.cfg.Recovery, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if st.away == timer {
			delete(s.recovery.seats, st.id)
		}
	})
	st.away = timer
}

// forgetAway gives up those who are away; s.mu is held.
func (s *Server) forgetAway() {
	if s.recovery == nil {
		return
	}
	for id, st := range s.recovery.seats {
		if st.away != nil {
			st.away.Stop()
			delete(s.recovery.seats, id)
		}
	}
}

// record numbers a broadcast, keeps it and queues it for all but one client.
// Others wait meanwhile: no client may see a number before a lower one.
func (s *Server) record(
	kind string, m scenarios.Message, room string, except *session,
) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.recovery
	r.last++
	b := logged{
		frame: textFrame(envelope{Type: kind, ID: r.last, Data: m}),
		room:  room,
	}
	if except != nil {
		b.except = except.seat
	}
	r.keep(b, s.cfg.QueueBytes/2)
	for c := range s.rooms[room] {
		if c != except && (c.seat == nil || c.seat != b.except) {
			c.send(b.frame)
		}
	}
}

// keep adds a broadcast and drops the oldest ones over the limit, in bytes.
func (r *recovery) keep(b logged, limit int) {
	r.log = append(r.log, b)
	r.bytes += len(b.frame)
	for len(r.log) > 1 && r.bytes > limit {
		r.bytes -= len(r.log[0].frame)
		r.log[0] = logged{} // the frame may go
		r.log = r.log[1:]
	}
}

// missed returns the frames that a client has missed, back to back.
func (r *recovery) missed(st *seat, seen int64) (frames []byte) {
	n := r.last - int64(len(r.log)) // before the first one
	for _, b := range r.log[seen-n:] {
		seen++
		since, member := st.rooms[b.room]
		if b.room == everyone || member && seen > since {
			if b.except != st {
				frames = append(frames, b.frame...)
			}
		}
	}
	return frames
}

// accept reports whether to act on a frame of a client with a seat, which is
// noted as done if so; its seat is busy until it is.
func (s *Server) accept(c *session, e *envelope) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	st, room := c.seat, e.Data.Room
	if st.owner != c {
		return false
	}
	switch e.Type {
	case "join":
		// A client whose connection was cut asks again. It is not greeted
		// twice.
		if _, member := st.rooms[room]; member {
			e.Data.Body = ""
		} else if room != everyone {
			st.rooms[room] = s.recovery.last
		}
	case "leave":
		delete(st.rooms, room)
	case "chat", "announce":
		if e.ID != st.got+1 {
			c.bye(websocket.ClosePolicyViolation, "number out of order")
			return false
		}
		st.got++
		if st.got%ackEvery == 0 {
			c.send(textFrame(envelope{Type: "got", ID: st.got}))
		}
	}
	return true
}

// acknowledge tells a client how far the server has got, and which broadcasts
// it need not ask for: its own rooms may be quiet while others fill the log.
func (s *Server) acknowledge(c *session) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	c.send(textFrame(envelope{Type: "got", ID: c.seat.got}))
	c.send(textFrame(envelope{Type: "seen", ID: s.recovery.last}))
}

// replay queues frames as if they were one, whatever may wait.
func (c *session) replay(frames []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(frames) > 0 && !c.ended {
		c.push(frames)
	}
}

// cut ends a connection without a goodbye.
func (c *session) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	c.link.Close()
}

// hasParted reports whether one of the two has said goodbye.
func (c *session) hasParted() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.parted
}

// parseClaim takes a claim apart.
func parseClaim(claim string) (seen int64, id string, err error) {
	number, id, _ := strings.Cut(claim, " ")
	seen, err = strconv.ParseInt(number, 10, 64)
	if err != nil || seen < 0 || id == "" {
		return 0, "", fmt.Errorf("claim %q: want a number and an id", claim)
	}
	return seen, id, nil
}

// ticket is the client's half of a session; a client without one has nil. Only
// the reader uses what comes from the server; Reconnecting.mu guards the rest.
type ticket struct {
	id   string
	seen int64 // number of the last broadcast

	sent int64      // number of the last message
	kept []envelope // those that are not acknowledged
}

// header returns what the client adds to its request.
func (t *ticket) header() http.Header {
	header := http.Header{}
	if t != nil {
		header.Set("Sec-WebSocket-Protocol", resumable)
		if t.id != "" {
			header.Set(claimHeader, fmt.Sprint(t.seen, " ", t.id))
		}
	}
	return header
}

// void keeps the session from being resumed.
func (t *ticket) void() {
	if t != nil {
		t.id = ""
	}
}

// next returns the number of the next message; 0 is none.
func (t *ticket) next() int64 {
	if t == nil {
		return 0
	}
	return t.sent + 1
}

// keep keeps a message that was sent until it is acknowledged.
func (t *ticket) keep(e envelope) {
	if t != nil {
		t.sent = e.ID
		t.kept = append(t.kept, e)
	}
}

// full reports whether so much is not acknowledged that the next message has to
// wait.
func (t *ticket) full() bool {
	return t != nil && len(t.kept) >= scenarios.Defaults.Queue
}

// acknowledged drops what the server has got.
func (t *ticket) acknowledged(got int64) {
	t.kept = slices.DeleteFunc(t.kept, func(e envelope) bool {
		return e.ID <= got
	})
}

// settle reads the server's first frame and reports whether the session goes on
// where it was. It is for a client that does not read yet.
func (c *Reconnecting) settle(
	ctx context.Context, client *Client,
) (resumed bool, err error) {
	t := c.ticket
	if t == nil {
		return false, nil
	}
	if client.conn.Subprotocol() != resumable {
		return false, scenarios.Unsupported("the server keeps no sessions")
	}
	stop := context.AfterFunc(ctx, func() { client.conn.Close() })
	defer stop()
	var w welcome
	if err := client.conn.ReadJSON(&w); err != nil {
		return false, errors.Join(err, ctx.Err())
	}
	client.hear = c.hear
	bye := client.conn.CloseHandler()
	client.conn.SetCloseHandler(func(code int, reason string) error {
		t.void() // whoever is told to go must not come back with the cause
		return bye(code, reason)
	})
	t.id, t.seen = w.Session, w.N
	c.mu.Lock()
	defer c.mu.Unlock()
	t.acknowledged(w.Got)
	if !w.Resumed {
		t.sent, t.kept = 0, nil
	}
	return w.Resumed, nil
}

// resend sends again what the server has not got; c.mu is held.
func (c *Reconnecting) resend(ctx context.Context) {
	if c.ticket == nil {
		return
	}
	for _, e := range c.ticket.kept {
		if err := c.client.emit(ctx, e); err != nil {
			c.lose(c.client)
			return
		}
	}
}

// hear notes what the server's frames say of the session.
func (c *Reconnecting) hear(e envelope) {
	switch e.Type {
	case "chat", "announce", "joined", "seen":
		c.ticket.seen = e.ID
	case "got":
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ticket.acknowledged(e.ID)
		c.change()
	}
}
