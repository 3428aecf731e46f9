package sched

import (
	"fmt"
	"time"
)

// How often the manager looks, and how long a need must be over before it
// counts as over.
const (
	lookBusy  = 5 * time.Millisecond
	lookIdle  = 250 * time.Millisecond
	needLasts = time.Second
	// A computing request that had less than this share of a core, and could
	// not have had more, in so many looks, waits for something: it gives its slot
	// up. One look is enough where those before it did so and for long.
	waitsBelow = 0.2
	waitsLooks = 3
	// One thread in so many is kept from requests that wait, for light ones.
	spareThreads = 16
)

// roles is what the manager knows of the workers.
type roles struct {
	of       map[AutoWorker]*role
	want     int   // computing requests that should run at once
	each     int   // of them, how many in a process
	wanted   int64 // when they were last needed
	target   int   // workers that were asked for; 0: none was yet
	resizes  pace
	waited   int64 // when requests that wait last ran, or nobody read what came
	needed   int64 // when all workers were last of use
	starved  int64 // since when requests wait unread beside idle cores, or for threads; 0: they do not
	lastLook int64
	lookedAt int64 // when the look before that was
	overlap  overlap
	unread   unread // of the compute lane, while nobody computes and the workers are event loops
}

// role is what one worker does.
type role struct {
	computes bool
	lanes    uint32
	told     bool          // what to read
	first    bool          // of what it reads, for now the compute lane alone: see prober
	cpu      time.Duration // at the last look
	share    float64       // of a core, since then
	waits    int           // looks in a row in which it had little CPU
	blocks   int           // the same, while a step held its event loop
	beside   beside
}

func newRoles() roles { return roles{of: map[AutoWorker]*role{}, each: 1} }

// processes is how many workers should compute.
func (s *roles) processes() int { return (s.want + s.each - 1) / s.each }

// assign makes as many workers compute as are needed, and leaves one at least
// for everything else. First: one reads the compute lane alone, for a moment.
func (a *auto) assign(workers []AutoWorker, now int64) (first bool) {
	a.mu.Lock()
	demand := a.demandLocked()
	a.mu.Unlock()
	if a.stuck(workers, now) {
		demand = max(demand, min(a.roles.want+1, a.computeMost()))
	}
	s := &a.roles
	s.each = a.perProcess(workers)
	if demand >= s.want {
		s.want, s.wanted = demand, now
	} else if now-s.wanted > int64(needLasts) {
		s.want, s.wanted = demand, now
	}
	have := 0
	for _, w := range workers {
		if s.of[w].computes {
			have++
		}
	}
	for ; have < s.processes(); have++ {
		if !a.recruit(workers, len(workers)-have, now) {
			break
		}
	}
	for ; have > s.processes(); have-- {
		a.dismiss(workers)
	}
	first = a.spread(workers, have, now)
	a.mu.Lock()
	a.slots, a.shares, a.extra = min(have*s.each, a.cfg.Cores), s.each > 1, s.overlap.extra
	a.loopful = have * s.each
	late := a.demandLocked() > s.want
	a.mu.Unlock()
	if late { // it came for slots that are gone now, and nobody else wakes for it
		a.wake()
	}
	return first
}

// recruit makes the least busy worker compute. rest is how many do not yet; the
// last of them stays if it can be spared: if others compute already, and one
// more worker can come.
func (a *auto) recruit(workers []AutoWorker, rest int, now int64) bool {
	if rest < 1 {
		return false
	}
	if rest == 1 && (a.roles.target < a.most() || len(workers) < a.roles.target) {
		a.resize(1, len(workers), now, fmt.Sprintf("%d requests compute and %d of %d workers are left for others", a.roles.want, rest, len(workers)))
		if len(workers) > 1 {
			return false
		}
	}
	best := a.probing(workers)
	if best == nil {
		best = a.heldOne(workers)
	}
	if best == nil {
		best = a.leastBusy(workers, false)
	}
	r := a.roles.of[best]
	r.computes, r.waits = true, 0
	a.decided("worker %d begins to compute: at once wanted: %d", best.PID(), a.roles.want)
	return true
}

