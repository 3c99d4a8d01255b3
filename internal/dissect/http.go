package dissect

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// maxHead is the longest head that is taken apart, in bytes.
const maxHead = 64 << 10

// head is a request or a response up to its body.
type head struct {
	first   string // the first line
	parts   []part
	fields  map[string]string // by lower-case name, the last of each
	trouble string            // why there is none, "" if there is
}

// head takes the head of the next message apart. start makes the parts of its
// first line; false is one that is no such line.
func (d *dissector) head(in []byte, start func(line string) ([]part, bool)) head {
	h := head{fields: make(map[string]string)}
	end := bytes.Index(in[:min(len(in), maxHead)], []byte("\r\n\r\n"))
	if end < 0 {
		h.trouble = "the HTTP head that begins here is not complete"
		return h
	}
	lines := strings.SplitAfter(string(in[:end+2]), "\r\n")
	lines = lines[:len(lines)-1] // what follows the last line end is empty
	h.first = strings.TrimSuffix(lines[0], "\r\n")
	parts, ok := start(h.first)
	if !ok {
		h.trouble = "this is no HTTP/1.1 message"
		return h
	}
	h.parts = parts
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\r\n"), ":")
		value = strings.TrimSpace(value)
		h.fields[strings.ToLower(name)] = value
		k := headers[strings.ToLower(name)]
		p := part{size: len(line), layer: HTTP, name: name, meaning: k.meaning, ref: k.ref}
		if p.ref == "" {
			p.meaning, p.ref = "a header field", "RFC 9112, 5"
		}
		if strings.EqualFold(name, "Sec-WebSocket-Accept") && d.key != "" {
			if acceptOf(d.key) == value {
				p.meaning += ". It fits the key of the request"
			} else {
				p.meaning += ". It does not fit the key of the request"
			}
		}
		if strings.HasPrefix(strings.ToLower(name), "sec-websocket-") {
			p.layer = WebSocket
		}
		h.parts = append(h.parts, p)
	}
	h.parts = append(h.parts, part{size: 2, layer: HTTP, name: "empty line", meaning: "the end of the head", ref: "RFC 9112, 2.1"})
	return h
}

// acceptOf is the server's answer to a key (RFC 6455, section 4.2.2).
func acceptOf(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// request takes the next request apart.
func (d *dissector) request(s *stream) (Unit, bool) {
	h := d.head(s.in[s.at:], d.requestLine)
	if h.trouble != "" {
		return s.rest(h.trouble), false
	}
	d.key = h.fields["sec-websocket-key"]
	words := strings.SplitN(h.first, " ", 3)
	return d.message(s, Request, words[0]+" "+words[1], h, false)
}

// response takes the next response apart.
func (d *dissector) response(s *stream) (Unit, int, bool) {
	h := d.head(s.in[s.at:], statusLine)
	if h.trouble != "" {
		return s.rest(h.trouble), 0, false
	}
	_, title, _ := strings.Cut(h.first, " ")
	status, _ := strconv.Atoi(title[:3])
	u, ok := d.message(s, Response, title, h, status >= 200 && status != 204 && status != 304)
	return u, status, ok
}

// message is a head and the body that follows it, which without a length lasts
// as long as the stream if it may.
func (d *dissector) message(s *stream, k Kind, title string, h head, endless bool) (Unit, bool) {
	body := s.in[s.at+total(h.parts):]
	parts := h.parts
	var words []Word
	ok := true
	packed := h.fields["content-encoding"] != "" && h.fields["content-encoding"] != "identity"
	text := func(b []byte) []part {
		if packed {
			return []part{{size: len(b), layer: HTTP, name: "body", meaning: "compressed: " + h.fields["content-encoding"], ref: "RFC 9110, 8.4"}}
		}
		if k == Response && !strings.HasPrefix(title, "2") && len(b) > 0 {
			return []part{{size: len(b), layer: HTTP, name: "body", meaning: "why not, for people", ref: "RFC 9110, 15.5"}}
		}
		p, w := d.body(b, h.fields["content-type"], k == Response)
		words = append(words, w...)
		return p
	}
	length, isSized := h.fields["content-length"]
	switch {
	case strings.EqualFold(h.fields["transfer-encoding"], "chunked"):
		var more []part
		more, ok = chunks(body, text)
		parts = append(parts, more...)
	case isSized:
		n, err := strconv.Atoi(length)
		if err != nil || n < 0 || n > len(body) {
			parts = append(parts, part{size: len(body), layer: Unknown, name: "body", meaning: "not all of it is there"})
			ok = false
			break
		}
		parts = append(parts, text(body[:n])...)
	case endless:
		parts = append(parts, text(body)...)
	}
	u := s.unit(k, title, parts, nil)
	u.Says = words
	return u, ok
}

// chunks takes a chunked body apart (RFC 9112, section 7.1). text does so with
// what the chunks hold together.
func chunks(in []byte, text func([]byte) []part) ([]part, bool) {
	const ref = "RFC 9112, 7.1"
	type chunk struct{ head, data, tail int } // sizes
	var all []chunk
	var joined []byte
	at := 0
	for {
		end := bytes.Index(in[at:min(len(in), at+1024)], []byte("\r\n"))
		if end < 0 {
			return []part{{size: len(in), layer: Unknown, name: "chunks", meaning: "not all of them are there"}}, false
		}
		digits, _, _ := strings.Cut(string(in[at:at+end]), ";")
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 16, 31)
		c := chunk{head: end + 2, data: int(n), tail: 2}
		data := at + c.head
		if err != nil || data+c.data+c.tail > len(in) || string(in[data+c.data:][:2]) != "\r\n" {
			// A trailer, which none of the servers sends, ends up here, too.
			return []part{{size: len(in), layer: Unknown, name: "chunks", meaning: "not all of them are there, or they break the rules"}}, false
		}
		all = append(all, c)
		joined = append(joined, in[data:data+c.data]...)
		at = data + c.data + c.tail
		if n == 0 {
			break
		}
	}
	inside := text(joined)
	var parts []part
	from := 0
	for _, c := range all {
		if c.data == 0 {
			parts = append(parts, part{size: c.head + c.tail, layer: HTTP, name: "last chunk", meaning: "a chunk of no bytes: the body ends", ref: ref})
			break
		}
		parts = append(parts, part{size: c.head, layer: HTTP, name: "chunk size", meaning: fmt.Sprintf("in hexadecimal: %d bytes follow", c.data), ref: ref})
		parts = append(parts, cut(inside, from, from+c.data)...)
		parts = append(parts, part{size: c.tail, layer: HTTP, name: "chunk end", meaning: "the end of the chunk", ref: ref})
		from += c.data
	}
	return parts, true
}

