package conformance

import (
	"context"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/goleak"

	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

func TestMain(m *testing.M) {
	// Under the race detector every process sleeps for a second as it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	worker.RunIfChild(worker.Programs{Program: {Path: scenarios.PathSIO, NewServer: NewServer}})
	goleak.VerifyTestMain(m)
}

// serve starts the server of a target with either timers, each in a process of
// its own.
func serve(t *testing.T, target Target) Servers {
	t.Helper()
	spec := worker.Spec{Name: "server of " + target.Name, Start: worker.Start{
		Role: worker.Server, Program: target.Server.Go, Addr: "127.0.0.1:0",
	}}
	if target.Server.Node != "" {
		root, err := filepath.Abs("../..")
		if err != nil {
			t.Fatal(err)
		}
		node, err := exec.LookPath("node")
		if err != nil {
			t.Skip("node is not installed")
		}
		if _, err := os.Stat(filepath.Join(root, target.Server.Packages, "node_modules")); err != nil {
			t.Skipf("%v; to add it: npm ci --prefix %s", err, target.Server.Packages)
		}
		spec.Argv = []string{node, filepath.Join(root, "internal/worker/node/worker.mjs")}
		spec.Start.Program = filepath.Join(root, target.Server.Node)
	}
	start := func(cfg scenarios.ServerConfig) string {
		spec.Start.Config = cfg
		p, err := worker.New(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { p.Kill() })
		return "http://" + p.Started.Addr
	}
	return Servers{Calm: start(Calm), Hasty: start(Hasty)}
}

// TestTargets holds what is known of the two libraries against them.
func TestTargets(t *testing.T) {
	for _, target := range Targets() {
		t.Run(target.Name, func(t *testing.T) {
			t.Parallel()
			results, err := target.Run(t.Context(), serve(t, target))
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range results {
				switch {
				case r.Surprise && r.Known != "":
					t.Errorf("%s is kept now: remove it from Known (%s)", r.Check.Name, r.Known)
				case r.Surprise:
					t.Errorf("%s: %s\nthe rule: %s", r.Check.Name, r.Seen, r.Check.Rule)
				case r.Tries > 1:
					t.Logf("flaky: %s took %d tries: %s", r.Check.Name, r.Tries, target.Flaky)
				case r.Outcome == Broken:
					t.Logf("known: %s: %s: %s", r.Check.Name, r.Known, r.Seen)
				}
			}
		})
	}
}

// TestChecks looks that the list says what a table needs.
func TestChecks(t *testing.T) {
	names := make(map[string]bool)
	for _, c := range Checks() {
		if names[c.Name] || c.Name == "" || c.Area == "" || c.Rule == "" || c.Where == "" {
			t.Errorf("check %q is not complete, or there twice", c.Name)
		}
		names[c.Name] = true
	}
	for _, target := range Targets() {
		for name := range target.Known {
			if !names[name] {
				t.Errorf("%s: Known names no check: %q", target.Name, name)
			}
		}
	}
}

// fault is one way in which a relay breaks what a server says.
type fault struct {
	replace  [2]string // in bodies and frames of the server
	first    bool      // of a payload only the first packet passes
	status   [2]int    // an answer with this status has that one
	keepOpen bool      // the client is not told that its WebSocket has ended
	dropUp   string    // a frame of the client that contains this does not pass
}

// The faults of several checks.
var (
	letIn = fault{status: [2]int{http.StatusBadRequest, http.StatusOK}}
	noPut = fault{status: [2]int{http.StatusOK, http.StatusBadRequest}}
	stays = fault{keepOpen: true}
)

func swap(old, new string) fault { return fault{replace: [2]string{old, new}} }

// faults are those that each check must notice.
var faults = map[string]fault{
	"open-polling":        swap(`"pingInterval"`, `"interval"`),
	"open-websocket":      swap(`"pingTimeout"`, `"timeout"`),
	"parameter-missing":   letIn,
	"version-unknown":     letIn,
	"transport-unknown":   letIn,
	"handshake-method":    letIn,
	"session-unknown":     letIn,
	"message-polling":     swap("ok", "no"),
	"message-websocket":   swap(`"x"`, `"y"`),
	"payload-up":          swap(`["echo","2"]`, `["echo","3"]`),
	"post-alone":          noPut,
	"payload-down":        {first: true},
	"text-polling":        swap("€", "?"),
	"text-websocket":      swap("🙂", "?"),
	"two-polls":           letIn,
	"damage-polling":      letIn,
	"damage-websocket":    stays,
	"heartbeat-polling":   swap("2", "6"),
	"heartbeat-websocket": swap("2", "3"),
	"ping-data":           swap("3hello", "3hullo"),
	"silence-polling":     letIn,
	"silence-websocket":   stays,
	"close-polling":       letIn,
	"close-websocket":     stays,
	"upgrade":             swap("3probe", "3"),
	"upgrade-meanwhile":   swap("ok", ""),
	"upgraded-polling":    letIn,
	"upgraded-websocket":  stays,
	"connect":             swap(`"sid"`, `"id"`),
	"namespace":           swap(`/custom,["echo"`, `["echo"`),
	"namespace-payload":   swap(`"123"`, `""`),
	"namespace-unknown":   swap("44/", "40/"),
	"namespace-refused":   swap("44/", "40/"),
	"connect-first":       stays,
	"connect-late":        stays,
	"leave":               swap(`"x"`, `"y"`),
	"left":                {dropUp: "41/custom"},
	"arguments":           swap("1.5", "1"),
	"ack":                 swap("4312", "4313"),
	"ack-zero":            swap("430", "43"),
	"ack-empty":           swap("[]", "[null]"),
	"ack-namespace":       swap("/custom,13", "13"),
	"ack-server":          swap("yes", "no"),
	"binary-websocket":    swap("\xfe\xff", "\xfe\xfe"),
	"binary-polling":      swap("AAH+/w==", "AAH+/g=="),
	"binary-framed":       swap("\xfe\xff", "\xfe\xfe"),
	"binary-two":          swap("\x01\x02", "\x02\x01"),
	"binary-ack":          swap("\x02\xff", "\x02\x00"),
	"packet-unknown":      stays,
	"payload-wrong":       stays,
	"id-wrong":            stays,
}

// TestFaults proves that each check can fail: a relay that leaves everything as
// it is changes no outcome, and one that breaks the rule breaks the check.
func TestFaults(t *testing.T) {
	for name := range faults {
		if !slices.ContainsFunc(Checks(), func(c Check) bool { return c.Name == name }) {
			t.Errorf("there is a fault for %q, but no check", name)
		}
	}
	behind := make(map[string]Servers)
	for _, target := range Targets() {
		t.Run(target.Name, func(t *testing.T) {
			behind[target.Name] = Servers{}
			servers := serve(t, target)
			proved := 0
			t.Run("checks", func(t *testing.T) {
				for _, c := range Checks() {
					if target.Known[c.Name] != "" || c.Only != 0 && c.Only != target.Version {
						continue
					}
					// Those that both keep are proved on the one with less to
					// spell in a payload.
					if target.Version == EIO3 && c.Only != EIO3 && SocketIO.Known[c.Name] == "" {
						continue
					}
					f, ok := faults[c.Name]
					if !ok {
						t.Errorf("%s: no fault proves that it can fail", c.Name)
						continue
					}
					proved++
					t.Run(c.Name, func(t *testing.T) {
						t.Parallel()
						if r := target.judge(t.Context(), c, through(t, servers, target.Version, fault{})); r.Outcome != Kept {
							t.Errorf("through a relay that changes nothing: %s", r.Seen)
						}
						err := c.Run(t.Context(), target.Version, through(t, servers, target.Version, f), 1500*time.Millisecond)
						if err == nil {
							t.Errorf("does not notice %+v", f)
						} else {
							t.Log(err)
						}
					})
				}
			})
			if proved == 0 {
				t.Error("nothing was proved")
			}
		})
	}
}

// through puts a relay with a fault before both servers.
func through(t *testing.T, s Servers, v Version, f fault) Servers {
	t.Helper()
	return Servers{Calm: relay(t, s.Calm, v, f), Hasty: relay(t, s.Hasty, v, f)}
}

// relay returns the URL of a relay.
func relay(t *testing.T, to string, v Version, f fault) string {
	ctx, cancel := context.WithCancel(context.Background())
	client := &http.Client{Transport: &http.Transport{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if websocket.IsWebSocketUpgrade(r) {
			f.frames(ctx, w, r, "ws"+strings.TrimPrefix(to, "http")+r.URL.String())
			return
		}
		f.request(ctx, client, w, r, to+r.URL.String(), v)
	}))
	t.Cleanup(func() {
		cancel()
		server.CloseClientConnections()
		server.Close()
		client.CloseIdleConnections()
	})
	return server.URL
}

