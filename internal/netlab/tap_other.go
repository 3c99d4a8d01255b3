//go:build !linux

package netlab

import (
	"net"

	"wsvsio/scenarios"
)

// kernelCount tells nothing: this system has no TCP_INFO of Linux.
func kernelCount(*net.TCPConn) scenarios.Kernel { return scenarios.Kernel{} }
