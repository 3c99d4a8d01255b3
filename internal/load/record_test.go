package load

import (
	"testing"
	"time"

	"wsvsio/scenarios"
)

// recording returns a load of that many clients in an open-loop phase of n
// messages, all of which are due and written at once.
func recording(clients, n int) *Generator {
	g := &Generator{
		spec: scenarios.LoadSpec{Clients: clients, Size: 128, Messages: n},
		next: scenarios.FirstSeq,
	}
	g.makeRooms()
	for i := range clients {
		g.clients = append(g.clients, &client{g: g, index: i})
	}
	g.begin(n, make([]time.Duration, n))
	return g
}

// TestRecordAllocates nothing: no message costs the collector's time, which
// would be in the latency of another.
func TestRecordAllocates(t *testing.T) {
	const n = 1000
	for _, p := range protocols {
		g := recording(1, n)
		c := g.clients[0]
		codec := newOpen(t, p)
		next := 0
		object := g.rooms[0].with(scenarios.FirstSeq)
		frames := make([]string, n)
		for i := range frames {
			object := string(g.rooms[0].with(scenarios.FirstSeq + int64(i)))
			frames[i] = text(map[scenarios.Protocol]string{
				scenarios.ProtocolRaw:  `{"type":"chat","data":` + object + "}",
				scenarios.ProtocolEIO3: `42["chat",` + object + "]\n",
				scenarios.ProtocolEIO4: `42["chat",` + object + "]",
			}[p])
		}
		in := make([]byte, 0, 2*len(object))
		allocations := testing.AllocsPerRun(n-1, func() {
			in = append(in[:0], frames[next]...)
			next++
			deliveries, err := codec.Feed(0, in)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range deliveries {
				c.take(d, time.Duration(next))
			}
		})
		if allocations != 0 || c.delivered != n || g.phase.latency[theSender].TotalCount() != n {
			t.Errorf("%s: %v allocations for each of %d messages, %d recorded", p, allocations, c.delivered, g.phase.latency[theSender].TotalCount())
		}
	}
}

// BenchmarkRecord takes the time of one sample of a latency, and of one
// delivery as a whole: checked, counted, two samples recorded.
func BenchmarkRecord(b *testing.B) {
	const clients, n = 100, 1000
	// Latencies as they come: each of another bucket.
	spread := make([]time.Duration, 4096)
	for i := range spread {
		spread[i] = time.Duration(50_000 + i*i*i%2_000_000)
	}
	b.Run("of=sample", func(b *testing.B) {
		p := recording(1, 1).phase
		b.ReportAllocs()
		i := 0
		for b.Loop() {
			p.record(p.latency[theOthers], spread[i%len(spread)])
			i++
		}
	})
	b.Run("of=delivery", func(b *testing.B) {
		var g *Generator
		data := make([][]byte, n)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if i%(clients*n) == 0 {
				b.StopTimer()
				g = recording(clients, n)
				for k := range data {
					data[k] = g.rooms[0].with(scenarios.FirstSeq + int64(k))
				}
				b.StartTimer()
			}
			c, k := g.clients[i%clients], i/clients%n
			c.message(data[k], spread[i%len(spread)])
		}
	})
}
