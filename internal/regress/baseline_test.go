package regress

import (
	"bytes"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"golang.org/x/perf/benchfmt"

	"wsvsio/internal/record"
)

// small is a baseline with a figure of each kind.
func small() *Baseline {
	b := &Baseline{
		Settings: Settings{"baseline": "1", "pkg": "wsvsio", "goos": "linux", "goarch": "amd64", "go": "go1.26.8"},
		Ratios: Settings{"baseline": "1", "pkg": "wsvsio", "goos": "linux", "goarch": "amd64", "go": "go1.26.8",
			"node": "v20.20.2", "cpu": "A CPU", "cores": "2", "machine": "0a1b2c3d4e5f", "commit": "0123456789ab"},
	}
	const echo = "Broadcast/case=echo/clients=1/size=128"
	b.Add(Place{echo, "rawws", "wire-down-B/msg"}, 212)
	b.Add(Place{echo, "rawws", "server-allocs/msg"}, 15.975)
	b.Add(Place{"Size/linked", "rawws", "binary-B"}, 6729854)
	for _, v := range []float64{1.2, 1.25, 1.3} {
		b.Add(Place{echo, "rawws", CPURatio}, v)
		b.Add(Place{echo, "rawws", P50Ratio}, v/2)
	}
	return b
}

func TestBaselineRoundTrip(t *testing.T) {
	name := filepath.Join(t.TempDir(), "baseline.txt")
	if err := small().Save(name); err != nil {
		t.Fatal(err)
	}
	got, err := ReadBaseline(name)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got.Settings, small().Settings) || !reflect.DeepEqual(got.Ratios, small().Ratios) || len(got.Figures) != 5 {
		t.Errorf("%+v", got)
	}
	for _, want := range small().Figures {
		if f, ok := got.Of(want.Place); !ok || !reflect.DeepEqual(f, want) {
			t.Errorf("%+v, want %+v", f, want)
		}
	}
	// Written again it is the same, so that a file changes only where a figure
	// does.
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := got.Write(&again); err != nil || again.String() != string(text) {
		t.Errorf("%v: written again:\n%s\nbefore:\n%s", err, &again, text)
	}
	// As benchstat reads it.
	r := benchfmt.NewReader(&again, name)
	for r.Scan() {
		if wrong, bad := r.Result().(*benchfmt.SyntaxError); bad {
			t.Error(wrong)
		}
	}
	for unit, want := range map[string]string{"wire-down-B/msg": "exact", "binary-B": "exact", "server-allocs/msg": "", CPURatio: ""} {
		meta, got := r.Units().Get(unit, "assume"), ""
		if meta != nil {
			got = meta.Value
		}
		if got != want {
			t.Errorf("%s is assumed to be %q, want %q", unit, got, want)
		}
	}
}

func TestBaselineBad(t *testing.T) {
	for name, tt := range map[string]struct{ text, want string }{
		"empty":      {"", "holds no figures"},
		"prose":      {"hello, world\n", "neither a benchmark"},
		"cut off":    {"baseline: 1\nBenchmarkX/stack=a 1 2 statements", "cut off"},
		"no format":  {"goos: linux\nBenchmarkX/stack=a 1 2 statements\n", `no setting "baseline"`},
		"other one":  {"baseline: one\nBenchmarkX/stack=a 1 2 statements\n", `no setting "baseline"`},
		"newer":      {"baseline: 2\nBenchmarkX/stack=a 1 2 statements\n", "has format 2"},
		"not finite": {"baseline: 1\nBenchmarkX/stack=a 1 NaN statements\n", "NaN"},
		"no ratio":   {"baseline: 1\nBenchmarkX/stack=a 1 1.2 server-cpu-vs-twin\nBenchmarkX/stack=a 1 0 server-cpu-vs-twin\n", "ratio 0 of X/stack=a"},
		"unknown":    {"baseline: 1\nBenchmarkX/stack=a 1 2 statements\nBenchmarkX/stack=b 1 2 statements 3 furlongs\n", "baseline.txt:3: nothing is known of the unit furlongs"},
		"twice":      {"baseline: 1\nBenchmarkX/stack=a 1 2 statements\nBenchmarkX/stack=a 1 3 statements\n", "two values"},
	} {
		file := filepath.Join(t.TempDir(), "baseline.txt")
		if err := os.WriteFile(file, []byte(tt.text), 0o666); err != nil {
			t.Fatal(err)
		}
		if b, err := ReadBaseline(file); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %+v, %v", name, b, err)
		}
	}
	if _, err := ReadBaseline(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) || errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "write one") {
		t.Error(err)
	}
	// One that is there and cannot be read is not to be written anew.
	if _, err := ReadBaseline(t.TempDir()); err == nil || errors.Is(err, os.ErrNotExist) || strings.Contains(err.Error(), "write one") {
		t.Error(err)
	}
}

// TestSaveLink writes through a link, which stays one.
func TestSaveLink(t *testing.T) {
	dir := t.TempDir()
	file, link, loose := filepath.Join(dir, "of", "baseline.txt"), filepath.Join(dir, "link.txt"), filepath.Join(dir, "loose.txt")
	err := errors.Join(os.Mkdir(filepath.Dir(file), 0o777), os.WriteFile(file, nil, 0o666),
		os.Symlink(filepath.Join("of", "baseline.txt"), link), os.Symlink("nowhere.txt", loose))
	if err != nil {
		t.Fatal(err)
	}
	if err := small().Save(link); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink(link); err != nil || to != filepath.Join("of", "baseline.txt") {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if b, err := ReadBaseline(file); err != nil || len(b.Figures) != len(small().Figures) {
		t.Errorf("%+v, %v", b, err)
	}
	if err := small().Save(loose); err == nil || !strings.Contains(err.Error(), "leads nowhere") {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, "nowhere.txt")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what a loose link leads to: %v", err)
	}
}

