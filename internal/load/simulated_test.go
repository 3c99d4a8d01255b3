package load

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"wsvsio/scenarios"
)

// simulated is an event loop with a chat server in it, in the time of a
// synctest bubble: what is written arrives oneWay later, and so does the answer.
// What happens is the same in every run, however busy the machine.
type simulated struct {
	start time.Time
	ended bool
	peers []*peer // by stream
	up    []passing
	down  []passing

	lose     int  // every nth delivery to a client is not made; the sender, the first, gets all
	keepLeft bool // who leaves stays in the room
	cut      int  // the message with which the last client's connection ends; 0 for none
	mute     int  // the message from which on no request is answered; 0 for none
	messages int
}

const oneWay = time.Millisecond

// peer is a client as the server sees it.
type peer struct {
	stream     *stream
	in         []byte
	greeted    bool
	member     bool
	deliveries int
}

// passing is what is on its way.
type passing struct {
	at   time.Duration
	peer *peer
	data []byte
	err  error
}

func (p *simulated) now() time.Duration { return time.Since(p.start) }

func (p *simulated) open(s *stream, _ netip.AddrPort, _ bool) error {
	s.opened, s.id = true, len(p.peers)
	p.peers = append(p.peers, &peer{stream: s})
	return nil
}

func (p *simulated) write(s *stream, b []byte) error {
	s.up += int64(len(b))
	p.up = append(p.up, passing{at: p.now() + oneWay, peer: p.peers[s.id], data: slices.Clone(b)})
	return nil
}

func (p *simulated) wait(until time.Duration, arrived arrived) error {
	if p.ended {
		return errors.New("a wait after the end")
	}
	for {
		// The server is as fast as can be: it is served before the clients.
		next, atServer := &p.down, false
		if len(p.up) > 0 && (len(p.down) == 0 || p.up[0].at <= p.down[0].at) {
			next, atServer = &p.up, true
		}
		switch {
		case len(*next) > 0 && (*next)[0].at <= until:
		case until == never:
			return errors.New("nothing will ever arrive")
		default:
			<-time.After(until - p.now())
			return nil
		}
		one := (*next)[0]
		*next = (*next)[1:]
		<-time.After(one.at - p.now())
		if atServer {
			p.serve(one.peer, one.data)
			continue
		}
		s := one.peer.stream
		if s.dead {
			continue
		}
		s.down += int64(len(one.data))
		arrived(s, one.data, p.now(), one.err)
		if one.err != nil {
			p.close(s)
		}
		return nil
	}
}

// serve reads what a client has written.
func (p *simulated) serve(c *peer, data []byte) {
	c.in = append(c.in, data...)
	if !c.greeted {
		head, rest, whole := bytes.Cut(c.in, []byte("\r\n\r\n"))
		if !whole {
			return
		}
		_, key, _ := bytes.Cut(head, []byte("Sec-WebSocket-Key: "))
		key, _, _ = bytes.Cut(key, []byte("\r\n"))
		c.greeted, c.in = true, rest
		p.say(c, []byte("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: "+acceptOf(string(key))+"\r\n\r\n"))
	}
	for len(c.in) >= 2 {
		header, n := 2, int(c.in[1]&0x7F)
		if n == 126 {
			header, n = 4, int(binary.BigEndian.Uint16(c.in[2:]))
		}
		key, payload := c.in[header:header+4], c.in[header+4:header+4+n]
		for i := range payload {
			payload[i] ^= key[i&3]
		}
		c.in = c.in[header+4+n:]
		p.handle(c, payload)
	}
}

func (p *simulated) handle(c *peer, frame []byte) {
	var f struct {
		Type string
		ID   int64
		Data json.RawMessage
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		panic(err)
	}
	switch f.Type {
	case "join":
		c.member = true
	case "leave":
		c.member = p.keepLeft
	case "chat":
		p.messages++
		if p.messages == p.cut {
			last := p.peers[len(p.peers)-1]
			last.member = false
			p.down = append(p.down, passing{at: p.now() + oneWay, peer: last, err: io.ErrUnexpectedEOF})
		}
		for i, other := range p.peers {
			if !other.member {
				continue
			}
			other.deliveries++
			if p.lose == 0 || i == 0 || other.deliveries%p.lose != 0 {
				p.say(other, []byte(text(`{"type":"chat","data":`+string(f.Data)+"}")))
			}
		}
		return
	}
	if p.mute == 0 || p.messages < p.mute {
		answer, _ := json.Marshal(map[string]any{"type": "ack", "id": f.ID})
		p.say(c, []byte(text(string(answer))))
	}
}

func (p *simulated) say(c *peer, data []byte) {
	p.down = append(p.down, passing{at: p.now() + oneWay, peer: c, data: data})
}

