package page

import (
	"bytes"
	"fmt"
	"html/template"
	"strconv"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	table "github.com/yuin/goldmark/extension/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/renderer"
	"github.com/yuin/goldmark/util"
)

// Markdown returns GitHub-flavoured Markdown as HTML: code as Code shows it,
// tables in boxes that scroll, headings with ids. HTML in it is left out, and so
// are links that a browser would run.
func Markdown(source []byte) (template.HTML, error) {
	md := goldmark.New(
		goldmark.WithExtensions(
			// Its other way of aligning is a style attribute.
			extension.NewTable(extension.WithTableCellAlignMethod(extension.TableCellAlignAttribute)),
			extension.Strikethrough),
		goldmark.WithParserOptions(parser.WithAutoHeadingID()),
		goldmark.WithRendererOptions(renderer.WithNodeRenderers(util.Prioritized(new(boxes), 1))),
	)
	var b bytes.Buffer
	if err := md.Convert(source, &b); err != nil {
		return "", fmt.Errorf("turn Markdown into HTML: %w", err)
	}
	return template.HTML(b.String()), nil
}

// boxes shows what may be wider than the page.
type boxes struct{ tables int }

// RegisterFuncs implements renderer.NodeRenderer.
func (x *boxes) RegisterFuncs(r renderer.NodeRendererFuncRegisterer) {
	r.Register(ast.KindFencedCodeBlock, code)
	r.Register(ast.KindCodeBlock, code)
	r.Register(table.KindTable, x.table)
}

func code(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	if !entering {
		return ast.WalkContinue, nil
	}
	language := ""
	if f, ok := n.(*ast.FencedCodeBlock); ok {
		language = string(f.Language(source))
	}
	_, err := w.WriteString(string(Code(language, string(n.Lines().Value(source)))) + "\n")
	return ast.WalkSkipChildren, err
}

func (x *boxes) table(w util.BufWriter, source []byte, n ast.Node, entering bool) (ast.WalkStatus, error) {
	text := "</table>\n</div>\n"
	if entering {
		x.tables++
		text = `<div class="scroll" tabindex="0" role="group" aria-label="Table ` + strconv.Itoa(x.tables) + `">` + "\n<table>\n"
	}
	_, err := w.WriteString(text)
	return ast.WalkContinue, err
}
