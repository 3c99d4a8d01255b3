package bench

import (
	"fmt"
	"syscall"
)

// spareFiles is what a process has open beside its connections: standard
// streams, pipes, the poller, libraries.
const spareFiles = 64

// needFiles makes sure that a process may open that many connections. The
// limit is raised as far as the system allows, for this process; workers raise
// their own, as both runtimes do at start.
func needFiles(connections int) error {
	need := uint64(connections) + spareFiles
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("read the limit of open files: %w", err)
	}
	if limit.Cur >= need {
		return nil
	}
	if limit.Max < need {
		return fmt.Errorf("%d connections need %d open files, and this system allows %d; raise it with: ulimit -Hn %d",
			connections, need, limit.Max, need)
	}
	limit.Cur = need
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("raise the limit of open files to %d: %w", need, err)
	}
	return nil
}
