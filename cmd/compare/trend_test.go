package main

import (
	"strings"
	"testing"
)

// TestTrend shows the history of the runs in this repository.
func TestTrend(t *testing.T) {
	for format, want := range map[string][]string{
		"table":    {"runs, the oldest first", "2026-11-25-quick", "sio / rawws", "95 % interval"},
		"markdown": {"## runs, the oldest first", "| 2026-11-25-quick"},
		"svg":      {"<svg ", "<polyline ", "sio / rawws"},
		"html":     {"<!DOCTYPE html>", "<svg ", "2026-11-25-quick"},
	} {
		status, stdout, stderr := compare(t, "trend", "-format", format, "-case", "steady", "../../results")
		if status != exitOK || stderr != "" {
			t.Errorf("%s: exit status %d, %s", format, status, stderr)
		}
		for _, text := range want {
			if !strings.Contains(stdout, text) {
				t.Errorf("%s lacks %q", format, text)
			}
		}
	}
	if status, stdout, stderr := compare(t, "trend", "-case", "yodel", "../../results"); status != exitError || stdout != "" || !strings.Contains(stderr, "none of the runs has a ratio") {
		t.Errorf("a case that nobody ran: exit status %d, %s%s", status, stdout, stderr)
	}
}
