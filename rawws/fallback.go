package rawws

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	mathrand "math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// What follows is by hand because a plain WebSocket has nothing to fall back
// on. Where there is none the chat goes over long polling: a request of the
// client waits at the server until there is something to say, and another one
// carries what the client says.
//
// One session goes over both, and changes from one to the other at any time:
// each side numbers its messages, keeps those that the other has not got yet,
// and passes over what comes twice. So all come once and in order.
//
// Both carry batches, as the text of a frame or the body of a request or an
// answer. The first line of one has the number of its first message, and how
// far its sender has got with what the other says. Each further line is a
// message. The head of a request says whose it is; see caller.
//
//	POST without a caller  begins a session; the answer is an opening
//	POST                   carries a batch; 204 says that it was got
//	GET                    waits for a batch, or for a heartbeat's interval
//	GET with Upgrade       a WebSocket; without a caller it begins a session
//
// The first frame of a WebSocket goes to the server and the second one comes
// back: only then it is known to carry both ways, and is used.

// fallbackProtocol is the subprotocol of a WebSocket that carries batches.
const fallbackProtocol = "chat.fallback"

// The headers that name the caller. A query would end up in access logs, and
// whoever reads the id can take the session. An attempt to get a WebSocket has
// its own: a proxy may take the upgrade off, and what is left is not to be
// taken for a poll of the turn that would have begun.
const (
	chatHeader    = "Chat"
	upgradeHeader = "Chat-Upgrade"
)

// eager is how long a client waits for its first WebSocket before it polls. It
// is the delay that RFC 8305, section 5, recommends between two attempts.
const eager = 250 * time.Millisecond

// maxPause is the longest pause between two attempts to get a WebSocket, where
// the client is connected without it.
const maxPause = time.Minute

// linger is how long a client that has more to say than one post took waits for
// still more: of a burst the rest is to go at once. It is well below what a
// request takes where there is a network in between.
const linger = time.Millisecond

// opening is what a client is told when its session begins.
type opening struct {
	Session string `json:"session"`
	Limit   int    `json:"limit"`     // bytes of a batch that the server takes
	Silence int64  `json:"silenceMs"` // after which the other side is gone
}

// caller says on whose behalf a request comes: three words in its head.
type caller struct {
	turn int64  // of the client's changes between the two; the last one counts
	got  int64  // number of the last message that the client has got
	id   string // of the session
}

// String returns the caller as it stands in the head.
func (c caller) String() string {
	return fmt.Sprint(c.turn, " ", c.got, " ", c.id)
}

// refusal is why a request is refused, and with what status.
type refusal struct {
	status int
	reason string
}

// Error implements error.
func (r *refusal) Error() string { return r.reason }

// refusalf makes a refusal.
func refusalf(status int, format string, args ...any) *refusal {
	return &refusal{status, fmt.Sprintf(format, args...)}
}

// parseCaller takes a caller apart.
func parseCaller(text string) (c caller, err error) {
	words := strings.Split(text, " ")
	if len(words) == 3 {
		var errs [2]error
		c.turn, errs[0] = strconv.ParseInt(words[0], 10, 64)
		c.got, errs[1] = strconv.ParseInt(words[1], 10, 64)
		c.id = words[2]
		err = errors.Join(errs[:]...)
	}
	if len(words) != 3 || err != nil || c.turn < 0 || c.got < 0 || c.id == "" {
		return c, refusalf(http.StatusBadRequest,
			"caller: want two numbers and a session id")
	}
	return c, nil
}

// batch is some messages in a row, and what was got from the other side.
type batch struct {
	first    int64 // number of the first message
	got      int64
	messages []envelope
}

// parseBatch takes a batch apart.
func parseBatch(text []byte) (b batch, err error) {
	head, rest, more := bytes.Cut(text, []byte("\n"))
	first, got, _ := strings.Cut(string(head), " ")
	var errs [2]error
	b.first, errs[0] = strconv.ParseInt(first, 10, 64)
	b.got, errs[1] = strconv.ParseInt(got, 10, 64)
	if errors.Join(errs[:]...) != nil || b.first < 1 || b.got < 0 ||
		b.first > math.MaxInt64/2 {
		return b, refusalf(http.StatusBadRequest,
			"batch: want two numbers in its first line")
	}
	for more {
		var line []byte
		line, rest, more = bytes.Cut(rest, []byte("\n"))
		e, err := parseLine(line)
		if err != nil {
			return b, refusalf(http.StatusBadRequest,
				"batch: message %d: %v", len(b.messages)+1, err)
		}
		b.messages = append(b.messages, e)
	}
	return b, nil
}

