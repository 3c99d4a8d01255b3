// Package stats compares two sides that were measured in pairs.
//
// A round measures both sides back to back, so what the machine did at that
// time is in both figures and leaves their ratio. The test is Wilcoxon's
// signed-rank test, the estimate that of Hodges and Lehmann, both on the
// logarithms of the ratios; see Hollander, Wolfe and Chicken, Nonparametric
// Statistical Methods, chapter 3.
package stats

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Confidence of the intervals, at least.
const Confidence = 0.95

// MinPairs is the smallest number of pairs for which an interval of that
// confidence exists: with five the smallest two-sided p is 1/16.
const MinPairs = 6

// SignedRank is the result of Wilcoxon's signed-rank test.
type SignedRank struct {
	N int     // differences that are not zero
	W float64 // sum of the ranks of the positive ones
	P float64 // two-sided, exact given the ties
}

// Wilcoxon tests whether differences are symmetric about zero. Zeros are left
// out, equal magnitudes share their mean rank.
func Wilcoxon(differences []float64) SignedRank {
	d := make([]float64, 0, len(differences))
	for _, x := range differences {
		if x != 0 {
			d = append(d, x)
		}
	}
	slices.SortFunc(d, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	// Twice the ranks are integers even where ranks are shared.
	double := make([]int, len(d))
	for i := 0; i < len(d); {
		j := i
		for j < len(d) && math.Abs(d[j]) == math.Abs(d[i]) {
			j++
		}
		for k := i; k < j; k++ {
			double[k] = i + 1 + j
		}
		i = j
	}
	w, total := 0, 0
	for i, x := range d {
		total += double[i]
		if x > 0 {
			w += double[i]
		}
	}
	r := SignedRank{N: len(d), W: float64(w) / 2, P: 1}
	if len(d) == 0 {
		return r
	}
	// The distribution is symmetric: the smaller tail counts twice.
	below := distribution(double)
	tail := 0.0
	for s := 0; s <= min(w, total-w); s++ {
		tail += below[s]
	}
	r.P = min(1, 2*tail)
	return r
}

// distribution returns the probability of each sum of a random subset of the
// ranks, each in it with probability one half.
func distribution(ranks []int) []float64 {
	total := 0
	for _, r := range ranks {
		total += r
	}
	p := make([]float64, total+1)
	p[0] = 1
	reached := 0
	for _, r := range ranks {
		reached += r
		for s := reached; s >= 0; s-- {
			with := 0.0
			if s >= r {
				with = p[s-r]
			}
			p[s] = (p[s] + with) / 2
		}
	}
	return p
}

// Shift is an estimate with its interval.
type Shift struct {
	Estimate, Low, High float64
	Confidence          float64 // of the interval; 0 if there are too few for one
}

// HodgesLehmann estimates the centre of differences: the median of the means of
// all pairs of them, each with itself included. The interval is the one that
// belongs to Wilcoxon's test, of the smallest confidence that is at least
// Confidence. With fewer than MinPairs it is infinite. NaN goes in, NaN comes out.
func HodgesLehmann(differences []float64) Shift {
	n := len(differences)
	if n == 0 {
		return Shift{math.NaN(), math.Inf(-1), math.Inf(1), 0}
	}
	means := make([]float64, 0, n*(n+1)/2)
	for i, a := range differences {
		for _, b := range differences[i:] {
			means = append(means, (a+b)/2)
		}
	}
	slices.Sort(means)
	s := Shift{Estimate: median(means), Low: math.Inf(-1), High: math.Inf(1)}
	ranks := make([]int, n)
	for i := range ranks {
		ranks[i] = i + 1
	}
	// k means are cut off at each end: as many as leave the confidence.
	tail, k := 0.0, 0
	for _, p := range distribution(ranks) {
		if 2*(tail+p) > 1-Confidence {
			break
		}
		tail += p
		k++
	}
	if k > 0 {
		s.Low, s.High = means[k-1], means[len(means)-k]
		s.Confidence = 1 - 2*tail
	}
	return s
}

// median of a sorted slice that is not empty.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// Ratio compares two sides: how many times the one is the other.
type Ratio struct {
	Pairs      int
	Min, Max   float64 // of the single ratios
	Estimate   float64 // Hodges–Lehmann, of the ratios
	Low, High  float64 // its interval; 0 and +Inf if there are too few pairs
	Confidence float64 // of the interval, 0 if there is none
	P          float64 // Wilcoxon, two-sided
	Constant   bool    // neither side varies from pair to pair
}

// Compare takes the ratios a[i]/b[i] of paired figures, which must be positive
// and finite, and at least one pair.
func Compare(a, b []float64) (Ratio, error) {
	if len(a) != len(b) {
		return Ratio{}, fmt.Errorf("%d figures on one side, %d on the other: they are no pairs", len(a), len(b))
	}
	if len(a) == 0 {
		return Ratio{}, errors.New("no pairs")
	}
	logs := make([]float64, len(a))
	for i := range a {
		if !(a[i] > 0 && b[i] > 0) || math.IsInf(a[i], 0) || math.IsInf(b[i], 0) {
			return Ratio{}, fmt.Errorf("pair %d: the ratio of %v to %v is not a positive number", i+1, a[i], b[i])
		}
		logs[i] = math.Log(a[i] / b[i])
	}
	s, w := HodgesLehmann(logs), Wilcoxon(logs)
	return Ratio{
		Pairs:      len(a),
		Min:        math.Exp(slices.Min(logs)),
		Max:        math.Exp(slices.Max(logs)),
		Estimate:   math.Exp(s.Estimate),
		Low:        math.Exp(s.Low),
		High:       math.Exp(s.High),
		Confidence: s.Confidence,
		P:          w.P,
		Constant:   constant(a) && constant(b),
	}, nil
}

// constant reports whether all figures are the same.
func constant(figures []float64) bool {
	return !slices.ContainsFunc(figures, func(x float64) bool { return x != figures[0] })
}
