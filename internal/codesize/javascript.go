package codesize

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
	"github.com/tdewolff/parse/v2"
	"github.com/tdewolff/parse/v2/js"
)

// jsToken is a token of JavaScript that counts, or a comma or semicolon that
// may not.
type jsToken struct {
	kind       js.TokenType
	start, end int // offsets
	depth      int // open brackets around it
	counts     bool
}

// parseJS measures a module of JavaScript. What other files export it learns
// from read.
func parseJS(path string, text []byte, read module) (*Source, error) {
	tree, err := parseModule(text)
	if err != nil {
		return nil, err
	}
	toks, remarks, err := scanJS(text)
	if err != nil {
		return nil, err
	}
	if want, got := regexps(tree), kinds(toks, js.RegExpToken); want != got {
		return nil, fmt.Errorf("cannot tell where regular expressions begin: the parser finds %d, the scanner %d", want, got)
	}
	spans, err := split(text, tree.List, toks)
	if err != nil {
		return nil, err
	}
	lineAt := func(offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }
	s := &Source{Path: path, lines: textLines(text)}
	s.Meaning = &Meaning{Names: []string{}}
	var comments []comment
	for _, c := range remarks {
		if c.depth == 0 {
			comments = append(comments, c.comment)
		}
	}
	if s.Sections, err = mark(comments); err != nil {
		return nil, err
	}
	flow := followNames(tree, read)
	for i, stmt := range tree.List {
		if _, empty := stmt.(*js.EmptyStmt); empty {
			continue // a semicolon too many
		}
		span := spans[i]
		counts := Counts{Meaning: &Meaning{Names: flow.namesIn(i)}}
		measureJS(&counts, stmt)
		for _, t := range toks[span.first : span.last+1] {
			if t.counts {
				counts.Tokens++
			}
		}
		from, to := toks[span.first].start, toks[span.last].end
		if e, ok := stmt.(*js.ExportStmt); ok && e.Decl == nil {
			counts.Lines = 1 // a list of names, which alone are not declared
		} else if counts.Lines, err = layOut(text[from:to]); err != nil {
			return nil, err
		}
		s.add(counts)
		name := jsName(stmt)
		if n := len(s.Decls); name == imports && n > 0 && s.Decls[n-1].Name == imports {
			s.Decls[n-1].add(counts)
			s.Decls[n-1].End = lineAt(to)
			continue
		}
		d := Decl{Name: name, Line: lineAt(from), End: lineAt(to), Counts: counts, Inner: innerFuncs(text, toks[span.first:span.last+1])}
		d.Part = partAt(s.Sections, d.Line)
		s.Decls = append(s.Decls, d)
	}
	return s, nil
}

// parseModule parses a module; an error says in which line it is wrong.
func parseModule(text []byte) (*js.AST, error) {
	tree, err := js.Parse(parse.NewInputBytes(bytes.Clone(text)), js.Options{})
	if err != nil && !errors.Is(err, io.EOF) {
		var where *parse.Error
		if errors.As(err, &where) {
			return nil, fmt.Errorf("line %d: %s", where.Line, where.Message)
		}
		return nil, err
	}
	return tree, nil
}

// filesBeside reads modules in the folder of a file. One that is not there, or
// that could not be parsed, exports nothing: it has an error of its own.
func filesBeside(dir string) module {
	known := make(map[string]map[string]exported)
	var read module
	read = func(name string) map[string]exported {
		if there, ok := known[name]; ok {
			return there
		}
		known[name] = nil // files may import one another
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		if err != nil {
			return nil
		}
		tree, err := parseModule(text)
		if err != nil {
			return nil
		}
		known[name] = followNames(tree, read).exports()
		return known[name]
	}
	return read
}

// jsComment is a comment, or several that stand under one another.
type jsComment struct {
	comment
	depth int
}

