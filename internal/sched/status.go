package sched

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"
)

// Status is what the scheduler does at one moment. Durations are nanoseconds.
type Status struct {
	InFlight  int             `json:"in_flight"`          // calls that somebody waits for
	Calls     int             `json:"calls"`              // calls that have not ended, waited for or not
	Sockets   int             `json:"sockets"`            // WebSockets that are open
	Cells     int             `json:"cells"`              // connections and streams that could submit one, and what of those that left still runs
	Spools    int             `json:"spools"`             // request bodies in files that workers may ask for
	Blocks    int             `json:"blocks"`             // of the arena
	Arena     int64           `json:"arena"`              // bytes in them
	Restarts  map[string]int  `json:"restarts,omitempty"` // of parts that panicked
	Capacity  int             `json:"capacity"`           // threads that are ready
	Held      int             `json:"held"`               // calls for which a lane had no room
	Queued    int             `json:"queued"`             // calls that auto keeps back
	Computing int             `json:"computing"`
	Slots     int             `json:"slots"` // computing requests that may run
	Workers   []WorkerStatus  `json:"workers"`
	Routes    []RouteStatus   `json:"routes"`
	Waits     []time.Duration `json:"waits"` // recent times in the queue, sorted
}

// WorkerStatus is what one worker does.
type WorkerStatus struct {
	PID     int       `json:"pid"`
	Lane    string    `json:"lane"` // all, main, compute, or why it reads none
	Slots   int       `json:"slots"`
	Running []Running `json:"running"`
	Sockets int       `json:"sockets"` // WebSockets that are open; of a WSGI application each holds a thread

	Parallel bool `json:"parallel"` // its threads compute at once: its Python has no GIL

	Lag   time.Duration `json:"lag"`   // how long its event loop was held up at most of late
	Tasks int           `json:"tasks"` // of its event loop
}

// Why a worker reads no lane.
const (
	Draining   = "none, it drains"
	StandingBy = "none, it stands by"
)

// Running is one request that a thread runs.
type Running struct {
	ID    uint64        `json:"id"`
	Route string        `json:"route"`
	Age   time.Duration `json:"age"`
}

// RouteStatus is what is known of one route.
type RouteStatus struct {
	Name       string        `json:"name"`
	Count      int64         `json:"count"`  // requests that have ended, whoever answered them
	Failed     int64         `json:"failed"` // of those, with a 5xx, the server's own 502 and 504 too
	Total      time.Duration `json:"total"`  // of their service times
	Kind       string        `json:"kind"`   // light, waiting, computing
	ServiceP50 time.Duration `json:"service_p50"`
	ServiceP95 time.Duration `json:"service_p95"`
	CPUP50     time.Duration `json:"cpu_p50"` // 0: not measured
	CPUP95     time.Duration `json:"cpu_p95"`
	QueueP50   time.Duration `json:"queue_p50"` // from when a request came to when a thread began it
	QueueP95   time.Duration `json:"queue_p95"`
	Limit      int           `json:"limit"`   // of waiting requests at once
	Active     int           `json:"active"`  // of those, how many were given to workers
	Pending    int           `json:"pending"` // calls that are kept back: by auto, or because a lane is full
}

// Status tells what the scheduler does.
func (q *Queue) Status() Status {
	s := Status{InFlight: q.InFlight(), Capacity: q.Capacity(), Waits: q.waits.sorted()}
	s.Spools, s.Blocks, s.Arena = int(q.keeper.open.Load()), q.cfg.Arena.Blocks(), q.cfg.Arena.Used()
	keptOf, socketsOf := map[*Route]int{}, map[Worker]int{}
	q.each(func(c *Call, _ uint64) {
		s.Calls++
		switch state := stateOf(c.life.Load()); {
		case state == kept:
			keptOf[c.route.Load()]++
		case state == answering && c.upgraded.Load(), state == running && c.tunnelled.Load():
			s.Sockets++
			if w := c.owner.Load(); w != nil {
				socketsOf[*w]++
			}
		}
	})
	s.Restarts = q.cfg.Guard.Restarts()
	for _, l := range q.lines {
		s.Held += int(l.held.Load())
	}
	q.mu.Lock()
	alive, readers := q.alive, q.readers
	s.Cells = q.fresh - len(q.free)
	q.mu.Unlock()
	now := q.cfg.Clock()
	for _, w := range alive {
		one := q.workerStatus(w, slices.Contains(readers, w), now)
		one.Sockets = socketsOf[w]
		s.Workers = append(s.Workers, one)
	}
	a := q.auto
	s.Routes = q.routes.status(a, keptOf)
	if a != nil {
		a.status(&s)
	}
	return s
}

