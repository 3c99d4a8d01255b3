// Package scenarios says what is compared: the chat that both sides
// implement, the programs that stand at its two ends, and the seam through
// which a scenario is run.
//
// It imports the standard library only. How the chat is built with a plain
// WebSocket is in rawws, how it is built with Socket.IO in sio; how it is
// measured is in bench.
package scenarios
