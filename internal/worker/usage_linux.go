package worker

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// CPU is how much CPU time the worker's process has used, to the nanosecond; 0
// if it has ended.
func (w *Worker) CPU() time.Duration { return w.proc.CPU() }

// Beside is the CPU time that the worker's threads have used so far, but for the first one,
// which has the event loop: proc(5), schedstat.
func (w *Worker) Beside() time.Duration {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/schedstat", w.PID()))
	if err != nil {
		return 0
	}
	first, _, _ := bytes.Cut(b, []byte(" "))
	ns, err := strconv.ParseInt(string(first), 10, 64)
	if err != nil {
		return 0
	}
	return max(w.CPU()-time.Duration(ns), 0)
}

// Runnable reports whether a thread of the worker runs, or would if it had a
// core.
func (w *Worker) Runnable() bool { return w.proc.In("R") }

// Memory is what the worker's process has to itself, in bytes; 0 if it has ended.
func (w *Worker) Memory() int64 { return w.proc.Memory() }

// backgroundSlice is how long a thread in the background may run before others of
// equal right have their turn, in nanoseconds; the kernel's own slice is 1 to 3 ms.
// Since Linux 6.12 a thread that wakes takes the core from one with a longer slice.
const backgroundSlice = 20_000_000

// Background says whether the worker's threads make way for others that become
// ready: as batch work, with a long slice where workers are threads, that run shortly
// when they wake. Beside event loops, which run for longer, it has the kernel's own: who
// has a long slice is owed as much when others had their share. Unlike nice, which stays
// what it is, this can be undone without rights, and weights stay as they are. Where the
// server runs under a policy that somebody chose, nothing is changed. Measured in
// docs/decisions/auto-background.md.
func (w *Worker) Background(on bool) {
	if own, err := unix.SchedGetAttr(os.Getpid(), 0); err != nil || own.Policy != unix.SCHED_NORMAL {
		return
	}
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", w.PID()))
	if err != nil {
		return
	}
	attr := unix.SchedAttr{Policy: unix.SCHED_NORMAL} // without a slice: the kernel's own
	if on {
		attr.Policy = unix.SCHED_BATCH
		if !w.isLoop() {
			attr.Runtime = backgroundSlice
		}
	}
	for _, e := range entries {
		if tid, err := strconv.Atoi(e.Name()); err == nil {
			schedule(tid, attr)
		}
	}
}

// isLoop reports whether the worker has said that it is an event loop.
func (w *Worker) isLoop() bool {
	select {
	case <-w.ready:
		return w.facts.ASGI()
	default:
		return false
	}
}

// schedule changes a thread's policy and slice. Where that is refused nothing is lost.
func schedule(tid int, to unix.SchedAttr) {
	attr, err := unix.SchedGetAttr(tid, 0)
	if err != nil {
		return
	}
	attr.Policy, attr.Runtime = to.Policy, to.Runtime
	_ = unix.SchedSetAttr(tid, attr, 0)
}
