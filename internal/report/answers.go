package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"wsvsio/internal/record"
	"wsvsio/internal/wrap"
	"wsvsio/scenarios"
)

// answers is what runs say: what to choose, and of each claim whether it holds.
// All text in it is clean.
type answers struct {
	advice   []scenarios.Advice
	evens    []scenarios.BreakEven
	verdicts []scenarios.Verdict
	partial  []string // why a run is not whole, of those that are not
}

func newAnswers(runs []*record.Run) answers {
	a := answers{advice: Advise(runs...), evens: BreakEvens(runs...), verdicts: Verdicts(runs...)}
	for _, run := range runs {
		if why := partial(run); why != "" {
			a.partial = append(a.partial, why)
		}
	}
	return a
}

// silent reports whether the runs answer nothing.
func (a answers) silent() bool {
	return !slices.ContainsFunc(a.verdicts, func(v scenarios.Verdict) bool { return v.Answer != scenarios.NotMeasured }) &&
		!slices.ContainsFunc(a.advice, func(v scenarios.Advice) bool { return v.Choice != "" }) &&
		!slices.ContainsFunc(a.evens, func(v scenarios.BreakEven) bool { return v.SocketIO != "" })
}

// said splits the advice into what the runs say and, by situation, what is
// missing for the rest.
func (a answers) said() (given []scenarios.Advice, missing []entry) {
	for _, v := range a.advice {
		if v.Choice == "" {
			missing = append(missing, entry{v.Situation, v.Reason})
		} else {
			given = append(given, v)
		}
	}
	return given, missing
}

// The titles of the answers.
const (
	choiceTitle = "What to choose"
	evenTitle   = "Where the difference begins to matter"
	claimTitle  = "What the claims come to"
)

// nothingSaid stands where a run answers nothing.
const nothingSaid = "No claim is decided by what was measured here, and no choice; compare claims tells what each rule reads."

// evenRows returns the break-even figures with both runtimes side by side, and
// how they were worked out, with what is in doubt about them.
func (a answers) evenRows() (rows [][]string, notes []string) {
	var whats, doubts []string
	for _, e := range a.evens {
		if !slices.Contains(whats, e.What) {
			whats = append(whats, e.What)
		}
	}
	for _, what := range whats {
		line, any := []string{what}, false
		for _, runtime := range []string{"Go", "Node"} {
			plain, sio := "-", "-"
			for _, e := range a.evens {
				if e.What != what || e.Runtime != runtime {
					continue
				}
				if e.Plain != "" {
					plain = e.Plain
				}
				if e.SocketIO != "" {
					sio, any = e.SocketIO, true
				}
				notes = append(notes, runtime+", "+what+": "+e.Reason)
				for _, text := range e.Doubts {
					if text = "doubt: " + text; !slices.Contains(doubts, text) {
						doubts = append(doubts, text)
					}
				}
			}
			line = append(line, plain, sio)
		}
		if any {
			rows = append(rows, line)
		}
	}
	return rows, append(notes, doubts...)
}

// evenHead are the columns of the break-even figures.
var evenHead = []string{"of a server", "Go: plain WebSocket", "Go: Socket.IO", "Node: plain WebSocket", "Node: Socket.IO"}

