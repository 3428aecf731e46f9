package sched

import "fmt"

// limiter finds how many requests of a route may wait at once: as many as do
// not make each other wait. It is TCP Vegas on threads: from the shortest
// service time and the mean one follows how many of those that run queue
// somewhere behind the application, say for one of ten database connections.
//
//	queued = limit * (1 - shortest/mean)       Brakmo and Peterson, 1995
//
// While few queue the limit doubles, once it is used; when many do it falls to
// what the pool behind it seems to bear; when requests fail it falls at once.
type limiter struct {
	limit  float64
	active int
	peak   int // of active, in this window

	shortest float64 // us; grows slowly, so that a change of the route is seen
	sum      float64 // us, of this window
	least    float64 // us, of this window
	count    int
	failed   int

	why string // of the last change
}

// limitFirst is what is allowed without proof, limitLeast what stays.
const (
	limitFirst = 64
	limitLeast = 4
)

// now is how many may run.
func (l *limiter) now() int {
	if l.limit == 0 {
		return limitFirst
	}
	return int(l.limit)
}

func (l *limiter) take() {
	l.active++
	l.peak = max(l.peak, l.active)
}

// observe notes a request's service time in microseconds, and judges when half
// a round of them has come.
func (l *limiter) observe(us uint32, failed bool, most int) {
	if l.limit == 0 {
		l.limit = limitFirst
	}
	s := float64(us)
	l.sum += s
	if l.count == 0 || s < l.least {
		l.least = s
	}
	l.count++
	if failed {
		l.failed++
	}
	if l.count < max(int(l.limit)/2, limitLeast) {
		return
	}
	l.judge(float64(most))
	l.sum, l.count, l.failed, l.peak = 0, 0, 0, l.active
}

func (l *limiter) judge(most float64) {
	mean := l.sum / float64(l.count)
	if l.shortest == 0 || l.least < l.shortest {
		l.shortest = l.least
	} else {
		l.shortest += (l.least - l.shortest) / 16
	}
	used := float64(l.peak)
	queued := used * (1 - l.shortest/mean)
	switch {
	case 20*l.failed > l.count:
		l.set(l.limit*0.6, "%d of %d failed", l.failed, l.count)
	case queued > used/3+2:
		l.set(used*l.shortest/mean+2, "%.0f of %.0f queue behind the application", queued, used)
	case used >= 0.8*l.limit && queued < used/8+1:
		l.set(min(2*l.limit, most), "%.0f of %.0f queue behind the application", queued, used)
	}
}

func (l *limiter) set(limit float64, why string, numbers ...any) {
	if limit = max(limit, limitLeast); int(limit) == int(l.limit) {
		return
	}
	l.limit = limit
	l.why = fmt.Sprintf(why, numbers...)
}
