package worker

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"wsvsio/internal/tail"
	"wsvsio/scenarios"
)

// Spec says which worker to start and how.
type Spec struct {
	// Name is what errors call it: "server of sio".
	Name string

	// Argv is the command line of a worker that is not this binary.
	Argv []string

	// CPUs are the cores that it may run on; none means all.
	CPUs []int

	Start Start

	// OnEvent takes what the clients see, one at a time.
	OnEvent func(client int, e scenarios.Event)
}

// Process is a running worker, seen from the harness.
type Process struct {
	Started Started

	ctx    context.Context
	spec   Spec
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan []byte // to stdin; a worker that hangs does not read it
	stderr tail.Tail
	exited chan struct{} // closed once the process has been waited for
	forget func() bool   // undoes the tie to the context
	asked  atomic.Bool   // it was asked to end, or made to

	mu      sync.Mutex
	lastID  int64
	waiting map[int64]chan reply
	err     error // how it ended; set before exited is closed
}

// startLimit is how long a worker may take until it answers the first
// request; Node needs 0.1 s, under load on a small machine ten times that.
const startLimit = 20 * time.Second

// ErrVersion is wrapped by the errors of New and Call for a worker that speaks
// another version of the control protocol, as that of another commit may. It says so
// itself, in words: an old one knows no more.
var ErrVersion = errors.New("another version of the control protocol")

// ErrField is ErrVersion for a worker that speaks this version and does not know a
// field of the request, which it names.
var ErrField = fmt.Errorf("%w, without a field of this one", ErrVersion)

// New starts a worker. It is killed when the context ends, and by the system
// when this process dies.
func New(ctx context.Context, spec Spec) (*Process, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	argv := spec.Argv
	if len(argv) == 0 {
		self, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", spec.Name, err)
		}
		argv = []string{self}
	}
	p := &Process{
		ctx:     ctx,
		spec:    spec,
		cmd:     exec.Command(argv[0], argv[1:]...),
		lines:   make(chan []byte),
		exited:  make(chan struct{}),
		waiting: make(map[int64]chan reply),
	}
	p.cmd.Env = append(os.Environ(), childEnv+"="+string(spec.Start.Role))
	p.cmd.Stderr = &p.stderr
	// A descendant that keeps standard error open must not keep us waiting.
	p.cmd.WaitDelay = time.Second
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", spec.Name, err)
	}
	if err := startOn(p.cmd, spec.CPUs); err != nil {
		return nil, fmt.Errorf("%s: start %s: %w", spec.Name, argv[0], err)
	}
	p.forget = context.AfterFunc(ctx, func() { p.Kill() })
	go p.read(stdout)
	go p.write()

	limited, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	spec.Start.Protocol = Version
	if err := p.Call(limited, "start", spec.Start, &p.Started); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// write passes on requests until the process has ended.
func (p *Process) write() {
	for {
		select {
		case line := <-p.lines:
			p.stdin.Write(line) // what ends the pipe ends the process
		case <-p.exited:
			return
		}
	}
}

// read takes in replies until the pipe ends, and then the exit status.
func (p *Process) read(stdout io.Reader) {
	lines := bufio.NewReaderSize(stdout, 256<<10)
	var broken error
	for broken == nil {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			break
		}
		var r reply
		if r, broken = parseReply(line); broken != nil {
			break
		}
		switch {
		case r.Event != nil:
			if p.spec.OnEvent != nil {
				p.spec.OnEvent(r.Client, *r.Event)
			}
		case r.ID == 0:
			broken = errors.New(r.Error)
		default:
			p.mu.Lock()
			answer := p.waiting[r.ID]
			delete(p.waiting, r.ID)
			p.mu.Unlock()
			if answer != nil {
				answer <- r
			}
		}
	}
	if broken != nil {
		p.signal(syscall.SIGKILL)
	}
	err := p.cmd.Wait()
	p.forget()
	p.mu.Lock()
	switch {
	case broken != nil:
		p.err = fmt.Errorf("%s: %w%s", p.spec.Name, broken, p.stderr.Quote("stderr"))
	case err != nil:
		p.err = fmt.Errorf("%s: process ended: %w%s", p.spec.Name, err, p.stderr.Quote("stderr"))
	case !p.asked.Load():
		p.err = fmt.Errorf("%s: process ended by itself%s", p.spec.Name, p.stderr.Quote("stderr"))
	}
	p.mu.Unlock()
	close(p.exited)
}

