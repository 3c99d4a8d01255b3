package codesize

import (
	"maps"
	"slices"
	"strings"

	"github.com/tdewolff/parse/v2/js"
)

// Names of libraries in JavaScript. Without types, it is followed through the
// file which values are a library's:
//
//   - what is imported from a package, except for Node's own modules;
//   - what is made of such a value by new, a call, a member, an index, await,
//     destructuring, iteration, and by ?:, &&, || and ??;
//   - the variables, the parameters of the file's functions and the properties
//     of its objects, these by their name, that are given such a value;
//   - what a file beside this one exports that is such a value or returns one;
//   - the parameters of a function handed to a library. Those of a listener are
//     data, except for the first one of connect and connection.
//
// Names are then what is imported, the members of such values, the keys of an
// object that is handed to a library as settings, if need be by a function of
// ours that only passes them on, and the events that the libraries themselves
// tell.

// followed says which values of a module are a library's.
type followed struct {
	tree    *js.AST
	imports map[string]string  // what is imported, which is no variable -> package
	vars    map[*js.Var]string // variable -> package
	fields  map[string]string  // property of an object of the file -> package
	returns map[*js.Var]string // function -> package of what it returns
	passed  map[*js.Var]string // parameter -> package that gets it as settings
	funcs   map[*js.Var]function
	beside  map[string]exported // what is imported from files beside this one
	changed bool
}

// exported is what a file exports under a name.
type exported struct {
	value   string   // package that it is a value of
	returns string   // package that what it returns is a value of
	passes  []string // of each parameter, the package that gets it as settings
}

// module returns what the file exports that a module names, nil if it is none
// that can be read.
type module func(name string) map[string]exported

// function is a function of the file.
type function struct {
	params *js.Params
	body   *js.BlockStmt
}

// followNames follows the values of a module until there is nothing new.
func followNames(tree *js.AST, read module) *followed {
	f := &followed{
		tree: tree, imports: make(map[string]string), vars: make(map[*js.Var]string), fields: make(map[string]string),
		returns: make(map[*js.Var]string), passed: make(map[*js.Var]string),
		funcs: make(map[*js.Var]function), beside: make(map[string]exported),
	}
	for _, stmt := range tree.List {
		i, ok := stmt.(*js.ImportStmt)
		switch {
		case !ok:
		case isPackage(i):
			for _, name := range importedAs(i) {
				f.imports[name] = moduleOf(i)
			}
		case strings.HasPrefix(moduleOf(i), "./"):
			there := read(moduleOf(i))
			for _, a := range i.List {
				name, as := string(a.Name), string(a.Binding)
				if name == "" {
					name = as
				}
				if e, ok := there[name]; ok {
					f.beside[as] = e
					f.imports[as] = e.value
				}
			}
		}
	}
	inspectJS(tree, func(n js.INode) bool {
		switch n := n.(type) {
		case *js.FuncDecl:
			if n.Name != nil {
				f.funcs[resolve(n.Name)] = function{&n.Params, &n.Body}
			}
		case *js.BindingElement:
			if v, ok := n.Binding.(*js.Var); ok {
				if params, body := funcOf(n.Default); params != nil {
					f.funcs[resolve(v)] = function{params, body}
				}
			}
		}
		return true
	})
	for f.changed = true; f.changed; {
		f.changed = false
		inspectJS(tree, func(n js.INode) bool {
			f.follow(n)
			return true
		})
		for v, fn := range f.funcs {
			f.follow1(f.returns, v, f.returned(fn.body))
		}
	}
	return f
}

// funcOf returns the parameters and the body of a function, nil of all else.
func funcOf(e js.IExpr) (*js.Params, *js.BlockStmt) {
	switch e := e.(type) {
	case *js.FuncDecl:
		return &e.Params, &e.Body
	case *js.ArrowFunc:
		return &e.Params, &e.Body
	}
	return nil, nil
}

// moduleOf returns what a module is called where it is imported.
func moduleOf(i *js.ImportStmt) string { return strings.Trim(string(i.Module), `'"`) }

