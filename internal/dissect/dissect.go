// Package dissect takes the bytes of a connection apart, without input or
// output: HTTP/1.1 requests and responses, WebSocket frames, the packets of
// Engine.IO and Socket.IO and the messages of the chat, each field with what it
// means and the section of the specification that says so.
//
// Every byte is in exactly one field, whatever comes in: what is not
// understood is a field that says so.
package dissect

import (
	"cmp"
	"fmt"

	"wsvsio/internal/wire"
	"wsvsio/scenarios"
)

// Layer is who asked for the bytes of a field to be sent.
type Layer string

// The layers, from the outermost.
const (
	HTTP      Layer = "HTTP"
	WebSocket Layer = "WebSocket"
	EngineIO  Layer = "Engine.IO"
	SocketIO  Layer = "Socket.IO"
	Envelope  Layer = "envelope" // of the plain WebSocket's chat, by hand
	Chat      Layer = "message"  // the object that all stacks carry alike
	Unknown   Layer = "not understood"
)

// Layers are all layers, in order.
var Layers = []Layer{HTTP, WebSocket, EngineIO, SocketIO, Envelope, Chat, Unknown}

// Field is some bytes that have a meaning together.
type Field struct {
	Offset  int    // in the stream of its direction
	Raw     []byte // as they were on the wire
	Clear   []byte // without their mask; the same as Raw where there is none
	Layer   Layer
	Name    string
	Meaning string
	Ref     string // the section that defines it: "RFC 6455, 5.2"
	Bits    []Bit  // of a single byte that holds several values, highest first
}

// Bit is some bits of a byte.
type Bit struct {
	Width   int // in bits
	Value   byte
	Name    string
	Meaning string
}

// Kind says what a Unit is.
type Kind string

// The kinds of unit.
const (
	Request  Kind = "request"
	Response Kind = "response"
	Frame    Kind = "frame"
	Rest     Kind = "rest" // not complete, or not understood
)

// Unit is a request, a response or a frame. Its fields follow one another
// without a gap and make up all of it.
type Unit struct {
	Down   bool // from the server
	Offset int  // in the stream of its direction
	Size   int  // bytes
	Kind   Kind
	Pair   int    // requests and responses of a connection that belong together have the same, from 1
	Title  string // "GET /ws", "101 Switching Protocols", "text frame"
	Fields []Field
	Says   []Word
}

// Word is something that a unit says in the language of the chat or of what
// carries it.
type Word struct {
	Type string // "open", "join", "ack", "chat", "ping" …
	Seq  int64  // of a chat message
}

// Connection takes both directions of a connection apart, from their first
// bytes on. The units of each direction are in order, first those that went up.
// Their sizes add up to those of the streams.
func Connection(p scenarios.Protocol, up, down []byte) []Unit {
	d := dissector{protocol: p}
	u, w := &stream{in: up}, &stream{in: down, down: true}
	pair := 0
	for !u.done() {
		pair++
		req, ok := d.request(u)
		req.Pair = pair
		u.add(req)
		if !ok {
			break
		}
		switched := false
		for !w.done() {
			resp, status, ok := d.response(w)
			resp.Pair = pair
			w.add(resp)
			switched = status == 101
			if !ok || status >= 200 || switched {
				break
			}
		}
		if switched {
			d.frames(u)
			d.frames(w)
			break
		}
	}
	for _, s := range []*stream{u, w} {
		if !s.done() {
			s.add(s.rest("what follows is not understood"))
		}
	}
	return append(u.units, w.units...)
}

// dissector is what has been learnt of a connection.
type dissector struct {
	protocol scenarios.Protocol
	key      string // of the WebSocket handshake
}

// version is that of Engine.IO, 0 where it is not spoken.
func (d *dissector) version() int {
	switch d.protocol {
	case scenarios.ProtocolEIO3:
		return 3
	case scenarios.ProtocolEIO4:
		return 4
	}
	return 0
}

// stream is one direction.
type stream struct {
	in    []byte
	at    int
	down  bool
	units []Unit
}

func (s *stream) done() bool { return s.at >= len(s.in) }

// add takes a unit over.
func (s *stream) add(u Unit) {
	s.at += u.Size
	s.units = append(s.units, u)
}

