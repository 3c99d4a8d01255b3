package main

import (
	"math"
	"testing"
)

// TestPublished compares intervals with published ones: the examples of
// Newcombe, Two-sided confidence intervals for the single proportion, Statistics
// in Medicine 17 (1998), table I, method 5, and the table of Pearson and
// Hartley, Biometrika Tables for Statisticians, table 41, as reprinted in
// textbooks.
func TestPublished(t *testing.T) {
	for _, tt := range []struct {
		k, n      int
		low, high float64
	}{
		{81, 263, 0.2527, 0.3676},
		{15, 148, 0.0578, 0.1617},
		{0, 20, 0.0000, 0.1684},
		{1, 29, 0.0009, 0.1776},
		{0, 10, 0.0000, 0.3085},
		{1, 10, 0.0025, 0.4450},
		{5, 10, 0.1871, 0.8129},
		{10, 10, 0.6915, 1.0000},
		{1, 20, 0.0013, 0.2487},
		{5, 100, 0.0164, 0.1128},
	} {
		low, high := proportion{tt.k, tt.n}.interval()
		if math.Abs(low-tt.low) > 5e-5 || math.Abs(high-tt.high) > 5e-5 {
			t.Errorf("%d of %d: %.5f to %.5f, published are %.4f to %.4f", tt.k, tt.n, low, high, tt.low, tt.high)
		}
	}
}

// TestClosedForm is none or all of n, where the interval has a closed form.
func TestClosedForm(t *testing.T) {
	for _, n := range []int{1, 2, 7, 50, 200, 1000, 10_000} {
		edge := math.Pow(0.025, 1/float64(n))
		low, high := proportion{0, n}.interval()
		if low != 0 || math.Abs(high-(1-edge)) > 1e-9 {
			t.Errorf("0 of %d: %v to %v, want 0 to %v", n, low, high, 1-edge)
		}
		low, high = proportion{n, n}.interval()
		if math.Abs(low-edge) > 1e-9 || high != 1 {
			t.Errorf("%d of %d: %v to %v, want %v to 1", n, n, low, high, edge)
		}
	}
	if low, high := (proportion{}).interval(); low != 0 || high != 1 {
		t.Errorf("of nothing: %v to %v", low, high)
	}
}

// TestTails has both ends of an interval leave 2.5 % of the distribution: that
// is what they are defined by. The sums are made another way here.
func TestTails(t *testing.T) {
	for _, p := range []proportion{{3, 200}, {10, 200}, {40, 50}, {7, 12}} {
		low, high := p.interval()
		if !(low < p.share() && p.share() < high) {
			t.Errorf("%v: the share is not in %v to %v", p, low, high)
		}
		above, below := 0.0, 0.0
		for i, q := range binomial(p.n, low) {
			if i >= p.k {
				above += q
			}
		}
		for i, q := range binomial(p.n, high) {
			if i <= p.k {
				below += q
			}
		}
		if math.Abs(above-.025) > 1e-9 || math.Abs(below-.025) > 1e-9 {
			t.Errorf("%v: %v to %v leaves %v and %v", p, low, high, above, below)
		}
	}
}

// binomial is the distribution of n tries, one after the other.
func binomial(n int, p float64) []float64 {
	d := make([]float64, n+1)
	d[0] = 1
	for try := 1; try <= n; try++ {
		for i := try; i > 0; i-- {
			d[i] = d[i]*(1-p) + d[i-1]*p
		}
		d[0] *= 1 - p
	}
	return d
}
