package regress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/perf/benchfmt"

	"wsvsio/internal/record"
)

// BaselineFormat is the version of the file, which its setting "baseline"
// says. A file without it is no baseline.
const BaselineFormat = 1

// Baseline is what is kept of the code in a file in the Go benchmark format,
// which benchstat reads: each figure in one line, ratios in a line for each
// round.
type Baseline struct {
	// Settings of the figures, and those of the ratios, which may be of
	// another machine and another day: goos, goarch, go, cpu and so on.
	Settings, Ratios Settings

	Figures []Figure
}

// Settings are those of the benchmark format, by key.
type Settings map[string]string

// Figure is a figure of a baseline. What is not a ratio has one value.
type Figure struct {
	Place
	Values []float64
}

// The ratios of a stack to its twin, as they are called in a baseline.
const (
	CPURatio = "server-cpu-vs-twin"
	P50Ratio = "p50-vs-twin"
)

// settingsOrder is the order of settings in the file.
var settingsOrder = []string{"baseline", "pkg", "goos", "goarch", "go", "node", "cpu", "cores", "machine", "commit"}

// SettingsOf are the settings of what is measured now.
func SettingsOf(e record.Environment) Settings {
	commit := e.Commit
	if e.Dirty {
		commit += "+dirty"
	}
	s := Settings{
		"baseline": strconv.Itoa(BaselineFormat), "pkg": "wsvsio", "goos": e.OS, "goarch": e.Arch, "go": e.Go, "node": e.Node,
		"cpu": e.CPU, "cores": strconv.Itoa(e.Cores), "machine": e.Machine, "commit": commit,
	}
	for k, v := range s {
		if s[k] = strings.Join(strings.Fields(v), " "); s[k] == "" {
			delete(s, k)
		}
	}
	return s
}

// timed are settings that belong to ratios alone: what is exact does not know
// the machine.
var timed = []string{"cpu", "cores", "machine", "node", "commit"}

// exactly are the settings without those.
func (s Settings) exactly() Settings {
	kept := make(Settings)
	for k, v := range s {
		if !slices.Contains(timed, k) {
			kept[k] = v
		}
	}
	return kept
}

// config are settings as package benchfmt has them. A key that the last line
// had must be unset: an empty value does that.
func (s Settings) config() []benchfmt.Config {
	var list []benchfmt.Config
	for _, key := range settingsOrder {
		if v := s[key]; v != "" {
			list = append(list, benchfmt.Config{Key: key, Value: []byte(v), File: true})
		}
	}
	return list
}

