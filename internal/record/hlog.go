package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"wsvsio/scenarios"
)

// logger turns the histograms of cells into the lines of an HdrHistogram log.
// Times in it are seconds from the start of the run, the largest value of a
// line is in milliseconds, as the tools for such logs have it, and the
// histograms themselves are in nanoseconds.
type logger struct {
	out   *hdr.HistogramLogWriter
	base  int64 // start of the run, milliseconds since 1970, of a whole second
	begun bool
}

func newLogger(w io.Writer, started time.Time) *logger {
	l := &logger{out: hdr.NewHistogramLogWriter(w), base: max(0, started.Unix()) * 1000}
	l.out.SetBaseTime(l.base)
	return l
}

// begin writes what a log begins with, once, and comments.
func (l *logger) begin(comments ...string) error {
	if l.begun {
		return nil
	}
	l.begun = true
	err := l.out.OutputLogFormatVersion()
	for _, text := range append([]string{"[values are nanoseconds; Interval_Max is in milliseconds]"}, comments...) {
		err = errors.Join(err, l.out.OutputComment(text))
	}
	return errors.Join(err, l.out.OutputStartTime(l.base), l.out.OutputBaseTime(l.base), l.out.OutputLegend())
}

// WriteHistograms writes a log of the histograms that ReadHistograms returns with
// merge, of a run that started then.
func WriteHistograms(w io.Writer, started time.Time, list []*hdr.Histogram) error {
	l := newLogger(w, started)
	err := l.begin("[all rounds of a series are in one histogram]")
	for _, h := range list {
		err = errors.Join(err, l.out.OutputIntervalHistogram(h))
	}
	if err != nil {
		return fmt.Errorf("write the histograms: %w", err)
	}
	return nil
}

// add writes the histograms of a cell that ended at the time end.
func (l *logger) add(c Cell, list []*hdr.Histogram, end time.Time) error {
	if len(list) > 0 {
		if err := l.begin(); err != nil {
			return err
		}
	}
	for _, h := range list {
		last := max(end.UnixMilli(), l.base)
		h.SetEndTimeMs(last)
		h.SetStartTimeMs(max(last-int64(c.Seconds*1000), l.base))
		if err := l.out.OutputIntervalHistogram(h); err != nil {
			return err
		}
	}
	return nil
}

// histograms decodes the histograms of a cell and tags them with its name.
func histograms(c Cell) ([]*hdr.Histogram, error) {
	var list []*hdr.Histogram
	for _, h := range c.Histograms {
		d, err := hdr.Decode([]byte(h.Data))
		if err != nil {
			return nil, fmt.Errorf("the histogram %q cannot be decoded: %w", h.Name, err)
		}
		d.SetTag(tag(c, h))
		list = append(list, d)
	}
	return list, nil
}

// tag returns the name of a histogram in the log:
// "Broadcast/case=steady/clients=100/stack=rawws/round=1/latency/others".
func tag(c Cell, h scenarios.Histogram) string {
	name := fmt.Sprintf("%s/round=%d/%s", benchName(c), c.Round, h.Name)
	return strings.Map(func(r rune) rune {
		if r == ',' { // it ends a tag
			return '_'
		}
		return oneWord(r)
	}, name)
}

// ReadHistograms returns the histograms of the run in the folder dir, in the
// order in which they were measured, and what cannot be read of them. Their
// values are nanoseconds, their tags are as in
// "Broadcast/case=steady/clients=100/stack=rawws/round=1/latency/others". There
// are none if nothing recorded one.
//
// With merge those that differ only in their round are added up, and their tags
// lose it. A long run has thousands of histograms of some 200 kB otherwise.
func ReadHistograms(dir string, merge bool) ([]*hdr.Histogram, []Problem, error) {
	var list []*hdr.Histogram
	var failed error
	at := make(map[string]int) // where a series is in the list
	problems, err := eachHistogram(dir, func(h *hdr.Histogram) {
		if !merge {
			list = append(list, h)
			return
		}
		h.SetTag(inRound.ReplaceAllString(h.Tag(), "/"))
		i, ok := at[h.Tag()]
		if !ok {
			at[h.Tag()] = len(list)
			list = append(list, h)
			return
		}
		sum, err := sum(list[i], h)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("merge the rounds of %s: %w", h.Tag(), err))
			return
		}
		list[i] = sum
	})
	if err := errors.Join(err, failed); err != nil {
		return nil, nil, err
	}
	return list, problems, nil
}

// inRound is what the tags of a series differ in from round to round.
var inRound = regexp.MustCompile(`/round=-?[0-9]+/`)

// eachHistogram calls f for the histograms of the run in the folder dir.
func eachHistogram(dir string, f func(*hdr.Histogram)) ([]Problem, error) {
	name := filepath.Join(dir, hlogName)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the histograms: %w", err)
	}
	return parseLog(name, data, f), nil
}

// parseLog calls f for the histograms in a log. The reader of package
// hdrhistogram passes over a line that it does not understand and does not say
// which line was wrong, so it is given one at a time.
func parseLog(name string, data []byte, f func(*hdr.Histogram)) []Problem {
	var problems []Problem
	var feed bytes.Buffer
	r := hdr.NewHistogramLogReader(&feed)
	n := 0
	for line := range bytes.Lines(data) {
		n++
		ended := bytes.HasSuffix(line, []byte("\n"))
		line = bytes.TrimRight(line, "\r\n")
		feed.Reset()
		feed.Write(line)
		feed.WriteByte('\n')
		h, err := r.NextIntervalHistogram()
		silent := len(line) == 0 || line[0] == '#' || line[0] == '"'
		wrong := ""
		switch {
		case err != nil:
			wrong = "this histogram cannot be read: " + err.Error()
		case h == nil && !silent:
			wrong = "not a line of an HdrHistogram log"
		case h != nil && h.Tag() == "":
			wrong = "this histogram has no tag that says of what it is"
		case h != nil:
			f(h)
		}
		if wrong != "" && !ended {
			wrong = "cut off: " + wrong
		}
		if wrong != "" {
			problems = append(problems, Problem{name, n, wrong})
		}
	}
	return problems
}

// sum returns the sum of two histograms, in one that can hold the values of
// both. Either may be changed.
func sum(a, b *hdr.Histogram) (*hdr.Histogram, error) {
	into := a
	if a.LowestTrackableValue() != b.LowestTrackableValue() ||
		a.HighestTrackableValue() != b.HighestTrackableValue() ||
		a.SignificantFigures() != b.SignificantFigures() {
		lowest := min(a.LowestTrackableValue(), b.LowestTrackableValue())
		digits := max(a.SignificantFigures(), b.SignificantFigures())
		if digits == 0 {
			// New makes at least one of it, and may not with such a lowest value.
			lowest = 1
		}
		into = hdr.New(lowest, max(a.HighestTrackableValue(), b.HighestTrackableValue(),
			a.Max(), b.Max()), int(digits))
		into.SetTag(a.Tag())
		if dropped := into.Merge(a); dropped != 0 {
			return nil, fmt.Errorf("%d values are beyond what the sum holds", dropped)
		}
	}
	if dropped := into.Merge(b); dropped != 0 {
		return nil, fmt.Errorf("%d values are beyond what the sum holds", dropped)
	}
	into.SetStartTimeMs(min(a.StartTimeMs(), b.StartTimeMs()))
	into.SetEndTimeMs(max(a.EndTimeMs(), b.EndTimeMs()))
	return into, nil
}
