package sched

import (
	"cmp"
	"time"

	"girin/internal/wire"
)

// heldLong is for how long a loop may be held by a step, silentLong for how long it may owe a
// sign of life, and still be given what lasts.
const (
	heldLong   = 5 * time.Millisecond
	silentLong = 50 * time.Millisecond
)

// lastsFrom is from when on a stream counts as one that lasts.
const lastsFrom = uint32(time.Second / time.Microsecond)

// push gives what lasts to the loop that shall have it, and reports whether there is one: a
// WebSocket's opening request, or one of a route whose answers are long streams. Other
// requests are taken by who has time for them; but a socket stays for days, and of several
// loops the kernel would often wake the same one.
func (q *Queue) push(c *Call, id uint64) bool {
	if !c.isPushed() {
		return false
	}
	q.mu.Lock()
	w := q.lightestLocked()
	if w == nil {
		q.mu.Unlock()
		return false
	}
	q.countLocked(c, w)
	c.line.Store(q.pushed)
	c.owner.Store(q.pointer(w)) // if it dies, what it has not begun is placed anew
	c.sent.Store(c.submitted)
	// Under the lock: w reads, so that whoever is told of its death finds the call placed;
	// and they are said in the order in which they are counted.
	s := q.step(c, id, place)
	if s.done {
		q.given[w]++
		c.pushed = q.given[w]
		w.Say(wire.Inbound{ID: id, Kind: wire.Open}, c.packet)
	}
	q.mu.Unlock()
	if !s.done {
		q.discard(c, id)
		return true
	}
	w.Flush()
	return true
}

// isPushed reports whether the call is for a loop of the master's choice, if one has room.
func (c *Call) isPushed() bool {
	return c.Task() && (c.Upgrade || c.Route.lasts.Load() && c.kind == light)
}

// streams takes note of a part of a stream that lasts: its route's next ones are pushed.
func (q *Queue) streams(c *Call, w Worker, f *wire.Frame) {
	if f.Service < lastsFrom || c.counts.Load() || !c.Task() {
		return
	}
	q.accepted(c, f.ID, w)
	if r := c.route.Load(); !r.shared {
		r.lasts.Store(true)
	}
}

// streamed takes note of the end of a stream: of a short one that its route's do not last.
func (c *Call) streamed(f *wire.Frame) {
	if r := c.route.Load(); f.Service < lastsFrom && r.lasts.Load() && stateOf(c.life.Load()) == answering {
		r.lasts.Store(false)
	}
}

// lightestLocked is the loop that has room and bears least; nil: none has room.
func (q *Queue) lightestLocked() (best Worker) {
	var least burden
	now := q.cfg.Clock()
	for _, w := range q.readers {
		l, ok := w.(looper)
		if !ok || q.sockets[w] >= w.Slots() || !hasPlace(w) || q.auto != nil && q.auto.reads(w)&mainLane == 0 {
			continue
		}
		this := burden{sockets: q.sockets[w]}
		this.held = lasts(l.Stepping(), now, heldLong) || lasts(l.Silent(), now, silentLong)
		this.lag, _ = l.Loop()
		if best == nil || this.compare(least) < 0 {
			best, least = w, this
		}
	}
	return best
}

// lasts reports whether what began then, if it did, has lasted for longer.
func lasts(since, now int64, longer time.Duration) bool {
	return since != 0 && now-since > int64(longer)
}

// hasPlace reports whether a slot is free: requests that are no sockets take them too. A
// loop takes its first slots first, so that nearly always the last one tells.
func hasPlace(w Worker) bool {
	for i := w.Slots() - 1; i >= 0; i-- {
		if id, _ := w.Slot(i); id == 0 {
			return true
		}
	}
	return false
}

// burden is what a loop bears already.
type burden struct {
	held    bool // for long already
	sockets int
	lag     time.Duration // of late
}

func (l burden) compare(o burden) int {
	if l.held != o.held {
		if l.held {
			return 1
		}
		return -1
	}
	return cmp.Or(cmp.Compare(l.sockets, o.sockets), cmp.Compare(l.lag, o.lag))
}

// countLocked counts a call among what lasts of a worker, until it ends.
func (q *Queue) countLocked(c *Call, w Worker) {
	if c.counted == nil {
		c.counted = w
		c.counts.Store(true)
		q.sockets[w]++
	}
}

// accepted counts a socket or a stream that came by the lane.
func (q *Queue) accepted(c *Call, id uint64, w Worker) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.id() != id {
		return
	}
	q.countLocked(c, w)
	if c.id() != id { // it has ended meanwhile, and whoever ended it may not have seen that it counts
		q.uncountLocked(c)
	}
}

// uncount is for a socket or a stream that ends, or that its worker will not have.
func (q *Queue) uncount(c *Call) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.uncountLocked(c)
}

func (q *Queue) uncountLocked(c *Call) {
	w := c.counted
	if w == nil {
		return
	}
	c.counted = nil
	c.counts.Store(false)
	if q.sockets[w]--; q.sockets[w] <= 0 {
		delete(q.sockets, w)
	}
}

// placeAnew gives what a dead loop was given, and has not begun, to whoever reads the
// lane: a loop counts what it begins before the application sees any of it. Its slots do
// not tell: what it had run to the end, and not answered yet, is in none.
func (q *Queue) placeAnew(w Worker) {
	l, ok := w.(looper)
	if !ok {
		return
	}
	q.mu.Lock()
	delete(q.given, w)
	q.mu.Unlock()
	opened := l.Opened()
	q.each(func(c *Call, id uint64) {
		if o := c.owner.Load(); o == nil || *o != w || c.line.Load() != q.pushed {
			return
		}
		q.mu.Lock()
		begun := c.pushed <= opened
		q.mu.Unlock()
		if begun {
			return
		}
		if state := stateOf(c.life.Load()); state != placed && state != withdrawn && state != overdue {
			return
		}
		switch s := c.step(id, unplace); { // it may have begun in this very moment
		case !s.done:
		case s.to == idle:
			q.ended(c, s)
			q.tellFailure(c, s, ErrCancelled)
		default:
			q.uncount(c)
			c.owner.Store(nil)
			if !q.main.place(c, id, q.cfg.Clock()) {
				q.discard(c, id)
			}
			q.watch.arm()
		}
	})
}
