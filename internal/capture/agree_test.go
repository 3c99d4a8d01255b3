package capture

import (
	"errors"
	"slices"
	"testing"

	"wsvsio/internal/dissect"
	"wsvsio/scenarios"
)

// TestAgree has counts that are one byte off.
func TestAgree(t *testing.T) {
	step := Step{Unit: dissect.Unit{Size: 3, Fields: []dissect.Field{{Raw: []byte("abc")}}}}
	for _, tt := range []struct {
		up, down int64
		kernel   scenarios.Kernel
		ok       bool
	}{
		{3, 0, scenarios.Kernel{}, true},
		{3, 0, scenarios.Kernel{Told: true, Up: 3}, true},
		{4, 0, scenarios.Kernel{}, false},
		{3, 1, scenarios.Kernel{}, false},
		{3, 0, scenarios.Kernel{Told: true, Up: 2}, false},
	} {
		c := &Capture{Steps: []Step{step}}
		c.Counted.Up, c.Counted.Down, c.Counted.Kernel = tt.up, tt.down, tt.kernel
		if err := c.agree(); (err == nil) != tt.ok || err != nil && !errors.Is(err, errCount) {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// TestPhases has a poll that was asked before the join answered with the
// message, one that says nothing before and one after.
func TestPhases(t *testing.T) {
	step := func(conn, pair int, down bool, words ...string) Step {
		s := Step{Conn: conn, Unit: dissect.Unit{Pair: pair, Down: down}}
		for _, w := range words {
			seq := int64(0)
			if w == "chat 2" {
				w, seq = "chat", scenarios.FirstSeq+1
			}
			s.Says = append(s.Says, dissect.Word{Type: w, Seq: seq})
		}
		return s
	}
	c := &Capture{Steps: []Step{
		step(1, 1, false), step(1, 1, true, "noop"), step(1, 2, false), // a poll that waits
		step(2, 1, false, "join"), step(2, 1, true), step(1, 2, true, "ack"),
		step(3, 0, false, "chat"), step(3, 0, true, "ping"), step(3, 0, false, "pong", "chat"),
		step(3, 0, true, "chat 2"), step(1, 3, false), step(3, 0, false, "close"),
	}}
	c.phases()
	var got []Phase
	for _, s := range c.Steps {
		got = append(got, s.Phase)
	}
	want := []Phase{Handshake, Handshake, Join, Join, Join, Join, First, Beat, Beat, Second, Goodbye, Goodbye}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
