package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"wsvsio/internal/capture"
	"wsvsio/lessons"
	"wsvsio/scenarios"
)

// lessonsCommand builds the lessons as pages. The connections on them are made
// meanwhile, the numbers in their text are those of recorded runs.
func lessonsCommand(c *call) error {
	out := c.flags.String("out", "", "folder for the pages, which is made if it is not there")
	if err := c.parse(); err != nil {
		return err
	}
	if *out == "" {
		return usagef("-out is missing: the folder for the pages")
	}
	stacks, err := chooseStacks("", scenarios.Full)
	if err != nil {
		return err
	}
	machine, can, err := c.look(stacks)
	if err != nil {
		return err
	}
	if machine.Root == "" {
		return errors.New("the folder of the repository was not found, and the lessons are in it: run compare from inside")
	}
	ctx, cancel := c.untilStopped()
	defer cancel()
	source := lessons.NewSource(machine.Root, func(stack string) (*capture.Capture, error) {
		i := slices.IndexFunc(can, func(s scenarios.Stack) bool { return s.Name == stack })
		if i < 0 {
			return nil, lessons.ErrNoWire
		}
		return captureOne(ctx, machine, can[i], capture.DefaultSize)
	})
	shown, err := chooseStacks(wireStacks(), scenarios.Full)
	if err != nil {
		return err
	}
	all, left, err := c.capture(shown, capture.DefaultSize)
	if err != nil {
		return err
	}
	pages, err := source.Pages(all, left)
	if ctx.Err() != nil {
		return errInterrupted
	}
	if err != nil {
		return err
	}
	if err := lessons.Write(*out, pages); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "%d pages; begin with %s\n", len(pages), filepath.Join(*out, lessons.Index))
	return nil
}
