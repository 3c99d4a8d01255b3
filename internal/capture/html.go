package capture

import (
	"fmt"
	"html/template"
	"slices"
	"strings"
	"sync"

	"wsvsio/internal/dissect"
)

// Style is the CSS of what HTML returns, on top of package page's.
const Style = `
:root { --http: #4d76a8; --websocket: #b3702a; --engine: #2f8a76; --socket: #8b5aa8; --envelope: #a8476b; --chat: #6d7a2f; --unknown: #777; }
@media (prefers-color-scheme: dark) { :root { --http: #7fa8dc; --websocket: #e0a05c; --engine: #5cc3ab; --socket: #bd8fdb; --envelope: #df7fa2; --chat: #aebd62; --unknown: #999; } }
.l-http { fill: var(--http); } .l-websocket { fill: var(--websocket); } .l-engine { fill: var(--engine); } .l-socket { fill: var(--socket); }
.l-envelope { fill: var(--envelope); } .l-chat { fill: var(--chat); } .l-unknown { fill: var(--unknown); }
.legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }
.legend svg { display: inline-block; width: .9rem; height: .9rem; vertical-align: -.1rem; margin-right: .35rem; }
.talk { border-left: 2px solid var(--line); border-right: 2px solid var(--line); padding: .25rem .75rem; margin: .5rem 0; max-width: 60rem; }
.ends { display: flex; justify-content: space-between; max-width: 60rem; font-weight: 600; margin: 1rem 0 0; }
.step { max-width: 88%; margin: .6rem 0; padding: .4rem .7rem; background: var(--raised); border-radius: 4px; }
.step.down { margin-left: auto; }
.step p { margin: 0; max-width: none; overflow-wrap: anywhere; }
.step .strip { width: 100%; height: .8rem; margin: .3rem 0 .1rem; }
.step table { width: 100%; }
.step td { padding: .25rem .6rem .25rem 0; }
.step td.n { text-align: right; white-space: nowrap; }
.step td.hex { font-family: var(--mono); font-size: .75rem; min-width: 5.6rem; max-width: 11.5rem; }
.step td p + p, .step td ul { margin-top: .15rem; }
.step td ul { list-style: none; padding: 0; }
.k-http { border-left-color: var(--http); } .k-websocket { border-left-color: var(--websocket); } .k-engine { border-left-color: var(--engine); } .k-socket { border-left-color: var(--socket); }
.k-envelope { border-left-color: var(--envelope); } .k-chat { border-left-color: var(--chat); } .k-unknown { border-left-color: var(--unknown); }
.step .key { padding-left: .4rem; border-left-width: .35rem; border-left-style: solid; }
@media (max-width: 40rem) {
	.talk { padding: .25rem .3rem; } .step { max-width: 97%; padding: .35rem .45rem; }
	.step thead { display: none; }
	.step tr { display: grid; grid-template-columns: 2.8rem 3rem 1fr; }
	.step td { border-bottom: 0; }
	.step td.hex { max-width: none; }
	.step td.key { grid-column: 1 / -1; border-bottom: 1px solid var(--line); }
}
`

// class is the suffix of a layer's classes.
func class(l dissect.Layer) string {
	switch l {
	case dissect.HTTP:
		return "http"
	case dissect.WebSocket:
		return "websocket"
	case dissect.EngineIO:
		return "engine"
	case dissect.SocketIO:
		return "socket"
	case dissect.Envelope:
		return "envelope"
	case dissect.Chat:
		return "chat"
	}
	return "unknown"
}

// The data of the template.
type (
	pageCapture struct {
		ID, Name, About, Ends, Check string
		Phases                       []pagePhase
	}
	pagePhase struct {
		Name, Sum string
		Steps     []pageStep
	}
	pageStep struct {
		Headline, Where, Label string
		Down, Open             bool
		Share                  int // of the largest step, in percent
		Total                  int
		Strip                  []pageSpan
		Rows                   []pageRow
	}
	pageSpan struct {
		Class    string
		At, Size int
	}
	pageRow struct {
		Offset, Size     int
		Hex, Text, Class string
		Name, Rest, Ref  string
		Bits             []pageBit
	}
	pageBit struct{ Bits, Name, Meaning string }
)

