package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"wsvsio/internal/chart"
	web "wsvsio/internal/page"
	"wsvsio/internal/record"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// Recorded is a run with what else its folder holds.
type Recorded struct {
	Name       string // of the folder
	Run        *record.Run
	Histograms []*hdr.Histogram // as record.ReadHistograms returns them, merged
	Problems   []record.Problem // what could not be read
}

// Chart is a drawing of what runs hold.
type Chart struct {
	Name     string // of its file, without ".svg": "broadcast-steady-ratios"
	Scenario string
	Kind     string // what it belongs with
	chart.Chart

	tables []int // of the runs, that it was drawn from
}

// The kinds of chart, in the order in which a scenario shows them.
const (
	kindCurves    = "How long messages take"
	kindRatios    = "Times the twin"
	kindGrowth    = "Over the number of clients"
	kindRecovery  = "What became of a client"
	kindBars      = "Side by side"
	ratiosToRaw   = "ratio to the plain WebSocket on the same runtime, with the 95 % interval"
	fewRatios     = "ratio to the plain WebSocket on the same runtime, with the range of the rounds"
	curvesOf      = "latency from the due time, all rounds together"
	growthEvery   = "clients"
	recoveryFirst = "the first client to be harmed, in seconds from the fault"
)

// kinds are all of them.
var kinds = []string{kindCurves, kindRatios, kindGrowth, kindRecovery, kindBars}

// Charts draws what there is to draw in runs.
func Charts(runs []Recorded) []Chart {
	var list []Chart
	table := 0
	for _, r := range runs {
		groups := r.Run.Group()
		for i, g := range groups {
			for _, c := range chartsOf(r, groups, g, i) {
				c.tables = append(c.tables, table+i)
				list = append(list, c)
			}
		}
		list = append(list, growth(groups, table)...)
		table += len(groups)
	}
	names := make(map[string]int)
	for i := range list {
		c := &list[i]
		names[c.Name]++
		if n := names[c.Name]; n > 1 {
			c.Name += fmt.Sprintf("-%d", n)
		}
	}
	slices.SortStableFunc(list, func(a, b Chart) int {
		return cmp.Compare(slices.Index(kinds, a.Kind), slices.Index(kinds, b.Kind))
	})
	return list
}

// chartsOf draws a group. Where there are several sizes of a case, the usual one
// is drawn; growth draws the others, and all are in the tables.
func chartsOf(r Recorded, groups []record.Group, g record.Group, at int) (list []Chart) {
	if p := preferred(groups, g.Scenario, g.Case.Name); len(p) > 0 && p[0].Case != g.Case {
		return nil
	}
	add := func(kind, what string, c chart.Chart) {
		if !c.Empty() {
			list = append(list, Chart{Name: web.ID(g.Scenario, g.Case.Name, what), Scenario: g.Scenario, Kind: kind, Chart: c})
		}
	}
	name, about := clean(g.Case.Name), caseWords(g.Case)
	add(kindCurves, "latency", chart.Percentiles(name+": latency", about+"; "+curvesOf, curves(r, g), figure(record.Duration)))
	add(kindRatios, "ratios", forest(g, name, about))
	add(kindRecovery, "recovery", recovery(g, name))
	for _, u := range barred[g.Scenario+"/"+g.Case.Name] {
		add(kindBars, u, bars(g, u, name, about))
	}
	return list
}

// barred are the units of a case that are drawn as bars: outcomes that have no
// ratio.
var barred = map[string][]string{
	"broadcast/idle":   {"server-B/conn"},
	"reconnect/silent": {"lost-down", "lost-up"},
	"reconnect/reset":  {"lost-down", "reconnect-B"},
	"reconnect/deploy": {"back95-sec", "attempts-peak/s"},
	"reconnect/storm":  {"back95-sec", "attempts-peak/s"},
	"fallback/wire":    {"wire-B/msg", "burst-wire-B/msg", "reqs/msg"},
	"proxy/delay-time": {"first-msg-sec"},
	"size/chat":        {"statements", "by-hand-statements", "api-names"},
	"size/reconnect":   {"statements"},
	"size/fallback":    {"statements"},
}

// figure returns what shows values of a quantity.
func figure(q record.Quantity) chart.Format {
	return func(v float64) string { return format(q, v) }
}

// caseWords says in words what a case is, without its name.
func caseWords(c scenarios.Case) string {
	_, words, _ := strings.Cut(title(record.Group{Case: c}), ": ")
	return words
}

