package load

import (
	"context"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wsvsio/internal/broken"
	"wsvsio/scenarios"
	"wsvsio/sio"
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

// loops are the event loops; every machine has the second.
type newLoop = func(time.Time) (poller, error)

var loops = map[string]newLoop{
	"system":     newPoller,
	"goroutines": func(start time.Time) (poller, error) { return newGoroutines(start), nil },
}

// onEvery runs a test on every event loop.
func onEvery(t *testing.T, test func(*testing.T, newLoop)) {
	for name, newLoop := range loops {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, newLoop)
		})
	}
}

// run runs a load against a chat with these faults.
func run(t *testing.T, newLoop newLoop, f broken.Faults, spec scenarios.LoadSpec) (scenarios.LoadReport, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	g, err := connect(ctx, newLoop, scenarios.ProtocolRaw, serve(t, f), scenarios.PathRaw, spec)
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

// counts is what became of the deliveries of a load.
type counts struct{ delivered, dropped, cut, unexplained, dup, reordered, corrupt int64 }

func countsOf(r scenarios.LoadReport) counts {
	return counts{r.Delivered, r.Dropped, r.Cut, r.Unexplained, r.Dup, r.Reordered, r.Corrupt}
}

// TestAccounting has a server make known mistakes, and counts.
func TestAccounting(t *testing.T) {
	const clients, messages = 3, 20
	const all = clients * messages
	// Every fifth delivery to each client: 4 of 20, three times.
	const broke = all / 5
	tests := []struct {
		name   string
		faults broken.Faults
		spec   scenarios.LoadSpec
		want   counts
	}{
		{name: "none", want: counts{delivered: all}},
		{"lose", broken.Faults{Lose: 5}, scenarios.LoadSpec{}, counts{delivered: all - broke, dropped: broke}},
		{"double", broken.Faults{Double: 5}, scenarios.LoadSpec{}, counts{delivered: all, dup: broke}},
		// The last one has no successor that it could be swapped with.
		{"swap", broken.Faults{Swap: 5}, scenarios.LoadSpec{}, counts{delivered: all - clients, reordered: broke - clients, dropped: clients}},
		{"delay", broken.Faults{Delay: 5}, scenarios.LoadSpec{}, counts{delivered: all - broke, dropped: broke}},
		{"all send", broken.Faults{}, scenarios.LoadSpec{Senders: 3}, counts{delivered: all}},
		{"all send, lose", broken.Faults{Lose: 5}, scenarios.LoadSpec{Senders: 3}, counts{delivered: all - broke, dropped: broke}},
		{"rooms", broken.Faults{}, scenarios.LoadSpec{Rooms: 3}, counts{delivered: messages}},
		{"rooms, lose", broken.Faults{Lose: 3}, scenarios.LoadSpec{Rooms: 3}, counts{delivered: 14, dropped: 2 + 2 + 2}},
		// Every message goes to the two other rooms, too.
		{"rooms, leak", broken.Faults{Leak: 1}, scenarios.LoadSpec{Rooms: 3}, counts{delivered: messages, corrupt: 2 * messages}},
		{"announce", broken.Faults{}, scenarios.LoadSpec{Announce: true}, counts{delivered: all}},
		{"announce, lose", broken.Faults{Lose: 5}, scenarios.LoadSpec{Announce: true}, counts{delivered: all - broke, dropped: broke}},
		{"announce to all rooms", broken.Faults{}, scenarios.LoadSpec{Announce: true, Rooms: 3, Senders: 2}, counts{delivered: all}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onEvery(t, func(t *testing.T, newLoop newLoop) {
				spec := tt.spec
				spec.Clients, spec.Size, spec.Rate, spec.Messages = clients, 16, 1000, messages
				// Where something is missing, all else has arrived long before.
				spec.Patience = 10 * time.Second
				if tt.want.dropped > 0 {
					spec.Patience = 2 * time.Second
				}
				r, err := run(t, newLoop, tt.faults, spec)
				if err != nil {
					t.Fatal(err)
				}
				if got := countsOf(r); got != tt.want {
					t.Errorf("counted %+v\nwant    %+v", got, tt.want)
				}
				if r.Sent != messages || r.Unsent != 0 || r.Expected != r.Delivered+r.Lost || r.Lost != r.Dropped {
					t.Errorf("sent %d, not sent %d, expected %d, lost %d", r.Sent, r.Unsent, r.Expected, r.Lost)
				}
				if r.Latency.N != r.Delivered || r.FromWrite.N != r.Delivered || r.Lateness.N != messages {
					t.Errorf("%d and %d latencies of %d deliveries, %d of the sender", r.Latency.N, r.FromWrite.N, r.Delivered, r.Lateness.N)
				}
			})
		})
	}
}

