package floor

import (
	"bytes"
	"slices"
	"testing"
)

// client is a frame as the load generator sends it, masked with zeros.
func client(payload []byte) []byte {
	f := frame(payload)
	header := len(f) - len(payload)
	f[1] |= 0x80
	return slices.Insert(f, header, 0, 0, 0, 0)
}

func TestSplit(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("x"), n)
		whole := client(payload)
		for _, cut := range []int{0, 1, 2, 3, len(whole) - 1} {
			if _, _, ok := split(whole[:cut]); ok {
				t.Errorf("%d bytes: a frame is found in the first %d of %d", n, cut, len(whole))
			}
		}
		got, size, ok := split(append(whole, "next"...))
		if !ok || size != len(whole) || !bytes.Equal(got, payload) {
			t.Errorf("%d bytes: read back %d, frame of %d of %d, %t", n, len(got), size, len(whole), ok)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(client([]byte("hello")))
	f.Add([]byte("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if payload, size, ok := split(in); ok && (size > len(in) || len(payload) > size) {
			t.Errorf("frame of %d, payload of %d in %d bytes", size, len(payload), len(in))
		}
	})
}
