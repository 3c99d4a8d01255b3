package codesize

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/scanner"
	"go/token"
	"reflect"
	"slices"
	"strings"

	"github.com/fzipp/gocyclo"
	"github.com/uudashr/gocognit"
)

// nameless is what a declaration is called that declares nothing.
const nameless = "()"

// imports is what the imports of a file are called, as one declaration.
const imports = "imports"

// goFile is a parsed file of Go and the source that is made of it.
type goFile struct {
	source *Source
	syntax *ast.File
	units  [][]ast.Decl // what each declaration of the source consists of
}

// parseGo measures what can be measured without types.
func parseGo(fset *token.FileSet, path string, text []byte) (*goFile, error) {
	syntax, err := parser.ParseFile(fset, path, text, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	flat, err := flatten(text)
	if err != nil {
		return nil, err
	}
	toks, err := goTokens(text)
	if err != nil {
		return nil, err
	}
	line := func(p token.Pos) int { return fset.Position(p).Line }
	offset := func(p token.Pos) int { return fset.Position(p).Offset }
	f := &goFile{syntax: syntax}
	f.source = &Source{Path: path, lines: textLines(text)}
	var loose []comment
	for _, g := range syntax.Comments {
		if fset.Position(g.Pos()).Column == 1 {
			loose = append(loose, comment{line(g.Pos()), line(g.End()), strings.Join(strings.Fields(g.Text()), " ")})
		}
	}
	if f.source.Sections, err = mark(loose); err != nil {
		return nil, err
	}
	for i, d := range syntax.Decls {
		counts := Counts{Statements: goStatements(d), Lines: printedLines(flat.Decls[i])}
		counts.Cyclomatic, counts.Cognitive = goComplexity(d)
		for _, at := range toks {
			if at >= offset(d.Pos()) && at < offset(d.End()) {
				counts.Tokens++
			}
		}
		f.source.add(counts)
		n := len(f.units)
		if isImport(d) && n > 0 && isImport(f.units[n-1][0]) {
			last := &f.source.Decls[n-1]
			last.add(counts)
			last.End = line(d.End())
			f.units[n-1] = append(f.units[n-1], d)
			continue
		}
		f.units = append(f.units, []ast.Decl{d})
		decl := Decl{
			Name: goName(d), Line: line(d.Pos()), End: line(d.End()), Counts: counts,
			Part: partAt(f.source.Sections, line(d.Pos())),
		}
		f.source.Decls = append(f.source.Decls, decl)
	}
	// The package clause is in no declaration.
	f.source.Lines++
	f.source.Tokens = len(toks)
	return f, nil
}

// textLines returns the lines of a text without their ends.
func textLines(text []byte) []string {
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

func isImport(d ast.Decl) bool {
	g, ok := d.(*ast.GenDecl)
	return ok && g.Tok == token.IMPORT
}

// goName returns the name of a declaration, of a group its first one; that of a
// method has its type in front of it.
func goName(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil || len(d.Recv.List) == 0 {
			return d.Name.Name
		}
		t := d.Recv.List[0].Type
		for {
			switch x := t.(type) {
			case *ast.StarExpr:
				t = x.X
				continue
			case *ast.IndexExpr:
				t = x.X
				continue
			case *ast.IndexListExpr:
				t = x.X
				continue
			case *ast.Ident:
				return x.Name + "." + d.Name.Name
			}
			return d.Name.Name
		}
	case *ast.GenDecl:
		if d.Tok == token.IMPORT {
			return imports
		}
		for _, s := range d.Specs {
			switch s := s.(type) {
			case *ast.TypeSpec:
				return s.Name.Name
			case *ast.ValueSpec:
				return s.Names[0].Name
			}
		}
	}
	return nameless
}

// goTokens returns the offsets of the tokens that count.
func goTokens(text []byte) ([]int, error) {
	file := token.NewFileSet().AddFile("", -1, len(text))
	var errs scanner.ErrorList
	var s scanner.Scanner
	s.Init(file, text, errs.Add, 0)
	var found []int
	comma := false // the last one found is a comma
	for {
		pos, tok, _ := s.Scan()
		switch tok {
		case token.EOF:
			return found, errs.Err()
		case token.SEMICOLON:
			continue
		case token.RPAREN, token.RBRACK, token.RBRACE:
			if comma {
				found = found[:len(found)-1]
			}
		}
		comma = tok == token.COMMA
		found = append(found, file.Offset(pos))
	}
}

// goStatements counts the statements in a declaration.
func goStatements(d ast.Decl) (n int) {
	head := make(map[ast.Node]bool) // what belongs to a statement
	ast.Inspect(d, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.FuncDecl, *ast.ImportSpec, *ast.TypeSpec, *ast.ValueSpec:
			n++
		case *ast.TypeSwitchStmt:
			head[node.Assign] = true
			n++
		case *ast.BlockStmt, *ast.EmptyStmt, *ast.LabeledStmt, *ast.DeclStmt, *ast.CaseClause, *ast.CommClause:
		case ast.Stmt:
			if !head[node] {
				n++
			}
		}
		return true
	})
	return n
}

