package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"text/template"
	"time"

	"wsvsio/internal/netlab"
	"wsvsio/internal/tail"
)

// Daemon is a running program.
type Daemon struct {
	kind    Kind
	version string
	ctx     context.Context
	port    netlab.Reservation // as long as the daemon lives, away or not
	addr    string
	folder  string
	argv    []string
	user    *syscall.Credential // nil is this process's own

	mu      sync.Mutex // held while it starts or ends
	closed  bool
	running *process // nil while it is away
}

// process is a daemon between start and end.
type process struct {
	cmd    *exec.Cmd
	output tail.Tail
	asked  atomic.Bool   // to end
	exited chan struct{} // closed once it has been waited for
	err    error         // how it ended; set before exited is closed
}

// readyLimit is how long a program may take until it answers; squid needs up to
// 0.3 s, under load on a small machine ten times that.
const readyLimit = 20 * time.Second

// readyStep is the pause between two looks whether it answers.
const readyStep = 2 * time.Millisecond

// stopLimit is how long it may take to end when asked to; squid needs up to 2 s.
const stopLimit = 10 * time.Second

// Start starts a program of that kind in front of nodes, each a host and port,
// and returns when it answers. A kind that takes no nodes is given none.
func Start(ctx context.Context, kind Kind, nodes ...string) (d *Daemon, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", kind.Name, err)
		}
	}()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(nodes) != kind.Nodes {
		return nil, fmt.Errorf("takes %d nodes, not %d", kind.Nodes, len(nodes))
	}
	path, version, err := kind.Program.Find(ctx)
	if err != nil {
		return nil, err
	}
	d = &Daemon{kind: kind, version: version, ctx: ctx, port: netlab.NoReservation}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.Close())
			d = nil
		}
	}()
	if d.port, err = netlab.Reserve("127.0.0.1:0"); err != nil {
		return d, err
	}
	d.addr = d.port.Addr()
	if d.folder, err = os.MkdirTemp("", "wsvsio-"+kind.Program.Name+"-"); err != nil {
		return d, fmt.Errorf("make its folder: %w", err)
	}
	v := values{
		Addr: d.addr, Nodes: nodes, Idle: kind.Idle,
		Folder: d.folder, File: filepath.Join(d.folder, "conf"),
	}
	if err := d.write(path, v); err != nil {
		return d, err
	}
	return d, d.Restart(ctx)
}

// values are what the placeholders of a configuration stand for.
type values struct {
	Addr   string        // where to listen, host and port
	Nodes  []string      // hosts and ports
	Idle   time.Duration // see Kind
	Folder string        // for what the program writes
	File   string        // the configuration itself
	Body   string        // the part of the configuration that a kind has of its own
}

// Port is that of Addr.
func (v values) Port() (string, error) {
	_, port, err := net.SplitHostPort(v.Addr)
	return port, err
}

// Limit is Idle as nginx and HAProxy take it.
func (v values) Limit() string { return fmt.Sprintf("%dms", v.Idle.Milliseconds()) }

// fill replaces the placeholders of a text.
func (v values) fill(text string) (string, error) {
	t, err := template.New("").Parse(text)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	err = t.Execute(&b, v)
	return b.String(), err
}

// write prepares the folder and the command line.
func (d *Daemon) write(path string, v values) error {
	var err error
	if v.Body, err = v.fill(d.kind.config); err != nil {
		return fmt.Errorf("its configuration: %w", err)
	}
	text, err := v.fill(d.kind.Program.frame)
	if err != nil {
		return fmt.Errorf("its configuration: %w", err)
	}
	if err := os.WriteFile(v.File, []byte(text), 0o644); err != nil {
		return fmt.Errorf("its configuration: %w", err)
	}
	d.argv = []string{path}
	for _, arg := range d.kind.Program.args {
		if arg, err = v.fill(arg); err != nil {
			return fmt.Errorf("its arguments: %w", err)
		}
		d.argv = append(d.argv, arg)
	}
	if d.kind.Program.humble && os.Geteuid() == 0 {
		if d.user, err = nobody(); err != nil {
			return fmt.Errorf("it does not run as root: %w", err)
		}
		if err := os.Chown(d.folder, int(d.user.Uid), int(d.user.Gid)); err != nil {
			return fmt.Errorf("give it its folder: %w", err)
		}
	}
	return nil
}

