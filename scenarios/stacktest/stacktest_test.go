package stacktest_test

import (
	"context"
	"errors"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"wsvsio/internal/broken"
	"wsvsio/rawws"
	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

var update = flag.Bool("update", false, "write the golden transcript anew")

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var stack = scenarios.Stack{
	Name:     "local",
	Protocol: scenarios.ProtocolRaw,
	Mode:     scenarios.Mode{Transports: []string{scenarios.WebSocket}},
}

// sound are the servers that must pass.
var sound = map[string]scenarios.NewServer{
	"rawws":           rawws.NewServer,
	"broken, without": broken.NewServer(broken.Faults{}),
}

func TestPasses(t *testing.T) {
	for name, newServer := range sound {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stacktest.Run(t, stacktest.Local(newServer, rawws.Dial), stack)
		})
	}
}

// TestRefuses has a stack let nobody in, and another that is only said to.
func TestRefuses(t *testing.T) {
	nobody := func(
		context.Context, string, scenarios.DialConfig, func(scenarios.Event),
	) (scenarios.Client, error) {
		return nil, errors.New("another version")
	}
	refused := stack
	refused.Refused = "they do not go together"
	for want, dial := range map[string]scenarios.Dial{
		"": nobody, "remove Refused (they do not go together)": rawws.Dial,
	} {
		b := &stacktest.Bench{
			Env:      stacktest.Local(rawws.NewServer, dial),
			Stack:    refused,
			Patience: stacktest.DefaultPatience,
		}
		err := stacktest.Refuses(t.Context(), b)
		if got := err != nil; got != (want != "") ||
			err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	stacktest.Run(t, stacktest.Local(rawws.NewServer, nobody), refused)
}

// TestFails proves that every rule is looked after: each case fails on a stack
// that breaks it, and says what was wrong.
func TestFails(t *testing.T) {
	streams := []string{
		"order", "concurrent-senders", "concurrent-sends", "both-ways",
		"client-gone", "close", "large-room",
	}
	singles := []string{
		"join", "leave", "join-again", "room", "rooms", "many-rooms",
		"announce", "empty-body", "large-body", "utf8", "escape", "upgrade",
	}
	tests := []struct {
		name   string
		faults broken.Faults
		dial   scenarios.Dial // nil for that of rawws
		says   string
		cases  []string
	}{
		{
			name:   "loses every 10th",
			faults: broken.Faults{Lose: 10},
			says:   "are missing",
			cases:  streams,
		}, {
			name:   "loses all",
			faults: broken.Faults{Lose: 1},
			says:   "are missing",
			cases:  singles,
		}, {
			name:   "doubles every 10th",
			faults: broken.Faults{Double: 10},
			says:   "twice",
			cases:  streams,
		}, {
			name:   "doubles all",
			faults: broken.Faults{Double: 1},
			says:   "twice",
			cases:  singles,
		}, {
			name:   "swaps every 7th",
			faults: broken.Faults{Swap: 7},
			says:   " after ",
			cases:  []string{"order", "concurrent-sends", "client-gone", "close"},
		}, {
			name:   "swaps all",
			faults: broken.Faults{Swap: 1},
			says:   " after |are missing",
			cases:  []string{"join-again", "rooms", "announce", "escape"},
		}, {
			name:   "delays every 10th",
			faults: broken.Faults{Delay: 10},
			says:   "are missing",
			cases:  streams,
		}, {
			name:   "delays all",
			faults: broken.Faults{Delay: 1},
			says:   "are missing",
			cases:  []string{"room", "announce", "empty-body"},
		}, {
			name:   "leaks every 10th",
			faults: broken.Faults{Leak: 10},
			says:   "which it should not",
			cases:  []string{"rooms"},
		}, {
			name:   "leaks all",
			faults: broken.Faults{Leak: 1},
			says:   "which it should not",
			cases:  []string{"join", "leave", "room", "rooms", "many-rooms"},
		}, {
			name:   "tells the joiner",
			faults: broken.Faults{TellJoiner: true},
			says:   "which it should not",
			cases:  []string{"joined"},
		}, {
			name:   "keeps who left",
			faults: broken.Faults{KeepLeft: true},
			says:   "which it should not",
			cases:  []string{"leave", "join-again", "many-rooms"},
		}, {
			name:   "keeps who is gone",
			faults: broken.Faults{KeepGone: true},
			says:   "are missing|ann is blocked",
			cases:  []string{"client-gone", "close"},
		}, {
			name:   "checks nothing",
			faults: broken.Faults{NoChecks: true},
			says:   "was not refused|not told that it is disconnected",
			cases:  []string{"oversized", "oversized-reason", "origin", "empty-room"},
		}, {
			name:   "shuts down without a word",
			faults: broken.Faults{KeepOpen: true},
			says:   "not told that it is disconnected",
			cases:  []string{"shutdown"},
		}, {
			name: "client is down twice",
			dial: eachEvent(func(e scenarios.Event, on func(scenarios.Event)) {
				if e.Kind == scenarios.EventDown {
					on(e)
				}
				on(e)
			}),
			says:  "2 times",
			cases: []string{"close", "shutdown"},
		}, {
			name: "client gives no reason",
			dial: eachEvent(func(e scenarios.Event, on func(scenarios.Event)) {
				e.Reason = ""
				on(e)
			}),
			says:  "without a reason",
			cases: []string{"close", "shutdown", "oversized"},
		}, {
			name: "client does not say that it is up",
			dial: eachEvent(func(e scenarios.Event, on func(scenarios.Event)) {
				if e.Kind != scenarios.EventUp {
					on(e)
				}
			}),
			says:  "ann is not told|not up",
			cases: []string{"join"},
		}, {
			name:  "client does not know that it is closed",
			dial:  dialDeaf,
			says:  "was not refused",
			cases: []string{"send-after-close"},
		},
	}
	left := make(map[string]bool)
	for _, c := range stacktest.Cases() {
		left[c.Name] = true
	}
	for _, tt := range tests {
		says := regexp.MustCompile(tt.says)
		b := impatient(tt.faults, tt.dial)
		for _, name := range tt.cases {
			delete(left, name)
			t.Run(tt.name+"/"+name, func(t *testing.T) {
				t.Parallel() // they mostly wait
				err := find(t, name).Run(t.Context(), b)
				if err != nil && !says.MatchString(err.Error()) {
					// On a busy machine what comes late is missing at first.
					patient := *b
					patient.Patience = stacktest.DefaultPatience
					err = find(t, name).Run(t.Context(), &patient)
				}
				switch {
				case err == nil:
					t.Error("the suite does not notice")
				case !says.MatchString(err.Error()):
					t.Errorf("the suite says %q, want %q", err, says)
				}
			})
		}
	}
	for name := range left {
		t.Errorf("no fault makes the case %q fail", name)
	}
}

// impatient returns a bench with a server that has these faults. Its patience
// is short because what fails there often fails by waiting in vain.
func impatient(f broken.Faults, dial scenarios.Dial) *stacktest.Bench {
	if dial == nil {
		dial = rawws.Dial
	}
	return &stacktest.Bench{
		Env:      stacktest.Local(broken.NewServer(f), dial),
		Stack:    stack,
		Patience: 400 * time.Millisecond,
	}
}

// find returns the case of that name.
func find(t *testing.T, name string) stacktest.Case {
	t.Helper()
	all := stacktest.Cases()
	i := slices.IndexFunc(all, func(c stacktest.Case) bool {
		return c.Name == name
	})
	if i < 0 {
		t.Fatalf("no case %q", name)
	}
	return all[i]
}

// eachEvent returns a Dial that passes events through a function.
func eachEvent(
	through func(scenarios.Event, func(scenarios.Event)),
) scenarios.Dial {
	return func(
		ctx context.Context, url string,
		cfg scenarios.DialConfig, on func(scenarios.Event),
	) (scenarios.Client, error) {
		return rawws.Dial(ctx, url, cfg, func(e scenarios.Event) {
			through(e, on)
		})
	}
}

// dialDeaf returns a client whose Send never says no.
func dialDeaf(
	ctx context.Context, url string,
	cfg scenarios.DialConfig, on func(scenarios.Event),
) (scenarios.Client, error) {
	c, err := rawws.Dial(ctx, url, cfg, on)
	return deaf{c}, err
}

type deaf struct{ scenarios.Client }

func (d deaf) Send(ctx context.Context, m scenarios.Message) error {
	d.Client.Send(ctx, m)
	return nil
}

func TestKnown(t *testing.T) {
	boom := errors.New("boom")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name  string
		ctx   context.Context
		known map[string]string
		run   func(attempt int) error
		note  string // what the note contains; "" for none
		err   string // what the error contains; "" for none
	}{
		{
			name: "passes",
			run:  func(int) error { return nil },
		}, {
			name: "fails",
			run:  func(int) error { return boom },
			err:  "boom",
		}, {
			name:  "fails as known",
			known: map[string]string{"x": "issue 7"},
			run:   func(int) error { return boom },
			note:  "known defect: issue 7: boom",
		}, {
			name:  "fails as known, in the end",
			known: map[string]string{"x": "issue 7"},
			run: func(attempt int) error {
				if attempt < 20 {
					return nil
				}
				return boom
			},
			note: "known defect: issue 7: boom",
		}, {
			name:  "passes in spite of what is known",
			known: map[string]string{"x": "issue 7"},
			run:   func(int) error { return nil },
			err:   "passes now: remove the entry",
		}, {
			name:  "another case is known",
			known: map[string]string{"y": "issue 7"},
			run:   func(int) error { return boom },
			err:   "boom",
		}, {
			name:  "does not start",
			known: map[string]string{"x": "issue 7"},
			run:   func(int) error { return stacktest.ErrSetUp },
			err:   stacktest.ErrSetUp.Error(),
		}, {
			name:  "is interrupted",
			ctx:   cancelled,
			known: map[string]string{"x": "issue 7"},
			run:   func(int) error { return boom },
			err:   "boom",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx := tt.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			attempt := 0
			c := stacktest.Case{
				Name: "x",
				Run: func(context.Context, *stacktest.Bench) error {
					attempt++
					return tt.run(attempt)
				},
			}
			b := &stacktest.Bench{Stack: scenarios.Stack{Known: tt.known}}
			note, err := stacktest.Judge(ctx, b, c)
			if note != tt.note {
				t.Errorf("note %q, want %q", note, tt.note)
			}
			if (err == nil) != (tt.err == "") ||
				err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error %v, want %q", err, tt.err)
			}
		})
	}
}

