package reference

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"math/rand/v2"
	"net"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"wsvsio/internal/load"
	"wsvsio/internal/stats"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

var rounds = flag.Int("rounds", 20, "rounds of each comparison in the benchmarks; six or more give an interval")

// small is a comparison that takes a moment.
var small = Spec{Frames: 4000, Clients: 8, Size: 128, Warmup: 80, Window: 50 * time.Millisecond, Rounds: 2, Seed: 1}

// checkSides checks what is counted: all frames, the same bytes.
func checkSides(t *testing.T, sides ...Side) {
	t.Helper()
	first := sides[0].Costs[0]
	if want := int64(small.messages() * small.Clients); first.Frames != want || want != 200 {
		t.Errorf("%d frames, want %d", first.Frames, want)
	}
	for _, s := range sides {
		if len(s.Costs) != small.Rounds {
			t.Fatalf("%s has %d rounds, want %d", s.Name, len(s.Costs), small.Rounds)
		}
		for _, c := range s.Costs {
			if c.Frames != first.Frames || c.Up != first.Up || c.Down != first.Down || c.Latency.N != c.Frames {
				t.Errorf("%s: %+v; the first was %+v", s.Name, c, first)
			}
			if c.Busy <= 0 || c.CPU <= 0 || c.Mallocs < 0 || c.Reads <= 0 || c.Segs <= 0 || c.Latency.P50 <= 0 {
				t.Errorf("%s: %+v", s.Name, c)
			}
		}
	}
}

func TestReceive(t *testing.T) {
	generator, reference, err := Receive(t.Context(), small)
	if err != nil {
		t.Fatal(err)
	}
	checkSides(t, generator, reference)
	if generator.Name != Generator || reference.Name != Reference {
		t.Errorf("sides %q and %q", generator.Name, reference.Name)
	}
	// RFC 6455, section 5.2: more than 125 bytes take two more.
	payload := int64(len(`{"type":"chat","data":{"room":"bench","from":"load","seq":1000000000,"body":""}}`) + small.Size)
	messages, clients := int64(small.messages()), int64(small.Clients)
	if c := generator.Costs[0]; c.Down != messages*clients*(payload+4) || c.Up != messages*(payload+8) {
		t.Errorf("%d bytes up and %d down", c.Up, c.Down)
	}
	if _, _, err := Receive(t.Context(), Spec{Rounds: 1}); err == nil {
		t.Error("a comparison of nothing is no error")
	}
}

func TestCodecs(t *testing.T) {
	sides, err := Codecs(t.Context(), small)
	if err != nil || len(sides) != 3 {
		t.Fatalf("%d sides, %v", len(sides), err)
	}
	checkSides(t, sides[scenarios.ProtocolRaw], sides[scenarios.ProtocolEIO3], sides[scenarios.ProtocolEIO4])
}

func TestAgainst(t *testing.T) {
	var a, b Side
	for i := range 8 {
		a.Costs = append(a.Costs, Cost{Busy: float64(2 + i), CPU: 3})
		b.Costs = append(b.Costs, Cost{Busy: 2, CPU: 1})
	}
	busy, err := Busy(a, b)
	if err != nil || busy.Pairs != 8 || math.Abs(busy.Median-2.75) > 1e-12 || math.Abs(busy.Min-1) > 1e-12 {
		t.Errorf("busy %+v, %v", busy, err)
	}
	if cpu, err := CPU(a, b); err != nil || cpu.Median != 3 || math.Abs(cpu.Estimate-3) > 1e-9 {
		t.Errorf("CPU %+v, %v", cpu, err)
	}
	if _, err := Busy(a, Side{}); err == nil {
		t.Error("rounds that are no pairs have a ratio")
	}
}

// loopback returns a receiver with one connection, and its other end.
func loopback(t *testing.T, size int) (*receiver, int) {
	t.Helper()
	r, err := newReceiver(size)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(pair[1]) })
	r.conns = []receiverConn{{fd: pair[0]}}
	r.latency = hdrhistogram.New(1, int64(time.Hour), 3)
	return r, pair[1]
}

// TestWaiting has the reference wait as the load generator does: what it has
// been awake for is left out of the CPU time that it reports.
func TestWaiting(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	c := &child{role: roleReceiver, spec: scenarios.LoadSpec{Clients: 2, Rate: 200, Messages: 4}}
	var err error
	if c.receiver, err = newReceiver(10); err != nil {
		t.Fatal(err)
	}
	defer c.receiver.close()
	if err := c.receiver.connect(serveSource(t), "/ws", 2); err != nil {
		t.Fatal(err)
	}
	before, err := cpuTime()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.window(); err != nil {
		t.Fatal(err)
	}
	after, err := cpuTime()
	if err != nil {
		t.Fatal(err)
	}
	spun := c.receiver.pacer.Spun()
	if got := c.report.ClientCPU; got > after-before-spun {
		t.Errorf("%v of CPU in the window, %v in all with %v of waiting", got, after-before, spun)
	}
	for i, due := range c.receiver.due {
		if want := c.receiver.due[0] + time.Duration(i)*5*time.Millisecond; due != want {
			t.Errorf("message %d was due at %v, want %v", i, due, want)
		}
	}
}

