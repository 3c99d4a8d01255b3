package lessons

import (
	"bytes"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"wsvsio/internal/capture"
	"wsvsio/internal/page"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

// The names of the pages that are not a lesson's.
const (
	Index = "index.html"
	Wire  = "wire.html"
)

// style is what the pages add to the shell's.
const style = `
td[align=right] { white-space: nowrap; }
main > h2:first-child { margin-top: 1rem; }
.pair > div > p { margin-bottom: 0; }
ol.lessons { padding-left: 1.6rem; }
ol.lessons li { margin: .7rem 0; }
`

// Pages returns all pages by name: an index, a page for each lesson and one for
// the connection, byte by byte. What was left out of the captures is said there, and
// the figures of what was captured are those of the lessons, too.
func (s *Source) Pages(captures []*capture.Capture, left []record.LeftOut) (map[string][]byte, error) {
	s.mu.Lock()
	for _, c := range captures {
		s.captures[c.Stack.Name] = c
	}
	s.mu.Unlock()
	pages := make(map[string][]byte)
	var errs []error
	add := func(name string, d page.Document, err error) {
		var b bytes.Buffer
		if err == nil {
			err = d.Write(&b)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			return
		}
		pages[name] = b.Bytes()
	}
	for i := range All() {
		d, err := s.lesson(i)
		add(All()[i].ID+".html", d, err)
	}
	d, err := wire(captures, left)
	add(Wire, d, err)
	d, err = s.index()
	add(Index, d, err)
	return pages, errors.Join(errs...)
}

// Write writes pages into a folder.
func Write(dir string, pages map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("write the lessons: %w", err)
	}
	for name, data := range pages {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			return fmt.Errorf("write the lessons: %w", err)
		}
	}
	return nil
}

// site are the links between the pages.
func site(here string) []page.Link {
	links := []page.Link{{Href: Index, Text: "Lessons"}}
	for _, l := range All() {
		links = append(links, page.Link{Href: l.ID + ".html", Text: l.ID})
	}
	links = append(links, page.Link{Href: Wire, Text: "on the wire"})
	for i := range links {
		links[i].Here = links[i].Href == here
	}
	return links
}

// lesson makes the page of a lesson.
func (s *Source) lesson(i int) (page.Document, error) {
	l := All()[i]
	name := l.ID + ".html"
	text, err := os.ReadFile(filepath.Join(s.root, l.File()))
	if err != nil {
		return page.Document{}, err
	}
	filled, figures, err := s.Fill(string(text))
	if errors.Is(err, ErrNoWire) {
		err = nil // what was recorded there stands
	}
	if err != nil {
		return page.Document{}, err
	}
	// The title is the page's.
	_, filled, _ = strings.Cut(filled, "\n")
	main, err := prose(filled)
	if err != nil {
		return page.Document{}, err
	}
	more, err := sources(figures)
	if err != nil {
		return page.Document{}, err
	}
	d := page.Document{
		Title: fmt.Sprintf("%d. %s", i+1, l.Title), About: l.About,
		Lead: template.HTML("<p>" + template.HTMLEscapeString(l.About) + "</p>"),
		Site: site(name), Main: main + more, Style: style, Foot: foot,
	}
	for _, m := range heading.FindAllStringSubmatch(string(main), -1) {
		d.Contents = append(d.Contents, page.Link{Href: "#" + m[1], Text: plain(m[2])})
	}
	d.Contents = append(d.Contents, page.Link{Href: "#where-the-numbers-stand", Text: "Where the numbers stand"})
	return d, nil
}

const foot = template.HTML(`<p>Made by <code>compare lessons</code> from the sources, from recorded runs and from connections made meanwhile. This page fetches nothing and runs nothing.</p>`)

var (
	heading = regexp.MustCompile(`<h2 id="([^"]*)">(.*?)</h2>`)
	tag     = regexp.MustCompile(`<[^>]*>`)
	pairOf  = regexp.MustCompile(`(?s)<!--pair-->(.*?)<!--/pair-->`)
	codeOf  = regexp.MustCompile("(?s)<!--code [^>]*-->(.*?)<!--/-->")
	comment = regexp.MustCompile(`<!--.*?-->`)
	link    = regexp.MustCompile(`\[([^\]]*)\]\(([^)\s]*)\)`)
)

// plain is the text of some HTML.
func plain(html string) string {
	return strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&#39;", "'").Replace(tag.ReplaceAllString(html, ""))
}

// prose turns Markdown of the lessons into HTML, pairs of code side by side.
func prose(text string) (template.HTML, error) {
	var pairs []string
	var failed error
	text = pairOf.ReplaceAllStringFunc(text, func(all string) string {
		var b strings.Builder
		b.WriteString(`<div class="pair">`)
		for _, m := range codeOf.FindAllStringSubmatch(all, -1) {
			html, err := page.Markdown([]byte(m[1]))
			failed = errors.Join(failed, err)
			b.WriteString("<div>" + string(html) + "</div>")
		}
		b.WriteString("</div>")
		pairs = append(pairs, b.String())
		return fmt.Sprintf("\n\nPAIR%dOFCODE\n\n", len(pairs)-1)
	})
	text = comment.ReplaceAllString(text, "")
	text = outside(text, func(text string) string {
		return link.ReplaceAllStringFunc(text, func(all string) string {
			m := link.FindStringSubmatch(all)
			return relink(m[1], m[2])
		})
	})
	html, err := page.Markdown([]byte(text))
	if err := errors.Join(failed, err); err != nil {
		return "", err
	}
	out := string(html)
	for i, p := range pairs {
		out = strings.Replace(out, fmt.Sprintf("<p>PAIR%dOFCODE</p>", i), p, 1)
	}
	return template.HTML(out), nil
}

