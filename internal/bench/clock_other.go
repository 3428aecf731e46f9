//go:build !linux

package bench

import "time"

// monotonicOf is 0: the system has no monotonic clock that is comparable between processes.
func monotonicOf(time.Time) int64 { return 0 }
