package sched

import (
	"slices"
	"time"

	"girin/internal/wire"
)

// Overdue is a request that runs longer than the timeout.
type Overdue struct {
	Worker Worker
	ID     uint64
	Route  string
	Age    time.Duration // since a thread began it
	Limit  time.Duration // how long it might have run
	Cut    bool          // its head was sent, so the response was cut
}

// Deadlines say how long a request may run, and who hears of those that do
// not keep to it. The functions are called from one goroutine.
type Deadlines struct {
	Timeout time.Duration // 0: for ever; SetDeadlines changes it
	Grace   time.Duration // how long a thread may then still take to return; likewise
	Overdue func(Overdue)
	// Stuck is told of a worker one of whose threads did not return in time,
	// or none of whose threads is left.
	Stuck func(w Worker, why string)
}

// late is what the deadline keeper remembers of a request that was given up.
type late struct {
	w     Worker
	since int64
	asked bool // whoever runs it was asked to end it
	told  bool
}

// SetDeadlines says how long a request may run from now on, those that run included.
func (q *Queue) SetDeadlines(timeout, grace time.Duration) {
	q.timeout.Store(int64(timeout))
	q.grace.Store(int64(grace))
}

// deadlines gives requests up that run too long: their clients get an answer,
// their threads count as lost until they return.
func (q *Queue) deadlines() {
	t := time.NewTimer(q.untilNextLook())
	defer t.Stop()
	lost := map[uint64]*late{}
	for {
		select {
		case <-q.watch.stop:
			return
		case <-t.C:
			if timeout := time.Duration(q.timeout.Load()); timeout > 0 {
				q.giveUp(lost, timeout)
				q.giveUpQueued(timeout)
			}
			q.tellStuck(lost)
			t.Reset(q.untilNextLook())
		}
	}
}

// untilNextLook is how long the deadline keeper rests.
func (q *Queue) untilNextLook() time.Duration {
	const least, most = 10 * time.Millisecond, 250 * time.Millisecond
	timeout := time.Duration(q.timeout.Load())
	if timeout == 0 {
		return most // it may be set
	}
	return min(max(timeout/20, least), most)
}

// giveUp answers for what has run too long.
func (q *Queue) giveUp(lost map[uint64]*late, timeout time.Duration) {
	now := q.cfg.Clock()
	q.slots(func(w Worker, id, began uint64) {
		c := q.find(id)
		if c == nil || lost[id] != nil {
			return
		}
		since, started := c.progress(int64(began))
		limit := c.limitOr(timeout)
		if now-since < limit {
			return
		}
		route := c.route.Load()
		if !q.abandon(c, id, expire, ErrTimeout).done {
			return // it has just ended
		}
		lost[id] = &late{w: w, since: now}
		route.sums.unanswered(c)
		c.Answer.Fail(ErrTimeout)
		q.cfg.Deadlines.Overdue(Overdue{
			Worker: w, ID: id, Route: route.Name(), Age: time.Duration(now - int64(began)), Limit: time.Duration(limit), Cut: started,
		})
	})
}

// giveUpQueued answers for what nobody has begun and whose client, as a proxy
// told, has waited too long: nobody shall run it any more.
func (q *Queue) giveUpQueued(timeout time.Duration) {
	if !q.dated.Load() {
		return
	}
	now := q.cfg.Clock()
	running, _ := q.running()
	dated := false
	q.each(func(c *Call, id uint64) {
		since := c.since.Load()
		dated = dated || since != 0
		if s := stateOf(c.life.Load()); s != kept && s != placed {
			return
		}
		if since == 0 || now-since < int64(timeout) || running[id] {
			return
		}
		if q.abandon(c, id, expire, ErrTimeout).to == overdue { // else its keeper tells it
			c.Answer.Fail(ErrTimeout)
		}
	})
	if !dated {
		q.dated.Store(false)
	}
}

