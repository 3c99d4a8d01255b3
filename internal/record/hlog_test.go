package record

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"wsvsio/scenarios"
)

// encoded returns a histogram of the values, in nanoseconds.
func encoded(t testing.TB, values ...int64) string {
	t.Helper()
	h := hdr.New(1, int64(time.Minute), 3)
	for _, v := range values {
		if err := h.RecordValue(v); err != nil {
			t.Fatal(err)
		}
	}
	data, err := h.Encode(hdr.V2CompressedEncodingCookieBase)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func withHistogram(c Cell, name, data string) Cell {
	c.Histograms = append(slices.Clone(c.Histograms), scenarios.Histogram{Name: name, Data: data})
	return c
}

// histogramCells returns cells of three rounds, one of them without a
// histogram.
func histogramCells(t testing.TB) []Cell {
	var cells []Cell
	for round := 1; round <= 3; round++ {
		for _, stack := range []string{"raw", "sio"} {
			c := newCell(stack, round, Value{"lost", 0})
			if stack == "raw" || round != 2 {
				n := int64(round) * 1000
				c = withHistogram(c, "latency/all", encoded(t, n, 2*n, 3*n))
				c = withHistogram(c, "write, latency", encoded(t))
			}
			cells = append(cells, c)
		}
	}
	return cells
}

const series = "Broadcast/case=steady/clients=100/size=128/rate=200/stack="

// What is written reads back with the same counts, under tags that say of what
// they are.
func TestHistograms(t *testing.T) {
	cells := histogramCells(t)
	dir := write(t, newRun(), cells...)
	got, problems, err := ReadHistograms(dir, false)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	var tags []string
	at := 0
	for _, c := range cells {
		for _, h := range c.Histograms {
			want, err := hdr.Decode([]byte(h.Data))
			if err != nil {
				t.Fatal(err)
			}
			if at == len(got) {
				t.Fatalf("%d histograms", len(got))
			}
			if !got[at].Equals(want) || got[at].TotalCount() != want.TotalCount() {
				t.Errorf("%s: %v, want %v", got[at].Tag(), got[at].Distribution(), want.Distribution())
			}
			tags = append(tags, got[at].Tag())
			at++
		}
	}
	if at != len(got) || at != 10 {
		t.Errorf("%d histograms, %d read", at, len(got))
	}
	want := []string{series + "raw/round=1/latency/all", series + "raw/round=1/write__latency"}
	if !slices.Equal(tags[:2], want) {
		t.Errorf("tags %q, want %q", tags[:2], want)
	}
	read(t, dir)

	merged, problems, err := ReadHistograms(dir, true)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	var names []string
	for _, h := range merged {
		names = append(names, strings.TrimPrefix(h.Tag(), series))
	}
	if want := []string{"raw/latency/all", "raw/write__latency", "sio/latency/all", "sio/write__latency"}; !slices.Equal(names, want) {
		t.Fatalf("merged %q, want %q", names, want)
	}
	for i, want := range []int64{9, 0, 6, 0} {
		if n := merged[i].TotalCount(); n != want {
			t.Errorf("%s holds %d values, want %d", names[i], n, want)
		}
	}
	if max := merged[0].Max(); max < 9000 || max > 9010 {
		t.Errorf("the largest is %d", max)
	}
}

// parsed returns what can be read of a log.
func parsed(data []byte) (list []*hdr.Histogram, problems []Problem) {
	problems = parseLog(hlogName, data, func(h *hdr.Histogram) { list = append(list, h) })
	return list, problems
}

// The log is as the tools for it want it, and its own reader reads all of it.
func TestLogFormat(t *testing.T) {
	dir := t.TempDir()
	run := newRun()
	w, err := Create(dir, run)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, hlogName)); err == nil {
		t.Error("there is a log before the first histogram")
	}
	w.now = func() time.Time { return run.Started.Add(10 * time.Second) }
	// The cell took 2.5 s.
	if err := w.Add(withHistogram(newCell("raw", 1), "latency", encoded(t, 2e6, 5e6))); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(false, ""); err != nil {
		t.Fatal(err)
	}
	got := content(t, dir, hlogName)
	want := `#[Histogram log format version 1.3]
#[values are nanoseconds; Interval_Max is in milliseconds]
#[StartTime: 1772368200 (seconds since epoch), 2026-03-01T12:30:00Z]
#[BaseTime: 1772368200 (seconds since epoch)]
"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"
Tag=` + series + `raw/round=1/latency,7.500000,2.500000,5.001215,HIST`
	if !bytes.HasPrefix(got, []byte(want)) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	h, err := hdr.NewHistogramLogReader(bytes.NewReader(got)).NextIntervalHistogram()
	if err != nil || h == nil {
		t.Fatalf("its own reader: %v, %v", h, err)
	}
	if start := time.UnixMilli(h.StartTimeMs()); h.TotalCount() != 2 || !start.Equal(run.Started.Add(7500*time.Millisecond)) {
		t.Errorf("%d values from %v on", h.TotalCount(), start)
	}
}