// parseLine takes a message apart: an envelope, or short for one its type and
// its data.
func parseLine(line []byte) (e envelope, err error) {
	at := bytes.IndexByte(line, '{')
	if at <= 0 {
		return e, json.Unmarshal(line, &e)
	}
	e.Type = string(line[:at])
	return e, json.Unmarshal(line[at:], &e.Data)
}

// appendLine appends an envelope's text as a line, in short where that can be:
// the envelope would be as long as a short message.
func appendLine(dst, text []byte) []byte {
	rest, ok := bytes.CutPrefix(text, []byte(`{"type":"`))
	kind, data, short := bytes.Cut(rest, []byte(`","data":`))
	dst = append(dst, '\n')
	if !ok || !short || len(kind) == 0 || bytes.ContainsAny(kind, "\"\\{") {
		return append(dst, text...)
	}
	return append(append(dst, kind...), data[:len(data)-1]...)
}

// half is one side's part of a session.
type half struct {
	got     int64         // number of the last message of the other side
	known   int64         // of the last own one that the other side has got
	kept    [][]byte      // those after it
	bytes   int           // of these
	changed chan struct{} // closed by the next change; nil while nobody waits
}

// last is the number of the last own message.
func (h *half) last() int64 { return h.known + int64(len(h.kept)) }

// keep adds a message.
func (h *half) keep(text []byte) {
	h.kept = append(h.kept, text)
	h.bytes += len(text)
}

// acknowledged drops what the other side has got.
func (h *half) acknowledged(got int64) error {
	if got > h.last() {
		return refusalf(http.StatusBadRequest,
			"message %d was never sent, the last one is %d", got, h.last())
	}
	for h.known < got {
		h.bytes -= len(h.kept[0])
		h.kept[0] = nil
		h.kept = h.kept[1:]
		h.known++
	}
	if len(h.kept) == 0 {
		h.kept = nil
	}
	return nil
}

// after returns a batch of the messages after a number, as many as the limit
// in bytes allows but one at least, and the number of its last one.
func (h *half) after(n int64, limit int) ([]byte, int64) {
	n = max(n, h.known)
	text := fmt.Appendf(nil, "%d %d", n+1, h.got)
	for i, m := range h.kept[n-h.known:] {
		if i > 0 && len(text)+1+len(m) > limit {
			break
		}
		text = appendLine(text, m)
		n++
	}
	return text, n
}

// receive takes a batch and returns what has not come before.
func (h *half) receive(b batch) ([]envelope, error) {
	if err := h.acknowledged(b.got); err != nil {
		return nil, err
	}
	if b.first > h.got+1 {
		return nil, refusalf(http.StatusConflict,
			"message %d comes before %d has", b.first, h.got+1)
	}
	old := min(h.got+1-b.first, int64(len(b.messages)))
	h.got += int64(len(b.messages)) - old
	return b.messages[old:], nil
}

// change wakes up those that wait.
func (h *half) change() {
	if h.changed != nil {
		close(h.changed)
		h.changed = nil
	}
}

// next is closed by the next change.
func (h *half) next() <-chan struct{} {
	if h.changed == nil {
		h.changed = make(chan struct{})
	}
	return h.changed
}

// fallbackServer is a chat server whose clients need no WebSocket.
type fallbackServer struct {
	*Server
	upgrader websocket.Upgrader

	table   sync.Mutex
	duplexs map[string]*duplex // by the id of the session
}

// NewFallbackServer returns a chat server for clients over both, and for plain
// ones; mount it at scenarios.PathRaw.
func NewFallbackServer(
	cfg scenarios.ServerConfig,
) (scenarios.Server, error) {
	cfg.Recovery = 0 // a session does not end with its connection anyway
	s, err := NewServer(cfg)
	if err != nil {
		return nil, err
	}
	chat := s.(*Server)
	return &fallbackServer{
		Server: chat,
		upgrader: websocket.Upgrader{
			CheckOrigin:  chat.cfg.OriginAllowed,
			Subprotocols: []string{fallbackProtocol},
		},
		duplexs: make(map[string]*duplex),
	}, nil
}

