// Package overhead is the exercise of the lesson on what a message costs.
package overhead

// Header returns what stands before the payload of a WebSocket frame (RFC 6455,
// section 5.2): the last frame of its message, with this opcode and a payload of
// length bytes. A frame of a client has a key; nil is a frame of a server, whose
// payload is not masked.
//
// It is right for short messages. Complete it.
func Header(opcode byte, length int, key *[4]byte) []byte {
	return []byte{0x80 | opcode, byte(length)}
}
