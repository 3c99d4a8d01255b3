package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestTrend shows the history of the runs in this repository: of all in one format, and
// of two in the others, for there is much to read.
func TestTrend(t *testing.T) {
	two := t.TempDir()
	for _, name := range []string{"2026-11-25-quick", "2026-11-25-go-alone"} {
		if err := os.CopyFS(filepath.Join(two, name), os.DirFS(filepath.Join(results, name))); err != nil {
			t.Fatal(err)
		}
	}
	for format, want := range map[string][]string{
		"table":    {"runs, the oldest first", "2026-11-25-quick", "sio / rawws", "95 % interval"},
		"markdown": {"## runs, the oldest first", "| 2026-11-25-quick"},
		"svg":      {"<svg ", "<polyline ", "sio / rawws"},
		"html":     {"<!DOCTYPE html>", "<svg ", "2026-11-25-quick"},
	} {
		folder := two
		if format == "table" {
			folder = results
		}
		status, stdout, stderr := compare(t, "trend", "-format", format, "-case", "steady", folder)
		if status != exitOK || stderr != "" {
			t.Errorf("%s: exit status %d, %s", format, status, stderr)
		}
		for _, text := range want {
			if !strings.Contains(stdout, text) {
				t.Errorf("%s lacks %q", format, text)
			}
		}
	}
	if status, stdout, stderr := compare(t, "trend", "-case", "yodel", two); status != exitError || stdout != "" || !strings.Contains(stderr, "none of the runs has a ratio") {
		t.Errorf("a case that nobody ran: exit status %d, %s%s", status, stdout, stderr)
	}
}