// drawnAs returns how a stack is drawn.
func drawnAs(s scenarios.Stack) chart.Series {
	out := chart.Series{Name: clean(s.Name), Tone: chart.Other}
	switch s.Protocol {
	case scenarios.ProtocolFloor:
		out.Tone = chart.Floor
	case scenarios.ProtocolRaw:
		out.Tone = chart.Raw
	case scenarios.ProtocolEIO3, scenarios.ProtocolEIO4:
		out.Tone = chart.SocketIO
	default: // of a run that says no more than the name
		switch {
		case strings.HasPrefix(s.Name, "rawws"):
			out.Tone = chart.Raw
		case strings.HasPrefix(s.Name, "sio"):
			out.Tone = chart.SocketIO
		}
	}
	if !s.IsChat() && s.Server != (scenarios.Program{}) {
		out.Tone = chart.Floor
	}
	// "2": a client of the version before on the same server.
	switch {
	case strings.Contains(s.Name, "-polling"), strings.Contains(s.Name, "-default"):
		out.Dash = 3
	case strings.Contains(s.Name, "-js"):
		out.Dash = 2
	case s.Server.Node != "" || strings.Contains(s.Name, "-node"):
		out.Dash = 1
	}
	return out
}

// curves returns the distributions of a group's latencies, of all receivers.
func curves(r Recorded, g record.Group) (list []chart.Curve) {
	name := record.SeriesName(g.Scenario, g.Case)
	for _, row := range g.Rows {
		var all *hdr.Histogram
		prefix := name + "/stack=" + clean(row.Stack.Name) + "/latency/"
		for _, h := range r.Histograms {
			if !strings.HasPrefix(h.Tag(), prefix) {
				continue
			}
			if all == nil {
				all = hdr.New(1, max(h.HighestTrackableValue(), 2), 3)
			}
			all.Merge(h) // what is beyond it is beyond the axis, too
		}
		if all == nil || all.TotalCount() == 0 {
			continue
		}
		c := chart.Curve{Series: drawnAs(row.Stack)}
		n := float64(all.TotalCount())
		for tens := math.Log10(2); ; tens += 0.1 {
			p := 1 - math.Pow(10, -tens)
			if p >= 1-1/n {
				break
			}
			c.Points = append(c.Points, [2]float64{p, float64(all.ValueAtPercentile(100*p)) / 1e9})
		}
		list = append(list, c)
	}
	return list
}

// forest draws the ratios of a group.
func forest(g record.Group, name, about string) chart.Chart {
	columns, _ := columnsOf(g)
	var parts []chart.Part
	how := fewRatios
	for _, u := range columns {
		part := chart.Part{Name: clean(u.Title)}
		for _, row := range g.Rows {
			ratio, ok := g.Ratio(row, u.Name)
			if !ok || ratio.Pairs == 0 {
				continue
			}
			var c cell
			c.setRatio(u, ratio, len(row.Cells))
			drawn := drawnAs(row.Stack)
			if !strings.HasPrefix(row.Stack.Twin, "rawws") { // what the columns say of the others
				drawn.Name += " / " + clean(row.Stack.Twin)
			}
			r := chart.Ratio{
				Series: drawn, Over: clean(row.Stack.Twin), Estimate: ratio.Estimate,
				Low: ratio.Min, High: ratio.Max, Different: c.verdict == stats.Different, Text: c.ratio,
			}
			if ratio.Confidence > 0 {
				r.Low, r.High, how = ratio.Low, ratio.High, ratiosToRaw
			}
			if c.spread != "" {
				r.Text += " (" + c.spread + ")"
			}
			part.Ratios = append(part.Ratios, r)
		}
		parts = append(parts, part)
	}
	return chart.Forest(name+": times the twin", about+"; "+how, parts)
}

// bars draws the medians of a group in a unit.
func bars(g record.Group, unit, name, about string) chart.Chart {
	u := record.UnitOf(unit)
	var list []chart.Bar
	for _, row := range g.Rows {
		values := row.Samples(unit)
		if len(values) == 0 {
			continue
		}
		m := record.Median(values)
		list = append(list, chart.Bar{Series: drawnAs(row.Stack), Value: m, Text: format(u.Quantity, m)})
	}
	text := u.Title
	if u.Means != "" {
		text = u.Means
	}
	if about != "" {
		about += "; "
	}
	return chart.Bars(name+": "+clean(u.Title), about+clean(text), list)
}

// grown are the cases that differ in the number of their clients, and the units
// that are drawn over it.
var (
	grown      = []string{"echo", "steady", "fan-out"}
	grownUnits = []string{"server-cpu-sec/msg", "p50-sec/msg"}
)

