// Package class tells in a word what became of a client. It is apart from package
// scenarios, because what that imports is linked by the chat, whose size counts.
package class

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Of says what a client sees that does not work, the same for all libraries:
// the HTTP status that it was answered, such as "403"; "no WebSocket" if it has
// none; "untrusted" if it does not trust a certificate; "silence" if nothing came
// until it was given up; "no tunnel" if a forward proxy does not let a browser
// through, which does not say with what status; "closed" if the connection ended,
// whatever for. It is "" of no error. Where an upgrade was asked for, the status of
// an answer that is none says so.
func Of(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "silence"
	}
	text := err.Error()
	if status := statusInText.FindString(text); status != "" {
		return status
	}
	// gorilla leaves out the number of a proxy's answer.
	for status := 400; status < 600; status++ {
		if name := http.StatusText(status); name != "" && strings.Contains(text, name) {
			return strconv.Itoa(status)
		}
	}
	lower := strings.ToLower(text)
	switch {
	case strings.Contains(lower, "has no websocket"):
		return "no WebSocket"
	case strings.Contains(lower, "tunnel"):
		return "no tunnel"
	case strings.Contains(lower, "certificate"), strings.Contains(lower, "err_cert"):
		return "untrusted"
	case strings.Contains(lower, "timeout"), strings.Contains(lower, "timed out"), strings.Contains(lower, "deadline exceeded"):
		return "silence"
	}
	return "closed"
}

// statusInText finds an HTTP status of an error, where it stands alone. A port
// has more digits on all systems.
var statusInText = regexp.MustCompile(`\b[45]\d\d\b`)
