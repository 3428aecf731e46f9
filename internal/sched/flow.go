package sched

import (
	"errors"
	"fmt"
	"time"

	"girin/internal/wire"
)

// Frame passes a frame of w's on. A large one may come in parts: then only the
// last is Final, and those after the first are Blocks. An error says what the
// worker did that no worker may do: it must be ended.
func (q *Queue) Frame(w Worker, f *wire.Frame, head, body []byte) error {
	e := eventOf(f)
	c, err := q.expected(w, f.ID, e)
	if c == nil {
		return err
	}
	if f.Kind >= wire.Accept && !c.speaks(f.Kind) {
		return errNoSocket
	}
	switch e {
	case whole, last:
		if err := c.fits(f, len(body)); err != nil {
			return err
		}
		if s := q.finish(c, w, f, e, head); s.done && !s.from.told() {
			c.Answer.Frame(f, head, body)
		}
		return nil
	case dropped, failed:
		q.giveNone(c, f, e)
		return nil
	}
	return q.goOn(c, w, f, e, head, body)
}

// eventOf is what a frame means for its call.
func eventOf(f *wire.Frame) event {
	final := f.Flags&wire.Final != 0
	switch f.Kind {
	case wire.Early:
		return early
	case wire.Fetch:
		return fetch
	case wire.Dropped:
		return dropped
	case wire.Failed:
		return failed
	case wire.Response:
		if final {
			return whole
		}
		return head
	case wire.Accept:
		return head
	case wire.Taken:
		return took
	}
	if final {
		return last
	}
	return more
}

var (
	errNotIts   = errors.New("it answers a request that it does not have")
	errWindow   = errors.New("it sends more of a response than it was granted")
	errNoBody   = errors.New("it asks for a request body that is not in a file")
	errNoSocket = errors.New("it speaks of a WebSocket where none was asked for, or none was accepted")

	errNoMessage = errors.New("it sends a response's body on a WebSocket")
	errTwice     = errors.New("it asks for a request body twice")
	errOtherOne  = errors.New("it answers a request that another worker has begun to answer")
)

// expected returns the call of a frame, if w may send such a frame for it now.
// Without an error there is nobody whom it concerns.
func (q *Queue) expected(w Worker, id uint64, e event) (*Call, error) {
	c := q.inCell(id)
	was := idle
	if c != nil {
		if word := c.life.Load(); word&idMask == id {
			was = stateOf(word)
		}
	}
	if was == idle {
		if e == early || e == fetch || e == took || q.closed.Load() {
			// A thread or task of the application's came too late with it; or the answer was
			// a file, which comes by the control socket and may be here before the Fetch.
			return nil, nil
		}
		return nil, errNotIts
	}
	if next[was][e] == never {
		return nil, fmt.Errorf("it sends a frame of the kind %q for a request that is %v", e, was)
	}
	if o := c.owner.Load(); o != nil && *o != w {
		return nil, errOtherOne
	}
	return c, nil
}

// speaks reports whether frames of a WebSocket's kind may come: it must be asked for,
// and accepted.
func (c *Call) speaks(kind wire.Kind) bool {
	return c.upgraded.Load() && (kind == wire.Accept || c.accepted)
}

// fits checks body bytes against the window. A message of a WebSocket fits while
// anything is left of it, so that one which is larger can be sent at all.
func (c *Call) fits(f *wire.Frame, n int) error {
	left := int64(c.window.Load()) - c.unacknowledged.Load()
	switch {
	case f.Kind == wire.Close, f.Kind == wire.Taken:
		return nil
	case f.Kind == wire.Text, f.Kind == wire.Binary:
		if n > 0 && left <= 0 {
			return errWindow
		}
		c.parts = int64(f.Body) - int64(n)
	case f.Kind == wire.Block && c.accepted:
		if c.parts == 0 || int64(n) > c.parts || f.Flags&wire.Final != 0 {
			return errNoMessage
		}
		c.parts -= int64(n)
	case n > 0 && int64(n) > left:
		return errWindow
	}
	return nil
}

