package codesize

// Behaviour is what one gets for the code of a scenario, next to how much of it
// there is. What stands in it comes from what tests and recorded runs say.
type Behaviour struct {
	Scenario string   `json:"scenario"`
	Columns  []string `json:"columns"`
	Rows     []Gained `json:"rows"`
	Notes    []string `json:"notes,omitempty"` // what the figures are and where they come from
}

// Gained is what one stack gives.
type Gained struct {
	Stack string   `json:"stack"`
	Cells []string `json:"cells"` // by Columns; "" if it was not measured
}
