package sched

import (
	"sync/atomic"
	"time"
)

// alone lets one worker that runs threads read by itself while it keeps up with requests
// that take next to nothing; the others stand by. Each of several that share such a
// lane finds it empty more often, sleeps, and is woken for one packet: hello costs a
// fifth more CPU with two readers than with one (docs/decisions/sched-alone.md).
//
// The watcher alone changes it, at looks that happen only while requests come. Under auto the
// manager then tells the workers (see mainReaders); otherwise this does.
type alone struct {
	on     atomic.Bool
	reader atomic.Pointer[Worker] // who reads, while on

	workers int           // how many there were when it began
	after   int64         // not before this time again
	still   int           // looks in a row at which nothing had been answered since the one before
	served  uint32        // answers until the last look
	cpu     time.Duration // what the reader had used of it at the first of those

	// What is judged next.
	since int64
	first uint32 // answers until then
	looks int
	busy  int // workers that ran something, summed over the looks
}

// load is what was seen of the workers for a while.
type load struct {
	rate float64 // requests per second
	busy float64 // workers that run something, on average
}

// service is how long a worker has a request.
func (l load) service() time.Duration {
	return time.Duration(l.busy / max(l.rate, 1) * float64(time.Second))
}

const (
	aloneLooks  = 128                   // that are judged together
	aloneWithin = 4 * aloneLooks * tick // if they take longer, hardly anything comes
	aloneFrom   = 10_000                // requests per second
	aloneBelow  = 10 * time.Microsecond // of service: above it two workers do more than one
	aloneBusy   = 0.5                   // of one worker, to begin
	aloneMost   = 0.7                   // of it, to go on
	aloneStill  = 3                     // looks, while something waits: it does not keep up
	aloneAgain  = int64(time.Second)    // after it did not
)

// suits reports whether one worker is enough for a load, and better than several.
func (l load) suits(on bool) bool {
	if on {
		return l.rate >= aloneFrom/2 && l.busy <= aloneMost && l.service() <= 2*aloneBelow
	}
	return l.rate >= aloneFrom && l.busy <= aloneBusy && l.service() <= aloneBelow
}

// selector is a worker that can be told what to read.
type selector interface{ Select(lanes uint32) }

// sight is what a look has seen.
type sight struct {
	workers []Worker // all
	first   Worker   // of those that read the lane
	reading int      // so many do
	busy    int      // so many of these run something
	unread  bool     // something waits
}

// lookAlone judges what a look has seen.
func (q *Queue) lookAlone(s sight) {
	a, now := &q.alone, q.cfg.Clock()
	if !q.cfg.Alone || q.auto != nil && q.auto.hasLoops() {
		return
	}
	served := q.waits.next.Load()
	if a.still++; served != a.served {
		a.still, a.served = 0, served
	}
	if a.still == 1 && a.on.Load() {
		a.cpu = a.used()
	}
	a.looks++
	a.busy += s.busy
	if a.on.Load() && a.fails(s) {
		q.readTogether(s.workers)
		a.after = now + aloneAgain
		return
	}
	took := time.Duration(now - a.since)
	if a.looks < aloneLooks && took < aloneWithin {
		return
	}
	had := load{rate: float64(served-a.first) / took.Seconds(), busy: float64(a.busy) / float64(a.looks)}
	suits := a.looks == aloneLooks && took < aloneWithin && had.suits(a.on.Load())
	a.since, a.first, a.looks, a.busy = now, served, 0, 0
	graves := q.deaths.watching.Load() // what lies there waits until all have read on
	switch on := a.on.Load(); {
	case on && (!suits || graves):
		q.readTogether(s.workers)
	case !on && suits && s.reading > 1 && now >= a.after && !graves:
		q.readAlone(s)
	}
}

// fails reports whether the one that reads has gone or does not keep up, or others have come.
func (a *alone) fails(s sight) bool {
	if len(s.workers) != a.workers || s.first != *a.reader.Load() {
		return true
	}
	return s.unread && a.still >= aloneStill && !a.starves()
}

// observed is a worker of which it can be told whether it computes, waits, or lacks a core.
type observed interface {
	CPU() time.Duration // of the process so far; 0: not known
	Runnable() bool     // one of its threads runs or could
}

// used is the CPU time of the one that reads; 0: not known.
func (a *alone) used() time.Duration {
	if w, ok := (*a.reader.Load()).(observed); ok {
		return w.CPU()
	}
	return 0
}

// starves reports whether the one that reads answers nothing because others have the
// cores, and not because a request computes or waits: another worker would lack a core as
// well. If it takes long, rouse has all read again.
func (a *alone) starves() bool {
	w, ok := (*a.reader.Load()).(observed)
	if !ok {
		return false
	}
	used := w.CPU()
	return used > 0 && used-a.cpu < tick/2 && w.Runnable()
}

// readAlone has the first worker read and the others stand by.
func (q *Queue) readAlone(s sight) {
	a := &q.alone
	a.workers = len(s.workers)
	a.reader.Store(&s.first)
	a.on.Store(true)
	if q.auto != nil {
		q.auto.wake()
		return
	}
	for _, w := range s.workers {
		if other, ok := w.(selector); ok && w != s.first {
			other.Select(0)
		}
	}
}

// readTogether has all read again.
func (q *Queue) readTogether(workers []Worker) {
	q.alone.on.Store(false)
	if q.auto != nil {
		q.auto.wake()
		return
	}
	for _, w := range workers {
		if s, ok := w.(selector); ok {
			s.Select(mainLane)
		}
	}
}

// standsBy reports whether a worker has nothing to do because another reads alone.
func (a *alone) standsBy(w Worker) bool {
	return a.on.Load() && *a.reader.Load() != w
}