// growth draws figures over the number of clients, where the size of a message
// and the deliveries a second are the same.
func growth(groups []record.Group, table int) (list []Chart) {
	type kind struct {
		size       int
		deliveries float64
	}
	of := make(map[kind][]int)
	var order []kind
	for i, g := range groups {
		if g.Scenario != "broadcast" || !slices.Contains(grown, g.Case.Name) {
			continue
		}
		k := kind{g.Case.Size, math.Round(g.Case.Rate * float64(g.Case.Clients))}
		if of[k] == nil {
			order = append(order, k)
		}
		of[k] = append(of[k], i)
	}
	for _, k := range order {
		for _, unit := range grownUnits {
			u := record.UnitOf(unit)
			at := make(map[string]int)
			var lines []chart.Curve
			for _, i := range of[k] {
				for _, row := range groups[i].Rows {
					values := row.Samples(unit)
					if len(values) == 0 {
						continue
					}
					s := drawnAs(row.Stack)
					n, ok := at[s.Name]
					if !ok {
						n = len(lines)
						at[s.Name] = n
						lines = append(lines, chart.Curve{Series: s})
					}
					lines[n].Points = append(lines[n].Points, [2]float64{float64(groups[i].Case.Clients), record.Median(values)})
				}
			}
			for n := range lines {
				slices.SortFunc(lines[n].Points, func(a, b [2]float64) int { return cmp.Compare(a[0], b[0]) })
			}
			c := chart.Scaling(clean(u.Title)+" over clients", fmt.Sprintf("%d B body, %s deliveries a second, both axes logarithmic; %s", k.size, count(k.deliveries), clean(u.Means)),
				growthEvery, lines, figure(u.Quantity))
			if c.Empty() {
				continue
			}
			drawn := Chart{
				Name: web.ID("broadcast", unit, "clients", fmt.Sprint(k.size), count(k.deliveries)), Scenario: "broadcast", Kind: kindGrowth, Chart: c,
			}
			for _, i := range of[k] {
				drawn.tables = append(drawn.tables, table+i)
			}
			list = append(list, drawn)
		}
	}
	return list
}

// recovery draws what became of the client of each stack whose events were kept.
func recovery(g record.Group, name string) chart.Chart {
	var rows []chart.Timeline
	var faults []float64
	var end, last float64
	for _, row := range g.Rows {
		if len(row.Cells) == 0 || len(row.Cells[0].Events) == 0 {
			continue
		}
		t, own, back := timeline(row.Cells[0])
		if len(own) == 0 {
			continue
		}
		t.Series = drawnAs(row.Stack)
		faults = append(faults, own[1:]...)
		end = max(end, back)
		last = max(last, t.Stretches[len(t.Stretches)-1].From)
		rows = append(rows, t)
	}
	if len(rows) == 0 {
		return chart.Chart{}
	}
	if limit := g.Case.Timers.Limit.Seconds(); end == 0 { // nobody came back
		end = max(limit, last)
	}
	end *= 1.2
	faults = append(faults, 0)
	about := recoveryFirst
	if g.Case.Timers != (scenarios.Timers{}) {
		about += "; " + g.Case.Timers.String()
	}
	return chart.Timelines(name+": one client", about, faults, end, rows, figure(record.Duration))
}

// timeline returns what a client went through, when it was harmed, and when it
// was back for the last time; 0 if it was not.
func timeline(c record.Cell) (t chart.Timeline, faults []float64, back float64) {
	events := slices.Clone(c.Events)
	slices.SortStableFunc(events, func(a, b scenarios.Event) int { return cmp.Compare(a.At, b.At) })
	first := slices.IndexFunc(events, func(e scenarios.Event) bool { return e.Kind == scenarios.EventFault })
	if first < 0 {
		return t, nil, 0
	}
	zero := events[first].At
	state, since := chart.Up, math.Inf(-1)
	turn := func(to chart.State, at float64) {
		if to != state {
			t.Stretches = append(t.Stretches, chart.Stretch{State: state, From: since, To: at})
			state, since = to, at
		}
	}
	var noticed, returned []float64
	recovered := false
	for _, e := range events {
		at := float64(e.At-zero) / 1e9
		switch e.Kind {
		case scenarios.EventFault:
			faults = append(faults, at)
			if state == chart.Up {
				turn(chart.Broken, at)
			}
		case scenarios.EventDown:
			if len(faults) > 0 {
				noticed = append(noticed, at-faults[len(faults)-1])
			}
			turn(chart.Down, at)
		case scenarios.EventUp:
			if len(faults) > 0 {
				returned = append(returned, at-faults[len(faults)-1])
				recovered = recovered || e.Recovered
				back = at
			}
			turn(chart.Up, at)
		case scenarios.EventAttempt:
			if len(faults) > 0 {
				t.Attempts = append(t.Attempts, at)
			}
		case scenarios.EventMessage:
			t.Messages = append(t.Messages, at)
		}
	}
	t.Stretches = append(t.Stretches, chart.Stretch{State: state, From: since, To: math.Inf(1)})
	var said []string
	if len(noticed) > 0 {
		said = append(said, "noticed "+format(record.Duration, noticed[0]))
	} else {
		said = append(said, "never noticed")
	}
	switch {
	case len(returned) == 0:
		said = append(said, "never back")
	case recovered:
		said = append(said, "back "+format(record.Duration, returned[0])+", recovered")
	default:
		said = append(said, "back "+format(record.Duration, returned[0]))
	}
	t.Text = strings.Join(said, ", ")
	return t, faults, back
}

// count shows a whole number.
func count(v float64) string { return format(record.Count, v) }
