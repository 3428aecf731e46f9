package jobs

// What nobody but this node could run does not go by the engine: it is kept until a slot of
// this node is free. The engine would only cost time, and the job is worth nothing without its
// origin, which is the same process.
//
// As soon as another node is heard that could take a job, or have one here, all are sent to
// the stream: there those of all nodes wait in one order.

// aloneAfter is how long after the engine was reached others would have been heard of.
const aloneAfter = int64(2 * beatEvery)

// queue lets a job wait for a slot.
func (o *origin) queue(p *placed) {
	alone := o.n.alone()
	o.mu.Lock()
	keep := alone && o.sent == 0 // those in the stream were first
	subject := p.subject         // another version may be served in a moment
	switch {
	case o.jobs[p.id] != p: // its client has left
		o.mu.Unlock()
		return
	case o.n.draining.Load(): // homeAll has not seen it, and no slot of this node will
		o.forgetLocked(p)
		o.mu.Unlock()
		o.n.chores.add(func() { o.home(p, hereEnding) })
		return
	case keep:
		p.kept = o.kept.PushBack(p)
	default:
		o.sentLocked(p, true)
	}
	o.mu.Unlock()
	if !keep {
		o.n.counts.placed[placedQueue].Add(1)
		o.publish(p, subject)
		return
	}
	o.n.counts.placed[placedSlot].Add(1)
	select {
	case o.some <- struct{}{}:
	default: // all slots know already
	}
}

// sentLocked notes whether a job that nobody has begun is in the stream.
func (o *origin) sentLocked(p *placed, sent bool) {
	if p.sent == sent {
		return
	}
	if p.sent = sent; sent {
		p.known, p.inStream = false, true
		o.sent++
	} else {
		o.sent--
	}
}

// takeKept begins the job that was kept for the longest; nil: there is none.
func (o *origin) takeKept() (p *placed, attempt uint16) {
	o.mu.Lock()
	defer o.mu.Unlock()
	first := o.kept.Front()
	if first == nil {
		return nil, 0
	}
	p = o.kept.Remove(first).(*placed)
	p.kept = nil
	return p, o.beginLocked(p, o.n.name)
}

// lookAtKept sends what was kept to the stream if others may take it now.
func (o *origin) lookAtKept() {
	if o.n.alone() {
		return
	}
	type sending struct {
		*placed
		subject string
	}
	var all []sending
	o.mu.Lock()
	for e := o.kept.Front(); e != nil; e = o.kept.Front() {
		p := o.kept.Remove(e).(*placed)
		p.kept, p.since = nil, o.n.cfg.Clock()
		o.sentLocked(p, true)
		all = append(all, sending{p, p.subject})
	}
	o.mu.Unlock()
	for _, s := range all {
		if o.n.draining.Load() || !o.n.up.Load() {
			if o.forget(s.placed) {
				o.home(s.placed, hereEngine)
			}
			continue
		}
		o.publish(s.placed, s.subject)
	}
}

// cannotPlace is why a request that is a job runs here instead.
func (n *Node) cannotPlace(now int64) here {
	switch {
	case n.draining.Load():
		return hereEnding
	case !n.up.Load():
		return hereEngine
	case now < n.origin.slow.Load():
		return hereSlow
	}
	return placeable
}

// alone reports whether nobody else can run a job of this node, or wants one to be run here.
func (n *Node) alone() bool {
	s := n.store.Load()
	return n.cfg.Slots > 0 && s != nil && s.oneLine && !n.draining.Load() && n.up.Load() && n.beats.alone.Load()
}

// lookAtOthers notes whether there are nodes with which this one shares its jobs.
func (b *beats) lookAtOthers() {
	version, now := line(b.n.Version()), b.n.cfg.Clock()
	b.mu.Lock()
	defer b.mu.Unlock()
	alone := !b.mute && now-b.since > aloneAfter
	for _, h := range b.last {
		if now-h.at < beatGone && lineOf(h.Version, h.Format) == version {
			alone = false
		}
	}
	b.alone.Store(alone)
}
