package sched

import "time"

// overlap finds how many computing requests may run beyond one in each process
// that computes, because they leave it idle for a part of their time: they ask a
// database, say. While some wait for a slot and the processes are not busy, one more
// is let in; if that does not make them busier it is taken back.
type overlap struct {
	extra int
	rest  int     // windows to pass before the next is let in
	since int     // windows in a row in which others waited
	alone float64 // of a core, what a process used with one in each

	// A window.
	looks, wanted, idle int
	used                float64

	mean  float64 // of the last window
	total float64 // of the cores, what all workers use: a moving mean over as many looks
}

const (
	overlapLooks = 40   // a window: 200 ms
	overlapFirst = 3    // windows in which others waited, before one more is let in
	overlapBusy  = 0.85 // of a core: more is not to be had of a process
	overlapMost  = 7    // more than one in a process
	overlapRests = 16   // windows
	// What each one more must add, as a part of what the first one in a process uses.
	overlapGain = 0.3
)

// observe takes the mean share of a core that each of the processes had since
// the last look, and whether requests wait for a slot and cores are idle.
func (o *overlap) observe(share float64, processes int, waits, idle bool) {
	o.looks++
	o.used += share
	if waits {
		o.wanted++
	}
	if idle {
		o.idle++
	}
	if o.looks == overlapLooks {
		o.judge(o.used/overlapLooks, float64(processes), 2*o.wanted >= o.looks, 2*o.idle >= o.looks)
		o.looks, o.wanted, o.idle, o.used = 0, 0, 0, 0
	}
}

// judge decides by a window.
func (o *overlap) judge(used, processes float64, wanted, idle bool) {
	if o.mean = used; o.extra == 0 {
		o.alone = used
	}
	o.since++
	switch {
	case !wanted:
		o.since = 0
		o.extra = max(o.extra-1, 0)
	case used < o.alone*(1+overlapGain*float64(o.extra)/processes):
		o.extra, o.rest = o.extra-1, overlapRests
	case o.rest > 0:
		o.rest--
	case o.since >= overlapFirst && idle && used < overlapBusy && float64(o.extra) < overlapMost*processes:
		o.extra++
	}
}

// letOverlap decides from a look how many computing requests may share the places for
// them: a process each, or a thread where there is no GIL. used is what of a core those
// used together, total what all workers did.
func (a *auto) letOverlap(places int, used, total float64) {
	o := &a.roles.overlap
	o.total += (total - o.total) / overlapLooks
	a.mu.Lock()
	a.idle = o.total < overlapBusy*float64(a.cfg.Cores)
	idle, waits := a.idle, len(a.queue) > 0
	a.mu.Unlock()
	if places == 0 {
		return
	}
	before := o.extra
	if o.observe(used/float64(places), places, waits, idle); o.extra != before {
		a.decided("%d computing requests may share the %d places for them: those use %.2f of a core each",
			places+o.extra, places, o.mean)
	}
}

// observeShare notes what of a core a request used that had a process to itself,
// or shared one with others that wait: beside one that computes any seems to wait.
func (r *Route) observeShare(cpu, service uint32) {
	n := r.computed.Add(1) - 1
	r.shares[n%recentCPU].Store(uint32(100 * uint64(cpu) / uint64(max(service, cpu, 1))))
}

// overlaps reports whether the last requests of the route that computed all left
// their core for a clear part of the time.
func (r *Route) overlaps() bool {
	n := r.computed.Load()
	for i := range min(n, recentCPU) {
		if r.shares[i].Load() > overlapPercent {
			return false
		}
	}
	return n >= overlapKnown
}

// waitsLong reports whether the route's requests overlap, and leave their core for
// many looks of the manager.
func (r *Route) waitsLong() bool {
	last := time.Duration(r.recent[(r.seen.Load()-1)%recentTimes].Load()) * time.Microsecond
	return r.overlaps() && last*(100-overlapPercent)/100 > longWait
}

// longWait is what such a request waits at least.
const longWait = 10 * lookBusy

// overlapKnown is how many must have shown it.
const overlapKnown = 4

// overlapPercent is what of a core such a request may use at most. Beside others
// that need the cores any request seems to use less.
const overlapPercent = 70
