package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// answer is what a server says to an HTTP request.
type answer struct {
	status int
	body   string
	framed bool // the body is binary
}

// String returns the answer as an error shows it.
func (a answer) String() string {
	const most = 200
	body := a.body
	if len(body) > most {
		body = body[:most] + "…"
	}
	return fmt.Sprintf("status %d, %q", a.status, body)
}

// address returns a URL of the server with that query.
func address(base, transport string, eio, sid string) string {
	q := url.Values{}
	if eio != "" {
		q.Set("EIO", eio)
	}
	if transport != "" {
		q.Set("transport", transport)
	}
	if sid != "" {
		q.Set("sid", sid)
	}
	if transport == scenarios.Polling && eio == "3" {
		q.Set("b64", "1") // as a client that cannot read binary; see framed
	}
	return base + scenarios.PathSIO + "?" + q.Encode()
}

// own returns a URL of the server in the version that it speaks.
func (p *play) own(transport, sid string) string {
	url := address(p.base, transport, fmt.Sprint(int(p.version)), sid)
	if p.framed {
		url = strings.Replace(url, "b64=1&", "", 1)
	}
	return url
}

// request makes an HTTP request.
func (p *play) request(method, url, body string) (answer, error) {
	r, err := http.NewRequestWithContext(p.ctx, method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "text/plain;charset=UTF-8")
		if p.framed {
			r.Header.Set("Content-Type", "application/octet-stream")
		}
	}
	w, err := p.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer w.Body.Close()
	text, err := io.ReadAll(w.Body)
	return answer{w.StatusCode, string(text), w.Header.Get("Content-Type") == "application/octet-stream"}, err
}

// payload returns the packets in an answer.
func (p *play) payload(a answer) ([]packet, error) {
	if a.framed && p.version == EIO3 {
		return decodeFramed(a.body)
	}
	return decodePayload(p.version, a.body)
}

// ask is request for an answer that must come.
func (p *play) ask(method, url, body string) answer {
	a, err := p.request(method, url, body)
	if err != nil {
		p.failf("no answer to a %s: %w", method, err)
	}
	return a
}

// refuse fails unless the answer has the status 400.
func (p *play) refuse(what string, a answer) {
	if a.status != http.StatusBadRequest {
		p.failf("%s is answered with %v, not with status 400", what, a)
	}
}

// dial opens a WebSocket.
func (p *play) dial(url string) (*websocket.Conn, answer, error) {
	d := websocket.Dialer{}
	conn, w, err := d.DialContext(p.ctx, "ws"+strings.TrimPrefix(url, "http"), nil)
	var a answer
	if w != nil {
		text, _ := io.ReadAll(w.Body)
		a = answer{status: w.StatusCode, body: string(text)}
	}
	if err != nil {
		return nil, a, err
	}
	deadline, _ := p.ctx.Deadline()
	conn.SetReadDeadline(deadline)
	conn.SetWriteDeadline(deadline)
	stop := context.AfterFunc(p.ctx, func() { conn.Close() })
	p.ends = append(p.ends, func() {
		stop()
		conn.Close()
	})
	return conn, a, nil
}

// session is a connection to the server in one of the transports.
type session struct {
	*play
	sid      string
	upgrades []string
	conn     *websocket.Conn // nil while it polls
	inbox    []packet        // that came in one payload
	polls    chan poll       // answers to its GETs; nil if next makes them
}

// poll is the answer to a GET, or why there is none.
type poll struct {
	answer
	err error
}

// handshake is what the server says in an open packet.
type handshake struct {
	SID          string   `json:"sid"`
	Upgrades     []string `json:"upgrades"`
	PingInterval *int64   `json:"pingInterval"` // ms
	PingTimeout  *int64   `json:"pingTimeout"`  // ms
	MaxPayload   *int64   `json:"maxPayload"`   // bytes
}

// polling opens a session over HTTP long-polling. As with a real client a GET
// always waits at the server.
func (p *play) polling() *session {
	s := p.manual()
	s.polls = make(chan poll)
	go func() {
		defer close(s.polls)
		for {
			a, err := s.request(http.MethodGet, s.own(scenarios.Polling, s.sid), "")
			select {
			case s.polls <- poll{a, err}:
			case <-s.ctx.Done():
				return
			}
			if err != nil || a.status != http.StatusOK {
				return
			}
		}
	}()
	p.ends = append(p.ends, func() {
		p.cancel()
		for range s.polls {
		}
	})
	return s
}

