package proc

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is how much CPU time the process has used, to the nanosecond; 0 if it has ended.
func (p *Process) CPU() time.Duration {
	// The clock of a process, as clock_getcpuclockid(3) makes it.
	const scheduled = 2
	id := int32(^p.PID()<<3 | scheduled)
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// In reports whether a thread of the process is in one of these states of proc(5): R runs, or
// would if it had a core; D waits for a disk.
func (p *Process) In(states string) bool {
	tasks := fmt.Sprintf("/proc/%d/task", p.PID())
	entries, err := os.ReadDir(tasks)
	if err != nil {
		return false
	}
	for _, e := range entries {
		b, err := os.ReadFile(tasks + "/" + e.Name() + "/stat")
		if err != nil {
			continue
		}
		// The state follows the name, which may hold anything.
		if i := bytes.LastIndexByte(b, ')'); i >= 0 && i+2 < len(b) && strings.IndexByte(states, b[i+2]) >= 0 {
			return true
		}
	}
	return false
}
