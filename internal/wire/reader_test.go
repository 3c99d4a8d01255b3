package wire

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// example is a message as both sides carry it.
const example = `{"room":"r","from":"ann","seq":1000000007,"body":"hi"}`

const (
	upgrade  = "GET /ws HTTP/1.1\r\nHost: h\r\nupgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"
	accepted = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
	refused  = "HTTP/1.1 400 Bad Request\r\nContent-Length: 3\r\n\r\nno\n"
	poll     = "GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: h\r\n\r\n"
)

func server(text string) string { return string(unmasked(OpText, []byte(text))) }
func client(text string) string { return string(AppendFrame(nil, OpText, key, []byte(text))) }

func post(body string) string {
	return fmt.Sprintf("POST /socket.io/ HTTP/1.1\r\nHost: h\r\ncontent-length:%d\r\n\r\n%s", len(body), body)
}

func answer(body string) string {
	return fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
}

func chunked(body string, n int) string {
	var b strings.Builder
	b.WriteString("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n")
	for chunk := range slices.Chunk([]byte(body), n) {
		fmt.Fprintf(&b, "%X ;name=value\r\n%s\r\n", len(chunk), chunk)
	}
	return b.String() + "0\r\nTrailer: x\r\n\r\n"
}

// read feeds a stream in pieces of n bytes.
func read(stream string, n int) []Message {
	var all []Message
	var r Reader
	for rest := []byte(stream); len(rest) > 0; {
		k := min(n, len(rest))
		piece := bytes.Clone(rest[:k])
		r.Feed(piece, func(m Message) { all = append(all, m) })
		clear(piece) // whoever reads on behind it is found out
		rest = rest[k:]
	}
	return all
}

// seqs returns the numbers of messages less those of the first.
func seqs(messages []Message) (all []int64) {
	for _, m := range messages {
		all = append(all, m.Seq-1_000_000_000)
	}
	return all
}

// numbered is an object with its own number and a body.
func numbered(seq int, body string) string {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf(`{"room":"r","from":"ann","seq":%d,"body":%s}`, 1_000_000_000+seq, text)
}

