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

// Single says that one process has all requests: clients come back to what it keeps for them. It
// is called before the first worker of such an application is attached.
func (q *Queue) Single() {
	if q.auto != nil {
		q.auto.single.Store(true)
	}
}

// most is how many workers there are at most.
func (a *auto) most() int {
	if a.single.Load() {
		return 1
	}
	return a.cfg.Most
}

// hasLoops reports whether the workers are event loops.
func (a *auto) hasLoops() bool { return a.loops.Load() != 0 }

// fewest is how many workers there are at least.
func (a *auto) fewest() int {
	if n := int(a.loops.Load()); n != 0 {
		return min(n, a.most())
	}
	return min(a.cfg.Workers, a.most())
}

// classifyForLoops decides what auto places the call as where the workers are loops. What
// may last for days tells nothing, and is told nothing.
func (c *Call) classifyForLoops() {
	switch c.kind = c.Route.kind(); {
	case c.Upgrade:
		c.kind = light
	case c.kind == waiting && c.Route.seen.Load() > 0:
		c.kind, c.yields = light, true
	}
}

// letsPass reports whether a call that was placed as light lets others go first, since it is
// known to wait and there are many of its kind.
func (a *auto) letsPass(c *Call) bool { return c.yields && a.crowded(c, a.q.main.lane.Unread()) }

// looper is a worker that has an event loop.
type looper interface {
	// Loop tells how long it was held up at most of late, and its tasks.
	Loop() (lag time.Duration, tasks int)
	// Stepping is since when a request has held the loop, in ns; 0: none does.
	Stepping() int64
	// Silent is since when the loop has owed a sign of life, whatever holds it; 0: it owes none.
	Silent() int64
	// Threads is how many calls want a thread of the loop's process, and how many it has at most.
	Threads() (wanted, there int)
	// Beside is the CPU time that threads beside the loop's have used so far.
	Beside() time.Duration
	// Opened is how many of the calls that were pushed to it have begun, in their order.
	Opened() uint64
}

// isHeld reports whether a request holds the worker's event loop: nothing else runs there.
func isHeld(w Worker) bool {
	l, ok := w.(looper)
	return ok && l.Stepping() != 0
}

// threads is whether calls find threads in the loops that read the main lane.
type threads struct {
	short bool // some wait for one in a loop
	spare bool // one loop less would do for all
	many  bool // as many loops as there are cores would not
}

func (a *auto) threadsOf(workers []AutoWorker) threads {
	var s threads
	wanted, there, least, loops := 0, 0, 0, 0
	for _, w := range workers {
		l, ok := w.(looper)
		if !ok || a.reads(w)&mainLane == 0 {
			continue
		}
		n, m := l.Threads()
		if m == 0 {
			continue
		}
		s.short = s.short || n > m
		wanted, there, loops = wanted+n, there+m, loops+1
		if least == 0 || m < least {
			least = m
		}
	}
	s.spare = loops < 2 || wanted <= there-least
	s.many = wanted > a.cfg.Cores*least
	return s
}

// noteBlocking learns whether the requests that w computes hold its event loop and leave
// their core to others, by a look at it.
func (a *auto) noteBlocking(w AutoWorker, r *role, held, idle bool) {
	switch r.blocks++; {
	case held && idle && r.blocks == waitsLooks:
		a.blocking(w, true)
	case !held || !idle:
		r.blocks = 0
		if r.share > mostlyWaits {
			a.blocking(w, false)
		}
	}
}

func (a *auto) blocking(w Worker, yes bool) {
	for i := range w.Slots() {
		id, _ := w.Slot(i)
		if c := a.q.find(id); c != nil {
			if r := c.route.Load(); r.blocks.Load() != yes {
				r.blocks.Store(yes)
			}
		}
	}
}

// demandLocked is in how many processes requests would compute: on each core one, and those
// that need no core in others, of which one stays for everything else.
func (a *auto) demandLocked() int {
	blocks := a.blocks
	for _, c := range a.queue {
		if c.Route.blocks.Load() {
			blocks++
		}
	}
	demand := min(a.busy+len(a.queue)-blocks, a.cfg.Cores) + blocks
	return min(demand, a.computeMost())
}

// computeMost is how many workers compute at most.
func (a *auto) computeMost() int { return max(a.cfg.Cores, a.most()-1) }

// Held notes that a request has held its worker's event loop up for so long, whichever
// of its tasks did. It may be told while that goes on, and again at the end, which counts once.
func (q *Queue) Held(r *Route, held time.Duration) {
	now := q.cfg.Clock()
	if last := r.heldAt.Swap(now); last != 0 && now-int64(held) < last {
		return
	}
	r.observeCPU(uint32(min(held.Microseconds(), 1<<31)))
}
