package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestJudge has pairs whose sums of ranks are counted by hand. All of n pairs
// on one side have p = 2/2^n; if of eight only the smallest is on the other
// side, W is 1 and p 4/256, with the two smallest it is 3 and 10/256: the sums
// up to 3 are 0, 1, 2, 3 and 1+2. With the third smallest alone it is 3, too.
func TestJudge(t *testing.T) {
	for _, tt := range []struct {
		name   string
		ratios []float64
		p      float64
		want   Verdict
	}{
		{"five pairs, far apart", []float64{2, 2.1, 2.2, 2.3, 2.4}, 2. / 32, TooFew},
		{"six pairs, all above", []float64{1.04, 1.05, 1.06, 1.07, 1.08, 1.09}, 2. / 64, Different},
		{"six pairs, all below", []float64{.90, .91, .92, .93, .94, .95}, 2. / 64, Different},
		{"six pairs, one above", []float64{.90, .91, .92, .93, .94, 1.01}, 4. / 64, NotDifferent},
		{"sure and small", []float64{1.010, 1.011, 1.012, 1.013, 1.014, 1.015, 1.016, 1.017}, 2. / 256, NotDifferent},
		{"sure and small, below", []float64{.980, .981, .982, .983, .984, .985, .986, .987}, 2. / 256, NotDifferent},
		{"eight, the smallest below", []float64{.99, 1.05, 1.06, 1.07, 1.08, 1.09, 1.10, 1.11}, 4. / 256, Different},
		{"eight, the third smallest below", []float64{1.02, 1.03, .95, 1.07, 1.08, 1.09, 1.10, 1.11}, 10. / 256, Different},
		{"eight, the fourth smallest below", []float64{1.02, 1.03, 1.04, .95, 1.08, 1.09, 1.10, 1.11}, 14. / 256, NotDifferent},
		{"nothing", []float64{1, 1, 1, 1, 1, 1, 1, 1}, 1, NotDifferent},
	} {
		b := make([]float64, len(tt.ratios))
		for i := range b {
			b[i] = 1
		}
		there, err := Compare(tt.ratios, b)
		if err != nil {
			t.Fatal(err)
		}
		back, err := Compare(b, tt.ratios)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(there.P-tt.p) > 1e-12 {
			t.Errorf("%s: p %v, want %v", tt.name, there.P, tt.p)
		}
		if got := Fixed().Judge(there); got != tt.want {
			t.Errorf("%s: %s, want %s: %+v", tt.name, got, tt.want, there)
		}
		if got := Fixed().Judge(back); got != tt.want {
			t.Errorf("%s, the other way round: %s, want %s: %+v", tt.name, got, tt.want, back)
		}
	}
}

// TestEdge is what the rule says of its own limits.
func TestEdge(t *testing.T) {
	for _, tt := range []struct {
		pairs       int
		p, estimate float64
		want        Verdict
	}{
		{6, .0499, 1.03, Different},
		{6, .05, 1.03, NotDifferent},
		{6, .0499, 1.0299, NotDifferent},
		{6, .0499, 1 / 1.03, Different},
		{6, .0499, .971, NotDifferent},
		{5, 0, 100, TooFew},
		{0, 0, 0, TooFew},
	} {
		got := Fixed().Judge(Ratio{Pairs: tt.pairs, P: tt.p, Estimate: tt.estimate})
		if got != tt.want {
			t.Errorf("%d pairs, p %v, %vx: %s, want %s", tt.pairs, tt.p, tt.estimate, got, tt.want)
		}
	}
}

func TestByValue(t *testing.T) {
	for _, tt := range []struct {
		a, b     []float64
		constant bool
		want     Verdict
	}{
		{[]float64{428, 428}, []float64{428, 428}, true, NotDifferent},
		{[]float64{428, 428}, []float64{405, 405}, true, Different},
		{[]float64{1001}, []float64{1000}, true, Different}, // less than MinShift
		{[]float64{428, 429}, []float64{405, 405}, false, Different},
		{[]float64{428, 428}, []float64{405, 406}, false, Different},
		// The ratio is the same in each pair; the sides are not.
		{[]float64{2, 4}, []float64{1, 2}, false, Different},
		{[]float64{.1 + .2, .1 + .2}, []float64{.1 + .2, .1 + .2}, true, NotDifferent},
	} {
		r, err := Compare(tt.a, tt.b)
		if err != nil {
			t.Fatal(err)
		}
		if got := ByValue(r); got != tt.want || r.Constant != tt.constant {
			t.Errorf("%v to %v: %s, constant %t, want %s, %t", tt.a, tt.b, got, r.Constant, tt.want, tt.constant)
		}
	}
}

// TestFalseAlarms judges noise against itself. The rule must not call it
// different more often than its test alone would, and must find what is there.
func TestFalseAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const trials, pairs = 2000, 20
	called := func(shift float64) float64 {
		n := 0
		for range trials {
			a, b := make([]float64, pairs), make([]float64, pairs)
			for i := range a {
				machine := math.Exp(.5 * r.NormFloat64()) // does the same to both
				a[i] = machine * (1 + shift) * math.Exp(.05*r.NormFloat64())
				b[i] = machine * math.Exp(.05*r.NormFloat64())
			}
			ratio, err := Compare(a, b)
			if err != nil {
				t.Fatal(err)
			}
			if Fixed().Judge(ratio) == Different {
				n++
			}
		}
		return float64(n) / trials
	}
	// Three standard errors above 5 %.
	if got := called(0); got > .065 {
		t.Errorf("nothing is called different in %.3f of the cases", got)
	}
	if got := called(.10); got < .95 {
		t.Errorf("a tenth is found in %.3f of the cases", got)
	}
}
