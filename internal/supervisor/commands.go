package supervisor

import (
	"slices"
	"syscall"
	"time"

	"girin/internal/worker"
)

// Kill ends all workers at once; their hooks have a moment, unless it is called
// again.
func (s *Supervisor) Kill() { s.kill(func(*member) bool { return true }) }

// KillBusy is Kill for the workers that run something. The others end as they do in any
// stop, which must come next: what they do at their end is not lost for somebody else's request.
func (s *Supervisor) KillBusy() {
	s.kill(func(m *member) bool { return m.state != serving || m.w.Busy() > 0 })
}

func (s *Supervisor) kill(wanted func(*member) bool) {
	s.do(func() {
		s.stopping = true
		s.launching.giveUp()
		s.gen.close()
		for _, m := range s.members {
			switch {
			case s.killing:
				m.w.Process().Kill()
			case wanted(m):
				m.w.End(syscall.SIGQUIT, s.lastHooks())
			}
		}
		s.killing = true
	})
}

// Term tells the workers that serve that the server ends. They serve on, but an application
// that has a handler of SIGTERM learns it as under gunicorn, where streams wait for that.
func (s *Supervisor) Term() {
	s.do(func() {
		for _, m := range s.members {
			if m.state == serving {
				m.w.Term()
			}
		}
	})
}

// Signal sends a signal to the workers that serve.
func (s *Supervisor) Signal(sig syscall.Signal) {
	s.do(func() {
		for _, m := range s.members {
			if m.state == serving {
				_ = m.w.Process().Signal(sig)
			}
		}
	})
}

// Scale changes how many workers there should be by n; at least one stays.
func (s *Supervisor) Scale(n int) {
	s.do(func() {
		s.aim(max(s.target+n, 1))
		s.cfg.Log.Infof("Workers: %d", s.target)
	})
}

// Resize says how many workers there should be.
func (s *Supervisor) Resize(n int) {
	s.do(func() { s.aim(max(n, 1)) })
}

// Next is what a reload brings in.
type Next struct {
	Launch   Launch
	Template Template // nil: none
	Workers  int      // 0: as many as there are
	Recycle  Recycle  // of its workers
	// Settled is told what became of it: true when every worker from before has
	// ended, false if it failed. Not if the server ends first. Nil: nobody asks.
	Settled func(well bool)
}

// Reload brings in a new generation. The old one serves until the new one does; if
// that fails it stays.
func (s *Supervisor) Reload(n Next) {
	s.do(func() {
		if s.stopping {
			return
		}
		if s.previous != nil {
			s.cfg.Log.Infof("Another reload comes before the last one is ready, and takes its place")
			s.goBack()
		}
		s.previous, s.gen.target = s.gen, s.target
		s.gen = &generation{
			number: s.gen.number + 1, launch: n.Launch, template: n.Template, recycle: n.Recycle, after: s.count, settled: append(slices.Clip(s.gen.settled), n.Settled),
		}
		s.crashes, s.wait = 0, false
		s.launching.giveUp()
		if n.Workers > 0 {
			s.aim(n.Workers)
		}
	})
}

// SetLimits changes what Config says of times, for the workers that there are as well.
func (s *Supervisor) SetLimits(boot, grace, silence time.Duration) {
	s.do(func() { s.cfg.Boot, s.cfg.Grace, s.cfg.Silence = boot, grace, silence })
}

// Replace starts another worker for w, and drains w when that one is ready.
// Workers are replaced one at a time.
func (s *Supervisor) Replace(w *worker.Worker, why string) {
	s.withMember(w, func(m *member) {
		m.stuck = true
		if m.why == "" {
			m.why = why
		}
	})
}

// Restart ends w, which can do nothing any more, and starts another.
func (s *Supervisor) Restart(w *worker.Worker, why string) {
	s.withMember(w, func(m *member) { s.restart(m, why) })
}

func (s *Supervisor) restart(m *member, why string) {
	s.cfg.Log.Warningf("Restarting %s (pid: %d): %s", m.w.Name(), m.w.PID(), why)
	m.known = true
	m.w.End(syscall.SIGABRT, s.lastHooks())
}

// withMember runs f for a worker that serves.
func (s *Supervisor) withMember(w *worker.Worker, f func(m *member)) {
	s.do(func() {
		for _, m := range s.members {
			if m.w == w && m.state == serving {
				f(m)
			}
		}
	})
}

// aim changes how many workers there should be.
func (s *Supervisor) aim(workers int) {
	before := s.target
	s.target = workers
	if s.cfg.Scaled != nil && workers != before {
		s.cfg.Scaled(workers, before)
	}
}
