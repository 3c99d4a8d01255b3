package proxy

import "wsvsio/scenarios"

// outside are the routes through programs of other people. What the programs
// are set to is the path's configuration, so a PathSpec says here what it does
// for a reader: a program does not listen to KeepHost. Those that quick leaves
// out take their time, squid two seconds to end, or do what another one does.
func outside() []Route {
	return []Route{
		{Program: "nginx", Name: "nginx", About: "nginx with proxy_pass alone: HTTP/1.0, without Upgrade",
			Spec: scenarios.PathSpec{Kind: scenarios.PathNginx}, Twin: "strip-upgrade", Browser: true},
		{Program: "nginx", Name: "nginx-upgrade", About: "nginx that passes Upgrade and Host on",
			Spec: scenarios.PathSpec{Kind: scenarios.PathNginxUpgrade, KeepHost: true}, Twin: "reverse-host", Browser: true},
		{Program: "nginx", Name: "nginx-buffering", About: "the same with large buffers for answers",
			Spec: scenarios.PathSpec{Kind: scenarios.PathNginxBuffer, KeepHost: true}, Twin: "buffer", OnRequest: true},
		{Program: "nginx", Name: "nginx-idle", About: "the same with a short proxy_read_timeout",
			Spec: scenarios.PathSpec{Kind: scenarios.PathNginxIdle, KeepHost: true}, Idle: true, Twin: "idle-cut", OnRequest: true, Browser: true},
		{Program: "haproxy", Name: "haproxy-http", About: "HAProxy in mode http, as it comes",
			Spec: scenarios.PathSpec{Kind: scenarios.PathHAProxyHTTP, KeepHost: true}, Twin: "reverse-host", Browser: true},
		{Program: "haproxy", Name: "haproxy-tcp", About: "HAProxy in mode tcp",
			Spec: scenarios.PathSpec{Kind: scenarios.PathHAProxyTCP, KeepHost: true}, Twin: "direct", OnRequest: true},
		// It cuts a WebSocket as idle-cut does, and no poll: that has limits of
		// its own. So it has no twin.
		{Program: "haproxy", Name: "haproxy-idle", About: "HAProxy in mode http with a short timeout tunnel",
			Spec: scenarios.PathSpec{Kind: scenarios.PathHAProxyIdle, KeepHost: true}, Idle: true, OnRequest: true, Browser: true},
		{Program: "squid", Name: "squid", About: "squid as a forward proxy, with the rules that it comes with: CONNECT to port 443 alone",
			Spec: scenarios.PathSpec{Kind: scenarios.PathSquid}, Twin: "forward-denied", OnRequest: true, Browser: true},
		{Program: "squid", Name: "squid-connect", About: "squid that lets CONNECT go to any port",
			Spec: scenarios.PathSpec{Kind: scenarios.PathSquidConnect}, Twin: "forward", OnRequest: true, Browser: true},
		{Program: "squid", Name: "squid-upgrade", About: "squid with its own rules that passes Upgrade on, for which no client asks without CONNECT",
			Spec: scenarios.PathSpec{Kind: scenarios.PathSquidUpgrade}, Twin: "forward-denied", OnRequest: true},
	}
}
