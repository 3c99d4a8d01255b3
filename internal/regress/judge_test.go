package regress

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"wsvsio/internal/stats"
)

const (
	cpu    = "server-cpu-sec/msg"
	allocs = "server-allocs/msg"
	wire   = "wire-down-B/msg"
	p50    = "p50-sec/msg"
)

// pairs draws figures of both sides, the head's that many times the base's,
// whose ratios have about that coefficient of variation. What the machine does
// meanwhile is in both figures of a pair.
func pairs(r *rand.Rand, n int, shift, noise float64) (base, head []float64) {
	for range n {
		both := math.Exp(0.3 * r.NormFloat64())
		own := func() float64 { return 10e-6 * both * math.Exp(noise/math.Sqrt2*r.NormFloat64()) }
		base, head = append(base, own()), append(head, shift*own())
	}
	return base, head
}

// check does what a check does with one figure, in so many pairs.
func check(t *testing.T, r *rand.Rand, n int, shift, noise float64) Finding {
	t.Helper()
	return checkUpTo(t, r, n, n, shift, noise)
}

// checkUpTo is check of a figure that decides: it takes more pairs where it is too
// noisy, up to so many.
func checkUpTo(t *testing.T, r *rand.Rand, n, most int, shift, noise float64) Finding {
	t.Helper()
	unit, _ := UnitOf(cpu)
	base, head := pairs(r, n, shift, noise)
	for first := n; n < most && TooNoisy(unit, base, head); n += first {
		b, h := pairs(r, first, shift, noise)
		base, head = append(base, b...), append(head, h...)
	}
	f, err := Judge(Place{"X", "rawws", cpu}, base, head)
	if err != nil {
		t.Fatal(err)
	}
	if f.Fired() {
		base, head = pairs(r, Confirms*n, shift, noise)
		if err := f.Confirmed(base, head); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// TestFalseAlarms compares equal figures in each of many checks, as many as a check
// has of the servers in Go, and of those in Node, which start with fewer pairs: a check
// is wrong if one of them is called worse. Where they are too noisy there are more pairs.
func TestFalseAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	const checks = 400
	for _, tt := range []struct {
		figures, pairs int
		noise          float64
	}{{24, 20, 0.05}, {24, 20, 0.11}, {24, 20, 0.18}, {8, 10, 0.18}, {8, 10, 0.26}, {8, 10, 0.40}} {
		figures, noise, screened, wrong, silent := tt.figures, tt.noise, 0, 0, 0
		for range checks {
			fired, alarm := false, false
			for range figures {
				f := checkUpTo(t, r, tt.pairs, Extends*tt.pairs, 1, noise)
				fired = fired || f.Fired()
				alarm = alarm || f.Outcome == Worse
				if f.Outcome == Noisy {
					silent++
				}
			}
			if fired {
				screened++
			}
			if alarm {
				wrong++
			}
		}
		t.Logf("noise %.2f: screening fires in %d of %d checks, %d false alarms, %d of %d figures too noisy", noise, screened, checks, wrong, silent, checks*figures)
		if wrong > checks*2/100 {
			t.Errorf("noise %.2f: %d of %d checks raise a false alarm", noise, wrong, checks)
		}
	}
}

// TestFinds has shifts that are known, in noise as it was recorded.
func TestFindsShift(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 9))
	const trials = 500
	for _, tt := range []struct {
		shift float64
		want  Outcome
		least float64
	}{
		{1.10, Worse, 0.75},
		{1.20, Worse, 0.99},
		{1 / 1.20, Better, 0.99},
	} {
		n := 0
		for range trials {
			if check(t, r, 20, tt.shift, 0.11).Outcome == tt.want {
				n++
			}
		}
		if got := float64(n) / trials; got < tt.least {
			t.Errorf("%.2fx is found %s in %.3f of the trials, want %.2f", tt.shift, tt.want, got, tt.least)
		}
	}
}

// TestTooNoisy asks how far pairs are apart, and not which side is ahead.
func TestTooNoisy(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 9))
	unit, _ := UnitOf(cpu)
	noisy := 0
	for range 200 {
		base, head := pairs(r, 10, 1, 0.2)
		got := TooNoisy(unit, base, head)
		if got {
			noisy++
		}
		if TooNoisy(unit, head, base) != got {
			t.Fatalf("%v beside %v is too noisy on one of two sides", base, head)
		}
	}
	if noisy < 20 || noisy > 180 {
		t.Errorf("%d of 200 are too noisy: this shows nothing", noisy)
	}
	base, head := pairs(r, 5, 1, 0.01)
	if !TooNoisy(unit, base, head) {
		t.Error("five pairs are enough")
	}
	if base, head = pairs(r, 6, 1, 0.01); TooNoisy(unit, base, head) {
		t.Error("six pairs that are nearly the same are too noisy")
	}
}

