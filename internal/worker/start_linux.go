package worker

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// startOn starts a command on the given cores, in a process group of its own,
// so that a Ctrl-C at the terminal reaches the harness alone. The system kills
// it when this process dies.
//
// The signal of its death is tied to the thread that starts the command; Go
// keeps threads, but for those that end with a goroutine locked to them.
func startOn(cmd *exec.Cmd, cpus []int) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if len(cpus) == 0 {
		return cmd.Start()
	}
	// A child inherits the cores of the thread that starts it, and so do all
	// its threads; setting them afterwards would miss those it has by then.
	runtime.LockOSThread()
	var before, during unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("read the allowed cores: %w", err)
	}
	for _, cpu := range cpus {
		during.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &during); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("pin to cores %v: %w", cpus, err)
	}
	err := cmd.Start()
	if restore := unix.SchedSetaffinity(0, &before); restore != nil {
		// Unlocked, the thread would slow down whatever Go runs on it; ended,
		// it would take the child along.
		panic(fmt.Sprintf("give the thread back to all cores: %v", restore))
	}
	runtime.UnlockOSThread()
	return err
}

// CPUs returns the cores that this process may run on.
func CPUs() []int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil
	}
	var cpus []int
	for i := range 1024 {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus
}

// PinSelf moves this process to the given cores, all its threads and those to
// come. Workers that are started with cores of their own are not affected.
func PinSelf(cpus []int) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	// A thread that appears meanwhile inherits from one that has been moved
	// or is found the second time.
	for range 2 {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return fmt.Errorf("list this process's threads: %w", err)
		}
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil {
				continue
			}
			if err := unix.SchedSetaffinity(id, &set); err != nil && err != unix.ESRCH {
				return fmt.Errorf("pin this process to cores %v: %w", cpus, err)
			}
		}
	}
	return nil
}

// CPU reads the process's CPU clock: user and system time of all threads, to
// the nanosecond, without the worker noticing.
func (p *Process) CPU() (time.Duration, error) {
	// The clock id of another process is built from its pid: see
	// clock_getcpuclockid(3) and CPUCLOCK_SCHED in the kernel.
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^p.PID()<<3|2), &t); err != nil {
		return 0, fmt.Errorf("%s: CPU clock: %w", p.spec.Name, err)
	}
	return time.Duration(t.Nano()), nil
}
