package page_test

import (
	"bytes"
	"html/template"
	"strings"
	"testing"

	"wsvsio/internal/page"
	"wsvsio/internal/page/pagetest"
)

const hostile = `<script>alert(1)</script>&"'`

const prose = "## A heading\n\nA paragraph with `code`, **weight** and [a link](other.html).\n\n" +
	"| stack | p50 |\n|:--|--:|\n| rawws | 1 |\n\n" +
	"```go\n// Why.\nfunc f() string { return \"a<b\" + 'c' + 1 }\n```\n\n" +
	"```js\n// why\nconst a = b / 2 / /x[/]y/.test(`t${1}u`);\n```\n\n" +
	"    indented <code>\n\n" +
	"<script>alert(1)</script>\n\n[run](javascript:alert(1))\n"

func write(t *testing.T, d page.Document) string {
	t.Helper()
	var b bytes.Buffer
	if err := d.Write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestPage(t *testing.T) {
	main, err := page.Markdown([]byte(prose))
	if err != nil {
		t.Fatal(err)
	}
	html := write(t, page.Document{
		Title: "A page", About: "What it is.", Lead: "<p>First of all.</p>",
		Site:     []page.Link{{Href: "index.html", Text: "Lessons", Here: true}, {Href: "a.html", Text: "A"}},
		Contents: []page.Link{{Href: "#a-heading", Text: "A heading"}},
		Main:     main, Foot: "<p>The end.</p>",
	})
	for _, want := range []string{
		`id="a-heading"`, "<i>// Why.</i>", "<b>func</b>", "<q>&#34;a&lt;b&#34;</q>", "<u>1</u>", "<q>/x[/]y/</q>", "indented &lt;code&gt;",
		`<div class="scroll" tabindex="0" role="group" aria-label="Table 1">`,
	} {
		if !strings.Contains(html, want) {
			t.Errorf("there is no %s", want)
		}
	}
	for _, never := range []string{"<script", "javascript:", "style=\""} {
		if strings.Contains(html, never) {
			t.Errorf("there is %s", never)
		}
	}
	if t.Failed() {
		t.Log(html)
	}
	pagetest.Check(t, "page", []byte(html))
}

// TestEscaped has markup in every text.
func TestEscaped(t *testing.T) {
	html := write(t, page.Document{
		Title: hostile, About: hostile,
		Site: []page.Link{{Href: hostile, Text: hostile}}, Contents: []page.Link{{Href: "javascript:alert(1)", Text: hostile}},
		Main: page.Code("go", hostile) + page.Code("js", hostile) + page.Code(hostile, hostile),
	})
	if strings.Contains(html, "<script") || strings.Contains(html, `"javascript:`) {
		t.Error(html)
	}
}

// FuzzCode finds every source unchanged in what is shown of it.
func FuzzCode(f *testing.F) {
	for _, source := range []string{"package a\n\nvar b = `c\r\nd`\n", "a = /b/g\n", "`${", "/*", "\"\n", "'", "x\x00y", "<b>&amp;</b>"} {
		f.Add("go", source)
		f.Add("js", source)
	}
	f.Fuzz(func(t *testing.T, language, source string) {
		got := string(page.Code(language, source))
		for _, tag := range []string{`<pre tabindex="0"><code>`, "</code></pre>", "<b>", "</b>", "<q>", "</q>", "<i>", "</i>", "<u>", "</u>"} {
			got = strings.ReplaceAll(got, tag, "")
		}
		if want := template.HTMLEscapeString(strings.TrimRight(source, "\n")); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

func TestID(t *testing.T) {
	for want, parts := range map[string][]string{
		"broadcast-steady-sio": {"broadcast", "Steady", "sio"},
		"x1000-clients-b":      {"1000 clients", `"b"`},
		"x":                    {"<>"},
		"p99.9-sec-msg":        {"p99.9-sec/msg"},
	} {
		if got := page.ID(parts...); got != want {
			t.Errorf("ID(%q) = %q, want %q", parts, got, want)
		}
	}
}
