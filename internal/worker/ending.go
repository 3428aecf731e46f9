package worker

import (
	"slices"
	"syscall"
	"time"
)

// End ends the process at once. It gets the signal first where it hears of it, and so long
// for its last hooks: QUIT where the server stops, which the application sees as SystemExit
// where it can, and after which what it has registered with atexit runs; ABRT, for a hook
// alone, where the worker failed.
func (w *Worker) End(sig syscall.Signal, hooks time.Duration) {
	if sig == syscall.SIGQUIT {
		w.page.quit()
	}
	if !w.hears(sig) || w.proc.Signal(sig) != nil {
		w.proc.Kill()
		return
	}
	if !w.hasHooks("worker_int", "worker_exit", "worker_abort") {
		hooks = min(hooks, quitLimit)
	}
	time.AfterFunc(hooks, func() {
		select {
		case <-w.proc.Done():
		default:
			w.proc.Kill()
		}
	})
}

// EndBoot ends a process that is not ready in time, unless it becomes so in this moment. It
// tells its stacks first, if it can: where an import hangs nothing else says.
func (w *Worker) EndBoot() {
	w.askForStacks(0)
	for deadline := time.Now().Add(bootStacks); w.dumps.Load() > 0 && time.Now().Before(deadline); {
		select {
		case <-w.ready:
			return
		case <-time.After(bootStacks / 100):
		}
	}
	w.proc.Kill()
}

// bootStacks is left to a process that is not ready in time, to tell where it stands.
const bootStacks = time.Second

// quitLimit is how long a worker without hooks may take to end by QUIT.
const quitLimit = 2 * time.Second

// hears reports whether the worker handles the signal: not before it has read
// its configuration file.
func (w *Worker) hears(sig syscall.Signal) bool {
	select {
	case <-w.ready:
	default:
		return false
	}
	return sig != syscall.SIGABRT || w.hasHooks("worker_abort")
}

// hasHooks reports whether the configuration has one of these.
func (w *Worker) hasHooks(names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return slices.Contains(w.cfg.Settings.Hooks, name) })
}

// Age counts the workers of a server from 1.
func (w *Worker) Age() int { return w.cfg.Settings.Age }