func (p *simulated) close(s *stream)                { s.dead = true }
func (p *simulated) pause(*stream, bool)            {}
func (p *simulated) count(*stream) scenarios.Kernel { return scenarios.Kernel{} }
func (p *simulated) wake()                          {}
func (p *simulated) end()                           { p.ended = true }
func (p *simulated) waited() time.Duration          { return 0 }

// simulate runs a load against such a server.
func simulate(t *testing.T, server simulated, spec scenarios.LoadSpec) (r scenarios.LoadReport) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		loop := func(start time.Time) (poller, error) {
			server.start = start
			return &server, nil
		}
		g, err := connect(t.Context(), loop, scenarios.ProtocolRaw, "http://127.0.0.1:1", scenarios.PathRaw, spec)
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		if err := g.Window(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r, err = g.Report(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	return r
}

// churning has a churner's turn come with every fourth message, so each of the
// two is in the room for eight messages, and away for eight. The first leaves
// before message 0, the second before message 4. The rates are powers of two:
// every due time is a whole number of nanoseconds, 1.95 ms after the last.
var churning = scenarios.LoadSpec{
	Clients: 2, Churners: 2, ChurnRate: 64, Size: 16, Rate: 512, Messages: 256,
}

// TestChurnCounts has clients leave and come back during a broadcast, and
// counts: while they are away nothing may come, once they are back everything
// must.
func TestChurnCounts(t *testing.T) {
	const members, churners = 2 * 256, 2 * 128
	for _, tt := range []struct {
		name   string
		server simulated
		want   counts
	}{
		{"none", simulated{}, counts{delivered: members + churners}},
		// Of the eight messages that a churner is away, the answer to its leaving
		// comes before all, and its wish to come back before the last arrives.
		{"keep left", simulated{keepLeft: true}, counts{delivered: members + churners + 32*1, corrupt: 32 * 7}},
		// A churner is owed neither the two messages that were sent before it
		// knew that it was back, nor the one that was on its way when it left:
		// of its 25 that are lost, 16 and 15 are left, by their place in the
		// eight.
		{"lose", simulated{lose: 5}, counts{delivered: members + churners - 51 - 2*25, dropped: 51 + 16 + 15}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := simulate(t, tt.server, churning)
			if got := countsOf(r); got != tt.want {
				t.Errorf("counted %+v\nwant    %+v", got, tt.want)
			}
			if r.Cycles != 32 || r.Sent != 256 || r.Died != 0 || r.Expected != r.Delivered+r.Lost {
				t.Errorf("%d times away and back, %d sent, %d died, %d expected", r.Cycles, r.Sent, r.Died, r.Expected)
			}
		})
	}
}

// TestChurnEnds tells what a churner has lost with its connection, and what to
// a server that does not answer any more, from what the server has dropped.
func TestChurnEnds(t *testing.T) {
	const members, churner = 2 * 256, 128
	for _, tt := range []struct {
		name   string
		server simulated
		want   counts
		cycles int64
		died   int64
	}{
		// The second churner has got messages 0-3 and 12-15. Of what came after
		// that it has lost all.
		{"cut", simulated{cut: 17}, counts{delivered: members + churner + 4 + 4, cut: 256 - 16}, 16 + 1, 1},
		// It has asked to leave before message 20, and of what it is owed 17 has not come.
		{"cut as it leaves", simulated{cut: 20, lose: 5},
			counts{delivered: members - 51 + churner - 25 + 9, dropped: 51 + 16, cut: 1}, 16 + 1, 1},
		// Of what each was owed when it asked to leave, one has not come.
		{"no answer to leaving", simulated{mute: 192, lose: 5},
			counts{delivered: members - 51 + 96 - 19 + 100 - 20, dropped: 11 + 11, unexplained: 51 + 1 + 1}, 12 + 12, 0},
		// Both are there. Of what they lost since they came back, one is owed.
		{"no answer at the end", simulated{mute: 253, lose: 5},
			counts{delivered: members - 51 + 2*(churner-25), dropped: 15 + 15, unexplained: 51 + 1}, 32, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := simulate(t, tt.server, churning)
			if got := countsOf(r); got != tt.want {
				t.Errorf("counted %+v\nwant    %+v", got, tt.want)
			}
			if r.Cycles != tt.cycles || r.Sent != 256 || r.Died != tt.died || r.Why == "" ||
				r.Lost != r.Dropped+r.Cut+r.Unexplained || r.Expected != r.Delivered+r.Lost {
				t.Errorf("%d times away and back, %d sent, %d died (%s), %d lost, %d expected", r.Cycles, r.Sent, r.Died, r.Why, r.Lost, r.Expected)
			}
		})
	}
}
