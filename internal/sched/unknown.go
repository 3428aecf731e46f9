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
	// much has passed, if its requests do not seem to wait.
	widenAfter = 150 * time.Millisecond
	// Where workers are event loops a second one would hold the next of them; and that
	// the first one does so is soon told (see Queue.Held).
	widenLoops = time.Second
	// So soon if others keep its loop busy, and not the first one's steps nor threads.
	widenOthers = 25 * time.Millisecond
)

// widen lets more requests run of routes of which nothing is known, and reports
// whether there are such that wait. If the workers that have the first one are
// mostly idle, it waits, and so may others beside it; if not, it may compute, and
// holding the others back until it has ended spares all of them a crowd. But that
// may take long, so more are let in little by little.
func (a *auto) widen(workers []AutoWorker, now int64) (unknown bool) {
	most := limitFirst
	if a.hasLoops() {
		most = wire.FlagTable
	}
	looked, unknown := a.unknownRoutes()
	for r, after := range a.widensAfter(looked, workers, now) {
		a.mu.Lock()
		if after == 0 {
			r.limiter.widen(most)
		} else {
			r.limiter.double(most, now, after)
		}
		a.mu.Unlock()
	}
	if unknown {
		a.feedWaiting()
	}
	return unknown
}

// unknownRoutes are those whose requests are held back and of which nothing is known, if that
// was so for a whole look; and whether there are any.
func (a *auto) unknownRoutes() (looked []*Route, any bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, r := range a.blocked {
		if r.limiter.known() || r.pending[0].yields {
			continue
		}
		any = true
		if a.roles.lookedAt >= r.limiter.asked {
			looked = append(looked, r)
		}
	}
	return looked, any
}

// unbegun is for a route whose first request has not begun: of that nothing can be seen.
const unbegun = 1 << 62

// widensAfter is how long each widening takes of routes, by what those of their requests seem
// to do that run; 0: they wait, and all may run.
func (a *auto) widensAfter(routes []*Route, workers []AutoWorker, now int64) map[*Route]time.Duration {
	after := make(map[*Route]time.Duration, len(routes))
	if len(routes) == 0 {
		return after
	}
	for _, r := range routes {
		if after[r] = 0; a.hasLoops() {
			after[r] = unbegun // what takes what is new may be held, and has not read it
		}
	}
	for _, w := range workers {
		busy := a.roles.of[w].share > mostlyWaits || isHeld(w)
		if !busy && !a.hasLoops() {
			continue
		}
		for i := range w.Slots() {
			id, began := w.Slot(i)
			r := a.q.routeOf(id)
			before, asked := after[r]
			if !asked {
				continue
			}
			if before == unbegun {
				before = 0
			}
			if after[r] = before; busy {
				after[r] = max(before, a.suspicion(w, began, now))
			}
		}
	}
	a.q.slots(func(_ Worker, id, _ uint64) {
		if r := a.q.routeOf(id); after[r] == unbegun { // in one that drains, of which less is known
			after[r] = widenAfter
		}
	})
	return after
}

// routeOf is the route of a request in flight; nil: there is none.
func (q *Queue) routeOf(id uint64) *Route {
	if c := q.find(id); c != nil {
		return c.route.Load()
	}
	return nil
}

// suspicion says the same by one request that began then, where much CPU is used.
func (a *auto) suspicion(w AutoWorker, began uint64, now int64) time.Duration {
	l, ok := w.(looper)
	switch {
	case !a.hasLoops() || !ok:
		return widenAfter
	case l.Stepping() == int64(began), a.roles.of[w].beside.share(l, now) > mostlyWaits:
		return widenLoops // it is in its first step, or threads compute
	}
	return widenOthers
}

// beside is what threads beside a loop use of a core, as far as it was looked.
type beside struct {
	cpu time.Duration
	at  int64
	of  float64
}

// share measures it anew, unless it was just done. At first it is not known, and all.
func (b *beside) share(l looper, now int64) float64 {
	switch elapsed := now - b.at; {
	case elapsed < int64(lookBusy):
	case elapsed > int64(time.Second):
		b.cpu, b.at, b.of = l.Beside(), now, 1
	default:
		cpu := l.Beside()
		b.of = float64(cpu-b.cpu) / float64(elapsed)
		b.cpu, b.at = cpu, now
	}
	return b.of
}
