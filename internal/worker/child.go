package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"sync"
	"time"

	"wsvsio/internal/load"
	"wsvsio/scenarios"
)

// childEnv marks a process that is a worker, and says its role to whoever
// lists the processes.
const childEnv = "WSVSIO_WORKER"

// Program is a chat in this binary.
type Program struct {
	Path      string // where the server is mounted
	NewServer scenarios.NewServer
	Dial      scenarios.Dial

	// Pages is there instead of Dial for clients that are pages in a browser,
	// which listens at an address and is given npm packages from a folder. It
	// returns what closes them all, too.
	Pages func(address, packages string) (scenarios.Dial, func() error)
}

// Programs are the chats in this binary, by the name a Stack gives them.
type Programs map[string]Program

// RunIfChild turns this process into a worker if it was started as one, and
// then does not return. A main function calls it first, and so does the
// TestMain of a package whose tests start workers.
func RunIfChild(programs Programs) {
	if os.Getenv(childEnv) == "" {
		return
	}
	// What a worker of this one would start is no worker by inheritance.
	os.Unsetenv(childEnv)
	// Libraries print to standard output, go-socket.io does: that is for the
	// control pipe alone.
	pipe := os.Stdout
	os.Stdout = os.Stderr
	c := &child{programs: programs, out: bufio.NewWriterSize(pipe, 64<<10)}
	c.flush = make(chan struct{}, 1)
	go c.flusher()
	c.serve(os.Stdin)
	// Standard input has ended: the harness is gone or wants this to be.
	os.Exit(0)
}

// child is a worker's end of the pipe.
type child struct {
	programs Programs

	mu    sync.Mutex
	out   *bufio.Writer
	flush chan struct{}

	// Set by start, and not changed afterwards.
	role    Role
	program Program
	chat    scenarios.Server
	http    *http.Server
	close   func() error       // of the pages; nil if there are none
	target  scenarios.Protocol // what the load generator speaks

	clients sync.Map // int -> scenarios.Client
	load    *load.Generator
	memory  [2]float64 // of the load generator, before and after it connected
}

// serve answers requests until the input ends. Each is answered in a
// goroutine of its own: a join waits for the server, and a close must be able
// to overtake it.
func (c *child) serve(in io.Reader) {
	lines := bufio.NewReaderSize(in, 64<<10)
	started := false
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 1 {
			switch r, err := parseRequest(line); {
			case err != nil:
				c.write(reply{Error: err.Error()})
			case !started:
				// The others depend on it, so it is not concurrent.
				started = c.answer(r)
			default:
				go c.answer(r)
			}
		}
		if err != nil {
			return
		}
	}
}

// answer runs a request and reports whether it succeeded.
func (c *child) answer(r request) bool {
	result, err := c.do(r)
	if err != nil {
		c.write(reply{ID: r.ID, Error: err.Error()})
		return false
	}
	data, err := json.Marshal(result)
	if err != nil {
		c.write(reply{ID: r.ID, Error: err.Error()})
		return false
	}
	c.write(reply{ID: r.ID, Result: data})
	if r.Cmd == "stop" {
		c.mu.Lock()
		c.out.Flush()
		os.Exit(0)
	}
	return true
}

// write queues a line; flusher sends what has queued up, so that a hundred
// thousand events are not as many system calls.
func (c *child) write(r reply) {
	line, err := json.Marshal(r)
	if err != nil {
		panic(err) // it is made of strings, integers and checked JSON
	}
	c.mu.Lock()
	c.out.Write(line)
	c.out.WriteByte('\n')
	c.mu.Unlock()
	select {
	case c.flush <- struct{}{}:
	default:
	}
}

func (c *child) flusher() {
	for range c.flush {
		c.mu.Lock()
		err := c.out.Flush()
		c.mu.Unlock()
		if err != nil {
			os.Exit(0) // nobody listens any more
		}
	}
}

