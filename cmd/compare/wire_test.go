package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestWire captures two stacks in every format.
func TestWire(t *testing.T) {
	for format, wants := range map[string][]string{
		"table":    {"── handshake ", "rawws: bytes by what asks for them", "Bytes, up + down", "TCP_INFO"},
		"markdown": {"## rawws: plain WebSocket", "### message 2", "| offset | size |", "## Bytes, up + down"},
		"json":     {`"stack": "sio"`, `"ref": "RFC 6455, 5.2"`},
	} {
		status, stdout, stderr := compare(t, "wire", "-stack", "rawws,sio", "-size", "16", "-format", format)
		if status != exitOK {
			t.Errorf("%s: exit status %d, %s", format, status, stderr)
		}
		for _, want := range wants {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s lacks %q", format, want)
			}
		}
		if format == "json" && !json.Valid([]byte(stdout)) {
			t.Error("this is no JSON")
		}
	}
}

// TestWireWithoutNode says what is left out, and shows the others.
func TestWireWithoutNode(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	status, stdout, stderr := compare(t, "wire", "-stack", "rawws,sio-node")
	if status != exitOK || !strings.Contains(stdout, "rawws: bytes") || !strings.Contains(stderr, "left out: sio-node: ") {
		t.Errorf("exit status %d, %s", status, stderr)
	}
	status, _, stderr = compare(t, "wire", "-stack", "sio-node")
	if status != exitError || !strings.Contains(stderr, "this machine can run none of the stacks") {
		t.Errorf("exit status %d, %s", status, stderr)
	}
}
