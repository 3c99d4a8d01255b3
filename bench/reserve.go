package bench

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// reservation keeps a port for a server that is away. Its port is one that the
// system also gives to connections, and would soon give to one of those that
// try to reach it.
type reservation int

// reserve binds an address, a host and port, without listening: who connects to
// it is refused, and a server that sets SO_REUSEADDR, as Go and Node do, can
// listen there. It knows IPv4, which is where the harness has its servers.
func reserve(addr string) (reservation, error) {
	a, err := netip.ParseAddrPort(addr)
	if err == nil && !a.Addr().Is4() {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return -1, fmt.Errorf("reserve %s: %w", addr, err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return -1, fmt.Errorf("reserve %s: %w", addr, err)
	}
	unix.CloseOnExec(fd)
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()})
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("reserve %s: %w", addr, err)
	}
	return reservation(fd), nil
}

// release gives the port up. A server that listens there is not harmed.
func (r reservation) release() {
	if r >= 0 {
		unix.Close(int(r))
	}
}
