package worker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"wsvsio/scenarios"
)

// Version of the control protocol. It has to be raised when a field gets another
// meaning or goes, and when there is a field more in what a worker answers or tells:
// of a worker that does not have it, it would be read as zero. A field more in a
// request does not need that: a worker that does not know it refuses the request.
// testdata/wire.txt has the fields of this version. Workers of version 1 passed over
// fields that they did not know.
const Version = 2

// Role says what a worker holds.
type Role string

// The roles.
const (
	Server  Role = "server"
	Clients Role = "clients"
	Load    Role = "load"
)

// Start is the first request.
type Start struct {
	Protocol int    `json:"protocol"`
	Role     Role   `json:"role"`
	Program  string `json:"program"`
	Addr     string `json:"addr,omitempty"` // where a server listens

	Config scenarios.ServerConfig `json:"config,omitzero"`

	// Where the browser listens whose pages the clients are, and the folder with
	// the npm packages that they use.
	Browser  string `json:"browser,omitempty"`
	Packages string `json:"packages,omitempty"`
}

// Started is its answer.
type Started struct {
	Protocol int    `json:"protocol"`
	PID      int    `json:"pid"`
	Runtime  string `json:"runtime"`
	Addr     string `json:"addr,omitempty"`
}

// ClientArgs are the arguments of the requests to a worker with clients.
type ClientArgs struct {
	Client  int                  `json:"client"`
	URL     string               `json:"url,omitempty"`
	Config  scenarios.DialConfig `json:"config,omitzero"`
	Room    string               `json:"room,omitempty"`
	Message scenarios.Message    `json:"message,omitzero"`
}

// ConnectArgs are the arguments of connect, the request to the load generator
// that says whom to load and how.
type ConnectArgs struct {
	URL  string             `json:"url"`
	Path string             `json:"path"`
	Spec scenarios.LoadSpec `json:"spec"`
}

// request is one line to a worker.
type request struct {
	ID   int64           `json:"id"`
	Cmd  string          `json:"cmd"`
	Args json.RawMessage `json:"args,omitempty"`
}

// version returns an error if a request to start is one of another version: of such a
// one nobody knows what its fields mean.
func (r request) version() error {
	var s struct{ Protocol int }
	if err := json.Unmarshal(r.Args, &s); err != nil {
		return fmt.Errorf("%s: arguments: %w", r.Cmd, err)
	}
	if s.Protocol != Version {
		return fmt.Errorf("this worker speaks control protocol %d, not %d", Version, s.Protocol)
	}
	return nil
}

// unknownField is in the answer of a worker that does not know a field, in Node, too.
const unknownField = "this worker knows no field "

// into reads the arguments of a request. A field that this program does not know is
// an error: to pass over it would be to run with another configuration than the one
// that was asked for.
func (r request) into(v any) error {
	d := json.NewDecoder(bytes.NewReader(r.Args))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	if err == nil {
		return nil
	}
	// Package json has no type for this one.
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return fmt.Errorf("%s: %s%s, of control protocol %d", r.Cmd, unknownField, name, Version)
	}
	return fmt.Errorf("%s: arguments: %w", r.Cmd, err)
}

// reply is one line from a worker: an answer if it has an ID, else an event.
type reply struct {
	ID     int64            `json:"id,omitempty"`
	Result json.RawMessage  `json:"result,omitempty"`
	Error  string           `json:"error,omitempty"`
	Client int              `json:"client,omitempty"`
	Event  *scenarios.Event `json:"event,omitempty"`
}

// parseReply reads a line from a worker.
func parseReply(line []byte) (reply, error) {
	var r reply
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("control pipe: %w in %.80q", err, line)
	}
	if answer := r.ID != 0 || r.Error != ""; answer == (r.Event != nil) {
		return r, fmt.Errorf("control pipe: neither answer nor event: %.80q", line)
	}
	return r, nil
}

// parseRequest reads a line to a worker.
func parseRequest(line []byte) (request, error) {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("control pipe: %w in %.80q", err, line)
	}
	if r.ID <= 0 || r.Cmd == "" {
		return r, fmt.Errorf("control pipe: request without id or cmd: %.80q", line)
	}
	return r, nil
}
