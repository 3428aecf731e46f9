package sched

import "time"

// Loops says that the workers are event loops: one runs hundreds of requests at once,
// and leaves what comes to others while something holds it. Then auto keeps apart only
// what holds a loop, or computes in threads beside it: that is computing. What waits
// costs a loop nothing, and goes to the main lane with the light ones; only of a route
// of which nothing is known not all may begin at once (see widen). There are so many to
// begin with. It is called before the first is attached.
func (q *Queue) Loops(workers int) {
	if q.auto != nil {
		q.auto.loops.Store(int32(workers))
	}
}

// hasLoops reports whether the workers are event loops.
func (a *auto) hasLoops() bool { return a.loops.Load() != 0 }

// fewest is how many workers there are at least.
func (a *auto) fewest() int {
	if n := int(a.loops.Load()); n != 0 {
		return n
	}
	return a.cfg.Workers
}

// classifyForLoops decides what auto places the call as where the workers are loops. What
// may last for days tells nothing, and is told nothing.
func (c *Call) classifyForLoops() {
	switch c.kind = c.Route.kind(); {
	case c.Upgrade, c.kind == waiting && c.Route.seen.Load() > 0:
		c.kind = light
	}
}

// looper is a worker that has an event loop.
type looper interface {
	// Loop tells how long it was held up at most of late, and its tasks.
	Loop() (lag time.Duration, tasks int)
	// Stepping is since when a request has held the loop, in ns; 0: none does.
	Stepping() int64
	// Opened is how many of the calls that were pushed to it have begun, in their order.
	Opened() uint64
}

// isHeld reports whether a request holds the worker's event loop: nothing else runs there.
func isHeld(w Worker) bool {
	l, ok := w.(looper)
	return ok && l.Stepping() != 0
}

// Held notes that a request has held its worker's event loop up for so long, whichever
// of its tasks did.
func (q *Queue) Held(r *Route, held time.Duration) {
	r.observeCPU(uint32(min(held.Microseconds(), 1<<31)))
}
