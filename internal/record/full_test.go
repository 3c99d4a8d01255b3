//go:build linux || darwin

package record

import (
	"bytes"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fullEnv names the folder of a run to the process in which files cannot grow.
const fullEnv = "WSVSIO_TEST_FULL"

// TestFull records on a disk that is full from some moment on. A limit on the
// size of files has the same effect: a write stores a part and fails. It holds
// for a whole process, so this one starts another.
func TestFull(t *testing.T) {
	if os.Getenv(fullEnv) != "" {
		t.Skip("this is the other process")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestFullDisk$", "-test.v")
	cmd.Env = append(os.Environ(), fullEnv+"="+t.TempDir(), "GOCOVERDIR="+t.TempDir())
	out, err := cmd.CombinedOutput()
	if err != nil || !bytes.Contains(out, []byte("--- PASS: TestFullDisk")) {
		t.Errorf("%v\n%s", err, out)
	}
}

// limit has no file of this process grow beyond size.
func limit(t *testing.T, size uint64) {
	t.Helper()
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
	l.Cur = min(size, l.Max)
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &l); err != nil {
		t.Fatal(err)
	}
}

func TestFullDisk(t *testing.T) {
	dir := os.Getenv(fullEnv)
	if dir == "" {
		t.Skip("run by TestFull")
	}
	size := func(name string) int64 {
		info, err := os.Stat(filepath.Join(dir, name))
		if errors.Is(err, os.ErrNotExist) {
			return 0
		}
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	w, err := Create(dir, newRun())
	if err != nil {
		t.Fatal(err)
	}
	// The files differ in size, so a first limit stops run.json alone, the
	// last all three.
	cells := append(histogramCells(t), histogramCells(t)...)
	stopped := make(map[string]bool)
	for i, c := range cells {
		before := make(map[string][]byte)
		files := []string{jsonName, textName, hlogName}
		for _, name := range files {
			if i > 0 {
				before[name] = content(t, dir, name)
			}
		}
		at := size(files[i%len(files)]) + 20
		limit(t, uint64(at))
		err := w.Add(c)
		limit(t, math.MaxInt64)
		if i%len(files) == 0 && err == nil {
			t.Fatalf("cell %d: added in spite of the limit of %d bytes", i, at)
		}
		if err != nil && (!errors.Is(err, syscall.EFBIG) || !strings.Contains(err.Error(), "what was measured before is in "+dir)) {
			t.Errorf("cell %d: %v", i, err)
		}
		for _, name := range files {
			if int64(len(before[name])) == size(name) && err != nil {
				stopped[name] = true
				if i > 0 && !bytes.Equal(before[name], content(t, dir, name)) {
					t.Errorf("cell %d: %s was not extended and yet has changed", i, name)
				}
			}
			if size(name) == 0 {
				continue
			}
			if data := content(t, dir, name); data[len(data)-1] != '\n' {
				t.Errorf("cell %d: %s ends within a line: %q", i, name, data[max(0, len(data)-50):])
			}
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*.tmp")); len(left) > 0 {
			t.Errorf("cell %d: left behind %v", i, left)
		}
		// A file may lack a cell that another has; none is damaged.
		run, problems, err := Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range problems {
			if !strings.Contains(p.Text, "of the cells in run.json are not in it") {
				t.Errorf("cell %d: %v", i, p)
			}
		}
		if len(run.Cells) > i+1 {
			t.Errorf("cell %d: %d cells", i, len(run.Cells))
		}
	}
	for _, name := range []string{jsonName, textName, hlogName} {
		if !stopped[name] {
			t.Errorf("the limit never stopped %s", name)
		}
	}
	// Once there is room again, nothing is missing.
	if err := w.Close(true, "the disk was full"); err != nil {
		t.Fatal(err)
	}
	if run := read(t, dir); len(run.Cells) != len(cells) || run.Why != "the disk was full" {
		t.Errorf("%d cells of %d, %s", len(run.Cells), len(cells), run.Why)
	}
	list, _, err := ReadHistograms(dir, false)
	if err != nil || len(list) != 20 {
		t.Errorf("%d histograms, %v", len(list), err)
	}
}
