package stacktest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"wsvsio/scenarios"
)

// DefaultPatience is how long Run and Transcript wait for what must happen. A
// stack that works needs milliseconds; the rest is for a busy machine.
const DefaultPatience = 10 * time.Second

// attempts is how often a case with a known defect is run until it fails, and
// a case of a flaky stack until it passes: some defects are races that a
// single run does not show.
const attempts = 20

// Case is one rule and the experiment that shows whether a stack keeps it.
type Case struct {
	Name string // one word, the key in Stack.Known
	Rule string // the sentence that is quoted when it is broken

	// Run returns an error when the rule is broken. It ends what it started.
	Run func(ctx context.Context, b *Bench) error
}

// Bench is what a case runs on.
type Bench struct {
	Env   scenarios.Env
	Stack scenarios.Stack

	// Patience is how long to wait until a client sees what it must see. A
	// request has DefaultPatience, at least, to be answered.
	Patience time.Duration
}

// Run runs every case as a subtest. A case in s.Known must fail, within
// several attempts; it fails the test once it passes. Of a stack whose server
// refuses its clients only that is tested.
func Run(t *testing.T, env scenarios.Env, s scenarios.Stack) {
	t.Helper()
	if err := checkKnown(s); err != nil {
		t.Error(err)
	}
	b := &Bench{Env: env, Stack: s, Patience: DefaultPatience}
	if s.Refused != "" {
		if err := refuses(t.Context(), b); err != nil {
			t.Errorf("%s: %v", s.Name, err)
		}
		t.Logf("no client gets in: %s", s.Refused)
		return
	}
	for _, c := range Cases() {
		t.Run(c.Name, func(t *testing.T) {
			note, err := judge(t.Context(), b, c)
			if err != nil {
				t.Errorf("%s: %v\nthe rule: %s", s.Name, err, c.Rule)
			}
			if note != "" {
				t.Log(note)
			}
		})
	}
}

// checkKnown returns an error if the stack excuses a case that does not exist.
func checkKnown(s scenarios.Stack) error {
	for _, name := range slices.Sorted(maps.Keys(s.Known)) {
		named := func(c Case) bool { return c.Name == name }
		if !slices.ContainsFunc(Cases(), named) {
			return fmt.Errorf("%s: Known names no case: %q", s.Name, name)
		}
	}
	return nil
}

// refuses returns an error unless the stack's server lets no client in.
func refuses(ctx context.Context, b *Bench) error {
	return play(func(s *stage) {
		srv, crew := s.serve(scenarios.ServerConfig{}), s.crew()
		var late bool
		err := s.try(func(ctx context.Context) error {
			_, err := crew.Dial(ctx, srv.URL(), s.Stack.Dial("ann"))
			late = ctx.Err() != nil
			return err
		})
		switch {
		case err == nil:
			s.failf("a client gets in now: remove Refused (%s)",
				s.Stack.Refused)
		case late:
			s.failf("a client is not refused, it has no answer: %w", err)
		}
	})(ctx, b)
}

// judge runs a case and says whether the stack did as it should: the case
// passed or, with a known defect, failed. The note then tells of the defect.
// On a flaky stack it may fail now and then, but has to pass, too.
func judge(ctx context.Context, b *Bench, c Case) (note string, err error) {
	defect, known := b.Stack.Known[c.Name]
	tries := 1
	if known || b.Stack.Flaky != "" {
		tries = attempts
	}
	var failed error
	for range tries {
		err := c.Run(ctx, b)
		if ctx.Err() != nil || errors.Is(err, errSetUp) {
			return "", err // the defect had no chance to show
		}
		switch {
		case known && err != nil:
			return fmt.Sprintf("known defect: %s: %v", defect, err), nil
		case !known && err == nil && failed != nil:
			return fmt.Sprintf("flaky: %s: %v", b.Stack.Flaky, failed), nil
		case !known && err == nil:
			return "", nil
		}
		failed = err
	}
	if known {
		return "", fmt.Errorf("passes now: remove the entry %q from Known (%s)",
			c.Name, defect)
	}
	return "", failed
}
