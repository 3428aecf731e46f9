package sched

import "slices"

// ended gives back what a call had, to the next.
func (a *auto) ended(c *Call) {
	if c.kind == light || !a.giveBack(c) {
		return
	}
	if c.kind == waiting {
		a.feedWaiting()
	}
	a.feedComputing()
}

// giveBack takes the place from a call, and reports whether it had one.
func (a *auto) giveBack(c *Call) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !c.slot {
		return false
	}
	if c.computes {
		a.leaveSlotLocked(c)
		return true
	}
	c.slot = false
	if !c.mayTunnel() {
		c.Route.limiter.active--
	}
	a.waiting--
	return true
}

// leaveSlotLocked takes the slot from a computing call.
func (a *auto) leaveSlotLocked(c *Call) {
	a.busy--
	if c.blocks {
		a.blocks--
	}
	c.slot, c.blocks = false, false
}

// feedWaiting sends what there is room for: the routes take turns.
func (a *auto) feedWaiting() {
	for {
		a.mu.Lock()
		a.regroupLocked()
		unread, now := a.q.main.lane.Unread(), a.q.cfg.Clock()
		i := slices.IndexFunc(a.blocked, func(r *Route) bool {
			return (!a.crowded(r.pending[0], unread) || a.turnLocked(r, now)) && a.roomLocked(r.pending[0])
		})
		if i < 0 {
			a.mu.Unlock()
			return
		}
		r := a.blocked[i]
		c := r.pending[0]
		r.pending = slices.Delete(r.pending, 0, 1)
		a.blocked = slices.Delete(a.blocked, i, i+1)
		if len(r.pending) > 0 {
			a.blocked = append(a.blocked, r)
		}
		id := c.id()
		a.takeLocked(c)
		l := a.waitingLineLocked(c)
		if l == a.q.main && a.crowded(c, unread) {
			a.letIn = now
		}
		a.mu.Unlock()
		a.send(l, c, id, now)
	}
}

// turnLocked reports whether it is the turn of what waits for a route although the main lane is
// crowded: on a server with as much to do as it can that is so all the time.
func (a *auto) turnLocked(r *Route, now int64) bool {
	return a.waitingLineLocked(r.pending[0]) != a.q.main || now-r.pending[0].submitted > int64(crowdedMost) && now-a.letIn >= int64(tick)
}

// regroupLocked puts what waits for a route of which nothing was known among the
// computing requests, once it is known that it is one of them.
func (a *auto) regroupLocked() {
	a.blocked = slices.DeleteFunc(a.blocked, func(r *Route) bool {
		if r.kind() != computing {
			return false
		}
		for _, c := range r.pending {
			c.computes = true
		}
		a.queue = append(a.queue, r.pending...)
		r.pending = nil
		a.wake()
		return true
	})
}

// feedComputing fills the slots that are free.
func (a *auto) feedComputing() {
	for {
		a.mu.Lock()
		i := slices.IndexFunc(a.queue, a.slotLocked)
		if i < 0 {
			a.mu.Unlock()
			return
		}
		c := a.queue[i]
		a.queue = slices.Delete(a.queue, i, i+1)
		id := c.id()
		a.computeLocked(c)
		a.mu.Unlock()
		a.send(a.compute, c, id, a.q.cfg.Clock())
	}
}

// send places a call, or ends it if nobody waits for it. False: the place that it had
// got is the next one's, whom the caller looks for.
func (a *auto) send(l *line, c *Call, id uint64, now int64) bool {
	if l.place(c, id, now) {
		a.q.watch.arm()
		return true
	}
	a.giveBack(c)
	a.q.discard(c, id)
	return false
}
