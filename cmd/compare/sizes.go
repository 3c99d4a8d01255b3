package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/codesize"
	"wsvsio/scenarios"
)

// allScenarios are those of the suite and the code. That is not in bench, which
// would link what takes JavaScript apart into all that measures.
func allScenarios() []scenarios.Scenario { return append(bench.Scenarios(), newSizes()) }

// sizes is the scenario that counts the code, so that a run holds that too: what
// one writes for what was measured. Nothing is started for it, and a case is a
// scenario that there is code for.
type sizes struct {
	root    string // of the repository; "" if there is none
	measure func(context.Context, string) (*codesize.Report, error)
}

// newSizes returns the scenario. It counts once, whatever the number of cells.
func newSizes() *sizes {
	var once sync.Once
	var report *codesize.Report
	var err error
	return &sizes{measure: func(ctx context.Context, root string) (*codesize.Report, error) {
		once.Do(func() { report, err = codesize.Measure(ctx, root) })
		return report, err
	}}
}

// at tells the parts of a plan where the code is.
func at(root string, parts []bench.Part) {
	for _, p := range parts {
		if z, ok := p.Scenario.(*sizes); ok {
			z.root = root
		}
	}
}

// codeName maps a case to the code that it counts. That of broadcast is the chat
// itself, which all the others build on.
var codeName = map[string]string{"chat": "broadcast"}

// broughtAlong is the case that counts what comes along.
const broughtAlong = "libraries"

// buildWindow is how long it may take to build what is counted: with nothing in
// the cache of the go command and a busy machine, minutes.
const buildWindow = 5 * time.Minute

// Name implements scenarios.Scenario.
func (*sizes) Name() string { return "size" }

// Cases implements scenarios.Scenario.
func (*sizes) Cases(scenarios.Profile) []scenarios.Case {
	var list []scenarios.Case
	for _, name := range []string{"chat", "reconnect", "proxy", "fallback", "cluster", broughtAlong} {
		list = append(list, scenarios.Case{Name: name, Once: true, Outcome: true, Window: buildWindow})
	}
	return list
}

// Run implements scenarios.Scenario.
func (z *sizes) Run(ctx context.Context, _ scenarios.Env, s scenarios.Stack, c scenarios.Case, rec scenarios.Recorder) error {
	own := false
	for _, side := range codesize.Sides {
		for _, l := range codesize.Languages {
			own = own || side.Stack(l) == s.Name
		}
	}
	if !own {
		return scenarios.Unsupported("it has no code of its own: that of its two ends is counted with rawws, sio, rawws-node and sio-node")
	}
	if z.root == "" {
		return scenarios.Unsupported("the folder of the repository was not found, and the code is in it: run compare from inside the repository")
	}
	r, err := z.measure(ctx, z.root)
	if err != nil {
		return err
	}
	figures := r.Brought(s.Name)
	if c.Name != broughtAlong {
		code := c.Name
		if name, ok := codeName[code]; ok {
			code = name
		}
		figures = r.Figures(code, s.Name)
	}
	if len(figures) == 0 {
		var why []error
		for _, l := range r.LeftOut {
			why = append(why, fmt.Errorf("%s; to add it: %s", l.Reason, l.Mend))
		}
		if len(why) > 0 && c.Name == broughtAlong {
			return scenarios.Unsupported("%s", strings.ReplaceAll(errors.Join(why...).Error(), "\n", "; "))
		}
		return scenarios.Unsupported("there is no code for it")
	}
	for _, f := range figures {
		rec.Value(f.Unit, f.Value)
	}
	for _, p := range r.Problems {
		rec.Doubt("not all of the code could be counted: " + below(z.root, p.String()))
	}
	return nil
}
