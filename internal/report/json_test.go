package report

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"wsvsio/internal/record"
	"wsvsio/internal/stats"
	"wsvsio/scenarios"
)

// schemaFile is published: whoever reads the output of JSON goes by it.
const schemaFile = "schema.json"

// object keeps the order in which its fields were set.
type object struct {
	keys   []string
	values map[string]any
}

func newObject(pairs ...any) *object {
	o := &object{values: make(map[string]any)}
	for i := 0; i < len(pairs); i += 2 {
		o.set(pairs[i].(string), pairs[i+1])
	}
	return o
}

func (o *object) set(key string, value any) {
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

func (o *object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, key := range o.keys {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(o.values[key])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", key, value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// words are the values that a type of string can have.
var words = map[reflect.Type][]string{
	reflect.TypeFor[stats.Verdict]():     {string(stats.TooFew), string(stats.NotDifferent), string(stats.Different)},
	reflect.TypeFor[record.Better]():     {string(record.Lower), string(record.Higher)},
	reflect.TypeFor[record.Quantity]():   {"duration", "cpu", "bytes", "count", "rate", "share"},
	reflect.TypeFor[scenarios.Profile](): {string(scenarios.Quick), string(scenarios.Full)},
	reflect.TypeFor[scenarios.Answer]():  {string(scenarios.Holds), string(scenarios.HoldsInPart), string(scenarios.DoesNotHold), string(scenarios.NotMeasured)},
}

// schema makes a JSON schema from the types of the document and the comments on
// them.
type schema struct {
	comments map[string]string // "rowDoc" or "rowDoc.Cells" to text
	defs     *object
}

// sources are the folders with the types that are in the document.
var sources = []string{".", "../record", "../../scenarios"}

func newSchema(t *testing.T) *schema {
	t.Helper()
	s := &schema{comments: make(map[string]string), defs: newObject()}
	for _, dir := range sources {
		names, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, s.collect)
		}
	}
	return s
}

// collect notes the comments on a type and on its fields.
func (s *schema) collect(n ast.Node) bool {
	decl, ok := n.(*ast.GenDecl)
	if !ok || decl.Tok != token.TYPE {
		return true
	}
	for _, spec := range decl.Specs {
		spec := spec.(*ast.TypeSpec)
		s.comments[spec.Name.Name] = text(decl.Doc)
		fields, ok := spec.Type.(*ast.StructType)
		if !ok {
			continue
		}
		for _, f := range fields.Fields.List {
			for _, name := range f.Names {
				s.comments[spec.Name.Name+"."+name.Name] = cmp.Or(text(f.Doc), text(f.Comment))
			}
		}
	}
	return true
}

func text(c *ast.CommentGroup) string { return strings.Join(strings.Fields(c.Text()), " ") }

// of returns the schema of a type.
func (s *schema) of(t *testing.T, typ reflect.Type) *object {
	t.Helper()
	switch {
	case typ == reflect.TypeFor[time.Time]():
		return newObject("type", "string", "format", "date-time")
	case words[typ] != nil:
		return newObject("type", "string", "enum", words[typ])
	}
	switch typ.Kind() {
	case reflect.Pointer:
		return s.of(t, typ.Elem())
	case reflect.String:
		return newObject("type", "string")
	case reflect.Bool:
		return newObject("type", "boolean")
	case reflect.Int, reflect.Int64:
		return newObject("type", "integer")
	case reflect.Float64:
		return newObject("type", "number")
	case reflect.Slice:
		return newObject("type", "array", "items", s.of(t, typ.Elem()))
	case reflect.Array:
		return newObject("type", "array", "items", s.of(t, typ.Elem()), "minItems", typ.Len(), "maxItems", typ.Len())
	case reflect.Map:
		return newObject("type", "object", "additionalProperties", s.of(t, typ.Elem()))
	case reflect.Struct:
		name := strings.TrimSuffix(typ.Name(), "Doc")
		if _, ok := s.defs.values[name]; !ok {
			s.defs.set(name, nil) // in its place before the types that it uses
			s.defs.set(name, s.structure(t, typ))
		}
		return newObject("$ref", "#/$defs/"+name)
	}
	t.Fatalf("the document holds a %v", typ)
	return nil
}

// structure returns the schema of a struct.
func (s *schema) structure(t *testing.T, typ reflect.Type) *object {
	t.Helper()
	about := s.comments[typ.Name()]
	if about == "" {
		t.Errorf("%v has no comment", typ)
	}
	properties := newObject()
	required := []string{}
	for f := range typ.Fields() {
		name, opts, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" {
			continue
		}
		one := s.of(t, f.Type)
		if text := s.comments[typ.Name()+"."+f.Name]; text != "" {
			one.set("description", text)
		}
		properties.set(name, one)
		if !strings.Contains(opts, "omit") {
			required = append(required, name)
		}
	}
	return newObject("description", about, "type", "object", "properties", properties, "required", required)
}

// The published schema is that of the types; TestJSON holds the output against
// it.
func TestSchema(t *testing.T) {
	s := newSchema(t)
	root := s.of(t, reflect.TypeFor[document]())
	whole := newObject("$schema", "https://json-schema.org/draft/2020-12/schema",
		"title", "A run of wsvsio compare, as compare report -format json writes it")
	whole.set("$ref", root.values["$ref"])
	whole.set("$defs", s.defs)
	data, err := json.Marshal(whole)
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	if err := json.Indent(&got, data, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	golden(t, filepath.Join("..", schemaFile), got.Bytes())
}

// validator holds a value against a schema: as much of JSON Schema as ours
// uses. Unlike it, a property that the schema does not know is an error.
type validator struct {
	defs   map[string]any
	errors []string
}

func (v *validator) check(at string, value any, schema map[string]any) {
	fail := func(format string, args ...any) {
		v.errors = append(v.errors, at+": "+fmt.Sprintf(format, args...))
	}
	if ref, ok := schema["$ref"].(string); ok {
		schema, ok = v.defs[strings.TrimPrefix(ref, "#/$defs/")].(map[string]any)
		if !ok {
			fail("no definition %s", ref)
			return
		}
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, value) {
		fail("%v is none of %v", value, enum)
	}
	got := ""
	switch value := value.(type) {
	case string:
		got = "string"
		if _, err := time.Parse(time.RFC3339, value); schema["format"] == "date-time" && err != nil {
			fail("%v", err)
		}
	case bool:
		got = "boolean"
	case json.Number:
		got = "number"
		if _, err := strconv.ParseInt(value.String(), 10, 64); err == nil && schema["type"] == "integer" {
			got = "integer"
		}
	case []any:
		got = "array"
		least, _ := schema["minItems"].(json.Number)
		if n, err := least.Int64(); err == nil && int64(len(value)) != n {
			fail("%d items", len(value))
		}
		for i, item := range value {
			v.check(fmt.Sprintf("%s[%d]", at, i), item, schema["items"].(map[string]any))
		}
	case map[string]any:
		got = "object"
		if other, ok := schema["additionalProperties"].(map[string]any); ok {
			for key, item := range value {
				v.check(at+"."+key, item, other)
			}
			break
		}
		properties, _ := schema["properties"].(map[string]any)
		for key, item := range value {
			one, ok := properties[key].(map[string]any)
			if !ok {
				fail("the schema does not know %s", key)
				continue
			}
			v.check(at+"."+key, item, one)
		}
		for _, key := range schema["required"].([]any) {
			if _, ok := value[key.(string)]; !ok {
				fail("%s is missing", key)
			}
		}
	}
	if got != schema["type"] {
		fail("%T where the schema has a %v", value, schema["type"])
	}
}

// parse reads JSON with its numbers as they stand.
func parse(t *testing.T, data []byte) map[string]any {
	t.Helper()
	var value map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := d.Decode(&value); err != nil {
		t.Fatalf("%v in %s", err, data)
	}
	return value
}

func published(t *testing.T) map[string]any {
	t.Helper()
	data, err := os.ReadFile(schemaFile)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, data)
}

// violations returns how a document differs from the schema.
func violations(t *testing.T, schema map[string]any, data []byte) []string {
	t.Helper()
	v := validator{defs: schema["$defs"].(map[string]any)}
	v.check("", parse(t, data), schema)
	return v.errors
}

func TestJSON(t *testing.T) {
	schema := published(t)
	for name, run := range runs() {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := JSON(&b, run); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", b.Bytes())
			for _, err := range violations(t, schema, b.Bytes()) {
				t.Error(err)
			}
			if i := bytes.IndexFunc(b.Bytes(), unseen); i >= 0 {
				t.Errorf("a terminal would obey %q", b.Bytes()[i:])
			}
		})
	}
	recorded, _, err := record.Read("../../results/2026-11-25-quick")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := JSON(&b, recorded); err != nil {
		t.Fatal(err)
	}
	for _, err := range violations(t, schema, b.Bytes()) {
		t.Error(err)
	}
	// The schema can be violated.
	b.Reset()
	if err := JSON(&b, runs()["usual"]); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{`"format": 1`, `"format": "1"`},
		{`"tool"`, `"fool"`},
		{`"verdict": "too few pairs"`, `"verdict": "perhaps"`},
		{`"pairs": 3`, `"pairs": 3.5`},
		{`"started": "2026`, `"started": "soon`},
		{`0.42,`, ``},
	} {
		broken := bytes.Replace(b.Bytes(), []byte(change[0]), []byte(change[1]), 1)
		if bytes.Equal(broken, b.Bytes()) || len(violations(t, schema, broken)) == 0 {
			t.Errorf("%s is as good as %s", change[1], change[0])
		}
	}
}

// The document holds what the table shows.
func TestJSONHoldsTable(t *testing.T) {
	for name, run := range runs() {
		d, p := newDocument(run), newPage(run)
		if len(d.Groups) != len(p.tables) {
			t.Fatalf("%s: %d groups, %d tables", name, len(d.Groups), len(p.tables))
		}
		figures := 0
		for i, g := range d.Groups {
			tab := p.tables[i]
			if clean(g.Title) != tab.title || len(g.Attribution) != len(tab.attribution.rows) {
				t.Errorf("%s: %q has %d effects, %q %d", name, g.Title, len(g.Attribution), tab.title, len(tab.attribution.rows))
			}
			var rows []rowDoc // those that the table has; n/a is a note
			for _, r := range g.Rows {
				if len(r.Unsupported) == 0 || r.Measured > 0 || len(r.Failed) > 0 {
					rows = append(rows, r)
				}
			}
			if len(rows) != len(tab.grid.rows) {
				t.Fatalf("%s, %s: %d rows, %d in the table", name, g.Title, len(rows), len(tab.grid.rows))
			}
			for j, r := range rows {
				line := tab.grid.rows[j]
				shown := make(map[string]cell)
				for k, title := range tab.grid.head {
					shown[title] = line.cells[k]
				}
				for _, f := range r.Figures {
					u := record.UnitOf(f.Unit)
					c, ok := shown[clean(u.Title)]
					if !ok {
						continue
					}
					figures++
					if c.value != format(u.Quantity, f.Median) {
						t.Errorf("%s, %s, %s, %s: %v, the table has %s", name, g.Title, r.Stack, f.Unit, f.Median, c.value)
					}
					ratio := ""
					if f.Ratio != nil {
						ratio = times(f.Ratio.Estimate)
						if f.Ratio.Verdict != c.verdict {
							t.Errorf("%s, %s, %s, %s: %s, the table says %s", name, g.Title, r.Stack, f.Unit, f.Ratio.Verdict, c.verdict)
						}
					}
					if strings.TrimPrefix(c.ratio, mark) != ratio {
						t.Errorf("%s, %s, %s, %s: %s, the table has %s", name, g.Title, r.Stack, f.Unit, ratio, c.ratio)
					}
				}
			}
		}
		if figures == 0 && (name == "usual" || name == "bad" || name == "attributed") {
			t.Errorf("%s: no figures", name)
		}
	}
}

// Every value of a run is in the CSV, with all its digits.
func TestCSV(t *testing.T) {
	for name, run := range runs() {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			if err := CSV(&b, run); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".csv", b.Bytes())
			if i := bytes.IndexFunc(b.Bytes(), unseen); i >= 0 {
				t.Errorf("a terminal would obey %q", b.Bytes()[i:])
			}
			lines, err := csv.NewReader(&b).ReadAll()
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(lines[0], csvHead) {
				t.Errorf("the head is %q", lines[0])
			}
			column := make(map[string]int)
			for i, name := range lines[0] {
				column[name] = i
			}
			lines = lines[1:]
			for _, c := range run.Cells {
				values := c.Values
				if len(values) == 0 {
					values = []record.Value{{}}
				}
				for _, v := range values {
					if len(lines) == 0 {
						t.Fatal("lines are missing")
					}
					line := lines[0]
					lines = lines[1:]
					value, _ := strconv.ParseFloat(line[column["value"]], 64)
					if line[column["unit"]] != v.Unit || value != v.V || line[column["stack"]] != clean(c.Stack) ||
						line[column["round"]] != strconv.Itoa(c.Round) || line[column["error"]] != clean(c.Error) ||
						line[column["doubts"]] != strconv.Itoa(len(c.Doubts)) {
						t.Errorf("%q is not %v of %+v", line, v, c)
					}
				}
			}
			if len(lines) > 0 {
				t.Errorf("%d lines too many", len(lines))
			}
		})
	}
}

// What the comment on CSV says of its columns is what they are.
func TestCSVDocumented(t *testing.T) {
	source, err := os.ReadFile("csv.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, m := range regexp.MustCompile(`(?m)^//\t(\w+)  `).FindAllSubmatch(source, -1) {
		names = append(names, string(m[1]))
	}
	if !slices.Equal(names, csvHead) {
		t.Errorf("documented are %q, written %q", names, csvHead)
	}
}

func TestDataWriteError(t *testing.T) {
	for _, err := range []error{CSV(brokenPipe{}, newRun()), JSON(brokenPipe{}, newRun())} {
		if !errors.Is(err, errPipe) {
			t.Errorf("got %v, want the writer's error", err)
		}
	}
}

// Ratios that no number can hold are left out.
func TestJSONExtremes(t *testing.T) {
	run := newRun()
	for round := 1; round <= 3; round++ {
		run.Cells = append(run.Cells,
			measured(echo, "raw", round, "p50-sec/msg", math.SmallestNonzeroFloat64),
			measured(echo, "sio", round, "p50-sec/msg", math.MaxFloat64))
	}
	var b bytes.Buffer
	if err := JSON(&b, run); err != nil {
		t.Fatal(err)
	}
	for _, err := range violations(t, published(t), b.Bytes()) {
		t.Error(err)
	}
}

// Whatever text a run holds, JSON writes a valid document that a terminal can
// show, with the text as it was, and CSV lines that read back.
func FuzzData(f *testing.F) {
	f.Add("raw", "steady", "boom", "p50-sec/msg", 25e-6)
	f.Add("a,b\"", "\x1b[2J\u202e\U000e0001", "a\r\nb", "<B>", -1.0)
	f.Fuzz(func(t *testing.T, stack, name, text, unit string, v float64) {
		if !finite(v) {
			return
		}
		run := newRun()
		run.Partial, run.Why = true, text
		run.Stacks = append(run.Stacks, scenarios.Stack{Name: stack, About: text, Twin: "raw"})
		c := scenarios.Case{Name: name, Clients: 2}
		for round := 1; round <= 2; round++ {
			run.Cells = append(run.Cells, measured(c, stack, round, unit, v), measured(c, "raw", round, unit, v))
		}
		run.Cells[2].Error, run.Cells[3].Doubts = text, []string{text}
		var b bytes.Buffer
		if err := JSON(&b, run); err != nil {
			t.Fatal(err)
		}
		if i := bytes.IndexFunc(b.Bytes(), unseen); i >= 0 {
			t.Errorf("JSON: %q", b.Bytes()[i:])
		}
		if got := parse(t, b.Bytes())["why"]; text != "" && got != strings.ToValidUTF8(text, "\ufffd") && got != jsonText(text) {
			t.Errorf("%q has become %q", text, got)
		}
		b.Reset()
		if err := CSV(&b, run); err != nil {
			t.Fatal(err)
		}
		if i := bytes.IndexFunc(b.Bytes(), unseen); i >= 0 {
			t.Errorf("CSV: %q", b.Bytes()[i:])
		}
		lines, err := csv.NewReader(&b).ReadAll()
		if err != nil || len(lines) != 1+len(run.Cells) {
			t.Errorf("%d lines, %v", len(lines), err)
		}
	})
}

// jsonText returns what package json makes of a text that is not valid: a mark
// for each byte.
func jsonText(text string) string {
	data, _ := json.Marshal(text)
	var back string
	json.Unmarshal(data, &back)
	return back
}
