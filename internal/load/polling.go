package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// polling is the client's half of Engine.IO over HTTP long polling, or of the
// batches of rawws/fallback.go, without input or output: the polls go over stream 0, the posts over stream 1, both
// HTTP/1.1 keep-alive connections.
//
// It does what socket.io-client does: one poll always waits at the server, one
// post at most is under way, and what has been queued meanwhile goes in the
// next. It has no cache-buster in the URL (the parameter t of a browser):
// nobody caches between the load generator and the server.
type polling struct {
	version    int
	host, path string

	sid        string // "" until the handshake
	maxPayload int    // bytes of a post, as the server says
	got, said  int64  // messages of the server, and own ones, where they are counted

	streams [2]exchange

	poll   []byte // the request of each poll
	due    bool   // a poll is to be written
	polled bool   // the server has answered one after the handshake

	post  []byte // the request of each post, up to the length of its body
	queue []byte // packets to post, as the payload frames them
	ends  []int  // where each ends in queue

	requests int64
}

// The streams.
const (
	polls = 0
	posts = 1
)

// The bounds of a response, in bytes.
const (
	maxHead  = 64 << 10 // its head, the trailer, or a line between two chunks
	maxBody  = 64 << 20
	maxQuote = 200 // the part of a body that an error quotes

	// keptBody is the largest buffer that a stream keeps for its next use.
	// go-socket.io sends 4 kB messages in chunks, which have to be joined.
	keptBody = 16 << 10
)

// separator is between the packets of a payload of Engine.IO 4.
const separator = 0x1e

// batches stands for the version where batches are spoken.
const batches = 0

// newPolling returns a session that has not begun, of Engine.IO 3 or 4 or of
// batches.
func newPolling(version int, host, path string) *polling {
	return &polling{version: version, host: host, path: path, maxPayload: maxBody}
}

// start begins the session: its handshake is the first poll.
func (p *polling) start() {
	p.due = true
	if p.version == batches {
		p.poll = fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n", p.path, p.host)
		return
	}
	query := ""
	if p.version == 3 {
		// Else go-socket.io answers in the binary payload. socket.io-client
		// asks for text, too, where it runs in Node.
		query = "&b64=1"
	}
	p.poll = p.request("GET", query, "\r\n")
}

// request builds the head of a request.
func (p *polling) request(method, query, end string) []byte {
	return fmt.Appendf(nil, "%s %s?EIO=%d&transport=polling%s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n%s",
		method, p.path, p.version, query, p.host, end)
}

// send queues a packet, which is copied.
func (p *polling) send(packet []byte) {
	if p.version == batches {
		p.queue = appendShort(p.queue, packet)
	} else if p.version == 3 {
		p.queue = strconv.AppendInt(p.queue, int64(characters(packet)), 10)
		p.queue = append(p.queue, ':')
		p.queue = append(p.queue, packet...)
	} else {
		p.queue = append(p.queue, packet...)
		p.queue = append(p.queue, separator)
	}
	p.ends = append(p.ends, len(p.queue))
}

// count is how many HTTP requests have begun.
func (p *polling) count() int64 { return p.requests }

// take appends what is to be written on a stream now, if anything is. The
// caller has to write all of it.
func (p *polling) take(dst []byte, stream int) []byte {
	switch {
	case stream == polls && p.due:
		p.due = false
		dst = append(dst, p.poll...)
	case stream == posts && p.sid != "" && len(p.ends) > 0 && !p.streams[posts].busy:
		dst = p.appendPost(dst)
	default:
		return dst
	}
	p.streams[stream].busy = true
	p.requests++
	return dst
}

