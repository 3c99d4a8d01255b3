// Package exercise judges the exercises of the lessons.
//
// An exercise is the file exercise.go in the folder of its lesson; what it has to
// do the check in exercise_test.go says, and a solution stands in the folder
// solution. To have yours judged:
//
//	go test ./lessons/overhead -run Exercise
//
// As long as the file is as it came, it must fail the check, or the check would
// be none; go test ./lessons/... leaves it out then, so that all is well before
// anybody has begun. As soon as it is changed, or asked for by name, it is judged.
package exercise

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// limit is how long a check may take. Its context ends then, and after a while
// more it is not waited for any longer.
const limit = 20 * time.Second

// Endless is what is said of a solution that does not come to an end.
const Endless = "waits for itself"

// Judge runs the check on what is given in exercise.go. The sum is that of the
// file as it came, 12 digits of its SHA-256.
func Judge[T any](t *testing.T, sum string, given T, check func(context.Context, T) error) {
	t.Helper()
	text, err := os.ReadFile("exercise.go")
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256(text)
	got := hex.EncodeToString(hash[:6])
	err = run(t.Context(), limit, given, check)
	switch {
	case err == nil && got == sum:
		t.Error("the check passes what has not been solved yet: it is no check")
	case err == nil:
		t.Log("well done")
	case got == sum && !asked():
		t.Skipf("not solved yet: %v", err)
	case got == sum:
		t.Errorf("not solved yet: %v", err)
	default:
		t.Errorf("%v\n(if you maintain this exercise and have changed what it begins with, its sum is %s now)", err, got)
	}
}

// Solved runs the check on the solution, which has to pass.
func Solved[T any](t *testing.T, solution T, check func(context.Context, T) error) {
	t.Helper()
	if err := run(t.Context(), limit, solution, check); err != nil {
		t.Error(err)
	}
}

// Refused runs the check on a solution that is wrong on purpose: it has to fail,
// and to say why in these words. Where it is to wait for ever, that is not
// waited for as long as a student's.
func Refused[T any](t *testing.T, why string, wrong T, check func(context.Context, T) error) {
	t.Helper()
	patience := limit
	if why == Endless {
		patience /= 20
	}
	if err := run(t.Context(), patience, wrong, check); err == nil || !strings.Contains(err.Error(), why) {
		t.Errorf("of a wrong solution the check says %v, want %q", err, why)
	}
}

// run runs a check that may take as long as patience. One that does not come to
// an end is left behind: it waits where nobody can wake it.
func run[T any](ctx context.Context, patience time.Duration, given T, check func(context.Context, T) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	said := make(chan error, 1)
	go func() {
		defer close(said)
		said <- check(ctx, given)
	}()
	late := time.NewTimer(patience + patience/4)
	defer late.Stop()
	select {
	case err, ok := <-said:
		if !ok {
			return errors.New("the check broke off; what stands above says why")
		}
		return err
	case <-late.C:
		return fmt.Errorf("there is no end to it after %v: it %s, or goes round in circles. Does a handler run, or something wait, while a lock is held?", patience, Endless)
	}
}

// asked reports whether the exercise was asked for by name.
func asked() bool {
	f := flag.Lookup("test.run")
	return f != nil && strings.Contains(f.Value.String(), "Exercise")
}
