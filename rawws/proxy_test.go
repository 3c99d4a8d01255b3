package rawws

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"wsvsio/scenarios"
)

// TestForwarded believes proxies as far as they are trusted, and no further.
func TestForwarded(t *testing.T) {
	for name, tt := range map[string]struct {
		trusted      int
		hosts, chain []string
		host, addr   string
	}{
		"nobody is trusted":          {0, []string{"evil"}, []string{"6.6.6.6"}, "own", "192.0.2.1:1234"},
		"one proxy":                  {1, []string{"chat.example"}, []string{"9.9.9.9"}, "chat.example", "9.9.9.9:0"},
		"a client that makes up one": {1, []string{"chat.example"}, []string{"6.6.6.6, 9.9.9.9"}, "chat.example", "9.9.9.9:0"},
		"in a header of its own":     {1, []string{"evil", "chat.example"}, []string{"6.6.6.6", "9.9.9.9"}, "chat.example", "9.9.9.9:0"},
		"two proxies":                {2, []string{"chat.example"}, []string{"6.6.6.6, 9.9.9.9, 10.0.0.1"}, "chat.example", "9.9.9.9:0"},
		"IPv6":                       {1, nil, []string{"2001:db8::1"}, "own", "[2001:db8::1]:0"},
		"one that says nothing":      {1, nil, nil, "own", "192.0.2.1:1234"},
	} {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Host = "own"
			r.Header["X-Forwarded-Host"], r.Header["X-Forwarded-For"] = tt.hosts, tt.chain
			cfg := scenarios.ServerConfig{Behind: scenarios.Behind{Trusted: tt.trusted}}
			got := forwarded(cfg, r)
			if got.Host != tt.host || got.RemoteAddr != tt.addr {
				t.Errorf("host %s, address %s; want %s, %s", got.Host, got.RemoteAddr, tt.host, tt.addr)
			}
			if r.Host != "own" {
				t.Error("the request itself was changed")
			}
		})
	}
}

// TestBehind has two heartbeats fit into what a proxy waits, and leaves
// alone what is quicker.
func TestBehind(t *testing.T) {
	for idle, want := range map[time.Duration]time.Duration{
		0: scenarios.Defaults.PingInterval, time.Second: 500 * time.Millisecond, time.Hour: scenarios.Defaults.PingInterval,
	} {
		cfg := scenarios.ServerConfig{Behind: scenarios.Behind{Idle: idle}}.WithDefaults()
		if got := behind(cfg).PingInterval; got != want {
			t.Errorf("idle %v: a ping every %v, want %v", idle, got, want)
		}
	}
}

// TestDialErrors says what is wrong with a proxy or an authority.
func TestDialErrors(t *testing.T) {
	for want, cfg := range map[string]scenarios.DialConfig{
		`proxy "nonsense": not http://host:port`: {Proxy: "nonsense"},
		`proxy "socks5://h:1": not http://`:      {Proxy: "socks5://h:1"},
		"no certificate in the CA":               {CA: "nonsense"},
	} {
		_, err := Dial(t.Context(), "http://127.0.0.1:1", cfg, func(scenarios.Event) {})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
