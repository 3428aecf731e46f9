package sched

import (
	"sync/atomic"
	"time"
)

// Sums are what a route's requests came to since the server began, or since it met
// the route.
type Sums struct {
	Requests int64 // that have ended, whoever answered them
	Failed   int64 // of those, with a 5xx, the server's own 502 and 504 too
	Service  time.Duration
	Queue    time.Duration // until a thread began them
}

func (s *Sums) add(o Sums) {
	s.Requests += o.Requests
	s.Failed += o.Failed
	s.Service += o.Service
	s.Queue += o.Queue
}

// sums are Sums while requests end. They lie beside what each answer writes anyhow,
// so that they cost no cache line more.
type sums struct {
	requests, failed atomic.Int64
	service, queue   atomic.Int64 // us
}

func (s *sums) now() Sums {
	return Sums{
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

// RouteSums are the sums of one route.
type RouteSums struct {
	Name string
	Sums
}

// Sums tells what each known route's requests came to, and those of all others
// together. The two add up to all requests, also when routes come and go; only what
// still runs when its route leaves is in neither.
func (q *Queue) Sums() (known []RouteSums, others Sums) {
	t := &q.routes
	t.mu.Lock()
	defer t.mu.Unlock()
	t.visit(func(r *Route) { known = append(known, RouteSums{r.name, r.sums.now()}) })
	others = t.gone
	others.add(t.other.sums.now())
	return known, others
}
