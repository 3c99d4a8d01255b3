package dissect

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"wsvsio/internal/wire"
	"wsvsio/scenarios"
)

// The example of RFC 6455, section 1.3.
const (
	sampleRequest = "GET /chat HTTP/1.1\r\nHost: server.example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://example.com\r\nSec-WebSocket-Version: 13\r\n\r\n"
	sampleResponse = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

var key = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// masked is a frame of a client.
func masked(opcode byte, text string) string {
	return string(wire.AppendFrame(nil, opcode, key, []byte(text)))
}

// part of a message, masked.
func fragment(opcode byte, fin bool, text string) string {
	f := wire.AppendFrame(nil, opcode, key, []byte(text))
	if !fin {
		f[0] &^= 0x80
	}
	return string(f)
}

// shown is a unit as a test says it: its title and, field by field, layer, text
// and name.
func shown(u Unit) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", u.Title)
	for _, f := range u.Fields {
		if len(f.Bits) > 0 {
			fmt.Fprintf(&b, "%s|%x|", f.Layer, f.Raw)
			for _, bit := range f.Bits {
				fmt.Fprintf(&b, "%s=%d ", bit.Name, bit.Value)
			}
			b.WriteByte('\n')
			continue
		}
		fmt.Fprintf(&b, "%s|%q|%s\n", f.Layer, f.Clear, f.Name)
	}
	return b.String()
}

func pick(units []Unit, down bool) (some []Unit) {
	for _, u := range units {
		if u.Down == down {
			some = append(some, u)
		}
	}
	return some
}

