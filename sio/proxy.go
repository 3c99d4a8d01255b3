package sio

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/googollee/go-socket.io/engineio/transport/websocket"

	"wsvsio/scenarios"
)

// What a server and its clients have to do for the proxies between them.

// dialer returns a transport that goes through the proxy of a client, if it
// has one, and trusts its authority.
func dialer(cfg scenarios.DialConfig) (*websocket.Transport, error) {
	if cfg.Lacks == scenarios.WebSocket {
		return nil, errLacking
	}
	if slices.Equal(cfg.Transports, []string{scenarios.Polling}) {
		return nil, errNoPolling
	}
	d := &websocket.Transport{
		Proxy:            http.ProxyFromEnvironment,
		HandshakeTimeout: 45 * time.Second, // as gorilla's default dialer
	}
	if cfg.Proxy != "" {
		u, err := url.Parse(cfg.Proxy)
		if err != nil || u.Scheme != "http" || u.Host == "" {
			return nil, fmt.Errorf("proxy %q: not http://host:port", cfg.Proxy)
		}
		d.Proxy = http.ProxyURL(u)
	}
	if cfg.CA != "" {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM([]byte(cfg.CA)) {
			return nil, errors.New("there is no certificate in the CA")
		}
		d.TLSClientConfig = &tls.Config{RootCAs: pool}
	}
	return d, nil
}

// behind returns a configuration whose heartbeat is quick enough that no proxy
// takes a connection for idle: two fit into the time that one waits.
func behind(cfg scenarios.ServerConfig) scenarios.ServerConfig {
	if idle := cfg.Behind.Idle; idle > 0 {
		cfg.PingInterval = min(cfg.PingInterval, idle/2)
	}
	return cfg
}

// forwarded returns a request as it came to the first of the proxies that are
// trusted: with the Host that the browser has in its Origin, and the client's
// address, for logs and limits.
func forwarded(cfg scenarios.ServerConfig, r *http.Request) *http.Request {
	trusted := cfg.Behind.Trusted
	if trusted <= 0 {
		return r // whoever sends the headers may be anybody
	}
	r = r.WithContext(r.Context()) // a copy
	if host := told(r.Header["X-Forwarded-Host"], trusted); host != "" {
		r.Host = host
	}
	if addr := told(r.Header["X-Forwarded-For"], trusted); addr != "" {
		r.RemoteAddr = net.JoinHostPort(addr, "0")
	}
	return r
}

// told returns what the first of n proxies has said in a header to which each
// adds at the end. What stands before that the client may have made up. A
// proxy that does not add but replaces leaves fewer.
func told(header []string, n int) string {
	values := strings.Split(strings.Join(header, ","), ",")
	return strings.TrimSpace(values[max(0, len(values)-n)])
}

// What follows makes up for go-socket.io's session ids. They are 1, 2, 3 and
// so on, on every node: another user's can be guessed, and a request that a
// load balancer takes to the wrong node is answered there.

// sessionIDs makes random session ids behind the node's name, by which a load
// balancer can find the node.
type sessionIDs string

// NewID implements session.IDGenerator.
func (node sessionIDs) NewID() string {
	return string(node) + rand.Text()
}
