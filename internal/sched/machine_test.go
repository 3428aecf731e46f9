package sched

import (
	"math"
	"sync"
	"time"
)

// machine is cores that processes share, in virtual time. A process has a GIL:
// however many of its threads compute, together they get one core at most, in
// equal parts; and when more processes compute than there are cores, these are
// shared equally too.
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
}

// task is a thread that computes.
type task struct {
	left float64 // ns of CPU
	done chan struct{}
}

func newMachine(cores int) *machine {
	return &machine{cores: float64(cores), procs: map[*process]bool{}, last: time.Now()}
}

func newProcess() *process { return &process{tasks: map[*task]bool{}} }

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
			next = min(next, t.left*float64(len(p.tasks))/m.rateLocked())
		}
	}
	if m.timer != nil {
		m.timer.Stop()
	}
	if len(m.procs) > 0 {
		m.timer = time.AfterFunc(time.Duration(next)+1, func() { m.change(func() {}) })
	}
}

// rateLocked is what share of a core each computing process gets.
func (m *machine) rateLocked() float64 { return min(1, m.cores/float64(len(m.procs))) }

func (m *machine) workLocked() {
	now := time.Now()
	elapsed := float64(now.Sub(m.last))
	m.last = now
	for p := range m.procs {
		work := elapsed * m.rateLocked()
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
