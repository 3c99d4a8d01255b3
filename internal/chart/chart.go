// Package chart draws measurements as SVG, for a page and as files of their own.
//
// Charts are narrow, so that a phone shows them at the size at which they were
// drawn and a desktop two or three beside each other. Colour says which protocol
// a thing is of, the dashes of a line on which runtime; each has its name beside
// it, so that nobody needs the colours, and all that is drawn is in the
// description, as text. The colours are CSS variables, which differ in dark: a page
// has them in its style, to which Style belongs, a file brings its own.
package chart

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"
	"wsvsio/internal/wrap"
)

// Width of every chart, in pixels.
const Width = 400

// Style is CSS for a page with charts in it. It relies on the variables of
// package page.
//
//go:embed chart.css
var Style string

// ground stands for the variables of a page in a file.
const ground = `svg{--ground:#fdfdfb;--line:#d5d5cd;--ink:#1a1a18;--soft:#595954;--bad:#a3261b;color-scheme:light dark}
@media(prefers-color-scheme:dark){svg{--ground:#16181a;--line:#3a3e42;--ink:#e8e8e4;--soft:#adada6;--bad:#f5a79c}}
`

//go:embed chart.svg.tmpl
var svgText string

var drawing = sync.OnceValue(func() *template.Template { return template.Must(template.New("chart").Parse(svgText)) })

// Chart is a drawing.
type Chart struct {
	Title string // in a few words
	About string // of what it is: case, unit
	Text  string // what it shows, for those who do not see it

	height float64
	shapes []shape
}

// Empty reports whether there was nothing to draw.
func (c Chart) Empty() bool { return len(c.shapes) == 0 }

// shape is an element. Which fields it uses is a matter of its tag.
type shape struct {
	Tag        string // path, rect, text
	Class      string
	X, Y, W, H string
	D          string
	Text       string
}

// Inline returns the chart for a page. The id must be one of its own there.
func (c Chart) Inline(id string) (template.HTML, error) {
	var b bytes.Buffer
	err := c.draw(&b, id, "")
	return template.HTML(b.String()), err
}

