package supervisor

import (
	"slices"
	"syscall"
	"time"

	"girin/internal/worker"
)

// reconcile starts and drains workers until there are as many as there should
// be: of a generation that is not proven, one; of an old one, as many as the
// new one lacks.
func (s *Supervisor) reconcile() {
	s.replaceNext()
	current, ready, booting := 0, 0, 0
	var first *worker.Worker
	for _, m := range s.members {
		if m.gen == s.gen && m.state == starting {
			booting++
		}
		if m.gen == s.gen && m.state <= serving {
			current++
			if m.state == serving {
				ready++
				first = m.w
			}
		}
	}
	want := s.target
	if s.previous != nil && !s.gen.proven {
		want = 1
	}
	if l := s.launching; l != nil && l.gen == s.gen {
		current++
	}
	crowded := s.cfg.BootAtOnce > 0 && booting >= s.cfg.BootAtOnce
	if s.launching == nil && current < want && !crowded && !s.wait && s.prepare() {
		s.launch()
	}
	surplus := ready - s.target // who serves stays until the others do
	old := max(s.target-ready, 0)
	for i := range s.members {
		m := s.members[i]
		switch {
		case m.state != serving:
		case m.gen == s.gen && surplus > 0:
			surplus--
			s.drain(m)
		case m.gen != s.gen && old > 0:
			old--
		case m.gen != s.gen:
			s.drain(m)
		}
	}
	s.settle()
	if s.announce && ready >= s.target {
		s.announce = false
		s.cfg.Ready(first)
	}
}

// settle tells that only workers of the current generation are left.
func (s *Supervisor) settle() {
	g := s.gen
	if len(g.settled) == 0 || !g.proven || slices.ContainsFunc(s.members, func(m *member) bool { return m.number <= g.after }) {
		return
	}
	for _, told := range g.settled {
		if told != nil {
			told(true)
		}
	}
	g.settled = nil
}

// replaceNext takes the next worker that must be replaced out of its
// generation, unless another one is still waiting for its replacement.
func (s *Supervisor) replaceNext() {
	var next *member
	for _, m := range s.members {
		switch {
		case m.state != serving:
		case m.gen == replaced:
			return
		case m.why != "" && m.gen == s.gen && next == nil:
			next = m
		}
	}
	if next != nil {
		s.cfg.Log.Infof("Replacing %s (pid: %d): %s", next.w.Name(), next.w.PID(), next.why)
		next.gen = replaced
	}
}

// stop drains everything.
func (s *Supervisor) stop() {
	s.stopping = true
	s.launching.giveUp()
	s.gen.close() // an attempt may wait for the template to fork
	for _, m := range s.members {
		switch m.state {
		case starting:
			m.w.Process().Kill()
		case serving:
			s.drain(m)
		case draining:
			if m.stuck {
				m.kill.Stop()
				s.killIn(m, s.stopGrace())
			}
		}
	}
}

// drain lets a worker finish what it runs and end.
func (s *Supervisor) drain(m *member) {
	m.state = draining
	s.cfg.Queue.Detach(m.w)
	grace := s.cfg.Grace
	if s.stopping {
		grace = s.stopGrace()
	}
	if s.killing {
		grace = max(grace, s.lastHooks()) // which those have that were told to end
	}
	if !m.stuck && !m.spent {
		m.w.Term()
	}
	m.w.Drain(grace)
	s.killIn(m, grace)
}

// killIn ends a draining worker after the grace time. One that drains because a
// thread is stuck has more time as long as other answers of it move.
func (s *Supervisor) killIn(m *member, grace time.Duration) {
	limit := s.cfg.Grace
	m.kill = time.AfterFunc(grace, func() {
		if m.stuck && s.cfg.Queue.Streams(m.w) && s.do(func() { s.killLater(m) }) {
			return
		}
		s.cfg.Log.Warningf("%s (pid %d) did not finish within %v and is killed", m.w.Name(), m.w.PID(), limit)
		m.w.End(syscall.SIGABRT, s.lastHooks())
	})
}

// killLater gives a worker whose time is over a little more, unless the server stops.
func (s *Supervisor) killLater(m *member) {
	if m.state == draining && !s.stopping {
		s.killIn(m, lookEvery)
	}
}

// lastHooks is how long the last hooks of a worker may take.
func (s *Supervisor) lastHooks() time.Duration {
	if s.cfg.LastHooks == nil {
		return hooksLimit
	}
	return s.cfg.LastHooks()
}

const hooksLimit = 5 * time.Second

// stopGrace is how long the stop of the server may still take.
func (s *Supervisor) stopGrace() time.Duration {
	if s.cfg.StopGrace == nil {
		return s.cfg.Grace
	}
	return max(s.cfg.StopGrace(), 0)
}
