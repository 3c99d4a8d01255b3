// Package solution solves the exercise.
package solution

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
)

// Count returns how many TCP connections and how many HTTP requests a client
// took.
func Count(sent [][]byte) (connections, requests int) {
	for _, stream := range sent {
		r := bufio.NewReader(bytes.NewReader(stream))
		for {
			request, err := http.ReadRequest(r)
			if err != nil {
				break
			}
			requests++
			if strings.EqualFold(request.Header.Get("Upgrade"), "websocket") {
				break // frames follow
			}
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				break
			}
		}
	}
	return len(sent), requests
}
