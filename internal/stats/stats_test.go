package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// critical are the largest sums of ranks that are significant, two-sided:
// McCornack, Extended tables of the Wilcoxon matched pair signed rank
// statistic, JASA 60 (1965), as reprinted in textbooks.
var critical = []struct{ n, at05, at01 int }{
	{6, 0, -1}, {7, 2, -1}, {8, 3, 0}, {9, 5, 1}, {10, 8, 3}, {11, 10, 5},
	{12, 13, 7}, {13, 17, 9}, {14, 21, 12}, {15, 25, 15}, {16, 29, 19},
	{17, 34, 23}, {18, 40, 27}, {19, 46, 32}, {20, 52, 37}, {25, 89, 68},
	{30, 137, 109},
}

// withSum returns differences 1 … n of which the positive ones add up to w.
func withSum(n, w int) []float64 {
	d := make([]float64, n)
	for i := n; i >= 1; i-- {
		d[i-1] = -float64(i)
		if w >= i {
			d[i-1], w = float64(i), w-i
		}
	}
	return d
}

func TestWilcoxonTables(t *testing.T) {
	for _, c := range critical {
		for level, k := range map[float64]int{.05: c.at05, .01: c.at01} {
			if k >= 0 {
				if got := Wilcoxon(withSum(c.n, k)); got.W != float64(k) || got.P > level {
					t.Errorf("n %d: W %v has p %v, the table says at most %v", c.n, got.W, got.P, level)
				}
			}
			if got := Wilcoxon(withSum(c.n, k+1)); got.P <= level {
				t.Errorf("n %d: W %v has p %v, the table says more than %v", c.n, got.W, got.P, level)
			}
		}
	}
}

// TestDepression is example 3.1 of Hollander and Wolfe: Hamilton's depression
// scale factor of nine patients before and after.
func TestDepression(t *testing.T) {
	before := []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}
	after := []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
	d := make([]float64, len(before))
	for i := range d {
		d[i] = before[i] - after[i]
	}
	w := Wilcoxon(d)
	if w.N != 9 || w.W != 40 || math.Abs(w.P-0.0390625) > 1e-12 {
		t.Errorf("test %+v, want W 40 and p 0.039", w)
	}
	s := HodgesLehmann(d)
	near := func(a, b float64) bool { return math.Abs(a-b) < 5e-4 }
	if !near(s.Estimate, 0.46) || !near(s.Low, 0.010) || !near(s.High, 0.786) || !near(s.Confidence, 0.961) {
		t.Errorf("estimate %+v, want 0.46, 0.010 … 0.786 at 96.1 %%", s)
	}
}

// TestTies compares the exact distribution with a count of all signs.
func TestTies(t *testing.T) {
	d := []float64{1, -1, 1, 2, 2, -3, 0, 4, 4, 4, -0.5}
	got := Wilcoxon(d)
	// Ranks of 0.5 1 1 1 2 2 3 4 4 4.
	ranks := []float64{1, 3, 3, 3, 5.5, 5.5, 7, 9, 9, 9}
	const w = 3 + 3 + 5.5 + 5.5 + 9 + 9 + 9
	extreme, n := 0, len(ranks)
	for signs := range 1 << n {
		sum := 0.0
		for i, r := range ranks {
			if signs>>i&1 == 1 {
				sum += r
			}
		}
		if math.Abs(sum-27.5) >= math.Abs(w-27.5) {
			extreme++
		}
	}
	want := float64(extreme) / float64(int(1)<<n)
	if got.N != n || got.W != w || math.Abs(got.P-want) > 1e-12 {
		t.Errorf("got %+v, want n %d, W %v, p %v", got, n, w, want)
	}
}

func TestDegenerate(t *testing.T) {
	if got := Wilcoxon(nil); got.P != 1 {
		t.Errorf("no differences: %+v", got)
	}
	if got := Wilcoxon([]float64{0, 0}); got.P != 1 || got.N != 0 {
		t.Errorf("zeros: %+v", got)
	}
	if got := HodgesLehmann(nil); !math.IsNaN(got.Estimate) {
		t.Errorf("nothing: %+v", got)
	}
	for n := 1; n < 10; n++ {
		got := HodgesLehmann(make([]float64, n))
		if has := got.Confidence >= Confidence; has != (n >= MinPairs) {
			t.Errorf("%d pairs: %+v", n, got)
		}
	}
}

// TestCoverage draws samples with a known centre. The interval must hold it as
// often as it says, and the test must reject a true centre no more often than
// it says.
func TestCoverage(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{8, 12, 20} {
		const trials, centre = 4000, 0.3
		held, rejected := 0, 0
		var confidence float64
		for range trials {
			d := make([]float64, n)
			for i := range d {
				d[i] = r.NormFloat64()
			}
			if Wilcoxon(d).P <= .05 {
				rejected++
			}
			for i := range d {
				d[i] += centre
			}
			s := HodgesLehmann(d)
			confidence = s.Confidence
			if s.Low <= centre && centre <= s.High {
				held++
			}
		}
		// Four standard errors of a share near 5 %.
		const slack = 0.014
		if got := float64(held) / trials; math.Abs(got-confidence) > slack {
			t.Errorf("n %d: the interval holds the centre in %.3f of the cases, want %.3f", n, got, confidence)
		}
		if got := float64(rejected) / trials; got > .05+slack {
			t.Errorf("n %d: a true centre is rejected in %.3f of the cases", n, got)
		}
	}
}

func TestCompare(t *testing.T) {
	b := []float64{1, 2, 3, 4, 5, 6, 7, 8}
	a := make([]float64, len(b))
	for i := range b {
		a[i] = 1.5 * b[i]
	}
	got, err := Compare(a, b)
	near := func(x float64) bool { return math.Abs(x-1.5) < 1e-12 }
	if err != nil || !near(got.Estimate) || !near(got.Low) || !near(got.High) || got.P != 2.0/256 || got.Pairs != 8 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range [][2][]float64{
		{nil, nil}, {{1}, {1, 2}}, {{0}, {1}}, {{1}, {0}}, {{-1}, {1}},
		{{math.NaN()}, {1}}, {{math.Inf(1)}, {1}},
	} {
		if got, err := Compare(bad[0], bad[1]); err == nil {
			t.Errorf("%v to %v gives %+v", bad[0], bad[1], got)
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	x := make([]float64, 200)
	for i := range x {
		x[i] = rand.Float64() + 1
	}
	y := append(x[100:], x[:100]...)
	for b.Loop() {
		if _, err := Compare(x, y); err != nil {
			b.Fatal(err)
		}
	}
}
