package streams

import (
	"bufio"
	"encoding/xml"
	"io"
	"net"
	"strings"
	"testing"

	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

// TestStack runs the suite over both forms.
func TestStack(t *testing.T) {
	for name, dial := range map[string]scenarios.Dial{"events": DialEvents, "parts": DialParts} {
		t.Run(name, func(t *testing.T) {
			stacktest.Run(t, stacktest.Local(NewServer, dial), scenarios.Stack{
				Name: name, Protocol: scenarios.ProtocolRaw,
				Mode: scenarios.Mode{Transports: []string{map[string]string{"events": "eventsource", "parts": "xhr-multipart"}[name]}},
			})
		})
	}
}

// TestFlash does what a Flash player did: it asks for the policy file, and then
// opens the socket.
func TestFlash(t *testing.T) {
	s, err := NewFlashServer(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ask := func(say string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if _, err := io.WriteString(conn, say); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	policy, err := io.ReadAll(ask(PolicyRequest)) // the server closes it
	if err != nil {
		t.Fatal(err)
	}
	text, ended := strings.CutSuffix(string(policy), "\x00")
	var file struct {
		XMLName xml.Name `xml:"cross-domain-policy"`
		Allow   struct {
			Domain string `xml:"domain,attr"`
			Ports  string `xml:"to-ports,attr"`
		} `xml:"allow-access-from"`
	}
	if err := xml.Unmarshal([]byte(text), &file); err != nil || !ended || file.Allow.Domain != "*" || file.Allow.Ports != "*" {
		t.Fatalf("policy %q: %+v, %v", policy, file, err)
	}
	for _, say := range []string{"<message/>\x00", "<policy-file-request>\x00", "hello\x00"} {
		conn := ask(say)
		if back, err := bufio.NewReader(conn).ReadString(0); err != nil || back != say {
			t.Errorf("over the socket: %q, %v, want %q", back, err, say)
		}
	}
}
