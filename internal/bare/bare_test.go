package bare

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// serve starts a server and returns it with its URL.
func serve(t *testing.T, cfg scenarios.ServerConfig) (*Server, string) {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		web.Close()
	})
	return s.(*Server), "ws" + strings.TrimPrefix(web.URL, "http")
}

// dial connects a client that has joined, so that the server knows it.
func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	send(t, conn, `{"type":"join","id":7,"data":{"room":"r","from":"ann"}}`)
	expect(t, conn, `{"type":"ack","id":7}`)
	return conn
}

func send(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, conn *websocket.Conn, want string) {
	t.Helper()
	kind, text, err := conn.ReadMessage()
	if err != nil || kind != websocket.TextMessage || string(text) != want {
		t.Fatalf("got %.80q of kind %d, %v; want %.80q", text, kind, err, want)
	}
}

// TestPassesOn has what comes in arrive at all as it came, in its order, and
// an answer to a request at the one who asked.
func TestPassesOn(t *testing.T) {
	_, url := serve(t, scenarios.ServerConfig{})
	conns := []*websocket.Conn{dial(t, url), dial(t, url), dial(t, url)}
	texts := []string{
		`{"type":"chat","data":{"seq":1,  "room":"r"}}`, "no JSON", "", "grüße",
		`{"type":"join"}`, strings.Repeat("x", 125), strings.Repeat("x", 126),
		strings.Repeat("x", 70_000),
	}
	for _, text := range texts {
		send(t, conns[0], text)
	}
	send(t, conns[0], `{"type":"leave","id":8}`)
	for i, conn := range conns {
		for _, text := range texts {
			expect(t, conn, text)
		}
		if i == 0 {
			expect(t, conn, `{"type":"ack","id":8}`)
		}
	}
	send(t, conns[1], "last")
	for _, conn := range conns {
		expect(t, conn, "last")
	}
}

// TestSlowReader disconnects a client that does not read; the other one gets
// everything.
func TestSlowReader(t *testing.T) {
	s, url := serve(t, scenarios.ServerConfig{Queue: 16})
	slow, fast := dial(t, url), dial(t, url)
	// 32 MiB is more than the system buffers between the two.
	body := strings.Repeat("x", 64<<10)
	for range 512 {
		send(t, fast, body)
		expect(t, fast, body) // one at a time: it must not be slow, either
	}
	s.mu.RLock()
	n := len(s.clients)
	s.mu.RUnlock()
	if n != 1 {
		t.Errorf("%d clients are connected, want the fast one alone", n)
	}
	var err error
	for err == nil {
		_, _, err = slow.ReadMessage()
	}
}

func TestReadLimit(t *testing.T) {
	_, url := serve(t, scenarios.ServerConfig{ReadLimit: 1000})
	conn := dial(t, url)
	send(t, conn, strings.Repeat("x", 1001))
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseMessageTooBig) {
		t.Errorf("%v, want close code %d", err, websocket.CloseMessageTooBig)
	}
}

// TestShutdown says good-bye, and cuts off who does not answer.
func TestShutdown(t *testing.T) {
	s, url := serve(t, scenarios.ServerConfig{})
	conn := dial(t, url)
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	if _, _, err := conn.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the client reads %v, want close code %d", err, websocket.CloseGoingAway)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}

	s, url = serve(t, scenarios.ServerConfig{})
	dial(t, url) // and reads no more
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := s.Shutdown(ctx); err == nil {
		t.Error("shutdown waited for nobody")
	}
	if len(s.clients) != 0 {
		t.Errorf("%d clients are connected after the shutdown", len(s.clients))
	}
}

func TestAnswer(t *testing.T) {
	for text, want := range map[string]string{
		`{"type":"join","id":1,"data":{"room":"bench","from":"load"}}`:  `{"type":"ack","id":1}`,
		`{"type":"leave","id":12,"data":{}}`:                            `{"type":"ack","id":12}`,
		`{"type":"join","id":9223372036854775807}`:                      `{"type":"ack","id":9223372036854775807}`,
		`{"type":"join","id":9223372036854775808}`:                      "",
		`{"type":"join","id":`:                                          "",
		`{"type":"join","id":"1"}`:                                      "",
		`{"type":"join"}`:                                               "",
		`{"type":"chat","data":{"body":"{\"type\":\"join\",\"id\":1"}}`: "",
		"": "",
	} {
		got, ok := answer([]byte(text))
		if string(got) != want || ok != (want != "") {
			t.Errorf("%s: %q, %t, want %q", text, got, ok, want)
		}
	}
}

