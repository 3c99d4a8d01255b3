package codesize

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/perf/benchfmt"

	"wsvsio/internal/record"
)

// Benchmark writes the figures in the Go benchmark format. All of them are
// exact: benchstat compares them by value.
//
//	BenchmarkSize/scenario=broadcast/file=server/stack=rawws 1 239 statements …
//
// The names are those of the stacks of package bench, so that benchstat -col
// /stack puts the sides next to each other.
func (r *Report) Benchmark(w io.Writer) error {
	out := benchfmt.NewWriter(w)
	for _, u := range r.units() {
		for _, meta := range [][2]string{{"better", string(record.UnitOf(u).Better)}, {"assume", "exact"}} {
			err := out.Write(&benchfmt.UnitMetadata{
				UnitMetadataKey: benchfmt.UnitMetadataKey{Unit: u, Key: meta[0]}, OrigUnit: u, Value: meta[1],
			})
			if err != nil {
				return fmt.Errorf("write the unit %s: %w", u, err)
			}
		}
	}
	config := []benchfmt.Config{{Key: "pkg", Value: []byte("wsvsio"), File: true}}
	if r.Go != "" {
		config = append(config,
			benchfmt.Config{Key: "goos", Value: []byte(targetOS), File: true},
			benchfmt.Config{Key: "goarch", Value: []byte(targetArch), File: true},
			benchfmt.Config{Key: "go", Value: []byte(r.Go), File: true})
	}
	line := func(name string, values []benchfmt.Value) error {
		if len(values) == 0 {
			return nil
		}
		return out.Write(&benchfmt.Result{Config: config, Name: benchfmt.Name("Size/" + name), Iters: 1, Values: values})
	}
	value := func(unit string, v int64) benchfmt.Value { return benchfmt.Value{Value: float64(v), Unit: unit} }
	for _, f := range r.Files {
		var values []benchfmt.Value
		for _, g := range slices.Concat(amounts, concerns) {
			if v, ok := g.of(f); ok {
				values = append(values, value(g.unit, int64(v)))
			}
		}
		base := strings.TrimSuffix(f.Name, f.Language.extension())
		if err := line(fmt.Sprintf("scenario=%s/file=%s/stack=%s", f.Scenario, base, f.Stack), values); err != nil {
			return err
		}
	}
	for _, l := range r.Linked {
		values := []benchfmt.Value{
			value("modules", int64(len(l.Modules))), value("packages", int64(l.Packages)), value("std-packages", int64(l.Standard)),
		}
		if l.Binary > 0 {
			values = append(values, value("binary-B", l.Binary), value("binary-over-B", l.Over))
		}
		if l.OneNode > 0 {
			values = append(values, value("one-node-over-B", l.OneNode))
		}
		if err := line("linked/stack="+l.Side.Stack(Go), values); err != nil {
			return err
		}
	}
	for _, i := range r.Installed {
		name := fmt.Sprintf("installed=%s/stack=%s", i.Package, i.Side.Stack(JavaScript))
		if err := line(name, []benchfmt.Value{value("npm-packages", int64(len(i.Packages)))}); err != nil {
			return err
		}
	}
	for _, b := range r.Bundles {
		name := fmt.Sprintf("page=%s/stack=%s", strings.ReplaceAll(b.Library, " ", "@"), b.Side.Stack(JavaScript))
		err := line(name, []benchfmt.Value{value("bundle-B", int64(b.Min)), value("bundle-gzip-B", int64(b.Gzip))})
		if err != nil {
			return err
		}
	}
	return nil
}
