package serve

import (
	"fmt"
	"runtime"
	"time"

	"girin/internal/cgroup"
	"girin/internal/config"
	"girin/internal/sched"
)

const autoSwitchInterval = 0.5 // ms, of auto; Python's own is 5

// sizes are how many workers and threads a server has. For fixed classes it is
// what the settings say.
type sizes struct {
	workers, most int // to begin with, and at most
	threads       int // of a worker
	waiting       int // requests that wait at once, in all workers; 0: no limit
	cores         int
}

func sizesOf(c *config.Config) sizes {
	p := sizes{workers: c.Workers, most: c.Workers, threads: c.Threads, cores: cgroup.Own().Cores()}
	if c.WorkerClass != "auto" {
		return p
	}
	p.workers, p.most = c.AutoWorkers(p.cores)
	if p.threads == 0 {
		p.threads = config.AutoThreads
	}
	p.waiting = p.threads * p.most
	return p
}

// isAuto reports whether the scheduler decides what runs where, and on how many
// workers.
func (s *server) isAuto() bool { return s.cfg.WorkerClass == "auto" }

// scale changes how many workers there are by n, if that is not the scheduler's to
// decide.
func (s *server) scale(n int) {
	if s.isAuto() {
		s.log.Warningf("Under auto the load decides how many workers there are, up to -w: nothing is changed")
		return
	}
	s.workers.Scale(n)
}

// auto is the scheduler's part of the class; nil for the others.
func (s *server) auto() *sched.Auto {
	if !s.isAuto() {
		return nil
	}
	p := s.sizes
	return &sched.Auto{
		Compute: s.computeLane, Cores: p.cores, Workers: p.workers, Most: p.most, Threads: p.waiting,
		MemoryLeft: cgroup.Own().MemoryLeft,
		Resize:     func(n int, why string) { s.workers.Resize(n) },
		Decided:    s.decided,
	}
}

// arithmetic says where the sizes of the class auto come from.
func (p sizes) arithmetic() string {
	g := cgroup.Own()
	quota, memory := "no quota", "memory unknown"
	if q, ok := g.Quota(); ok {
		quota = fmt.Sprintf("a quota of %.3g", q)
	}
	if left, ok := g.MemoryLeft(); ok {
		memory = fmt.Sprintf("%d MiB of memory left", left>>20)
	}
	return fmt.Sprintf("%d cores (affinity %d, %s), %s: %d to %d workers with up to %d threads each; up to %d requests may wait at once",
		p.cores, runtime.NumCPU(), quota, memory, p.workers, p.most, p.threads, p.waiting)
}

// reloadTo is how many workers a new generation has. Under auto it is what the
// scheduler last asked for: it still knows what the routes need.
func (s *server) reloadTo(c *config.Config) int {
	if s.cfg.WorkerClass == "auto" {
		return 0
	}
	return sizesOf(c).workers
}

// decided notes a decision for the log and for whoever asks.
func (s *server) decided(text string) {
	s.log.Debugf("auto: %s", text)
	s.decisions.add(text, time.Now())
	s.metrics.Decided()
}
