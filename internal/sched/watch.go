package sched

import (
	"sync/atomic"
	"time"
)

// tick is how long something may wait unread, with nothing begun, before a
// follower is promoted.
const tick = time.Millisecond

// watcher looks after calls that wait: it runs only while there are some. It
// is Go's sysmon, which takes a processor from a thread that blocks.
type watcher struct {
	armed atomic.Bool
	kick  chan struct{}
	stop  chan struct{}

	// Of the goroutine.
	newest uint64 // when what ran at the last look began, the latest of it
	served uint32 // answers until then
	asleep int    // looks in a row at which something was unread, and nothing had begun or was answered
}

func (w *watcher) init() {
	w.kick = make(chan struct{}, 1)
	w.stop = make(chan struct{})
}

// arm starts the ticking, if it does not tick already.
func (w *watcher) arm() {
	if !w.armed.Load() && w.armed.CompareAndSwap(false, true) {
		select {
		case w.kick <- struct{}{}:
		default:
		}
	}
}

func (q *Queue) watcher() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		select {
		case <-q.watch.stop:
			return
		case <-q.watch.kick:
		}
		for quiet := 0; quiet < quietLooks; {
			timer.Reset(tick)
			select {
			case <-q.watch.stop:
				return
			case <-timer.C:
			}
			// Disarmed before the look: what is submitted after it arms again.
			q.watch.armed.Store(false)
			if quiet++; q.look() {
				quiet = 0
			}
			if quiet < quietLooks && !q.watch.armed.CompareAndSwap(false, true) {
				break // it was armed meanwhile, and kicked
			}
		}
	}
}

// quietLooks is after how many looks at which nothing waits the watcher rests. What a
// thread has read and not noted yet is nowhere to be seen in one of them.
const quietLooks = 2

// look promotes where a busy leader keeps something waiting, and reports
// whether it must look again.
func (q *Queue) look() bool {
	a := q.auto
	unread := q.main.lane.Unread() > 0 || a != nil && a.unread()
	now := uint64(q.cfg.Clock())
	q.mu.Lock()
	readers := q.readers
	q.mu.Unlock()

	var newest uint64 // when anything last began
	var best Worker   // who has spare threads and the fewest busy ones
	again, fewest := unread, 1.0
	had := sight{workers: readers, unread: unread}
	for _, w := range readers {
		if a != nil && a.reads(w)&mainLane == 0 {
			continue
		}
		if had.reading++; had.first == nil {
			had.first = w
		}
		busy, held := 0, true
		for i := range w.Slots() {
			id, began := w.Slot(i)
			if id == 0 {
				continue
			}
			busy++
			newest = max(newest, began)
			if c := q.find(id); c != nil {
				held = held && (!c.tasked.Load() || isHeldUp(w, int64(now)))
				again = c.lookAtQuick(w, now-min(began, now), held) || again // it may have begun since
			}
		}
		if busy > 0 {
			had.busy++
		}
		if load := float64(busy) / float64(w.Slots()); busy > 0 && held && load < fewest {
			best, fewest = w, load
		}
	}
	if unread && best != nil && now > newest+uint64(tick) {
		best.Promote()
	}
	q.lookAlone(had)
	if a != nil {
		a.feedWaiting()
	}
	q.rouse(readers, newest, unread)
	return again
}

// asleepLooks is after how many looks readers are roused that seem to sleep. Where all are
// busy for long they are so again after twice as many, and so on.
const asleepLooks = 8

// rouse has all look into the lane who read it, if nobody does: the kernel wakes one of them
// for a packet, and if that one is told to read no more in this very moment, it leaves the
// packet there. The others would sleep until the next one comes.
func (q *Queue) rouse(readers []Worker, newest uint64, unread bool) {
	w, served := &q.watch, q.waits.next.Load()
	if w.asleep++; !unread || newest != w.newest || served != w.served {
		w.asleep, w.newest, w.served = 0, newest, served
	}
	if w.asleep >= asleepLooks && w.asleep&(w.asleep-1) == 0 {
		q.readTogether(readers)
	}
}

// lookAtQuick promotes where a request that was known to be quick is not:
// finished answers may wait for its own, if it holds the worker. It reports whether to
// look again.
func (c *Call) lookAtQuick(w Worker, age uint64, held bool) bool {
	if !c.trusted.Load() {
		return false
	}
	if age < uint64(2*tick) || !held && isHeld(w) { // of a step that holds it still too shortly
		return true
	}
	if c.trusted.CompareAndSwap(true, false) && held {
		w.Promote()
	}
	return false
}

// isHeldUp reports whether something holds an event loop for long. Of one that nothing
// holds nobody need take over, and what it has finished it sends by itself: its control
// thread would only keep Python's lock from it.
func isHeldUp(w Worker, now int64) bool {
	l, ok := w.(looper)
	return ok && (lasts(l.Stepping(), now, tick) || lasts(l.Silent(), now, tick))
}
