package sio

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"wsvsio/scenarios"
)

// serve starts a server and returns it with its URL.
func serve(t *testing.T, cfg scenarios.ServerConfig) (*Server, string) {
	t.Helper()
	s, err := NewServer(cfg)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(s)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := s.Shutdown(ctx); err != nil {
			t.Errorf("shutdown: %v", err)
		}
		web.Close()
	})
	return s.(*Server), web.URL
}

// ask sends a request and returns the status and the body of the answer.
func ask(t *testing.T, method, url, body string, header http.Header) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

const pollingPath = "/socket.io/?EIO=3&transport=polling"

func TestRefused(t *testing.T) {
	_, url := serve(t, scenarios.ServerConfig{ReadLimit: 1000})
	foreign := http.Header{"Origin": {"http://evil.example"}}
	if status, _ := ask(t, "GET", url+pollingPath, "", foreign); status != http.StatusForbidden {
		t.Errorf("a foreign origin is answered with %d", status)
	}
	if status, _ := ask(t, "POST", url+pollingPath, strings.Repeat("x", 1001), nil); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too big is answered with %d", status)
	}
}

func TestShuttingDown(t *testing.T) {
	s, url := serve(t, scenarios.ServerConfig{})
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := s.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if status, _ := ask(t, "GET", url+pollingPath, "", nil); status != http.StatusServiceUnavailable {
		t.Errorf("after the shutdown a request is answered with %d", status)
	}
}

// TestSessionIDs must not let one id be guessed from another.
func TestSessionIDs(t *testing.T) {
	ids := sessionIDs("node7-")
	a, b := ids.NewID(), ids.NewID()
	if a == b || !strings.HasPrefix(a, "node7-") || len(a) < len("node7-")+20 {
		t.Errorf("ids %q and %q", a, b)
	}
}
