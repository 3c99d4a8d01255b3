package reference

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// chat builds a frame with a numbered message that is long enough for its body.
func chat(seq int64, body int, masked bool) string {
	text := fmt.Sprintf(`{"type":"chat","data":{"room":"r","from":"a","seq":%d,"body":%q}}`, seq, strings.Repeat("x", body))
	return framed(text, masked)
}

func framed(text string, masked bool) string {
	if !masked {
		return string(header(len(text), 0)) + text
	}
	key := "\x01\x80\x00\x7f"
	b := []byte(text)
	for i := range b {
		b[i] ^= key[i%4]
	}
	return string(header(len(text), 0x80)) + key + string(b)
}

func TestSightings(t *testing.T) {
	const head = "HTTP/1.1 101 x\r\nA: b\r\n\r\n"
	for _, masked := range []bool{false, true} {
		stream := head
		var want []sighting
		add := func(text string, seq int64) {
			if seq > 0 {
				want = append(want, sighting{seq, int64(len(stream)), int64(len(stream) + len(text))})
			}
			stream += text
		}
		add(framed(`{"type":"ack","id":1}`, masked), 0)
		add(chat(1_000_000_000, 1, masked), 1_000_000_000)
		add(chat(1_000_000_001, 300, masked), 1_000_000_001)
		add(framed("", masked), 0)
		add(framed(`42["joined",{"seq":0}]`, masked), 0)
		add(chat(1_000_000_002, 70_000, masked), 1_000_000_002)
		if got, err := sightings([]byte(stream)); err != nil || !slices.Equal(got, want) {
			t.Errorf("masked %t: %v, %v; want %v", masked, got, err, want)
		}
		// Whatever is cut off, the frames before it are found.
		for cut := len(head); cut < len(stream); cut++ {
			got, err := sightings([]byte(stream[:cut]))
			whole := want
			for len(whole) > 0 && whole[len(whole)-1].to > int64(cut) {
				whole = whole[:len(whole)-1]
			}
			if err != nil || !slices.Equal(got, whole) {
				t.Fatalf("masked %t, cut at %d: %v, %v; want %v", masked, cut, got, err, whole)
			}
			if cut > len(head)+1000 {
				cut += 997
			}
		}
	}
	for stream, want := range map[string]string{
		"":    "no HTTP head",
		"abc": "no HTTP head",
		head + framed(`{"seq":10000o0000,`, false): "sequence number",
	} {
		if _, err := sightings([]byte(stream)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want one with %q", stream, err, want)
		}
	}
}

func FuzzSightings(f *testing.F) {
	f.Add([]byte("\r\n\r\n" + chat(1_000_000_000, 3, true) + chat(1_000_000_001, 200, false)))
	f.Add([]byte("\r\n\r\n\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		found, err := sightings(stream)
		if err != nil {
			return
		}
		end := int64(0)
		for _, s := range found {
			if s.from < end || s.to <= s.from || s.to > int64(len(stream)) {
				t.Errorf("%+v of %d bytes, after offset %d", s, len(stream), end)
			}
			end = s.to
		}
	})
}