// TestParser cuts a stream in every way and finds the same numbers in it.
func TestParser(t *testing.T) {
	for _, size := range []int{0, 128, 5000} {
		r, far := loopback(t, size)
		// As the source would send them back: unmasked.
		var stream []byte
		const n = 20
		payload := r.message[len(r.message)-payloadLength(r):]
		for i := range n {
			seq := fmt.Sprint(scenarios.FirstSeq + i)
			copy(r.digits, seq)
			stream = append(stream, frame(payload)...)
		}
		random := rand.New(rand.NewPCG(3, 4))
		for range 20 {
			r.first, r.due, r.delivered, r.strange = scenarios.FirstSeq, make([]time.Duration, n), 0, 0
			for rest := stream; len(rest) > 0; {
				k := min(len(rest), 1+random.IntN(1+random.IntN(2*size+100)))
				if w, err := unix.Write(far, rest[:k]); err != nil || w != k {
					t.Fatal(w, err)
				}
				rest = rest[k:]
				if _, err := r.read(&r.conns[0]); err != nil {
					t.Fatal(err)
				}
			}
			if r.delivered != n || r.strange != 0 || len(r.conns[0].rest) != 0 {
				t.Fatalf("size %d: %d frames of %d, %d strange, %d bytes left", size, r.delivered, n, r.strange, len(r.conns[0].rest))
			}
		}
		if r.down != 20*int64(len(stream)) {
			t.Errorf("%d bytes counted, want %d", r.down, 20*len(stream))
		}
	}
}

// payloadLength is the length of the message without its header.
func payloadLength(r *receiver) int {
	payload, size := unmask(bytes.Clone(r.message))
	if size != len(r.message) {
		return 0
	}
	return len(payload)
}

func TestReceiverErrors(t *testing.T) {
	if _, err := newReceiver(maxSize + 1); err == nil {
		t.Error("a body that does not fit is no error")
	}
	r, far := loopback(t, 10)
	// An answer to a message that was never sent.
	if _, err := unix.Write(far, frame([]byte(strings.Repeat("9", 200)))); err != nil {
		t.Fatal(err)
	}
	if _, err := r.read(&r.conns[0]); err != nil || r.strange != 1 || r.delivered != 0 {
		t.Errorf("%d strange, %d delivered, %v", r.strange, r.delivered, err)
	}
	if _, err := r.read(&r.conns[0]); err != nil {
		t.Errorf("with nothing there: %v", err)
	}
	unix.Shutdown(far, unix.SHUT_WR)
	if _, err := r.read(&r.conns[0]); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("after the end: %v", err)
	}
}

// serveSource starts a source in this process and returns its URL.
func serveSource(t *testing.T) string {
	t.Helper()
	s, err := newSource()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return server.URL
}

// TestSource serves the load generator in all its protocols.
func TestSource(t *testing.T) {
	for _, tt := range []struct {
		protocol scenarios.Protocol
		path     string
	}{
		{scenarios.ProtocolRaw, scenarios.PathRaw},
		{scenarios.ProtocolEIO3, scenarios.PathSIO},
		{scenarios.ProtocolEIO4, scenarios.PathSIO},
	} {
		spec := scenarios.LoadSpec{Clients: 4, Senders: 2, Size: 70_000, Rate: 500, Messages: 21, Patience: patience}
		s := scenarios.Stack{Name: string(tt.protocol), Protocol: tt.protocol}
		r, err := inProcess{}.Load(t.Context(), s, httpNode{url: serveSource(t)}, spec)
		if err != nil {
			t.Fatal(err)
		}
		if r.Sent != 21 || r.Delivered != 84 || r.Lost+r.Dup+r.Reordered+r.Corrupt+r.Died != 0 {
			t.Errorf("%s: %+v", tt.protocol, r)
		}
	}
}

// TestSourceRefuses what is no websocket, and closes on what it does not know.
func TestSourceRefuses(t *testing.T) {
	url := serveSource(t)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	if line, _ := in.ReadString('\n'); !strings.Contains(line, "400") {
		t.Errorf("answer %q", line)
	}
	r, err := newReceiver(10)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.connect(url, "/ws", 1); err != nil {
		t.Fatal(err)
	}
	if !send(r.conns[0].fd, []byte(framed("what?", true))) {
		t.Fatal("not written")
	}
	if err := r.run(1, 0); err == nil {
		t.Error("the source answers what it does not know")
	}
	if err := r.connect(url+":1", "/ws", 1); err == nil {
		t.Error("a wrong address is no error")
	}
}

