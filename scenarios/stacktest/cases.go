package stacktest

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"wsvsio/scenarios"
)

// Cases returns the rules of the chat, the simple ones first.
func Cases() []Case {
	return []Case{
		{
			"join",
			"a client that has joined a room gets what is sent to it from then on",
			play(join),
		}, {
			"leave",
			"a client that has left a room hears nothing more of it",
			play(leave),
		}, {
			"joined",
			"when a client joins a room the others in it are told, and nobody else",
			play(joined),
		}, {
			"join-again",
			"to join a room again changes nothing",
			play(joinAgain),
		}, {
			"room",
			"a message goes to the members of its room, the sender included if it is one",
			play(room),
		}, {
			"rooms",
			"a message does not leak into another room",
			play(rooms),
		}, {
			"many-rooms",
			"a client may be in several rooms, and leaves each on its own",
			play(manyRooms),
		}, {
			"announce",
			"an announcement goes to every client once, whatever rooms it is in",
			play(announce),
		}, {
			"order",
			"messages of one sender arrive in the order in which they were sent",
			play(order),
		}, {
			"empty-body",
			"an empty body is a message like any other",
			play(emptyBody),
		}, {
			"large-body",
			"a body of 64 KiB arrives whole",
			play(largeBody),
		}, {
			"utf8",
			"bodies, rooms and names are any UTF-8 text",
			play(utf8Text),
		}, {
			"escape",
			"bytes that JSON must escape arrive as they were sent",
			play(escape),
		}, {
			"concurrent-senders",
			"with many senders at once every message arrives, in order per sender",
			play(concurrentSenders),
		}, {
			"concurrent-sends",
			"one client may send from several goroutines at once",
			play(concurrentSends),
		}, {
			"both-ways",
			"clients that all send and receive at once do not block one another",
			play(bothWays),
		}, {
			"client-gone",
			"clients that close or die while a broadcast runs take nothing from the others",
			play(clientGone),
		}, {
			"close",
			"a client that closes is told once that it is down, and the server forgets it",
			play(closing),
		}, {
			"send-after-close",
			"a closed client refuses to send, announce, join and leave",
			play(sendAfterClose),
		}, {
			"shutdown",
			"a server that shuts down tells every client once and lets nobody in",
			play(shutdown),
		}, {
			"oversized",
			"a message over the limit reaches nobody, and its sender is disconnected",
			play(oversized),
		}, {
			"oversized-reason",
			"the sender of a message over the limit is told why it is disconnected",
			play(oversizedReason),
		}, {
			"origin",
			"a client from another origin is refused with 403, unless it is listed",
			play(origin),
		}, {
			"empty-room",
			"a room without a name is refused",
			play(emptyRoom),
		}, {
			"upgrade",
			"what a client says the instant it is connected arrives, whatever its transport does",
			play(upgrade),
		}, {
			"large-room",
			"in a room of fifty every delivery is accounted for",
			play(largeRoom),
		},
	}
}

func join(s *stage) {
	srv, crew := s.serve(scenarios.ServerConfig{}), s.crew()
	ann := crew.dialAtOnce(srv.URL(), s.Stack.Dial("ann"))
	events, err := ann.await(func(events []scenarios.Event) bool {
		return len(events) > 0
	})
	if err != nil {
		s.failf("ann is not told that it is connected: %w", err)
	}
	if e := events[0]; e.Kind != scenarios.EventUp || e.Transport == "" {
		s.failf("ann first sees %q on transport %q, not up", e.Kind, e.Transport)
	}
	ann.settle()
	bob := crew.dial(srv.URL(), "bob")

	ann.join("r")
	before := bob.say("r", "bob is not in the room")
	ann.sees(scenarios.EventMessage, before...)
	bob.join("r")
	after := bob.say("r", "now it is")
	ann.sees(scenarios.EventMessage, append(before, after...)...)
	bob.sees(scenarios.EventMessage, after...)
}

