// Package record keeps what was measured: a run is a folder with run.json,
// which holds every figure, and run.txt, the same figures in the Go benchmark
// format for benchstat:
//
//	benchstat -col /stack results/RUN/run.txt
//	benchstat -ignore commit,seed OLD/run.txt NEW/run.txt
//
// Where distributions were recorded, latency.hlog holds them as an HdrHistogram
// log, in nanoseconds, each under a tag that names its cell.
//
// run.json is replaced as a whole after every cell, and the others grow by
// whole lines, so a harness that is killed, or a disk that is full, leaves a
// run that can be read, marked as partial. Of a damaged file the lines that are
// whole are read, and the others are told. When the run is over, run.txt is put
// in the order of the stacks; run.json keeps that of measuring.
package record

import (
	"time"

	"wsvsio/scenarios"
)

// Format is the version of run.json that this package writes, and the newest
// that it reads.
const Format = 1

// The files of a run.
const (
	jsonName = "run.json"
	textName = "run.txt"
	hlogName = "latency.hlog" // only where there are histograms
)

// Run is everything that is known about a run.
type Run struct {
	Format   int       `json:"format"`
	Tool     string    `json:"tool"` // what measured: "wsvsio compare"
	Started  time.Time `json:"started"`
	Finished time.Time `json:"finished,omitzero"`

	// Partial says that not everything that was asked for was measured, Why
	// gives the reason.
	Partial bool   `json:"partial"`
	Why     string `json:"why,omitempty"`

	Args    []string          `json:"args,omitempty"` // of the command line
	Profile scenarios.Profile `json:"profile"`
	Rounds  int               `json:"rounds"` // that were asked for
	Seed    uint64            `json:"seed"`   // of the order of the stacks in a round

	Environment Environment       `json:"environment"`
	Stacks      []scenarios.Stack `json:"stacks"` // in the order of the tables
	LeftOut     []LeftOut         `json:"leftOut,omitempty"`
	Planned     []Planned         `json:"planned,omitempty"` // in the order in which they are measured
	Cells       []Cell            `json:"cells,omitempty"`   // in the order in which they were measured
}

// Environment is the machine and the versions that a run was measured with.
type Environment struct {
	OS   string `json:"os"`
	Arch string `json:"arch"`
	CPU  string `json:"cpu,omitempty"`

	// What tells machines apart without naming them.
	Processor string `json:"processor,omitempty"` // family, model and stepping
	MemoryGB  int    `json:"memoryGB,omitempty"`  // in all, rounded to 1e9 B
	Machine   string `json:"machine,omitempty"`   // a hash of its id

	Kernel      string            `json:"kernel,omitempty"`
	Cores       int               `json:"cores"`
	Go          string            `json:"go"`
	Node        string            `json:"node,omitempty"`      // "" where there is none
	Libraries   map[string]string `json:"libraries,omitempty"` // name to version
	Commit      string            `json:"commit,omitempty"`
	Dirty       bool              `json:"dirty,omitempty"` // the commit had changes on top
	LoadAverage [3]float64        `json:"loadAverage"`     // over 1, 5 and 15 minutes, at the start
	Pinned      bool              `json:"pinned"`          // server and load generator on a core each
}

// LeftOut is a stack that this machine cannot run.
type LeftOut struct {
	Stack  string `json:"stack"`
	Reason string `json:"reason"`
	Mend   string `json:"mend,omitempty"` // the command that adds it
}

// Planned is a case that was to be measured, on every stack in every round.
type Planned struct {
	Scenario string         `json:"scenario"`
	Case     scenarios.Case `json:"case"`
}

// Missing returns the planned cases of which there is no cell at all.
func (r *Run) Missing() []Planned {
	begun := make(map[Planned]bool)
	for _, c := range r.Cells {
		begun[Planned{c.Scenario, c.Case}] = true
	}
	var missing []Planned
	for _, p := range r.Planned {
		if !begun[p] {
			missing = append(missing, p)
		}
	}
	return missing
}

// Cell is what was measured of one case on one stack in one round.
type Cell struct {
	Scenario string         `json:"scenario"`
	Case     scenarios.Case `json:"case"`
	Stack    string         `json:"stack"`
	Round    int            `json:"round"`   // from 1
	Order    int            `json:"order"`   // place of the stack in its round
	Seconds  float64        `json:"seconds"` // that the cell took

	// N is how many of what was counted there were, such as deliveries: the
	// iterations of the benchmark line.
	N      int64   `json:"n"`
	Values []Value `json:"values,omitempty"`

	Labels map[string]string `json:"labels,omitempty"`
	Doubts []string          `json:"doubts,omitempty"` // reasons to trust the cell less

	// Histograms of the cell go to latency.hlog.
	Histograms  []scenarios.Histogram `json:"-"`
	Unsupported string                `json:"unsupported,omitempty"` // why the stack cannot do the case
	Error       string                `json:"error,omitempty"`       // why the cell failed
	Events      []scenarios.Event     `json:"events,omitempty"`
}

// Value is a figure in base units. Several of one unit are several samples.
type Value struct {
	Unit string  `json:"unit"`
	V    float64 `json:"v"`
}
