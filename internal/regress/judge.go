package regress

import (
	"fmt"
	"math"
	"slices"

	"wsvsio/internal/record"
	"wsvsio/internal/stats"
)

// The rule, fixed before anything was compared by it; see the package comment.
const (
	Alpha     = 0.05
	MinShift  = 0.05
	MostFinds = 0.20
)

// rule is that of each of the two batches.
var rule = stats.Rule{Alpha: Alpha, MinShift: MinShift, MinPairs: stats.MinPairs}

// Kind says how a unit is judged.
type Kind string

// The kinds.
const (
	Paired  Kind = "paired"  // by screening and confirming
	Stored  Kind = "stored"  // likewise, against a sample that was measured before
	Limited Kind = "limited" // by an absolute and a relative limit
	Exact   Kind = "exact"   // by value
)

// Unit is a figure that is judged.
type Unit struct {
	Name string
	Kind Kind

	// Deciding figures make the answer inconclusive where they are too noisy.
	Deciding bool

	// Absolute and Relative are the limits of one that is limited: it differs
	// if it is beyond both.
	Absolute, Relative float64
}

// The limits of allocations per message. What the runtime allocates by itself
// in a window was at most 0.13 objects per message, 0.6 % of what there was; in
// bytes it is more, because what grows in a window, a buffer or a stack, may be
// large: on a busy machine one of 22 kB was seen in a window of 160 messages.
const (
	absoluteAllocs = 0.2  // objects
	absoluteBytes  = 256  // bytes
	relativeAllocs = 0.01 // of either
)

// Units are the figures that are judged; the others are too noisy, or follow
// from these.
var Units = []Unit{
	{Name: "server-cpu-sec/msg", Kind: Paired, Deciding: true},
	{Name: "deliveries/s", Kind: Paired},
	{Name: "p50-sec/msg", Kind: Paired},
	{Name: "connect-sec", Kind: Paired},
	{Name: "server-B/conn", Kind: Paired},
	{Name: "detect-sec", Kind: Paired, Deciding: true},
	{Name: "recover-sec", Kind: Paired, Deciding: true},
	{Name: "server-allocs/msg", Kind: Limited, Absolute: absoluteAllocs, Relative: relativeAllocs},
	{Name: "server-alloc-B/msg", Kind: Limited, Absolute: absoluteBytes, Relative: relativeAllocs},
	{Name: "wire-up-B/msg", Kind: Exact},
	{Name: "wire-down-B/msg", Kind: Exact},
	{Name: "wire-reqs/msg", Kind: Exact},
	{Name: "connect-B", Kind: Exact},
	{Name: "connect-reqs", Kind: Exact},
	{Name: "connect-conns", Kind: Exact},
	{Name: CPURatio, Kind: Stored, Deciding: true},
	{Name: P50Ratio, Kind: Stored},
}

// UnitOf returns how a unit is judged, and whether it is.
func UnitOf(name string) (Unit, bool) {
	i := slices.IndexFunc(Units, func(u Unit) bool { return u.Name == name })
	if i < 0 && record.UnitOf(name).Exact {
		return Unit{Name: name, Kind: Exact}, true // what the code counts
	}
	if i < 0 {
		return Unit{}, false
	}
	return Units[i], true
}

// Place names what is judged: a unit of a case on a stack.
type Place struct {
	Series string `json:"series"` // "Broadcast/case=steady/clients=100"
	Stack  string `json:"stack"`
	Unit   string `json:"unit"`
}

// String returns the place as a benchmark is named.
func (p Place) String() string { return fmt.Sprintf("%s/stack=%s %s", p.Series, p.Stack, p.Unit) }

// Outcome says what became of a figure.
type Outcome string

// The outcomes.
const (
	Same        Outcome = "no difference" // that would have been found
	Worse       Outcome = "worse"
	Better      Outcome = "better"
	Unconfirmed Outcome = "not confirmed" // it fired once, and not again
	Noisy       Outcome = "too noisy"     // for what it would have to find
	TooFew      Outcome = "too few pairs"
	Inexact     Outcome = "not exact" // though it should be: it says nothing
)

// Batch is one batch of pairs and what it shows, or two samples that were
// measured apart. The ratio is head to base.
type Batch struct {
	Base []float64 `json:"base"` // of each pair, in order
	Head []float64 `json:"head"`

	Ratio float64 `json:"ratio"`          // Hodges–Lehmann
	Low   float64 `json:"low,omitempty"`  // its interval; both 0 if there are too few pairs
	High  float64 `json:"high,omitempty"` //
	P     float64 `json:"p"`              // Wilcoxon, two-sided
	Finds float64 `json:"finds"`          // the relative shift that it finds four times in five; 0 if there are too few pairs
	Fired bool    `json:"fired"`
}

// Finding is what is known of a figure.
type Finding struct {
	Place
	Kind    Kind    `json:"kind"`
	Outcome Outcome `json:"outcome"`

	Base float64 `json:"base"` // median, of the batch that decides
	Head float64 `json:"head"`

	Screen  *Batch `json:"screen,omitempty"`
	Confirm *Batch `json:"confirm,omitempty"` // only if the first fired
}

// Decides returns the batch that decides: the second, if there is one.
func (f Finding) Decides() *Batch {
	if f.Confirm != nil {
		return f.Confirm
	}
	return f.Screen
}

