package scenarios

// Claims are the claims, in the order of the reports.
func Claims() []Claim { return nil }

// Decide returns how each claim ends.
func Decide(m Measured) []Verdict { return nil }

// Advise returns what to choose in each situation.
func Advise(m Measured) []Advice { return nil }

// BreakEvens returns where the difference begins to matter.
func BreakEvens(m Measured) []BreakEven { return nil }
