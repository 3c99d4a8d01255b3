package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"wsvsio/internal/tail"
	"wsvsio/scenarios"
)

// misbehave is a chat that goes wrong as the name in its config says.
func misbehave(cfg scenarios.ServerConfig) (scenarios.Server, error) {
	switch cfg.Node {
	case "refuse":
		return nil, errors.New("no chat today")
	case "crash":
		fmt.Fprintln(os.Stderr, strings.Repeat("noise ", 2000)+"and the last words")
		os.Exit(3)
	case "hang":
		select {}
	case "babble":
		fmt.Println("this is not JSON")
	}
	return quiet{cfg: cfg, hang: cfg.Node == "linger"}, nil
}

// quiet is a chat that says nothing but how it is set up.
type quiet struct {
	cfg  scenarios.ServerConfig
	hang bool
}

func (q quiet) ServeHTTP(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(q.cfg) }

func (q quiet) Shutdown(ctx context.Context) error {
	if q.hang {
		<-ctx.Done()
		return ctx.Err()
	}
	return nil
}

func (quiet) Join(context.Context, string) error                { return nil }
func (quiet) Leave(context.Context, string) error               { return errors.New("cannot leave") }
func (quiet) Send(context.Context, scenarios.Message) error     { return nil }
func (quiet) Announce(context.Context, scenarios.Message) error { return nil }
func (quiet) Close() error                                      { return nil }

// dial is a client that sees a thousand messages at once.
func dial(_ context.Context, url string, _ scenarios.DialConfig, on func(scenarios.Event)) (scenarios.Client, error) {
	if url == "" {
		return nil, errors.New("nobody there")
	}
	for i := range 1000 {
		on(scenarios.Event{Kind: scenarios.EventMessage, Message: scenarios.Message{Seq: int64(i)}})
	}
	return quiet{}, nil
}

func TestMain(m *testing.M) {
	// Under the race detector every process sleeps for a second as it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	RunIfChild(Programs{"test": {Path: "/", NewServer: misbehave, Dial: dial}})
	os.Exit(m.Run())
}

func server(how string) Spec {
	return Spec{Name: "server", Start: Start{
		Role: Server, Program: "test", Addr: "127.0.0.1:0",
		Config: scenarios.ServerConfig{Node: how},
	}}
}

func mustStart(t *testing.T, spec Spec) *Process {
	t.Helper()
	p, err := New(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Kill() })
	return p
}

