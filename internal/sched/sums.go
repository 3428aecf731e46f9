package sched

import (
	"sync/atomic"
	"time"

	"girin/internal/metrics"
)

// sums are metrics.Sums while requests end. They lie beside what each answer writes anyhow,
// so that they cost no cache line more.
type sums struct {
	requests, failed atomic.Int64
	service, queue   atomic.Int64 // us
}

func (s *sums) now() metrics.Sums {
	return metrics.Sums{
		Requests: s.requests.Load(), Failed: s.failed.Load(),
		Service: time.Duration(s.service.Load()) * time.Microsecond, Queue: time.Duration(s.queue.Load()) * time.Microsecond,
	}
}

// ran notes how long an answer of the application took, when it has ended.
func (s *sums) ran(us uint32) { s.service.Add(int64(us)) }

// answered notes an answer of the application, when its head has come.
func (s *sums) answered(wait int64, failed bool) {
	s.requests.Add(1)
	s.queue.Add(max(wait, 0) / 1000)
	if failed {
		s.failed.Add(1)
	}
}

// unanswered notes a call that ended without the application's answer, or within it.
func (s *sums) unanswered(c *Call) {
	s.failed.Add(1)
	if c.moved.Load() == 0 { // else its head was counted
		s.requests.Add(1)
	}
}

// Sums tells what each known route's requests came to, and those of all others
// together. The two add up to all requests, also when routes come and go; only what
// still runs when its route leaves is in neither.
func (q *Queue) Sums() (known []metrics.Route, others metrics.Sums) {
	t := &q.routes
	t.mu.Lock()
	defer t.mu.Unlock()
	t.visit(func(r *Route) { known = append(known, metrics.Route{Name: r.name, Sums: r.sums.now()}) })
	others = t.gone
	others.Add(t.other.sums.now())
	return known, others
}
