package worker

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"wsvsio/scenarios"
)

// usage reads what this process has used.
func usage() (scenarios.Usage, error) {
	// This stops the world for some microseconds, before and after a window;
	// runtime/metrics would not, but lags behind by what each P has cached.
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return scenarios.Usage{}, fmt.Errorf("getrusage: %w", err)
	}
	return scenarios.Usage{
		CPU:        time.Duration(r.Utime.Nano() + r.Stime.Nano()),
		RSS:        resident(),
		Mallocs:    float64(m.Mallocs),
		AllocBytes: float64(m.TotalAlloc),
		HeapBytes:  float64(m.HeapAlloc),
		GCs:        float64(m.NumGC),
		Goroutines: float64(runtime.NumGoroutine()),
	}, nil
}

// resident returns the resident memory of this process in bytes, or
// scenarios.NotTold where the system has no /proc.
func resident() float64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return scenarios.NotTold
	}
	fields := strings.Fields(string(data))
	if len(fields) < 2 {
		return scenarios.NotTold
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return scenarios.NotTold
	}
	return float64(pages * int64(os.Getpagesize()))
}
