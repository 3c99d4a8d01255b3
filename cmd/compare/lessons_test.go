package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"wsvsio/lessons"
	"wsvsio/scenarios"
)

// TestLessons builds the pages with what there is without Node.
func TestLessons(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	dir := filepath.Join(t.TempDir(), "new", "folder")
	status, stdout, stderr := compare(t, "lessons", "-out", dir)
	if status != exitOK || !strings.Contains(stdout, "begin with "+filepath.Join(dir, "index.html")) || !strings.Contains(stderr, "left out: sio-node: ") {
		t.Fatalf("exit status %d, %s%s", status, stdout, stderr)
	}
	for _, l := range lessons.All() {
		page, err := os.ReadFile(filepath.Join(dir, l.ID+".html"))
		if err != nil {
			t.Error(err)
		}
		if !strings.Contains(string(page), `class="pair"`) || !strings.Contains(string(page), "Where the numbers stand") {
			t.Errorf("the lesson %s is not all there", l.ID)
		}
	}
	page, err := os.ReadFile(filepath.Join(dir, lessons.Wire))
	if err != nil || !strings.Contains(string(page), `id="wire-sio"`) || !strings.Contains(string(page), "left out: sio-node") {
		t.Errorf("the connection: %v", err)
	}
}

// TestLessonsNowhere cannot write.
func TestLessonsNowhere(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	if status, _, stderr := compare(t, "lessons", "-out", file); status != exitError || !strings.Contains(stderr, "write the lessons: ") {
		t.Errorf("exit status %d, %s", status, stderr)
	}
}

// TestLessonCommands has every command of the lessons name stacks, scenarios,
// cases and flags that there are.
func TestLessonCommands(t *testing.T) {
	for _, l := range lessons.All() {
		text, err := os.ReadFile(filepath.Join("../..", l.File()))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^\$ compare (.*)$`).FindAllStringSubmatch(string(text), -1) {
			args := strings.Fields(m[1])
			if status, _, stderr := compare(t, append(args, "-h")...); status != exitOK {
				t.Errorf("%s: compare %s: %s", l.ID, m[1], stderr)
			}
			value := func(name string) string {
				for i, a := range args[:len(args)-1] {
					if a == "-"+name {
						return args[i+1]
					}
				}
				return ""
			}
			if list := value("stack"); list != "" {
				if _, err := chooseStacks(list, scenarios.Full); err != nil {
					t.Errorf("%s: compare %s: %v", l.ID, m[1], err)
				}
			}
			if _, err := chooseParts(value("scenario"), value("case"), scenarios.Quick, override{}); err != nil {
				t.Errorf("%s: compare %s: %v", l.ID, m[1], err)
			}
		}
	}
}
