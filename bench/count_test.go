package bench

import (
	"context"
	"net/url"
	"slices"
	"testing"
	"time"

	"wsvsio/internal/netlab"
	"wsvsio/internal/reference"
	"wsvsio/scenarios"
)

// countedLoads are loads of a moment, by what is particular about them.
var countedLoads = map[string]scenarios.LoadSpec{
	"steady":        {Clients: 5, Senders: 2, Size: 200, Warmup: 50, Rate: 200, Messages: 30},
	"saturation":    {Clients: 5, Size: 200, Warmup: 50, Saturate: 20 * time.Millisecond},
	"rooms":         {Clients: 6, Rooms: 3, Size: 20, Warmup: 50, Rate: 200, Messages: 30},
	"announcements": {Clients: 6, Rooms: 3, Announce: true, Size: 20, Warmup: 50, Rate: 200, Messages: 30},
	"churn":         {Clients: 5, Churners: 3, ChurnRate: 50, Size: 20, Warmup: 50, Rate: 200, Messages: 30},
	"silence":       {Clients: 5, Hold: 20 * time.Millisecond},
}

// TestBytes has the load generator run through a tap: whatever the stack, the
// transport and the load, the bytes that it reports of its phases are those
// that passed there, to the byte, and so are those that its system counted.
func TestBytes(t *testing.T) {
	m, can := look(t)
	for _, s := range can {
		if !s.IsFor("broadcast") {
			continue // nobody loads it
		}
		transports := []string{scenarios.WebSocket}
		if s.Protocol == scenarios.ProtocolEIO3 || s.Protocol == scenarios.ProtocolEIO4 {
			transports = append(transports, scenarios.Polling)
		}
		for _, transport := range transports {
			for name, spec := range countedLoads {
				if name != "steady" && !slices.Contains([]string{"rawws", "sio", "sio-node"}, s.Name) {
					continue // the server is one of theirs
				}
				spec.Transport, spec.Patience = transport, 10*time.Second
				t.Run(s.Name+"/"+transport+"/"+name, func(t *testing.T) {
					env := NewEnv(t.Context(), m)
					defer env.Close()
					compareBytes(t, env, s, spec)
				})
			}
		}
	}
}

func compareBytes(t *testing.T, env *Env, s scenarios.Stack, spec scenarios.LoadSpec) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	node, err := env.Serve(ctx, s, scenarios.ServerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(node.URL())
	if err != nil {
		t.Fatal(err)
	}
	tap, err := netlab.NewTap(ctx, u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer tap.Close()
	r, err := env.Load(ctx, s, reference.Behind(node, tap.URL()), spec)
	if err != nil {
		t.Fatal(err)
	}
	if r.Delivered != r.Expected || r.Dup != 0 || r.Died != 0 || (r.Delivered == 0) != (spec.Hold > 0) {
		t.Fatalf("%d deliveries of %d, %d doubled, %d connections ended: %s", r.Delivered, r.Expected, r.Dup, r.Died, r.Why)
	}
	want, err := tap.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var got scenarios.Count
	got.Kernel.Told = true
	for _, phase := range []scenarios.Count{r.Phases.Connect, r.Phases.Warmup, r.Phases.Window, r.Phases.Drain} {
		got.Up += phase.Up
		got.Down += phase.Down
		got.Kernel.Told = got.Kernel.Told && phase.Kernel.Told
		got.Kernel.Up += phase.Kernel.Up
		got.Kernel.Down += phase.Kernel.Down
	}
	if got.Up != want.Up || got.Down != want.Down {
		t.Errorf("the load generator reports %d bytes up and %d down, %d and %d passed: %d and %d too many; phases %+v",
			got.Up, got.Down, want.Up, want.Down, got.Up-want.Up, got.Down-want.Down, r.Phases)
	}
	if want.Up < r.Sent*int64(spec.Size) || want.Down < r.Delivered*int64(spec.Size) || want.Up == 0 {
		t.Errorf("%d bytes up and %d down are too few for %d messages and %d deliveries", want.Up, want.Down, r.Sent, r.Delivered)
	}
	// The system at both ends of the same connections.
	for _, k := range []struct {
		name string
		scenarios.Kernel
	}{{"the load generator", got.Kernel}, {"the tap", want.Kernel}} {
		if k.Told && (k.Up != want.Up || k.Down != want.Down) {
			t.Errorf("the system of %s counted %d bytes up and %d down, want %d and %d", k.name, k.Up, k.Down, want.Up, want.Down)
		}
	}
	if got.Kernel.Told != want.Kernel.Told {
		t.Errorf("the system told the load generator: %t, the tap: %t", got.Kernel.Told, want.Kernel.Told)
	}
	// At the start there are all connections, and they stay.
	if conns := r.Phases.Connect.Conns; conns != want.Conns {
		t.Errorf("the load generator reports %d connections, %d were there", conns, want.Conns)
	}
}
