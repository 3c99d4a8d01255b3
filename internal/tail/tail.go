// Package tail keeps the end of what a process prints, to quote it when something
// fails.
package tail

import (
	"strings"
	"sync"
)

// Size is how much of what is printed is kept, in bytes.
const Size = 4 << 10

// Tail keeps the end of what is written to it.
type Tail struct {
	mu   sync.Mutex
	data []byte
	cut  bool
}

// Write implements io.Writer.
func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, b...)
	if over := len(t.data) - Size; over > 0 {
		t.data, t.cut = append([]byte(nil), t.data[over:]...), true
	}
	return len(b), nil
}

// Quote is the tail as it stands in an error, or nothing: of what it is, such as
// "stderr", marked where something was cut off.
func (t *Tail) Quote(of string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := string(t.data)
	if t.cut {
		text = "…" + text
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return ""
	}
	return "; its " + of + " ends with:\n\t" + strings.ReplaceAll(text, "\n", "\n\t")
}
