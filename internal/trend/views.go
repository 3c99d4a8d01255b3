package trend

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"wsvsio/internal/page"
	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

// Table writes the history for a terminal.
func (h *History) Table(w io.Writer) error { return h.write(w, report.Sheet.Terminal) }

// Markdown writes the history as GitHub-flavoured Markdown.
func (h *History) Markdown(w io.Writer) error { return h.write(w, report.Sheet.Markdown) }

func (h *History) write(w io.Writer, view func(report.Sheet, io.Writer) error) error {
	runs := report.Sheet{Title: "runs, the oldest first", Head: []string{"run", "commit", "started", "profile", "Go", "Node", "machine", "remarks"}, Texts: 8}
	for _, r := range h.Runs {
		runs.Rows = append(runs.Rows, []string{r.Name, r.Commit, r.Date(), r.Profile, r.Go, r.Node, r.Machine, r.Remarks()})
	}
	runs.Notes = h.notes()
	sheets := []report.Sheet{runs}
	for _, c := range h.charts() {
		s := report.Sheet{Title: c.Title, Head: []string{"stack", "run", "commit", "ratio", "95 % interval", "rounds"}, Texts: 3}
		for _, l := range c.Lines {
			for _, p := range l.Points {
				s.Rows = append(s.Rows, []string{l.Name, p.Run.Marked(), p.Run.Commit, p.Ratio, p.Interval, fmt.Sprint(p.Rounds)})
			}
		}
		sheets = append(sheets, s)
	}
	return report.WriteSheets(w, sheets, view)
}

// Date is when it started.
func (r Run) Date() string { return r.Started.UTC().Format("2006-01-02 15:04") }

// Remarks are what a reader must know of a run: that it is partial, and what has changed
// since the one before.
func (r Run) Remarks() string {
	list := r.Changed
	if r.Partial {
		list = append([]string{"partial"}, list...)
	}
	return strings.Join(list, ", ")
}

// Marked is the name, with a mark if the run is partial.
func (r Run) Marked() string {
	if r.Partial {
		return r.Name + " (partial)"
	}
	return r.Name
}

// notes are what a reader must know beside the figures.
func (h *History) notes() []string {
	notes := []string{"a ratio is the figure of a stack divided by that of its twin in the same round, Hodges-Lehmann estimate over the rounds"}
	if least, unnamed := h.Machines(); unnamed > 0 && len(h.Runs) > 1 {
		notes = append(notes, fmt.Sprintf("the runs are of %d or more machines (runs that do not say of which: %d): a step between two of them is not the code's", least, unnamed))
	} else if least > 1 {
		notes = append(notes, fmt.Sprintf("the runs are of %d machines: a step between two of them is not the code's", least))
	}
	if slices.ContainsFunc(h.Runs, func(r Run) bool { return len(r.Changed) > 0 }) {
		notes = append(notes, "what has changed since the run before, beside the code, is in the table of runs and a dashed line in a chart: a step there need not be the code's")
	}
	if slices.ContainsFunc(h.Runs, func(r Run) bool { return r.Partial }) {
		notes = append(notes, "partial runs, which ended before all was measured, are hollow points")
	}
	for _, p := range h.Problems {
		notes = append(notes, "damaged: "+p)
	}
	return notes
}

//go:embed chart.svg.tmpl
var svgText string

//go:embed page.html.tmpl
var htmlText string

//go:embed chart.css
var style string

// ground stands for the variables of a page in a file.
const ground = `svg { --ground: #fdfdfb; --line: #d5d5cd; --ink: #1a1a18; --soft: #595954; color-scheme: light dark; }
@media (prefers-color-scheme: dark) { svg { --ground: #16181a; --line: #3a3e42; --ink: #e8e8e4; --soft: #adada6; } }
`

// SVG writes all charts, one below the other.
func (h *History) SVG(w io.Writer) error {
	d := h.document()
	d.Style = template.CSS(ground + style)
	return execute(w, template.Must(template.New("svg").Parse(svgText)), d)
}

