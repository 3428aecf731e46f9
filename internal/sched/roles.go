package sched

import (
	"fmt"
	"time"
)

// How often the manager looks, and how long a need must be over before it
// counts as over.
const (
	lookBusy   = 10 * time.Millisecond
	lookIdle   = 250 * time.Millisecond
	needLasts  = time.Second
	growEvery  = time.Second
	retireIdle = time.Minute
	// A computing request that had less than this share of a core, and could
	// not have had more, in two looks, waits for something: it gives its slot
	// up.
	waitsBelow = 0.2
	// Requests that wait unread for so long, while so much of the cores is
	// idle, need another process.
	starvedFor = 200 * time.Millisecond
	idleShare  = 0.3
)

// roles is what the manager knows of the workers.
type roles struct {
	of       map[AutoWorker]*role
	want     int   // workers that should compute
	wanted   int64 // when they were last needed
	grown    int64
	active   int64 // when anything was last in flight
	fed      int64 // when nothing waited unread, or no core was idle
	lastLook int64
}

// role is what one worker does.
type role struct {
	computes bool
	cpu      time.Duration // at the last look
	share    float64       // of a core, since then
	waits    int           // looks in a row in which it had little CPU
}

func newRoles() roles { return roles{of: map[AutoWorker]*role{}} }

// manager gives workers their roles, and asks for more or fewer.
func (a *auto) manager() {
	defer a.q.done.Done()
	t := time.NewTimer(lookIdle)
	defer t.Stop()
	for {
		select {
		case <-a.q.watch.stop:
			return
		case <-a.kick:
		case <-t.C:
		}
		if a.look() {
			t.Reset(lookBusy)
		} else {
			t.Reset(lookIdle)
		}
	}
}

// look does what is due, and reports whether to look again soon.
func (a *auto) look() bool {
	now := a.q.cfg.Clock()
	workers := a.workers()
	if len(workers) == 0 {
		return false
	}
	if now-a.roles.lastLook >= int64(lookBusy) {
		a.measure(workers, now)
	}
	a.assign(workers, now)
	a.feedComputing()
	a.resize(workers, now)
	return a.roles.want > 0
}

// workers returns those that read, and forgets the roles of the others.
func (a *auto) workers() (list []AutoWorker) {
	a.q.mu.Lock()
	readers := a.q.readers
	a.q.mu.Unlock()
	known := map[AutoWorker]*role{}
	for _, w := range readers {
		aw, ok := w.(AutoWorker)
		if !ok {
			continue
		}
		list = append(list, aw)
		if known[aw] = a.roles.of[aw]; known[aw] == nil {
			known[aw] = &role{cpu: aw.CPU()}
			a.choose(aw, mainLane)
		}
	}
	for w := range a.roles.of {
		if known[w] == nil {
			a.forget(w)
		}
	}
	a.roles.of = known
	return list
}

// measure sees how much CPU each worker had, and takes the slot from a
// computing request that waits.
func (a *auto) measure(workers []AutoWorker, now int64) {
	elapsed := float64(now - a.roles.lastLook)
	a.roles.lastLook = now
	for _, w := range workers {
		r := a.roles.of[w]
		cpu := w.CPU()
		r.share = float64(cpu-r.cpu) / elapsed
		r.cpu = cpu
		if !r.computes {
			continue
		}
		if r.share >= waitsBelow || w.Runnable() {
			r.waits = 0
		} else if r.waits++; r.waits >= 2 && a.yield(w) {
			r.waits = 0
		}
	}
}

// yield takes the slots from what w runs, and lets another of its threads read.
func (a *auto) yield(w AutoWorker) (any bool) {
	for i := range w.Slots() {
		id, _ := w.Slot(i)
		c := a.q.find(id)
		if c == nil {
			continue
		}
		a.mu.Lock()
		if c.slot && c.live.Load() == id {
			c.slot, any = false, true
			a.busy--
		}
		a.mu.Unlock()
	}
	if any {
		w.Promote()
		a.decided("a computing request in %d waits: its slot is free", w.PID())
	}
	return any
}

