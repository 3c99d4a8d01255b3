package report

import (
	"strings"

	"wsvsio/internal/record"
)

// overviewUnits are what a look over many cases takes in.
var overviewUnits = []string{"server-cpu-sec/msg", "p50-sec/msg", "wire-B/msg", "server-B/conn"}

// overviewEffects are what it shows of them: what Socket.IO takes, times a plain
// WebSocket.
var overviewEffects = []struct {
	runtime string
	effect
}{
	{"Go", ratioOf("", "sio", "rawws")},
	{"Node", ratioOf("", "sio-node", "rawws-node")},
}

// overviewKey explains the figures of an overview.
const overviewKey = "sio / rawws in Go, sio-node / rawws-node in Node, in pairs inside rounds; in brackets the 95 % interval, or the " +
	"range of the pairs where they are too few"

// overview says at one look what Socket.IO takes in each case of a scenario. It
// has no rows unless a case is there several times, with other parameters: the
// tables of a few cases say it themselves.
func overview(groups []record.Group) grid {
	g := grid{corner: "case"}
	var rows [][]cell
	seen, several := make(map[string]bool), false
	for _, group := range groups {
		if group.Case.Once {
			continue // outcomes
		}
		rounds := 0
		for _, r := range group.Rows {
			rounds = max(rounds, len(r.Cells))
		}
		var cells []cell
		told := false
		for _, unit := range overviewUnits {
			for _, e := range overviewEffects {
				c := cell{ratio: "-"}
				if r := e.in(group, unit); r.Pairs > 0 {
					c = cell{}
					c.setRatio(record.UnitOf(unit), r, rounds)
					c.tested, told = false, true // it counts where its table is
				}
				cells = append(cells, c)
			}
		}
		if !told {
			continue
		}
		several = several || seen[group.Case.Name]
		seen[group.Case.Name] = true
		rows = append(rows, cells)
		g.rows = append(g.rows, row{name: strings.TrimPrefix(title(group), clean(group.Scenario)+" / ")})
	}
	if !several {
		return grid{}
	}
	column := 0
	for _, unit := range overviewUnits {
		for _, e := range overviewEffects {
			some := false
			for _, cells := range rows {
				some = some || cells[column].ratio != "-"
			}
			if some {
				g.head = append(g.head, clean(record.UnitOf(unit).Title)+", "+e.runtime)
				for i, cells := range rows {
					g.rows[i].cells = append(g.rows[i].cells, cells[column])
				}
			}
			column++
		}
	}
	return g
}
