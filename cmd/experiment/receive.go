package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/reference"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// receive compares the load generator with the least that a receiver can do.
var receive = experiment{
	name:    "receive",
	about:   "what receiving costs the load generator, beside an epoll receiver with a hand parser, and one codec beside the other",
	example: "experiment receive -rounds 20",
	set: func(f *flag.FlagSet, s *settings) func() error {
		f.IntVar(&s.Rounds, "rounds", 20, "rounds")
		f.IntVar(&s.Case.Clients, "clients", 100, "connections")
		f.DurationVar(&s.Case.Window, "window", time.Second, "how long to measure")
		return func() error {
			s.Case.Name, s.Case.Size, s.Case.Warmup = "receive", 128, 15_000
			return errors.Join(within("rounds", s.Rounds, 1, maxRounds), within("clients", s.Case.Clients, 1, 1000),
				within("window", s.Case.Window, time.Millisecond, time.Minute))
		}
	},
	measure:   measureReceive,
	summarise: summariseReceive,
}

// receiveRates are the frames a second at which costs are compared.
var receiveRates = []float64{20_000, 100_000}

// What must be reached: ratios, and the pairs that they are the median of.
const (
	maxReceive   = 1.30
	maxCodec     = 1.05
	receivePairs = 20

	// maxApart is by how much one side may read more often than the other, or
	// have its system send more segments.
	maxApart = 1.05
)

