package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"wsvsio/bench"
	"wsvsio/internal/conformance"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// programs are those of the stacks, and the server that the checks of the
// protocols talk to.
func programs() worker.Programs {
	p := bench.Programs()
	p[conformance.Program] = worker.Program{Path: scenarios.PathSIO, NewServer: conformance.NewServer}
	return p
}

// conformanceDoc is what the checks have found, as JSON has it.
type conformanceDoc struct {
	Format  int              `json:"format"`
	Targets []checkedTarget  `json:"targets"`
	LeftOut []record.LeftOut `json:"leftOut,omitempty"`
}

// checkedTarget is a server and what came of its checks.
type checkedTarget struct {
	conformance.Target
	Results  []conformance.Result  `json:"results"`
	Meetings []conformance.Meeting `json:"meetings"` // with a client of the other version

	// Misuse is what it does with bad input over polling.
	Misuse []conformance.BadAnswer `json:"misuse"`

	// Client is what the library's own client of the other version says, "" if
	// that was not tried.
	Client string `json:"client,omitempty"`
}

// conformanceViews are the formats of the checks.
var conformanceViews = map[string]func(conformanceDoc, io.Writer) error{
	"table":    func(d conformanceDoc, w io.Writer) error { return d.write(w, report.Sheet.Terminal) },
	"markdown": func(d conformanceDoc, w io.Writer) error { return d.write(w, report.Sheet.Markdown) },
	"json": func(d conformanceDoc, w io.Writer) error {
		data, err := json.MarshalIndent(d, "", " ")
		if err != nil {
			return err
		}
		_, err = w.Write(append(data, '\n'))
		return err
	},
}

// errSurprise says that a library does not do what it is known to do.
var errSurprise = errors.New("a library keeps other rules than it is known to, see above")

func conformanceCommand(c *call) error {
	format := c.flags.String("format", "table", "table, markdown or json (with every rule and what was seen)")
	if err := c.parse(); err != nil {
		return err
	}
	view, err := chooseFormat(*format, conformanceViews)
	if err != nil {
		return err
	}
	var stacks []scenarios.Stack
	for _, t := range conformance.Targets() {
		stacks = append(stacks, scenarios.Stack{Name: t.Name, Protocol: protocolOf(t.Version), Server: t.Server})
	}
	machine, can, err := c.look(stacks)
	if err != nil {
		return err
	}
	doc := conformanceDoc{Format: 1, LeftOut: machine.LeftOut}
	surprise := false
	for _, t := range conformance.Targets() {
		for _, s := range can {
			if s.Name != t.Name {
				continue
			}
			checked, err := c.check(machine, t, s)
			if err != nil {
				return err
			}
			for _, r := range checked.Results {
				if r.Surprise {
					surprise = true
					fmt.Fprintf(c.stderr, "%s: %s is not as it is known: %s %s\n", t.Name, r.Check.Name, r.Outcome, r.Seen)
				}
			}
			doc.Targets = append(doc.Targets, checked)
		}
	}
	if err := view(doc, c.stdout); err != nil {
		return err
	}
	for _, l := range machine.LeftOut {
		fmt.Fprintf(c.stderr, "left out: %s: %s; to add it: %s\n", l.Stack, l.Reason, l.Mend)
	}
	if surprise {
		return errSurprise
	}
	return nil
}

// protocolOf returns the protocol of a version.
func protocolOf(v conformance.Version) scenarios.Protocol {
	if v == conformance.EIO3 {
		return scenarios.ProtocolEIO3
	}
	return scenarios.ProtocolEIO4
}

// check starts the servers of a target and runs its checks. Bad input has one of
// its own: what comes of that is not to be what a check has left behind.
func (c *call) check(machine bench.Machine, t conformance.Target, s scenarios.Stack) (checked checkedTarget, err error) {
	checked.Target = t
	ctx, cancel := c.untilStopped()
	defer cancel()
	env := bench.NewEnv(ctx, machine)
	defer env.Close()
	var servers, misused conformance.Servers
	for url, cfg := range map[*string]scenarios.ServerConfig{
		&servers.Calm: conformance.Calm, &servers.Hasty: conformance.Hasty, &misused.Calm: conformance.Calm,
	} {
		node, err := env.Serve(ctx, s, cfg)
		if err != nil {
			return checked, err
		}
		// Some checks leave the server with connections that it does not end.
		defer node.Kill()
		*url = node.URL()
	}
	if checked.Results, err = t.Run(ctx, servers); err == nil {
		checked.Meetings, err = t.Meet(ctx, servers)
	}
	if err == nil {
		checked.Misuse, err = t.Misuse(ctx, misused)
	}
	if err == nil {
		checked.Client, err = refusal(ctx, env, machine, t, servers.Calm)
	}
	if err != nil && ctx.Err() != nil && c.ctx.Err() == nil {
		err = errInterrupted
	}
	return checked, err
}

