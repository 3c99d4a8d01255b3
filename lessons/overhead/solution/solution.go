// Package solution solves the exercise.
package solution

import "encoding/binary"

// Header returns what stands before the payload of a WebSocket frame.
func Header(opcode byte, length int, key *[4]byte) []byte {
	const fin, masked = 0x80, 0x80
	h := []byte{fin | opcode, 0}
	switch {
	case length < 126:
		h[1] = byte(length)
	case length < 1<<16:
		h[1] = 126
		h = binary.BigEndian.AppendUint16(h, uint16(length))
	default:
		h[1] = 127
		h = binary.BigEndian.AppendUint64(h, uint64(length))
	}
	if key != nil {
		h[1] |= masked
		h = append(h, key[:]...)
	}
	return h
}
