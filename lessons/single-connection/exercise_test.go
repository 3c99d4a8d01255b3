package connection

import (
	"context"
	"fmt"
	"testing"

	"wsvsio/internal/wire"
	"wsvsio/lessons/exercise"
	"wsvsio/lessons/single-connection/solution"
)

func TestExercise(t *testing.T) { exercise.Judge(t, "420900af9567", Count, check) }

func TestSolution(t *testing.T) { exercise.Solved(t, solution.Count, check) }

const (
	upgrade = "GET /ws HTTP/1.1\r\nHost: chat\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
	poll    = "GET /socket.io/?EIO=4&transport=polling&sid=a HTTP/1.1\r\nHost: chat\r\n\r\n"
	// The body of a post is what somebody said.
	quote = `42["chat",{"body":"GET / HTTP/1.1\r\n"}]` + " HTTP/1.1\r\n"
)

func post(body string) string {
	return fmt.Sprintf("POST /socket.io/?EIO=4&transport=polling&sid=a HTTP/1.1\r\nHost: chat\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// check has a client on a WebSocket, one on polling and one that goes over.
func check(_ context.Context, count func([][]byte) (connections, requests int)) error {
	// Masked by this key the payload looks like a request.
	key := [4]byte{1, 1, 1, 1}
	lookalike := []byte(" HTTP/1.1\r\n")
	for i := range lookalike {
		lookalike[i] ^= 1
	}
	frame := string(wire.AppendFrame(nil, wire.OpText, key, lookalike))
	for _, tt := range []struct {
		what                  string
		sent                  []string
		connections, requests int
	}{
		{"a client that has sent nothing", nil, 0, 0},
		{"a plain WebSocket", []string{upgrade + frame + frame}, 1, 1},
		{"polling with connections that are kept", []string{poll + poll + poll, post("40") + post("2")}, 2, 5},
		{"polling with a connection for each", []string{poll, post("40"), poll}, 3, 3},
		{"a message that quotes a request", []string{poll, post(quote) + post("2")}, 2, 3},
		{"polling, then an upgrade", []string{poll + poll, post("40"), upgrade + frame}, 3, 4},
		{"a request that has not been sent to its end", []string{poll + poll[:20]}, 1, 1},
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
