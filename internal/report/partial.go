package report

import (
	"strings"

	"wsvsio/internal/record"
)

// partial says why not everything was measured, and of which of the planned
// cases there is nothing; "" if the run is whole.
func partial(run *record.Run) string {
	if !run.Partial {
		return ""
	}
	why := strings.TrimRight(clean(run.Why), ".")
	if why == "" {
		why = "no reason was recorded"
	}
	var missing []string
	for _, p := range run.Missing() {
		missing = append(missing, title(record.Group{Scenario: p.Scenario, Case: p.Case}))
	}
	if len(missing) > 0 {
		why += ". Nothing is recorded of " + strings.Join(missing, "; of ")
	}
	return why
}
