package report

import (
	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// Measured returns what runs hold, for who wants single figures as the tables
// show them. Of several runs that have measured the same, the first one counts.
func Measured(runs ...*record.Run) scenarios.Measured { return newHeld(runs) }
