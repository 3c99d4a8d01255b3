package load

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"wsvsio/internal/wire"
	"wsvsio/scenarios"
)

// Kind says what a Delivery is.
type Kind uint8

// The kinds of delivery.
const (
	Open  Kind = iota + 1 // the chat may be spoken now
	Ack                   // the answer to a request: ID, and Data is the problem or empty
	Chat                  // a message: Data is the JSON object
	Other                 // an event that the load generator does not ask for
)

// Delivery is what a server sent. Data is valid until the next Feed.
type Delivery struct {
	Kind Kind
	ID   int64
	Data []byte
}

// Codec is the client's half of a wire protocol, without input or output:
// bytes go in, bytes and deliveries come out. Each client has its own.
//
// Over a WebSocket it has one stream, over long polling two. What it has to
// say waits inside until it is taken.
type Codec struct {
	proto   protocol
	floor   bool     // no chat is at the other end
	polling *polling // nil over a WebSocket
	key     [4]byte  // masks what the client sends

	accept   string // of the handshake, until it is done
	rest     []byte // the start of a frame whose end has not come yet
	fragment []byte // the message so far, inside a fragmented one
	inside   bool

	out        []byte
	payload    []byte // of the frame that is being built
	deliveries []Delivery

	pingEvery time.Duration
}

// protocol is what differs between the wire protocols: what is inside the
// text frames.
type protocol interface {
	target(path string) string           // of the HTTP request
	text(c *Codec, message []byte) error // one text message of the server
	request(dst []byte, kind string, id int64, room, from string) []byte
	event(dst []byte, kind string, object []byte) []byte
}

// NewCodec returns a codec for one client.
func NewCodec(p scenarios.Protocol) (*Codec, error) {
	c := &Codec{}
	switch p {
	case scenarios.ProtocolRaw:
		c.proto = raw{}
	case scenarios.ProtocolFloor:
		c.proto, c.floor = raw{}, true
		return c, nil // the mask of zeros: package floor does not take it off
	case scenarios.ProtocolEIO3:
		c.proto = engineIO{version: 3}
	case scenarios.ProtocolEIO4:
		c.proto = engineIO{version: 4}
	default:
		return nil, fmt.Errorf("no codec for protocol %q", p)
	}
	rand.Read(c.key[:])
	c.key[0] |= 1
	return c, nil
}

// Streams is how many TCP connections the client has.
func (c *Codec) Streams() int {
	if c.polling != nil {
		return 2
	}
	return 1
}

// Open opens the session over a WebSocket (RFC 6455, section 4.1) or over long
// polling.
func (c *Codec) Open(transport, host, path string) error {
	if transport == scenarios.Polling {
		if c.floor {
			return errors.New("the floor has no long polling")
		}
		version := batches
		if e, ok := c.proto.(engineIO); ok {
			version = e.version
		}
		c.polling = newPolling(version, host, path)
		c.polling.start()
		return nil
	}
	var nonce [16]byte
	rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	c.accept = acceptOf(key)
	c.out = fmt.Appendf(c.out, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		c.proto.target(path), host, key)
	return nil
}

// acceptOf is the server's answer to a key.
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// Request asks to "join" or to "leave" a room without a word to the others.
// The answer is an Ack with the same id.
func (c *Codec) Request(kind string, id int64, room, from string) {
	c.say(c.proto.request(c.payload[:0], kind, id, room, from))
}

// Event sends a "chat" message or one to "announce", given as its JSON object.
func (c *Codec) Event(kind string, object []byte) {
	c.say(c.proto.event(c.payload[:0], kind, object))
}

// PingEvery is how often the client has to ping; 0 where the server does.
func (c *Codec) PingEvery() time.Duration { return c.pingEvery }

// Ping sends a heartbeat.
func (c *Codec) Ping() { c.say(append(c.payload[:0], '2')) }

// say sends one text message. Its buffer is used again.
func (c *Codec) say(message []byte) {
	c.payload = message
	if c.polling != nil {
		c.polling.send(message)
		return
	}
	c.out = wire.AppendFrame(c.out, wire.OpText, c.key, message)
}

