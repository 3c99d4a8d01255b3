package reference

import (
	"context"
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"wsvsio/internal/floor"
	"wsvsio/internal/load"
	"wsvsio/internal/netlab"
	"wsvsio/rawws"
	"wsvsio/scenarios"
	"wsvsio/sio"
)

// inProcess is an environment for one server and one load in this process.
type inProcess struct {
	scenarios.Env
	t         *testing.T
	newServer scenarios.NewServer
	change    func(*scenarios.LoadReport) // of what is reported
}

type httpNode struct {
	scenarios.Node
	url  string
	stop func() error
}

func (n httpNode) URL() string                { return n.url }
func (n httpNode) Stop(context.Context) error { return n.stop() }

// Serve implements scenarios.Env.
func (e inProcess) Serve(_ context.Context, s scenarios.Stack, cfg scenarios.ServerConfig) (scenarios.Node, error) {
	chat, err := e.newServer(cfg)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle(s.Path(), chat)
	server := &http.Server{Handler: mux}
	go server.Serve(l)
	stop := func() error {
		return errors.Join(chat.Shutdown(context.Background()), server.Close())
	}
	e.t.Cleanup(func() { stop() })
	return httpNode{url: "http://" + l.Addr().String(), stop: stop}, nil
}

// Load implements scenarios.Env.
func (e inProcess) Load(ctx context.Context, s scenarios.Stack, n scenarios.Node, spec scenarios.LoadSpec) (r scenarios.LoadReport, err error) {
	g, err := load.Connect(ctx, s.Protocol, n.URL(), s.Path(), spec)
	if err != nil {
		return r, err
	}
	defer g.Close()
	if err := g.Warm(ctx); err != nil {
		return r, err
	}
	if err := g.Window(ctx); err != nil {
		return r, err
	}
	if r, err = g.Report(ctx); err == nil && e.change != nil {
		e.change(&r)
	}
	return r, err
}

var (
	delays  = netlab.DelayOptions{Up: 2 * time.Millisecond, Down: 3 * time.Millisecond}
	loading = scenarios.LoadSpec{Clients: 3, Size: 200, Warmup: 30, Rate: 500, Messages: 40, Patience: 10 * time.Second}
)

// TestDelay follows every message of a load through the relay, masked and
// unmasked, in each of the protocols. That what is reported is close to the
// record is for an experiment to show; here it cannot be below the delays.
func TestDelay(t *testing.T) {
	for _, tt := range []struct {
		stack     scenarios.Stack
		newServer scenarios.NewServer
	}{
		{scenarios.Stack{Name: "floor", Protocol: scenarios.ProtocolFloor}, floor.NewServer},
		{scenarios.Stack{Name: "rawws", Protocol: scenarios.ProtocolRaw}, rawws.NewServer},
		{scenarios.Stack{Name: "sio", Protocol: scenarios.ProtocolEIO3}, sio.NewServer},
	} {
		t.Run(tt.stack.Name, func(t *testing.T) {
			got, err := Delay(t.Context(), inProcess{t: t, newServer: tt.newServer}, tt.stack, delays, loading)
			if err != nil {
				t.Fatal(err)
			}
			deliveries := int64(loading.Messages * loading.Clients)
			least := (delays.Up + delays.Down).Seconds()
			for name, a := range map[string]Agreement{"from the write": got.FromWrite, "from the due time": got.FromDue} {
				if a.Reported.N != deliveries || a.Recorded.N != deliveries {
					t.Errorf("%s: %d latencies reported, %d recorded, want %d", name, a.Reported.N, a.Recorded.N, deliveries)
				}
				// A histogram keeps three digits.
				if a.Recorded.P50 < least || a.Reported.P50 < least*.999 {
					t.Errorf("%s: p50 reported %v s, recorded %v s, with delays of %v s", name, a.Reported.P50, a.Recorded.P50, least)
				}
				if a.P50 != a.Reported.P50-a.Recorded.P50 || a.P99 != a.Reported.P99-a.Recorded.P99 {
					t.Errorf("%s: differences %v and %v", name, a.P50, a.P99)
				}
			}
			if got.Late.N != deliveries || got.Late.P50 < 0 {
				t.Errorf("lateness %+v", got.Late)
			}
		})
	}
}

// TestDelayFinds what the report has and the relay has not seen.
func TestDelayFinds(t *testing.T) {
	stack := scenarios.Stack{Name: "rawws", Protocol: scenarios.ProtocolRaw}
	for name, change := range map[string]func(*scenarios.LoadReport){
		"one lost":    func(r *scenarios.LoadReport) { r.Delivered-- },
		"one doubled": func(r *scenarios.LoadReport) { r.Dup++ },
		"one unsent":  func(r *scenarios.LoadReport) { r.Sent-- },
	} {
		env := inProcess{t: t, newServer: rawws.NewServer, change: change}
		if _, err := Delay(t.Context(), env, stack, delays, loading); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