// appendPost appends a post of what is queued, or of as much of it as the
// server takes at once. A packet that is longer goes alone, and is refused.
func (p *polling) appendPost(dst []byte) []byte {
	if p.version == batches {
		return p.appendBatch(dst)
	}
	last := 0 // separator to leave out
	if p.version == 4 {
		last = 1
	}
	fit, _ := slices.BinarySearch(p.ends, p.maxPayload+last+1)
	n := max(1, fit)
	end := p.ends[n-1]
	dst = append(dst, p.post...)
	dst = strconv.AppendInt(dst, int64(end-last), 10)
	dst = append(dst, "\r\n\r\n"...)
	dst = append(dst, p.queue[:end-last]...)
	p.posted(n)
	return dst
}

// posted drops the first packets of the queue.
func (p *polling) posted(n int) {
	end := p.ends[n-1]
	p.ends = p.ends[:copy(p.ends, p.ends[n:])]
	for i := range p.ends {
		p.ends[i] -= end
	}
	p.queue = p.queue[:copy(p.queue, p.queue[end:])]
	if len(p.queue) == 0 && cap(p.queue) > keptBody {
		p.queue, p.ends = nil, nil
	}
}

// feed takes what has been read from a stream. It calls on with each packet of
// the server, in order; a packet is valid until the stream is fed again, and as
// long as in is. After an error, unless it is errEarly, the session is of no
// use.
func (p *polling) feed(stream int, in []byte, on func(packet []byte) error) error {
	x := &p.streams[stream]
	for len(in) > 0 {
		if !x.busy {
			return fmt.Errorf("%s: server sent %.80q, which answers no request", streamNames[stream], in)
		}
		size, body, done, err := x.read(in)
		if err != nil {
			if stream == polls && p.early(err) {
				x.reset()
				p.due = true
				err = fmt.Errorf("%w: %w", errEarly, err)
			}
			return fmt.Errorf("%s: %w", streamNames[stream], err)
		}
		in = in[size:]
		if !done {
			break
		}
		if err := p.answered(stream, body, on); err != nil {
			return err
		}
		if x.closes {
			return fmt.Errorf("%s: %w", streamNames[stream], errCloses)
		}
		x.reset()
	}
	return nil
}

var streamNames = [...]string{polls: "poll", posts: "post"}

var errCloses = errors.New("server closes the connection after its response, polling needs it kept alive")

// errEarly is the error of a session that may go on: the poll is queued again.
//
// go-socket.io tells a client its session id before it knows the id itself,
// and refuses the poll that comes in between. Of a hundred clients that
// connect at once this meets up to five. A session that is given up stays in
// the server until the ping timeout, so it is better asked again than replaced;
// the caller counts, and decides how often.
var errEarly = errors.New("server does not know the session yet")

// early reports whether an error is that of a poll right after the handshake.
func (p *polling) early(err error) bool {
	var refused *statusError
	return p.sid != "" && !p.polled && errors.As(err, &refused) && refused.whole &&
		strings.HasPrefix(refused.status, "400") && strings.HasPrefix(refused.body, "invalid sid value")
}

// closed takes the end of a stream. Between two requests it is no error: HTTP
// servers close what idles, the one of Node after 5 s, and a client that has
// something to say connects again.
func (p *polling) closed(stream int) error {
	if p.streams[stream].busy {
		return fmt.Errorf("%s: connection closed before the response was complete", streamNames[stream])
	}
	return nil
}

// keptFor is how long a stream may idle between two requests and be used again;
// 0 is for ever. The server says when it closes it (Keep-Alive: timeout=5), and
// who writes at that instant does not learn whether it was read. So a client
// connects again a second before, as the agent of Node does.
func (p *polling) keptFor(stream int) time.Duration {
	x := &p.streams[stream]
	if x.keep == 0 || x.busy {
		return 0
	}
	return max(time.Duration(x.keep)*time.Second-time.Second, 1)
}

// answered takes the body of a response.
func (p *polling) answered(stream int, body []byte, on func([]byte) error) error {
	if stream == posts && p.version == batches {
		return nil // its status has said it
	}
	if stream == posts {
		if string(body) != "ok" {
			return fmt.Errorf(`post: server answered %q instead of "ok"`, body[:min(len(body), maxQuote)])
		}
		return nil
	}
	p.due = true
	p.polled = p.sid != ""
	if p.version == batches {
		return p.batch(body, on)
	}
	if p.version == 3 {
		return p.payload3(body, on)
	}
	return p.payload4(body, on)
}

