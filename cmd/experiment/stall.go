package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"wsvsio/bench"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// stall pauses a server in the middle of a run.
var stall = experiment{
	name:    "stall",
	about:   "a server that is paused for a second: what share of the messages counts as late",
	example: "experiment stall -stack rawws,sio,floor",
	set: func(f *flag.FlagSet, s *settings) func() error {
		checkCase := caseFlags(f, &s.Case, scenarios.Case{
			Name: openName, Clients: 10, Size: 128, Rate: 100, Warmup: 15_000, Window: 10 * time.Second,
		})
		checkStacks := stackFlag(f, &s.Stacks, "rawws", "sio", "floor")
		f.IntVar(&s.Rounds, "rounds", 1, "rounds")
		f.DurationVar(&s.Pause, "pause", time.Second, "how long the server is paused")
		return func() error {
			wrong := []error{checkCase(), checkStacks(), within("rounds", s.Rounds, 1, maxRounds),
				within("pause", s.Pause, 2*slowLimit, 5*time.Second)}
			if s.Case.Window < 2*s.Pause {
				wrong = append(wrong, usagef("-window is %v; a pause of %v needs one of at least %v", s.Case.Window, s.Pause, 2*s.Pause))
			}
			return errors.Join(wrong...)
		}
	},
	measure: func(s *session) error {
		open, closed := s.Case, s.Case
		open.Name, closed.Name = openName, closedName
		plan := bench.Plan{
			Parts:  []bench.Part{{Scenario: stalling{s.Pause}, Cases: []scenarios.Case{open, closed}}},
			Stacks: stacksOf(s.Stacks),
			Rounds: s.Rounds,
		}
		s.keepHistograms = true
		s.tell.expect(plan.Cells())
		_, err := s.run("", 0, plan)
		return err
	},
	summarise: summariseStall,
}

// slowLimit is from when on a message is late.
const slowLimit = 100 * time.Millisecond

// The cases of stalling.
const (
	openName   = "open"   // messages are due whatever the server does
	closedName = "closed" // a client sends when its last message has come back
)

// stalling is a scenario in which the server is paused.
type stalling struct{ pause time.Duration }

// Name implements scenarios.Scenario.
func (stalling) Name() string { return "stall" }

// Cases implements scenarios.Scenario.
func (stalling) Cases(scenarios.Profile) []scenarios.Case { return nil }

// Run implements scenarios.Scenario.
func (st stalling) Run(ctx context.Context, env scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	if c.Name == closedName && s.Client == (scenarios.Program{}) {
		return scenarios.Unsupported("%s has no client that could wait", s.Name)
	}
	node, err := env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		return err
	}
	if c.Name == closedName {
		err = st.closed(ctx, env, node, s, c, rec)
	} else {
		err = st.open(ctx, env, node, s, c, rec)
	}
	if err != nil {
		return err
	}
	return node.Stop(ctx)
}

// open has the load generator send through the pause.
func (st stalling) open(ctx context.Context, env scenarios.Env, node scenarios.Node, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	pausing, cancel := context.WithCancel(ctx)
	defer cancel()
	watched := &watchedNode{Node: node, asked: make(chan struct{})}
	paused := make(chan stopped, 1)
	go func() { paused <- st.within(pausing, watched, c.Window) }()
	r, err := env.Load(ctx, s, watched, scenarios.LoadSpec{
		Clients: c.Clients, Size: c.Size, Warmup: c.Warmup, Rate: c.Rate, Messages: c.Messages(),
		Patience: st.pause + 2*time.Second,
	})
	ended := time.Now()
	cancel()
	p := <-paused
	if err := errors.Join(err, p.err); err != nil {
		return err
	}
	if p.resumed.IsZero() || ended.Before(p.resumed) {
		return errors.New("the server was not paused within the window")
	}
	if err := delivered(r); err != nil {
		return err
	}
	rec.Value("pause-sec", p.resumed.Sub(p.paused).Seconds())
	rec.Value("pause-after-sec", p.paused.Sub(p.quiet).Seconds())
	rec.Value("p50-sec/msg", r.Latency.P50)
	rec.Value("max-sec/msg", r.Latency.Max)
	rec.Value("late-p99-sec", r.Lateness.P99)
	rec.Value("deliveries", float64(r.Delivered))
	for _, h := range r.Histograms {
		rec.Histogram(h)
	}
	return nil
}

