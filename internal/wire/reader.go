// Package wire reads what is spoken on the wire, without input or output: the
// frames of a WebSocket, and the messages of the chat in a stream of whichever
// protocol.
package wire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unique"
)

// Message is a message of the chat that was found in a stream.
type Message struct {
	Room, From string
	Seq        int64

	// End is the offset in the stream of the first byte after what carries the
	// message: its frame or, over long polling, its HTTP request or response.
	// A receiver has nothing of it before all of that has come.
	End int64
}

// Reader finds the messages in one direction of a connection, from its first
// byte on: HTTP/1.1 requests or responses, and after a handshake WebSocket
// frames. The zero value is ready. Only what was sent as a "chat" counts: not
// what is for everyone, nor who has come or gone.
//
// It looks for messages, it does not judge: a stream that it does not
// understand has no more of them from there on.
type Reader struct {
	offset int64  // in the stream, of what comes next
	rest   []byte // that is not complete yet
	need   int    // so many bytes it takes at least to go on
	deaf   bool   // it does not understand
	asked  bool   // the last request was a handshake
	frames bool   // it was accepted

	inside   bool   // a fragmented text message
	fragment []byte // so far
	payload  []byte // without its mask
}

// Feed takes the next bytes of the stream. It calls found with each message
// whose end is in them, in order.
func (r *Reader) Feed(in []byte, found func(Message)) {
	if len(r.rest) > 0 {
		r.rest = append(r.rest, in...)
		in = r.rest
	}
	for !r.deaf && len(in) > 0 && len(in) >= r.need {
		size, err := r.next(in, found)
		if err != nil {
			r.deaf, r.rest, r.fragment, r.payload = true, nil, nil, nil
			return
		}
		if r.need = 0; size > len(in) {
			r.need = size
			break
		}
		r.offset += int64(size)
		in = in[size:]
	}
	switch {
	case r.deaf || len(in) > 0 && len(in) == len(r.rest): // it only grows
	case len(in) == 0 && cap(r.rest) > keptRest:
		r.rest = nil
	default:
		r.rest = append(r.rest[:0], in...)
	}
}

// The bounds of what a Reader keeps, in bytes.
const (
	maxHead  = 64 << 10 // of an HTTP head or a line between chunks
	keptRest = 4 << 10  // a buffer that is kept for its next use
)

// next reads one frame, request or response and returns its size; if that is
// more than there is, it is how much it takes at least.
func (r *Reader) next(in []byte, found func(Message)) (size int, err error) {
	// No method begins with a byte that a frame can begin with, so it is seen
	// here whether the server has accepted what the client has asked for.
	if r.asked && in[0]&0x70 == 0 {
		r.frames = true
	}
	if r.frames {
		return r.frame(in, found)
	}
	return r.exchange(in, found)
}

func (r *Reader) frame(in []byte, found func(Message)) (size int, err error) {
	f, size, err := ParseFrame(in)
	if errors.Is(err, ErrShort) {
		return size, nil
	}
	if err != nil {
		return 0, err
	}
	switch f.Opcode {
	case OpText:
		if f.Fin {
			r.payload = f.AppendPayload(r.payload[:0])
			r.text(r.payload, size, found)
			if cap(r.payload) > keptRest {
				r.payload = nil
			}
			return size, nil
		}
		r.inside, r.fragment = true, f.AppendPayload(nil)
	case OpContinuation:
		if !r.inside {
			return size, nil // of a binary message
		}
		if len(r.fragment)+len(f.Payload) > MaxMessage {
			return 0, errors.New("fragmented message is too long")
		}
		r.fragment = f.AppendPayload(r.fragment)
		if f.Fin {
			r.text(r.fragment, size, found)
			r.inside, r.fragment = false, nil
		}
	case OpBinary:
		r.inside = false
	}
	return size, nil
}

// text looks into a text message of a WebSocket, that ends with what is size
// bytes long.
func (r *Reader) text(text []byte, size int, found func(Message)) {
	if text = bytes.TrimLeft(text, space); !bytes.HasPrefix(text, []byte("{")) {
		r.body(text, size, found)
		return
	}
	r.envelope(text, size, found)
}

