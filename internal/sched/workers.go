package sched

import (
	"slices"
	"time"
)

// Attach says that w is ready and reads the lane.
func (q *Queue) Attach(w Worker) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.readers = append(slices.Clone(q.readers), w)
	q.setAliveLocked(append(slices.Clone(q.alive), w))
	q.capacity.Add(int64(w.Slots()))
	if q.auto != nil {
		q.auto.wake()
	}
}

// Detach says that w reads no more, because it drains or has died. What it
// runs is left to it.
func (q *Queue) Detach(w Worker) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if slices.Contains(q.readers, w) {
		q.readers = without(q.readers, w)
		q.capacity.Add(-int64(w.Slots()))
		if q.auto != nil {
			q.auto.wake() // it may have been the one that read the main lane
		}
	}
}

func (q *Queue) setAliveLocked(workers []Worker) {
	q.alive = workers
	known := make([]*Worker, len(workers))
	for i := range workers {
		known[i] = &workers[i]
	}
	q.known.Store(&known)
}

// pointer returns a pointer to w for Call.owner, without allocating one for each
// request.
func (q *Queue) pointer(w Worker) *Worker {
	for _, p := range *q.known.Load() {
		if *p == w {
			return p
		}
	}
	other := w
	return &other
}

func without(workers []Worker, w Worker) []Worker {
	return slices.DeleteFunc(slices.Clone(workers), func(o Worker) bool { return o == w })
}

// Died fails what w was running. Its frames must have been passed on. What it
// had read and not begun is found later (see lost).
func (q *Queue) Died(w Worker) {
	q.Detach(w)
	q.mu.Lock()
	q.setAliveLocked(without(q.alive, w))
	q.mu.Unlock()
	for i := range w.Slots() {
		if id, _ := w.Slot(i); id != 0 {
			if c := q.find(id); c != nil {
				q.fail(c, id, ErrWorkerDied)
			}
		}
	}
	q.failOwned(w)
	q.done.Add(1)
	go q.lost(q.cfg.Clock())
}

// failOwned fails the calls that w had begun to answer.
func (q *Queue) failOwned(w Worker) {
	q.each(func(c *Call, id uint64) {
		if o := c.owner.Load(); o != nil && *o == w {
			q.fail(c, id, ErrWorkerDied)
		}
	})
}

// each visits the calls in flight.
func (q *Queue) each(visit func(c *Call, id uint64)) {
	q.mu.Lock()
	used := q.fresh
	q.mu.Unlock()
	for i := range used {
		if c := q.cells[i].Load(); c != nil {
			if id := c.live.Load() &^ givenUp; id != 0 {
				visit(c, id)
			}
		}
	}
}

// How lost looks: a packet lies in the lane in the order of its writing, give
// or take what two writers race for.
const (
	lostEvery = 100 * time.Millisecond
	lostSlack = int64(100 * time.Millisecond)
)

// lost fails the calls that a worker, dead since died, had read from the lane
// but not noted in its page, or had finished but not sent. Such a call is in no
// slot of a live worker and no longer in the lane: the lane is empty, or
// something that was sent clearly later has begun. Two looks in a row must
// agree, as a thread needs a moment between reading and noting. It is never
// given to anyone again: it may have run. lost returns when it is known of all
// calls that were sent before the death that someone has begun them.
func (q *Queue) lost(died int64) {
	defer q.done.Done()
	var suspects map[uint64]*Call
	for left := true; left; {
		select {
		case <-q.watch.stop:
			return
		case <-time.After(lostEvery):
		}
		last := suspects
		suspects, left = q.suspects(died)
		for id, c := range suspects {
			if last[id] == c {
				q.setFlag(c, id)
				q.fail(c, id, ErrLost)
			}
		}
	}
}

// suspects returns the calls that seem lost, and whether any that was sent
// before the death has not begun.
func (q *Queue) suspects(died int64) (found map[uint64]*Call, left bool) {
	empty := map[*line]bool{}
	for _, l := range q.lines {
		empty[l] = l.lane.Unread() == 0
	}
	running, newest := q.running()
	found = map[uint64]*Call{}
	q.each(func(c *Call, id uint64) {
		sent, l := c.sent.Load(), c.line.Load()
		if sent == 0 || sent > died || running[id] || c.owner.Load() != nil || l.holds(c) {
			return
		}
		left = true
		if empty[l] || sent+lostSlack < newest[l] {
			found[id] = c
		}
	})
	return found, left
}

// running returns the ids in the live workers' slots, and of each line when the
// latest of them was sent.
func (q *Queue) running() (ids map[uint64]bool, newest map[*line]int64) {
	ids, newest = map[uint64]bool{}, map[*line]int64{}
	q.slots(func(_ Worker, id, _ uint64) {
		ids[id] = true
		if c := q.find(id); c != nil {
			l := c.line.Load()
			newest[l] = max(newest[l], c.sent.Load())
		}
	})
	return ids, newest
}