// Take appends what is to be written on a stream now.
func (c *Codec) Take(dst []byte, stream int) []byte {
	if c.polling != nil {
		return c.polling.take(dst, stream)
	}
	dst = append(dst, c.out...)
	c.out = c.out[:0]
	if cap(c.out) > keptBuffer {
		c.out = nil
	}
	return dst
}

// keptBuffer is the largest buffer that a client keeps between its messages,
// so that ten thousand idle ones are small.
const keptBuffer = 1 << 10

// Posting reports whether the answer to a post has not come yet. A poll without
// one is as it should be.
func (c *Codec) Posting() bool {
	return c.polling != nil && c.polling.streams[posts].busy
}

// Unwritten is how many packets wait for the answer to a post.
func (c *Codec) Unwritten() int {
	if c.polling == nil {
		return 0
	}
	return len(c.polling.ends)
}

// Closed takes the end of a stream. It returns nil if the client can go on: the
// stream is then opened again when there is something to write on it.
func (c *Codec) Closed(stream int, why error) error {
	if c.polling == nil || !errors.Is(why, io.EOF) {
		return why
	}
	return c.polling.closed(stream)
}

// KeptFor is how long a stream may idle and be used again; 0 is for ever. To ask
// counts only before Take, which puts a request under way.
func (c *Codec) KeptFor(stream int) time.Duration {
	if c.polling == nil {
		return 0
	}
	return c.polling.keptFor(stream)
}

// Requests is how many HTTP requests the client has sent.
func (c *Codec) Requests() int64 {
	if c.polling != nil {
		return c.polling.count()
	}
	return 1
}

// Feed takes what has been read from a stream and returns what was delivered,
// valid until the next call. After an error the client is of no use.
func (c *Codec) Feed(stream int, in []byte) (deliveries []Delivery, err error) {
	c.deliveries = c.deliveries[:0]
	if c.polling != nil {
		// A packet is valid until its stream is fed again.
		err := c.polling.feed(stream, in, func(packet []byte) error { return c.proto.text(c, packet) })
		return c.deliveries, err
	}
	kept := len(c.rest) > 0
	if kept {
		c.rest = append(c.rest, in...)
		in = c.rest
	}
	for len(in) > 0 && err == nil {
		var size int
		if c.accept != "" {
			size, err = c.handshake(in)
		} else {
			size, err = c.frame(in)
		}
		in = in[size:]
	}
	if errors.Is(err, wire.ErrShort) {
		err = nil
	}
	switch {
	case kept && len(in) > 0 && len(c.deliveries) == 0:
		// Nothing points into c.rest, and its frame may still have to grow.
		c.rest = c.rest[:copy(c.rest, in)]
	case len(in) > 0:
		c.rest = append([]byte(nil), in...)
	default:
		c.rest = nil
	}
	return c.deliveries, err
}

// handshake reads the answer to Hello.
func (c *Codec) handshake(in []byte) (int, error) {
	end := bytes.Index(in, []byte("\r\n\r\n"))
	if end < 0 {
		if len(in) > 16<<10 {
			return 0, errors.New("handshake: header of more than 16 KiB")
		}
		return 0, wire.ErrShort
	}
	lines := bytes.Split(in[:end], []byte("\r\n"))
	if !bytes.HasPrefix(lines[0], []byte("HTTP/1.1 101 ")) {
		return 0, fmt.Errorf("handshake: server answered %q", lines[0])
	}
	accepted := false
	for _, line := range lines[1:] {
		name, value, _ := bytes.Cut(line, []byte(":"))
		if bytes.EqualFold(name, []byte("Sec-WebSocket-Accept")) {
			accepted = string(bytes.TrimSpace(value)) == c.accept
		}
		if bytes.EqualFold(name, []byte("Sec-WebSocket-Extensions")) {
			return 0, fmt.Errorf("handshake: server chose extension %q, none was offered", value)
		}
	}
	if !accepted {
		return 0, errors.New("handshake: Sec-WebSocket-Accept is not the one expected")
	}
	c.accept = ""
	if _, ok := c.proto.(raw); ok {
		c.deliver(Open, 0, nil)
	}
	return end + 4, nil
}

