package codesize

import (
	"strings"

	"github.com/tdewolff/parse/v2/js"
)

// measureJS counts what is in a top-level statement, but for its tokens, lines
// and names.
func measureJS(c *Counts, stmt js.IStmt) {
	m := jsMeter{counts: c, logical: make(map[js.INode]bool), level: 0}
	m.statement(stmt)
	var n js.INode = stmt
	if e, ok := n.(*js.ExportStmt); ok && e.Decl != nil {
		n = e.Decl
	}
	switch n := n.(type) {
	case *js.FuncDecl:
		m.function(n.Name, &n.Params, &n.Body)
	case *js.ArrowFunc:
		m.function(nil, &n.Params, &n.Body)
	case *js.VarDecl:
		for i := range n.List {
			name, _ := n.List[i].Binding.(*js.Var)
			switch f := n.List[i].Default.(type) {
			case *js.FuncDecl:
				m.function(name, &f.Params, &f.Body)
			case *js.ArrowFunc:
				m.function(name, &f.Params, &f.Body)
			default:
				js.Walk(m, &n.List[i])
			}
		}
	case *js.ClassDecl:
		for _, e := range n.List {
			if e.Method != nil {
				m.counts.Statements++
				m.function(nil, &e.Method.Params, &e.Method.Body)
				continue
			}
			if e.StaticBlock != nil {
				js.Walk(m, e.StaticBlock)
			} else {
				js.Walk(m, e.Init)
			}
		}
	default:
		js.Walk(m, n)
	}
}

// jsMeter counts as it walks. It is a value: a copy walks what is nested.
type jsMeter struct {
	counts  *Counts
	level   int               // of nesting, for the cognitive complexity
	logical map[js.INode]bool // operators that have been counted
}

// function counts one of the functions of the file.
func (m jsMeter) function(name *js.Var, params *js.Params, body *js.BlockStmt) {
	m.counts.Cyclomatic++
	if name != nil && callsItself(name, body) {
		m.counts.Cognitive++
	}
	js.Walk(m, params)
	js.Walk(m, body)
}

// callsItself reports whether a function calls the variable that holds it.
func callsItself(name *js.Var, body *js.BlockStmt) (found bool) {
	inspectJS(body, func(n js.INode) bool {
		if call, ok := n.(*js.CallExpr); ok {
			if v, ok := call.X.(*js.Var); ok && resolve(v) == resolve(name) {
				found = true
			}
		}
		return !found
	})
	return found
}

// resolve returns the variable that a use of it stands for.
func resolve(v *js.Var) *js.Var {
	for v.Link != nil {
		v = v.Link
	}
	return v
}

// statement counts one statement, if it is one that counts.
func (m jsMeter) statement(s js.IStmt) {
	switch s.(type) {
	case nil, *js.BlockStmt, *js.EmptyStmt, *js.LabelledStmt, *js.Comment:
	default:
		m.counts.Statements++
	}
}

// deeper walks what is nested one level deeper.
func (m jsMeter) deeper(nodes ...js.INode) {
	m.level++
	for _, n := range nodes {
		js.Walk(m, n)
	}
}

// structure counts a structure that decides and nests: an if, a loop.
func (m jsMeter) structure() {
	m.counts.Cyclomatic++
	m.counts.Cognitive += 1 + m.level
}

// loop walks a loop.
func (m jsMeter) loop(body js.INode, head ...js.INode) {
	m.structure()
	for _, n := range head {
		js.Walk(m, n)
	}
	m.deeper(body)
}

// Exit implements js.IVisitor.
func (m jsMeter) Exit(js.INode) {}

// Enter implements js.IVisitor.
func (m jsMeter) Enter(n js.INode) js.IVisitor {
	c, meaning := m.counts, m.counts.Meaning
	switch n := n.(type) {
	case *js.BlockStmt:
		for _, s := range n.List {
			m.statement(s)
		}
	case *js.LabelledStmt:
		m.statement(n.Value)
	case *js.IfStmt:
		m.structure()
		m.branches(n)
		return nil
	case *js.WhileStmt:
		m.statement(n.Body)
		m.loop(n.Body, n.Cond)
		return nil
	case *js.DoWhileStmt:
		m.statement(n.Body)
		m.loop(n.Body, n.Cond)
		return nil
	case *js.ForStmt:
		if v, ok := n.Init.(*js.VarDecl); n.Init != nil && (!ok || len(v.List) > 0) {
			c.Statements++
		}
		if n.Post != nil {
			c.Statements++
		}
		m.loop(n.Body, n.Init, n.Cond, n.Post)
		return nil
	case *js.ForInStmt:
		m.loop(n.Body, n.Init, n.Value)
		return nil
	case *js.ForOfStmt:
		if n.Await {
			meaning.Waits++
		}
		m.loop(n.Body, n.Init, n.Value)
		return nil
	case *js.SwitchStmt:
		c.Cognitive += 1 + m.level
		js.Walk(m, n.Init)
		for i := range n.List {
			m.deeper(&n.List[i])
		}
		return nil
	case *js.CaseClause:
		if n.TokenType == js.CaseToken {
			c.Cyclomatic++
		}
		for _, s := range n.List {
			m.statement(s)
		}
	case *js.TryStmt:
		js.Walk(m, n.Body)
		if n.Catch != nil {
			m.structure()
			meaning.ErrorPaths++
			m.deeper(n.Binding, n.Catch)
		}
		if n.Finally != nil {
			js.Walk(m, n.Finally)
		}
		return nil
	case *js.BranchStmt:
		if n.Label != nil {
			c.Cognitive++
		}
	case *js.ThrowStmt:
		meaning.ErrorPaths++
		if made, ok := n.Value.(*js.NewExpr); ok && makesError(made) {
			if made.Args != nil {
				js.Walk(m, made.Args)
			}
			return nil
		}
	case *js.FuncDecl:
		js.Walk(m, &n.Params)
		m.deeper(&n.Body)
		return nil
	case *js.MethodDecl:
		js.Walk(m, &n.Params)
		m.deeper(&n.Body)
		return nil
	case *js.ArrowFunc:
		js.Walk(m, &n.Params)
		m.deeper(&n.Body)
		return nil
	case *js.CondExpr:
		m.structure()
		js.Walk(m, n.Cond)
		m.deeper(n.X, n.Y)
		return nil
	case *js.BinaryExpr:
		m.operator(n)
	case *js.UnaryExpr:
		if n.Op == js.AwaitToken {
			meaning.Waits++
		}
	case *js.NewExpr:
		if makesError(n) {
			meaning.ErrorPaths++
		}
		if v, ok := n.X.(*js.Var); ok && v.String() == "Promise" {
			meaning.Waits++
		}
	case *js.DotExpr:
		m.optional(n.Optional)
	case *js.IndexExpr:
		m.optional(n.Optional)
	case *js.TemplateExpr:
		m.optional(n.Optional)
	case *js.CallExpr:
		m.optional(n.Optional)
		m.call(n)
	}
	return m
}

