// Package solution solves the exercise.
package solution

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
)

// NewBalancer returns a balancer that keeps a session on its node.
func NewBalancer(nodes map[string]*url.URL) http.Handler {
	var all []*url.URL
	for _, u := range nodes {
		all = append(all, u)
	}
	var next atomic.Uint64
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		name, _, _ := strings.Cut(r.In.URL.Query().Get("sid"), "~")
		node, ok := nodes[name]
		if !ok {
			node = all[next.Add(1)%uint64(len(all))]
		}
		r.SetURL(node)
	}}
}
