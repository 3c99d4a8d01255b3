package report

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	echo   = scenarios.Case{Name: "echo", Clients: 1, Size: 128, Rate: 200}
	steady = scenarios.Case{Name: "steady", Clients: 100, Size: 128, Rate: 200}
	join   = scenarios.Case{Name: "connect", Clients: 1, Samples: 20}
)

// newRun returns a run of three rounds without cells.
func newRun() *record.Run {
	return &record.Run{
		Format:  record.Format,
		Tool:    "wsvsio compare",
		Started: time.Date(2026, 3, 1, 12, 30, 0, 0, time.UTC),
		Profile: scenarios.Quick,
		Rounds:  3,
		Seed:    42,
		Environment: record.Environment{
			OS: "linux", Arch: "amd64", CPU: "Example CPU @ 2.00GHz",
			Kernel: "6.1.0", Cores: 2, Go: "go1.26.8", Node: "v20.20.0",
			Libraries: map[string]string{
				"gorilla/websocket": "1.5.3", "socket.io": "4.8.4"},
			Commit: "9f044c5", Dirty: true, Pinned: true,
			LoadAverage: [3]float64{0.42, 0.3, 0.2},
		},
		Stacks: []scenarios.Stack{
			{Name: "raw", About: "plain WebSocket, Go server, Go client"},
			{Name: "raw-node", About: "plain WebSocket, Node server, JavaScript client"},
			{Name: "sio", About: "Socket.IO, Go server, Go client", Twin: "raw"},
			{Name: "sio-node-polling", About: "Socket.IO over polling, Node server, JavaScript client", Twin: "raw-node"},
		},
	}
}

// measured returns a measured cell; figures are unit, value, unit, value …
func measured(c scenarios.Case, stack string, round int, figures ...any) record.Cell {
	out := record.Cell{
		Scenario: "broadcast", Case: c, Stack: stack, Round: round, N: 1000}
	for i := 0; i < len(figures); i += 2 {
		out.Values = append(out.Values, record.Value{
			Unit: figures[i].(string), V: figures[i+1].(float64)})
	}
	return out
}

// steadyCells measures every stack three times, scale times as fast as raw.
func steadyCells(c scenarios.Case) []record.Cell {
	var cells []record.Cell
	stacks := []struct {
		name                     string
		scale, wire, mallocs, up float64
	}{
		{"raw", 1, 268, 5, 0.1},
		{"raw-node", 1.2, 268, 0, 0.12},
		{"sio", 2.4, 288, 50, 0.31},
		{"sio-node-polling", 90, 995, 0, 0.4},
	}
	for round := 1; round <= 3; round++ {
		for _, s := range stacks {
			k := s.scale * (1 + s.up*float64(round-2))
			one := measured(c, s.name, round,
				"p50-sec/msg", 25.4e-6*k, "p90-sec/msg", 40e-6*k,
				"p99-sec/msg", 130e-6*k, "server-cpu-sec/msg", 8.1e-6*k,
				"wire-B/msg", s.wire,
				"lost", 0.0, "dup", 0.0, "reordered", 0.0, "corrupt", 0.0)
			if s.mallocs > 0 {
				one.Values = append(one.Values, record.Value{
					Unit: "server-allocs/msg", V: s.mallocs + 0.02*float64(round)})
			}
			cells = append(cells, one)
		}
	}
	return cells
}

// each calls f for the cells of a stack in those rounds.
func each(run *record.Run, stack string, rounds []int, f func(*record.Cell)) {
	for i := range run.Cells {
		c := &run.Cells[i]
		for _, round := range rounds {
			if c.Stack == stack && c.Round == round {
				f(c)
			}
		}
	}
}

func fail(text string) func(*record.Cell) {
	return func(c *record.Cell) { c.Error, c.Values = text, nil }
}

func doubt(text string) func(*record.Cell) {
	return func(c *record.Cell) { c.Doubts = append(c.Doubts, text) }
}