// payload3 takes a payload of Engine.IO 3: before each packet its length and a
// colon. The length is that of a JavaScript string, so it counts UTF-16 code
// units. go-socket.io counts bytes, with which text beyond ASCII is refused
// here as it is by socket.io-client.
func (p *polling) payload3(body []byte, on func([]byte) error) error {
	if len(body) == 0 {
		return errors.New("poll: empty payload")
	}
	for len(body) > 0 {
		length, rest, ok := bytes.Cut(body, []byte(":"))
		n, valid := digits(length, 10)
		if !ok || !valid {
			return fmt.Errorf("poll: payload: no length and colon before packet %.80q", body)
		}
		size, ok := prefix(rest, n)
		if !ok {
			return fmt.Errorf("poll: payload: no %d characters in %.80q", n, rest)
		}
		if err := p.packet(rest[:size], on); err != nil {
			return err
		}
		body = rest[size:]
	}
	return nil
}

// payload4 takes a payload of Engine.IO 4: packets with separators between.
func (p *polling) payload4(body []byte, on func([]byte) error) error {
	for more := true; more; {
		end := bytes.IndexByte(body, separator)
		packet := body
		if more = end >= 0; more {
			packet, body = body[:end], body[end+1:]
		}
		if err := p.packet(packet, on); err != nil {
			return err
		}
	}
	return nil
}

// packet takes a packet of the server.
func (p *polling) packet(packet []byte, on func([]byte) error) error {
	if len(packet) == 0 {
		return errors.New("poll: empty packet")
	}
	if p.sid == "" {
		if err := p.open(packet); err != nil {
			return err
		}
	}
	return on(packet)
}

// open takes the first packet, the handshake.
func (p *polling) open(packet []byte) error {
	if packet[0] != '0' {
		return fmt.Errorf("poll: handshake expected, server sent %.80q", packet)
	}
	var h struct {
		SID        string
		MaxPayload int // bytes
	}
	if err := json.Unmarshal(packet[1:], &h); err != nil {
		return fmt.Errorf("poll: handshake: %w", err)
	}
	if h.SID == "" {
		return errors.New("poll: handshake without a session id")
	}
	p.sid = h.SID
	if h.MaxPayload > 0 {
		p.maxPayload = min(h.MaxPayload, maxBody)
	}
	query := "&sid=" + url.QueryEscape(h.SID)
	p.poll = p.request("GET", query, "\r\n")
	p.post = p.request("POST", query, "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: ")
	return nil
}

// characters is the length of text in UTF-16 code units.
func characters(text []byte) (n int) {
	if ascii(text) {
		return len(text)
	}
	for i := 0; i < len(text); {
		size, units := character(text[i:])
		i += size
		n += units
	}
	return n
}

// prefix is how many bytes the first n UTF-16 code units of text take. It is
// not ok if text is shorter or they end inside a character.
func prefix(text []byte, n int) (size int, ok bool) {
	if n <= len(text) && ascii(text[:n]) {
		return n, true
	}
	for n > 0 && size < len(text) {
		bytes, units := character(text[size:])
		size += bytes
		n -= units
	}
	return size, n == 0
}

// ascii reports whether each byte is a character of its own, as it is usually.
func ascii(text []byte) bool {
	var all byte
	for _, b := range text {
		all |= b
	}
	return all < utf8.RuneSelf
}

// character is how many bytes and UTF-16 code units the first character takes.
func character(text []byte) (size, units int) {
	if text[0] < utf8.RuneSelf {
		return 1, 1
	}
	_, size = utf8.DecodeRune(text)
	if size == 4 {
		return size, 2
	}
	return size, 1
}

