package proxy

import "regexp"

// address is one that the system chose.
var address = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// plain returns an error's text without what is of this run alone.
func plain(err error) string { return address.ReplaceAllString(err.Error(), "HOST") }
