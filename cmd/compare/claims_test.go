package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
)

// What runs say of the claims is printed with their rules and the cells, and a
// run that cannot be read does not keep the others from it.
func TestClaims(t *testing.T) {
	proxy := "../../results/2026-11-28-proxy"
	status, stdout, stderr := compare(t, "claims", recorded, proxy)
	if status != exitOK || stderr != "" {
		t.Fatalf("exit status %d, stderr %q", status, stderr)
	}
	for _, want := range []string{
		"[2] 2026-11-28-proxy", "overhead: HOLDS", "proxies: HOLDS IN PART", "api: NOT MEASURED", "to measure it: compare -scenario size",
		"this run does not say", "In steady, and in fan-out", "case=steady/clients=100/size=128/rate=200", "[2] 0 % work",
	} {
		if !strings.Contains(strings.Join(strings.Fields(stdout), " "), want) {
			t.Errorf("the claims lack %q", want)
		}
	}
	if status, stdout, _ := compare(t, "claims", "-format", "markdown", recorded); status != exitOK || !strings.Contains(stdout, "## What the claims come to") {
		t.Errorf("exit status %d, %s", status, stdout)
	}

	status, stdout, stderr = compare(t, "claims", t.TempDir(), recorded)
	if status != exitError || !strings.Contains(stdout, "overhead: HOLDS") || !strings.Contains(stderr, "does not hold a run") {
		t.Errorf("with one that is none: exit status %d, stderr %q", status, stderr)
	}
	newer := copied(t, "run.json", func(data []byte) []byte { return bytes.Replace(data, []byte(`"format": 1`), []byte(`"format": 99`), 1) })
	status, stdout, stderr = compare(t, "claims", newer)
	if status != exitError || stdout != "" || !strings.Contains(stderr, "read it with the version that wrote it") {
		t.Errorf("of a newer format: exit status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
}

// A run that is damaged, or of a version that has other units, says what is
// missing in its place, and the rest.
func TestClaimsOfBadRuns(t *testing.T) {
	damaged := copied(t, "run.json", half)
	status, stdout, stderr := compare(t, "claims", damaged)
	if status != exitError || !strings.Contains(stdout, "PARTIAL RUN: not all of its files can be read") || !strings.Contains(stderr, "damaged: "+filepath.Join(damaged, "run.json")) {
		t.Errorf("damaged: exit status %d, stderr %q, stdout %.300q", status, stderr, stdout)
	}
	other := copied(t, "run.json", func(data []byte) []byte {
		return bytes.ReplaceAll(data, []byte(`"connect-conns"`), []byte(`"connections"`))
	})
	_, stdout, _ = compare(t, "claims", other)
	for _, want := range []string{"overhead: HOLDS", "single-connection: NOT MEASURED", "broadcast / connect of rawws has no connect-conns"} {
		if !strings.Contains(stdout, want) {
			t.Errorf("of another version: no %q", want)
		}
	}
	// The answers are first in a report, and the tables follow.
	status, stdout, _ = compare(t, "report", recorded)
	answers, tables := strings.Index(stdout, "What the claims come to"), strings.Index(stdout, "broadcast / echo: 1 client")
	if status != exitOK || answers < 0 || tables < answers {
		t.Errorf("exit status %d; the answers are at %d, the tables at %d", status, answers, tables)
	}
}
