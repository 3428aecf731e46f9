package sched

import (
	"fmt"
	"time"
)

const (
	retireIdle = time.Minute
	// Requests that wait unread for so long, while so much of the cores is
	// idle, need another process.
	starvedFor = 200 * time.Millisecond
	idleShare  = 0.3
)

// need asks for a process where requests wait beside idle cores or for want of
// threads, and gives one back that nobody has needed for long.
func (a *auto) need(workers []AutoWorker, now int64) {
	s := &a.roles
	total := 0.0
	for _, r := range s.of {
		total += r.share
	}
	idle := total <= (1-idleShare)*float64(a.cfg.Cores)
	loops := a.threadsOf(workers)
	if loops.many {
		s.waited = now
	}
	a.mu.Lock()
	short := a.shortLocked() || loops.short && idle
	inUse := s.processes()+1 >= len(workers) && s.want > 0 || a.waiting > a.room-a.room/len(workers) || !loops.spare
	a.mu.Unlock()
	switch starved := short || idle && (a.lies() || a.unread()); {
	case !starved:
		s.starved = 0
	case s.starved == 0:
		s.starved = now
	}
	if s.needed == 0 || inUse || short {
		s.needed = now
	}
	switch {
	case s.starved != 0 && now-s.starved > int64(starvedFor):
		why := fmt.Sprintf("requests wait unread and %.1f of %d cores are used", total, a.cfg.Cores)
		if short {
			why = fmt.Sprintf("requests wait for threads, of which %d workers have too few", len(workers))
		}
		a.resize(1, len(workers), now, why)
	case now-s.needed > int64(retireIdle):
		a.resize(-1, len(workers), now, "so many were not needed for a minute")
	}
}

// lies reports whether requests lie unread in the main lane, though nobody is known to keep up.
func (a *auto) lies() bool { return !a.q.alone.on.Load() && a.q.main.lane.Unread() > 0 }

// resize asks for n workers more or fewer, within the limits, and not before
// those are there that were asked for.
func (a *auto) resize(n, have int, now int64, why string) {
	s := &a.roles
	target := min(max(s.target+n, a.fewest()), a.most())
	if target == s.target || n > 0 && have < s.target || !s.resizes.allow(now) || n > 0 && !a.affords() {
		return
	}
	a.decided("%d workers instead of %d: %s", target, s.target, why)
	s.target, s.starved, s.needed = target, 0, now
	a.cfg.Resize(target, why)
}

// affords reports whether memory is left for one worker more, that is as large as
// the largest there is and grows by a quarter.
func (a *auto) affords() bool {
	left, known := a.cfg.MemoryLeft()
	if !known {
		return true
	}
	largest := int64(0)
	for w := range a.roles.of {
		largest = max(largest, w.Memory())
	}
	if left >= largest+largest/4 {
		return true
	}
	a.decided("no worker more: one has %d MiB, and %d MiB are left", largest>>20, left>>20)
	return false
}

// pace keeps resizes rare: a step of the load may cause resizeBurst of them,
// what goes on for longer one in resizeEvery. It is the generic cell rate
// algorithm (ITU-T I.371).
type pace struct {
	due  int64 // when all allowed so far would have been, at the steady rate
	last int64
}

const (
	resizeEvery = 10 * time.Second
	resizeBurst = 4
	resizeApart = time.Second
)

func (p *pace) allow(now int64) bool {
	due := max(p.due, now)
	if p.last != 0 && now-p.last < int64(resizeApart) || due-now > int64((resizeBurst-1)*resizeEvery) {
		return false
	}
	p.due, p.last = due+int64(resizeEvery), now
	return true
}