// File writes the chart as an SVG document.
func (c Chart) File(w io.Writer) error {
	var b bytes.Buffer
	if err := c.draw(&b, "chart", template.CSS(ground+Style)); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (c Chart) draw(b *bytes.Buffer, id string, style template.CSS) error {
	margin := 0.0
	if style != "" {
		margin = 10
	}
	err := drawing().Execute(b, struct {
		Chart
		ID, Width, Height, Margin string
		Shapes                    []shape
		Style                     template.CSS
	}{c, id, px(Width + 2*margin), px(c.height + 2*margin), px(-margin), c.shapes, style})
	if err != nil {
		return fmt.Errorf("draw %s: %w", c.Title, err)
	}
	return nil
}

// Tone is what a thing is of, which is what its colour says.
type Tone string

// The tones.
const (
	Raw      Tone = "raw"
	SocketIO Tone = "sio"
	Floor    Tone = "floor"
	Other    Tone = "other"
)

// Series is a name and how it is drawn.
type Series struct {
	Name string
	Tone Tone
	Dash int // 0 to 3
}

// Format shows a figure: "61 µs".
type Format func(float64) string

// px shows a length, to a tenth of a pixel.
func px(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	return strconv.FormatFloat(math.Round(10*v)/10, 'f', -1, 64)
}

// The heights of a line of text, of the title, and of what is under it.
const (
	lineHeight = 15
	titleTop   = 15
)

// begin puts the title and what the chart is about above the plot and returns
// where that may begin.
func (c *Chart) begin() (y float64) {
	y = titleTop
	for _, part := range wrap.Words(c.Title, Width*10/66) {
		c.text(0, y, "t", part)
		y += lineHeight
	}
	if c.About == "" {
		return y
	}
	for _, part := range wrap.Words(c.About, Width*10/59) {
		c.text(0, y, "s", part)
		y += lineHeight
	}
	return y
}

func (c *Chart) text(x, y float64, class, text string) {
	c.shapes = append(c.shapes, shape{Tag: "text", Class: class, X: px(x), Y: px(y), Text: text})
}

// add adds to the strokes of a class. All of them are one element: a page holds
// tens of thousands.
func (c *Chart) add(class, d string) {
	i := slices.IndexFunc(c.shapes, func(s shape) bool { return s.Tag == "path" && s.Class == class })
	if i < 0 {
		c.shapes = append(c.shapes, shape{Tag: "path", Class: class, D: d})
		return
	}
	c.shapes[i].D += d
}

func (c *Chart) line(x, y, x2, y2 float64, class string) {
	d := "M" + px(x) + " " + px(y)
	switch {
	case px(y) == px(y2):
		d += "H" + px(x2)
	case px(x) == px(x2):
		d += "V" + px(y2)
	default:
		d += "L" + px(x2) + " " + px(y2)
	}
	c.add(class, d)
}

// dot draws a dot, a hollow one where it is not full: a stroke without length and
// with round ends, and a smaller one on top.
func (c *Chart) dot(x, y float64, tone Tone, full bool) {
	d := "M" + px(x) + " " + px(y) + "h0"
	c.add("p "+string(tone), d)
	if !full {
		c.add("q", d)
	}
}

func (c *Chart) rect(x, y, w, h float64, class string) {
	c.shapes = append(c.shapes, shape{Tag: "rect", Class: class, X: px(x), Y: px(y), W: px(w), H: px(h)})
}

// path draws a line through points, without those that it goes through anyway.
func (c *Chart) path(points [][2]float64, class string) {
	var d strings.Builder
	for i, p := range simple(points) {
		d.WriteByte("ML"[min(i, 1)])
		d.WriteString(px(p[0]) + " " + px(p[1]))
	}
	c.shapes = append(c.shapes, shape{Tag: "path", Class: class, D: d.String()})
}

// simple leaves out the points that are nearer than a quarter of a pixel to the line
// through those that are left (Douglas and Peucker).
func simple(points [][2]float64) [][2]float64 {
	if len(points) < 3 {
		return points
	}
	a, b := points[0], points[len(points)-1]
	far, at := 0.25, 0
	for i, p := range points {
		cross := (b[0]-a[0])*(p[1]-a[1]) - (b[1]-a[1])*(p[0]-a[0])
		if away := math.Abs(cross) / math.Hypot(b[0]-a[0], b[1]-a[1]); away > far {
			far, at = away, i
		}
	}
	if at == 0 {
		return [][2]float64{a, b}
	}
	return append(simple(points[:at+1]), simple(points[at:])[1:]...)
}

// strokes draws upright strokes of one length.
func (c *Chart) strokes(xs []float64, y, length float64, class string) {
	for _, x := range xs {
		c.add(class, "M"+px(x)+" "+px(y)+"v"+px(length))
	}
}

// class returns the classes of a part of a series.
func (s Series) class(part string) string {
	text := part + " " + string(s.Tone)
	if s.Dash > 0 {
		text += " d" + strconv.Itoa(s.Dash)
	}
	return text
}

// labels writes the names of series beside the ends of their lines, moved so
// that none covers another.
func (c *Chart) labels(x, top, bottom float64, series []Series, at []float64) {
	const apart = 13
	order := make([]int, len(at))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return int(math.Copysign(1, at[a]-at[b])) })
	y := make([]float64, len(at))
	last := math.Inf(-1)
	for _, i := range order {
		y[i] = max(at[i], last+apart, top)
		last = y[i]
	}
	last = max(bottom, top+apart*float64(len(at)-1)) + apart
	for _, i := range slices.Backward(order) {
		y[i] = min(y[i], last-apart)
		last = y[i]
	}
	for i, s := range series {
		c.line(x+2, at[i], x+8, y[i], s.class("g"))
		c.text(x+10, y[i]+4, "k "+string(s.Tone), s.Name)
	}
}

// scale is a logarithmic axis.
type scale struct{ low, high, from, to float64 }

// newScale makes an axis for positive values that is drawn from one place to
// another.
func newScale(low, high, from, to float64) scale {
	if !(low > 0) || !(high >= low) || math.IsInf(high, 0) {
		low, high = 1, 10
	}
	if high/low < 1.05 {
		low, high = low/1.1, high*1.1
	}
	return scale{low, high, from, to}
}

func (s scale) at(v float64) float64 {
	v = min(max(v, s.low), s.high)
	return s.from + (s.to-s.from)*math.Log(v/s.low)/math.Log(s.high/s.low)
}

// ticks returns round values on the axis, at most so many.
func (s scale) ticks(most int) []float64 {
	var best []float64
	for _, steps := range [][]float64{{1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.8, 2, 2.5, 3, 4, 5, 6, 7, 8, 9, 9.5}, {1, 1.2, 1.5, 2, 3, 5, 7}, {1, 2, 5}, {1, 3}, {1}} {
		best = s.of(steps, 1)
		if len(best) <= most {
			return best
		}
	}
	for jump := 2; len(best) > most; jump++ {
		best = s.of([]float64{1}, jump)
	}
	return best
}

// of returns the values that are one of the steps in every jump-th decade.
func (s scale) of(steps []float64, jump int) (list []float64) {
	for e := int(math.Floor(math.Log10(s.low))); math.Pow10(e) <= s.high; e++ {
		if e%jump != 0 {
			continue
		}
		for _, step := range steps {
			if v := step * math.Pow10(e); v >= s.low*0.999 && v <= s.high*1.001 {
				list = append(list, v)
			}
		}
	}
	return list
}

// width estimates how wide a text is.
func width(text string, size float64) float64 {
	return float64(utf8.RuneCountInString(text)) * size * 0.55
}

// sentence puts parts together for a description.
func sentence(parts []string) string { return strings.Join(parts, "; ") + "." }
