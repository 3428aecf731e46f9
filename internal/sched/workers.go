package sched

import "slices"

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
// had read and not begun is found later (see undertaker).
func (q *Queue) Died(w Worker) {
	q.Left(w)
	q.deaths.told(q.cfg.Clock())
}

// Left is Died for a worker that has ended in order: it had read nothing that it had
// not begun, so nothing is looked for. A look could take for lost what another one has
// just read and, on a busy machine, not noted for long.
func (q *Queue) Left(w Worker) {
	q.Detach(w)
	q.mu.Lock()
	q.setAliveLocked(without(q.alive, w))
	q.mu.Unlock()
	q.placeAnew(w)
	for i := range w.Slots() {
		id, _ := w.Slot(i)
		c := q.find(id)
		if c == nil {
			continue
		}
		if o := c.owner.Load(); o == nil || *o == w {
			q.fail(c, id, perish, ErrWorkerDied)
		}
	}
	q.failOwned(w)
}

// failOwned fails the calls that w had begun to answer.
func (q *Queue) failOwned(w Worker) {
	q.each(func(c *Call, id uint64) {
		if o := c.owner.Load(); o != nil && *o == w {
			q.fail(c, id, perish, ErrWorkerDied)
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
			if id := c.id(); id != 0 {
				visit(c, id)
			}
		}
	}
}
