package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wsvsio/lessons"
)

// What is made from runs, or is no sentence.
var (
	made   = regexp.MustCompile(`(?s)<!-- (?:sample|bars|decision) [^>]*-->.*?<!-- end of [a-z]+ -->`)
	marked = regexp.MustCompile(`(?s)<!--[^>]*-->.*?<!--/-->`)
	code   = regexp.MustCompile("(?s)```.*?```|`[^`]*`")
	links  = regexp.MustCompile(`\]\([^)]*\)`)

	// Versions and numbers of standards are names, and so are codes of a status.
	names = regexp.MustCompile(`(?:Go|Node|go-socket\.io|socket\.io(?:-client)?|Socket\.IO|Engine\.IO|RFC|clients) \d[\d.]*\d?(?:(?:, | and | or )\d+(?:\.\d+)*\b)*|\b(?:101|400|403|504|1006|1009)\b`)

	number = regexp.MustCompile(`[^.;:(]{0,40}\d[\d.,]*`)
)

// setting is a number that was chosen and not measured: the words around it, and
// what the file that sets it has.
type setting struct{ words, file, has string }

const (
	broadcastFile  = "scenarios/broadcast/broadcast.go"
	verdictFile    = "internal/stats/verdict.go"
	judgeFile      = "internal/regress/judge.go"
	mainFile       = "cmd/compare/main.go"
	experimentFile = "cmd/experiment/check.go"
)

var settings = []setting{
	// README.md
	{"100 clients and 200 messages a second", broadcastFile, `"steady", Clients: 100, Size: 128, Rate: 200`},
	{"1000 clients and 20 messages a second", broadcastFile, `"fan-out", Clients: 1000, Size: 128, Rate: 20,`},
	{"100 clients and messages of 128 B", broadcastFile, `"steady", Clients: 100, Size: 128, Rate: 200`},
	{"Saturated (100 clients)", broadcastFile, `"saturation", Clients: 100, Size: 128`},
	{"10,000 connections", broadcastFile, `"idle", Clients: 10_000`},
	{"95 % interval", "internal/stats/stats.go", "Confidence = 0.95"},
	{"p < .05 and the shift is", verdictFile, "Alpha    = 0.05"},
	{"at least 3 %", verdictFile, "MinShift = 0.03"},
	{"(0 ok,", mainFile, "exitOK          = 0\n"},
	{"1 something failed", mainFile, "exitError       = 1\n"},
	{"2 wrong use", mainFile, "exitUsage       = 2\n"},
	{"3 a regression", mainFile, "exitRegression  = 3\n"},
	{"130 interrupted", mainFile, "exitInterrupted = 130"},
	{"while it was waited for (3 s,", "scenarios/reconnect/reconnect.go", "Limit:        3 * time.Second"},
	{"with the default timers 2 minutes)", "scenarios/reconnect/reconnect.go", "Limit:        120 * time.Second"},
	{"comes back within 250 ms", "scenarios/reconnect/reconnect.go", "Hold:         250 * time.Millisecond"},
	{"not there after 250 ms", "rawws/fallback.go", "eager = 250 * time.Millisecond"},
	{"a silence of 1.5 s (15 s in full)", "scenarios/proxy/doc.go", "within 1.5 s in quick and 15 s in full"},
	{"numbers sessions 1, 2, 3", "sio/proxy_test.go", ""},
	{"A hundred of 64 KiB", "scenarios/fallback/fallback.go", "64 << 10"},
	{"20 rounds", "cmd/compare/run.go", "scenarios.Full: 20}"},
	{"100 rooms of 10)", broadcastFile, `"rooms", Clients: 1000, Rooms: 100`},
	{"(80 columns)", "internal/codesize/pairs.go", "Width    = 80"},
	{"archived 2024-09-29", "scenarios/advice.go", "archived (2024-09-29)"},
	{"256 messages or 4 MB", "scenarios/chat.go", "Queue:        256,\n\tQueueBytes:   4_000_000,"},
	{"4,000 deliveries of a Go server", broadcastFile, "goWarmup = 4_000"},
	{"30,000 of a Node server", broadcastFile, "warmup   = 30_000"},
	{"with 8 pairs instead of 20", "results/2026-11-23-ab/summary.md", "| 8, regrouped | 3 %"},
	{"0 B apart", "bench/count_test.go", ""},
	{"exit status 3", mainFile, "exitRegression  = 3\n"},

	// docs/check.md
	{"less than 5 minutes on 2 cores", experimentFile, "checkSeconds      = 300"},
	{"exit status 0", mainFile, "exitOK          = 0\n"},
	{"a shift of 20 %", judgeFile, "MostFinds = 0.20"},
	{"Exit status 1", mainFile, "exitError       = 1\n"},
	{"the exit status is 1", mainFile, "exitError       = 1\n"},
	{"2 is a wrong use", mainFile, "exitUsage       = 2\n"},
	{"130 an interrupt", mainFile, "exitInterrupted = 130"},
	{"Less than 5 % is never told", judgeFile, "MinShift  = 0.05"},
	{"or 3 where something else is worse", mainFile, "exitRegression  = 3\n"},
	{"says so with exit status 1", mainFile, "exitError       = 1\n"},
	{"A first batch of 20 pairs", "cmd/compare/check.go", "defaultPairs = 20\n"},
	{"fires if p < .05", judgeFile, "Alpha     = 0.05"},
	{"(10 with Node)", "cmd/compare/check_measure.go", "n = max(minPairs, n/2)"},
	{"to be called different it takes 10 % by the estimate", "internal/regress/baseline.go", "StoredShift = 0.10"},
	{"an interval wholly beyond 5 %", judgeFile, "MinShift  = 0.05"},
	{"at most 1 false alarm", experimentFile, "checkMaxFalse     = 1 "},
	{"in 50)", experimentFile, "checkTrials       = 50"},
	{"(at most 1 in 20)", experimentFile, "checkBesideTrials = 20"},
	{"10 % and 20 % more CPU per message", experimentFile, `{"slow-10", "10 % more CPU per message", 0.70, 1.10, slowPlace, checkSlowTrials},` + "\n" + `		{"slow-20", "20 % more CPU per message", 0.95,`},
	{"found in 70 % and 95 % of 20 trials", experimentFile, "checkSlowTrials   = 20"},
	{"differs from one by 5 % or more", judgeFile, "MinShift  = 0.05"},
	{"count from 5 points of a whole batch on", judgeFile, "MinShare  = 0.05"},
	{"tested once at 5 %", judgeFile, "Alpha     = 0.05"},
	{"apart by more than 0.2 objects and 1 % (256 B and 1 % for", judgeFile, "absoluteAllocs = 0.2  // objects\n\tabsoluteBytes  = 256  // bytes\n\trelativeAllocs = 0.01"},
}