// ServeHTTP serves a request of either kind.
func (s *fallbackServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	upgrade := websocket.IsWebSocketUpgrade(r)
	offered := websocket.Subprotocols(r)
	if upgrade && !slices.Contains(offered, fallbackProtocol) {
		s.Server.ServeHTTP(w, r)
		return
	}
	r = forwarded(s.cfg, r)
	err := error(refusalf(http.StatusForbidden, "origin not allowed"))
	if s.cfg.OriginAllowed(r) {
		allowOrigin(w, r)
		switch {
		case upgrade:
			err = s.upgrade(w, r)
		case r.Method == http.MethodGet:
			err = s.poll(w, r)
		case r.Method == http.MethodPost:
			err = s.post(w, r)
		case r.Method == http.MethodOptions:
			return
		default:
			err = refusalf(http.StatusMethodNotAllowed,
				"method %s: want GET or POST", r.Method)
		}
	}
	var refused *refusal
	if errors.As(err, &refused) {
		http.Error(w, refused.reason, refused.status)
	}
}

// allowOrigin tells a browser that the page of another host may ask.
func allowOrigin(w http.ResponseWriter, r *http.Request) {
	if origin := r.Header.Get("Origin"); origin != "" {
		w.Header().Set("Access-Control-Allow-Origin", origin)
		w.Header().Set("Access-Control-Allow-Headers", chatHeader)
	}
}

// begin begins a session.
func (s *fallbackServer) begin() (*duplex, error) {
	d := &duplex{server: s, id: s.cfg.Node + rand.Text()}
	d.session = &session{server: s.Server, link: d, take: d.pass}
	d.mu.Lock()
	d.silence = time.AfterFunc(s.silence(), d.end)
	d.mu.Unlock()
	if !s.enter(d.session, "") {
		d.silence.Stop()
		return nil, refusalf(http.StatusServiceUnavailable,
			"server is shutting down")
	}
	s.table.Lock()
	defer s.table.Unlock()
	s.duplexs[d.id] = d
	return d, nil
}

// silence is how long nothing may come from a client.
func (s *fallbackServer) silence() time.Duration {
	return s.cfg.PingInterval + s.cfg.PingTimeout
}

// opening is what the client of a new session is told.
func (s *fallbackServer) opening(d *duplex) opening {
	limit := min(int(s.cfg.ReadLimit), s.cfg.QueueBytes)
	return opening{d.id, limit, s.silence().Milliseconds()}
}

// find returns the session of a caller.
func (s *fallbackServer) find(text string) (*duplex, caller, error) {
	c, err := parseCaller(text)
	if err != nil {
		return nil, c, err
	}
	s.table.Lock()
	defer s.table.Unlock()
	d := s.duplexs[c.id]
	if d == nil {
		return nil, c, refusalf(http.StatusNotFound, "no such session")
	}
	return d, c, nil
}

// post takes a batch, or begins a session.
func (s *fallbackServer) post(w http.ResponseWriter, r *http.Request) error {
	who := r.Header.Get(chatHeader)
	if who == "" {
		d, err := s.begin()
		if err != nil {
			return err
		}
		return json.NewEncoder(w).Encode(s.opening(d))
	}
	d, _, err := s.find(who)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.cfg.ReadLimit))
	var long *http.MaxBytesError
	if errors.As(err, &long) {
		return refusalf(http.StatusRequestEntityTooLarge,
			"batch of more than %d bytes", s.cfg.ReadLimit)
	}
	if err != nil {
		return err // the client is gone
	}
	b, err := parseBatch(text)
	if err != nil {
		return err
	}
	if err := d.receive(b); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// poll answers with a batch as soon as there is one.
func (s *fallbackServer) poll(w http.ResponseWriter, r *http.Request) error {
	d, c, err := s.find(r.Header.Get(chatHeader))
	if err != nil {
		return err
	}
	text, err := d.poll(r.Context(), c)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.Header().Set("Cache-Control", "no-store")
	w.Write(text)
	return nil
}

