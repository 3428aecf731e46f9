package supervisor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"

	"girin/internal/proc"
	"girin/internal/sched"
	"girin/internal/worker"
)

// ended takes a worker out whose process has ended.
func (s *Supervisor) ended(m *member) {
	was := m.state
	m.state = ended
	if m.kill != nil {
		m.kill.Stop()
	}
	for i := range s.members {
		if s.members[i] == m {
			s.members = append(s.members[:i], s.members[i+1:]...)
			break
		}
	}
	ran, how := s.cfg.Queue.Running(m.w), s.howItEnded(m.w)
	if len(ran) > 0 && s.cfg.Perished != nil {
		s.cfg.Perished(ran, how)
	}
	if m.w.Left() {
		s.cfg.Queue.Left(m.w)
	} else {
		s.cfg.Queue.Died(m.w)
	}
	if s.cfg.Ended != nil {
		s.cfg.Ended(m.w)
	}
	switch {
	case was == draining || s.stopping:
		s.cfg.Log.Infof("Worker exiting (pid: %d)", m.w.PID())
	case was == serving && m.known:
	case was == serving:
		s.tellEnd(m.w, ran, how)
		s.crashed(time.Since(m.since))
	default:
		s.failed(m.gen, s.bootErrorOf(m, how))
	}
}

// tellEnd says how a worker has ended that should have gone on. One that was told to
// end by a signal for it alone is no error, as under gunicorn.
func (s *Supervisor) tellEnd(w *worker.Worker, ran []sched.Running, how string) {
	switch {
	case !endedAsTold(w.Process()):
		s.cfg.Log.Errorf("Worker (pid:%d) %s%s", w.PID(), how, withIt(ran))
	case slices.ContainsFunc(ran, func(r sched.Running) bool { return r.Route != "" }):
		s.cfg.Log.Warningf("Worker exiting (pid: %d)%s", w.PID(), withIt(ran))
	default:
		s.cfg.Log.Infof("Worker exiting (pid: %d)", w.PID())
	}
}

// endedAsTold reports whether a process has ended with status 0, as after a hook for
// INT or QUIT, or by one of these itself.
func endedAsTold(p *proc.Process) bool {
	switch p.Signalled() {
	case 0:
		return p.ExitCode() == 0
	case syscall.SIGINT, syscall.SIGQUIT:
		return true
	}
	return false
}

// namedMost is how many requests a line names.
const namedMost = 5

// withIt names the requests that ended with a worker, the oldest first: one of them may
// be why.
func withIt(ran []sched.Running) string {
	switch len(ran) {
	case 0:
		return "; it ran no request"
	case 1:
		return "; with it ended " + named(ran[0])
	}
	slices.SortFunc(ran, func(x, y sched.Running) int { return cmp.Compare(y.Age, x.Age) })
	var names []string
	for i, r := range ran {
		if i == namedMost {
			names = append(names, fmt.Sprintf("and %d more", len(ran)-i))
			break
		}
		names = append(names, named(r))
	}
	return fmt.Sprintf("; with it ended %d requests: %s", len(ran), strings.Join(names, ", "))
}

func named(r sched.Running) string {
	if r.Route == "" {
		return "a request that nobody waited for"
	}
	return fmt.Sprintf("%s, which ran %.1f s", r.Route, r.Age.Seconds())
}

// howItEnded names what ended a process.
func (s *Supervisor) howItEnded(w *worker.Worker) string {
	p := w.Process()
	sig := p.Signalled()
	switch {
	case sig == 0:
		return fmt.Sprintf("exited with code %d", p.ExitCode())
	case sig != syscall.SIGKILL:
		return fmt.Sprintf("was ended by signal %d (%v)", int(sig), sig)
	}
	switch killed, known := s.kills.Came(); {
	case killed:
		return "was ended by the kernel with signal 9: its memory cgroup is out of memory"
	case known:
		return "was ended by signal 9 (killed)"
	}
	return "was ended by signal 9 (killed). Perhaps out of memory?"
}

func (s *Supervisor) bootErrorOf(m *member, how string) *BootError {
	var broken *worker.Broken
	switch {
	case m.refused != nil:
		return m.refused
	case errors.As(m.w.ReadyErr(), &broken):
		return &BootError{Code: broken.Code, Text: broken.Text}
	case m.slow.Load():
		return &BootError{Code: 3, Text: fmt.Sprintf("it was not ready within %v: a longer --timeout gives it more", s.cfg.Boot)}
	}
	if small := proc.SmallStack(); small != "" && m.w.Process().Signalled() == syscall.SIGSEGV {
		how += fmt.Sprintf(" (%s)", small)
	}
	return &BootError{Code: 3, Text: fmt.Sprintf("its process %s before it was ready", how), killed: fromOutside(m.w.Process().Signalled())}
}

// fromOutside reports whether a signal is one by which others end processes. What the
// application does wrong has others.
func fromOutside(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT, syscall.SIGQUIT, syscall.SIGHUP:
		return true
	}
	return false
}

// failed handles a worker that never became ready.
func (s *Supervisor) failed(gen *generation, why *BootError) {
	if gen != s.gen || s.stopping {
		return
	}
	s.cfg.Log.Errorf("Worker failed to boot: %s", why.Text)
	if why.killed && s.crashes < bootKills {
		s.crashed(0) // which says nothing about the application
		return
	}
	patient := !gen.proven && s.cfg.Failed(why)
	switch {
	case s.previous != nil && !gen.proven && why.killed:
		s.abandon("its workers are killed before they are ready; the running version stays")
	case s.previous != nil && !gen.proven:
		s.abandon("the application cannot be loaded; the running version stays")
	case patient:
		s.wait = true // until the next reload
	case s.announce && !gen.proven:
		s.boot = why
		s.stop()
	default:
		s.crashed(0)
	}
}

// bootKills is how often in a row the first workers, of the server or of a reload, may be
// killed from outside before it gives up: more is want of memory, not an accident.
const bootKills = 3

// abandon goes back to the generation before, since the reload has failed.
func (s *Supervisor) abandon(why string) {
	s.cfg.Log.Errorf("Reload failed: %s", why)
	s.goBack()
}

// goBack ends a generation that is not proven, and goes back to the one before.
func (s *Supervisor) goBack() {
	failed := s.gen
	s.gen, s.previous = s.previous, nil
	failed.close()
	if told := failed.settled[len(failed.settled)-1]; told != nil {
		told(false)
	}
	s.aim(s.gen.target)
	for _, m := range s.members {
		if m.gen == failed {
			m.w.Process().Kill()
		}
	}
}

// A worker that served so long has not crashed at its start.
const steady = time.Second

// backoffs are how long the next start waits after so many crashes in a row.
var backoffs = [...]time.Duration{0, 0, 0, 100 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 5 * time.Second}

// crashed makes the next start wait if there were many crashes.
func (s *Supervisor) crashed(lived time.Duration) {
	s.crashes++
	if lived > steady {
		s.crashes = 0
	}
	d := backoffs[min(s.crashes, len(backoffs)-1)]
	if d == 0 || s.wait {
		return
	}
	s.wait = true
	s.cfg.Log.Warningf("%d workers crashed in a row; the next starts in %v", s.crashes, d)
	time.AfterFunc(d, func() { s.do(func() { s.wait = false }) })
}
