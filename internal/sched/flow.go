package sched

import (
	"time"

	"girin/internal/wire"
)

// Frame passes a frame of w's on. A large one may come in parts: then only the
// last is Final, and those after the first are Blocks.
func (q *Queue) Frame(w Worker, f *wire.Frame, head, body []byte) {
	c := q.find(f.ID)
	if c == nil {
		return
	}
	if c.owner.Load() == nil {
		q.first(c, w, f, head)
	}
	if f.Flags&wire.Final != 0 && f.Kind != wire.Dropped {
		q.served(f)
	}
	switch f.Kind {
	case wire.Fetch:
		w.SendBody(f.ID, c.Spool, c.Length)
	case wire.Dropped:
		q.fail(c, f.ID, ErrCancelled)
	case wire.Failed:
		q.fail(c, f.ID, ErrAppFailed)
	default:
		final := f.Flags&wire.Final != 0
		if final && !q.end(c, f.ID) || !final && !q.note(c, f, len(body)) {
			return
		}
		c.Answer.Frame(f, head, body)
	}
}

// File passes an answer on whose body is a file's; nil: the server had no
// descriptor left to take it.
func (q *Queue) File(w Worker, f *wire.Frame, head []byte, body FileBody) {
	c := q.find(f.ID)
	if c == nil {
		body.File.Close()
		return
	}
	if body.File == nil {
		q.served(f)
		q.fail(c, f.ID, ErrNoDescriptor)
		return
	}
	if c.owner.Load() == nil {
		q.first(c, w, f, head)
	}
	q.served(f)
	if !q.end(c, f.ID) {
		body.File.Close()
		return
	}
	c.Answer.File(f, head, body)
}

// served counts a request that the application has done with.
func (q *Queue) served(f *wire.Frame) {
	q.cfg.Metrics.Served(time.Duration(f.Service) * time.Microsecond)
}

// first notes who answers and what the route needed.
func (q *Queue) first(c *Call, w Worker, f *wire.Frame, head []byte) {
	c.owner.Store(q.pointer(w))
	if f.Kind != wire.Response {
		return
	}
	c.Route.observe(f.Service)
	wait := int64(f.Began) - c.submitted
	q.waits.note(wait)
	q.cfg.Metrics.Began(time.Duration(wait))
	if q.auto != nil {
		q.auto.observe(c, w, f, len(head) > 0 && head[0] == '5')
	}
}
