package supervisor

import (
	"fmt"
)

// lookForSilent asks each worker for a sign of life and restarts those that
// have given none for too long: a process that was stopped, or in which
// something never gives Python's lock back, runs nothing, and no request's
// timeout would tell, since none begins. What it is at is asked for first.
//
// Silence is counted in looks, not by a clock: a master that was itself stopped
// for a while must not blame its workers. Without a limit it is asked all the same:
// it then looks after its descriptors.
func (s *Supervisor) lookForSilent() {
	limit := int((s.cfg.Silence + lookEvery - 1) / lookEvery)
	for _, m := range s.members {
		if m.state != serving || m.known {
			continue
		}
		switch silent := m.w.Ping(); {
		case limit == 0:
		case silent == limit:
			m.w.Dump(0)
		case silent > limit:
			s.restart(m, fmt.Sprintf("it has not answered for %v", s.cfg.Silence))
		}
	}
}