// goOn takes a frame that is not the last.
func (q *Queue) goOn(c *Call, w Worker, f *wire.Frame, e event, block, body []byte) error {
	if err := c.fits(f, len(body)); err != nil {
		return err
	}
	if c.owner.Load() == nil {
		c.owner.Store(q.pointer(w)) // before the life says that there is one
	}
	if e == head {
		c.accepted, c.parts = f.Kind == wire.Accept, 0
		q.learn(c, w, f, block)
	}
	if e == head || e == more {
		c.moved.Store(q.cfg.Clock())
		c.unacknowledged.Add(int64(len(body)))
	}
	if e == more {
		q.streams(c, w, f)
	}
	s := q.step(c, f.ID, e)
	if f.Kind == wire.Accept {
		q.accepted(c, f.ID, w)
	}
	switch {
	case !s.done:
		return nil
	case !s.to.waited() && c.upgraded.Load():
		return nil // who abandoned it has told (see tellGone)
	case !s.to.waited():
		w.Grant(f.ID, wire.Cancelled) // it may have looked at the flag before that was set
		return nil
	case e == fetch:
		return q.sendBody(c, w, f.ID)
	}
	c.Answer.Frame(f, block, body)
	return nil
}

// sendBody answers a Fetch: with the file, or that nobody waits any more.
func (q *Queue) sendBody(c *Call, w Worker, id uint64) error {
	switch {
	case c.Spool == nil:
		return errNoBody
	case c.fetched:
		return errTwice
	}
	c.fetched = true
	if file := q.spoolOf(c); file != nil {
		w.SendBody(id, file, c.Length)
	} else {
		w.Grant(id, wire.Cancelled)
	}
	return nil
}

// finish ends a call with a frame of w's, and notes who answered it. Its answer
// is still to be told, unless it was, or nobody has waited for it since its head.
func (q *Queue) finish(c *Call, w Worker, f *wire.Frame, e event, block []byte) change {
	if e == whole {
		q.learn(c, w, f, block)
	} else {
		c.route.Load().sums.ran(f.Service)
		c.streamed(f)
	}
	q.served(f)
	s := q.step(c, f.ID, e)
	if !s.done {
		return s
	}
	q.ended(c, s)
	switch {
	case s.from == left:
		q.tellFailure(c, s, ErrCancelled)
		s.done = false
	case !s.from.told():
		c.by = w
	}
	return s
}

// giveNone ends a call that the worker has not answered.
func (q *Queue) giveNone(c *Call, f *wire.Frame, e event) {
	cause := ErrCancelled
	if e == failed {
		q.served(f)
		if !stateOf(c.life.Load()).flagged() {
			cause = ErrAppFailed
		}
	}
	q.fail(c, f.ID, e, cause)
}

// File passes an answer on whose body is a file's; nil: the server had no
// descriptor left to take it.
func (q *Queue) File(w Worker, f *wire.Frame, head []byte, body FileBody) error {
	c, err := q.expected(w, f.ID, whole)
	if c == nil {
		closeFile(body)
		return err
	}
	if body.File == nil {
		q.served(f)
		q.fail(c, f.ID, failed, ErrNoDescriptor)
		return nil
	}
	if s := q.finish(c, w, f, whole, head); s.done && !s.from.told() {
		c.Answer.File(f, head, body)
	} else {
		closeFile(body)
	}
	return nil
}

func closeFile(body FileBody) {
	if body.File != nil {
		body.File.Close()
	}
}

// served counts a request that the application has done with.
func (q *Queue) served(f *wire.Frame) {
	q.cfg.Metrics.Served(time.Duration(f.Service) * time.Microsecond)
}

// learn notes what a route needed, once for each request.
func (q *Queue) learn(c *Call, w Worker, f *wire.Frame, block []byte) {
	if c.moved.Load() != 0 {
		return
	}
	if q.deaths.watching.Load() {
		q.deaths.saw(w, f.Began)
	}
	wait := int64(f.Began) - c.submitted
	missing := len(block) > 2 && string(block[:3]) == "404"
	failed := len(block) > 0 && block[0] == '5'
	sums := &q.routes.whose(c.Route, missing).sums // noted first: the route may leave with its answer
	if f.Flags&wire.Final != 0 {                   // else the end of its body tells
		sums.ran(f.Service)
	}
	if !stateOf(c.life.Load()).told() { // else it was counted when its client was told
		sums.answered(wait, failed)
	}
	q.routes.answered(c.Route, missing).observe(f.Service, uint32(max(wait/1000, 0)))
	q.waits.note(wait)
	if f.CPU != wire.NotMeasured {
		c.Route.observeCPU(f.CPU)
	}
	q.cfg.Metrics.Began(time.Duration(wait))
	if q.auto != nil && !q.atRemote(c) && !c.mayTunnel() {
		q.auto.observe(c, w, f, failed)
	}
}
