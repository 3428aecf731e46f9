package sched

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// undertaker looks for calls that a worker, dead since, had read from the lane but
// not noted in its page, or had finished but not sent. Such a call is in no slot of
// a living worker and no longer in the lane: the lane is empty, or something that
// was sent clearly later has begun, by a whole second at one look at least, as whoever
// writes to the lane may be stopped just before that. That must be so for a while, as a
// thread needs a moment between reading and noting, and between finishing and sending, and
// a busy machine makes it long; and then all that each of the living has sent must have been
// passed on once, for its answer may be there. It is lost: it is never given to anyone
// again, for it may have run.
//
// A worker that lives may still have it in hands, if its thread was stopped in that
// moment. It notes what it has read before it looks at the flag, and reads its block
// only after that. So the block is given back when the flag is set and the next look
// finds the call in no slot; and the cell, with its flag, when each worker that lived
// then has ended or has answered something that it began since: it reads one packet
// after the other, and what it had finished before it has sent before.
type undertaker struct {
	kick chan struct{}

	watching atomic.Bool // there are graves: what workers begin is noted

	mu    sync.Mutex
	died  int64             // guarded by mu: when a worker last did
	begun map[Worker]uint64 // guarded by mu: when those last began what they answered, while there are graves

	suspects map[uint64]suspect // of the goroutine: at the last look
	graves   []grave            // of the goroutine
}

// suspect is a call that was read from the lane, and has been in no slot at each look since
// a time.
type suspect struct {
	c           *Call
	sent, since int64
	sure        bool     // also if it had come to the lane lostAfter later than it was sent
	unheard     []Worker // those that lived then, and may have sent an answer that was not passed on
}

// grave is a lost call.
type grave struct {
	c      *Call
	id     uint64
	since  int64
	lived  []Worker // those that may still have it
	looked bool     // its block was given back
}

func (u *undertaker) init() {
	u.kick = make(chan struct{}, 1)
	u.begun = map[Worker]uint64{}
}

// saw notes when a worker began what it answers.
func (u *undertaker) saw(w Worker, began uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.begun[w] = max(u.begun[w], began)
}

func (u *undertaker) beganSince(w Worker, since int64) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.begun[w] > uint64(since)
}

// watch begins or ends the noting of what workers begin.
func (u *undertaker) watch(on bool) {
	u.watching.Store(on)
	if !on {
		u.mu.Lock()
		clear(u.begun)
		u.mu.Unlock()
	}
}

// told notes a death.
func (u *undertaker) told(at int64) {
	u.mu.Lock()
	u.died = at
	u.mu.Unlock()
	select {
	case u.kick <- struct{}{}:
	default:
	}
}

func (u *undertaker) lastDeath() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.died
}

// How the search looks: a packet lies in the lane in the order of its writing, give
// or take what two writers race for. Who only waits for a worker to begin something
// need not look often.
const (
	lostEvery  = 100 * time.Millisecond
	lostAfter  = int64(time.Second)
	graveEvery = time.Second
	lostSlack  = int64(100 * time.Millisecond)
)

// undertake searches after each death until it is known of all calls that were
// sent before it that someone has begun them.
func (q *Queue) undertake() {
	u := &q.deaths
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for searches := false; ; {
		select {
		case <-q.watch.stop:
			return
		case <-u.kick:
			if !searches { // else many deaths would put the next look off
				searches = true
				timer.Reset(lostEvery)
			}
			continue
		case <-timer.C:
		}
		searches = q.searchLost()
		q.visitGraves()
		switch {
		case searches || len(u.graves) > 0 && !u.graves[len(u.graves)-1].looked:
			timer.Reset(lostEvery)
		case len(u.graves) > 0:
			timer.Reset(graveEvery)
		default:
			timer.Reset(time.Hour)
		}
	}
}