// digits reads a number in a base. What is far beyond maxBody is none.
func digits(text []byte, base int) (n int, ok bool) {
	for _, c := range text {
		d := base
		switch {
		case '0' <= c && c <= '9':
			d = int(c - '0')
		case 'a' <= c|0x20 && c|0x20 <= 'f':
			d = int(c|0x20-'a') + 10
		}
		if d >= base || n > maxBody {
			return 0, false
		}
		n = n*base + d
	}
	return n, len(text) > 0
}

// exchange is one keep-alive connection. It reads the responses of HTTP/1.1
// (RFC 9112), one at a time.
type exchange struct {
	busy bool // a request has been taken whose response is not complete

	at      responsePart
	line    []byte // the start of a line whose end has not come yet
	lines   int    // bytes in lines of this part, up to maxHead
	body    []byte // so far
	left    int    // bytes to come of the body or the chunk; -1 is not known
	chunked bool
	empty   bool   // there is no body, and no length of one
	closes  bool   // the server is about to close the connection
	status  string // if it is not 200
	keep    int    // seconds for which the server says that it keeps an idle connection; 0 is not told
}

// responsePart is a part of a response.
type responsePart uint8

const (
	inStatus responsePart = iota
	inHeader
	inBody
	inSize // of a chunk
	inChunk
	inChunkEnd
	inTrailer
)

// reset makes ready for the next request.
func (x *exchange) reset() {
	*x = exchange{line: x.line[:0], body: x.body[:0], keep: x.keep}
	if cap(x.body) > keptBody {
		x.body = nil
	}
}

// read takes bytes of a response, and once it is complete returns its body,
// which may be in in or is valid until the next call. It returns how many
// bytes it took: all of them, unless the response is complete.
func (x *exchange) read(in []byte) (size int, body []byte, done bool, err error) {
	rest := in
	for len(rest) > 0 && !done && err == nil {
		if x.at == inBody || x.at == inChunk {
			n := min(x.left, len(rest))
			done = x.at == inBody && n == x.left
			if done && len(x.body) == 0 {
				body = rest[:n] // as it is usually: nothing is copied
			} else {
				x.body = append(x.body, rest[:n]...)
				body = x.body
			}
			rest, x.left = rest[n:], x.left-n
			if x.at == inChunk && x.left == 0 {
				x.at = inChunkEnd
			}
		} else {
			var line []byte
			var whole bool
			line, rest, whole, err = x.nextLine(rest)
			if whole {
				done, err = x.takeLine(line)
			}
			body = x.body
		}
		if x.status != "" && err == nil && (done || len(body) >= maxQuote) {
			err = &statusError{x.status, string(body[:min(len(body), maxQuote)]), done && !x.closes}
		}
	}
	return len(in) - len(rest), body, done, err
}

// statusError is a response with a status other than 200.
type statusError struct {
	status string // "400 Bad Request"
	body   string // its start
	whole  bool   // the response is complete and the connection of use
}

func (e *statusError) Error() string {
	return fmt.Sprintf("server answered %s: %q", e.status, e.body)
}

// nextLine cuts the next line from in, without its end. What there is of a
// line that is not whole is kept.
func (x *exchange) nextLine(in []byte) (line, rest []byte, whole bool, err error) {
	line, rest, whole = bytes.Cut(in, []byte("\n"))
	x.lines += len(in) - len(rest)
	if x.lines > maxHead {
		return nil, nil, false, fmt.Errorf("response has a head of more than %d KiB", maxHead>>10)
	}
	if !whole || len(x.line) > 0 {
		x.line = append(x.line, line...)
		line = x.line
	}
	if whole {
		x.line = x.line[:0]
	}
	return bytes.TrimSuffix(line, []byte("\r")), rest, whole, nil
}