// refusal has the library's own client of the other version connect, and
// returns what it says. Where it cannot be run it says nothing.
func refusal(ctx context.Context, env *bench.Env, machine bench.Machine, t conformance.Target, url string) (string, error) {
	other := protocolOf(conformance.EIO3 + conformance.EIO4 - t.Version)
	client := scenarios.Stack{Name: "clients that " + t.Name + " refuses", Protocol: other, Client: scenarios.Program{Node: "sio/node/client.mjs"}}
	if _, can, err := bench.Look(ctx, []scenarios.Stack{client}); err != nil || len(can) == 0 {
		return "", err
	}
	crew, err := env.Clients(ctx, client)
	if err != nil {
		return "", err
	}
	defer crew.Kill()
	var said []string
	for _, transport := range []string{scenarios.Polling, scenarios.WebSocket} {
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		peer, err := crew.Dial(limited, url, scenarios.DialConfig{Name: "ann", Protocol: other, Transports: []string{transport}})
		cancel()
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err == nil:
			peer.Close()
			said = append(said, fmt.Sprintf("over %s: connected", transport))
		default:
			// The rest says whose client it was.
			_, text, _ := strings.Cut(err.Error(), "cannot connect: ")
			if text == "" {
				text = err.Error()
			}
			said = append(said, fmt.Sprintf("over %s: cannot connect: %s", transport, text))
		}
	}
	return strings.Join(said, "; "), nil
}

// write writes the document as tables.
func (d conformanceDoc) write(w io.Writer, view func(report.Sheet, io.Writer) error) error {
	for _, s := range d.sheets() {
		if err := view(s, w); err != nil {
			return err
		}
	}
	return nil
}

func (d conformanceDoc) sheets() []report.Sheet {
	s := report.Sheet{Title: "what the servers keep of their protocols", Head: []string{"area", "rule"}}
	met := report.Sheet{Title: "what a client of the other version sees"}
	kept := []string{"", "kept"}
	for _, t := range d.Targets {
		s.Head = append(s.Head, t.Name)
		n, all := 0, 0
		for _, r := range t.Results {
			if r.Outcome != conformance.Absent {
				all++
			}
			if r.Outcome == conformance.Kept {
				n++
			}
			if r.Outcome == conformance.Broken {
				why := r.Known
				if why == "" {
					why = r.Seen
				}
				s.Notes = append(s.Notes, fmt.Sprintf("%s, %s: %s", t.Name, r.Check.Name, why))
			}
		}
		if t.Flaky != "" {
			s.Notes = append(s.Notes, fmt.Sprintf("%s, now and then: %s", t.Name, t.Flaky))
		}
		kept = append(kept, fmt.Sprintf("%d of %d", n, all))
		other := conformance.EIO3 + conformance.EIO4 - t.Version
		for _, m := range t.Meetings {
			met.Notes = append(met.Notes, fmt.Sprintf("%s to a client of Engine.IO %d %v", t.Name, int(other), m))
		}
		if t.Client != "" {
			version := map[conformance.Version]string{conformance.EIO3: "2", conformance.EIO4: "4"}[other]
			met.Notes = append(met.Notes, fmt.Sprintf("socket.io-client %s to %s: %s", version, t.Name, t.Client))
		}
	}
	s.Texts = len(s.Head)
	area := ""
	for i, c := range conformance.Checks() {
		row := []string{"", c.Name}
		if c.Area != area {
			row[0], area = c.Area, c.Area
		}
		for _, t := range d.Targets {
			row = append(row, string(t.Results[i].Outcome))
		}
		s.Rows = append(s.Rows, row)
	}
	s.Rows = append(s.Rows, kept)
	for _, l := range d.LeftOut {
		s.Notes = append(s.Notes, fmt.Sprintf("left out: %s: %s; to add it: %s", l.Stack, l.Reason, l.Mend))
	}
	rules := report.Sheet{Title: "the rules, from the public documents of the protocols"}
	for _, c := range conformance.Checks() {
		text := c.Name + ": " + c.Rule + " (" + c.Where
		if c.Only != 0 {
			text += "; in version " + strconv.Itoa(int(c.Only)) + " of Engine.IO alone"
		}
		rules.Notes = append(rules.Notes, text+")")
	}
	return []report.Sheet{s, met, d.misuse(), rules}
}

// misuse is what the servers do with bad input. Most of it leaves all sessions as
// they were; what does not is said.
func (d conformanceDoc) misuse() report.Sheet {
	s := report.Sheet{Title: "what the servers do with bad input over polling", Head: []string{"input"}}
	for _, t := range d.Targets {
		s.Head = append(s.Head, t.Name)
	}
	s.Texts = len(s.Head)
	for i, input := range conformance.BadInputs() {
		row := []string{input.Name}
		for _, t := range d.Targets {
			a := t.Misuse[i]
			text := a.Status()
			if !a.Own {
				text += "; the session has ended"
			}
			if !a.Bystander {
				text += "; another's has ended"
			}
			row = append(row, text)
		}
		s.Rows = append(s.Rows, row)
		s.Notes = append(s.Notes, input.Name+": "+input.About)
	}
	s.Notes = append(s.Notes, "There is no rule for it, so this is told and not judged. The fallback of rawws refuses what is unknown, malformed, out of order or too large with a status and a reason, passes over what is replayed, and ends no session for it; its tests hold it to that.")
	return s
}
