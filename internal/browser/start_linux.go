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