// isPackage reports whether an import is from a package: neither from a file
// nor from Node itself.
func isPackage(i *js.ImportStmt) bool {
	name := moduleOf(i)
	first, _, _ := strings.Cut(name, "/")
	return !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "/") &&
		!strings.HasPrefix(name, "node:") && !nodeModules[first]
}

// nodeModules are Node's own modules that can be imported without "node:"
// (https://nodejs.org/api/modules.html, built-in modules of version 20).
var nodeModules = set("assert", "async_hooks", "buffer", "child_process", "cluster", "console", "constants",
	"crypto", "dgram", "diagnostics_channel", "dns", "domain", "events", "fs", "http", "http2", "https",
	"inspector", "module", "net", "os", "path", "perf_hooks", "process", "punycode", "querystring",
	"readline", "repl", "stream", "string_decoder", "sys", "timers", "tls", "trace_events", "tty", "url",
	"util", "v8", "vm", "wasi", "worker_threads", "zlib")

// libraryEvents are the events that the libraries tell by themselves, as the
// documents of ws 8, socket.io 4 and socket.io-client 2 and 4 list them. All
// others are the chat's.
var libraryEvents = set("open", "message", "close", "error", "ping", "pong", "upgrade", "headers", "listening",
	"redirect", "unexpected-response", "wsClientError", "connection", "connection_error", "connect",
	"connect_error", "connect_timeout", "disconnect", "disconnecting", "reconnect", "reconnect_attempt",
	"reconnecting", "reconnect_error", "reconnect_failed", "new_namespace", "initial_headers", "packet",
	"packetCreate", "drain", "flush", "heartbeat", "data", "upgrading", "upgradeError")

// everyValue are members that every value, function or promise has.
var everyValue = set("toString", "toJSON", "valueOf", "hasOwnProperty", "constructor", "length", "then", "catch",
	"finally", "call", "apply", "bind")

func set(names ...string) map[string]bool {
	s := make(map[string]bool)
	for _, name := range names {
		s[name] = true
	}
	return s
}

// importedAs returns the names that an import gives to the file.
func importedAs(i *js.ImportStmt) (names []string) {
	if i.Default != nil {
		names = append(names, string(i.Default))
	}
	for _, a := range i.List {
		if a.Binding != nil {
			names = append(names, string(a.Binding))
		} else if a.Name != nil {
			names = append(names, string(a.Name))
		}
	}
	return names
}

// library returns the package that a value comes from, "" if from none.
func (f *followed) library(e js.IExpr) string {
	switch e := e.(type) {
	case *js.Var:
		v := resolve(e)
		if v.Decl == js.NoDecl {
			return f.imports[v.String()]
		}
		return f.vars[v]
	case *js.GroupExpr:
		return f.library(e.X)
	case *js.DotExpr:
		if from := f.library(e.X); from != "" {
			return from
		}
		return f.fields[e.Y.String()]
	case *js.IndexExpr:
		return f.library(e.X)
	case *js.NewExpr:
		return f.library(e.X)
	case *js.CallExpr:
		if v, ok := e.X.(*js.Var); ok && f.returns[resolve(v)] != "" {
			return f.returns[resolve(v)]
		}
		if from := f.imported(e.X).returns; from != "" {
			return from
		}
		if d, ok := e.X.(*js.DotExpr); ok {
			return f.library(d.X) // of a library, not of a property by its name
		}
		return f.library(e.X)
	case *js.UnaryExpr:
		if e.Op == js.AwaitToken {
			return f.library(e.X)
		}
	case *js.CondExpr:
		return either(f.library(e.X), f.library(e.Y))
	case *js.BinaryExpr:
		switch e.Op {
		case js.AndToken, js.EqToken:
			return f.library(e.Y)
		case js.OrToken, js.NullishToken:
			return either(f.library(e.X), f.library(e.Y))
		}
	}
	return ""
}

// imported returns what is known of a value that comes from a file beside this
// one.
func (f *followed) imported(e js.IExpr) exported {
	if v, ok := e.(*js.Var); ok && resolve(v).Decl == js.NoDecl {
		return f.beside[v.String()]
	}
	return exported{}
}