// requestLine is "GET /path?query HTTP/1.1".
func (d *dissector) requestLine(line string) ([]part, bool) {
	words := strings.Split(line, " ")
	if len(words) != 3 || words[0] == "" || words[1] == "" || !strings.HasPrefix(words[2], "HTTP/1.") {
		return nil, false
	}
	k := methods[words[0]]
	if k.ref == "" {
		k = known{"what is asked for", "RFC 9110, 9"}
	}
	parts := []part{{size: len(words[0]) + 1, layer: HTTP, name: "method", meaning: k.meaning, ref: k.ref}}
	path, query, hasQuery := strings.Cut(words[1], "?")
	parts = append(parts, part{size: len(path), layer: HTTP, name: "path", meaning: "where the chat is mounted", ref: "RFC 9112, 3.2"})
	if hasQuery {
		for p := range strings.SplitSeq(query, "&") {
			name, _, _ := strings.Cut(p, "=")
			k, layer := known{"a parameter", "RFC 9110, 4.2.2"}, HTTP
			if meaning, ok := parameters[name]; ok && d.version() > 0 {
				k, layer = known{meaning, section(d.version(), "Query parameters", "URLs")}, EngineIO
			}
			parts = append(parts, part{size: len(p) + 1, layer: layer, name: "parameter " + name, meaning: k.meaning, ref: k.ref})
		}
	}
	return append(parts, part{size: len(words[2]) + 3, layer: HTTP, name: "version",
		meaning: "of HTTP; a WebSocket handshake needs 1.1", ref: "RFC 9112, 2.3"}), true
}

// statusLine is "HTTP/1.1 200 OK".
func statusLine(line string) ([]part, bool) {
	version, rest, ok := strings.Cut(line, " ")
	status, _, _ := strings.Cut(rest, " ")
	if n, err := strconv.Atoi(status); !ok || !strings.HasPrefix(version, "HTTP/1.") || err != nil || len(status) != 3 || n < 100 {
		return nil, false
	}
	k := statuses[status]
	if k.ref == "" {
		k = known{"how it went", "RFC 9110, 15"}
	}
	return []part{
		{size: len(version) + 1, layer: HTTP, name: "version", meaning: "of HTTP", ref: "RFC 9112, 4"},
		{size: len(status), layer: HTTP, name: "status code", meaning: k.meaning, ref: k.ref},
		{size: len(line) - len(version) - 1 - len(status) + 2, layer: HTTP, name: "reason phrase", meaning: "the status for people; programs do not look at it", ref: "RFC 9112, 4"},
	}, true
}