// delivered says what was wrong with the delivery.
func delivered(r scenarios.LoadReport) error {
	if r.Lost == 0 && r.Unsent == 0 && r.Dup == 0 && r.Reordered == 0 && r.Corrupt == 0 && r.Died == 0 && r.Why == "" {
		return nil
	}
	return fmt.Errorf("of %d deliveries %d lost, %d doubled, %d out of order, %d damaged, %d messages unsent; %d connections ended; first: %s",
		r.Expected, r.Lost, r.Dup, r.Reordered, r.Corrupt, r.Unsent, r.Died, r.Why)
}

// stopped is when a server was paused.
type stopped struct {
	quiet, paused, resumed time.Time // quiet: the last question before it
	err                    error
}

// within pauses a server in a window that begins at a time nobody tells. What
// is known is that the server is asked for what it has used just before the
// window and not in it: when it has been asked, and has then been left alone for
// three tenths of the window, these tenths are over.
func (st stalling) within(ctx context.Context, node *watchedNode, window time.Duration) (p stopped) {
	select {
	case <-node.asked:
	case <-ctx.Done():
		return p
	}
	alone := window * 3 / 10
	for p.quiet = node.lastAsked(); time.Since(p.quiet) < alone; p.quiet = node.lastAsked() {
		if scenarios.Wait(ctx, alone-time.Since(p.quiet)) != nil {
			return p
		}
	}
	return st.now(ctx, node, p)
}

// now pauses a server.
func (st stalling) now(ctx context.Context, node scenarios.Node, p stopped) stopped {
	p.paused = time.Now()
	if p.err = node.Pause(); p.err != nil {
		return p
	}
	slept := scenarios.Wait(ctx, st.pause) == nil
	p.err = node.Resume()
	if slept {
		p.resumed = time.Now()
	}
	return p
}

// watchedNode notes when it is asked for what it has used.
type watchedNode struct {
	scenarios.Node
	asked chan struct{} // closed the first time

	mu   sync.Mutex
	last time.Time
}

func (n *watchedNode) note() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.last.IsZero() {
		close(n.asked)
	}
	n.last = time.Now()
}

func (n *watchedNode) lastAsked() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.last
}

// Usage implements scenarios.Node.
func (n *watchedNode) Usage(ctx context.Context) (scenarios.Usage, error) {
	defer n.note()
	return n.Node.Usage(ctx)
}

// CPU implements scenarios.Node.
func (n *watchedNode) CPU() (time.Duration, error) {
	defer n.note()
	return n.Node.CPU()
}

// closed has clients of the stack send to themselves, each its next message
// when the last one has come back, at the same rate altogether while the server
// keeps up.
func (st stalling) closed(ctx context.Context, env scenarios.Env, node scenarios.Node, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	crew, err := env.Clients(ctx, s)
	if err != nil {
		return err
	}
	peers := make([]scenarios.Peer, c.Clients)
	for i := range peers {
		name := fmt.Sprint("client", i)
		if peers[i], err = crew.Dial(ctx, node.URL(), s.Dial(name)); err != nil {
			return err
		}
		if err := peers[i].Join(ctx, name); err != nil {
			return err
		}
	}
	all, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var mu sync.Mutex
	h := hdrhistogram.New(1, int64(time.Minute), 3)
	begin := time.Now()
	every := time.Duration(float64(c.Clients) / c.Rate * float64(time.Second))
	var running sync.WaitGroup
	for i, p := range peers {
		running.Go(func() {
			// The clients take turns, as the senders of one schedule would.
			first := every * time.Duration(i) / time.Duration(c.Clients)
			err := converse(all, p, fmt.Sprint("client", i), c.Size, begin.Add(first), begin.Add(c.Window), every, func(took time.Duration) error {
				mu.Lock()
				defer mu.Unlock()
				return h.RecordValue(int64(took))
			})
			if err != nil {
				cancel(err)
			}
		})
	}
	var p stopped
	if scenarios.Wait(all, time.Until(begin.Add(c.Window*3/10))) == nil {
		p = st.now(all, node, stopped{quiet: begin})
	}
	running.Wait()
	if err := errors.Join(context.Cause(all), p.err); err != nil {
		return err
	}
	encoded, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return fmt.Errorf("encode the latencies: %w", err)
	}
	rec.Value("pause-sec", p.resumed.Sub(p.paused).Seconds())
	rec.Value("pause-after-sec", p.paused.Sub(p.quiet).Seconds())
	rec.Value("deliveries", float64(h.TotalCount()))
	rec.Histogram(scenarios.Histogram{Name: closedName + "/own", Data: string(encoded)})
	return crew.Stop(ctx)
}