// Fired reports whether the screening fired, so that the figure has to be
// measured again.
func (f Finding) Fired() bool { return f.Screen != nil && f.Screen.Fired }

// Power of what Finds returns.
const power = 0.80

// The quantiles of the normal distribution for a two-sided interval of 95 %,
// and for the power.
const (
	quantile95    = 1.959964
	quantilePower = 0.841621
)

// Finds returns the relative shift that a batch of such noise finds with a
// probability of 80 %, by the interval of its ratio: the estimate must be as
// far from one as half the interval is wide, and as MinShift, and a bit more, so
// as not to miss it by bad luck.
func Finds(r stats.Ratio) float64 {
	half := math.Log(r.High/r.Low) / 2
	return math.Expm1(max(math.Log1p(MinShift), half) + half*quantilePower/quantile95)
}

// batch judges what was measured, in pairs or apart.
func (u Unit) batch(base, head []float64) (*Batch, error) {
	if u.Kind == Stored {
		return unpaired(base, head)
	}
	return batch(base, head)
}

// batch judges pairs.
func batch(base, head []float64) (*Batch, error) {
	r, err := stats.Compare(head, base)
	if err != nil {
		return nil, err
	}
	b := &Batch{Base: base, Head: head, Ratio: r.Estimate, P: r.P}
	if r.Confidence > 0 {
		b.Low, b.High, b.Finds = r.Low, r.High, Finds(r)
		b.Fired = rule.Judge(r) == stats.Different
	}
	return b, nil
}

// worse reports whether a ratio above one, or one below it, is to the worse.
func worse(unit string, ratio float64) bool {
	if record.UnitOf(unit).Better == record.Higher {
		return ratio < 1
	}
	return ratio > 1
}

// Judge judges a figure by a first batch of pairs. A unit that is not judged, and
// figures that cannot be compared, are an error.
func Judge(p Place, base, head []float64) (Finding, error) {
	f := Finding{Place: p, Base: record.Median(base), Head: record.Median(head)}
	unit, ok := UnitOf(p.Unit)
	if !ok {
		return f, fmt.Errorf("%v: this unit is not judged", p)
	}
	if len(base) == 0 || len(base) != len(head) && unit.Kind != Stored {
		return f, fmt.Errorf("%v: %d figures of the base and %d of the head are no pairs", p, len(base), len(head))
	}
	f.Kind = unit.Kind
	switch unit.Kind {
	case Exact:
		f.Outcome = byValue(p.Unit, base, head)
		return f, nil
	case Limited:
		f.Outcome = unit.within(f.Base, f.Head)
		return f, nil
	}
	var err error
	if f.Screen, err = unit.batch(base, head); err != nil {
		return f, fmt.Errorf("%v: %w", p, err)
	}
	switch {
	case f.Screen.Finds == 0:
		f.Outcome = TooFew
	case f.Screen.Finds > MostFinds:
		f.Outcome = Noisy
	default:
		f.Outcome = Same
	}
	if f.Screen.Fired {
		f.Outcome = Unconfirmed
	}
	return f, nil
}

// Confirmed judges a figure that fired by a fresh batch, too.
func (f *Finding) Confirmed(base, head []float64) error {
	unit, _ := UnitOf(f.Unit)
	b, err := unit.batch(base, head)
	if err != nil {
		return fmt.Errorf("%v: %w", f.Place, err)
	}
	f.Confirm = b
	f.Base, f.Head = record.Median(base), record.Median(head)
	same := worse(f.Unit, b.Ratio) == worse(f.Unit, f.Screen.Ratio)
	switch {
	case b.Fired && same && worse(f.Unit, b.Ratio):
		f.Outcome = Worse
	case b.Fired && same:
		f.Outcome = Better
	case b.Finds == 0 || b.Finds > MostFinds:
		f.Outcome = Noisy
	default:
		f.Outcome = Unconfirmed
	}
	return nil
}

// byValue judges figures that should not vary.
func byValue(unit string, base, head []float64) Outcome {
	varies := func(values []float64) bool {
		return slices.ContainsFunc(values, func(v float64) bool { return v != values[0] })
	}
	switch {
	case varies(base) || varies(head):
		return Inexact
	case base[0] == head[0]:
		return Same
	case (record.UnitOf(unit).Better == record.Higher) == (head[0] < base[0]):
		return Worse
	}
	return Better
}

// within judges figures that may differ by so much.
func (u Unit) within(base, head float64) Outcome {
	apart := math.Abs(head - base)
	switch {
	case apart <= u.Absolute || apart <= u.Relative*base:
		return Same
	case (record.UnitOf(u.Name).Better == record.Higher) == (head < base):
		return Worse
	}
	return Better
}

// Answer is what a check says in the end.
type Answer string

// The answers.
const (
	NoRegression Answer = "no regression"
	Regression   Answer = "regression"
	Inconclusive Answer = "inconclusive"
)

// AnswerOf returns the answer that findings give. What is worse counts however
// noisy the rest is.
func AnswerOf(findings []Finding) Answer {
	answer := NoRegression
	for _, f := range findings {
		unit, _ := UnitOf(f.Unit)
		switch {
		case f.Outcome == Worse:
			return Regression
		case unit.Deciding && (f.Outcome == Noisy || f.Outcome == TooFew):
			answer = Inconclusive
		}
	}
	return answer
}