func leave(s *stage) {
	c := s.room("r", "ann", "bob")
	ann, bob := c[0], c[1]
	bob.join("side")
	before := ann.say("r", "one", "two")
	bob.sees(scenarios.EventMessage, before...)
	bob.leave("r")
	after := ann.say("r", "three", "four")
	mark := ann.say("side", "end")
	bob.sees(scenarios.EventMessage, append(before, mark...)...)
	ann.sees(scenarios.EventMessage, append(before, after...)...)
}

func joined(s *stage) {
	srv, crew := s.serve(scenarios.ServerConfig{}), s.crew()
	other := crew.members(srv.URL(), "other", "dan")[0]
	c := crew.members(srv.URL(), "r", "ann", "bob", "cat")
	told := func(name string) scenarios.Message {
		return scenarios.Message{
			Room: "r", From: name, Body: scenarios.JoinedBody,
		}
	}
	c[0].sees(scenarios.EventJoined, told("bob"), told("cat"))
	c[1].sees(scenarios.EventJoined, told("cat"))

	// The one that joined and the one in the other room must not be told.
	mark := c[0].say("r", "end")
	markOther := c[0].say("other", "end")
	c[2].sees(scenarios.EventMessage, mark...)
	c[2].sees(scenarios.EventJoined)
	other.sees(scenarios.EventMessage, markOther...)
	other.sees(scenarios.EventJoined)
}

func joinAgain(s *stage) {
	c := s.room("r", "ann", "bob")
	ann, bob := c[0], c[1]
	bob.join("r")
	ms := ann.say("r", "once", "end")
	bob.sees(scenarios.EventMessage, ms...)
	bob.leave("r")
	bob.join("side")
	ann.say("r", "bob has left")
	mark := ann.say("side", "end")
	bob.sees(scenarios.EventMessage, append(ms, mark...)...)
}

func room(s *stage) {
	srv, crew := s.serve(scenarios.ServerConfig{}), s.crew()
	c := crew.members(srv.URL(), "r", "ann", "bob")
	guest := crew.members(srv.URL(), "side", "cat")[0]
	ms := c[0].say("r", "from a member")
	c[1].sees(scenarios.EventMessage, ms...)
	ms = append(ms, guest.say("r", "from a guest")...)
	mark := guest.say("side", "end")
	c[0].sees(scenarios.EventMessage, ms...)
	c[1].sees(scenarios.EventMessage, ms...)
	guest.sees(scenarios.EventMessage, mark...)
}

func rooms(s *stage) {
	srv, crew := s.serve(scenarios.ServerConfig{}), s.crew()
	red := crew.members(srv.URL(), "red", "ann", "bob")
	blue := crew.members(srv.URL(), "blue", "cat", "dan")

	// Each sender marks the end in both rooms: what leaked out of its own
	// room would come before that.
	inRed := red[0].say("red", bodies(20, "red")...)
	inBlue := blue[0].say("blue", bodies(20, "blue")...)
	for _, sender := range []*client{red[0], blue[0]} {
		inRed = append(inRed, sender.say("red", "end")...)
		inBlue = append(inBlue, sender.say("blue", "end")...)
	}
	for i := range 2 {
		red[i].sees(scenarios.EventMessage, inRed...)
		blue[i].sees(scenarios.EventMessage, inBlue...)
	}
}

func manyRooms(s *stage) {
	c := s.room("green", "ann", "bob")
	ann, bob := c[0], c[1]
	ann.join("red")
	ann.join("blue")
	all := []string{"red", "green", "blue"}
	var toAnn, toBob []scenarios.Message
	for _, r := range all {
		ms := bob.say(r, "first")
		toAnn = append(toAnn, ms...)
		if r == "green" {
			toBob = append(toBob, ms...)
		}
	}
	ann.sees(scenarios.EventMessage, toAnn...)
	ann.leave("green")
	for _, r := range all {
		ms := bob.say(r, "second")
		if r == "green" {
			toBob = append(toBob, ms...)
		} else {
			toAnn = append(toAnn, ms...)
		}
	}
	ann.sees(scenarios.EventMessage, toAnn...)
	bob.sees(scenarios.EventMessage, toBob...)
}