var fragment = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("wire").Parse(`
{{- range .}}
<section id="{{.ID}}">
<h2>{{.Name}}</h2>
<p>{{.About}}. {{.Ends}}</p>
<p class="ends"><span>client</span><span>server</span></p>
{{- range .Phases}}
<h3>{{.Name}}: {{.Sum}}</h3>
<div class="talk">
{{- range .Steps}}
<div class="step {{if .Down}}down{{else}}up{{end}}">
<p><strong>{{.Headline}}</strong> <span class="soft">{{.Where}}</span></p>
<svg class="strip" viewBox="0 0 100 1" preserveAspectRatio="none" role="img" aria-label="{{.Label}}"><svg width="{{.Share}}" height="1" viewBox="0 0 {{.Total}} 1" preserveAspectRatio="none">{{range .Strip}}<rect class="l-{{.Class}}" x="{{.At}}" width="{{.Size}}" height="1"></rect>{{end}}</svg></svg>
<details{{if .Open}} open{{end}}><summary>its {{len .Rows}} fields</summary>
<div class="scroll" tabindex="0" role="group" aria-label="Fields of {{.Headline}}">
<table>
<thead><tr><th scope="col">at</th><th scope="col">bytes</th><th scope="col">on the wire</th><th scope="col">what it is</th></tr></thead>
<tbody>
{{- range .Rows}}
<tr><td class="n">{{.Offset}}</td><td class="n">{{.Size}}</td><td class="hex">{{.Hex}}</td><td class="key k-{{.Class}}">
{{- with .Text}}<p><code>{{.}}</code></p>{{end}}<p><strong>{{.Name}}</strong>{{with .Rest}}: {{.}}{{end}}{{with .Ref}} <span class="soft">{{.}}</span>{{end}}</p>
{{- with .Bits}}<ul>{{range .}}<li><code>{{.Bits}}</code> {{.Name}}: {{.Meaning}}</li>{{end}}</ul>{{end}}</td></tr>
{{- end}}
</tbody></table></div></details>
</div>
{{- end}}
</div>
{{- end}}
<p class="soft">{{.Check}}.</p>
</section>
{{- end}}
`))
})

// ID is where HTML shows a stack.
func ID(stack string) string { return "wire-" + stack }

// HTML returns captures as sections for a page, an exchange each.
func HTML(all []*Capture) (template.HTML, error) {
	var data []pageCapture
	for i, c := range all {
		data = append(data, c.page(i == 0))
	}
	var b strings.Builder
	if err := fragment().Execute(&b, data); err != nil {
		return "", fmt.Errorf("lay out captures: %w", err)
	}
	return template.HTML(b.String()), nil
}

// Legend returns what the colours of HTML mean.
func Legend() template.HTML {
	var b strings.Builder
	b.WriteString(`<ul class="legend">`)
	for _, l := range dissect.Layers[:len(dissect.Layers)-1] {
		fmt.Fprintf(&b, `<li><svg viewBox="0 0 1 1" aria-hidden="true"><rect class="l-%s" width="1" height="1"></rect></svg>%s</li>`, class(l), template.HTMLEscapeString(string(l)))
	}
	b.WriteString("</ul>")
	return template.HTML(b.String())
}

// page lays a capture out. The first shows more of itself.
func (c *Capture) page(first bool) pageCapture {
	p := pageCapture{
		ID: ID(c.Stack.Name), Name: c.Stack.Name, About: strings.ToUpper(c.Stack.About[:1]) + c.Stack.About[1:],
		Ends: fmt.Sprintf("%s to %s, %s; bodies of %d B.", c.Stack.Client, c.Stack.Server, strings.Join(c.Stack.Mode.Transports, " then "), c.Size),
	}
	check := c.check()
	p.Check = strings.ToUpper(check[:1]) + check[1:]
	largest := 1
	for _, s := range c.Steps {
		largest = max(largest, s.Size)
	}
	seen := explained{}
	for i, s := range c.Steps {
		k := slices.IndexFunc(p.Phases, func(have pagePhase) bool { return have.Name == string(s.Phase) })
		if k < 0 {
			k = len(p.Phases)
			up, down := c.Bytes(s.Phase)
			p.Phases = append(p.Phases, pagePhase{Name: string(s.Phase), Sum: fmt.Sprintf("%d B up, %d B down", up, down)})
		}
		ps := pageStep{
			Headline: headline(i+1, s), Down: s.Down, Total: s.Size, Share: max(2, 100*s.Size/largest),
			Where: fmt.Sprintf("connection %d", s.Conn),
			Open:  s.Phase == First && !s.Down || first && i < 2,
		}
		once := seen
		if ps.Open { // what is seen at once is explained, whether it has been or not
			once = explained{}
		}
		sums := make(map[dissect.Layer]int)
		at := 0
		for _, f := range s.Fields {
			n := len(f.Raw)
			sums[f.Layer] += n
			if k := len(ps.Strip); k > 0 && ps.Strip[k-1].Class == class(f.Layer) {
				ps.Strip[k-1].Size += n
			} else {
				ps.Strip = append(ps.Strip, pageSpan{class(f.Layer), at, n})
			}
			at += n
			ps.Rows = append(ps.Rows, newRow(f, once))
		}
		var label []string
		for _, l := range dissect.Layers {
			if sums[l] > 0 {
				label = append(label, fmt.Sprintf("%s %d B", l, sums[l]))
			}
		}
		ps.Label = strings.Join(label, ", ")
		p.Phases[k].Steps = append(p.Phases[k].Steps, ps)
	}
	return p
}

// newRow lays a field out.
func newRow(f dissect.Field, seen explained) pageRow {
	r := pageRow{Offset: f.Offset, Size: len(f.Raw), Hex: hexOf(f.Raw, 8), Class: class(f.Layer), Name: f.Name}
	if readable(f) {
		r.Text = clipped(text(f.Clear), 160)
	}
	known := seen.of(f) == f.Name
	switch {
	case known && len(f.Bits) > 0:
		r.Name = brief(f)
	case !known:
		r.Rest, r.Ref = f.Meaning, f.Ref
		for i, b := range f.Bits {
			r.Bits = append(r.Bits, pageBit{bits(f, i), b.Name, b.Meaning})
		}
	}
	return r
}
