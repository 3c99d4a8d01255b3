package load

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Opcodes of RFC 6455, section 5.2.
const (
	opContinuation = 0x0
	opText         = 0x1
	opBinary       = 0x2
	opClose        = 0x8
	opPing         = 0x9
	opPong         = 0xA
)

// maxMessage is the longest message that is accepted, in bytes; a length
// beyond it is taken for a damaged stream.
const maxMessage = 64 << 20

// errShort says that the input ends inside a frame.
var errShort = errors.New("frame is not complete")

// parseFrame reads the frame at the start of in. It returns errShort where in
// ends before the frame does.
func parseFrame(in []byte) (fin bool, opcode byte, payload []byte, size int, err error) {
	if len(in) < 2 {
		return false, 0, nil, 0, errShort
	}
	fin, opcode = in[0]&0x80 != 0, in[0]&0x0F
	if in[0]&0x70 != 0 {
		return false, 0, nil, 0, fmt.Errorf("frame with reserved bits 0x%02x", in[0]&0x70)
	}
	if in[1]&0x80 != 0 {
		return false, 0, nil, 0, errors.New("masked frame from a server")
	}
	header, length := 2, uint64(in[1])
	switch length {
	case 126:
		header = 4
		if len(in) < header {
			return false, 0, nil, 0, errShort
		}
		length = uint64(binary.BigEndian.Uint16(in[2:]))
	case 127:
		header = 10
		if len(in) < header {
			return false, 0, nil, 0, errShort
		}
		length = binary.BigEndian.Uint64(in[2:])
	}
	if length > maxMessage {
		return false, 0, nil, 0, fmt.Errorf("frame of %d bytes", length)
	}
	if opcode >= opClose && (length > 125 || !fin) {
		return false, 0, nil, 0, fmt.Errorf("control frame 0x%x of %d bytes, final %t", opcode, length, fin)
	}
	size = header + int(length)
	if len(in) < size {
		return false, 0, nil, 0, errShort
	}
	return fin, opcode, in[header:size], size, nil
}

// appendFrame appends a masked frame, as a client must send it (RFC 6455,
// section 5.3). The key must not be zero: ws skips the unmasking then, and the
// servers would not do the same work.
func appendFrame(dst []byte, opcode byte, key [4]byte, payload []byte) []byte {
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

// closeReason reads the payload of a close frame.
func closeReason(payload []byte) error {
	if len(payload) < 2 {
		return errors.New("closed by the server, no reason given")
	}
	return fmt.Errorf("closed by the server: code %d %s",
		binary.BigEndian.Uint16(payload), payload[2:])
}
