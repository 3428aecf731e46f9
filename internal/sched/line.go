package sched

import (
	"slices"
	"sync"
	"sync/atomic"
)

// line is a lane and the calls for which it had no room, in their order.
type line struct {
	q    *Queue
	lane Lane
	held atomic.Int64 // len(pending), and sending, read without the lock

	mu      sync.Mutex
	pending []*Call    // guarded by mu: kept
	sending *Call      // guarded by mu: placed, in the feeder's hands; nil: none
	closed  bool       // guarded by mu
	feed    *sync.Cond // pending or closed changed
}

func newLine(q *Queue, lane Lane) *line {
	l := &line{q: q, lane: lane}
	l.feed = sync.NewCond(&l.mu)
	return l
}

// takes places a call that begins, if none is held before it: nearly all are placed so.
// False: it has not begun.
func (l *line) takes(c *Call, id uint64, now int64) bool {
	if l.held.Load() != 0 {
		return false
	}
	l.mark(c, now)
	var room []byte
	if l.q.cfg.Sent != nil {
		room, c.Request = c.Request, nil // before the answer can come, which looks at it
	}
	c.begin(id, placed)
	switch {
	case !l.sends(c, id, c.packet):
		l.hold(c, id)
	case room != nil:
		l.q.cfg.Sent(room)
	}
	return true
}

// place sends a kept call now, or holds it until those before it are sent. False:
// nobody waits for it any more, and whoever has it in hands must discard it.
func (l *line) place(c *Call, id uint64, now int64) bool {
	l.mark(c, now)
	if l.held.Load() == 0 {
		packet := c.packet // once it is placed, its answer may come, and the next request
		if !l.q.step(c, id, place).done {
			return false
		}
		if l.sends(c, id, packet) {
			return true
		}
	}
	l.hold(c, id)
	return true
}

// mark notes where and when a call is placed.
func (l *line) mark(c *Call, now int64) {
	if c.line.Load() != l {
		c.line.Store(l)
	}
	c.sent.Store(now)
}

// sends sends a placed call if the lane has room. False: it has none, and the call is
// kept again.
func (l *line) sends(c *Call, id uint64, packet []byte) bool {
	if l.lane.TrySend(packet) {
		return true
	}
	switch s := l.q.step(c, id, unplace); {
	case !s.done: // the server ends
		return true
	case s.to == idle: // it was given up in this very moment, and no worker has seen it
		l.q.ended(c, s)
		l.q.tellFailure(c, s, ErrCancelled)
		return true
	}
	return false
}

// hold has the feeder send a kept call after those before it.
func (l *line) hold(c *Call, id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, c)
	l.countLocked()
	l.feed.Signal()
	if !c.in(id, kept) {
		l.q.keeper.wake() // it was recalled before it was to be found here
	}
}

// feeder moves held calls to the lane as workers make room, in their order.
func (l *line) feeder() {
	for {
		c, id, packet := l.next()
		switch {
		case c == nil:
			return
		case packet == nil:
			l.q.discard(c, id)
			continue
		}
		if err := l.lane.Send(packet); err != nil {
			l.q.fail(c, id, stop, ErrStopped)
		}
		l.sent()
		l.q.watch.arm() // the watcher may have looked between the room and what fills it
	}
}

// next waits for a held call, takes it out and places it; nil when the line is closed. It
// counts among the held ones until it is sent, so that none overtakes it. No packet:
// nobody waits for it.
func (l *line) next() (c *Call, id uint64, packet []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) == 0 && !l.closed {
		l.feed.Wait()
	}
	if l.closed {
		return nil, 0, nil
	}
	c = l.pending[0]
	l.pending = slices.Delete(l.pending, 0, 1)
	id, packet = c.id(), c.packet
	c.sent.Store(l.q.cfg.Clock())
	if !l.q.step(c, id, place).done {
		l.countLocked()
		return c, id, nil
	}
	l.sending = c
	return c, id, packet
}

// sent says that the feeder has let go of its call, which may be the next request by now,
// and held again.
func (l *line) sent() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sending = nil
	l.countLocked()
}

func (l *line) countLocked() {
	n := len(l.pending)
	if l.sending != nil {
		n++
	}
	l.held.Store(int64(n))
}

// takeRecalled takes out what nobody waits for.
func (l *line) takeRecalled() (out []*Call) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = withoutRecalled(l.pending, &out)
	l.countLocked()
	return out
}

// withoutRecalled moves the recalled calls of a list to out.
func withoutRecalled(list []*Call, out *[]*Call) []*Call {
	return slices.DeleteFunc(list, func(c *Call) bool {
		if stateOf(c.life.Load()) != recalled {
			return false
		}
		*out = append(*out, c)
		return true
	})
}

// close ends the feeder.
func (l *line) close() {
	l.mu.Lock()
	l.closed = true
	l.feed.Broadcast()
	l.mu.Unlock()
	l.lane.Stop()
}

// holds reports whether the call waits here.
func (l *line) holds(c *Call) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return c == l.sending || slices.Contains(l.pending, c)
}