// frame reads one frame.
func (c *Codec) frame(in []byte) (int, error) {
	f, size, err := wire.ParseFrame(in)
	if f.Masked {
		return 0, errors.New("masked frame from a server")
	}
	if err != nil {
		return 0, err
	}
	payload := f.Payload
	switch f.Opcode {
	case wire.OpPing:
		c.out = wire.AppendFrame(c.out, wire.OpPong, c.key, payload)
		return size, nil
	case wire.OpPong:
		return size, nil
	case wire.OpClose:
		return 0, closeReason(payload)
	case wire.OpText:
		if c.inside {
			return 0, errors.New("new message inside a fragmented one")
		}
		if f.Fin {
			return size, c.proto.text(c, payload)
		}
		c.inside, c.fragment = true, append([]byte(nil), payload...)
		return size, nil
	case wire.OpContinuation:
		if !c.inside {
			return 0, errors.New("continuation of no message")
		}
		if len(c.fragment)+len(payload) > wire.MaxMessage {
			return 0, errors.New("fragmented message is too long")
		}
		c.fragment = append(c.fragment, payload...)
		if !f.Fin {
			return size, nil
		}
		whole := c.fragment
		c.inside, c.fragment = false, nil
		return size, c.proto.text(c, whole)
	default:
		return 0, fmt.Errorf("frame with opcode 0x%x; the chat sends text", f.Opcode)
	}
}

func (c *Codec) deliver(k Kind, id int64, data []byte) {
	c.deliveries = append(c.deliveries, Delivery{Kind: k, ID: id, Data: data})
}

// raw is the chat in plain text frames.
type raw struct{}

func (raw) target(path string) string { return path }

func (raw) request(dst []byte, kind string, id int64, room, from string) []byte {
	return fmt.Appendf(dst, `{"type":%q,"id":%d,"data":{"room":%q,"from":%q}}`, kind, id, room, from)
}

var rawChat = []byte(`{"type":"chat","data":`)

func (raw) event(dst []byte, kind string, object []byte) []byte {
	dst = append(append(append(dst, `{"type":"`...), kind...), `","data":`...)
	return append(append(dst, object...), '}')
}

func (raw) text(c *Codec, m []byte) error {
	// The one shape that comes a million times is taken apart by hand. Over
	// polling it is short.
	if object, ok := bytes.CutPrefix(m, rawChat); ok && bytes.HasSuffix(object, []byte("}}")) {
		c.deliver(Chat, 0, object[:len(object)-1])
		return nil
	}
	if at := bytes.IndexByte(m, '{'); at > 0 && c.polling != nil {
		kind := Other
		if string(m[:at]) == "chat" || string(m[:at]) == "announce" {
			kind = Chat
		}
		c.deliver(kind, 0, m[at:])
		return nil
	}
	var e struct {
		Type  string
		ID    int64
		Error string
		Data  json.RawMessage
	}
	if err := json.Unmarshal(m, &e); err != nil {
		return fmt.Errorf("text frame: %w", err)
	}
	switch e.Type {
	case "chat", "announce":
		c.deliver(Chat, 0, e.Data)
	case "ack":
		c.deliver(Ack, e.ID, []byte(e.Error))
	case "open": // of polling, which says so itself
		c.deliver(Open, 0, nil)
	case "bye":
		return fmt.Errorf("closed by the server: code %d %s", e.ID, e.Error)
	default:
		c.deliver(Other, 0, e.Data)
	}
	return nil
}

// engineIO is the chat in Socket.IO packets over Engine.IO 3 or 4, which
// differ in who pings and in who opens the namespace.
type engineIO struct{ version int }

func (p engineIO) target(path string) string {
	return fmt.Sprintf("%s?EIO=%d&transport=websocket", path, p.version)
}

func (engineIO) request(dst []byte, kind string, id int64, room, from string) []byte {
	return fmt.Appendf(dst, `42%d[%q,{"room":%q,"from":%q}]`, id, kind, room, from)
}