func announce(s *stage) {
	c := s.room("red", "ann", "bob", "cat")
	c[0].join("green")
	c[0].join("blue")

	// A client that has only connected may not be on the server's list yet.
	c[2].leave("red")
	ms := c[0].announce("one", "two")
	ms = append(ms, c[0].announce("end")...)
	for _, client := range c {
		client.sees(scenarios.EventAnnounce, ms...)
		client.sees(scenarios.EventMessage)
	}
}

func order(s *stage) {
	c := s.room("r", "ann", "bob", "cat")
	ms := c[0].say("r", bodies(500, "")...)
	for _, client := range c {
		client.sees(scenarios.EventMessage, ms...)
	}
}

func emptyBody(s *stage) {
	carry(s, "r", "ann", "", "not empty", "")
}

func largeBody(s *stage) {
	const size = 64 << 10
	body := strings.Join(bodies(size, " "), "")[:size]
	carry(s, "r", "ann", body, "short", body)
}

func utf8Text(s *stage) {
	carry(s, "Zürich 日本 🏔", "Änne 👩‍🚀",
		"é ß я ᚠ",    // two and three bytes
		"日本語 中文 한국어", // three bytes
		"🙂 👩‍👩‍👧‍👦 🏳️‍🌈 🇨🇭",             // four bytes, joined and modified
		"e\u0301 o\u0308 a\u0323\u0302", // combining, not to be composed
		"\u2028 \u2029 \u0085",          // ends of line in JavaScript
		"\ufeff \u200b \u200e\u202e \ufffd \ufffe \U0010ffff",
	)
}

func escape(s *stage) {
	var control strings.Builder
	for b := range rune(' ') {
		control.WriteRune(b)
	}
	carry(s, `"room" \1 <&>`, `"ann"\`,
		`" "" \" \\ \`,
		control.String(),
		"a\x00b\x7fc",
		"\r\n\t\b\f/",
		`<script>&amp;</script> ' \u0041 \ud83d`,
		`{"type":"chat","data":{"room":"r"}}`,
		`42["chat",{"room":"r"}]`, // the same in Socket.IO
		`%s %d %00 +`,
	)
}

// carry sends bodies to a room and looks that they arrive unchanged.
func carry(s *stage, room, sender string, bodies ...string) {
	c := s.room(room, sender, "bob")
	ms := c[0].say(room, bodies...)
	for _, client := range c {
		client.sees(scenarios.EventMessage, ms...)
	}
}

func concurrentSenders(s *stage) {
	c := s.room("r", "ann", "bob", "cat", "dan", "eve", "lia")
	senders := c[:5] // lia only listens
	var all []scenarios.Message
	var sends []func() error
	for _, sender := range senders {
		ms := sender.write("r", bodies(60, "")...)
		all = append(all, ms...)
		sends = append(sends, func() error { return sender.send(ms) })
	}
	s.together(sends...)
	for _, client := range c {
		client.sees(scenarios.EventMessage, all...)
	}
}

func concurrentSends(s *stage) {
	c := s.room("r", "ann", "bob")
	ann, bob := c[0], c[1]
	var all []scenarios.Message
	var sends []func() error
	for i := range 8 {
		// Each goroutine has its own room, so that its order is known.
		room := fmt.Sprintf("room %d", i)
		bob.join(room)
		ms := ann.write(room, bodies(40, "")...)
		all = append(all, ms...)
		sends = append(sends, func() error { return ann.send(ms) })
	}
	s.together(sends...)
	bob.sees(scenarios.EventMessage, all...)
}

