//go:build !linux

package worker

import (
	"context"
	"os/exec"
	"syscall"
	"time"
)

// startOn starts a command in a process group of its own, so that a Ctrl-C at
// the terminal reaches the harness alone. Cores cannot be chosen here, and a
// worker ends with its standard input when this process dies.
func startOn(cmd *exec.Cmd, _ []int) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd.Start()
}

// CPUs returns nothing: this system does not let a process choose its cores.
func CPUs() []int { return nil }

// PinSelf does nothing.
func PinSelf([]int) error { return nil }

// CPU asks the worker for the CPU time that it has used.
func (p *Process) CPU() (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	u, err := p.Usage(ctx)
	return u.CPU, err
}
