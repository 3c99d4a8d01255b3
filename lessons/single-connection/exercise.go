// Package connection is the exercise of the lesson on one connection.
package connection

import "bytes"

// Count returns how many TCP connections and how many HTTP requests a client
// took, from the bytes that it sent on each of its connections.
//
// Only a request whose head has arrived in full counts; its body may still be on
// the way. A body may hold a whole request, which is none. Each request to
// upgrade to a websocket was granted: after it there is no more HTTP on that
// connection but frames, whose payload is masked and can be any bytes.
//
// It finds a request wherever its version stands, and so finds too many. Repair
// it.
func Count(sent [][]byte) (connections, requests int) {
	for _, stream := range sent {
		requests += bytes.Count(stream, []byte(" HTTP/1.1\r\n"))
	}
	return len(sent), requests
}
