package sched

import (
	"slices"

	"girin/internal/wire"
)

// hold keeps a call for which the lane had no room.
func (q *Queue) hold(c *Call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = append(q.pending, c)
	q.held.Store(int64(len(q.pending)))
	q.feed.Signal()
}

// feeder moves held calls to the lane as workers make room, in their order.
func (q *Queue) feeder() {
	defer q.done.Done()
	for {
		c, id, cancelled := q.nextHeld()
		switch {
		case c == nil:
			return
		case cancelled:
			q.fail(c, id, ErrCancelled)
		default:
			c.sent.Store(q.cfg.Clock())
			if err := q.cfg.Lane.Send(c.packet); err != nil {
				q.fail(c, id, ErrStopped)
			}
		}
		q.unhold()
	}
}

// nextHeld waits for a held call; nil when the queue is closed. The call stays
// among the pending ones until it is sent, so that none overtakes it.
func (q *Queue) nextHeld() (c *Call, id uint64, cancelled bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.pending) == 0 && !q.closed {
		q.feed.Wait()
	}
	if q.closed {
		return nil, 0, false
	}
	c = q.pending[0]
	return c, c.live.Load(), q.flags[c.cell] != 0
}

// unhold removes the first held call.
func (q *Queue) unhold() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pending = slices.Delete(q.pending, 0, 1)
	q.held.Store(int64(len(q.pending)))
}

// Frame passes a frame of w's on. A large one may come in parts: then only the
// last is Final, and those after the first are Blocks.
func (q *Queue) Frame(w Worker, f *wire.Frame, head, body []byte) {
	c := q.find(f.ID)
	if c == nil {
		return
	}
	if c.owner.Load() == nil {
		q.first(c, w, f)
	}
	switch f.Kind {
	case wire.Fetch:
		w.SendBody(f.ID, c.Spool, c.Length)
	case wire.Dropped:
		q.fail(c, f.ID, ErrCancelled)
	case wire.Failed:
		q.fail(c, f.ID, ErrAppFailed)
	default:
		q.note(c, f, len(body))
		if f.Flags&wire.Final != 0 && !q.end(c, f.ID) {
			return
		}
		c.Answer.Frame(f, head, body)
	}
}

// File passes an answer on whose body is a file's.
func (q *Queue) File(w Worker, f *wire.Frame, head []byte, body FileBody) {
	c := q.find(f.ID)
	if c == nil {
		body.File.Close()
		return
	}
	if c.owner.Load() == nil {
		q.first(c, w, f)
	}
	if !q.end(c, f.ID) {
		body.File.Close()
		return
	}
	c.Answer.File(f, head, body)
}

// first notes who answers and what the route needed.
func (q *Queue) first(c *Call, w Worker, f *wire.Frame) {
	c.owner.Store(&w)
	if f.Kind == wire.Response {
		c.Route.observe(f.Service)
	}
}