// TestChurn has clients leave and come back during a broadcast, over a real
// network. How many messages that is for depends on the machine; what is said
// of them must be right whenever they come. TestChurnCounts counts them.
func TestChurn(t *testing.T) {
	const members = 2 * 300
	spec := scenarios.LoadSpec{
		Clients: 2, Churners: 3, ChurnRate: 100, Size: 16, Rate: 1000, Messages: 300, Patience: 5 * time.Second,
	}
	onEvery(t, func(t *testing.T, newLoop newLoop) {
		for _, tt := range []struct {
			name  string
			fault broken.Faults
			right func(c counts) bool
		}{
			{"none", broken.Faults{}, func(c counts) bool {
				return c == counts{delivered: c.delivered} && c.delivered >= members
			}},
			{"keep left", broken.Faults{KeepLeft: true}, func(c counts) bool {
				return c == counts{delivered: c.delivered, corrupt: c.corrupt} && c.delivered >= members
			}},
			{"lose", broken.Faults{Lose: 10}, func(c counts) bool {
				return c == counts{delivered: c.delivered, dropped: c.dropped} && c.dropped >= members/10
			}},
		} {
			r, err := run(t, newLoop, tt.fault, spec)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if !tt.right(countsOf(r)) || r.Expected != r.Delivered+r.Lost || r.Delivered > 5*300 {
				t.Errorf("%s: %+v", tt.name, r)
			}
		}
	})
}

// TestCut tells what was lost because a connection ended from what a server
// lost that lives.
func TestCut(t *testing.T) {
	onEvery(t, func(t *testing.T, newLoop newLoop) {
		url, cut := serveUntil(t, broken.Faults{})
		ctx := t.Context()
		g, err := connect(ctx, newLoop, scenarios.ProtocolRaw, url, scenarios.PathRaw, scenarios.LoadSpec{
			Clients: 2, Size: 16, Rate: 200, Messages: 1000,
		})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		time.AfterFunc(200*time.Millisecond, cut)
		if err := g.Window(ctx); err != nil {
			t.Fatal(err)
		}
		r, err := g.Report(ctx)
		if err != nil {
			t.Fatal(err)
		}
		// What the server had not read yet was written and cut.
		if r.Died != 2 || r.Why == "" || r.Unsent == 0 || r.Sent+r.Unsent != 1000 || r.Dropped != 0 || r.Cut != r.Lost {
			t.Errorf("%+v", r)
		}
	})
}

// TestSlow has one of the clients stop reading.
func TestSlow(t *testing.T) {
	onEvery(t, func(t *testing.T, newLoop newLoop) {
		r, err := run(t, newLoop, broken.Faults{}, scenarios.LoadSpec{
			Clients: 3, Slow: 1, Size: 16, Rate: 1000, Messages: 50,
		})
		if err != nil {
			t.Fatal(err)
		}
		// It is not counted, and neither is what it gets in the end.
		if r.Expected != 100 || r.Delivered != 100 || r.Lost != 0 || r.Latency.N != 100 || r.Died != 0 {
			t.Errorf("%+v", r)
		}
		if r.Slow != (scenarios.SlowReport{Clients: 1}) {
			t.Errorf("slow clients: %+v", r.Slow)
		}
	})
}