// exports returns what the file exports.
func (f *followed) exports() map[string]exported {
	all := make(map[string]exported)
	add := func(name string, v *js.Var) {
		v = resolve(v)
		e := exported{value: f.vars[v], returns: f.returns[v]}
		if fn, ok := f.funcs[v]; ok {
			for _, p := range fn.params.List {
				param, _ := p.Binding.(*js.Var)
				e.passes = append(e.passes, f.passed[param])
			}
		}
		all[name] = e
	}
	for _, stmt := range f.tree.List {
		s, ok := stmt.(*js.ExportStmt)
		if !ok {
			continue
		}
		switch d := s.Decl.(type) {
		case *js.FuncDecl:
			if d.Name != nil {
				add(d.Name.String(), d.Name)
			}
		case *js.VarDecl:
			for _, e := range d.List {
				for _, v := range bound(e.Binding) {
					add(v.String(), v)
				}
			}
		}
	}
	return all
}

// either returns one of two packages, always the same.
func either(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

// returned returns the package of what a function returns.
func (f *followed) returned(body *js.BlockStmt) (from string) {
	inspectJS(body, func(n js.INode) bool {
		switch n := n.(type) {
		case *js.ReturnStmt:
			from = either(from, f.library(n.Value))
		case *js.FuncDecl, *js.ArrowFunc, *js.MethodDecl:
			return false
		}
		return true
	})
	return from
}

// follow1 notes the package of a variable or property, unless that is known.
func (f *followed) follow1(where map[*js.Var]string, v *js.Var, from string) {
	if from = either(from, where[v]); from != where[v] {
		where[v] = from
		f.changed = true
	}
}

// bind gives a value of a package to what it is bound to.
func (f *followed) bind(b js.IBinding, from string) {
	if from == "" {
		return
	}
	for _, v := range bound(b) {
		f.follow1(f.vars, resolve(v), from)
	}
}

// pass gives arguments to parameters.
func (f *followed) pass(params *js.Params, from func(i int) string) {
	for i, p := range params.List {
		f.bind(p.Binding, from(i))
	}
}

// follow passes on what a node passes on.
func (f *followed) follow(n js.INode) {
	switch n := n.(type) {
	case *js.BindingElement:
		if n.Default != nil {
			f.bind(n.Binding, f.library(n.Default))
		}
	case *js.ForOfStmt:
		if d, ok := n.Init.(*js.VarDecl); ok {
			f.bind(d.List[0].Binding, f.library(n.Value))
		}
	case *js.BinaryExpr:
		from := f.library(n.Y)
		if v, ok := n.X.(*js.Var); ok && n.Op == js.EqToken && from != "" {
			f.follow1(f.vars, resolve(v), from)
		}
	case *js.Property:
		from := ""
		if n.Value != nil {
			from = f.library(n.Value)
		}
		if n.Name == nil || n.Spread || from == "" {
			return
		}
		if key := n.Name.String(); either(from, f.fields[key]) != f.fields[key] {
			f.fields[key] = either(from, f.fields[key])
			f.changed = true
		}
	case *js.NewExpr:
		if n.Args != nil {
			for _, a := range n.Args.List {
				f.passOn(f.library(n.X), a.Value)
			}
		}
	case *js.CallExpr:
		if v, ok := n.X.(*js.Var); ok {
			if fn, ok := f.funcs[resolve(v)]; ok {
				f.pass(fn.params, func(i int) string {
					if i >= len(n.Args.List) {
						return ""
					}
					return f.library(n.Args.List[i].Value)
				})
			}
		}
		from := f.library(n.X)
		if d, ok := n.X.(*js.DotExpr); ok {
			from = f.library(d.X)
		}
		for _, a := range n.Args.List {
			f.passOn(from, a.Value)
		}
		event, heard := firstText(n), listens[calledJS(n)]
		if from == "" || heard && event != "connection" && event != "connect" {
			return
		}
		for _, a := range n.Args.List {
			params, _ := funcOf(a.Value)
			if v, ok := a.Value.(*js.Var); ok {
				params = f.funcs[resolve(v)].params
			}
			if params != nil {
				f.pass(params, func(i int) string {
					if heard && i > 0 {
						return "" // such as the request that it came with
					}
					return from
				})
			}
		}
	}
}

// passOn notes that a package gets the values in an object that are spread from
// a variable.
func (f *followed) passOn(from string, e js.IExpr) {
	o, ok := e.(*js.ObjectExpr)
	if !ok || from == "" {
		return
	}
	for _, p := range o.List {
		if v, ok := p.Value.(*js.Var); ok && p.Spread {
			f.follow1(f.passed, resolve(v), from)
		}
	}
}

// namesIn returns the names that a top-level statement uses, sorted.
func (f *followed) namesIn(i int) []string {
	names := make(map[string]bool)
	add := func(from, name string) {
		if from != "" && name != "" && !everyValue[name] {
			names[from+"."+name] = true
		}
	}
	if s, ok := f.tree.List[i].(*js.ImportStmt); ok && isPackage(s) {
		if s.Default != nil {
			add(moduleOf(s), "default")
		}
		for _, a := range s.List {
			if name := string(a.Name); name != "" && name != "*" {
				add(moduleOf(s), name)
			} else if a.Name == nil {
				add(moduleOf(s), string(a.Binding))
			}
		}
	}
	inspectJS(f.tree.List[i], func(n js.INode) bool {
		switch n := n.(type) {
		case *js.DotExpr:
			add(f.library(n.X), n.Y.String())
		case *js.BindingElement:
			f.keys(add, n.Binding, f.library(n.Default))
		case *js.NewExpr:
			if n.Args != nil {
				for _, a := range n.Args.List {
					f.settings(add, f.library(n.X), a.Value)
				}
			}
		case *js.CallExpr:
			f.namesOfCall(add, n)
		}
		return true
	})
	return append([]string{}, slices.Sorted(maps.Keys(names))...)
}

// namesOfCall adds the settings that a call of a library is given, the event
// that it listens to, and what a function of the file takes out of a library's
// value.
func (f *followed) namesOfCall(add func(from, name string), n *js.CallExpr) {
	if v, ok := n.X.(*js.Var); ok {
		if fn, ok := f.funcs[resolve(v)]; ok {
			for i, p := range fn.params.List {
				if i >= len(n.Args.List) {
					break
				}
				f.keys(add, p.Binding, f.library(n.Args.List[i].Value))
				if param, ok := p.Binding.(*js.Var); ok {
					f.settings(add, f.passed[resolve(param)], n.Args.List[i].Value)
				}
			}
		}
	}
	for i, from := range f.imported(n.X).passes {
		if i < len(n.Args.List) {
			f.settings(add, from, n.Args.List[i].Value)
		}
	}
	from := f.library(n.X)
	if d, ok := n.X.(*js.DotExpr); ok {
		from = f.library(d.X)
	}
	name := calledJS(n)
	if event := firstText(n); listens[name] && libraryEvents[event] {
		add(from, "'"+event+"'")
	}
	if name != "emit" { // what is emitted is the chat's
		for _, a := range n.Args.List {
			f.settings(add, from, a.Value)
		}
	}
}

// keys adds what is taken out of a library's value by destructuring.
func (f *followed) keys(add func(from, name string), b js.IBinding, from string) {
	o, ok := b.(*js.BindingObject)
	if !ok || from == "" {
		return
	}
	for _, item := range o.List {
		if item.Key != nil {
			add(from, item.Key.String())
		} else if v, ok := item.Value.Binding.(*js.Var); ok {
			add(from, v.String())
		}
	}
}

// settings adds the keys of the objects in an argument that a library gets.
func (f *followed) settings(add func(from, name string), from string, e js.IExpr) {
	switch e := e.(type) {
	case *js.GroupExpr:
		f.settings(add, from, e.X)
	case *js.BinaryExpr:
		f.settings(add, from, e.X)
		f.settings(add, from, e.Y)
	case *js.CondExpr:
		f.settings(add, from, e.X)
		f.settings(add, from, e.Y)
	case *js.ObjectExpr:
		for _, p := range e.List {
			if p.Name != nil && !p.Name.IsComputed() {
				add(from, p.Name.String())
			}
			f.settings(add, from, p.Value)
		}
	}
}