// TestProse holds the figures in sentences against what their markers name, and
// finds those that have no marker: each must be a setting then, of the file that
// sets it.
func TestProse(t *testing.T) {
	source := lessons.NewSource("../..", nil)
	used := make(map[setting]bool)
	for _, name := range []string{"README.md", "docs/check.md"} {
		file := filepath.Join("../..", name)
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		filled, _, err := source.Fill(string(text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if filled != string(text) {
			if !*update {
				t.Errorf("figures in %s differ from their runs; write them anew: go test ./cmd/compare -run Prose -update", name)
			} else if err := os.WriteFile(file, []byte(filled), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		prose := filled
		for _, is := range []*regexp.Regexp{made, marked, code, links, names} {
			prose = is.ReplaceAllString(prose, " · ")
		}
		prose = strings.Join(strings.Fields(prose), " ")
		for _, s := range settings {
			if strings.Contains(prose, s.words) {
				used[s] = true
				prose = strings.ReplaceAll(prose, s.words, " · ")
			}
		}
		for _, found := range number.FindAllString(prose, -1) {
			t.Errorf("%s: %q has a number that comes from no run and no setting: put it between markers (lessons/lessons.go), or name what sets it", name, found)
		}
	}
	for _, s := range settings {
		if !used[s] {
			t.Errorf("nothing says %q any more", s.words)
		}
		text, err := os.ReadFile(filepath.Join("../..", s.file))
		if err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(text), s.has) {
			t.Errorf("%q is said, and %s does not have %q", s.words, s.file, s.has)
		}
	}
}
