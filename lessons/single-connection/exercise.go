// Package connection is the exercise of the lesson on one connection.
package connection

import "bytes"

// Count returns how many TCP connections and how many HTTP requests a client
// took, from the bytes that it sent on each of its connections.
//
// It finds a request wherever its version stands, and so finds too many: a body
// may hold those words, and after a handshake come frames, whose payload is
// masked and can be any bytes. Repair it.
func Count(sent [][]byte) (connections, requests int) {
	for _, stream := range sent {
		requests += bytes.Count(stream, []byte(" HTTP/1.1\r\n"))
	}
	return len(sent), requests
}
