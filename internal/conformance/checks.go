package conformance

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"wsvsio/scenarios"
)

// The documents that the rules are from.
const (
	engineDocs = "Engine.IO protocol"
	socketDocs = "Socket.IO protocol"
	suites     = "the public test suites; the documents leave it open"
)

// Checks returns the rules, in the order of a session.
func Checks() []Check {
	return []Check{
		{Name: "open-polling", Area: "handshake", Where: engineDocs + ", handshake",
			Rule: "a GET opens a session: the answer is an open packet with sid, upgrades, pingInterval and pingTimeout, in version 4 with maxPayload",
			run: func(p *play) {
				if s := p.polling(); !slices.Contains(s.upgrades, scenarios.WebSocket) {
					p.failf("the upgrades are %q, without websocket", s.upgrades)
				}
			}},
		{Name: "open-websocket", Area: "handshake", Where: engineDocs + ", handshake",
			Rule: "a WebSocket opens a session, and the first frame is an open packet",
			run: func(p *play) {
				if s := p.websocket(); len(s.upgrades) > 0 {
					p.failf("a session on a WebSocket can be upgraded to %q", s.upgrades)
				}
			}},
		{Name: "parameter-missing", Area: "handshake", Where: engineDocs + ", query parameters", Only: EIO4,
			Rule: "a request without the parameter EIO or transport is answered with 400",
			run: func(p *play) {
				p.refuse("a request without EIO", p.ask(http.MethodGet, address(p.base, scenarios.Polling, "", ""), ""))
				p.refuse("a request without transport", p.ask(http.MethodGet, address(p.base, "", "4", ""), ""))
			}},
		{Name: "version-unknown", Area: "handshake", Where: suites,
			Rule: "a request in a version that the server does not speak is answered with 400",
			run: func(p *play) {
				p.refuse("a request in version 9", p.ask(http.MethodGet, address(p.base, scenarios.Polling, "9", ""), ""))
			}},
		{Name: "transport-unknown", Area: "handshake", Where: suites,
			Rule: "a request for a transport that does not exist is answered with 400",
			run: func(p *play) {
				p.refuse("a request for the transport pigeon", p.ask(http.MethodGet, p.own("pigeon", ""), ""))
			}},
		{Name: "handshake-method", Area: "handshake", Where: engineDocs + ", handshake: the client must send a GET",
			Rule: "a POST without a session is answered with 400",
			run: func(p *play) {
				p.refuse("a POST without a session", p.ask(http.MethodPost, p.own(scenarios.Polling, ""), ""))
			}},
		{Name: "session-unknown", Area: "handshake", Where: engineDocs + ", sending and receiving data",
			Rule: "a GET or POST of a session that does not exist is answered with 400",
			run: func(p *play) {
				url := p.own(scenarios.Polling, "nobody")
				p.refuse("a GET of an unknown session", p.ask(http.MethodGet, url, ""))
				p.refuse("a POST of an unknown session", p.ask(http.MethodPost, url, encodePayload(p.version, []packet{message("0")})))
			}},

		{Name: "message-polling", Area: "messages", Where: engineDocs + ", payload",
			Rule: "a message goes up in a POST, which is answered with ok, and one comes down in a GET",
			run: func(p *play) {
				s := p.polling().enter()
				if a := s.post(message(`2["echo","x"]`)); a.status != http.StatusOK || a.body != "ok" {
					p.failf("the POST is answered with %v", a)
				}
				s.expect(`2["echo","x"]`)
			}},
		{Name: "message-websocket", Area: "messages", Where: engineDocs + ", WebSocket",
			Rule: "each packet is a frame of its own, in both directions",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(`2["echo","x"]`)
				s.expect(`2["echo","x"]`)
			}},
		{Name: "payload-up", Area: "messages", Where: engineDocs + ", payload",
			Rule: "all packets of a payload are read",
			run: func(p *play) {
				s := p.polling().enter()
				s.send(message(`2["echo","1"]`), message(`2["echo","2"]`), message(`2["echo","3"]`))
				s.expect(`2["echo","1"]`)
				s.expect(`2["echo","2"]`)
				s.expect(`2["echo","3"]`)
			}},
		{Name: "post-alone", Area: "messages", Where: engineDocs + ", polling: short-running POST requests",
			Rule: "a POST is answered while no GET waits",
			run: func(p *play) {
				s := p.manual().enter()
				s.send(message(`2["echo","1"]`))
				s.send(message(`2["echo","2"]`))
				s.send(message(`2["echo","3"]`))
			}},
		{Name: "payload-down", Area: "messages", Where: engineDocs + ", payload",
			Rule: "packets that have queued up come in one payload",
			run: func(p *play) {
				// The server has both before it is asked for one.
				s := p.manual().enter()
				s.say(`2["twice","x"]`)
				s.expect(`2["echo","x"]`)
				if len(s.inbox) == 0 {
					p.failf("a payload holds one packet of those that wait")
				}
			}},
		{Name: "text-polling", Area: "messages", Where: engineDocs + ", payload: characters in version 3, UTF-8 in version 4",
			Rule: "text beyond ASCII crosses a payload unchanged",
			run: func(p *play) {
				s := p.polling().enter()
				s.say(`2["echo","é € 日本"]`)
				s.expect(`2["echo","é € 日本"]`)
			}},
		{Name: "text-websocket", Area: "messages", Where: engineDocs + ", WebSocket",
			Rule: "text beyond ASCII crosses a frame unchanged",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(`2["echo","é € 日本 🙂"]`)
				s.expect(`2["echo","é € 日本 🙂"]`)
			}},
		{Name: "two-polls", Area: "messages", Where: engineDocs + ", receiving data", Only: EIO4,
			Rule: "a second GET while one waits is answered with 400, and the session is closed",
			run:  twoPolls},
		{Name: "damage-polling", Area: "messages", Where: suites,
			Rule: "a payload that is none ends the session",
			run: func(p *play) {
				s := p.polling().enter()
				s.ask(http.MethodPost, s.own(scenarios.Polling, s.sid), "abc")
				s.ended("after a payload that is none", nil)
			}},
		{Name: "damage-websocket", Area: "messages", Where: suites,
			Rule: "a frame that holds no packet ends the session",
			run: func(p *play) {
				s := p.websocket().enter()
				s.send(packet{kind: 'a', data: "bc"})
				s.ended("after a frame that holds no packet", nil)
			}},

		{Name: "heartbeat-polling", Area: "heartbeat", Where: engineDocs + ", heartbeat: the client asks in version 3, the server in 4",
			Rule: "pings are answered, or come, over polling",
			run:  func(p *play) { heartbeat(p, scenarios.Polling) }},
		{Name: "heartbeat-websocket", Area: "heartbeat", Where: engineDocs + ", heartbeat: the client asks in version 3, the server in 4",
			Rule: "pings are answered, or come, over a WebSocket",
			run:  func(p *play) { heartbeat(p, scenarios.WebSocket) }},
		{Name: "ping-data", Area: "heartbeat", Where: engineDocs + ", ping", Only: EIO3,
			Rule: "a pong has the data of the ping that it answers",
			run: func(p *play) {
				s := p.websocket().enter()
				s.send(packet{kind: eioPing, data: "hello"})
				if got := s.read(); got != (packet{kind: eioPong, data: "hello"}) {
					p.failf("a ping with hello is answered with %v", got)
				}
			}},
		{Name: "silence-polling", Area: "heartbeat", Where: engineDocs + ", heartbeat; " + suites,
			Rule: "a polling client without a heartbeat loses its session",
			run:  func(p *play) { silence(p, scenarios.Polling) }},
		{Name: "silence-websocket", Area: "heartbeat", Where: engineDocs + ", heartbeat; " + suites,
			Rule: "a client on a WebSocket without a heartbeat is disconnected",
			run:  func(p *play) { silence(p, scenarios.WebSocket) }},

		{Name: "close-polling", Area: "close", Where: engineDocs + ", close; " + suites,
			Rule: "a close packet over polling ends the session",
			run: func(p *play) {
				s := p.polling().enter()
				s.send(packet{kind: eioClose})
				s.ended("after a close packet", nil)
			}},
		{Name: "close-websocket", Area: "close", Where: engineDocs + ", close; " + suites,
			Rule: "a close packet over a WebSocket ends the session",
			run: func(p *play) {
				s := p.websocket().enter()
				s.send(packet{kind: eioClose})
				s.ended("after a close packet", nil)
			}},

		{Name: "upgrade", Area: "upgrade", Where: engineDocs + ", upgrade",
			Rule: "a probe is answered, a waiting GET ends with a noop, and after the upgrade packet the session goes on over the WebSocket",
			run: func(p *play) {
				up := p.manual().enter().pausing()
				up.send(packet{kind: eioUpgrade})
				up.say(`2["echo","x"]`)
				up.expect(`2["echo","x"]`)
			}},
		{Name: "upgrade-meanwhile", Area: "upgrade", Where: engineDocs + ", upgrade: the old transport is flushed and closed by the upgrade packet",
			Rule: "what a client posts between the probe and the upgrade packet arrives",
			run: func(p *play) {
				s := p.manual().enter()
				up := s.pausing()
				// One alone may come before the server has left polling for good.
				said := []string{`2["echo","a"]`, `2["echo","b"]`, `2["echo","c"]`}
				for _, text := range said {
					if a := s.post(message(text)); a.status != http.StatusOK {
						p.failf("a POST between the probe and the upgrade packet is answered with %v", a)
					}
				}
				up.send(packet{kind: eioUpgrade})
				for _, text := range said {
					up.expect(text)
				}
			}},
		{Name: "upgraded-polling", Area: "upgrade", Where: suites,
			Rule: "after the upgrade a GET of the session is answered with 400, and the session goes on",
			run: func(p *play) {
				up := p.upgraded()
				p.refuse("a GET of a session that was upgraded", p.ask(http.MethodGet, p.own(scenarios.Polling, up.sid), ""))
				up.say(`2["echo","x"]`)
				up.expect(`2["echo","x"]`)
			}},
		{Name: "upgraded-websocket", Area: "upgrade", Where: engineDocs + ", WebSocket: not more than one per session",
			Rule: "a second WebSocket of a session is closed, and the session goes on over the first",
			run: func(p *play) {
				up := p.upgraded()
				conn, _, err := p.dial(p.own(scenarios.WebSocket, up.sid))
				switch {
				case err == nil:
					second := &session{play: p, sid: up.sid, conn: conn}
					second.ended("a second WebSocket of a session", nil)
				case late(err):
					p.failf("a second WebSocket of a session is neither let in nor refused: %w", err)
				}
				up.say(`2["echo","x"]`)
				up.expect(`2["echo","x"]`)
			}},

		{Name: "connect", Area: "namespaces", Where: socketDocs + ", connection to a namespace: by itself in version 4, when asked in 5",
			Rule: "the main namespace is connected",
			run:  func(p *play) { p.websocket().enter() }},
		{Name: "namespace", Area: "namespaces", Where: socketDocs + ", connection to a namespace",
			Rule: "another namespace can be connected, and its events stay in it",
			run: func(p *play) {
				s := p.websocket().enter()
				s.join("/custom")
				s.say(`2/custom,["echo","x"]`)
				s.expect(`2/custom,["echo","x"]`)
				s.say(`2["echo","y"]`)
				s.expect(`2["echo","y"]`)
			}},
		{Name: "namespace-payload", Area: "namespaces", Where: socketDocs + ", connect: in the query in version 4, as data in 5",
			Rule: "a client can say who it is when it asks for a namespace, and the server hears it",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(map[Version]string{EIO3: "0/custom?token=123,", EIO4: `0/custom,{"token":"123"}`}[p.version])
				s.connected("/custom")
				s.say(`2/custom,1["token"]`)
				s.expect(`3/custom,1["123"]`)
			}},
		{Name: "namespace-unknown", Area: "namespaces", Where: socketDocs + ", connection to a namespace",
			Rule: "a namespace that does not exist is refused with an error packet",
			run:  func(p *play) { refusedNamespace(p, "/random") }},
		{Name: "namespace-refused", Area: "namespaces", Where: socketDocs + ", connection to a namespace",
			Rule: "a client that the server does not want in a namespace is told so with an error packet",
			run:  func(p *play) { refusedNamespace(p, "/forbidden") }},
		{Name: "connect-first", Area: "namespaces", Where: socketDocs + ", connection to a namespace", Only: EIO4,
			Rule: "who sends an event before it has asked for a namespace is disconnected",
			run: func(p *play) {
				s := p.websocket()
				s.say(`2["echo","x"]`)
				s.ended("an event before the connect packet", isMessage)
			}},
		{Name: "connect-late", Area: "namespaces", Where: suites, Only: EIO4,
			Rule: "who does not ask for a namespace is disconnected after a while",
			run: func(p *play) {
				p.hasty()
				s := p.websocket()
				for range 100 {
					got, err := s.next()
					if err != nil {
						if late(err) {
							p.failf("a client that asks for no namespace is not disconnected: %w", err)
						}
						return
					}
					if got.kind == eioPing && s.write(packet{kind: eioPong}) != nil {
						return
					}
				}
				p.failf("a client that asks for no namespace is not disconnected")
			}},
		{Name: "leave", Area: "namespaces", Where: socketDocs + ", disconnection from a namespace",
			Rule: "who leaves a namespace stays in the others",
			run: func(p *play) {
				s := p.websocket().enter()
				s.join("/custom")
				s.say(`1/custom,`)
				s.say(`2["echo","x"]`)
				s.expect(`2["echo","x"]`)
			}},
		{Name: "left", Area: "namespaces", Where: socketDocs + ", disconnection from a namespace",
			Rule: "who has left a namespace hears nothing more of it",
			run: func(p *play) {
				s := p.websocket().enter()
				s.join("/custom")
				s.say(`1/custom,`)
				s.say(`2/custom,["echo","x"]`)
				// The server may take that for reason to disconnect.
				if s.write(message(`2["echo","end"]`)) != nil {
					return
				}
				got, err := s.next()
				if err == nil && !strings.Contains(got.data, "end") {
					p.failf("the server sends %v to a client that has left", got)
				}
				if late(err) {
					p.failf("neither an answer nor an end: %w", err)
				}
			}},

		{Name: "arguments", Area: "events", Where: socketDocs + ", event",
			Rule: "an event has as many arguments of any JSON type as it was given",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(`2["several","text",1.5,true,{"a":[1,null,"b"]}]`)
				s.expect(`2["several","text",1.5,true,{"a":[1,null,"b"]}]`)
			}},
		{Name: "ack", Area: "acknowledgements", Where: socketDocs + ", acknowledgement",
			Rule: "an event with an id is acknowledged with that id",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(`212["ack","x"]`)
				s.expect(`312["x"]`)
			}},
		{Name: "ack-zero", Area: "acknowledgements", Where: socketDocs + ", acknowledgement: an id is any integer, and clients begin with 0",
			Rule: "the id 0 is one like any other",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(`20["ack","x"]`)
				s.expect(`30["x"]`)
			}},
		{Name: "ack-empty", Area: "acknowledgements", Where: socketDocs + ", acknowledgement: an array, possibly empty",
			Rule: "an event with an id is acknowledged when there is nothing to say, too",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(`25["silent","x"]`)
				s.say(`2["echo","end"]`)
				s.expect(`35[]`)
			}},
		{Name: "ack-namespace", Area: "acknowledgements", Where: socketDocs + ", acknowledgement",
			Rule: "an acknowledgement names the namespace of the event",
			run: func(p *play) {
				s := p.websocket().enter()
				s.join("/custom")
				s.say(`2/custom,13["ack","x"]`)
				s.expect(`3/custom,13["x"]`)
			}},
		{Name: "ack-server", Area: "acknowledgements", Where: socketDocs + ", acknowledgement",
			Rule: "the server asks for an acknowledgement, too, and gets it",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(`2["ask"]`)
				got, _ := s.hear()
				if got.kind != sioEvent || got.id == "" {
					p.failf("the server sends %v, not an event with an id", got)
				}
				s.say(`3` + got.id + `["yes"]`)
				s.expect(`2["answered","yes"]`)
			}},

		{Name: "binary-websocket", Area: "binary", Where: engineDocs + ", WebSocket; " + socketDocs + ", binary event",
			Rule: "binary data comes in a frame of its own after the event, in both directions",
			run:  func(p *play) { binaryEcho(p, scenarios.WebSocket) }},
		{Name: "binary-polling", Area: "binary", Where: engineDocs + ", payload: in base64",
			Rule: "binary data crosses polling in base64, in both directions",
			run:  func(p *play) { binaryEcho(p, scenarios.Polling) }},
		{Name: "binary-framed", Area: "binary", Where: engineDocs + ", payload: as it is, with XHR2", Only: EIO3,
			Rule: "binary data crosses polling as it is for a client that can read it, in both directions",
			run: func(p *play) {
				p.framed = true
				binaryEcho(p, scenarios.Polling)
			}},
		{Name: "binary-two", Area: "binary", Where: socketDocs + ", packet encoding",
			Rule: "an event may have several attachments, which keep their order",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(`52-["binary-two",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "\x01\x02", "\x03\x04\x05")
				s.expect(`52-["binary-two",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]`, "\x01\x02", "\x03\x04\x05")
			}},
		{Name: "binary-ack", Area: "binary", Where: socketDocs + ", binary ack",
			Rule: "an acknowledgement may be binary",
			run: func(p *play) {
				s := p.websocket().enter()
				s.say(`51-7["binary-ack",{"_placeholder":true,"num":0}]`, "\x01\x02\xff")
				s.expect(`61-7[{"_placeholder":true,"num":0}]`, "\x01\x02\xff")
			}},

		{Name: "packet-unknown", Area: "errors", Where: suites,
			Rule: "a packet of a type that does not exist ends the connection",
			run:  func(p *play) { endedBy(p, "9") }},
		{Name: "payload-wrong", Area: "errors", Where: socketDocs + ", sending and receiving data", Only: EIO4,
			Rule: "an event whose data is no array that begins with a name ends the connection",
			run: func(p *play) {
				endedBy(p, `2{"a":"b"}`)
				endedBy(p, `2[]`)
			}},
		{Name: "id-wrong", Area: "errors", Where: suites,
			Rule: "an event whose id is no number ends the connection",
			run:  func(p *play) { endedBy(p, `2abc["echo","x"]`) }},
	}
}

// isMessage reports whether a packet is one.
func isMessage(p packet) bool { return p.kind == eioMessage }

// twoPolls has two GETs wait at once.
func twoPolls(p *play) {
	s := p.manual().enter()
	answers := make(chan answer, 2)
	for range 2 {
		go func() {
			a, _ := s.request(http.MethodGet, s.own(scenarios.Polling, s.sid), "")
			answers <- a
		}()
	}
	refused := false
	for range 2 {
		select {
		case a := <-answers:
			refused = refused || a.status == http.StatusBadRequest
		case <-p.ctx.Done():
			p.failf("two GETs wait at once, and none is refused: %w", p.ctx.Err())
		}
	}
	if !refused {
		p.failf("of two GETs at once none is answered with status 400")
	}
	s.gone("after two GETs at once")
}

// heartbeat has a client live from ping to ping.
func heartbeat(p *play, transport string) {
	p.hasty()
	s := p.over(transport).enter()
	for range 3 {
		if p.version == EIO3 {
			s.send(packet{kind: eioPing})
		}
		got := s.read()
		for got.kind == eioNoop {
			got = s.read()
		}
		want := byte(eioPong)
		if p.version == EIO4 {
			want = eioPing
		}
		if got.kind != want {
			p.failf("the server sends %v where a heartbeat is due", got)
		}
		if p.version == EIO4 {
			s.send(packet{kind: eioPong})
		}
	}
	s.say(`2["echo","x"]`)
	s.expect(`2["echo","x"]`)
}

// silence has a client say nothing more.
func silence(p *play, transport string) {
	p.hasty()
	s := p.over(transport).enter()
	s.ended("a client without a heartbeat", nil)
}

// probe opens a WebSocket for a session that polls, and looks whether it works.
func (s *session) probe() *session {
	conn, a, err := s.dial(s.own(scenarios.WebSocket, s.sid))
	if err != nil {
		s.failf("no WebSocket to upgrade to: %w: %v", err, a)
	}
	up := &session{play: s.play, sid: s.sid, conn: conn}
	up.send(packet{kind: eioPing, data: "probe"})
	if got := up.read(); got != (packet{kind: eioPong, data: "probe"}) {
		s.failf("a probe is answered with %v", got)
	}
	return up
}

// pausing is probe while a GET waits at the server, and returns once that has ended
// with a noop: the server has begun to leave polling then.
func (s *session) pausing() *session {
	waiting := make(chan poll, 1)
	go func() {
		a, err := s.request(http.MethodGet, s.own(scenarios.Polling, s.sid), "")
		waiting <- poll{a, err}
	}()
	up := s.probe()
	select {
	case a := <-waiting:
		if a.err != nil {
			s.failf("the waiting GET is not answered: %w", a.err)
		}
		packets, err := s.payload(a.answer)
		if a.status != http.StatusOK || err != nil || len(packets) != 1 || packets[0].kind != eioNoop {
			s.failf("the waiting GET is answered with %v, not with a noop", a.answer)
		}
	case <-s.ctx.Done():
		s.failf("the waiting GET is not answered: %w", s.ctx.Err())
	}
	return up
}

// upgraded opens a session over polling and upgrades it.
func (p *play) upgraded() *session {
	up := p.manual().enter().probe()
	up.send(packet{kind: eioUpgrade})
	up.say(`2["echo","upgraded"]`)
	up.expect(`2["echo","upgraded"]`)
	return up
}

// refusedNamespace asks for a namespace that the client does not get.
func refusedNamespace(p *play, name string) {
	s := p.websocket().enter()
	s.say("0" + name + ",")
	got, _ := s.hear()
	if got.kind != sioError || got.namespace != name {
		p.failf("the server sends %v, not an error packet of %s", got, name)
	}
	if p.version == EIO4 {
		var why struct{ Message string }
		if json.Unmarshal([]byte(got.data), &why) != nil || why.Message == "" {
			p.failf("%v has no message", got)
		}
	}
}

// binaryEcho has binary data go up and come back.
func binaryEcho(p *play, transport string) {
	s := p.over(transport).enter()
	s.say(`51-["binary",{"_placeholder":true,"num":0}]`, "\x00\x01\xfe\xff")
	s.expect(`51-["binary",{"_placeholder":true,"num":0}]`, "\x00\x01\xfe\xff")
}

// endedBy sends what must end the connection.
func endedBy(p *play, text string) {
	s := p.websocket().enter()
	s.say(text)
	s.ended("after "+text, isMessage)
}
