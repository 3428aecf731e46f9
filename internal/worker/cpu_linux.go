package worker

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is how much CPU time the worker's process has used, to the nanosecond; 0
// if it has ended.
func (w *Worker) CPU() time.Duration {
	// The clock of a process, as clock_getcpuclockid(3) makes it.
	const scheduled = 2
	id := int32(^w.PID()<<3 | scheduled)
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// Runnable reports whether a thread of the worker runs, or would if it had a
// core.
func (w *Worker) Runnable() bool {
	tasks := fmt.Sprintf("/proc/%d/task", w.PID())
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return false
	}
	for _, e := range entries {
		b, err := os.ReadFile(tasks + "/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// The state follows the name, which may hold anything: proc(5).
		if i := bytes.LastIndexByte(b, ')'); i >= 0 && i+2 < len(b) && b[i+2] == 'R' {
			return true
		}
	}
	return false
}
