package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"wsvsio/bench"
	"wsvsio/internal/capture"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
	"wsvsio/scenarios"
)

// wireDefault are the stacks that are shown if none are named: each transport
// once or, where it can be had in both, once for each runtime.
var wireDefault = []string{"rawws", "sio", "rawws-node", "sio-node", "sio-node-polling", "sio-node-default", "sio-js-polling", "sio-js-default"}

// wireStacks are their names as a list.
func wireStacks() string { return strings.Join(wireDefault, ",") }

// wireViews are the formats of captures.
var wireViews = map[string]func(w io.Writer, all []*capture.Capture, left []record.LeftOut, every bool) error{
	"table": func(w io.Writer, all []*capture.Capture, _ []record.LeftOut, every bool) error {
		for _, c := range all {
			if err := c.Table(w, every); err != nil {
				return err
			}
		}
		return report.WriteSheets(w, capture.Sheets(all), report.Sheet.Terminal)
	},
	"markdown": func(w io.Writer, all []*capture.Capture, _ []record.LeftOut, every bool) error {
		for _, c := range all {
			if err := c.Markdown(w, every); err != nil {
				return err
			}
		}
		return report.WriteSheets(w, capture.Sheets(all), report.Sheet.Markdown)
	},
	"json": func(w io.Writer, all []*capture.Capture, left []record.LeftOut, _ bool) error {
		return capture.JSON(w, all, left)
	},
}

func wireCommand(c *call) error {
	list := c.flags.String("stack", "", "stacks to show, separated by commas (default "+wireStacks()+", as far as this machine can run them)")
	size := c.flags.Int("size", capture.DefaultSize, "bytes of a message's body")
	format := c.flags.String("format", "table", "table, markdown or json")
	every := c.flags.Bool("all", false, "show every byte in hexadecimal, where long fields are shortened otherwise (json always has them)")
	if err := c.parse(); err != nil {
		return err
	}
	view, err := chooseFormat(*format, wireViews)
	if err != nil {
		return err
	}
	if err := within("size", *size, 0, maxSize); err != nil {
		return err
	}
	names := *list
	if names == "" {
		names = wireStacks()
	}
	stacks, err := chooseStacks(names, scenarios.Full)
	if err != nil {
		return err
	}
	for _, s := range stacks {
		if why := unheard(s); why != "" {
			return usagef("-stack %s: %s", s.Name, why)
		}
	}
	all, left, err := c.capture(stacks, *size)
	if err != nil {
		return err
	}
	return view(c.stdout, all, left, *every)
}

// unheard is why there is nothing to capture of a stack, "" if there is.
func unheard(s scenarios.Stack) string {
	switch {
	case s.Absent != "":
		return s.Absent
	case s.Refused != "":
		return s.Refused
	case !s.IsChat():
		return "it is no chat, and has no client"
	}
	return ""
}

// capture captures what this machine can run of the stacks, and says what it
// cannot. There is an error if that is all of them.
func (c *call) capture(stacks []scenarios.Stack, size int) ([]*capture.Capture, []record.LeftOut, error) {
	machine, can, err := c.look(stacks)
	if err != nil {
		return nil, nil, err
	}
	for _, l := range machine.LeftOut {
		fmt.Fprintf(c.stderr, "left out: %s: %s; to add it: %s\n", l.Stack, l.Reason, l.Mend)
	}
	if len(can) == 0 {
		return nil, nil, errors.New("this machine can run none of the stacks, see above")
	}
	ctx, cancel := c.untilStopped()
	defer cancel()
	var all []*capture.Capture
	for _, s := range can {
		one, err := captureOne(ctx, machine, s, size)
		if ctx.Err() != nil {
			return nil, nil, errInterrupted
		}
		if err != nil {
			return nil, nil, err
		}
		all = append(all, one)
	}
	return all, machine.LeftOut, nil
}

func captureOne(ctx context.Context, m bench.Machine, s scenarios.Stack, size int) (*capture.Capture, error) {
	env := bench.NewEnv(ctx, m)
	defer env.Close()
	return capture.Run(ctx, env, s, size)
}