func bothWays(s *stage) {
	// 4 KiB bodies fill the socket buffers: a client or server that does not
	// read while it writes comes to a halt.
	c := s.room("r", "ann", "bob", "cat", "dan")
	var all []scenarios.Message
	var sends []func() error
	for _, client := range c {
		ms := client.write("r", bodies(60, strings.Repeat("x", 4<<10))...)
		all = append(all, ms...)
		sends = append(sends, func() error { return client.send(ms) })
	}
	s.together(sends...)
	for _, client := range c {
		client.sees(scenarios.EventMessage, all...)
	}
}

func clientGone(s *stage) {
	srv, crew, doomed := s.serve(scenarios.ServerConfig{}), s.crew(), s.crew()
	c := crew.members(srv.URL(), "r", "ann", "bob", "cat", "quitter")
	ann, staying, quitter := c[0], c[:3], c[3]
	killed := doomed.members(srv.URL(), "r", "killed")[0]

	const window = 50
	ms := ann.say("r", bodies(window, "")...)
	quitter.sees(scenarios.EventMessage, ms...)
	killed.sees(scenarios.EventMessage, ms...)

	// Ann sends until both are gone and a while after, at most a window
	// ahead of what comes back.
	gone := make(chan struct{})
	s.together(
		func() error {
			defer close(gone)
			if err := quitter.Close(); err != nil {
				return fmt.Errorf("%s cannot close: %w", quitter.name, err)
			}
			return doomed.Kill()
		},
		func() error {
			for left := 2 * window; left > 0; {
				m := ann.write("r", "still here")
				if err := ann.send(m); err != nil {
					return err
				}
				ms = append(ms, m...)
				back := len(ms) - window
				_, err := ann.await(func(events []scenarios.Event) bool {
					return len(events) > back
				})
				if err != nil {
					return fmt.Errorf("ann is blocked: %w", err)
				}
				select {
				case <-gone:
					left--
				default:
				}
			}
			return nil
		})
	for _, client := range staying {
		client.sees(scenarios.EventMessage, ms...)
	}
}

func closing(s *stage) {
	c := s.room("r", "ann", "bob", "cat")
	bob, others := c[1], []*client{c[0], c[2]}
	bob.close()
	bob.down()
	ms := c[0].say("r", bodies(300, "")...)
	for _, client := range others {
		client.sees(scenarios.EventMessage, ms...)
	}
	bob.downOnce()
	bob.sees(scenarios.EventMessage)
}

func sendAfterClose(s *stage) {
	ann := s.room("r", "ann")[0]
	ann.close()
	m := ann.write("r", "too late")[0]
	s.refused("send", func(ctx context.Context) error {
		return ann.Send(ctx, m)
	})
	s.refused("announce", func(ctx context.Context) error {
		return ann.Announce(ctx, m)
	})
	s.refused("join", func(ctx context.Context) error {
		return ann.Join(ctx, "r")
	})
	s.refused("leave", func(ctx context.Context) error {
		return ann.Leave(ctx, "r")
	})
}

func shutdown(s *stage) {
	srv, crew := s.serve(scenarios.ServerConfig{}), s.crew()
	c := crew.members(srv.URL(), "r", "ann", "bob", "cat")
	if err := s.try(srv.Stop); err != nil {
		s.failf("%w", err)
	}
	for _, client := range c {
		client.down()
	}
	s.refused("a client of a server that is gone",
		func(ctx context.Context) error {
			_, err := crew.Dial(ctx, srv.URL(), s.Stack.Dial("dan"))
			return err
		})
	for _, client := range c {
		client.close()
		client.downOnce()
	}
}

// tooBig is how a stack says that a message was: close code 1009 (RFC 6455,
// section 7.4.1), HTTP status 413, or in words.
var tooBig = regexp.MustCompile(`(?i)1009|413|too (big|large)|limit|exceed`)

func oversized(s *stage) { sendTooMuch(s) }

func oversizedReason(s *stage) {
	if reason := sendTooMuch(s); !tooBig.MatchString(reason) {
		s.failf("ann is told %q, not that its message was too big", reason)
	}
}