// known is what is to be said of something.
type known struct{ meaning, ref string }

var methods = map[string]known{
	"GET":  {"asks for what is at the path; a WebSocket handshake is a GET, too", "RFC 9110, 9.3.1"},
	"POST": {"brings something to what is at the path", "RFC 9110, 9.3.3"},
}

var statuses = map[string]known{
	"101": {"the connection goes over to the protocol in Upgrade: after this head there is no more HTTP", "RFC 9110, 15.2.2"},
	"200": {"it went well", "RFC 9110, 15.3.1"},
	"204": {"it went well, and there is nothing to say", "RFC 9110, 15.3.5"},
	"400": {"the server does not understand the request", "RFC 9110, 15.5.1"},
	"403": {"the server does not want to", "RFC 9110, 15.5.4"},
	"426": {"the server wants another protocol", "RFC 9110, 15.5.22"},
}

// parameters are those of Engine.IO.
var parameters = map[string]string{
	"EIO":       "the version of Engine.IO that the client speaks",
	"transport": "how it wants to speak",
	"sid":       "the session that the request belongs to: without a connection of its own, the server has to be told each time",
	"t":         "different each time, so that no cache answers",
	"b64":       "the client cannot take binary: bytes are to be sent as base64",
}

// headers are by lower-case name.
var headers = map[string]known{
	"host":                         {"the host that is meant, for a server with several", "RFC 9110, 7.2"},
	"user-agent":                   {"the program that asks", "RFC 9110, 10.1.5"},
	"accept":                       {"what kinds of answer are welcome", "RFC 9110, 12.5.1"},
	"accept-encoding":              {"how the answer may be compressed", "RFC 9110, 12.5.3"},
	"accept-language":              {"in which languages", "RFC 9110, 12.5.4"},
	"connection":                   {"what is for this connection alone: Upgrade with a handshake; keep-alive and close say whether it stays open", "RFC 9110, 7.6.1"},
	"keep-alive":                   {"how long the server keeps an idle connection open, in seconds", "RFC 2068, 19.7.1"},
	"upgrade":                      {"the protocol to go over to. A proxy that does not know it leaves it out, and there is no WebSocket", "RFC 9110, 7.8"},
	"content-length":               {"the size of the body in bytes", "RFC 9110, 8.6"},
	"content-type":                 {"what the body is", "RFC 9110, 8.3"},
	"content-encoding":             {"how the body is compressed", "RFC 9110, 8.4"},
	"transfer-encoding":            {"the body comes in chunks, each with its size", "RFC 9112, 6.1"},
	"date":                         {"when the answer was made", "RFC 9110, 6.6.1"},
	"cache-control":                {"who may keep the answer for later", "RFC 9111, 5.2"},
	"origin":                       {"the page that asks, by which a server knows a foreign one", "RFC 6454, 7"},
	"vary":                         {"the answer depends on these fields of the request", "RFC 9110, 12.5.5"},
	"etag":                         {"a name for this version of the answer", "RFC 9110, 8.8.3"},
	"set-cookie":                   {"something to send back with each request", "RFC 6265, 4.1"},
	"cookie":                       {"what the server has set", "RFC 6265, 4.2"},
	"x-content-type-options":       {"the type is to be taken at its word", "Fetch, 3.6"},
	"access-control-allow-origin":  {"pages from there may read the answer", "Fetch, 3.3.3"},
	"sec-websocket-key":            {"16 random bytes in base64. The server has to answer what depends on it, which one that does not know WebSocket cannot", "RFC 6455, 11.3.1"},
	"sec-websocket-version":        {"of the WebSocket protocol; 13 is the one of the RFC", "RFC 6455, 11.3.5"},
	"sec-websocket-extensions":     {"extensions, such as compression, that the client can", "RFC 6455, 11.3.2"},
	"sec-websocket-protocol":       {"the protocol inside", "RFC 6455, 11.3.4"},
	"sec-websocket-accept":         {"base64 of the SHA-1 of the key with 258EAFA5-E914-47DA-95CA-C5AB0DC85B11 behind it", "RFC 6455, 11.3.3"},
	"access-control-allow-headers": {"these may be in the request", "Fetch, 3.3.3"},
}
