package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"wsvsio/scenarios"
	"wsvsio/scenarios/stacktest"
)

// look finds the stacks that this machine can run and says which it cannot.
func look(t testing.TB) (Machine, []scenarios.Stack) {
	t.Helper()
	m, can, err := Look(t.Context(), Stacks())
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range m.LeftOut {
		t.Logf("left out: %s: %s; to add it: %s", l.Stack, l.Reason, l.Mend)
	}
	return m, can
}

// eachStack runs a test on every stack that lets clients in, in an environment
// of its own. Pages in a browser are tested with package inpage and in the matrix
// of proxy: no Origin can be asked of them, and a thousand are too many.
func eachStack(t *testing.T, test func(t *testing.T, env *Env, s scenarios.Stack)) {
	m, can := look(t)
	for _, s := range can {
		if !s.IsChat() || s.Refused != "" || s.InBrowser() {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			env := NewEnv(t.Context(), m)
			defer env.Close()
			test(t, env, s)
		})
	}
}

// TestStacks runs the suite on every stack, both ends in their own processes.
func TestStacks(t *testing.T) {
	eachStack(t, func(t *testing.T, env *Env, s scenarios.Stack) {
		t.Parallel() // much of it is waiting for processes to start
		stacktest.Run(t, env, s)
	})
}

// TestRefused has the suite look whether those stacks that are said to let no
// client in still do not.
func TestRefused(t *testing.T) {
	m, can := look(t)
	for _, s := range can {
		if s.Refused == "" {
			continue
		}
		t.Run(s.Name, func(t *testing.T) {
			env := NewEnv(t.Context(), m)
			defer env.Close()
			stacktest.Run(t, env, s)
		})
	}
}

// TestTranscripts runs one script through every stack. All must tell the same
// story as the one that package stacktest keeps.
func TestTranscripts(t *testing.T) {
	want, err := os.ReadFile("../scenarios/stacktest/testdata/transcript.txt")
	if err != nil {
		t.Fatal(err)
	}
	eachStack(t, func(t *testing.T, env *Env, s scenarios.Stack) {
		if s.Known["utf8"] != "" {
			t.Skip(s.Known["utf8"])
		}
		got, err := stacktest.Transcript(t.Context(), env, s)
		if s.Flaky != "" && err != nil {
			t.Skipf("%s: %v", s.Flaky, err)
		}
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("transcript of %s:\n%s\nwant:\n%s", s.Name, got, want)
		}
	})
}

// TestThousand has a thousand clients in one room, and a hundred messages to
// all of them, twenty where there is polling alone: every delivery is accounted
// for. On a flaky stack connections may break, but then their clients must know.
func TestThousand(t *testing.T) {
	const clients, messages = 1000, 100
	if err := needFiles(2 * clients); err != nil {
		t.Skip(err)
	}
	eachStack(t, func(t *testing.T, env *Env, s scenarios.Stack) {
		if s.Mode.Reconnect {
			t.Skip("a thousand clients of it are the cases deploy and storm of reconnect")
		}
		messages := messages
		if slices.Equal(s.Mode.Transports, pollingOnly.Transports) {
			messages /= 5 // each is up to a thousand requests
		}
		ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
		defer cancel()
		// The load is a burst; a slow machine must not make slow readers.
		cfg := scenarios.ServerConfig{Queue: 1 << 14, QueueBytes: 1 << 30}
		if s.Flaky != "" && len(s.Mode.Transports) > 1 {
			// What is left of broken connections blocks others until then.
			cfg.PingInterval, cfg.PingTimeout = 5*time.Second, 5*time.Second
		}
		node, err := env.Serve(ctx, s, s.Serving(cfg))
		if err != nil {
			t.Fatal(err)
		}
		crew, err := env.Clients(ctx, s)
		if err != nil {
			t.Fatal(err)
		}
		peers := make([]scenarios.Peer, clients)
		errs := make([]error, clients)
		var all sync.WaitGroup
		turn := make(chan struct{}, 16)
		for i := range peers {
			turn <- struct{}{}
			all.Go(func() {
				defer func() { <-turn }()
				peers[i], errs[i] = enter(ctx, crew, node.URL(), s, fmt.Sprint(i))
			})
		}
		all.Wait()
		if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
			if s.Flaky == "" {
				t.Fatalf("client %d: %v", i, errs[i])
			}
			t.Logf("client %d, and maybe others, did not get in: %v", i, errs[i])
		}
		// Those that a flaky server did not let in are no members.
		members := peers[:0]
		for i, p := range peers {
			if errs[i] == nil {
				members = append(members, p)
			}
		}
		if peers = members; len(peers) < clients/2 {
			t.Fatalf("of %d clients only %d got in", clients, len(peers))
		}
		lost, err := say(ctx, peers, messages, s.Flaky != "")
		if err != nil {
			t.Fatal(err)
		}
		last := int64(scenarios.FirstSeq + messages - 1)
		for lost[last] {
			last--
		}
		broke := 0
		for i, p := range peers {
			events, err := p.Await(ctx, func(events []scenarios.Event) bool {
				return heard(events, last) || isDown(events)
			})
			if err != nil {
				t.Fatalf("client %d: %v", i, err)
			}
			if isDown(events) {
				broke++
			}
			next := int64(scenarios.FirstSeq)
			for _, e := range events {
				if e.Kind != scenarios.EventMessage {
					continue
				}
				for lost[next] && e.Message.Seq != next {
					next++
				}
				if e.Message.Seq != next {
					t.Fatalf("client %d got message %d, want %d", i, e.Message.Seq, next)
				}
				next++
			}
		}
		if broke > 0 {
			t.Logf("%d of %d connections broke, and %d of %d messages were lost with their sender's: %s", broke, len(peers), len(lost), messages, s.Flaky)
			if s.Flaky == "" {
				t.Fail()
			}
		}
		if err := crew.Stop(ctx); err != nil {
			t.Error(err)
		}
		if err := node.Stop(ctx); err != nil && s.Flaky == "" {
			t.Error(err)
		}
		// With the connections gone, nothing can still be on its way.
		for i, p := range peers {
			if n := count(p.Events()); n > messages {
				t.Errorf("client %d got %d messages of %d", i, n, messages)
			}
		}
	})
}

