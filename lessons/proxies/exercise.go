// Package proxies is the exercise of the lesson on what stands in between.
package proxies

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
)

// NewBalancer returns a balancer before nodes of Socket.IO, each by its name.
//
// It takes the nodes in turn, request by request, which breaks a session over
// polling: half of its requests come to a node that does not know it. Repair it.
// The clients keep no cookies. But each node puts its name and a "~" in front of
// the session ids that it gives away, such as "node1~x4f", and a client says its
// id with each request in the parameter "sid". No name has a "~" in it, but one
// may be the beginning of another. Who has no id yet still comes to the nodes in
// turn, and so does who has one of a node that is not there.
func NewBalancer(nodes map[string]*url.URL) http.Handler {
	var all []*url.URL
	for _, u := range nodes {
		all = append(all, u)
	}
	var next atomic.Uint64
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(all[next.Add(1)%uint64(len(all))])
	}}
}
