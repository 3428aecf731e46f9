package bench

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonicOf is t on CLOCK_MONOTONIC, the clock of Python's time.monotonic.
func monotonicOf(t time.Time) int64 {
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return 0
	}
	return ts.Nano() - int64(time.Since(t))
}