// sendTooMuch has ann send a message over the limit to a room. It returns the
// reason for which ann is disconnected, having seen that nobody got it.
func sendTooMuch(s *stage) (reason string) {
	const limit = 32 << 10
	srv := s.serve(scenarios.ServerConfig{ReadLimit: limit})
	c := s.crew().members(srv.URL(), "r", "ann", "bob", "cat")
	ann, bob, cat := c[0], c[1], c[2]
	ms := ann.say("r", strings.Repeat("x", limit/2))
	bob.sees(scenarios.EventMessage, ms...)

	// Send may accept the message: it does not know the server's limit.
	big := ann.write("r", strings.Repeat("x", 2*limit))[0]
	s.try(func(ctx context.Context) error { return ann.Send(ctx, big) })
	reason = ann.down()
	ms = append(ms, cat.say("r", "end")...)
	bob.sees(scenarios.EventMessage, ms...)
	return reason
}

func origin(s *stage) {
	const listed, foreign = "https://chat.example", "https://evil.example"
	srv := s.serve(scenarios.ServerConfig{Origins: []string{listed}})
	crew := s.crew()
	from := func(origin string) scenarios.DialConfig {
		cfg := s.Stack.Dial("from " + origin)
		cfg.Origin = origin
		return cfg
	}
	err := s.refused("a client from "+foreign,
		func(ctx context.Context) error {
			_, err := crew.Dial(ctx, srv.URL(), from(foreign))
			return err
		})
	if !strings.Contains(err.Error(), "403") {
		s.failf("the refusal does not name its status, 403: %w", err)
	}
	for _, origin := range []string{"", srv.URL(), listed} {
		crew.dialConfig(srv.URL(), from(origin)).join("r")
	}
}

func emptyRoom(s *stage) {
	c := s.room("r", "ann", "bob")
	ann, bob := c[0], c[1]
	s.refused("join a room without a name",
		func(ctx context.Context) error { return ann.Join(ctx, "") })
	s.refused("leave a room without a name",
		func(ctx context.Context) error { return ann.Leave(ctx, "") })

	// A message to it is dropped, by the client or by the server.
	nowhere := ann.write("", "for nobody")[0]
	s.try(func(ctx context.Context) error { return ann.Send(ctx, nowhere) })
	ms := ann.say("r", "end")
	for _, client := range []*client{ann, bob} {
		client.sees(scenarios.EventMessage, ms...)
		client.sees(scenarios.EventAnnounce)
	}
}

func upgrade(s *stage) {
	srv, crew := s.serve(scenarios.ServerConfig{}), s.crew()
	const clients = 20
	var all []*client
	for i := range clients {
		c := crew.dialAtOnce(srv.URL(), s.Stack.Dial(fmt.Sprintf("c%d", i)))
		c.join("r")
		c.sees(scenarios.EventMessage, c.say("r", "hello")...)
		all = append(all, c)
	}
	for _, c := range all {
		c.settle()
	}
	mark := all[0].announce("end")
	for _, c := range all {
		c.sees(scenarios.EventAnnounce, mark...)
	}
}

func largeRoom(s *stage) {
	names := make([]string, 50)
	for i := range names {
		names[i] = fmt.Sprintf("client %d", i)
	}
	c := s.room("r", names...)
	var all []scenarios.Message
	var sends []func() error
	for sender := range slices.Chunk(c, 10) {
		ms := sender[0].write("r", bodies(20, "")...)
		all = append(all, ms...)
		sends = append(sends, func() error { return sender[0].send(ms) })
	}
	s.together(sends...)
	for _, client := range c {
		client.sees(scenarios.EventMessage, all...)
	}
}

// bodies returns n texts that differ, each with a text after its number.
func bodies(n int, text string) []string {
	bs := make([]string, n)
	for i := range bs {
		bs[i] = fmt.Sprint(i, text)
	}
	return bs
}
