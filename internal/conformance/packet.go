package conformance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"
)

// The types of Engine.IO packets.
const (
	eioOpen    = '0'
	eioClose   = '1'
	eioPing    = '2'
	eioPong    = '3'
	eioMessage = '4'
	eioUpgrade = '5'
	eioNoop    = '6'
)

// The types of Socket.IO packets.
const (
	sioConnect     = '0'
	sioDisconnect  = '1'
	sioEvent       = '2'
	sioAck         = '3'
	sioError       = '4' // CONNECT_ERROR in protocol 5
	sioBinaryEvent = '5'
	sioBinaryAck   = '6'
)

// packet is an Engine.IO packet. One that is binary is a message.
type packet struct {
	kind   byte
	data   string
	binary bool
}

// String returns the packet as an error shows it.
func (p packet) String() string {
	if p.binary {
		return fmt.Sprintf("binary % x", p.data)
	}
	return strconv.Quote(string(p.kind) + p.data)
}

func message(text string) packet { return packet{kind: eioMessage, data: text} }

func binary(data string) packet { return packet{kind: eioMessage, data: data, binary: true} }

// separator stands between the packets of a payload in Engine.IO 4.
const separator = "\x1e"

// encodePayload returns packets as the body of a POST. Binary is in base64.
func encodePayload(v Version, packets []packet) string {
	var parts []string
	for _, p := range packets {
		text := string(p.kind) + p.data
		if p.binary {
			text = "b" + base64.StdEncoding.EncodeToString([]byte(p.data))
			if v == EIO3 {
				text = "b" + string(p.kind) + text[1:]
			}
		}
		if v == EIO3 {
			text = strconv.Itoa(length(text)) + ":" + text
		}
		parts = append(parts, text)
	}
	if v == EIO3 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts, separator)
}

// length returns how many characters a text has as Engine.IO 3 counts them: as
// JavaScript does, in UTF-16.
func length(text string) int { return len(utf16.Encode([]rune(text))) }

// decodePayload returns the packets in the body of an answer to a GET.
func decodePayload(v Version, body string) ([]packet, error) {
	var packets []packet
	if v == EIO4 {
		for part := range strings.SplitSeq(body, separator) {
			p, err := decodePacket(v, part)
			if err != nil {
				return nil, err
			}
			packets = append(packets, p)
		}
		return packets, nil
	}
	for body != "" {
		size, rest, ok := strings.Cut(body, ":")
		n, err := strconv.Atoi(size)
		if !ok || err != nil {
			return nil, fmt.Errorf("payload %q does not begin with a length", body)
		}
		units := utf16.Encode([]rune(rest))
		if n < 1 || n > len(units) {
			return nil, fmt.Errorf("payload %q has a packet of %d characters, but %d follow", body, n, len(units))
		}
		p, err := decodePacket(v, string(utf16.Decode(units[:n])))
		if err != nil {
			return nil, err
		}
		packets, body = append(packets, p), string(utf16.Decode(units[n:]))
	}
	return packets, nil
}

// encodeFramed returns packets as the binary payload of Engine.IO 3: of each
// whether it is binary, its length in decimal digits, 255, and the packet.
func encodeFramed(packets []packet) string {
	var b strings.Builder
	for _, p := range packets {
		kind, mark := p.kind, byte(0)
		if p.binary {
			kind, mark = p.kind-'0', 1
		}
		b.WriteByte(mark)
		for _, digit := range strconv.Itoa(1 + len(p.data)) {
			b.WriteByte(byte(digit - '0'))
		}
		b.WriteByte(255)
		b.WriteByte(kind)
		b.WriteString(p.data)
	}
	return b.String()
}

// decodeFramed returns the packets in a binary payload of Engine.IO 3.
func decodeFramed(body string) ([]packet, error) {
	var packets []packet
	for body != "" {
		end := strings.IndexByte(body, 255)
		if end < 2 || body[0] > 1 {
			return nil, fmt.Errorf("binary payload %q does not begin with its kind and a length", body)
		}
		n := 0
		for _, digit := range []byte(body[1:end]) {
			if digit > 9 || n > len(body) {
				return nil, fmt.Errorf("binary payload %q has no length", body)
			}
			n = 10*n + int(digit)
		}
		rest := body[end+1:]
		if n < 1 || n > len(rest) {
			return nil, fmt.Errorf("binary payload %q has a packet of %d bytes, but %d follow", body, n, len(rest))
		}
		p := packet{kind: rest[0], data: rest[1:n], binary: body[0] == 1}
		if p.binary {
			p.kind += '0'
		}
		packets, body = append(packets, p), rest[n:]
	}
	return packets, nil
}

// decodePacket returns the packet that a text of a payload is.
func decodePacket(v Version, text string) (packet, error) {
	if text == "" {
		return packet{}, fmt.Errorf("a packet is empty")
	}
	encoded, isBinary := strings.CutPrefix(text, "b")
	if !isBinary {
		return packet{kind: text[0], data: text[1:]}, nil
	}
	if v == EIO3 {
		if encoded == "" || encoded[0] != eioMessage {
			return packet{}, fmt.Errorf("packet %q is binary and no message", text)
		}
		encoded = encoded[1:]
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return packet{}, fmt.Errorf("packet %q: %w", text, err)
	}
	return binary(string(data)), nil
}

// sioPacket is a Socket.IO packet without its attachments.
type sioPacket struct {
	kind        byte
	attachments int
	namespace   string // "/" if it names none
	id          string // "" if it has none
	data        string // JSON; "" if it has none
}

// String returns the packet as it is sent.
func (s sioPacket) String() string {
	text := string(s.kind)
	if s.attachments > 0 {
		text += strconv.Itoa(s.attachments) + "-"
	}
	if s.namespace != "/" {
		text += s.namespace + ","
	}
	return text + s.id + s.data
}

// parseSIO reads a Socket.IO packet: its type, the number of attachments, the
// namespace, the id and the data, all but the first if there.
func parseSIO(text string) (sioPacket, error) {
	s := sioPacket{namespace: "/"}
	if text == "" || text[0] < sioConnect || text[0] > sioBinaryAck {
		return s, fmt.Errorf("%q is no Socket.IO packet", text)
	}
	s.kind = text[0]
	rest := text[1:]
	if s.kind == sioBinaryEvent || s.kind == sioBinaryAck {
		n, after, ok := strings.Cut(rest, "-")
		var err error
		if s.attachments, err = strconv.Atoi(n); err != nil || !ok {
			return s, fmt.Errorf("%q does not say how many attachments it has", text)
		}
		rest = after
	}
	if strings.HasPrefix(rest, "/") {
		s.namespace, rest, _ = strings.Cut(rest, ",")
	}
	digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
	s.id, s.data = rest[:digits], rest[digits:]
	if s.data != "" && !json.Valid([]byte(s.data)) {
		return s, fmt.Errorf("%q has data that is no JSON", text)
	}
	return s, nil
}
