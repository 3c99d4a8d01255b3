package proxy

import (
	"time"

	"wsvsio/scenarios"
)

// Route is a path as a case has it.
type Route struct {
	Name  string // of the case
	About string // one line for compare list -paths
	Spec  scenarios.PathSpec

	// Trusted is how many proxies the server is told to trust.
	Trusted int

	// Idle says that the path cuts what is idle, after the time that the case
	// has in its timers.
	Idle bool

	// Timed says that the profile quick has a case for its times, too.
	Timed bool

	// Program is the one of other people that the route goes through; "" is one
	// that is always there.
	Program string

	// Twin is the embedded route that gives the same outcomes as a program; ""
	// is none.
	Twin string

	// Browser routes are for stacks in a real browser, too: all of them in full,
	// and in quick those that are Shown.
	Browser, Shown bool

	// OnRequest routes are run in the profile quick if they are named.
	OnRequest bool
}

// delay is what the slow route adds each way: a round trip of 20 ms, as between
// neighbouring countries.
const delay = 10 * time.Millisecond

// Routes are all routes, in the order of the cases.
func Routes() []Route {
	return append([]Route{
		{Name: "direct", About: "nothing but a TCP relay that counts",
			Spec: scenarios.PathSpec{Kind: scenarios.PathRelay}, Timed: true, Browser: true},
		{Name: "reverse", About: "a reverse proxy that passes upgrades on, with the server's address as Host",
			Spec: scenarios.PathSpec{Kind: scenarios.PathReverse}, Timed: true, Browser: true, Shown: true},
		{Name: "reverse-host", About: "the same, and Host is as the client sent it",
			Spec: scenarios.PathSpec{Kind: scenarios.PathReverse, KeepHost: true}, Browser: true, Shown: true},
		{Name: "reverse-forwarded", About: "the same with Host in X-Forwarded-Host, before a server that is told to trust it",
			Spec: scenarios.PathSpec{Kind: scenarios.PathReverse, Forwarded: true}, Trusted: 1, Browser: true},
		{Name: "tls", About: "a reverse proxy at which TLS ends: clients dial https and wss",
			Spec: scenarios.PathSpec{Kind: scenarios.PathReverse, TLS: true, KeepHost: true}, Browser: true, Shown: true},
		{Name: "buffer", About: "a reverse proxy that holds an answer back until it is complete",
			Spec: scenarios.PathSpec{Kind: scenarios.PathBuffer, KeepHost: true}},
		{Name: "http10", About: "a reverse proxy that speaks HTTP/1.0 to the server, upgrades included",
			Spec: scenarios.PathSpec{Kind: scenarios.PathHTTP10, KeepHost: true}},
		{Name: "strip-upgrade", About: "a reverse proxy that passes requests to upgrade on as ordinary ones",
			Spec: scenarios.PathSpec{Kind: scenarios.PathStripUpgrade, KeepHost: true}, Browser: true, Shown: true},
		{Name: "strip-upgrade-tls", About: "the same, and TLS ends at it: clients dial https and wss",
			Spec: scenarios.PathSpec{Kind: scenarios.PathStripUpgrade, TLS: true, KeepHost: true}, Browser: true, Shown: true},
		{Name: "forbid-upgrade", About: "a reverse proxy that answers 403 to requests to upgrade",
			Spec: scenarios.PathSpec{Kind: scenarios.PathForbidUpgrade, KeepHost: true}, Browser: true},
		{Name: "swallow-down", About: "a reverse proxy that passes the 101 on, and nothing of the server's after it",
			Spec: scenarios.PathSpec{Kind: scenarios.PathSwallowDown, KeepHost: true}, Browser: true},
		{Name: "idle-cut", About: "a reverse proxy that cuts what is idle, and answers 504 to a request that waits as long",
			Spec: scenarios.PathSpec{Kind: scenarios.PathReverse, KeepHost: true}, Idle: true, Browser: true},
		{Name: "forward", About: "a forward proxy that lets CONNECT through",
			Spec: scenarios.PathSpec{Kind: scenarios.PathConnect}, Browser: true},
		{Name: "forward-denied", About: "a forward proxy that denies CONNECT; ordinary requests pass, without Upgrade",
			Spec: scenarios.PathSpec{Kind: scenarios.PathNoConnect}, Browser: true, Shown: true},
		{Name: "forward-denied-tls", About: "the same before a server that is reached by https: all would need CONNECT",
			Spec: scenarios.PathSpec{Kind: scenarios.PathNoConnect, TLS: true}, Browser: true},
		{Name: "delay", About: "a TCP relay that delays each way by 10 ms, the TCP handshake included",
			Spec: scenarios.PathSpec{Kind: scenarios.PathFaulty, Delay: delay}, Timed: true},
	}, outside()...)
}
