package sched

// parallel is a worker whose Python may have no GIL: a free-threaded build of CPython.
type parallel interface {
	// Parallel reports whether its threads compute at once.
	Parallel() bool
}

func isParallel(w Worker) bool {
	p, ok := w.(parallel)
	return ok && p.Parallel()
}

// perProcess is how many computing requests a worker may run at once. Without a GIL they
// hold up neither each other nor who reads there, so one process has all of them, or as many
// as it has threads. Where the workers differ, since a module that one of them has imported
// turned the GIL on, each has one. Of event loops a request that computes holds the whole
// loop, whatever else its process could do.
func (a *auto) perProcess(workers []AutoWorker) int {
	if a.hasLoops() {
		return 1
	}
	each := a.cfg.Cores
	for _, w := range workers {
		if !isParallel(w) {
			return 1
		}
		each = min(each, w.Slots())
	}
	return max(each, 1)
}
