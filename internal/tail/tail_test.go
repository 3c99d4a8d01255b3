package tail

import (
	"bytes"
	"strings"
	"testing"
)

// TestTail keeps the end of what is printed.
func TestTail(t *testing.T) {
	var out Tail
	if q := out.Quote("output"); q != "" {
		t.Errorf("nothing is quoted as %q", q)
	}
	out.Write(bytes.Repeat([]byte("x"), Size))
	out.Write([]byte("\nend\n"))
	if q := out.Quote("output"); !strings.Contains(q, "…x") || !strings.HasSuffix(q, "\n\tend") || len(q) > Size+100 {
		t.Errorf("quoted as %q", q)
	}
}
