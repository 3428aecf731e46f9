package sched

import (
	"math"
	"sync"
	"time"
)

// machine is cores that processes share, in virtual time. A process has a GIL,
// unless it is free: however many of its threads compute, together they get one core
// at most, in equal parts. When more want to compute than there are cores, these are
// shared equally.
type machine struct {
	cores float64

	mu    sync.Mutex
	procs map[*process]bool // guarded by mu: those that compute
	last  time.Time         // guarded by mu: up to when work was done
	timer *time.Timer       // guarded by mu: when the next task is done
}

// process is what the machine knows of one. The machine's lock guards it.
type process struct {
	tasks map[*task]bool
	used  float64 // ns of CPU
	free  bool    // of a GIL
}

// task is a thread that computes.
type task struct {
	left float64 // ns of CPU
	done chan struct{}
}

func newMachine(cores int) *machine {
	return &machine{cores: float64(cores), procs: map[*process]bool{}, last: time.Now()}
}

func newProcess(free bool) *process { return &process{tasks: map[*task]bool{}, free: free} }

// cores is how many cores the process would use.
func (p *process) cores() float64 {
	if p.free {
		return float64(len(p.tasks))
	}
	return 1
}

// compute takes d of CPU time, and reports false if the process died before.
func (m *machine) compute(p *process, d time.Duration, dead <-chan struct{}) bool {
	t := &task{left: float64(d), done: make(chan struct{})}
	m.change(func() {
		p.tasks[t] = true
		m.procs[p] = true
	})
	select {
	case <-t.done:
		return true
	case <-dead:
		m.change(func() { m.removeLocked(p, t) })
		return false
	}
}

func (m *machine) removeLocked(p *process, t *task) {
	if delete(p.tasks, t); len(p.tasks) == 0 {
		delete(m.procs, p)
	}
}

// change does the work until now, changes who computes, and sets the time of the
// next end.
func (m *machine) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.workLocked()
	f()
	for p := range m.procs {
		for t := range p.tasks {
			if t.left < 1 {
				close(t.done)
				m.removeLocked(p, t)
			}
		}
	}
	next := math.Inf(1)
	for p := range m.procs {
		for t := range p.tasks {
			next = min(next, t.left*float64(len(p.tasks))/p.cores()/m.rateLocked())
		}
	}
	if m.timer != nil {
		m.timer.Stop()
	}
	if len(m.procs) > 0 {
		m.timer = time.AfterFunc(time.Duration(next)+1, func() { m.change(func() {}) })
	}
}

// rateLocked is what part of the cores that it would use each process gets.
func (m *machine) rateLocked() float64 {
	wanted := 0.0
	for p := range m.procs {
		wanted += p.cores()
	}
	return min(1, m.cores/wanted)
}

func (m *machine) workLocked() {
	now := time.Now()
	elapsed := float64(now.Sub(m.last))
	m.last = now
	rate := m.rateLocked()
	for p := range m.procs {
		work := elapsed * p.cores() * rate
		p.used += work
		for t := range p.tasks {
			t.left -= work / float64(len(p.tasks))
		}
	}
}

// used is the CPU time of a process so far.
func (m *machine) used(p *process) (used time.Duration) {
	m.change(func() { used = time.Duration(p.used) })
	return used
}

// runnable reports whether a thread of the process computes.
func (m *machine) runnable(p *process) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.procs[p]
}