// scanJS returns the tokens of a text and its comments.
func scanJS(text []byte) ([]jsToken, []jsComment, error) {
	lexer := js.NewLexer(parse.NewInputBytes(bytes.Clone(text)))
	var toks []jsToken
	var comments []jsComment
	offset, depth, line := 0, 0, 1
	comma := -1 // index of the last token, if it is a comma
	for {
		kind, data := lexer.Next()
		if (kind == js.DivToken || kind == js.DivEqToken) && !endsValue(toks) {
			kind, data = lexer.RegExp()
		}
		start := offset
		offset += len(data)
		switch kind {
		case js.ErrorToken:
			if errors.Is(lexer.Err(), io.EOF) {
				return toks, comments, nil
			}
			return nil, nil, fmt.Errorf("line %d: %w", line, lexer.Err())
		case js.CommentToken, js.CommentLineTerminatorToken:
			end := line + bytes.Count(data, []byte("\n"))
			comments = addComment(comments, jsComment{comment{line, end, plain(string(data))}, depth}, text[:start])
			line = end
			continue
		case js.WhitespaceToken, js.LineTerminatorToken:
			line += bytes.Count(data, []byte("\n"))
			continue
		}
		line += bytes.Count(data, []byte("\n"))
		t := jsToken{kind: kind, start: start, end: offset, counts: kind != js.SemicolonToken}
		switch kind {
		case js.CloseBraceToken, js.CloseBracketToken, js.CloseParenToken:
			depth--
			if comma >= 0 {
				toks[comma].counts = false
			}
		case js.TemplateEndToken:
			depth--
		}
		t.depth = depth
		switch kind {
		case js.OpenBraceToken, js.OpenBracketToken, js.OpenParenToken, js.TemplateStartToken:
			depth++
		}
		comma = -1
		if kind == js.CommaToken {
			comma = len(toks)
		}
		toks = append(toks, t)
	}
}

// addComment adds a comment to those before it. If it begins a line and the
// last one ended on the line before, the two are one.
func addComment(comments []jsComment, c jsComment, before []byte) []jsComment {
	begins := len(bytes.TrimSpace(before[bytes.LastIndexByte(before, '\n')+1:])) == 0
	if !begins {
		return comments // it stands behind code
	}
	if n := len(comments); n > 0 && comments[n-1].end == c.line-1 && comments[n-1].depth == c.depth {
		comments[n-1].end = c.end
		comments[n-1].text += " " + c.text
		return comments
	}
	return append(comments, c)
}

// plain returns the text of a comment in one line.
func plain(text string) string {
	text = strings.TrimPrefix(text, "//")
	if inner, ok := strings.CutPrefix(text, "/*"); ok {
		text = strings.TrimSuffix(inner, "*/")
	}
	return strings.Join(strings.Fields(text), " ")
}

// endsValue reports whether what has been scanned ends with a value, so that a
// slash divides it.
func endsValue(toks []jsToken) bool {
	if len(toks) == 0 {
		return false
	}
	switch k := toks[len(toks)-1].kind; k {
	case js.CloseParenToken, js.CloseBracketToken, js.CloseBraceToken, js.StringToken, js.TemplateToken,
		js.TemplateEndToken, js.RegExpToken, js.PrivateIdentifierToken, js.ThisToken, js.SuperToken,
		js.NullToken, js.TrueToken, js.FalseToken, js.IncrToken, js.DecrToken:
		return true
	default:
		return js.IsNumeric(k) || js.IsIdentifier(k)
	}
}

// kinds counts the tokens of a kind.
func kinds(toks []jsToken, kind js.TokenType) (n int) {
	for _, t := range toks {
		if t.kind == kind {
			n++
		}
	}
	return n
}

// regexps counts the regular expressions in a tree.
func regexps(tree *js.AST) (n int) {
	inspectJS(tree, func(node js.INode) bool {
		if l, ok := node.(*js.LiteralExpr); ok && l.TokenType == js.RegExpToken {
			n++
		}
		return true
	})
	return n
}

// span is where a statement stands: the indices of its first and last token.
type span struct{ first, last int }

// split finds where each of the top-level statements stands. The parser does
// not say: a statement ends at the first token, outside of all brackets, up to
// which the text is this very statement and nothing else.
func split(text []byte, list []js.IStmt, toks []jsToken) ([]span, error) {
	var spans []span
	next := 0
	for _, stmt := range list {
		// Semicolons after a declaration are empty statements.
		_, empty := stmt.(*js.EmptyStmt)
		for !empty && next < len(toks) && toks[next].kind == js.SemicolonToken {
			next++
		}
		end := -1
		for i := next; i < len(toks) && end < 0; i++ {
			if toks[i].depth == 0 && isStatement(text[toks[next].start:toks[i].end], stmt) {
				end = i
			}
		}
		if end < 0 {
			return nil, fmt.Errorf("cannot tell where %q ends", jsName(stmt))
		}
		if end+1 < len(toks) && toks[end+1].kind == js.SemicolonToken {
			end++
		}
		spans = append(spans, span{next, end})
		next = end + 1
	}
	return spans, nil
}

