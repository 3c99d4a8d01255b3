package report

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean returns a text that comes from a run as one line that is safe to
// print: control characters, and others that are not seen, are dropped.
func clean(text string) string {
	text = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, text)
	return strings.Join(strings.Fields(text), " ")
}

// pad puts blanks before a text until it has width characters.
func pad(text string, width int) string {
	return strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text))) + text
}

// escape returns a clean text as Markdown that shows it as it is, in a table
// too: tablewriter does not escape "|".
var escape = strings.NewReplacer(
	`\`, `\\`, "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`,
	"[", `\[`, "]", `\]`, "#", `\#`, "$", `\$`,
	"&", "&amp;", "<", "&lt;", ">", "&gt;",
).Replace