// say sends messages to everybody. A sender whose connection breaks takes what
// it wrote with it; on a flaky stack each message is therefore awaited before
// the next, and the one that did not come back is lost: another client goes on.
func say(ctx context.Context, peers []scenarios.Peer, messages int, flaky bool) (lost map[int64]bool, err error) {
	lost = make(map[int64]bool)
	sender := 0
	for i := range messages {
		for sender < len(peers)-1 && isDown(peers[sender].Events()) {
			sender++
		}
		m := scenarios.Message{Room: "room", From: "0", Seq: scenarios.FirstSeq + int64(i), Body: "x"}
		if err := peers[sender].Send(ctx, m); err != nil && !flaky {
			return lost, err
		}
		if !flaky {
			continue
		}
		events, err := peers[sender].Await(ctx, func(events []scenarios.Event) bool {
			return heard(events, m.Seq) || isDown(events)
		})
		if err != nil {
			return lost, fmt.Errorf("client %d, who sends: %w", sender, err)
		}
		if !heard(events, m.Seq) {
			lost[m.Seq] = true
		}
	}
	return lost, nil
}

// heard reports whether a message has come.
func heard(events []scenarios.Event, seq int64) bool {
	return slices.ContainsFunc(events, func(e scenarios.Event) bool {
		return e.Kind == scenarios.EventMessage && e.Message.Seq == seq
	})
}

// isDown reports whether the client's last word was that it is down.
func isDown(events []scenarios.Event) bool {
	return slices.ContainsFunc(events, func(e scenarios.Event) bool { return e.Kind == scenarios.EventDown })
}

// enter connects a client, lets it come to its last transport and join. On a
// flaky stack it does so again if the connection broke, or if the server does
// not answer: a Socket.IO client would wait for that for ever.
func enter(ctx context.Context, crew scenarios.Crew, url string, s scenarios.Stack, name string) (p scenarios.Peer, err error) {
	if s.Flaky == "" {
		return enterOnce(ctx, crew, url, s, name)
	}
	for range 20 {
		limited, cancel := context.WithTimeout(ctx, 10*time.Second)
		p, err = enterOnce(limited, crew, url, s, name)
		cancel()
		if err == nil {
			break
		}
	}
	return p, err
}

func enterOnce(ctx context.Context, crew scenarios.Crew, url string, s scenarios.Stack, name string) (scenarios.Peer, error) {
	cfg := s.Dial(name)
	cfg.Greeting = "" // a thousand of them would be half a million messages
	p, err := crew.Dial(ctx, url, cfg)
	if err != nil {
		return nil, err
	}
	if _, err := p.Await(ctx, func(events []scenarios.Event) bool {
		return s.Settled(events) || isDown(events)
	}); err != nil {
		return nil, err
	}
	return p, p.Join(ctx, "room")
}

// count counts messages.
func count(events []scenarios.Event) (n int) {
	for _, e := range events {
		if e.Kind == scenarios.EventMessage {
			n++
		}
	}
	return n
}

// TestList checks what the tables rely on.
func TestList(t *testing.T) {
	names := make(map[string]scenarios.Stack)
	for _, s := range Stacks() {
		if _, ok := names[s.Name]; ok || s.Name == "" || s.About == "" || len(s.Mode.Transports) == 0 {
			t.Errorf("stack %+v is not complete, or there twice", s)
		}
		names[s.Name] = s
		twin, ok := names[s.Twin]
		socketIO := s.Protocol == scenarios.ProtocolEIO3 || s.Protocol == scenarios.ProtocolEIO4
		if socketIO && twin.Protocol != scenarios.ProtocolRaw || s.Twin != "" && !ok {
			t.Errorf("%s has the twin %q; it must be listed before, and for Socket.IO be a plain WebSocket", s.Name, s.Twin)
		}
		if ok && socketIO && ((twin.Server.Go == "") != (s.Server.Go == "") || (twin.Client.Go == "") != (s.Client.Go == "")) {
			t.Errorf("%s and its twin %s run on different runtimes", s.Name, s.Twin)
		}
	}
}

