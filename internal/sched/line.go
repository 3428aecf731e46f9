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
	held atomic.Int64 // len(pending), read without the lock

	mu      sync.Mutex
	pending []*Call    // guarded by mu
	closed  bool       // guarded by mu
	feed    *sync.Cond // pending or closed changed
}

func newLine(q *Queue, lane Lane) *line {
	l := &line{q: q, lane: lane}
	l.feed = sync.NewCond(&l.mu)
	return l
}

// place sends a call now, or holds it until those before it are sent.
func (l *line) place(c *Call, now int64) {
	c.line.Store(l)
	if l.held.Load() == 0 && l.lane.TrySend(c.packet) {
		c.sent.Store(now)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = append(l.pending, c)
	l.held.Store(int64(len(l.pending)))
	l.feed.Signal()
}

// feeder moves held calls to the lane as workers make room, in their order.
func (l *line) feeder() {
	defer l.q.done.Done()
	for {
		c, id := l.next()
		switch {
		case c == nil:
			return
		case l.q.flagged(c):
			l.q.fail(c, id, ErrCancelled)
		default:
			c.sent.Store(l.q.cfg.Clock())
			if err := l.lane.Send(c.packet); err != nil {
				l.q.fail(c, id, ErrStopped)
			}
		}
		l.shift()
	}
}

// next waits for a held call; nil when the line is closed. The call stays among
// the pending ones until it is sent, so that none overtakes it.
func (l *line) next() (c *Call, id uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.pending) == 0 && !l.closed {
		l.feed.Wait()
	}
	if l.closed {
		return nil, 0
	}
	c = l.pending[0]
	return c, c.live.Load()
}

// shift removes the first held call.
func (l *line) shift() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pending = slices.Delete(l.pending, 0, 1)
	l.held.Store(int64(len(l.pending)))
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
	return slices.Contains(l.pending, c)
}
