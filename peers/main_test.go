package peers

import (
	"os"
	"testing"

	"wsvsio/internal/worker"
)

func TestMain(m *testing.M) {
	// Under the race detector every process sleeps for a second as it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	worker.RunIfChild(Programs())
	os.Exit(m.Run())
}