func TestServer(t *testing.T) {
	p := mustStart(t, server(""))
	if p.Started.Protocol != Version || p.Started.PID != p.PID() || !strings.HasPrefix(p.Started.Addr, "127.0.0.1:") {
		t.Errorf("started %+v", p.Started)
	}
	resp, err := http.Get("http://" + p.Started.Addr)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	u, err := p.Usage(t.Context())
	if err != nil || u.CPU <= 0 || u.Mallocs <= 0 || u.AllocBytes <= 0 || u.HeapBytes <= 0 || u.Goroutines < 1 {
		t.Errorf("usage %+v: %v", u, err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
	if _, err := p.Usage(t.Context()); err == nil {
		t.Error("a worker that has ended still answers")
	}
}

// TestClock compares the clocks of two processes with a third reading between.
func TestClock(t *testing.T) {
	var at []int64
	done := make(chan struct{})
	p := mustStart(t, Spec{
		Name:  "clients",
		Start: Start{Role: Clients, Program: "test"},
		OnEvent: func(client int, e scenarios.Event) {
			if client != 7 {
				t.Errorf("event of client %d, want 7", client)
			}
			if at = append(at, e.At); len(at) == 1001 { // the attempt, too
				close(done)
			}
		},
	})
	before := Now()
	if err := p.Call(t.Context(), "dial", ClientArgs{Client: 7, URL: "http://x"}, nil); err != nil {
		t.Fatal(err)
	}
	after := Now()
	<-done
	for i, now := range at {
		if now < before || now > after || i > 0 && now < at[i-1] {
			t.Fatalf("event %d at %d, outside %d … %d or before the last", i, now, before, after)
		}
	}
}

// TestRefusals are answers; the worker goes on.
func TestRefusals(t *testing.T) {
	p := mustStart(t, Spec{Name: "clients", Start: Start{Role: Clients, Program: "test"}})
	ctx := t.Context()
	for _, tt := range []struct {
		cmd  string
		args any
		want string
	}{
		{"dance", struct{}{}, `unknown command "dance"`},
		{"join", ClientArgs{Client: 3}, "no client 3"},
		{"join", "text", "join: arguments"},
		{"window", struct{}{}, "this worker is a clients"},
		{"dial", ClientArgs{}, "nobody there"},
	} {
		err := p.Call(ctx, tt.cmd, tt.args, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want one with %q", tt.cmd, err, tt.want)
		}
	}
	if err := p.Call(ctx, "dial", ClientArgs{Client: 1, URL: "http://x"}, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Call(ctx, "leave", ClientArgs{Client: 1}, nil); err == nil || !strings.Contains(err.Error(), "cannot leave") {
		t.Errorf("leave: %v", err)
	}
	if err := p.Call(ctx, "join", ClientArgs{Client: 1}, nil); err != nil {
		t.Errorf("join: %v", err)
	}
}

// TestPrints starts a server whose library prints to standard output, which is
// where the control pipe is.
func TestPrints(t *testing.T) {
	p, err := New(t.Context(), server("babble"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStartFails(t *testing.T) {
	for _, tt := range []struct {
		name string
		spec Spec
		want []string
	}{
		{"refused", server("refuse"), []string{"no chat today"}},
		{"crash", server("crash"), []string{"exit status 3", "stderr ends with", "the last words"}},
		{"babble", Spec{Name: "x", Argv: []string{"/bin/sh", "-c", "echo this is not JSON; read line"}}, []string{"control pipe", "this is not JSON"}},
		{"role", Spec{Name: "x", Start: Start{Role: "cook"}}, []string{`unknown role "cook"`}},
		{"program", Spec{Name: "x", Start: Start{Role: Clients, Program: "no"}}, []string{`no program "no"`}},
		{"codec", Spec{Name: "x", Start: Start{Role: Load, Program: "no"}}, []string{`no codec`}},
		{"address", Spec{Name: "x", Start: Start{Role: Server, Program: "test", Addr: "127.0.0.1:99999"}}, []string{"invalid port"}},
		{"argv", Spec{Name: "x", Argv: []string{"/nonexistent/program"}}, []string{"/nonexistent/program", "no such file"}},
		{"silent", Spec{Name: "x", Argv: []string{"/bin/sh", "-c", "exit 0"}}, []string{"process ended by itself"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(t.Context(), tt.spec)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %v\nlacks %q", err, want)
				}
			}
			if len(err.Error()) > tail.Size+1000 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
		})
	}
}

// TestDefaults has workers fill in what they are not told, in Go and in Node.
func TestDefaults(t *testing.T) {
	told := scenarios.ServerConfig{Node: "a", Queue: 7, Behind: scenarios.Behind{Trusted: 1}}
	program := filepath.Join(t.TempDir(), "server.mjs")
	const chat = `import { createServer } from 'node:http';
export function newServer(config) {
  const http = createServer((req, res) => res.end(JSON.stringify(config)));
  return { http, shutdown() { http.close(); } };
}
`
	if err := os.WriteFile(program, []byte(chat), 0o666); err != nil {
		t.Fatal(err)
	}
	specs := []Spec{{Name: "Go", Start: Start{Program: "test"}}}
	if node, err := exec.LookPath("node"); err == nil {
		specs = append(specs, Spec{Name: "Node", Argv: []string{node, "node/worker.mjs"}, Start: Start{Program: program}})
	}
	for _, spec := range specs {
		spec.Start.Role, spec.Start.Addr, spec.Start.Config = Server, "127.0.0.1:0", told
		p := mustStart(t, spec)
		resp, err := http.Get("http://" + p.Started.Addr)
		if err != nil {
			t.Fatal(err)
		}
		var got scenarios.ServerConfig
		err = json.NewDecoder(resp.Body).Decode(&got)
		resp.Body.Close()
		if want := told.WithDefaults(); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v, want %+v", spec.Name, got, err, want)
		}
	}
}

func TestVersion(t *testing.T) {
	p := mustStart(t, server(""))
	want := fmt.Sprintf("control protocol %d, not 99", Version)
	for _, args := range []any{Start{Protocol: 99, Role: Server}, map[string]any{"protocol": 99, "hue": "blue"}} {
		err := p.Call(t.Context(), "start", args, nil)
		if !errors.Is(err, ErrVersion) || errors.Is(err, ErrField) || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want one with %q", args, err, want)
		}
	}
}

// TestHang ends a start that never answers with the caller's context.
func TestHang(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := New(ctx, server("hang")); !errors.Is(err, context.Canceled) && !strings.Contains(fmt.Sprint(err), "killed") {
		t.Errorf("error %v, want one that says the context ended", err)
	}
}

// TestEnds has the process gone in every way that it can go.
func TestEnds(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, p *Process, cancel func()){
		"stop": func(t *testing.T, p *Process, _ func()) {
			if err := p.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		},
		"kill":         func(t *testing.T, p *Process, _ func()) { p.Kill() },
		"context":      func(t *testing.T, p *Process, cancel func()) { cancel() },
		"end of input": func(t *testing.T, p *Process, _ func()) { p.stdin.Close() },
		"paused, then killed": func(t *testing.T, p *Process, _ func()) {
			if err := p.Pause(); err != nil {
				t.Error(err)
			}
			p.Kill()
		},
		"paused, then stopped": func(t *testing.T, p *Process, _ func()) {
			p.Pause()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := p.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("to stop a paused worker: %v", err)
			}
		},
		"paused, with a pipe that is full": func(t *testing.T, p *Process, _ func()) {
			p.Pause()
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			for range 3 {
				err := p.Call(ctx, "send", ClientArgs{Room: strings.Repeat("x", 200_000)}, nil)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("a request to a paused worker: %v", err)
				}
			}
			p.Kill()
		},
		"paused, resumed, stopped": func(t *testing.T, p *Process, _ func()) {
			p.Pause()
			p.Resume()
			if err := p.Stop(t.Context()); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			p, err := New(ctx, server(""))
			if err != nil {
				t.Fatal(err)
			}
			end(t, p, cancel)
			select {
			case <-p.Exited():
			case <-time.After(10 * time.Second):
				t.Fatal("the process is still there")
			}
			if err := p.Call(t.Context(), "usage", nil, nil); err == nil {
				t.Error("a process that has ended answers")
			}
		})
	}
}

