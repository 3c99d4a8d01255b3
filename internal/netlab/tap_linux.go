package netlab

import (
	"net"

	"golang.org/x/sys/unix"

	"wsvsio/scenarios"
)

// kernelCount asks for what a client's socket has received and sent (TCP_INFO,
// tcp(7)); the end of the stream that was received counts as one byte.
func kernelCount(conn *net.TCPConn) scenarios.Kernel {
	var k scenarios.Kernel
	raw, err := conn.SyscallConn()
	if err != nil {
		return k
	}
	raw.Control(func(fd uintptr) {
		i, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			return
		}
		k = scenarios.Kernel{
			Told: true,
			Up:   int64(i.Bytes_received),
			// Unlike the acknowledged bytes these have none for the start and
			// the end of a stream.
			Down:     int64(i.Bytes_sent - i.Bytes_retrans),
			SegsUp:   int64(i.Segs_in),
			SegsDown: int64(i.Segs_out),
		}
	})
	return k
}
