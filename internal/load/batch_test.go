package load

import (
	"fmt"
	"strings"
	"testing"

	"wsvsio/scenarios"
)

// TestBatches plays the server of a session in batches.
func TestBatches(t *testing.T) {
	c, err := NewCodec(scenarios.ProtocolRaw)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Open(scenarios.Polling, "host", "/ws"); err != nil {
		t.Fatal(err)
	}
	takes := func(stream int, want string) {
		t.Helper()
		if got := string(c.Take(nil, stream)); got != want {
			t.Fatalf("stream %d: %q, want %q", stream, got, want)
		}
	}
	feeds := func(stream int, answer string, want ...string) {
		t.Helper()
		deliveries, err := c.Feed(stream, []byte(answer))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, d := range deliveries {
			got = append(got, fmt.Sprintf("%d %d %s", d.Kind, d.ID, d.Data))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%q, want %q", got, want)
		}
	}
	answer := func(body string) string {
		return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	}
	takes(polls, "POST /ws HTTP/1.1\r\nHost: host\r\nAccept: */*\r\nContent-Length: 0\r\n\r\n")
	feeds(polls, answer(`{"session":"ID","limit":1000,"silenceMs":45000}`), "1 0 ")
	takes(polls, "GET /ws HTTP/1.1\r\nHost: host\r\nAccept: */*\r\nChat: 1 0 ID\r\n\r\n")
	c.Request("join", 1, "room", "ann")
	c.Event("chat", []byte(`{"body":"x"}`))
	const lines = `{"type":"join","id":1,"data":{"room":"room","from":"ann"}}` + "\n" + `chat{"body":"x"}`
	takes(posts, fmt.Sprintf("POST /ws HTTP/1.1\r\nHost: host\r\nAccept: */*\r\nChat: 1 0 ID\r\nContent-Length: %d\r\n\r\n1 0\n%s", 4+len(lines), lines))
	c.Event("chat", []byte(`{"body":"y"}`))
	takes(posts, "")
	feeds(posts, "HTTP/1.1 204 No Content\r\n\r\n")
	feeds(polls, answer("1 2\n"+`{"type":"ack","id":1}`+"\n"+`chat{"body":"x"}`), "2 1 ", `3 0 {"body":"x"}`)
	takes(polls, "GET /ws HTTP/1.1\r\nHost: host\r\nAccept: */*\r\nChat: 1 2 ID\r\n\r\n")
	takes(posts, "POST /ws HTTP/1.1\r\nHost: host\r\nAccept: */*\r\nChat: 1 2 ID\r\nContent-Length: 20\r\n\r\n3 2\nchat"+`{"body":"y"}`)
	feeds(polls, answer("3 3"))
	takes(polls, "GET /ws HTTP/1.1\r\nHost: host\r\nAccept: */*\r\nChat: 1 2 ID\r\n\r\n")
	if _, err := c.Feed(polls, []byte(answer("4 3\nchat{}"))); err == nil || !strings.Contains(err.Error(), "message 3 expected") {
		t.Errorf("a gap: %v", err)
	}
}
