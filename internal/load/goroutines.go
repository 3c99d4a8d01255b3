package load

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"wsvsio/scenarios"
)

// goroutines is the event loop for systems without epoll: a goroutine reads
// each connection and hands what it read to the loop.
type goroutines struct {
	start   time.Time
	parcels chan parcel
	woken   chan struct{}
	done    chan struct{}
	running sync.WaitGroup
	nets    map[*stream]net.Conn
	gates   map[*stream]*gate
}

// parcel is what a goroutine has read.
type parcel struct {
	s    *stream
	net  net.Conn // once, when the stream has connected
	data []byte
	now  time.Duration
	err  error
}

// gate holds back the reader of a paused stream.
type gate struct {
	mu   sync.Mutex
	open *sync.Cond
	shut bool
}

func newGoroutines(start time.Time) poller {
	return &goroutines{
		start:   start,
		parcels: make(chan parcel, 256),
		woken:   make(chan struct{}, 1),
		done:    make(chan struct{}),
		nets:    make(map[*stream]net.Conn),
		gates:   make(map[*stream]*gate),
	}
}

func (p *goroutines) open(s *stream, addr netip.AddrPort, slow bool) error {
	g := &gate{}
	g.open = sync.NewCond(&g.mu)
	p.gates[s] = g
	p.running.Go(func() {
		conn, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(addr))
		if err != nil {
			p.hand(parcel{s: s, now: time.Since(p.start), err: err})
			return
		}
		if slow {
			conn.SetReadBuffer(slowBuffer)
		}
		if !p.hand(parcel{s: s, net: conn, now: time.Since(p.start)}) {
			conn.Close()
			return
		}
		p.read(s, conn, g)
	})
	return nil
}

// hand passes a parcel to the loop; false if there is none any more.
func (p *goroutines) hand(parcel parcel) bool {
	select {
	case p.parcels <- parcel:
		return true
	case <-p.done:
		return false
	}
}

func (p *goroutines) read(s *stream, conn net.Conn, g *gate) {
	for {
		g.mu.Lock()
		for g.shut {
			g.open.Wait()
		}
		g.mu.Unlock()
		buffer := make([]byte, readBuffer)
		n, err := conn.Read(buffer)
		now := time.Since(p.start)
		if n > 0 && !p.hand(parcel{s: s, data: buffer[:n], now: now}) {
			return
		}
		if err != nil {
			p.hand(parcel{s: s, now: now, err: err})
			return
		}
	}
}

func (p *goroutines) write(s *stream, b []byte) error {
	conn := p.nets[s]
	if conn == nil {
		s.pending = append(s.pending, b...)
		return nil
	}
	n, err := conn.Write(b)
	s.up += int64(n)
	return err
}

func (p *goroutines) wait(until time.Duration, arrived arrived) error {
	var due <-chan time.Time
	if until != never {
		timer := time.NewTimer(until - time.Since(p.start))
		defer timer.Stop()
		due = timer.C
	}
	select {
	case next := <-p.parcels:
		p.take(next, arrived)
	case <-p.woken:
	case <-due:
	}
	return nil
}

func (p *goroutines) take(next parcel, arrived arrived) {
	s := next.s
	if s.dead {
		if next.net != nil {
			next.net.Close()
		}
		return
	}
	if next.net != nil {
		p.nets[s], s.opened = next.net, true
		pending := s.pending
		s.pending = nil
		next.err = p.write(s, pending)
	}
	if len(next.data) > 0 {
		s.down += int64(len(next.data))
		arrived(s, next.data, next.now, nil)
	}
	if next.err != nil {
		arrived(s, nil, next.now, next.err)
		p.close(s)
	}
}

func (p *goroutines) pause(s *stream, on bool) {
	g := p.gates[s]
	g.mu.Lock()
	defer g.mu.Unlock()
	s.paused, g.shut = on, on
	g.open.Broadcast()
}

func (p *goroutines) close(s *stream) {
	if s.dead {
		return
	}
	p.pause(s, false)
	s.dead = true
	if conn := p.nets[s]; conn != nil {
		conn.Close()
	}
}

func (p *goroutines) count(*stream) scenarios.Kernel { return scenarios.Kernel{} }

func (p *goroutines) wake() {
	select {
	case p.woken <- struct{}{}:
	default:
	}
}

func (p *goroutines) end() {
	select {
	case <-p.done:
		return
	default:
	}
	for s := range p.gates {
		p.close(s)
	}
	close(p.done)
	p.running.Wait()
	for {
		select {
		case late := <-p.parcels:
			if late.net != nil {
				late.net.Close()
			}
		default:
			return
		}
	}
}

func (p *goroutines) waited() time.Duration { return 0 }
