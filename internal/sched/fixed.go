package sched

// Fix ends what the class auto decides: all requests go to the main lane, which all
// workers read. It is for applications whose workers are event loops: one runs
// hundreds of requests at once, and a loop that is late leaves what comes to others.
// What auto has kept back until now goes to the lane. It is called before the first
// worker is attached.
func (q *Queue) Fix() {
	a := q.auto
	if a == nil || a.off.Swap(true) {
		return
	}
	for _, c := range a.takeAll() {
		a.send(q.main, c, c.id(), q.cfg.Clock())
	}
}

// deciding is auto, if there is one that still decides.
func (q *Queue) deciding() *auto {
	if a := q.auto; a != nil && !a.off.Load() {
		return a
	}
	return nil
}

// takeAll takes out all that is kept back.
func (a *auto) takeAll() (all []*Call) {
	a.mu.Lock()
	defer a.mu.Unlock()
	all, a.queue = a.queue, nil
	for _, r := range a.blocked {
		all = append(all, r.pending...)
		r.pending = nil
	}
	a.blocked = nil
	for _, c := range all {
		c.kind = light
	}
	return all
}