// HTML writes a page with the charts and their tables.
func (h *History) HTML(w io.Writer) error {
	t := template.Must(template.New("svg").Parse(svgText))
	var main bytes.Buffer
	if err := execute(&main, template.Must(t.New("html").Parse(htmlText)), h.document()); err != nil {
		return err
	}
	return page.Document{
		Title: "Ratios over the commits",
		About: "How a plain WebSocket and Socket.IO compare, commit by commit.",
		Main:  template.HTML(main.String()),
		Style: style,
	}.Write(w)
}

func execute(w io.Writer, t *template.Template, d document) error {
	var b bytes.Buffer
	if err := t.Execute(&b, d); err != nil {
		return fmt.Errorf("draw the history: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// The lengths of a chart, in pixels.
const (
	chartWidth  = 860
	chartHeight = 300
	left        = 60 // of the plot
	right       = 640
	top         = 40
	bottom      = 230
	margin      = 20 // on both sides of the runs

	// labelDigit is how wide a digit of a label is, at most: in Verdana, the
	// widest of what systems use, at the size that chart.css gives.
	labelDigit = 6.4
	labelSpace = 10 // between two labels
)

// colours is how many there are; chart.css has them, in light and in dark. Each
// line has its name beside it in the same one.
const colours = 7

// document is what the templates show.
type document struct {
	Width, Height float64
	Style         template.CSS // of a drawing that is a file
	Alternative   string       // to the drawing
	Runs          []Run
	Notes         []string
	Charts        []chart
}

// chart is a unit of a case.
type chart struct {
	Title                    string
	Name, Way                string // the title in two lines
	Series, Unit             string
	Y                        float64 // of its top edge
	Left, Right, Top, Bottom float64
	Width, Height            float64
	Marks                    []mark // on the y axis
	Labels                   []mark // on the x axis
	Changes                  []mark // between two runs, of what has changed
	Legend                   string // of what is not a line with a name
	Lines                    []line
}

// mark is a text at a place.
type mark struct {
	X, Y float64
	Text string
}

// line is a stack in a chart.
type line struct {
	Name, Class string
	Path        string // of the polyline
	Key         float64
	Points      []dot
}

// dot is a run on a line.
type dot struct {
	X, Y, Low, High float64
	Run             Run
	Ratio, Interval string
	Rounds          int
}

func (h *History) document() document {
	d := document{Width: chartWidth, Runs: h.Runs, Notes: h.notes(), Charts: h.charts()}
	d.Alternative = "Ratios to the twin over the runs, one chart for each case and unit; their figures are in the tables that belong to it"
	for i := range d.Charts {
		d.Charts[i].Y = float64(i * chartHeight)
	}
	d.Height = float64(max(1, len(d.Charts)) * chartHeight)
	return d
}

// charts puts the lines of one series and unit together that were measured in the
// same way. Ratios are drawn on a
// logarithmic scale: twice and half are as far from one.
func (h *History) charts() []chart {
	var list []chart
	for i := 0; i < len(h.Lines); {
		j := i
		for j < len(h.Lines) && h.Lines[j].with(h.Lines[i]) {
			j++
		}
		list = append(list, h.chart(h.Lines[i:j]))
		i = j
	}
	return list
}

func (h *History) chart(lines []Line) chart {
	unit := record.UnitOf(lines[0].Unit)
	c := chart{
		Title: fmt.Sprintf("%s (%s): %s", lines[0].Series, lines[0].Way, unit.Title),
		Name:  lines[0].Series + ": " + unit.Title, Way: lines[0].Way.String(), Series: lines[0].Series, Unit: unit.Name,
		Left: left, Right: right, Top: top, Bottom: bottom, Width: chartWidth, Height: chartHeight,
	}
	low, high := 1.0, 1.0
	for _, l := range lines {
		for _, p := range l.Points {
			low, high = min(low, p.Low), max(high, p.High)
		}
	}
	low, high = low/1.1, high*1.1
	y := func(ratio float64) float64 {
		return round(bottom - (bottom-top)*math.Log(ratio/low)/math.Log(high/low))
	}
	x := func(run int) float64 {
		if len(h.Runs) == 1 {
			return (left + right) / 2
		}
		return round(left + margin + float64(run)*h.apart())
	}
	for _, m := range scale(low, high) {
		c.Marks = append(c.Marks, mark{left, y(m), fmt.Sprintf("%gx", m)})
	}
	for _, i := range h.labelled() {
		c.Labels = append(c.Labels, mark{x(i), bottom + 16, h.Runs[i].Commit})
	}
	var legend []string
	for i, r := range h.Runs {
		if len(r.Changed) > 0 {
			c.Changes = append(c.Changes, mark{x(i) - round(h.apart()/2), bottom, r.Name + ": " + strings.Join(r.Changed, ", ")})
		}
	}
	if len(c.Changes) > 0 {
		legend = append(legend, "dashed: the machine or a version has changed")
	}
	if slices.ContainsFunc(lines, func(l Line) bool {
		return slices.ContainsFunc(l.Points, func(p Point) bool { return h.Runs[p.Run].Partial })
	}) {
		legend = append(legend, "hollow: a partial run")
	}
	c.Legend = strings.Join(legend, "; ")
	for i, l := range lines {
		drawn := line{Name: l.Stack + " / " + l.Twin, Class: fmt.Sprintf("c%d", i%colours), Key: float64(top + 18*i)}
		var path []string
		for _, p := range l.Points {
			d := dot{
				X: x(p.Run), Y: y(p.Estimate), Low: y(p.Low), High: y(p.High), Run: h.Runs[p.Run],
				Ratio: fmt.Sprintf("%.3fx", p.Estimate), Interval: "-", Rounds: p.Rounds,
			}
			if p.Low < p.High {
				d.Interval = fmt.Sprintf("%.3f to %.3fx", p.Low, p.High)
			}
			path = append(path, fmt.Sprintf("%g,%g", d.X, d.Y))
			drawn.Points = append(drawn.Points, d)
		}
		drawn.Path = strings.Join(path, " ")
		c.Lines = append(c.Lines, drawn)
	}
	return c
}

// apart is how far the runs are from each other, in pixels.
func (h *History) apart() float64 {
	return (right - left - 2*margin) / float64(max(1, len(h.Runs)-1))
}

// labelled are the runs that have a label on the x axis: the newest, and of the
// others as many as can stand side by side.
func (h *History) labelled() []int {
	longest := 0
	for _, r := range h.Runs {
		longest = max(longest, utf8.RuneCountInString(r.Commit))
	}
	step := max(1, int(math.Ceil((labelDigit*float64(longest)+labelSpace)/h.apart())))
	var list []int
	for i := len(h.Runs) - 1; i >= 0; i -= step {
		list = append(list, i)
	}
	slices.Reverse(list)
	return list
}

// round keeps a tenth of a pixel.
func round(v float64) float64 { return math.Round(10*v) / 10 }

// scale returns round ratios between two, one among them.
func scale(low, high float64) []float64 {
	steps := []float64{1, 1.5, 2, 3, 5, 7}
	if high/low < 1.5 {
		steps = []float64{1, 1.05, 1.1, 1.15, 1.2, 1.3, 1.4, 7, 8, 8.5, 9, 9.5}
	} else if high/low > 50 {
		steps = []float64{1}
	}
	var marks []float64
	for decade := math.Pow10(int(math.Floor(math.Log10(low)))); decade <= high; decade *= 10 {
		for _, s := range steps {
			if v := s * decade; v >= low && v <= high {
				marks = append(marks, math.Round(v*1e6)/1e6)
			}
		}
	}
	return marks
}