// manual opens a session over HTTP long-polling that makes a GET only when it
// wants a packet.
func (p *play) manual() *session {
	a := p.ask(http.MethodGet, p.own(scenarios.Polling, ""), "")
	if a.status != http.StatusOK {
		p.failf("the handshake is answered with %v", a)
	}
	packets, err := p.payload(a)
	if err != nil || len(packets) == 0 {
		p.failf("the handshake is answered with %v: %w", a, errors.Join(err, errors.New("no packet")))
	}
	s := &session{play: p, inbox: packets[1:]}
	s.opened(packets[0])
	return s
}

// websocket opens a session over a WebSocket.
func (p *play) websocket() *session {
	conn, a, err := p.dial(p.own(scenarios.WebSocket, ""))
	if err != nil {
		p.failf("no WebSocket: %w: %v", err, a)
	}
	s := &session{play: p, conn: conn}
	s.opened(s.read())
	return s
}

// over opens a session over a transport.
func (p *play) over(transport string) *session {
	if transport == scenarios.Polling {
		return p.polling()
	}
	return p.websocket()
}

// opened reads the first packet of a session.
func (s *session) opened(first packet) {
	if first.kind != eioOpen || first.binary {
		s.failf("the first packet is %v, not open", first)
	}
	var h handshake
	if err := json.Unmarshal([]byte(first.data), &h); err != nil {
		s.failf("the open packet: %w", err)
	}
	switch {
	case h.SID == "":
		s.failf("the open packet has no sid: %v", first)
	case h.PingInterval == nil || h.PingTimeout == nil:
		s.failf("the open packet lacks pingInterval or pingTimeout: %v", first)
	case h.Upgrades == nil && (s.conn == nil || s.version == EIO4):
		s.failf("the open packet has no list of upgrades: %v", first)
	case s.version == EIO4 && h.MaxPayload == nil:
		s.failf("the open packet lacks maxPayload: %v", first)
	}
	s.sid, s.upgrades = h.SID, h.Upgrades
}

// send writes packets, over polling in one payload.
func (s *session) send(packets ...packet) {
	if s.conn == nil {
		a := s.post(packets...)
		if a.status != http.StatusOK {
			s.failf("a POST is answered with %v", a)
		}
		return
	}
	for _, p := range packets {
		if err := s.write(p); err != nil {
			s.failf("the connection is gone: %w", err)
		}
	}
}

// post sends packets in a POST and returns the answer.
func (s *session) post(packets ...packet) answer {
	body := encodePayload(s.version, packets)
	if s.framed {
		body = encodeFramed(packets)
	}
	return s.ask(http.MethodPost, s.own(scenarios.Polling, s.sid), body)
}

// write writes a packet into a frame of its own.
func (s *session) write(p packet) error {
	if !p.binary {
		return s.conn.WriteMessage(websocket.TextMessage, []byte(string(p.kind)+p.data))
	}
	data := []byte(p.data)
	if s.version == EIO3 {
		data = append([]byte{p.kind - '0'}, data...)
	}
	return s.conn.WriteMessage(websocket.BinaryMessage, data)
}