// TestKnownOnStacks takes the same way with a real case and a real defect.
func TestKnownOnStacks(t *testing.T) {
	s := stack
	s.Known = map[string]string{"empty-room": "takes any name"}
	judge := func(f broken.Faults) (string, error) {
		b := &stacktest.Bench{
			Env:      stacktest.Local(broken.NewServer(f), rawws.Dial),
			Stack:    s,
			Patience: stacktest.DefaultPatience,
		}
		return stacktest.Judge(t.Context(), b, find(t, "empty-room"))
	}
	note, err := judge(broken.Faults{NoChecks: true})
	if err != nil || !strings.HasPrefix(note, "known defect: takes any name") {
		t.Errorf("with the defect: %q, %v", note, err)
	}
	if _, err := judge(broken.Faults{}); err == nil {
		t.Error("without the defect the suite still passes")
	}
}

func TestKnownNamesNoCase(t *testing.T) {
	s := stack
	s.Known = map[string]string{"order": "is lost"}
	if err := stacktest.CheckKnown(s); err != nil {
		t.Error(err)
	}
	s.Known["ordr"] = "is misspelt"
	if err := stacktest.CheckKnown(s); err == nil {
		t.Error("a Known entry that names no case passes")
	}
}

func TestCasesAreNamed(t *testing.T) {
	seen := make(map[string]bool)
	for _, c := range stacktest.Cases() {
		if c.Name == "" || c.Rule == "" || seen[c.Name] {
			t.Errorf("case %q: no name, no rule or a name used twice", c.Name)
		}
		seen[c.Name] = true
	}
}

func TestTranscript(t *testing.T) {
	const golden = "testdata/transcript.txt"
	want, err := os.ReadFile(golden)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for name, newServer := range sound {
		env := stacktest.Local(newServer, rawws.Dial)
		got, err := stacktest.Transcript(t.Context(), env, stack)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if *update {
			want = []byte(got)
			if err := os.WriteFile(golden, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got != string(want) {
			t.Errorf("%s:\n%s\nwant (go test -update writes it anew):\n%s",
				name, got, want)
		}
	}
}

func TestTranscriptNotices(t *testing.T) {
	faults := map[string]broken.Faults{
		"double":      {Double: 5},
		"swap":        {Swap: 5},
		"leak":        {Leak: 3},
		"tell joiner": {TellJoiner: true},
		"keep left":   {KeepLeft: true},
		"no checks":   {NoChecks: true},
	}
	want, err := os.ReadFile("testdata/transcript.txt")
	if err != nil {
		t.Fatal(err)
	}
	for name, f := range faults {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := stacktest.TranscriptOf(t.Context(), impatient(f, nil))
			if err == nil && got == string(want) {
				t.Error("the transcript is the same as without the fault")
			}
		})
	}
}