// envelope looks into a message of a plain WebSocket.
func (r *Reader) envelope(text []byte, size int, found func(Message)) {
	var e struct {
		Type string
		Data object
	}
	if json.Unmarshal(text, &e) == nil && e.Type == "chat" {
		r.take(e.Data, size, found)
	}
}

// body looks into what several messages can be in: a payload of Socket.IO, or a
// batch of the fallback by hand, whichever of its transports it comes over.
func (r *Reader) body(text []byte, size int, found func(Message)) {
	first, lines, ok := bytes.Cut(text, []byte("\n"))
	if !ok || !beginsBatch(first) {
		r.events(text, size, found)
		return
	}
	for line := range bytes.SplitSeq(lines, []byte("\n")) {
		data, short := bytes.CutPrefix(line, []byte("chat"))
		var m object
		switch {
		case !short:
			r.envelope(line, size, found)
		case json.Unmarshal(data, &m) == nil:
			r.take(m, size, found)
		}
	}
}

// beginsBatch reports whether a line is the first of a batch: two numbers.
func beginsBatch(line []byte) bool {
	first, got, ok := bytes.Cut(line, []byte(" "))
	return ok && len(first) > 0 && len(got) > 0 &&
		len(bytes.Trim(first, "0123456789")) == 0 && len(bytes.Trim(got, "0123456789")) == 0
}

// object is that of a message, as far as it is looked at.
type object struct {
	Room, From string
	Seq        *int64 // what has none is not a message
}

func (r *Reader) take(m object, size int, found func(Message)) {
	if m.Seq == nil {
		return
	}
	found(Message{
		// There are many messages and few names.
		Room: unique.Make(m.Room).Value(),
		From: unique.Make(m.From).Value(),
		Seq:  *m.Seq,
		End:  r.offset + int64(size),
	})
}

// space is what JSON allows between its tokens.
const space = " \t\r\n"

var chat = []byte(`"chat"`)

// events looks for Socket.IO events of the root namespace in the packet of a
// frame, or in the packets of a payload of long polling, however that separates
// them. Each is 42, perhaps the id of an acknowledgement, and a JSON array:
// the name, the message, and perhaps more. A text that only looks like one
// cannot be mistaken for it: inside a JSON string no quote stands without a
// backslash, so behind a bracket that is text there is never the word in
// quotes.
func (r *Reader) events(text []byte, size int, found func(Message)) {
	for {
		before, after, ok := bytes.Cut(text, chat)
		if !ok {
			return
		}
		text = after
		if !beginsEvent(before) {
			continue
		}
		rest, ok := bytes.CutPrefix(bytes.TrimLeft(after, space), []byte(","))
		rest = bytes.TrimLeft(rest, space)
		if n := objectSize(rest); ok && n > 0 {
			var m object
			if json.Unmarshal(rest[:n], &m) == nil {
				r.take(m, size, found)
			}
			text = rest[n:]
		}
	}
}

// beginsEvent reports whether text ends with all that is before the name of an
// event. What is before that is the end of another packet, or what a payload
// puts between: 0x1e in Engine.IO 4, a length and a colon in Engine.IO 3, or
// in its binary payload a length and 0xff.
func beginsEvent(text []byte) bool {
	text, ok := bytes.CutSuffix(bytes.TrimRight(text, space), []byte("["))
	if !ok {
		return false
	}
	before := bytes.TrimRight(text, "0123456789")
	number := text[len(before):]
	if root, ok := bytes.CutSuffix(before, []byte("/,")); ok {
		before = bytes.TrimRight(root, "0123456789")
		number = root[len(before):]
		if len(number) > len("42") {
			return false
		}
	}
	if !bytes.HasPrefix(number, []byte("42")) {
		return false
	}
	return len(before) == 0 || strings.IndexByte("\x1e:\xff", before[len(before)-1]) >= 0
}

// objectSize is how many bytes the JSON object at the start of text takes, or
// 0 if there is none that is complete.
func objectSize(text []byte) int {
	if len(text) == 0 || text[0] != '{' {
		return 0
	}
	depth, inString := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return 0
}

