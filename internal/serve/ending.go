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
//	now     a second signal, or its time is over: nobody is waited for any more
//
// What the end takes is bounded in one place: from within on there is a moment by which
// all should have ended, of which each part takes what is left, and lastMoment later comes now.
type ending struct {
	begun, quick, now     context.Context
	begin, hasten, giveUp context.CancelFunc

	by      atomic.Pointer[time.Time] // that moment, by the monotonic clock too; nil: there is none yet
	bounded chan struct{}             // closed when there is
}

func newEnding() *ending {
	e := &ending{bounded: make(chan struct{})}
	e.now, e.giveUp = context.WithCancel(context.Background())
	e.quick, e.hasten = context.WithCancel(e.now)
	e.begun, e.begin = context.WithCancel(e.quick)
	return e
}

// within says how long the end may take from now on, unless that was said before.
func (e *ending) within(limit time.Duration) {
	by := time.Now().Add(limit)
	if e.by.CompareAndSwap(nil, &by) {
		close(e.bounded)
	}
}

// deadline is by when all should have ended, once that was said.
func (e *ending) deadline() time.Time { return *e.by.Load() }

// grace is graceful_timeout as it was read last.
func (s *server) grace() time.Duration { return time.Duration(s.graceful.Load()) }

// left is what is left of the time that a graceful end may take.
func (s *server) left() time.Duration {
	if s.ending.by.Load() == nil {
		return s.grace()
	}
	return time.Until(s.ending.deadline())
}

const (
	// lastMoment is what the last hooks have beyond the time to end in, on_exit above all.
	lastMoment = time.Second
	// hooksLeast is what those of a worker have that is ended, and hooksMost if there is time.
	hooksLeast, hooksMost = lastMoment / 2, 5 * time.Second
	// quickLimit is how long an end may take that was to be at once (INT, QUIT).
	quickLimit = 5 * time.Second
)

// lastHooks is how long the last hooks of a worker may take that is ended.
func (s *server) lastHooks() time.Duration {
	if s.ending.by.Load() == nil {
		return hooksMost
	}
	return min(max(s.left(), hooksLeast), hooksMost)
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
		s.ending.within(s.grace())
		s.ending.hasten()
	case g.first.IsZero() && sig == syscall.SIGTERM:
		s.ending.begin()
		g.beside(s.drain)
	case g.first.IsZero():
		s.ending.within(min(quickLimit, s.grace()))
		s.ending.begin()
		g.beside(s.kill)
	default:
		s.ending.giveUp()
	}
	g.first, g.last = time.Now(), sig
}

// drain lets clients be served to their end, then the workers end.
func (s *server) drain() {
	s.leave()
	s.ending.within(s.grace())
	s.workers.Term()
	s.sidecars.End(s.ending.deadline())
	forClients := s.left()
	if s.spoken.asgi() {
		forClients = forClients * 2 / 3 // an event loop can end what it runs, and needs time for that and the app's shutdown
	}
	ctx, cancel := context.WithTimeout(s.ending.quick, forClients)
	defer cancel()
	if s.work != nil {
		jobs := make(chan struct{})
		go func() { s.work.node.Drain(ctx); close(jobs) }()
		defer func() { <-jobs; s.ending.hasten() }()
	}
	if err := s.front.Drain(ctx); err != nil && s.ending.quick.Err() == nil {
		s.log.Warningf("Some requests did not finish within %v", forClients)
		if !s.spoken.asgi() {
			s.workers.KillBusy()
		}
	}
	if s.work == nil {
		s.ending.hasten()
	}
}

// kill ends the workers, and tells clients: who is not answered gets 502.
func (s *server) kill() {
	s.workers.Kill() // before it stops, which lets workers end as if nobody had told them
	s.ending.hasten()
	s.sidecars.End(time.Now().Add(hooksMoment))
	_ = s.front.Drain(s.ending.quick)
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

// hurry ends all workers and sidecars, when nobody is waited for any more; workers' hooks
// have a moment.
func (s *server) hurry() {
	s.sidecars.Kill()
	s.workers.Kill()
	time.Sleep(hooksMoment)
	s.workers.Kill()
}

const (
	hooksMoment = 300 * time.Millisecond
	lastResort  = 700 * time.Millisecond // when nobody is waited for any more
)

// outlasts waits until the server has ended. When its time is over nobody is waited for
// any more, of which late is told; and then not for long: what hangs is left, and ends
// with this process.
func (e *ending) outlasts(ended <-chan int, late func()) (code int, hangs bool) {
	var over <-chan time.Time
	for bounded := e.bounded; e.now.Err() == nil; {
		select {
		case code = <-ended:
			return code, false
		case <-bounded:
			bounded = nil
			over = time.After(time.Until(e.deadline()) + lastMoment)
		case <-over:
			late()
			e.giveUp()
		case <-e.now.Done():
		}
	}
	last := time.NewTimer(lastResort)
	defer last.Stop()
	select {
	case code = <-ended:
		return code, false
	case <-last.C:
		return 0, true
	}
}

// refused is told of what cannot be in the life of a request.
func (s *server) refused(what string) {
	s.metrics.Refused()
	s.log.Errorf("a fault of the server: %s", what)
}
