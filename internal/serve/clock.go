package serve

import (
	"time"

	"golang.org/x/sys/unix"
)

// monotonic returns a clock that reads CLOCK_MONOTONIC in nanoseconds, as the
// workers do, without a system call.
func monotonic() func() int64 {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	began, base := time.Now(), ts.Nano()
	return func() int64 { return base + int64(time.Since(began)) }
}