// request passes on a request and its answer.
func (f fault) request(ctx context.Context, client *http.Client, w http.ResponseWriter, r *http.Request, url string, v Version) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(r.Context(), cancel)()
	out, err := http.NewRequestWithContext(ctx, r.Method, url, r.Body)
	if err != nil {
		return
	}
	out.Header = r.Header
	got, err := client.Do(out)
	if err != nil {
		return
	}
	defer got.Body.Close()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		return
	}
	body := f.change(string(text))
	if f.first && v == EIO4 {
		body, _, _ = strings.Cut(body, separator)
	}
	maps.Copy(w.Header(), got.Header)
	w.Header().Del("Content-Length")
	status := got.StatusCode
	if f.status[0] == status && (status != http.StatusOK || r.Method == http.MethodPost) {
		status = f.status[1]
		body = map[string]string{http.MethodGet: encodePayload(v, []packet{{kind: eioNoop}}), http.MethodPost: "ok"}[r.Method]
	}
	if f.replace[0] == "ok" && f.replace[1] == "" && r.Method == http.MethodPost && r.ContentLength > 10 {
		status = http.StatusInternalServerError
	}
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// change returns what the server says, with the fault in it.
func (f fault) change(text string) string {
	if f.replace[0] == "" {
		return text
	}
	return strings.ReplaceAll(text, f.replace[0], f.replace[1])
}

