package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// What follows is polling in batches, as rawws/fallback.go has it: each side
// numbers its messages, and tells how far it has got with those of the other.
// Here nothing is sent again: a load whose requests fail is of no use.

// appendShort appends a line: of a message that has no id its type and its data.
func appendShort(dst, packet []byte) []byte {
	dst = append(dst, '\n')
	rest, ok := bytes.CutPrefix(packet, []byte(`{"type":"`))
	kind, data, short := bytes.Cut(rest, []byte(`","data":`))
	if !ok || !short || bytes.IndexByte(kind, '"') >= 0 {
		return append(dst, packet...)
	}
	return append(append(dst, kind...), data[:len(data)-1]...)
}

// appendBatch appends a post of what is queued, or of as much of it as the
// server takes at once.
func (p *polling) appendBatch(dst []byte) []byte {
	head := fmt.Appendf(nil, "%d %d", p.said+1, p.got)
	n := 1
	for n < len(p.ends) && len(head)+p.ends[n] <= p.maxPayload {
		n++
	}
	end := p.ends[n-1]
	dst = p.appendCaller(dst, "POST")
	dst = append(dst, "Content-Length: "...)
	dst = strconv.AppendInt(dst, int64(len(head)+end), 10)
	dst = append(dst, "\r\n\r\n"...)
	dst = append(append(dst, head...), p.queue[:end]...)
	p.said += int64(n)
	p.posted(n)
	return dst
}

// appendCaller appends the head of a request, up to whose it is.
func (p *polling) appendCaller(dst []byte, method string) []byte {
	return fmt.Appendf(dst, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\nChat: 1 %d %s\r\n", method, p.path, p.host, p.got, p.sid)
}

// batch takes the answer to a poll, or to the request that begins the session.
func (p *polling) batch(body []byte, on func([]byte) error) error {
	if p.sid == "" {
		var o struct {
			Session string
			Limit   int
		}
		if err := json.Unmarshal(body, &o); err != nil {
			return fmt.Errorf("poll: opening: %w", err)
		}
		if o.Session == "" {
			return errors.New("poll: opening without a session id")
		}
		p.sid = o.Session
		if o.Limit > 0 {
			p.maxPayload = min(o.Limit, maxBody)
		}
		p.poll = append(p.appendCaller(p.poll[:0], "GET"), "\r\n"...)
		return on([]byte(`{"type":"open"}`))
	}
	head, rest, more := bytes.Cut(body, []byte("\n"))
	number, _, _ := bytes.Cut(head, []byte(" "))
	first, ok := digits(number, 10)
	if !ok || int64(first) != p.got+1 {
		return fmt.Errorf("poll: batch %.80q, message %d expected", head, p.got+1)
	}
	for more {
		var line []byte
		line, rest, more = bytes.Cut(rest, []byte("\n"))
		p.got++
		if err := on(line); err != nil {
			return err
		}
	}
	p.poll = append(p.appendCaller(p.poll[:0], "GET"), "\r\n"...)
	return nil
}
