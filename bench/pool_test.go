package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// outcomePlan is a plan of cases of which the outcome alone counts, two cells at
// a time. They are a and b; c runs alone.
func outcomePlan(f fake) Plan {
	p := fakePlan(1, f)
	p.Parts[0].Cases = []scenarios.Case{
		{Name: "a", Once: true, Outcome: true, Abreast: 2},
		{Name: "b", Once: true, Outcome: true, Abreast: 2},
		{Name: "c", Once: true},
	}
	return p
}

// TestPool has cells of one case begin before those of another are done, two of
// them at a time, and passes each on as it is done, before those of the next case
// that runs alone.
func TestPool(t *testing.T) {
	var mu sync.Mutex
	began, now, most := 0, 0, 0
	across := make(chan struct{})
	cells, err := runPlan(t, outcomePlan(func(scenarios.Stack, int) error {
		mu.Lock()
		began++
		n := began
		if now++; now > most {
			most = now
		}
		mu.Unlock()
		switch n {
		case 3: // the last of a waits for the first of b
			<-across
		case 4:
			close(across)
		}
		mu.Lock()
		defer mu.Unlock()
		now--
		return nil
	}), nil)
	if err != nil || most != 2 {
		t.Errorf("%d at a time, %v", most, err)
	}
	var names []string
	for i, c := range cells {
		names = append(names, fmt.Sprintf("%s%d", c.Case.Name, c.Order))
		if c.Error != "" {
			t.Errorf("cell %d: %+v", i, c)
		}
	}
	if len(names) == 9 {
		slices.Sort(names[:6])
	}
	if want := []string{"a1", "a2", "a3", "b1", "b2", "b3", "c1", "c2", "c3"}; !slices.Equal(names, want) {
		t.Errorf("cells %v, want %v", names, want)
	}
}

// TestPoolStops keeps what has begun, and does not begin the rest.
func TestPoolStops(t *testing.T) {
	stop := make(chan struct{})
	var once sync.Once
	cells, err := runPlan(t, outcomePlan(func(scenarios.Stack, int) error {
		once.Do(func() { close(stop) })
		return nil
	}), stop)
	// The second may have begun before the first told to stop.
	if !errors.Is(err, ErrStopped) || len(cells) < 1 || len(cells) > 2 {
		t.Errorf("%d cells, %v", len(cells), err)
	}
}

// TestPoolFails goes on after a cell that fails, and not where there is nobody to
// tell.
func TestPoolFails(t *testing.T) {
	plan := outcomePlan(func(s scenarios.Stack, _ int) error {
		if s.Name == "s2" {
			return errors.New("no luck")
		}
		return nil
	})
	cells, err := runPlan(t, plan, nil)
	failed := 0
	for _, c := range cells {
		if c.Error == "no luck" {
			failed++
		}
	}
	if err != nil || len(cells) != 9 || failed != 3 {
		t.Errorf("%d cells, %d failed, %v", len(cells), failed, err)
	}
	full := errors.New("disk full")
	told := 0
	err = Run(t.Context(), Machine{}, plan, nil, func(record.Cell) {}, func(record.Cell) error {
		told++
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("%d told, error %v", told, err)
	}
}

// TestCrews has a process with clients serve another cell once its clients are
// closed, unless there may be some that nobody knows of.
func TestCrews(t *testing.T) {
	s := named("rawws")[0]
	kept := newCrews(t.Context())
	defer kept.close()
	open := func() (*Env, scenarios.Node) {
		env := NewEnv(t.Context(), Machine{})
		t.Cleanup(env.Close)
		env.crews = kept
		node, err := env.Serve(t.Context(), s, scenarios.ServerConfig{})
		if err != nil {
			t.Fatal(err)
		}
		return env, node
	}
	clients := func(env *Env) *crew {
		c, err := env.Clients(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return c.(*crew)
	}
	env, node := open()
	first := clients(env)
	p, err := first.Dial(t.Context(), node.URL(), s.Dial("ann"))
	if err != nil {
		t.Fatal(err)
	}
	if other := clients(env); other.PID() == first.PID() {
		t.Error("a process is in two hands")
	}
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	if events := p.Events(); !isDown(events) {
		t.Errorf("the client of a cell that is over saw %v", events)
	}
	env.Close() // what was given back lives on

	env, node = open()
	again := clients(env)
	if again.PID() != first.PID() {
		t.Fatal("the process is not taken again")
	}
	if _, err := again.Dial(t.Context(), node.URL(), s.Dial("bob")); err != nil {
		t.Fatal(err)
	}
	if n := len(p.Events()); !isDown(p.Events()) || n == 0 {
		t.Error("the client of another cell sees more")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := again.Dial(over, node.URL(), s.Dial("cyd")); err == nil {
		t.Fatal("dialed with a context that is over")
	}
	if err := again.Stop(t.Context()); err != nil {
		t.Error(err)
	}
	if third := clients(env); third.PID() == first.PID() {
		t.Error("a process is taken again that may have a client nobody knows of")
	}
}

// TestCrewDies has the process of clients end by itself: that is no outcome.
func TestCrewDies(t *testing.T) {
	env := NewEnv(t.Context(), Machine{})
	defer env.Close()
	c, err := env.Clients(t.Context(), named("rawws")[0])
	if err != nil {
		t.Fatal(err)
	}
	p := c.(*crew).Process
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Exited()
	if err := c.Kill(); err == nil {
		t.Error("nobody is told")
	}
}

// TestCrewDiesIdle has a process end by itself while nobody uses it, and while
// somebody does who has no client: it is not given to the next cell.
func TestCrewDiesIdle(t *testing.T) {
	kept := newCrews(t.Context())
	defer kept.close()
	env := NewEnv(t.Context(), Machine{})
	defer env.Close()
	env.crews = kept
	s := named("rawws")[0]
	clients := func() *crew {
		c, err := env.Clients(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		return c.(*crew)
	}
	die := func(c *crew) {
		if err := syscall.Kill(c.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-c.Exited()
	}
	first := clients()
	if err := first.Kill(); err != nil {
		t.Fatal(err)
	}
	die(first)
	second := clients()
	if second.PID() == first.PID() {
		t.Fatal("a process that is gone is taken again")
	}
	die(second)
	if err := second.Kill(); err == nil {
		t.Error("nobody is told that it ended by itself")
	}
}
