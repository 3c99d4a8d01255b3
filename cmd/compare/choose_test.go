package main

import (
	"slices"
	"testing"

	"wsvsio/scenarios"
)

// TestExtraStacks has the stacks that only tell where a difference comes from
// left out of a quick look, unless they are asked for.
func TestExtraStacks(t *testing.T) {
	for _, tt := range []struct {
		list    string
		profile scenarios.Profile
		want    bool
	}{
		{"", scenarios.Quick, false},
		{"", scenarios.Full, true},
		{"rawws,bare", scenarios.Quick, true},
		{"rawws", scenarios.Full, false},
	} {
		stacks, err := chooseStacks(tt.list, tt.profile)
		if err != nil {
			t.Fatal(err)
		}
		has := func(name string) bool {
			return slices.ContainsFunc(stacks, func(s scenarios.Stack) bool { return s.Name == name })
		}
		if has("bare") != tt.want || !has("rawws") {
			t.Errorf("-stack %q in %s: bare is there: %t, want %t", tt.list, tt.profile, has("bare"), tt.want)
		}
	}
}
