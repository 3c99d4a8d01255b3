package stacktest

import (
	"context"
	"fmt"
	"strings"

	"wsvsio/scenarios"
)

// Transcript plays one fixed script and returns what each client did ("> ")
// and saw, in order. It leaves out what differs by nature, such as times,
// transports and the texts of errors: on every stack it is the same.
//
// Every step waits until all that it brings about has been seen, so that each
// client's part has one order. The parts stand one after the other: between
// clients there is no order.
func Transcript(
	ctx context.Context, env scenarios.Env, stack scenarios.Stack,
) (string, error) {
	b := &Bench{Env: env, Stack: stack, Patience: DefaultPatience}
	return transcript(ctx, b)
}

func transcript(ctx context.Context, b *Bench) (text string, err error) {
	err = play(func(s *stage) { text = script(s) })(ctx, b)
	return text, err
}

// script plays the script of Transcript.
func script(s *stage) string {
	srv, crew := s.serve(scenarios.ServerConfig{}), s.crew()
	var parts []*part
	enter := func(name string) *part {
		p := &part{client: crew.dial(srv.URL(), name)}
		p.seen(scenarios.EventUp)
		parts = append(parts, p)
		return p
	}
	ann, bob, cat := enter("ann"), enter("bob"), enter("cat")
	dan := enter("Dan \"ダン\" <1>")

	ann.does("join lobby", func() { ann.join("lobby") })
	bob.does("join lobby", func() { bob.join("lobby") })
	ann.seen(scenarios.EventJoined)
	cat.does("join lobby", func() { cat.join("lobby") })
	ann.seen(scenarios.EventJoined)
	bob.seen(scenarios.EventJoined)
	dan.does("join side", func() { dan.join("side") })
	bob.does("join side", func() { bob.join("side") })
	dan.seen(scenarios.EventJoined)

	say := func(from *part, room, body string, to ...*part) {
		from.does("say to "+room, func() { from.say(room, body) })
		for _, p := range to {
			p.seen(scenarios.EventMessage)
		}
	}
	say(ann, "lobby", "hello", ann, bob, cat)
	say(bob, "lobby", "", ann, bob, cat)
	say(bob, "side", "only here", bob, dan)
	say(dan, "lobby", "from outside", ann, bob, cat)
	say(dan, "side", "“ünï” 日本 👩‍🚀 e\u0301 \u2028", bob, dan)
	say(cat, "lobby", "\"\\\x00\x1f\x7f\r\n\t<script>&amp;", ann, bob, cat)

	announce := func(from *part, body string, to ...*part) {
		from.does("announce", func() { from.announce(body) })
		for _, p := range to {
			p.seen(scenarios.EventAnnounce)
		}
	}
	announce(ann, "to all", parts...)

	cat.does("join without a name: refused", func() {
		s.refused("join", func(ctx context.Context) error {
			return cat.Join(ctx, "")
		})
	})
	cat.does("leave lobby", func() { cat.leave("lobby") })
	say(ann, "lobby", "without cat", ann, bob)
	bob.does("leave side", func() { bob.leave("side") })
	say(ann, "side", "without bob", dan)
	cat.does("join lobby", func() { cat.join("lobby") })
	ann.seen(scenarios.EventJoined)
	bob.seen(scenarios.EventJoined)

	for len(parts) > 0 {
		first := parts[0]
		announce(first, "goodbye", parts...)
		first.does("close", first.close)
		first.seen(scenarios.EventDown)
		first.does("say to lobby: refused", func() {
			m := first.write("lobby", "too late")[0]
			s.refused("send", func(ctx context.Context) error {
				return first.Send(ctx, m)
			})
		})
		parts = parts[1:]
	}
	return strings.Join([]string{
		ann.text(), bob.text(), cat.text(), dan.text(),
	}, "\n")
}

// part is one client's part of the transcript.
type part struct {
	*client
	steps []step
	want  int // events that it should have seen by now
}

// step is something that the client did after so many events.
type step struct {
	after int
	what  string
}

// does notes a step and takes it.
func (p *part) does(what string, f func()) {
	p.steps = append(p.steps, step{p.want, what})
	f()
}

// seen waits for one more event, which must be of that kind.
func (p *part) seen(kind scenarios.EventKind) {
	p.want++
	events, err := p.await(func(events []scenarios.Event) bool {
		return len(events) >= p.want
	})
	if err != nil {
		p.stage.failf("%s does not see %q: %w", p.name, kind, err)
	}
	if got := events[p.want-1]; got.Kind != kind {
		p.stage.failf("%s sees %s instead of %q", p.name, line(got), kind)
	}
}

// text returns the part, one line for each step and event.
func (p *part) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s:\n", p.name)
	steps := p.steps
	for i, e := range p.Events() {
		for ; len(steps) > 0 && steps[0].after <= i; steps = steps[1:] {
			fmt.Fprintf(&b, "> %s\n", steps[0].what)
		}
		fmt.Fprintf(&b, "%s\n", line(e))
	}
	for _, s := range steps {
		fmt.Fprintf(&b, "> %s\n", s.what)
	}
	return b.String()
}

// line returns an event without what differs between stacks.
func line(e scenarios.Event) string {
	if e.Message == (scenarios.Message{}) {
		return string(e.Kind)
	}
	m := e.Message
	return fmt.Sprintf("%s %q %q %d %+q", e.Kind, m.Room, m.From, m.Seq, m.Body)
}
