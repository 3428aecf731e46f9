package serve

import (
	"time"

	"girin/internal/sched"
	"girin/internal/worker"
)

// deadlines says what happens to requests that run longer than --timeout: the
// client has its answer, the log the stack, and in the end the process goes.
func (s *server) deadlines() sched.Deadlines {
	var stacks stacks
	return sched.Deadlines{
		Timeout: s.cfg.Timeout, Grace: s.cfg.GracefulTimeout,
		Overdue: func(o sched.Overdue) {
			did := "its client got a 504"
			if o.Cut {
				did = "its response was cut"
			}
			follow := "Stacks follow."
			ask := stacks.ask(o.Worker.PID(), time.Now())
			if !ask {
				follow = "Its worker's stacks were just written."
			}
			s.log.Errorf("Request timeout: %s ran %.1f s in worker (pid: %d), the limit is %v; %s. %s",
				o.Route, o.Age.Seconds(), o.Worker.PID(), o.Limit, did, follow)
			if ask {
				o.Worker.Dump(o.ID)
			}
		},
		Stuck: func(w sched.Worker, why string) {
			lost, ok := w.(*worker.Worker)
			if !ok {
				return
			}
			if lost.Slots() == 1 {
				s.workers.Restart(lost, why)
				return
			}
			s.workers.Replace(lost, why)
		},
	}
}