// rest is a unit of all that is left.
func (s *stream) rest(why string) Unit {
	return s.unit(Rest, fmt.Sprintf("%d bytes", len(s.in)-s.at), []part{{
		size: len(s.in) - s.at, layer: Unknown, name: "rest", meaning: why,
	}}, nil)
}

// unit makes one of the next bytes, of the size that the parts have.
func (s *stream) unit(k Kind, title string, parts []part, key *[4]byte) Unit {
	u := Unit{Down: s.down, Offset: s.at, Kind: k, Title: title}
	at := s.at
	masked := 0 // bytes of the payload so far
	for _, p := range parts {
		if p.size == 0 {
			continue // of nothing there is nothing to say
		}
		f := Field{
			Offset: at, Raw: s.in[at : at+p.size], Layer: p.layer,
			Name: cmp.Or(p.name, "(no name)"), Meaning: p.meaning, Ref: p.ref, Bits: p.bits,
		}
		f.Clear = f.Raw
		if p.payload && key != nil {
			f.Clear = make([]byte, p.size)
			for i, b := range f.Raw {
				f.Clear[i] = b ^ key[(masked+i)&3]
			}
			masked += p.size
		}
		u.Fields = append(u.Fields, f)
		at += p.size
	}
	u.Size = at - s.at
	return u
}

// part is a field before it has a place.
type part struct {
	size    int
	layer   Layer
	name    string
	meaning string
	ref     string
	bits    []Bit
	payload bool // of a frame, which may be masked
}

// total is how many bytes parts have.
func total(parts []part) (n int) {
	for _, p := range parts {
		n += p.size
	}
	return n
}

// cut returns the parts from one offset to another. Of one that begins before
// it says so.
func cut(parts []part, from, to int) (inside []part) {
	at := 0
	for _, p := range parts {
		low, high := max(at, from), min(at+p.size, to)
		if low < high {
			q := p
			q.size = high - low
			if at < from {
				q.name += " (continued)"
			}
			inside = append(inside, q)
		}
		at += p.size
	}
	return inside
}

// frames takes apart all that is left of a stream, as WebSocket frames (RFC
// 6455, section 5.2). A message in several frames is understood as one.
func (d *dissector) frames(s *stream) {
	type piece struct {
		wire.Frame
		size int
	}
	var pieces []piece
	for at := s.at; at < len(s.in); {
		f, size, err := wire.ParseFrame(s.in[at:])
		if err != nil {
			break
		}
		pieces = append(pieces, piece{f, size})
		at += size
	}
	// Which parts each data frame has, and what its message says.
	inside := make([][]part, len(pieces))
	said := make([][]Word, len(pieces))
	var open []int // the frames of the message so far
	var text []byte
	for i, p := range pieces {
		if p.Opcode >= wire.OpClose {
			inside[i], said[i] = control(p.Opcode, p.AppendPayload(nil))
			continue
		}
		if p.Opcode != wire.OpContinuation {
			open, text = nil, nil
		}
		open = append(open, i)
		text = p.AppendPayload(text)
		if !p.Fin && i < len(pieces)-1 {
			continue
		}
		parts, words := d.text(text)
		from := 0
		for _, k := range open {
			inside[k] = cut(parts, from, from+len(pieces[k].Payload))
			said[k] = words
			from += len(pieces[k].Payload)
		}
		open, text = nil, nil
	}
	for _, k := range open { // without an end; control frames follow
		inside[k] = []part{{size: len(pieces[k].Payload), layer: Unknown, name: "fragment", meaning: "part of a message without an end"}}
	}
	for i, p := range pieces {
		var key *[4]byte
		if p.Masked {
			key = &p.Key
		}
		for j := range inside[i] {
			inside[i][j].payload = true
		}
		u := s.unit(Frame, opcodes[p.Opcode].name+" frame", append(d.frameHead(s, p.Frame), inside[i]...), key)
		u.Says = said[i]
		s.add(u)
	}
	if !s.done() {
		s.add(s.rest("the frame that begins here is not complete or breaks the rules"))
	}
}

