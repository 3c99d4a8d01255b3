package regress

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"wsvsio/internal/record"
)

// Annotations writes what a reader of a change must see as workflow commands
// of GitHub Actions, a line each: what is worse is an error, an inconclusive
// answer a warning, what is better a notice. See "Workflow commands for GitHub
// Actions" in its documentation.
func (r *Report) Annotations(w io.Writer) error {
	for _, f := range r.Findings {
		level := "notice"
		switch f.Outcome {
		case Worse:
			level = "error"
		case Better:
		default:
			continue
		}
		c := f.cells()
		text := fmt.Sprintf("%s on %s: %s is %s: %s instead of %s, %s", c[0], c[1], c[2], f.Outcome, c[4], c[3], c[5])
		if c[6] != "-" {
			text += " (95 % interval " + c[6] + ")"
		}
		if err := annotate(w, level, f.Outcome.title(), text); err != nil {
			return err
		}
	}
	if text := r.noise(); text != "" {
		if err := annotate(w, "warning", "Inconclusive", text); err != nil {
			return err
		}
	}
	for _, text := range r.Failures {
		if err := annotate(w, "error", "Not measured", text); err != nil {
			return err
		}
	}
	return nil
}

func (o Outcome) title() string {
	if o == Worse {
		return "Regression"
	}
	return "Gain"
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

// Points writes the head's figures as github-action-benchmark reads them (tool
// customSmallerIsBetter). Figures of which more is better are left out.
func (r *Report) Points(w io.Writer) error {
	points := []point{}
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
			p.Range = spread(f.Unit, b.Head)
		}
		points = append(points, p)
	}
	data, err := json.MarshalIndent(points, "", " ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(data, '\n'))
	return err
}