// runs are the runs of the golden files.
func runs() map[string]*record.Run {
	all := []int{1, 2, 3}
	list := make(map[string]*record.Run)

	usual := newRun()
	usual.Cells = append(steadyCells(echo), steadyCells(steady)...)
	for round := 1; round <= 3; round++ {
		for _, s := range []struct {
			name        string
			bytes, reqs float64
		}{{"raw", 352, 1}, {"sio", 539, 1}, {"sio-node-polling", 2310, 5}} {
			usual.Cells = append(usual.Cells, measured(join, s.name, round,
				"connect-sec", 0.0014*s.reqs, "connect-sec", 0.0015*s.reqs,
				"connect-sec", 0.009, "connect-B", s.bytes,
				"connect-reqs", s.reqs, "connect-conns", min(s.reqs, 2.0)))
		}
	}
	list["usual"] = usual
	list["attributed"] = attributedRun()

	// Everything that can be wrong with a row.
	bad := newRun()
	bad.Cells = append(steadyCells(echo), steadyCells(steady)...)
	each(bad, "sio-node-polling", all, func(c *record.Cell) {
		c.Values = nil
		c.Unsupported = scenarios.Unsupported("the load generator does not poll yet").Error()
	})
	each(bad, "raw", []int{2}, fail("server: exit status 2\npanic: boom\n\ngoroutine 1 [running]:"))
	each(bad, "raw-node", all, fail("start the server: node: not found"))
	each(bad, "sio", []int{1, 3}, func(c *record.Cell) {
		c.Values[5].V, c.Values[6].V = 12, 1
	})
	each(bad, "sio", []int{3}, fail("12 deliveries lost, 3 of them unexplained"))
	each(bad, "sio", []int{1, 2}, doubt("client CPU share above one half"))
	each(bad, "raw", []int{1, 3}, doubt("sender late"))
	each(bad, "sio", []int{1, 3}, doubt("sender late"))
	each(bad, "sio", []int{1}, doubt("sender late"))
	list["bad"] = bad

	partial := newRun()
	partial.Partial, partial.Why = true, "interrupted"
	partial.Stacks = partial.Stacks[:3]
	partial.Cells = steadyCells(steady)[:2]
	partial.LeftOut = []record.LeftOut{
		{Stack: "raw-js", Reason: "Node is not installed", Mend: "sudo apt-get install nodejs npm"},
		{Stack: "sio-js", Reason: "Node is not installed", Mend: "sudo apt-get install nodejs npm"},
		{Stack: "sio-node", Reason: "its packages are missing", Mend: "npm ci --prefix sio/node"},
	}
	list["partial"] = partial

	empty := newRun()
	empty.Partial = true
	list["empty"] = empty

	failed := newRun()
	failed.Rounds = 1
	failed.Cells = steadyCells(echo)[:4]
	each(failed, "raw", all, fail("boom"))
	each(failed, "raw-node", all, func(c *record.Cell) { c.Unsupported = "not here" })
	each(failed, "sio", all, fail("boom"))
	each(failed, "sio-node-polling", all, func(c *record.Cell) { c.Values = nil })
	list["failed"] = failed

	evil := "x|y`<b>\x1b[31m*_[a](b)\x00\r\n\u202e&"
	markup := newRun()
	markup.Partial, markup.Why = true, evil
	markup.Stacks[2].Name, markup.Stacks[2].About = evil, evil
	markup.Environment.CPU = evil
	markup.Environment.Libraries[evil] = evil
	markup.LeftOut = []record.LeftOut{{Stack: evil, Reason: evil, Mend: evil}}
	markup.Cells = steadyCells(scenarios.Case{Name: evil, Clients: 1})
	for i := range markup.Cells {
		c := &markup.Cells[i]
		c.Scenario = evil
		if c.Stack == "sio" {
			c.Stack = evil
			c.Doubts = []string{evil}
		}
		if c.Stack == "raw-node" {
			c.Error = evil
		}
		if c.Stack == "sio-node-polling" {
			c.Unsupported = evil
		}
	}
	list["markup"] = markup
	return list
}

