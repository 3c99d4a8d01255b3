package regress

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/internal/report"
)

// Annotations writes what a reader of a change must see as workflow commands
// of GitHub Actions, a line each: what is worse, was not measured or ended early
// is an error, what makes the answer inconclusive a warning, what is better a
// notice. See "Workflow commands for GitHub Actions" in its documentation.
func (r *Report) Annotations(w io.Writer) error {
	for _, f := range r.Findings {
		level, title := f.Outcome.annotation()
		if level == "" {
			continue
		}
		c := f.cells()
		text := fmt.Sprintf("%s on %s: %s is %s: %s instead of %s, %s", c[0], c[1], c[2], f.Outcome, c[4], c[3], c[5])
		if c[6] != "-" {
			text += " (95 % interval " + c[6] + ")"
		}
		if err := annotate(w, level, title, text); err != nil {
			return err
		}
	}
	for _, group := range []struct {
		level, title string
		texts        []string
	}{
		{"warning", "Inconclusive", r.doubts()},
		{"error", "Not measured", r.Failures},
		{"error", "Partial", r.ended()},
	} {
		for _, text := range group.texts {
			if err := annotate(w, group.level, group.title, text); err != nil {
				return err
			}
		}
	}
	return nil
}

// annotation is the level at which an outcome is annotated and under which title;
// "" if it is not.
func (o Outcome) annotation() (level, title string) {
	switch o {
	case Worse:
		return "error", "Regression"
	case Better:
		return "notice", "Gain"
	case NowInexact:
		return "warning", "No longer exact"
	}
	return "", ""
}

// ended says that the check ended early, if it did.
func (r *Report) ended() []string {
	if r.Partial == "" {
		return nil
	}
	return []string{"not everything was measured: " + r.Partial}
}

// NotChecked is what is told instead of a report where nothing was compared.
type NotChecked struct{ Why error }

// Markdown writes it as GitHub-flavoured Markdown.
func (n NotChecked) Markdown(w io.Writer) error {
	return report.Sheet{Title: "not checked", Notes: []string{inLine(n.Why.Error())}}.Markdown(w)
}

// Annotations writes it as a workflow command of GitHub Actions.
func (n NotChecked) Annotations(w io.Writer) error {
	return annotate(w, "error", "Not checked", n.Why.Error())
}

// What a workflow command cannot have in its text, and in its properties.
var (
	inText     = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	inProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func annotate(w io.Writer, level, title, text string) error {
	_, err := fmt.Fprintf(w, "::%s title=%s::%s\n", level, inProperty.Replace(title), inText.Replace(text))
	return err
}

// point is an entry of the file that github-action-benchmark reads with the
// tool customSmallerIsBetter.
type point struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
	Range string  `json:"range,omitempty"`
	Extra string  `json:"extra,omitempty"`
}

// points are the head's figures of which less is better.
func (r *Report) points() []point {
	var points []point
	for _, f := range r.Findings {
		if record.UnitOf(f.Unit).Better == record.Higher {
			continue
		}
		p := point{Name: f.Series + "/stack=" + f.Stack + " " + f.Unit, Unit: f.Unit, Value: f.Head}
		if b := f.Decides(); b != nil {
			p.Extra = fmt.Sprintf("head / base %s, %d pairs", times(b.Ratio), len(b.Head))
			if b.Finds > 0 {
				p.Extra += fmt.Sprintf(", 95 %% interval %s to %s", times(b.Low), times(b.High))
			}
			p.Range = f.spread(b.Head)
		}
		points = append(points, p)
	}
	return points
}

// ErrNothing says that a file would hold no figure, which is nothing to write:
// github-action-benchmark takes an empty list for an error.
var ErrNothing = errors.New("there is no figure for it")

// Points writes the head's figures as github-action-benchmark reads them (tool
// customSmallerIsBetter). Figures of which more is better are left out; where no
// other is left nothing is written, and the error is ErrNothing.
func (r *Report) Points(w io.Writer) error {
	points := r.points()
	if len(points) == 0 {
		return ErrNothing
	}
	data, err := json.MarshalIndent(points, "", " ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}
