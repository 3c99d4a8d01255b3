package reference

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
)

// sighting is a numbered message in a stream.
type sighting struct {
	seq      int64
	from, to int64 // offsets of its frame; to is the first that is not in it
}

// seqDigits is how many digits a sequence number has; see scenarios.FirstSeq.
const seqDigits = 10

// sightings finds the messages in one direction of a WebSocket connection, from
// its HTTP head on. It looks for the number alone, whatever the protocol puts
// around it; a message has to be one frame (RFC 6455, section 5.2). What is
// not complete at the end is left out.
func sightings(stream []byte) ([]sighting, error) {
	at := bytes.Index(stream, []byte("\r\n\r\n"))
	if at < 0 {
		return nil, errors.New("the stream has no HTTP head")
	}
	var found []sighting
	for at += 4; at+2 <= len(stream); {
		frame := stream[at:]
		header, length := 2, uint64(frame[1]&0x7F)
		switch length {
		case 126:
			header = 4
		case 127:
			header = 10
		}
		masked := frame[1]&0x80 != 0
		start := header
		if masked {
			start += 4
		}
		if len(frame) < start {
			break
		}
		switch header {
		case 4:
			length = uint64(binary.BigEndian.Uint16(frame[2:]))
		case 10:
			length = binary.BigEndian.Uint64(frame[2:])
		}
		if uint64(len(frame)-start) < length {
			break
		}
		end := start + int(length)
		payload := frame[start:end]
		if masked {
			key := frame[header:start]
			payload = bytes.Clone(payload)
			for i := range payload {
				payload[i] ^= key[i%4]
			}
		}
		seq, ok, err := number(payload)
		if err != nil {
			return nil, fmt.Errorf("frame at offset %d: %w", at, err)
		}
		if ok {
			found = append(found, sighting{seq, int64(at), int64(at + end)})
		}
		at += end
	}
	return found, nil
}

// number finds the sequence number in a payload.
func number(payload []byte) (seq int64, ok bool, err error) {
	_, rest, ok := bytes.Cut(payload, []byte(`"seq":`))
	if !ok || len(rest) < seqDigits {
		return 0, false, nil
	}
	if seq, err = strconv.ParseInt(string(rest[:seqDigits]), 10, 64); err != nil {
		return 0, false, fmt.Errorf("sequence number: %w", err)
	}
	return seq, true, nil
}
