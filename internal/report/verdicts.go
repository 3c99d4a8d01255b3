package report

import (
	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// Verdicts returns how each claim ends, in their order. Of several runs that
// have measured the same, the first one counts.
func Verdicts(runs ...*record.Run) []scenarios.Verdict {
	return scenarios.Decide(newHeld(runs))
}

// Advise returns what to choose, situation by situation, from the same runs.
func Advise(runs ...*record.Run) []scenarios.Advice {
	return scenarios.Advise(newHeld(runs))
}

// BreakEvens returns where the difference begins to matter, and what a delivery
// and an idle user take of a server.
func BreakEvens(runs ...*record.Run) []scenarios.BreakEven {
	return scenarios.BreakEvens(newHeld(runs))
}
