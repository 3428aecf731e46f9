package sched

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestSimulatedAuto drives the class auto with random loads, deaths, reloads and
// departures in virtual time, and checks what must hold whatever happens:
//
//   - every call ends exactly once, and no application runs it twice;
//   - only calls that a dead worker had taken are lost or fail with it;
//   - at most as many requests known to compute do so as there are cores, and
//     one in a process, unless they are let share them (cluster.compute);
//   - nothing waits while a thread that should run it idles for longer than a
//     promotion takes, and nothing waits for ever;
//   - workers are never more than Most nor fewer than Workers, and when all is
//     quiet for long, roles and workers are given back (cluster.resize, here).
func TestSimulatedAuto(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		plan := drawAutoPlan(r)
		var faults, decisions []string
		synctest.Test(t, func(t *testing.T) { faults, decisions = plan.run() })
		for _, fault := range faults {
			r.Error(fault)
		}
		if len(faults) > 0 {
			for _, d := range decisions {
				r.Log(d)
			}
			r.Fatalf("plan: %+v", plan)
		}
	})
}

// autoPlan is what happens in one simulation.
type autoPlan struct {
	Size  clusterSize
	Steps []autoStep
}

type autoStep struct {
	After time.Duration
	What  string
	Who   int
	Count int // of requests
	Load  int // index of autoLoads
}

// autoLoads are the kinds of requests; a route of each.
var autoLoads = []struct {
	route  string
	phases func(n int) []phase
}{
	{"/light", func(int) []phase { return []phase{{Compute: 300 * time.Microsecond}} }},
	{"/sleep", func(n int) []phase { return []phase{{Sleep: time.Duration(1+n%9) * 40 * time.Millisecond}} }},
	{"/compute", func(n int) []phase { return []phase{{Compute: time.Duration(1+n%5) * 30 * time.Millisecond}} }},
	{"/both", func(n int) []phase {
		return []phase{{Compute: 30 * time.Millisecond}, {Sleep: time.Duration(n%7) * 100 * time.Millisecond}, {Compute: time.Millisecond}}
	}},
	{"/cache", func(n int) []phase {
		if n%10 == 0 {
			return []phase{{Compute: 80 * time.Millisecond}}
		}
		return []phase{{Compute: 300 * time.Microsecond}}
	}},
}

func drawAutoPlan(r *rapid.T) autoPlan {
	whats := []string{"ask", "ask", "ask", "ask", "ask", "ask", "ask", "ask", "leave", "leave", "kill", "reload", "rest"}
	steps := rapid.Custom(func(r *rapid.T) autoStep {
		return autoStep{
			After: time.Duration(rapid.SampledFrom([]int{0, 0, 1, 5, 30, 200, 1500}).Draw(r, "after")) * time.Millisecond,
			What:  rapid.SampledFrom(whats).Draw(r, "what"),
			Who:   rapid.IntRange(0, 63).Draw(r, "who"),
			Count: rapid.SampledFrom([]int{1, 1, 3, 10, 40}).Draw(r, "count"),
			Load:  rapid.IntRange(0, len(autoLoads)-1).Draw(r, "load"),
		}
	})
	cores := rapid.IntRange(1, 4).Draw(r, "cores")
	most := cores + rapid.IntRange(0, cores+1).Draw(r, "more")
	n := rapid.SampledFrom([]int{5, 15, 30}).Draw(r, "n")
	return autoPlan{
		Size: clusterSize{
			Cores: cores, Workers: min(cores+rapid.IntRange(0, 1).Draw(r, "standby"), most), Most: most,
			Threads: rapid.SampledFrom([]int{2, 4, 16, 48}).Draw(r, "threads"), Waiting: rapid.SampledFrom([]int{8, 64, 256}).Draw(r, "waiting"),
			Boot:  time.Duration(rapid.SampledFrom([]int{1, 300, 4000}).Draw(r, "boot")) * time.Millisecond,
			NoGIL: rapid.IntRange(0, 3).Draw(r, "gil") == 0,
		},
		Steps: rapid.SliceOfN(steps, n, n).Draw(r, "steps"),
	}
}

