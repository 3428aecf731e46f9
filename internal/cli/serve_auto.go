package cli

import (
	"girin/internal/config"
	"girin/internal/sched"
)

// What auto starts from, and never exceeds unless it is told to.
const (
	autoThreads        = 128 // of a worker
	autoWaiting        = 256 // requests that wait at once, in all workers
	autoSwitchInterval = 0.5 // ms; Python's own is 5
)

// sizes are how many workers and threads a server has. For fixed classes it is
// what the settings say.
type sizes struct {
	workers, most int // to begin with, and at most
	threads       int // of a worker
	waiting       int // requests that wait at once, in all workers; 0: no limit
	cores         int
}

func sizesOf(c *config.Config) sizes {
	p := sizes{workers: c.Workers, most: c.Workers, threads: c.Threads, cores: config.Cores()}
	if c.WorkerClass != "auto" {
		return p
	}
	if p.most == 0 {
		p.most = 2*p.cores + 1
	}
	p.workers = min(p.cores, p.most)
	if p.waiting = p.threads * p.most; p.threads == 0 {
		p.threads, p.waiting = autoThreads, autoWaiting
	}
	return p
}

// auto is the scheduler's part of the class; nil for the others.
func (s *server) auto() *sched.Auto {
	if s.cfg.WorkerClass != "auto" {
		return nil
	}
	p := s.sizes
	return &sched.Auto{
		Compute: s.computeLane, Cores: p.cores, Workers: p.workers, Most: p.most, Threads: p.waiting,
		Grow:    func(n int, why string) { s.workers.Scale(n) },
		Decided: func(text string) { s.log.Debugf("auto: %s", text) },
	}
}