// opcodes are those of RFC 6455, section 5.2.
var opcodes = [16]struct{ name, meaning string }{
	wire.OpContinuation: {"continuation", "goes on with the message of the frames before"},
	wire.OpText:         {"text", "the payload is UTF-8 text"},
	wire.OpBinary:       {"binary", "the payload is bytes of any kind"},
	3:                   {"reserved", "for a later version"},
	4:                   {"reserved", "for a later version"},
	5:                   {"reserved", "for a later version"},
	6:                   {"reserved", "for a later version"},
	7:                   {"reserved", "for a later version"},
	wire.OpClose:        {"close", "the sender has nothing more to say"},
	wire.OpPing:         {"ping", "the other side has to answer with a pong"},
	wire.OpPong:         {"pong", "the answer to a ping"},
	11:                  {"reserved", "for a later version"},
	12:                  {"reserved", "for a later version"},
	13:                  {"reserved", "for a later version"},
	14:                  {"reserved", "for a later version"},
	15:                  {"reserved", "for a later version"},
}

const refFrame = "RFC 6455, 5.2"

// frameHead is what stands before the payload of the frame that comes next.
func (d *dissector) frameHead(s *stream, f wire.Frame) []part {
	first, second := s.in[s.at], s.in[s.at+1]
	fin, mask := "more frames of this message follow", "the payload goes as it is, as all of a server's must"
	if f.Fin {
		fin = "the last frame of its message"
	}
	if f.Masked {
		mask = "the payload is masked, as all of a client's must be"
	}
	length := fmt.Sprintf("the payload has %d bytes", second&0x7F)
	switch second & 0x7F {
	case 126:
		length = "the length follows in 2 bytes"
	case 127:
		length = "the length follows in 8 bytes"
	}
	parts := []part{
		{size: 1, layer: WebSocket, name: "FIN, RSV, opcode", meaning: "what kind of frame", ref: refFrame, bits: []Bit{
			{1, first >> 7, "FIN", fin},
			{3, first >> 4 & 7, "RSV", "for extensions; none was agreed on"},
			{4, first & 15, "opcode", opcodes[first&15].name + ": " + opcodes[first&15].meaning},
		}},
		{size: 1, layer: WebSocket, name: "MASK, length", meaning: "whether it is masked, and how long it is", ref: refFrame, bits: []Bit{
			{1, second >> 7, "MASK", mask},
			{7, second & 0x7F, "length", length},
		}},
	}
	if n := map[byte]int{126: 2, 127: 8}[second&0x7F]; n > 0 {
		parts = append(parts, part{size: n, layer: WebSocket, name: "extended length",
			meaning: fmt.Sprintf("the payload has %d bytes; the highest byte comes first", len(f.Payload)), ref: refFrame})
	}
	if f.Masked {
		parts = append(parts, part{size: 4, layer: WebSocket, name: "masking key",
			meaning: "chosen at random for each frame; byte i of the payload is XORed with byte i mod 4 of it, so that a page cannot make a proxy take its bytes for HTTP", ref: "RFC 6455, 5.3"})
	}
	return parts
}

// control is the payload of a control frame.
func control(opcode byte, text []byte) ([]part, []Word) {
	word := []Word{{Type: opcodes[opcode].name}}
	switch {
	case len(text) == 0:
		return nil, word
	case opcode == wire.OpClose && len(text) >= 2:
		code := int(text[0])<<8 | int(text[1])
		parts := []part{{size: 2, layer: WebSocket, name: "status code",
			meaning: fmt.Sprintf("%d: %s", code, closeCodes[code]), ref: "RFC 6455, 7.4"}}
		if len(text) > 2 {
			parts = append(parts, part{size: len(text) - 2, layer: WebSocket, name: "reason", meaning: "why, for people", ref: "RFC 6455, 5.5.1"})
		}
		return parts, word
	}
	return []part{{size: len(text), layer: WebSocket, name: "application data",
		meaning: "the answer has to repeat it", ref: "RFC 6455, 5.5"}}, word
}

// closeCodes are those of RFC 6455, section 7.4.1, that a frame can carry.
var closeCodes = map[int]string{
	1000: "normal closure", 1001: "going away", 1002: "protocol error", 1003: "unsupported data",
	1005: "no code was given", 1007: "invalid payload", 1008: "policy violation",
	1009: "message too big", 1010: "an extension is missing", 1011: "internal error",
}
