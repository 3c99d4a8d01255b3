package connection

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"wsvsio/internal/wire"
	"wsvsio/lessons/exercise"
	"wsvsio/lessons/single-connection/solution"
)

func TestExercise(t *testing.T) { exercise.Judge(t, "73685688f7bb", Count, check) }

func TestSolution(t *testing.T) { exercise.Solved(t, solution.Count, check) }

// TestWrong has solutions that leave out one thing.
func TestWrong(t *testing.T) {
	exercise.Solved(t, byHand{}.count, check) // it is the one thing that makes them wrong
	for name, wrong := range map[string]struct {
		count func([][]byte) (connections, requests int)
		why   string
	}{
		"every empty line":       {everyEmptyLine, "a message that is a request"},
		"no length of a body":    {byHand{noLength: true}.count, "a message that is a request"},
		"no end of HTTP":         {byHand{noEnd: true}.count, "a frame that looks like a request"},
		"names as they are sent": {byHand{exactNames: true}.count, "names in small letters"},
		"heads that are cut off": {byHand{cutHeads: true}.count, "a head that has not been sent to its end"},
		"whole bodies alone":     {byHand{wholeBodies: true}.count, "a body that has not been sent to its end"},
	} {
		t.Run(name, func(t *testing.T) { exercise.Refused(t, wrong.why, wrong.count, check) })
	}
}

func everyEmptyLine(sent [][]byte) (connections, requests int) {
	for _, stream := range sent {
		requests += bytes.Count(stream, []byte("\r\n\r\n"))
	}
	return len(sent), requests
}

// byHand counts without net/http. What is set it does wrong.
type byHand struct{ noLength, noEnd, exactNames, cutHeads, wholeBodies bool }

func (b byHand) count(sent [][]byte) (connections, requests int) {
	for _, stream := range sent {
		requests += b.of(string(stream))
	}
	return len(sent), requests
}

// of counts the requests on one connection.
func (b byHand) of(stream string) (requests int) {
	for {
		head, rest, whole := strings.Cut(stream, "\r\n\r\n")
		if !whole {
			if b.cutHeads && head != "" {
				requests++
			}
			return requests
		}
		length, _ := strconv.Atoi(b.field(head, "Content-Length")) // 0 where there is none
		if b.wholeBodies && length > len(rest) {
			return requests
		}
		requests++
		if !b.noEnd && strings.EqualFold(b.field(head, "Upgrade"), "websocket") {
			return requests
		}
		if b.noLength {
			length = 0
		}
		stream = rest[min(length, len(rest)):]
	}
}

// field is the value of a field of a head, "" if it is not there.
func (b byHand) field(head, name string) string {
	for _, line := range strings.Split(head, "\r\n")[1:] {
		if n, value, _ := strings.Cut(line, ":"); n == name || !b.exactNames && strings.EqualFold(n, name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

const (
	upgrade = "GET /ws HTTP/1.1\r\nHost: chat\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	poll    = "GET /socket.io/?EIO=4&transport=polling&sid=a HTTP/1.1\r\nHost: chat\r\n\r\n"
	// The body of a post is what somebody said.
	quote = `42["chat",{"body":"GET / HTTP/1.1\r\n"}]` + " HTTP/1.1\r\n"
	// Names and protocols are the same in small letters and in large ones.
	small = "GET /ws HTTP/1.1\r\nhost: chat\r\nupgrade: WebSocket\r\nconnection: upgrade\r\n\r\n"
)

func post(body string) string {
	return fmt.Sprintf("POST /socket.io/?EIO=4&transport=polling&sid=a HTTP/1.1\r\nHost: chat\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// frame is one of a client that looks like this text behind its header, because
// of how it is masked.
func frame(text string) string {
	const mask = 1
	payload := []byte(text)
	for i := range payload {
		payload[i] ^= mask
	}
	return string(wire.AppendFrame(nil, wire.OpText, [4]byte{mask, mask, mask, mask}, payload))
}

// check has a client on a WebSocket, one on polling and one that goes over.
func check(_ context.Context, count func([][]byte) (connections, requests int)) error {
	line := frame(" HTTP/1.1\r\n")
	lowered := strings.ReplaceAll(post(poll), "Content-Length", "content-length")
	for _, tt := range []struct {
		what                  string
		sent                  []string
		connections, requests int
	}{
		{"a client that has sent nothing", nil, 0, 0},
		{"a plain WebSocket", []string{upgrade + line + line}, 1, 1},
		{"polling with connections that are kept", []string{poll + poll + poll, post("40") + post("2")}, 2, 5},
		{"polling with a connection for each", []string{poll, post("40"), poll}, 3, 3},
		{"a message that quotes a request", []string{poll, post(quote) + post("2")}, 2, 3},
		{"a message that is a request", []string{poll, post(poll) + post("2")}, 2, 3},
		{"a frame that looks like a request", []string{upgrade + frame(poll) + line}, 1, 1},
		{"polling, then an upgrade", []string{poll + poll, post("40"), upgrade + line}, 3, 4},
		{"names in small letters", []string{lowered + poll, small + frame(poll)}, 2, 3},
		{"a head that has not been sent to its end", []string{poll + poll[:len(poll)-2]}, 1, 1},
		{"a body that has not been sent to its end", []string{poll + post(poll)[:len(post(poll))-9]}, 1, 2},
	} {
		var sent [][]byte
		for _, s := range tt.sent {
			sent = append(sent, []byte(s))
		}
		connections, requests := count(sent)
		if connections != tt.connections || requests != tt.requests {
			return fmt.Errorf("%s: %d connections and %d requests, counted %d and %d", tt.what, tt.connections, tt.requests, connections, requests)
		}
	}
	return nil
}
