// Package record keeps what was measured: a run is a folder with run.json,
// which holds everything, and run.txt, the same figures in the Go benchmark
// format for benchstat:
//
//	benchstat -col /stack results/RUN/run.txt
//	benchstat -ignore commit,seed OLD/run.txt NEW/run.txt
//
// run.json is replaced as a whole after every cell, so a harness that is
// killed leaves a run that can be read, marked as partial.
package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	Cells       []Cell            `json:"cells,omitempty"` // in the order in which they were measured
}

// Environment is the machine and the versions that a run was measured with.
type Environment struct {
	OS          string            `json:"os"`
	Arch        string            `json:"arch"`
	CPU         string            `json:"cpu,omitempty"`
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

	Labels      map[string]string `json:"labels,omitempty"`
	Doubts      []string          `json:"doubts,omitempty"`      // reasons to trust the cell less
	Unsupported string            `json:"unsupported,omitempty"` // why the stack cannot do the case
	Error       string            `json:"error,omitempty"`       // why the cell failed
	Events      []scenarios.Event `json:"events,omitempty"`
}

// Value is a figure in base units. Several of one unit are several samples.
type Value struct {
	Unit string  `json:"unit"`
	V    float64 `json:"v"`
}

// Read returns the run in the folder dir. Errors name the file, and the line
// where its content is to blame.
func Read(dir string) (*Run, error) {
	name := filepath.Join(dir, jsonName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s does not hold a run: %w", dir, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read a run: %w", err)
	}
	// The format comes first: a newer one may give a field another type.
	var head struct {
		Format *int `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, position(name, data, err)
	}
	switch {
	case head.Format == nil || *head.Format < 1:
		return nil, fmt.Errorf("%s is not a run: it has no format", name)
	case *head.Format > Format:
		return nil, fmt.Errorf("%s has format %d, this program reads up to "+
			"format %d: read it with the version that wrote it",
			name, *head.Format, Format)
	}
	run := new(Run)
	if err := json.Unmarshal(data, run); err != nil {
		return nil, position(name, data, err)
	}
	return run, nil
}

// position adds the file and line to an error of package json.
func position(name string, data []byte, err error) error {
	var offset int64
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		offset = syntax.Offset
	case errors.As(err, &kind):
		offset = kind.Offset
	default:
		return fmt.Errorf("%s: %w", name, err)
	}
	offset = min(offset, int64(len(data)))
	line := 1 + bytes.Count(data[:offset], []byte("\n"))
	return fmt.Errorf("%s:%d: damaged at byte %d: %w", name, line, offset, err)
}
