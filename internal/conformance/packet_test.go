package conformance

import (
	"slices"
	"testing"
)

func TestPayload(t *testing.T) {
	packets := []packet{message("hello"), message("€ 🙂"), {kind: eioPing}, binary("\x01\x02\x03\x04")}
	for _, tt := range []struct {
		version Version
		want    string
	}{
		// The examples of the documents, and one beyond the BMP: two
		// characters to version 3.
		{EIO3, "6:4hello5:4€ 🙂1:210:b4AQIDBA=="},
		{EIO4, "4hello\x1e4€ 🙂\x1e2\x1ebAQIDBA=="},
	} {
		got := encodePayload(tt.version, packets)
		if got != tt.want {
			t.Errorf("version %d: %q, want %q", tt.version, got, tt.want)
		}
		back, err := decodePayload(tt.version, got)
		if err != nil || !slices.Equal(back, packets) {
			t.Errorf("version %d: %v, %v", tt.version, back, err)
		}
	}
	framed := encodeFramed([]packet{message("€"), binary("\x01\x02\x03\x04")})
	if want := "\x00\x04\xff4€\x01\x05\xff\x04\x01\x02\x03\x04"; framed != want {
		t.Errorf("framed: %q, want %q", framed, want)
	}
	for _, tt := range []struct {
		version Version
		body    string
	}{
		{EIO3, "4hello"}, {EIO3, "9:4hello"}, {EIO3, "0:"}, {EIO3, "2:b2"}, {EIO3, "6:b4AQI"},
		{EIO4, ""}, {EIO4, "4a\x1e"}, {EIO4, "b?"},
	} {
		if got, err := decodePayload(tt.version, tt.body); err == nil {
			t.Errorf("version %d: %q is taken for %v", tt.version, tt.body, got)
		}
	}
}

func TestParseSIO(t *testing.T) {
	for text, want := range map[string]sioPacket{
		"0":                         {kind: '0', namespace: "/"},
		"0/admin,":                  {kind: '0', namespace: "/admin"},
		"1/admin":                   {kind: '1', namespace: "/admin"},
		`2["hello",1]`:              {kind: '2', namespace: "/", data: `["hello",1]`},
		`2/admin,456["x",123]`:      {kind: '2', namespace: "/admin", id: "456", data: `["x",123]`},
		`51-/admin,456["hello"]`:    {kind: '5', attachments: 1, namespace: "/admin", id: "456", data: `["hello"]`},
		`4{"message":"no"}`:         {kind: '4', namespace: "/", data: `{"message":"no"}`},
		`62-7[{"num":0},{"num":1}]`: {kind: '6', attachments: 2, namespace: "/", id: "7", data: `[{"num":0},{"num":1}]`},
	} {
		if got, err := parseSIO(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7", "x", "5[]", "5x-[]", "2[", "2abc[]"} {
		if got, err := parseSIO(text); err == nil {
			t.Errorf("%q is taken for %+v", text, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, body := range []string{"6:4hello2:4€", "4a\x1ebAQI=", "\x00\x04\xff4€\x01\x05\xff\x04\x01\x02\x03\x04", `51-/a,4["x"]`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, v := range []Version{EIO3, EIO4} {
			if packets, err := decodePayload(v, body); err == nil {
				for _, p := range packets {
					parseSIO(p.data)
				}
			}
		}
		decodeFramed(body)
		parseSIO(body)
	})
}