// isStatement reports whether a text is this statement.
func isStatement(text []byte, stmt js.IStmt) bool {
	tree, err := parseModule(text)
	return err == nil && len(tree.List) == 1 && tree.List[0].String() == stmt.String()
}

// jsName returns the name of a declaration, of several the first; "imports" for
// an import and nameless for what declares nothing.
func jsName(stmt js.IStmt) string {
	var n js.INode = stmt
	if e, ok := n.(*js.ExportStmt); ok && e.Decl != nil {
		n = e.Decl
	}
	name := ""
	switch n := n.(type) {
	case *js.ImportStmt:
		return imports
	case *js.FuncDecl:
		if n.Name != nil {
			name = n.Name.String()
		}
	case *js.ClassDecl:
		if n.Name != nil {
			name = n.Name.String()
		}
	case *js.VarDecl:
		for _, v := range bound(n.List[0].Binding) {
			name = v.String()
			break
		}
	}
	if name == "" {
		return nameless
	}
	return name
}

// innerFuncs returns the functions that are declared directly in the body of
// the function that the tokens are, if they are one.
func innerFuncs(text []byte, toks []jsToken) (inner []Inner) {
	for i, t := range toks {
		// A word before it makes it an expression, but for async.
		declares := i > 0 && i+1 < len(toks) && t.kind == js.FunctionToken && t.depth == 1
		if !declares {
			continue
		}
		first := t
		if toks[i-1].kind == js.AsyncToken {
			first = toks[i-1]
		}
		begin := bytes.LastIndexByte(text[:first.start], '\n') + 1
		if len(bytes.TrimSpace(text[begin:first.start])) > 0 || !js.IsIdentifier(toks[i+1].kind) {
			continue // it does not begin its line, or has no name
		}
		name := toks[i+1]
		inner = append(inner, Inner{Name: string(text[name.start:name.end]), Line: 1 + bytes.Count(text[:first.start], []byte("\n"))})
	}
	return inner
}

// bound returns the variables of a binding, in order.
func bound(b js.IBinding) (vars []*js.Var) {
	switch b := b.(type) {
	case *js.Var:
		return []*js.Var{b}
	case *js.BindingArray:
		for _, e := range b.List {
			vars = append(vars, bound(e.Binding)...)
		}
		return append(vars, bound(b.Rest)...)
	case *js.BindingObject:
		for _, item := range b.List {
			vars = append(vars, bound(item.Value.Binding)...)
		}
		if b.Rest != nil {
			vars = append(vars, b.Rest)
		}
	}
	return vars
}

// inspectJS calls f for a node and those under it, until f returns false.
func inspectJS(n js.INode, f func(js.INode) bool) { js.Walk(inspector(f), n) }

type inspector func(js.INode) bool

// Enter implements js.IVisitor.
func (f inspector) Enter(n js.INode) js.IVisitor {
	if !f(n) {
		return nil
	}
	return f
}

// Exit implements js.IVisitor.
func (f inspector) Exit(js.INode) {}

// layOut returns how many lines a text takes as esbuild lays it out. What it
// keeps of the layout, such as an object on several lines, is taken away first.
func layOut(text []byte) (int, error) {
	code := string(text)
	for _, minify := range []bool{true, false} {
		result := api.Transform(code, api.TransformOptions{
			Loader:           api.LoaderJS,
			Target:           api.ESNext,
			Format:           api.FormatDefault,
			LegalComments:    api.LegalCommentsNone,
			MinifyWhitespace: minify,
			TreeShaking:      api.TreeShakingFalse,
			LogLevel:         api.LogLevelSilent,
		})
		if err := esbuildError(result.Errors); err != nil {
			return 0, err
		}
		code = string(result.Code)
	}
	return countLines(code), nil
}

// esbuildError returns the first of the errors of esbuild, nil if there is none.
func esbuildError(messages []api.Message) error {
	if len(messages) == 0 {
		return nil
	}
	m := messages[0]
	if m.Location == nil {
		return fmt.Errorf("esbuild: %s", m.Text)
	}
	return fmt.Errorf("esbuild: %s:%d: %s", m.Location.File, m.Location.Line, m.Text)
}
