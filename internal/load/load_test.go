package load

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"wsvsio/internal/broken"
	"wsvsio/scenarios"
)

// serve starts a chat that makes these mistakes and returns its URL.
func serve(t *testing.T, f broken.Faults) string {
	t.Helper()
	url, _ := serveUntil(t, f)
	return url
}

// serveUntil also returns the function that ends it.
func serveUntil(t *testing.T, f broken.Faults) (url string, cut func()) {
	t.Helper()
	chat, err := broken.NewServer(f)(scenarios.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle(scenarios.PathRaw, chat)
	s := &http.Server{Handler: mux}
	go s.Serve(l)
	cut = func() {
		chat.Shutdown(context.Background())
		s.Close()
	}
	t.Cleanup(cut)
	return "http://" + l.Addr().String(), cut
}

// run runs a load against a chat with these faults.
func run(t *testing.T, f broken.Faults, spec scenarios.LoadSpec) (scenarios.LoadReport, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	g, err := Connect(ctx, scenarios.ProtocolRaw, serve(t, f), scenarios.PathRaw, spec)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Warm(ctx); err != nil {
		return scenarios.LoadReport{}, err
	}
	if err := g.Window(ctx); err != nil {
		return scenarios.LoadReport{}, err
	}
	return g.Report(ctx)
}

// TestAccounting has a server make known mistakes, and counts.
func TestAccounting(t *testing.T) {
	const clients, messages = 3, 20
	spec := scenarios.LoadSpec{Clients: clients, Size: 16, Rate: 1000, Messages: messages}
	// Every fifth delivery to each client: 4 of 20, three times.
	const broke = clients * messages / 5
	tests := []struct {
		name   string
		faults broken.Faults
		want   scenarios.LoadReport
	}{
		{"none", broken.Faults{}, scenarios.LoadReport{Delivered: clients * messages}},
		{"lose", broken.Faults{Lose: 5}, scenarios.LoadReport{Delivered: clients*messages - broke, Lost: broke}},
		{"double", broken.Faults{Double: 5}, scenarios.LoadReport{Delivered: clients * messages, Dup: broke}},
		// The last one has no successor that it could be swapped with.
		{"swap", broken.Faults{Swap: 5}, scenarios.LoadReport{Delivered: clients*messages - clients, Reordered: broke - clients, Lost: clients}},
		{"delay", broken.Faults{Delay: 5}, scenarios.LoadReport{Delivered: clients*messages - broke, Lost: broke}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, tt.faults, spec)
			if err != nil {
				t.Fatal(err)
			}
			if got.Sent != messages || got.Expected != clients*messages {
				t.Errorf("sent %d, expected %d deliveries", got.Sent, got.Expected)
			}
			counts := scenarios.LoadReport{
				Delivered: got.Delivered, Lost: got.Lost, Dup: got.Dup,
				Reordered: got.Reordered, Corrupt: got.Corrupt,
			}
			if counts != tt.want {
				t.Errorf("counted %+v\nwant %+v", counts, tt.want)
			}
			if got.Latency.N != got.Delivered || got.FromWrite.N != got.Delivered {
				t.Errorf("%d latencies of %d deliveries", got.Latency.N, got.Delivered)
			}
		})
	}
}

// TestSenders has all connections send in turn.
func TestSenders(t *testing.T) {
	got, err := run(t, broken.Faults{}, scenarios.LoadSpec{
		Clients: 3, Senders: 3, Size: 16, Rate: 1000, Messages: 21,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Sent != 21 || got.Delivered != 63 || got.Lost != 0 || got.Reordered != 0 {
		t.Errorf("sent %d, delivered %d, lost %d, reordered %d", got.Sent, got.Delivered, got.Lost, got.Reordered)
	}
}

// TestOrder has one connection take messages out of turn. Order is that of each
// sender; what two senders sent at once may arrive either way.
func TestOrder(t *testing.T) {
	arrived := []int64{1, 0, 3, 2, 5, 7, 4, 6}
	for senders, want := range map[int]int64{1: 4, 2: 0, 3: 1} {
		g := &Generator{
			spec: scenarios.LoadSpec{Senders: senders}, object: newObject(4),
			next: scenarios.FirstSeq, conns: make([]*conn, 1),
		}
		c := &conn{g: g}
		g.conns[0] = c
		p := g.begin(len(arrived), nil)
		for _, i := range arrived {
			c.take([]Delivery{{Kind: Chat, Data: g.object.with(p.first + i)}}, 0)
		}
		if c.tally.reordered != want || c.missing != 0 || c.tally.dup != 0 {
			t.Errorf("%d senders: %d out of order, want %d; %d missing, %d twice",
				senders, c.tally.reordered, want, c.missing, c.tally.dup)
		}
	}
}

// TestWarmUp must be lossless, too: a loss there would be found in the window
// at best. The first message that is lost keeps the sender waiting, or, with
// the last one lost, the end of the warm-up.
func TestWarmUp(t *testing.T) {
	for name, lose := range map[string]int{"in the middle": 20, "at the end": warmMessages} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := run(t, broken.Faults{Lose: lose}, scenarios.LoadSpec{
				Clients: 2, Size: 16, Rate: 1000, Messages: 1, Warmup: 1,
			})
			if err == nil || !strings.Contains(err.Error(), "2 of 2 connections did not get everything") {
				t.Errorf("error %v", err)
			}
		})
	}
}

