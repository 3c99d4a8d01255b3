package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"wsvsio/bench"
	"wsvsio/internal/daemon"
	"wsvsio/scenarios"
	"wsvsio/scenarios/proxy"
)

func listCommand(c *call) error {
	paths := c.flags.Bool("paths", false, "list the paths of the scenario proxy instead")
	if err := c.parse(); err != nil {
		return err
	}
	if *paths {
		return listPaths(c)
	}
	machine, _, err := c.look(bench.Stacks())
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "STACK\tWHAT IT IS\tSERVER\tCLIENT\tTRANSPORTS")
	for _, s := range bench.Stacks() {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Name, s.About, s.Server, s.Client, strings.Join(s.Mode.Transports, ", "))
	}
	fmt.Fprintln(w, "\nSCENARIO\tCASE\tCLIENTS\tBODY\tMESSAGES/S\tIN")
	for _, sc := range allScenarios() {
		quick := make(map[scenarios.Case]bool)
		row := func(k scenarios.Case, in string) {
			rate, size := "", ""
			if k.Rate > 0 {
				rate = rateText(k.Rate)
			}
			if k.Size > 0 {
				size = fmt.Sprintf("%d B", k.Size)
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%s\t%s\n", sc.Name(), k.Name, k.Clients, size, rate, in)
		}
		// full spends more time on the cases of quick, and has some more.
		same := func(k scenarios.Case) scenarios.Case {
			return scenarios.Case{Name: k.Name, Clients: k.Clients, Size: k.Size, Rate: k.Rate}
		}
		for _, k := range sc.Cases(scenarios.Quick) {
			quick[same(k)] = true
			row(k, "quick, full")
		}
		for _, k := range sc.Cases(scenarios.Full) {
			if !quick[same(k)] {
				row(k, "full")
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, l := range machine.LeftOut {
		fmt.Fprintf(c.stdout, "\n%s cannot run here: %s\n  to add it: %s\n", l.Stack, l.Reason, l.Mend)
	}
	return nil
}

// listPaths tells what each path of the scenario proxy is, and of those that
// are programs the configuration with which they are what they are.
func listPaths(c *call) error {
	w := tabwriter.NewWriter(c.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PATH\tWHAT IT IS")
	for _, r := range proxy.Routes() {
		fmt.Fprintf(w, "%s\t%s\n", r.Name, r.About)
	}
	for _, n := range proxy.AllNodes() {
		fmt.Fprintf(w, "%s\t%s\n", n.Name, n.About)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range daemon.Programs() {
		there := "which is not installed: " + p.Package + " is the package"
		if _, version, err := p.Find(c.ctx); err == nil {
			there = "here " + version
		}
		for _, k := range daemon.Kinds() {
			if k.Program.Name == p.Name {
				config := strings.ReplaceAll(strings.TrimSpace(k.Config()), "\n", "\n    ")
				fmt.Fprintf(c.stdout, "\n%s: %s (%s, %s)\n    %s\n", k.Name, k.About, p.Name, there, config)
			}
		}
	}
	return nil
}
