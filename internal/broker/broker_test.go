package broker

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"wsvsio/scenarios"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestBrokers has each kind pass on a message, be away and be back on the same
// address, and end.
func TestBrokers(t *testing.T) {
	for _, kind := range []string{scenarios.BrokerEmbedded, scenarios.BrokerRedis} {
		t.Run(kind, func(t *testing.T) {
			b, err := Start(t.Context(), kind)
			if errors.Is(err, scenarios.ErrUnsupported) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer b.Close()
			if v := b.Version(); !strings.Contains(v, "redis") || !strings.ContainsAny(v, "0123456789") && kind == scenarios.BrokerRedis {
				t.Errorf("version %q", v)
			}
			passes(t, b.Addr())
			if err := b.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			if conn, err := net.Dial("tcp", b.Addr()); err == nil {
				conn.Close()
				t.Error("somebody answers after Stop")
			}
			if err := b.Resume(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := b.Resume(t.Context()); err == nil {
				t.Error("started twice")
			}
			passes(t, b.Addr())
			if err := b.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			passes(t, b.Addr())
			for range 2 {
				if err := b.Close(); err != nil {
					t.Error(err)
				}
			}
			if err := b.Resume(t.Context()); err == nil {
				t.Error("started after Close")
			}
		})
	}
}

// passes publishes a message and has it come back.
func passes(t *testing.T, addr string) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: addr, MaxRetries: -1})
	defer c.Close()
	sub := c.Subscribe(t.Context(), "channel")
	defer sub.Close()
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Publish(t.Context(), "channel", "hello").Result(); n != 1 || err != nil {
		t.Fatalf("published to %d, %v", n, err)
	}
	m, err := sub.ReceiveMessage(t.Context())
	if err != nil || m.Payload != "hello" {
		t.Fatalf("received %v, %v", m, err)
	}
}

// TestContext ends a broker with its context.
func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	b, err := Start(ctx, scenarios.BrokerEmbedded)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if _, err := Start(ctx, scenarios.BrokerEmbedded); !errors.Is(err, context.Canceled) {
		t.Errorf("start after the end of the context: %v", err)
	}
}

// TestUnknown names the kinds that there are.
func TestUnknown(t *testing.T) {
	_, err := Start(t.Context(), "postgres")
	if err == nil || !strings.Contains(err.Error(), `"postgres"`) || !strings.Contains(err.Error(), scenarios.BrokerEmbedded) {
		t.Errorf("error: %v", err)
	}
}
