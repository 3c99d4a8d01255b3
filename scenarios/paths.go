package scenarios

// PathFacts are what decides how much a path says to somebody who chooses.
type PathFacts struct {
	// Secure paths are dialled by https and wss, as from any page on https.
	Secure bool

	// Yours says that what lies on the path is a reverse proxy or a balancer of
	// the site: whoever runs the chat can set it up otherwise.
	Yours bool
}

// pathFacts are those of the paths by the name of their case.
var pathFacts = map[string]PathFacts{
	"direct":             {},
	"delay":              {},
	"reverse":            {Yours: true},
	"reverse-host":       {Yours: true},
	"reverse-forwarded":  {Yours: true},
	"tls":                {Secure: true, Yours: true},
	"buffer":             {Yours: true},
	"http10":             {Yours: true},
	"strip-upgrade":      {Yours: true},
	"forbid-upgrade":     {Yours: true},
	"swallow-down":       {Yours: true},
	"idle-cut":           {Yours: true},
	"forward":            {},
	"forward-denied":     {},
	"forward-denied-tls": {Secure: true},
	"nginx":              {Yours: true},
	"nginx-upgrade":      {Yours: true},
	"nginx-buffering":    {Yours: true},
	"nginx-idle":         {Yours: true},
	"haproxy-http":       {Yours: true},
	"haproxy-tcp":        {Yours: true},
	"haproxy-idle":       {Yours: true},
	"squid":              {},
	"squid-connect":      {},
	"squid-upgrade":      {},
}

// FactsOf returns those of the path that a case of the scenario proxy has, and
// false for a case with several nodes or an unknown one.
func FactsOf(name string) (PathFacts, bool) {
	f, ok := pathFacts[name]
	return f, ok
}