// run carries the plan out and returns what was wrong.
func (p autoPlan) run() (faults, decisions []string) {
	s := newCluster(p.Size)
	stop := make(chan struct{})
	s.running.Go(func() { s.watch(stop) })
	var calls []*Call
	var jobs []*autoJob
	for _, st := range p.Steps {
		time.Sleep(st.After)
		switch st.What {
		case "ask":
			load := autoLoads[st.Load]
			for i := range st.Count {
				c, j := s.ask(load.route, load.phases(st.Who+i)...)
				calls, jobs = append(calls, c), append(jobs, j)
			}
		case "leave":
			if len(jobs) > 0 {
				i := len(jobs) - 1 - st.Who%len(jobs)
				jobs[i].left.Store(true)
				s.queue.Cancel(calls[i])
			}
		case "kill":
			s.kill(st.Who)
		case "reload":
			s.reload()
		case "rest":
			time.Sleep(2 * time.Second)
		}
	}
	s.settle()
	close(stop)
	return s.close(), s.decisions
}

// settle waits until all is answered and then until all is as at the start.
func (s *cluster) settle() {
	for end := time.Now().Add(10 * time.Minute); s.runs() && time.Now().Before(end); {
		time.Sleep(time.Second)
	}
	s.checkJobs()
	for end := time.Now().Add(time.Duration(s.cluster.Most+1) * 70 * time.Second); time.Now().Before(end); {
		time.Sleep(5 * time.Second)
		if workers, compute, _ := s.count(); workers == s.cluster.Workers && compute == 0 {
			break
		}
	}
	s.checkRest()
}

// runs reports whether a call has not ended, but for lost ones.
func (s *cluster) runs() bool {
	all, graves := s.queue.inFlight()
	return all > graves
}

func (s *cluster) checkJobs() {
	for i, j := range s.jobs {
		ends, cause := j.answer.end()
		taker := j.taker.Load()
		died := taker != nil && taker.killed.Load()
		switch {
		case ends != 1:
			s.fault("job %d of %s ended %d times (%v)", i, j.route, ends, cause)
		case j.runs.Load() > 1:
			s.fault("job %d of %s ran %d times", i, j.route, j.runs.Load())
		case cause == nil && j.runs.Load() != 1:
			s.fault("job %d of %s was answered and ran %d times", i, j.route, j.runs.Load())
		case errors.Is(cause, ErrCancelled) && !j.left.Load():
			s.fault("job %d of %s was dropped though its client waits", i, j.route)
		case (errors.Is(cause, ErrLost) || errors.Is(cause, ErrWorkerDied)) && !died:
			s.fault("job %d of %s failed with %v though no dead worker had it", i, j.route, cause)
		}
	}
}

// checkRest: after long quiet, all is as at the start.
func (s *cluster) checkRest() {
	workers, compute, target := s.count()
	if workers != s.cluster.Workers || target != s.cluster.Workers {
		s.fault("%d workers are left of %d, %d are wanted", workers, s.cluster.Workers, target)
	}
	if compute != 0 {
		s.fault("%d workers still compute", compute)
	}
	a := s.queue.auto
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.busy != 0 || a.waiting != 0 || len(a.queue) != 0 || len(a.blocked) != 0 {
		s.fault("%d compute, %d wait, %d and %d are kept back, and nothing runs", a.busy, a.waiting, len(a.queue), len(a.blocked))
	}
	s.queue.routes.visit(func(r *Route) {
		if r.limiter.active != 0 || len(r.pending) != 0 {
			s.faults = append(s.faults, fmt.Sprintf("%s has %d that wait and %d kept back, and nothing runs", r.name, r.limiter.active, len(r.pending)))
		}
	})
}