// TestLinger has a chat that does not shut down: Stop says so and ends it.
func TestLinger(t *testing.T) {
	p := mustStart(t, server("linger"))
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := p.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("stop: %v", err)
	}
	<-p.Exited()
}

// TestCPU compares the process's CPU clock with what it says itself.
func TestCPU(t *testing.T) {
	p := mustStart(t, server(""))
	before, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	u, err := p.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	after, err := p.CPU()
	if err != nil {
		t.Fatal(err)
	}
	// getrusage counts in microseconds.
	if u.CPU < before-time.Microsecond || u.CPU > after+time.Microsecond {
		t.Errorf("the worker has used %v, its clock shows %v before and %v after", u.CPU, before, after)
	}
}

func FuzzReply(f *testing.F) {
	f.Add([]byte(`{"id":1,"result":{}}`))
	f.Add([]byte(`{"id":1,"error":"no"}`))
	f.Add([]byte(`{"client":3,"event":{"kind":"up","at":1}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseReply(line)
		if event, answer := r.Event != nil, r.ID != 0 || r.Error != ""; err == nil && event == answer {
			t.Errorf("%q is taken for both or neither: %+v", line, r)
		}
	})
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"id":1,"cmd":"start","args":{}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRequest(line)
		if err == nil && (r.ID <= 0 || r.Cmd == "") {
			t.Errorf("%q is taken for a request: %+v", line, r)
		}
	})
}
