package regress

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/internal/stats"
)

// The rule, fixed before anything was compared by it; see the package comment.
const (
	Alpha     = 0.05
	MinShift  = 0.05
	MinShare  = 0.05 // of shares: the difference, and not the ratio
	MostFinds = 0.20
	Confirms  = 2 // times the pairs of the first batch that the second has
	Extends   = 3 // times its pairs that the first batch may have, where it is too noisy
)

// rule is that of each of the two batches.
var rule = stats.Rule{Alpha: Alpha, MinShift: MinShift, MinPairs: stats.MinPairs}

// Kind says how a unit is judged.
type Kind string

// The kinds.
const (
	Paired  Kind = "paired"  // by screening and confirming
	Stored  Kind = "stored"  // likewise, against a sample that was measured before
	Shares  Kind = "shares"  // by screening and confirming, too, of differences
	Limited Kind = "limited" // by an absolute and a relative limit
	Exact   Kind = "exact"   // by value
)

// Unit is a figure that is judged.
type Unit struct {
	Name string
	Kind Kind

	// Deciding figures make the answer inconclusive where they are too noisy.
	Deciding bool

	// Among is the unit of the share that a figure is of: a time to come back is
	// that of the clients that did. Where both sides differ in it, the figure is
	// of different clients, and is not compared.
	Among string

	// Absolute and Relative are the limits of one that is limited: it differs
	// if it is beyond both.
	Absolute, Relative float64
}

// The limits of allocations, per delivery as they are recorded. What the runtime
// allocates by itself in a window of the echo was at most 0.13 objects per message,
// 0.6 % of what there was; in bytes it is more, because what grows in a window, a
// buffer or a stack, may be large: on a busy machine one of 22 kB was seen in a window
// of 160 messages.
//
// In a room they are not divided by its clients, so that they show what is allocated
// for each receiver and not what is for each message. On a busy machine messages meet
// in the server's queues, and half of the windows of results/2026-11-25-envelope have
// up to 4 objects more for each message to a hundred: by a limit of 0.2 for each of
// them, one check of such a server against itself in five would be a false alarm.
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
	{Name: "detect-sec", Kind: Paired, Deciding: true, Among: "noticed-ratio"},
	{Name: "recover-sec", Kind: Paired, Deciding: true, Among: "back-ratio"},
	{Name: "noticed-ratio", Kind: Shares},
	{Name: "back-ratio", Kind: Shares},
	{Name: "recovered-ratio", Kind: Shares, Among: "back-ratio"},
	{Name: "delivered-ratio", Kind: Shares},
	{Name: "near-ratio", Kind: Shares},
	{Name: "far-ratio", Kind: Shares},
	{Name: "caught-up-ratio", Kind: Shares},
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
	Inexact     Outcome = "not exact" // though it should be, on both sides or the base's: it says nothing

	// NowInexact is of a figure that does not vary in the base, and does in the
	// head, which had the base's value, too. It may be chance, or the change.
	NowInexact Outcome = "no longer exact"

	// Lowered is of a share that is lower in the head, and not called worse: by
	// MinShare or more, or where it is whole in the base. It may be chance, or the
	// change.
	Lowered Outcome = "lower, not confirmed"

	// Unrepeated is of one that fired, and of which the second batch could not
	// be measured.
	Unrepeated Outcome = "could not be confirmed"
)

// Batch is one batch of pairs and what it shows, or two samples that were
// measured apart. The ratio is head to base; shares, which may be 0, have a
// difference instead.
type Batch struct {
	Base []float64 `json:"base"` // of each pair, in order
	Head []float64 `json:"head"`

	Ratio float64 `json:"ratio,omitempty"` // Hodges–Lehmann
	Shift float64 `json:"shift,omitempty"` // of shares: the head's mean less the base's
	Low   float64 `json:"low,omitempty"`   // its interval; both 0 if there are too few pairs
	High  float64 `json:"high,omitempty"`  //
	P     float64 `json:"p"`               // Wilcoxon, two-sided
	Finds float64 `json:"finds"`           // the relative shift that is found and confirmed four times in five; 0 if there are too few pairs
	Fired bool    `json:"fired"`
}

