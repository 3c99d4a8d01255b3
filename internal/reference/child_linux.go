package reference

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"wsvsio/internal/worker"
	"wsvsio/scenarios"
)

// childArg is the first argument of a process of this package; the second is
// its role.
const childArg = "wsvsio-reference"

// The roles.
const (
	roleSource   worker.Role = "source"
	roleReceiver worker.Role = "receiver"
)

// RunIfChild turns this process into one of this package's if it was started as
// such, and then does not return. A main function that calls Receive or Codecs
// calls it first, before that of package worker; so does a TestMain.
func RunIfChild() {
	if len(os.Args) != 3 || os.Args[1] != childArg {
		return
	}
	c := &child{role: worker.Role(os.Args[2])}
	if err := c.serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// child is a process's end of the control pipe, which package worker describes.
// The receiver answers the requests of a load generator. It does one thing
// after the other, on one thread.
type child struct {
	role     worker.Role
	source   *source
	receiver *receiver
	spec     scenarios.LoadSpec
	report   *scenarios.LoadReport
}

// serve answers requests until the input ends or it was told to stop.
func (c *child) serve(in io.Reader, out io.Writer) error {
	runtime.LockOSThread()
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return nil // the harness is gone
		}
		var request struct {
			ID   int64
			Cmd  string
			Args json.RawMessage
		}
		if err := json.Unmarshal(line, &request); err != nil {
			return fmt.Errorf("reference: control pipe: %w", err)
		}
		reply := struct {
			ID     int64  `json:"id"`
			Result any    `json:"result,omitempty"`
			Error  string `json:"error,omitempty"`
		}{ID: request.ID}
		if reply.Result, err = c.do(request.Cmd, request.Args); err != nil {
			reply.Error = err.Error()
		}
		answer, err := json.Marshal(reply)
		if err != nil {
			return fmt.Errorf("reference: control pipe: %w", err)
		}
		if _, err := out.Write(append(answer, '\n')); err != nil || request.Cmd == "stop" {
			return nil
		}
	}
}

func (c *child) do(cmd string, args json.RawMessage) (any, error) {
	if cmd != "start" && cmd != "stop" && c.role == roleSource {
		return nil, fmt.Errorf("%s: this is a source", cmd)
	}
	switch cmd {
	case "start":
		started := worker.Started{Protocol: worker.Version, PID: os.Getpid(), Runtime: runtime.Version()}
		var err error
		if c.role == roleSource {
			started.Addr, err = c.listen()
		} else {
			// As a load generator has it (see package worker): a system call that
			// takes its time costs more with one.
			runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
		}
		return started, err
	case "usage":
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return scenarios.Usage{Mallocs: float64(m.Mallocs)}, nil
	case "connect":
		return struct{}{}, c.connect(args)
	case "warm":
		return struct{}{}, c.warm()
	case "window":
		return struct{}{}, c.window()
	case "report":
		if c.report == nil {
			return nil, errors.New("there was no window")
		}
		return c.report, nil
	case "stop":
		if c.receiver != nil {
			c.receiver.close()
		}
		if c.source != nil {
			c.source.close()
		}
		return struct{}{}, nil
	}
	return nil, fmt.Errorf("unknown command %q", cmd)
}

func (c *child) listen() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	if c.source, err = newSource(); err != nil {
		return "", err
	}
	server := http.Server{Handler: c.source, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(l)
	return l.Addr().String(), nil
}

func (c *child) connect(args json.RawMessage) error {
	var a worker.ConnectArgs
	if err := json.Unmarshal(args, &a); err != nil {
		return fmt.Errorf("connect: arguments: %w", err)
	}
	r, err := newReceiver(a.Spec.Size)
	if err != nil {
		return err
	}
	c.receiver, c.spec = r, a.Spec
	return r.connect(a.URL, a.Path, a.Spec.Clients)
}

func (c *child) warm() error {
	if c.receiver == nil {
		return errors.New("warm: connect comes first")
	}
	if c.spec.Warmup == 0 {
		return nil
	}
	if err := c.receiver.delay(); err != nil {
		return err
	}
	return c.receiver.run((c.spec.Warmup+c.spec.Clients-1)/c.spec.Clients, 0)
}

func (c *child) window() error {
	if c.receiver == nil {
		return errors.New("window: connect comes first")
	}
	r := c.receiver
	if err := r.delay(); err != nil {
		return err
	}
	segs, err := r.segs()
	if err != nil {
		return err
	}
	spun := r.pacer.Spun()
	before, err := cpuTime()
	if err != nil {
		return err
	}
	if err := r.run(c.spec.Messages, c.spec.Rate); err != nil {
		return err
	}
	after, err := cpuTime()
	if err != nil {
		return err
	}
	n := int64(c.spec.Messages)
	report := &scenarios.LoadReport{
		Sent: n, Expected: n * int64(c.spec.Clients), Delivered: r.delivered,
		// As the load generator does: the price of being on time is left out.
		ClientCPU: after - before - (r.pacer.Spun() - spun),
	}
	report.Phases.Window.Up, report.Phases.Window.Down = r.up, r.down
	sent, err := r.segs()
	if err != nil {
		return err
	}
	report.Phases.Window.Kernel.SegsUp = sent - segs
	at := func(percent float64) float64 { return float64(r.latency.ValueAtPercentile(percent)) / 1e9 }
	report.Latency = scenarios.Quantiles{
		N: r.latency.TotalCount(), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(r.latency.Max()) / 1e9,
	}
	c.report = report
	return nil
}

// cpuTime is what this process has used, user and system, all threads.
func cpuTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, os.NewSyscallError("getrusage", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
