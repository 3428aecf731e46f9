package sched

import (
	"os"

	"girin/internal/wire"
)

// Cancel says that nobody waits for the call any more. If it has not begun it
// never will. Its answer is told the end all the same, later.
func (q *Queue) Cancel(c *Call) {
	if id := c.id(); id != 0 {
		q.abandon(c, id, cancel, ErrCancelled)
	}
}

// CancelQueued cancels the call if no thread has begun it.
func (q *Queue) CancelQueued(c *Call) {
	id := c.id()
	if id == 0 {
		return
	}
	if running, _ := q.running(); !running[id] {
		q.abandon(c, id, recall, ErrCancelled)
	}
}

// abandon applies an event after which nobody waits for the call: the flag table
// says so, its file is given back, and a worker that may wait for something of it
// is told. Cause is what its answer will be told, if the event does not tell it.
func (q *Queue) abandon(c *Call, id uint64, e event, cause error) change {
	q.mu.Lock()
	s := q.step(c, id, e)
	if !s.done {
		q.mu.Unlock()
		return s
	}
	if s.from.waited() {
		q.waited.Add(-1)
	}
	if s.to.flagged() {
		// Under the lock: whoever ends the call waits for it (see ended), so that
		// no flag is set that would be the next request's.
		q.flags[c.cell] = 1
	}
	c.cause = cause
	q.dropSpoolLocked(c)
	var owner Worker // read while the call cannot become another request
	if s.from.begun() {
		owner = *c.owner.Load()
	}
	task, remote, upgraded, gone := c.Task(), q.atRemote(c), c.upgraded.Load(), c.gone
	switch { // its application has its time to end from now on
	case upgraded, s.from == answering:
		c.moved.Store(q.cfg.Clock())
	case c.tunnelled.Load():
		c.fed.Store(q.cfg.Clock())
		c.since.Store(0)
		c.tunnelled.Store(false)
	}
	q.mu.Unlock()
	switch {
	case owner != nil || s.from != placed:
	case remote:
		q.cfg.Remote.Withdraw(id)
	case task:
		owner = q.runs(id)
	}
	if s.to == recalled {
		q.keeper.wake()
	}
	switch {
	case owner == nil:
	case upgraded:
		gone.tell(owner, id)
	default:
		owner.Grant(id, wire.Cancelled)
	}
	return s
}

// runs is the worker that runs a call of which it has sent nothing yet; nil: nobody has
// begun it, and who reads it will see the flag. A task can end before its answer begins,
// which a thread cannot.
func (q *Queue) runs(id uint64) (runner Worker) {
	q.slots(func(w Worker, of, _ uint64) {
		if of == id {
			runner = w
		}
	})
	return runner
}

// fail ends a call without the application, by an event that leads to idle.
func (q *Queue) fail(c *Call, id uint64, e event, cause error) {
	if s := q.step(c, id, e); s.done {
		q.ended(c, s)
		q.tellFailure(c, s, cause)
	}
}

// tellFailure tells the answer of a call that has ended, once.
func (q *Queue) tellFailure(c *Call, s change, cause error) {
	if s.from.told() {
		return
	}
	switch cause {
	case ErrWorkerDied, ErrLost, ErrAppFailed, ErrTimeout, ErrNoDescriptor:
		c.route.Load().sums.unanswered(c)
	}
	if c.by = nil; s.from.begun() {
		c.by = *c.owner.Load()
	}
	c.Answer.Fail(cause)
}

// ended gives back what a call had that has just become idle. Its answer must
// not be told before: then the call may be the next request.
func (q *Queue) ended(c *Call, s change) {
	if s.from.waited() {
		q.waited.Add(-1)
	}
	if s.from == recalled || s.from.flagged() {
		q.mu.Lock() // who said that nobody waits may still be at it
		q.unpack(c)
		q.dropSpoolLocked(c)
		q.mu.Unlock()
	} else {
		q.unpack(c)
		if c.spool != nil {
			q.mu.Lock()
			q.dropSpoolLocked(c)
			q.mu.Unlock()
		}
	}
	if c.counts.Load() {
		q.uncount(c)
	}
	if q.auto != nil {
		q.auto.ended(c)
	}
	if s.released {
		q.freeCell(c)
	}
}

// discard ends a recalled call that whoever held it back has let go of.
func (q *Queue) discard(c *Call, id uint64) {
	q.mu.Lock()
	cause := c.cause
	q.mu.Unlock()
	q.fail(c, id, discard, cause)
}

// Spool is a request's body in a file. With Submit it is the queue's, which
// closes it when no worker will ask for it any more.
type Spool interface {
	OS() *os.File
	Close()
}

// dropSpoolLocked gives a call's file to the keeper: to close a large one takes
// long.
func (q *Queue) dropSpoolLocked(c *Call) {
	if c.spool != nil {
		q.keeper.add(c.spool)
		c.spool = nil
	}
}

// spoolOf is the file of a request that somebody waits for; nil: nobody does, or
// there is none.
func (q *Queue) spoolOf(c *Call) *os.File {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.spool == nil {
		return nil
	}
	return c.spool.OS()
}