// Finding is what is known of a figure.
type Finding struct {
	Place
	Kind    Kind    `json:"kind"`
	Outcome Outcome `json:"outcome"`

	Base float64 `json:"base"` // median, of shares the mean, of the batch that decides
	Head float64 `json:"head"`

	// The least and the most of an exact figure that varies all the same.
	BaseRange [2]float64 `json:"baseRange,omitzero"`
	HeadRange [2]float64 `json:"headRange,omitzero"`

	Screen  *Batch `json:"screen,omitempty"`
	Confirm *Batch `json:"confirm,omitempty"` // only if the first fired

	// What was measured of a figure that is judged by its value or by limits, and once
	// more of one that was beyond its limits.
	Values *Values `json:"values,omitempty"`
	Again  *Values `json:"again,omitempty"`
}

// Values are what both sides have in pairs, in order, with nothing tested.
type Values struct {
	Base []float64 `json:"base"`
	Head []float64 `json:"head"`
}

// measured returns what both sides have in the batch that decides.
func (f Finding) measured() (base, head []float64) {
	switch b := f.Decides(); {
	case b != nil:
		return b.Base, b.Head
	case f.Again != nil:
		return f.Again.Base, f.Again.Head
	case f.Values != nil:
		return f.Values.Base, f.Values.Head
	}
	return nil, nil
}

// Decides returns the batch that decides: the second, if there is one.
func (f Finding) Decides() *Batch {
	if f.Confirm != nil {
		return f.Confirm
	}
	return f.Screen
}

// Fired reports whether the screening fired, so that the figure has to be
// measured again. What is limited has then been beyond its limits in the median of
// the pairs: a machine that is busy enough can make it so.
func (f Finding) Fired() bool {
	return f.Screen != nil && f.Screen.Fired || f.Kind == Limited && f.Values != nil && f.Outcome != Same
}

// Power of what Finds returns.
const power = 0.80

// The quantiles of the normal distribution for a two-sided interval of 95 %,
// and for the power.
const (
	quantile95    = 1.959964
	quantilePower = 0.841621
)

// Finds returns the relative shift that the whole rule finds with a probability
// of 80 %, where the first batch is as noisy as the interval of its ratio says:
// the first must fire, and the second, whose standard error is smaller by the
// root of Confirms, must fire, too.
func Finds(r stats.Ratio) float64 { return finds(math.Log(r.High/r.Low) / 2) }

// finds is Finds of a first batch whose interval has that half width, on
// logarithms. It is where the product of both probabilities is the power.
func finds(half float64) float64 {
	low := math.Log1p(MinShift)
	if half <= 0 {
		return math.Expm1(low) // without noise it is what counts
	}
	second := half / math.Sqrt(Confirms)
	high := max(low, half) + 5*half // where both fire as good as always
	for range 60 {
		middle := (low + high) / 2
		if fires(middle, half)*fires(middle, second) < power {
			low = middle
		} else {
			high = middle
		}
	}
	return math.Expm1(high)
}

// fires is the probability that a batch fires at a shift: that the estimate is as
// far from none as half the interval is wide, and as MinShift. All of these are on
// logarithms, on which the estimate is taken to be normal.
func fires(shift, half float64) float64 {
	least := max(math.Log1p(MinShift), half)
	return math.Erfc((least-shift)*quantile95/half/math.Sqrt2) / 2
}

// batch judges what was measured, in pairs or apart, so many times as much as
// for a first batch.
func (u Unit) batch(base, head []float64, times float64) (*Batch, error) {
	switch u.Kind {
	case Stored:
		return unpaired(base, head)
	case Shares:
		return shares(base, head)
	}
	return batch(base, head, times)
}

// batch judges pairs.
func batch(base, head []float64, times float64) (*Batch, error) {
	r, err := stats.Compare(head, base)
	if err != nil {
		return nil, err
	}
	b := &Batch{Base: base, Head: head, Ratio: r.Estimate, P: r.P}
	if r.Confidence > 0 {
		// A first batch on such a machine is as much wider as it is smaller.
		b.Low, b.High, b.Finds = r.Low, r.High, finds(math.Sqrt(times)*math.Log(r.High/r.Low)/2)
		b.Fired = rule.Judge(r) == stats.Different
	}
	return b, nil
}