// Call sends a request and waits for its answer.
func (p *Process) Call(ctx context.Context, cmd string, args, result any) error {
	data, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("%s: %s: %w", p.spec.Name, cmd, err)
	}
	answer := make(chan reply, 1)
	p.mu.Lock()
	p.lastID++
	id := p.lastID
	p.waiting[id] = answer
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		delete(p.waiting, id)
		p.mu.Unlock()
	}()
	line, err := json.Marshal(request{ID: id, Cmd: cmd, Args: data})
	if err != nil {
		return fmt.Errorf("%s: %s: %w", p.spec.Name, cmd, err)
	}
	select {
	case p.lines <- append(line, '\n'):
	case <-p.exited:
	case <-ctx.Done():
	}
	var r reply
	select {
	case r = <-answer:
	case <-p.exited:
		select {
		case r = <-answer: // the last thing that it said
		default:
			return p.gone(cmd)
		}
	case <-ctx.Done():
		return fmt.Errorf("%s: no answer to %s: %w%s", p.spec.Name, cmd, ctx.Err(), p.stderr.Quote("stderr"))
	}
	switch {
	case strings.Contains(r.Error, unknownField):
		return fmt.Errorf("%w: %s: %s", ErrField, p.spec.Name, r.Error)
	case strings.Contains(r.Error, "control protocol"):
		return fmt.Errorf("%w: %s: %s", ErrVersion, p.spec.Name, r.Error)
	case r.Error != "":
		return fmt.Errorf("%s: %s", p.spec.Name, r.Error)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(r.Result, result); err != nil {
		return fmt.Errorf("%s: answer to %s: %w", p.spec.Name, cmd, err)
	}
	return nil
}

// gone says why there can be no answer.
func (p *Process) gone(cmd string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return p.err
	}
	return fmt.Errorf("%s: %s: process has ended", p.spec.Name, cmd)
}

// Usage asks the worker what it has used.
func (p *Process) Usage(ctx context.Context) (scenarios.Usage, error) {
	var u scenarios.Usage
	err := p.Call(ctx, "usage", struct{}{}, &u)
	return u, err
}

// Context is the one that the worker ends with.
func (p *Process) Context() context.Context { return p.ctx }

// PID is the worker's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed once the process has ended and been waited for.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Stop has the worker shut down what it holds and end. If it does not until
// the context ends it is killed. A worker that ended with an error, such as
// the race detector's, is an error too.
func (p *Process) Stop(ctx context.Context) error {
	p.asked.Store(true)
	err := p.Call(ctx, "stop", struct{}{}, nil)
	if err != nil {
		return errors.Join(err, p.Kill())
	}
	p.stdin.Close()
	select {
	case <-p.exited:
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.err
	case <-ctx.Done():
		return errors.Join(
			fmt.Errorf("%s: stopped but did not end: %w%s", p.spec.Name, ctx.Err(), p.stderr.Quote("stderr")),
			p.Kill())
	}
}

// Kill ends the worker at once, paused or not, and waits for it. To kill one
// that has ended is no error.
func (p *Process) Kill() error {
	p.asked.Store(true)
	p.signal(syscall.SIGKILL)
	<-p.exited
	return nil
}

// Pause stops the worker where it is until Resume.
func (p *Process) Pause() error { return p.signal(syscall.SIGSTOP) }

// Resume lets a paused worker go on.
func (p *Process) Resume() error { return p.signal(syscall.SIGCONT) }

// signal reaches the worker's whole process group, of which it is the leader.
func (p *Process) signal(s syscall.Signal) error {
	select {
	case <-p.exited:
		return fmt.Errorf("%s: process has ended", p.spec.Name)
	default:
		return syscall.Kill(-p.PID(), s)
	}
}

// Died says how the worker ended if nobody had asked it to, with the end of
// its standard error.
func (p *Process) Died() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asked.Load() {
		return nil
	}
	return p.err
}
