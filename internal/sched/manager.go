package sched

import "time"

// manager gives workers their roles, and asks for more or fewer.
func (a *auto) manager() {
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
	if a.roles.target == 0 {
		a.roles.target = a.fewest()
	}
	if now-a.roles.lastLook >= int64(lookBusy) {
		a.measure(workers, now)
	}
	unknown := a.widen(workers, now)
	first := a.assign(workers, now)
	a.feedComputing()
	a.need(workers, now)
	return a.roles.want > 0 || a.roles.starved != 0 || unknown || a.unread() || first
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
	a.roles.lookedAt, a.roles.lastLook = a.roles.lastLook, now
	computing, used, total := 0, 0.0, 0.0
	for _, w := range workers {
		r := a.roles.of[w]
		cpu := w.CPU()
		r.share = float64(cpu-r.cpu) / elapsed
		r.cpu = cpu
		total += r.share
		if !r.computes {
			continue
		}
		computing++
		held := isHeld(w)
		if used += r.share; held {
			used += max(1-r.share, 0) // whatever it does, its process can do no more
		}
		idle := r.share < waitsBelow && !w.Runnable()
		a.noteBlocking(w, r, held, idle)
		if held || !idle {
			r.waits = 0
		} else if r.waits++; a.yield(w, r.waits, now) {
			r.waits = 0
		}
	}
	a.letOverlap(computing*a.roles.each, used, total)
}

// yield takes the slots from what w has run during so many looks and longer, if
// that is proof enough, and lets another of its threads read.
func (a *auto) yield(w AutoWorker, looks int, now int64) (any bool) {
	surprised := false
	for i := range w.Slots() {
		id, began := w.Slot(i)
		if c := a.q.find(id); c != nil {
			taken, known := a.takeSlot(c, id, looks, time.Duration(now-int64(began)))
			any = any || taken
			surprised = surprised || taken && !known
		}
	}
	if any {
		w.Promote()
	}
	if surprised {
		a.decided("a computing request in %d waits: its slot is free", w.PID())
	}
	return any
}

// takeSlot takes the slot from a call, if it computes as id since so long and
// seemed to wait in enough looks. Known: that is how its route is.
func (a *auto) takeSlot(c *Call, id uint64, looks int, since time.Duration) (taken, known bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !c.slot || !c.computes || c.id() != id {
		return false, false // it has ended, and may be another's by now
	}
	need := waitsLooks
	if known = c.Route.waitsLong(); known {
		need = 1
	}
	if looks < need || since < time.Duration(need)*lookBusy {
		return false, known
	}
	a.leaveSlotLocked(c)
	return true, known
}
