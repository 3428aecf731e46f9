package sched

import (
	"sync"
	"sync/atomic"
)

// keeper does what those who end a call must not wait for: it takes calls that
// nobody waits for from where they are held back, and closes their files. What it
// has to do is bounded by the cells.
type keeper struct {
	kick chan struct{}

	mu     sync.Mutex
	spools []Spool // guarded by mu: to be closed

	open atomic.Int64 // files that are not closed yet
}

func (k *keeper) init() { k.kick = make(chan struct{}, 1) }

func (k *keeper) wake() {
	select {
	case k.kick <- struct{}{}:
	default:
	}
}

func (k *keeper) add(s Spool) {
	k.mu.Lock()
	k.spools = append(k.spools, s)
	k.mu.Unlock()
	k.wake()
}

// close closes the files that were given back.
func (k *keeper) close() {
	k.mu.Lock()
	list := k.spools
	k.spools = nil
	k.mu.Unlock()
	for _, s := range list {
		s.Close()
		k.open.Add(-1)
	}
}

func (q *Queue) keepHouse() {
	for {
		select {
		case <-q.watch.stop:
			return
		case <-q.keeper.kick:
		}
		for _, l := range q.lines {
			q.discardAll(l.takeRecalled())
		}
		if q.auto != nil {
			q.discardAll(q.auto.takeRecalled())
		}
		q.keeper.close()
	}
}

func (q *Queue) discardAll(calls []*Call) {
	for _, c := range calls {
		q.discard(c, c.id())
	}
}
