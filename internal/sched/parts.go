package sched

import (
	"sync"
	"time"

	"girin/internal/guard"
)

// Start launches the queue's goroutines.
func (q *Queue) Start() {
	for _, l := range q.lines {
		q.launch(guard.Part{Name: "the feeder of a lane", Run: l.feeder, Sound: l.sound})
	}
	q.launch(guard.Part{Name: "the watcher of the queue", Run: q.watcher, Sound: q.sound})
	q.launch(guard.Part{Name: "the keeper of the queue", Run: q.keepHouse, Sound: q.sound})
	q.launch(guard.Part{Name: "the search for lost requests", Run: q.undertake, Sound: q.sound})
	if q.auto != nil {
		q.launch(guard.Part{Name: "auto's manager", Run: q.auto.manager, Sound: q.sound})
	}
	q.launch(guard.Part{Name: "the deadlines", Run: q.deadlines, Sound: q.sound})
}

// launch runs a part until Close.
func (q *Queue) launch(p guard.Part) {
	q.done.Add(1)
	go func() {
		defer q.done.Done()
		q.cfg.Guard.Keep(p)
	}()
}

// Close ends the queue; the calls that are in it fail. It returns when its
// goroutines have ended. No Submit may follow.
func (q *Queue) Close() {
	close(q.watch.stop)
	for _, l := range q.lines {
		l.close()
	}
	q.done.Wait()
	q.closed.Store(true)
	q.each(func(c *Call, id uint64) { q.fail(c, id, stop, ErrStopped) })
	q.keeper.close()
}

// sound reports, after a panic, whether no lock is left held.
func (q *Queue) sound() bool {
	free := []func() bool{func() bool { return tryLock(&q.mu) }}
	for _, l := range q.lines {
		free = append(free, l.sound)
	}
	if q.auto != nil {
		free = append(free, func() bool { return tryLock(&q.auto.mu) })
	}
	for _, is := range free {
		if !is() {
			return false
		}
	}
	return true
}

func (l *line) sound() bool { return tryLock(&l.mu) }

// tryLock reports whether a lock can be had within a moment.
func tryLock(mu *sync.Mutex) bool {
	for range 100 {
		if mu.TryLock() {
			mu.Unlock()
			return true
		}
		time.Sleep(time.Millisecond)
	}
	return false
}
