package stacktest_test

import (
	"strings"
	"testing"

	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

func TestCompare(t *testing.T) {
	msg := func(room, from string, seq int64) scenarios.Message {
		return scenarios.Message{Room: room, From: from, Seq: seq, Body: "hi"}
	}
	type messages = []scenarios.Message
	ann1, ann2, ann3 := msg("r", "ann", 1), msg("r", "ann", 2), msg("r", "ann", 3)
	bob1, side := msg("r", "bob", 1), msg("side", "ann", 4)
	changed := ann1
	changed.Body = "ho"
	told := msg("r", "ann", 0) // a client may join twice
	tests := []struct {
		name      string
		got, want messages
		err       string
	}{
		{"nothing", nil, nil, ""},
		{"all", messages{ann1, ann2}, messages{ann1, ann2}, ""},
		{"senders mixed", messages{bob1, ann1, ann2}, messages{ann1, ann2, bob1}, ""},
		{"rooms mixed", messages{side, ann1}, messages{ann1, side}, ""},
		{"meant twice", messages{told, told}, messages{told, told}, ""},
		{"none came", nil, messages{ann1, ann2}, `2 of 2 are missing, the first is "r" ann#1 "hi"`},
		{"one lost", messages{ann1, ann3}, messages{ann1, ann2, ann3}, `1 of 3 are missing, the first is "r" ann#2`},
		{"meant twice, one lost", messages{told}, messages{told, told}, "1 of 2 are missing"},
		{"doubled", messages{ann1, ann1}, messages{ann1}, `got "r" ann#1 "hi" twice`},
		{"swapped", messages{ann2, ann1}, messages{ann1, ann2}, `got "r" ann#1 "hi" after "r" ann#2`},
		{"changed", messages{changed}, messages{ann1}, `"ho", which was sent as "r" ann#1 "hi"`},
		{"not meant", messages{ann1, bob1}, messages{ann1}, `got "r" bob#1 "hi", which it should not`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := stacktest.Compare(tt.got, tt.want)
			switch {
			case tt.err == "" && err != nil:
				t.Error(err)
			case tt.err != "" && err == nil:
				t.Errorf("no error, want %q", tt.err)
			case err != nil && !strings.Contains(err.Error(), tt.err):
				t.Errorf("got %q, want %q", err, tt.err)
			}
		})
	}
}