func TestGolden(t *testing.T) {
	for name, run := range runs() {
		for ext, view := range map[string]func(*bytes.Buffer) error{
			".txt": func(b *bytes.Buffer) error { return Table(b, run) },
			".md":  func(b *bytes.Buffer) error { return Markdown(b, run) },
		} {
			t.Run(name+ext, func(t *testing.T) {
				var b bytes.Buffer
				if err := view(&b); err != nil {
					t.Fatal(err)
				}
				golden(t, name+ext, b.Bytes())
			})
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: write it with -update", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("differs from %s, -update accepts it:\n%s", file, got)
	}
}

// The usual table fits a terminal of 100 columns, and so does an attribution.
func TestWidth(t *testing.T) {
	texts := make(map[string]*bytes.Buffer)
	for _, name := range []string{"usual", "partial", "empty", "failed"} {
		texts[name] = new(bytes.Buffer)
		if err := Table(texts[name], runs()[name]); err != nil {
			t.Fatal(err)
		}
	}
	for _, tab := range newPage(runs()["attributed"]).tables {
		texts[tab.title] = new(bytes.Buffer)
		if err := terminalGrid(texts[tab.title], tab.attribution); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range texts {
		if name != "empty" && b.Len() == 0 {
			t.Errorf("%s: nothing", name)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > width {
				t.Errorf("%s: %d characters: %s", name, n, line)
			}
		}
	}
}

// Both views show the same figures.
func TestViewsAgree(t *testing.T) {
	run := runs()["attributed"]
	var text, markdown bytes.Buffer
	if err := errors.Join(Table(&text, run), Markdown(&markdown, run)); err != nil {
		t.Fatal(err)
	}
	for _, tab := range newPage(run).tables {
		for _, r := range append(tab.grid.rows, tab.attribution.rows...) {
			for _, c := range r.cells {
				for _, s := range []string{c.value, c.ratio, c.spread} {
					if !strings.Contains(text.String(), s) ||
						!strings.Contains(markdown.String(), s) {
						t.Errorf("%s: %q is not in both views", r.name, s)
					}
				}
			}
		}
	}
}

type brokenPipe struct{}

var errPipe = errors.New("broken pipe")

func (brokenPipe) Write([]byte) (int, error) { return 0, errPipe }

func TestWriteError(t *testing.T) {
	for _, err := range []error{
		Table(brokenPipe{}, newRun()), Markdown(brokenPipe{}, newRun()),
	} {
		if !errors.Is(err, errPipe) {
			t.Errorf("got %v, want the writer's error", err)
		}
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct {
		q    record.Quantity
		v    float64
		want string
	}{
		{record.Duration, 0, "0 s"},
		{record.Duration, 61.3e-6, "61 µs"},
		{record.Duration, 6.13e-6, "6.1 µs"},
		{record.Duration, 9.96e-6, "10 µs"},
		{record.Duration, 612.7e-6, "613 µs"},
		{record.Duration, 999.6e-6, "1.0 ms"},
		{record.Duration, 0.5e-9, "0.50 ns"},
		{record.Duration, 77.5, "78 s"},
		{record.Duration, -2e-3, "-2 ms"},
		{record.CPU, 0.83e-6, "0.83 µs"},
		{record.CPU, 25.1e-6, "25 µs"},
		{record.CPU, 1.5e-3, "1500 µs"},
		{record.Bytes, 268, "268 B"},
		{record.Bytes, 50.25, "50.2 B"},
		{record.Bytes, 17500, "17.5 kB"},
		{record.Bytes, 999_600, "1.00 MB"},
		{record.Bytes, 5e12, "5000 GB"},
		{record.Count, 5, "5"},
		{record.Count, 50.04, "50.0"},
		{record.Count, 12345, "12345"},
		{record.Count, 1e300, "1.00e+300"},
		{record.Count, 1e-9, "1.00e-09"},
		{record.Rate, 121_400, "121 k/s"},
		{record.Rate, 1.25e6, "1.25 M/s"},
		{record.Share, 1, "100 %"},
		{record.Share, 0.9856, "98.6 %"},
	} {
		if got := format(test.q, test.v); got != test.want {
			t.Errorf("format(%s, %v) = %q, want %q",
				test.q, test.v, got, test.want)
		}
	}
}

func TestTimes(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0x", 0.0041: "0.0041x", 0.83: "0.83x", 1: "1.00x", 1.0746: "1.07x",
		1.996: "2.0x", 2.41: "2.4x", 12.4: "12x", 103: "103x",
	} {
		if got := times(v); got != want {
			t.Errorf("times(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestTimesOff(t *testing.T) {
	for v, want := range map[float64]string{
		1.0746: "1.07x", 1.0049: "1.005x", 0.9951: "0.995x", 1.00049: "1.0005x",
		0.99951: "0.9995x", 1.0000004: "1.00x", 2.41: "2.4x",
	} {
		if got := timesOff(v); got != want {
			t.Errorf("timesOff(%v) = %q, want %q", v, got, want)
		}
	}
}

func TestSpread(t *testing.T) {
	for _, test := range [][3]string{
		{"24 µs", "31 µs", "24-31 µs"},
		{"980 µs", "1.2 ms", "980 µs-1.2 ms"},
		{"2.1x", "2.8x", "2.1-2.8x"},
		{"268 B", "268 B", ""},
		{"5", "7", "5-7"},
	} {
		if got := spread(test[0], test[1]); got != test[2] {
			t.Errorf("spread(%q, %q) = %q, want %q",
				test[0], test[1], got, test[2])
		}
	}
}

func TestTimesSpread(t *testing.T) {
	for want, ends := range map[string][2]float64{
		"1.8-2.9x":   {1.84, 2.88},
		"1.04-1.11x": {1.042, 1.108},
		"0.92-2.4x":  {0.92, 2.4},
		"":           {1.0746, 1.0747},
	} {
		if got := timesSpread(ends[0], ends[1]); got != want {
			t.Errorf("timesSpread(%v) = %q, want %q", ends, got, want)
		}
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("line\n", 30) + "the end"
	got := lines("first\n\n" + long)
	if len(got) != maxLines+1 || got[0] != "first" ||
		got[1] != "(22 lines more in run.json)" || got[maxLines] != "the end" {
		t.Errorf("got %q", got)
	}
}

func TestRoundList(t *testing.T) {
	for want, rounds := range map[string][]int{
		"round 3":          {3},
		"rounds 1, 3-5":    {5, 1, 3, 4},
		"rounds 1-2":       {1, 2},
		"rounds 1, 3, 7-8": {1, 3, 7, 8},
	} {
		if got := roundList(rounds); got != want {
			t.Errorf("roundList(%v) = %q, want %q", rounds, got, want)
		}
	}
}

// Whatever text a run holds, neither view prints what a terminal would obey,
// and Markdown has no HTML but its own.
func FuzzText(f *testing.F) {
	f.Add("raw", "steady", "boom", "p50-sec/msg", 25e-6)
	f.Add("a|b", "`<script>`", "\x1b]0;title\a\u2028\xff", "<B>", -1.0)
	f.Fuzz(func(t *testing.T, stack, name, text, unit string, v float64) {
		run := newRun()
		run.Partial, run.Why = true, text
		run.Stacks = append(run.Stacks,
			scenarios.Stack{Name: stack, About: text, Twin: "raw"})
		run.LeftOut = []record.LeftOut{{Stack: stack, Reason: text, Mend: text}}
		run.Environment.CPU = text
		c := scenarios.Case{Name: name, Clients: 2}
		for round := 1; round <= 2; round++ {
			one := measured(c, stack, round, unit, v)
			one.Scenario = name
			one.Doubts = []string{text}
			other := measured(c, "raw", round, unit, v)
			other.Scenario = name
			run.Cells = append(run.Cells, one, other)
		}
		for _, name := range []string{"rawws", "sio"} {
			one := measured(c, name, 1, "p50-sec/msg", v, unit, 1.0)
			run.Cells = append(run.Cells, one)
		}
		run.Cells[2].Error, run.Cells[3].Unsupported = text, text
		var b bytes.Buffer
		if err := Table(&b, run); err != nil {
			t.Fatal(err)
		}
		if i := bytes.IndexFunc(b.Bytes(), unseen); i >= 0 {
			t.Errorf("terminal: %q", b.Bytes()[i:])
		}
		b.Reset()
		if err := Markdown(&b, run); err != nil {
			t.Fatal(err)
		}
		if i := bytes.IndexFunc(b.Bytes(), unseen); i >= 0 {
			t.Errorf("Markdown: %q", b.Bytes()[i:])
		}
		html := strings.ReplaceAll(b.String(), "<br>", "")
		if strings.ContainsAny(html, "<>") {
			t.Errorf("HTML in Markdown: %s", html)
		}
	})
}

func unseen(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }
