package conformance

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files")

// TestMisuse keeps what the libraries do with bad input in a table each.
func TestMisuse(t *testing.T) {
	for _, target := range Targets() {
		t.Run(target.Name, func(t *testing.T) {
			t.Parallel()
			answers, err := target.Misuse(t.Context(), serve(t, target))
			if err != nil {
				t.Fatal(err)
			}
			lines := []string{
				"What " + target.Name + " does with bad input over polling.", "",
				"| input | what it is | status | its own session | another's |", "|---|---|---|---|---|",
			}
			for _, a := range answers {
				lines = append(lines, a.String())
			}
			got := strings.Join(lines, "\n") + "\n"
			name, _, _ := strings.Cut(target.Name, " ")
			path := filepath.Join("testdata", "badinput-"+name+".md")
			if *update {
				if err := os.MkdirAll("testdata", 0o777); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("%s\nwant\n%s", got, want)
			}
		})
	}
}