// takeLine takes a line, and reports whether the response is complete.
func (x *exchange) takeLine(line []byte) (done bool, err error) {
	switch {
	case x.at == inStatus:
		return false, x.statusLine(line)
	case x.at == inHeader && len(line) > 0:
		return false, x.header(line)
	case x.at == inHeader:
		return x.headEnd()
	case x.at == inSize:
		return false, x.chunkSize(line)
	case x.at == inChunkEnd:
		if len(line) > 0 {
			return false, fmt.Errorf("chunk is longer than its size: %.80q", line)
		}
		x.at = inSize
		return false, nil
	}
	return len(line) == 0, nil // of the trailer
}

func (x *exchange) statusLine(line []byte) error {
	version, status, _ := bytes.Cut(line, []byte(" "))
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) {
		return fmt.Errorf("server does not speak HTTP/1.1: it sent %.80q", line)
	}
	code, _, _ := bytes.Cut(status, []byte(" "))
	x.empty = string(code) == "204"
	if string(code) != "200" && !x.empty {
		x.status = fmt.Sprintf("%.80s", status)
	} else if string(version) != "HTTP/1.1" {
		return fmt.Errorf("server speaks %s, which keeps no connection alive", version)
	}
	x.at, x.left = inHeader, -1
	return nil
}

func (x *exchange) header(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok {
		return fmt.Errorf("response header without a colon: %.80q", line)
	}
	value = bytes.Trim(value, " \t")
	switch {
	case sameName(name, "Content-Length"):
		n, ok := digits(value, 10)
		switch {
		case !ok || x.left >= 0 && x.left != n:
			return fmt.Errorf("response with Content-Length %.80q", value)
		case n > maxBody && x.status == "":
			return errTooLong
		}
		x.left = n
	case sameName(name, "Transfer-Encoding"):
		if !sameName(value, "chunked") {
			return fmt.Errorf("response with Transfer-Encoding %.80q, only chunked is understood", value)
		}
		x.chunked = true
	case sameName(name, "Content-Encoding"):
		if !sameName(value, "identity") {
			return fmt.Errorf("response with Content-Encoding %.80q, none was asked for", value)
		}
	case sameName(name, "Keep-Alive"):
		for parameter := range bytes.SplitSeq(value, []byte(",")) {
			name, value, _ := bytes.Cut(bytes.Trim(parameter, " \t"), []byte("="))
			if n, ok := digits(value, 10); ok && sameName(name, "timeout") {
				x.keep = n
			}
		}
	case sameName(name, "Connection"):
		for option := range bytes.SplitSeq(value, []byte(",")) {
			x.closes = x.closes || sameName(bytes.Trim(option, " \t"), "close")
		}
	}
	return nil
}

// sameName compares without regard to case.
func sameName(text []byte, want string) bool {
	return len(text) == len(want) && strings.EqualFold(string(text), want)
}

var errTooLong = fmt.Errorf("response has a body of more than %d MiB", maxBody>>20)

// headEnd finds out how the body ends (RFC 9112, section 6.3).
func (x *exchange) headEnd() (done bool, err error) {
	x.lines = 0
	switch {
	case x.chunked && x.left >= 0:
		return false, errors.New("response has both Content-Length and chunks")
	case x.chunked:
		x.at = inSize
		return false, nil
	case x.left > 0 && !strings.HasPrefix(x.status, "1") && !strings.HasPrefix(x.status, "304"):
		x.at = inBody
		return false, nil
	case x.left >= 0 || x.status != "" || x.empty:
		return true, nil
	case x.closes:
		return false, errCloses
	}
	return false, errors.New("response has neither Content-Length nor chunks")
}

func (x *exchange) chunkSize(line []byte) error {
	size, _, _ := bytes.Cut(line, []byte(";")) // an extension may follow
	n, ok := digits(bytes.TrimRight(size, " \t"), 16)
	switch {
	case !ok:
		return fmt.Errorf("chunk of size %.80q", line)
	case n > maxBody-len(x.body) && x.status == "":
		return errTooLong
	}
	x.at, x.left, x.lines = inChunk, n, 0
	if n == 0 {
		x.at = inTrailer
	}
	return nil
}
