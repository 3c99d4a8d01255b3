// Package streams is the chat over what else once carried messages to a browser:
// an answer that never ends, as server-sent events (the HTML standard) or in
// parts (multipart/x-mixed-replace, of Netscape 1.1; XMLHttpRequest gave each
// part to the page in Firefox until version 22). What the client says goes the
// other way in requests of its own.
//
// It stands beside the two sides: they are neither rawws's fallback nor
// Socket.IO's, whose version 0.6 had the second as xhr-multipart. A stream that
// ends is the end of the session, as with a plain WebSocket.
//
// Flash Socket is here, too, as far as it can be: the policy server without
// which no Flash player connected, and the socket behind it.
package streams