// TestChild speaks the control protocol.
func TestChild(t *testing.T) {
	url := serveSource(t)
	connect, err := json.Marshal(worker.ConnectArgs{URL: url, Path: "/ws", Spec: scenarios.LoadSpec{Clients: 2, Size: 5, Warmup: 4, Rate: 1000, Messages: 3}})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	lines := []string{
		`{"id":1,"cmd":"start","args":{}}`,
		`{"id":2,"cmd":"warm"}`,
		`{"id":3,"cmd":"window"}`,
		`{"id":4,"cmd":"report"}`,
		`{"id":5,"cmd":"dance"}`,
		`{"id":6,"cmd":"connect","args":` + string(connect) + `}`,
		`{"id":7,"cmd":"warm"}`,
		`{"id":8,"cmd":"window"}`,
		`{"id":9,"cmd":"report"}`,
		`{"id":10,"cmd":"stop"}`,
		`{"id":11,"cmd":"report"}`,
	}
	c := &child{role: roleReceiver}
	if err := c.serve(strings.NewReader(strings.Join(lines, "\n")+"\n"), &out); err != nil {
		t.Fatal(err)
	}
	want := []string{fmt.Sprintf(`"protocol":%d`, worker.Version), "connect comes first", "connect comes first", "no window", `unknown command \"dance\"`,
		`"result":{}`, `"result":{}`, `"result":{}`, `"delivered":6`, `"result":{}`}
	got := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(got) != len(want) {
		t.Fatalf("answers:\n%s", out.String())
	}
	for i, line := range got {
		if !strings.Contains(line, want[i]) || !strings.Contains(line, fmt.Sprintf(`"id":%d,`, i+1)) {
			t.Errorf("answer %s, want %s", line, want[i])
		}
	}
	c = &child{role: roleSource}
	if _, err := c.do("window", nil); err == nil {
		t.Error("a source has a window")
	}
	if err := c.serve(strings.NewReader("{\n"), &out); err == nil {
		t.Error("a request that is no JSON is no error")
	}
}

func FuzzUnmask(f *testing.F) {
	f.Add([]byte(framed("hello", true)))
	f.Add([]byte("\x81\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		payload, size := unmask(bytes.Clone(in))
		if size > len(in) || len(payload) > size || size == 0 && payload != nil {
			t.Errorf("%d bytes of %d, payload of %d", size, len(in), len(payload))
		}
	})
}

// The benchmarks take minutes: each comparison has -rounds rounds, however
// many iterations it is told.
//
//	go test ./internal/reference -run '^$' -bench . -rounds 20

// report reports a comparison.
func report(b *testing.B, side, reference Side) {
	b.Helper()
	median := func(s Side, figure func(Cost) float64) float64 {
		var all []float64
		for _, c := range s.Costs {
			all = append(all, figure(c))
		}
		return Median(all)
	}
	busy, err := Busy(side, reference)
	if err != nil {
		b.Fatal(err)
	}
	cpu, err := CPU(side, reference)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(0, "ns/op") // it would be the length of the experiment
	b.ReportMetric(busy.Median, "busy-ratio")
	if busy.Confidence > 0 {
		b.ReportMetric(busy.Low, "busy-ratio-low")
		b.ReportMetric(busy.High, "busy-ratio-high")
	}
	b.ReportMetric(cpu.Median, "cpu-ratio")
	b.ReportMetric(median(side, func(c Cost) float64 { return c.Busy })*1e9, "busy-ns/frame")
	b.ReportMetric(median(reference, func(c Cost) float64 { return c.Busy })*1e9, "reference-ns/frame")
	b.ReportMetric(median(side, func(c Cost) float64 { return c.Mallocs }), "mallocs/frame")
	b.Logf("busy %.3f (%.3f–%.3f, median %.3f), with waiting %.3f (%.3f–%.3f); %d pairs",
		busy.Estimate, busy.Low, busy.High, busy.Median, cpu.Estimate, cpu.Low, cpu.High, busy.Pairs)
}

// seed is that of the order in the rounds.
const seed = 20260101

