package lessons_test

import (
	"context"
	"errors"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"wsvsio/bench"
	"wsvsio/internal/capture"
	"wsvsio/internal/page/pagetest"
	"wsvsio/internal/worker"
	"wsvsio/lessons"
	"wsvsio/scenarios"
)

var update = flag.Bool("update", false, "write what is between the markers of the lessons anew")

const root = ".."

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // under the race detector every process sleeps for a second as it ends
	worker.RunIfChild(bench.Programs())
	goleak.VerifyTestMain(m)
}

// source has the stacks captured that this machine can run.
func source(t *testing.T) *lessons.Source {
	m, can, err := bench.Look(t.Context(), bench.Stacks())
	if err != nil {
		t.Fatal(err)
	}
	return lessons.NewSource(root, func(stack string) (*capture.Capture, error) {
		i := slices.IndexFunc(can, func(s scenarios.Stack) bool { return s.Name == stack })
		if i < 0 {
			return nil, lessons.ErrNoWire
		}
		return run(t.Context(), m, can[i])
	})
}

func run(ctx context.Context, m bench.Machine, s scenarios.Stack) (*capture.Capture, error) {
	env := bench.NewEnv(ctx, m)
	defer env.Close()
	return capture.Run(ctx, env, s, capture.DefaultSize)
}

// files are all texts with markers.
func files() []string {
	list := []string{"README.md"}
	for _, l := range lessons.All() {
		list = append(list, filepath.Join(l.ID, "lesson.md"))
	}
	return list
}

