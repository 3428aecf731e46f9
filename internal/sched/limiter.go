package sched

import (
	"fmt"
	"time"
)

// limiter finds how many requests of a route may wait at once: as many as do
// not make each other wait, say for one of ten database connections. How many
// of them queue behind the application it guesses as TCP Vegas does, from the
// time that a request takes alone and the mean one:
//
//	queued = used * (1 - alone/mean)           Brakmo and Peterson, 1995
//
// While few queue it tries twice as many, when many do, fewer; each change is a
// trial that the requests served per second decide. If more at once did not
// bring more, or fewer cost something, it goes back; and the latter shows that
// requests are of different length, not crowded, which the time alone is
// corrected for. When requests fail it falls at once. After a pause it measures the
// time alone anew, as BBR does (Cardwell and others, 2016).
type limiter struct {
	limit  float64 // 0: nothing is known
	active int

	// While nothing is known: since when somebody asks, and how many may run.
	asked   int64 // ns
	widened int64 // ns, when the last time
	untried int

	rest  int  // judgements to pass before the next trial
	rests int  // how many it was the last time; 0: no trial of more has failed since one that did not
	from  mark // what it is a trial against; zero: none is on
	waits int  // windows for which it may still wait for what was asked for to run

	ended    int64   // ns, the last one
	shortest float64 // us
	spread   float64 // mean over shortest, when nothing is crowded

	skip int // ends to pass before a window begins: they ran under another limit

	// A window.
	opened int64   // ns
	peak   int     // of active
	wanted bool    // one more was asked for
	sum    float64 // us
	least  float64 // us
	count  int
	failed int

	why string // of the last change
}

// mark is what a limit brought: requests per second.
type mark struct{ limit, used, rate float64 }

// limitFirst is what is allowed without proof, limitLeast what stays,
// limitWindow how many ends make a window at least, limitLasts how long it
// lasts at least (thousands that wait shortly end in waves), limitRests how many
// judgements a trial of more that failed is not repeated at most, limitRested the first
// time, which may have been by chance, limitWaits for how
// many windows one waits for threads to start, and limitPause after
// how much silence what a request takes may have changed.
const (
	limitFirst  = 64
	limitLeast  = 4
	limitWindow = 16
	limitLasts  = int64(100 * time.Millisecond)
	limitRests  = 32
	limitRested = 8
	limitWaits  = 3
	limitPause  = int64(time.Second)
)

// known reports whether a request has ended.
func (l *limiter) known() bool { return l.limit != 0 }

// now is how many may run.
func (l *limiter) now() int {
	switch {
	case l.known():
		return int(l.limit)
	case l.untried > 0:
		return l.untried
	}
	return limitFirst
}

// widen lets more run although nothing is known.
func (l *limiter) widen(to int) { l.untried = max(l.untried, to) }

// double lets twice as many run, up to a most, if so much time has passed since the last time.
func (l *limiter) double(most int, now int64, after time.Duration) {
	if now-max(l.asked, l.widened) >= int64(after) {
		l.widened = now
		l.widen(min(most, 2*l.untried))
	}
}

// take counts a request that begins.
func (l *limiter) take() {
	l.active++
	l.peak = max(l.peak, l.active)
}

// full reports whether no more may run, and notes that one more was wanted.
func (l *limiter) full() bool {
	full := l.active >= l.now()
	l.wanted = l.wanted || full
	return full
}

// observe notes that a request ended at a time in nanoseconds after so many
// microseconds of service.
func (l *limiter) observe(us uint32, at int64, failed bool, most int) {
	began := at - int64(us)*1000
	if !l.known() {
		l.limit, l.ended = min(limitFirst, float64(most)), began-limitPause
	}
	if began-l.ended >= limitPause {
		l.forget(began)
	}
	l.ended = max(l.ended, at)
	if l.skip > 0 {
		if l.skip--; l.skip == 0 {
			l.open(at)
		}
		return
	}
	if failed {
		l.failed++
	}
	s := max(float64(us), 1)
	l.sum += s
	if l.count == 0 || s < l.least {
		l.least = s
	}
	l.count++
	if l.count >= max(int(l.limit)/2, limitLeast) && 20*l.failed > l.count {
		l.rest, l.from = limitRests, mark{}
		l.set(l.limit*0.6, "%d of %d failed", l.failed, l.count)
		return
	}
	if l.count >= max(int(l.limit), limitWindow) && at-l.opened >= limitLasts {
		l.judge(at, float64(most))
		l.open(at)
	}
}

// forget drops what was measured before a pause, but for the limit.
func (l *limiter) forget(at int64) {
	l.from, l.skip = mark{}, 0
	l.shortest, l.spread = 0, 1
	l.opened, l.sum, l.count, l.failed = at, 0, 0, 0
}

// open begins a window.
func (l *limiter) open(at int64) {
	l.opened, l.peak, l.wanted = at, 0, false
	l.sum, l.count, l.failed = 0, 0, 0
}

func (l *limiter) judge(at int64, most float64) {
	mean, used := l.sum/float64(l.count), float64(l.peak)
	if l.shortest == 0 || l.least < l.shortest {
		l.shortest = l.least
	}
	now := mark{l.limit, used, float64(l.count) / (float64(max(at-l.opened, 1)) / 1e9)}
	if from := l.from; from.limit != 0 {
		l.from = mark{}
		if !l.passed(from, now, mean) {
			return
		}
	}
	alone := l.shortest * l.spread
	queued := used * (1 - alone/mean)
	switch {
	case l.rest > 0:
		l.rest--
	case l.wanted && queued < used/8+1:
		l.try(now, min(2*l.limit, most), queued)
	case queued > used/3+2:
		l.try(now, max(used*alone/mean+2, used/2), queued)
	}
}

// try begins a trial of another limit.
func (l *limiter) try(now mark, limit, queued float64) {
	if l.set(limit, "%.0f of %.0f seem to queue behind the application", queued, now.used) {
		l.from, l.waits = now, limitWaits
	}
}

// passed reports whether a trial was worth it, and otherwise ends it.
func (l *limiter) passed(from, now mark, mean float64) bool {
	grew := now.limit > from.limit
	switch {
	case grew && now.used <= from.used || !grew && now.used < 0.8*now.limit:
		// Too few came to say.
		l.set(from.limit, "only %.0f at once were asked for", now.used)
		return false
	case grew && now.rate < from.rate*(1+0.4*(now.used/from.used-1)) && now.rate*mean/1e6 < 0.8*now.used && l.waits > 0:
		// By Little's law some have not begun: threads start one after the other.
		l.from = from
		l.waits--
		return false
	case grew && now.rate < from.rate*(1+0.4*(now.used/from.used-1)):
		l.rests = min(max(2*l.rests, limitRested), limitRests)
		l.rest = l.rests
		l.set(from.limit, "%.0f at once bring %.0f/s, %.0f brought %.0f/s", now.used, now.rate, from.used, from.rate)
		return false
	case !grew && now.rate < 0.85*from.rate:
		l.shortest, l.spread = l.least, mean/l.least
		l.set(from.limit, "%.0f at once bring %.0f/s, %.0f brought %.0f/s", now.used, now.rate, from.used, from.rate)
		return false
	}
	if grew {
		l.rests = 0
	}
	return true
}

// set changes the limit, and reports whether it did.
func (l *limiter) set(limit float64, why string, numbers ...any) bool {
	if limit = max(limit, limitLeast); int(limit) == int(l.limit) {
		return false
	}
	l.limit = limit
	l.skip = max(l.active, int(limit))
	l.why = fmt.Sprintf(why, numbers...)
	return true
}
