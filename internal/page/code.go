package page

import (
	"bytes"
	"go/scanner"
	"go/token"
	"html/template"
	"strings"

	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/js"
)

// What a piece of code is shown as. The elements are the shortest that there are
// and have no role of their own in a pre: a page holds thousands of them.
const (
	plain   = ""
	keyword = "b"
	str     = "q"
	comment = "i"
	number  = "u"
)

// Code returns code with its keywords, strings, comments and numbers marked, in a
// box that scrolls. The language is "go" or "js" (also "mjs" and "javascript");
// of any other nothing is marked.
//
// The lexers are those that the project has anyway. One of the libraries for
// highlighting would have come with hundreds, set up as the program starts, and
// this program is the server whose memory is measured.
func Code(language, source string) template.HTML {
	m := &marker{rest: strings.TrimRight(source, "\n")}
	m.b.WriteString(`<pre tabindex="0"><code>`)
	switch language {
	case "go":
		m.golang()
	case "js", "mjs", "javascript":
		m.javascript()
	}
	m.add(plain, m.rest)
	m.b.WriteString("</code></pre>")
	return template.HTML(m.b.String())
}

// marker takes a source piece by piece.
type marker struct {
	b    strings.Builder
	rest string // of the source
}

// add writes the next piece. Pieces that are alike are not put together: that
// two of them meet is rare.
func (m *marker) add(as, text string) {
	if text == "" {
		return
	}
	m.rest = m.rest[len(text):]
	text = template.HTMLEscapeString(text)
	if as != plain {
		text = "<" + as + ">" + text + "</" + as + ">"
	}
	m.b.WriteString(text)
}

// golang marks what it can of the rest as Go.
func (m *marker) golang() {
	source := []byte(m.rest)
	fset := token.NewFileSet()
	file := fset.AddFile("", fset.Base(), len(source))
	var s scanner.Scanner
	s.Init(file, source, func(token.Position, string) {}, scanner.ScanComments)
	at := 0
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			return
		}
		as := plain
		switch {
		case tok.IsKeyword():
			as = keyword
		case tok == token.STRING || tok == token.CHAR:
			as = str
		case tok == token.COMMENT:
			as = comment
		case tok == token.INT || tok == token.FLOAT || tok == token.IMAG:
			as = number
		}
		from := file.Offset(pos)
		// What the scanner returns may be shorter than the source, which keeps
		// its carriage returns; then it is left as it is.
		if as == plain || from < at || !strings.HasPrefix(string(source[from:]), literal) {
			continue
		}
		m.add(plain, string(source[at:from]))
		m.add(as, literal)
		at = from + len(literal)
	}
}

// javascript marks what it can of the rest as JavaScript.
func (m *marker) javascript() {
	// The lexer writes behind its input.
	l := js.NewLexer(parse.NewInputBytes(bytes.Clone([]byte(m.rest))))
	divides := false // what a slash means here
	for {
		tok, text := l.Next()
		if (tok == js.DivToken || tok == js.DivEqToken) && !divides {
			tok, text = l.RegExp()
		}
		if tok == js.ErrorToken || !strings.HasPrefix(m.rest, string(text)) {
			return
		}
		as := plain
		switch {
		case js.IsReservedWord(tok), tok == js.LetToken, tok == js.AsyncToken, tok == js.OfToken, tok == js.StaticToken:
			as = keyword
		case tok == js.StringToken, tok == js.TemplateToken, tok == js.TemplateStartToken, tok == js.TemplateMiddleToken, tok == js.TemplateEndToken, tok == js.RegExpToken:
			as = str
		case tok == js.CommentToken, tok == js.CommentLineTerminatorToken:
			as = comment
		case js.IsNumeric(tok):
			as = number
		}
		if as != comment && tok != js.WhitespaceToken && tok != js.LineTerminatorToken {
			switch tok {
			case js.CloseParenToken, js.CloseBracketToken, js.CloseBraceToken, js.TemplateEndToken, js.TemplateToken, js.StringToken, js.RegExpToken, js.ThisToken:
				divides = true
			default:
				divides = js.IsNumeric(tok) || js.IsIdentifier(tok)
			}
		}
		m.add(as, string(text))
	}
}
