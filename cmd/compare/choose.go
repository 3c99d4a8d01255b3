package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/scenarios"
)

// split takes apart a comma-separated list; "" is no list.
func split(list string) []string {
	var items []string
	for item := range strings.SplitSeq(list, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// choose picks from all what list names, in the order of all; "" names all.
func choose[T any](what, list string, all []T, name func(T) string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	wanted := split(list)
	if len(wanted) == 0 {
		return nil, usagef("-%s names nothing", what)
	}
	var names []string
	for _, v := range all {
		names = append(names, name(v))
	}
	for _, w := range wanted {
		if !slices.Contains(names, w) {
			slices.Sort(names)
			return nil, usagef("unknown %s %q; there are %s", what, w, strings.Join(slices.Compact(names), ", "))
		}
	}
	var chosen []T
	for _, v := range all {
		if slices.Contains(wanted, name(v)) {
			chosen = append(chosen, v)
		}
	}
	return chosen, nil
}

// chooseStacks picks the stacks that list names; "" names all that are not
// extra, and these too in the full profile.
func chooseStacks(list string, profile scenarios.Profile) ([]scenarios.Stack, error) {
	all := bench.Stacks()
	if list == "" && profile != scenarios.Full {
		all = slices.DeleteFunc(all, func(s scenarios.Stack) bool { return s.Extra })
	}
	return choose("stack", list, all, func(s scenarios.Stack) string { return s.Name })
}

// override is what the command line says of the cases; zero says nothing.
type override struct {
	clients, size             int
	rate                      float64
	pingInterval, pingTimeout time.Duration
}

// apply changes the cases that have such a parameter. A case with one client
// stays one: that is what it is about.
func (o override) apply(c scenarios.Case) scenarios.Case {
	if o.clients > 0 && c.Clients > 1 {
		c.Clients = o.clients
	}
	if o.size > 0 && c.Size > 0 {
		c.Size = o.size
	}
	if o.rate > 0 && c.Rate > 0 {
		c.Rate = o.rate
	}
	if t := &c.Timers; *t != (scenarios.Timers{}) && o.pingInterval+o.pingTimeout > 0 {
		t.PingInterval = cmp.Or(o.pingInterval, t.PingInterval)
		t.PingTimeout = cmp.Or(o.pingTimeout, t.PingTimeout)
		// Who notices a silence at the end of the heartbeat is waited for, and
		// nobody for much longer.
		before := t.Limit
		t.Limit = 3*(t.PingInterval+t.PingTimeout) + 2*t.MaxDelay
		c.Window += time.Duration(max(1, c.Samples)) * (max(0, t.Limit-before) + t.PingInterval)
	}
	return c
}

// chooseParts picks scenarios and cases.
func chooseParts(scenarioList, caseList string, profile scenarios.Profile, o override) ([]bench.Part, error) {
	chosen, err := choose("scenario", scenarioList, allScenarios(), scenarios.Scenario.Name)
	if err != nil {
		return nil, err
	}
	type candidate struct {
		scenario scenarios.Scenario
		c        scenarios.Case
	}
	var all []candidate
	for _, sc := range chosen {
		cases := sc.Cases(profile)
		if caseList != "" && profile != scenarios.Full {
			// Who names a case that takes its time wants it.
			for _, c := range sc.Cases(scenarios.Full) {
				if !slices.ContainsFunc(cases, func(have scenarios.Case) bool { return have.Name == c.Name }) {
					cases = append(cases, c)
				}
			}
		}
		for _, c := range cases {
			if caseList != "" || !c.OnRequest {
				all = append(all, candidate{sc, o.apply(c)})
			}
		}
	}
	all, err = choose("case", caseList, all, func(c candidate) string { return c.c.Name })
	if err != nil {
		return nil, err
	}
	var parts []bench.Part
	for _, sc := range chosen {
		part := bench.Part{Scenario: sc}
		seen := make(map[string]bool)
		for _, c := range all {
			// With sizes or clients overridden, cases can become the same.
			if c.scenario.Name() == sc.Name() && !seen[c.c.String()] {
				seen[c.c.String()] = true
				part.Cases = append(part.Cases, c.c)
			}
		}
		if len(part.Cases) > 0 {
			parts = append(parts, part)
		}
	}
	return parts, nil
}

// within checks a number that was given on the command line.
func within[T int | float64 | time.Duration](name string, v, low, high T) error {
	if !(v >= low && v <= high) { // which NaN is not, either
		return usagef("-%s is %v; it must be from %v to %v", name, v, low, high)
	}
	return nil
}

func chooseProfile(name string) (scenarios.Profile, error) {
	p := scenarios.Profile(name)
	if p != scenarios.Quick && p != scenarios.Full {
		return p, usagef("unknown profile %q; there are %s, %s", name, scenarios.Full, scenarios.Quick)
	}
	return p, nil
}

func rateText(r float64) string {
	return strings.TrimSuffix(fmt.Sprintf("%.1f", r), ".0")
}