// shares judges pairs of shares. Most of them are the same on both sides, so that
// an estimate as the ratios have would be none until half of the pairs differ: it
// is the mean, which is the share of a whole batch.
func shares(base, head []float64) (*Batch, error) {
	differences := make([]float64, len(base))
	for i := range base {
		for _, v := range []float64{base[i], head[i]} {
			if !(v >= 0 && v <= 1) {
				return nil, fmt.Errorf("pair %d: %v is no share", i+1, v)
			}
		}
		differences[i] = head[i] - base[i]
	}
	b := &Batch{Base: base, Head: head, Shift: mean(head) - mean(base), P: stats.Wilcoxon(differences).P}
	b.Fired = b.P < Alpha && math.Abs(b.Shift) >= MinShare
	return b, nil
}

// lowered reports whether shares are lower in the head, so that it is not to be
// passed over though it is not sure.
func (b *Batch) lowered() bool {
	return b.Shift <= -MinShare || slices.Min(b.Base) == 1 && slices.Min(b.Head) < 1
}

// mean is that of figures, of which there is one at least.
func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// typical is the one figure that stands for many.
func (u Unit) typical(values []float64) float64 {
	if u.Kind == Shares && len(values) > 0 {
		return mean(values)
	}
	return record.Median(values)
}

// worse reports whether the head of a batch that fired is off to the worse.
func (u Unit) worse(b *Batch) bool {
	above := b.Ratio > 1
	if u.Kind == Shares {
		above = b.Shift > 0
	}
	return above != (record.UnitOf(u.Name).Better == record.Higher)
}