// Write writes the file: units first, then all figures by name, then the
// ratios.
func (b *Baseline) Write(w io.Writer) error {
	out := benchfmt.NewWriter(w)
	var units []string
	for _, f := range b.Figures {
		if !slices.Contains(units, f.Unit) {
			units = append(units, f.Unit)
		}
	}
	slices.Sort(units)
	for _, unit := range units {
		u, _ := UnitOf(unit)
		meta := [][2]string{{"better", string(cmpOr(record.UnitOf(unit).Better, record.Lower))}}
		if u.Kind == Exact {
			meta = append(meta, [2]string{"assume", "exact"})
		}
		for _, m := range meta {
			err := out.Write(&benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: unit, Key: m[0]}, OrigUnit: unit, Value: m[1]})
			if err != nil {
				return err
			}
		}
	}
	for _, ratios := range []bool{false, true} {
		settings := b.Settings.exactly()
		if ratios {
			settings = b.Ratios
		}
		for _, group := range b.lines(ratios) {
			most := 0
			for _, f := range group {
				most = max(most, len(f.Values))
			}
			for i := range most {
				r := benchfmt.Result{Config: settings.config(), Name: benchfmt.Name(group[0].Series + "/stack=" + group[0].Stack), Iters: 1}
				if group[0].Stack == "" {
					r.Name = benchfmt.Name(group[0].Series)
				}
				for _, f := range group {
					if i < len(f.Values) {
						r.Values = append(r.Values, benchfmt.Value{Value: f.Values[i], Unit: f.Unit})
					}
				}
				if err := out.Write(&r); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func cmpOr(a, b record.Better) record.Better {
	if a != "" {
		return a
	}
	return b
}

// lines are the figures by their benchmark, sorted by name, so that the file
// changes only where a figure does.
func (b *Baseline) lines(ratios bool) [][]Figure {
	type key struct{ series, stack string }
	groups := make(map[key][]Figure)
	var order []key
	for _, f := range b.Figures {
		if f.Ratio() != ratios {
			continue
		}
		k := key{f.Series, f.Stack}
		if groups[k] == nil {
			order = append(order, k)
		}
		groups[k] = append(groups[k], f)
	}
	slices.SortFunc(order, func(a, b key) int {
		return strings.Compare(a.series+"/stack="+a.stack, b.series+"/stack="+b.stack)
	})
	var list [][]Figure
	for _, k := range order {
		list = append(list, groups[k])
	}
	return list
}

// Ratio reports whether the figure is one of those with many values.
func (f Figure) Ratio() bool { return f.Unit == CPURatio || f.Unit == P50Ratio }

// Limited reports whether the figure may differ by so much and be the same.
func (f Figure) Limited() bool {
	u, _ := UnitOf(f.Unit)
	return u.Kind == Limited
}

// Of returns a figure, and whether there is one.
func (b *Baseline) Of(p Place) (Figure, bool) {
	i := slices.IndexFunc(b.Figures, func(f Figure) bool { return f.Place == p })
	if i < 0 {
		return Figure{}, false
	}
	return b.Figures[i], true
}

// Add adds a value.
func (b *Baseline) Add(p Place, v float64) {
	i := slices.IndexFunc(b.Figures, func(f Figure) bool { return f.Place == p })
	if i < 0 {
		i = len(b.Figures)
		b.Figures = append(b.Figures, Figure{Place: p})
	}
	b.Figures[i].Values = append(b.Figures[i].Values, v)
}

// ErrFormat is wrapped by the error for a file that is no baseline, or one of
// another format.
var ErrFormat = errors.New("not a baseline that this program reads")

// ReadBaseline reads a file. One that is damaged is an error as a whole: it is
// what others are held against. Where there is none the error is
// [fs.ErrNotExist].
func ReadBaseline(name string) (*Baseline, error) {
	text, problems, err := record.ReadText(name, true)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the baseline: %w; write one: compare baseline", err)
	}
	if err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	if len(problems) > 0 {
		return nil, fmt.Errorf("%w: %v", ErrFormat, problems[0])
	}
	b, err := ParseBaseline(name, text)
	return b, err
}

// ParseBaseline reads the text of a file.
func ParseBaseline(name string, text []byte) (*Baseline, error) {
	b := &Baseline{Settings: make(Settings), Ratios: make(Settings)}
	r := benchfmt.NewReader(bytes.NewReader(text), name)
	for r.Scan() {
		if wrong, bad := r.Result().(*benchfmt.SyntaxError); bad {
			return nil, fmt.Errorf("%w: %w", ErrFormat, wrong)
		}
		result, ok := r.Result().(*benchfmt.Result)
		if !ok {
			continue
		}
		settings := make(Settings)
		for _, c := range result.Config {
			if c.File {
				settings[c.Key] = string(c.Value)
			}
		}
		switch format, err := strconv.Atoi(settings["baseline"]); {
		case err != nil || format < 1:
			return nil, fmt.Errorf("%w: %s: it has no setting \"baseline\"; compare baseline writes one", ErrFormat, name)
		case format > BaselineFormat:
			return nil, fmt.Errorf("%w: %s has format %d, and this program reads up to %d: read it with the version that wrote it", ErrFormat, name, format, BaselineFormat)
		}
		_, line := result.Pos()
		place := Place{Series: string(result.Name)}
		if i := strings.LastIndex(place.Series, "/stack="); i >= 0 {
			place.Series, place.Stack = place.Series[:i], place.Series[i+len("/stack="):]
		}
		for _, v := range result.Values {
			if _, known := UnitOf(v.Unit); !known {
				return nil, fmt.Errorf("%w: %s:%d: nothing is known of the unit %s: read it with the version that wrote it, or take it out and have the file written anew: compare baseline",
					ErrFormat, name, line, v.Unit)
			}
			place.Unit = v.Unit
			f := Figure{Place: place}
			if f.Ratio() {
				if !(v.Value > 0) {
					return nil, fmt.Errorf("%w: %s: the ratio %v of %v is not a positive number", ErrFormat, name, v.Value, place)
				}
				b.Ratios = settings
			} else {
				b.Settings = settings
				if _, twice := b.Of(place); twice {
					return nil, fmt.Errorf("%w: %s has two values of %v", ErrFormat, name, place)
				}
			}
			b.Add(place, v.Value)
		}
	}
	if err := r.Err(); err != nil {
		return nil, fmt.Errorf("read the baseline: %w", err)
	}
	if len(b.Figures) == 0 {
		return nil, fmt.Errorf("%w: %s holds no figures", ErrFormat, name)
	}
	return b, nil
}

// Save writes the file in one go. Where the name is a link, what it leads to is
// written, and the link stays.
func (b *Baseline) Save(name string) error {
	var text bytes.Buffer
	if err := b.Write(&text); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	if info, err := os.Lstat(name); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		if name, err = filepath.EvalSymlinks(name); err != nil {
			return fmt.Errorf("write the baseline: a link that leads nowhere: %w: make the file, or remove the link", err)
		}
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
		return fmt.Errorf("write the baseline: %w", err)
	}
	temp := name + ".tmp"
	err := os.WriteFile(temp, text.Bytes(), 0o666)
	if err == nil {
		err = os.Rename(temp, name)
	}
	if err != nil {
		os.Remove(temp)
		return fmt.Errorf("write the baseline: %w", err)
	}
	return nil
}

// toolchain are units that depend on the version of Go, and on what it compiles
// for, beside the code.
var toolchain = []string{"binary-B", "binary-over-B", "one-node-over-B", "packages", "std-packages", "server-allocs/msg", "server-alloc-B/msg"}

// ToolchainSettings are those that say which version of Go that is, and for what it
// compiles.
var ToolchainSettings = []string{"goos", "goarch", "go"}

// Comparable says why a unit of a baseline cannot be compared with what is
// measured now, or "". Node says that the figure is of a stack in which Node runs, or
// whose twin it does: ratios depend on its version, and what is exact does not.
func (b *Baseline) Comparable(unit string, node bool, now Settings) string {
	keys := []string{}
	if slices.Contains(toolchain, unit) {
		keys = ToolchainSettings
	}
	settings := b.Settings
	if (Figure{Place: Place{Unit: unit}}).Ratio() {
		keys, settings = append(slices.Clone(ToolchainSettings), "cpu", "cores", "machine"), b.Ratios
		if node {
			keys = append(keys, "node")
		}
	}
	for _, key := range keys {
		if settings[key] != now[key] {
			return fmt.Sprintf("%s is %q in the baseline and %q here", key, settings[key], now[key])
		}
		if key == "machine" && now[key] == "" {
			return "neither the machine of the baseline nor this one has an id, and two that are alike are two"
		}
	}
	return ""
}

// StoredShift is what a ratio must differ by from a stored one, by the estimate;
// and all of its interval must be beyond MinShift. The stored one was measured
// once, so that what the machine did that day is in it for good, and no second
// batch takes it out: both are held against the same sample.
const StoredShift = 0.10

// unpaired compares two samples that were measured apart: Mann and Whitney's
// test and the estimate that belongs to it, the median of all differences, on
// logarithms, with the normal approximation; see Hollander, Wolfe and Chicken,
// chapter 4.
func unpaired(base, head []float64) (*Batch, error) {
	n, m := len(base), len(head)
	if n == 0 || m == 0 {
		return nil, errors.New("nothing to compare")
	}
	for _, v := range slices.Concat(base, head) {
		if !(v > 0) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("the ratio %v is not a positive number", v)
		}
	}
	var shifts []float64
	u := 0.0
	for _, h := range head {
		for _, b := range base {
			d := math.Log(h / b)
			shifts = append(shifts, d)
			switch {
			case d > 0:
				u++
			case d == 0:
				u += 0.5
			}
		}
	}
	slices.Sort(shifts)
	nm := float64(n * m)
	sigma := math.Sqrt(nm * float64(n+m+1) / 12)
	b := &Batch{Base: base, Head: head, Ratio: math.Exp(record.Median(shifts))}
	z := max(0, math.Abs(u-nm/2)-0.5) / sigma
	b.P = math.Erfc(z / math.Sqrt2)
	k := int(nm/2 - quantile95*sigma)
	if n < rule.MinPairs || m < rule.MinPairs || k < 1 {
		return b, nil
	}
	b.Low, b.High = math.Exp(shifts[k-1]), math.Exp(shifts[len(shifts)-k])
	half := math.Log(b.High/b.Low) / 2
	b.Finds = math.Expm1(max(math.Log1p(StoredShift), math.Log1p(MinShift)+half) + half*quantilePower/quantile95)
	b.Fired = b.P < Alpha && (b.Ratio >= 1+StoredShift && b.Low >= 1+MinShift ||
		b.Ratio <= 1/(1+StoredShift) && b.High <= 1/(1+MinShift))
	return b, nil
}