// TestFresh holds every text against what its markers name.
func TestFresh(t *testing.T) {
	s := source(t)
	for _, name := range files() {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		filled, _, err := s.Fill(string(text))
		if err != nil && !errors.Is(err, lessons.ErrNoWire) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if filled == string(text) {
			continue
		}
		if *update {
			if err := os.WriteFile(name, []byte(filled), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s differs from its sources; write it anew: go test ./lessons -run Fresh -update\n%s", name, difference(string(text), filled))
	}
}

// difference is the first line that differs.
func difference(have, want string) string {
	h, w := strings.Split(have, "\n"), strings.Split(want, "\n")
	for i := range min(len(h), len(w)) {
		if h[i] != w[i] {
			return "have " + h[i] + "\nwant " + w[i]
		}
	}
	return "one is longer"
}

// TestClaims has a lesson for each claim, in their order.
func TestClaims(t *testing.T) {
	var claims, all []string
	for _, c := range scenarios.Claims() {
		claims = append(claims, c.ID)
	}
	for _, l := range lessons.All() {
		all = append(all, l.ID)
	}
	if !slices.Equal(claims, all) {
		t.Errorf("the claims are %v, the lessons %v", claims, all)
	}
}

// sections are what each lesson has, in this order.
var sections = []string{
	"The question", "Predict", "The two pieces of code", "Run it", "What to look for", "Why", "Exercise", "Read next",
}

// TestSections has every lesson go the same way.
func TestSections(t *testing.T) {
	for _, l := range lessons.All() {
		data, err := os.ReadFile(filepath.Join(l.ID, "lesson.md"))
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		var got []string
		for _, m := range regexp.MustCompile(`(?m)^## (.*)$`).FindAllStringSubmatch(text, -1) {
			got = append(got, m[1])
		}
		if !slices.Equal(got, sections) {
			t.Errorf("%s has the sections %q, want %q", l.ID, got, sections)
		}
		for _, want := range []string{"# " + l.Title + "\n", "<!--claim " + l.ID + "-->", "<!--verdict " + l.ID + " ", "<!--pair-->", "\n$ compare ", "go test ./lessons/" + l.ID + " -run Exercise"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q", l.ID, want)
			}
		}
		for _, name := range []string{"exercise.go", "exercise_test.go", "solution/solution.go"} {
			if _, err := os.Stat(filepath.Join(l.ID, name)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestLinks has every link in the Markdown lead somewhere.
func TestLinks(t *testing.T) {
	for _, name := range files() {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`\]\(([^)\s]+)\)`).FindAllStringSubmatch(string(text), -1) {
			if href, _, _ := strings.Cut(m[1], "#"); !strings.HasPrefix(href, "https://") {
				if _, err := os.Stat(filepath.Join(filepath.Dir(name), href)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
		}
	}
}

// TestUnmarked finds figures with a unit that come from nowhere: what was measured
// stands between markers.
func TestUnmarked(t *testing.T) {
	ours := regexp.MustCompile(`(?s)<!--[^>]*-->.*?<!--/-->|` + "```.*?```|`[^`]*`")
	figure := regexp.MustCompile(`\d[\d.,]* ?(?:[nµm]?s|[kM]?B|%|x|[kM]/s)(?:[^\pL]|$)`)
	for _, name := range files() {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range figure.FindAllString(ours.ReplaceAllString(string(text), ""), -1) {
			if !strings.HasPrefix(f, "100 ms") { // a distance to think of
				t.Errorf("%s: %q is not between markers", name, f)
			}
		}
	}
}

// TestMarkers has markers that name what is not there: each is an error, and the
// text stays.
func TestMarkers(t *testing.T) {
	s := lessons.NewSource(root, nil)
	for _, m := range []string{
		"n 2026-11-25-quick broadcast steady morse wire-B/msg", "n 2026-11-25-quick broadcast steady rawws", "n 1999 broadcast steady rawws wire-B/msg",
		"n 2026-11-25-quick broadcast steady sio over sio-js wire-B/msg", "label 2026-11-25-quick broadcast steady rawws mood",
		"exact Size rawws statements", "claim peace", "verdict peace 2026-11-25-quick", "code rawws/server.go#Server.dance",
		"code sio/node/client.mjs#dance", "code rawws/server.go", "code ../etc/passwd#root", "wire rawws handshake up",
	} {
		text := "a <!--" + m + "-->5 B<!--/--> b"
		if got, _, err := s.Fill(text); err == nil || got != text {
			t.Errorf("%s: %q, %v", m, got, err)
		}
	}
	got, figures, err := s.Fill("<!--n 2026-11-25-quick broadcast connect rawws connect-B-->5 B<!--/-->, <!--claim overhead-->x<!--/-->")
	if want := "<!--n 2026-11-25-quick broadcast connect rawws connect-B-->317 B<!--/-->, <!--claim overhead-->a WebSocket interacts with minimum overhead<!--/-->"; got != want || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if len(figures) != 1 || figures[0] != (lessons.Figure{Text: "317 B", Source: "results/2026-11-25-quick: broadcast / connect, rawws, connect-B"}) {
		t.Errorf("figures %v", figures)
	}
}

// TestPages builds all pages, follows the links between them and opens each as a
// reader would.
func TestPages(t *testing.T) {
	m, can, err := bench.Look(t.Context(), bench.Stacks())
	if err != nil {
		t.Fatal(err)
	}
	var all []*capture.Capture
	for _, s := range can {
		if !slices.Contains([]string{"rawws", "sio-node-default"}, s.Name) {
			continue
		}
		c, err := run(t.Context(), m, s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	pages, err := source(t).Pages(all, m.LeftOut)
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) != len(lessons.All())+2 {
		t.Errorf("%d pages", len(pages))
	}
	ids := regexp.MustCompile(` id="([^"]+)"`)
	for name, html := range pages {
		for _, m := range regexp.MustCompile(`href="([^"]*)"`).FindAllStringSubmatch(string(html), -1) {
			href := m[1]
			if strings.HasPrefix(href, "https://") || strings.HasPrefix(href, "data:") {
				continue
			}
			file, id, _ := strings.Cut(href, "#")
			to, ok := pages[file]
			if file == "" {
				to, ok = html, true
			}
			if !ok {
				t.Errorf("%s leads to %s, which is not there", name, href)
			} else if id != "" && !slices.ContainsFunc(ids.FindAllStringSubmatch(string(to), -1), func(m []string) bool { return m[1] == id }) {
				t.Errorf("%s leads to %s, where there is no %s", name, href, id)
			}
		}
		if strings.Contains(string(html), "raw HTML omitted") || strings.Contains(string(html), "OFCODE") || strings.Contains(string(html), "&lt;!--") {
			t.Errorf("%s shows a marker", name)
		}
	}
	dir := t.TempDir()
	if err := lessons.Write(dir, pages); err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(pages)) {
		html, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Run(name, func(t *testing.T) { pagetest.Check(t, strings.TrimSuffix(name, ".html"), html) })
	}
}
