//go:build !linux

package daemon

import (
	"errors"
	"syscall"
)

// attributes put a process into a group of its own, so that a Ctrl-C at the
// terminal reaches the harness alone. If the harness is killed it stays.
func attributes(as *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: as}
}

// nobody is not looked up: only Linux forgets who is to die with whom.
func nobody() (*syscall.Credential, error) { return nil, errors.ErrUnsupported }