// TestSmallShift is one that is sure and below what counts.
func TestSmallShift(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 9))
	for range 100 {
		if f := check(t, r, 20, 1.02, 0.01); f.Outcome != Same {
			t.Fatalf("%+v", f)
		}
	}
}

// TestFinds holds the share in which the whole rule, both batches, finds a shift
// against what was said of it.
func TestFinds(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 9))
	const trials, length = 2000, 20
	for _, noise := range []float64{0.05, 0.1, 0.2, 0.4} {
		said := 0.0
		for range trials {
			base, head := pairs(r, length, 1, noise)
			ratio, err := stats.Compare(head, base)
			if err != nil {
				t.Fatal(err)
			}
			said += Finds(ratio) / trials
		}
		found := 0
		for range trials {
			if check(t, r, length, 1+said, noise).Outcome == Worse {
				found++
			}
		}
		if got := float64(found) / trials; math.Abs(got-power) > 0.05 {
			t.Errorf("noise %.2f: a shift of %.3f is found in %.3f, want %.2f", noise, said, got, power)
		}
	}
}

// TestFindsAlike has a second batch say of the machine what a first one does,
// though it is larger; and one without noise finds what counts.
func TestFindsAlike(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 9))
	const trials, length = 500, 20
	said := [2]float64{}
	for range trials {
		for i, times := range []int{1, Confirms} {
			base, head := pairs(r, times*length, 1, 0.2)
			b, err := batch(base, head, float64(times))
			if err != nil {
				t.Fatal(err)
			}
			said[i] += b.Finds / trials
		}
	}
	if ratio := said[1] / said[0]; math.Abs(ratio-1) > 0.1 {
		t.Errorf("a first batch finds %.3f, a second %.3f", said[0], said[1])
	}
	base, head := made(8, 1)
	for i := range head {
		head[i] = base[i]
	}
	if b, err := batch(base, head, 1); err != nil || math.Abs(b.Finds-MinShift) > 1e-12 {
		t.Errorf("without noise: %+v, %v", b, err)
	}
}

// TestInconclusive is a machine too noisy for anything that counts.
func TestInconclusive(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 9))
	f := check(t, r, 20, 1, 0.6)
	if f.Outcome != Noisy || f.Screen.Finds <= MostFinds {
		t.Errorf("%+v", f)
	}
	for _, tt := range []struct {
		findings []Finding
		want     Answer
	}{
		{nil, NoRegression},
		{[]Finding{{Place: Place{Unit: cpu}, Outcome: Same}, {Place: Place{Unit: cpu}, Outcome: Unconfirmed}}, NoRegression},
		{[]Finding{{Place: Place{Unit: cpu}, Outcome: Better}}, NoRegression},
		{[]Finding{f, {Place: Place{Unit: cpu}, Outcome: Same}}, Inconclusive},
		{[]Finding{{Place: Place{Unit: cpu}, Outcome: TooFew}}, Inconclusive},
		{[]Finding{f, {Place: Place{Unit: wire}, Outcome: Worse}}, Regression},

		// Latencies do not decide beside CPU; alone, one of them has to say something.
		{[]Finding{{Place: Place{Unit: p50}, Outcome: Noisy}, {Place: Place{Unit: cpu}, Outcome: Same}}, NoRegression},
		{[]Finding{{Place: Place{Unit: p50}, Outcome: Noisy}, {Place: Place{Unit: "connect-sec"}, Outcome: TooFew}}, Inconclusive},
		{[]Finding{{Place: Place{Unit: p50}, Outcome: Noisy}, {Place: Place{Unit: "connect-sec"}, Outcome: Same}}, NoRegression},
		{[]Finding{{Place: Place{Unit: p50}, Outcome: Noisy}, {Place: Place{Unit: wire}, Outcome: Same}}, Inconclusive},
		{[]Finding{{Place: Place{Unit: wire}, Outcome: Same}, {Place: Place{Unit: allocs}, Outcome: Same}}, NoRegression},

		{[]Finding{{Place: Place{Unit: wire}, Outcome: Inexact}}, NoRegression},
		{[]Finding{{Place: Place{Unit: wire}, Outcome: NowInexact}}, Inconclusive},
		{[]Finding{{Place: Place{Unit: p50}, Outcome: Unrepeated}, {Place: Place{Unit: cpu}, Outcome: Same}}, Inconclusive},
		{[]Finding{{Place: Place{Unit: p50}, Outcome: Unrepeated}, {Place: Place{Unit: cpu}, Outcome: Worse}}, Regression},
	} {
		got := AnswerOf(tt.findings)
		if got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.findings, got, tt.want)
		}
		// Whoever reads an inconclusive answer is told why.
		if why := doubtful(tt.findings); (got == Inconclusive) != (len(why) > 0) && got != Regression {
			t.Errorf("%+v: %s, because %q", tt.findings, got, why)
		}
	}
}

