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
	"flag"
	"os"
	"strings"
	"testing"
	"time"
)

// limit is how long a check may take.
const limit = 20 * time.Second

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
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err = check(ctx, given)
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
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	if err := check(ctx, solution); err != nil {
		t.Error(err)
	}
}

// asked reports whether the exercise was asked for by name.
func asked() bool {
	f := flag.Lookup("test.run")
	return f != nil && strings.Contains(f.Value.String(), "Exercise")
}
