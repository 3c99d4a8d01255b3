package chart

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Where the plots with lines have their edges.
const (
	plotLeft   = 52
	plotRight  = 284
	plotHeight = 210
)

// Curve is a line through points.
type Curve struct {
	Series
	Points [][2]float64
}

// Percentiles draws how large what share of the values is: x of a point is the
// share that is below it, less than 1, y the value. The axis begins at one half and is
// logarithmic in what is above, so that the slowest hundredth has as much room as
// the rest.
func Percentiles(title, about string, curves []Curve, show Format) Chart {
	c := Chart{Title: title, About: about}
	tens := func(p float64) float64 { return -math.Log10(1 - p) }
	drawn, all := usable(curves, func(share float64) bool { return share >= 0.4999 && share < 1 })
	if len(drawn) == 0 {
		return c
	}
	low, high, far := math.Inf(1), 0.0, 2.0
	for _, p := range all {
		low, high, far = min(low, p[1]), max(high, p[1]), max(far, tens(p[0]))
	}
	top := c.begin() + 4
	bottom := top + plotHeight
	y := newScale(low, high, bottom, top)
	first := tens(0.5)
	x := func(p float64) float64 { return plotLeft + (plotRight-plotLeft)*(tens(p)-first)/(far-first) }
	c.axis(y, show)
	for _, p := range []float64{0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999} {
		if tens(p) > far+1e-9 {
			break
		}
		c.line(x(p), top, x(p), bottom, "a")
		c.text(x(p), bottom+14, "x", strconv.FormatFloat(100*p, 'g', 7, 64)+" %")
	}
	c.text((plotLeft+plotRight)/2, bottom+30, "m", "of the messages arrived this soon")
	c.lines(drawn, x, y.at, top, bottom)
	var parts []string
	for _, l := range drawn {
		var said []string
		for _, p := range []float64{0.5, 0.9, 0.99, 0.999} {
			if v, ok := l.near(p); ok {
				said = append(said, "p"+strconv.FormatFloat(100*p, 'g', 4, 64)+" "+show(v))
			}
		}
		parts = append(parts, l.Name+" "+strings.Join(said, ", "))
	}
	c.Text = sentence(parts)
	c.height = bottom + 36
	return c
}

// usable are the points that can be drawn, on the x axis as may says: curves with
// at least two of them, and all.
func usable(curves []Curve, may func(x float64) bool) (drawn []Curve, all [][2]float64) {
	for _, l := range curves {
		var points [][2]float64
		for _, p := range l.Points {
			if may(p[0]) && p[1] > 0 && !math.IsInf(p[1], 0) {
				points = append(points, p)
			}
		}
		all = append(all, points...)
		if len(points) > 1 {
			drawn = append(drawn, Curve{l.Series, points})
		}
	}
	return drawn, all
}

// near returns the value at a share, from the first point that is not below it.
func (l Curve) near(p float64) (float64, bool) {
	for _, point := range l.Points {
		if point[0] >= p-1e-9 {
			return point[1], true
		}
	}
	return 0, false
}

