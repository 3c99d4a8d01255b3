package wrap

import (
	"slices"
	"testing"
)

func TestWords(t *testing.T) {
	for _, tt := range []struct {
		text  string
		width int
		want  []string
	}{
		{"", 5, []string{""}},
		{" a  b ", 5, []string{"a b"}},
		{"one two three", 7, []string{"one two", "three"}},
		{"one two three", 6, []string{"one", "two", "three"}},
		{"a magnificent one", 4, []string{"a", "magnificent", "one"}},
		{"µµ µµ µµ", 5, []string{"µµ µµ", "µµ"}},
	} {
		if got := Words(tt.text, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("%q in %d: %q, want %q", tt.text, tt.width, got, tt.want)
		}
	}
}