// TestHold keeps connections open that say nothing, and notices when one ends.
func TestHold(t *testing.T) {
	onEvery(t, func(t *testing.T, newLoop newLoop) {
		spec := scenarios.LoadSpec{Clients: 5, Size: 16, Hold: 50 * time.Millisecond}
		r, err := run(t, newLoop, broken.Faults{}, spec)
		if err != nil || r.Died != 0 || r.Why != "" {
			t.Errorf("%+v, %v", r, err)
		}
		url, cut := serveUntil(t, broken.Faults{})
		spec.Hold = time.Minute
		g, err := connect(t.Context(), newLoop, scenarios.ProtocolRaw, url, scenarios.PathRaw, spec)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		time.AfterFunc(50*time.Millisecond, cut)
		if err := g.Window(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r, err := g.Report(t.Context()); err != nil || r.Died == 0 || r.Why == "" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestClose ends a window that runs.
func TestClose(t *testing.T) {
	onEvery(t, func(t *testing.T, newLoop newLoop) {
		g, err := connect(t.Context(), newLoop, scenarios.ProtocolRaw, serve(t, broken.Faults{}), scenarios.PathRaw,
			scenarios.LoadSpec{Clients: 2, Size: 16, Hold: time.Hour})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error)
		go func() { ended <- g.Window(t.Context()) }()
		g.Close()
		if err := <-ended; err == nil {
			t.Error("no error")
		}
		g.Close()
		if _, err := g.Report(t.Context()); err == nil {
			t.Error("a report of what is closed")
		}
	})
}

// TestOrder has one connection take messages out of turn. Order is that of each
// sender; what two senders sent at once may arrive either way.
func TestOrder(t *testing.T) {
	arrived := []int64{1, 0, 3, 2, 5, 7, 4, 6}
	for senders, want := range map[int]int64{1: 4, 2: 0, 3: 1} {
		g := &Generator{spec: scenarios.LoadSpec{Senders: senders, Size: 4}, next: scenarios.FirstSeq}
		g.makeRooms()
		c := &client{g: g}
		g.clients = []*client{c}
		p := g.begin(len(arrived), nil)
		for _, i := range arrived {
			c.take(Delivery{Kind: Chat, Data: g.rooms[0].with(p.first + i)}, 0)
		}
		if c.reordered != want || c.missing != 0 || c.dup != 0 {
			t.Errorf("%d senders: %d out of order, want %d; %d missing, %d twice",
				senders, c.reordered, want, c.missing, c.dup)
		}
	}
}

// TestWarmUp must be lossless, too: a loss there would be found in the window
// at best. The first message that is lost keeps the sender waiting, or, with
// the last one lost, the end of the warm-up.
func TestWarmUp(t *testing.T) {
	const messages = 100 // the last of which go one by one
	for name, lose := range map[string]int{
		"at once": messages - calm - 5, "one by one": messages - 2, "at the end": messages,
	} {
		t.Run(name, func(t *testing.T) {
			onEvery(t, func(t *testing.T, newLoop newLoop) {
				_, err := run(t, newLoop, broken.Faults{Lose: lose}, scenarios.LoadSpec{
					Clients: 2, Size: 16, Rate: 1000, Messages: 1, Warmup: 2 * messages, Patience: 200 * time.Millisecond,
				})
				if err == nil || !strings.Contains(err.Error(), "2 of 2 connections did not get everything") {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}

// TestServerGone ends the warm-up and the window when the server goes, without
// waiting for the silence.
func TestServerGone(t *testing.T) {
	onEvery(t, func(t *testing.T, newLoop newLoop) {
		url, cut := serveUntil(t, broken.Faults{})
		ctx := t.Context()
		g, err := connect(ctx, newLoop, scenarios.ProtocolRaw, url, scenarios.PathRaw, scenarios.LoadSpec{
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
		if err != nil || r.Died != 2 || r.Why == "" || r.Unsent != 100 || r.Lost != 0 {
			t.Errorf("report %+v, %v", r, err)
		}
	})
}

func TestWarmUpBounds(t *testing.T) {
	for _, tt := range []struct{ clients, rooms, size, warmup, n, most int }{
		{1, 0, 128, 15_000, 15_000, inFlight},
		{100, 0, 128, 15_000, 150, inFlight},
		{1000, 0, 128, 15_000, warmMessages, inFlight},
		{1000, 100, 128, 15_000, 1500, inFlight},
		{2, 0, 900_000, 15_000, 149, 1},
		{1000, 0, 900_000, 15_000, 1, 1},
	} {
		g := &Generator{
			spec: scenarios.LoadSpec{Clients: tt.clients, Rooms: tt.rooms, Size: tt.size, Warmup: tt.warmup},
			next: scenarios.FirstSeq,
		}
		g.makeRooms()
		if n, most := g.warmUp(); n != tt.n || most != tt.most {
			t.Errorf("%+v: %d messages, %d at once", tt, n, most)
		}
	}
}

// TestBytes compares the counted bytes with what the frames must add up to, and
// with what the system has counted, phase by phase.
func TestBytes(t *testing.T) {
	onEvery(t, func(t *testing.T, newLoop newLoop) {
		const clients, messages, size = 3, 10, 100
		r, err := run(t, newLoop, broken.Faults{}, scenarios.LoadSpec{
			Clients: clients, Size: size, Rate: 1000, Messages: messages, Warmup: 1,
		})
		if err != nil {
			t.Fatal(err)
		}
		object := len(newObject("bench", size).with(scenarios.FirstSeq))
		payload := object + len(`{"type":"chat","data":}`)
		const long = 2 // a length of 126 or more takes two bytes beside the first
		const feed = 1 // the server's encoder ends with a line feed
		const mask = 4
		up, down := payload+2+long+mask, clients*(payload+2+long+feed)
		ask := len(`{"type":"join","id":2,"data":{"room":"bench","from":"load"}}`) + 2 + mask
		answer := len(`{"type":"ack","id":2}`) + 2 + feed
		for _, tt := range []struct {
			name     string
			got      scenarios.Count
			up, down int
		}{
			{"warm-up", r.Phases.Warmup, warmMessages * up, warmMessages * down},
			{"window", r.Phases.Window, messages * up, messages * down},
			{"drain", r.Phases.Drain, clients * ask, clients * answer},
		} {
			if tt.got.Up != int64(tt.up) || tt.got.Down != int64(tt.down) || tt.got.Conns != 0 || tt.got.Requests != 0 {
				t.Errorf("%s: %+v, want %d up and %d down", tt.name, tt.got, tt.up, tt.down)
			}
		}
		if c := r.Phases.Connect; c.Conns != clients || c.Requests != clients || c.Up == 0 || c.Down == 0 {
			t.Errorf("connect: %+v", c)
		}
		for _, c := range []scenarios.Count{r.Phases.Connect, r.Phases.Warmup, r.Phases.Window, r.Phases.Drain} {
			if k := c.Kernel; k.Told && (k.Up != c.Up || k.Down != c.Down || k.SegsUp == 0 || k.SegsDown == 0) {
				t.Errorf("the system counts %+v, the generator %+v", k, c.Traffic)
			}
		}
	})
}

// TestHistograms reads them back.
func TestHistograms(t *testing.T) {
	r, err := run(t, newPoller, broken.Faults{}, scenarios.LoadSpec{Clients: 3, Size: 16, Rate: 1000, Messages: 20})
	if err != nil {
		t.Fatal(err)
	}
	counts := make(map[string]int64)
	for _, h := range r.Histograms {
		decoded, err := hdrhistogram.Decode([]byte(h.Data))
		if err != nil {
			t.Fatalf("%s: %v", h.Name, err)
		}
		counts[h.Name] = decoded.TotalCount()
		if decoded.Max() <= 0 || decoded.Max() > int64(time.Minute) {
			t.Errorf("%s: the longest is %v", h.Name, time.Duration(decoded.Max()))
		}
	}
	want := map[string]int64{
		"latency/sender": 20, "latency/others": 40, "from-write/sender": 20, "from-write/others": 40,
	}
	if !maps.Equal(counts, want) {
		t.Errorf("%v, want %v", counts, want)
	}
}

// TestQuantiles compares them with those of the sorted samples: they err by
// the digits that a histogram keeps.
func TestQuantiles(t *testing.T) {
	h := newHistogram()
	var samples []int64
	order := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		samples = append(samples, int64(1e5*math.Exp(2*order.NormFloat64())))
		if err := h.RecordValue(samples[len(samples)-1]); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(samples)
	got := quantiles(h)
	for _, tt := range []struct{ got, q float64 }{
		{got.P50, .5}, {got.P90, .9}, {got.P99, .99}, {got.P999, .999}, {got.Max, 1},
	} {
		want := float64(samples[int(tt.q*float64(len(samples)))-1]) / 1e9
		if math.Abs(tt.got/want-1) > .001 {
			t.Errorf("at %v: %v, want %v", tt.q, tt.got, want)
		}
	}
	if got := quantiles(newHistogram()); got != (scenarios.Quantiles{}) {
		t.Errorf("of none: %+v", got)
	}
}

// TestRefusedLoad has specs that cannot be.
func TestRefusedLoad(t *testing.T) {
	for want, spec := range map[string]scenarios.LoadSpec{
		"needs a client":          {},
		"cannot be spread evenly": {Clients: 10, Rooms: 3},
		"11 senders in each of 1": {Clients: 10, Senders: 11},
		"9 clients that read":     {Clients: 10, Senders: 10, Slow: 1},
		"need a single room":      {Clients: 10, Rooms: 2, Churners: 1},
		"has no long polling":     {Clients: 1, Transport: scenarios.Polling},
	} {
		protocol := scenarios.ProtocolRaw
		if spec.Transport != "" {
			protocol = scenarios.ProtocolFloor
		}
		_, err := Connect(t.Context(), protocol, "http://127.0.0.1:1", "/", spec)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", spec, err, want)
		}
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
	object := string(newObject("bench", 128).with(scenarios.FirstSeq))
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
				if d, err := c.Feed(0, in); err != nil || len(d) != 1 {
					b.Fatal(d, err)
				}
			}
		})
	}
}

// TestKeepAlive has a server close what idles between two posts, and one that
// only says that it will: the clients connect again, before they would be closed
// if they are told, and not a byte is lost from the count, the end of a stream
// being none.
func TestKeepAlive(t *testing.T) {
	t.Run("closed", func(t *testing.T) { testKeepAlive(t, 50*time.Millisecond, "", 3*time.Second) })
	t.Run("told", func(t *testing.T) { testKeepAlive(t, 0, "timeout=2, max=100", 1500*time.Millisecond) })
}

func testKeepAlive(t *testing.T, idle time.Duration, told string, hold time.Duration) {
	chat, err := sio.NewServer(scenarios.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc(scenarios.PathSIO, func(w http.ResponseWriter, r *http.Request) {
		if told != "" {
			w.Header().Set("Keep-Alive", told)
		}
		chat.ServeHTTP(w, r)
	})
	server := httptest.NewUnstartedServer(mux)
	server.Config.IdleTimeout = idle
	server.Start()
	defer server.Close()
	defer chat.Shutdown(context.Background())
	const clients = 3
	g, err := Connect(t.Context(), scenarios.ProtocolEIO3, server.URL, scenarios.PathSIO, scenarios.LoadSpec{
		Clients: clients, Size: 16, Transport: scenarios.Polling, Hold: hold,
	})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := g.Window(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := g.Report(t.Context())
	if err != nil || r.Died != 0 || r.Why != "" {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Phases.Connect.Conns != 2*clients || r.Phases.Drain.Conns != clients {
		t.Errorf("%d connections at first and %d at the end, want %d and %d",
			r.Phases.Connect.Conns, r.Phases.Drain.Conns, 2*clients, clients)
	}
	for _, c := range []scenarios.Count{r.Phases.Connect, r.Phases.Window, r.Phases.Drain} {
		if k := c.Kernel; k.Told && (k.Up != c.Up || k.Down != c.Down) {
			t.Errorf("the system counts %+v, the generator %+v", k, c.Traffic)
		}
	}
}
