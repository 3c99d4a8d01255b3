package scenarios

// Answer is how a claim ends.
type Answer string

// The answers.
const (
	Holds       Answer = "holds"
	HoldsInPart Answer = "holds in part"
	DoesNotHold Answer = "does not hold"
	NotMeasured Answer = "not measured"
)

// Claim is a sentence of the article that started this, and the rule that
// decides on it.
type Claim struct {
	ID   string // "overhead"
	Text string // as the article has it
	Rule string // in words, with its thresholds
}

// Evidence is what was measured and which cell of the run it stands in.
type Evidence struct {
	Text     string // "2.4x the server CPU per delivery (2.1-2.8x)"
	Scenario string
	Case     string // as Case.String
	Stack    string
	Unit     string // of the figure, or the label's key where it is an outcome
}

// Verdict is what a run says of a claim.
type Verdict struct {
	Claim    Claim
	Answer   Answer
	Reason   string // one sentence, with the figures that decided
	Whose    string // what of it is go-socket.io's and what is Socket.IO's
	Evidence []Evidence
	Doubts   []string // of the cells that decided
}

// Advice is what to choose in a situation, and why.
type Advice struct {
	Situation string // "browser clients behind unknown proxies"
	Choice    string // what to choose; "" if the run does not say
	Reason    string // with the figures, or what is missing in the run
	Evidence  []Evidence
}
