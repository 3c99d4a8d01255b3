package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes of RFC 6455, section 5.2.
const (
	OpContinuation = 0x0
	OpText         = 0x1
	OpBinary       = 0x2
	OpClose        = 0x8
	OpPing         = 0x9
	OpPong         = 0xA
)

// MaxMessage is the longest message that is accepted, in bytes; a length
// beyond it is taken for a damaged stream.
const MaxMessage = 64 << 20

// ErrShort says that the input ends inside a frame.
var ErrShort = errors.New("frame is not complete")

// Frame is a WebSocket frame.
type Frame struct {
	Fin     bool
	Masked  bool
	Opcode  byte
	Key     [4]byte // if it is masked
	Payload []byte  // part of the input, as it came: see AppendPayload
}

// ParseFrame reads the frame at the start of in and returns its size in bytes.
// Where in ends before the frame does, it returns ErrShort, and the size is how
// many bytes it takes at least; Masked is set as soon as it is known.
func ParseFrame(in []byte) (f Frame, size int, err error) {
	if len(in) < 2 {
		return f, 2, ErrShort
	}
	f.Fin, f.Opcode = in[0]&0x80 != 0, in[0]&0x0F
	if in[0]&0x70 != 0 {
		return f, 0, fmt.Errorf("frame with reserved bits 0x%02x", in[0]&0x70)
	}
	f.Masked = in[1]&0x80 != 0
	header, length := 2, uint64(in[1]&0x7F)
	switch length {
	case 126:
		header = 4
		if len(in) < header {
			return f, header, ErrShort
		}
		length = uint64(binary.BigEndian.Uint16(in[2:]))
	case 127:
		header = 10
		if len(in) < header {
			return f, header, ErrShort
		}
		length = binary.BigEndian.Uint64(in[2:])
	}
	if length > MaxMessage {
		return f, 0, fmt.Errorf("frame of %d bytes", length)
	}
	if f.Opcode >= OpClose && (length > 125 || !f.Fin) {
		return f, 0, fmt.Errorf("control frame 0x%x of %d bytes, final %t", f.Opcode, length, f.Fin)
	}
	if f.Masked {
		header += len(f.Key)
	}
	size = header + int(length)
	if len(in) < size {
		return f, size, ErrShort
	}
	if f.Masked {
		copy(f.Key[:], in[header-len(f.Key):])
	}
	f.Payload = in[header:size]
	return f, size, nil
}

// AppendPayload appends the payload, unmasked.
func (f Frame) AppendPayload(dst []byte) []byte {
	from := len(dst)
	dst = append(dst, f.Payload...)
	if f.Masked {
		for i := range f.Payload {
			dst[from+i] ^= f.Key[i&3]
		}
	}
	return dst
}

// AppendFrame appends a masked frame, as a client must send it (RFC 6455,
// section 5.3). The key must not be zero: ws skips the unmasking then, and the
// servers would not do the same work.
func AppendFrame(dst []byte, opcode byte, key [4]byte, payload []byte) []byte {
	dst = append(dst, 0x80|opcode)
	switch n := len(payload); {
	case n < 126:
		dst = append(dst, 0x80|byte(n))
	case n < 1<<16:
		dst = binary.BigEndian.AppendUint16(append(dst, 0x80|126), uint16(n))
	default:
		dst = binary.BigEndian.AppendUint64(append(dst, 0x80|127), uint64(n))
	}
	dst = append(dst, key[:]...)
	for i, b := range payload {
		dst = append(dst, b^key[i&3])
	}
	return dst
}
