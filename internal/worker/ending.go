package worker

import (
	"slices"
	"syscall"
	"time"
)

// End ends the process at once. If its configuration has hooks that want to
// hear of it, it gets the signal first, and so long for them: QUIT where the
// server stops, ABRT where the worker failed.
func (w *Worker) End(sig syscall.Signal, hooks time.Duration) {
	if !w.hears(sig) || w.proc.Signal(sig) != nil {
		w.proc.Kill()
		return
	}
	time.AfterFunc(hooks, func() {
		select {
		case <-w.proc.Done():
		default:
			w.proc.Kill()
		}
	})
}

// hears reports whether the worker handles the signal: not before it has read
// its configuration file.
func (w *Worker) hears(sig syscall.Signal) bool {
	select {
	case <-w.ready:
	default:
		return false
	}
	hooks := w.cfg.Settings.Hooks
	if sig == syscall.SIGABRT {
		return slices.Contains(hooks, "worker_abort")
	}
	return slices.Contains(hooks, "worker_int") || slices.Contains(hooks, "worker_exit")
}

// Age counts the workers of a server from 1.
func (w *Worker) Age() int { return w.cfg.Settings.Age }
