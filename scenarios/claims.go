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

	// Run is which of the runs that were asked it stands in, from 0.
	Run int
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
	Rule      string // in words, with its thresholds
	Reason    string // with the figures, or what is missing in the run
	Evidence  []Evidence
	Doubts    []string // of the cells that decided
}

// BreakEven is a figure of capacity with both sides, on one runtime.
type BreakEven struct {
	Runtime  string // "Go", "Node"
	What     string // "memory of an idle user"
	Plain    string // the figure of a plain WebSocket; "" where it is one of the difference
	SocketIO string // that of Socket.IO, or of the difference
	Reason   string // how it was worked out, or what is missing in the run
	Evidence []Evidence
	Doubts   []string // of the cells that it is of
}

// Place is where a figure stands in a run.
type Place struct {
	Scenario, Case string // Case.Name
	Stack          string
	Unit           string // or the key of a label
}

// Figure is what was measured at a Place.
type Figure struct {
	Place
	Full   string  // the case, as Case.String
	Run    int     // see Evidence
	N      int     // how many values it is of
	Median float64 // of the rounds
	Min    float64 // of all that was measured, and so is Max
	Max    float64
	Text   string  // the median as the tables show it, or the label
	Range  string  // of the rounds, as the tables show it; the median if that is all there is
	Doubts []Doubt // of its cells, those that touch such a figure
}

// Doubt is a reason to trust a figure less, and in which of its rounds.
type Doubt struct{ Text, When string }

// Ratio is how many times the figure of one stack is that of another, in pairs
// inside rounds.
type Ratio struct {
	Over, Under Figure
	Estimate    float64
	Low, High   float64 // its interval; the range of the pairs if they are too few for one
	Enough      bool    // there are pairs enough to judge by
	Differs     bool    // by the rule of the report; false if they are too few
	Text        string  // "2.4x (2.1-2.8x)"
}

// Difference is the figure of one stack less that of another, in pairs inside
// rounds.
type Difference struct {
	Over, Under         Figure
	Estimate, Low, High float64
	Enough              bool
}

// DiffersBetween begins the text of a label that is not the same in all rounds.
const DiffersBetween = "differs between rounds ("

// Measured is what the rules read: what one run holds, or several.
type Measured interface {
	// Figure returns what a unit was on a stack.
	Figure(Place) (Figure, bool)

	// Both returns what a unit was on two stacks, in one case of one run.
	Both(p Place, other string) (a, b Figure, ok bool)

	// All returns what a unit was on a stack in each case of that name in each run.
	All(Place) []Figure

	// Label returns what a cell is labelled with under a key. Where the rounds do
	// not agree the text begins with DiffersBetween.
	Label(Place) (Figure, bool)

	// Ratio returns how a stack compares with another, in the unit and case of
	// the place.
	Ratio(p Place, under string) (Ratio, bool)

	// Difference returns the same as a difference.
	Difference(p Place, under string) (Difference, bool)

	// Cases returns the names of the cases of a scenario that were measured.
	Cases(scenario string) []string

	// Labels returns the keys of what a stack is labelled with in a case.
	Labels(scenario, name, stack string) []string

	// Why says why there is nothing at a place: "sio failed in fan-out".
	Why(Place) string
}