func (q *Queue) workerStatus(w Worker, reads bool, now int64) WorkerStatus {
	s := WorkerStatus{PID: w.PID(), Lane: q.laneOf(w), Slots: w.Slots(), Parallel: isParallel(w)}
	if !reads {
		s.Lane = Draining
	}
	s.Running = q.runningOf(w, now)
	if l, ok := w.(looper); ok {
		s.Lag, s.Tasks = l.Loop()
	}
	return s
}

// Running tells what a worker runs; of one that has ended, what ended with it, until
// Died is told of it.
func (q *Queue) Running(w Worker) []Running { return q.runningOf(w, q.cfg.Clock()) }

func (q *Queue) runningOf(w Worker, now int64) (list []Running) {
	for i := range w.Slots() {
		id, began := w.Slot(i)
		if id == 0 {
			continue
		}
		r := Running{ID: id, Age: time.Duration(now - int64(began))}
		if c := q.find(id); c != nil {
			r.Route = c.route.Load().Name()
		}
		list = append(list, r)
	}
	return list
}

func (q *Queue) laneOf(w Worker) string {
	a := q.auto
	switch {
	case a == nil && q.alone.standsBy(w):
		return StandingBy
	case a == nil:
		return "all"
	}
	switch a.reads(w) {
	case 0:
		return StandingBy
	case mainLane:
		return "main"
	case computeLane:
		return "compute"
	}
	return "all"
}

func (a *auto) status(s *Status) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.Computing, s.Slots, s.Queued = a.busy, a.slots+a.extra, len(a.queue)
	for _, r := range a.blocked {
		s.Queued += len(r.pending)
	}
}

// status lists the routes, those first that took most of the workers' time.
func (t *routes) status(a *auto, kept map[*Route]int) (list []RouteStatus) {
	t.visit(func(r *Route) {
		s := r.status(a)
		s.Pending = kept[r]
		list = append(list, s)
	})
	slices.SortFunc(list, func(x, y RouteStatus) int {
		return cmp.Or(cmp.Compare(y.Total, x.Total), cmp.Compare(y.Count, x.Count), cmp.Compare(x.Name, y.Name))
	})
	return list
}

func (r *Route) status(a *auto) RouteStatus {
	n, seen := r.sums.now(), r.seen.Load()
	s := RouteStatus{Name: r.name, Count: n.Requests, Failed: n.Failed, Total: n.Service, Kind: r.kind().String()}
	s.ServiceP50, s.ServiceP95 = quantiles(r.recent[:], seen)
	s.CPUP50, s.CPUP95 = quantiles(r.cpu[:], r.measured.Load())
	s.QueueP50, s.QueueP95 = quantiles(r.waits[:], (seen+waitsEvery-1)/waitsEvery)
	if a != nil {
		a.mu.Lock()
		s.Limit, s.Active = r.limiter.now(), r.limiter.active
		a.mu.Unlock()
	}
	return s
}

// quantiles returns the median and the 95th percentile of a ring of
// microseconds into which n were written.
func quantiles(ring []atomic.Uint32, n uint32) (p50, p95 time.Duration) {
	k := min(int(n), len(ring))
	if k == 0 {
		return 0, 0
	}
	us := make([]uint32, k)
	for i := range us {
		us[i] = ring[i].Load()
	}
	slices.Sort(us)
	return time.Duration(us[k/2]) * time.Microsecond, time.Duration(us[k*95/100]) * time.Microsecond
}

// queueTimes keeps the last times that calls spent in the queue, in microseconds.
type queueTimes struct {
	next atomic.Uint32
	ring [256]atomic.Uint32
}

func (w *queueTimes) note(ns int64) {
	i := w.next.Add(1) - 1
	w.ring[i%uint32(len(w.ring))].Store(uint32(max(ns/1000, 0)))
}

func (w *queueTimes) sorted() []time.Duration {
	list := make([]time.Duration, min(int(w.next.Load()), len(w.ring)))
	for i := range list {
		list[i] = time.Duration(w.ring[i].Load()) * time.Microsecond
	}
	slices.Sort(list)
	return list
}
