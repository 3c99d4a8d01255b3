package conformance

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"wsvsio/scenarios"
)

// Version is that of Engine.IO, which decides that of Socket.IO: 3 is spoken
// with Socket.IO protocol 4, 4 with 5.
type Version int

// The versions.
const (
	EIO3 Version = 3
	EIO4 Version = 4
)

// Check is one rule and the experiment that shows whether a server keeps it.
type Check struct {
	Name  string `json:"name"`
	Area  string `json:"area"`  // "handshake", "heartbeat", …
	Rule  string `json:"rule"`  // the sentence that is quoted when it is broken
	Where string `json:"where"` // in which document, or beside it

	// Only is the version whose document has the rule, 0 if both have it.
	Only Version `json:"only,omitempty"`

	run func(*play)
}

// Target is a server that is checked.
type Target struct {
	Name    string            `json:"name"`
	Version Version           `json:"version"`
	Server  scenarios.Program `json:"server"`

	// Flaky is a defect of the library that makes any check fail now and then,
	// "" if there is none. A check is then tried several times.
	Flaky string `json:"flaky,omitempty"`

	// Known maps the name of a check to what the library does instead. The
	// tests fail once such a check passes.
	Known map[string]string `json:"known,omitempty"`
}

// Patience is how long a check waits for what must happen. A server that works
// needs milliseconds, and one with the timers of Hasty a second and a half.
const Patience = 5 * time.Second

// The timers of the servers. Most checks need a server that leaves them alone,
// some one whose heartbeat is due soon.
var (
	Calm  = scenarios.ServerConfig{PingInterval: 25 * time.Second, PingTimeout: 20 * time.Second}
	Hasty = scenarios.ServerConfig{PingInterval: 300 * time.Millisecond, PingTimeout: time.Second}
)

// Servers are where a target's server can be reached, with either timers:
// "http://127.0.0.1:41234".
type Servers struct {
	Calm, Hasty string
}

// ErrNotInVersion says that the protocol of a target does not have a rule.
var ErrNotInVersion = errors.New("not in this version of the protocol")

// Run returns an error that says what the server did instead if it breaks the
// rule. It is ErrNotInVersion if there is no such rule for its version, and that
// of the context if it has ended.
func (c Check) Run(ctx context.Context, v Version, s Servers, patience time.Duration) (err error) {
	if c.Only != 0 && c.Only != v {
		return ErrNotInVersion
	}
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	transport := &http.Transport{}
	p := &play{
		ctx: limited, cancel: cancel, version: v, servers: s, base: s.Calm,
		http: &http.Client{Transport: transport},
	}
	defer func() {
		for _, end := range p.ends {
			end()
		}
		transport.CloseIdleConnections()
		switch broke := recover().(type) {
		case nil:
		case broken:
			err = broke.error
			if ctx.Err() != nil {
				err = ctx.Err()
			}
		default:
			panic(broke)
		}
	}()
	c.run(p)
	return nil
}

// play is one run of a check.
type play struct {
	ctx     context.Context
	cancel  context.CancelFunc
	version Version
	servers Servers
	base    string // the server that is talked to
	framed  bool   // polling carries binary as it is, in Engine.IO 3
	http    *http.Client
	ends    []func() // called when the run is over
}

// broken is what a run panics with when a rule is broken.
type broken struct{ error }

// failf ends the run: the rule is broken.
func (p *play) failf(format string, args ...any) { panic(broken{fmt.Errorf(format, args...)}) }

// hasty goes over to the server whose heartbeat is due soon.
func (p *play) hasty() { p.base = p.servers.Hasty }