func TestReader(t *testing.T) {
	raw := func(o string) string { return `{"type":"chat","data":` + o + `}` }
	sio := func(o string) string { return `42["chat",` + o + `]` }
	// A body that looks like whatever is looked for.
	trap := `"}]` + sio(numbered(66, "")) + "\x1e" + sio(numbered(66, "")) + "\n7:" + sio(numbered(66, "")) + `\` + raw(numbered(66, ""))
	long := strings.Repeat("é", 40_000)
	tests := []struct {
		name   string
		stream string
		want   []int64
	}{
		{"nothing", "", nil},
		{"only heads", poll + post("") + poll, nil},
		{"raw up", upgrade + client(raw(example)), []int64{7}},
		{"raw down", accepted + server(raw(example)), []int64{7}},
		{"raw in another order", accepted + server(` { "n":4, "data" : {"body":"x","seq":1000000001,"from":"a","more":[{}],"room":""}, "id":3, "type":"chat"}`), []int64{1}},
		{"raw with a resume number", accepted + server(`{"type":"chat","n":12,"data":`+example+`}`), []int64{7}},
		{"not chat", accepted + server(`{"type":"joined","data":`+example+`}`) + server(`{"type":"announce","data":`+example+`}`) +
			server(`{"type":"ack","id":1}`) + server(`{"type":"chat"}`) + server(`{"type":"chat","data":[1]}`) +
			server(`{"type":"chat","data":{"room":"r"}}`) + server(`{"type":"chat",`) + server("") + server("chat"), nil},
		{"trap in raw", upgrade + client(raw(numbered(1, trap))) + client(raw(numbered(2, ""))), []int64{1, 2}},
		{"fragments around a ping", upgrade + "\x01\x80\x00\x00\x00\x00" +
			string(AppendFrame(nil, OpPing, key, []byte("x"))) +
			"\x00" + client(raw(example)[:20])[1:] + string(AppendFrame(nil, OpPong, key, nil)) +
			"\x80" + client(raw(example)[20:])[1:] + client(raw(numbered(8, ""))), []int64{7, 8}},
		{"a binary message in fragments", accepted + "\x02\x01a" + "\x80\x02bc" + server(raw(example)), []int64{7}},
		{"long", accepted + server(raw(numbered(1, long))) + server(raw(example)), []int64{1, 7}},
		{"close", accepted + server(raw(example)) + string(unmasked(OpClose, []byte("\x03\xe8"))), []int64{7}},
		{"after a refusal", refused + accepted + server(raw(example)), []int64{7}},
		{"asked twice", upgrade + upgrade + client(raw(example)), []int64{7}},
		{"refused, then polling", upgrade + poll + post(sio(example)), []int64{7}},
		{"compressed", accepted + "\xC1\x01x" + server(raw(example)), nil},
		{"not HTTP", "SSH-2.0-x\r\n\r\n" + post(sio(example)), nil},

		{"Socket.IO up", upgrade + client("40") + client(sio(example)), []int64{7}},
		{"Socket.IO down", accepted + server(`0{"sid":"x"}`) + server("40{}") + server("2") + server(sio(example)), []int64{7}},
		{"with a line feed", accepted + server(sio(example)+"\n"), []int64{7}},
		{"with an acknowledgement", upgrade + client(`4215["chat",`+example+`]`), []int64{7}},
		{"with an offset", accepted + server(`42["chat",`+example+`,"zXy{]\"q"]`), []int64{7}},
		{"with spaces", accepted + server(`42[ "chat" , `+example+" ]"), []int64{7}},
		{"root namespace", accepted + server(`42/,["chat",`+example+`]`) + server(`42/,12["chat",`+example+`]`), []int64{7, 7}},
		{"not the event", accepted + server(`42["joined",`+example+`]`) + server(`42["announce",`+example+`]`) +
			server(`43["chat",`+example+`]`) + server(`42["x",["chat",`+example+`]]`) + server(`42["x","chat",`+example+`]`) +
			server(`42["chat"]`) + server(`42["chat",1]`) + server(`42["chat",{"seq":"1"}]`) + server(`42["chat",{`) +
			server(`42/other,["chat",`+example+`]`) + server(`425/,1["chat",`+example+`]`) + server(`342["chat",`+example+`]`) +
			server(`["chat",`+example+`]`) + server(`451-["chat",`+example+`]`), nil},
		{"trap in Socket.IO", upgrade + client(sio(numbered(1, trap))) + client(sio(numbered(2, trap))), []int64{1, 2}},
		{"trap in an acknowledgement", accepted + server(`43["42[",`+example+`]`) + server(`43["42[\"chat\",`+strings.ReplaceAll(example, `"`, `\"`)+`"]`), nil},

		{"polling 4", answer("0{}") + answer(sio(numbered(1, ""))+"\x1e2\x1e"+sio(numbered(2, trap))+"\x1e"+`421["chat",`+example+`]`), []int64{1, 2, 7}},
		{"polling 4 up", poll + post("40") + poll + post(sio(numbered(1, trap))+"\x1e3\x1e"+sio(numbered(2, ""))) + poll, []int64{1, 2}},
		{"polling 3", answer("2:40") + answer(fmt.Sprint(len(sio(example)))+":"+sio(example)+"1:6"+fmt.Sprint(len(sio(example))+1)+":"+sio(example)+"\n"), []int64{7, 7}},
		{"batch in a frame", upgrade + client("1 0") + client("3 12\nchat"+numbered(1, trap)+"\n"+raw(numbered(2, ""))+"\nannounce"+example+"\nchat"+example), []int64{1, 2, 7}},
		{"batch in a body", poll + post("1 0\nchat"+numbered(1, "")) + poll, []int64{1}},
		{"batch in an answer", answer("1 0") + answer("1 2\n"+`{"type":"ack","id":1}`+"\nchat"+numbered(1, trap)), []int64{1}},
		{"no batch", answer("x 2\nchat"+example) + answer("1\nchat"+example) + answer("1 2\nchat[]\nchat") + answer(" 1 2\nchats"+example), nil},
		{"polling 3, binary", answer("\x00\x06\x02\xff" + sio(example) + "\x00\x01\xff6"), []int64{7}},
		{"chunks", chunked(sio(numbered(1, trap)), 1) + chunked("2:40", 1000) + chunked("", 1) + chunked(sio(example), 7), []int64{1, 7}},
		{"answers without a body", "HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n" + answer(sio(example)), []int64{7}},
		{"a body without a length", "HTTP/1.1 200 OK\r\n\r\n" + sio(example), nil},
		{"half an answer", answer(sio(example))[:len(answer(sio(example)))-1], nil},
		{"bad lengths", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n" + answer(sio(example)), nil},
		{"bad chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n" + answer(sio(example)), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			want := read(tt.stream, len(tt.stream)+1)
			if got := seqs(want); !slices.Equal(got, tt.want) {
				t.Fatalf("found %v, want %v", got, tt.want)
			}
			for _, m := range want {
				if m.Room == "" && tt.name != "raw in another order" || m.From == "" {
					t.Errorf("found %+v", m)
				}
				// Its last byte is needed: without, it is not there.
				if got := read(tt.stream[:m.End-1], 1<<20); slices.Contains(got, m) {
					t.Errorf("%+v is there before its end", m)
				}
				if got := read(tt.stream[:m.End], 1<<20); !slices.Contains(got, m) {
					t.Errorf("%+v is not there at its end", m)
				}
			}
			for _, n := range []int{1, 2, 3, 7, 1000} {
				if n < 7 && len(tt.stream) > 50_000 {
					continue
				}
				if got := read(tt.stream, n); !slices.Equal(got, want) {
					t.Errorf("in pieces of %d: %+v, want %+v", n, got, want)
				}
			}
		})
	}
}

// TestReaderBounds gives up a head that does not end.
func TestReaderBounds(t *testing.T) {
	var r Reader
	for range 200 {
		r.Feed(bytes.Repeat([]byte("x"), 1000), func(Message) { t.Error("found one") })
	}
	if !r.deaf || r.rest != nil {
		t.Errorf("it keeps %d bytes", len(r.rest))
	}
}

// taped is a connection with a copy of what has passed: up, then down.
type taped struct {
	net.Conn
	mu   *sync.Mutex
	tape *[2]bytes.Buffer
}

func (c taped) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tape[0].Write(b[:n])
	return n, err
}

func (c taped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tape[1].Write(b[:n])
	return n, err
}

// TestGorilla reads what gorilla writes on both sides, fragments and control
// frames in it.
func TestGorilla(t *testing.T) {
	const messages = 50
	upgrader := websocket.Upgrader{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := upgrader.Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer conn.Close()
		for {
			kind, text, err := conn.ReadMessage()
			if err != nil {
				return
			}
			conn.WriteControl(websocket.PingMessage, []byte("are you there"), time.Now().Add(time.Minute))
			conn.WriteMessage(kind, text)
		}
	}))
	defer s.Close()
	var streams [2]bytes.Buffer
	var mu sync.Mutex
	dialer := websocket.Dialer{WriteBufferSize: 64, NetDial: func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		return taped{conn, &mu, &streams}, err
	}}
	conn, _, err := dialer.Dial("ws"+strings.TrimPrefix(s.URL, "http"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var want []int64
	for i := range messages {
		text := `{"type":"chat","data":` + numbered(i, strings.Repeat(`"{é`, i*10)) + `}`
		if i%2 == 1 {
			text = fmt.Sprintf(`42%d["chat",%s]`, i, numbered(i, "x"))
		}
		w, err := conn.NextWriter(websocket.TextMessage)
		if err != nil {
			t.Fatal(err)
		}
		// With a buffer this small the long ones become fragments.
		for piece := range slices.Chunk([]byte(text), 50) {
			w.Write(piece)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		if _, back, err := conn.ReadMessage(); err != nil || string(back) != text {
			t.Fatalf("%d bytes back: %v", len(back), err)
		}
		want = append(want, int64(i))
	}
	conn.Close()
	mu.Lock()
	defer mu.Unlock()
	for dir := range streams {
		if got := seqs(read(streams[dir].String(), 1000)); !slices.Equal(got, want) {
			t.Errorf("direction %d: found %v, want %v", dir, got, want)
		}
	}
}

// FuzzReader has the same come of a stream however it is cut.
func FuzzReader(f *testing.F) {
	f.Add([]byte(upgrade+client(`42["chat",`+example+`]`)), byte(3))
	f.Add([]byte(accepted+server(`{"type":"chat","data":`+example+`}`)), byte(0))
	f.Add([]byte(post(`42["chat",`+example+`]`)+poll), byte(9))
	f.Add([]byte(chunked(`42["chat",`+example+`]`, 9)), byte(1))
	f.Fuzz(func(t *testing.T, stream []byte, n byte) {
		want := read(string(stream), len(stream)+1)
		if got := read(string(stream), int(n)+1); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: %+v, at once %+v", n+1, got, want)
		}
		for _, m := range want {
			if m.End <= 0 || m.End > int64(len(stream)) {
				t.Errorf("%+v ends outside of %d bytes", m, len(stream))
			}
		}
	})
}

// FuzzBody has one message found, whatever its texts are: in each protocol.
func FuzzBody(f *testing.F) {
	f.Add("r", "ann", `"}]42["chat",{"seq":1}]`, int64(1))
	f.Add("", "\x1e", "\\", int64(-1))
	f.Add("7:42[", `42["chat",`, "\xff\x00", int64(1<<60))
	f.Fuzz(func(t *testing.T, room, from, body string, seq int64) {
		o, err := json.Marshal(map[string]any{"room": room, "from": from, "seq": seq, "body": body})
		if err != nil {
			t.Skip()
		}
		var want struct{ Room, From string } // with what JSON makes of bad UTF-8
		if err := json.Unmarshal(o, &want); err != nil {
			t.Fatal(err)
		}
		event := `42["chat",` + string(o) + `]`
		other := `42["joined",` + string(o) + `]`
		for name, stream := range map[string]string{
			"raw":       accepted + server(`{"type":"joined","data":`+string(o)+`}`) + server(`{"data":`+string(o)+`,"type":"chat"}`),
			"Socket.IO": upgrade + client(other) + client(event),
			"polling 3": answer(fmt.Sprint(len(other)) + ":" + other + fmt.Sprint(len(event)) + ":" + event),
			"polling 4": post(other + "\x1e" + event + "\x1e2"),
		} {
			got := read(stream, 100)
			if len(got) != 1 || got[0].Seq != seq || got[0].Room != want.Room || got[0].From != want.From {
				t.Errorf("%s: found %+v of %s", name, got, o)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	for name, text := range map[string]string{
		"raw": `{"type":"chat","data":` + numbered(1, strings.Repeat("x", 128)) + `}`,
		"sio": `42["chat",` + numbered(1, strings.Repeat("x", 128)) + `]`,
	} {
		b.Run(name, func(b *testing.B) {
			var r Reader
			found := 0
			r.Feed([]byte(accepted), nil)
			frame := []byte(server(text))
			for b.Loop() {
				r.Feed(frame, func(Message) { found++ })
			}
			if found == 0 {
				b.Error("found nothing")
			}
		})
	}
}
