package stats

// Verdict says whether two sides differ.
type Verdict string

// The verdicts.
const (
	TooFew       Verdict = "too few pairs"
	NotDifferent Verdict = "not different" // of what was seen: it may be too small to be found
	Different    Verdict = "different"
)

// The rule, fixed before anything is compared by it. A test alone calls the
// smallest shift a difference where there are pairs enough, and one in twenty
// that is none: the shift must also be larger than what is seen when a server
// is measured against itself. MinShift was fixed after 1600 such pairs; see
// results/2026-11-23-aa.
const (
	Alpha    = 0.05 // p of Wilcoxon's test must be below it
	MinShift = 0.03 // the estimate must be off one by this share of the smaller side
)

// Rule says when two sides are called different.
type Rule struct {
	Alpha    float64
	MinShift float64
	MinPairs int
}

// Fixed returns the rule by which all reports go.
func Fixed() Rule { return Rule{Alpha, MinShift, MinPairs} }

// Judge judges figures that vary from pair to pair. Both directions are alike:
// if a is different from b, b is from a.
func (rule Rule) Judge(r Ratio) Verdict {
	switch {
	case r.Pairs < rule.MinPairs:
		return TooFew
	case r.P < rule.Alpha && (r.Estimate >= 1+rule.MinShift || r.Estimate <= 1/(1+rule.MinShift)):
		return Different
	}
	return NotDifferent
}

// ByValue judges figures that do not vary: any difference is one.
func ByValue(r Ratio) Verdict {
	if r.Estimate == 1 {
		return NotDifferent
	}
	return Different
}