// converse has a client send messages to its own room, one at each tick from
// the first to the last; it leaves out those ticks at which it still waits for
// its last message.
func converse(ctx context.Context, peer scenarios.Peer, room string, size int, first, last time.Time, every time.Duration, took func(time.Duration) error) error {
	body := strings.Repeat("x", size)
	seq := int64(scenarios.FirstSeq)
	for tick := first; tick.Before(last); seq++ {
		if scenarios.Wait(ctx, time.Until(tick)) != nil {
			return context.Cause(ctx)
		}
		sent := worker.Now()
		if err := peer.Send(ctx, scenarios.Message{Room: room, From: room, Seq: seq, Body: body}); err != nil {
			return err
		}
		back := func(e scenarios.Event) bool { return e.Kind == scenarios.EventMessage && e.Message.Seq == seq }
		events, err := peer.Await(ctx, func(events []scenarios.Event) bool {
			return len(events) > 0 && slices.ContainsFunc(events[len(events)-1:], back)
		})
		if err != nil {
			return err
		}
		if err := took(time.Duration(events[len(events)-1].At - sent)); err != nil {
			return fmt.Errorf("record a latency: %w", err)
		}
		for tick = tick.Add(every); tick.Before(time.Now()); tick = tick.Add(every) {
		}
	}
	return nil
}

// What must be counted as late, for a pause of a tenth of the window.
const (
	minLate = 0.09
	maxLate = 0.10
)

// The prefixes of the histograms that are looked at.
const (
	fromDue   = "latency/"
	fromWrite = "from-write/"
	fromTurn  = closedName + "/"
)

// late is the share of the samples above slowLimit in those histograms of a
// cell whose names have the prefix, and how many samples there are.
func late(c cell, prefix string) (share float64, n int64, err error) {
	above := int64(0)
	for _, h := range c.Histograms {
		if !strings.HasPrefix(h.Name, prefix) {
			continue
		}
		decoded, err := hdrhistogram.Decode([]byte(h.Data))
		if err != nil {
			return 0, 0, fmt.Errorf("histogram %s: %w", h.Name, err)
		}
		for _, bar := range decoded.Distribution() {
			n += bar.Count
			if bar.To > int64(slowLimit) {
				above += bar.Count
			}
		}
	}
	if n > 0 {
		share = float64(above) / float64(n)
	}
	return share, n, nil
}

func summariseStall(d *data) summary {
	c := d.Settings.Case
	sum := summary{title: fmt.Sprintf("A server that is paused for %v of %v", d.Settings.Pause, c.Window)}
	rows := [][]string{{"stack", "round", "from when on", "deliveries", "above " + slowLimit.String(), "paused for"}}
	judgeable := 10*d.Settings.Pause == c.Window
	for _, stack := range d.Settings.Stacks {
		b := bar{
			what:     "late on " + stack + ", from the due time",
			limit:    fmt.Sprintf("%.0f to %.0f %%", 100*minLate, 100*maxLate),
			measured: "-",
		}
		if !judgeable {
			b.limit = fmt.Sprintf("%s for a pause of a tenth of the window", b.limit)
		}
		var shares []float64
		within := judgeable
		for _, cell := range byStack(d) {
			if cell.Stack != stack || !cell.measured() {
				continue
			}
			for _, view := range []struct{ name, prefix, what string }{
				{openName, fromDue, "the time a message is due"},
				{openName, fromWrite, "the time it is written"},
				{closedName, fromTurn, "sending, the client having waited for the last one"},
			} {
				if view.name != cell.Case {
					continue
				}
				row := []string{stack, fmt.Sprint(cell.Round), view.what, "-", "-", seconds(cell.Values["pause-sec"])}
				share, n, err := late(cell, view.prefix)
				switch {
				case err != nil:
					row[4] = cleaned(err.Error())
				case n > 0:
					row[3], row[4] = fmt.Sprint(n), fmt.Sprintf("%.2f %%", 100*share)
				}
				rows = append(rows, row)
				if view.prefix == fromDue && n > 0 {
					shares = append(shares, share)
					within = within && share >= minLate && share <= maxLate
				}
			}
		}
		var texts []string
		for _, share := range shares {
			texts = append(texts, fmt.Sprintf("%.2f %%", 100*share))
		}
		if len(shares) > 0 {
			b.measured = strings.Join(texts, ", ")
		}
		b.reached = within && len(shares) == d.Settings.Rounds
		sum.bars = append(sum.bars, b)
	}
	sum.text = joined(
		fmt.Sprintf("%s; one client sends. Three tenths into the window the server's process is stopped, and let go on after %v.",
			caseText(c), d.Settings.Pause),
		table(rows),
		"The load generator sends when a message is due, whether the server answers or not, so the time of writing is almost the same. "+
			"The last view is that of clients of the stack's own that each send at their share of the same rate, but not before their last message has come back: "+
			"the messages that they leave out meanwhile would have been the late ones.",
	)
	return sum
}
