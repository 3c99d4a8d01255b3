package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/record"
)

// quietly is how often progress is told where it cannot be redrawn.
const quietly = 10 * time.Second

// progress tells how far a run is: on a terminal in one line that is redrawn,
// elsewhere in a line every ten seconds.
type progress struct {
	w        io.Writer
	terminal bool
	total    int
	rounds   int
	started  time.Time

	mu   sync.Mutex
	done int
	now  record.Cell
	told time.Time
}

func newProgress(w io.Writer, plan bench.Plan) *progress {
	p := &progress{w: w, total: plan.Cells(), rounds: plan.Rounds, started: time.Now()}
	if f, ok := fileOf(w); ok {
		info, err := f.Stat()
		p.terminal = err == nil && info.Mode()&os.ModeCharDevice != 0
	}
	p.told = p.started
	return p
}

// begin is told of a cell before it is measured.
func (p *progress) begin(c record.Cell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = c
	if p.terminal {
		fmt.Fprintf(p.w, "\r\x1b[K%s", p.line())
	} else if time.Since(p.told) >= quietly {
		p.told = time.Now()
		fmt.Fprintln(p.w, p.line())
	}
}

// end is told of a cell once it has been measured.
func (p *progress) end(c record.Cell) {
	p.mu.Lock()
	defer p.mu.Unlock()
	// A case that does not apply is passed over in the later rounds.
	if c.Unsupported != "" {
		if c.Case.Once {
			p.total--
		} else {
			p.total -= p.rounds
		}
		return
	}
	p.done++
	if c.Error != "" {
		p.clear()
		fmt.Fprintf(p.w, "failed: %s %s %s, round %d: %s\n", c.Scenario, c.Case.Name, c.Stack, c.Round, c.Error)
	}
}

// close ends the line that is redrawn.
func (p *progress) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.clear()
}

func (p *progress) clear() {
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func (p *progress) line() string {
	s := fmt.Sprintf("round %d/%d  cell %d/%d  %s %s %s", p.now.Round, p.rounds,
		p.done+1, p.total, p.now.Scenario, p.now.Case.Name, p.now.Stack)
	if p.done > 0 {
		each := time.Since(p.started) / time.Duration(p.done)
		s += fmt.Sprintf("  about %v left", (each * time.Duration(p.total-p.done)).Round(time.Second))
	}
	return s
}
