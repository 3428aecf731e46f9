package serve

import (
	"context"
	"sync/atomic"
	"syscall"
	"time"
)

// ending is how far the end of the server has come. Each stage is a context that
// ends when the stage is reached; a later one brings those before it.
//
//	begun   a first signal to end: nothing new begins, neither a reload nor a hook
//	quick   the workers must stop: their clients have gone, or were given up
//	now     a second signal: nobody is waited for any more
type ending struct {
	begun, quick, now     context.Context
	begin, hasten, giveUp context.CancelFunc

	by atomic.Int64 // when the time to end in is over, in Unix nanoseconds; 0: it has not begun
}

func newEnding() *ending {
	e := new(ending)
	e.now, e.giveUp = context.WithCancel(context.Background())
	e.quick, e.hasten = context.WithCancel(e.now)
	e.begun, e.begin = context.WithCancel(e.quick)
	return e
}

// left is what is left of the time that a graceful end may take.
func (s *server) left() time.Duration {
	by := s.ending.by.Load()
	if by == 0 {
		return s.cfg.GracefulTimeout
	}
	return time.Until(time.Unix(0, by))
}

// sameSignal is within what a signal to end counts as the one before: timeout(1)
// and others send one to the process and one to its group.
const sameSignal = 50 * time.Millisecond

// endBy takes a signal to end: the first ends gracefully if it is TERM, any other
// ends at once, and after that nobody is waited for.
func (g *signals) endBy(s *server, sig syscall.Signal) {
	switch now := time.Now(); {
	case !g.first.IsZero() && now.Sub(g.first) < sameSignal && sig == g.last:
		return
	case g.first.IsZero() && !g.isServing():
		s.ending.hasten()
	case g.first.IsZero() && sig == syscall.SIGTERM:
		s.ending.begin()
		g.beside(s.drain)
	case g.first.IsZero():
		s.ending.hasten()
		g.beside(s.kill)
	default:
		s.ending.giveUp()
		if g.isServing() {
			g.beside(s.hurry)
		}
	}
	g.first, g.last = time.Now(), sig
}

// drain lets clients be served to their end, then the workers end.
func (s *server) drain() {
	s.leave()
	grace := s.cfg.GracefulTimeout
	by := time.Now().Add(grace)
	s.ending.by.Store(by.UnixNano())
	s.sidecars.End(by)
	forClients := grace
	if s.spoken.asgi() {
		forClients = grace * 2 / 3 // an event loop can end what it runs, and needs time for that and the app's shutdown
	}
	ctx, cancel := context.WithTimeout(s.ending.quick, forClients)
	defer cancel()
	if s.work != nil {
		jobs := make(chan struct{})
		go func() { s.work.node.Drain(ctx); close(jobs) }()
		defer func() { <-jobs; s.ending.hasten() }()
	}
	if err := s.front.Shutdown(ctx); err != nil && s.ending.quick.Err() == nil {
		s.log.Warningf("Some requests did not finish within %v", forClients)
		if !s.spoken.asgi() {
			s.workers.Kill()
		}
	}
	if s.work == nil {
		s.ending.hasten()
	}
}

// kill ends the workers, and tells clients: who is not answered gets 502.
func (s *server) kill() {
	s.sidecars.End(time.Now().Add(hooksMoment))
	s.workers.Kill()
	_ = s.front.Shutdown(s.ending.quick)
}

// leave gives those who route requests the time to learn that the server ends.
func (s *server) leave() {
	s.front.Leave()
	if s.cfg.ShutdownDelay <= 0 {
		return
	}
	s.log.Infof("The server serves for %v more, and says so on health_check_path", s.cfg.ShutdownDelay)
	delay := time.NewTimer(s.cfg.ShutdownDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-s.ending.quick.Done():
	}
}

// hurry ends all workers and sidecars; workers' hooks have a moment.
func (s *server) hurry() {
	s.sidecars.Kill()
	s.workers.Kill()
	time.Sleep(hooksMoment)
	s.workers.Kill()
}

const (
	hooksMoment = 300 * time.Millisecond
	lastResort  = 700 * time.Millisecond // after a second signal
)

// outlasts waits until the server has ended, and after a second signal not for
// long: what hangs then is left, and ends with this process.
func (e *ending) outlasts(ended <-chan int) (code int, hangs bool) {
	select {
	case code = <-ended:
		return code, false
	case <-e.now.Done():
	}
	late := time.NewTimer(lastResort)
	defer late.Stop()
	select {
	case code = <-ended:
		return code, false
	case <-late.C:
		return 0, true
	}
}

// refused is told of what cannot be in the life of a request.
func (s *server) refused(what string) {
	s.metrics.Refused()
	s.log.Errorf("a fault of the server: %s", what)
}
