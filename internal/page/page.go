// Package page is the shell of the project's documents in HTML: one file that
// works offline, in light and dark, on a phone and on paper.
//
// A document fetches nothing and runs nothing: it has no script, its style is in
// it, and a content security policy says so, which allows that style by its hash.
// There are no style attributes for the same reason. Text becomes HTML through
// html/template, code through Code, and prose of this repository through Markdown.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"
	"unicode"
)

// Document is a page.
type Document struct {
	Title string // of the document, and its heading
	About string // what it is, in a sentence; for those who list pages

	// Lead stands under the heading, before the contents.
	Lead template.HTML

	// Site links to other documents, Contents to places in this one. Either may
	// be empty.
	Site     []Link
	Contents []Link

	Main template.HTML // from the headings of level 2 on
	Foot template.HTML

	Style string // CSS of this document, on top of the shell's
}

// Link is a text that leads somewhere.
type Link struct {
	Href string
	Text string
	Here bool // it leads to this very document
}

//go:embed page.html.tmpl
var shellText string

//go:embed page.css
var shellStyle string

// shell is parsed when it is needed: a program that shows no page, such as a
// measured server, does without.
var shell = sync.OnceValue(func() *template.Template { return template.Must(template.New("page").Parse(shellText)) })

// Write writes the document, all of it or nothing.
func (d Document) Write(w io.Writer) error {
	style := compact(shellStyle + d.Style)
	hash := sha256.Sum256([]byte(style))
	var b bytes.Buffer
	err := shell().Execute(&b, struct {
		Document
		CSS    template.CSS
		Policy string
	}{
		d, template.CSS(style),
		// The icon is an empty one in place: a browser would ask for a file otherwise.
		"default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'; img-src data:; base-uri 'none'; form-action 'none'",
	})
	if err != nil {
		return fmt.Errorf("lay out the page %q: %w", d.Title, err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// compact drops the comments, the indentation and the empty lines of a style.
func compact(css string) string {
	var b strings.Builder
	for line := range strings.Lines(css) {
		line = strings.TrimSpace(line)
		if line != "" && (!strings.HasPrefix(line, "/*") || !strings.HasSuffix(line, "*/")) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// ID returns a text as what a link can lead to: "what-it-costs". What comes out
// has letters, digits, "-", "." and "_" only, and begins with a letter.
func ID(parts ...string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(strings.Join(parts, "-")) {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '.' || r == '_'):
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			gap = false
			b.WriteRune(r)
		default:
			gap = true
		}
	}
	id := b.String()
	if id == "" || !unicode.IsLetter(rune(id[0])) {
		return "x" + id
	}
	return id
}
