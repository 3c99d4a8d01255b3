package scenarios

// PathFacts are what decides how much a path says to somebody who chooses.
type PathFacts struct {
	// Secure paths are dialled by https and wss, as from any page on https.
	Secure bool

	// Yours says that what lies on the path is a reverse proxy or a balancer of
	// the site: whoever runs the chat can set it up otherwise.
	Yours bool

	// Denies says that it is a forward proxy that denies CONNECT.
	Denies bool

	// Twin is the embedded path that does the same as this one through somebody
	// else's program; "" if there is none. Where both come to the same they are
	// one path, with two implementations.
	Twin string
}

// FactsOf returns those of the path that a case of the scenario proxy has, and
// false for a case with several nodes or an unknown one. It is no table: every
// program of the chat would have that linked in.
func FactsOf(name string) (PathFacts, bool) {
	switch name {
	case "direct", "delay", "forward":
		return PathFacts{}, true
	case "squid-connect":
		return PathFacts{Twin: "forward"}, true
	case "forward-denied":
		return PathFacts{Denies: true}, true
	case "squid", "squid-upgrade":
		return PathFacts{Denies: true, Twin: "forward-denied"}, true
	case "reverse", "reverse-host", "reverse-forwarded", "buffer", "http10", "strip-upgrade", "forbid-upgrade",
		"swallow-down", "idle-cut", "haproxy-idle":
		return PathFacts{Yours: true}, true
	case "nginx":
		return PathFacts{Yours: true, Twin: "strip-upgrade"}, true
	case "nginx-upgrade", "haproxy-http":
		return PathFacts{Yours: true, Twin: "reverse-host"}, true
	case "nginx-buffering":
		return PathFacts{Yours: true, Twin: "buffer"}, true
	case "nginx-idle":
		return PathFacts{Yours: true, Twin: "idle-cut"}, true
	case "haproxy-tcp":
		return PathFacts{Yours: true, Twin: "direct"}, true
	case "tls", "strip-upgrade-tls":
		return PathFacts{Secure: true, Yours: true}, true
	case "forward-denied-tls":
		return PathFacts{Secure: true, Denies: true}, true
	}
	return PathFacts{}, false
}

// factsOf is FactsOf of a path that is known.
func factsOf(name string) PathFacts {
	f, _ := FactsOf(name)
	return f
}
