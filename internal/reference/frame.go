package reference

import "encoding/binary"

// frame puts a server's header before a text.
func frame(text []byte) []byte {
	return append(header(len(text), 0), text...)
}

// header begins a text frame of n bytes; mask is 0x80 or 0.
func header(n int, mask byte) []byte {
	h := []byte{0x81}
	switch {
	case n < 126:
		return append(h, mask|byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(h, mask|126), uint16(n))
	}
	return binary.BigEndian.AppendUint64(append(h, mask|127), uint64(n))
}