func measureReceive(s *session) error {
	s.tell.expect(5 * len(receiveRates) * s.Rounds)
	for _, rate := range receiveRates {
		spec := reference.Spec{
			Frames: rate, Clients: s.Case.Clients, Size: s.Case.Size,
			Warmup: s.Case.Warmup, Window: s.Case.Window, Rounds: 1,
		}
		// Round by round, so that what was measured is kept.
		for round := range s.Rounds {
			spec.Seed = s.order.Uint64()
			sides, err := receiveOnce(s.ctx, spec)
			if s.ctx.Err() != nil {
				return bench.ErrStopped
			}
			if err != nil {
				c := cell{Phase: phaseOf(rate), Round: round + 1, Case: "receive", Error: err.Error()}
				s.tell.cell(c)
				if err := s.data.write(line{Cell: &c}); err != nil {
					return err
				}
			}
			for _, side := range sides {
				cost := side.Costs[0]
				c := cell{Phase: phaseOf(rate), Round: round + 1, Case: "receive", Stack: side.Name, Values: map[string]float64{
					"busy-sec/frame": cost.Busy, "cpu-sec/frame": cost.CPU, "mallocs/frame": cost.Mallocs,
					"reads/frame": cost.Reads, "segs/frame": cost.Segs,
					"frames": float64(cost.Frames), "p50-sec": cost.Latency.P50, "p99-sec": cost.Latency.P99,
				}}
				s.tell.cell(c)
				if err := s.data.write(line{Cell: &c}); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// receiveOnce runs one round of every contest.
func receiveOnce(ctx context.Context, spec reference.Spec) ([]reference.Side, error) {
	generator, yardstick, err := reference.Receive(ctx, spec)
	if err != nil {
		return nil, err
	}
	codecs, err := reference.Codecs(ctx, spec)
	if err != nil {
		return nil, err
	}
	sides := []reference.Side{generator, yardstick}
	for _, p := range codecProtocols {
		sides = append(sides, codecs[p])
	}
	return sides, nil
}

var codecProtocols = []scenarios.Protocol{scenarios.ProtocolRaw, scenarios.ProtocolEIO3, scenarios.ProtocolEIO4}

func phaseOf(rate float64) string { return fmt.Sprintf("%.0f frames/s", rate) }

func summariseReceive(d *data) summary {
	sum := summary{title: "What receiving costs"}
	rows := [][]string{{"frames a second", "of", "to", "CPU per frame", "CPU per frame, without waiting", "ratio", "without waiting", "interval", "reads per frame", "segments sent per frame"}}
	var unlike []string // contests in which the sides did not do the same
	values := func(rate float64, side, unit string) (v []float64) {
		for _, c := range d.cells {
			if c.Phase == phaseOf(rate) && c.Stack == side && c.measured() {
				v = append(v, c.Values[unit])
			}
		}
		return v
	}
	type contest struct {
		a, b  string
		limit float64
	}
	own := contest{reference.Generator, reference.Reference, maxReceive}
	contests := []contest{own}
	for i, a := range codecProtocols {
		for _, b := range codecProtocols[i+1:] {
			contests = append(contests, contest{string(a), string(b), maxCodec})
		}
	}
	for _, rate := range receiveRates {
		for _, k := range contests {
			name := fmt.Sprintf("%s to %s at %.0f frames a second", k.a, k.b, rate)
			b := bar{
				what:     name + ", without waiting",
				limit:    fmt.Sprintf("at most %.2fx, median of at least %s", k.limit, count(receivePairs, "pair")),
				measured: "-",
			}
			beside := bar{what: name + ", with waiting", limit: "beside it", measured: "-", beside: true}
			busyA, busyB := values(rate, k.a, "busy-sec/frame"), values(rate, k.b, "busy-sec/frame")
			cpuA, cpuB := values(rate, k.a, "cpu-sec/frame"), values(rate, k.b, "cpu-sec/frame")
			if n := min(len(busyA), len(busyB)); n > 0 {
				busy, cpu := medianRatio(busyA[:n], busyB[:n]), medianRatio(cpuA[:n], cpuB[:n])
				between := "-"
				if r, err := stats.Compare(busyA[:n], busyB[:n]); err == nil {
					between = interval(r)
				}
				row := []string{fmt.Sprintf("%.0f", rate), k.a, k.b,
					seconds(median(cpuA)), seconds(median(busyA)), times(cpu), times(busy), between}
				alike := true
				for _, unit := range []string{"reads/frame", "segs/frame"} {
					if often := slices.Concat(values(rate, k.a, unit), values(rate, k.b, unit)); slices.Contains(often, 0) {
						row = append(row, "-") // this record does not tell
						continue
					}
					a, b := median(values(rate, k.a, unit)), median(values(rate, k.b, unit))
					row = append(row, fmt.Sprintf("%.3f and %.3f", a, b))
					alike = alike && max(a, b) <= maxApart*min(a, b)
				}
				if !alike {
					unlike = append(unlike, name)
				}
				rows = append(rows, row)
				b.measured = fmt.Sprintf("%s, median of %s", times(busy), count(n, "pair"))
				beside.measured = fmt.Sprintf("%s, median of %s", times(cpu), count(n, "pair"))
				// Of two codecs neither may cost more than the other.
				worst := busy
				if k.limit == maxCodec {
					worst = max(busy, 1/busy)
				}
				b.reached = worst <= k.limit && n >= receivePairs && alike
			}
			sum.bars = append(sum.bars, b)
			if k == own {
				sum.bars = append(sum.bars, beside)
			}
		}
	}
	doubt := ""
	if len(unlike) > 0 {
		doubt = fmt.Sprintf("**Not alike: %s.** One side read, or had its system acknowledge, more than %.0f %% more often than the other. A side that has fallen behind finds "+
			"several frames at once and comes out cheaper, so the ratio shows nothing: the machine had other things to do, or too much of this.", strings.Join(unlike, "; "), 100*(maxApart-1))
	}
	sum.text = joined(
		fmt.Sprintf("A source sends each message back to %d connections. On one side stands the load generator, which checks every byte, accounts for every delivery and "+
			"keeps two latencies; on the other a receiver that has one thread, one buffer and a parser for the one frame that comes, and keeps one. "+
			"Both send the same messages at due times of their own, and wait for them with the same pacer, asleep and shortly before awake. "+
			"The bar is about the CPU time without that waiting; with it, as the system shows it from outside, the ratio stands beside it. "+
			"The codecs of the load generator get frames of the same length.", d.Settings.Case.Clients),
		table(rows),
		doubt,
	)
	return sum
}

// medianRatio is the median of the ratios of pairs.
func medianRatio(a, b []float64) float64 {
	ratios := make([]float64, len(a))
	for i := range a {
		ratios[i] = a[i] / b[i]
	}
	slices.Sort(ratios)
	return median(ratios)
}
