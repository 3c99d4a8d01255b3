package bench

import (
	"os"
	"testing"

	"wsvsio/internal/worker"
)

func TestMain(m *testing.M) {
	worker.RunIfChild(Programs())
	os.Exit(m.Run())
}
