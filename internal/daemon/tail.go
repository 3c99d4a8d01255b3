package daemon

import "sync"

// tailSize is how much of a program's output is kept, in bytes.
const tailSize = 4 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	data []byte
	cut  bool
}

// Write implements io.Writer.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.data = append(t.data, b...)
	if over := len(t.data) - tailSize; over > 0 {
		t.data, t.cut = append([]byte(nil), t.data[over:]...), true
	}
	return len(b), nil
}

// quote is the tail as it stands in an error, or nothing.
func (t *tail) quote() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := indent(string(t.data))
	if s == "" {
		return ""
	}
	if t.cut {
		s = "…" + s
	}
	return "; its output ends with:\n\t" + s
}