// Answers writes for a terminal what the runs say: what to choose, where the
// difference begins to matter, and how each claim ends.
func Answers(w io.Writer, runs ...*record.Run) error {
	a := newAnswers(runs)
	var b bytes.Buffer
	for _, why := range a.partial {
		hang(&b, "PARTIAL RUN: ", why+". What follows rests on what there is.")
		b.WriteByte('\n')
	}
	if a.silent() {
		hang(&b, "", nothingSaid)
		b.WriteByte('\n')
		_, err := w.Write(b.Bytes())
		return err
	}
	fmt.Fprintf(&b, "%s\n", choiceTitle)
	given, missing := a.said()
	for _, v := range given {
		hang(&b, "  "+v.Situation+": ", v.Choice)
		hang(&b, "      ", v.Reason)
		for _, text := range v.Doubts {
			hang(&b, "      doubt: ", text)
		}
	}
	for _, m := range missing {
		hang(&b, "  "+m.name+": ", "this run does not say: "+m.text)
	}
	b.WriteByte('\n')
	if err := a.terminalEvens(&b); err != nil {
		return err
	}
	fmt.Fprintf(&b, "%s\n", claimTitle)
	for _, v := range a.verdicts {
		hang(&b, "  "+v.Claim.ID+": ", strings.ToUpper(string(v.Answer))+": "+v.Claim.Text)
		hang(&b, "      ", v.Reason)
		if v.Whose != "" {
			hang(&b, "      whose: ", v.Whose)
		}
		for _, text := range v.Doubts {
			hang(&b, "      doubt: ", text)
		}
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// terminalEvens writes the break-even figures, if there are any.
func (a answers) terminalEvens(b *bytes.Buffer) error {
	rows, notes := a.evenRows()
	if len(rows) == 0 {
		return nil
	}
	return Sheet{Title: evenTitle, Head: evenHead, Rows: rows, Texts: 1, Notes: notes}.Terminal(b)
}

// brief returns the first clause of a reason, which has the figure that decided.
func brief(reason string) string {
	first, _, _ := strings.Cut(reason, "; ")
	return first
}

// Summary writes what belongs under a run that has just been measured: of each
// claim how it ends and why, and no more.
func Summary(w io.Writer, runs ...*record.Run) error {
	a := newAnswers(runs)
	var b bytes.Buffer
	b.WriteByte('\n')
	if a.silent() {
		hang(&b, "", nothingSaid)
		_, err := w.Write(b.Bytes())
		return err
	}
	fmt.Fprintf(&b, "%s\n", claimTitle)
	name, answer := 0, len(scenarios.HoldsInPart)
	for _, v := range a.verdicts {
		name, answer = max(name, len(v.Claim.ID)), max(answer, len(v.Answer))
	}
	for _, v := range a.verdicts {
		label := fmt.Sprintf("  %-*s  %-*s  ", name, v.Claim.ID, answer, v.Answer)
		text := brief(v.Reason)
		if v.Answer == scenarios.NotMeasured {
			text = v.Reason // with what to run
		}
		if n := len(v.Doubts); n > 0 {
			text += " (" + plural(n, "doubt") + ")"
		}
		for i, line := range wrap.Words(text, width-len(label)) {
			if i > 0 {
				label = strings.Repeat(" ", len(label))
			}
			b.WriteString(label + line + "\n")
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// AnswersMarkdown writes the same as Answers, as GitHub-flavoured Markdown.
func AnswersMarkdown(w io.Writer, runs ...*record.Run) error {
	a := newAnswers(runs)
	var b bytes.Buffer
	for _, why := range a.partial {
		fmt.Fprintf(&b, "**PARTIAL RUN: %s.** What follows rests on what there is.\n\n", escape(why))
	}
	if a.silent() {
		fmt.Fprintf(&b, "%s\n\n", escape(nothingSaid))
	} else if err := a.markdown(&b, true); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// Decision writes the answers that a newcomer reads in a minute, as Markdown:
// the tables, without whose a difference is and what is in doubt.
func Decision(w io.Writer, runs ...*record.Run) error {
	var b bytes.Buffer
	if err := newAnswers(runs).markdown(&b, false); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// markdown writes the tables of the answers. In full they have whose a
// difference is, how figures were worked out, and the doubts.
func (a answers) markdown(b *bytes.Buffer, full bool) error {
	choice := Sheet{Title: choiceTitle, Head: []string{"situation", "choose", "because"}, Texts: 3}
	given, missing := a.said()
	for _, v := range given {
		because := v.Reason
		if !full {
			because = brief(because)
		}
		choice.Rows = append(choice.Rows, []string{v.Situation, v.Choice, because})
		if full && len(v.Doubts) > 0 {
			choice.Notes = append(choice.Notes, "doubts of "+v.Situation+": "+strings.Join(v.Doubts, "; "))
		}
	}
	for _, m := range missing {
		choice.Notes = append(choice.Notes, m.name+": not said: "+m.text)
	}
	even := Sheet{Title: evenTitle, Head: evenHead, Texts: 1}
	even.Rows, even.Notes = a.evenRows()
	claims := Sheet{Title: claimTitle, Head: []string{"claim", "answer", "because"}, Texts: 3}
	if full {
		claims.Head, claims.Texts = append(claims.Head, "whose"), 4
	} else {
		even.Notes = nil
	}
	for _, v := range a.verdicts {
		line := []string{v.Claim.ID + ": " + v.Claim.Text, string(v.Answer), v.Reason}
		switch {
		case full:
			line = append(line, v.Whose)
		case v.Answer != scenarios.NotMeasured:
			line[2] = brief(v.Reason)
		}
		claims.Rows = append(claims.Rows, line)
		if full && len(v.Doubts) > 0 {
			claims.Notes = append(claims.Notes, "doubts of "+v.Claim.ID+": "+strings.Join(v.Doubts, "; "))
		}
	}
	for _, s := range []Sheet{choice, even, claims} {
		if len(s.Rows)+len(s.Notes) == 0 {
			continue
		}
		if err := s.Markdown(b); err != nil {
			return fmt.Errorf("lay out %s: %w", s.Title, err)
		}
	}
	return nil
}

// Claims writes the full account of each claim for a terminal: its rule, how it
// ends, and every cell that it rests on. The names are those of the runs.
func Claims(w io.Writer, names []string, runs ...*record.Run) error {
	var b bytes.Buffer
	for i, name := range names {
		hang(&b, fmt.Sprintf("[%d] ", i+1), clean(name))
	}
	if len(names) > 1 {
		hang(&b, "", "Of what several of them have measured the first counts, and of idle clients the case with most of them.")
	}
	if len(names) > 0 {
		b.WriteByte('\n')
	}
	if err := Answers(&b, runs...); err != nil {
		return err
	}
	fmt.Fprintf(&b, "The rules, and what they were decided on\n")
	for _, v := range Verdicts(runs...) {
		hang(&b, "  "+v.Claim.ID+": ", v.Claim.Rule)
		evidence(&b, v.Evidence, len(names) > 1)
	}
	for _, v := range Advise(runs...) {
		hang(&b, "  "+v.Situation+": ", v.Rule)
		if v.Choice != "" {
			evidence(&b, v.Evidence, len(names) > 1)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// evidence writes the cells that an answer rests on.
func evidence(b *bytes.Buffer, list []scenarios.Evidence, several bool) {
	for _, e := range list {
		label := "      "
		if several {
			label += fmt.Sprintf("[%d] ", e.Run+1)
		}
		hang(b, label, fmt.Sprintf("%s: %s, %s, %s, %s", e.Text, e.Scenario, e.Case, e.Stack, e.Unit))
	}
}