// tooLate reports whether the life of a call whose client waits since a known
// time is over, and notes that there are such calls.
func (q *Queue) tooLate(c *Call) bool {
	q.dated.Store(true)
	timeout := q.timeout.Load()
	return timeout > 0 && q.cfg.Clock()-c.Since >= timeout
}

// progress is when the call last did something its timeout should be counted
// from: before the head when it began, or a part of its body last came; after it
// the last block, and now while the worker waits for the client. A WebSocket that is
// open may be silent for as long as it likes. When the client has left, nothing of that
// is an excuse any more: then it counts from there.
func (c *Call) progress(began int64) (since int64, started bool) {
	last := c.moved.Load()
	if c.tunnelled.Load() {
		return 1<<63 - 1, true
	}
	if last == 0 {
		if since := c.since.Load(); since != 0 {
			return min(began, since), false
		}
		return max(began, c.fed.Load()), false
	}
	if stateOf(c.life.Load()) == answering && (c.upgraded.Load() || c.unacknowledged.Load() >= int64(c.window.Load())) {
		return 1<<63 - 1, true
	}
	return last, true
}

// limitOr is how long the call may run: its own limit, or that of all.
func (c *Call) limitOr(timeout time.Duration) int64 {
	if limit := c.limit.Load(); limit != 0 {
		return limit
	}
	return int64(timeout)
}

// stackTime is left to a worker without threads to tell its stacks.
const stackTime = 500 * time.Millisecond

// tellStuck reports the workers that must be replaced, each once per request.
func (q *Queue) tellStuck(lost map[uint64]*late) {
	if len(lost) == 0 {
		return
	}
	now, grace := q.cfg.Clock(), time.Duration(q.grace.Load())
	running := map[uint64]bool{}
	q.slots(func(_ Worker, id, _ uint64) { running[id] = true })
	gone := map[Worker]int{} // threads lost
	for id, o := range lost {
		if !running[id] {
			delete(lost, id)
			continue
		}
		gone[o.w]++
	}
	for id, o := range lost {
		if !o.asked && now-o.since > int64(grace-endTime(grace)) {
			o.asked = true
			q.askToEnd(id, o.w)
		}
		switch {
		case o.told:
		case gone[o.w] >= o.w.Slots() && now-o.since > int64(stackTime):
			o.told = true
			q.cfg.Deadlines.Stuck(o.w, "none of its threads is left")
		case now-o.since > int64(grace):
			o.told = true
			q.cfg.Deadlines.Stuck(o.w, "a thread did not return")
		}
	}
}

// endTime is how much of the grace time is left when who runs a request is asked to
// end it: a greenlet can be ended, a thread cannot.
func endTime(grace time.Duration) time.Duration { return min(grace/2, time.Second) }

// askToEnd asks for the end of a request that was given up and still runs.
func (q *Queue) askToEnd(id uint64, w Worker) {
	q.mu.Lock()
	c := q.find(id)
	late := c != nil && stateOf(c.life.Load()) == overdue
	if late {
		q.flags[c.cell] = wire.FlagEnd // as in abandon, while the call cannot become another request
	}
	q.mu.Unlock()
	if late {
		w.Grant(id, wire.Cancelled)
	}
}

// Streams reports whether w sends an answer that moves: one that is not given up.
func (q *Queue) Streams(w Worker) (yes bool) {
	oldest := q.cfg.Clock() - q.timeout.Load()
	q.slots(func(of Worker, id, began uint64) {
		if of != w || yes {
			return
		}
		if c := q.find(id); c != nil && stateOf(c.life.Load()) == answering {
			since, _ := c.progress(int64(began))
			yes = since > oldest
		}
	})
	return yes
}

// slots visits what the workers run.
func (q *Queue) slots(visit func(w Worker, id, began uint64)) {
	q.mu.Lock()
	workers := slices.Clip(q.alive)
	q.mu.Unlock()
	for _, w := range workers {
		for i := range w.Slots() {
			if id, began := w.Slot(i); id != 0 {
				visit(w, id, began)
			}
		}
	}
}
