package sched

import (
	"time"

	"girin/internal/wire"
)

// probeHeld is for how long a step may hold the loop that takes probes before another one,
// which is not held, takes them.
const probeHeld = 250 * time.Millisecond

// probeUnread is for how long what lies in the compute lane may wait because the main lane, of
// which a loop reads first, always holds something. Then it alone is read for a moment.
const probeUnread = 25 * time.Millisecond

// A probe is a request of a route of which nothing is known, where workers are event loops:
// it may hold its loop for long, and several such, of several routes, would hold all of them
// at once. So of the loops that read the main lane one alone takes them, by the compute lane,
// as long as nobody computes there.

// unproven reports whether requests of the route are probes: none has ended, nor been seen to
// wait.
func (l *limiter) unproven() bool { return !l.known() && l.untried < wire.FlagTable }

// waitingLineLocked is where a request goes that may wait for long.
func (a *auto) waitingLineLocked(c *Call) *line {
	if a.probes && !c.yields && c.Route.limiter.unproven() {
		return a.compute
	}
	return a.q.main
}

// prober is which of the loops that read the main lane takes probes, while have compute; nil:
// none. First: for now it reads nothing else.
func (a *auto) prober(workers []AutoWorker, main map[AutoWorker]bool, have int, now int64) (best AutoWorker, first bool) {
	if !a.hasLoops() || have > 0 {
		a.roles.unread = unread{}
		return nil, false
	}
	lain := a.roles.unread.look(a.compute.lane.Unread(), now)
	first = lain > probeUnread && len(main) > 1
	free := false
	for _, w := range workers {
		l, ok := w.(looper)
		if !ok || !main[w] {
			continue
		}
		present := a.roles.of[w].lanes == mainLane|computeLane
		held := isHeldLong(l, now) || present && lain > probeHeld
		if present && !held {
			return w, first
		}
		if best == nil || !held && !free {
			best, free = w, !held
		}
	}
	a.roles.unread.since = now // it is another's turn
	return best, first
}

// isHeldLong reports whether a step holds the loop for longer than probes are to wait, or
// something else does.
func isHeldLong(l looper, now int64) bool {
	return lasts(l.Stepping(), now, probeHeld) || lasts(l.Silent(), now, probeHeld)
}

// unread is what lies in a lane, and since when nobody has read any of it. A process that was
// stopped, or whose GIL something outside the loop keeps, tells of itself that all is well.
type unread struct {
	bytes int
	since int64
}

// look takes note of a look, and tells for how long nobody has read.
func (u *unread) look(bytes int, now int64) time.Duration {
	if bytes == 0 || bytes < u.bytes || u.bytes == 0 {
		u.since = now
	}
	u.bytes = bytes
	return time.Duration(now - u.since)
}

// probing is who takes probes; nil: nobody. When a request computes it is the one to do so: it
// reads the compute lane already, and would take what is put there before it hears that it
// shall not.
func (a *auto) probing(workers []AutoWorker) AutoWorker {
	for _, w := range workers {
		if r := a.roles.of[w]; !r.computes && r.lanes == mainLane|computeLane {
			return w
		}
	}
	return nil
}

// stuck reports whether what lies in the compute lane waits for loops that are all held for
// long: a probe may lie there from when nobody computed.
func (a *auto) stuck(workers []AutoWorker, now int64) bool {
	if !a.hasLoops() || a.roles.want == 0 || a.compute.lane.Unread() == 0 {
		return false
	}
	for _, w := range workers {
		l, ok := w.(looper)
		if ok && a.roles.of[w].computes && !isHeldLong(l, now) {
			return false
		}
	}
	return true
}