func TestComparable(t *testing.T) {
	here := SettingsOf(record.Environment{OS: "linux", Arch: "amd64", Go: "go1.26.8", Node: "v20.20.2", CPU: "A  CPU", Cores: 2,
		Machine: "0a1b2c3d4e5f", Commit: "fedcba987654", Dirty: true})
	for _, tt := range []struct {
		unit       string
		node       bool   // it is of a stack with Node
		key, value string // that differs here
		want       string // in the reason; "" is comparable
	}{
		{"wire-down-B/msg", true, "go", "go1.27.0", ""},
		{"wire-down-B/msg", true, "node", "v22.1.0", ""},
		{"wire-down-B/msg", true, "machine", "", ""},
		{"statements", false, "goarch", "arm64", ""},
		{"wire-down-B/msg", false, "cpu", "B CPU", ""},
		{"server-allocs/msg", false, "cpu", "B CPU", ""},
		{"server-allocs/msg", false, "go", "go1.27.0", `go is "go1.26.8" in the baseline and "go1.27.0" here`},
		{"binary-B", false, "goarch", "arm64", "goarch"},
		{CPURatio, true, "commit", "000000000000", ""},
		{CPURatio, false, "cpu", "B CPU", "A CPU"},
		{CPURatio, false, "cores", "4", "cores"},
		{P50Ratio, false, "machine", "abc", "machine"},
		{P50Ratio, false, "machine", "", "machine"},
		{P50Ratio, false, "node", "v22.1.0", ""},
		{P50Ratio, true, "node", "v22.1.0", `node is "v20.20.2" in the baseline and "v22.1.0" here`},
		{CPURatio, true, "node", "", "node"},
	} {
		now := maps.Clone(here)
		now[tt.key] = tt.value
		if got := small().Comparable(tt.unit, tt.node, now); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s with %s %s: %q, want %q", tt.unit, tt.key, tt.value, got, tt.want)
		}
	}
	// Two of which nobody knows which they are need not be one.
	unknown, nowhere := small(), maps.Clone(here)
	delete(unknown.Ratios, "machine")
	delete(nowhere, "machine")
	for unit, want := range map[string]bool{"wire-down-B/msg": true, "server-allocs/msg": true, CPURatio: false, P50Ratio: false} {
		if got := unknown.Comparable(unit, false, nowhere); (got == "") != want || !want && !strings.Contains(got, "has an id") {
			t.Errorf("%s of machines without an id: %q", unit, got)
		}
	}
}

// TestUnpaired is example 4.1 of Hollander and Wolfe: permeability constants of
// the human chorioamnion at term and earlier.
func TestUnpaired(t *testing.T) {
	exp := func(values ...float64) []float64 {
		for i, v := range values {
			values[i] = math.Exp(v)
		}
		return values
	}
	term := exp(0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46)
	early := exp(1.15, 0.88, 0.90, 0.74, 1.21)
	b, err := unpaired(term, early)
	if err != nil {
		t.Fatal(err)
	}
	// One-sided, the exact test has 0.1272 there.
	if got := math.Log(b.Ratio); math.Abs(got+0.305) > 5e-4 || math.Abs(b.P-2*0.1272) > 0.02 {
		t.Errorf("shift %.4f, p %.4f; want -0.305, 0.254", got, b.P)
	}
	if b.Fired || b.Finds != 0 {
		t.Errorf("five on one side: %+v", b)
	}
	if _, err := unpaired(term, []float64{1, 0}); err == nil {
		t.Error("a ratio of 0 is compared")
	}
}

// TestStored holds a ratio against one that was stored.
func TestStored(t *testing.T) {
	var stored, same, more []float64
	for i := range 20 {
		v := 1.2 + float64(i)/200
		stored, same, more = append(stored, v), append(same, v*1.02), append(more, v*1.2)
	}
	place := Place{"X", "rawws", CPURatio}
	if f, err := Judge(place, stored, same); err != nil || f.Outcome != Same || f.Kind != Stored {
		t.Errorf("2 %%: %+v, %v", f, err)
	}
	// What was stored on a noisy day is as far off as this, and not surely so.
	var noisy []float64
	for i := range 20 {
		noisy = append(noisy, 1.42+float64(i-10)/32)
	}
	if f, err := Judge(place, stored, noisy); err != nil || f.Fired() || f.Screen.P >= Alpha || f.Screen.Ratio < 1+StoredShift {
		t.Errorf("15 %% in noise: %+v, %v", f.Screen, err)
	}
	f, err := Judge(place, stored, more)
	if err != nil || !f.Fired() {
		t.Fatalf("20 %%: %+v, %v", f, err)
	}
	once := f
	if err := f.Confirmed(stored, append(more, more...)); err != nil || f.Outcome != Worse {
		t.Errorf("20 %% twice: %+v, %v", f, err)
	}
	if err := once.Confirmed(stored, same); err != nil || once.Outcome != Unconfirmed {
		t.Errorf("20 %% once: %+v, %v", once, err)
	}
}
