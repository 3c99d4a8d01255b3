package load

import (
	"bytes"
	"crypto/rand"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

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
// bytes go in, bytes and deliveries come out. Each connection has its own.
type Codec struct {
	proto protocol
	key   [4]byte // masks what the client sends

	accept   string // of the handshake, until it is done
	rest     []byte // the start of a frame whose end has not come yet
	fragment []byte // the message so far, inside a fragmented one
	inside   bool

	out        []byte
	deliveries []Delivery

	pingEvery time.Duration
}

// protocol is what differs between the wire protocols: what is inside the
// text frames.
type protocol interface {
	target(path string) string           // of the HTTP request
	text(c *Codec, message []byte) error // one text message of the server
	join(dst []byte, id int64, room, from string) []byte
	chat(dst []byte, object []byte) []byte
}

// NewCodec returns a codec for one connection.
func NewCodec(p scenarios.Protocol) (*Codec, error) {
	c := &Codec{}
	switch p {
	case scenarios.ProtocolRaw:
		c.proto = raw{}
	case scenarios.ProtocolFloor:
		c.proto = raw{}
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

// Hello returns the request that opens the connection (RFC 6455, section 4.1).
func (c *Codec) Hello(host, path string) []byte {
	var nonce [16]byte
	rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	c.accept = base64.StdEncoding.EncodeToString(sum[:])
	return fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\n"+
		"Connection: Upgrade\r\nSec-WebSocket-Key: %s\r\nSec-WebSocket-Version: 13\r\n\r\n",
		c.proto.target(path), host, key)
}

// Join appends the request to enter a room without a word to the others.
func (c *Codec) Join(dst []byte, id int64, room, from string) []byte {
	return appendFrame(dst, opText, c.key, c.proto.join(nil, id, room, from))
}

// Chat appends a chat message, given as its JSON object.
func (c *Codec) Chat(dst, object []byte) []byte {
	return appendFrame(dst, opText, c.key, c.proto.chat(nil, object))
}

// Ping returns the heartbeat that the client has to send every so often, and
// how often; zero where the server sends it.
func (c *Codec) Ping() ([]byte, time.Duration) {
	if c.pingEvery == 0 {
		return nil, 0
	}
	return appendFrame(nil, opText, c.key, []byte("2")), c.pingEvery
}

// Feed takes what has been read from the connection. It returns what is to be
// written in answer and what was delivered, both valid until the next call.
// After an error the connection is of no use.
func (c *Codec) Feed(in []byte) (out []byte, deliveries []Delivery, err error) {
	c.out, c.deliveries = c.out[:0], c.deliveries[:0]
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
	if errors.Is(err, errShort) {
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
	return c.out, c.deliveries, err
}

// handshake reads the answer to Hello.
func (c *Codec) handshake(in []byte) (int, error) {
	end := bytes.Index(in, []byte("\r\n\r\n"))
	if end < 0 {
		if len(in) > 16<<10 {
			return 0, errors.New("handshake: header of more than 16 KiB")
		}
		return 0, errShort
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
	fin, opcode, payload, size, err := parseFrame(in)
	if err != nil {
		return 0, err
	}
	switch opcode {
	case opPing:
		c.out = appendFrame(c.out, opPong, c.key, payload)
		return size, nil
	case opPong:
		return size, nil
	case opClose:
		return 0, closeReason(payload)
	case opText:
		if c.inside {
			return 0, errors.New("new message inside a fragmented one")
		}
		if fin {
			return size, c.proto.text(c, payload)
		}
		c.inside, c.fragment = true, append([]byte(nil), payload...)
		return size, nil
	case opContinuation:
		if !c.inside {
			return 0, errors.New("continuation of no message")
		}
		if len(c.fragment)+len(payload) > maxMessage {
			return 0, errors.New("fragmented message is too long")
		}
		c.fragment = append(c.fragment, payload...)
		if !fin {
			return size, nil
		}
		whole := c.fragment
		c.inside, c.fragment = false, nil
		return size, c.proto.text(c, whole)
	default:
		return 0, fmt.Errorf("frame with opcode 0x%x; the chat sends text", opcode)
	}
}

func (c *Codec) deliver(k Kind, id int64, data []byte) {
	c.deliveries = append(c.deliveries, Delivery{Kind: k, ID: id, Data: data})
}

// raw is the chat in plain text frames.
type raw struct{}

func (raw) target(path string) string { return path }

func (raw) join(dst []byte, id int64, room, from string) []byte {
	return fmt.Appendf(dst, `{"type":"join","id":%d,"data":{"room":%q,"from":%q}}`, id, room, from)
}

var rawChat = []byte(`{"type":"chat","data":`)

func (raw) chat(dst, object []byte) []byte {
	return append(append(append(dst, rawChat...), object...), '}')
}

func (raw) text(c *Codec, m []byte) error {
	// The one shape that comes a million times is taken apart by hand.
	if object, ok := bytes.CutPrefix(m, rawChat); ok && bytes.HasSuffix(object, []byte("}}")) {
		c.deliver(Chat, 0, object[:len(object)-1])
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
	case "chat":
		c.deliver(Chat, 0, e.Data)
	case "ack":
		c.deliver(Ack, e.ID, []byte(e.Error))
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

func (engineIO) join(dst []byte, id int64, room, from string) []byte {
	return fmt.Appendf(dst, `42%d["join",{"room":%q,"from":%q}]`, id, room, from)
}

var eioChat = []byte(`42["chat",`)

func (engineIO) chat(dst, object []byte) []byte {
	return append(append(append(dst, eioChat...), object...), ']')
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
		pong := append([]byte{'3'}, m[1:]...)
		c.out = appendFrame(c.out, opText, c.key, pong)
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
		c.out = appendFrame(c.out, opText, c.key, []byte("40"))
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
	if len(args) == 2 && string(args[0]) == `"chat"` {
		c.deliver(Chat, 0, args[1])
		return nil
	}
	c.deliver(Other, 0, nil)
	return nil
}