// outside changes what is not in a fenced block of code.
func outside(text string, change func(string) string) string {
	parts := strings.Split(text, "```")
	for i := 0; i < len(parts); i += 2 {
		parts[i] = change(parts[i])
	}
	return strings.Join(parts, "```")
}

// relink is a link as the pages have it: to one of them, or out into the world.
// What it leads to in the repository the pages do not have.
func relink(text, href string) string {
	for _, l := range All() {
		if rest, ok := strings.CutPrefix(href, "../"+l.ID+"/lesson.md"); ok {
			return fmt.Sprintf("[%s](%s.html%s)", text, l.ID, rest)
		}
		if rest, ok := strings.CutPrefix(href, l.ID+"/lesson.md"); ok {
			return fmt.Sprintf("[%s](%s.html%s)", text, l.ID, rest)
		}
	}
	if href == "../README.md" {
		return fmt.Sprintf("[%s](%s)", text, Index)
	}
	if strings.HasPrefix(href, "https://") || strings.HasPrefix(href, "#") {
		return fmt.Sprintf("[%s](%s)", text, href)
	}
	return text
}

// sources is where the numbers of a page come from.
func sources(figures []Figure) (template.HTML, error) {
	var b strings.Builder
	b.WriteString("\n## Where the numbers stand\n\nEach is taken from there when the page is built, and a test fails where the text differs.\n\n| figure | source |\n|:--|:--|\n")
	seen := make(map[string]bool)
	for _, f := range figures {
		if seen[f.Source] {
			continue
		}
		seen[f.Source] = true
		text := f.Text
		if strings.HasPrefix(text, "**") { // a verdict
			text, _, _ = strings.Cut(strings.TrimPrefix(text, "**"), "**")
		}
		fmt.Fprintf(&b, "| %s | `%s` |\n", strings.ReplaceAll(text, "~", `\~`), f.Source)
	}
	return page.Markdown([]byte(b.String()))
}

// index makes the first page.
func (s *Source) index() (page.Document, error) {
	text, err := os.ReadFile(filepath.Join(s.root, "lessons", "README.md"))
	if err != nil {
		return page.Document{}, err
	}
	filled, _, err := s.Fill(string(text))
	if err != nil && !errors.Is(err, ErrNoWire) {
		return page.Document{}, err
	}
	_, filled, _ = strings.Cut(filled, "\n")
	intro, rest, _ := strings.Cut(ownList.ReplaceAllString(filled, ""), "\n## ")
	lead, err := prose(intro)
	if err != nil {
		return page.Document{}, err
	}
	main, err := prose("\n## " + rest)
	if err != nil {
		return page.Document{}, err
	}
	var b strings.Builder
	b.WriteString(`<h2 id="the-lessons">The lessons</h2><ol class="lessons">`)
	for _, l := range All() {
		fmt.Fprintf(&b, `<li><a href="%s.html">%s</a><br>%s</li>`, l.ID, template.HTMLEscapeString(l.Title), template.HTMLEscapeString(l.About))
	}
	fmt.Fprintf(&b, `</ol><p>Beside them: <a href="%s">the connection, byte by byte</a>.</p>`, Wire)
	return page.Document{
		Title: "WebSocket or Socket.IO? Lessons", About: "Seven lessons, one for each claim, with exercises, and a connection byte by byte.",
		Lead: lead, Site: site(Index), Main: template.HTML(b.String()) + main, Style: style, Foot: foot,
	}, nil
}

// ownList is the list of the lessons in the Markdown, of which the page has its
// own.
var ownList = regexp.MustCompile(`(?m)^- \[[^\]]*\]\([^)]*/lesson\.md\)\n`)

// wire makes the page of the connection.
func wire(captures []*capture.Capture, left []record.LeftOut) (page.Document, error) {
	html, err := capture.HTML(captures)
	if err != nil {
		return page.Document{}, err
	}
	sheets := capture.Sheets(captures)
	together := sheets[len(sheets)-1]
	together.Title = "All of them beside one another"
	for _, l := range left {
		together.Notes = append(together.Notes, fmt.Sprintf("left out: %s: %s", l.Stack, l.Reason))
	}
	first, err := tables(together)
	if err != nil {
		return page.Document{}, err
	}
	last, err := tables(sheets[:len(sheets)-1]...)
	if err != nil {
		return page.Document{}, err
	}
	lead := `<p>Each client below connects, enters a room, says two messages, hears both, for it is in the room, and goes. A relay in between kept every byte; here they are in the order
of their coming, each field with what it is for and the section that says so. What is explained once is only named after that. The width of a strip is the share of the largest step.</p>`
	d := page.Document{
		Title: "The connection, byte by byte", About: "Every byte from connect to the second message, on each transport, and what it is for.",
		Lead: template.HTML(lead) + capture.Legend(), Site: site(Wire), Main: first + html + last, Style: style + capture.Style, Foot: foot,
	}
	d.Contents = append(d.Contents, page.Link{Href: "#" + page.ID(together.Title), Text: together.Title})
	for _, c := range captures {
		d.Contents = append(d.Contents, page.Link{Href: "#" + capture.ID(c.Stack.Name), Text: c.Stack.Name})
	}
	return d, nil
}

// tables are sheets as HTML.
func tables(sheets ...report.Sheet) (template.HTML, error) {
	var b bytes.Buffer
	if err := report.WriteSheets(&b, sheets, report.Sheet.Markdown); err != nil {
		return "", err
	}
	return page.Markdown(b.Bytes())
}