// upgrade serves a WebSocket until it has ended.
func (s *fallbackServer) upgrade(
	w http.ResponseWriter, r *http.Request,
) (err error) {
	var d *duplex
	var c caller
	if who := r.Header.Get(upgradeHeader); who != "" {
		if d, c, err = s.find(who); err != nil {
			return err
		}
	}
	conn, err := s.upgrader.Upgrade(w, r, nil)
	if err != nil {
		return err // the upgrader has answered
	}
	defer conn.Close()
	conn.SetReadLimit(s.cfg.ReadLimit)
	conn.SetReadDeadline(time.Now().Add(s.cfg.PingTimeout))
	if _, _, err := conn.ReadMessage(); err != nil {
		return err
	}
	conn.SetWriteDeadline(time.Now().Add(s.cfg.WriteTimeout))
	if d != nil {
		err = conn.WriteMessage(websocket.TextMessage, []byte("1 0"))
	} else if d, err = s.begin(); err == nil {
		err = conn.WriteJSON(s.opening(d))
	}
	if err == nil {
		d.serve(conn, c)
	}
	return err
}

// duplex is a session: a client of the chat that is connected in either way. It
// implements link.
type duplex struct {
	server  *fallbackServer
	session *session
	id      string
	silence *time.Timer // ends it

	busy sync.Mutex // held while a batch is acted on

	mu sync.Mutex
	half
	turn    int64           // the client's last
	polls   int64           // that have come in it
	conn    *websocket.Conn // nil while the client polls
	corked  bool            // more is about to be said
	leaving bool            // one of the two has said goodbye
	gone    bool
}

// Subprotocol implements link.
func (d *duplex) Subprotocol() string { return fallbackProtocol }

// SetReadDeadline implements link.
func (d *duplex) SetReadDeadline(t time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leaving = true
	d.silence.Reset(time.Until(t))
	return nil
}

// Close implements link. The server's locks may be held.
func (d *duplex) Close() error {
	go d.end()
	return nil
}

// end ends the session.
func (d *duplex) end() {
	d.mu.Lock()
	if d.gone {
		d.mu.Unlock()
		return
	}
	d.gone, d.leaving = true, true
	d.silence.Stop()
	if d.conn != nil {
		d.conn.Close()
	}
	d.kept = nil
	d.change()
	d.mu.Unlock()

	c := d.session
	c.mu.Lock()
	c.ended, c.parted = true, true
	c.mu.Unlock()
	s := d.server
	s.table.Lock()
	delete(s.duplexs, d.id)
	s.table.Unlock()
	s.forget(c)
	s.sessions.Done()
}

// pass keeps a frame of the chat for the client. One that has fallen behind is
// disconnected. It may have got more than it has acknowledged, so that is later
// than where the queue of a connection is full: of large messages a full queue
// may be on its way, and another one that comes back of what it says.
func (d *duplex) pass(f []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	opcode, payload := unframe(f)
	switch opcode {
	case websocket.TextMessage:
		d.keep(payload)
	case websocket.CloseMessage:
		d.keep(goodbye(payload))
	}
	cfg := d.server.cfg
	if len(d.kept) > 16*cfg.Queue ||
		len(d.kept) > 1 && d.bytes > 4*cfg.QueueBytes {
		d.Close()
	}
	if !d.corked {
		d.change()
	}
}

// heard notes that the client is there; d.mu is held.
func (d *duplex) heard() {
	if !d.leaving {
		d.silence.Reset(d.server.silence())
	}
}