// TestArrows holds the arrows between the packages: down only.
func TestArrows(t *testing.T) {
	allowed := map[string][]string{
		"scenarios":           {},
		"scenarios/broadcast": {"scenarios"},
		"scenarios/class":     {},
		"scenarios/proxy":     {"scenarios", "scenarios/class"},
		"scenarios/fallback":  {"scenarios", "scenarios/class"},
		"scenarios/reconnect": {"scenarios"},
		"scenarios/stacktest": {"scenarios"},
		"rawws":               {"scenarios"},
		"sio":                 {"scenarios"},
		"internal/bare":       {"scenarios"},
		"internal/broken":     {"scenarios"},
		"internal/browser":    {},
		"internal/broker":     {"scenarios", "internal/daemon", "internal/netlab"},
		"internal/daemon":     {"scenarios", "internal/netlab", "internal/tail"},
		"internal/capture":    {"scenarios", "internal/dissect", "internal/netlab", "internal/record", "internal/report", "internal/wrap"},
		"internal/checkout":   {},
		"internal/dissect":    {"scenarios", "internal/wire"},
		"internal/floor":      {"scenarios"},
		"internal/inpage":     {"scenarios"},
		"internal/load":       {"scenarios", "internal/pacer", "internal/wire"},
		"internal/netlab":     {"scenarios", "internal/wire"},
		"internal/pacer":      {},
		"internal/record":     {"scenarios", "internal/stats"},
		"internal/reference":  {"scenarios", "internal/netlab", "internal/pacer", "internal/stats", "internal/worker"},
		"internal/regress":    {"internal/record", "internal/report", "internal/stats"},
		"internal/report":     {"scenarios", "internal/chart", "internal/page", "internal/record", "internal/stats", "internal/wrap"},
		"internal/slow":       {"scenarios"},
		"internal/stats":      {},
		"internal/streams":    {"scenarios"},
		"internal/tail":       {},
		"internal/trend":      {"scenarios", "internal/page", "internal/record", "internal/report"},
		"internal/wire":       {},
		"internal/worker":     {"scenarios", "internal/load", "internal/tail"},
		"bench":               {"scenarios", "scenarios/broadcast", "scenarios/fallback", "scenarios/proxy", "scenarios/reconnect", "rawws", "sio", "internal/bare", "internal/broker", "internal/browser", "internal/checkout", "internal/daemon", "internal/floor", "internal/inpage", "internal/load", "internal/netlab", "internal/record", "internal/streams", "internal/worker"},

		"lessons":                            {"scenarios", "internal/capture", "internal/page", "internal/record", "internal/report"},
		"lessons/exercise":                   {},
		"lessons/overhead":                   {},
		"lessons/overhead/solution":          {},
		"lessons/single-connection":          {},
		"lessons/single-connection/solution": {},
		"lessons/broadcast":                  {},
		"lessons/broadcast/solution":         {},
		"lessons/proxies":                    {},
		"lessons/proxies/solution":           {},
		"lessons/fallback":                   {},
		"lessons/fallback/solution":          {},
		"lessons/reconnect":                  {},
		"lessons/reconnect/solution":         {"lessons/reconnect"},
		"lessons/api":                        {},
		"lessons/api/solution":               {},

		"internal/codesize":    {"internal/checkout", "internal/record", "internal/report"},
		"internal/conformance": {"scenarios"},

		"internal/chart":         {"internal/wrap"},
		"internal/page":          {},
		"internal/wrap":          {},
		"internal/page/pagetest": {"internal/browser"},
	}
	third := map[string][]string{ // modules that only these packages may use
		"github.com/gorilla/websocket":      {"rawws", "sio", "internal/bare", "internal/broken", "internal/conformance", "internal/floor"},
		"github.com/googollee/go-socket.io": {"sio", "internal/conformance"},
		"github.com/redis/go-redis":         {"rawws"},
		"github.com/alicebob/miniredis":     {"internal/broker"},
		"github.com/chromedp":               {"internal/browser", "internal/inpage", "internal/page/pagetest"},
	}
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.ImportPath}} {{join .Imports \" \"}}", "wsvsio/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := strings.TrimPrefix(fields[0], "wsvsio/")
		may, listed := allowed[pkg]
		command := strings.HasPrefix(pkg, "cmd/")
		if !listed && !command {
			t.Errorf("package %s is not in this test: say what it may import", pkg)
		}
		for _, imported := range fields[1:] {
			if own, ok := strings.CutPrefix(imported, "wsvsio/"); ok && !command && !slices.Contains(may, own) {
				t.Errorf("%s imports %s", pkg, own)
			}
			if strings.HasPrefix(pkg, "scenarios") && strings.Contains(strings.Split(imported, "/")[0], ".") {
				t.Errorf("%s imports %s; the contract uses the standard library only", pkg, imported)
			}
			for module, users := range third {
				if (imported == module || strings.HasPrefix(imported, module+"/")) && !slices.Contains(users, pkg) {
					t.Errorf("%s imports %s", pkg, imported)
				}
			}
		}
	}
}
