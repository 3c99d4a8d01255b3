package dissect

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text takes the text of a WebSocket message apart.
func (d *dissector) text(text []byte) ([]part, []Word) {
	if v := d.version(); v > 0 {
		return packet(v, text)
	}
	return envelope(text)
}

// body takes the body of a request or a response apart.
func (d *dissector) body(body []byte, kind string, response bool) ([]part, []Word) {
	if len(body) == 0 {
		return nil, nil
	}
	v := d.version()
	switch {
	case v > 0 && response && string(body) == "ok":
		return []part{{size: 2, layer: EngineIO, name: "ok", meaning: "the packets of the request have arrived", ref: section(v, "HTTP long-polling", "Transports, Polling")}}, nil
	case v > 0 && strings.HasPrefix(kind, "application/json"): // an error
	case v == 4:
		return payload4(body)
	case v == 3:
		return payload3(body)
	}
	return []part{{size: len(body), layer: HTTP, name: "body", meaning: "what was asked for or brought", ref: "RFC 9110, 6.4"}}, nil
}

// payload4 is packets with a separator between them.
func payload4(body []byte) (parts []part, words []Word) {
	const separator = 0x1e
	for i, p := range bytes.Split(body, []byte{separator}) {
		if i > 0 {
			parts = append(parts, part{size: 1, layer: EngineIO, name: "separator", meaning: "0x1e stands between two packets of a body", ref: section(4, "Packet encoding", "")})
		}
		more, said := packet(4, p)
		parts, words = append(parts, more...), append(words, said...)
	}
	return parts, words
}

// payload3 is packets with their lengths before them: as text, in characters of
// JavaScript, or in bytes, as go-socket.io counts; or the binary form.
func payload3(body []byte) (parts []part, words []Word) {
	ref := section(3, "", "Encoding, Payload")
	for len(body) > 0 {
		size, head := 0, 0
		meaning := ""
		if body[0] <= 1 { // binary: the digits of the length, one a byte, and 255
			end := bytes.IndexByte(body, 0xFF)
			for i := 1; i < end && end <= 12; i++ {
				size = 10*size + int(body[i]%10)
			}
			head = end + 1
			meaning = fmt.Sprintf("text in binary framing: 0, the length %d digit by digit, and 255", size)
		} else {
			digits, _, ok := bytes.Cut(body[:min(len(body), 12)], []byte(":"))
			n, err := strconv.Atoi(string(digits))
			if !ok || err != nil || n < 0 {
				break
			}
			head, size = len(digits)+1, n
			meaning = fmt.Sprintf("%d characters follow", size)
		}
		if head < 2 || head+size > len(body) {
			break
		}
		// With text beyond ASCII, so many characters are more bytes.
		if n := characters(body[head:], size); body[0] > 1 && n > size {
			size = n
		}
		more, said := packet(3, body[head:head+size])
		parts = append(parts, part{size: head, layer: EngineIO, name: "length", meaning: meaning, ref: ref})
		parts, words = append(parts, more...), append(words, said...)
		body = body[head+size:]
	}
	if len(body) > 0 {
		parts = append(parts, part{size: len(body), layer: Unknown, name: "payload", meaning: "not understood"})
	}
	return parts, words
}

// characters returns how many bytes n characters of JavaScript take.
func characters(text []byte, n int) (size int) {
	for n > 0 && size < len(text) {
		r, k := utf8.DecodeRune(text[size:])
		size += k
		n -= max(1, utf16.RuneLen(r))
	}
	return size
}

// packetTypes are those of Engine.IO.
var packetTypes = [...]struct{ name, meaning string }{
	{"open", "the server opens the session"},
	{"close", "the session ends"},
	{"ping", "is anybody there?"},
	{"pong", "yes"},
	{"message", "what is inside is for the application, here Socket.IO"},
	{"upgrade", "from now on everything goes over this transport"},
	{"noop", "nothing: it lets a waiting poll come to an end"},
}

// socketTypes are those of Socket.IO.
var socketTypes = [...]struct{ name, meaning string }{
	{"connect", "the namespace is open"},
	{"disconnect", "the client leaves the namespace"},
	{"event", "an event: its name and its arguments follow"},
	{"ack", "the answer to an event that asked for one"},
	{"error", "the namespace is refused"},
	{"binary event", "an event with bytes, which come in frames of their own"},
	{"binary ack", "an answer with bytes"},
}

