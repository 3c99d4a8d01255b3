package capture_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.uber.org/goleak"

	"wsvsio/bench"
	"wsvsio/internal/capture"
	"wsvsio/internal/dissect"
	"wsvsio/internal/report"
	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

func TestMain(m *testing.M) {
	os.Setenv("GORACE", "atexit_sleep_ms=0") // under the race detector every process sleeps for a second as it ends
	worker.RunIfChild(bench.Programs())
	goleak.VerifyTestMain(m)
}

// capturedStacks are one for each way to carry the chat.
var capturedStacks = []string{
	"rawws", "sio", "rawws-js", "sio-js", "sio-js-polling", "sio-js-default",
	"rawws-node", "sio-node", "sio-node-polling", "sio-node-default", "rawws-fallback", "rawws-polling",
}

// run captures a stack.
func run(t *testing.T, ctx context.Context, m bench.Machine, s scenarios.Stack, size int) *capture.Capture {
	t.Helper()
	env := bench.NewEnv(ctx, m)
	defer env.Close()
	c, err := capture.Run(ctx, env, s, size)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestCapture holds the sizes of all fields against what the relay behind and
// its system counted, and looks whether everything is understood and all of the
// conversation is there.
func TestCapture(t *testing.T) {
	m, can, err := bench.Look(t.Context(), bench.Stacks())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range can {
		if !slices.Contains(capturedStacks, s.Name) {
			continue
		}
		for _, size := range []int{128, 0, 5000, 70_000} {
			if size != 128 && s.Name != "rawws" && s.Name != "sio" && s.Name != "sio-node" && s.Name != "sio-node-polling" {
				continue
			}
			t.Run(s.Name, func(t *testing.T) {
				c := run(t, t.Context(), m, s, size)
				adds(t, c)
				if s.Protocol == scenarios.ProtocolRaw && !slices.Equal(s.Mode.Transports, []string{scenarios.WebSocket}) {
					return // its own format over HTTP is not taken apart
				}
				if n := c.Layer(dissect.Unknown, capture.Handshake); n > 0 {
					t.Errorf("%d bytes of the handshake are not understood", n)
				}
				for _, p := range []capture.Phase{capture.Handshake, capture.Join, capture.First, capture.Second} {
					if up, down := c.Bytes(p); up == 0 || down == 0 {
						t.Errorf("%s: %d bytes up and %d down", p, up, down)
					}
				}
				// The object is the same for all, but for what is said in it.
				object := 2 * len(`{"room":"lobby","from":"ann","seq":1000000000,"body":""}`)
				for _, p := range []capture.Phase{capture.First, capture.Second} {
					if n := c.Layer(dissect.Chat, p); n != object+2*size {
						t.Errorf("%s: the object takes %d bytes, want %d", p, n, object+2*size)
					}
				}
				for _, st := range c.Steps {
					for _, f := range st.Fields {
						if f.Layer == dissect.Unknown {
							t.Errorf("%s: %q is not understood: %s", st.Title, f.Clear, f.Meaning)
						}
					}
				}
			})
		}
	}
}

// adds holds what a capture says against what was counted.
func adds(t *testing.T, c *capture.Capture) {
	t.Helper()
	var up, down int64
	phases := 0
	for _, s := range c.Steps {
		n := 0
		for _, f := range s.Fields {
			n += len(f.Raw)
		}
		if n != s.Size {
			t.Errorf("%s: fields of %d bytes, size %d", s.Title, n, s.Size)
		}
		if s.Down {
			down += int64(n)
		} else {
			up += int64(n)
		}
		if s.Phase == "" || s.After < 0 {
			t.Errorf("%s: phase %q, after %v", s.Title, s.Phase, s.After)
		}
	}
	if k := c.Counted.Kernel; up != c.Counted.Up || down != c.Counted.Down || k.Told && (k.Up != up || k.Down != down) {
		t.Errorf("%d bytes up and %d down, counted %+v", up, down, c.Counted)
	}
	for _, p := range capture.Phases {
		u, d := c.Bytes(p)
		sum := 0
		for _, l := range dissect.Layers {
			sum += c.Layer(l, p)
		}
		if sum != u+d {
			t.Errorf("%s: %d bytes by layer, %d in all", p, sum, u+d)
		}
		phases += u + d
	}
	if int64(phases) != up+down {
		t.Errorf("%d bytes by phase, %d in all", phases, up+down)
	}
}

// TestConnectBytes holds a handshake against what the scenario broadcast has
// recorded of the same: this is the same connection, seen from nearer.
func TestConnectBytes(t *testing.T) {
	m, can, err := bench.Look(t.Context(), bench.Stacks())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range can {
		// Ports have five digits nearly always, and session ids one length.
		want := map[string][2]int{"rawws": {317, 1}, "sio": {464, 1}, "rawws-node": {285, 1}, "sio-node": {470, 1}}[s.Name]
		if want[0] == 0 {
			continue
		}
		c := run(t, t.Context(), m, s, 128)
		up, down := c.Bytes(capture.Handshake)
		if n := up + down; n < want[0]-2 || n > want[0]+2 || c.Requests(capture.Handshake) != want[1] {
			t.Errorf("%s: handshake of %d bytes, %d requests; results/2026-11-25-quick has %d and %d", s.Name, n, c.Requests(capture.Handshake), want[0], want[1])
		}
	}
}

// TestViews has every view say the same numbers.
func TestViews(t *testing.T) {
	m, can, err := bench.Look(t.Context(), []scenarios.Stack{bench.Stacks()[3]})
	if err != nil {
		t.Fatal(err)
	}
	c := run(t, t.Context(), m, can[0], 128)
	c.Stack.About = "with *markup* | <b>"
	for _, all := range []bool{false, true} {
		var b bytes.Buffer
		if err := c.Table(&b, all); err != nil {
			t.Fatal(err)
		}
		if err := report.WriteSheets(&b, capture.Sheets([]*capture.Capture{c}), report.Sheet.Terminal); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(line); n > 121 {
				t.Errorf("a line of %d columns: %s", n, line)
			}
		}
		for _, want := range []string{"Sec-WebSocket-Key: ", "(RFC 6455, 5.2)", "....0001  opcode", `["chat"`, "(Socket.IO 4, Packet encoding)", "TCP_INFO"} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("lacks %q", want)
			}
		}
	}
	var md bytes.Buffer
	if err := c.Markdown(&md, false); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(md.String(), `with \*markup\* \| \<b\>`) || !strings.Contains(md.String(), "| 0 | 4 | `47 45 54 20` | GET  | method:") {
		t.Error(md.String())
	}

	var text bytes.Buffer
	if err := capture.JSON(&text, []*capture.Capture{c}, nil); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Captures []struct {
			Bytes, Counted struct{ Up, Down int }
			Steps          []struct {
				Direction string
				Size      int
				Fields    []struct {
					Size int
					Hex  string
				}
			}
		}
	}
	if err := json.Unmarshal(text.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	sum := map[string]int{}
	for _, s := range doc.Captures[0].Steps {
		for _, f := range s.Fields {
			if len(f.Hex) != 2*f.Size {
				t.Errorf("%d hexadecimal digits for %d bytes", len(f.Hex), f.Size)
			}
			sum[s.Direction] += f.Size
		}
	}
	if b := doc.Captures[0].Counted; sum["up"] != b.Up || sum["down"] != b.Down || b != doc.Captures[0].Bytes {
		t.Errorf("fields of %v, counted %+v", sum, b)
	}
}
