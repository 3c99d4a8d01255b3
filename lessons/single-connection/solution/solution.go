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
				break // no head, or not all of it
			}
			requests++
			if strings.EqualFold(request.Header.Get("Upgrade"), "websocket") {
				break // it was granted, and frames follow
			}
			// As long as its head says, whatever is in it.
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				break // it is still on the way
			}
		}
	}
	return len(sent), requests
}