// TestHandshake has the example of the RFC, and the masked "Hello" of section
// 5.7.
func TestHandshake(t *testing.T) {
	units := Connection(scenarios.ProtocolRaw, []byte(sampleRequest+"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), []byte(sampleResponse))
	check(t, units, len(sampleRequest)+11, len(sampleResponse))
	if len(units) != 3 {
		t.Fatalf("%d units", len(units))
	}
	if u := units[0]; u.Title != "GET /chat" || u.Pair != 1 || u.Kind != Request || u.Fields[0].Ref != "RFC 9110, 9.3.1" {
		t.Errorf("request: %+v", u)
	}
	const frame = "text frame\nWebSocket|81|FIN=1 RSV=0 opcode=1 \nWebSocket|85|MASK=1 length=5 \n" +
		"WebSocket|\"7\\xfa!=\"|masking key\nnot understood|\"Hello\"|text\n"
	if got := shown(units[1]); got != frame {
		t.Errorf("frame: %s", got)
	}
	var accept Field
	for _, f := range units[2].Fields {
		if f.Name == "Sec-WebSocket-Accept" {
			accept = f
		}
	}
	if !strings.Contains(accept.Meaning, "It fits") || accept.Layer != WebSocket {
		t.Errorf("accept: %+v", accept)
	}
	units = Connection(scenarios.ProtocolRaw, []byte(sampleRequest), bytes.Replace([]byte(sampleResponse), []byte("s3p"), []byte("xxx"), 1))
	if !slices.ContainsFunc(units[1].Fields, func(f Field) bool { return strings.Contains(f.Meaning, "does not fit") }) {
		t.Error("a wrong answer to the key fits")
	}
}

// TestText has the texts of each protocol, with what they say.
func TestText(t *testing.T) {
	for _, tt := range []struct {
		protocol scenarios.Protocol
		text     string
		fields   string // without the head of the frame
		words    []Word
	}{
		{scenarios.ProtocolRaw, `{"type":"chat","data":{"room":"a","from":"b","seq":7,"body":"hi"}}`,
			`envelope|{"type":"chat"; envelope|,"data":; message|{"room":"a"; message|,"from":"b"; message|,"seq":7; message|,"body":"hi"; message|}; envelope|}`,
			[]Word{{"chat", 7}}},
		{scenarios.ProtocolRaw, `{"type":"ack","id":1}`, `envelope|{"type":"ack"; envelope|,"id":1; envelope|}`, []Word{{"ack", 0}}},
		{scenarios.ProtocolRaw, `[1]`, `not understood|[1]`, nil},
		{scenarios.ProtocolEIO4, `2`, `Engine.IO|2`, []Word{{"ping", 0}}},
		{scenarios.ProtocolEIO4, `3probe`, `Engine.IO|3; Engine.IO|probe`, []Word{{"pong probe", 0}}},
		{scenarios.ProtocolEIO4, `0{"sid":"x","upgrades":["websocket"]}`, `Engine.IO|0; Engine.IO|{"sid":"x"; Engine.IO|,"upgrades":["websocket"]; Engine.IO|}`, []Word{{"open", 0}}},
		{scenarios.ProtocolEIO4, `40{"sid":"x"}`, `Engine.IO|4; Socket.IO|0; Socket.IO|{"sid":"x"; Socket.IO|}`, []Word{{"connect", 0}}},
		{scenarios.ProtocolEIO3, `40`, `Engine.IO|4; Socket.IO|0`, []Word{{"connect", 0}}},
		{scenarios.ProtocolEIO3, `42["chat",{"seq":7}]`, `Engine.IO|4; Socket.IO|2; Socket.IO|["chat"; Socket.IO|,; message|{"seq":7; message|}; Socket.IO|]`, []Word{{"chat", 7}}},
		{scenarios.ProtocolEIO4, `42/room,12["join",1, "x"]`,
			`Engine.IO|4; Socket.IO|2; Socket.IO|/room,; Socket.IO|12; Socket.IO|["join"; Socket.IO|,; message|1; Socket.IO|, ; message|"x"; Socket.IO|]`, []Word{{"join", 0}}},
		{scenarios.ProtocolEIO4, `431[""]`, `Engine.IO|4; Socket.IO|3; Socket.IO|1; Socket.IO|[""]`, []Word{{"ack", 0}}},
		{scenarios.ProtocolEIO4, `451-["f",{"_placeholder":true,"num":0}]`, `Engine.IO|4; Socket.IO|5; Socket.IO|1-; Socket.IO|["f",{"_placeholder":true,"num":0}]`, []Word{{"binary event", 0}}},
		{scenarios.ProtocolEIO4, `42["chat"`, `Engine.IO|4; Socket.IO|2; Socket.IO|["chat"`, []Word{{"event", 0}}},
		{scenarios.ProtocolEIO4, `4x`, `Engine.IO|4; not understood|x`, nil},
		{scenarios.ProtocolEIO4, `x`, `Engine.IO|x`, nil},
	} {
		in := sampleRequest + masked(wire.OpText, tt.text)
		units := Connection(tt.protocol, []byte(in), []byte(sampleResponse))
		check(t, units, len(in), len(sampleResponse))
		var got []string
		for _, f := range units[1].Fields {
			if len(f.Bits) == 0 && f.Name != "masking key" && f.Name != "extended length" {
				got = append(got, fmt.Sprintf("%s|%s", f.Layer, f.Clear))
			}
		}
		if s := strings.Join(got, "; "); s != tt.fields {
			t.Errorf("%s:\n got %s\nwant %s", tt.text, s, tt.fields)
		}
		if !slices.Equal(units[1].Says, tt.words) {
			t.Errorf("%s: says %v, want %v", tt.text, units[1].Says, tt.words)
		}
	}
}

// TestFragments has a message in three frames with a ping in between: what the
// frames say together each of them says.
func TestFragments(t *testing.T) {
	in := sampleRequest + fragment(wire.OpText, false, `42["chat",{"se`) + masked(wire.OpPing, "x") +
		fragment(wire.OpContinuation, false, `q":70`) + fragment(wire.OpContinuation, true, `1}]`) +
		masked(wire.OpClose, "\x03\xe8bye") + fragment(wire.OpText, false, "42")
	units := Connection(scenarios.ProtocolEIO3, []byte(in), []byte(sampleResponse))
	check(t, units, len(in), len(sampleResponse))
	units = pick(units, false)
	for _, i := range []int{1, 3, 4} {
		if !slices.Equal(units[i].Says, []Word{{"chat", 701}}) {
			t.Errorf("unit %d says %v", i, units[i].Says)
		}
	}
	if got := shown(units[3]); !strings.Contains(got, `message|"q\":70"|seq (continued)`) {
		t.Errorf("the second frame: %s", got)
	}
	if got := shown(units[5]); !strings.Contains(got, `"\x03\xe8"|status code`) || !strings.Contains(got, `"bye"|reason`) {
		t.Errorf("close: %s", got)
	}
}

// TestPolling has bodies with a length and in chunks, of both versions.
func TestPolling(t *testing.T) {
	const ask = "GET /socket.io/?EIO=4&transport=polling&sid=a HTTP/1.1\r\nHost: x\r\n\r\n"
	for _, tt := range []struct {
		name     string
		protocol scenarios.Protocol
		head     string
		body     string
		want     []string // field texts at the end
		words    []Word
	}{
		{"length", scenarios.ProtocolEIO4, "Content-Length: 4", "2\x1e40", []string{"2", "\x1e", "4", "0"}, []Word{{"ping", 0}, {"connect", 0}}},
		{"chunks", scenarios.ProtocolEIO4, "Transfer-Encoding: chunked", "5\r\n42[\"c\r\n4\r\nhat\"\r\n1\r\n]\r\n0\r\n\r\n",
			[]string{"5\r\n", "4", "2", "[\"c", "\r\n", "4\r\n", "hat\"", "\r\n", "1\r\n", "]", "\r\n", "0\r\n\r\n"}, []Word{{"chat", 0}}},
		{"version 3", scenarios.ProtocolEIO3, "Content-Length: 7", "2:401:2", []string{"2:", "4", "0", "1:", "2"}, []Word{{"connect", 0}, {"ping", 0}}},
		{"version 3, binary framing", scenarios.ProtocolEIO3, "Content-Length: 5", "\x00\x02\xff40", []string{"\x00\x02\xff", "4", "0"}, []Word{{"connect", 0}}},
		{"version 3, beyond ASCII", scenarios.ProtocolEIO3, "Content-Length: 13", "7:42[\"ä\"]1:2", []string{"7:", "4", "2", "[\"ä\"", "]", "1:", "2"}, []Word{{"ä", 0}, {"ping", 0}}},
		{"version 3, damaged", scenarios.ProtocolEIO3, "Content-Length: 3", "9:4", []string{"9:4"}, nil},
		{"no body", scenarios.ProtocolEIO4, "Content-Length: 0", "", []string{"\r\n"}, nil},
		{"until the end", scenarios.ProtocolEIO4, "X: y", "2", []string{"2"}, []Word{{"ping", 0}}},
		{"compressed", scenarios.ProtocolEIO4, "Content-Encoding: gzip\r\nContent-Length: 2", "40", []string{"40"}, nil},
		{"cut off", scenarios.ProtocolEIO4, "Content-Length: 5", "40", []string{"40"}, nil},
	} {
		down := "HTTP/1.1 200 OK\r\n" + tt.head + "\r\n\r\n" + tt.body
		units := Connection(tt.protocol, []byte(ask), []byte(down))
		check(t, units, len(ask), len(down))
		var got []string
		for _, f := range units[1].Fields {
			got = append(got, string(f.Clear))
		}
		if got = got[max(0, len(got)-len(tt.want)):]; !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %q, want %q", tt.name, got, tt.want)
		}
		if !slices.Equal(units[1].Says, tt.words) {
			t.Errorf("%s: says %v", tt.name, units[1].Says)
		}
	}
}

// TestPairs has two requests on one connection, and an answer in between that
// is no final one.
func TestPairs(t *testing.T) {
	up := strings.Repeat("GET / HTTP/1.1\r\n\r\n", 2)
	down := "HTTP/1.1 100 Continue\r\n\r\n" + strings.Repeat("HTTP/1.1 204 No Content\r\n\r\n", 2) + "more"
	units := Connection(scenarios.ProtocolEIO4, []byte(up), []byte(down))
	check(t, units, len(up), len(down))
	var pairs []int
	for _, u := range units {
		pairs = append(pairs, u.Pair)
	}
	if want := []int{1, 2, 1, 1, 2, 0}; !slices.Equal(pairs, want) {
		t.Errorf("pairs %v, want %v", pairs, want)
	}
	if last := units[len(units)-1]; last.Kind != Rest {
		t.Errorf("what follows the last answer is %q", last.Title)
	}
}

// check holds the units against the streams that they came from.
func check(t *testing.T, units []Unit, up, down int) {
	t.Helper()
	at := map[bool]int{}
	for _, u := range units {
		if u.Offset != at[u.Down] {
			t.Errorf("%s: at %d, not %d", u.Title, u.Offset, at[u.Down])
		}
		for _, f := range u.Fields {
			if f.Offset != at[u.Down] || len(f.Raw) == 0 || len(f.Clear) != len(f.Raw) {
				t.Errorf("%s, %s: at %d, not %d; %d bytes, %d clear", u.Title, f.Name, f.Offset, at[u.Down], len(f.Raw), len(f.Clear))
			}
			at[u.Down] += len(f.Raw)
			if f.Name == "" || f.Meaning == "" || f.Layer == "" || f.Ref == "" && f.Layer != Unknown {
				t.Errorf("%s: a field is not explained: %+v", u.Title, f)
			}
			bits := 0
			for _, b := range f.Bits {
				bits += b.Width
			}
			if bits != 0 && (bits != 8 || len(f.Raw) != 1) {
				t.Errorf("%s, %s: %d bits in %d bytes", u.Title, f.Name, bits, len(f.Raw))
			}
		}
		if u.Offset+u.Size != at[u.Down] {
			t.Errorf("%s: size %d", u.Title, u.Size)
		}
	}
	if at[false] != up || at[true] != down {
		t.Errorf("%d bytes up and %d down, want %d and %d", at[false], at[true], up, down)
	}
}

// FuzzConnection has any bytes: whatever comes in, the sizes add up.
func FuzzConnection(f *testing.F) {
	const poll = "POST /socket.io/?EIO=3 HTTP/1.1\r\nContent-Length: 4\r\n\r\n2:40"
	f.Add([]byte(sampleRequest+masked(1, `{"type":"chat","data":{"seq":1}}`)), []byte(sampleResponse+"\x81\x021x"), byte(0))
	f.Add([]byte(sampleRequest+fragment(1, false, "42[")+masked(9, "")+fragment(0, true, `"x"]`)), []byte(sampleResponse), byte(1))
	f.Add([]byte(poll), []byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"), byte(2))
	f.Add([]byte(poll), []byte("HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nno\n"), byte(1))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), []byte("HTTP/1.1 200 OK\r\n\r\n\x00\x01\x0a\xff"), byte(1))
	protocols := []scenarios.Protocol{scenarios.ProtocolRaw, scenarios.ProtocolEIO3, scenarios.ProtocolEIO4}
	f.Fuzz(func(t *testing.T, up, down []byte, p byte) {
		units := Connection(protocols[int(p)%len(protocols)], up, down)
		check(t, units, len(up), len(down))
	})
}
