//go:build !linux

package browser

import (
	"os/exec"
	"syscall"
)

// apart keeps a Ctrl-C at the terminal from the browser.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

// end is for Linux alone.
func end(*exec.Cmd) bool { return false }
