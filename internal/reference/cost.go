package reference

import (
	"math"
	"slices"
	"time"

	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// Spec says at what load costs are compared.
type Spec struct {
	Frames  float64       `json:"frames"`   // a second, to all connections together
	Clients int           `json:"clients"`  // connections; each message is one frame to each
	Size    int           `json:"size"`     // bytes of a message's body on a plain WebSocket
	Warmup  int           `json:"warmup"`   // frames before the window, discarded
	Window  time.Duration `json:"windowNs"` // of which the cost is taken
	Rounds  int           `json:"rounds"`   // in each, all sides run once
	Seed    uint64        `json:"seed"`     // of the order in the rounds
}

// messages is how many messages a window has.
func (s Spec) messages() int {
	return max(1, int(math.Round(s.Frames/float64(s.Clients)*s.Window.Seconds())))
}

// Cost is what one side cost in one round, of its whole process. Seconds and
// allocations are per frame that was received.
type Cost struct {
	// Busy is the CPU time of the window, as the process took it itself: all
	// threads, user and system. What it spent on waiting for its due times awake
	// is not in it; both sides do so with the same pacer.
	Busy float64 `json:"busySec"`

	// CPU is the same as the process's CPU clock shows it from outside, with
	// the waiting and with the answer to whoever asked.
	CPU float64 `json:"cpuSec"`

	// Reads is how often it read, per frame. Nearly all of the cost is that of
	// reading: a side that has fallen behind finds several frames at once, and
	// comes out cheaper than one that has not.
	Reads float64 `json:"reads"`

	// Segs is how many TCP segments its system sent, per frame: nearly all of
	// them acknowledgements, which cost as much as reading.
	Segs float64 `json:"segs"`

	Mallocs float64             `json:"mallocs"` // heap objects
	Frames  int64               `json:"frames"`
	Up      int64               `json:"upB"`
	Down    int64               `json:"downB"`
	Latency scenarios.Quantiles `json:"latency"` // due time to receipt, seconds
}

// Side is one side of a comparison.
type Side struct {
	Name  string `json:"name"`
	Costs []Cost `json:"costs"` // round by round
}

// The sides of Receive.
const (
	Generator = "generator" // package load
	Reference = "reference"
)

// Against is how many times one side's cost is the other's, by pairs.
type Against struct {
	stats.Ratio
	Median float64 // of the pairs
}

// Busy compares Cost.Busy of two sides.
func Busy(a, b Side) (Against, error) {
	return against(a, b, func(c Cost) float64 { return c.Busy })
}

// CPU compares Cost.CPU of two sides.
func CPU(a, b Side) (Against, error) {
	return against(a, b, func(c Cost) float64 { return c.CPU })
}

func against(a, b Side, figure func(Cost) float64) (Against, error) {
	var x, y []float64
	for _, c := range a.Costs {
		x = append(x, figure(c))
	}
	for _, c := range b.Costs {
		y = append(y, figure(c))
	}
	ratio, err := stats.Compare(x, y)
	if err != nil {
		return Against{}, err
	}
	ratios := make([]float64, len(x))
	for i := range x {
		ratios[i] = x[i] / y[i]
	}
	return Against{ratio, Median(ratios)}, nil
}

// Median of at least one figure.
func Median(figures []float64) float64 {
	s := append([]float64(nil), figures...)
	slices.Sort(s)
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}