var eioChat = []byte(`42["chat",`)

func (engineIO) event(dst []byte, kind string, object []byte) []byte {
	dst = append(append(append(dst, `42["`...), kind...), `",`...)
	return append(append(dst, object...), ']')
}

func (p engineIO) text(c *Codec, m []byte) error {
	// The one shape that comes a million times is taken apart by hand.
	// go-socket.io ends it with a line feed.
	if object, ok := bytes.CutPrefix(m, eioChat); ok {
		object = bytes.TrimSuffix(object, []byte("\n"))
		if bytes.HasSuffix(object, []byte("}]")) {
			c.deliver(Chat, 0, object[:len(object)-1])
			return nil
		}
	}
	if len(m) == 0 {
		return errors.New("empty Engine.IO packet")
	}
	switch m[0] { // the type of the Engine.IO packet
	case '0':
		return p.open(c, m[1:])
	case '1':
		return errors.New("Engine.IO session closed by the server")
	case '2': // the server's heartbeat, in Engine.IO 4
		c.say(append(append(c.payload[:0], '3'), m[1:]...))
		return nil
	case '3', '6': // pong and noop
		return nil
	case '4':
		return p.packet(c, m[1:])
	}
	return fmt.Errorf("Engine.IO packet of type %q", m[0])
}

// open takes the handshake of Engine.IO.
func (p engineIO) open(c *Codec, data []byte) error {
	var h struct {
		SID          string
		PingInterval int64 // milliseconds
	}
	if err := json.Unmarshal(data, &h); err != nil {
		return fmt.Errorf("Engine.IO handshake: %w", err)
	}
	if h.SID == "" {
		return errors.New("Engine.IO handshake without a session id")
	}
	if p.version == 4 {
		// Socket.IO 5 of Engine.IO 4: the client opens the namespace.
		c.say(append(c.payload[:0], "40"...))
		return nil
	}
	if h.PingInterval > 0 {
		c.pingEvery = time.Duration(h.PingInterval) * time.Millisecond
	}
	return nil
}

// packet takes a Socket.IO packet of the root namespace.
func (p engineIO) packet(c *Codec, m []byte) error {
	if len(m) == 0 {
		return errors.New("empty Socket.IO packet")
	}
	kind, m := m[0], bytes.TrimPrefix(m[1:], []byte("/,"))
	digits := 0
	for digits < len(m) && m[digits] >= '0' && m[digits] <= '9' {
		digits++
	}
	var id int64
	if digits > 0 {
		var err error
		if id, err = strconv.ParseInt(string(m[:digits]), 10, 64); err != nil {
			return fmt.Errorf("Socket.IO packet: id: %w", err)
		}
	}
	m = m[digits:]
	switch kind {
	case '0':
		c.deliver(Open, 0, nil)
		return nil
	case '1':
		return errors.New("Socket.IO namespace closed by the server")
	case '4':
		return fmt.Errorf("Socket.IO error from the server: %s", m)
	case '2', '3':
	default:
		return fmt.Errorf("Socket.IO packet of type %q", kind)
	}
	var args []json.RawMessage
	if err := json.Unmarshal(m, &args); err != nil {
		return fmt.Errorf("Socket.IO packet: %w", err)
	}
	if kind == '3' {
		var problem string
		if len(args) > 0 {
			if err := json.Unmarshal(args[0], &problem); err != nil {
				return fmt.Errorf("Socket.IO acknowledgement: %w", err)
			}
		}
		c.deliver(Ack, id, []byte(problem))
		return nil
	}
	if len(args) == 2 && (string(args[0]) == `"chat"` || string(args[0]) == `"announce"`) {
		c.deliver(Chat, 0, args[1])
		return nil
	}
	c.deliver(Other, 0, nil)
	return nil
}

// closeReason reads the payload of a close frame.
func closeReason(payload []byte) error {
	if len(payload) < 2 {
		return errors.New("closed by the server, no reason given")
	}
	return fmt.Errorf("closed by the server: code %d %s",
		binary.BigEndian.Uint16(payload), payload[2:])
}
