package overhead

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"wsvsio/internal/wire"
	"wsvsio/lessons/exercise"
	"wsvsio/lessons/overhead/solution"
)

func TestExercise(t *testing.T) { exercise.Judge(t, "235a4dc79575", Header, check) }

func TestSolution(t *testing.T) { exercise.Solved(t, solution.Header, check) }

// TestWrong has solutions with one fault.
func TestWrong(t *testing.T) {
	for fault, wrong := range map[string]struct {
		header func(opcode byte, length int, key *[4]byte) []byte
		why    string
	}{
		"the long form for all that is not short": {func(opcode byte, length int, key *[4]byte) []byte {
			if length < 126 || key != nil {
				return solution.Header(opcode, length, key)
			}
			return binary.BigEndian.AppendUint64([]byte{0x80 | opcode, 127}, uint64(length))
		}, "4 are enough"},
		"the length from its end": {func(opcode byte, length int, key *[4]byte) []byte {
			h := solution.Header(opcode, length, key)
			slices.Reverse(h[2:])
			return h
		}, "announces more than follows"},
		"a key that is not announced": {func(opcode byte, length int, key *[4]byte) []byte {
			h := solution.Header(opcode, length, key)
			h[1] &= 0x7F
			return h
		}, "masked is false"},
	} {
		t.Run(fault, func(t *testing.T) { exercise.Refused(t, wrong.why, wrong.header, check) })
	}
}

// check reads each header with the parser that the load generator uses.
func check(_ context.Context, header func(opcode byte, length int, key *[4]byte) []byte) error {
	for _, key := range []*[4]byte{nil, {0x37, 0xfa, 0x21, 0x3d}} {
		for _, length := range []int{0, 1, 125, 126, 127, 128, 65535, 65536, 1 << 20} {
			for _, opcode := range []byte{wire.OpText, wire.OpBinary} {
				what := fmt.Sprintf("opcode %d, %d bytes", opcode, length)
				if key != nil {
					what += ", masked"
				}
				h := header(opcode, length, key)
				f, size, err := wire.ParseFrame(append(h[:len(h):len(h)], make([]byte, length)...))
				if errors.Is(err, wire.ErrShort) {
					return fmt.Errorf("%s: % x announces more than follows", what, h)
				}
				if err != nil {
					return fmt.Errorf("%s: % x: %w", what, h, err)
				}
				switch {
				case !f.Fin || f.Opcode != opcode:
					return fmt.Errorf("%s: % x: FIN is %t and the opcode %d", what, h, f.Fin, f.Opcode)
				case f.Masked != (key != nil):
					return fmt.Errorf("%s: % x: masked is %t", what, h, f.Masked)
				case key != nil && f.Key != *key:
					return fmt.Errorf("%s: % x: the key is % x", what, h, f.Key)
				case len(f.Payload) != length || size != len(h)+length:
					return fmt.Errorf("%s: % x announces %d bytes", what, h, len(f.Payload))
				}
				// The shortest form is the only one that is allowed.
				if want := map[bool]int{false: 2, true: 6}[key != nil] + extra(length); len(h) != want {
					return fmt.Errorf("%s: a header of %d bytes; %d are enough", what, len(h), want)
				}
			}
		}
	}
	return nil
}

// extra is how many bytes the length takes beyond the second one.
func extra(length int) int {
	switch {
	case length < 126:
		return 0
	case length < 65536:
		return 2
	}
	return 8
}
