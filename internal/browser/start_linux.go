package browser

import (
	"os/exec"
	"syscall"
)

// apart keeps a Ctrl-C at the terminal from the browser, and has the system end
// that when this process dies.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// end kills what is left of the browser's group of processes, and reports whether
// there was something.
func end(cmd *exec.Cmd) bool {
	return cmd != nil && cmd.Process != nil && syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) == nil
}