// TestDecide takes back that there is no regression where something is missing,
// and nothing else.
func TestDecide(t *testing.T) {
	same, worse := []Finding{{Place: Place{Unit: cpu}, Outcome: Same}}, []Finding{{Place: Place{Unit: cpu}, Outcome: Worse}}
	for _, tt := range []struct {
		report Report
		want   Answer
	}{
		{Report{Findings: same}, NoRegression},
		{Report{Findings: same, Notes: []string{"x"}}, NoRegression},
		{Report{Findings: same, Failures: []string{"x"}}, Inconclusive},
		{Report{Findings: same, Doubts: []string{"x"}}, Inconclusive},
		{Report{Findings: same, Partial: "interrupted"}, Inconclusive},
		{Report{Findings: worse, Failures: []string{"x"}, Doubts: []string{"x"}, Partial: "interrupted"}, Regression},
	} {
		if tt.report.Decide(); tt.report.Answer != tt.want {
			t.Errorf("%+v, want %s", tt.report, tt.want)
		}
	}
}

// batches are made up: all pairs have the same ratio but for the smallest, so
// that the sums of ranks are known.
func made(n int, ratio float64) (base, head []float64) {
	for i := range n {
		base, head = append(base, 1+float64(i)/100), append(head, (1+float64(i)/100)*ratio*(1+float64(i)/1000))
	}
	return base, head
}

func TestConfirm(t *testing.T) {
	for _, tt := range []struct {
		name          string
		unit          string
		screen, again float64
		want          Outcome
	}{
		{"twice", cpu, 1.1, 1.1, Worse},
		{"twice below", cpu, 0.9, 0.9, Better},
		{"a rate twice below", "deliveries/s", 0.9, 0.9, Worse},
		{"a rate twice above", "deliveries/s", 1.1, 1.1, Better},
		{"once", cpu, 1.1, 1.001, Unconfirmed},
		{"to either side", cpu, 1.1, 0.9, Unconfirmed},
	} {
		base, head := made(8, tt.screen)
		f, err := Judge(Place{"X", "rawws", tt.unit}, base, head)
		if err != nil || !f.Fired() || f.Outcome != Unconfirmed {
			t.Errorf("%s: screening: %+v, %v", tt.name, f, err)
			continue
		}
		base, head = made(8, tt.again)
		if err := f.Confirmed(base, head); err != nil || f.Outcome != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.name, f.Outcome, err, tt.want)
		}
	}
	base, head := made(8, 1.1)
	f, err := Judge(Place{"X", "rawws", cpu}, base, head)
	if err != nil {
		t.Fatal(err)
	}
	if f.Unmeasured(); f.Outcome != Unrepeated || f.Confirm != nil {
		t.Errorf("without a second batch: %+v", f)
	}
	base, head = made(5, 2)
	if f, err := Judge(Place{"X", "rawws", cpu}, base, head); err != nil || f.Fired() || f.Outcome != TooFew {
		t.Errorf("five pairs: %+v, %v", f, err)
	}
}

// of is n times a value, but for the first few of them.
func of(n int, v float64, but ...float64) []float64 {
	list := slices.Repeat([]float64{v}, n)
	copy(list, but)
	return list
}

