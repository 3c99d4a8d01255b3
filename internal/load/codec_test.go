package load

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"wsvsio/scenarios"
)

var protocols = []scenarios.Protocol{
	scenarios.ProtocolRaw, scenarios.ProtocolEIO3, scenarios.ProtocolEIO4,
}

// newOpen returns a codec whose handshake is done.
func newOpen(t testing.TB, p scenarios.Protocol) *Codec {
	t.Helper()
	c, err := NewCodec(p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// server builds an unmasked frame.
func server(first byte, payload string) string {
	f := []byte{first}
	switch n := len(payload); {
	case n < 126:
		f = append(f, byte(n))
	case n < 1<<16:
		f = binary.BigEndian.AppendUint16(append(f, 126), uint16(n))
	default:
		f = binary.BigEndian.AppendUint64(append(f, 127), uint64(n))
	}
	return string(f) + payload
}

func text(payload string) string { return server(0x81, payload) }

// feed feeds a stream in pieces of n bytes and describes what came of it.
func feed(c *Codec, stream string, n int) (got []string, out []byte, err error) {
	for piece := range slices.Chunk([]byte(stream), n) {
		deliveries, err := c.Feed(0, piece)
		out = c.Take(out, 0)
		for _, d := range deliveries {
			got = append(got, fmt.Sprintf("%d %d %s", d.Kind, d.ID, d.Data))
		}
		if err != nil {
			return got, out, err
		}
	}
	return got, out, nil
}

func TestDeliveries(t *testing.T) {
	const object = `{"room":"r","from":"a","seq":1000000000,"body":"]}\"x"}`
	long := `{"room":"r","from":"a","seq":1000000001,"body":"` + strings.Repeat("é", 40_000) + `"}`
	tests := []struct {
		name     string
		protocol scenarios.Protocol
		stream   string
		want     []string
		out      int // frames in answer
	}{
		{"chat", "raw", text(`{"type":"chat","data":` + object + `}`), []string{"3 0 " + object}, 0},
		{"chat in another order", "raw", text(`{"data":` + object + `, "type":"chat"}`), []string{"3 0 " + object}, 0},
		{"two at once", "raw", text(`{"type":"chat","data":`+object+`}`) + text(`{"type":"chat","data":`+long+`}`),
			[]string{"3 0 " + object, "3 0 " + long}, 0},
		{"ack", "raw", text(`{"type":"ack","id":7}`), []string{"2 7 "}, 0},
		{"refusal", "raw", text(`{"type":"ack","id":7,"error":"no"}`), []string{"2 7 no"}, 0},
		{"joined", "raw", text(`{"type":"joined","data":{}}`), []string{"4 0 {}"}, 0},
		{"fragments around a ping", "raw",
			server(0x01, `{"type":"ack",`) + server(0x89, "hi") + server(0x00, `"id"`) + server(0x80, `:3}`),
			[]string{"2 3 "}, 1},

		{"open of 3", "engine.io3", text(`0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":60000}`) + text("40"),
			[]string{"1 0 "}, 0},
		{"open of 4", "engine.io4", text(`0{"sid":"x","pingInterval":25000}`) + text(`40{"sid":"y"}`), []string{"1 0 "}, 1},
		{"ping of 4", "engine.io4", text("2"), nil, 1},
		{"pong of 3", "engine.io3", text("3"), nil, 0},
		{"chat with a line feed", "engine.io3", text(`42["chat",` + object + "]\n"), []string{"3 0 " + object}, 0},
		{"chat", "engine.io4", text(`42["chat",` + object + "]"), []string{"3 0 " + object}, 0},
		{"chat with spaces", "engine.io4", text(`42[ "chat", ` + object + " ]"), []string{"3 0 " + object}, 0},
		{"long chat", "engine.io4", text(`42["chat",` + long + "]"), []string{"3 0 " + long}, 0},
		{"ack", "engine.io3", text(`4312[""]` + "\n"), []string{"2 12 "}, 0},
		{"refusal", "engine.io4", text(`431["no"]`), []string{"2 1 no"}, 0},
		{"named namespace", "engine.io4", text(`43/,1[""]`), []string{"2 1 "}, 0},
		{"other event", "engine.io4", text(`42["joined",{}]`), []string{"4 0 "}, 0},
	}
	for _, tt := range tests {
		t.Run(string(tt.protocol)+" "+tt.name, func(t *testing.T) {
			// However the stream is cut, the same must come of it.
			for _, n := range []int{len(tt.stream), 1, 2, 3, 1000} {
				got, out, err := feed(newOpen(t, tt.protocol), tt.stream, n)
				if err != nil {
					t.Fatalf("in pieces of %d: %v", n, err)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("in pieces of %d: got %.200q, want %.200q", n, got, tt.want)
				}
				if frames := countMasked(t, out); frames != tt.out {
					t.Errorf("in pieces of %d: %d frames in answer, want %d", n, frames, tt.out)
				}
			}
		})
	}
}

// countMasked counts the frames of a client, which are all short here.
func countMasked(t *testing.T, out []byte) (frames int) {
	t.Helper()
	for len(out) > 0 {
		if out[1]&0x80 == 0 {
			t.Fatalf("frame is not masked: % x", out)
		}
		out = out[6+int(out[1]&0x7F):]
		frames++
	}
	return frames
}

func TestRefused(t *testing.T) {
	tests := []struct {
		protocol scenarios.Protocol
		stream   string
		want     string
	}{
		{"raw", server(0x88, "\x03\xf1too big"), "code 1009 too big"},
		{"raw", server(0x88, ""), "no reason"},
		{"raw", server(0x82, "x"), "opcode 0x2"},
		{"raw", server(0x83, "x"), "opcode 0x3"},
		{"raw", server(0xC1, "x"), "reserved bits"},
		{"raw", "\x81\x81aaaax", "masked"},
		{"raw", "\x81\x7f\x00\x00\x00\x10\x00\x00\x00\x00", "68719476736 bytes"},
		{"raw", "\x89\x7e\x00\x80", "control frame"},
		{"raw", server(0x80, "x"), "continuation of no message"},
		{"raw", server(0x01, "x") + text("y"), "inside a fragmented one"},
		{"raw", text("{"), "text frame"},
		{"engine.io3", text(""), "empty Engine.IO packet"},
		{"engine.io3", text("1"), "session closed"},
		{"engine.io3", text("9"), "type '9'"},
		{"engine.io3", text("0{"), "handshake"},
		{"engine.io4", text("0{}"), "without a session id"},
		{"engine.io4", text("4"), "empty Socket.IO packet"},
		{"engine.io4", text("41"), "namespace closed"},
		{"engine.io4", text(`44{"message":"no"}`), `error from the server: {"message":"no"}`},
		{"engine.io4", text("45"), "type '5'"},
		{"engine.io4", text("42{}"), "Socket.IO packet"},
		{"engine.io4", text("43" + strings.Repeat("9", 30) + "[]"), "id"},
		{"engine.io4", text("431[3]"), "acknowledgement"},
	}
	for _, tt := range tests {
		_, _, err := feed(newOpen(t, tt.protocol), tt.stream, len(tt.stream))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %.40q: error %v, want one with %q", tt.protocol, tt.stream, err, tt.want)
		}
	}
}

func TestHandshake(t *testing.T) {
	c := newOpen(t, scenarios.ProtocolRaw)
	if err := c.Open(scenarios.WebSocket, "h:1", "/ws"); err != nil {
		t.Fatal(err)
	}
	hello := string(c.Take(nil, 0))
	for _, want := range []string{"GET /ws HTTP/1.1\r\n", "Host: h:1\r\n", "Sec-WebSocket-Version: 13\r\n"} {
		if !strings.Contains(hello, want) {
			t.Errorf("request %q lacks %q", hello, want)
		}
	}
	good := "HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: " + c.accept + "\r\n\r\n"
	accept := c.accept
	for _, n := range []int{len(good), 1, 7} {
		c.accept = accept
		got, _, err := feed(c, good+text(`{"type":"ack","id":1}`), n)
		if err != nil || !slices.Equal(got, []string{"1 0 ", "2 1 "}) {
			t.Errorf("in pieces of %d: %q, %v", n, got, err)
		}
	}
	for bad, want := range map[string]string{
		"HTTP/1.1 403 Forbidden\r\n\r\n":                                        "403 Forbidden",
		"HTTP/1.1 101 Switching Protocols\r\n\r\n":                              "Sec-WebSocket-Accept",
		strings.Replace(good, accept, "x", 1):                                   "Sec-WebSocket-Accept",
		strings.Replace(good, "sec-", "Sec-WebSocket-Extensions: x\r\nsec-", 1): "extension",
		strings.Repeat("x", 20<<10):                                             "16 KiB",
	} {
		c.accept = accept
		c.rest = nil
		if _, _, err := feed(c, bad, len(bad)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("answer %.60q: error %v, want one with %q", bad, err, want)
		}
	}
}

func TestPing(t *testing.T) {
	for _, p := range protocols {
		c := newOpen(t, p)
		if p != scenarios.ProtocolRaw {
			if _, _, err := feed(c, text(`0{"sid":"x","pingInterval":300}`), 100); err != nil {
				t.Fatal(err)
			}
		}
		want := map[scenarios.Protocol]time.Duration{scenarios.ProtocolEIO3: 300 * time.Millisecond}[p]
		if every := c.PingEvery(); every != want {
			t.Errorf("%s: the client pings every %v, want %v", p, every, want)
		}
	}
}

func TestObject(t *testing.T) {
	o := newObject("bench", 5)
	good := string(o.with(scenarios.FirstSeq + 7))
	if want := `{"room":"bench","from":"load","seq":1000000007,"body":"xxxxx"}`; good != want {
		t.Fatalf("object %s, want %s", good, want)
	}
	if seq, ok := o.seq([]byte(good)); !ok || seq != scenarios.FirstSeq+7 {
		t.Errorf("read back as %d, %t", seq, ok)
	}
	for _, bad := range []string{
		"", good[:len(good)-1], good + " ",
		strings.Replace(good, "xxxxx", "xxxyx", 1),
		strings.Replace(good, "1000000007", "10000000a7", 1),
		strings.Replace(good, "bench", "bencH", 1),
	} {
		if _, ok := o.seq([]byte(bad)); ok {
			t.Errorf("%q passes for the message that was sent", bad)
		}
	}
}

// TestSay compares what a client says with the frames, unmasked.
func TestSay(t *testing.T) {
	for protocol, want := range map[scenarios.Protocol][]string{
		scenarios.ProtocolRaw: {
			`{"type":"join","id":1,"data":{"room":"r","from":"a"}}`,
			`{"type":"leave","id":3,"data":{"room":"r","from":"a"}}`,
			`{"type":"chat","data":{"x":1}}`,
			`{"type":"announce","data":{"x":2}}`,
		},
		scenarios.ProtocolEIO4: {
			`421["join",{"room":"r","from":"a"}]`,
			`423["leave",{"room":"r","from":"a"}]`,
			`42["chat",{"x":1}]`,
			`42["announce",{"x":2}]`,
		},
	} {
		c := newOpen(t, protocol)
		c.Request("join", 1, "r", "a")
		c.Request("leave", 3, "r", "a")
		c.Event("chat", []byte(`{"x":1}`))
		c.Event("announce", []byte(`{"x":2}`))
		out := c.Take(nil, 0)
		var got []string
		for len(out) > 0 {
			n := int(out[1] & 0x7F)
			payload := out[6 : 6+n]
			for i := range payload {
				payload[i] ^= c.key[i%4]
			}
			got = append(got, string(payload))
			out = out[6+n:]
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: said %q, want %q", protocol, got, want)
		}
		if again := c.Take(nil, 0); len(again) > 0 {
			t.Errorf("%s: %q is there twice", protocol, again)
		}
	}
}

// fuzz checks that nothing a server sends breaks the codec, and that it does
// not matter how the stream is cut.
func fuzz(f *testing.F, p scenarios.Protocol, seeds ...string) {
	for _, s := range seeds {
		f.Add([]byte(s), byte(3))
	}
	f.Fuzz(func(t *testing.T, stream []byte, n byte) {
		whole, c := newOpen(t, p), newOpen(t, p)
		c.key = whole.key
		want, wantOut, wantErr := feed(whole, string(stream), max(1, len(stream)))
		got, out, err := feed(c, string(stream), int(n)+1)
		if !slices.Equal(got, want) || !bytes.Equal(out, wantOut) || (err == nil) != (wantErr == nil) {
			t.Errorf("in pieces of %d: %q %q %v\nat once: %q %q %v", n+1, got, out, err, want, wantOut, wantErr)
		}
	})
}

func FuzzRaw(f *testing.F) {
	fuzz(f, scenarios.ProtocolRaw,
		text(`{"type":"chat","data":{"room":"r"}}`)+text(`{"type":"ack","id":1}`),
		server(0x01, `{"type":"ack",`)+server(0x89, "hi")+server(0x80, `"id":3}`),
		server(0x88, "\x03\xe8bye"), "\x81\x7e\x01", "\x81\x7f\x00")
}

func FuzzEngineIO3(f *testing.F) {
	fuzz(f, scenarios.ProtocolEIO3,
		text(`0{"sid":"x","pingInterval":25000}`)+text("40")+text("3"),
		text("42[\"chat\",{}]\n")+text("431[\"\"]\n"), text("42/,1[]"))
}

func FuzzEngineIO4(f *testing.F) {
	fuzz(f, scenarios.ProtocolEIO4,
		text(`0{"sid":"x"}`)+text(`40{"sid":"y"}`)+text("2"),
		text(`42["chat",{}]`)+text(`431[""]`)+text("44{}"), text("2probe"))
}

func FuzzHandshake(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 x\r\nSec-WebSocket-Accept: a\r\n\r\n\x81\x00"), byte(3))
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\n\r\n"), byte(0))
	f.Fuzz(func(t *testing.T, stream []byte, n byte) {
		whole, c := newOpen(t, scenarios.ProtocolRaw), newOpen(t, scenarios.ProtocolRaw)
		whole.accept, c.accept = "a", "a"
		want, _, wantErr := feed(whole, string(stream), max(1, len(stream)))
		got, _, err := feed(c, string(stream), int(n)+1)
		if !slices.Equal(got, want) || (err == nil) != (wantErr == nil) {
			t.Errorf("in pieces of %d: %q %v\nat once: %q %v", n+1, got, err, want, wantErr)
		}
	})
}