// Judge judges a figure by a first batch of pairs. A unit that is not judged, and
// figures that cannot be compared, are an error.
func Judge(p Place, base, head []float64) (Finding, error) {
	unit, ok := UnitOf(p.Unit)
	f := Finding{Place: p, Base: unit.typical(base), Head: unit.typical(head)}
	if !ok {
		return f, fmt.Errorf("%v: this unit is not judged", p)
	}
	if len(base) == 0 || len(base) != len(head) && unit.Kind != Stored {
		return f, fmt.Errorf("%v: %d figures of the base and %d of the head are no pairs", p, len(base), len(head))
	}
	f.Kind = unit.Kind
	if (f.Kind == Exact || f.Kind == Limited) && len(base) >= stats.MinPairs {
		f.Values = &Values{base, head}
	}
	switch unit.Kind {
	case Exact:
		f.Outcome = byValue(p.Unit, base, head)
		if varies(base) || varies(head) {
			f.BaseRange = [2]float64{slices.Min(base), slices.Max(base)}
			f.HeadRange = [2]float64{slices.Min(head), slices.Max(head)}
		}
		return f, nil
	case Limited:
		f.Outcome = unit.within(f.Base, f.Head)
		return f, nil
	case Shares:
		if slices.Equal(base, head) {
			f.Outcome = Same
			return f, nil
		}
	}
	var err error
	if f.Screen, err = unit.batch(base, head, 1); err != nil {
		return f, fmt.Errorf("%v: %w", p, err)
	}
	switch {
	case unit.Kind == Shares && f.Screen.lowered():
		f.Outcome = Lowered
	case unit.Kind == Shares && len(base) >= stats.MinPairs:
		f.Outcome = Same
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

// TooNoisy reports whether pairs are too few, or too far apart, for a shift of
// MostFinds to be found. Which side is ahead has no part in it.
func TooNoisy(u Unit, base, head []float64) bool {
	b, err := u.batch(base, head, 1)
	return err == nil && u.Kind != Shares && b.noisy()
}

// noisy reports whether a shift of MostFinds would not have been found.
func (b *Batch) noisy() bool { return b.Finds == 0 || b.Finds > MostFinds }

// Confirmed judges a figure that fired by a fresh batch, too.
func (f *Finding) Confirmed(base, head []float64) error {
	unit, _ := UnitOf(f.Unit)
	if f.Kind == Limited {
		f.Again = &Values{base, head}
		f.Base, f.Head = unit.typical(base), unit.typical(head)
		if unit.within(f.Base, f.Head) != f.Outcome {
			f.Outcome = Unconfirmed
		}
		return nil
	}
	b, err := unit.batch(base, head, Confirms)
	if err != nil {
		return fmt.Errorf("%v: %w", f.Place, err)
	}
	f.Confirm = b
	f.Base, f.Head = unit.typical(base), unit.typical(head)
	same := unit.worse(b) == unit.worse(f.Screen)
	switch {
	case b.Fired && same && unit.worse(b):
		f.Outcome = Worse
	case b.Fired && same:
		f.Outcome = Better
	case unit.Kind == Shares && b.lowered():
		f.Outcome = Lowered
	case unit.Kind == Shares:
		f.Outcome = Unconfirmed
	case b.noisy():
		f.Outcome = Noisy
	default:
		f.Outcome = Unconfirmed
	}
	return nil
}

// Unmeasured tells a figure that fired that there is no second batch.
func (f *Finding) Unmeasured() { f.Outcome = Unrepeated }

// varies reports whether figures are not all the same.
func varies(values []float64) bool {
	return slices.ContainsFunc(values, func(v float64) bool { return v != values[0] })
}

// byValue judges figures that should not vary. Where they do, and no value of
// one side is among the other's, that is a difference nevertheless.
func byValue(unit string, base, head []float64) Outcome {
	above, below := slices.Min(head) > slices.Max(base), slices.Max(head) < slices.Min(base)
	switch {
	case above || below:
		if (record.UnitOf(unit).Better == record.Higher) == below {
			return Worse
		}
		return Better
	case varies(base):
		return Inexact
	case varies(head):
		return NowInexact
	}
	return Same
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
	for _, f := range findings {
		if f.Outcome == Worse {
			return Regression
		}
	}
	if len(doubtful(findings)) > 0 {
		return Inconclusive
	}
	return NoRegression
}

// doubtful says what of findings makes an answer inconclusive that would be no
// regression, in words.
func doubtful(findings []Finding) []string {
	var why []string
	if text := noise(findings); text != "" {
		why = append(why, text)
	}
	for _, o := range []struct {
		outcome Outcome
		text    string
	}{
		{Unrepeated, "fired once and could not be measured again: %s"},
		{NowInexact, "the same in every pair of the base, and not in the head: %s"},
		{Lowered, "lower in the head, and not in enough pairs to be called worse: %s"},
	} {
		var names []string
		for _, f := range findings {
			if f.Outcome == o.outcome {
				names = append(names, f.name())
			}
		}
		if len(names) > 0 {
			why = append(why, fmt.Sprintf(o.text, strings.Join(names, "; ")))
		}
	}
	return why
}

// weighty are the findings in pairs whose noise counts: those of units that
// decide, or all if there are none of these.
func weighty(findings []Finding) (list []Finding, decide bool) {
	for _, f := range findings {
		u, _ := UnitOf(f.Unit)
		if u.Kind != Paired && u.Kind != Stored {
			continue
		}
		if u.Deciding && !decide {
			list, decide = nil, true
		}
		if u.Deciding == decide {
			list = append(list, f)
		}
	}
	return list, decide
}

// noise says that figures would not have shown what they should: one of those
// that decide, or all where none does. It is "" otherwise.
func noise(findings []Finding) string {
	list, decide := weighty(findings)
	var silent []Finding
	for _, f := range list {
		if f.Outcome == Noisy || f.Outcome == TooFew {
			silent = append(silent, f)
		}
	}
	if len(silent) == 0 || !decide && len(silent) < len(list) {
		return ""
	}
	what, are, have := fmt.Sprintf("%d deciding figures", len(silent)), "are", "have"
	switch {
	case !decide:
		what = fmt.Sprintf("no deciding figure was measured, and the others in pairs (%d)", len(silent))
	case len(silent) == 1:
		what, are, have = "a deciding figure", "is", "has"
	}
	worst := slices.MaxFunc(silent, func(a, b Finding) int { return cmp.Compare(a.finds(), b.finds()) })
	if worst.finds() == 0 {
		return what + " " + have + " too few pairs to say anything"
	}
	return fmt.Sprintf("%s %s too noisy on this machine: %s would have shown a shift of %.0f %%, and %.0f %% or less is asked for; take more pairs or a quieter machine",
		what, are, worst.name(), 100*worst.finds(), 100*MostFinds)
}

// finds is what would have been found of the figure; 0 if nothing would.
func (f Finding) finds() float64 {
	if b := f.Decides(); b != nil {
		return b.Finds
	}
	return 0
}