// frames passes on the frames of a WebSocket.
func (f fault) frames(ctx context.Context, w http.ResponseWriter, r *http.Request, url string) {
	server, answer, err := websocket.DefaultDialer.DialContext(ctx, url, nil)
	if err != nil {
		if answer != nil {
			w.WriteHeader(answer.StatusCode)
		}
		return
	}
	defer server.Close()
	client, err := (&websocket.Upgrader{}).Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer client.Close()
	defer context.AfterFunc(ctx, func() { client.Close(); server.Close() })()
	up := make(chan struct{})
	go func() {
		defer close(up)
		defer server.Close()
		for {
			kind, data, err := client.ReadMessage()
			if err != nil {
				return
			}
			if f.dropUp != "" && strings.Contains(string(data), f.dropUp) {
				continue
			}
			if server.WriteMessage(kind, data) != nil && !f.keepOpen {
				return
			}
		}
	}()
	for {
		kind, data, err := server.ReadMessage()
		if err != nil {
			break
		}
		if client.WriteMessage(kind, []byte(f.change(string(data)))) != nil {
			break
		}
	}
	if !f.keepOpen {
		client.Close()
	}
	<-up
}

// TestKnown holds that a check that is known to fail may pass by luck, and that one
// that always passes is noticed.
func TestKnown(t *testing.T) {
	for _, c := range []struct {
		name   string
		passes int // before it fails
		known  string
		want   Result
	}{
		{"fails at once", 0, "it fails", Result{Outcome: Broken, Tries: 1}},
		{"fails now and then", knownTries - 1, "it fails", Result{Outcome: Broken, Tries: knownTries}},
		{"does not fail any more", knownTries, "it fails", Result{Outcome: Kept, Tries: knownTries, Surprise: true}},
		{"was not known to fail", 0, "", Result{Outcome: Broken, Tries: 1, Surprise: true}},
		{"passes", knownTries, "", Result{Outcome: Kept, Tries: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			runs := 0
			check := Check{Name: "rigged", run: func(p *play) {
				if runs++; runs > c.passes {
					p.failf("broken")
				}
			}}
			target := Target{Version: EIO4}
			if c.known != "" {
				target.Known = map[string]string{check.Name: c.known}
			}
			got := target.judge(t.Context(), check, Servers{})
			if got.Outcome != c.want.Outcome || got.Tries != c.want.Tries || got.Surprise != c.want.Surprise || runs != c.want.Tries {
				t.Errorf("%s, %d tries, surprise %v; want %s, %d, %v", got.Outcome, got.Tries, got.Surprise, c.want.Outcome, c.want.Tries, c.want.Surprise)
			}
		})
	}
}

// TestMeet has each server meet a client of the other version.
func TestMeet(t *testing.T) {
	for _, tt := range []struct {
		target             Target
		polling, websocket []string
	}{
		// It lets the client in and speaks version 3 to it, which the client
		// cannot read, or does not take for an answer to its request.
		{GoSocketIO, []string{"status 200", `\xff0{`, "pingInterval"}, []string{"status 101", "pingInterval", `"40"`}},
		// It opens the WebSocket, and then writes the end of an HTTP answer.
		{SocketIO, []string{"status 400", "Unsupported protocol version"}, []string{"status 101", "websocket: "}},
	} {
		t.Run(tt.target.Name, func(t *testing.T) {
			t.Parallel()
			met, err := tt.target.Meet(t.Context(), serve(t, tt.target))
			if err != nil || len(met) != 2 {
				t.Fatal(met, err)
			}
			for i, want := range [][]string{tt.polling, tt.websocket} {
				for _, text := range want {
					if !strings.Contains(met[i].String(), text) {
						t.Errorf("%v lacks %s", met[i], text)
					}
				}
			}
		})
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := GoSocketIO.Run(ctx, Servers{Calm: "http://127.0.0.1:1", Hasty: "http://127.0.0.1:1"}); err != context.Canceled {
		t.Errorf("error %v", err)
	}
}