// BenchmarkReceive compares the load generator with the reference.
func BenchmarkReceive(b *testing.B) {
	for _, frames := range []float64{20_000, 100_000} {
		b.Run(fmt.Sprintf("frames=%v", frames), func(b *testing.B) {
			for b.Loop() {
				generator, reference, err := Receive(b.Context(), Spec{
					Frames: frames, Clients: 100, Size: 128,
					Warmup: 15_000, Window: 2 * time.Second, Rounds: *rounds, Seed: seed,
				})
				if err != nil {
					b.Fatal(err)
				}
				report(b, generator, reference)
			}
		})
	}
}

// BenchmarkCodecs compares the load generator with each codec of Socket.IO with
// itself on a plain WebSocket: as a whole, and the codecs alone.
func BenchmarkCodecs(b *testing.B) {
	against := []scenarios.Protocol{scenarios.ProtocolEIO3, scenarios.ProtocolEIO4}
	for _, frames := range []float64{20_000, 100_000} {
		b.Run(fmt.Sprintf("frames=%v", frames), func(b *testing.B) {
			for b.Loop() {
				sides, err := Codecs(b.Context(), Spec{
					Frames: frames, Clients: 100, Size: 128,
					Warmup: 15_000, Window: 2 * time.Second, Rounds: *rounds, Seed: seed,
				})
				if err != nil {
					b.Fatal(err)
				}
				for _, p := range against {
					busy, err := Busy(sides[p], sides[scenarios.ProtocolRaw])
					if err != nil {
						b.Fatal(err)
					}
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(busy.Median, string(p)+"-ratio")
					b.Logf("%s: busy %.3f (%.3f–%.3f, median %.3f) of raw; %d pairs", p, busy.Estimate, busy.Low, busy.High, busy.Median, busy.Pairs)
				}
			}
		})
	}
}

// BenchmarkCodec compares the codecs alone: CPU time per frame, of the same
// reads, with one frame in each or cut anywhere.
func BenchmarkCodec(b *testing.B) {
	const frames = 20_000
	streams := make(map[scenarios.Protocol][]byte)
	for i := range frames {
		object := func(size int) string {
			return fmt.Sprintf(`{"room":"bench","from":"load","seq":%d,"body":%q}`, scenarios.FirstSeq+i, strings.Repeat("x", size))
		}
		add := func(p scenarios.Protocol, text string) { streams[p] = append(streams[p], frame([]byte(text))...) }
		add(scenarios.ProtocolRaw, `{"type":"chat","data":`+object(128)+"}")
		add(scenarios.ProtocolEIO3, `42["chat",`+object(128+padding)+"]")
		add(scenarios.ProtocolEIO4, `42["chat",`+object(128+padding)+"]")
	}
	raw := streams[scenarios.ProtocolRaw]
	random := rand.New(rand.NewPCG(seed, 1))
	cut := []int{}
	for left := len(raw); left > 0; left -= cut[len(cut)-1] {
		cut = append(cut, min(left, 1+random.IntN(2*len(raw)/frames)))
	}
	for name, reads := range map[string][]int{
		"whole": slices.Repeat([]int{len(raw) / frames}, frames),
		"cut":   cut,
	} {
		b.Run("reads="+name, func(b *testing.B) {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			protocols := slices.Sorted(maps.Keys(streams))
			for b.Loop() {
				times := make(map[scenarios.Protocol][]float64)
				for range *rounds {
					for _, i := range random.Perm(len(protocols)) {
						p := protocols[i]
						times[p] = append(times[p], feed(b, p, streams[p], reads, frames))
					}
				}
				b.ReportMetric(0, "ns/op")
				for _, p := range protocols {
					b.ReportMetric(Median(times[p])*1e9, string(p)+"-ns/frame")
					if p == scenarios.ProtocolRaw {
						continue
					}
					r, err := stats.Compare(times[p], times[scenarios.ProtocolRaw])
					if err != nil {
						b.Fatal(err)
					}
					b.Logf("%s: %.3f (%.3f–%.3f) of raw; %d rounds", p, r.Estimate, r.Low, r.High, r.Pairs)
				}
			}
		})
	}
}

// feed feeds a stream in reads of these lengths and returns the CPU time for a
// frame, in seconds.
func feed(b *testing.B, p scenarios.Protocol, stream []byte, reads []int, frames int) float64 {
	b.Helper()
	c, err := load.NewCodec(p)
	if err != nil {
		b.Fatal(err)
	}
	got := 0
	before := threadTime(b)
	for _, n := range reads {
		deliveries, err := c.Feed(0, stream[:n])
		if err != nil {
			b.Fatal(err)
		}
		got += len(deliveries)
		stream = stream[n:]
	}
	took := threadTime(b) - before
	if got != frames || len(stream) != 0 {
		b.Fatalf("%d frames of %d, %d bytes left", got, frames, len(stream))
	}
	return took.Seconds() / float64(frames)
}

// threadTime is the CPU time of this thread.
func threadTime(b *testing.B) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
