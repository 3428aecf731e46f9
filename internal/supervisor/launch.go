package supervisor

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"girin/internal/proc"
	"girin/internal/worker"
)

// attempt is a worker that is being started.
type attempt struct {
	number int
	name   string
	gen    *generation
	cancel context.CancelFunc
}

// giveUp ends an attempt soon, if there is one.
func (a *attempt) giveUp() {
	if a != nil {
		a.cancel()
	}
}

// launch begins to start one worker of the current generation.
func (s *Supervisor) launch() {
	s.count++
	ctx, cancel := context.WithCancel(context.Background())
	a := &attempt{number: s.count, name: fmt.Sprintf("worker %d", s.count), gen: s.gen, cancel: cancel}
	s.launching = a
	go func() {
		w, err := s.try(ctx, a)
		if !s.do(func() { s.launched(a, w, err) }) && w != nil {
			w.Process().Kill()
		}
	}()
}

// try makes the attempt. A panic in it is a failure of that worker.
func (s *Supervisor) try(ctx context.Context, a *attempt) (w *worker.Worker, err error) {
	defer func() {
		if p := recover(); p != nil {
			s.cfg.Log.Criticalf("panic in the start of %s: %v\n%s", a.name, p, debug.Stack())
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return a.gen.launch(ctx, a.name, s.cfg.Receiver)
}

// launched hears what became of an attempt. If its generation is no longer the
// current one, nobody wants the worker.
func (s *Supervisor) launched(a *attempt, w *worker.Worker, err error) {
	s.launching = nil
	a.cancel()
	wanted := a.gen == s.gen && !s.stopping
	switch {
	case err == nil:
		s.boots(a, w)
		if !wanted {
			w.Process().Kill()
		}
	case !wanted:
	case errors.Is(err, worker.ErrNoTemplate):
		s.cfg.Log.Warningf("%s cannot be forked yet: %v; the application is imported anew", a.name, err)
		a.gen.prepared = false
	default:
		s.cfg.Log.Errorf("%s cannot be started: %v", a.name, proc.Limited(err))
		s.failed(a.gen, &BootError{Code: 1, Text: err.Error()})
	}
}

// boots takes in a worker whose process has begun.
func (s *Supervisor) boots(a *attempt, w *worker.Worker) {
	m := &member{w: w, number: a.number, gen: a.gen, lifetime: a.gen.recycle.untilReplaced(), mostMemory: a.gen.recycle.Memory}
	if limit := s.cfg.Boot; limit > 0 {
		go proc.Boot{
			Process: w.Process(), Limit: limit, Ready: w.Ready(),
			Late: func() {
				s.cfg.Log.Warningf("Worker (pid: %d) is not ready after %v; it is waited for as long as it computes", w.PID(), limit)
			},
			GiveUp: func() { m.slow.Store(true); w.EndBoot() },
		}.Watch()
	}
	s.members = append(s.members, m)
	w.Background(true) // what is served goes before
	s.cfg.Log.Infof("Booting worker with pid: %d", w.PID())
	go s.follow(m)
}

// follow reports what becomes of a worker.
func (s *Supervisor) follow(m *member) {
	<-m.w.Ready()
	if m.w.ReadyErr() == nil {
		s.post(event{m, true})
	}
	select {
	case <-m.w.Spent():
	case <-m.w.Done():
	}
	select {
	case <-m.w.Spent(): // also when it has ended meanwhile: what it did is no crash
		s.do(func() { s.spent(m) })
	default:
	}
	<-m.w.Done()
	s.post(event{m, false})
}

// spent makes room for the next worker at once.
func (s *Supervisor) spent(m *member) {
	if m.state != serving {
		return
	}
	switch {
	case s.stopping:
	case m.w.Told():
		s.cfg.Log.Infof("Autorestarting worker (pid: %d): it got INT or QUIT", m.w.PID())
	default:
		s.cfg.Log.Infof("Autorestarting worker (pid: %d): it has taken its last request, as max_requests says", m.w.PID())
	}
	m.spent = true
	s.drain(m)
}

func (s *Supervisor) post(e event) {
	select {
	case s.events <- e:
	case <-s.stopped:
	}
}

func (s *Supervisor) ready(m *member) {
	if s.stopping || m.gen != s.gen {
		m.w.Process().Kill()
		return
	}
	if !s.admit(m) {
		return
	}
	if s.enough() { // fewer were asked for meanwhile: this one, which has no clients yet, does not begin
		s.drain(m)
		return
	}
	m.state, m.since = serving, time.Now()
	m.w.Background(false)
	m.w.Select(firstLane)
	s.cfg.Queue.Attach(m.w)
	if !s.gen.proven {
		s.gen.proven = true
		if s.previous != nil {
			s.cfg.Log.Infof("Reloaded: generation %d serves", s.gen.number)
			s.previous.close()
			s.previous = nil
		}
		s.cfg.Failed(nil)
	}
}

// enough reports whether as many workers of the current generation serve as there should be.
func (s *Supervisor) enough() bool {
	serve := 0
	for _, m := range s.members {
		if m.gen == s.gen && m.state == serving {
			serve++
		}
	}
	return serve >= s.target
}

// admit asks whether a worker that is ready shall serve.
func (s *Supervisor) admit(m *member) bool {
	if s.cfg.Serving == nil {
		return true
	}
	workers, err := s.cfg.Serving(m.w)
	if err != nil {
		m.refused = &BootError{Code: bootFailed, Text: err.Error()}
		m.w.Process().Kill()
		return false
	}
	if workers > 0 {
		s.aim(workers)
	}
	return true
}

// bootFailed is gunicorn's exit status for workers that cannot boot.
const bootFailed = 3

// firstLane is what a worker reads unless the scheduler says otherwise. Before
// it is told so it has taken no request, and may be ended without harm.
const firstLane = 1