// TestShares has six pairs of which all are lower, p = 2/64, and fewer: with five,
// the others being the same, it is 2/32.
func TestShares(t *testing.T) {
	const back = "back-ratio"
	for _, tt := range []struct {
		name             string
		base, head       []float64
		screen           Outcome
		again, headAgain []float64
		want             Outcome
	}{
		{"all are back", of(20, 1), of(20, 1), Same, nil, nil, Same},
		{"nobody is", of(20, 0), of(20, 0), Same, nil, nil, Same},
		{"as many, and not all", of(20, 0.5, 1), of(20, 0.5, 1), Same, nil, nil, Same},
		{"half of them no more", of(6, 1), of(6, 0.5), Unconfirmed, of(12, 1), of(12, 0.5), Worse},
		{"nobody any more", of(6, 1), of(6, 0), Unconfirmed, of(12, 1), of(12, 0), Worse},
		{"again half of them", of(6, 0.5), of(6, 1), Unconfirmed, of(12, 0.5), of(12, 1), Better},
		{"somebody at last", of(6, 0), of(6, 0.25), Unconfirmed, of(12, 0), of(12, 0.25), Better},
		{"fewer, once", of(6, 1), of(6, 0.5), Unconfirmed, of(12, 1), of(12, 1), Unconfirmed},
		{"fewer, and more", of(6, 0.5), of(6, 0.25), Unconfirmed, of(12, 0.5), of(12, 0.75), Unconfirmed},
		{"fewer, then in some pairs", of(6, 1), of(6, 0.5), Unconfirmed, of(12, 1), of(12, 1, 0.5), Lowered},
		{"in five of twenty pairs", of(20, 1), of(20, 1, 0, 0, 0, 0, 0), Lowered, nil, nil, Lowered},
		{"in six", of(20, 1), of(20, 1, 0, 0, 0, 0, 0, 0), Unconfirmed, of(40, 1), of(40, 1, 0, 0, 0, 0, 0, 0), Worse},
		{"one client once", of(20, 1), of(20, 1, 0.875), Lowered, nil, nil, Lowered},
		{"one client once, in the base", of(20, 1, 0.875), of(20, 1), Same, nil, nil, Same},
		{"on both sides", of(20, 1, 0.875), of(20, 1, 1, 0.875), Same, nil, nil, Same},
		{"sure, and small", of(20, 0.90), of(20, 0.87), Same, nil, nil, Same},
		{"five pairs", of(5, 1), of(5, 0), Lowered, nil, nil, Lowered},
		{"five pairs, and more", of(5, 0), of(5, 1), TooFew, nil, nil, TooFew},
	} {
		f, err := Judge(Place{"X", "rawws", back}, tt.base, tt.head)
		if err != nil || f.Outcome != tt.screen || f.Fired() != (tt.again != nil) {
			t.Errorf("%s: screening: %+v, %v", tt.name, f, err)
			continue
		}
		if f.Fired() {
			if err := f.Confirmed(tt.again, tt.headAgain); err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		}
		if f.Outcome != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, f.Outcome, tt.want)
		}
		want := NoRegression
		switch tt.want {
		case Worse:
			want = Regression
		case Lowered:
			want = Inconclusive
		}
		if got := AnswerOf([]Finding{f}); got != want {
			t.Errorf("%s: %s, want %s", tt.name, got, want)
		}
	}
	if f, err := Judge(Place{"X", "rawws", back}, of(6, 1), of(6, 1, 0.5)); err != nil || f.Base != 1 || math.Abs(f.Head-5.5/6) > 1e-12 {
		t.Errorf("a share is that of all pairs: %+v, %v", f, err)
	}
}

// TestLimitTwice has allocations beyond their limits, which counts if they are once
// more, to the same side.
func TestLimitTwice(t *testing.T) {
	many := func(v float64) []float64 { return slices.Repeat([]float64{v}, 20) }
	for _, tt := range []struct {
		name        string
		head, again float64
		fired       bool
		want        Outcome
	}{
		{"the same", 10.1, 0, false, Same},
		{"one more, twice", 11, 11, true, Worse},
		{"one more, once", 11, 10, true, Unconfirmed},
		{"one more, then one less", 11, 9, true, Unconfirmed},
		{"one less, twice", 9, 9, true, Better},
	} {
		f, err := Judge(Place{"X", "rawws", "server-allocs/msg"}, many(10), many(tt.head))
		if err != nil || f.Fired() != tt.fired {
			t.Fatalf("%s: fired %t, %v", tt.name, f.Fired(), err)
		}
		if f.Fired() {
			if err := f.Confirmed(many(10), many(tt.again)); err != nil {
				t.Fatal(err)
			}
			if _, head := f.measured(); head[0] != tt.again || f.Head != tt.again {
				t.Errorf("%s: %v, of %v", tt.name, f.Head, head)
			}
		}
		if f.Outcome != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, f.Outcome, tt.want)
		}
	}
	f, err := Judge(Place{"X", "rawws", "server-allocs/msg"}, many(10), many(11))
	if f.Unmeasured(); err != nil || AnswerOf([]Finding{f}) != Inconclusive {
		t.Errorf("what could not be measured again: %v, %v", f.Outcome, err)
	}
	// A baseline has one figure, and is counted again by other means.
	if f, err := Judge(Place{"X", "rawws", "server-allocs/msg"}, []float64{10}, []float64{11}); err != nil || f.Fired() || f.Outcome != Worse {
		t.Errorf("against a stored figure: %+v, %v", f, err)
	}
}