// receive takes a batch of the client and acts on what is new in it. What it is
// told because of that waits until the end, so that it makes one batch.
func (d *duplex) receive(b batch) error {
	d.busy.Lock()
	defer d.busy.Unlock()
	d.mu.Lock()
	if d.gone {
		d.mu.Unlock()
		return refusalf(http.StatusNotFound, "the session is over")
	}
	d.heard()
	messages, err := d.half.receive(b)
	d.corked = true
	d.mu.Unlock()
	for _, e := range messages {
		if e.Type == "bye" {
			d.end()
			break
		}
		if !d.session.hasEnded() {
			d.session.act(e)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.corked = false
	d.change()
	return err
}

// enter notes the turn of a request, and gives up what was before it; d.mu is
// held.
func (d *duplex) enter(c caller) error {
	switch {
	case d.gone:
		return refusalf(http.StatusNotFound, "the session is over")
	case c.turn < d.turn:
		return refusalf(http.StatusConflict, "turn %d is over", c.turn)
	case c.got < d.known:
		return refusalf(http.StatusConflict,
			"message %d was acknowledged before", d.known)
	}
	if err := d.acknowledged(c.got); err != nil {
		return err
	}
	d.heard()
	if c.turn > d.turn {
		d.turn = c.turn
		if d.conn != nil {
			d.conn.Close()
			d.conn = nil
		}
		d.change()
	}
	return nil
}

// poll waits until there is something to say, or for a heartbeat.
func (d *duplex) poll(ctx context.Context, c caller) ([]byte, error) {
	beat := time.NewTimer(d.server.cfg.PingInterval)
	defer beat.Stop()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(c); err != nil {
		return nil, err
	}
	d.polls++
	mine, due := d.polls, false
	d.change()
	for {
		switch {
		case d.gone:
			return nil, refusalf(http.StatusNotFound, "the session is over")
		case d.polls != mine || d.turn != c.turn:
			return nil, refusalf(http.StatusConflict, "another poll has come")
		case due || !d.corked && d.last() > c.got:
			text, _ := d.after(c.got, d.server.cfg.QueueBytes)
			return text, nil
		}
		changed := d.next()
		d.mu.Unlock()
		select {
		case <-changed:
		case <-beat.C:
			due = true
		case <-ctx.Done():
		}
		d.mu.Lock()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// serve has a WebSocket carry the session, from the client's next frame on.
func (d *duplex) serve(conn *websocket.Conn, c caller) {
	var writer sync.WaitGroup
	defer writer.Wait()
	defer conn.Close()
	for active := false; ; active = true {
		conn.SetReadDeadline(time.Now().Add(d.server.silence()))
		_, text, err := conn.ReadMessage()
		if err != nil {
			return
		}
		b, err := parseBatch(text)
		if err == nil && !active {
			c.turn, c.got = max(c.turn, 1), b.got
			err = d.activate(conn, c)
			if err == nil {
				writer.Go(func() { d.write(conn, c) })
			}
		}
		if err == nil {
			err = d.receive(b)
		}
		if err != nil {
			conn.WriteControl(websocket.CloseMessage,
				websocket.FormatCloseMessage(
					websocket.ClosePolicyViolation, err.Error()),
				time.Now().Add(closeGrace))
			return
		}
	}
}

// activate has a WebSocket take over.
func (d *duplex) activate(conn *websocket.Conn, c caller) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.enter(c); err != nil {
		return err
	}
	d.conn = conn
	return nil
}

// write sends what there is to say over a WebSocket for as long as that carries
// the session.
func (d *duplex) write(conn *websocket.Conn, c caller) {
	defer conn.Close()
	interval := d.server.cfg.PingInterval
	beat := time.NewTimer(interval)
	defer beat.Stop()
	sent, told, due := c.got, int64(0), false
	for {
		d.mu.Lock()
		over := d.gone || d.turn != c.turn
		ready := !d.corked && (d.last() > sent || d.got-told >= ackEvery)
		var text []byte
		if !over && (ready || due) {
			text, sent = d.after(sent, d.server.cfg.QueueBytes)
			told, due = d.got, false
		}
		changed := d.next()
		d.mu.Unlock()
		switch {
		case over:
			return
		case text != nil:
			limit := d.server.cfg.WriteTimeout
			conn.SetWriteDeadline(time.Now().Add(limit))
			if conn.WriteMessage(websocket.TextMessage, text) != nil {
				return
			}
			beat.Reset(interval)
			continue
		}
		select {
		case <-changed:
		case <-beat.C:
			due = true
		}
	}
}

// unframe takes a frame of the chat apart (RFC 6455, section 5.2).
func unframe(f []byte) (opcode int, payload []byte) {
	head := 2
	switch f[1] {
	case 126:
		head = 4
	case 127:
		head = 10
	}
	return int(f[0] & 0xf), f[head:]
}

// goodbye is the last message, of the payload of a close frame.
func goodbye(payload []byte) []byte {
	e := envelope{Type: "bye", ID: websocket.CloseNoStatusReceived}
	if len(payload) >= 2 {
		e.ID = int64(payload[0])<<8 | int64(payload[1])
		e.Error = string(payload[2:])
	}
	_, text := unframe(textFrame(e))
	return text
}

// fallbackClient is a chat client that needs no WebSocket. It lives as long as
// its session does.
type fallbackClient struct {
	*Client // its requests and its events, not its connection

	rawURL  string
	dialer  *websocket.Dialer
	http    *http.Client
	upgrade bool // it may use a WebSocket
	polls   bool // it may poll
	late    bool // its first WebSocket was not refused, but too late
	pauses  scenarios.Reconnect
	opening opening

	life context.Context // ends with the session
	end  context.CancelCauseFunc

	state sync.Mutex
	half
	turn    int64
	owes    bool // an answer: to a heartbeat, or that it has got so much
	untold  int  // bytes that it has got since it last said anything
	leaving bool // one of the two has said goodbye
}

// errLacking says that the platform of a client has no WebSocket.
var errLacking = errors.New("this client has no WebSocket")

// errClosed is why the session ends that the client closes.
var errClosed = errors.New("closed by the client")

// DialFallback implements scenarios.Dial: over a WebSocket if there is one, or
// else over long polling until there is.
func DialFallback(
	ctx context.Context, rawURL string,
	cfg scenarios.DialConfig, on func(scenarios.Event),
) (scenarios.Client, error) {
	plain := cfg
	plain.Lacks = "" // it does without
	dialer, err := dialer(plain)
	if err != nil {
		return nil, err
	}
	dialer.Subprotocols = []string{fallbackProtocol}
	pauses := scenarios.Reconnect{}
	if cfg.Reconnect != nil {
		pauses = *cfg.Reconnect
	}
	pauses = pauses.WithDefaults()
	pauses.MaxDelay = maxPause
	c := &fallbackClient{
		Client: &Client{
			cfg: cfg, on: on, done: make(chan struct{}),
			acks: make(map[int64]chan string),
		},
		rawURL: rawURL,
		dialer: dialer,
		http: &http.Client{Transport: &http.Transport{
			Proxy: dialer.Proxy, TLSClientConfig: dialer.TLSClientConfig,
			DisableCompression: true,
		}},
		upgrade: may(cfg, scenarios.WebSocket),
		polls:   may(cfg, scenarios.Polling),
		pauses:  pauses,
	}
	c.say = c.queue
	c.life, c.end = context.WithCancelCause(context.Background())
	conn, transport, err := c.first(ctx)
	if err != nil {
		c.end(err)
		c.http.CloseIdleConnections()
		return nil, fmt.Errorf("dial %s: %w", rawURL, err)
	}
	on(scenarios.Event{Kind: scenarios.EventUp, Transport: transport})
	go c.run(conn)
	return c, nil
}

// may reports whether a client uses a transport: it does all if it is told
// nothing else.
func may(cfg scenarios.DialConfig, transport string) bool {
	return cfg.Lacks != transport &&
		(cfg.Transports == nil || slices.Contains(cfg.Transports, transport))
}

// Close implements scenarios.Client.
func (c *fallbackClient) Close() error {
	ctx, cancel := context.WithTimeout(c.life, closeGrace)
	defer cancel()
	if c.queue(ctx, envelope{Type: "bye"}) == nil {
		c.state.Lock()
		c.leaving = true
		for c.last() > c.known && ctx.Err() == nil {
			c.wait(ctx)
		}
		c.state.Unlock()
	}
	c.end(errClosed)
	<-c.done
	return nil
}

// queue gives a message to whatever carries the session.
func (c *fallbackClient) queue(ctx context.Context, e envelope) error {
	_, text := unframe(textFrame(e))
	c.state.Lock()
	defer c.state.Unlock()
	for len(c.kept) >= scenarios.Defaults.Queue && ctx.Err() == nil &&
		c.life.Err() == nil {
		c.wait(ctx)
	}
	if c.leaving || c.life.Err() != nil {
		return fmt.Errorf("%s: connection is closed", e.Type)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", e.Type, err)
	}
	c.keep(text)
	c.change()
	return nil
}

// wait waits for a change; c.state is held, but for the wait.
func (c *fallbackClient) wait(ctx context.Context) {
	changed := c.next()
	c.state.Unlock()
	defer c.state.Lock()
	select {
	case <-changed:
	case <-ctx.Done():
	case <-c.life.Done():
	}
}

// first begins the session.
func (c *fallbackClient) first(ctx context.Context) (
	*websocket.Conn, string, error,
) {
	err := errLacking
	if c.upgrade {
		limit := eager
		if !c.polls {
			limit = c.pauses.Timeout
		}
		var conn *websocket.Conn
		conn, err = c.attempt(ctx, limit)
		if err == nil {
			return conn, scenarios.WebSocket, nil
		}
		c.late = errors.Is(err, context.DeadlineExceeded)
	}
	if !c.polls {
		return nil, "", err
	}
	limited, cancel := context.WithTimeout(ctx, c.pauses.Timeout)
	defer cancel()
	text, err := c.do(limited, http.MethodPost, "", nil)
	if err == nil {
		err = json.Unmarshal(text, &c.opening)
	}
	return nil, scenarios.Polling, err
}

// attempt tries to get a WebSocket that carries both ways.
func (c *fallbackClient) attempt(
	ctx context.Context, limit time.Duration,
) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	header := http.Header{}
	if c.cfg.Origin != "" {
		header.Set("Origin", c.cfg.Origin)
	}
	if c.opening.Session != "" {
		c.state.Lock()
		me := caller{c.turn + 1, c.got, c.opening.Session}
		c.state.Unlock()
		header.Set(upgradeHeader, me.String())
	}
	url := "ws" + strings.TrimPrefix(c.rawURL, "http") + scenarios.PathRaw
	dialer := *c.dialer
	conn, answer, err := dial(ctx, &dialer, url, header)
	if err != nil {
		if answer != nil {
			err = fmt.Errorf("%w: %s", err, answer.Status)
		}
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	err = conn.WriteMessage(websocket.TextMessage, []byte("1 0"))
	var text []byte
	if err == nil {
		_, text, err = conn.ReadMessage()
	}
	if err == nil && !stop() {
		err = ctx.Err() // it is closed
	}
	if err == nil && c.opening.Session == "" {
		err = json.Unmarshal(text, &c.opening)
	}
	if err != nil {
		conn.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	return conn, nil
}

// run carries the session in one way or the other until it ends.
func (c *fallbackClient) run(conn *websocket.Conn) {
	defer close(c.done)
	for c.life.Err() == nil {
		now := scenarios.Polling
		if conn != nil {
			err := c.talk(conn)
			conn = nil
			if !c.polls || c.isLeaving() {
				c.end(err)
			}
		} else if conn = c.poll(); conn != nil {
			now = scenarios.WebSocket
		}
		if c.life.Err() == nil {
			c.on(scenarios.Event{
				Kind: scenarios.EventTransport, Transport: now,
			})
		}
	}
	if conn != nil {
		conn.Close()
	}
	c.http.CloseIdleConnections()
	c.on(scenarios.Event{
		Kind: scenarios.EventDown, Reason: context.Cause(c.life).Error(),
	})
}

// isLeaving reports whether one of the two has said goodbye.
func (c *fallbackClient) isLeaving() bool {
	c.state.Lock()
	defer c.state.Unlock()
	return c.leaving
}

// silence is how long nothing may come from the server.
func (c *fallbackClient) silence() time.Duration {
	return time.Duration(c.opening.Silence) * time.Millisecond
}

// begin begins a turn and returns it.
func (c *fallbackClient) begin() caller {
	c.state.Lock()
	defer c.state.Unlock()
	c.turn++
	return caller{c.turn, c.got, c.opening.Session}
}

// receive takes a batch of the server and acts on what is new in it.
func (c *fallbackClient) receive(text []byte) error {
	b, err := parseBatch(text)
	if err != nil {
		return err
	}
	c.state.Lock()
	messages, err := c.half.receive(b)
	c.untold += len(text)
	c.owes = c.owes || len(b.messages) == 0 ||
		c.untold > c.opening.Limit/2
	c.change()
	c.state.Unlock()
	for _, e := range messages {
		if e.Type == "bye" {
			c.state.Lock()
			c.leaving = true
			c.state.Unlock()
			c.end(fmt.Errorf("close %d: %s", e.ID, e.Error))
			break
		}
		c.act(e)
	}
	return err
}

// talk carries the session over a WebSocket until that has ended.
func (c *fallbackClient) talk(conn *websocket.Conn) (err error) {
	turn := c.begin()
	ctx, stop := context.WithCancel(c.life)
	var writer sync.WaitGroup
	defer writer.Wait()
	defer stop()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	writer.Go(func() { c.write(ctx, conn, turn) })
	for {
		conn.SetReadDeadline(time.Now().Add(c.silence()))
		_, text, err := conn.ReadMessage()
		if err == nil {
			err = c.receive(text)
		}
		if err != nil {
			conn.Close()
			return err
		}
	}
}

// write sends what there is to say over a WebSocket. Its first frame may have
// nothing to say: it has the server begin, too.
func (c *fallbackClient) write(
	ctx context.Context, conn *websocket.Conn, turn caller,
) {
	defer conn.Close()
	c.state.Lock()
	defer c.state.Unlock()
	sent, told, due := c.known, int64(-ackEvery), true
	for ctx.Err() == nil {
		if !due && !c.owes && c.last() == sent && c.got-told < ackEvery {
			c.wait(ctx)
			continue
		}
		var text []byte
		text, sent = c.after(sent, c.opening.Limit)
		told, due, c.owes, c.untold = c.got, false, false, 0
		c.state.Unlock()
		limit := time.Now().Add(scenarios.Defaults.WriteTimeout)
		conn.SetWriteDeadline(limit)
		err := conn.WriteMessage(websocket.TextMessage, text)
		c.state.Lock()
		if err != nil {
			return
		}
	}
}

// poll carries the session over long polling until there is a WebSocket.
func (c *fallbackClient) poll() (conn *websocket.Conn) {
	turn := c.begin()
	ctx, stop := context.WithCancel(c.life)
	defer stop()
	var beside sync.WaitGroup
	beside.Go(func() { c.posts(ctx, turn) })
	if c.upgrade {
		beside.Go(func() {
			if conn = c.attempts(ctx); conn != nil {
				stop()
			}
		})
	}
	c.gets(ctx, turn)
	stop()
	beside.Wait()
	return conn
}

// attempts tries to get a WebSocket until it has one.
func (c *fallbackClient) attempts(ctx context.Context) *websocket.Conn {
	n := 1
	if c.late {
		n = 0
	}
	for c.late = false; ; n++ {
		pause := time.Duration(0)
		if n > 0 {
			pause = c.pauses.Pause(n, mathrand.Float64())
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		if conn, err := c.attempt(ctx, c.pauses.Timeout); err == nil {
			return conn
		}
	}
}

// gets polls. One poll waits at a time.
func (c *fallbackClient) gets(ctx context.Context, turn caller) {
	c.repeat(ctx, func(ctx context.Context) error {
		c.state.Lock()
		turn.got = c.got
		c.state.Unlock()
		text, err := c.do(ctx, http.MethodGet, turn.String(), nil)
		if err == nil {
			err = c.receive(text)
		}
		return err
	})
}

// posts posts what there is to say. One post is under way at a time, and the
// next one takes all that has queued up meanwhile.
func (c *fallbackClient) posts(ctx context.Context, turn caller) {
	behind := false // there was more to say when the last post had ended
	c.repeat(ctx, func(ctx context.Context) error {
		if behind {
			time.Sleep(linger)
		}
		c.state.Lock()
		defer c.state.Unlock()
		if c.last() == c.known {
			behind = false
			c.wait(ctx)
			return nil
		}
		text, last := c.after(c.known, c.opening.Limit)
		turn.got = c.got
		c.state.Unlock()
		_, err := c.do(ctx, http.MethodPost, turn.String(), text)
		c.state.Lock()
		if err != nil {
			return err
		}
		defer c.change()
		err = c.acknowledged(max(last, c.known))
		behind = c.last() > c.known
		return err
	})
}

// repeat makes requests, again if they fail, until the server has refused one
// or was not there for too long.
func (c *fallbackClient) repeat(
	ctx context.Context, request func(context.Context) error,
) {
	heard, failed := time.Now(), 0
	for ctx.Err() == nil {
		limited, cancel := context.WithTimeout(ctx, c.silence())
		err := request(limited)
		cancel()
		var refused *refusal
		switch {
		case err == nil:
			heard, failed = time.Now(), 0
			continue
		case ctx.Err() != nil:
			return
		case errors.As(err, &refused) && refused.status < 500,
			time.Since(heard) > c.silence():
			c.end(err)
			return
		}
		failed++
		if failed == 1 {
			continue // a proxy gives up a poll that waits for long
		}
		pause := c.pauses.Pause(failed-1, mathrand.Float64())
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
	}
}

// do makes a request and returns the body of its answer.
func (c *fallbackClient) do(
	ctx context.Context, method, caller string, body []byte,
) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method,
		c.rawURL+scenarios.PathRaw, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if caller != "" {
		r.Header.Set(chatHeader, caller)
	}
	if c.cfg.Origin != "" {
		r.Header.Set("Origin", c.cfg.Origin)
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode >= 300 {
		reason := strings.TrimSpace(string(text[:min(len(text), 200)]))
		return nil, refusalf(answer.StatusCode, "%s: %s",
			answer.Status, reason)
	}
	return text, nil
}