// late reports whether an error says that the time is up.
func late(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

// errClosed says that the server has ended the session.
var errClosed = errors.New("the session is closed")

// next returns the next packet, or errClosed.
func (s *session) next() (packet, error) {
	if s.conn != nil {
		kind, data, err := s.conn.ReadMessage()
		switch {
		case s.ctx.Err() != nil:
			return packet{}, s.ctx.Err()
		case late(err):
			// The deadline of the connection is that of the context.
			return packet{}, context.DeadlineExceeded
		case err != nil:
			return packet{}, fmt.Errorf("%w: %w", errClosed, err)
		case kind == websocket.BinaryMessage && s.version == EIO3:
			if len(data) == 0 || data[0] != eioMessage-'0' {
				return packet{}, fmt.Errorf("a binary frame does not begin with the type of a message: % x", data)
			}
			return binary(string(data[1:])), nil
		case kind == websocket.BinaryMessage:
			return binary(string(data)), nil
		case len(data) == 0:
			return packet{}, errors.New("a frame is empty")
		}
		return packet{kind: data[0], data: string(data[1:])}, nil
	}
	for len(s.inbox) == 0 {
		a, err := s.poll()
		switch {
		case s.ctx.Err() != nil:
			return packet{}, s.ctx.Err()
		case err != nil:
			return packet{}, fmt.Errorf("%w: %w", errClosed, err)
		case a.status != http.StatusOK:
			return packet{}, fmt.Errorf("%w: %v", errClosed, a)
		}
		if s.inbox, err = s.payload(a); err != nil {
			return packet{}, err
		}
	}
	p := s.inbox[0]
	s.inbox = s.inbox[1:]
	return p, nil
}

// poll returns the answer to the next GET.
func (s *session) poll() (answer, error) {
	if s.polls == nil {
		return s.request(http.MethodGet, s.own(scenarios.Polling, s.sid), "")
	}
	select {
	case p, ok := <-s.polls:
		if !ok {
			return answer{}, errors.New("a poll has failed before")
		}
		return p.answer, p.err
	case <-s.ctx.Done():
		return answer{}, s.ctx.Err()
	}
}

// read returns the next packet, which must come.
func (s *session) read() packet {
	p, err := s.next()
	if err != nil {
		s.failf("a packet is missing: %w", err)
	}
	return p
}

// receive returns the next packet that is a message, and answers the pings
// before it.
func (s *session) receive() packet {
	for {
		p := s.read()
		switch p.kind {
		case eioMessage:
			return p
		case eioPing:
			s.send(packet{kind: eioPong})
		case eioNoop, eioPong:
		default:
			s.failf("the server sends %v instead of a message", p)
		}
	}
}

// ended waits until the server has ended the session. A packet that it sends
// until then is no matter, unless it is refused here.
func (s *session) ended(what string, refuse func(packet) bool) {
	// A server that goes on answering polls would keep this going for long.
	for range 100 {
		p, err := s.next()
		switch {
		case errors.Is(err, errClosed):
			return
		case err != nil:
			s.failf("%s: the server does not end the session: %w", what, err)
		case refuse != nil && refuse(p):
			s.failf("%s: the server sends %v", what, p)
		case p.kind == eioClose && s.conn == nil:
			s.gone(what)
			return
		}
	}
	s.failf("%s: the server does not end the session", what)
}

// gone fails unless the session is not known any more.
func (s *session) gone(what string) {
	if a := s.post(packet{kind: map[Version]byte{EIO3: eioPing, EIO4: eioPong}[s.version]}); a.status == http.StatusOK {
		s.failf("%s: a POST of the session is still answered with %v", what, a)
	}
}

// say sends a Socket.IO packet with its attachments.
func (s *session) say(text string, attachments ...string) {
	packets := []packet{message(text)}
	for _, data := range attachments {
		packets = append(packets, binary(data))
	}
	s.send(packets...)
}

// hear returns the next Socket.IO packet with its attachments.
func (s *session) hear() (sioPacket, []string) {
	p := s.receive()
	if p.binary {
		s.failf("%v comes without a packet that it belongs to", p)
	}
	parsed, err := parseSIO(p.data)
	if err != nil {
		s.failf("%w", err)
	}
	var attachments []string
	for range parsed.attachments {
		a := s.receive()
		if !a.binary {
			s.failf("%v comes where an attachment of %v should", a, parsed)
		}
		attachments = append(attachments, a.data)
	}
	return parsed, attachments
}

// expect fails unless the next Socket.IO packet is this one, with these
// attachments.
func (s *session) expect(want string, attachments ...string) {
	parsed, err := parseSIO(want)
	if err != nil {
		panic(err) // a check is wrong
	}
	got, with := s.hear()
	if !same(parsed, got) || strings.Join(with, "\x00") != strings.Join(attachments, "\x00") {
		s.failf("the server sends %v, not %s", got, want)
	}
}

// same reports whether two packets say the same: JSON is compared by value.
func same(a, b sioPacket) bool {
	canonical := func(text string) string {
		var v any
		if json.Unmarshal([]byte(text), &v) != nil {
			return text
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if enc.Encode(v) != nil {
			return text
		}
		return b.String()
	}
	a.data, b.data = canonical(a.data), canonical(b.data)
	return a == b
}

// enter connects the session to the main namespace, which Engine.IO 3 does by
// itself.
func (s *session) enter() *session {
	if s.version == EIO4 {
		s.say("0")
	}
	s.connected("/")
	return s
}

// join connects the session to another namespace.
func (s *session) join(namespace string) {
	s.say("0" + namespace + ",")
	s.connected(namespace)
}

// connected fails unless the next packet says that the namespace is connected.
func (s *session) connected(namespace string) {
	got, _ := s.hear()
	if got.kind != sioConnect || got.namespace != namespace {
		s.failf("the server sends %v, not that %s is connected", got, namespace)
	}
	if s.version == EIO4 {
		var h struct{ SID string }
		if json.Unmarshal([]byte(got.data), &h) != nil || h.SID == "" {
			s.failf("%v has no sid", got)
		}
	}
}