// assign makes as many workers compute as are needed, and leaves one at least
// for everything else.
func (a *auto) assign(workers []AutoWorker, now int64) {
	a.mu.Lock()
	demand := min(a.busy+len(a.queue), a.cfg.Cores)
	a.mu.Unlock()
	if s := &a.roles; demand >= s.want {
		s.want, s.wanted = demand, now
	} else if now-s.wanted > int64(needLasts) {
		s.want, s.wanted = demand, now
	}
	have := 0
	for _, w := range workers {
		if a.roles.of[w].computes {
			have++
		}
	}
	for ; have < a.roles.want; have++ {
		if !a.recruit(workers, len(workers)-have, now) {
			break
		}
	}
	for ; have > a.roles.want; have-- {
		a.dismiss(workers)
	}
	a.mu.Lock()
	a.slots = have
	a.mu.Unlock()
}

// recruit makes the least busy worker compute. rest is how many do not yet; the
// last of them stays, unless there can be no other: then it does both.
func (a *auto) recruit(workers []AutoWorker, rest int, now int64) bool {
	if rest < 2 && len(workers) < a.cfg.Most {
		a.grow(1, now, fmt.Sprintf("%d requests compute and %d of %d workers are left for others", a.roles.want, rest, len(workers)))
		return false
	}
	if rest < 1 {
		return false
	}
	var best AutoWorker
	fewest := 0
	for _, w := range workers {
		if busy := busySlots(w); !a.roles.of[w].computes && (best == nil || busy < fewest) {
			best, fewest = w, busy
		}
	}
	lanes := uint32(computeLane)
	if rest == 1 {
		lanes |= mainLane
	}
	a.roles.of[best].computes, a.roles.of[best].waits = true, 0
	a.choose(best, lanes)
	a.decided("worker %d computes: %d requests do or would", best.PID(), a.roles.want)
	return true
}

// dismiss gives the least busy computing worker back to everything else.
func (a *auto) dismiss(workers []AutoWorker) {
	var best AutoWorker
	fewest := 0
	for _, w := range workers {
		if busy := busySlots(w); a.roles.of[w].computes && (best == nil || busy < fewest) {
			best, fewest = w, busy
		}
	}
	a.roles.of[best].computes = false
	a.choose(best, mainLane)
	a.decided("worker %d no longer computes: %d requests do or would", best.PID(), a.roles.want)
}

func busySlots(w Worker) (n int) {
	for i := range w.Slots() {
		if id, _ := w.Slot(i); id != 0 {
			n++
		}
	}
	return n
}

// resize asks for a process where requests wait beside idle cores, and gives
// one back that nobody has needed for long.
func (a *auto) resize(workers []AutoWorker, now int64) {
	s := &a.roles
	if a.q.inFlight.Load() > 0 {
		s.active = now
	}
	total := 0.0
	for _, r := range s.of {
		total += r.share
	}
	if s.fed == 0 || a.q.main.lane.Unread() == 0 || total > (1-idleShare)*float64(a.cfg.Cores) {
		s.fed = now
	}
	switch {
	case now-s.fed > int64(starvedFor) && len(workers) < a.cfg.Most:
		s.fed = now
		a.grow(1, now, fmt.Sprintf("requests wait unread and %.1f of %d cores are used", total, a.cfg.Cores))
	case len(workers) > a.cfg.Workers && now-s.active > int64(retireIdle):
		a.grow(-1, now, "nothing was asked for a minute")
	}
}

func (a *auto) grow(n int, now int64, why string) {
	if now-a.roles.grown < int64(growEvery) && a.roles.grown != 0 {
		return
	}
	a.roles.grown = now
	a.decided("%+d workers: %s", n, why)
	a.cfg.Grow(n, why)
}

func (a *auto) decided(format string, numbers ...any) {
	a.cfg.Decided(fmt.Sprintf(format, numbers...))
}

// forget drops what is kept of a worker that reads no more.
func (a *auto) forget(w Worker) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.apart, w)
}