// packet is one packet of Engine.IO.
func packet(version int, text []byte) (parts []part, words []Word) {
	if len(text) == 0 {
		return nil, nil
	}
	encoding := section(version, "Packet encoding", "Encoding, Packet")
	kind := int(text[0]) - '0'
	if kind < 0 || kind >= len(packetTypes) {
		return []part{{size: len(text), layer: EngineIO, name: "data", meaning: "bytes for the application", ref: encoding}}, nil
	}
	t := packetTypes[kind]
	parts = []part{{size: 1, layer: EngineIO, name: "packet type", meaning: fmt.Sprintf("%d, %s: %s", kind, t.name, t.meaning), ref: encoding}}
	rest := text[1:]
	switch {
	case kind == 4 && len(rest) > 0:
		more, said := socketPacket(version, rest)
		return append(parts, more...), said
	case kind == 0:
		handshake := section(version, "Handshake", "Anatomy of an Engine.IO session")
		more, ok := object(rest, EngineIO, func(key string) known {
			meaning := opening[key]
			if meaning == "" {
				meaning = "of the session"
			}
			return known{meaning, handshake}
		})
		if !ok {
			more = []part{{size: len(rest), layer: EngineIO, name: "handshake", meaning: "what the session is like", ref: handshake}}
		}
		return append(parts, more...), []Word{{Type: "open"}}
	case len(rest) > 0:
		meaning := "sent along"
		if string(rest) == "probe" {
			meaning = "sent over the new transport to see whether it carries both ways, before the old one is given up"
		}
		parts = append(parts, part{size: len(rest), layer: EngineIO, name: "data", meaning: meaning, ref: section(version, "Upgrade", "Transport upgrading")})
		return parts, []Word{{Type: t.name + " " + string(rest)}}
	}
	return parts, []Word{{Type: t.name}}
}

// opening is what an open packet says.
var opening = map[string]string{
	"sid":          "the id of the session",
	"upgrades":     "the transports that the client may go over to",
	"pingInterval": "the pause between two heartbeats, in ms",
	"pingTimeout":  "how long to wait for one until the other side counts as gone, in ms",
	"maxPayload":   "how many bytes a POST may bring",
}

// section names a section of the protocol's document, which has been rewritten
// from version 3 to 4.
func section(version int, four, three string) string {
	if version == 3 {
		return "Engine.IO 3, " + three
	}
	return "Engine.IO 4, " + four
}

// socketPacket is what Socket.IO puts into a message of Engine.IO: type, number
// of attachments, namespace, id of an acknowledgement, and JSON.
func socketPacket(engine int, text []byte) (parts []part, words []Word) {
	version := engine + 1 // Socket.IO 5 on Engine.IO 4, 4 on 3
	ref := fmt.Sprintf("Socket.IO %d, Packet encoding", version)
	kind := int(text[0]) - '0'
	if kind < 0 || kind >= len(socketTypes) {
		return []part{{size: len(text), layer: Unknown, name: "data", meaning: "no packet of Socket.IO"}}, nil
	}
	t := socketTypes[kind]
	meaning := t.meaning
	if kind == 0 && version == 5 {
		meaning = "the client asks for the namespace, or the server grants it"
	}
	parts = []part{{size: 1, layer: SocketIO, name: "packet type", meaning: fmt.Sprintf("%d, %s: %s", kind, t.name, meaning), ref: ref}}
	words = []Word{{Type: t.name}}
	rest := text[1:]
	take := func(n int, name, meaning string) {
		if n > 0 {
			parts = append(parts, part{size: n, layer: SocketIO, name: name, meaning: meaning, ref: ref})
			rest = rest[n:]
		}
	}
	digits := func() int { return len(rest) - len(bytes.TrimLeft(rest, "0123456789")) }
	if n := digits(); kind >= 5 && n < len(rest) && rest[n] == '-' {
		take(n+1, "attachments", "so many frames of bytes follow")
	}
	if len(rest) > 0 && rest[0] == '/' {
		n := bytes.IndexByte(rest, ',') + 1
		if n == 0 {
			n = len(rest)
		}
		take(n, "namespace", "that the packet is for; without it, the main one")
	}
	take(digits(), "acknowledgement id", "pairs an event with its answer")
	if len(rest) == 0 {
		return parts, words
	}
	switch kind {
	case 2:
		more, name, seq, ok := event(rest, ref)
		if ok {
			return append(parts, more...), []Word{{Type: name, Seq: seq}}
		}
	case 0, 4:
		more, ok := object(rest, SocketIO, func(key string) known {
			if key == "sid" {
				return known{"the id of the client in this namespace; not that of the session, which is a secret", ref}
			}
			return known{"sent along", ref}
		})
		if ok {
			return append(parts, more...), words
		}
	}
	take(len(rest), "arguments", "as a JSON array")
	return parts, words
}

