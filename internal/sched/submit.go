package sched

import (
	"sync/atomic"

	"girin/internal/wire"
)

// Full reports whether a new call would be refused.
func (q *Queue) Full() bool {
	return q.waited.Load()-q.beside.Load() >= q.capacity.Load()+int64(q.cfg.Waits)
}

// Capacity is how many requests the workers that are ready run at once.
func (q *Queue) Capacity() int { return int(q.capacity.Load()) }

// InFlight is the number of calls that were submitted and that somebody waits for.
func (q *Queue) InFlight() int { return int(q.waited.Load()) }

// Submit places a registered call. Whatever becomes of it is told to its
// Answer; an error means that nothing was placed.
func (q *Queue) Submit(c *Call) error {
	if !c.Admitted && q.Full() {
		return ErrQueueFull
	}
	if c.Since != 0 && q.tooLate(c) {
		return ErrTimeout
	}
	if c.InFlight() {
		q.refused(stateOf(c.life.Load()), keep)
		return ErrQueueFull
	}
	c.flags = c.Route.flags()
	if c.Route.wantsCPU() {
		c.flags |= wire.MeasureCPU
	}
	if q.auto != nil {
		c.classify(q.auto.hasLoops())
	}
	id := c.NextID()
	window := q.cfg.Window
	if c.Window != 0 {
		window = c.Window
	}
	if !c.pack(q.cfg.Arena, id, window) {
		return ErrQueueFull
	}
	c.submitted = q.cfg.Clock()
	q.prepare(c, window)
	q.waited.Add(1)
	if (q.auto == nil || c.kind == light && !c.yields) && !c.Remote && !c.isPushed() && q.main.takes(c, id, c.submitted) {
		q.watch.arm()
		return nil
	}
	c.begin(id, kept)
	if c.Remote && !c.Upgrade && !c.Tunnel && q.remote != nil && q.placeRemote(c, id) {
		return nil
	}
	q.place(c, id)
	q.watch.arm()
	return nil
}

// prepare sets what others read of a call that begins.
func (q *Queue) prepare(c *Call, window uint32) {
	if q.flags[c.cell] != 0 { // a store would take the line from every worker that looks at its own request's flag
		q.flags[c.cell] = 0
	}
	c.by, c.fetched = nil, false
	if c.owner.Load() != nil {
		c.owner.Store(nil)
	}
	if c.route.Load() != c.Route {
		c.route.Store(c.Route)
	}
	if c.window.Load() != window {
		c.window.Store(window)
	}
	if trusted := c.flags&wire.Quick != 0; c.trusted.Load() != trusted {
		c.trusted.Store(trusted)
	}
	if task := c.Task(); c.tasked.Load() != task {
		c.tasked.Store(task)
	}
	if c.upgraded.Load() != c.Upgrade {
		c.upgraded.Store(c.Upgrade)
	}
	if c.tunnelled.Load() {
		c.tunnelled.Store(false)
	}
	set(&c.since, c.Since)
	set(&c.limit, int64(c.Limit))
	set(&c.moved, 0)
	set(&c.fed, 0)
	set(&c.unacknowledged, 0)
	if c.spool = c.Spool; c.spool != nil {
		q.keeper.open.Add(1)
	}
	q.cfg.Metrics.Received(c.bodySize())
}

// set stores a value where it changes: a store costs as much as a lock.
func set(at *atomic.Int64, to int64) {
	if at.Load() != to {
		at.Store(to)
	}
}

// place puts a call where it belongs.
func (q *Queue) place(c *Call, id uint64) {
	switch {
	case q.push(c, id):
	case q.auto != nil:
		q.auto.place(c, id, c.submitted)
	case !q.main.place(c, id, c.submitted):
		q.discard(c, id)
	}
}