// Scaling draws how a figure grows, both axes logarithmic.
func Scaling(title, about, along string, curves []Curve, show Format) Chart {
	c := Chart{Title: title, About: about}
	drawn, all := usable(curves, func(x float64) bool { return x > 0 })
	if len(drawn) == 0 {
		return c
	}
	lowX, highX, low, high := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, p := range all {
		lowX, highX, low, high = min(lowX, p[0]), max(highX, p[0]), min(low, p[1]), max(high, p[1])
	}
	top := c.begin() + 4
	bottom := top + plotHeight
	y, x := newScale(low, high, bottom, top), newScale(lowX, highX, plotLeft+8, plotRight)
	c.axis(y, show)
	marked := make(map[float64]bool)
	for _, p := range all {
		if v := p[0]; !marked[v] {
			marked[v] = true
			c.line(x.at(v), top, x.at(v), bottom, "a")
			c.text(x.at(v), bottom+14, "x", strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	c.text((plotLeft+plotRight)/2, bottom+30, "m", along)
	c.lines(drawn, x.at, y.at, top, bottom)
	for _, l := range drawn {
		for _, p := range l.Points {
			c.dot(x.at(p[0]), y.at(p[1]), l.Tone, true)
		}
	}
	var parts []string
	for _, l := range drawn {
		var said []string
		for _, p := range l.Points {
			said = append(said, fmt.Sprintf("%s at %g", show(p[1]), p[0]))
		}
		parts = append(parts, l.Name+" "+strings.Join(said, ", "))
	}
	c.Text = sentence(parts)
	c.height = bottom + 36
	return c
}

// axis draws the y axis.
func (c *Chart) axis(y scale, show Format) {
	for _, v := range y.ticks(7) {
		c.line(plotLeft, y.at(v), plotRight, y.at(v), "a")
		c.text(plotLeft-6, y.at(v)+4, "e", show(v))
	}
}

// lines draws curves and their names.
func (c *Chart) lines(curves []Curve, x, y func(float64) float64, top, bottom float64) {
	var series []Series
	var ends []float64
	for _, l := range curves {
		var points [][2]float64
		for _, p := range l.Points {
			points = append(points, [2]float64{x(p[0]), y(p[1])})
		}
		// A line that ends early goes on as a thin one to its name.
		last := points[len(points)-1]
		c.path(points, l.class("l"))
		if last[0] < plotRight-1 {
			c.line(last[0], last[1], plotRight+2, last[1], l.class("g"))
		}
		series, ends = append(series, l.Series), append(ends, last[1])
	}
	c.labels(plotRight, top, bottom, series, ends)
}

// Ratio is a row of a forest plot. One without an interval has Low and High at
// its Estimate.
type Ratio struct {
	Series
	Over                string // what it is a ratio to: the twin's name
	Estimate, Low, High float64
	Different           bool
	Text                string // "2.4x (2.1-2.8x)"
}

// Part is the rows of a forest plot for one unit.
type Part struct {
	Name   string
	Ratios []Ratio
}

// The columns of a forest plot.
const (
	forestLeft  = 112
	forestRight = 258
	forestRow   = 19
)

// Forest draws ratios with their intervals on a logarithmic axis, one in the
// middle of it: what is left of it is less, what is right of it is more than the
// other. A hollow dot is no difference that can be told.
func Forest(title, about string, parts []Part) Chart {
	c := Chart{Title: title, About: about}
	low, high, rows := 0.8, 1.25, 0
	var kept []Part
	for _, p := range parts {
		var ratios []Ratio
		for _, r := range p.Ratios {
			if !(r.Low > 0) || math.IsInf(r.High, 0) || !(r.Estimate > 0) {
				continue
			}
			low, high = min(low, r.Low), max(high, r.High)
			ratios = append(ratios, r)
		}
		if len(ratios) > 0 {
			kept = append(kept, Part{p.Name, ratios})
			rows += len(ratios) + 1
		}
	}
	if len(kept) == 0 {
		return c
	}
	top := c.begin() + 18
	bottom := top + float64(rows*forestRow) + 2
	x := newScale(low/1.05, high*1.05, forestLeft, forestRight)
	for _, v := range x.ticks(5) {
		class := "a"
		if v == 1 {
			class = "o"
		}
		c.line(x.at(v), top, x.at(v), bottom, class)
		c.text(x.at(v), top-4, "x", strconv.FormatFloat(v, 'f', -1, 64)+"x")
	}
	c.line(x.at(1), top, x.at(1), bottom, "o")
	y := top + 1.0
	var said []string
	for _, p := range kept {
		y += forestRow
		c.text(0, y-4, "b", p.Name)
		for _, r := range p.Ratios {
			y += forestRow
			c.text(0, y-4, "k "+string(r.Tone), r.Name)
			c.line(x.at(r.Low), y-8, max(x.at(r.High), x.at(r.Low)+1), y-8, r.class("i"))
			c.dot(x.at(r.Estimate), y-8, r.Tone, r.Different)
			c.text(forestRight+8, y-4, "s", r.Text)
			said = append(said, fmt.Sprintf("%s, %s / %s: %s", p.Name, r.Name, r.Over, r.Text))
		}
	}
	c.Text = sentence(said)
	c.height = bottom + 6
	return c
}

// Bar is a length with its name and figure.
type Bar struct {
	Series
	Value float64
	Text  string // "204 B"
}

// Bars draws lengths that begin at zero.
func Bars(title, about string, bars []Bar) Chart {
	c := Chart{Title: title, About: about}
	const left, right, row = 128, 320, 19
	most := 0.0
	for _, b := range bars {
		if b.Value >= 0 && !math.IsInf(b.Value, 0) {
			most = max(most, b.Value)
		}
	}
	if most <= 0 {
		return c
	}
	top := c.begin()
	y := top
	var said []string
	for _, b := range bars {
		if !(b.Value >= 0) || math.IsInf(b.Value, 0) {
			continue
		}
		long := (right - left) * b.Value / most
		c.text(0, y+13, "k "+string(b.Tone), b.Name)
		if b.Dash > 0 {
			c.rect(left, y+4.5, max(long, 1), 9, "h "+string(b.Tone))
		} else {
			c.rect(left, y+4, max(long, 1), 10, "f "+string(b.Tone))
		}
		c.text(left+max(long, 1)+6, y+13, "s", b.Text)
		said = append(said, b.Name+" "+b.Text)
		y += row
	}
	c.line(left, top+1, left, y+1, "o")
	c.Text = sentence(said)
	c.height = y + 6
	return c
}

// State is what a client is for a while.
type State int

// The states.
const (
	Up     State = iota // connected
	Broken              // no longer connected, and it has not noticed
	Down                // it knows
)

// Stretch is a state from one instant to another, in seconds from the first
// fault.
type Stretch struct {
	State    State
	From, To float64
}

// Timeline is what became of a client.
type Timeline struct {
	Series
	Stretches []Stretch
	Attempts  []float64 // to connect
	Messages  []float64 // that came to it
	Text      string    // "noticed 0.4 ms, back 75 ms"
}

// Timelines draws what clients went through, from a little before the first
// fault to an instant. Faults are drawn over all of them.
func Timelines(title, about string, faults []float64, end float64, rows []Timeline, show Format) Chart {
	c := Chart{Title: title, About: about}
	if len(rows) == 0 || !(end > 0) || math.IsInf(end, 0) {
		return c
	}
	const left, right, row, tall = 2, 392, 34, 8
	begin := -end * 0.08
	x := func(t float64) float64 {
		return left + (right-left)*(min(max(t, begin), end)-begin)/(end-begin)
	}
	top := c.begin() + 14
	bottom := top + float64(len(rows)*row) + 4
	step := niceStep((end - begin) / 4)
	for t := 0.0; t <= end; t += step {
		c.line(x(t), top, x(t), bottom, "a")
		if t == 0 {
			c.text(x(t), top-3, "x", "fault")
		} else if x(t) < right-14 {
			c.text(x(t), top-3, "x", show(t))
		}
	}
	for _, t := range faults {
		if t <= end {
			c.line(x(t), top, x(t), bottom, "o")
		}
	}
	var said []string
	y := top
	for _, r := range rows {
		// What is written must stay legible on the lines of the axis.
		c.text(left, y+13, "k "+string(r.Tone), r.Name)
		c.text(left+width(r.Name, 11)+14, y+13, "s", r.Text)
		base := y + 24.0
		for _, s := range r.Stretches {
			from, to := x(s.From), x(s.To)
			if to <= x(begin) || from >= right {
				continue
			}
			to = max(to, from+0.6)
			switch s.State {
			case Up:
				c.rect(from, base-tall/2, to-from, tall, "f "+string(r.Tone))
			case Broken:
				c.line(from, base, to, base, "u")
			case Down:
				c.line(from, base, to, base, "w")
			}
		}
		c.strokes(within(r.Attempts, begin, end, x), base-6, 12, "y")
		c.strokes(within(r.Messages, begin, end, x), base+6, 3, "n")
		said = append(said, r.Name+" "+r.Text)
		y += row
	}
	c.Text = sentence(said)
	key := bottom + 14
	c.rect(left, key-8, 18, tall, "f floor")
	c.text(left+22, key, "s", "connected")
	c.line(left+84, key-4, left+102, key-4, "u")
	c.text(left+106, key, "s", "cut, not noticed")
	c.line(left+198, key-4, left+216, key-4, "w")
	c.text(left+220, key, "s", "knows")
	c.strokes([]float64{left + 262}, key-10, 12, "y")
	c.text(left+268, key, "s", "attempt")
	c.strokes([]float64{left + 318, left + 322}, key-6, 3, "n")
	c.text(left+328, key, "s", "message")
	c.height = key + 8
	return c
}

// within returns where instants are drawn, those that are not on the axis left
// out, and those that would cover one another.
func within(at []float64, begin, end float64, x func(float64) float64) (list []float64) {
	for _, t := range at {
		if t < begin || t > end {
			continue
		}
		if v := x(t); len(list) == 0 || v-list[len(list)-1] >= 1 {
			list = append(list, v)
		}
	}
	return list
}

// niceStep returns the round number that is not below v.
func niceStep(v float64) float64 {
	decade := math.Pow10(int(math.Floor(math.Log10(v))))
	for _, s := range []float64{1, 2, 2.5, 5} {
		if s*decade >= v {
			return s * decade
		}
	}
	return 10 * decade
}