// goComplexity returns the cyclomatic and the cognitive complexity of a
// declaration. Like gocyclo it takes a function that is the value of a variable
// for a function.
func goComplexity(d ast.Decl) (cyclomatic, cognitive int) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return gocyclo.Complexity(d), gocognit.Complexity(d)
	case *ast.GenDecl:
		for _, s := range d.Specs {
			v, ok := s.(*ast.ValueSpec)
			if !ok {
				continue
			}
			for i, value := range v.Values {
				f, ok := value.(*ast.FuncLit)
				if !ok {
					// Whatever it decides; a function in it is no
					// function of its own.
					cyclomatic += gocyclo.Complexity(value) - 1
					value = &ast.FuncLit{Type: &ast.FuncType{}, Body: &ast.BlockStmt{List: []ast.Stmt{&ast.ExprStmt{X: value}}}}
					f = value.(*ast.FuncLit)
				} else {
					cyclomatic += gocyclo.Complexity(f)
				}
				cognitive += gocognit.Complexity(&ast.FuncDecl{Name: v.Names[min(i, len(v.Names)-1)], Type: f.Type, Body: f.Body})
			}
		}
	}
	return cyclomatic, cognitive
}

// flatten parses a file as if nothing in it had been broken into lines, but
// for the bodies of functions and the fields of types. What is printed of it
// does not depend on the layout.
func flatten(text []byte) (*ast.File, error) {
	f, err := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	pos := reflect.TypeFor[token.Pos]()
	ast.Inspect(f, func(n ast.Node) bool {
		if n == nil {
			return true
		}
		v := reflect.ValueOf(n).Elem()
		for i := range v.NumField() {
			if field := v.Field(i); field.Type() == pos && field.Int() != 0 {
				field.SetInt(int64(flatOpening))
			}
		}
		return true
	})
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BlockStmt:
			n.Rbrace = flatClosing
		case *ast.StructType:
			breakFields(n.Fields)
		case *ast.InterfaceType:
			breakFields(n.Methods)
		}
		return true
	})
	return f, nil
}

// breakFields puts each field of a type into a line; struct{} has none.
func breakFields(l *ast.FieldList) {
	if len(l.List) > 0 {
		l.Closing = flatClosing
	}
}

// The positions in a flattened file, on its first and its second line.
const (
	flatOpening token.Pos = 1
	flatClosing token.Pos = 2
)

// printedLines returns how many lines a node of a flattened file takes.
func printedLines(n ast.Node) int {
	fset := token.NewFileSet()
	fset.AddFile("", 1, 2).SetLines([]int{0, 1})
	var b bytes.Buffer
	if err := printer.Fprint(&b, fset, n); err != nil {
		// A node that was parsed can be printed.
		panic(fmt.Sprintf("print %T: %v", n, err))
	}
	return countLines(b.String())
}

// countLines counts the lines that hold code: neither blank nor a semicolon
// alone, which is an empty statement.
func countLines(text string) int {
	lines := strings.Split(text, "\n")
	return len(slices.DeleteFunc(lines, func(l string) bool {
		l = strings.TrimSpace(l)
		return l == "" || l == ";"
	}))
}