// exchange reads an HTTP/1.1 request or response (RFC 9112) with its body.
func (r *Reader) exchange(in []byte, found func(Message)) (size int, err error) {
	head := bytes.Index(in, []byte("\r\n\r\n")) + 4
	if head < 4 {
		if len(in) > maxHead {
			return 0, fmt.Errorf("head of more than %d KiB", maxHead>>10)
		}
		return len(in) + 1, nil
	}
	h, err := parseHead(in[:head-2])
	if err != nil {
		return 0, err
	}
	r.asked = h.asks
	r.frames = h.accepts
	switch {
	case h.empty:
		return head, nil
	case h.chunked:
		body, n, err := joinChunks(in[head:])
		if size = head + n; err == nil && size <= len(in) {
			r.body(body, size, found)
		}
		return size, err
	}
	if size = head + h.length; size <= len(in) {
		r.body(in[head:size], size, found)
	}
	return size, nil
}

// head is what the first lines of a request or response say.
type head struct {
	asks    bool // it is the request to speak WebSocket
	accepts bool // it is the answer to that
	empty   bool // there is no body
	chunked bool
	length  int // of the body, bytes
}

// parseHead reads a head, whose lines all have their ends.
func parseHead(text []byte) (h head, err error) {
	first, fields, _ := strings.Cut(string(text), "\r\n")
	code, isResponse := strings.CutPrefix(first, "HTTP/1.1 ")
	if !isResponse && !strings.HasSuffix(first, " HTTP/1.1") {
		return h, fmt.Errorf("no HTTP/1.1: %.80q", first)
	}
	h.length = -1
	for line := range strings.SplitSeq(fields, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		switch value = strings.Trim(value, " \t"); strings.ToLower(name) {
		case "content-length":
			n, err := strconv.ParseUint(value, 10, 31)
			if err != nil || n > MaxMessage {
				return h, fmt.Errorf("Content-Length of %.80q", value)
			}
			h.length = int(n)
		case "transfer-encoding":
			h.chunked = strings.EqualFold(value, "chunked")
		case "upgrade":
			h.asks = !isResponse && strings.EqualFold(value, "websocket")
		}
	}
	switch {
	case isResponse && strings.HasPrefix(code, "101"):
		h.accepts, h.empty = true, true
	case isResponse && (strings.HasPrefix(code, "1") || strings.HasPrefix(code, "204") || strings.HasPrefix(code, "304")):
		h.empty = true
	case h.chunked:
	case h.length < 0 && isResponse:
		return h, errors.New("body without a length")
	case h.length < 0:
		h.empty = true
	}
	return h, nil
}

// joinChunks returns a body that comes in chunks and the size of all of it; if
// that is more than there is, it is how much it takes at least.
func joinChunks(in []byte) (body []byte, size int, err error) {
	for {
		line, _, ok := bytes.Cut(in[size:], []byte("\r\n"))
		if !ok {
			if len(line) > maxHead {
				return nil, 0, errors.New("chunk without a size")
			}
			return nil, len(in) + 1, nil
		}
		text, _, _ := strings.Cut(string(line), ";") // an extension may follow
		n, err := strconv.ParseUint(strings.TrimRight(text, " \t"), 16, 31)
		if err != nil || n > uint64(MaxMessage-len(body)) {
			return nil, 0, fmt.Errorf("chunk of size %.80q", line)
		}
		size += len(line) + 2
		if n == 0 {
			break
		}
		end := size + int(n) + 2
		if end > len(in) {
			return nil, end, nil
		}
		body = append(body, in[size:end-2]...)
		size = end
	}
	// The trailer ends with an empty line.
	for {
		line, _, ok := bytes.Cut(in[size:], []byte("\r\n"))
		if !ok {
			if len(line) > maxHead {
				return nil, 0, errors.New("trailer without an end")
			}
			return nil, len(in) + 1, nil
		}
		if size += len(line) + 2; len(line) == 0 {
			return body, size, nil
		}
	}
}