// TestServerGone ends the warm-up and the window when the server goes, without
// waiting for the silence.
func TestServerGone(t *testing.T) {
	url, cut := serveUntil(t, broken.Faults{})
	ctx := t.Context()
	g, err := Connect(ctx, scenarios.ProtocolRaw, url, scenarios.PathRaw, scenarios.LoadSpec{
		Clients: 2, Size: 16, Rate: 1, Messages: 100, Warmup: 1 << 30,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	time.AfterFunc(100*time.Millisecond, cut)
	if err := g.Warm(ctx); err == nil || !strings.Contains(err.Error(), "connections ended, the first with") {
		t.Errorf("warm-up: %v", err)
	}
	if err := g.Window(ctx); err != nil {
		t.Fatal(err)
	}
	r, err := g.Report(ctx)
	if err != nil || r.Died != 2 || r.Why == "" || r.Lost == 0 {
		t.Errorf("report %+v, %v", r, err)
	}
}

func TestWarmUpBounds(t *testing.T) {
	for _, tt := range []struct{ clients, size, warmup, n, window int }{
		{1, 128, 15_000, 15_000, inFlight},
		{100, 128, 15_000, 150, inFlight},
		{1000, 128, 15_000, warmMessages, inFlight},
		{2, 900_000, 15_000, 149, 1},
		{1000, 900_000, 15_000, 1, 1},
	} {
		g := &Generator{
			spec: scenarios.LoadSpec{Warmup: tt.warmup}, object: newObject(tt.size),
			next: scenarios.FirstSeq, conns: make([]*conn, tt.clients),
		}
		if n, window := g.warmUp(); n != tt.n || window != tt.window {
			t.Errorf("%+v: %d messages, %d at once", tt, n, window)
		}
	}
}

// TestBytes compares the counted bytes with what the frames must add up to.
func TestBytes(t *testing.T) {
	const clients, messages, size = 3, 10, 100
	got, err := run(t, broken.Faults{}, scenarios.LoadSpec{
		Clients: clients, Size: size, Rate: 1000, Messages: messages, Warmup: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	object := len(newObject(size).with(scenarios.FirstSeq))
	payload := int64(object + len(`{"type":"chat","data":}`))
	const long = 2 // a length of 126 or more takes two bytes beside the first
	const feed = 1 // the server's encoder ends with a line feed
	up, down := messages*(payload+2+long+4), clients*messages*(payload+2+long+feed)
	if got.Wire.Up != up || got.Wire.Down != down {
		t.Errorf("counted %d bytes up and %d down, want %d and %d", got.Wire.Up, got.Wire.Down, up, down)
	}
}

func TestConnectRefused(t *testing.T) {
	url := serve(t, broken.Faults{})
	ctx := t.Context()
	spec := scenarios.LoadSpec{Clients: 2, Size: 1, Rate: 1, Messages: 1}
	_, err := Connect(ctx, scenarios.ProtocolRaw, url, "/nowhere", spec)
	if err == nil || !strings.Contains(err.Error(), "404 Not Found") {
		t.Errorf("a wrong path: %v", err)
	}
	_, err = Connect(ctx, "morse", url, scenarios.PathRaw, spec)
	if err == nil || !strings.Contains(err.Error(), `no codec for protocol "morse"`) {
		t.Errorf("a wrong protocol: %v", err)
	}
}

func BenchmarkFeed(b *testing.B) {
	object := string(newObject(128).with(scenarios.FirstSeq))
	for _, bb := range []struct {
		protocol scenarios.Protocol
		text     string
	}{
		{scenarios.ProtocolRaw, `{"type":"chat","data":` + object + "}"},
		{scenarios.ProtocolEIO3, `42["chat",` + object + "]\n"},
		{scenarios.ProtocolEIO4, `42["chat",` + object + "]"},
	} {
		b.Run("protocol="+string(bb.protocol), func(b *testing.B) {
			c := newOpen(b, bb.protocol)
			in := []byte(text(bb.text))
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				if _, d, err := c.Feed(in); err != nil || len(d) != 1 {
					b.Fatal(d, err)
				}
			}
		})
	}
}