// Of a log in which any one line is damaged or cut off the others are read.
func TestDamagedLog(t *testing.T) {
	whole := content(t, write(t, newRun(), histogramCells(t)...), hlogName)
	lines := bytes.Count(whole, []byte("\n"))
	for n := 6; n <= lines; n++ {
		line := strings.Split(string(whole), "\n")[n-1]
		for _, by := range []string{"\x00", "garbage", line[:len(line)/2], line[:len(line)-1], strings.Replace(line, "HIST", "HIsT", 1),
			"Tag=x,1,2,3,", line[4:]} {
			list, problems := parsed(garble(whole, n, by))
			if len(list) != lines-6 || len(problems) != 1 || problems[0].Line != n {
				t.Errorf("line %d as %q: %d histograms, %v", n, by, len(list), problems)
			}
		}
	}
	list, problems := parsed(whole[:len(whole)-9])
	if len(list) != lines-6 || len(problems) != 1 || problems[0].Line != lines || !strings.Contains(problems[0].Text, "cut off") {
		t.Errorf("cut off: %d histograms, %v", len(list), problems)
	}
}

// logOf returns a run with a log of histograms.
func logOf(t *testing.T, list ...*hdr.Histogram) string {
	t.Helper()
	var b bytes.Buffer
	if err := newLogger(&b, time.Time{}).add(Cell{}, list, time.Time{}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	lay(t, dir, hlogName, b.Bytes())
	return dir
}

func TestMerge(t *testing.T) {
	one := func(round int, highest int64, digits int, value, n int64) *hdr.Histogram {
		h := hdr.New(1, highest, digits)
		if err := h.RecordValues(value, n); err != nil {
			t.Fatal(err)
		}
		h.SetTag(fmt.Sprintf("a/round=%d/latency", round))
		return h
	}
	// More than can be counted.
	dir := logOf(t, one(1, 1000, 3, 5, math.MaxInt64), one(2, 1000, 3, 5, 1))
	if _, _, err := ReadHistograms(dir, true); err == nil || !strings.Contains(err.Error(), "merge the rounds of a/latency: 1 values") {
		t.Errorf("got %v", err)
	}
	// The widest has room for all, whatever comes first.
	dir = logOf(t, one(1, 10, 3, 3, 1), one(2, 1e9, 2, 1e9, 1), one(3, 1e6, 1, 1e6, 1))
	got, problems, err := ReadHistograms(dir, true)
	if err != nil || len(problems) > 0 || len(got) != 1 || got[0].TotalCount() != 3 || got[0].Max() < 99e7 ||
		got[0].Min() != 3 || got[0].Tag() != "a/latency" {
		t.Errorf("got %v, %v, %v", got, problems, err)
	}
}

// Whatever a log holds, what can be read of it merges without a loss.
func FuzzLog(f *testing.F) {
	var whole bytes.Buffer
	l := newLogger(&whole, time.Unix(1772368200, 0))
	for _, c := range histogramCells(f) {
		list, err := histograms(c)
		if err != nil {
			f.Fatal(err)
		}
		if err := l.add(c, list, time.Unix(1772368300, 0)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(whole.Bytes())
	f.Add(whole.Bytes()[:whole.Len()-7])
	f.Add([]byte("Tag=a\n,,,\n1,2,3,HIST\n#[StartTime: 1.2.3\n#[BaseTime: x\n\"\nTag=,1,1,1,\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, problems := parsed(data)
		for _, p := range problems {
			if p.Line < 1 || p.Line > 1+bytes.Count(data, []byte("\n")) {
				t.Errorf("no such line: %v", p)
			}
		}
		var counts int64
		for _, h := range list {
			if counts += h.TotalCount(); counts < 0 || counts > math.MaxInt32 {
				return // the sum would not fit
			}
		}
		dir := t.TempDir()
		lay(t, dir, hlogName, data)
		merged, _, err := ReadHistograms(dir, true)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range merged {
			counts -= h.TotalCount()
		}
		if counts != 0 {
			t.Errorf("%d values were lost", counts)
		}
	})
}