// heldOne is a worker of the main lane whose event loop is held, by a request that was not
// known to do that; nil: none is. Those that are not had better go on reading.
func (a *auto) heldOne(workers []AutoWorker) AutoWorker {
	for _, w := range workers {
		if !a.roles.of[w].computes && isHeld(w) {
			return w
		}
	}
	return nil
}

// dismiss gives the least busy computing worker back to everything else.
func (a *auto) dismiss(workers []AutoWorker) {
	best := a.leastBusy(workers, true)
	a.roles.of[best].computes = false
	a.decided("worker %d no longer computes: at once wanted: %d", best.PID(), a.roles.want)
}

// leastBusy is, of those that compute or of the others, who runs least.
func (a *auto) leastBusy(workers []AutoWorker, computes bool) (best AutoWorker) {
	fewest := 0
	for _, w := range workers {
		if a.roles.of[w].computes != computes {
			continue
		}
		if busy := busySlots(w); best == nil || busy < fewest {
			best, fewest = w, busy
		}
	}
	return best
}

// spread tells the workers what to read. A leader that runs something of the main
// lane gives leadership up when its worker begins to compute, or what comes on the
// compute lane would wait for it.
func (a *auto) spread(workers []AutoWorker, have int, now int64) (first bool) {
	main := a.mainReaders(workers, have, now)
	prober, first := a.prober(workers, main, have, now)
	room := 0
	for _, w := range workers {
		r, lanes := a.roles.of[w], uint32(0)
		if r.computes {
			lanes = computeLane
		}
		if main[w] {
			lanes |= mainLane
			room += w.Slots() - w.Slots()/spareThreads
		}
		if w == prober {
			lanes |= computeLane
		}
		changes, alone := lanes != r.lanes || !r.told, first && w == prober
		if changes || alone != r.first {
			r.first = alone
			a.choose(w, lanes, alone)
		}
		if changes {
			w.Background(lanes == computeLane)
			if lanes&^r.lanes&computeLane != 0 {
				w.Promote()
			}
			r.lanes, r.told = lanes, true
		}
	}
	a.mu.Lock()
	more := room > a.room
	a.room, a.probes = room, prober != nil && len(main) > 1
	a.mu.Unlock()
	if more {
		a.feedWaiting()
	}
	return first
}

// mainReaders are the workers that read the main lane. More than there are cores
// would only take turns on them, so others stand by, and all but one where that one keeps
// up (see alone), unless requests wait: those leave cores to others, and need threads. That some are unread counts only when it
// lasts: beside quick ones it often is so for a moment. If all workers compute, one
// of them reads the main lane too.
func (a *auto) mainReaders(workers []AutoWorker, have int, now int64) map[AutoWorker]bool {
	a.mu.Lock()
	if a.waiting > 0 || a.roles.starved != 0 && now-a.roles.starved > int64(starvedFor/2) {
		a.roles.waited = now
	}
	a.mu.Unlock()
	most := len(workers)
	if a.roles.waited == 0 || now-a.roles.waited > int64(needLasts) {
		if most = a.cfg.Cores; a.q.alone.on.Load() {
			most = 1
		}
	}
	readers := map[AutoWorker]bool{}
	for _, reads := range []uint32{mainLane, 0} { // who does already comes first
		for _, w := range workers {
			r := a.roles.of[w]
			if !r.computes && !readers[w] && r.lanes&mainLane == reads && len(readers) < most {
				readers[w] = true
			}
		}
	}
	if have < len(workers) {
		return readers
	}
	both := a.leastBusy(workers, true)
	for _, w := range workers {
		if a.roles.of[w].lanes == mainLane|computeLane {
			both = w
		}
	}
	return map[AutoWorker]bool{both: true}
}

func busySlots(w Worker) (n int) {
	for i := range w.Slots() {
		if id, _ := w.Slot(i); id != 0 {
			n++
		}
	}
	return n
}

func (a *auto) decided(format string, numbers ...any) {
	a.cfg.Decided(fmt.Sprintf(format, numbers...))
}

// forget drops what is kept of a worker that reads no more.
func (a *auto) forget(w Worker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.lanes, w)
}
