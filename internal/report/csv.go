package report

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"strconv"

	"wsvsio/internal/record"
	"wsvsio/scenarios"
)

// csvHead are the columns of CSV.
var csvHead = []string{
	"scenario", "case", "clients", "rooms", "size", "rate", "stack",
	"round", "order", "unit", "value", "n", "doubts", "error", "unsupported",
}

// CSV writes the run as comma-separated values, a line for each value of each
// cell, in the order in which they were measured. The columns are
//
//	scenario     as in the tables: "broadcast"
//	case         "steady"
//	clients      connected clients
//	rooms        over which they are spread; empty if that is not what it is about
//	size         bytes of a message's body; empty where none is sent
//	rate         messages a second; empty where none are due
//	stack        "rawws"
//	round        from 1
//	order        place of the stack in its round, from 1
//	unit         of the value, as in run.txt: "p50-sec/msg"
//	value        in base units: seconds, bytes, a count; with all its digits
//	n            of what the cell counted, such as deliveries, how many
//	doubts       how many reasons there are to trust the cell less
//	error        why the cell failed; in one line
//	unsupported  why the stack cannot do the case
//
// A unit that a cell has several samples of has a line for each. A cell without
// a value has one line, whose unit and value are empty.
func CSV(w io.Writer, run *record.Run) error {
	var b bytes.Buffer
	out := csv.NewWriter(&b)
	out.Write(csvHead) // into memory, it cannot fail
	for _, c := range run.Cells {
		line := append([]string{clean(c.Scenario)}, caseFields(c.Case)...)
		line = append(line, clean(c.Stack),
			strconv.Itoa(c.Round), strconv.Itoa(c.Order))
		rest := []string{
			strconv.FormatInt(c.N, 10), strconv.Itoa(len(c.Doubts)),
			clean(c.Error), clean(c.Unsupported),
		}
		for _, v := range c.Values {
			out.Write(concat(line, []string{clean(v.Unit), exact(v.V)}, rest))
		}
		if len(c.Values) == 0 {
			out.Write(concat(line, []string{"", ""}, rest))
		}
	}
	out.Flush()
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write the values: %w", err)
	}
	return nil
}

// caseFields returns the columns from case to rate.
func caseFields(c scenarios.Case) []string {
	fields := []string{clean(c.Name), strconv.Itoa(c.Clients), "", "", ""}
	if c.Rooms > 0 {
		fields[2] = strconv.Itoa(c.Rooms)
	}
	if c.Size > 0 {
		fields[3] = strconv.Itoa(c.Size)
	}
	if c.Rate > 0 {
		fields[4] = exact(c.Rate)
	}
	return fields
}

// concat returns the parts of a line as one of its own.
func concat(parts ...[]string) []string {
	var line []string
	for _, p := range parts {
		line = append(line, p...)
	}
	return line
}

// exact returns a number with as many digits as it takes to read it back.
func exact(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
