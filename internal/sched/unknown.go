package sched

import (
	"time"

	"girin/internal/wire"
)

const (
	// A worker that uses less than this share of a core waits more than it
	// computes, whatever it runs.
	mostlyWaits = 0.5
	// Of a route of which nothing is known twice as many may run each time that so
	// much passed, if its requests do not seem to wait.
	widenAfter = 150 * time.Millisecond
	// Where workers are event loops a second one would hold the next of them; and that
	// the first one does so is soon told (see Queue.Held).
	widenLoops = time.Second
)

// widen lets more requests run of routes of which nothing is known, and reports
// whether there are such that wait. If the workers that have the first one are
// mostly idle, it waits, and so may others beside it; if not, it may compute, and
// holding the others back until it has ended spares all of them a crowd. But that
// may take long, so more are let in little by little.
func (a *auto) widen(workers []AutoWorker, now int64) (unknown bool) {
	most, after := limitFirst, widenAfter
	if a.hasLoops() {
		most, after = wire.FlagTable, widenLoops
	}
	a.mu.Lock()
	for _, r := range a.blocked {
		l := &r.limiter
		if l.known() {
			continue
		}
		unknown = true
		switch {
		case a.roles.lookedAt < l.asked:
		case !a.mayCompute(r, workers):
			l.widen(most)
		default:
			l.widen(min(most, 1<<min((now-l.asked)/int64(after), 10)))
		}
	}
	a.mu.Unlock()
	if unknown {
		a.feedWaiting()
	}
	return unknown
}

// mayCompute reports whether a request of the route runs where much CPU is used.
func (a *auto) mayCompute(r *Route, workers []AutoWorker) bool {
	for _, w := range workers {
		if a.roles.of[w].share <= mostlyWaits && !isHeld(w) {
			continue
		}
		for i := range w.Slots() {
			id, _ := w.Slot(i)
			if c := a.q.find(id); c != nil && c.route.Load() == r {
				return true
			}
		}
	}
	return false
}