// Addr is where it listens, a host and port.
func (d *Daemon) Addr() string { return d.addr }

// Config is the configuration as a reader can copy it, with the version of the
// program in front; see Kind.
func (d *Daemon) Config() string {
	return "# " + d.kind.Program.Name + " " + d.version + "\n" + d.kind.Config()
}

// Version is that of the program.
func (d *Daemon) Version() string { return d.version }

// Kind is what was started.
func (d *Daemon) Kind() Kind { return d.kind }

// Restart starts the program on the same address, after Stop or Kill, and
// returns when it answers.
func (d *Daemon) Restart(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return fmt.Errorf("%s: closed", d.kind.Program.Name)
	}
	if d.running != nil {
		return fmt.Errorf("%s: it runs already", d.kind.Program.Name)
	}
	p := &process{exited: make(chan struct{})}
	p.cmd = exec.Command(d.argv[0], d.argv[1:]...)
	p.cmd.Dir = d.folder
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	p.cmd.WaitDelay = time.Second
	p.cmd.SysProcAttr = attributes(d.user)
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", d.argv[0], err)
	}
	go p.wait(d.kind.Program, context.AfterFunc(d.ctx, p.kill))
	if err := p.ready(ctx, d.addr); err != nil {
		p.kill()
		return fmt.Errorf("%s %s does not answer: %w%s\n%s", d.kind.Program.Name, d.version, err, p.output.Quote("output"), d.kind.Program.mend())
	}
	d.running = p
	return nil
}

// Stop asks the program to end and waits for that. One that takes longer than
// the context is killed, and that is an error, as is an end of its own. Its
// address is kept for Restart.
func (d *Daemon) Stop(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.end(ctx, syscall.SIGTERM)
}

// Kill ends the program at once and waits for that. Its address is kept for
// Restart.
func (d *Daemon) Kill() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.end(context.Background(), syscall.SIGKILL)
}

// Died says how the program ended if nobody had asked it to, with the end of
// its output.
func (d *Daemon) Died() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running == nil {
		return nil
	}
	select {
	case <-d.running.exited:
		return d.running.err
	default:
		return nil
	}
}

// Close stops the program, if it runs, gives up its address and removes its
// folder. To close it twice is no error.
func (d *Daemon) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil
	}
	d.closed = true
	ctx, cancel := context.WithTimeout(context.Background(), stopLimit)
	defer cancel()
	err := d.end(ctx, syscall.SIGTERM)
	d.port.Release()
	if d.folder != "" {
		err = errors.Join(err, os.RemoveAll(d.folder))
	}
	return err
}

// end ends the running process by a signal; d.mu is held.
func (d *Daemon) end(ctx context.Context, s syscall.Signal) error {
	p := d.running
	d.running = nil
	if p == nil {
		return nil
	}
	select {
	case <-p.exited:
		return p.err
	default:
	}
	p.asked.Store(true)
	p.signal(s)
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("%s: was asked to end and did not: %w%s", d.kind.Program.Name, ctx.Err(), p.output.Quote("output"))
	}
}

// wait waits for the end of the process, unties it from the context and says
// how it ended.
func (p *process) wait(program Program, untie func() bool) {
	err := p.cmd.Wait()
	untie()
	code := p.cmd.ProcessState.ExitCode()
	switch status, _ := p.cmd.ProcessState.Sys().(syscall.WaitStatus); {
	case !p.asked.Load():
		if err == nil {
			err = errors.New("exit status 0")
		}
		p.err = fmt.Errorf("%s: process ended by itself: %w%s", program.Name, err, p.output.Quote("output"))
	case status.Signaled(): // killed, as asked to
	case !slices.Contains(program.ends, code):
		p.err = fmt.Errorf("%s: process ended: %w%s", program.Name, err, p.output.Quote("output"))
	}
	close(p.exited)
}

// ready waits until somebody answers at an address.
func (p *process) ready(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	tick := time.NewTicker(readyStep)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("it ended with %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// kill ends the process at once and waits for it.
func (p *process) kill() {
	p.asked.Store(true)
	p.signal(syscall.SIGKILL)
	<-p.exited
}

// signal reaches the process and its children, if it has any: it leads a group.
func (p *process) signal(s syscall.Signal) {
	select {
	case <-p.exited:
	default:
		syscall.Kill(-p.cmd.Process.Pid, s)
	}
}
