package codesize

import "slices"

// Figure is a figure of the code in a unit of package record.
type Figure struct {
	Unit  string
	Value float64
}

// Figures returns what the code of a scenario counts at the two ends of a stack,
// both together: none if it is not the stack of a side.
func (r *Report) Figures(scenario, stack string) []Figure {
	var list []Figure
	for _, side := range Sides {
		for _, l := range Languages {
			if side.Stack(l) != stack {
				continue
			}
			sum, ok := r.Total(scenario, side, l)
			if !ok {
				continue
			}
			for _, g := range slices.Concat(amounts, concerns) {
				if v, ok := g.of(sum); ok {
					list = append(list, Figure{g.unit, float64(v)})
				}
			}
		}
	}
	return list
}

// Brought returns what the libraries of a stack bring along: of Go what is linked,
// of Node what is installed, all of it, and the least that a browser loads.
func (r *Report) Brought(stack string) []Figure {
	var list []Figure
	add := func(unit string, v int64) {
		if v > 0 {
			list = append(list, Figure{unit, float64(v)})
		}
	}
	for _, l := range r.Linked {
		if l.Side.Stack(Go) == stack {
			add("modules", int64(len(l.Modules)))
			add("packages", int64(l.Packages))
			add("binary-over-B", l.Over)
		}
	}
	installed := make(map[string]bool)
	for _, i := range r.Installed {
		if i.Side.Stack(JavaScript) == stack {
			for _, p := range i.Packages {
				installed[p] = true
			}
		}
	}
	add("npm-packages", int64(len(installed)))
	least := 0
	for _, b := range r.Bundles {
		if b.Side.Stack(JavaScript) == stack && (least == 0 || b.Gzip < least) {
			least = b.Gzip
		}
	}
	add("bundle-gzip-B", int64(least))
	return list
}