// watch notes what waits although it could run. It looks every millisecond while
// there is anything in flight.
func (s *cluster) watch(stop chan struct{}) {
	since := make([]time.Time, len(mustNotLast))
	for gap := tick; ; {
		select {
		case <-stop:
			return
		case <-time.After(gap):
		}
		if gap = tick; !s.runs() {
			gap = 200 * time.Millisecond
			clear(since)
			continue
		}
		now, seen := time.Now(), s.see()
		for i, w := range mustNotLast {
			switch {
			case !w.is(s, &seen):
				since[i] = time.Time{}
			case since[i].IsZero() || w.begins && seen.begun.After(since[i]):
				since[i] = now
			case now.Sub(since[i]) > w.most(s):
				s.fault("for %v %s", now.Sub(since[i]), w.what)
				since[i] = now
			}
		}
	}
}

// seen is a cluster at one moment.
type seen struct {
	begun                   time.Time // when something last began
	workers                 int
	mainRead, mainFree      bool // somebody reads the main lane; with a thread that is free
	computeFree             bool // a process reads the compute lane alone and does nothing
	busy, slots, kept       int
	room                    bool // for a waiting request that is kept back
	mainUnread, computeHeld bool
}

func (s *cluster) see() (now seen) {
	s.mu.Lock()
	now.begun, now.workers = s.begun, len(s.workers)
	for _, w := range s.workers {
		lanes := w.lane.Load()
		now.mainRead = now.mainRead || lanes&mainLane != 0
		now.mainFree = now.mainFree || lanes&mainLane != 0 && len(w.free) > 0
		now.computeFree = now.computeFree || lanes == computeLane && busySlots(w) == 0
	}
	s.mu.Unlock()
	a := s.queue.auto
	a.mu.Lock()
	defer a.mu.Unlock()
	now.busy, now.slots, now.kept = a.busy, a.slots, len(a.queue)
	unread := a.q.main.lane.Unread()
	now.room = slices.ContainsFunc(a.blocked, func(r *Route) bool { return !a.crowded(r.pending[0], unread) && a.roomLocked(r.pending[0]) })
	now.mainUnread, now.computeHeld = s.lanes[0].Unread() > 0, s.lanes[1].Unread() > 0
	return now
}

// wait is a state that must not last longer than most.
type wait struct {
	what   string
	is     func(s *cluster, now *seen) bool
	most   func(s *cluster) time.Duration
	begins bool // it counts from when something last began
}

// mustNotLast are the states that must not last.
var mustNotLast = []wait{
	{
		"something waits on the main lane beside a free thread",
		func(_ *cluster, n *seen) bool { return n.mainFree && n.mainUnread }, promotion, true,
	},
	{
		"something waits on the compute lane beside an idle process that reads it",
		func(_ *cluster, n *seen) bool { return n.computeFree && n.computeHeld }, promotion, true,
	},
	{
		"a computing request is kept back although a slot is free",
		func(_ *cluster, n *seen) bool { return n.workers > 0 && n.kept > 0 && n.busy < n.slots }, promotion, false,
	},
	{
		"a waiting request is kept back although there is room",
		func(_ *cluster, n *seen) bool { return n.room }, promotion, false,
	},
	{
		"a computing request is kept back although a worker and a core could be had",
		func(s *cluster, n *seen) bool { return n.kept > 0 && n.slots < min(s.cluster.Cores, n.workers-1) }, twoLooks, false,
	},
	{
		"a computing request is kept back although a core is free and workers could come",
		func(s *cluster, n *seen) bool {
			return n.kept > 0 && n.slots < s.cluster.Cores && n.workers > 0 && n.workers < s.cluster.Most
		},
		func(s *cluster) time.Duration { return s.cluster.Boot + resizeBurst*resizeEvery }, false,
	},
	{
		"nobody reads the main lane",
		func(_ *cluster, n *seen) bool { return n.workers > 0 && !n.mainRead }, twoLooks, false,
	},
}

func promotion(*cluster) time.Duration { return 5 * tick }
func twoLooks(*cluster) time.Duration  { return 2 * lookBusy }