// FuzzAnswer compares it with a parser of JSON.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"type":"join","id":1,"data":{"room":"r"}}`))
	f.Add([]byte(`{"type":"leave","id":00}`))
	f.Add([]byte(`{"type":"join","id":-1}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, ok := answer(text)
		if !ok {
			if got != nil {
				t.Errorf("%q: an answer to no request: %q", text, got)
			}
			return
		}
		var ack, request struct {
			Type string
			ID   int64
		}
		if err := json.Unmarshal(got, &ack); err != nil || ack.Type != "ack" {
			t.Fatalf("%q: answer %q, %v", text, got, err)
		}
		// Of what is said twice, a parser of JSON takes the later one.
		if bytes.Count(bytes.ToLower(text), []byte("id")) > 1 || bytes.IndexByte(text, '\\') >= 0 {
			return
		}
		if json.Unmarshal(text, &request) == nil && request.ID != ack.ID {
			t.Errorf("%q: answer %q", text, got)
		}
	})
}

// TestWordForWord compares session.go with rawws: where the two differ in more
// than the chat, the one does not tell what the other's envelope costs.
func TestWordForWord(t *testing.T) {
	theirs := declarations(t, "../../rawws/server.go")
	ours := declarations(t, "session.go")
	if len(ours) < 10 {
		t.Fatalf("session.go has %d declarations, which is less than a session takes", len(ours))
	}
	// What rawws does for sessions that go on, behind proxies and without a
	// WebSocket is not asked of it here.
	resume := strings.NewReplacer(
		"c.ended, c.parted = true, true", "c.ended = true",
		"\tif c.seat != nil {\n\t\tc.server.acknowledge(c)\n\t}\n", "",
		"s.enter(c, r.Header.Get(claimHeader))", "s.enter(c)",
		"forwarded(s.cfg, r)", "r",
		"&session{\n\t\tserver:\ts, conn: conn, link: conn, timeout: s.cfg.WriteTimeout,\n\t}", "&session{server: s, conn: conn, timeout: s.cfg.WriteTimeout}",
		"\tif c.take != nil {\n\t\tc.take(f)\n\t\treturn\n\t}\n", "",
		"c.link.", "c.conn.",
	)
	for name, text := range ours {
		if want := resume.Replace(theirs[name]); want != text {
			t.Errorf("%s differs from that of rawws, which is:\n%s", name, want)
		}
	}
	chat := []string{"session.handle", "session.act", "session.ack"}
	for name := range theirs {
		if strings.HasPrefix(name, "session.") && !slices.Contains(chat, name) && ours[name] == "" {
			t.Errorf("session.go has no %s", name)
		}
	}
}

// declarations returns the source of the functions and constants in a file,
// with their comments.
func declarations(t *testing.T, file string) map[string]string {
	t.Helper()
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]string)
	for _, d := range parsed.Decls {
		name := ""
		switch d := d.(type) {
		case *ast.FuncDecl:
			name = d.Name.Name
			if d.Recv != nil {
				name = d.Recv.List[0].Type.(*ast.StarExpr).X.(*ast.Ident).Name + "." + name
			}
		case *ast.GenDecl:
			if d.Tok != token.CONST {
				continue
			}
			name = fmt.Sprint("const ", d.Specs[0].(*ast.ValueSpec).Names[0])
		}
		var text bytes.Buffer
		if err := printer.Fprint(&text, set, &printer.CommentedNode{Node: d, Comments: parsed.Comments}); err != nil {
			t.Fatal(err)
		}
		found[name] = text.String()
	}
	return found
}

// TestWordForWordInNode does the same for the server in Node.
func TestWordForWordInNode(t *testing.T) {
	ours, err := os.ReadFile("node/server.mjs")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := os.ReadFile("../../rawws/node/server.mjs")
	if err != nil {
		t.Fatal(err)
	}
	_, copied, ok := strings.Cut(string(ours), "// What follows is rawws/node/server.mjs, word for word.\n\n")
	parts := strings.Split(strings.TrimSpace(copied), "\n}\n")
	if !ok || len(parts) < 2 {
		t.Fatalf("%d functions are copied, which is less than a server takes", len(parts))
	}
	// So are the settings, and what is common to both servers' frame.
	for _, from := range []string{"const defaults = {", "const closeGrace =", "  const wss = new ", "  async function shutdown("} {
		_, rest, ok := strings.Cut(string(ours), from)
		end := strings.Index(rest, "\n\n")
		if !ok || end < 0 {
			t.Fatalf("node/server.mjs has no %q", from)
		}
		parts = append(parts, from+rest[:end])
	}
	// Nor is what joins it with other nodes.
	theirs = bytes.Replace(theirs, []byte("    await chat.nodes?.leave();\n"), nil, 1)
	for _, part := range parts {
		if part = strings.TrimSpace(part); !strings.Contains(string(theirs), part) {
			t.Errorf("this is not in rawws/node/server.mjs:\n%s", part)
		}
	}
}
