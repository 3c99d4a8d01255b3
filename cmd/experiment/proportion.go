package main

import (
	"fmt"
	"math"
)

// proportion is how many of so many there were.
type proportion struct{ k, n int }

func (p proportion) share() float64 { return float64(p.k) / float64(p.n) }

// String returns "3 of 200".
func (p proportion) String() string { return fmt.Sprintf("%d of %d", p.k, p.n) }

// interval is the exact one of Clopper and Pearson (Biometrika 26, 1934) at
// 95 %: the shares of which neither so many nor so few are a surprise. Of
// nothing it is everything.
func (p proportion) interval() (low, high float64) {
	const tail = 0.025
	low, high = 0, 1
	if p.k > 0 {
		// Where k or more become likely enough.
		low = solve(func(share float64) bool { return 1-atMost(p.k-1, p.n, share) >= tail })
	}
	if p.k < p.n {
		// Where k or fewer become too unlikely.
		high = solve(func(share float64) bool { return atMost(p.k, p.n, share) < tail })
	}
	return low, high
}

// shareText is a share with its interval.
func shareText(p proportion) string {
	if p.n == 0 {
		return "-"
	}
	low, high := p.interval()
	return fmt.Sprintf("%s (%v; 95 %% interval %s)", percent(p.share()), p, percents(low, high))
}

// solve returns the share from which on a condition is true.
func solve(is func(share float64) bool) float64 {
	low, high := 0.0, 1.0
	for range 60 {
		if middle := (low + high) / 2; is(middle) {
			high = middle
		} else {
			low = middle
		}
	}
	return high
}

// atMost is the probability of at most k of n, each with the probability p.
func atMost(k, n int, p float64) float64 {
	switch {
	case k >= n || p <= 0:
		return 1
	case p >= 1:
		return 0
	}
	sum := 0.0
	for i := 0; i <= k; i++ {
		sum += math.Exp(logChoose(n, i) + float64(i)*math.Log(p) + float64(n-i)*math.Log1p(-p))
	}
	return min(1, sum)
}

// logChoose is the logarithm of the binomial coefficient.
func logChoose(n, k int) float64 {
	lgamma := func(x int) float64 {
		v, _ := math.Lgamma(float64(x) + 1)
		return v
	}
	return lgamma(n) - lgamma(k) - lgamma(n-k)
}