// TestSharesAlarm has clients come back with the same chance on both sides: as a
// difference it is called by mistake as seldom as others are.
func TestSharesAlarm(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 9))
	draw := func(n int, chance float64) (list []float64) {
		for range n {
			back := 0.0
			for range 8 {
				if r.Float64() < chance {
					back++
				}
			}
			list = append(list, back/8)
		}
		return list
	}
	const trials = 2000
	for _, chance := range []float64{0.5, 0.8, 0.95} {
		wrong := 0
		for range trials {
			f, err := Judge(Place{"X", "rawws", "back-ratio"}, draw(20, chance), draw(20, chance))
			if err != nil {
				t.Fatal(err)
			}
			if f.Fired() {
				if err := f.Confirmed(draw(40, chance), draw(40, chance)); err != nil {
					t.Fatal(err)
				}
			}
			if f.Outcome == Worse || f.Outcome == Better {
				wrong++
			}
		}
		if wrong > trials*5/1000 {
			t.Errorf("a chance of %v is called different in %d of %d trials", chance, wrong, trials)
		}
	}
}

func TestByValue(t *testing.T) {
	for _, tt := range []struct {
		base, head []float64
		want       Outcome
	}{
		{[]float64{212, 212}, []float64{212, 212}, Same},
		{[]float64{212, 212}, []float64{213, 213}, Worse},
		{[]float64{212, 212}, []float64{211, 211}, Better},
		{[]float64{212, 213}, []float64{213, 213}, Inexact},
		{[]float64{212, 212}, []float64{213, 214}, Worse},
		{[]float64{213, 214}, []float64{212, 212}, Better},
		{[]float64{211, 212}, []float64{213, 214}, Worse},
		{[]float64{212, 212}, []float64{212, 214}, NowInexact},
		{[]float64{212, 212}, []float64{211, 213}, NowInexact},
		{[]float64{212, 213}, []float64{212, 212}, Inexact},
		{[]float64{212, 214}, []float64{213, 215}, Inexact},
		{[]float64{0}, []float64{0}, Same},
		{[]float64{0}, []float64{1}, Worse},
	} {
		if f, err := Judge(Place{"X", "rawws", wire}, tt.base, tt.head); err != nil || f.Outcome != tt.want {
			t.Errorf("%v, %v: %s, %v, want %s", tt.base, tt.head, f.Outcome, err, tt.want)
		}
	}
}

func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		base, head float64
		want       Outcome
	}{
		{15.975, 16.975, Worse}, // one more for each echo
		{16.975, 15.975, Better},
		{54, 54.04375, Same}, // what two runs were apart
		{54, 55, Worse},
		{0.159, 0.165, Same}, // 4 %, and next to nothing
		{1000, 1001, Same},   // one, and next to nothing

		// Of messages to a hundred, recorded as 15.875 objects each: one more for
		// each receiver, one more for each message, and what they were at most.
		{0.15875, 1.15875, Worse},
		{0.15875, 0.16875, Same},
		{0.15875, 0.20188, Same},
		{16.3825, 17.3825, Worse},
	} {
		if f, err := Judge(Place{"X", "rawws", allocs}, []float64{tt.base}, []float64{tt.head}); err != nil || f.Outcome != tt.want {
			t.Errorf("%v, %v: %s, %v, want %s", tt.base, tt.head, f.Outcome, err, tt.want)
		}
	}
}

func TestNoPairs(t *testing.T) {
	for _, bad := range []struct {
		unit       string
		base, head []float64
	}{
		{"lost", []float64{1}, []float64{1}},
		{cpu, nil, nil},
		{cpu, []float64{1}, []float64{1, 2}},
		{cpu, []float64{0}, []float64{1}},
		{cpu, []float64{math.NaN()}, []float64{1}},
		{"back-ratio", []float64{1}, []float64{1, 1}},
		{"back-ratio", []float64{math.NaN()}, []float64{1}},
		{"back-ratio", []float64{1}, []float64{1.5}},
	} {
		if f, err := Judge(Place{"X", "rawws", bad.unit}, bad.base, bad.head); err == nil {
			t.Errorf("%+v: %+v", bad, f)
		}
	}
}
