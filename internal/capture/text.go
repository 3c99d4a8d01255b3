package capture

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"wsvsio/internal/dissect"
	"wsvsio/internal/report"
	"wsvsio/internal/wrap"
)

// What is explained once is named only after that: a header field that comes with
// each of a dozen requests would drown the rest.

// width is that of the lines on a terminal, in columns.
const width = 100

// text is the text of a field for one line: what cannot be seen is written as in
// Go. Signs for it, such as U+240D, are in few fonts.
func text(b []byte) string {
	if !utf8.Valid(b) {
		return fmt.Sprintf("%d bytes that are no text", len(b))
	}
	var s strings.Builder
	for _, r := range string(b) {
		if r == ' ' || unicode.IsGraphic(r) {
			s.WriteRune(r)
			continue
		}
		s.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return s.String()
}

// readable reports whether a field is worth showing as text.
func readable(f dissect.Field) bool {
	return len(f.Bits) == 0 && utf8.Valid(f.Clear) && f.Name != "masking key" && f.Name != "extended length"
}

// explained remembers what has been explained, so that it is said once.
type explained map[string]bool

// of returns what is to be said of a field now, and where that is from.
func (e explained) of(f dissect.Field) string {
	key := f.Name + "\x00" + f.Meaning
	for _, b := range f.Bits {
		key += "\x00" + b.Meaning
		if b.Name == "length" && b.Value < 126 { // each has another
			key = strings.TrimSuffix(key, b.Meaning)
		}
	}
	if e[key] {
		return f.Name
	}
	e[key] = true
	return fmt.Sprintf("%s: %s (%s)", f.Name, f.Meaning, f.Ref)
}

// bits returns a bit field as it stands in its byte: "....0001".
func bits(f dissect.Field, i int) string {
	at := 0
	for _, b := range f.Bits[:i] {
		at += b.Width
	}
	b := f.Bits[i]
	return strings.Repeat(".", at) + fmt.Sprintf("%0*b", b.Width, b.Value) + strings.Repeat(".", 8-at-b.Width)
}

// arrow says which way a step goes.
func arrow(s Step) string {
	if s.Down {
		return "down"
	}
	return "up"
}

// headline is what a step is, in a line.
func headline(n int, s Step) string {
	var said []string
	for _, w := range s.Says {
		if w.Type != "" && !strings.HasPrefix(s.Title, w.Type+" frame") {
			said = append(said, w.Type)
		}
	}
	line := fmt.Sprintf("%d. %s, %d B: %s", n, arrow(s), s.Size, clipped(text([]byte(s.Title)), 60))
	if len(said) > 0 {
		line += " (" + clipped(text([]byte(strings.Join(said, ", "))), 40) + ")"
	}
	return line
}

// clipped returns a text of at most n characters.
func clipped(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}

// hexOf returns bytes in hexadecimal, most of them at most; 0 is no limit.
func hexOf(b []byte, most int) string {
	if most > 0 && len(b) > most {
		return fmt.Sprintf("% x …", b[:most])
	}
	return fmt.Sprintf("% x", b)
}

// Table writes a capture for a terminal. With all, it has every byte in
// hexadecimal.
func (c *Capture) Table(w io.Writer, all bool) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %s\n", c.Stack.Name, c.Stack.About)
	fmt.Fprintf(&b, "%s to %s, %s, body of %d B.\nOffset and size in bytes; in hexadecimal as on the wire; as text, without its mask; what it is.\n",
		c.Stack.Client, c.Stack.Server, strings.Join(c.Stack.Mode.Transports, " then "), c.Size)
	seen := explained{}
	phase := Phase("")
	for i, s := range c.Steps {
		if s.Phase != phase {
			phase = s.Phase
			fmt.Fprintf(&b, "\n── %s %s\n", phase, strings.Repeat("─", width-4-len(phase)))
		}
		fmt.Fprintf(&b, "\n%s", headline(i+1, s))
		fmt.Fprintf(&b, " · connection %d, from byte %d\n", s.Conn, s.Offset)
		for _, f := range s.Fields {
			row(&b, f, seen, all)
		}
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// row writes a field.
func row(b *bytes.Buffer, f dissect.Field, seen explained, all bool) {
	const each = 8 // bytes in a line
	const indent = 41
	shown := f.Raw
	if !all && len(shown) > each {
		shown = shown[:each]
	}
	said := ""
	if readable(f) {
		said = text(f.Clear)
		if !all {
			said = clipped(said, 2*(width-indent))
		}
	}
	lines := fold(said, width-indent)
	about := seen.of(f)
	if about == f.Name && len(f.Bits) > 0 {
		about = brief(f) // its bits have been explained, too
	}
	// What is short stands beside the text, the rest below.
	beside := fmt.Sprintf("%-24s  %s", said, about)
	below := utf8.RuneCountInString(beside) > width-indent
	if !below {
		lines = []string{beside}
	}
	for i := 0; i*each < len(shown) || i < len(lines); i++ {
		hex, line := "", ""
		if i*each < len(shown) {
			hex = fmt.Sprintf("% x", shown[i*each:min(len(shown), (i+1)*each)])
		}
		if i == 0 && len(shown) < len(f.Raw) {
			hex += " …"
		}
		if i < len(lines) {
			line = lines[i]
		}
		head := strings.Repeat(" ", 12)
		if i == 0 {
			head = fmt.Sprintf("%6d %5d", f.Offset, len(f.Raw))
		}
		fmt.Fprintf(b, "%s\n", strings.TrimRight(fmt.Sprintf("%s  %-25s  %s", head, hex, line), " "))
	}
	if !below {
		return
	}
	for _, line := range wrap.Words(about, width-16) {
		fmt.Fprintf(b, "%14s%s\n", "", line)
	}
	if about == brief(f) {
		return
	}
	for i, bit := range f.Bits {
		fmt.Fprintf(b, "%14s%s  %s: %s\n", "", bits(f, i), bit.Name, bit.Meaning)
	}
}

// brief is a byte of bits in one line: "FIN 1, RSV 000, opcode 0001 (text)".
func brief(f dissect.Field) string {
	var all []string
	for _, b := range f.Bits {
		one := fmt.Sprintf("%s %0*b", b.Name, b.Width, b.Value)
		if b.Name == "opcode" {
			word, _, _ := strings.Cut(b.Meaning, ":")
			one += " (" + word + ")"
		}
		if b.Name == "length" {
			one += fmt.Sprintf(" (%d)", b.Value)
		}
		all = append(all, one)
	}
	return strings.Join(all, ", ")
}

// fold cuts a text into lines of n characters.
func fold(s string, n int) (lines []string) {
	for r := []rune(s); len(r) > 0; r = r[min(n, len(r)):] {
		lines = append(lines, string(r[:min(n, len(r))]))
	}
	return lines
}

// Markdown writes a capture as GitHub-flavoured Markdown.
func (c *Capture) Markdown(w io.Writer, all bool) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "## %s: %s\n\n%s to %s, %s, body of %d B.\n", cell(c.Stack.Name), cell(c.Stack.About),
		cell(c.Stack.Client.String()), cell(c.Stack.Server.String()), strings.Join(c.Stack.Mode.Transports, " then "), c.Size)
	most := 8
	if all {
		most = 0
	}
	seen := explained{}
	phase := Phase("")
	for i, s := range c.Steps {
		if s.Phase != phase {
			phase = s.Phase
			fmt.Fprintf(&b, "\n### %s\n", phase)
		}
		fmt.Fprintf(&b, "\n**%s**, connection %d\n\n| offset | size | bytes | text | what it is |\n|--:|--:|:--|:--|:--|\n", cell(headline(i+1, s)), s.Conn)
		for _, f := range s.Fields {
			said := ""
			if readable(f) {
				said = text(f.Clear)
				if !all {
					said = clipped(said, 80)
				}
			}
			meaning := cell(seen.of(f))
			if meaning == cell(f.Name) && len(f.Bits) > 0 {
				meaning = cell(brief(f))
			}
			for j, bit := range f.Bits {
				if meaning == cell(brief(f)) {
					break
				}
				meaning += fmt.Sprintf("<br>`%s` %s: %s", bits(f, j), cell(bit.Name), cell(bit.Meaning))
			}
			fmt.Fprintf(&b, "| %d | %d | `%s` | %s | %s |\n", f.Offset, len(f.Raw), hexOf(f.Raw, most), cell(said), meaning)
		}
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// cell escapes what Markdown would take for its own.
func cell(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strings.ContainsRune("\\`*_{}[]()<>#|~&", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// Sheets are the totals: for each capture by phase and layer, and beside one
// another.
func Sheets(all []*Capture) []report.Sheet {
	var sheets []report.Sheet
	together := report.Sheet{
		Title: "Bytes, up + down", Texts: 1,
		Head: []string{"stack", "connections", "requests", "handshake", "join", "message 1", "message 2", "until then"},
	}
	for _, c := range all {
		s := report.Sheet{Title: c.Stack.Name + ": bytes by what asks for them", Texts: 1, Head: []string{"phase", "requests", "up", "down", "both"}}
		for _, l := range dissect.Layers {
			s.Head = append(s.Head, string(l))
		}
		for _, p := range Phases {
			up, down := c.Bytes(p)
			if up+down == 0 {
				continue
			}
			s.Rows = append(s.Rows, c.line(string(p), up, down, c.Requests(p), p))
		}
		up, down := c.Bytes()
		n := 0
		for _, p := range Phases {
			n += c.Requests(p)
		}
		s.Rows = append(s.Rows, c.line("all", up, down, n, Phases...))
		// A column of nothing but zeros says nothing.
		for i := len(s.Head) - 1; i >= 5; i-- {
			if s.Rows[len(s.Rows)-1][i] == "0" {
				s.Head = append(s.Head[:i:i], s.Head[i+1:]...)
				for j, r := range s.Rows {
					s.Rows[j] = append(r[:i:i], r[i+1:]...)
				}
			}
		}
		s.Notes = []string{c.check()}
		sheets = append(sheets, s)

		row := []string{c.Stack.Name, fmt.Sprint(c.Conns), fmt.Sprint(n)}
		sum := 0
		for _, p := range []Phase{Handshake, Join, First, Second} {
			up, down := c.Bytes(p)
			row = append(row, fmt.Sprintf("%d + %d", up, down))
			sum += up + down
		}
		together.Rows = append(together.Rows, append(row, fmt.Sprint(sum)))
	}
	together.Notes = []string{"the bytes of the TCP streams, without the headers of TCP and IP; the greeting of the join is heard by nobody, for the room is empty"}
	return append(sheets, together)
}

func (c *Capture) line(name string, up, down, requests int, phases ...Phase) []string {
	row := []string{name, fmt.Sprint(requests), fmt.Sprint(up), fmt.Sprint(down), fmt.Sprint(up + down)}
	for _, l := range dissect.Layers {
		n := 0
		for _, p := range phases {
			n += c.Layer(l, p)
		}
		row = append(row, fmt.Sprint(n))
	}
	return row
}

// check says what the sizes of the fields were held against.
func (c *Capture) check() string {
	up, down := c.Bytes()
	said := fmt.Sprintf("the fields add up to %d B up and %d B down; a second relay, which has no bytes in its hands, counted as many", up, down)
	if c.Counted.Kernel.Told {
		said += ", and so did TCP_INFO"
	}
	return said
}
