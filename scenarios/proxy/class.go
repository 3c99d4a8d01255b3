package proxy

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
)

// Class says what a client sees that does not work, the same for all libraries:
// the HTTP status that it was answered, such as "403"; "untrusted" if it does
// not trust a certificate; "silence" if nothing came until it was given up;
// "closed" if the connection ended, whatever for. It is "" of no error.
func Class(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, context.DeadlineExceeded):
		return "silence"
	}
	return classOf(err.Error())
}

// statusInText finds an HTTP status of an error, where it stands alone. A port
// has more digits on all systems.
var statusInText = regexp.MustCompile(`\b[45]\d\d\b`)

// classOf is Class of an error's text.
func classOf(text string) string {
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
	case strings.Contains(lower, "certificate"):
		return "untrusted"
	case strings.Contains(lower, "timeout"), strings.Contains(lower, "timed out"), strings.Contains(lower, "deadline exceeded"):
		return "silence"
	}
	return "closed"
}

// address is one that the system chose.
var address = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// plain returns an error's text without what is of this run alone.
func plain(err error) string { return address.ReplaceAllString(err.Error(), "HOST") }