// do runs one request.
func (c *child) do(r request) (any, error) {
	ctx := context.Background()
	var a ClientArgs
	if c.role == "" && r.Cmd != "start" {
		return nil, fmt.Errorf("%s: the first request must be start", r.Cmd)
	}
	switch r.Cmd {
	case "start":
		var s Start
		if err := r.version(); err != nil {
			return nil, err
		}
		if err := r.into(&s); err != nil {
			return nil, err
		}
		return c.start(s)
	case "usage":
		return usage()
	case "stop":
		return struct{}{}, c.stop()
	case "dial", "join", "leave", "send", "announce", "close":
		if c.role != Clients {
			return nil, fmt.Errorf("%s: this worker is a %s", r.Cmd, c.role)
		}
		if err := r.into(&a); err != nil {
			return nil, err
		}
	case "connect", "warm", "window", "report":
		if c.role != Load {
			return nil, fmt.Errorf("%s: this worker is a %s", r.Cmd, c.role)
		}
	default:
		return nil, fmt.Errorf("unknown command %q", r.Cmd)
	}

	switch r.Cmd {
	case "connect":
		var a ConnectArgs
		if err := r.into(&a); err != nil {
			return nil, err
		}
		c.memory[0] = resident()
		g, err := load.Connect(ctx, c.target, a.URL, a.Path, a.Spec)
		if err != nil {
			return nil, err
		}
		c.memory[1] = resident()
		c.load = g
		return struct{}{}, nil
	case "warm", "window", "report":
		if c.load == nil {
			return nil, fmt.Errorf("%s: connect comes first", r.Cmd)
		}
		switch r.Cmd {
		case "warm":
			return struct{}{}, c.load.Warm(ctx)
		case "window":
			return struct{}{}, c.load.Window(ctx)
		}
		r, err := c.load.Report(ctx)
		r.ClientMemory = c.memory
		return r, err
	case "dial":
		return struct{}{}, c.dial(ctx, a)
	}

	v, ok := c.clients.Load(a.Client)
	if !ok {
		return nil, fmt.Errorf("%s: no client %d", r.Cmd, a.Client)
	}
	client := v.(scenarios.Client)
	switch r.Cmd {
	case "join":
		return struct{}{}, client.Join(ctx, a.Room)
	case "leave":
		return struct{}{}, client.Leave(ctx, a.Room)
	case "send":
		return struct{}{}, client.Send(ctx, a.Message)
	case "announce":
		return struct{}{}, client.Announce(ctx, a.Message)
	default:
		c.clients.Delete(a.Client) // its number is not used again
		return struct{}{}, client.Close()
	}
}

// start sets the worker up for its role.
func (c *child) start(s Start) (Started, error) {
	if c.role != "" {
		return Started{}, fmt.Errorf("this worker was started before, as a %s", c.role)
	}
	answer := Started{Protocol: Version, PID: os.Getpid(), Runtime: runtime.Version()}
	switch s.Role {
	case Load:
		// The event loop does not yield while it waits for a due time; who
		// asks must be heard meanwhile, even on a single core.
		runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
		c.target = scenarios.Protocol(s.Program)
		if _, err := load.NewCodec(c.target); err != nil {
			return answer, err
		}
	case Server, Clients:
		p, ok := c.programs[s.Program]
		if !ok {
			return answer, fmt.Errorf("no program %q in this binary", s.Program)
		}
		c.program = p
	default:
		return answer, fmt.Errorf("unknown role %q", s.Role)
	}
	if s.Role == Clients && c.program.Pages != nil {
		c.program.Dial, c.close = c.program.Pages(s.Browser, s.Packages)
	}
	if s.Role == Server {
		addr, err := c.listen(s)
		if err != nil {
			return answer, err
		}
		answer.Addr = addr
	}
	c.role = s.Role
	return answer, nil
}

// listen starts the server and returns its address.
func (c *child) listen(s Start) (string, error) {
	chat, err := c.program.NewServer(s.Config.WithDefaults())
	if err != nil {
		return "", fmt.Errorf("server: %w", err)
	}
	l, err := net.Listen("tcp", s.Addr)
	if err != nil {
		return "", fmt.Errorf("server: %w", err)
	}
	mux := http.NewServeMux()
	mux.Handle(c.program.Path, chat)
	c.chat = chat
	c.http = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := c.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
	}()
	return l.Addr().String(), nil
}

// dial opens one client and passes on what it sees.
func (c *child) dial(ctx context.Context, a ClientArgs) error {
	on := func(e scenarios.Event) {
		e.At = Now()
		c.write(reply{Client: a.Client, Event: &e})
	}
	on(scenarios.Event{Kind: scenarios.EventAttempt, Reason: "asked to"})
	client, err := c.program.Dial(ctx, a.URL, a.Config, on)
	if err != nil {
		return err
	}
	c.clients.Store(a.Client, client)
	return nil
}

// stopLimit is how long the chat may take to shut down.
const stopLimit = 5 * time.Second

// stop shuts down what the worker holds.
func (c *child) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	if c.load != nil {
		c.load.Close()
	}
	var closing sync.WaitGroup
	c.clients.Range(func(_, v any) bool {
		closing.Go(func() { v.(scenarios.Client).Close() })
		return true
	})
	closing.Wait()
	if c.close != nil {
		return c.close()
	}
	if c.chat == nil {
		return nil
	}
	if err := c.chat.Shutdown(ctx); err != nil {
		return fmt.Errorf("the chat did not shut down within %v: %w", stopLimit, err)
	}
	if err := c.http.Shutdown(ctx); err != nil {
		return fmt.Errorf("a request did not end within %v: %w", stopLimit, err)
	}
	return nil
}