// branches walks an if, whose else if is no deeper than itself.
func (m jsMeter) branches(n *js.IfStmt) {
	m.statement(n.Body)
	m.statement(n.Else)
	js.Walk(m, n.Cond)
	m.deeper(n.Body)
	switch other := n.Else.(type) {
	case nil:
	case *js.IfStmt:
		m.counts.Cyclomatic++
		m.counts.Cognitive++
		m.branches(other)
	default:
		m.counts.Cognitive++
		m.deeper(other)
	}
}

// optional counts a ?. if there is one.
func (m jsMeter) optional(is bool) {
	if is {
		m.counts.Cyclomatic++
	}
}

// operator counts an operator that decides. Of && and || in a row only a change
// makes the code harder to understand.
func (m jsMeter) operator(n *js.BinaryExpr) {
	switch n.Op {
	case js.AndToken, js.OrToken:
		m.counts.Cyclomatic++
		if m.logical[n] {
			return
		}
		last := js.ErrorToken
		for _, op := range m.sequence(n) {
			if op != last {
				m.counts.Cognitive++
			}
			last = op
		}
	case js.NullishToken, js.NullishEqToken, js.AndEqToken, js.OrEqToken:
		m.counts.Cyclomatic++
	case js.EqToken:
		if d, ok := n.X.(*js.DotExpr); ok && d.Y.String() == "onerror" {
			m.counts.Meaning.ErrorPaths++
		}
	}
}

// sequence returns the operators && and || of an expression in order, and marks
// them as counted.
func (m jsMeter) sequence(e js.IExpr) []js.TokenType {
	switch e := e.(type) {
	case *js.GroupExpr:
		return m.sequence(e.X)
	case *js.BinaryExpr:
		m.logical[e] = true
		ops := m.sequence(e.X)
		if e.Op == js.AndToken || e.Op == js.OrToken {
			ops = append(ops, e.Op)
		}
		return append(ops, m.sequence(e.Y)...)
	}
	return nil
}

// makesError reports whether a new makes an error, by its name.
func makesError(n *js.NewExpr) bool {
	return strings.HasSuffix(n.X.String(), "Error") || strings.HasSuffix(strings.TrimSuffix(n.X.String(), ")"), "Error")
}

// call counts what a call starts, waits for or listens to.
func (m jsMeter) call(n *js.CallExpr) {
	name := calledJS(n)
	_, method := n.X.(*js.DotExpr)
	switch name {
	case "setTimeout", "setInterval", "setImmediate", "queueMicrotask", "nextTick":
		m.counts.Meaning.Goroutines++
	}
	switch {
	case !method:
	case name == "then":
		m.counts.Meaning.Waits++
	case name == "catch":
		m.counts.Meaning.ErrorPaths++
	case listens[name] && strings.HasSuffix(firstText(n), "error"):
		m.counts.Meaning.ErrorPaths++
	}
}

// listens are the methods that add a listener to an event.
var listens = map[string]bool{
	"on": true, "once": true, "addListener": true, "addEventListener": true,
	"prependListener": true, "prependOnceListener": true,
}

// calledJS returns the name of the function or method that is called.
func calledJS(n *js.CallExpr) string {
	switch x := n.X.(type) {
	case *js.Var:
		return x.String()
	case *js.DotExpr:
		return x.Y.String()
	}
	return ""
}

// firstText returns the first argument of a call if it is written down as a
// text, otherwise "".
func firstText(n *js.CallExpr) string {
	if len(n.Args.List) == 0 {
		return ""
	}
	l, ok := n.Args.List[0].Value.(*js.LiteralExpr)
	if !ok || l.TokenType != js.StringToken {
		return ""
	}
	return strings.Trim(string(l.Data), `'"`)
}
