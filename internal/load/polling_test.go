package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wsvsio/scenarios"
	"wsvsio/sio"
)

// whole builds a response with a length.
func whole(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

// chunked builds a response in chunks of n bytes.
func chunked(body string, n int) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n")
	for chunk := range slices.Chunk([]byte(body), n) {
		fmt.Fprintf(&b, "%X ;name=value\r\n%s\r\n", len(chunk), chunk)
	}
	return b.String() + "0\r\nTrailer: x\r\n\r\n"
}

// handshakes are the first payloads of the servers.
var handshakes = map[int]string{
	3: `31:0{"sid":"a/b","upgrades":[]}` + " \n\n",
	4: `0{"sid":"a/b","upgrades":[],"maxPayload":30}`,
}

// begun returns a session whose handshake is done and whose next poll waits at
// the server.
func begun(t testing.TB, version int) *polling {
	t.Helper()
	p := newPolling(version, "h:1", "/socket.io/")
	p.start()
	p.take(nil, polls)
	if err := p.feed(polls, []byte(whole(handshakes[version])), func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	p.take(nil, polls)
	return p
}

// feedPieces feeds a stream in pieces that end where cut says, and returns the
// packets that came of it.
func feedPieces(p *polling, stream int, in string, cut func(left int) int) (got []string, err error) {
	for data := []byte(in); len(data) > 0 && err == nil; {
		n := cut(len(data))
		// A copy, so that whoever reads on behind it is found out.
		piece := bytes.Clone(data[:n])
		err = p.feed(stream, piece, func(packet []byte) error {
			got = append(got, string(packet))
			return nil
		})
		clear(piece)
		data = data[n:]
	}
	return got, err
}

// pieces cuts into n bytes each.
func pieces(n int) func(int) int { return func(left int) int { return min(n, left) } }

func TestPayloads(t *testing.T) {
	long := `42["chat","` + strings.Repeat("é", 5000) + `"]`
	tests := []struct {
		version int
		body    string
		want    []string
	}{
		{3, `2:40`, []string{"40"}},
		{3, `1:64:3abc1:2`, []string{"6", "3abc", "2"}},
		{3, "8:431[\"\"]\n", []string{"431[\"\"]\n"}},
		{3, `005:4a:bc`, []string{"4a:bc"}},
		{3, `8:b4aGVsbG1:3`, []string{"b4aGVsbG", "3"}},
		// As engine.io-parser 2.2 writes them: lengths of JavaScript strings.
		{3, `4:4äöü4:4€€€5:4😀😀2:4x`, []string{"4äöü", "4€€€", "4😀😀", "4x"}},
		{3, "5013:" + long + "1:6", []string{long, "6"}},
		{4, "2", []string{"2"}},
		{4, "40{}\x1e6\x1e42[\"a:b\"]\x1ebaGVsbG8=", []string{"40{}", "6", `42["a:b"]`, "baGVsbG8="}},
		{4, "4äöü\x1e4😀\x1e" + long, []string{"4äöü", "4😀", long}},
	}
	for _, tt := range tests {
		for name, response := range map[string]string{
			"whole":         whole(tt.body),
			"large chunks":  chunked(tt.body, 1000),
			"single bytes":  chunked(tt.body, 1),
			"other headers": "HTTP/1.1 200\r\nKeep-Alive: timeout=5\r\nconnection:keep-alive\r\nContent-Encoding: identity\r\nCONTENT-LENGTH:\t" + fmt.Sprint(len(tt.body)) + " \r\nX:\r\n\r\n" + tt.body,
			"bare newlines": strings.Replace(whole(tt.body), "\r\n", "\n", 4),
		} {
			random := rand.New(rand.NewPCG(1, 2))
			cuts := map[string]func(int) int{
				"at once": func(left int) int { return left },
				"bytes":   pieces(1),
				"thirds":  pieces(3),
			}
			for i := range 20 {
				cuts[fmt.Sprint("at random ", i)] = func(left int) int { return 1 + random.IntN(min(left, 1<<random.IntN(14))) }
			}
			for how, cut := range cuts {
				p := begun(t, tt.version)
				got, err := feedPieces(p, polls, response, cut)
				if err != nil || !slices.Equal(got, tt.want) {
					t.Fatalf("version %d, %.60q, %s, %s: %.200q, %v", tt.version, tt.body, name, how, got, err)
				}
				// The stream is of use again, and its next poll is due.
				p.take(nil, polls)
				again, err := feedPieces(p, polls, response, cut)
				if err != nil || !slices.Equal(again, tt.want) {
					t.Fatalf("version %d, %.60q, %s, %s, again: %.200q, %v", tt.version, tt.body, name, how, again, err)
				}
			}
		}
	}
}

// TestKept has a packet outlive the call that it was passed on in.
func TestKept(t *testing.T) {
	for _, response := range []string{whole("4one\x1e4two"), chunked("4one\x1e4two", 3)} {
		p := begun(t, 4)
		var kept [][]byte
		for in := range slices.Chunk([]byte(response), len(response)/2) {
			if err := p.feed(polls, in, func(packet []byte) error {
				kept = append(kept, packet)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		p.send([]byte("4three"))
		p.take(nil, posts)
		p.take(nil, polls)
		if got := string(bytes.Join(kept, []byte(" "))); got != "4one 4two" {
			t.Errorf("kept %q", got)
		}
	}
}

// TestRequests goes through a session and looks at each request.
func TestRequests(t *testing.T) {
	for version, wants := range map[int]struct{ handshake, three, two, euro string }{
		3: {"&b64=1", "2:401:24:4abc", "1:31:6", "4:4€😀"},
		4: {"", "40\x1e2\x1e4abc", "3\x1e6", "4€😀"},
	} {
		t.Run(fmt.Sprint(version), func(t *testing.T) {
			p := newPolling(version, "h:1", "/socket.io/")
			taken := 0
			expect := func(stream int, want string) {
				t.Helper()
				got := p.take([]byte("before "), stream)
				if want != "" {
					taken++
				}
				if string(got) != "before "+want {
					t.Errorf("to write on stream %d is %q\nwant %q", stream, got[len("before "):], want)
				}
				if p.count() != int64(taken) {
					t.Errorf("%d requests counted, want %d", p.count(), taken)
				}
			}
			answer := func(stream int, body string) {
				t.Helper()
				if _, err := feedPieces(p, stream, whole(body), pieces(1000)); err != nil {
					t.Fatal(err)
				}
			}
			get := func(query string) string {
				return fmt.Sprintf("GET /socket.io/?EIO=%d&transport=polling%s HTTP/1.1\r\nHost: h:1\r\nAccept: */*\r\n\r\n", version, query)
			}
			post := func(body string) string {
				return fmt.Sprintf("POST /socket.io/?EIO=%d&transport=polling&sid=a%%2Fb HTTP/1.1\r\nHost: h:1\r\nAccept: */*\r\n"+
					"Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %d\r\n\r\n%s", version, len(body), body)
			}

			expect(polls, "") // nothing before start
			p.start()
			packet := []byte("40")
			p.send(packet)
			packet[0] = 'x' // it has been copied
			expect(posts, "")
			expect(polls, get(wants.handshake))
			expect(polls, "")
			answer(polls, handshakes[version])
			expect(polls, get("&sid=a%2Fb"))

			// What is queued goes in one post.
			p.send([]byte("2"))
			p.send([]byte("4abc"))
			expect(posts, post(wants.three))
			expect(posts, "")

			// One post is under way: what comes meanwhile waits for it. The
			// polls do not.
			p.send([]byte("3"))
			expect(posts, "")
			answer(polls, map[int]string{3: "1:2", 4: "2"}[version])
			expect(polls, get("&sid=a%2Fb"))
			p.send([]byte("6"))
			expect(posts, "")
			answer(posts, "ok")
			expect(posts, post(wants.two))
			answer(posts, "ok")
			expect(posts, "")

			p.send([]byte("4€😀"))
			expect(posts, post(wants.euro))
			expect(polls, "")
		})
	}
}

// TestMaxPayload has more to post than the server takes at once, which here is
// 30 bytes.
func TestMaxPayload(t *testing.T) {
	p := begun(t, 4)
	for _, size := range []int{10, 8, 10, 1, 30, 30, 40, 2} {
		p.send(bytes.Repeat([]byte("4"), size))
	}
	var sizes []int
	for {
		request := string(p.take(nil, posts))
		if request == "" {
			break
		}
		head, body, _ := strings.Cut(request, "\r\n\r\n")
		if want := fmt.Sprintf("Content-Length: %d", len(body)); !strings.HasSuffix(head, want) {
			t.Errorf("request %q lacks %q", request, want)
		}
		for packet := range strings.SplitSeq(body, "\x1e") {
			sizes = append(sizes, len(packet))
		}
		sizes = append(sizes, 0)
		if _, err := feedPieces(p, posts, whole("ok"), pieces(1000)); err != nil {
			t.Fatal(err)
		}
	}
	// 10, 8 and 10 are 30 with what is between them. One that is too long goes
	// alone.
	if want := []int{10, 8, 10, 0, 1, 0, 30, 0, 30, 0, 40, 0, 2, 0}; !slices.Equal(sizes, want) {
		t.Errorf("sizes in the posts %d\nwant %d", sizes, want)
	}
}

func TestPollingErrors(t *testing.T) {
	const status = "HTTP/1.1 200 OK\r\n"
	refusal := func(status, body string) string {
		return strings.Replace(whole(body), "200 OK", status, 1)
	}
	tests := []struct {
		version int
		stream  int
		in      string
		want    string
	}{
		// HTTP
		{4, polls, refusal("400 Bad Request", `{"code":1}`), `poll: server answered 400 Bad Request: "{\"code\":1}"`},
		{4, posts, refusal("413 ", ""), `post: server answered 413 : ""`},
		{4, posts, refusal("500 Internal Server Error", strings.Repeat("x", 1000)), `"` + strings.Repeat("x", maxQuote) + `"`},
		{4, posts, strings.Replace(chunked(strings.Repeat("x", 1000), 150), "200 OK", "502 Bad Gateway", 1), "502 Bad Gateway: \"" + strings.Repeat("x", maxQuote) + `"`},
		{4, polls, strings.Replace(chunked("gone", 3), "200 OK", "502 Bad Gateway", 1), `502 Bad Gateway: "gone"`},
		{4, polls, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\n\r\n", "403 Forbidden"},
		{4, polls, "HTTP/1.1 100 Continue\r\n\r\n", "100 Continue"},
		{4, polls, "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "304 Not Modified"},
		{4, polls, "HTTP/1.1 400 Bad Request\r\nContent-Length: 99999999\r\n\r\n" + strings.Repeat("x", maxQuote), "400 Bad Request"},
		{4, polls, "HTTP/1.0 200 OK\r\n", "HTTP/1.0, which keeps no connection"},
		{4, polls, "HTTP/2 200\r\n", "does not speak HTTP/1.1"},
		{4, polls, "SSH-2.0-OpenSSH\r\n", `does not speak HTTP/1.1: it sent "SSH-2.0-OpenSSH"`},
		{4, polls, status + "Connection: close\r\n\r\n", "closes the connection"},
		{4, polls, status + "Connection: x, Close\r\nContent-Length: 2\r\n\r\n42", "closes the connection"},
		{4, polls, status + "\r\n", "neither Content-Length nor chunks"},
		{4, polls, status + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "both Content-Length and chunks"},
		{4, polls, status + "Content-Length: 1\r\nContent-Length: 2\r\n", `Content-Length "2"`},
		{4, polls, status + "Content-Length: -1\r\n", `Content-Length "-1"`},
		{4, polls, status + "Content-Length: \x11\r\n", "Content-Length"},
		{4, polls, status + "Content-Length:\r\n", `Content-Length ""`},
		{4, polls, status + "Content-Length: 67108865\r\n", "more than 64 MiB"},
		{4, polls, status + "Content-Length: 99999999999999999999\r\n", "Content-Length"},
		{4, polls, status + "Transfer-Encoding: gzip, chunked\r\n", "only chunked is understood"},
		{4, polls, status + "Content-Encoding: gzip\r\n", "none was asked for"},
		{4, polls, status + "nonsense\r\n", "without a colon"},
		{4, polls, status + "X: " + strings.Repeat("x", 64<<10), "head of more than 64 KiB"},
		{4, polls, status + strings.Repeat("X: x\r\n", 64<<10), "head of more than 64 KiB"},
		{4, polls, status + "Transfer-Encoding: chunked\r\n\r\nx\r\n", `chunk of size "x"`},
		{4, polls, status + "Transfer-Encoding: chunked\r\n\r\n\r\n", `chunk of size ""`},
		{4, polls, status + "Transfer-Encoding: chunked\r\n\r\n2\r\n423\r\n", "chunk is longer"},
		{4, polls, status + "Transfer-Encoding: chunked\r\n\r\n4000001\r\n", "more than 64 MiB"},
		{4, polls, status + "Transfer-Encoding: chunked\r\n\r\n1\r\n4\r\n4000000\r\n", "more than 64 MiB"},
		{4, polls, status + "Transfer-Encoding: chunked\r\n\r\n0\r\n" + strings.Repeat("X: x\r\n", 64<<10), "head of more than 64 KiB"},
		{4, posts, whole("ok") + whole("ok"), "post: server sent \"H"},
		{4, posts, whole("ok") + "x", "answers no request"},
		{4, posts, whole("nok"), `post: server answered "nok" instead of "ok"`},

		// Payloads
		{3, polls, whole(""), "empty payload"},
		{3, polls, whole("0:"), "empty packet"},
		{3, polls, whole("40"), `no length and colon before packet "40"`},
		{3, polls, whole(":40"), "no length and colon"},
		{3, polls, whole("2:40-1:4"), "no length and colon"},
		{3, polls, whole("2:40x"), "no length and colon"},
		{3, polls, whole("9999999999:4"), "no length and colon"},
		{3, polls, whole("99999999:4"), `no 99999999 characters in "4"`},
		{3, polls, whole("2:4😀"), "no 2 characters"},         // ends inside a surrogate pair
		{3, polls, whole("3:4€"), "no 3 characters"},         // bytes less one
		{3, polls, whole("\x00\x02\xff40"), "no length"},     // the binary payload
		{4, polls, whole(""), "empty packet"},                // as is a payload of none
		{4, polls, whole("42\x1e\x1e42"), "empty packet"},    //
		{4, polls, whole("42\x1e"), "empty packet"},          //
		{3, polls, whole("2:4a2:4bx"), "no length and colo"}, // after two that are good
	}
	for _, tt := range tests {
		for _, n := range []int{len(tt.in), 1, 7, 1000} {
			p := begun(t, tt.version)
			p.send([]byte("2"))
			p.take(nil, posts)
			_, err := feedPieces(p, tt.stream, tt.in, pieces(n))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%.80q in pieces of %d: error %v\nwant one with %q", tt.in, n, err, tt.want)
			}
		}
	}
}

func TestPollingHandshakeErrors(t *testing.T) {
	for in, want := range map[string]string{
		whole("40"):            `handshake expected, server sent "40"`,
		whole("0"):             "handshake: ",
		whole("0{}"):           "without a session id",
		whole(`0{"sid":1}`):    "handshake: ",
		whole(""):              "empty packet",
		whole("2\x1e0{}"):      "handshake expected",
		"HTTP/1.1 404 Not\r\n": "",
	} {
		p := newPolling(4, "h:1", "/socket.io/")
		p.start()
		p.take(nil, polls)
		got, err := feedPieces(p, polls, in, pieces(1000))
		if len(got) > 0 || (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, error %v, want one with %q", in, got, err, want)
		}
	}
	p := newPolling(4, "h:1", "/socket.io/")
	if err := p.feed(polls, []byte("x"), nil); err == nil || !strings.Contains(err.Error(), "answers no request") {
		t.Errorf("bytes before the handshake: %v", err)
	}
}

// TestCallback has the caller refuse a packet: the others are not passed on.
func TestCallback(t *testing.T) {
	p := begun(t, 4)
	refused := errors.New("refused")
	var got []string
	err := p.feed(polls, []byte(whole("41\x1e42\x1e43")), func(packet []byte) error {
		got = append(got, string(packet))
		if string(packet) == "42" {
			return refused
		}
		return nil
	})
	if err != refused || !slices.Equal(got, []string{"41", "42"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestLastPackets are delivered though the server closes the connection.
func TestLastPackets(t *testing.T) {
	p := begun(t, 4)
	in := strings.Replace(whole("42[]\x1e1"), "\r\n", "\r\nConnection: close\r\n", 1)
	got, err := feedPieces(p, polls, in, pieces(5))
	if !errors.Is(err, errCloses) || !slices.Equal(got, []string{"42[]", "1"}) {
		t.Errorf("%q, %v", got, err)
	}
}

// TestEarly has the server refuse the first polls after the handshake, as
// go-socket.io does.
func TestEarly(t *testing.T) {
	refusal := strings.Replace(whole("invalid sid value: a/b\n"), "200 OK", "400 Bad Request", 1)
	p := begun(t, 3)
	for range 3 {
		_, err := feedPieces(p, polls, refusal, pieces(9))
		if !errors.Is(err, errEarly) {
			t.Fatal(err)
		}
		if request := string(p.take(nil, polls)); !strings.Contains(request, "&sid=a%2Fb") {
			t.Fatalf("request %q after the refusal", request)
		}
	}
	if p.count() != 5 {
		t.Errorf("%d requests", p.count())
	}
	if got, err := feedPieces(p, polls, whole("2:40"), pieces(9)); err != nil || !slices.Equal(got, []string{"40"}) {
		t.Fatalf("%q, %v", got, err)
	}
	// From now on it is an error like any other: the session is over.
	p.take(nil, polls)
	if _, err := feedPieces(p, polls, refusal, pieces(9)); err == nil || errors.Is(err, errEarly) {
		t.Errorf("later on: %v", err)
	}
	// So it is where the connection cannot be used again, and for a post.
	for stream, in := range map[int]string{
		polls: strings.Replace(refusal, "\r\n", "\r\nConnection: close\r\n", 1),
		posts: refusal,
	} {
		p := begun(t, 3)
		p.send([]byte("2"))
		p.take(nil, posts)
		if _, err := feedPieces(p, stream, in, pieces(9)); err == nil || errors.Is(err, errEarly) {
			t.Errorf("stream %d: %v", stream, err)
		}
	}
}

func TestClosed(t *testing.T) {
	p := begun(t, 4)
	if err := p.closed(posts); err != nil {
		t.Errorf("while nothing is under way: %v", err)
	}
	if err := p.closed(polls); err == nil || !strings.Contains(err.Error(), "poll: connection closed") {
		t.Errorf("during a poll: %v", err)
	}
	p.send([]byte("2"))
	p.take(nil, posts)
	if _, err := feedPieces(p, posts, "HTTP/1.1 200 OK\r\nContent-Le", pieces(9)); err != nil {
		t.Fatal(err)
	}
	if err := p.closed(posts); err == nil || !strings.Contains(err.Error(), "post: connection closed") {
		t.Errorf("during a response: %v", err)
	}
}

// exchangeOnce takes a session through a poll and a post.
func exchangeOnce(p *polling, poll, post, packet []byte, on func([]byte) error, dst []byte) ([]byte, error) {
	if err := p.feed(polls, poll[:100], on); err != nil {
		return dst, err
	}
	if err := p.feed(polls, poll[100:], on); err != nil {
		return dst, err
	}
	p.send(packet)
	p.send(packet)
	dst = p.take(p.take(dst[:0], posts), polls)
	return dst, p.feed(posts, post, on)
}

// exchanges are responses to polls for exchangeOnce.
func exchanges() map[string]struct {
	version int
	poll    []byte
} {
	packet := `42["chat",{"room":"bench","from":"load","seq":1000000000,"body":"` + strings.Repeat("x", 128) + `"}]`
	four := strings.Repeat(packet+"\x1e", 3) + packet
	return map[string]struct {
		version int
		poll    []byte
	}{
		"eio=3":         {3, []byte(whole(fmt.Sprintf("%d:%s", len(packet), packet)))},
		"eio=4":         {4, []byte(whole(four))},
		"eio=4/chunked": {4, []byte(chunked(four, 300))},
	}
}

func TestPollingAllocations(t *testing.T) {
	for name, e := range exchanges() {
		p := begun(t, e.version)
		packets := 0
		on := func([]byte) error {
			packets++
			return nil
		}
		post, packet := []byte(whole("ok")), []byte(`42["chat",{}]`)
		var dst []byte
		allocations := testing.AllocsPerRun(100, func() {
			var err error
			if dst, err = exchangeOnce(p, e.poll, post, packet, on, dst); err != nil {
				t.Fatal(err)
			}
		})
		if allocations != 0 || packets < 100 {
			t.Errorf("%s: %v allocations for a poll and a post, %d packets", name, allocations, packets)
		}
	}
}

func BenchmarkPolling(b *testing.B) {
	for name, e := range exchanges() {
		b.Run(name, func(b *testing.B) {
			p := begun(b, e.version)
			on := func([]byte) error { return nil }
			post, packet := []byte(whole("ok")), []byte(`42["chat",{}]`)
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if dst, err = exchangeOnce(p, e.poll, post, packet, on, dst); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// FuzzPolling checks that nothing a server sends breaks a session, and that it
// does not matter how the streams are cut.
func FuzzPolling(f *testing.F) {
	for version, handshake := range handshakes {
		for _, poll := range []string{
			whole("2:401:2"), whole("40\x1e2"), chunked("4:4€😀", 2), chunked("4€\x1e😀", 3),
			strings.Replace(whole("invalid sid value: x"), "200", "400", 1),
			"HTTP/1.1 403 Forbidden\r\nContent-Length: 300\r\n\r\nno",
			"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n40",
			"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
		} {
			f.Add(version == 3, []byte(whole(handshake)), []byte(poll), []byte(whole("ok")), byte(3))
			f.Add(version == 3, []byte(chunked(handshake, 7)), []byte(poll), []byte(poll), byte(0))
		}
	}
	f.Fuzz(func(t *testing.T, old bool, first, second, post []byte, n byte) {
		session := func(cut func(int) int) (seen []string, err error) {
			p := newPolling(4, "h:1", "/")
			if old {
				p.version = 3
			}
			p.start()
			for _, step := range []struct {
				stream int
				in     []byte
			}{{polls, first}, {posts, post}, {polls, second}, {polls, second}} {
				p.send([]byte("4€😀"))
				out := p.take(p.take(nil, polls), posts)
				if len(out) > 0 && !bytes.HasPrefix(out, []byte("GET ")) && !bytes.HasPrefix(out, []byte("POST ")) {
					t.Fatalf("to write is %q", out)
				}
				got, err := feedPieces(p, step.stream, string(step.in), cut)
				seen = append(append(seen, string(out)), got...)
				seen = append(seen, fmt.Sprint(errors.Is(err, errEarly), p.count(), p.streams))
				if err != nil && !errors.Is(err, errEarly) {
					return seen[:len(seen)-1], err // what it has read until then differs
				}
			}
			return seen, nil
		}
		want, wantErr := session(func(left int) int { return left })
		got, err := session(pieces(int(n) + 1))
		if !slices.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("in pieces of %d: %q, %v\nat once: %q, %v", int(n)+1, got, err, want, wantErr)
		}
	})
}

// drive is a session with connections.
type drive struct {
	*polling
	addr  string
	conns [2]net.Conn
	reads chan read
	done  chan struct{}
	wg    sync.WaitGroup
	early int // refusals that it did not mind
}

// read is what a connection has read.
type read struct {
	stream int
	data   []byte
	err    error
}

// startDrive begins a session with a server.
func startDrive(t *testing.T, version int, addr string) *drive {
	d := &drive{
		polling: newPolling(version, addr, scenarios.PathSIO),
		addr:    addr,
		reads:   make(chan read),
		done:    make(chan struct{}),
	}
	t.Cleanup(func() {
		close(d.done)
		for _, c := range d.conns {
			if c != nil {
				c.Close()
			}
		}
		d.wg.Wait()
	})
	d.start()
	return d
}

// step writes what there is to write and takes what is read next.
func (d *drive) step(ctx context.Context, on func([]byte) error) error {
	for stream := range d.conns {
		out := d.take(nil, stream)
		if len(out) == 0 {
			continue
		}
		if d.conns[stream] == nil {
			if err := d.dial(ctx, stream); err != nil {
				return err
			}
		}
		if _, err := d.conns[stream].Write(out); err != nil {
			return err
		}
	}
	select {
	case r := <-d.reads:
		err := d.feed(r.stream, r.data, on)
		if errors.Is(err, errEarly) {
			d.early++
			err = nil
		}
		if err == nil && r.err != nil {
			d.conns[r.stream].Close()
			d.conns[r.stream] = nil
			err = d.closed(r.stream)
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("%d requests, then nothing: %w", d.count(), ctx.Err())
	}
}

// dial connects a stream and reads from it.
func (d *drive) dial(ctx context.Context, stream int) error {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return err
	}
	d.conns[stream] = conn
	d.wg.Go(func() {
		for {
			data := make([]byte, 4096)
			n, err := conn.Read(data)
			select {
			case d.reads <- read{stream, data[:n], err}:
			case <-d.done:
				return
			}
			if err != nil {
				return
			}
		}
	})
	return nil
}

// chat joins a room, says something there n times, some of it at once, and
// has to hear all of it in order.
func (d *drive) chat(t *testing.T, n int, body string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	const atOnce = 10
	joined, sent, heard := false, 0, 0
	message := func(i int) string {
		return fmt.Sprintf(`42["chat",{"room":"r","from":"a","seq":%d,"body":%q}]`, i, body)
	}
	on := func(packet []byte) error {
		switch p := strings.TrimSuffix(string(packet), "\n"); {
		case strings.HasPrefix(p, "0{") && d.version == 4:
			d.send([]byte("40"))
		case strings.HasPrefix(p, "0{"), p == "6":
		case p == "2":
			d.send([]byte("3"))
		case strings.HasPrefix(p, "40"):
			d.send([]byte(`421["join",{"room":"r","from":"a"}]`))
		case p == `431[""]`:
			joined = true
		case p == message(heard):
			heard++
		default:
			return fmt.Errorf("%d heard, then %q", heard, packet)
		}
		return nil
	}
	for heard < n || d.streams[posts].busy {
		for joined && sent < n && (heard == sent || sent-heard < atOnce/2) {
			for range min(atOnce, n-sent) {
				d.send([]byte(message(sent)))
				sent++
			}
		}
		if err := d.step(ctx, on); err != nil {
			t.Fatal(err)
		}
	}
	if heard != n || len(d.ends) > 0 {
		t.Errorf("heard %d of %d, %d not sent", heard, n, len(d.ends))
	}
	t.Logf("%d requests, of which %d came too early", d.count(), d.early)
}

// TestPollingGo holds a session with go-socket.io, which takes several packets
// in one post though it answers each poll with one.
func TestPollingGo(t *testing.T) {
	chat, err := sio.NewServer(scenarios.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(scenarios.PathSIO, chat)
	s := &http.Server{Handler: mux}
	ended := make(chan struct{})
	go func() {
		s.Serve(l)
		close(ended)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := chat.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		s.Close()
		<-ended
	})
	for _, size := range []int{5, 5000} { // a body of 5 kB comes in chunks
		d := startDrive(t, 3, l.Addr().String())
		d.chat(t, 200, strings.Repeat("x", size))
		// Ten at a time: their posts and the one that joined.
		if posted := d.count() - int64(d.early) - 200; posted > 60 {
			t.Errorf("%d requests that are no poll for 200 messages: they are not batched", posted)
		}
		d.leave(t)
	}
}

// leave ends the session: in go-socket.io a client that is gone without a word
// holds up the broadcasts to its rooms.
func (d *drive) leave(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	d.send([]byte("41"))
	for first := true; first || d.streams[posts].busy; first = false {
		// The poll that waits may be refused once the session is over.
		var refused *statusError
		if err := d.step(ctx, func([]byte) error { return nil }); err != nil && !errors.As(err, &refused) {
			t.Fatal(err)
		}
	}
}

// TestPollingNode holds a session with socket.io in Node.
func TestPollingNode(t *testing.T) {
	d := startDrive(t, 4, nodeChat(t))
	d.chat(t, 200, "hello ä€😀")
	// Ten at a time, in both directions.
	if d.count() > 200 {
		t.Errorf("%d requests for 200 messages: they are not batched", d.count())
	}
}

// nodeChat starts the chat in Node and returns its address. Package worker,
// which says how it is spoken to, imports this one.
func nodeChat(t *testing.T) string {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed")
	}
	const worker, program = "../worker/node/worker.mjs", "../../sio/node/server.mjs"
	if out, err := exec.Command(node, worker, "--check", program).CombinedOutput(); err != nil {
		t.Skipf("Node cannot run the chat: %v: %s; to mend it: npm ci --prefix sio/node", err, out)
	}
	cmd := exec.Command(node, worker)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close() // which ends it
		if err := cmd.Wait(); err != nil {
			t.Errorf("node: %v: %s", err, &stderr)
		}
	})
	fmt.Fprintf(stdin, `{"id":1,"cmd":"start","args":{"protocol":2,"role":"server","program":%q,"addr":"127.0.0.1:0"}}`+"\n", program)
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatalf("node: %v: %s", err, &stderr)
	}
	var reply struct {
		Error  string
		Result struct{ Addr string }
	}
	if err := json.Unmarshal(line, &reply); err != nil || reply.Error != "" || reply.Result.Addr == "" {
		t.Fatalf("node answered %s: %v", line, err)
	}
	return reply.Result.Addr
}