// event is ["name",argument,…].
func event(text []byte, ref string) (parts []part, name string, seq int64, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('[') {
		return nil, "", 0, false
	}
	if dec.Decode(&name) != nil {
		return nil, "", 0, false
	}
	at := int(dec.InputOffset())
	parts = []part{{size: at, layer: SocketIO, name: "event name", meaning: "the array begins: the name of the event first", ref: ref}}
	for dec.More() {
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, "", 0, false
		}
		end := int(dec.InputOffset())
		if comma := end - len(value) - at; comma > 0 {
			parts = append(parts, part{size: comma, layer: SocketIO, name: "comma", meaning: "an argument follows", ref: ref})
		}
		more, n := message(value, ref)
		parts = append(parts, more...)
		seq = max(seq, n)
		at = end
	}
	if t, err := dec.Token(); err != nil || t != json.Delim(']') {
		return nil, "", 0, false
	}
	return append(parts, part{size: len(text) - at, layer: SocketIO, name: "end of the array", meaning: "no more arguments", ref: ref}), name, seq, true
}

// refOwn is where the formats of this chat are said.
const refOwn = "this chat, scenarios/chat.go"

// messageKeys are the fields of the object that all stacks carry.
var messageKeys = map[string]known{
	"room": {"the room that it is for", refOwn},
	"from": {"who says it", refOwn},
	"seq":  {"counts the messages of the sender, always in ten digits", refOwn},
	"body": {"what was said", refOwn},
}

// message is the object that all stacks carry, or another argument.
func message(text []byte, ref string) ([]part, int64) {
	parts, ok := object(text, Chat, func(key string) known {
		k := messageKeys[key]
		if k.ref == "" {
			k = known{"of the message", refOwn}
		}
		return k
	})
	if !ok {
		return []part{{size: len(text), layer: Chat, name: "argument", meaning: "as JSON", ref: ref}}, 0
	}
	var m struct {
		Seq int64 `json:"seq"`
	}
	json.Unmarshal(text, &m) // a seq that is no number is none
	return parts, m.Seq
}

// envelope is {"type":…,"id":…,"data":{…}}, what the plain WebSocket's chat
// sends.
func envelope(text []byte) (parts []part, words []Word) {
	all, ok := members(text)
	if !ok {
		return []part{{size: len(text), layer: Unknown, name: "text", meaning: "no JSON object"}}, nil
	}
	var word Word
	at := 0
	for _, m := range all {
		switch m.key {
		case "type":
			json.Unmarshal(m.value, &word.Type)
		}
		if m.key == "data" && len(m.value) > 0 && m.value[0] == '{' {
			lead := m.end - at - len(m.value)
			parts = append(parts, part{size: lead, layer: Envelope, name: "data", meaning: "the message follows", ref: refOwn})
			more, seq := message(m.value, refOwn)
			parts = append(parts, more...)
			word.Seq = seq
		} else {
			k := map[string]string{
				"type":  "what it is: Socket.IO has the name of the event for that",
				"id":    "pairs a request with its answer",
				"error": "why it was refused",
			}[m.key]
			if k == "" {
				k = "of the envelope"
			}
			parts = append(parts, part{size: m.end - at, layer: Envelope, name: m.key, meaning: k, ref: refOwn})
		}
		at = m.end
	}
	parts = append(parts, part{size: len(text) - at, layer: Envelope, name: "end of the object", meaning: "the envelope ends", ref: refOwn})
	return parts, []Word{word}
}

// object is a JSON object with a part for each member.
func object(text []byte, layer Layer, about func(key string) known) (parts []part, ok bool) {
	all, ok := members(text)
	if !ok {
		return nil, false
	}
	at := 0
	for _, m := range all {
		k := about(m.key)
		parts = append(parts, part{size: m.end - at, layer: layer, name: m.key, meaning: k.meaning, ref: k.ref})
		at = m.end
	}
	return append(parts, part{size: len(text) - at, layer: layer, name: "end of the object", meaning: "no more members", ref: "RFC 8259, 4"}), true
}

// member is a member of a JSON object, with the punctuation before it.
type member struct {
	key   string
	value json.RawMessage
	end   int // offset of what follows
}

// members returns the members of the one JSON object that a text is.
func members(text []byte) (all []member, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, false
		}
		m := member{key: fmt.Sprint(key)}
		if dec.Decode(&m.value) != nil {
			return nil, false
		}
		m.end = int(dec.InputOffset())
		all = append(all, m)
	}
	if t, err := dec.Token(); err != nil || t != json.Delim('}') {
		return nil, false
	}
	return all, len(bytes.TrimSpace(text[dec.InputOffset():])) == 0
}
