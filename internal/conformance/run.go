package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/gorilla/websocket"

	"wsvsio/scenarios"
)

// Outcome says how a check has ended.
type Outcome string

// The outcomes.
const (
	Kept   Outcome = "yes"
	Broken Outcome = "no"
	Absent Outcome = "n/a" // there is no such rule in this version of the protocol
)

// Result is the outcome of a check on a target.
type Result struct {
	Check   Check   `json:"check"`
	Outcome Outcome `json:"outcome"`
	Seen    string  `json:"seen,omitempty"`  // what the server did instead
	Known   string  `json:"known,omitempty"` // what it is known to do instead

	// Tries is how often the check was run: a flaky target has several, and
	// one that keeps the rule once keeps it, unless it is known to break it.
	Tries int `json:"tries"`

	// Surprise says that the outcome is not the one that is known.
	Surprise bool `json:"surprise,omitempty"`
}

// atOnce is how many checks run side by side. What counts is what happens, not
// when.
const atOnce = 8

// Run runs all checks on a target and returns their results in their order. The
// error is that of the context.
func (t Target) Run(ctx context.Context, s Servers) ([]Result, error) {
	checks := Checks()
	results := make([]Result, len(checks))
	turn := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i, c := range checks {
		turn <- struct{}{}
		all.Go(func() {
			defer func() { <-turn }()
			results[i] = t.judge(ctx, c, s)
		})
	}
	all.Wait()
	return results, ctx.Err()
}

// mostTries is how often a check of a flaky target is run until it passes.
const mostTries = 20

// knownTries is how often a check that is known to fail is run until it does. What
// a library loses only where two of its goroutines meet in one order passes now and
// then; fewer than mostTries, for a flaky one could fail for another reason.
const knownTries = 5

// judge runs a check. Where a busy machine or a flaky library could be the
// reason that it fails, or luck the reason that it passes, it is run again.
func (t Target) judge(ctx context.Context, c Check, s Servers) Result {
	r := Result{Check: c, Known: t.Known[c.Name]}
	tries := 1
	switch {
	case r.Known != "":
		tries = knownTries
	case t.Flaky != "":
		tries = mostTries
	}
	var err error
	for r.Tries < tries && (r.Tries == 0 || (err == nil) == (r.Known != "") && ctx.Err() == nil) {
		err = c.Run(ctx, t.Version, s, Patience)
		r.Tries++
		if errors.Is(err, ErrNotInVersion) {
			break
		}
		if r.Known == "" && errors.Is(err, context.DeadlineExceeded) {
			// Not for as often as that: whoever waits in vain so long is not
			// flaky.
			err = c.Run(ctx, t.Version, s, 4*Patience)
			r.Tries++
			break
		}
	}
	switch {
	case errors.Is(err, ErrNotInVersion):
		r.Outcome = Absent
	case err != nil:
		r.Outcome, r.Seen = Broken, oneLine(err.Error())
	default:
		r.Outcome = Kept
	}
	r.Surprise = (r.Outcome == Broken) != (r.Known != "")
	return r
}

// oneLine returns a text in one line.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Meeting is what a server says to a client of the other version of the
// protocol.
type Meeting struct {
	Client    Version  `json:"client"`
	Transport string   `json:"transport"`
	Status    int      `json:"status"` // of the HTTP answer
	Said      []string `json:"said"`   // its body, or the frames of the WebSocket and how it ended
}

// String returns the meeting in a sentence.
func (m Meeting) String() string {
	var said []string
	for _, text := range m.Said {
		said = append(said, fmt.Sprintf("%q", text))
	}
	return fmt.Sprintf("over %s: status %d, %s", m.Transport, m.Status, strings.Join(said, ", then "))
}

// Meet opens a session in the other version than the server's, over both
// transports, and returns what the server says.
func (t Target) Meet(ctx context.Context, s Servers) ([]Meeting, error) {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	other := EIO3 + EIO4 - t.Version
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	p := &play{ctx: ctx, cancel: cancel, version: other, base: s.Calm, http: &http.Client{Transport: transport}}
	defer func() {
		for _, end := range p.ends {
			end()
		}
	}()
	a, err := p.request(http.MethodGet, p.own(scenarios.Polling, ""), "")
	if err != nil {
		return nil, fmt.Errorf("meet %s in version %d: %w", t.Name, other, err)
	}
	met := []Meeting{{other, scenarios.Polling, a.status, []string{oneLine(a.body)}}}
	conn, a, err := p.dial(p.own(scenarios.WebSocket, ""))
	if a.status == 0 {
		return nil, fmt.Errorf("meet %s in version %d: %w", t.Name, other, err)
	}
	m := Meeting{Client: other, Transport: scenarios.WebSocket, Status: a.status}
	if err != nil {
		m.Said = append(m.Said, oneLine(a.body))
		return append(met, m), nil
	}
	// It lets the client in, to say something else: a client of version 4 asks
	// for a namespace then.
	for range 2 {
		_, text, err := conn.ReadMessage()
		if err != nil {
			m.Said = append(m.Said, oneLine(err.Error()))
			break
		}
		m.Said = append(m.Said, string(text))
		if other == EIO4 && len(m.Said) == 1 {
			if err := conn.WriteMessage(websocket.TextMessage, []byte("40")); err != nil {
				m.Said = append(m.Said, oneLine(err.Error()))
				break
			}
		}
	}
	return append(met, m), nil
}
