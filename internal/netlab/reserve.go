package netlab

import (
	"errors"
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"
)

// Reservation keeps a port for a server that is away, or has not come yet. Its
// port is one that the system also gives to connections, and would soon give to
// one of those that try to reach it.
type Reservation int

// NoReservation keeps nothing.
const NoReservation Reservation = -1

// Reserve binds an address, a host and port, without listening: who connects to
// it is refused, and a server that sets SO_REUSEADDR, as Go, Node, nginx,
// HAProxy, squid and Redis do, can listen there. Port 0 is one that the system
// chooses; see Addr. It knows IPv4, which is where the harness has its servers.
func Reserve(addr string) (Reservation, error) {
	a, err := netip.ParseAddrPort(addr)
	if err == nil && !a.Addr().Is4() {
		err = errors.ErrUnsupported
	}
	if err != nil {
		return NoReservation, fmt.Errorf("reserve %s: %w", addr, err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return NoReservation, fmt.Errorf("reserve %s: %w", addr, err)
	}
	unix.CloseOnExec(fd)
	if err = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err == nil {
		err = unix.Bind(fd, &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()})
	}
	if err != nil {
		unix.Close(fd)
		return NoReservation, fmt.Errorf("reserve %s: %w", addr, err)
	}
	return Reservation(fd), nil
}

// Addr is the host and port that are kept, "" if none are.
func (r Reservation) Addr() string {
	if r < 0 {
		return ""
	}
	a, err := unix.Getsockname(int(r))
	if err != nil {
		return ""
	}
	in, ok := a.(*unix.SockaddrInet4)
	if !ok {
		return ""
	}
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)).String()
}

// Release gives the port up. A server that listens there is not harmed.
func (r Reservation) Release() {
	if r >= 0 {
		unix.Close(int(r))
	}
}
