package wire

import (
	"bytes"
	"errors"
	"testing"
)

var key = [4]byte{1, 2, 3, 4}

// unmasked turns a frame of AppendFrame into what a server sends.
func unmasked(opcode byte, payload []byte) []byte {
	f := AppendFrame(nil, opcode, [4]byte{}, payload)
	header := len(f) - len(payload)
	return append(append([]byte{f[0], f[1] &^ 0x80}, f[2:header-4]...), payload...)
}

func TestFrame(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		payload := bytes.Repeat([]byte("ab"), size)[:size]
		masked := AppendFrame(nil, OpText, key, payload)
		header := len(masked) - size
		for i := range payload {
			if masked[header+i]^key[i%4] != payload[i] {
				t.Fatalf("size %d: byte %d is not masked by the key", size, i)
			}
		}
		for _, in := range [][]byte{masked, unmasked(OpText, payload)} {
			f, n, err := ParseFrame(append(in, "more"...))
			if err != nil || !f.Fin || f.Opcode != OpText || n != len(in) || f.Masked != (in[1]&0x80 != 0) {
				t.Errorf("size %d: read back as %d bytes, final %t, masked %t, opcode %d: %v", size, n, f.Fin, f.Masked, f.Opcode, err)
			}
			if got := f.AppendPayload([]byte("x")); !bytes.Equal(got[1:], payload) || got[0] != 'x' {
				t.Errorf("size %d: the payload is not what it was", size)
			}
			// What is short says how much it takes, and in the end that is all.
			for have := 0; have < len(in); {
				_, need, err := ParseFrame(in[:have])
				if !errors.Is(err, ErrShort) || need <= have || need > len(in) {
					t.Fatalf("size %d: with %d bytes it takes %d: %v", size, have, need, err)
				}
				have = need
			}
		}
	}
}

func TestFrameRefused(t *testing.T) {
	for name, in := range map[string]string{
		"reserved bits":         "\xC1\x00",
		"too long":              "\x81\x7f\x00\x00\x00\x10\x00\x00\x00\x00",
		"long control frame":    "\x89\x7e\x00\x80",
		"control frame in part": "\x09\x00",
	} {
		if _, _, err := ParseFrame([]byte(in)); err == nil || errors.Is(err, ErrShort) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzFrame(f *testing.F) {
	f.Add(AppendFrame(nil, OpText, key, []byte("hello")))
	f.Add(unmasked(OpPing, nil))
	f.Add(unmasked(OpBinary, make([]byte, 70_000)))
	f.Fuzz(func(t *testing.T, in []byte) {
		frame, size, err := ParseFrame(in)
		switch {
		case errors.Is(err, ErrShort):
			if size <= len(in) {
				t.Errorf("of %d bytes it takes %d", len(in), size)
			}
		case err == nil:
			if size > len(in) || len(frame.Payload) > size-2 {
				t.Fatalf("%d bytes of %d, payload of %d", size, len(in), len(frame.Payload))
			}
			again, _, err := ParseFrame(AppendFrame(nil, frame.Opcode, key, frame.AppendPayload(nil)))
			if err != nil || again.Opcode != frame.Opcode {
				t.Fatalf("written again it is %+v: %v", again, err)
			}
			if !bytes.Equal(again.AppendPayload(nil), frame.AppendPayload(nil)) {
				t.Error("written again it has another payload")
			}
		}
	})
}
