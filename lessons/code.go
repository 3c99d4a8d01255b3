package lessons

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// code returns the declarations that FILE#NAME,NAME names, as a fenced block
// under the name of the file.
func (s *Source) code(spec string) (string, error) {
	file, names, ok := strings.Cut(spec, "#")
	if !ok || names == "" || !filepath.IsLocal(file) {
		return "", fmt.Errorf("%q is not FILE#NAME", spec)
	}
	text, err := os.ReadFile(filepath.Join(s.root, file))
	if err != nil {
		return "", err
	}
	find, language := goDeclaration, "go"
	if filepath.Ext(file) == ".mjs" {
		find, language = jsStatement, "js"
	}
	var pieces []string
	for name := range strings.SplitSeq(names, ",") {
		piece, err := find(text, spaced(name))
		if err != nil {
			return "", fmt.Errorf("%s: %w", file, err)
		}
		pieces = append(pieces, piece)
	}
	return fmt.Sprintf("\n`%s`\n\n```%s\n%s\n```\n", file, language, strings.Join(pieces, "\n\n")), nil
}

// goDeclaration returns a declaration with its comment: "NewServer",
// "Server.chat", "envelope".
func goDeclaration(text []byte, name string) (string, error) {
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "", text, parser.ParseComments)
	if err != nil {
		return "", err
	}
	for _, d := range f.Decls {
		doc, found := (*ast.CommentGroup)(nil), false
		switch d := d.(type) {
		case *ast.FuncDecl:
			doc, found = d.Doc, funcName(d) == name
		case *ast.GenDecl:
			doc = d.Doc
			for _, sp := range d.Specs {
				switch sp := sp.(type) {
				case *ast.TypeSpec:
					found = found || sp.Name.Name == name
				case *ast.ValueSpec:
					for _, n := range sp.Names {
						found = found || n.Name == name
					}
				}
			}
		}
		if !found {
			continue
		}
		from := d.Pos()
		if doc != nil {
			from = doc.Pos()
		}
		return string(text[fset.Position(from).Offset:fset.Position(d.End()).Offset]), nil
	}
	return "", fmt.Errorf("there is no declaration %s", name)
}

// funcName is "F" or "T.M".
func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + d.Name.Name
	}
	return d.Name.Name
}

// jsStatement returns the statement that begins with these words, up to the line
// that ends it, with the comment above and without the indentation.
func jsStatement(text []byte, words string) (string, error) {
	lines := strings.Split(string(text), "\n")
	for i, line := range lines {
		body := strings.TrimLeft(line, " \t")
		if !strings.HasPrefix(body, words) {
			continue
		}
		indent := line[:len(line)-len(body)]
		end := i
		if !strings.HasSuffix(body, ";") {
			for end++; end < len(lines); end++ {
				rest, same := strings.CutPrefix(lines[end], indent)
				if same && (strings.HasPrefix(rest, "}") || strings.HasPrefix(rest, ")")) {
					break
				}
			}
			if end == len(lines) {
				return "", fmt.Errorf("the statement %q has no end", words)
			}
		}
		from := i
		for from > 0 && strings.HasPrefix(strings.TrimLeft(lines[from-1], " \t"), "//") {
			from--
		}
		var b bytes.Buffer
		for _, l := range lines[from : end+1] {
			b.WriteString(strings.TrimPrefix(l, indent) + "\n")
		}
		return strings.TrimRight(b.String(), "\n"), nil
	}
	return "", fmt.Errorf("there is no statement %q", words)
}