// searchLost fails what has seemed lost for long enough, and reports whether it must
// look again.
func (q *Queue) searchLost() (again bool) {
	u, now, living := &q.deaths, q.cfg.Clock(), q.living()
	u.suspects, again = q.suspects(u.lastDeath(), now, living)
	heard := map[Worker]bool{} // at this look
	heardOf := func(w Worker) bool {
		if _, asked := heard[w]; !asked {
			heard[w] = !slices.Contains(living, w) || w.Heard()
		}
		return heard[w]
	}
	for id, s := range u.suspects {
		if now-s.since < lostAfter || !s.sure {
			continue
		}
		s.unheard = slices.DeleteFunc(s.unheard, heardOf)
		u.suspects[id] = s
		if len(s.unheard) == 0 {
			q.bury(s.c, id, slices.Clone(living))
		}
	}
	return again
}

// bury says that a call is lost, unless its answer has come.
func (q *Queue) bury(c *Call, id uint64, living []Worker) {
	s := q.abandon(c, id, lose, ErrLost)
	if !s.done {
		return
	}
	q.deaths.watch(true)
	q.deaths.graves = append(q.deaths.graves, grave{c: c, id: id, since: q.cfg.Clock(), lived: living})
	if q.auto != nil {
		q.auto.ended(c) // nothing runs of it
	}
	if !s.from.told() {
		c.by = nil
		c.route.Load().sums.unanswered(c)
		c.Answer.Fail(ErrLost)
	}
}

// suspects returns the calls that seem lost, and whether any that was sent
// before the death has not begun. That one was read stays known: it is not waited until
// the lane is empty at each look, or something late runs just then.
func (q *Queue) suspects(died, now int64, living []Worker) (found map[uint64]suspect, again bool) {
	empty := map[*line]bool{}
	for _, l := range q.lines {
		empty[l] = l.lane.Unread() == 0
	}
	running, newest := q.running()
	found = map[uint64]suspect{}
	q.each(func(c *Call, id uint64) {
		s, l, sent := stateOf(c.life.Load()), c.line.Load(), c.sent.Load()
		unseen := s == placed || s == withdrawn || s == overdue && c.owner.Load() == nil
		if !unseen || sent > died || running[id] || l == q.remote || l == q.pushed || l.holds(c) {
			return
		}
		again = true
		this, known := q.deaths.suspects[id]
		if known = known && this.c == c && this.sent == sent; !known {
			this = suspect{c: c, sent: sent, since: now, unheard: slices.Clone(living)}
		}
		passed := newest[l]
		if empty[l] {
			passed = now
		}
		this.sure = this.sure || sent+lostAfter <= passed
		if known || sent+lostSlack <= passed {
			found[id] = this
		}
	})
	return found, again
}

// visitGraves gives back what nobody can touch any more of lost calls.
func (q *Queue) visitGraves() {
	u := &q.deaths
	if len(u.graves) == 0 {
		return
	}
	running, _ := q.running()
	living := q.living()
	if u.graves = slices.DeleteFunc(u.graves, func(g grave) bool { return !g.c.in(g.id, lost) }); len(u.graves) == 0 {
		u.watch(false)
	}
	for i := range u.graves {
		g := &u.graves[i]
		if running[g.id] {
			continue
		}
		if !g.looked && q.cfg.Clock()-g.since >= int64(lostEvery) {
			g.looked = q.clear(g.c, g.id)
		}
		g.lived = slices.DeleteFunc(g.lived, func(w Worker) bool {
			return !slices.Contains(living, w) || u.beganSince(w, g.since)
		})
		if len(g.lived) == 0 && g.looked {
			if s := q.step(g.c, g.id, reclaim); s.done {
				q.ended(g.c, s)
			}
		}
	}
}

// clear gives back the block of a lost call.
func (q *Queue) clear(c *Call, id uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c.in(id, lost) {
		q.unpack(c)
	}
	return true
}

// living are the workers that have not died.
func (q *Queue) living() []Worker {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.alive)
}

// running returns the ids in the live workers' slots, and of each line when the
// latest of them was sent.
func (q *Queue) running() (ids map[uint64]bool, newest map[*line]int64) {
	ids, newest = map[uint64]bool{}, map[*line]int64{}
	q.slots(func(_ Worker, id, _ uint64) {
		ids[id] = true
		if c := q.find(id); c != nil {
			if l := c.line.Load(); l != nil {
				newest[l] = max(newest[l], c.sent.Load())
			}
		}
	})
	return ids, newest
}
